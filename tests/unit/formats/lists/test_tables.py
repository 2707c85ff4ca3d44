"""Tables come out as they went in, with columns added, and no cell of ours is a formula."""

import codecs
import csv
import io
import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from snapshotter.errors import SnapshotterError
from snapshotter.formats.lists import tables
from snapshotter.formats.lists.tables import read, safe_cell
from tests.fuzzing import tries

OURS = ("status", "title")


def filled(data: bytes, *values: dict[str, str], name: str = "t.csv", **how: str) -> bytes:
    """Return a table with values for its first rows, and nothing new in the others."""
    table = read(data, name=name, **how)
    rest: list[dict[str, str]] = [{} for _ in table.rows[len(values) :]]
    return table.written(OURS, [*values, *rest])


def test_a_csv_keeps_its_cells_its_order_and_its_line_ends() -> None:
    data = b'\xef\xbb\xbfurl,note\r\nhttps://a.example/,"two\r\nlines, ""quoted"""\r\nhttps://b/,-1\r\n'

    out = filled(data, {"status": "done", "title": "A"})

    assert out == (
        b"\xef\xbb\xbfurl,note,status,title\r\n"
        b'https://a.example/,"two\r\nlines, ""quoted""",done,A\r\n'
        b"https://b/,-1,,\r\n"
    )


def test_rows_shorter_or_longer_than_the_header_keep_their_cells_and_ours_stay_in_line() -> None:
    out = filled(b"url,note,who\nhttps://a/\n\nhttps://b/,1,2,beyond\n", {"status": "done"})

    rows = list(csv.reader(io.StringIO(out.decode())))
    assert rows == [
        ["url", "note", "who", "", "status", "title"],
        ["https://a/", "", "", "", "done", ""],
        [],
        ["https://b/", "1", "2", "beyond", "", ""],
    ]


def test_of_two_columns_with_one_name_both_stay_and_the_first_is_read() -> None:
    data = b"url,note,url\nhttps://a/,x,https://b/\n"

    table = read(data, name="t.csv")

    assert table.rows[0].text("url") == "https://a/"
    assert table.notes == (
        "several columns have the same name, and only the first of these columns is used: url",
    )
    assert table.written((), [{}]) == data


def test_a_column_that_is_there_is_filled_where_it_stands() -> None:
    assert (
        filled(b"status,url\nold,https://a/\n,https://b/\n", {}, {"status": "done"})
        == b"status,url,title\nold,https://a/,\ndone,https://b/,\n"
    )


def test_semicolons_are_seen_by_the_column_of_addresses_and_told() -> None:
    table = read(b"note;url\n1,5;https://a/?x=1,2\n", name="t.csv")

    assert table.rows[0].cells == {"note": "1,5", "url": "https://a/?x=1,2"}
    assert table.notes == ("the divider of the cells is semicolons",)
    data = b"sep=|\r\nurl|note\r\nhttps://a/|x\r\n"
    assert filled(data, {"status": "done"}).splitlines()[:2] == [b"sep=|", b"url|note|status|title"]


@pytest.mark.parametrize("first", [b'sep="\r\n', b"sep=\n\n", b"sep=a\n"])
def test_a_line_that_names_no_divider_is_no_such_line(first: bytes) -> None:
    read(first + b"url\nhttps://a/\n", name="t.csv")  # and no error of another module


def test_a_table_that_is_too_wide_to_be_written_is_refused_at_once() -> None:
    wide = b"url\n" + b"https://a/\n" * 1000 + b"," * 100_000 + b"\n"

    with pytest.raises(SnapshotterError, match="line 1002 has 100001 cells"):
        read(wide, name="t.csv")


def test_a_thousand_columns_are_read_and_those_that_stand_twice_are_told() -> None:
    header = [*(f"c{number}" for number in range(1990)), "url", "url"]

    table = read(f"{','.join(header)}\n".encode(), name="t.csv")

    assert (len(table.columns), table.notes) == (
        1992,
        ("several columns have the same name, and only the first of these columns is used: url",),
    )


