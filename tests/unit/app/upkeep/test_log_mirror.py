"""The log of a store in a copy, as far as it is more than one step of work."""

from pathlib import Path

import pytest

from snapshotter.app.upkeep import log_mirror
from snapshotter.formats.proofs import log_state, tiles
from snapshotter.formats.proofs.note import LogPolicy
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.verify.log import LogReader
from tests.logs import LOG_KEY, read_whole, some_leaf, writer


@pytest.mark.parametrize("first", [1, 256, 300])
def test_a_log_of_many_steps_is_copied_from_where_the_copy_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    monkeypatch.setattr(log_mirror, "_STEP", tiles.WIDTH)
    source, copy = DirectoryStore(tmp_path / "one"), DirectoryStore(tmp_path / "two")
    policy = LogPolicy(key=LOG_KEY)
    writing = writer(source)
    writing.create()
    writing.append([some_leaf(number) for number in range(first)])
    log_mirror.mirror(LogReader(source, policy), copy, source_place="0" * 32)
    writing.append([some_leaf(number) for number in range(first, 800)])

    done = log_mirror.mirror(LogReader(source, policy), copy, source_place="0" * 32)

    assert done is not None
    assert (done.begin, done.size) == (first, 800)
    assert read_whole(copy) == read_whole(source)
    # Files of the two trees that were shown, and of none that was on the way.
    of_both = {log_state.key(tile.path) for n in (first, 800) for tile in tiles.tiles_between(0, n)}
    assert {stored.key for stored in copy.list(f"{log_state.FOLDER}/tile/")} == of_both
    middle, last = (log_state.key(tiles.tile_at(0, index, 800).path) for index in (1, 3))
    (tmp_path / "two" / middle).unlink()
    (tmp_path / "two" / last).write_bytes(b"junk")
    found = log_mirror.damaged_files(LogReader(source, policy), copy, policy)
    assert {(key, what) for key, _, what in found} == {(middle, "missing"), (last, "damaged")}
