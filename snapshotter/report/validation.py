"""
Write a validation report as one HTML page for people. The evidence is the signed JSON file.
"""

from collections.abc import Mapping
from typing import Final

from snapshotter.model.finding import Verdict
from snapshotter.model.validation import CheckGroup, ValidationCase, ValidationReport
from snapshotter.model.validation_sentences import count_sentence, key_sentence, result_sentence
from snapshotter.report import html
from snapshotter.report.local_time import LocalTime
from snapshotter.report.states import StateLabel
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_TEMPLATE, _STYLES = "validation.html.j2", ("base.css", "validation.css")
GROUPS: Final[Mapping[CheckGroup, str]] = {
    CheckGroup.AVAILABILITY: tr("Is the page there? The answer is compared with the known answer."),
    CheckGroup.CONTENT: tr(
        "Title, status, words, missing parts and size of the picture are compared with the known "
        "values."
    ),
    CheckGroup.INTACT: tr("An unchanged bundle must be PASSED."),
    CheckGroup.ALTERED: tr("An altered copy must be refused."),
    CheckGroup.REASON: tr("An altered copy must be refused with the right codes."),
}
_LABELS: Final[Mapping[Verdict, StateLabel]] = {
    Verdict.PASSED: StateLabel(words=tr("As expected"), shape="✓", tone="good"),
    Verdict.FAILED: StateLabel(words=tr("Not as expected"), shape="✕", tone="bad"),
    Verdict.INDETERMINATE: StateLabel(words=tr("Not checked"), shape="○", tone="open"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _AlteredRow:
    """One altered copy: what both verifiers had to find, and what each found."""

    about: str
    name: str
    expected: str
    found: tuple[tuple[str, str], ...]  # verifiers with one result, and the verdict with codes
    label: StateLabel
    problem: str


def page(
    report: ValidationReport, local: LocalTime, *, key_id: str, sha256: str, name: str
) -> bytes:
    """
    Return the page.

    Args:
        key_id: Of the key that signed the JSON file.
        sha256: Of the JSON file.
        name: Of the JSON file.
    """
    return html.render(
        _TEMPLATE,
        _STYLES,
        "",
        end=html.print_margins(
            tr("snapshotter · validation report"), tr("SHA-256 {digest}", digest=sha256[:16])
        ),
        altered=[_altered_row(case) for case in report.cases if _is_altered(case)],
        captured=[case for case in report.cases if not _is_altered(case)],
        counts=[
            (GROUPS[count.group], count.verifier, count_sentence(count), count)
            for count in report.counts
        ],
        key_id=key_id,
        key_words=key_sentence(report),
        labels=_LABELS,
        name=name,
        of=report,
        result=result_sentence(report),
        sha256=sha256,
        when=local.show,
        zone_sentence=local.sentence(report.ended_at),
    )


def _is_altered(case: ValidationCase) -> bool:
    groups = {check.group for check in case.checks}
    return bool(groups) and groups <= {CheckGroup.ALTERED, CheckGroup.REASON}


def _altered_row(case: ValidationCase) -> _AlteredRow:
    found: dict[str, list[str]] = {}
    for check in case.checks:
        found.setdefault(check.verifier, []).append(check.found or tr("nothing"))
    expected = dict.fromkeys(check.expected for check in case.checks)
    verifiers: dict[str, list[str]] = {}
    for verifier, values in found.items():
        verifiers.setdefault(" ".join(values), []).append(verifier)
    return _AlteredRow(
        about=case.about,
        name=case.name,
        expected=" ".join(expected),
        found=tuple((", ".join(names), value) for value, names in verifiers.items()),
        label=_LABELS[case.verdict],
        problem=case.problem,
    )
