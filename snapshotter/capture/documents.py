"""
The documents that a page was led through, and how much of each was shown in the end.

A page may send its reader on by itself, from an article to a notice: by a refresh, or by a
script. The network record holds every document on that way. What is photographed and read is
the last one; so the text of each is compared with the text that was shown, and the record says
how much of it a reader did not get to see.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from snapshotter.capture import comparison
from snapshotter.capture.budget import deadline
from snapshotter.capture.comparison import Difference
from snapshotter.capture.recorder import MainBody, ReceivedDocument
from snapshotter.capture.target import is_page
from snapshotter.formats import content_coding
from snapshotter.model.capture import Document, Redirect

# Of a processor. Text that means harm takes 2 s a document, there may be twenty, and whoever
# waits for a capture is waiting.
_CPU_S: Final = 4.0
_RELOADS: Final = 3  # of a page by itself, in quick succession: it does not end
_QUICK: Final = timedelta(seconds=3)  # from one document to the next; a live table takes its time


@dataclass(frozen=True, slots=True)
class Compared:
    """One document, and how far its text is from the one that was shown; None: not compared."""

    document: Document
    is_final: bool
    asked_again: bool  # see `ReceivedDocument`
    difference: Difference | None

    @property
    def departure(self) -> str:
        """How the window came to show another document than this one."""
        how = (
            "the page was asked for once more after"
            if self.asked_again
            else "the page went on from"
        )
        return f"{how} {self.document.url}"


def reloads_without_end(redirects: Iterable[Redirect], *, began: datetime, goes_on: bool) -> int:
    """
    Return how often a page loaded itself anew by the end of its capture; 0 if it came to rest.

    Args:
        redirects: As the record has them.
        began: When the page was asked for.
        goes_on: Whether it was about to load itself once more at the end.
    """
    count = 0
    for it in redirects:
        is_quick, began = it.at - began < _QUICK, it.at
        is_own = it.kind == "client" and it.from_url == it.to_url
        count = count + 1 if is_own and is_quick else 0
    return count if count >= _RELOADS or goes_on else 0


def compared(
    received: Iterable[ReceivedDocument],
    shown: str,
    *,
    is_late: Callable[[], bool] | None = None,
) -> Iterator[Compared]:
    """
    Yield each document with how far it is from the text that was shown.

    Args:
        is_late: Whether to compare no more. The final document always is, before all others.

    Raises:
        OSError: A body can not be read.
    """
    documents = tuple(received)
    is_late = is_late or deadline(_CPU_S)
    differences: dict[int, Difference | None] = {}
    for number in sorted(range(len(documents)), key=lambda it: not documents[it].is_final):
        one = documents[number]
        if shown and (one.is_final or not is_late()):
            differences[number] = _difference(one, shown)
    for number, one in enumerate(documents):
        difference = differences.get(number)
        yield Compared(
            Document(
                url=one.url,
                status=one.status,
                media_type=one.body.media_type if one.body is not None else "",
                connection=one.connection,
                not_shown_percent=difference.not_shown if difference else None,
                not_received_percent=difference.not_received if difference else None,
                at=one.at,
            ),
            one.is_final,
            one.asked_again,
            difference,
        )


def _difference(one: ReceivedDocument, shown: str) -> Difference | None:
    if one.body is None or not is_page(one.body.media_type):
        return None
    data = beginning(one.body, comparison.BYTES)
    if data is None:
        return None
    charset = one.content_type.lower().partition("charset=")[2].partition(";")[0].strip(" \"'")
    return comparison.difference(data, shown, charset=charset)


def beginning(body: MainBody, most: int) -> bytes | None:
    """
    Return the first bytes of a body, its content coding undone; None where that can not be.

    A body that was cut off, or is broken further on, gives what came before.
    """
    with body.file.open("rb") as stream:
        data = stream.read(most)
    return content_coding.undone(data, body.coding, most)
