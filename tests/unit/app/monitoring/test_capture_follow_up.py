"""A page is watched until it goes, and behind that: what is captured, and what is concluded."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from snapshotter.app import machine, settings
from snapshotter.app.archive.observations import observations
from snapshotter.app.wiring import index as wiring_index
from snapshotter.app.wiring import queue as wiring_jobs
from snapshotter.app.wiring import worker as wiring_worker
from snapshotter.app.wiring.worker import open_job_runner
from snapshotter.errors import ServiceUnavailable
from snapshotter.formats.statements import pack
from snapshotter.index.open_index import open_index_file
from snapshotter.jobs.follow_ups import JobsToFollowUp
from snapshotter.jobs.queue.database_queue import DatabaseQueue
from snapshotter.jobs.queue.job_table import JOB
from snapshotter.model.finding import Verdict
from snapshotter.model.job import CaptureJob, JobState
from snapshotter.model.notification import NotificationKind
from snapshotter.model.proof import Role
from snapshotter.model.request import Monitoring, Threshold
from snapshotter.model.takedown import TakedownKind
from snapshotter.site.state import BEGIN, SiteState, available, removed, wall
from snapshotter.verify.proof_pack import verify_pack
from tests import observed
from tests.monitored import MINUTE, RULES_OF_MONITORS, Watched, shot
from tests.unit.app.monitoring.test_job_runner import Lease
from tests.unit.jobs.making import job

pytestmark = pytest.mark.long

PAGE = "http://mp.weixin.qq.com/wx/article"
SITE = SiteState(at=BEGIN)
Make = Callable[..., Watched]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Make]:
    made: list[Watched] = []
    with open_index_file(tmp_path / "index.db") as index:

        def make(site: SiteState = SITE, **more: object) -> Watched:
            how = {"url": PAGE, "capture": shot, **more}
            here = Watched(tmp_path, index, BEGIN, site=site, **how)  # type: ignore[arg-type]
            made.append(here)
            return here

        yield make
        for monitor in made:
            monitor.close()


def gone_at(minutes: float, site: SiteState = SITE, variant: str = "wx-01") -> SiteState:
    return site.change("wx/article", BEGIN + minutes * MINUTE, removed(variant))


def kinds(here: Watched) -> list[str]:
    """What was captured in turn: how, and why."""
    names = {"confirm": "confirm", "control": "control", "whole": "whole", "gone": "behind"}
    found = []
    for queued in here.jobs:
        status = here.queue.get(queued.id)
        if status is not None and status.bundle_id:
            word = next((word for name, word in names.items() if f"-{name}" in queued.id), "visit")
            found.append((status.ended_at, word))
    return [word for _, word in sorted(found, key=lambda pair: str(pair[0]))]


def test_a_removal_is_bracketed_by_the_pace_confirmed_and_told(watched: Make) -> None:
    here = watched(gone_at(40))
    here.watch(30 * MINUTE)

    here.until(80)

    (event,) = here.events
    assert event.kind is TakedownKind.REMOVED
    assert (event.first_gone.rule, event.first_gone.notice != "") == ("wx-01", True)
    length = timedelta(seconds=4)  # of the two captures, which count as part of it
    begin, end = event.bracket
    assert 25 < here.minute(begin) < 40 < here.minute(end) < 65
    assert end - begin <= 30 * MINUTE + length
    # The first visit is whole, later ones are light, and what changed is captured whole at once.
    assert kinds(here) == ["visit", "visit", "visit", "whole", "control", "confirm"]
    assert [observation.light for observation in here.seen] == [False, True, True, False, True]
    (control,) = event.controls
    assert control.url == "http://mp.weixin.qq.com/"
    assert event.first_gone.at < control.at < event.confirmations[-1].at
    assert event.confirmations[-1].at - event.first_gone.at >= here.rules.confirm.after
    assert [event.kind for event in here.told] == [
        NotificationKind.TAKEDOWN_SUSPECTED, NotificationKind.TAKEDOWN_CONFIRMED,
    ]  # fmt: skip
    # The first sign is told with the first capture that shows it.
    assert here.told[0].bundle_id == event.first_gone.bundle_id


def test_what_is_told_of_a_watched_page_has_the_policy_and_the_origin_of_its_job(
    watched: Make,
) -> None:
    story = SITE.change("news/2014", BEGIN + 40 * MINUTE, available(figure=41))
    here = watched(story, url="http://news.example/news/2014")
    here.watch(30 * MINUTE)

    here.until(70)

    (told,) = (event for event in here.told if event.kind is NotificationKind.PAGE_CHANGED)
    assert (told.policies, told.origins) == (("monitor-takedown",), ("schedule:watch",))


def test_a_wall_in_between_is_no_event_and_is_not_captured_again(watched: Make) -> None:
    site = SITE.change("wx/article", BEGIN + 40 * MINUTE, wall())
    here = watched(site.change("wx/article", BEGIN + 70 * MINUTE, available()))
    here.watch(30 * MINUTE)

    here.until(130)

    assert here.events == []
    assert kinds(here) == ["visit"] * 5
    assert [observation.availability.value for observation in here.seen] == [
        "available", "available", "inconclusive", "available", "available",
    ]  # fmt: skip


def test_a_page_that_its_policy_does_not_watch_is_told_of_at_the_first_sign(
    watched: Make,
) -> None:
    here = watched(gone_at(40), rules=Monitoring(light=False))
    here.watch(30 * MINUTE)

    here.until(95)

    assert here.events == []
    assert [event.kind for event in here.told] == [NotificationKind.TAKEDOWN_SUSPECTED]
    first, gone = [f.bundle_id for f in here.seen if f.bundle_id in here.told[0].summary]
    assert here.told[0].summary.endswith(f"Compare the captures: snapshotter diff {first} {gone}")


def test_a_page_that_comes_back_is_an_event_of_its_own(watched: Make) -> None:
    here = watched(gone_at(40).change("wx/article", BEGIN + 100 * MINUTE, available()))
    here.watch(30 * MINUTE)

    here.until(125)

    removed_, back = here.events
    assert (removed_.kind, back.kind) == (TakedownKind.REMOVED, TakedownKind.REINSTATED)
    assert back.previous != ""
    assert kinds(here)[-2:] == ["visit", "whole"]
    assert [event.kind for event in here.told] == [
        NotificationKind.TAKEDOWN_SUSPECTED, NotificationKind.TAKEDOWN_CONFIRMED,
        NotificationKind.TAKEDOWN_REINSTATED,
    ]  # fmt: skip


def test_a_page_that_is_gone_is_visited_behind_that(watched: Make) -> None:
    here = watched(gone_at(10))
    here.watch(30 * MINUTE)

    here.until(50)

    (event,) = here.events
    behind = {queued.id: queued for queued in here.waiting if "-gone-" in queued.id}
    assert [queued.not_before for queued in behind.values()] == [
        event.at + timedelta(days=1), event.at + timedelta(days=2),
    ]  # fmt: skip
    assert {(queued.url, queued.light, queued.origin) for queued in behind.values()} == {
        (PAGE, True, "monitor:schedule:watch")
    }


def test_a_text_that_changed_is_captured_whole(watched: Make) -> None:
    story = SITE.change("news/2014", BEGIN + 40 * MINUTE, available(figure=41))
    here = watched(story, url="http://news.example/news/2014")
    here.watch(30 * MINUTE)

    here.until(95)

    first, second, changed, whole, last = [observation.main_sha256 for observation in here.seen]
    assert first == second != changed == whole == last
    assert kinds(here) == ["visit", "visit", "visit", "whole", "visit"]
    assert here.events == []


def test_a_whole_capture_that_opens_more_of_a_text_is_no_change(watched: Make) -> None:
    def capture(here: Watched, job: CaptureJob, light: bool) -> str:
        more = available(figure=40 if light else 99)  # as clicks on "Continue reading" show it
        here.site = SITE.change("news/2014", BEGIN, more)
        return shot(here, job, light)

    here = watched(url="http://news.example/news/2014", capture=capture)
    here.watch(30 * MINUTE)

    here.until(95)

    assert len({observation.main_sha256 for observation in here.seen}) == 2
    assert kinds(here) == ["visit"] * 4


def test_a_host_that_answers_no_control_is_asked_at_a_pace_and_again_when_it_is_back(
    watched: Make,
) -> None:
    back = 200.0  # minutes: until then all other pages of the host show a wall

    def capture(here: Watched, job: CaptureJob, light: bool) -> str:
        if job.url == PAGE or here.minute(here.time) > back:
            return shot(here, job, light)
        made = observed.seal(
            here.folder / "spool", here.time, observed.wall(), url=job.url, signer=here.signer
        )
        observed.put(here.store, made)
        return made.id

    here = watched(gone_at(40), capture=capture)
    here.watch(30 * MINUTE)

    here.until(back + 65)

    asked = [
        here.minute(status.ended_at)
        for queued in here.jobs
        if "-control-" in queued.id
        and (status := here.queue.get(queued.id)) is not None
        and status.ended_at is not None
    ]
    # Two at once, four at a pace, and then one with each visit of the page.
    assert len([asked_at for asked_at in asked if asked_at < min(asked) + 9]) == 2
    assert len(asked) <= 6 + 6
    (event,) = here.events
    assert here.minute(event.controls[0].at) > back


def test_another_page_of_the_host_that_was_there_is_the_control(watched: Make) -> None:
    here = watched(gone_at(40))
    here.watch(30 * MINUTE)
    here.until(31)
    here.url = "http://mp.weixin.qq.com/wx/image-post"
    here.schedules.add("other", here.schedules.get("watch").plan, [here.url])

    here.until(80)

    (event,) = here.events
    (control,) = event.controls
    assert control.url == here.url


def test_the_same_again_after_a_crash_hands_nothing_over_twice(watched: Make) -> None:
    here = watched(gone_at(10))
    here.watch(30 * MINUTE)
    here.until(31)
    before = [queued.id for queued in here.jobs]
    for status in here.queue.jobs():  # as if nobody had marked anything
        with here.engine.begin() as connection:
            connection.exec_driver_sql(
                "DELETE FROM monitor_followed WHERE job_id = ?", (status.job.id,)
            )

    here.monitor.turn()

    assert [queued.id for queued in here.jobs] == before
    assert any("-confirm-1" in path for path in before)
    assert here.ended.not_followed_up() == []


def test_another_way_to_the_page_is_asked_once_where_one_is_named(watched: Make) -> None:
    rules = replace(RULES_OF_MONITORS, second_vantage="abroad")
    here = watched(gone_at(10), rules=rules)
    here.watch(30 * MINUTE)

    here.until(50)

    (asked,) = [queued for queued in here.jobs if queued.vantage]
    assert (asked.vantage, asked.light, asked.url) == ("abroad", True, PAGE)


def test_a_removal_that_waits_for_another_way_asks_it_again_and_then_by_this_one(
    watched: Make,
) -> None:
    """These captures bear no other way's name: as by one that never answers, for an hour."""
    confirm = replace(RULES_OF_MONITORS.confirm, vantage="abroad")
    rules = replace(RULES_OF_MONITORS, second_vantage="abroad", confirm=confirm)
    here = watched(gone_at(10), rules=rules)
    here.watch(30 * MINUTE)

    here.until(60)
    assert here.events == []
    assert len([queued for queued in here.jobs if queued.vantage]) > 1

    here.until(125)
    (event,) = here.events
    assert (event.vantages, event.confirm) == ((), confirm)


