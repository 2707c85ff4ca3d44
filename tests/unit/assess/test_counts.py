"""Numbers as pages write them: what they say, and what they leave open."""

from datetime import UTC, datetime

import pytest

from snapshotter.assess.counts import parse_count
from snapshotter.assess.readings import read_page
from snapshotter.model.page import Page
from snapshotter.model.reading import Count, Source
from snapshotter.model.reading_rules import Rounding
from snapshotter.model.request import ReadingRules
from snapshotter.policy.site_readings import shipped_sites
from snapshotter.site.catalogue import render
from snapshotter.site.response import Response
from snapshotter.site.state import SiteState, available

TRUNCATED, ROUNDED, EITHER = Rounding.TRUNCATED, Rounding.ROUNDED, Rounding.EITHER


@pytest.mark.parametrize(
    ("raw", "lower", "upper"),
    [
        ("3797", 3797, 3797),
        ("0", 0, 0),
        ("1,234", 1234, 1234),
        ("12,345,678", 12_345_678, 12_345_678),
        ("1,23,456", 123_456, 123_456),
        ("3 797", 3797, 3797),
        ("3\u202f797", 3797, 3797),
        ("3\u2009797", 3797, 3797),
        ("3\u00a0797", 3797, 3797),
        ("1'234", 1234, 1234),
        ("1’234’567", 1_234_567, 1_234_567),
        ("1.234", 1234, 1234),  # a count is whole: this is German
        ("３７９７", 3797, 3797),
        ("１，２３４", 1234, 1234),
        ("٣٧٩٧", 3797, 3797),
        ("\u200e480\u200f", 480, 480),
        ("1.234K", 1234, 1234),
    ],
)  # fmt: skip
def test_a_number_that_is_written_out_is_exact(raw: str, lower: int, upper: int) -> None:
    for rounding in Rounding:
        found = parse_count(raw, rounding)

        assert found is not None
        assert (found.lower, found.upper, found.exact, found.rounding) == (lower, upper, True, "")


@pytest.mark.parametrize(
    ("raw", "rounding", "lower", "upper"),
    [
        ("6.1万", TRUNCATED, 61_000, 61_999),
        ("6.1万", ROUNDED, 60_500, 61_499),
        ("6.1万", EITHER, 60_500, 61_999),
        ("６．１万", TRUNCATED, 61_000, 61_999),
        ("6.1 萬", TRUNCATED, 61_000, 61_999),
        ("6,1万", TRUNCATED, 61_000, 61_999),
        ("12万", TRUNCATED, 120_000, 129_999),
        ("1.2亿", TRUNCATED, 120_000_000, 129_999_999),
        ("3千", ROUNDED, 2_500, 3_499),
        ("1.05万", TRUNCATED, 10_500, 10_599),
        ("1.2K", ROUNDED, 1_150, 1_249),
        ("1.2K", TRUNCATED, 1_200, 1_299),
        ("1,2 k", ROUNDED, 1_150, 1_249),
        ("3.4M", ROUNDED, 3_350_000, 3_449_999),
        ("1.1B", TRUNCATED, 1_100_000_000, 1_199_999_999),
        ("2 million", TRUNCATED, 2_000_000, 2_999_999),
        ("1,5 Mio.", TRUNCATED, 1_500_000, 1_599_999),
        ("12 тыс.", TRUNCATED, 12_000, 12_999),
        ("1.2만", TRUNCATED, 12_000, 12_999),
        ("0.5万", ROUNDED, 4_500, 5_499),
        ("约3万", TRUNCATED, 25_000, 34_999),
        ("~ 300", TRUNCATED, 250, 349),
    ],
)
def test_a_shortened_number_is_an_interval_by_the_way_its_site_shortens(
    raw: str, rounding: Rounding, lower: int, upper: int
) -> None:
    found = parse_count(raw, rounding)

    assert found is not None
    assert (found.lower, found.upper, found.exact) == (lower, upper, False)
    assert found.rounding in ("rounded", rounding.value)


