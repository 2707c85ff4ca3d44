"""
Build the log of the configured store: its writer, its witnesses, and the repair of its lock.

`witness_signer` and `witnessing` build a witness of other logs on this machine. `checkpoint_memory`
returns the file with the newest checkpoint that this machine has seen.
"""

import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from snapshotter.app import private_files
from snapshotter.app.machine import RandomIds, SystemClock
from snapshotter.app.settings import Settings
from snapshotter.app.store_location import store_location
from snapshotter.errors import EvidenceInvalid, ServiceUnavailable, SnapshotterError
from snapshotter.lazy_module import LazyModule
from snapshotter.ports import ObjectStore, ShowMessage, Witness
from snapshotter.seal.key_files import passphrase_from_file
from snapshotter.store.location import DirectoryLocation
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.upkeep.log_entries import CheckpointFile, StoreLog
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.app.wiring import timestamp_authorities as wiring_authorities
    from snapshotter.formats.proofs.note import LogPolicy
    from snapshotter.seal.log_key import FileLogSigner
    from snapshotter.seal.log_lock_repair import LogRepair
    from snapshotter.seal.log_writer import LogWriter
    from snapshotter.seal.witness import WitnessService
    from snapshotter.store.filesystem import DirectoryStore
    from snapshotter.store.s3 import S3Store
else:  # not needed to verify a bundle by this user's own log
    wiring_store = LazyModule("snapshotter.app.wiring.store")
    wiring_authorities = LazyModule("snapshotter.app.wiring.timestamp_authorities")


def logbook(
    settings: Settings,
    *,
    proofs: ObjectStore,
    ask: Callable[[], bytes] | None,
    show_message: ShowMessage,
) -> "StoreLog":
    """
    Return the log of the configured store; it is opened on first use, and begun if it is new.

    Args:
        proofs: The store that gets the proofs, with custody events.
        ask: Asks the person for the passphrase of the log's key; None if nobody can be asked.
        show_message: Shows messages, for example that a key was made.
    """
    from snapshotter.app.upkeep.log_entries import StoreLog

    return StoreLog(
        proofs,
        lambda: open_log(settings, ask=ask, show_message=show_message),
        settings.data_dir / "unlogged",
    )


