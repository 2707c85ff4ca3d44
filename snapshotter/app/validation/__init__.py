"""
Test this installation with pages and alterations whose results are known before.

`truths` is the table of pages and their known values, `alterations` the altered copies of a bundle,
`second_verifier` runs the independent verifier, and `run` makes the cases and the report.
"""
