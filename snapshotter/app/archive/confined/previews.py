"""
Make thumbnails and copies of pictures of captures in the background, once, and keep them.

A screenshot is decoded in a process of its own, which holds no key and can reach no network
(`preview_process`). Here the PNG files are only copied out of the bundle. A preview that cannot be
made has a reason, which stays until the process of the server ends.

A preview is bound to what it was made of: its file begins with the SHA-256 of the manifest of the
bundle and of the PNG files. It is made only if the manifest lists these digests. A thumbnail is
made and shown only of the manifest that the index of the store names. A picture is shown only with
a verification, and only if the verified files have these digests.
"""

import hashlib
import json
import tempfile
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import field
from itertools import islice
from typing import BinaryIO, Final

from snapshotter.app.archive import bundles
from snapshotter.app.archive.assessment import BundleFiles
from snapshotter.app.archive.bundles import BundleMembers
from snapshotter.app.archive.confined.preview_folder import PreviewFolder
from snapshotter.app.archive.confined.preview_process import (
    PreviewPicture,
    PreviewProcesses,
    parse_picture,
)
from snapshotter.app.archive.lookup.index_service import ArchiveView
from snapshotter.app.archive.recorded_pictures import RecordedPicture, recorded_pictures
from snapshotter.errors import EvidenceInvalid, ServiceUnavailable, SnapshotterError
from snapshotter.formats.bundle import manifest as manifests
from snapshotter.formats.bundle import names, store_keys
from snapshotter.formats.digest import CHUNK
from snapshotter.model.capture import PictureKind
from snapshotter.ports import ReadableStore
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

