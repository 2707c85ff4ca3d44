"""
Serve the console and the API.

Like the command line, this package parses, calls the use cases of `app/`, and renders. It holds no
signing key and computes nothing itself.
"""
