"""
Where other people's tools are: the readers and verifiers that the interop tests call.

A machine without one skips the test and says why; under SNAPSHOTTER_REQUIRE_TOOLS=1
(CI) tests/conftest.py turns that skip into a failure.
"""

import os
import shutil
from pathlib import Path

import pytest

from snapshotter.capture.browser.binary import find_browser

ROOT = Path(__file__).resolve().parent.parent
_NPM = ROOT / ".tools" / "node_modules"


def tools_are_required() -> bool:
    """Whether a missing tool is a failure."""
    return os.environ.get("SNAPSHOTTER_REQUIRE_TOOLS", "") not in ("", "0")


def python_tool(name: str) -> str:
    """Return the path of a command of .venv-tools (`wacz`, `wayback`, `warcio`, …), or skip."""
    path = ROOT / ".venv-tools" / "bin" / name
    if not path.is_file():
        pytest.skip(f"{name} is not installed: make setup-test")
    return str(path)


def any_chromium() -> str:
    """Return the path of a browser that the product would take, or skip."""
    found = find_browser("shell") or find_browser("chromium")
    if found is None:
        pytest.skip("no Chromium is installed: make setup")
    return str(found.path)


def npm_modules() -> str:
    """Return the folder that holds `@webrecorder/wabac`, for NODE_PATH; skip without it or node."""
    system_tool("node")
    npm_file("@webrecorder/wabac/package.json")
    return str(_NPM)


def npm_file(path: str) -> Path:
    """Return a file of an npm package (`axe-core/axe.min.js`), or skip."""
    if not (_NPM / path).is_file():
        pytest.skip(f"{path} is not installed: make setup-test")
    return _NPM / path


def system_tool(name: str) -> str:
    """Return the path of a command on PATH (`openssl`, `b3sum`, `sha256sum`, …), or skip."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed: make setup-test, or your package manager")
    return path