def open_log(
    settings: Settings,
    *,
    ask: Callable[[], bytes] | None,
    show_message: ShowMessage,
    name: str = "",
    passphrase: bytes | None = None,
    again: bool = False,
) -> "LogWriter":
    """
    Return a writer of the log in the configured store; begin the log if there is none.

    Args:
        name: The origin of a new log; "" for an origin that is no existing host.
        passphrase: Encrypts the key of a new log.
        again: Begin a log even if this machine remembers that there was one.

    Raises:
        SnapshotterError: The key of this log is not on this machine, the store cannot keep a log,
            or an existing log is gone.
    """
    from snapshotter.formats.proofs import log_state
    from snapshotter.seal.log_key import LogKeyDirectory
    from snapshotter.seal.log_writer import LogDamaged, LogWriter

    found = wiring_store.store(settings)
    wiring_store.check_fit_for_log(settings, found)
    keys, memory = LogKeyDirectory(path=settings.keys_dir), checkpoint_memory(settings)

    def writer(origin: str) -> LogWriter:
        return LogWriter(
            found,
            keys.load(name=origin, passphrase=source),
            clock=SystemClock(),
            ids=RandomIds(),
            witnesses=witnesses(settings),
            memory=memory,
            show_message=show_message,
        )

    source = ask
    if settings.log_passphrase_file:
        source = partial(passphrase_from_file, settings.log_passphrase_file)
    origin = stored_origin(found)
    if origin:
        return writer(origin)
    if there := published_origin(found):  # before a key is made for another one
        is_copy = next(iter(found.list(log_state.MIRROR)), None) is not None
        if is_copy:
            raise LogDamaged(
                tr(
                    "the log {there} in {url} is a copy of the log of another store, so nothing "
                    "can be added to this copy",
                    there=there,
                    url=found.url,
                ),
                hint=tr(
                    "continue the log in this copy only if the first store is permanently lost:"
                    "\n  snapshotter log repair --take-over"
                ),
            )
        raise LogDamaged(
            tr(
                "the lock of the log {there} in {url} is missing, so nothing can be added to the "
                "log",
                there=there,
                url=found.url,
            ),
            hint=tr("repair the lock of the log:\n  snapshotter log repair"),
        )
    if memory.load() and not again:
        raise LogDamaged(
            tr(
                "the store {url} has no log, but this machine has a record of an earlier log of "
                "the store",
                url=found.url,
            ),
            hint=tr(
                "restore the folder log/ from a backup; if you emptied the store yourself, "
                "make a new log:\n  snapshotter log init --again"
            ),
        )
    # Two first captures at once make one log, and no key that nobody needs.
    with private_files.lock_directory(settings.data_dir / "log", wait_s=30):
        origin = stored_origin(found)
        if origin:
            return writer(origin)
        memory.forget()
        key = keys.create(name=name, passphrase=passphrase)
        if passphrase is not None:
            source = lambda: passphrase  # noqa: E731  what was asked for a moment ago
        begun = writer(key.name)
        begun.create()
    show_message(
        tr(
            "a log was made for {url}. Its verifier key, for a trust file and for witnesses:\n  "
            "{text}\n  Back up {file}. You need this file to add entries to the log. "
            "Anybody with the file\n  can sign another history of the log. A witness of another "
            "party reveals a second history (docs/howto/log.md)",
            url=found.url,
            text=key.text,
            file=keys.file(key),
        )
    )
    return begun


def log_repair(
    settings: Settings, *, ask: Callable[[], bytes] | None
) -> "tuple[LogRepair, Callable[[], LogWriter]]":
    """
    Return a function that makes the lock of the log again, and one that then opens the log.

    Raises:
        SnapshotterError: The key of this log is not on this machine, or the store cannot keep a
            log.
    """
    from snapshotter.formats.proofs import note
    from snapshotter.seal.log_key import LogKeyDirectory
    from snapshotter.seal.log_lock_repair import LogRepair
    from snapshotter.seal.log_writer import LogDamaged

    found, memory = wiring_store.store(settings), checkpoint_memory(settings)
    wiring_store.check_fit_for_log(settings, found)
    origin = published_origin(found, junk_lock=True)
    if not origin and (known := memory.load()):
        origin = note.parse_checkpoint(note.parse(known).text).origin
    if not origin:
        raise LogDamaged(
            tr("{url} has no checkpoint of a log, so there is nothing to repair", url=found.url),
            hint=tr("restore the folder log/ from a replica or a backup"),
        )
    source = ask
    if settings.log_passphrase_file:
        source = partial(passphrase_from_file, settings.log_passphrase_file)
    key = LogKeyDirectory(path=settings.keys_dir).load(name=origin, passphrase=source)
    return (
        LogRepair(found, found, key, ids=RandomIds(), memory=memory),
        partial(open_log, settings, ask=ask, show_message=lambda _: None),
    )


def log_signer(settings: Settings, *, ask: Callable[[], bytes] | None) -> "FileLogSigner":
    """
    Return the key of the log in the configured store, also if the store is a replica.

    Raises:
        SnapshotterError: The store has no log, or the key of the log is not on this machine.
    """
    from snapshotter.seal.log_key import LogKeyDirectory

    found = wiring_store.store(settings)
    origin = published_origin(found)
    if not origin:
        raise SnapshotterError(
            tr("{url} has no log", url=found.url),
            hint=tr("add the bundles to a log:\n  snapshotter log sync"),
        )
    source = ask
    if settings.log_passphrase_file:
        source = partial(passphrase_from_file, settings.log_passphrase_file)
    return LogKeyDirectory(path=settings.keys_dir).load(name=origin, passphrase=source)


