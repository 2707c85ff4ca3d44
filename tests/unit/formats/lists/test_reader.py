"""Feeds, sitemaps, tables and pages are read as lists; what would harm the reader is not."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.formats.lists import listing
from snapshotter.formats.lists.html_links import matching
from snapshotter.formats.lists.listing import ListItem, ListUnreadable, absolute
from snapshotter.formats.lists.reader import kind_of, read_list

BASE = "https://news.example/lists/all"
RSS = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0"><channel><title>The &amp; news</title><link>https://news.example/</link>
<item><title>One <b>bold</b>
 thing</title><link>/a?x=1&amp;y=2</link><pubDate>Fri, 02 Jan 2026 09:39:33 GMT</pubDate></item>
<item><title>谣言</title><guid isPermaLink="true">https://news.example/b</guid></item>
<item><title>again</title><link>https://news.example/b</link></item>
<item><title>nothing</title><guid isPermaLink="false">tag:1</guid></item>
</channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://other.example/x/"><title>t</title>
<entry><title>one</title><link rel="self" href="https://other.example/s"/><link href="one"/>
<updated>2026-01-02T09:39:33Z</updated></entry>
<entry><id>https://other.example/two</id><title>two</title></entry></feed>"""
SITEMAP = """<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"
  xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"
  xmlns:news="http://www.google.com/schemas/sitemap-news/0.9">
<url><loc> https://news.example/a </loc><lastmod>2026-01-02</lastmod>
<image:image><image:loc>https://news.example/picture.png</image:loc></image:image></url>
<url><loc>https://news.example/b</loc><news:news><news:title>B</news:title>
<news:publication_date>2026-01-03</news:publication_date></news:news></url></urlset>"""
INDEX = """<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
<sitemap><loc>https://news.example/1.xml.gz</loc><lastmod>2026-01-02</lastmod></sitemap></sitemapindex>"""
PAGE = """<!doctype html><base href="/in/"><title>All</title><nav><a href="/about">About</a></nav>
<main><h2><a href="one">One</a></h2><div><div><a href="two?x=1">Two <i>more</i></a></div></div>
<a href="#top">top</a><a href="javascript:x()">x</a><a href="mailto:a@b.example">m</a></main>"""


def urls(found: listing.Listing) -> list[str]:
    return [listed.url for listed in found.items]


def test_a_feed_lists_its_entries_in_order_and_each_address_once() -> None:
    found = read_list(RSS.encode(), BASE)

    assert found.kind == "feed"
    assert found.title == "The & news"
    assert found.items == (
        ListItem(
            url="https://news.example/a?x=1&y=2",
            title="One bold thing",
            stamp="Fri, 02 Jan 2026 09:39:33 GMT",
        ),
        ListItem(url="https://news.example/b", title="谣言"),
    )
    assert found.dropped == 1


def test_an_atom_feed_has_a_base_of_its_own() -> None:
    found = read_list(ATOM.encode(), BASE, "application/atom+xml")

    assert urls(found) == ["https://other.example/x/one", "https://other.example/two"]
    assert found.items[0].stamp == "2026-01-02T09:39:33Z"


def test_a_feed_is_read_in_the_encoding_that_a_browser_takes_it_in() -> None:
    text = RSS.replace("UTF-8", "gb2312").replace("谣言", "谣言𠀀")

    assert read_list(text.encode("gb18030"), BASE).items[1].title == "谣言𠀀"
    assert read_list(("\ufeff" + RSS).encode("utf-16-le"), BASE).items[1].title == "谣言"


def test_a_feed_that_is_not_well_formed_is_read_all_the_same() -> None:
    found = read_list(RSS.replace("<title>谣言", "<title>&nbsp; & 谣言").encode(), BASE)

    assert len(found.items) == 2


def test_a_sitemap_lists_pages_and_no_pictures() -> None:
    found = read_list(SITEMAP.encode(), BASE)

    assert found.items == (
        ListItem(url="https://news.example/a", stamp="2026-01-02"),
        ListItem(url="https://news.example/b", title="B", stamp="2026-01-03"),
    )
    assert read_list(gzip.compress(SITEMAP.encode()), BASE, "application/gzip") == found


