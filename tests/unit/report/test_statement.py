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

from snapshotter.formats import canonical_json
from snapshotter.formats.printable import cut
from snapshotter.formats.statements import pack
from snapshotter.model import sentences
from snapshotter.model.assessment import (
    AccountState,
    Assessment,
    Availability,
    Cause,
    Content,
    Evidence,
    Step,
    Undecided,
)
from snapshotter.model.order import UnprovenOrder
from snapshotter.model.proof import Part, Role
from snapshotter.model.reading import DateReading, Readings, Source
from snapshotter.model.takedown import OWN_WORD, TakedownKind
from snapshotter.report import pack as pages
from snapshotter.report import statement
from snapshotter.report import wording as words
from snapshotter.site import catalogue
from snapshotter.verify.takedown import describe_event
from tests import exhibits
from tests.cases import in_one_test
from tests.exhibits import AT, CITED, GLOSS, NOTICE
from tests.unit.assess.pages import assessor, site_page

ASSESSOR = assessor()

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

    assert "The page was available. Later the page was not available." in lead
    assert "27 November 2026, 14:05:12 UTC (22:05:12 in Asia/Shanghai)" in lead
    assert "27 November 2026, 14:31:43 UTC (22:31:43 in Asia/Shanghai)" in lead
    assert "between these two times, within 26 minutes and 31 seconds." in lead


def test_every_output_prints_an_interval_in_seconds_that_contains_the_sealed_one() -> None:
    part = timedelta(milliseconds=400)
    seen = exhibits.observation(began_at=AT + part)
    first = exhibits.gone(at=AT + timedelta(minutes=26, seconds=31) + part)
    made = exhibits.statement()
    assert made.event is not None
    made = replace(
        made,
        exhibits=(
            exhibits.exhibit(Role.LAST_SEEN, seen),
            exhibits.exhibit(Role.FIRST_GONE, first),
            *made.exhibits[2:],
        ),
        event=replace(made.event, last_seen=seen, first_gone=first),
    )

    page, bracket = text(statement.html(made)), statement.facts(made)["bracket"]

    assert "27 November 2026, 14:05:12 UTC (22:05:12 in Asia/Shanghai)" in page
    assert "27 November 2026, 14:31:44 UTC (22:31:44 in Asia/Shanghai)" in page
    assert "14:31:40 to 14:31:44 UTC" in page
    assert "within 26 minutes and 31 seconds" in page
    assert (bracket["from"], bracket["until"]) == ("2026-11-27T14:05:12Z", "2026-11-27T14:31:44Z")
    assert made.event is not None
    assert "between 2026-11-27T14:05:12Z and 2026-11-27T14:31:44Z" in describe_event(made.event)


def test_an_order_that_nothing_bears_out_is_told() -> None:
    weak = UnprovenOrder(
        role="last seen", against="first gone", detail="that last seen came before is open"
    )
    made = exhibits.statement(weak=(weak,))

    assert "That last seen came before is open." in text(statement.html(made))
    assert statement.facts(made)["weak"] == [
        {"against": "first gone", "detail": weak.detail, "role": "last seen"}
    ]


def test_what_nothing_derives_is_called_the_word_of_whoever_signed_it() -> None:
    made = exhibits.statement()

    told = text(statement.html(made))

    assert made.event is not None
    assert "Only the signer of this file states the words and pictures on this page" in told
    assert all(word in told for word in statement.OWN_WORDS.values())
    assert set(statement.OWN_WORDS) == set(OWN_WORD)
    assert statement.facts(made)["own_word"] == list(OWN_WORD)


def test_the_notice_stands_there_in_the_original_and_its_translation_is_marked_as_one() -> None:
    html = str(statement.html(exhibits.statement()))

    assert NOTICE in html
    assert f'<q lang="en"><bdi dir="auto">{GLOSS}</bdi></q>' in html
    assert "from the rule file, not from the platform" in text(html)
    assert CITED in html
    assert "This was read by the rule wx-01 (grade A) of wechat 2026.11.1" in text(html)


def test_a_cause_that_researchers_read_into_a_code_is_not_told_as_the_platforms_word() -> None:
    seen, first, *_ = exhibits.statement().exhibits
    assert first.assessment is not None
    takedown = replace(first.assessment.takedown, convention=True)
    read_so = replace(first, assessment=replace(first.assessment, takedown=takedown))

    told = said(exhibits=(seen, read_so))

    assert (
        "The platform sent a code. Researchers interpret this code as a deletion by the author."
        in told
    )
    assert "The notice states that the author removed the page." not in told
    assert "The notice states that the author removed the page." in said(exhibits=(seen, first))


