"""
Match take-down rules against a page, extract values from it, and make the evidence of a match.

A rule matches by structure: certain words in a certain element, an address, a header, or a value
in the page's data. An article about a notice quotes it, in its title too, and is not removed. So
words count only in the elements that a rule names, and only as the whole of their text, or its
beginning.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from snapshotter.assess.page_view import (
    MAX_TEXT,
    MAX_URL,
    PageView,
    address_for_patterns,
    url_parameter,
)
from snapshotter.assess.text_normalisation import normalise_notice_text
from snapshotter.formats.page.selectors import Selectors
from snapshotter.model.assessment import MAX_EXCERPT, Evidence, Step
from snapshotter.model.rules import (
    ElementTest,
    Extract,
    HeaderTest,
    JsonTest,
    Match,
    MessageRule,
    Normaliser,
    NoticeRule,
    RuleSet,
)
from snapshotter.policy.patterns import compile_pattern
from snapshotter.value_class import dataclass

# What the search for phrases asks of a page, beside what the rules name.
TITLE = "head > title"
ARTICLE = "article, [role=article]"
WRITTEN = (  # marks of something that somebody wrote
    "[itemprop=articleBody], time[datetime], [rel=author], [itemprop=author], "
    "meta[property='og:type'][content=article]"
)
_MAX_EXTRACT = 1_000  # characters of a value that is read off a page
_WEB = re.compile(r"https?://[^\s]{1,990}")


@dataclass(frozen=True, slots=True)
class RuleMatch:
    """The place on a page that a rule matched."""

    way: str  # "url", "select", "script", "json", "header", "status"
    region: str  # selector, path, address: as evidence names it
    text: str  # verbatim
    element: Any = None


def match(
    view: PageView,
    rule: Match,
    normaliser: Normaliser,
    *,
    ways: Collection[str] = ("url", "select", "script", "json", "header", "status"),
    outside: Sequence[Any] = (),
    seen: bool = False,
) -> RuleMatch | None:
    """
    Return the match of a rule on a page; None if it does not match.

    Args:
        ways: The ways to match that are tried.
        outside: Elements in which nothing counts.
        seen: An element counts only if it is visible. If the rule has words, this always holds; if
            the element only has to be present, it does not.
    """
    if rule.status and view.page.status not in rule.status:
        return None
    if rule.redirected and not view.is_redirected:
        return None
    if rule.is_of_whole_page and not _holds_of_page(view, rule, normaliser):
        return None
    if rule.url and "url" in ways and address_matches(rule.url, view.address):
        return RuleMatch("url", view.url[:MAX_URL], view.url[:MAX_EXCERPT])
    if rule.select and "select" in ways:
        has_to_be_seen = seen or rule.is_of_whole_page
        found = _in_elements(view, rule, normaliser, outside, seen=has_to_be_seen)
        if found is not None:
            return found
    if rule.script and "script" in ways:
        for pattern in rule.script:
            if place := view.find_in_scripts(pattern):
                return RuleMatch("script", place[0], place[1][0])
    if rule.json and "json" in ways:
        found = _in_data(view, rule.json, normaliser)
        if found is not None:
            return found
    if rule.header and "header" in ways:
        found = _in_headers(view, rule.header)
        if found is not None:
            return found
    has_others = rule.url or rule.select or rule.script or rule.json or rule.header
    if rule.status and not has_others and "status" in ways:
        return RuleMatch("status", "status", f"HTTP {view.page.status}")
    return None


def text_matches_rule(rule: Match, text: str, normaliser: Normaliser) -> bool:
    """Return whether a text has the words of a rule."""
    if len(text) > MAX_TEXT or len(" ".join(text.split())) > rule.most_text:
        return False
    return _test(rule, normaliser)(normalise_notice_text(text, normaliser))


def address_matches(patterns: Sequence[str], where: str) -> bool:
    """
    Return whether an address ("host/path?query") matches one of the patterns from its beginning.
    """
    return any(compile_pattern(pattern).match(where) for pattern in patterns)


def notice_messages(view: PageView, rules: RuleSet) -> Iterator[tuple[MessageRule, RuleMatch]]:
    """Yield the words of notices in addresses and in data, as a file's rules locate them."""
    for rule in rules.messages:
        if rule.url:
            words = (
                url_parameter(view.url, rule.query)
                if address_matches(rule.url, view.address)
                else ""
            )
            if words.strip():
                yield rule, RuleMatch("url", f"{rule.query} of the address", words)
            continue
        value = _of_message(view, rule, rules.normalise)
        words = url_parameter(value, rule.query) if rule.query else value
        if words.strip():
            region = f"{rule.query} of the address in {rule.path}" if rule.query else rule.path
            yield rule, RuleMatch("json", region, words)


