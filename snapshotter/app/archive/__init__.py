"""
Find, read, compare and export bundles of a store or of files, without changing them.

Use cases: list, read and export bundles (`bundles`, `evidence_folder`), verify a stored bundle
(`bundle_verification`), compare captures (`comparison`), list a page's captures and counts
(`observations`, `page_counts`), write masked pictures (`masked_pictures`), take one response out
of the network record (`network_record`), decrypt recorded streams (`encrypted_streams`), read
gap records (`stored_gaps`). `assessment` derives what a capture shows from its files.
"""
