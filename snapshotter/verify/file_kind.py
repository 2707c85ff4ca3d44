"""
Find the kind of a file that is to be verified, and refuse a file that is no exhibit.

Exhibits are bundles, take-down events, proof packs, campaign reports and validation reports. The
kind follows from the content of a file and never from its name. A file is judged if it is named
like an exhibit, or if one trace of an exhibit is anywhere in its bytes: nobody may escape a FAILED
by damaging, cutting or renaming an exhibit, or by putting bytes before it. A file without either,
such as a table of links, gets no verdict, because FAILED would be wrong about it. Nor does a
sidecar, the report of an audit, or a document that our own commands make from a bundle, although a
bundle's id is in its name (docs/spec/bundle.md, "What is judged").
"""

import re
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final

from snapshotter.errors import SnapshotterError
from snapshotter.formats.bundle.container import MAX_BYTES
from snapshotter.translation import tr

# Names of exhibits, anywhere in the name of a file: `exhibit.wacz`, the id of a bundle or an
# event, a proof pack.
_NAMED: Final = re.compile(r"\.wacz|[0-9]{8}t[0-9]{6}z-[a-z2-7]{16}|^proof-", re.IGNORECASE)
_TRACES: Final = (
    b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"PK\x07\x08",
    b"UEsDB",  # the beginning of a bundle in a proof pack: Base64 of PK\x03\x04
    b"archive/data.warc.gz", b"capture/capture.json", b"datapackage-digest.json",
    b"seal/manifest-", b"seal/sig-0",
    b"snapshotter-campaign/", b"snapshotter-pack/", b"snapshotter-takedown/",
    b"snapshotter-validation/",
    b'"first_gone"', b'"last_seen"', b'{"event":{',
)  # fmt: skip
_TRACE: Final = re.compile(b"|".join(map(re.escape, _TRACES)))
# A sidecar of a bundle or an event, by its name and its first bytes. One with a container in it
# is judged, because a damaged bundle could be named like a sidecar.
_SIDECAR: Final = {
    re.compile(r"\.tlog-proof$"): re.compile(rb"c2sp\.org/tlog-proof@v1\n"),
    re.compile(r"\.(late|renewal)-[0-9]{2}\.tsr$"): re.compile(rb"\x30[\x81-\x83]"),
    re.compile(r"\.renewal-[0-9]{2}\.txt$"): re.compile(rb"snapshotter-renewal/1\n"),
    re.compile(r"\.custody-[0-9]{4,}\.jsonl$"): re.compile(rb'\{"agent":"'),
}
_CONTAINER: Final = re.compile(b"|".join(map(re.escape, _TRACES[:7])))
# A document that our own commands make from evidence, by its name and its first bytes. It may name
# the files of a bundle; with any other trace of an exhibit, it is judged. Pictures and bodies in a
# document have four or five bytes of a trace by chance. So a mark of a container counts only if the
# name of a file of a bundle follows, and Base64 of a container only where a text begins, and not in
# an HTTP archive, because servers send containers.
_ABOUT: Final = r"(?:^|-)(?:report|declaration|exhibit)\b.*"
_REPORT: Final = "a report about captures or the draft of a declaration"
_DOCUMENTS: Final = {
    re.compile(rf"{_ABOUT}\.html$"): (rb"<!DOCTYPE html>\n<html ", _REPORT),
    re.compile(rf"{_ABOUT}\.pdf$"): (rb"%PDF-", _REPORT),
    re.compile(rf"{_ABOUT}\.json$"): (rb'\{"(?:alarms|blanks|bundle_id)":', _REPORT),
    re.compile(r"\.har$"): (rb'\{\s*"log"', "an HTTP archive made from a bundle"),
    re.compile(r"\.scitt$"): (rb"\xd2\x84", "a SCITT statement about a bundle"),
    re.compile(r"\.receipt$"): (rb"\xd2\x84", "a SCITT receipt about a bundle"),
}
_FOLDERS: Final = (b"archive/", b"capture/", b"datapackage", b"indexes/", b"pages/", b"seal/")
_NOT_IN_AN_ARCHIVE: Final = re.compile(
    rb"PK(?:\x01\x02|\x03\x04)[\s\S]{0,42}(?:%s)|%s"
    % (b"|".join(_FOLDERS), b"|".join(map(re.escape, _TRACES[12:])))
)
_NOT_IN_A_DOCUMENT: Final = re.compile(rb"(?<=[^A-Za-z0-9+/])UEsDB|" + _NOT_IN_AN_ARCHIVE.pattern)
_ID: Final = r"[0-9]{8}t[0-9]{6}z-[a-z2-7]{16}"
_BUNDLE_IN_NAME: Final = re.compile(rf"(?:report-|declaration-)?({_ID})(?!-and-)")
_BUNDLE_IN_HEAD: Final = re.compile(
    rf'<title>[A-Za-z ]+({_ID})</title>|^\{{"bundle_id":"({_ID})"'.encode()
)
_ARCHIVE_END: Final = 22 + 20 + 56  # bytes after the list of files, with 64-bit sizes
_MAX_LIST: Final = 16 << 20  # bytes of the list of files of an archive
_OTHER_RECORDS: Final = {
    b"audit": "the report of an audit",
    b"gap": "the record of a gap",
    b"hold": "the record of a legal hold",
    b"quarantine": "the notice of a quarantine",
    b"tombstone": "the record of an erasure",
    b"trust": "a trust file",
}
_OTHER_RECORD: Final = re.compile(b'"format":"snapshotter-(%s)/' % b"|".join(_OTHER_RECORDS))
_ZIP: Final = b"PK\x03\x04"
_HEAD: Final = 4096  # first bytes, in which a record names its format
_PACK_HEAD: Final = 256  # first bytes, in which a pack names its format
_CHUNK: Final = 1 << 20  # bytes read at once
_LONGEST: Final = 2 * 64  # bytes of the longest trace, each with a NUL beside it


