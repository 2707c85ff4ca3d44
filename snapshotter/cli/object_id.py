"""
Declare the arguments that name bundles, take-down events and jobs by their ids or parts of them.

The types check the form of an argument, so that a command line with an invalid id ends before
anything is opened. The functions find the whole ids: `resolve` in a store, `resolve_jobs` in the
queue.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from typing_extensions import override

from snapshotter.translation import tr

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from snapshotter.app.archive.lookup.object_ids import IdsWithPart, ObjectKind
    from snapshotter.jobs.queue.database_queue import DatabaseQueue
    from snapshotter.ports import ReadableStore

    _TextType = click.ParamType[str]
else:  # generic since click 8.3 only
    _TextType = click.ParamType


class ObjectId(_TextType):
    """
    An id, a part of one with at least four characters (`object_ids`), or `latest`.

    Args:
        events: Ids of take-down events are accepted.
        bundles: Ids of bundles are accepted.
        others: Other texts are accepted too: files, addresses and identities of pages.
    """

    name = "id"

    def __init__(self, *, bundles: bool = True, events: bool = False, others: bool = False) -> None:
        self._bundles = bundles
        self._events = events
        self._others = others

    @property
    def kinds(self) -> "tuple[ObjectKind, ...]":
        """The objects that an argument of this type can name."""
        from snapshotter.app.archive.lookup.object_ids import ObjectKind

        wanted = {ObjectKind.BUNDLE: self._bundles, ObjectKind.EVENT: self._events}
        return tuple(kind for kind, is_wanted in wanted.items() if is_wanted)

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from snapshotter.app.archive.lookup.object_ids import MIN_PART, may_be_part

        text = str(value)
        if not self._others and not may_be_part(text):
            self.fail(
                tr(
                    "{text} is not an id. Give a whole id, latest, or at least {count} characters: "
                    "the beginning of an id, the beginning of its random part, or its end. To list "
                    "the ids: snapshotter list",
                    text=text,
                    count=MIN_PART,
                ),
                param,
                ctx,
            )
        return text

    @override
    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> "list[CompletionItem]":
        from snapshotter.cli.suggestions import complete_ids

        return complete_ids(ctx, incomplete, self.kinds, files=self._others)

    def resolve(
        self, store: "ReadableStore", texts: Sequence[str], *, indexed: bool = True
    ) -> tuple[str, ...]:
        """
        Return the whole ids in a store, each once.

        A text that cannot be a part of an id is returned as it is.

        Args:
            indexed: Use the index of the store, where there is one.

        Raises:
            SnapshotterError: No id has this part, or several have it (exit code 2).
        """
        from snapshotter.app.archive.lookup.object_ids import (
            LATEST,
            NoSuchId,
            is_random_part,
            may_be_part,
            resolve,
        )
        from snapshotter.app.store_location import no_store
        from snapshotter.errors import SnapshotterError

        found = []
        for text in texts:
            try:
                if not may_be_part(text):
                    found.append(text)
                    continue
                is_indexed = indexed and is_random_part(text)
                with _index_of(store) if is_indexed else nullcontext() as parts:
                    found.append(resolve(store, text, self.kinds, bundles_with_part=parts))
            except NoSuchId as error:
                missing = no_store(Path(store.url)) if "://" not in store.url else None
                if missing is not None:
                    raise missing from error
                if not self._others or text == LATEST:
                    raise
                if os.path.lexists(text):
                    raise click.UsageError(
                        tr("{error}: write ./{text} if {text} is a file", error=error, text=text)
                    ) from error
                raise SnapshotterError(
                    tr(
                        "{text} is neither a file nor a part of an id in the store {url}",
                        text=text,
                        url=store.url,
                    ),
                    hint=error.hint,
                ) from error
        return tuple(dict.fromkeys(found))


@contextmanager
def _index_of(store: "ReadableStore") -> "Iterator[IdsWithPart | None]":
    """Yield what finds bundles by the random parts of their ids in the index; None without one."""
    from snapshotter.app.wiring import index as wiring_index

    context = click.get_current_context(silent=True)
    if context is None or context.obj is None:
        yield None
        return
    with wiring_index.ids_with_part(context.obj.load(store=store.url), store) as parts:
        yield parts


BUNDLE_ID = ObjectId()
EVENT_ID = ObjectId(bundles=False, events=True)
FILE_OR_BUNDLE = ObjectId(others=True)
FILE_OR_ID = ObjectId(events=True, others=True)


def resolve_jobs(queue: "DatabaseQueue", texts: Sequence[str]) -> tuple[str, ...]:
    """
    Return the whole ids of jobs, each once; `latest` is the newest job.

    A text without a job is returned as it is.

    Raises:
        SnapshotterError: Several jobs have this part in their ids (exit code 2).
    """
    from snapshotter.app.archive.lookup.object_ids import LATEST, choose

    found = []
    for text in texts:
        if text == LATEST and queue.get(text) is None:
            found += [status.job.id for status in queue.jobs(newest=1)]
            continue
        known = queue.with_part(text)
        found.append(choose(text, {status.job.id: status.job.url for status in known}))
    return tuple(dict.fromkeys(found))


def resolve_log_name(store: "ReadableStore", kind: str, text: str) -> str:
    """
    Return the whole name of an entry of a log; for a name that is no id, the text as it is.

    Args:
        kind: Of the entry (`formats.proofs.leaf`).

    Raises:
        SnapshotterError: No id of the store has this part, or several have it (exit code 2).
    """
    from snapshotter.app.archive.lookup.object_ids import ObjectKind, may_be_part, resolve
    from snapshotter.formats.proofs import leaf

    kinds = {
        **dict.fromkeys(
            (leaf.BUNDLE, leaf.RENEWAL, leaf.CUSTODY, leaf.TOMBSTONE), ObjectKind.BUNDLE
        ),
        leaf.QUARANTINE: ObjectKind.BUNDLE,
        leaf.GAP: ObjectKind.GAP,
        leaf.TAKEDOWN: ObjectKind.EVENT,
        leaf.REPORT: ObjectKind.AUDIT,
    }
    if kind not in kinds or not may_be_part(text):
        return text
    return resolve(store, text, (kinds[kind],))
