"""What says who captures: texts that the user gave, and where a capture shows them."""

from dataclasses import dataclass, field

CREDENTIAL = "credential"  # of the proxy that captures go through: replaced under every policy


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturerIdentifier:
    """A text that leads to whoever captures. It is never written into a bundle."""

    kind: str  # name, handle, email, ip, account, other, or CREDENTIAL
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifierFinding:
    """One kind of own text in one file of a capture: for the user, and never for the bundle."""

    kind: str
    where: str  # a path in the bundle
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposedBox:
    """A block of the page whose text was replaced, and that its pictures show as it was."""

    left: int  # CSS pixels from the page's upper left corner, as all of these
    top: int
    width: int
    height: int
    names: tuple[str, ...]  # kinds of own texts and names of fields, as `redactions` has them
