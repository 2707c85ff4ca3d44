"""
Find the bundle, take-down event, gap or audit report that a person means by a part of its id.

    20261124t160642z-k3v4q2m7xw4c5b6d   the whole id; the store is not asked
    20261124t1606                       the beginning: one folder of the store is listed
    k3v4q2m7                            the beginning of the random part: folders that changed since
                                        the index was updated are listed, of a bucket those of the
                                        newest days; the other ids are in the index; without an
                                        index the whole store is listed
    xw4c5b6d                            the end: found in the same way
    latest                              the newest

A part has at least four characters. If several ids have this part, nothing is guessed: the error
names the candidates with their times and titles.
"""

import enum
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from snapshotter.errors import EvidenceInvalid, SnapshotterError, UsageMistake
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.printable import cut, printable
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.index.store_index import Index
    from snapshotter.ports import ReadableStore

# Yields the ids of the bundles whose random part begins or ends so, the newest first.
IdsWithPart = Callable[[str], Iterator[str]]

LATEST: Final = "latest"
MIN_PART: Final = 4  # characters
_NAMED: Final = 8  # candidates that an error names
_TITLE: Final = 80  # characters of a title in an error
_FORM: Final = "00000000t000000z-"  # the beginning of each id; a 0 is any digit
_RANDOM: Final = re.compile(r"[a-z2-7]{1,16}")
_FOLDERS: Final = ((4, 6), (6, 8))  # where month and day are in an id


class ObjectKind(enum.StrEnum):
    """What an id can belong to."""

    BUNDLE = "bundle"
    EVENT = "event"
    GAP = "gap"
    AUDIT = "audit"

    @property
    def prefix(self) -> str:
        """How the keys of these objects begin."""
        return {
            ObjectKind.BUNDLE: f"{store_keys.BUNDLES}/",
            ObjectKind.EVENT: f"{store_keys.TAKEDOWNS}/",
            ObjectKind.GAP: f"{store_keys.GAPS}/",
            ObjectKind.AUDIT: f"{store_keys.AUDITS}/",
        }[self]

    @property
    def noun(self) -> str:
        """What a person calls one of these objects."""
        return {
            ObjectKind.BUNDLE: tr("bundle"),
            ObjectKind.EVENT: tr("take-down event"),
            ObjectKind.GAP: tr("record of a gap"),
            ObjectKind.AUDIT: tr("audit report"),
        }[self]

    def id_of(self, key: str) -> str:
        """Return the id of the object whose key this is. Raises ValueError: of none."""
        if self is ObjectKind.BUNDLE:
            return store_keys.parse_bundle_key(key).bundle_id
        return {
            ObjectKind.EVENT: store_keys.parse_takedown_key,
            ObjectKind.GAP: store_keys.parse_gap_key,
            ObjectKind.AUDIT: store_keys.parse_report_key,
        }[self](key)


BUNDLES: Final = (ObjectKind.BUNDLE,)
EVENTS: Final = (ObjectKind.EVENT,)
EITHER: Final = (ObjectKind.BUNDLE, ObjectKind.EVENT)


class NoSuchId(SnapshotterError):
    """No id of the store has the given part."""


class AmbiguousId(UsageMistake):
    """Several ids of the store have the given part."""


def _listing(kinds: Sequence[ObjectKind]) -> str:
    """Return the hint with the commands that list the ids of these objects."""
    if ObjectKind.EVENT not in kinds:
        return tr("list the ids:\n  snapshotter list")
    if ObjectKind.BUNDLE not in kinds:
        return tr("list the take-down events:\n  snapshotter takedown list")
    return tr(
        "list the bundles, or the take-down events:\n  snapshotter list\n  snapshotter takedown "
        "list"
    )


def may_be_part(text: str) -> bool:
    """Return whether a text may be a part of an id, or the word `latest`."""
    return text == LATEST or (
        len(text) >= MIN_PART and (_begins_an_id(text) or _is_random(text) or _is_whole(text))
    )


def is_random_part(text: str) -> bool:
    """Return whether a text may be of a random part, which an index finds faster than a listing."""
    return text != LATEST and not _is_whole(text) and _is_random(text)


def has_random_part(object_id: str, part: str) -> bool:
    """Return whether the random part of an id begins with a text, or the id ends with the text."""
    return object_id.endswith(part) or object_id.rpartition("-")[2].startswith(part)


