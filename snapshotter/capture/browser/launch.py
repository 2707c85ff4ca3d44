"""
Find a Chromium, start it in its sandbox with a throw-away profile, and see that it ends.

The browser's processes are ours to watch and to kill by number: Playwright
starts a small script of ours that notes its own process id (which stays that
of the browser, and of its process group) and its parent's (Playwright's
driver) before it becomes the browser. That works when nothing answers any more.

On the way it enters a network of its own (`egress/namespace.py`), out of which
the egress guard is the only way. Where the system forbids that, the browser's own
settings have to keep it there, and the capture says so.
"""

import asyncio
import contextlib
import os
import re
import secrets
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import BrowserContext, BrowserType
from playwright.async_api import Error as PlaywrightError

from snapshotter.capture.browser import confinement, os_processes
from snapshotter.egress import namespace
from snapshotter.egress.file_view import FileView
from snapshotter.egress.guard import EgressGuard
from snapshotter.errors import PolicyRefused, ServiceUnavailable
from snapshotter.model.capture import ProcessFacts, SandboxFacts, files_open_to
from snapshotter.model.network import NetworkPath
from snapshotter.model.request import Decision

# What Playwright does not already pass. Never `--disable-features`: Chromium
# reads the last one only, and Playwright's own would be lost.
_ARGUMENTS = (
    "--site-per-process",  # the shell has no site isolation by default
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--disable-quic",
    "--disable-domain-reliability",
    "--disable-client-side-phishing-detection",
    "--no-pings",
    "--dns-prefetch-disable",
    # The page's frame paints what lies below the window as well, so that a part of it can be
    # photographed. The protocol's own way (`captureBeyondViewport`) resizes the page for each
    # shot, to 1 x 1 px at times, and tells it so. Chromium reads the last such flag only:
    # what Playwright sets, a mouse that hovers, stands here again.
    "--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,"
    "availablePointerTypes=4,mainFrameClipsContent=false",
)

# What Playwright passes and we do not want. Chromium lets a page change its address 200 times
# in ten seconds, as for every reader; without that, what the page says of it fills the queues
# of the browser's own process, and no order of ours comes through.
_NOT_ARGUMENTS = ("--disable-ipc-flooding-protection",)

# What a page draws with WebGL and WebGPU is drawn by a process that has no filter of system calls.
_NO_WEBGL = ("--disable-3d-apis",)
_OF_WEBGL = ("--enable-unsafe-swiftshader",)

# zstd is left out: readers of WARC files cannot decode it.
ACCEPT_ENCODING = "gzip, deflate, br"

_SHELL, _CHROMIUM = "shell", "chromium"
_LINUX = {
    _SHELL: ("/usr/lib/chromium/chromium-headless-shell",),
    _CHROMIUM: (
        "/usr/lib/chromium/chromium",  # Debian: /usr/bin/chromium adds flags and an API key
        "/usr/lib/chromium-browser/chromium-browser",
        "/opt/google/chrome/chrome",
    ),
}
_MACOS = {
    _SHELL: (),
    _CHROMIUM: (
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
    ),
}
_ON_PATH = {
    _SHELL: ("chromium-headless-shell", "chrome-headless-shell"),
    _CHROMIUM: ("google-chrome-stable", "google-chrome", "chromium", "chromium-browser"),
}
_PLAYWRIGHT = {
    _SHELL: ("chromium_headless_shell-*/*/chrome-headless-shell",
             "chromium_headless_shell-*/*/headless_shell"),
    _CHROMIUM: ("chromium-*/chrome-linux*/chrome",
                "chromium-*/chrome-mac*/*.app/Contents/MacOS/*"),
}  # fmt: skip
_SOCKET_PATH = 60  # bytes of TMPDIR that leave room for the profile's socket (108 in all)
_STACK_KB = 65_536  # of a process's first thread; eight times the usual
_BLOCK = 512  # bytes, of st_blocks (stat(2))
_LEAST = 4096  # bytes that a file counts for, however short
_FILTER_S = 3.0  # for a new renderer to take its filter
_LOOK_S = 0.02
_ROUNDS = 20  # of killing what the browser started, as long as there is more of it
_NOTED = 64  # characters, of a process's note to us
_OUTPUT = re.compile(r"\[pid=\d+\]\[(?:err|out)\] (.*)")  # a line of the browser's in a message
_WORDS = 300  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserBinary:
    """A Chromium on this machine."""

    kind: str  # "shell" or "chromium"
    path: Path


