"""
Record which objects audits could not read, and since when; encode and parse the file of them.

An unreadable object proves nothing: servers are busy, or access rights are wrong. But whoever
controls a store could answer "try again" forever instead of admitting a deletion. So an auditor
records since when, and in how many audits, an object could not be read, and whether an earlier
audit had read it. The file is on the auditor's own machine, like the remembered checkpoint.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

FORMAT = "snapshotter-audit-unread/1"
MAX_BYTES = 8 << 20
STORE = ""  # the name under which the store as a whole is remembered
PART = "#part"  # the same, where an audit asked for some of the bundles alone

_MOST = 10_000  # that are remembered
_AUDITS = 3  # in so many, over
_SPAN = timedelta(hours=24)  # so long: then it is withheld
_FORGOTTEN = timedelta(days=90)  # after the last audit that could not read it
_KEYS = {"audits", "last", "name", "since", "was_read"}


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableObject:
    """An object that consecutive audits could not read."""

    name: str  # an object's key, its key and what of it after "#", `STORE` or `PART`
    since: datetime  # of the first of these audits
    last: datetime  # of the last
    audits: int
    was_read: bool  # an audit before these had read it

    @property
    def is_lasting(self) -> bool:
        """Whether the object was unreadable for so long that another try does not excuse it."""
        return self.audits >= _AUDITS and self.last - self.since >= _SPAN


def update_unreadable(
    before: UnreadableObject | None, name: str, now: datetime, *, was_read: bool
) -> UnreadableObject:
    """Return the updated record of an object that cannot be read now."""
    if before is None or before.since > now:  # a clock that went back begins anew
        return UnreadableObject(name=name, since=now, last=now, audits=1, was_read=was_read)
    was_read = was_read or before.was_read
    return replace(before, last=now, audits=before.audits + 1, was_read=was_read)


def encode(store: str, found: Iterable[UnreadableObject], now: datetime) -> bytes:
    """
    Return the file: canonical JSON.

    If there are too many, objects that were read before are kept first, the oldest of them
    first: junk that was never read displaces nothing.
    """
    kept = [unreadable for unreadable in found if now - unreadable.last <= _FORGOTTEN]
    kept.sort(key=lambda unreadable: (not unreadable.was_read, unreadable.since, unreadable.name))
    return canonical_json.dumps(
        {
            "format": FORMAT,
            "store": store,
            "unreadable": [
                {
                    "audits": unreadable.audits,
                    "last": canonical_json.instant(unreadable.last),
                    "name": unreadable.name,
                    "since": canonical_json.instant(unreadable.since),
                    "was_read": unreadable.was_read,
                }
                for unreadable in kept[:_MOST]
            ],
        }
    )


def parse(data: bytes, store: str) -> dict[str, UnreadableObject]:
    """
    Return the objects in a file about a store, by name.

    Raises:
        EvidenceInvalid: The file is not what `encode` writes, or is about another store.
    """
    value = canonical_json.loads(data)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise EvidenceInvalid(tr("the file does not have the format {format}", format=FORMAT))
    if set(value) != {"format", "store", "unreadable"} or value["store"] != store:
        raise EvidenceInvalid(tr("the file belongs to another store"))
    if not isinstance(value["unreadable"], list):
        raise EvidenceInvalid(tr("a field has the wrong type"))
    return {unreadable.name: unreadable for unreadable in map(_parse, value["unreadable"])}


def _parse(value: Any) -> UnreadableObject:
    kinds = {"audits": int, "last": str, "name": str, "since": str, "was_read": bool}
    if not isinstance(value, dict) or set(value) != _KEYS:
        raise EvidenceInvalid(tr("a field is missing, or an unknown field exists"))
    if any(type(value[name]) is not kind for name, kind in kinds.items()):
        raise EvidenceInvalid(tr("a field has the wrong type"))
    return UnreadableObject(
        name=value["name"],
        since=canonical_json.parse_instant(value["since"]),
        last=canonical_json.parse_instant(value["last"]),
        audits=value["audits"],
        was_read=value["was_read"],
    )
