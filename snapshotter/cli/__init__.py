"""
Provide the command line: declare options, call one function of `app`, and print its result. Only
this package imports click.
"""