def test_empty_lines_before_the_header_stay_and_are_no_header() -> None:
    data = b"\n  \nurl\nhttps://a/\n"

    assert filled(data, {"status": "done"}) == b"\n  \nurl,status,title\nhttps://a/,done,\n"
    assert read(data, name="t.csv").rows[0].line == 4


def test_without_a_header_one_is_written_and_told() -> None:
    table = read(b"1,https://a/\n2,https://b/\n", name="t.csv")

    assert [row.text("url") for row in table.rows] == ["https://a/", "https://b/"]
    assert "the table has no header" in table.notes[0]
    assert table.written(("status",), [{"status": "done"}, {}]).splitlines() == [
        b"column 1,url,status",
        b"1,https://a/,done",
        b"2,https://b/,",
    ]


@pytest.mark.parametrize(
    ("data", "addresses"),
    [
        (b"1,a.example/x\n2,b.example/y\n", ["a.example/x", "b.example/y"]),
        (b"1,a.example/x\n2,https://b/\n", ["a.example/x", "https://b/"]),
        (b"1,a.example\n", ["a.example"]),
        (b"1,url\n2,a.example/x\n", ["a.example/x"]),
    ],
)
def test_an_address_without_a_scheme_is_not_taken_for_a_header(
    data: bytes, addresses: list[str]
) -> None:
    table = read(data, name="t.csv")

    assert [row.text("url") for row in table.rows] == addresses


def test_a_name_like_a_host_is_a_header_above_addresses_with_a_scheme() -> None:
    table = read(b"page.url,x\nhttps://a/,1\n", name="t.csv")

    assert (table.columns, len(table.rows)) == (("page.url", "x"), 1)


@pytest.mark.parametrize("bad", [b'url\nhttps://a/\n"never closed\nhttps://b/\n', b'url\n"a"b,c\n'])
def test_a_quotation_mark_that_is_never_closed_is_no_row_but_an_error(bad: bytes) -> None:
    with pytest.raises(
        SnapshotterError, match=r"the row that begins in line [23] is not valid CSV"
    ):
        read(bad, name="t.csv")


def test_a_row_knows_its_line() -> None:
    table = read(b'url,n\nhttps://a/,"1\n2"\n\nhttps://b/,3\n', name="t.csv")

    assert [(row.number, row.line, row.blank) for row in table.rows] == [
        (1, 2, False),
        (2, 4, True),
        (3, 5, False),
    ]


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1", "'+1"),
        ("-2", "'-2"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'=1"),
        ("＝1", "'＝1"),
        ("a\r\n=1\x00b", "a =1 b"),
        ("a=1", "a=1"),
    ],
)
def test_no_cell_of_ours_is_a_formula_in_a_spreadsheet(cell: str, safe: str) -> None:
    assert safe_cell(cell) == safe
    out = filled(b"url,f\nhttps://a/,=1+1\n", {"title": cell})

    (row,) = csv.DictReader(io.StringIO(out.decode()))
    assert row["title"] == safe
    assert row["f"] == "=1+1"  # what was in the table is its owner's


@settings(max_examples=tries(50))
@given(st.lists(st.lists(st.text(), min_size=2, max_size=4), max_size=5))
def test_whatever_stands_in_cells_stands_there_afterwards(cells: list[list[str]]) -> None:
    body = io.StringIO(newline="")
    csv.writer(body).writerows([["url", "x"], *cells])
    data = body.getvalue().encode("utf-8", "surrogatepass")
    if b"\xed" in data:
        return  # half a character is in no file

    out = filled(data).decode()

    read_back = list(csv.reader(io.StringIO(out, newline="")))
    assert [row[: len(mine)] for row, mine in zip(read_back[1:], cells, strict=True)] == cells


def test_tabs_divide_a_tsv_and_a_title_with_a_tab_does_not() -> None:
    out = filled(b"url\tnote\nhttps://a/\ta,b\n", {"title": "x\ty"}, name="t.tsv")

    assert out == b"url\tnote\tstatus\ttitle\nhttps://a/\ta,b\t\tx y\n"


