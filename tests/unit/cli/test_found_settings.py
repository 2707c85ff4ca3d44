"""A found `snapshotter.toml` decides no verdict, and an id is never a file of that name."""

import json
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

from snapshotter.errors import SnapshotterError
from snapshotter.store import s3_bucket
from tests.unit.cli.shell import Shell
from tests.unit.cli.test_verify_command import BAD, GOOD, PIN, TRUST, UNCLEAR, VECTORS

ID = "20261124t214301z-abcdefghijklmnop"
BUCKET = "s3://examiners-own-bucket/case"
# What an opponent may put beside an exhibit: well-formed, forbidden there, and no TOML.
HOSTILE = {
    "bucket and policy": f'store = "{BUCKET}"\npolicy = "theirs.toml"\nkey = "root"\n',
    "everything": f"""
        store = "{BUCKET}"
        policy = "theirs.toml"
        policies_dir = "policies"
        key = "kms:alias/x"
        keys_dir = "keys"
        data_dir = "data"
        trust_file = "trust.json"
        trust_root_key = "{"0" * 64}"
        s3_endpoint = "http://127.0.0.1:9"
        proxy = "http://127.0.0.1:9"
        notify_file = "notify.toml"
        identity_file = "identity.toml"
        authorities_file = "authorities.toml"
        browser_path = "browser.sh"
        """,
    "no TOML": "= nothing",
}


class Asked(SnapshotterError):
    """Raised where a bucket would be asked."""


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    """A home, and an exhibit's folder to work in. No bucket can be asked without being seen."""

    def asked(*_: object, **__: object) -> NoReturn:
        raise Asked("a bucket was asked")

    monkeypatch.setattr(s3_bucket.S3Bucket, "__init__", asked)
    for name in ("CONFIG", "STORE", "POLICY"):
        monkeypatch.delenv(f"SNAPSHOTTER_{name}", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(tmp_path / "data"))
    exhibit = tmp_path / "exhibit"
    exhibit.mkdir()
    for name, file in (("good", GOOD), ("bad", BAD), ("unclear", UNCLEAR)):
        shutil.copy(file, exhibit / f"{name}.wacz")
    monkeypatch.chdir(exhibit)
    return Shell(capsys)


def _store(folder: Path, bundle: Path) -> Path:
    stored = folder / "bundles/2026/11/24" / f"{ID}.wacz"
    stored.parent.mkdir(parents=True)
    shutil.copy(bundle, stored)
    return folder


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_file_that_is_named_is_judged_without_the_settings_that_lie_beside_it(
    shell: Shell, text: str
) -> None:
    judged = ("--trust", TRUST, "--root-key", PIN)
    commands = [
        ("verify", "--json", *judged, "good.wacz", "./bad.wacz", "unclear.wacz"),
        ("verify", "--json", "good.wacz"),  # by this user's own keys
        ("show", "--json", "good.wacz"),
        ("custody", "show", "--json", "good.wacz"),
        ("diff", "--json", *judged, "good.wacz", "unclear.wacz"),
    ]
    elsewhere = [(shell.run(*command), shell.out, shell.err) for command in commands]
    Path("theirs.toml").write_text('name = "theirs"\n[takedown]\nrules = ["theirs-rules.toml"]\n')
    Path("snapshotter.toml").write_text(text)

    assert [(shell.run(*command), shell.out, shell.err) for command in commands] == elsewhere
    assert [result[0] for result in elsewhere[:2]] == [10, 11]


def test_an_id_is_looked_up_in_the_directory_store_of_a_found_file(shell: Shell) -> None:
    _store(Path("kept"), GOOD)
    Path("snapshotter.toml").write_text('store = "kept"\npolicy = "no-such-policy"\n')

    assert shell.run("verify", "--trust", TRUST, "--root-key", PIN, ID) == 0
    assert shell.run("list", "--json") == 0
    assert shell.object["bundle_id"] == ID


@pytest.mark.parametrize(
    "command",
    [
        f"verify {ID}",
        f"show {ID}",
        f"custody show {ID}",
        f"diff {ID} good.wacz",
        f"export {ID}",
        "list",
        "audit --no-report",
        "takedown list",
        "takedown derive",
        f"takedown show {ID}",
        f"proof {ID}",
        "hold list",
        "log show",
        "store check",
        "store add good.wacz",
        f"erase {ID} --order x --reason y --yes",
        "renew",
        "timestamp",
        "capture http://127.0.0.1:9/",
        "check http://127.0.0.1:9/",
    ],
)
def test_the_bucket_of_a_found_file_is_asked_by_no_command(shell: Shell, command: str) -> None:
    Path("snapshotter.toml").write_text(f'store = "{BUCKET}"\n')

    assert shell.run(*command.split()) in (1, 11), shell.err

    assert (
        "a settings file in the working directory must not decide where your credentials"
        in shell.err
    )
    assert f"SNAPSHOTTER_CONFIG={Path.cwd()}/snapshotter.toml" in shell.err
    assert f"--store {BUCKET}" in shell.err


