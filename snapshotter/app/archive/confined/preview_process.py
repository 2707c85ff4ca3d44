"""
Start the process that decodes pictures (`preview_main.py`), and read what it makes.

What the process returns is not trusted more than the picture: each preview must have the expected
form and length, and pages load it as a picture only.
"""

import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Final

from snapshotter.app.archive.confined import preview_main
from snapshotter.errors import SnapshotterError
from snapshotter.report.thumbnails import MAX_BYTES, Thumbnails
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_TIMEOUT_S: Final[Mapping[str, float]] = {preview_main.THUMBNAIL: 30.0, preview_main.PICTURE: 120.0}
_MAX_PICTURE: Final = 64 << 20  # bytes of all pieces
_MAX_PIECES: Final = 1_000
_MAX_HEAD: Final = 1 << 20  # bytes of the description
_MAX_SIZE: Final = 1 << 20  # pixels of a side
_log = logging.getLogger(__name__)
_WEBP: Final = (b"RIFF", b"WEBP")
_JPEG: Final = b"\xff\xd8\xff"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewPiece:
    """A part of a picture, from the left edge. CSS pixels."""

    top: int
    width: int
    height: int
    data: bytes  # JPEG


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewPicture:
    """A copy of a picture for the screen, one pixel to a CSS pixel."""

    width: int
    height: int
    is_cut: bool  # the picture goes on below
    is_narrowed: bool  # the picture goes on at the right
    pieces: tuple[PreviewPiece, ...]  # from the top, edge to edge


class ProcessEnded(SnapshotterError):
    """
    A process ended without a result: by its limits, by the timer, or by the end of the server.

    Attributes:
        code: Its exit code; negative: the number of a signal.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A process that waits for its files at the other end of a socket."""

    process: subprocess.Popen[bytes]
    socket: socket.socket


