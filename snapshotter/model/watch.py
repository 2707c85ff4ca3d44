"""Define a watch list: its settings, the result of its last poll, and the pages that it named."""

import re
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from snapshotter.value_class import dataclass

NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
LEAST_EVERY: Final = timedelta(minutes=1)
MOST_EVERY: Final = timedelta(days=366)
MAX_JITTER: Final = 0.45
MAX_PATTERNS: Final = 50
WITHIN: Final = timedelta(seconds=120)  # from seeing a page in a list to beginning its capture


class Existing(StrEnum):
    """What is done with the pages that a list contains when it is first read."""

    CAPTURE = "capture"
    SKIP = "skip"  # they are remembered, and only what comes later is captured


class ListState(StrEnum):
    """
    The result of the last poll of a list.

    `watch list` and `--json` print these values: new ones are added, none is renamed.
    """

    NEW = "new"  # not polled yet
    OK = "ok"
    EMPTY = "empty"  # a list without a page in it
    SHRUNK = "shrunk"  # less than half of what it had
    MOVED = "moved"  # another host answers for it; what it lists is taken
    NOT_A_LIST = "not-a-list"  # of another kind than it was, or none
    THROTTLED = "throttled"  # asks us to come less often
    FORBIDDEN = "forbidden"  # 401, 403, 451: not for us
    GONE = "gone"  # 404, 410
    UNREACHABLE = "unreachable"  # no answer, an error of the server, or a file that is not here
    REFUSED = "refused"  # our own rules forbid its address
    TOO_LARGE = "too-large"

    @property
    def was_read(self) -> bool:
        """Whether the list could be read."""
        return self in {ListState.OK, ListState.EMPTY, ListState.SHRUNK, ListState.MOVED}

    @property
    def is_trouble(self) -> bool:
        """Whether a person should look at the list."""
        return self not in {ListState.NEW, ListState.OK}


class ItemState(StrEnum):
    """The state of a page that a list named."""

    WAITING = "waiting"  # to be handed over: more came at once than one poll hands over
    QUEUED = "queued"  # handed over; the queue says more
    SKIPPED = "skipped"  # was there before, and not wanted
    SAME = "same"  # its capture showed that it is another item's page


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """
    A list and how it is polled.

    Raises:
        ValueError: An invalid name, pace or bound.
    """

    name: str
    source: str  # http(s) address, or the absolute path of a file
    created_at: datetime  # UTC; two watch lists of one name, one after the other, differ by it
    kind: str = ""  # "feed", "sitemap", "csv", "html"; "" for what it is when first read
    select: str = ""  # CSS selector of a page's links; "" for all
    match: tuple[str, ...] = ()  # patterns that an item's address has to fit one of
    exclude: tuple[str, ...] = ()  # patterns that it must not fit
    column: str = ""  # of a table
    every: timedelta = timedelta(minutes=10)
    jitter: float = 0.15  # share of `every`, to either side
    within: timedelta = WITHIN
    existing: Existing = Existing.CAPTURE
    existing_limit: int = 100  # of those, handed over at most
    poll_limit: int = 500  # handed over by one poll; the rest by the next ones
    policy: str = ""  # as CaptureJob has it
    tags: tuple[str, ...] = ()
    render: bool = False  # the list is read from a capture of it, as a browser shows it
    then: str = ""  # a decay curve that each item is given from first sight
    starts_at: datetime | None = None  # UTC
    ends_at: datetime | None = None  # UTC

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(
                f"a watch list's name is of a-z, 0-9 and dashes, at most 40: {self.name!r}"
            )
        if not LEAST_EVERY <= self.every <= MOST_EVERY:
            raise ValueError("a list is polled once a minute at most, and once a year at least")
        if not 0 <= self.jitter <= MAX_JITTER:
            raise ValueError(f"the jitter must be from 0 to {MAX_JITTER:.0%}")
        if self.within < timedelta(seconds=1):
            raise ValueError("the time until capture is a second or more")
        if not 0 <= self.existing_limit <= 50_000 or not 1 <= self.poll_limit <= 50_000:
            raise ValueError("at most 50,000 items are handed over at once")
        if len(self.match) > MAX_PATTERNS or len(self.exclude) > MAX_PATTERNS:
            raise ValueError(f"more than {MAX_PATTERNS} patterns")
        if self.render and (self.is_file or self.kind not in ("", "html")):
            raise ValueError("only a page can be rendered")
        if self.starts_at and self.ends_at and self.ends_at <= self.starts_at:
            raise ValueError("a watch list ends after it starts")

    @property
    def is_file(self) -> bool:
        """Whether the list is a file of the machine that polls it."""
        return self.source.startswith("/")

    @property
    def is_asked(self) -> bool:
        """Whether a poll itself sends a request to a server, and so is a visit of its host."""
        return not self.is_file and not self.render

    @property
    def schedule(self) -> str:
        """The name of the schedule for the list's pages, if there is a curve for them."""
        return f"watch-{self.name}"

    @property
    def origin(self) -> str:
        """The origin that jobs for the list's pages carry."""
        return f"watch:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """One poll of a list, or a time in which polls were due and none was made."""

    at: datetime  # UTC; of a gap, when the first look was due
    ended_at: datetime  # UTC; of a gap, when polling went on
    state: ListState | None  # None: a gap
    detail: str = ""  # a sentence
    http_status: int | None = None
    listed: int = 0  # items, those that patterns leave out not counted
    new: int = 0
    queued: int = 0
    missed: int = 0  # looks that were not made
    gap_id: str = ""  # of the signed record of a gap; "" while there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchStatus:
    """A watch list and its state."""

    watch: Watch
    state: ListState
    paused: bool = False
    paused_reason: str = ""
    ended: bool = False
    detail: str = ""  # of the state, a sentence
    kind: str = ""  # of the list; "" before it was read
    title: str = ""  # of the list
    since: datetime | None = None  # in this state
    next_at: datetime | None = None  # None: paused or ended
    last_poll_at: datetime | None = None
    last_read_at: datetime | None = None  # when it could last be read
    http_status: int | None = None
    final_url: str = ""
    listed: int = 0  # items at the last reading
    failures: int = 0  # polls in a row that could not read it
    polls: int = 0
    missed: int = 0
    items: int = 0  # remembered
    waiting: int = 0  # of these, to be handed over


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchItem:
    """A page that a list named."""

    key: str  # its identity
    url: str  # as it was listed first, and is captured
    state: ItemState
    first_seen: datetime  # UTC
    title: str = ""  # as the list has it
    stamp: str = ""  # its time as the list words it
    job_id: str = ""
    backlog: bool = False  # was in the list when it was first read
    final: bool = True  # False: the page has to be loaded before its identity is known
    same_as: str = ""  # the key of the item whose page it is
    aliases: tuple[str, ...] = ()  # further identities that mean it
