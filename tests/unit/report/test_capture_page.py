"""The page about a capture: alone, closed, and with nothing of a stranger's working in it."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

import snapshotter.capture
from snapshotter.model.annotation_state import CaptureState, Decision, Note
from snapshotter.model.assessment import Availability, Content
from snapshotter.model.finding import Code, Finding, Report
from snapshotter.model.sentences import step_name
from snapshotter.model.takedown import Observation
from snapshotter.report.capture_page import ACTION_WORDS, CaptureMaterial, RequestRow, page
from snapshotter.report.html import print_margins
from snapshotter.report.local_time import LocalTime
from snapshotter.report.picture_copies import CopyPiece, PictureCopy

AT = datetime(2026, 11, 29, 23, 16, 5, tzinfo=UTC)
ID = "20261129t231605z-abcdefghijklmnop"
HOSTILE = (
    "</title></style><script>alert(1)</script><img src=x onerror=alert(1)> \u202egpj.exe\u202c "
    "\x1b[2J &amp; \ud800"
)
RECORD: dict[str, Any] = {
    "content": {"images": {"wanted": 2, "loaded": 2, "failed": 0}},
    "outcome": {"state": "complete", "reasons": []},
    "signers": [{"key_id": "ab" * 32, "algorithm": "ecdsa-p384-sha384"}],
    "what": {
        "final_url": "https://news.test/a",
        "http_status": 200,
        "requested_url": "https://news.test/a",
        "title": "A story",
    },
    "when": {"started_at": "2026-11-29T23:16:05Z"},
}
PASSED = Report(
    findings=(Finding.passed("hashes", "all files match"),), bundle_id=ID, captured_at=AT,
    requested_url="https://news.test/a", sha256="cd" * 32, proven_time=AT, authorities=("One",),
    trust="the keys of a test",
)  # fmt: skip
FAILED = replace(PASSED, findings=(Finding.failed("hashes", Code.HASH, "a file differs"),))
MATERIAL = CaptureMaterial(
    name=ID, store="captures", report=PASSED, headline="The page was available.", record=RECORD,
    made_at=AT + timedelta(hours=1), software="snapshotter 0", without="openssl",
)  # fmt: skip


class Tags(HTMLParser):
    """The elements and attributes of a page, and its text outside of style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    @override
    def handle_data(self, data: str) -> None:
        self.text += data if self.tags[-1:] != ["style"] else ""


def made(material: CaptureMaterial = MATERIAL, local: LocalTime | None = None) -> str:
    return page(material, local or LocalTime(zone=UTC)).decode()


def observed(number: int) -> Observation:
    at = AT + timedelta(days=number)
    return Observation(
        bundle_id=ID if number == 0 else f"{at:%Y%m%dt%H%M%S}z-abcdefghijklmnop", sha256="00" * 32,
        identity="//news.test/a", url="https://news.test/a", at=at, began_at=at,
        content=Content.CONTENT, availability=Availability.AVAILABLE,
    )  # fmt: skip


