"""
Make and parse the keys of a store's objects: bundles, sidecars, reports, gaps, events, annotations.

    bundles/2026/11/24/20261124t160642z-k3v4q2m7xw4c5b6d.wacz
    bundles/2026/11/24/20261124t160642z-k3v4q2m7xw4c5b6d.wacz.late-01.tsr
                       └── UTC, second ──┘ └─ 80 bits ──┘

The id of a bundle begins with its UTC second, so keys sort by date. The folder of the day keeps
each listing short when there are millions of bundles. Names are lower case and differ in more than
case, so a store can be copied to a file system that ignores case.
"""

import re
from datetime import UTC, datetime

from snapshotter.value_class import dataclass

BUNDLES = "bundles"
AUDITS = "audits"  # reports, by the same days
GAPS = "gaps"  # what schedules missed, by the same days
TAKEDOWNS = "takedowns"  # events, by the same days
ANNOTATIONS = "annotations"  # what people record about captures, and no evidence
CARRIED = "custody"  # in a replica: what went on in the store that it is a copy of
SUFFIX = ".wacz"
LAST_ANNOTATION = 99_999_999  # number
MAX_SEGMENT = 200  # bytes; servers keep a segment as a file name, and 255 is their limit
MAX_KEY = 1024  # bytes, S3's own limit

