"""Print schedules, their visits and their gaps, as text or JSON."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from snapshotter.app.json_objects.schedules import plan_json, schedule_json, visits_json
from snapshotter.app.json_objects.values import instant_json
from snapshotter.cli.output import for_store, print_json, print_result
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.archive.stored_gaps import StoredGap
    from snapshotter.assess.possible_removals import PossibleRemoval
    from snapshotter.formats.statements.gap import GapRecord
    from snapshotter.jobs.schedules.history import HistoryEntry
    from snapshotter.jobs.schedules.plan import Plan, Slot
    from snapshotter.jobs.schedules.scheduler import SchedulerResult
    from snapshotter.jobs.schedules.schedules import Schedule, Schedules
    from snapshotter.model.assessment import AssessmentSummary


def describe_schedule(entry: "Schedule") -> str:
    """Return the settings of a schedule in one line."""
    from snapshotter.policy.times import format_short_duration

    plan = entry.plan
    words = [f"URLs: {entry.urls}"]
    words += [f"policy {entry.policy}"] if entry.policy else []
    words += [f"priority {entry.priority}", f"jitter {plan.jitter:.0%}"]
    late = (
        tr(", maximum delay {short_duration}", short_duration=format_short_duration(plan.max_late))
        if plan.max_late
        else ""
    )
    words.append(f"catch up {plan.catch_up.value}{late}")
    words += [f"from {instant(plan.start)}"] if plan.start else []
    words += [f"until {instant(plan.end)}"] if plan.end else []
    words += [f"tags {' '.join(entry.tags)}"] if entry.tags else []
    return ", ".join(words)


def describe_schedule_state(entry: "Schedule") -> str:
    """Return the state of a schedule: ended, paused, or its next visit."""
    if entry.has_ended:
        return "ended"
    if entry.next_at is not None:
        return f"next {instant(entry.next_at)}"
    by = f" by {entry.paused_by}" if entry.paused_by else ""
    at = f" at {instant(entry.paused_at)}" if entry.paused_at else ""
    why = f": {entry.paused_reason}" if entry.paused_reason else ""
    return f"paused{by}{at}{why}"


def print_changed(entry: "Schedule", as_json: bool, words: str, changed: bool) -> None:
    """Print the result of a change to a schedule."""
    if as_json:
        print_json({**schedule_json(entry), "changed": changed})
    else:
        print_result(f"{entry.name}  {words}")


def format_count_of(count: int, noun: str) -> str:
    """Return how many of something: 1 visit, 2 visits."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def print_visits(found: "list[tuple[Slot, str]]") -> None:
    """Print coming visits, one a line."""
    for slot, url in found:
        print_result(f"  {instant(slot.at)}  {url}")


def possible_removal_line(removal: "PossibleRemoval", store: str | None = None) -> str:
    """Return the line below a visit that may show a removal, in a store as the user named it."""
    seen = removal.shown_last
    if seen is None:
        return tr("    possible removal. The last capture that shows the page is in quarantine")
    return tr(
        "    possible removal. Compare the captures: {command}",
        command=for_store(f"snapshotter diff {seen.bundle_id} {removal.capture.bundle_id}", store),
    )


def entry_line(entry: "HistoryEntry", shown: "AssessmentSummary | None" = None) -> str:
    """Return an entry of a history, as a line; of a visit with its outcome and verdict."""
    if entry.kind == "visit":
        from snapshotter.model.sentences import page_words

        what = entry.bundle_id or entry.job_id
        more = f"  {entry.detail}" if entry.detail else ""
        outcome = f"  {entry.outcome}" if entry.outcome else ""
        verdict = f"  {page_words(shown)}" if shown is not None else ""
        return f"{instant(entry.at)}  {entry.state}{outcome}{verdict}  {entry.url}  {what}{more}"
    by = f" by {entry.by}" if entry.by else ""
    until = f" to {instant(entry.until)}" if entry.until and entry.until != entry.at else ""
    count = f"  {len(entry.slots)} visits" if entry.slots else ""
    word = "GAP" if entry.kind == "missed" else entry.kind
    why = f": {entry.detail}" if entry.detail else ""
    reason = f"  {entry.reason}" if entry.kind == "missed" else f"{by}{why}"
    record = entry.gap_id or tr("no signed record yet")
    return f"{instant(entry.at)}{until}  {word}{reason}{count}  {entry.url}  {record}"


