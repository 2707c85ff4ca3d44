"""
Define the values of take-down and change events: what several captures of one page show together.

An event is an interval between two signed captures, never an instant. The values of the
enumerations are in signed records: new ones are added, none is renamed.
"""

import enum
from dataclasses import field
from datetime import UTC, datetime, timedelta
from typing import Final

from snapshotter.model.assessment import (
    AccountState,
    Availability,
    Cause,
    Content,
    RuleFile,
    Undecided,
    WallKind,
)
from snapshotter.model.change import Change
from snapshotter.model.reading import Count
from snapshotter.value_class import dataclass

# Fields of an event that no step derives or compares: they are its signer's own word, and every
# output says so (docs/spec/takedown-event.md, "Whose word each field is").
OWN_WORD: Final = ("articles", "confirm")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)


def widen(
    interval: tuple[datetime, datetime], unit: timedelta = _SECOND
) -> tuple[datetime, datetime]:
    """
    Return the shortest interval of whole units that contains an interval.

    Every output that prints an interval without its fractions prints this one: an interval that is
    cut at its end could exclude the moment of the event.
    """
    begin, end = interval
    return begin - (begin - _EPOCH) % unit, end + (_EPOCH - end) % unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One capture of a page, in short. Events, reports and charts are made of observations."""

    bundle_id: str
    sha256: str  # of the whole bundle
    identity: str
    url: str  # requested
    at: datetime  # UTC: when the capture ended
    began_at: datetime  # UTC
    content: Content
    availability: Availability
    cause: Cause | None = None
    undecided: Undecided | None = None
    wall: WallKind | None = None
    rule: str = ""
    notice: str = ""
    cited_rule: str = ""
    takedown: bool = True  # False: unavailable, and no take-down
    ambiguous: bool = False
    needs_control: bool = False
    accounts: tuple[AccountState, ...] = ()
    account: str = ""  # identity of the account behind it, where that is known
    account_name: str = ""  # as the page shows it; "" where it shows none, or several
    counts: tuple[Count, ...] = ()
    main_sha256: str = ""
    rule_files: tuple[RuleFile, ...] = ()
    vantage: str = "direct"  # the way that it took: "direct", or the name of another
    light: bool = False  # a light check: no full picture of the page
    key_id: str = ""  # who signed the bundle
    proven_at: datetime | None = None  # time of its earliest token; None: it has none


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmRules:
    """How many captures, how far apart, confirm a removal (`[takedown.confirm]` of a policy)."""

    times: int = 2  # agreeing captures that say unavailable, the first one included
    after: timedelta = field(default=timedelta(minutes=10))  # between the first and the last
    control: bool = True  # a page of the same host has to be available in between
    vantage: str = ""  # another way by which it has to have been asked for since; "": none


class TakedownKind(enum.StrEnum):
    """The kind of an event."""

    REMOVED = "removed"
    REINSTATED = "reinstated"
    ACCOUNT_CHANGED = "account-changed"  # frozen, closed, blocked, migrated
    ACCOUNT_RESTORED = "account-restored"
    CHANGED = "changed"  # the page shows something else in its main text


# The kinds of events about accounts; the others are about pages.
ACCOUNT_KINDS: Final = (TakedownKind.ACCOUNT_CHANGED, TakedownKind.ACCOUNT_RESTORED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Takedown:
    """
    One event, to be signed by a key that signs no captures.

    For REMOVED, `last_seen` shows the page and `first_gone` does not. For REINSTATED it is the
    other way round: `first_gone` is the last capture without it, `last_seen` the first with it. For
    an account the two are captures of one of its pages: before its present state and with it, or
    the other way round. For CHANGED, `last_seen` shows the page before the change, and `first_gone`
    after it.
    """

    event_id: str  # like a bundle's
    kind: TakedownKind
    at: datetime  # UTC: the end of the capture by which it was concluded
    identity: str  # of the page; of events of an account, the account
    url: str
    last_seen: Observation
    first_gone: Observation
    confirmations: tuple[Observation, ...] = ()  # behind the first
    controls: tuple[Observation, ...] = ()
    vantages: tuple[Observation, ...] = ()  # by another way
    identified_by: tuple[Observation, ...] = ()  # that show where an address leads, or whose it is
    confirm: ConfirmRules = field(default_factory=ConfirmRules)
    state: str = ""  # of an account
    articles: tuple[str, ...] = ()  # ids of the events of its articles that belong to one burst
    previous: str = ""  # SHA-256 of the record of the event before, of the same identity; or ""
    change: Change | None = None  # of CHANGED; records of other kinds do not have the field

    @property
    def own_word(self) -> tuple[str, ...]:
        """The fields that only its signer states."""
        # A change names no articles, and its confirmation follows from its captures.
        return () if self.kind is TakedownKind.CHANGED else OWN_WORD

    @property
    def causes(self) -> tuple[Cause, ...]:
        """The causes that the captures without the page name, the agreed one first."""
        named = (
            observation.cause for observation in (*reversed(self.confirmations), self.first_gone)
        )
        return tuple(dict.fromkeys(cause for cause in named if cause is not None))

    @property
    def ends(self) -> tuple[Observation, Observation]:
        """Both ends, the earlier one first. Captures are ordered by when they ended."""
        earlier, later = sorted(
            (self.last_seen, self.first_gone),
            key=lambda observation: (observation.at, observation.began_at, observation.bundle_id),
        )
        return earlier, later

    @property
    def bracket(self) -> tuple[datetime, datetime]:
        """
        The interval in which the event happened. The duration of either capture is part of it.
        """
        earlier, later = self.ends
        return earlier.began_at, later.at
