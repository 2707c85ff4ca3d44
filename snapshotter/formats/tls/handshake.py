"""
Read the handshake messages of TLS 1.3 (RFC 8446) and TLS 1.2 (RFC 5246).

Only the parts that the record of a connection needs are read: the requested host, the agreed
parameters, the certificates, and what was signed. Every message is hostile input: each length is
checked against the bytes that exist, and a malformed message raises `TlsMalformed` and no other
error.
"""

import enum
import zlib
from dataclasses import field
from functools import lru_cache

from snapshotter.formats.tls import brotli
from snapshotter.formats.tls.brotli import BrotliInvalid, TooMuchWork, Work
from snapshotter.formats.tls.names import COMPRESSIONS, TLS_1_3, named
from snapshotter.value_class import dataclass

# HandshakeType, RFC 8446 section 4 and RFC 5246 section 7.4.
HELLO_REQUEST = 0  # TLS 1.2; no part of what is hashed
CLIENT_HELLO = 1
SERVER_HELLO = 2
NEW_SESSION_TICKET = 4
END_OF_EARLY_DATA = 5
ENCRYPTED_EXTENSIONS = 8
CERTIFICATE = 11
SERVER_KEY_EXCHANGE = 12
CERTIFICATE_REQUEST = 13
SERVER_HELLO_DONE = 14
CERTIFICATE_VERIFY = 15
FINISHED = 20
CERTIFICATE_STATUS = 22
KEY_UPDATE = 24
COMPRESSED_CERTIFICATE = 25
MESSAGE_HASH = 254

# A browser takes a list of certificates of at most 100 KiB and far less of all else.
MAX_MESSAGE = 1 << 17  # bytes
MAX_CERTIFICATES = 64
# Chains have a few KiB. What is longer is no server's but somebody's who wants our time.
_MAX_DECOMPRESSED = 1 << 15  # bytes
MAX_DECOMPRESSED_OF_FILE = 4 << 20  # bytes, as the messages announce them
# Steps of Brotli. The certificates of a server take 10,000, the longest that are read 60,000.
MAX_WORK = 500_000
MAX_WORK_OF_FILE = 5_000_000
_TOO_MUCH = "the Brotli data exceed the limit for decompression"

HELLO_RETRY_REQUEST = bytes.fromhex(  # RFC 8446 section 4.1.3: SHA-256 of "HelloRetryRequest"
    "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c"
)

_SERVER_NAME = 0
_STATUS_REQUEST = 5
_SIGNATURE_ALGORITHMS = 13
_ALPN = 16
_SCT = 18
_SESSION_TICKET = 35
_PRE_SHARED_KEY = 41
_EARLY_DATA = 42
_SUPPORTED_VERSIONS = 43
_KEY_SHARE = 51
_NAMED_CURVE = 3  # ECCurveType, RFC 8422 section 5.4
_OCSP = 1


class TlsMalformed(ValueError):
    """Bytes that are not what TLS says they are; the message is a sentence for a person."""


