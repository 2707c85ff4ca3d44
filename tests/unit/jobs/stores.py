"""Stores that queues belong to."""

from snapshotter.jobs.workers.store_binding import StoreBinding

HERE = StoreBinding(store_id="aa" * 16, url="/captures")
ELSEWHERE = StoreBinding(store_id="bb" * 16, url="s3://elsewhere")
