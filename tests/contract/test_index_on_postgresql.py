"""The index in PostgreSQL answers as the one in SQLite: the same tests, and what only it has."""

import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typing_extensions import override

from snapshotter.app.settings import Settings, load
from snapshotter.app.wiring import index as wiring_index
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.index import tables
from snapshotter.index.database import ValueRefused
from snapshotter.index.open_index import open_index_schema
from snapshotter.index.store_index import Index
from snapshotter.index.tables import TABLES_VERSION
from snapshotter.index.values import BundleFacts, BundleSummary
from tests.searched import Library
from tests.servers.postgresql import PostgreSQL

# The tests of the index in a file, with the fixtures of this module.
from tests.unit.index.test_long_texts import (  # noqa: F401
    LONG,
    test_a_bundle_whose_row_is_refused_states_so_and_costs_no_other_bundle,
    test_a_page_is_searched_by_its_whole_identity,
    test_a_value_that_a_database_refuses_is_no_failure_of_the_database,
    test_events_of_pages_with_long_names_are_stored_and_found,
    test_long_texts_are_stored_and_found_by_the_whole_text,
    test_pages_of_an_account_with_a_long_name_are_found,
    test_rows_with_long_texts_are_migrated_back_and_read_again,
)
from tests.unit.index.test_search import (  # noqa: F401
    TEXTS,
    test_a_capture_in_quarantine_is_never_found,
    test_a_host_is_found_in_both_addresses_and_in_every_form_of_its_name,
    test_a_random_library_is_searched_as_it_is_scanned,
    test_a_search_for_words_that_never_meet_ends_and_states_how_far_it_came,
    test_a_word_in_very_many_passages_is_found_without_candidates,
    test_a_word_that_is_frequent_in_other_regions_names_candidates,
    test_captures_are_found_by_the_title_of_their_case_and_by_words_of_notes,
    test_captures_of_one_page_are_no_copies_of_each_other,
    test_captures_of_which_only_the_beginning_is_searched_are_counted,
    test_every_query_finds_what_its_evaluation_for_each_capture_finds,
    test_filters_are_about_the_row_of_a_capture,
    test_long_texts_of_filters_are_kept_as_far_as_an_index_takes_them,
    test_pages_follow_one_another_without_gap_and_without_repetition,
    test_regions_are_searched_apart_and_hidden_text_only_on_request,
    test_texts_of_removed_captures_are_gone_from_the_index,
    test_texts_without_spaces_are_found_anywhere,
    test_the_index_finds_what_a_scan_finds,
    test_what_is_found_is_marked_in_the_text_as_shown,
    test_what_no_database_stores_is_searched_as_it_is_stored,
    test_what_people_recorded_is_searched_and_filtered,
    test_words_are_combined,
    test_words_are_found_whole,
    test_words_of_one_capture_may_be_in_several_of_its_texts,
)
from tests.unit.index.test_store_index import (  # noqa: F401
    IDS,
    Shelf,
    test_a_late_token_lets_its_bundle_be_read_again,
    test_a_look_reads_what_is_new_and_nothing_twice,
    test_a_quick_look_is_into_the_newest_days_and_a_whole_one_finds_the_rest,
    test_a_store_that_stops_answering_leaves_what_was_read,
    test_a_store_without_stamps_is_listed_whole_after_a_time,
    test_candidates_have_the_host_or_the_verdict_and_come_newest_first,
    test_of_two_pages_that_one_link_is_said_to_lead_to_neither_is_believed,
    test_one_bundle_is_found_by_its_id,
    test_one_capture_says_for_all_which_page_a_short_link_leads_to,
    test_only_folders_that_changed_are_listed,
    test_rows_come_in_the_order_of_the_captures_and_are_found_by_what_they_are_of,
    test_two_at_once_write_the_same_rows,
    test_what_can_not_be_read_or_judged_is_listed_as_such,
    test_what_the_store_does_not_list_any_more_is_forgotten,
)
from tests.unit.index.test_tables import (  # noqa: F401
    test_an_index_that_is_current_is_opened_without_a_lock,
    test_rows_of_an_earlier_version_are_kept_until_their_bundles_are_read_again,
)

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("postgresql")]

_numbers = itertools.count()


@dataclass
class ShelfOnServer(Shelf):
    """A store whose index is in a schema of a server."""

    url: str = ""
    schema: str = ""

    @override
    def open(self) -> Index:
        return opened(self.url, self.schema)


def opened(url: str, schema: str) -> Index:
    return open_index_schema(url, options={}, schema=schema, shown="postgresql://server")


def new_schema() -> str:
    return f"index_{next(_numbers)}"


@pytest.fixture
def shelf(tmp_path: Path, postgresql: PostgreSQL, request: pytest.FixtureRequest) -> Shelf:
    made = ShelfOnServer(tmp_path, url=postgresql.url, schema=new_schema())
    if request.function.__module__.endswith("test_tables"):
        made.add(0)
        assert made.ids() == IDS[:1]
    return made


@pytest.fixture
def index(shelf: Shelf) -> Iterator[Index]:
    with shelf.open() as index:
        yield index


@pytest.fixture(scope="module")
def library(postgresql: PostgreSQL) -> Iterator[Library]:
    with opened(postgresql.url, new_schema()) as index:
        made = Library(index)
        for text in TEXTS:
            made.add(text)
        made.sync()
        yield made


