"""
Define the values that packages exchange: requests, captures, verdicts, bundles, events and jobs.

The main modules for one capture are `request`, `capture`, `page`, `assessment`, `reading` and
`conclusion`; for a bundle `bundle`, `custody`, `finding` and `verified_facts`; for many captures
`comparison`, `takedown`, `campaign`, `proof` and `audit`; for the queue `job`, `watch`, `gap` and
`notification`. `sentences` has the sentences by which people read these values. The modules import
only the standard library, each other and `snapshotter.errors`.
"""
