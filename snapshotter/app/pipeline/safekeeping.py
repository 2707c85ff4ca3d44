"""
Move sealed bundles that could not be stored to a local folder, and store a bundle from a file.

A capture cannot be repeated. A bundle that the store does not accept, for any reason, is moved out
of the spool with its salts, and a message names its new place. `rescue_spooled` does the same for
the bundles that an earlier run left in the spool; `add_bundle` stores a kept bundle later.
"""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from snapshotter import durable
from snapshotter.app import commitment_salts
from snapshotter.app.spool import sweep
from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.digest import digest, digest_bytes
from snapshotter.lazy_module import LazyModule
from snapshotter.model.bundle import Bundle, Retention, StoredObject
from snapshotter.model.finding import Verdict
from snapshotter.ports import ObjectStore
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    from snapshotter.app.archive import bundles
    from snapshotter.app.upkeep.tombstones import Tombstones
    from snapshotter.formats.proofs import rfc3161
    from snapshotter.seal import sealer
    from snapshotter.verify import bundle as verification
    from snapshotter.verify import files
    from snapshotter.verify.trust import Trust
else:  # used for a bundle, and not before a capture
    bundles = LazyModule("snapshotter.app.archive.bundles")
    rfc3161 = LazyModule("snapshotter.formats.proofs.rfc3161")
    sealer = LazyModule("snapshotter.seal.sealer")
    verification = LazyModule("snapshotter.verify.bundle")
    files = LazyModule("snapshotter.verify.files")


class SafekeepingFolders(Protocol):
    """The folders for bundles that were not stored, and for salts."""

    @property
    def rejected_dir(self) -> Path:
        """Bundles that our own verifier refused, which is a bug."""

    @property
    def unstored_dir(self) -> Path:
        """Sealed bundles that the store did not accept."""

    @property
    def salts_dir(self) -> Path:
        """The salts that open the commitments of captures."""


