"""
The way of one capture, on one page: capture, seal, verify, store.

Everything outside comes in through `World`. What a crash leaves behind: before
the seal, a spool that the next run sweeps; between seal and store, a sealed bundle
in the spool that `rescue` finds; after the store's one write, a whole bundle. From
the seal on, a failure of any kind keeps the bundle. Salts are written before the
bundle, so that a bundle never stands in the store without them.
"""

import contextlib
import shutil
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from snapshotter.app import bundles, pending
from snapshotter.app.spool import spooled, sweep
from snapshotter.app.tokens import TokenDesk
from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats import names
from snapshotter.formats.digest import digest, digest_bytes
from snapshotter.formats.rfc3161 import check_subject
from snapshotter.model.bundle import Bundle, StoredObject, TokenState
from snapshotter.model.capture import Capture, ClockFacts
from snapshotter.model.finding import Report, Verdict
from snapshotter.model.request import CaptureRequest, Decision
from snapshotter.ports import (
    Capturer,
    Clock,
    IdSource,
    ObjectStore,
    Progress,
    Signer,
    TimestampAuthority,
)
from snapshotter.seal import sealer
from snapshotter.store import layout
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.files import (
    LATE_TOKEN,
    MAX_SIDECAR_BYTES,
    open_file,
    sidecars_beside,
)
from snapshotter.verify.trust import Trust

# The stages that `capture --json` reports, in the order in which they come.
STAGES = (
    "launch",
    "navigate",
    "settle",
    "screenshot",
    "mhtml",
    "dom",
    "text",
    "record",
    "seal",
    "timestamp",
    "store",
)
_NOT_IN_ADDRESSES = {"Cc", "Cs"}  # Unicode categories: control characters, surrogates
# A capture has finer steps than the promised stages; each counts into one of them.
_STAGE_OF_STEP: Mapping[str, str] = {"scroll": "settle", "viewport": "screenshot"}


class AnchoredClock:
    """
    A clock that takes the wall's time once, and goes on with the monotonic clock.

    Whoever shares it between two calls of `anchor` sees times in order, also when the
    machine's clock is set meanwhile.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.anchor()

    def anchor(self) -> None:
        """Take the wall's time."""
        self._at, self._since = self._clock.now(), self._clock.monotonic()

    def now(self) -> datetime:
        """Return the time, as if nobody had set the clock since the anchor."""
        return self._at + timedelta(seconds=self._clock.monotonic() - self._since)

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return self._clock.monotonic()

    def facts(self) -> ClockFacts:
        """Return what the system says about its own clock."""
        return self._clock.facts()


class Interruption:
    """
    A handler for SIGINT and SIGTERM that does not throw a page away.

    Until the page is captured a signal ends the work with KeyboardInterrupt. From then
    on the first one is a wish: nobody waits for tokens any more, the bundle is stored,
    and `wanted` says that the rest is not to be begun. A second one breaks off a store
    that hangs; the sealed bundle is kept then.
    """

    def __init__(self) -> None:
        self.wanted = False
        self._held = False
        self._breakable = False

    def __call__(self, number: int, frame: object) -> None:
        """Take a signal."""
        if not self._held or (self.wanted and self._breakable):
            raise KeyboardInterrupt
        self.wanted = True

    def hold(self) -> None:
        """From here there is something to lose."""
        self._held = True

    def release(self) -> None:
        """It is stored or kept, and was told of."""
        self._held = False

    @contextlib.contextmanager
    def breakable(self) -> Iterator[None]:
        """Let a second signal end this block."""
        self._breakable = True
        try:
            yield
        finally:
            self._breakable = False


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything outside the core, as `wiring` built it."""

    clock: Clock  # an AnchoredClock that is the capturer's too is anchored for each capture
    ids: IdSource
    capturer: Capturer
    signer: Signer
    authorities: tuple[TimestampAuthority, ...]
    timestamp_timeout_s: float
    store: ObjectStore
    desk: TokenDesk  # where owed tokens are asked for again
    trust: Trust  # what our own verifier judges a new bundle by
    spool_dir: Path
    pending_dir: Path
    salts_dir: Path
    rejected_dir: Path  # bundles that our own verifier refused: a bug, and its evidence
    unstored_dir: Path  # sealed bundles that the store did not take
    software: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One request, done: what was captured, what it became and where it is."""

    capture: Capture
    bundle: Bundle
    report: Report  # our own verifier's, on the bundle as it was stored
    stored: StoredObject
    location: str  # a path that can be opened, or an s3:// URL
    stage_ms: Mapping[str, int]


