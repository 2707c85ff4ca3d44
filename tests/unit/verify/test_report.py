"""The report: plain words, and nothing that a hostile page could do to a terminal."""

import json
from datetime import UTC, datetime

import pytest

from snapshotter.formats.printable import printable
from snapshotter.model.finding import Code, Finding, Report, Verdict
from snapshotter.verify import report

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def _report(verdict: Verdict, code: Code, detail: str = "a sentence") -> Report:
    return Report(
        findings=(Finding(check="time", verdict=verdict, code=code, detail=detail),),
        bundle_id="id",
        requested_url="http://a/",
        captured_at=AT,
        proven_time=AT,
        sha256="0" * 64,
        length=7,
        trust="a test",
    )


PASSED = _report(Verdict.PASSED, Code.OK)
FAILED = _report(Verdict.FAILED, Code.HASH)
UNCLEAR = _report(Verdict.INDETERMINATE, Code.KEY_UNKNOWN)


@pytest.mark.parametrize(
    ("found", "word", "code"),
    [(PASSED, "PASSED", 0), (FAILED, "FAILED", 10), (UNCLEAR, "INDETERMINATE", 11)],
)
def test_each_verdict_has_its_words_and_its_exit_code(found: Report, word: str, code: int) -> None:
    assert any(line.startswith(f"proof: {word} (") for line in report.lines(found))
    assert report.EXIT_CODES[found.verdict] == code


def test_no_findings_at_all_are_not_a_pass() -> None:
    empty = Report(findings=())

    assert empty.verdict is Verdict.INDETERMINATE
    assert report.as_json(empty)["verdict"] == "indeterminate"
    assert "PASSED" not in "\n".join(report.lines(empty))


def test_unknown_does_not_look_like_tampered_nor_like_fine() -> None:
    text = "\n".join(report.lines(UNCLEAR))

    assert "KEY_UNKNOWN" in text
    assert "No check failed. The lines marked ? state which results are not established." in text
    assert "FAIL" not in text
    assert "ok " not in text


def test_the_json_form_has_the_promised_fields() -> None:
    value = report.as_json(FAILED)

    assert value["verdict"] == "failed"
    assert value["findings"] == [
        {"check": "time", "code": "HASH", "detail": "a sentence", "verdict": "failed"}
    ]
    assert value["proven_time"] == value["captured_at"] == "2026-01-02T03:04:05Z"
    assert (value["bundle_id"], value["requested_url"]) == ("id", "http://a/")


@pytest.mark.parametrize(
    "bad", ["\x1b[2J", "\r", "\n", "\u202e", "\u200b", "\x9b31m", "\ud800", "\u2028"]
)
def test_what_a_page_names_itself_can_not_steer_a_terminal(bad: str) -> None:
    hostile = _report(Verdict.FAILED, Code.HASH, f"a{bad}b")

    (line,) = (line for line in report.lines(hostile) if "FAIL time" in line)

    assert bad not in line
    assert f"a\\u{ord(bad[0]):04x}" in line


def test_an_escape_means_one_thing() -> None:
    assert printable("\U000e0001") == "\\U000e0001"
    assert printable("\u0e00" + "01") == "\\u0e0001"  # not assigned, then two digits


@pytest.mark.parametrize("text", ["世界", "שלום", "naïve café", "😀", "∀x∈ℝ", "a\u00a0b"])
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert printable(text) == text
    assert text in report.json_line({"title": text})


@pytest.mark.parametrize(
    "text", ["\x9b2J", "\x7f", "\u202e", "👩\u200d🔬", "\U000e0001", "\ud800", "\u2028", "\\u202e"]
)
def test_json_shows_a_terminal_escapes_and_a_parser_the_same_value(text: str) -> None:
    line = report.json_line({text: text})

    assert json.loads(line) == {text: text}
    assert line.encode("utf-8")
    assert all(character.isprintable() for character in line)


def test_a_finding_that_contradicts_itself_is_not_built() -> None:
    with pytest.raises(ValueError, match="OK"):
        _report(Verdict.PASSED, Code.HASH)
    with pytest.raises(ValueError, match="OK"):
        _report(Verdict.FAILED, Code.OK)
    with pytest.raises(TypeError):
        bool(Verdict.FAILED)
