"""Open the index of the configured store, and the queue that knows which jobs made its bundles."""

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from snapshotter.app.archive.lookup.object_ids import IdsWithPart, indexed_ids
from snapshotter.app.archive.observations import ObservationSource
from snapshotter.app.machine import SystemClock
from snapshotter.app.settings import Settings, file_of_queue
from snapshotter.app.store_location import store_location
from snapshotter.app.wiring import store as wiring_store
from snapshotter.errors import SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.index.open_index import open_index_file, open_index_schema
from snapshotter.index.store_index import Index
from snapshotter.index.sync import FolderStamps
from snapshotter.index.values import IndexProgress, JobFacts
from snapshotter.model.assessment import Assessment
from snapshotter.policy import page_identity
from snapshotter.ports import ObjectStore, ReadableStore, ShowMessage
from snapshotter.store.location import DirectoryLocation
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.archive.lookup.index_service import IndexService
    from snapshotter.app.archive.quarantined import FindHidden, IsTrusted
    from snapshotter.model.copies import Copy

_ROOT = f"{store_keys.BUNDLES}/"
_DAY_FOLDERS = 3  # levels below it
_PROGRESS_S = 3  # between two messages
_UPDATE_DIRECTORY_S = 3.0  # between two updates of an index in the background
_UPDATE_BUCKET_S = 15.0  # each update of an index of a bucket costs some requests
_POSTGRESQL = ("postgresql", "postgres", "postgresql+psycopg")  # beginnings of addresses
_SCHEDULE = "schedule:"  # how the origin of a job of a schedule begins


def index_path(settings: Settings) -> Path:
    """Return the file of the index of the configured store, where the queue is a file."""
    return settings.data_dir / "index" / f"{wiring_store.store_name(settings)}.db"


@contextmanager
def observation_source(
    settings: Settings,
    *,
    show_message: ShowMessage | None = None,
    any_thread: bool = False,
    store: ObjectStore | None = None,
) -> Iterator[ObservationSource]:
    """
    Yield the configured store with its index.

    Args:
        show_message: Shows that the index was damaged, how an update proceeds, and at the end that
            the annotations which were read are damaged.
        any_thread: Several threads use the index, one at a time.
        store: The configured store, if it is open already.

    Raises:
        SnapshotterError: The settings are invalid, or the index cannot be used.
    """
    from snapshotter.app.archive.annotations import describe_problems
    from snapshotter.app.wiring.chain_end import seen_end

    if store is None:
        store = wiring_store.store(settings)
    with index(settings, show_message=show_message, any_thread=any_thread) as opened:
        source = ObservationSource(
            store=store,
            index=opened,
            rules=page_identity.shipped_identity_rules(),
            reassess=partial(_reassess, settings),
            jobs=partial(jobs_of_bundles, settings),
            stamps=folder_stamps(settings, store),
            listed_stamps=_listed_stamps(settings, store),
            progress=progress_messages(show_message or _discard),
            seen_annotation=partial(seen_end, settings),
        )
        yield source
    if source.annotation_problems and show_message is not None:
        show_message(describe_problems(source.annotation_problems))


def index_service(settings: Settings, *, show_message: ShowMessage) -> "IndexService":
    """
    Return what keeps the index of the configured store up to date for a server; not started.

    Args:
        show_message: Shows why an update failed.

    Raises:
        SnapshotterError: The settings are invalid.
    """
    from snapshotter.app.archive.lookup.index_service import IndexService
    from snapshotter.app.wiring import trust as wiring_trust

    store = wiring_store.store(settings)
    is_directory = isinstance(store_location(settings), DirectoryLocation)
    return IndexService(
        partial(observation_source, settings, any_thread=True, store=store),
        clock=SystemClock(),
        is_trusted=partial(wiring_trust.trusted_keys, settings, public_only=True),
        show_problem=show_message,
        every_s=_UPDATE_DIRECTORY_S if is_directory else _UPDATE_BUCKET_S,
    )


