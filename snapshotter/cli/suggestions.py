"""
Complete arguments and options for the shell: the functions that click calls at a press of tab.

A shell cannot show an error, so a store or settings that cannot be read suggest nothing.
"""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from snapshotter.app.archive.lookup.object_ids import ObjectKind
    from snapshotter.app.archive.lookup.suggestions import Suggestion
    from snapshotter.app.settings import Settings
    from snapshotter.ports import ObjectStore

_DESCRIPTION = 60  # characters


def complete_ids(
    ctx: click.Context, typed: str, kinds: "Sequence[ObjectKind]", *, files: bool
) -> "list[CompletionItem]":
    """
    Return ids that begin as they were typed.

    Args:
        files: The argument may also be a file; files are completed where no id fits.
    """
    from snapshotter.app.archive.lookup.suggestions import suggest_ids

    found: list[CompletionItem] = []
    if os.sep not in typed and "." not in typed:
        found = _items(lambda: suggest_ids(_store(_settings(ctx)), typed, kinds))
    return found or (_files(typed) if files else [])


def complete_case(ctx: click.Context, typed: str) -> "list[CompletionItem]":
    """Return the cases of the store whose names begin as they were typed."""
    from snapshotter.app.archive.lookup.suggestions import suggest_cases

    def suggest() -> "Sequence[Suggestion]":
        from snapshotter.app.wiring import index as wiring_index

        settings = _settings(ctx)
        store = _store(settings) if _is_directory(settings) else None
        return suggest_cases(store, wiring_index.known_annotations(settings), typed)

    return _items(suggest)


def complete_policy(ctx: click.Context, typed: str) -> "list[CompletionItem]":
    """Return the policies whose names begin as they were typed, else files."""
    from snapshotter.app.archive.lookup.suggestions import suggest_policies

    if os.sep in typed or "." in typed:
        return _files(typed)
    found = _items(lambda: suggest_policies(_settings(ctx).policies_dir, typed))
    return found or _files(typed)


def _files(typed: str) -> "list[CompletionItem]":
    from click.shell_completion import CompletionItem

    return [CompletionItem(typed, type="file")]


def _items(suggest: "Callable[[], Sequence[Suggestion]]") -> "list[CompletionItem]":
    from click.shell_completion import CompletionItem

    from snapshotter.formats.printable import cut, printable

    try:
        found = suggest()
    except (SnapshotterError, OSError):
        return []
    return [
        # The description may be of a page, and is printed into the protocol of the shell.
        CompletionItem(
            suggestion.text, help=cut(printable(suggestion.description), _DESCRIPTION) or None
        )
        for suggestion in found
    ]


def _settings(ctx: click.Context) -> "Settings":
    from snapshotter.app import settings

    # Two commands name the option `url`.
    return settings.load(
        overrides={"store": ctx.params.get("store") or ctx.params.get("url") or ""}
    )


def _store(settings: "Settings") -> "ObjectStore":
    """Return the configured store. Raises SnapshotterError for a bucket, which may be slow."""
    from snapshotter.app.wiring import store as wiring_store

    if not _is_directory(settings):
        raise SnapshotterError(tr("ids of a bucket are not completed"))
    return wiring_store.store(settings)


def _is_directory(settings: "Settings") -> bool:
    from snapshotter.app.store_location import store_location
    from snapshotter.store.location import DirectoryLocation

    return isinstance(store_location(settings), DirectoryLocation)