def test_a_list_becomes_a_csv_and_its_remarks_are_no_rows() -> None:
    table = read(b"# mine\r\nhttps://a/\r\n\r\n  https://b/?x=1,2 \r\n", name="urls.txt")

    assert [(row.number, row.line, row.text("url")) for row in table.rows] == [
        (1, 2, "https://a/"),
        (2, 4, "https://b/?x=1,2"),
    ]
    assert table.written(("status",), [{"status": "done"}, {}]) == (
        b'url,status\r\nhttps://a/,done\r\n"https://b/?x=1,2",\r\n'
    )


def test_json_lines_keep_the_spelling_of_every_value() -> None:
    data = (
        b'{"url": "https://a/", "n": 1.10, "big": 12345678901234567890, "x": {"a": [1,  2]}}\n'
        b'\n"https://b/"\n{}\n'
    )

    out = filled(data, {"status": "done", "title": "世"}, {"status": "failed"}, name="t.jsonl")

    assert out.decode().splitlines() == [
        '{"url": "https://a/", "n": 1.10, "big": 12345678901234567890, "x": {"a": [1,  2]}, '
        '"status": "done", "title": "世"}',
        '{"url": "https://b/", "status": "failed"}',
        "{}",
    ]


def test_a_line_that_is_no_object_is_that_rows_problem_and_stays_as_it_is() -> None:
    table = read(b'{"url": "https://a/"}\n{"url": \n[1]\n{"a":1,"a":2}\n', name="t.jsonl")

    assert [row.problem.partition(":")[0] for row in table.rows] == [
        "",
        "this line is not valid JSON",
        "this line is neither a JSON object nor a JSON text",
        "this object contains a name twice",
    ]
    out = table.written(("status",), [{"status": "done"}, *[{"status": "failed"}] * 3]).decode()
    assert out.splitlines()[1:3] == ['{"url": ', "[1]"]
    assert out.splitlines()[3] == '{"a": 1, "a": 2, "status": "failed"}'


@settings(max_examples=tries(40))
@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
            max_leaves=8,
        ),
        max_size=5,
    )
)
def test_an_object_with_members_added_holds_the_others_as_before(value: dict[str, object]) -> None:
    data = json.dumps(value).encode()
    out = filled(data, {"status": "done"}, name="t.jsonl")

    wanted = json.dumps(value | {"status": "done"}, sort_keys=True)  # a text: NaN is not NaN
    assert json.dumps(json.loads(out), sort_keys=True) == wanted


def test_yaml_keeps_the_spelling_of_every_value() -> None:
    data = b"- url: https://a/\n  n: 1.10\n  s: '12'\n  tags: [a, 'b, c']\n  deep: {x: no}\n- https://b/\n"

    table = read(data, name="t.yaml")
    out = table.written(OURS, [{"status": "done", "title": "no"}, {"status": "failed"}]).decode()

    assert table.rows[0].texts("tags") == ("a", "b, c")
    assert [row.text("url") for row in table.rows] == ["https://a/", "https://b/"]
    assert "n: 1.10" in out
    assert "s: '12'" in out
    assert yaml.safe_load(out) == [
        {
            "url": "https://a/",
            "n": 1.1,
            "s": "12",
            "tags": ["a", "b, c"],
            "deep": {"x": False},
            "status": "done",
            "title": "no",
        },
        {"url": "https://b/", "status": "failed"},
    ]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"url: https://a/\n", "the YAML table is not a list"),
        (
            b"- &x {url: 'https://a/'}\n- *x\n",
            r"line 2: the YAML table contains an alias \(\*x\), which is not allowed",
        ),
        (b"- {url: 'https://a/'\n", "line 2: the table is not valid YAML"),
        (
            b"- " + b"[" * 90 + b"]" * 90,
            "the lists or mappings in the YAML table are nested too deeply",
        ),
        (b"- a\n---\n- b\n", "the table is not valid YAML"),
        (b"- \x00\n", "the table is not valid YAML"),
    ],
)
def test_yaml_that_can_not_be_filled_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(SnapshotterError, match=why):
        read(data, name="t.yaml")


