"""Which part of a page each block is, and where its main text stands."""

import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime

import pytest

from snapshotter.assess.dom import blocks_of, read_document
from snapshotter.assess.readings import read_page
from snapshotter.assess.regions import main_digest
from snapshotter.formats.page import assessment as assessments
from snapshotter.model.assessment import (
    Assessment,
    Availability,
    Content,
    ContentVerdict,
    TakedownVerdict,
)
from snapshotter.model.page import Block, Page
from snapshotter.model.reading import Readings, Region
from snapshotter.model.request import ReadingRules
from snapshotter.policy.site_readings import shipped_sites
from tests.tools import ROOT

RULES = ReadingRules(sites=shipped_sites().sites)
PARAGRAPH = (
    "The office said on Tuesday that it would look at each of the accounts in turn, “and”—slowly."
)
TEASERS = "".join(
    f"<div class='teaser-row'><a href='/x{n}'>Something else that happened number {n}...</a>"
    "<div class='meta'><span class='category'>Maria in Vancouver</span>"
    f"<time>{n} weeks ago</time></div></div>"
    for n in range(10)
)
NEWS = f"""<!doctype html><html lang=en><head><title>News</title></head>
<body class="single has-sidebar comments-open">
<header><nav><ul><li><a href=/>Home</a></li><li><a href=/l>Lifestyle</a></li></ul></nav></header>
<main><article>
 <h1 class=entry-title>Accounts are looked at</h1>
 <p class=byline>By Somebody</p>
 <p class=entry-date>Published on <time datetime=2014-05-27>27 May</time></p>
 <figure><img src=a.png><figcaption>wechat</figcaption></figure>
 <p>{PARAGRAPH} Matter Laurel-Zalko.</p><p>{PARAGRAPH} Matte Laurel-Zalko.</p>
 <p hidden>{PARAGRAPH} Nobody reads this.</p>
 <p>More at <a href="https://example.org/source">the source</a>. {PARAGRAPH}</p>
 <div class="ad-slot">Buy this</div>
 <div id=respond class=comment-respond><h3>Leave a Reply</h3>
 <form><p>Required fields are marked *</p></form></div>
 <ol class=comment-list><li>First!</li></ol>
</article></main>
<aside class=sidebar><h2>Also here</h2>{TEASERS}</aside>
<footer><p>© 2014</p></footer></body></html>"""


def page(html: str, url: str = "https://example.org/a", blocks: tuple[Block, ...] = ()) -> Page:
    return Page(
        requested_url=url,
        final_url=url,
        captured_at=datetime(2026, 1, 8, tzinfo=UTC),
        timezone="UTC",
        locale="en-US",
        html=html,
        blocks=blocks,
    )


@pytest.fixture(scope="module")
def news() -> Readings:
    return read_page(page(NEWS), RULES)


def texts(readings: Readings, html: str, *regions: Region) -> list[str]:
    document = read_document(html)
    assert document is not None
    of = {block.selector: block.text for block in blocks_of(document)}
    return [of[block.selector] for block in readings.regions if block.region in regions]


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        (Region.HEADLINE, ["Accounts are looked at"]),
        (Region.BYLINE, ["By Somebody"]),
        (Region.DATE, ["Published on 27 May"]),
        (Region.CAPTION, ["wechat"]),
        (Region.NAV, ["Home", "Lifestyle"]),
        (Region.AD, ["Buy this"]),
        (Region.COMMENT_FORM, ["Leave a Reply", "Required fields are marked *"]),
        (Region.COMMENT, ["First!"]),
        (Region.FOOTER, ["© 2014"]),
    ],
)
def test_each_part_of_a_news_page_has_its_label(
    news: Readings, region: Region, expected: list[str]
) -> None:
    assert texts(news, NEWS, region) == expected


def test_ten_teasers_are_teasers_and_none_of_their_words_is_main(news: Readings) -> None:
    teasers = texts(news, NEWS, Region.TEASER)

    assert sum("Something else" in teaser for teaser in teasers) == 10
    assert "Something else" not in news.main_text
    assert "weeks ago" not in news.main_text
    assert "Reply" not in news.main_text


def test_a_category_and_a_date_beside_it_are_two_blocks(news: Readings) -> None:
    teasers = texts(news, NEWS, Region.TEASER)

    assert teasers.count("Maria in Vancouver") == 10
    assert "2 weeks ago" in teasers


def test_nothing_is_thrown_away_and_nothing_is_there_twice(news: Readings) -> None:
    document = read_document(NEWS)
    assert document is not None

    selectors = [block.selector for block in news.regions]

    assert Counter(selectors) == Counter(block.selector for block in blocks_of(document))


