"""
The steps of docs/howto/trust-file-for-an-auditor.md, as they are written there, lead to PASSED.

The commands come out of the page. What a reader has to put in is put in here: the fingerprint and
the key of the log, both as the commands before printed them.
"""

import io
import re
import shlex
import shutil
from pathlib import Path

import pytest

from snapshotter.app.settings import EVENT_KEY
from snapshotter.formats.bundle import store_keys
from snapshotter.seal.signer import KeyDirectory
from snapshotter.store.filesystem import DirectoryStore
from tests import bundles
from tests.bundles import ChainAuthority, RealClock
from tests.servers.authority import Chain
from tests.tools import ROOT
from tests.unit.cli.shell import Shell

HOWTO = (ROOT / "docs" / "howto" / "trust-file-for-an-auditor.md").read_text()
FENCE = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
PIN = "82cfb50b…"
LOG_KEY = re.compile(r"[a-z./-]+\+[0-9a-f]{8}\+AQ…")


def steps() -> list[list[str]]:
    """Return the commands of each step of the page."""
    sections = re.split(r"^## ", HOWTO, flags=re.MULTILINE)
    numbered = [section for section in sections if re.match(r"[0-9]\. ", section)]
    return [
        [line for block in FENCE.findall(text) for line in block.splitlines()] for text in numbered
    ]


class Person:
    """Somebody at a machine, in a folder; reads what the commands print."""

    def __init__(
        self, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.home = home
        self.told = {PIN: ""}
        self._monkeypatch = monkeypatch
        self._shell = Shell(capsys)
        home.mkdir()

    def sit_down(self) -> None:
        """Be at this machine from now on."""
        self._monkeypatch.setenv("HOME", str(self.home))
        self._monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(self.home / "data"))
        self._monkeypatch.chdir(self.home)

    def type(self, line: str) -> int:
        """Run a line, with what has to be put in; what each command prints goes into the next."""
        line = LOG_KEY.sub(lambda match: self.told.get("log", match[0]), line)
        line = line.replace(PIN, self.told[PIN]).replace(" --ask-passphrase", "")
        code, printed = 0, ""
        for part in line.split(" | "):
            name, *words = shlex.split(part)
            assert name == "snapshotter"
            stdin = io.TextIOWrapper(io.BytesIO(printed.encode()))
            self._monkeypatch.setattr("sys.stdin", stdin)
            code = code or self._shell.run(*words)
            printed = self._shell.out
        if found := re.fullmatch(r"[0-9a-f]{64}\n", printed):
            self.told[PIN] = found[0].strip()
        if found := re.search(r"^verifier key +(\S+)$", printed, re.MULTILINE):
            self.told["log"] = found[1]
        return code

    @property
    def read(self) -> str:
        return self._shell.out + self._shell.err


@pytest.fixture
def authority(tmp_path: Path) -> ChainAuthority:
    chain = Chain(tmp_path / "authority", "test authority")
    chain.make()
    shutil.copyfile(chain.root_pem, tmp_path / "digicert.pem")  # as the page calls it
    return ChainAuthority(chain)


def prepare(owner: Person, authority: ChainAuthority) -> tuple[str, Path]:
    """Capture one page that has to be found in the log, by this owner; return the bundle."""
    owner.sit_down()
    shutil.copyfile(owner.home.parent / "digicert.pem", owner.home / "digicert.pem")
    assert owner.type("snapshotter keys init") == 0
    directory = KeyDirectory(owner.home / "data" / "keys")
    signer = directory.ensure()[0]
    directory.ensure(EVENT_KEY)  # as the first take-down event would
    made = bundles.seal(
        owner.home / "spool", signer=signer, clock=RealClock(), authorities=[authority],
        require_log=True,
    )  # fmt: skip
    store = DirectoryStore(owner.home / "captures")
    store.put_new(store_keys.bundle_key(made.id), made.file, made.digests.sha256)
    assert owner.type("snapshotter log init --name example.org/evidence") == 0
    assert owner.type("snapshotter log sync") == 0
    return made.id, store.path(store_keys.bundle_key(made.id))


def hand_over(owner: Person, auditor: Person, bundle: Path) -> None:
    for name in ("trust.json", "trust.json.sig"):
        shutil.copyfile(owner.home / name, auditor.home / name)
    shutil.copyfile(bundle, auditor.home / "exhibit.wacz")
    proof = bundle.with_name(f"{bundle.name}.tlog-proof")
    shutil.copyfile(proof, auditor.home / "exhibit.wacz.tlog-proof")
    shutil.copytree(owner.home / "captures", auditor.home / "copy-of-the-store")
    auditor.told = owner.told


def test_the_steps_of_the_page_lead_an_auditor_to_passed(
    tmp_path: Path,
    authority: ChainAuthority,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    owner = Person(tmp_path / "owner", monkeypatch, capsys)
    auditor = Person(tmp_path / "auditor", monkeypatch, capsys)
    _, bundle = prepare(owner, authority)
    *own, last = steps()
    assert [len(lines) for lines in (*own, last)] == [1, 2, 1, 2, 1, 2]

    for line in (line for step in own for line in step):
        assert owner.type(line) == 0, f"{line}\n{owner.read}"
    (owner.home / "data" / "keys" / "root.pem").rename(tmp_path / "offline.pem")
    hand_over(owner, auditor, bundle)
    auditor.sit_down()
    for line in last:
        assert auditor.type(line) == 0, f"{line}\n{auditor.read}"
        assert "PASSED" in auditor.read


def test_without_the_key_of_the_log_the_answer_names_the_command_that_is_missing(
    tmp_path: Path,
    authority: ChainAuthority,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    owner = Person(tmp_path / "owner", monkeypatch, capsys)
    auditor = Person(tmp_path / "auditor", monkeypatch, capsys)
    _, bundle = prepare(owner, authority)
    *own, last = steps()

    for line in (line for step in own for line in step if "set-log" not in line):
        assert owner.type(line) == 0
    hand_over(owner, auditor, bundle)
    auditor.sit_down()
    for line in last:
        assert auditor.type(line) == 11
        assert "snapshotter trust set-log trust.json VERIFIER-KEY" in auditor.read
        assert "This command prints VERIFIER-KEY: snapshotter log show" in auditor.read
