"""
Encode and parse the file with the newest checkpoint that an auditor has seen of a store.

Whoever controls a store can present an older or a different log. An auditor who remembers one size
and root detects that. The file is small and readable, and is kept on the auditor's own machine,
never in the store.
"""

from datetime import datetime
from typing import Any

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.formats.proofs import merkle
from snapshotter.model.audit import TreeHead
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

FORMAT = "snapshotter-audit-state/1"
MAX_BYTES = 1 << 18
_KEYS = {"at", "checkpoint", "format", "origin", "root", "signed", "size", "store"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RememberedCheckpoint:
    """A checkpoint that an audit has seen and verified."""

    store: str  # where
    at: datetime
    origin: str
    head: TreeHead
    signed: bool  # by the key of the trust file, as it was then
    checkpoint: str  # the whole note: with another one it can show that the log lied

    def encode(self) -> bytes:
        """Return the file: canonical JSON."""
        return canonical_json.dumps(
            {
                "at": canonical_json.instant(self.at),
                "checkpoint": self.checkpoint,
                "format": FORMAT,
                "origin": self.origin,
                "root": self.head.root,
                "signed": self.signed,
                "size": self.head.size,
                "store": self.store,
            }
        )


def parse(data: bytes) -> RememberedCheckpoint:
    """
    Return the checkpoint in a state file.

    Raises:
        EvidenceInvalid: The file is not what `RememberedCheckpoint.encode` writes.
    """
    value = canonical_json.loads(data)
    if not isinstance(value, dict) or set(value) != _KEYS or value["format"] != FORMAT:
        raise EvidenceInvalid(tr("the file does not have the format {format}", format=FORMAT))
    kinds: dict[str, Any] = {"checkpoint": str, "origin": str, "root": str, "store": str}
    kinds |= {"size": int, "signed": bool}
    if any(type(value[name]) is not kind for name, kind in kinds.items()):
        raise EvidenceInvalid(tr("a field of the file has the wrong type"))
    try:
        root = bytes.fromhex(value["root"])
    except ValueError as error:
        raise EvidenceInvalid(
            tr("the root hash in the file is not a hexadecimal number")
        ) from error
    if len(root) != merkle.HASH_BYTES or not 0 <= value["size"] <= merkle.MAX_SIZE:
        raise EvidenceInvalid(
            tr(
                "the number of entries in the file is out of range, or the root "
                "hash has the wrong length"
            )
        )
    return RememberedCheckpoint(
        store=value["store"],
        at=canonical_json.parse_instant(value["at"]),
        origin=value["origin"],
        head=TreeHead(size=value["size"], root=root.hex()),
        signed=value["signed"],
        checkpoint=value["checkpoint"],
    )
