"""
The world on one page: everything outside the core, as small contracts.

Only `app/wiring/capture.py` and its neighbours build what stands behind them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.model.assessment import Assessment, ContentVerdict, TakedownVerdict
from snapshotter.model.bundle import LockState, ObjectVersion, Retention, StoredObject
from snapshotter.model.capture import Capture, ClockFacts
from snapshotter.model.custody import SUCCESS, CustodyEvent, KeptReceipts
from snapshotter.model.job import CaptureJob, JobState, JobStatus, SealedResult
from snapshotter.model.notification import DeliveryResult, NotificationEvent, UndeliveredMessage
from snapshotter.model.page import Page
from snapshotter.model.replay import Replay
from snapshotter.model.request import CaptureRequest, Decision

# Called when a step begins ("navigate", "") and when it has something to say
# ("screenshot", "tile 3 of 5"). Called from the capture's own thread.
Progress = Callable[[str, str], None]

# Says a sentence to the person at the terminal, or to a worker's log.
ShowMessage = Callable[[str], None]


Content: TypeAlias = Path | bytes  # to be stored: bytes for what is small, and secret on a disk


class Clock(Protocol):
    """The machine's clock. Not trusted: a timestamp token is what proves a time."""

    def now(self) -> datetime:
        """Return the time, aware and in UTC."""

    def monotonic(self) -> float:
        """Return seconds that never go back, from an arbitrary start."""

    def facts(self) -> ClockFacts:
        """Return what the system says about its own clock."""


class IdSource(Protocol):
    """Identifiers and salts. Never returns the same value twice."""

    def bundle_id(self, at: datetime) -> str:
        """Return an id that sorts by `at`: `[0-9a-z-]`, at most 64 characters."""

    def random_bytes(self, count: int) -> bytes:
        """Return `count` bytes from a cryptographic source."""


class Capturer(Protocol):
    """
    A browser that renders one page and lets go of everything.

    Not trusted with keys or the store. A page that fails is a value with an
    outcome; only a browser that cannot be had, or not safely, raises.
    """

    def capture(
        self, request: CaptureRequest, decision: Decision, spool: Path, progress: Progress
    ) -> Capture:
        """
        Render the page and return what came of it, within `decision.limits.total_s`.

        Args:
            spool: An empty directory of ours; artifacts are written below it,
                under the paths that they have in the bundle.

        Raises:
            ServiceUnavailable: No browser could be started.
            PolicyRefused: It would run without its sandbox, and nobody allowed that.
        """

    def prepare(self, decision: Decision, spool: Path) -> None:
        """
        Get ready for a capture under this decision into this spool: it is quicker then.

        `capture` or `discard` follows.

        Raises:
            ServiceUnavailable: No browser is here.
        """

    def discard(self, spool: Path) -> None:
        """Let go of what was made ready for a spool and is not needed; of nothing if nothing."""


class Assessor(Protocol):
    """
    What a page shows, by the rules of one decision. Pure: the same page, the same answer.

    Trusted to be right, not to be sure: what no rule knows is inconclusive.
    """

    def judge(self, page: Page) -> tuple[ContentVerdict, TakedownVerdict]:
        """Return the verdicts alone: quick enough while the browser waits."""

    def assess(self, page: Page) -> Assessment:
        """Return the verdicts, and everything that can be read off the page."""


class Replayer(Protocol):
    """
    Somebody else's software that shows a bundle again. Not trusted: it says nothing about
    the evidence but whether others can look at it.
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
        Replay a bundle and compare its pictures; what goes wrong is an answer too.

        Args:
            captured: What the bundle holds.
            folder: A directory of ours for temporary files; none is left.
        """


