"""The page of captures: words and filters, a table and a gallery, errors beside their fields."""

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest

from snapshotter.app.archive.organising import cases
from snapshotter.model.annotations import Mark
from tests import observed
from tests.archived import Archive
from tests.webclient import Console, MovableClock, console, console_settings

HOSTILE = "https://news.example/<script>alert(1)</script>"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    made = Archive(tmp_path_factory.mktemp("archive"))
    ids["rumor"] = made.put(0, text="这是谣言, a rumor")
    ids["gone"] = made.put(1, observed.gone())
    ids["hostile"] = made.put(2, url=HOSTILE)
    cases.create_case(made.annotations, "harbour", title="<b>Fire</b>")
    cases.add_to_case(made.annotations, "harbour", [ids["gone"]])
    cases.add_tag(made.annotations, "<i>media", [ids["rumor"]])
    cases.set_mark(made.annotations, Mark.GRAPHIC, [ids["gone"]])
    return made


ids: dict[str, str] = {}


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def site(archive: Archive, clock: MovableClock) -> Iterator[Console]:
    with console(console_settings(archive.folder), clock=clock) as found:
        yield found.log_in()


def listed(site: Console, query: str = "") -> list[str]:
    """Return the names of the captures that the page lists."""
    answer = site.get(f"/captures{query}")
    assert answer.status_code == 200, answer.text
    names = {bundle_id: name for name, bundle_id in ids.items()}
    found = re.findall(r'href="/captures/([0-9a-z-]{33})"', answer.text)
    return [names[bundle_id] for bundle_id in found]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["hostile", "gone", "rumor"]),
        ("?view=gallery", ["hostile", "gone", "rumor"]),
        ("?q=谣言", ["rumor"]),
        ("?q=谣言&view=gallery", ["rumor"]),
        ("?verdict=unavailable", ["gone"]),
        ("?case=harbour", ["gone"]),
        ("?host=news.example", ["hostile"]),
        ("?since=2026-05-28", []),
        ("?since=2026-05-27&until=2026-05-27", ["hostile", "gone", "rumor"]),
        ("?q=nowhere", []),
        ("?view=nothing&cursor=nothing", ["hostile", "gone", "rumor"]),
    ],
)
def test_words_and_filters_select_captures(site: Console, query: str, expected: list[str]) -> None:
    assert listed(site, query) == expected


def test_the_filters_stay_in_the_form_and_in_the_links(site: Console) -> None:
    text = site.get("/captures?q=%22a+rumor%22&verdict=available").text

    assert 'value="&#34;a rumor&#34;"' in text
    assert '<option value="available" selected>' in text
    assert 'href="/captures?q=%22a+rumor%22&amp;verdict=available&amp;view=gallery"' in text


def test_texts_of_strangers_are_text(site: Console) -> None:
    for view in ("table", "gallery"):
        text = site.get(f"/captures?view={view}").text

        assert "<script>alert" not in text
        assert "<b>Fire" not in text
        assert "<i>media" not in text
        assert 'href="https://news' not in text
    assert "<script>alert(1)</script>" in unescape(site.get("/captures").text)


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ("?q=%22a", "q", "The query is invalid at character 1: the quotation mark is not closed."),
        ("?q=-draft", "q", "only excludes words."),
        ("?since=30.11.2026", "since", "30.11.2026 is not a day."),
        ("?until=0000-01-01", "until", "0000-01-01 is not a day."),
        ("?verdict=gone", "verdict", "Gone is no value of verdict."),
        ("?outcome=x", "outcome", "X is no value of outcome."),
    ],
)
def test_an_error_stands_beside_its_field_and_above_the_page(
    site: Console, query: str, field: str, words: str
) -> None:
    answer = site.get(f"/captures{query}")

    assert answer.status_code == 400
    assert re.search(rf'<a href="#{field}">[^<]*{re.escape(words)}', answer.text)
    assert re.search(rf'id="{field}-error">.*{re.escape(words)}', answer.text)
    assert re.search(rf'id="{field}"[^>]*aria-describedby="[^"]*{field}-error', answer.text)


def test_an_id_or_its_end_leads_to_the_capture(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    bundle_id = archive.put(0)
    with console(console_settings(tmp_path)) as site:
        site.log_in()
        for words in (bundle_id, bundle_id[-16:], bundle_id[-8:]):
            answer = site.get(f"/captures?q={words}")
            assert answer.status_code == 303
            assert answer.headers["location"] == f"/captures/{bundle_id}"
        for words in ("20260101t000000z-k3v4q2m7xw4c5b6d", bundle_id[-7:], "../../etc"):
            assert site.get(f"/captures?q={words}").status_code == 200


def test_a_list_of_an_old_view_says_how_old_it_is(site: Console, clock: MovableClock) -> None:
    assert "This list is not current" not in site.get("/captures").text
    clock.offset = timedelta(minutes=2)
    assert "This list is not current" in site.get("/captures").text


def test_pages_of_a_list_follow_each_other(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    made = [archive.put(minute) for minute in range(52)]
    with console(console_settings(tmp_path)) as site:
        site.log_in()
        first = site.get("/captures?host=mp.weixin.qq.com").text
        (following,) = re.findall(r'rel="next" href="([^"]+)"', first)
        second = site.get(unescape(following)).text

    assert re.findall(r'href="/captures/([0-9a-z-]{33})"', second) == [made[1], made[0]]
    assert 'rel="prev" href="/captures?host=mp.weixin.qq.com"' in second
    assert 'rel="next"' not in second


def test_an_empty_store_says_what_to_do(tmp_path: Path) -> None:
    with console(console_settings(tmp_path)) as site:
        text = site.log_in().get("/captures").text

    assert "The store has no captures yet." in text
    assert '<a href="/">Capture a page</a>' in text


@pytest.mark.parametrize("view", ["table", "gallery"])
def test_captures_of_the_list_are_selected_for_a_task(site: Console, view: str) -> None:
    text = site.get(f"/captures?view={view}&host=mp.weixin.qq.com").text
    boxes = re.findall(r'<input type="checkbox" name="id" value="([^"]+)"', text)
    (back,) = re.findall(r'name="back" value="([^"]+)"', text)
    (key,) = re.findall(r'name="key" value="([^"]+)"', text)

    answer = site.post(
        "/captures/selected",
        {"id": boxes[0], "action": "export", "form": "bundles", "back": unescape(back), "key": key},
    )

    assert boxes == [ids["gone"], ids["rumor"]]
    assert site.get(unescape(back)).text.count('name="id"') == 2
    assert answer.status_code == 303
    (task,) = site.context.services.tasks.tasks.newest(1)
    assert answer.headers["location"].startswith(f"/tasks/{task.id}")
    assert task.arguments["bundle_ids"] == [ids["gone"]]
