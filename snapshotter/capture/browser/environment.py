"""
Describe the system, the browser and the fonts that a page was rendered with.

Paths of this machine are replaced by words in these facts, because they can name the user.
"""

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from snapshotter.capture.browser.binary import BrowserBinary
from snapshotter.capture.browser.binary_digest import binary_sha256
from snapshotter.capture.browser.workspace import BrowserWorkspace
from snapshotter.model.capture import Environment, SandboxFacts

_FC_LIST_S = 5.0
_NEXT_ARGUMENT = re.compile(r" +(?=-|about:)")  # where an argument begins in a whole command line
_FACE = "%{family}|%{style}|%{fontversion}|%{file|basename}\n"


def describe(
    *,
    binary: BrowserBinary,
    workspace: BrowserWorkspace,
    version: str,
    browser_version: Mapping[str, str],
    arguments: tuple[str, ...],
    user_agent: str,
    sandbox: SandboxFacts,
    digests: Path | None = None,
) -> Environment:
    """
    Return the facts. Blocks for a fraction of a second if the binary has to be hashed.

    Args:
        version: Our own.
        browser_version: The answer of `Browser.getVersion`; empty when it gave none.
        arguments: The browser's command line.
        digests: As `kept` of `binary_sha256`.
    """
    return replace(
        describe_without_browser(version, environment=workspace.environment),
        browser_product=browser_version.get("product", ""),
        browser_revision=browser_version.get("revision", ""),
        browser_sha256=binary_sha256(binary.path, digests),
        browser_binary=binary.path.name,
        browser_arguments=replace_paths_in_arguments(arguments, binary=binary, workspace=workspace),
        user_agent=user_agent,
        sandbox=sandbox,
    )


def describe_without_browser(
    version: str, *, environment: Mapping[str, str] | None = None
) -> Environment:
    """
    Return the facts where no browser was started.

    Args:
        version: Our own.
        environment: What fonts are looked for with; nothing, where there is no browser.
    """
    import platform
    from importlib import metadata  # takes 15 ms, and the page is asked for first

    fonts = _fonts(environment or {})
    return Environment(
        os=_system(),
        kernel=f"{platform.system()} {platform.release()}",
        architecture=platform.machine(),
        python=platform.python_version(),
        playwright=metadata.version("playwright"),
        snapshotter=version,
        browser_product="",
        browser_revision="",
        browser_sha256="",
        browser_binary="",
        browser_arguments=(),
        user_agent="",
        fonts_sha256=hashlib.sha256("\n".join(fonts).encode()).hexdigest(),
        fonts_count=len(fonts),
        sandbox=SandboxFacts(asked=False, enforced=False, detail="no browser was started"),
    )


def replace_paths_in_arguments(
    arguments: tuple[str, ...], *, binary: BrowserBinary, workspace: BrowserWorkspace
) -> tuple[str, ...]:
    """Return a command line with this machine's paths replaced by words."""
    result = [
        replace_paths_in_text(argument, binary=binary, workspace=workspace)
        for argument in arguments
    ]
    # Chromium writes its process title over its arguments: then they come as one text, in which
    # an argument may contain spaces (--host-resolver-rules).
    return tuple(_NEXT_ARGUMENT.split(result[0].strip())) if len(result) == 1 else tuple(result)


def replace_paths_in_text(text: str, *, binary: BrowserBinary, workspace: BrowserWorkspace) -> str:
    """Return a text with this machine's paths replaced by words: a home says who captures."""
    for path, word in (
        (str(binary.path), binary.path.name),
        (str(workspace.profile), "<profile>"),
        (str(workspace.root), "<work>"),
        (str(workspace.temporary), "<temporary>"),
        (str(Path.home()), "<home>"),
    ):
        if len(path) > 1:
            text = text.replace(path, word)
    return text


@cache
def _system() -> str:
    import platform

    if sys.platform == "darwin":
        return f"macOS {platform.mac_ver()[0]}"
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return platform.system()


def _fonts(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return one line for each font face, sorted; nothing without fontconfig."""
    program = shutil.which("fc-list", path="/usr/bin:/usr/local/bin:/opt/homebrew/bin")
    if program is None:
        return ()
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command
            [program, "--format", _FACE],
            env=dict(environment),
            capture_output=True,
            timeout=_FC_LIST_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(sorted(done.stdout.decode("utf-8", "replace").splitlines()))
