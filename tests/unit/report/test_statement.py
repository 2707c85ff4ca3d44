"""The statement: what it says, in which words, and what no captured page can do to it."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from typing_extensions import override

from snapshotter.formats import canonical_json, pack
from snapshotter.model.assessment import (
    AccountState,
    Availability,
    Cause,
    Content,
    Evidence,
    Step,
    Undecided,
)
from snapshotter.model.proof import Part, Role
from snapshotter.model.takedown import TakedownKind
from snapshotter.report import pack as pages
from snapshotter.report import statement, words
from tests import exhibits
from tests.exhibits import AT, CITED, GLOSS, NOTICE

PARTS = [
    (
        Part(
            name="side-by-side.png",
            role=Role.PICTURE,
            media_type="image/png",
            length=7,
            sha256="a" * 64,
        ),
        "the picture",
    )
]


def text(html: str) -> str:
    """Return what a person reads of it, on one line."""
    inline = re.sub(r"</?(bdi|code|strong|span|q)\b[^>]*>", "", html)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", inline)).split())


def said(**changes: Any) -> str:
    return text(statement.html(exhibits.statement(**changes)))


# --- what it says ---------------------------------------------------------------------------


def test_the_interval_stands_there_in_words_in_utc_and_in_the_pages_zone() -> None:
    lead = said()

    assert "It was there. It is gone." in lead
    assert "27 November 2026, 14:05:12 UTC (22:05:12 in Asia/Shanghai)" in lead
    assert "27 November 2026, 14:31:43 UTC (22:31:43 in Asia/Shanghai)" in lead
    assert "between these two moments, within 26 minutes and 31 seconds." in lead


def test_the_notice_stands_there_in_the_original_and_its_translation_is_marked_as_one() -> None:
    html = str(statement.html(exhibits.statement()))

    assert NOTICE in html
    assert f'<q lang="en"><bdi dir="auto">{GLOSS}</bdi></q>' in html
    assert "a fixed translation from the rule file, not the platform's words" in text(html)
    assert CITED in html
    assert "Read by rule wx-01 (grade A) of wechat 2026.11.1" in text(html)


def test_a_cause_that_researchers_read_into_a_code_is_not_told_as_the_platforms_word() -> None:
    seen, first, *_ = exhibits.statement().exhibits
    assert first.assessment is not None
    takedown = replace(first.assessment.takedown, convention=True)
    read_so = replace(first, assessment=replace(first.assessment, takedown=takedown))

    told = said(exhibits=(seen, read_so))

    assert "Researchers take the code that the platform answers with for a deletion by" in told
    assert "The notice says that the author took it down." not in told
    assert "The notice says that the author took it down." in said(exhibits=(seen, first))


def test_a_notice_is_not_translated_into_its_own_language() -> None:
    seen, first, *_ = exhibits.statement().exhibits
    assert first.assessment is not None
    both = (("en", GLOSS), ("zh", NOTICE))
    takedown = replace(first.assessment.takedown, gloss=both)
    chinese = replace(first, assessment=replace(first.assessment, takedown=takedown))
    english = replace(chinese, observation=replace(first.observation, notice=GLOSS))

    assert "In English, a fixed translation" in said(exhibits=(seen, chinese))
    assert "In Chinese, a fixed translation" not in said(exhibits=(seen, chinese))
    assert "In Chinese, a fixed translation" in said(exhibits=(seen, english))
    assert "In English, a fixed translation" not in said(exhibits=(seen, english))


@pytest.mark.parametrize("cause", list(Cause))
def test_a_cause_is_what_is_stated_and_never_a_motive(cause: Cause) -> None:
    told = words.CAUSES[cause]

    assert re.match(r"The notice says that |The server says that |No reason is stated", told)
    assert not re.search(r"censor|politic|because they|order(ed)? by", told)
    first, _, *rest = exhibits.statement().exhibits
    one = exhibits.exhibit(Role.FIRST_GONE, exhibits.gone(cause=cause))
    assert told in said(exhibits=(first, one, *rest))


def test_what_confirms_it_and_what_stands_beside_it_are_told() -> None:
    told = said()

    assert "Confirmed at 27 November 2026, 14:50:12 UTC: it was gone" in told
    assert "Another page of the host, http://mp.weixin.qq.com/s?b=2, at" in told
    assert "It was looked at from one place alone." in told
    assert "existed by 27 November 2026, 14:05:19 UTC, says Authority A" in told
    assert "In the log." in told
    for what, how in statement.NOT_PROVEN:
        assert f"{what} {how}" in told


def test_what_is_missing_is_said_and_not_passed_over() -> None:
    seen, first, again, _ = exhibits.statement().exhibits
    bare = replace(first, stamps=(), logged=False, assessment=None)
    bare = replace(bare, observation=replace(bare.observation, notice="", cause=None))
    told = said(
        exhibits=(seen, bare, replace(again, enclosed=False)),
        event=None,
        lacks=("confirmations", "pdf", "picture"),
    )

    assert "No event was concluded from these captures" in told
    assert "No notice was read. No reason is stated." in told
    assert f"(capture {again.observation.bundle_id}, not in this file)" in told
    assert "No other page of the host was captured beside it." in told
    assert "First gone: no independent clock; this machine's own says" in told
    assert "Not in a log." in told
    assert "Left out of this file: confirmations, pdf, picture." in told
    assert "<img" not in statement.html(exhibits.statement(lacks=("picture",)))


def test_a_page_that_came_back_is_told_the_other_way_round() -> None:
    seen = exhibits.exhibit(
        Role.LAST_SEEN,
        exhibits.observation(began_at=AT + timedelta(hours=2), at=AT + timedelta(hours=2)),
    )
    first = exhibits.statement().gone

    told = said(exhibits=(seen, first), kind=TakedownKind.REINSTATED)

    assert "It was gone. It is there again." in told
    assert "it was still gone. On 27 November 2026, 16:05:12 UTC" in told
    assert "What stood there before" in told


def test_a_change_of_an_account_is_told_of_the_account_and_not_of_the_page() -> None:
    made = exhibits.statement()
    state = AccountState(
        state="frozen",
        text="该帐号已冻结",
        evidence=Evidence(rule="wx-18", rules="wechat", step=Step.NOTICE),
    )
    frozen = exhibits.observation(
        bundle_id=exhibits.GONE,
        began_at=AT + timedelta(hours=1),
        at=AT + timedelta(hours=1),
        accounts=(state,),
    )
    assert made.event is not None
    kind = TakedownKind.ACCOUNT_CHANGED
    event = replace(made.event, kind=kind, state="frozen", first_gone=frozen)

    told = said(
        kind=kind, event=event, exhibits=(made.seen, exhibits.exhibit(Role.FIRST_GONE, frozen))
    )

    assert "The account was there. It has changed." in told
    end = "On 27 November 2026, 15:05:12 UTC (23:05:12 in Asia/Shanghai)"
    assert f"{end} it said that the account is frozen. The account changed between" in told
    assert "该帐号已冻结 The page says this of the account behind it, and not of itself." in told
    assert "it was gone" not in told

    back = exhibits.exhibit(
        Role.LAST_SEEN,
        exhibits.observation(began_at=AT + timedelta(hours=3), at=AT + timedelta(hours=3)),
    )
    told = said(
        kind=TakedownKind.ACCOUNT_RESTORED,
        exhibits=(back, exhibits.exhibit(Role.FIRST_GONE, frozen)),
    )
    assert "the page said that the account behind it is frozen." in told
    assert "it did not say so any more." in told


def test_a_statement_begins_with_both_ends() -> None:
    first, second, *_ = exhibits.statement().exhibits
    with pytest.raises(ValueError, match="both ends"):
        exhibits.statement(exhibits=(second, first))


# --- its twin in JSON -----------------------------------------------------------------------


def test_every_field_that_courts_ask_for_is_in_the_twin() -> None:
    """By the groups of a capture report: what, when, who, how, from whom, content, integrity."""
    value = statement.facts(exhibits.statement())
    encoded = canonical_json.dumps(value).decode()

    assert canonical_json.loads(encoded.encode()) == value
    one = value["captures"][0]
    for path, wanted in {
        "what.bundle_id": exhibits.SEEN,
        "what.requested_url": "http://mp.weixin.qq.com/s?a=1",
        "what.final_url": "http://x.test/",
        "what.title": "一篇文章",
        "what.identity": "wechat:a/1/1",
        "what.court_minimum": "court minimum: YES",
        "when.started_at": "2026-11-27T14:05:12Z",
        "when.ended_at": "2026-11-27T14:05:15Z",
        "when.timezone": "Asia/Shanghai",
        "when.token_delay": "4 seconds",
        "when.tokens": [{"at": "2026-11-27T14:05:19Z", "authority": "Authority A"}],
        "who.network_path": "direct",
        "how.browser": "Chrome/156",
        "how.policy_sha256": "9011c7",
        "how.viewport_px": [1440, 900],
        "from_whom.remote_ip": "203.0.113.7",
        "from_whom.certificates": ["ce57"],
        "from_whom.http_status": 200,
        "content.artifacts": exhibits.record()["content"]["artifacts"],
        "content.missing_parts": ["one image"],
        "integrity.sha256": "5" * 64,
        "integrity.key_ids": ["5161"],
        "integrity.logged": True,
        "limits": ["It does not say who wrote it."],
        "redactions": [{"count": 1, "name": "cookie", "place": "headers"}],
    }.items():
        found: Any = one
        for name in path.split("."):
            found = found[name]
        assert found == wanted, path
    assert value["notice"]["translations"] == {"en": GLOSS}
    assert value["bracket"]["length"] == "26 minutes and 31 seconds"
    assert value["event"]["event_id"] == exhibits.EVENT
    assert len(value["not_proven"]) == 5


def test_a_record_that_says_little_makes_a_statement_all_the_same() -> None:
    first, second, *_ = exhibits.statement().exhibits
    bare = replace(first, record={"what": {"title": ""}}, stamps=(), assessment=None)
    made = exhibits.statement(exhibits=(bare, second))

    assert statement.facts(made)["captures"][0]["when"]["token_delay"] == ""
    assert "A page without a title" in text(statement.html(made))


# --- what a captured page can not do --------------------------------------------------------


HOSTILE = (
    '"></bdi></p><script>alert(1)</script><img src=x onerror=alert(1)>\u202egpj.exe\u2028\x1b[31m'
)


class Elements(HTMLParser):
    """Which elements there are, and all that is attached to them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


