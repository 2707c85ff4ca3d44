"""
Copy or repair the records beside the bundles: gaps, take-down events, audit reports, annotations.

    for each record of either store, in the order of keys
      if the source's log names it    its bytes must be the logged ones
      if the target lacks it          read, check, write, read back
      if the target has it            compare, never overwrite; a difference is a divergence
      if the annotations differ       report the first difference, and copy no later annotation

The custody chain of a bundle continues separately in the store and in its replica. Custody
events that are added in the source later are copied under `custody/` of the replica, so that
an audit of the replica finds every head that the source's log names.
"""

import hashlib
import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import TypeGuard

from snapshotter.app import store_records
from snapshotter.app.upkeep.object_copy import StorePair, pair_listings, put, unexpired
from snapshotter.errors import EvidenceInvalid, ServiceUnavailable, SnapshotterError
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import custody_sidecars, store_keys
from snapshotter.formats.proofs import leaf
from snapshotter.formats.signatures import keys
from snapshotter.formats.statements import annotation
from snapshotter.model.bundle import Retention, StoredObject
from snapshotter.model.custody import RECOVERY, REPLICATION
from snapshotter.ports import ReadableStore
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.audit.record_checks import GAP_RECORDS, TAKEDOWN_RECORDS
from snapshotter.verify.trust import MAX_SIGNATURE_BYTES, Trust

MAX_REPORT = 64 << 20  # bytes; one has some hundred kilobytes
_REPORT_FORMAT = "snapshotter-audit/1"
SIGNATURE = ".sig"  # behind the key of a report


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordKind:
    """How one kind of record is found and checked."""

    leaf: str  # the kind of its leaf in the log
    prefix: str  # of its keys
    limit: int  # bytes
    id_of: Callable[[str], str]  # the id in a key; raises ValueError for another key
    # Raises EvidenceInvalid for bytes that are no record of this id; does not check the key.
    check: Callable[[bytes, str], object]
    is_of_copies: bool = False  # a replica has records that its source lacks


def _check_report(data: bytes, report_id: str) -> None:
    value = canonical_json.loads(data)
    if not isinstance(value, dict) or value.get("format") != _REPORT_FORMAT:
        raise EvidenceInvalid(tr("the file is not the report of an audit"))
    if value.get("report_id") != report_id:
        raise EvidenceInvalid(tr("the report belongs to another audit"))


_REPORTS = RecordKind(
    leaf=leaf.REPORT,
    prefix=f"{store_keys.AUDITS}/",
    limit=MAX_REPORT,
    id_of=store_keys.parse_report_key,
    check=_check_report,
)


def _check_carried(data: bytes, name: object) -> None:
    if not custody_sidecars.is_readable(data):
        raise EvidenceInvalid(tr("the file does not consist of custody events"))


_CARRIED = RecordKind(
    leaf="",
    prefix=f"{store_keys.CARRIED}/",
    limit=custody_sidecars.MAX_BYTES,
    id_of=lambda key: ".".join(store_keys.parse_carried_key(key)),
    check=_check_carried,
    is_of_copies=True,
)
# Records first: the text of a record exists before the record does.
_ANNOTATIONS = RecordKind(
    leaf="",
    prefix=f"{store_keys.ANNOTATIONS}/records/",
    limit=annotation.MAX_BYTES,
    id_of=lambda key: str(store_keys.parse_annotation_key(key)),
    check=lambda data, number: annotation.parse(data, int(number)),
)
_TEXTS = RecordKind(
    leaf="",
    prefix=f"{store_keys.ANNOTATIONS}/texts/",
    limit=annotation.MAX_TEXT_BYTES,
    id_of=store_keys.parse_annotation_text_key,
    check=annotation.parse_text,
)
RECORD_KINDS = (
    *(
        RecordKind(
            leaf=records.kind,
            prefix=records.prefix,
            limit=records.limit,
            id_of=records.id_of,
            check=records.read,
        )
        for records in (GAP_RECORDS, TAKEDOWN_RECORDS)
    ),
    _REPORTS,
    _CARRIED,
    _ANNOTATIONS,
    _TEXTS,
)


def record_key(kind: str, name: str) -> str:
    """Return the key of a record that a log names. Raises ValueError for an invalid name."""
    return _KEYS[kind](name)


_KEYS = {
    leaf.GAP: store_keys.gap_key,
    leaf.TAKEDOWN: store_keys.takedown_key,
    leaf.REPORT: store_keys.report_key,
}


