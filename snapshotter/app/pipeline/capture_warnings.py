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
from snapshotter.translation import tr


def clock_warnings(result: CaptureResult) -> tuple[str, ...]:
    """Return a warning for each authority whose clock differs too much from ours."""
    return tuple(
        tr(
            "WARNING: {authority}: {detail}. The clock of this machine and the token "
            "contradict each other. The bundle is stored with the time of this machine and "
            "without the token\n  Set the clock of this machine. Then request the token:\n  "
            "snapshotter timestamp {id}",
            authority=answer.authority,
            detail=answer.detail,
            id=result.bundle.id,
        )
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
        said.append(
            tr("WARNING: the browser ran without its sandbox: {detail}", detail=sandbox.detail)
        )
    if network is not None and not network.enforced:
        said.append(
            tr(
                "WARNING: the browser was not isolated from the network: {how}\n  A vulnerable "
                "browser could have bypassed the rules about addresses and proxies. The capture "
                "record states that the browser was not isolated",
                how=network.how,
            )
        )
    if open_to := files_open_to(sandbox.processes):
        said.append(
            tr(
                "WARNING: processes of the browser could open files of this machine, keys "
                "included: {open_to}\n  An attacker who took over the browser could have read "
                "these files. The capture record states that the browser could open these files. "
                "To find out how to prevent this access:\n  snapshotter doctor",
                open_to=", ".join(open_to),
            )
        )
    elif open_to := files_open_to(sandbox.processes, of_everybody=True):
        said.append(
            tr(
                "WARNING: processes of the browser could open files that every user of this "
                "machine may read, such as bundles in a directory store: {open_to}\n  An attacker "
                "who took over the browser could have read these files. The capture record "
                "states that the browser could open these files. To find out how to prevent this "
                "access:\n  snapshotter doctor",
                open_to=", ".join(open_to),
            )
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
            tr(
                "WARNING: the proxy, or a server behind the proxy, returned the user name and "
                "the password of your proxy. Places of the bundle in which the user name and the "
                "password were replaced: {echoes}\n  Change the password of the proxy. Pictures "
                "and PDFs were not changed: check these files for the user name and the password "
                "before you pass the bundle on",
                echoes=echoes,
            )
        )
    if found and is_redacted:
        said.append(
            tr(
                "WARNING: the captured page showed your own {kinds}. Places from which "
                "snapshotter removed these texts: {places}",
                kinds=_kinds(found),
                places=_places(found),
            )
        )
    elif found:
        said.append(
            tr(
                "WARNING: the capture shows your own {kinds} in: {places}\n  The bundle does not "
                "state that these texts identify you. Decide whether you can pass the bundle on. "
                "With the setting [redact] identity in the policy, snapshotter removes such "
                "texts or stops the capture",
                kinds=_kinds(found),
                places=_places(found),
            )
        )
    if left:
        said.append(
            tr(
                "WARNING: a code in a picture contains your own {kinds}. The code and its text "
                "in {places} cannot be removed\n  Decide whether you can pass the bundle on. With "
                '[redact] identity = "stop" in the policy, snapshotter keeps no bundle of such a '
                "capture",
                kinds=_kinds(left),
                places=_places(left),
            )
        )
    if boxes:
        said.append(
            tr(
                "WARNING: pictures of the page still show texts that were removed from the text "
                "of the page. Places in the pictures that the bundle lists: {count}\n  To publish "
                "the capture, export a copy with masked pictures:\n  snapshotter export --masked "
                "-o DIR {id}",
                count=len(boxes),
                id=result.bundle.id,
            )
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
        tr(
            "WARNING: the address led to {reached}, to which the policy {name} applies. The "
            "requested address decides which policy is used, so the capture used the policy "
            "{policy_name}\n  To use the policy {name}:\n  snapshotter capture --policy {name} "
            "{asked}",
            reached=printable_url(reached),
            name=meant.name,
            policy_name=result.decision.policy_name,
            asked=shlex.quote(printable_url(asked)),
        ),
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
        what_now = tr(
            "The next capture also tries to add the bundle to the log. To add the bundle now:"
        )
        if logged.unrecorded_reason:
            what_now = tr("To add the bundle to the log:")
        if logged.remedy:
            what_now = tr("First {remedy}. Then add the bundle to the log:", remedy=logged.remedy)
        said.append(
            tr(
                "WARNING: the bundle is stored, but is not in the log yet: {detail}\n  "
                "{what_now}\n  snapshotter log sync",
                detail=logged.detail,
                what_now=what_now,
            )
        )
    if logged.unrecorded_reason:
        said.append(
            tr(
                "WARNING: the reminder to add the bundle to the log could not be written: "
                "{unrecorded_reason}\n  Check the disk of the data directory:\n  snapshotter "
                "doctor",
                unrecorded_reason=logged.unrecorded_reason,
            )
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
    return tr(
        "the entry with the index {index}, entries in the log: {size}{seen}",
        index=logged.index,
        size=logged.size,
        seen=seen,
    )


def replay_warnings(result: CaptureResult) -> tuple[str, ...]:
    """Return a warning if the replay of the bundle differs from the capture or was not checked."""
    found = result.replay
    if found is None or found.verdict is ReplayVerdict.REPLAYS:
        return ()
    if found.verdict is ReplayVerdict.UNCHECKED:
        return (tr("WARNING: the replay could not be checked: {detail}", detail=found.detail),)
    hidden = result.capture.shown_in_pictures
    return (
        tr(
            "WARNING: the replay differs from the capture{lack}\n  The bundle is sealed and "
            "stored, and the difference does not change its value as evidence: the pictures show "
            "what the browser showed. A page whose content depends on the time, on random values "
            "or on a server can look different in a replay",
            lack=tr(". The replay lacks the data that was removed from the texts")
            if hidden
            else "",
        ),
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
