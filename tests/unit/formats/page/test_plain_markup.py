"""Pages of strangers, written again so that reading them costs what their length says."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from snapshotter.formats.lists.html_links import read_links
from snapshotter.formats.page.plain_markup import plain_markup


class _Most(HTMLParser):
    """The most attributes that a tag has, as somebody else's reader counts them."""

    most = 0

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.most = max(self.most, len(attrs))


def _most(text: str) -> int:
    reader = _Most()
    reader.feed(text)
    reader.close()
    return reader.most


@pytest.mark.parametrize(
    "page",
    [
        "<a {} href=x>y</a>",
        '<!-- <b x=" --><a {} href=x>y</a>',
        "<script>'<b x=\"'</script><a {} href=x>y</a>",
        "<title><b x='</title><a {} href=x>y</a>",
        "<p '<a {} href=x>y</a>",
        '<a x="<" {}',
    ],
)
def test_no_tag_keeps_more_attributes_than_pages_have(page: str) -> None:
    hostile = page.format(" ".join(f"a{number}" for number in range(5_000)))

    assert hostile.count(" a") >= 5_000
    assert _most(plain_markup(hostile)) <= 64
    assert len(plain_markup(hostile)) < 64 * 12 + len(page)


@given(st.text(alphabet="<>/a b=\"'-!t\n", max_size=60))
def test_what_was_written_again_is_markup_of_ours_and_stays_it(text: str) -> None:
    once = plain_markup(text)

    assert "<!--" not in once
    assert plain_markup(once) == once


def test_links_texts_and_what_selectors_look_at_are_as_they_were() -> None:
    page = (
        b"<!doctype html><title>A &amp; B <i></title><base href='https://a.example/d/'>"
        b"<style>a{}</style><script>document.write('<a href=/no>no</a>')</script>"
        b"<!-- <a href=/never>never</a> --><ul CLASS = 'x \"y\"'>"
        b"<LI><A HREF=one?a=1&amp;b=2 data-k>One<b>!</b> 1 < 2</A>"
        b"<li><a\nhref='/two'\tdata-k='\"'>Two</a></ul><a href=/three>Three</a>"
    )

    found = read_links(page, "https://a.example/", "text/html; charset=utf-8")
    chosen = read_links(page, "https://a.example/", "text/html", select="ul.x a[data-k]")

    assert [(listed.url, listed.title) for listed in found.items] == [
        ("https://a.example/d/one?a=1&b=2", "One! 1 < 2"),
        ("https://a.example/two", "Two"),
        ("https://a.example/three", "Three"),
    ]
    assert found.title == "A & B <i>"
    assert chosen.items == found.items[:2]


def test_what_stands_behind_the_most_tags_is_left_out() -> None:
    assert plain_markup("a<p>b</p><i>c</i><b>d", most=3) == plain_markup("a<p>b</p><i>c</i>")
    assert plain_markup("a<p>b</p><i>c</i>", most=3) == plain_markup("a<p>b</p><i>c</i>")
