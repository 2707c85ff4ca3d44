"""Received and shown text are compared by their words."""

from snapshotter.capture.page.text_difference import (
    distinct_words,
    extract_html_text,
    measure_text_difference,
)

ENGLISH = " ".join(f"word{i}" for i in range(100))
CHINESE = "".join(chr(0x4E00 + i) for i in range(200))


def test_the_same_text_does_not_differ_whatever_stands_around_it() -> None:
    document = f"<title>x</title><script>var unseen = 1</script><p>{ENGLISH}<p><b>{CHINESE}</b>"

    found = measure_text_difference(document.encode(), f"{ENGLISH}\n\n{CHINESE}")

    assert found is not None
    assert (found.not_shown, found.not_received) == (0, 0)


def test_a_page_whose_script_brings_the_text_was_not_received() -> None:
    found = measure_text_difference(b"<div id=app></div><script>render()</script>", ENGLISH)

    assert found is not None
    assert (found.not_shown, found.not_received) == (0, 100)


def test_an_article_that_gave_way_to_a_notice_was_not_shown() -> None:
    found = measure_text_difference(f"<p>{CHINESE}</p>".encode(), "此内容因违规无法查看")

    assert found is not None
    assert found.not_shown > 90


def test_too_little_text_is_not_compared() -> None:
    assert measure_text_difference(b"<p>one two three", "four five six") is None


def test_a_document_is_read_in_the_encoding_that_it_names() -> None:
    document = f"<meta charset=gb18030><p>{CHINESE}".encode("gb18030")

    for charset in ("", "gb18030", "nonsense"):
        found = measure_text_difference(document, CHINESE, charset=charset)
        assert found is not None
        assert found.not_shown == 0


def test_a_page_in_utf_8_that_calls_itself_gb2312_is_read_as_a_browser_shows_it() -> None:
    document = f"<meta charset=gb2312><p>{CHINESE}".encode()

    found = measure_text_difference(document, CHINESE.encode().decode("gb18030", "replace"))

    assert found is not None
    assert found.not_received <= 3  # a browser and Python begin anew after other bytes


def test_a_label_that_no_browser_knows_ends_no_comparison() -> None:
    assert measure_text_difference(ENGLISH.encode(), ENGLISH, charset="punycode") is not None


def test_blocks_are_apart_and_parts_of_words_are_not() -> None:
    assert extract_html_text("<p>one<p>two").split() == ["one", "two"]
    assert extract_html_text("w<b>or</b>d &amp; x<!-- <p>no -->").split() == ["word", "&", "x"]
    assert extract_html_text("<script>if (a<b) {}</script >after").split() == ["after"]


def test_chinese_is_compared_by_pairs_of_characters() -> None:
    assert distinct_words("漢字新聞 News") == {"漢字", "字新", "新聞", "news"}


def test_a_document_of_nothing_but_beginnings_is_read_to_its_end() -> None:
    for part in ("<script>", "<!--", "<", "<textarea", "<p "):
        extract_html_text(part * 100_000)
