"""
Store bundles and their sidecars in a directory or an S3 bucket.

Contents: the two stores (`filesystem`, `s3`) with their locks and their compare-and-swap,
the probe of a store's promises, the store that records custody, receipts, and the catalog.
A store is not trusted: it can withhold evidence and cannot forge it.
"""
