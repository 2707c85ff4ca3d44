"""
Run commands of the product in forks of one interpreter that has imported the product already.

A command in an interpreter of its own spends up to two seconds of a core on imports, and on what
it does once in a process. Here one server for each process of tests does so once. For each command
it forks a process that gets the arguments, the working directory, the environment and the output
streams of the command, and runs the entry of `python -m snapshotter`. Some variables are read while
an interpreter starts or imports the product, so they have to be the server's own: see
`Prestarted.can_run`.
"""

import contextlib
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import snapshotter
from snapshotter.import_path import leave_out_working_directory
from tests.preloading import import_commands, prepare_captures

_READ_AT_START = ("PYTHON", "PLAYWRIGHT", "LANG", "LC_")  # names of variables begin so
_MOST = 1 << 18  # bytes of a request
_SHORT = 64  # bytes, at most, of an answer


class Prestarted:
    """
    A server of forks; it ends with `close`, and with this process. Commands may run side by side.

    Args:
        environment: Of the server's interpreter.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="prestarted-")
        self._address = str(Path(self._folder.name) / "socket")
        self._environment = dict(environment)
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.prestarted", self._address],
            cwd=self._folder.name,
            env=self._environment,
            stdin=subprocess.PIPE,  # its end is the end of the server
            stdout=subprocess.PIPE,
        )
        assert self._server.stdout is not None
        if not self._server.stdout.read(1):
            raise RuntimeError("the server of commands did not start: see its standard error")

    def can_run(self, environment: Mapping[str, str]) -> bool:
        """Return whether a new interpreter in this environment would be like the server's."""
        return _read_at_start(environment) == _read_at_start(self._environment)

    def run(
        self,
        arguments: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        timeout_s: float,
    ) -> "subprocess.CompletedProcess[str]":
        """Do what `subprocess.run` does, with nothing on standard input."""
        request = json.dumps([list(arguments), str(folder), dict(environment)]).encode()
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            server.connect(self._address)
            (out, their_out), (err, their_err) = os.pipe(), os.pipe()
            stack.callback(os.close, out)
            stack.callback(os.close, err)
            socket.send_fds(server, [request], [their_out, their_err])
            os.close(their_out)
            os.close(their_err)
            pid = int(server.recv(_SHORT))

            said = {out: b"", err: b"", server.fileno(): b""}
            waiting = set(said)
            end = time.monotonic() + timeout_s
            while waiting:
                ready, _, _ = select.select(waiting, [], [], max(0, end - time.monotonic()))
                if not ready:
                    os.kill(pid, signal.SIGKILL)
                    raise subprocess.TimeoutExpired(list(arguments), timeout_s)
                for descriptor in ready:
                    data = os.read(descriptor, 1 << 16)
                    said[descriptor] += data
                    if not data:
                        waiting.discard(descriptor)
            code = int(said[server.fileno()])
        return subprocess.CompletedProcess(arguments, code, _text(said[out]), _text(said[err]))

    def close(self) -> None:
        """End the server."""
        self._server.communicate()
        self._folder.cleanup()


def _read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: item for name, item in environment.items() if name.startswith(_READ_AT_START)}


def _text(data: bytes) -> str:
    """Return it with the line ends that `subprocess` makes of it."""
    return data.decode().replace("\r\n", "\n").replace("\r", "\n")


def serve(address: str) -> None:
    """
    Fork for each command that comes, until standard input ends.

    Returns in each process that is to run a command, with all set for `snapshotter.__main__`.
    """
    import_commands()
    prepare_captures()
    gc.collect()
    gc.freeze()  # a collection in a fork would copy all that it shares with the server
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(address)
        listener.listen()
        os.write(1, b"+")
        while True:
            ready, _, _ = select.select([listener.fileno(), 0], [], [])
            if 0 in ready:
                os._exit(0)
            connection, _ = listener.accept()
            waiter = os.fork()
            if not waiter:
                listener.close()
                _become_the_command(connection)
                return
            connection.close()
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


def _become_the_command(connection: socket.socket) -> None:
    """Return in a child that is a command; this process waits for it and tells its exit code."""
    request, streams, _, _ = socket.recv_fds(connection, _MOST, 2)
    command = os.fork()
    if command:
        for stream in streams:
            os.close(stream)
        connection.send(str(command).encode())
        _, status = os.waitpid(command, 0)
        connection.send(str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    connection.close()
    arguments, folder, environment = json.loads(request)
    streams.insert(0, os.open(os.devnull, os.O_RDONLY))
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [str(Path(snapshotter.__file__).with_name("__main__.py")), *arguments]


if __name__ == "__main__":
    leave_out_working_directory()
    serve(sys.argv[1])
    from snapshotter.__main__ import entry

    entry()
