"""
Define capturer identifiers, and where a capture shows them.

A capturer identifier is a text that leads to the capturing person.
"""

from dataclasses import field

from snapshotter.value_class import dataclass

CREDENTIAL = "credential"  # of the proxy that captures go through: replaced under every policy


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturerIdentifier:
    """A text that identifies the capturing person. It is never written into a bundle."""

    kind: str  # name, handle, email, ip, account, other, or CREDENTIAL
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifierFinding:
    """
    Identifiers of one kind found in one file of a capture. For the user, never for the bundle.
    """

    kind: str
    where: str  # a path in the bundle
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposedBox:
    """A block of the page whose text was replaced, and which its pictures still show."""

    left: int  # CSS pixels from the page's upper left corner, as all of these
    top: int
    width: int
    height: int
    names: tuple[str, ...]  # kinds of own texts and names of fields, as `redactions` has them
