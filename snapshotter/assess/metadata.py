"""
Read the metadata that a page states about itself: each value with the place where it stands.

The same fact is often stated in several places: in JSON-LD, in `meta`, in an element, in a
variable of a script. All of them are kept, the best founded first. If the values of one name do
not agree, `conflicts_of` returns the name, and none of the values is chosen.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from snapshotter.assess.dates import DateContext, parse_date
from snapshotter.assess.dom import DomDocument, match_selectors, text_of
from snapshotter.assess.regions import Regions
from snapshotter.assess.script_data import as_text, at_path, find_json_data, parse_json, variable
from snapshotter.formats.page.plain_text import normalise_text
from snapshotter.model.page import Block, Page
from snapshotter.model.reading import Metadatum, Region, Source
from snapshotter.model.reading_rules import MARK, MetadataLocation, SiteReadings

_MAX_VALUE = 500  # characters
_MAX_VALUES = 120
_MAX_NODES = 300  # of JSON-LD
_MAX_JSON_LD = 1 << 20  # characters of one script
_MARK_WORDS = frozenset({"标题已修改", "標題已修改"})
_DATES = frozenset({"published", "modified"})
_EPOCH = re.compile(r"\d{9,10}")

# Names of `meta` (`name`, `property` or `itemprop`), lowercase.
_META = {
    "title": ("og:title", "twitter:title", "dc.title", "dcterms.title", "headline"),
    "byline": ("author", "article:author", "og:article:author", "dc.creator", "dcterms.creator",
               "parsely-author", "byl", "sailthru.author"),
    "site": ("og:site_name", "application-name", "dc.publisher", "publisher"),
    "canonical": ("og:url",),
    "published": ("article:published_time", "og:article:published_time", "datepublished",
                  "dc.date", "dc.date.issued", "dcterms.date", "dcterms.issued",
                  "dcterms.created", "date", "pubdate", "publishdate", "publication_date",
                  "parsely-pub-date", "sailthru.date", "ptime", "publish_time"),
    "modified": ("article:modified_time", "og:updated_time", "datemodified", "dcterms.modified",
                 "dc.date.modified", "last-modified", "revised", "lastmod"),
    "language": ("og:locale", "dc.language", "dcterms.language", "content-language"),
}  # fmt: skip
_OF_META = {name: key for key, names in _META.items() for name in names}
_ARTICLES = frozenset(
    {
        "article", "newsarticle", "blogposting", "socialmediaposting", "reportagenewsarticle",
        "analysisnewsarticle", "opinionnewsarticle", "liveblogposting", "techarticle", "report",
        "videoobject", "discussionforumposting", "webpage", "creativework", "scholarlyarticle",
    }
)  # fmt: skip


def read_metadata(
    page: Page,
    document: DomDocument | None,
    blocks: Sequence[Block],
    regions: Regions,
    sites: Sequence[SiteReadings],
) -> tuple[Metadatum, ...]:
    """Return the metadata of a page, the best founded first within each name."""
    found: dict[tuple[str, str, str], Metadatum] = {}
    sources: list[Iterator[Metadatum]] = [_of_sites(page, document, sites)]
    if document is not None:
        sources += [
            _of_json_ld(document),
            _of_meta(document),
            _of_elements(document, regions),
            _of_blocks(blocks, regions),
        ]
    for source in sources:
        for metadatum in source:
            if len(found) == _MAX_VALUES:
                break
            if metadatum.name == MARK and MARK in {name for name, _, _ in found}:
                continue  # the same mark, found by its words as well
            found.setdefault((metadatum.name, metadatum.value, metadatum.where), metadatum)
    return tuple(found.values())


def conflicts_of(metadata: Iterable[Metadatum], when: DateContext) -> tuple[str, ...]:
    """
    Return the names of which a page states values that do not agree.

    Two dates agree if they can be the same moment. Two texts agree if they are equal, or if one is
    the other with an addition, as a title with the site's name at its end.
    """
    values: dict[str, list[str]] = {}
    for metadatum in metadata:
        values.setdefault(metadatum.name, []).append(metadatum.value)
    return tuple(sorted(name for name, some in values.items() if not _agree(name, some, when)))


def _agree(name: str, values: Sequence[str], when: DateContext) -> bool:
    if name in _DATES:
        intervals = [
            interval
            for interval in (parse_date(value, when) for value in values)
            if interval is not None
        ]
        return not intervals or max(interval.first for interval in intervals) < min(
            interval.end for interval in intervals
        )
    agree = _ALIKE.get(name, _same_or_more)
    return all(agree(values[0], other) for other in values[1:])


def _same_or_more(one: str, other: str) -> bool:
    first, second = (" ".join(normalise_text(text).casefold().split()) for text in (one, other))
    return first in second or second in first


def _same_address(one: str, other: str) -> bool:
    first, second = (text.partition("#")[0].rstrip("/") for text in (one, other))
    return first.partition(":")[2] == second.partition(":")[2] or (
        not (first.startswith("http") and second.startswith("http"))
        and (first.endswith(second) or second.endswith(first))
    )


def _same_language(one: str, other: str) -> bool:
    first, second = (text.lower().replace("_", "-").partition("-")[0] for text in (one, other))
    return first == second


_ALIKE: Mapping[str, Callable[[str, str], bool]] = {
    "canonical": _same_address,
    "language": _same_language,
}


def _metadatum(name: str, value: str, source: Source, where: str) -> Iterator[Metadatum]:
    text = " ".join(value.split())[:_MAX_VALUE]
    if text:
        yield Metadatum(name=name, value=text, source=source, where=where[:_MAX_VALUE])


# What is known of the site


def _of_sites(
    page: Page, document: DomDocument | None, sites: Sequence[SiteReadings]
) -> Iterator[Metadatum]:
    answer = None
    if page.media_type.endswith("json"):
        answer = parse_json(page.raw.decode("utf-8", "replace"))
    for site in sites:
        for rule in site.metadata:
            for value, source, where in _placed(rule, document, answer):
                if rule.epoch and (value := _instant(value)) == "":
                    continue
                if rule.name == MARK and value not in _MARK_WORDS:
                    continue
                yield from _metadatum(rule.name, value, source, where)


def _placed(
    rule: MetadataLocation, document: DomDocument | None, answer: Any
) -> Iterator[tuple[str, Source, str]]:
    place = rule.place
    scripts = document.scripts if document is not None else ()
    if place.select:
        if document is not None:
            for element in match_selectors(document, [place.select]):
                if not _is_hidden(element):
                    text = element.get(place.attribute) if place.attribute else text_of(element)
                    yield (text or "").strip(), Source.DOM, document.selector(element)
                    return
    elif place.data:
        held = find_json_data(scripts, place.variable) if place.variable else [("", answer)]
        for where, data in held:
            if value := as_text(at_path(data, place.data)):
                yield value, Source.JSON, f"{where}.{place.data}".lstrip(".")
                return
    else:
        for where, value in variable(scripts, place.variable):
            yield value, Source.SCRIPT, where
            return


def _is_hidden(element: Any) -> bool:
    at = element
    while at is not None:
        if "none" in re.findall(r"(?i)display\s*:\s*(\w+)", at.get("style") or ""):
            return True
        at = at.getparent()
    return False


def _instant(value: str) -> str:
    """Return seconds since 1970 as an instant; "" for anything else."""
    if not _EPOCH.fullmatch(value):
        return ""
    return f"{datetime.fromtimestamp(int(value), UTC):%Y-%m-%dT%H:%M:%SZ}"


# What any page may say


def _of_json_ld(document: DomDocument) -> Iterator[Metadatum]:
    for where, text in document.json_ld:
        if len(text) > _MAX_JSON_LD:
            continue
        for node in _nodes(parse_json(text)):
            for name, value in _stated(node):
                yield from _metadatum(name, value, Source.JSON_LD, where)


def _nodes(data: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the nodes that are about the page, as schema.org has them."""
    some = data if isinstance(data, list) else [data]
    if isinstance(data, dict) and isinstance(data.get("@graph"), list):
        some = [data, *data["@graph"]]
    for node in some[:_MAX_NODES]:
        if isinstance(node, dict) and any(kind in _ARTICLES for kind in _kinds(node)):
            yield node


