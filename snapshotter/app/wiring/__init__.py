"""
This package builds the adapters and services from the settings, in one module for each part.

No other package does it. `capture`, `store`, `keys`, `log`, `timestamp_authorities` and `trust`
build what most commands need; `queue`, `worker`, `watches`, `notifications` and `telemetry` build a
queue with its workers. `takedown`, `proof`, `campaign`, `verification`, `upkeep`, `doctor` and
`demo` build the services of the use cases of these names.
"""