def addresses_in_data(view: PageView, rules: RuleSet) -> Iterator[tuple[MessageRule, RuleMatch]]:
    """Yield the addresses in which a file's rules look for words, whether or not they have any."""
    for rule in rules.messages:
        if rule.path and rule.query:
            value = _of_message(view, rule, rules.normalise)
            if value:
                yield rule, RuleMatch("json", rule.path, value)


def _of_message(view: PageView, rule: MessageRule, normaliser: Normaliser) -> str:
    if rule.json and _in_data(view, rule.json, normaliser) is None:
        return ""
    datum = view.datum(rule.path)
    return datum.value[:MAX_URL] if datum is not None and isinstance(datum.value, str) else ""


def matches_address(rule: Match, url: str) -> bool:
    """Return whether a rule matches an address."""
    return (
        bool(rule.url)
        and not rule.redirected
        and address_matches(rule.url, address_for_patterns(url))
    )


def extract(view: PageView, rule: NoticeRule, found: RuleMatch) -> dict[str, str]:
    """Return the values that a rule extracts from the page it matched, by name; each not empty."""
    values: dict[str, str] = {}
    waiting = list(rule.extracts)
    for _ in range(len(waiting) + 1):  # one that is read from another waits for it
        for extract in tuple(waiting):
            if extract.source in ("", "notice") or extract.source in values:
                waiting.remove(extract)
                value = _extracted(view, extract, found, values)
                if value:
                    values[extract.name] = value[:_MAX_EXTRACT]
    if not _WEB.fullmatch(values.get("moved_to", "")):
        values.pop("moved_to", None)
    return values


def make_evidence(view: PageView, rule: str, rules: str, step: Step, found: RuleMatch) -> Evidence:
    """Return the evidence of a match."""
    box = view.box(found.element) if found.element is not None else None
    return Evidence(
        rule=rule,
        rules=rules,
        step=step,
        region=found.region[:MAX_URL],
        excerpt=found.text[:MAX_EXCERPT],
        box=box,
        picture=_picture(view) if box is not None else "",
    )


def every_selector(rule_sets: Iterable[RuleSet]) -> Selectors:
    """Return the parsed selectors of all rule files."""
    return _parsed(
        tuple(sorted({selector for rules in rule_sets for selector in _selectors(rules)}))
    )


@lru_cache(maxsize=32)
def _parsed(texts: tuple[str, ...]) -> Selectors:
    return Selectors(texts)


def _selectors(rules: RuleSet) -> Iterator[str]:
    yield from rules.notice_shape
    yield from rules.authored
    yield from rules.quoted.select
    for content in rules.contents:
        yield from (*content.any, *content.all)
    notices = (*rules.notices, *rules.jsons, *rules.statuses)
    matches: tuple[Match, ...] = (
        *(rule.match for rule in rules.walls),
        *(rule.match for rule in notices),
        *(rule.match for rule in rules.errors),
        *(rule.match for rule in rules.labels),
        *(rule.match for rule in rules.accounts),
        *(rule.match for rule in rules.partials),
    )
    for match in matches:
        yield from (*([match.select] if match.select else []), *match.without)
        yield from (test.select for test in match.also)
    if rules.phrases:
        yield from (TITLE, ARTICLE, WRITTEN)
    for notice in notices:
        yield from (extract.select for extract in notice.extracts if extract.select)


def _holds_of_page(view: PageView, rule: Match, normaliser: Normaliser) -> bool:
    """Return whether the rest of the page meets the rule's conditions."""
    for most, links in ((rule.most_page_text, True), (rule.most_running_text, False)):
        if most is not None and view.page_text(links=links) > most:
            return False
    if any(view.is_seen(element) for selector in rule.without for element in view.select(selector)):
        return False
    return all(_has_element(view, test, normaliser) for test in rule.also)


