"""Bundles in a real bucket, and two processes that store at once, on both stores."""

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from snapshotter.seal.signer import FileSigner
from tests import bundles
from tests.e2e.conftest import Captured
from tests.e2e.product import Installation, trusting
from tests.servers.authority import TestAuthority
from tests.servers.seaweedfs import ACCESS_KEY, SECRET_KEY, SeaweedFS
from tests.servers.site import Site

pytestmark = pytest.mark.e2e
in_a_bucket = [pytest.mark.s3, pytest.mark.xdist_group("seaweedfs")]

_numbers = itertools.count()


def reaching(installation: Installation, server: SeaweedFS, authority: TestAuthority) -> None:
    """Set an installation to the S3 server; credentials come from where AWS tools look."""
    installation.configure(
        trusting(authority), s3_endpoint=server.endpoint_url, s3_region="us-east-1"
    )
    installation.environment |= {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    }


@pytest.fixture
def cloud(
    installation: Installation, seaweedfs: SeaweedFS, authority: TestAuthority
) -> Installation:
    """A new user whose store is in a bucket."""
    reaching(installation, seaweedfs, authority)
    return installation


@pytest.mark.s3
@pytest.mark.xdist_group("seaweedfs")
def test_a_bucket_serves_every_command_as_a_directory_does(
    cloud: Installation, fixture_site: Site, seaweedfs: SeaweedFS, tmp_path: Path
) -> None:
    store = ("--store", "s3://plain/case-7")

    done = cloud.capture(*store, fixture_site.url("/plain")).object

    key = done["bundle"]["path"].removeprefix("s3://plain/")
    assert key.startswith("case-7/bundles/")
    client = seaweedfs.client()
    stored = client.get_object(Bucket="plain", Key=key)["Body"].read()
    client.close()
    assert hashlib.sha256(stored).hexdigest() == done["bundle"]["sha256"]
    listed = cloud.run("list", "--json", *store).objects
    assert [entry["bundle_id"] for entry in listed] == [done["bundle_id"]]
    assert cloud.run("verify", *store, done["bundle_id"]).code == 0
    assert (
        cloud.run("show", "--json", *store, done["bundle_id"]).object["bundle_id"]
        == (done["bundle_id"])
    )
    out = cloud.run("export", "--json", *store, done["bundle_id"], "-o", tmp_path / "out")
    assert Path(out.object["files"][0]).read_bytes() == stored
    assert SECRET_KEY not in "".join(
        path.read_text(errors="replace") for path in cloud.home.rglob("*") if path.is_file()
    )


@pytest.mark.s3
@pytest.mark.xdist_group("seaweedfs")
def test_lock_days_locks_the_bundle_on_a_bucket_that_can_and_is_refused_on_one_that_can_not(
    cloud: Installation, fixture_site: Site, seaweedfs: SeaweedFS, tmp_path: Path
) -> None:
    url = fixture_site.url("/plain")

    locked = cloud.capture("--lock-days", "1", "--store", "s3://locked/x", url).object
    plain = cloud.run("capture", "--lock-days", "1", "--store", "s3://plain/y", url)
    noted = cloud.run("capture", "--json", "--lock-days", "1", "--store", tmp_path / "dir", url)

    client = seaweedfs.client()
    key = locked["bundle"]["path"].removeprefix("s3://locked/")
    retention = client.get_object_retention(Bucket="locked", Key=key)["Retention"]
    version = client.head_object(Bucket="locked", Key=key)["VersionId"]
    with pytest.raises(client.exceptions.ClientError):
        client.delete_object(Bucket="locked", Key=key, VersionId=version)
    kept = client.list_objects_v2(Bucket="plain", Prefix="y/bundles/").get("KeyCount")
    client.close()
    assert retention["Mode"] == "GOVERNANCE"
    assert (plain.code, plain.out) == (1, "")
    assert "snapshotter: try: " in plain.err
    assert kept == 0
    assert noted.code == 0
    assert "anybody who can write to the directory can delete the bundles" in noted.err
    assert list(tmp_path.glob("dir/.locks/bundles/*/*/*/*.wacz"))


@pytest.mark.s3
@pytest.mark.xdist_group("seaweedfs")
def test_store_check_calls_only_the_bucket_with_object_lock_locked(cloud: Installation) -> None:
    plain = cloud.run("store", "check", "--json", "--store", "s3://plain/c")
    locked = cloud.run("store", "check", "--json", "--store", "s3://locked/c")
    absent = cloud.run("store", "check", "--store", "s3://no-such-bucket")

    assert plain.code == locked.code == 0, plain.err + locked.err
    assert (plain.object["usable"], plain.object["locks"]) == (True, False)
    assert (locked.object["usable"], locked.object["locks"]) == (True, True)
    assert cloud.run("store", "check", "--require-lock", "--store", "s3://plain/c").code == 1
    assert cloud.run("store", "check", "--require-lock", "--store", "s3://locked/c").code == 0
    assert absent.code in {1, 30}
    assert absent.err.startswith("snapshotter: ")
    assert "Traceback" not in absent.err


