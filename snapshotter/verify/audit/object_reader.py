"""
Read the objects of a store for an audit, and distinguish bytes, absence and failure.

An error proves nothing about the evidence: an object that cannot be read is INDETERMINATE.
An object counts as gone if the store does not list it and does not find it by name, both
again after a pause: some stores list late, and some servers answer "not found" for a moment
(docs/adr/0056-absence-is-confirmed.md). Something in the place of an object that is no
regular file is no object.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, BinaryIO

from snapshotter.errors import EvidenceUnverifiable, ServiceUnavailable, SnapshotterError
from snapshotter.formats.bundle import custody_sidecars, names, store_keys
from snapshotter.formats.statements import holds
from snapshotter.model.audit import AuditCode
from snapshotter.model.bundle import StoredObject
from snapshotter.ports import NotAnObject, ObjectChanged, ReadableStore
from snapshotter.verify.audit.workspace import AuditDatabase, UnreadObject

_MAX_DETAIL = 300  # characters of one sentence
_MOST_LACKING = 20  # sidecars of one chain that are looked for again
_ASKED = 3  # times that a store is asked whether it answers at all: some throttle a third of all
_ROUNDS = 5  # of looking again: what is confirmed may lead to what has to be looked for


def custody_of(key: str) -> str:
    """Return the name of a bundle's custody in all audits, wherever its events are kept."""
    return f"{key}#custody"


class ObjectUnreadable(EvidenceUnverifiable):
    """
    The store has something, or does not say whether it has, and does not give it.

    Args:
        retry: Whether another try may help.
    """

    def __init__(self, message: str, *, retry: bool) -> None:
        super().__init__(message)
        self.retry = retry


class ObjectAbsent(Exception):
    """The store says that it has no such object; that has to be confirmed."""


def require_store_answer(store: ReadableStore, error: Exception) -> None:
    """
    Return if the store answers, or was never said not to.

    One object that can not be read must not end the audit of all others: whoever could break
    one would hide the rest.

    Args:
        error: What asking for one object has raised.

    Raises:
        ServiceUnavailable: It does not answer.
    """
    if not isinstance(error, ServiceUnavailable):
        return
    for left in reversed(range(_ASKED)):
        try:
            next(iter(store.list("log/")), None)
        except ServiceUnavailable:
            if not left:
                raise
        except SnapshotterError:
            return  # it refuses the listing, and so it answers
        else:
            return


def opened(store: ReadableStore, key: str) -> BinaryIO:
    """
    Open an object.

    Raises:
        Absent: The store says that there is none.
        SnapshotterError: It can not be opened.
    """
    try:
        return store.open(key)
    except FileNotFoundError as error:
        raise ObjectAbsent("the store does not have it") from error
    except NotAnObject as error:
        raise ObjectAbsent(error.message) from error


def read(store: ReadableStore, key: str, limit: int) -> bytes:
    """
    Return the first bytes of an object, one more than `limit` at most.

    Raises:
        Absent: The store says that there is none.
        CannotRead: It can not be read.
        ServiceUnavailable: The store as a whole does not answer.
    """
    try:
        with opened(store, key) as stream:
            return stream.read(limit + 1)
    except (SnapshotterError, OSError) as error:
        raise unreadable_error(store, error) from error


def unreadable_error(store: ReadableStore, error: Exception) -> ObjectUnreadable:
    """Return what an error means for one object, or raise ServiceUnavailable."""
    if isinstance(error, ObjectUnreadable):
        return error
    require_store_answer(store, error)
    retry = isinstance(error, ServiceUnavailable | ObjectChanged)
    return ObjectUnreadable(str(error)[:_MAX_DETAIL], retry=retry)


def find_absence(store: ReadableStore, key: str) -> str:
    """
    Return how an object is gone: no listing shows it, nor has the store got it by its name.

    Returns:
        A sentence; "" where the object is there.

    Raises:
        CannotRead: That can not be established.
        ServiceUnavailable: The store as a whole does not answer.
    """
    try:
        if any(stored.key == key for stored in store.list(key)):
            return ""
        opened(store, key).close()
    except ObjectAbsent as answer:
        return str(answer)
    except (SnapshotterError, OSError) as error:
        raise unreadable_error(store, error) from error
    return ""


