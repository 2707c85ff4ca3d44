"""`snapshotter audit`: the exit code is the verdict's, and the report is where it says."""

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from snapshotter.app.upkeep import audit as auditing
from snapshotter.app.wiring import store as wiring_store
from snapshotter.formats import canonical_json
from snapshotter.formats.canonical_json import instant
from snapshotter.formats.signatures import keys
from snapshotter.formats.signatures.standard_webhooks import new_secret
from snapshotter.seal.signer import FileSigner
from snapshotter.verify.trust import TrustDocument, trusted_key
from tests import audited
from tests.audited import Collection
from tests.bundles import ChainAuthority
from tests.servers.authority import Chain
from tests.servers.receiver import Receiver
from tests.unit.cli.shell import Shell
from tests.unit.verify.audit.kinds import Refusing

ROOT = Path(__file__).resolve().parents[3]
AUDIT = ("audit", "--recheck-after", "0")  # nothing here lists late
_LIMIT_S = 120


class Done(NamedTuple):
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Auditor:
    """Somebody with a home, a trust file and a store."""

    home: Path
    collection: Collection
    pin: str
    shell: Shell

    def run(self, *arguments: str | Path) -> Done:
        code = self.shell.run(*arguments)
        return Done(code, self.shell.out, self.shell.err)

    def arguments(self, *arguments: str | Path) -> tuple[str | Path, ...]:
        trust = ("--trust", self.home / "trust.json", "--root-key", self.pin)
        return *AUDIT, *trust, *arguments, self.collection.root

    def audit(self, *arguments: str | Path) -> Done:
        return self.run(*self.arguments(*arguments))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    folder = tmp_path_factory.mktemp("collection")
    chain = Chain(folder / "authority", "test authority")
    chain.make()
    return audited.collection(folder, ChainAuthority(chain), count=3)


