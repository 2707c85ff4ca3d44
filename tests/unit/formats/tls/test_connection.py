"""A recorded TLS connection gives back what was said, and says what it could not read."""

import ssl
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snapshotter.formats.http.events import Direction
from snapshotter.formats.tls import handshake as messages
from snapshotter.formats.tls.connection import TlsConnection, looks_like_tls
from snapshotter.formats.tls.finished import Transcript
from snapshotter.formats.tls.handshake import Finished
from snapshotter.formats.tls.key_log import KeyLog
from snapshotter.formats.tls.names import TLS_1_3
from snapshotter.formats.tls.records import TLS_1_3_SUITES, expand_label
from tests import tls, wires
from tests.fuzzing import tries
from tests.tls import KEYS, Authority, Chunk, Recording, read

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
CLIENT, SERVER = Direction.CLIENT, Direction.SERVER


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def plain(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Recording]:
    """One recording of each version."""
    folder = tmp_path_factory.mktemp("plain")
    server = authority.server()
    return {
        version.name: tls.recorded(
            tls.server_context(server, version=version, ciphers="AESGCM"),
            tls.client_context(authority.root_pem, folder / version.name),
        )
        for version in (V12, V13)
    }


def _suites() -> Iterator[tuple[ssl.TLSVersion, str, str]]:
    for kind in KEYS:
        yield V13, kind, ""
        for ciphers in ("ECDHE+AES128+AESGCM", "ECDHE+AES256+AESGCM", "ECDHE+CHACHA20"):
            yield V12, kind, ciphers
    yield V12, "rsa", "kRSA+AESGCM"


@pytest.mark.parametrize(("version", "kind", "ciphers"), list(_suites()))
def test_what_was_said_comes_out_as_it_was_said(
    authority: Authority, tmp_path: Path, version: ssl.TLSVersion, kind: str, ciphers: str
) -> None:
    server = tls.server_context(authority.server(kind), version=version, ciphers=ciphers)
    client = tls.client_context(authority.root_pem, tmp_path / "keys.log")
    recording = tls.recorded(
        server,
        client,
        talk=[(CLIENT, b"GET /"), (SERVER, b"x" * 300_000), (CLIENT, b"more"), (SERVER, b"!")],
    )

    connection, said = recording.read()

    assert said == recording.sent
    assert connection.problem == ""
    assert all(connection.closed_cleanly(side) and not connection.unread(side) for side in said)
    handshake = connection.handshake
    assert handshake is not None
    assert handshake.complete
    assert handshake.client_finished is handshake.server_finished is Finished.HOLDS
    assert handshake.sni == tls.HOST
    assert handshake.alpn == connection.alpn == "h2"
    assert handshake.version == {V12: "TLS 1.2", V13: "TLS 1.3"}[version]
    assert handshake.chain[1:] == (authority.root.public_bytes(Encoding.DER),)
    assert len(handshake.chain) == 2
    assert not handshake.resumed
    assert bool(handshake.messages) == (ciphers != "kRSA+AESGCM")


def _halves(chunks: list[Chunk], size: int) -> list[Chunk]:
    return [
        (direction, data[at : at + size])
        for direction, data in chunks
        for at in range(0, len(data), size)
    ]


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_pieces_of_any_length_say_the_same(
    plain: dict[str, Recording], version: str, size: int
) -> None:
    recording = plain[version]
    whole, _ = recording.read()

    connection, said = read(_halves(recording.chunks, size), recording.keys)

    assert said == recording.sent
    assert connection.handshake == whole.handshake
    assert connection.problem == ""


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("first", [CLIENT, SERVER])
def test_one_direction_after_the_other_says_the_same(
    plain: dict[str, Recording], version: str, first: Direction
) -> None:
    recording = plain[version]
    chunks = sorted(recording.chunks, key=lambda chunk: chunk[0] is not first)

    connection, said = read(chunks, recording.keys)

    assert said == recording.sent
    assert connection.problem == ""
    handshake = connection.handshake
    assert handshake is not None
    assert handshake.client_finished is handshake.server_finished is Finished.HOLDS


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_handshake_that_was_changed_in_the_clear_is_not_the_one_that_was_finished(
    plain: dict[str, Recording], version: str
) -> None:
    recording = plain[version]

    connection, said = read(wires.changed(recording, 0, wires.other_session_id), recording.keys)

    assert said == recording.sent
    handshake = connection.handshake
    assert handshake is not None
    assert handshake.client_finished is handshake.server_finished is Finished.DIFFERS


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_finished_that_did_not_come_is_absent(plain: dict[str, Recording], version: str) -> None:
    recording = plain[version]
    hellos = [recording.chunks[0]]

    connection, _ = read(hellos, recording.keys)

    handshake = connection.handshake
    assert handshake is not None
    assert handshake.client_finished is handshake.server_finished is Finished.ABSENT