class Signer(Protocol):
    """
    A key that signs and never leaves its holder. Trusted.

    ECDSA on P-384 with SHA-384; nothing in a bundle chooses an algorithm.
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
        """Whether the key may also sign the WACZ-auth digest (it costs a second signature)."""

    def sign(self, message: bytes) -> bytes:
        """
        Return the signature over SHA-384 of `message`, DER (ECDSA-Sig-Value) in its one spelling.

        Raises:
            ServiceUnavailable: The holder did not answer, or its answer does not hold.
            SnapshotterError: The holder refuses.
        """

    def sign_wacz_hash(self, hash_text: bytes) -> bytes:
        """
        Return the WACZ-auth signature: over SHA-256 of `hash_text`, r ‖ s (IEEE P1363, 96 bytes).

        That is what the readers of the format check (WebCrypto's ECDSA with SHA-256
        on P-384); it signs nothing but `sha256:<hex>` of a datapackage. Called only
        when `in_software`.
        """


class TimestampAuthority(Protocol):
    """
    A third party's clock (RFC 3161). Trusted for the time alone, and only after its
    token was verified against the root we were configured with.
    """

    @property
    def name(self) -> str:
        """The name from the configuration."""

    def stamp(self, message: bytes) -> tuple[bytes, datetime]:
        """
        Return the whole response (DER) over `message`, verified, and its time.

        Raises:
            ServiceUnavailable: It did not answer, or its answer was no good.
        """


class Receipts(Protocol):
    """
    What a store answered for each object that this machine put there.

    Kept in the operator's own directory: trusted as far as this machine is, and out of
    reach of whoever controls the store.
    """

    def of(self, bundle_id: str) -> KeptReceipts:
        """
        Return the receipts of a bundle and its sidecars; none for one that others stored.

        Raises:
            SnapshotterError: They can not be read.
        """

    def bundle_ids(self) -> Iterator[str]:
        """
        Yield every bundle with receipts, in the order of their ids.

        Raises:
            SnapshotterError: It can not be found out.
        """


class ObjectChanged(SnapshotterError):
    """Another object took the name of one while that was read, or it is gone since."""


class NotAnObject(SnapshotterError):
    """Something that is no object has an object's name in a store: the store does not have it."""


class ObjectStore(Protocol):
    """
    A place for immutable objects. Not trusted: whoever controls it can withhold
    evidence, and can not forge it.

    Keys are `/`-separated segments of `[A-Za-z0-9._=@-]`, each at most 200
    bytes. Any number of processes may write at once; of two that put the same
    key exactly one wins, and nobody ever sees half an object.
    """

    @property
    def url(self) -> str:
        """The store as a person names it: a directory, or `s3://bucket/prefix`."""

    def put_new(
        self, key: str, source: Content, sha256: str, *, retention: Retention | None = None
    ) -> StoredObject:
        """
        Write a file, or bytes, durably before returning, if the key is free.

        Args:
            sha256: Hex digest of it; a store that can checks it on arrival.
            retention: Ask for at least this. A bucket that does not keep it refuses; a
                directory notes it, as `retain` does.

        Raises:
            FileExistsError: The key holds other bytes. The same bytes again succeed.
            ServiceUnavailable: The store did not answer; whether it wrote is unknown,
                and the same call again is safe.
            SnapshotterError: The store refused (rights, space, no such bucket).
        """

    def head(self, key: str) -> StoredObject:
        """
        Describe one object, its lock as far as it can be read. Raises FileNotFoundError.

        Whether a lock is there is for `lock_state` to say, which fails where this is silent.
        """

    def open(self, key: str) -> BinaryIO:
        """
        Return a seekable binary stream; the caller closes it.

        Reading from it raises what this raises: never an error of the system.

        Raises:
            FileNotFoundError: The store says that there is no such object. What it does not
                say, for want of an answer or of rights, is never this.
            NotAnObject: Something else has the name, as only a directory can hold.
            ServiceUnavailable: No answer, or one that asks for another try.
            SnapshotterError: It cannot be read, and another try would not change that.
        """

    def list(self, prefix: str = "", *, reverse: bool = False) -> Iterator[StoredObject]:
        """Yield objects whose key begins with `prefix`, in key order (or the reverse), lazily."""

    def versions(self, key: str) -> tuple[ObjectVersion, ...]:
        """Return all that the store keeps of one key, delete markers too; () for nothing."""

    def remains(self, prefix: str) -> frozenset[str]:
        """
        Return every key that begins so and of which anything is left.

        Also where only an older version is, or a delete marker, or what was set aside:
        what `list` does not show, and a deletion has to find.
        """

    def lock_state(self, key: str, version: str = "") -> LockState:
        """
        Return what keeps a version from being deleted; the current one if none is named.

        Raises:
            FileNotFoundError: There is none.
            SnapshotterError: It can not be established: treat it as locked.
        """

    def retain(self, key: str, retention: Retention) -> LockState:
        """
        Keep the object at least until then, in every version; return what holds afterwards.

        What is there is only ever extended: of two modes the firmer one stays.

        Raises:
            FileNotFoundError: There is no such object.
            PolicyRefused: That would end sooner than what is there.
            SnapshotterError: The store does not keep retention.
        """

    def set_legal_hold(self, key: str, on: bool) -> LockState:
        """
        Put every version of the object under legal hold, or lift it; return what holds.

        The flag of the store, one for all. A bucket without Object Lock has none: the
        answer says so, and nothing is raised.

        Raises:
            FileNotFoundError: There is no such object.
        """

    def set_aside(self, key: str) -> None:
        """
        Take the object out of the way, so that `put_new` finds the key free.

        Nothing is lost where that can be: a bucket with versions hides it under a delete
        marker, a directory moves it to `.aside/`. A bucket that keeps none deletes it.
        What keeps the key from deletion stays noted in a directory.

        Raises:
            FileNotFoundError: There is no such object.
        """

    def delete(self, key: str, *, now: datetime) -> int:
        """
        Remove an object for good, in every version and with its delete markers.

        Nothing is deleted while any version is locked, and no lock is ever bypassed.

        Args:
            now: By which retention has ended or not, where no server judges it.

        Returns:
            How many versions and markers were there: 0 is an object that was not.

        Raises:
            PolicyRefused: One is under hold or retention, as we see it or as the store says.
            SnapshotterError: The store refused, or still has something of it afterwards.
        """


