"""Define captures of other pages with nearly the same text."""

from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """The newest capture of another page with nearly the same main text."""

    bundle_id: str
    url: str  # requested
