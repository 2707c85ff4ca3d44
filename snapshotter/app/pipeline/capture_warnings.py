"""
Return warnings about a finished capture, and texts on the state of its log entry and timestamps.
"""

import shlex
from collections.abc import Callable, Sequence

from snapshotter.app.pipeline.run import CaptureResult
from snapshotter.errors import SnapshotterError
from snapshotter.formats.page import assessment as assessments
from snapshotter.model.bundle import TokenState
from snapshotter.model.capture import files_open_to
from snapshotter.model.capture_url import printable_url
from snapshotter.model.capturer_identity import CREDENTIAL, IdentifierFinding
from snapshotter.model.replay import ReplayVerdict
from snapshotter.policy.policy_selection import DEFAULT, Candidate
from snapshotter.seal import sealer


def clock_warnings(result: CaptureResult) -> tuple[str, ...]:
    """Return a warning for each authority whose clock differs too much from ours."""
    return tuple(
        f"WARNING: {answer.authority}: {answer.detail}. The bundle is stored as this machine's "
        "clock said, "
        f"without that token, for the two contradict each other\n"
        f"  Set the clock, then: snapshotter timestamp {result.bundle.id}"
        for signed in result.bundle.signatures
        for answer in signed.tokens
        if answer.clock_ahead is not None
    )


def safety_warnings(result: CaptureResult) -> tuple[str, ...]:
    """Return warnings about a browser that was not fully confined."""
    said: list[str] = []
    capture = result.capture
    sandbox, network = capture.environment.sandbox, capture.network
    if network is not None and not sandbox.asked:
        said.append(f"WARNING: the browser ran without its sandbox: {sandbox.detail}")
    if network is not None and not network.enforced:
        said.append(
            f"WARNING: the browser had no network of its own: {network.how}\n"
            "  A hole in the browser could have gone past our rules about addresses and proxies. "
            "The bundle says so"
        )
    if open_to := files_open_to(sandbox.processes):
        said.append(
            "WARNING: processes of the browser could open files of this machine, keys included: "
            f"{', '.join(open_to)}\n"
            "  An attacker who took over the browser could have read them. The record of the "
            "bundle states this. How to prevent it: snapshotter doctor"
        )
    elif open_to := files_open_to(sandbox.processes, of_everybody=True):
        said.append(
            "WARNING: processes of the browser could open files that every user of this machine "
            f"may read, such as bundles in a directory store: {', '.join(open_to)}\n"
            "  An attacker who took over the browser could have read them. The record of the "
            "bundle states this. How to prevent it: snapshotter doctor"
        )
    return tuple(said)


def identity_warnings(result: CaptureResult) -> tuple[str, ...]:
    """
    Return warnings about identifiers of the capturing person: their kinds and places, never the
    text.
    """
    every, boxes = result.capture.identifier_findings, result.capture.shown_in_pictures
    is_redacted = result.decision.redact.identity == "redact"
    # A text that was read off a picture, such as a QR code, is in the verdict and stays there.
    left = (
        [found_text for found_text in every if found_text.where == assessments.PATH]
        if is_redacted
        else []
    )
    found = [found_text for found_text in every if found_text not in left]
    said: list[str] = []
    echoes = sum(
        redaction.count for redaction in result.capture.redactions if redaction.name == CREDENTIAL
    )
    if echoes:
        said.append(
            "WARNING: the proxy, or a server behind it, returned the user and password of your "
            f"proxy. They were replaced in {echoes} places of the bundle\n"
            "  Change the password. Pictures and PDFs show what the page showed: look at them "
            "before you pass the bundle on"
        )
    if found and is_redacted:
        said.append(f"WARNING: your own {_kinds(found)} was taken out of {_places(found)}")
    elif found:
        said.append(
            f"WARNING: the capture shows your own {_kinds(found)}: {_places(found)}\n"
            "  The bundle does not say so. Think before you pass it on; [redact] identity in the "
            "policy takes it out, or stops"
        )
    if left:
        said.append(
            f"WARNING: a code in a picture says your own {_kinds(left)}, and so does "
            f"{_places(left)}: neither can be taken out\n"
            '  Think before you pass the bundle on; [redact] identity = "stop" would not keep it'
        )
    if boxes:
        said.append(
            f"WARNING: pictures of the page show what was taken out of its text, in {len(boxes)} "
            "places that the bundle names\n"
            f"  For publication: snapshotter export --masked -o DIR {result.bundle.id}"
        )
    return tuple(said)


