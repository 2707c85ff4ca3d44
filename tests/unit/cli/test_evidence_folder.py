"""`snapshotter export --evidence`: a folder that needs nothing else, and its README's commands."""

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from snapshotter.app.archive.exports.evidence_folder import verifier_path
from snapshotter.cli.main import main
from snapshotter.formats.bundle import names
from snapshotter.model.page import Page
from tests import bundles, site_bundles
from tests.bundles import ChainAuthority, Members, RealClock, pack
from tests.hostile_folder import plant
from tests.servers.authority import POLICY_OID

ROOT = Path(__file__).resolve().parents[3]
Command = Callable[..., str]


@pytest.fixture
def snapshotter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Run a command that has to end in 0; return its stdout."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> str:
        capsys.readouterr()
        assert main([str(argument) for argument in arguments]) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    return run


class Exhibit:
    """A store with one bundle, a trust file for it, and the folder that is made of both."""

    def __init__(
        self,
        work: Path,
        authority: ChainAuthority,
        run: Command,
        *,
        late: bool = False,
        page: Page | None = None,
    ) -> None:
        self.run, self.signer = run, bundles.new_signer()
        authorities = () if late else (authority,)
        if page is None:
            made = bundles.seal(
                work / "spool", signer=self.signer, clock=RealClock(), authorities=authorities
            )
        else:
            made = site_bundles.seal(
                work / "spool", page, RealClock().now(), signer=self.signer, authorities=authorities
            )
        self.id, self.members = made.id, bundles.unpack(made.file.read_bytes())
        if late:
            token = authority.response(self.members[names.signature(1)])
            made.file.with_name(f"{made.file.name}.late-01.tsr").write_bytes(token)
        run("store", "add", made.file)
        (work / "signer.pem").write_bytes(self.signer.public_key_pem)
        root = work / "authority.pem"
        root.write_bytes(authority.anchor.root.public_bytes(Encoding.PEM))
        self.trust, self.folder = work / "trust.json", work / "exhibit"
        self.root_key = run("trust", "init", self.trust).strip()
        run("trust", "add-key", self.trust, work / "signer.pem", "--owner", "Example `id` $(id)")
        run(
            *("trust", "add-tsa", self.trust, "--name", "Test $(id) authority", "--root", root),
            *("--policy-oid", POLICY_OID),
        )

    def export(self, *more: str) -> str:
        trust = ("--trust", str(self.trust), "--root-key", self.root_key)
        return self.run("export", "--evidence", *trust, *more, self.id, "-o", self.folder)

    @property
    def commands(self) -> list[str]:
        readme = (self.folder / "README.md").read_text(encoding="utf-8")
        return re.findall(r"^```sh\n(.*?)^```$", readme, flags=re.MULTILINE | re.DOTALL)

    def stranger(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the README as it stands there, with nothing but a PATH."""
        return subprocess.run(
            ["env", "-i", f"PATH={os.environ['PATH']}", "sh", "-eu", "-c", command],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.mark.parametrize("late", [False, True])
def test_every_command_of_the_readme_does_what_it_says(
    late: bool, tmp_path: Path, authority: ChainAuthority, snapshotter: Command
) -> None:
    exhibit = Exhibit(tmp_path, authority, snapshotter, late=late)

    exhibit.export()
    hostile = plant(exhibit.folder)

    fingerprint, sums, verifier, signed, files, signature, token = (
        exhibit.stranger(command) for command in exhibit.commands
    )
    assert hostile.ran == []
    assert fingerprint.stdout.startswith(exhibit.root_key)
    assert (sums.returncode, sums.stdout) == (0, "")
    assert verifier.stdout.startswith("PASSED")
    assert verifier.returncode == 0
    assert signed.stdout == "Verified OK\n"
    assert files.returncode == 0
    assert files.stdout == "files as signed\n"
    assert signature.stdout.startswith("Verified OK\n" + exhibit.signer.key_id)
    assert "Verification: OK" in token.stdout + token.stderr
    assert token.returncode == 0


def test_the_folder_has_all_files_and_lists_them(
    tmp_path: Path, authority: ChainAuthority, snapshotter: Command
) -> None:
    exhibit = Exhibit(tmp_path, authority, snapshotter)

    told = json.loads(exhibit.export("--json"))

    there = {
        str(path.relative_to(exhibit.folder))
        for path in exhibit.folder.rglob("*")
        if path.is_file()
    }
    listed = (exhibit.folder / "SHA256SUMS").read_text().splitlines()
    assert set(told["files"]) == there
    assert {line[66:] for line in listed} == there - {"SHA256SUMS"}
    assert {f"{exhibit.id}.wacz", "trust.json", "trust.json.sig", "verify_minimal.py"} <= there
    assert {"report.html", "report.json"} <= there
    assert not list(exhibit.folder.glob("picture*"))  # the capture has no picture of a page
    assert "for-information/root.pub.pem" in there
    assert (told["verdict"], told["codes"]) == ("passed", [])
    assert (told["root_key"], told["folder"]) == (exhibit.root_key, str(exhibit.folder))
    assert (exhibit.folder / "trust.json").read_bytes() == exhibit.trust.read_bytes()


def test_the_readme_has_one_row_for_the_chain_of_custody(
    tmp_path: Path, authority: ChainAuthority, snapshotter: Command
) -> None:
    exhibit = Exhibit(tmp_path, authority, snapshotter)
    for number in range(2):
        snapshotter("export", exhibit.id, "-o", tmp_path / str(number))

    exhibit.export()

    readme = (exhibit.folder / "README.md").read_text(encoding="utf-8")
    chain = sorted(path.name for path in exhibit.folder.glob("*.custody-*"))
    assert len(chain) > 2
    (row,) = [line for line in readme.splitlines() if ".custody-" in line and line[0] == "|"]
    assert row.startswith(f"| `{chain[0]}` to `{chain[-1]}` | the chain of custody")
    assert row.endswith(f"Number of files: {len(chain)} |")


def test_the_folder_has_a_report_and_the_picture_of_the_page(
    tmp_path: Path, authority: ChainAuthority, snapshotter: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Page(
        requested_url="https://news.example.org/a", final_url="https://news.example.org/a",
        captured_at=RealClock().now(), timezone="UTC", locale="en", status=200,
        html="<title>A</title><p>The wall was painted <b>white</b>.</p>", text="The wall",
    )  # fmt: skip
    exhibit = Exhibit(tmp_path, authority, snapshotter, page=page)

    exhibit.export()

    report = json.loads((exhibit.folder / "report.json").read_bytes())
    assert (report["bundle_id"], report["verification"]["verdict"]) == (exhibit.id, "passed")
    assert (exhibit.folder / "report.html").read_text().startswith("<!DOCTYPE html>")
    picture = exhibit.folder / "picture.png"
    assert picture.read_bytes() == exhibit.members["capture/screenshot.png"]
    readme = (exhibit.folder / "README.md").read_text()
    assert "| `picture.png` | a picture of the page, copied out of the bundle |\n" in readme

    monkeypatch.setenv("SNAPSHOTTER_OPERATOR", "O")
    snapshotter("mark", "graphic", exhibit.id)
    exhibit.folder = tmp_path / "graphic"
    exhibit.export()
    assert not list(exhibit.folder.glob("picture*"))
    assert "picture.png" not in (exhibit.folder / "README.md").read_text()


def test_what_is_installed_has_the_second_verifier(tmp_path: Path) -> None:
    """A wheel holds no scripts/ but this one: without it, an installed copy could not export."""
    program = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        timeout=120,
        check=True,
    )

    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        shipped = archive.read("snapshotter/_scripts/verify_minimal.py")
    assert shipped == verifier_path().read_bytes()


def test_a_changed_bundle_is_found_by_the_readmes_commands(
    tmp_path: Path, authority: ChainAuthority, snapshotter: Command
) -> None:
    exhibit = Exhibit(tmp_path, authority, snapshotter)
    exhibit.export()
    forged: Members = {**exhibit.members, "capture/dom.html": b"forged"}
    (exhibit.folder / f"{exhibit.id}.wacz").write_bytes(pack(bundles.derived(forged)))

    _, sums, verifier, signed, files, *_ = (
        exhibit.stranger(command).returncode for command in exhibit.commands
    )

    assert sums != 0
    assert verifier == 10
    assert signed == 0
    assert files != 0


def test_without_a_name_the_folder_is_called_after_the_bundle(
    tmp_path: Path, authority: ChainAuthority, snapshotter: Command
) -> None:
    exhibit = Exhibit(tmp_path, authority, snapshotter)
    trust = ("--trust", str(exhibit.trust), "--root-key", exhibit.root_key)

    told = snapshotter("export", "--evidence", *trust, exhibit.id)

    assert told.strip() == str(tmp_path / exhibit.id)
    assert (tmp_path / exhibit.id / "SHA256SUMS").is_file()


def test_a_folder_that_is_taken_is_left_alone(
    tmp_path: Path,
    authority: ChainAuthority,
    snapshotter: Command,
    capsys: pytest.CaptureFixture[str],
) -> None:
    exhibit = Exhibit(tmp_path, authority, snapshotter)
    exhibit.folder.mkdir()
    (exhibit.folder / "mine.txt").write_text("mine")
    arguments = ["--trust", str(exhibit.trust), "--root-key", exhibit.root_key, exhibit.id]

    code = main(["export", "--evidence", *arguments, "-o", str(exhibit.folder)])

    assert code == 1
    assert "exists already" in capsys.readouterr().err
    assert [path.name for path in exhibit.folder.iterdir()] == ["mine.txt"]
    assert not list(tmp_path.glob(".*.part"))


_ID = "20260115t123045z-abcdefghijklmnop"
_OTHER_ID = "20260115t123045z-bcdefghijklmnopa"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["export", "--evidence", _ID, "-o", "x"], 1, "--trust"),
        (
            ["export", "--evidence", "--unpack", _ID, "-o", "x"],
            2,
            "--evidence makes a folder for exactly one bundle, and does not work with --unpack or "
            "further bundles",
        ),
        (["export", "--evidence", _ID, _OTHER_ID, "-o", "x"], 2, "one bundle"),
        (["export", "--trust", "trust.json", _ID, "-o", "x"], 2, "--evidence"),
    ],
)
def test_what_can_not_be_made_is_said(
    arguments: list[str],
    code: int,
    words: str,
    snapshotter: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(arguments) == code
    assert words in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_bundle_without_a_token_is_handed_over_and_said_to_lack_one(
    tmp_path: Path,
    authority: ChainAuthority,
    snapshotter: Command,
    capsys: pytest.CaptureFixture[str],
) -> None:
    authority.down = True
    try:
        exhibit = Exhibit(tmp_path, authority, snapshotter)
    finally:
        authority.down = False
    arguments = ["--trust", str(exhibit.trust), "--root-key", exhibit.root_key, exhibit.id]

    assert main(["export", "--evidence", *arguments, "-o", str(exhibit.folder)]) == 0

    assert "INDETERMINATE: TIME TS_MISSING" in capsys.readouterr().err
    assert (
        "The bundle has no timestamp token of a timestamp authority that the trust file lists."
    ) in (exhibit.folder / "README.md").read_text()
    assert [exhibit.stranger(command).returncode for command in exhibit.commands] == [
        0,
        0,
        11,
        0,
        0,
        0,
    ]
