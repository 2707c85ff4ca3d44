"""
Read and extend the annotation chain of a store, and erase texts of it by order.

    append   store the text ─ store the record under the next free number
    erase    store the record of the erasure ─ delete the text

All writers of a store extend one chain. A record is stored only if its number is free: a writer
who loses the race reads the new records and tries the next number. A crash between two steps
leaves a text without a record, or a text that is erased and still stored: `annotation_checks` names
both. The same command stores another text, or completes the erasure (docs/adr/0090).
"""

import contextlib
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

from snapshotter.app import store_records
from snapshotter.errors import EvidenceInvalid, PolicyRefused, ServiceUnavailable, SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.proofs import log_state, note
from snapshotter.formats.statements import annotation
from snapshotter.model.annotation_state import AnnotationState, fold
from snapshotter.model.annotations import (
    Annotation,
    AnnotationAuthor,
    AnnotationKind,
    NewAnnotation,
)
from snapshotter.ports import Clock, IdSource, ObjectStore, ReadableStore, Signer
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    from snapshotter.index.store_index import Index

_TRIES = 1000  # each is lost to another writer, who stored a record
RECORDS = f"{store_keys.ANNOTATIONS}/records/"
_TEXTS = f"{store_keys.ANNOTATIONS}/texts/"

# Decides what to record after the state so far; None: nothing is to be recorded.
Decide = Callable[[AnnotationState], NewAnnotation | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainEnd:
    """The last record of a chain that this machine has seen."""

    number: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationService:
    """
    The store, key and author that making annotations needs.

    Args:
        signer: Returns the annotation key; made on first use, so called only before a record is
            signed.
        remember: Keeps the end of the chain on this machine.
        seen: Returns the end that this machine keeps.
        chains: The chain as this process has read it, if it has: a worker adds many records.
        known: Returns objects that need not be read and checked again, as `read_chain` takes them.
    """

    store: ObjectStore
    signer: Callable[[], Signer]
    author: AnnotationAuthor
    clock: Clock
    ids: IdSource
    remember: Callable[[ChainEnd], None]
    chains: list["AnnotationChain"] = field(default_factory=list)
    known: Callable[[], Mapping[str, bytes]] = dict
    seen: Callable[[], ChainEnd | None] = lambda: None
    resumed_from: int | None = None
    # Raises SnapshotterError if nothing may be recorded after this state. Called before a record is
    # stored, and again if another writer came first.
    require: Callable[[AnnotationState], None] = lambda state: None


@dataclass(slots=True, kw_only=True)
class AnnotationChain:
    """The records of a store, as they were read. The signature of each record is valid."""

    records: list[Annotation] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)  # by commitment
    problems: list[str] = field(default_factory=list)  # records that are missing or damaged
    # The objects of the records and texts, by key.
    objects: dict[str, bytes] = field(default_factory=dict)
    number: int = 0  # of the last object
    sha256: str = annotation.START  # of the last object

    def state(self) -> AnnotationState:
        """Return the state of the archive after these records."""
        return fold(self.records, self.texts)

    def contains(self, end: ChainEnd | None) -> bool:
        """Whether a record is in the chain; True for None."""
        return end is None or any(
            record.number == end.number and record.sha256 == end.sha256 for record in self.records
        )

    def extend(self, number: int, data: bytes, *, verified: bool = False) -> None:
        """
        Add the object of the next number; one that is no valid record becomes a problem.

        Args:
            verified: It was read before as a valid record of this number.
        """
        first, last = self.number + 1, number - 1
        if first == last:
            self.problems.append(tr("record {number} is missing", number=first))
        elif first < last:  # one problem: a single object can make a gap of millions
            self.problems.append(
                tr("records {first} to {last} are missing", first=first, last=last)
            )
        try:
            record = annotation.parse_verified(data) if verified else annotation.parse(data, number)
        except EvidenceInvalid as error:
            self.problems.append(
                tr("record {number} is damaged: {error}", number=number, error=error)
            )
        else:
            if number == self.number + 1 and record.previous != self.sha256:
                self.problems.append(
                    tr(
                        "record {number} does not continue record {before}: one of them was "
                        "replaced",
                        number=number,
                        before=number - 1,
                    )
                )
            self.records.append(record)
        self.number, self.sha256 = number, digest_bytes(data).sha256


