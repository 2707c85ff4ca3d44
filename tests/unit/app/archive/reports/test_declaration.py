"""The draft of a declaration: only values that somebody answers for, no conclusion, all blanks."""

import copy
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest

from snapshotter.app import self_tests
from snapshotter.app.archive.reports.capture.evidence import Evidence
from snapshotter.app.archive.reports.capture.groups import groups
from snapshotter.app.archive.reports.capture.statements import LIMITS, statements
from snapshotter.app.archive.reports.declaration.draft import make_declaration, require_verified
from snapshotter.app.self_tests import SelfTest
from snapshotter.errors import EvidenceInvalid, EvidenceUnverifiable, UsageMistake
from snapshotter.formats.signatures.signed_statement import Signer
from snapshotter.formats.statements import validation as validations
from snapshotter.model.capture_report import Basis, CaptureReport, Field, Presence, Table
from snapshotter.model.declaration import Declaration, Quoted, Section, Sentence
from snapshotter.model.finding import Code, Finding, Verdict
from snapshotter.model.known_limits import KNOWN_LIMITS
from snapshotter.report import declaration as drafts
from snapshotter.report.declaration import page
from snapshotter.report.local_time import LocalTime
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.trust import Trust
from tests import bundles
from tests.bundles import ChainAuthority, RealClock
from tests.unit import validation_reports
from tests.unit.app.archive.reports.test_capture_report import report_of
from tests.unit.report.test_capture_page import AT, MATERIAL, PASSED, Tags

UTC_TIME = LocalTime(zone=UTC)
# Words by which a document would judge in place of a court.
CONCLUSIONS = re.compile(
    r"authentic|admissib|genuine|(?<!not )proves? that|proven that|true (?:and correct )?cop|reliab"
    r"|trustworth|certif(?:y|ies)\b|self-authenticat|irrefutab|undeniab|beyond (?:any )?doubt"
    r"|accurate|conclusive|tamper-?proof|guarantee|legally",
    re.IGNORECASE,
)


MadeBundle = tuple[Path, Trust]


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory, authority: ChainAuthority) -> MadeBundle:
    signer = bundles.new_signer()
    made = bundles.seal(
        tmp_path_factory.mktemp("spool"), signer=signer, clock=RealClock(), authorities=[authority],
        title="港口 wall",
    )  # fmt: skip
    return made.file, bundles.trust_in(signer, authority)


@pytest.fixture(scope="module")
def report(sealed: MadeBundle) -> CaptureReport:
    return report_of(*sealed).report


def draft(*reports: CaptureReport) -> Declaration:
    return make_declaration(reports, UTC_TIME, self_test=None)


def sentences(made: Declaration, *, about: str = "") -> list[Sentence]:
    return [
        item
        for section in made.sections
        for item in section.items
        if isinstance(item, Sentence) and (not about or section.key == about)
    ]


def section(made: Declaration, key: str) -> Section:
    return next(found for found in made.sections if found.key == key)


def changed(report: CaptureReport, path: str, **values: Any) -> CaptureReport:
    """Return a report in which one field or table has other values."""
    group, key = path.split(".")
    return replace(
        report,
        groups=tuple(
            replace(
                found,
                items=tuple(
                    replace(item, **values) if item.key == key else item for item in found.items
                ),
            )
            if found.key == group
            else found
            for found in report.groups
        ),
    )


# --- only values that somebody answers for ------------------------------------------------------


def test_every_value_of_a_draft_is_verified_or_stated_by_a_signed_file(
    report: CaptureReport,
) -> None:
    made = draft(report)

    quoted = [item for found in made.sections for item in found.items if isinstance(item, Quoted)]
    assert len(quoted) > 50
    for item in quoted:
        bases = (
            [row.basis for row in item.item.rows]
            if isinstance(item.item, Table)
            else [item.item.basis]
        )
        assert Basis.UNVERIFIED not in bases, item.path
    for sentence in sentences(made):
        assert sentence.basis is not Basis.UNVERIFIED, sentence.key
        assert sentence.shown is None or sentence.shown.basis is not Basis.UNVERIFIED
        assert bool(sentence.sources) or not sentence.basis, sentence.key


def test_the_same_reports_give_the_same_bytes(report: CaptureReport) -> None:
    first, second = (draft(report) for _ in range(2))

    assert drafts.encode(first) == drafts.encode(second)
    assert page(first, UTC_TIME, digest="ab") == page(second, UTC_TIME, digest="ab")


def test_a_quoted_value_is_the_value_of_the_report(report: CaptureReport) -> None:
    made = draft(report)

    for found in made.sections:
        for item in found.items:
            if isinstance(item, Quoted) and isinstance(item.item, Field):
                bundle_id, _, path = item.path.partition("/")
                assert (bundle_id, item.item) == (report.bundle_id, report.find(path))