def print_signed(kept: "StoredGap", as_json: bool, trusted: bool) -> None:
    """Print a signed gap record of a store."""
    from snapshotter.verify.audit.record_checks import describe_gap

    found = kept.record
    if as_json:
        print_json(
            {
                "key": kept.key,
                "problem": kept.problem or None,
                "record": None if found is None else _record_json(found),
                "trusted": trusted,
            }
        )
    elif found is None:
        print_result(tr("{key}  IS NOT INTACT: {problem}", key=kept.key, problem=kept.problem))
    else:
        doubt = (
            ""
            if trusted
            else tr("  signed by the key {key_id}, which you do not trust", key_id=found.key_id)
        )
        print_result(f"{instant(found.at)}  {describe_gap(found)}  {found.gap_id}{doubt}")


def _record_json(found: "GapRecord") -> dict[str, Any]:
    return {
        "at": instant_json(found.at),
        "by": found.by,
        "detail": found.detail,
        "event": found.event,
        "gap_id": found.gap_id,
        "key_id": found.key_id,
        "missed": [
            {"slots": [instant(slot) for slot in missed.slots], "urls": list(missed.urls)}
            for missed in found.missed
        ],
        "reason": found.reason,
        "schedule": found.schedule,
        "since": instant_json(found.since),
        "until": instant_json(found.until),
    }


def instant(at: datetime) -> str:
    """Return an instant in RFC 3339, as bundles have it."""
    from snapshotter.formats.canonical_json import instant

    return instant(at)


def print_scheduler_result(swept: "SchedulerResult", as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "handed_over": swept.handed_over,
                "missed": swept.missed,
                "recorded": swept.recorded,
                "settled": swept.settled,
            }
        )
        return
    print_result(
        tr(
            "visits put into the queue: {handed_over}, missed visits: {missed}, records written: "
            "{recorded}",
            handed_over=swept.handed_over,
            missed=swept.missed,
            recorded=swept.recorded,
        )
    )


def print_dry_run(
    name: str, plan: "Plan", visits: "list[tuple[Slot, str]]", url_count: int, *, as_json: bool
) -> None:
    """Print the first visits of a schedule that is not added."""
    if as_json:
        print_json({"added": False, "name": name, **plan_json(plan), "next": visits_json(visits)})
        return
    print_result(
        tr(
            "{name}  {summary}  the schedule would be added; URLs: {url_count}",
            name=name,
            summary=plan.summary,
            url_count=url_count,
        )
    )
    print_visits(visits)


def print_schedule(
    schedules: "Schedules",
    entry: "Schedule",
    as_json: bool,
    *,
    following: int,
    with_urls: bool = False,
) -> None:
    found = schedules.upcoming(entry.name, following) if entry.state == "active" else []
    if as_json:
        value = {**schedule_json(entry), "next": visits_json(found)}
        if with_urls:
            value["addresses"] = [
                {"since": instant(target.since), "url": target.url}
                for target in schedules.targets(entry.name)
            ]
        print_json(value)
        return
    print_result(f"{entry.name}  {describe_schedule_state(entry)}  {entry.plan.summary}")
    print_result(f"  {describe_schedule(entry)}")
    if with_urls:
        for target in schedules.targets(entry.name):
            print_result(
                tr("  {url}  first seen {instant}", url=target.url, instant=instant(target.since))
            )
    print_visits(found)
