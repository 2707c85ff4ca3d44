"""
Real TLS connections, recorded: Python's OpenSSL on both ends, in memory.

`Authority` makes certificates, `recorded` lets a client and a server talk and keeps
every byte with its direction and the client's key log.
"""

import contextlib
import ipaddress
import select
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from snapshotter.formats.http.events import Direction
from snapshotter.formats.tls.connection import TlsConnection
from snapshotter.formats.tls.key_log import KeyLog

HOST = "shop.example.test"
DER = serialization.Encoding.DER
Chunk = tuple[Direction, bytes]
PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey

KEYS: dict[str, Callable[[], PrivateKey]] = {
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}


class Authority:
    """Issues certificates into a folder, each with its key in one PEM file, chain included."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._count = 0
        self.root = self._issue("root of a test", self._key, (), self._key, authority=True)
        self.root_pem = folder / "root.pem"
        self.root_pem.write_bytes(self.root.public_bytes(serialization.Encoding.PEM))

    def server(
        self,
        kind: str = "p256",
        *,
        names: Sequence[str] = (HOST, f"*.{HOST}", "127.0.0.1", "::1"),
        key: PrivateKey | None = None,
        extra: Sequence[x509.ExtensionType] = (),
        days: tuple[int, int] = (-1, 30),
    ) -> Path:
        """
        Return a PEM file with key, certificate and root, as `load_cert_chain` reads it.

        Args:
            days: From when and until when it is good, counted from now.
        """
        private = key or KEYS[kind]()
        leaf = self._issue("server", private, names, self._key, extra=extra, days=days)
        self._count += 1
        file = self._folder / f"server-{self._count}.pem"
        file.write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + leaf.public_bytes(serialization.Encoding.PEM)
            + self.root.public_bytes(serialization.Encoding.PEM)
        )
        return file

    def server_of_another(self, name: str, *, issuer_url: str) -> tuple[Path, x509.Certificate]:
        """
        Return such a file of a server that leaves out the authority between it and the root.

        Returns:
            The file, and the certificate that is left out.
        """
        key, by = KEYS["p256"](), ec.generate_private_key(ec.SECP256R1())
        between = self._issue("between", by, (), self._key, authority=True)
        told = x509.AccessDescription(
            AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(issuer_url)
        )
        leaf = self._issue(
            "server", key, (name,), by, extra=[x509.AuthorityInformationAccess([told])],
            issuer="between",
        )  # fmt: skip
        file = self._folder / "server-of-another.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + leaf.public_bytes(serialization.Encoding.PEM)
        )
        return file, between

    def _issue(
        self,
        name: str,
        key: PrivateKey,
        names: Sequence[str],
        by: ec.EllipticCurvePrivateKey,
        *,
        authority: bool = False,
        extra: Sequence[x509.ExtensionType] = (),
        days: tuple[int, int] = (-1, 30),
        issuer: str = "root of a test",
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=days[0]))
            .not_valid_after(now + timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), False
            )
        )
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general(name) for name in names]), critical=False
            )
        if authority:  # strict clients want a root to say what it is for
            builder = builder.add_extension(_SIGNS_CERTIFICATES, critical=True)
        for extension in extra:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(by, hashes.SHA256())


_SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=False, content_commitment=False, key_encipherment=False,
    data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
    encipher_only=False, decipher_only=False,
)  # fmt: skip


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def server_context(file: Path, *, version: ssl.TLSVersion, ciphers: str = "") -> ssl.SSLContext:
    """Return a context that speaks one version alone, with http/1.1 and h2."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    context.minimum_version = context.maximum_version = version
    if ciphers and version is ssl.TLSVersion.TLSv1_2:
        context.set_ciphers(ciphers)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def client_context(root: Path, keys: Path) -> ssl.SSLContext:
    """Return a context that checks the server and writes a key log."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(root)
    context.set_alpn_protocols(["h2", "http/1.1"])
    context.set_ciphers("ALL:@SECLEVEL=1")
    context.keylog_filename = str(keys)
    return context


@dataclass(slots=True)
class Recording:
    """The bytes of one connection as they were on the wire, and what was really said."""

    chunks: list[Chunk] = field(default_factory=list)
    sent: dict[Direction, bytes] = field(default_factory=dict)
    keys: bytes = b""
    session: ssl.SSLSession | None = None
    resumed: bool = False

    def read(self) -> tuple[TlsConnection, dict[Direction, bytes]]:
        """Return the connection after all was fed, and its application data."""
        return read(self.chunks, self.keys)


def read(chunks: Sequence[Chunk], keys: bytes) -> tuple[TlsConnection, dict[Direction, bytes]]:
    """Feed chunks to a connection, close it, and return it with its application data."""
    connection = TlsConnection(KeyLog.parse(keys))
    out = {Direction.CLIENT: bytearray(), Direction.SERVER: bytearray()}
    for direction, data in chunks:
        for side, plain in connection.feed(direction, data):
            out[side] += plain
    for direction in Direction:
        connection.close(direction)
    return connection, {side: bytes(data) for side, data in out.items()}


def recorded(
    server: ssl.SSLContext,
    client: ssl.SSLContext,
    *,
    host: str = HOST,
    talk: Sequence[Chunk] = ((Direction.CLIENT, b"a question"), (Direction.SERVER, b"an answer")),
    session: ssl.SSLSession | None = None,
) -> Recording:
    """Let both ends shake hands, say `talk` in turn and say goodbye; record it all."""
    result = Recording(sent={Direction.CLIENT: b"", Direction.SERVER: b""})
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    from_server, from_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = {
        Direction.CLIENT: client.wrap_bio(
            to_client, from_client, server_hostname=host, session=session
        ),
        Direction.SERVER: server.wrap_bio(to_server, from_server, server_side=True),
    }
    pipes = {
        Direction.CLIENT: (from_client, to_server),
        Direction.SERVER: (from_server, to_client),
    }

    def relay() -> bool:
        moved = False
        for direction, (source, target) in pipes.items():
            if data := source.read():
                result.chunks.append((direction, data))
                target.write(data)
                moved = True
        return moved

    waiting = {direction: end.do_handshake for direction, end in ends.items()}
    while waiting:
        for direction, step in list(waiting.items()):
            try:
                step()
                del waiting[direction]
            except ssl.SSLWantReadError:
                pass
        relay()
    for direction, data in talk:
        other = ends[Direction.SERVER if direction is Direction.CLIENT else Direction.CLIENT]
        for at in range(0, len(data), 100_000):
            piece = data[at : at + 100_000]
            ends[direction].write(piece)
            relay()
            left = len(piece)
            while left:
                left -= len(other.read(left))
        result.sent[direction] += data
    result.session = ends[Direction.CLIENT].session
    result.resumed = bool(ends[Direction.CLIENT].session_reused)
    for end in ends.values():
        with contextlib.suppress(ssl.SSLWantReadError):
            end.unwrap()
        relay()
    result.keys = Path(str(client.keylog_filename)).read_bytes()
    return result


class Relay:
    """Listens on loopback, passes each connection on to one server, and records its bytes."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections: list[list[Chunk]] = []
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def __enter__(self) -> "Relay":
        return self

    def __exit__(self, *_: object) -> None:
        # A close alone does not wake a thread that waits in accept.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(10)
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            chunks: list[Chunk] = []
            self.connections.append(chunks)
            thread = threading.Thread(target=self._pass_on, args=(client, chunks), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _pass_on(self, client: socket.socket, chunks: list[Chunk]) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target), timeout=10) as server:
            ends = {client: (Direction.CLIENT, server), server: (Direction.SERVER, client)}
            while ends:
                readable, _, _ = select.select(list(ends), [], [], 20)
                if not readable:
                    return
                for end in readable:
                    direction, other = ends[end]
                    with contextlib.suppress(OSError):
                        data = end.recv(1 << 16)
                        if data:
                            chunks.append((direction, data))
                            other.sendall(data)
                            continue
                        other.shutdown(socket.SHUT_WR)
                    del ends[end]


def of_no_version(certificate: x509.Certificate) -> bytes:
    """Return the DER of a certificate with a version that does not exist."""
    der = bytearray(certificate.public_bytes(DER))
    der[der.index(bytes.fromhex("a003020102")) + 4] = 99
    return bytes(der)
