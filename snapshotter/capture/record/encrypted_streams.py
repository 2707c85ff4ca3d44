"""
Encrypt the streams of a capture and their keys for the recipients that the policy names, and
decrypt them again.

`capture/streams.p7m` is a CMS AuthEnvelopedData (`formats/signatures/cms.py`). Its content is a tar
file: what the egress guard kept of each connection, the browser's key log, and facts about the
connections. Whoever has the private key can read all traffic and check that the network record is
made of it (`rederivation.py`); nobody else can read anything. docs/spec/streams.md describes each
file.

While it encrypts, nothing is written in clear: the tar file is never on a disk.
"""

import dataclasses
import io
import tarfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Final

from snapshotter.capture.spool import ARTIFACT_BYTES, Spool
from snapshotter.errors import SnapshotterError
from snapshotter.formats import canonical_json
from snapshotter.formats.canonical_json import plain
from snapshotter.formats.signatures import cms
from snapshotter.model.network import Connection
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

PATH: Final = "capture/streams.p7m"
FORMAT: Final = "snapshotter-streams/1"
KEYS: Final = "keys.log"
CONNECTIONS: Final = "connections.json"
README: Final = "README.txt"
_MAX_LISTED: Final = 64 << 20  # bytes of the list of connections
_MOST: Final = ARTIFACT_BYTES - (1 << 20)  # bytes of the tar file
_CHUNK: Final = 1 << 20
_BLOCK: Final = 512
_END: Final = bytes(2 * _BLOCK)
_MODE: Final = 0o600

_HOW_TO_READ: Final = b"""\
What passed between a browser and servers while a page was captured, and the keys that open it.

keys.log          the browser's TLS secrets, in the format that Wireshark and others read (SSLKEYLOGFILE)
connections.json  every connection: whom it was with and when, numbered
00001.tee ...     what passed on connection 1 ..., both directions, in the order in which it passed:
                  "C" (from the client) or "S" (from the server), 1 byte; microseconds since
                  1970-01-01 UTC, 8 bytes; length, 4 bytes; so many bytes as sent. Numbers are
                  big-endian. Connections that were never made have no file.

THESE FILES HOLD COOKIES, PASSWORDS AND ALL CONTENT THAT PASSED, AND OPEN IT. Keep them encrypted.
"""  # noqa: E501


class StreamsInvalid(SnapshotterError):
    """The content of the encrypted streams is not what a capture writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedStreams:
    """The decrypted files of one capture's streams, in a directory of the caller's."""

    directory: Path
    connections: tuple[Connection, ...]
    key_log: bytes

    def tee_file(self, number: int) -> Path | None:
        """Return the file with the traffic of a connection; None if it was never made."""
        file = self.directory / _tee_name(number)
        return file if file.is_file() else None


def write_encrypted_streams(
    files: Spool,
    recipients: Sequence[cms.Recipient],
    *,
    key_log: bytes,
    connections: Sequence[tuple[Connection, Path | None]],
) -> None:
    """
    Write the encrypted file.

    Args:
        connections: Each with the closed file that the guard keeps of it; None: it has none.

    Raises:
        SnapshotterError: There is more than one file may hold.
        OSError: A file cannot be read or written.
    """
    listed = canonical_json.dumps(
        {"connections": plain([connection for connection, _ in connections]), "format": FORMAT}
    )
    members: list[tuple[str, bytes | Path, int]] = [
        (name, data, len(data))
        for name, data in ((README, _HOW_TO_READ), (CONNECTIONS, listed), (KEYS, key_log))
    ]
    for connection, file in connections:
        if file is not None and file.is_file():
            members.append((_tee_name(connection.number), file, file.stat().st_size))
    length = sum(_BLOCK + size + -size % _BLOCK for _, _, size in members) + len(_END)
    if length > _MOST:
        raise SnapshotterError(
            tr(
                "the streams have {length} bytes, but a file of encrypted streams may have at "
                "most {most} bytes",
                length=length,
                most=_MOST,
            )
        )
    ids = ", ".join(recipient.key_id.hex() for recipient in recipients)
    with files.create(
        PATH, cms.MEDIA_TYPE, step="record", note=f"streams and keys, encrypted for {ids}"
    ) as out:
        cms.write(_tar(members), length, recipients, out.write)


def decrypt_streams(encrypted: BinaryIO, key: cms.PrivateKey, directory: Path) -> RecordedStreams:
    """
    Decrypt the streams into a directory; the caller removes it.

    Args:
        directory: An empty one that nobody else can read.

    Raises:
        CmsInvalid: The file was changed, or is for other keys.
        StreamsInvalid: Its content was not written by `write_encrypted_streams`.
    """
    tar = directory / "streams.tar"
    try:
        with tar.open("xb") as out:
            tar.chmod(_MODE)
            cms.read(encrypted, key, out.write)
        _extract(tar, directory)
    finally:
        tar.unlink(missing_ok=True)
    listed, key_log = directory / CONNECTIONS, directory / KEYS
    if not listed.is_file() or not key_log.is_file() or listed.stat().st_size > _MAX_LISTED:
        raise StreamsInvalid(
            tr(
                "the list of connections or the file of TLS keys is missing in "
                "the streams, or the list is too long"
            )
        )
    return RecordedStreams(
        directory=directory,
        connections=_connections(listed.read_bytes()),
        key_log=key_log.read_bytes(),
    )


def _tar(members: Sequence[tuple[str, bytes | Path, int]]) -> Iterator[bytes]:
    """Yield a tar file (POSIX.1-1988 ustar) that names nothing of this machine."""
    for name, content, size in members:
        yield _header(name, size)
        left = size
        with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as source:
            while left:
                chunk = source.read(min(left, _CHUNK))
                if not chunk:
                    raise OSError(f"the file {name} became shorter while snapshotter read the file")
                left -= len(chunk)
                yield chunk
        yield bytes(-size % _BLOCK)
    yield _END


def _header(name: str, size: int) -> bytes:
    """Return the one valid header of a member with this name and size."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, _MODE
    return info.tobuf(tarfile.USTAR_FORMAT)


