"""
Load the modules that make a bundle of a capture while the page settles.

Then the processor waits for the page. Before, driver and browser start, and after it the person
waits for the bundle. What only some pages need is loaded after the page was judged
(`Assessor.prepare`).
"""

import contextlib
import importlib
import threading
from collections.abc import Iterable

from snapshotter.model.request import Decision
from snapshotter.ports import Progress

_BEFORE = frozenset({"launch", "navigate"})  # steps up to the page's first answer
_MODULES = (
    "snapshotter.capture.retakes",
    "snapshotter.capture.record.archive_writer",
    "snapshotter.capture.record.tls_facts",
    "snapshotter.app.archive.assessment",
    "snapshotter.assess.assessor",
    "snapshotter.seal.sealer",
    "snapshotter.verify.bundle",
    "snapshotter.app.pipeline.capture_warnings",
    "snapshotter.app.pipeline.capturer_identity",
    "snapshotter.egress.transport",
    "snapshotter.policy.host_responses",
    "rfc3161_client",
)
_FOR_CODES = ("PIL.PngImagePlugin", "zxingcpp")  # see `snapshotter.assess.qr`


def load_meanwhile(progress: Progress, decision: Decision) -> Progress:
    """Return a progress that also starts the loading, at the first step after the navigation."""
    modules = (*_MODULES, *(_FOR_CODES if decision.readings.qr else ()))
    started = False

    def report(step: str, detail: str) -> None:
        nonlocal started
        if not started and step not in _BEFORE:
            started = True
            threading.Thread(target=_load, args=(modules,), name="loading", daemon=True).start()
        progress(step, detail)

    return report


def _load(modules: Iterable[str]) -> None:
    for name in modules:
        with contextlib.suppress(ImportError):  # the code that needs it meets the error again
            importlib.import_module(name)