CLEAR: Final = "webp"  # names of previews
BLURRED: Final = "blurred.webp"
PICTURE: Final = "picture"  # of the whole page, or else of the first view
_WORKERS: Final = 2
_MOST_WAITING: Final = 400  # previews; more are not begun, and are asked for again
_NEWEST: Final = 60  # captures whose thumbnails are made before anybody asks
_MAX_TOP: Final = 64 << 20  # bytes of a PNG file that a thumbnail is made of
_MAX_FILE: Final = 1 << 30  # bytes of all PNG files of a picture
_MOST_FAILURES: Final = 10_000
# Kinds of pictures, the largest first, and the names of their copies.
_KINDS: Final = {PictureKind.PAGE: "page.picture", PictureKind.VIEWPORT: "viewport.picture"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureResult:
    """A copy of the picture of a capture; without one, why there is none."""

    picture: PreviewPicture | None
    kind: PictureKind | None = None
    problem: str = ""


class PreviewService:
    """
    Makes previews of the captures of one store. Used from several threads.

    Whoever asks for a preview has to check first that the capture may be shown.
    """

    def __init__(
        self, store: ReadableStore, folder: PreviewFolder, processes: PreviewProcesses
    ) -> None:
        self._store = store
        self._folder = folder
        self._processes = processes
        self._threads = ThreadPoolExecutor(_WORKERS, thread_name_prefix="preview")
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, str], Future[str]] = {}
        self._failed: dict[tuple[str, str, str], str] = {}
        self._is_used = False  # a page has asked for a thumbnail
        self._newest = ""  # the newest capture when thumbnails were made before anybody asked
        self._is_tidy = False

    def stop(self) -> None:
        """End what is under way."""
        self._processes.stop()
        self._threads.shutdown(cancel_futures=True)

    def kept_thumbnail(self, bundle_id: str, manifest: str, *, is_blurred: bool) -> bytes | None:
        """
        Return a thumbnail that was made already of this bundle; None otherwise.

        Args:
            manifest: SHA-256 of the manifest that the index of the store names; "" if it names
                none.

        Raises:
            ValueError: It is not the id of a bundle.
        """
        self._is_used = True
        return self._kept(bundle_id, BLURRED if is_blurred else CLEAR, manifest)[1]

    def kept_picture(self, bundle_id: str, digests: Mapping[str, str]) -> PictureResult:
        """
        Return a picture that was made already, or none.

        Args:
            digests: SHA-256 of the files that were verified, by path.

        Raises:
            ValueError: It is not the id of a bundle.
        """
        for kind, name in _KINDS.items():
            made_of, data = self._kept(bundle_id, name)
            if data is None or not made_of.is_of(digests):
                continue
            try:
                return PictureResult(picture=parse_picture(data), kind=kind)
            except SnapshotterError:  # the file is damaged: it is made again
                continue
        return PictureResult(picture=None)

    def begin(self, bundle_id: str, name: str, manifest: str = "") -> Future[str]:
        """
        Begin to make a preview, unless it is being made already.

        Args:
            name: CLEAR or BLURRED, which are made together, or PICTURE.
            manifest: Of thumbnails, as for `kept_thumbnail`. If the bundle has another manifest,
                nothing is made.

        Returns:
            Why the preview cannot be made; "" when it is in the folder.
        """
        work = PICTURE if name == PICTURE else CLEAR
        key = bundle_id, work
        with self._lock:
            if key in self._waiting:
                return self._waiting[key]
            known = self._failed.get((*key, manifest))
            if known is None and len(self._waiting) >= _MOST_WAITING:
                known = tr("many previews are being made. Load the page again later")
            if known is not None:
                done: Future[str] = Future()
                done.set_result(known)
                return done
            begun = self._threads.submit(self._make, bundle_id, work, manifest)
            self._waiting[key] = begun
        begun.add_done_callback(lambda _: self._forget(key))
        return begun

    def picture(
        self, bundle_id: str, digests: Mapping[str, str], *, timeout_s: float
    ) -> PictureResult:
        """
        Return a copy of the picture of a capture; make it if there is none yet.

        Args:
            digests: SHA-256 of the files that were verified, by path. The copy is of these files:
                one that was made while the store had others is made again.

        Raises:
            TimeoutError: It is not made in this time. It goes on being made.
            ValueError: It is not the id of a bundle.
        """
        kept = self.kept_picture(bundle_id, digests)
        if kept.picture is not None:
            return kept
        problem = self.begin(bundle_id, PICTURE).result(timeout_s)
        kept = self.kept_picture(bundle_id, digests)
        if kept.picture is not None:
            return kept
        return PictureResult(
            picture=None,
            problem=problem
            or tr(
                "the picture is not shown, because the picture in the store differs from the "
                "verified picture"
            ),
        )

    def prepare(self, view: ArchiveView) -> None:
        """
        Make the thumbnails of the newest captures, if pages ask for thumbnails at all.

        Also remove, once, the previews of captures that the store no longer has.
        """
        if not self._is_tidy:
            self._is_tidy = True
            there = self._folder.ids()
            for bundle_id in there - view.source.index.known_ids(sorted(there)):
                self._folder.remove(bundle_id)
        if not self._is_used:
            return
        ids = tuple(islice(view.source.index.candidates(), _NEWEST))
        if not ids or ids[0] == self._newest:
            return
        self._newest = ids[0]
        kinds = view.source.index.sidecar_kinds(ids)
        manifests = view.source.index.manifest_digests(ids)
        for bundle_id in ids:
            manifest = manifests.get(bundle_id, "")
            if (
                not view.is_quarantined(bundle_id, kinds.get(bundle_id, ()))
                and self._kept(bundle_id, CLEAR, manifest)[1] is None
            ):
                self.begin(bundle_id, CLEAR, manifest)

    def _kept(
        self, bundle_id: str, name: str, manifest: str = ""
    ) -> tuple["_MadeOf", bytes | None]:
        """Return what a preview was made of, and its bytes if that is still in the store."""
        data = self._folder.read(bundle_id, name)
        if data is None:
            return _MadeOf(), None
        try:
            made_of, made = _MadeOf.split(data)
        except SnapshotterError:  # of an earlier version, or damaged: it is made again
            return _MadeOf(), None
        is_same = manifest in ("", made_of.manifest)
        return made_of, made if is_same else None

    def _forget(self, key: tuple[str, str]) -> None:
        with self._lock:
            self._waiting.pop(key, None)

    def _make(self, bundle_id: str, work: str, manifest: str) -> str:
        try:
            if work == PICTURE:
                self._make_picture(bundle_id)
            else:
                self._make_thumbnails(bundle_id, manifest)
        except (SnapshotterError, OSError, LookupError, TypeError, ValueError) as error:
            # A stranger may have written the bundle, so whatever is in it ends as a reason.
            problem = str(error) or type(error).__name__
            is_lasting = not isinstance(error, (ServiceUnavailable, OSError, _AlteredError))
            with self._lock:
                if is_lasting and len(self._failed) < _MOST_FAILURES:
                    self._failed[bundle_id, work, manifest] = problem
            return problem
        return ""

    def _make_thumbnails(self, bundle_id: str, manifest: str) -> None:
        if all(self._kept(bundle_id, name, manifest)[1] for name in (CLEAR, BLURRED)):
            return
        with ExitStack() as stack:
            # The first view is small, and shows what a thumbnail shows.
            _, _, files, made_of = self._open(
                bundle_id, stack, reversed(_KINDS), manifest, most=_MAX_TOP
            )
            made = self._processes.make_thumbnails(files)
        self._folder.put(bundle_id, BLURRED, made_of.head + made.blurred)
        self._folder.put(bundle_id, CLEAR, made_of.head + made.clear)

    def _make_picture(self, bundle_id: str) -> None:
        with ExitStack() as stack:
            kind, picture, files, made_of = self._open(bundle_id, stack, _KINDS, most=_MAX_FILE)
            made = self._processes.make_picture(files, picture.scale)
        self._folder.put(bundle_id, _KINDS[kind], made_of.head + made)

    def _open(
        self,
        bundle_id: str,
        stack: ExitStack,
        kinds: Iterable[PictureKind],
        manifest: str = "",
        *,
        most: int,
    ) -> tuple[PictureKind, RecordedPicture, list[BinaryIO], "_MadeOf"]:
        """
        Copy the PNG files of a picture out of a bundle, until the end of a `with` block.

        Args:
            kinds: Of pictures, the best first.
            manifest: As for `kept_thumbnail`.
            most: Bytes of all files that are copied at most; the rest is only digested.

        Raises:
            _AlteredError: The bundle has another manifest, or other files than it lists.
        """
        stream = stack.enter_context(self._store.open(store_keys.bundle_key(bundle_id)))
        listed, found_manifest = _read_manifest(stream)
        if manifest not in ("", found_manifest):
            raise _AlteredError(
                tr("the bundle was altered: the index of the store names another manifest")
            )
        bundle = BundleFiles(stream)
        found = recorded_pictures(bundles.read_record(stream), bundle.names())
        chosen = next((kind for kind in kinds if kind in found), None)
        if chosen is None:
            raise SnapshotterError(tr("the capture has no picture"))
        picture = found[chosen]
        files, sources = list[BinaryIO](), dict[str, str]()
        for path in picture.paths:
            member = bundle.open(path)
            if member is None:
                raise SnapshotterError(tr("the bundle has no {path}", path=path))
            copy = tempfile.TemporaryFile(prefix="snapshotter-preview-")  # noqa: SIM115  below
            stack.callback(copy.close)
            sha256 = hashlib.sha256()
            with member:
                while chunk := member.read(CHUNK):
                    sha256.update(chunk)
                    copy.write(chunk[:most])
                    most -= min(len(chunk), most)
            copy.seek(0)
            files.append(copy)
            sources[path] = sha256.hexdigest()
            if listed.get(path) != sources[path]:
                raise _AlteredError(
                    tr("the bundle was altered: its manifest lists another {path}", path=path)
                )
        return chosen, picture, files, _MadeOf(manifest=found_manifest, files=sources)


