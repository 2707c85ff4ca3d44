"""
Measure how much of each document that the page's window received was shown in the end, and count
reloads without end.

A page may send its reader on, by a refresh or by a script, from an article to a notice. The network
record holds every document on the way, while pictures and text show the last one. So the text of
each document is compared with the text that was shown.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from snapshotter.capture.page import text_difference
from snapshotter.capture.page.file_target import is_page_media_type
from snapshotter.capture.page.text_difference import TextDifference
from snapshotter.capture.record.read_budget import cpu_deadline
from snapshotter.capture.record.recorder import MainBody, ReceivedDocument
from snapshotter.model.capture import Document, Redirect
from snapshotter.value_class import dataclass

# Of a processor. Text that means harm takes 2 s a document, there may be twenty, and whoever
# waits for a capture is waiting.
_CPU_S: Final = 4.0
_RELOADS: Final = 3  # of a page by itself, in quick succession: it does not end
_QUICK: Final = timedelta(seconds=3)  # from one document to the next; a live table takes its time


@dataclass(frozen=True, slots=True)
class DocumentComparison:
    """One document, and how far its text is from the one that was shown; None: not compared."""

    document: Document
    is_final: bool
    requested_again: bool  # see `ReceivedDocument`
    difference: TextDifference | None

    @property
    def departure(self) -> str:
        """How the window came to show another document than this one."""
        how = (
            "the page was requested again after the receipt of the document"
            if self.requested_again
            else "the page left the document"
        )
        return f"{how} {self.document.url}"


def count_endless_reloads(redirects: Iterable[Redirect], *, began: datetime, goes_on: bool) -> int:
    """
    Return how often a page reloaded itself by the end of its capture; 0 if it came to rest.

    Args:
        redirects: As the record has them.
        began: When the page was requested.
        goes_on: Whether it was about to reload itself once more at the end.
    """
    count = 0
    for redirect in redirects:
        is_quick, began = redirect.at - began < _QUICK, redirect.at
        is_own = redirect.kind == "client" and redirect.from_url == redirect.to_url
        count = count + 1 if is_own and is_quick else 0
    return count if count >= _RELOADS or goes_on else 0


def compare_documents(
    received: Iterable[ReceivedDocument],
    shown: str,
    *,
    is_late: Callable[[], bool] | None = None,
) -> Iterator[DocumentComparison]:
    """
    Yield each document with how far it is from the text that was shown.

    Args:
        is_late: Whether to stop comparing. The final document is always compared, and first.

    Raises:
        OSError: A body cannot be read.
    """
    documents = tuple(received)
    is_late = is_late or cpu_deadline(_CPU_S)
    differences: dict[int, TextDifference | None] = {}
    for number in sorted(range(len(documents)), key=lambda index: not documents[index].is_final):
        received_document = documents[number]
        if shown and (received_document.is_final or not is_late()):
            differences[number] = _difference(received_document, shown)
    for number, received_document in enumerate(documents):
        difference = differences.get(number)
        yield DocumentComparison(
            Document(
                url=received_document.url,
                status=received_document.status,
                media_type=received_document.body.media_type
                if received_document.body is not None
                else "",
                connection=received_document.connection,
                not_shown_percent=difference.not_shown if difference else None,
                not_received_percent=difference.not_received if difference else None,
                at=received_document.at,
            ),
            received_document.is_final,
            received_document.requested_again,
            difference,
        )


def _difference(received_document: ReceivedDocument, shown: str) -> TextDifference | None:
    if received_document.body is None or not is_page_media_type(received_document.body.media_type):
        return None
    data = decode_body_prefix(received_document.body, text_difference.BYTES)
    if data is None:
        return None
    charset = (
        received_document.content_type.lower()
        .partition("charset=")[2]
        .partition(";")[0]
        .strip(" \"'")
    )
    return text_difference.measure_text_difference(data, shown, charset=charset)


def decode_body_prefix(body: MainBody, most: int) -> bytes | None:
    """
    Return the first bytes of a body without its content coding; None if that cannot be undone.

    A body that was cut off, or is broken further on, gives what came before.
    """
    with body.file.open("rb") as stream:
        data = stream.read(most)
    from snapshotter.formats.http import content_coding

    return content_coding.decode_content(data, body.coding, most)
