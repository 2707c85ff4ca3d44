"""
Processes that share nothing with the tests, for what several writers do to one store.

They are forked from one interpreter that has imported what they need. An interpreter of its own for
each of them would spend most of its time on imports.
"""

import multiprocessing

APART = multiprocessing.get_context("forkserver")
APART.set_forkserver_preload(
    ["boto3.session", "snapshotter.store.custodial_store", "tests.contract.stores"]
)
