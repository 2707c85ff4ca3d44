"""
Schedules: pages that are captured repeatedly, by cron, at an interval, or on a curve.

A plan computes the visits. The scheduler hands due visits to the queue and records missed ones.
"""
