"""The text of a capture in passages: complete, short, and each in its region."""

from hypothesis import given
from hypothesis import strategies as st

from snapshotter.formats.page.plain_text import normalise_text
from snapshotter.index.passages import MAX_CHARACTERS, MAX_TOTAL, cut
from snapshotter.index.values import PassageRegion


def texts(region: PassageRegion, **given: str) -> list[str]:
    parts = {"title": "", "main": "", "whole": "", "hidden": "", **given}
    passages, _ = cut(addresses=(), **parts)
    return [passage.text for passage in passages if passage.region is region]


def test_a_text_is_cut_at_the_ends_of_lines() -> None:
    lines = ["一" * 900, "二" * 900, "三" * 900]

    assert texts(PassageRegion.MAIN, main="\n\n".join(lines)) == [
        "\n".join(lines[:2]),
        lines[2],
    ]


def test_parts_of_a_long_line_share_their_ends() -> None:
    line = "".join(chr(0x4E00 + number) for number in range(5000))

    first, second, third = texts(PassageRegion.MAIN, main=line)

    assert len(first) == len(second) == MAX_CHARACTERS
    assert first[-100:] == second[:100]
    assert second[-100:] == third[:100]
    assert first + second[100:] + third[100:] == line


def test_the_rest_is_what_the_main_text_does_not_contain() -> None:
    shown = "Menu\n The  headline \nBody\nMenu\nImprint"

    assert texts(PassageRegion.REST, main="The headline\nBody", whole=shown) == ["Menu\nImprint"]


def test_text_that_a_reader_sees_is_not_among_the_hidden_text() -> None:
    hidden = texts(PassageRegion.HIDDEN, main="Body", whole="Menu\nBody", hidden="Menu\nTracker")

    assert hidden == ["Tracker"]


def test_title_and_addresses_have_passages_of_their_own() -> None:
    passages, is_whole = cut(
        title="A title",
        addresses=("http://a.test/", "http://a.test/"),
        main="",
        whole="",
        hidden="",
    )

    assert [(passage.region.value, passage.text) for passage in passages] == [
        ("title", "A title"),
        ("address", "http://a.test/"),
    ]
    assert is_whole


def test_a_text_without_end_is_cut_and_that_is_stated() -> None:
    whole = "\n".join(f"{number:07}" * 100 for number in range(4000))

    passages, is_whole = cut(title="", addresses=(), main="", whole=whole, hidden="")

    assert not is_whole
    assert MAX_TOTAL - MAX_CHARACTERS <= sum(len(passage.text) for passage in passages) <= MAX_TOTAL


@given(st.text(max_size=300), st.text(max_size=300))
def test_every_line_of_a_page_is_in_a_passage(main: str, whole: str) -> None:
    passages, is_whole = cut(title="", addresses=(), main=main, whole=whole, hidden="")
    found = normalise_text("\n".join(passage.text for passage in passages)).splitlines()

    assert is_whole
    assert set(normalise_text(f"{main}\n{whole}").splitlines()) <= set(found)
    assert all(0 < len(passage.text) <= MAX_CHARACTERS for passage in passages)