def test_nothing_of_a_captured_page_becomes_markup_or_turns_the_line() -> None:
    one = exhibits.observation(url=f"http://x.test/{HOSTILE}", vantage=HOSTILE)
    first = exhibits.gone(notice=HOSTILE, cited_rule=HOSTILE, rule=HOSTILE)
    given = exhibits.record(title=HOSTILE, timezone=HOSTILE)
    made = exhibits.statement(
        exhibits=tuple(
            exhibits.exhibit(role, it, record=given, excerpt=HOSTILE)
            for role, it in (
                (Role.LAST_SEEN, one),
                (Role.FIRST_GONE, first),
                (Role.VANTAGE, one),
                (Role.CONTROL, one),
            )
        )
    )

    page = pages.page(made, PARTS).decode()
    found = Elements()
    found.feed(page)

    assert found.tags.count("script") == 0
    assert found.tags.count("img") == 1
    assert not [name for name, _ in found.attributes if name.startswith("on") or name == "style"]
    assert not [it for it in "\u202e\u2028\x1b" if it in page]
    assert "\\u202e" in page
    assert "<bdi" in page


def test_a_title_of_a_megabyte_is_cut() -> None:
    made = exhibits.exhibit(
        Role.LAST_SEEN, exhibits.observation(), record=exhibits.record(title="字" * 1_000_000)
    )
    html = statement.html(exhibits.statement(exhibits=(made, exhibits.statement().gone)))

    assert len(html) < 20_000
    assert "字…" in html


