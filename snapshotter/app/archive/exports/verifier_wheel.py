"""
Make a wheel of this installation, so that an archive can carry the software that verifies it.

The wheel has the files of the installed package and its metadata, so `pip install` installs the
same software. Other libraries are not in the wheel.
"""

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final

import snapshotter
from snapshotter.app.archive.exports.evidence_folder import verifier_path
from snapshotter.errors import SnapshotterError
from snapshotter.policy.files import shipped_directory
from snapshotter.translation import tr

_NAME: Final = "snapshotter"
_WHEEL: Final = (
    "Wheel-Version: 1.0\nGenerator: snapshotter\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
)
_TIME: Final = (1980, 1, 1, 0, 0, 0)


@cache
def make_wheel() -> tuple[str, bytes]:
    """
    Return the file name of the wheel, and its bytes; the same installation gives the same bytes.

    Raises:
        SnapshotterError: The metadata of the installation is missing.
    """
    try:
        installed = metadata.distribution(_NAME)
    except metadata.PackageNotFoundError as error:
        raise SnapshotterError(
            tr("the metadata of the installed software is missing"),
            hint=tr("install snapshotter (docs/howto/install.md)"),
        ) from error
    info = f"{_NAME}-{installed.version}.dist-info"
    files = dict(_package())
    files[f"{info}/METADATA"] = (installed.read_text("METADATA") or "").encode()
    files[f"{info}/WHEEL"] = _WHEEL.encode()
    files[f"{info}/entry_points.txt"] = (installed.read_text("entry_points.txt") or "").encode()
    record = "".join(f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in files.items():
            member = zipfile.ZipInfo(name, _TIME)
            member.external_attr = 0o100644 << 16
            wheel.writestr(member, data, zipfile.ZIP_DEFLATED)
    return f"{_NAME}-{installed.version}-py3-none-any.whl", made.getvalue()


def _package() -> Iterator[tuple[str, bytes]]:
    """Yield the files of the package, also those that a checkout has elsewhere."""
    folder = Path(snapshotter.__file__).resolve().parent
    found = {
        f"{_NAME}/{path.relative_to(folder).as_posix()}": path
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    policies = shipped_directory()
    for path in policies.rglob("*"):
        if path.is_file():
            found.setdefault(f"{_NAME}/_policies/{path.relative_to(policies).as_posix()}", path)
    found.setdefault(f"{_NAME}/_scripts/{verifier_path().name}", verifier_path())
    for name in sorted(found):
        yield name, found[name].read_bytes()


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
