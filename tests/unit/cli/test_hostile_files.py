"""
What strangers' files may cost, for every command that reads one (docs/reference/limits.md).

Each command is given a file of 4 GB that takes no room on the disk, a named pipe that nobody
writes into, and a device without end. It ends by itself, with a sentence and an exit code.
"""

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from snapshotter.cli.main import cli
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import names
from snapshotter.model.proof import Role
from tests import bundles, packs
from tests.measured import Measured, measured

pytestmark = pytest.mark.long

MEGABYTES = 300  # more than its interpreter has: the documented bound
HOSTILE = ("sparse", "pipe", "device")

# How each command is called with a file in the place of FILE, by its parameter.
READS = {
    "audit --checkpoint": "audit --checkpoint FILE",
    "batch table": "batch --dry-run FILE",
    "custody show bundle": "custody show FILE",
    "diff captures": "diff FILE FILE",
    "log check --against": "log check --against FILE",
    "policy diff left": "policy diff FILE default",
    "policy diff right": "policy diff default FILE",
    "policy explain --list": "policy explain --list FILE",
    "policy lint files": "policy lint FILE",
    "policy show name": "policy show FILE",
    "policy test page": "policy test FILE",
    "policy test --rules": "policy test --rules FILE page.html",
    "open bundles": "open --print FILE",
    "quote bundle": "quote FILE word",
    "disclose copy": "disclose FILE /what/title -o out.wacz",
    "report campaign --urls": "report campaign --urls FILE",
    "report capture bundles": "report capture --format json -o out FILE",
    "report declaration bundles": "report declaration --format json -o out FILE",
    "schedule add --from": "schedule add --every 1d --name x --from FILE",
    "schedule add --curves": "schedule add --curve x --curves FILE http://a.example/",
    "show bundles": "show FILE",
    "store add files": "store add FILE",
    "streams check bundle": "streams check --key page.html FILE",
    "streams check --key": "streams check --key FILE FILE",
    "streams open bundle": "streams open --key page.html -o out FILE",
    "streams open --key": "streams open --key FILE -o out page.html",
    "trust add-key file": "trust add-key --owner a FILE page.html",
    "trust add-key public_key": "trust add-key --owner a page.html FILE",
    "trust add-tsa file": "trust add-tsa FILE --name x --root page.html",
    "trust add-tsa --root": "trust add-tsa page.html --name x --root FILE",
    "trust add-witness file": "trust add-witness FILE x",
    "trust bump file": "trust bump FILE",
    "trust diff old": "trust diff FILE page.html",
    "trust diff new": "trust diff page.html FILE",
    "trust publish file": "trust publish FILE",
    "trust renew file": "trust renew FILE",
    "trust replace-key file": "trust replace-key FILE x page.html",
    "trust replace-key public_key": "trust replace-key page.html x FILE",
    "trust revoke-key file": f"trust revoke-key --yes --reason compromised FILE {'a' * 64}",
    "trust set-log file": "trust set-log FILE x",
    "trust show file": "trust show FILE",
    "trust sign draft": "trust sign FILE page.html",
    "trust sign file": "trust sign page.html FILE",
    "verify bundles": "verify FILE",
    # One reader for all commands that have these.
    "--ca": "capture --ca FILE http://a.example/",
    "--keep-streams-for": "capture --keep-streams-for FILE http://a.example/",
    "--policy": "policy explain --policy FILE http://a.example/",
    "--trust": f"verify --trust FILE --root-key {'a' * 64} page.html",
}
# What is no file of a stranger's.
WRITTEN = {"--output", "-o", "--html", "--out", "--keep", "--draft", "--picture"}
OWN = {"--passphrase-file", "--root-passphrase-file", "keys rotate --trust", "keys revoke --trust"}
FOLDERS = {"--store", "--state", "--dir", "audit store", "init directory"}
MADE = {"trust init file", "notify secret file"}
POLLED = {"watch add source", "watch change --source"}  # by a worker, and not when it is named
# What a person hands over may come from another program: `--list <(some program)`. A pipe that is
# named here is waited for, as by any other command.
PIPED = {
    *("batch table", "--ca", "--keep-streams-for", "policy explain --list", "policy test page"),
    *("schedule add --from", "schedule add --curves", "streams check --key", "streams open --key"),
    *("trust add-key public_key", "trust add-tsa --root", "trust replace-key public_key"),
}


def _parameters(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    """Yield each command with each of its parameters that may be a path."""
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _parameters(inner, click.Context(inner, info_name=name, parent=context))
        return
    for parameter in command.params:
        words = str(parameter.metavar or "")
        is_path = isinstance(parameter.type, click.Path | click.File)
        if is_path or any(word in words for word in ("FILE", "DIR")):
            yield context.command_path.partition(" ")[2], parameter.opts[-1]


def test_every_parameter_that_takes_a_file_is_in_the_table() -> None:
    found = list(_parameters(cli, click.Context(cli, info_name="snapshotter")))
    known = {*READS, *WRITTEN, *OWN, *FOLDERS, *MADE, *POLLED}

    assert len(found) > 100
    assert [
        words for words in found if words[1] not in known and " ".join(words) not in known
    ] == []
    names = {" ".join(words) for words in found} | {name for _, name in found}
    assert known <= names


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("SNAPSHOTTER_LOG", "false")
    with (tmp_path / "sparse").open("wb") as sparse:
        sparse.truncate(4 << 30)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "page.html").write_text("<p>a page</p>")
    return tmp_path