@pytest.fixture
def auditor(
    template: Collection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Auditor:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    root = ec.generate_private_key(ec.SECP384R1())
    document = TrustDocument.new(root.public_key()).with_log(template.trust.log)
    document = document.with_key(trusted_key(template.signer.public_key, owner="test"))
    document = document.with_authority(template.authority.anchor)
    data = document.encode()
    (tmp_path / "trust.json").write_bytes(data)
    (tmp_path / "trust.json.sig").write_bytes(FileSigner(root).sign(data))
    copy = template.copy(tmp_path / "store")
    return Auditor(tmp_path, replace(copy), keys.key_id(root.public_key()), Shell(capsys))


def test_json_prints_all_findings_of_a_kind_as_the_text_promises(auditor: Auditor) -> None:
    files = auditor.collection.root / "bundles/2026/01/01"
    files.mkdir(parents=True, exist_ok=True)
    for number in range(25):
        (files / f"left-{number}.txt").write_text("what nobody logged")

    shown, machine = auditor.audit("--no-report"), auditor.audit("--no-report", "--json")

    kinds = [json.loads(line).get("code") for line in machine.stdout.splitlines()]
    (code,) = {kind for kind in kinds if kinds.count(kind) == 25}
    (further,) = [line for line in shown.stdout.splitlines() if "further findings" in line]
    assert f"{code} " in further
    assert further.endswith("further findings: 20; the option --json prints all findings")


def test_a_good_store_passes_and_the_report_stays(auditor: Auditor) -> None:
    assert auditor.run("keys", "init").returncode == 0

    done = auditor.audit("--json")

    assert done.returncode == 0, done.stderr
    [last] = map(json.loads, done.stdout.splitlines())
    assert (last["type"], last["verdict"], last["log"]["size"]) == ("report", "passed", 3)
    assert (
        json.loads((auditor.collection.root / last["report_key"]).read_bytes())["verdict"]
        == "passed"
    )


def test_an_auditor_without_a_key_gets_none_made(auditor: Auditor) -> None:
    done = auditor.audit()

    assert (done.returncode, "the report will not be signed" in done.stderr) == (0, True)
    assert not (auditor.home / "data" / "keys").exists()
    assert not (auditor.collection.root / "audits").exists()


def test_a_deletion_is_10_and_named_in_both_forms(auditor: Auditor) -> None:
    auditor.collection.path(1).unlink()

    text, lines = auditor.audit("--no-report"), auditor.audit("--no-report", "--json")

    assert (text.returncode, lines.returncode) == (10, 10)
    assert f"FAIL deleted         {auditor.collection.key(1)}" in text.stdout
    assert "FAILED:" in text.stdout
    first, last = map(json.loads, lines.stdout.splitlines())
    assert (first["code"], first["severity"], first["key"]) == (
        *("deleted", "failed"),
        auditor.collection.key(1),
    )
    assert last["counts"] == [{"code": "deleted", "count": 1, "severity": "failed"}]


def test_who_is_to_be_told_is_told_of_an_audit_that_failed(
    auditor: Auditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _told(auditor.home, monkeypatch) as receiver:
        auditor.collection.path(1).unlink()
        receiver.answers.append((503, {}))

        done = auditor.audit("--no-report")

    assert (done.returncode, "a message was not sent to all recipients: desk" in done.stderr) == (
        10,
        True,
    )
    (posted,) = receiver.posted
    (event,) = json.loads(posted.body)["data"]["events"]
    assert event["reasons"] == ["deleted"]
    assert str(auditor.home) not in posted.body.decode()


@contextmanager
def _told(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """Lend a receiver that is told of everything."""
    monkeypatch.setenv("SNAPSHOTTER_NOTIFY_FILE", str(home / "notify.toml"))
    (home / "secret").write_text(f"{new_secret()}\n")
    (home / "secret").chmod(0o600)
    with Receiver() as receiver:
        (home / "notify.toml").write_text(
            f'[[channel]]\nname = "desk"\ntype = "webhook"\nurl = "{receiver.url}"\n'
            'secret_file = "secret"\nallow_networks = ["127.0.0.1"]\n'
        )
        yield receiver


def _busy(auditor: Auditor, monkeypatch: pytest.MonkeyPatch, *keys: str) -> None:
    """Let the file system not answer for these objects."""
    busy = partial(Refusing, auditor.collection.root, keys, errno.ETIMEDOUT)
    monkeypatch.setattr(wiring_store, "store", lambda settings: busy())


def test_what_is_busy_is_30_and_nobody_is_told(
    auditor: Auditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert auditor.audit("--no-report").returncode == 0
    _busy(auditor, monkeypatch, "log/checkpoint")

    with _told(auditor.home, monkeypatch) as receiver:
        done = auditor.audit("--no-report", "--json")

    assert (done.returncode, receiver.posted) == (30, [])
    first, last = map(json.loads, done.stdout.splitlines())
    assert (first["code"], first["key"]) == ("unreadable", "log/checkpoint")
    assert (last["verdict"], last["retry"]) == ("indeterminate", True)


def test_who_is_to_be_told_is_told_of_what_a_store_withholds(
    auditor: Auditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert auditor.audit("--no-report").returncode == 0
    _busy(auditor, monkeypatch, auditor.collection.key(1))
    assert auditor.audit("--no-report").returncode == 30
    assert auditor.audit("--no-report").returncode == 30
    (state,) = auditor.home.glob("data/audit/stores/*/unread.json")
    remembered = json.loads(state.read_bytes())
    yesterday = datetime.now(UTC) - timedelta(hours=25)
    remembered["unreadable"][0]["since"] = instant(yesterday)
    state.write_bytes(canonical_json.dumps(remembered))

    with _told(auditor.home, monkeypatch) as receiver:
        done = auditor.audit("--no-report")

    assert (done.returncode, "withheld" in done.stdout) == (11, True)
    (posted,) = receiver.posted
    data = json.loads(posted.body)
    assert (data["type"], data["data"]["events"][0]["reasons"]) == ("audit.withheld", ["withheld"])
    assert str(auditor.home) not in posted.body.decode()


def test_without_trust_nothing_is_established(auditor: Auditor) -> None:
    done = auditor.run(*AUDIT, "--no-report", auditor.collection.root)

    assert done.returncode == 11
    assert "untrusted-log" in done.stdout
    assert "the keys of your settings, without a trust file" in done.stdout


def test_a_store_without_a_log_says_what_can_not_be_shown(auditor: Auditor) -> None:
    done = auditor.run(*AUDIT, "--no-report", auditor.home / "empty")

    assert done.returncode == 11
    assert "no-log" in done.stdout
    assert "bundles were deleted or added later" in done.stdout


def test_the_store_is_named_as_other_commands_name_it(auditor: Auditor) -> None:
    done = auditor.run(*AUDIT, "--no-report", "--store", auditor.collection.root)

    assert "bundles  3 of 3 read" in done.stdout
    assert auditor.run(*AUDIT, "--store", "elsewhere", auditor.collection.root).returncode == 2


def test_a_passed_audit_whose_report_is_lost_is_1(auditor: Auditor) -> None:
    assert auditor.run("keys", "init").returncode == 0
    (auditor.collection.root / "audits").write_bytes(b"in the way")

    done = auditor.audit()

    assert done.returncode == 1
    assert "PASSED" in done.stdout
    assert "report could not be stored" in done.stderr


def test_the_witness_s_checkpoint_is_given_as_a_file(auditor: Auditor) -> None:
    collection = auditor.collection
    (auditor.home / "seen").write_bytes(collection.checkpoint())
    for number in range(3):
        collection.path(number, "tlog-proof").unlink()
    collection.rewrite(collection.leaves[::-1])

    assert auditor.audit("--no-report", "--state", auditor.home / "new").returncode == 0
    done = auditor.audit("--no-report", "--checkpoint", auditor.home / "seen")

    assert done.returncode == 10
    assert "forked" in done.stdout


def test_a_reader_that_leaves_does_not_change_the_verdict(auditor: Auditor) -> None:
    """As a process of its own: its exit code, and a pipe that nobody reads."""
    auditor.collection.path(1).unlink()
    arguments = map(str, auditor.arguments("--json", "--no-report"))
    process = subprocess.Popen(
        [sys.executable, "-m", "snapshotter", *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()

    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(_LIMIT_S) == 10


def test_ctrl_c_ends_in_130_and_says_that_it_goes_on(
    auditor: Auditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(auditing, "audit", interrupted)

    done = auditor.run(*AUDIT, "--no-report", auditor.collection.root)

    assert (done.returncode, done.stdout) == (130, "")
    assert "To continue the audit, give the same command again" in done.stderr


def test_a_report_is_evidence_and_its_loss_is_found(auditor: Auditor) -> None:
    """With the product's own log: the report of one audit is an entry for the next."""
    store = auditor.home / "own"
    assert auditor.run("keys", "init").returncode == 0
    begun = auditor.run("log", "init", "--store", store)
    assert begun.returncode == 0, begun.stderr

    first, second = (auditor.run(*AUDIT, "--json", store) for _ in range(2))

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    one, two = (json.loads(result.stdout.splitlines()[-1]) for result in (first, second))
    assert (one["log"]["size"], two["log"]["size"]) == (0, 1)
    (store / one["report_key"]).unlink()

    third = auditor.run(*AUDIT, "--no-report", store)

    assert third.returncode == 10
    assert f"FAIL deleted         {one['report_key']}" in third.stdout


def test_what_this_machine_has_published_is_held_against_the_log(auditor: Auditor) -> None:
    """Another auditor's memory is not needed where the writer's own is there."""
    store = auditor.home / "own"
    assert auditor.run("keys", "init").returncode == 0
    assert auditor.run("log", "init", "--store", store).returncode == 0
    before = auditor.home / "before"
    shutil.copytree(store / "log", before)
    assert auditor.run(*AUDIT, store).returncode == 0  # its report makes the log grow
    shutil.rmtree(store / "log")
    before.rename(store / "log")

    done = auditor.run(*AUDIT, "--no-report", "--state", auditor.home / "new", store)

    assert done.returncode == 10
    assert "rolled-back" in done.stdout
