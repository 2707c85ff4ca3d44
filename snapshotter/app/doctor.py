"""
Check that this installation can capture, by using each part that a capture needs.

The browser renders a page of our own from loopback, the store is probed, each key signs and each
timestamp authority is asked for a token. Fonts, clock, log, notification channels and disk are
checked too. Each check is one line of the report; a failure says how to mend it.
"""

import enum
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

from snapshotter.app.policies import configured_policy
from snapshotter.app.settings import Settings, user_file
from snapshotter.app.spool import spool_directory
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.model.capture import Outcome, SandboxFacts, files_open_to
from snapshotter.model.network import NetworkPath
from snapshotter.model.request import CaptureRequest
from snapshotter.policy.capture_decision import PolicyOverrides, decide
from snapshotter.ports import Capturer, Clock, IdSource, Signer, TimestampAuthority
from snapshotter.seal.signer import StoredKey
from snapshotter.store.probe import StoreProbe
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_LOW_SPACE = 2 << 30  # bytes; a few hundred captures
_MAX_CLOCK_ERROR_MS = 1_000
_FC_LIST_S = 10.0
_PAGE = "<!doctype html><meta charset=utf-8><title>doctor</title><p>看 見る 본다 👁"
_LOOPBACK = "127.0.0.1/32"
_PROTECTIONS = {  # words of `ProcessFacts.files`
    "none": "can open every file that the user of snapshotter can open",
    "unknown": "could not be checked",
    "uid": "run as another user, and can open only files that every user can open",
    "landlock": "can open only the files that they need (Landlock)",
    "mount": "can see only the files that they need (mount namespace)",
    "empty": "can see only an empty directory",
}
_NAMESPACES = (
    "run snapshotter as an ordinary user, and allow user namespaces. Give the command whose "
    "setting exists on this system:\n  sysctl kernel.unprivileged_userns_clone=1\n  sysctl "
    "kernel.apparmor_restrict_unprivileged_userns=0"
)
_SCRIPTS = {  # language as fontconfig names it -> what it is called
    "zh": "Chinese",
    "ja": "Japanese",
    "ko": "Korean",
    "ar": "Arabic",
    "he": "Hebrew",
    "hi": "Hindi",
    "th": "Thai",
    "und-zsye": "emoji",
}


