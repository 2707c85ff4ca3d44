"""
Return warnings about a finished capture, and texts on the state of its log entry and timestamps.
"""

import shlex
from collections.abc import Callable, Sequence

from snapshotter.app.pipeline.run import CaptureResult
from snapshotter.errors import SnapshotterError
from snapshotter.formats.page import assessment as assessments
from snapshotter.model import sentences
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
        f"WARNING: {answer.authority}: {answer.detail}. The clock of this machine and the token "
        "contradict each other. The bundle is stored with the time of this machine and without "
        "the token\n"
        "  Set the clock of this machine. Then request the token:\n"
        f"  snapshotter timestamp {result.bundle.id}"
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
            f"WARNING: the browser was not isolated from the network: {network.how}\n"
            "  A vulnerable browser could have bypassed the rules about addresses and proxies. "
            "The record of the bundle states this"
        )
    if open_to := files_open_to(sandbox.processes):
        said.append(
            "WARNING: processes of the browser could open files of this machine, keys included: "
            f"{', '.join(open_to)}\n"
            "  An attacker who took over the browser could have read them. The record of the "
            "bundle states this. To see how to prevent it:\n  snapshotter doctor"
        )
    elif open_to := files_open_to(sandbox.processes, of_everybody=True):
        said.append(
            "WARNING: processes of the browser could open files that every user of this machine "
            f"may read, such as bundles in a directory store: {', '.join(open_to)}\n"
            "  An attacker who took over the browser could have read them. The record of the "
            "bundle states this. To see how to prevent it:\n  snapshotter doctor"
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
            "WARNING: the proxy, or a server behind the proxy, returned the user name and the "
            f"password of your proxy. Places of the bundle in which they were replaced: {echoes}\n"
            "  Change the password. Pictures and PDFs were not changed: look at them before you "
            "pass the bundle on"
        )
    if found and is_redacted:
        said.append(
            f"WARNING: the capture showed your own {_kinds(found)}. It was removed from: "
            f"{_places(found)}"
        )
    elif found:
        said.append(
            f"WARNING: the capture shows your own {_kinds(found)} in: {_places(found)}\n"
            "  The bundle does not state this. Decide whether you can pass the bundle on. The "
            "setting [redact] identity of the policy removes such texts, or stops the capture"
        )
    if left:
        said.append(
            f"WARNING: a code in a picture contains your own {_kinds(left)}. The code and its "
            f"text in {_places(left)} cannot be removed\n"
            '  Decide whether you can pass the bundle on. With [redact] identity = "stop" the '
            "policy keeps no such bundle"
        )
    if boxes:
        said.append(
            "WARNING: pictures of the page show what was removed from its text. Places that the "
            f"bundle names: {len(boxes)}\n"
            "  To publish the capture, export a copy with masked pictures:\n"
            f"  snapshotter export --masked -o DIR {result.bundle.id}"
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
        f"WARNING: the address led to {printable_url(reached)}, which has the policy "
        f"{meant.name}. The requested address decides which policy is used, so the capture used "
        f"the policy {result.decision.policy_name}\n"
        f"  To use the policy {meant.name}:\n"
        f"  snapshotter capture --policy {meant.name} {shlex.quote(printable_url(asked))}",
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
        what_now = "The next capture tries again. To try again now:"
        if logged.unrecorded_reason:
            what_now = "To add the bundle to the log:"
        if logged.remedy:
            what_now = f"First {logged.remedy}. Then add the bundle to the log:"
        said.append(
            f"WARNING: the bundle is stored, but is not in the log yet: {logged.detail}\n"
            f"  {what_now}\n"
            "  snapshotter log sync"
        )
    if logged.unrecorded_reason:
        said.append(
            "WARNING: the reminder to add the bundle to the log could not be written: "
            f"{logged.unrecorded_reason}\n"
            "  Check the disk of the data directory:\n  snapshotter doctor"
        )
    return tuple(said)


def log_state(result: CaptureResult) -> str:
    """Return the position of the bundle in the log, as a text; "" if there is no log."""
    logged = result.logged
    if logged is None:
        return ""
    if logged.index is None:
        return sentences.LOG_PENDING
    seen = f", confirmed by {', '.join(logged.witnesses)}" if logged.witnesses else ""
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
        "WARNING: the replay differs from the capture"
        f"{'. It lacks what was removed from the texts' if hidden else ''}\n"
        "  The bundle is sealed and stored, and its value as evidence is the same: the pictures "
        "show what the browser showed. Pages that depend on time, chance or a server replay "
        "differently",
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
        return sentences.TIME_PENDING_FOR_ONE
    if granted:
        return ", ".join(
            f"{result.authority} {result.time:%Y-%m-%dT%H:%M:%SZ}" for result in granted
        )
    if not result.bundle.tokens:
        return sentences.TIME_NOT_CONFIGURED
    if not sealer.owed_authorities(result.bundle.tokens):
        return sentences.TIME_CONTRADICTED
    return sentences.TIME_PENDING