class CustodyStore(ObjectStore, Protocol):
    """
    A store that writes to the custody chain of a bundle what is done to it.

    A chain that can not be written costs no bundle: what is missing is noted on this machine,
    told, and completed by the next write.
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
            before: What happened before, to be written in the same append.
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
        """Return an event of whoever acts here, at this moment if no other is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggedContent:
    """What an object holds, and by what to know whether it still does."""

    data: bytes
    tag: str  # never empty


class CompareAndSwapStore(Protocol):
    """
    Small objects, of which some may be replaced by whoever has seen what is there.

    For the state of a log. Not trusted, as `ObjectStore` is not: it can withhold and
    roll back. Any number of processes may call at once, and may die at any moment: an
    object is whole, old or new. A content must never come back after another took its
    place: a tag may be a digest, and can not tell.
    """

    @property
    def url(self) -> str:
        """The store as a person names it."""

    def read(self, key: str, limit: int) -> TaggedContent:
        """
        Return an object as the last swap that returned left it, or a later one.

        Raises:
            FileNotFoundError: There is none.
            SnapshotterError: It is longer than `limit` bytes.
            ServiceUnavailable: The store did not answer.
        """

    def swap(self, key: str, data: bytes, tag: str) -> bool:
        """
        Replace the object if its tag is still this one; durable when this returns.

        Args:
            tag: From `read`; empty to create the object if there is none.

        Returns:
            Whether `data` is there now: also when it was before, written by somebody
            else or by ourselves when the answer was lost. False: another was quicker.

        Raises:
            ServiceUnavailable: The store did not answer; whether it wrote is unknown,
                and the same call again is safe.
            SnapshotterError: The store refused, or can not swap.
        """

    def discard(self, key: str) -> None:
        """
        Remove an object that nobody needs and that can be made again; gone already is fine.

        Raises:
            ServiceUnavailable, SnapshotterError: It may still be there.
        """


class LogSigner(Protocol):
    """The key of a log, or of a witness: Ed25519. Trusted."""

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
    A second party that cosigns what a log has signed, and never two histories of it.

    Trusted for that alone, and only by who names its key.
    """

    @property
    def name(self) -> str:
        """Its key's name."""

    @property
    def public_key(self) -> bytes:
        """32 bytes, RFC 8032."""

    def cosign(
        self, checkpoint: bytes, size: int, known: int, prove: Callable[[int], Sequence[bytes]]
    ) -> bytes:
        """
        Return the witness's signature line over a checkpoint, verified.

        Args:
            checkpoint: The log's signed note.
            size: Entries of its tree.
            known: Entries of the tree that the witness saw last, as far as we know.
            prove: Returns the consistency proof from the tree of so many entries.

        Raises:
            ServiceUnavailable: It did not answer, or its answer was no good.
        """