def find_browser(kind: str, *, playwright_browsers: Path | None = None) -> BrowserBinary | None:
    """
    Return the browser of that kind, or nothing.

    Args:
        kind: "shell" (chromium-headless-shell), "chromium" (Chromium or Google
            Chrome) or a path to a binary.
        playwright_browsers: Where Playwright keeps its browsers; its own place if not given.

    Raises:
        ValueError: A kind that is neither of these.
    """
    if "/" in kind:
        path = Path(kind)
        shell = "headless" in path.name
        return _binary(_SHELL if shell else _CHROMIUM, _unwrapped(path))
    if kind not in _LINUX:
        raise ValueError(f'a browser is "shell", "chromium" or a path, not "{kind}"')
    for candidate in (_MACOS if sys.platform == "darwin" else _LINUX)[kind]:
        if found := _binary(kind, Path(candidate)):
            return found
    for name in _ON_PATH[kind]:
        if (which := shutil.which(name)) and (found := _binary(kind, _unwrapped(Path(which)))):
            return found
    root = playwright_browsers or _playwright_browsers()
    matches = [path for pattern in _PLAYWRIGHT[kind] for path in root.glob(pattern)]
    for path in sorted(matches, key=_revision, reverse=True):
        if found := _binary(kind, path):
            return found
    return None


