"""Ways to spoil a collection, each with what an audit has to find."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from snapshotter.model.finding import Verdict
from snapshotter.verify.report import EXIT_CODES
from tests.audited import Audited, Collection

PASSED, FAILED, UNCLEAR = Verdict.PASSED, Verdict.FAILED, Verdict.INDETERMINATE

# Spoils a collection; what it returns are arguments of the audit.
Spoil = Callable[[Collection, Path], dict[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Case:
    """One way to spoil a collection, and what an audit has to find."""

    spoil: Spoil
    kinds: frozenset[str]  # "deleted"; with "?" where it is unclear
    verdict: Verdict
    notes: frozenset[str]
    remembers: bool  # whether the auditor has seen the good collection


@dataclass(slots=True)
class Cases:
    """The cases of one module."""

    all: list[Case] = field(default_factory=list)

    def case(
        self, *kinds: str, verdict: Verdict, notes: tuple[str, ...] = (), remembers: bool = True
    ) -> Callable[[Spoil], Spoil]:
        """Add a case."""

        def add(spoil: Spoil) -> Spoil:
            found = Case(spoil, frozenset(kinds), verdict, frozenset(notes), remembers)
            self.all.append(found)
            return spoil

        return add

    @property
    def parametrized(self) -> pytest.MarkDecorator:
        """Run a test for each case, named as its function is."""
        ids = [case.spoil.__name__.replace("_", "-") for case in self.all]
        return pytest.mark.parametrize("spoilt", self.all, ids=ids)


def check(spoilt: Case, spoiled: Collection, good: Audited, folder: Path) -> None:
    """Spoil the collection, audit it, and compare."""
    arguments = spoilt.spoil(spoiled, folder) or {}

    found = spoiled.audited(
        folder / "work.sqlite",
        remembered=good.to_remember if spoilt.remembers else None,
        **arguments,
    )

    assert found.kinds == spoilt.kinds, found.findings
    assert spoilt.notes <= found.notes
    if spoilt.verdict is PASSED:
        assert spoilt.notes == found.notes, found.findings
    assert found.report.verdict is spoilt.verdict
    assert EXIT_CODES[found.report.verdict] == {PASSED: 0, FAILED: 10, UNCLEAR: 11}[spoilt.verdict]
    # What an auditor saw is never replaced by what does not follow from it.
    if {"forked", "rolled-back", "log-broken"} & found.kinds:
        assert found.to_remember is None
