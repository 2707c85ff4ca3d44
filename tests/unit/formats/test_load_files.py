"""Load files for e-discovery software, as an importer splits them."""

import pytest

from snapshotter.formats.load_files import LoadPages, encode_dat, encode_opt


def rows(data: bytes) -> list[list[str]]:
    """Read a `.dat` file by its delimiters alone, without knowledge of its writer."""
    assert data.startswith(b"\xef\xbb\xbf")
    lines = data.decode("utf-8-sig").split("\r\n")
    assert lines.pop() == ""
    found = [line.split("\u0014") for line in lines]
    assert all(cell[0] == cell[-1] == "\u00fe" for row in found for cell in row)
    return [[cell[1:-1] for cell in row] for row in found]


def test_no_value_ends_a_field_or_a_line() -> None:
    hostile = [
        "\u00fe\u0014\u00fe forged \u00fe\r\n\u00fe", "a\nb\rc\u2028d\x85e\x0bf",
        "\u00ae two \u00ae", "\x00\x1b[31m\u202e", "\ud800", "港口 المرفأ Þór",
    ]  # fmt: skip

    names, values = rows(encode_dat([f"F{at}" for at in range(6)], [hostile]))

    assert names == ["F0", "F1", "F2", "F3", "F4", "F5"]
    assert values == [
        "\\u00fe\\u0014\\u00fe forged \\u00fe\\u000d\\u000a\\u00fe",
        "a\\u000ab\\u000dc\\u2028d\\u0085e\\u000bf", "\\u00ae two \\u00ae",
        "\\u0000\\u001b[31m\\u202e", "\\ud800", "港口 المرفأ Þór",
    ]  # fmt: skip


def test_an_opt_file_has_a_line_for_each_page() -> None:
    made = encode_opt(
        "HARBOUR",
        [
            LoadPages(keys=("H-1", "H-1-002"), paths=("images/H-1.jpg", "images/H-1-002.jpg")),
            LoadPages(keys=(), paths=()),
            LoadPages(keys=("H-3",), paths=("images/H-3.jpg",)),
        ],
    )

    assert made.decode() == (
        "H-1,HARBOUR,images\\H-1.jpg,Y,,,2\r\n"
        "H-1-002,HARBOUR,images\\H-1-002.jpg,,,,\r\n"
        "H-3,HARBOUR,images\\H-3.jpg,Y,,,1\r\n"
    )


@pytest.mark.parametrize("name", ["a,b", 'a"b', "a\nb"])
def test_an_opt_file_refuses_names_that_would_break_it(name: str) -> None:
    with pytest.raises(ValueError, match="cannot have the name"):
        encode_opt("V", [LoadPages(keys=("k",), paths=(name,))])
