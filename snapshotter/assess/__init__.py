"""
Assess captured pages: verdicts, readings, take-down events and campaign findings.

The functions are pure: no browser, store, network or clock. A stranger who has a bundle and the
rules in it gets the same verdicts (`docs/explanation/verdicts.md`).
"""
