"""
Find captures by words and filters, newest first.

The index names candidates: captures whose passages have the pieces of a word, or that may meet the
filters. Each candidate is then checked: its normalised texts must contain the words, and its row
must meet the filters. A word that is in very many passages names no candidates: captures are
checked one after the other, and a page of results is full soon. If it is not, the search ends after
so many characters, and states how far it came. Filters on rows are answered by one index, which is
read from the newest capture on.

What people recorded (cases, tags, notes, reviews) comes from the annotations. A capture in
quarantine is never found.
"""

import contextlib
import json
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

from snapshotter.formats import typed
from snapshotter.index.bundle_rows import ms, same_text, split, storable
from snapshotter.index.copies import IsHidden, find_copies
from snapshotter.index.database import IndexDatabase
from snapshotter.index.passages import ID_STEP, id_remainder
from snapshotter.index.query import (
    And,
    Filter,
    Node,
    Not,
    Or,
    Query,
    Region,
    Term,
    filters,
    matches,
)
from snapshotter.index.query import terms as shown_terms
from snapshotter.index.tokens import Normalised, Searched, find, normalise, piece_query
from snapshotter.model.annotation_state import AnnotationState, CaptureState
from snapshotter.model.assessment import AssessmentSummary
from snapshotter.model.copies import Copy
from snapshotter.value_class import dataclass

# Returns the identities of all addresses of the page that an `identity:` filter names.
ResolveIdentity = Callable[[str], Sequence[str]]