def test_an_unsigned_value_is_left_out_and_named_as_left_out(report: CaptureReport) -> None:
    moved = changed(report, "how.os", value="Hearsay OS", basis=Basis.UNVERIFIED)

    made = draft(moved)

    assert "Hearsay OS" not in page(made, UTC_TIME, digest="ab").decode()
    said = [item.text for item in sentences(made, about="equipment")]
    assert any("No signature covers these values" in text for text in said)
    assert any("Operating system" in text for text in said)


def test_events_after_the_seal_are_counted_and_not_used(report: CaptureReport) -> None:
    events = report.find("custody.events")
    assert isinstance(events, Table)
    later = replace(events.rows[0], basis=Basis.UNVERIFIED, values=("a later event",) * 8)

    made = draft(changed(report, "custody.events", rows=(*events.rows, later, later)))

    kept = next(item for item in section(made, "custody").items if isinstance(item, Quoted))
    assert isinstance(kept.item, Table)
    assert kept.item.rows == events.rows
    assert any("Number of these rows: 2." in item.text for item in sentences(made, about="custody"))


# --- each sentence follows from a value ---------------------------------------------------------

RECORD: dict[str, Any] = {
    "outcome": {"state": "partial", "reasons": [{"code": "images-missing", "detail": "2 of 3"}]},
    "signers": [{"slot": "sig-01", "key_id": "ab" * 32, "algorithm": "ecdsa-p384-sha384"}],
    "software": "snapshotter 1",
    "what": {
        "final_url": "https://news.test/a",
        "http_status": 200,
        "requested_url": "https://news.test/a",
        "title": "A story",
    },
    "when": {"started_at": "2026-11-29T23:16:05Z", "ended_at": "2026-11-29T23:16:09Z"},
}


Maker = Callable[..., Declaration]


@pytest.fixture(scope="module")
def made_of(sealed: MadeBundle, report: CaptureReport) -> Maker:
    """Return a function that makes a draft about another record and another verification."""
    file, trust = sealed
    with file.open("rb") as stream:
        facts = verify_bundle(stream, trust, now=RealClock().now() + timedelta(seconds=1))

    def made(record: dict[str, Any] = RECORD, **found: Any) -> Declaration:
        of = Evidence(
            material=replace(MATERIAL, record=record),
            report=replace(PASSED, record=record, established=facts.established, **found),
            trust=Trust(source="a test", keys=(), authorities=()),
        )
        fields = groups(of, UTC_TIME)
        said = statements(of, fields, UTC_TIME).statements
        return draft(replace(report, groups=fields, statements=said, verdict=of.report.verdict))

    return made


def said(made: Declaration) -> dict[str, tuple[str, Any]]:
    return {
        item.key: (item.text, item.shown.value if item.shown else None) for item in sentences(made)
    }


@pytest.mark.parametrize(
    ("path", "value", "key", "expected"),
    [
        ("when.started_at", "2026-11-30T01:00:00Z", "captured", "On 30 Nov 2026, 01:00:00 UTC, "),
        ("software", "snapshotter 2", "captured", "snapshotter 2 captured"),
        ("software", "snapshotter 2", "other_version", "another version: snapshotter 2"),
        ("outcome.state", "failed", "captured", "tried to capture the page at"),
        ("outcome.state", "complete", "whole", "The capture is complete."),
        ("what.requested_url", "https://news.test/b", "captured", "https://news.test/b"),
        ("what.final_url", "https://news.test/c", "redirected", "https://news.test/c"),
        ("what.title", "Another", "title", "Another"),
        ("signers.0.key_id", "cd" * 32, "signed", "the key cdcdcdcdcdcdcdcd…"),
    ],
)
def test_a_sentence_changes_with_the_value_of_the_record(
    made_of: Maker, path: str, value: str, key: str, expected: str
) -> None:
    other = copy.deepcopy(RECORD)
    at: Any = other
    *above, last = path.split(".")
    for name in above:
        at = at[int(name)] if isinstance(at, list) else at[name]
    at[last] = value

    before, after = said(made_of()).get(key), said(made_of(other))[key]

    assert before != after
    assert expected in f"{after[0]} {after[1]}"
    assert said(made_of())["signed"][1] == "ab" * 32  # whole, beside the sentence


def test_sentences_change_with_what_the_verification_finds(made_of: Maker) -> None:
    assert PASSED.proven_time is not None
    later = PASSED.proven_time + timedelta(days=1)
    open_ = Finding.indeterminate("log", Code.LOG_MISSING, "no log proof")

    first = said(made_of())

    assert "29 Nov 2026, 23:16:05 UTC" in first["time"][0]
    assert "30 Nov 2026, 23:16:05 UTC" in said(made_of(proven_time=later))["time"][0]
    assert "Two, Three" in said(made_of(authorities=("Two", "Three")))["time"][0]
    unproven = said(made_of(proven_time=None, authorities=()))
    assert unproven["time"][0].startswith("No trusted timestamp authority")
    assert first["bundle"][1] == first["source"][1] == "cd" * 32
    other = said(made_of(sha256="ef" * 32))
    assert other["bundle"][1] == other["source"][1] == "ef" * 32
    made = made_of(findings=(*PASSED.findings, open_))
    assert made.bundles[0].verdict is Verdict.INDETERMINATE


