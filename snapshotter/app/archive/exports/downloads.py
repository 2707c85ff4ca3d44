"""
Open bundles, their sidecars and single files of bundles, to be copied out of a store byte by byte.

Nothing is verified here, and nothing is unpacked: a file of a bundle is found by its whole name in
the directory of the bundle, and by no path of a file system. Captures in quarantine are refused.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import BinaryIO, Final

from snapshotter.app.archive import bundles, quarantined
from snapshotter.app.archive.assessment import BundleFiles
from snapshotter.app.archive.quarantined import IsTrusted
from snapshotter.errors import PolicyRefused, ServiceUnavailable, SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.ports import ReadableStore
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_CHUNK: Final = 256 << 10  # bytes
_KIND: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,99}")


class ObjectMissing(SnapshotterError):
    """The store has no such bundle, or the bundle has no such file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A file that is read while it is sent."""

    name: str  # for the copy; of a file of a bundle it may contain anything but a slash
    length: int  # bytes
    stream: BinaryIO  # open, at its beginning
    source: BinaryIO  # that is closed at the end

    def chunks(self) -> Iterator[bytes]:
        """
        Yield the content, and close the file at the end.

        Raises:
            OSError: The file is shorter than its length.
        """
        left = self.length
        try:
            while left:
                chunk = self.stream.read(min(_CHUNK, left))
                if not chunk:
                    raise OSError(tr("{name} is shorter than its length", name=self.name))
                left -= len(chunk)
                yield chunk
        finally:
            self.close()

    def close(self) -> None:
        """Close the file, if it was not read to its end."""
        self.source.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadList:
    """What can be downloaded of a capture beside its bundle."""

    files: Mapping[str, int]  # bytes by name, in the order of the bundle
    sidecars: tuple[str, ...]  # their kinds, in the order of the alphabet


def list_downloads(store: ReadableStore, bundle_id: str) -> DownloadList:
    """
    Return the files of a bundle and the kinds of its sidecars.

    Raises:
        EvidenceInvalid: The object is not a bundle.
        ObjectMissing: The store has no such bundle.
        ServiceUnavailable: The store does not answer.
    """
    key = existing_key(store, bundle_id)
    with store.open(key) as source:
        files = BundleFiles(source)
        lengths = {name: files.length(name) or 0 for name in files.names()}
    return DownloadList(files=lengths, sidecars=list_sidecars(store, bundle_id))


def open_bundle(store: ReadableStore, bundle_id: str) -> Download:
    """
    Open a bundle.

    Raises:
        ObjectMissing: The store has no such bundle.
        ServiceUnavailable: The store does not answer.
    """
    return _open_object(store, existing_key(store, bundle_id), f"{bundle_id}{store_keys.SUFFIX}")


def open_sidecar(store: ReadableStore, bundle_id: str, kind: str) -> Download:
    """
    Open the sidecar of a bundle; `kind` is as `log-proof.txt`.

    Raises:
        ObjectMissing: There is no such sidecar.
        ServiceUnavailable: The store does not answer.
    """
    key = existing_key(store, bundle_id)
    name = f"{bundle_id}{store_keys.SUFFIX}.{kind}"
    if not _KIND.fullmatch(kind):
        raise _missing(name)
    return _open_object(store, f"{key}.{kind}", name)


def open_file(store: ReadableStore, bundle_id: str, path: str) -> Download:
    """
    Open one file of a bundle.

    Args:
        path: The whole name of the file in the bundle.

    Raises:
        EvidenceInvalid: The object is not a bundle.
        ObjectMissing: There is no such bundle or file.
        ServiceUnavailable: The store does not answer.
    """
    source = store.open(existing_key(store, bundle_id))
    try:
        files = BundleFiles(source)
        stream, length = files.open(path), files.length(path)
        if stream is None or length is None:
            raise ObjectMissing(
                tr("the bundle {bundle_id} has no file {path}", bundle_id=bundle_id, path=path)
            )
    except BaseException:  # also Ctrl-C: no caller has the source, to close it
        source.close()
        raise
    name = f"{bundle_id}-{path.rpartition('/')[2]}"
    return Download(name=name, length=length, stream=stream, source=source)


def list_sidecars(store: ReadableStore, bundle_id: str) -> tuple[str, ...]:
    """
    Return the kinds of the sidecars that a store lists of a bundle, in the order of the alphabet.

    Raises:
        ServiceUnavailable: The store does not answer.
        ValueError: It is not the id of a bundle.
    """
    beginning = f"{store_keys.bundle_key(bundle_id)}."
    kinds = (found.key.removeprefix(beginning) for found in store.list(beginning))
    return tuple(sorted(kind for kind in kinds if _KIND.fullmatch(kind)))


def existing_key(store: ReadableStore, bundle_id: str) -> str:
    """
    Return the key of a bundle that the store has.

    Raises:
        ObjectMissing: The store has no such bundle.
        ServiceUnavailable: The store does not answer.
    """
    try:
        return bundles.find_bundle_key(store, bundle_id)
    except ServiceUnavailable:
        raise
    except SnapshotterError as error:
        raise ObjectMissing(error.message, hint=error.hint) from error


def require_shown(
    store: ReadableStore, bundle_id: str, is_trusted: IsTrusted, known: Collection[str]
) -> None:
    """
    Return if a capture may be shown and copied.

    Args:
        known: Ids of captures that annotations put into quarantine.

    Raises:
        ObjectMissing: The text is not the id of a bundle.
        PolicyRefused: The capture is in quarantine.
    """
    try:
        store_keys.bundle_time(bundle_id)
    except ValueError as error:  # also the form of an id, of a day that does not exist
        raise ObjectMissing(
            tr("{bundle_id} is not the id of a bundle", bundle_id=bundle_id[:100])
        ) from error
    quarantined.require_visible(store, bundle_id, is_trusted)
    if bundle_id in known:
        raise PolicyRefused(
            tr("{bundle_id} is in quarantine", bundle_id=bundle_id),
            hint=tr(
                "if you may end the quarantine, release the capture first:\n  snapshotter release "
                "--reason REASON {bundle_id}",
                bundle_id=bundle_id,
            ),
        )


def _open_object(store: ReadableStore, key: str, name: str) -> Download:
    try:
        length = store.head(key).length
        stream = store.open(key)
    except FileNotFoundError as error:
        raise _missing(name) from error
    return Download(name=name, length=length, stream=stream, source=stream)


def _missing(name: str) -> ObjectMissing:
    return ObjectMissing(tr("the store has no file {name}", name=name[:200]))
