"""
Audit a whole store: its log, its bundles, and each against the other.

`run` has the order of work, and `report` formats the result. `log_history`, `log_comparison`,
`locks_and_custody` and `record_checks` make the findings; `rules` has the periods that they allow.
`bundle_reader` reads bundles in the processes of `process_pool`, with `sidecar_facts` and
`replica_custody`; `object_reader` reads single objects, and `second_look` confirms that an object
is gone. `workspace`, `remembered_checkpoint` and `unreadable_objects` keep what an audit has to
remember.
"""
