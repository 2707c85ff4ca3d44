"""
Read and write a log as files: tiles of 256 hashes, and bundles of 256 entries (C2SP tlog-tiles).

    tile/0/x001/x234/067          256 leaf hashes, entries 1234067 * 256 and following
    tile/1/000.p/7                7 hashes of whole tiles below: the right edge of a tree
    tile/entries/000.p/112        the entries, each after its length

The name of a file says which part of a tree it holds, and the file never changes. A partial tile
is the beginning of the whole tile that replaces it later.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.proofs import merkle
from snapshotter.formats.proofs.merkle import HASH_BYTES, node_hash
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

HEIGHT = 8  # levels of the tree in one tile
WIDTH = 1 << HEIGHT  # hashes in a whole tile
ENTRIES = -1  # the level of an entry bundle
MAX_LEVEL = 63
MAX_ENTRY = (1 << 16) - 1  # bytes
MAX_FILE = WIDTH * (MAX_ENTRY + 2)  # bytes of an entry bundle; a tile has at most 8,192

_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]*))?")
_MAX_INDEX_GROUPS = 7  # of three digits: more than any tree that we read has

# Returns the bytes of a file, by its path. Raises FileNotFoundError.
Fetch = Callable[[str], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """The name of one tile or entry bundle."""

    level: int  # 0 for leaf hashes, and up; `ENTRIES` for an entry bundle
    index: int
    width: int = WIDTH  # hashes, or entries

    def __post_init__(self) -> None:
        if not (
            ENTRIES <= self.level <= MAX_LEVEL and self.index >= 0 and 1 <= self.width <= WIDTH
        ):
            raise ValueError("the tile does not exist")

    @property
    def is_partial(self) -> bool:
        """Whether a wider tile may take its place one day."""
        return self.width < WIDTH

    @property
    def path(self) -> str:
        """The name below the log's prefix."""
        rest, last = divmod(self.index, 1000)
        number = f"{last:03}"
        while rest:
            rest, last = divmod(rest, 1000)
            number = f"x{last:03}/{number}"
        level = "entries" if self.level == ENTRIES else str(self.level)
        return f"tile/{level}/{number}" + (f".p/{self.width}" if self.is_partial else "")


def parse_path(path: str) -> Tile:
    """
    Return the tile of that name.

    Raises:
        ValueError: Not exactly a name that `Tile.path` makes.
    """
    match = _PATH.fullmatch(path)
    if match is None or match[2].count("/") >= _MAX_INDEX_GROUPS:
        raise ValueError(f"not the name of a tile: {path[:80]!r}")
    tile = Tile(
        level=ENTRIES if match[1] == "entries" else int(match[1]),
        index=int(match[2].replace("x", "").replace("/", "")),
        width=int(match[3]) if match[3] else WIDTH,
    )
    if tile.path != path:
        raise ValueError(f"not the name of a tile: {path[:80]!r}")
    return tile


def tile_at(level: int, index: int, size: int) -> Tile:
    """
    Return a tile as it is in a tree of `size` entries: whole, or as wide as it is then.

    Raises:
        ValueError: The tree has no such tile.
    """
    there = size >> (HEIGHT * max(level, 0))
    width = min(WIDTH, there - index * WIDTH)
    if width < 1:
        raise ValueError(f"a tree of {size} entries has no tile {index} of level {level}")
    return Tile(level=level, index=index, width=width)


