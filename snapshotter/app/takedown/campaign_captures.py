"""
Verify the captures that a campaign report names, and derive again what they show.

This is step (3) of `campaign_verification.py`. A missing bundle does not speak against the report.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Final

from snapshotter.app.archive import assessment
from snapshotter.app.archive.assessment import BundleFiles
from snapshotter.app.archive.observations import observe, stated
from snapshotter.app.takedown.bundle_finder import FindBundle, VerifiedBundle
from snapshotter.app.takedown.rederivation import (
    DERIVED_BY_RULES,
    Rederivation,
    differing_fields,
    with_recorded_verdict,
)
from snapshotter.errors import EvidenceInvalid, ServiceUnavailable, SnapshotterError
from snapshotter.formats.canonical_json import are_one
from snapshotter.model.campaign import Campaign
from snapshotter.model.finding import Code, Finding, Verdict
from snapshotter.model.takedown import Observation
from snapshotter.model.verified_facts import VerifiedFacts
from snapshotter.ports import ShowMessage
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

NAMED_AT_MOST: Final = 20  # a text names at most so many bundles of one kind


@dataclass(slots=True)
class CaptureChecks:
    """What was found about the captures of a report."""

    derived: dict[str, Observation] = field(default_factory=dict)  # by bundle id
    # By bundle id: the identity of the requested address, and another one that the page states.
    page_identities: dict[str, tuple[str, str]] = field(default_factory=dict)
    without_rules: set[str] = field(default_factory=set)  # judged by the current rules
    established: dict[str, VerifiedFacts] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)  # names of bundles or pages, by note
    unconfirmed: dict[str, list[str]] = field(default_factory=dict)  # names of bundles, by field
    missing: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def check_captures(
    campaign: Campaign, find: FindBundle, by: Rederivation, key_id: str, show_message: ShowMessage
) -> CaptureChecks:
    """
    Verify each capture of a campaign, and derive again what it shows.

    Args:
        key_id: The key that signed the report; it must have signed none of its captures.

    Raises:
        ServiceUnavailable: The program that runs the rules did not answer.
    """
    found = CaptureChecks()
    states: dict[str, Verdict] = {}
    every: dict[str, Observation] = {}
    for page in campaign.pages:
        for observation in (*page.captures, *page.controls):
            if every.setdefault(observation.bundle_id, observation).sha256 != observation.sha256:
                detail = tr(
                    "the report states two different digests for {bundle_id}",
                    bundle_id=observation.bundle_id,
                )
                found.findings.append(Finding.failed("bundles", Code.BUNDLE_OTHER, detail))
    for number, capture in enumerate(every.values(), 1):
        with find(capture.bundle_id) as here:
            _check_capture(capture, here, by, key_id, found, states)
        if number % 100 == 0:
            show_message(
                tr("bundles checked: {number} of {count}", number=number, count=len(every))
            )
    if found.missing:
        detail = tr(
            "bundles that were not found: {names}. A missing bundle does not show that "
            "the report is wrong",
            names=format_names(found.missing),
        )
        found.findings.append(Finding.indeterminate("bundles", Code.BUNDLE_MISSING, detail))
    unsure = [
        bundle_id for bundle_id, verdict in states.items() if verdict is Verdict.INDETERMINATE
    ]
    if unsure:
        found.findings.append(
            Finding.indeterminate(
                "bundles",
                Code.BUNDLE_OPEN,
                tr(
                    "intact bundles whose verdict is INDETERMINATE: {count} of {count2}, for "
                    "example {unsure}",
                    count=len(unsure),
                    count2=len(every),
                    unsure=unsure[0],
                ),
            )
        )
    found.findings += _proven_time_findings(every.values(), found)
    return found


def _proven_time_findings(every: Iterable[Observation], found: CaptureChecks) -> Iterator[Finding]:
    """Compare the proven times that a report states with those by the tokens of the bundles."""
    earlier: list[str] = []
    other: list[str] = []
    for observation in every:
        here = found.established.get(observation.bundle_id)
        proven = here.proven_time if here is not None else None
        if proven is None or (
            observation.proven_at is not None and are_one(observation.proven_at, proven)
        ):
            continue
        (earlier if observation.proven_at and observation.proven_at < proven else other).append(
            observation.bundle_id
        )
    if earlier:
        # Its signer may have trusted one more authority, so this does not speak against it.
        names = format_names(earlier)
        detail = tr(
            "for {names}, the report states an earlier time than the available timestamp "
            "tokens prove",
            names=names,
        )
        yield Finding.indeterminate("bundles", Code.TIME, detail)
    if other:
        found.notes[
            "the report states no proven time, or a later time than the available timestamp "
            "tokens prove"
        ] = other


def format_names(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - NAMED_AT_MOST} more" if len(names) > NAMED_AT_MOST else ""
    return f"{', '.join(names[:NAMED_AT_MOST])}{more}"


def _check_capture(
    said: Observation,
    here: VerifiedBundle | None,
    by: Rederivation,
    key_id: str,
    found: CaptureChecks,
    states: dict[str, Verdict],
) -> None:
    """Check the bundle of a capture, and derive again what it shows."""
    name = said.bundle_id
    if here is None:
        found.missing.append(name)
        return
    report = here.report
    states[name] = report.verdict
    if report.sha256 != said.sha256:
        detail = tr(
            "the digest of the bundle {name} differs from the digest in the report", name=name
        )
        found.findings.append(Finding.failed("bundles", Code.BUNDLE_OTHER, detail))
        return
    if report.verdict is Verdict.FAILED:
        detail = tr(
            "the verdict about {name} is FAILED: {codes}",
            name=name,
            codes=" ".join(report.codes(Verdict.FAILED)),
        )
        found.findings.append(Finding.failed("bundles", Code.BUNDLE, detail))
        return
    if key_id in _signers(report.record):
        detail = tr("the key that signed the report also signed the capture {name}", name=name)
        found.findings.append(Finding.failed(tr("report key"), Code.EVENT_KEY, detail))
    try:
        facts = report.established
        if facts is None:
            raise EvidenceInvalid(tr("the capture record of the bundle is invalid"))
        record, files = report.record, BundleFiles(here.stream, facts)
        if assessment.read_assessment(files) is None:
            found.without_rules.add(name)
            url = str(record["what"]["requested_url"])
            made = assessment.assess(record, files, by.decide(url), by.assessor_of)
        else:
            made = assessment.rederive(files, by.assessor_of).assessment
        again = observe(facts, made, proven_at=said.proven_at, rules=by.rules)
        found.page_identities[name] = (again.identity, stated(facts, made, by.rules))
    except ServiceUnavailable:
        raise
    except (SnapshotterError, KeyError, TypeError) as error:
        detail = tr(
            "the verdict of {name} cannot be derived again: {error}", name=name, error=error
        )
        found.findings.append(Finding.indeterminate("bundles", Code.VERDICT, detail))
        return
    found.established[name] = replace(facts, members={})
    by_today = name in found.without_rules
    found.derived[name] = with_recorded_verdict(said, again) if by_today else again
    if again.account_name and not said.account_name:  # older reports do not have it
        what = tr("the report does not state the name of the account that the page shows")
        found.notes.setdefault(what, []).append(name)
    other = differing_fields(said, again)
    if by_today:
        what = tr("the bundle contains no verdict, so the current rules judged the capture")
        found.notes.setdefault(what, []).append(name)
        if "rule_files" in other:
            other.remove("rule_files")
            found.unconfirmed.setdefault("rule_files", []).append(name)
    if other and by_today and set(other) <= set(DERIVED_BY_RULES):
        fields = ", ".join(other)
        words = tr(
            "{name}: the current rules do not confirm what the report states in these "
            "fields: {fields}",
            name=name,
            fields=fields,
        )
        found.findings.append(Finding.indeterminate("bundles", Code.VERDICT, words))
    elif other:
        detail = tr(
            "{name}: the report differs from the bundle in these fields: {other}",
            name=name,
            other=", ".join(other),
        )
        found.findings.append(Finding.failed("bundles", Code.VERDICT, detail))


def _signers(record: Mapping[str, Any]) -> set[str]:
    return {str(signer.get("key_id")) for signer in record.get("signers", ())}
