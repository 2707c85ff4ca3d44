"""
Read counts, dates, metadata, regions and links from a page.

`read_page` returns all of them, `regions_of` the regions alone, and `article_of` the regions of the
article that a reader sees, for comparisons. The QR codes in pictures are
decoded by `qr.py`. The same page and rules give the same readings. Each reader leaves out what it
cannot interpret. A reader that fails on a page is named, and the others still run.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

from snapshotter.assess.article import widen_to_article
from snapshotter.assess.counts import count_words_for_sites, counts_in, read_counts
from snapshotter.assess.dates import changes_daily, date_context, read_dates
from snapshotter.assess.dom import DomDocument, match_selectors, read_document
from snapshotter.assess.metadata import conflicts_of, read_metadata
from snapshotter.assess.regions import Regions, main_digest, read_regions
from snapshotter.model.assessment import FailedReading
from snapshotter.model.page import Block, Page
from snapshotter.model.reading import Count, DateReading, Metadatum, Readings, Region
from snapshotter.model.reading_rules import Rounding, SiteReadings
from snapshotter.model.request import ReadingRules

_MAX_BLOCKS = 20_000
_CHOSEN = 0.5  # the share of the page's main text that a policy names, if it means all of it
_PASSING = 60  # characters of a line that is a count or an age, and no text
# Characters that a record keeps. A page may be made to have more: its assessment must not
# become too long for a bundle, and there would be none.
_MAIN_TEXT = 400_000
_HIDDEN_TEXT = 100_000
_REGIONS = 1_000_000  # of all selectors together
_LINKS = 200_000

_T = TypeVar("_T")


def read_page(
    page: Page,
    rules: ReadingRules,
    *,
    main_regions: Sequence[str] = (),
    document: DomDocument | None = None,
    unread: list[FailedReading] | None = None,
) -> Readings:
    """
    Return the readings of a page.

    Args:
        main_regions: The policy's selectors of the main region, before those of the site.
        document: Of the page, if it was parsed before; None: it is parsed here.
        unread: Receives the readers that failed. None: the first error is raised.
    """

    def attempt(reading: str, work: Callable[[], _T], otherwise: _T) -> _T:
        try:
            return work()
        except Exception as error:  # recorded: a page that breaks one reader keeps the others
            if unread is None:
                raise
            unread.append(FailedReading(reading=reading, why=type(error).__name__))
            return otherwise

    document = document if document is not None else read_document(page.html)
    sites: tuple[SiteReadings, ...] = attempt(
        "sites", lambda: sites_for_page(page, rules.sites, document), ()
    )
    blocks = blocks_of_page(page, document)
    regions = attempt(
        "regions",
        lambda: _regions(document, blocks, sites, main_regions),
        Regions(labels={block.selector: Region.OTHER for block in blocks}),
    )
    when = date_context(page, sites)
    metadata: tuple[Metadatum, ...] = attempt(
        "metadata", lambda: read_metadata(page, document, blocks, regions, sites), ()
    )
    dates: tuple[DateReading, ...] = ()
    if rules.dates:
        dates = attempt(
            "dates", lambda: read_dates(document, blocks, regions.labels, metadata, when), ()
        )
    counts: tuple[Count, ...] = ()
    if rules.counts:
        counts = attempt(
            "counts", lambda: read_counts(page, document, blocks, regions.labels, sites), ()
        )
    return Readings(
        counts=counts,
        dates=dates,
        metadata=metadata,
        conflicts=attempt("conflicts", lambda: conflicts_of(metadata, when), ()),
        regions=tuple(_within(_REGIONS, regions.labelled, lambda block: len(block.selector))),
        main_selector=regions.main_selector,
        main_by=regions.main_by,
        main_text=regions.main_text[:_MAIN_TEXT],
        main_sha256=main_digest(regions.main_text),
        hidden_text=regions.hidden_text[:_HIDDEN_TEXT],
        links=tuple(_within(_LINKS, regions.links, len)) if rules.links else (),
    )


def are_nested(selector: str, other: str) -> bool:
    """Return whether one of two elements is the other one or in it, by their selectors."""
    return f"{selector} > ".startswith(f"{other} > ") or f"{other} > ".startswith(f"{selector} > ")


def _within(most: int, values: Iterable[_T], length: Callable[[_T], int]) -> Iterator[_T]:
    """Yield values from the first on, as long as their total length is within the limit."""
    for value in values:
        most -= length(value)
        if most < 0:
            return
        yield value


def regions_of(
    page: Page,
    rules: ReadingRules,
    *,
    main_regions: Sequence[str] = (),
    document: DomDocument | None = None,
) -> Regions:
    """Return the regions of a page alone, which a verdict needs while the browser waits."""
    document = document if document is not None else read_document(page.html)
    sites = sites_for_page(page, rules.sites, document)
    return _regions(document, blocks_of_page(page, document), sites, main_regions)


def article_of(
    page: Page,
    rules: ReadingRules,
    *,
    main_regions: Sequence[str] = (),
    document: DomDocument | None = None,
) -> Regions:
    """
    Return the regions of a page, widened to its article, for the comparison with another capture.

    If a policy names another main region than the page, or a small part of it, this choice is kept.
    """
    document = document if document is not None else read_document(page.html)
    found = regions_of(page, rules, main_regions=main_regions, document=document)
    if main_regions and found.main_by == "policy":
        own = regions_of(page, rules, document=document)
        is_part = len(found.main_text) < _CHOSEN * len(own.main_text)
        if is_part or not are_nested(found.main_selector, own.main_selector):
            return found
    words = count_words_for_sites(sites_for_page(page, rules.sites, document))
    return widen_to_article(
        found,
        document,
        blocks_of_page(page, document),
        lambda block: (
            len(block.text) <= _PASSING
            and (changes_daily(block.text) or bool(counts_in(block.text, words, Rounding.EITHER)))
        ),
    )


def blocks_of_page(page: Page, document: DomDocument | None) -> tuple[Block, ...]:
    """Return the browser's blocks of a page; for an older bundle those that its markup gives."""
    if page.blocks or document is None:
        return page.blocks[:_MAX_BLOCKS]
    return document.blocks[:_MAX_BLOCKS]