@pytest.fixture
def empty(postgresql: PostgreSQL) -> Iterator[Library]:
    with opened(postgresql.url, new_schema()) as index:
        yield Library(index)


def described(index: Index) -> list[tuple[str, ...]]:
    """Return the columns of all tables, and the statements of all indexes."""
    columns = index.database.rows(
        "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns "
        "WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position"
    )
    indexes = index.database.rows(
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() "
        "ORDER BY indexname"
    )
    return [*columns, *indexes]


@pytest.mark.parametrize("version", range(TABLES_VERSION))
def test_the_tables_of_each_version_are_reached_from_later_and_earlier_ones(
    index: Index, version: int
) -> None:
    newest = described(index)

    with index.database.writing():
        tables.migrate(index.database, TABLES_VERSION, version)
    older = described(index)
    tables.prepare(index.database)

    assert described(index) == newest
    assert older != newest
    with index.database.writing():
        tables.migrate(index.database, TABLES_VERSION, 0)
        tables.migrate(index.database, 0, version)
    assert described(index) == older


def test_an_index_of_a_later_version_is_refused_and_left_alone(shelf: Shelf) -> None:
    with shelf.open() as index:
        index.database.execute("UPDATE meta SET value = '999' WHERE name = 'rows'")
        with pytest.raises(SnapshotterError, match="was made by a later version of snapshotter"):
            shelf.open()

        found = dict(index.database.rows("SELECT name, value FROM meta"))
    assert found == {"rows": "999", "tables": str(TABLES_VERSION)}


def test_many_processes_may_create_an_index_at_once(shelf: Shelf) -> None:
    together = threading.Barrier(4, timeout=60)
    ended: list[int] = []

    def work() -> None:
        together.wait()
        with shelf.open() as index:
            ended.append(len(list(index.rows())))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert ended == [0] * 4


def test_stores_in_one_database_have_indexes_of_their_own(
    postgresql: PostgreSQL, tmp_path: Path
) -> None:
    first, second = (
        ShelfOnServer(tmp_path / name, url=postgresql.url, schema=new_schema())
        for name in ("a", "b")
    )
    first.add(0)
    second.add(1)

    assert (first.ids(), second.ids()) == (IDS[:1], IDS[1:2])


def test_text_that_the_server_refuses_is_replaced(empty: Library) -> None:
    empty.add("before\0after", facts=BundleFacts(title="half \ud83d of a pair"))
    empty.sync()

    assert empty.index.database.rows("SELECT title, text FROM bundle, passage") == [
        ("half \N{REPLACEMENT CHARACTER} of a pair", "before\N{REPLACEMENT CHARACTER}after")
    ]


def test_a_word_that_repeats_more_often_than_the_server_keeps_places_is_found(
    empty: Library,
) -> None:
    found = empty.add("哈" * 1500 + "谣言")
    empty.sync()

    assert empty.found('"哈谣言"') == [found]


def test_a_limit_of_the_server_is_no_silence_of_the_server(empty: Library) -> None:
    empty.index.database.execute("CREATE TABLE more (word TEXT PRIMARY KEY)")

    with pytest.raises(ValueRefused, match="cannot store a value: index row size") as raised:
        empty.index.database.execute("INSERT INTO more VALUES (?)", (LONG[:700],))
    assert raised.value.exit_code == SnapshotterError.exit_code


def settings_of(tmp_path: Path, queue: str) -> Settings:
    return load(
        directory=tmp_path,
        environment={
            "SNAPSHOTTER_DATA_DIR": str(tmp_path / "data"),
            "SNAPSHOTTER_STORE": str(tmp_path / "captures"),
            "SNAPSHOTTER_QUEUE": queue,
        },
    )


def test_the_index_is_where_the_queue_is(postgresql: PostgreSQL, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("not asked for\n")
    queue = postgresql.url.replace("postgresql://", "postgresql+psycopg://")

    with wiring_index.index(settings_of(tmp_path, f"{queue}&password_file={password}")) as index:
        assert index.database.name.startswith("postgresql://snapshotter@/postgres, schema ")
        assert "not asked for" not in index.database.name
        assert list(index.rows()) == []
    assert not (tmp_path / "data" / "index").exists()


def test_a_server_that_does_not_answer_is_tried_again_later(tmp_path: Path) -> None:
    queue = f"postgresql://me:secret@/postgres?host={tmp_path}"

    with pytest.raises(ServiceUnavailable, match="does not answer") as raised:
        wiring_index.index(settings_of(tmp_path, queue))

    assert "secret" not in str(raised.value)


def test_a_server_that_restarts_within_an_update_costs_no_row(shelf: Shelf) -> None:
    shelf.add(0)
    shelf.add(1)
    with shelf.open() as broken, shelf.open() as other:
        ((backend,),) = broken.database.rows("SELECT pg_backend_pid()")

        def read(key: str, sidecars: tuple[str, ...]) -> BundleSummary:
            # What a restart does to a connection, without a restart for other tests.
            other.database.rows("SELECT pg_terminate_backend(?, 10000)", (backend,))
            return shelf.read(key, sidecars)

        for _ in range(2):
            with pytest.raises(ServiceUnavailable, match="does not answer"):
                broken.sync(shelf.store, read)
        with pytest.raises(ServiceUnavailable, match="does not answer"), broken.database.writing():
            pass

    assert shelf.ids() == IDS[:2]
