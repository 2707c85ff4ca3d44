"""
Build the world: the only place that makes adapters and reads the system's clock.

Each builder imports what it needs when it is called, so that a command pays for
nothing that it does not use.
"""

import base64
import ctypes
import ctypes.util
import getpass
import hashlib
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509

import snapshotter
from snapshotter.app import pending, seen
from snapshotter.app.clock import AnchoredClock
from snapshotter.app.erasure import ErasureDesk
from snapshotter.app.graves import Graves
from snapshotter.app.holds import HoldDesk
from snapshotter.app.log import FileMemory, Logbook
from snapshotter.app.pipeline import World
from snapshotter.app.repair import RepairDesk
from snapshotter.app.replication import ReplicationDesk
from snapshotter.app.settings import EVENT_KEY, Authority, Settings
from snapshotter.app.tokens import SpacedAuthority, TokenDesk
from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats.key_reference import is_reference
from snapshotter.formats.receipts import store_id
from snapshotter.formats.rfc3161 import Anchor
from snapshotter.model.capture import ClockFacts
from snapshotter.model.custody import SUCCESS
from snapshotter.model.request import Decision
from snapshotter.ports import (
    Assessor,
    Capturer,
    Clock,
    ObjectStore,
    Replayer,
    Signer,
    TimestampAuthority,
    Witness,
)
from snapshotter.seal.held import open_key
from snapshotter.seal.key_files import passphrase_from_file
from snapshotter.seal.signer import (
    DEFAULT_NAME,
    KeyDirectory,
    StoredKey,
)
from snapshotter.seal.timestamp import HttpTimestampAuthority
from snapshotter.store.custodian import CustodialStore
from snapshotter.store.layout import DirectoryLocation, S3Location, parse_store_url
from snapshotter.store.ledger import ReceiptFiles
from snapshotter.verify.trust import COMPROMISED, Trust, own_trust

if TYPE_CHECKING:
    from httpx import BaseTransport

    from snapshotter.app.renew import Renewer
    from snapshotter.capture.engine import ChromiumCapturer
    from snapshotter.egress.resolver import Resolver
    from snapshotter.formats.note import LogPolicy
    from snapshotter.seal.log import LogWriter
    from snapshotter.seal.log_key import FileLogSigner
    from snapshotter.seal.witnessing import Witnessing
    from snapshotter.store.filesystem import DirectoryStore
    from snapshotter.store.probe import StoreProbe
    from snapshotter.store.s3 import S3Store

SOFTWARE = f"snapshotter {snapshotter.__version__}"
_ROOT_NAME = "root"  # as `snapshotter trust init` names it
_HELPERS_BYTES = 1 << 30  # of all that one guard asks of authorities; a token has 6 KiB
_EXCHANGES = 500  # with authorities or witnesses, until another guard takes the place of one
_CONNECTIONS_EACH = 8  # the most that one exchange makes, redirects included
_PROBE_HOLDS_S = 7 * 24 * 3600  # seconds

Tell = Callable[[str], None]  # says a sentence to the person at the terminal


class SystemClock:
    """The machine's clock, and what the kernel says of it (adjtimex(2))."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def facts(self) -> ClockFacts:
        return _adjtimex() or ClockFacts(
            source="system", synchronised=None, max_error_ms=None, offset_ms=None
        )


class RandomIds:
    """Identifiers that begin with their second and end in 80 random bits."""

    def bundle_id(self, at: datetime) -> str:
        suffix = base64.b32encode(secrets.token_bytes(10)).decode("ascii").lower()
        return f"{at.astimezone(UTC):%Y%m%dt%H%M%Sz}-{suffix}"

    def random_bytes(self, count: int) -> bytes:
        return secrets.token_bytes(count)


def capturer(
    settings: Settings, clock: Clock, *, resolver: "Resolver | None" = None
) -> "ChromiumCapturer":
    """
    Return the browser as it is configured.

    Args:
        resolver: Who knows names; the system's if not given.
    """
    from snapshotter.capture.engine import ChromiumCapturer

    _keep_compiled(settings.data_dir / "driver")
    return ChromiumCapturer(
        clock=clock,
        ids=RandomIds(),
        version=snapshotter.__version__,
        executable=settings.browser_path,
        upstream=settings.proxy,
        allow_no_sandbox=settings.allow_no_sandbox,
        assessor=assessor,
        resolver=resolver,
    )


def assessor(decision: Decision) -> Assessor:
    """
    Return what judges pages under a decision, by the rules whose texts are in it.

    Raises:
        SnapshotterError: A file of rules is none.
    """
    # Half of the time that a first assessment takes: spent while the browser starts.
    import trafilatura  # noqa: F401

    from snapshotter.assess.assessor import RuleAssessor

    return RuleAssessor.of(decision)


def _keep_compiled(directory: Path) -> None:
    """
    Have the browser's driver keep its scripts compiled: it starts in three quarters of the time.

    Node reads the place from the environment that the driver inherits from us. Whoever can write
    there can have code run, so it is the user's alone, as their keys are. Where it can not be
    made, nothing is kept.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if directory.stat().st_uid != os.geteuid() or directory.stat().st_mode & 0o022:
            return
    except OSError:
        return
    os.environ.setdefault("NODE_COMPILE_CACHE", str(directory.absolute()))


