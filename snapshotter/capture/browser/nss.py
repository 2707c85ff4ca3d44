"""
Make the browser trust private certificate authorities in one capture.

Chromium on Linux reads an NSS database below its HOME, which is ours and new for each capture. The
database is made by libnss3, the library that the browser itself is linked with; no other program is
needed. The library opens one database in each process, so it runs in a process of its own. The
browser then checks chain, name and dates itself, as it does for public authorities.
"""

import ctypes
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr

DATABASE_PATH = Path(".pki/nssdb")  # below HOME
_TRUSTED_AUTHORITY = 0x08 | 0x10 | 0x80  # CERTDB_VALID_CA, _TRUSTED_CA, _TRUSTED_CLIENT_CA
_LIMIT_S = 60


def write_trust_database(home: Path, certificates: Sequence[bytes]) -> None:
    """
    Make a database below a HOME with authorities that the browser then trusts.

    Args:
        certificates: DER.

    Raises:
        SnapshotterError: This system has no such database, or libnss3 could not make it.
    """
    if not sys.platform.startswith("linux"):
        raise SnapshotterError(
            tr(
                "private certificate authorities are supported only on Linux; on this system "
                "the browser uses the certificates of the system"
            ),
            hint=tr(
                "use --ignore-certificate-errors to capture without certificate checks; the "
                "capture record then states that certificates were not checked"
            ),
        )
    data = b"".join(
        len(certificate).to_bytes(4, "big") + certificate for certificate in certificates
    )
    done = subprocess.run(  # noqa: S603 - our own file, by our own interpreter
        [sys.executable, "-I", __file__, str(home / DATABASE_PATH)],
        input=data,
        check=False,
        capture_output=True,
        timeout=_LIMIT_S,
        env={"PATH": os.defpath},
    )
    if done.returncode:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or [
            "no reason was given"
        ]
        raise SnapshotterError(
            tr(
                "the certificate authority could not be added to the browser: {words}",
                words=words[0],
            ),
            hint=tr(
                "install the library libnss3, which Chromium needs too:\n  apt install libnss3"
            ),
        )
    if os.geteuid() == 0:  # the browser may run as another user, and opens it to read and write
        for path in (
            home / DATABASE_PATH.parent,
            home / DATABASE_PATH,
            *(home / DATABASE_PATH).iterdir(),
        ):
            path.chmod(0o777 if path.is_dir() else 0o666)


class _Item(ctypes.Structure):
    _fields_ = (("type", ctypes.c_int), ("data", ctypes.c_char_p), ("len", ctypes.c_uint))


class _Trust(ctypes.Structure):
    _fields_ = (("ssl", ctypes.c_uint), ("email", ctypes.c_uint), ("code", ctypes.c_uint))


def _write(directory: Path, certificates: Sequence[bytes]) -> None:
    directory.mkdir(parents=True)
    nss = ctypes.CDLL("libnss3.so")
    for name in ("CERT_GetDefaultCertDB", "CERT_NewTempCertificate", "PK11_GetInternalKeySlot"):
        getattr(nss, name).restype = ctypes.c_void_p
    _check("open a database", nss.NSS_InitReadWrite(f"sql:{directory}".encode()) == 0)
    slot = ctypes.c_void_p(nss.PK11_GetInternalKeySlot())
    _check("set no password", nss.PK11_InitPin(slot, None, b"") == 0)
    known = ctypes.c_void_p(nss.CERT_GetDefaultCertDB())
    for number, der in enumerate(certificates):
        item = _Item(0, der, len(der))
        certificate = ctypes.c_void_p(
            nss.CERT_NewTempCertificate(known, ctypes.byref(item), None, 0, 1)
        )
        _check("read a certificate", bool(certificate))
        nickname = f"authority {number}".encode()
        is_kept = nss.PK11_ImportCert(slot, certificate, ctypes.c_ulong(0), nickname, 0) == 0
        _check("keep a certificate", is_kept)
        trusted = _Trust(_TRUSTED_AUTHORITY, 0, 0)
        is_set = nss.CERT_ChangeCertTrust(known, certificate, ctypes.byref(trusted)) == 0
        _check("trust a certificate", is_set)
        nss.CERT_DestroyCertificate(certificate)
    nss.PK11_FreeSlot(slot)
    _check("close the database", nss.NSS_Shutdown() == 0)


def _check(what: str, done: bool) -> None:
    if not done:
        raise SystemExit(f"NSS could not {what}")


def _read(data: bytes) -> list[bytes]:
    found = []
    while data:
        length = int.from_bytes(data[:4], "big")
        found.append(data[4 : 4 + length])
        data = data[4 + length :]
    return found


if __name__ == "__main__":
    _write(Path(sys.argv[1]), _read(sys.stdin.buffer.read()))
