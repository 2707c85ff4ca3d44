"""
An NSS database with a trusted authority in it, as Chromium reads it below a HOME of ours.

Made by NSS itself, the library that Chromium is linked with: run as a program, because it has
one database a process.
"""

import ctypes
import subprocess
import sys
from pathlib import Path

PLACE = Path(".pki/nssdb")  # below HOME
_TRUSTED_AUTHORITY = 0x08 | 0x10 | 0x80  # CERTDB_VALID_CA, _TRUSTED_CA, _TRUSTED_CLIENT_CA


def trust(home: Path, der: bytes) -> None:
    """Make a database below a HOME, with one authority that servers are believed by."""
    subprocess.run(
        [sys.executable, __file__, str(home / PLACE)],
        input=der,
        check=True,
        capture_output=True,
        timeout=60,
    )


class _Item(ctypes.Structure):
    _fields_ = (("type", ctypes.c_int), ("data", ctypes.c_char_p), ("len", ctypes.c_uint))


class _Trust(ctypes.Structure):
    _fields_ = (("ssl", ctypes.c_uint), ("email", ctypes.c_uint), ("code", ctypes.c_uint))


def _write(directory: Path, der: bytes) -> None:
    directory.mkdir(parents=True)
    nss = ctypes.CDLL("libnss3.so")
    for name in ("CERT_GetDefaultCertDB", "CERT_NewTempCertificate", "PK11_GetInternalKeySlot"):
        getattr(nss, name).restype = ctypes.c_void_p
    _good(nss.NSS_InitReadWrite(f"sql:{directory}".encode()) == 0)
    slot = ctypes.c_void_p(nss.PK11_GetInternalKeySlot())
    _good(nss.PK11_InitPin(slot, None, b"") == 0)
    known = ctypes.c_void_p(nss.CERT_GetDefaultCertDB())
    item = _Item(0, der, len(der))
    certificate = ctypes.c_void_p(
        nss.CERT_NewTempCertificate(known, ctypes.byref(item), None, 0, 1)
    )
    _good(bool(certificate))
    _good(nss.PK11_ImportCert(slot, certificate, ctypes.c_ulong(0), b"root of a test", 0) == 0)
    trusted = _Trust(_TRUSTED_AUTHORITY, 0, 0)
    _good(nss.CERT_ChangeCertTrust(known, certificate, ctypes.byref(trusted)) == 0)
    nss.CERT_DestroyCertificate(certificate)
    nss.PK11_FreeSlot(slot)
    _good(nss.NSS_Shutdown() == 0)


def _good(done: bool) -> None:
    if not done:
        raise SystemExit("NSS did not do as it was told")


if __name__ == "__main__":
    _write(Path(sys.argv[1]), sys.stdin.buffer.read())
