"""
Define the values of a change: what two captures of one page show differently.

A change is part of the record of an event (docs/spec/takedown-event.md, "A change"). The values
of the enumerations are in signed records: new ones are added, none is renamed.
"""

import enum
from datetime import datetime
from typing import Final

from snapshotter.model.comparison import TextPiece
from snapshotter.model.page import Box
from snapshotter.value_class import dataclass

METHOD: Final = 2  # the version of the derivation by which new changes are made
# Method 1 compares the main region alone; method 2 the article around it.
MAIN_REGION: Final = 1
MAX_ITEMS: Final = 100  # of one change that a record lists; all of them are counted and digested
# What a capture may lack and still show all of its text. A change is derived from such a capture,
# and nobody can say PASSED of its event.
TEXT_IS_WHOLE: Final = frozenset(
    {
        "images-missing", "fonts-missing", "resources-missing", "missing-glyphs", "not-settled",
        "scroll-limited", "page-truncated", "picture-blank", "element-missing",
        "viewport-incomplete", "pdf-failed", "mhtml-failed",
    }
)  # fmt: skip
MAX_DATES: Final = 20  # of the dates that pages state


class ChangeSubject(enum.StrEnum):
    """What differs between two captures."""

    WORDS = "words"  # of the main text, its headline, captions and bylines
    TITLE = "title"  # of the document
    PRICE = "price"  # in the main text, or in data about the offer
    PICTURE = "picture"  # of the main text
    DATE = "date"  # of publication or modification, as the page states it


class DateOrder(enum.StrEnum):
    """When a date that a page states is, set against the times of both captures."""

    BEFORE = "before"  # before the earlier capture began
    BETWEEN = "between"  # after the earlier capture began and before the later one ended
    AFTER = "after"  # after the later capture ended
    OPEN = "open"  # the page states it too roughly, as a day on which a capture was made


class PictureCheck(enum.StrEnum):
    """Whether the pictures of the main text were compared."""

    COMPARED = "compared"
    NOT_COMPARED = "not-compared"  # the record of the network, or a screenshot, lacks one of them


class NoChangeReason(enum.StrEnum):
    """Why two captures prove no change. The values are part of `--json`."""

    SAME_MAIN_TEXT = "same-main-text"
    OTHER_PAGE = "other-page"
    NOT_IN_ORDER = "not-in-order"
    OTHER_VANTAGE = "other-vantage"
    OTHER_CONDITIONS = "other-conditions"
    NOT_COMPLETE = "not-complete"
    NOT_SHOWN = "not-shown"
    REMOVED = "removed"
    NO_MAIN_TEXT = "no-main-text"
    MASKS = "masks"
    PICTURES = "pictures"
    NO_VERDICT = "no-verdict"
    NOT_SEEN = "not-seen"
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedItem:
    """
    One difference: a block of text, a value or a picture.

    `pieces` has the words of both captures in reading order: all but those ADDED are the text
    before. Long unchanged words are shortened. The pieces of a picture are the SHA-256 of its
    files.
    """

    subject: ChangeSubject
    where: str  # region of the text, name of the value; "" of a title
    pieces: tuple[TextPiece, ...]
    sha256: str  # of the complete item (docs/spec/takedown-event.md)
    # Whether the screenshots differ where the words are. None: they are not compared there, or the
    # item has no place. Words that differ unseen can be hidden, or be letters that look alike.
    seen: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedDate:
    """A date of publication or modification that one of the captures shows."""

    kind: str  # "published", "modified"
    raw: str  # verbatim
    later: bool  # stated by the later capture; False: by the earlier one
    order: DateOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What differs between the two ends of an event, as its record states it."""

    method: int  # version of the derivation: 1 to METHOD, or that of a later version
    subjects: tuple[ChangeSubject, ...]  # of all items, in the order of the enumeration
    items: tuple[ChangedItem, ...]  # at most MAX_ITEMS, in their order
    count: int  # of all items
    sha256: str  # over all items, also those that are not listed
    pictures: PictureCheck
    # Why the later capture is a possible removal, a value of `Suspicion`; "" if it is none.
    removal: str = ""
    dates: tuple[StatedDate, ...] = ()
    # Codes of what the two captures lack, sorted (docs/reference/outcomes.md): (), both are
    # complete. What is missing may be a reason for a difference.
    missing: tuple[str, ...] = ()
    masked: int = 0  # places of both captures that masks of the policies left out
    masks_differ: bool = False  # whether such places are not the same in both captures
    unexplained: int = 0  # places of the main text where the screenshots differ, and no item does
    # How the main text of the captures was found: "guess", "policy", "structure", sorted. () by
    # method 1, whose records do not state it.
    main_by: tuple[str, ...] = ()
    guessed_by: str = ""  # name and version of the software that guessed; "" if none did

    def __post_init__(self) -> None:
        if not 0 < len(self.items) <= self.count or len(self.items) > MAX_ITEMS:
            raise ValueError("the number of changed items is invalid")
        if len(self.dates) > MAX_DATES:
            raise ValueError("the change has too many dates")
        listed = {item.subject for item in self.items}
        ordered = tuple(subject for subject in ChangeSubject if subject in self.subjects)
        if self.subjects != ordered or not listed <= set(ordered):
            raise ValueError("the subjects of the change are invalid")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedPlace:
    """Where a difference is on both pages, for a picture. Boxes in CSS pixels of the page."""

    before: Box | None
    after: Box | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedChange:
    """A change, with what its record does not have."""

    change: Change
    digests: frozenset[str]  # of all items
    places: tuple[ChangedPlace, ...]  # of the items, from the top
    # Selector of the main text, if a policy names one outside that of the page's structure.
    named_main: str = ""

    def shows(self, other: Change) -> bool:
        """Return whether everything that another change lists is part of this one."""
        return other.method == self.change.method and all(
            item.sha256 in self.digests for item in other.items
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NoChange:
    """Why two captures prove no change."""

    reason: NoChangeReason
    detail: str  # a clause
    is_open: bool = False  # it could not be established: this says nothing about the page


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDate:
    """A date of publication or modification on a page. `first` <= date < `end`, both UTC."""

    kind: str
    raw: str
    first: datetime
    end: datetime