def replayer(settings: Settings, clock: Clock) -> Replayer:
    """Return what replays bundles. Raises SnapshotterError: pywb is not here."""
    from snapshotter.app.replay import PywbReplayer, find_pywb

    def browser(proxy: str) -> Capturer:
        # In the place of an upstream of the user's: a replay asks nobody.
        return capturer(replace(settings, proxy=proxy), clock)

    return PywbReplayer(find_pywb(settings.pywb_dir), browser)


def key_directory(settings: Settings) -> KeyDirectory:
    """Return the directory with this user's signing keys."""
    return KeyDirectory(settings.keys_dir)


def signer(settings: Settings, *, ask: Callable[[], bytes] | None, tell: Tell) -> Signer:
    """
    Return the configured signing key; make the default one on first use.

    Args:
        ask: Asks the person for a passphrase; None where nobody can be asked.
        tell: Gets the warning about backing up a key that was just made.

    Raises:
        ServiceUnavailable: A service or a token holds it, and did not answer.
        SnapshotterError: No such key, a wrong passphrase, or a key others can read.
    """
    directory = key_directory(settings)
    source = ask
    if settings.passphrase_file:
        source = partial(passphrase_from_file, settings.passphrase_file)
    # A key for events may have been made before anything was captured here.
    others = [it for it in directory.list() if it.name != settings.event_key]
    if settings.key != DEFAULT_NAME or others:
        return _signer(directory, settings.key, source, tell)
    # Two first captures at once make one key between them.
    found, made = directory.ensure(DEFAULT_NAME, source if settings.passphrase_file else None)
    if made:
        tell(
            f"a signing key was made for you: {settings.keys_dir / f'{DEFAULT_NAME}.pem'}\n"
            f"  its id is {found.key_id}\n"
            "  Back this file up now, where only you can read it: without it you can not sign as "
            "the same person again,\n  and whoever has it can sign in your name. "
            "snapshotter keys init --ask-passphrase makes one with a passphrase."
        )
    return found


def event_signer(settings: Settings, *, ask: Callable[[], bytes] | None, tell: Tell) -> Signer:
    """
    Return the key that signs take-down events; make it on first use if it has its usual name.

    A key that signs captures does not also say what follows from them: whoever checks an
    event sees that two keys were needed.

    Raises:
        ServiceUnavailable: A service or a token holds it, and did not answer.
        SnapshotterError: No such key, a wrong passphrase, or it is one that signs captures.
    """
    directory = key_directory(settings)
    name, source = settings.event_key, ask
    if settings.passphrase_file:
        source = partial(passphrase_from_file, settings.passphrase_file)
    if name in (settings.key, *settings.cosigners):
        raise SnapshotterError(
            f"the key {name} signs captures, and may not sign take-down events as well",
            hint="leave event_key out: a key for events is then made on first use",
        )
    if name != EVENT_KEY or _known_or_none(directory, name) is not None:
        return _signer(directory, name, source, tell)
    found, made = directory.ensure(name, source if settings.passphrase_file else None)
    if made:
        tell(
            f"a key for take-down events was made for you: {settings.keys_dir / f'{name}.pem'}\n"
            f"  its id is {found.key_id}\n"
            "  It signs no captures. Who is to check events has to know it as well: "
            f"snapshotter keys export {name}, then snapshotter trust add-key"
        )
    return found


def _known_or_none(directory: KeyDirectory, name: str) -> StoredKey | None:
    return next((it for it in directory.list() if it.name == name), None)


def cosigners(
    settings: Settings, *, ask: Callable[[], bytes] | None, tell: Tell
) -> tuple[Signer, ...]:
    """Return the further keys that sign each bundle, in their order. Raises as `signer` does."""
    directory = key_directory(settings)
    source = ask
    if settings.passphrase_file:
        source = partial(passphrase_from_file, settings.passphrase_file)
    return tuple(_signer(directory, name, source, tell) for name in settings.cosigners)


