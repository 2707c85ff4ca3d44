"""
Decide whether an argument of a command names a file or an object of the store, and open the file.

    a/b, ./ID, exhibit.wacz   a file: it has a slash or a dot, and no id has either
    20261124t160642z-k3v4…    the id of a bundle or an event, which is looked up in the store
    latest, 20261124, k3v4    the newest, or a part of an id; a file, if one has this name and
                              there is no --store
    exhibit_7                 a file; with --store, an error

A file in the working directory whose name has the form of an id must be written as `./ID`. Such a
file may have come with an exhibit, and must not be mistaken for the object in the store.
"""

import os
import shlex
from pathlib import Path
from typing import BinaryIO

import click

from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr


def file_argument(name: str, *, store: str | None) -> Path | None:
    """
    Return the file that an argument names; None for an id of the store or a part of one.

    Args:
        store: The value of the option --store.

    Raises:
        UsageError: The argument may mean two things; the message says how to write either.
    """
    from snapshotter.app.archive.lookup.object_ids import LATEST, may_be_part
    from snapshotter.formats.bundle import store_keys

    if os.sep in name:
        return Path(name)
    if store_keys.is_id(name):
        if not store and Path(name).is_file():
            raise _two_meanings(name)
        return None
    if may_be_part(name):
        if store or not os.path.lexists(name):
            return None
        if name == LATEST:
            raise _two_meanings(name)
        return Path(name)
    if store and "." not in name:
        raise click.UsageError(
            tr(
                "{name} does not have the form of an id: write ./{name} if {name} is a file",
                name=name,
            )
        )
    return Path(name)


def _two_meanings(name: str) -> click.UsageError:
    return click.UsageError(
        tr(
            "{name} has the form of an id, and a file in this folder has the same name. "
            "To use the file, write ./{name}. To use the object in the store, write "
            "--store DIR {name}",
            name=name,
        )
    )


def open_named(file: Path) -> BinaryIO:
    """
    Open the file that an argument names.

    Raises:
        SnapshotterError: It does not exist, is not a regular file, or cannot be opened.
    """
    from snapshotter.verify.files import open_named_or_none

    stream = open_named_or_none(str(file))
    if stream is None and file.is_dir():
        raise SnapshotterError(
            tr("{file} is a folder, not a file", file=file),
            hint=tr(
                "give a bundle, or audit the store in the folder:\n  snapshotter audit {file}",
                file=shlex.quote(str(file)),
            ),
        )
    if stream is None:
        raise SnapshotterError(
            tr("{file} is neither a file nor the id of a bundle", file=file),
            hint=tr("list the ids:\n  snapshotter list"),
        )
    return stream