def read_chain(
    store: ReadableStore, *, known: Mapping[str, bytes] | None = None, texts: bool = True
) -> AnnotationChain:
    """
    Return the annotation chain of a store.

    Args:
        known: Objects that need not be read and checked again, by key: an index has them. A
            record belongs to them only if it was valid.
        texts: Also read the texts of the records.
    """
    chain, have = AnnotationChain(), known or {}
    for found in store.list(RECORDS):
        try:
            number = store_keys.parse_annotation_key(found.key)
        except ValueError:
            continue  # not of the chain: `check` names it
        is_known = found.key in have
        data = have[found.key] if is_known else read_record(store, found.key) or b""
        count = len(chain.records)
        chain.extend(number, data, verified=is_known)
        if len(chain.records) > count:
            chain.objects[found.key] = data
    if texts:
        _read_texts(store, chain, have)
    return chain


def chain_problems(
    chain: AnnotationChain, state: AnnotationState, *, seen: ChainEnd | None
) -> tuple[str, ...]:
    """
    Return what is wrong with a chain that was read with its texts, as far as reading it showed it.

    Args:
        state: After the records of the chain.
        seen: The end of the chain that this machine saw last; None if it saw none.
    """
    found = [*chain.problems, *state.problems]
    if not chain.contains(seen):
        found.append(tr("records that this machine has seen were removed or replaced"))
    found += [
        tr("the text of record {number} is missing or damaged", number=record.number)
        for record in chain.records
        if record.text and record.text not in chain.texts and record.number not in state.erased
    ]
    return tuple(found)


def read_indexed_chain(store: ReadableStore, index: "Index") -> AnnotationChain:
    """
    Return the annotation chain; read and check only objects that the index does not have.

    The newest record of the index is read again each time.

    Raises:
        ServiceUnavailable: The store did not answer.
        SnapshotterError: The store or the index cannot be used.
    """
    # A text that was erased is no longer listed.
    listed = {found.key for found in store.list(f"{store_keys.ANNOTATIONS}/")}
    known = {key: data for key, data in index.annotation_objects().items() if key in listed}
    newest = max((key for key in known if key.startswith(RECORDS)), default="")
    # Another store may have taken the place of the one that the index is of. Each record has the
    # digest of the one before it, so that the newest one shows it.
    if newest and read_record(store, newest) != known[newest]:
        known = {}
        index.keep_annotation_objects(known)
    try:
        chain = read_chain(store, known=known)
    except (ValueError, LookupError, TypeError):  # a row is damaged: the store has the object
        index.keep_annotation_objects({})
        chain = read_chain(store)
    index.keep_annotation_objects(chain.objects)
    return chain


def store_name(store: ReadableStore) -> str:
    """
    Return the name of a store in records: the origin of its log, which a replica has too.

    Returns "" if the store has no log, or a checkpoint that cannot be read.
    """
    data = store_records.read(store, log_state.CHECKPOINT, limit=note.MAX_BYTES)
    try:
        return note.parse_checkpoint(note.parse(data).text).origin if data else ""
    except EvidenceInvalid:  # an audit reports it
        return ""


def is_replica(store: ReadableStore) -> bool:
    """Whether a store is a copy of another store, whose log nobody continues in the copy."""
    mark = store_records.read(store, log_state.MIRROR, limit=note.MAX_BYTES)
    return mark is not None and next(iter(store.list(log_state.LOCK)), None) is None


def require_source(store: ReadableStore) -> None:
    """Return if the store may be annotated. Raises SnapshotterError: it is a replica."""
    if is_replica(store):
        raise SnapshotterError(
            tr(
                "nothing was recorded: {url} is a copy of another store, and a new annotation "
                "would exist only in the copy",
                url=store.url,
            ),
            hint=tr(
                "give the command for the source, and then copy the source again with `snapshotter "
                "store replicate`. Only if the source is permanently lost, continue with the copy "
                "as the source:\n  snapshotter log repair --take-over --store {store}",
                store=shlex.quote(store.url),
            ),
        )


def describe_problems(problems: Sequence[str]) -> str:
    """Return the warning about annotations that are damaged or incomplete."""
    return tr(
        "WARNING: the annotations of this store are damaged or were changed, so annotations may be "
        "missing or wrong: {problem}. Check the annotations:\n  snapshotter case check",
        problem=problems[0],
    )