PROVING = replace(RULES_OF_MONITORS, proof=True)


def again(here: Watched) -> None:
    """Follow all captures up once more, as if nobody had marked them."""
    with here.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM monitor_followed")
    here.monitor.turn()


def test_a_removal_and_a_return_get_one_proof_pack_each(watched: Make) -> None:
    site = gone_at(10).change("wx/article", BEGIN + 55 * MINUTE, available())
    here = watched(site, rules=PROVING)
    here.watch(30 * MINUTE)

    here.until(75)

    there, back = here.events
    assert (there.kind, back.kind) == (TakedownKind.REMOVED, TakedownKind.REINSTATED)
    assert here.proofs == sorted(f"{event.event_id}.html" for event in (there, back))
    for event in (there, back):
        file = here.folder / "proofs" / f"{event.event_id}.html"
        with file.open("rb") as stream, here.service() as service:
            report = verify_pack(stream, service.trust(), now=here.time)
            manifest = pack.read(stream).manifest
        assert Verdict.FAILED not in {finding.verdict for finding in report.findings}
        assert (manifest.event_id, manifest.lacks) == (event.event_id, ("pdf",))
        assert (
            here.said.count(f"the proof pack of the event {event.event_id} was written to {file}")
            == 1
        )
    stood = {path: path.stat().st_ino for path in here.folder.glob("proofs/*")}

    again(here)

    assert {path: path.stat().st_ino for path in here.folder.glob("proofs/*")} == stood


