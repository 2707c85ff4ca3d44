"""
Stop this process right where it says that a step begins, so that a kill comes inside of it.

A test that hears of a step has lost time already: on a busy machine the step may be over.
Python imports this by itself when the folder is on PYTHONPATH; HALT_AT names the step.
"""

import io
import os
import signal
import sys
from typing import Any

HALT_AT = os.environ.get("HALT_AT", "")


class Halting(io.TextIOWrapper):
    """Standard error, of a process that stops (SIGSTOP) once, after these words."""

    halted = False

    def write(self, text: str, /) -> int:  # type: ignore[explicit-override]  # 3.11 has no decorator
        written = super().write(text)
        if not self.halted and text.rstrip("\n").endswith(HALT_AT):
            self.halted = True
            self.flush()
            os.kill(os.getpid(), signal.SIGSTOP)
        return written


if HALT_AT:
    old: Any = sys.stderr  # kept as sys.__stderr__, or its end would close what is below it
    sys.stderr = Halting(old.buffer, encoding="utf-8", errors="backslashreplace")
