"""
Define the report about a case: numbers, exhibits, and tables, each value with its source.

The JSON file and the page for people are both written from this one value
(docs/spec/case-report.md).
"""

from datetime import datetime

from snapshotter.model.capture_report import Field, Group
from snapshotter.model.finding import Verdict
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ExhibitPicture:
    """A small copy of the top of the page's picture. CSS pixels."""

    url: str  # data:
    width: int
    height: int
    path: str  # the member of the bundle
    sha256: str  # of this member; "" if it was not verified


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedExhibit:
    """One capture of the case, as it was verified for the report."""

    number: int
    bundle_id: str
    problem: str = ""  # why it was not verified
    verdict: Verdict | None = None  # None: it was not verified
    page: str = ""  # what the page was, in words; "" if it is not known or not relied on
    shape: str = ""  # of this state, one character
    tone: str = ""  # of this state, a class of base.css
    title: str = ""  # of the page
    sentences: tuple[str, ...] = ()  # the answers to the three questions
    fields: tuple[Field, ...] = ()  # their keys are `group.key` of the capture report
    picture: ExhibitPicture | None = None
    no_picture: str = ""  # a sentence: why there is none

    @property
    def started_at(self) -> str:
        """When the capture began, as JSON has it; "" if it is not known."""
        for field in self.fields:
            if field.key == "when.started_at" and isinstance(field.value, str):
                return field.value
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReport:
    """Everything that the report about a case states."""

    case: str
    title: str | None  # None: withheld, or erased
    verified_at: datetime
    software: str
    trust: str
    zone: str  # of local times
    alarms: tuple[str, ...]  # sentences that come first: what FAILED or could not be verified
    numbers: tuple[Field, ...]
    exhibits: tuple[ReportedExhibit, ...]  # in the order of their numbers
    groups: tuple[Group, ...]  # timeline, removals, gaps, custody, verification …
    limits: tuple[tuple[str, str], ...]  # what the report does not prove, and what would help

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of an exhibit; not established if one was not verified, or of none."""
        verdicts = {exhibit.verdict for exhibit in self.exhibits}
        if Verdict.FAILED in verdicts:
            return Verdict.FAILED
        return Verdict.PASSED if verdicts == {Verdict.PASSED} else Verdict.INDETERMINATE
