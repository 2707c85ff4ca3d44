"""
Read a capture record that a stranger may have written, with limits on its length and values.

`loads` decodes the record, and `capture_facts` returns the fields on which conclusions are based.
The number of values is counted in the bytes of the record before it is parsed, so that a record
cannot exhaust the memory.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.model.verified_facts import CaptureFacts
from snapshotter.translation import tr

# A record names what a capture kept, and every such list has a limit: the longest ones
# are below a tenth of these.
MAX_BYTES = 8 << 20
MAX_TEXT = 1 << 16  # bytes of each address and name that conclusions rest on
MAX_VALUES = 200_000  # numbers, texts, lists and objects, one in another

_DIRECT: Final = "direct"
_KINDS: Final = frozenset({_DIRECT, "proxy", "tor"})  # of the ways through the network
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_TOO_LATE: Final = datetime(9000, 1, 1, tzinfo=UTC)  # time spans can be added to earlier times


def loads(data: bytes) -> Any:
    """
    Decode the bytes of a capture record.

    Raises:
        EvidenceInvalid: Too long, too many values, or not canonical JSON.
    """
    if len(data) > MAX_BYTES:
        raise EvidenceInvalid(
            tr("the record is longer than {max_bytes} bytes", max_bytes=MAX_BYTES)
        )
    return canonical_json.loads(data, max_values=MAX_VALUES)


def capture_facts(record: Mapping[str, Any], *, sha256: str) -> CaptureFacts:
    """
    Return the fields of a capture record on which conclusions are based.

    Args:
        sha256: The digest of the whole bundle.

    Raises:
        EvidenceInvalid: A field is missing, or is of another type.
    """
    return CaptureFacts(
        bundle_id=text(record, "bundle_id"),
        sha256=sha256,
        requested_url=text(record, "what", "requested_url"),
        final_url=text(record, "what", "final_url"),
        started_at=_moment(record, "started_at"),
        ended_at=_moment(record, "ended_at"),
        vantage=_vantage(record),
        light=_light(record),
        key_id=_signer(record),
    )


def text(record: Mapping[str, Any], *path: str) -> str:
    """Return a text of a capture record. Raises EvidenceInvalid if it is missing or too long."""
    value = _value(record, *path)
    if not isinstance(value, str):
        raise EvidenceInvalid(
            tr(
                "the field {path} of the capture record is missing or is not a text",
                path=".".join(path),
            )
        )
    if len(value.encode("utf-8", "surrogatepass")) > MAX_TEXT:
        raise EvidenceInvalid(
            tr("{path} is longer than {max_text} bytes", path=".".join(path), max_text=MAX_TEXT)
        )
    return value


def _value(record: Mapping[str, Any], *path: str) -> Any:
    value: Any = record
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _moment(record: Mapping[str, Any], name: str) -> datetime:
    """Return an instant of the capture, to the millisecond if the record has it, or the second."""
    ms = _value(record, "when", f"{name}_ms")
    if ms is None:
        return canonical_json.parse_instant(_value(record, "when", name))
    if type(ms) is not int:
        raise EvidenceInvalid(
            tr("the field when.{name}_ms of the capture record is not a whole number", name=name)
        )
    try:
        at = _EPOCH + timedelta(milliseconds=ms)
    except OverflowError as error:
        raise EvidenceInvalid(
            tr(
                "the time in the field when.{name}_ms of the capture record is out of range",
                name=name,
            )
        ) from error
    if not _EPOCH <= at < _TOO_LATE:
        raise EvidenceInvalid(
            tr(
                "the time in the field when.{name}_ms of the capture record is out of range",
                name=name,
            )
        )
    return at


def _vantage(record: Mapping[str, Any]) -> str:
    """Return the network path of a capture: its name in the settings, or else its kind."""
    kind = _value(record, "who", "network_path")
    if kind is not None and not isinstance(kind, str):
        raise EvidenceInvalid(tr("the field who.network_path of the capture record is not a text"))
    kind = text(record, "who", "network_path") if kind else _DIRECT
    named = _value(record, "who", "network", "vantage")
    if not isinstance(named, str) or not named:
        return kind
    # No settings give a way the name of a kind; and what they name is a way through a proxy.
    if kind == _DIRECT or named in _KINDS:
        raise EvidenceInvalid(
            tr(
                "the field who.network.vantage of the capture record is {named!r:.80}, but this "
                "name is not allowed for the network path {kind}",
                kind=kind,
                named=named,
            )
        )
    return text(record, "who", "network", "vantage")


def _light(record: Mapping[str, Any]) -> bool:
    return _value(record, "how", "settings", "light") is True


def _signer(record: Mapping[str, Any]) -> str:
    signers = record.get("signers")
    first = signers[0] if isinstance(signers, list) and signers else None
    key_id = first.get("key_id") if isinstance(first, Mapping) else None
    if not isinstance(key_id, str):
        raise EvidenceInvalid(tr("the capture record names no signer"))
    return key_id
