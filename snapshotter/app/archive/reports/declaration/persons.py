"""Leave blank what only a person can state."""

from collections.abc import Iterator, Sequence

from snapshotter.app.archive.reports.declaration.sections import DeclaredCapture, about_software
from snapshotter.model.declaration import (
    NOT_PASSED,
    Blank,
    Item,
)
from snapshotter.model.finding import Verdict
from snapshotter.translation import tr


def case_items(captures: Sequence["DeclaredCapture"]) -> Iterator[Item]:
    """Yield what the draft states about the case."""
    for capture in captures:
        if capture.report.verdict is not Verdict.PASSED:
            yield capture.sentence(
                NOT_PASSED,
                tr(
                    "The verification of the bundle {id} has the result {verdict}, and not PASSED. "
                    "These checks established nothing: {checks}.",
                    id=capture.bundle_id,
                    verdict=capture.report.verdict.name,
                    checks=", ".join(
                        f"{found.check.strip()} ({found.code.value})"
                        for found in capture.report.findings
                        if found.verdict is not Verdict.PASSED
                    ),
                ),
                "integrity.proof",
            )
    yield Blank(key="court", term=tr("Court or authority"))
    yield Blank(key="matter", term=tr("Name and number of the case"))
    yield Blank(key="parties", term=tr("Parties"))
    for capture in captures:
        yield capture.sentence(
            "bundle",
            tr("The document is about a redacted copy of a bundle. The copy has this SHA-256:")
            if capture.is_redacted
            else tr("The document is about the bundle with this SHA-256:"),
            "what.bundle_sha256",
            shown="what.bundle_sha256",
        )
        yield Blank(
            key="exhibit",
            term=tr("Exhibit number of the bundle {id}", id=capture.bundle_id),
            bundle_id=capture.bundle_id,
        )


def declarant_items() -> Iterator[Item]:
    """Yield the blanks about the person who signs."""
    yield Blank(key="name", term=tr("Name"))
    yield Blank(key="employer", term=tr("Employer"))
    yield Blank(key="role", term=tr("Position"))
    yield Blank(key="qualification", term=tr("Training and experience with the process"), lines=2)
    yield Blank(key="basis", term=tr("How the declarant knows the facts of this document"), lines=3)
    yield Blank(key="interest", term=tr("Relation to the parties"))


def purpose_items() -> Iterator[Item]:
    """Yield the tick boxes for the purpose of the declaration."""
    yield Blank(
        key="purpose",
        term=tr("Tick what applies"),
        options=(
            tr(
                "United States, Federal Rules of Evidence, Rule 902(13): record that an electronic "
                "process or system generated. The sections about process, checks and captures "
                "describe the process and the result of the process."
            ),
            tr(
                "United States, Federal Rules of Evidence, Rule 902(14): data copied from an "
                "electronic device, storage medium or file. The section about the copies has the "
                "digests that identify the data."
            ),
            tr("Technical statement without reference to a rule, for any other jurisdiction."),
        ),
    )


def notice_items() -> Iterator[Item]:
    """Yield the blanks about the notice to other parties."""
    yield about_software(
        "rule",
        tr(
            "Rules 902(13) and 902(14) refer to the notice that Rule 902(11) requires. Other "
            "jurisdictions have their own rules. This section can be removed."
        ),
    )
    yield Blank(key="notice_date", term=tr("Date of the written notice to the other parties"))
    yield Blank(
        key="inspection",
        term=tr("Date from which record and declaration were available for inspection"),
    )


def signature_items() -> Iterator[Item]:
    """Yield the blanks for words, place, date and signature."""
    yield Blank(
        key="words",
        term=tr(
            "Words of the declaration that the law requires (in the United States: 28 U.S.C. "
            "§\N{NO-BREAK SPACE}1746, which has one form for declarations that are signed in the "
            "United States, and another form for declarations that are signed elsewhere)"
        ),
        lines=3,
    )
    yield Blank(key="place", term=tr("Place"))
    yield Blank(key="date", term=tr("Date"))
    yield Blank(key="signature", term=tr("Signature"), lines=2)


def copies_items() -> Iterator[Item]:
    """Yield what is stated about all copies."""
    yield about_software(
        "method",
        tr(
            "The digest of a file is its SHA-256 (FIPS 180-4). The digest of a copy can be "
            "computed by any program for SHA-256, for example sha256sum or certutil."
        ),
    )


def copy_items(capture: DeclaredCapture) -> Iterator[Item]:
    """Yield the blanks about the copy of a bundle."""
    at = capture.local.show(capture.report.verified_at)
    yield capture.sentence(
        "source",
        tr(
            "On {at}, {software} computed this SHA-256 of the file:",
            at=f"{at.local} ({at.utc})" if at.utc else at.local,
            software=capture.report.software,
        ),
        "what.bundle_sha256",
        shown="what.bundle_sha256",
    )
    yield Blank(key="medium", term=tr("Device, storage medium or file from which the copy is made"))
    yield Blank(key="method", term=tr("How, by whom and when the copy was made"), lines=2)
    yield Blank(key="copy_sha256", term=tr("SHA-256 of the copy"), lines=2)
    yield Blank(key="compared", term=tr("Program that computed the SHA-256 of the copy, and date"))
    yield Blank(
        key="equal",
        term=tr("The SHA-256 of the copy is equal to the SHA-256 above"),
        options=(tr("yes"), tr("no")),
    )