@pytest.mark.s3
@pytest.mark.xdist_group("seaweedfs")
def test_a_worker_without_the_right_to_delete_locks_bundles_and_is_warned(
    cloud: Installation, fixture_site: Site, seaweedfs: SeaweedFS
) -> None:
    with seaweedfs.without_right_to_delete() as prefix:
        store = ("--store", f"s3://locked/{prefix}")
        shown = cloud.run("store", "check", *store)
        required = cloud.run("store", "check", "--require-lock", "--json", *store)
        captured = cloud.capture("--lock-days", "1", *store, fixture_site.url("/plain"))

    assert shown.code == 0
    assert "-    lock_enforced      not established: " in shown.out
    assert "not established whether the store enforces retention" in shown.out
    assert (required.code, required.object["locks"]) == (1, False)
    assert "s3:DeleteObjectVersion" in required.err
    assert "WARNING: it is not established whether s3://locked/" in captured.err
    assert captured.object["bundle"]["path"].startswith(f"s3://locked/{prefix}/bundles/")


def test_a_bundle_that_the_store_does_not_take_is_kept_and_can_be_added_later(
    installation: Installation, fixture_site: Site
) -> None:
    installation.store.mkdir()
    in_the_way = installation.store / "bundles"
    in_the_way.write_text("where a directory has to be")

    done = installation.run("capture", fixture_site.url("/plain"))

    assert done.code in {1, 30}
    assert done.out == ""
    (kept,) = installation.data.glob("unstored/*.wacz")
    assert f"snapshotter store add {kept}" in done.err
    in_the_way.unlink()
    assert installation.run("store", "add", kept).code == 0
    assert installation.run("verify", *installation.bundles()).code == 0
    assert [bundle.name for bundle in installation.bundles()] == [kept.name]


# Two at once


@dataclass(frozen=True, slots=True)
class Shelf:
    """A store under test, and how to see what it holds."""

    installation: Installation
    url: str
    contents: Callable[[], dict[str, bytes]]  # bundles by the last part of their key


@pytest.fixture(
    params=[
        "directory",
        pytest.param("bucket", marks=in_a_bucket),
    ]
)
def shelf(
    request: pytest.FixtureRequest, captured: Captured, authority: TestAuthority, tmp_path: Path
) -> Shelf:
    installation = Installation(tmp_path / "home")
    # The key that signed the shared capture, so that its bundles are known here.
    installation.configure(trusting(authority), keys_dir=str(captured.installation.data / "keys"))
    if request.param == "directory":
        root = tmp_path / "shelf"

        def files() -> dict[str, bytes]:
            return {path.name: path.read_bytes() for path in root.rglob("*.wacz")}

        return Shelf(installation, str(root), files)
    server: SeaweedFS = request.getfixturevalue("seaweedfs")
    reaching(installation, server, authority)
    settings = installation.home / "snapshotter.toml"
    keys = f'keys_dir = "{captured.installation.data / "keys"}"\n'
    settings.write_text(keys + settings.read_text())
    prefix = f"race-{next(_numbers)}"

    def objects() -> dict[str, bytes]:
        client = server.client()
        found = client.list_objects_v2(Bucket="plain", Prefix=f"{prefix}/bundles/")
        bodies = {
            listed["Key"].rpartition("/")[2]: client.get_object(Bucket="plain", Key=listed["Key"])[
                "Body"
            ].read()
            for listed in found.get("Contents", [])
            if listed["Key"].endswith(".wacz")  # and not what is told of it beside
        }
        client.close()
        return bodies

    return Shelf(installation, f"s3://plain/{prefix}", objects)


def test_two_processes_that_store_the_same_bundle_both_succeed_and_it_is_there_once(
    captured: Captured, shelf: Shelf
) -> None:
    adding = [
        shelf.installation.start("store", "add", "--store", shelf.url, captured.bundle)
        for _ in range(2)
    ]
    answers = [process.communicate(timeout=60) for process in adding]

    assert [process.returncode for process in adding] == [0, 0], answers
    assert shelf.contents() == {captured.bundle.name: captured.bundle.read_bytes()}


def test_of_two_different_bundles_with_one_id_one_is_stored_whole_and_the_other_refused(
    captured: Captured, shelf: Shelf, tmp_path: Path
) -> None:
    rivals = [captured.bundle, tmp_path / "rival.wacz"]
    rivals[1].write_bytes(resealed(captured))

    adding = [
        shelf.installation.start("store", "add", "--store", shelf.url, rival) for rival in rivals
    ]
    answers = [process.communicate(timeout=60) for process in adding]

    assert sorted(process.returncode for process in adding) == [0, 1], answers
    winner = next(path for path, done in zip(rivals, adding, strict=True) if done.returncode == 0)
    loser = next(answer for answer, done in zip(answers, adding, strict=True) if done.returncode)
    assert "has another file under the id" in loser[1]
    assert shelf.contents() == {captured.bundle.name: winner.read_bytes()}


def resealed(captured: Captured) -> bytes:
    """Return a bundle of the same id that verifies and is another file: signed a second time."""
    key = load_pem_private_key(
        (captured.installation.data / "keys/default.pem").read_bytes(), password=None
    )
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    members = bundles.unpack(captured.bundle.read_bytes())
    return bundles.pack(bundles.signed(members, FileSigner(key), None))