def test_the_sentence_about_the_verification_states_what_it_found(report: CaptureReport) -> None:
    open_ = Finding.indeterminate("log", Code.LOG_MISSING, "no log proof")
    findings = (*report.findings, open_)
    moved = replace(
        report, findings=findings, verdict=Verdict.INDETERMINATE, software="snapshotter 9",
        verified_at=report.verified_at.replace(year=2031),
    )  # fmt: skip

    text, _ = said(draft(report))["verified"]
    after = said(draft(moved))

    count = len(report.findings)
    assert f"Result: PASSED. Checks that passed: {count} of {count}." in text
    assert "snapshotter 9 verified the file" in after["verified"][0]
    assert " 2031, " in after["verified"][0]
    assert f"Result: INDETERMINATE. Checks that passed: {count} of " in after["verified"][0]
    assert after[f"check.{count + 1}"] == (
        "The check log established nothing (LOG_MISSING):", "no log proof",
    )  # fmt: skip


def test_a_draft_about_a_bundle_that_is_not_passed_begins_with_that(report: CaptureReport) -> None:
    open_ = Finding.indeterminate("log", Code.LOG_MISSING, "no log proof")
    moved = replace(
        report, findings=(*report.findings, open_), verdict=Verdict.INDETERMINATE
    )  # fmt: skip

    made = draft(moved)

    first = made.sections[0].items[0]
    assert isinstance(first, Sentence)
    assert "the result INDETERMINATE, and not PASSED" in first.text
    assert first.text.endswith("These checks established nothing: log (LOG_MISSING).")
    text = page(made, UTC_TIME, digest="ab").decode()
    assert text.index("Not everything was established") < text.index("DRAFT: ")
    assert "not_passed" not in said(draft(report))
    assert "Not everything" not in page(draft(report), UTC_TIME, digest="ab").decode()


def test_a_draft_does_not_vouch_for_the_time_that_a_person_may_enter(report: CaptureReport) -> None:
    assert "unless the person" in said(draft(report))["clock"][0]


def test_the_missing_parts_are_those_of_the_report(report: CaptureReport) -> None:
    made = draft(replace(report, missing=("Images of the page are missing.",)))

    assert said(made)["missing"][1] == ("Images of the page are missing.",)


# --- what a draft must not contain --------------------------------------------------------------


@pytest.fixture(params=["one", "two", "open", "without trust"])
def reports(report: CaptureReport, request: pytest.FixtureRequest) -> Sequence[CaptureReport]:
    other = replace(report, bundle_id="20261129t231605z-abcdefghijklmnop", missing=("A part.",))
    opened = replace(
        report, verdict=Verdict.INDETERMINATE,
        findings=(Finding.indeterminate("log", Code.LOG_MISSING, "no log proof"),),
    )  # fmt: skip
    untrusted = changed(report, "integrity.trust_sha256", value=None, presence=Presence.ABSENT)
    return {
        "one": [report], "two": [report, other], "open": [opened], "without trust": [untrusted],
    }[request.param]  # fmt: skip


def test_no_sentence_speaks_for_a_person_or_concludes(reports: Sequence[CaptureReport]) -> None:
    text = Tags(page(draft(*reports), UTC_TIME, digest="ab").decode()).text

    assert len(text) > 8_000
    assert re.findall(r"\b(?:I|my|we|our|us|me)\b", text) == []
    assert CONCLUSIONS.findall(text) == []


def test_what_the_test_of_words_finds() -> None:
    for words in ("The page is authentic.", "which proves that", "a true and correct copy",
                  "Whoever certifies this", "a reliable process"):  # fmt: skip
        assert CONCLUSIONS.search(words)
    assert not CONCLUSIONS.search("The certificate. The report does not prove that others saw it.")


# --- blanks -------------------------------------------------------------------------------------


def test_blanks_are_numbered_in_their_order_and_those_of_a_person_are_there(
    report: CaptureReport,
) -> None:
    blanks = list(draft(report).blanks)

    assert [blank.number for _, blank in blanks] == list(range(1, len(blanks) + 1))
    keys = {blank.key for _, blank in blanks}
    assert keys >= {
        "court", "matter", "exhibit", "name", "employer", "role", "qualification", "basis",
        "purpose", "transfers", "since", "copy_sha256", "equal", "self_test", "words", "place",
        "date", "signature", "account", "cache", "public_address",
    }  # fmt: skip
    purpose = next(blank for _, blank in blanks if blank.key == "purpose")
    assert ["902(13)" in purpose.options[0], "902(14)" in purpose.options[1]] == [True, True]
    assert "any other jurisdiction" in purpose.options[2]
    assert len({(found.number, blank.key, blank.bundle_id) for found, blank in blanks}) == len(
        blanks
    )


