"""The system's resolver, as the guard uses it."""

import asyncio
import threading

import pytest

from snapshotter.egress import resolver
from snapshotter.egress.resolver import CachingResolver, ResolutionFailed, SystemResolver


def test_a_name_has_all_its_addresses_once() -> None:
    answers = asyncio.run(SystemResolver().resolve("localhost"))

    assert "127.0.0.1" in answers or "::1" in answers
    assert len(set(answers)) == len(answers)


def test_a_name_without_an_address_is_an_error() -> None:
    with pytest.raises(ResolutionFailed) as failed:
        asyncio.run(SystemResolver().resolve("a" * 64 + ".invalid"))  # no network is asked
    assert failed.value.word == "dns"


def test_who_waits_no_longer_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question that hangs is left to its thread; there is a bound on those."""
    release = threading.Event()

    def hang(host: str, *_: object, **__: object) -> list[object]:
        release.wait(20)
        return []

    monkeypatch.setattr("socket.getaddrinfo", hang)
    monkeypatch.setattr(resolver, "_MAX_AT_ONCE", 2)
    asked = SystemResolver()

    async def ask() -> None:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asked.resolve("slow.example"), 0.05)
        assert sum(thread.name == "resolver" for thread in threading.enumerate()) == 2
        release.set()
        assert await asyncio.wait_for(asked.resolve("slow.example"), 10) == ()

    asyncio.run(ask())


class Names:
    """A resolver that counts what it is asked, and answers when it is let."""

    def __init__(self, *answers: tuple[str, ...] | ResolutionFailed) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []
        self.may_answer = asyncio.Event()

    async def resolve(self, host: str) -> tuple[str, ...]:
        self.asked.append(host)
        await self.may_answer.wait()
        answer = self._answers.pop(0)
        if isinstance(answer, ResolutionFailed):
            raise answer
        return answer


class Hands:
    """A clock that is set by hand, in seconds."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def test_a_name_that_many_ask_for_at_once_is_asked_for_once() -> None:
    async def ask() -> None:
        names = Names(("192.0.2.1",))
        resolving = CachingResolver(names)
        many = [asyncio.ensure_future(resolving.resolve("a.example")) for _ in range(50)]
        await asyncio.sleep(0)
        many[0].cancel()  # one of them does not wait any more
        names.may_answer.set()
        answers = await asyncio.gather(*many, return_exceptions=True)

        assert isinstance(answers[0], asyncio.CancelledError)
        assert answers[1:] == [("192.0.2.1",)] * 49
        assert names.asked == ["a.example"]

    asyncio.run(ask())


def test_an_answer_counts_for_a_minute_and_a_failure_for_ten_seconds() -> None:
    async def ask() -> None:
        hands = Hands()
        names = Names(ResolutionFailed("dns", "none"), ("192.0.2.1",), ("192.0.2.2",))
        names.may_answer.set()
        resolving = CachingResolver(names, hands)
        for at in (0.0, 9.9):
            hands.at = at
            with pytest.raises(ResolutionFailed, match="none"):
                await resolving.resolve("a.example")
        for at, answer in ((10.0, "192.0.2.1"), (69.9, "192.0.2.1"), (70.0, "192.0.2.2")):
            hands.at = at
            assert await resolving.resolve("a.example") == (answer,)
        assert len(names.asked) == 3

    asyncio.run(ask())


def test_a_page_that_asks_for_ever_new_names_does_not_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resolver, "_MAX_NAMES", 2)

    async def ask() -> None:
        names = Names(*[("192.0.2.1",)] * 4)
        names.may_answer.set()
        resolving = CachingResolver(names)
        for host in ("a.example", "b.example", "c.example", "b.example", "a.example"):
            await resolving.resolve(host)
        assert names.asked == ["a.example", "b.example", "c.example", "a.example"]

    asyncio.run(ask())
