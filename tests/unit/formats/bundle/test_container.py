"""The canonical zip: one table of files, one encoding; every other zip is refused."""

import hashlib
import io
import threading
import zipfile
from dataclasses import replace
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from snapshotter.errors import SnapshotterError
from snapshotter.formats import digest as digest_module
from snapshotter.formats.bundle import container
from snapshotter.formats.bundle.container import ContainerInvalid
from snapshotter.formats.digest import digest_bytes
from snapshotter.model.finding import Code
from tests import bundles
from tests.bundles import pack, unpack

_NAME = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,5}(/[a-z0-9][a-z0-9._-]{0,5})?", fullmatch=True)
FILES = st.dictionaries(_NAME, st.binary(max_size=40), max_size=5)


@given(FILES)
def test_what_is_written_is_read_again(files: dict[str, bytes]) -> None:
    data = pack(files)

    contents = container.read(io.BytesIO(data), lambda member: True)

    assert contents.kept == files
    assert contents.digests == {name: digest_bytes(content) for name, content in files.items()}
    assert contents.whole == bundles.file_digest(data)


def test_a_large_file_is_read_by_threads_as_a_small_one_is_without() -> None:
    size = digest_module._WORTH_A_THREAD
    data = hashlib.shake_128(b"large").digest(size)
    files = {"archive/a.bin": data, "b.bin": data[: size // 3], "c/c.txt": b"", "d.txt": b"d"}

    packed = pack(files)
    contents = container.read(io.BytesIO(packed), lambda member: member.name == "b.bin")

    assert packed == bundles.raw_zip(bundles.raw_entries(files))
    assert contents.whole == bundles.file_digest(packed)
    assert contents.digests == {name: digest_bytes(content) for name, content in files.items()}
    assert contents.kept == {"b.bin": files["b.bin"]}
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("digest")]


def test_a_large_file_that_ends_too_early_leaves_no_thread_behind() -> None:
    class Cut(io.BytesIO):
        """Has no more bytes, from the moment on that it is read from its start."""

        @override
        def seek(self, offset: int, whence: int = 0) -> int:
            if (offset, whence) == (0, 0):
                self.truncate(digest_module._WORTH_A_THREAD // 2)
            return super().seek(offset, whence)

    packed = pack({"archive/a.bin": bytes(digest_module._WORTH_A_THREAD)})

    with pytest.raises(ContainerInvalid, match="the file ends too early"):
        container.read(Cut(packed), lambda member: False)

    assert not [thread for thread in threading.enumerate() if thread.name.startswith("digest")]


@given(FILES)
def test_a_writer_that_shares_no_code_with_ours_writes_the_same_bytes(
    files: dict[str, bytes],
) -> None:
    assert pack(files) == bundles.raw_zip(bundles.raw_entries(files))


@given(FILES)
def test_python_reads_it(files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(io.BytesIO(pack(files))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == files
        assert all(member.compress_type == zipfile.ZIP_STORED for member in archive.infolist())


@given(FILES, st.data())
def test_one_table_has_one_encoding(files: dict[str, bytes], data: st.DataObject) -> None:
    good = pack(files)
    at = data.draw(st.integers(0, len(good)))
    changed = (
        good[:at] + data.draw(st.binary(max_size=4)) + good[at + data.draw(st.integers(0, 4)) :]
    )
    try:
        read = unpack(changed)
    except ContainerInvalid:
        return
    assert pack(read) == changed


@given(st.binary(max_size=400))
def test_any_bytes_are_a_container_or_our_error(data: bytes) -> None:
    with pytest.raises(ContainerInvalid):
        unpack(data)


@given(st.integers(0, 65535), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.binary())
def test_any_end_record_is_a_container_or_our_error(
    count: int, size: int, start: int, before: bytes
) -> None:
    data = before + container._end(count, size, start)
    try:
        read = unpack(data)
    except ContainerInvalid:
        return
    assert read == {}
    assert before == b""


def test_a_directory_longer_than_its_members_need_is_not_read() -> None:
    """4 GB of "directory" must not be taken into memory to find out that it is none."""

    class Sparse(io.BytesIO):
        read_bytes = 0

        @override
        def seek(self, offset: int, whence: int = 0, /) -> int:
            if whence == 2:
                return (1 << 32) - 1
            return super().seek(0)

        @override
        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            self.read_bytes += len(data)
            return data

    size = (1 << 32) - 1 - 22
    stream = Sparse(container._end(1, size, 0) + bytes(1 << 20))

    with pytest.raises(ContainerInvalid):
        container.read_directory(stream)

    assert stream.read_bytes == 22


@pytest.mark.parametrize("lengths", [[1 << 32], [1 << 31, 1 << 31, 5], [(1 << 32) - 60]])
def test_a_bundle_over_four_gibibytes_is_refused_before_a_byte_is_written(
    lengths: list[int],
) -> None:
    def opened() -> BinaryIO:
        raise AssertionError("nothing may be read")

    out = io.BytesIO()
    files = [
        (f"capture/{number}.bin", replace(digest_bytes(b""), length=length), opened)
        for number, length in enumerate(lengths)
    ]

    with pytest.raises(SnapshotterError, match="4 GiB"):
        container.write(files, out)

    assert out.getvalue() == b""


@pytest.mark.parametrize("now", [b"other", b"longer than it was", b""])
def test_a_file_that_changed_since_it_was_hashed_is_refused(now: bytes) -> None:
    with pytest.raises(SnapshotterError, match="changed on disk"):
        container.write(
            [("capture/a.txt", digest_bytes(b"first"), lambda: io.BytesIO(now))], io.BytesIO()
        )


@pytest.mark.parametrize(
    "names", [["../x"], ["/x"], ["a", "A/x", "ü"], ["capture/x.txt", "capture/X.txt"], ["a", "a"]]
)
def test_names_that_no_bundle_holds_are_not_written(names: list[str]) -> None:
    files = [(name, digest_bytes(b""), lambda: io.BytesIO(b"")) for name in names]

    with pytest.raises(ValueError, match="name"):
        container.write(files, io.BytesIO())


def test_too_many_members_are_refused() -> None:
    names = [f"capture/{number:05}.txt" for number in range(container.MAX_MEMBERS + 1)]

    with pytest.raises(ContainerInvalid):
        unpack(bundles.raw_zip([bundles.RawEntry(name=name.encode(), data=b"") for name in names]))


def test_a_bad_name_is_told_from_a_bad_container() -> None:
    with pytest.raises(ContainerInvalid) as caught:
        unpack(bundles.raw_zip([bundles.RawEntry(name=b"../x", data=b"")]))

    assert caught.value.code is Code.NAME


def test_a_member_at_another_offset_is_refused() -> None:
    """Two directory entries over the same bytes, or bytes that no entry covers."""
    good = pack({"a": b"1", "b": b"2"})
    offset = good.rindex(b"b") - 4

    with pytest.raises(ContainerInvalid, match="directly after the previous member of the bundle"):
        unpack(good[:offset] + bytes(4) + good[offset + 4 :])
