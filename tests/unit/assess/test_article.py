"""The article that a reader sees: what belongs to it outside the main region, and what does not."""

from dataclasses import replace

import pytest

from snapshotter.assess.dom import DomDocument, read_document
from snapshotter.assess.main_images import main_images
from snapshotter.assess.readings import article_of, regions_of
from snapshotter.assess.regions import Regions
from snapshotter.model.request import ReadingRules
from snapshotter.policy.site_readings import shipped_sites
from tests.unit.assess.pages import markup

RULES = ReadingRules(sites=shipped_sites().sites)
TEXT = "".join(
    f"<p>The harbour master confirmed plan number {number} on Monday, and the ferries will keep "
    "their timetable until the end of the year.</p>"
    for number in range(4)
)
BODY = f"<div itemprop='articleBody'>{TEXT}</div>"
HEADLINE = "<h1>The market hall closes</h1>"
STANDFIRST = "Traders ask for a longer notice."
NOTE = "This article was amended on 4 January, because it named another hall."


def read(
    inside: str, *, main: tuple[str, ...] = (), wide: bool = True
) -> tuple[DomDocument, Regions]:
    html = f"<!doctype html><html><head><title>t</title></head><body>{inside}</body></html>"
    document = read_document(html)
    assert document is not None
    shown = replace(markup(html), blocks=document.blocks)
    of = article_of if wide else regions_of
    return document, of(shown, RULES, main_regions=main, document=document)


def labels(inside: str, *, main: tuple[str, ...] = (), wide: bool = True) -> dict[str, str]:
    """Return the region of each block by its text."""
    document, found = read(inside, main=main, wide=wide)
    return {block.text: found.labels[block.selector].value for block in document.blocks}


@pytest.mark.parametrize(
    "inside",
    [
        f"<article><div>{HEADLINE}<p>{STANDFIRST}</p></div>{BODY}</article>",
        f"<div><div>{HEADLINE}<p>{STANDFIRST}</p></div>{BODY}</div>",
        f"<header>{HEADLINE}<p>{STANDFIRST}</p></header><article>{HEADLINE}{BODY}</article>",
        f"<div itemtype='https://schema.org/NewsArticle'>{HEADLINE}<p>{STANDFIRST}</p>{BODY}</div>",
    ],
    ids=["in the article", "below the headline", "above it", "in the item"],
)
def test_a_standfirst_belongs_to_the_article_and_not_to_the_main_region(inside: str) -> None:
    assert labels(inside)[STANDFIRST] == "standfirst"
    assert labels(inside, wide=False)[STANDFIRST] == "other"


def test_a_note_of_correction_below_the_main_region_belongs_to_the_article() -> None:
    found = labels(
        f"<article>{HEADLINE}{BODY}<p>{NOTE}</p><h2>More</h2>"
        "<p>Another story that is only summed up here in one sentence.</p></article>"
    )

    assert found[NOTE] == "note"
    assert found["Another story that is only summed up here in one sentence."] == "other"


@pytest.mark.parametrize(
    "block",
    [
        "<p>3 hours ago</p>",
        "<p>1,204 views</p>",
        "<button>Read this article in your own language now</button>",
        "<p><a href='/x'>Read the other story of today</a></p>",
        "<p hidden>Nobody sees this line.</p>",
        "<div class='share-tools'>Share</div>",
        "<aside><p>A side column with a sentence of its own in it.</p></aside>",
        "<div class='ads'><p>Buy a boat in the harbour before the end of May.</p></div>",
    ],
)
def test_what_changes_by_itself_or_is_about_something_else_is_no_part_of_it(block: str) -> None:
    found = labels(f"<article>{HEADLINE}{block}<p>{STANDFIRST}</p>{BODY}</article>")

    assert [text for text, region in found.items() if region == "standfirst"] == [STANDFIRST]


def test_a_list_of_other_articles_at_the_end_is_no_part_of_it() -> None:
    links = "".join(f"<li><a href='/{n}'>Another story, number {n}</a></li>" for n in range(4))
    inside = f"<article>{HEADLINE}{TEXT}<div>Most popular</div><ul>{links}</ul></article>"

    found = labels(inside)

    assert {found[f"Another story, number {n}"] for n in range(4)} == {"teaser"}
    assert found["Most popular"] == "teaser"
    assert labels(inside, wide=False)["Another story, number 1"] == "main"
    assert sum(region == "main" for region in found.values()) == 4


def test_links_in_the_middle_of_an_article_are_a_part_of_it() -> None:
    links = "".join(f"<li><a href='/{n}'>A source, number {n}</a></li>" for n in range(4))

    found = labels(f"<article>{HEADLINE}{TEXT}<ul>{links}</ul><p>{NOTE}</p></article>")

    assert found["A source, number 1"] == "main"


def test_a_part_of_the_main_region_that_a_policy_names_is_not_widened() -> None:
    inside = f"<article>{HEADLINE}<p>{STANDFIRST}</p>{BODY}</article><div id=box>€4</div>"

    found = {
        css: labels(inside, main=(css,))[STANDFIRST]
        for css in ("[itemprop=articleBody]", "[itemprop=articleBody] p", "#box")
    }

    assert found == {
        "[itemprop=articleBody]": "standfirst",
        "[itemprop=articleBody] p": "other",
        "#box": "other",
    }


@pytest.mark.parametrize(
    "inside",
    [
        "<article>{}<div>News deskOctober 13, 2016</div>{}</article>",
        "<article>{}<time>October 13, 2016</time>{}</article>",
        "<div>{}<div>轩辕 2025年11月10日 04:00</div>{}</div>",
        "<article>{}<div itemprop='articleBody'><p class=date>24 July 2015</p>{}</div></article>",
    ],
)
def test_a_date_that_the_page_shows_above_its_text_belongs_to_the_article(inside: str) -> None:
    found = labels(inside.format(HEADLINE, BODY if "articleBody" not in inside else TEXT))

    assert [region for text, region in found.items() if "20" in text and len(text) < 40] == [
        "standfirst"
    ]


def test_a_date_below_the_first_sentence_is_no_date_of_the_article() -> None:
    found = labels(
        f"<article>{HEADLINE}<div itemprop='articleBody'>{TEXT}<div class='date'>24 July 2015</div>"
        f"{TEXT}</div></article>"
    )

    assert found["24 July 2015"] == "date"


def test_a_headline_far_above_its_text_brings_nothing_of_what_is_between() -> None:
    between = "".join(f"<p>Something else, number {n}.</p>" for n in range(25))

    found = labels(f"<div>{HEADLINE}{between}{BODY}</div>")

    assert "standfirst" not in found.values()


def test_the_picture_above_the_text_is_a_picture_of_the_article() -> None:
    inside = (
        f"<article>{HEADLINE}<figure><img src='/lead.png'></figure>{BODY}"
        "<aside><img src='/other.png'></aside></article>"
    )
    address = "http://news.example.test/"

    assert main_images(*read(inside), address) == ((f"{address}lead.png",),)
    assert not main_images(*read(inside, wide=False), address)