def _has_element(view: PageView, test: ElementTest, normaliser: Normaliser) -> bool:
    rule = Match(
        select=test.select, equals=test.equals, starts=test.starts, matches=test.matches
    )  # fmt: skip
    # No element of the head is seen, and the title is what a reader's window shows.
    return _in_elements(view, rule, normaliser, (), seen=not rule.has_words) is not None


def _in_headers(view: PageView, tests: Sequence[HeaderTest]) -> RuleMatch | None:
    """Return the first header with one of the values that a test names."""
    for test in tests:
        value = view.page.headers.get(test.name)
        if value is not None and (not test.values or value.strip().lower() in test.values):
            return RuleMatch("header", f"header {test.name}", f"{test.name}: {value}"[:MAX_EXCERPT])
    return None


def _in_elements(
    view: PageView, rule: Match, normaliser: Normaliser, outside: Sequence[Any], *, seen: bool
) -> RuleMatch | None:
    for element in view.select(rule.select):
        if outside and view.is_inside(element, outside):
            continue
        if seen and not view.is_seen(element):
            continue
        text = view.text(element)
        if not rule.has_words or (text.strip() and text_matches_rule(rule, text, normaliser)):
            return RuleMatch("select", view.selector(element), text.strip(), element)
    return None


def _in_data(view: PageView, tests: Sequence[JsonTest], normaliser: Normaliser) -> RuleMatch | None:
    """Return the first tested value, if all tests pass."""
    first: RuleMatch | None = None
    for test in tests:
        datum = view.datum(test.path)
        if datum is None or not _holds(test, datum.value, normaliser):
            return None
        if first is None:
            first = RuleMatch("json", test.path, f"{test.path}: {_words(datum.value)}")
    return first


def _holds(test: JsonTest, value: object, normaliser: Normaliser) -> bool:
    if not test.values:
        return value not in (None, "", [], {})
    if isinstance(value, str):
        text = normalise_notice_text(value[:MAX_TEXT], normaliser)
        return any(
            isinstance(known_value, str) and normalise_notice_text(known_value, normaliser) == text
            for known_value in test.values
        )
    return any(
        type(known_value) is type(value) and known_value == value for known_value in test.values
    )


def _words(value: object) -> str:
    if isinstance(value, str | int | bool):
        return str(value)[:MAX_EXCERPT]
    return type(value).__name__


@lru_cache(maxsize=2048)
def _test(rule: Match, normaliser: Normaliser) -> Callable[[str], bool]:
    """Return whether a normalised text meets a rule's words."""

    def plain(words: Sequence[str]) -> tuple[str, ...]:
        # What is nothing once it is normalised would match every text.
        return tuple(
            plain_word
            for plain_word in (normalise_notice_text(word, normaliser) for word in words)
            if plain_word
        )

    equals, starts, contains = (
        frozenset(plain(rule.equals)),
        plain(rule.starts),
        plain(rule.contains),
    )
    patterns = tuple(compile_pattern(pattern) for pattern in rule.matches)

    def test(text: str) -> bool:
        return (
            text in equals
            or (bool(starts) and text.startswith(starts))
            or (bool(contains) and all(fragment in text for fragment in contains))
            or any(pattern.fullmatch(text) for pattern in patterns)
        )

    return test


def _extracted(view: PageView, rule: Extract, found: RuleMatch, values: dict[str, str]) -> str:
    if rule.script:
        place = view.find_in_scripts(rule.regex)
        return (place[1][1] or "").strip() if place else ""
    if rule.source:
        text = found.text if rule.source == "notice" else values[rule.source]
    elif rule.query:
        text = url_parameter(view.url, rule.query)
    elif rule.link_rel:
        text = " ".join(view.links(rule.link_rel))
    else:
        text = _of_element(view, rule, found)
    if rule.regex:
        group = compile_pattern(rule.regex).search(text[:MAX_TEXT])
        text = (group[1] or "") if group else ""
    return text.strip()


def _of_element(view: PageView, rule: Extract, found: RuleMatch) -> str:
    for element in view.select(rule.select):
        if element is found.element:
            continue  # that is the notice itself
        value = (element.get(rule.attr) or "") if rule.attr else view.text(element)
        if value.strip():
            return " ".join(value[:MAX_TEXT].split())
    return ""


def _picture(view: PageView) -> str:
    """Return the picture for boxes: the one of the whole page, if it is one file."""
    pictures = view.page.pictures
    return "" if not pictures else pictures[1] if len(pictures) == 2 else pictures[0]