def _extract(tar: Path, directory: Path) -> None:
    """
    Write the members of a tar file: plain files with the expected names, each once.

    Anybody can encrypt anything for a public key. So a header is parsed, built again and compared:
    no extension of the format is read, by which a short file could become an endless one (sparse
    files) or a thousand headers describe one file.
    """
    try:
        with tar.open("rb") as stream:
            while (header := stream.read(_BLOCK)) != bytes(_BLOCK):
                info = tarfile.TarInfo.frombuf(header, "ascii", "strict")
                if not _has_place(info.name) or _header(info.name, info.size) != header:
                    raise StreamsInvalid(
                        tr("the streams contain an unexpected file: {name!a}", name=info.name)
                    )
                with (directory / info.name).open("xb") as out:
                    (directory / info.name).chmod(_MODE)
                    _copy(stream, info.size, out)
                if stream.read(-info.size % _BLOCK).strip(b"\0"):
                    raise StreamsInvalid(tr("the streams contain bytes that belong to no file"))
    except (tarfile.TarError, FileExistsError, ValueError) as error:
        raise StreamsInvalid(tr("the streams cannot be unpacked: {error}", error=error)) from error


def _has_place(name: str) -> bool:
    number = name.removesuffix(".tee")
    is_tee = name.endswith(".tee") and number.isascii() and number.isdigit()
    is_tee = is_tee and name == _tee_name(int(number[:9]))
    return is_tee or name in (README, CONNECTIONS, KEYS)


def _copy(source: BinaryIO, length: int, out: BinaryIO) -> None:
    while length:
        chunk = source.read(min(length, _CHUNK))
        if not chunk:
            raise StreamsInvalid(tr("the streams end in the middle of a file"))
        length -= len(chunk)
        out.write(chunk)


def _connections(data: bytes) -> tuple[Connection, ...]:
    try:
        document = canonical_json.loads(data)
        if document["format"] != FORMAT:
            raise StreamsInvalid(tr("the format of the streams is not supported"))
        found = tuple(_connection(connection) for connection in document["connections"])
        if len({connection.number for connection in found}) != len(found):
            raise StreamsInvalid(
                tr(
                    "the list of connections in the streams contains two "
                    "connections with the same number"
                )
            )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise StreamsInvalid(
            tr("the list of connections cannot be read: {error}", error=error)
        ) from error
    return found


def _connection(values: dict[str, Any]) -> Connection:
    fields = {name: value for name, value in values.items() if not name.endswith("_at_ms")}
    for field in dataclasses.fields(Connection):
        if field.type in (int, str) and type(fields[field.name]) is not field.type:
            raise TypeError(f"the {field.name} of a connection has the wrong type")
    if not all(type(answer) is str for answer in fields["answers"]) or fields["asked_at"] is None:
        raise TypeError("the answers or the time of a connection have the wrong type")
    for name in ("asked_at", "connected_at", "ended_at"):
        if fields[name] is not None:
            ms = int(values[f"{name}_ms"])
            fields[name] = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    return Connection(**(fields | {"answers": tuple(fields["answers"])}))


def _tee_name(number: int) -> str:
    return f"{number:05}.tee"