def test_the_main_text_is_verbatim(news: Readings) -> None:
    assert news.main_by == "structure"
    assert news.main_selector.endswith("main:nth-child(2) > article:nth-child(1)")
    assert f"{PARAGRAPH} Matter Laurel-Zalko.\n{PARAGRAPH} Matte Laurel-Zalko." in news.main_text
    assert "“and”—slowly" in news.main_text


def test_what_is_hidden_is_kept_apart(news: Readings) -> None:
    assert "Nobody reads this" not in news.main_text
    assert news.hidden_text == f"{PARAGRAPH} Nobody reads this."


@pytest.mark.parametrize(
    ("attributes", "hidden"),
    [
        ("style='display:none'", True),
        ("style='color: red; visibility: hidden'", True),
        ("style='opacity: 0;'", True),
        ("style='opacity:.0'", True),
        ("style='opacity: 1;'", False),
        ("style='opacity: 0.5'", False),
        ("style='visibility: visible'", False),
        ("hidden", True),
        ("hidden=until-found", False),
        ("", False),
    ],
)
def test_markup_says_what_is_hidden(attributes: str, hidden: bool) -> None:
    document = read_document(f"<main><div {attributes}><p>words</p></div></main>")
    assert document is not None

    assert [block.hidden for block in blocks_of(document)] == [hidden]


def test_what_is_folded_is_hidden_and_what_it_is_called_is_not() -> None:
    document = read_document("<details><summary>More</summary><p>words</p></details>")
    assert document is not None

    assert [(block.text, block.hidden) for block in blocks_of(document)] == [
        ("More", False),
        ("words", True),
    ]


def test_links_are_those_of_the_main_region(news: Readings) -> None:
    assert news.links == ("https://example.org/source",)


def test_a_selector_of_the_policy_comes_first() -> None:
    found = read_page(page(NEWS), RULES, main_regions=(".no-such", "aside"))

    assert (found.main_by, found.main_selector) == ("policy", "html > body > aside:nth-child(3)")


def test_a_selector_that_is_none_matches_nothing() -> None:
    found = read_page(page(NEWS), RULES, main_regions=("p:hover", "<", "article"))

    assert found.main_by == "policy"
    assert found.main_selector.endswith("article:nth-child(1)")


def test_an_image_post_without_its_body_is_the_article_itself() -> None:
    html = "<div id=js_article><h1 id=activity-name>图</h1><p>说明</p></div>"

    found = read_page(page(html, "https://mp.weixin.qq.com/s/x"), RULES)

    assert found.main_selector == "html > body > div:nth-child(1)"
    assert found.main_text == "说明"


def test_a_page_without_structure_is_guessed_and_that_is_said() -> None:
    story = "".join(f"<div><p>{PARAGRAPH} {n}</p></div>" for n in range(8))
    links = "".join(
        f"<div><a href=/{n}>Something else that happened {n}</a></div>" for n in range(30)
    )
    html = f"<body><div>{links}</div><div><div id=story>{story}</div></div></body>"

    found = read_page(page(html), RULES)

    assert found.main_by == "guess"
    assert found.main_text.count(PARAGRAPH) == 8
    assert "Something else" not in found.main_text


