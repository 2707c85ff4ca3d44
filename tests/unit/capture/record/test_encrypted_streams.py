"""Streams and keys are kept for those whom the policy names, and the record can be made anew."""

import dataclasses
import gzip
import io
import ssl
import tarfile
import zlib
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from snapshotter.capture.record import encrypted_streams, rederivation
from snapshotter.capture.record.encrypted_streams import RecordedStreams, StreamsInvalid
from snapshotter.capture.record.recorder import Recorder, Recording, RecordingRules
from snapshotter.capture.record.rederivation import RecordComparison
from snapshotter.capture.spool import Spool
from snapshotter.formats import canonical_json
from snapshotter.formats.http.events import Direction
from snapshotter.formats.signatures import cms
from snapshotter.formats.signatures.cms import CmsInvalid, Recipient
from snapshotter.formats.tls import server_signature
from snapshotter.model.request import Limits
from tests import tls, wires
from tests.fakes.world import START, FixedClock, SeededIds

KEY = ec.generate_private_key(ec.SECP384R1())
SECRETS = frozenset({"cookie", "set-cookie"})
C, S = Direction.CLIENT, Direction.SERVER


class Kept:
    """A capture that is over: some connections, its record, and its streams."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spool = folder / "spool"
        self.spool.mkdir()
        self.carried = wires.Carried(self.spool)
        self.authority = tls.Authority(folder / "authority")

    def https(self, *talk: tls.Chunk, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> None:
        number = len(self.carried.guard.carried)
        recording = wires.https(
            self.authority,
            self.folder / f"client-{number}",
            talk or ((C, wires.GET), (S, wires.OK)),
            version=version,
        )
        self.carried.add(recording.chunks, recording.keys)

    def http(self, *talk: tls.Chunk) -> None:
        self.carried.add(talk, kind="http", host="a.com", port=80)

    def record(self, *recipients: Recipient) -> Recording:
        return Recorder(
            spool=self.spool,
            clock=FixedClock(),
            ids=SeededIds(),
            network=self.carried.wire,
            rules=RecordingRules(
                limits=Limits(),
                software="snapshotter/test",
                redact_headers=SECRETS,
                keep_for=recipients or (Recipient(KEY.public_key()),),
            ),
        ).finish_now(final_url="https://a.com/", title="")

    def unpack(self, key: cms.PrivateKey = KEY) -> RecordedStreams:
        directory = self.folder / "in-clear"
        directory.mkdir()
        with (self.spool / encrypted_streams.PATH).open("rb") as file:
            return encrypted_streams.decrypt_streams(file, key, directory)

    @property
    def warc(self) -> Path:
        return self.spool / "archive/data.warc.gz"

    def compare(self) -> RecordComparison:
        file = self.spool / "capture/tls.json"
        signed = server_signature.parse(file.read_bytes()) if file.is_file() else None
        return rederivation.compare(
            self.unpack(),
            self.warc,
            redact_headers=SECRETS,
            signatures=signed,
            scratch=self.folder / "bodies",
            ids=SeededIds("another"),
        )

    def change_record(self, old: bytes, new: bytes) -> None:
        """Change what the WARC says at one place; its digests are left as they were."""
        out, left, done = b"", self.warc.read_bytes(), False
        while left:
            inflater = zlib.decompressobj(wbits=31)
            record = inflater.decompress(left)
            left = inflater.unused_data
            out += gzip.compress(record if done else record.replace(old, new, 1))
            done = done or old in record
        assert done
        self.warc.write_bytes(out)


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


def test_what_was_kept_is_opened_by_the_private_key_and_is_what_passed(kept: Kept) -> None:
    kept.https()
    passed = (kept.carried.tee / "00001.tee").read_bytes()
    keys = kept.carried.key_log.read_bytes()

    made = kept.record()

    assert made.missing_parts == ()
    (artifact,) = [
        artifact for artifact in made.artifacts if artifact.path == encrypted_streams.PATH
    ]
    assert artifact.media_type == "application/pkcs7-mime"
    assert Recipient(KEY.public_key()).key_id.hex() in artifact.note
    opened = kept.unpack()
    file = opened.tee_file(1)
    assert file is not None
    assert file.read_bytes() == passed
    assert opened.key_log == keys
    (connection,) = opened.connections
    assert abs(connection.asked_at - START) < timedelta(milliseconds=1)  # as network.json has it
    times = {name: getattr(connection, name) for name in ("asked_at", "connected_at", "ended_at")}
    assert dataclasses.replace(kept.carried.guard.carried[0], **times) == connection


def test_nothing_that_was_kept_is_on_the_disk_in_clear(kept: Kept) -> None:
    kept.https()
    kept.http((C, wires.GET), (S, wires.OK))
    secret = kept.carried.key_log.read_bytes().split()[2]

    kept.record()

    assert not kept.carried.tee.exists()
    assert not kept.carried.key_log.exists()
    for file in (path for path in kept.spool.rglob("*") if path.is_file()):
        data = file.read_bytes()
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        assert b"c4n4ry" not in data
        assert secret not in data


def test_without_recipients_nothing_is_kept(kept: Kept) -> None:
    kept.https()
    made = Recorder(
        spool=kept.spool,
        clock=FixedClock(),
        ids=SeededIds(),
        network=kept.carried.wire,
        rules=RecordingRules(limits=Limits(), software="snapshotter/test", redact_headers=SECRETS),
    ).finish_now(final_url="https://a.com/", title="")

    assert encrypted_streams.PATH not in {artifact.path for artifact in made.artifacts}
    assert not (kept.spool / encrypted_streams.PATH).exists()


def test_another_key_opens_nothing_and_leaves_nothing(kept: Kept) -> None:
    kept.https()
    kept.record()

    with pytest.raises(CmsInvalid):
        kept.unpack(ec.generate_private_key(ec.SECP384R1()))

    assert list((kept.folder / "in-clear").iterdir()) == []


def test_streams_that_can_not_be_kept_are_named_and_cost_nothing_else(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.https()
    monkeypatch.setattr(encrypted_streams, "_MOST", 1000)

    made = kept.record()

    (words,) = made.missing_parts
    assert words.startswith("encrypted streams and keys that could not be kept")
    assert "archive/data.warc.gz" in {artifact.path for artifact in made.artifacts}
    assert encrypted_streams.PATH not in {artifact.path for artifact in made.artifacts}
    assert not kept.carried.tee.exists()


def test_that_a_file_became_shorter_is_told_in_words(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.https()

    def shrunk(*_: object, **__: object) -> None:
        raise OSError("the file 00001.tee became shorter while snapshotter read the file")

    monkeypatch.setattr(encrypted_streams, "write_encrypted_streams", shrunk)

    assert "00001.tee became shorter" in kept.record().missing_parts[0]


def chunked(secret: bytes) -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Set-Cookie\r\n\r\n"
        b"5\r\nhello\r\n0\r\nSet-Cookie: " + secret + b"\r\n\r\n"
    )


def everything(kept: Kept) -> None:
    """TLS of both versions, plain http, hints, trailers with a secret, and a request's body."""
    post = b"POST /x HTTP/1.1\r\nHost: a.com\r\nContent-Length: 4\r\n\r\nbody"
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    kept.https((C, wires.GET), (S, hints + wires.OK), (C, wires.GET), (S, chunked(b"id=c4n4ry")))
    kept.https(version=ssl.TLSVersion.TLSv1_2)
    kept.http((C, post), (S, b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + bytes(300_000)))
    kept.http((C, b"GET /never HTTP/1.1\r\nHost: a.com\r\n\r\n"))