def _signer(
    directory: KeyDirectory, name: str, ask: Callable[[], bytes] | None, tell: Tell
) -> Signer:
    """Return a key by its name or by where it is held; what is held is then known by a name."""
    known = _known(directory, name)
    if known is not None:
        return directory.load(_in_use(directory, known, tell).name, ask)
    held = open_key(name, ask=ask)
    stored = directory.add_held(f"held-{held.key_id[:12]}", name, held.public_key)
    tell(
        f"the key of {name} was not used here before: its id is {held.key_id}\n"
        f"  It is called {stored.name} from now on, and another key in its place is refused"
    )
    return held


def _known(directory: KeyDirectory, name: str) -> StoredKey | None:
    if not is_reference(name):
        return directory.find(name)
    return next((it for it in directory.list() if it.reference == name), None)


def _in_use(directory: KeyDirectory, stored: StoredKey, tell: Tell) -> StoredKey:
    """Return the key that signs in the place of one that was retired; of any other itself."""
    now = SystemClock().now()
    first, seen = stored, {stored.name}
    while stored.retired is not None and stored.retired.at <= now:
        if not stored.retired.successor or stored.retired.successor in seen:
            raise SnapshotterError(
                f"the key {stored.name!r} was revoked as {stored.retired.reason} and must not "
                "sign any more",
                hint="make another with `snapshotter keys init --name NAME`, and set key to it",
            )
        stored = directory.find(stored.retired.successor)
        seen.add(stored.name)
    if stored is not first:
        tell(f"the key {first.name!r} is retired, and {stored.name!r} signs in its place")
    return stored


def store(settings: Settings) -> "DirectoryStore | S3Store":
    """Return the configured store. Raises SnapshotterError for a name that is none."""
    where = _store_location(settings)
    if isinstance(where, DirectoryLocation):
        from snapshotter.store.filesystem import DirectoryStore

        return DirectoryStore(where.path.absolute())
    from snapshotter.store.s3 import S3Store

    try:
        return S3Store(
            where.bucket,
            where.prefix,
            endpoint_url=settings.s3_endpoint,
            region=settings.s3_region,
        )
    except ValueError as error:
        raise SnapshotterError(f"the S3 settings can not be used: {error}") from error


def store_for_evidence(
    settings: Settings, *, locked: bool, tell: Tell
) -> "DirectoryStore | S3Store":
    """
    Return the configured store, after it was seen to keep its promises.

    A bucket is put to the test once and then remembered for a week: an endpoint that
    takes `If-None-Match` and overwrites all the same must not hold evidence.

    Args:
        locked: Retention will be asked for; then a bucket is tested each time.
        tell: Gets the warning that a directory enforces nothing.

    Raises:
        SnapshotterError: It does not keep a promise that evidence depends on.
        ServiceUnavailable: It does not answer.
    """
    found = store(settings)
    if isinstance(_store_location(settings), DirectoryLocation):
        if locked:
            tell(
                f"WARNING: {found.url} is a directory: it notes the retention, our commands honour "
                "it, and whoever can write there can delete all the same\n"
                "  A bucket with Object Lock enforces it: docs/howto/s3.md"
            )
        return found
    from snapshotter.store.probe import probe, refuse_unlocked

    clock = SystemClock()
    name = hashlib.sha256(f"{settings.s3_endpoint} {found.url}".encode()).hexdigest()
    seal = settings.data_dir / "probes" / name
    if not locked and _is_fresh(seal, clock.now()):
        return found
    result = probe(found, clock, RandomIds())
    if not result.usable:
        raise SnapshotterError(
            f"{found.url} does not keep what evidence depends on",
            hint="snapshotter store check says which promises; use another endpoint",
        )
    if locked:
        refuse_unlocked(result)
    seal.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    seal.write_text(f"{found.url} {clock.now().isoformat()}\n", encoding="utf-8")
    return found


def custodial(settings: Settings, found: ObjectStore, *, tell: Tell) -> CustodialStore:
    """
    Return a store that keeps receipts and writes custody events.

    Args:
        tell: Gets a sentence for what could not be written down.
    """
    place = receipts_place(settings)
    return CustodialStore(
        found,
        place=place,
        receipts=receipts(settings),
        clock=SystemClock(),
        ids=RandomIds(),
        software=SOFTWARE,
        # These events go out with every exhibit, and who captures may be at risk: nobody is
        # named who has not said so, and never by a name that the system happens to know.
        by=settings.operator,
        tell=tell,
    )


def note_access(
    settings: Settings,
    found: ObjectStore,
    bundle_id: str,
    event: str,
    *,
    tell: Tell,
    detail: str = "",
    outcome: str = SUCCESS,
) -> None:
    """
    Write to the custody chain that a bundle was looked at, checked or given out.

    What can not be written is told, and ends nothing: a store that may only be read is.
    """
    if settings.record_access:
        custodial(settings, found, tell=tell).note(bundle_id, event, detail=detail, outcome=outcome)