def tiles_between(old: int, new: int) -> Iterator[Tile]:
    """
    Yield the names of all files that a tree of `new` entries has and that of `old` has not.

    Entry bundles first, then the hashes from the leaves up; every tile once, as it
    is in the new tree. With `old` 0: all files of the tree.
    """
    for level in range(ENTRIES, MAX_LEVEL + 1):
        shift = HEIGHT * max(level, 0)
        before, after = old >> shift, new >> shift
        if after == 0:
            return
        if before < after:
            for index in range(before // WIDTH, (after - 1) // WIDTH + 1):
                yield tile_at(level, index, new)


def right_edge(size: int) -> Iterator[Tile]:
    """Yield the names of all partial files of a tree: what grows when entries are added."""
    for level in range(ENTRIES, MAX_LEVEL + 1):
        last, partial = divmod(size >> (HEIGHT * max(level, 0)), WIDTH)
        if partial:
            yield Tile(level=level, index=last, width=partial)


def encode_entries(entries: Iterable[bytes]) -> bytes:
    """Return an entry bundle. Raises ValueError for an entry of more than 65,535 bytes."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY:
            raise ValueError(f"an entry of a log has at most {MAX_ENTRY} bytes")
        parts += (len(entry).to_bytes(2, "big"), entry)
    return b"".join(parts)


def parse_entries(data: bytes, width: int) -> tuple[bytes, ...]:
    """
    Return exactly `width` entries of a bundle.

    Raises:
        EvidenceInvalid: It holds more, fewer or half an entry.
    """
    entries: list[bytes] = []
    at = 0
    while at < len(data) and len(entries) <= width:
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or end > len(data):
            raise EvidenceInvalid(tr("a file of log entries ends in the middle of an entry"))
        entries.append(data[at + 2 : end])
        at = end
    if len(entries) != width:
        raise EvidenceInvalid(
            tr("a file of log entries does not contain {width} entries", width=width)
        )
    return tuple(entries)


def parse_hashes(data: bytes, width: int) -> tuple[bytes, ...]:
    """
    Return exactly `width` hashes of a tile.

    Raises:
        EvidenceInvalid: It is longer or shorter.
    """
    if len(data) != width * HASH_BYTES:
        raise EvidenceInvalid(
            tr("a file of log hashes does not contain {width} hashes", width=width)
        )
    return tuple(data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES))


class TileTree:
    """
    A tree of a given size, read from its tiles as they are needed.

    Nothing that it returns is verified by itself: whoever serves the tiles is not
    trusted. A proof made from them is right when it verifies against the root;
    entries are right when all of them hash to it.

    Args:
        fetch: Reads one file by its path below the log's prefix.
        cache: The most tiles to keep. Whole trees are read in order, so few suffice.
    """

    def __init__(self, size: int, fetch: Fetch, *, cache: int = 64) -> None:
        self.size = size
        self._fetch = fetch
        self._cache: dict[tuple[int, int], tuple[bytes, ...]] = {}
        self._most = cache

    def node(self, level: int, index: int) -> bytes:
        """
        Return the hash of a whole subtree, as `merkle.NodeReader` says.

        Raises:
            EvidenceInvalid: A tile is missing or not a tile.
        """
        if (index + 1) << level > self.size:
            raise ValueError(f"a tree of {self.size} entries has no such whole subtree")
        height = level % HEIGHT
        count = 1 << height
        first = index << height
        hashes = self.hashes(level // HEIGHT, first // WIDTH)
        return whole_subtree(hashes[first % WIDTH : first % WIDTH + count])

    def hashes(self, level: int, index: int) -> tuple[bytes, ...]:
        """Return the hashes of one tile. Raises EvidenceInvalid."""
        kept = self._cache.pop((level, index), None)
        if kept is None:
            tile = tile_at(level, index, self.size)
            kept = parse_hashes(self._read(tile), tile.width)
            if len(self._cache) >= self._most:
                del self._cache[next(iter(self._cache))]
        self._cache[level, index] = kept  # the one that was used last stands last
        return kept

    def entries(self, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the entries of a range in order, one bundle in memory. Raises EvidenceInvalid."""
        stop = self.size if end is None else end
        if not 0 <= begin <= stop <= self.size:
            raise ValueError(f"a tree of {self.size} entries has no entries {begin} to {stop}")
        for index in range(begin // WIDTH, -(-stop // WIDTH)):
            tile = tile_at(ENTRIES, index, self.size)
            entries = parse_entries(self._read(tile), tile.width)
            first = index * WIDTH
            yield from entries[max(begin - first, 0) : stop - first]

    def root(self) -> bytes:
        """Return the root, from the tiles of the right edge. Raises EvidenceInvalid."""
        return merkle.frontier(self.size, self.node).root

    def _read(self, tile: Tile) -> bytes:
        """Return one tile's bytes, cut from the whole one where the partial one is gone."""
        try:
            return self._fetch(tile.path)
        except FileNotFoundError:
            if not tile.is_partial:
                raise EvidenceInvalid(
                    tr("the file {path} of the log does not exist", path=tile.path)
                ) from None
        whole = Tile(level=tile.level, index=tile.index)
        try:
            data = self._fetch(whole.path)
        except FileNotFoundError:
            raise EvidenceInvalid(
                tr("the file {path} of the log does not exist", path=tile.path)
            ) from None
        if tile.level == ENTRIES:
            return encode_entries(parse_entries(data, WIDTH)[: tile.width])
        return b"".join(parse_hashes(data, WIDTH)[: tile.width])


def whole_subtree(hashes: Sequence[bytes]) -> bytes:
    """Return the hash over 1, 2, 4 … hashes of one level."""
    level = list(hashes)
    while len(level) > 1:
        level = [node_hash(*level[at : at + 2]) for at in range(0, len(level), 2)]
    return level[0]


def extend(tree: TileTree, entries: Sequence[bytes]) -> dict[Tile, bytes]:
    """
    Return the files that a tree has when these entries are added to it, and had not before.

    Only the right edge of the tree is read, and seen to be one: the entries of its last
    bundle have the hashes of its last tile.

    Raises:
        EvidenceInvalid: The right edge cannot be read, or does not agree with itself.
        ValueError: An entry that is too long, or none at all.
    """
    if not entries:
        raise ValueError("a tree must be extended by at least one entry")
    full, partial = divmod(tree.size, WIDTH)
    before = tuple(tree.entries(full * WIDTH)) if partial else ()
    edge = tree.hashes(0, full) if partial else ()
    if tuple(map(merkle.leaf_hash, before)) != edge:
        raise EvidenceInvalid(
            tr(
                "the hashes of the last entries of the log differ from the "
                "hashes in the files of the log"
            )
        )
    files: dict[Tile, bytes] = {}
    for index, chunk in _chunks(full, (*before, *entries)):
        files[Tile(level=ENTRIES, index=index, width=len(chunk))] = encode_entries(chunk)
    level, new = 0, tuple(map(merkle.leaf_hash, entries))
    while new:
        first, partial = divmod(tree.size >> (HEIGHT * level), WIDTH)
        edge = tree.hashes(level, first) if partial else ()
        above: list[bytes] = []
        for index, hashes in _chunks(first, (*edge, *new)):
            files[Tile(level=level, index=index, width=len(hashes))] = b"".join(hashes)
            if len(hashes) == WIDTH:
                above.append(whole_subtree(hashes))
        level, new = level + 1, tuple(above)
    return files


def _chunks(first: int, items: Sequence[bytes]) -> Iterator[tuple[int, Sequence[bytes]]]:
    """Cut what begins at the beginning of tile `first` into tiles."""
    for at in range(0, len(items), WIDTH):
        yield first + at // WIDTH, items[at : at + WIDTH]
