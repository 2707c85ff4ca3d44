"""A capturer without a browser: a small capture, told in advance how to go wrong."""

from collections.abc import Callable, Mapping
from pathlib import Path

from snapshotter.model.capture import Capture, Disclosure
from snapshotter.model.request import CaptureRequest, Decision
from snapshotter.ports import Clock, PictureReader, Progress
from tests import bundles


class FakeCapturer:
    """
    A `ports.Capturer` that writes real files and renders nothing.

    Args:
        hook: Called with the spool while the capture is under way, its files written.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        contents: Mapping[str, bytes] = bundles.CONTENTS,
        disclosures: tuple[Disclosure, ...] = (),
        hook: Callable[[Path], None] | None = None,
    ) -> None:
        self._clock = clock
        self._contents = contents
        self._disclosures = disclosures
        self._hook = hook
        self.prepared: list[Path] = []
        self.discarded: list[Path] = []

    def capture(
        self,
        request: CaptureRequest,
        decision: Decision,
        spool: Path,
        progress: Progress,
        *,
        free_later: bool = False,
        picture_reader: Callable[[], PictureReader] | None = None,
    ) -> Capture:
        progress("navigate", request.url)
        result = bundles.capture(
            spool,
            at=self._clock.now(),
            contents=self._contents,
            disclosures=self._disclosures,
        )
        if self._hook:
            self._hook(spool)
        if picture_reader is not None:
            picture_reader().taken(result.pictures, result.artifacts)
        progress("record", "")
        return result

    def prepare(self, decision: Decision, spool: Path) -> None:
        self.prepared.append(spool)

    def discard(self, spool: Path) -> None:
        self.discarded.append(spool)
