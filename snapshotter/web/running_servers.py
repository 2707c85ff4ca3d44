"""
Note which consoles of this user run on this machine, so that a second `serve` finds the first.

A note is a private file in `data_dir`. A stranger's program at the same port has none, and so never
gets a log-in link.
"""

import json
from pathlib import Path

from snapshotter.app.private_files import write_private
from snapshotter.jobs.processes import is_gone, process_name
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    """A console that runs."""

    origin: str
    store: str  # its URL
    pid: int
    process: str  # its name among all machines


def note_server(folder: Path, port: int, server: RunningServer) -> Path:
    """Write the note of a server, and return its file, which the server removes at its end."""
    file = _file(folder, port)
    facts = {
        "origin": server.origin,
        "pid": server.pid,
        "process": server.process,
        "store": server.store,
    }
    write_private(file, json.dumps(facts).encode())
    return file


def find_server(folder: Path, port: int) -> RunningServer | None:
    """Return the console of this user at a port; None if none runs there."""
    try:
        facts = json.loads(_file(folder, port).read_bytes())
        found = RunningServer(
            origin=str(facts["origin"]),
            store=str(facts["store"]),
            pid=int(facts["pid"]),
            process=str(facts["process"]),
        )
    except (OSError, ValueError, KeyError, TypeError):  # no note, or not one of ours
        return None
    return None if is_gone(found.process) else found


def this_process(origin: str, store: str, pid: int) -> RunningServer:
    """Return the note of this process."""
    return RunningServer(origin=origin, store=store, pid=pid, process=process_name(pid))


def _file(folder: Path, port: int) -> Path:
    return folder / f"server-{port}.json"