def test_a_notice_is_not_translated_into_its_own_language() -> None:
    seen, first, *_ = exhibits.statement().exhibits
    assert first.assessment is not None
    both = (("en", GLOSS), ("zh", NOTICE))
    takedown = replace(first.assessment.takedown, gloss=both)
    chinese = replace(first, assessment=replace(first.assessment, takedown=takedown))
    english = replace(chinese, observation=replace(first.observation, notice=GLOSS))

    assert "Translation into English, from the rule file" in said(exhibits=(seen, chinese))
    assert "Translation into Chinese, from the rule file" not in said(exhibits=(seen, chinese))
    assert "Translation into Chinese, from the rule file" in said(exhibits=(seen, english))
    assert "Translation into English, from the rule file" not in said(exhibits=(seen, english))


@pytest.mark.parametrize("cause", list(Cause))
def test_a_cause_is_what_is_stated_and_never_a_motive(cause: Cause) -> None:
    told = sentences.CAUSES[cause]

    assert re.match(r"The notice states that |The server states that |No reason is stated", told)
    assert not re.search(r"censor|politic|because they|order(ed)? by", told)
    first, _, *rest = exhibits.statement().exhibits
    exhibit = exhibits.exhibit(Role.FIRST_GONE, exhibits.gone(cause=cause))
    assert sentences.cause(cause) in said(exhibits=(first, exhibit, *rest))


REMOVALS = [
    name
    for name, page in catalogue.PAGES.items()
    if page.expected and page.expected.availability is Availability.UNAVAILABLE
]
# By what each of them shows that it is gone, where that is no notice.
WITHOUT_NOTICE = {
    "real404": "the server answered HTTP 404 (Not Found)",
    "410": "the server answered HTTP 410 (Gone)",
    "451": "the server answered HTTP 451 (Unavailable For Legal Reasons)",
    "wb/sorry-pagenotfound": "the browser was redirected to an address",
}


def seen_as(name: str, role: Role = Role.FIRST_GONE) -> statement.Exhibit:
    """Return a capture of a page of the fixture site, as a statement tells of it."""
    page = site_page(name)
    content, verdict = ASSESSOR.judge(page)
    record = exhibits.record()
    record["what"] |= {"http_status": page.status, "final_url": page.final_url}
    observation = exhibits.gone(
        url=page.requested_url,
        content=content.kind,
        **{
            field: getattr(verdict, field)
            for field in ("accounts", "availability", "cause", "cited_rule", "notice", "rule")
        },
        undecided=verdict.undecided,
    )
    assessment = Assessment(content=content, takedown=verdict)
    return exhibits.exhibit(role, observation, record=record, assessment=assessment)


@in_one_test("name", REMOVALS)
def test_each_kind_of_removal_is_told_by_what_was_seen_and_never_by_a_notice_that_was_not(
    name: str,
) -> None:
    exhibit = seen_as(name)
    told = said(
        exhibits=(exhibits.statement().seen, exhibit, replace(exhibit, role=Role.CONFIRMATION))
    )
    status = site_page(name).status

    assert "there was a notice" not in told
    if name in WITHOUT_NOTICE:
        assert exhibit.observation.notice == ""
        assert f"the page was not available: {WITHOUT_NOTICE[name]}" in told
        assert told.count("found no text of a notice") == 2  # of the first, and what confirms
        assert "The notice states" not in told
        assert "a notice was shown" not in told
    elif name.startswith("wb/api-"):
        assert (
            "the page was not available: the data from the server state that the page is "
            "not available. The server"
        ) in told
        assert "The notice states" not in told
    else:
        assert "the page was not available: a notice was shown in place of the content. The" in told
        assert text(cut(exhibit.observation.notice, 200)) in told
    assert f"HTTP {status} (" in told
    assert sentences.format_http_status(599) == "HTTP 599"


def test_a_legal_reason_is_given_to_the_status_or_to_the_notice_that_states_it() -> None:
    seen = exhibits.statement().seen
    by_status, by_notice = (
        said(exhibits=(seen, seen_as(name))) for name in ("451", "legal-451-body")
    )

    assert "The server states that the page is withheld for legal reasons (HTTP 451)" in by_status
    assert (
        "The notice states that the page is withheld for legal reasons. This was read" in by_notice
    )
    assert "451)" not in by_notice


