"""Texts of any length are stored and found exactly, and one refused row costs no other row."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from snapshotter.errors import SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.statements import takedown
from snapshotter.index import tables
from snapshotter.index.bundle_rows import INDEXED, indexed_key
from snapshotter.index.database import ValueRefused
from snapshotter.index.open_index import open_index_file
from snapshotter.index.tables import TABLES_VERSION
from snapshotter.index.values import BundleFacts, JobFacts, VerdictSource
from snapshotter.model.assessment import Availability, Content
from snapshotter.model.takedown import Observation
from snapshotter.store.filesystem import DirectoryStore
from tests.observed import at, frozen
from tests.searched import Library, bundle_id
from tests.unit.formats.statements.test_takedown import SIGNER, event

# No database compresses these characters of four bytes.
_CHANCE = random.Random(4)  # noqa: S311  repeatable, not secret
LONG = "".join(chr(_CHANCE.randrange(0x20000, 0x2A000)) for _ in range(25_000))
STORY = " ".join(f"word{_CHANCE.randrange(1000)}" for _ in range(600))


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Library]:
    with open_index_file(tmp_path / "index.db") as index:
        yield Library(index)


def seen(name: str, **more: object) -> Observation:
    """Return a capture of the page `//example.org/NAME`."""
    observation = Observation(
        bundle_id="",
        sha256="0" * 64,
        identity=f"//example.org/{name}",
        url=f"https://example.org/{name}",
        at=at(0),
        began_at=at(0),
        content=Content.CONTENT,
        availability=Availability.AVAILABLE,
    )
    return replace(observation, **more)  # type: ignore[arg-type]  # what a test wants otherwise


def test_long_texts_are_stored_and_found_by_the_whole_text(empty: Library) -> None:
    account = f"example:{LONG}"
    for ending in "abb":
        empty.add(
            STORY,
            observation=seen(
                LONG + ending,
                account=account + ending,
                vantage=LONG + ending,
                main_sha256=LONG,
                accounts=(frozen(LONG),),
            ),
            facts=BundleFacts(title=LONG, operator=LONG, policy=LONG, final_url=f"https://{LONG}/"),
            job=JobFacts(worker=LONG, schedule=LONG, tags=(LONG,)),
        )
    empty.sync()
    index = empty.index
    page, url = f"//example.org/{LONG}", f"https://example.org/{LONG}"

    def ids(**wanted: str) -> list[str]:
        return [row.bundle_id for row in index.rows(**wanted)]  # type: ignore[arg-type]

    first, second, third = map(bundle_id, range(3))
    assert ids(identity=f"{page}a") == ids(url=f"{url}a") == [first]
    assert ids(identity=f"{page}b") == ids(url=f"{url}b") == [second, third]
    assert ids(account=f"{account}a") == [first]
    assert ids(identity=page) == ids(url=url) == ids(account=account) == []
    assert index.identities(account=f"{account}b") == (f"{page}b",)
    assert index.pages_in_doubt() == (f"{page}a", f"{page}b")
    alive = index.alive("example.org", f"{LONG}b", without=f"{page}a")
    assert alive is not None
    assert alive.bundle_id == third
    assert index.alive("example.org", f"{LONG}b", without=f"{page}b") is None
    found = {
        one.bundle_id: [copy.bundle_id for copy in one.copies] for one in empty.search("").captures
    }
    assert found == {first: [third], second: [first], third: [first]}
    assert empty.search("").captures[0].job_tags == (LONG,)


@pytest.mark.parametrize("length", [INDEXED - 1, INDEXED, INDEXED + 1, 1_900])
def test_a_page_is_searched_by_its_whole_identity(empty: Library, length: int) -> None:
    page = f"//example.org/{LONG}"[: length - 1]
    made = [
        empty.add(observation=seen("", identity=f"{page}{ending}"), facts=BundleFacts())
        for ending in ("a", "b", "", "aa")
    ]
    empty.sync()

    assert empty.found(f'identity:"{page}a"') == made[:1]
    assert empty.found(f'-identity:"{page}a"') == made[1:]


def test_pages_of_an_account_with_a_long_name_are_found(empty: Library) -> None:
    for account in (LONG, f"{LONG}1", f"{LONG[:600]}", LONG[:499], LONG[:500]):
        empty.add(observation=seen("short", identity=f"wechat:{account}/1"), facts=BundleFacts())
    empty.sync()
    # As captures do whose page states its identity.
    empty.index.database.execute("UPDATE bundle SET stated = asked, asked = bundle_id")

    for number, account in enumerate((LONG, f"{LONG}1", LONG[:600], LONG[:499], LONG[:500])):
        rows = empty.index.rows(account=f"wechat:{account}")
        assert [row.bundle_id for row in rows] == [bundle_id(number)]


def test_the_key_of_a_text_in_an_index_is_the_key_of_no_other_text() -> None:
    texts = [LONG, f"{LONG}a", LONG[:INDEXED], LONG[: INDEXED + 1], indexed_key(LONG), "", "a"]

    assert len(set(map(indexed_key, texts))) == len(texts)
    assert max(map(len, map(indexed_key, texts))) == INDEXED + 64


def test_a_bundle_whose_row_is_refused_states_so_and_costs_no_other_bundle(empty: Library) -> None:
    made = [
        empty.add(f"word{number}", facts=BundleFacts(title="here", http_status=status))
        for number, status in enumerate((200, 2**70, 404))
    ]
    assert empty.sync().read == 3

    rows = {row.bundle_id: row for row in empty.index.rows()}
    assert list(rows) == made
    assert [row.problem for row in rows.values()][::2] == ["", ""]
    refused = rows[made[1]]
    assert refused.verdict_source is VerdictSource.UNREADABLE
    assert f"of the bundle {made[1]}: the index" in refused.problem
    assert "cannot store a value" in refused.problem
    assert [empty.found(f"word{number}") for number in range(3)] == [[made[0]], [], [made[2]]]
    # It is not tried again until the store shows something new.
    assert empty.sync().read == 0


@pytest.mark.parametrize(("value", "page"), [(2**70, "a"), (1, "half \ud83d of a pair")])
def test_a_value_that_a_database_refuses_is_no_failure_of_the_database(
    empty: Library, value: int, page: str
) -> None:
    with pytest.raises(ValueRefused, match="cannot store a value") as raised:
        empty.index.database.execute(
            "INSERT INTO fingerprint (value, page) VALUES (?, ?)", (value, page)
        )
    assert raised.value.exit_code == SnapshotterError.exit_code
    with pytest.raises(ValueRefused, match="cannot store a value"):
        empty.index.database.execute("INSERT INTO meta (name, value) VALUES ('tables', '1')")


# The last version of the tables whose indexes had whole texts.
_SHORT_TEXTS = 10


def test_rows_with_long_texts_are_migrated_back_and_read_again(empty: Library) -> None:
    made = empty.add(STORY, observation=seen(LONG))
    empty.add(STORY, observation=seen("other"))
    empty.sync()
    database = empty.index.database

    with database.writing():
        tables.migrate(database, TABLES_VERSION, _SHORT_TEXTS)
    assert database.rows("SELECT length(asked) FROM bundle ORDER BY key") == [(200,), (19,)]
    # The earlier version has keys of pages without a digest.
    database.execute("UPDATE sketch SET page = ? WHERE bundle_id = ?", ("a" * 501, made))
    with database.writing():
        tables.migrate(database, _SHORT_TEXTS, TABLES_VERSION)
    assert database.rows("SELECT listed FROM bundle WHERE bundle_id = ?", (made,)) == [("",)]
    assert tables.is_outdated(database)
    empty.sync()

    (row,) = empty.index.rows(identity=f"//example.org/{LONG}")
    assert row.bundle_id == made
    found = {one.bundle_id: len(one.copies) for one in empty.search("").captures}
    assert found == {bundle_id(0): 1, bundle_id(1): 1}
    assert not tables.is_outdated(database)


def test_events_of_pages_with_long_names_are_stored_and_found(
    empty: Library, tmp_path: Path
) -> None:
    store, index = DirectoryStore(tmp_path / "store"), empty.index
    names = [f"{LONG}a", f"{LONG}b", "with \0"]
    events = [event(identity=name) for name in names]
    for one in events:
        path = tmp_path / "store" / store_keys.takedown_key(one.event_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(takedown.encode(one, SIGNER))

    index.sync_events(store)

    for name, one in zip(names, events, strict=True):
        (found,) = index.events(identity=name)
        assert found.event == one
    assert index.events(identity=LONG) == ()
