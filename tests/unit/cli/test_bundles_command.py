"""`snapshotter list` and `show`, of bundles that a stranger may have written."""

import contextlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import pytest

from snapshotter.cli.main import main
from snapshotter.cli.table import cells
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import names
from tests import bundles
from tests.bundles import RealClock
from tests.tools import ROOT

Record = dict[str, Any]


def _id(number: int) -> str:
    return f"20200101t0000{number:02}z-abcdefghijklmnop"


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> bundles.Members:
    made = bundles.seal(
        tmp_path_factory.mktemp("spool"), signer=bundles.new_signer(), clock=RealClock()
    )
    return bundles.unpack(made.file.read_bytes())


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


def _edited(members: bundles.Members, edit: Callable[[Record], object]) -> bytes:
    record = bundles.record_of(members)
    edit(record)
    return bundles.pack({**members, names.CAPTURE_RECORD: canonical_json.dumps(record)})


def _put(number: int, data: bytes) -> str:
    folder = Path("captures/bundles/2020/01/01")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{_id(number)}.wacz").write_bytes(data)
    return _id(number)


STRANGE: dict[str, Callable[[Record], object]] = {
    "no-status": lambda record: record["what"].pop("http_status"),
    "status-of-text": lambda record: record["what"].update(http_status="\x1b[32m200"),
    "what-is-a-list": lambda record: record.update(what=[]),
    "what-is-gone": lambda record: record.pop("what"),
    "title-is-a-number": lambda record: record["what"].update(title=5),
    "outcome-is-null": lambda record: record.update(outcome=None),
    "state-is-a-list": lambda record: record["outcome"].update(state=[]),
    "no-instant": lambda record: record["when"].update(started_at="\x1b[2J"),
}


