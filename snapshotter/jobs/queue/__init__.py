"""
Store the capture jobs, give each to one worker, record the attempts, and limit visits to hosts.

`database_queue` adds, lists, cancels and retries jobs. The `dispatcher` chooses the next jobs,
the `admission` (`politeness`) decides whether their hosts may be visited, and DBOS (`engine`)
delivers each run of a job to one worker. `attempts` records what came of it. `hosts` shows the
politeness state of hosts, and `host_visits` counts visits from outside the queue.
"""
