"""
Each kind of file against each program of verification, as docs/spec/verifiers.md says.

Two files of each kind: an honest one, and one that is false and well signed. The one rule that
matters most: a program without rules never passes what draws a conclusion. And no file, whatever
it is called and whatever is in it, begins a line of a report.
"""

import base64
import json
import random
import re
import shutil
import sys
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from scripts.fuzz_verifiers import edited_json
from snapshotter.cli.main import main as full
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import names
from snapshotter.formats.printable import printable as first_printable
from snapshotter.formats.signatures import keys, signed_statement
from snapshotter.formats.statements import pack, takedown
from snapshotter.model.assessment import Cause
from snapshotter.model.proof import Role
from snapshotter.model.takedown import Observation, Takedown
from snapshotter.verify.__main__ import main as alone
from snapshotter.verify.event_without_rules import verify_event_without_rules
from snapshotter.verify.takedown import lines as takedown_lines
from snapshotter.verify.trust import TrustDocument
from tests import bundles, packs
from tests.fuzzing import tries
from tests.packs import File
from tests.unit.app.takedown import test_event_verification as run
from tests.unit.app.takedown.test_event_verification import made as made  # the fixture of a removal
from tests.unit.verify.test_minimal_verifier import MINIMAL

Program = Callable[..., int]
PROGRAMS: dict[str, Program] = {
    "full": lambda by, *more: full(["verify", *by, *map(str, more)]),
    "alone": lambda by, *more: alone([*by, *map(str, more)]),
    "minimal": lambda by, *more: int(MINIMAL.main([*by, *map(str, more)])),
}
# Kind of file → exit codes of an honest and of a false file, by program in the order above.
CELLS: Mapping[str, tuple[tuple[int, int, int], tuple[int, int, int]]] = {
    "bundle": ((11, 11, 11), (10, 10, 10)),  # without its late token it has no time
    "bundle with sidecars": ((0, 0, 0), (10, 10, 10)),
    "event": ((11, 11, 11), (11, 11, 11)),
    "event with bundles": ((0, 11, 11), (10, 11, 11)),
    "pack": ((0, 11, 11), (10, 11, 11)),
    "pack without an event": ((0, 0, 11), (10, 10, 11)),
    "capture of a pack": ((0, 0, 0), (10, 10, 10)),
}
RECORDS = ("gap", "hold", "quarantine", "tombstone", "audit", "trust")


@dataclass(frozen=True)
class Place:
    """Files of each kind in folders of their own, and a trust file for them."""

    files: Mapping[str, tuple[Path, Path]]  # kind → honest, false
    by: tuple[str, ...]  # arguments that name the trust file


