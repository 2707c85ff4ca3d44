"""The page of a capture report: alone, closed, and with nothing of a stranger's working in it."""

import re
from dataclasses import replace
from datetime import UTC

import pytest

from snapshotter.model.capture_report import (
    Basis,
    CaptureReport,
    Column,
    Field,
    Group,
    Kind,
    Presence,
    Row,
    ShownPicture,
    Source,
    Statement,
    Table,
    Withheld,
)
from snapshotter.model.finding import Code, Finding, Verdict
from snapshotter.report.capture_report import as_json, page
from snapshotter.report.local_time import LocalTime
from snapshotter.report.picture_copies import CopyPiece, PictureCopy
from tests.unit.report.test_capture_page import AT, HOSTILE, ID, Tags

SHOWN = HOSTILE.replace("\ud800", "")
ADDRESS = f"http://news.test/{'a' * 2_000}/{SHOWN}"
PIXEL = "data:image/jpeg;base64,AAAA"


def field(key: str, value: str, kind: Kind = Kind.TEXT) -> Field:
    return Field(
        key=key, term=key, value=value, kind=kind, basis=Basis.STATED,
        source=Source(file="capture/capture.json", pointer=f"/what/{key}"),
    )  # fmt: skip


URL = field("requested_url", ADDRESS, Kind.ADDRESS)
EXHIBIT = field("exhibit", "Harbour \u202e<b>, Exhibit 7")
REPORT = CaptureReport(
    bundle_id=ID, title=SHOWN, language='"><script>', verdict=Verdict.PASSED,
    sentences=("The page was available.",),
    statements=(
        Statement(
            key="captured", text="On 30 Nov 2026, somebody captured this:", basis=Basis.STATED,
            fields=("what.requested_url",), shown=URL,
        ),
        Statement(key="page", text=SHOWN, fields=("what.title",), basis=Basis.STATED),
    ),
    missing=(SHOWN,),
    picture=ShownPicture(
        path=SHOWN, sha256="ab" * 32, width=100, height=300, is_whole_page=True, is_cut=False,
        is_narrowed=True,
        is_graphic=False,
    ),
    text=SHOWN, text_total=9,
    groups=(
        Group(
            key="what", term="What was captured",
            items=(
                URL, EXHIBIT, field("title", SHOWN), field("policy", SHOWN, Kind.BLOCK),
                field("started_at", SHOWN, Kind.INSTANT),
                replace(
                    field("notice", ""), value=Withheld(committed="ef" * 32),
                    presence=Presence.WITHHELD,
                ),
                replace(field("worker", ""), value=None, presence=Presence.ABSENT),
                Table(
                    key="rows", term="Rows", total=5, empty="None.", note=SHOWN,
                    source=Source(file="capture/custody.jsonl"),
                    columns=(
                        Column(key="url", term="Address", kind=Kind.ADDRESS),
                        Column(key="note", term="Note", under="url"),
                    ),
                    rows=(
                        Row(values=(ADDRESS, SHOWN), basis=Basis.STATED, source=Source(file=SHOWN)),
                        Row(values=(None, None), basis=Basis.VERIFIED, source=Source(file=SHOWN)),
                    ),
                ),
            ),
        ),
    ),
    findings=(
        Finding.passed("hashes", SHOWN),
        Finding.indeterminate("timestamp", Code.TS_MISSING, "none"),
    ),
    verified_at=AT, software="snapshotter 0", trust=SHOWN, zone="UTC", commands="openssl",
    limits=(("It does not prove this.", "That helps."),), unread=(SHOWN,),
)  # fmt: skip
PICTURE = PictureCopy(
    pieces=tuple(
        CopyPiece(url=PIXEL, top=top, width=100, height=120) for top in (0, 110, 220)
    ),
    width=100, height=340, cut=False, overlap=10,
)  # fmt: skip


def made(report: CaptureReport = REPORT, picture: PictureCopy | None = PICTURE) -> str:
    return page(report, picture, LocalTime(zone=UTC), digest="cd" * 32).decode()


def test_what_a_stranger_wrote_is_text_in_every_place() -> None:
    text = made()

    tags = Tags(text)
    assert "script" not in tags.tags
    assert {value for name, value in tags.attributes if name == "src"} == {PIXEL}
    assert not [name for name, _ in tags.attributes if name.startswith("on") or name == "style"]
    assert tags.text.count("<script>alert(1)</script>") >= 12
    assert not set("\u202e\u202c\x1b") & set(text)
    assert {value for name, value in tags.attributes if name == "lang"} == {"en"}
    style = text[text.index("<style>") : text.index("</style>")]
    assert "<" not in style.removeprefix("<style>")
    assert text.index("</style>") > text.index("@page")


