"""
Make the report about one capture (docs/spec/report.md).

`report` verifies a bundle and puts the report together. `evidence` is what was verified and read,
`statements` are the sentences of the first page, and each group of fields has a module.
"""
