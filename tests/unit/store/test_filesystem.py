"""What only a directory has: links, modes, full disks, strays."""

import errno
import fcntl
import hashlib
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from snapshotter.errors import SnapshotterError, StoreFull
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.bundle.store_keys import MAX_KEY
from snapshotter.ports import NotAnObject
from snapshotter.store import filesystem
from snapshotter.store.filesystem import DirectoryStore
from tests.special_files import SPECIAL

KEY = "bundles/2026/11/24/x.wacz"


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "made" / "on first write")


def put(store: DirectoryStore, key: str, content: bytes, folder: Path) -> None:
    source = folder / "source"
    source.write_bytes(content)
    store.put_new(key, source, hashlib.sha256(content).hexdigest())


def test_a_stored_file_is_read_only_and_has_one_name(store: DirectoryStore, tmp_path: Path) -> None:
    put(store, KEY, b"x", tmp_path)

    found = store.path(KEY).stat()
    assert found.st_mode & 0o777 == 0o444
    assert found.st_nlink == 1
    assert list((store.root / ".incoming").iterdir()) == []


def test_looking_makes_no_directory(store: DirectoryStore) -> None:
    assert list(store.list()) == []
    with pytest.raises(FileNotFoundError):
        store.head(KEY)

    assert not store.root.exists()


def test_a_stray_file_of_a_dead_writer_is_swept_and_a_living_ones_is_not(
    store: DirectoryStore, tmp_path: Path
) -> None:
    put(store, "first", b"x", tmp_path)
    dead, living = (store.root / ".incoming" / name for name in ("dead", "living"))
    dead.write_bytes(b"half")
    with living.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        put(store, "second", b"x", tmp_path)

        assert not dead.exists()
        assert living.exists()
    put(store, "third", b"x", tmp_path)
    assert not living.exists()


def test_a_writer_that_died_after_the_link_leaves_an_object(
    store: DirectoryStore, tmp_path: Path
) -> None:
    put(store, KEY, b"x", tmp_path)
    os.link(store.path(KEY), store.root / ".incoming" / "stray")

    put(store, KEY, b"x", tmp_path)

    assert store.path(KEY).stat().st_nlink == 1
    assert store.path(KEY).read_bytes() == b"x"