def test_an_address_to_which_the_page_led_is_told() -> None:
    seen = exhibits.statement().seen

    assert "The browser was redirected to http://weibo.com/sorry?pagenotfound" in said(
        exhibits=(seen, seen_as("wb/sorry-pagenotfound"))
    )
    assert "The browser was redirected to" not in said(exhibits=(seen, seen_as("real404")))


def test_what_says_something_of_an_account_is_told_of_it() -> None:
    states = {
        name: [by for _, by in statement._of_accounts(seen_as(name))]
        for name in ("wx/frozen-name", "wb/sorry-closed", "wb/api-abnormal", "x/suspended")
    }

    data = "The data from the server state facts about the account of the page"
    page = "The page states facts about the account of the page, and not about the page."
    assert states.pop("wb/api-abnormal")[0].startswith(data)
    assert set(map(tuple, states.values())) == {(page,)}


def test_what_does_not_agree_is_not_told_as_a_confirmation() -> None:
    """Somebody who chooses captures may choose any."""
    seen, first, again, _ = exhibits.statement().exhibits
    back = replace(again, observation=exhibits.observation(bundle_id=again.observation.bundle_id))
    away = seen_as("wb/visitor", Role.CONFIRMATION)

    told = said(exhibits=(seen, first, again, back, away))

    assert told.count("Confirmed on") == 1
    assert told.count("Not confirmed on") == 2


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (None, "no answer of the server was received"),
        (503, "the server answered HTTP 503 (Service Unavailable), which does not show whether"),
        (200, "the page showed an error, or the page could not be read"),
    ],
)
def test_an_error_is_told_by_the_servers_answer(status: int | None, told: str) -> None:
    observation = exhibits.gone(availability=Availability.INCONCLUSIVE, undecided=Undecided.ERROR)
    record = exhibits.record()
    record["what"]["http_status"] = status

    assert told in statement.describe_capture(
        exhibits.exhibit(Role.CONFIRMATION, observation, record=record)
    )


def test_the_times_of_the_headline_are_those_of_the_captures_below_it() -> None:
    told = said()
    seen, gone = "27 November 2026, 14:05:12 to 14:05:15 UTC", "27 November 2026, 14:31:40 to"

    assert "On 27 November 2026, 14:05:12 UTC" in told  # where the earlier one began
    assert "On 27 November 2026, 14:31:43 UTC" in told  # where the later one ended
    assert "earlier capture, rounded down. The second time is the end of the later capture" in told
    assert f"On {seen}, the page was available." in told
    assert f"On {gone} 14:31:43 UTC, the page was not available: a notice was shown" in told
    assert f"captured on {seen}, on the right on {gone}" in str(
        statement.html(exhibits.statement())
    )


def test_what_confirms_it_and_what_stands_beside_it_are_told() -> None:
    told = said()

    again = "27 November 2026, 14:31:40 to 14:50:12 UTC"
    assert f"Confirmed on {again}: the page was not available: a notice was shown" in told
    assert "Another page of the host, http://mp.weixin.qq.com/s?b=2, on" in told
    assert "The page was captured from one vantage only." in told
    assert (
        "existed on 27 November 2026, 14:05:19 UTC, confirmed by the timestamp "
        "authority Authority A"
    ) in told
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

    assert "No take-down event was derived from these captures" in told
    assert "the page was not available: the take-down rules found no text of a notice." in told
    assert "No reason is stated." in told
    assert f"(capture {again.observation.bundle_id}, not in this file)" in told
    assert "No other page of the host was captured for comparison." in told
    assert (
        "First gone: no timestamp authority confirms the time; by the clock of the "
        "capturing machine" in told
    )
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

    assert "The page was not available. Later the page was available again." in told
    assert "the page was still not available. On 27 November 2026, 16:05:12 UTC" in told
    assert "What was seen before" in told


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

    assert "The state of the account has changed." in told
    end = "On 27 November 2026, 15:05:12 UTC (23:05:12 in Asia/Shanghai)"
    assert (
        f"{end} the page stated that its account was frozen. The state of the account "
        "changed between" in told
    )
    assert "该帐号已冻结 The page states facts about the account of the page, and not" in told
    assert "the page was not available" not in told

    back = exhibits.exhibit(
        Role.LAST_SEEN,
        exhibits.observation(began_at=AT + timedelta(hours=3), at=AT + timedelta(hours=3)),
    )
    told = said(
        kind=TakedownKind.ACCOUNT_RESTORED,
        exhibits=(back, exhibits.exhibit(Role.FIRST_GONE, frozen)),
    )
    assert "the page stated that its account was frozen." in told
    assert "the page no longer stated this." in told


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


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("news/2014", "The page was available."),
        (
            "wx/deleted-zh",
            "The page was not available: the stated cause is removal by the author (rule wx-01).",
        ),
        (
            "wall/login",
            "It is not established whether the page was available: the page showed a log-in "
            "wall, not the content.",
        ),
    ],
)
def test_the_court_minimum_is_not_stated_without_what_it_is_of(name: str, words: str) -> None:
    first, *others = exhibits.statement().exhibits
    seen = seen_as(name, first.role)
    record = {**seen.record, "outcome": {"state": "complete"}}
    made = exhibits.statement(exhibits=(replace(seen, record=record), *others))

    what = statement.facts(made)["captures"][0]["what"]

    assert what["court_minimum"] == "court minimum: YES"
    assert what["headline"] == f"{words} The capture is complete."


