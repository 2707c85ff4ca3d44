"""
Copy evidence out of a store: bundles and their files, evidence folders, archives of whole cases.

`case_export` writes the archive of a case (`growing_archive` continues an interrupted one),
`evidence_folder` a folder that a stranger verifies offline, `redacted_copy` a bundle with withheld
values, `masked_pictures` pictures for publication, `http_archive` HAR 1.2, `scitt_files` receipts
for other ecosystems.
"""
