"""Other users of this machine are not let out through a guard on loopback."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from snapshotter.egress import peer_owner
from tests.servers.tcp import Server
from tests.unit.egress.parts import client, connect, ended, guarding

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux says whose a connection is"
)
STRANGER = 65_534  # nobody


@contextlib.contextmanager
def connected() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield both ends of a connection over loopback: the one that asked, and the other."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        there = socket.create_connection(server.getsockname())
        here, _ = server.accept()
        with there, here:
            yield there, here


def as_another_user(script: str) -> str:
    """Run a script of bash as nobody, and return what it says."""
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    done = subprocess.run(
        ["/bin/bash", "-c", f"trap '' PIPE; {script}"],  # a connection may be reset under it
        user=STRANGER, group=STRANGER, extra_groups=[], cwd="/", env={},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    return done.stdout


def test_the_owner_of_a_connection_is_the_user_of_its_other_end() -> None:
    with connected() as (_, here):
        assert peer_owner.owner(here) == os.geteuid()


def test_a_connection_that_was_closed_again_is_nobodys() -> None:
    """The kernel calls what is left of it root's."""
    with connected() as (there, here):
        there.close()
        assert peer_owner.owner(here) is None


def test_another_user_gets_no_byte_and_no_place_and_one_line_in_the_record() -> None:
    with Server(lambda _: None) as server, guarding() as (guard, port):
        ask = f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\\r\\n\\r\\n"
        said = as_another_user(
            f"for n in 1 2 3; do exec 3<>/dev/tcp/127.0.0.1/{port} && echo connected;"
            f" printf '{ask}' >&3; head -c 9 <&3; done"
        )
        with client(port) as sock:
            assert connect(sock, f"127.0.0.1:{server.port}").startswith(b"HTTP/1.1 200 ")
        ended(guard, 2)
        refused, ours = guard.connections()
        assert server.accepted == 1

    assert said == "connected\n" * 3
    assert (refused.refusal, refused.bytes_received) == ("other-user", 0)
    assert refused.detail == (
        "connections from other users of this machine were refused: 3; "
        f"the last refused connection came from user {STRANGER}"
    )
    assert ours.refusal == ""


def test_another_user_who_is_gone_at_once_is_not_taken_for_root() -> None:
    with Server(lambda _: None) as server, guarding() as (guard, port):
        ask = f"GET http://127.0.0.1:{server.port}/ HTTP/1.0\\r\\n\\r\\n"
        as_another_user(
            f"for n in {{1..20}}; do printf '{ask}' >/dev/tcp/127.0.0.1/{port}; done; true"
        )
        with client(port) as sock:
            connect(sock, f"127.0.0.1:{server.port}")
        ended(guard, 2)

        assert server.accepted == 1
        assert guard.connections()[0].refusal == "other-user"