def test_the_record_made_anew_is_the_one_that_is_there(kept: Kept) -> None:
    everything(kept)
    kept.record()

    found = kept.compare()

    assert found.differences == ()
    assert (found.connections, found.exchanges, found.finished) == (4, 5, 2)
    assert found.handshakes == 2
    assert found.records == 5 + 4 + 1  # requests, answers, hints
    assert not (kept.folder / "bodies").exists()


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (b"\r\n\r\nhello", b"\r\n\r\nhullo", "the body of the response"),
        (b"5\r\nhello", b"5\r\nhullo", "the body of the response"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type",
            b"HTTP/1.1 200 No\r\nContent-Type",
            "head of the resp",
        ),
        (b"GET /page HTTP/1.1\r\n", b"GET /pagg HTTP/1.1\r\n", "the head of the request"),
        (b"\r\n\r\nbody", b"\r\n\r\nbo_y", "the body of the request"),
        (b"Link: </a>", b"Link: </b>", "the head of the informational answer"),
        (
            b"Target-URI: http://a.com/x",
            b"Target-URI: http://a.com/y",
            "the address of this request in the streams is different: http://a.com/x",
        ),
        (b"-Connection: 4/", b"-Connection: 9/", "the streams do not contain this record"),
        (
            b"Snapshotter-Connection: 4",
            b"Other-Connection: 4",
            "request records: 0 in the network record",
        ),
        (
            b"Snapshotter-Connection: 4",
            b"Other-Connection: 4",
            "record does not state its connection",
        ),
    ],
)
def test_what_the_record_says_otherwise_is_named(
    kept: Kept, old: bytes, new: bytes, what: str
) -> None:
    everything(kept)
    kept.record()
    kept.change_record(old, new)

    found = kept.compare()

    assert found.difference_count
    assert any(what in difference.what for difference in found.differences), found.differences