class Finished(enum.StrEnum):
    """What is known of the Finished of one side, which is a MAC over the handshake."""

    HOLDS = "holds"  # it is the MAC of what was recorded
    DIFFERS = "differs"  # it is not
    UNCHECKED = "unchecked"  # it came, and what it takes to check it did not
    ABSENT = "absent"  # none was read


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientHello:
    """What the client offers."""

    random: bytes  # 32 bytes
    session_id: bytes
    ciphers: tuple[int, ...]
    server_name: str  # "" when none was sent: the server was addressed by its IP address
    alpn: tuple[str, ...]
    schemes: tuple[int, ...]  # SignatureScheme
    ticket: bytes  # TLS 1.2, RFC 5077
    identities: tuple[bytes, ...]  # TLS 1.3: tickets
    early_data: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerHello:
    """What the server chose; also a HelloRetryRequest, which has the same form."""

    version: int
    random: bytes
    session_id: bytes
    cipher: int
    group: int  # TLS 1.3; 0 when it chose none
    identity: int | None  # TLS 1.3: which of the client's tickets was taken
    alpn: str  # TLS 1.2; TLS 1.3 tells it in EncryptedExtensions
    sct_list: bytes  # TLS 1.2

    @property
    def is_retry(self) -> bool:
        """Whether it asks for another hello (RFC 8446 section 4.1.3)."""
        return self.random == HELLO_RETRY_REQUEST


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateList:
    """The certificates of one side, with what came along for the first of them."""

    chain: tuple[bytes, ...] = ()  # DER, leaf first
    sct_list: bytes = b""  # SignedCertificateTimestampList, RFC 6962 section 3.3
    ocsp: bytes = b""  # OCSPResponse in DER


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerKeyExchange:
    """TLS 1.2: an elliptic curve share, and the signature over it (RFC 8422 section 5.4)."""

    group: int
    params: bytes  # ServerECDHParams as sent: what is signed, behind both randoms
    scheme: int
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """What client and server agreed on, as far as it was read."""

    version: str = ""  # "TLS 1.3"; "" while the server has not answered
    cipher: str = ""  # IANA's name
    group: str = ""  # of the key exchange, IANA's name
    sni: str = ""  # the name that the client asked for, lowercase
    alpn: str = ""  # "h2"
    chain: tuple[bytes, ...] = ()  # DER as sent, leaf first; empty in a resumed session
    signature_scheme: str = ""  # of the server's signature, IANA's name
    resumed: bool = False  # no certificate and no signature: they were in an earlier connection
    hello_retry: bool = False
    early_data: str = ""  # "accepted", "rejected", "" when none was offered
    certificate_compression: str = ""  # "brotli", "zlib"
    client_certificate_asked: bool = False
    sct_list: bytes = b""  # SignedCertificateTimestampList of the handshake (RFC 6962 section 3.3)
    ocsp: bytes = b""  # stapled OCSPResponse, DER
    ticket: str = ""  # SHA-256 of the ticket or session id that was resumed
    tickets: tuple[str, ...] = ()  # SHA-256 of those that the server gave out here
    complete: bool = False  # both sides have sent Finished
    client_finished: Finished = Finished.ABSENT
    server_finished: Finished = Finished.ABSENT
    # What the server signed, as sent, when it signed: TLS 1.3 ClientHello, (HelloRetryRequest,
    # ClientHello,) ServerHello, EncryptedExtensions, (CertificateRequest,) Certificate,
    # CertificateVerify; TLS 1.2 ClientHello, ServerHello, Certificate, ServerKeyExchange.
    messages: tuple[bytes, ...] = ()


@dataclass(slots=True)
class Reader:
    """Reads numbers and vectors from the front of some bytes."""

    data: bytes
    at: int = field(default=0)

    @property
    def left(self) -> int:
        """Bytes that were not taken yet."""
        return len(self.data) - self.at

    def take(self, count: int) -> bytes:
        """Return the next bytes. Raises TlsMalformed: there are not so many."""
        end = self.at + count
        if end > len(self.data):
            raise TlsMalformed(
                "a length in a handshake message points beyond the end of the message"
            )
        piece = self.data[self.at : end]
        self.at = end
        return piece

    def number(self, size: int) -> int:
        """Return an unsigned number of `size` bytes, big-endian. Raises TlsMalformed."""
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        """Return a vector whose length stands before it in `size` bytes."""
        return self.take(self.number(size))

    def end(self) -> None:
        """Raise TlsMalformed if anything is left."""
        if self.left:
            raise TlsMalformed("a handshake message has bytes after the end of its content")


def body(message: bytes, kind: int) -> bytes:
    """
    Return the body of one whole handshake message.

    Raises:
        TlsMalformed: It is of another type, or not as long as it says.
    """
    if len(message) < 4 or message[0] != kind:
        raise TlsMalformed(f"the data are not a handshake message of type {kind}")
    if int.from_bytes(message[1:4], "big") != len(message) - 4:
        raise TlsMalformed("a handshake message does not have the stated length")
    return message[4:]


def client_hello(message: bytes) -> ClientHello:
    """Read a ClientHello (RFC 8446 section 4.1.2)."""
    reader = Reader(body(message, CLIENT_HELLO))
    reader.take(2)  # legacy_version
    random = reader.take(32)
    session_id = reader.vector(1)
    ciphers = _numbers(reader.vector(2))
    reader.vector(1)  # compression methods
    extensions = _extensions(reader.vector(2)) if reader.left else {}
    reader.end()
    return ClientHello(
        random=random,
        session_id=session_id,
        ciphers=ciphers,
        server_name=_server_name(extensions.get(_SERVER_NAME)),
        alpn=_protocols(extensions.get(_ALPN)),
        schemes=_schemes(extensions.get(_SIGNATURE_ALGORITHMS)),
        ticket=extensions.get(_SESSION_TICKET, b""),
        identities=_identities(extensions.get(_PRE_SHARED_KEY)),
        early_data=_EARLY_DATA in extensions,
    )


