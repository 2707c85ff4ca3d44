"""
Values that packages exchange: requests, captures, verdicts, bundles, events, jobs, findings.

They import the standard library alone.
"""
