"""
Check the signed records of a store (gap records and take-down events) against the log.

No record may be missing or changed. Both kinds are stored in the same way, one object each, and are
checked by the same code. A missed visit or a take-down is not a fault of the store. Each valid
record becomes a note, so that nobody takes a time without captures for a time in which nothing
happened.
"""

import hashlib
from collections.abc import Callable

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.canonical_json import instant
from snapshotter.formats.proofs import leaf
from snapshotter.formats.signatures import signed_statement
from snapshotter.formats.statements import gap, takedown
from snapshotter.formats.statements.gap import GapRecord
from snapshotter.model.audit import AuditCode, AuditFinding, Severity
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.audit.object_reader import ObjectAbsent, ObjectReader, ObjectUnreadable
from snapshotter.verify.audit.rules import AuditRules
from snapshotter.verify.audit.second_look import SecondLook
from snapshotter.verify.audit.sidecar_facts import key_counts, shortened
from snapshotter.verify.audit.workspace import AuditDatabase, ListedObject, StoredLogEntry
from snapshotter.verify.takedown import describe_event as event_in_words
from snapshotter.verify.trust import Trust

_LOT = 500  # objects of the listing that are held at once


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordType:
    """One kind of record: where it is stored and how it is read."""

    kind: str  # of their leaves
    prefix: str  # of their keys
    noun: str  # for a person: "a gap"
    limit: int  # bytes of one
    code: AuditCode  # of the note that one makes
    key_of: Callable[[str], str]  # raises ValueError for what is no id
    id_of: Callable[[str], str]  # raises ValueError for what is no key
    # From its bytes and its id. Raises EvidenceInvalid.
    read: Callable[[bytes, str], "RecordFacts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFacts:
    """The facts of one record."""

    key_id: str  # who signed it
    words: str  # for a person
    follows: tuple[str, str] | None = None  # of a chain: whose it is, and the link before


def _read_gap(data: bytes, gap_id: str) -> RecordFacts:
    found = gap.parse(data, gap_id)
    return RecordFacts(key_id=found.key_id, words=describe_gap(found))


def _read_event(data: bytes, event_id: str) -> RecordFacts:
    event, key_id = takedown.parse(data)
    if event.event_id != event_id:
        raise EvidenceInvalid(
            tr("the record belongs to another event, {event_id}", event_id=event.event_id)
        )
    return RecordFacts(
        key_id=key_id, words=event_in_words(event), follows=(event.identity, event.previous)
    )


GAP_RECORDS = RecordType(
    kind=leaf.GAP,
    prefix=f"{store_keys.GAPS}/",
    noun="a gap",
    limit=signed_statement.MAX_BYTES,
    code=AuditCode.GAP,
    key_of=store_keys.gap_key,
    id_of=store_keys.parse_gap_key,
    read=_read_gap,
)
TAKEDOWN_RECORDS = RecordType(
    kind=leaf.TAKEDOWN,
    prefix=f"{store_keys.TAKEDOWNS}/",
    noun=tr("a take-down event"),
    limit=takedown.MAX_BYTES,
    code=AuditCode.TAKEDOWN,
    key_of=store_keys.takedown_key,
    id_of=store_keys.parse_takedown_key,
    read=_read_event,
)


class RecordJudge:
    """
    Add findings about invalid records, and notes about the content of valid ones.

    Args:
        records: The kind of the records.
        is_logged: Whether there is a log that was read completely.
        add_finding: Called with each finding.
    """

    def __init__(
        self,
        records: RecordType,
        objects: ObjectReader,
        workspace: AuditDatabase,
        rules: AuditRules,
        trust: Trust,
        *,
        is_logged: bool,
        add_finding: Callable[[AuditFinding], None],
    ) -> None:
        self._records = records
        self._noun = records.noun
        self._objects = objects
        self._second_look = SecondLook(objects, workspace)
        self._workspace = workspace
        self._rules = rules
        self._trust = trust
        self._is_logged = is_logged
        self._add_finding = add_finding
        self._links: dict[bytes, str] = {}  # the first record behind each link; 0.2 kB each

    def run(self) -> None:
        """Check each record of the store, then each that the log names."""
        lot: list[ListedObject] = []
        for found in self._objects.list(self._records.prefix):
            lot.append(
                ListedObject(key=found.key, length=found.length, bundle="", kind=self._records.kind)
            )
            self._listed(found.key)
            if len(lot) == _LOT:
                self._workspace.add_objects(lot, seed="")
                lot.clear()
        self._workspace.add_objects(lot, seed="")
        for entry in self._workspace.entries_of(self._records.kind):
            self._logged(entry)

    def _listed(self, key: str) -> None:
        try:
            record_id = self._records.id_of(key)
        except ValueError:
            self._say(
                AuditCode.SURPLUS,
                Severity.NOTE,
                key,
                tr("the file is not a record of {noun}", noun=self._noun),
            )
            return
        if self._look(key, record_id):
            return
        if self._workspace.entries(self._records.kind, record_id):
            words = tr(
                "the log lists this record of {noun}; the store listed the record at first, but "
                "does not have the record now",
                noun=self._noun,
            )
            self._second_look.suspect(AuditCode.DELETED, key, words)
        else:
            words = tr("the store lists the record, but the record could not be read")
            self._objects.unreadable(key, words, retry=True)

    def _logged(self, entry: StoredLogEntry) -> None:
        try:
            key = self._records.key_of(entry.name)
        except ValueError:
            where = f"entry {entry.number}"
            words = tr(
                "the log entry lists {noun} whose id contains an invalid date: {name}",
                noun=self._noun,
                name=entry.name,
            )
            self._say(AuditCode.LOG_BROKEN, Severity.FAILED, where, words)
            return
        # A listing may hide what is there: so it is asked for by its name as well.
        if not self._workspace.has_object(key) and not self._look(key, entry.name):
            words = tr(
                "entry {number} of the log lists this record of {noun}",
                number=entry.number,
                noun=self._noun,
            )
            self._second_look.suspect(AuditCode.DELETED, key, words)

    def _look(self, key: str, record_id: str) -> bool:
        """Check one record; return whether it may exist."""
        try:
            data = self._objects.read(key, self._records.limit)
        except ObjectAbsent:
            return False
        except ObjectUnreadable as error:
            self._objects.unreadable(key, str(error), retry=error.retry)
            return True
        entries = self._workspace.entries(self._records.kind, record_id)
        if entries and entries[0].sha256 != hashlib.sha256(data).hexdigest():
            words = tr(
                "the SHA-256 of the record of {noun} differs from the SHA-256 in the log",
                noun=self._noun,
            )
            self._say(AuditCode.ALTERED, Severity.FAILED, key, words)
            return True
        try:
            said = self._records.read(data, record_id)
        except EvidenceInvalid as error:
            code = AuditCode.INVALID if entries else AuditCode.ALTERED
            words = tr("the record of {noun} is not valid: {error}", noun=self._noun, error=error)
            self._say(code, Severity.FAILED, key, words)
            return True
        if not key_counts(self._trust, said.key_id):
            words = tr(
                "the record of {noun} is signed by the key {key_id}, which you do not trust",
                noun=self._noun,
                key_id=said.key_id,
            )
            self._say(AuditCode.UNPROVEN, Severity.INDETERMINATE, key, words)
        else:
            self._say(self._records.code, Severity.NOTE, key, said.words)
            self._follows(key, said)
        if not entries and self._is_logged:
            self._unlogged(key, record_id)
        return True

    def _follows(self, key: str, said: RecordFacts) -> None:
        """Add a finding if two events of one page or account name the same predecessor."""
        if said.follows is None:
            return
        identity, previous = said.follows
        link = hashlib.sha256(f"{previous} {identity}".encode()).digest()
        first = self._links.setdefault(link, key)
        if first != key:
            before = tr("the same earlier event") if previous else tr("no earlier event")
            words = tr(
                "two chains of events exist for {identity}: this event and {first} refer to "
                "{before}",
                identity=identity,
                first=first,
                before=before,
            )
            self._say(AuditCode.EVENTS_FORKED, Severity.INDETERMINATE, key, words)

    def _unlogged(self, key: str, record_id: str) -> None:
        at = store_keys.bundle_time(record_id)
        if -self._rules.skew <= self._rules.now - at <= self._rules.grace:
            words = tr(
                "the record of {noun} of {instant} is not in the log yet",
                noun=self._noun,
                instant=instant(at),
            )
            self._say(AuditCode.WAITING, Severity.NOTE, key, words)
        else:
            words = tr(
                "the name of the record of {noun} contains the time {instant}, but the record is "
                "not in the log: the log does not prove that the record existed at that time",
                instant=instant(at),
                noun=self._noun,
            )
            self._say(AuditCode.UNLOGGED, Severity.INDETERMINATE, key, words)

    def _say(self, code: AuditCode, severity: Severity, key: str, detail: str) -> None:
        self._add_finding(
            AuditFinding(code=code, severity=severity, key=key, detail=shortened(detail))
        )


def describe_gap(found: GapRecord) -> str:
    """Return the content of a gap record as one sentence."""
    by = f" by {found.by}" if found.by else ""
    span = f"from {instant(found.since)}" + (f" to {instant(found.until)}" if found.until else "")
    if found.is_gap:
        addresses = len({url for missed in found.missed for url in missed.urls})
        return (
            f"{found.schedule}: {found.visits} {_visits(found.visits)} of {addresses} "
            f"{'address' if addresses == 1 else 'addresses'} missed, {span}: {found.reason}"
        )
    if found.visits:
        count = f"{found.visits} {_visits(found.visits)}"
        return f"{found.schedule}: {count} left out, {found.event}{by} {span}"
    return f"{found.schedule}: {found.event}{by} at {instant(found.since)}"


def _visits(count: int) -> str:
    return "visit" if count == 1 else "visits"
