"""
Run one command of the product, and note what it loads and starts, and when.

    python -m tests.e2e.started FILE PORT capture --json http://HOST:PORT/PAGE

The notes are written to FILE, as JSON: `driver`, `page` and `end` are the names of the modules that
were loaded when Playwright's driver was started, when the page was first connected to (at PORT),
and at the end; `processes` are the programs that the command started itself, in their order;
`threads` are the names of the threads that loaded what is needed after the pictures, with its name.
"""

import json
import sys
import threading
from pathlib import Path
from typing import Any


def main(file: str, port: int, arguments: list[str]) -> int:
    """Run a command, and write the notes about it."""
    notes: dict[str, list[str]] = {"processes": [], "threads": []}

    def note(moment: str) -> None:
        notes.setdefault(moment, sorted(set(sys.modules) - _OURS))

    def hook(event: str, values: tuple[Any, ...]) -> None:
        if event == "subprocess.Popen":
            command = [str(part) for part in values[1]]
            notes["processes"].append(_name(command))
            if "run-driver" in command:
                note("driver")
        elif event == "socket.connect" and isinstance(values[1], tuple) and values[1][1] == port:
            note("page")
        elif event == "import" and values[0] in _SLOW and values[0] not in sys.modules:
            loader = f"{threading.current_thread().name}: {values[0]}"
            if loader not in notes["threads"]:  # a compiled module is reported twice
                notes["threads"].append(loader)

    sys.addaudithook(hook)
    from snapshotter.cli.main import main as command

    code = command(arguments)
    note("end")
    Path(file).write_text(json.dumps(notes))
    return code


def _name(command: list[str]) -> str:
    if "run-driver" in command:
        return "driver"
    return "enter.py" if any(part.endswith("/enter.py") for part in command) else command[0]


_SLOW = ("trafilatura", "zxingcpp.zxingcpp")
# What this program needs itself, beside the interpreter.
_OURS = frozenset(name for name in sys.modules if name.startswith(("tests", "runpy", "__mp_main")))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