class JobQueue(Protocol):
    """
    Captures that are handed over, and what came of them. Durable: what `put` has taken
    survives the end of every process. Not evidence.
    """

    def put(self, jobs: Sequence[CaptureJob]) -> Sequence[bool]:
        """
        Take jobs over, all or none; return of each whether its id was not known before.

        Raises:
            ServiceUnavailable: The database can not be reached. Nothing was taken.
        """

    def get(self, job_id: str) -> JobStatus | None:
        """Return a job, or None if its id is not known (any more)."""

    def jobs(
        self, *, states: frozenset[JobState] = frozenset(), origin: str = "", newest: int = 0
    ) -> Iterator[JobStatus]:
        """
        Yield jobs in the order in which they were handed over.

        Args:
            states: Only these; all when empty.
            origin: Only of this origin; of all when "".
            newest: At most so many, the newest; 0 for all.
        """


class JobObserver:
    """
    Hears what happens to jobs and workers: for metrics, logs and notifications.

    Every method may be called from any thread, returns soon and never raises: what can not
    be counted or told must not cost a capture. No protocol but a class that does nothing
    with what it hears: whoever wants some of it overrides that.
    """

    def job_began(self, job: CaptureJob, *, attempt: int, worker: str) -> None:
        """Hear that a worker began a job, for the first time with attempt 1."""

    def job_ended(self, status: JobStatus, *, stage_ms: Mapping[str, int], length: int) -> None:
        """
        Hear that an attempt ended.

        Args:
            status: Its state says whether the job is over. One that is tried again is
                waiting or deferred, and `error` has what went wrong.
            stage_ms: Time by stage, as `capture --json` has it; empty when nothing was sealed.
            length: Bytes of the bundle; 0 when nothing was sealed.
        """

    def heartbeat(self, worker: str) -> None:
        """Hear that a worker wrote its heartbeat."""

    def turned(self, worker: str) -> None:
        """Hear that a worker's loop turns, whether or not its heartbeat could be written."""

    def browser_restarted(self, worker: str, *, why: str) -> None:
        """Hear that a browser was replaced. `why`: "captures", "memory" or "died"."""

    def service_failed(self, service: str, detail: str) -> None:
        """
        Hear that somebody else's service did not do its part.

        Args:
            service: "store", "authority", "database", "browser" or "log".
            detail: A sentence.
        """

    def fired(self, schedule: str, *, late_s: float) -> None:
        """Hear that a visit that a schedule asks for was handed over, so late."""

    def tell(self, event: NotificationEvent) -> None:
        """Hear something that people may want to be told."""


class Notifier(Protocol):
    """Takes over what people may want to be told; which of it they are is its affair."""

    def notify(self, event: NotificationEvent) -> None:
        """
        Take an event over. Durable when this returns; the same id again changes nothing.

        Raises:
            ServiceUnavailable: It could not be written down. Nobody will be told.
        """


class Channel(Protocol):
    """
    A way to somebody outside. Not trusted with more than its messages say.

    Messages are handed over at least once: a receiver knows one by its id.
    """

    @property
    def name(self) -> str:
        """The name from the configuration."""

    def deliver(self, message: UndeliveredMessage) -> DeliveryResult:
        """Hand a message over, within a limited time; what goes wrong is an answer too."""


class JobSuperseded(SnapshotterError):
    """The job was given to somebody else, or is not wanted any more: nothing is to be stored."""


class Lease(Protocol):
    """
    The right to store one bundle. Of several who try the same job at most one has it.

    Whoever was taken for dead and goes on afterwards does not have it any more.
    """

    def began(self, bundle_id: str) -> None:
        """
        Note under which id the bundle will be found, before the page is asked for.

        Raises:
            Superseded: Nobody wants it.
        """

    def may_store(self, sealed: SealedResult) -> None:
        """
        Return if the bundle may be stored now, and soon: the right ends by itself.

        Called again before each try.

        Raises:
            Superseded: It must not be stored.
        """

    def wait(self, error: ServiceUnavailable) -> None:
        """
        Return when the store may be asked again. It may have taken the bundle all the same.

        Raises:
            ServiceUnavailable: The given one: it is not to be tried any more.
        """

    def stored(self) -> None:
        """Note that the store has it."""
