"""
Make the page about one capture.

`make_file_page` and `make_stored_page` verify a bundle and return its page. A bundle that FAILED
gets a page as well, which says so first.
"""

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

import snapshotter
from snapshotter.app.archive import assessment as assessing
from snapshotter.app.archive import bundles
from snapshotter.app.archive.assessment import BundleFiles
from snapshotter.app.archive.recorded_pictures import recorded_pictures
from snapshotter.assess.possible_removals import possible_removals
from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats.bundle import container, custody_sidecars, names, store_keys
from snapshotter.formats.digest import digest_bytes
from snapshotter.model.annotation_state import CaptureState as CaptureAnnotations
from snapshotter.model.assessment import Assessment
from snapshotter.model.capture import PictureKind
from snapshotter.model.copies import Copy
from snapshotter.model.finding import Code, Finding, Report, Verdict
from snapshotter.model.sentences import (
    CaptureState,
    PageState,
    ProofState,
    headline,
    proof_sentence,
)
from snapshotter.model.takedown import Observation
from snapshotter.ports import ReadableStore
from snapshotter.report import capture_page as pages
from snapshotter.report.capture_page import (
    MAX_TEXT,
    CaptureMaterial,
    ConnectionRow,
    FileRow,
    RequestRow,
)
from snapshotter.report.local_time import LocalTime
from snapshotter.report.missing_parts import MAX_ROWS
from snapshotter.report.picture_copies import PictureCopy, PieceShape, make_picture_copy
from snapshotter.report.record_values import MAX_REQUESTS
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.file_kind import FileKind, NotEvidence, kind_of
from snapshotter.verify.sidecars import Sidecars, sidecars_on_disk
from snapshotter.verify.trust import Trust

_DO_NOT_RELY: Final = tr("Do not rely on the file.")
_OPEN: Final = tr("No check failed. The checks state what is not established.")
_TEXT: Final = "capture/page.txt"
_INDEX: Final = "indexes/index.cdx"
_NETWORK: Final = "capture/network.json"
_MAX_TEXT_BYTES: Final = 64 << 20
_MAX_NETWORK_BYTES: Final = 16 << 20
_MAX_LINE: Final = 128 << 10  # bytes of a line of the index
_MAX_INDEX_LINES: Final = 100_000
_MAX_FILES: Final = 300
_MAX_NUMBER: Final = (1 << 53) - 1
_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureSource:
    """A bundle on this machine that was just verified, and what is known around it."""

    name: str  # as it was given
    store: str  # "" for a file
    stream: BinaryIO
    report: Report
    sidecars: Sidecars
    captures: Sequence[Observation] = ()  # of the same page
    copies: Sequence[Copy] = ()  # captures of other pages with nearly the same text
    annotations: CaptureAnnotations | None = None  # None: of a file
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MadePage:
    """The page about one capture."""

    bundle_id: str  # "" if the bundle does not state a valid id
    sha256: str  # of the bundle
    data: bytes  # HTML
    headline: str
    verdict: Verdict  # of the verification that was made for the page


def make_file_page(
    name: str, file: Path, stream: BinaryIO, trust: Trust, *, now: datetime, local: LocalTime
) -> MadePage:
    """
    Verify a bundle that is a file, with the sidecars in its folder, and return its page.

    Args:
        name: The file as it was given.
        stream: The file, seekable; left open.

    Raises:
        NotEvidence: The file is no bundle, and no damaged bundle.
        OSError, SnapshotterError: The file cannot be read.
    """
    return _made(verify_file(name, file, stream, trust, now=now), local)


def verify_file(
    name: str,
    file: Path,
    stream: BinaryIO,
    trust: Trust,
    *,
    now: datetime,
    allow_redacted: bool = False,
) -> CaptureSource:
    """
    Verify a bundle that is a file, with the sidecars in its folder.

    Args:
        allow_redacted: Whether the file may be a redacted copy.

    Raises:
        NotEvidence: The file is no bundle, and no damaged bundle.
        OSError, SnapshotterError: The file cannot be read.
    """
    if kind_of(stream, file) is not FileKind.BUNDLE:
        raise NotEvidence(
            tr("{name} is no bundle, and only bundles have a page", name=name),
            hint=tr("verify the file:\n  snapshotter verify {name}", name=name),
        )
    sidecars = sidecars_on_disk(file)
    report = verify_bundle(
        stream,
        trust,
        now=now,
        sidecars=sidecars,
        read_assessment=True,
        allow_redacted=allow_redacted,
    )
    return CaptureSource(
        name=name, store="", stream=stream, report=report, sidecars=sidecars, now=now
    )


