"""
Build the browser, the assessor, the replayer and all other dependencies of a capture.

Each builder imports what it needs when it is called, so that a command does not load what it
does not use.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import snapshotter
from snapshotter.app.identity_file import load_identity_file
from snapshotter.app.machine import RandomIds, SystemClock
from snapshotter.app.pipeline.anchored_clock import AnchoredClock
from snapshotter.app.pipeline.run import CaptureDependencies
from snapshotter.app.settings import Settings
from snapshotter.app.store_location import pending_dir, salts_dir
from snapshotter.app.upkeep.late_tokens import SpacedAuthority, TokenService
from snapshotter.app.wiring import keys as wiring_keys
from snapshotter.app.wiring import log as wiring_log
from snapshotter.app.wiring import store as wiring_store
from snapshotter.app.wiring import timestamp_authorities as wiring_authorities
from snapshotter.app.wiring.capturer import assessor as assessor
from snapshotter.app.wiring.capturer import capturer as capturer
from snapshotter.ports import Capturer, Clock, Replayer, ShowMessage
from snapshotter.verify.trust import own_trust

if TYPE_CHECKING:
    pass


def replayer(settings: Settings, clock: Clock) -> Replayer:
    """Return a replayer of bundles. Raises SnapshotterError: pywb is not installed."""
    from snapshotter.app.pipeline.replay_check import PywbReplayer, find_pywb

    def browser(proxy: str) -> Capturer:
        # In the place of an upstream of the user's: a replay asks nobody.
        return capturer(replace(settings, proxy=proxy), clock)

    return PywbReplayer(find_pywb(settings.pywb_dir), browser)


def capture_dependencies(
    settings: Settings,
    *,
    ask: Callable[[], bytes] | None,
    show_message: ShowMessage,
    locked: bool = False,
    check_replay: bool = False,
    clock: Clock | None = None,
    browser: Capturer | None = None,
) -> CaptureDependencies:
    """
    Build everything that a capture needs.

    Args:
        ask: Asks the person for a passphrase; None if nobody can be asked.
        locked: Bundles will be locked, so refuse a bucket that was not seen to enforce locks.
        check_replay: Bundles will be replayed, so refuse if pywb is not installed.
        clock: The clock of `browser`; None for a new one.
        browser: What captures; None to build it.
    """
    # One clock for capture and seal: a clock that is set in between changes no order of events.
    clock = clock or AnchoredClock(SystemClock())
    shown_again = replayer(settings, clock) if check_replay else None
    key = wiring_keys.signer(settings, ask=ask, show_message=show_message)
    others = wiring_keys.cosigners(settings, ask=ask, show_message=show_message)
    own = settings.data_dir
    roots, asked = wiring_authorities.anchors(settings), wiring_authorities.authorities(settings)
    # One store: each has connections of its own, and reads credentials.
    evidence = wiring_store.custodial_store(
        settings,
        wiring_store.store_for_evidence(settings, locked=locked, show_message=show_message),
        show_message=show_message,
    )
    from snapshotter.app.policies import configured_policy

    return CaptureDependencies(
        own=load_identity_file(settings.identity_file),
        picks=partial(configured_policy.picked_policy, settings),
        clock=clock,
        ids=RandomIds(),
        capturer=browser or capturer(settings, clock),
        assessor=assessor,
        signer=key,
        cosigners=others,
        authorities=asked,
        timestamp_timeout_s=settings.timestamp_timeout_s,
        store=evidence,
        custody=evidence,
        trust=own_trust([signer.public_key for signer in (key, *others)], roots),
        spool_dir=settings.spool_dir,
        # The capture's own token comes first where an authority asks for time in between; what
        # it owes is asked for by `snapshotter timestamp`, and by workers between captures.
        service=TokenService(
            authorities=tuple(
                authority for authority in asked if not isinstance(authority, SpacedAuthority)
            ),
            anchors=roots,
            store=evidence,
            pending_dir=pending_dir(settings),
        ),
        pending_dir=pending_dir(settings),
        salts_dir=salts_dir(settings),
        rejected_dir=own / "rejected",
        unstored_dir=own / "unstored",
        software=snapshotter.SOFTWARE,
        replayer=shown_again,
        logbook=wiring_log.logbook(settings, proofs=evidence, ask=ask, show_message=show_message)
        if settings.log
        else None,
    )
