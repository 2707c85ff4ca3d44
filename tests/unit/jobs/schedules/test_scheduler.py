"""The sweep on a simulated clock: what is handed over, and what is written down as missed."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats.statements.gap import disclosures, encode
from snapshotter.jobs.schedules.plan import CatchUp, DueVisits, Plan, decide_due_visits
from snapshotter.jobs.schedules.schedules import target_key, watch_name
from snapshotter.jobs.schedules.tables import SCHEDULE
from snapshotter.model.gap import GapEvent, GapReason, Missed
from snapshotter.model.job import CaptureJob, JobState
from snapshotter.model.notification import NotificationKind, NotificationScope
from snapshotter.policy.curve import parse_curves
from tests.bundles import new_signer
from tests.unit.jobs.schedules.schedule_bench import DAY, HOUR, MINUTE, START, URL, Desk, slot_of

CURVES = parse_curves(
    (Path(__file__).resolve().parents[4] / "policies/schedules/curves.toml").read_text(), "curves"
)
DONE = {"started_at": START, "ended_at": START, "bundle_id": "b", "outcome": "complete"}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.engine.dispose()


@pytest.mark.parametrize("name", CURVES)
def test_a_curve_fires_exactly_at_its_listed_times_over_180_days(desk: Desk, name: str) -> None:
    desk.add(Plan(curve=CURVES[name]))
    listed = [START + offset for offset in CURVES[name].offsets()]

    for moment in listed:
        assert desk.run(moment - timedelta(seconds=1)).handed_over == 0
        assert desk.run(moment).handed_over == 1

    desk.run(START + 181 * DAY)
    assert desk.gaps == []
    assert desk.slots == listed
    assert desk.schedules.get("watch").has_ended


@pytest.mark.parametrize("name", CURVES)
def test_with_jitter_a_curve_fires_between_its_neighbours(desk: Desk, name: str) -> None:
    desk.add(Plan(curve=CURVES[name], jitter=0.15))
    listed = list(CURVES[name].offsets())
    fired: list[datetime] = []
    while (following := desk.schedules.get("watch").next_at) is not None:
        fired.append(following)
        assert desk.run(following).handed_over == 1

    assert desk.slots == [START + duration for duration in listed]
    for number, offset in enumerate(listed):
        room = min(
            offset - listed[number - 1] if number else timedelta(0),
            listed[number + 1] - offset if number + 1 < len(listed) else DAY * 999,
        )
        assert abs(fired[number] - START - offset) <= 0.15 * room
    assert len({time - START - off for time, off in zip(fired, listed, strict=True)}) == len(listed)


def test_a_job_says_what_it_is_of_and_until_when_it_has_to_begin(desk: Desk) -> None:
    desk.schedules.add(
        "case-7", Plan(every=6 * HOUR), [URL], policy="expanded", priority=50, tags=("a", "b")
    )

    swept = desk.run(START + MINUTE)

    (job,) = [status.job for status in desk.queue.jobs()]
    assert job.id == f"case-7.{target_key(URL)}@20260301t120000z"
    assert (job.url, job.policy, job.priority, job.tags) == (URL, "expanded", 50, ("a", "b"))
    assert (job.origin, job.not_after) == ("schedule:case-7", START + HOUR)
    assert (swept.handed_over, swept.missed, desk.heard.late) == (1, 0, [60.0])


def test_a_stopped_worker_leaves_a_gap(desk: Desk) -> None:
    other = "https://example.org/post/2"
    plan = Plan(every=6 * HOUR)
    desk.schedules.add("watch", plan, [URL, other], policy="high-risk-source", tags=("at-risk",))
    desk.run(START)

    swept = desk.run(START + DAY + 5 * MINUTE)

    assert desk.slots == [START, START, START + DAY, START + DAY]
    assert (swept.missed, swept.recorded) == (6, 1)
    (gap,) = desk.gaps
    slots = tuple(START + hours * HOUR for hours in (6, 12, 18))
    assert gap.missed == (Missed(slots=slots, urls=(URL, other)),)
    assert (gap.event, gap.reason) == (GapEvent.MISSED, GapReason.NO_WORKER)
    assert (gap.since, gap.until) == (slots[0], slots[-1])
    assert gap.detail == "no worker was running from 2026-03-01T12:00:00Z to 2026-03-02T12:05:00Z"
    (event,) = desk.heard.events
    assert event.kind is NotificationKind.SCHEDULE_GAP
    assert event.about == (
        NotificationScope(policy="high-risk-source", origin="schedule:watch", tags=("at-risk",)),
    )
    assert event.summary == (
        "visits that were not made: 6. Addresses: 2. Reason: no worker was running"
    )
    assert "example.org" not in repr(event)


def test_nothing_is_said_twice_by_sweeping_again(desk: Desk) -> None:
    desk.add(Plan(every=6 * HOUR))
    desk.run(START + 14 * HOUR)

    again = [desk.run(START + 14 * HOUR) for _ in range(3)]

    assert {(sweep.handed_over, sweep.missed, sweep.recorded) for sweep in again} == {(0, 0, 0)}
    assert desk.missed == [START, START + 6 * HOUR, START + 12 * HOUR]


@pytest.mark.parametrize(
    ("state", "values", "reason"),
    [
        (JobState.WAITING, {}, GapReason.QUEUE_LATE),
        (JobState.DEFERRED, {}, GapReason.OVER_BUDGET),
        (JobState.FAILED, {"ended_at": START + HOUR + MINUTE}, GapReason.QUEUE_LATE),
        (JobState.FAILED, {"started_at": START, "ended_at": START}, GapReason.FAILED),
        (JobState.DEAD, DONE, GapReason.FAILED),
        (JobState.CANCELLED, {"ended_at": START}, GapReason.CANCELLED),
    ],
)
def test_a_visit_that_gave_nothing_is_a_gap_that_says_why(
    desk: Desk, state: JobState, values: dict[str, object], reason: GapReason
) -> None:
    desk.queue.works = False
    desk.add(Plan(every=6 * HOUR))
    desk.run(START)
    (job,) = [status.job for status in desk.queue.jobs()]
    desk.queue.end(job.id, state, **values)

    desk.run(START + HOUR - timedelta(seconds=30))
    desk.run(START + HOUR + 2 * MINUTE)

    (gap,) = desk.gaps
    assert (gap.reason, desk.missed) == (reason, [START])
    assert ("the bundle b records the failure" in gap.detail) is (state is JobState.DEAD)
    (entry,) = desk.schedules.history("watch")
    assert (entry.kind, entry.reason, entry.url, entry.gap_id) == ("missed", reason, URL, "gap-0")


def test_a_host_that_could_not_be_asked_is_why_also_when_the_queue_has_given_up(desk: Desk) -> None:
    desk.queue.works = False
    desk.add(Plan(every=6 * HOUR))
    desk.run(START)
    (job,) = [status.job for status in desk.queue.jobs()]
    desk.queue.end(job.id, JobState.DEFERRED, due_at=START + 5 * HOUR)
    desk.run(START + HOUR - timedelta(seconds=20))

    desk.queue.end(job.id, JobState.FAILED, ended_at=START + HOUR, due_at=None)
    desk.run(START + HOUR + 2 * MINUTE)

    assert [gap.reason for gap in desk.gaps] == [GapReason.OVER_BUDGET]


@pytest.mark.parametrize("state", [JobState.DONE, JobState.INCOMPLETE])
@pytest.mark.parametrize(
    ("under_way", "earlier"),
    [(JobState.RUNNING, ""), (JobState.DEFERRED, "a")],
    ids=["late", "throttled"],
)
def test_a_visit_that_gave_a_bundle_is_no_gap(
    desk: Desk, state: JobState, under_way: JobState, earlier: str
) -> None:
    desk.queue.works = False
    desk.add(Plan(every=6 * HOUR))
    desk.run(START)
    (job,) = [status.job for status in desk.queue.jobs()]
    desk.queue.end(job.id, under_way, started_at=START, bundle_id=earlier)
    desk.run(START + HOUR + 2 * MINUTE)
    desk.queue.end(job.id, state, **DONE)

    swept = [desk.run(START + HOUR + minutes * MINUTE) for minutes in (30, 60)]

    assert sum(sweep.settled for sweep in swept) == 1
    assert desk.gaps == []
    (entry,) = desk.schedules.history("watch")
    assert (entry.kind, entry.state, entry.bundle_id) == ("visit", state.value, "b")


def test_a_pause_is_no_gap_and_is_said(desk: Desk) -> None:
    desk.add(Plan(every=6 * HOUR))
    desk.run(START)
    desk.time = START + HOUR
    assert desk.schedules.pause("watch", by="anna")
    assert not desk.schedules.pause("watch", by="anna")
    desk.run(START + 20 * HOUR)
    desk.time = START + 25 * HOUR
    assert desk.schedules.resume("watch", by="ben")
    assert not desk.schedules.resume("watch", by="ben")

    desk.run(START + 30 * HOUR)

    assert desk.slots == [START, START + 30 * HOUR]
    assert [(gap.event, gap.by, gap.reason) for gap in desk.gaps] == [
        (GapEvent.PAUSED, "anna", GapReason.BY_HAND),
        (GapEvent.RESUMED, "ben", GapReason.BY_HAND),
        (GapEvent.PAUSED, "anna", GapReason.BY_HAND),
    ]
    said, _, passed = desk.gaps
    assert (said.since, said.until, said.missed) == (START + HOUR, None, ())
    assert (passed.since, passed.until) == (START + HOUR, START + 25 * HOUR)
    assert desk.missed == [START + hours * HOUR for hours in (6, 12, 18, 24)]
    assert desk.heard.events == []  # nobody is woken for what somebody did


def test_a_pause_in_the_middle_of_a_sweep_holds(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.add(Plan(every=6 * HOUR))

    def paused_meanwhile(*arguments: Any) -> DueVisits:
        desk.schedules.pause("watch", by="anna")
        return decide_due_visits(*arguments)

    monkeypatch.setattr("snapshotter.jobs.schedules.scheduler.decide_due_visits", paused_meanwhile)

    assert desk.run(START + MINUTE).handed_over == 0

    desk.schedules.resume("watch", by="anna")
    monkeypatch.undo()
    assert desk.run(START + 2 * MINUTE).handed_over == 1  # it was due before the pause


def test_a_schedule_that_is_removed_says_so_and_its_name_is_free(desk: Desk) -> None:
    desk.add(Plan(every=6 * HOUR))
    desk.run(START)
    desk.time = START + HOUR
    desk.schedules.remove("watch", by="anna")

    swept = desk.run(START + DAY)

    assert (swept.handed_over, swept.missed) == (0, 0)
    assert [(gap.event, gap.by) for gap in desk.gaps] == [(GapEvent.REMOVED, "anna")]
    assert [entry.kind for entry in desk.schedules.history("watch")] == ["removed", "visit"]
    desk.add(Plan(every=DAY))
    assert desk.run().handed_over == 1


def test_what_is_not_recorded_waits_and_is_recorded_once(desk: Desk) -> None:
    desk.add(Plan(every=6 * HOUR))
    desk.store_is_gone = True
    assert desk.run(START + 14 * HOUR).recorded == 0
    assert desk.told == [
        "gaps could not be recorded now. The worker tries again later: the store is gone"
    ]
    assert desk.schedules.history("watch", gaps_only=True)[0].gap_id == ""
    desk.store_is_gone = False
    assert desk.run(START + 14 * HOUR + MINUTE).recorded == 0  # whoever claimed it may be at it

    assert desk.run(START + 14 * HOUR + 3 * MINUTE).recorded == 1

    assert [gap.gap_id for gap in desk.gaps] == ["gap-0"]
    assert desk.gaps[0].at == START + 14 * HOUR  # the same record as the one that failed


@pytest.mark.parametrize("has_taken_it", [False, True])
def test_a_worker_that_dies_while_it_hands_over_loses_and_doubles_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, has_taken_it: bool
) -> None:
    desk.add(Plan(every=6 * HOUR), URL, "https://example.org/post/2")
    put = desk.queue.put

    def dies(jobs: Sequence[CaptureJob]) -> Sequence[bool]:
        if has_taken_it:
            put(jobs)
        raise ServiceUnavailable("the database is gone")

    monkeypatch.setattr(desk.queue, "put", dies)
    with pytest.raises(ServiceUnavailable):
        desk.run(START)
    monkeypatch.undo()

    swept = desk.run(START + MINUTE)

    assert desk.slots == [START, START]
    assert swept.handed_over == (0 if has_taken_it else 2)
    assert [entry.state for entry in desk.schedules.history("watch")] == ["queued", "queued"]
    now = desk.schedules.history("watch", look=desk.queue.get)
    assert [(entry.state, entry.bundle_id) for entry in now] == [("done", "b")] * 2
    assert (swept.missed, desk.run(START + 2 * HOUR).settled, desk.gaps) == (0, 2, [])


def test_what_is_missed_one_after_another_is_gathered(desk: Desk) -> None:
    for name in ("one", "two"):
        desk.add(Plan(every=6 * HOUR), name=name)
    desk.run(START + 14 * HOUR, at_once=False)
    assert desk.gaps == []

    assert desk.run(START + 14 * HOUR + MINUTE, at_once=False).recorded == 2

    assert [gap.schedule for gap in desk.gaps] == ["one", "two"]


def test_many_addresses_are_no_record_without_end(desk: Desk) -> None:
    urls = [f"https://example.org/post/{number}" for number in range(800)]
    desk.add(Plan(every=MINUTE, catch_up=CatchUp.LATEST, max_late=None), *urls)

    swept = desk.run(START + 3 * MINUTE)

    assert (swept.handed_over, swept.missed) == (800, 2_400)
    assert swept.recorded == 2
    assert sorted(
        url for gap in desk.gaps for missed in gap.missed for url in missed.urls
    ) == sorted(urls)


def test_whatever_was_missed_fits_into_its_records(desk: Desk) -> None:
    desk.add(Plan(every=MINUTE))
    for number in range(2, 7):  # each with slots of its own
        desk.time += timedelta(seconds=1)
        desk.schedules.extend("watch", [f"https://example.org/post/{number}"])

    swept = desk.run(START + 16 * HOUR)

    signer = new_signer()
    for gap in desk.gaps:
        urls = {url for missed in gap.missed for url in missed.urls}
        encode(gap, disclosures(gap, [bytes(32)] * len(urls)), signer)  # raises if it is too long
    assert swept.missed == len(desk.missed) > 5_000
    assert len(desk.gaps) == 3


def test_an_extra_visit_is_beside_the_plan(desk: Desk) -> None:
    desk.add(Plan(every=6 * HOUR))
    desk.run(START)
    desk.time = START + HOUR

    (job_id,) = desk.schedules.run_now("watch")

    assert desk.schedules.run_now("watch") == [job_id]
    assert job_id == f"watch.{target_key(URL)}@20260301t130000z-now"
    assert desk.run().handed_over == 1
    assert desk.run(START + 6 * HOUR).handed_over == 1
    assert desk.slots == [START, START + 6 * HOUR]


def test_history_goes_on_and_what_is_old_is_forgotten(desk: Desk) -> None:
    desk.add(Plan(every=DAY))
    for day in (0, 1, 2):
        desk.run(START + day * DAY)
    desk.run(START + 2 * DAY + 5 * HOUR)
    desk.schedules.pause("watch", by="")
    newest = [entry.kind for entry in desk.schedules.history("watch", newest=3)]
    assert newest == ["paused", "visit", "visit"]

    desk.run(START + 401 * DAY)

    kept = [entry.slot for entry in desk.schedules.history("watch") if entry.kind == "visit"]
    assert kept == [START + 2 * DAY, START + DAY]


def test_a_schedule_that_is_added_again_under_its_name_fires_once_and_holds_up_nobody(
    desk: Desk,
) -> None:
    plan = Plan(cron="0 13 * * *", jitter=0.45)  # whose jitter can be before its slot
    url = next(
        url
        for url in map("https://example.org/{}".format, range(100))
        if plan.first(START, watch_name("watch", target_key(url))).at < START + 30 * MINUTE  # type: ignore[union-attr]
    )
    desk.add(plan, url)
    desk.add(Plan(every=HOUR), name="other")
    desk.run(START + 40 * MINUTE)
    desk.schedules.remove("watch", by="")
    desk.add(plan, url)

    swept = [desk.run(START + hours * HOUR) for hours in (1, 2, 3)]

    assert [sweep.handed_over for sweep in swept] == [1, 1, 1]  # of the other
    names = [status.job.id.partition("@")[0] for status in desk.queue.jobs()]
    assert names.count(watch_name("watch", target_key(url))) == 1


def test_an_extra_visit_of_one_added_again_in_the_same_second_is_the_same_job(desk: Desk) -> None:
    desk.add(Plan(every=6 * HOUR))
    jobs = desk.schedules.run_now("watch")
    desk.schedules.remove("watch", by="")
    desk.add(Plan(every=6 * HOUR))

    assert desk.schedules.run_now("watch") == jobs
    assert desk.run().handed_over == 2  # that one, and the first of the plan


def test_what_was_missed_before_a_schedule_was_removed_is_a_gap(desk: Desk) -> None:
    desk.add(Plan(every=6 * HOUR))
    desk.run(START)
    desk.time = START + 13 * HOUR
    desk.schedules.pause("watch", by="ben")
    desk.time = START + DAY + timedelta(seconds=30)
    desk.schedules.remove("watch", by="anna")

    desk.run(START + 2 * DAY)

    told = {(gap.event, gap.by): [s for m in gap.missed for s in m.slots] for gap in desk.gaps}
    assert told[GapEvent.MISSED, ""] == [START + 6 * HOUR, START + 12 * HOUR]
    assert told[GapEvent.REMOVED, "anna"] == []
    passed = [gap for gap in desk.gaps if gap.event is GapEvent.PAUSED and gap.missed]
    assert [(gap.by, gap.missed[0].slots) for gap in passed] == [("ben", (START + 18 * HOUR,))]
    (missed,) = [gap for gap in desk.gaps if gap.event is GapEvent.MISSED]
    assert missed.detail == "no worker had checked these visits when the schedule was removed"


def test_a_schedule_that_can_not_be_read_waits_and_no_other_does(desk: Desk) -> None:
    desk.add(Plan(every=6 * HOUR))
    desk.add(Plan(cron="0 12 * * *"), name="later")
    with desk.engine.begin() as connection:
        plan = select(SCHEDULE.c.plan).where(SCHEDULE.c.name == "later")
        whole = str(connection.execute(plan).scalar_one())
        broken = update(SCHEDULE).where(SCHEDULE.c.name == "later")
        connection.execute(broken.values(plan=whole.replace("UTC", "Mars/Olympus")))

    swept = [desk.run(START + minutes * MINUTE) for minutes in (0, 1)]

    assert [sweep.handed_over for sweep in swept] == [1, 0]
    (told,) = desk.told
    assert told.startswith("this worker skips the schedule later: ")
    with pytest.raises(SnapshotterError, match="cannot read the schedule later"):
        desk.schedules.get("later")
    with desk.engine.begin() as connection:
        connection.execute(broken.values(plan=whole))
    assert desk.run(START + 2 * MINUTE).handed_over == 1  # nothing of it was lost


def test_one_that_can_not_be_read_can_be_removed(desk: Desk) -> None:
    desk.add(Plan(every=6 * HOUR))
    with desk.engine.begin() as connection:
        connection.execute(update(SCHEDULE).values(plan="{}"))

    desk.schedules.remove("watch", by="anna")

    desk.run(START + DAY)
    (gap,) = desk.gaps
    assert (gap.event, gap.by) == (GapEvent.REMOVED, "anna")
    assert gap.detail.startswith(
        "the visits that were due before the removal of the schedule are not known: "
    )


def test_a_clock_that_was_ahead_and_is_set_back_puts_nothing_off(desk: Desk) -> None:
    desk.add(Plan(every=6 * HOUR))
    desk.run(START)
    desk.run(START + 365 * DAY)  # somebody set it by a year
    desk.schedules.pause("watch", by="ben")
    desk.schedules.resume("watch", by="ben")

    swept = [desk.run(START + hours * HOUR + MINUTE) for hours in (5, 6, 12, 18)]

    assert [sweep.handed_over for sweep in swept] == [0, 1, 1, 1]
    assert [sweep.recorded for sweep in swept] == [2, 0, 0, 0]
    (told,) = desk.told
    assert told.startswith("the clock of the queue was set back, from 2027-03-01T12:00:00Z to ")


def test_a_clock_that_is_set_back_fires_nothing_twice(desk: Desk) -> None:
    desk.add(Plan(every=6 * HOUR, jitter=0.15))
    for hours in (0, 6, 12, 18):
        desk.run(START + hours * HOUR + HOUR)

    again = [desk.run(START + hours * HOUR + HOUR) for hours in (1, 6, 12, 18)]

    assert [sweep.handed_over for sweep in again] == [0, 0, 0, 0]
    assert desk.run(desk.schedules.get("watch").next_at).handed_over == 1


# Several who sweep at once, as processes.

_SWEEPER = """
import os, sys
from datetime import datetime
from pathlib import Path
from tests.bundles import new_signer
from tests.unit.jobs.schedules.schedule_bench import Desk
desk = Desk(Path("."), url=sys.argv[1], prefix=f"{os.getpid()}-")
total = missed = 0
print("ready", flush=True)
for moment in sys.stdin:
    swept = desk.run(datetime.fromisoformat(moment.strip()))
    total, missed = total + swept.handed_over, missed + swept.missed
    print(total, missed, len(desk.gaps), flush=True)
