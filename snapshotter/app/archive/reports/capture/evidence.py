"""
Hold what a report about a capture is made from: a verified bundle, and what was read of it.

The `basis` of a value states who vouches for it: a check of this verification, a signed file of
the bundle, or nobody that could be checked.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from snapshotter.app.archive.reports.capture.record_fields import RecordFields
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import custody_sidecars, names, redactable, store_keys
from snapshotter.formats.proofs.rfc3161 import Token
from snapshotter.model.capture_report import (
    Basis,
    Field,
    Kind,
    Presence,
    Source,
    Value,
)
from snapshotter.model.finding import Report, Verdict
from snapshotter.report.capture_page import CaptureMaterial
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.trust import Trust

ANNOTATIONS: Final = "annotations"
ASSESSMENT: Final = "capture/assessment.json"
NETWORK: Final = "capture/network.json"
POLICY: Final = "capture/policy.toml"
VERIFICATION: Final = "verification"
TRUST: Final = "trust"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadToken:
    """A timestamp token of a bundle."""

    file: str  # a member, or what follows the bundle's name and a dot
    slot: int | None  # of the signature that it is over; None: no trusted authority's is good
    authority: str  # as the trust file names it; "" if it is not good
    token: Token


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A bundle that was just verified, and what was read of it."""

    material: CaptureMaterial
    report: Report
    trust: Trust
    network: Any = None  # `capture/network.json`
    assessment: Any = None  # `capture/assessment.json`
    policy: str = ""  # TOML
    chain: tuple[custody_sidecars.ChainedEvent, ...] = ()
    tokens: tuple[ReadToken, ...] = ()
    unread: tuple[str, ...] = ()
    exhibit: str = ""  # case and number; "" for none

    @property
    def bundle_id(self) -> str:
        """The id that the bundle states; if it states none, the name under which it was given."""
        stated = self.report.bundle_id
        return stated if store_keys.is_id(stated) else self.material.name

    @property
    def bundle_file(self) -> str:
        """The name of the bundle as a file."""
        return f"{self.bundle_id.removesuffix('.wacz')}.wacz"

    @property
    def checked(self) -> Basis:
        """The basis of what the verification checks or computes."""
        return Basis.VERIFIED if self.is_sound else Basis.UNVERIFIED

    @property
    def stated(self) -> Basis:
        """The basis of what a signed file of the bundle states."""
        return Basis.STATED if self.is_sound else Basis.UNVERIFIED

    @property
    def is_sound(self) -> bool:
        """Whether every check was made, and none FAILED."""
        is_copy = self.is_redacted and self.report.verdict is not Verdict.FAILED
        return self.report.established is not None or is_copy

    @property
    def is_redacted(self) -> bool:
        """Whether the file is a redacted copy."""
        return self.report.withheld is not None

    @property
    def withheld_files(self) -> frozenset[str]:
        """The members that a redacted copy lacks."""
        withheld = self.report.withheld
        return frozenset(withheld.files if withheld is not None else ())

    @property
    def record(self) -> RecordFields:
        """The capture record, or the redactable record of a redacted copy."""
        root = self.material.record
        is_redactable = root.get("format") == redactable.FORMAT
        return RecordFields(
            root=root,
            basis=self.stated,
            file=redactable.PATH if is_redactable else names.CAPTURE_RECORD,
        )

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 of each member of the bundle, as the verification computed it."""
        known = self.report.established
        return {path: found.sha256 for path, found in known.members.items()} if known else {}

    @property
    def manifest_sha256(self) -> str:
        """SHA-256 of the signed list of files; "" if the verification did not establish it."""
        withheld = self.report.withheld
        if withheld is not None:
            return withheld.manifest_sha256 if self.is_sound else ""
        return self.digests.get(names.MANIFEST_SHA256, "")

    def found(
        self,
        key: str,
        term: str,
        value: Value,
        source: str,
        *,
        kind: Kind = Kind.TEXT,
        basis: Basis | None = None,
        pointer: str = "",
        note: str = "",
    ) -> Field:
        """Return a field whose value the verification found."""
        is_there = value is not None and value not in ("", ())
        return Field(
            key=key,
            term=term,
            value=value if is_there else None,
            kind=kind,
            basis=basis or self.checked,
            source=Source(file=source, pointer=pointer),
            presence=Presence.PRESENT if is_there else Presence.ABSENT,
            note=note,
        )


def instant(at: datetime | None) -> str | None:
    """Return an instant as reports have it; None for none."""
    return canonical_json.instant(at) if at is not None else None


def operator(of: Evidence) -> tuple[str, Source]:
    """Return who stored the bundle, as the first event after the seal names them, or ""."""
    for position, event in custody_positions(of):
        if event.number:
            return event.event.by, custody_source(of, event, position, "by")
    return "", Source(file=f"{of.bundle_file}.custody-0001.jsonl", pointer="/0/by")


def trust_words(of: Evidence) -> str:
    """Return which keys were trusted, for a reader who is not the person who verified."""
    if has_owners(of):
        return of.report.trust
    return tr("the keys in the settings of the person who made this report, without a trust file")


def has_owners(of: Evidence) -> bool:
    """Whether a trust file names the owners of keys; else the keys are those of the settings."""
    return of.trust.version is not None


def custody_positions(of: Evidence) -> Iterator[tuple[int, custody_sidecars.ChainedEvent]]:
    """Yield the events with their positions in their files, from 0."""
    file, position = 0, -1
    for link in of.chain:
        position = position + 1 if link.number == file else 0
        file = link.number
        yield position, link


def custody_position(of: Evidence, wanted: custody_sidecars.ChainedEvent) -> int:
    """Return the position of a custody event in its file."""
    return next(position for position, link in custody_positions(of) if link is wanted)


def custody_source(
    of: Evidence, link: custody_sidecars.ChainedEvent, position: int, name: str = ""
) -> Source:
    """Return the source of a value of a custody event."""
    file = (
        f"{of.bundle_file}.{custody_sidecars.kind(link.number)}" if link.number else names.CUSTODY
    )
    return Source(file=file, pointer=f"/{position}/{name}" if name else f"/{position}")
