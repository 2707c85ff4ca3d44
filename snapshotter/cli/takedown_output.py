"""Format take-down events, and the result of deriving them from captures, as text or JSON."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from snapshotter.cli.output import format_time
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.takedown.events import Derivation
    from snapshotter.index.stored_events import StoredEvent


def event_lines(kept_event: "StoredEvent") -> Iterator[tuple[str, str]]:
    from snapshotter.cli.bundle_output import describe_observation
    from snapshotter.model.change_sentences import item_details, marked
    from snapshotter.model.takedown import widen
    from snapshotter.report.wording import format_long_duration
    from snapshotter.verify.takedown import captures_by_role, describe_event

    event = kept_event.event
    if event is None:
        return
    exact = event.bracket
    begin, end = widen(exact)
    yield "event", event.event_id
    yield "what", describe_event(event)
    yield "page", event.url
    yield "not before", format_time(begin)
    yield "not after", f"{format_time(end)}  ({format_long_duration(exact[1] - exact[0])})"
    for label, text in (
        ("notice", event.first_gone.notice),
        ("it cites", event.first_gone.cited_rule),
        ("causes named", ", ".join(cause.value for cause in event.causes)),
    ):
        if text:
            yield label, text
    for item in event.change.items if event.change else ():
        yield item_details(item), marked(item)
    for part in captures_by_role(event):
        seen = part.observation
        words = f"{format_time(seen.at)}  {describe_observation(seen)}  {seen.bundle_id}"
        yield part.role, words + (f"  by {seen.vantage}" if seen.vantage != "direct" else "")
    if event.articles:
        yield "articles", ", ".join(event.articles)
    yield "event before", event.previous or "none"
    yield (
        "checked",
        tr(
            "the event is not verified here. Verify the event: snapshotter verify {event_id}",
            event_id=event.event_id,
        ),
    )
    said = tr("before the event is verified, every field is only a statement of the signer")
    if own := ", ".join(event.own_word):
        said += tr(
            ". After the verification, only these fields are statements of the signer: {own}",
            own=own,
        )
    yield "statements", said
    yield "signed by", kept_event.key_id
    yield "record", f"{kept_event.key}  SHA-256 {kept_event.sha256}"


def derivation_lines(derived: "Derivation") -> Iterator[str]:
    from snapshotter.app.takedown.events import describe_missing
    from snapshotter.assess.takedown_events import PagePresence
    from snapshotter.verify.takedown import describe_event

    found = derived.conclusion
    for recorded in derived.recorded:
        yield f"{recorded.event.event_id}  {describe_event(recorded.event)}"
    if found.standing is PagePresence.DOUBTED:
        since = found.first_gone or found.last_seen
        said = f" ({', '.join(found.said)})" if found.said else ""
        when = f" since {format_time(since.at)}" if found.first_gone and since else ""
        yield tr(
            "{subject}  no event was concluded, but the page has not been available{said}{when}",
            subject=derived.subject,
            said=said,
            when=when,
        )
    elif not derived.recorded:
        yield f"{derived.subject}  {_STANDINGS[found.standing.value]}"
    for lack in found.missing:
        yield f"  needs {describe_missing(lack)}"
    if len(found.said) > 1:
        yield tr(
            "  the captures of the page show different causes: {said}", said=", ".join(found.said)
        )
    for passed in derived.passed:
        yield tr(
            "  {bundle_id} is not used: {why}",
            bundle_id=passed.observation.bundle_id,
            why=passed.why,
        )
    for late in found.passed_over:
        yield tr(
            "  {bundle_id} was added after an event was concluded, and does not change the "
            "event. In this capture of {time}, the page is: {availability}",
            bundle_id=late.bundle_id,
            availability=_AVAILABILITY[late.availability.value],
            time=format_time(late.at),
        )


_AVAILABILITY = {
    "available": tr("available"),
    "unavailable": tr("not available"),
    "inconclusive": tr("not established"),
}
_STANDINGS = {
    "unseen": tr("no capture shows the page as available"),
    "there": tr("no removal was found"),
    "gone": tr("the removal is recorded"),
}
