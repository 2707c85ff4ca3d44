"""
Define the report of a self-test: each case with its checks, and the counts that follow from them.

A check compares a value that was known before the test with the value that was found. A check that
could not be made never counts as passed (docs/spec/validation.md).
"""

import enum
from collections.abc import Iterable
from datetime import datetime

from snapshotter.model.finding import Verdict
from snapshotter.value_class import dataclass


class CheckGroup(enum.StrEnum):
    """What a check is about. Each group has counts of its own."""

    AVAILABILITY = "availability"  # whether the page is there
    CONTENT = "content"  # title, status, words, pictures, missing parts
    INTACT = "intact"  # an unchanged bundle is PASSED
    ALTERED = "altered"  # an altered copy is refused
    REASON = "reason"  # an altered copy is refused with the right codes


class KeyOrigin(enum.StrEnum):
    """Which key signed the report."""

    CAPTURE_KEY = "capture-key"  # the key that signs captures on this machine
    OWN_KEY = "own-key"  # a key made for this report, which nobody has after the test


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationCheck:
    """One known value, and the value that the test found."""

    group: CheckGroup
    name: str  # of the value: "title", "verdict"
    expected: str
    found: str | None  # None: the check could not be made
    verifier: str = ""  # which verifier found it; "" for a value of a capture

    @property
    def verdict(self) -> Verdict:
        """PASSED where both values are the same, INDETERMINATE where nothing was found."""
        if self.found is None:
            return Verdict.INDETERMINATE
        return Verdict.PASSED if self.found == self.expected else Verdict.FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationCase:
    """One page that was captured, or one altered copy of a bundle."""

    name: str  # stable, for machines: "page/status-404"
    about: str  # a sentence
    checks: tuple[ValidationCheck, ...]
    sha256: str = ""  # of the bundle or the copy; "" where there is none
    problem: str = ""  # why checks could not be made
    duration_ms: int = 0

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of the checks."""
        return worst(check.verdict for check in self.checks)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationCount:
    """How many checks of a group were made, and how many were wrong."""

    group: CheckGroup
    verifier: str = ""
    made: int
    wrong: int
    not_made: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationProgram:
    """A program that took part in the test. Facts that are not known are ""."""

    name: str  # "browser", "second verifier"
    version: str
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationMachine:
    """The machine of the test, without its name."""

    os: str
    kernel: str
    architecture: str
    processors: int
    clock: str  # what the system states about its clock


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationReport:
    """The result of one self-test."""

    report_id: str
    started_at: datetime
    ended_at: datetime
    programs: tuple[ValidationProgram, ...]
    machine: ValidationMachine
    key_origin: KeyOrigin
    cases: tuple[ValidationCase, ...]
    counts: tuple[ValidationCount, ...]
    not_tested: tuple[str, ...]  # sentences
    verdict: Verdict
    notes: tuple[str, ...] = ()  # sentences about this run
    known_limits: tuple[str, ...] = ()  # known errors and limits of this version, sentences

    @property
    def software(self) -> str:
        """Name and version of the tested software."""
        return next(
            (program.version for program in self.programs if program.name == SOFTWARE_NAME), ""
        )


SOFTWARE_NAME = "software"


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst verdict; INDETERMINATE if there is none."""
    found = set(verdicts)
    for verdict in (Verdict.FAILED, Verdict.INDETERMINATE):
        if verdict in found:
            return verdict
    return Verdict.PASSED if found else Verdict.INDETERMINATE


def case_verdict(cases: Iterable[ValidationCase]) -> Verdict:
    """Return the verdict of a self-test with these cases. A case without checks shows nothing."""
    return worst(case.verdict for case in cases)


def counts(cases: Iterable[ValidationCase]) -> tuple[ValidationCount, ...]:
    """Return the counts of all groups, for each verifier, in the order of groups and names."""
    found: dict[tuple[CheckGroup, str], list[Verdict]] = {}
    for case in cases:
        for check in case.checks:
            found.setdefault((check.group, check.verifier), []).append(check.verdict)
    order = list(CheckGroup)
    return tuple(
        ValidationCount(
            group=group,
            verifier=verifier,
            made=sum(verdict is not Verdict.INDETERMINATE for verdict in verdicts),
            wrong=sum(verdict is Verdict.FAILED for verdict in verdicts),
            not_made=sum(verdict is Verdict.INDETERMINATE for verdict in verdicts),
        )
        for (group, verifier), verdicts in sorted(
            found.items(), key=lambda item: (order.index(item[0][0]), item[0][1])
        )
    )