def test_several_captures_have_their_own_sections_blanks_and_annexes(
    report: CaptureReport,
) -> None:
    other = replace(report, bundle_id="20261129t231605z-abcdefghijklmnop")

    one, two = draft(report), draft(report, other)

    numbers = {found.key: found.number for found in one.sections}
    assert (numbers["capture"], numbers["custody"], numbers["annex"]) == ("6", "6.6", "A1")
    assert [found.number for found in two.sections if found.key == "custody"] == ["6.6", "7.6"]
    assert [found.number for found in two.sections if found.key == "clock"] == ["A1.4", "A2.4"]
    assert len({found.number for found in two.sections}) == len(two.sections)
    assert len(list(two.blanks)) > len(list(one.blanks))
    with pytest.raises(UsageMistake, match="is named twice"):
        draft(report, report)


def test_known_limits_and_the_missing_self_test_are_stated(report: CaptureReport) -> None:
    made = draft(report)

    texts = [item.text for item in sentences(made, about="checking")]
    assert "This draft contains no result of a self-test." in texts
    assert set(KNOWN_LIMITS) <= set(texts)
    assert {text for text, _ in LIMITS} <= {item.text for item in sentences(made, about="limits")}


def self_tested(folder: Path, signer: Signer, trust: Trust) -> SelfTest | None:
    found = validation_reports.report()
    self_tests.keep(folder, found, validations.encode(found, signer))
    return self_tests.newest_self_test(folder, trust)


def test_a_self_test_with_a_trusted_signature_is_stated_with_its_numbers(
    report: CaptureReport, tmp_path: Path
) -> None:
    signer = bundles.new_signer()
    test = self_tested(tmp_path, signer, bundles.trust_in(signer))
    that_day = replace(report, verified_at=validation_reports.BEGAN, software="snapshotter 0.1.0")

    made = make_declaration([that_day], UTC_TIME, self_test=test)

    assert made.self_test is not None
    found = {item.key: item for item in sentences(made, about="checking")}
    assert found["self_test"].text == (
        "A self-test of snapshotter 0.1.0 on the machine that made this draft ended on "
        "30 Nov 2026, 09:13:04 UTC."
    )
    assert found["self_test_result"].text.startswith("The self-test is PASSED: 0 of 1 checks are")
    assert found["self_test.1"].text == "content: 0 of 1 wrong"
    assert [source.file for source in found["self_test.1"].sources] == [made.self_test.file]
    assert {"other_day", "other_software"} & set(found) == set()
    as_json = drafts.as_json(made)["self_test"]
    assert isinstance(as_json, dict)
    assert (as_json["verdict"], as_json["ended_at"]) == ("passed", "2026-11-30T09:13:04Z")
    later = replace(that_day, verified_at=AT + timedelta(days=30), software="snapshotter 7")
    keys = {item.key for item in sentences(make_declaration([later], UTC_TIME, self_test=test))}
    assert {"other_day", "other_software"} <= keys


def test_a_self_test_of_an_unknown_key_is_not_used(report: CaptureReport, tmp_path: Path) -> None:
    trust = bundles.trust_in(bundles.new_signer())
    test = self_tested(tmp_path, bundles.new_signer(), trust)

    made = make_declaration([report], UTC_TIME, self_test=test)

    assert made.self_test is None
    texts = [item.text for item in sentences(made, about="checking")]
    assert "This draft contains no result of a self-test." in texts
    assert any("no trusted key signed it" in text for text in texts)


# --- what gets no draft -------------------------------------------------------------------------


def test_a_bundle_that_failed_gets_no_draft(report: CaptureReport) -> None:
    failed = replace(
        report, verdict=Verdict.FAILED,
        findings=(*report.findings, Finding.failed("hashes", Code.HASH, "a file differs")),
    )  # fmt: skip

    require_verified("exhibit.wacz", report)
    with pytest.raises(EvidenceInvalid, match=r"of exhibit\.wacz FAILED, .*: a file differs"):
        require_verified("exhibit.wacz", failed)


def test_a_bundle_of_which_nothing_is_established_gets_no_draft(report: CaptureReport) -> None:
    nothing = changed(report, "integrity.manifest_sha256", basis=Basis.UNVERIFIED)

    with pytest.raises(EvidenceUnverifiable, match="established no value"):
        require_verified("exhibit.wacz", nothing)