def receipts(settings: Settings) -> ReceiptFiles:
    """Return what this machine kept of the configured store's answers."""
    return ReceiptFiles(settings.data_dir / "receipts" / receipts_place(settings))


def receipts_place(settings: Settings) -> str:
    """Return how receipts name the configured store (docs/spec/custody.md, "Receipts")."""
    where = _store_location(settings)
    if isinstance(where, DirectoryLocation):
        return store_id(str(where.path.resolve()))
    url = f"s3://{where.bucket}" + (f"/{where.prefix}" if where.prefix else "")
    return store_id(f"{settings.s3_endpoint} {url}")


def trusted_keys(settings: Settings) -> Callable[[str], bool]:
    """
    Return whose statements count here: this user's own keys, and those of the trust file.

    A key that the trust file calls compromised counts for nobody. Raises as `trust` does.
    """
    believed = trust(settings)
    own = {key.key_id for key in key_directory(settings).list() if key.name != _ROOT_NAME}

    def is_trusted(key_id: str) -> bool:
        known = believed.key(key_id)
        if known is not None:
            return known.revoked_reason != COMPROMISED
        return key_id in own

    return is_trusted


def hold_desk(settings: Settings, *, ask: Callable[[], bytes] | None, tell: Tell) -> HoldDesk:
    """Return what is needed to place and lift holds in the configured store."""
    key = signer(settings, ask=ask, tell=tell)
    return HoldDesk(
        store=custodial(settings, store(settings), tell=tell),
        signer=key,
        is_trusted=trusted_keys(settings),
        clock=SystemClock(),
        by=operator(settings),
    )


def graves(settings: Settings) -> Graves:
    """Return what this machine knows of erasures, and whose tombstones count."""
    return Graves(folder=settings.data_dir / "tombstones", is_trusted=trusted_keys(settings))


def replication_desk(source: Settings, target: Settings, *, tell: Tell) -> ReplicationDesk:
    """
    Return what is needed to copy one store to another.

    Args:
        target: The same settings, with the other store.
    """
    here = store(source)
    there = store_for_evidence(target, locked=False, tell=tell)
    named = here.url if here.url.startswith("s3://") else "a directory"  # no path of this machine
    return ReplicationDesk(
        source=here,
        source_name=f"{named} ({receipts_place(source)})",
        target=custodial(target, there, tell=tell),
        trust=trust(source),
        graves=graves(source),
        clock=SystemClock(),
    )


def repair_desk(target: Settings, source: Settings, *, tell: Tell) -> RepairDesk:
    """
    Return what is needed to repair one store from another.

    Args:
        source: The same settings, with the other store.
    """
    from snapshotter.app.log_reading import LogContents, read_log

    copying = replication_desk(source, target, tell=tell)
    try:
        contents = read_log(copying.target, log_policy(target))
    except EvidenceInvalid as error:
        tell(f"WARNING: the log says nothing about what belongs here: {error}")
        contents = LogContents()
    return RepairDesk(
        target=copying.target,
        source=copying.source,
        source_name=copying.source_name,
        trust=copying.trust,
        graves=copying.graves,
        clock=copying.clock,
        logged=contents.bundles,
        erased=contents.erased,
    )


def erasure_desk(settings: Settings, *, ask: Callable[[], bytes] | None, tell: Tell) -> ErasureDesk:
    """Return what is needed to erase by order from the configured store."""

    def private(bundle_id: str) -> Iterator[Path]:
        yield salts_dir(settings) / pending.salts_name(bundle_id)
        yield from _pending_dir(settings).glob(f"{bundle_id}*.json")
        yield settings.data_dir / "unlogged" / f"{bundle_id}.json"
        for folder in ("unstored", "rejected"):  # what once did not get into the store
            yield settings.data_dir / folder / f"{bundle_id}.wacz"
            yield settings.data_dir / folder / pending.salts_name(bundle_id)

    opened = store(settings)
    kept = custodial(settings, opened, tell=tell)
    # No log is begun for the sake of an erasure.
    book = logbook(settings, proofs=kept, ask=ask, tell=tell) if log_origin(opened) else None
    return ErasureDesk(
        store=kept,
        signer=signer(settings, ask=ask, tell=tell),
        graves=graves(settings),
        clock=SystemClock(),
        by=operator(settings),
        log=(lambda added: book.append([added])) if book else None,
        private=private,
    )


def operator(settings: Settings) -> str:
    """Return who answers for a hold or an erasure: as configured, else this machine's user."""
    if settings.operator:
        return settings.operator
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        return f"uid {os.getuid()}"


def _is_fresh(path: Path, now: datetime) -> bool:
    try:
        return now.timestamp() - path.stat().st_mtime < _PROBE_HOLDS_S
    except FileNotFoundError:
        return False


