"""Build what prints our own HTML documents to PDF: the browser that captures, without a network."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from snapshotter.app import machine
from snapshotter.app.settings import Settings

if TYPE_CHECKING:
    from snapshotter.app.takedown.proof_pack import PrintPdf


def printer(settings: Settings, *, paper: str = "") -> "PrintPdf":
    """
    Return a function that prints a document.

    Args:
        paper: "A4" or "Letter"; "": that of the document's style.
    """

    def printed(html: str, beside: Path, at: datetime) -> bytes:
        from snapshotter.capture.browser.html_to_pdf import print_pdf

        return print_pdf(
            html,
            beside,
            at=at,
            clock=machine.SystemClock(),
            executable=settings.browser_path,
            allow_no_sandbox=settings.allow_no_sandbox,
            paper=paper,
        )

    return printed
