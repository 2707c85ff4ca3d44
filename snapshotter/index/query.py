"""
Read the query language of the search, and evaluate a query against the texts of one capture.

    rumor 谣言            both words
    "exact words"         a phrase
    censor*               words that begin so
    -draft                captures without the word
    notice OR wall        one of both; AND binds stronger than OR
    (a OR b) -c           a group
    host:example.org      a filter: `FILTERS` lists them

A query is read into a tree of `Term`, `Filter`, `Not`,
`And` and `Or`, each with its position for messages. The index finds candidates; `matches` decides.
"""

import difflib
import enum
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from snapshotter.errors import SnapshotterError
from snapshotter.index.tokens import Searched, normalise, piece_query
from snapshotter.model.capture_url import complete_url
from snapshotter.policy import page_identity
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

MAX_CHARACTERS: Final = 2_000  # of a query
MAX_TERMS: Final = 50  # words, phrases and filters of a query
_MAX_DEPTH: Final = 20  # of parentheses

# Filters whose values are not free text, and the values they take.
VERDICTS: Final = (
    "content", "notice", "wall", "shell", "blank", "error", "partial",
    "available", "unavailable", "inconclusive",
)  # fmt: skip
OUTCOMES: Final = ("complete", "partial", "failed")
HAS: Final = ("case", "tag", "note", "review", "missing", "time-proof")
IN: Final = ("title", "address", "main", "rest", "hidden", "note", "tag")
FILTERS: Final[dict[str, tuple[str, ...]]] = {
    "host": (),
    "site": (),
    "identity": (),
    "verdict": VERDICTS,
    "outcome": OUTCOMES,
    "case": (),
    "tag": (),
    "note": (),
    "lang": (),
    "after": (),
    "before": (),
    "policy": (),
    "has": HAS,
    "in": IN,
}
_DATES: Final = ("after", "before")
_TEXTS: Final = ("case", "note")  # their values are compared as words are
_WORD = re.compile(r"[^\s()\"“”„]+")
_FILTER = re.compile(r"([A-Za-z]{2,20})[:：]")
_QUOTES: Final = '"“”„'
# Whether an address has an identity does not depend on rules.
_NO_RULES: Final = page_identity.PageIdentityRules(
    parameters=frozenset(), prefixes=(), wechat=frozenset(), weibo=frozenset()
)
_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)Z?)?)?)?")


