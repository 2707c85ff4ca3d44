"""
Load the modules that make a bundle of a capture while the page settles.

Then the processor waits for the page. Before, driver and browser start, and after it the person
waits for the bundle.
"""

import contextlib
import importlib
import threading

from snapshotter.ports import Progress

_BEFORE = frozenset({"launch", "navigate"})  # steps up to the page's first answer
_MODULES = (
    "snapshotter.capture.record.archive_writer",
    "snapshotter.capture.record.tls_facts",
    "snapshotter.app.archive.assessment",
    "snapshotter.assess.assessor",
    "snapshotter.seal.sealer",
    "snapshotter.verify.bundle",
    "snapshotter.app.pipeline.capture_warnings",
    "snapshotter.egress.transport",
)


def load_meanwhile(progress: Progress) -> Progress:
    """Return a progress that also starts the loading, at the first step after the navigation."""
    started = False

    def report(step: str, detail: str) -> None:
        nonlocal started
        if not started and step not in _BEFORE:
            started = True
            threading.Thread(target=_load, name="loading", daemon=True).start()
        progress(step, detail)

    return report


def _load() -> None:
    for name in _MODULES:
        with contextlib.suppress(ImportError):  # the code that needs it meets the error again
            importlib.import_module(name)