def _store_location(settings: Settings) -> DirectoryLocation | S3Location:
    try:
        return parse_store_url(settings.store)
    except ValueError as error:
        raise SnapshotterError(
            f"not a store: {error}", hint="a directory, or s3://bucket/prefix"
        ) from error


def probe_store(settings: Settings) -> "StoreProbe":
    """Put the configured store's promises to the test. Raises as `store` and `probe` do."""
    from snapshotter.store.probe import probe

    return probe(store(settings), SystemClock(), RandomIds())


def salts_dir(settings: Settings) -> Path:
    """Return where the salts of captures go: next to a directory store, never inside it."""
    where = _store_location(settings)
    if isinstance(where, DirectoryLocation):
        root = where.path.resolve()  # "..", links: what counts is where it really is
        return root.with_name(f"{root.name}.private")
    return settings.data_dir / "salts" / where.bucket


def anchors(settings: Settings) -> tuple[Anchor, ...]:
    """Return the configured authorities' roots. Raises SnapshotterError for a bad one."""
    return tuple(_anchor(entry) for entry in settings.authorities)


def authorities(settings: Settings, *, patient: bool = False) -> tuple[TimestampAuthority, ...]:
    """
    Return the configured timestamp authorities.

    Args:
        patient: Wait where an authority asks for time between two requests.
    """
    clock, ids = SystemClock(), RandomIds()
    carry = _way_out(settings, clock) if settings.authorities else None
    found: list[TimestampAuthority] = []
    for entry in settings.authorities:
        authority: TimestampAuthority = HttpTimestampAuthority(
            entry.name,
            entry.url,
            _anchor(entry),
            timeout_s=settings.timestamp_timeout_s,
            clock=clock,
            ids=ids,
            transport=carry,
        )
        if entry.spacing_s:
            # Names hold nothing that a path could not.
            note = settings.data_dir / "authorities" / f"{entry.name}.next"
            authority = SpacedAuthority(authority, entry.spacing_s, clock, note, patient=patient)
        found.append(authority)
    return tuple(found)


def _way_out(
    settings: Settings, clock: Clock, *, purpose: str = "timestamp"
) -> "Callable[[], BaseTransport]":
    """
    Return what makes the connections of our own helpers: the proxy and rules that pages have.

    An authority that redirects us into our own network gets nothing there. A guard has
    limits for its whole life, and a worker or a large renewal asks more often than that: so
    after some exchanges another takes its place, and ends the one before it.
    """
    from snapshotter.egress.guard import EgressGuard
    from snapshotter.egress.rules import EgressRules

    rules = EgressRules(
        allowed=settings.allow_networks,
        upstream=settings.proxy,
        total_bytes=_HELPERS_BYTES,
        connections_in_all=_EXCHANGES * _CONNECTIONS_EACH,
    )
    guards: list[EgressGuard] = []  # the newest last; what others are in the middle of goes on
    lock = threading.Lock()  # authorities are asked at once
    exchanges = 0

    def make() -> "BaseTransport":
        from snapshotter.egress.transport import transport

        nonlocal exchanges
        with lock:
            if exchanges % _EXCHANGES == 0:
                guards.append(EgressGuard(rules, clock=clock, purpose=purpose))
                guards[-1].start()
                for old in guards[:-2]:
                    old.stop()
                del guards[:-2]
            exchanges += 1
            return transport(guards[-1])

    return make


def token_desk(settings: Settings, *, tell: Tell) -> TokenDesk:
    """
    Return what is needed to ask again for owed tokens, and to do nothing else.

    Args:
        tell: Gets a sentence for a custody event that could not be written.
    """
    return TokenDesk(
        authorities=authorities(settings, patient=True),
        anchors=anchors(settings),
        store=custodial(settings, store(settings), tell=tell),
        pending_dir=_pending_dir(settings),
    )


def trust(settings: Settings) -> Trust:
    """
    Return what bundles are judged by: the trust file, or else this user's own keys.

    Raises:
        SnapshotterError: A trust file that can not be relied on.
    """
    if settings.trust_file:
        if not settings.trust_root_key:
            raise SnapshotterError(
                "a trust file says nothing until you say whose it is",
                hint="give the key id that its owner published with --root-key "
                f"(snapshotter trust show {settings.trust_file} prints who signed it)",
            )
        return seen.read(
            settings.trust_file,
            pinned_root=settings.trust_root_key,
            now=SystemClock().now(),
            directory=settings.data_dir / "trust",
        )
    directory = key_directory(settings)
    # The root key signs trust files, never bundles: a bundle signed with it is not one of ours.
    own = [
        (key.public_key, key.key_id, key.retired)
        for key in directory.list()
        if key.public_key is not None and key.name != _ROOT_NAME
    ]
    judged = own_trust(
        [key for key, _, _ in own],
        anchors(settings),
        revoked={
            key_id: (retired.at, retired.reason)
            for _, key_id, retired in own
            if retired is not None
        },
    )
    return replace(judged, log=own_log(settings))