@pytest.mark.parametrize("where", ["bundles", "bundles/2026/11/24", KEY])
def test_no_symbolic_link_is_followed(store: DirectoryStore, tmp_path: Path, where: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.wacz").write_bytes(b"not ours")
    link = store.root / where
    link.parent.mkdir(parents=True)
    link.symlink_to(outside / "x.wacz" if where == KEY else outside)

    with pytest.raises(SnapshotterError, match="is not an object"):
        put(store, KEY, b"x", tmp_path)
    with pytest.raises(SnapshotterError, match="is not an object"):
        store.open(KEY)
    assert list(store.list()) == []
    assert sorted(path.name for path in outside.iterdir()) == ["x.wacz"]
    assert (outside / "x.wacz").read_bytes() == b"not ours"


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    store = DirectoryStore(tmp_path / "link")

    put(store, "a", b"x", tmp_path)

    assert (tmp_path / "real" / "a").read_bytes() == b"x"


@pytest.mark.parametrize("kind", sorted(SPECIAL))
def test_what_is_no_regular_file_is_no_object(
    store: DirectoryStore, tmp_path: Path, kind: str
) -> None:
    store.root.mkdir(parents=True)
    SPECIAL[kind](store.root / "a")

    with pytest.raises(SnapshotterError, match="is not an object"):
        put(store, "a", b"x", tmp_path)
    with pytest.raises(NotAnObject, match="is not an object"):
        store.open("a")
    assert list(store.list()) == []


def test_an_object_below_what_is_no_folder_is_none(store: DirectoryStore) -> None:
    store.root.mkdir(parents=True)
    (store.root / "bundles").write_bytes(b"")

    with pytest.raises(NotAnObject, match="bundles is not a folder"):
        store.open(KEY)
    assert list(store.list(KEY)) == []


def test_a_root_that_is_no_folder_is_not_an_empty_store(tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(b"")

    for ask in (lambda store: store.open(KEY), lambda store: list(store.list())):
        with pytest.raises(
            SnapshotterError, match="cannot be used, because the path contains"
        ) as caught:
            ask(DirectoryStore(tmp_path / "store"))
        assert not isinstance(caught.value, NotAnObject)


def test_a_disk_that_fails_while_an_object_is_read_is_a_sentence(
    store: DirectoryStore, tmp_path: Path
) -> None:
    put(store, "a", b"x", tmp_path)

    with store.open("a") as stream:
        assert isinstance(stream, io.BufferedReader)
        folder = os.open(tmp_path, os.O_RDONLY)
        os.dup2(folder, stream.fileno())  # reading it fails, as it does from a bad sector
        os.close(folder)

        with pytest.raises(SnapshotterError, match="cannot be used, because the path contains"):
            stream.read()


def test_files_that_are_not_ours_are_not_listed(store: DirectoryStore, tmp_path: Path) -> None:
    put(store, "a/b", b"x", tmp_path)
    for name in (".DS_Store", "with space", "ä"):
        (store.root / "a" / name).write_bytes(b"x")

    assert [there.key for there in store.list()] == ["a/b"]


def test_files_in_folders_that_are_too_deep_for_a_key_are_not_listed(
    store: DirectoryStore, tmp_path: Path
) -> None:
    longest = "/".join(["a" * 127] * 8)
    deepest = "/".join(["b" * 9] * 150)
    assert len(longest) == MAX_KEY - 1
    put(store, f"{longest}c", b"x", tmp_path)
    for key in (f"{longest}cd", deepest):
        path = store.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")

    assert [there.key for there in store.list()] == [f"{longest}c"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mount = tmp_path / "small"
    mount.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(mount)], capture_output=True
    )
    if made.returncode:
        pytest.skip("needs the right to mount a small file system")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


def test_a_full_disk_is_a_sentence_and_leaves_nothing(small_disk: Path, tmp_path: Path) -> None:
    store = DirectoryStore(small_disk / "store")
    put(store, "first", b"x", tmp_path)

    with pytest.raises(StoreFull, match="no space is left"):
        put(store, KEY, b"x" * 500_000, tmp_path)

    assert [there.key for there in store.list()] == ["first"]
    assert list((store.root / ".incoming").iterdir()) == []
    put(store, KEY, b"x", tmp_path)


def test_a_read_only_file_system_is_a_sentence(small_disk: Path, tmp_path: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)

    with pytest.raises(SnapshotterError, match="read-only file system"):
        put(DirectoryStore(small_disk), "a", b"x", tmp_path)


def test_a_directory_of_somebody_else_is_a_sentence() -> None:
    script = (
        "import os, sys; from pathlib import Path\n"
        "from snapshotter.errors import SnapshotterError\n"
        "from snapshotter.store.filesystem import DirectoryStore\n"
        "store = DirectoryStore(Path(sys.argv[1]) / 'theirs')\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        "try: store.put_new('a', Path(sys.argv[1]) / 'source', sys.argv[2])\n"
        "except SnapshotterError as error: print(error, '|', error.hint)\n"
    )
    with tempfile.TemporaryDirectory() as folder:  # a test's own folder is 0700, up to its top
        os.chmod(folder, 0o755)  # noqa: S103  # another user has to look in
        source = Path(folder) / "source"
        source.write_bytes(b"x")
        source.chmod(0o644)
        (Path(folder) / "theirs").mkdir(mode=0o555)

        said = subprocess.run(
            [sys.executable, "-c", script, folder, hashlib.sha256(b"x").hexdigest()],
            capture_output=True,
            text=True,
            check=True,
        )

    assert "permission to use" in said.stdout, said.stderr
    assert "owner and mode" in said.stdout


def test_a_file_system_without_hard_links_is_refused(
    store: DirectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")  # what FAT on Linux answers

    monkeypatch.setattr(os, "link", no_links)

    with pytest.raises(SnapshotterError, match="does not support hard links") as raised:
        put(store, KEY, b"x", tmp_path)

    assert "ext4" in raised.value.hint
    assert list(store.list()) == []
    assert list((store.root / ".incoming").iterdir()) == []


def test_an_object_that_goes_while_it_is_listed_ends_no_listing(
    store: DirectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the staged batches of a log do, that their writer removes."""
    for key in ("log/staging/a", "log/staging/b", "log/staging/c"):
        assert store.swap(key, b"x", "")
    asked = store_keys.is_key

    def removing(name: str) -> bool:
        if name == "b":
            store.path("log/staging/b").unlink()
        return asked(name)

    monkeypatch.setattr(filesystem, "is_key", removing)

    assert [stored.key for stored in store.list("log/")] == ["log/staging/a", "log/staging/c"]


def test_a_key_that_is_free_again_while_it_is_taken_is_taken(
    store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, times = os.link, iter((True, False))

    def gone_since(*arguments: Any, **more: Any) -> None:
        if next(times):
            raise FileExistsError(errno.EEXIST, "there was one")
        link(*arguments, **more)

    monkeypatch.setattr(os, "link", gone_since)

    assert store.swap("log/lock", b"new", "")
    assert store.read("log/lock", 9).data == b"new"


def wait_for_tick(folder: Path) -> None:
    """Return when the clock of the file system has moved on."""
    file = folder / "touched"
    file.touch()
    before = file.stat().st_ctime_ns
    while file.stat().st_ctime_ns == before:
        file.touch()


def test_a_folder_has_another_stamp_after_each_change(
    store: DirectoryStore, tmp_path: Path
) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    put(store, KEY, b"x", tmp_path)
    put(store, "bundles/2026/11/25/y.wacz", b"x", tmp_path)
    folders = ["bundles/2026/11/24/", "bundles/2026/11/25/"]
    seen = [store.folder_stamps("bundles/", 3, now=later)]

    wait_for_tick(tmp_path)
    put(store, f"{KEY}.late-01.tsr", b"x", tmp_path)
    seen.append(store.folder_stamps("bundles/", 3, now=later))
    wait_for_tick(tmp_path)
    store.delete(KEY, now=later)
    seen.append(store.folder_stamps("bundles/", 3, now=later))

    assert [list(stamps) for stamps in seen] == [folders] * 3
    assert len({stamps[folders[0]] for stamps in seen}) == 3
    assert len({stamps[folders[1]] for stamps in seen}) == 1


def test_a_folder_that_has_just_changed_has_no_stamp(store: DirectoryStore, tmp_path: Path) -> None:
    put(store, KEY, b"x", tmp_path)

    found = store.folder_stamps("bundles/", 3, now=datetime.now(UTC))

    assert found == {"bundles/2026/11/24/": ""}
    assert store.folder_stamps("nothing/", 3, now=datetime.now(UTC)) == {}