def server_hello(message: bytes) -> ServerHello:
    """Read a ServerHello or a HelloRetryRequest (RFC 8446 sections 4.1.3 and 4.1.4)."""
    reader = Reader(body(message, SERVER_HELLO))
    version = reader.number(2)
    random = reader.take(32)
    session_id = reader.vector(1)
    cipher = reader.number(2)
    reader.take(1)  # compression method
    extensions = _extensions(reader.vector(2)) if reader.left else {}
    reader.end()
    if _SUPPORTED_VERSIONS in extensions:
        version = _exactly(extensions[_SUPPORTED_VERSIONS], 2)
    share, identity = extensions.get(_KEY_SHARE), extensions.get(_PRE_SHARED_KEY)
    protocols = _protocols(extensions.get(_ALPN))
    return ServerHello(
        version=version,
        random=random,
        session_id=session_id,
        cipher=cipher,
        group=Reader(share).number(2) if version == TLS_1_3 and share is not None else 0,
        identity=_exactly(identity, 2) if identity is not None else None,
        alpn=protocols[0] if protocols else "",
        sct_list=extensions.get(_SCT, b""),
    )


def encrypted_extensions(message: bytes) -> tuple[str, bool]:
    """Return the protocol (ALPN) or "", and whether early data was accepted."""
    reader = Reader(body(message, ENCRYPTED_EXTENSIONS))
    extensions = _extensions(reader.vector(2))
    reader.end()
    protocols = _protocols(extensions.get(_ALPN))
    return (protocols[0] if protocols else ""), _EARLY_DATA in extensions


def certificate(message: bytes, *, version: int) -> CertificateList:
    """Read a Certificate (RFC 8446 section 4.4.2, RFC 5246 section 7.4.2), as sent uncompressed."""
    reader = Reader(body(message, CERTIFICATE))
    if version == TLS_1_3:
        reader.vector(1)  # certificate_request_context
    entries = Reader(reader.vector(3))
    reader.end()
    chain: list[bytes] = []
    first: dict[int, bytes] = {}
    while entries.left:
        chain.append(entries.vector(3))
        if not chain[-1]:
            raise TlsMalformed("a certificate in the certificate message is empty")
        if len(chain) > MAX_CERTIFICATES:
            raise TlsMalformed(
                f"the certificate message has more than {MAX_CERTIFICATES} certificates"
            )
        if version == TLS_1_3:
            extensions = _extensions(entries.vector(2))
            first = extensions if len(chain) == 1 else first
    status = first.get(_STATUS_REQUEST)
    return CertificateList(
        chain=tuple(chain),
        sct_list=first.get(_SCT, b""),
        ocsp=_ocsp(status) if status is not None else b"",
    )


def certificate_status(message: bytes) -> bytes:
    """Return the stapled OCSPResponse of TLS 1.2 (RFC 6066 section 8)."""
    return _ocsp(body(message, CERTIFICATE_STATUS))


@lru_cache(maxsize=32)  # a server sends the same bytes on each connection, and Brotli is slow
def decompressed(message: bytes) -> tuple[str, bytes | None]:
    """
    Return how a CompressedCertificate (RFC 8879) is compressed, and the Certificate in it.

    None instead of the message when it is compressed in a way that is not read here.
    """
    return _decompressed(message, Work(MAX_WORK))


class Decompressor:
    """
    Reads the CompressedCertificates of one file: each once, and only so many bytes of all.

    What is beyond, in the order in which it is asked for, is not read, as what is compressed in
    a way that is not read here. Of honest files nothing is: the certificates themselves stand
    in the same file again (docs/spec/limits.md).
    """

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[str, bytes | None] | TlsMalformed] = {}
        self._bytes, self._work = MAX_DECOMPRESSED_OF_FILE, Work(MAX_WORK_OF_FILE)

    def __call__(self, message: bytes) -> tuple[str, bytes | None]:
        """Return what `decompressed` does. Raises TlsMalformed."""
        if message not in self._known:
            self._known[message] = self._read(message)
        found = self._known[message]
        if isinstance(found, TlsMalformed):
            raise TlsMalformed(str(found))
        return found

    def _read(self, message: bytes) -> tuple[str, bytes | None] | TlsMalformed:
        work = Work(min(self._work.left, MAX_WORK))
        before = work.left
        try:
            self._bytes -= announced_length(message)
            if self._bytes < 0:
                return _TOO_MUCH, None
            return _decompressed(message, work)
        except TlsMalformed as error:
            return error
        finally:
            self._work.left -= before - max(work.left, 0)


def announced_length(message: bytes) -> int:
    """
    Return how many bytes a CompressedCertificate will have, as it says.

    Raises:
        TlsMalformed: It is none, or longer than any.
    """
    return _compressed(message)[1]


def _compressed(message: bytes) -> tuple[str, int, bytes]:
    """Return how a CompressedCertificate is compressed, how long it will be, and its bytes."""
    reader = Reader(body(message, COMPRESSED_CERTIFICATE))
    algorithm, length, data = reader.number(2), reader.number(3), reader.vector(3)
    reader.end()
    if length > _MAX_DECOMPRESSED:
        raise TlsMalformed(f"a compressed certificate is longer than {_MAX_DECOMPRESSED} bytes")
    return named(COMPRESSIONS, algorithm), length, data


