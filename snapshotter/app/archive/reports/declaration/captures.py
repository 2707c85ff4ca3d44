"""State what the verification of each capture found."""

from collections.abc import Iterator
from dataclasses import replace

from snapshotter.app.archive.reports.declaration.sections import (
    VERIFICATION,
    DeclaredCapture,
    about_software,
    part_of,
)
from snapshotter.model.capture_report import (
    Basis,
    Field,
    Kind,
    Source,
    Table,
)
from snapshotter.model.declaration import (
    Blank,
    Item,
    Quoted,
    Section,
)
from snapshotter.model.finding import Verdict
from snapshotter.translation import tr


def capture_sections(capture: DeclaredCapture, position: int, total: int) -> Iterator[Section]:
    """Yield the section about a capture, and its parts."""
    term = (
        tr("The capture")
        if total == 1
        else tr("Capture {position} of {total}", position=position, total=total)
    )
    yield Section(key="capture", number="", term=term, bundle_id=capture.bundle_id,
                  items=tuple(_event(capture)))  # fmt: skip
    yield part_of(capture, "event", tr("Addresses and times"), _addresses(capture))
    yield part_of(capture, "server", tr("The server"), capture.quotes(
        "from_whom", "status", "remote_ip", "remote_port", "protocol", "tls_protocol",
        "certificates",
    ))  # fmt: skip
    yield part_of(capture, "files", tr("Digests of the files"), _files(capture))
    yield part_of(capture, "integrity", tr("Digests, signatures and times"), _integrity(capture))
    yield part_of(capture, "verification", tr("Verification"), _verification(capture))
    yield part_of(capture, "custody", tr("Custody"), _custody(capture))
    yield part_of(capture, "redactions", tr("Replaced and withheld values"), _redactions(capture))


def _redactions(capture: DeclaredCapture) -> Iterator[Item]:
    if capture.is_redacted:
        yield from capture.quotes("redactions", "withheld_values", "withheld_files")
        yield about_software(
            "disclosed",
            tr(
                "The bundle and its salts are needed to show a withheld value. The capture report "
                "of the copy has the commitment to each value."
            ),
        )
        yield Blank(key="salts", term=tr("Who has the bundle and its salts"))
    yield from capture.quotes("redactions", "values")


def _event(capture: DeclaredCapture) -> Iterator[Item]:
    yield from capture.from_report()
    if capture.report.missing:
        yield replace(
            capture.sentence("missing", tr("The record states that parts are missing:"),
                             "what.whole"),
            shown=Field(
                key="missing", term=tr("Missing parts"), value=capture.report.missing,
                kind=Kind.LINES, basis=Basis.STATED,
                source=Source(file="capture/capture.json", pointer="/outcome/reasons"),
            ),
        )  # fmt: skip
    yield Blank(key="captured_by", term=tr("Who started the capture, and why"), lines=2)


def _addresses(capture: DeclaredCapture) -> Iterator[Item]:
    yield from capture.quotes("what", "final_url", "redirects")
    yield from capture.quotes(
        "when", "started_at", "navigation_started_at", "navigation_ended_at", "ended_at",
        "sealed_at",
    )  # fmt: skip
    yield from capture.quotes("how", "software", "build", "policy", "policy_sha256")
    yield Blank(
        key="account",
        term=tr(
            "Account with which the page was captured, or none, to the knowledge of the declarant"
        ),
    )


def _files(capture: DeclaredCapture) -> Iterator[Item]:
    yield from capture.quotes("content", "artifacts")


def _integrity(capture: DeclaredCapture) -> Iterator[Item]:
    yield from capture.quotes("what", "bundle_sha256", "bundle_bytes")
    yield from capture.quotes("integrity", "manifest_sha256", "signatures")
    yield capture.sentence("trust", tr("Source of the trusted keys: {trust}.", trust=capture.trust),
                           "integrity.key_statement")  # fmt: skip
    yield from capture.quotes("integrity", "trust_sha256")
    for item in capture.quotes("when", "tokens"):
        if isinstance(item, Quoted) and isinstance(item.item, Table):
            note = tr(
                "A token states that its authority signed the digest of the signature at this time."
            )
            empty = tr("The verification found no token of a trusted timestamp authority.")
            yield replace(item, item=replace(item.item, note=note, empty=empty))
        else:
            yield item
    yield from capture.quotes("when", "proven_time", "authorities", "qualified")
    yield from capture.quotes("integrity", "log_index", "log_origin", "logged_by")


def _verification(capture: DeclaredCapture) -> Iterator[Item]:
    report = capture.report
    at = capture.local.show(report.verified_at)
    yield capture.sentence(
        "verified",
        tr(
            "On {at}, {software} verified the file with {trust}. Result: {verdict}. Checks "
            "that passed: {passed} of {all}.",
            at=f"{at.local} ({at.utc})" if at.utc else at.local,
            software=report.software,
            trust=capture.trust,
            verdict=report.verdict.name,
            passed=sum(found.verdict is Verdict.PASSED for found in report.findings),
            all=len(report.findings),
        ),
        "integrity.proof",
    )
    yield about_software(
        "clock",
        tr(
            "The clock of the machine that made this draft gives the time of the verification, "
            "unless the person who made the draft entered another time. The draft has no proof of "
            "this time."
        ),
    )
    for number, found in enumerate(report.findings, start=1):
        if found.verdict is not Verdict.PASSED:
            yield replace(
                capture.sentence(
                    f"check.{number}",
                    tr(
                        "The check {check} established nothing ({code}):",
                        check=found.check.strip(),
                        code=found.code.value,
                    ),
                    "integrity.proof",
                ),
                shown=Field(
                    key="detail", term=tr("Finding"), value=found.detail, basis=Basis.VERIFIED,
                    source=replace(VERIFICATION, pointer=f"/checks/{number - 1}"),
                ),
            )  # fmt: skip


def _custody(capture: DeclaredCapture) -> Iterator[Item]:
    yield from capture.quotes("custody", "events")
    yield about_software(
        "later",
        tr(
            "Later custody events are in files beside the bundle. The capture report lists these "
            "events."
        ),
    )
    yield Blank(
        key="since",
        term=tr("Where the bundle was kept since the capture, and who had access"),
        lines=3,
    )
    yield Blank(
        key="transfers",
        term=tr(
            "Transfers outside of the software: from whom, to whom, date, method, and whether the "
            "SHA-256 values were compared"
        ),
        lines=3,
    )
