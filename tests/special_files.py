"""What can have the name of a file without being one."""

import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path


def _socket(path: Path) -> None:
    # By a short name: the system takes no more than 107 bytes for the name of a socket.
    before = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.chdir(path.parent)
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.fchdir(before)
        os.close(before)


def _link_to_a_file(path: Path) -> None:
    """Link to a regular file outside of the folder."""
    path.symlink_to(__file__)


LINKS: Mapping[str, Callable[[Path], None]] = {
    "link-to-nothing": lambda path: path.symlink_to("nothing"),
    "link-to-itself": lambda path: path.symlink_to(path.name),
    "link-to-a-file": _link_to_a_file,
    "link-to-a-folder": lambda path: path.symlink_to(path.parent),
    "link-to-a-device": lambda path: path.symlink_to("/dev/zero"),
}
SPECIAL: Mapping[str, Callable[[Path], None]] = {
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
    "socket": _socket,
    **LINKS,
}