def test_a_yaml_row_that_says_nothing_clear_is_that_rows_problem() -> None:
    table = read(b"- [a, b]\n- {url: x, url: y}\n- {[a]: b}\n- ~\n", name="t.yml")

    assert [row.problem for row in table.rows] == [
        "this row is neither an address nor a mapping of column names to values",
        "this row contains the column name url twice",
        "this row has a column name that is not text",
        "",
    ]
    assert table.rows[3].blank


def test_what_is_not_utf_8_is_asked_about_and_not_guessed() -> None:
    data = "url,note\nhttps://a/,é\n".encode("cp1252")

    with pytest.raises(
        SnapshotterError, match=r"line 2 is not text in the encoding UTF-8 \(byte 0xe9\)"
    ) as caught:
        read(data, name="t.csv")

    assert "--encoding" in caught.value.hint
    # An encoding that does not know every character can not hold a title: it is written in UTF-8.
    out = filled(data, {"title": "世界"}, encoding="cp1252")
    assert out == codecs.BOM_UTF8 + "url,note,status,title\nhttps://a/,é,,世界\n".encode()
    with pytest.raises(SnapshotterError, match="the encoding nonsense does not exist"):
        read(data, name="t.csv", encoding="nonsense")


def test_a_byte_order_mark_says_what_a_file_is_in_and_is_written_again() -> None:
    data = codecs.BOM_UTF16_LE + "url\r\nhttps://a/\r\n".encode("utf-16-le")

    out = filled(data, {"title": "世"})

    assert out == codecs.BOM_UTF16_LE + "url,status,title\r\nhttps://a/,,世\r\n".encode("utf-16-le")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b'{"url": "https://a/"}\n', "jsonl"),
        (b"url\tnote\nhttps://a/\tx\n", "tsv"),
        (b"url,note\nhttps://a/,x\n", "csv"),
        (b"# mine\nhttps://a/?x=1,2\nhttps://b/\n", "list"),
        (b"https://a/\nb.example/x\n", "list"),
    ],
)
def test_without_a_name_the_first_line_tells_what_it_is(data: bytes, kind: str) -> None:
    table = read(data)

    assert table.format == ("csv" if kind == "list" else kind)
    assert table.rows[0].text("url").startswith("https://a/")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "the format of the table cannot be recognised from its name or from its first row"),
        ("x.json", "jq -c"),
        ("x.xlsx", "save the spreadsheet as CSV"),
    ],
)
def test_what_can_not_be_told_is_asked(name: str, why: str) -> None:
    with pytest.raises(SnapshotterError) as caught:
        read(b"some words\n", name=name)

    assert why in f"{caught.value.message} {caught.value.hint}"


def test_an_endless_table_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_ROWS", 3)

    with pytest.raises(SnapshotterError, match="more than 3 rows"):
        read(b"https://a/\n" * 4, name="t.txt")
    monkeypatch.setattr(tables, "MAX_BYTES", 1 << 20)
    with pytest.raises(SnapshotterError, match="longer than 1 MiB"):
        read(b"x" * ((1 << 20) + 1), name="t.txt")


@pytest.mark.parametrize("divider", ["::", '"', "\n"])
def test_a_divider_is_one_character(divider: str) -> None:
    with pytest.raises(SnapshotterError, match="one character"):
        read(b"url\n", name="t.csv", divider=divider)


@given(st.sampled_from(tables.FORMATS), st.binary(max_size=60))
def test_any_bytes_are_a_table_or_an_error_of_ours(kind: str, data: bytes) -> None:
    try:
        table = read(data, kind=kind)
    except SnapshotterError:
        return
    table.written(OURS, [{"status": "done", "title": "\ud800"} for _ in table.rows])