def test_an_index_lists_sitemaps() -> None:
    found = read_list(INDEX.encode(), BASE, "text/xml")

    assert (found.kind, urls(found)) == ("sitemap-index", ["https://news.example/1.xml.gz"])


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("https://a.example/1\n\n# a remark\nhttps://a.example/2,3\n", "", ["1", "2,3"]),
        ("name,URL\nOne,https://a.example/1\n,\n", "", ["1"]),
        ("id;where;x\n1;https://a.example/1;y\n", "", ["1"]),
        ("a\tb\nhttps://a.example/1\thttps://a.example/2\n", "b", ["2"]),
        ('url,title\n"https://a.example/1,2","a\nb"\n', "url", ["1,2"]),
        ("https://a.example/1,x\nhttps://a.example/2,y\n", "", ["1", "2"]),
    ],
)
def test_a_table_has_a_column_of_addresses(text: str, column: str, expected: list[str]) -> None:
    found = read_list(text.encode(), BASE, "text/csv", column=column)

    assert urls(found) == [f"https://a.example/{path}" for path in expected]


@pytest.mark.parametrize(
    "text",
    [
        "a.example/1\nhttps://a.example/2\n",
        "name;page\nOne;a.example/1\nTwo;https://a.example/2\n",
        "name,url\nOne,a.example/1\nTwo,a.example/2\n",
        "page.url,x\nhttps://a.example/1,y\nhttps://a.example/2,y\n",
    ],
)
def test_https_is_added_in_a_table_that_is_a_file_and_not_in_one_of_a_site(text: str) -> None:
    found = urls(read_list(text.encode(), "file:///tmp/list.csv"))

    assert found == ["https://a.example/1", "https://a.example/2"]
    of_a_site = read_list(b"url\na.example/1\n", "https://b.example/list.csv", kind="csv")
    assert urls(of_a_site) == ["https://b.example/a.example/1"]


@pytest.mark.parametrize("column", ["", "address"])
def test_a_table_without_addresses_says_so(column: str) -> None:
    with pytest.raises(ListUnreadable, match="column"):
        read_list(b"a,b\n1,2\n", BASE, "text/csv", column=column)


def test_the_links_of_a_page_are_chosen_by_a_selector() -> None:
    everything = read_list(PAGE.encode(), BASE)
    chosen = read_list(PAGE.encode(), BASE, select="main div, main h2 a, main div div a")

    assert urls(everything)[0] == "https://news.example/about"
    assert everything.dropped == 0
    assert [(listed.url, listed.title) for listed in chosen.items] == [
        ("https://news.example/in/one", "One"),
        ("https://news.example/in/two?x=1", "Two more"),
    ]


def test_a_pattern_fits_whole_addresses_and_is_not_slow() -> None:
    fits = matching(("https://a.example/news/*", "*/s/*" + "*a" * 30)).match

    assert fits("https://a.example/news/1?x=2")
    assert not fits("http://a.example/news/1")
    assert not fits("https://b.example/s/" + "a" * 2000 + "b")
    assert matching(()).match("anything")


@pytest.mark.parametrize(
    ("kind", "data", "told"),
    [
        ("feed", PAGE, "the address returned a page instead of a feed"),
        ("sitemap", PAGE, "the address returned a page instead of a sitemap"),
        ("csv", PAGE, "the address returned a page instead of a table"),
        ("feed", SITEMAP, "returned a sitemap instead of a feed"),
        ("sitemap", RSS, "returned a feed instead of a sitemap"),
        ("", "{}", "not a feed, a sitemap"),
        ("feed", '{"version": "https://jsonfeed.org/version/1.1"}', "instead of a feed|not a feed"),
        ("", "<svg xmlns='http://www.w3.org/2000/svg'/>", "root element is <svg>"),
    ],
)
def test_what_is_not_the_list_that_was_expected_is_told(kind: str, data: str, told: str) -> None:
    with pytest.raises(ListUnreadable, match=told):
        read_list(data.encode(), BASE, kind=kind)


BOMB = '<!DOCTYPE r [<!ENTITY a "' + "x" * 999 + '">]>'


