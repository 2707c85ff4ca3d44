"""
Make the report about a case (docs/spec/case-report.md).

`report` puts the report together, `material` is what was read for it, and each section has a
module.
"""