def read_cases(
    store: ReadableStore | None, known: Mapping[str, bytes]
) -> Iterator[tuple[str, str]]:
    """
    Yield the names of cases with their titles, "" for none, in the order in which they were made.

    Only records that create a case are parsed, so that this is quick enough for completion.

    Args:
        store: What `known` lacks is read there; None: only `known` is read.
        known: Objects of the chain by key, as an index has them.
    """
    keys = known if store is None else (found.key for found in store.list(RECORDS))
    for key in sorted(key for key in keys if key.startswith(RECORDS)):
        is_known = key in known
        data = known[key] if is_known or store is None else read_record(store, key) or b""
        if AnnotationKind.CASE_CREATED.value.encode() not in data:
            continue
        with contextlib.suppress(ValueError, EvidenceInvalid):  # `check` names a damaged record
            number = store_keys.parse_annotation_key(key)
            record = annotation.parse_verified(data) if is_known else annotation.parse(data, number)
            if record.kind is AnnotationKind.CASE_CREATED:
                yield record.case, _title(store, known, record)


def _title(store: ReadableStore | None, known: Mapping[str, bytes], record: Annotation) -> str:
    if not record.text:
        return ""
    key = store_keys.annotation_text_key(record.text)
    data = known.get(key)
    if store is not None:  # a text that was erased is no longer there
        data = store_records.read(store, key, limit=annotation.MAX_TEXT_BYTES)
    return annotation.parse_text(data, record.text).text if data else ""


def append(
    service: AnnotationService, decide: Decide, *, text: str = ""
) -> tuple[Annotation | None, AnnotationState]:
    """
    Add a record to the chain; return it, and the state before it.

    Args:
        decide: Called with the state so far, and again if another writer came first.
        text: The note, reason or title.

    Returns:
        None in place of the record if `decide` returned None: nothing was to be recorded.

    Raises:
        ServiceUnavailable: The store does not answer. The record may be stored.
        SnapshotterError: The store is a replica, or refuses, or `decide` does.
        ValueError: The record is invalid.
    """
    chain = _newest_chain(service)
    commitment = ""
    for _ in range(_TRIES):
        state = chain.state()
        new = decide(state)
        if new is None:
            return None, state
        if (stored := find_stored(service, new, text)) is not None:
            return stored, state
        service.require(state)
        require_source(service.store)
        signer = service.signer()
        if text and not commitment:
            commitment = _put_text(service, text)
        number = chain.number + 1
        data = annotation.encode(
            new,
            author=service.author,
            at=service.clock.now(),
            text=commitment,
            number=number,
            previous=chain.sha256,
            store=store_name(service.store),
            signer=signer,
        )
        if store_records.put(service.store, store_keys.annotation_key(number), data):
            chain.extend(number, data)
            # A chain without the record that was seen last was cut off: `check` needs that record.
            if chain.contains(service.seen()):
                service.remember(ChainEnd(number=number, sha256=chain.sha256))
            return annotation.parse(data, number), state
        # Read it directly: a listing may lag behind.
        other = _read_next(service.store, chain)
        if other is not None:
            chain.extend(number, other)
    raise ServiceUnavailable(
        tr("other processes keep adding annotations to {url}", url=service.store.url),
        hint=tr("give the same command again"),
    )


def last_number(service: AnnotationService) -> int:
    """Return the number of the last record of the chain; 0 if there is none."""
    return _newest_chain(service).number


def find_stored(service: AnnotationService, new: NewAnnotation, text: str) -> Annotation | None:
    """Return the record that an interrupted attempt stored for `new`; None if there is none."""
    if service.resumed_from is None:
        return None
    for record in _newest_chain(service).records:
        if (
            record.number > service.resumed_from
            and record.author == service.author
            and _states_the_same(record, new)
            and _text_of(service.store, record) == text
        ):
            return record
    return None


def _states_the_same(record: Annotation, new: NewAnnotation) -> bool:
    # The number of an exhibit follows from the state, and is not a part of what is stated.
    return (record.kind, record.case, record.name, record.bundles, record.record) == (
        new.kind,
        new.case,
        new.name,
        new.bundles,
        new.record,
    )


def _text_of(store: ReadableStore, record: Annotation) -> str | None:
    """Return the text of a record; None if it was erased."""
    if not record.text:
        return ""
    key = store_keys.annotation_text_key(record.text)
    data = store_records.read(store, key, limit=annotation.MAX_TEXT_BYTES)
    return annotation.parse_text(data, record.text).text if data else None


def _newest_chain(service: AnnotationService) -> AnnotationChain:
    """Return the chain of a service, with the newest records."""
    if not service.chains:
        known = service.known()
        service.chains.append(read_chain(service.store, known=known, texts=False))
    chain = service.chains[0]
    while (data := _read_next(service.store, chain)) is not None:
        chain.extend(chain.number + 1, data)
    return chain


