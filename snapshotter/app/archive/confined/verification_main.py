"""
Verify one bundle, and read what its page shows: the program of the verification process.

    python -I -m snapshotter.app.archive.confined.verification_main

The descriptors of the input and of the bundle come through the standard input, which is a socket:
the process can be started before they are known. The bundle is a copy, and a stranger may have
written every byte of it. Therefore, before the first byte is read, the process gives up the right
to open a file or a socket and to start a process or a thread, and limits its time and memory
(`preview_main.confine`). The input has what the process that serves pages hands in: keys and roots
that are trusted, the sidecars, the time. A verification needs no network. The result is JSON on
standard output.
"""

import importlib
import json
import os
import pickle
import pkgutil
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any, BinaryIO, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

import snapshotter.formats
import snapshotter.model
import snapshotter.verify
from snapshotter.app.archive.capture_page import read_material, verify_copy
from snapshotter.app.archive.confined.preview_main import confine
from snapshotter.errors import SnapshotterError
from snapshotter.formats import digest, typed
from snapshotter.report.capture_page import CaptureMaterial

OUT_OF_MEMORY: Final = 4  # the exit code of a verification that needed more than its memory
NOT_LOADED: Final = 5  # the exit code of one that needed code or a file, which it cannot open
PROCESSOR_S: Final = 120
MEMORY: Final = 2 << 30  # bytes of the address space
# What is loaded when it is used, by the standard library and by others.
_LAZY: Final = (
    "_strptime", "blake3", "brotlicffi", "cryptography.hazmat.backends.openssl.backend",
    "encodings.ascii", "encodings.idna", "encodings.latin_1",
    "encodings.punycode", "encodings.utf_16", "rfc3161_client", "rfc8785", "stringprep",
)  # fmt: skip


def main() -> int:
    """Verify, and write the result, or why the bundle cannot be verified; return the exit code."""
    load_code()
    files = received_files(2)
    if files is None:
        return 0
    given, copy = files
    # Who started this process wrote the input: nothing in it is a stranger's object.
    bundle_id, store, trust, sidecars, now = pickle.load(given)  # noqa: S301
    confine(processor_s=PROCESSOR_S, memory=MEMORY)
    is_complete = _watch()
    try:
        source = verify_copy(bundle_id, store, copy, sidecars, trust, now=now)
        answer = encode(read_material(source, draws=False))
    except MemoryError:
        return OUT_OF_MEMORY
    except (SnapshotterError, OSError, ValueError, RecursionError) as error:
        answer = {"problem": str(error) or type(error).__name__}
    if not is_complete():
        return NOT_LOADED
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()
    return 0


def received_files(count: int) -> Sequence[BinaryIO] | None:
    """Return the files that come through the standard input; None if the server has ended."""
    with socket.socket(fileno=os.dup(0)) as given:
        _, numbers, _, _ = socket.recv_fds(given, 1, count)
    return [os.fdopen(number, "rb") for number in numbers] if len(numbers) == count else None


def encode(material: CaptureMaterial) -> dict[str, Any]:
    """Return what `confined_verification.decode` reads: JSON without records inside of values."""
    report = material.report
    return {
        "material": typed.write(
            replace(
                material,
                record={},
                report=replace(report, assessed=None, custody=b"", record={}),
            )
        ),
        "record": material.record,
        "verified_record": report.record,
    }


def certificate(der: bytes) -> x509.Certificate:
    """Return a certificate of the input."""
    return x509.load_der_x509_certificate(der)


def public_key(der: bytes) -> ec.EllipticCurvePublicKey:
    """Return a public key of the input."""
    key = load_der_public_key(der)
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise TypeError("the key is not of an elliptic curve")
    return key


def load_code() -> None:
    """Load what a verification needs, because nothing can be loaded later."""
    for package in (snapshotter.verify, snapshotter.formats, snapshotter.model):
        _load(package)
    for name in _LAZY:
        importlib.import_module(name)
    digest.use_no_threads()


def _watch() -> Callable[[], bool]:
    """
    Return whether nothing was loaded or opened since.

    A check that needs a module which is not loaded would otherwise end as FAILED, and the bundle
    would be blamed for it.
    """
    seen: list[str] = []

    def note(event: str, arguments: object) -> None:
        if event in ("import", "open"):
            seen.append(event)

    sys.addaudithook(note)
    return lambda: not seen


def _load(package: ModuleType) -> None:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(found.name)


if __name__ == "__main__":
    sys.exit(main())