def test_a_pack_gets_its_statement_on_paper_once_it_is_there(watched: Make) -> None:
    here = watched(gone_at(10), rules=PROVING)
    stood: list[list[str]] = []

    def printer(html: str, beside: Path, at: datetime) -> bytes:
        stood.append(here.proofs)  # the pack without it is there by then: it can not be lost
        assert PAGE in html
        return b"%PDF-1.4 on paper"

    here.printer = printer
    here.watch(30 * MINUTE)

    here.until(45)

    (event,) = here.events
    assert [[name for name in names if not name.startswith(".")] for names in stood] == [
        here.proofs
    ]
    with (here.folder / "proofs" / f"{event.event_id}.html").open("rb") as stream:
        manifest = pack.read(stream).manifest
    assert manifest.lacks == ()
    assert [part.length for part in manifest.parts if part.role is Role.PDF] == [17]
    assert here.proofs == [f"{event.event_id}.html"]


def test_a_pack_that_could_not_be_printed_is_a_pack_and_printing_is_not_tried_again(
    watched: Make,
) -> None:
    here = watched(gone_at(10), rules=PROVING)
    tries: list[str] = []

    def printer(html: str, beside: Path, at: datetime) -> bytes:
        tries.append(html)
        raise ServiceUnavailable("the browser did not start")

    here.printer = printer
    here.watch(30 * MINUTE)

    here.until(45)
    again(here)

    (event,) = here.events
    assert len(tries) == 1
    assert here.proofs == [f"{event.event_id}.html"]
    assert [line for line in here.said if "PDF" in line] == ["no PDF: the browser did not start"]
    with (here.folder / "proofs" / f"{event.event_id}.html").open("rb") as stream:
        assert pack.read(stream).manifest.lacks == ("pdf",)


