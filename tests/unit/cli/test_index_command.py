"""`snapshotter index`, `store reindex` and `list --identity`, as a person types them."""

from pathlib import Path

import pytest

from snapshotter.store.filesystem import DirectoryStore
from tests import bundles, observed
from tests.observed import ARTICLE, IDENTITY, at
from tests.unit.cli.shell import Shell


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    store, signer = DirectoryStore(tmp_path / "captures"), bundles.new_signer()
    for minute, assessed in ((0, observed.available()), (30, observed.gone()), (40, None)):
        made = observed.seal(tmp_path / "spool", at(minute), assessed, signer=signer)
        observed.put(store, made)
    # From a time before verdicts were made, and without what one could be made of.
    bare = {path: data for path, data in bundles.CONTENTS.items() if path != "capture/dom.html"}
    made = observed.seal(tmp_path / "spool", at(50), None, signer=signer, contents=bare)
    observed.put(store, made)
    return Shell(capsys)


def test_the_captures_of_a_page_are_listed_with_what_they_show(shell: Shell) -> None:
    assert shell.run("list", "--identity", f"{ARTICLE}&scene=21") == 0
    lines = shell.out.splitlines()
    assert len(lines) == 3
    assert "2026-05-27 08:40:00 UTC  not established (layout without main text)  " in lines[0]
    assert "2026-05-27 08:30:00 UTC  not available (removal by the author)" in lines[1]
    assert "2026-05-27 08:00:00 UTC  available  " in lines[2]

    assert shell.run("list", "--identity", IDENTITY, "--limit", "2", "--json") == 0
    assert [printed["identity"] for printed in shell.objects] == [IDENTITY] * 2
    assert [printed["availability"] for printed in shell.objects] == ["inconclusive", "unavailable"]

    assert shell.run("list", "--identity", "http://example.test/never") == 0
    assert (shell.out, "contains no capture" in shell.err) == ("", True)


@pytest.mark.parametrize("command", [("index", "rebuild"), ("store", "reindex")])
def test_an_index_is_rebuilt_and_its_content_counted(
    shell: Shell, tmp_path: Path, command: tuple[str, ...]
) -> None:
    assert shell.run(*command) == 0
    assert shell.out.splitlines()[1:] == [
        "     2 have a verdict in the bundle",
        (
            "     1 were made by earlier versions of snapshotter, and have a verdict by the "
            "present rules"
        ),
        (
            "     1 were made by earlier versions of snapshotter, and have too little data for a "
            "verdict"
        ),
    ]
    (file,) = (tmp_path / "data" / "index").glob("*.db")
    file.write_bytes(b"ruined")

    assert shell.run(*command, "--json") == 0
    assert f"the index {file} is damaged and was deleted" in shell.err
    assert shell.object["bundles"] == 4
    counts = [
        shell.object[field] for field in ("assessed", "reassessed", "unassessed", "unreadable")
    ]
    assert counts == [2, 1, 1, 0]


def test_the_status_compares_the_index_with_the_store(shell: Shell, tmp_path: Path) -> None:
    assert shell.run("index", "status") == 0
    assert shell.out.splitlines()[-1] == (
        "the next command that uses the index reads 4 bundles and removes 0 from the index"
    )
    assert shell.run("index", "rebuild") == 0

    assert shell.run("index", "status") == 0
    assert shell.out.splitlines()[-1] == "the index is up to date"

    (first, *_) = sorted((tmp_path / "captures" / "bundles").rglob("*.wacz"))
    first.unlink()
    assert shell.run("index", "status", "--json") == 0
    found = shell.object
    assert (found["bundles"], found["outdated"], found["removed"]) == (4, 0, 1)
    assert found["passages"] > 4
    assert Path(found["index"]).parent == tmp_path / "data" / "index"


def test_an_index_of_an_earlier_version_is_removed(shell: Shell, tmp_path: Path) -> None:
    old = tmp_path / "data" / "catalog"
    old.mkdir(parents=True)
    (old / "0123.db").write_bytes(b"SQLite format 3")

    assert shell.run("index", "rebuild") == 0

    assert not old.exists()


def test_a_store_that_is_not_there_leaves_its_index_as_it_is(shell: Shell, tmp_path: Path) -> None:
    assert shell.run("index", "rebuild") == 0
    (tmp_path / "captures").rename(tmp_path / "elsewhere")

    assert shell.run("index", "rebuild") == shell.run("index", "status") == 1
    assert "captures does not exist" in shell.err

    (tmp_path / "elsewhere").rename(tmp_path / "captures")
    assert shell.run("index", "status", "--json") == 0
    assert (shell.object["bundles"], shell.object["outdated"]) == (4, 0)