def hidden_finder(settings: Settings, source: ObservationSource) -> "FindHidden":
    """Return what finds captures in quarantine in the index of a source that is up to date."""
    from snapshotter.app.archive.quarantined import hidden_reasons
    from snapshotter.app.wiring import trust as wiring_trust

    is_trusted = cache(lambda: wiring_trust.trusted_keys(settings))  # read for the first notice
    return partial(
        hidden_reasons,
        store=source.store,
        is_trusted=lambda key_id: is_trusted()(key_id),
        index=source.index,
    )


def _reassess(settings: Settings, stream: BinaryIO) -> Assessment | None:
    # Only for bundles of early versions: the rules take longer to load than a list to print.
    from snapshotter.app.wiring.reassessment import reassess

    return reassess(settings, stream)


def _discard(sentence: str) -> None:
    """Show nothing."""


def index(
    settings: Settings, *, show_message: ShowMessage | None = None, any_thread: bool = False
) -> Index:
    """
    Open the index of the configured store, in a file or in the database server of the queue.

    A damaged file is created again.

    Args:
        show_message: Shows that the index was damaged.
        any_thread: Several threads use the index, one at a time.

    Raises:
        SnapshotterError: The index cannot be used, or a later version of snapshotter made it.
        ServiceUnavailable: Another process locks the index for longer than a minute.
    """
    if not file_of_queue(settings.queue)[1]:
        return _index_on_server(settings)
    path = index_path(settings)
    if not path.exists():
        # Earlier versions kept an index there.
        shutil.rmtree(settings.data_dir / "catalog", ignore_errors=True)
    return open_index_file(path, show_message=show_message, any_thread=any_thread)


def known_annotations(settings: Settings) -> Mapping[str, bytes]:
    """Return the objects of the annotation chain that an existing index has; none without one."""
    if file_of_queue(settings.queue)[1] and not index_path(settings).exists():
        return {}
    with index(settings) as opened:
        return opened.annotation_objects()


def _index_on_server(settings: Settings) -> Index:
    """Open the index in the PostgreSQL database of the queue."""
    from snapshotter.jobs.postgresql_options import KEEPALIVE, read_password

    try:
        parts = urlsplit(settings.queue)
        if parts.scheme not in _POSTGRESQL:
            raise ValueError(parts.scheme)
        where, user = parts.netloc.rpartition("@")[2], parts.username
        given = parse_qs(parts.query, keep_blank_values=True)
    except ValueError as error:
        raise SnapshotterError(tr("the address of the queue is not a valid URL")) from error
    options = {name: value for name, value in KEEPALIVE.items() if name not in given}
    if "password_file" in given:
        files = given.pop("password_file")
        options["password"] = read_password(files[0] if len(files) == 1 else tuple(files))
    query = urlencode(given, doseq=True, quote_via=quote)
    try:
        return open_index_schema(
            f"postgresql://{parts.netloc}{parts.path}{f'?{query}' if query else ''}",
            # In a cluster that was created without a locale the driver returns bytes for text.
            options={**options, "client_encoding": "utf8"},
            schema=f"snapshotter_index_{wiring_store.store_name(settings)[:16]}",
            shown=f"postgresql://{f'{user}@' if user else ''}{where}{parts.path}",
        )
    except ModuleNotFoundError as error:
        raise SnapshotterError(tr("{name} is not installed", name=error.name)) from error


def folder_stamps(settings: Settings, store: ObjectStore) -> FolderStamps | None:
    """Return what shows which folders of the store changed; None for a bucket."""
    if not isinstance(store_location(settings), DirectoryLocation):
        return None
    from snapshotter.store.filesystem import DirectoryStore

    assert isinstance(store, DirectoryStore)  # noqa: S101  for the type checker
    clock = SystemClock()
    return lambda prefix, depth: store.folder_stamps(prefix, depth, now=clock.now())


