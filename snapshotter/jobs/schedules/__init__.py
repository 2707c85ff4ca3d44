"""
Capture pages repeatedly: by a cron expression, at a fixed interval, or along a decay curve.

`schedules` adds, changes and lists schedules. `plan` and `cron` compute the times of the visits.
`scheduler` hands due visits to the queue and records missed ones as gaps. `history` lists what
became of the visits.
"""