@pytest.mark.parametrize("strange", STRANGE)
def test_a_strange_record_is_listed_as_unreadable_and_the_list_goes_on(
    members: bundles.Members, strange: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _put(1, bundles.pack(members))
    _put(2, _edited(members, STRANGE[strange]))
    _put(3, bundles.pack(members))
    _put(4, b"no bundle")

    assert main(["list"]) == 0
    first, second, third, fourth = capsys.readouterr().out.splitlines()
    assert main(["list", "--json"]) == 0
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert first.startswith(f"{_id(4)}  cannot be read  ")
    assert third.startswith(f"{_id(2)}  cannot be read  ")
    assert bundles.URL in second
    assert bundles.URL in fourth
    assert "\x1b" not in third
    assert [printed["problem"] is None for printed in objects] == [False, True, False, True]
    assert objects[2]["requested_url"] is None


@pytest.mark.parametrize(
    "edit",
    [
        *STRANGE.values(),
        lambda record: record.update(bundle_id=5),
        lambda record: record["content"]["artifacts"][0].update(length="abc"),
        lambda record: record.update(from_whom=[1]),
        lambda record: record["content"].update(failed_requests={"a": 1}),
        lambda record: record.update(signers=[[]]),
    ],
)
def test_a_strange_record_is_shown_as_far_as_it_goes_or_is_a_sentence(
    members: bundles.Members,
    edit: Callable[[Record], object],
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("a.wacz").write_bytes(_edited(members, edit))

    for command in (["show"], ["show", "--all"]):
        code = main([*command, "a.wacz"])

        shown = capsys.readouterr()
        assert code in (0, 1)
        assert (code == 1) is shown.err.startswith("snapshotter: the capture record is invalid: ")
        assert "\x1b" not in shown.out + shown.err
    assert main(["show", "--json", "a.wacz"]) == 0


def test_a_title_can_not_steer_the_terminal(
    members: bundles.Members, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = "\x9b31mC1 \u202egnp.exe"
    name = _put(
        1,
        _edited(
            members,
            lambda record: record["what"].update(title=bad, requested_url=f"http://x/{bad}"),
        ),
    )

    assert main(["list"]) == main(["show", name]) == main(["show", "--json", name]) == 0
    assert main(["show", "--all", name]) == 0

    out = capsys.readouterr().out
    assert all(character.isprintable() for character in out.replace("\n", ""))
    assert out.count("\\u202egnp") == 8


def test_what_is_longer_than_anything_of_ours_is_not_exported(
    members: bundles.Members, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sparse file costs its maker nothing, and its copy a whole disk."""
    bundle = Path(f"captures/bundles/2020/01/01/{_put(1, bundles.pack(members))}.wacz")
    with bundle.with_name(f"{bundle.name}.custody-0001.jsonl").open("wb") as file:
        file.truncate(1 << 40)

    assert main(["export", "--store", "captures", _id(1), "--output", "out"]) == 1

    assert "which is more than snapshotter ever stores" in capsys.readouterr().err


def _closed_pipe() -> TextIO:
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w", buffering=1)


def _full_disk() -> TextIO:
    return Path("/dev/full").open("w", buffering=1)


@pytest.mark.parametrize(
    ("output", "code", "told"),
    [
        (_closed_pipe, 0, "standard output is closed, so no further results are printed"),
        (_full_disk, 1, "the output cannot be written"),
    ],
)
def test_a_command_finishes_its_work_if_nobody_reads_its_results(
    members: bundles.Members,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    output: Callable[[], TextIO],
    code: int,
    told: str,
) -> None:
    wanted = [_put(number, bundles.pack(members)) for number in (1, 2, 3)]

    with monkeypatch.context() as here, contextlib.suppress(OSError), output() as stream:
        here.setattr(sys, "stdout", stream)
        ended = main(["export", *wanted, "--output", "out"])
        listed = main(["list"])  # which has nothing to finish

    assert (ended, listed) == (code, code)
    assert {file.stem for file in Path("out").glob("*.wacz")} == set(wanted)
    err = capsys.readouterr().err
    assert err.count(told) == 1 + code
    assert err.count("The command finishes its work") == 1


def test_show_is_short_and_names_what_is_missing_and_what_to_do_next(
    members: bundles.Members, capsys: pytest.CaptureFixture[str]
) -> None:
    def lacking(record: Record) -> None:
        content = record["content"]
        content["failed_requests"] = [
            {"error": "no-answer", "url": f"http://x/{number}"} for number in range(200)
        ]
        content["requests"].update(answered=3, total=203)
        content["images"].update(loaded=2, wanted=5)
        content["missing_parts"] = [f"part {number}" for number in range(6)]
        record["what"].update(requested_url="http://asked/", title="T" * 5000)

    name = _put(1, _edited(members, lacking))

    assert main(["show", name]) == 0
    out = capsys.readouterr().out
    assert main(["show", "--all", name]) == 0
    everything = capsys.readouterr().out

    assert len(out.splitlines()) <= 25
    assert max(map(len, out.splitlines())) <= 400
    assert "  requested      http://asked/\n" in out
    assert "  missing        part 4\n                 and further parts: 3\n" in out
    assert "  time proof     no timestamp token\n" in out
    assert f"show --all {name}\n" in out
    assert "http://x/199" not in out
    assert "no-answer http://x/199" in everything


def test_show_states_tokens_and_log_proof_beside_a_bundle(
    capsys: pytest.CaptureFixture[str],
) -> None:
    bundle = Path("bundle.wacz")
    bundle.write_bytes((ROOT / "tests" / "vectors" / "key-rsa" / "bundle.wacz").read_bytes())
    Path("bundle.wacz.tlog-proof").write_bytes(b"a proof")
    Path("bundle.wacz.late-01.tsr").write_bytes(b"no token")

    assert main(["show", "bundle.wacz"]) == 0

    out = capsys.readouterr().out
    assert "timestamp tokens: 1, the earliest of 2026-11-24 21:43:03 UTC\n" in out
    assert "  log            a log proof is beside the bundle\n" in out
    assert "files in the bundle: 16\n" in out


def _on_a_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)


def test_in_a_terminal_the_list_is_a_table_that_fits(
    members: bundles.Members, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def hostile(record: Record) -> None:
        record["what"].update(
            title="谣言\x1b[2J" + "T" * 1_000_000, final_url="http://a.example:81/"
        )

    _put(1, bundles.pack(members))
    _put(2, _edited(members, hostile))
    _put(3, b"no bundle")
    _on_a_terminal(monkeypatch, 100)

    assert main(["list", "--limit", "2"]) == 0

    shown = capsys.readouterr()
    heading, unreadable, second = shown.out.splitlines()
    assert heading.split("  ")[0] == "id"
    assert all(cells(line) <= 100 for line in (heading, unreadable, second))
    assert "cannot be read" in unreadable
    assert second.startswith("ijklmnop  2020-01-01 00:00  not established")
    assert second.endswith("  a.example")
    assert "\x1b" not in shown.out
    assert "the store has more bundles that match" in shown.err


def test_a_list_is_restricted_by_host_verdict_and_days(
    members: bundles.Members, capsys: pytest.CaptureFixture[str]
) -> None:
    _put(1, bundles.pack(members))
    other = _put(
        2, _edited(members, lambda record: record["what"].update(final_url="http://a.example:81/"))
    )
    _put(3, b"no bundle")

    def listed(*options: str) -> list[str]:
        assert main(["list", "--json", *options]) == 0
        return [json.loads(line)["bundle_id"] for line in capsys.readouterr().out.splitlines()]

    assert listed("--host", "A.example") == listed("--host", "a.example:81") == [other]
    assert listed("--host", "https://a.example:81/page") == [other]
    assert listed("--host", "example.test") == [_id(2), _id(1)]
    assert listed("--since", "2020-01-01", "--until", "2020-01-01") == [_id(3), _id(2), _id(1)]
    assert listed("--until", "2019-12-31") == listed("--verdict", "available") == []
    assert main(["list", "--host", "none.example"]) == 0
    shown = capsys.readouterr()
    assert (shown.out, "matches these options" in shown.err) == ("", True)
    assert main(["list", "--verdict", "gone"]) == 2


def test_a_store_that_does_not_exist_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 1
    assert "captures does not exist" in capsys.readouterr().err
    assert main(["list", "--store", "none", "--identity", "http://a.example/"]) == 1
    for command in (
        *("review", "report day", "hold list", "quarantine", "renew", "log sync", "index status"),
        *("case list", "case show x", "tag list", "note list", "takedown list", "open latest"),
        *("show 2026", "tag add x latest", "export latest"),
    ):
        assert main([*command.split(), "--store", "none"]) == 1, command
        told = capsys.readouterr()
        assert told.out == ""
        assert f"the store {Path('none').absolute()} does not exist" in told.err, command
        assert "\n  snapshotter capture --store none https://…\n" in told.err
    assert main(["audit", "--store", "none", "--no-report"]) == 11
    assert "none does not exist" in capsys.readouterr().err
    assert not Path("none").exists()
    Path("none").write_bytes(b"")
    for command in ("list", "capture --quiet http://127.0.0.1:9/"):
        assert main([*command.split(), "--store", "none"]) == 1
        assert "none is not a folder, so it cannot be a store" in capsys.readouterr().err
    Path("captures").mkdir()
    assert main(["list"]) == 0
    assert "contains no bundles yet" in capsys.readouterr().err
    assert main(["verify", "captures"]) == 1
    assert "captures is a folder, not a file" in capsys.readouterr().err
