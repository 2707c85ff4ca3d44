"""
Whose process is at the other end of a connection over this machine's loopback.

A port of loopback is open to every user of the machine. The kernel knows who holds
the other end of a connection and says so in a table (proc(5), /proc/net/tcp).
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
    """Whether this system says whose a connection is."""
    return sys.platform.startswith("linux") and os.access(_TABLE, os.R_OK)


def owner(accepted: socket.socket) -> int | None:
    """
    Return the number of the user who holds the other end of an accepted IPv4 connection.

    None when nobody holds it any more: the kernel forgets whose an end was that is closed,
    and calls it root's.

    Raises:
        OSError: The table can not be read.
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
    """Return an address as the table has it: in this machine's order of bytes."""
    (word,) = struct.unpack("=I", socket.inet_aton(address[0]))
    return f"{word:08X}:{address[1]:04X}"
