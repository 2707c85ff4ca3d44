"""
Read files for the other modules of this package: TOML files, decay curves, public keys and
certificates.

The size of a file is limited, and an error names the file. The module also finds the directory of
the shipped policies, and checks the notation of a network.
"""

from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from snapshotter.errors import SnapshotterError
from snapshotter.formats import toml
from snapshotter.formats.table import TableError
from snapshotter.policy.curve import Curve, parse_curves
from snapshotter.translation import tr

AUTO = "auto"  # in place of the name of a policy: the address of the page decides
MAX_BYTES = 1 << 20


def shipped_directory() -> Path:
    """
    Return the folder of the shipped policies and authorities: in the package, or in a checkout.
    """
    package = Path(__file__).resolve().parents[1]
    installed = package / "_policies"
    return installed if installed.is_dir() else package.parent / "policies"


def curves(path: Path | None = None) -> Mapping[str, Curve]:
    """
    Return the curves of a file; without a path, the shipped ones.

    Raises:
        SnapshotterError: The file cannot be read, or is invalid; the message names the curve.
    """
    found = path or shipped_directory() / "schedules" / "curves.toml"
    try:
        return parse_curves(read_limited(found).decode("utf-8"), str(found))
    except UnicodeDecodeError as error:
        raise SnapshotterError(
            tr("{found} cannot be read: {error}", found=found, error=error)
        ) from error


def read_toml(path: Path) -> dict[str, Any]:
    """
    Read a TOML file of at most a megabyte.

    Raises:
        SnapshotterError: The file does not exist, cannot be read, is too long, or is not TOML.
    """
    return parse_toml(read_limited(path), path)


def read_limited(path: Path, most: int = MAX_BYTES) -> bytes:
    """
    Return the bytes of a file.

    Args:
        most: Bytes. A longer file is refused, and not cut.

    Raises:
        SnapshotterError: The file does not exist, cannot be read, or is too long.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(most + 1)
    except OSError as error:
        raise SnapshotterError(
            tr("{path} cannot be read: {strerror}", path=path, strerror=error.strerror or error)
        ) from error
    if len(data) > most:
        raise SnapshotterError(tr("{path} is longer than {most} bytes", path=path, most=most))
    return data


def parse_toml(data: bytes, path: Path) -> dict[str, Any]:
    """
    Return the content of a TOML file.

    Raises:
        SnapshotterError: Not TOML; the message names the path.
    """
    try:
        return toml.loads(data.decode("utf-8"))
    except RecursionError as error:
        raise SnapshotterError(
            tr("the tables or lists in {path} are nested too deeply", path=path)
        ) from error
    except ValueError as error:  # not UTF-8, not TOML, endless numbers
        raise SnapshotterError(
            tr("{path} cannot be read: {error}", path=path, error=error)
        ) from error


def first_validation_mistake(error: TableError) -> str:
    """Return where the first mistake is and what it is; never the value, which may be a secret."""
    return str(error)


def public_key(path: Path) -> str:
    """
    Return the text of a public key's file.

    Raises:
        SnapshotterError: It cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES).decode("ascii", "replace")
    except OSError as error:
        raise SnapshotterError(
            tr("{path} cannot be read: {strerror}", path=path, strerror=error.strerror)
        ) from error


def certificate_authorities(path: Path) -> tuple[str, ...]:
    """
    Return the certificates of authorities in a file, in PEM.

    Raises:
        SnapshotterError: The file cannot be read, or contains no such certificate.
    """
    from snapshotter.formats.tls.certificate_authority import read_certificates

    data = read_limited(path)
    try:
        return read_certificates(data)
    except ValueError as error:
        raise SnapshotterError(
            tr("{path} cannot be used as a certificate authority: {error}", path=path, error=error),
            hint=tr(
                "give the PEM file of the certificate authority that signed the server's "
                "certificate, for example with --ca root.pem"
            ),
        ) from error


def network(text: str) -> str:
    """
    Return a network in its canonical form.

    Raises:
        SnapshotterError: It is not a network.
    """
    try:
        return str(ip_network(text.strip()))
    except ValueError as error:
        raise SnapshotterError(
            tr("the network is invalid: {error}", error=error),
            hint=tr("give a network in a form such as 10.0.0.0/8, 127.0.0.1 or fd00::/8"),
        ) from error
