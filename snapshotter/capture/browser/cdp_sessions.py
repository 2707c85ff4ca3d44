"""
Open Chrome DevTools Protocol sessions to one page and to its frames, workers and other targets.

Frames in other processes, workers and shared workers have network events of their own. They are
attached when they start and wait until we listen, so that their first request is seen too. Their
messages come through the session of their parent: Playwright's CDPSession serves one target only,
so we ask Chromium to wrap messages in messages (`flatten: false`).
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from playwright.async_api import CDPSession
from playwright.async_api import Error as PlaywrightError

from snapshotter.capture.browser.event_handlers import with_known_signature

Params = dict[str, Any]
# Called with the session, the method and its parameters, in the order received.
Listener = Callable[["CdpSession", str, Params], None]


class ProtocolError(Exception):
    """The browser refused a command, or is gone."""


class CdpSession(Protocol):
    """A session of the debugging protocol with one target."""

    async def send(self, method: str, params: Params | None = None) -> Params:
        """
        Send a command and return its result. It may never return: limit it.

        Raises:
            ProtocolError: The browser refused it or is gone.
        """


class DirectCdpSession:
    """A session with a target that Playwright attached."""

    def __init__(self, cdp: CDPSession) -> None:
        self._cdp = cdp

    async def send(self, method: str, params: Params | None = None) -> Params:
        """See `CdpSession.send`."""
        try:
            result = await self._cdp.send(method, params or {})
        except PlaywrightError as error:
            raise ProtocolError(error.message) from error
        return dict(result or {})


class TunnelledCdpSession:
    """A session with a target below another one, whose messages its parent carries."""

    def __init__(
        self, parent: CdpSession, session_id: str, listener: Listener, kind: str = ""
    ) -> None:
        self._parent = parent
        self.kind = kind  # of target, in the protocol's words: "iframe", "worker"
        self._session_id = session_id
        self._listener = listener
        self._next = 0
        self._waiting: dict[int, asyncio.Future[Params]] = {}

    async def send(self, method: str, params: Params | None = None) -> Params:
        """See `CdpSession.send`."""
        self._next += 1
        number = self._next
        answer: asyncio.Future[Params] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        message = json.dumps({"id": number, "method": method, "params": params or {}})
        try:
            await self._parent.send(
                "Target.sendMessageToTarget", {"sessionId": self._session_id, "message": message}
            )
            return await answer
        finally:
            del self._waiting[number]
            # The parent's end may have been reported first; this one's does not matter then.
            if answer.done() and not answer.cancelled():
                answer.exception()

    def receive(self, text: str) -> None:
        """Handle a message from this target."""
        message = json.loads(text)
        waiting = self._waiting.get(message.get("id", 0))
        if waiting is not None and not waiting.done():
            if "error" in message:
                waiting.set_exception(ProtocolError(str(message["error"].get("message"))))
            else:
                waiting.set_result(message.get("result", {}))
        elif "method" in message:
            self._listener(self, message["method"], message.get("params", {}))

    @property
    def parent(self) -> CdpSession:
        """The session through which this one is reached."""
        return self._parent

    def close(self) -> None:
        """Fail all pending commands: the target is gone."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ProtocolError("the target is gone"))


class CdpTargets:
    """
    Attaches the targets below a session, and those below them.

    Args:
        listener: Receives the events of every session, except those about targets.
        begin: Sets up a new session; the target waits until it returns.
        spawn: Runs a coroutine in the background and keeps a reference to it.
        gone: Called with every session that has ended.
    """

    def __init__(
        self,
        *,
        listener: Listener,
        begin: Callable[[CdpSession], Awaitable[None]],
        spawn: Callable[[Awaitable[None]], object],
        gone: Callable[[CdpSession], None],
    ) -> None:
        self._listener = listener
        self._begin = begin
        self._spawn = spawn
        self._gone = gone
        self._children: dict[str, TunnelledCdpSession] = {}

    def listen(self, cdp: CDPSession, events: tuple[str, ...]) -> DirectCdpSession:
        """Wrap a CDP session of Playwright and pass its events on."""
        session = DirectCdpSession(cdp)
        for event in (*events, *_TARGET_EVENTS):
            cdp.on(event, self._handler(session, event))
        return session

    async def follow(
        self, session: CdpSession, kinds: tuple[str, ...] = (), *, wait: bool = True
    ) -> None:
        """
        Attach the children of a session from now on, only those of these kinds if any is named.

        Args:
            wait: New targets wait until `begin` has returned.
        """
        params: Params = {"autoAttach": True, "waitForDebuggerOnStart": wait, "flatten": False}
        if kinds:
            params["filter"] = [{"type": kind, "exclude": False} for kind in kinds]
        await session.send("Target.setAutoAttach", params)

    def of_kinds(self, *kinds: str) -> tuple["TunnelledCdpSession", ...]:
        """Return the sessions of all targets of these types."""
        return tuple(session for session in self._children.values() if session.kind in kinds)

    def forget(self, session: CdpSession) -> None:
        """End a session and those below it, whose end the browser does not report."""
        for number, child in tuple(self._children.items()):
            if child.parent is session and self._children.pop(number, None) is not None:
                self.forget(child)
        if isinstance(session, TunnelledCdpSession):
            session.close()
        self._gone(session)

    def _handler(self, session: CdpSession, event: str) -> Callable[[Params], None]:
        return with_known_signature(lambda params: self._receive(session, event, params))

    def _receive(self, session: CdpSession, method: str, params: Params) -> None:
        if method == "Target.attachedToTarget":
            kind = str(params.get("targetInfo", {}).get("type", ""))
            child = TunnelledCdpSession(session, params["sessionId"], self._receive, kind)
            self._children[params["sessionId"]] = child
            self._spawn(self._start(child))
        elif method == "Target.receivedMessageFromTarget":
            if (known := self._children.get(params["sessionId"])) is not None:
                known.receive(params["message"])
        elif method == "Target.detachedFromTarget":
            if (gone := self._children.pop(params["sessionId"], None)) is not None:
                self.forget(gone)
        else:
            self._listener(session, method, params)

    async def _start(self, child: TunnelledCdpSession) -> None:
        try:
            await self._begin(child)
        finally:
            # After any error: a frame that is not resumed would hang the page.
            await child.send("Runtime.runIfWaitingForDebugger")


_TARGET_EVENTS = (
    "Target.attachedToTarget",
    "Target.detachedFromTarget",
    "Target.receivedMessageFromTarget",
)
