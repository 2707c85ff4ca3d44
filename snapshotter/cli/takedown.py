"""`snapshotter takedown`: what was there and is gone, concluded from captures, as signed events."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snapshotter.cli.capture import ask_passphrase
from snapshotter.cli.options import store_option
from snapshotter.cli.output import result, result_json, say, time_in_words
from snapshotter.errors import SnapshotterError

if TYPE_CHECKING:
    from snapshotter.app.observations import Observatory
    from snapshotter.app.takedowns import Derived
    from snapshotter.store.events import KeptEvent

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")


@click.group()
def takedown() -> None:
    """
    Conclude take-downs from captures, and show and export the signed events.

    An event is an interval between two signed captures: one that shows the page, and the
    first of at least two that agree that it is gone, with another page of the same host
    seen in between.
    """


@takedown.command(
    "list",
    epilog="""\b
Examples:
  snapshotter takedown list
  snapshotter takedown list --page 'https://mp.weixin.qq.com/s?__biz=MzA…&mid=26…&idx=1'
  snapshotter takedown list --since 2026-05-27 --json
""",
)
@click.option("--page", metavar="URL|IDENTITY", help="Those of one page, or of one account.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="Concluded on this day or later.")
@store_option
@_JSON
@click.pass_context
def list_(
    ctx: click.Context,
    page: str | None,
    since: datetime | None,
    store: str | None,
    as_json: bool,
) -> None:
    """
    List the events of a store, in the order in which they were concluded.

    Those of one account that follow each other within a while stand together (15 minutes; the
    policy says it as [monitor] burst).
    """
    from snapshotter.app import wiring_takedown, wiring_trust
    from snapshotter.assess.events import account_of, bursts
    from snapshotter.verify.takedown import in_words

    settings = ctx.obj.load(store=store or "")
    is_trusted = wiring_trust.trusted_keys(settings)
    begins = since.replace(tzinfo=UTC) if since else None
    with wiring_takedown.observatory(settings) as place:
        if page and "://" in page:
            place.sync()
        place.catalog.sync_events(place.store)
        identity = _identity(place, page) if page else ""
        kept = place.catalog.events(identity=identity)
        where = place.store.url
    for it in kept:
        if it.problem:
            say(f"{it.key} is no event: {it.problem}")
    known = {
        it.event.event_id: it
        for it in kept
        if it.event is not None and (begins is None or it.event.at >= begins)
    }
    if not known and not as_json:
        say(f"{where} holds no take-down event{' of that page' if page else ''}")
    events = [it.event for it in known.values() if it.event is not None]
    for group in bursts(events, within=wiring_takedown.burst(settings)):
        if len(group) > 1 and not as_json:
            result(f"{account_of(group[0])}: {len(group)} events")
        for event in group:
            kept_event = known[event.event_id]
            if as_json:
                burst = group[0].event_id if len(group) > 1 else None
                trusted = is_trusted(kept_event.key_id)
                result_json({**_object(kept_event), "burst": burst, "trusted": trusted})
                continue
            doubt = "" if is_trusted(kept_event.key_id) else "  (by a key that is not trusted)"
            indent = "  " if len(group) > 1 else ""
            result(f"{indent}{event.event_id}  {in_words(event)}{doubt}")
    if known and not as_json:
        say("each line is the signer's word, unchecked; to check an event: snapshotter verify ID")


@takedown.command(
    epilog="""\b
Examples:
  snapshotter takedown show 20260527t091000z-k3v4q2m7xw4c5b6d
  snapshotter takedown show --json 20260527t091000z-k3v4q2m7xw4c5b6d
"""
)
@click.argument("event_id", metavar="ID")
@store_option
@_JSON
@click.pass_context
def show(ctx: click.Context, event_id: str, store: str | None, as_json: bool) -> None:
    """
    Show one event: the interval, the notice, and each capture that it rests on.

    Nothing is checked here; `snapshotter verify ID` does that.
    """
    from snapshotter.app import wiring_takedown

    with wiring_takedown.observatory(ctx.obj.load(store=store or "")) as place:
        found = _found(place, event_id)
    if as_json:
        result_json(_object(found))
        return
    for label, text in _shown(found):
        result(f"{label:<15} {text}")


@takedown.command(
    epilog="""\b
Examples:
  snapshotter takedown derive
  snapshotter takedown derive 'https://mp.weixin.qq.com/s?__biz=MzA…&mid=26…&idx=1'

\b
Without an address: every page of which a capture says that it is gone. The policy of a page
says what makes an event: [takedown.confirm] times, after, control.
"""
)
@click.argument("urls", nargs=-1, metavar="[URL…]")
@store_option
@_JSON
@click.pass_context
def derive(ctx: click.Context, urls: tuple[str, ...], store: str | None, as_json: bool) -> None:
    """
    Conclude what follows from the captures in the store, and record each new event.

    Says what it concluded, and where it concluded nothing, what is missing. The same again
    changes nothing.
    """
    from snapshotter.app import takedowns, wiring_takedown

    settings = ctx.obj.load(store=store or "")
    with wiring_takedown.desk(settings, ask=ask_passphrase, tell=say) as desk:
        done = takedowns.derive(desk, urls)
        where = desk.place.store.url
    if not done and not as_json:
        say(f"no capture in {where} says that a page is gone")
    for it in done:
        if as_json:
            result_json(_derived_object(it))
            continue
        for line in _derived_lines(it):
            result(line)


@takedown.command(
    epilog="""\b
Examples:
  snapshotter takedown export 20260527t091000z-k3v4q2m7xw4c5b6d -o exhibit
  snapshotter verify exhibit/20260527t091000z-k3v4q2m7xw4c5b6d.json
