"""
Check the network record of a capture, also against what its page showed; and keep the response body
as a file if the address returned a file instead of a page.

`check_recording` adds warnings and reasons to the capture: about clocks, images that are only
placeholders, documents whose text was not shown, and reloads without end. `keep_target` writes the
response body as an artifact. Both are called once, when the record is written.
"""

from pathlib import Path

from snapshotter.capture.capture_builder import CaptureBuilder
from snapshotter.capture.page import file_target, text_difference
from snapshotter.capture.page.received_documents import DocumentComparison, compare_documents
from snapshotter.capture.record.recorder import Recording
from snapshotter.capture.spool import Spool
from snapshotter.capture.steps import first_error_line
from snapshotter.errors import SnapshotterError
from snapshotter.model.request import Decision

_REDIRECTS = frozenset({301, 302, 303, 307, 308})  # of which a browser shows no body


def check_recording(
    builder: CaptureBuilder, recording: Recording, decision: Decision, *, expects_reload: bool
) -> None:
    """
    Add to the builder what the record of the network says about what was shown.

    Args:
        expects_reload: Whether the page was about to load itself once more at the end.
    """
    builder.check_clocks(recording.response, decision.clock_skew_s)
    if hashes := frozenset(decision.media.placeholder_hashes):
        found = {url for url, digest in recording.picture_digests if digest in hashes}
        concealer = recording.concealer
        builder.mark_placeholders(found, concealer.conceal_text if concealer else str)
    _compare_texts(builder, recording, decision.divergence_percent)
    builder.check_reloads(recording.redirects, announced=expects_reload)


def keep_target(
    builder: CaptureBuilder, recording: Recording, spool: Spool, *, saved: Path, most: int
) -> None:
    """
    Keep the body of an address that is no page as a file of its own, and remove temporary files.

    Args:
        saved: Where the browser saved it, if it did.
        most: Bytes that it may have.
    """
    is_file, body = saved.exists() or builder.is_answered, recording.main_body
    response = recording.response
    is_redirect = response is not None and response.status in _REDIRECTS
    try:
        if (
            body is not None
            and not is_redirect
            and (is_file or not file_target.is_page_media_type(body.media_type))
        ):
            file_target.save_body(body, spool, most=most)
            builder.is_answered = True
    except (OSError, SnapshotterError) as error:
        builder.add_reason("target-failed", first_error_line(error))
    finally:
        saved.unlink(missing_ok=True)
        if body is not None:
            body.file.unlink(missing_ok=True)


def _compare_texts(builder: CaptureBuilder, recording: Recording, bound_percent: float) -> None:
    """Warn where the text that was shown differs from the text of the received documents."""
    try:
        compared = tuple(compare_documents(recording.documents, builder.text))
    except OSError as error:
        builder.log("comparison", f"the action had no effect: {first_error_line(error)}")
        return
    finally:
        for received_document in recording.documents:
            if received_document.body is not None and not received_document.is_final:
                received_document.body.file.unlink(missing_ok=True)
    builder.documents = tuple(document.document for document in compared)
    for document in compared:
        if warning := _divergence(document, bound_percent):
            builder.warn("raw-rendered-divergence", warning)


def _divergence(document: DocumentComparison, bound_percent: float) -> str:
    """Return how far a document's text is from the text that was shown; "" within the bound."""
    difference = document.difference
    if difference is None:
        return ""
    if document.is_final:
        if max(difference.not_shown, difference.not_received) <= bound_percent:
            return ""
        return (
            f"{difference.not_shown} % of the words of the received document were not shown, and "
            f"{difference.not_received} % of the shown words were not in the received document"
        )
    # A document of few words is a step on the way, and not what somebody came for.
    if difference.received_words < text_difference.WORDS or difference.not_shown <= bound_percent:
        return ""
    return (
        f"{document.departure}; the final text of the page does not contain "
        f"{difference.not_shown} % of the words of this document"
    )
