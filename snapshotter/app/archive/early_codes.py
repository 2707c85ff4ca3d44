"""
Search the pictures of a capture for codes while they are made, in a thread of its own.

The parts of a picture are joined while the browser draws the next part. Their rows are inflated for
that, and each of them is searched at once, so that no picture is decoded a second time. What was
found counts only for a file with the same digest.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from snapshotter.lazy_module import LazyModule
from snapshotter.model.capture import Artifact, Picture

if TYPE_CHECKING:
    from snapshotter.app.archive import assessment as assessments
    from snapshotter.assess import qr
else:  # used when the page is photographed
    assessments = LazyModule("snapshotter.app.archive.assessment")
    qr = LazyModule("snapshotter.assess.qr")

_WAITING: Final = 16  # pieces of rows of at most a megabyte, which wait to be searched


class EarlyCodes:
    """The codes of a capture's pictures. One is made for each capture; see `PictureReader`."""

    def __init__(self) -> None:
        self._jobs: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()
        self._runs = False  # a thread does the jobs
        self._room = threading.BoundedSemaphore(_WAITING)
        self._searched: dict[str, qr.SearchedPicture] = {}  # by SHA-256 of the file
        self._pixels = 0  # of these
        self._shots: list[assessments.ShotPlace] = []
        self._sha256: list[str] = []
        self.search: assessments.CodeSearch | None = None  # of the pictures that were taken last

    def file(self) -> "RowsOfFile":
        """See `PictureReader.file`."""
        rows = RowsOfFile(self)
        if self._pixels >= qr.MAX_PIXELS:  # no more of one page are searched
            rows.give_up()
        return rows

    def taken(self, pictures: Sequence[Picture], artifacts: Sequence[Artifact]) -> None:
        """See `PictureReader.taken`."""
        record = assessments.record_of(pictures)
        if self.are_of(record, artifacts):
            return
        self._shots = assessments.shot_places(record)
        self._sha256 = assessments.sha256_of(artifacts, self._shots)
        files = assessments.SpooledFiles({made.path: made.file for made in artifacts})
        streams = contextlib.ExitStack()
        shots: Iterable[qr.Shot]
        try:
            # At once: pictures that are taken again have the same paths.
            shots = list(assessments.opened(self._shots, files, streams))
        except OSError:
            shots = assessments.opened(self._shots, files, streams)  # the search meets it again
        sha256 = {made.path: made.digests.sha256 for made in artifacts}
        known = (replace(shot, searched=self._searched.get(sha256[shot.path])) for shot in shots)
        self.search = assessments.CodeSearch(known, streams)
        self.put(self.search.run)

    def are_of(self, record: Mapping[str, Any], artifacts: Sequence[Artifact]) -> bool:
        """
        Return whether the codes are those of the pictures of a capture.

        Raises:
            EvidenceInvalid: The record is not valid.
        """
        shots = assessments.shot_places(record)
        is_same = shots == self._shots and assessments.sha256_of(artifacts, shots) == self._sha256
        return self.search is not None and is_same

    def put(self, job: Callable[[], None]) -> None:
        """Have something done by the thread, after what it has to do already."""
        with self._lock:
            self._jobs.append(job)
            if self._runs:
                return
            self._runs = True
        threading.Thread(target=self._run, name="early-codes", daemon=True).start()

    def put_rows(self, job: Callable[[], None]) -> None:
        """Do so as soon as few of such jobs are waiting."""

        def done() -> None:
            try:
                job()
            finally:
                self._room.release()

        self._room.acquire()
        self.put(done)

    def keep(self, sha256: str, searched: "qr.SearchedPicture") -> None:
        """Keep what was found in the file with this digest."""
        self._searched[sha256] = searched
        self._pixels += searched.width * searched.height

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._jobs:
                    self._runs = False
                    return
                job = self._jobs.popleft()
            job()


class RowsOfFile:
    """The rows of one file of a picture; see `PictureRows`."""

    def __init__(self, codes: EarlyCodes) -> None:
        self._codes = codes
        self._search: qr.RowSearch | None = None
        self._is_given_up = False

    def add(self, head: bytes, rows: bytes) -> None:
        """See `PictureRows.add`."""
        if not self._is_given_up:
            self._codes.put_rows(lambda: self._add(head, rows))

    def give_up(self) -> None:
        """See `PictureRows.give_up`."""
        self._is_given_up = True

    def end(self, sha256: str) -> None:
        """See `PictureRows.end`."""
        self._codes.put(lambda: self._end(sha256))

    def _add(self, head: bytes, rows: bytes) -> None:
        if self._is_given_up:
            return
        try:
            if self._search is None:
                self._search = qr.RowSearch()
            self._search.add(head, rows)
        except Exception:  # noqa: BLE001 - the finished file is searched, and meets the error again
            self._is_given_up = True

    def _end(self, sha256: str) -> None:
        if self._is_given_up or self._search is None:
            return
        try:
            searched = self._search.end()
        except Exception:  # noqa: BLE001 - as in `_add`
            return
        if searched is not None:
            self._codes.keep(sha256, searched)
