"""What operators see of a running worker: metrics, health and logs. Never evidence."""