def _decompressed(message: bytes, work: Work) -> tuple[str, bytes | None]:
    name, length, data = _compressed(message)
    if name not in ("brotli", "zlib"):
        return name, None
    try:
        if name == "brotli":
            content = brotli.decompress(data, limit=length, work=work)
        else:
            content = _zlib(data, length)
    except TooMuchWork:
        return _TOO_MUCH, None
    except BrotliInvalid as error:
        raise TlsMalformed(f"a compressed certificate cannot be read: {error}") from error
    if len(content) != length:
        raise TlsMalformed("a compressed certificate does not have the stated length")
    return name, bytes([CERTIFICATE]) + length.to_bytes(3, "big") + content


def certificate_verify(message: bytes) -> tuple[int, bytes]:
    """Return the signature scheme and the signature (RFC 8446 section 4.4.3)."""
    reader = Reader(body(message, CERTIFICATE_VERIFY))
    scheme, signature = reader.number(2), reader.vector(2)
    reader.end()
    return scheme, signature


def server_key_exchange(message: bytes) -> ServerKeyExchange:
    """Read the ServerKeyExchange of an ECDHE suite of TLS 1.2."""
    reader = Reader(body(message, SERVER_KEY_EXCHANGE))
    if reader.number(1) != _NAMED_CURVE:
        raise TlsMalformed("the key exchange of the server does not use a named curve")
    group = reader.number(2)
    reader.vector(1)
    params = reader.data[: reader.at]
    scheme, signature = reader.number(2), reader.vector(2)
    reader.end()
    return ServerKeyExchange(group=group, params=params, scheme=scheme, signature=signature)


def new_session_ticket(message: bytes, *, version: int) -> bytes:
    """Return the ticket of a NewSessionTicket (RFC 8446 section 4.6.1, RFC 5077 section 3.3)."""
    reader = Reader(body(message, NEW_SESSION_TICKET))
    reader.take(4)  # lifetime
    if version == TLS_1_3:
        reader.take(4)  # age_add
        reader.vector(1)  # nonce
    return reader.vector(2)


def _extensions(data: bytes) -> dict[int, bytes]:
    reader = Reader(data)
    result: dict[int, bytes] = {}
    while reader.left:
        kind = reader.number(2)
        if kind in result:
            raise TlsMalformed("a handshake message contains an extension twice")
        result[kind] = reader.vector(2)
    return result


def _numbers(data: bytes) -> tuple[int, ...]:
    if len(data) % 2:
        raise TlsMalformed(
            "a list of numbers in a handshake message ends with an incomplete number"
        )
    return tuple(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))


def _exactly(data: bytes, size: int) -> int:
    if len(data) != size:
        raise TlsMalformed("an extension in a handshake message does not have the required length")
    return int.from_bytes(data, "big")


def _server_name(data: bytes | None) -> str:
    """Return the host name (RFC 6066 section 3), lowercase; "" in a server's empty answer."""
    if not data:
        return ""
    reader = Reader(Reader(data).vector(2))
    while reader.left:
        kind, name = reader.number(1), reader.vector(2)
        if kind == 0:
            if len(name) > 255 or not name.isascii():
                raise TlsMalformed("a server name is too long, or not ASCII")
            return name.decode("ascii").lower()
    return ""


def _protocols(data: bytes | None) -> tuple[str, ...]:
    if data is None:
        return ()
    reader = Reader(Reader(data).vector(2))
    result = []
    while reader.left:
        result.append(reader.vector(1).decode("ascii", "backslashreplace"))
    return tuple(result)


def _schemes(data: bytes | None) -> tuple[int, ...]:
    return () if data is None else _numbers(Reader(data).vector(2))


def _identities(data: bytes | None) -> tuple[bytes, ...]:
    if data is None:
        return ()
    reader = Reader(Reader(data).vector(2))
    result = []
    while reader.left:
        result.append(reader.vector(2))
        reader.take(4)  # obfuscated_ticket_age
    return tuple(result)


def _zlib(data: bytes, length: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(data, length + 1)
    except zlib.error as error:
        raise TlsMalformed(f"a compressed certificate cannot be read: {error}") from error
    if not inflater.eof or inflater.unused_data:
        raise TlsMalformed("a compressed certificate does not have the stated length")
    return content


def _ocsp(data: bytes) -> bytes:
    reader = Reader(data)
    if reader.number(1) != _OCSP:
        raise TlsMalformed("a certificate status in the handshake is not an OCSP answer")
    response = reader.vector(3)
    reader.end()
    return response
