"""
Whether a file is to be judged at all: a file that is no exhibit gets no verdict.

FAILED says "do not rely on it", which is wrong about a table of links. But whoever damages an
exhibit must not get rid of FAILED. So a file is judged if it is named like an exhibit, or if one
trace of an exhibit is anywhere in its bytes: a damaged, cut, prepended or renamed exhibit is
FAILED as before (docs/spec/bundle.md, "What is judged").
"""

import re
from pathlib import Path
from typing import BinaryIO, Final

from snapshotter.errors import SnapshotterError
from snapshotter.formats.bundle.container import MAX_BYTES

# Names of exhibits, anywhere in the name of a file: `exhibit.wacz`, the id of a bundle or an
# event, a proof pack.
_NAMED: Final = re.compile(r"\.wacz|[0-9]{8}t[0-9]{6}z-[a-z2-7]{16}|^proof-", re.IGNORECASE)
_TRACES: Final = (
    b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"PK\x07\x08",
    b"UEsDB",  # the beginning of a bundle in a proof pack: Base64 of PK\x03\x04
    b"archive/data.warc.gz", b"capture/capture.json", b"datapackage-digest.json",
    b"seal/manifest-", b"seal/sig-0",
    b"snapshotter-campaign/", b"snapshotter-pack/", b"snapshotter-takedown/",
    b'"first_gone"', b'"last_seen"', b'{"event":{',
)  # fmt: skip
_TRACE: Final = re.compile(b"|".join(map(re.escape, _TRACES)))
# What stands beside a bundle or an event: by its name and its first bytes, and with no container
# in it, or a damaged bundle could be named like that.
_SIDECAR: Final = {
    re.compile(r"\.tlog-proof$"): re.compile(rb"c2sp\.org/tlog-proof@v1\n"),
    re.compile(r"\.(late|renewal)-[0-9]{2}\.tsr$"): re.compile(rb"\x30[\x81-\x83]"),
    re.compile(r"\.renewal-[0-9]{2}\.txt$"): re.compile(rb"snapshotter-renewal/1\n"),
    re.compile(r"\.custody-[0-9]{4,}\.jsonl$"): re.compile(rb'\{"agent":"'),
}
_CONTAINER: Final = re.compile(b"|".join(map(re.escape, _TRACES[:7])))
_OTHER_RECORDS: Final = {
    b"audit": "the report of an audit",
    b"gap": "the record of a gap",
    b"hold": "the record of a hold",
    b"tombstone": "the record of an erasure",
    b"trust": "a trust file",
}
_OTHER_RECORD: Final = re.compile(b'"format":"snapshotter-(%s)/' % b"|".join(_OTHER_RECORDS))
_HEAD: Final = 4096  # first bytes, in which a record names its format
_CHUNK: Final = 1 << 20  # bytes read at once
_LONGEST: Final = 2 * max(map(len, _TRACES))  # bytes of a trace, each with a NUL beside it


class NotEvidence(SnapshotterError):
    """A file that is no exhibit: a wrong argument, about which nothing is found out."""

    exit_code = 2


def require_exhibit(stream: BinaryIO, path: Path) -> None:
    """
    Check that a file is to be judged.

    Args:
        stream: Seekable; stands at its beginning again.
        path: How the file was named. The name of the file that a link leads to counts as well.

    Raises:
        NotEvidence: It is neither named like an exhibit nor has a trace of one.
    """
    if path.suffix == ".json" and (kind := _other_record(stream)) and not _has_trace(stream):
        raise NotEvidence(
            f"{path} is not a bundle but {kind}, which verify cannot judge",
            hint="give verify the .wacz file of a bundle. snapshotter audit judges the records of "
            "a store; snapshotter trust show FILE shows a trust file",
        )
    if _is_sidecar(stream, path.name) and not _has_trace(stream, _CONTAINER):
        raise NotEvidence(
            f"{path} is not a bundle but a sidecar of a bundle or an event, which verify cannot "
            "judge alone",
            hint="give verify the .wacz file of the bundle or the .json file of the event: verify "
            "reads its sidecars too",
        )
    named = any(_NAMED.search(file.name) for file in (path, path.resolve()))
    if not named and not _has_trace(stream):
        raise NotEvidence(
            f"{path} is not a bundle, a take-down event, a proof pack or a campaign report, so "
            "verify cannot judge it",
            hint="give verify the .wacz file of a bundle, the .json file of an event or a report, "
            "the .html file of a proof pack, or the id of a bundle in a store (--store)",
        )
    stream.seek(0)


def _other_record(stream: BinaryIO) -> str:
    """Return what a record is that no verifier of exhibits judges; "" for anything else."""
    stream.seek(0)
    head = stream.read(_HEAD)
    found = _OTHER_RECORD.search(head) if head.startswith(b"{") else None
    return _OTHER_RECORDS[found[1]] if found else ""


def _is_sidecar(stream: BinaryIO, name: str) -> bool:
    """Return whether a file is named like a sidecar and begins like one of that kind."""
    stream.seek(0)
    head = stream.read(_HEAD)
    return any(of.search(name) and begin.match(head) for of, begin in _SIDECAR.items())


def _has_trace(stream: BinaryIO, trace: re.Pattern[bytes] = _TRACE) -> bool:
    """Return whether a trace is in the bytes; also between NULs, as in a file made UTF-16."""
    if stream.seek(0, 2) > MAX_BYTES:  # too long for a search, and for any exhibit
        return True
    stream.seek(0)
    before = b""
    while chunk := stream.read(_CHUNK):
        looked_at = before + chunk
        if trace.search(looked_at) or trace.search(looked_at.replace(b"\0", b"")):
            return True
        before = looked_at[-_LONGEST:]
    return False
