"""
Build RFC 3161 timestamp requests, read responses, and check tokens of given authorities.

rfc3161-client (OpenSSL) checks the chain of certificates. OpenSSL ignores much of a token: the
name of the signature's algorithm, lists of digests, unsigned attributes, revocation lists,
certificates that are not needed. An ignored byte could be changed without notice. So this module
first reads the token as strict DER, in which every byte is accounted for, and checks its signature
as well. Both checks must agree.

`check_response` takes these steps in order; the first one that fails gives the code:

    (1) size, DER, structure, a response that grants       TS_MALFORMED
    (2) the token agrees with itself: digest of its        TS_MALFORMED
        content, signer's certificate (RFC 5035), signature
    (3) the signer may sign time, its certificates lead    TS_UNTRUSTED
        to the root, at the token's own time
    (4) the signer is not on the list of revoked ones      TS_REVOKED
    (5) the policy is one of those wanted                  TS_POLICY
    (6) imprint and nonce are those of this message        TS_IMPRINT

So TS_IMPRINT means that the token is good, but for another message. This module uses neither files
nor the network, and reads no clock.
"""

import functools
import hashlib
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.printable import printable
from snapshotter.model.finding import Code
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

MAX_RESPONSE_BYTES: Final = 64 << 10  # real ones have 3 to 8 KiB
_MAX_CERTIFICATES: Final = 8
_MAX_OID: Final = 64  # bytes
_MAX_DEPTH: Final = 32  # of nested DER; real tokens stay below 16
_MAX_STATUS_BYTES: Final = 256  # of the free text beside the status; nothing signs it

ImprintAlgorithm = Literal["sha256", "sha384", "sha512"]

_GRANTED: Final = 0  # PKIStatus; "granted with modifications" is not what we asked for
_STATUS: Final = {
    1: "granted with modifications",
    2: "rejection",
    3: "waiting",
    4: "revocation warning",
    5: "revocation notification",
}
_FAILURE: Final = {  # PKIFailureInfo, RFC 3161 section 2.4.2
    0: "badAlg",
    2: "badRequest",
    5: "badDataFormat",
    14: "timeNotAvailable",
    15: "unacceptedPolicy",
    16: "unacceptedExtension",
    17: "addInfoNotAvailable",
    25: "systemFailure",
}

_SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
_TST_INFO: Final = "1.2.840.113549.1.9.16.1.4"
_CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
_SIGNING_CERTIFICATE: Final = "1.2.840.113549.1.9.16.2.12"  # ESSCertID, SHA-1
_SIGNING_CERTIFICATE_V2: Final = "1.2.840.113549.1.9.16.2.47"  # ESSCertIDv2
_DIGESTS: Final[dict[str, ImprintAlgorithm]] = {
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
_HASHES: Final[dict[str, hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
_RSA_KEY: Final = "1.2.840.113549.1.1.1"
_EC_KEY: Final = "1.2.840.10045.2.1"
# How a token may name its signature's algorithm, by kind of key and digest. The
# first two name the kind of key alone, and many authorities write just that.
_RSA_NAMES: Final = {
    _RSA_KEY: ("sha256", "sha384", "sha512"),
    "1.2.840.113549.1.1.11": ("sha256",),
    "1.2.840.113549.1.1.12": ("sha384",),
    "1.2.840.113549.1.1.13": ("sha512",),
}
_EC_NAMES: Final = {
    _EC_KEY: ("sha256", "sha384", "sha512"),
    "1.2.840.10045.4.3.2": ("sha256",),
    "1.2.840.10045.4.3.3": ("sha384",),
    "1.2.840.10045.4.3.4": ("sha512",),
}

# DER tags (X.690): universal, and context-specific where a type here uses one.
_BOOLEAN: Final = 0x01
_INTEGER: Final = 0x02
_BIT_STRING: Final = 0x03
_OCTET_STRING: Final = 0x04
_NULL: Final = 0x05
_OID: Final = 0x06
_UTF8: Final = 0x0C
_TIME: Final = 0x18  # GeneralizedTime
_SEQUENCE: Final = 0x30
_SET: Final = 0x31
_CONTEXT_0: Final = 0x80
_CONTEXT_1: Final = 0x81
_EXPLICIT_0: Final = 0xA0
_EXPLICIT_1: Final = 0xA1
_LONGEST_NAME: Final = 300  # characters of a certificate's name in a sentence
# From the year 1000 on; DER has no zeros at the end of a fraction (X.690 section 11.7.3).
_GEN_TIME = re.compile(rb"([1-9]\d{13})(?:\.(\d{0,8}[1-9]))?Z")


class TokenInvalid(EvidenceInvalid):
    """
    A response is not a good token over these bytes.

    `code` is TS_MALFORMED, TS_UNTRUSTED, TS_REVOKED, TS_POLICY or TS_IMPRINT.
    """

    def __init__(self, message: str, code: Code = Code.TS_MALFORMED) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a token says. Nothing of it is proven before `check_response` returned it."""

    time: datetime  # aware, UTC, to the microsecond (finer digits are cut off)
    policy_oid: str
    serial: int  # of the token, unique for its authority
    accuracy_ms: int | None  # rounded up; None: the authority does not say
    imprint_algorithm: ImprintAlgorithm
    signer_subject: str  # RFC 4514
    signer_not_after: datetime  # aware, UTC
    nonce: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """An authority as we trust it: from configuration or a trust file, never from a bundle."""

    name: str
    root: x509.Certificate  # self-signed; the only one that a chain may end in
    policy_oids: frozenset[str] = frozenset()  # empty: any
    revoked_serials: frozenset[int] = frozenset()  # of signers' certificates

    def __post_init__(self) -> None:
        if self.root.issuer != self.root.subject:
            raise ValueError(f"the root of {self.name} is not self-signed")

    @property
    def witness(self) -> bytes:
        """Who it is, whatever its name: the root's public key, for certificates are renewed."""
        return self.root.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def build_request(message: bytes, *, nonce: int) -> bytes:
    """
    Return a TimeStampReq over the SHA-512 of `message`, DER.

    It asks for the signer's certificate, because a token has to be checkable
    from its own bytes, and for no policy. (rfc3161-client builds requests too,
    with a nonce of its own; ours comes from the caller's IdSource.)
    """
    if not message:
        raise ValueError("there is nothing to timestamp")
    if not 0 < nonce < 1 << 64:
        raise ValueError("a nonce is a positive number of at most 64 bits")
    algorithm = _encode(_SEQUENCE, bytes.fromhex("0609608648016503040203") + b"\x05\x00")
    imprint = _encode(
        _SEQUENCE, algorithm + _encode(_OCTET_STRING, hashlib.sha512(message).digest())
    )
    return _encode(
        _SEQUENCE,
        _encode(_INTEGER, b"\x01")
        + imprint
        + _encode(_INTEGER, nonce.to_bytes(nonce.bit_length() // 8 + 1, "big"))
        + _encode(_BOOLEAN, b"\xff"),
    )


def read_token(response: bytes) -> Token:
    """
    Return what a response says, without believing any of it.

    Raises:
        TokenInvalid: TS_MALFORMED; also for a response that refuses, with its reason.
    """
    return _parse(response).token


def check_whole(response: bytes) -> None:
    """
    See that a response holds a token that agrees with itself, by whomever and over whatever.

    Raises:
        TokenInvalid: TS_MALFORMED; TS_UNTRUSTED for a kind of key that cannot be checked here.
    """
    parsed = _parse(response)
    with _ours(Code.TS_MALFORMED, tr("the parts of the token contradict each other")):
        _check_self_consistency(parsed)


def check_subject(response: bytes, message: bytes) -> None:
    """
    See that a response holds a whole token over `message`, by whomever.

    Raises:
        TokenInvalid: TS_MALFORMED or TS_IMPRINT; TS_UNTRUSTED for a kind of key that cannot be
            checked here.
    """
    parsed = _parse(response)
    with _ours(Code.TS_MALFORMED, tr("the token contradicts itself")):
        _check_self_consistency(parsed)
    _check_imprint(parsed, message)


def is_token_over(response: bytes, message: bytes) -> bool:
    """Return whether a response holds a whole token over `message`, by whomever."""
    try:
        check_subject(response, message)
    except TokenInvalid:
        return False
    return True


def check_response(
    response: bytes, message: bytes, anchor: Anchor, *, nonce: int | None = None
) -> Token:
    """
    Return the token of a response that is good: from `anchor`, over `message`.

    Args:
        response: The whole TimeStampResp as the authority sent it, DER.
        nonce: What the request had; None for a token from a bundle, whose
            request is long gone.

    Raises:
        TokenInvalid: With the code of the first step that failed (see the module).
    """
    parsed = _parse(response)  # (1)
    with _ours(Code.TS_MALFORMED, tr("the token contradicts itself")):
        _check_self_consistency(parsed)  # (2)
    with _ours(
        Code.TS_UNTRUSTED,
        tr(
            "the certificates of the token do not lead to the root certificate of {name}",
            name=anchor.name,
        ),
    ):
        _check_signer(parsed)  # (3)
        _check_certificates(parsed, anchor)
        _check_with_client(response, parsed, anchor)
    if parsed.signer.serial_number in anchor.revoked_serials:  # (4)
        raise TokenInvalid(
            tr("the certificate that signed the token of {name} was revoked", name=anchor.name),
            Code.TS_REVOKED,
        )
    if anchor.policy_oids and parsed.token.policy_oid not in anchor.policy_oids:  # (5)
        raise TokenInvalid(
            tr(
                "the policy {policy_oid} of the token is not one of the accepted policies of "
                "{name}",
                policy_oid=parsed.token.policy_oid,
                name=anchor.name,
            ),
            Code.TS_POLICY,
        )
    _check_imprint(parsed, message)  # (6)
    if nonce is not None and parsed.token.nonce != nonce:
        raise TokenInvalid(
            tr("the token belongs to another request, because the nonce differs"), Code.TS_IMPRINT
        )
    return parsed.token


def check_by_any(
    response: bytes, message: bytes, anchors: Iterable[Anchor]
) -> tuple[Anchor, Token]:
    """
    Return the token of a response that is good over `message`, and which authority gave it.

    Raises:
        TokenInvalid: With the refusal of the authority that gave it. Where that is none of
            `anchors`, with the name that the token gives its maker.
    """
    check_whole(response)  # also where nobody is trusted
    refusals: list[tuple[Anchor, TokenInvalid]] = []
    for anchor in anchors:
        try:
            return anchor, check_response(response, message, anchor)
        except TokenInvalid as error:
            refusals.append((anchor, error))
    if not refusals:
        raise TokenInvalid(tr("you trust no timestamp authority"), Code.TS_UNTRUSTED)
    # An authority that is not this token's says "untrusted"; the one that is says what is wrong.
    for _, refusal in refusals:
        if refusal.code is not Code.TS_UNTRUSTED:
            raise refusal
    for anchor, refusal in refusals:
        if _names(response, anchor):
            raise refusal
    raise _by_a_stranger(response, [anchor for anchor, _ in refusals])


def _names(response: bytes, anchor: Anchor) -> bool:
    """Whether a token says that its certificates lead to an authority, true or not."""
    return any(
        certificate.issuer == anchor.root.subject for certificate in _parse(response).certificates
    )


def _by_a_stranger(response: bytes, tried: Sequence[Anchor]) -> TokenInvalid:
    signer = _parse(response).signer
    subject, issuer = (_shown_name(name) for name in (signer.subject, signer.issuer))
    return TokenInvalid(
        tr(
            "no timestamp authority that you trust made this token. The token was signed with a "
            "certificate for {subject}, issued by {issuer}. The trusted timestamp authorities "
            "are {name}",
            subject=subject,
            issuer=issuer,
            name=", ".join(anchor.name for anchor in tried),
        ),
        Code.TS_UNTRUSTED,
    )


def _shown_name(name: x509.Name) -> str:
    text = printable(name.rfc4514_string())
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…"


def _check_imprint(parsed: "_Parsed", message: bytes) -> None:
    digest = hashlib.new(parsed.token.imprint_algorithm, message).digest()
    if parsed.imprint != digest:
        raise TokenInvalid(tr("the token confirms the time of other data"), Code.TS_IMPRINT)


# --- (1) structure ---------------------------------------------------------------------


class _Node(NamedTuple):
    """One DER element: its tag, its content, and the bytes of both."""

    tag: int
    content: bytes
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parsed:
    token: Token
    imprint: bytes
    content: bytes  # the TSTInfo, as signed
    attributes: dict[str, _Node]  # signed attributes, by OID
    signed: bytes  # what the signature is over: the attributes as a SET
    digest: ImprintAlgorithm  # of the signature
    signature_name: str  # OID by which the token names its signature's algorithm
    signature: bytes
    signer: x509.Certificate
    certificates: tuple[x509.Certificate, ...]  # the signer among them
    bag: bytes  # the same as they lie in the token


class _Fields:
    """The elements inside a constructed one, taken in order; none may be left over."""

    def __init__(self, node: _Node, what: str) -> None:
        self._nodes = _children(node.content)
        self._next = 0
        self._what = what

    def take(self, tag: int) -> _Node:
        """Return the next element, which has to have this tag."""
        node = self.maybe(tag)
        if node is None:
            raise TokenInvalid(tr("{what} does not have the required fields", what=self._what))
        return node

    def maybe(self, tag: int) -> _Node | None:
        """Return the next element if it has this tag."""
        if self._next < len(self._nodes) and self._nodes[self._next].tag == tag:
            self._next += 1
            return self._nodes[self._next - 1]
        return None

    def end(self) -> None:
        """Refuse what is left."""
        if self._next != len(self._nodes):
            raise TokenInvalid(tr("{what} contains an unexpected field", what=self._what))


def _parse(response: bytes) -> _Parsed:
    if len(response) > MAX_RESPONSE_BYTES:
        raise TokenInvalid(
            tr(
                "the response is longer than {max_response_bytes} bytes",
                max_response_bytes=MAX_RESPONSE_BYTES,
            )
        )
    with _ours(Code.TS_MALFORMED, tr("the response is not a timestamp")):
        _check_der(response)
        fields = _Fields(_only(response, _SEQUENCE, "the response"), "the response")
        _check_status(fields.take(_SEQUENCE))
        token = _Fields(fields.take(_SEQUENCE), "the token")
        fields.end()
        if _oid(token.take(_OID)) != _SIGNED_DATA:
            raise TokenInvalid(tr("the token is not signed data"))
        body = _only(token.take(_EXPLICIT_0).content, _SEQUENCE, "the token")
        token.end()
        return _parse_signed_data(body)


def _check_status(info: _Node) -> None:
    fields = _Fields(info, "the status")
    status = _integer(fields.take(_INTEGER))
    texts = fields.maybe(_SEQUENCE)
    failure = fields.maybe(_BIT_STRING)
    fields.end()
    text = ""
    if texts is not None:
        if len(texts.content) > _MAX_STATUS_BYTES:
            raise TokenInvalid(tr("the text of the status is too long"))
        parts = [node.content.decode() for node in _children(texts.content, tag=_UTF8)]
        text = "".join(c if c.isprintable() else "?" for c in " ".join(parts))
    if status != _GRANTED:
        reasons = [text] if text else []
        reasons += _failures(failure.content) if failure is not None else []
        because = f" ({'; '.join(reasons)})" if reasons else ""
        raise TokenInvalid(
            tr(
                "the timestamp authority did not grant a timestamp: {status}{because}",
                status=_STATUS.get(status, status),
                because=because,
            )
        )
    if failure is not None:
        raise TokenInvalid(tr("the status grants the timestamp, but also states a failure"))


def _failures(bits: bytes) -> list[str]:
    # The first byte counts unused bits; bit 0 is the highest of the second byte.
    number = int.from_bytes(bits[1:], "big")
    length = 8 * (len(bits) - 1)
    return [
        name for bit, name in _FAILURE.items() if bit < length and number >> (length - 1 - bit) & 1
    ]


def _parse_signed_data(body: _Node) -> _Parsed:
    fields = _Fields(body, tr("the signed data"))
    if _integer(fields.take(_INTEGER)) != 3:  # RFC 5652 section 5.1: content is not id-data
        raise TokenInvalid(tr("the version of the signed data is not 3"))
    digests = [node.raw for node in _children(fields.take(_SET).content, tag=_SEQUENCE)]
    encapsulated = _Fields(fields.take(_SEQUENCE), tr("the signed content"))
    if _oid(encapsulated.take(_OID)) != _TST_INFO:
        raise TokenInvalid(tr("the signed content is not a timestamp"))
    content = _only(encapsulated.take(_EXPLICIT_0).content, _OCTET_STRING, "the content").content
    encapsulated.end()
    certificate_set = fields.take(_EXPLICIT_0).content
    bag = _children(certificate_set, tag=_SEQUENCE)
    infos = _children(fields.take(_SET).content, tag=_SEQUENCE)
    fields.end()  # revocation lists (tag 1) come before the infos, and are refused: unsigned
    if len(infos) != 1 or not 1 <= len(bag) <= _MAX_CERTIFICATES:
        raise TokenInvalid(
            tr(
                "the token does not have exactly one signer, or the number of "
                "certificates in the token is out of range"
            )
        )
    if len({node.raw for node in bag}) != len(bag):
        raise TokenInvalid(tr("the token contains the same certificate twice"))

    info = _Fields(infos[0], tr("the signer information"))
    if _integer(info.take(_INTEGER)) != 1:  # RFC 5652 section 5.3: issuer and serial
        raise TokenInvalid(tr("the version of the signer information is not 1"))
    signer_id = info.take(_SEQUENCE)
    digest_algorithm = info.take(_SEQUENCE)
    attributes = info.take(_EXPLICIT_0)
    signature_name = _algorithm(info.take(_SEQUENCE))
    signature = info.take(_OCTET_STRING).content
    info.end()  # unsigned attributes (tag 1) are refused: anybody could have written them
    if digests != [digest_algorithm.raw]:
        raise TokenInvalid(
            tr("the list of digest algorithms differs from the digest algorithm of the signature")
        )

    names = [_issuer_and_serial(node) for node in bag]
    certificates = tuple(x509.load_der_x509_certificate(node.raw) for node in bag)
    signers = [
        certificate
        for name, certificate in zip(names, certificates, strict=True)
        if name == signer_id.content
    ]
    if len(signers) != 1:
        raise TokenInvalid(tr("the token does not contain the certificate of the signer"))
    token, imprint = _parse_content(content, signers[0])
    return _Parsed(
        token=token,
        imprint=imprint,
        content=content,
        attributes=_parse_attributes(attributes),
        # RFC 5652 section 5.4: signed as a SET, stored under a context tag
        signed=bytes([_SET]) + attributes.raw[1:],
        digest=_digest_name(digest_algorithm),
        signature_name=signature_name,
        signature=signature,
        signer=signers[0],
        certificates=certificates,
        bag=certificate_set,
    )


def _issuer_and_serial(certificate: _Node) -> bytes:
    """Return both as a signer's identifier has them. Bytes: OpenSSL would ignore case here."""
    body = _Fields(_children(certificate.content)[0], "a certificate")
    body.maybe(_EXPLICIT_0)  # version
    serial = body.take(_INTEGER)
    if _integer(serial) <= 0:  # RFC 5280 section 4.1.2.2; the library only warns
        raise TokenInvalid(tr("the serial number of a certificate is not positive"))
    body.take(_SEQUENCE)  # algorithm of the signature
    return body.take(_SEQUENCE).raw + serial.raw


def _parse_attributes(attributes: _Node) -> dict[str, _Node]:
    found: dict[str, _Node] = {}
    nodes = _children(attributes.content, tag=_SEQUENCE)
    if [node.raw for node in nodes] != sorted(node.raw for node in nodes):
        raise TokenInvalid(tr("the signed attributes are not in the order that DER requires"))
    for node in nodes:
        fields = _Fields(node, "a signed attribute")
        name = _oid(fields.take(_OID))
        values = _children(fields.take(_SET).content)
        fields.end()
        if name in found or len(values) != 1:
            raise TokenInvalid(
                tr("a signed attribute exists twice, or does not have exactly one value")
            )
        found[name] = values[0]
    return found


def _parse_content(content: bytes, signer: x509.Certificate) -> tuple[Token, bytes]:
    _check_der(content)
    fields = _Fields(_only(content, _SEQUENCE, "the timestamp"), "the timestamp")
    if _integer(fields.take(_INTEGER)) != 1:
        raise TokenInvalid(tr("the version of the timestamp is not 1"))
    policy = _oid(fields.take(_OID))
    imprint = _Fields(fields.take(_SEQUENCE), "the imprint")
    algorithm = _digest_name(imprint.take(_SEQUENCE))
    imprinted = imprint.take(_OCTET_STRING).content
    imprint.end()
    serial = _integer(fields.take(_INTEGER))
    time = _instant(fields.take(_TIME).content)
    accuracy = fields.maybe(_SEQUENCE)
    fields.maybe(_BOOLEAN)  # ordering: says nothing about one token
    nonce = fields.maybe(_INTEGER)
    fields.maybe(_EXPLICIT_0)  # the authority's name; its certificate says it better
    extensions = fields.maybe(_EXPLICIT_1)
    fields.end()
    for extension in _children(extensions.content, tag=_SEQUENCE) if extensions else []:
        parts = _Fields(extension, tr("an extension of the timestamp"))
        parts.take(_OID)
        critical = parts.maybe(_BOOLEAN)
        parts.take(_OCTET_STRING)
        parts.end()
        if critical is not None and critical.content != b"\0":
            raise TokenInvalid(tr("the timestamp has an unknown critical extension"))
    token = Token(
        time=time,
        policy_oid=policy,
        serial=serial,
        accuracy_ms=_accuracy_ms(accuracy) if accuracy is not None else None,
        imprint_algorithm=algorithm,
        signer_subject=signer.subject.rfc4514_string(),
        signer_not_after=signer.not_valid_after_utc,
        nonce=_integer(nonce) if nonce is not None else None,
    )
    return token, imprinted


def _instant(text: bytes) -> datetime:
    match = _GEN_TIME.fullmatch(text)
    if match is None:
        raise TokenInvalid(tr("the time of the token is not a valid time in UTC"))
    whole = datetime.strptime(match[1].decode("ascii"), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    fraction = (match[2] or b"").decode("ascii")
    return whole.replace(microsecond=int(fraction[:6].ljust(6, "0")))


def _accuracy_ms(node: _Node) -> int:
    fields = _Fields(node, "the accuracy")
    seconds, millis, micros = (fields.maybe(tag) for tag in (_INTEGER, _CONTEXT_0, _CONTEXT_1))
    fields.end()
    parts = [_integer(part) if part is not None else 0 for part in (seconds, millis, micros)]
    fractions = [part for part, node in zip(parts[1:], (millis, micros), strict=True) if node]
    if not 0 <= parts[0] <= 1 << 31 or not all(1 <= part <= 999 for part in fractions):
        raise TokenInvalid(tr("the accuracy of the timestamp is out of range"))
    if any(
        value and len(value.content) > 1 and value.content < b"\0\x80" for value in (millis, micros)
    ):
        raise TokenInvalid(
            tr("the accuracy of the timestamp does not have the minimum length that DER requires")
        )
    return parts[0] * 1000 + parts[1] + math.ceil(parts[2] / 1000)


# --- (2) the token agrees with itself ----------------------------------------------------


def _check_self_consistency(parsed: _Parsed) -> None:
    content_type = parsed.attributes.get(_CONTENT_TYPE)
    digest = parsed.attributes.get(_MESSAGE_DIGEST)
    if content_type is None or content_type.tag != _OID or _oid(content_type) != _TST_INFO:
        raise TokenInvalid(tr("the signature does not cover a timestamp"))
    content = hashlib.new(parsed.digest, parsed.content).digest()
    if digest is None or digest.tag != _OCTET_STRING or digest.content != content:
        raise TokenInvalid(tr("the token was altered: its content is not the signed content"))
    _check_signing_certificate(parsed)
    try:
        _verify_signature(parsed)
    except InvalidSignature as error:
        raise TokenInvalid(tr("the token was altered: its signature is not valid")) from error


def _check_signing_certificate(parsed: _Parsed) -> None:
    """Compare the signer's certificate with its digest among the signed attributes (RFC 5035)."""
    certificate = parsed.signer.public_bytes(Encoding.DER)
    named = 0
    for oid in (_SIGNING_CERTIFICATE, _SIGNING_CERTIFICATE_V2):
        attribute = parsed.attributes.get(oid)
        if attribute is None:
            continue
        if attribute.tag != _SEQUENCE:
            raise TokenInvalid(tr("the attribute that names the signer's certificate is malformed"))
        outer = _Fields(attribute, tr("the signer's certificate identifiers"))
        ids = _children(outer.take(_SEQUENCE).content, tag=_SEQUENCE)
        policies = outer.maybe(_SEQUENCE)
        outer.end()
        if len({certificate_id.raw for certificate_id in ids}) != len(ids):
            raise TokenInvalid(tr("the token lists the same certificate identifier twice"))
        for policy in _children(policies.content, tag=_SEQUENCE) if policies else []:
            parts = _Fields(policy, tr("a policy of the signer's certificate"))
            parts.take(_OID)
            parts.maybe(_SEQUENCE)
            parts.end()
        for other in ids[1:]:
            parts = _Fields(other, "a certificate identifier")
            parts.maybe(_SEQUENCE)
            parts.take(_OCTET_STRING)
            parts.maybe(_SEQUENCE)
            parts.end()
        fields = _Fields(
            ids[0], tr("the signer's certificate identifier")
        )  # the first is the signer's
        if oid == _SIGNING_CERTIFICATE:
            # SHA-1 because RFC 3161 says so; the chain stands on other digests
            digest = hashlib.sha1(certificate, usedforsecurity=False).digest()
        else:
            algorithm = fields.maybe(_SEQUENCE)
            name = "sha256" if algorithm is None else _digest_name(algorithm)
            digest = hashlib.new(name, certificate).digest()
        if fields.take(_OCTET_STRING).content != digest:
            raise TokenInvalid(
                tr(
                    "the token states that another certificate signed the token "
                    "than the certificate of the signer in the token"
                )
            )
        fields.maybe(_SEQUENCE)  # issuer and serial number
        fields.end()
        named += 1
    if not named:
        raise TokenInvalid(tr("the token does not state which certificate signed it"))


def _verify_signature(parsed: _Parsed) -> None:
    kind = parsed.signer.public_key_algorithm_oid.dotted_string
    if kind not in (_RSA_KEY, _EC_KEY):
        # Nothing shows that it was altered: whoever knows this kind of key could tell.
        raise TokenInvalid(
            tr("a signature by a key of the kind {kind} cannot be checked", kind=kind),
            Code.TS_UNTRUSTED,
        )
    key = parsed.signer.public_key()
    digest = _HASHES[parsed.digest]
    if isinstance(key, rsa.RSAPublicKey) and parsed.digest in _RSA_NAMES.get(
        parsed.signature_name, ()
    ):
        key.verify(parsed.signature, parsed.signed, padding.PKCS1v15(), digest)
    elif isinstance(key, ec.EllipticCurvePublicKey) and parsed.digest in _EC_NAMES.get(
        parsed.signature_name, ()
    ):
        key.verify(parsed.signature, parsed.signed, ec.ECDSA(digest))
    else:
        raise TokenInvalid(
            tr(
                "a signature with {signature_name} is not accepted",
                signature_name=parsed.signature_name,
            )
        )


# --- (3) the signer is one that the root vouches for ---------------------------------------


def _check_signer(parsed: _Parsed) -> None:
    """RFC 3161 section 2.3: the certificate is for timestamps, for nothing else, and says so."""
    try:
        usage = parsed.signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound as error:
        raise TokenInvalid(
            tr("the certificate of the signer does not allow timestamps"), Code.TS_UNTRUSTED
        ) from error
    if not usage.critical or list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise TokenInvalid(
            tr("the certificate of the signer is not restricted to timestamps"), Code.TS_UNTRUSTED
        )


def _check_certificates(parsed: _Parsed, anchor: Anchor) -> None:
    """
    Refuse certificates in the token that lead nowhere, or that nobody vouches for.

    OpenSSL builds a chain and forgets the rest; here every certificate has to
    stand above the signer and below the root. One exception, because DigiCert
    sends it: the root's own key, certified by an older root that we do not have.
    Whether the chain is valid (dates, constraints) is not asked here.
    """
    root = anchor.root
    issuers: list[x509.Certificate] = [*parsed.certificates, root]
    above = {parsed.signer}
    reached = [parsed.signer]
    rooted = False
    while reached:
        certificate = reached.pop()
        if certificate == root or _same_holder(certificate, root):
            rooted = rooted or certificate == root
            continue
        found = [issuer for issuer in issuers if _issued(issuer, certificate)]
        if not found:
            raise TokenInvalid(
                tr(
                    "a certificate in the token does not lead to the root certificate of "
                    "{name}: {rfc4514_string}",
                    name=anchor.name,
                    rfc4514_string=certificate.subject.rfc4514_string(),
                ),
                Code.TS_UNTRUSTED,
            )
        reached += [issuer for issuer in found if issuer not in above]
        above.update(found)
    if not rooted:
        raise TokenInvalid(
            tr(
                "the certificates of the token do not lead to the root certificate of {name}",
                name=anchor.name,
            ),
            Code.TS_UNTRUSTED,
        )
    if not above.issuperset(parsed.certificates):
        raise TokenInvalid(
            tr(
                "the token contains a certificate that does not belong to the certificate chain "
                "of the signer"
            ),
            Code.TS_UNTRUSTED,
        )


def _same_holder(certificate: x509.Certificate, root: x509.Certificate) -> bool:
    return certificate.subject == root.subject and certificate.public_key() == root.public_key()


@functools.lru_cache(maxsize=128)  # an audit reads many tokens by few signers
def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    digest = certificate.signature_hash_algorithm
    if digest is None or digest.name not in _HASHES or issuer == certificate:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False  # that is the answer: this one did not
    return True


def _check_with_client(response: bytes, parsed: _Parsed, anchor: Anchor) -> None:
    """
    Let rfc3161-client judge signature, chain and usage, at the token's own time.

    A new builder each time: its `add_` methods share one list of roots. No
    intermediates are passed: they come from the token, and OpenSSL takes those
    for what they are. The message is compared afterwards, so that a token over
    other bytes is told from one that nobody trusts.

    The client refuses certificates that are not in DER's order for a SET, and
    authorities send them in the order of the chain (so does `openssl ts`). No
    signature covers that order; the client gets a copy in which it is right.
    """
    from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

    verifier = VerifierBuilder(roots=[anchor.root]).build()
    sorted_bag = b"".join(sorted(node.raw for node in _children(parsed.bag)))
    if response.count(parsed.bag) != 1:
        raise TokenInvalid(tr("the token contains its certificates more than once"))
    copy = response.replace(parsed.bag, sorted_bag)
    try:
        good = verifier.verify(decode_timestamp_response(copy), parsed.imprint)
    except VerificationError as error:
        raise TokenInvalid(
            tr("the token was not made by {name}: {error}", name=anchor.name, error=error),
            Code.TS_UNTRUSTED,
        ) from error
    if good is not True:
        raise TokenInvalid(
            tr("the token was not made by {name}", name=anchor.name), Code.TS_UNTRUSTED
        )


@contextmanager
def _ours(code: Code, message: str) -> Iterator[None]:
    """
    Turn what parsers raise into TokenInvalid.

    A panic in a parser written in Rust arrives as `pyo3_runtime.PanicException`,
    a BaseException that cannot be imported. It means "these bytes broke the
    parser", which is an answer about the bytes and must not end a verifier that
    has other bundles to look at; so it is known by its name. Ctrl-C and the
    like pass.
    """
    try:
        yield
    except TokenInvalid:
        raise
    except (
        ValueError,
        TypeError,
        IndexError,
        OverflowError,
        InvalidSignature,
        UnsupportedAlgorithm,
        x509.DuplicateExtension,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
        Warning,  # when warnings are errors: cryptography warns of odd certificates
    ) as error:
        raise TokenInvalid(f"{message}: {error}", code) from error
    except BaseException as error:  # PyO3 derives a parser's panic from it; all else goes on
        if type(error).__name__ != "PanicException":
            raise
        raise TokenInvalid(
            tr("{value}: the bytes cannot be parsed", value=message), code
        ) from error


# --- DER (X.690 section 10) ------------------------------------------------------------------


def _encode(tag: int, content: bytes) -> bytes:
    if len(content) > 127:  # the longest request that we build has 89 bytes
        raise ValueError("too long for one byte of length")
    return bytes([tag, len(content)]) + content


def _children(data: bytes, *, tag: int | None = None) -> list[_Node]:
    """Return the elements of `data`, one after the other; all of the given tag, if any."""
    nodes: list[_Node] = []
    at = 0
    while at < len(data):
        node = _element(data, at)
        if tag is not None and node.tag != tag:
            raise TokenInvalid(tr("a list in the response contains an unexpected element"))
        nodes.append(node)
        at += len(node.raw)
    return nodes


def _element(data: bytes, at: int) -> _Node:
    header = data[at : at + 2]
    if len(header) < 2 or header[0] & 0x1F == 0x1F:
        raise TokenInvalid(
            tr("the response is not DER: an element is cut off, or has a tag of more than one byte")
        )
    start, length = at + 2, header[1]
    if length >= 0x80:
        count = length & 0x7F
        digits = data[start : start + count]
        length = int.from_bytes(digits, "big")
        start += count
        if not 1 <= count <= 3 or len(digits) < count or digits[0] == 0 or length < 0x80:
            raise TokenInvalid(
                tr(
                    "the response is not DER: the length of an element is not "
                    "encoded with the minimum number of bytes"
                )
            )
    if start + length > len(data):
        raise TokenInvalid(tr("the response is not DER: an element is cut off"))
    return _Node(header[0], data[start : start + length], data[at : start + length])


def _only(data: bytes, tag: int, what: str) -> _Node:
    nodes = _children(data)
    if len(nodes) != 1 or nodes[0].tag != tag:
        raise TokenInvalid(
            tr(
                "{what} is not one element of the expected kind, or is followed by further "
                "elements",
                what=what,
            )
        )
    return nodes[0]


def _check_der(data: bytes) -> None:
    """Look at every element: lengths, and the values that DER has one form for."""
    waiting = [(node, 1) for node in _children(data)]
    while waiting:
        node, depth = waiting.pop()
        if depth > _MAX_DEPTH:
            raise TokenInvalid(tr("the response is nested too deeply"))
        if node.tag & 0x20:
            waiting += [(child, depth + 1) for child in _children(node.content)]
        elif not _is_canonical(node):
            raise TokenInvalid(tr("the response is not DER: a value is not in the required form"))


def _is_canonical(node: _Node) -> bool:
    content = node.content
    match node.tag:
        case 0x01:  # BOOLEAN
            return content in (b"\x00", b"\xff")
        case 0x02:  # INTEGER
            spare = content[0] == 0 and content[1] < 0x80 if len(content) > 1 else False
            spare |= content[0] == 0xFF and content[1] >= 0x80 if len(content) > 1 else False
            return len(content) > 0 and not spare
        case 0x03:  # BIT STRING
            if not content or content[0] > 7 or (len(content) == 1 and content[0]):
                return False
            return content[-1] & ((1 << content[0]) - 1) == 0 if len(content) > 1 else True
        case 0x05:  # NULL
            return not content
        case _:
            return True


def _integer(node: _Node) -> int:
    if not node.content:
        raise TokenInvalid(tr("a number in the response is empty"))
    return int.from_bytes(node.content, "big", signed=True)


def _oid(node: _Node) -> str:
    content = node.content
    if not 0 < len(content) <= _MAX_OID or content[-1] & 0x80:
        raise TokenInvalid(tr("an object identifier is incomplete or too long"))
    arcs: list[int] = []
    value = 0
    fresh = True
    for byte in content:
        if fresh and byte == 0x80:
            raise TokenInvalid(
                tr("an object identifier is not encoded with the minimum number of bytes")
            )
        value = value << 7 | byte & 0x7F
        fresh = not byte & 0x80
        if fresh:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in (first, arcs[0] - 40 * first, *arcs[1:]))


def _algorithm(node: _Node) -> str:
    """Return an algorithm's OID; its parameters are absent or NULL for all that we take."""
    fields = _Fields(node, "an algorithm")
    oid = _oid(fields.take(_OID))
    fields.maybe(_NULL)
    fields.end()
    return oid


def _digest_name(node: _Node) -> ImprintAlgorithm:
    oid = _algorithm(node)
    if oid not in _DIGESTS:
        raise TokenInvalid(tr("the digest algorithm {oid} is not accepted", oid=oid))
    return _DIGESTS[oid]