class _AlteredError(EvidenceInvalid):
    """The files of a bundle are not those that its manifest lists, or not those of the index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _MadeOf:
    """What a preview was made of; the first line of its file."""

    manifest: str = ""  # SHA-256 of the manifest of the bundle
    files: Mapping[str, str] = field(default_factory=dict)  # SHA-256 of the PNG files, by path

    @property
    def head(self) -> bytes:
        """The line."""
        return json.dumps({"manifest": self.manifest, "files": self.files}).encode() + b"\n"

    @classmethod
    def split(cls, data: bytes) -> tuple["_MadeOf", bytes]:
        """Return the line and what follows. Raises SnapshotterError: the line is invalid."""
        head, _, made = data.partition(b"\n")
        try:
            found = json.loads(head)
            manifest, files = found["manifest"], dict(found["files"])
        except (ValueError, LookupError, TypeError) as error:
            raise SnapshotterError(tr("the preview is damaged")) from error
        if not all(isinstance(text, str) for text in (manifest, *files, *files.values())):
            raise SnapshotterError(tr("the preview is damaged"))
        return cls(manifest=manifest, files=files), made

    def is_of(self, digests: Mapping[str, str]) -> bool:
        """Return whether the preview was made of files with these digests."""
        return bool(self.files) and all(
            digests.get(path) == sha256 for path, sha256 in self.files.items()
        )


def _read_manifest(stream: BinaryIO) -> tuple[Mapping[str, str], str]:
    """Return what the manifest of a bundle lists, and its SHA-256. Raises EvidenceInvalid."""
    data = BundleMembers(stream).read(names.MANIFEST_SHA256, limit=manifests.MAX_BYTES)
    return manifests.parse(data), hashlib.sha256(data).hexdigest()
