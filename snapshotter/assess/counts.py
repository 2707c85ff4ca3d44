"""
Read the counts of a page (likes, views, comments …), and parse written numbers.

`read_counts` finds them in the page's data, in the elements that a site's file names, and in short
visible texts. `parse_count` parses forms such as `3797`, `1,234`, `6.1万`, `1.2K` and `10万+`.
A shortened number is an interval, which depends on how the site shortens. Only a number that is
written out is exact. A count proves its lower bound.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from typing import Any

from snapshotter.assess.dom import DomDocument, match_selectors, text_of
from snapshotter.assess.script_data import as_text, at_path, find_json_data, parse_json, variable
from snapshotter.model.page import Block, Page
from snapshotter.model.reading import Count, Region, Source
from snapshotter.model.reading_rules import CountLocation, Rounding, SiteReadings
from snapshotter.value_class import dataclass

_MOST = (1 << 53) - 1  # what a record can hold
_MAX_RAW = 60  # characters of a number with its unit and words
_MAX_COUNTS = 60
_MAX_JSON_LD = 1 << 20  # characters of one script

_SCALES = {
    "千": 10**3, "仟": 10**3, "천": 10**3, "万": 10**4, "萬": 10**4, "만": 10**4, "亿": 10**8,
    "億": 10**8, "억": 10**8, "百万": 10**6, "百萬": 10**6, "千万": 10**7, "千萬": 10**7,
    "万亿": 10**12, "k": 10**3, "m": 10**6, "b": 10**9, "bn": 10**9, "mn": 10**6,
    "thousand": 10**3, "million": 10**6, "billion": 10**9,
    "mio": 10**6, "mrd": 10**9, "tsd": 10**3, "тыс": 10**3, "млн": 10**6, "млрд": 10**9,
}  # fmt: skip
# "10万+" is more than 100,000 (the site's own script: above that it says no more), while
# "100+" and "100K+" are a hundred and a hundred thousand at least.
_PLUS_IS_MORE = frozenset({"万", "萬", "亿", "億", "千万", "千萬"})

_SPACES = "\u0020\u00a0\u2009\u200a\u202f\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u205f\u3000"
_GROUP = rf"[,，.٬'’{_SPACES}]"
_DIGITS = rf"\d{{1,3}}(?:{_GROUP}\d{{2,3}})*{_GROUP}\d{{3}}|\d{{1,18}}(?:[.,٫]\d{{1,6}})?"
_SCALE = "|".join(sorted(map(re.escape, _SCALES), key=len, reverse=True))
_NUMBER = rf"(?:{_DIGITS})(?:[{_SPACES}]{{0,2}}(?:{_SCALE})(?![^\W\d_])\.?)?[{_SPACES}]?[+＋]?"
# Chinese writes no space behind a scale: 6.1万次.
_NUMBER_ZH = (
    rf"(?:{_DIGITS})[{_SPACES}]?(?:百万|百萬|千万|千萬|万亿|千|仟|천|万|萬|만|亿|億|억)[+＋余多]?"
)
_PREFIX = r"(?P<about>[约約≈~～] ?)?(?P<over>(?:超过|超過|超|>|＞|more than|over) ?)?"
_WRITTEN = rf"{_PREFIX}(?P<number>{_NUMBER_ZH}|{_NUMBER})"
NUMBER = re.compile(rf"(?i){_WRITTEN}")
_PARTS = re.compile(
    rf"(?i)(?P<digits>{_DIGITS})[{_SPACES}]{{0,2}}(?P<scale>{_SCALE})?\.?[{_SPACES}]?(?P<plus>[+＋余多])?"
)
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The interval that a written number means: `lower` <= value <= `upper`."""

    lower: int
    upper: int | None
    exact: bool
    rounding: str = ""


def parse_count(raw: str, rounding: Rounding = Rounding.ROUNDED) -> Bounds | None:
    """
    Return the interval that a written number means; None if the text is not exactly one number.

        6.1万, truncated     61,000 to 61,999
        6.1万, rounded       60,500 to 61,499
        10万+                100,001 at least
        1,234                1,234

    Args:
        rounding: How the site shortens.
    """
    text = _INVISIBLE.sub("", raw).strip(f"{_SPACES}\t\r\n")
    if len(text) > _MAX_RAW:
        return None
    found = NUMBER.fullmatch(plain_digits(text))
    if found is None:
        return None
    return _bounds(found, rounding)


def plain_digits(text: str) -> str:
    """
    Return a text with every decimal digit of Unicode as 0 to 9, and full-width signs as ASCII.
    """
    if text.isascii():
        return text
    return "".join(
        str(unicodedata.decimal(character))
        if character.isdecimal()
        else _WIDE.get(character, character)
        for character in text
    )


