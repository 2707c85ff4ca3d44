"""httpx through the guard: the same requests, by no other way."""

import ipaddress
import socket
import ssl
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from snapshotter.egress.transport import transport
from snapshotter.errors import ServiceUnavailable
from snapshotter.formats.proofs.rfc3161 import Anchor
from snapshotter.seal.timestamp import HttpTimestampAuthority
from tests.bundles import RealClock
from tests.fakes.world import SeededIds
from tests.servers.authority import POLICY_OID, start_authority
from tests.servers.tcp import Server, read_until
from tests.unit.egress.parts import Names, ended, guarding, rules


def hello(peer: socket.socket) -> None:
    while read_until(peer):
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")


def certificate(folder: Path, name: str) -> Path:
    """Return a PEM file with a key and a certificate for `name` that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = RealClock().now()
    made = (
        x509.CertificateBuilder()
        .subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(7).not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([
            x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        ]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_a_request_goes_through_the_guard_and_is_counted() -> None:
    names = Names().put("site.example", ("127.0.0.1",))
    with Server(hello) as server, guarding(names=names) as (guard, _):
        with httpx.Client(transport=transport(guard), trust_env=False) as client:
            for _ in range(2):
                assert client.get(f"http://site.example:{server.port}/").text == "hello"
        connection = ended(guard, 1)
        assert server.accepted == 1
    assert (connection.kind, connection.host) == ("dial", "site.example")
    assert connection.bytes_received == 2 * 43


def test_tls_is_checked_by_the_client_and_passes_the_guard_unread(tmp_path: Path) -> None:
    pem = certificate(tmp_path, "site.example")
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(pem)
    trusting = ssl.create_default_context(cafile=str(pem))

    def secure(peer: socket.socket) -> None:
        with serving.wrap_socket(peer, server_side=True) as wrapped:
            hello(wrapped)

    names = Names().put("site.example", ("127.0.0.1",)).put("wrong.example", ("127.0.0.1",))
    with (
        Server(secure) as server,
        guarding(names=names) as (guard, _),
        httpx.Client(transport=transport(guard, ssl_context=trusting), trust_env=False) as client,
    ):
        assert client.get(f"https://site.example:{server.port}/").text == "hello"
        assert guard.connections()[0].server_name == "site.example"
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            client.get(f"https://wrong.example:{server.port}/")


def test_a_refusal_reaches_the_client_with_its_reason() -> None:
    names = Names().put("inside.example", ("10.0.0.1",))
    with (
        guarding(rules(allowed=()), names=names) as (guard, _),
        httpx.Client(transport=transport(guard), trust_env=False) as client,
    ):
        with pytest.raises(httpx.ConnectError, match="private"):
            client.get("http://inside.example/")
        with pytest.raises(httpx.ConnectError, match="no such name"):
            client.get("http://nowhere.example/")
        assert [connection.refusal for connection in guard.connections()] == ["private", ""]


def test_a_redirect_to_a_forbidden_address_is_refused() -> None:
    def redirect(peer: socket.socket) -> None:
        read_until(peer)
        peer.sendall(
            b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"
        )

    with (
        Server(redirect) as server,
        guarding() as (guard, _),
        httpx.Client(transport=transport(guard), trust_env=False, follow_redirects=True) as client,
        pytest.raises(
            httpx.ConnectError,
            match="a service that gives out the credentials of a cloud machine",
        ),
    ):
        client.get(f"http://127.0.0.1:{server.port}/")


def test_silence_is_a_timeout_and_a_broken_answer_an_error() -> None:
    def silent(peer: socket.socket) -> None:
        peer.recv(100_000)
        peer.recv(1)

    with (
        Server(silent) as quiet,
        Server(lambda peer: peer.sendall(b"HTTP/1.1 2")) as broken,
        guarding() as (guard, _),
        httpx.Client(transport=transport(guard), trust_env=False, timeout=0.2) as client,
    ):
        with pytest.raises(httpx.ReadTimeout):
            client.get(f"http://127.0.0.1:{quiet.port}/")
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(f"http://127.0.0.1:{broken.port}/")


def test_a_timestamp_authority_is_asked_through_the_guard(tmp_path: Path) -> None:
    with start_authority(tmp_path) as server:
        anchor = Anchor(
            name="test",
            root=x509.load_pem_x509_certificate(server.root_pem),
            policy_oids=frozenset({POLICY_OID}),
        )
        with guarding() as (open_guard, _), guarding(rules(allowed=())) as (closed_guard, _):
            for guard in (open_guard, closed_guard):
                authority = HttpTimestampAuthority(
                    "a", server.url("redirect"), anchor, clock=RealClock(), ids=SeededIds(),
                    transport=lambda guard=guard: transport(guard),  # type: ignore[misc]
                )  # fmt: skip
                if guard is open_guard:
                    authority.stamp(b"message")
                else:
                    with pytest.raises(
                        ServiceUnavailable,
                        match="the address belongs to the capturing machine itself",
                    ):
                        authority.stamp(b"message")
            # the exchange and the one that it was redirected to, over one connection or two
            assert all(connection.error == "" for connection in open_guard.connections())
            assert open_guard.total_bytes > 500
            assert [connection.refusal for connection in closed_guard.connections()] == ["loopback"]


class Forward:
    """An HTTP proxy that answers plain requests itself, and builds no tunnel."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []

    def __call__(self, peer: socket.socket) -> None:
        while head := read_until(peer):
            self.heads.append(head)
            if head.startswith(b"CONNECT"):
                peer.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
            else:
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")


def test_plain_http_through_an_http_proxy_is_asked_in_absolute_form() -> None:
    proxy = Forward()
    with Server(proxy) as server:
        given = rules(upstream=f"http://user:hush@127.0.0.1:{server.port}")
        with guarding(given) as (guard, _):
            with httpx.Client(transport=transport(guard), trust_env=False) as client:
                for _ in range(2):
                    answer = client.get("http://tsa.example/ask?x", timeout=10)
                    assert answer.text == "hello"
            connection = ended(guard, 1)
    assert [head.partition(b"\r\n")[0] for head in proxy.heads] == [
        b"GET http://tsa.example/ask?x HTTP/1.1"
    ] * 2
    assert b"Proxy-Authorization: Basic" in proxy.heads[0]
    assert (connection.kind, connection.host, connection.via) == (
        "http", "tsa.example", "http-proxy",
    )  # fmt: skip


def test_what_is_refused_on_the_way_to_an_http_proxy_says_why() -> None:
    with Server(Forward()) as server:
        given = rules(upstream=f"http://127.0.0.1:{server.port}")
        with (
            guarding(given) as (guard, _),
            httpx.Client(transport=transport(guard), trust_env=False) as client,
            pytest.raises(
                httpx.ConnectError,
                match=r"connections to 10\.0\.0\.1 are not allowed: .* belongs to a private",
            ),
        ):
            client.get("http://10.0.0.1/", timeout=10)
        assert server.accepted == 0
