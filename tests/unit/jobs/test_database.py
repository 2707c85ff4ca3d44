"""The queue's database: its address, its clock, and times that stay what they were."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.jobs.database import TABLES_VERSION, Instant, database_now
from snapshotter.jobs.database_url import database_url
from snapshotter.jobs.open_database import open_database
from snapshotter.jobs.queue.database_queue import DatabaseQueue


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("/var/lib/queue.db", "sqlite:////var/lib/queue.db"),
        ("sqlite:///queue.db", "sqlite:///queue.db"),
        (
            "postgresql://me:secret@db:5433/jobs",
            "postgresql+psycopg://me:secret@db:5433/jobs",
        ),
        ("postgres://db/jobs", "postgresql+psycopg://db/jobs"),
    ],
)
def test_an_address_is_what_its_driver_needs(text: str, url: str) -> None:
    assert database_url(text).partition("?")[0] == url


def test_a_server_that_is_gone_without_a_word_is_not_waited_for_for_hours() -> None:
    url = make_url(database_url("postgresql://db/jobs?keepalives_idle=5"))

    assert url.query["client_encoding"] == "utf8"
    assert url.query["keepalives_idle"] == "5"
    assert {"connect_timeout", "keepalives_count", "tcp_user_timeout"} < set(url.query)


@pytest.mark.parametrize("text", ["mysql://db/jobs", "sqlite://", "http://[", "postgresql://a:b:c"])
def test_what_keeps_no_queue_is_refused(text: str) -> None:
    with pytest.raises(SnapshotterError) as caught:
        database_url(text)

    assert caught.value.hint.startswith("sqlite:///")


def test_a_password_is_the_first_line_of_the_file_that_the_address_names(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("p@ss/word:1\nnot this\n")

    url = make_url(database_url(f"postgresql://me@db/jobs?password_file={tmp_path}/password"))

    assert (url.password, url.host) == ("p@ss/word:1", "db")
    assert "password_file" not in url.query


@pytest.mark.parametrize("content", [None, b"", b"\nsecond\n", b"\xff\n"])
def test_a_password_that_is_not_there_is_told_without_showing_any(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(SnapshotterError, match=str(file)) as caught:
        database_url(f"postgresql://me@db/jobs?password_file={file}")

    assert "first line" in caught.value.hint


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:secret@127.0.0.1:1/jobs",
        "postgresql://127.0.0.1:1/jobs?user=me&password=secret",
    ],
)
def test_a_database_that_does_not_answer_is_unavailable_and_its_password_unsaid(url: str) -> None:
    with pytest.raises(ServiceUnavailable) as caught:
        open_database(url)

    assert "secret" not in str(caught.value)


def test_a_statement_that_is_refused_does_not_say_with_what(tmp_path: Path) -> None:
    """It is told as a bug, and logs are no place for addresses and titles of pages."""
    table = Table("t", MetaData(), Column("title", String, primary_key=True))
    engine = open_database(f"{tmp_path}/queue.db")
    table.create(engine)

    with pytest.raises(IntegrityError) as caught, engine.begin() as connection:
        connection.execute(insert(table), [{"title": "a page"}, {"title": "a page"}])

    engine.dispose()
    assert "a page" not in str(caught.value)


def test_times_keep_their_instant_and_lose_their_zone(tmp_path: Path) -> None:
    table = Table(
        "times", MetaData(), Column("id", Integer, primary_key=True), Column("at", Instant)
    )
    engine = open_database(f"{tmp_path}/below/queue.db")
    table.create(engine)
    given = datetime(2026, 3, 29, 3, 30, 0, 250_000, tzinfo=timezone(timedelta(hours=2)))

    with engine.begin() as connection:
        connection.execute(insert(table).values(id=1, at=given))
        kept = connection.execute(select(table.c.at)).scalar_one()
        now = database_now(connection)

    engine.dispose()
    assert kept == given
    assert kept.tzinfo is UTC
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=60)


def test_a_queue_of_a_later_release_is_left_alone(tmp_path: Path) -> None:
    file = f"{tmp_path}/queue.db"
    for _ in range(2):
        open_database(file).dispose()  # of this release, and opened again
    with closing(sqlite3.connect(file)) as later:
        later.execute("UPDATE tables_version SET version = version + 1")
        later.commit()

    with pytest.raises(SnapshotterError, match="later release") as caught:
        open_database(file)

    assert f"snapshotter queue migrate --to {TABLES_VERSION}" in caught.value.hint


def test_a_queue_of_the_first_release_is_brought_up_to_date_and_keeps_its_jobs(
    tmp_path: Path,
) -> None:
    file = f"{tmp_path}/queue.db"
    with closing(sqlite3.connect(file)) as first:
        first.executescript((Path(__file__).parent / "tables-2.sql").read_text())
        for column in ("shown", "light", "vantage"):
            first.execute(f"ALTER TABLE job DROP COLUMN {column}")
        first.execute("DELETE FROM tables_version")  # which had no number
        first.commit()

    for _ in range(2):
        engine = open_database(file)
        status = DatabaseQueue(engine).get("done")
        engine.dispose()
        assert status is not None
        assert (status.shown, status.job.light) == (None, False)


def test_many_who_open_a_new_queue_at_once_all_have_it(tmp_path: Path) -> None:
    file = f"{tmp_path}/queue.db"
    with ThreadPoolExecutor(8) as pool:
        for engine in pool.map(open_database, [file] * 8):
            engine.dispose()

    with closing(sqlite3.connect(file)) as made:
        assert made.execute("SELECT id, version FROM tables_version").fetchall() == [
            (1, TABLES_VERSION)
        ]