_WIDE = {"．": ".", "，": ",", "＋": "+", "Ｋ": "K", "Ｍ": "M", "ｋ": "k", "ｍ": "m", "Ｂ": "B"}


def _bounds(found: re.Match[str], rounding: Rounding) -> Bounds | None:
    parts = _PARTS.fullmatch(found["number"])
    if parts is None:
        return None
    scale_word = (parts["scale"] or "").lower()
    scale = _SCALES.get(scale_word, 1)
    if (read := _decimal(parts["digits"], has_scale=bool(scale_word))) is None:
        return None
    value, step = read
    low, unit = int(value * scale), int(step * scale)
    if low > _MOST or unit < 1:
        return None
    if parts["plus"] or found["over"]:
        more = bool(found["over"]) or scale_word in _PLUS_IS_MORE
        return Bounds(lower=low + more, upper=None, exact=False, rounding="capped")
    if unit == 1 and not found["about"]:
        return Bounds(lower=low, upper=low, exact=True)
    half = unit // 2
    if found["about"]:
        rounding, half = Rounding.ROUNDED, max(half, _last_digit(low) // 2)
        unit = 2 * half
    lower = low if rounding is Rounding.TRUNCATED else low - half
    upper = low + half - 1 if rounding is Rounding.ROUNDED else low + unit - 1
    if rounding is Rounding.ROUNDED and unit == 1:
        upper = low
    return Bounds(lower=max(0, lower), upper=upper, exact=False, rounding=rounding.value)


def _last_digit(value: int) -> int:
    """Return the value of the last digit that is not 0: 10,000 of 30,000."""
    worth = 1
    while value and value % (worth * 10) == 0:
        worth *= 10
    return worth


def _decimal(digits: str, *, has_scale: bool) -> tuple[Decimal, Decimal] | None:
    """
    Return a value, and the value of one step of its last digit.

    A number without a scale is whole: `1.234` is 1,234, as written in German.
    """
    groups = re.split(r"[^\d]", digits)
    marks = re.findall(r"[^\d]", digits)
    if not marks:
        return Decimal(groups[0]), Decimal(1)
    last = marks[-1]
    is_grouped = all(len(group) == 3 for group in groups[1:]) or (
        len(groups) > 2 and len(groups[-1]) == 3 and all(len(group) == 2 for group in groups[1:-1])
    )
    if has_scale and last in ".٫," and not (last == "," and is_grouped):
        if len(marks) > 1 and last in marks[:-1]:
            return None
        whole, part = "".join(groups[:-1]), groups[-1]
        return Decimal(f"{whole}.{part}"), Decimal(1).scaleb(-len(part))
    if not is_grouped or len(set(marks)) > 1 or len(groups[0]) > 3:
        return None
    return Decimal("".join(groups)), Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountWords:
    """The words by which a page names what it counts."""

    units: Mapping[str, str]  # word, lowercase → unit
    word_first: re.Pattern[str]
    number_first: re.Pattern[str]
    word: re.Pattern[str]


def count_words_for_sites(sites: Sequence[SiteReadings]) -> CountWords:
    """Return the words of some sites; those of the first site come first."""
    merged = {word: unit for site in reversed(sites) for word, unit in site.units.items()}
    return count_words_from_pairs(tuple(sorted(merged.items())))


@lru_cache(maxsize=16)
def count_words_from_pairs(pairs: tuple[tuple[str, str], ...]) -> CountWords:
    """Return the words of pairs of unit and word, prepared for searching."""
    units = dict(pairs)
    ordered = sorted(units, key=len, reverse=True)
    inside = "|".join(re.escape(phrase) for phrase in ordered) or r"(?!)"
    # A Latin word is whole; Chinese and Japanese words have no boundary.
    word = rf"(?<![a-zß-ÿ])(?P<word>{inside})(?![a-zß-ÿ])"
    gap = rf"[{_SPACES}\n:：()（）·]{{0,4}}"
    piece = r"(?:次|人|个|個|条|條|篇|回|名|件|位|명|회|개)?"
    return CountWords(
        units=units,
        word=re.compile(rf"(?i){word}"),
        word_first=re.compile(rf"(?i){word}{gap}{_WRITTEN}{gap}{piece}"),
        number_first=re.compile(rf"(?i){_WRITTEN}{gap}{piece}{gap}{word}"),
    )


def counts_in(
    text: str, words: CountWords, rounding: Rounding
) -> tuple[tuple[str, str, Bounds], ...]:
    """
    Return the counts in a short text that has nothing else: unit, verbatim words, bounds.

    A sentence that contains a number is no count: "reposted 500 times" in an article is its text.
    """
    plain = plain_digits(_INVISIBLE.sub("", text))
    if len(plain) > 2 * _MAX_RAW:
        return ()
    for pattern in (words.word_first, words.number_first):
        found: list[tuple[str, str, Bounds]] = []
        at = 0
        while at < len(plain):
            if plain[at] in _SEPARATORS and not _is_sign(plain, at):
                at += 1
                continue
            item = pattern.match(plain, at)
            bounds = _bounds(item, rounding) if item else None
            if item is None or bounds is None:
                break
            found.append((words.units[item["word"].lower()], item[0].strip(), bounds))
            at = item.end()
        if found and at >= len(plain):
            return tuple(found)
    return ()


def _is_sign(text: str, at: int) -> bool:
    """Return whether a minus sign is at this place: a negative number is not a count."""
    return (
        text[at] in _DASHES
        and (at == 0 or text[at - 1].isspace())
        and text[at + 1 : at + 2].isdecimal()
    )


_DASHES = frozenset("-\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d")
_SEPARATORS = frozenset(f"{_SPACES}\t\r\n|·•,，、/-–—;；")


def read_counts(
    page: Page,
    document: DomDocument | None,
    blocks: Sequence[Block],
    regions: Mapping[str, Region],
    sites: Sequence[SiteReadings],
) -> tuple[Count, ...]:
    """
    Return the counts of a page, one for each unit and place, the best founded first.

    What the page's data states comes before what the page shows, and a difference is recorded.
    """
    rounding = next((site.rounding for site in sites), Rounding.EITHER)
    stated = list(_stated(page, document, sites, rounding))
    shown: list[Count] = []
    if document is not None:
        shown += _placed(document, sites, rounding)
    words = count_words_for_sites(sites)
    shown += _shown(document, blocks, regions, words, rounding)
    return tuple(_merged(stated, shown))[:_MAX_COUNTS]


def _merged(stated: Iterable[Count], shown: Sequence[Count]) -> Iterator[Count]:
    data: dict[str, Count] = {}
    for count in stated:
        data.setdefault(count.unit, count)
    for unit, count in data.items():
        same = [count for count in shown if count.unit == unit]
        if same and not any(_overlap(count, other) for other in same):
            count = replace(count, mismatch=same[0].raw)
        yield count
    seen: set[tuple[str, str]] = set()
    for count in shown:
        if count.unit not in data and (count.unit, count.raw) not in seen:
            seen.add((count.unit, count.raw))
            yield count


def _overlap(one: Count, other: Count) -> bool:
    return (one.upper is None or other.lower <= one.upper) and (
        other.upper is None or one.lower <= other.upper
    )


def _stated(
    page: Page, document: DomDocument | None, sites: Sequence[SiteReadings], rounding: Rounding
) -> Iterator[Count]:
    """Yield the counts in the page's own data."""
    scripts = document.scripts if document is not None else ()
    answer: Any = None
    if page.media_type.endswith("json"):
        answer = parse_json(page.raw.decode("utf-8", "replace"))
    for site in sites:
        for rule in site.counts:
            yield from _of_data(rule, scripts, answer, rounding)
    for where, text in document.json_ld if document is not None else ():
        if len(text) <= _MAX_JSON_LD:
            yield from _of_json_ld(parse_json(text), where, rounding)


def _of_data(
    rule: CountLocation, scripts: Sequence[tuple[str, str]], answer: Any, rounding: Rounding
) -> Iterator[Count]:
    place = rule.place
    found: Iterator[tuple[str, Any]] = iter(())
    source = Source.JSON
    if place.data:
        held = find_json_data(scripts, place.variable) if place.variable else iter([("", answer)])
        found = ((f"{where}.{place.data}", at_path(data, place.data)) for where, data in held)
    elif place.variable:
        found, source = variable(scripts, place.variable), Source.SCRIPT
    for where, value in found:
        raw = as_text(value)
        if bounds := parse_count(raw, rounding):
            yield _count(rule.unit, raw, bounds, source, where.removeprefix("."))
            return


_ACTIONS = {
    "likeaction": "likes", "commentaction": "comments", "shareaction": "shares",
    "watchaction": "views", "viewaction": "views", "readaction": "reads",
    "followaction": "followers", "subscribeaction": "followers",
}  # fmt: skip


def _of_json_ld(data: Any, where: str, rounding: Rounding) -> Iterator[Count]:
    """Yield `interactionStatistic` (schema.org) of the first node that has it."""
    nodes = data if isinstance(data, list) else [data]
    if isinstance(data, dict) and isinstance(data.get("@graph"), list):
        nodes = [data, *data["@graph"]]
    for node in nodes[:200]:
        if not isinstance(node, dict):
            continue
        given = node.get("interactionStatistic", [])
        counters = given if isinstance(given, list) else [given]
        for counter in counters[:20]:
            if not isinstance(counter, dict):
                continue
            kind = counter.get("interactionType", "")
            name = kind.get("@type", "") if isinstance(kind, dict) else kind
            unit = _ACTIONS.get(str(name).rpartition("/")[2].lower(), "")
            raw = as_text(counter.get("userInteractionCount"))
            if unit and (bounds := parse_count(raw, rounding)):
                yield _count(unit, raw, bounds, Source.JSON_LD, f"{where}: {unit}")
        if counters:
            return


def _placed(
    document: DomDocument, sites: Sequence[SiteReadings], rounding: Rounding
) -> Iterator[Count]:
    """Yield the counts in the elements that a site's file names."""
    for site in sites:
        for rule in site.counts:
            for element in match_selectors(
                document, [rule.place.select] if rule.place.select else ()
            ):
                name = rule.place.attribute
                text = (element.get(name) or "") if name else text_of(element, 2 * _MAX_RAW)
                plain = plain_digits(text)
                numbers = list(NUMBER.finditer(plain))
                if len(numbers) != 1 or _is_sign(plain, max(0, numbers[0].start() - 1)):
                    continue
                if bounds := _bounds(numbers[0], rounding):
                    raw = " ".join(text.split())
                    where = document.selector(element)
                    yield _count(rule.unit, raw, bounds, Source.DOM, where)


_ELSEWHERE = frozenset({Region.COMMENT, Region.TEASER, Region.AD, Region.COMMENT_FORM})


def _shown(
    document: DomDocument | None,
    blocks: Sequence[Block],
    regions: Mapping[str, Region],
    words: CountWords,
    rounding: Rounding,
) -> Iterator[Count]:
    """Yield the counts in short visible texts, outside of other authors' pieces."""
    for number, block in enumerate(blocks):
        if block.hidden or len(block.text) > 2 * _MAX_RAW or not _has_digit(block.text):
            continue
        if regions.get(block.selector) in _ELSEWHERE:
            continue
        found = counts_in(block.text, words, rounding)
        if not found:
            bounds = parse_count(block.text, rounding)
            unit = _unit_beside(document, blocks, number, words) if bounds else ""
            found = ((unit, block.text.strip(), bounds),) if bounds and unit else ()
        for unit, raw, bounds in found:
            yield _count(unit, raw, bounds, Source.DOM, block.selector)


def _has_digit(text: str) -> bool:
    return any(character.isdecimal() for character in text)


def _unit_beside(
    document: DomDocument | None, blocks: Sequence[Block], number: int, words: CountWords
) -> str:
    """Return the unit of a number that stands alone: from its label, or from the word beside it."""
    block = blocks[number]
    element = document.at(block.selector) if document is not None else None
    for _ in range(3):
        if element is None:
            break
        for name in ("aria-label", "title", "data-title"):
            if found := words.word.search((element.get(name) or "")[:200]):
                return words.units[found["word"].lower()]
        element = element.getparent()
    named = document.at(block.selector) if document is not None else None
    if named is not None and (unit := _unit_of_names(named)):
        return unit
    for other in (number - 1, number + 1):
        if not 0 <= other < len(blocks) or blocks[other].hidden:
            continue
        found = words.word.fullmatch(blocks[other].text.strip(f"{_SPACES}\n:："))
        if found and _near(blocks[other].selector, block.selector):
            return words.units[found["word"].lower()]
    return ""


# Words in names of classes by which buttons with a number are called everywhere.
_NAMES = {
    "retweet": "reposts", "retweets": "reposts", "repost": "reposts", "reposts": "reposts",
    "comment": "comments", "comments": "comments", "replies": "comments", "like": "likes",
    "likes": "likes", "heart": "likes", "share": "shares", "shares": "shares", "views": "views",
    "reads": "reads", "followers": "followers",
}  # fmt: skip


def _unit_of_names(element: Any) -> str:
    """Return the unit from the names of an element and of the icon in it, or right before it."""
    for near in (element, *islice(element.iterchildren(), 3), element.getprevious()):
        names = (near.get("class") or "")[:300] if near is not None and near.tag in _ICONS else ""
        for word in re.split(r"[\W_]+", names.lower()):
            if word in _NAMES:
                return _NAMES[word]
    return ""


_ICONS = frozenset({"i", "svg", "span", "img", "em", "b", "div", "button", "a"})


def _near(one: str, other: str) -> bool:
    """Return whether two elements have the same parent, or the parents the same one."""
    first, second = one.split(" > "), other.split(" > ")
    return len(first) == len(second) and (first[:-1] == second[:-1] or first[:-2] == second[:-2])


def _count(unit: str, raw: str, bounds: Bounds, source: Source, where: str) -> Count:
    return Count(
        unit=unit,
        raw=raw[:_MAX_RAW],
        lower=bounds.lower,
        upper=bounds.upper,
        exact=bounds.exact,
        source=source,
        where=where[:500],
        rounding=bounds.rounding,
    )