def check_url(url: str) -> str:
    """
    Return a URL that can be captured.

    Raises:
        SnapshotterError: Not http or https, no host, a port that is none, with a
            password in it, or with characters that no address has.
    """
    problem = _problem(url)
    if problem is not None:
        raise problem
    return url


def shown(url: str) -> str:
    """
    Return a URL as it may be printed, also one that was refused.

    Without control characters, and without what may be a password: of a URL that
    can not be captured, nothing before its last `@`.
    """
    return _escaped(url if _problem(url) is None else _concealed(url))


def _problem(url: str) -> SnapshotterError | None:
    told = _escaped(_concealed(url))
    if any(unicodedata.category(character) in _NOT_IN_ADDRESSES for character in url):
        return SnapshotterError(
            f"this is not a URL: '{told}' holds control characters or half a character"
        )
    # A browser takes a backslash for a slash, and so finds a password where we would not.
    as_browsers_read = url.replace("\\", "/")
    try:
        parts, other = urlsplit(url), urlsplit(as_browsers_read)
        _ = parts.port
    except ValueError as error:
        why = f": {error}" if "@" not in url else ""  # it may quote what it takes for a port
        return SnapshotterError(f"this is not a URL: '{told}'{why}")
    if "@" in parts.netloc or "@" in other.netloc:
        return SnapshotterError(
            "a URL with a user name or password would put them into the evidence",
            hint="leave out the part before the @",
        )
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        hint = ""
        if "://" not in url and "." in url and "@" not in url:
            hint = f"did you mean https://{told}"
        if "\\" in url and other.scheme in {"http", "https"} and other.hostname:
            hint = f"did you mean {_escaped(as_browsers_read)}"
        return SnapshotterError(f"only http and https URLs are captured, not '{told}'", hint=hint)
    return None


def _concealed(url: str) -> str:
    _, at, rest = url.rpartition("@")
    return f"…@{rest}" if at else url


def _escaped(text: str) -> str:
    return "".join(
        it if it.isprintable() else it.encode("unicode_escape").decode("ascii") for it in text
    )


