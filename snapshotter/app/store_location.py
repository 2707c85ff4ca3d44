"""Find the configured store, and the folders of private files that belong to it on this machine."""

import shlex
import stat
from pathlib import Path

from snapshotter.app.settings import Settings, config_variable_line, user_file
from snapshotter.errors import SnapshotterError
from snapshotter.formats.bundle.receipts import store_id
from snapshotter.store.location import DirectoryLocation, S3Location, parse_store_url
from snapshotter.translation import tr


def store_location(settings: Settings) -> DirectoryLocation | S3Location:
    """
    Return where the configured store is.

    Raises:
        SnapshotterError: No store is configured, or its name is invalid; or it is a bucket that a
            settings file names which was only found: this user's credentials are used only for
            buckets that this user chose.
    """
    if not settings.has_store:
        raise SnapshotterError(
            tr("no store is named"),
            hint=tr("name a store with --store: a directory, or s3://bucket/prefix"),
        )
    try:
        where = parse_store_url(settings.store)
    except ValueError as error:
        raise SnapshotterError(
            tr("{store!r} is not a store: {error}", store=settings.store, error=error),
            hint=tr("name a directory, or s3://bucket/prefix"),
        ) from error
    found = settings.found.get("store")
    if isinstance(where, S3Location) and found is not None:
        raise SnapshotterError(
            tr(
                "{file} names the bucket {store}, but a settings file in the working "
                "directory must not decide where your credentials are used",
                file=found.file,
                store=settings.store,
            ),
            hint=tr(
                "if the bucket is yours, add --store {store}, set store in {user_file}, or "
                "put this before the command:\n  {config_variable_line}",
                store=shlex.quote(settings.store),
                user_file=user_file(),
                config_variable_line=config_variable_line(found.file),
            ),
        )
    return where


def require_store(settings: Settings) -> None:
    """
    See that the configured store exists, if it is a directory.

    A bucket without objects cannot be told from one that was never used.

    Raises:
        SnapshotterError: There is no such directory; or as `store_location`.
    """
    where = store_location(settings)
    if isinstance(where, DirectoryLocation) and (error := no_store(where.path)) is not None:
        raise error


def no_store(path: Path) -> SnapshotterError | None:
    """
    Return the error about a directory of a store that does not exist; None if it exists.

    Raises:
        OSError: It is not known, because a folder cannot be searched.
    """
    try:
        if stat.S_ISDIR(path.stat().st_mode):
            return None
        return SnapshotterError(
            tr("{path} is not a folder, so it cannot be a store", path=path.absolute()),
            hint=tr("name the folder of the store with --store"),
        )
    except (FileNotFoundError, NotADirectoryError):
        pass
    return SnapshotterError(
        tr("the store {path} does not exist", path=path.absolute()),
        hint=tr(
            "name the store with --store, change to the directory that contains it, or make "
            "the first capture, which makes the store:\n  snapshotter capture https://…"
        ),
    )


def receipts_store_name(settings: Settings) -> str:
    """Return the name of the configured store in receipts (docs/spec/custody.md, "Receipts")."""
    where = store_location(settings)
    if isinstance(where, DirectoryLocation):
        return store_id(str(where.path.resolve()))
    url = f"s3://{where.bucket}" + (f"/{where.prefix}" if where.prefix else "")
    return store_id(f"{settings.s3_endpoint} {url}")


def salts_dir(settings: Settings) -> Path:
    """Return the folder for the salts of captures: beside a directory store, never inside it."""
    where = store_location(settings)
    if isinstance(where, DirectoryLocation):
        root = where.path.resolve()  # "..", links: what counts is where it really is
        return root.with_name(f"{root.name}.private")
    return settings.data_dir / "salts" / where.bucket


def pending_dir(settings: Settings) -> Path:
    """Return the folder for reminders of owed tokens."""
    return settings.data_dir / "pending"