@pytest.mark.parametrize(
    ("raw", "lower"),
    [
        ("10万+", 100_001),  # the platform's script: above 100,000 it says no more
        ("10万＋", 100_001),
        ("100+", 100),
        ("999+", 999),
        ("100K+", 100_000),
        ("超10万", 100_001),
        ("> 500", 501),
    ],
)
def test_a_number_that_is_cut_off_has_a_lower_bound_alone(raw: str, lower: int) -> None:
    found = parse_count(raw, TRUNCATED)

    assert found is not None
    assert (found.lower, found.upper, found.exact) == (lower, None, False)
    assert found.rounding == "capped"


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "阅读",
        "-",
        "1.2.3",
        "12,34",
        "1,2345",
        "3/4",
        "9" * 30,
        "10:30",
        "2026-01-02",
        "1e9",
        "50%",
    ],
)
def test_what_is_no_count_is_not_read(raw: str) -> None:
    assert parse_count(raw, TRUNCATED) is None


RULES = ReadingRules(sites=shipped_sites().sites)


def page(html: str, url: str = "https://example.org/a") -> Page:
    return Page(
        requested_url=url,
        final_url=url,
        captured_at=datetime(2026, 1, 8, tzinfo=UTC),
        timezone="Asia/Shanghai",
        locale="zh-CN",
        html=html,
    )


def counts(html: str, url: str = "https://example.org/a") -> tuple[Count, ...]:
    return read_page(page(html, url), RULES).counts


WECHAT = "https://mp.weixin.qq.com/s/abc"


def test_a_variable_of_a_script_beats_what_is_shown() -> None:
    html = "<p>text</p><p>阅读 3797</p><script>var x={read_num: '3797' * 1}</script>"

    (found,) = counts(html, WECHAT)

    assert (found.unit, found.raw, found.lower, found.exact) == ("reads", "3797", 3797, True)
    assert found.source is Source.SCRIPT
    assert found.where.endswith("script:nth-child(3): read_num")
    assert found.mismatch == ""


def test_what_is_shown_otherwise_is_told() -> None:
    html = '<p>阅读 3790</p><script>var read_num = "3797" * 1;</script>'

    (found,) = counts(html, WECHAT)

    assert (found.lower, found.mismatch) == (3797, "阅读 3790")


def test_a_shortened_number_does_not_contradict_the_exact_one() -> None:
    html = "<p>阅读 6.1万</p><script>read_num: '61999'</script>"

    assert [count.mismatch for count in counts(html, WECHAT)] == [""]
    assert [count.mismatch for count in counts(html.replace("61999", "62000"), WECHAT)] == [
        "阅读 6.1万"
    ]


def test_the_data_of_a_post_names_its_counts() -> None:
    html = """<script>var $render_data = [{"status": {"reposts_count": 480, "comments_count": 12,
        "attitudes_count": "10万+"}}][0] || {};</script>"""

    found = {count.unit: count for count in counts(html, "https://m.weibo.cn/status/1")}

    assert {unit: count.raw for unit, count in found.items()} == {
        "reposts": "480", "comments": "12", "likes": "10万+",
    }  # fmt: skip
    assert found["reposts"].where.endswith("$render_data.0.status.reposts_count")
    assert found["likes"].upper is None