def _wrong(command: str, found: Measured) -> str:
    # `open` and `report capture` show also what is damaged, and say so.
    shows = command.startswith(("open ", "report capture "))
    if found.code not in (1, 2, 10, 11, 20, 30, *([0] if shows else [])):
        return f"it ended with {found.code}: {found.err[-300:]}"
    if "Traceback" in found.err or found.megabytes > MEGABYTES:
        return f"it took {found.megabytes} MB: {found.err[-300:]}"
    return ""


def test_no_command_waits_for_a_hostile_file_breaks_or_takes_memory_for_it(folder: Path) -> None:
    cases = [
        (words, kind)
        for name, words in READS.items()
        for kind in HOSTILE
        if kind != "pipe" or name not in PIPED
    ]
    ran = measured([words.replace("FILE", kind).split() for words, kind in cases], folder)

    wrong = {" ".join(case): _wrong(case[0], run) for case, run in zip(cases, ran, strict=True)}
    assert [f"{case}: {why}" for case, why in wrong.items() if why] == []


def _statement(line: bytes, *, signed: bool) -> bytes:
    signer = bundles.new_signer()
    seal = {
        "key_id": signer.key_id,
        "public_key": signer.public_key_pem.decode(),
        "signature": base64.b64encode(signer.sign(line if signed else b"another")).decode(),
    }
    return line + canonical_json.dumps(seal) + b"\n"


def test_a_report_of_very_many_values_takes_little_memory(folder: Path) -> None:
    head = b'{"format":"snapshotter-campaign/1","report":{"campaign":'
    wide = {
        "lists": head + b"[" + b"[]," * (2 << 20) + b"[]]}}\n",
        "objects": head + b'{"pages":[' + b"{}," * (2 << 20) + b"{}]}}}\n",
        "depth": head + b"[" * (6 << 20) + b"}}\n",
        "text": head + b'{"title":"' + "\U0001f600".encode() * (3 << 19) + b'"}}}\n',
    }
    for name, line in wide.items():
        (folder / f"{name}.json").write_bytes(_statement(line, signed=False))
        if name != "depth":
            (folder / f"{name}-signed.json").write_bytes(_statement(line, signed=True))

    for run in measured([["verify", str(path)] for path in folder.glob("*.json")], folder):
        assert (run.code, run.megabytes < 60) == (10, True), run


def test_a_folder_of_hostile_files_beside_an_event_costs_it_nothing(folder: Path) -> None:
    from snapshotter.assess.takedown_events import event_id
    from snapshotter.formats.statements import takedown
    from snapshotter.model.takedown import Takedown, TakedownKind
    from tests import exhibits

    seen, gone = exhibits.observation(), exhibits.gone()
    fields = {"identity": seen.identity, "url": seen.url, "last_seen": seen, "first_gone": gone}
    event = Takedown(
        event_id="", kind=TakedownKind.REMOVED, at=gone.at, previous="ab" * 32, **fields  # type: ignore[arg-type]
    )  # fmt: skip
    named = {**fields, "event_id": event_id(event)}
    event = Takedown(kind=TakedownKind.REMOVED, at=gone.at, previous="ab" * 32, **named)  # type: ignore[arg-type]
    for name in HOSTILE:
        (folder / name).rename(folder / f"{name}.json")
    (folder / "event.json").write_bytes(takedown.encode(event, bundles.new_signer()))

    (found,) = measured([["verify", "event.json"]], folder)

    assert (found.code, "Traceback" in found.err, found.megabytes < 50) == (11, False, True)


def test_of_the_captures_of_a_pack_one_is_held_at_a_time(folder: Path) -> None:
    members = bundles.unpack(
        bundles.seal(
            folder / "spool", signer=packs.SIGNER, clock=bundles.RealClock(), require_timestamps=0
        ).file.read_bytes()
    )
    record = bundles.record_of(members)
    record["limits"] = ["\U0001f600" + "a" * 3_000_000]  # four bytes a character in memory
    changes = {names.CAPTURE_RECORD: canonical_json.dumps(record)}
    data = bundles.pack(bundles.resealed(members, changes, packs.SIGNER, None))
    roles = (Role.LAST_SEEN, Role.FIRST_GONE, *[Role.CONFIRMATION] * 8)
    files = [
        packs.File(f"20261127t10000{at}z-aaaaaaaaaaaaaaaa.wacz", role, data)
        for at, role in enumerate(roles)
    ]
    (folder / "pack.html").write_bytes(packs.written(files))

    (found,) = measured([["verify", "pack.html"]], folder)

    assert (found.code, "Traceback" in found.err, found.megabytes < 80) == (10, False, True), found


@pytest.mark.parametrize(("name", "row"), [("a.csv", "http://a\n"), ("a.jsonl", '"http://a"\n')])
def test_a_table_of_millions_of_rows_takes_little_more_than_its_bytes(
    folder: Path, name: str, row: str
) -> None:
    (folder / name).write_text(row * 1_500_000)

    (found,) = measured([["batch", "--dry-run", name]], folder)

    assert (found.code, "Traceback" in found.err, found.megabytes < 200) == (1, False, True), found
