"""
Find the Chromium browsers on this machine, and choose the one for a capture.

By default a capture uses `chromium-headless-shell`, and full Chromium or Google Chrome where that
is not found. A policy may ask for full Chromium, and policy and settings may name a path. Of each
kind, a browser that Playwright has downloaded is used only where the system has none.
"""

import os
import re
import shutil
import sys
from pathlib import Path

from snapshotter.errors import ServiceUnavailable
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

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


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserBinary:
    """A Chromium on this machine."""

    kind: str  # "shell" or "chromium"
    path: Path


def find_browser(kind: str, *, playwright_browsers: Path | None = None) -> BrowserBinary | None:
    """
    Return the browser of that kind, or None if this machine has none.

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
        raise ValueError(f'a browser must be "shell", "chromium" or a path, not "{kind}"')
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
    Return the browser for a capture, and a remark about the choice ("" for none).

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
        return found, "chromium-headless-shell is not installed; full Chromium is used instead"
    what = f"the browser {name} does not exist" if "/" in name else "no Chromium was found"
    raise ServiceUnavailable(
        what,
        hint=tr(
            "install the browser (in a source checkout, `make setup` installs it):\n  "
            "playwright install chromium"
        ),
    )


def _binary(kind: str, path: Path) -> BrowserBinary | None:
    if path.is_file() and os.access(path, os.X_OK):
        return BrowserBinary(kind=kind, path=path)
    return None


def _unwrapped(path: Path) -> Path:
    """Return the real binary behind a distribution's start script, if its place is known."""
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
