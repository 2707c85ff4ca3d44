"""Every state has its sentence, and what the specification and the reference quote is the same."""

import re
from collections.abc import Iterator
from dataclasses import replace
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
OPEN = "It is not established whether the page was available"
# By what a page shows: the first sentence, and what follows a court minimum that is met.
PAGES = {
    "content": ("The page was available.", ""),
    "partial": ("The page was available, but some of its content was missing.", ""),
    "ambiguous": (
        f"{OPEN}: the page has little text, and no take-down rule file exists for its host.",
        "It is not established whether the page shows its content.",
    ),
    "no rule": (f"{OPEN}: no take-down rule matches what the page showed.", ""),
    "notice unavailable": (
        "The page was not available: CAUSE (rule x-1).",
        "The page shows a statement that the content is not available, not the content.",
    ),
    "notice inconclusive": (
        f"{OPEN}: the page showed a notice that no take-down rule matches.",
        "The page shows a possible notice, not the content.",
    ),
    "wall": (
        f"{OPEN}: the page showed WALL, not the content.",
        "The page shows WALL, not the content.",
    ),
    "shell": (
        f"{OPEN}: the page showed the layout of the page without its main text, not the content.",
        "The page shows the layout of the page without its main text, not the content.",
    ),
    "blank": (
        f"{OPEN}: the page showed a blank page, not the content.",
        "The page shows a blank page, not the content.",
    ),
    "error": (
        f"{OPEN}: the server gave no answer, or answered with an error.",
        "The page shows an error, not the content.",
    ),
    "no verdict": (
        f"{OPEN}: the capture has no assessment of the page.",
        "It is not established whether the page shows its content.",
    ),
}
WALLS = {
    "": "a wall",
    "login": "a log-in wall",
    "verification": "a request to verify the visitor",
    "app_only": "a request to open the app",
    "rate_limited": "a refusal because of too many requests",
    "session_expired": "a notice that a session has expired",
    "challenge": "a bot challenge",
    "consent": "a request for consent",
    "paywall": "a paywall",
    "age": "a question about the reader's age",
}
CAUSES = {
    "author": "removal by the author",
    "platform_rule": "violation of rules or laws",
    "complaint_many": "complaints by many users",
    "complaint_ip": "complaint about infringed rights",
    "account_blocked": "blocked account",
    "account_closed": "closed account",
    "account_frozen": "frozen account",
    "account_abnormal": "account in an abnormal state",
    "moved": "move to another address",
    "review_failed": "failed review",
    "owner_setting": "setting of the owner",
    "temporary": "temporary restriction",
    "expired": "expired link",
    "refuted": "refutation",
    "legal": "legal reasons",
}
OUTCOME_SENTENCES = {
    "complete": "The capture is complete.",
    "partial": "The capture is partial: REASON.",
    "failed": "The capture failed: REASON.",
    "none": "It is not established whether the capture is complete: the record does not state its "
    "outcome.",
}


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
        return f"notice {shown.availability}"
    if shown.content in UNCERTAIN:
        if shown.ambiguous:
            return "ambiguous"
        if shown.availability is Availability.INCONCLUSIVE:
            return "no rule"
    return str(shown.content)


def filled(text: str, shown: AssessmentSummary | None) -> str:
    if shown is None:
        return text
    name = CAUSES.get(str(shown.cause), "")
    cause = f"the stated cause is {name}" if name else "no cause is stated"
    return text.replace("WALL", WALLS[str(shown.wall or "")]).replace("CAUSE", cause)


def test_the_tables_have_a_row_for_each_state_and_no_other() -> None:
    assert set(PAGES) == {key(shown) for shown in EVERY_SHOWN}
    assert set(WALLS) == {*map(str, WallKind), ""}
    assert set(CAUSES) == {str(cause) for cause in Cause if cause is not Cause.NOT_STATED}
    assert set(OUTCOME_SENTENCES) == {*map(str, Outcome), "none"}


def values_of(field: str) -> set[str]:
    """Return the values that the specification names for a field of the verdict."""
    (line,) = re.findall(rf"^- `takedown\.{field}`: (.*)$", PAGE, re.M)
    return set(re.findall(r"`([a-z_]+)`", line))


def test_the_specification_names_every_cause_and_wall() -> None:
    assert values_of("cause") == {*map(str, Cause), str(Availability.UNAVAILABLE)}
    assert values_of("wall") == set(map(str, WallKind))


def every_headline() -> Iterator[str]:
    """Yield a headline for each verdict about a page, outcome, and verdict about a proof."""
    outcomes = (("complete", ""), ("partial", "images-missing"), ("failed", "dns"))
    for shown, (outcome, reason) in product(EVERY_SHOWN, outcomes):
        yield headline(
            page=PageState(shown=shown and replace(shown, rule=shown.rule and "wx-01")),
            capture=CaptureState(outcome=Outcome(outcome), reasons=(reason,) if reason else ()),
        )
    for verdict, code in product(Verdict, (Code.LOG_MISSING, Code.HASH)):
        for authorities in (1, 2):
            yield proof_sentence(
                ProofState(verdict=verdict, codes=(code,), authorities=authorities)
            )