@pytest.mark.parametrize("origin", ["option", "variable", "named file", "user's own file"])
def test_a_bucket_is_asked_that_the_user_named(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: str
) -> None:
    here = Path("snapshotter.toml")
    more: tuple[str, ...] = ()
    if origin == "option":
        more = ("--store", BUCKET)
    elif origin == "variable":
        monkeypatch.setenv("SNAPSHOTTER_STORE", BUCKET)
    elif origin == "named file":
        here.write_text(f'store = "{BUCKET}"\n')
        monkeypatch.setenv("SNAPSHOTTER_CONFIG", str(here.absolute()))
    else:
        own = tmp_path / "config" / "snapshotter" / "snapshotter.toml"
        own.parent.mkdir(parents=True)
        own.write_text(f'store = "{BUCKET}"\n')

    for command in (("verify", ID), ("list",)):
        assert shell.run(*command, *more) == 1
        assert "a bucket was asked" in shell.err


@pytest.mark.parametrize(
    ("command", "of_store", "of_file"),
    [("verify", 0, 10), ("show", 0, 10), ("custody show", 0, 10)],
)
def test_an_id_with_a_store_is_never_a_file_of_that_name(
    shell: Shell, tmp_path: Path, command: str, of_store: int, of_file: int
) -> None:
    store = _store(tmp_path / "store", GOOD)
    shutil.copy(VECTORS / "truncated" / "bundle.wacz", ID)
    trust = ("--trust", TRUST, "--root-key", PIN) if command == "verify" else ()
    words = command.split()

    assert shell.run(*words, *trust, "--store", store, ID) == of_store, shell.err
    assert shell.run(*words, *trust, ID) == 2
    assert (
        f"To use the file, write ./{ID}. To use the object in the store, write --store DIR {ID}"
    ) in shell.err
    assert shell.run(*words, *trust, f"./{ID}") == of_file
    assert shell.run(*words, *trust, "--store", store, f"./{ID}") == of_file


def test_another_bundle_under_the_id_that_was_asked_for_is_failed(
    shell: Shell, tmp_path: Path
) -> None:
    wanted = ID.replace("a", "b")
    store = _store(tmp_path / "store", GOOD)
    stored = store / "bundles/2026/11/24"
    (stored / f"{ID}.wacz").rename(stored / f"{wanted}.wacz")
    judged = ("verify", "--json", "--trust", TRUST, "--root-key", PIN, "--store", store)

    assert shell.run(*judged, wanted) == 10
    assert shell.object["findings"][-1] == {
        "check": "id",
        "verdict": "failed",
        "code": "NAME",
        "detail": f"the store has another bundle, {ID}, under the id {wanted}",
    }
    assert shell.run(*judged, stored / f"{wanted}.wacz") == 0  # a file may have any name


def test_with_a_store_what_is_neither_an_id_nor_written_as_a_file_is_a_usage_error(
    shell: Shell, tmp_path: Path
) -> None:
    shutil.copy(GOOD, "exhibit")
    near = ID.upper()
    shutil.copy(GOOD, near)
    judged = ("verify", "--json", "--trust", TRUST, "--root-key", PIN)
    (tmp_path / "store").mkdir()

    for name in ("exhibit", near):
        assert shell.run(*judged, name) == 0  # without a store it can mean one thing alone
        assert shell.run(*judged, "--store", tmp_path / "store", name) == 2
        assert f"write ./{name} if {name} is a file" in shell.err
        assert shell.run(*judged, "--store", tmp_path / "store", f"./{name}") == 0
    assert shell.run(*judged, "--store", tmp_path / "store", "good.wacz") == 0


def test_the_users_own_file_counts_in_full_where_one_works_beside_it(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "config" / "snapshotter"
    own.mkdir(parents=True)
    (own / "snapshotter.toml").write_text(f'store = "{_store(own / "kept", GOOD)}"\nlog = false\n')
    monkeypatch.chdir(own)

    assert shell.run("list", "--json") == 0, shell.err
    assert json.loads(shell.out)["bundle_id"] == ID
