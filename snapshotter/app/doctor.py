"""
Check that everything a capture needs is there, by using it.

The browser is not looked at but made to render a page of our own from loopback; the
store is put to the test; authorities are asked for a real token. Each check is one
line, and each failure comes with its fix.
"""

import enum
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

from snapshotter.app import machine
from snapshotter.app.policies import choice
from snapshotter.app.settings import Settings
from snapshotter.app.spool import spool_directory
from snapshotter.app.wiring import capture as wiring
from snapshotter.app.wiring import keys as wiring_keys
from snapshotter.app.wiring import log as wiring_log
from snapshotter.app.wiring import notifications as wiring_notify
from snapshotter.app.wiring import store as wiring_store
from snapshotter.app.wiring import timestamp_authorities as wiring_authorities
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.model.capture import Outcome, SandboxFacts, files_open_to
from snapshotter.model.network import NetworkPath
from snapshotter.model.request import CaptureRequest
from snapshotter.policy.decide import Overrides, decide

_LOW_SPACE = 2 << 30  # bytes; a few hundred captures
_MAX_CLOCK_ERROR_MS = 1_000
_FC_LIST_S = 10.0
_PAGE = "<!doctype html><meta charset=utf-8><title>doctor</title><p>看 見る 본다 👁"
_LOOPBACK = "127.0.0.1/32"
_PROTECTIONS = {  # words of `ProcessFacts.files`
    "none": "can open every file that this user can",
    "unknown": "could not be checked",
    "uid": "can open files that every user can (another user)",
    "landlock": "can open only what it needs (Landlock)",
    "mount": "can see only what it needs (mount namespace)",
    "empty": "can see only an empty directory",
}
_NAMESPACES = (
    "run as an ordinary user, and allow user namespaces "
    "(sysctl kernel.unprivileged_userns_clone=1, or "
    "kernel.apparmor_restrict_unprivileged_userns=0)"
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
    """How a check came out."""

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


def run_checks(settings: Settings, *, offline: bool = False) -> Iterator[DoctorCheck]:
    """
    Yield one check after the other.

    Args:
        offline: Do not ask the timestamp authorities.
    """
    yield from _browser(settings)
    yield _fonts()
    yield _clock()
    yield _store(settings)
    yield _log(settings)
    yield from _keys(settings)
    yield from _authorities(settings, offline=offline)
    yield from _disk(settings)
    yield from _notifications(settings)


def _browser(settings: Settings) -> Iterator[DoctorCheck]:
    # From this machine, which no proxy can reach.
    capturer = wiring.capturer(replace(settings, proxy=""), machine.SystemClock())
    name = f"doctor-{machine.RandomIds().random_bytes(8).hex()}"
    try:
        decision = decide(
            choice.configured_policy(settings), Overrides(allow_networks=(_LOOPBACK,))
        )
        with (
            _served() as url,
            spool_directory(settings.spool_dir, name) as spool,
        ):
            done = capturer.capture(CaptureRequest(url=url), decision, spool, lambda *_: None)
    except SnapshotterError as error:
        yield DoctorCheck(
            name="browser", state=CheckState.FAILURE, detail=error.message, fix=error.hint
        )
        return
    environment = done.environment
    took = round((done.ended_at - done.started_at).total_seconds() * 1000)
    if done.outcome is Outcome.COMPLETE:
        yield DoctorCheck(
            name="browser",
            state=CheckState.OK,
            detail=f"{environment.browser_product} ({environment.browser_binary}) "
            f"captured a test page in {took} ms",
        )
    else:
        reasons = "; ".join(f"{reason.code}: {reason.detail}" for reason in done.reasons)
        yield DoctorCheck(
            name="browser",
            state=CheckState.FAILURE,
            detail=f"a test page was captured only as {done.outcome}: {reasons}",
            fix="make setup, or another browser with browser_path",
        )
    yield _sandbox(environment.sandbox)
    yield _files(environment.sandbox)
    yield _user()
    if done.network is not None:
        yield _network(done.network)


def _sandbox(facts: SandboxFacts) -> DoctorCheck:
    if facts.enforced:
        return DoctorCheck(name="sandbox", state=CheckState.OK, detail=facts.detail)
    return DoctorCheck(
        name="sandbox",
        state=CheckState.WARNING,
        detail=f"pages are rendered without Chromium's sandbox: {facts.detail}",
        fix=_NAMESPACES,
    )


def _files(facts: SandboxFacts) -> DoctorCheck:
    """Check that each process of the browser sees few files of this machine."""
    kinds: dict[str, list[str]] = {}
    for process in facts.processes:
        kinds.setdefault(process.files, []).append(process.type)
    how = "; ".join(
        f"{_PROTECTIONS[kind]}: {', '.join(sorted(set(kinds[kind])))}"
        for kind in sorted(kinds, key=list(_PROTECTIONS).index)
    )
    if facts.processes and not files_open_to(facts.processes, of_everybody=True):
        return DoctorCheck(name="files", state=CheckState.OK, detail=how)
    return DoctorCheck(
        name="files",
        state=CheckState.WARNING,
        detail="an attacker who takes over the browser could read "
        f"{_left_open(facts)}: {how or 'no process was checked'}",
        fix="allow user and mount namespaces, or enable Landlock (Linux 5.13 or later, in the "
        "list of security modules), or capture as a user who has no keys",
    )


def _left_open(facts: SandboxFacts) -> str:
    if facts.processes and not files_open_to(facts.processes):
        return (
            "files that every user of this machine may read, such as bundles in a directory store"
        )
    return "keys and other files of this machine"


def _user() -> DoctorCheck:
    if os.geteuid() != 0:
        return DoctorCheck(
            name="user", state=CheckState.OK, detail="snapshotter does not run as root"
        )
    return DoctorCheck(
        name="user",
        state=CheckState.WARNING,
        detail="snapshotter runs as root: a fault in snapshotter has all rights of root",
        fix="run snapshotter as a separate user who owns data_dir, spool_dir and the store",
    )


def _network(path: NetworkPath) -> DoctorCheck:
    if path.enforced:
        return DoctorCheck(
            name="network",
            state=CheckState.OK,
            detail=f"the browser has no way out but ours: {path.how}",
        )
    return DoctorCheck(
        name="network",
        state=CheckState.WARNING,
        detail=f"a hole in the browser could go past our way out: {path.how}",
        fix=_NAMESPACES,
    )


def _fonts() -> DoctorCheck:
    if shutil.which("fc-list") is None:
        return DoctorCheck(
            name="fonts",
            state=CheckState.WARNING,
            detail="fontconfig is not installed, so fonts can not be looked up",
            fix="install fontconfig, and fonts for the scripts that you capture",
        )
    missing = [name for language, name in _SCRIPTS.items() if not _has_font(language)]
    if missing:
        return DoctorCheck(
            name="fonts",
            state=CheckState.WARNING,
            detail=f"no font for {', '.join(missing)}: such text is drawn as boxes",
            fix="make setup, or install fonts-noto-core, fonts-noto-cjk and fonts-noto-color-emoji",
        )
    return DoctorCheck(
        name="fonts", state=CheckState.OK, detail=f"fonts for {', '.join(_SCRIPTS.values())}"
    )


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


def _clock() -> DoctorCheck:
    facts = machine.SystemClock().facts()
    fix = "start a time service (systemd-timesyncd, chrony or ntpd)"
    if facts.synchronised is None:
        return DoctorCheck(
            name="clock",
            state=CheckState.WARNING,
            detail="the system does not say whether its clock is right",
            fix=fix,
        )
    error = facts.max_error_ms or 0
    if not facts.synchronised or error > _MAX_CLOCK_ERROR_MS:
        return DoctorCheck(
            name="clock",
            state=CheckState.WARNING,
            detail=f"the clock is not synchronised (it may be {error} ms off); "
            "only a timestamp token proves the time",
            fix=fix,
        )
    return DoctorCheck(name="clock", state=CheckState.OK, detail=f"synchronised, within {error} ms")


def _store(settings: Settings) -> DoctorCheck:
    try:
        probe = wiring_store.probe_store(settings)
    except SnapshotterError as error:
        return DoctorCheck(
            name="store", state=CheckState.FAILURE, detail=error.message, fix=error.hint
        )
    broken = [promise for promise in probe.promises if promise.kept is False]
    if not probe.usable:
        return DoctorCheck(
            name="store",
            state=CheckState.FAILURE,
            detail=f"{probe.url}: {'; '.join(promise.how for promise in broken)}",
            fix="snapshotter store check shows all promises; use another endpoint or a directory",
        )
    lock = "retention is enforced" if probe.locks else "tamper-evident, not locked"
    return DoctorCheck(
        name="store", state=CheckState.OK, detail=f"{probe.url} keeps its promises; {lock}"
    )


def _log(settings: Settings) -> DoctorCheck:
    """Whether the next bundle can be logged, as far as that shows without adding anything."""
    if not settings.log:
        return DoctorCheck(
            name="log", state=CheckState.OK, detail="switched off: bundles are not logged"
        )
    try:
        store = wiring_store.store(settings)
        origin = wiring_log.stored_origin(store)
        owed = wiring_log.logbook(
            settings, proofs=store, ask=None, show_message=lambda _: None
        ).owed_count()
        if not origin and wiring_log.checkpoint_memory(settings).load():
            return DoctorCheck(
                name="log",
                state=CheckState.WARNING,
                detail=f"the log of {store.url} is gone",
                fix="restore log/; if you emptied the store yourself: snapshotter log init --again",
            )
        known = wiring_log.has_log_key(settings, origin)
    except SnapshotterError as error:
        return DoctorCheck(
            name="log", state=CheckState.WARNING, detail=error.message, fix=error.hint
        )
    if owed:
        return DoctorCheck(
            name="log",
            state=CheckState.WARNING,
            detail=f"{owed} bundles are remembered that may not be in the log",
            fix="snapshotter log sync",
        )
    if not origin:
        return DoctorCheck(
            name="log", state=CheckState.OK, detail="no log yet: the first capture begins one"
        )
    if not known:
        return DoctorCheck(
            name="log",
            state=CheckState.WARNING,
            detail=f"the key of the log {origin} is not here: what is captured is owed to it",
            fix="copy log-….key from the machine that made the log; docs/howto/log.md",
        )
    return DoctorCheck(name="log", state=CheckState.OK, detail=f"{origin}; is its key backed up?")


def _keys(settings: Settings) -> Iterator[DoctorCheck]:
    """One check a key: each configured one is made to sign, wherever it is held."""
    try:
        kept = wiring_keys.key_directory(settings).list()
        listed = [key for key in kept if key.name != settings.event_key]
    except SnapshotterError as error:
        yield DoctorCheck(
            name="keys", state=CheckState.FAILURE, detail=error.message, fix=error.hint
        )
        return
    if not listed and settings.key == "default" and not settings.cosigners:
        yield DoctorCheck(
            name="keys", state=CheckState.OK, detail="no key yet: the first capture makes one"
        )
        return
    for number, name in enumerate((settings.key, *settings.cosigners)):
        yield _key(replace(settings, key=name, cosigners=()), cosigns=number > 0)


def _key(settings: Settings, *, cosigns: bool) -> DoctorCheck:
    name, words = settings.key, "cosigns" if cosigns else "signs"
    asked = False

    def ask() -> bytes:
        nonlocal asked
        asked = True
        raise SnapshotterError("nobody is asked here")

    try:
        signer = wiring_keys.signer(settings, ask=ask, show_message=lambda _: None)
        signer.sign(b"doctor")
    except SnapshotterError as error:
        if not asked:
            return DoctorCheck(
                name="keys", state=CheckState.FAILURE, detail=error.message, fix=error.hint
            )
        return DoctorCheck(
            name="keys",
            state=CheckState.OK,
            detail=f"key {name} {words}, behind a passphrase or PIN that a person gives",
        )
    if not signer.in_software:
        detail = f"key {name} ({signer.key_id[:16]}…) {words}, and is held elsewhere"
        return DoctorCheck(name="keys", state=CheckState.OK, detail=detail)
    return DoctorCheck(
        name="keys",
        state=CheckState.OK,
        detail=f"key {name} ({signer.key_id[:16]}…) {words}; is it backed up?",
    )


def _authorities(settings: Settings, *, offline: bool) -> Iterator[DoctorCheck]:
    try:
        found = wiring_authorities.authorities(settings)
    except SnapshotterError as error:
        yield DoctorCheck(
            name="authority", state=CheckState.FAILURE, detail=error.message, fix=error.hint
        )
        return
    if not found:
        yield DoctorCheck(
            name="authority",
            state=CheckState.WARNING,
            detail="no timestamp authority is configured: no capture's time can be proven",
            fix="remove authority = [] from snapshotter.toml, or add an [[authority]]",
        )
    for authority in found:
        if offline:
            yield DoctorCheck(
                name="authority",
                state=CheckState.OK,
                detail=f"{authority.name}: not asked (--offline)",
            )
            continue
        try:
            _, at = authority.stamp(b"snapshotter doctor")
        except ServiceUnavailable as error:
            yield DoctorCheck(
                name="authority",
                state=CheckState.WARNING,
                detail=f"{error.message}; captures are sealed, and their tokens fetched later",
                fix=error.hint or "check the network, then snapshotter timestamp",
            )
        else:
            yield DoctorCheck(
                name="authority",
                state=CheckState.OK,
                detail=f"{authority.name} gave a good token for {at:%Y-%m-%dT%H:%M:%SZ}",
            )


def _notifications(settings: Settings) -> Iterator[DoctorCheck]:
    if settings.notify_file is None:
        return
    name = "notify"
    try:
        problems = list(wiring_notify.channel_problems(settings))
        channels = [channel.name for channel in wiring_notify.rules(settings).channels]
    except SnapshotterError as error:
        yield DoctorCheck(name=name, state=CheckState.WARNING, detail=error.message, fix=error.hint)
        return
    for channel, why in problems:
        detail = f"{channel}: {why.message}"
        yield DoctorCheck(name=name, state=CheckState.WARNING, detail=detail, fix=why.hint)
    if not problems:
        yield DoctorCheck(
            name=name,
            state=CheckState.OK,
            detail=f"{', '.join(channels)}; snapshotter notify test CHANNEL tries one",
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
        words = f"{free / (1 << 30):.1f} GiB free at {folder}"
        if free < _LOW_SPACE:
            yield DoctorCheck(
                name="disk", state=CheckState.WARNING, detail=words, fix="free some space"
            )
        else:
            yield DoctorCheck(name="disk", state=CheckState.OK, detail=words)


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