def test_the_page_may_load_nothing_and_links_only_into_itself() -> None:
    text = made()

    policy = re.findall('http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert len(policy) == 1
    assert policy[0].startswith("default-src &#39;none&#39;; style-src &#39;sha256-")
    tags = Tags(text)
    links = [value for name, value in tags.attributes if name == "href" and value]
    assert all(value.startswith("#") for value in links)
    ids = {value for name, value in tags.attributes if name == "id"}
    named = {link.removeprefix("#") for link in links}
    assert named <= ids
    assert {"picture", "verification", "what"} <= named


def test_an_address_of_2000_characters_is_whole_wherever_it_stands() -> None:
    text = made()

    assert text.count("a" * 2_000) == 3  # on the first page, as a field, and in a table
    assert "Show all" not in text.partition("How to read the values")[0]


def test_each_value_names_its_source_and_who_vouches_for_it() -> None:
    text = made()

    assert "<code>#/<wbr>what/<wbr>title</code>" in text  # no line ends within a word
    assert "stated, signed" in text
    assert "<strong>Withheld</strong>, commitment" in text
    assert "Not stated: worker." in text
    assert "The source has further rows: 3." in text


def test_a_tall_picture_is_printed_in_parts_whose_overlap_is_stated() -> None:
    text = made()

    assert (
        "The report shows the picture in 3 parts. The first 10 CSS pixels of each part repeat"
        in text
    )
    assert "Part 2 of 3: CSS pixels 110 to 230 from the top" in text
    assert ".piece + .piece { margin-top: -10.0000%; }" in text
    assert text.count('<figure class="piece">') == 3


def test_the_head_of_each_sheet_has_exhibit_id_and_shortened_address() -> None:
    head = re.findall(r'@top-left \{ content: "([^"]*)"', made())

    assert len(head) == 1
    assert head[0].startswith(rf"Harbour \5c u202e\3c b\3e , Exhibit 7 · {ID} · http:")
    assert "…" in head[0]


def test_a_graphic_picture_is_not_on_the_first_page() -> None:
    picture = REPORT.picture
    assert picture is not None
    hidden = made(replace(REPORT, picture=replace(picture, is_graphic=True)))

    assert 'class="top"' in made()
    assert 'class="top"' not in hidden
    assert "marked as graphic" in hidden


@pytest.mark.parametrize("picture", [None, PICTURE])
def test_json_and_page_are_made_of_the_same_value(picture: PictureCopy | None) -> None:
    report = REPORT if picture else replace(REPORT, picture=None)

    found = as_json(report)

    assert found["format"] == "snapshotter-capture-report/1"
    assert found["fields"]["what"]["title"]["value"] == SHOWN  # type: ignore[index, call-overload]
    assert (found["picture"] is None) is (picture is None)
    assert ("The capture has no picture" in made(report, picture)) is (picture is None)


def test_what_a_copy_withholds_is_shown_in_blocks_and_in_columns_of_numbers() -> None:
    policy = replace(
        field("policy", "", Kind.BLOCK), value=None, presence=Presence.WITHHELD,
        note="The file capture/policy.toml is withheld.",
    )  # fmt: skip
    skew = Table(
        key="clock", term="Clock", total=1, empty="None.", source=Source(file="a"),
        columns=(Column(key="skew_ms", term="Difference", kind=Kind.MILLISECONDS),),
        rows=(
            Row(values=(Withheld(committed="ef" * 32),), basis=Basis.STATED,
                source=Source(file="a")),
        ),
    )  # fmt: skip
    group = Group(key="how", term="How", items=(policy, skew))

    text = made(replace(REPORT, groups=(*REPORT.groups, group)))

    assert "The file capture/policy.toml is withheld." in text
    # A cell of numbers does not break its line, and would make the sheet wider than the paper.
    cell = text[text.index('data-label="Difference"') :]
    assert "<strong>Withheld</strong>" in cell.partition("</td>")[0]
    assert "number" not in cell.partition(">")[0]


def test_a_sentence_about_an_absent_value_has_no_mark_that_somebody_stated_it() -> None:
    told = Statement(
        key="operator", text="Nobody is named.", fields=("what.worker",), basis=Basis.STATED
    )
    marked = replace(told, text="The title is known.", fields=("what.title",))

    text = made(replace(REPORT, statements=(told, marked)))

    assert "<p>Nobody is named.</p>" in text
    assert '<p>The title is known. <span class="basis">(stated, signed)</span></p>' in text
