"""Find captures of other pages with nearly the same main text, by fingerprints of the texts."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from snapshotter.index.bundle_rows import split
from snapshotter.index.database import IndexDatabase
from snapshotter.index.fingerprint import PROBED, SHARED, SHARED_OF_PROBED
from snapshotter.model.copies import Copy

# Returns whether a capture with these kinds of sidecars must not be named.
IsHidden = Callable[[str, Sequence[str]], bool]

_MOST: Final = 20  # pages that are returned
_NEWEST: Final = 3  # captures of a page, of which the first that is not hidden is named


def find_copies(database: IndexDatabase, bundle_id: str, is_hidden: IsHidden) -> tuple[Copy, ...]:
    """Return captures of other pages with nearly the same main text, one for each page."""
    own = database.rows("SELECT page, hashes FROM sketch WHERE bundle_id = ?", [bundle_id])
    if not own:
        return ()
    page, hashes = own[0]
    values = [int(value) for value in hashes.split()]
    # Most captures have no copy, and a few values show it.
    pages = _pages_with(database, values[:PROBED], SHARED_OF_PROBED, "page != ?", [page])
    if pages:
        among = f"page IN ({', '.join('?' * len(pages))})"
        pages = _pages_with(database, values, SHARED, among, pages)
    found = (_newest(database, other, is_hidden) for other in pages[:_MOST])
    return tuple(copy for copy in found if copy is not None)


def _pages_with(
    database: IndexDatabase, values: Sequence[int], least: int, where: str, given: Sequence[Any]
) -> list[str]:
    """Return the pages that have at least so many of these values of fingerprints."""
    found = database.rows(
        f"SELECT page FROM fingerprint WHERE value IN ({', '.join('?' * len(values))}) "  # noqa: S608
        f"AND {where} GROUP BY page HAVING COUNT(*) >= ? ORDER BY page LIMIT ?",
        [*values, *given, least, 10 * _MOST],
    )
    return [page for (page,) in found]


def _newest(database: IndexDatabase, page: str, is_hidden: IsHidden) -> Copy | None:
    """Return the newest capture of a page that is not hidden, of the last few."""
    for bundle_id, url, sidecars in database.rows(
        "SELECT bundle.bundle_id, bundle.url, bundle.sidecars FROM sketch "
        "JOIN bundle ON bundle.bundle_id = sketch.bundle_id "
        "WHERE sketch.page = ? ORDER BY sketch.bundle_id DESC LIMIT ?",
        [page, _NEWEST],
    ):
        if not is_hidden(bundle_id, split(sidecars)):
            return Copy(bundle_id=bundle_id, url=url)
    return None
