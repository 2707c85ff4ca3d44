"""The queue as its users meet it: real workers, a real browser, and one end that nobody chose."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.product import LIMIT_S, Installation, record_of
from tests.e2e.test_crash import running
from tests.servers.authority import TestAuthority
from tests.servers.site import Site
from tests.tools import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.long]
HOWTO = ROOT / "docs" / "howto" / "restore.md"


def heard(worker: "subprocess.Popen[str]", event: str) -> dict[str, str]:
    """Read what a worker says until it says this."""
    assert worker.stdout is not None
    for line in worker.stdout:
        said: dict[str, str] = json.loads(line)
        if said["event"] == event:
            return said
    raise AssertionError(f"it ended without saying {event}")


def enqueued(installation: Installation, *urls: str) -> list[str]:
    """Hand pages over; return the ids of their jobs."""
    handed = installation.run("capture", "--enqueue", "--json", *urls)
    assert handed.code == 0, handed.err
    return [printed["job_id"] for printed in handed.objects]


def test_a_worker_is_killed_and_another_does_what_it_had_and_all_of_it_is_restored_elsewhere(
    installation: Installation, fixture_site: Site, authority: TestAuthority, tmp_path: Path
) -> None:
    """The second half runs the commands of docs/howto/restore.md, as they are written there."""
    urls = [fixture_site.url("/secrets"), "http://127.0.0.3:1/"]
    ids = enqueued(installation, *urls)

    with running(installation, "worker", "--json") as first:
        heard(first, "job.began")
        first.kill()
        first.wait(30)
    with running(installation, "worker", "--json") as second:
        for _ in ids:
            heard(second, "job.done")
        second.terminate()
        assert second.wait(60) == 0

    jobs = {
        printed["job_id"]: printed
        for printed in installation.run("queue", "list", "--json").objects
    }
    assert [jobs[job_id]["state"] for job_id in ids] == ["done", "incomplete"]
    assert [jobs[job_id]["requested_url"] for job_id in ids] == urls
    stored = Counter(
        record_of(bundle)["what"]["requested_url"] for bundle in installation.bundles()
    )
    assert stored == Counter(urls)
    logged = [
        value["name"]
        for value in installation.run("log", "show", "--last", "99", "--json").object["entries"]
        if value["kind"] == "bundle"
    ]
    assert sorted(logged) == sorted(bundle.stem for bundle in installation.bundles())
    # One innocent page, one end of a worker, and nothing counted against it.
    assert [jobs[job_id]["attempts"] for job_id in ids] == [1, 1]

    (old,) = [
        bundle
        for bundle in installation.bundles()
        if record_of(bundle)["what"]["requested_url"] == urls[0]
    ]
    (left,) = enqueued(installation, fixture_site.url("/plain", origin=2))
    trust = installation.home / "trust"
    root_key = _trust_file(installation, trust, authority)
    back_up, restore, check = re.findall(
        r"^```sh\n(.*?)^```", HOWTO.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    backup = tmp_path / "backup"
    _type(back_up, installation, BACKUP=backup, TRUST=trust, DATA=installation.data,
          STORE=installation.store, SETTINGS=installation.home / "snapshotter.toml")  # fmt: skip
    installation.home.rename(tmp_path / "gone")

    bare = Installation(tmp_path / "bare")
    data, store = bare.home / "var" / "data", bare.home / "srv" / "store"
    trust = bare.home / "trust"
    settings = bare.home / "snapshotter.toml"
    _type(restore, bare, BACKUP=backup, TRUST=trust, DATA=data, STORE=store, SETTINGS=settings)
    settings.write_text(
        f'store = "{store}"\n'
        + settings.read_text().replace('data_dir = "data"', 'data_dir = "var/data"')
    )
    bundle = store / old.relative_to(tmp_path / "home" / "captures")
    check = check.replace('--trust "$TRUST', f'--root-key {root_key} --trust "$TRUST')
    said = _type(check, bare, BACKUP=backup, TRUST=trust, BUNDLE=bundle)
    assert said.count("PASSED") == 3

    salts = {path.name for path in store.with_name("store.private").iterdir()}
    assert f"{old.stem}.salts.jsonl" in salts

    # The queue belongs to the store of before, until somebody says otherwise.
    refused = bare.run("worker", "--json")
    assert (refused.code, "--adopt-store" in refused.err) == (1, True)
    with running(bare, "worker", "--adopt-store", "--json") as worker:
        assert heard(worker, "job.done")["job"] == left
        worker.terminate()
        assert worker.wait(60) == 0


def _trust_file(installation: Installation, folder: Path, authority: TestAuthority) -> str:
    """Make a trust file for this installation's key, authority and log; return its fingerprint."""
    folder.mkdir()
    log = installation.run("log", "show", "--json").object["verifier_key"]
    file, public = str(folder / "trust.json"), str(installation.data / "keys" / "default.pub.pem")
    commands = [
        ["trust", "init", file],
        ["trust", "add-key", file, public, "--owner", "Agency"],
        ["trust", "add-tsa", file, "--name", "good", "--root", str(authority.good.root_pem)],
        ["trust", "set-log", file, log],
        ["trust", "show", file, "--json"],
    ]
    code = f"from snapshotter.cli.main import main\nfor it in {commands!r}: assert main(it) == 0"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=installation.home, env=installation._environ(),
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shown: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return shown["root_key_id"]


def _type(block: str, installation: Installation, **variables: Path) -> str:
    """Run a block of the page in a shell, with its variables; return what it prints."""
    done = subprocess.run(
        ["sh", "-euc", f'snapshotter() {{ "{sys.executable}" -m snapshotter "$@"; }}\n{block}'],
        cwd=installation.home,
        env=installation._environ() | {name: str(path) for name, path in variables.items()},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
