"""
Implement `ports.Capturer` without a browser, for a page that was given up: the capture has an
outcome and a reason, and no page.

A page that ends its browser and its worker at each attempt is not rendered again. The bundle then
states that, with the circumstances.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from snapshotter.capture.browser import environment
from snapshotter.capture.capture_builder import CaptureBuilder
from snapshotter.capture.record import archive_writer
from snapshotter.capture.record.recorder import Recording
from snapshotter.capture.redaction.concealer import Concealer, conceal
from snapshotter.capture.redaction.redactor import REQUESTED_URL, Redactor
from snapshotter.capture.spool import Spool
from snapshotter.model.capture import Capture, RequestCounts
from snapshotter.model.capturer_identity import CapturerIdentifier
from snapshotter.model.request import CaptureRequest, Decision
from snapshotter.ports import Clock, IdSource, PictureReader, Progress

GIVEN_UP = "given-up"  # docs/reference/outcomes.md


class UnrenderedCapturer:
    """
    `ports.Capturer` that renders nothing.

    Args:
        version: Ours, for the record.
        why: The reason, a sentence.
        own: Identifiers of the capturing person, which an address may hold.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        ids: IdSource,
        version: str,
        why: str,
        own: Sequence[CapturerIdentifier] = (),
    ) -> None:
        self._clock = clock
        self._ids = ids
        self._version = version
        self._why = why
        self._own = tuple(own)

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
        """Return a capture that failed for the given reason."""
        builder = CaptureBuilder(requested_url=request.url, clock=self._clock, progress=progress)
        builder.add_reason(GIVEN_UP, self._why)
        files = Spool(spool, self._clock)
        redactor = Redactor(
            names=decision.redact_headers, ids=self._ids, discloses=decision.redact.mode != "drop"
        )
        if request.original:
            redactor.replace(REQUESTED_URL, "original", request.original)
        concealer = Concealer.of(redactor, decision.redact, self._own)
        concealer.learn(request.url.encode("utf-8", "surrogatepass"))
        archive_writer.write(
            (),
            files=files,
            clock=self._clock,
            ids=self._ids,
            redactor=redactor,
            concealer=concealer,
            software=f"snapshotter/{self._version}",
            page=archive_writer.PageLine(
                url=redactor.clean_url(request.url), title="", text="", at=None
            ),
        )
        nothing = Recording(
            redirects=(),
            response=None,
            counts=RequestCounts(),
            failed=(),
            main_body_recorded=False,
            main_body_cut=False,
            redactions=redactor.redactions(),
            disclosures=redactor.disclosures(),
            missing_parts=(),
            artifacts=(),
        )
        made = builder.compose(
            nothing,
            environment.describe_without_browser(self._version),
            files,
            salt=self._ids.random_bytes(16),
        )
        return conceal(made, concealer)

    def prepare(self, decision: Decision, spool: Path) -> None:
        """Do nothing: there is no browser."""

    def discard(self, spool: Path) -> None:
        """Do nothing: there is no browser."""
