"""
Start the command line: the entry of `snapshotter` and of `python -I -m snapshotter`.

The verifier can be installed without the libraries of the command line. Then this module says which
library is missing, and that `snapshotter-verify` verifies without it.
"""

from snapshotter.import_path import leave_out_working_directory

if __name__ == "__main__":  # before any other import
    leave_out_working_directory()

import sys


def entry() -> None:
    """Run the command line and leave with its exit code."""
    try:
        from snapshotter.cli.main import entry as run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "snapshotter":
            raise
        sys.stderr.write(
            f"snapshotter: the command line needs {error.name}, which is not installed\n"
            "snapshotter: try: install all parts of snapshotter from its wheel, which `make dist` "
            'builds in the clone:\n  pip install "$(echo dist/*.whl)[all]"\n'
            "snapshotter: try: to verify only, use the command that is installed:\n"
            "  snapshotter-verify --help\n"
        )
        sys.exit(1)
    except KeyboardInterrupt:  # before the command line is there to say it
        sys.stderr.write("snapshotter: interrupted\n")
        sys.exit(130)
    run()


if __name__ == "__main__":
    entry()