def sites_for_page(
    page: Page, sites: Iterable[SiteReadings], document: DomDocument | None
) -> tuple[SiteReadings, ...]:
    """
    Return the rules for a page's site: by its host, by its software, then those for all pages.
    """
    host = (urlsplit(page.final_url or page.requested_url).hostname or "").lower()
    of_host: list[SiteReadings] = []
    of_kind: list[SiteReadings] = []
    of_all: list[SiteReadings] = []
    for site in sites:
        if site.hosts:
            if any(
                host == known_host or host.endswith(f".{known_host}") for known_host in site.hosts
            ):
                of_host.append(site)
        elif site.detect:
            if (
                document
                and next(match_selectors(document, [", ".join(site.detect)]), None) is not None
            ):
                of_kind.append(site)
        else:
            of_all.append(site)
    return (*of_host, *of_kind, *of_all)


def _regions(
    document: DomDocument | None,
    blocks: Sequence[Block],
    sites: Sequence[SiteReadings],
    main_regions: Sequence[str],
) -> Regions:
    words = count_words_for_sites(sites)

    def passing(block: Block) -> Region | None:
        if len(block.text) > _PASSING or block.tag in ("p", "blockquote", "pre"):
            return None
        if changes_daily(block.text):
            return Region.DATE
        return Region.OTHER if counts_in(block.text, words, Rounding.EITHER) else None

    return read_regions(
        document,
        blocks,
        passing=passing,
        main=(*main_regions, *(css for site in sites for css in site.main)),
        named=tuple(region for site in sites for region in site.regions),
    )
