"""
Find, read, compare and export bundles, in a store or in files.

Bundle files are never changed; only late timestamp tokens are stored beside them.

The modules here read bundles: `bundles`, `assessment` (what a capture shows, derived from its
files), `observations` and `page_counts` of a page, `comparison`, `capture_page`, `quotation`,
`network_record`, the chain of `annotations`. The packages use them, each only those below it:

    screens      lists, cases, reviews, the history of a page, and the day, for people
    confined     previews and verifications in processes without rights
    exports      bundles, folders and archives that leave the store
    reports      documents that people print, sign and file
    lookup, organising   the index and its search; cases, tags, notes and reviews
"""
