"""
The queue of captures, its workers, schedules, and watched lists, in one database.

The only package that imports DBOS, SQLAlchemy and croniter. It runs captures through objects
that the wiring of `app` passes in; it does not import `app`.
docs/explanation/queue-engine.md explains how the queue works.
"""
