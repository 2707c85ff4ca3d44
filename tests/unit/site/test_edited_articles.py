"""The edited articles of the fixture site: each state changes one thing and nothing else."""

import json
import re

import pytest

from snapshotter.site.catalogue import render
from snapshotter.site.edited_articles import EDITS, MODIFIED, PAGES, PRICES
from snapshotter.site.response import Response
from snapshotter.site.state import BEGIN, SiteState

JSON_LD = re.compile(r'<script type="application/ld\+json">(.*?)</script>')


def shown(name: str, edit: str, path: str = "") -> Response:
    state = SiteState().change(name, BEGIN, EDITS[edit]) if edit else SiteState()
    return render(path or name, state)


@pytest.mark.parametrize(
    ("name", "words"), [("edited/article", "confirmed denied"), ("edited/article-zh", "证实 否认")]
)
def test_the_edit_of_a_word_changes_one_word_of_the_page(name: str, words: str) -> None:
    before, after = words.split()

    assert shown(name, "").text.count(before) == 1
    assert shown(name, "word").text == shown(name, "").text.replace(before, after)


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_edit_of_the_price_changes_it_in_text_and_in_structured_data(name: str) -> None:
    before, after = shown(name, "").text, shown(name, "price").text

    assert before.count(PRICES[0]) == 2
    assert after == before.replace(*PRICES)
    (data,) = JSON_LD.findall(after)
    assert json.loads(data)["@graph"][1]["offers"]["price"] == PRICES[1]


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_edit_of_the_date_changes_it_in_three_places(name: str) -> None:
    before, after = shown(name, "").text, shown(name, "modified").text
    shown_before, shown_after = (date[:16].replace("T", " ") for date in MODIFIED)

    assert before.count(MODIFIED[0]) == 2
    assert after == before.replace(*MODIFIED).replace(shown_before, shown_after)
    assert shown_after in after


@pytest.mark.parametrize("name", sorted(PAGES))
def test_another_picture_has_the_same_address(name: str) -> None:
    address = f"/{name}.png"

    assert shown(name, "picture") == shown(name, "")
    assert f'src="{address}"' in shown(name, "").text
    assert shown(name, "picture", address).body != shown(name, "", address).body
    assert shown(name, "word", address) == shown(name, "", address)


@pytest.mark.parametrize("name", sorted(PAGES))
def test_another_edition_of_the_related_stories_leaves_the_article_as_it_is(name: str) -> None:
    before, _, column = shown(name, "").text.partition("<aside")
    after, _, its = shown(name, "related").text.partition("<aside")

    assert before == after
    assert column != its


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_counter_changes_alone(name: str) -> None:
    before, after = shown(name, "").text, shown(name, "counter").text

    assert after == before.replace("3797", "3811")


@pytest.mark.parametrize("name", sorted(PAGES))
def test_in_the_place_of_a_replaced_article_is_one_sentence_with_the_status_200(name: str) -> None:
    found = shown(name, "replaced")

    assert found.status == 200
    (main,) = re.findall(r"<main.*?>(.*?)</main>", found.text, re.DOTALL)
    assert re.fullmatch(r"<p>[^<]{10,60}</p>", main)
    assert "<article" not in found.text
