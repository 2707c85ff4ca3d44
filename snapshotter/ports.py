"""
Define the ports: the contracts of what is outside the core, such as the browser, keys, clocks,
stores, the log's witnesses, the job queue and notifications.

Each docstring is a contract: what is durable, what may run at once, what a retry does, and
whether the other side is trusted. `app/wiring` builds most of the implementations.
"""

from __future__ import annotations  # the values of the model are loaded by who uses them

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeAlias

from snapshotter.errors import SnapshotterError
from snapshotter.model.custody import SUCCESS
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric import ec

    from snapshotter.errors import ServiceUnavailable, StoreFull
    from snapshotter.model.assessment import Assessment, ContentVerdict, TakedownVerdict
    from snapshotter.model.bundle import LockState, ObjectVersion, Retention, StoredObject
    from snapshotter.model.capture import Artifact, Capture, ClockFacts, Picture
    from snapshotter.model.custody import CustodyEvent, KeptReceipts
    from snapshotter.model.job import AttemptEnd, CaptureJob, JobState, JobStatus, SealedResult
    from snapshotter.model.notification import DeliveryResult, NotificationEvent, UndeliveredMessage
    from snapshotter.model.page import Page
    from snapshotter.model.replay import Replay
    from snapshotter.model.request import CaptureRequest, Decision

# Called when a step begins ("navigate", "") and when it makes progress ("screenshot",
# "tile 3 of 5"). Called from the thread of the capture.
Progress = Callable[[str, str], None]

# Shows a sentence to the person at the terminal, or writes it to a worker's log.
ShowMessage = Callable[[str], None]


# What is stored: a file, or bytes for what is small or must not be on a disk.
Content: TypeAlias = Path | bytes


class Clock(Protocol):
    """The machine's clock. Not trusted: only a timestamp token proves a time."""

    def now(self) -> datetime:
        """Return the time, aware and in UTC."""

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start; never decreases."""

    def facts(self) -> ClockFacts:
        """Return what the system reports about its own clock."""


class PictureRows(Protocol):
    """Receives the rows of one file of a picture while it is made, from one thread at a time."""

    def add(self, head: bytes, rows: bytes) -> None:
        """
        Receive the next bytes of the rows; wait if many are not read yet.

        Args:
            head: Signature and IHDR of a PNG image with rows of this kind.
            rows: Inflated, with their filter bytes, as they are in the file.
        """

    def give_up(self) -> None:
        """Forget the rows: the file will have others."""

    def end(self, sha256: str) -> None:
        """Receive the digest of the file, which is finished."""


class PictureReader(Protocol):
    """Reads the pictures of a capture, also while they are made. Never fails."""

    def file(self) -> PictureRows:
        """Return what receives the rows of a file of the whole page's picture."""

    def taken(self, pictures: Sequence[Picture], artifacts: Sequence[Artifact]) -> None:
        """
        Receive the pictures that are taken, and the files so far; return at once.

        Called from the thread of the capture, and again at the end of the page, because the
        pictures may be others then.
        """


class IdSource(Protocol):
    """A source of identifiers and salts. Never returns the same value twice."""

    def bundle_id(self, at: datetime) -> str:
        """Return an id that sorts by `at`: `[0-9a-z-]`, at most 64 characters."""

    def random_bytes(self, count: int) -> bytes:
        """Return `count` bytes from a cryptographic source."""


class Capturer(Protocol):
    """
    A browser that renders one page at a time and then frees everything, at once or later.

    Not trusted with keys or the store. A page that fails is a value with an outcome. Only a
    browser that cannot be started, or not safely, raises an error.
    """

    def capture(
        self,
        request: CaptureRequest,
        decision: Decision,
        spool: Path,
        progress: Progress,
        *,
        free_later: bool = False,
        picture_reader: Callable[[], PictureReader] | None = None,
    ) -> Capture:
        """
        Render the page and return the capture, within `decision.limits.total_s`.

        Args:
            spool: An empty directory; artifacts are written below it, under the paths that
                they have in the bundle.
            free_later: Return as soon as the capture is complete. The rest of the browser is freed
                meanwhile, and the caller calls `discard`, which waits for that.
            picture_reader: Returns what reads the pictures, always the same. Its `taken` is called
                before the network record is written, and perhaps before that; not where nothing was
                photographed.

        Raises:
            ServiceUnavailable: No browser could be started.
            PolicyRefused: The browser would run without its sandbox, and the policy does not
                allow that.
        """

    def prepare(self, decision: Decision, spool: Path) -> None:
        """
        Start a browser for a later capture under this decision into this spool.

        `capture` or `discard` follows.

        Raises:
            ServiceUnavailable: No browser is installed.
        """

    def discard(self, spool: Path) -> None:
        """
        Free the browser of a spool: one that `prepare` started, or that `capture` frees later.

        Does nothing if there is none. Raises what failed while `capture` freed its browser.
        """


