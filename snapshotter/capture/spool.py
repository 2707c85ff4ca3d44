"""
Write the files of a capture to disk, and digest each once while it is written.

An artifact exists when its file is whole. A file that could not be finished is removed and listed
nowhere, so a list of artifacts never names an incomplete file.
"""

import contextlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

from snapshotter.formats.digest import DigestingWriter
from snapshotter.model.capture import Artifact
from snapshotter.ports import Clock

_ASIDE = ".aside"  # in the root: files that are being taken anew
ARTIFACT_BYTES = 1 << 30  # most bytes of one artifact; a capture's own limits lie far below


class Spool:
    """
    Files of one capture below `root`, under the paths that they have in the bundle.

    Args:
        root: A directory of ours.
        limit: Most bytes of one artifact.
    """

    def __init__(self, root: Path, clock: Clock, *, limit: int = ARTIFACT_BYTES) -> None:
        self._root = root
        self._clock = clock
        self._limit = limit
        self._artifacts: list[Artifact] = []
        self._aside: list[Artifact] = []

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """The finished artifacts, in the order in which they were made."""
        return tuple(self._artifacts)

    @contextmanager
    def create(
        self, path: str, media_type: str, *, step: str, note: str = ""
    ) -> Iterator[DigestingWriter]:
        """
        Open one artifact for writing; it counts when the block ends without an error.

        Raises:
            FileNotFoundError: The root was removed.
            SnapshotterError: It grew beyond the limit; nothing of it is left.
        """
        made_at = self._clock.now()
        file = self._root / path
        self._make_folder(PurePosixPath(path).parent)
        try:
            with file.open("xb") as stream:
                writer = DigestingWriter(stream, limit=self._limit)
                yield writer
        except BaseException:  # also a cancelled task: half a file is no artifact
            file.unlink(missing_ok=True)
            raise
        self._artifacts.append(
            Artifact(
                path=path,
                media_type=media_type,
                file=file,
                digests=writer.digests(),
                step=step,
                made_at=made_at,
                note=note,
            )
        )

    def write(self, path: str, media_type: str, data: bytes, *, step: str, note: str = "") -> None:
        """Write one artifact whole."""
        with self.create(path, media_type, step=step, note=note) as out:
            out.write(data)

    def set_aside(self, steps: Collection[str], *, but: str = "") -> None:
        """
        Set the files of these steps aside, which will be taken again; see `put_back`.

        Files that were set aside before are removed.

        Args:
            but: The path of a file of theirs that stays.
        """
        self._drop_aside()
        folder = self._root / _ASIDE
        folder.mkdir(exist_ok=True)
        for number, artifact in enumerate(self.artifacts):
            if artifact.step in steps and artifact.path != but:
                file = artifact.file.rename(folder / str(number))
                self._artifacts.remove(artifact)
                self._aside.append(replace(artifact, file=file))

    def remove(self, steps: Collection[str]) -> None:
        """Remove the files of these steps for good."""
        for artifact in self.artifacts:
            if artifact.step in steps:
                artifact.file.unlink(missing_ok=True)
                self._artifacts.remove(artifact)

    def put_back(self) -> None:
        """Restore the files of steps that made none in the new take; remove the other ones."""
        made = {artifact.step for artifact in self._artifacts}
        for artifact in tuple(self._aside):
            if artifact.step not in made:
                self._aside.remove(artifact)
                file = artifact.file.rename(self._root / artifact.path)
                self._artifacts.append(replace(artifact, file=file))
        self._drop_aside()

    def keep_aside(self, path: str, new_path: str, note: str) -> bool:
        """Keep a file that was set aside under another name; return whether there is one."""
        for artifact in self._aside:
            if artifact.path == path:
                self._aside.remove(artifact)
                file = artifact.file.rename(self._root / new_path)
                full_note = f"{artifact.note}, {note}"
                self._artifacts.append(replace(artifact, path=new_path, file=file, note=full_note))
                return True
        return False

    def _make_folder(self, path: PurePosixPath) -> None:
        """
        Make a folder below the root, and never the root.

        The root is gone when a thread of a capture that was given up still writes. Nobody would
        remove it again, because no lock says whose it is.
        """
        folder = self._root
        for name in path.parts:
            folder /= name
            folder.mkdir(exist_ok=True)

    def _drop_aside(self) -> None:
        for artifact in self._aside:
            artifact.file.unlink(missing_ok=True)
        self._aside = []
        with contextlib.suppress(FileNotFoundError):
            (self._root / _ASIDE).rmdir()


def encode_utf8(text: str) -> bytes:
    """
    Return a browser's string as UTF-8.

    Strings of JavaScript may hold half of a surrogate pair, which has no UTF-8
    form; it becomes U+FFFD, as browsers do it.
    """
    return replace_lone_surrogates(text).encode()


def replace_lone_surrogates(text: str) -> str:
    """Return a browser's string with U+FFFD for each lone half of a surrogate pair."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
