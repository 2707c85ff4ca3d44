"""The page of a comparison: alone, closed, and with nothing of a stranger's working in it."""

import base64
import hashlib
import io
import re
from dataclasses import replace
from datetime import UTC
from functools import partial
from html import escape
from html.parser import HTMLParser

import pytest
from PIL import Image
from typing_extensions import override

from snapshotter.compare import captures, masks
from snapshotter.compare.captures import ComparableCapture
from snapshotter.model.comparison import ComparedCapture, Comparison, ComparisonState, ValueChange
from snapshotter.model.reading import Region
from snapshotter.model.request import MaskRules
from snapshotter.report import diff, html
from snapshotter.report.local_time import LocalTime
from snapshotter.report.picture_copies import make_picture_copy
from tests.unit.compare.pages import AT, URL, Line, assessment, page, picture, shot

MAIN, TEASER = Region.MAIN, Region.TEASER
ARTICLE: list[Line] = [(MAIN, "WeChat removed at least 40 accounts."), (TEASER, "Tea today...")]
HOSTILE = (
    "</p><script>alert(1)</script><img src=x onerror=alert(1)> \u202egpj.exe\u202c \x1b[2J &amp;"
)


def captured(lines: list[Line], name: str, title: str = "A story") -> ComparableCapture:
    side = ComparedCapture(
        bundle_id=name, sha256="00" * 32, verification="passed", codes=(), requested_url=URL,
        final_url=URL, captured_at=AT, proven_at=AT, identity="//news.test/2014", http_status=200,
        title=title, standing=None,
    )  # fmt: skip
    return ComparableCapture(
        side=side, page=page(lines), assessment=assessment(lines),
        shots={"whole page": picture(lines)}, conditions={"locale": "en-US"},
    )  # fmt: skip


def compared(
    after: list[Line], title: str = "A story", rules: MaskRules | None = None
) -> Comparison:
    return captures.compare(
        captured(ARTICLE, "one"), captured(after, "two", title), masks.read(rules or MaskRules())
    )


def made(found: Comparison) -> str:
    shots = [picture(ARTICLE), picture(ARTICLE)]
    copies = {
        "whole page": (make_picture_copy(shots[0].files, 1), make_picture_copy(shots[1].files, 1))
    }
    return diff.page(found, copies, LocalTime(zone=UTC)).decode()


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.style = self.script = ""
        self._inside = ""

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    @override
    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    @override
    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self.style += data
        if self._inside == "script":
            self.script += data


def read(text: str) -> _Tags:
    found = _Tags()
    found.feed(text)
    return found


