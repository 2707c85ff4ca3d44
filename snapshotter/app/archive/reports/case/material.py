"""Hold what is read for a report about a case, and name its people."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from datetime import datetime
from typing import Final

from snapshotter.app.archive.observations import ObservationSource
from snapshotter.app.archive.organising.case_view import CaseView
from snapshotter.app.archive.quarantined import FindHidden, IsTrusted
from snapshotter.formats.bundle import store_keys
from snapshotter.index.query import Query
from snapshotter.model.annotation_state import AnnotationState
from snapshotter.model.annotations import Annotation
from snapshotter.model.capture_report import (
    Basis,
    CaptureReport,
    Field,
    Kind,
    Row,
    Source,
    Value,
)
from snapshotter.model.case_report import ReportedExhibit
from snapshotter.model.finding import Verdict
from snapshotter.model.takedown import Observation
from snapshotter.report.picture_copies import CopyPiece
from snapshotter.report.states import StateLabel
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.trust import Trust

INDEX: Final = "index"
EVENTS: Final = f"{store_keys.TAKEDOWNS}/"
GAPS: Final = f"{store_keys.GAPS}/"


class People:
    """
    Name people by pseudonym, or else by a number and their role, never by name.

    Args:
        records: The annotations of the store, whose authors may have a role and a pseudonym.
        pseudonyms: Further names that are pseudonyms.
    """

    def __init__(self, records: Iterable[Annotation], pseudonyms: Iterable[str] = ()) -> None:
        self._pseudonyms = set(filter(None, pseudonyms))
        self._roles: dict[str, str] = {}
        self._numbers: dict[str, int] = {}
        for record in records:
            if record.author.commitment:
                self._pseudonyms.add(record.author.name)
            if record.author.role:
                self._roles[record.author.name] = record.author.role

    def label(self, name: str) -> str:
        """Return how the report names a person; "" for nobody."""
        if not name:
            return ""
        role = self._roles.get(name, "")
        if name in self._pseudonyms:
            words = tr("{name} (pseudonym)", name=name)
        else:
            number = self._numbers.setdefault(name, len(self._numbers) + 1)
            words = tr("Person {number}", number=number)
        return f"{words}, {role}" if role else words


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSearch:
    """A search that was asked for."""

    words: str  # as given
    query: Query


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReportService:
    """What a report about a case needs."""

    source: ObservationSource
    trust: Trust
    is_trusted: IsTrusted  # whether the statements of a key count
    find_hidden: FindHidden
    show_progress: Callable[[int, int], None]  # the exhibit that is verified next, and their number


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedExhibit:
    """What the report about a case needs of a capture report, which is much larger."""

    report: CaptureReport  # without text, and with few fields
    page: StateLabel
    picture: CopyPiece | None  # small


@dataclass(slots=True, kw_only=True)
class CaseMaterial:
    """What was read for the report."""

    service: CaseReportService
    view: CaseView
    state: AnnotationState
    people: People
    now: datetime
    verified: Mapping[str, VerifiedExhibit] = field(default_factory=dict)  # by the caller
    exhibits: list[ReportedExhibit] = field(default_factory=list)
    hidden: dict[int, tuple[str, str]] = field(default_factory=dict)  # id and reason by number
    custody: list[Row] = field(default_factory=list)
    custody_total: int = 0
    custody_problems: list[str] = field(default_factory=list)
    checks: list[Row] = field(default_factory=list)
    captures: list[Observation] = field(default_factory=list)  # of the same pages, by time
    identities: tuple[str, ...] = ()
    hidden_others: dict[str, str] = field(default_factory=dict)

    def exhibit_of(self, bundle_id: str) -> str:
        """Return how a capture is named: "Exhibit 3", or its id."""
        for exhibit in self.exhibits:
            if exhibit.bundle_id == bundle_id:
                if exhibit.verdict is Verdict.FAILED:
                    return tr("Exhibit {number}, which FAILED", number=exhibit.number)
                return tr("Exhibit {number}", number=exhibit.number)
        return bundle_id


def is_shown(of: CaseMaterial, bundle_id: str) -> bool:
    """Return whether a capture is not in quarantine."""
    hidden = {hidden_id for hidden_id, _ in of.hidden.values()}
    return bundle_id not in of.hidden_others and bundle_id not in hidden


def number_field(
    key: str,
    term: str,
    value: int,
    file: str,
    *,
    basis: Basis = Basis.UNVERIFIED,
    note: str = "",
) -> Field:
    """Return a field with a number."""
    return field_of(key, term, value, file, kind=Kind.NUMBER, basis=basis, note=note)


def field_of(
    key: str,
    term: str,
    value: Value,
    file: str,
    *,
    kind: Kind,
    pointer: str = "",
    basis: Basis = Basis.UNVERIFIED,
    note: str = "",
) -> Field:
    """Return a field that is not in a capture report."""
    return Field(
        key=key, term=term, value=value, kind=kind, basis=basis,
        source=Source(file=file, pointer=pointer), note=note,
    )  # fmt: skip
