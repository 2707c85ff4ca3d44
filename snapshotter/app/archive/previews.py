"""
Make thumbnails and copies of pictures of captures in the background, once, and keep them.

A screenshot is decoded in a process of its own, which holds no key and can reach no network
(`preview_process`). Here the PNG files are only copied out of the bundle. A preview that cannot be
made has a reason, which stays until the process of the server ends.
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
from snapshotter.app.archive.index_service import ArchiveView
from snapshotter.app.archive.preview_folder import PreviewFolder
from snapshotter.app.archive.preview_process import (
    PreviewPicture,
    PreviewProcesses,
    parse_picture,
)
from snapshotter.app.archive.recorded_pictures import RecordedPicture, recorded_pictures
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats.bundle import store_keys
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
    sources: Mapping[str, str] = field(default_factory=dict)  # SHA-256 of its PNG files, by path


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
        self._failed: dict[tuple[str, str], str] = {}
        self._is_used = False  # a page has asked for a thumbnail
        self._newest = ""  # the newest capture when thumbnails were made before anybody asked
        self._is_tidy = False

    def stop(self) -> None:
        """End what is under way."""
        self._processes.stop()
        self._threads.shutdown(cancel_futures=True)

    def kept_thumbnail(self, bundle_id: str, *, is_blurred: bool) -> bytes | None:
        """Return a thumbnail that was made already; None otherwise. Raises ValueError: no id."""
        self._is_used = True
        return self._folder.read(bundle_id, BLURRED if is_blurred else CLEAR)

    def kept_picture(self, bundle_id: str) -> PictureResult:
        """Return a picture that was made already, or none. Raises ValueError: no id."""
        for kind, name in _KINDS.items():
            data = self._folder.read(bundle_id, name)
            if data is None:
                continue
            try:
                sources, made = _split_sources(data)
                return PictureResult(picture=parse_picture(made), kind=kind, sources=sources)
            except SnapshotterError:  # the file is damaged: it is made again
                continue
        return PictureResult(picture=None)

    def begin(self, bundle_id: str, name: str) -> Future[str]:
        """
        Begin to make a preview, unless it is being made already.

        Args:
            name: CLEAR or BLURRED, which are made together, or PICTURE.

        Returns:
            Why the preview cannot be made; "" when it is in the folder.
        """
        work = PICTURE if name == PICTURE else CLEAR
        key = bundle_id, work
        with self._lock:
            if key in self._waiting:
                return self._waiting[key]
            known = self._failed.get(key)
            if known is None and len(self._waiting) >= _MOST_WAITING:
                known = tr("many previews are being made. Load the page again later")
            if known is not None:
                done: Future[str] = Future()
                done.set_result(known)
                return done
            begun = self._threads.submit(self._make, bundle_id, work)
            self._waiting[key] = begun
        begun.add_done_callback(lambda _: self._forget(key))
        return begun

    def picture(
        self, bundle_id: str, *, timeout_s: float, digests: Mapping[str, str] | None = None
    ) -> PictureResult:
        """
        Return a copy of the picture of a capture; make it if there is none yet.

        Args:
            digests: SHA-256 of the files that were verified, by path. The copy is then of these
                files: one that was made while the store had others is made again. None: not
                checked.

        Raises:
            TimeoutError: It is not made in this time. It goes on being made.
            ValueError: It is not the id of a bundle.
        """
        kept = self.kept_picture(bundle_id)
        if kept.picture is not None and _is_of(kept.sources, digests):
            return kept
        if kept.picture is not None:
            self._folder.remove(bundle_id)
        problem = self.begin(bundle_id, PICTURE).result(timeout_s)
        kept = self.kept_picture(bundle_id)
        if kept.picture is None:
            return PictureResult(picture=None, problem=problem or tr("the picture was removed"))
        if _is_of(kept.sources, digests):
            return kept
        return PictureResult(
            picture=None,
            problem=tr(
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
        for bundle_id in ids:
            if not view.is_quarantined(bundle_id, kinds.get(bundle_id, ())) and not (
                self._folder.has(bundle_id, CLEAR)
            ):
                self.begin(bundle_id, CLEAR)

    def _forget(self, key: tuple[str, str]) -> None:
        with self._lock:
            self._waiting.pop(key, None)

    def _make(self, bundle_id: str, work: str) -> str:
        try:
            if work == PICTURE:
                self._make_picture(bundle_id)
            else:
                self._make_thumbnails(bundle_id)
        except (SnapshotterError, OSError, LookupError, TypeError, ValueError) as error:
            # A stranger may have written the bundle, so whatever is in it ends as a reason.
            problem = str(error) or type(error).__name__
            is_lasting = not isinstance(error, (ServiceUnavailable, OSError))
            with self._lock:
                if is_lasting and len(self._failed) < _MOST_FAILURES:
                    self._failed[bundle_id, work] = problem
            return problem
        return ""

    def _make_thumbnails(self, bundle_id: str) -> None:
        if self._folder.has(bundle_id, CLEAR) and self._folder.has(bundle_id, BLURRED):
            return
        with ExitStack() as stack:
            # The first view is small, and shows what a thumbnail shows.
            _, _, files, _ = self._open(bundle_id, stack, reversed(_KINDS), most=_MAX_TOP)
            made = self._processes.make_thumbnails(files)
        self._folder.put(bundle_id, BLURRED, made.blurred)
        self._folder.put(bundle_id, CLEAR, made.clear)

    def _make_picture(self, bundle_id: str) -> None:
        with ExitStack() as stack:
            kind, picture, files, sources = self._open(bundle_id, stack, _KINDS, most=_MAX_FILE)
            made = self._processes.make_picture(files, picture.scale)
        self._folder.put(bundle_id, _KINDS[kind], json.dumps(sources).encode() + b"\n" + made)

    def _open(
        self, bundle_id: str, stack: ExitStack, kinds: Iterable[PictureKind], *, most: int
    ) -> tuple[PictureKind, RecordedPicture, list[BinaryIO], dict[str, str]]:
        """
        Copy the PNG files of a picture out of a bundle, until the end of a `with` block.

        Args:
            kinds: Of pictures, the best first.
            most: Bytes of all files that are copied at most; the rest is left out.

        Returns:
            At last, the SHA-256 of what was copied, by path.
        """
        stream = stack.enter_context(self._store.open(store_keys.bundle_key(bundle_id)))
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
                while most > 0 and (chunk := member.read(min(CHUNK, most))):
                    most -= len(chunk)
                    copy.write(chunk)
                    sha256.update(chunk)
            copy.seek(0)
            files.append(copy)
            sources[path] = sha256.hexdigest()
        return chosen, picture, files, sources


def _is_of(sources: Mapping[str, str], digests: Mapping[str, str] | None) -> bool:
    """Return whether a copy was made of the files with these digests."""
    return digests is None or (
        bool(sources) and all(digests.get(path) == sha256 for path, sha256 in sources.items())
    )


def _split_sources(data: bytes) -> tuple[dict[str, str], bytes]:
    """Return the digests of the PNG files, and what the process made of them."""
    head, _, made = data.partition(b"\n")
    try:
        sources = json.loads(head)
    except ValueError as error:
        raise SnapshotterError(tr("the copy of a picture is damaged")) from error
    if not isinstance(sources, dict) or not all(isinstance(it, str) for it in sources.values()):
        raise SnapshotterError(tr("the copy of a picture is damaged"))
    return sources, made
