"""`snapshotter log`, from the outside."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from snapshotter.cli.main import main
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.proofs import log_state, note, tlog_proof
from snapshotter.formats.proofs.leaf import Leaf
from snapshotter.formats.proofs.note import VerifierKey
from snapshotter.seal.log_key import LogKeyDirectory
from snapshotter.seal.signer import KeyDirectory
from snapshotter.store.filesystem import DirectoryStore
from tests import bundles
from tests.bundles import RealClock


class Here:
    """One user with one store."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.store = DirectoryStore(folder / "store")
        self._capsys = capsys

    def run(self, *arguments: str) -> tuple[int, str, str]:
        self._capsys.readouterr()
        code = main(["log", *arguments, "--store", str(self.folder / "store")])
        out, err = self._capsys.readouterr()
        return code, out, err

    def json(self, *arguments: str, code: int = 0) -> Any:
        ended, out, err = self.run(*arguments, "--json")
        assert ended == code, err
        lines = [json.loads(line) for line in out.splitlines()]
        return lines[0] if len(lines) == 1 else lines

    def bundle(self) -> str:
        """Store a bundle of this user's that is not logged; return its id."""
        keys = KeyDirectory(self.folder / "keys")
        signer = keys.ensure()[0]
        made = bundles.seal(self.folder / "spool", signer=signer, clock=RealClock())
        self.store.put_new(store_keys.bundle_key(made.id), made.file, made.digests.sha256)
        return made.id

    @property
    def key(self) -> VerifierKey:
        (key,) = LogKeyDirectory(path=self.folder / "keys").list()
        return key


@pytest.fixture
def here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Here:
    monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("SNAPSHOTTER_KEYS_DIR", str(tmp_path / "keys"))
    monkeypatch.chdir(tmp_path)
    return Here(tmp_path, capsys)


def test_a_log_is_begun_with_a_name_and_once(here: Here) -> None:
    code, out, err = here.run("init", "--name", "example.org/evidence")

    assert code == 0
    assert note.parse_verifier_key(out.strip()) == here.key
    assert here.key.name == "example.org/evidence"
    assert "Back up" in err
    code, _, err = here.run("init")
    assert code == 1
    assert "already has a log: example.org/evidence" in err


def test_a_name_that_can_not_be_is_refused(here: Here) -> None:
    code, _, err = here.run("init", "--name", "https://a b")

    assert code == 1
    assert "is not a valid name for a log" in err


@pytest.mark.parametrize("command", [["show"], ["check"], ["prove", "x"]])
def test_a_store_without_a_log_is_told(here: Here, command: list[str]) -> None:
    code, _, err = here.run(*command)

    assert code == 1
    assert "has no log" in err


def test_a_sweep_logs_what_is_stored_and_all_of_it_can_be_looked_at(here: Here) -> None:
    bundle_id = here.bundle()

    assert here.json("sync", "--dry-run")["state"] == "waiting"
    done = here.json("sync")
    assert (done["bundle_id"], done["index"], done["state"]) == (bundle_id, 0, "logged")
    shown = here.json("show")
    assert (shown["size"], shown["verified"], shown["verifier_key"]) == (1, True, here.key.text)
    assert shown["entries"][0]["name"] == bundle_id
    code, out, _ = here.run("show")
    assert code == 0
    assert f"bundle     {bundle_id}" in out
    assert here.json("check")["verdict"] == "passed"

    code, out, _ = here.run("prove", bundle_id)
    assert code == 0
    leaf = Leaf(kind="bundle", name=bundle_id, sha256=shown["entries"][0]["sha256"])
    tlog_proof.check(out.encode(), leaf.encode(), here.key)
    beside = here.store.path(f"{store_keys.bundle_key(bundle_id)}.tlog-proof").read_bytes()
    assert out.encode() == beside
    code, out, _err = here.run("prove", bundle_id, "-o", str(here.folder / "proof"))
    assert (code, out) == (0, "")
    assert (here.folder / "proof").read_bytes() == beside
    assert here.json("prove", bundle_id)["proof"].encode() == beside