def test_the_page_runs_and_loads_nothing_but_its_own() -> None:
    found = read(made(compared([(MAIN, "WeChat removed at least 41 accounts."), ARTICLE[1]])))

    policy = next(
        attributes["content"] for tag, attributes in found.tags if attributes.get("http-equiv")
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    for kind, text in (("script", found.script), ("style", found.style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    for tag, attributes in found.tags:
        assert not any(name.startswith("on") or name in ("style", "src") for name in attributes), (
            tag
        )
        target = attributes.get("href") or attributes.get("xlink:href") or "#"
        assert target.startswith(("#", "data:image/webp;base64,")), tag


def test_what_changed_is_told_by_words_and_not_by_colour_alone() -> None:
    text = made(compared([(MAIN, "WeChat removed at least 41 accounts."), ARTICLE[1]]))

    assert '<del><span class="word">removed</span><bdi dir="auto">40</bdi></del>' in text
    assert '<ins><span class="word">added</span><bdi dir="auto">41</bdi></ins>' in text


@pytest.mark.parametrize("where", ["main", "teaser", "title"])
def test_nothing_of_a_hostile_page_becomes_markup_or_turns_the_text(where: str) -> None:
    after = [
        (MAIN, HOSTILE) if where == "main" else ARTICLE[0],
        (TEASER, HOSTILE) if where == "teaser" else ARTICLE[1],
    ]
    text = made(compared(after, HOSTILE if where == "title" else "A story"))

    assert "<script>alert" not in text
    assert "onerror" in text  # it is shown, as words
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f]", text)
    assert "\\u202e" in text
    assert len([tag for tag in read(text).tags if tag[0] == "script"]) == 1


def test_main_region_only_is_on_when_the_page_is_opened_and_says_what_it_leaves_out() -> None:
    text = made(compared([ARTICLE[0], (TEASER, "Coffee today...")]))

    assert '<input type="checkbox" id="main-only" checked>' in text
    assert "Main region: <strong>unchanged</strong>" in text
    assert "Changes outside the main region: 1." in text


def test_where_no_main_region_is_known_nothing_is_left_out() -> None:
    one, other = captured(ARTICLE, "one"), captured([ARTICLE[0], (TEASER, "Coffee")], "two")
    found = captures.compare(
        replace(one, assessment=None), replace(other, assessment=None), masks.read(MaskRules())
    )

    assert found.text.main is ComparisonState.UNKNOWN
    assert '<input type="checkbox" id="main-only">' in made(found)


def test_places_and_values_have_names_and_their_technical_names_are_details() -> None:
    found = compared([(MAIN, "WeChat removed at least 41 accounts."), (TEASER, "Coffee today...")])
    assert found.text.changes[0].after is not None
    selector = found.text.changes[0].after.selector
    stated = ValueChange(name="byline", before=("A. One",), after=("B. Two",))
    unknown = ValueChange(name="a value of a policy", before=("1",), after=("2",))
    page = made(replace(found, metadata=(stated, unknown)))
    shown = re.sub(r"(?s)<details.*?</details>", "", page)

    assert "links to other articles" in shown
    assert ">Author<" in shown
    assert ">A value of a policy<" in shown
    for technical in (escape(selector), "byline", "teaser"):
        assert f">{technical}<" not in shown
    assert f"<code>{escape(selector)}</code></details>" in page
    assert "<code>byline</code></details>" in page
    assert "Technical name" not in page.partition("A value of a policy")[2].partition("</tr>")[0]


def test_masks_and_a_failed_verification_are_said() -> None:
    found = compared(
        [ARTICLE[0], (TEASER, "Tea tomorrow...")], rules=MaskRules(patterns=("Tea [a-z]+",))
    )
    failed = replace(found, after=replace(found.after, verification="failed", codes=("HASH",)))

    text = made(failed)

    assert "<code>Tea [a-z]+</code>" in text
    assert "The proof of the later capture is not intact." in text
    assert "FAILED: the proof is not intact (HASH)" in text


def test_a_tall_picture_is_shown_in_pieces_as_far_as_it_goes() -> None:
    image = Image.new("RGB", (30, 5000), "white")

    found = make_picture_copy(shot(image, image, scale=2).files, 2)

    assert found is not None
    assert (found.width, found.height, found.cut) == (15, 5000, False)
    assert [piece.top for piece in found.pieces] == [0, 2048, 4096]


def test_what_is_no_picture_is_shown_as_none() -> None:
    broken = picture(ARTICLE).files[0]().read()[:200]

    assert make_picture_copy([partial(io.BytesIO, broken)], 1) is None


def test_a_picture_that_is_wider_than_any_is_not_read() -> None:
    wide = bytearray(picture(ARTICLE).files[0]().read())
    wide[16:20] = (1 << 30).to_bytes(4, "big")

    assert make_picture_copy([partial(io.BytesIO, bytes(wide))], 1) is None


def test_the_slider_and_the_switches_have_names_for_who_does_not_see_them() -> None:
    found = read(made(compared(ARTICLE)))

    labels = {attributes["for"] for tag, attributes in found.tags if tag == "label"}
    inputs = {attributes["id"] for tag, attributes in found.tags if tag == "input"}
    assert inputs
    assert inputs == labels


def test_joiners_stay_and_marks_of_direction_do_not() -> None:
    assert html.escape_misleading("👨\u200d👩 \u202e\u0007") == "👨\u200d👩 \\u202e\\u0007"
