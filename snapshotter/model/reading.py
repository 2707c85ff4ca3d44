"""
Define the values that are read from a page: counts, dates, metadata, QR codes, regions.

Each value keeps the text of the page, verbatim, and its place. A value that the page does not
state exactly is an interval. The values of the enumerations are in signed records: new ones are
added, none is renamed.
"""

import enum
from datetime import datetime

from snapshotter.model.page import Box
from snapshotter.value_class import dataclass


class Source(enum.StrEnum):
    """Where a value was found."""

    DOM = "dom"
    JSON = "json"  # data in a script of the page, or the answer itself
    JSON_LD = "json-ld"
    META = "meta"
    TIME = "time"  # an element `time` with `datetime`
    SCRIPT = "script"  # a variable in a script


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """A number that a page shows: reposts, comments, likes, reads, views."""

    unit: str  # "reposts", "comments", "likes", "reads", "views", "followers"
    raw: str  # verbatim
    lower: int  # the number is at least this
    upper: int | None  # and at most this, included; None: no upper bound is stated
    exact: bool
    source: Source
    where: str = ""  # selector, or path in the data
    rounding: str = ""  # "truncated", "rounded", "capped"; "" of an exact one
    mismatch: str = ""  # what another source says of the same, where the two do not agree


@dataclass(frozen=True, slots=True, kw_only=True)
class DateReading:
    """A date on the page, as an interval. `first` <= date < `end`, both UTC."""

    raw: str  # verbatim
    first: datetime
    end: datetime
    rule: str  # how it was read: "absolute", "relative-rounded", "relative-truncated", "day-word"
    source: Source
    kind: str = ""  # "published", "modified", "server", ""
    where: str = ""
    timezone: str = ""  # by which it was read, IANA; "" where it says its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadatum:
    """One value that a page states about itself, and the place where it states it."""

    name: str  # "title", "byline", "site", "canonical", "published", "modified", "language"
    value: str
    source: Source
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QrCode:
    """A QR code that was decoded in a picture. Its address is not visited."""

    text: str
    box: Box
    picture: str  # path in the bundle
    image_sha256: str  # of the picture's file


class Region(enum.StrEnum):
    """The part of the page that a block belongs to."""

    MAIN = "main"
    HEADLINE = "headline"
    CAPTION = "caption"
    BYLINE = "byline"
    DATE = "date"
    NAV = "nav"
    COMMENT = "comment"
    COMMENT_FORM = "comment-form"
    TEASER = "teaser"
    AD = "ad"
    FOOTER = "footer"
    OTHER = "other"
    # Text of the article above its main region, and below it: by comparisons and rules of sites.
    STANDFIRST = "standfirst"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledBlock:
    """One block with the region that it belongs to."""

    selector: str
    region: Region


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """
    A count that crossed a threshold between two readings.

    If `certain`, the number was surely below at `below` and surely at or above at `reached`. If
    not, no reading is surely at or above: `reached` is the first whose interval contains both.
    `below` is "" if the first reading of all was no longer below.
    """

    unit: str
    threshold: int
    source: str  # who says that this number matters: a law, an interpretation
    certain: bool
    below: str  # bundle id of the last reading below, or ""
    below_at: datetime | None
    below_raw: str
    reached: str  # bundle id of the first reading at or above
    reached_at: datetime
    reached_raw: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """All that was read off one page."""

    counts: tuple[Count, ...] = ()
    dates: tuple[DateReading, ...] = ()
    metadata: tuple[Metadatum, ...] = ()
    conflicts: tuple[str, ...] = ()  # names of metadata that the page states in several ways
    qr_codes: tuple[QrCode, ...] = ()
    regions: tuple[LabelledBlock, ...] = ()
    main_selector: str = ""  # of the smallest element around the main text
    main_by: str = ""  # how it was found: "policy", "structure", "guess"; "" where it was not
    main_text: str = ""  # verbatim, a line a block; of a very long one the beginning
    main_sha256: str = ""  # of all of it, normalised: whether two captures show the same
    hidden_text: str = ""  # text in the main region that no reader sees
    links: tuple[str, ...] = ()  # of the main region