def test_no_paper_is_asked_for_where_the_policy_wants_none(watched: Make) -> None:
    here = watched(gone_at(10), rules=replace(PROVING, proof_pdf=False))
    here.printer = lambda html, beside, at: pytest.fail("asked for")
    here.watch(30 * MINUTE)

    here.until(45)

    assert len(here.proofs) == 1


def test_no_proof_pack_is_made_where_the_policy_wants_none(watched: Make) -> None:
    here = watched(gone_at(10))
    here.watch(30 * MINUTE)

    here.until(45)

    assert len(here.events) == 1
    assert here.proofs == []
    assert not any("proof" in line for line in here.said)


def test_a_proof_pack_that_fails_is_told_ends_nothing_and_is_made_later(watched: Make) -> None:
    here = watched(gone_at(10), rules=PROVING)
    (here.folder / "proofs").write_text("a file stands in its way")
    here.watch(30 * MINUTE)

    here.until(45)

    (event,) = here.events
    assert any("-gone-" in queued.id for queued in here.waiting), "what follows is not held up"
    assert here.ended.not_followed_up() == []
    (said,) = (line for line in here.said if "proof" in line)
    assert said.startswith(
        f"the proof pack of the event {event.event_id} could not be made: {here.folder}"
    )
    assert said.endswith(f"  snapshotter proof {event.event_id}")

    (here.folder / "proofs").unlink()
    here.until(65)  # with the next visit

    assert here.proofs == [f"{event.event_id}.html"]


