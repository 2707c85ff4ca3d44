"""
Start the browser in a network namespace that has only a loopback interface, so that the guard is
its only exit.

The browser is started inside a new user and network namespace (Linux; user_namespaces(7),
network_namespaces(7)). One listening socket is made in it and handed out to us; the guard accepts
on it. UDP, DNS and connections to anything else end in the kernel. No privileges are needed for
this. Some systems forbid it: `find_obstacle` returns the reason.
"""

import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path

from snapshotter.egress.file_view import FileView
from snapshotter.errors import ServiceUnavailable
from snapshotter.translation import tr

PORT = 3128  # inside: nothing else listens in that network
_UID = 1000  # any but 0: Chromium refuses its sandbox to a user 0
_PROBE_S = 5.0
_WORDS = 200  # characters of what an attempt said
_PATH_BYTES = 107  # of a Unix socket's path (unix(7), sun_path with its zero)
_ENTER = Path(__file__).with_name("enter.py")
# Runs the file that its first argument names, and keeps it compiled as an import does. An import
# would list the directory, which a file view does not allow.
_RUN = """\
import sys, _frozen_importlib_external as files
names = {"__name__": "enter"}
exec(files.SourceFileLoader("enter", sys.argv[1]).get_code("enter"), names)
sys.exit(names["main"](sys.argv[2:]))
"""

USER, USER_AND_NET, NONE = "user", "user,net", "none"
_SANDBOX = "sandbox"

# Commands that were tried in this process, and what each complained about.
_tried: dict[tuple[str, ...], str] = {}


class HandoverFailed(ServiceUnavailable):
    """The browser's network did not hand out its socket."""


class ProbeNotPossible(ServiceUnavailable):
    """The machine was too busy for a test, which therefore has no result."""


def namespace_command(
    namespaces: str, meeting: Path | None = None, view: FileView | None = None
) -> tuple[str, ...]:
    """
    Return a command's prefix, so that it runs in new namespaces and sees few files.

    Without any namespace the program still ends with its parent.

    Args:
        namespaces: `USER_AND_NET`, `USER` or `NONE`.
        meeting: Where a `ListenerHandover` waits.
        view: The files that the program may see; all that its user may open if not given.
    """
    # An ordinary user keeps their number; root gets one to which Chromium gives its sandbox.
    uid = os.geteuid() or _UID
    # Not the link of a virtual environment: that may lie where the view does not reach.
    start = (os.path.realpath(sys.executable), "-I", "-S", "-c", _RUN, str(_ENTER))
    words = (namespaces, str(uid), str(meeting or "-"), str(PORT))
    return (*start, *words, view.text() if view is not None else "-")


def find_sandbox_obstacle(namespaces: str) -> str:
    """
    Return why Chromium's sandbox does not work inside such namespaces; "" if it does.

    Chromium makes namespaces of its own and enters an empty directory (chroot(2)) in them. If that
    fails, its messages differ, and there may be none.

    Raises:
        ProbeNotPossible: Unknown.
    """
    return _failure([*namespace_command(namespaces), *namespace_command(_SANDBOX), "/bin/true"])


def find_obstacle(namespaces: str) -> str:
    """
    Start a program in such namespaces as a test; return why that fails, "" if it works.

    Raises:
        ProbeNotPossible: Unknown.
    """
    if not sys.platform.startswith("linux"):
        return "this system does not support network namespaces"
    if why := _failure(_trial(namespaces)):
        return f"a {namespaces.replace(',', ' and ')} namespace cannot be created: {why}"
    return ""


def was_tried(namespaces: str) -> bool:
    """Return whether `find_obstacle` knows its result without starting a program."""
    return tuple(_trial(namespaces)) in _tried


def _trial(namespaces: str) -> list[str]:
    return [*namespace_command(namespaces), "/bin/true"]


def _failure(arguments: list[str]) -> str:
    """
    Run a command that should do nothing, once a process; return its error message.

    If the machine was too busy, the result is not remembered and is no failure: else a worker would
    run without a network of the browser's own, or report that it has no sandbox.
    """
    known = tuple(arguments)
    if known in _tried:
        return _tried[known]
    try:
        done = subprocess.run(  # noqa: S603 - our own script
            arguments, capture_output=True, text=True, timeout=_PROBE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProbeNotPossible(
            tr("the namespaces of this system could not be tested: {error}", error=error)
        ) from error
    words = done.stderr.strip()[:_WORDS] or f"exit status {done.returncode}"
    return _tried.setdefault(known, words if done.returncode else "")


class ListenerHandover:
    """
    Receives the socket from inside, once.

    Args:
        directory: One of ours that nobody else may enter, with a short path.
    """

    def __init__(self, directory: Path) -> None:
        self.meeting = directory / "exit"
        if len(os.fsencode(self.meeting)) > _PATH_BYTES:
            raise ValueError(f"the path {self.meeting} is too long for a Unix socket")
        self._expecting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._expecting.bind(str(self.meeting))
            self.meeting.chmod(0o666)  # root's browser is another user, and the directory private
            self._expecting.listen(1)
        except OSError:
            self._expecting.close()
            raise

    def receive(self, timeout_s: float) -> socket.socket:
        """
        Wait for the socket and return it; the caller closes it.

        Raises:
            HandoverFailed: None was received, or this was closed meanwhile.
        """
        descriptors: list[int] = []
        try:
            self._expecting.settimeout(timeout_s)
            there, _ = self._expecting.accept()
            with there:
                there.settimeout(timeout_s)
                _, descriptors, _, _ = socket.recv_fds(there, 1, 1)
        except OSError as error:
            raise HandoverFailed(
                tr("the network socket of the browser was not received: {error}", error=error)
            ) from error
        if not descriptors:
            raise HandoverFailed(
                tr("the network socket of the browser was not received: the message has no socket")
            )
        return socket.socket(fileno=descriptors[0])

    def close(self) -> None:
        """Stop waiting; a `receive` that waits ends. Safe to call twice."""
        with contextlib.suppress(OSError):  # nobody waits
            self._expecting.shutdown(socket.SHUT_RDWR)
        self._expecting.close()
        self.meeting.unlink(missing_ok=True)