class InvalidQuery(SnapshotterError):
    """
    A query cannot be read, or the index cannot answer it.

    Attributes:
        position: Where in the query, in characters from 0.
    """

    exit_code = 2

    def __init__(self, message: str, *, position: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.position = position


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A word or a phrase."""

    searched: Searched
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A condition on what the index knows of a capture."""

    name: str  # of `FILTERS`, without "in"
    value: str
    position: int
    at: datetime | None = None  # the begin of the day or minute that `after` and `before` name
    searched: Searched | None = None  # the value of `case` and `note` as a text


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    """Captures that the child does not match."""

    child: "Node"


@dataclass(frozen=True, slots=True, kw_only=True)
class And:
    """Captures that every child matches."""

    children: tuple["Node", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Or:
    """Captures that at least one child matches."""

    children: tuple["Node", ...]


Node = Term | Filter | Not | And | Or


class Region(enum.StrEnum):
    """Where words are searched."""

    TITLE = "title"
    ADDRESS = "address"
    MAIN = "main"
    REST = "rest"
    HIDDEN = "hidden"
    NOTE = "note"
    TAG = "tag"


# Text that no reader of a page saw is searched only on request.
DEFAULT_REGIONS: Final = frozenset(Region) - {Region.HIDDEN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A query: its tree, and where its words are searched."""

    root: Node
    regions: frozenset[Region] = DEFAULT_REGIONS


def parse(text: str) -> Query:
    """
    Read a query.

    Raises:
        InvalidQuery: The text is no query, or the index cannot answer it.
    """
    if len(text) > MAX_CHARACTERS:
        raise InvalidQuery(
            tr("the query is longer than {limit} characters", limit=MAX_CHARACTERS),
            position=MAX_CHARACTERS,
            hint=tr("search for fewer words"),
        )
    parser = _Parser(text)
    root = parser.parse()
    if not _is_answerable(root):
        raise InvalidQuery(
            tr("the index cannot answer a query that only excludes words"),
            position=0,
            hint=tr("add a word or a filter that results must match, such as after:2026-01-01"),
        )
    return Query(root=root, regions=parser.regions or DEFAULT_REGIONS)


def with_filters(query: Query | None, **values: Sequence[str]) -> Query | None:
    """
    Return a query that also has these filters; None if there is nothing to look for.

    Args:
        values: By name of the filter. A capture must meet each.
    """
    found = [
        Filter(name=name, value=value, position=0, searched=_searched_value(name, value))
        for name, given in values.items()
        for value in given
    ]
    if not found:
        return query
    children = (query.root, *found) if query is not None else tuple(found)
    regions = query.regions if query is not None else DEFAULT_REGIONS
    return Query(root=And(children=children), regions=regions)


def terms(node: Node) -> Iterator[Term]:
    """Yield the words and phrases of a tree that a result contains: not the excluded ones."""
    match node:
        case Term():
            yield node
        case And() | Or():
            for child in node.children:
                yield from terms(child)
        case Filter() | Not():
            return


def filters(node: Node, *, excluded: bool = True) -> Iterator[Filter]:
    """Yield the filters of a tree, or only those that are not excluded."""
    match node:
        case Filter():
            yield node
        case Not():
            if excluded:
                yield from filters(node.child)
        case And() | Or():
            for child in node.children:
                yield from filters(child, excluded=excluded)
        case Term():
            return


def begins_with_filter(text: str) -> bool:
    """Return whether the search reads a text as a filter: `case:7`."""
    match = _FILTER.match(text)
    return match is not None and match[1].lower() in FILTERS


def matches(
    node: Node, *, contains: Callable[[Searched], bool], fits: Callable[[Filter], bool]
) -> bool:
    """
    Evaluate a tree for one capture.

    Args:
        contains: Whether a text of the capture contains a word or phrase, as `tokens.find` says.
        fits: Whether the capture meets a filter.
    """
    match node:
        case Term():
            return contains(node.searched)
        case Filter():
            return fits(node)
        case Not():
            return not matches(node.child, contains=contains, fits=fits)
        case And():
            return all(matches(child, contains=contains, fits=fits) for child in node.children)
        case Or():
            return any(matches(child, contains=contains, fits=fits) for child in node.children)


def _searched_value(name: str, value: str) -> Searched | None:
    """Return the value of a filter as the text that it is compared with."""
    if name not in _TEXTS:
        return None
    return Searched(text=normalise(value.removesuffix("*")), prefix=value.endswith("*"))


def _is_answerable(node: Node) -> bool:
    """Return whether every result contains a word or meets a filter, so that few are candidates."""
    match node:
        case Term() | Filter():
            return True
        case Not():
            return not _has_term(node.child)
        case And():
            return any(map(_is_answerable, node.children))
        case Or():
            return all(map(_is_answerable, node.children))


def _has_term(node: Node) -> bool:
    match node:
        case Term():
            return True
        case Filter():
            return False
        case Not():
            return _has_term(node.child)
        case And() | Or():
            return any(map(_has_term, node.children))


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._count = 0
        self._depth = 0
        self.regions: frozenset[Region] = frozenset()

    def parse(self) -> Node:
        root = self._either()
        if self._at < len(self._text):  # what no rule takes is a closing parenthesis
            raise self._error(
                tr("a parenthesis is closed that was not opened"),
                hint=tr("put a text with parentheses into quotation marks"),
            )
        if root is None:
            raise self._error(
                tr("the query has no words and no filters"),
                hint=tr("for example:\n  snapshotter search '谣言 host:example.org'"),
                at=0,
            )
        return root

    def _error(self, message: str, *, hint: str = "", at: int | None = None) -> InvalidQuery:
        position = self._at if at is None else at
        return InvalidQuery(
            tr(
                "the query is invalid at character {number}: {message}",
                number=position + 1,
                message=message,
            ),
            position=position,
            hint=hint,
        )

    def _skip_spaces(self) -> None:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1

    def _either(self) -> Node | None:
        """Read terms with OR between them; None if only `in:` filters or nothing was there."""
        sides: list[Node] = []
        alone = True
        while True:
            side = self._all()
            if side is not None:
                sides.append(side)
            or_at = self._at
            if not self._takes_word("OR"):
                if side is None and not alone:
                    raise self._or_error(or_at)
                break
            if side is None:
                raise self._or_error(or_at)
            alone = False
        if not sides:
            return None
        return sides[0] if len(sides) == 1 else Or(children=tuple(sides))

    def _or_error(self, at: int) -> InvalidQuery:
        return self._error(
            tr("OR needs a word before and after it"),
            hint=tr('to search for the word itself, write "or"'),
            at=min(at, max(len(self._text) - 1, 0)),
        )

    def _takes_word(self, word: str) -> bool:
        self._skip_spaces()
        match = _WORD.match(self._text, self._at)
        if match is None or match[0] != word:
            return False
        self._at = match.end()
        return True

    def _all(self) -> Node | None:
        children: list[Node] = []
        while True:
            self._skip_spaces()
            if self._at >= len(self._text) or self._text[self._at] == ")":
                break
            match = _WORD.match(self._text, self._at)
            if match is not None and match[0] == "OR":
                break
            child = self._one()
            if child is not None:
                children.append(child)
        if not children:
            return None
        return children[0] if len(children) == 1 else And(children=tuple(children))

    def _one(self) -> Node | None:
        """Read one word, phrase, filter or group; None for `in:`, which is about all words."""
        start = self._at
        negated = self._text[self._at] == "-"
        if negated:
            self._at += 1
            if self._at >= len(self._text) or self._text[self._at].isspace():
                raise self._error(
                    tr("a word must follow the minus sign directly"),
                    hint=tr("write -word to exclude captures that contain the word"),
                    at=start,
                )
        self._count += 1
        if self._count > MAX_TERMS:
            raise self._error(
                tr("the query has more than {limit} words and filters", limit=MAX_TERMS),
                hint=tr("search for fewer words"),
                at=start,
            )
        node = self._group() if self._text[self._at] == "(" else self._leaf(negated=negated)
        if node is None:
            return None
        return Not(child=node) if negated else node

    def _group(self) -> Node:
        start = self._at
        self._at += 1
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._error(
                tr("too many parentheses are open"), hint=tr("write a shorter query"), at=start
            )
        node = self._either()
        if self._at >= len(self._text):
            raise self._error(
                tr("a parenthesis is not closed"),
                hint=tr("put a text with parentheses into quotation marks"),
                at=start,
            )
        self._at += 1
        self._depth -= 1
        if node is None:
            raise self._error(
                tr("there is nothing between the parentheses"),
                hint=tr("put a text with parentheses into quotation marks"),
                at=start,
            )
        return node

    def _leaf(self, *, negated: bool) -> Node | None:
        start = self._at
        if self._text[start] in _QUOTES:
            return self._term(self._phrase(), start)
        match = _FILTER.match(self._text, start)
        # An address is a word: https://example.org
        is_address = self._text.startswith("//", match.end()) if match else False
        if match is not None and (match[1].lower() in FILTERS or not is_address):
            return self._filter(match, negated=negated)
        match = _WORD.match(self._text, start)
        if match is None:  # a closing parenthesis after a minus sign
            raise self._error(tr("a word is missing"), at=start)
        self._at = match.end()
        word = match[0]
        if word in {"AND", "NOT"}:
            raise self._error(
                tr("{word} is not part of the query language", word=word),
                hint=tr(
                    "a capture must contain all words of the query, and -word excludes a word. To "
                    'search for the word itself, write "{lower}"',
                    lower=word.lower(),
                ),
                at=start,
            )
        return self._term(word.removesuffix("*"), start, prefix=word.endswith("*"))

    def _phrase(self) -> str:
        start = self._at
        end = start + 1
        while end < len(self._text) and self._text[end] not in _QUOTES:
            end += 1
        if end >= len(self._text):
            raise self._error(
                tr("the quotation mark is not closed"),
                hint=tr("write the phrase between two quotation marks"),
                at=start,
            )
        self._at = end + 1
        return self._text[start + 1 : end]

    def _term(self, text: str, start: int, *, prefix: bool = False) -> Term:
        if self._text[start] in _QUOTES and self._text.startswith("*", self._at):
            self._at += 1
            prefix = True
        searched = Searched(text=normalise(text), prefix=prefix)
        if piece_query(searched) is None:
            raise self._not_searchable(text, start)
        return Term(searched=searched, position=start)

    def _not_searchable(self, text: str, at: int) -> InvalidQuery:
        return self._error(
            tr("{text} contains nothing that can be searched", text=repr(text)),
            hint=tr("write at least one letter or digit"),
            at=at,
        )

    def _filter(self, match: re.Match[str], *, negated: bool) -> Filter | None:
        start, name = match.start(), match[1].lower()
        self._at = match.end()
        if name not in FILTERS:
            near = difflib.get_close_matches(name, FILTERS, n=1)
            known = ", ".join(f"{filter_name}:" for filter_name in FILTERS)
            raise self._error(
                tr("there is no filter {name}:", name=name),
                hint=tr("did you mean {near}:?", near=near[0])
                if near
                else tr(
                    "filters are {known}. Put a text with a colon into quotation marks",
                    known=known,
                ),
                at=start,
            )
        value = self._filter_value(name)
        if name == "in":
            if negated:
                raise self._error(tr("in: cannot be excluded"), at=start)
            self.regions |= {Region(value)}
            return None
        if name == "identity":
            self._check_identity(value, match.end())
        at = self._date(value, match.end()) if name in _DATES else None
        searched = _searched_value(name, value)
        if name == "note" and searched is not None and piece_query(searched) is None:
            raise self._not_searchable(value, match.end())
        return Filter(name=name, value=value, position=start, at=at, searched=searched)

    def _filter_value(self, name: str) -> str:
        start = self._at
        if start < len(self._text) and self._text[start] in _QUOTES:
            value = self._phrase()
            if name in _TEXTS and self._text.startswith("*", self._at):
                self._at += 1
                value += "*"
        else:
            found = _WORD.match(self._text, start)
            value = found[0] if found else ""
            self._at = found.end() if found else start
        allowed = FILTERS[name]
        if not value.strip():
            raise self._error(
                tr("the filter {name}: has no value", name=name),
                hint=tr("write the value directly behind the colon"),
                at=start,
            )
        if allowed and value.lower() not in allowed:
            raise self._error(
                tr("{value} is not a value of {name}:", value=value, name=name),
                hint=tr("values are {allowed}", allowed=", ".join(allowed)),
                at=start,
            )
        return value.lower() if allowed else value

    def _check_identity(self, value: str, start: int) -> None:
        """Refuse what begins as an address and is no address of a page."""
        url = complete_url(value)
        if "://" not in url:
            return
        try:
            page_identity.page_identity(url, _NO_RULES)
        except ValueError as error:
            raise self._error(
                tr("{value} is not the address of a page", value=value),
                hint=tr("write an address as https://example.org/page"),
                at=start,
            ) from error

    def _date(self, value: str, start: int) -> datetime:
        match = _DATE.fullmatch(value)
        numbers = [int(part) for part in match.groups() if part is not None] if match else []
        numbers += [1, 1][max(len(numbers) - 1, 0) :] if len(numbers) < 3 else []
        try:
            if match is None:
                raise ValueError(value)
            return datetime(*numbers, tzinfo=UTC)  # type: ignore[arg-type,misc]
        except ValueError as error:
            raise self._error(
                tr("{value} is not a date", value=value),
                hint=tr("write a date in UTC as 2026-11-30, 2026-11, 2026 or 2026-11-30T14:05"),
                at=start,
            ) from error
