"""
Collect and check what servers signed in their TLS handshakes; read and write `capture/tls.json`.

In the handshake a server signs, with the key of its certificate, what both sides have sent so far:
in TLS 1.3 all of it (RFC 8446 section 4.4.3), in TLS 1.2 the two random values and its own key
share (RFC 8422 section 5.4). The messages contain no secret. With them alone anybody can check
that the owner of that key took part in this connection. docs/spec/server-signature.md says what
follows from this and what does not.
"""

import base64
import binascii
import hashlib
import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeGuard

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.formats.tls import certificate as certificates
from snapshotter.formats.tls import handshake as messages
from snapshotter.formats.tls.certificate import Certificate, CertificateInvalid
from snapshotter.formats.tls.certificate_timestamps import (
    MAX_TIMESTAMPS,
    CertificateTimestamp,
    timestamps,
)
from snapshotter.formats.tls.handshake import ClientHello, Handshake, ServerHello, TlsMalformed
from snapshotter.formats.tls.names import (
    CIPHERS,
    GROUPS,
    SIGNATURE_SCHEMES,
    TLS_1_2,
    TLS_1_3,
    VERSIONS,
    named,
)
from snapshotter.formats.tls.records import TLS_1_3_SUITES
from snapshotter.model.finding import Verdict
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import mldsa

FORMAT = "snapshotter-tls/1"
MAX_BYTES = 8 << 20
MAX_SESSIONS = 1_000
MAX_CONNECTIONS = 10_000  # named in one document
_MAX_VALUES = 200_000
_MAX_TEXT = 500  # characters
_MAX_STAPLE = 1 << 16  # bytes
_MAX_RSA_BITS = 16_384  # what is longer takes a verifier's time and is no server's