def test_an_answer_that_is_data_names_its_counts() -> None:
    answer = Page(
        requested_url="https://weibo.com/ajax/statuses/show?id=1",
        final_url="https://weibo.com/ajax/statuses/show?id=1",
        captured_at=datetime(2026, 1, 8, tzinfo=UTC),
        timezone="UTC",
        locale="en",
        media_type="application/json",
        raw=b'{"ok": 1, "reposts_count": 512}',
    )

    (found,) = read_page(answer, RULES).counts

    assert (found.unit, found.lower, found.source) == ("reposts", 512, Source.JSON)


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>转发 480 评论 12 赞 3</p>", {"reposts": "480", "comments": "12", "likes": "3"}),
        ("<p>480 reposts · 1.2K likes</p>", {"reposts": "480", "likes": "1.2K"}),
        ("<p>6.1万次观看</p>", {"views": "6.1万"}),
        ("<p>播放：10万+</p>", {"views": "10万+"}),
        ("<div><span>阅读</span> <span>3 797</span></div>", {"reads": "3 797"}),
        ("<div><p>Followers</p><p>1,234</p></div>", {"followers": "1,234"}),
        ("<button aria-label='480 reposts'>480</button>", {"reposts": "480"}),
        ("<p>1 234 просмотров</p>", {"views": "1 234"}),
    ],
)
def test_a_short_text_that_counts_is_read(html: str, expected: dict[str, str]) -> None:
    found = {count.unit: count for count in counts(html)}

    assert set(found) == set(expected)
    for unit, number in expected.items():
        assert number in found[unit].raw
        assert found[unit].source is Source.DOM


@pytest.mark.parametrize(
    "html",
    [
        "<p>People are jailed for posts that were reposted 500 times or viewed 5,000 times.</p>",
        "<p>这条微博被转发500次以上，评论12条。</p>",
        "<p>Chapter 3</p>",
        "<p>5 min read</p>",
        "<p>-5 likes</p>",
        "<p>3 reposts · -5 likes</p>",
        "<p hidden>480 reposts</p>",
        "<p>Likes</p>",
    ],
)
def test_a_sentence_with_a_number_is_no_count(html: str) -> None:
    assert counts(html) == ()


def test_counts_of_other_peoples_pieces_are_not_the_pages() -> None:
    html = "<main><h1>a</h1><p>480 reposts</p></main><div class='comments'><p>7 likes</p></div>"

    assert [count.unit for count in counts(html)] == ["reposts"]


def test_interaction_statistics_are_read() -> None:
    html = """<script type="application/ld+json">{"@type": "VideoObject", "interactionStatistic":
        [{"@type": "InteractionCounter", "interactionType": {"@type": "WatchAction"},
          "userInteractionCount": 5000}]}</script>"""

    (found,) = counts(html)

    assert (found.unit, found.lower, found.source) == ("views", 5000, Source.JSON_LD)


def test_nothing_that_a_script_says_later_in_code_is_a_count() -> None:
    html = "<script>if (read_num == '5') {} data.read_num = read_num; x.read_num: ''</script>"

    assert counts(html, WECHAT) == ()


@pytest.mark.parametrize("reposts", [480, 512, 123_456])
@pytest.mark.parametrize("name", ["wb/post", "wb/post-desktop"])
def test_a_post_of_the_fixture_site_is_read(name: str, reposts: int) -> None:
    state = SiteState()
    state = state.change("wb/post", state.at, available(reposts=reposts))
    shown = render(name, state) if name == "wb/post" else desktop(state)

    found = {
        count.unit: count for count in counts(shown.text, "https://weibo.com/1900000001/O00019Qdw")
    }

    if name == "wb/post":
        assert (found["reposts"].lower, found["reposts"].exact) == (reposts, True)
        assert found["reposts"].source is Source.JSON
        assert found["reposts"].mismatch == ""
    elif reposts > 100_000:
        assert (found["reposts"].lower, found["reposts"].upper) == (100_001, None)
    else:
        assert (found["reposts"].lower, found["reposts"].source) == (reposts, Source.DOM)
    assert (found["comments"].lower, found["likes"].lower) == (96, 3797)


def desktop(state: SiteState) -> Response:
    """Return the post as the desktop's address shows it."""
    return render("/1900000001/O00019Qdw", state, authority="weibo.com")


def test_an_articles_reads_are_exact_though_they_are_shown_shortened() -> None:
    state = SiteState()
    state = state.change("wx/article", state.at, available(reads=123_456, likes=12))

    (reads,) = (
        count for count in counts(render("wx/article", state).text, WECHAT) if count.unit == "reads"
    )

    assert (reads.raw, reads.lower, reads.exact) == ("123456", 123_456, True)
    assert (reads.source, reads.mismatch) == (Source.SCRIPT, "")
