"""
Read the objects of a store for an audit, and tell whether each is there, absent or unreadable.

An error proves nothing about the evidence, so an unreadable object alone does not make an audit
FAILED. An object that seems to be gone is looked for again before this is reported
(`verify/audit/second_look.py`). If something that is no regular file has the place of an object,
the object counts as absent.
"""

from collections.abc import Callable, Iterator
from typing import BinaryIO

from snapshotter.errors import EvidenceUnverifiable, ServiceUnavailable, SnapshotterError
from snapshotter.model.audit import AuditCode
from snapshotter.model.bundle import StoredObject
from snapshotter.ports import NotAnObject, ObjectChanged, ReadableStore
from snapshotter.translation import tr
from snapshotter.verify.audit.workspace import AuditDatabase, UnreadObject

_MAX_DETAIL = 300  # characters of one sentence
_ASKED = 3  # times that a store is asked whether it answers at all: some throttle a third of all


def custody_of(key: str) -> str:
    """Return the name of a bundle's custody chain that is the same in all audits."""
    return f"{key}#custody"


class ObjectUnreadable(EvidenceUnverifiable):
    """
    An object cannot be read, or it is unknown whether it exists.

    Args:
        retry: Whether another try may help.
    """

    def __init__(self, message: str, *, retry: bool) -> None:
        super().__init__(message)
        self.retry = retry


class ObjectAbsent(Exception):
    """The store states that there is no such object, which has to be confirmed."""


def require_store_answer(store: ReadableStore, error: Exception) -> None:
    """
    Return if the store as a whole answers, or `error` does not suggest otherwise.

    An unreadable object must not end the audit of all others: whoever breaks one would hide
    the rest.

    Args:
        error: The error of reading one object.

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
        ObjectAbsent: The store states that there is none.
        SnapshotterError: It cannot be opened.
    """
    try:
        return store.open(key)
    except FileNotFoundError as error:
        raise ObjectAbsent(tr("the store does not have the object")) from error
    except NotAnObject as error:
        raise ObjectAbsent(error.message) from error


def read(store: ReadableStore, key: str, limit: int) -> bytes:
    """
    Return at most `limit` + 1 bytes of an object.

    Raises:
        ObjectAbsent: The store states that there is none.
        ObjectUnreadable: It cannot be read.
        ServiceUnavailable: The store as a whole does not answer.
    """
    try:
        with opened(store, key) as stream:
            return stream.read(limit + 1)
    except (SnapshotterError, OSError) as error:
        raise unreadable_error(store, error) from error


def unreadable_error(store: ReadableStore, error: Exception) -> ObjectUnreadable:
    """Return the error of one object; raise ServiceUnavailable if the store does not answer."""
    if isinstance(error, ObjectUnreadable):
        return error
    require_store_answer(store, error)
    retry = isinstance(error, ServiceUnavailable | ObjectChanged)
    return ObjectUnreadable(str(error)[:_MAX_DETAIL], retry=retry)


def find_absence(store: ReadableStore, key: str) -> str:
    """
    Return how an object is absent: neither listed nor found by its key.

    Returns:
        A sentence; "" if the object exists.

    Raises:
        ObjectUnreadable: That cannot be established.
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
    Read the objects of one store for one audit.

    Args:
        pause: Waits until a store shows recent writes everywhere.
        run: The name of this audit.
    """

    def __init__(
        self, store: ReadableStore, workspace: AuditDatabase, pause: Callable[[], None], run: str
    ) -> None:
        self.store = store
        self._workspace = workspace
        self._pause = pause
        self._run = run

    def read(self, key: str, limit: int) -> bytes:
        """Return the first bytes of an object; see the function `read`."""
        data = read(self.store, key, limit)
        self._workspace.mark_read(key, self._run)
        return data

    def read_again(self, key: str, limit: int, *, is_known: bool = False) -> bytes | None:
        """
        Return the first bytes of an object, with a second try; None if it is gone.

        Args:
            is_known: Its absence was confirmed before, and is not confirmed again.

        Raises:
            ObjectUnreadable: It cannot be read.
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
                tr(
                    "the store lists the object, but the object could not be read: {error}",
                    error=error,
                ),
                retry=True,
            ) from error

    def opened(self, key: str) -> BinaryIO:
        """
        Open an object. The caller calls `mark_read` after reading it completely.

        Raises:
            ObjectAbsent: The store states that there is none.
            ObjectUnreadable: It cannot be opened.
            ServiceUnavailable: The store as a whole does not answer.
        """
        try:
            return opened(self.store, key)
        except (SnapshotterError, OSError) as error:
            raise unreadable_error(self.store, error) from error

    def mark_read(self, name: str) -> None:
        """Record that an object was read, by its name in all audits."""
        self._workspace.mark_read(name, self._run)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """
        Yield the store's listing; add a finding if the listing breaks off.

        Raises:
            ServiceUnavailable: The store as a whole does not answer.
        """
        try:
            yield from self.store.list(prefix)
            if prefix.endswith("/"):
                self.mark_read(prefix)
        except (SnapshotterError, OSError) as error:
            words = unreadable_error(self.store, error)
            self.unreadable(
                prefix,
                tr("the list of the objects in the store is incomplete: {words}", words=words),
                retry=words.retry,
            )

    def pause(self) -> None:
        """Wait until a store shows recent writes everywhere."""
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
        Record an unreadable object; its severity depends on earlier audits.

        Args:
            name: Its name in all audits, if that is not the object's key.
        """
        self._workspace.add_unread(
            UnreadObject(
                name=name or key, key=key, code=code, retry=retry, detail=detail[:_MAX_DETAIL]
            )
        )