# A leading "." is out as well: it is the "." and ".." of file systems, and it
# is where a directory store keeps what is not an object.
_SEGMENT = re.compile(r"[A-Za-z0-9_=@-][A-Za-z0-9._=@-]*")
_BUNDLE_ID = re.compile(r"([0-9]{8}t[0-9]{6}z)-[a-z2-7]{16}")
_PLACE = re.compile(r"[0-9a-f]{32}")  # of a store, as receipts name it
_ANNOTATION = re.compile(rf"{ANNOTATIONS}/records/([0-9]{{8}})\.json")
_COMMITMENT = re.compile(r"sha256:[0-9a-f]{64}")
_KIND = re.compile(r"[a-z0-9][a-z0-9-]*(\.[a-z0-9][a-z0-9-]*)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleKey:
    """What a key under `bundles/` names: a bundle, or a sidecar of one."""

    bundle_id: str
    kind: str = ""  # "" for the bundle itself, "late-01.tsr" and the like for a sidecar


def bundle_time(bundle_id: str) -> datetime:
    """
    Return the UTC second that a bundle's id begins with.

    Raises:
        ValueError: Not `YYYYMMDDtHHMMSSz-` and sixteen of `[a-z2-7]`, or no such second.
    """
    match = _BUNDLE_ID.fullmatch(bundle_id)
    if match is None:
        raise ValueError(f"{bundle_id!r} is not a bundle id")
    return datetime.strptime(match[1], "%Y%m%dt%H%M%Sz").replace(tzinfo=UTC)


def is_id(text: str) -> bool:
    """Return whether a text has the form of an id: of a bundle, an event, a report or a gap."""
    return _BUNDLE_ID.fullmatch(text) is not None


def bundle_key(bundle_id: str) -> str:
    """Return where a bundle lives. Raises ValueError for what is no bundle id."""
    day = bundle_time(bundle_id)
    return f"{BUNDLES}/{day:%Y/%m/%d}/{bundle_id}{SUFFIX}"


def report_key(report_id: str) -> str:
    """Return where an audit's report lives. Raises ValueError: its id is not like a bundle's."""
    return f"{AUDITS}/{bundle_time(report_id):%Y/%m/%d}/{report_id}.json"


def gap_key(gap_id: str) -> str:
    """Return where the record of a gap lives. Raises ValueError: its id is not like a bundle's."""
    return f"{GAPS}/{bundle_time(gap_id):%Y/%m/%d}/{gap_id}.json"


def parse_gap_key(key: str) -> str:
    """Return the id of the gap whose record lives there. Raises ValueError: of none."""
    gap_id = key.rpartition("/")[2].removesuffix(".json")
    if key != gap_key(gap_id):
        raise ValueError(f"{key!r} is not the key of a gap")
    return gap_id


def takedown_key(event_id: str) -> str:
    """Return where an event lives. Raises ValueError: its id is not like a bundle's."""
    return f"{TAKEDOWNS}/{bundle_time(event_id):%Y/%m/%d}/{event_id}.json"


def parse_takedown_key(key: str) -> str:
    """Return the id of the event that lives there. Raises ValueError: none does."""
    event_id = key.rpartition("/")[2].removesuffix(".json")
    if key != takedown_key(event_id):
        raise ValueError(f"{key!r} is not the key of an event")
    return event_id


def annotation_key(number: int) -> str:
    """Return where a record of the annotation chain lives. Raises ValueError: no such number."""
    if not 1 <= number <= LAST_ANNOTATION:
        raise ValueError("the number of an annotation must be from 1 to 99999999")
    return f"{ANNOTATIONS}/records/{number:08}.json"


def parse_annotation_key(key: str) -> int:
    """Return the number of the annotation that lives there. Raises ValueError: none does."""
    match = _ANNOTATION.fullmatch(key)
    if match is None or not int(match[1]):
        raise ValueError(f"{key!r} is not the key of an annotation")
    return int(match[1])


def annotation_text_key(commitment: str) -> str:
    """Return where the text with this commitment lives. Raises ValueError: it is no commitment."""
    if not _COMMITMENT.fullmatch(commitment):
        raise ValueError(f"{commitment!r} is not a commitment")
    return f"{ANNOTATIONS}/texts/{commitment.removeprefix('sha256:')}.json"


def parse_annotation_text_key(key: str) -> str:
    """Return the commitment of the text that lives there. Raises ValueError: none does."""
    commitment = f"sha256:{key.rpartition('/')[2].removesuffix('.json')}"
    if key != annotation_text_key(commitment):
        raise ValueError(f"{key!r} is not the key of the text of an annotation")
    return commitment


def parse_report_key(key: str) -> str:
    """Return the id of the audit's report that lives there. Raises ValueError: none does."""
    report_id = key.rpartition("/")[2].removesuffix(".json")
    if key != report_key(report_id):
        raise ValueError(f"{key!r} is not the key of a report")
    return report_id


def carried_prefix(bundle_id: str) -> str:
    """Return how the keys begin of what a replica carries of a bundle's custody elsewhere."""
    return f"{CARRIED}/{bundle_time(bundle_id):%Y/%m/%d}/{bundle_id}."


def carried_key(bundle_id: str, place: str, kind: str) -> str:
    """
    Return where a replica keeps a custody sidecar of the store that it is a copy of.

    Args:
        place: That store, as receipts name it: 32 hex digits.
        kind: "custody-0007.jsonl" and the like.

    Raises:
        ValueError: There is no such bundle, place or kind.
    """
    if not (_PLACE.fullmatch(place) and _KIND.fullmatch(kind)):
        raise ValueError(f"{place!r} {kind!r} is not the custody of a store")
    return check_key(f"{carried_prefix(bundle_id)}{place}.{kind}")


def parse_carried_key(key: str) -> tuple[str, str, str]:
    """Return bundle, place and kind of a key of `carried_key`. Raises ValueError: it is none."""
    bundle_id, place, kind = [*key.rpartition("/")[2].split(".", 2), "", ""][:3]
    if key != carried_key(bundle_id, place, kind):
        raise ValueError(f"{key!r} is not the key of carried custody")
    return bundle_id, place, kind


def sidecar_key(key: str, kind: str) -> str:
    """
    Return where a sidecar of the bundle at `key` lives.

    Args:
        key: From `bundle_key`.
        kind: "late-01.tsr", "tlog-proof", "custody.jsonl" …

    Raises:
        ValueError: `key` is no bundle's, or `kind` is not lower case words, dashes and dots.
    """
    if parse_bundle_key(key).kind:
        raise ValueError(f"{key!r} is the key of a sidecar, and a sidecar cannot have sidecars")
    if not _KIND.fullmatch(kind):
        raise ValueError(f"{kind!r} is not a kind of sidecar")
    return check_key(f"{key}.{kind}")


def parse_bundle_key(key: str) -> BundleKey:
    """
    Return what a key names. The inverse of `bundle_key` and `sidecar_key`.

    Raises:
        ValueError: Not exactly a key that those two make.
    """
    bundle_id, suffix, rest = key.rpartition("/")[2].partition(SUFFIX)
    kind = rest.removeprefix(".")
    bare = bundle_key(bundle_id)
    if not suffix or key != (f"{bare}.{kind}" if rest else bare):
        raise ValueError(f"{key!r} is not the key of a bundle")
    if rest and not _KIND.fullmatch(kind):
        raise ValueError(f"{kind!r} is not a kind of sidecar")
    return BundleKey(bundle_id=bundle_id, kind=kind)


def is_key(key: str) -> bool:
    """Whether every segment is safe on every server and file system that we know."""
    return 0 < len(key) <= MAX_KEY and all(
        len(segment) <= MAX_SEGMENT and _SEGMENT.fullmatch(segment) for segment in key.split("/")
    )


def check_key(key: str) -> str:
    """Return `key`. Raises ValueError when `is_key` says no."""
    if not is_key(key):
        raise ValueError(f"{key[:80]!r} is not a valid key")
    return key


def check_prefix(prefix: str) -> str:
    """
    Return `prefix`, the beginning of a key and perhaps the middle of a segment.

    Raises:
        ValueError: No key begins like this.
    """
    if prefix and not is_key(prefix.removesuffix("/")):
        raise ValueError(f"{prefix[:80]!r} is not the beginning of a valid key")
    return prefix
