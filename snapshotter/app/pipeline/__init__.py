"""
Carry one capture from its request to a bundle in the store.

Use cases: capture a page (`run`), capture several one after the other (`series`, `url_run`), store
a bundle that was kept on this machine (`safekeeping`), check that a bundle replays
(`replay_check`). `host_pacing` limits the visits to hosts. The other modules are parts of one
capture: clock, prewarmed browser, timing, search for identifiers, store, log, warnings.
"""
