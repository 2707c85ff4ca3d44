"""
Make the draft of a declaration about captures, from their reports (docs/spec/declaration.md).

A value of a report is used if the verification checked it, or if a signed file of the bundle states
it. All other values are left out, and a person fills a blank. The draft states no conclusion, and
nothing about the person who signs it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count

from snapshotter.app.archive.reports.declaration.annex import annex_sections
from snapshotter.app.archive.reports.declaration.captures import capture_sections
from snapshotter.app.archive.reports.declaration.persons import (
    case_items,
    copies_items,
    copy_items,
    declarant_items,
    notice_items,
    purpose_items,
    signature_items,
)
from snapshotter.app.archive.reports.declaration.process import (
    checking_items,
    declared_test,
    limit_items,
    process_items,
)
from snapshotter.app.archive.reports.declaration.sections import (
    DeclaredCapture,
    part_of,
    section_of,
)
from snapshotter.app.self_tests import SelfTest
from snapshotter.errors import EvidenceInvalid, EvidenceUnverifiable, UsageMistake
from snapshotter.model.capture_report import (
    Basis,
    CaptureReport,
    Field,
)
from snapshotter.model.declaration import (
    Blank,
    Declaration,
    Section,
)
from snapshotter.model.finding import Verdict
from snapshotter.report.local_time import LocalTime
from snapshotter.translation import tr


def require_verified(name: str, report: CaptureReport) -> None:
    """
    Require that a verification established the values of a report.

    Args:
        name: The bundle as it was given.

    Raises:
        EvidenceInvalid: The verification FAILED.
        EvidenceUnverifiable: The verification established nothing.
    """
    hint = tr("read what was checked:\n  snapshotter report capture {name}", name=name)
    if report.verdict is Verdict.FAILED:
        failed = next(found for found in report.findings if found.verdict is Verdict.FAILED)
        raise EvidenceInvalid(
            tr(
                "the verification of {name} FAILED, so there is no draft of a declaration: "
                "{detail}",
                name=name,
                detail=failed.detail,
            ),
            hint=hint,
        )
    manifest = report.find("integrity.manifest_sha256")
    if not isinstance(manifest, Field) or manifest.basis is not Basis.VERIFIED:
        raise EvidenceUnverifiable(
            tr(
                "the verification of {name} established no value, so there is no draft of a "
                "declaration: a check did not run",
                name=name,
            ),
            hint=hint,
        )


def make_declaration(
    reports: Sequence[CaptureReport], local: LocalTime, *, self_test: SelfTest | None
) -> Declaration:
    """
    Return the draft of a declaration about captures.

    Args:
        reports: At least one, all of one verification; `require_verified` accepts each.
        self_test: The newest of this machine; None if there is none.

    Raises:
        UsageMistake: A capture is named twice.
    """
    captures = [DeclaredCapture(report=report, local=local) for report in reports]
    ids = [capture.bundle_id for capture in captures]
    for bundle_id in ids:
        if ids.count(bundle_id) > 1:
            raise UsageMistake(tr("the capture {bundle_id} is named twice", bundle_id=bundle_id))
    first = reports[0]
    return Declaration(
        bundles=tuple(capture.bundle for capture in captures),
        sections=tuple(_numbered(_sections(captures, self_test))),
        self_test=declared_test(self_test),
        verified_at=first.verified_at,
        software=first.software,
        zone=first.zone,
    )


def _numbered(sections: Iterable[Section]) -> Iterator[Section]:
    """Number the sections, and the blanks in their order."""
    blank, main, annex = count(1), 0, 0
    prefix, part = "", 0
    for section in sections:
        if section.level > 1:
            part += 1
            number = f"{prefix}.{part}"
        elif section.key == "annex":
            annex, part = annex + 1, 0
            number = prefix = f"A{annex}"
        else:
            main, part = main + 1, 0
            number = prefix = f"{main}"
        yield replace(
            section,
            number=number,
            items=tuple(
                replace(item, number=next(blank)) if isinstance(item, Blank) else item
                for item in section.items
            ),
        )


def _sections(
    captures: Sequence["DeclaredCapture"], self_test: SelfTest | None
) -> Iterator[Section]:
    yield section_of("case", tr("The case"), case_items(captures))
    yield section_of("declarant", tr("The declarant"), declarant_items())
    yield section_of("purpose", tr("What this document is for"), purpose_items())
    yield section_of("process", tr("The process"), process_items(captures))
    yield section_of(
        "checking", tr("How the result can be checked"), checking_items(captures[0], self_test)
    )
    for position, capture in enumerate(captures, start=1):
        yield from capture_sections(capture, position, len(captures))
    yield section_of("copies", tr("The copies that are filed"), copies_items())
    for capture in captures:
        yield part_of(capture, "copy", tr("Copy of the bundle {id}", id=capture.bundle_id),
                    copy_items(capture))  # fmt: skip
    yield section_of("limits", tr("What this document does not state"), limit_items(captures))
    yield section_of("notice", tr("Notice (United States, Rule 902(11))"), notice_items())
    yield section_of("signature", tr("Declaration and signature"), signature_items())
    for capture in captures:
        yield from annex_sections(capture)