def test_a_connection_that_the_record_leaves_out_is_named(kept: Kept) -> None:
    everything(kept)
    dropped = kept.carried.guard.carried.pop(1)
    kept.record()
    record = kept.warc.read_bytes()
    signatures = (kept.spool / "capture/tls.json").read_bytes()

    (kept.folder / "again").mkdir()
    whole = Kept(kept.folder / "again")
    everything(whole)
    whole.record()
    whole.warc.write_bytes(record)
    (whole.spool / "capture/tls.json").write_bytes(signatures)

    places = {difference.place for difference in whole.compare().differences}

    assert f"{dropped.number}/0" in places


def test_a_record_that_stands_twice_is_named(kept: Kept) -> None:
    kept.http((C, b"GET / HTTP/1.1\r\nHost: a.com\r\n\r\n"), (S, wires.OK))
    kept.record()
    kept.warc.write_bytes(2 * kept.warc.read_bytes())

    found = kept.compare()

    assert {difference.what for difference in found.differences} == {
        f"{part} records: 2 in the network record, 1 in the streams"
        for part in ("request", "response")
    }


def test_a_handshake_of_another_connection_is_named(kept: Kept) -> None:
    kept.https()
    kept.https()
    kept.record()
    file = kept.spool / "capture/tls.json"
    signed = server_signature.parse(file.read_bytes())
    first, second = signed.sessions
    swapped = dataclasses.replace(
        signed,
        sessions=(
            dataclasses.replace(first, connection=2),
            dataclasses.replace(second, connection=1),
        ),
    )
    file.write_bytes(server_signature.encode(swapped))

    found = kept.compare()

    assert {difference.place for difference in found.differences} == {"1", "2"}


def test_a_handshake_that_was_not_finished_so_is_named(kept: Kept) -> None:
    recording = wires.https(kept.authority, kept.folder / "client")
    kept.carried.add(wires.changed(recording, 0, wires.other_session_id), recording.keys)
    kept.record()

    found = kept.compare()

    assert found.finished == 0
    assert {
        difference.what for difference in found.differences if "Finished" in difference.what
    } == {
        f"the Finished message of the {side} does not match the handshake in the streams"
        for side in ("client", "server")
    }


