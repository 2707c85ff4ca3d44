"""
Keep the queue of capture jobs, its workers, the schedules and the watch lists in one database.

To hand over and capture pages, use `queue` and `workers`; to capture pages repeatedly,
`schedules`; to find new pages, `watches`. `open_database` opens the database, and `outbox` holds
the notifications that are to be sent.

This is the only package that imports DBOS, SQLAlchemy and croniter. It captures pages through
objects that the wiring of `app` passes in; it does not import `app`.
docs/explanation/queue-engine.md explains how the queue works.
"""