class RescueFolders(SafekeepingFolders, Protocol):
    """These folders, and the spool and store of bundles that an earlier run left."""

    @property
    def spool_dir(self) -> Path:
        """The folder of captures in progress."""

    @property
    def store(self) -> ObjectStore:
        """The store that the bundles were captured for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedBundle:
    """A bundle file that was stored, and its sidecars that were not."""

    stored: StoredObject
    passed_over: tuple[str, ...]  # a sentence for each


def add_bundle(
    file: Path,
    store: ObjectStore,
    trust: "Trust",
    *,
    now: datetime,
    retention: Retention | None = None,
    tombstones: "Tombstones | None" = None,
) -> AddedBundle:
    """
    Store a sealed bundle that is a file, and the late tokens beside it that are over its signature.

    Args:
        retention: Ask for at least this, for the bundle and its tokens.
        tombstones: The tombstones of erased bundles; None if none are known.

    Raises:
        FileNotFoundError: There is no such file.
        PolicyRefused: It was erased by order.
        EvidenceInvalid: The verifier calls it FAILED.
        SnapshotterError: It cannot be read, or the store does not take it.
    """
    with files.open_file(file) as stream:
        report = verification.verify_bundle(stream, trust, now=now)
        if report.verdict is Verdict.FAILED:
            raise EvidenceInvalid(
                tr("{file} is not an intact bundle", file=file),
                hint=tr(
                    "show why the verification of the bundle fails:\n  snapshotter verify {file}",
                    file=file,
                ),
            )
        signatures = bundles.read_signatures(stream)
    key = store_keys.bundle_key(report.bundle_id)  # the verifier knows no other kind of id
    if tombstones is not None:
        tombstones.refuse(store, report.bundle_id)
    try:
        stored = store.put_new(key, file, report.sha256, retention=retention)
    except FileExistsError as error:
        raise SnapshotterError(
            tr(
                "the store {url} has another file under the id {bundle_id}",
                url=store.url,
                bundle_id=report.bundle_id,
            ),
            hint=tr(
                "keep both files: one of them is not the original. Verify both:\n  "
                "snapshotter verify {file}\n  snapshotter verify {bundle_id}",
                file=file,
                bundle_id=report.bundle_id,
            ),
        ) from error
    passed_over: list[str] = []
    for sidecar in files.late_token_files(file):
        try:
            number, sha256 = _late_token(sidecar, signatures)
        except (SnapshotterError, FileNotFoundError) as error:
            passed_over.append(f"the sidecar {sidecar} was not added: {error}")
            continue
        if not bundles.put_late_token(
            store, key, sidecar, sha256, number=number, retention=retention
        ):
            passed_over.append(
                f"the sidecar {sidecar} was not added: the store already has nine late tokens for "
                "this bundle, the largest permitted number"
            )
    return AddedBundle(stored=stored, passed_over=tuple(passed_over))


def _late_token(sidecar: Path, signatures: Sequence[bytes]) -> tuple[int, str]:
    """Return number and SHA-256 of a late token. Raises if it is over none of `signatures`."""
    match = files.LATE_TOKEN.fullmatch(sidecar.name)
    if match is None:
        raise SnapshotterError(
            tr("the name of a late token must have a number from late-01 to late-09")
        )
    with files.open_file(sidecar) as stream:
        response = stream.read(files.MAX_SIDECAR_BYTES + 1)
    if not any(rfc3161.is_token_over(response, signature) for signature in signatures[1:]):
        rfc3161.check_subject(response, signatures[0])  # raises, with what is wrong
    return int(match[1]), digest_bytes(response).sha256


class SelfCheckFailed(SnapshotterError):
    """Our own verifier says FAILED of a new bundle."""


@contextlib.contextmanager
def keep_on_failure(bundle: Bundle, places: SafekeepingFolders) -> Iterator[None]:
    """
    Keep a sealed bundle if the block raises before it is stored.

    The error is raised again, with the place of the bundle in it. An unexpected exception becomes a
    SnapshotterError for that.
    """
    try:
        yield
    except SnapshotterError as error:
        kept = keep(bundle, places, refused=isinstance(error, SelfCheckFailed))
        hint = _join_hints(error.hint, kept) if error.hint else kept
        raise type(error)(error.message, hint=hint) from error
    except Exception as error:  # raised again: whatever went wrong, the bundle is kept first
        words = str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
        raise SnapshotterError(
            tr("the sealed bundle could not be stored: {words}", words=words),
            hint=keep(bundle, places),
        ) from error
    except BaseException as error:  # Ctrl-C, and whatever else ends the program
        error.add_note(keep(bundle, places))
        raise


def _join_hints(first: str, second: str) -> str:
    """Return the sentences of two hints, and after them the commands of both."""
    sentences, commands = zip(*(hint.partition("\n")[::2] for hint in (first, second)), strict=True)
    ended, kept = sentences[0].rstrip(":."), sentences[1]
    return "\n".join(filter(None, (f"{ended}. {kept[:1].upper()}{kept[1:]}", *commands)))


def keep(bundle: Bundle, places: SafekeepingFolders, *, refused: bool = False) -> str:
    """
    Move a bundle out of the spool if possible; return a sentence that names its place.

    Args:
        refused: Our own verifier refused it.
    """
    if not bundle.file.exists():
        return f"the sealed bundle is no longer at {bundle.file}"
    try:
        kept = move_to_folder(
            bundle.file, places.rejected_dir if refused else places.unstored_dir, places.salts_dir
        )
    except OSError as error:
        kept = bundle.file  # the spool never removes a sealed bundle
        why = error.strerror
        return f"the sealed bundle is still at {kept}, because moving the bundle failed: {why}"
    if refused:
        return (
            "this error is a bug in snapshotter: please report the bug. The sealed bundle is "
            f"kept at {kept}"
        )
    if any(sealer.owed_authorities(signature.tokens) for signature in bundle.signatures):
        return (
            "the sealed bundle is kept. Store the bundle, and request its missing timestamp "
            "tokens:\n"
            f"  snapshotter store add {kept}\n"
            f"  snapshotter timestamp {bundle.id}"
        )
    return f"the sealed bundle is kept. Store the bundle:\n  snapshotter store add {kept}"


def move_to_folder(file: Path, directory: Path, salts_dir: Path) -> Path:
    """
    Move a sealed bundle to a folder, and its salts to the folder for salts.

    Raises:
        OSError: The bundle cannot be moved, and stays where it was.
    """
    durable.make_private_folder(directory)
    salts = file.with_name(commitment_salts.salts_file_name(file.stem))
    if salts.exists() and not (salts_dir / salts.name).exists():
        try:
            durable.make_private_folder(salts_dir)
            _move(salts, salts_dir / salts.name)
        except OSError:
            _move(salts, directory / salts.name)
    return _move(file, directory / file.name)


def rescue_spooled(places: RescueFolders) -> tuple[Path, ...]:
    """
    Return the sealed bundles that earlier runs left in the spool, after moving them.

    They are moved to the folder of unstored bundles. A bundle that cannot be moved stays and is
    returned each time. A bundle that the store holds already is removed from the spool.
    """
    found: list[Path] = []

    def take(file: Path) -> None:
        if _is_stored(file, places.store):
            with contextlib.suppress(OSError):
                file.unlink()
            return
        try:
            found.append(move_to_folder(file, places.unstored_dir, places.salts_dir))
        except OSError:
            found.append(file)

    sweep(places.spool_dir, take)
    return tuple(found)


def _is_stored(file: Path, store: ObjectStore) -> bool:
    try:
        with store.open(store_keys.bundle_key(file.stem)) as there, file.open("rb") as here:
            length = file.stat().st_size
            return digest(there, limit=length) == digest(here, limit=length)
    except (OSError, ValueError, SnapshotterError):
        return False  # not there, not the same, or nobody can say: then it is kept


def _move(file: Path, target: Path) -> Path:
    """Move a file, also to another file system; it is always complete in one of the two places."""
    try:
        return file.replace(target)
    except OSError:
        with file.open("rb") as source, durable.growing(target, mode=0o600) as out:
            shutil.copyfileobj(source, out)
        file.unlink()
        return target