class PreviewProcesses:
    """
    Starts a process for each picture, and ends all of them when the server ends.

    Args:
        command: Of the process, without the arguments of a picture.
        timeout_s: For which a process may run, by the kind of its work.
    """

    def __init__(
        self,
        command: Sequence[str] = (sys.executable, "-I", "-m", preview_main.__name__),
        *,
        timeout_s: Mapping[str, float] = _TIMEOUT_S,
    ) -> None:
        self._command = tuple(command)
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._running = set[subprocess.Popen[bytes]]()
        self._prepared = dict[tuple[str, ...], _Waiting]()  # by command
        self._is_stopped = False

    def make_thumbnails(self, files: Sequence[BinaryIO]) -> Thumbnails:
        """
        Return the thumbnails of a picture.

        Args:
            files: Its PNG files, real files, each at its beginning.

        Raises:
            SnapshotterError: The picture cannot be read, or reading it took too long.
        """
        described, data = _split(
            self._run(preview_main.THUMBNAIL, files, scale=1, most=2 * MAX_BYTES)
        )
        clear, blurred = (_number(described, name, MAX_BYTES) for name in ("clear", "blurred"))
        parts = (data[:clear], data[clear:])
        if len(parts[1]) != blurred or not all(map(_is_webp, parts)):
            raise _strange()
        return Thumbnails(clear=parts[0], blurred=parts[1])

    def make_picture(self, files: Sequence[BinaryIO], scale: int) -> bytes:
        """
        Return a copy of a picture, which `parse_picture` reads.

        Args:
            files: As for `make_thumbnails`.
            scale: Device pixels a CSS pixel.

        Raises:
            SnapshotterError: The picture cannot be read, or reading it took too long.
        """
        made = self._run(preview_main.PICTURE, files, scale=scale, most=_MAX_PICTURE)
        parse_picture(made)
        return made

    def run(
        self,
        command: Sequence[str],
        files: Sequence[BinaryIO],
        *,
        timeout_s: float,
        most: int,
    ) -> bytes:
        """
        Return what another program writes that reads a stranger's files.

        Args:
            command: Of the process. The descriptors of the files are its further arguments.
            files: Real files, each at its beginning.
            most: Bytes of the output.

        Raises:
            SnapshotterError: The program failed, wrote more, or took too long.
        """
        with _to_read(files) as numbers:
            process = self._start([*command, *map(str, numbers)], numbers)
        return self._output(process, timeout_s=timeout_s, most=most)

    def run_prepared(
        self,
        command: Sequence[str],
        files: Sequence[BinaryIO],
        *,
        timeout_s: float,
        most: int,
    ) -> bytes:
        """
        As `run`, with a process that has loaded its code already and waits for its files.

        Each process reads the files of one call. Then the next one is started, so that only the
        first call waits until the code is loaded.

        Args:
            command: Of the process, which reads the descriptors from its standard input
                (`received_files`).
        """
        waiting = self._waiting(command)
        if waiting is not None and not _send(waiting, files):  # somebody has ended it
            self._end(waiting)
            waiting = None
        if waiting is None:
            waiting = self._begin_waiting(command)
            _send(waiting, files)  # of a process that has ended, the exit code tells why
        try:
            return self._output(waiting.process, timeout_s=timeout_s, most=most)
        finally:
            self._prepare(command)

    def _start(
        self,
        command: Sequence[str],
        passed: Sequence[int] = (),
        stdin: int = subprocess.DEVNULL,
    ) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._is_stopped:
                raise SnapshotterError(tr("the console is ending"))
            process = subprocess.Popen(  # noqa: S603  our own program, with numbers as arguments
                command,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={},
                cwd="/",
                pass_fds=passed,
                start_new_session=True,
            )
            self._running.add(process)
        return process

    def _begin_waiting(self, command: Sequence[str]) -> _Waiting:
        """Start a process that waits for its files."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                return _Waiting(self._start(command, stdin=theirs.fileno()), ours)
            except BaseException:  # also Ctrl-C: no caller has the socket, to close it
                ours.close()
                raise

    def _waiting(self, command: Sequence[str]) -> _Waiting | None:
        """Return the process that was started ahead, if there is one."""
        with self._lock:
            return self._prepared.pop(tuple(command), None)

    def _prepare(self, command: Sequence[str]) -> None:
        """Start a process for the next call, unless there is one."""
        try:
            made = self._begin_waiting(command)
        except (OSError, SnapshotterError) as error:  # the next call starts its own
            _log.info("no process was started ahead: %s", error)
            return
        with self._lock:
            is_needed = not self._is_stopped and tuple(command) not in self._prepared
            if is_needed:
                self._prepared[tuple(command)] = made
        if not is_needed:
            self._end(made)

    def _end(self, waiting: _Waiting) -> None:
        waiting.socket.close()
        process = waiting.process
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
        with self._lock:
            self._running.discard(process)

    def _output(self, process: subprocess.Popen[bytes], *, timeout_s: float, most: int) -> bytes:
        """Return what a process writes until it ends; raises as `run`."""
        timer = threading.Timer(timeout_s, process.kill)
        timer.start()
        assert process.stdout is not None  # noqa: S101  for the type checker
        try:
            output = process.stdout.read(most + 1)
            if len(output) > most:
                process.kill()
            code = process.wait()
        finally:
            timer.cancel()
            process.kill()
            process.wait()
            process.stdout.close()
            with self._lock:
                self._running.discard(process)
        if len(output) > most:
            raise _strange()
        if code == preview_main.UNREADABLE:
            raise SnapshotterError(tr("the picture cannot be read"))
        if code:  # its limits, the timer or the end of the server
            raise ProcessEnded(
                tr("reading the capture took too long, or needed too much memory"), code
            )
        return output

    def stop(self) -> None:
        """End all processes; those who wait for one get an error."""
        with self._lock:
            self._is_stopped = True
            for process in self._running:
                process.kill()
            prepared = list(self._prepared.values())
            self._prepared.clear()
        for waiting in prepared:
            self._end(waiting)

    def _run(self, kind: str, files: Sequence[BinaryIO], *, scale: int, most: int) -> bytes:
        """Return what the process wrote about a picture."""
        return self.run(
            [*self._command, kind, str(scale)],
            files,
            timeout_s=self._timeout_s[kind],
            most=_MAX_HEAD + most,
        )


def _send(waiting: _Waiting, files: Sequence[BinaryIO]) -> bool:
    """Hand files to a process; return whether it was there to receive them."""
    with waiting.socket, _to_read(files) as numbers:
        try:
            socket.send_fds(waiting.socket, [b"f"], numbers)
        except OSError:  # the other end is closed
            return False
    return True


@contextlib.contextmanager
def _to_read(files: Sequence[BinaryIO]) -> Iterator[Sequence[int]]:
    """Yield descriptors of files for a process that must not change them, until the end."""
    with contextlib.ExitStack() as opened:
        numbers = list[int]()
        for file in files:
            numbers.append(_open_to_read(file))
            opened.callback(os.close, numbers[-1])
        yield numbers


def _open_to_read(file: BinaryIO) -> int:
    """
    Return a descriptor of a file for a process that must not change the file.

    Our own descriptor of a temporary file can write. A process that a bundle took over could change
    the copy that it verified, through a shared mapping if not by a call.
    """
    number = file.fileno()
    try:
        return os.open(f"/dev/fd/{number}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # no such folder here: limits of the process still forbid calls that write
        return os.dup(number)


def parse_picture(data: bytes) -> PreviewPicture:
    """
    Return a picture that the process made.

    Raises:
        SnapshotterError: The data do not have the expected form.
    """
    described, data = _split(data)
    found = described.get("pieces")
    if not isinstance(found, list) or not 1 <= len(found) <= _MAX_PIECES:
        raise _strange()
    pieces, at = [], 0
    for piece in found:
        length = _number(piece, "length", len(data) - at)
        pieces.append(
            PreviewPiece(
                top=_number(piece, "top", _MAX_SIZE),
                width=_number(piece, "width", _MAX_SIZE),
                height=_number(piece, "height", _MAX_SIZE),
                data=data[at : at + length],
            )
        )
        at += length
    if at != len(data) or not all(piece.data.startswith(_JPEG) for piece in pieces):
        raise _strange()
    return PreviewPicture(
        width=_number(described, "width", _MAX_SIZE),
        height=_number(described, "height", _MAX_SIZE),
        is_cut=described.get("cut") is True,
        is_narrowed=described.get("narrowed") is True,
        pieces=tuple(pieces),
    )


def _split(output: bytes) -> tuple[Mapping[str, Any], bytes]:
    """Return the description of previews, and their bytes."""
    head = output[:_MAX_HEAD].partition(b"\n")[0]
    try:
        described = json.loads(head)
    except ValueError as error:
        raise _strange() from error
    if not isinstance(described, dict):
        raise _strange()
    return described, output[len(head) + 1 :]


def _number(described: Any, name: str, most: int) -> int:
    value = described.get(name) if isinstance(described, dict) else None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise _strange()
    return value


def _is_webp(data: bytes) -> bool:
    return (data[:4], data[8:12]) == _WEBP


def _strange() -> SnapshotterError:
    return SnapshotterError(tr("the process that reads pictures did not answer as expected"))
