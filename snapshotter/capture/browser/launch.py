"""
Start a browser in its sandbox, with a new profile and with the egress guard as its only network.

At its start the browser enters a network namespace of its own (`egress/namespace.py`), out of which
only the egress guard leads. Where the system forbids that, only the browser's proxy settings send
its traffic to the guard, and the capture records that. Where the system allows no sandbox, the
browser is started only if the settings allow it to run without one.
"""

import asyncio
import contextlib
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from playwright.async_api import BrowserContext, BrowserType
from playwright.async_api import Error as PlaywrightError

from snapshotter.capture.browser import arguments, driver_script
from snapshotter.capture.browser.binary import BrowserBinary
from snapshotter.capture.browser.browser_processes import BrowserProcesses
from snapshotter.capture.browser.capture_network import CaptureNetwork
from snapshotter.capture.browser.launch_modes import (
    SAFEST,
    LaunchMode,
    SystemRestrictions,
    known_obstacle,
)
from snapshotter.capture.browser.workspace import BrowserWorkspace
from snapshotter.egress import namespace
from snapshotter.egress.file_view import FileView
from snapshotter.errors import PolicyRefused
from snapshotter.model.capture import files_open_to
from snapshotter.model.network import NetworkPath
from snapshotter.model.request import Decision
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_STACK_KB = 65_536  # of a process's first thread; eight times the usual
_FILTER_S = 3.0  # for a new renderer to take its filter
_LOOK_S = 0.02
_OUTPUT = re.compile(r"\[pid=\d+\]\[(?:err|out)\] (.*)")  # a line of the browser's in a message
_WORDS = 300  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserSetup:
    """Everything that one browser is started with, and ended by."""

    decision: Decision
    binary: BrowserBinary
    workspace: BrowserWorkspace
    processes: BrowserProcesses
    network: CaptureNetwork
    allow_no_sandbox: bool  # start it without its sandbox where the system allows none


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchedBrowser:
    """A running browser with its one window."""

    context: BrowserContext
    sandbox_asked: bool
    sandbox_how: str
    network: NetworkPath


async def launch(chromium: BrowserType, setup: BrowserSetup) -> LaunchedBrowser:
    """
    Start the browser, with the egress guard as its only network.

    The result says how safely: in its sandbox or not, in a network of its own or not.

    Raises:
        PolicyRefused: It would have no sandbox, and that is not allowed.
        playwright.async_api.Error: It did not start.
    """
    restrictions, first = await _start_safest(chromium, setup)
    no_sandbox = f"the browser runs as root, and {restrictions.user}" if restrictions.user else ""
    no_network = restrictions.network
    for launch_mode in restrictions.ways():
        if not launch_mode.sandbox and not setup.allow_no_sandbox:
            raise _refused(no_sandbox)
        if launch_mode == SAFEST and first is not None:
            context = first
        else:
            context = await _attempt(chromium, setup, launch_mode)
        if isinstance(context, PlaywrightError):
            error = context
            # Chromium's own words first: it may have ways (a setuid helper, a profile of the
            # system's for its binary) that an attempt of ours has not.
            why = launch_mode.sandbox and (
                _first_line_about(error.message)
                or await asyncio.to_thread(
                    known_obstacle, namespace.find_sandbox_obstacle, launch_mode.namespaces
                )
            )
            if not why:
                raise error
            no_sandbox = f"this system does not allow a sandbox: {why}"
            no_network = (
                no_network or "the browser has no sandbox inside a network namespace of its own"
            )
            continue
        # Half a sandbox is worth more than none, so where that is allowed it goes on.
        if (
            launch_mode.sandbox
            and not setup.allow_no_sandbox
            and await _is_unfiltered(context, setup.processes)
        ):
            await _end(context, setup.decision)
            raise _refused("this system does not allow a filter of system calls (seccomp)")
        await asyncio.to_thread(setup.processes.read_launch_notes)
        if setup.decision.require_file_protection:
            await _require_file_protection(context, setup.processes, setup.decision)
        own = launch_mode.namespaces == namespace.USER_AND_NET
        return LaunchedBrowser(
            context=context,
            sandbox_asked=launch_mode.sandbox,
            sandbox_how=_how()
            if launch_mode.sandbox
            else f"the browser was started with --no-sandbox: {no_sandbox}",
            network=NetworkPath(
                path=setup.network.path,
                enforced=own,
                how="the browser has a network namespace of its own"
                if own
                else f"only the proxy settings of the browser apply, because {no_network}",
                vantage=setup.network.vantage,
            ),
        )
    raise RuntimeError("there is always a way to try")


async def _start_safest(
    chromium: BrowserType, setup: BrowserSetup
) -> tuple[SystemRestrictions, BrowserContext | PlaywrightError | None]:
    """
    Start the browser in the safest mode, unless it is known that the system forbids that.

    A probe before each first start would take longer than this start saves on a system that forbids
    it. So the system is probed after a failure.

    Returns:
        What the system forbids, and the browser or its error; None: it was not started.
    """
    if (known := SystemRestrictions.known()) is not None:
        return known, None
    outcome = await _attempt(chromium, setup, SAFEST)
    if isinstance(outcome, PlaywrightError):
        return await asyncio.to_thread(SystemRestrictions.find), outcome
    return SystemRestrictions("", ""), outcome


