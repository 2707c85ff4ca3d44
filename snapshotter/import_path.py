"""
Keep the working directory off Python's import path, in this program and its child processes.

`python -m` and `python -c` look for modules in the working directory first. Inside an
exhibit's folder a file `hashlib.py` would then run in the verifier. The installed commands
and `python -I -m` never look there. For the rest this is a second line of defence: what
Python itself imports before a program begins (`importlib`, `snapshotter`) cannot be kept
out from here.
"""

import os
import sys


def leave_out_working_directory() -> None:
    """Remove the working directory from `sys.path`, unless this package itself is there."""
    if sys.flags.safe_path or not sys.path:
        return
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    first = os.path.realpath(sys.path[0] or os.curdir)
    if first == os.path.realpath(os.curdir) and first != os.path.realpath(home):
        del sys.path[0]


def protect_children() -> None:
    """
    Make each Python process that is started from now on leave out the working directory.

    `multiprocessing` starts its processes with `python -c`, however this one was started.
    """
    os.environ["PYTHONSAFEPATH"] = "1"  # noqa: TID251  nothing is read: the processes inherit it
