"""Files that are taken while a page is observed count only if they show it as it has settled."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from snapshotter.capture.browser.call_guard import CallTimeout, PageLost
from snapshotter.capture.capture_builder import CaptureBuilder
from snapshotter.capture.early_take import EarlyTake
from snapshotter.capture.page.main_document import MainDocument
from snapshotter.capture.spool import Spool
from snapshotter.capture.steps import StepBody, StepEnd
from snapshotter.model.capture import StepState
from snapshotter.model.request import Limits
from tests.fakes.world import FixedClock


@dataclass
class Page:
    """A page whose files are a few letters, and the take of them."""

    clock: FixedClock
    spool: Spool
    builder: CaptureBuilder
    document: MainDocument
    take: EarlyTake
    calls: list[str]
    guard: SimpleNamespace

    @property
    def steps(self) -> list[tuple[str, StepState]]:
        return [(step.name, step.state) for step in self.builder._steps]

    @property
    def files(self) -> list[str]:
        return [artifact.path for artifact in self.spool.artifacts]


@pytest.fixture
def page(tmp_path: Path, clock: FixedClock) -> Page:
    return taken(tmp_path, clock, lambda: None)


def taken(
    tmp_path: Path,
    clock: FixedClock,
    happens: Callable[[], object],
    frames: tuple[dict[str, bool] | None, ...] = ({"still": True},),
    use: Callable[[], object] = lambda: None,
) -> Page:
    """
    Return a page with these answers of frames.

    Args:
        happens: Called while the screenshot is taken.
        use: Called when all files are taken.
    """
    spool, document, calls = Spool(tmp_path, clock), MainDocument(count=1), list[str]()
    builder = CaptureBuilder(requested_url="https://a.com/", clock=clock, progress=lambda *_: None)
    spool.write("capture/before-expand.png", "image/png", b"x", step="expand")

    async def adopt_closed_roots(limit_s: float) -> tuple[str, ...]:
        calls.append("adopt")
        return ()

    async def revive() -> None:
        calls.append("revive")

    async def use_time(is_observed: bool) -> None:
        calls.append("taken" if is_observed else "taken at the end")
        use()

    async def ask_all(name: str, *args: object, **limits: float) -> list[object]:
        calls.append(name)
        return [SimpleNamespace(value=frame) for frame in frames]

    def write(path: str, step: str, end: StepEnd | str | None) -> StepBody:
        async def body() -> StepEnd | str | None:
            calls.append(step)
            if step == "screenshot":
                happens()
                builder.add_reason("page-truncated", "in this take")
            spool.write(f"capture/{path}", "text/plain", b"x", step=step)
            return end

        return body

    cut = StepEnd(StepState.PARTIAL, "cut")
    guard = SimpleNamespace(lost=None)
    context: Any = SimpleNamespace(
        clock=clock,
        guard=guard,
        spool=spool,
        builder=builder,
        document=document,
        decision=SimpleNamespace(limits=Limits()),
        worlds=SimpleNamespace(adopt_closed_roots=adopt_closed_roots, ask_all=ask_all),
    )
    take = EarlyTake(
        context,
        lambda: (
            write("viewport.png", "viewport", None),
            [
                ("screenshot", write("screenshot.png", "screenshot", cut)),
                ("text", write("page.txt", "text", "characters: 5")),
            ],
        ),
        revive,
        use_time,
    )
    return Page(clock, spool, builder, document, take, calls, guard)


def test_files_of_a_page_that_did_not_change_are_used_with_their_steps(page: Page) -> None:
    async def settle() -> bool:
        page.take.begin(is_observed=True)
        assert page.take.is_begun
        await page.take.hold()
        page.clock.sleep(0.5)
        await page.take.confirm(is_still=True, changed_at=0.0)
        return await page.take.use()

    assert asyncio.run(settle())
    assert not page.take.is_begun
    assert page.calls == ["adopt", "holdStill", "viewport", "screenshot", "text", "taken"]
    assert page.steps == [
        ("viewport", StepState.OK), ("screenshot", StepState.PARTIAL), ("text", StepState.OK),
    ]  # fmt: skip
    assert page.files[1:] == ["capture/viewport.png", "capture/screenshot.png", "capture/page.txt"]
    asyncio.run(page.take.discard())  # as at the end of each capture
    assert len(page.files) == 4


def test_a_failure_of_what_is_prepared_meanwhile_costs_no_file(
    tmp_path: Path, clock: FixedClock
) -> None:
    def fail() -> None:
        raise ValueError("no rules")

    page = taken(tmp_path, clock, lambda: None, use=fail)

    async def settle() -> bool:
        page.take.begin(is_observed=True)
        await page.take.confirm(is_still=True, changed_at=0.0)
        return await page.take.use()

    assert asyncio.run(settle())
    assert len(page.files) == 4
    assert "no rules" in page.builder._log[-1]["detail"]


def later(page: Page) -> None:
    page.clock.sleep(5.0)


def elsewhere(page: Page) -> None:
    page.document.count += 1


@pytest.mark.parametrize(
    ("is_still", "changed_s", "then"),
    [
        (False, -1.0, None),  # a frame says that something changed
        (True, 0.2, None),  # painted, or requested, after the begin
        (True, -1.0, later),
        (True, -1.0, elsewhere),
    ],
)
def test_files_of_a_page_that_changed_are_removed_with_their_reasons_and_no_step_is_recorded(
    is_still: bool, changed_s: float, then: Callable[[Page], None] | None, page: Page
) -> None:
    page.builder.add_reason("scroll-limited", "before")

    async def settle() -> bool:
        begin = page.clock.monotonic()
        page.take.begin(is_observed=True)
        await page.take.hold()
        await page.take.confirm(is_still=is_still, changed_at=begin + changed_s)
        if then is not None:
            then(page)
        return await page.take.use()

    assert not asyncio.run(settle())
    assert (page.steps, page.files) == ([], ["capture/before-expand.png"])
    assert [reason.code for reason in page.builder._reasons] == ["scroll-limited"]


def test_a_file_that_cannot_be_had_leaves_everything_to_the_steps_that_follow(
    tmp_path: Path, clock: FixedClock
) -> None:
    def fail() -> None:
        raise CallTimeout("a screenshot took longer than 10 s")

    page = taken(tmp_path, clock, fail)

    async def settle() -> bool:
        page.take.begin(is_observed=True)
        await page.take.confirm(is_still=True, changed_at=0.0)
        return await page.take.use()

    assert not asyncio.run(settle())
    assert (page.steps, page.files) == ([], ["capture/before-expand.png"])
    assert page.builder._reasons == []
    assert page.calls[-1] == "revive"
    assert "taken" not in page.calls
    assert "a screenshot took longer" in page.builder._log[-1]["detail"]


@pytest.mark.parametrize("is_settled", [True, False])
def test_a_page_that_is_lost_meanwhile_keeps_what_was_finished_if_it_had_settled(
    is_settled: bool, tmp_path: Path, clock: FixedClock
) -> None:
    def crash() -> None:
        lost_page.guard.lost = PageLost("crashed", "the page crashed")
        raise lost_page.guard.lost

    lost_page = page = taken(tmp_path, clock, crash)

    async def settle() -> bool:
        page.take.begin(is_observed=True)
        await page.take.confirm(is_still=is_settled, changed_at=0.0)
        try:
            return await page.take.use()
        finally:
            await page.take.discard()

    if is_settled:
        with pytest.raises(PageLost, match="the page crashed"):
            asyncio.run(settle())
        assert "capture/viewport.png" in page.files
        assert page.steps[:2] == [("viewport", StepState.OK), ("screenshot", StepState.FAILED)]
    else:
        assert not asyncio.run(settle())
        assert (page.steps, page.files) == ([], ["capture/before-expand.png"])
    assert [reason.code for reason in page.builder._reasons] == ["crashed"]


@pytest.mark.parametrize("other", [{"still": False}, None])
def test_a_frame_that_does_not_answer_or_leaves_content_out_is_not_photographed_early(
    other: dict[str, bool] | None, tmp_path: Path, clock: FixedClock
) -> None:
    page = taken(tmp_path, clock, lambda: None, ({"still": True}, other))

    async def settle() -> bool:
        page.take.begin(is_observed=True)
        await page.take.hold()
        await page.take.confirm(is_still=True, changed_at=0.0)
        return await page.take.use()

    assert not asyncio.run(settle())
    assert page.calls == ["adopt", "holdStill"]


def test_a_page_that_was_never_observed_has_no_early_files(page: Page) -> None:
    async def settle() -> bool:
        await page.take.discard()
        await page.take.hold()
        await page.take.confirm(is_still=True, changed_at=0.0)
        return await page.take.use()

    assert not asyncio.run(settle())
    assert page.calls == []
