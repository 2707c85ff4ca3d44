"""Show operators the state of a running worker: metrics, health and logs. Never evidence."""
