"""State what the software does, how it was tested, and what is not stated."""

from collections.abc import Iterator, Sequence

from snapshotter.app.archive.reports.declaration.sections import DeclaredCapture, about_software
from snapshotter.app.archive.reports.declaration.texts import METHOD, NO_OPINION, PROCESS
from snapshotter.app.self_tests import SelfTest
from snapshotter.model.capture_report import (
    Basis,
    Source,
)
from snapshotter.model.declaration import (
    Blank,
    DeclaredSelfTest,
    Item,
    Sentence,
)
from snapshotter.model.known_limits import KNOWN_LIMITS
from snapshotter.model.validation import ValidationReport
from snapshotter.model.validation_sentences import count_sentence, result_sentence
from snapshotter.translation import tr


def process_items(captures: Sequence["DeclaredCapture"]) -> Iterator[Item]:
    """Yield what the software does, and which versions made the captures."""
    software = captures[0].report.software
    yield about_software(
        "steps",
        tr("{software} made this draft. The software works in these steps:", software=software),
    )
    for number, text in enumerate(PROCESS, start=1):
        yield about_software(f"step.{number}", text, listed=True)
    for capture in captures:
        made_with = capture.text("how.software")
        if made_with and made_with != software:
            yield capture.sentence(
                "other_version",
                tr(
                    "The record of the bundle {id} names another version: {software}. The list of "
                    "steps describes the version that made this draft, and not the other version.",
                    id=capture.bundle_id,
                    software=made_with,
                ),
                "how.software",
            )
    yield Blank(
        key="changes",
        term=tr("Changes to the software or its settings, to the knowledge of the declarant"),
        lines=2,
    )


def checking_items(capture: "DeclaredCapture", self_test: SelfTest | None) -> Iterator[Item]:
    """Yield how the software was tested, and what is known of its version."""
    for number, text in enumerate(METHOD, start=1):
        yield about_software(f"method.{number}", text, listed=True)
    yield from _self_test(capture, self_test)
    yield Blank(
        key="self_test",
        term=tr("Self-test of the software on the day of the capture: date, version, result"),
        lines=2,
    )
    yield about_software("known", tr("Known errors and limits of the version that made the draft:"))
    for number, text in enumerate(KNOWN_LIMITS, start=1):
        yield about_software(f"known.{number}", text, listed=True)


def _trusted(test: SelfTest | None) -> ValidationReport | None:
    """Return the report of a self-test if it is intact and a trusted key signed it."""
    return test.report if test is not None and test.is_by_trusted_key else None


def declared_test(test: SelfTest | None) -> DeclaredSelfTest | None:
    """Return what the draft states about a self-test."""
    report = _trusted(test)
    if test is None or report is None:
        return None
    return DeclaredSelfTest(
        file=test.file.name,
        sha256=test.verification.sha256,
        ended_at=report.ended_at,
        software=report.software,
        verdict=report.verdict,
    )


def _self_test(capture: "DeclaredCapture", test: SelfTest | None) -> Iterator[Sentence]:
    """Yield what the newest self-test of this machine found, as its signed report states it."""
    report = _trusted(test)
    if test is None or report is None:
        yield about_software("self_test", tr("This draft contains no result of a self-test."))
        yield about_software(
            "no_self_test",
            tr("The command snapshotter validate makes a self-test of an installation.")
            if test is None
            else tr(
                "The newest validation report of the machine that made this draft is not intact, "
                "or no trusted key signed it."
            ),
        )
        return
    at = capture.local.show(report.ended_at)
    texts = {
        "self_test": tr(
            "A self-test of {software} on the machine that made this draft ended on {at}.",
            software=report.software,
            at=f"{at.local} ({at.utc})" if at.utc else at.local,
        ),
        "self_test_result": result_sentence(report),
    }
    for number, found in enumerate(report.counts, start=1):
        group = f"{found.group.value}, {found.verifier}" if found.verifier else found.group.value
        texts[f"self_test.{number}"] = tr(
            "{group}: {count}", group=group, count=count_sentence(found)
        )
    for key, text in texts.items():
        yield Sentence(
            key=key,
            text=text,
            basis=Basis.STATED,
            sources=(Source(file=test.file.name),),
            is_listed="." in key,
        )
    if report.ended_at.date() != capture.report.verified_at.date():
        yield about_software(
            "other_day", tr("The day of the self-test is not the day of the draft.")
        )
    if report.software != capture.report.software:
        yield about_software(
            "other_software", tr("The self-test was about another version than the draft.")
        )


def limit_items(captures: Sequence["DeclaredCapture"]) -> Iterator[Item]:
    """Yield what the document does not state."""
    for number, text in enumerate(NO_OPINION, start=1):
        yield about_software(f"opinion.{number}", text, listed=True)
    yield about_software("report", tr("The capture report of each bundle states these limits:"))
    for number, (text, _) in enumerate(captures[0].report.limits, start=1):
        yield about_software(f"limit.{number}", text, listed=True)