def erase_text(
    service: AnnotationService, number: int, *, order: str, reason: str
) -> Annotation | None:
    """
    Erase the text of a record by order; return the new record, or None if it was erased before.

    The record of the text stays, with its commitment. Every version of the text is deleted.

    Raises:
        PolicyRefused: A version of the text is under retention. Nothing is recorded.
        SnapshotterError: There is no such record, or it has no text.
    """
    chain = read_chain(service.store, known=service.known(), texts=False)
    record = next((record for record in chain.records if record.number == number), None)
    if record is None or not record.text:
        raise SnapshotterError(
            tr("the annotation {number} does not exist, or has no text", number=number),
            hint=tr("list the notes with their numbers:\n  snapshotter note list"),
        )
    key = store_keys.annotation_text_key(record.text)
    _require_deletable(service, key)

    def decide(state: AnnotationState) -> NewAnnotation | None:
        if number in state.erased:
            return None
        return NewAnnotation(kind=AnnotationKind.ERASED, record=number, order=order)

    added, _ = append(service, decide, text=reason)
    service.store.delete(key, now=service.clock.now())
    return added


def erase_unrecorded_text(service: AnnotationService, digest: str) -> None:
    """
    Delete a text that belongs to no record: a command was killed before it stored the record.

    Nothing is recorded, because no record names the text.

    Args:
        digest: The 64 digits in the key of the text.

    Raises:
        PolicyRefused: A version of the text is under retention.
        SnapshotterError: There is no such text, or it belongs to a record.
    """
    commitment = f"sha256:{digest}"
    key = store_keys.annotation_text_key(commitment)
    for record in read_chain(service.store, texts=False).records:
        if record.text == commitment:
            raise SnapshotterError(
                tr("the text {digest} belongs to a record", digest=digest),
                hint=tr(
                    "erase the text by the number of the record: --note {number}",
                    number=record.number,
                ),
            )
    if key not in {found.key for found in service.store.list(key)}:
        raise SnapshotterError(
            tr("{url} has no text {digest}", url=service.store.url, digest=digest),
            hint=tr("list texts without records:\n  snapshotter case check"),
        )
    _require_deletable(service, key)
    service.store.delete(key, now=service.clock.now())


def _require_deletable(service: AnnotationService, key: str) -> None:
    """Return if a text can be deleted. Raises PolicyRefused: it is under retention."""
    try:
        lock = service.store.lock_state(key)
    except FileNotFoundError:
        return
    if lock.holds(service.clock.now()):
        raise PolicyRefused(
            tr("the text {key} is under retention", key=key),
            hint=tr("nothing was erased. Erase the text when its retention has ended"),
        )


def read_record(store: ReadableStore, key: str) -> bytes | None:
    """Return the bytes of a record; None if the store has none of this key."""
    return store_records.read(store, key, limit=annotation.MAX_BYTES)


def _read_next(store: ReadableStore, chain: AnnotationChain) -> bytes | None:
    """Return the object after the last one. Raises SnapshotterError: there is no number for it."""
    if chain.number >= store_keys.LAST_ANNOTATION:
        raise SnapshotterError(
            tr(
                "{key} in {url} has the highest number, so that nothing can be recorded",
                key=store_keys.annotation_key(chain.number),
                url=store.url,
            ),
            hint=tr("check which users have write access to this store, then remove the object"),
        )
    return read_record(store, store_keys.annotation_key(chain.number + 1))


def _read_texts(store: ReadableStore, chain: AnnotationChain, known: Mapping[str, bytes]) -> None:
    """Read the texts that the records name and that were not read before."""
    for record in chain.records:
        if not record.text or record.text in chain.texts:
            continue
        key = store_keys.annotation_text_key(record.text)
        data = known.get(key) or store_records.read(store, key, limit=annotation.MAX_TEXT_BYTES)
        if data is None:
            continue  # erased, or missing: `check` says which
        try:
            chain.texts[record.text] = annotation.parse_text(data, record.text).text
            chain.objects[key] = data
        except EvidenceInvalid:
            continue  # `check` names it; to all others it is as good as missing


def _put_text(service: AnnotationService, text: str) -> str:
    salt = service.ids.random_bytes(annotation.SALT_BYTES)
    commitment, data = annotation.text_object(text, salt)
    service.store.put_new(
        store_keys.annotation_text_key(commitment), data, digest_bytes(data).sha256
    )
    return commitment
