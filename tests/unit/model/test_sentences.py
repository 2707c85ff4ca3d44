"""Every state has its sentence, and the specification and the reference have the same ones."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product

import pytest

from snapshotter.model import sentences
from snapshotter.model.assessment import (
    Assessment,
    AssessmentSummary,
    Availability,
    Cause,
    Content,
    ContentVerdict,
    TakedownVerdict,
    Undecided,
    WallKind,
)
from snapshotter.model.capture import Outcome
from snapshotter.model.conclusion import exit_code
from snapshotter.model.finding import Code, Finding, Report, Verdict
from snapshotter.model.sentences import (
    CaptureState,
    PageState,
    ProofState,
    court_minimum_words,
    headline,
    page_sentence,
    page_state,
    page_words,
    proof_sentence,
    qualify_court_minimum,
)
from snapshotter.model.takedown import TakedownKind
from tests.tools import ROOT

PAGE = (ROOT / "docs/spec/assessment.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## In one sentence")[2].partition("\n## ")[0]
OUTCOMES = (ROOT / "docs/reference/outcomes.md").read_text(encoding="utf-8")
UNCERTAIN = (Content.CONTENT, Content.PARTIAL)


def table(heading: str) -> dict[str, list[str]]:
    """Return the table of the section that has a heading, by its first column."""
    rows = SECTION.partition(f"| {heading} |")[2].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {first: others for first, *others in cells}


PAGES, WALLS, CAUSES = table("the page shows"), table("`takedown.wall`"), table("`takedown.cause`")


def derived() -> Iterator[AssessmentSummary | None]:
    """Yield every verdict that the rules can derive."""
    yield None
    for content in UNCERTAIN:
        for ambiguous in (True, False):
            yield AssessmentSummary(
                content=content, availability=Availability.AVAILABLE, ambiguous=ambiguous
            )
    for cause in Cause:
        yield AssessmentSummary(
            content=Content.NOTICE, availability=Availability.UNAVAILABLE, cause=cause, rule="x-1"
        )
    for content in Content:
        for wall in (None, *WallKind) if content is Content.WALL else (None,):
            yield AssessmentSummary(
                content=content, availability=Availability.INCONCLUSIVE, wall=wall
            )


EVERY_SHOWN = tuple(derived())


def key(shown: AssessmentSummary | None) -> str:
    """Return what the table calls a verdict."""
    if shown is None:
        return "no verdict"
    if shown.content is Content.NOTICE:
        return f"`notice`, `{shown.availability}`"
    if shown.content in UNCERTAIN:
        if shown.ambiguous:
            return "`content` or `partial`, `ambiguous`"
        if shown.availability is Availability.INCONCLUSIVE:
            return "`content` or `partial`, `inconclusive`"
    return f"`{shown.content}`"


def filled(cell: str, shown: AssessmentSummary | None) -> str:
    if shown is None:
        return cell
    name = CAUSES.get(f"`{shown.cause}`", [""])[0]
    cause = f"the stated cause is {name}" if name else "no cause is stated"
    return (
        cell.replace("WALL", WALLS[f"`{shown.wall}`" if shown.wall else "none"][0])
        .replace("CAUSE", f"{cause} (rule x-1)")
        .replace("ERROR", "the server gave no answer, or answered with an error")
    )


def test_the_tables_have_a_row_for_each_state_and_no_other() -> None:
    assert set(PAGES) == {key(shown) for shown in EVERY_SHOWN}
    assert set(WALLS) == {*(f"`{kind}`" for kind in WallKind), "none"}
    assert set(CAUSES) == {f"`{cause}`" for cause in Cause if cause is not Cause.NOT_STATED}
    assert set(table("outcome")) == {*(f"`{outcome}`" for outcome in Outcome), "none"}


@pytest.mark.parametrize("shown", EVERY_SHOWN)
def test_the_first_sentence_is_what_the_table_says(shown: AssessmentSummary | None) -> None:
    sentence, then = PAGES[key(shown)]
    met = court_minimum_words(True, (), light=False)

    assert page_sentence(PageState(shown=shown)) == filled(sentence, shown)
    assert qualify_court_minimum(met, True, shown) == (
        met if then == "-" else f"{met}. {filled(then, shown)}"
    )
    assert qualify_court_minimum("not met", False, shown) == "not met"


@pytest.mark.parametrize(
    ("status", "outcome", "clause"),
    [
        (503, Outcome.COMPLETE, "the server answered HTTP 503 (Service Unavailable)"),
        (200, Outcome.COMPLETE, "it showed an error"),
        (None, Outcome.PARTIAL, "the server gave no answer, or answered with an error"),
        (None, Outcome.FAILED, "no page was captured"),
        (503, Outcome.FAILED, "no page was captured"),
    ],
)
def test_an_error_is_named_by_the_answer(status: int | None, outcome: Outcome, clause: str) -> None:
    shown = AssessmentSummary(content=Content.ERROR, availability=Availability.INCONCLUSIVE)

    assert page_sentence(PageState(shown=shown, http_status=status), outcome) == (
        f"It is not established whether the page was available: {clause}."
    )
    if outcome is Outcome.FAILED:
        assert page_sentence(PageState(shown=None), outcome) == (
            f"It is not established whether the page was available: {clause}."
        )


@pytest.mark.parametrize("content", set(Content) - {Content.CONTENT, Content.PARTIAL})
def test_what_is_not_the_content_is_never_called_available(content: Content) -> None:
    """Typed apart from the table: a slip in it is not repeated here."""
    for availability, wall in product(Availability, (None, *WallKind)):
        shown = AssessmentSummary(content=content, availability=availability, wall=wall)

        assert not page_sentence(PageState(shown=shown)).startswith("The page was available")
        assert qualify_court_minimum("met", True, shown).endswith(", not the content.")


@pytest.mark.parametrize("content", UNCERTAIN)
def test_little_text_that_may_be_a_notice_is_not_called_available(content: Content) -> None:
    """Typed apart from the table, too."""
    shown = AssessmentSummary(content=content, availability=Availability.AVAILABLE, ambiguous=True)

    assert page_sentence(PageState(shown=shown)).startswith("It is not established whether")
    assert page_state(shown) == "not established"
    assert page_words(shown) == "not established (little text)"


def test_a_cause_that_researchers_read_into_a_code_is_not_called_stated() -> None:
    takedown = TakedownVerdict(
        availability=Availability.UNAVAILABLE,
        detail="",
        cause=Cause.AUTHOR,
        rule="wb-j1",
        convention=True,
    )
    made = Assessment(content=ContentVerdict(kind=Content.NOTICE, detail=""), takedown=takedown)

    assert page_sentence(PageState.of(made)) == (
        "The page was not available: researchers read the code of the platform as removal by the "
        "author (rule wb-j1)."
    )


def test_a_status_that_states_no_cause_is_named() -> None:
    shown = AssessmentSummary(
        content=Content.NOTICE, availability=Availability.UNAVAILABLE, cause=Cause.NOT_STATED
    )

    assert page_sentence(PageState(shown=shown, http_status=404)) == (
        "The page was not available: the server answered HTTP 404 (Not Found) and stated no cause."
    )


def test_a_table_has_a_state_word_and_its_reason() -> None:
    said = {page_words(shown) for shown in EVERY_SHOWN}

    assert {
        *("available", "available (some content missing)", "not established (log-in wall)"),
        *("not available (removal by the author)", "not available (cause not stated)"),
        *("not established (no assessment)", "not established (notice that no rule knows)"),
    } <= said
    error = AssessmentSummary(content=Content.ERROR, availability=Availability.INCONCLUSIVE)
    assert page_words(error) == "not established (error)"
    assert page_words(error, Outcome.FAILED) == "not established (no page captured)"
    assert page_words(None, Outcome.FAILED) == "not established (no page captured)"


@pytest.mark.parametrize("outcome", Outcome)
def test_the_second_sentence_is_what_the_table_says(outcome: Outcome) -> None:
    wanted = table("outcome")[f"`{outcome}`"][0]
    one, more = ("dns",), ("dns", "images-missing", "dns", "scroll-failed")
    light = "It is a light check, which shows the first view of the page only."
    clause = "the name of the server could not be resolved"
    shown = wanted.replace("REASON", clause)

    assert sentences.capture_sentence(CaptureState(outcome=outcome, reasons=one)) == shown
    if outcome is not Outcome.COMPLETE:
        assert sentences.capture_sentence(CaptureState(outcome=outcome, reasons=more)) == (
            f"{shown} Further reasons: 2."
        )
    assert sentences.capture_sentence(CaptureState(outcome=outcome, light=True)).endswith(
        light
    ) is (outcome is not Outcome.FAILED)


def test_a_record_states_its_outcome_or_none_is_established() -> None:
    reasons = [{"code": "scroll-limited", "detail": ""}, {"code": 3}, "x"]
    record = {"outcome": {"state": "partial", "reasons": reasons}}
    light = {**record, "how": {"settings": {"light": True}}}

    assert headline(capture=CaptureState.of_record(record)) == (
        "The capture is partial: the page was not scrolled to its end."
    )
    assert CaptureState.of_record(light).light
    odd: list[dict[str, object]] = [
        {}, {"outcome": "partial"}, {"outcome": {"state": []}}, {"how": 1},
    ]  # fmt: skip
    for strange in odd:
        state = CaptureState.of_record(strange)
        assert sentences.capture_sentence(state) == table("outcome")["none"][0]


def codes_under(*headings: str) -> set[str]:
    """Return the codes that the entries of sections of the reference begin with."""
    found: set[str] = set()
    for heading in headings:
        section = re.split(r"\n##+ ", OUTCOMES.partition(f"# {heading}\n")[2])[0]
        for entry in re.findall(r"^(?:- |\| )(`[^:|]+)[:|]", section, re.M):
            found |= set(re.findall(r"`([a-z][a-z-]+)`", entry))
    return found


def test_every_reason_and_warning_of_the_reference_has_its_clause() -> None:
    reasons = codes_under("No page came", "Something is missing", "The page was given up")

    assert set(sentences.REASON_CLAUSES) == reasons
    assert set(sentences.TLS_FAULT_CLAUSES) == codes_under("What is wrong with TLS") - {"fault"}
    assert set(sentences.WARNING_CLAUSES) == codes_under("Warnings")
    assert sentences.reason_clause("screenshot-failed") == (
        "the step 'photographing the whole page' failed"
    )
    assert sentences.reason_clause("viewport-phone-timeout") == (
        "the step 'photographing the page in the window phone' took too long"
    )
    expired = CaptureState(outcome=Outcome.FAILED, reasons=("tls",), fault="expired")
    assert sentences.capture_sentence(expired) == (
        "The capture failed: the certificate of the server has expired."
    )
    assert sentences.reason_clause("of-a-later-version") == "of-a-later-version"


def test_the_third_sentence_names_what_is_open_or_wrong() -> None:
    def said(verdict: Verdict, *codes: Code, authorities: int = 0) -> str:
        return proof_sentence(ProofState(verdict=verdict, codes=codes, authorities=authorities))

    open_, intact = Verdict.INDETERMINATE, "The proof is intact"
    assert said(Verdict.PASSED, authorities=1) == (
        f"{intact}; its time is confirmed by one timestamp authority."
    )
    assert said(Verdict.PASSED, authorities=2) == (
        f"{intact}; its time is confirmed by two timestamp authorities."
    )
    assert said(open_, Code.TS_MISSING, Code.TIME) == f"{intact}, but its time is not confirmed."
    assert said(open_, Code.TS_MISSING, authorities=1) == (
        f"{intact}, but fewer timestamp authorities confirm the time than are required or were "
        "asked."
    )
    assert said(open_, Code.LOG_MISSING, authorities=2) == (
        f"{intact}, but no valid log proof exists."
    )
    assert said(open_, Code.TIME, Code.KEY_UNKNOWN) == (
        "It is not established whether the proof is intact: the signing key is not one that you "
        "trust."
    )
    assert said(open_, Code.KEY_REVOKED, authorities=1) == (
        "It is not established whether the proof is intact: the signing key was retired, and the "
        "signature is not proven to be older."
    )
    assert said(Verdict.FAILED, Code.HASH, Code.SIG) == (
        "The proof is not intact: a file was changed after sealing."
    )
    assert said(Verdict.FAILED, Code.KEY_REVOKED) == (
        "The proof is not intact: the signing key was compromised, and the signature is not "
        "proven to be older."
    )
    assert said(open_) == "It is not established whether the proof is intact: no check was made."


def test_a_report_becomes_the_third_sentence() -> None:
    findings = (Finding.passed("names", ""), Finding.indeterminate("time", Code.TIME, ""))
    report = Report(
        findings=findings, authorities=("A", "B"), proven_time=datetime(2026, 1, 1, tzinfo=UTC)
    )

    assert ProofState.of(report) == ProofState(
        verdict=Verdict.INDETERMINATE, codes=(Code.TIME,), authorities=2
    )


def test_the_headline_has_the_answers_that_are_known_in_their_order() -> None:
    shown = AssessmentSummary(content=Content.CONTENT, availability=Availability.AVAILABLE)
    page, capture = PageState(shown=shown), CaptureState(outcome=Outcome.COMPLETE)
    proof = ProofState(verdict=Verdict.PASSED, authorities=2)

    assert headline(page=page, capture=capture, proof=proof) == (
        "The page was available. The capture is complete. The proof is intact; its time is "
        "confirmed by two timestamp authorities."
    )
    assert headline(proof=proof).startswith("The proof is intact")
    assert headline(page=page) == "The page was available."


def test_every_value_has_its_words() -> None:
    assert set(sentences.FINDINGS) == set(Code)
    assert set(sentences.PROOF_STATES) == set(Verdict)
    assert set(sentences.PAGE_STATES) == set(Availability)
    assert set(sentences.CONTENT_NAMES) == set(Content)
    assert set(sentences.CAUSE_NAMES) == set(Cause) == set(sentences.CAUSES)
    assert set(sentences.UNDECIDED_CLAUSES) == set(Undecided)
    assert set(sentences.TITLES) == set(TakedownKind)


def test_clauses_are_clauses_and_sentences_are_sentences() -> None:
    texts = sentences.FINDINGS.values()
    clauses = [
        *sentences.REASON_CLAUSES.values(),
        *sentences.WARNING_CLAUSES.values(),
        *sentences.UNDECIDED_CLAUSES.values(),
        *(text.clause(verdict) for text in texts for verdict in Verdict),
    ]
    for clause in clauses:
        assert not clause.endswith(".")
        assert not clause[0].isupper() or clause[:2].isupper()  # an abbreviation
        assert sentences.as_sentence(clause).endswith(".")
    assert all(said.endswith(".") for text in texts for said in (text.meaning, text.remedy))


@pytest.mark.parametrize(
    ("met", "required", "code"),
    [(True, True, 0), (True, False, 0), (False, True, 3), (False, False, 0)],
)
def test_the_exit_code_depends_on_the_court_minimum_alone(
    met: bool, required: bool, code: int
) -> None:
    name = "met" if met else "not met, and the policy requires it"
    if met or required:
        assert table("court minimum")[name] == [str(code)]
    assert exit_code(met, required=required) == code