def make_stored_page(
    bundle_id: str,
    store: ReadableStore,
    trust: Trust,
    *,
    now: datetime,
    local: LocalTime,
    annotations: CaptureAnnotations,
    others_of: Callable[[str], tuple[Sequence[Observation], Sequence[Copy]]],
) -> MadePage:
    """
    Copy a bundle out of a store, verify the copy with its sidecars, and return its page.

    A store may return other bytes when it is read again, so the page shows the verified copy.

    Args:
        annotations: What people recorded about the capture.
        others_of: Returns the captures of the page behind an address, in the order of time, and
            captures of other pages with nearly the same text as this one.

    Raises:
        OSError, SnapshotterError: The store does not have the bundle, or cannot be read.
    """
    with verified_copy(
        bundle_id, store, trust, now=now, annotations=annotations, others_of=others_of
    ) as source:
        return _made(source, local)


@contextlib.contextmanager
def verified_copy(
    bundle_id: str,
    store: ReadableStore,
    trust: Trust,
    *,
    now: datetime,
    annotations: CaptureAnnotations | None,
    others_of: Callable[[str], tuple[Sequence[Observation], Sequence[Copy]]],
) -> Iterator[CaptureSource]:
    """
    Copy a bundle out of a store, and verify the copy with its sidecars; the copy ends with this.

    Args:
        others_of: As in `make_stored_page`.

    Raises:
        OSError, SnapshotterError: The store does not have the bundle, or cannot be read.
    """
    key = bundles.find_bundle_key(store, bundle_id)
    with tempfile.TemporaryFile(prefix="snapshotter-open-") as copy:
        bundles.copy_bundle(store, key, copy)
        sidecars = bundles.read_sidecars(store, key)
        found = verify_copy(bundle_id, store.url, copy, sidecars, trust, now=now)
        url = found.report.requested_url
        captures, copies = others_of(url) if url else ((), ())
        yield replace(found, captures=captures, copies=copies, annotations=annotations)


def verify_copy(
    bundle_id: str, store: str, copy: BinaryIO, sidecars: Sidecars, trust: Trust, *, now: datetime
) -> CaptureSource:
    """
    Verify a copy of a bundle with its sidecars.

    Args:
        bundle_id: Under which the store has the bundle.
        store: The address of the store.
        copy: Seekable; left open.
    """
    report = verify_bundle(copy, trust, now=now, sidecars=sidecars, read_assessment=True)
    if report.bundle_id not in (bundle_id, ""):
        other = Finding.failed(
            "id",
            Code.NAME,
            tr(
                "the store has another bundle, {found_id}, under the id {bundle_id}",
                found_id=report.bundle_id,
                bundle_id=bundle_id,
            ),
        )
        report = replace(report, findings=(*report.findings, other), established=None)
    return CaptureSource(
        name=bundle_id, store=store, stream=copy, report=report, sidecars=sidecars, now=now
    )