def policy_warnings(
    result: CaptureResult, picks: Callable[[str], Candidate] | None
) -> tuple[str, ...]:
    """
    Return a warning if the page redirected to an address with another policy.

    Args:
        picks: Returns the policy that an address decides for; None: no warning.
    """
    asked, reached = result.capture.requested_url, result.capture.final_url
    if picks is None or not result.decision.policy_why or reached == asked:
        return ()
    try:
        meant = picks(reached)
    except (SnapshotterError, ValueError):  # a policy that was changed meanwhile costs no capture
        return ()
    if meant.name in (result.decision.policy_name, DEFAULT):
        return ()
    return (
        f"WARNING: the address led to {printable_url(reached)}, for which the policy "
        f"{meant.name} is "
        f"meant. The requested address decides, so the capture followed the policy "
        f"{result.decision.policy_name}\n"
        f"  To follow {meant.name}: snapshotter capture --policy {meant.name} "
        f"{shlex.quote(printable_url(asked))}",
    )


def _kinds(found: Sequence[IdentifierFinding]) -> str:
    return ", ".join(sorted({found_text.kind for found_text in found}))


def _places(found: Sequence[IdentifierFinding]) -> str:
    return ", ".join(sorted({found_text.where for found_text in found}))


def log_warnings(result: CaptureResult) -> tuple[str, ...]:
    """Return warnings about a bundle that is not in the log yet, or has no reminder for it."""
    logged = result.logged
    if logged is None:
        return ()
    said: list[str] = []
    if logged.index is None:
        what_now = "The next capture tries again, or: snapshotter log sync"
        if logged.unrecorded_reason:
            what_now = "Run: snapshotter log sync"
        if logged.remedy:
            what_now = f"First: {logged.remedy}. Then: snapshotter log sync"
        said.append(
            f"WARNING: the bundle is stored, but is not in the log yet: {logged.detail}\n"
            f"  {what_now}"
        )
    if logged.unrecorded_reason:
        said.append(
            "WARNING: the reminder to add the bundle to the log could not be written: "
            f"{logged.unrecorded_reason}\n"
            "  Check the disk of the data directory: snapshotter doctor"
        )
    return tuple(said)


def log_state(result: CaptureResult) -> str:
    """Return the position of the bundle in the log, as a text; "" if there is no log."""
    logged = result.logged
    if logged is None:
        return ""
    if logged.index is None:
        return "owed (snapshotter log sync)"
    seen = f", seen by {', '.join(logged.witnesses)}" if logged.witnesses else ""
    return f"entry {logged.index} of {logged.size}{seen}"


def replay_warnings(result: CaptureResult) -> tuple[str, ...]:
    """Return a warning if the replay of the bundle differs from the capture or was not checked."""
    found = result.replay
    if found is None or found.verdict is ReplayVerdict.REPLAYS:
        return ()
    if found.verdict is ReplayVerdict.UNCHECKED:
        return (f"WARNING: the replay could not be checked: {found.detail}",)
    hidden = result.capture.shown_in_pictures
    return (
        "WARNING: the replay differs from what was captured"
        f"{'; what was taken out of its texts is not in it' if hidden else ''}\n"
        "  The bundle is sealed and stored, and no worse as evidence: its pictures show what was "
        "seen. Pages that depend on time, chance or a server do not replay alike",
    )


def timestamp_state(result: CaptureResult) -> str:
    """Return the state of the timestamps as a text."""
    owed = [
        signature
        for signature in result.bundle.signatures
        if sealer.owed_authorities(signature.tokens)
    ]
    granted = [answer for answer in result.bundle.tokens if answer.state is TokenState.GRANTED]
    if granted and len(owed) > 0 and len(result.bundle.signatures) > 1:
        return "pending for a signature (snapshotter timestamp asks again)"
    if granted:
        return ", ".join(
            f"{result.authority} {result.time:%Y-%m-%dT%H:%M:%SZ}" for result in granted
        )
    if not result.bundle.tokens:
        return "none (no authority is configured)"
    if not sealer.owed_authorities(result.bundle.tokens):
        return "none (this machine's clock contradicts every authority's: set it)"
    return "pending (no authority answered; snapshotter timestamp asks again)"
