"""
Define the state of the fixture site at an instant: which pages are available, removed or behind a
wall, and with which counts.

A state is a value. `change` adds to a page's timeline what holds from an instant on, and `at` is
the current time: the same state at two times is a page before and after a removal.

    state = SiteState(at=T0).change("wx/article", T0 + 40 * MINUTE, removed("wx-01"))
    render("/wx/article", state)                              # the article
    render("/wx/article", state.until(T0 + 60 * MINUTE))      # the notice
"""

import enum
from collections.abc import Mapping
from dataclasses import field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from snapshotter.value_class import dataclass

# 2026-01-08T01:51:38Z: six days after the article of `/wx/article` was published.
BEGIN = datetime(2026, 1, 8, 1, 51, 38, tzinfo=UTC)


class Showing(enum.StrEnum):
    """What a page shows to its visitors."""

    AVAILABLE = "available"
    REMOVED = "removed"
    WALL = "wall"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageState:
    """The state of one page. A field that a page does not use has no effect on it."""

    showing: Showing = Showing.AVAILABLE
    variant: str = ""  # of the notice or the wall: `NOTICES`, `WALLS`; "" for the host's usual one
    account: str = ""  # what stands in place of the account's name
    reposts: int = 480
    comments: int = 96
    likes: int = 3797  # beyond 100,000 it is shown as 10万+
    reads: int = 3797
    figure: int = 40  # the number in the story's first sentence
    edit: str = ""  # what the publisher changed in an article of `edited_articles`
    modified: bool = False  # the platform's own mark: 标题已修改
    sidebar: int = 0  # edition of the teasers, the other 40 per cent of the page
    items: int = 3  # of a feed
    after_s: float = 6.0  # a wall that goes by itself does so after this
    images_missing: int = 0  # so many of the images of an article answer 404


_USUAL = PageState()


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteState:
    """The whole site at an instant."""

    at: datetime = BEGIN
    timelines: Mapping[str, tuple[tuple[datetime, PageState], ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def page(self, name: str) -> PageState:
        """
        Return how a page stands now.

        What was said of the page itself goes before what was said of "wx/account/3/*",
        and that before "wx/account/*".
        """
        for key in (name, *_above(name)):
            now = [state for since, state in self.timelines.get(key, ()) if since <= self.at]
            if now:
                return now[-1]
        return _USUAL

    def change(self, name: str, since: datetime, state: PageState) -> "SiteState":
        """Return the site where a page, or all of "wx/account/*", stands so from an instant on."""
        line = [pair for pair in self.timelines.get(name, ()) if pair[0] != since]
        line = sorted([*line, (since, state)], key=lambda pair: pair[0])
        return replace(self, timelines=MappingProxyType({**self.timelines, name: tuple(line)}))

    def until(self, at: datetime) -> "SiteState":
        """Return the same site at another time."""
        return replace(self, at=at)

    def later(self, by: timedelta) -> "SiteState":
        """Return the same site later."""
        return self.until(self.at + by)


def available(**what: object) -> PageState:
    """Return a page that is there: `available(reposts=512)`."""
    return replace(_USUAL, **what)  # type: ignore[arg-type]  # the fields of PageState


def removed(variant: str = "") -> PageState:
    """Return a page in whose place there is a notice; variants are in `NOTICES`."""
    return PageState(showing=Showing.REMOVED, variant=variant)


def wall(variant: str = "") -> PageState:
    """Return a page before which there is a wall; variants are in `WALLS`."""
    return PageState(showing=Showing.WALL, variant=variant)


def campaign(
    state: SiteState, accounts: int, since: datetime, *, variant: str = "wx-05"
) -> SiteState:
    """Return the site whose first accounts, so many, are gone from an instant on."""
    for number in range(accounts):
        state = state.change(f"wx/account/{number}", since, removed(variant))
        state = state.change(f"wx/account/{number}/*", since, removed(variant))
    return state


def _above(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:count]) + "/*" for count in range(len(parts) - 1, 0, -1)]
