"""The system's resolver, as the guard uses it."""

import asyncio
import threading

import pytest

from snapshotter.egress import resolver
from snapshotter.egress.resolver import ResolutionFailed, SystemResolver


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
        assert sum(it.name == "resolver" for it in threading.enumerate()) == 2
        release.set()
        assert await asyncio.wait_for(asked.resolve("slow.example"), 10) == ()

    asyncio.run(ask())
