"""
Keep reminders of owed timestamp tokens, in small files outside the store.

Each reminder names a bundle, one of its signatures and the authorities that owe a token for
it. Reminders may be lost: `snapshotter timestamp ID` finds out from the store what is owed.
"""

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Self

from snapshotter.app.private_files import write_private
from snapshotter.errors import SnapshotterError
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle.names import MAX_SIGNATURES
from snapshotter.translation import tr
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingToken:
    """A reminder: one signature of a bundle for which authorities owe tokens."""

    bundle_id: str
    store: str  # as in the settings: a directory, made absolute, or s3://…
    key: str
    signature: bytes  # DER, what the token has to be over
    authorities: tuple[str, ...]
    slot: int = 1  # of the signature: each of several has a reminder of its own

    def with_authorities(self, names: Iterable[str]) -> Self:
        """Return the same reminder for these authorities."""
        return replace(self, authorities=tuple(names))


def save_reminder(directory: Path, pending: PendingToken) -> None:
    """Write the reminder, replacing an older one of the same signature."""
    content = {
        "authorities": list(pending.authorities),
        "bundle_id": pending.bundle_id,
        "key": pending.key,
        "signature": base64.b64encode(pending.signature).decode("ascii"),
        "slot": pending.slot,
        "store": pending.store,
    }
    write_private(_file(directory, pending.bundle_id, pending.slot), canonical_json.dumps(content))


def forget(directory: Path, bundle_id: str, slot: int = 1) -> None:
    """Remove the reminder of one signature's tokens, if there is one."""
    _file(directory, bundle_id, slot).unlink(missing_ok=True)


def _file(directory: Path, bundle_id: str, slot: int) -> Path:
    return directory / (f"{bundle_id}.json" if slot == 1 else f"{bundle_id}.sig-{slot:02}.json")


def list_reminders(
    directory: Path, unreadable: Callable[[SnapshotterError], None] | None = None
) -> Iterator[PendingToken]:
    """
    Yield all reminders, oldest bundle first.

    Args:
        unreadable: Called with an error for each reminder that cannot be read and is skipped.

    Raises:
        SnapshotterError: A reminder cannot be read, and `unreadable` is None.
    """
    for path in sorted(directory.glob("*.json")):
        try:
            found = _read(path)
        except FileNotFoundError:
            continue  # another process was faster
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            problem = SnapshotterError(
                tr("the reminder {path} cannot be read: {error}", path=path, error=error),
                hint=tr(
                    "delete the reminder, and request the token:\n  snapshotter timestamp BUNDLE-ID"
                ),
            )
            if unreadable is None:
                raise problem from error
            unreadable(problem)
        else:
            yield found


def _read(path: Path) -> PendingToken:
    content = json.loads(path.read_bytes())
    names = content["authorities"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("authorities is not a list of names")
    texts = [content[key] for key in ("bundle_id", "store", "key", "signature")]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("this is not the reminder of a bundle")
    bundle_id, store, key, signature = texts
    slot = content.get("slot", 1)
    if type(slot) is not int or not 1 <= slot <= MAX_SIGNATURES:
        raise ValueError("slot is not the number of a signature")
    return PendingToken(
        bundle_id=bundle_id,
        store=store,
        key=key,
        signature=base64.b64decode(signature, validate=True),
        authorities=tuple(names),
        slot=slot,
    )


def count_owed(directory: Path) -> int:
    """Return how many signatures are remembered as waiting for a token."""
    return sum(1 for _ in directory.glob("*.json"))
