"""Which column of a table is what: our names, chosen ones, and auto-archiver's own."""

from collections.abc import Mapping

import pytest

from snapshotter.app.batch.columns import FIELDS, Columns, columns_of
from snapshotter.app.batch.plan import BatchPlan, plan_rows
from snapshotter.errors import SnapshotterError
from snapshotter.formats.lists.tables import read
from tests.unit.app.batch.batches import RULES

SAID = {name: f"<{name}>" for name in FIELDS}


def planned(data: bytes, name: str = "t.csv", *, retry_failed: bool = False) -> BatchPlan:
    table = read(data, name=name)
    return plan_rows(
        table,
        columns_of(table.columns),
        check_policy=lambda name: None,
        rules=RULES,
        retry_failed=retry_failed,
    )


def written(data: bytes, named: Mapping[str, str] | None = None) -> list[str]:
    """Return the lines of a table of which every row that is to be captured was."""
    table = read(data, name="t.csv")
    columns = columns_of(table.columns, named=named)
    made = plan_rows(table, columns, check_policy=lambda name: None, rules=RULES)
    values = [
        columns.values(entry.row, SAID if entry.needs_capture else {}) for entry in made.entries
    ]
    return table.written(columns.written, values).decode().splitlines()


def test_a_tag_of_a_row_does_not_put_a_page_into_a_case() -> None:
    (entry,) = planned(b"url,tags\nhttps://a/,case:harbour\n").entries

    assert "begins like a filter" in str(entry.problem)


def test_our_columns_stand_behind_those_of_the_table() -> None:
    assert written(b"URL,note\nhttps://a/,x\n") == [
        "URL,note,status,outcome,verdict,bundle_id,sha256,time,location,title,error,hint",
        "https://a/,x,<status>,<outcome>,<verdict>,<bundle_id>,<sha256>,<time>,<location>,<title>,"
        "<error>,<hint>",
    ]


def test_https_is_added_to_addresses_without_a_scheme_and_the_table_keeps_its_cells() -> None:
    data = b"url\nnews.example/a\nhttps://news.example/a\nb.example\nhttp//c.example\n"
    plan = planned(data)

    first, same, second, refused = plan.entries
    assert (first.url, first.host) == ("https://news.example/a", "news.example")
    assert (same.same_as, second.url) == (1, "https://b.example")
    assert refused.problem is not None
    assert refused.problem.hint == "if you mean http://c.example, give this address"
    assert plan.notes[-1].startswith(
        "rows whose address has no scheme: 2. https:// is added, for example https://news.example/a"
    )
    assert planned(b"url\nhttps://a/\n").notes == ()
    assert written(data)[1].startswith("news.example/a,<status>")


def test_a_column_of_the_table_s_own_is_not_written_over() -> None:
    table = read(b"url,Status,title\nhttps://a/,seen by Anna,mine\n", name="t.csv")
    columns = columns_of(table.columns)

    assert columns.names["status"] == "snapshotter status"
    assert columns.names["title"] == "snapshotter title"
    assert "has a column Status already" in columns.notes[0]
    assert columns.values(table.rows[0], SAID)["snapshotter status"] == "<status>"


def test_columns_are_called_as_somebody_wants_and_some_are_not_wanted() -> None:
    out = written(
        b"Adresse,x\nhttps://a/,1\n",
        named={"url": "Adresse", "status": "Stand", "hint": "", "error": "", "location": ""},
    )

    assert out[0] == "Adresse,x,Stand,outcome,verdict,bundle_id,sha256,time,title"


def test_the_columns_of_auto_archiver_are_known_by_its_header_and_work_as_they_are() -> None:
    header = (
        "Link,Archive status,Destination folder,Archive location,Archive date,Upload title,"
        "hash,wacz"
    )
    out = written(
        f"{header}\nhttps://a/,,case,,,mine,,\nhttps://b/,wayback: success,,x,,,,\n".encode()
    )

    assert out == [
        f"{header},outcome,verdict,bundle_id,error,hint",
        "https://a/,<status>,case,<location>,<time>,mine,<sha256>,<location>,"
        "<outcome>,<verdict>,<bundle_id>,<error>,<hint>",
        "https://b/,wayback: success,,x,,,,,,,,,",
    ]


def test_rows_that_have_a_status_are_left_alone_unless_failures_are_to_be_tried_again() -> None:
    data = b"link,archive status\nhttps://a/,\nhttps://b/,Archive failed x\nhttps://c/,done\n"

    assert [entry.needs_capture for entry in planned(data).entries] == [True, False, False]
    assert [entry.needs_capture for entry in planned(data, retry_failed=True).entries] == [
        True,
        True,
        False,
    ]


def test_a_table_that_a_batch_wrote_can_be_given_to_another_batch() -> None:
    first = "\n".join(written(b"url\nhttps://a/\n")).replace("<status>", "done")
    again = f"{first}\nhttps://b/,,,,,,,,,\n".encode()

    assert [entry.needs_capture for entry in planned(again).entries] == [False, True]
    assert written(again)[0].count("status") == 1


@pytest.mark.parametrize(
    ("columns", "url"),
    [
        (("note", "Link"), "Link"),
        (("link", "url"), "url"),
        (("whatever",), "whatever"),
        (("URL ", "x"), "URL "),
    ],
)
def test_the_column_of_addresses_is_found_by_its_name_or_by_being_the_only_one(
    columns: tuple[str, ...], url: str
) -> None:
    assert columns_of(columns).names["url"] == url


@pytest.mark.parametrize(
    ("columns", "named", "why"),
    [
        (("a", "b"), {}, "has no column url or link .* Its columns: a, b"),
        (("url", "b"), {"url": "c"}, "has no column c"),
        (("url", "b"), {"policy": "c"}, "has no column c"),
        (("url", "b"), {"status": "URL"}, "the column url has the addresses"),
    ],
)
def test_a_column_that_is_not_there_is_an_error(
    columns: tuple[str, ...], named: Mapping[str, str], why: str
) -> None:
    with pytest.raises(SnapshotterError, match=why):
        columns_of(columns, named=named)


def test_a_row_is_known_by_its_address_and_policy_and_not_by_its_place() -> None:
    keys = {
        entry.url + entry.policy: entry.key
        for entry in planned(
            b"url,policy,x\nhttps://a/,,1\nhttps://b/,,2\nhttps://b/,slow,3\n"
        ).entries
    }
    moved = {
        entry.url + entry.policy: entry.key
        for entry in planned(
            b"x,policy,url\n9,slow,https://b/\n,,https://b/\n1,,https://a/\n"
        ).entries
    }

    assert keys == moved
    assert len(set(keys.values())) == 3


def test_values_are_for_columns_that_there_are() -> None:
    columns = Columns(names={"url": "url", "status": "s"})
    (row,) = read(b"url\nhttps://a/\n", name="t.csv").rows

    assert columns.values(row, SAID) == {"s": "<status>"}