def _tar(*members: tuple[str, bytes, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data, kind in members:
            info = tarfile.TarInfo(name)
            info.size, info.type, info.mode = len(data), kind, 0o600
            if kind == tarfile.SYMTYPE:
                info.linkname, info.size = "/etc/passwd", 0
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _sparse(name: str, length: int) -> bytes:
    """A file of one block that says, as GNU tar does, that it is longer with holes in it."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = 512, 0o600
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[386:410] = b"%011o\0%011o\0" % (length - 512, 512)
    header[483:495] = b"%011o\0" % length
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + sum(header[156:]) + 8 * 32)
    return bytes(header) + bytes(512)


def _listed(**values: object) -> bytes:
    """A tar file with one connection in its list, of which something is changed."""
    made = {
        "number": 1, "purpose": "page", "kind": "http", "host": "a.com", "port": 80,
        "answers": [], "address": "", "via": "direct", "server_name": "", "asked_at": "x",
        "asked_at_ms": 0, "connected_at": None, "ended_at": None, "bytes_sent": 0,
        "bytes_received": 0, "refusal": "", "error": "", "ended_by": "", "detail": "",
    } | values  # fmt: skip
    data = canonical_json.dumps({"connections": [made], "format": "snapshotter-streams/1"})
    return _tar(("connections.json", data, tarfile.REGTYPE), GOOD[1])


GOOD = (
    ("connections.json", b'{"connections":[],"format":"snapshotter-streams/1"}', tarfile.REGTYPE),
    ("keys.log", b"", tarfile.REGTYPE),
)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no tar file" * 100,
        _tar(GOOD[0]),
        _tar(*GOOD, ("../outside", b"x", tarfile.REGTYPE)),
        _tar(*GOOD, ("/tmp/outside", b"x", tarfile.REGTYPE)),
        _tar(*GOOD, ("keys.log", b"again", tarfile.REGTYPE)),
        _tar(*GOOD, ("00001.tee", b"", tarfile.SYMTYPE)),
        _tar(*GOOD, ("1.tee", b"", tarfile.REGTYPE)),
        _sparse("00001.tee", 1 << 24) + _tar(*GOOD),
        2000 * _tar(("x", b"11 a=bcdef\n", tarfile.XHDTYPE))[:1024] + _tar(*GOOD),
        _tar(*GOOD)[:512],
        _tar(*GOOD, ("00001.tee", b"x", tarfile.REGTYPE)).replace(
            b"x" + bytes(511), b"xy" + bytes(510)
        ),
        _tar(*GOOD, ("\x1b[2J\udcff", b"", tarfile.REGTYPE)),
        _listed(number="../outside"),
        _listed(number=None),
        _listed(answers=[1]),
        _listed(asked_at=None),
        _listed(asked_at_ms=10**15),
        _tar(("connections.json", b"{}", tarfile.REGTYPE), GOOD[1]),
        _tar(("connections.json", b'{"connections":[{}],"format":"x"}', tarfile.REGTYPE), GOOD[1]),
    ],
)
def test_content_that_no_capture_writes_is_refused(tmp_path: Path, content: bytes) -> None:
    file, directory = tmp_path / "streams.p7m", tmp_path / "work" / "in-clear"
    directory.mkdir(parents=True)
    with file.open("wb") as sink:
        cms.write([content], len(content), [Recipient(KEY.public_key())], sink.write)

    with file.open("rb") as source, pytest.raises(StreamsInvalid) as caught:
        encrypted_streams.decrypt_streams(source, KEY, directory)

    assert caught.value.message.isascii()
    assert caught.value.message.isprintable()
    assert sum(path.stat().st_size for path in directory.iterdir()) <= len(content)
    assert {path.name for path in tmp_path.rglob("outside")} == set()


def test_the_good_parts_of_that_are_taken(tmp_path: Path) -> None:
    file = tmp_path / "streams.p7m"
    content = _tar(*GOOD)
    assert _listed()  # what `_listed` makes is wrong only where a test says so
    with file.open("wb") as sink:
        cms.write([content], len(content), [Recipient(KEY.public_key())], sink.write)
    (tmp_path / "in-clear").mkdir()

    with file.open("rb") as source:
        assert (
            encrypted_streams.decrypt_streams(source, KEY, tmp_path / "in-clear").connections == ()
        )


def test_a_tee_that_shrinks_while_it_is_kept_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "00001.tee"
    file.write_bytes(bytes(10))

    with pytest.raises(OSError, match="shorter"):
        list(encrypted_streams._tar([("00001.tee", file, 11)]))


def test_a_file_is_named_for_what_it_is(tmp_path: Path) -> None:
    spool = Spool(tmp_path, FixedClock())
    encrypted_streams.write_encrypted_streams(
        spool, [Recipient(KEY.public_key())], key_log=b"", connections=[]
    )

    (artifact,) = spool.artifacts
    assert (artifact.path, artifact.step) == ("capture/streams.p7m", "record")