def world(
    settings: Settings,
    *,
    ask: Callable[[], bytes] | None,
    tell: Tell,
    locked: bool = False,
    check_replay: bool = False,
) -> World:
    """
    Build everything that a capture needs.

    Args:
        locked: Bundles will be locked: refuse a bucket that was not seen to do it.
        check_replay: Bundles will be replayed: refuse where pywb is not here.
    """
    # One clock for capture and seal: a clock that is set in between changes no order of events.
    clock = AnchoredClock(SystemClock())
    shown_again = replayer(settings, clock) if check_replay else None
    key = signer(settings, ask=ask, tell=tell)
    others = cosigners(settings, ask=ask, tell=tell)
    own = settings.data_dir
    roots, asked = anchors(settings), authorities(settings)
    # One store: each has connections of its own, and reads credentials.
    evidence = custodial(
        settings, store_for_evidence(settings, locked=locked, tell=tell), tell=tell
    )
    return World(
        clock=clock,
        ids=RandomIds(),
        capturer=capturer(settings, clock),
        assessor=assessor,
        signer=key,
        cosigners=others,
        authorities=asked,
        timestamp_timeout_s=settings.timestamp_timeout_s,
        store=evidence,
        trust=own_trust([it.public_key for it in (key, *others)], roots),
        spool_dir=settings.spool_dir,
        # The capture's own token comes first where an authority asks for time in between; what
        # it owes is asked for by `snapshotter timestamp`, and by workers between captures.
        desk=TokenDesk(
            authorities=tuple(it for it in asked if not isinstance(it, SpacedAuthority)),
            anchors=roots,
            store=evidence,
            pending_dir=_pending_dir(settings),
        ),
        pending_dir=_pending_dir(settings),
        salts_dir=salts_dir(settings),
        rejected_dir=own / "rejected",
        unstored_dir=own / "unstored",
        software=SOFTWARE,
        replayer=shown_again,
        logbook=logbook(settings, proofs=evidence, ask=ask, tell=tell) if settings.log else None,
    )


def logbook(
    settings: Settings,
    *,
    proofs: ObjectStore,
    ask: Callable[[], bytes] | None,
    tell: Tell,
) -> Logbook:
    """
    Return the log of the configured store; it is opened at its first use, and begun if new.

    Args:
        proofs: Where bundles are and proofs go: the store as it writes down what it does.
        ask: Asks the person for the passphrase of the log's key; None where nobody can be.
        tell: Gets what a person has to know, among it that a key was made.
    """
    return Logbook(
        proofs,
        lambda: open_log(settings, ask=ask, tell=tell),
        settings.data_dir / "unlogged",
    )


def open_log(
    settings: Settings,
    *,
    ask: Callable[[], bytes] | None,
    tell: Tell,
    name: str = "",
    passphrase: bytes | None = None,
    again: bool = False,
) -> "LogWriter":
    """
    Return a writer of the log in the configured store; begin the log if there is none.

    Args:
        name: The origin of a log that is begun; one that is nobody's host if empty.
        passphrase: Encrypts the key of a log that is begun.
        again: Begin one also where this machine remembers that there was one.

    Raises:
        SnapshotterError: The key of this log is not here, the store can not keep a log, or
            a log that was there is gone.
    """
    from snapshotter.seal.log import LogDamaged, LogWriter
    from snapshotter.seal.log_key import LogKeyDirectory

    found = store(settings)
    _refuse_unfit_for_log(settings, found)
    keys, memory = LogKeyDirectory(path=settings.keys_dir), log_memory(settings)

    def writer(origin: str) -> LogWriter:
        return LogWriter(
            found,
            keys.load(name=origin, passphrase=source),
            clock=SystemClock(),
            ids=RandomIds(),
            witnesses=witnesses(settings),
            memory=memory,
            told=tell,
        )

    source = ask
    if settings.log_passphrase_file:
        source = partial(passphrase_from_file, settings.log_passphrase_file)
    origin = log_origin(found)
    if origin:
        return writer(origin)
    if memory.load() and not again:
        raise LogDamaged(
            f"the log of {found.url} is gone: this machine has seen one there",
            hint="if you emptied the store yourself: snapshotter log init --again",
        )
    # Two first captures at once make one log, and no key that nobody needs.
    with pending.locked(settings.data_dir / "log", wait_s=30):
        origin = log_origin(found)
        if origin:
            return writer(origin)
        memory.forget()
        key = keys.create(name=name, passphrase=passphrase)
        if passphrase is not None:
            source = lambda: passphrase  # noqa: E731  what was asked for a moment ago
        begun = writer(key.name)
        begun.create()
    tell(
        f"a log was begun for {found.url}; its verifier key, for a trust file and for witnesses:\n"
        f"  {key.text}\n"
        f"  Back up {keys.file(key)}: without it nothing more can be logged there, and whoever "
        "has it can sign\n  another history. A witness makes that evident: docs/howto/log.md"
    )
    return begun


