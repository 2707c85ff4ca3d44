"""The page of a declaration draft: blanks drawn, and nothing of a stranger's working in it."""

import re
from dataclasses import replace
from datetime import UTC
from typing import Any

from snapshotter.model.capture_report import Basis, Column, Kind, Row, Source, Table
from snapshotter.model.declaration import (
    Blank,
    Declaration,
    DeclaredBundle,
    Quoted,
    Section,
    Sentence,
)
from snapshotter.model.finding import Verdict
from snapshotter.report.declaration import as_json, page
from snapshotter.report.local_time import LocalTime
from tests.unit.report.test_capture_page import AT, ID, Tags
from tests.unit.report.test_capture_report import ADDRESS, SHOWN, URL, field

BUNDLE = DeclaredBundle(
    bundle_id=ID, sha256="ab" * 32, manifest_sha256="cd" * 32, trust=SHOWN, verdict=Verdict.PASSED
)
DRAFT = Declaration(
    bundles=(BUNDLE,),
    sections=(
        Section(
            key="purpose", number="1", term=SHOWN,
            items=(
                Blank(key="court", term=SHOWN, number=1, lines=3),
                Blank(key="purpose", term="Tick", number=2, options=("902(13)", "902(14)")),
                Sentence(key="a", text=SHOWN, is_listed=True),
                Sentence(key="b", text="Second.", is_listed=True),
            ),
        ),
        Section(
            key="event", number="2.1", term="The capture", bundle_id=ID, level=2,
            items=(
                Sentence(
                    key="captured", text=SHOWN, fields=(f"{ID}/what.requested_url",),
                    basis=Basis.STATED, sources=(URL.source, Source(file=SHOWN)), shown=URL,
                ),
                Quoted(path=f"{ID}/what.title", item=field("title", SHOWN)),
                Quoted(path=f"{ID}/what.notice", item=field("notice", SHOWN)),
                Quoted(
                    path=f"{ID}/what.rows",
                    item=Table(
                        key="rows", term="Rows", total=2, empty="None.", note=SHOWN,
                        source=Source(file="capture/custody.jsonl"),
                        columns=(Column(key="url", term="Address", kind=Kind.ADDRESS),),
                        rows=(
                            Row(values=(ADDRESS,), basis=Basis.STATED, source=Source(file="a")),
                        ),
                    ),
                ),
                Blank(key="account", term="Account", number=3),
            ),
        ),
    ),
    self_test=None, verified_at=AT, software=SHOWN, zone="UTC",
)  # fmt: skip


def made(draft: Declaration = DRAFT) -> str:
    return page(draft, LocalTime(zone=UTC), digest="ef" * 32).decode()


def test_what_a_stranger_wrote_is_text_in_every_place() -> None:
    text = made()

    tags = Tags(text)
    assert {"script", "img"} & set(tags.tags) == set()
    assert not [name for name, _ in tags.attributes if name.startswith("on") or name == "style"]
    assert tags.text.count("<script>alert(1)</script>") >= 10
    assert not set("\u202e\u202c\x1b") & set(text)
    assert text.count("a" * 2_000) == 2  # an address is whole in a sentence and in a table
    style = text[text.index("<style>") : text.index("</style>")]
    assert "<" not in style.removeprefix("<style>")


def test_the_page_may_load_nothing_and_links_only_into_itself() -> None:
    text = made()

    policy = re.findall('http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert len(policy) == 1
    assert policy[0].startswith("default-src &#39;none&#39;; style-src &#39;sha256-")
    tags = Tags(text)
    links = {value for name, value in tags.attributes if name == "href" and value}
    ids = [value for name, value in tags.attributes if name == "id"]
    assert {link.removeprefix("#") for link in links} <= set(ids)
    assert len(ids) == len(set(ids))


def test_blanks_are_drawn_counted_and_listed_at_the_end() -> None:
    text = made()

    assert "DRAFT: 3 blanks to fill, not signed" in text
    assert 'content: "DRAFT of a declaration, blanks to fill: 3"' in text
    body, _, end = text.partition('<h2 id="blanks">Blanks to fill: 3</h2>')
    rules = re.findall(r'<div class="rules" aria-hidden="true">((?:<span></span>)*)</div>', body)
    assert [line.count("<span>") for line in rules] == [3, 1]
    assert body.count('<span class="tick"') == 2
    assert re.findall(r'href="#blank-(\d)"', end) == ["1", "2", "3"]
    assert re.findall(r'id="blank-(\d)"', body) == ["1", "2", "3"]
    assert "(section 2.1)" in end


def test_the_foot_of_a_sheet_names_the_bundle_and_its_digest() -> None:
    two = replace(DRAFT, bundles=(BUNDLE, replace(BUNDLE, bundle_id="other")))

    assert f"{ID} · SHA-256: abab abab abab abab …" in made()
    assert "Bundles: 2, section 1 names them" in made(two)


def test_each_statement_names_its_sources_and_who_vouches_for_it() -> None:
    text = made()

    assert "(stated, signed; <code>#/<wbr>what/<wbr>requested_<wbr>url</code>, <code>" in text
    assert text.count("<ol>") == 1
    assert "Second.</li>" in text


def test_json_and_page_are_made_of_the_same_value() -> None:
    found = as_json(DRAFT)

    assert (found["format"], found["self_test"]) == ("snapshotter-declaration/1", None)
    assert found["blanks"] == [
        {"bundle_id": None, "key": "court", "number": 1, "options": [], "section": "1",
         "term": SHOWN},
        {"bundle_id": None, "key": "purpose", "number": 2, "options": ["902(13)", "902(14)"],
         "section": "1", "term": "Tick"},
        {"bundle_id": ID, "key": "account", "number": 3, "options": [], "section": "2.1",
         "term": "Account"},
    ]  # fmt: skip
    sections: Any = found["sections"]
    items = sections[1]["items"]
    assert items[0]["value"] == ADDRESS
    assert items[1]["field"]["value"] == SHOWN
    assert items[3]["table"]["rows"][0]["values"] == {"url": ADDRESS}
    assert items[4] == {"blank": 3, "key": "account"}


def test_no_line_of_a_heading_ends_within_an_id() -> None:
    first = replace(DRAFT.sections[0], term=f"Annex, bundle {ID}")

    text = made(replace(DRAFT, sections=(first, *DRAFT.sections[1:])))

    assert f'Annex, bundle <span class="id">{ID}</span></h2>' in text