def run(
    request: CaptureRequest,
    decision: Decision,
    world: World,
    progress: Progress,
    interruption: Interruption | None = None,
) -> Result:
    """
    Carry one request to a stored bundle.

    Args:
        interruption: Held from the end of the capture on; the caller releases it.

    Raises:
        ServiceUnavailable: Browser or store could not be had.
        SnapshotterError: The bundle could not be written, or our own verifier refuses it.
    """
    check_url(request.url)
    stop = interruption or Interruption()
    for directory in (world.salts_dir, world.pending_dir, world.unstored_dir):
        pending.require_writable(directory)
    # The times of one capture are of one clock: a wall clock that is set while the page
    # loads must not put them out of order.
    clock = world.clock if isinstance(world.clock, AnchoredClock) else AnchoredClock(world.clock)
    clock.anchor()
    timer = _Timer(clock, progress)
    sweep(world.spool_dir)
    began = clock.now()
    bundle_id = world.ids.bundle_id(began)
    with spooled(world.spool_dir, bundle_id) as spool:
        capture = world.capturer.capture(request, decision, spool, timer)
        stop.hold()
        capture = _in_order(capture, began, clock.now(), world.trust.max_skew)
        # Beside the bundle, so that one that is rescued from here has its salts with it.
        pending.keep_salts(spool, bundle_id, capture.disclosures)
        bundle = sealer.seal(
            capture,
            decision,
            bundle_id=bundle_id,
            spool=spool,
            signer=world.signer,
            authorities=world.authorities,
            timestamp_timeout_s=world.timestamp_timeout_s,
            clock=clock,
            software=world.software,
            progress=timer,
            max_skew=world.trust.max_skew,
            hurry=lambda: stop.wanted,
        )
        with _never_lost(bundle, world), stop.breakable():
            timer("store", "verify")
            report = _verified(bundle, world, clock)
            timer("store", world.store.url)
            pending.keep_salts(world.salts_dir, bundle_id, capture.disclosures)
            stored = _store(bundle, decision, world, clock)
        with contextlib.suppress(OSError):  # left there, it is found to be stored by `rescue`
            bundle.file.unlink()
    timer.stop()
    return Result(
        capture=capture,
        bundle=bundle,
        report=report,
        stored=stored,
        location=location(world.store, stored.key),
        stage_ms=_stage_ms(capture, timer),
    )


def _in_order(capture: Capture, began: datetime, ended: datetime, skew: timedelta) -> Capture:
    """
    Return a capture that began and ended in order, within what was measured around it.

    A capturer with a clock of its own, which was set meanwhile, can say that it ended
    before it began. Then the two are as we measured them; its other times stay as said.
    """
    if began - skew <= capture.started_at <= capture.ended_at <= ended:
        return capture
    return replace(capture, started_at=began, ended_at=ended)


def rescue(world: World) -> tuple[Path, ...]:
    """
    Find the sealed bundles that runs before this one left in the spool; return where they are.

    They are moved to where bundles are kept that the store did not take; one that
    can not be moved stays, and is named each time. One that is in the store is done.
    """
    found: list[Path] = []

    def take(file: Path) -> None:
        if _is_stored(file, world.store):
            with contextlib.suppress(OSError):
                file.unlink()
            return
        try:
            found.append(_keep(file, world.unstored_dir, world.salts_dir))
        except OSError:
            found.append(file)

    sweep(world.spool_dir, take)
    return tuple(found)


def _is_stored(file: Path, store: ObjectStore) -> bool:
    try:
        with store.open(layout.bundle_key(file.stem)) as there, file.open("rb") as here:
            length = file.stat().st_size
            return digest(there, limit=length) == digest(here, limit=length)
    except (OSError, ValueError, SnapshotterError):
        return False  # not there, not the same, or nobody can say: then it is kept


def location(store: ObjectStore, key: str) -> str:
    """Return where an object is, as a person would open it."""
    return f"{store.url.rstrip('/')}/{key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A bundle that was a file, stored, and what of its sidecars was not."""

    stored: StoredObject
    passed_over: tuple[str, ...]  # a sentence for each


def add(
    file: Path,
    store: ObjectStore,
    trust: Trust,
    *,
    now: datetime,
    retain_until: datetime | None = None,
) -> Added:
    """
    Store a sealed bundle that is a file, and the late tokens beside it that are over its signature.

    Args:
        retain_until: Ask for Object Lock until then, for the bundle and its tokens.

    Raises:
        FileNotFoundError: There is no such file.
        EvidenceInvalid: The verifier calls it FAILED.
        SnapshotterError: It can not be read, or the store does not take it.
    """
    with open_file(file) as stream:
        report = verify_bundle(stream, trust, now=now)
        if report.verdict is Verdict.FAILED:
            raise EvidenceInvalid(
                f"{file} is not a bundle as it was sealed", hint=f"snapshotter verify {file}"
            )
        signature = bundles.read_member(stream, names.signature(1), limit=MAX_SIDECAR_BYTES)
    key = layout.bundle_key(report.bundle_id)  # the verifier knows no other kind of id
    try:
        stored = store.put_new(key, file, report.sha256, retain_until=retain_until)
    except FileExistsError as error:
        raise SnapshotterError(
            f"{store.url} holds another file under the id {report.bundle_id}",
            hint="snapshotter verify both, and keep both: one of them is not the original",
        ) from error
    passed_over: list[str] = []
    for sidecar in sidecars_beside(file):
        try:
            number, sha256 = _late_token(sidecar, signature)
        except (SnapshotterError, FileNotFoundError) as error:
            passed_over.append(f"{sidecar} was passed over: {error}")
            continue
        if not bundles.put_late_token(
            store, key, sidecar, sha256, number=number, retain_until=retain_until
        ):
            passed_over.append(f"{sidecar} was passed over: the store has nine late tokens of it")
    return Added(stored=stored, passed_over=tuple(passed_over))


