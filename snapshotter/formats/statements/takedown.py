"""
Read and write events: signed records that a page or an account was removed or came back, or that a
page was changed.

    takedowns/2026/05/27/20260527t091000z-k3v4q2m7xw4c5b6d.json     a signed statement

The event names its captures by their ids and the digests of their bundles, what each of them
showed, and which requirements they met. So it can be derived again from those bundles alone
(docs/spec/takedown-event.md). Its digest is in the log.
"""

import re
from typing import Any

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle.store_keys import takedown_key
from snapshotter.formats.canonical_json import plain
from snapshotter.formats.signatures import signed_statement
from snapshotter.formats.signatures.signed_statement import Signer
from snapshotter.model.change import MAIN_REGION, METHOD
from snapshotter.model.digests import is_digest
from snapshotter.model.takedown import Observation, Takedown, TakedownKind
from snapshotter.translation import tr

FORMAT = "snapshotter-takedown/1"
MAX_BYTES = 1 << 20  # captures say much of themselves: counts, accounts, files of rules
MAX_CAPTURES = 200
MAX_ARTICLES = 2_000

_BACK = (TakedownKind.REINSTATED, TakedownKind.ACCOUNT_RESTORED)
_KIND = re.compile(r"[a-z][a-z-]{0,39}")


class LaterRecord(EvidenceInvalid):
    """The record is validly signed, and is of a kind or a method of a later version."""

    def __init__(self, message: str, key_id: str) -> None:
        super().__init__(message)
        self.key_id = key_id


def encode(event: Takedown, signer: Signer) -> bytes:
    """
    Return the event, signed.

    Raises:
        ValueError: It is none that `parse` would take.
    """
    _check(event)
    data = signed_statement.encode({"event": as_recorded(event), "format": FORMAT}, signer)
    if len(data) > MAX_BYTES:
        raise ValueError(f"the event is longer than {MAX_BYTES} bytes")
    return data


def as_recorded(event: Takedown) -> dict[str, Any]:
    """Return the event as JSON. Events of kinds without a change have no field for it."""
    value: dict[str, Any] = plain(event)
    if event.change is None:
        del value["change"]
    elif event.change.method == MAIN_REGION:  # older records do not have these fields
        del value["change"]["main_by"], value["change"]["guessed_by"]
    return value


def parse(data: bytes) -> tuple[Takedown, str]:
    """
    Return the event and the id of the key that signed it, whose signature holds.

    Whose key it is says trust; that the event follows from its captures says who derives it
    again.

    Raises:
        LaterRecord: The signature holds, and the record is of a kind of a later version, or states
            what a method of a later version derived, in a form that this version cannot read.
        EvidenceInvalid: Anything else.
    """
    try:
        return signed_statement.parse_one(data, FORMAT, "event", Takedown, _check, limit=MAX_BYTES)
    except EvidenceInvalid:
        _refuse_later_record(data)
        raise


def _refuse_later_record(data: bytes) -> None:
    """Raise LaterRecord for a signed record of this format whose kind or method is none of ours."""
    end, key_id = signed_statement.check_signature(data, limit=MAX_BYTES)
    value = canonical_json.loads(data[: end - 1])
    event = value.get("event") if isinstance(value, dict) else None
    if not isinstance(event, dict) or set(value) != {"event", "format"}:
        return
    if value["format"] != FORMAT:
        return
    kind, change = event.get("kind"), event.get("change")
    if not isinstance(kind, str) or _KIND.fullmatch(kind) is None:
        return
    if kind not in set(TakedownKind):
        what = tr("this version does not know events of the kind {kind}", kind=kind)
        raise LaterRecord(what, key_id)
    method = change.get("method") if isinstance(change, dict) else None
    if kind == TakedownKind.CHANGED and type(method) is int and method > METHOD:
        what = tr("this version does not know method {method} of a change", method=method)
        raise LaterRecord(what, key_id)


def is_takedown(data: bytes) -> bool:
    """Whether these first bytes of a file look like an event's, whatever it is worth."""
    return data.startswith(b'{"event":{') or f'"format":"{FORMAT}"'.encode() in data


def _check(event: Takedown) -> None:
    """Raise ValueError for what contradicts itself."""
    key = takedown_key(event.event_id)  # its id is one
    captures = (
        event.last_seen, event.first_gone, *event.confirmations, *event.controls,
        *event.vantages, *event.identified_by,
    )  # fmt: skip
    if len(captures) > MAX_CAPTURES or len(event.articles) > MAX_ARTICLES:
        raise ValueError(f"the event names too many captures or articles: {key}")
    for article in event.articles:
        takedown_key(article)
    for observation in captures:
        _check_capture(observation)
    if event.previous and not is_digest(event.previous):
        raise ValueError("the digest of the earlier event is invalid")
    if event.confirm.times < 1 or event.confirm.after.total_seconds() < 0:
        raise ValueError("an event must be confirmed by at least one capture and a time")
    early, late = event.last_seen, event.first_gone
    if event.kind in _BACK:
        early, late = late, early
    if early.bundle_id == late.bundle_id or early.at > late.at:
        raise ValueError("the two ends of the event are not two captures in order")
    if any(observation.at < event.first_gone.at for observation in event.confirmations):
        raise ValueError("a confirmation is older than the capture that it confirms")
    if (event.change is None) is (event.kind is TakedownKind.CHANGED):
        raise ValueError("only an event of a change states what changed")
    if event.change is not None:
        _check_change(event)


def _check_change(event: Takedown) -> None:
    change = event.change
    if change is None or event.state or event.articles or event.vantages or event.previous:
        raise ValueError("an event of a change has a field of another kind of event")
    digests = [change.sha256, *(item.sha256 for item in change.items)]
    if change.method < 1 or not all(map(is_digest, digests)):
        raise ValueError("the change of the event is invalid")
    if change.method == MAIN_REGION and (change.main_by or change.guessed_by):
        raise ValueError("the change states what its method does not record")


def _check_capture(observation: Observation) -> None:
    takedown_key(observation.bundle_id)  # ids of bundles have the same form
    if not (is_digest(observation.sha256) and is_digest(observation.key_id)):
        raise ValueError(f"a digest or a key id of {observation.bundle_id} is invalid")
    if observation.began_at > observation.at:
        raise ValueError(f"{observation.bundle_id} ends before it begins")
