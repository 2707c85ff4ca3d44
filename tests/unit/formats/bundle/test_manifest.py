"""Manifests: one encoding of one table, readable by other people's tools."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.bundle import manifest
from snapshotter.formats.digest import digest_bytes
from tests.tools import system_tool

_HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
_PATH = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,9}(/[a-zA-Z0-9][a-zA-Z0-9._-]{0,9})?", fullmatch=True)
TABLES = st.dictionaries(_PATH, _HEX, min_size=1, max_size=5)
H = "a" * 64


@given(TABLES)
def test_what_is_written_is_read_as_the_same_table(table: dict[str, str]) -> None:
    assert manifest.parse(manifest.encode(table)) == table


@given(TABLES, st.data())
def test_no_other_bytes_are_read_as_the_same_table(
    table: dict[str, str], data: st.DataObject
) -> None:
    good = manifest.encode(table)
    at = data.draw(st.integers(0, len(good)))
    changed = (
        good[:at] + data.draw(st.binary(max_size=3)) + good[at + data.draw(st.integers(0, 3)) :]
    )
    try:
        read = manifest.parse(changed)
    except EvidenceInvalid:
        return
    assert (read == table) is (changed == good)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_table_or_our_error(data: bytes) -> None:
    try:
        table = manifest.parse(data)
    except EvidenceInvalid:
        return
    assert manifest.encode(table) == data


@pytest.mark.parametrize(
    "data",
    [
        "",
        "\n",
        f"{H}  b\n{H}  a\n",
        f"{H}  a\n{H}  a\n",
        f"{H}  a\r\n",
        f"{H}  a",
        f"{H} a\n",
        f"{H} *a\n",
        f"{H}   a\n",
        f"{H.upper()}  a\n",
        f"{H[1:]}  a\n",
        f"\\{H}  a\n",
        f"{H}  a\n\n",
        f"# comment\n{H}  a\n",
        f"{H}  a\x0b{H}  b\n",
        f"{H}  a\u2028{H}  b\n",
        f"{H}  ../a\n",
        f"{H}  /a\n",
        "\ufeff" + f"{H}  a\n",
    ],
)
def test_a_second_spelling_is_refused(data: str) -> None:
    with pytest.raises(EvidenceInvalid):
        manifest.parse(data.encode())


def test_a_list_longer_than_any_is_refused_unread() -> None:
    with pytest.raises(EvidenceInvalid, match="longer"):
        manifest.parse(bytes(manifest.MAX_BYTES + 1))


@pytest.mark.parametrize("table", [{}, {"/a": H}, {"a": "b"}, {"a": H.upper()}])
def test_what_no_bundle_can_hold_is_not_written(table: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="manifest"):
        manifest.encode(table)


@pytest.mark.interop
@pytest.mark.parametrize("tool", ["sha256sum", "b3sum"])
def test_other_peoples_tools_check_it(tmp_path: Path, tool: str) -> None:
    command = system_tool(tool)
    (tmp_path / "capture").mkdir()
    contents = {"capture/a.txt": b"a", "b.txt": b"b" * 1000}
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    algorithm = "sha256" if tool == "sha256sum" else "blake3"
    text = manifest.encode(
        {name: getattr(digest_bytes(data), algorithm) for name, data in contents.items()}
    )
    (tmp_path / "list.txt").write_bytes(text)
    arguments = [command, "--check", "list.txt"]

    assert subprocess.run(arguments, cwd=tmp_path, capture_output=True, timeout=30).returncode == 0
    (tmp_path / "b.txt").write_bytes(b"c")
    assert subprocess.run(arguments, cwd=tmp_path, capture_output=True, timeout=30).returncode != 0