def _kinds(node: Mapping[str, Any]) -> list[str]:
    kinds = node.get("@type", "")
    some = kinds if isinstance(kinds, list) else [kinds]
    return [str(value).rpartition("/")[2].lower() for value in some[:20]]


def _stated(node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    is_page = _kinds(node) == ["webpage"]
    yield "title", as_text(node.get("headline")) or as_text(node.get("name"))
    yield "published", as_text(node.get("datePublished"))
    yield "modified", as_text(node.get("dateModified"))
    yield "language", as_text(node.get("inLanguage"))
    yield "canonical", as_text(node.get("url")) or _of_thing(node.get("mainEntityOfPage"), "@id")
    if not is_page:
        authors = node.get("author")
        for author in (authors if isinstance(authors, list) else [authors])[:20]:
            yield "byline", _of_thing(author, "name")
        yield "site", _of_thing(node.get("publisher"), "name")


def _of_thing(value: Any, key: str) -> str:
    return as_text(value.get(key)) if isinstance(value, dict) else as_text(value)


def _of_meta(document: DomDocument) -> Iterator[Metadatum]:
    for element in document.elements:
        if element.tag == "meta":
            content = element.get("content") or ""
            for attribute in ("name", "property", "itemprop", "http-equiv"):
                called = (element.get(attribute) or "").strip().lower()
                name = _OF_META.get(called)
                # A profile's address is no name of a person.
                if name and not (name == "byline" and content.startswith(("http:", "https:"))):
                    where = f"{document.selector(element)}: {called}"
                    yield from _metadatum(name, content, Source.META, where)
                    break


def _of_elements(document: DomDocument, regions: Regions) -> Iterator[Metadatum]:
    language = document.root.get("lang") or document.root.get("xml:lang") or ""
    yield from _metadatum("language", language, Source.DOM, document.selector(document.root))
    has_title = False
    for element in document.elements:
        where = document.selector
        if element.tag == "title" and not has_title and _is_of_page(element):
            has_title = True
            yield from _metadatum("title", text_of(element), Source.DOM, where(element))
        elif element.tag == "link" and "canonical" in (element.get("rel") or "").lower().split():
            yield from _metadatum(
                "canonical", element.get("href") or "", Source.META, where(element)
            )
        elif element.tag == "time" and (name := _of_time(element, regions)):
            yield from _metadatum(name, element.get("datetime"), Source.TIME, where(element))


def _is_of_page(title: Any) -> bool:
    """Return whether a `title` element is the page's: drawings have titles too."""
    parent = title.getparent()
    return parent is not None and parent.tag in ("head", "html")


_OF_OTHERS = frozenset(
    {Region.COMMENT, Region.TEASER, Region.AD, Region.NAV, Region.FOOTER, Region.COMMENT_FORM}
)


def _of_time(element: Any, regions: Regions) -> str:
    """Return which date a `time` element states: that of the page's piece, if it is in or at it."""
    if not element.get("datetime"):
        return ""
    if regions.element_labels.get(element) in _OF_OTHERS or regions.main is None:
        return ""
    said = f"{element.get('class') or ''} {element.get('itemprop') or ''}".lower()
    if "modif" in said or "updat" in said:
        return "modified"
    inside = "publish" in said or "pubdate" in element.attrib
    at, steps = element, 0
    while not inside and at is not None and steps < 40:
        inside = at is regions.main or at.tag == "article"
        at, steps = at.getparent(), steps + 1
    return "published" if inside else ""


def _of_blocks(blocks: Sequence[Block], regions: Regions) -> Iterator[Metadatum]:
    """Yield the blocks labelled as headline, byline, or a platform's mark of an edit."""
    names = {Region.HEADLINE: "title", Region.BYLINE: "byline"}
    for block in blocks:
        name = names.get(regions.labels[block.selector])
        if block.hidden:
            continue
        if name is not None:
            yield from _metadatum(name, block.text, Source.DOM, block.selector)
        elif block.text.strip() in _MARK_WORDS:
            yield from _metadatum(MARK, block.text, Source.DOM, block.selector)
