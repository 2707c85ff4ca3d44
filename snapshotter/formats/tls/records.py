"""
Split a TLS stream into records, and decrypt the encrypted ones.

The records are those of TLS 1.3 (RFC 8446 sections 5 and 7), and of TLS 1.2 with the AEAD suites
AES-GCM and ChaCha20-Poly1305 (RFC 5246 section 6, RFC 5288, RFC 7905). The secrets come from the
client's key log. The content of the records is not interpreted here.
"""

import hashlib
import hmac
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag

from snapshotter.formats.tls.handshake import TlsMalformed
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

# ContentType, RFC 8446 section 5.1.
CHANGE_CIPHER_SPEC = 20
ALERT = 21
HANDSHAKE = 22
APPLICATION_DATA = 23

HEADER = 5  # bytes
_MAX_PLAIN = 1 << 14
_MAX_SEALED = _MAX_PLAIN + 2048  # TLS 1.2; TLS 1.3 allows 256 bytes besides the text
_TAG = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """How the records of a cipher suite are sealed."""

    hash: str  # of the key schedule and the transcript, as hashlib names it
    key: int  # bytes
    chacha: bool = False


TLS_1_3_SUITES = {
    0x1301: Suite(hash="sha256", key=16),
    0x1302: Suite(hash="sha384", key=32),
    0x1303: Suite(hash="sha256", key=32, chacha=True),
}
TLS_1_2_SUITES = {
    0x009C: Suite(hash="sha256", key=16),
    0x009D: Suite(hash="sha384", key=32),
    0x009E: Suite(hash="sha256", key=16),
    0x009F: Suite(hash="sha384", key=32),
    0xC02B: Suite(hash="sha256", key=16),
    0xC02C: Suite(hash="sha384", key=32),
    0xC02F: Suite(hash="sha256", key=16),
    0xC030: Suite(hash="sha384", key=32),
    0xCCA8: Suite(hash="sha256", key=32, chacha=True),
    0xCCA9: Suite(hash="sha256", key=32, chacha=True),
    0xCCAA: Suite(hash="sha256", key=32, chacha=True),
}


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it was on the wire."""

    kind: int  # ContentType
    header: bytes
    fragment: memoryview | bytes


class RecordSplitter:
    """Cuts one direction's bytes into records; holds at most the beginning of one."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = bytearray()

    @property
    def rest(self) -> int:
        """How many bytes of a record whose end has not come are held."""
        return len(self._rest)

    def feed(self, data: bytes) -> Iterator[Record]:
        """
        Yield each whole record; a fragment is good until the next one is asked for.

        Raises:
            TlsMalformed: What follows is not a record of TLS.
        """
        view, at = memoryview(data), 0
        if self._rest:
            missing = self._missing()
            while missing and at < len(view):  # first the header, then what it announces
                self._rest += view[at : at + missing]
                at += missing
                missing = self._missing()
            if missing:
                return
            whole = bytes(self._rest)
            self._rest.clear()
            yield Record(whole[0], whole[:HEADER], whole[HEADER:])
        while len(view) - at >= HEADER:
            header = bytes(view[at : at + HEADER])
            end = at + HEADER + _length(header)
            if end > len(view):
                break
            yield Record(header[0], header, view[at + HEADER : end])
            at = end
        self._rest += view[at:]
        if len(self._rest) >= HEADER:
            _length(bytes(self._rest[:HEADER]))

    def _missing(self) -> int:
        have = len(self._rest)
        if have < HEADER:
            return HEADER - have
        return HEADER + _length(bytes(self._rest[:HEADER])) - have


