"""
Convert the address of a queue into the URL for its database driver, or into a text for messages.

The address is a SQLite file or a PostgreSQL URL. The URL can name a file that holds the password.
"""

from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr

_LONGEST_PASSWORD = 4096  # characters
_HINT = "sqlite:////var/lib/snapshotter/queue.db or postgresql://user:password@host/database"
_DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
# Options of the connection to PostgreSQL, which detect a server that vanished.
_KEEPALIVE = {
    "connect_timeout": "10",  # seconds
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",  # milliseconds
}


def database_url(text: str) -> str:
    """
    Return the URL of a queue for its database driver.

    Args:
        text: `sqlite:///FILE`, a path of a file, or `postgresql://user:password@host/name`;
            with `?password_file=FILE` the password is the file's first line.

    Raises:
        SnapshotterError: The address is invalid, or the password cannot be read.
    """
    if "://" not in text:
        return f"sqlite:///{text}"
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:  # ValueError: an invalid port
        raise SnapshotterError(
            tr("the address of the queue is not a valid URL"), hint=_HINT
        ) from error
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        raise SnapshotterError(
            tr(
                "{drivername} cannot be used as the database of the queue",
                drivername=url.drivername,
            ),
            hint=_HINT,
        )
    if driver == "sqlite" and not url.database:
        raise SnapshotterError(
            tr(
                "the address of the queue contains no file name. Without a file, no job would be "
                "kept"
            ),
            hint=_HINT,
        )
    named = url.query.get("password_file")
    if named is not None:
        # The driver's own password file must belong to its reader alone. A secret that is
        # mounted into a container does not.
        url = url.difference_update_query(["password_file"]).set(password=_password(named))
    if driver != "sqlite":
        # In a cluster that was created without a locale the driver returns bytes for text.
        url = url.update_query_dict({"client_encoding": "utf8"})
        url = url.update_query_dict(
            {field_name: s for field_name, s in _KEEPALIVE.items() if field_name not in url.query}
        )
    return url.set(drivername=driver).render_as_string(hide_password=False)


def shown_url(url: URL) -> str:
    """Return an address for messages, without its options, which may hold a password."""
    return url.set(query={}).render_as_string(hide_password=True)


def _password(named: str | tuple[str, ...]) -> str:
    if not isinstance(named, str):
        raise SnapshotterError(
            tr("the address of the queue contains several password files"), hint=_HINT
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