def test_a_record_that_says_little_makes_a_statement_all_the_same() -> None:
    first, second, *_ = exhibits.statement().exhibits
    bare = replace(first, record={"what": {"title": ""}}, stamps=(), assessment=None)
    made = exhibits.statement(exhibits=(bare, second))

    assert statement.facts(made)["captures"][0]["when"]["token_delay"] == ""
    assert "A page without a title" in text(statement.html(made))


def test_an_error_status_is_stated_with_its_name_for_each_capture() -> None:
    record = exhibits.record()
    record["what"]["http_status"] = 404
    made = exhibits.statement()
    told = said(exhibits=tuple(replace(exhibit, record=record) for exhibit in made.exhibits))

    assert told.count("The server answered HTTP 404 (Not Found).") == 4
    page = text(pages.page(exhibits.statement(exhibits=(
        made.seen, replace(made.gone, record=record),
    )), PARTS).decode())  # fmt: skip
    assert "http status HTTP 404 (Not Found)" in page
    account = exhibits.statement(
        kind=TakedownKind.ACCOUNT_CHANGED, event=None,
        exhibits=(made.seen, exhibits.exhibit(
            Role.FIRST_GONE, exhibits.gone(notice=""), record=record
        )),
    )  # fmt: skip
    assert "HTTP 404 (Not Found)" in text(statement.html(account))


def test_times_that_differ_stand_together_with_the_reason() -> None:
    seen, first, *_ = exhibits.statement().exhibits
    assert seen.assessment is not None
    date = DateReading(
        raw="2026-11-20<b>", first=AT, end=AT, rule="absolute", source=Source.META,
        kind="published",
    )  # fmt: skip
    assessment = replace(seen.assessment, readings=Readings(dates=(date, date)))
    made = exhibits.statement(exhibits=(replace(seen, assessment=assessment), first))

    told = text(statement.html(made))

    assert "The server stated Fri, 27 Nov 2026 14:05:12 GMT in the header Date." in told
    assert told.count("The page stated that it was published: 2026-11-20<b>.") == 1
    assert told.count("The times of a capture can differ, because they") == 1
    assert statement.facts(made)["captures"][0]["when"]["page_dates"] == [
        {"kind": "published", "raw": "2026-11-20<b>"}
    ]


def test_who_captured_is_named_or_it_is_stated_that_nobody_is() -> None:
    seen, first, *_ = exhibits.statement().exhibits
    made = exhibits.statement(exhibits=(replace(seen, operator="Heron <b>\u202e"), first))

    html = str(statement.html(made))
    told = text(html)

    assert "<b>" not in html
    assert "\u202e" not in html
    assert "names the person or pseudonym that captured: Heron <b>\\u202e." in told
    assert told.count("The custody chain names no person or pseudonym that captured.") == 1
    who = [capture["who"]["operator"] for capture in statement.facts(made)["captures"]]
    assert who == ["Heron <b>\u202e", None]


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
    observation = exhibits.observation(url=f"http://x.test/{HOSTILE}", vantage=HOSTILE)
    first = exhibits.gone(notice=HOSTILE, cited_rule=HOSTILE, rule=HOSTILE)
    given = exhibits.record(title=HOSTILE, timezone=HOSTILE)
    made = exhibits.statement(
        exhibits=tuple(
            exhibits.exhibit(role, seen, record=given, excerpt=HOSTILE)
            for role, seen in (
                (Role.LAST_SEEN, observation),
                (Role.FIRST_GONE, first),
                (Role.VANTAGE, observation),
                (Role.CONTROL, observation),
            )
        )
    )

    page = pages.page(made, PARTS).decode()
    found = Elements()
    found.feed(page)

    assert found.tags.count("script") == 0
    assert found.tags.count("img") == 1
    assert not [name for name, _ in found.attributes if name.startswith("on") or name == "style"]
    assert not [character for character in "\u202e\u2028\x1b" if character in page]
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
    assert ("role", "status") in found.attributes
    assert attributes["aria-live"] == "polite"
    assert "Both captures side by side" in (attributes["alt"] or "")
    assert found.tags.count("th") == [tag for tag, _ in found.attributes].count("scope")
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
        (b"Not checked. The script", b"Checked. The script"),
        (b'<p id="key"></p>', b'<p id="key">PASSED</p>'),
        (b"<h1>", b"<h1 hidden>"),
        (b"<main", b"<!-- PASSED --><main"),
    ):
        assert pages.shown_sha256(page.replace(before, after, 1), parts, end) != digest, before
    spelled = page.replace(b"<h1>The", b"<H1 >T&#104;e", 1)
    assert spelled != page
    assert pages.shown_sha256(spelled, parts, end) == digest
    assert pages.shown_sha256(page, [], end) != digest
    assert pages.shown_sha256(page, parts, end.replace(b"use strict", b"use sloppy")) != digest
    with pytest.raises(RuntimeError, match="does not close its <p>"):
        pages.shown_sha256(page.replace(b"</p>", b"</b>", 1), parts, end)