def _late_token(sidecar: Path, signature: bytes) -> tuple[int, str]:
    """Return number and SHA-256 of a late token. Raises for what is none over `signature`."""
    match = LATE_TOKEN.fullmatch(sidecar.name)
    if match is None:
        raise SnapshotterError("late tokens are numbered from late-01 to late-09")
    with open_file(sidecar) as stream:
        response = stream.read(MAX_SIDECAR_BYTES + 1)
    check_subject(response, signature)
    return int(match[1]), digest_bytes(response).sha256


class _Refused(SnapshotterError):
    """Our own verifier calls a new bundle FAILED."""


@contextlib.contextmanager
def _never_lost(bundle: Bundle, world: World) -> Iterator[None]:
    """
    Keep a sealed bundle that does not get into the store, whatever the reason.

    The capture can not be made again. Raises what was raised, with where the bundle
    is; a failure that nobody expected becomes a SnapshotterError for that.
    """
    try:
        yield
    except SnapshotterError as error:
        hints = [error.hint] if error.hint else []
        hints.append(_keep_somewhere(bundle, world, refused=isinstance(error, _Refused)))
        raise type(error)(error.message, hint="; ".join(hints)) from error
    except Exception as error:  # raised again: whatever went wrong, the bundle is kept first
        words = str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
        raise SnapshotterError(
            f"the sealed bundle could not be stored: {words}",
            hint=_keep_somewhere(bundle, world, refused=False),
        ) from error
    except BaseException as error:  # Ctrl-C, and whatever else ends the program
        error.add_note(_keep_somewhere(bundle, world, refused=False))
        raise


def _keep_somewhere(bundle: Bundle, world: World, *, refused: bool) -> str:
    """Move a bundle out of the spool, if it can be; return where it is, in words."""
    if not bundle.file.exists():
        return f"the sealed bundle is gone from {bundle.file}"
    try:
        kept = _keep(
            bundle.file, world.rejected_dir if refused else world.unstored_dir, world.salts_dir
        )
    except OSError as error:
        kept = bundle.file  # the spool never removes a sealed bundle
        return f"the sealed bundle is left in {kept}, for it could not be moved: {error.strerror}"
    if refused:
        return f"this is a bug; the capture is kept in {kept}, please report it"
    words = f"the sealed bundle is kept: snapshotter store add {kept}"
    if sealer.pending(bundle.tokens):
        words += f", then snapshotter timestamp {bundle.id}"
    return words