def test_a_worker_that_dies_before_the_pack_leaves_it_to_the_next(watched: Make) -> None:
    here = watched(gone_at(10), rules=PROVING)
    here.watch(30 * MINUTE)
    die, prove = [KeyboardInterrupt], here.monitor._dependencies.prove

    def dying(*told: Any) -> None:
        if die:
            raise die.pop()
        prove(*told)

    here.monitor._dependencies = replace(here.monitor._dependencies, prove=dying)
    with pytest.raises(KeyboardInterrupt):
        here.until(45)
    assert (len(here.events), here.proofs) == (1, [])

    here.monitor.turn()

    assert here.proofs == [f"{here.events[0].event_id}.html"]


@pytest.mark.parametrize(("days", "packs"), [(6, 1), (8, 0)])
def test_of_an_event_that_is_no_news_any_more_a_person_makes_the_pack(
    watched: Make, days: int, packs: int
) -> None:
    here = watched(gone_at(10))
    here.watch(30 * MINUTE)
    here.until(45)
    here.rules = PROVING
    here.time += timedelta(days=days)

    here.do(next(queued for queued in here.waiting if "-gone-" in queued.id))
    here.monitor.turn()

    assert len(here.events) == 1
    assert len(here.proofs) == packs


def test_a_page_whose_policy_watches_nothing_is_left_alone(watched: Make) -> None:
    here = watched(gone_at(10), rules=replace(RULES_OF_MONITORS, light=False))
    here.watch(30 * MINUTE)

    here.until(35)

    assert kinds(here) == ["visit", "visit"]
    assert here.events == []


def test_a_count_that_goes_over_a_threshold_is_told_with_its_bracket(watched: Make) -> None:
    post = "http://m.weibo.cn/wb/post"
    limit = Threshold(unit="reposts", at=500, source="an interpretation")
    site = SITE.change("wb/post", BEGIN + 40 * MINUTE, available(reposts=512))
    here = watched(site, url=post, rules=replace(RULES_OF_MONITORS, thresholds=(limit,)))
    here.watch(30 * MINUTE)

    here.until(70)

    (told,) = (event for event in here.told if event.kind is NotificationKind.COUNT_CROSSED)
    assert told.summary.startswith("the number of reposts reached 500 between")
    assert told.detail == 'before: "480"; now: "512"; source: an interpretation'
    (crossed,) = (
        observation for observation in here.seen if observation.bundle_id == told.bundle_id
    )
    assert 40 <= here.minute(crossed.at) < 65


def test_the_duty_of_a_worker_follows_up_by_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "snapshotter.toml"
    file.write_text(
        'data_dir = "data"\nspool_dir = "spool"\nstore = "store"\nauthority = []\n'
        f'queue = "{tmp_path}/queue.db"\n'
    )
    here = settings.load(directory=tmp_path, environment={"SNAPSHOTTER_CONFIG": str(file)})
    visit = job(origin="schedule:a", policy="monitor-takedown")
    made = open_job_runner(here, lambda _: None).record_failure(visit, "it crashes", Lease())
    opened = wiring_jobs.database(here)
    DatabaseQueue(opened).put([visit])
    with opened.begin() as connection:
        connection.execute(
            update(JOB).values(
                state=JobState.DONE, ended_at=machine.SystemClock().now(),
                bundle_id=made.sealed.bundle_id,
            )
        )  # fmt: skip
    said: list[str] = []
    duty = wiring_worker.monitoring_task(here, opened, show_message=said.append)

    duty.work()

    assert said == []
    assert JobsToFollowUp(opened).not_followed_up() == []
    assert [status.job.id for status in DatabaseQueue(opened).jobs()] == [visit.id]
    with wiring_index.observation_source(here) as source:  # the index has followed the store
        assert [observation.bundle_id for observation in observations(source, sync=False)] == [
            made.sealed.bundle_id
        ]
    opened.dispose()
