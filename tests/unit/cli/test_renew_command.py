"""`snapshotter renew`, from the outside: what it says and how it ends."""

import json
from pathlib import Path

import pytest

from snapshotter.cli.main import main
from snapshotter.formats.bundle import store_keys
from snapshotter.seal.signer import KeyDirectory
from snapshotter.store.filesystem import DirectoryStore
from tests import bundles
from tests.bundles import ChainAuthority, RealClock
from tests.servers.authority import Chain, TestAuthority

SETTINGS = """
log = false
[[authority]]
name = "short"
url = "http://127.0.0.1:9/"
root = "short/root.pem"
[[authority]]
name = "long"
url = "{url}"
root = "{root}"
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DirectoryStore:
    monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("SNAPSHOTTER_KEYS_DIR", str(tmp_path / "keys"))
    monkeypatch.setenv("SNAPSHOTTER_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("SNAPSHOTTER_CONFIG", str(tmp_path / "settings.toml"))
    monkeypatch.setenv("SNAPSHOTTER_ALLOW_NETWORKS", "127.0.0.0/8")
    return DirectoryStore(tmp_path / "store")


def put(store: DirectoryStore, folder: Path, *authorities: ChainAuthority) -> str:
    signer = KeyDirectory(folder / "keys").ensure()[0]
    made = bundles.seal(folder / "spool", signer=signer, clock=RealClock(), authorities=authorities)
    store.put_new(store_keys.bundle_key(made.id), made.file, made.digests.sha256)
    return made.id


def test_what_ends_soon_is_named_and_renewed(
    store: DirectoryStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chain = Chain(tmp_path / "short", "short", days=30)
    chain.make()
    with TestAuthority(tmp_path / "long") as server:
        (tmp_path / "settings.toml").write_text(
            SETTINGS.format(url=server.url(), root=server.good.root_pem)
        )
        bundle_id = put(store, tmp_path, ChainAuthority(chain, name="short"))

        assert main(["renew", "--dry-run", "--json"]) == 0
        due = json.loads(capsys.readouterr().out)
        assert (due["bundle_id"], due["state"]) == (bundle_id, "due")
        assert main(["renew", "--within", "10"]) == 0
        shown = capsys.readouterr()
        assert shown.out == ""
        assert "no examined bundle needs a renewal within 10 days" in shown.err
        assert main(["renew"]) == 0
        assert f"{bundle_id}: renewed until 20" in capsys.readouterr().out
    assert main(["renew", "--json"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["verify", bundle_id]) == 0
    assert "ok   renewal" in capsys.readouterr().out


def test_what_can_not_be_renewed_is_told(
    store: DirectoryStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chain = Chain(tmp_path / "short", "short", days=30)
    chain.make()
    (tmp_path / "settings.toml").write_text(
        SETTINGS.format(url="http://127.0.0.1:9/", root=chain.root_pem)
    )
    bundle_id = put(store, tmp_path)

    assert main(["renew"]) == 11
    assert (
        f"{bundle_id} cannot be renewed: no timestamp token from a trusted"
    ) in capsys.readouterr().err
