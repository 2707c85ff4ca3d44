"""Return take-down events, and the result of deriving them from captures, as JSON objects."""

from typing import TYPE_CHECKING, Any

from snapshotter.app.json_objects.values import instant_json

if TYPE_CHECKING:
    from snapshotter.app.takedown.events import Derivation
    from snapshotter.index.stored_events import StoredEvent


def event_json(kept_event: "StoredEvent") -> dict[str, Any]:
    from snapshotter.formats.canonical_json import instant, plain
    from snapshotter.model.takedown import OWN_WORD, widen

    event = kept_event.event
    if event is None:
        raise ValueError("an object without an event")
    begin, end = widen(event.bracket)
    return {
        "bracket": {"begin": instant(begin), "end": instant(end)},
        "checked": False,
        "event": plain(event),
        "key": kept_event.key,
        "key_id": kept_event.key_id,
        "own_word": list(OWN_WORD),
        "sha256": kept_event.sha256,
    }


def derivation_json(derived: "Derivation") -> dict[str, Any]:
    found = derived.conclusion
    return {
        "first_gone": found.first_gone.bundle_id if found.first_gone else None,
        "last_seen": found.last_seen.bundle_id if found.last_seen else None,
        "missing": [
            {
                "after": instant_json(lack.after),
                "bundle_id": lack.seen.bundle_id if lack.seen else None,
                "count": lack.count,
                "host": lack.host,
                "what": lack.lack.value,
            }
            for lack in found.missing
        ],
        "passed": [
            {"bundle_id": passed.observation.bundle_id, "why": passed.why}
            for passed in derived.passed
        ],
        "passed_over": [observation.bundle_id for observation in found.passed_over],
        "recorded": [
            {
                "event_id": recorded.event.event_id,
                "is_new": recorded.is_new,
                "key": recorded.key,
                "kind": recorded.event.kind.value,
                "sha256": recorded.sha256,
            }
            for recorded in derived.recorded
        ],
        "said": list(found.said),
        "standing": found.standing.value,
        "subject": derived.subject,
    }