def test_the_head_of_a_custody_chain_is_logged_with_its_bundle_and_as_it_grows(
    here: Here,
) -> None:
    signer = KeyDirectory(here.folder / "keys").ensure()[0]
    made = bundles.seal(here.folder / "spool", signer=signer, clock=RealClock())
    store = ("--store", str(here.folder / "store"))
    assert main(["store", "add", str(made.file), *store]) == 0

    here.json("sync")
    kinds = [entry["kind"] for entry in here.json("show")["entries"]]
    assert kinds == ["bundle", "custody"]
    code, out, _ = here.run("sync")
    assert (code, out) == (0, "")
    assert main(["hold", "place", made.id, "--name", "x", "--reason", "a test", *store]) == 0
    assert here.json("sync", "--dry-run")["kind"] == "custody"
    grown = here.json("sync")
    assert (grown["bundle_id"], grown["kind"], grown["index"]) == (made.id, "custody", 2)
    assert here.run("sync")[1] == ""
    assert here.json("check")["verdict"] == "passed"


def test_what_is_not_in_the_log_has_no_proof(here: Here) -> None:
    here.run("init")
    code, _, err = here.run("prove", "20260115t123045z-abcdefghijklmnop")

    assert code == 1
    assert "the log has no entry of the kind bundle with the name 2026" in err


def test_a_strangers_bundle_is_passed_over_until_it_is_named(here: Here) -> None:
    made = bundles.seal(here.folder / "spool", signer=bundles.new_signer(), clock=RealClock())
    here.store.put_new(store_keys.bundle_key(made.id), made.file, made.digests.sha256)
    KeyDirectory(here.folder / "keys").ensure()

    assert here.json("sync", code=11)["state"] == "passed over"
    code, _, err = here.run("sync")
    assert code == 11
    assert "signed by a key that is not trusted" in err
    assert here.json("sync", made.id)["state"] == "logged"


def test_a_log_that_was_rolled_back_or_removed_is_found(here: Here) -> None:
    here.bundle()
    here.run("init")
    old = here.store.path(log_state.CHECKPOINT).read_bytes()
    here.run("sync")
    path = here.store.path(log_state.CHECKPOINT)
    new = path.read_bytes()
    path.unlink()
    path.write_bytes(old)
    (here.folder / "then").write_bytes(new)

    assert here.json("check", code=10)["verdict"] == "failed"
    code, out, _ = here.run("check", "--against", str(here.folder / "then"))
    assert code == 10
    assert out.count("entries were removed from the log") == 2
    for key in (log_state.CHECKPOINT, log_state.LOCK):
        here.store.discard(key)
    code, _, err = here.run("sync")
    assert code == 1
    assert "has no log, but this machine has a record of an earlier log of the store" in err
    assert here.run("init", "--again")[0] == 0
    assert here.run("check")[0] == 0


def test_a_checkpoint_that_is_a_pipe_is_not_waited_for(here: Here) -> None:
    here.run("init")
    os.mkfifo(here.folder / "then")

    code, _, err = here.run("check", "--against", str(here.folder / "then"))

    assert (code, "the path is a named pipe, not a regular file" in err) == (1, True)


def test_a_stranger_reads_the_log_with_its_verifier_key(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.run("init")
    key = here.key.text
    monkeypatch.setenv("SNAPSHOTTER_KEYS_DIR", str(here.folder / "elsewhere"))
    monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(here.folder / "other-data"))

    assert here.json("show")["verified"] is False
    assert here.json("check", code=11)["verdict"] == "indeterminate"
    assert here.json("check", "--verifier-key", key)["verdict"] == "passed"
    assert here.run("check", "--verifier-key", key[:-1])[0] == 2
    code, _, err = here.run("sync")
    assert code == 1
    assert "there is no key of a log named" in err


