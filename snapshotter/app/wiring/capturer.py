"""Build the browser and the assessor of captures, without what captures need besides."""

from typing import TYPE_CHECKING

import snapshotter
from snapshotter.app.identity_file import load_identity_file
from snapshotter.app.machine import RandomIds
from snapshotter.app.settings import Settings
from snapshotter.app.wiring.driver_cache import keep_compiled_driver
from snapshotter.model.request import Decision
from snapshotter.ports import Assessor, Clock

if TYPE_CHECKING:
    from snapshotter.capture.browser.early_driver import EarlyDriver
    from snapshotter.capture.engine import ChromiumCapturer
    from snapshotter.egress.resolver import Resolver


def capturer(
    settings: Settings,
    clock: Clock,
    *,
    resolver: "Resolver | None" = None,
    early: "EarlyDriver | None" = None,
) -> "ChromiumCapturer":
    """
    Return the configured browser.

    Args:
        resolver: Resolves host names; None for the system's resolver.
        early: A driver that was started before; None if no driver was started.
    """
    from snapshotter.capture.engine import CapturerOptions, ChromiumCapturer

    keep_compiled_driver(settings.data_dir / "driver")
    return ChromiumCapturer(
        clock=clock,
        ids=RandomIds(),
        version=snapshotter.__version__,
        options=CapturerOptions(
            executable=settings.browser_path,
            allow_no_sandbox=settings.allow_no_sandbox,
            upstream=settings.proxy,
            vantage=settings.vantage,
            own=load_identity_file(settings.identity_file),
            digests=settings.data_dir / "browser",
        ),
        resolver=resolver,
        assessor=assessor,
        early=early,
    )


def assessor(decision: Decision) -> Assessor:
    """
    Return an assessor with the rules whose texts are in a decision.

    Raises:
        SnapshotterError: A file of rules is invalid.
    """
    from snapshotter.assess.assessor import RuleAssessor

    return RuleAssessor.of(decision)
