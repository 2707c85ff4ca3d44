"""Lists are polled, what is new in them is captured once, and what goes wrong is told."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest
from typing_extensions import override

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats.lists.listing import MAX_ITEMS
from snapshotter.jobs.database import writing
from snapshotter.jobs.queue.admission import Admission, AttemptResult, Deferral
from snapshotter.jobs.watches import items
from snapshotter.jobs.watches.watches import LEASE, PollResult
from snapshotter.model.gap import Gap, GapEvent, GapReason, Missed
from snapshotter.model.job import CaptureJob, JobState, JobStatus
from snapshotter.model.notification import UNKNOWN, NotificationKind, NotificationScope
from snapshotter.model.watch import Existing, ItemState, ListState, Watch
from tests.servers.lists import ListServer, feed, sitemap, sitemap_index
from tests.unit.jobs.watching import HOUR, MINUTE, START, Desk

PAGES = [f"https://news.example/{number}" for number in range(40)]
ARTICLE = "https://mp.weixin.qq.com/s?__biz=MzA3NjU1MTQwMA==&mid=2651234567&idx=1&sn=0a1b"
SHORT = "https://mp.weixin.qq.com/s/Abcdefghij0123456789_-"
KEY = "wechat:MzA3NjU1MTQwMA==/2651234567/1"


@pytest.fixture
def server() -> Iterator[ListServer]:
    with ListServer() as found:
        yield found


@pytest.fixture
def desk(tmp_path: Path, server: ListServer) -> Iterator[Desk]:
    found = Desk(tmp_path, server)
    yield found
    found.engine.dispose()


# What is new is captured, once.


def test_three_new_items_are_three_jobs_within_the_bound_and_a_listed_one_is_none(
    desk: Desk, server: ListServer
) -> None:
    server.put("/feed", feed(*PAGES[:5]))
    watch = desk.add(every=MINUTE)
    desk.turn()
    before = desk.urls()
    appeared = desk.time + timedelta(seconds=1)
    server.put("/feed", feed(*PAGES[5:8], *PAGES[1:4], PAGES[2]))

    desk.turn(MINUTE)
    again = desk.turn(MINUTE)

    fresh = [job for job in desk.jobs() if job.url not in before]
    assert {job.url for job in fresh} == set(PAGES[5:8])
    assert all(job.enqueued_at - appeared <= watch.within for job in fresh)
    assert {(job.origin, job.priority) for job in fresh} == {("watch:news", 50)}
    assert len(desk.jobs()) == 8
    assert (again.state, again.listed, again.items) == (ListState.OK, 6, 8)
    assert server.statuses("/feed") == [200, 200, 304]


def test_a_list_that_did_not_change_is_not_sent_again(desk: Desk, server: ListServer) -> None:
    server.put("/feed", feed(*PAGES[:3]), Last_Modified="Sun, 01 Mar 2026 11:00:00 GMT")
    desk.add()

    desk.turn()
    status = desk.turn(HOUR)

    _, headers, answered = server.requests[-1]
    assert answered == 304
    assert headers["if-modified-since"] == "Sun, 01 Mar 2026 11:00:00 GMT"
    assert (status.state, status.listed) == (ListState.OK, 3)


def test_what_makes_a_request_conditional_is_told_only_to_who_said_it(
    desk: Desk, server: ListServer
) -> None:
    server.put("/feed", status=302, Location="/there")
    server.put("/there", feed(*PAGES[:3]))
    desk.add()

    desk.turn()
    desk.turn(HOUR)

    asked = [(path, "if-none-match" in headers) for path, headers, _ in server.requests]
    assert asked == [("/feed", False), ("/there", False), ("/feed", False), ("/there", True)]


def test_six_addresses_of_one_article_are_one_capture(desk: Desk, server: ListServer) -> None:
    aliases = [
        ARTICLE,
        ARTICLE.replace("https", "http") + "&chksm=ff&scene=27#wechat_redirect",
        ARTICLE + "&sharer_shareid=1f2e&srcid=0301&mpshare=1",
        ARTICLE.replace("idx=1&sn=0a1b", "sn=0a1b&idx=1"),
        ARTICLE.replace("/s?__biz", "/mp/appmsg/show?__biz").replace("mid=", "appmsgid="),
        ARTICLE.replace("==", "%3D%3D"),
    ]
    server.put("/feed", feed(*aliases))
    desk.add()

    desk.turn()

    assert [job.url for job in desk.jobs()] == [ARTICLE]
    assert [item.key for item in desk.items()] == [KEY]


def test_a_short_link_is_known_as_its_article_once_it_was_captured(
    desk: Desk, server: ListServer
) -> None:
    server.put("/feed", feed(SHORT))
    desk.add()
    desk.turn()
    (job,) = desk.jobs()
    desk.queue.end(job.id, JobState.DONE, final_url=ARTICLE + "&scene=1", bundle_id="b")
    server.put("/feed", feed(ARTICLE, SHORT))

    desk.turn(HOUR)

    assert desk.jobs() == [job]
    (item,) = desk.items()
    assert (item.url, item.aliases) == (SHORT, (KEY,))


def test_a_page_that_keeps_its_short_address_says_itself_what_it_is(
    tmp_path: Path, server: ListServer
) -> None:
    asked: list[JobStatus] = []

    def document(status: JobStatus) -> str:
        asked.append(status)
        return (
            "<script>var biz = '' || 'MzA3NjU1MTQwMA=='; var mid = '2651234567'; "
            "var idx = '1';</script>"
        )

    desk = Desk(tmp_path, server, hooks={"document": document})
    server.put("/feed", feed(ARTICLE, SHORT, SHORT[:-1]))
    desk.add()
    desk.turn()
    for job in desk.jobs():
        desk.queue.end(job.id, JobState.DONE, final_url=job.url, bundle_id="b")

    desk.turn(HOUR)
    desk.turn(HOUR)

    assert [status.job.url for status in asked] == [SHORT, SHORT[:-1]]
    assert [(item.url, item.state, item.same_as) for item in reversed(desk.items())] == [
        (ARTICLE, ItemState.QUEUED, ""),
        (SHORT, ItemState.SAME, KEY),
        (SHORT[:-1], ItemState.SAME, KEY),
    ]
    desk.engine.dispose()


def test_a_wall_makes_no_two_pages_one(desk: Desk, server: ListServer) -> None:
    wall = "https://mp.weixin.qq.com/mp/wappoc_appmsgcaptcha?x=1"
    server.put("/feed", feed(SHORT, SHORT[:-1], *PAGES[:2]))
    desk.add()
    desk.turn()
    for job in desk.jobs():
        final = wall if job.url.startswith(SHORT[:-1]) else "https://news.example/"
        desk.queue.end(job.id, JobState.DONE, final_url=final, http_status=200, bundle_id="b")

    desk.turn(HOUR)

    assert [item.state for item in desk.items()] == [ItemState.QUEUED] * 4
    assert [item.aliases for item in desk.items()] == [()] * 4


def test_another_address_that_leads_to_a_known_post_is_that_post(
    desk: Desk, server: ListServer
) -> None:
    post = "https://weibo.com/1234567890/I7ubv9Ktj"
    server.put("/feed", feed(post, "https://t.example/a", *PAGES[:2]))
    desk.add()
    desk.turn()
    login = "https://news.example/login"
    for job in desk.jobs():
        final = "https://m.weibo.cn/detail/4417843292323593" if "t.example" in job.url else login
        desk.queue.end(job.id, JobState.DONE, final_url=final, http_status=200, bundle_id="b")
    server.put("/feed", feed(post, login, *PAGES[:2]))

    desk.turn(HOUR)

    assert {item.url: item.state.value for item in desk.items()} == {
        post: "queued",
        "https://t.example/a": "same",
        PAGES[0]: "queued",
        PAGES[1]: "queued",  # where both lead to says nothing about either
    }


@pytest.mark.parametrize(("status", "captures"), [(200, 1), (503, 2), (None, 2)])
def test_where_a_page_led_to_is_that_page_if_one_was_there(
    desk: Desk, server: ListServer, status: int | None, captures: int
) -> None:
    server.put("/feed", feed("https://www.news.example/go/1"))
    desk.add()
    desk.turn()
    (job,) = desk.jobs()
    desk.queue.end(job.id, JobState.DONE, final_url=PAGES[0], http_status=status, bundle_id="b")
    server.put("/feed", feed(f"{PAGES[0]}?utm_source=x"))

    desk.turn(HOUR)

    assert len(desk.jobs()) == captures


@pytest.mark.parametrize("target", [ARTICLE, PAGES[0]])
def test_a_stranger_can_not_say_that_a_page_was_captured_before_it_was_there(
    desk: Desk, server: ListServer, target: str
) -> None:
    stranger = "https://stranger.example/1"
    server.put("/feed", feed(stranger))
    desk.add()
    desk.turn()
    (job,) = desk.jobs()
    # Of what is not there yet some sites say so with 200.
    desk.queue.end(job.id, JobState.DONE, final_url=target, http_status=200, bundle_id="b")
    desk.turn(HOUR)
    server.put("/feed", feed(target, stranger))

    desk.turn(HOUR)

    assert [job.url for job in desk.jobs()] == [stranger, target]


# What is there already.


def test_what_a_list_has_already_is_captured_up_to_a_limit_that_is_told(
    desk: Desk, server: ListServer
) -> None:
    server.put("/feed", feed(*PAGES[:30]))
    desk.add(existing_limit=10)

    desk.turn()

    assert desk.urls() == set(PAGES[:10])
    assert {job.priority for job in desk.jobs()} == {100}
    (poll,) = desk.book.polls("news", 5)
    assert "of 30 pages in the list at the first poll, the first 10 are captured" in poll.detail
    assert (poll.new, poll.queued) == (30, 10)


def test_what_a_list_has_already_can_be_left(desk: Desk, server: ListServer) -> None:
    server.put("/feed", feed(*PAGES[:30]))
    desk.add(existing=Existing.SKIP)
    desk.turn()
    server.put("/feed", feed(PAGES[30], *PAGES[:30]))

    desk.turn(HOUR)

    assert desk.urls() == {PAGES[30]}


def test_the_limit_holds_for_all_sitemaps_of_an_index(desk: Desk, server: ListServer) -> None:
    for number in range(12):
        server.put(f"/m{number}.xml", sitemap(PAGES[number], PAGES[number + 12]))
    server.put(
        "/sitemap.xml",
        sitemap_index(**{f"m{number}": f"2026-01-{number + 1:02}" for number in range(12)}),
    )
    desk.add("/sitemap.xml", existing_limit=15)

    desk.turn()
    status = desk.turn(10 * MINUTE)

    assert (status.items, len(desk.jobs())) == (24, 15)


def test_more_than_one_poll_hands_over_comes_with_the_next_ones(
    desk: Desk, server: ListServer
) -> None:
    server.put("/feed", feed(*PAGES[:5]))
    desk.add(poll_limit=4)
    desk.turn()
    server.put("/feed", feed(*PAGES[5:15]))

    counts = [len(desk.jobs())]
    for _ in range(4):
        desk.turn(HOUR)
        counts.append(len(desk.jobs()))

    assert counts == [4, 8, 12, 15, 15]
    assert desk.book.status("news").waiting == 0


def test_a_watch_remembers_only_so_much_and_says_so(
    desk: Desk, server: ListServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items, "MAX_ITEMS", 12)
    server.put("/feed", feed(*PAGES[:20]))
    desk.add()

    status = desk.turn()

    assert status.items == 12
    assert (
        "because the number of pages that a watch list can remember is limited: 8"
        in desk.book.polls("news", 1)[0].detail
    )
    assert items.MAX_ITEMS < MAX_ITEMS


# Kinds of lists.


def test_only_the_links_of_a_page_that_were_asked_for_are_items(
    desk: Desk, server: ListServer
) -> None:
    server.put(
        "/list", "<html><main><a href=/n/1>1</a><a href=/n/2?p>2</a></main><a href=/n/3>3</a>"
    )
    desk.add("/list", select="main", match=("*/n/*",), exclude=("*[?]p",))

    desk.turn()

    assert desk.urls() == {server.url("/n/1")}


def test_a_page_without_a_word_on_which_links_is_not_taken_whole(
    desk: Desk, server: ListServer
) -> None:
    server.put("/list", "<html><a href=/n/1>1</a>")
    desk.add("/list")

    status = desk.turn()

    assert status.state is ListState.NOT_A_LIST
    assert "--match or --select" in status.detail
    assert desk.jobs() == []


def test_an_index_of_sitemaps_is_read_bit_by_bit_and_asks_only_for_what_changed(
    desk: Desk, server: ListServer
) -> None:
    for number in range(13):
        server.put(f"/m{number}.xml", sitemap(PAGES[number], PAGES[number + 13]))
    stamps = {f"m{number}": f"2026-01-{number + 1:02}" for number in range(13)}
    server.put("/sitemap.xml", sitemap_index(**stamps))
    desk.add("/sitemap.xml", existing=Existing.SKIP)

    first = desk.turn()
    second = desk.turn(HOUR)
    server.put("/m3.xml", sitemap(PAGES[3], PAGES[39]))
    server.put("/sitemap.xml", sitemap_index(**{**stamps, "m3": "2026-03-01"}))
    third = desk.turn(HOUR)

    assert "sitemaps that later polls will read: 3 of 13" in desk.book.polls("news", 9)[-1].detail
    assert [first.items, second.items, third.items] == [20, 26, 27]
    assert desk.urls() == {PAGES[39]}
    asked = [path for path, _, _ in server.requests if path != "/sitemap.xml"]
    assert len(asked) == 14
    assert asked.count("/m3.xml") == 2


def test_an_index_names_sitemaps_of_its_own_host_only(desk: Desk, server: ListServer) -> None:
    server.put("/own.xml", sitemap(PAGES[0]))
    server.put("/other.xml", sitemap(PAGES[1]))
    other = server.url("/other.xml", host="localhost")
    index = sitemap_index(own="").replace(
        "</sitemapindex>", f"<sitemap><loc>{other}</loc></sitemap></sitemapindex>"
    )
    server.put("/sitemap.xml", index)
    desk.add("/sitemap.xml")

    status = desk.turn()

    assert (status.state, desk.urls()) == (ListState.OK, {PAGES[0]})


def test_a_page_whose_capture_failed_is_captured_anew_with_the_next_poll(
    desk: Desk, server: ListServer
) -> None:
    desk.add(source="https://news.example/", render=True, select="ul")
    desk.turn()
    (job,) = desk.jobs()
    desk.queue.end(job.id, JobState.DEAD, error="the browser died")

    status = desk.turn(timedelta(seconds=5))

    assert (status.state, status.polls) == (ListState.UNREACHABLE, 1)
    assert status.detail == "the page of the list could not be captured: the browser died"
    desk.turn(HOUR)
    assert len(desk.jobs()) == 2


def test_pages_that_a_schedule_takes_are_learnt_when_it_has_visited_them(
    tmp_path: Path, server: ListServer
) -> None:
    taken: list[str] = []

    def follow(watch: Watch, urls: Sequence[str]) -> Sequence[str]:
        taken.extend(urls)
        return [f"visit-{number}" for number, _ in enumerate(urls)]

    desk = Desk(tmp_path, server, hooks={"follow": follow})
    server.put("/feed", feed(SHORT))
    desk.add(then="curve-wechat")
    desk.turn()
    desk.turn(HOUR)  # the schedule has not handed anything over yet
    desk.queue.put([CaptureJob(id="visit-0", url=SHORT, enqueued_at=desk.time)])
    desk.queue.end("visit-0", JobState.DONE, final_url=ARTICLE, http_status=200)
    server.put("/feed", feed(ARTICLE))

    desk.turn(HOUR)

    assert taken == [SHORT]
    assert [item.aliases for item in desk.items()] == [(KEY,)]
    desk.engine.dispose()


def test_a_schedule_that_takes_nothing_is_told_and_its_pages_wait(
    tmp_path: Path, server: ListServer
) -> None:
    def follow(watch: Watch, urls: Sequence[str]) -> Sequence[str]:
        raise SnapshotterError("there is no curve old")

    desk = Desk(tmp_path, server, hooks={"follow": follow})
    server.put("/feed", feed(*PAGES[:3]))
    desk.add(then="old")

    status = desk.turn()

    assert (status.state, status.waiting) == (ListState.OK, 3)
    assert (
        "cannot be added to the schedule: there is no curve old"
        in desk.book.polls("news", 1)[0].detail
    )
    desk.engine.dispose()


def test_a_file_is_a_list_as_well(desk: Desk, tmp_path: Path) -> None:
    table = tmp_path / "list.csv"
    table.write_text(f"name,url\nA,{PAGES[0]}\n")
    desk.add(source=str(table))
    desk.turn()
    table.write_text(f"name,url\nA,{PAGES[0]}\nB,{PAGES[1]}\n")
    desk.turn(HOUR)
    table.unlink()

    status = desk.turn(HOUR)

    assert desk.urls() == set(PAGES[:2])
    assert (status.state, status.listed) == (ListState.UNREACHABLE, 2)
    assert "No such file" in status.detail


def test_a_page_made_by_script_is_read_from_a_capture_of_it(
    tmp_path: Path, server: ListServer
) -> None:
    documents = {
        0: "<html><ul><a href=/n/1>1</a></ul><a href=/x>x</a>",
        1: "<html><ul><a href=/n/2>2</a><a href=/n/1>1</a></ul>",
        2: "",
    }
    shown: list[str] = []

    def document(status: JobStatus) -> str:
        shown.append(status.job.id)
        return documents[len(shown) - 1]

    desk = Desk(tmp_path, server, hooks={"document": document})
    watch = desk.add(source="https://news.example/", render=True, select="ul", every=MINUTE)
    states, pages = [], []
    for _ in documents:
        desk.turn(MINUTE)
        desk.turn(timedelta(seconds=5))  # its capture is not there yet
        (job,) = [status.job for status in desk.queue.jobs(states=frozenset({JobState.WAITING}))]
        assert (job.url, job.origin) == (watch.source, "watch:news")
        desk.queue.end(job.id, JobState.DONE, http_status=200, final_url=job.url, bundle_id="b")
        status = desk.turn(timedelta(seconds=5))
        states.append(status.state)
        for job in desk.jobs():
            if job.url != watch.source:
                pages.append(job.url)
                desk.queue.end(job.id, JobState.DONE)

    assert states == [ListState.OK, ListState.OK, ListState.UNREACHABLE]
    assert set(pages) == {"https://news.example/n/1", "https://news.example/n/2"}
    assert len(set(shown)) == 3
    assert desk.book.status("news").polls == 3
    assert server.requests == []
    desk.engine.dispose()


# Lists that fail.


@pytest.mark.parametrize(
    ("answer", "state", "told"),
    [
        ({"status": 404}, ListState.GONE, "404"),
        ({"status": 410}, ListState.GONE, "410"),
        ({"status": 403}, ListState.FORBIDDEN, "403"),
        ({"status": 429}, ListState.THROTTLED, "429"),
        ({"status": 503, "Retry_After": "120"}, ListState.THROTTLED, "503"),
        ({"status": 503}, ListState.UNREACHABLE, "503"),
        ({"status": 204}, ListState.NOT_A_LIST, "204"),
        (
            {"body": "<!doctype html><p>Please log in"},
            ListState.NOT_A_LIST,
            "the address returned a page",
        ),
        ({"body": "<rss><channel>"}, ListState.EMPTY, "contains no page"),
        (
            {"body": feed(*PAGES[:3])},
            ListState.SHRUNK,
            "contained 10 pages before, but now contains only 3",
        ),
        ({"status": 302, "Location": "http://169.254.169.254/x"}, ListState.REFUSED, "169.254"),
        (
            {"status": 302, "Location": "/feed"},
            ListState.UNREACHABLE,
            "leads to more than 5 redirects",
        ),
        (
            {"status": 302, "Location": "file:///etc/passwd"},
            ListState.UNREACHABLE,
            "not the address of a page",
        ),
        (
            {"body": b"\x1f\x8b", "Content_Encoding": "gzip"},
            ListState.UNREACHABLE,
            "ended too early",
        ),
    ],
)
def test_a_list_that_goes_wrong_says_how_and_goes_on_later(
    desk: Desk, server: ListServer, answer: dict[str, Any], state: ListState, told: str
) -> None:
    server.put("/feed", feed(*PAGES[:10]))
    desk.add()
    desk.turn()
    server.put("/feed", **answer)

    status = desk.turn(HOUR)

    assert (status.state, status.since) == (state, desk.time)
    assert told in status.detail
    assert status.next_at is not None
    waits = status.next_at - desk.time
    assert waits >= timedelta(minutes=10)
    assert (waits == timedelta(minutes=10)) == state.was_read


def test_a_list_that_is_well_again_is_as_if_nothing_had_been(
    desk: Desk, server: ListServer
) -> None:
    server.put("/feed", feed(*PAGES[:10]))
    desk.add()
    desk.turn()
    server.put("/feed", status=500)
    broken = desk.turn(10 * MINUTE)
    server.put("/feed", feed(*PAGES[:11]))
    assert broken.next_at is not None

    well = desk.turn(broken.next_at - desk.time)

    assert (well.state, well.failures, well.items, well.missed) == (ListState.OK, 0, 11, 0)


def test_a_short_list_may_halve(desk: Desk, server: ListServer) -> None:
    server.put("/feed", feed(*PAGES[:4]))
    desk.add()
    desk.turn()
    server.put("/feed", feed(PAGES[5]))

    assert desk.turn(HOUR).state is ListState.OK


def test_who_asks_to_wait_is_heeded_and_not_for_ever(desk: Desk, server: ListServer) -> None:
    desk.add()
    server.put("/feed", status=429, Retry_After="7200")
    first = desk.turn()
    server.put(
        "/feed",
        status=429,
        Retry_After=format_datetime(datetime.now(UTC) + 999 * HOUR, usegmt=True),
    )
    second = desk.turn(3 * HOUR)

    assert first.next_at == START + 2 * HOUR
    assert second.next_at == desk.time + 24 * HOUR


def test_a_list_that_goes_on_failing_is_asked_less_and_less_often(desk: Desk) -> None:
    desk.add()
    waits = []
    for _ in range(14):
        claim = desk.book.claim("news", "mine")
        status = desk.book.settle(claim, PollResult(state=ListState.UNREACHABLE))
        assert status is not None
        assert status.next_at is not None
        waits.append(status.next_at - desk.time)
        desk.time = status.next_at

    assert min(waits) >= timedelta(minutes=10)
    assert max(waits) <= timedelta(minutes=10) + 6 * HOUR
    assert max(waits) > HOUR
    assert desk.book.status("news").failures == 14


def test_another_host_that_answers_is_named_and_what_it_lists_is_taken(
    desk: Desk, server: ListServer
) -> None:
    server.put("/feed", feed(*PAGES[:3]))
    desk.add()
    desk.turn()
    server.put("/feed", status=301, Location=server.url("/there", host="localhost"))
    server.put("/there", feed(*PAGES[:3]))

    same = desk.turn(HOUR)
    server.put("/there", feed(*PAGES[:4]))
    more = desk.turn(HOUR)
    server.put("/feed", feed(*PAGES[:4]))
    back = desk.turn(HOUR)

    told = (ListState.MOVED, "the address of the list now leads to another site, localhost")
    assert [(status.state, status.detail) for status in (same, more)] == [told, told]
    assert (back.state, len(desk.jobs())) == (ListState.OK, 4)


def test_a_body_without_end_is_cut(desk: Desk, server: ListServer) -> None:
    def endless(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.end_headers()
        import gzip

        handler.wfile.write(gzip.compress(b"<rss>" + bytes(20 << 20)))

    server.answers["/feed"] = endless
    desk.add()

    status = desk.turn()

    assert status.state is ListState.TOO_LARGE


def test_trouble_is_told_once_and_a_blip_is_not(desk: Desk, server: ListServer) -> None:
    server.put("/feed", feed(*PAGES[:10]))
    desk.add()
    desk.turn()
    for _ in range(5):
        server.put("/feed", status=500)
        desk.turn(24 * HOUR)
    server.put("/feed", "<html>Log in")
    desk.turn(24 * HOUR)
    desk.turn(24 * HOUR)

    told = [(event.kind, event.reasons, event.subject) for event in desk.heard.events]
    assert told == [
        (NotificationKind.WATCH_TROUBLE, ("unreachable",), "watch news"),
        (NotificationKind.WATCH_TROUBLE, ("not-a-list",), "watch news"),
    ]
    assert "news.example" not in desk.heard.events[0].summary


# Whose turn it is.


def test_two_workers_poll_a_list_once(desk: Desk, server: ListServer) -> None:
    server.put("/feed", feed(*PAGES[:5]))
    desk.add()
    workers = [desk.another() for _ in range(4)]
    gate = threading.Barrier(len(workers))

    def work(poller: Any) -> None:
        gate.wait(10)
        poller.turn()

    threads = [threading.Thread(target=work, args=(poller,)) for poller in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert server.statuses("/feed") == [200]
    assert len(desk.jobs()) == 5


def test_a_poller_that_died_holds_a_list_up_for_ten_minutes(desk: Desk, server: ListServer) -> None:
    server.put("/feed", feed(*PAGES[:5]))
    watch = desk.add()
    (dead,) = desk.book.claim_due("dead", 5)
    with writing(desk.engine) as connection:  # it had come as far as writing down what is new
        found = desk.poller.look(watch)[1]
        items.add_items(connection, watch, found, desk.time, first=True)

    held = desk.turn(LEASE - timedelta(seconds=1))
    after = desk.turn(timedelta(seconds=1))

    assert held.polls == 0
    assert (after.polls, len(desk.jobs())) == (1, 5)
    assert desk.book.settle(dead, desk.poller.look(watch)[0]) is None


def test_a_turn_ends_although_lists_are_left_for_the_next(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(PAGES[0])
    names = [f"list-{number}" for number in range(16)]
    for name in names:
        desk.add(name=name, source=str(tmp_path / "list.txt"))
    desk.step = timedelta(seconds=2)

    desk.poller.turn()

    polled = {name for name in names if desk.book.status(name).polls}
    assert 0 < len(polled) < len(names)
    desk.poller.turn()
    assert polled < {name for name in names if desk.book.status(name).polls}


def test_what_a_poll_of_the_list_as_it_was_finds_is_not_written_down(
    desk: Desk, server: ListServer
) -> None:
    server.put("/feed", feed(*PAGES[:5]))
    watch = desk.add()
    claim = desk.book.claim("news", "mine")

    changed = desk.book.change(replace(watch, exclude=("*/3",)))

    assert changed.next_at == desk.time
    assert desk.book.settle(claim, PollResult(state=ListState.OK)) is None
    desk.turn()
    assert desk.urls() == {*PAGES[:3], PAGES[4]}


def test_a_list_that_is_being_polled_is_not_polled_by_hand(desk: Desk, server: ListServer) -> None:
    desk.add()
    desk.book.claim("news", "other")

    with pytest.raises(ServiceUnavailable, match="being polled"):
        desk.poller.check("news")


def test_a_check_polls_at_once(desk: Desk, server: ListServer) -> None:
    server.put("/feed", feed(*PAGES[:5]))
    desk.add(starts_at=START + HOUR)

    assert desk.turn().polls == 0
    status = desk.poller.check("news")

    assert (status.polls, len(desk.jobs())) == (1, 5)


def test_a_watch_begins_and_ends(desk: Desk, server: ListServer) -> None:
    server.put("/feed", feed(*PAGES[:5]))
    desk.add(starts_at=START + HOUR, ends_at=START + 2 * HOUR)

    polls = [desk.turn(59 * MINUTE).polls, desk.turn(MINUTE).polls, desk.turn(HOUR).polls]
    status = desk.book.status("news")

    assert polls == [0, 1, 1]
    assert (status.ended, status.next_at) == (True, None)


def test_a_pause_is_no_gap_and_a_stopped_worker_is_one(desk: Desk, server: ListServer) -> None:
    server.put("/feed", feed(*PAGES[:5]))
    desk.add()
    desk.turn()
    desk.book.pause("news")
    paused = desk.turn(5 * HOUR)
    desk.book.resume("news")
    resumed = desk.turn()

    slow = desk.turn(14 * MINUTE)  # four late: other lists came first
    late = desk.turn(2 * HOUR)

    assert (slow.polls, slow.missed) == (3, 0)
    assert (paused.polls, paused.next_at, resumed.polls, resumed.missed) == (1, None, 2, 0)
    assert (late.polls, late.missed) == (4, 11)
    _, gap, *before = desk.book.polls("news", 9)
    assert all(poll.state is not None for poll in before)
    assert (gap.state, gap.missed) == (None, 11)
    assert (gap.at, gap.ended_at) == (desk.time - 2 * HOUR + 10 * MINUTE, desk.time)


def test_a_gap_is_recorded_once_with_its_times_and_survives_what_fails(
    tmp_path: Path, server: ListServer
) -> None:
    recorded: list[Gap] = []
    fails = True

    def record(gaps: Sequence[Gap]) -> None:
        recorded.extend(gaps)
        if fails:
            raise ServiceUnavailable("the store is away")

    desk = Desk(tmp_path, server, hooks={"record": record})
    server.put("/feed", feed(*PAGES[:5]))
    watch = desk.add()
    desk.turn()
    due = desk.time + 10 * MINUTE
    with pytest.raises(ServiceUnavailable):
        desk.turn(HOUR)
    assert desk.book.polls("news", 2)[1].gap_id == ""
    fails = False
    desk.turn()  # not again at once: what fails would be told of with each turn
    assert len(recorded) == 1
    desk.turn(5 * MINUTE)
    desk.turn()
    shown = desk.book.polls("news", 2)[1].gap_id
    desk.book.pause("news", by="A. Person")
    desk.book.pause("news")
    desk.book.resume("news")
    desk.time += HOUR
    desk.book.remove("news")  # an hour late, and nobody had looked
    desk.poller.turn()

    first, again, *others = recorded
    assert [(gap.event.value, gap.by) for gap in others] == [
        ("paused", "A. Person"),
        ("resumed", ""),
        ("missed", ""),
        ("removed", ""),
    ]
    assert len({gap.gap_id for gap in recorded}) == 5
    assert [event.kind for event in desk.heard.events] == [NotificationKind.SCHEDULE_GAP] * 2
    known, removed = (event.about for event in desk.heard.events)
    by_schedule = NotificationScope(policy="", origin="schedule:watch-news", tags=())
    assert known == (by_schedule, replace(by_schedule, origin="watch:news"))
    assert removed == (replace(UNKNOWN, origin="schedule:watch-news"),)  # nobody knows it any more
    assert (first.gap_id, first.missed) == (again.gap_id, again.missed)
    assert (first.schedule, first.event, first.reason) == (
        "watch-news",
        GapEvent.MISSED,
        GapReason.NO_WORKER,
    )
    slots = tuple(due + number * watch.every for number in range(5))
    assert first.missed == (Missed(slots=slots, urls=(watch.source,)),)
    assert "127.0.0.1" not in first.detail
    assert shown == first.gap_id
    desk.engine.dispose()


def test_polls_that_politeness_puts_off_for_long_are_a_gap(
    tmp_path: Path, server: ListServer
) -> None:
    class Quiet(Admission):
        until: datetime | None = None
        met: ClassVar[list[AttemptResult]] = []

        @override
        def admit(self, *_: Any) -> Deferral | None:
            return Deferral(until=self.until, why="quiet hours") if self.until else None

        @override
        def attempt_ended(self, *given: Any) -> Deferral | None:
            self.met.append(given[-1])
            return None

    gate = Quiet()
    desk = Desk(tmp_path, server, hooks={"admission": gate})
    server.put("/feed", feed(*PAGES[:5]))
    desk.add()
    desk.turn()
    gate.until = START + HOUR
    held = desk.turn(10 * MINUTE)
    gate.until = None
    status = desk.turn(50 * MINUTE)

    assert (held.polls, held.next_at) == (1, START + HOUR)
    assert (status.polls, status.missed) == (2, 5)
    assert "the host of the list could not be visited" in desk.book.polls("news", 2)[1].detail
    assert [answer.http_status for answer in gate.met] == [200, 304]
    (gap,) = desk.book.owed_gaps(lambda _: "id")
    assert (gap.reason, gap.since) == (GapReason.OVER_BUDGET, START + 10 * MINUTE)
    desk.engine.dispose()


def test_jitter_spreads_polls_and_keeps_their_pace(desk: Desk) -> None:
    desk.add(jitter=0.2)
    waits = set()
    for _ in range(10):
        status = desk.book.settle(desk.book.claim("news", "mine"), PollResult(state=ListState.OK))
        assert status is not None
        assert status.next_at is not None
        waits.add(status.next_at - desk.time)

    assert len(waits) == 10
    assert timedelta(minutes=8) <= min(waits) < max(waits) <= timedelta(minutes=12)


def test_a_queue_that_is_away_loses_nothing(
    desk: Desk, server: ListServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.put("/feed", feed(*PAGES[:5]))
    desk.add()

    def away(_: Any) -> Any:
        raise ServiceUnavailable("the queue is away")

    with monkeypatch.context() as patch:
        patch.setattr(desk.queue, "put", away)
        with pytest.raises(ServiceUnavailable):
            desk.poller.turn()
    assert desk.book.status("news").waiting == 5

    status = desk.turn(timedelta(seconds=30))

    assert (status.state, status.waiting, len(desk.jobs())) == (ListState.OK, 0, 5)


# Names.


def test_a_name_is_taken_once_and_what_was_removed_is_forgotten(
    desk: Desk, server: ListServer
) -> None:
    server.put("/feed", feed(*PAGES[:5]))
    desk.add()
    desk.turn()
    with pytest.raises(SnapshotterError, match="already"):
        desk.add()

    assert desk.book.remove("news") == 5
    with pytest.raises(SnapshotterError, match="the watch list 'news' does not exist"):
        desk.book.status("news")

    desk.time += HOUR
    desk.add()
    desk.turn()
    assert len(desk.jobs()) == 10  # what is watched anew is captured anew


@pytest.mark.parametrize(
    "values",
    [
        {"name": "News"},
        {"name": "-a"},
        {"every": timedelta(seconds=59)},
        {"jitter": 0.5},
        {"within": timedelta(0)},
        {"poll_limit": 0},
        {"starts_at": START, "ends_at": START},
        {"render": True},
    ],
)
def test_a_watch_that_makes_no_sense_is_none(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"name|once|jitter|time|handed|ends|rendered"):
        Watch(**{"name": "a", "source": "/x", "created_at": START, **values})