def test_the_server_alone_has_finished_when_the_client_goes_away(
    plain: dict[str, Recording],
) -> None:
    recording = plain["TLSv1_3"]

    connection, _ = read(recording.chunks[:2], recording.keys)

    handshake = connection.handshake
    assert handshake is not None
    assert handshake.server_finished is Finished.HOLDS
    assert handshake.client_finished is Finished.ABSENT


def test_a_finished_without_the_other_sides_is_not_judged() -> None:
    transcript = Transcript()
    suite = TLS_1_3_SUITES[0x1301]
    for message in (b"\x01\0\0\0", bytes([20, 0, 0, 32]) + bytes(32)):
        transcript.add(CLIENT, message)

    transcript.check_13(dict.fromkeys(Direction, bytes(32)), suite)

    assert transcript.state(CLIENT) is Finished.UNCHECKED
    assert transcript.state(SERVER) is Finished.ABSENT


def test_what_is_kept_until_a_handshake_is_finished_has_a_limit() -> None:
    transcript = Transcript()
    suite = TLS_1_3_SUITES[0x1301]
    for _ in range(20):
        transcript.add(SERVER, b"\x0b\x01\0\0" + bytes(1 << 16))
    transcript.add(SERVER, bytes([20, 0, 0, 32]) + bytes(32))

    transcript.check_13(dict.fromkeys(Direction, bytes(32)), suite)

    assert transcript.state(SERVER) is Finished.UNCHECKED


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_a_connection_that_ends_at_any_byte_is_read_up_to_there(
    plain: dict[str, Recording], version: str
) -> None:
    recording = plain[version]
    for direction in (CLIENT, SERVER):
        length = sum(len(data) for side, data in recording.chunks if side is direction)
        for end in range(length):
            left, chunks = end, []
            for side, data in recording.chunks:
                if side is direction:
                    data, left = data[:left], left - min(left, len(data))
                chunks.append((side, data))

            connection, said = read(chunks, recording.keys)

            assert recording.sent[direction].startswith(said[direction])
            # A connection may end between two records; elsewhere it says so.
            assert connection.problem_of(direction) or not connection.closed_cleanly(direction)


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@settings(max_examples=tries(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_bytes_that_somebody_changed_raise_nothing_and_never_come_out_as_said(
    plain: dict[str, Recording], version: str, data: st.DataObject
) -> None:
    recording = plain[version]
    number = data.draw(st.integers(0, len(recording.chunks) - 1))
    side, chunk = recording.chunks[number]
    at = data.draw(st.integers(0, len(chunk) - 1))
    spoiled = chunk[:at] + bytes([chunk[at] ^ data.draw(st.integers(1, 255))]) + chunk[at + 1 :]
    chunks = list(recording.chunks)
    chunks[number] = (side, spoiled)

    _, said = read(chunks, recording.keys)

    for direction, whole in recording.sent.items():
        assert whole.startswith(said[direction])


@settings(max_examples=tries(200), deadline=None)
@given(st.lists(st.tuples(st.sampled_from(Direction), st.binary(max_size=80)), max_size=12))
def test_bytes_that_are_no_tls_raise_nothing(chunks: list[Chunk]) -> None:
    connection, said = read(chunks, b"")

    assert said == {CLIENT: b"", SERVER: b""}
    assert connection.handshake is None or connection.handshake.version == ""


def test_a_connection_that_the_key_log_does_not_know_is_named(
    plain: dict[str, Recording],
) -> None:
    for version, recording in plain.items():
        connection, said = read(recording.chunks, b"")

        assert said == {CLIENT: b"", SERVER: b""}
        problem = "the key log does not contain the keys of this connection"
        assert problem in connection.problem_of(SERVER)
        assert problem in connection.problem_of(CLIENT)
        assert connection.unread(SERVER) > 0
        handshake = connection.handshake
        assert handshake is not None
        assert bool(handshake.messages) == (version == "TLSv1_2")  # there it is in the clear


def test_a_missing_secret_is_named_and_what_the_others_open_is_read(
    plain: dict[str, Recording],
) -> None:
    recording = plain["TLSv1_3"]
    keys = b"".join(
        line
        for line in recording.keys.splitlines(keepends=True)
        if not line.startswith(b"SERVER_TRAFFIC_SECRET_0")
    )

    connection, said = read(recording.chunks, keys)

    assert "the key log does not contain the key SERVER_TRAFFIC_SECRET_0" in connection.problem_of(
        SERVER
    )
    assert said == {CLIENT: recording.sent[CLIENT], SERVER: b""}
    assert connection.problem_of(CLIENT) == ""
    assert connection.handshake is not None
    assert connection.handshake.messages


def test_the_last_line_of_a_key_log_that_was_cut_is_no_secret() -> None:
    line = b"CLIENT_RANDOM " + b"a" * 64 + b" " + b"b" * 96

    assert len(KeyLog.parse(line)) == 0
    assert len(KeyLog.parse(b"# a remark\n" + line + b"\n" + line[:100])) == 1
    assert "b" * 8 not in repr(KeyLog.parse(line + b"\n"))  # an address may have two


def test_a_suite_that_is_not_read_is_named(authority: Authority, tmp_path: Path) -> None:
    server = tls.server_context(authority.server("rsa"), version=V12, ciphers="ECDHE+AES+SHA")
    recording = tls.recorded(server, tls.client_context(authority.root_pem, tmp_path / "keys.log"))

    connection, said = recording.read()

    assert said == {CLIENT: b"", SERVER: b""}
    assert "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA is not supported" in connection.problem
    assert connection.handshake is not None
    assert len(connection.handshake.messages) == 4


@pytest.mark.parametrize("version", [V12, V13])
def test_a_resumed_session_names_the_ticket_that_the_first_one_gave_out(
    authority: Authority, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    server = tls.server_context(authority.server(), version=version, ciphers="AESGCM")
    client = tls.client_context(authority.root_pem, tmp_path / "keys.log")
    first = tls.recorded(server, client)
    second = tls.recorded(server, client, session=first.session)
    assert second.resumed

    connection, _ = first.read()
    two, said = second.read()

    assert said == second.sent
    assert two.problem == ""
    assert connection.handshake is not None
    assert two.handshake is not None
    assert two.handshake.resumed
    assert two.handshake.chain == two.handshake.messages == ()
    assert two.handshake.ticket in connection.handshake.tickets
    assert not connection.handshake.resumed
    assert connection.handshake.ticket == ""


def test_early_tls_is_named_and_not_read(plain: dict[str, Recording]) -> None:
    recording = plain["TLSv1_2"]
    chunks = [(side, data) for side, data in recording.chunks]
    number = next(i for i, (side, _) in enumerate(chunks) if side is SERVER)
    hello = bytearray(chunks[number][1])
    hello[9:11] = b"\x03\x02"
    chunks[number] = (SERVER, bytes(hello))

    connection, _ = read(chunks, recording.keys)

    assert "TLS 1.1 is not supported" in connection.problem


def test_what_is_held_has_a_limit(plain: dict[str, Recording]) -> None:
    connection = TlsConnection(KeyLog.parse(b""))
    record = b"\x17\x03\x03\x40\x00" + b"x" * 0x4000

    for _ in range(1000):
        connection.feed(SERVER, record)

    assert "came before the messages that are needed to decrypt these bytes" in connection.problem
    assert connection.unread(SERVER) >= 1000 * 0x4000


def test_a_connection_that_ends_within_a_message_says_so(plain: dict[str, Recording]) -> None:
    hello = plain["TLSv1_3"].chunks[0][1]
    half = hello[5:105]
    connection = TlsConnection(KeyLog.parse(b""))
    connection.feed(CLIENT, hello[:3] + len(half).to_bytes(2, "big") + half)
    connection.close(CLIENT)

    assert connection.problem == "client: the data ended in the middle of a handshake message"


def test_a_message_has_a_limit() -> None:
    connection = TlsConnection(KeyLog.parse(b""))
    connection.feed(CLIENT, b"\x16\x03\x01\x00\x04\x01\xff\xff\xff")

    assert "is longer than" in connection.problem_of(CLIENT)


def test_what_looks_like_tls_begins_with_a_hello(plain: dict[str, Recording]) -> None:
    hello = plain["TLSv1_3"].chunks[0][1]

    assert all(looks_like_tls(hello[:length]) for length in range(1, 40))
    assert not looks_like_tls(b"")
    assert not looks_like_tls(b"GET / HTTP/1.1")
    assert not looks_like_tls(b"\x16\x03\x01\x02\x00\x02")


def test_keys_are_derived_as_in_rfc_8448() -> None:
    """RFC 8448 section 3, "{server} derive write traffic keys for application data"."""
    secret = bytes.fromhex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643")

    assert expand_label(secret, "key", 16, "sha256").hex() == "9f02283b6c9c07efc26bb9f2ac92e356"
    assert expand_label(secret, "iv", 12, "sha256").hex() == "cf782b88dd83549aadf1e984"


def test_a_certificate_compressed_by_brotli_is_read() -> None:
    inner = b"\0" + (7).to_bytes(3, "big") + (2).to_bytes(3, "big") + b"ab" + b"\0\0"
    # One block that is not compressed (RFC 7932 section 9.2), and an empty last one.
    stream = bytes.fromhex("0b05 80") + inner + b"\x03"
    message = _compressed(2, len(inner), stream)

    name, certificate = messages.decompressed(message)

    assert name == "brotli"
    assert certificate is not None
    assert messages.certificate(certificate, version=TLS_1_3).chain == (b"ab",)
    with pytest.raises(messages.TlsMalformed):
        messages.decompressed(_compressed(2, len(inner) + 1, stream))


def test_a_certificate_compressed_by_zlib_is_read_and_a_bomb_is_not() -> None:
    inner = b"\0" + (7).to_bytes(3, "big") + (2).to_bytes(3, "big") + b"ab" + b"\0\0"
    message = _compressed(1, len(inner), zlib.compress(inner))

    name, certificate = messages.decompressed(message)

    assert name == "zlib"
    assert certificate is not None
    assert messages.certificate(certificate, version=TLS_1_3).chain == (b"ab",)
    for length, data in (
        (10, zlib.compress(b"x" * 1_000_000)),
        (len(inner) + 1, zlib.compress(inner)),
        (len(inner), zlib.compress(inner)[:-1]),
        (1 << 20, zlib.compress(inner)),
        (5, b"no zlib"),
    ):
        with pytest.raises(messages.TlsMalformed):
            messages.decompressed(_compressed(1, length, data))


def _compressed(algorithm: int, length: int, data: bytes) -> bytes:
    content = algorithm.to_bytes(2, "big") + length.to_bytes(3, "big")
    content += len(data).to_bytes(3, "big") + data
    return bytes([messages.COMPRESSED_CERTIFICATE]) + len(content).to_bytes(3, "big") + content
