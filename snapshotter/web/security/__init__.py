"""
Protect the console: allowed hosts, forms of other sites, response headers, sessions and limits.

Each module has one middleware. `application.py` lists them in the order in which a request passes.
"""