class RecordDecrypterTls13:
    """Opens records under a traffic secret (RFC 8446 sections 5.2 to 5.4 and 7.3)."""

    __slots__ = ("_aead", "_iv", "_secret", "_sequence", "_suite")

    def __init__(self, secret: bytes, suite: Suite) -> None:
        if len(secret) != hashlib.new(suite.hash).digest_size:
            raise TlsMalformed(
                "a secret of the key log does not have the length of the cipher suite's hash"
            )
        self._secret, self._suite = secret, suite
        self._aead = _aead(suite, expand_label(secret, "key", suite.key, suite.hash))
        self._iv = int.from_bytes(expand_label(secret, "iv", 12, suite.hash), "big")
        self._sequence = 0

    def open(self, record: Record) -> tuple[int, bytes]:
        """Return content type and content of the next record. Raises TlsMalformed."""
        sealed = record.fragment
        if not _TAG < len(sealed) <= _MAX_PLAIN + 256:
            raise TlsMalformed("an encrypted TLS record is too short or too long")
        nonce = (self._iv ^ self._sequence).to_bytes(12, "big")
        plain = _opened(self._aead, nonce, sealed, record.header)
        self._sequence += 1
        if not plain[-1]:  # padding: zeros behind the content type
            plain = plain.rstrip(b"\0")
            if not plain:
                raise TlsMalformed("a TLS record contains only padding")
        return plain[-1], plain[:-1]

    def updated(self) -> "RecordDecrypterTls13":
        """Return the opener after a KeyUpdate (RFC 8446 section 7.2)."""
        size, hash_name = len(self._secret), self._suite.hash
        return RecordDecrypterTls13(
            expand_label(self._secret, "traffic upd", size, hash_name), self._suite
        )


class RecordDecrypterTls12:
    """Opens records under a key and an implicit nonce (RFC 5288 section 3, RFC 7905 section 2)."""

    __slots__ = ("_aead", "_implicit", "_sequence", "_suite")

    def __init__(self, key: bytes, implicit: bytes, suite: Suite) -> None:
        self._aead, self._implicit, self._suite = _aead(suite, key), implicit, suite
        self._sequence = 0

    def open(self, record: Record) -> tuple[int, bytes]:
        """Return content type and content of the next record. Raises TlsMalformed."""
        sealed = record.fragment
        explicit = 0 if self._suite.chacha else 8
        length = len(sealed) - explicit - _TAG
        if length < 0:
            raise TlsMalformed("an encrypted TLS record is too short")
        sequence = self._sequence.to_bytes(8, "big")
        if explicit:
            nonce = self._implicit + bytes(sealed[:explicit])
        else:
            nonce = (int.from_bytes(self._implicit, "big") ^ self._sequence).to_bytes(12, "big")
        about = sequence + record.header[:3] + length.to_bytes(2, "big")
        plain = _opened(self._aead, nonce, sealed[explicit:], about)
        self._sequence += 1
        return record.kind, plain


def tls12_decrypters(
    master: bytes, client_random: bytes, server_random: bytes, suite: Suite
) -> tuple[RecordDecrypterTls12, RecordDecrypterTls12]:
    """Return the client's and the server's opener (RFC 5246 section 6.3)."""
    fixed = 12 if suite.chacha else 4
    block = prf_tls12(
        master,
        b"key expansion" + server_random + client_random,
        2 * (suite.key + fixed),
        suite.hash,
    )
    keys, nonces = block[: 2 * suite.key], block[2 * suite.key :]
    return (
        RecordDecrypterTls12(keys[: suite.key], nonces[:fixed], suite),
        RecordDecrypterTls12(keys[suite.key :], nonces[fixed:], suite),
    )


def expand_label(secret: bytes, label: str, length: int, hash_name: str) -> bytes:
    """Return HKDF-Expand-Label with an empty context (RFC 8446 section 7.1), at most one hash."""
    name = b"tls13 " + label.encode()
    info = length.to_bytes(2, "big") + bytes([len(name)]) + name + b"\0"
    return hmac.digest(secret, info + b"\x01", hash_name)[:length]


def prf_tls12(secret: bytes, label_and_seed: bytes, length: int, hash_name: str) -> bytes:
    """Return `length` bytes of P_hash (RFC 5246 section 5)."""
    out, a = b"", label_and_seed
    while len(out) < length:
        a = hmac.digest(secret, a, hash_name)
        out += hmac.digest(secret, a + label_and_seed, hash_name)
    return out[:length]


def _length(header: bytes) -> int:
    length = int.from_bytes(header[3:5], "big")
    if not CHANGE_CIPHER_SPEC <= header[0] <= 24 or header[1] != 3 or length > _MAX_SEALED:
        raise TlsMalformed("the data are not a TLS record")
    return length


def _aead(suite: Suite, key: bytes) -> "AESGCM | ChaCha20Poly1305":
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

    return ChaCha20Poly1305(key) if suite.chacha else AESGCM(key)


def _opened(
    aead: "AESGCM | ChaCha20Poly1305", nonce: bytes, sealed: memoryview | bytes, about: bytes
) -> bytes:
    try:
        return aead.decrypt(nonce, sealed, about)
    except InvalidTag:
        raise TlsMalformed(
            "a TLS record cannot be decrypted with the key from the key log"
        ) from None
