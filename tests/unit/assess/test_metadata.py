"""What a page states about itself: each value with its source, and conflicts left standing."""

from datetime import UTC, datetime

import pytest

from snapshotter.assess.readings import read_page
from snapshotter.model.page import Page
from snapshotter.model.reading import DateReading, Readings, Region, Source
from snapshotter.model.request import ReadingRules
from snapshotter.policy.site_readings import shipped_sites
from snapshotter.site.catalogue import render
from snapshotter.site.state import SiteState, available
from snapshotter.site.wechat import after_script

RULES = ReadingRules(sites=shipped_sites().sites)


def page(
    html: str, url: str = "https://example.org/a", zone: str = "UTC", now: datetime | None = None
) -> Page:
    return Page(
        requested_url=url,
        final_url=url,
        captured_at=now or datetime(2026, 1, 8, 1, 51, 38, tzinfo=UTC),
        timezone=zone,
        locale="en-US",
        html=html,
    )


def stated(readings: Readings, name: str) -> list[tuple[str, Source]]:
    return [
        (metadatum.value, metadatum.source)
        for metadatum in readings.metadata
        if metadatum.name == name
    ]


def dated(readings: Readings, kind: str, source: Source) -> DateReading:
    (found,) = (
        reading for reading in readings.dates if reading.kind == kind and reading.source is source
    )
    return found


def wechat(state: SiteState | None = None, zone: str = "Asia/Shanghai") -> Readings:
    html = after_script(render("wx/article", state).text)
    return read_page(page(html, "http://mp.weixin.qq.com/s/Kx2fixtureRiverBooks01", zone), RULES)


def test_the_epoch_in_a_script_is_the_time_of_publication_and_the_shown_text_is_kept() -> None:
    found = wechat()

    assert stated(found, "published") == [
        ("2026-01-02 17:39", Source.DOM),
        ("2026-01-02T09:39:33Z", Source.SCRIPT),
    ]
    (where,) = (
        metadatum.where
        for metadatum in found.metadata
        if metadatum.name == "published" and metadatum.source is Source.SCRIPT
    )
    assert where.endswith(": ori_create_time")
    assert "published" not in found.conflicts
    assert dated(found, "published", Source.SCRIPT).first == datetime(
        2026, 1, 2, 9, 39, 33, tzinfo=UTC
    )
    shown = dated(found, "published", Source.DOM)
    assert (shown.first, shown.timezone) == (
        datetime(2026, 1, 2, 9, 39, tzinfo=UTC),
        "Asia/Shanghai",
    )


def test_a_shown_time_that_is_not_the_scripts_is_a_conflict() -> None:
    found = wechat(zone="UTC")  # it was written by a browser in Shanghai

    assert "published" in found.conflicts
    assert len(stated(found, "published")) == 2


def test_the_servers_own_time_is_a_witness() -> None:
    assert dated(wechat(), "server", Source.SCRIPT).first == SiteState().at.replace(microsecond=0)


def test_the_pages_names_are_read_each_with_its_source() -> None:
    found = wechat()

    assert stated(found, "title")[0] == ("河边的旧书市又开张了", Source.DOM)
    assert ("河边的旧书市又开张了", Source.META) in stated(found, "title")
    assert ("林小满", Source.DOM) in stated(found, "byline")
    assert ("林小满", Source.META) in stated(found, "byline")
    assert stated(found, "account") == [("河岸旧书", Source.DOM)]
    assert stated(found, "site") == [("微信公众平台", Source.META)]
    assert stated(found, "place") == [("浙江", Source.DOM)]
    assert found.main_text.startswith("入冬以后，河边的旧书市停了整整六个星期")
    assert (found.main_by, found.hidden_text) == ("policy", "")
    assert ("zh_CN", Source.DOM) in stated(found, "language")
    assert "title" not in found.conflicts


def test_the_mark_of_an_edited_title_is_read_only_where_it_is_shown() -> None:
    state = SiteState()
    state = state.change("wx/article", state.at, available(modified=True))

    assert stated(wechat(), "title_modified") == []
    assert stated(wechat(state), "title_modified") == [("标题已修改", Source.DOM)]


def test_a_newspapers_date_is_in_its_markup_though_its_text_has_none() -> None:
    found = read_page(page(render("news/2014").text, "http://news.example/news/2014"), RULES)

    assert stated(found, "published") == [("2014-05-28T04:10:00+00:00", Source.TIME)]
    assert stated(found, "site") == [("The Burrard Lantern", Source.META)]
    published = dated(found, "published", Source.TIME)
    assert published.first == datetime(2014, 5, 28, 4, 10, tzinfo=UTC)


def test_ten_teasers_have_relative_dates_and_none_is_the_pages() -> None:
    found = read_page(page(render("news/2014").text, "http://news.example/news/2014"), RULES)

    ages = [reading for reading in found.dates if reading.rule.startswith("relative")]
    labels = {block.selector: block.region for block in found.regions}
    assert len(ages) == 10
    assert {reading.kind for reading in ages} == {""}
    assert {labels[reading.where] for reading in ages} == {Region.TEASER}


