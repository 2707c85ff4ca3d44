"""Tiles and entry bundles: C2SP tlog-tiles, and the facts of a log that Tessera published."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.proofs import merkle, note, tiles
from snapshotter.formats.proofs.tiles import ENTRIES, Tile, TileTree

# testdata/log of transparency-dev/tessera: its entries, as their author spelled them, its key,
# and the bytes that its files have.
TESSERA_KEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
TESSERA_ENTRIES = (
    b"one two three four five six seven eit nain ten ileven twelf threeten fourten fivten"
).split()
TESSERA_BUNDLE = bytes.fromhex(
    "00036f6e65000374776f000574687265650004666f757200046669766500037369780005736576656e0003656974"
    "00046e61696e000374656e0006696c6576656e00057477656c660008746872656574656e0007666f757274656e00"
    "0666697674656e"
)
TESSERA_FIRST_AND_LAST_HASH = (
    "d0d7360ab79f58ab1e1e3fe64ad77e2ea0bc07e36b5f46ed2223edd9298df9e9",
    "3786dc18e75f450d499f119c1eaee20dd8293f21fc9d08714a18d72b1cd60eb5",
)
TESSERA_CHECKPOINTS = {
    1: ("0Nc2CrefWKseHj/mStd+LqC8B+NrX0btIiPt2SmN+ek=", "M9e0lhr9kuLxGdAtaUrhm84TQffVsLdcy808sN0a3"
        "WyniNlfcr9+bywoiIke1YYciCNjJGkCgIlQ8b16jhsmg/SChAM="),
    3: ("Wqx3HImawpLnS/Gv4ubjAvi1WIOy0b8Ze0amvqbavKk=", "M9e0lvAQRtH832pk2RTbeSeZMkp4FZSdJYFBUjO5SK"
        "xuRbywPUF3cx+HUrb50kjd3rUWW/fj53Wj1dwcwh9bGQnqVAg="),
    5: ("gy5gl3aksFyiCO95a/1vLXz88A3dRq+0l9Sxte8ZqZQ=", "M9e0lmn5eDHyHP10zJObZdFAX2y1V8fdDKBi4IiHb"
        "DYf1TCUBwxZOhqwv2QZCqrdda2zTRTrmnwjwscN5RBTEmZUYAs="),
    8: ("bC+VwvrJbalNVjfkdI8kUgs7mJoXrqiXCE7bgnD28pY=", "M9e0lq1EK37dHtgv9O3UzPxisw5vwIPcJsX9ab0xt"
        "4mvVfbdUR1fbMjN6sBFYpBoBEmD4+cWhj/AVgI5MitCO5+mews="),
    15: ("rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=", "M9e0luh4jTG+UMBqOUo9/q+yAEvx1ilBEniMvjf1z"
         "fcBOhg+CKubMt53MvIt/uEWP6zdkdIQzd/fmwlM/dlPWF74ewI="),
}  # fmt: skip


def files_of(entries: list[bytes], size: int | None = None) -> dict[str, bytes]:
    """Return every file of the log, worked out without the code under test's own reader."""
    leaves = [merkle.leaf_hash(entry) for entry in entries[:size]]
    result = {}
    for tile in tiles.tiles_between(0, len(leaves)):
        begin = tile.index * 256
        if tile.level == ENTRIES:
            data = tiles.encode_entries(entries[begin : begin + tile.width])
        else:
            count = 256**tile.level
            data = b"".join(
                merkle.root(leaves[at * count : (at + 1) * count])
                for at in range(begin, begin + tile.width)
            )
        result[tile.path] = data
    return result


def reader(files: dict[str, bytes]) -> tiles.Fetch:
    def fetch(path: str) -> bytes:
        try:
            return files[path]
        except KeyError:
            raise FileNotFoundError(path) from None

    return fetch


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(level=0, index=0), "tile/0/000"),
        (Tile(level=2, index=1234067), "tile/2/x001/x234/067"),  # the specification's example
        (Tile(level=0, index=1000, width=7), "tile/0/x001/000.p/7"),
        (Tile(level=ENTRIES, index=999, width=255), "tile/entries/999.p/255"),
        (Tile(level=63, index=0, width=1), "tile/63/000.p/1"),
    ],
)
def test_a_tile_has_the_name_that_the_specification_gives_it(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert tiles.parse_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/0", "tile/00/000", "tile/0/x000/000", "tile/0/1000", "tile/64/000",
        "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/-1/000", "tile/0/000/",
        "/tile/0/000",
        "tile/0/x001/x000", "tile/entries/000.p/", "tile/0/\u0660\u0660\u0660", "tile/0/000\n", "",
        "tile/0/" + "x001/" * 30 + "000",
    ],
)  # fmt: skip
def test_what_is_no_tiles_name_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="tile"):
        tiles.parse_path(path)


