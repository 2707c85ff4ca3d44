"""
Do what the console requests of processes that may hold keys.

`requests.py` submits tasks and follows them, for the process that serves pages. `runner.py` does
them in a task process of a worker, with one module for each group of kinds: `annotate.py`, …
`kinds.py` lists the kinds with their arguments (docs/adr/0100).
"""
