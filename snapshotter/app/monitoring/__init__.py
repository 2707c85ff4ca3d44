"""
Visit pages repeatedly, follow up what changed, and notify people.

Use cases: add a schedule (`new_schedule`), add and summarise watch lists (`watch_options`,
`watch_summary`), capture the page of a job (`job_runner`), follow up captures of watched pages
(`capture_follow_up`, `change_alerts`), record missed visits (`gap_records`), make and deliver
notifications (`notification_events`, `notification_delivery`). `worker_observers` passes on what
happens in a worker.
"""
