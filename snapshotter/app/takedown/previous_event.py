"""Check that a take-down event can follow the earlier event that it names."""

from collections.abc import Callable, Iterator
from typing import Final

from snapshotter.assess.takedown_events import (
    account_state_in,
    capture_order_key,
    last_capture_of_event,
)
from snapshotter.model.assessment import Availability
from snapshotter.model.finding import Code, Finding, Verdict
from snapshotter.model.takedown import ACCOUNT_KINDS, Takedown, TakedownKind
from snapshotter.translation import tr
from snapshotter.verify.trust import Trust, judge_key

# By the kind of an event, the kinds that the event before it can have. A removed page can only
# be reinstated, and only an available page can be removed. An account can change its state again.
_AFTER: Final = {
    TakedownKind.REMOVED: (TakedownKind.REINSTATED,),
    TakedownKind.REINSTATED: (TakedownKind.REMOVED,),
    TakedownKind.ACCOUNT_CHANGED: ACCOUNT_KINDS,
    TakedownKind.ACCOUNT_RESTORED: (TakedownKind.ACCOUNT_CHANGED,),
    TakedownKind.CHANGED: (),  # a change is about two captures, and not about what was before
}


# Returns the event whose record has this SHA-256, and the id of the key that signed it, as
# `takedown.parse` does; None where no such record was found.
PreviousEvent = Callable[[str], tuple[Takedown, str] | None]


def previous_findings(
    event: Takedown, before: PreviousEvent | None, trust: Trust
) -> Iterator[Finding]:
    """
    Yield what was found about the event before an event.

    Args:
        before: Finds that event; None: it is not looked for.
    """
    if not event.previous:
        if _needs_previous(event):
            yield _previous_finding(
                Verdict.FAILED,
                tr(
                    "an event of this kind needs an earlier event, but the event does not "
                    "name an earlier event"
                ),
            )
        return
    if before is None:
        return
    found = before(event.previous)
    if found is None:
        detail = tr(
            "the earlier event was not found (SHA-256 {previous}…)", previous=event.previous[:16]
        )
        yield _previous_finding(Verdict.INDETERMINATE, detail)
        return
    earlier, key_id = found
    name = f"{earlier.event_id}, {earlier.kind}"
    if why := _reason_not_to_follow(event, earlier):
        detail = tr("the event names the earlier event {name}, but {why}", name=name, why=why)
        yield _previous_finding(Verdict.FAILED, detail)
        return
    key = trust.key(key_id)
    if key is None or judge_key(key, None)[0] is Verdict.FAILED:
        why = tr("which is not trusted") if key is None else tr("which is not valid")
        # The record has the digest that is named, so this does not speak against the event.
        detail = tr(
            "the earlier event, {event_id}, is signed by the key {key_id}, {why}",
            event_id=earlier.event_id,
            key_id=key_id,
            why=why,
        )
        yield _previous_finding(Verdict.INDETERMINATE, detail)
        return
    if _came_back_with_other_text(event, earlier):
        detail = tr(
            "the page that became available again has few words, and its text differs "
            "from the text of the page in the earlier event, {event_id}",
            event_id=earlier.event_id,
        )
        yield _previous_finding(Verdict.INDETERMINATE, detail)
        return
    yield Finding.passed(
        "previous",
        tr(
            "the earlier event is {name}. The captures of the earlier event were not checked",
            name=name,
        ),
    )


def _previous_finding(verdict: Verdict, detail: str) -> Finding:
    return Finding(check="previous", verdict=verdict, code=Code.PREVIOUS, detail=detail)


def _needs_previous(event: Takedown) -> bool:
    """Return whether an event ends a state that an earlier event must have begun."""
    if event.kind in (TakedownKind.REINSTATED, TakedownKind.ACCOUNT_RESTORED):
        return True
    return event.kind is TakedownKind.ACCOUNT_CHANGED and bool(account_state_in(event.ends[0]))


def _reason_not_to_follow(event: Takedown, earlier: Takedown) -> str:
    """Return why an event cannot follow another; "" where it can."""
    if earlier.identity != event.identity:
        return tr("the earlier event is about another page or account")
    if earlier.kind not in _AFTER[event.kind]:
        return tr("an event of the kind {kind} cannot follow the earlier event", kind=event.kind)
    if event.kind in ACCOUNT_KINDS and (account_state_in(event.ends[0]) or "") != earlier.state:
        return tr("after the earlier event, the account had another state")
    # Captures from before an event are not evidence for the next one.
    if capture_order_key(event.ends[0]) < capture_order_key(last_capture_of_event(earlier)):
        return tr(
            "the first capture of the event is older than the last capture of the earlier event"
        )
    return ""


def _came_back_with_other_text(event: Takedown, earlier: Takedown) -> bool:
    """Return whether a reinstated page has few words, and others than the certain text before."""
    after, before = event.last_seen, earlier.last_seen
    certain = before.availability is Availability.AVAILABLE and not before.ambiguous
    return (
        event.kind is TakedownKind.REINSTATED
        and after.ambiguous
        and certain
        and after.main_sha256 != before.main_sha256
    )
