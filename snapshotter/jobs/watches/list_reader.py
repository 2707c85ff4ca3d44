"""
Fetch the documents of a watch list, and read from them which pages the list names.

This module writes nothing to the database. Lists are not trusted: their bytes are read by readers
with limits (`formats.lists`), and an error in a list becomes a state of the list.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from snapshotter.egress.fetch import FetchedResponse, FetchFailed
from snapshotter.errors import SnapshotterError, one_line
from snapshotter.formats.hosts import host_of
from snapshotter.formats.lists.html_links import matching
from snapshotter.formats.lists.listing import Listing, ListItem, ListUnreadable
from snapshotter.formats.lists.reader import read_list
from snapshotter.jobs.watches.items import IdentifiedPage
from snapshotter.jobs.watches.tables import Part
from snapshotter.jobs.watches.watches import PollClaim, PollResult
from snapshotter.model.watch import ListState, Watch
from snapshotter.policy.host_responses import parse_retry_after
from snapshotter.policy.page_identity import PageIdentityRules, page_identity
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

MAX_BYTES: Final = 16 << 20  # bytes of one document as received
FETCH_S: Final = 30.0  # seconds for one document
_CHILDREN: Final = 10  # sitemaps of an index that one poll reads
_CHILDREN_TIME: Final = timedelta(minutes=2)  # after which no further sitemap is fetched
_CHILDREN_KNOWN: Final = 5_000  # sitemaps of one index
_FEW: Final = 6  # a shorter list may lose half of its pages without a warning
_STATUS: Final = {
    401: ListState.FORBIDDEN,
    403: ListState.FORBIDDEN,
    404: ListState.GONE,
    410: ListState.GONE,
    414: ListState.THROTTLED,  # some platforms use it for "too frequent"
    418: ListState.THROTTLED,
    420: ListState.THROTTLED,
    429: ListState.THROTTLED,
    451: ListState.FORBIDDEN,
}
_WORDS: Final = {"refused": ListState.REFUSED, "too-large": ListState.TOO_LARGE}


class Fetcher(Protocol):
    """Fetches a document of a list, under the same network rules as a page."""

    def __call__(
        self, watch: Watch, url: str, known: Mapping[str, Mapping[str, str]]
    ) -> FetchedResponse:
        """
        Return the response of the server.

        Args:
            known: For each address, headers that make its request conditional.

        Raises:
            FetchFailed: No response, or none within the limits.
        """


@dataclass(frozen=True, slots=True)
class NotRendered:
    """The page of a list could not be captured, so there is no document to read."""

    why: str


class ListReader:
    """
    Reads watch lists.

    Args:
        fetch: Fetches documents.
        rules: Decide which addresses are the same page.
        clock: Returns the time, UTC.
    """

    def __init__(
        self, fetch: Fetcher, rules: PageIdentityRules, *, clock: Callable[[], datetime]
    ) -> None:
        self._fetch = fetch
        self._rules = rules
        self._clock = clock

    def look(
        self, claim: PollClaim, rendered: FetchedResponse | NotRendered | None = None
    ) -> tuple[PollResult, tuple[IdentifiedPage, ...]]:
        """
        Read a list now; return its state and its pages. Errors of the list are states.

        Args:
            rendered: For a list that is read from a capture: the document, or why there is none.
        """
        watch = claim.watch
        if isinstance(rendered, NotRendered):
            return PollResult(state=ListState.UNREACHABLE, detail=rendered.why), ()
        top = claim.parts[0] if claim.parts else Part(url=watch.source)
        try:
            read = self._read(claim, top, answer=rendered)
        except _Failed as error:
            return error.look, ()
        children: tuple[Part, ...] = claim.parts[1:]
        listings = [read.listing] if read.listing is not None else []
        notes: list[str] = []
        complete = True
        if read.listing is not None and read.listing.kind == "sitemap-index":
            children, listings = _children(read.listing, claim.parts[1:], read.part.url), []
            read = replace(read, part=replace(read.part, listed=0))
            if len(children) > _CHILDREN_KNOWN:
                notes.append(
                    tr(
                        "only {children_known} of the {count} sitemaps are read",
                        children_known=_CHILDREN_KNOWN,
                        count=len(children),
                    )
                )
                children = children[:_CHILDREN_KNOWN]
        if children:
            rest = self._read_children(claim, children)
            children = rest.parts
            listings += rest.listings
            notes += rest.notes()
            if rest.failures and not any(part.sha256 for part in children):
                detail = f"none of the sitemaps can be read: {rest.failures[0]}"
                return _looked(ListState.UNREACHABLE, detail, read), ()
            # The pages of sitemaps that were never read are the backlog and not new pages.
            complete = rest.unread <= len(rest.failures)
        parts = (read.part, *children)
        found = tuple(
            self._found(watch, (listed for listing in listings for listed in listing.items))
        )
        dropped = sum(listing.dropped for listing in listings)
        listed = sum(part.listed for part in parts)
        if listings and not children:
            listed = len(found)  # pages that the patterns exclude do not count
            parts = (replace(read.part, listed=listed),)
        if dropped:
            notes.append(
                tr("entries without an address that can be captured: {dropped}", dropped=dropped)
            )
        if any(listing.truncated for listing in listings):
            notes.append(tr("the list is too long, and its end is not read"))
        state, detail = self._judged(claim, read, listed, bool(listings), dropped)
        title = listings[0].title if listings else ""
        look = _looked(state, detail, read, listed, title, parts, tuple(notes))
        return replace(look, complete=complete), found

    def _judged(
        self, claim: PollClaim, read: "_Read", listed: int, is_new: bool, dropped: int
    ) -> tuple[ListState, str]:
        """Return the state of a list that was read, and a sentence about it."""
        watch, before = claim.watch, claim.status
        moved = not watch.is_file and site_of(read.answered) != site_of(watch.source)
        of_another = (
            ListState.MOVED,
            tr(
                "the address of the list now leads to another site, {site_of}",
                site_of=site_of(read.answered),
            ),
        )
        if not is_new and claim.opened:  # unchanged since the last poll, which judged it
            if claim.read_state in (ListState.OK, ListState.MOVED):
                return of_another if moved else (ListState.OK, "")
            return claim.read_state, before.detail if before.state is claim.read_state else ""
        if listed == 0:
            why = "no page of the list is left after --match, --exclude and --select are applied"
            return ListState.EMPTY, why if read.raw or dropped else tr("the list contains no page")
        if moved:
            return of_another
        if claim.opened and before.listed >= _FEW and listed * 2 < before.listed:
            return ListState.SHRUNK, tr(
                "the list contained {listed} pages before, but now contains only {listed2}",
                listed=before.listed,
                listed2=listed,
            )
        return ListState.OK, ""

    def _read(
        self, claim: PollClaim, part: Part, *, kind: str = "", answer: FetchedResponse | None = None
    ) -> "_Read":
        """Read one document of a list. Raises _Failed with the resulting state of the list."""
        watch = claim.watch
        if answer is None:
            answer = self._file(watch) if watch.is_file else self._answer(watch, part)
        fresh = replace(
            part,
            answered=answer.url,
            etag=answer.headers.get("etag", ""),
            modified=answer.headers.get("last-modified", ""),
            read_at=claim.at,
        )
        read = _Read(part=fresh, listing=None, answered=answer.url, status=answer.status)
        if answer.status == 304 and part.sha256:
            kept = replace(part, read_at=claim.at)
            return replace(read, part=kept, answered=part.answered)
        if answer.status == 0:
            detail = tr("the page of the list was captured, but its server gave no answer")
            raise _Failed(PollResult(state=ListState.UNREACHABLE, detail=detail))
        if watch.render and not answer.body:
            detail = tr("the capture of the list's page has no document that can be read")
            raise _Failed(PollResult(state=ListState.UNREACHABLE, detail=detail))
        if answer.status != 200:
            raise _Failed(_failed(answer, claim.at))
        sha256 = hashlib.sha256(answer.body).hexdigest()
        if sha256 == part.sha256:
            return replace(read, part=fresh)
        try:
            listing = read_list(
                answer.body,
                answer.url,
                answer.headers.get("content-type", ""),
                kind=kind or ("html" if watch.render else claim.kind),
                select=watch.select,
                column=watch.column,
            )
            if listing.kind == "html" and not watch.select and not watch.match:
                raise ListUnreadable(
                    tr(
                        "the list is a web page. Use --match or --select to choose the links of "
                        "this page that lead to pages to capture"
                    )
                )
        except ListUnreadable as error:
            detail = f"{error.message}; {one_line(error.hint)}" if error.hint else error.message
            raise _Failed(_looked(ListState.NOT_A_LIST, detail, read)) from error
        except SnapshotterError as error:  # an invalid selector
            raise _Failed(_looked(ListState.NOT_A_LIST, error.message, read)) from error
        raw = len(listing.items)
        part = replace(fresh, sha256=sha256, listed=raw)
        return replace(read, part=part, listing=listing, raw=raw)

    def _answer(self, watch: Watch, part: Part) -> FetchedResponse:
        asked: dict[str, str] = {}
        if part.sha256:
            asked |= {"If-None-Match": part.etag} if part.etag else {}
            asked |= {"If-Modified-Since": part.modified} if part.modified else {}
        try:
            return self._fetch(watch, part.url, {part.answered: asked} if asked else {})
        except FetchFailed as error:
            state = _WORDS.get(error.word, ListState.UNREACHABLE)
            raise _Failed(PollResult(state=state, detail=error.message)) from error

    def _file(self, watch: Watch) -> FetchedResponse:
        try:
            with Path(watch.source).open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
        except OSError as error:
            detail = tr(
                "{source} cannot be read on the machine that polls the list: {strerror}",
                source=watch.source,
                strerror=error.strerror,
            )
            raise _Failed(PollResult(state=ListState.UNREACHABLE, detail=detail)) from error
        if len(data) > MAX_BYTES:
            detail = tr("the list has more than {max_bytes} bytes", max_bytes=MAX_BYTES)
            raise _Failed(PollResult(state=ListState.TOO_LARGE, detail=detail))
        kind = "text/csv" if watch.source.lower().endswith((".csv", ".txt", ".tsv")) else ""
        return FetchedResponse(
            status=200, url=Path(watch.source).as_uri(), body=data, headers={"content-type": kind}
        )

    def _read_children(self, claim: PollClaim, children: tuple[Part, ...]) -> "_Children":
        """Read the sitemaps of an index that may have changed, the longest unread first."""
        listings: list[Listing] = []
        failures: list[str] = []
        parts = {part.url: part for part in children}
        never = datetime.min.replace(tzinfo=UTC)
        # A sitemap with a time is read again when the time changes; one without, in turn.
        asked = sorted(
            (part for part in children if not part.sha256 or not part.stamp),
            key=lambda part: part.read_at or never,
        )
        for part in asked[:_CHILDREN]:
            if self._clock() > claim.at + _CHILDREN_TIME:
                break  # each fetch may use its whole time limit
            try:
                read = self._read(claim, part, kind="sitemap")
            except _Failed as error:
                failures.append(f"{part.url}: {error.look.detail}")
                parts[part.url] = replace(part, read_at=claim.at)
                continue
            parts[part.url] = read.part
            if read.listing is not None and read.listing.kind == "sitemap":
                listings.append(read.listing)
        unread = sum(not part.sha256 for part in parts.values())
        return _Children(tuple(parts.values()), tuple(listings), tuple(failures), unread)

    def _found(self, watch: Watch, listed: Iterable[ListItem]) -> Iterator[IdentifiedPage]:
        fits, unfit = matching(watch.match).match, matching(watch.exclude).match
        for listed_page in listed:
            if fits(listed_page.url) and not (watch.exclude and unfit(listed_page.url)):
                try:
                    yield IdentifiedPage(listed_page, page_identity(listed_page.url, self._rules))
                except ValueError:  # an address that a browser refuses as well
                    continue


def site_of(url: str) -> str:
    """Return the site of a URL: its host without `www.`."""
    return host_of(url).removeprefix("www.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """One document that was fetched."""

    part: Part
    listing: Listing | None  # None: unchanged
    answered: str
    status: int
    raw: int = 0  # items before the patterns are applied


@dataclass(frozen=True, slots=True)
class _Children:
    """The sitemaps of an index after a poll read some of them."""

    parts: tuple[Part, ...]
    listings: tuple[Listing, ...]  # of the sitemaps that were read and had changed
    failures: tuple[str, ...]  # of the sitemaps that could not be read
    unread: int  # sitemaps that were never read, including failures

    def notes(self) -> tuple[str, ...]:
        """Return sentences about sitemaps that were not read."""
        notes = []
        if self.failures:
            notes.append(
                tr(
                    "sitemaps that cannot be read: {count}. The first: {failures}",
                    count=len(self.failures),
                    failures=self.failures[0],
                )
            )
        if self.unread > len(self.failures):
            notes.append(
                tr(
                    "sitemaps that later polls will read: {unread} of {count}",
                    unread=self.unread,
                    count=len(self.parts),
                )
            )
        return tuple(notes)


class _Failed(Exception):
    """A document could not be read."""

    def __init__(self, look: PollResult) -> None:
        super().__init__(look.detail)
        self.look = look


def _looked(
    state: ListState,
    detail: str,
    read: _Read,
    listed: int = 0,
    title: str = "",
    parts: tuple[Part, ...] = (),
    notes: tuple[str, ...] = (),
) -> PollResult:
    kind = read.listing.kind if read.listing is not None else ""
    return PollResult(
        state=state,
        detail=detail,
        http_status=None if read.answered.startswith("file:") else read.status,
        final_url=read.answered,
        title=title,
        kind="sitemap" if kind == "sitemap-index" else kind,
        listed=listed,
        parts=parts,
        notes=notes,
    )


def _failed(answer: FetchedResponse, at: datetime) -> PollResult:
    asked, date = answer.headers.get("retry-after", ""), answer.headers.get("date", "")
    state = _STATUS.get(answer.status)
    if asked and answer.status in (403, 503):
        state = ListState.THROTTLED
    if state is None:
        state = ListState.UNREACHABLE if answer.status >= 500 else ListState.NOT_A_LIST
    return PollResult(
        state=state,
        detail=tr("the server answers with HTTP status {status}", status=answer.status),
        http_status=answer.status,
        final_url=answer.url,
        retry_after=parse_retry_after(asked, said_at=date, ours=at),
        asked=asked,
        date=date,
    )


def _children(index: Listing, known: Sequence[Part], base: str) -> tuple[Part, ...]:
    """Return the sitemaps of an index that are on its own site."""
    before = {part.url: part for part in known}
    parts = []
    for listed in index.items:
        if site_of(listed.url) != site_of(base):
            continue
        part = before.get(listed.url, Part(url=listed.url))
        if part.stamp != listed.stamp:
            part = replace(part, stamp=listed.stamp, sha256="", read_at=None)
        parts.append(part)
    # The newest first: they contain the new pages.
    return tuple(sorted(parts, key=lambda part: part.stamp, reverse=True))