"""
)
@click.argument("event_id", metavar="ID")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory to write into.  [default: the id]",
)
@store_option
@_JSON
@click.pass_context
def export(
    ctx: click.Context, event_id: str, output: Path | None, store: str | None, as_json: bool
) -> None:
    """
    Copy an event with all bundles that it rests on, and the events before it.

    The copies are the same bytes: `snapshotter verify` of the event finds its bundles beside it.
    """
    from snapshotter.app import takedowns, wiring_store, wiring_takedown
    from snapshotter.assess.events import parts
    from snapshotter.model.custody import EXPORTING

    settings = ctx.obj.load(store=store or "")
    with wiring_takedown.observatory(settings) as place:
        found = _found(place, event_id)
        files = takedowns.export(place, found, output or Path(event_id))
    for it in parts(found.event) if found.event is not None else ():
        wiring_store.note_access(settings, place.store, it.bundle_id, EXPORTING, tell=say)
    if as_json:
        result_json({"event_id": event_id, "files": [str(it) for it in files]})
        return
    for file in files:
        result(str(file))


def _identity(place: "Observatory", wanted: str) -> str:
    """Return the identity of a page; what is no address is one, as `--json` prints it."""
    return place.identity(wanted) if "://" in wanted else wanted


def _found(place: "Observatory", event_id: str) -> "KeptEvent":
    place.catalog.sync_events(place.store)
    for it in place.catalog.events(event_id=event_id):
        if it.event is not None:
            return it
    raise SnapshotterError(
        f"{place.store.url} has no event {event_id}", hint="snapshotter takedown list shows them"
    )


def _object(it: "KeptEvent") -> dict[str, Any]:
    from snapshotter.formats.canonical_json import instant, plain
    from snapshotter.model.takedown import OWN_WORD

    event = it.event
    if event is None:
        raise ValueError("an object without an event")
    begin, end = event.bracket
    return {
        "bracket": {"begin": instant(begin), "end": instant(end)},
        "checked": False,
        "event": plain(event),
        "key": it.key,
        "key_id": it.key_id,
        "own_word": list(OWN_WORD),
        "sha256": it.sha256,
    }


def _shown(it: "KeptEvent") -> Iterator[tuple[str, str]]:
    from snapshotter.cli.bundles import verdict_in_words
    from snapshotter.model.takedown import OWN_WORD
    from snapshotter.report.words import span
    from snapshotter.verify.takedown import in_words, parts_of

    event = it.event
    if event is None:
        return
    begin, end = event.bracket
    yield "event", event.event_id
    yield "what", in_words(event)
    yield "page", event.url
    yield "not before", time_in_words(begin)
    yield "not after", f"{time_in_words(end)}  ({span(end - begin)})"
    for label, text in (
        ("notice", event.first_gone.notice),
        ("it cites", event.first_gone.cited_rule),
        ("causes named", ", ".join(cause.value for cause in event.causes)),
    ):
        if text:
            yield label, text
    for part in parts_of(event):
        seen = part.observation
        words = f"{time_in_words(seen.at)}  {verdict_in_words(seen)}  {seen.bundle_id}"
        yield part.role, words + (f"  by {seen.vantage}" if seen.vantage != "direct" else "")
    if event.articles:
        yield "articles", ", ".join(event.articles)
    yield "event before", event.previous or "none"
    yield "checked", f"nothing; to check it: snapshotter verify {event.event_id}"
    own = ", ".join(OWN_WORD)
    yield "own word", f"until it is verified, every field is the signer's word; then only {own}"
    yield "signed by", it.key_id
    yield "record", f"{it.key}  SHA-256 {it.sha256}"


def _derived_object(it: "Derived") -> dict[str, Any]:
    from snapshotter.cli.output import instant_json

    found = it.conclusion
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
        "passed": [{"bundle_id": one.observation.bundle_id, "why": one.why} for one in it.passed],
        "passed_over": [one.bundle_id for one in found.passed_over],
        "recorded": [
            {
                "event_id": one.event.event_id,
                "is_new": one.is_new,
                "key": one.key,
                "kind": one.event.kind.value,
                "sha256": one.sha256,
            }
            for one in it.recorded
        ],
        "said": list(found.said),
        "standing": found.standing.value,
        "subject": it.subject,
    }


def _derived_lines(it: "Derived") -> Iterator[str]:
    from snapshotter.app.takedowns import missing_in_words
    from snapshotter.assess.events import Standing
    from snapshotter.verify.takedown import in_words

    found = it.conclusion
    for one in it.recorded:
        yield f"{one.event.event_id}  {in_words(one.event)}"
    if found.standing is Standing.DOUBTED:
        since = found.first_gone or found.last_seen
        said = f" ({', '.join(found.said)})" if found.said else ""
        when = f" since {time_in_words(since.at)}" if found.first_gone and since else ""
        yield f"{it.subject}  not concluded: unavailable{said}{when}"
    elif not it.recorded:
        yield f"{it.subject}  {_STANDINGS[found.standing.value]}"
    for lack in found.missing:
        yield f"  needs {missing_in_words(lack)}"
    if len(found.said) > 1:
        yield f"  its captures name different causes, which do not agree: {', '.join(found.said)}"
    for passed in it.passed:
        yield f"  {passed.observation.bundle_id} plays no part: {passed.why}"
    for late in found.passed_over:
        yield (
            f"  {late.bundle_id} came in behind an event, and does not change it: it was "
            f"{late.availability} at {time_in_words(late.at)}"
        )


_STANDINGS = {
    "unseen": "no capture shows that it was there",
    "there": "is there, or says nothing against its account",
    "gone": "is gone, and that is recorded",
}
