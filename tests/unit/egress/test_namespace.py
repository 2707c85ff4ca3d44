"""A network of its own: one way out, none beside it, and nobody left behind in it."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from snapshotter.egress import file_view, namespace

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="network namespaces are Linux'"
)

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def handover(tmp_path: Path) -> Iterator[namespace.ListenerHandover]:
    if why := namespace.find_obstacle(namespace.USER_AND_NET):
        pytest.skip(why)
    made = namespace.ListenerHandover(tmp_path)
    yield made
    made.close()


def inside(
    handover: namespace.ListenerHandover, script: str, *arguments: str
) -> "subprocess.Popen[str]":
    """Start a Python script in a network of its own."""
    before = namespace.namespace_command(namespace.USER_AND_NET, handover.meeting)
    return subprocess.Popen(
        [*before, sys.executable, "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_the_socket_from_inside_is_the_one_way_out(handover: namespace.ListenerHandover) -> None:
    script = f"""
import socket
there = socket.create_connection(("127.0.0.1", {namespace.PORT}))
there.sendall(b"let me out")
print(there.recv(10).decode())
"""
    with inside(handover, script) as process:
        with handover.receive(5) as way_out:
            asking, _ = way_out.accept()
            with asking:
                assert asking.recv(20) == b"let me out"
                asking.sendall(b"come")
        out, _ = process.communicate(timeout=10)

    assert (process.returncode, out) == (0, "come\n")


def test_nothing_else_is_reached_not_even_by_udp(handover: namespace.ListenerHandover) -> None:
    script = """
import socket, sys
port = int(sys.argv[1])
for host in ("127.0.0.1", "127.0.0.2"):
    try:
        socket.create_connection((host, port), timeout=5)
    except ConnectionRefusedError:
        print("refused")
for family, address in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
    try:
        socket.socket(family, socket.SOCK_DGRAM).connect((address, 53))
    except OSError as error:
        print(error.strerror)
sent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sent.sendto(b"a datagram", ("127.0.0.1", port))
print(sorted(name for _, name in socket.if_nameindex()))
"""
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(
        socket.AF_INET, socket.SOCK_DGRAM
    ) as udp:  # fmt: skip
        port = tcp.getsockname()[1]
        udp.bind(("127.0.0.1", port))
        for udp_or_tcp in (tcp, udp):
            udp_or_tcp.setblocking(False)
        with inside(handover, script, str(port)) as process:
            handover.receive(5).close()
            out, _ = process.communicate(timeout=20)

        with pytest.raises(BlockingIOError):
            tcp.accept()
        with pytest.raises(BlockingIOError):
            udp.recv(100)
    assert process.returncode == 0
    assert out.splitlines()[:2] == ["refused"] * 2
    assert out.splitlines()[2:4] == ["Network is unreachable"] * 2
    assert "lo" in out.splitlines()[4]
    assert "eth" not in out


def test_the_program_has_no_rights_inside_and_is_never_called_root(
    handover: namespace.ListenerHandover,
) -> None:
    script = """
import os, pathlib
print(os.getuid(), os.geteuid(), os.getgid())
print(*[it for it in pathlib.Path("/proc/self/status").read_text().splitlines() if "CapEff" in it])
"""
    with inside(handover, script) as process:
        handover.receive(5).close()
        out, _ = process.communicate(timeout=10)

    uid = os.geteuid() or 1000
    assert out.splitlines() == [f"{uid} {uid} {uid}", f"CapEff:\t{0:016x}"]


@pytest.mark.parametrize("namespaces", [namespace.USER_AND_NET, namespace.NONE])
def test_the_program_ends_with_the_one_that_started_it(namespaces: str) -> None:
    if namespaces != namespace.NONE and (why := namespace.find_obstacle(namespaces)):
        pytest.skip(why)
    command = [*namespace.namespace_command(namespaces), "/bin/sh", "-c", "echo $$; exec sleep 60"]
    starter = f"import subprocess, time; subprocess.Popen({command!r}); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", starter], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait(10)

    deadline = time.monotonic() + 10
    while _lives(child):
        assert time.monotonic() < deadline, "it outlived its parent"
        time.sleep(0.01)


def test_where_namespaces_are_forbidden_that_is_said(no_namespaces: tuple[str, ...]) -> None:
    script = "from snapshotter.egress import namespace as n; print(n.find_obstacle(n.USER_AND_NET))"
    done = subprocess.run(
        [*no_namespaces, sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.startswith("a user and net namespace cannot be created: unshare failed: ")


@pytest.mark.parametrize(
    ("forbidden", "why"),
    [
        ("chroot", "chroot failed: Operation not permitted"),
        ("net", "unshare failed: Operation not permitted"),
        ("loopback", ""),
    ],
)
def test_what_keeps_chromium_from_its_sandbox_is_said_by_the_call_that_failed(
    forbidden: str, why: str
) -> None:
    if reason := namespace.find_obstacle(namespace.USER):
        pytest.skip(reason)
    script = (
        "from snapshotter.egress import namespace as n; "
        "print(n.find_sandbox_obstacle(n.USER), end='')"
    )
    done = subprocess.run(
        [sys.executable, "-m", "tests.confined", forbidden, sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == why
    assert namespace.find_sandbox_obstacle(namespace.USER) == ""


def test_a_handover_that_nobody_comes_to_ends_in_time(handover: namespace.ListenerHandover) -> None:
    with pytest.raises(namespace.HandoverFailed, match="timed out"):
        handover.receive(0.05)


def test_closing_ends_a_wait(handover: namespace.ListenerHandover) -> None:
    met: list[BaseException] = []

    def wait() -> None:
        try:
            handover.receive(60)
        except namespace.HandoverFailed as error:
            met.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    handover.close()
    thread.join(10)

    assert not thread.is_alive()
    assert len(met) == 1
    assert not handover.meeting.exists()


def test_a_message_without_a_socket_is_no_way_out(handover: namespace.ListenerHandover) -> None:
    with socket.socket(socket.AF_UNIX) as there:
        there.connect(str(handover.meeting))
        there.sendall(b"+")

        with pytest.raises(namespace.HandoverFailed, match="the message has no socket"):
            handover.receive(5)


def _lives(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def test_a_machine_that_was_too_busy_to_try_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespace, "_tried", {})
    with monkeypatch.context() as busy:
        busy.setattr(namespace, "_PROBE_S", 0.0)
        with pytest.raises(namespace.ProbeNotPossible, match="could not be tested"):
            namespace.find_obstacle(namespace.NONE)

    assert namespace.find_obstacle(namespace.NONE) == ""
    assert len(namespace._tried) == 1  # and now it is known


def test_what_starts_a_confined_program_loads_few_modules_and_is_compiled_once() -> None:
    """It runs two or three times before each page is requested."""
    show = "print(*sorted(sys.modules), sep='\\n'); sys.exit()"
    first = namespace._RUN.partition("sys.exit(")[0]
    python, *flags, run, path = namespace.namespace_command(namespace.NONE)[:6]
    assert run == namespace._RUN
    kept = Path(cache_from_source(path))
    kept.unlink(missing_ok=True)

    done = subprocess.run(
        [python, *flags, first + show, path], capture_output=True, text=True, check=True
    )

    assert kept.exists()
    assert kept in file_view.interpreter()
    modules = done.stdout.split()
    assert not {"ctypes", "enum", "re", "signal", "socket", "typing"} & set(modules)
    assert len(modules) <= 40, modules
