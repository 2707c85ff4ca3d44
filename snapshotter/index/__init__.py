"""
Index the bundles and records of one store, so that they are found without reading them again.

The index is made from the objects of the store alone: losing it loses no evidence, and
`snapshotter index rebuild` makes it again. Its rows are what bundles state: the index verifies
nothing.

`store_index` is the index with its queries, and `sync` brings it up to date with a store. `values`
are what goes in and out, `bundle_rows` converts them to rows, and `passages` cuts the text of a
page. `tables` has the tables and their migrations. `database` is the contract of a database, which
`sqlite_database` and `postgresql_database` fulfil; `open_index` opens one. `stored_events` reads
take-down events. `tokens` cuts texts into the pieces that are searched, `query` reads the query
language, and `search` answers it.
"""