def append_report_to_log(
    settings: Settings,
    report_id: str,
    sha256: str,
    *,
    ask: Callable[[], bytes] | None,
    show_message: ShowMessage,
) -> None:
    """
    Append the report of an audit to the store's log, if this user writes that log.

    Raises:
        SnapshotterError: The report cannot be appended.
    """
    from snapshotter.formats.proofs.leaf import REPORT, Leaf
    from snapshotter.seal.log_key import LogKeyDirectory

    found = wiring_store.store(settings)
    origin = stored_origin(found)
    if not origin:
        return
    if all(key.name != origin for key in LogKeyDirectory(path=settings.keys_dir).list()):
        show_message(
            tr(
                "the report was not added to the log, because the key of the log {origin} is not "
                "on this machine",
                origin=origin,
            )
        )
        return
    leaf = Leaf(kind=REPORT, name=report_id, sha256=sha256)
    logbook(settings, proofs=found, ask=ask, show_message=show_message).append((leaf,), seen=None)


def stored_origin(found: "DirectoryStore | S3Store") -> str:
    """
    Return the origin of the log in a store; "" if the store has no log.

    Raises:
        SnapshotterError: The store does not answer, or an invalid object is in place of the log.
    """
    from snapshotter.formats.proofs import log_state, note
    from snapshotter.seal.log_writer import LogDamaged

    try:
        lock = log_state.parse_lock(found.read(log_state.LOCK, log_state.MAX_LOCK).data)
        return note.parse_checkpoint(note.parse(lock.checkpoint).text).origin
    except FileNotFoundError:
        return ""
    except EvidenceInvalid as error:
        raise LogDamaged(
            tr("{lock} in {url} is not a valid lock of a log", lock=log_state.LOCK, url=found.url),
            hint=tr(
                "restore the folder log/ from a backup, or check the log:\n  snapshotter log check"
            ),
        ) from error


def published_origin(found: "DirectoryStore | S3Store", *, junk_lock: bool = False) -> str:
    """
    Return the origin of the log in a store, also if it is a copy that has no lock.

    Args:
        junk_lock: Read the checkpoint alone: the lock may be invalid.
    """
    from snapshotter.formats.proofs import log_state, note

    with contextlib.suppress(FileNotFoundError, EvidenceInvalid):
        if junk_lock or not (origin := stored_origin(found)):
            data = found.read(log_state.CHECKPOINT, note.MAX_BYTES).data
            origin = note.parse_checkpoint(note.parse(data).text).origin
        return origin
    return ""


def known_origin(settings: Settings) -> str:
    """
    Return the origin of the log in the configured store, or else the one that is remembered.

    If the lock or the checkpoint cannot be read, the store can still be judged by the log that this
    machine remembers. Returns "" if there is none.

    Raises:
        ServiceUnavailable: The store does not answer.
    """
    from snapshotter.formats.proofs import note

    found = wiring_store.store(settings)
    try:
        return published_origin(found)
    except ServiceUnavailable:
        raise
    except SnapshotterError:  # what judges the store tells of it
        with contextlib.suppress(SnapshotterError):
            if origin := published_origin(found, junk_lock=True):
                return origin
        with contextlib.suppress(EvidenceInvalid):
            return note.parse_checkpoint(note.parse(checkpoint_memory(settings).load()).text).origin
        return ""


def checkpoint_memory(settings: Settings) -> "CheckpointFile":
    """Return the file with the newest checkpoint that this machine has seen of the log."""
    from snapshotter.app.upkeep.log_entries import CheckpointFile

    return CheckpointFile(
        settings.data_dir / "log" / f"{wiring_store.store_name(settings)}.checkpoint"
    )