def test_the_sheet_for_paper_has_its_picture_and_every_digest_with_it() -> None:
    made = exhibits.statement()
    *inside, last = made.exhibits
    left_out = replace(last, enclosed=False)
    said = replace(made, exhibits=(*inside, left_out))

    sheet = statement.sheet(said, PARTS, picture="data:image/png;base64,AAAA")

    assert 'src="data:image/png;base64,AAAA"' in sheet
    assert f'the picture</td><td class="number">7</td><td><code>{"a" * 64}</code>' in sheet
    absent = f"({last.observation.bundle_id}), not in the pack"
    assert absent in sheet
    assert f"<code>{last.observation.sha256}</code>" in sheet.partition(absent)[2]
    assert "default-src 'none'" in sheet
    assert "<script" not in sheet


# --- words ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 seconds"),
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
    assert words.format_long_duration(timedelta(seconds=seconds)) == told


def test_a_moment_by_another_clock_has_its_day_where_it_is_another() -> None:
    late = datetime(2026, 12, 31, 18, 0, tzinfo=UTC)

    assert words.format_utc_and_local(late, "Asia/Shanghai") == (
        "31 December 2026, 18:00:00 UTC (1 January, 02:00:00 in Asia/Shanghai)"
    )
    for zone in ("UTC", "Nowhere/Land", "../../etc/passwd", "", "\0"):
        assert words.format_local(late, zone) == ""


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "the page was available"),
        (
            {"content": Content.PARTIAL},
            "the page was available, but some of its content was missing",
        ),
        (
            {"availability": Availability.INCONCLUSIVE, "undecided": Undecided.WALL},
            "it is not established whether the page was available: a log-in wall, a "
            "verification or another wall was shown instead of the page",
        ),
        (
            {"availability": Availability.INCONCLUSIVE},
            "it is not established whether the page was available: no take-down rule matches what "
            "the page showed",
        ),
    ],
)
def test_what_a_capture_shows_in_words(changes: dict[str, Any], told: str) -> None:
    assert sentences.describe_observation(exhibits.observation(**changes)) == told


def test_a_capture_has_both_its_times() -> None:
    late = datetime(2026, 11, 27, 23, 59, 58, tzinfo=UTC)
    over = late + timedelta(seconds=4)

    assert words.format_period(late, late) == "27 November 2026, 23:59:58 UTC"
    assert words.format_period(late, over) == (
        "27 November 2026, 23:59:58 UTC to 28 November 2026, 00:00:02 UTC"
    )
    assert words.format_local_period(late, late, "UTC") == ""
    assert words.format_local_period(AT, AT, "Asia/Shanghai") == "22:05:12 in Asia/Shanghai"
    assert words.format_local_period(AT, AT + timedelta(seconds=3), "Asia/Shanghai") == (
        "22:05:12 to 22:05:15 in Asia/Shanghai"
    )


def test_every_word_of_the_verdicts_has_its_words() -> None:
    assert set(sentences.CAUSES) == set(Cause)
    assert set(sentences.TITLES) == set(TakedownKind)
    assert set(sentences.UNDECIDED_CLAUSES) == set(Undecided)
    assert [words.language_name(code) for code in ("en-GB", "zh", "xx")] == [
        "English",
        "Chinese",
        "xx",
    ]