class Assessor(Protocol):
    """
    Assess what a page shows, by the rules of one decision.

    Pure: the same page always gets the same assessment. A page that no rule covers is
    inconclusive.
    """

    def judge(self, page: Page) -> tuple[ContentVerdict, TakedownVerdict]:
        """Return only the verdicts; fast enough to call while the browser waits."""

    def assess(self, page: Page) -> Assessment:
        """Return the verdicts and everything else that is read from the page."""

    def prepare(self, page: Page) -> None:
        """Load what `assess` needs for pages like this one, and no other page."""


class Replayer(Protocol):
    """
    Another party's software that replays a bundle.

    Not trusted: a replay shows whether others can view the bundle, and proves nothing else.
    """

    def check(
        self,
        request: CaptureRequest,
        decision: Decision,
        captured: Capture,
        bundle: Path,
        folder: Path,
        progress: Progress,
    ) -> Replay:
        """
        Replay a bundle and compare its pictures; a failure is part of the result.

        Args:
            captured: The capture in the bundle.
            folder: A directory for temporary files; none is left there.
        """


class Signer(Protocol):
    """
    A signing key that never leaves its holder. Trusted.

    The algorithm is ECDSA on P-384 with SHA-384; nothing in a bundle can select another.
    """

    @property
    def key_id(self) -> str:
        """SHA-256 hex of the DER SubjectPublicKeyInfo."""

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The public key as a value."""

    @property
    def public_key_pem(self) -> bytes:
        """The public key, PEM SubjectPublicKeyInfo."""

    @property
    def in_software(self) -> bool:
        """Whether the key also signs the WACZ-auth digest, which costs a second signature."""

    def sign(self, message: bytes) -> bytes:
        """
        Return the canonical signature over SHA-384 of `message`, DER (ECDSA-Sig-Value).

        Raises:
            ServiceUnavailable: The holder did not answer, or its signature is invalid.
            SnapshotterError: The holder refuses.
        """

    def sign_wacz_hash(self, hash_text: bytes) -> bytes:
        """
        Return the WACZ-auth signature: over SHA-256 of `hash_text`, r ‖ s (IEEE P1363, 96 bytes).

        Readers of the format check this signature (WebCrypto's ECDSA with SHA-256 on P-384).
        It signs only `sha256:<hex>` of a datapackage. Called only if `in_software`.
        """


class TimestampAuthority(Protocol):
    """
    A third party's clock (RFC 3161).

    Trusted for the time alone, and only after its token was verified against the configured
    root certificate.
    """

    @property
    def name(self) -> str:
        """The name from the configuration."""

    def stamp(self, message: bytes) -> tuple[bytes, datetime]:
        """
        Return the whole verified response (DER) over `message`, and its time.

        Raises:
            ServiceUnavailable: The authority did not answer, or its response is invalid.
        """


class Receipts(Protocol):
    """
    A store's answers for each object that this machine wrote there.

    Kept in the operator's own directory: as trusted as this machine, and out of reach of
    whoever controls the store.
    """

    def of(self, bundle_id: str) -> KeptReceipts:
        """
        Return the receipts of a bundle and its sidecars; none if this machine wrote none.

        Raises:
            SnapshotterError: The receipts cannot be read.
        """

    def bundle_ids(self) -> Iterator[str]:
        """
        Yield the id of every bundle with receipts, in order.

        Raises:
            SnapshotterError: The receipts cannot be listed.
        """


class ObjectChanged(SnapshotterError):
    """The object was replaced or removed while it was read."""


class NotAnObject(SnapshotterError):
    """The name of an object belongs to something else in the store, such as a folder."""


class ReadableStore(Protocol):
    """
    Read immutable objects by key.

    Not trusted: whoever controls the store can withhold evidence and cannot forge it. Every
    method may be called at once by any number of threads and processes, and repeated.
    A listing may lag behind recent writes.

    Every method raises ServiceUnavailable if the store does not answer or asks for another
    try, and SnapshotterError if it refuses.
    """

    @property
    def url(self) -> str:
        """The store as a person names it: a directory, or `s3://bucket/prefix`."""

    def head(self, key: str) -> StoredObject:
        """
        Describe one object, with its lock if the store shows it.

        `lock_state` states reliably whether an object is locked; this method may omit it.

        Raises:
            FileNotFoundError: There is no such object.
        """

    def open(self, key: str) -> BinaryIO:
        """
        Return a seekable binary stream; the caller closes it.

        Reading from the stream raises the same errors, never an OSError of the system.

        Raises:
            FileNotFoundError: The store states that there is no such object. A missing answer
                or missing rights never raise this.
            NotAnObject: The name belongs to something else; only in a directory.
            ServiceUnavailable: No answer, or one that asks for another try.
            SnapshotterError: The object cannot be read, and another try would not help.
        """

    def list(self, prefix: str = "", *, reverse: bool = False) -> Iterator[StoredObject]:
        """Yield objects whose key begins with `prefix`, in key order (or the reverse), lazily."""

    def versions(self, key: str) -> tuple[ObjectVersion, ...]:
        """Return all versions of a key, with delete markers; () if there are none."""

    def lock_state(self, key: str, version: str = "") -> LockState:
        """
        Return what keeps a version from being deleted; the current one if none is named.

        Raises:
            FileNotFoundError: There is no such version.
            SnapshotterError: The state cannot be established: treat the object as locked.
        """


class WritableStore(Protocol):
    """
    Add immutable objects.

    Keys are `/`-separated segments of `[A-Za-z0-9._=@-]`, each at most 200 bytes. Any number
    of processes may write at once: if several put the same key, exactly one succeeds, and
    no reader ever sees a part of an object. Not trusted to keep what it accepted.
    """

    def put_new(
        self, key: str, source: Content, sha256: str, *, retention: Retention | None = None
    ) -> StoredObject:
        """
        Write a file, or bytes, durably before returning, if the key is free.

        Args:
            sha256: Hex digest of the content; a store that is able to checks it on arrival.
            retention: The least retention. A bucket without Object Lock refuses; a directory
                only records it, as `RetentionStore.retain` does.

        Raises:
            FileExistsError: The key holds other bytes. The same bytes again succeed.
            ServiceUnavailable: The store did not answer. Whether it wrote is unknown; repeating
                the call is safe.
            SnapshotterError: The store refused (rights, space, no such bucket).
        """

    def set_aside(self, key: str) -> None:
        """
        Remove the object from its key, so that `put_new` finds the key free.

        A bucket with versions hides the object under a delete marker, a directory moves it to
        `.aside/`. A bucket without versions deletes it. A directory keeps the record of the
        key's retention.

        Raises:
            FileNotFoundError: There is no such object.
        """


class RetentionStore(Protocol):
    """
    Keep objects from being deleted, and delete them for good when nothing keeps them.

    Whether locks are enforced depends on the store: `LockState.enforced` states it. Repeating
    a call is safe.
    """

    def retain(self, key: str, retention: Retention) -> LockState:
        """
        Keep every version of the object at least until then; return the resulting lock.

        A lock is only ever extended: of two modes the stricter one stays.

        Raises:
            FileNotFoundError: There is no such object.
            PolicyRefused: The present retention ends later.
            SnapshotterError: The store does not keep retention.
        """

    def set_legal_hold(self, key: str, on: bool) -> LockState:
        """
        Put every version of the object under legal hold, or lift it; return the resulting lock.

        The store has one flag for all holds. A bucket without Object Lock has none: the
        result states that, and nothing is raised.

        Raises:
            FileNotFoundError: There is no such object.
        """

    def remains(self, prefix: str) -> frozenset[str]:
        """
        Return every key with this prefix of which anything is left.

        That includes what `list` does not show and a deletion has to find: older versions,
        delete markers, and objects that were set aside.
        """

    def delete(self, key: str, *, now: datetime) -> int:
        """
        Remove an object for good, with all versions and delete markers.

        Nothing is deleted while any version is locked, and no lock is ever bypassed.

        Args:
            now: The time by which retention has ended or not, where no server judges it.

        Returns:
            How many versions and markers were removed; 0 if there was no such object.

        Raises:
            PolicyRefused: A version is under hold or retention.
            SnapshotterError: The store refused, or still has a part of the object.
        """


class ObjectStore(ReadableStore, WritableStore, RetentionStore, Protocol):
    """A store in all three roles; a function asks for the roles that it needs."""


class CustodyStore(ObjectStore, Protocol):
    """
    A store that records each change of a bundle in the bundle's custody chain.

    A chain that cannot be written costs no bundle: the missing event is kept on this machine,
    reported, and written with the next change.
    """

    def put_for_event(
        self,
        event: str,
        detail: str,
        key: str,
        source: Content,
        sha256: str,
        *,
        retention: Retention | None = None,
        before: Sequence[CustodyEvent] = (),
    ) -> StoredObject:
        """
        Put an object as `put_new` does, as part of an event of this type.

        Args:
            before: Earlier events, to be written in the same append.
        """

    def event(
        self,
        event: str,
        about: str,
        detail: str = "",
        outcome: str = SUCCESS,
        *,
        at: datetime | None = None,
    ) -> CustodyEvent:
        """Return an event of the acting person or service; `at` is now by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggedContent:
    """The content of an object, with a tag that changes when the content changes."""

    data: bytes
    tag: str  # never empty


class CompareAndSwapStore(Protocol):
    """
    Small objects that a writer can replace if nobody else has replaced them meanwhile.

    Holds the state of a log. Not trusted: the store can withhold objects and roll them back.
    Any number of processes may call at once and may die at any moment: a reader gets a whole
    object, old or new. A caller must never write a former content again: a tag may be a
    digest of the content, and would not show that the object changed in between.
    """

    @property
    def url(self) -> str:
        """The store as a person names it."""

    def read(self, key: str, limit: int) -> TaggedContent:
        """
        Return the object of the last completed swap, or of a later one.

        Raises:
            FileNotFoundError: There is no such object.
            SnapshotterError: The object is longer than `limit` bytes.
            ServiceUnavailable: The store did not answer.
        """

    def swap(self, key: str, data: bytes, tag: str) -> bool:
        """
        Replace the object if its tag is still `tag`; durable when this returns.

        Args:
            tag: From `read`; empty to create the object if there is none.

        Returns:
            Whether the object is `data` now, also if it was before: written by another process,
            or by an earlier call whose answer was lost. False: another writer came first.

        Raises:
            ServiceUnavailable: The store did not answer. Whether it wrote is unknown; repeating
                the call is safe.
            SnapshotterError: The store refused, or cannot swap.
        """

    def discard(self, key: str) -> None:
        """
        Remove an object that can be made again; do nothing if it does not exist.

        Raises:
            ServiceUnavailable, SnapshotterError: The object may still exist.
        """


class LogSigner(Protocol):
    """The Ed25519 key of a log or of a witness. Trusted."""

    @property
    def name(self) -> str:
        """The key's name, which is the log's origin."""

    @property
    def public_key(self) -> bytes:
        """32 bytes, RFC 8032."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`, 64 bytes."""


class Witness(Protocol):
    """
    A second party that cosigns a log's checkpoints, and never two histories of one log.

    Trusted for that alone, and only by readers who name its key.
    """

    @property
    def name(self) -> str:
        """The name of its key."""

    @property
    def public_key(self) -> bytes:
        """32 bytes, RFC 8032."""

    def cosign(
        self, checkpoint: bytes, size: int, known: int, prove: Callable[[int], Sequence[bytes]]
    ) -> bytes:
        """
        Return the witness's verified signature line over a checkpoint.

        Args:
            checkpoint: The log's signed note.
            size: The number of entries in its tree.
            known: The number of entries in the tree that the witness saw last, if known; else 0.
            prove: Returns the consistency proof from a tree of the given number of entries.

        Raises:
            ServiceUnavailable: The witness did not answer, or its answer is invalid.
        """


class JobQueue(Protocol):
    """
    The queue of captures, with the state and result of each.

    Durable: a job that `put` has accepted survives the end of every process. Not evidence.
    """

    def put(self, jobs: Sequence[CaptureJob]) -> Sequence[bool]:
        """
        Enqueue jobs, all or none; return for each whether its id is new.

        Raises:
            ServiceUnavailable: The database cannot be reached. No job was enqueued.
        """

    def get(self, job_id: str) -> JobStatus | None:
        """Return a job; None if its id is unknown or was removed."""

    def jobs(
        self, *, states: frozenset[JobState] = frozenset(), origin: str = "", newest: int = 0
    ) -> Iterator[JobStatus]:
        """
        Yield jobs in the order in which they were enqueued.

        Args:
            states: Only jobs in these states; all if empty.
            origin: Only jobs of this origin; all if "".
            newest: Only so many of the newest jobs; all if 0.
        """


class JobObserver:
    """
    Receives the events of jobs and workers: for metrics, logs and notifications.

    Every method may be called from any thread, returns soon and never raises: an event that
    cannot be counted or sent must not cost a capture. This class ignores every event; a
    subclass overrides the methods that it needs.
    """

    def job_began(self, job: CaptureJob, *, attempt: int, worker: str) -> None:
        """A worker began a job; `attempt` is 1 the first time."""

    def job_ended(self, end: AttemptEnd) -> None:
        """An attempt ended."""

    def heartbeat(self, worker: str) -> None:
        """A worker wrote its heartbeat."""

    def turned(self, worker: str) -> None:
        """A worker's loop ran once, whether or not its heartbeat could be written."""

    def browser_restarted(self, worker: str, *, why: str) -> None:
        """A browser was replaced. `why`: "captures", "memory" or "died"."""

    def service_failed(self, service: str, detail: str) -> None:
        """
        An external service failed.

        Args:
            service: "store", "authority", "database", "browser" or "log".
            detail: A sentence.
        """

    def fired(self, schedule: str, *, late_s: float) -> None:
        """The visit of a schedule was enqueued, `late_s` seconds after its time."""

    def tell(self, event: NotificationEvent) -> None:
        """Something happened that people may want to be notified of."""


class Notifier(Protocol):
    """Accepts notification events, and decides which of them are sent to whom."""

    def notify(self, event: NotificationEvent) -> None:
        """
        Accept an event. Durable when this returns; the same id again changes nothing.

        Raises:
            ServiceUnavailable: The event could not be stored. Nobody will be notified.
        """


class Channel(Protocol):
    """
    A way to send notifications: a webhook, mail, and the like.

    Not trusted with more than the text of its messages. Each message is sent at least once; a
    receiver recognises a repeated one by its id.
    """

    @property
    def name(self) -> str:
        """The name from the configuration."""

    def deliver(self, message: UndeliveredMessage) -> DeliveryResult:
        """Send a message within a limited time; a failure is part of the result."""


class JobSuperseded(SnapshotterError):
    """The job was given to another worker or cancelled: its bundle must not be stored."""


class Lease(Protocol):
    """
    The right to store the bundle of one job; at most one worker has it at a time.

    A worker that was marked dead and continues afterwards has lost it.
    """

    def began(self, bundle_id: str) -> None:
        """
        Record the id of the bundle before the page is requested.

        Raises:
            JobSuperseded: The job was cancelled or given to another worker.
        """

    def visited(self) -> None:
        """Record that the page is captured and its browser has ended; the bundle is next."""

    def may_store(self, sealed: SealedResult) -> None:
        """
        Return if the bundle may be stored at once; the right expires by itself.

        Called again before each try.

        Raises:
            JobSuperseded: The bundle must not be stored.
        """

    def wait(self, error: ServiceUnavailable | StoreFull) -> None:
        """
        Wait until the store may be tried again; it may have the bundle already.

        Raises:
            ServiceUnavailable, StoreFull: The given error: no further try is allowed.
        """

    def stored(self) -> None:
        """Record that the store has the bundle."""