# --- the page -------------------------------------------------------------------------------


def test_the_page_asks_nobody_for_anything() -> None:
    page = pages.page(exhibits.statement(), PARTS).decode()
    whole = page + pages.end().decode()
    found = Elements()
    found.feed(page)

    policy = next(value for _, value in found.attributes if (value or "").startswith("default-src"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    fetching = {"src", "href", "action", "data", "poster", "srcset", "background"}
    addresses = [value for name, value in found.attributes if name in fetching]
    assert addresses == ["#statement"]
    assert not re.search(r"url\(|@import|eval\(|innerHTML|fetch\(|XMLHttp|import\(", whole)


def test_the_page_can_be_read_out_and_gone_through_by_keyboard() -> None:
    found = Elements()
    found.feed(pages.page(exhibits.statement(), PARTS).decode())
    levels = [int(tag[1]) for tag in found.tags if re.fullmatch(r"h[1-6]", tag)]

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    attributes = dict(found.attributes)
    assert attributes["role"] == "status"
    assert attributes["aria-live"] == "polite"
    assert "Both captures side by side" in (attributes["alt"] or "")
    assert found.tags.count("th") == [it for it, _ in found.attributes].count("scope")
    assert found.tags[:2] == ["html", "head"]
    assert ("lang", "en") in found.attributes
    assert ("lang", "zh-CN") in found.attributes  # of what the captured page says
    assert not [value for name, value in found.attributes if name == "tabindex"]
    assert found.tags.count("summary") == found.tags.count("details") == 4


def test_the_same_statement_is_the_same_page() -> None:
    first, second = (pages.page(exhibits.statement(), PARTS) for _ in range(2))

    assert first == second
    assert first.startswith(pack.MAGIC)
    assert pages.end().endswith(b"</html>\n")


def test_the_digest_of_the_page_follows_all_that_a_browser_makes_of_it_and_no_spelling() -> None:
    page, end = pages.page(exhibits.statement(), PARTS), pages.end()
    parts = [part for part, _ in PARTS]
    digest = pages.shown_sha256(page, parts, end)

    for before, after in (
        (b"14:05:12", b"14:05:13"),
        (b"Not checked. The page", b"Checked. The page"),
        (b'<p id="key"></p>', b'<p id="key">PASSED</p>'),
        (b"<h1>", b"<h1 hidden>"),
        (b"<main", b"<!-- PASSED --><main"),
    ):
        assert pages.shown_sha256(page.replace(before, after, 1), parts, end) != digest, before
    spelled = page.replace(b"<h1>It", b"<H1 >I&#116;", 1)
    assert spelled != page
    assert pages.shown_sha256(spelled, parts, end) == digest
    assert pages.shown_sha256(page, [], end) != digest
    assert pages.shown_sha256(page, parts, end.replace(b"use strict", b"use sloppy")) != digest
    with pytest.raises(RuntimeError, match="does not close its <p>"):
        pages.shown_sha256(page.replace(b"</p>", b"</b>", 1), parts, end)


def test_the_sheet_for_paper_has_its_picture_with_it() -> None:
    sheet = statement.sheet(exhibits.statement(), picture="data:image/png;base64,AAAA")

    assert 'src="data:image/png;base64,AAAA"' in sheet
    assert "default-src 'none'" in sheet
    assert "<script" not in sheet


# --- words ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "no time at all"),
        (0.4, "1 second"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (3600, "1 hour"),
        (3661, "1 hour and 2 minutes"),
        (86_400 + 3_599, "1 day and 1 hour"),
        (2 * 86_400 + 3_600, "2 days and 1 hour"),
        (90 * 86_400, "90 days"),
    ],
)
def test_a_length_of_time_is_never_told_shorter_than_it_is(seconds: float, told: str) -> None:
    assert words.span(timedelta(seconds=seconds)) == told


def test_a_moment_by_another_clock_has_its_day_where_it_is_another() -> None:
    late = datetime(2026, 12, 31, 18, 0, tzinfo=UTC)

    assert words.both(late, "Asia/Shanghai") == (
        "31 December 2026, 18:00:00 UTC (1 January, 02:00:00 in Asia/Shanghai)"
    )
    for zone in ("UTC", "Nowhere/Land", "../../etc/passwd", "", "\0"):
        assert words.local(late, zone) == ""


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "it was there: content"),
        ({"content": Content.PARTIAL}, "it was there: content, and some of it is missing"),
        (
            {"availability": Availability.INCONCLUSIVE, "undecided": Undecided.WALL},
            "it says nothing: a login, a verification or another wall stood in front of it",
        ),
        (
            {"availability": Availability.INCONCLUSIVE},
            "it says nothing: nothing could be said about it",
        ),
    ],
)
def test_what_a_capture_shows_in_words(changes: dict[str, Any], told: str) -> None:
    assert words.shown(exhibits.observation(**changes)) == told


def test_every_word_of_the_verdicts_has_its_words() -> None:
    assert set(words.CAUSES) == set(Cause)
    assert set(words.TITLES) == set(TakedownKind)
    assert set(words.UNDECIDED) == set(Undecided)
    assert [words.language(it) for it in ("en-GB", "zh", "xx")] == ["English", "Chinese", "xx"]