def resolve(
    store: "ReadableStore",
    text: str,
    kinds: Sequence[ObjectKind] = BUNDLES,
    *,
    bundles_with_part: IdsWithPart | None = None,
) -> str:
    """
    Return the id that a person means.

    A whole id is returned without a look into the store: whether the object exists is found out
    when it is opened.

    Args:
        text: A whole id, the beginning of one or of its random part, its end, or `latest`.
        kinds: The objects that are looked for; `latest` is the newest of the first kind.
        bundles_with_part: Finds the bundles whose random part begins or ends so; None: the store
            is listed.

    Raises:
        AmbiguousId: Several ids have this part.
        NoSuchId: None has it.
        UsageMistake: The text cannot be a part of an id.
    """
    if _is_whole(text):
        return text
    if text == LATEST:
        for found in _ids(store, kinds[0], kinds[0].prefix, reverse=True):
            return found
        raise NoSuchId(
            tr("the store {url} contains no {kind} yet", url=store.url, kind=kinds[0].noun)
        )
    if not may_be_part(text):
        raise UsageMistake(
            tr(
                "{text} is not an id and not a part of an id. A part is the beginning of an id, "
                "the beginning of its random characters, or its end, with at least {count} "
                "characters",
                text=text,
                count=MIN_PART,
            ),
            hint=tr("list the ids:\n  snapshotter list"),
        )
    candidates = _candidates(store, text, kinds, bundles_with_part)
    if not candidates and bundles_with_part is not None:
        candidates = _candidates(store, text, kinds, None)  # an erased bundle is not in the index
    if not candidates:
        raise NoSuchId(
            tr(
                "no id in the store {url} has the part {text}. A part is the beginning of an id, "
                "the beginning of its random characters, or its end",
                url=store.url,
                text=text,
            ),
            hint=_listing(kinds),
        )
    if len(candidates) > 1:
        raise _ambiguous(
            text, ((found, describe(store, found, kind)) for found, kind in candidates)
        )
    return candidates[0][0]


def indexed_ids(index: "Index", store: "ReadableStore", folders: Collection[str]) -> IdsWithPart:
    """
    Return what finds bundles by their random parts, from an index that may be out of date.

    No bundle is read, and the index is not changed.

    Args:
        folders: Keys of the folders of days that are listed; the index has all other bundles.
    """

    def with_part(part: str) -> Iterator[str]:
        for prefix in sorted(folders, reverse=True):
            for found in _ids(store, ObjectKind.BUNDLE, prefix, reverse=True):
                if has_random_part(found, part):
                    yield found
        for found in index.ids_with_part(part):
            if store_keys.bundle_key(found).rpartition("/")[0] + "/" not in folders:
                yield found

    return with_part


def choose(text: str, candidates: Mapping[str, str]) -> str:
    """
    Return the id that a person means, of a list that is no store, such as the jobs of a queue.

    Args:
        text: A whole id, or a part of one.
        candidates: The ids that have this part, with what an error says about each.

    Returns:
        `text` itself if it is a whole id, or if no id has this part.

    Raises:
        AmbiguousId: Several ids have this part.
    """
    if text in candidates or len(text) < MIN_PART or not candidates:
        return text
    if len(candidates) > 1:
        raise _ambiguous(text, candidates.items())
    return next(iter(candidates))


def _ambiguous(text: str, candidates: Iterable[tuple[str, str]]) -> AmbiguousId:
    lines = [tr("{text} is a part of several ids:", text=text)]
    for number, (found, words) in enumerate(candidates):
        if number == _NAMED:
            lines.append(tr("  and others"))
            break
        lines.append(f"  {found}  {words}".rstrip())
    return AmbiguousId("\n".join(lines), hint=tr("give more characters of the id"))


def _candidates(
    store: "ReadableStore",
    wanted: str,
    kinds: Sequence[ObjectKind],
    bundles_with_part: IdsWithPart | None,
) -> list[tuple[str, ObjectKind]]:
    """Return the ids with a part, the newest of each kind first; at most one more than is named."""
    found: dict[str, ObjectKind] = {}
    for kind in kinds:
        for object_id in _with_part(store, wanted, kind, bundles_with_part):
            found.setdefault(object_id, kind)
            if len(found) > _NAMED:
                break
    return list(found.items())