async def _attempt(
    chromium: BrowserType, setup: BrowserSetup, launch_mode: LaunchMode
) -> BrowserContext | PlaywrightError:
    """Start the browser in one mode, and return it or why it did not start."""
    try:
        return await _start(chromium, setup, launch_mode)
    except PlaywrightError as error:
        return error


async def _require_file_protection(
    context: BrowserContext, processes: BrowserProcesses, decision: Decision
) -> None:
    """Raise PolicyRefused where a process of the browser may open the files of this machine."""
    found = await asyncio.to_thread(processes.facts)
    open_to = files_open_to(found, of_everybody=True)
    if open_to or not found:
        await _end(context, decision)
        raise PolicyRefused(
            tr(
                "policy {policy_name} requires a browser that cannot open the files of this "
                "machine; processes of the browser that can open these files: {open_to}",
                policy_name=decision.policy_name,
                open_to=", ".join(open_to) or "unknown, because no process was checked",
            ),
            hint=tr(
                'use a policy that extends this policy with [sandbox] files = "warn", or check '
                "which protection is missing:\n  snapshotter doctor"
            ),
        )


async def _end(context: BrowserContext, decision: Decision) -> None:
    with contextlib.suppress(TimeoutError, PlaywrightError):  # what is left is killed
        await asyncio.wait_for(context.close(), decision.limits.close_s)


async def _is_unfiltered(context: BrowserContext, processes: BrowserProcesses) -> bool:
    """
    Return whether every renderer stays without a filter of system calls.

    A renderer starts without one, and one that answers has taken its filter, however long its start
    took. The limit of the launch bounds the answer.
    """
    if await asyncio.to_thread(processes.is_filtered):
        return False
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
        tr("the browser would run without its sandbox: {no_sandbox}", no_sandbox=no_sandbox),
        hint=tr(
            "run snapshotter as an ordinary user on a system that allows user namespaces, or set "
            "SNAPSHOTTER_ALLOW_NO_SANDBOX=1 to allow a browser without a sandbox; check this "
            "system:\n  snapshotter doctor"
        ),
    )


def _how() -> str:
    if os.geteuid() == 0:
        return (
            "the browser was started in a user namespace, because Chromium has no sandbox for root"
        )
    return "the browser was started as an ordinary user"


async def _start(
    chromium: BrowserType, setup: BrowserSetup, launch_mode: LaunchMode
) -> BrowserContext:
    setup.processes.begin()
    view = driver_script.browser_file_view(setup.workspace, setup.binary)
    executable = str(setup.binary.path.absolute())
    if launch_mode.namespaces != namespace.USER_AND_NET:
        browser_user = setup.workspace.profile.stat().st_uid
        port = setup.network.guard.listen_on_loopback(browser_user)
        command = (*_before(launch_mode, view), executable)
        return await _run(chromium, setup, launch_mode, command, port)
    handover = namespace.ListenerHandover(setup.workspace.temporary)
    limit = setup.decision.limits.launch_s
    coming = asyncio.create_task(asyncio.to_thread(handover.receive, limit))
    try:
        command = (*_before(launch_mode, view, handover.meeting), executable)
        context = await _run(chromium, setup, launch_mode, command, namespace.PORT)
    except BaseException:  # also a cancelled task: a thread waits for the socket
        handover.close()  # ends what still waits for it
        with contextlib.suppress(namespace.HandoverFailed):
            (await coming).close()
        raise
    try:
        setup.network.guard.listen(await coming)
    finally:
        handover.close()
    return context


def start_script(command: Sequence[str], note: Path) -> str:
    """
    Return the shell script that becomes the browser.

    Args:
        command: The browser's command, with absolute paths.
        note: Receives the process ids of browser and driver.
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
    launch_mode: LaunchMode, view: FileView, meeting: Path | None = None
) -> tuple[str, ...]:
    """Return what precedes the browser in its command."""
    if not sys.platform.startswith("linux"):
        return ()
    return namespace.namespace_command(
        launch_mode.namespaces, meeting, view if launch_mode.view else None
    )


async def _run(
    chromium: BrowserType,
    setup: BrowserSetup,
    launch_mode: LaunchMode,
    command: tuple[str, ...],
    port: int,
) -> BrowserContext:
    decision, workspace = setup.decision, setup.workspace
    script = workspace.script
    script.write_text(start_script(command, setup.processes.note))
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
        args=arguments.added_arguments(decision, port, setup.network.key_log),
        ignore_default_args=arguments.removed_arguments(decision),
        headless=True,
        handle_sigint=False,
        handle_sigterm=False,
        handle_sighup=False,
        timeout=decision.limits.launch_s * 1000,
        accept_downloads=True,  # an address may be a file; `PopupBlocker` cancels all others
        service_workers="block",
        ignore_https_errors=decision.ignore_certificate_errors,
        viewport={"width": width, "height": height},
        screen={"width": width, "height": height},
        device_scale_factor=decision.scale,
        locale=decision.locale,
        timezone_id=decision.timezone,
        user_agent=decision.user_agent or None,
        extra_http_headers={"Accept-Encoding": arguments.ACCEPT_ENCODING},
    )


def last_browser_message(message: str) -> str:
    """
    Return the last line that the browser itself wrote, from an error of Playwright; "" if none.
    """
    said = [line for line in _OUTPUT.findall(message) if line.strip()]
    return said[-1].strip()[:_WORDS] if said else ""


def _first_line_about(message: str) -> str:
    lines = [line.strip() for line in _OUTPUT.findall(message) if "sandbox" in line.lower()]
    return lines[0][:200] if lines else ""
