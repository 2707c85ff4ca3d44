"""
What happens later, or again, or on another machine: queue, workers, schedules, watch lists.

The only room that knows DBOS, SQLAlchemy and cron. It calls the pipeline through what
`app/wiring.py` hands it, and never the other way round.
"""
