"""
Encrypt a file for the holders of given keys, and decrypt it: CMS AuthEnvelopedData.

The format is that of RFC 5652, 5083 and 5084. The content is encrypted with AES-256-GCM, with a
key and a nonce of its own. That key is included once for each recipient, encrypted: by
ephemeral-static ECDH with the X9.63 KDF and AES-256 key wrap (RFC 5753) for a key on P-256, P-384
or P-521, or by RSAES-OAEP with SHA-256 (RFC 3560) for RSA. A recipient is identified by the
SHA-256 of its SubjectPublicKeyInfo (RFC 7093, section 2, method 4), so no certificate is needed:
`openssl cms -decrypt -inkey` opens the file.

The encoding is DER with every length known in advance, so a file of any size is written and read
in one pass and in constant memory.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap,
    aes_key_wrap,
)

from snapshotter.model.request import MAX_RECIPIENTS as MAX_RECIPIENTS
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

MEDIA_TYPE: Final = "application/pkcs7-mime"  # RFC 8551 section 3.2; its files end in .p7m
MAX_CONTENT: Final = 1 << 30  # bytes; openssl holds all of one file in memory
_MAX_FRONT: Final = 1 << 17  # bytes in front of the content
_CHUNK: Final = 1 << 20

_RSA_BITS: Final = (3072, 16_384)
_CEK: Final = 32  # bytes: AES-256
_NONCE: Final = 12  # bytes, as RFC 5084 recommends
_TAG: Final = 16

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_SEQUENCE, _SET, _INTEGER, _OCTETS, _BITS, _OID = 0x30, 0x31, 0x02, 0x04, 0x03, 0x06
_NULL: Final = b"\x05\x00"


def _context(number: int, *, constructed: bool = True) -> int:
    return 0x80 | (0x20 if constructed else 0) | number


def _der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return _head(tag, len(content)) + content


def _head(tag: int, length: int) -> bytes:
    if length < 0x80:
        return bytes((tag, length))
    size = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + length.to_bytes(size, "big")


def _oid(dotted: str) -> bytes:
    first, second, *rest = (int(part) for part in dotted.split("."))
    out = bytearray()
    for number in (40 * first + second, *rest):
        groups = [number & 0x7F]
        while number := number >> 7:
            groups.append(number & 0x7F | 0x80)
        out += bytes(reversed(groups))
    return _der(_OID, bytes(out))


_AUTH_ENVELOPED: Final = _oid("1.2.840.113549.1.9.16.1.23")
_DATA: Final = _oid("1.2.840.113549.1.7.1")
_AES256_GCM: Final = _oid("2.16.840.1.101.3.4.1.46")
_WRAP: Final = _der(_SEQUENCE, _oid("2.16.840.1.101.3.4.1.45"))  # id-aes256-wrap
_EC_KEY: Final = _oid("1.2.840.10045.2.1")
_SHA256: Final = _der(_SEQUENCE, _oid("2.16.840.1.101.3.4.2.1"), _NULL)
_OAEP: Final = _der(  # RFC 4055 section 4.1, with the label left at its default, none
    _SEQUENCE,
    _oid("1.2.840.113549.1.1.7"),
    _der(
        _SEQUENCE,
        _der(_context(0), _SHA256),
        _der(_context(1), _der(_SEQUENCE, _oid("1.2.840.113549.1.1.8"), _SHA256)),
    ),
)
_OAEP_PADDING: Final = padding.OAEP(
    mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Curve:
    """How a key on one curve is agreed on (RFC 5753 section 7.1.4): hashes as long as it is."""

    name: str  # the curve's OID
    scheme: str  # OID of dhSinglePass-stdDH-sha…kdf-scheme
    hash: Callable[[], hashes.HashAlgorithm]
    bytes: int  # of a coordinate


_CURVES: Final = {
    "secp256r1": _Curve(
        name="1.2.840.10045.3.1.7", scheme="1.3.132.1.11.1", hash=hashes.SHA256, bytes=32
    ),
    "secp384r1": _Curve(name="1.3.132.0.34", scheme="1.3.132.1.11.2", hash=hashes.SHA384, bytes=48),
    "secp521r1": _Curve(name="1.3.132.0.35", scheme="1.3.132.1.11.3", hash=hashes.SHA512, bytes=66),
}


class CmsInvalid(ValueError):
    """A file that is not what `write` writes, was changed, or is for other keys."""


class NotForThisKey(CmsInvalid):
    """A file that is encrypted for others."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody who can open what is encrypted for this key."""

    key: PublicKey

    @property
    def key_id(self) -> bytes:
        """SHA-256 of the SubjectPublicKeyInfo in DER."""
        spki = self.key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return hashlib.sha256(spki).digest()

    @property
    def pem(self) -> str:
        """The public key as it is always written."""
        return self.key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode("ascii")

    @classmethod
    def from_pem(cls, pem: str) -> "Recipient":
        """
        Return the recipient of a public key in PEM.

        Raises:
            ValueError: It is none, or of a kind or strength that nothing is encrypted for.
        """
        try:
            key = serialization.load_pem_public_key(pem.encode())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise ValueError("the file is not a public key in PEM (BEGIN PUBLIC KEY)") from error
        return cls(_usable(key))


