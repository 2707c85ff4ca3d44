"""The tables of an index: migrations forward and back, and versions that do not fit."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from snapshotter.errors import SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.index import tables
from snapshotter.index.database import IndexDatabase
from snapshotter.index.open_index import open_index_file
from snapshotter.index.sqlite_database import SqliteDatabase
from snapshotter.index.tables import MIGRATIONS, TABLES_VERSION
from tests.observed import at
from tests.unit.index.test_store_index import IDS, Shelf


@pytest.fixture
def database(tmp_path: Path) -> Iterator[IndexDatabase]:
    opened = SqliteDatabase(tmp_path / "index.db")
    tables.prepare(opened)
    yield opened
    opened.close()


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    shelf = Shelf(tmp_path)
    shelf.add(0)
    assert shelf.ids() == IDS[:1]
    return shelf


def described(database: IndexDatabase) -> list[tuple[str, str]]:
    """Return each table and index, and the statement that made it."""
    return [
        (name, statement)
        for name, statement in database.rows(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"
        )
        if not name.startswith("sqlite_")
    ]


def set_version(shelf: Shelf, name: str, version: int) -> None:
    with shelf.open() as index:
        index.database.execute("UPDATE meta SET value = ? WHERE name = ?", (str(version), name))


@pytest.mark.parametrize("version", range(TABLES_VERSION))
def test_the_tables_of_each_version_are_reached_from_later_and_earlier_ones(
    database: IndexDatabase, version: int
) -> None:
    newest = described(database)

    with database.writing():
        tables.migrate(database, TABLES_VERSION, version)
    older = described(database)
    tables.prepare(database)

    assert described(database) == newest
    assert older != newest
    with database.writing():
        tables.migrate(database, TABLES_VERSION, 0)
        tables.migrate(database, 0, version)
    assert described(database) == older


def test_a_migration_that_fails_leaves_the_tables_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tables.Migration(forward="CREATE TABLE more (id INTEGER); SELECT wrong", back="")
    database = SqliteDatabase(tmp_path / "index.db")
    tables.prepare(database)
    before = described(database)
    monkeypatch.setattr(tables, "MIGRATIONS", (*MIGRATIONS, broken))
    monkeypatch.setattr(tables, "TABLES_VERSION", TABLES_VERSION + 1)

    with pytest.raises(SnapshotterError, match="wrong"):
        tables.prepare(database)

    assert described(database) == before
    database.close()


@pytest.mark.parametrize("name", ["tables", "rows"])
def test_an_index_of_a_later_version_is_refused_and_left_alone(shelf: Shelf, name: str) -> None:
    set_version(shelf, name, 999)
    before = shelf.path.read_bytes()

    with pytest.raises(SnapshotterError, match="was made by a later version of snapshotter"):
        shelf.open()

    assert shelf.path.read_bytes() == before


def test_rows_of_an_earlier_version_are_kept_until_their_bundles_are_read_again(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "ROWS_VERSION", tables.ROWS_VERSION + 1)

    with shelf.open() as index:
        assert [row.bundle_id for row in index.rows()] == IDS[:1]
        # Also if only the newest days were to be looked at.
        late = at(60 * 24 * 5)
        newer = f"20260530t080000z-{'abcdefgh' * 2}"
        shelf.put(store_keys.bundle_key(newer), b"a bundle")
        shelf.known[store_keys.bundle_key(newer)] = shelf.known[store_keys.bundle_key(IDS[0])]
        assert index.sync(shelf.store, shelf.read, until=late).read == 2
        shelf.reads.clear()
        assert index.sync(shelf.store, shelf.read, until=late).read == 0
    with shelf.open() as index:
        assert shelf.sync(index).read == 0


def test_an_index_that_is_current_is_opened_without_a_lock(shelf: Shelf) -> None:
    with shelf.open() as writer, writer.database.writing(), shelf.open() as reader:
        assert [row.bundle_id for row in reader.rows()] == IDS[:1]


def test_a_sqlite_that_cannot_delete_texts_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 42, 0))

    with pytest.raises(SnapshotterError, match=r"needs SQLite 3\.43 or later"):
        open_index_file(tmp_path / "index.db")

    assert not (tmp_path / "index.db").exists()
