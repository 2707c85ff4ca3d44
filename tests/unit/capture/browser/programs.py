"""Programs that stand in for a browser."""

from pathlib import Path


def executable(path: Path) -> Path:
    """Write a program that does nothing, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path
