"""
Take the steps of a capture: record the end of each as a `Step`, and turn errors into reasons.

After a failed step the next one is tried, unless the page itself is gone.
docs/reference/outcomes.md documents the codes of reasons.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

from playwright.async_api import Error as PlaywrightError

from snapshotter.capture.browser.call_guard import CallTimeout, CaptureTimeout, PageLost
from snapshotter.capture.browser.cdp_sessions import ProtocolError
from snapshotter.capture.browser.isolated_worlds import FrameGone, ScriptError
from snapshotter.capture.capture_builder import CaptureBuilder
from snapshotter.capture.page.main_document import MainDocument
from snapshotter.capture.redaction.redactor import clean_text
from snapshotter.errors import SnapshotterError
from snapshotter.model.capture import StepState
from snapshotter.value_class import dataclass

_MOVED = ("context was destroyed", "Not attached to an active page", "frame was detached")


@dataclass(frozen=True, slots=True)
class StepEnd:
    """How a step ended, if it did not simply succeed."""

    state: StepState
    detail: str


StepBody = Callable[[], Awaitable[StepEnd | str | None]]


class Steps:
    """
    Takes the steps of one page and records how each ended.

    Args:
        revive: Makes the page answer again after a call that took too long.
    """

    def __init__(
        self,
        builder: CaptureBuilder,
        document: MainDocument,
        revive: Callable[[], Awaitable[None]],
    ) -> None:
        self._builder = builder
        self._document = document
        self._revive = revive
        self.moved = False  # a step failed because the page went to another document

    async def take(self, name: str, body: StepBody, documents: int | None = None) -> bool:
        """
        Do one step and record how it ended.

        Args:
            documents: For a step that is tried again when the page navigates: how many
                documents there were before it.

        Returns:
            Whether the step succeeded, wholly or in part.

        Raises:
            PageLost, CaptureTimeout: No other step makes sense.
        """
        builder = self._builder
        builder.begin_step(name)
        try:
            end = await body()
        except (PageLost, CaptureTimeout) as error:
            code, detail = reason_for_error(name, error)
            self._builder.add_reason(code, detail)
            builder.end_step(StepState.FAILED, detail, name=name)
            raise
        except Exception as error:  # noqa: BLE001 - a step that fails is a fact about the capture
            detail = first_error_line(error)
            if documents is not None and (
                self._document.count != documents
                or isinstance(error, FrameGone)
                or any(words in str(error) for words in _MOVED)
            ):
                self.moved = True
                builder.end_step(
                    StepState.PARTIAL,
                    "the page navigated to another document during this step",
                    name=name,
                )
                return False
            builder.end_step(StepState.FAILED, detail, name=name)
            self._builder.add_reason(*reason_for_error(name, error))
            if isinstance(error, CallTimeout):
                await self._revive()
            return False
        if isinstance(end, StepEnd):
            builder.end_step(end.state, end.detail, name=name)
            return end.state is not StepState.FAILED
        builder.end_step(StepState.OK, end or "", name=name)
        return True

    async def beside(self, steps: list[tuple[str, StepBody]]) -> None:
        """
        Do steps that change nothing at the same time: they wait for different processes.

        Raises:
            PageLost, CaptureTimeout: The first of a step, when all have ended.
        """
        ended = await asyncio.gather(
            *(self.take(name, body) for name, body in steps), return_exceptions=True
        )
        for error in ended:
            if isinstance(error, BaseException):
                raise error


def reason_for_error(step: str, error: Exception) -> tuple[str, str]:
    """Return code and detail of the error that ended a step."""
    if isinstance(error, PageLost):
        return error.code, error.detail
    if isinstance(error, CaptureTimeout):
        return "capture-timeout", "the time limit of the whole capture was reached"
    if isinstance(error, CallTimeout):
        return f"{step}-timeout", str(error)
    return f"{step}-failed", first_error_line(error)


def first_error_line(error: BaseException) -> str:
    """
    Return the first line of an error's message; with its type if it is no error of ours.

    Secrets are removed, and so is the home directory, which names the capturing person.
    """
    message = clean_text(replace_home_path(str(error)))[:200].partition("\n")[0]
    if isinstance(
        error, PlaywrightError | ProtocolError | SnapshotterError | CallTimeout | ScriptError
    ):
        return message
    return f"{type(error).__name__}: {message}"


def replace_home_path(text: str) -> str:
    """Return a text without the path of the user's home; addresses stay as they are."""
    home = str(Path.home())
    if len(home) == 1:
        return text
    return re.sub(rf"(?<![\w./:-]){re.escape(home)}(?![\w.-])", "<home>", text)