"""


def test_several_processes_sweep_at_once_and_nothing_fires_twice(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    sweep_together(desk, count=2)
    desk.engine.dispose()


def sweep_together(desk: Desk, *, count: int) -> None:
    """Let processes sweep one database at the same moments; nothing may be lost or doubled."""
    urls = [f"https://example.org/{number}" for number in range(40)]
    desk.add(Plan(every=6 * HOUR, jitter=0.15), *urls)
    root = Path(__file__).resolve().parents[4]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _SWEEPER, desk.url],
            cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        for _ in range(count)
    ]  # fmt: skip
    assert [_said(process) for process in processes] == [["ready"]] * count
    answers: list[list[str]] = []
    # One moment for all, then the next: a process that lags behind would be a clock set back.
    for hours in (0, 7, 14, 50, 51):
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(f"{(START + hours * HOUR).isoformat()}\n")
            process.stdin.flush()
        answers = [_said(process) for process in processes]
    for process in processes:
        process.communicate(timeout=120)

    handed, missed, gaps = (sum(int(answer[place]) for answer in answers) for place in range(3))
    jobs = [status.job.id for status in desk.queue.jobs()]
    assert len(jobs) == len(set(jobs)) == handed
    told = {
        (entry.url, slot)
        for entry in desk.schedules.history("watch", newest=10_000, gaps_only=True)
        for slot in entry.slots
    }
    assert missed == len(told)
    assert gaps >= 1
    # Every slot of every address is either handed over or missed, and none is both.
    made = {(status.job.url, slot_of(status.job.id)) for status in desk.queue.jobs()}
    assert not made & told
    assert made | told == {(url, START + number * 6 * HOUR) for url in urls for number in range(9)}


def _said(process: "subprocess.Popen[str]") -> list[str]:
    assert process.stdout is not None
    return process.stdout.readline().split()


def test_the_last_visit_and_the_missed_visits_of_all_schedules_are_listed(desk: Desk) -> None:
    desk.add(Plan(every=HOUR), name="made")
    desk.add(Plan(every=HOUR), name="late")
    desk.add(Plan(every=HOUR), name="gone")
    desk.run(START)
    desk.schedules.remove("gone", by="")
    desk.schedules.pause("made", by="A. Example", reason="it moves")
    desk.run(START + 5 * HOUR)

    last = desk.schedules.last_visits(look=desk.queue.get)
    missed = desk.schedules.missed(since=START, newest=10)

    assert sorted(last) == ["late", "made"]
    assert (last["made"].at, last["made"].state) == (START, "done")
    assert last["late"].at == START + 5 * HOUR
    assert {name for name, _ in missed} == {"late"}
    assert sum(len(gap.slots) for _, gap in missed) == 4
    assert desk.schedules.missed(since=START + 6 * HOUR, newest=10) == []
    assert desk.schedules.get("made").paused_reason == "it moves"
