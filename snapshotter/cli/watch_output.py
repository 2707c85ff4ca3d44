"""Print watch lists, their polls and their pages, as text or JSON."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from snapshotter.app.json_objects.watches import watch_json
from snapshotter.cli.output import format_time, print_json, print_message, print_result
from snapshotter.errors import SnapshotterError
from snapshotter.model.watch import Watch, WatchStatus
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.monitoring.watch_summary import WatchSummary
    from snapshotter.model.watch import Poll


def describe_state(status: WatchStatus) -> str:
    """Return the state of a list in a word: `ended`, `paused`, or its state."""
    if status.ended:
        return "ended"
    return "paused" if status.paused else status.state.value


def watch_source(status: WatchStatus) -> str:
    """Return the source of a list: a file, or its address without secrets."""
    from snapshotter.model.capture_url import printable_url

    return status.watch.source if status.watch.is_file else printable_url(status.watch.source)


def format_time_or_never(at: datetime | None) -> str:
    """Return an instant for a person; `never` for none."""
    return format_time(at) if at is not None else "never"


def format_interval(watched: Watch) -> str:
    """Return how often a list is polled: `every 15 minutes`."""
    from snapshotter.policy.times import format_short_duration

    return f"every {format_short_duration(watched.every)}"


def describe_poll(poll: "Poll") -> str:
    """Return the result of a poll, or a gap between polls, on one line."""
    if poll.state is None:
        return f"{'GAP':<12} {poll.detail}"
    counts = tr(
        "{listed} listed, {new} new, {queued} put into the queue",
        listed=poll.listed,
        new=poll.new,
        queued=poll.queued,
    )
    return f"{poll.state.value:<12} {counts}  {poll.detail}".rstrip()


_SHOWN = 20  # pages that a dry run names


def print_dry_run(looked: Any, as_json: bool) -> None:
    look, found = looked
    if not look.state.was_read:
        raise SnapshotterError(
            tr("the list is {state}: {detail}", state=look.state, detail=look.detail)
        )
    if as_json:
        print_json(
            {
                "items": [
                    {
                        "identity": page.identity.key,
                        "title": page.listed.title,
                        "url": page.listed.url,
                    }
                    for page in found
                ],
                "kind": look.kind,
                "notes": list(look.notes),
                "state": look.state.value,
                "title": look.title,
            }
        )
        return
    pages = {page.identity.key: page for page in reversed(found)}
    print_result(
        tr(
            "{kind}  {title}  items: {count}, pages: {count2}",
            kind=look.kind,
            title=look.title,
            count=len(found),
            count2=len(pages),
        )
    )
    for page in list(reversed(pages.values()))[:_SHOWN]:
        print_result(f"  {page.listed.url}  {page.listed.title}")
    if len(pages) > _SHOWN:
        print_result(tr("  … further pages: {count}", count=len(pages) - _SHOWN))
    for note in look.notes:
        print_message(note)


def print_watch(found: "WatchSummary") -> None:
    from snapshotter.policy.times import format_short_duration

    status, watched = found.status, found.status.watch
    print_result(f"{watched.name}  {describe_state(status)}  {status.title}".rstrip())
    if status.paused_reason:
        print_result(tr("  paused    {reason}", reason=status.paused_reason))
    if status.detail:
        print_result(tr("  why       {detail}", detail=status.detail))
    if status.state.is_trouble and status.since is not None:
        times = (
            tr(", consecutive failed polls: {failures}", failures=status.failures)
            if status.failures
            else ""
        )
        print_result(
            tr(
                "  since     {time_or_never}{times}",
                time_or_never=format_time_or_never(status.since),
                times=times,
            )
        )
    kind = f"  ({status.kind})" if status.kind else ""
    print_result(
        tr("  list      {watch_source}{kind}", watch_source=watch_source(status), kind=kind)
    )
    rules = [f"--match {pattern}" for pattern in watched.match] + [
        f"--exclude {pattern}" for pattern in watched.exclude
    ]
    rules += [f"--select {watched.select}"] if watched.select else []
    rules += [f"--column {watched.column}"] if watched.column else []
    rules += ["--render"] if watched.render else []
    if rules:
        print_result(tr("  items     {rules}", rules="  ".join(rules)))
    pace = f"{format_interval(watched)} ± {watched.jitter:.0%}"
    print_result(
        tr(
            "  polled    {pace}; number of polls: {polls}, last poll: {time_or_never}",
            pace=pace,
            polls=status.polls,
            time_or_never=format_time_or_never(status.last_poll_at),
        )
    )
    print_result(
        tr(
            "  next      {time_or_never}",
            time_or_never=format_time_or_never(status.next_at) if status.next_at else "never",
        )
    )
    print_result(
        tr(
            "  pages     {listed} listed, {items} known, {waiting} waiting",
            listed=status.listed,
            items=status.items,
            waiting=status.waiting,
        )
    )
    captures = ", ".join(f"{count} {state}" for state, count in sorted(found.jobs.items()))
    print_result(tr("  captures  {captures}", captures=captures or "none"))
    if found.late:
        print_result(
            tr(
                "  late      captures that began more than {short_duration} after a poll found "
                "the page: {late}",
                late=found.late,
                short_duration=format_short_duration(watched.within),
            )
        )
    if status.missed:
        print_result(tr("  gaps      missed polls: {missed}", missed=status.missed))
    for poll in found.polls:
        print_result(f"  {format_time_or_never(poll.at)}  {describe_poll(poll)}")


def print_watch_change(status: WatchStatus, done: str, as_json: bool) -> None:
    if as_json:
        print_json(watch_json(status))
    else:
        print_result(f"{status.watch.name}  {done}")
