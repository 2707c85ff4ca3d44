"""TLS as openssl's own client and server speak it: what Python's bindings can not ask for."""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from snapshotter.formats.http.events import Direction
from snapshotter.formats.tls.connection import TlsConnection
from snapshotter.formats.tls.handshake import Finished, Handshake
from snapshotter.formats.tls.server_signature import TlsRecording, check, gather
from tests import tls
from tests.hostile_folder import plant
from tests.tls import KEYS, Authority, Relay
from tests.tools import system_tool

pytestmark = pytest.mark.interop
CLIENT, SERVER = Direction.CLIENT, Direction.SERVER
LIMIT_S = 20


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Talk:
    """One `openssl s_server`, and clients that reach it through a relay."""

    def __init__(self, authority: Authority, folder: Path, server: Sequence[str], kind: str):
        self._openssl = system_tool("openssl")
        self.keys = folder / "keys.log"
        self._root = authority.root_pem
        self._port = _free_port()
        file = authority.server(kind)
        self._log = (folder / "server.log").open("wb")
        self.server = subprocess.Popen(
            [
                *(self._openssl, "s_server", "-accept", f"127.0.0.1:{self._port}"),
                *("-cert", str(file), "-key", str(file), "-cert_chain", str(self._root)),
                *server,
            ],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        _until(lambda: _accepts(self._port))
        self.relay = Relay(self._port)

    def close(self) -> None:
        self.server.kill()
        self.server.communicate(timeout=LIMIT_S)
        self.relay.__exit__()
        self._log.close()

    @property
    def log(self) -> bytes:
        return Path(self._log.name).read_bytes()

    @contextmanager
    def client(self, *more: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a client while the block runs; then it is told to close."""
        process = subprocess.Popen(
            [
                *(self._openssl, "s_client", "-connect", f"127.0.0.1:{self.relay.port}"),
                *("-servername", tls.HOST, "-CAfile", str(self._root)),
                *("-keylogfile", str(self.keys), "-alpn", "h2", *more),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            try:
                process.communicate(timeout=LIMIT_S)
            finally:
                process.kill()

    def read(self, number: int) -> tuple[TlsConnection, dict[Direction, bytes]]:
        return tls.read(self.relay.connections[number], self.keys.read_bytes())


@pytest.fixture
def talk(authority: Authority, tmp_path: Path) -> Iterator[Callable[..., Talk]]:
    """Start servers with more options; each is ended with the test."""
    started: list[Talk] = []

    def start(*server: str, kind: str = "p256") -> Talk:
        started.append(Talk(authority, tmp_path, server, kind))
        return started[-1]

    yield start
    for talk in started:
        talk.close()


def _send(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(data)
    process.stdin.flush()


def _heard(process: subprocess.Popen[bytes], what: bytes) -> None:
    """Wait for a line of a client's output."""
    assert process.stdout is not None
    for line in process.stdout:
        if what in line:
            return
    raise AssertionError(f"the client ended without saying {what!r}")


def _exchange(talk: Talk, *client: str) -> tuple[TlsConnection, dict[Direction, bytes]]:
    """Say one line to a server that answers with the line reversed, and read what was said."""
    before = len(talk.relay.connections)
    with talk.client(*client) as process:
        _send(process, b"olleh\n")
        _heard(process, b"hello")
    connection, said = talk.read(before)
    assert said[CLIENT].endswith(b"olleh\n")
    assert said[SERVER].endswith(b"hello\n")
    assert connection.problem == ""
    assert _is_finished(connection)
    return connection, said


def _facts(connection: TlsConnection) -> Handshake:
    assert connection.handshake is not None
    return connection.handshake


def _is_finished(connection: TlsConnection) -> bool:
    facts = _facts(connection)
    return facts.client_finished is facts.server_finished is Finished.HOLDS


def _signature_holds(connection: TlsConnection) -> bool:
    seen = TlsRecording(
        connection=1, host=tls.HOST, port=443, address="", handshake=connection.handshake
    )
    sessions = gather([seen]).sessions
    return [check(session) for session in sessions] == [""]


@pytest.mark.parametrize(
    "suite",
    ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"],
)
@pytest.mark.parametrize("kind", ["p256", "p384", "rsa", "ed25519"])
def test_every_suite_of_tls_13(talk: Callable[..., Talk], suite: str, kind: str) -> None:
    connection, _ = _exchange(talk("-rev", "-tls1_3", "-ciphersuites", suite, kind=kind))

    assert _facts(connection).cipher == suite
    assert _signature_holds(connection)


@pytest.mark.parametrize("scheme", ["mldsa44", "mldsa65", "mldsa87"])
def test_a_server_that_signs_by_ml_dsa(
    talk: Callable[..., Talk], scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mldsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.mldsa")
    known = [system_tool("openssl"), "list", "-signature-algorithms"]
    if b"ML-DSA" not in subprocess.run(known, capture_output=True, check=True).stdout:
        pytest.skip("this openssl does not know ML-DSA")
    private = getattr(mldsa, f"{scheme.upper()}PrivateKey")
    monkeypatch.setitem(KEYS, scheme, private.generate)

    connection, _ = _exchange(talk("-rev", kind=scheme))

    assert _facts(connection).signature_scheme == scheme
    assert _signature_holds(connection)


@pytest.mark.parametrize(
    ("group", "name"),
    [
        ("X25519MLKEM768", "X25519MLKEM768"),
        ("X25519", "x25519"),
        ("P-256", "secp256r1"),
        ("P-384", "secp384r1"),
        ("SecP256r1MLKEM768", "SecP256r1MLKEM768"),
    ],
)
def test_the_group_is_named(talk: Callable[..., Talk], group: str, name: str) -> None:
    connection, _ = _exchange(talk("-rev", "-groups", group), "-groups", group)

    assert _facts(connection).group == name
    assert not _facts(connection).hello_retry
    assert _signature_holds(connection)


def test_a_hello_that_had_to_be_said_again(talk: Callable[..., Talk]) -> None:
    connection, _ = _exchange(talk("-rev", "-groups", "P-384"), "-groups", "X25519:P-384")

    facts = _facts(connection)
    assert facts.hello_retry
    assert facts.group == "secp384r1"
    assert [message[0] for message in facts.messages] == [1, 2, 1, 2, 8, 11, 15]
    assert _signature_holds(connection)


def test_a_handshake_without_the_courtesy_to_middleboxes(talk: Callable[..., Talk]) -> None:
    connection, _ = _exchange(talk("-rev", "-no_middlebox"), "-no_middlebox")

    assert _signature_holds(connection)


def test_a_server_that_asks_for_a_client_certificate(talk: Callable[..., Talk]) -> None:
    for version in ("-tls1_3", "-tls1_2"):
        connection, _ = _exchange(talk("-rev", "-verify", "1", version))

        assert _facts(connection).client_certificate_asked
        assert _signature_holds(connection)


@pytest.mark.parametrize("version", ["-tls1_3", "-tls1_2"])
def test_a_client_that_shows_its_own_certificate(
    talk: Callable[..., Talk], authority: Authority, version: str
) -> None:
    own = str(authority.server("rsa"))

    connection, _ = _exchange(talk("-rev", "-verify", "1", version), "-cert", own, "-key", own)

    assert _facts(connection).client_certificate_asked
    assert _signature_holds(connection)


@pytest.mark.parametrize("more", [("-record_padding", "512"), ("-max_send_frag", "512")])
def test_records_of_another_length(talk: Callable[..., Talk], more: tuple[str, str]) -> None:
    connection, _ = _exchange(talk("-rev", *more))

    assert _signature_holds(connection)


def test_a_certificate_that_was_compressed(talk: Callable[..., Talk]) -> None:
    connection, _ = _exchange(talk("-rev", "-cert_comp"))

    facts = _facts(connection)
    if not facts.certificate_compression:
        pytest.skip("this openssl compresses no certificates")
    assert facts.certificate_compression == "zlib"
    assert len(facts.chain) == 2
    assert _signature_holds(connection)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_resumed_session(talk: Callable[..., Talk], tmp_path: Path, version: str) -> None:
    conversation, session = talk("-rev", version), str(tmp_path / "session")
    first, _ = _exchange(conversation, "-sess_out", session)
    second, _ = _exchange(conversation, "-sess_in", session)

    assert not _facts(first).resumed
    assert _facts(second).resumed
    assert _facts(second).ticket in _facts(first).tickets


def test_keys_that_change_on_both_sides(talk: Callable[..., Talk]) -> None:
    conversation = talk("-quiet")
    with conversation.client() as client:
        for number in range(3):
            _send(client, b"before %d\n" % number)
            _until(lambda text=b"before %d" % number: text in conversation.log)  # type: ignore[misc]
            sent = len(conversation.relay.connections[0])
            _send(client, b"K\n")  # ours changes, and theirs is asked to
            _until(lambda sent=sent: len(conversation.relay.connections[0]) > sent)  # type: ignore[misc]
            _send(client, b"after %d\n" % number)
            _until(lambda text=b"after %d" % number: text in conversation.log)  # type: ignore[misc]
            _send(conversation.server, b"answer %d\n" % number)
            _heard(client, b"answer %d" % number)

    connection, said = conversation.read(0)

    assert connection.problem == ""
    assert _is_finished(connection)
    assert said[CLIENT] == b"".join(b"before %d\nafter %d\n" % (n, n) for n in range(3))
    assert said[SERVER] == b"".join(b"answer %d\n" % n for n in range(3))


@pytest.mark.parametrize("taken", [True, False])
def test_early_data_that_was_taken_and_that_was_not(
    talk: Callable[..., Talk], tmp_path: Path, taken: bool
) -> None:
    session, early = str(tmp_path / "session"), tmp_path / "early"
    early.write_bytes(b"said ahead of the handshake " * 20)
    conversation = talk("-early_data", "-no_anti_replay")
    with conversation.client("-sess_out", session) as client:
        _send(client, b"first\n")
        _until(lambda: b"first" in conversation.log)
    if not taken:
        conversation.close()
        conversation = talk()  # another server: it does not know the ticket
    number = len(conversation.relay.connections)
    with conversation.client("-sess_in", session, "-early_data", str(early)) as client:
        _send(client, b"second\n")
        _until(lambda: b"second" in conversation.log)

    connection, said = conversation.read(number)

    assert connection.problem == ""
    assert _is_finished(connection)
    facts = _facts(connection)
    if taken:
        assert facts.early_data == "accepted"
        assert said[CLIENT] == early.read_bytes() + b"second\n"
        assert connection.notes == ()
    else:
        assert facts.early_data == "rejected"
        assert said[CLIENT] == b"second\n"
        assert "bytes of early data, which were not read" in connection.notes[0]
        assert _signature_holds(connection)


def test_early_data_to_a_server_that_asks_for_another_hello(
    talk: Callable[..., Talk], tmp_path: Path
) -> None:
    session, early = str(tmp_path / "session"), tmp_path / "early"
    early.write_bytes(b"said ahead")
    conversation = talk("-early_data", "-no_anti_replay", "-groups", "P-384")
    with conversation.client("-sess_out", session) as client:
        _send(client, b"first\n")
        _until(lambda: b"first" in conversation.log)
    more = ("-sess_in", session, "-early_data", str(early), "-groups", "X25519:P-384")
    with conversation.client(*more) as client:
        _send(client, b"second\n")
        _until(lambda: b"second" in conversation.log)

    connection, said = conversation.read(1)

    assert connection.problem == ""
    assert _is_finished(connection)
    assert _facts(connection).hello_retry
    assert _facts(connection).early_data == "rejected"
    assert said[CLIENT] == b"second\n"
    assert "bytes of early data, which were not read" in connection.notes[0]


def test_a_client_that_does_not_believe_the_certificate_is_seen_to_leave(
    talk: Callable[..., Talk], tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other")
    conversation = talk("-rev")
    with conversation.client("-CAfile", str(other.root_pem), "-verify_return_error"):
        pass

    connection, said = conversation.read(0)

    facts = _facts(connection)
    assert said[CLIENT] == said[SERVER] == b""
    assert not facts.complete
    assert facts.client_finished is Finished.ABSENT
    assert facts.server_finished is Finished.HOLDS
    assert (CLIENT, "unknown_ca") in connection.alerts
    assert connection.problem == ""
    assert len(facts.chain) == 2
    assert _signature_holds(connection)


def test_a_stapled_answer_on_revocation_is_kept(talk: Callable[..., Talk], tmp_path: Path) -> None:
    staple = tmp_path / "ocsp.der"
    staple.write_bytes(bytes.fromhex("30030a0106"))  # OCSPResponse: unauthorized
    for version in ("-tls1_3", "-tls1_2"):
        conversation = talk("-rev", version, "-status_file", str(staple))

        connection, _ = _exchange(conversation, "-status")

        assert _facts(connection).ocsp == staple.read_bytes()
        assert _signature_holds(connection)


def test_what_a_stranger_types_needs_nothing_of_ours(tmp_path: Path) -> None:
    """The commands of docs/spec/server-signature.md, on the vector that is good."""
    for tool in ("bash", "jq", "unzip", "xxd", "openssl"):
        system_tool(tool)
    root = Path(__file__).resolve().parents[2]
    text = (root / "docs" / "spec" / "server-signature.md").read_text(encoding="utf-8")
    block = re.search(r"```sh\n(.*?)```", text, re.DOTALL)
    assert block is not None
    for vector, good in (
        ("server-signature", True),
        ("insider-server-signature-handshake", False),
        ("insider-server-signature-signature", False),
    ):
        folder = tmp_path / vector
        folder.mkdir()
        hostile = plant(folder)
        bundle = root / "tests" / "vectors" / vector / "bundle.wacz"
        run = subprocess.run(
            [shutil.which("bash") or "bash", "-euo", "pipefail", "-c", f"W={bundle}\n{block[1]}"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
        )

        assert hostile.ran == []
        assert (run.returncode == 0) is good, run.stderr
        assert ("Verified OK" in run.stdout) is good
