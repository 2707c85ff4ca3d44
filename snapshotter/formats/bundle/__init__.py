"""
Read and write the files of a bundle, and the objects that a store keeps beside it.

`container` reads and writes the zip that is the bundle, `names` defines the names of its files,
and `manifest` lists their digests. `warc`, `cdxj`, `pages`, `wacz` and `network` write single
files. `custody` and `custody_sidecars` have the custody events before and after sealing,
`receipts` the answers of a store, and `store_keys` the keys of the objects in a store.
"""
