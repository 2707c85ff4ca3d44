"""
Become another program in a network of its own, whose one way out is a socket of ours.

A program, run as `python -I -S enter.py …` in the browser's place, before it:
it unshares what it is told to, hands a listening socket from inside to whoever
waits outside, and becomes the browser under the same process id. It costs every
launch, so it imports next to nothing (`socket` alone would take 7 ms).

    enter.py NAMESPACES UID MEETING PORT COMMAND [ARGUMENT…]

NAMESPACES is "user,net", "user", "sandbox" (what Chromium wants for its own: tried, and not of
use for anything else) or "none"; UID what our user is called inside;
MEETING the path of a Unix socket that expects us ("-": nobody does).
`namespace.py` is the other side.
"""

import _socket
import ctypes
import fcntl
import os
import signal
import sys

_CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = 0x1000_0000, 0x2000_0000, 0x4000_0000  # unshare(2)
_FLAGS = {
    "none": 0,
    "user": _CLONE_NEWUSER,
    "user,net": _CLONE_NEWUSER | _CLONE_NEWNET,
    "sandbox": _CLONE_NEWUSER | _CLONE_NEWPID | _CLONE_NEWNET,
}
_PR_SET_PDEATHSIG = 1  # prctl(2)
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1  # netdevice(7)
_BACKLOG = 512
_FAILED = 71  # EX_OSERR


class Obstacle(Exception):
    """A step that the system does not allow."""


def unshare(flags: int) -> None:
    """Leave namespaces for new ones (Python has this call from 3.12 on)."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(flags):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def map_user(uid: int, gid: int, inside: int) -> None:
    """Give our one user and group a name inside (user_namespaces(7)); needs no helper."""
    for name, line in (
        ("setgroups", "deny"),  # or an ordinary user may not map the group
        ("gid_map", f"{inside} {gid} 1"),
        ("uid_map", f"{inside} {uid} 1"),
    ):
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


def raise_loopback() -> None:
    """Bring the loopback device up: a new network has it, and it is down."""
    any_socket = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    # struct ifreq: the name in 16 bytes, the flags, and the rest of 40 bytes
    request = b"lo".ljust(16, b"\0") + _IFF_UP.to_bytes(2, sys.byteorder)
    fcntl.ioctl(any_socket.fileno(), _SIOCSIFFLAGS, request.ljust(40, b"\0"))
    any_socket.close()


def listener(port: int) -> _socket.socket:
    """Return a listening socket on loopback."""
    made = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    made.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    made.listen(_BACKLOG)
    return made


def hand_over(meeting: str, made: _socket.socket) -> None:
    """Send the descriptor of a socket to whoever waits at `meeting` (unix(7), SCM_RIGHTS)."""
    there = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    there.connect(meeting)
    number = made.fileno().to_bytes(4, sys.byteorder)
    there.sendmsg([b"+"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, number)])
    there.close()


def end_with_parent(parent: int) -> None:
    """Be killed when our parent ends, however it does. After `unshare`, which undoes it."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before we asked
        raise Obstacle("whoever started this is gone")


def enter(namespaces: str, inside: int, meeting: str, port: int) -> None:
    """
    Do all of it. What can not be done raises, and the browser is not started.

    Raises:
        Obstacle: It says which step was not allowed.
    """
    parent = os.getppid()
    uid, gid = os.geteuid(), os.getegid()
    step = "unshare"
    try:
        if namespaces != "none":
            unshare(_FLAGS[namespaces])
            step = "mapping the user"
            map_user(uid, gid, inside)
        if namespaces == "user,net":
            # Where a security module takes the rights away again, it shows here.
            step = "bringing loopback up"
            raise_loopback()
            step = "listening inside"
            made = listener(port)
            if meeting != "-":
                step = "handing the socket over"
                hand_over(meeting, made)
            made.close()
        if namespaces == "sandbox":
            step = "chroot"
            os.chroot("/")
    except OSError as error:
        raise Obstacle(f"{step}: {error.strerror}") from error
    end_with_parent(parent)


def main(arguments: list[str]) -> int:
    """Run; returns only when something was in the way."""
    namespaces, inside, meeting, port, *command = arguments
    try:
        enter(namespaces, int(inside), meeting, int(port))
        os.execv(command[0], command)  # noqa: S606 - the command is our caller's
    except (Obstacle, OSError) as error:
        os.write(2, f"{error}\n".encode())
    return _FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
