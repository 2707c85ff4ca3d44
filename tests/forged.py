"""
What no honest party makes, signed by its key: tokens of an authority, DER in any form.

A verifier must not depend on what a well-behaved `openssl ts` writes.
"""

import hashlib
import ssl
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from snapshotter.formats import canonical_json
from snapshotter.formats.tls import server_signature
from snapshotter.formats.tls.names import SIGNATURE_SCHEMES, named
from snapshotter.formats.tls.server_signature import SignedSession, TlsRecording
from tests import tls
from tests.bundles import ChainAuthority


@dataclass(slots=True)
class Der:
    """One DER value, as a tree where its tag says that it has parts."""

    tag: int
    parts: "list[Der] | None"
    content: bytes = b""

    def encode(self) -> bytes:
        """Return the value with the lengths that it has now."""
        content = (
            self.content if self.parts is None else b"".join(part.encode() for part in self.parts)
        )
        size = len(content)
        if size < 128:
            return bytes([self.tag, size]) + content
        length = size.to_bytes((size.bit_length() + 7) // 8, "big")
        return bytes([self.tag, 128 + len(length)]) + length + content

    def all(self) -> "Iterator[Der]":
        """Yield it and everything below it."""
        yield self
        for part in self.parts or ():
            yield from part.all()

    def at(self, *path: int) -> "Der":
        """Return what lies below it, by the numbers of the parts."""
        here = self
        for step in path:
            here = (here.parts or [])[step]
        return here


def der(data: bytes) -> Der:
    """Return the tree of one value. Raises IndexError, ValueError."""
    found = _ders(data)
    if len(found) != 1:
        raise ValueError("not one value")
    return found[0]


def _ders(data: bytes) -> list[Der]:
    at, found = 0, []
    while at < len(data):
        tag, size, at = data[at], data[at + 1], at + 2
        if size >= 128:
            count = size - 128
            size, at = int.from_bytes(data[at : at + count], "big"), at + count
        content = data[at : at + size]
        if len(content) != size:
            raise ValueError("cut off")
        at += size
        parts = _ders(content) if tag & 0x20 else None
        found.append(Der(tag, parts, b"" if parts is not None else content))
    return found


class Stamper:
    """
    Makes tokens of an authority of the tests in this process, also such as it would never make.

    `openssl ts` takes as long for one as both verifiers for a bundle.
    """

    def __init__(self, authority: ChainAuthority) -> None:
        self._response = authority.response(b"a message")
        folder = authority._chain.leaf_pem.parent
        key = serialization.load_pem_private_key((folder / "leaf.key").read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("the authority of the tests has a key on a curve")
        self._key = key

    def __call__(
        self,
        message: bytes,
        edit: Callable[[Der], object] = lambda info: None,
        edit_attributes: Callable[[Der], object] = lambda attributes: None,
        at: datetime | None = None,
    ) -> bytes:
        """
        Return a response over `message`.

        Args:
            edit, edit_attributes: Change what is signed, before it is.
            at: The token's time; now unless told.
        """
        tree = der(self._response)
        signed = tree.at(1, 1, 0)
        octets, attributes = signed.at(2, 1, 0), signed.at(-1, 0, 3)
        info = der(octets.content)
        info.at(2, 1).content = hashlib.sha512(message).digest()
        info.at(4).content = f"{at or datetime.now(UTC):%Y%m%d%H%M%S}Z".encode()
        edit(info)
        octets.content = info.encode()
        for part in attributes.parts or []:
            if part.at(0).content == bytes.fromhex("2a864886f70d010904"):  # messageDigest
                part.at(1, 0).content = hashlib.sha256(octets.content).digest()
        edit_attributes(attributes)
        over = b"\x31" + attributes.encode()[1:]
        signed.at(-1, 0, 5).content = self._key.sign(over, ec.ECDSA(hashes.SHA256()))
        return tree.encode()


# --- handshakes --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Served:
    """A session of a real connection, and the key of its server."""

    session: SignedSession
    key: Any

    def signed(self, sent: Sequence[bytes], scheme: int | None = None) -> tuple[bytes, ...]:
        """Return handshake messages, signed again by the server."""
        is_13 = self.session.version == "TLS 1.3"
        last = sent[-1]
        if is_13:
            old = int.from_bytes(last[4:6], "big") if scheme is None else scheme
            suite = sent[1][39 + sent[1][38] : 41 + sent[1][38]]
            name = "sha384" if suite == b"\x13\x02" else "sha256"
            transcript = hashlib.new(name, b"".join(sent[:-1])).digest()
            over = b" " * 64 + b"TLS 1.3, server CertificateVerify\0" + transcript
            body = b""
        else:
            share = 4 + last[7]
            old = int.from_bytes(last[4 + share : 6 + share], "big") if scheme is None else scheme
            over = sent[0][6:38] + sent[1][6:38] + last[4 : 4 + share]
            body = last[4 : 4 + share]
        signature = self._sign(over, named(SIGNATURE_SCHEMES, old))
        body += old.to_bytes(2, "big") + len(signature).to_bytes(2, "big") + signature
        return (*sent[:-1], message(last[0], body))

    def _sign(self, over: bytes, scheme: str) -> bytes:
        hashed: hashes.HashAlgorithm = hashes.SHA256()
        if scheme.endswith("384"):
            hashed = hashes.SHA384()
        elif scheme.endswith("512"):
            hashed = hashes.SHA512()
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            return self.key.sign(over, ec.ECDSA(hashed))
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(over)
        if not isinstance(self.key, rsa.RSAPrivateKey):
            raise TypeError("a key of another kind")
        if "pkcs1" in scheme:
            return self.key.sign(over, padding.PKCS1v15(), hashed)
        pss = padding.PSS(mgf=padding.MGF1(hashed), salt_length=hashed.digest_size)
        return self.key.sign(over, pss, hashed)


def message(kind: int, body: bytes) -> bytes:
    """Return a handshake message with its header."""
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def servers(folder: Path) -> list[Served]:
    """Return real sessions of both versions, with kinds of keys that go with them."""
    authority = tls.Authority(folder)
    found = []
    for number, (version, kind) in enumerate(
        (
            (ssl.TLSVersion.TLSv1_3, "p256"),
            (ssl.TLSVersion.TLSv1_2, "rsa"),
            (ssl.TLSVersion.TLSv1_3, "ed25519"),
            (ssl.TLSVersion.TLSv1_2, "p256"),
        )
    ):
        host = f"h{number}.example.test"
        file = authority.server(kind, names=(host, f"*.{host}", "203.0.113.7"))
        context = tls.server_context(file, version=version, ciphers="AESGCM")
        client = tls.client_context(authority.root_pem, folder / f"{number}.keys")
        handshake = tls.recorded(context, client, host=host).read()[0].handshake
        connection = TlsRecording(
            connection=number + 1, host=host, port=443, address="203.0.113.7", handshake=handshake
        )
        (session,) = server_signature.gather([connection]).sessions
        found.append(Served(session, serialization.load_pem_private_key(file.read_bytes(), None)))
    return found


def tls_file(session: SignedSession) -> bytes:
    """Return a `capture/tls.json` of one session, also of one that a sealer leaves out."""
    sessions = [server_signature._session_json(session)]
    return canonical_json.dumps(
        {"format": server_signature.FORMAT, "sessions": sessions, "unsigned": []}
    )


def vector(data: bytes, size: int) -> bytes:
    """Return bytes behind their length in `size` bytes."""
    return len(data).to_bytes(size, "big") + data


def extensions(data: bytes) -> list[tuple[int, bytes]]:
    """Return the extensions of a TLS message: number and content. Raises struct.error."""
    at, found = 0, []
    while at < len(data):
        kind, size = struct.unpack_from(">HH", data, at)
        found.append((kind, data[at + 4 : at + 4 + size]))
        at += 4 + size
    return found


def certificates(sent: bytes, *, is_13: bool) -> list[list[bytes]]:
    """Return the certificates of a message, each with its extensions."""
    start = 5 + sent[4] if is_13 else 4
    data, at = sent[start + 3 :], 0
    entries: list[list[bytes]] = []
    while at < len(data):
        size = int.from_bytes(data[at : at + 3], "big")
        certificate, at = data[at + 3 : at + 3 + size], at + 3 + size
        more = b""
        if is_13:
            size = int.from_bytes(data[at : at + 2], "big")
            more, at = data[at + 2 : at + 2 + size], at + 2 + size
        entries.append([certificate, more])
    return entries