@pytest.mark.parametrize(
    ("kind", "data", "told"),
    [
        ("feed", f"{BOMB}<rss><channel><title>{'&a;' * 999}</title></channel></rss>", "entities"),
        ("sitemap", f"{BOMB}<urlset/>", "the document has a DOCTYPE declaration"),
        (
            "sitemap",
            '<!DOCTYPE u SYSTEM "file:///etc/passwd"><urlset/>',
            "the document has a DOCTYPE declaration",
        ),
        ("feed", "<rss>" + "<a>" * 100 + "</a>" * 100 + "</rss>", "nested more than"),
        ("sitemap", "<urlset>" + "<a>" * 100, "nested more than"),
        ("feed", "<rss>" + "&" * (2 << 20), "too long"),
        ("feed", "<rss><channel>" + "<item/>" * 50_001 + "</channel></rss>", "50000 entries"),
        ("feed", "<rss><channel>" + "<b/>" * 600_001 + "</channel></rss>", "600000 tags"),
        ("sitemap", "<urlset><url>", "not well-formed"),
    ],
)
def test_what_would_harm_a_parser_never_reaches_it(kind: str, data: str, told: str) -> None:
    with pytest.raises(ListUnreadable, match=told):
        read_list(data.encode(), BASE, kind=kind)


def test_entities_are_refused_in_every_encoding() -> None:
    text = f"\ufeff{BOMB}<rss><channel><title>&a;</title></channel></rss>"

    with pytest.raises(ListUnreadable, match="entities"):
        read_list(text.encode("utf-16-be"), BASE, kind="feed")


def test_a_gzip_bomb_ends_at_the_limit() -> None:
    block = gzip.compress(b"\0" * (1 << 20))

    with pytest.raises(ListUnreadable, match="after decompression"):
        read_list(block * 60, BASE, kind="sitemap")
    with pytest.raises(ListUnreadable, match="the gzip file ends too early"):
        read_list(block[:-9], BASE, kind="sitemap")
    with pytest.raises(ListUnreadable, match="damaged"):
        read_list(b"\x1f\x8bnothing of the kind", BASE, kind="sitemap")


def test_a_list_without_end_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_ITEMS", 100)
    many = "\n".join(f"https://a.example/{number}" for number in range(102))

    found = read_list(many.encode(), BASE, "text/plain")

    assert (len(found.items), found.truncated) == (100, True)


@pytest.mark.parametrize(
    "address",
    [
        "", "javascript:x()", "ftp://a.example/", "https://", "https://u:p@a.example/",
        "https://a.example\\@b.example/", "https://a.example:99999/", "http://[", "/a\x07b",
        "https://a.example/" + "x" * 2048, "/\u202eb", "/a\nb",
    ],
)  # fmt: skip
def test_an_address_that_could_not_be_captured_is_no_item(address: str) -> None:
    assert absolute(BASE, address) == ""


def test_a_title_is_one_line_that_can_be_printed() -> None:
    found = listing.one_line(" a\n\tb\x1b[31m\u202e c " + "x" * 999, 20)

    assert found == "a b[31m c…"


@given(st.binary(max_size=300), st.sampled_from(["", "feed", "sitemap", "csv", "html"]))
def test_whatever_bytes_come_a_list_or_our_error_comes_of_them(data: bytes, kind: str) -> None:
    for prefix in (b"", b"<rss><channel><item>", b"<urlset><url><loc>", b"url\n", b"<html>"):
        try:
            found = read_list(prefix + data, BASE, kind=kind)
        except ListUnreadable:
            continue
        assert all(absolute(BASE, listed.url) == listed.url for listed in found.items)


def test_comments_before_a_page_do_not_hide_it_and_do_not_hold_anybody_up() -> None:
    assert kind_of(f" <!-- a --> <!-- b -->\n{PAGE}".encode()) == "html"
    assert kind_of(b"<!-- <html> -->" + RSS.partition("?>")[2].encode()) == "feed"
    assert kind_of(b"<!---->" * 1_000 + b"<x>") == "feed"  # whose reader says what is wrong
    assert kind_of(b"<!--" * 1_000) == "feed"


def test_what_a_list_is_is_told_by_its_bytes() -> None:
    assert [kind_of(text.encode(), "text/html") for text in (RSS, ATOM, SITEMAP, INDEX, PAGE)] == [
        "feed", "feed", "sitemap", "sitemap", "html",
    ]  # fmt: skip


@pytest.mark.parametrize("wrong", ["", "& "])
def test_an_element_of_very_many_attributes_is_not_given_to_a_reader_that_is_slow_with_them(
    wrong: str,
) -> None:
    many = " ".join(f'a{number}="1"' for number in range(60_000))  # minutes, of 600 KB

    with pytest.raises(ListUnreadable, match="more than 100 attributes"):
        read_list(f"<rss><channel><item {many}/>{wrong}</channel></rss>".encode(), BASE)