@pytest.fixture(scope="module")
def place(made: run.Case, tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("programs")
    root = ec.generate_private_key(ec.SECP384R1())
    document = replace(
        TrustDocument.new(root.public_key()),
        keys=tuple(sorted(made.trust.keys, key=lambda key: key.key_id)),
        authorities=made.trust.authorities,
        max_lag=timedelta(days=3650),
    )
    trust = folder / "trust.json"
    trust.write_bytes(document.encode())
    signature = root.sign(trust.read_bytes(), ec.ECDSA(hashes.SHA384()))
    trust.with_name("trust.json.sig").write_bytes(signature)
    by = ("--trust", str(trust), "--root-key", keys.key_id(root.public_key()))
    event, lie = made.event, made.signed(_another_cause)
    good = made.path("control")
    members = bundles.unpack(good.read_bytes())
    record = bundles.record_of(members)
    record["when"]["ended_at"] = "2038-01-19T03:14:07Z"  # behind its seal
    backdated = bundles.pack(
        bundles.resealed(
            members, {names.CAPTURE_RECORD: canonical_json.dumps(record)}, run.SIGNER, None
        )
    )
    files = {}
    for kind, beside in (("bundle", False), ("bundle with sidecars", True)):
        files[kind] = (
            _bundle(folder / kind / "good", good.read_bytes(), good if beside else None),
            _bundle(folder / kind / "false", backdated, good if beside else None),
        )
    for kind, beside in (("event", False), ("event with bundles", True)):
        both = []
        for name, data in (("good", made.removed), ("false", lie)):
            place = folder / kind / name
            shutil.copytree(made.folder, place) if beside else place.mkdir(parents=True)
            both.append(place / f"{event.event_id}.json")
            both[-1].write_bytes(data)
        files[kind] = (both[0], both[1])
    files["pack"] = (_pack(made, made.removed, folder / "pack"), _pack(made, lie, folder / "lie"))
    files["pack without an event"] = (
        _pack(made, b"", folder / "plain"),
        _pack(made, b"", folder / "plain-lie", {good.name: backdated}),
    )
    files["capture of a pack"] = (
        _taken_out(files["pack"][0], folder / "out"),
        _bundle(folder / "out-false", backdated, None),
    )
    return Place(files=files, by=by)


def _another_cause(event: Takedown) -> Takedown:
    def says(observation: Observation) -> Observation:
        return replace(
            observation,
            cause=Cause.AUTHOR if observation.cause is not Cause.AUTHOR else Cause.LEGAL,
        )

    return replace(
        event,
        first_gone=says(event.first_gone),
        confirmations=tuple(map(says, event.confirmations)),
    )


def _bundle(folder: Path, data: bytes, beside: Path | None) -> Path:
    folder.mkdir(parents=True)
    file = folder / "bundle.wacz"
    file.write_bytes(data)
    if beside is not None:
        token = beside.with_name(f"{beside.name}.late-01.tsr")
        file.with_name(f"{file.name}.late-01.tsr").write_bytes(token.read_bytes())
    return file


def _pack(
    made: run.Case, record: bytes, folder: Path, instead: Mapping[str, bytes] | None = None
) -> Path:
    """A pack of the captures of the event, signed; with other bytes in the place of some."""
    event, files = made.event, []
    for role, observation in (
        (Role.LAST_SEEN, event.last_seen),
        (Role.FIRST_GONE, event.first_gone),
        *((Role.CONFIRMATION, observation) for observation in event.confirmations),
        *((Role.CONTROL, observation) for observation in event.controls),
    ):
        path = made.folder / f"{observation.bundle_id}.wacz"
        files.append(File(path.name, role, (instead or {}).get(path.name, path.read_bytes())))
        token = path.with_name(f"{path.name}.late-01.tsr")
        files.append(File(token.name, Role.BESIDE, token.read_bytes(), of=path.name))
    event_id = ""
    if record:
        event_id = takedown.parse(record)[0].event_id
        files.append(File(f"{event_id}.json", Role.EVENT, record))
    folder.mkdir(parents=True)
    target = folder / "proof.html"
    manifest = replace(packs.manifest(files), event_id=event_id)
    with target.open("wb") as out:
        opened = [packs.opener(file.data) for file in files]
        pack.write(packs.PAGE, packs.END, manifest, opened, run.EVENTS, out)
    return target


def _taken_out(file: Path, folder: Path) -> Path:
    """The older capture of a pack with what stands beside it, as the how-to takes them out."""
    folder.mkdir()
    with file.open("rb") as stream:
        found = pack.read(stream)
        (capture,) = found.manifest.of_role(Role.LAST_SEEN)
        for part in (capture, *found.manifest.beside(capture)):
            data = pack.read_part(stream, found, part, limit=1 << 24)
            (folder / part.name).write_bytes(data)
    return folder / capture.name


def table() -> dict[str, list[str]]:
    """The first list of the specification: kind of file → what each program says."""
    text = (Path(__file__).resolve().parents[3] / "docs" / "spec" / "verifiers.md").read_text()
    rows = re.findall(r"^- (.+)$", text.partition("## The best verdict")[2], re.MULTILINE)
    named = ("`snapshotter verify` ", "`snapshotter-verify` ", "`verify_minimal.py` ")
    found: dict[str, list[str]] = {}
    for row in rows:
        kinds, _, verdicts = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", row).rpartition(": ")
        parts = verdicts.split("; ")
        (rest,) = {part for part in parts if not part.startswith(named)} or {""}
        cells = [
            next((part for part in parts if part.startswith(program)), rest) for program in named
        ]
        found |= dict.fromkeys(kinds.split(", "), cells)
    return found


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("kind", CELLS)
def test_each_kind_of_file_gets_the_verdict_of_the_table(
    place: Place, kind: str, program: str, capsys: pytest.CaptureFixture[str]
) -> None:
    number = list(PROGRAMS).index(program)
    said = []
    for file in place.files[kind]:
        code = PROGRAMS[program](place.by, file)
        said.append((code, capsys.readouterr().out))

    assert [code for code, _ in said] == [codes[number] for codes in CELLS[kind]], said
    for code, out in said:
        assert bool(re.search(r"^(proof: )?PASSED", out, re.MULTILINE)) is (code == 0)


def test_of_several_files_each_is_judged_and_the_worst_sets_the_exit_code(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    good, false = place.files["bundle with sidecars"]
    (open_, _), missing = place.files["bundle"], good.with_name("missing.wacz")
    for name, program in PROGRAMS.items():
        for files, code in (
            ((good, open_), 11),
            ((open_, missing, good), 1),
            ((false, missing, good), 10),
        ):
            assert program(place.by, *files) == code, (name, files)
            said = capsys.readouterr()
            assert all(str(file) in said.out for file in files if file != missing), name
            assert ("missing.wacz" in said.err) == (missing in files), name


def test_the_table_of_the_specification_is_the_one_that_is_tried() -> None:
    rows = table()
    words = {0: "PASSED 0", 10: "FAILED 10", 11: "INDETERMINATE 11"}
    for kind, called in (
        ("bundle with sidecars", "bundle with sidecars"),
        ("event with bundles", "event with its bundles"),
        ("pack", "proof pack with an event"),
        ("pack without an event", "proof pack without an event"),
        ("event", "take-down event alone"),
        ("capture of a pack", "bundle that was taken out of a pack"),
    ):
        for number, cell in enumerate(rows[called][:3]):
            for codes in CELLS[kind]:
                assert words[codes[number]] in cell, (called, cell)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_campaign_report_never_passes_without_rules(
    place: Place, tmp_path: Path, program: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """That an honest one passes with them is tested where reports are (test_campaign_report.py)."""
    file = tmp_path / "report.json"
    said = {"format": "snapshotter-campaign/1", "report": {}}
    file.write_bytes(signed_statement.encode(said, run.EVENTS))

    code = PROGRAMS[program](place.by, file)

    assert code == (10 if program == "full" else 11)
    assert not re.search(r"^(proof: )?PASSED", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_event_of_a_kind_of_a_later_version_is_not_judged(
    place: Place, tmp_path: Path, program: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "20261124t160642z-k3v4q2m7xw4c5b6d.json"
    said = {"event": {"kind": "translated", "words": 7}, "format": "snapshotter-takedown/1"}
    file.write_bytes(signed_statement.encode(said, run.EVENTS))

    code = PROGRAMS[program](place.by, file)

    assert code == 11, capsys.readouterr()


@pytest.mark.parametrize("program", PROGRAMS)
def test_records_of_a_store_and_other_files_get_no_verdict(
    place: Place, tmp_path: Path, program: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle_id = "20261124t160642z-k3v4q2m7xw4c5b6d"
    called = {"hold": f"{bundle_id}.wacz.hold-0001.json", "gap": f"{bundle_id}.json"}
    for kind in RECORDS:
        file = tmp_path / called.get(kind, f"{kind}.json")
        file.write_bytes(signed_statement.encode({"format": f"snapshotter-{kind}/1"}, run.EVENTS))
        assert PROGRAMS[program](place.by, file) == 2, kind
    other = tmp_path / "links.csv"
    other.write_bytes(b"name,url\n")

    assert PROGRAMS[program](place.by, other) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.fuzz
def test_an_edited_event_that_is_signed_again_breaks_nothing_and_does_not_pass(
    made: run.Case,
) -> None:
    """Whatever its signer writes into it, by the verifier that has no rules."""
    said, _, _ = made.removed.partition(b"\n")
    verdicts = set()
    for number in range(tries(50)):
        dice = random.Random(f"event {number}")  # noqa: S311 - repeatable, not secret
        changed = edited_json(said, dice)
        seal = {
            "key_id": run.EVENTS.key_id,
            "public_key": run.EVENTS.public_key_pem.decode(),
            "signature": base64.b64encode(run.EVENTS.sign(changed + b"\n")).decode(),
        }
        data = changed + b"\n" + canonical_json.dumps(seal) + b"\n"

        found = verify_event_without_rules(data, made.trust, now=made.now, folders=[])

        verdicts.add(found.verdict.value)
        assert len("\n".join(takedown_lines(found)).split("\n")) == len(takedown_lines(found))
    assert verdicts == {"failed", "indeterminate"}


# --- what is printed ----------------------------------------------------------------------------

LIE = "PASSED  exhibit.wacz"


@cache
def unsafe() -> list[str]:
    """Return the characters that steer a reader. Not at import: a million are looked at."""
    return [
        chr(number)
        for number in range(sys.maxunicode + 1)
        if unicodedata.category(chr(number)) in ("Cc", "Cf", "Zl", "Zp")
    ]


def test_no_character_that_steers_a_reader_is_left_by_either_verifier() -> None:
    for character in [*unsafe(), "\ud800", "\ufdd0", "\ue000"]:
        for printable in (MINIMAL.printable, first_printable):
            shown = printable(f"a{character}b")
            assert shown[0] + shown[-1] == "ab"
            assert shown[1:-1].startswith(("\\u", "\\U")), repr(character)
    for text in ("https://example.org/?q=1#a", "漢字 é ü \U0001f600", ""):
        assert MINIMAL.printable(text) == first_printable(text) == text


@pytest.fixture(scope="module")
def hostile(made: run.Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose address, title and name try to write a line of their own."""
    folder = tmp_path_factory.mktemp("hostile")
    members = bundles.unpack(made.path("control").read_bytes())
    record = bundles.record_of(members)
    ends = "".join(
        f"{character}{LIE}"
        for character in ("\n", "\r", "\x85", "\u2028", "\u2029", "\x0b", "\x1b[2J")
    )
    record["what"] = {
        **record["what"],
        "requested_url": f"https://x.test/{ends}\u202e\u200f{''.join(unsafe()[:70])}",
        "title": f"t{ends}",
    }
    record["outcome"] = {
        "reasons": [{"code": f"c{ends}", "detail": f"d{ends}"}],
        "state": "partial",
    }
    sealed = bundles.resealed(
        members, {names.CAPTURE_RECORD: canonical_json.dumps(record)}, run.SIGNER, None
    )
    file = folder / f"x\x1b[31m\n{LIE}\u202e\udcff.wacz"
    file.write_bytes(bundles.pack(sealed))
    return file


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_strangers_bundle_begins_no_line_of_the_report(
    place: Place,
    hostile: Path,
    program: str,
    options: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = PROGRAMS[program](place.by, *options, hostile)
    again = PROGRAMS[program](place.by, *options, hostile.with_name(f"{hostile.name}-is-not-there"))

    said = capsys.readouterr()
    assert (code, again) == (11, 1) or (program == "full" and code == 11), said
    for line in (said.out + said.err).split("\n"):
        assert not line.startswith(("PASSED", "proof: PASSED"))
        assert not [character for character in line if unicodedata.category(character)[0] == "C"], (
            line
        )
        assert not set(line) & {"\u2028", "\u2029"}
    if options:
        assert json.loads(said.out)["verdict"] == "indeterminate"


def test_arguments_are_quoted_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A shell puts the names of files in the place of `*`: one may look like an option."""
    name = "--x\x1b[2J\nPASSED"
    for program in PROGRAMS.values():
        try:
            code = program(("--trust", "t", "--root-key", "0" * 64), name, "y")
        except SystemExit as error:
            code = int(str(error.code))
        said = capsys.readouterr()
        assert code == 2, said
        assert "\x1b" not in said.out + said.err
        assert not re.search(r"^(proof: )?PASSED", said.out + said.err, re.MULTILINE)
