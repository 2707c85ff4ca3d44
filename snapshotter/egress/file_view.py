"""
List the files that the browser and its driver may open: programs, libraries, fonts, work folders.

It is an allowlist, so it leaves out our settings, keys, salts and store, other captures, home
directories, the sockets of services, and most files under /etc and /var. `enter.py` enforces it in
the first of these ways that the system allows:

- "mount": a root directory of its own in a mount namespace, in which nothing else exists;
- "landlock": the kernel refuses to open anything else (no namespace and no rights needed).
  Names and sizes of files can still be learned;
- "uid": only where we run as root: the program becomes another user, who may open what everybody
  may open;
- "none": no file is hidden.
"""

import os
import secrets
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.util import cache_from_source
from pathlib import Path

from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

MOUNT, LANDLOCK, UID, NONE = "mount", "landlock", "uid", "none"

_SYSTEM = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store",
    "/etc/alternatives", "/etc/ca-certificates", "/etc/fonts", "/etc/ld.so.cache",
    "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime", "/etc/pki/ca-trust",
    "/etc/pki/tls/certs", "/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/var/cache/fontconfig",
    "/sys/devices/system/cpu",
)  # fmt: skip
_DEVICES = ("null", "zero", "full", "random", "urandom")
_COMPILED = (".pyc", ".v8")  # files that are compiled anew where they cannot be read
# Numbers that no account has (systemd gives them to services for as long as these run).
_FIRST_UID, _UIDS = 61_184, 4_336


@dataclass(frozen=True, slots=True, kw_only=True)
class FileView:
    """
    The files that one program may see.

    A path that does not exist when the view is written is left out.
    """

    report: Path  # gets the way by which the other files were taken away
    hidden: Path  # a file that exists and that the program must not be able to open
    reads: Sequence[Path] = ()
    writes: Sequence[Path] = ()
    cache: Path | None = None  # read, and done without where it cannot be
    ways: Sequence[str] = (MOUNT, LANDLOCK, NONE)

    def text(self) -> str:
        """Return the view in the format that `enter.py` reads."""
        uid = _FIRST_UID + secrets.randbelow(_UIDS)
        lines = [
            _line("ways", *self.ways),
            _line("uid", str(uid)),
            _line("report", str(self.report)),
            _line("hidden", str(self.hidden)),
            *_system(),
        ]
        seen = [Path(directory) for directory in _SYSTEM if not os.path.islink(directory)]
        for path in sorted(set(self.reads)):
            if path.exists() and not _is_below(path, seen):
                kind = "cache" if path.suffix in _COMPILED else "read"
                lines.append(_line(kind, os.path.realpath(path), str(path)))
                seen.append(path)
        lines += [
            _line("write", os.path.realpath(path), str(path))
            for path in self.writes
            if path.exists()
        ]
        if self.cache is not None:
            # Node has a folder for each user, whose number ends its name.
            ours, theirs = f"-{os.geteuid()}", f"-{uid if os.geteuid() == 0 else os.geteuid()}"
            for folder in self.cache.glob(f"*{ours}"):
                lines.append(
                    _line("cache", os.path.realpath(folder), f"{str(folder)[: -len(ours)]}{theirs}")
                )
        return "\n".join(lines)


def driver_file_view(view: FileView, *, drop_setuid_allowed: bool = True) -> FileView:
    """
    Return a view with the ways for the driver, which makes its own user namespace.

    Args:
        drop_setuid_allowed: Programs below it may lose the setuid bit, which Landlock costs.
    """
    ways: tuple[str, ...] = (f"user+{MOUNT}", LANDLOCK, NONE)
    if os.geteuid() == 0:  # then it need not stay root
        ways = (f"{MOUNT}+{UID}", f"user+{MOUNT}", MOUNT, f"{LANDLOCK}+{UID}", LANDLOCK, UID, NONE)
    if not drop_setuid_allowed:
        ways = tuple(way for way in ways if LANDLOCK not in way)
    return replace(view, ways=ways)


def interpreter() -> tuple[Path, ...]:
    """Return the files that `enter.py` needs to run again inside a view."""
    enter = Path(__file__).with_name("enter.py")
    return (
        Path(os.path.realpath(sys.executable)),
        Path(sys.base_prefix, "lib"),
        enter,
        Path(cache_from_source(str(enter))),
    )


def _system() -> Iterable[str]:
    for name in _SYSTEM:
        if os.path.islink(name) and os.path.isdir(name):  # /bin is usr/bin
            yield _line("link", name, os.readlink(name))
        elif os.path.exists(name):
            yield _line("read", os.path.realpath(name), name)
    for name in _DEVICES:
        yield _line("device", f"/dev/{name}")
    yield _line("proc", "/proc")


def _is_below(path: Path, seen: Iterable[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in seen)


def _line(*words: str) -> str:
    if any("\n" in word or "\t" in word for word in words):
        raise SnapshotterError(
            tr(
                "a browser cannot run in a directory whose path has a tab or a line break: "
                "{words!r}",
                words=words[-1],
            ),
            hint=tr("set spool_dir to another directory"),
        )
    return "\t".join(words)