class NotEvidence(SnapshotterError):
    """A file that is no exhibit: a wrong argument, and nothing is established about it."""

    exit_code = 2


class FileKind(StrEnum):
    """The kind of an exhibit, which decides who verifies it."""

    BUNDLE = "bundle"
    TAKEDOWN = "takedown"  # a record of `formats/statements/takedown.py`
    PACK = "pack"  # a proof pack
    CAMPAIGN = "campaign"  # a report, a record of `formats/statements/campaign.py`
    VALIDATION = "validation"  # a report about a self-test, `formats/statements/validation.py`


def kind_of(stream: BinaryIO, path: Path) -> FileKind:
    """
    Return the kind of an exhibit; a file of no known form is verified as a bundle.

    Args:
        stream: The file, seekable; left at its beginning.
        path: Its path as it was given. If it is a link, the name of its target counts as well.

    Raises:
        NotEvidence: It is neither named like an exhibit nor has a trace of one.
    """
    _require_exhibit(stream, path)
    head = stream.read(_HEAD)
    stream.seek(0)
    if head.startswith(_ZIP):  # a page can place the marks of the other kinds in a bundle
        return FileKind.BUNDLE
    # Needed for no bundle.
    from snapshotter.formats.statements.campaign import is_campaign
    from snapshotter.formats.statements.pack import looks_like_pack
    from snapshotter.formats.statements.takedown import is_takedown
    from snapshotter.formats.statements.validation import is_validation

    if is_validation(head):
        return FileKind.VALIDATION
    if is_campaign(head):
        return FileKind.CAMPAIGN
    if looks_like_pack(head[:_PACK_HEAD]):
        return FileKind.PACK
    return FileKind.TAKEDOWN if is_takedown(head) else FileKind.BUNDLE


def _require_exhibit(stream: BinaryIO, path: Path) -> None:
    """
    Refuse a file that is no exhibit; see `kind_of`.

    Raises:
        NotEvidence: It is neither named like an exhibit nor has a trace of one.
    """
    if path.suffix == ".json" and (kind := _other_record(stream)) and not _has_trace(stream):
        raise NotEvidence(
            tr("{path} is {kind}, which snapshotter verify cannot verify", path=path, kind=kind),
            hint=tr(
                "give the .wacz file of a bundle to verify a bundle. Of the following commands, "
                "the first verifies the records of a store, and the second shows a trust file:\n  "
                "snapshotter audit\n  snapshotter trust show FILE"
            ),
        )
    if _is_sidecar(stream, path.name) and not _has_trace(stream, _CONTAINER):
        raise NotEvidence(
            tr(
                "{path} is a sidecar of a bundle or an event, which snapshotter verify "
                "cannot verify alone",
                path=path,
            ),
            hint=tr(
                "verify the .wacz file of the bundle or the .json file of the event; the "
                "sidecars in the same folder are read too"
            ),
        )
    if kind := _document(stream, path.name):
        raise NotEvidence(
            tr(
                "{path} is {kind}. The file is no evidence, and snapshotter verify cannot verify "
                "the file",
                path=path,
                kind=kind,
            ),
            hint=_verify_instead(stream, path.name),
        )
    if path.suffix.lower() == ".zip" and _holds_bundles(stream):
        raise NotEvidence(
            tr(
                "{path} is an archive that contains bundles, and snapshotter verify cannot verify "
                "the archive",
                path=path,
            ),
            hint=tr("unpack the archive, and verify each .wacz file in the archive"),
        )
    named = any(_NAMED.search(file.name) for file in (path, path.resolve()))
    if not named and not _has_trace(stream):
        raise NotEvidence(
            tr(
                "{path} is not a bundle, a take-down event, a proof pack, a campaign report or a "
                "validation report",
                path=path,
            ),
            hint=tr(
                "give the .wacz file of a bundle, the .json file of an event or a report, the "
                ".html file of a proof pack, or the id of a bundle in a store (option --store)"
            ),
        )
    stream.seek(0)


