"""
Show operators the state of a running worker: metrics, health checks and logs.

`metrics.py` counts for Prometheus, `health.py` serves metrics and health checks over HTTP, and
`logs.py` writes the log. Nothing here is evidence.
"""
