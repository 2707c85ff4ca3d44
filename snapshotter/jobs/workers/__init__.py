"""
Workers: processes that take jobs from the queue and capture them in child processes.

A worker registers itself, records heartbeats, executes periodic tasks, and cleans up after workers
that are gone.
"""