def test_the_library_that_guesses_is_loaded_for_a_page_without_structure_alone() -> None:
    """It takes a tenth of all the time in which a capture's modules are imported."""
    script = (
        "import sys; from tests.unit.assess.test_regions import *;"
        "import snapshotter.app.wiring.capture as wiring, snapshotter.model.request as request;"
        "wiring.assessor(request.Decision(policy_name='x', policy_text=''));"
        "read_page(page(NEWS), RULES); before = 'trafilatura' in sys.modules;"
        "read_page(page('<p>' + PARAGRAPH), RULES); print(before, 'trafilatura' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)

    assert done.stdout.split() == ["False", "True"], done.stderr


def test_the_blocks_of_the_browser_are_what_is_labelled() -> None:
    shown = "html > body > main:nth-child(1) > div:nth-child(1)"
    html = f"<main><div>{PARAGRAPH * 3}</div><div>{PARAGRAPH}</div></main>"
    blocks = tuple(
        Block(selector=selector, tag="div", text=text, box=None, hidden=hidden)
        for selector, text, hidden in (
            (shown, PARAGRAPH * 3, False),
            (shown.replace("div:nth-child(1)", "div:nth-child(2)"), PARAGRAPH, True),
            ("html > body > main:nth-child(1) > p:nth-child(9)", "not in the document", False),
        )
    )

    found = read_page(page(html, blocks=blocks), RULES)

    assert [block.region for block in found.regions] == [Region.MAIN, Region.MAIN, Region.OTHER]
    assert (found.main_text, found.hidden_text) == (PARAGRAPH * 3, PARAGRAPH)


def test_the_digest_of_the_main_text_is_of_its_words() -> None:
    assert main_digest("Ａ b\n\n c") == main_digest("A  b\nc\u200b")
    assert main_digest("a b") != main_digest("ab")
    assert main_digest(" \n") == ""


def test_a_line_of_a_count_or_an_age_is_no_text_of_the_main_region() -> None:
    lines = "<div>转发 480 评论 12</div><div>昨天 21:03 · 浙江</div><div>Two of them</div>"
    html = f"<main>{lines}<p>昨天 21:03 出发。</p><p>{PARAGRAPH * 3}</p></main>"

    found = read_page(page(html), RULES)
    later = read_page(
        page(html.replace("480", "512").replace("昨天 21:03 · ", "前天 21:03 · ")), RULES
    )

    assert [block.region for block in found.regions] == [
        Region.OTHER, Region.DATE, Region.MAIN, Region.MAIN, Region.MAIN,
    ]  # fmt: skip
    assert found.main_text == f"Two of them\n昨天 21:03 出发。\n{PARAGRAPH * 3}"
    assert found.main_sha256 == later.main_sha256 != ""


def test_a_line_that_a_named_place_stands_in_has_its_label() -> None:
    html = (
        "<div id=js_article><h1 id=activity-name>题</h1><div><span>原创</span> "
        "<span id=js_author_name>林小满</span> <em id=publish_time>2026-01-02 17:39</em></div>"
        "<div id=js_content><p>正文</p></div></div>"
    )

    found = read_page(page(html, "https://mp.weixin.qq.com/s/x"), RULES)

    assert [block.region for block in found.regions] == [
        Region.HEADLINE,
        Region.BYLINE,
        Region.MAIN,
    ]


def test_no_space_comes_between_chinese_characters() -> None:
    html = "<main><p><b>该内容</b><span>已被</span>\n<i>发布者</i>删除</p></main>"

    assert read_page(page(html), RULES).main_text == "该内容已被 发布者删除"


@pytest.mark.parametrize(
    "html",
    [
        "",
        " ",
        "<",
        "<html>",
        "plain text",
        "<p>" * 100_000,
        "<div " + " ".join(f"a{n}=1" for n in range(50_000)) + ">x</div>",
        "<script>" * 5_000,
        "<b>" * 3_000 + "x",
        "\0\ufffe<p>\ud800</p>",
    ],
)
def test_no_document_keeps_the_reader_from_an_answer(html: str) -> None:
    found = read_page(page(html), RULES)

    assert isinstance(found, Readings)


def test_a_page_of_many_blocks_is_read_to_a_bound() -> None:
    found = read_page(page("<main>" + "<p>text of one of them" * 40_000), RULES)

    assert 1_000 < len(found.regions) <= 20_000


@pytest.mark.parametrize(
    ("style", "hidden"),
    [
        ("opacity: 1", False),
        ("opacity:0.5", False),
        ("opacity: .5;", False),
        ("opacity: 0", True),
        ("color: red; opacity:0.00;", True),
        ("opacity:.0", True),
        ("visibility: visible; opacity: 1;", False),
        ("visibility: hidden", True),
        ("display:none", True),
    ],
)
def test_a_style_of_its_own_hides_an_element_or_does_not(style: str, hidden: bool) -> None:
    document = read_document(f"<body><p style='{style}'>Words</p></body>")
    assert document is not None

    (block,) = blocks_of(document)

    assert block.hidden is hidden


def test_a_page_that_is_made_long_still_has_an_assessment_that_a_bundle_can_hold() -> None:
    link = f"<a href='/{'x' * 1900}'>{'字' * 200}</a>"
    one = "<p>" + "\x01" * 100 + link + "</p>"
    html = "<main>" + "<div>" * 200 + one * 3_000 + "<p hidden>" + "\U0001f600" * 300_000
    made = Assessment(
        content=ContentVerdict(kind=Content.CONTENT, detail=""),
        takedown=TakedownVerdict(availability=Availability.AVAILABLE, detail=""),
        readings=read_page(page(html), RULES),
    )

    assert len(assessments.encode(made)) < assessments.MAX_BYTES
    assert assessments.parse(assessments.encode(made)) == made


def test_the_digest_is_of_the_whole_main_text_though_the_record_has_its_beginning() -> None:
    long = "<main>" + f"<p>{'0123456789' * 100}" * 450
    one, other = read_page(page(f"{long}<p>a"), RULES), read_page(page(f"{long}<p>b"), RULES)

    assert one.main_text == other.main_text
    assert one.main_sha256 != other.main_sha256
