"""The list of captures for screens: filters, pages, and what each row says."""

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from snapshotter.app.archive.lookup.index_service import ArchiveView
from snapshotter.app.archive.organising import cases
from snapshotter.app.archive.screens.capture_list import CaptureFilters, list_captures
from snapshotter.index.query import InvalidQuery
from snapshotter.index.values import JobFacts
from snapshotter.model.annotations import Mark, ReviewDecision
from snapshotter.model.capture import Outcome
from tests import observed
from tests.archived import Archive
from tests.cases import in_one_test

OTHER = "https://news.example:8443/a"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    made = Archive(tmp_path_factory.mktemp("archive"))
    ids.clear()
    ids["seen"] = made.put(0, text="这是谣言 and a rumor")
    ids["gone"] = made.put(60, observed.gone())
    ids["wall"] = made.put(120, observed.wall(), url=OTHER)
    ids["tagged"] = made.put(1500, url=OTHER, job=JobFacts(tags=("by-job",)))
    service = made.annotations
    cases.create_case(service, "harbour", title="Fire in the harbour")
    cases.add_to_case(service, "harbour", [ids["gone"]])
    cases.add_tag(service, "media", [ids["tagged"]])
    cases.add_note(service, "a note", bundle_ids=[ids["tagged"]])
    cases.set_mark(service, Mark.GRAPHIC, [ids["seen"]])
    cases.review(service, ReviewDecision.REJECTED, [ids["wall"]], reason="a log-in page")
    yield made
    made.service.stop()


ids: dict[str, str] = {}


@pytest.fixture
def view(archive: Archive) -> Iterator[ArchiveView]:
    with archive.view() as view:
        yield view


def found(view: ArchiveView, filters: CaptureFilters) -> list[str]:
    names = {bundle_id: name for name, bundle_id in ids.items()}
    return [names[card.bundle_id] for card in list_captures(view, filters).cards]


@in_one_test(
    ("filters", "expected"),
    [
        (CaptureFilters(), ["tagged", "wall", "gone", "seen"]),
        (CaptureFilters(words="谣言"), ["seen"]),
        (CaptureFilters(words="谣言 -rumor"), []),
        (CaptureFilters(words="host:news.example"), ["tagged", "wall"]),
        (CaptureFilters(host="news.example"), ["tagged", "wall"]),
        (CaptureFilters(host="news.example", words="tag:by-job"), ["tagged"]),
        (CaptureFilters(verdict="unavailable"), ["gone"]),
        (CaptureFilters(verdict="wall"), ["wall"]),
        (CaptureFilters(outcome="complete"), ["tagged", "wall", "gone", "seen"]),
        (CaptureFilters(outcome="failed"), []),
        (CaptureFilters(case="harbour"), ["gone"]),
        (CaptureFilters(tag="media"), ["tagged"]),
        (CaptureFilters(tag="by-job"), ["tagged"]),
        (CaptureFilters(since=observed.at(60)), ["tagged", "wall"]),
        (CaptureFilters(until=observed.at(60)), ["gone", "seen"]),
        (CaptureFilters(since=observed.at(30), until=observed.at(90)), ["gone"]),
        (CaptureFilters(words="谣言", since=observed.at(30)), []),
    ],
)
def test_filters_select_captures(
    view: ArchiveView, filters: CaptureFilters, expected: list[str]
) -> None:
    assert found(view, filters) == expected


@in_one_test(
    ("filters", "words"),
    [
        (CaptureFilters(verdict="gone"), "gone is no value of verdict"),
        (CaptureFilters(outcome="'; DROP TABLE bundle; --"), "is no value of outcome"),
        (CaptureFilters(words="-draft"), "only excludes words"),
        (CaptureFilters(words="(a"), "character"),
    ],
)
def test_an_invalid_filter_is_named(view: ArchiveView, filters: CaptureFilters, words: str) -> None:
    with pytest.raises(InvalidQuery, match=words):
        list_captures(view, filters)


# What SQL, LIKE and FTS5 give a meaning to.
SIGNS = (
    "'",
    '"; DROP TABLE bundle; --',
    "' OR '1'='1",
    "x' UNION SELECT key FROM bundle--",
    "rumor*) OR (text:a",
    "NEAR/2",
    "谣言^2",
    "{a b}:c",
    "text:rumor",
    "a\0b",
    "%",
    "_",
    "host:%",
    "host:_",
    "tag:'",
    'case:"a\' OR 1=1"',
    "piece MATCH 'a'",
    "\\",
    "lang:%_!",
    "policy:'||'",
    "*",
    "\ud800",
    "identity:'",
    "note:%",
)


@in_one_test("text", SIGNS)
def test_signs_of_sql_and_full_text_search_are_text_in_the_search_box(
    view: ArchiveView, text: str
) -> None:
    # The text is in no capture: it finds nothing, or the query language refuses it.
    with contextlib.suppress(InvalidQuery):
        assert found(view, CaptureFilters(words=text)) == []
    for filters in (
        CaptureFilters(host=text),
        CaptureFilters(tag=text),
        CaptureFilters(case=text),
    ):
        assert found(view, filters) == []
    assert len(found(view, CaptureFilters())) == len(ids)


def test_pages_follow_each_other_without_a_gap(view: ArchiveView) -> None:
    first = list_captures(view, CaptureFilters(), limit=3)
    second = list_captures(view, CaptureFilters(), limit=3, before=first.next)

    assert [card.bundle_id for card in (*first.cards, *second.cards)] == sorted(
        ids.values(), reverse=True
    )
    assert (first.total, second.next) == (4, "")
    assert list_captures(view, CaptureFilters(words="谣言")).total is None


def test_a_row_says_what_was_captured_and_what_people_recorded(view: ArchiveView) -> None:
    cards = {card.bundle_id: card for card in list_captures(view, CaptureFilters()).cards}
    seen, gone = cards[ids["seen"]], cards[ids["gone"]]
    wall, tagged = cards[ids["wall"]], cards[ids["tagged"]]

    assert (seen.page.words, seen.page.shape, seen.page.tone) == ("Available", "●", "good")
    assert (seen.capture.words, seen.outcome) == ("Complete", Outcome.COMPLETE)
    assert (seen.host, seen.at) == ("mp.weixin.qq.com", observed.at(0) - timedelta(seconds=2))
    assert (gone.page.words, gone.page.shape) == ("Not available (removal by the author)", "■")
    assert (wall.page.shape, wall.host) == ("◆", "news.example")
    assert [card.is_graphic for card in (seen, gone, wall, tagged)] == [True, False, False, False]
    assert gone.cases == {"harbour": 1}
    assert (tagged.tags, tagged.notes) == (("media", "by-job"), 1)
    assert wall.review is not None
    assert wall.review.name == ReviewDecision.REJECTED


def test_a_result_shows_where_its_words_are(view: ArchiveView) -> None:
    (card,) = list_captures(view, CaptureFilters(words="谣言")).cards
    (excerpt,) = card.excerpts

    assert [excerpt.text[start:end] for start, end in excerpt.marks] == ["谣言"]


def test_a_bundle_that_cannot_be_read_has_a_row_that_says_so(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    bundle_id = "20260527t080000z-k3v4q2m7xw4c5b6d"
    archive.write(f"bundles/2026/05/27/{bundle_id}.wacz", b"no zip file")

    with archive.view() as view:
        (card,) = list_captures(view, CaptureFilters()).cards
    archive.service.stop()

    assert (card.page.words, card.page.shape) == ("Cannot be read", "✕")
    assert card.problem