def test_of_several_logs_a_bundle_names_its_own_wherever_its_file_is_verified(
    here: Here, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = here.bundle()
    here.run("sync")
    main(["log", "init", "--store", str(here.folder / "another")])
    file = here.folder / "store" / store_keys.bundle_key(name)
    hostile = here.folder / "hostile" / "captures" / "log"
    hostile.mkdir(parents=True)
    (hostile / "lock").write_text("no lock of a log")
    said = []
    for folder in (here.folder, here.folder / "another", hostile.parent.parent):
        monkeypatch.chdir(folder)
        capsys.readouterr()
        said.append((main(["verify", str(file)]), *capsys.readouterr()))

    assert said[0] == said[1] == said[2]
    assert said[0][0] == 11  # it has no token
    assert "ok   log        the log snapshotter.invalid/" in said[0][1]
    assert " contains the bundle: entry with the index 0, entries in the log: 1" in said[0][1]
    for lock in ("no lock of a log", None):  # of the store itself
        damaged = here.folder / "store" / "log" / "lock"
        damaged.write_text(lock) if lock else shutil.rmtree(damaged.parent)
        capsys.readouterr()
        assert main(["verify", "--store", str(here.folder / "store"), name]) == 11
        out = capsys.readouterr().out
        assert "ok   log        the log snapshotter.invalid/" in out
        assert " contains the bundle: entry with the index 0, entries in the log: 1" in out


@pytest.mark.parametrize("name", ["lock", "checkpoint"])
def test_a_damaged_file_of_the_log_keeps_nobody_from_judging_the_store(
    here: Here, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    here.bundle()
    here.run("sync")
    main(["log", "init", "--store", str(here.folder / "another")])
    store = here.folder / "store"
    (store / "log" / "lock").write_text("no lock of a log")
    if name == "checkpoint":
        (store / "log" / "checkpoint").unlink()
        os.mkfifo(store / "log" / "checkpoint")

    assert here.run("check", "--recheck-after", "0")[0] == (0 if name == "lock" else 10)
    capsys.readouterr()
    code = main(["audit", "--no-report", "--recheck-after", "0", str(store)])
    assert code == (11 if name == "lock" else 10)
    assert "bundles  1 of 1 read" in capsys.readouterr().out


def log_line(folder: Path) -> tuple[str, str]:
    """Return state and detail of what the doctor says of the log, without the rest of it."""
    from snapshotter.app import doctor, settings
    from snapshotter.app.wiring.doctor import doctor_dependencies

    here = settings.load(overrides={"store": str(folder / "store")})
    found = doctor._log(here, doctor_dependencies(here))
    return found.state.value, found.detail


def test_the_doctor_sees_what_the_log_lacks(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    assert log_line(here.folder) == (
        "ok",
        "the store has no log yet: the first capture makes a log",
    )
    here.run("init", "--name", "example.org/log")
    assert log_line(here.folder)[0] == "ok"
    (here.folder / "data" / "unlogged").mkdir()
    (here.folder / "data" / "unlogged" / "x.json").write_text(
        json.dumps(
            {
                "bundle_id": bundles.BUNDLE_ID,
                "seen": 0,
                "sha256": "ab" * 32,
                "store": here.store.url,
            }
        )
    )
    assert log_line(here.folder) == (
        "warning",
        "bundles that are possibly not in the log: 1",
    )
    (here.folder / "data" / "unlogged" / "x.json").unlink()
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("SNAPSHOTTER_KEYS_DIR", str(here.folder / "none"))
        assert "is not on this machine" in log_line(here.folder)[1]
    for key in (log_state.LOCK, log_state.CHECKPOINT):
        here.store.discard(key)
    assert log_line(here.folder)[1].endswith("is missing")
    monkeypatch.setenv("SNAPSHOTTER_LOG", "false")
    assert log_line(here.folder) == (
        "ok",
        "the log is switched off, so bundles are not added to a log",
    )


def test_a_lost_lock_is_told_and_made_anew(here: Here) -> None:
    here.bundle()
    assert here.run("sync")[0] == 0
    here.store.path("log/lock").unlink()

    code, _, err = here.run("sync")
    assert code == 1
    assert "is missing, so nothing can be added to the log" in err
    assert "snapshotter log repair" in err
    assert here.json("repair", "--dry-run") == {
        "batch": None, "entries": 1, "needed": True, "published_before": 1,
        "repaired": False, "was_mirror": False,
    }  # fmt: skip
    code, out, _ = here.run("repair")
    assert (code, out) == (0, "the lock was repaired; entries in the log: 1\n")
    assert not here.json("repair")["needed"]
    assert here.run("sync")[0] == 0


def test_a_copy_of_a_log_is_written_to_only_after_it_was_taken_over(here: Here) -> None:
    here.bundle()
    assert here.run("sync")[0] == 0
    assert main(["store", "replicate", "--store", str(here.folder / "store"), "copy"]) == 0
    here.store = DirectoryStore(here.folder / "copy")
    here.store.root.rename(here.folder / "elsewhere")
    (here.folder / "store").rename(here.folder / "first")
    (here.folder / "elsewhere").rename(here.folder / "store")

    code, _, err = here.run("sync")
    assert code == 1
    assert "is a copy of the log of another store" in err
    assert here.run("check")[0] == 0
    assert here.run("repair")[0] == 1
    assert here.json("repair", "--take-over")["was_mirror"]
    assert here.run("sync")[0] == 0


def test_without_a_log_there_is_nothing_to_repair(here: Here) -> None:
    code, _, err = here.run("repair")
    assert code == 1
    assert "no checkpoint of a log" in err