def _other_record(stream: BinaryIO) -> str:
    """Name the kind of a record that verify cannot judge; "" for any other file."""
    stream.seek(0)
    head = stream.read(_HEAD)
    found = _OTHER_RECORD.search(head) if head.startswith(b"{") else None
    return _OTHER_RECORDS[found[1]] if found else ""


def _is_sidecar(stream: BinaryIO, name: str) -> bool:
    """Return whether a file is named like a sidecar and begins like one of that kind."""
    stream.seek(0)
    head = stream.read(_HEAD)
    return any(
        ending.search(name) and beginning.match(head) for ending, beginning in _SIDECAR.items()
    )


def _document(stream: BinaryIO, name: str) -> str:
    """Name the kind of a document that our own commands make; "" for any other file."""
    stream.seek(0)
    head = stream.read(_HEAD)
    for pattern, (beginning, kind) in _DOCUMENTS.items():
        if pattern.search(name) and re.match(beginning, head):
            traces = _NOT_IN_AN_ARCHIVE if name.endswith(".har") else _NOT_IN_A_DOCUMENT
            return "" if _has_trace(stream, traces) else kind
    return ""


def _verify_instead(stream: BinaryIO, name: str) -> str:
    """Return what to verify in place of a document: its bundle, if the document names one."""
    stream.seek(0)
    found = _BUNDLE_IN_HEAD.search(stream.read(_HEAD))
    named = _BUNDLE_IN_NAME.match(name)
    bundle_id = (found[1] or found[2]).decode() if found else named[1] if named else ""
    if bundle_id:
        return tr(
            "to check what the file states, verify the bundle that the file is about:\n  "
            "snapshotter verify {bundle_id}.wacz",
            bundle_id=bundle_id,
        )
    return tr(
        "to check what the file states, verify the .wacz file of each bundle that the file is about"
    )


def _holds_bundles(stream: BinaryIO) -> bool:
    """Return whether a ZIP archive lists files named .wacz, and no file of the seal of a bundle."""
    size = stream.seek(0, 2)
    stream.seek(max(0, size - _ARCHIVE_END))
    end = stream.read(_ARCHIVE_END)
    at = end.rfind(b"PK\x05\x06")
    length = int.from_bytes(end[at + 12 : at + 16], "little") if at >= 0 else _MAX_LIST + 1
    if length > _MAX_LIST:
        return False
    stream.seek(max(0, size - len(end) - length))
    listed = stream.read(length + len(end))
    entries = [match.start() for match in re.finditer(b"PK\x01\x02", listed)]
    names = []
    for entry in entries:
        characters = int.from_bytes(listed[entry + 28 : entry + 30], "little")
        names.append(listed[entry + 46 : entry + 46 + characters])
    is_bundle = any(name.startswith(b"seal/") for name in names)
    return not is_bundle and any(name.endswith(b".wacz") for name in names)


def _has_trace(stream: BinaryIO, trace: re.Pattern[bytes] = _TRACE) -> bool:
    """Return whether a trace is in the bytes; also between NULs, as in a file made UTF-16."""
    if stream.seek(0, 2) > MAX_BYTES:  # too long for a search, and for any exhibit
        return True
    stream.seek(0)
    before = b""
    while chunk := stream.read(_CHUNK):
        window = before + chunk
        if trace.search(window) or trace.search(window.replace(b"\0", b"")):
            return True
        before = window[-_LONGEST:]
    return False
