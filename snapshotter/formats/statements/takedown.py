"""
Read and write take-down events: signed records that a page or an account was removed or came back.

    takedowns/2026/05/27/20260527t091000z-k3v4q2m7xw4c5b6d.json     a signed statement

The event names its captures by their ids and the digests of their bundles, what each of them
showed, and which requirements they met. So it can be derived again from those bundles alone
(docs/spec/takedown-event.md). Its digest is in the log.
"""

from snapshotter.formats.bundle.store_keys import takedown_key
from snapshotter.formats.canonical_json import plain
from snapshotter.formats.signatures import signed_statement
from snapshotter.formats.signatures.signed_statement import Signer
from snapshotter.model.digests import is_digest
from snapshotter.model.takedown import Observation, Takedown, TakedownKind

FORMAT = "snapshotter-takedown/1"
MAX_BYTES = 1 << 20  # captures say much of themselves: counts, accounts, files of rules
MAX_CAPTURES = 200
MAX_ARTICLES = 2_000

_BACK = (TakedownKind.REINSTATED, TakedownKind.ACCOUNT_RESTORED)


def encode(event: Takedown, signer: Signer) -> bytes:
    """
    Return the event, signed.

    Raises:
        ValueError: It is none that `parse` would take.
    """
    _check(event)
    data = signed_statement.encode({"event": plain(event), "format": FORMAT}, signer)
    if len(data) > MAX_BYTES:
        raise ValueError(f"the event is longer than {MAX_BYTES} bytes")
    return data


def parse(data: bytes) -> tuple[Takedown, str]:
    """
    Return the event and the id of the key that signed it, whose signature holds.

    Whose key it is says trust; that the event follows from its captures says who derives it
    again.

    Raises:
        EvidenceInvalid: Anything else.
    """
    return signed_statement.parse_one(data, FORMAT, "event", Takedown, _check, limit=MAX_BYTES)


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


def _check_capture(observation: Observation) -> None:
    takedown_key(observation.bundle_id)  # ids of bundles have the same form
    if not (is_digest(observation.sha256) and is_digest(observation.key_id)):
        raise ValueError(f"a digest or a key id of {observation.bundle_id} is invalid")
    if observation.began_at > observation.at:
        raise ValueError(f"{observation.bundle_id} ends before it begins")
