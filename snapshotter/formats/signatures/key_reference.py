"""
Read references to signing keys that a key service or a hardware token holds.

    kms:alias/evidence?region=eu-central-1
    kms:arn:aws:kms:eu-central-1:123456789012:key/1a2b3c4d-…
    pkcs11:token=evidence;object=sealing?module-path=/usr/lib/….so&pin-source=/etc/…

The first two forms are our own. The third is RFC 7512; an attribute that is not supported is
refused. A reference never contains a secret: a PIN is the first line of a file that only its owner
may read, and AWS credentials are found as by other AWS tools.
"""

import re
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

MAX_REFERENCE = 2048  # characters

_KMS_KEY = re.compile(r"[A-Za-z0-9:/_-]{1,2048}")
_REGION = re.compile(r"[a-z0-9-]{1,40}")
_ARN = re.compile(r"arn:[a-z0-9-]+:kms:([a-z0-9-]+):[0-9]{12}:(key|alias)/.+")
_PATH_ATTRIBUTES = ("token", "serial", "manufacturer", "model", "object", "id", "type")
_QUERY_ATTRIBUTES = ("module-path", "pin-source")


@dataclass(frozen=True, slots=True, kw_only=True)
class KmsReference:
    """A key in AWS KMS, or in what speaks its protocol."""

    text: str  # as it was given
    key: str  # an id, an ARN or `alias/…`
    region: str = ""  # empty: as AWS tools are configured
    endpoint: str = ""  # empty: AWS


@dataclass(frozen=True, slots=True, kw_only=True)
class Pkcs11Reference:
    """A private key on a token that a PKCS#11 module reaches (RFC 7512)."""

    text: str  # as it was given
    module: str  # the module's file
    token: str = ""  # its label; what is empty is not looked at
    serial: str = ""
    manufacturer: str = ""
    model: str = ""
    label: str = ""  # the key's, `object` in the URI
    id: bytes = b""  # the key's
    pin_file: str = ""  # empty: somebody is asked


def is_reference(text: str) -> bool:
    """Whether this names a key that is held elsewhere, and not one of the key directory."""
    return text.startswith(("kms:", "pkcs11:"))


def parse(text: str) -> KmsReference | Pkcs11Reference:
    """
    Read a reference. What is not understood is refused: it might be what matters.

    Raises:
        SnapshotterError: It is none, or holds a secret.
    """
    if len(text) > MAX_REFERENCE or not text.isascii() or not text.isprintable() or " " in text:
        raise SnapshotterError(tr("a key reference must be one line of ASCII without spaces"))
    scheme, _, rest = text.partition(":")
    if scheme == "kms":
        return _kms(text, rest)
    if scheme == "pkcs11":
        return _pkcs11(text, rest)
    raise SnapshotterError(
        tr("{text!r} is not a key reference", text=text),
        hint=tr("write kms:KEY?region=… or pkcs11:token=…;object=…?…"),
    )


def _kms(text: str, rest: str) -> KmsReference:
    key, _, query = rest.partition("?")
    if not _KMS_KEY.fullmatch(key):
        raise SnapshotterError(
            tr("{text!r} does not contain a valid name of a key of a key service", text=text),
            hint=tr("write kms: and the id of the key, its ARN, or alias/NAME"),
        )
    options = _options(text, query, ("region", "endpoint"))
    arn = _ARN.fullmatch(key)
    region = options.get("region", arn[1] if arn else "")
    if (region and not _REGION.fullmatch(region)) or (arn and region != arn[1]):
        raise SnapshotterError(
            tr(
                "the region in {text!r} is not valid, or differs from the region in the ARN of "
                "the key",
                text=text,
            )
        )
    endpoint = options.get("endpoint", "")
    parts = urlsplit(endpoint)
    if endpoint and (
        parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc
    ):
        raise SnapshotterError(
            tr("the endpoint of a key service must be http(s)://host[:port], without credentials")
        )
    return KmsReference(text=text, key=key, region=region, endpoint=endpoint)


def _pkcs11(text: str, rest: str) -> Pkcs11Reference:
    path, _, query = rest.partition("?")
    if "pin-value" in query or "pin-value" in path:
        # The whole reference stays unprinted: the PIN is in it.
        raise SnapshotterError(
            tr("a key reference must not contain a PIN"),
            hint=tr("write the PIN into a file that only you may read, and add pin-source=FILE"),
        )
    attributes: dict[str, bytes] = {}
    for part in filter(None, path.split(";")):
        name, separator, value = part.partition("=")
        if not separator or name not in _PATH_ATTRIBUTES or name in attributes:
            raise SnapshotterError(
                tr("{name!r} is not allowed in a key reference, or is given twice", name=name),
                hint=tr(
                    "use {path_attributes} (RFC 7512)", path_attributes=", ".join(_PATH_ATTRIBUTES)
                ),
            )
        attributes[name] = unquote_to_bytes(value)
    options = _options(text, query, _QUERY_ATTRIBUTES)
    if attributes.pop("type", b"private") != b"private":
        raise SnapshotterError(
            tr("a key reference for signing must name a private key (type=private)")
        )
    module, pin_file = options.get("module-path", ""), options.get("pin-source", "")
    pin_file = pin_file.removeprefix("file:")
    if not module.startswith("/"):
        raise SnapshotterError(
            tr("the key reference does not contain the absolute path of a PKCS#11 module"),
            hint=tr(
                "add ?module-path=/usr/lib/….so with the path of the library from the maker "
                "of the token"
            ),
        )
    if pin_file and not pin_file.startswith("/"):
        raise SnapshotterError(tr("pin-source must be the absolute path of a file"))
    key = attributes.pop("id", b"")
    try:
        texts = {name: value.decode() for name, value in attributes.items()}
    except UnicodeDecodeError as error:
        raise SnapshotterError(tr("the key reference is not UTF-8")) from error
    label = texts.pop("object", "")
    if not label and not key:
        raise SnapshotterError(
            tr("the key reference identifies a token, but no key on the token"),
            hint=tr("add object=LABEL or id=%01"),
        )
    return Pkcs11Reference(
        text=text, module=module, label=label, id=key, pin_file=pin_file, **texts
    )


def _options(text: str, query: str, known: tuple[str, ...]) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError as error:
        raise SnapshotterError(
            tr("{text!r}: the text after the ? is not of the form name=value", text=text)
        ) from error
    found = dict(pairs)
    unknown = sorted(set(found) - set(known))
    if unknown or len(found) != len(pairs):
        raise SnapshotterError(
            tr(
                "{unknown!r} is not allowed in a key reference, or is given twice",
                unknown=unknown[0] if unknown else query,
            ),
            hint=tr("use {known}", known=", ".join(known)),
        )
    return found
