"""
Compute one digest of the code that is installed.

The digest covers the Python files of the package, so that a reader can compare two installations.
docs/spec/validation.md has the command that computes it with `sha256sum`.
"""

import hashlib
from pathlib import Path

_APART = "_scripts"  # only in a wheel; the second verifier has a digest of its own


def package_sha256() -> str:
    """Return the SHA-256 over the lines of `sha256sum` for all Python files, sorted by name."""
    package = Path(__file__).resolve().parents[2]
    names = sorted(
        file.relative_to(package.parent).as_posix()
        for file in package.rglob("*.py")
        if file.relative_to(package).parts[0] != _APART
    )
    lines = [
        f"{hashlib.sha256((package.parent / name).read_bytes()).hexdigest()}  {name}\n"
        for name in names
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