def test_the_newspapers_blocks_have_their_labels() -> None:
    html = render("news/2014").text
    found = read_page(page(html, "http://news.example/news/2014"), RULES)

    assert found.main_selector.endswith("main:nth-child(1) > article:nth-child(1)")
    for words in ("Leave a Reply", "soups", "Lifestyle", "Click to comment", "never printed"):
        assert words not in found.main_text
    assert "rumors and to sell what may not be sold" in found.main_text
    assert "Readers who had followed" in found.hidden_text
    assert {block.region for block in found.regions} >= {
        Region.HEADLINE, Region.CAPTION, Region.MAIN, Region.NAV, Region.TEASER, Region.FOOTER,
        Region.COMMENT, Region.COMMENT_FORM,
    }  # fmt: skip


JSON_LD = """<script type="application/ld+json">{"@context": "https://schema.org", "@graph": [
 {"@type": "WebSite", "name": "Not the page"},
 {"@type": "NewsArticle", "headline": "A headline", "inLanguage": "en",
  "datePublished": "2014-05-28T04:10:00Z", "dateModified": "2014-05-29",
  "author": [{"@type": "Person", "name": "A. Writer"}, {"name": "B. Writer"}],
  "publisher": {"name": "The Paper"}, "mainEntityOfPage": {"@id": "https://example.org/a"}}]}
</script>"""


def test_json_ld_is_read() -> None:
    found = read_page(page(f"<html><head>{JSON_LD}</head><body><p>x</p></body></html>"), RULES)

    assert stated(found, "title") == [("A headline", Source.JSON_LD)]
    assert [name for name, _ in stated(found, "byline")] == ["A. Writer", "B. Writer"]
    assert stated(found, "published") == [("2014-05-28T04:10:00Z", Source.JSON_LD)]
    assert stated(found, "modified") == [("2014-05-29", Source.JSON_LD)]
    assert stated(found, "site") == [("The Paper", Source.JSON_LD)]
    assert stated(found, "canonical") == [("https://example.org/a", Source.JSON_LD)]


@pytest.mark.parametrize(
    ("head", "conflicts"),
    [
        ("<title>A headline - The Paper</title><meta property=og:title content='A headline'>", ()),
        ("<title>Ａ headline</title><meta property=og:title content='a HEADLINE'>", ()),
        ("<title>One</title><meta property=og:title content=Other>", ("title",)),
        ("<meta name=author content=One><meta name=byl content='By One'>", ()),
        ("<meta name=author content=One><meta name=byl content='By Other'>", ("byline",)),
        (
            "<meta name=date content=2014-05-28><meta property=article:published_time"
            " content=2014-05-28T04:10:00Z>",
            (),
        ),
        (
            "<meta name=date content=2014-05-27><meta property=article:published_time"
            " content=2014-05-28T04:10:00Z>",
            ("published",),
        ),
        (
            "<link rel=canonical href=https://example.org/a>"
            "<meta property=og:url content=http://example.org/a/>",
            (),
        ),
        (
            "<link rel=canonical href=https://example.org/a>"
            "<meta property=og:url content=https://example.org/b>",
            ("canonical",),
        ),
        ("<meta property=og:locale content=en_GB>", ()),
        ("<meta property=og:locale content=fr_FR>", ("language",)),
    ],
)
def test_what_does_not_agree_is_listed_and_nothing_is_dropped(
    head: str, conflicts: tuple[str, ...]
) -> None:
    found = read_page(page(f"<html lang=en><head>{head}</head><body><p>x</p></body></html>"), RULES)

    assert found.conflicts == conflicts
    assert len(found.metadata) == head.count("<") - head.count("</") + 1  # and the language


def test_the_titles_of_drawings_and_the_addresses_of_writers_are_none() -> None:
    html = (
        "<html><head><title>Page</title><meta property=article:author content=https://x.example/me>"
        "</head><body><svg><title>Icon</title></svg></body></html>"
    )

    found = read_page(page(html), RULES)

    assert [(metadatum.name, metadatum.value) for metadatum in found.metadata] == [
        ("title", "Page")
    ]


def test_a_wordpress_page_rounds_its_ages() -> None:
    html = (
        "<html><head><meta name=generator content='WordPress 6.7'></head><body>"
        "<div class=teaser><span class=date>3 weeks ago</span></div></body></html>"
    )

    (found,) = read_page(page(html, now=datetime(2025, 1, 5, tzinfo=UTC)), RULES).dates

    assert (found.first, found.end, found.rule) == (
        datetime(2024, 12, 11, 12, tzinfo=UTC),
        datetime(2024, 12, 18, 12, tzinfo=UTC),
        "relative-rounded",
    )
    assert found.raw == "3 weeks ago"


def test_a_sentence_of_the_text_is_not_resolved_by_the_captures_clock() -> None:
    html = (
        "<main><h1>x</h1><p>The office said three weeks ago that it would look at all of the"
        " accounts, and at 昨天 21:03 nothing had happened.</p></main>"
    )

    assert read_page(page(html), RULES).dates == ()


@pytest.mark.parametrize("depth", [10, 100_000])
def test_data_that_means_harm_keeps_no_reader_from_an_answer(depth: int) -> None:
    nested = "[" * depth + "]" * depth
    html = f'<script type="application/ld+json">{nested}</script><script>$render_data = {nested}'

    assert isinstance(read_page(page(html, "https://m.weibo.cn/1"), RULES), Readings)
