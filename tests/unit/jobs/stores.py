"""Stores that queues belong to."""

from snapshotter.jobs.belonging import Belonging

HERE = Belonging(store="aa" * 16, place="/captures")
ELSEWHERE = Belonging(store="bb" * 16, place="s3://elsewhere")