def _is(data: bytes | None, sha256: str) -> TypeGuard[bytes]:
    return data is not None and hashlib.sha256(data).hexdigest() == sha256


def is_report_signature_valid(document: bytes, signature: bytes, trust: Trust) -> bool | None:
    """Whether a report's signature is valid; None if its key is unknown here."""
    try:
        value = canonical_json.loads(document)
    except EvidenceInvalid:
        return False
    signer = value.get("signer") if isinstance(value, dict) else None
    known = trust.key(signer) if isinstance(signer, str) else None
    if known is None:
        return None
    return keys.verify_signature(known.public_key, signature, document)


class RecordCopier:
    """
    Copy or repair records, one by one.

    Args:
        logged: SHA-256 of each record in the log, by kind of leaf and name.
        progress: Called with the state of each record, its key, and a detail.
    """

    def __init__(
        self,
        service: StorePair,
        logged: Mapping[tuple[str, str], str],
        progress: Callable[[str, str, str], None],
        *,
        dry_run: bool,
    ) -> None:
        self._service = service
        self._logged = logged
        self._progress = progress
        self._dry_run = dry_run
        self._is_annotated = False  # whether the annotations of the target are its own
        self.copied = 0
        self.bytes = 0

    def run(self) -> None:
        """Copy all records. Raises ServiceUnavailable if a store does not answer."""
        for kind in RECORD_KINDS:
            both = (
                self._listed(self._service.source, kind),
                self._listed(self._service.target, kind),
            )
            for here, there in pair_listings(*both, _key):
                found = here or there
                if found is not None:
                    self._one(kind, found.key, here, there)

    def _listed(self, store: ReadableStore, kind: RecordKind) -> Iterator[StoredObject]:
        """Yield the records; a report's signature is copied with its report."""
        return (stored for stored in store.list(kind.prefix) if not stored.key.endswith(SIGNATURE))

    def _one(
        self, kind: RecordKind, key: str, here: StoredObject | None, there: StoredObject | None
    ) -> None:
        try:
            record_id = kind.id_of(key)
        except ValueError:
            if here is not None and there is None:
                self._progress("passed-over", key, tr("the object is not a record of snapshotter"))
            return
        if self._is_annotated and kind in (_ANNOTATIONS, _TEXTS):
            return
        try:
            if here is None and kind.is_of_copies:
                return
            if here is None and kind is _ANNOTATIONS:
                self._report_own_annotations("surplus", key)
                return
            if here is None:
                detail = tr("the source does not have the record")
                if kind is _TEXTS:
                    detail = tr(
                        "the source does not have the text. If the text was erased by order, erase "
                        "it there too:\n  snapshotter erase --store {url} --note NUMBER",
                        url=self._service.target.url,
                    )
                self._progress("surplus", key, detail)
                return
            data = self._read(kind, key, record_id, there)
            if data is None:
                return  # the target has it
            if self._dry_run:
                self._progress("lagging", key, "")
                return
            if kind is _REPORTS:
                self._copy_signature(key, data)
            self._put(key, data)
            self._progress("copied", key, "")
        except ServiceUnavailable:
            raise
        except FileNotFoundError:
            self._progress("lagging", key, tr("the record was removed during the copy"))
        except FileExistsError:
            if kind is _ANNOTATIONS:
                self._report_own_annotations("divergent", key)
                return
            self._progress("divergent", key, tr("the copy has a different record under this name"))
        except EvidenceInvalid as error:
            self._progress("damaged", key, f"not copied: {error}")
        except SnapshotterError as error:
            self._progress("lagging", key, f"not copied: {error}")

    def _report_own_annotations(self, state: str, key: str) -> None:
        """Report the first annotation that differs: all records after it differ too."""
        self._is_annotated = True
        here, there = map(shlex.quote, (self._service.source.url, self._service.target.url))
        if state == "surplus":
            detail = tr(
                "the copy has this annotation, and the source does not. If records were removed "
                "from the source, copy them back:\n  snapshotter store replicate --store {there} "
                "{here}\nIf the annotation was made in the copy, make the same annotation in the "
                "source. Nothing was overwritten",
                here=here,
                there=there,
            )
        else:
            detail = tr(
                "from this record on, the copy has other annotations than the source, because "
                "somebody annotated in the copy. Nothing was overwritten, and no later annotation "
                "was copied. Annotate only in the source. Make the annotations that exist only in "
                "the copy again in the source. To compare both:\n  snapshotter case check --store "
                "{there} --against {here}\nOnly if the source is permanently lost, continue with "
                "the copy as the source:\n  snapshotter log repair --take-over --store {there}",
                here=here,
                there=there,
            )
        self._progress(state, key, detail)

    def _read(
        self, kind: RecordKind, key: str, record_id: str, there: StoredObject | None
    ) -> bytes | None:
        """Return a record of the source that has to be copied; None if the target has it."""
        data = store_records.read(self._service.source, key, limit=kind.limit)
        if data is None:
            raise FileNotFoundError(key)
        wanted = self._logged.get((kind.leaf, record_id))
        if wanted is not None and wanted != hashlib.sha256(data).hexdigest():
            raise EvidenceInvalid(tr("the digest of the record differs from the digest in the log"))
        if len(data) > kind.limit:
            raise EvidenceInvalid(tr("the record is longer than {limit} bytes", limit=kind.limit))
        if wanted is None:  # a logged record is identified by its digest alone
            kind.check(data, record_id)
        if there is None:
            return data
        if store_records.read(self._service.target, key, limit=kind.limit) != data:
            raise FileExistsError(key)
        return None

    def _copy_signature(self, key: str, document: bytes) -> None:
        name = f"{key}{SIGNATURE}"
        data = store_records.read(self._service.source, name, limit=MAX_SIGNATURE_BYTES)
        if data is None:
            raise EvidenceInvalid(tr("the signature of the record is missing"))
        if is_report_signature_valid(document, data, self._service.trust) is False:
            raise EvidenceInvalid(tr("the signature of the record is invalid"))
        self._put(name, data)

    def repair(self, name: tuple[str, str], sha256: str, key: str) -> tuple[str, str]:
        """
        Restore a record that the target's log names.

        Returns:
            The state ("" if it was intact, "repaired", "missing", "damaged", "refused") and why.
        """
        kind = next(kind for kind in RECORD_KINDS if kind.leaf == name[0])
        there = store_records.read(self._service.target, key, limit=kind.limit)
        if _is(there, sha256):
            return self._repair_signature(key, there) if kind is _REPORTS else ("", "")
        state = "missing" if there is None else "damaged"
        data = store_records.read(self._service.source, key, limit=kind.limit)
        if data is None:
            return state, tr("the source does not have the record either")
        if not _is(data, sha256):
            return (
                "refused",
                tr(
                    "{state}: the record of the source differs from the record in the log",
                    state=state,
                ),
            )
        if self._dry_run:
            return state, tr("the source has an intact copy")
        if there is not None:
            self._service.target.set_aside(key)
        self._put(key, data, RECOVERY)
        if kind is _REPORTS:
            signature_state, why = self._repair_signature(key, data)
            if signature_state not in ("", "repaired"):
                return signature_state, tr("the signature of the record: {why}", why=why)
        return "repaired", tr("the record was {state}", state=state)

    def _repair_signature(self, key: str, document: bytes) -> tuple[str, str]:
        name = f"{key}{SIGNATURE}"
        trust, limit = self._service.trust, MAX_SIGNATURE_BYTES
        there = store_records.read(self._service.target, name, limit=limit)
        # A signature by a key that is unknown here cannot be judged, and stays.
        if there is not None and is_report_signature_valid(document, there, trust) is not False:
            return "", ""
        candidate = store_records.read(self._service.source, name, limit=limit)
        state = "missing" if there is None else "damaged"
        if candidate is None or not is_report_signature_valid(document, candidate, trust):
            return state, tr(
                "the source has no valid signature of the record by a key of the trust file"
            )
        if self._dry_run:
            return state, tr("the source has an intact signature of the record")
        if there is not None:
            self._service.target.set_aside(name)
        self._put(name, candidate, RECOVERY)
        return "repaired", tr("the signature of the record was {state}", state=state)

    def copy_custody_sidecar(self, bundle_id: str, kind: str, place: str, data: bytes) -> None:
        """Copy a custody sidecar of the source to `custody/` of the target."""
        self._put(store_keys.carried_key(bundle_id, place, kind), data)

    def _put(self, key: str, data: bytes, event: str = REPLICATION) -> None:
        service = self._service
        retention: Retention | None = None
        if not key.startswith(f"{store_keys.CARRIED}/"):
            retention = unexpired(service.source.head(key).retention, service.clock.now())
        sha256 = hashlib.sha256(data).hexdigest()
        detail = f"from {service.source_name}"
        unlocked = put(service.target, event, detail, key, data, sha256, retention)
        self.copied += 1
        self.bytes += len(data)
        if unlocked:
            self._progress("unlocked", key, unlocked)


def _key(found: StoredObject) -> str:
    return found.key