def choose_browser(wanted: str, explicit: Path | None) -> tuple[BrowserBinary, str]:
    """
    Return the browser for a capture, and what has to be said about the choice.

    Args:
        wanted: As in `Decision.browser`.
        explicit: A binary from the settings, which comes before all others.

    Raises:
        ServiceUnavailable: There is none.
    """
    name = str(explicit) if explicit is not None else wanted
    if found := find_browser(name):
        return found, ""
    if name == _SHELL and (found := find_browser(_CHROMIUM)):
        return found, "no chromium-headless-shell here; full Chromium instead"
    what = f"no browser at {name}" if "/" in name else "no Chromium was found"
    raise ServiceUnavailable(what, hint="make setup, or: playwright install chromium")


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserWorkspace:
    """
    Directories that a browser may write to, all below one that is removed at the end.

    Nothing of the user's is used: HOME, TMPDIR and the profile are new and empty.
    """

    root: Path
    profile: Path
    home: Path
    temporary: Path  # TMPDIR; elsewhere when `root` has a long path, see `_SOCKET_PATH`
    artifacts: Path
    # Files of ours in `root`, which the browser may not open.
    script: Path  # what starts it
    note: Path  # its process id and its driver's
    driver_view: Path  # how files were taken from the driver, see `egress/file_view.py`
    browser_view: Path  # and from the browser
    hidden: Path  # what nobody but us may open
    key_log: Path  # where the browser writes its TLS secrets: it may write to this one

    @classmethod
    def create(cls, beside: Path) -> "BrowserWorkspace":
        """Make one in the directory that holds `beside`."""
        name = f".{beside.name}-browser-{secrets.token_hex(4)}"  # in the spool, with `beside`
        root = beside.absolute().parent / name  # the browser works in another directory
        root.mkdir(mode=0o700)
        temporary = root / "tmp"
        if len(os.fsencode(temporary)) > _SOCKET_PATH:
            # Below /tmp, as TMPDIR may be as long (macOS); the link is for whoever sweeps.
            # The link comes first: a crash between the two leaves nothing that no link leads to.
            temporary = Path("/tmp", f"snapshotter-{secrets.token_hex(8)}")  # noqa: S108  new, 0700
            (root / "elsewhere").symlink_to(temporary)
            temporary.mkdir(mode=0o700)
        workspace = cls.at(root.resolve(), temporary)
        for directory in workspace.directories:
            directory.mkdir(mode=0o700, exist_ok=True)
        for file in (
            workspace.note,
            workspace.driver_view,
            workspace.browser_view,
            workspace.hidden,
            workspace.key_log,
        ):
            file.touch(mode=0o600)
        if os.geteuid() == 0:  # another user than root may pass, where they have to
            root.chmod(0o711)
        return workspace

    @classmethod
    def at(cls, root: Path, temporary: Path | None = None) -> "BrowserWorkspace":
        """Return the one in a directory, made or not."""
        return cls(
            root=root,
            profile=root / "profile",
            home=root / "home",
            temporary=temporary or root / "tmp",
            artifacts=root / "artifacts",
            script=root / "browser",
            note=root / "pids",
            driver_view=root / "driver-view",
            browser_view=root / "browser-view",
            hidden=root / "hidden",
            key_log=root / "keys.log",
        )

    @property
    def directories(self) -> tuple[Path, ...]:
        """The directories that the browser may write to."""
        return (self.profile, self.home, self.temporary, self.artifacts)

    def remove(self) -> None:
        """Remove all of it. What a dying process still writes is not an error."""
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.rmtree(self.temporary, ignore_errors=True)

    def written_bytes(self, most: int) -> int:
        """
        Disk that is in use below, as the system counts it: bytes that are there, not lengths.

        A page can make empty files without end, too, and each takes a place of its own. Some
        milliseconds for a browser's hundred files.

        Args:
            most: Looking ends beyond so many bytes.
        """
        total = 0
        for top in {self.root, self.temporary}:
            for folder, folders, names in os.walk(top):
                for name in (*folders, *names):
                    with contextlib.suppress(OSError):  # it was removed meanwhile
                        blocks = os.lstat(os.path.join(folder, name)).st_blocks
                        total += max(_LEAST, blocks * _BLOCK)
                if total > most:
                    return total
        return total

    @property
    def environment(self) -> dict[str, str]:
        """The whole environment that the browser gets."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "XDG_RUNTIME_DIR": str(self.temporary),
            "DBUS_SESSION_BUS_ADDRESS": "disabled:",
        }


class BrowserProcesses:
    """The browser's process group, and Playwright's driver above it."""

    def __init__(self, workspace: BrowserWorkspace) -> None:
        self._workspace = workspace
        self._note = workspace.note
        self._ours = os.getpid()
        self._known: tuple[int | None, int | None] = (None, None)
        self._read_at = 0  # when the note was written that is known, nanoseconds
        self._group: os_processes.ProcessGroup | None = None
        self._ways: tuple[str, str] | None = None

    def begin(self) -> None:
        """Forget what an earlier start of the browser in this place has noted of its files."""
        self._workspace.browser_view.write_text("")
        self._ways = None

    def read_launch_notes(self) -> None:
        """Read how files were taken away, before there is a page: the notes may be rewritten."""
        self._ways = (
            _read_note(self._workspace.browser_view),
            _read_note(self._workspace.driver_view),
        )

    @property
    def note(self) -> Path:
        """Where the start script writes "<browser> <driver>"."""
        return self._note

    @property
    def browser(self) -> int | None:
        """Process id of the browser, once it was started."""
        return self._ids()[0]

    @property
    def is_driver_gone(self) -> bool:
        """Whether the driver was there and has ended, reaped or not."""
        driver = self._ids()[1]
        return driver is not None and os_processes.has_ended(driver)

    def resident_bytes(self) -> int:
        """
        Memory of the whole group, pages that several processes share counted once where possible.

        0 when nothing runs or the system does not say.
        """
        return sum(self._each_resident().values())

    def kill_largest_renderer(self) -> bool:
        """Kill the renderer that takes most memory; the browser itself lives on."""
        sizes = self._each_resident()
        renderers = [pid for pid in sizes if "--type=renderer" in os_processes.command(pid)]
        if not renderers:
            return False
        return _kill(max(renderers, key=lambda pid: sizes[pid]))

    def hold_renderers(self) -> None:
        """Halt all renderers where they are, until `release_renderers`. They can be killed."""
        self._signal_renderers(signal.SIGSTOP)

    def release_renderers(self) -> None:
        """Let the renderers run on."""
        self._signal_renderers(signal.SIGCONT)

    def _signal_renderers(self, number: signal.Signals) -> None:
        for pid in self._each_resident():
            if "--type=renderer" in os_processes.command(pid):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)

    def kill_gpu(self) -> bool:
        """Kill the process that draws; the browser starts another, once or twice."""
        for pid in self._each_resident():
            if "--type=gpu-process" in os_processes.command(pid):
                return _kill(pid)
        return False

    def kill(self) -> None:
        """Kill the browser and all that it started, then the driver. Safe to call at any time."""
        self.kill_browser()
        driver = self._ids()[1]
        if driver is not None and self._is_driver(driver):
            _kill(driver)

    def kill_browser(self) -> None:
        """
        Kill the browser's process group, and what has left it. Before the driver ends.

        A process that was taken over can leave its group and its parent. It is then a child of
        the driver (`egress/enter.py`), until that one ends.
        """
        browser, driver = self._ids()
        if browser is not None:
            try:
                os.killpg(browser, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                _kill(browser)
        if driver is None or not sys.platform.startswith("linux"):
            return
        killed: set[int] = set()
        for _ in range(_ROUNDS):
            strays = os_processes.descendant_pids(driver) if self._is_driver(driver) else []
            if killed.issuperset(strays):  # they take a moment to end
                return
            for pid in set(strays) - killed:
                _kill(pid)
            killed.update(strays)

    def sandbox(self, *, asked: bool, how: str) -> SandboxFacts:
        """Say from the kernel's own words whether a renderer runs inside the sandbox."""
        browser = self._ids()[0]
        if not sys.platform.startswith("linux") or browser is None:
            return SandboxFacts(
                asked=asked, enforced=False, detail=f"{how}; this system does not tell"
            )
        for pid in self._members(browser):
            if "--type=renderer" not in os_processes.command(pid):
                continue
            status = os_processes.status(pid)
            seccomp = status.get("Seccomp", "")
            filtered = os_processes.has_own_seccomp_filter(status, os_processes.status(browser))
            namespaced = len(status.get("NSpid", "").split()) > 1 or _has_other_namespace(
                pid, browser
            )
            seen = (
                f"renderer under seccomp mode {seccomp or '?'}"
                f"{' of the whole browser' if filtered is False else ''}, NoNewPrivs "
                f"{status.get('NoNewPrivs', '?')}, "
                f"{'own' if namespaced else 'no own'} namespaces"
            )
            enforced = seccomp == "2" and filtered is not False and namespaced
            return SandboxFacts(
                asked=asked,
                enforced=enforced,
                detail=f"{how}; {seen}",
                processes=self.facts(),
            )
        return SandboxFacts(
            asked=asked,
            enforced=False,
            detail=f"{how}; no renderer was seen",
            processes=self.facts(),
        )

    def facts(self) -> tuple[ProcessFacts, ...]:
        """Return what each process can reach, as read from the kernel."""
        browser, driver = self._ids()
        if browser is None:
            return ()
        if self._ways is None:
            self.read_launch_notes()
        return confinement.collect_process_facts(
            self._members(browser), driver, self._workspace, self._ways or ("", "")
        )

    def is_filtered(self) -> bool | None:
        """
        Whether the system calls of a renderer are filtered; None where nobody says.

        Of several one is enough: one that was just started has no filter yet.
        """
        browser = self._ids()[0]
        if not sys.platform.startswith("linux") or browser is None:
            return None
        found = [
            os_processes.has_own_seccomp_filter(
                os_processes.status(pid), os_processes.status(browser)
            )
            for pid in self._members(browser)
            if "--type=renderer" in os_processes.command(pid)
        ]
        return None if not found or None in found else any(found)

    def _ids(self) -> tuple[int | None, int | None]:
        """
        Return browser and driver. Each way to start it writes the note anew.

        The driver writes the note, and so may a browser that has no other user and no view. Only
        a child of ours is killed for it, and what that child started.
        """
        try:
            written = self._note.stat().st_mtime_ns
            if written != self._read_at:
                browser, driver = map(int, _read_note(self._note).split())
                if self._is_driver(driver) and self._is_browser(browser, driver):
                    self._known, self._read_at = (browser, driver), written
                elif self._known == (None, None) and driver > 1 and os_processes.has_ended(driver):
                    return None, driver
        except (FileNotFoundError, ValueError):
            pass
        return self._known

    def _is_driver(self, pid: int) -> bool:
        return pid > 1 and (
            not sys.platform.startswith("linux") or os_processes.parent(pid) == self._ours
        )

    def _is_browser(self, pid: int, driver: int) -> bool:
        if not sys.platform.startswith("linux"):
            return pid > 1
        return os_processes.parent(pid) == driver and os_processes.is_group_leader(pid)

    def _members(self, browser: int) -> list[int]:
        return self._of(browser).members()

    def _each_resident(self) -> dict[int, int]:
        browser = self._ids()[0]
        return {} if browser is None else self._of(browser).resident()

    def _of(self, browser: int) -> os_processes.ProcessGroup:
        if self._group is None or self._group.leader != browser:
            self._group = os_processes.ProcessGroup(browser)
        return self._group


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureNetwork:
    """The network of one capture: its only way out, and where that is written down."""

    guard: EgressGuard
    path: str  # "direct", "proxy" or "tor", as in `NetworkPath`
    key_log: Path  # where the browser writes its TLS secrets
    tee_dir: Path  # where the guard keeps what passed
    vantage: str = ""  # what the settings call the way, as in `NetworkPath`

    def destroy(self) -> None:
        """Leave nothing that holds what passed, or opens it."""
        self.key_log.unlink(missing_ok=True)
        shutil.rmtree(self.tee_dir, ignore_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchedBrowser:
    """A running browser with its one window."""

    context: BrowserContext
    sandbox_asked: bool
    sandbox_how: str
    network: NetworkPath


@dataclass(frozen=True, slots=True)
class _LaunchMode:
    """One way to start the browser."""

    namespaces: str
    sandbox: bool
    view: bool = True  # take files away; a helper of the system's for the sandbox may not bear it


@dataclass(frozen=True, slots=True)
class SystemRestrictions:
    """What this system does not allow; "" where it does."""

    network: str  # a network of the browser's own
    user: str  # another user number for root, without which Chromium has no sandbox

    @classmethod
    def find(cls) -> "SystemRestrictions":
        """Look, once a process: it takes 20 ms. What can not be tried is no obstacle yet."""
        network = _known_obstacle(namespace.find_obstacle, namespace.USER_AND_NET)
        if not network or os.geteuid() != 0:
            return cls(network, "")
        return cls(network, _known_obstacle(namespace.find_obstacle, namespace.USER))

    def ways(self) -> Iterator[_LaunchMode]:
        """Yield the ways to start a browser, the safest first. A sandbox is worth more."""
        networks = [] if self.network else [namespace.USER_AND_NET]
        root = os.geteuid() == 0
        if not self.user:
            yield from (_LaunchMode(network, True) for network in networks)
            yield _LaunchMode(namespace.USER if root else namespace.NONE, True)
            yield _LaunchMode(namespace.USER if root else namespace.NONE, True, view=False)
        yield from (_LaunchMode(network, False) for network in networks)
        yield _LaunchMode(namespace.NONE, False)


async def launch(
    chromium: BrowserType,
    binary: BrowserBinary,
    workspace: BrowserWorkspace,
    processes: BrowserProcesses,
    decision: Decision,
    capture_network: CaptureNetwork,
    *,
    allow_no_sandbox: bool,
) -> LaunchedBrowser:
    """
    Start the browser, with the guard as its way out.

    The result says how safely: in its sandbox or not, in a network of its own or not.

    Args:
        allow_no_sandbox: Start it without its sandbox where that can not be had.

    Raises:
        PolicyRefused: It would have no sandbox, and that is not allowed.
        playwright.async_api.Error: It did not start.
    """
    obstacles = await asyncio.to_thread(SystemRestrictions.find)
    no_sandbox = f"running as root, and {obstacles.user}" if obstacles.user else ""
    no_network = obstacles.network
    for launch_mode in obstacles.ways():
        if not launch_mode.sandbox and not allow_no_sandbox:
            raise _refused(no_sandbox)
        try:
            context = await _start(
                chromium, binary, workspace, processes, decision, capture_network, launch_mode
            )
        except PlaywrightError as error:
            # Chromium's own words first: it may have ways (a setuid helper, a profile of the
            # system's for its binary) that an attempt of ours has not.
            why = launch_mode.sandbox and (
                _first_line_about(error.message)
                or await asyncio.to_thread(
                    _known_obstacle, namespace.find_sandbox_obstacle, launch_mode.namespaces
                )
            )
            if not why:
                raise
            no_sandbox = f"this system allows no sandbox: {why}"
            no_network = no_network or "the browser has no sandbox inside a network of its own"
            continue
        # Half a sandbox is worth more than none, so where that is allowed it goes on.
        if (
            launch_mode.sandbox
            and not allow_no_sandbox
            and await _is_unfiltered(context, processes)
        ):
            await _end(context, decision)
            raise _refused("this system allows no filter of system calls (seccomp)")
        await asyncio.to_thread(processes.read_launch_notes)
        if decision.require_file_protection:
            await _require_file_protection(context, processes, decision)
        own = launch_mode.namespaces == namespace.USER_AND_NET
        return LaunchedBrowser(
            context=context,
            sandbox_asked=launch_mode.sandbox,
            sandbox_how=_how()
            if launch_mode.sandbox
            else f"started with --no-sandbox: {no_sandbox}",
            network=NetworkPath(
                path=capture_network.path,
                enforced=own,
                how="a network namespace of the browser's own"
                if own
                else f"the browser's proxy settings alone: {no_network}",
                vantage=capture_network.vantage,
            ),
        )
    raise RuntimeError("there is always a way to try")


async def _require_file_protection(
    context: BrowserContext, processes: BrowserProcesses, decision: Decision
) -> None:
    """Raise PolicyRefused where a process of the browser may open the files of this machine."""
    found = await asyncio.to_thread(processes.facts)
    open_to = files_open_to(found, of_everybody=True)
    if open_to or not found:
        await _end(context, decision)
        raise PolicyRefused(
            f"policy {decision.policy_name} captures only where the files of this machine are kept "
            "from the browser, and these processes can open them: "
            f"{', '.join(open_to) or 'unknown, no process was checked'}",
            hint="snapshotter doctor says what is missing; or a policy that extends this one with "
            '[sandbox] files = "warn"',
        )


async def _end(context: BrowserContext, decision: Decision) -> None:
    with contextlib.suppress(TimeoutError, PlaywrightError):  # what is left is killed
        await asyncio.wait_for(context.close(), decision.limits.close_s)


def _known_obstacle(obstacle: Callable[[str], str], namespaces: str) -> str:
    """Return what is known to be in the way; nothing where it could not be tried."""
    try:
        return obstacle(namespaces)
    except namespace.ProbeNotPossible:
        return ""


async def _is_unfiltered(context: BrowserContext, processes: BrowserProcesses) -> bool:
    """
    Whether every renderer stays without a filter of system calls; it starts without one.

    One that answers has taken its filter, however long its start took. The limit of the launch
    bounds the answer.
    """
    for page in context.pages[:1]:
        await page.evaluate("1")
    loop = asyncio.get_running_loop()
    end = loop.time() + _FILTER_S
    while loop.time() < end:
        if await asyncio.to_thread(processes.is_filtered) is not False:
            return False
        await asyncio.sleep(_LOOK_S)
    return True


def _refused(no_sandbox: str) -> PolicyRefused:
    return PolicyRefused(
        f"the browser would run without its sandbox: {no_sandbox}",
        hint="run as an ordinary user where user namespaces are allowed (snapshotter "
        "doctor says more), or allow it: SNAPSHOTTER_ALLOW_NO_SANDBOX=1",
    )


def _how() -> str:
    if os.geteuid() == 0:
        return "started in a user namespace, because Chromium has no sandbox for root"
    return "started as an ordinary user"


async def _start(
    chromium: BrowserType,
    binary: BrowserBinary,
    workspace: BrowserWorkspace,
    processes: BrowserProcesses,
    decision: Decision,
    capture_network: CaptureNetwork,
    launch_mode: _LaunchMode,
) -> BrowserContext:
    processes.begin()
    view = confinement.browser_file_view(workspace, binary)
    if launch_mode.namespaces != namespace.USER_AND_NET:
        port = capture_network.guard.listen_on_loopback(
            workspace.profile.stat().st_uid
        )  # the browser's
        command = (*_before(launch_mode, view), str(binary.path.absolute()))
        return await _run(
            chromium, command, workspace, processes, decision, capture_network, launch_mode, port
        )
    handover = namespace.ListenerHandover(workspace.temporary)
    limit = decision.limits.launch_s
    coming = asyncio.create_task(asyncio.to_thread(handover.receive, limit))
    try:
        command = (*_before(launch_mode, view, handover.meeting), str(binary.path.absolute()))
        context = await _run(
            chromium,
            command,
            workspace,
            processes,
            decision,
            capture_network,
            launch_mode,
            namespace.PORT,
        )
    except BaseException:  # also a cancelled task: a thread waits for the socket
        handover.close()  # ends what still waits for it
        with contextlib.suppress(namespace.HandoverFailed):
            (await coming).close()
        raise
    try:
        capture_network.guard.listen(await coming)
    finally:
        handover.close()
    return context


def start_script(command: Sequence[str], note: Path) -> str:
    """
    Return the shell script that becomes the browser.

    Args:
        command: The browser's; its paths are whole ones.
        note: Gets the process ids of browser and driver.
    """
    return (
        f'#!/bin/sh\necho "$$ $PPID" > {shlex.quote(str(note))}\n'
        # Where the system allows it: elements ten thousand deep overflow the usual stack.
        f"ulimit -S -s {_STACK_KB} 2>/dev/null\n"
        # Chromium reads a SwiftShader.ini of the folder that one works in.
        "cd / || exit\n"
        f'exec {shlex.join(command)} "$@"\n'
    )


def _before(
    launch_mode: _LaunchMode, view: FileView, meeting: Path | None = None
) -> tuple[str, ...]:
    """Return what stands before the browser in its command."""
    if not sys.platform.startswith("linux"):
        return ()
    return namespace.namespace_command(
        launch_mode.namespaces, meeting, view if launch_mode.view else None
    )


async def _run(
    chromium: BrowserType,
    command: tuple[str, ...],
    workspace: BrowserWorkspace,
    processes: BrowserProcesses,
    decision: Decision,
    capture_network: CaptureNetwork,
    launch_mode: _LaunchMode,
    port: int,
) -> BrowserContext:
    script = workspace.script
    script.write_text(start_script(command, processes.note))
    script.chmod(0o755)
    width, height = decision.viewport_px
    # A persistent context is the browser's own profile: one window, no second
    # set of processes, and the profile is where we say and not in the system's /tmp.
    return await chromium.launch_persistent_context(
        workspace.profile,
        executable_path=script,
        artifacts_dir=workspace.artifacts,
        chromium_sandbox=launch_mode.sandbox,
        env=dict(workspace.environment),
        args=[
            *_ARGUMENTS,
            *(() if decision.webgl else _NO_WEBGL),
            *_network_arguments(port, capture_network.key_log),
        ],
        ignore_default_args=[*_NOT_ARGUMENTS, *(() if decision.webgl else _OF_WEBGL)],
        headless=True,
        handle_sigint=False,
        handle_sigterm=False,
        handle_sighup=False,
        timeout=decision.limits.launch_s * 1000,
        accept_downloads=True,  # an address may be a file; the doorkeeper cancels all others
        service_workers="block",
        ignore_https_errors=decision.ignore_certificate_errors,
        viewport={"width": width, "height": height},
        screen={"width": width, "height": height},
        device_scale_factor=decision.scale,
        locale=decision.locale,
        timezone_id=decision.timezone,
        user_agent=decision.user_agent or None,
        extra_http_headers={"Accept-Encoding": ACCEPT_ENCODING},
    )


def _network_arguments(port: int, key_log: Path) -> Iterator[str]:
    """Send everything through the guard, and let the browser resolve no name by itself."""
    yield f"--proxy-server=http://127.0.0.1:{port}"
    yield "--proxy-bypass-list=<-loopback>"  # or loopback would be asked without the proxy
    # A resolver may be reached through a file (nscd, systemd-resolved), out of any network.
    yield "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    yield f"--ssl-key-log-file={key_log}"


def _binary(kind: str, path: Path) -> BrowserBinary | None:
    if path.is_file() and os.access(path, os.X_OK):
        return BrowserBinary(kind=kind, path=path)
    return None


def _unwrapped(path: Path) -> Path:
    """Return the real binary behind a distribution's start script, where we know it."""
    resolved = path.resolve()
    if resolved.parent.name == "bin":
        for folder in ("chromium", "chromium-browser"):
            real = resolved.parent.parent / "lib" / folder / resolved.name
            if real.is_file():
                return real
    if resolved.name.startswith("google-chrome") and (resolved.parent / "chrome").is_file():
        return resolved.parent / "chrome"
    return resolved


def _playwright_browsers() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "ms-playwright"
    return Path.home() / ".cache" / "ms-playwright"


def _revision(path: Path) -> int:
    numbers = re.findall(r"ium(?:_headless_shell)?-(\d+)", str(path))
    return int(numbers[-1]) if numbers else 0


def last_browser_message(message: str) -> str:
    """Return the last line that the browser itself wrote, as Playwright tells it; "" if none."""
    said = [line for line in _OUTPUT.findall(message) if line.strip()]
    return said[-1].strip()[:_WORDS] if said else ""


def _first_line_about(message: str) -> str:
    lines = [line.strip() for line in _OUTPUT.findall(message) if "sandbox" in line.lower()]
    return lines[0][:200] if lines else ""


def _read_note(note: Path) -> str:
    """Return what a note says: no more of it than is meant to be there."""
    with note.open() as file:
        return file.read(_NOTED)


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _has_other_namespace(pid: int, other: int) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/ns/user") != os.readlink(f"/proc/{other}/ns/user")
    except OSError:  # not ours to read: then NSpid in its status has to do
        return False
