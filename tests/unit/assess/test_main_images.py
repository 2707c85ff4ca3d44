"""The pictures of the main text, and the addresses from which each may have come."""

from snapshotter.assess.dom import blocks_of, read_document
from snapshotter.assess.main_images import main_images
from snapshotter.assess.regions import read_regions
from tests.cases import in_one_test

PAGE = "http://news.test/2026/story"
WORDS = f"<p>{'Some words of the article. ' * 12}</p>"


def images(inside: str, *, head: str = "", beside: str = "") -> list[tuple[str, ...]]:
    document = read_document(
        f"<!doctype html><html><head>{head}</head><body><article>{WORDS}{inside}</article>"
        f"{beside}</body></html>"
    )
    assert document is not None
    return list(main_images(document, read_regions(document, blocks_of(document)), PAGE))


@in_one_test(
    ("inside", "expected"),
    [
        ('<img src="a.png">', [("http://news.test/2026/a.png",)]),
        ('<img src="/a.png"><img src="http://cdn.test/b.png">',
         [("http://news.test/a.png",), ("http://cdn.test/b.png",)]),
        ('<img src="/a.png" srcset="/s.png 480w, /l.png 960w,/x.png 2x">',
         [("http://news.test/a.png", "http://news.test/s.png", "http://news.test/l.png",
           "http://news.test/x.png")]),
        ('<picture><source srcset="/a.webp"><img src="/a.png"></picture>',
         [("http://news.test/a.png", "http://news.test/a.webp")]),
        ('<img src="data:image/png;base64,AAAA">', []),
        ('<img src="/图 1.png?a=b%20c">', [("http://news.test/%E5%9B%BE%201.png?a=b%20c",)]),
        ('<img alt="none">', []),
        ('<div class="ads"><img src="/ad.png"></div>', []),
        ('<div class="related"><img src="/other.png"></div>', []),
    ],
)  # fmt: skip
def test_each_picture_has_all_addresses_that_a_browser_may_load(
    inside: str, expected: list[tuple[str, ...]]
) -> None:
    assert images(inside) == expected


def test_addresses_are_relative_to_the_base_of_the_document() -> None:
    found = images('<img src="a.png">', head='<base href="//cdn.test/x/">')

    assert found == [("http://cdn.test/x/a.png",)]


def test_pictures_outside_of_the_main_text_are_left_out() -> None:
    assert images("", beside='<img src="/logo.png">') == []
    assert main_images(None, read_regions(None, ()), PAGE) == ()