def _listed_stamps(settings: Settings, store: ObjectStore) -> FolderStamps | None:
    """Return what shows by one listing which folders of a bucket changed; None for a directory."""
    if isinstance(store_location(settings), DirectoryLocation):
        return None
    from snapshotter.store.s3 import S3Store

    assert isinstance(store, S3Store)  # noqa: S101  for the type checker
    return store.folder_stamps


@contextlib.contextmanager
def ids_with_part(settings: Settings, store: ReadableStore) -> Iterator[IdsWithPart | None]:
    """
    Yield what finds bundles by the random parts of their ids in the index.

    None: there is no index yet, or the index cannot be used; the store then has to be listed. What
    others added to older days of a bucket is known after the index listed the whole bucket again.
    """
    with contextlib.ExitStack() as stack:
        found = None
        is_file = bool(file_of_queue(settings.queue)[1])
        if index_path(settings).exists() or not is_file:
            # Whatever is wrong with the index, a listing of the store answers as well.
            with contextlib.suppress(SnapshotterError):
                opened = stack.enter_context(index(settings))
                stamps, root = folder_stamps(settings, wiring_store.store(settings)), _ROOT
                folders = (
                    opened.changed_folders(stamps(root, _DAY_FOLDERS))
                    if stamps is not None
                    else opened.newest_days(SystemClock().now())
                )
                found = indexed_ids(opened, store, folders) if root not in folders else None
        yield found


def forget_removed(settings: Settings, *, show_message: ShowMessage) -> None:
    """
    Remove from the index of a store what the store no longer has. Without an index, do nothing.

    Raises:
        ServiceUnavailable: The store or the database does not answer.
        SnapshotterError: The index cannot be used.
    """
    from snapshotter.app.archive.annotations import read_indexed_chain

    if file_of_queue(settings.queue)[1] and not index_path(settings).exists():
        return
    with observation_source(settings, show_message=show_message) as source:
        source.sync()
        read_indexed_chain(source.store, source.index)


def known_copies(
    settings: Settings, store: ReadableStore, bundle_id: str, is_trusted: "IsTrusted"
) -> "tuple[Copy, ...]":
    """
    Return captures of other pages with nearly the same text; none without a usable index.

    The index is not brought up to date: this costs a query and no listing of the store.
    """
    from snapshotter.app.archive.known_copies import known_copies

    if file_of_queue(settings.queue)[1] and not index_path(settings).exists():
        return ()
    # The facts of a capture are whole without its copies.
    with contextlib.suppress(SnapshotterError), index(settings) as opened:
        return known_copies(store, opened, bundle_id, is_trusted=is_trusted)
    return ()


def progress_messages(show_message: ShowMessage) -> IndexProgress:
    """Return what shows from time to time how many bundles were read for the index."""
    clock = SystemClock()
    shown = clock.monotonic()

    def progress(count: int) -> None:
        nonlocal shown
        if clock.monotonic() - shown > _PROGRESS_S:
            shown = clock.monotonic()
            show_message(tr("the index is being updated: {count} bundles read", count=count))

    return progress


def jobs_of_bundles(settings: Settings, bundle_ids: Sequence[str]) -> Mapping[str, JobFacts]:
    """
    Return what the queue knows of the jobs that made bundles; nothing without a queue.

    Raises:
        ServiceUnavailable: The database of the queue does not answer.
        SnapshotterError: A later version of snapshotter made the queue.
    """
    _, file = file_of_queue(settings.queue)
    if file and not Path(file).exists():
        return {}
    try:
        from snapshotter.app.wiring import queue as wiring_queue
        from snapshotter.jobs.queue.database_queue import DatabaseQueue

        engine = wiring_queue.database(settings)
    except ModuleNotFoundError:  # a machine without the queue's libraries has no queue
        return {}
    try:
        found = DatabaseQueue(engine).of_bundles(bundle_ids)
    finally:
        engine.dispose()
    return {
        status.bundle_id: JobFacts(
            worker=status.worker,
            schedule=status.job.origin.removeprefix(_SCHEDULE)
            if status.job.origin.startswith(_SCHEDULE)
            else "",
            tags=status.job.tags,
        )
        for status in found
    }
