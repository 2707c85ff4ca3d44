"""
The records of gaps in a store, against its log: none is gone, none was changed, what they say.

What a schedule missed is no fault of the store: each record is a note, so that nobody reads
a time without captures as a time in which nothing happened.
"""

import hashlib
from collections.abc import Callable

from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats import gap, layout, leaf, statement
from snapshotter.formats.canonical_json import instant
from snapshotter.formats.gap import GapRecord
from snapshotter.model.audit import AuditCode, AuditFinding, Severity
from snapshotter.ports import ObjectStore
from snapshotter.verify.audit.asking import require_answer
from snapshotter.verify.audit.beside import counts, short
from snapshotter.verify.audit.rules import Rules
from snapshotter.verify.audit.workspace import Entry, Listed, Workspace
from snapshotter.verify.trust import Trust

_LOT = 500  # objects of the listing that are held at once


class GapJudge:
    """
    Tells what is wrong with records of gaps, and what the others say.

    Args:
        is_logged: Whether there is a log that the store can be held against.
        tell: Takes what is found.
    """

    def __init__(
        self,
        store: ObjectStore,
        workspace: Workspace,
        rules: Rules,
        trust: Trust,
        *,
        is_logged: bool,
        tell: Callable[[AuditFinding], None],
    ) -> None:
        self._store = store
        self._workspace = workspace
        self._rules = rules
        self._trust = trust
        self._is_logged = is_logged
        self._tell = tell

    def run(self) -> None:
        """Look at each record of the store, then at each that the log names."""
        lot: list[Listed] = []
        for found in self._store.list(f"{layout.GAPS}/"):
            lot.append(Listed(key=found.key, length=found.length, bundle="", kind=leaf.GAP))
            self._listed(found.key)
            if len(lot) == _LOT:
                self._workspace.add_objects(lot, seed="")
                lot.clear()
        self._workspace.add_objects(lot, seed="")
        for entry in self._workspace.entries_of(leaf.GAP):
            self._logged(entry)

    def _listed(self, key: str) -> None:
        try:
            gap_id = layout.parse_gap_key(key)
        except ValueError:
            self._say(AuditCode.SURPLUS, Severity.NOTE, key, "it is no record of a gap")
            return
        self._look(key, gap_id)

    def _logged(self, entry: Entry) -> None:
        try:
            key = layout.gap_key(entry.name)
        except ValueError:
            where = f"entry {entry.number}"
            words = f"it names a gap of no day that there is: {entry.name}"
            self._say(AuditCode.LOG_BROKEN, Severity.FAILED, where, words)
            return
        # A listing may hide what is there: so it is asked for by its name as well.
        if not self._workspace.has_object(key) and not self._look(key, entry.name):
            words = f"entry {entry.number} of the log names this record of a gap"
            self._say(AuditCode.DELETED, Severity.FAILED, key, words)

    def _look(self, key: str, gap_id: str) -> bool:
        """Judge one record; say whether anything is there."""
        try:
            with self._store.open(key) as stream:
                data = stream.read(statement.MAX_BYTES + 1)
        except FileNotFoundError:
            return False  # gone since the listing, if it was listed: the log says whether it may be
        except SnapshotterError as error:
            require_answer(self._store, error)
            self._say(AuditCode.UNREADABLE, Severity.INDETERMINATE, key, str(error))
            return True
        entries = self._workspace.entries(leaf.GAP, gap_id)
        if entries and entries[0].sha256 != hashlib.sha256(data).hexdigest():
            words = "not the record of a gap that was logged under this name"
            self._say(AuditCode.ALTERED, Severity.FAILED, key, words)
            return True
        try:
            found = gap.parse(data, gap_id)
        except EvidenceInvalid as error:
            code = AuditCode.INVALID if entries else AuditCode.ALTERED
            self._say(code, Severity.FAILED, key, f"the record of a gap does not hold: {error}")
            return True
        if not counts(self._trust, found.key_id):
            words = f"a gap, says a record by the key {found.key_id}, which you do not trust"
            self._say(AuditCode.UNPROVEN, Severity.INDETERMINATE, key, words)
        else:
            self._say(AuditCode.GAP, Severity.NOTE, key, in_words(found))
        if not entries and self._is_logged:
            self._unlogged(key, gap_id)
        return True

    def _unlogged(self, key: str, gap_id: str) -> None:
        at = layout.bundle_time(gap_id)
        if -self._rules.skew <= self._rules.now - at <= self._rules.grace:
            words = f"a gap that was recorded at {instant(at)}, and is not in the log yet"
            self._say(AuditCode.WAITING, Severity.NOTE, key, words)
        else:
            words = (
                f"a gap of {instant(at)} by its name, and not in the log: nothing shows that it "
                "was recorded before now"
            )
            self._say(AuditCode.UNLOGGED, Severity.INDETERMINATE, key, words)

    def _say(self, code: AuditCode, severity: Severity, key: str, detail: str) -> None:
        self._tell(AuditFinding(code=code, severity=severity, key=key, detail=short(detail)))


def in_words(found: GapRecord) -> str:
    """Return what a record says, as one sentence."""
    by = f" by {found.by}" if found.by else ""
    span = f"from {instant(found.since)}" + (f" to {instant(found.until)}" if found.until else "")
    if found.is_gap:
        addresses = len({url for it in found.missed for url in it.urls})
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
