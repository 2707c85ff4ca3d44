"""Schedules on PostgreSQL: what holds on SQLite holds there, also for several who sweep at once."""

import inspect
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select, update

from snapshotter.errors import ServiceUnavailable
from snapshotter.jobs import database
from snapshotter.jobs.database_url import database_url
from snapshotter.jobs.schedules.plan import Plan
from snapshotter.jobs.schedules.tables import TARGET
from tests.servers.postgresql import PostgreSQL
from tests.unit.jobs.schedules import test_scheduler
from tests.unit.jobs.schedules.schedule_bench import HOUR, START, URL, Desk

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("postgresql")]

Check = Callable[[Desk], None]

# What asks for nothing but a desk; the size of records is no matter of a database.
_SLOW = {
    "test_many_addresses_are_no_record_without_end",
    "test_whatever_was_missed_fits_into_its_records",
}
_CHECKS: list[Check] = [
    check
    for name, check in vars(test_scheduler).items()
    if name.startswith("test_")
    and name not in _SLOW
    and list(inspect.signature(check).parameters) == ["desk"]
]
_NUMBERS = itertools.count()


@pytest.fixture
def desk(postgresql: PostgreSQL, tmp_path: Path) -> Iterator[Desk]:
    name = f"schedules_{next(_NUMBERS)}"
    admin = create_engine(database_url(postgresql.url), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    admin.dispose()
    made = Desk(tmp_path, url=postgresql.url.replace("/postgres?", f"/{name}?"))
    yield made
    made.engine.dispose()


@pytest.mark.parametrize("check", _CHECKS, ids=[check.__name__ for check in _CHECKS])
def test_on_postgresql(desk: Desk, check: Check) -> None:
    check(desk)


def test_several_processes_sweep_one_postgresql(desk: Desk) -> None:
    test_scheduler.sweep_together(desk, count=2)


def test_one_that_stands_still_in_a_transaction_does_not_hold_up_the_others(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_IDLE_TRANSACTION_S", 1)
    desk.engine.dispose()  # connections that were made without it
    desk.add(Plan(every=6 * HOUR))

    with pytest.raises(ServiceUnavailable):
        _stop_while_others_sweep(desk)


def _stop_while_others_sweep(desk: Desk) -> None:
    with database.writing(desk.engine) as stopped:
        stopped.execute(update(TARGET).values(url=URL))  # and now it holds the row

        assert desk.run(START).handed_over == 1

        stopped.execute(select(TARGET.c.id))  # it goes on, and hears that it was ended
