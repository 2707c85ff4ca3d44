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

from snapshotter.app import (
    machine,
    policy_choice,
    wiring,
    wiring_authorities,
    wiring_keys,
    wiring_log,
    wiring_notify,
    wiring_store,
)
from snapshotter.app.settings import Settings
from snapshotter.app.spool import spooled
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.model.capture import Outcome, SandboxFacts, files_open_to
from snapshotter.model.network import NetworkPath
from snapshotter.model.request import CaptureRequest
from snapshotter.policy.decide import decide

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


class State(enum.StrEnum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"  # a capture works, and its evidence could be better
    FAILURE = "failure"  # a capture does not work


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the doctor's report."""

    name: str
    state: State
    detail: str
    fix: str = ""


def examine(settings: Settings, *, offline: bool = False) -> Iterator[Check]:
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


def _browser(settings: Settings) -> Iterator[Check]:
    # From this machine, which no proxy can reach.
    capturer = wiring.capturer(replace(settings, proxy=""), machine.SystemClock())
    name = f"doctor-{machine.RandomIds().random_bytes(8).hex()}"
    try:
        decision = decide(policy_choice.configured(settings), allow_networks=(_LOOPBACK,))
        with (
            _served() as url,
            spooled(settings.spool_dir, name) as spool,
        ):
            done = capturer.capture(CaptureRequest(url=url), decision, spool, lambda *_: None)
    except SnapshotterError as error:
        yield Check(name="browser", state=State.FAILURE, detail=error.message, fix=error.hint)
        return
    environment = done.environment
    took = round((done.ended_at - done.started_at).total_seconds() * 1000)
    if done.outcome is Outcome.COMPLETE:
        yield Check(
            name="browser",
            state=State.OK,
            detail=f"{environment.browser_product} ({environment.browser_binary}) "
            f"captured a test page in {took} ms",
        )
    else:
        reasons = "; ".join(f"{it.code}: {it.detail}" for it in done.reasons)
        yield Check(
            name="browser",
            state=State.FAILURE,
            detail=f"a test page was captured only as {done.outcome}: {reasons}",
            fix="make setup, or another browser with browser_path",
        )
    yield _sandbox(environment.sandbox)
    yield _files(environment.sandbox)
    yield _user()
    if done.network is not None:
        yield _network(done.network)


def _sandbox(facts: SandboxFacts) -> Check:
    if facts.enforced:
        return Check(name="sandbox", state=State.OK, detail=facts.detail)
    return Check(
        name="sandbox",
        state=State.WARNING,
        detail=f"pages are rendered without Chromium's sandbox: {facts.detail}",
        fix=_NAMESPACES,
    )


def _files(facts: SandboxFacts) -> Check:
    """Check that each process of the browser sees few files of this machine."""
    kinds: dict[str, list[str]] = {}
    for it in facts.processes:
        kinds.setdefault(it.files, []).append(it.type)
    how = "; ".join(
        f"{_PROTECTIONS[it]}: {', '.join(sorted(set(kinds[it])))}"
        for it in sorted(kinds, key=list(_PROTECTIONS).index)
    )
    if facts.processes and not files_open_to(facts.processes, of_everybody=True):
        return Check(name="files", state=State.OK, detail=how)
    return Check(
        name="files",
        state=State.WARNING,
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


def _user() -> Check:
    if os.geteuid() != 0:
        return Check(name="user", state=State.OK, detail="snapshotter does not run as root")
    return Check(
        name="user",
        state=State.WARNING,
        detail="snapshotter runs as root: a fault in snapshotter has all rights of root",
        fix="run snapshotter as a separate user who owns data_dir, spool_dir and the store",
    )


def _network(path: NetworkPath) -> Check:
    if path.enforced:
        return Check(
            name="network",
            state=State.OK,
            detail=f"the browser has no way out but ours: {path.how}",
        )
    return Check(
        name="network",
        state=State.WARNING,
        detail=f"a hole in the browser could go past our way out: {path.how}",
        fix=_NAMESPACES,
    )


def _fonts() -> Check:
    if shutil.which("fc-list") is None:
        return Check(
            name="fonts",
            state=State.WARNING,
            detail="fontconfig is not installed, so fonts can not be looked up",
            fix="install fontconfig, and fonts for the scripts that you capture",
        )
    missing = [name for language, name in _SCRIPTS.items() if not _has_font(language)]
    if missing:
        return Check(
            name="fonts",
            state=State.WARNING,
            detail=f"no font for {', '.join(missing)}: such text is drawn as boxes",
            fix="make setup, or install fonts-noto-core, fonts-noto-cjk and fonts-noto-color-emoji",
        )
    return Check(name="fonts", state=State.OK, detail=f"fonts for {', '.join(_SCRIPTS.values())}")


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


def _clock() -> Check:
    facts = machine.SystemClock().facts()
    fix = "start a time service (systemd-timesyncd, chrony or ntpd)"
    if facts.synchronised is None:
        return Check(
            name="clock",
            state=State.WARNING,
            detail="the system does not say whether its clock is right",
            fix=fix,
        )
    error = facts.max_error_ms or 0
    if not facts.synchronised or error > _MAX_CLOCK_ERROR_MS:
        return Check(
            name="clock",
            state=State.WARNING,
            detail=f"the clock is not synchronised (it may be {error} ms off); "
            "only a timestamp token proves the time",
            fix=fix,
        )
    return Check(name="clock", state=State.OK, detail=f"synchronised, within {error} ms")


def _store(settings: Settings) -> Check:
    try:
        probe = wiring_store.probe_store(settings)
    except SnapshotterError as error:
        return Check(name="store", state=State.FAILURE, detail=error.message, fix=error.hint)
    broken = [promise for promise in probe.promises if promise.kept is False]
    if not probe.usable:
        return Check(
            name="store",
            state=State.FAILURE,
            detail=f"{probe.url}: {'; '.join(promise.how for promise in broken)}",
            fix="snapshotter store check shows all promises; use another endpoint or a directory",
        )
    lock = "retention is enforced" if probe.locks else "tamper-evident, not locked"
    return Check(name="store", state=State.OK, detail=f"{probe.url} keeps its promises; {lock}")


def _log(settings: Settings) -> Check:
    """Whether the next bundle can be logged, as far as that shows without adding anything."""
    if not settings.log:
        return Check(name="log", state=State.OK, detail="switched off: bundles are not logged")
    try:
        store = wiring_store.store(settings)
        origin = wiring_log.log_origin(store)
        owed = wiring_log.logbook(
            settings, proofs=store, ask=None, tell=lambda _: None
        ).owed_count()
        if not origin and wiring_log.log_memory(settings).load():
            return Check(
                name="log",
                state=State.WARNING,
                detail=f"the log of {store.url} is gone",
                fix="restore log/; if you emptied the store yourself: snapshotter log init --again",
            )
        known = wiring_log.has_log_key(settings, origin)
    except SnapshotterError as error:
        return Check(name="log", state=State.WARNING, detail=error.message, fix=error.hint)
    if owed:
        return Check(
            name="log",
            state=State.WARNING,
            detail=f"{owed} bundles are remembered that may not be in the log",
            fix="snapshotter log sync",
        )
    if not origin:
        return Check(name="log", state=State.OK, detail="no log yet: the first capture begins one")
    if not known:
        return Check(
            name="log",
            state=State.WARNING,
            detail=f"the key of the log {origin} is not here: what is captured is owed to it",
            fix="copy log-….key from the machine that made the log; docs/howto/log.md",
        )
    return Check(name="log", state=State.OK, detail=f"{origin}; is its key backed up?")


def _keys(settings: Settings) -> Iterator[Check]:
    """One check a key: each configured one is made to sign, wherever it is held."""
    try:
        kept = wiring_keys.key_directory(settings).list()
        listed = [it for it in kept if it.name != settings.event_key]
    except SnapshotterError as error:
        yield Check(name="keys", state=State.FAILURE, detail=error.message, fix=error.hint)
        return
    if not listed and settings.key == "default" and not settings.cosigners:
        yield Check(name="keys", state=State.OK, detail="no key yet: the first capture makes one")
        return
    for number, name in enumerate((settings.key, *settings.cosigners)):
        yield _key(replace(settings, key=name, cosigners=()), cosigns=number > 0)


def _key(settings: Settings, *, cosigns: bool) -> Check:
    name, words = settings.key, "cosigns" if cosigns else "signs"
    asked = False

    def ask() -> bytes:
        nonlocal asked
        asked = True
        raise SnapshotterError("nobody is asked here")

    try:
        signer = wiring_keys.signer(settings, ask=ask, tell=lambda _: None)
        signer.sign(b"doctor")
    except SnapshotterError as error:
        if not asked:
            return Check(name="keys", state=State.FAILURE, detail=error.message, fix=error.hint)
        return Check(
            name="keys",
            state=State.OK,
            detail=f"key {name} {words}, behind a passphrase or PIN that a person gives",
        )
    if not signer.in_software:
        detail = f"key {name} ({signer.key_id[:16]}…) {words}, and is held elsewhere"
        return Check(name="keys", state=State.OK, detail=detail)
    return Check(
        name="keys",
        state=State.OK,
        detail=f"key {name} ({signer.key_id[:16]}…) {words}; is it backed up?",
    )


def _authorities(settings: Settings, *, offline: bool) -> Iterator[Check]:
    try:
        found = wiring_authorities.authorities(settings)
    except SnapshotterError as error:
        yield Check(name="authority", state=State.FAILURE, detail=error.message, fix=error.hint)
        return
    if not found:
        yield Check(
            name="authority",
            state=State.WARNING,
            detail="no timestamp authority is configured: no capture's time can be proven",
            fix="remove authority = [] from snapshotter.toml, or add an [[authority]]",
        )
    for authority in found:
        if offline:
            yield Check(
                name="authority", state=State.OK, detail=f"{authority.name}: not asked (--offline)"
            )
            continue
        try:
            _, at = authority.stamp(b"snapshotter doctor")
        except ServiceUnavailable as error:
            yield Check(
                name="authority",
                state=State.WARNING,
                detail=f"{error.message}; captures are sealed, and their tokens fetched later",
                fix=error.hint or "check the network, then snapshotter timestamp",
            )
        else:
            yield Check(
                name="authority",
                state=State.OK,
                detail=f"{authority.name} gave a good token for {at:%Y-%m-%dT%H:%M:%SZ}",
            )


def _notifications(settings: Settings) -> Iterator[Check]:
    if settings.notify_file is None:
        return
    name = "notify"
    try:
        problems = list(wiring_notify.problems(settings))
        channels = [it.name for it in wiring_notify.rules(settings).channels]
    except SnapshotterError as error:
        yield Check(name=name, state=State.WARNING, detail=error.message, fix=error.hint)
        return
    for channel, why in problems:
        detail = f"{channel}: {why.message}"
        yield Check(name=name, state=State.WARNING, detail=detail, fix=why.hint)
    if not problems:
        yield Check(
            name=name,
            state=State.OK,
            detail=f"{', '.join(channels)}; snapshotter notify test CHANNEL tries one",
        )


def _disk(settings: Settings) -> Iterator[Check]:
    places: dict[int, Path] = {}
    candidates = [settings.spool_dir, settings.data_dir]
    if "://" not in settings.store:
        candidates.append(Path(settings.store).absolute())
    for place in candidates:
        existing = next(it for it in (place, *place.absolute().parents) if it.exists())
        places.setdefault(existing.stat().st_dev, existing)
    for place in places.values():
        free = shutil.disk_usage(place).free
        words = f"{free / (1 << 30):.1f} GiB free at {place}"
        if free < _LOW_SPACE:
            yield Check(name="disk", state=State.WARNING, detail=words, fix="free some space")
        else:
            yield Check(name="disk", state=State.OK, detail=words)


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
