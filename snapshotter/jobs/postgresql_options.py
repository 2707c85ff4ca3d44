"""Hold the options of connections to PostgreSQL, and read the file that holds a password."""

from pathlib import Path
from typing import Final

from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr

_LONGEST_PASSWORD = 4096  # characters
# Options of the connection to PostgreSQL, which detect a server that vanished.
KEEPALIVE: Final = {
    "connect_timeout": "10",  # seconds
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",  # milliseconds
}


def read_password(named: str | tuple[str, ...]) -> str:
    """
    Return the password on the first line of a file.

    Args:
        named: The value of `password_file`; several values are refused.

    Raises:
        SnapshotterError: The file cannot be read, or its first line is empty.
    """
    if not isinstance(named, str):
        raise SnapshotterError(
            tr("the address of the queue contains several password files"), hint=tr("name one file")
        )
    try:
        with Path(named).open(encoding="utf-8") as lines:
            password = lines.readline(_LONGEST_PASSWORD).rstrip("\r\n")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise SnapshotterError(
            tr(
                "the password for the database of the queue cannot be read from {named}: {why}",
                named=named,
                why=why,
            ),
            hint=tr("the password must be on the first line of the file that password_file names"),
        ) from error
    if not password:
        raise SnapshotterError(
            tr("the file {named} has no password for the database of the queue", named=named),
            hint=tr("write the password on the first line"),
        )
    return password
