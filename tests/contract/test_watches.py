"""What tests of watch lists say of SQLite holds on PostgreSQL as well."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from snapshotter.jobs.database_url import database_url
from tests.servers.lists import ListServer
from tests.servers.postgresql import PostgreSQL
from tests.unit.jobs.watches import test_watches
from tests.unit.jobs.watching import Desk

pytestmark = pytest.mark.xdist_group("postgresql")

Check = Callable[[Desk, ListServer], None]
# Those in which two write at once, statements differ, or something is counted or joined.
_CHECKS: list[Check] = [
    test_watches.test_two_workers_poll_a_list_once,
    test_watches.test_a_poller_that_died_holds_a_list_up_for_ten_minutes,
    test_watches.test_a_short_link_is_known_as_its_article_once_it_was_captured,
    test_watches.test_the_limit_holds_for_all_sitemaps_of_an_index,
    test_watches.test_a_pause_is_no_gap_and_a_stopped_worker_is_one,
    test_watches.test_a_name_is_taken_once_and_what_was_removed_is_forgotten,
]
_NUMBERS = itertools.count()


@pytest.mark.parametrize("check", _CHECKS, ids=[check.__name__ for check in _CHECKS])
def test_on_postgresql(postgresql: PostgreSQL, tmp_path: Path, check: Check) -> None:
    name = f"watches_{next(_NUMBERS)}"
    admin = create_engine(database_url(postgresql.url), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    admin.dispose()
    with ListServer() as server:
        desk = Desk(tmp_path, server, url=postgresql.url.replace("/postgres?", f"/{name}?"))
        check(desk, server)
        desk.engine.dispose()
