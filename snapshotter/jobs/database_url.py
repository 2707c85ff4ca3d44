"""
Convert the address of a queue into the URL for its database driver, or into a text for messages.

The address is a SQLite file or a PostgreSQL URL. The URL can name a file that holds the password.
"""

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from snapshotter.errors import SnapshotterError
from snapshotter.jobs.postgresql_options import KEEPALIVE, read_password
from snapshotter.translation import tr

_HINT = "sqlite:////var/lib/snapshotter/queue.db or postgresql://user:password@host/database"
_DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
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
        url = url.difference_update_query(["password_file"]).set(password=read_password(named))
    if driver != "sqlite":
        # In a cluster that was created without a locale the driver returns bytes for text.
        url = url.update_query_dict({"client_encoding": "utf8"})
        url = url.update_query_dict(
            {field_name: s for field_name, s in KEEPALIVE.items() if field_name not in url.query}
        )
    return url.set(drivername=driver).render_as_string(hide_password=False)


def shown_url(url: URL) -> str:
    """Return an address for messages, without its options, which may hold a password."""
    return url.set(query={}).render_as_string(hide_password=True)