class CheckState(enum.StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"  # a capture works, and its evidence could be better
    FAILURE = "failure"  # a capture does not work


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorCheck:
    """One line of the doctor's report."""

    name: str
    state: CheckState
    detail: str
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFacts:
    """What is known of the log of the configured store before anything is added to it."""

    store_url: str
    origin: str  # "": the store has no log
    is_lost: bool  # the store has no log, and this machine has seen its checkpoint
    has_key: bool  # the key of that log is on this machine
    unlogged: int  # bundles that are remembered as perhaps not logged


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelFacts:
    """The notification channels, and those whose secrets cannot be read."""

    names: tuple[str, ...]
    problems: tuple[tuple[str, SnapshotterError], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorDependencies:
    """What the checks use. Each part is built when its check runs, and may raise then."""

    clock: Clock
    ids: IdSource
    capturer: Callable[[], Capturer]  # without a proxy, which could not reach this machine
    probe_store: Callable[[], StoreProbe]
    log: Callable[[], LogFacts]
    list_keys: Callable[[], Sequence[StoredKey]]  # those that may sign bundles
    signer: Callable[[Settings, Callable[[], bytes]], Signer]  # gets what asks for a passphrase
    authorities: Callable[[], Sequence[TimestampAuthority]]
    channels: Callable[[], ChannelFacts]


def run_checks(
    settings: Settings, dependencies: DoctorDependencies, *, offline: bool = False
) -> Iterator[DoctorCheck]:
    """
    Run the checks and yield their results, one after the other.

    Args:
        offline: Do not ask the timestamp authorities.
    """
    yield from _browser(settings, dependencies)
    yield _fonts()
    yield _clock(dependencies.clock)
    yield _store(dependencies)
    yield _log(settings, dependencies)
    yield from _keys(settings, dependencies)
    yield from _authorities(dependencies, offline=offline)
    yield from _disk(settings)
    yield from _notifications(settings, dependencies)


def _ok(name: str, detail: str) -> DoctorCheck:
    return DoctorCheck(name=name, state=CheckState.OK, detail=detail)


def _warning(name: str, detail: str, fix: str) -> DoctorCheck:
    return DoctorCheck(name=name, state=CheckState.WARNING, detail=detail, fix=fix)


def _failure(name: str, detail: str, fix: str) -> DoctorCheck:
    return DoctorCheck(name=name, state=CheckState.FAILURE, detail=detail, fix=fix)


def _browser(settings: Settings, dependencies: DoctorDependencies) -> Iterator[DoctorCheck]:
    capturer = dependencies.capturer()
    name = f"doctor-{dependencies.ids.random_bytes(8).hex()}"
    try:
        decision = decide(
            configured_policy.configured_policy(settings),
            PolicyOverrides(allow_networks=(_LOOPBACK,)),
        )
        with (
            _served() as url,
            spool_directory(settings.spool_dir, name) as spool,
        ):
            done = capturer.capture(CaptureRequest(url=url), decision, spool, lambda *_: None)
    except SnapshotterError as error:
        yield _failure("browser", error.message, error.hint)
        return
    environment = done.environment
    took = round((done.ended_at - done.started_at).total_seconds() * 1000)
    if done.outcome is Outcome.COMPLETE:
        yield _ok(
            "browser",
            tr(
                "{browser_product} ({browser_binary}) captured a test page in {took} ms",
                browser_product=environment.browser_product,
                browser_binary=environment.browser_binary,
                took=took,
            ),
        )
    else:
        reasons = "; ".join(f"{reason.code}: {reason.detail}" for reason in done.reasons)
        yield _failure(
            "browser",
            tr(
                "the capture of a test page is {outcome}: {reasons}",
                outcome=done.outcome,
                reasons=reasons,
            ),
            tr(
                'run "make setup" in the source folder, or set browser_path to the path of '
                "another browser"
            ),
        )
    yield _sandbox(environment.sandbox)
    yield _files(environment.sandbox)
    yield _user()
    if done.network is not None:
        yield _network(done.network)


def _sandbox(facts: SandboxFacts) -> DoctorCheck:
    if facts.enforced:
        return _ok("sandbox", facts.detail)
    return _warning(
        "sandbox",
        tr("the browser runs without its sandbox: {detail}", detail=facts.detail),
        _NAMESPACES,
    )


def _files(facts: SandboxFacts) -> DoctorCheck:
    """Check that each process of the browser sees few files of this machine."""
    kinds: dict[str, list[str]] = {}
    for process in facts.processes:
        kinds.setdefault(process.files, []).append(process.type)
    how = "; ".join(
        f"processes that {_PROTECTIONS[kind]}: {', '.join(sorted(set(kinds[kind])))}"
        for kind in sorted(kinds, key=list(_PROTECTIONS).index)
    )
    if facts.processes and not files_open_to(facts.processes, of_everybody=True):
        return _ok("files", how)
    return _warning(
        "files",
        tr(
            "an attacker who controls the browser could read {left_open}: {how}",
            left_open=_left_open(facts),
            how=how or tr("no process was checked"),
        ),
        tr(
            "allow user and mount namespaces, or enable Landlock in the list of security modules "
            "(Linux 5.13 or later), or run captures as a user who has no keys"
        ),
    )


def _left_open(facts: SandboxFacts) -> str:
    if facts.processes and not files_open_to(facts.processes):
        return tr(
            "files that every user of this machine can read, for example the bundles in a store "
            "that is a directory"
        )
    return tr("the signing keys and other files of this machine")


def _user() -> DoctorCheck:
    if os.geteuid() != 0:
        return _ok("user", tr("snapshotter does not run as root"))
    return _warning(
        "user",
        tr(
            "snapshotter runs as root, so an attacker who exploits a fault in snapshotter gets "
            "all rights of root"
        ),
        tr("run snapshotter as a separate user who owns data_dir, spool_dir and the store"),
    )


def _network(path: NetworkPath) -> DoctorCheck:
    if path.enforced:
        return _ok(
            "network",
            tr("the browser reaches the network only through snapshotter: {how}", how=path.how),
        )
    return _warning(
        "network",
        tr(
            "an attacker who controls the browser could reach the network directly, and not only "
            "through snapshotter: {how}",
            how=path.how,
        ),
        _NAMESPACES,
    )


def _fonts() -> DoctorCheck:
    if shutil.which("fc-list") is None:
        return _warning(
            "fonts",
            tr("fonts cannot be listed, because fontconfig is not installed"),
            tr("install fontconfig, and fonts for the scripts of the pages that you capture"),
        )
    missing = [name for language, name in _SCRIPTS.items() if not _has_font(language)]
    if missing:
        return _warning(
            "fonts",
            tr(
                "no font is installed for {missing}: in captures, text in these scripts appears "
                "as boxes",
                missing=", ".join(missing),
            ),
            tr(
                'run "make setup" in the source folder, or install the packages fonts-noto-core, '
                "fonts-noto-cjk and fonts-noto-color-emoji"
            ),
        )
    return _ok("fonts", tr("fonts are installed for {values}", values=", ".join(_SCRIPTS.values())))


def _has_font(language: str) -> bool:
    try:
        done = subprocess.run(  # noqa: S603  a fixed command
            ["fc-list", f":lang={language}", "family"],  # noqa: S607  wherever fontconfig lives
            capture_output=True,
            timeout=_FC_LIST_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return bool(done.stdout.strip())


def _clock(clock: Clock) -> DoctorCheck:
    facts = clock.facts()
    fix = tr("start a time service (systemd-timesyncd, chrony or ntpd)")
    if facts.synchronised is None:
        return _warning(
            "clock", tr("the system does not state whether its clock is synchronised"), fix
        )
    error = facts.max_error_ms or 0
    if not facts.synchronised:
        return _warning(
            "clock",
            tr("the clock is not synchronised; only a timestamp token proves the time"),
            fix,
        )
    if error > _MAX_CLOCK_ERROR_MS:
        return _warning(
            "clock",
            tr(
                "the clock is synchronised, but its error can be up to {error} ms; only a "
                "timestamp token proves the exact time",
                error=error,
            ),
            fix,
        )
    return _ok(
        "clock", tr("the clock is synchronised, and its error is at most {error} ms", error=error)
    )


def _store(dependencies: DoctorDependencies) -> DoctorCheck:
    try:
        probe = dependencies.probe_store()
    except SnapshotterError as error:
        return _failure("store", error.message, error.hint)
    broken = [promise for promise in probe.promises if promise.kept is False]
    if not probe.usable:
        return _failure(
            "store",
            f"{probe.url}: {'; '.join(promise.how for promise in broken)}",
            tr(
                "use another endpoint, or a directory. Show all guarantees of the store:\n  "
                "snapshotter store check"
            ),
        )
    lock = {
        True: tr("retention is enforced"),
        False: tr("retention is not enforced, but alterations of bundles can be detected"),
        None: tr("it is not established whether retention is enforced"),
    }[probe.lock_test.kept]
    return _ok(
        "store",
        tr("{url} meets all guarantees that evidence needs; {lock}", url=probe.url, lock=lock),
    )


def _log(settings: Settings, dependencies: DoctorDependencies) -> DoctorCheck:
    """Check that the next bundle can be logged, without adding anything to the log."""
    if not settings.log:
        return _ok("log", tr("the log is switched off, so bundles are not added to a log"))
    try:
        facts = dependencies.log()
    except SnapshotterError as error:
        return _warning("log", error.message, error.hint)
    if facts.is_lost:
        return _warning(
            "log",
            tr("the log of {store_url} is missing", store_url=facts.store_url),
            tr(
                "restore the folder log/ from a backup; if you emptied the store yourself, "
                "make a new log:\n  snapshotter log init --again"
            ),
        )
    if facts.unlogged:
        return _warning(
            "log",
            tr("bundles that are possibly not in the log: {unlogged}", unlogged=facts.unlogged),
            tr("add the bundles to the log:\n  snapshotter log sync"),
        )
    if not facts.origin:
        return _ok("log", tr("the store has no log yet: the first capture makes a log"))
    if not facts.has_key:
        return _warning(
            "log",
            tr(
                "the key of the log {origin} is not on this machine, so new bundles are not "
                "added to the log",
                origin=facts.origin,
            ),
            tr("copy the file log-….key from the machine that made the log (docs/howto/log.md)"),
        )
    return _ok(
        "log", tr("{origin}; check that the key of the log is backed up", origin=facts.origin)
    )


def _keys(settings: Settings, dependencies: DoctorDependencies) -> Iterator[DoctorCheck]:
    """Let each configured key sign, wherever it is held, and yield a check for each."""
    try:
        listed = dependencies.list_keys()
    except SnapshotterError as error:
        yield _failure("keys", error.message, error.hint)
        return
    if not listed and settings.key == "default" and not settings.cosigners:
        yield _ok("keys", tr("no signing key exists yet: the first capture makes a signing key"))
        return
    for number, name in enumerate((settings.key, *settings.cosigners)):
        yield _key(replace(settings, key=name, cosigners=()), dependencies, cosigns=number > 0)


def _key(settings: Settings, dependencies: DoctorDependencies, *, cosigns: bool) -> DoctorCheck:
    name, verb = settings.key, "cosigns" if cosigns else "signs"
    asked = False

    def ask() -> bytes:
        nonlocal asked
        asked = True
        raise SnapshotterError(tr("this check cannot ask for a passphrase"))

    try:
        signer = dependencies.signer(settings, ask)
        signer.sign(b"doctor")
    except SnapshotterError as error:
        if not asked:
            return _failure("keys", error.message, error.hint)
        return _ok(
            "keys",
            tr(
                "key {name} {verb} only after a person enters its passphrase or PIN",
                name=name,
                verb=verb,
            ),
        )
    if not signer.in_software:
        detail = tr(
            "key {name} ({key_id}…) {verb}; the key is in a key service or on a hardware token",
            name=name,
            key_id=signer.key_id[:16],
            verb=verb,
        )
        return _ok("keys", detail)
    return _ok(
        "keys",
        tr(
            "key {name} ({key_id}…) {verb}; check that the key is backed up",
            name=name,
            key_id=signer.key_id[:16],
            verb=verb,
        ),
    )


def _authorities(dependencies: DoctorDependencies, *, offline: bool) -> Iterator[DoctorCheck]:
    try:
        found = dependencies.authorities()
    except SnapshotterError as error:
        yield _failure("authority", error.message, error.hint)
        return
    if not found:
        yield _warning(
            "authority",
            tr("no timestamp authority is configured: the time of captures cannot be proven"),
            tr(
                'if your settings file has the line "authority = []", delete this line to use the '
                "default authorities, or replace it with tables [[authority]]. Your settings "
                "file is {file}, or the file that SNAPSHOTTER_CONFIG names",
                file=user_file(),
            ),
        )
    for authority in found:
        if offline:
            yield _ok(
                "authority",
                tr("{name}: no request was sent, because --offline was given", name=authority.name),
            )
            continue
        try:
            _, at = authority.stamp(b"snapshotter doctor")
        except ServiceUnavailable as error:
            yield _warning(
                "authority",
                tr(
                    "{value}; captures are sealed without a timestamp token of this timestamp "
                    "authority, and the token is fetched later",
                    value=error.message,
                ),
                error.hint
                or tr("check the network, and then fetch the tokens:\n  snapshotter timestamp"),
            )
        else:
            yield _ok(
                "authority",
                tr(
                    "{name} gave a valid timestamp token for {at:%Y-%m-%dT%H:%M:%SZ}",
                    name=authority.name,
                    at=at,
                ),
            )


def _notifications(settings: Settings, dependencies: DoctorDependencies) -> Iterator[DoctorCheck]:
    if settings.notify_file is None:
        return
    name = "notify"
    try:
        channels = dependencies.channels()
    except SnapshotterError as error:
        yield _warning(name, error.message, error.hint)
        return
    for channel, why in channels.problems:
        detail = f"{channel}: {why.message}"
        yield _warning(name, detail, why.hint)
    if not channels.problems:
        yield _ok(
            name,
            tr(
                "{names}; to test a channel, use the command “snapshotter notify test CHANNEL”",
                names=", ".join(channels.names),
            ),
        )


def _disk(settings: Settings) -> Iterator[DoctorCheck]:
    places: dict[int, Path] = {}
    candidates = [settings.spool_dir, settings.data_dir]
    if "://" not in settings.store:
        candidates.append(Path(settings.store).absolute())
    for folder in candidates:
        existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        places.setdefault(existing.stat().st_dev, existing)
    for folder in places.values():
        free = shutil.disk_usage(folder).free
        text = tr("{free:.1f} GiB free at {folder}", free=free / (1 << 30), folder=folder)
        if free < _LOW_SPACE:
            yield _warning("disk", text, tr("free space on this disk"))
        else:
            yield _ok("disk", text)


class _Page(BaseHTTPRequestHandler):
    """Answers every request with the doctor's own page."""

    def do_GET(self) -> None:
        body = _PAGE.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    log_message: Callable[..., None] = lambda *_: None


@contextmanager
def _served() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Page)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
