"""
Carry one capture from its request to a bundle in the store.

Use cases: capture a page (`run`), capture several one after the other (`series`, `url_run`), store
a bundle that was kept on this machine (`safekeeping`), check that a bundle replays
(`replay_check`). The other modules are steps of a capture, in the order of `run`.
"""