_CONTEXT = b" " * 64 + b"TLS 1.3, server CertificateVerify\0"
_HASHES: dict[str, Callable[[], hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
# How the name of a signature scheme begins → the kind of key of a certificate.
_KINDS = {
    "ecdsa": "1.2.840.10045.2.1",
    "rsa": "1.2.840.113549.1.1.1",
    "ed25519": "1.3.101.112",
    "mldsa44": "2.16.840.1.101.3.4.3.17",
    "mldsa65": "2.16.840.1.101.3.4.3.18",
    "mldsa87": "2.16.840.1.101.3.4.3.19",
}
_KNOWN_KINDS = {_KINDS["rsa"], _KINDS["ed25519"]}  # to every library
# Of TLS 1.3, which asks for a curve as well; in TLS 1.2 the scheme is a hash alone, for any curve.
_CURVES = {
    "ecdsa_secp256r1_sha256": "1.2.840.10045.3.1.7",
    "ecdsa_secp384r1_sha384": "1.3.132.0.34",
    "ecdsa_secp521r1_sha512": "1.3.132.0.35",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """A connection that went on with the session of another one, without a certificate."""

    connection: int
    by: str  # "ticket": it showed one that was given out there; "host": the newest to that host


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedSession:
    """One connection whose server signed, with all that its signature is over."""

    connection: int  # its number in capture/network.json
    host: str  # as asked for: a name in its ASCII form, lowercase, or an address
    port: int
    address: str  # that was connected to; "" behind a proxy
    version: str  # "TLS 1.3"
    cipher: str  # this and the next ones: IANA's names, as the messages say
    group: str
    alpn: str
    signature_scheme: str
    messages: tuple[bytes, ...]  # as `Handshake.messages`
    chain: tuple[bytes, ...]  # DER as the server sent it, leaf first
    names_host: bool  # False: captured although the certificate is for another host
    ocsp: bytes = b""  # TLS 1.2: the stapled OCSPResponse, DER, which nothing signs here
    timestamps: tuple[CertificateTimestamp, ...] = ()
    resumed: tuple[Resumption, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsignedConnection:
    """One TLS connection of which no server's signature is kept, and why."""

    connection: int
    host: str
    port: int
    address: str
    reason: str  # one sentence without a full stop


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSignatures:
    """What `capture/tls.json` holds: each TLS connection of a capture, once."""

    sessions: tuple[SignedSession, ...] = ()
    unsigned: tuple[UnsignedConnection, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsRecording:
    """One TLS connection of a capture, after its bytes were read."""

    connection: int
    host: str
    port: int
    address: str
    handshake: Handshake | None
    problem: str = ""  # of TlsConnection


# --- from a capture ----------------------------------------------------------------------------


def gather(
    connections: Iterable[TlsRecording], *, is_late: Callable[[], bool] = lambda: False
) -> ServerSignatures:
    """
    Return the signatures of a capture's TLS connections, each checked, and who has none.

    A resumed connection is named at the one that has the certificate: by its ticket, or
    else as the newest before it to the same host and port.

    Args:
        is_late: Whether no more time is to be spent: what is left is named, and unsigned.
    """
    sessions: dict[int, SignedSession] = {}
    unsigned: list[UnsignedConnection] = []
    roots: dict[str, int] = {}  # ticket → the connection whose server signed
    hosts: dict[tuple[str, int], int] = {}
    for connection in sorted(connections, key=lambda connection: connection.connection):
        outcome = (
            "the connection was not checked, because the time limit was reached"
            if is_late()
            else _session(connection)
        )
        if isinstance(outcome, SignedSession):
            sessions[connection.connection] = outcome
            hosts[outcome.host, outcome.port] = root = connection.connection
        elif connection.handshake is not None and connection.handshake.resumed:
            by_ticket = roots.get(connection.handshake.ticket)
            by_host = hosts.get((_host(connection.host), connection.port))
            found = by_ticket if by_ticket is not None else by_host
            if found is None:
                unsigned.append(
                    _unsigned(
                        connection,
                        "the connection resumes an earlier connection that this "
                        "record does not contain",
                    )
                )
                continue
            root = found
            link = Resumption(
                connection=connection.connection, by="host" if by_ticket is None else "ticket"
            )
            first = sessions[root]
            sessions[root] = replace(first, resumed=(*first.resumed, link))
        else:
            unsigned.append(_unsigned(connection, outcome))
            continue
        if connection.handshake is not None:
            roots.update(dict.fromkeys(connection.handshake.tickets, root))
    return ServerSignatures(sessions=tuple(sessions.values()), unsigned=tuple(unsigned))


def _session(connection: TlsRecording) -> SignedSession | str:
    """Return the session, or why there is none."""
    handshake = connection.handshake
    if handshake is None:
        return _with(connection.problem, "no TLS handshake was read")
    if not handshake.messages:
        if handshake.chain and handshake.version == "TLS 1.2" and "_ECDHE_" not in handshake.cipher:
            return f"the key exchange of {handshake.cipher} has no signature that is supported"
        return _with(connection.problem, "the handshake ended before the server sent a signature")
    try:
        said = _read(handshake.messages)
        # In TLS 1.3 the staple is in the messages; in TLS 1.2 beside them, and unsigned.
        is_12 = said.answer.version == TLS_1_2 and len(handshake.ocsp) <= _MAX_STAPLE
        staple = handshake.ocsp if is_12 else b""
        session = SignedSession(
            connection=connection.connection,
            host=_host(connection.host),
            port=connection.port,
            address=connection.address,
            version=named(VERSIONS, said.answer.version),
            cipher=named(CIPHERS, said.answer.cipher),
            group=named(GROUPS, said.group),
            alpn=said.alpn,
            signature_scheme=named(SIGNATURE_SCHEMES, said.scheme),
            messages=handshake.messages,
            chain=said.certificates.chain,
            names_host=_names_host(_leaf(said), _host(connection.host)),
            ocsp=staple,
            timestamps=_timestamps(said, staple),
        )
    except (TlsMalformed, _CheckFailed, _CheckNotPossible) as error:
        return str(error)
    return check(session) or session


def _unsigned(connection: TlsRecording, reason: str) -> UnsignedConnection:
    return UnsignedConnection(
        connection=connection.connection,
        host=_host(connection.host)[:_MAX_TEXT],
        port=connection.port,
        address=connection.address,
        reason=reason[:_MAX_TEXT],
    )


def _with(problem: str, reason: str) -> str:
    return f"{reason} ({problem})" if problem else reason


# --- the check ---------------------------------------------------------------------------------


class _CheckFailed(Exception):
    """The check does not hold; the message says why."""


class _CheckNotPossible(Exception):
    """The check could not be made here; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _SignedMessages:
    """What the messages say, and what the server signed of them."""

    hello: ClientHello
    answer: ServerHello
    certificates: messages.CertificateList
    group: int
    alpn: str
    scheme: int
    signature: bytes
    content: bytes  # that the signature is over


def check(session: SignedSession) -> str:
    """Return "" when `judge` says PASSED, else why it does not."""
    return judge(session)[1]


Decompress = Callable[[bytes], tuple[str, bytes | None]]


def judge(
    session: SignedSession, decompress: Decompress = messages.decompressed
) -> tuple[Verdict, str]:
    """
    Return whether the server's signature holds and all that the session claims follows from it.

    That is: the signature is by the leaf's key over these messages, by an algorithm that
    the client offered and TLS allows; the client asked for the host, and the leaf names it
    (or does not, where `names_host` is false); version, cipher suite, group, protocol,
    chain and timestamps are those of the messages. The chain is not followed to a root.
    INDETERMINATE only where the library at hand does not know the kind of key, or where the
    certificate is not decompressed.

    Args:
        decompress: What reads a compressed certificate: one for all sessions of a file.

    Returns:
        The verdict, and why it is not PASSED in one sentence without a full stop.
    """
    try:
        said = _read(session.messages, decompress)
        leaf = _leaf(said)
        _check_claims(session, said)
        _check_signature(said, leaf)
        _check_host(session, said, leaf)
    except (TlsMalformed, _CheckFailed) as error:
        return Verdict.FAILED, str(error)
    except _CheckNotPossible as error:
        return Verdict.INDETERMINATE, str(error)
    return Verdict.PASSED, ""


def _read(sent: Sequence[bytes], decompress: Decompress = messages.decompressed) -> _SignedMessages:
    """Read the messages of a handshake, which have to be those, all of them and in order."""
    if not 4 <= len(sent) <= 8:
        raise TlsMalformed(
            "the recorded messages are not the messages of a handshake up to the "
            "signature of the server"
        )
    hello, answer = messages.client_hello(sent[0]), messages.server_hello(sent[1])
    start = 2
    if answer.is_retry:
        first, retry = hello, answer
        hello, answer = messages.client_hello(sent[2]), messages.server_hello(sent[3])
        start = 4
        same = (hello.random, hello.server_name) == (first.random, first.server_name)
        if not same or answer.cipher != retry.cipher or answer.is_retry:
            raise TlsMalformed("the second hello messages do not match the first ones")
    if answer.version == TLS_1_3:
        return _read_13(sent, hello, answer, start, decompress)
    if answer.version == TLS_1_2 and start == 2:
        return _read_12(sent, hello, answer)
    raise TlsMalformed(f"{named(VERSIONS, answer.version)} is not supported")


def _read_13(
    sent: Sequence[bytes],
    hello: ClientHello,
    answer: ServerHello,
    start: int,
    decompress: Decompress,
) -> _SignedMessages:
    suite = TLS_1_3_SUITES.get(answer.cipher)
    if suite is None:
        raise TlsMalformed(f"{named(CIPHERS, answer.cipher)} is not a cipher suite of TLS 1.3")
    rest = list(sent[start:])
    alpn, _ = messages.encrypted_extensions(rest.pop(0))
    if rest and rest[0][:1] == bytes([messages.CERTIFICATE_REQUEST]):
        messages.body(rest.pop(0), messages.CERTIFICATE_REQUEST)
    if len(rest) != 2:
        raise TlsMalformed(
            "the recorded messages are not the messages of a handshake up to the "
            "signature of the server"
        )
    shown = rest[0]
    if shown[:1] == bytes([messages.COMPRESSED_CERTIFICATE]):
        name, inner = decompress(shown)
        if inner is None:
            raise _CheckNotPossible(
                f"the compressed certificate cannot be decompressed (compression: {name})"
            )
        shown = inner
    scheme, signature = messages.certificate_verify(rest[1])
    signed = sent[:-1]
    transcript = hashlib.new(suite.hash)
    if start == 4:  # RFC 8446 section 4.4.1: a hash stands in for the first hello
        first = hashlib.new(suite.hash, sent[0]).digest()
        transcript.update(bytes([messages.MESSAGE_HASH, 0, 0, len(first)]) + first)
        signed = sent[1:-1]
    for message in signed:
        transcript.update(message)
    return _SignedMessages(
        hello=hello,
        answer=answer,
        certificates=messages.certificate(shown, version=TLS_1_3),
        group=answer.group,
        alpn=alpn,
        scheme=scheme,
        signature=signature,
        content=_CONTEXT + transcript.digest(),
    )


def _read_12(sent: Sequence[bytes], hello: ClientHello, answer: ServerHello) -> _SignedMessages:
    if len(sent) != 4:
        raise TlsMalformed(
            "the recorded messages are not the messages of a handshake up to the "
            "signature of the server"
        )
    if "_ECDHE_" not in (suite := named(CIPHERS, answer.cipher)):
        raise TlsMalformed(
            f"with the cipher suite {suite}, the server makes no supported signature with the key "
            "of its certificate"
        )
    exchange = messages.server_key_exchange(sent[3])
    certificates = messages.certificate(sent[2], version=TLS_1_2)
    return _SignedMessages(
        hello=hello,
        answer=answer,
        certificates=replace(certificates, sct_list=answer.sct_list),
        group=exchange.group,
        alpn=answer.alpn,
        scheme=exchange.scheme,
        signature=exchange.signature,
        content=hello.random + answer.random + exchange.params,
    )


def _leaf(said: _SignedMessages) -> Certificate:
    if not said.certificates.chain:
        raise _CheckFailed("the server sent no certificate")
    try:
        return certificates.read(said.certificates.chain[0])
    except CertificateInvalid as error:
        raise _CheckFailed("the server's certificate cannot be read") from error


def _check_claims(session: SignedSession, said: _SignedMessages) -> None:
    for what, claimed, table, number in (
        ("version", session.version, VERSIONS, said.answer.version),
        ("cipher suite", session.cipher, CIPHERS, said.answer.cipher),
        ("group", session.group, GROUPS, said.group),
        ("signature scheme", session.signature_scheme, SIGNATURE_SCHEMES, said.scheme),
    ):
        # By the number as well: whoever sealed it may not have known the name yet.
        if claimed not in (named(table, number), named({}, number)):
            is_so = named(table, number)
            raise _CheckFailed(
                f"the record states the {what} {claimed!r}, but the handshake has {is_so!r}"
            )
    if session.alpn != said.alpn:
        raise _CheckFailed(
            f"the record states the protocol {session.alpn!r}, but the handshake has {said.alpn!r}"
        )
    if session.chain != said.certificates.chain:
        raise _CheckFailed("the certificate chain differs from the chain in the handshake")
    if session.ocsp and said.answer.version != TLS_1_2:
        raise _CheckFailed(
            "the record contains an OCSP answer outside the handshake, but in TLS "
            "1.3 the OCSP answer is a part of the handshake"
        )
    if session.timestamps != _timestamps(said, session.ocsp):
        raise _CheckFailed(
            "the certificate timestamps differ from the certificate timestamps in the handshake"
        )


def _check_signature(said: _SignedMessages, leaf: Certificate) -> None:
    """Check the signature by the leaf's key; RFC 8446 section 4.2.3 says what a scheme allows."""
    name = named(SIGNATURE_SCHEMES, said.scheme)
    if said.scheme not in said.hello.schemes:
        raise _CheckFailed(f"the client did not offer the signature scheme {name}")
    # By the certificate's words, and not by what the library makes of them: another kind of key
    # cannot have signed, whether it is known here or not.
    is_13 = said.answer.version == TLS_1_3
    is_known = leaf.key_kind in _KNOWN_KINDS or leaf.key_curve in _CURVES.values()
    if leaf.key_kind != _KINDS.get(name.partition("_")[0]):
        raise _CheckFailed(
            f"the key of the certificate cannot make a signature of the scheme {name}"
        )
    if is_13 and name in _CURVES and leaf.key_curve != _CURVES[name]:
        raise _CheckFailed(
            f"the key of the certificate is not on the curve that the signature scheme {name} "
            "requires"
        )
    try:
        key = serialization.load_der_public_key(leaf.spki)
    except (ValueError, UnsupportedAlgorithm, OverflowError) as error:
        if is_known:
            raise _CheckFailed("the key of the server's certificate cannot be read") from error
        raise _CheckNotPossible(
            "the kind of key in the server's certificate is not supported"
        ) from error
    if isinstance(key, rsa.RSAPublicKey) and not 1024 <= key.key_size <= _MAX_RSA_BITS:
        raise _CheckFailed(f"an RSA key of {key.key_size} bits is not accepted")
    hash_name = name.rpartition("_")[2]
    try:
        if _hashes_itself(key, name, is_13=is_13):
            key.verify(said.signature, said.content)
        elif name.startswith("ecdsa_secp") and isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(said.signature, said.content, ec.ECDSA(_HASHES[hash_name]()))
        elif name.startswith("rsa_pss_rsae_") and isinstance(key, rsa.RSAPublicKey):
            hashed = _HASHES[hash_name]()
            pss = padding.PSS(mgf=padding.MGF1(hashed), salt_length=hashed.digest_size)
            key.verify(said.signature, said.content, pss, hashed)
        elif (
            name.startswith("rsa_pkcs1_")
            and hash_name in _HASHES  # SHA-1 is not
            and not is_13
            and isinstance(key, rsa.RSAPublicKey)
        ):
            key.verify(said.signature, said.content, padding.PKCS1v15(), _HASHES[hash_name]())
        else:
            raise _CheckFailed(
                f"the key of the certificate cannot make a signature of the scheme {name}"
            )
    except InvalidSignature:
        raise _CheckFailed("the server's signature over the handshake is not valid") from None
    except (ValueError, UnsupportedAlgorithm, OverflowError) as error:
        raise _CheckFailed("the server's signature cannot be checked") from error


def _hashes_itself(
    key: object, name: str, *, is_13: bool
) -> "TypeGuard[ed25519.Ed25519PublicKey | mldsa.MLDSA44PublicKey]":
    """Whether this is Ed25519, or ML-DSA (FIPS 204), of which older libraries know no keys."""
    if name.startswith("mldsa"):
        return is_13 and type(key).__name__ == f"{name.upper()}PublicKey"
    return name == "ed25519" and isinstance(key, ed25519.Ed25519PublicKey)


def _check_host(session: SignedSession, said: _SignedMessages, leaf: Certificate) -> None:
    asked = "" if _address(session.host) is not None else session.host
    if said.hello.server_name != asked:
        raise _CheckFailed(
            f"the client requested the server name {said.hello.server_name!r}, but the record "
            f"states {asked!r}"
        )
    if _names_host(leaf, session.host) != session.names_host:
        word = "does not name" if session.names_host else "names"
        raise _CheckFailed(
            f"the server's certificate {word} {session.host!r}, but the record states the contrary"
        )


def _names_host(leaf: Certificate, host: str) -> bool:
    """Whether a subject alternative name is the host's (RFC 6125 section 6.4); no other name is."""
    try:
        names = certificates.names(leaf)
    except CertificateInvalid as error:
        raise _CheckFailed("the names in the server's certificate cannot be read") from error
    address = _address(host)
    if address is not None:
        return address.packed in names.addresses
    return any(_matches(pattern.lower(), host) for pattern in names.dns)


def _matches(pattern: str, host: str) -> bool:
    """A wildcard is the whole leftmost label, stands for one label, and two follow it."""
    if not pattern.startswith("*."):
        return pattern.rstrip(".") == host
    _, _, rest = host.partition(".")
    return rest == pattern[2:] and "." in rest and host[0] != "."


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _host(host: str) -> str:
    """Return a host as it is compared: lowercase, without brackets and the dot at its end."""
    return host.strip("[]").lower().removesuffix(".")


def _timestamps(said: _SignedMessages, staple: bytes) -> tuple[CertificateTimestamp, ...]:
    shown = said.certificates
    return timestamps(shown.chain[0], shown.sct_list, shown.ocsp or staple)


# --- the document ------------------------------------------------------------------------------


def encode(signatures: ServerSignatures) -> bytes:
    """
    Return the bytes of `capture/tls.json`.

    What would be beyond the limits of the document is left out and named in it; the
    first session of each host goes before all others.
    """
    signatures = _fitted(signatures)
    return canonical_json.dumps(
        {
            "format": FORMAT,
            "sessions": [_session_json(session) for session in signatures.sessions],
            "unsigned": _unsigned_json(signatures.unsigned),
        }
    )


def parse(data: bytes) -> ServerSignatures:
    """
    Read what `encode` writes; nothing of it is checked but its form.

    Raises:
        EvidenceInvalid: It is longer than it may be, or not of this form.
    """
    if len(data) > MAX_BYTES:
        raise EvidenceInvalid(tr("the file is longer than {max_bytes} bytes", max_bytes=MAX_BYTES))
    value = canonical_json.loads(data, max_values=_MAX_VALUES)
    fields = _object(value, {"format", "sessions", "unsigned"})
    if fields["format"] != FORMAT:
        raise EvidenceInvalid(tr("the file is not of the format {format}", format=FORMAT))
    return ServerSignatures(
        sessions=tuple(
            _parse_session(session) for session in _list(fields["sessions"], MAX_SESSIONS)
        ),
        unsigned=tuple(
            _parse_unsigned(connection) for connection in _list(fields["unsigned"], MAX_CONNECTIONS)
        ),
    )


_SESSION_FIELDS = {
    *("address", "alpn", "chain", "cipher", "connection", "group", "host", "messages"),
    *("names_host", "ocsp", "port", "resumed", "signature_scheme", "timestamps", "version"),
}


def _session_json(session: SignedSession) -> dict[str, Any]:
    return {
        "address": session.address,
        "alpn": session.alpn,
        "chain": [_pem(der) for der in session.chain],
        "cipher": session.cipher,
        "connection": session.connection,
        "group": session.group,
        "host": session.host,
        "messages": [base64.b64encode(message).decode() for message in session.messages],
        "names_host": session.names_host,
        "ocsp": base64.b64encode(session.ocsp).decode(),
        "port": session.port,
        "resumed": [
            {"by": resumed.by, "connection": resumed.connection} for resumed in session.resumed
        ],
        "signature_scheme": session.signature_scheme,
        "timestamps": [
            {"at_ms": timestamp.at_ms, "log_id": timestamp.log_id, "source": timestamp.source}
            for timestamp in session.timestamps
        ],
        "version": session.version,
    }


def _unsigned_json(connections: Iterable[UnsignedConnection]) -> list[Any]:
    return [
        {
            "address": connection.address,
            "connection": connection.connection,
            "host": connection.host,
            "port": connection.port,
            "reason": connection.reason,
        }
        for connection in connections
    ]


def _parse_session(value: Any) -> SignedSession:
    fields = _object(value, _SESSION_FIELDS)
    host = _text(fields["host"])
    if not host or host != _host(host):
        raise EvidenceInvalid(tr("a host is not in its canonical form: {host!r}", host=host))
    if type(fields["names_host"]) is not bool:
        raise EvidenceInvalid(tr("the field names_host is neither true nor false"))
    return SignedSession(
        connection=_number(fields["connection"]),
        host=host,
        port=_number(fields["port"], 65_535),
        address=_text(fields["address"]),
        version=_text(fields["version"]),
        cipher=_text(fields["cipher"]),
        group=_text(fields["group"]),
        alpn=_text(fields["alpn"]),
        signature_scheme=_text(fields["signature_scheme"]),
        messages=tuple(
            _base64(message, messages.MAX_MESSAGE) for message in _list(fields["messages"], 8)
        ),
        chain=tuple(
            _der(certificate) for certificate in _list(fields["chain"], messages.MAX_CERTIFICATES)
        ),
        names_host=fields["names_host"],
        ocsp=_base64(fields["ocsp"], _MAX_STAPLE),
        timestamps=tuple(
            _parse_timestamp(timestamp) for timestamp in _list(fields["timestamps"], MAX_TIMESTAMPS)
        ),
        resumed=tuple(
            _parse_resumed(session) for session in _list(fields["resumed"], MAX_CONNECTIONS)
        ),
    )


def _parse_unsigned(value: Any) -> UnsignedConnection:
    fields = _object(value, {"address", "connection", "host", "port", "reason"})
    return UnsignedConnection(
        connection=_number(fields["connection"]),
        host=_text(fields["host"]),
        port=_number(fields["port"], 65_535),
        address=_text(fields["address"]),
        reason=_text(fields["reason"]),
    )


def _parse_timestamp(value: Any) -> CertificateTimestamp:
    fields = _object(value, {"at_ms", "log_id", "source"})
    return CertificateTimestamp(
        source=_text(fields["source"]),
        log_id=_text(fields["log_id"]),
        at_ms=_number(fields["at_ms"], (1 << 53) - 1),
    )


def _parse_resumed(value: Any) -> Resumption:
    fields = _object(value, {"by", "connection"})
    if fields["by"] not in ("host", "ticket"):
        raise EvidenceInvalid(tr("the field by of a resumed connection is neither ticket nor host"))
    return Resumption(connection=_number(fields["connection"]), by=fields["by"])


def _fitted(signatures: ServerSignatures) -> ServerSignatures:
    """Return what fits into one document; what does not is named as unsigned."""
    seen: set[tuple[str, int]] = set()
    first: list[SignedSession] = []
    more: list[SignedSession] = []
    for session in signatures.sessions:
        (more if (session.host, session.port) in seen else first).append(session)
        seen.add((session.host, session.port))
    kept: list[SignedSession] = []
    opened: set[bytes] = set()
    left = messages.MAX_DECOMPRESSED_OF_FILE
    left_out = list(signatures.unsigned)
    room = MAX_BYTES - len(canonical_json.dumps(_unsigned_json(signatures.unsigned)))
    room -= 512 * len(signatures.sessions)  # what each takes when it is left out
    for session in (*first, *more):
        size = sum(map(len, (*session.messages, *session.chain, session.ocsp))) * 7 // 5 + 4096
        size += 512 * len(session.resumed)
        packed = {
            message
            for message in session.messages
            if message[:1] == bytes([messages.COMPRESSED_CERTIFICATE]) and message not in opened
        }
        unpacked = sum(map(messages.announced_length, packed))
        if size <= room and unpacked <= left and len(kept) < MAX_SESSIONS:
            room -= size
            left -= unpacked
            opened |= packed
            kept.append(session)
            continue
        for number in (session.connection, *(resumed.connection for resumed in session.resumed)):
            left_out.append(
                UnsignedConnection(
                    connection=number,
                    host=session.host,
                    port=session.port,
                    address=session.address if number == session.connection else "",
                    reason="the signature was not recorded, because the capture has more "
                    "signatures than one record can contain",
                )
            )
    return ServerSignatures(
        sessions=tuple(sorted(kept, key=lambda session: session.connection)),
        unsigned=tuple(sorted(left_out, key=lambda connection: connection.connection)),
    )


def _pem(der: bytes) -> str:
    """Return a certificate as RFC 7468 writes it, whether it is one or not."""
    text = base64.b64encode(der).decode()
    lines = "".join(f"{text[at : at + 64]}\n" for at in range(0, len(text), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}-----END CERTIFICATE-----\n"


_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=\n]*)-----END CERTIFICATE-----\n")


def _der(value: Any) -> bytes:
    match = _PEM.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise EvidenceInvalid(tr("a certificate in the record is not in PEM format"))
    der = _base64(match[1].replace("\n", ""), messages.MAX_MESSAGE)
    if _pem(der) != value:
        raise EvidenceInvalid(tr("a certificate is not in the canonical form of PEM"))
    return der


def _object(value: Any, keys: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != keys:
        raise EvidenceInvalid(
            tr(
                "an object in the record does not have exactly these fields: {keys}",
                keys=", ".join(sorted(keys)),
            )
        )
    return value


def _list(value: Any, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise EvidenceInvalid(
            tr(
                "a value in the record is not a list, or the list has more than {most} entries",
                most=most,
            )
        )
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise EvidenceInvalid(
            tr(
                "a value in the record is not a text, or the text has more than {max_text} "
                "characters",
                max_text=_MAX_TEXT,
            )
        )
    return value


def _number(value: Any, most: int = MAX_CONNECTIONS * 100) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise EvidenceInvalid(
            tr("a value in the record is not a whole number from 0 to {most}", most=most)
        )
    return value


def _base64(value: Any, most: int) -> bytes:
    if not isinstance(value, str) or len(value) > 4 * most // 3 + 4:
        raise EvidenceInvalid(
            tr("a value in the record is not base64, or has more than {most} bytes", most=most)
        )
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise EvidenceInvalid(tr("a value in the record is not base64")) from error
    if len(data) > most:
        raise EvidenceInvalid(
            tr("a value in the record is not base64, or has more than {most} bytes", most=most)
        )
    if base64.b64encode(data).decode() != value:
        raise EvidenceInvalid(tr("a base64 value in the record is not in canonical form"))
    return data
