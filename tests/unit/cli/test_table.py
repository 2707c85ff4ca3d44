"""Tables in a terminal: the width is counted in cells."""

import pytest

from snapshotter.cli.table import Column, cells, fitted, table_lines

COLUMNS = (
    Column(heading="id"),
    Column(heading="page", least=5),
    Column(heading="title", least=6),
    Column(heading="host", least=4, keeps_end=True),
)
ROWS = (
    ("abcd", "available", "谣言如何传播" * 20, "mp.weixin.qq.com"),
    ("efgh", "not available", "\x1b[31mred\x1b[0m \u202egnp.exe\nnext", "example.org"),
    ("ijkl", "ok", "e\u0301" * 50, ""),
)


@pytest.mark.parametrize("width", [200, 80, 40, 33, 20, 8, 3])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    lines = table_lines(COLUMNS, ROWS, width=width)

    assert len(lines) == 1 + len(ROWS)
    assert all(cells(line) <= width for line in lines)
    assert "\x1b" not in "".join(lines)
    assert "\u202e" not in "".join(lines)
    assert not any("\n" in line for line in lines)


def test_columns_begin_at_the_same_cell_in_each_line() -> None:
    heading, first, second, third = table_lines(COLUMNS, ROWS, width=60)

    starts = {cells(line[: line.index(word)]) for line, word in (
        (heading, "page"), (first, "available"), (second, "not"), (third, "ok"),
    )}  # fmt: skip
    assert starts == {6}
    assert first.endswith("qq.com")
    assert cells(first[: first.index("谣")]) == cells(heading[: heading.index("title")])


def test_a_narrow_terminal_loses_the_last_columns_and_not_the_first() -> None:
    heading, first, *_ = table_lines(COLUMNS, ROWS, width=20)

    assert heading.split() == ["id", "page", "title"]
    assert first.startswith("abcd  avail…  谣言…")


def test_cells_are_counted_as_a_terminal_counts_them() -> None:
    assert cells("abc") == 3
    assert cells("谣言") == 4
    assert cells("e\u0301") == 1
    assert fitted("谣言谣言", 5) == "谣言…"
    assert fitted("谣言谣言", 4) == "谣…"
    assert fitted("example.org", 6, keeps_end=True) == "…e.org"
    assert fitted("ab", 0) == ""
