"""
Define the values of a proof pack: its parts, and the role of each part.

The roles are in signed records: new ones are added, none is renamed.
"""

import enum
from typing import Final

from snapshotter.value_class import dataclass

# Fields of a manifest, and parts, that no step of a verifier derives or compares: they are the
# word of whoever signed the pack, and every output says so (docs/spec/proof-pack.md, "Whose word
# each field is"). Their bytes are compared: nobody else has changed them.
OWN_WORD: Final = (
    "made_at", "software", "lacks", "text_sha256", "name", "role", "media_type",
    "page", "facts", "picture", "pdf", "key", "trust", "rules",
)  # fmt: skip


class Role(enum.StrEnum):
    """The role of a part."""

    LAST_SEEN = "last-seen"  # the captures; of an account, and of a page that came back, as well
    FIRST_GONE = "first-gone"
    CONFIRMATION = "confirmation"
    CONTROL = "control"
    VANTAGE = "vantage"
    IDENTITY = "identity"  # shows which page an address means
    BESIDE = "beside"  # a sidecar of the capture that `of` names
    EVENT = "event"  # the signed record of what the captures say together
    EVENT_PROOF = "event-proof"  # that the record is in the log
    KEY = "key"  # public key of whoever signed event and pack, for information
    TRUST = "trust"  # a trust file and its signature, for information
    FACTS = "facts"  # all that the statement says, as JSON
    PICTURE = "picture"  # both ends side by side
    PDF = "pdf"  # the statement on paper
    RULES = "rules"  # a file of rules by which the captures were judged


CAPTURES = frozenset(
    {
        *(Role.LAST_SEEN, Role.FIRST_GONE, Role.CONFIRMATION),
        *(Role.CONTROL, Role.VANTAGE, Role.IDENTITY),
    }
)
ENDS = (Role.LAST_SEEN, Role.FIRST_GONE)  # every pack has each of these once


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One file in a pack."""

    name: str  # as a file is called that is taken out; none twice, whatever the case
    role: Role
    of: str = ""  # name of the capture that it belongs to
    media_type: str
    length: int  # bytes
    sha256: str  # 64 lowercase hex digits


@dataclass(frozen=True, slots=True, kw_only=True)
class PackSection:
    """A stretch of the file that is no part: the page before the parts, the script after them."""

    length: int  # bytes
    sha256: str
