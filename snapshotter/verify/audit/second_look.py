"""
Look for objects a second time before an audit reports them as gone.

An object counts as gone only if the store, asked again after a pause, neither lists it nor finds it
by its key: some stores list late, and some servers answer "not found" for a moment
(docs/adr/0056-absence-is-confirmed.md). Suspected objects are collected during the audit, and all
of them are looked for at its end, after one pause. If that leads to further suspected objects,
another round follows.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice
from typing import Any

from snapshotter.errors import SnapshotterError
from snapshotter.formats.bundle import custody_sidecars, names, store_keys
from snapshotter.formats.statements import holds
from snapshotter.model.audit import AuditCode
from snapshotter.translation import tr
from snapshotter.verify.audit.object_reader import (
    ObjectReader,
    custody_of,
    find_absence,
    unreadable_error,
)
from snapshotter.verify.audit.workspace import AuditDatabase

_MOST_LACKING = 20  # sidecars of one chain that are looked for again
_ROUNDS = 5  # of looking again: a confirmed absence may lead to other objects to look for


class SecondLook:
    """
    Collect suspected objects of one audit, and look for them again.

    Args:
        objects: The reader of the store.
        workspace: Keeps the suspected objects.
    """

    def __init__(self, objects: ObjectReader, workspace: AuditDatabase) -> None:
        self._objects = objects
        self._workspace = workspace

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
        Schedule a second look for an object before it is reported as gone.

        Args:
            code, key, detail: The finding if it is gone, as FAILED.
            keys: All of these must be gone; () is `key` alone.
            counts: This many objects must be listed with each of these prefixes.
            then: The name of a judge in `settle` that makes the finding instead.
            about: The facts for that judge.
            name: As for `ObjectReader.unreadable`; used if the object exists and cannot be read.
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
        Schedule a second look for custody sidecars before a broken chain is reported.

        Args:
            key: Of the bundle.
            numbers: The numbers of the existing sidecars.
        """
        last = max(numbers, default=0)
        lacking = islice(
            (number for number in range(1, last + 2) if number not in numbers), _MOST_LACKING
        )
        carried = store_keys.carried_prefix(store_keys.parse_bundle_key(key).bundle_id)
        counts = {
            prefix: sum(1 for _ in self._objects.list(prefix))
            for prefix in (f"{key}.custody-", carried)
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
        Schedule a second look for unlisted sidecars of a bundle before this is reported.

        Without a late token, a renewal, a lifted hold or the last custody event a bundle can
        look worse than it is. All are numbered: the first unlisted number of each kind is read
        by its key.
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
        Look again for everything that may be gone, after one pause.

        Args:
            failed: Called with the code, key and detail of what is gone.
            judges: The judges for `then`, by name.
        """
        for _ in range(_ROUNDS):
            paused = False
            for number, found in enumerate(self._workspace.take_suspects(), start=1):
                if not paused:
                    self._objects.pause()
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
        raise RuntimeError("the number of missing objects grows without end")

    def _confirmed(self, found: Mapping[str, Any]) -> str:
        """Return how all of it is gone, as a sentence; "" if it is not."""
        key, name, how = found["key"], found["name"], ""
        try:
            for lost_key in found["keys"]:
                said = find_absence(self._objects.store, lost_key)
                if not said:
                    return self._came_back(key, lost_key, name)
                how = how or said
            for prefix, count in found["counts"].items():
                if sum(1 for _ in self._objects.store.list(prefix)) != count:
                    return self._came_back(key, prefix, name)
        except (SnapshotterError, OSError) as error:
            words = unreadable_error(self._objects.store, error)
            self._objects.unreadable(
                key, f"{found['detail']}: {words}", retry=words.retry, name=name
            )
            return ""
        return how

    def _came_back(self, key: str, what: str, name: str) -> str:
        words = tr(
            "at the first reading the store did not have {what}, but at the second "
            "reading the store had {what}",
            what=what,
        )
        self._objects.unreadable(key, words, retry=True, name=name)
        return ""
