"""
Audit a whole store: its log, its bundles, and each against the other.

`run` has the order of work. `log_history`, `log_comparison`, `locks_and_custody` and
`record_checks` make the findings; `bundle_reader` reads bundles in parallel; `workspace`,
`remembered_checkpoint` and `unreadable_objects` keep what an audit has to remember.
"""
