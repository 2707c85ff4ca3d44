"""
Keep the index of a store: rows of bundles, texts, events and annotations, and search in them.

The index is made from the store, and can be made again at any time. Nothing in it is evidence.
"""