def test_the_page_has_no_script_and_may_load_nothing() -> None:
    text = made()

    tags = Tags(text)
    assert "script" not in tags.tags
    policy = re.findall('http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert len(policy) == 1
    assert policy[0].startswith("default-src &#39;none&#39;; style-src &#39;sha256-")
    addresses = [value for name, value in tags.attributes if name in ("src", "href") and value]
    assert [value for value in addresses if not value.startswith(("#", "data:"))] == []
    assert not [name for name, _ in tags.attributes if name.startswith("on") or name == "style"]


def test_what_a_stranger_wrote_is_text_in_every_place() -> None:
    def spoiled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: spoiled(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [spoiled(inner) for inner in value]
        return HOSTILE if isinstance(value, str) else value

    record = spoiled(RECORD) | {
        "how": {
            "actions": [{"kind": HOSTILE, "detail": HOSTILE}],
            "steps": [{"name": HOSTILE, "state": HOSTILE, "detail": HOSTILE}],
            "settings": {"locale": HOSTILE},
        },
        "limits": [HOSTILE],
        "outcome": {"state": "partial", "reasons": [{"code": HOSTILE, "detail": HOSTILE}]},
        "redactions": [{"place": HOSTILE, "name": HOSTILE, "count": 1}],
    }
    record["content"]["document_language"] = '"><script>'

    text = made(
        replace(
            MATERIAL, record=record, text=HOSTILE, text_length=9, headline=HOSTILE,
            requests=(RequestRow(url=HOSTILE, media_type=HOSTILE, error=HOSTILE),),
            report=replace(PASSED, requested_url=HOSTILE, bundle_id=HOSTILE),
        )
    )  # fmt: skip

    tags = Tags(text)
    assert "script" not in tags.tags
    assert "img" not in tags.tags
    assert tags.text.count("<script>alert(1)</script>") >= 15
    assert not set("\u202e\u202c\x1b") & set(text)
    assert "lang" not in [name for name, value in tags.attributes if value != "en"]


@pytest.mark.parametrize("value", [None, 5, True, [], {}, "x", [[]], [5], {"what": 5}])
def test_a_record_of_any_form_gets_a_page(value: Any) -> None:
    record = dict.fromkeys((*RECORD, "how", "who", "from_whom", "redactions", "limits"), value)

    assert "Checks" in made(replace(MATERIAL, record=record))


def test_a_long_title_is_shortened_in_the_middle_and_whole_one_click_away() -> None:
    title = "a" * 500 + "MIDDLE" + "b" * 500
    text = made(replace(MATERIAL, record=RECORD | {"what": {"title": title}}))

    assert re.search("<h1[^>]*><span[^>]*>a{93}…b{46}</span>", text)
    assert "Show all 1\u202f006 characters" in text
    assert title in text


def test_an_altered_file_says_so_before_anything_else_and_answers_no_other_question() -> None:
    text = made(replace(MATERIAL, report=FAILED, headline="The proof is not intact."))

    body = text[text.index("<main") :]
    assert body.index("Do not rely on this file") < body.index("The proof is not intact.")
    assert body.index("The proof is not intact.") < body.index("A story")
    answers = re.findall("<dd><span class=.state (\\w+).*?<span>([^<]*)</span></span></dd>", text)
    assert answers[:3] == [
        ("open", "Not established"), ("open", "Not established"), ("bad", "Not intact"),
    ]  # fmt: skip
    assert "existed by" not in text


def test_a_file_without_a_readable_record_gets_a_page_with_its_checks() -> None:
    text = made(replace(MATERIAL, report=FAILED, record={}))

    assert "The record of this capture cannot be read" in text
    assert "a file differs" in text


def test_times_are_those_of_the_reader_with_utc_beside() -> None:
    text = made(local=LocalTime(zone=timezone(timedelta(hours=8))))

    shown = '<time datetime="2026-11-29T23:16:05Z">30 Nov 2026, 07:16:05 '
    assert f'{shown}<span class="utc">(29 Nov, 23:16:05 UTC)</span></time>' in text
    assert "Times are in UTC+08:00, with UTC beside." in text


def test_what_is_missing_is_a_sentence_with_its_code() -> None:
    outcome = {
        "state": "partial",
        "reasons": [{"code": "images-missing", "detail": "1 of 3"}],
        "warnings": [{"code": "clock-skew", "detail": "far"}],
    }
    text = made(replace(MATERIAL, record=RECORD | {"outcome": outcome}))

    assert "Images of the page are missing." in text
    assert "images-missing" in text
    assert text.index("Warnings</h3>") < text.index(">A time that") < text.index("clock-skew")
    assert text.index("clock-skew") < text.index(">far<")
    assert "No missing part is known." not in text
    assert "No missing part is known." in made()


@pytest.mark.parametrize(
    ("captured", "words"),
    [
        (400, "does not show the whole page: 400 of 900 CSS pixels."),
        (900, "does not show the whole width of the page: 9000 CSS pixels."),
    ],
)
def test_a_picture_of_a_part_of_the_page_states_what_is_cut(captured: int, words: str) -> None:
    size = {"captured_height": captured, "height": 900, "width": 9000, "truncated": True}
    record = RECORD | {"content": {"page_size": size}}

    text = made(replace(MATERIAL, record=record))

    assert words in text
    assert text.count("The picture does not show") == 1


def test_the_captures_before_and_after_are_named_with_their_command() -> None:
    text = made(replace(MATERIAL, captures=tuple(map(observed, range(-6, 7)))))

    assert f"snapshotter open {observed(-1).bundle_id}" in text
    assert f"snapshotter open {observed(1).bundle_id}" in text
    assert "Captures of this page: 13" in text
    assert len(re.findall("aria-current", text)) == 1
    assert text.count("<li", text.index('class="strip"'), text.index('class="around"')) == 9


def test_a_print_has_the_id_and_the_digest_on_each_sheet_and_no_text_of_a_stranger() -> None:
    assert f'content: "snapshotter · capture {ID}"' in made()
    assert 'content: "SHA-256 of the bundle: cdcd cdcd cdcd cdcd …"' in made()
    strange = replace(PASSED, bundle_id='x"; } body { display: none')
    assert "@top-left" not in made(replace(MATERIAL, report=strange))
    assert 'content: "a\\22  \\7d  b\\5c u202e"' in print_margins('a" } b\u202e', "")


def test_a_possible_removal_names_the_command_that_compares() -> None:
    text = made(replace(MATERIAL, lost_since=observed(-1)))

    assert "Possible removal" in text
    assert f"snapshotter diff {observed(-1).bundle_id} {ID}" in text
    assert "Possible removal" not in made()
    assert "Possible removal" not in made(replace(MATERIAL, lost_since=observed(-1), report=FAILED))


def test_annotations_are_shown_as_text_and_apart_from_the_evidence() -> None:
    decision = Decision(
        number=1, name="needs-work", at=AT, author="", role="", reason=f"why? {HOSTILE}"
    )
    note = Note(number=2, at=AT, author=HOSTILE, role="", text=HOSTILE, erased=False)
    state = CaptureState(cases={"harbour": 7}, tags={"media": None}, notes=[note], review=decision)
    text = made(replace(MATERIAL, annotations=state))

    tags = Tags(text)
    assert "script" not in tags.tags
    assert "(Exhibit 7)" in tags.text
    assert "Needs work, (no name)" in tags.text
    assert "Annotations are signed apart from the bundle." in tags.text
    assert "Cases, tags, notes" not in made()  # a file has none


def test_the_picture_of_a_graphic_capture_is_behind_a_click() -> None:
    picture = PictureCopy(
        pieces=(CopyPiece(url="data:image/webp;base64,", top=0, width=9, height=9),), width=9,
        height=9, cut=False,
    )  # fmt: skip
    decision = Decision(number=1, name="graphic", at=AT, author="", role="", reason="")
    plain = replace(MATERIAL, picture=picture, picture_path="capture/screenshot.png")
    marked = replace(plain, annotations=CaptureState(marks={"graphic": decision}))

    assert re.search(
        "<details><summary>This capture is marked as graphic.*?<img", made(marked), re.S
    )
    assert "marked as graphic" not in made(plain)
    assert "<img" in made(plain)


def test_the_same_material_makes_the_same_page() -> None:
    assert made() == made()


def test_each_action_and_each_step_of_a_capture_has_words_for_people() -> None:
    folder = Path(snapshotter.capture.__file__).parent
    source = "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.py")))
    actions = set(re.findall(r'note\(\s*"([a-z-]+)"', source))
    steps = set(re.findall(r'(?:begin_step|step)\(\s*"([a-z-]+)"', source))

    assert {"stop-loading", "scroll", "print"} <= actions
    assert actions - set(ACTION_WORDS) == set()
    assert {"launch", "record", "close"} <= steps
    assert [step for step in sorted(steps) if not step_name(step)] == []
