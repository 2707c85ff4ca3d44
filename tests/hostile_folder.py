"""
What an opponent may put beside an exhibit: programs, settings, and files with odd names.

Whatever of it runs writes its name into a canary file outside of the folder. A command of
verification that is called there must leave none, and say what it says elsewhere.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

_PACKAGES = ("snapshotter", "cryptography", "blake3", "rfc8785", "rfc3161_client", "click")
_BY_THEMSELVES = ("sitecustomize", "usercustomize")  # Python runs them where it finds them
_PROGRAMS = ("openssl", "unzip", "sha256sum", "b3sum", "brotli", "python3", "sh", "sed", "base64")
_SETTINGS = {
    "snapshotter.toml": 'store = "s3://elsewhere/x"\npolicy = "theirs.toml"\nproxy = "tor"\n',
    ".env": "PYTHONPATH=.\nSNAPSHOTTER_POLICY=theirs.toml\n",
    "openssl.cnf": "openssl_conf = init\n[init]\nengines = none.so\n",
    "dbos-config.yaml": "name: theirs\n",
    "pyvenv.cfg": "home = .\n",
}
_ODD_NAMES = ("-rf", "--trust", "--help", "-x.wacz", "* .wacz", "$(touch canary)")


@dataclass(frozen=True, slots=True)
class HostileFolder:
    """A folder in which an exhibit lies among what may not run."""

    path: Path
    canary: Path

    @property
    def ran(self) -> list[str]:
        """The names of what ran."""
        return self.canary.read_text().split() if self.canary.exists() else []


def plant(folder: Path, *, modules: tuple[str, ...] = ()) -> HostileFolder:
    """
    Put all of it into a folder; what is there keeps its place.

    Args:
        modules: Of Python's own, by their names; all if none are named.
    """
    hostile = HostileFolder(folder, folder.parent / f"{folder.name}.canary")
    for name in (*(modules or sorted(sys.stdlib_module_names)), *_BY_THEMSELVES):
        _new(folder / f"{name}.py", _python(hostile, name))
    for name in () if modules else _PACKAGES:
        (folder / name).mkdir(exist_ok=True)
        _new(folder / name / "__init__.py", _python(hostile, name))
    for name in _PROGRAMS:
        _new(folder / name, f"#!/bin/sh\necho {name} >> '{hostile.canary}'\n", mode=0o755)
    for name, text in _SETTINGS.items():
        _new(folder / name, text)
    for name in _ODD_NAMES:
        _new(folder / name, "nothing")
    return hostile


def _python(hostile: HostileFolder, name: str) -> str:
    return f"with open({str(hostile.canary)!r}, 'a') as canary: canary.write('{name} ')\n"


def _new(path: Path, text: str, *, mode: int = 0o644) -> None:
    if not path.exists():
        path.write_text(text)
        path.chmod(mode)
