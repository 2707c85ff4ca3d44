"""
Derive the verdict of each capture of an event again, and compare it with what the event states.

The rules in the bundle decide. A bundle from before verdicts were made contains none: it is
judged by the current rules, and a difference is INDETERMINATE, because the rules of its time may
have differed.
"""

from collections.abc import Iterator, Mapping

from snapshotter.app.archive import assessment
from snapshotter.app.archive.assessment import BundleFiles
from snapshotter.app.archive.observations import observe, stated
from snapshotter.app.takedown.bundle_finder import VerifiedBundle
from snapshotter.app.takedown.rederivation import (
    DECISIVE_FIELDS,
    READ_FIELDS,
    Rederivation,
    differing_fields,
)
from snapshotter.errors import EvidenceInvalid, ServiceUnavailable, SnapshotterError
from snapshotter.model import sentences
from snapshotter.model.assessment import Assessment, Availability, Cause
from snapshotter.model.finding import Code, Finding, Report, Verdict
from snapshotter.model.takedown import Observation
from snapshotter.policy import page_identity
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.takedown import EventCapture


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureCheck:
    """A bundle of an event, and what it shows when its verdict is derived again."""

    report: Report | None
    again: Observation | None = None  # derived again; None: no bundle, another one, or a problem
    asked: str = ""  # identity of the address that was requested
    stated: str = ""  # another identity that the page states
    problem: str = ""  # why the verdict cannot be derived again
    by_today: bool = False  # the bundle contains no rules: the verdict is by the current rules
    is_final: bool = True  # its address alone determines the page
    assessment: Assessment | None = None  # derived again; kept only as long as its bundle is open
    notes: tuple[str, ...] = ()


def check_capture(said: Observation, here: VerifiedBundle | None, by: Rederivation) -> CaptureCheck:
    """
    Derive again what a capture shows.

    Args:
        said: The capture, as the event states it.
        here: Its bundle; None where it is missing.

    Raises:
        ServiceUnavailable: The program that runs the rules did not answer.
    """
    if here is None:
        return CaptureCheck(report=None)
    report = here.report
    if report.sha256 != said.sha256 or report.verdict is Verdict.FAILED:
        return CaptureCheck(report=report)
    facts = report.established
    if facts is None:
        return CaptureCheck(report=report, problem=tr("the capture record is invalid"))
    notes: list[str] = []
    try:
        files = BundleFiles(here.stream, facts)
        today = _assess_by_today(files, report.record, by)
        by_today = assessment.read_assessment(files) is None
        if by_today:
            if today is None:
                raise EvidenceInvalid(
                    tr(
                        "the bundle contains no verdict, and the current rules cannot "
                        "judge the capture"
                    )
                )
            notes.append(
                tr("the bundle contains no verdict, so the current rules judged the capture")
            )
            made = today
        else:
            rederived = assessment.rederive(files, by.assessor_of)
            made = rederived.assessment
            if not rederived.is_same:
                notes.append(
                    tr(
                        "some details of the assessment in the bundle differ from the "
                        "assessment that was derived again"
                    )
                )
        again = observe(facts, made, proven_at=said.proven_at, rules=by.rules)
        shown = stated(facts, made, by.rules)
    except ServiceUnavailable:
        raise
    except SnapshotterError as error:  # also: a rule file in the bundle is invalid
        return CaptureCheck(report=report, problem=error.message)
    notes += _today_notes(made, today)
    if not by_today:
        notes += _foreign_rules_notes(made, today)
    return CaptureCheck(
        report=report,
        again=again,
        asked=again.identity,
        stated=shown,
        by_today=by_today,
        is_final=page_identity.page_identity(again.url, by.rules).final,
        assessment=made,
        notes=tuple(notes),
    )


def _assess_by_today(
    files: BundleFiles, record: Mapping[str, object], by: Rederivation
) -> Assessment | None:
    """Return the assessment by the current rules; None where they cannot be applied."""
    try:
        what = record["what"]
        url = str(what["requested_url"]) if isinstance(what, dict) else ""
        return assessment.assess(record, files, by.decide(url), by.assessor_of)
    except (KeyError, SnapshotterError):
        return None


