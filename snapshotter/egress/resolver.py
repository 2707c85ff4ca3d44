"""
Resolve names to all their addresses within a limited time, and cache the results for a short time.

The addresses that were checked are the ones that are dialled: there is no second query between
the two that could be answered otherwise (DNS rebinding). For a page with a hundred files of one
host the name is resolved once: a name server that gets too many queries drops some, and each
dropped one costs seconds.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

_MAX_AT_ONCE: Final = (
    128  # queries that hang keep their threads; other names must not wait for these
)
_LONGEST_S: Final = 30.0  # for one question; the guard's own limit is shorter
_ANSWER_S: Final = 60.0  # an answer counts so long, as in a browser
_FAILURE_S: Final = 10.0  # and that there is none so long: the page may try again
_MAX_NAMES: Final = 4096


class ResolutionFailed(Exception):
    """A name could not be resolved."""

    def __init__(self, word: str, detail: str) -> None:
        super().__init__(detail)
        self.word = word  # stable: "dns" or "dns-timeout"
        self.detail = detail


class Resolver(Protocol):
    """
    A resolver of names. Not trusted: each of its addresses is checked.

    Called from the guard's own loop; may be cancelled at any time.
    """

    async def resolve(self, host: str) -> tuple[str, ...]:
        """
        Return every address of a name, the preferred one first.

        Raises:
            ResolutionFailed: The name has no address, or no server answered.
        """


class SystemResolver:
    """
    The machine's own resolver: getaddrinfo, in a thread for each query.

    The threads are daemons, because a query that hangs cannot be ended; their number is
    bounded.
    """

    def __init__(self) -> None:
        self._places = threading.BoundedSemaphore(_MAX_AT_ONCE)

    async def resolve(self, host: str) -> tuple[str, ...]:
        """Return every address that the system has for a name."""
        while not self._places.acquire(blocking=False):
            await asyncio.sleep(0.01)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[tuple[str, ...]] = loop.create_future()
        thread = threading.Thread(
            target=self._ask, args=(host, loop, answer), name="resolver", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:
            self._places.release()
            raise ResolutionFailed("dns", f"{host}: {error}") from error
        try:
            return await asyncio.wait_for(answer, _LONGEST_S)
        except TimeoutError:
            raise ResolutionFailed(
                "dns-timeout", f"the DNS resolver did not answer for the name {host}"
            ) from None

    def _ask(
        self,
        host: str,
        loop: asyncio.AbstractEventLoop,
        answer: "asyncio.Future[tuple[str, ...]]",
    ) -> None:
        found: tuple[str, ...] = ()
        error: ResolutionFailed | None = None
        try:
            asked = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            found = tuple(dict.fromkeys(str(info[4][0]) for info in asked))
        except (OSError, UnicodeError) as failure:
            error = ResolutionFailed("dns", f"{host}: {failure}")
        finally:
            self._places.release()

        def set_result() -> None:
            if answer.done():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(found)

        try:
            loop.call_soon_threadsafe(set_result)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more


class CachingResolver:
    """
    Caches another resolver's results for a short time.

    Callers that ask for a name while its query runs share the result; one that stops waiting
    does not end it for the others. Used within one event loop.
    """

    def __init__(self, resolver: Resolver, clock: Callable[[], float] = time.monotonic) -> None:
        self._resolver = resolver
        self._clock = clock
        self._asked: dict[str, asyncio.Task[tuple[str, ...]]] = {}
        self._until: dict[str, float] = {}  # of what was answered; an open question has none

    async def resolve(self, host: str) -> tuple[str, ...]:
        """Return the addresses of a name, from the cache if they are recent."""
        if self._clock() >= self._until.get(host, float("inf")):
            self._forget(host)
        question = self._asked.get(host)
        if question is None:
            if len(self._asked) >= _MAX_NAMES:
                self._forget(next(iter(self._asked)))
            question = asyncio.ensure_future(self._resolver.resolve(host))
            self._asked[host] = question
            question.add_done_callback(lambda done: self._answered(host, done))
        return await asyncio.shield(question)

    def _answered(self, host: str, question: "asyncio.Task[tuple[str, ...]]") -> None:
        if self._asked.get(host) is not question:
            return
        if question.cancelled():
            self._forget(host)
        else:
            kept_s = _ANSWER_S if question.exception() is None else _FAILURE_S
            self._until[host] = self._clock() + kept_s

    def _forget(self, host: str) -> None:
        self._asked.pop(host, None)
        self._until.pop(host, None)
