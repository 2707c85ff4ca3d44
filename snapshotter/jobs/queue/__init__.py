"""
Jobs: what is to be captured, what came of it, and when each host may be visited.

The jobs and their attempts are tables of ours. DBOS (`engine`) delivers each run of a job to one
worker. The dispatcher chooses the runs, and the admission decides by the politeness rules.
"""
