"""
Names to addresses, all of them, within a bounded time.

A name is resolved once for each connection, and the addresses that were vetted are
the ones that are dialled: between the two there is no second question to answer
otherwise (DNS rebinding).
"""

import asyncio
import socket
import threading
from typing import Final, Protocol

_MAX_AT_ONCE: Final = 32
_LONGEST_S: Final = 30.0  # for one question; the guard's own limit is shorter


class ResolutionFailed(Exception):
    """A name without an address."""

    def __init__(self, word: str, detail: str) -> None:
        super().__init__(detail)
        self.word = word  # stable: "dns" or "dns-timeout"
        self.detail = detail


class Resolver(Protocol):
    """
    Whoever knows names. Not trusted: each of its answers is vetted.

    Called from the guard's own loop; may be cancelled at any time.
    """

    async def resolve(self, host: str) -> tuple[str, ...]:
        """
        Return every address of a name, the preferred one first.

        Raises:
            ResolutionFailed: There is none, or nobody knew.
        """


class SystemResolver:
    """
    The machine's own resolver: getaddrinfo, in a thread for each question.

    The threads are daemons, because nothing can end a question that hangs; how many
    there may be at once is bounded.
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
            raise ResolutionFailed("dns-timeout", f"no answer for {host}") from None

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
            found = tuple(dict.fromkeys(str(it[4][0]) for it in asked))
        except (OSError, UnicodeError) as failure:
            error = ResolutionFailed("dns", f"{host}: {failure}")
        finally:
            self._places.release()

        def tell() -> None:
            if answer.done():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(found)

        try:
            loop.call_soon_threadsafe(tell)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more
