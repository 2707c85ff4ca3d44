"""Run the command line: `python -m snapshotter`."""

from snapshotter.cli.main import entry

if __name__ == "__main__":
    entry()