def _keep(file: Path, directory: Path, salts_dir: Path) -> Path:
    """
    Move a sealed bundle to where it is kept, and its salts to where they belong.

    Raises:
        OSError: The bundle can not be moved; it is where it was.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    salts = file.with_name(pending.salts_name(file.stem))
    if salts.exists() and not (salts_dir / salts.name).exists():
        try:
            salts_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            _move(salts, salts_dir / salts.name)
        except OSError:
            _move(salts, directory / salts.name)
    return _move(file, directory / file.name)


def _move(file: Path, target: Path) -> Path:
    """Move a file, also to another file system, so that it is always whole somewhere."""
    try:
        return file.replace(target)
    except OSError:
        growing = target.with_name(f".{target.name}.new")
        try:
            shutil.copy2(file, growing)
            growing.replace(target)
        except OSError:
            with contextlib.suppress(OSError):
                growing.unlink()
            raise
        file.unlink()
        return target


def _verified(bundle: Bundle, world: World, clock: Clock) -> Report:
    """Run our own verifier on what we made: a bundle that it refuses is never stored."""
    with bundle.file.open("rb") as stream:
        report = verify_bundle(stream, world.trust, now=clock.now())
    if report.verdict is Verdict.FAILED:
        failed = next(it for it in report.findings if it.verdict is Verdict.FAILED)
        raise _Refused(f"our own verifier refuses the new bundle: {failed.code} {failed.detail}")
    return report


def _store(bundle: Bundle, decision: Decision, world: World, clock: Clock) -> StoredObject:
    retain_until = (
        clock.now() + timedelta(days=decision.retain_days) if decision.retain_days else None
    )
    key = layout.bundle_key(bundle.id)
    owing = sealer.pending(bundle.tokens)
    if owing:
        # Before the bundle: a reminder of a bundle that never came is harmless, a bundle
        # that nobody remembers is not.
        pending.remember(
            world.pending_dir,
            pending.PendingToken(
                bundle_id=bundle.id,
                store=world.store.url,
                key=key,
                signature=bundle.signature,
                authorities=owing,
            ),
        )
    return world.store.put_new(key, bundle.file, bundle.digests.sha256, retain_until=retain_until)


def _stage_ms(capture: Capture, timer: "_Timer") -> dict[str, int]:
    result = dict.fromkeys(STAGES, 0)
    for step in capture.steps:
        stage = _STAGE_OF_STEP.get(step.name, step.name)
        if stage in result:
            result[stage] += step.duration_ms
    for stage in ("seal", "timestamp", "store"):
        result[stage] = timer.ms(stage)
    result["total"] = timer.total_ms
    return result


class _Timer:
    """Passes progress on and counts how long each stage after the capture took."""

    def __init__(self, clock: Clock, progress: Progress) -> None:
        self._clock = clock
        self._progress = progress
        self._began = self._since = clock.monotonic()
        self._stage = ""
        self._seconds: dict[str, float] = {}

    def __call__(self, stage: str, detail: str) -> None:
        self.stop()
        self._stage = stage
        self._progress(stage, detail)

    def stop(self) -> None:
        now = self._clock.monotonic()
        self._seconds[self._stage] = self._seconds.get(self._stage, 0.0) + now - self._since
        self._since = now

    def ms(self, stage: str) -> int:
        return round(self._seconds.get(stage, 0.0) * 1000)

    @property
    def total_ms(self) -> int:
        return round((self._since - self._began) * 1000)


def clock_warnings(result: Result) -> tuple[str, ...]:
    """Return what to say of each authority whose clock and ours are too far apart."""
    return tuple(
        f"WARNING: {it.authority}: {it.detail}. The bundle is stored as this machine's clock said, "
        f"without that token, for the two contradict each other\n"
        f"  Set the clock, then: snapshotter timestamp {result.bundle.id}"
        for it in result.bundle.tokens
        if it.clock_ahead is not None
    )


def timestamp_state(result: Result) -> str:
    """Return the state of the time proof in words."""
    granted = [it for it in result.bundle.tokens if it.state is TokenState.GRANTED]
    if granted:
        return ", ".join(f"{it.authority} {it.time:%Y-%m-%dT%H:%M:%SZ}" for it in granted)
    if not result.bundle.tokens:
        return "none (no authority is configured)"
    if not sealer.pending(result.bundle.tokens):
        return "none (this machine's clock contradicts every authority's: set it)"
    return "pending (no authority answered; snapshotter timestamp asks again)"
