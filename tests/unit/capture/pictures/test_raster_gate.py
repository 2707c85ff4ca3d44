"""The gate lets so many in, in order, whatever becomes of those who wait."""

import asyncio
import threading

import pytest

from snapshotter.capture.pictures.raster_gate import RasterGate, usable_core_count


async def _until(condition: asyncio.Event) -> None:
    await asyncio.wait_for(condition.wait(), 5)


def test_who_asks_first_comes_first_and_no_more_than_fit() -> None:
    async def main() -> list[str]:
        gate, order, inside = RasterGate(2), [], 0

        async def work(name: str) -> None:
            nonlocal inside
            async with gate.slot():
                inside += 1
                assert inside <= 2
                order.append(name)
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                inside -= 1

        await asyncio.wait_for(asyncio.gather(*[work(name) for name in "abcdefg"]), 5)
        return order

    assert asyncio.run(main()) == list("abcdefg")


def test_one_that_gives_up_waiting_holds_up_nobody() -> None:
    async def main() -> bool:
        gate, entered = RasterGate(1), asyncio.Event()

        async def work() -> None:
            async with gate.slot():
                entered.set()

        async with gate.slot():
            first, second = asyncio.create_task(work()), asyncio.create_task(work())
            await asyncio.sleep(0)
            first.cancel()
            await asyncio.sleep(0)
        await _until(entered)
        await second
        return first.cancelled()

    assert asyncio.run(main())


def test_one_that_gives_up_just_as_its_turn_comes_passes_it_on() -> None:
    async def main() -> None:
        for pauses in range(4):  # around the moment at which the news arrives
            gate, entered = RasterGate(1), asyncio.Event()

            async def wait(gate: RasterGate = gate) -> None:
                async with gate.slot():
                    await asyncio.sleep(30)

            async def work(gate: RasterGate = gate, entered: asyncio.Event = entered) -> None:
                async with gate.slot():
                    entered.set()

            async with gate.slot():
                first = asyncio.create_task(wait())
                await asyncio.sleep(0)
                second = asyncio.create_task(work())
                await asyncio.sleep(0)
            for _ in range(pauses):
                await asyncio.sleep(0)
            first.cancel()
            await _until(entered)
            await second

    asyncio.run(main())


def test_threads_with_loops_of_their_own_share_it() -> None:
    gate = RasterGate(1)
    inside: list[int] = []
    most: list[int] = []

    async def work() -> None:
        for _ in range(20):
            async with gate.slot():
                inside.append(1)
                most.append(len(inside))
                await asyncio.sleep(0)
                inside.pop()

    threads = [threading.Thread(target=lambda: asyncio.run(work())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert len(most) == 80
    assert set(most) == {1}


def test_a_loop_that_was_closed_does_not_keep_a_turn() -> None:
    gate = RasterGate(1)

    async def hold() -> None:
        gone = asyncio.new_event_loop()
        async with gate.slot():
            turn: asyncio.Future[None] = gone.create_future()
            gate._waiting.append((gone, turn))
            gone.close()
        async with asyncio.timeout(5), gate.slot():
            return

    asyncio.run(hold())


def test_a_gate_without_slots_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one slot"):
        RasterGate(0)
    assert usable_core_count() >= 1