_COMMON: Final = 10_000  # passages: a word in more of them names no candidates
_CHUNK: Final = 100  # captures that are read together
# A page is cut short after so much work for captures that do not match: about a second.
_MOST_READ: Final = 20_000_000  # characters
_ROW: Final = 2_000  # characters whose reading takes as long as that of a row
_MAX_HITS: Final = 3  # texts of one capture that are returned
_NEAR: Final = 1_000  # characters behind the first place within which others are marked
_MAX_MARKS: Final = 20  # places of words that are marked in one text
_COLUMNS: Final = (
    "bundle_id", "key", "title", "url", "final_url", "http_status", "began_ms", "outcome", "shown",
    "problem", "tags", "text_whole", "sidecars",
)  # fmt: skip
# Hits in these texts are returned first. Titles and addresses are shown with each capture anyway.
_ORDER: Final = (
    Region.MAIN, Region.REST, Region.NOTE, Region.HIDDEN, Region.TAG, Region.TITLE, Region.ADDRESS,
)  # fmt: skip
_PASSAGE_REGIONS: Final = frozenset(Region) - {Region.NOTE, Region.TAG}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A text of a capture that contains words of the query."""

    region: Region
    text: str  # as shown
    marks: tuple[tuple[int, int], ...]  # where the words are, in characters, sorted


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCapture:
    """What the index has of a capture, unverified, and where the words of the query are."""

    bundle_id: str
    key: str
    title: str
    url: str  # requested
    final_url: str
    http_status: int | None
    began_at: datetime  # UTC
    outcome: str  # "complete", "partial", "failed"; "" if the bundle does not state it
    shown: AssessmentSummary | None  # None: the bundle has no assessment
    problem: str  # why the bundle cannot be read, or ""
    job_tags: tuple[str, ...]
    annotations: CaptureState
    hits: tuple[Hit, ...]
    copies: tuple[Copy, ...]  # captures of other pages with nearly the same main text
    is_text_whole: bool  # False: only the beginning of its text is in the index


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPage:
    """Captures, newest first."""

    captures: tuple[FoundCapture, ...]
    next: str  # what to give as `before` for the captures after these; "" at the end
    # The query is too broad: the last capture that was searched, equal to `next`; "" otherwise.
    searched_until: str
    # Captures of the store of whose text only the beginning was searched; 0 for a query without
    # words.
    cut: int


def search(
    database: IndexDatabase,
    query: Query | None,
    *,
    state: AnnotationState,
    identities: ResolveIdentity,
    is_hidden: IsHidden,
    limit: int,
    before: str = "",
    with_copies: bool = True,
) -> FoundPage:
    """
    Return the captures that match a query, newest first.

    Args:
        query: None: all captures.
        state: The annotations of the store.
        limit: Most captures to return; at least 1.
        before: Return only captures whose id is smaller: `FoundPage.next` of the page before.
        with_copies: Look for captures of other pages with nearly the same text.
    """
    run = _Run(database, query, state, identities, is_hidden, with_copies=with_copies)
    found, following = list[FoundCapture](), ""
    searched, unmatched = "", 0
    for candidate in run.candidates(before):
        if unmatched >= _MOST_READ:
            break
        searched = candidate.bundle_id
        if query is not None and not matches(
            query.root, contains=candidate.contains, fits=candidate.fits
        ):
            unmatched += _ROW + candidate.characters
            continue
        if run.is_hidden(candidate.bundle_id, candidate.sidecars):
            continue
        if len(found) == limit:
            following = found[-1].bundle_id
            break
        found.append(candidate.found(run.shown))
    else:
        searched = ""
    until = "" if following else searched
    return FoundPage(
        captures=tuple(found), next=following or until, searched_until=until, cut=run.count_cut()
    )


class _Run:
    """One search: the query, and what the index says about its words and filters."""

    def __init__(
        self,
        database: IndexDatabase,
        query: Query | None,
        state: AnnotationState,
        identities: ResolveIdentity,
        is_hidden: IsHidden,
        *,
        with_copies: bool,
    ) -> None:
        self._is_hidden = is_hidden
        self._with_copies = with_copies
        self._quarantined = state.quarantined
        self._database = database
        self._query = query
        self.state = state
        self.regions = query.regions if query is not None else frozenset[Region]()
        self.shown = (
            tuple(dict.fromkeys(term.searched for term in shown_terms(query.root)))
            if query is not None
            else ()
        )
        conditions = list(filters(query.root)) if query is not None else []
        self.shown_notes = (
            tuple(
                condition.searched
                for condition in filters(query.root, excluded=False)
                if condition.name == "note" and condition.searched is not None
            )
            if query is not None
            else ()
        )
        self._row_conditions = {
            condition: _row_condition(condition, identities)
            for condition in conditions
            if not _is_recorded(condition)
        }
        self.recorded = {
            condition: self._with_record(condition)
            for condition in conditions
            if _is_recorded(condition)
        }
        # The ids of the passages with the pieces of a word, by capture; None: too many.
        self._passages: dict[Searched, dict[str, list[int]] | None] = {}
        self._noted: dict[Searched, frozenset[str]] = {}
        for searched in _searched(query.root) if query is not None else ():
            self._passages[searched] = self._find_passages(searched)
            self._noted[searched] = self._find_noted(searched)

    def candidates(self, before: str) -> Iterator["_Candidate"]:
        """Yield every capture that may match, newest first."""
        ids = self._ids(self._query.root) if self._query is not None else None
        if ids is not None:
            wanted = sorted((found for found in ids if not before or found < before), reverse=True)
            for start in range(0, len(wanted), _CHUNK):
                yield from self._read(*_among("bundle_id", wanted[start : start + _CHUNK]))
            return
        while True:
            count = 0
            for candidate in self._read(*(("bundle_id < ?", [before]) if before else _TRUE)):
                before = candidate.bundle_id
                count += 1
                yield candidate
            if count < _CHUNK:
                return

    def _read(self, chosen: str, values: Sequence[Any]) -> Iterator["_Candidate"]:
        """Yield at most `_CHUNK` captures that a condition selects and that may match."""
        conditions = list(self._row_conditions.items())
        columns, given = list(_COLUMNS), list[Any]()
        for _, (statement, more) in conditions:
            columns.append(f"CASE WHEN {statement} THEN 1 ELSE 0 END")
            given += more
        where, more = self._bound(self._query.root, upper=True) if self._query else _TRUE
        given += [*more, *values]
        # The inner statement reads only an index, and the outer one only rows that may match.
        for row in self._database.rows(
            f"SELECT {', '.join(columns)} FROM bundle WHERE bundle_id IN "  # noqa: S608  no value is in it
            f"(SELECT bundle_id FROM bundle WHERE {where} AND {chosen} "
            f"ORDER BY bundle_id DESC LIMIT {_CHUNK}) ORDER BY bundle_id DESC",
            given,
        ):
            flags = row[len(_COLUMNS) :]
            yield _Candidate(
                self,
                row[: len(_COLUMNS)],
                {name: bool(flag) for (name, _), flag in zip(conditions, flags, strict=True)},
            )

    def texts(self, bundle_id: str) -> Iterator[tuple[Region, str]]:
        """Yield the texts of a capture that may contain a word of the query."""
        known = [found for found in self._passages.values() if found is not None]
        where, values = "bundle_id = ?", list[Any]([bundle_id])
        if len(known) == len(self._passages):
            ids = sorted({number for found in known for number in found.get(bundle_id, ())})
            where, values = _among("id", ids)
        if values:
            for region, text in self._database.rows(
                f"SELECT region, text FROM passage WHERE {where} ORDER BY id",  # noqa: S608
                values,
            ):
                yield Region(region), text
        yield from _recorded_texts(self.state.capture(bundle_id))

    def count_cut(self) -> int:
        """Return the number of captures of whose text only the beginning was searched."""
        if not self._passages or not self.regions & _PASSAGE_REGIONS:
            return 0
        cut = self._database.rows("SELECT bundle_id, sidecars FROM bundle WHERE text_whole = 0")
        return sum(not self.is_hidden(*row) for row in cut)

    def copies(self, bundle_id: str) -> tuple[Copy, ...]:
        """Return captures of other pages with nearly the same main text."""
        if not self._with_copies:
            return ()
        return find_copies(
            self._database,
            bundle_id,
            lambda other, kinds: other in self._quarantined or self._is_hidden(other, kinds),
        )

    def is_hidden(self, bundle_id: str, sidecars: str) -> bool:
        """Return whether a capture is in quarantine, by a record or by a notice beside it."""
        return bundle_id in self._quarantined or self._is_hidden(bundle_id, split(sidecars))

    def _ids(self, node: Node, *, named: bool = False) -> frozenset[str] | None:
        """
        Return the ids of all captures that may match, and maybe others; None: any capture.

        Args:
            named: Also of filters that one index answers, because other captures match as well.
        """
        if _is_in_index(node):
            return self._find_rows(node) if named else None
        match node:
            case Term():
                passages = self._passages[node.searched]
                return None if passages is None else self._noted[node.searched].union(passages)
            case Filter():
                return self.recorded[node] if node in self.recorded else self._find_rows(node)
            case Not():
                return None
            case And():
                parts = (self._ids(child, named=named) for child in node.children)
                known = [ids for ids in parts if ids is not None]
                return frozenset.intersection(*known) if known else None
            case Or():
                known = []
                for child in node.children:
                    ids = self._ids(child, named=True)
                    if ids is None:
                        return None
                    known.append(ids)
                return frozenset[str]().union(*known)

    def _bound(self, node: Node, *, upper: bool) -> tuple[str, list[Any]]:
        """
        Return a condition on rows: all that match meet it (`upper`), or all that meet it match.

        What a row does not say is unknown in it.
        """
        unknown = _TRUE if upper else ("FALSE", [])
        match node:
            case Term():
                return unknown
            case Filter():
                return self._row_conditions.get(node, unknown)
            case Not():
                statement, values = self._bound(node.child, upper=not upper)
                return f"NOT ({statement})", values
            case And() | Or():
                parts = [self._bound(child, upper=upper) for child in node.children]
                joint = " AND " if isinstance(node, And) else " OR "
                statement = joint.join(part for part, _ in parts)
                return f"({statement})", [value for _, values in parts for value in values]

    def _find_rows(self, node: Node) -> frozenset[str] | None:
        """Return the captures whose rows meet the filters of a tree; None: too many."""
        where, values = self._bound(node, upper=True)
        rows = self._database.rows(
            f"SELECT bundle_id FROM bundle WHERE {where} LIMIT {_COMMON + 1}",  # noqa: S608
            values,
        )
        return None if len(rows) > _COMMON else frozenset(bundle_id for (bundle_id,) in rows)

    def _find_passages(self, searched: Searched) -> dict[str, list[int]] | None:
        query = piece_query(searched)
        if query is None:
            raise ValueError(f"{searched.text!r} has no pieces")
        condition, value = self._database.pieces_condition(query)
        regions = sorted(self.regions & _PASSAGE_REGIONS)
        if not regions:
            return {}
        remainders = ", ".join(str(id_remainder(region.value)) for region in regions)
        condition += f" AND rowid % {ID_STEP} IN ({remainders})"
        chosen = f"SELECT rowid FROM piece WHERE {condition} LIMIT {_COMMON + 1}"  # noqa: S608  no value is in it
        # Counted first, because reading so many passages takes longer than a page of results.
        ((count,),) = self._database.rows(f"SELECT COUNT(*) FROM ({chosen}) AS chosen", [value])  # noqa: S608
        if count > _COMMON:
            return None
        found = self._database.rows(
            f"SELECT id, bundle_id, region FROM passage WHERE id IN ({chosen})",  # noqa: S608
            [value],
        )
        ids = defaultdict[str, list[int]](list)
        for number, bundle_id, region in found:
            if region in regions:
                ids[bundle_id].append(number)
        return ids

    def _find_noted(self, searched: Searched) -> frozenset[str]:
        """Return the captures with the word in their notes or tags."""
        if not self.regions & {Region.NOTE, Region.TAG}:
            return frozenset()
        return frozenset(
            bundle_id
            for bundle_id, state in self.state.captures.items()
            if any(
                region in self.regions and any(find(searched, normalise(text)))
                for region, text in _recorded_texts(state)
            )
        )

    def _with_record(self, condition: Filter) -> frozenset[str]:
        """Return the captures that meet a filter on what people recorded."""
        name, value, searched = condition.name, storable(condition.value), condition.searched
        if name == "case":
            return self._in_cases(value, searched)
        if name == "note" and searched is not None:
            return self._with_note(searched)
        if name == "tag":
            value = _composed(value)  # as tags are recorded
        found = {
            bundle_id
            for bundle_id, state in self.state.captures.items()
            if _has_record(state, name, value)
        }
        if name == "tag" or value == "tag":
            # The job that made a capture may have given it tags.
            found |= {
                bundle_id
                for bundle_id, tags in self._database.rows(
                    "SELECT bundle_id, tags FROM bundle WHERE tags != ''"
                )
                if name == "has" or value in map(_composed, split(tags))
            }
        return frozenset(found)

    def _in_cases(self, value: str, searched: Searched | None) -> frozenset[str]:
        """Return the captures in the case of a name, or else in the cases with a text as title."""
        names, cases = {value.lower()}, self.state.cases
        if searched is not None and not names & cases.keys():
            names |= {name for name, case in cases.items() if _has_text(searched, case.title)}
        return frozenset(
            bundle_id
            for bundle_id, state in self.state.captures.items()
            if names & state.cases.keys()
        )

    def _with_note(self, searched: Searched) -> frozenset[str]:
        """Return the captures with a text in a note on them, or on a case that they are in."""
        return frozenset(
            bundle_id
            for bundle_id in self.state.captures
            if any(_has_text(searched, text) for text in self.note_texts(bundle_id))
        )

    def note_texts(self, bundle_id: str) -> Iterator[str]:
        """Yield the texts of the notes on a capture, and on the cases that it is in."""
        state = self.state.capture(bundle_id)
        known = [self.state.cases[name] for name in state.cases if name in self.state.cases]
        for notes in (state.notes, *(case.notes for case in known)):
            yield from (note.text for note in notes if note.text)


class _Candidate:
    """A capture that may match."""

    def __init__(self, run: _Run, row: tuple[Any, ...], fitting: dict[Filter, bool]) -> None:
        self.bundle_id: str = row[0]
        self.sidecars: str = row[-1]
        self._run = run
        self._row = row
        self._fitting = fitting
        self._read: list[tuple[Region, str, str]] | None = None

    def fits(self, condition: Filter) -> bool:
        """Whether the capture meets a filter."""
        if condition in self._fitting:
            return self._fitting[condition]
        return self.bundle_id in self._run.recorded[condition]

    def contains(self, searched: Searched) -> bool:
        """Whether a text of the capture contains a word."""
        return any(any(find(searched, normalised)) for _, _, normalised in self._texts())

    @property
    def characters(self) -> int:
        """The number of characters that were read of its texts."""
        return sum(len(text) for _, text, _ in self._read or ())

    def found(self, words: Sequence[Searched]) -> FoundCapture:
        """Return the capture as a result, with the hits of these words."""
        values = dict(zip(_COLUMNS, self._row, strict=True))
        shown = values.pop("shown")
        del values["sidecars"]
        hits = self._hits(words) if words else []
        seen = {hit.text for hit in hits if hit.region is Region.NOTE}
        hits += [hit for hit in self._note_hits() if hit.text not in seen]
        return FoundCapture(
            began_at=datetime.fromtimestamp(values.pop("began_ms") / 1000, UTC),
            shown=typed.read(AssessmentSummary, json.loads(shown)) if shown else None,
            job_tags=split(values.pop("tags")),
            annotations=self._run.state.capture(self.bundle_id),
            hits=tuple(hits[:_MAX_HITS]),
            copies=self._run.copies(self.bundle_id),
            is_text_whole=bool(values.pop("text_whole")),
            **values,
        )

    def _texts(self) -> list[tuple[Region, str, str]]:
        """Return the searched texts, each also normalised."""
        if self._read is None:
            self._read = [
                (region, text, normalise(text))
                for region, text in self._run.texts(self.bundle_id)
                if region in self._run.regions
            ]
        return self._read

    def _hits(self, words: Sequence[Searched]) -> list[Hit]:
        """Return the texts with most words of the query, each text of a page once."""
        texts = self._texts()
        ranked = list[tuple[int, int, int]]()
        for number, (region, _, normalised) in enumerate(texts):
            count = sum(any(find(word, normalised)) for word in words)
            if count:
                ranked.append((-count, _ORDER.index(region), number))
        hits = list[Hit]()
        for _, _, number in sorted(ranked)[:_MAX_HITS]:
            region, text, normalised = texts[number]
            places = [list(islice(find(word, normalised), _MAX_MARKS)) for word in words]
            hits.append(Hit(region=region, text=text, marks=_marks(text, places)))
        return hits

    def _note_hits(self) -> Iterator[Hit]:
        """Yield the notes that `note:` filters of the query are about."""
        words = self._run.shown_notes
        for text in self._run.note_texts(self.bundle_id) if words else ():
            normalised = normalise(text)
            places = [list(islice(find(word, normalised), _MAX_MARKS)) for word in words]
            if any(places):
                yield Hit(region=Region.NOTE, text=text, marks=_marks(text, places))


def _marks(text: str, places: Iterable[Iterable[tuple[int, int]]]) -> tuple[tuple[int, int], ...]:
    """Return where words are in the text as shown, from where they are in the normalised text."""
    found = sorted(place for of_word in places for place in of_word)
    near = [place for place in found if place[1] <= found[0][1] + _NEAR]
    shown = Normalised(text, until=max(end for _, end in near) + 1)
    ranges = sorted(shown.shown_range(*place) for place in near)
    apart: list[tuple[int, int]] = []
    for start, end in ranges:
        if apart and start < apart[-1][1]:
            apart[-1] = (apart[-1][0], max(end, apart[-1][1]))
        else:
            apart.append((start, end))
    return tuple(apart[:_MAX_MARKS])


def _searched(node: Node) -> Iterator[Searched]:
    """Yield every word of a tree, also the excluded ones."""
    match node:
        case Term():
            yield node.searched
        case Not():
            yield from _searched(node.child)
        case And() | Or():
            for child in node.children:
                yield from _searched(child)
        case Filter():
            return


_RECORDED: Final = frozenset({"case", "tag", "note"})
_RECORDED_HAS: Final = frozenset({"case", "tag", "note", "review"})
_HOSTS: Final = ("host", "final_host")  # columns: of the requested and of the final address
_TRUE: Final[tuple[str, list[Any]]] = ("TRUE", [])


def _is_recorded(condition: Filter) -> bool:
    """Return whether a filter is about what people recorded; others are conditions on a row."""
    return condition.name in _RECORDED or (
        condition.name == "has" and condition.value in _RECORDED_HAS
    )


def _is_in_index(node: Node) -> bool:
    """Return whether the index `bundle_by_filters` has all columns that a tree is about."""
    match node:
        case Term():
            return False
        case Filter():
            return not _is_recorded(node) and node.name != "identity"
        case Not():
            return _is_in_index(node.child)
        case And() | Or():
            return all(map(_is_in_index, node.children))


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _has_text(searched: Searched, text: str | None) -> bool:
    """Return whether a text contains what is searched; None: the text was erased."""
    return text is not None and any(find(searched, normalise(text)))


def _has_record(state: CaptureState, name: str, value: str) -> bool:
    if name == "tag":
        return value in state.tags
    kinds = {"case": state.cases, "tag": state.tags, "note": state.notes, "review": state.review}
    return bool(kinds[value])


def _recorded_texts(state: CaptureState) -> Iterator[tuple[Region, str]]:
    """Yield the notes and tags of a capture; erased notes have no text."""
    for note in state.notes:
        if note.text:
            yield Region.NOTE, note.text
    for tag in state.tags:
        yield Region.TAG, tag


def _row_condition(condition: Filter, identities: ResolveIdentity) -> tuple[str, list[Any]]:
    """Return the condition on a row of a filter, and its values."""
    value = storable(condition.value)
    match condition.name:
        case "host" | "site":
            return _host_condition(value, with_subdomains=condition.name == "site")
        case "identity":
            return same_text("asked", identities(value))
        case "verdict":
            return "(content = ? OR availability = ?)", [value, value]
        case "lang":
            tag = value.lower()
            return (
                "(lower(language) = ? OR lower(language) LIKE ? ESCAPE '!')",
                [tag, f"{_escaped(tag)}-%"],
            )
        case "outcome" | "policy":
            return f"{condition.name} = ?", [value]
        case "has":
            return {"missing": "is_missing = 1", "time-proof": "proven_ms IS NOT NULL"}[value], []
    if condition.at is None:
        raise ValueError(f"there is no filter {condition.name}")
    return f"began_ms {'>=' if condition.name == 'after' else '<'} ?", [ms(condition.at)]


def _host_condition(value: str, *, with_subdomains: bool) -> tuple[str, list[Any]]:
    """Return the condition that the requested or the final address has a host, with any port."""
    patterns = _host_patterns(value, with_subdomains=with_subdomains)
    (requested, values), (final, more) = (_like(column, patterns) for column in _HOSTS)
    return f"({requested} OR final_host != host AND {final})", [*values, *more]


def _host_patterns(value: str, *, with_subdomains: bool) -> list[str]:
    """Return patterns for `LIKE` of a host with any port, and of its subdomains."""
    patterns = list[str]()
    for host in map(_escaped, _host_forms(value)):
        patterns += [host, f"{host}:%"]
        if with_subdomains:
            patterns += [f"%.{host}", f"%.{host}:%"]
    return patterns


def _like(column: str, patterns: Sequence[str]) -> tuple[str, list[Any]]:
    """Return the condition that a column is like one of these patterns."""
    statement = " OR ".join([f"{column} LIKE ? ESCAPE '!'"] * len(patterns))
    return f"({statement})", list(patterns)


def _host_forms(value: str) -> tuple[str, ...]:
    """Return a host as it was given, and in letters of ASCII and of its own script."""
    forms = [value.lower()]
    with contextlib.suppress(UnicodeError):  # no name of a host, or too long for one
        forms.append(value.encode("idna").decode().lower())
        forms.append(forms[-1].encode().decode("idna"))
    return tuple(dict.fromkeys(forms))


def _among(column: str, values: Sequence[Any]) -> tuple[str, list[Any]]:
    """Return the condition that a column has one of these values."""
    if not values:
        return "FALSE", []
    return f"{column} IN ({', '.join('?' * len(values))})", list(values)


def _escaped(text: str) -> str:
    """Return the pattern for `LIKE … ESCAPE '!'` that matches exactly this text."""
    return "".join(f"!{character}" if character in "!%_" else character for character in text)
