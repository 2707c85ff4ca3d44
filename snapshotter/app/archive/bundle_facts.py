"""
Read from a bundle what the index says of it for lists, filters and search, unverified.

Nothing in a bundle is trusted here: a field of another type counts as absent, and long texts are
cut.
"""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from snapshotter.app.archive.bundles import BundleMembers
from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.formats.page import layout
from snapshotter.index import passages
from snapshotter.index.values import BundleFacts, Passage
from snapshotter.model.assessment import Assessment, AssessmentSummary
from snapshotter.model.sentences import CaptureState
from snapshotter.report.missing_parts import missing_parts

FIRST_CUSTODY: Final = "custody-0001.jsonl"  # the sidecar whose first event names the operator
_PAGE_TEXT: Final = "capture/page.txt"
_MAX_TEXT_BYTES: Final = 16 << 20  # of the text that is cut into passages
_MAX_FIELD: Final = 2_000  # characters of a title, an address, a name
_MAX_ENTRIES: Final = 100


def facts_of(
    record: Mapping[str, Any], found: Assessment | None, *, is_text_whole: bool
) -> BundleFacts:
    """
    Return what a capture record states for lists and filters, without the operator.

    Args:
        found: The assessment of the capture, if there is one.
        is_text_whole: Whether the passages contain all text of the capture.
    """
    what, outcome = _object(record, "what"), _object(record, "outcome")
    content, how = _object(record, "content"), _object(record, "how")
    status = what.get("http_status")
    reasons = (
        _text(reason, "code") for reason in _list(outcome, "reasons") if isinstance(reason, dict)
    )
    missing = (entry for entry in _list(content, "missing_parts") if isinstance(entry, str))
    # A light check has no whole picture by intention, which is nothing to search for.
    state = replace(CaptureState.of_record(record), light=False)
    return BundleFacts(
        title=" ".join(_text(what, "title").split()),
        url=_text(what, "requested_url"),
        final_url=_text(what, "final_url"),
        http_status=status if type(status) is int and 0 <= status < 1000 else None,
        outcome=_text(outcome, "state"),
        reasons=tuple(dict.fromkeys(filter(None, reasons)))[:_MAX_ENTRIES],
        missing=tuple(entry[:_MAX_FIELD] for entry in missing)[:_MAX_ENTRIES],
        is_missing=any(not part.is_warning for part in missing_parts(record, state)),
        language=_text(content, "document_language"),
        policy=_text(_object(how, "policy"), "name"),
        shown=AssessmentSummary.of(found) if found is not None else None,
        is_text_whole=is_text_whole,
    )


def operator_of(first_events: bytes) -> str:
    """Return who stored a bundle, as the first custody sidecar states; "" if it has no name."""
    with contextlib.suppress(EvidenceInvalid, IndexError):
        event = canonical_json.loads(first_events.splitlines()[0])
        if isinstance(event, dict):
            return _text(event, "by")
    return ""


def read_passages(
    members: BundleMembers, record: Mapping[str, Any], found: Assessment | None
) -> tuple[tuple[Passage, ...], bool]:
    """Return the passages of a bundle, and whether they contain all of its text."""
    what = _object(record, "what")
    title = what.get("title")
    readings = found.readings if found is not None else None
    whole, is_read = "", True
    if _PAGE_TEXT in members.names:
        try:
            data = members.read(_PAGE_TEXT, limit=_MAX_TEXT_BYTES)
            whole = data.decode("utf-8", "replace")
        except EvidenceInvalid:
            is_read = False
    hidden, is_hidden_read = _hidden(members)
    main = readings.main_text if readings is not None else ""
    if readings is not None and readings.hidden_text:
        hidden = f"{readings.hidden_text}\n{hidden}"
    made, is_whole = passages.cut(
        title=title if isinstance(title, str) else "",
        addresses=(_text(what, "requested_url"), _text(what, "final_url")),
        main=main,
        whole=whole,
        hidden=hidden,
    )
    return made, is_whole and is_read and is_hidden_read


def _hidden(members: BundleMembers) -> tuple[str, bool]:
    """Return the text of hidden blocks, and whether all of it could be read."""
    if layout.PATH not in members.names:
        return "", True
    try:
        value = json.loads(members.read(layout.PATH, limit=layout.MAX_BYTES))
    except (EvidenceInvalid, ValueError, RecursionError):
        return "", False
    blocks = _list(value, "blocks") if isinstance(value, dict) else []
    texts = (
        block.get("text")
        for block in blocks
        if isinstance(block, dict) and block.get("hidden") is True
    )
    return "\n".join(text for text in texts if isinstance(text, str)), True


def _object(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _list(value: Mapping[str, Any], name: str) -> list[Any]:
    found = value.get(name)
    return found if isinstance(found, list) else []


def _text(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    return found[:_MAX_FIELD] if isinstance(found, str) else ""