def log_report(
    settings: Settings,
    report_id: str,
    sha256: str,
    *,
    ask: Callable[[], bytes] | None,
    tell: Tell,
) -> None:
    """
    Put the report of an audit into the log, if the store has one that this user writes.

    Raises:
        SnapshotterError: It can not be put there.
    """
    from snapshotter.formats.leaf import REPORT, Leaf
    from snapshotter.seal.log_key import LogKeyDirectory

    found = store(settings)
    origin = log_origin(found)
    if not origin:
        return
    if all(key.name != origin for key in LogKeyDirectory(path=settings.keys_dir).list()):
        tell(f"the report is not in the log: the key of {origin} is not here")
        return
    leaf = Leaf(kind=REPORT, name=report_id, sha256=sha256)
    logbook(settings, proofs=found, ask=ask, tell=tell).append((leaf,), seen=None)


def log_origin(found: "DirectoryStore | S3Store") -> str:
    """
    Return the origin of the log in a store, as it says itself; nothing if it has none.

    Raises:
        SnapshotterError: The store does not answer, or has something else in its place.
    """
    from snapshotter.formats import log_state, note
    from snapshotter.seal.log import LogDamaged

    try:
        lock = log_state.parse_lock(found.read(log_state.LOCK, log_state.MAX_LOCK).data)
        return note.parse_checkpoint(note.parse(lock.checkpoint).text).origin
    except FileNotFoundError:
        return ""
    except EvidenceInvalid as error:
        raise LogDamaged(
            f"{log_state.LOCK} in {found.url} is not the lock of a log",
            hint="snapshotter log check; restore the folder log/ from a backup",
        ) from error


def log_memory(settings: Settings) -> FileMemory:
    """Return what this machine remembers of the log in the configured store."""
    return FileMemory(settings.data_dir / "log" / f"{store_name(settings)}.checkpoint")


def own_log(settings: Settings) -> "LogPolicy | None":
    """Return the log of this user's own that bundles of the configured store are in, if known."""
    from snapshotter.formats.note import LogPolicy
    from snapshotter.seal.log_key import LogKeyDirectory

    keys = LogKeyDirectory(path=settings.keys_dir).list()
    if len(keys) > 1:
        # Several stores, each with its log. Nothing is asked of a network for this.
        here = isinstance(_store_location(settings), DirectoryLocation)
        origin = log_origin(store(settings)) if here else ""
        keys = tuple(key for key in keys if key.name == origin)
    return LogPolicy(key=keys[0]) if len(keys) == 1 else None


def has_log_key(settings: Settings, origin: str) -> bool:
    """Return whether the key of the log of that name is here. Raises SnapshotterError."""
    from snapshotter.seal.log_key import LogKeyDirectory

    return any(key.name == origin for key in LogKeyDirectory(path=settings.keys_dir).list())


def log_policy(settings: Settings) -> "LogPolicy | None":
    """
    Return whose log the configured store has to have: the trust file's, or else our own.

    Raises:
        SnapshotterError: A trust file that can not be relied on, or a store that does not answer.
    """
    from snapshotter.formats.note import COSIGNATURE_V1, LogPolicy, parse_verifier_key
    from snapshotter.seal.log_key import LogKeyDirectory

    if settings.trust_file:
        return trust(settings).log
    origin = log_origin(store(settings))
    asked = tuple(parse_verifier_key(it.verifier_key) for it in settings.witnesses)
    known = tuple(it for it in asked if it.kind == COSIGNATURE_V1)
    for key in LogKeyDirectory(path=settings.keys_dir).list():
        if key.name == origin:
            return LogPolicy(key=key, witnesses=known)
    return None


def witnesses(settings: Settings) -> "tuple[Witness, ...]":
    """Return the configured witnesses of the log."""
    if not settings.witnesses:
        return ()
    from snapshotter.formats.note import parse_verifier_key
    from snapshotter.seal.witness import HttpWitness

    clock = SystemClock()
    carry = _way_out(settings, clock, purpose="witness")
    return tuple(
        HttpWitness(parse_verifier_key(it.verifier_key), it.url, clock=clock, transport=carry)
        for it in settings.witnesses
    )


