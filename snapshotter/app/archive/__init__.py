"""
Find, read, compare and export bundles, in a store or in files.

Bundle files are never changed; only late timestamp tokens are stored beside them.

Use cases: list, read and export bundles (`bundles`, `evidence_folder`), verify a stored bundle
(`bundle_verification`), list its valid timestamp tokens (`verified_tokens`), compare captures
(`comparison`), list the captures and counts of a page (`observations`, `page_counts`), write masked
pictures (`masked_pictures`), take one response out of the network record (`network_record`),
decrypt recorded streams (`encrypted_streams`), read gap records (`stored_gaps`), extend,
check and erase from the annotation chain (`annotations`), find captures by words and filters
(`search`), list captures for screens (`capture_list`), tell the history of a page
(`address_history`), keep the index of a server up to date (`index_service`), find a quotation in a
capture (`quotation`), make the page about a capture (`capture_page`, kept by `page_folder`), report
what happened on a day (`day_report`). `assessment` derives from its files what a capture shows.
"""
