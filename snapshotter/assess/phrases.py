"""
Find a general phrase for removed content, on a host without a rule file.

By default only pages with little text are searched. A phrase counts in the title, in the main
heading, and in a paragraph that is a large part of the text. If the caller asks for it, a page with
more text is searched as well: there only a title or main heading counts, with a few paragraphs
below that explain it. A phrase does not count in comments, quotes, lists, tables, navigation,
headers and footers. So an article about a removal is no notice, nor is a list with one removed
item.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from snapshotter.assess.page_view import PageView
from snapshotter.assess.rule_matching import ARTICLE, TITLE, WRITTEN, RuleMatch
from snapshotter.assess.text_normalisation import normalise_notice_text
from snapshotter.model.rules import Normaliser, PhraseRule, RuleSet
from snapshotter.value_class import dataclass

MOST_RUNNING = 400  # characters outside links and frames; with more the page is no notice
_MOST_WITH_LINKS = 1_500  # of a page with a phrase in its title or heading
_MOST_BESIDE = 500  # of a page with a phrase in a paragraph
_LEAST_SHARE = 0.35  # of the running text, that the paragraph with the phrase has
_MOST_TEXT = 400  # characters of a title or heading that is read
_MOST_PARAGRAPH = 120  # of a paragraph, without spaces; longer ones tell of something
_MOST_PARAGRAPH_DENSE = 60  # where words have no spaces between them
_HEADLINE = 34  # characters of a heading that is no site's name and no "Oops!"
_HEADLINE_DENSE = 9
_NAME = 8  # characters of a heading that the title repeats
_NAME_DENSE = 3
_SENTENCE_SHARE = 0.25  # of a paragraph, that the phrase has
_MOST_PARAGRAPHS = 4  # of a page with a phrase in one of them, rows and links among them
_MOST_EXPLAINED = 1_000  # characters, without comments and lists, of a notice that explains itself
_OTHERS = 2  # paragraphs that make an article of what is marked as one
_MOST_BLOCKS = 200
_SENTENCES = 3  # of a block
_HEADINGS = ("h1", "h2", "h3")
_ASIDE = frozenset(
    {"blockquote", "q", "li", "td", "th", "dd", "details", "iframe", "pre", "code", "label"}
)
_ASIDE_CLASS = re.compile(r"comment|quot|embed|repl(?:y|ies)|repost|retweet|sidebar|cookie|consent")
_END = re.compile(r"[.!?…。！？؟\n]+|\s[-–—|·]\s")
_PARTS = re.compile(r"\s*[|·•»«]\s*|\s+[-–—_/]+\s+|\s*::\s*")
_EDGE = " \t,.:;!?'\"()[]{}-–—…¡¿、，。：；！？؟،؛«»“”„‘’「」『』【】（）《》*#>→←~"
_NUMBER = re.compile(r"(?:(?:http|error|code|fehler|erreur|ошибка|错误|錯誤|エラー|خطأ) ?)?\d{3}\b")


@dataclass(frozen=True, slots=True)
class FoundPhrase:
    """A phrase that was found, and the rule that knows it."""

    rules: RuleSet
    rule: PhraseRule
    found: RuleMatch


def find_removal_phrase(
    view: PageView, rule_sets: Sequence[RuleSet], *, explained: bool = False
) -> FoundPhrase | None:
    """
    Return the removal phrase that a page consists of; None if there is none.

    Args:
        rule_sets: The rules for the page's host. If one of them is for this host alone and defines
            its content, no phrase is searched.
        explained: The page has more text than a short notice. Look for a phrase that is its title
            or main heading, with few paragraphs below that explain it.
    """
    known = [rule_set for rule_set in rule_sets if rule_set.phrases]
    if not known or any(not rule_set.everywhere and rule_set.contents for rule_set in rule_sets):
        return None
    if view.document is None or view.redirected_to_front_page:
        return None
    root = view.document.root
    running = view.count(root, links=False, framed=False)
    with_links = view.count(root, framed=False)
    if explained:
        if not _is_explanation(view, root):
            return None
    elif running >= MOST_RUNNING or with_links > _MOST_WITH_LINKS:
        return None
    if _is_written(view):
        return None
    has_headline = False
    paragraphs = sum(
        1 for element, _ in view.shown_blocks(root, _MOST_BLOCKS) if element.tag not in _HEADINGS
    )
    for is_main, found in _places(view, root):
        own = sum(1 for character in found.text if not character.isspace())
        if not is_main and (
            explained
            or has_headline
            or paragraphs > _MOST_PARAGRAPHS
            or with_links > _MOST_BESIDE
            or own < _LEAST_SHARE * running
        ):
            continue
        for rules in known:
            for rule in rules.phrases:
                if _is_said(rule, found, own, is_main=is_main):
                    return FoundPhrase(rules, rule, found)
        if is_main and found.element.tag != "title":
            has_headline = _is_headline(view, known, found.text, own)
    return None


def _is_explanation(view: PageView, root: Any) -> bool:
    """Whether a page has few paragraphs, besides lists and what readers wrote below."""
    blocks = [
        shown_block
        for shown_block in view.shown_blocks(root, _MOST_BLOCKS)
        if not _is_aside(shown_block[0])
    ]
    paragraphs = sum(1 for element, _ in blocks if element.tag not in _HEADINGS)
    length = sum(1 for _, text in blocks for character in text if not character.isspace())
    return paragraphs <= _MOST_PARAGRAPHS and length <= _MOST_EXPLAINED


def _is_written(view: PageView) -> bool:
    """Return whether a page is marked as an article or post; an `article` needs several blocks."""
    if view.select(WRITTEN):
        return True
    for article in view.select(ARTICLE):
        blocks = view.shown_blocks(article, _MOST_BLOCKS)
        if sum(1 for element, _ in blocks if element.tag not in _HEADINGS) > _OTHERS:
            return True
    return False


def _is_headline(view: PageView, known: Sequence[RuleSet], text: str, own: int) -> bool:
    """Whether a heading, which is no phrase, says what the page is about."""
    is_dense = _is_dense(text)
    if own > (_HEADLINE_DENSE if is_dense else _HEADLINE):
        return True
    titles = " ".join(view.text(element) for element in view.select(TITLE))
    if own < (_NAME_DENSE if is_dense else _NAME) or text.casefold() not in titles.casefold():
        return False
    plain = normalise_notice_text(text, Normaliser.NOTICE)  # "Notice", "Sorry!": it says nothing
    return not any(_grammar(rule).is_opening(plain) for rules in known for rule in rules.phrases)


def _is_dense(text: str) -> bool:
    """Whether a text is of a script without spaces between its words."""
    return sum(1 for character in text if "\u3040" <= character <= "\u9fff") * 2 > len(text)


def _places(view: PageView, root: Any) -> Iterator[tuple[bool, RuleMatch]]:
    """Yield the texts in which a phrase counts, each with whether it is the title or heading."""
    for element in view.select(TITLE):
        text = view.text(element).strip()
        if text:
            yield True, RuleMatch("select", view.selector(element), text[:_MOST_TEXT], element)
    blocks = [
        shown_block
        for shown_block in view.shown_blocks(root, _MOST_BLOCKS)
        if not _is_aside(shown_block[0])
    ]
    level = next(
        (heading for heading in _HEADINGS if any(element.tag == heading for element, _ in blocks)),
        "",
    )
    is_first = True
    for element, text in blocks:
        is_main = is_first and element.tag == level
        is_first = is_first and not is_main
        if 0 < len(text) <= _MOST_TEXT:
            yield is_main, RuleMatch("select", view.selector(element), text, element)


def _is_aside(element: Any) -> bool:
    """Whether an element lies in what others wrote, or in one item of several."""
    for ancestor in (element, *element.iterancestors()):
        if ancestor.tag in ("body", "html"):
            return False
        names = f"{ancestor.get('class') or ''} {ancestor.get('id') or ''}"[:500].lower()
        if ancestor.tag in _ASIDE or _ASIDE_CLASS.search(names):
            return True
    return False


def _is_said(rule: PhraseRule, found: RuleMatch, own: int, *, is_main: bool) -> bool:
    if not is_main and own > (_MOST_PARAGRAPH if rule.spaced else _MOST_PARAGRAPH_DENSE):
        return False
    plain = normalise_notice_text(found.text.replace("\n", "。"), Normaliser.NOTICE)
    parts = [part for part in _END.split(plain) if part.strip()][:_SENTENCES]
    if is_main:  # the name of the site stands before or behind
        parts += [part for part in _PARTS.split(plain) if part.strip()]
    grammar = _grammar(rule)
    least = 0 if is_main else _SENTENCE_SHARE * len(plain)
    return any(len(part) >= least and grammar.has(part) for part in parts)


class _Words:
    """The words of one list, the longest first."""

    def __init__(self, words: Sequence[str], *, spaced: bool) -> None:
        plain = {normalise_notice_text(word, Normaliser.NOTICE) for word in words}
        if not spaced:
            plain = {text.replace(" ", "") for text in plain}
        self._spaced = spaced
        self._by_first: dict[str, list[str]] = {}
        for word in sorted(plain - {""}, key=lambda text: (-len(text), text)):
            self._by_first.setdefault(word[0], []).append(word)

    def __contains__(self, text: str) -> bool:
        return any(phrase == text for phrase in self._by_first.get(text[:1], ()))

    def beginnings(self, text: str) -> Iterator[str]:
        """Yield what is left of a text behind each word that it begins with."""
        for other in self._by_first.get(text[:1], ()):
            if text.startswith(other):
                rest = text[len(other) :]
                if not self._spaced or not rest[:1].isalnum() or other.endswith("'"):
                    yield rest.lstrip(_EDGE)

    def behind_all(self, text: str) -> Iterator[str]:
        """Yield a text, and what is left of it behind words of the list, one after the other."""
        yield text
        for _ in range(_MOST_WORDS):
            rest = next(self.beginnings(text), None)
            if rest is None:
                return
            text = rest
            yield text


_MOST_WORDS = 12


class _Grammar:
    """The lists of one rule as one test of a sentence."""

    def __init__(self, rule: PhraseRule) -> None:
        self._spaced = rule.spaced
        before, subject, state, between, after, whole = (
            _Words(words, spaced=rule.spaced)
            for words in (
                *(rule.before, rule.subject, rule.state),
                *(rule.between, rule.after, rule.whole),
            )
        )
        self._before, self._subject, self._state = before, subject, state
        self._between, self._after, self._whole = between, after, whole

    def has(self, sentence: str) -> bool:
        """Whether a sentence in its normal form is a phrase of this language."""
        text = sentence.strip(_EDGE)
        if not self._spaced:
            text = "".join(text.split())
        for start in self._starts(text):
            if start in self._whole:
                return True
            if self._joined(start, self._subject, self._state):
                return True
            if self._joined(start, self._state, self._subject):
                return True
        return False

    def is_opening(self, text: str) -> bool:
        """Whether a text has nothing but words that may stand before a phrase."""
        return any(not start for start in self._starts(text.strip(_EDGE)))

    def _starts(self, text: str) -> Iterator[str]:
        yield from self._before.behind_all(text)
        if number := _NUMBER.match(text):
            yield from self._before.behind_all(text[number.end() :].lstrip(_EDGE))

    def _joined(self, text: str, first: _Words, second: _Words) -> bool:
        for behind in first.beginnings(text):
            for middle in self._between.behind_all(behind):
                for rest in second.beginnings(middle):
                    for end in self._between.behind_all(rest):
                        if not end or any(True for _ in self._after.beginnings(end)):
                            return True
        return False


@lru_cache(maxsize=64)
def _grammar(rule: PhraseRule) -> _Grammar:
    return _Grammar(rule)
