"""
A browser that fails at a chosen call: every call to Playwright passes here, and one goes wrong.

The browser is a real one. What it is told, and what it answers, is as ever until the
call that was chosen; that one is *refused* (nothing was done), *lost* (it was done, and an
error comes back) or *silent* (no answer, ever).
"""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from playwright.async_api import (
    Browser,
    BrowserContext,
    BrowserType,
    CDPSession,
    Dialog,
    Download,
    Page,
    Playwright,
)
from playwright.async_api import Error as PlaywrightError
from playwright.async_api._context_manager import PlaywrightContextManager

_METHODS: tuple[tuple[type, str], ...] = (
    (PlaywrightContextManager, "start"),
    (BrowserType, "launch_persistent_context"),
    (BrowserContext, "new_page"),
    (BrowserContext, "new_cdp_session"),
    (BrowserContext, "set_offline"),
    (BrowserContext, "close"),
    (Browser, "new_browser_cdp_session"),
    (Page, "goto"),
    (Page, "close"),
    (Dialog, "dismiss"),
    (Download, "cancel"),
    (Download, "failure"),
    (CDPSession, "send"),
    (Playwright, "stop"),
)

Call = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One call that goes wrong."""

    call: str  # as `Calls.made` names it: "Page.goto", "CDPSession.send Page.enable"
    number: int = 1  # which of these calls, the first is 1
    kind: str = "refused"  # or "lost", "silent"
    lasts: bool = False  # all later ones, too
    words: str = "Protocol error: made to fail"
    error: type[Exception] = PlaywrightError

    def is_met(self, call: str, number: int) -> bool:
        return call == self.call and (
            number == self.number or (self.lasts and number > self.number)
        )


@dataclass(slots=True)
class Calls:
    """What was called, and how often a fault was met."""

    made: Counter[str] = field(default_factory=Counter)
    met: int = 0


@contextmanager
def faults(*chosen: Fault) -> Iterator[Calls]:
    """Count every call to Playwright of this process, and let the chosen ones go wrong."""
    calls = Calls()
    with _patched([*_METHODS], calls, chosen):
        yield calls


@contextmanager
def _patched(
    left: list[tuple[type, str]], calls: Calls, chosen: tuple[Fault, ...]
) -> Iterator[None]:
    if not left:
        yield
        return
    (owner, method), *rest = left
    real: Call = getattr(owner, method)

    async def call(self: object, *args: Any, **named: Any) -> Any:
        name = _name(owner, method, args)
        calls.made[name] += 1
        for fault in chosen:
            if fault.is_met(name, calls.made[name]):
                calls.met += 1
                if fault.kind == "silent":
                    await asyncio.Event().wait()
                if fault.kind == "lost":
                    await real(self, *args, **named)
                raise fault.error(fault.words)
        return await real(self, *args, **named)

    with patch.object(owner, method, call), _patched(rest, calls, chosen):
        yield


def _name(owner: type, method: str, args: tuple[Any, ...]) -> str:
    if owner is CDPSession:
        if args[0] == "Target.sendMessageToTarget":  # to a frame of another process, or a worker
            return f"a frame's {json.loads(args[1]['message'])['method']}"
        return str(args[0])
    return f"{owner.__name__.removesuffix('ContextManager')}.{method}"