def renewer(settings: Settings, *, tell: Tell) -> "Renewer":
    """
    Return what renews the bundles of the configured store.

    Raises:
        SnapshotterError: A trust file that can not be relied on, or a store that is none.
    """
    from snapshotter.app.renew import Renewer
    from snapshotter.verify.log import LogReader

    found = store(settings)
    return Renewer(
        custodial(settings, found, tell=tell),
        LogReader(found, log_policy(settings)) if settings.log else None,
        authorities(settings, patient=True),
        trust(settings),
        SystemClock(),
    )


def witness_signer(settings: Settings, *, name: str, tell: Tell) -> "FileLogSigner":
    """
    Return the key of this installation's witness; make it on first use.

    Raises:
        SnapshotterError: It has another name already, or can not be read.
    """
    from snapshotter.seal.log_key import WITNESS, LogKeyDirectory

    keys = LogKeyDirectory(path=settings.keys_dir)
    source = None
    if settings.log_passphrase_file:
        source = partial(passphrase_from_file, settings.log_passphrase_file)
    there = keys.list(WITNESS)
    if not there:
        made = keys.create(WITNESS, name=name)
        tell(f"a key of a witness was made: {keys.file(made)}; back it up")
    elif name and name != there[0].name:
        raise SnapshotterError(
            f"this witness is named {there[0].name}",
            hint="leave --name out; another witness is another key directory",
        )
    return keys.load(WITNESS, passphrase=source)


def witnessing(
    settings: Settings, signer: "FileLogSigner", log_keys: Sequence[str], directory: Path | None
) -> "Witnessing":
    """
    Return a witness of these logs.

    Raises:
        SnapshotterError: No log is named, or not by its verifier key.
    """
    from snapshotter.formats.note import ED25519, parse_verifier_key
    from snapshotter.seal.witnessing import Witnessing

    try:
        logs = [parse_verifier_key(text) for text in log_keys]
    except EvidenceInvalid as error:
        raise SnapshotterError(
            f"--log: {error}", hint="snapshotter log show prints a log's verifier key"
        ) from error
    if not logs or any(it.kind != ED25519 for it in logs):
        raise SnapshotterError(
            "a witness has to know the logs that it witnesses",
            hint="name each by its verifier key: --log KEY; snapshotter log show prints it",
        )
    return Witnessing(directory or settings.data_dir / "witness", signer, logs, SystemClock())


def _refuse_unfit_for_log(settings: Settings, found: "DirectoryStore | S3Store") -> None:
    """Put a bucket to the test once a week; a directory refuses by itself."""
    if isinstance(_store_location(settings), DirectoryLocation):
        return
    from snapshotter.store.probe import probe, refuse_log

    seal = settings.data_dir / "probes" / f"{store_name(settings)}.log"
    clock = SystemClock()
    if _is_fresh(seal, clock.now()):
        return
    refuse_log(probe(found, clock, RandomIds()))
    seal.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    seal.write_text(f"{found.url} {clock.now().isoformat()}\n", encoding="utf-8")


def store_name(settings: Settings) -> str:
    """Return a name of the store for files: the endpoint is configuration, and tells two apart."""
    return hashlib.sha256(f"{settings.s3_endpoint} {store(settings).url}".encode()).hexdigest()


def _pending_dir(settings: Settings) -> Path:
    return settings.data_dir / "pending"


def _anchor(entry: Authority) -> Anchor:
    try:
        root = x509.load_pem_x509_certificate(entry.root.read_bytes())
        return Anchor(
            name=entry.name,
            root=root,
            policy_oids=entry.policy_oids,
            revoked_serials=entry.revoked_serials,
        )
    except (OSError, ValueError) as error:
        raise SnapshotterError(
            f"the root certificate of authority {entry.name} can not be used: {entry.root}",
            hint="point `root` at a PEM file with exactly the authority's self-signed root",
        ) from error


class _Timex(ctypes.Structure):
    """struct timex of Linux, as far as we read it; the rest is padding."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 512),
    )


_STA_UNSYNC, _STA_NANO, _TIME_ERROR = 0x0040, 0x2000, 5


def _adjtimex() -> ClockFacts | None:
    """Return what the kernel says of its clock, or None where it can not be asked."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(ctypes.util.find_library("c") or "libc.so.6", use_errno=True)
    timex = _Timex()
    state = library.adjtimex(ctypes.byref(timex))
    if state < 0:
        return None
    unit = 1_000_000 if timex.status & _STA_NANO else 1_000  # nanoseconds or microseconds
    return ClockFacts(
        source="adjtimex",
        synchronised=not timex.status & _STA_UNSYNC and state != _TIME_ERROR,
        max_error_ms=round(timex.maxerror / 1_000),
        offset_ms=round(timex.offset / unit),
    )
