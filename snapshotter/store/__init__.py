"""
Store bundles and their sidecars in a directory or an S3 bucket.

`location` parses the name of a store. `filesystem` is the store in a directory, with
`directory_locks` and `directory_compare_and_swap`; `s3` is the store in a bucket, with `s3_bucket`
and `s3_locks`. `lock_rules` and `upload_content` serve both. `probe` tests the promises of a store.
`custodial_store` records custody events, and `receipt_files` keeps receipts. A store is not
trusted: it can withhold evidence and cannot forge it.
"""