class ObjectReader:
    """
    The objects of one store, as one audit reads them.

    Args:
        pause: Waits until what a store has been told is visible everywhere.
        run: Names this audit among all.
    """

    def __init__(
        self, store: ReadableStore, workspace: AuditDatabase, pause: Callable[[], None], run: str
    ) -> None:
        self.store = store
        self._workspace = workspace
        self._pause = pause
        self._run = run

    def read(self, key: str, limit: int) -> bytes:
        """Return the first bytes of an object; arguments and errors as `read` has them."""
        data = read(self.store, key, limit)
        self._workspace.mark_read(key, self._run)
        return data

    def read_again(self, key: str, limit: int, *, is_known: bool = False) -> bytes | None:
        """
        Return the first bytes of an object, asked for twice if need be; None where it is gone.

        Args:
            is_known: That it is gone was confirmed before, and need not be once more.

        Raises:
            CannotRead: It can not be read.
            ServiceUnavailable: The store as a whole does not answer.
        """
        try:
            return self.read(key, limit)
        except ObjectUnreadable as error:
            if not error.retry:
                raise
        except ObjectAbsent:
            if is_known:
                return None
        self.pause()
        if find_absence(self.store, key):
            return None
        try:
            return self.read(key, limit)
        except ObjectAbsent as error:
            raise ObjectUnreadable(
                f"the store lists it, but when it was read: {error}", retry=True
            ) from error

    def opened(self, key: str) -> BinaryIO:
        """
        Open an object. Whoever reads it to its end says so with `mark_read`.

        Raises:
            Absent: The store says that there is none.
            CannotRead: It can not be opened.
            ServiceUnavailable: The store as a whole does not answer.
        """
        try:
            return opened(self.store, key)
        except (SnapshotterError, OSError) as error:
            raise unreadable_error(self.store, error) from error

    def mark_read(self, name: str) -> None:
        """Keep that something was read, by its name in all audits."""
        self._workspace.mark_read(name, self._run)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """
        Yield what the store lists; where the listing breaks off, that is told.

        Raises:
            ServiceUnavailable: The store as a whole does not answer.
        """
        try:
            yield from self.store.list(prefix)
            if prefix.endswith("/"):
                self.mark_read(prefix)
        except (SnapshotterError, OSError) as error:
            words = unreadable_error(self.store, error)
            self.unreadable(prefix, f"the listing is incomplete: {words}", retry=words.retry)

    def pause(self) -> None:
        """Wait until what a store has been told is visible everywhere."""
        self._pause()

    def unreadable(
        self,
        key: str,
        detail: str,
        *,
        retry: bool,
        name: str = "",
        code: AuditCode = AuditCode.UNREADABLE,
    ) -> None:
        """
        Tell of something that can not be read. How bad that is, earlier audits decide.

        Args:
            name: Of it in all audits, where that is not the object's key.
        """
        self._workspace.add_unread(
            UnreadObject(
                name=name or key, key=key, code=code, retry=retry, detail=detail[:_MAX_DETAIL]
            )
        )

    def suspect(
        self,
        code: AuditCode,
        key: str,
        detail: str,
        *,
        keys: Sequence[str] = (),
        counts: Mapping[str, int] | None = None,
        then: str = "",
        about: Sequence[str] = (),
        name: str = "",
    ) -> None:
        """
        Look for something again later, before it is told that it is gone.

        Args:
            code, key, detail: What is told then, as FAILED.
            keys: All of these have to be gone; () is `key` alone.
            counts: As many objects have to be listed with each of these prefixes.
            then: Who judges it instead, by the name that `settle` knows.
            about: What that one has to know.
            name: As `unreadable` has it, should it be there and not be read.
        """
        self._workspace.add_suspect(
            {
                "about": list(about),
                "code": code.value,
                "counts": dict(counts or {}),
                "detail": detail,
                "key": key,
                "keys": list(keys or (key,)),
                "name": name,
                "then": then,
            }
        )

    def suspect_custody(self, key: str, detail: str, numbers: Collection[int]) -> None:
        """
        Look again later for sidecars of a custody chain, before it is told that it was broken.

        Args:
            key: Of the bundle.
            numbers: Of the sidecars that are there.
        """
        last = max(numbers, default=0)
        lacking = islice(
            (number for number in range(1, last + 2) if number not in numbers), _MOST_LACKING
        )
        carried = store_keys.carried_prefix(store_keys.parse_bundle_key(key).bundle_id)
        counts = {
            prefix: sum(1 for _ in self.list(prefix)) for prefix in (f"{key}.custody-", carried)
        }
        self.suspect(
            AuditCode.CUSTODY_BROKEN,
            key,
            detail,
            keys=[store_keys.sidecar_key(key, custody_sidecars.kind(number)) for number in lacking],
            counts=counts,
            name=custody_of(key),
        )

    def suspect_unlisted(self, code: AuditCode, key: str, detail: str, bundle_id: str) -> None:
        """
        Look again later for what a listing may have hidden beside a bundle, before this is told.

        Without a late token, a renewal, a lifted hold or the last custody event a bundle can
        look worse than it is. All are numbered: the first of each that was not listed is asked
        for by its name.
        """
        kinds = {sidecar.kind for sidecar in self._workspace.sidecars(bundle_id)}
        numbers = range(1, min(len(kinds) + 2, 10_000))  # holds have no more digits
        numbered = (
            map(names.late_token, range(1, names.MAX_LATE_TOKENS + 1)),
            (names.renewal(number)[0] for number in range(1, names.MAX_RENEWALS + 1)),
            map(holds.kind, numbers),
            map(custody_sidecars.kind, numbers),
        )
        first = (next((kind for kind in each if kind not in kinds), "") for each in numbered)
        bundle = store_keys.bundle_key(bundle_id)
        keys = [store_keys.sidecar_key(bundle, kind) for kind in first if kind]
        self.suspect(code, key, detail, keys=keys)

    def settle(
        self,
        failed: Callable[[AuditCode, str, str], None],
        judges: Mapping[str, Callable[..., None]],
        step: Callable[[int], None],
    ) -> None:
        """
        Look again for all that may be gone, after one pause.

        Args:
            failed: Tells what is gone: code, key and detail.
            judges: By name, who judges what is gone where that is not all.
        """
        for _ in range(_ROUNDS):
            paused = False
            for number, found in enumerate(self._workspace.take_suspects(), start=1):
                if not paused:
                    self.pause()
                    paused = True
                step(number)
                how = self._confirmed(found)
                if how and found["then"]:
                    judges[found["then"]](*found["about"])
                elif how:
                    is_it = found["key"] in found["keys"]
                    words = f"{found['detail']}: {how}" if is_it else found["detail"]
                    failed(AuditCode(found["code"]), found["key"], words)
            if not paused:
                return
        raise RuntimeError("what is gone leads to ever more that is gone")

    def _confirmed(self, found: Mapping[str, Any]) -> str:
        """Return how all of it is gone, as a sentence; "" where it is not, which is told."""
        key, name, how = found["key"], found["name"], ""
        try:
            for lost_key in found["keys"]:
                said = find_absence(self.store, lost_key)
                if not said:
                    return self._came_back(key, lost_key, name)
                how = how or said
            for prefix, count in found["counts"].items():
                if sum(1 for _ in self.store.list(prefix)) != count:
                    return self._came_back(key, prefix, name)
        except (SnapshotterError, OSError) as error:
            words = unreadable_error(self.store, error)
            self.unreadable(key, f"{found['detail']}: {words}", retry=words.retry, name=name)
            return ""
        return how

    def _came_back(self, key: str, what: str, name: str) -> str:
        words = f"the store did not have {what} at first, and has it at the second look"
        self.unreadable(key, words, retry=True, name=name)
        return ""