def test_the_specification_quotes_sentences_of_the_code() -> None:
    made = set(every_headline())
    minimum = {qualify_court_minimum("met", True, shown) for shown in EVERY_SHOWN}
    quoted = re.findall(r'"([A-Zb][^"]+)"', SECTION)
    examples = re.findall(r"^- `(.+)`$", SECTION, re.M)

    assert set(examples) <= made
    assert len(examples) == 3
    assert len(quoted) == 13
    for text in quoted:
        start, _, _ = text.partition("…")
        assert any(start in whole for whole in {*made, *minimum}), text


@pytest.mark.parametrize("shown", EVERY_SHOWN)
def test_the_first_sentence_is_what_the_table_says(shown: AssessmentSummary | None) -> None:
    sentence, then = PAGES[key(shown)]
    met = court_minimum_words(True, (), light=False)

    assert page_sentence(PageState(shown=shown)) == filled(sentence, shown)
    assert qualify_court_minimum(met, True, shown) == (
        f"{met}. {filled(then, shown)}" if then else met
    )
    assert qualify_court_minimum("not met", False, shown) == "not met"


@pytest.mark.parametrize(
    ("status", "outcome", "clause"),
    [
        (503, Outcome.COMPLETE, "the server answered HTTP 503 (Service Unavailable)"),
        (200, Outcome.COMPLETE, "the page showed an error"),
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
        "The page was not available: researchers interpret the code that the platform sent as "
        "follows: removal by the author (rule wb-j1)."
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
        *(
            "not established (no assessment)",
            "not established (notice that no take-down rule matches)",
        ),
    } <= said
    error = AssessmentSummary(content=Content.ERROR, availability=Availability.INCONCLUSIVE)
    assert page_words(error) == "not established (error)"
    assert page_words(error, Outcome.FAILED) == "not established (no page captured)"
    assert page_words(None, Outcome.FAILED) == "not established (no page captured)"


@pytest.mark.parametrize("outcome", Outcome)
def test_the_second_sentence_is_what_the_table_says(outcome: Outcome) -> None:
    wanted = OUTCOME_SENTENCES[outcome]
    one, more = ("dns",), ("dns", "images-missing", "dns", "scroll-failed")
    light = "The capture is a light check, which shows only the first view of the page."
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
        assert sentences.capture_sentence(state) == OUTCOME_SENTENCES["none"]


def codes_under(*headings: str) -> set[str]:
    """Return the codes that the entries of sections of the reference begin with."""
    found: set[str] = set()
    for heading in headings:
        section = re.split(r"\n##+ ", OUTCOMES.partition(f"# {heading}\n")[2])[0]
        for entry in re.findall(r"^(?:- |\| )(`[^:|]+)[:|]", section, re.M):
            found |= set(re.findall(r"`([a-z][a-z-]+)`", entry))
    return found


def test_every_code_of_the_reference_has_its_clause() -> None:
    reasons = codes_under("No page came", "Something is missing", "The page was given up")

    assert set(sentences.REASON_CLAUSES) == reasons
    assert set(sentences.WARNING_CLAUSES) == codes_under("Warnings")
    assert sentences.reason_clause("navigation-refused") == (
        "the page tried to open an address that the browser does not open"
    )
    assert set(sentences.TLS_FAULT_CLAUSES) == codes_under("What is wrong with TLS") - {"fault"}
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
        "requested."
    )
    assert said(open_, Code.LOG_MISSING, authorities=2) == (
        f"{intact}, but no valid log proof exists."
    )
    assert said(open_, Code.TIME, Code.KEY_UNKNOWN) == (
        "It is not established whether the proof is intact: the signing key is not a key that "
        "you trust."
    )
    assert said(open_, Code.KEY_REVOKED, authorities=1) == (
        "It is not established whether the proof is intact: the signing key was retired, and it is "
        "not proven that the signature is older than the revocation."
    )
    assert said(Verdict.FAILED, Code.HASH, Code.SIG) == (
        "The proof is not intact: a file was changed after sealing."
    )
    assert said(Verdict.FAILED, Code.KEY_REVOKED) == (
        "The proof is not intact: the signing key was compromised, and it is not proven that "
        "the signature is older than the revocation."
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


def test_a_sentence_begins_with_a_capital_but_a_code_keeps_its_spelling() -> None:
    assert sentences.as_sentence("images are missing") == "Images are missing."
    for code in ("net::ERR_FAILED", "https://example.org/a", "report.json", "data_dir"):
        assert sentences.as_sentence(f"{code}: 3") == f"{code}: 3."
    assert sentences.capitalized("time: 1.5 s") == "Time: 1.5 s"


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
    stated = re.findall(
        r"([0-9]) if the court minimum is not met and the policy requires it", SECTION
    )
    assert (stated, "else 0." in SECTION) == (["3"], True)
    assert exit_code(met, required=required) == code
