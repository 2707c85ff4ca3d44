"""
Find the user whose process is at the other end of a loopback connection.

A port of loopback is open to every user of the machine. The kernel knows who holds
the other end of a connection and lists it in a table (proc(5), /proc/net/tcp).
"""

import os
import socket
import struct
import sys
from pathlib import Path
from typing import Final

_TABLE: Final = Path("/proc/self/net/tcp")
_ESTABLISHED: Final = "01"  # include/net/tcp_states.h


def can_find_owner() -> bool:
    """Return whether this system has the table."""
    return sys.platform.startswith("linux") and os.access(_TABLE, os.R_OK)


def owner(accepted: socket.socket) -> int | None:
    """
    Return the number of the user who holds the other end of an accepted IPv4 connection.

    None if nobody holds it any more: the kernel forgets the owner of an end that is closed, and
    calls it root's.

    Raises:
        OSError: The table cannot be read.
    """
    wanted = (_spelled(accepted.getpeername()), _spelled(accepted.getsockname()), _ESTABLISHED)
    with _TABLE.open() as table:
        next(table)  # names of the columns
        for line in table:
            _, local, remote, state, *rest = line.split()
            if (local, remote, state) == wanted:
                return int(rest[3])
    return None


def _spelled(address: tuple[str, int]) -> str:
    """Return an address as the table writes it: in this machine's order of bytes."""
    (word,) = struct.unpack("=I", socket.inet_aton(address[0]))
    return f"{word:08X}:{address[1]:04X}"