def _made(source: CaptureSource, local: LocalTime) -> MadePage:
    material = read_material(source)
    stated = source.report.bundle_id
    return MadePage(
        bundle_id=stated if store_keys.is_id(stated) else "",
        sha256=source.report.sha256 or digest_bytes(source.name.encode()).sha256,
        data=pages.page(material, local),
        headline=material.headline,
        verdict=source.report.verdict,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What was read from the files of a bundle."""

    assessment: Assessment | None = None
    text: str = ""
    requests: tuple[RequestRow, ...] = ()  # all, in the order of time
    connections: tuple[ConnectionRow, ...] = ()
    picture: PictureCopy | None = None
    picture_path: str = ""
    files: tuple[FileRow, ...] = ()


def read_part(unread: list[str], what: str, read: Callable[[], _Read]) -> _Read | None:
    """Return a part of a bundle; if it cannot be read, add the reason to `unread`, return None."""
    try:
        return read()
    except SnapshotterError as error:
        unread.append(f"{what}: {error}")
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        unread.append(tr("{what}: the data does not have the required form", what=what))
    return None


def read_material(
    source: CaptureSource, *, shape: PieceShape | None = None, draws: bool = True
) -> CaptureMaterial:
    """
    Return what the page shows. A part that cannot be read is named in `unread`.

    Args:
        shape: Of the pieces of the picture; None: for the screen.
        draws: Make a copy of the picture. Otherwise only its path is returned, and no picture is
            decoded in this process.
    """
    report, unread = source.report, list[str]()
    part = partial(read_part, unread)
    stream = source.stream
    record = (
        part(tr("capture record"), partial(bundles.read_record, stream)) or {}
        if report.withheld is None
        else report.record  # the redactable record, with the values that the copy shows
    )
    files = part(tr("files"), partial(BundleFiles, stream, report.established))
    chain = part(tr("custody chain"), partial(_custody, files, source.sidecars))
    found = _Parts()
    if files is not None and record:
        picture = part(tr("picture"), partial(_picture, files, record, shape, draws=draws))
        found = _Parts(
            assessment=part(tr("assessment"), partial(assessing.read_assessment, files)),
            text=part(tr("text"), partial(_text, files)) or "",
            requests=part(tr("requests"), partial(_requests, files, record)) or (),
            connections=part(tr("connections"), partial(_connections, files)) or (),
            picture=picture[0] if picture else None,
            picture_path=picture[1] if picture else "",
            files=part(tr("list of files"), partial(_files, stream, record)) or (),
        )
    return CaptureMaterial(
        name=source.name,
        store=source.store,
        report=report,
        headline=_headline(report, record, found.assessment),
        record=record,
        assessment=found.assessment,
        text=found.text[:MAX_TEXT],
        text_length=len(found.text),
        picture=found.picture,
        picture_path=found.picture_path,
        requests=found.requests[:MAX_REQUESTS],
        request_count=len(found.requests),
        connections=found.connections,
        files=found.files,
        custody=tuple(linked.event for linked in chain.events) if chain else (),
        custody_problems=chain.problems if chain else (),
        captures=tuple(source.captures),
        copies=tuple(source.copies),
        lost_since=_lost_since(source),
        annotations=source.annotations,
        unread=tuple(dict.fromkeys(unread)),
        made_at=source.now,
        software=f"snapshotter {snapshotter.__version__}",
        without=_commands(
            report,
            inside=frozenset(files.names()) if files is not None else frozenset(),
            late_tokens=len(source.sidecars.late_tokens),
        ),
    )


def _headline(report: Report, record: Mapping[str, Any], assessed: Assessment | None) -> str:
    proof = ProofState.of(report)
    if report.verdict is Verdict.FAILED:
        return f"{proof_sentence(proof)} {_DO_NOT_RELY}"
    what = record.get("what")
    status = what.get("http_status") if isinstance(what, Mapping) else None
    said = headline(
        page=PageState.of(assessed, status if type(status) is int else None) if record else None,
        capture=CaptureState.of_record(record) if record else None,
        proof=proof,
    )
    return f"{said} {_OPEN}" if report.verdict is Verdict.INDETERMINATE else said


def _lost_since(source: CaptureSource) -> Observation | None:
    """Return the last capture that showed the page, if this one is a possible removal."""
    found = possible_removals(source.captures).get(source.report.bundle_id)
    return found.last_seen if found is not None else None


# --- the parts of a bundle ---------------------------------------------------------------------


def _text(files: BundleFiles) -> str:
    stream = files.open(_TEXT)
    if stream is None:
        return ""
    with stream:
        return stream.read(_MAX_TEXT_BYTES).decode("utf-8", "replace")


def _picture(
    files: BundleFiles, record: Mapping[str, Any], shape: PieceShape | None, *, draws: bool
) -> tuple[PictureCopy | None, str]:
    """Return a copy of the picture of the whole page, or else of the first view, and its path."""
    found = recorded_pictures(record, files.names())
    for kind in (PictureKind.PAGE, PictureKind.VIEWPORT):
        picture = found.get(kind)
        if picture is None:
            continue
        if not draws:
            return None, picture.paths[0]
        copy = make_picture_copy(
            [partial(_opened, files, path) for path in picture.paths],
            picture.scale,
            fast=True,
            shape=shape,
        )
        if copy is not None:
            return copy, picture.paths[0]
    return None, ""


def _opened(files: BundleFiles, path: str) -> BinaryIO:
    stream = files.open(path)
    if stream is None:
        raise EvidenceInvalid(tr("the bundle has no {path}", path=path))
    return stream


def _requests(files: BundleFiles, record: Mapping[str, Any]) -> tuple[RequestRow, ...]:
    """Return the requests in the order of time, those without an answer last."""
    rows = [*_unanswered(record)]
    stream = files.open(_INDEX)
    if stream is not None:
        with stream:
            lines = islice(iter(partial(stream.readline, _MAX_LINE), b""), _MAX_INDEX_LINES)
            rows += filter(None, map(_request, lines))
    return tuple(sorted(rows, key=lambda row: (row.at is None, str(row.at or ""), row.url)))


def _request(line: bytes) -> RequestRow | None:
    try:
        _, time, facts = line.decode("utf-8", "replace").split(" ", 2)
        found = json.loads(facts)
        at = datetime.strptime(time[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        status = str(found.get("status", ""))
        return RequestRow(
            url=_whole_text(found["url"]),
            status=_number(status) if status.isdecimal() else None,
            media_type=_whole_text(found.get("mime", "")),
            at=at,
            length=_number(found["length"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None  # a stranger may have written the line


def _whole_text(found: object) -> str:
    """Return a text of JSON with half characters (lone surrogates) as escapes."""
    return str(found).encode("utf-8", "backslashreplace").decode("utf-8")


def _number(found: Any) -> int:
    number = int(found)
    if not 0 <= number <= _MAX_NUMBER:
        raise ValueError("canonical JSON has no number of this size")
    return number


def _unanswered(record: Mapping[str, Any]) -> Iterator[RequestRow]:
    content = record.get("content")
    given = content.get("failed_requests") if isinstance(content, Mapping) else None
    for failed in given if isinstance(given, list) else ():
        if isinstance(failed, Mapping) and isinstance(failed.get("url"), str):
            error, kind = failed.get("error"), failed.get("resource_type")
            yield RequestRow(
                url=failed["url"],
                media_type=kind if isinstance(kind, str) else "",
                error=error if isinstance(error, str) and error else tr("no answer"),
            )


def _connections(files: BundleFiles) -> tuple[ConnectionRow, ...]:
    stream = files.open(_NETWORK)
    if stream is None:
        return ()
    with stream:
        data = stream.read(_MAX_NETWORK_BYTES + 1)
    if len(data) > _MAX_NETWORK_BYTES:
        raise EvidenceInvalid(tr("{path} is too long to be shown", path=_NETWORK))
    found = json.loads(data)
    return tuple(map(_connection, found["connections"][:MAX_ROWS]))


def _connection(found: Mapping[str, Any]) -> ConnectionRow:
    tls = found["tls"]
    return ConnectionRow(
        host=f"{found['host']}:{found['port']}",
        address=str(found["address"]),
        tls=f"{tls['version']}, {tls['cipher']}" if tls else "",
        sent=int(found["bytes_sent"]),
        received=int(found["bytes_received"]),
        problem=str(found["refusal"] or found["error"]),
    )


def _files(stream: BinaryIO, record: Mapping[str, Any]) -> tuple[FileRow, ...]:
    content = record.get("content")
    stated = content.get("artifacts") if isinstance(content, Mapping) else None
    known = {
        artifact["path"]: artifact
        for artifact in (stated if isinstance(stated, list) else ())
        if isinstance(artifact, Mapping) and isinstance(artifact.get("path"), str)
    }

    def text(path: str, name: str) -> str:
        found = known.get(path, {}).get(name)
        return found if isinstance(found, str) else ""

    return tuple(
        FileRow(
            path=member.name,
            length=member.length,
            sha256=text(member.name, "sha256"),
            note=text(member.name, "note"),
        )
        for member in sorted(container.read_directory(stream), key=lambda member: member.name)[
            :_MAX_FILES
        ]
    )


def _custody(files: BundleFiles | None, sidecars: Sidecars) -> custody_sidecars.Chain:
    inside = files.open(names.CUSTODY) if files is not None else None
    if inside is None:
        return custody_sidecars.check(None, sidecars.custody)
    with inside:
        return custody_sidecars.check(inside.read(_MAX_LINE * 8), sidecars.custody)


def _commands(report: Report, *, inside: Set[str], late_tokens: int) -> str:
    """
    Return the commands that check a bundle without our software.

    Args:
        inside: Names of the files in the bundle.
        late_tokens: Number of timestamp tokens beside the bundle.
    """
    name = f"{report.bundle_id if store_keys.is_id(report.bundle_id) else 'BUNDLE'}.wacz"
    tokens = [
        token
        for number in range(1, names.MAX_TOKENS + 1)
        if (token := names.token(1, number)) in inside
    ]
    copied = [names.MANIFEST_SHA256, names.signature(1), *tokens]
    beside = [f"{name}.{names.late_token(number)}" for number in range(1, late_tokens + 1)]
    return "\n".join(
        (
            *(f"unzip -p {name} {path} > {_file_name(path)}" for path in copied),
            "openssl dgst -sha384 -verify KEY.pem -signature sig-01.der manifest-sha256.txt",
            *(
                f"openssl ts -verify -in {token} -data sig-01.der -CAfile ROOT.pem"
                for token in (*map(_file_name, tokens), *beside)
            ),
            f"sha256sum {name}",
        )
    )


def _file_name(member: str) -> str:
    return member.rpartition("/")[2]