def own_log(
    settings: Settings, *, by_bundle: bool = False, public_only: bool = False
) -> "LogPolicy | None":
    """
    Return this user's own log that holds the bundles of the configured store, if it is known.

    Args:
        by_bundle: Of several logs let each bundle name its own, whatever the store says: to verify
            bundles, not the log of a store.
        public_only: Open no private key.
    """
    from snapshotter.formats.proofs.note import LogPolicy
    from snapshotter.seal.log_key import LogKeyDirectory

    keys = LogKeyDirectory(path=settings.keys_dir).list(public_only=public_only)
    if len(keys) > 1 and by_bundle:
        return LogPolicy(key=keys[0], others=keys[1:])
    if len(keys) > 1:
        # Several stores, each with its log. Nothing is asked of a network for this.
        here = isinstance(store_location(settings), DirectoryLocation)
        origin = known_origin(settings) if here else ""
        keys = tuple(key for key in keys if key.name == origin)
    return LogPolicy(key=keys[0]) if len(keys) == 1 else None


def has_log_key(settings: Settings, origin: str) -> bool:
    """Return whether the key of a log is on this machine. Raises SnapshotterError."""
    from snapshotter.seal.log_key import LogKeyDirectory

    return any(key.name == origin for key in LogKeyDirectory(path=settings.keys_dir).list())


def witnesses(settings: Settings) -> "tuple[Witness, ...]":
    """Return the configured witnesses of the log."""
    if not settings.witnesses:
        return ()
    from snapshotter.formats.proofs.note import parse_verifier_key
    from snapshotter.seal.witness_client import HttpWitness

    clock = SystemClock()
    carry = wiring_authorities.guarded_connections(settings, clock, purpose="witness")
    return tuple(
        HttpWitness(
            parse_verifier_key(witness.verifier_key), witness.url, clock=clock, transport=carry
        )
        for witness in settings.witnesses
    )


def witness_signer(settings: Settings, *, name: str, show_message: ShowMessage) -> "FileLogSigner":
    """
    Return the key of this installation's witness; make it on first use.

    Raises:
        SnapshotterError: The key has another name already, or it cannot be read.
    """
    from snapshotter.seal.log_key import WITNESS, LogKeyDirectory

    keys = LogKeyDirectory(path=settings.keys_dir)
    source = None
    if settings.log_passphrase_file:
        source = partial(passphrase_from_file, settings.log_passphrase_file)
    there = keys.list(WITNESS)
    if not there:
        made = keys.create(WITNESS, name=name)
        show_message(
            tr(
                "a key for the witness was made: {file}. Back up this file now",
                file=keys.file(made),
            )
        )
    elif name and name != there[0].name:
        raise SnapshotterError(
            tr("the witness of this key directory has another name: {name}", name=there[0].name),
            hint=tr("leave out --name, or set another key directory for a second witness"),
        )
    return keys.load(WITNESS, passphrase=source)


def witnessing(
    settings: Settings, signer: "FileLogSigner", log_keys: Sequence[str], directory: Path | None
) -> "WitnessService":
    """
    Return a witness of these logs.

    Raises:
        SnapshotterError: No log is given, or one is not given by its verifier key.
    """
    from snapshotter.formats.proofs.note import ED25519, parse_verifier_key
    from snapshotter.seal.witness import WitnessService

    try:
        logs = [parse_verifier_key(text) for text in log_keys]
    except EvidenceInvalid as error:
        raise SnapshotterError(
            tr("--log: {error}", error=error),
            hint=tr("show the verifier key of a log:\n  snapshotter log show"),
        ) from error
    if not logs or any(key.kind != ED25519 for key in logs):
        raise SnapshotterError(
            tr("the witness needs the verifier keys of the logs that it cosigns"),
            hint=tr(
                "give the verifier key of each log with --log KEY. Show the verifier key of "
                "a log:\n  snapshotter log show"
            ),
        )
    return WitnessService(directory or settings.data_dir / "witness", signer, logs, SystemClock())