def _usable(key: object) -> PublicKey:
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return key
    if isinstance(key, rsa.RSAPublicKey):
        if _RSA_BITS[0] <= key.key_size <= _RSA_BITS[1]:
            return key
        raise ValueError(f"the RSA key has {key.key_size} bits, but needs 3072 bits or more")
    raise ValueError("the key is neither a key on P-256, P-384 or P-521 nor an RSA key")


def private_key(pem: bytes, passphrase: bytes | None) -> PrivateKey:
    """
    Return the private key of a recipient.

    Raises:
        ValueError: It is none, its passphrase is wrong or missing, or it can open nothing.
    """
    try:
        key = serialization.load_pem_private_key(pem, passphrase)
    except (TypeError, UnsupportedAlgorithm) as error:  # TypeError: with a passphrase, or without
        raise ValueError(str(error)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ValueError("the key is neither a key on P-256, P-384 or P-521 nor an RSA key")
    _usable(key.public_key())
    return key


# --- writing -----------------------------------------------------------------------------------


def write(
    content: Iterable[bytes],
    length: int,
    recipients: Sequence[Recipient],
    out: Callable[[bytes], object],
) -> None:
    """
    Encrypt `content` and pass the file on to `out` piece by piece.

    Args:
        length: Of all pieces together, in bytes.

    Raises:
        ValueError: No recipient or too many, or the content is not as long as said.
    """
    if not 1 <= len(recipients) <= MAX_RECIPIENTS:
        raise ValueError(f"the number of recipients must be from 1 to {MAX_RECIPIENTS}")
    if not 0 <= length <= MAX_CONTENT:
        raise ValueError(f"one encrypted file can contain at most {MAX_CONTENT} bytes")
    cek, nonce = secrets.token_bytes(_CEK), secrets.token_bytes(_NONCE)
    out(_front([_info(recipient, cek) for recipient in recipients], nonce, length))
    encryptor = Cipher(algorithms.AES(cek), modes.GCM(nonce)).encryptor()
    written = 0
    for piece in content:
        written += len(piece)
        if written > length:
            break
        out(encryptor.update(piece))
    if written != length:
        raise ValueError("the content does not have the stated length")
    out(encryptor.finalize() + _der(_OCTETS, encryptor.tag))


def _front(infos: Sequence[bytes], nonce: bytes, length: int) -> bytes:
    """Return what stands in front of the encrypted content, in its one encoding."""
    algorithm = _der(
        _SEQUENCE,
        _AES256_GCM,
        _der(_SEQUENCE, _der(_OCTETS, nonce), _der(_INTEGER, bytes([_TAG]))),
    )
    front = _DATA + algorithm + _head(_context(0, constructed=False), length)
    # DER: a SET OF is sorted
    before = _der(_INTEGER, b"\0") + _der(_SET, *sorted(infos))
    front = before + _head(_SEQUENCE, len(front) + length) + front
    behind = length + len(_head(_OCTETS, _TAG)) + _TAG
    for tag, head in ((_SEQUENCE, b""), (_context(0), _AUTH_ENVELOPED), (_SEQUENCE, b"")):
        front = head + _head(tag, len(front) + behind) + front
    return front


def _info(recipient: Recipient, cek: bytes) -> bytes:
    """Return the RecipientInfo of one recipient."""
    key, name = recipient.key, recipient.key_id
    if isinstance(key, rsa.RSAPublicKey):
        return _rsa_info(name, key.encrypt(cek, _OAEP_PADDING))
    ephemeral = ec.generate_private_key(key.curve)
    point = ephemeral.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    return _ec_info(key.curve.name, name, point, aes_key_wrap(_agreed(ephemeral, key), cek))


def _rsa_info(name: bytes, encrypted: bytes) -> bytes:
    return _der(  # KeyTransRecipientInfo, RFC 5652 section 6.2.1
        _SEQUENCE,
        _der(_INTEGER, b"\x02"),
        _der(_context(0, constructed=False), name),
        _OAEP,
        _der(_OCTETS, encrypted),
    )


def _ec_info(curve_name: str, name: bytes, point: bytes, wrapped: bytes) -> bytes:
    curve = _CURVES[curve_name]
    algorithm = _der(_SEQUENCE, _EC_KEY, _oid(curve.name))
    return _der(  # KeyAgreeRecipientInfo, RFC 5652 section 6.2.2
        _context(1),
        _der(_INTEGER, b"\x03"),
        _der(_context(0), _der(_context(1), algorithm, _der(_BITS, b"\0", point))),
        _der(_SEQUENCE, _oid(curve.scheme), _WRAP),
        _der(
            _SEQUENCE,
            _der(_SEQUENCE, _der(_context(0), _der(_OCTETS, name)), _der(_OCTETS, wrapped)),
        ),
    )


def _agreed(own: ec.EllipticCurvePrivateKey, other: ec.EllipticCurvePublicKey) -> bytes:
    """Return the key that wraps the content's (RFC 5753 section 7.2)."""
    bits = (8 * _CEK).to_bytes(4, "big")
    shared_info = _der(_SEQUENCE, _WRAP, _der(_context(2), _der(_OCTETS, bits)))
    kdf = X963KDF(_CURVES[own.curve.name].hash(), _CEK, shared_info)
    return kdf.derive(own.exchange(ec.ECDH(), other))


# --- reading -----------------------------------------------------------------------------------


def recipients_of(file: BinaryIO) -> tuple[bytes, ...]:
    """
    Return the key ids of those who can open a file.

    Raises:
        CmsInvalid: It is not what `write` writes.
    """
    return tuple(opening.key_id for opening in _Header(file).openings)


def read(file: BinaryIO, key: PrivateKey, out: Callable[[bytes], object]) -> None:
    """
    Decrypt a file and pass its content on to `out` piece by piece.

    Nothing of it may be believed before this returns: that nobody changed the file
    shows at its end.

    Raises:
        CmsInvalid: It is not what `write` writes, it was changed, or is for other keys.
    """
    front = _Header(file)
    cek = _cek(front.openings, key)
    decryptor = Cipher(algorithms.AES(cek), modes.GCM(front.nonce)).decryptor()
    left = front.length
    while left:
        piece = file.read(min(left, _CHUNK))
        if not piece:
            raise CmsInvalid(tr("the encrypted file is cut off"))
        left -= len(piece)
        out(decryptor.update(piece))
    head = _head(_OCTETS, _TAG)
    end = file.read(len(head) + _TAG + 1)
    if len(end) != len(head) + _TAG or not end.startswith(head):
        raise CmsInvalid(tr("the end of the encrypted file is invalid"))
    try:
        decryptor.finalize_with_tag(end[len(head) :])
    except InvalidTag as error:
        raise CmsInvalid(tr("the encrypted file was changed")) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _RecipientInfo:
    """One RecipientInfo: for whom, and the encrypted key of the content."""

    key_id: bytes
    kind: str  # "rsa", or the name of a curve
    point: bytes  # the sender's share on that curve
    encrypted: bytes

    @property
    def encoded(self) -> bytes:
        if self.kind == "rsa":
            return _rsa_info(self.key_id, self.encrypted)
        return _ec_info(self.kind, self.key_id, self.point, self.encrypted)


class _Header:
    """
    What stands in front of the encrypted content; the stream is left at its first byte.

    It is taken apart loosely, put together again, and compared.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._seen = bytearray()
        self._enter()
        self._whole()
        self._enter()
        self._enter()
        self._whole()
        self.openings = tuple(_opening(*info) for info in _split(self._whole()))
        self._enter()
        self._whole()
        algorithm = _split(self._whole())
        parameters = _split(algorithm[-1][1]) if algorithm else []
        self.nonce = parameters[0][1] if parameters else b""
        self.length = self._enter()
        infos = [opening.encoded for opening in self.openings]
        if (
            self._seen != _front(infos, self.nonce, self.length)
            or len(self.nonce) != _NONCE
            or self.length > MAX_CONTENT
        ):
            raise CmsInvalid(tr("the file is not an AuthEnvelopedData of the expected form"))

    def _take(self, count: int) -> bytes:
        if len(self._seen) + count > _MAX_FRONT:
            raise CmsInvalid(tr("the file is not an AuthEnvelopedData of the expected form"))
        data = self._file.read(count)
        if len(data) != count:
            raise CmsInvalid(tr("the encrypted file is cut off"))
        self._seen += data
        return data

    def _enter(self) -> int:
        """Read a tag and a length; return the length."""
        first = self._take(2)[1]
        return int.from_bytes(self._take(first & 0x7F), "big") if first & 0x80 else first

    def _whole(self) -> bytes:
        return self._take(self._enter())


def _split(data: bytes) -> list[tuple[int, bytes]]:
    """Return tag and content of the values that stand one behind the other."""
    found, at = [], 0
    while at < len(data):
        first = data[at + 1] if at + 1 < len(data) else 0
        size = first & 0x7F if first & 0x80 else 0
        start = at + 2 + size
        end = start + (int.from_bytes(data[at + 2 : start], "big") if size else first)
        if end > len(data):
            raise CmsInvalid(tr("a part of the encrypted file is cut off"))
        found.append((data[at], data[start:end]))
        at = end
    return found


def _opening(tag: int, content: bytes) -> _RecipientInfo:
    parts = _split(content)
    if len(parts) != 4:
        raise CmsInvalid(tr("the kind of a recipient is not supported"))
    if tag == _SEQUENCE:
        return _RecipientInfo(key_id=parts[1][1], kind="rsa", point=b"", encrypted=parts[3][1])
    for name, curve in _CURVES.items():
        keys = _split(parts[3][1])
        inner = _split(keys[0][1]) if keys else []
        names = _split(inner[0][1]) if len(inner) == 2 else []
        if names and _der(*parts[2]) == _der(_SEQUENCE, _oid(curve.scheme), _WRAP):
            point = parts[1][1][-(1 + 2 * curve.bytes) :]
            return _RecipientInfo(key_id=names[0][1], kind=name, point=point, encrypted=inner[1][1])
    raise CmsInvalid(tr("the kind of a recipient is not supported"))


def _cek(openings: Sequence[_RecipientInfo], key: PrivateKey) -> bytes:
    """Return the key of the content."""
    own = Recipient(_usable(key.public_key())).key_id
    kind = key.curve.name if isinstance(key, ec.EllipticCurvePrivateKey) else "rsa"
    for opening in openings:
        if opening.key_id != own or opening.kind != kind:
            continue
        try:
            if isinstance(key, rsa.RSAPrivateKey):
                cek = key.decrypt(opening.encrypted, _OAEP_PADDING)
            else:
                share = ec.EllipticCurvePublicKey.from_encoded_point(key.curve, opening.point)
                cek = aes_key_unwrap(_agreed(key, share), opening.encrypted)
        except (ValueError, InvalidUnwrap) as error:
            raise CmsInvalid(tr("the encrypted file was changed")) from error
        if len(cek) == _CEK:
            return cek
    raise NotForThisKey(tr("the file was not encrypted for this key"))