def _today_notes(made: Assessment, today: Assessment | None) -> Iterator[str]:
    """Yield a note if the current rules give another verdict."""
    if today is None:
        yield tr("the current rules could not be applied")
        return
    before, now = made.takedown, today.takedown
    if (before.availability, before.cause, before.takedown) != (
        now.availability,
        now.cause,
        now.takedown,
    ):
        said = _describe_verdict(before.availability, before.cause)
        other = _describe_verdict(now.availability, now.cause)
        rule = f"the rule {now.rule}" if now.rule else "no rule"
        yield tr(
            "the current rules give another verdict: {other}, by {rule}. The rules in "
            "the bundle give: {said}. Such a difference is usual if this installation "
            "does not have the rules in the bundle",
            other=other,
            rule=rule,
            said=said,
        )


def _foreign_rules_notes(made: Assessment, today: Assessment | None) -> Iterator[str]:
    """Yield notes on rule files in a bundle that no current rule file corresponds to."""
    if today is None:
        return
    known = {rule_file.id: rule_file for rule_file in today.rule_files}
    for rule_file in made.rule_files:
        now = known.get(rule_file.id)
        if now is None or (now.version == rule_file.version and now.sha256 != rule_file.sha256):
            yield tr(
                "the verdict was derived by rules that are not among the current rules: "
                "{id} {version} (SHA-256 {sha256}…). Read these rules before you rely on "
                "the verdict",
                id=rule_file.id,
                version=rule_file.version,
                sha256=rule_file.sha256[:16],
            )


def _describe_verdict(availability: Availability, cause: Cause | None) -> str:
    state = sentences.PAGE_STATES[availability]
    return f"{state} ({sentences.CAUSE_NAMES[cause]})" if cause else state


def verdict_findings(part: EventCapture, check: CaptureCheck) -> Iterator[Finding]:
    """Yield what the comparison of a stated verdict with the one derived again found."""
    said, made = part.observation, check.again
    if check.problem:
        yield Finding.indeterminate(
            part.role,
            Code.VERDICT,
            tr("the verdict cannot be derived again: {problem}", problem=check.problem),
        )
        return
    if made is None:
        return  # another finding states what is wrong with the bundle
    rules = tr("the current rules") if check.by_today else tr("the rules in the bundle")
    other = [name for name in DECISIVE_FIELDS if getattr(said, name) != getattr(made, name)]
    if other:
        yield Finding(
            check=part.role,
            # Without rules in the bundle: those of its time may have differed.
            verdict=Verdict.INDETERMINATE if check.by_today else Verdict.FAILED,
            code=Code.VERDICT,
            detail=tr(
                "the event states {describe_verdict}, but {rules} give {describe_verdict2}. "
                "Fields that differ: {other}",
                describe_verdict=_describe_verdict(said.availability, said.cause),
                rules=rules,
                describe_verdict2=_describe_verdict(made.availability, made.cause),
                other=", ".join(other),
            ),
        )
        return
    names = differing_fields(said, made)
    if check.by_today:  # the values that are read from a page depend on the rules as well
        read = sorted(READ_FIELDS.intersection(names) - {"rule_files"})
        names = [name for name in names if name not in READ_FIELDS]
        if read and not names:
            yield Finding.indeterminate(
                part.role,
                Code.VERDICT,
                tr(
                    "{rules} do not confirm what the event states in these fields: {read}",
                    rules=rules,
                    read=", ".join(read),
                ),
            )
            return
    if names:
        yield Finding.failed(
            part.role,
            Code.VERDICT,
            tr(
                "the event differs from the bundle in these fields: {names}", names=", ".join(names)
            ),
        )
        return
    yield Finding.passed(
        part.role,
        tr(
            "{describe_verdict} by {rules}",
            describe_verdict=_describe_verdict(made.availability, made.cause),
            rules=rules,
        )
        + (tr(" (rule {rule})", rule=made.rule) if made.rule else ""),
    )
