"""Stores that queues belong to."""

from snapshotter.jobs.workers.store_binding import StoreBinding

HERE = StoreBinding(store="aa" * 16, place="/captures")
ELSEWHERE = StoreBinding(store="bb" * 16, place="s3://elsewhere")