def test_a_tree_of_70000_has_the_tiles_of_the_specifications_example() -> None:
    names = list(tiles.tiles_between(0, 70_000))

    level = {
        number: [tile for tile in names if tile.level == number] for number in (ENTRIES, 0, 1, 2, 3)
    }
    assert [len(level[number]) for number in (ENTRIES, 0, 1, 2, 3)] == [274, 274, 2, 1, 0]
    assert [tile.width for tile in level[0] if tile.is_partial] == [112]
    assert [tile.width for tile in level[1]] == [256, 17]
    assert [tile.width for tile in level[2]] == [1]


def test_a_tree_of_256_has_a_whole_tile_and_a_partial_one_above() -> None:
    assert [tile.path for tile in tiles.tiles_between(0, 256)] == [
        "tile/entries/000", "tile/0/000", "tile/1/000.p/1",
    ]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), [(0, 0), (5, 5), (255, 257), (256, 512), (300, 70_000)])
def test_what_is_written_for_a_larger_tree_is_what_it_has_beyond_the_older(
    old: int, new: int
) -> None:
    assert set(tiles.tiles_between(old, new)) == set(tiles.tiles_between(0, new)) - set(
        tiles.tiles_between(0, old)
    )


def test_the_files_of_a_published_log_are_read_and_made_alike() -> None:
    files = files_of(TESSERA_ENTRIES)
    first, last = map(bytes.fromhex, TESSERA_FIRST_AND_LAST_HASH)

    assert files["tile/entries/000.p/15"] == TESSERA_BUNDLE
    assert files["tile/0/000.p/15"][:32] == first
    assert files["tile/0/000.p/15"][-32:] == last
    assert tiles.parse_entries(TESSERA_BUNDLE, 15) == tuple(TESSERA_ENTRIES)


@pytest.mark.parametrize("size", TESSERA_CHECKPOINTS)
def test_a_published_log_has_the_roots_that_it_signed(size: int) -> None:
    root, signature = TESSERA_CHECKPOINTS[size]
    signed = note.open_checkpoint(
        f"example.com/log/testdata\n{size}\n{root}\n\n"
        f"— example.com/log/testdata {signature}\n".encode(),
        note.parse_verifier_key(TESSERA_KEY),
    )
    tree = TileTree(15, reader(files_of(TESSERA_ENTRIES)))

    assert signed.root == base64.b64decode(root)
    assert merkle.frontier(size, tree.node).root == signed.root
    proof = merkle.consistency_proof(size, 15, tree.node)
    merkle.check_consistency(size, 15, proof, signed.root, tree.root())


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 600, 66_000])
def test_a_tree_is_read_from_its_tiles(size: int) -> None:
    entries = [b"entry %d" % number for number in range(size)]
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    tree = TileTree(size, reader(files_of(entries)))

    assert tree.root() == merkle.root(leaves)
    assert list(tree.entries(size // 3, size)) == entries[size // 3 :]
    for index in (0, size // 2, size - 1):
        proof = merkle.inclusion_proof(index, size, tree.node)
        merkle.check_inclusion(leaves[index], index, size, proof, tree.root())


def test_an_older_tree_is_read_from_the_whole_tile_that_took_the_place_of_its_partial_one() -> None:
    entries = [b"entry %d" % number for number in range(300)]
    files = files_of(entries)
    tree = TileTree(100, reader(files))

    assert "tile/0/000.p/100" not in files
    assert tree.root() == merkle.root(map(merkle.leaf_hash, entries[:100]))
    assert list(tree.entries()) == entries[:100]


@pytest.mark.parametrize("path", ["tile/1/000.p/1", "tile/0/001.p/44", "tile/entries/001.p/44"])
def test_a_file_that_is_gone_is_named(path: str) -> None:
    files = files_of([b"entry %d" % number for number in range(300)])
    del files[path]
    tree = TileTree(300, reader(files))
    read = (lambda: list(tree.entries())) if "entries" in path else tree.root

    with pytest.raises(EvidenceInvalid, match=path):
        read()


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"\0\3on", b"\0\3one\0\3two", b"\0\3one\0", b"\0\0" * 3]
)
def test_an_entry_bundle_of_another_width_is_refused(data: bytes) -> None:
    with pytest.raises(EvidenceInvalid):
        tiles.parse_entries(data, 1)


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_tile_of_another_width_is_refused(length: int) -> None:
    with pytest.raises(EvidenceInvalid):
        tiles.parse_hashes(bytes(length), 1)


def test_an_entry_has_at_most_65535_bytes() -> None:
    with pytest.raises(ValueError, match="65535"):
        tiles.encode_entries([bytes(65_536)])
    assert tiles.parse_entries(tiles.encode_entries([bytes(65_535)]), 1) == (bytes(65_535),)


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=20))
def test_entries_are_read_as_they_were_written(entries: list[bytes]) -> None:
    assert tiles.parse_entries(tiles.encode_entries(entries), len(entries)) == tuple(entries)