def _with_part(
    store: "ReadableStore",
    wanted: str,
    kind: ObjectKind,
    bundles_with_part: IdsWithPart | None,
) -> Iterator[str]:
    if _begins_an_id(wanted):
        yield from _ids(store, kind, kind.prefix + _beginning_of_key(wanted), reverse=True)
    if _is_random(wanted) and kind is ObjectKind.BUNDLE and bundles_with_part is not None:
        yield from bundles_with_part(wanted)
    elif _is_random(wanted):
        for found in _ids(store, kind, kind.prefix, reverse=True):
            if has_random_part(found, wanted):
                yield found


def newest_ids(store: "ReadableStore", kind: ObjectKind, beginning: str = "") -> Iterator[str]:
    """Yield the ids of a kind, the newest first; of a beginning of an id, those that begin so."""
    if len(beginning) >= MIN_PART and _begins_an_id(beginning):
        return _ids(store, kind, kind.prefix + _beginning_of_key(beginning), reverse=True)
    return _ids(store, kind, kind.prefix, reverse=True)


def _ids(store: "ReadableStore", kind: ObjectKind, prefix: str, *, reverse: bool) -> Iterator[str]:
    """Yield the ids of the objects whose keys begin with a prefix, each once."""
    last = ""
    for found in store.list(prefix, reverse=reverse):
        try:
            object_id = kind.id_of(found.key)
        except ValueError:
            continue  # not ours, or a sidecar of an event
        if object_id != last:
            yield object_id
        last = object_id


def _is_whole(text: str) -> bool:
    return store_keys.is_id(text)


def _begins_an_id(text: str) -> bool:
    head, tail = text[: len(_FORM)], text[len(_FORM) :]
    return all(
        character.isdecimal() and character.isascii() if form == "0" else character == form
        for character, form in zip(head, _FORM, strict=False)
    ) and (not tail or _RANDOM.fullmatch(tail) is not None)


def _is_random(text: str) -> bool:
    """Return whether a text may begin the random part of an id, or end an id."""
    head, dash, tail = text.rpartition("-")
    return _RANDOM.fullmatch(tail) is not None and (
        not dash
        or (
            len(tail) == 16
            and all(
                character.isdecimal() and character.isascii() if form == "0" else character == form
                for character, form in zip(reversed(head), reversed(_FORM[:-1]), strict=False)
            )
        )
    )


def _beginning_of_key(text: str) -> str:
    """Return how the key of an id that begins with `text` goes on behind `bundles/`."""
    folders = text[:4]
    for start, end in _FOLDERS:
        if len(text) < start + 1:
            return f"{folders}/" if len(text) == start else folders
        folders += f"/{text[start:end]}"
    return f"{folders}/{text}" if len(text) >= _FOLDERS[-1][1] else folders


def describe(store: "ReadableStore", object_id: str, kind: ObjectKind) -> str:
    """Return the time and the title of an object, for a person."""
    from snapshotter.app.archive import bundles

    if kind is ObjectKind.BUNDLE and _has_quarantine_notice(store, object_id):
        return tr("{at}  a notice of quarantine is beside this capture", at=_at(object_id))
    at = _at(object_id)
    if kind is not ObjectKind.BUNDLE:
        return f"{at}  {kind.noun}"
    try:
        with store.open(store_keys.bundle_key(object_id)) as stream:
            what = bundles.read_record(stream).get("what")
    except FileNotFoundError:
        return tr("{at}  erased", at=at)
    except (EvidenceInvalid, OSError):
        return tr("{at}  cannot be read", at=at)
    known = what if isinstance(what, dict) else {}
    title = known.get("title") or known.get("requested_url")
    return f"{at}  {cut(printable(title[: _TITLE * 2]), _TITLE)}" if isinstance(title, str) else at


def _at(object_id: str) -> str:
    return f"{store_keys.bundle_time(object_id):%Y-%m-%d %H:%M:%S} UTC"


def _has_quarantine_notice(store: "ReadableStore", bundle_id: str) -> bool:
    """Whether the title must not be shown; of a released capture it is left out as well."""
    from snapshotter.app.archive.quarantined import is_notice

    key = store_keys.bundle_key(bundle_id)
    listed = store.list(f"{key}.quarantine-")
    return any(is_notice(found.key.removeprefix(f"{key}.")) for found in listed)
