"""
Make pages, pictures and documents for people from values that other packages computed.

This package decides nothing and uses no network.
"""
