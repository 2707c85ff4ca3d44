"""Read lists of addresses to capture, with one address a line."""

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO, Final

from snapshotter.errors import SnapshotterError
from snapshotter.model.capture_url import check_url, complete_url
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.ports import ShowMessage

MAX_LIST_BYTES: Final = 8 << 20  # a hundred thousand addresses
_BOM = b"\xef\xbb\xbf"


def read_list(stream: BinaryIO) -> bytes:
    """
    Read a list of addresses.

    Raises:
        SnapshotterError: It is longer than `MAX_LIST_BYTES`.
    """
    data = stream.read(MAX_LIST_BYTES + 1)
    if len(data) > MAX_LIST_BYTES:
        raise SnapshotterError(
            tr("the list is longer than {max_list_bytes} MiB", max_list_bytes=MAX_LIST_BYTES >> 20),
            hint=tr("split it into several lists"),
        )
    return data


def numbered_urls(data: bytes) -> Iterator[tuple[int, str]]:
    """
    Yield each address of a list with the number of its line, counted from 1.

    Each line holds one address. Empty lines and lines that begin with `#` are skipped. Bytes
    that are not UTF-8 become surrogates, which `check_url` refuses for that line alone.
    """
    for number, line in enumerate(data.removeprefix(_BOM).splitlines(), start=1):
        url = line.decode("utf-8", "surrogateescape").strip()
        if url and not url.startswith("#"):
            yield number, url


def complete_urls(urls: Sequence[str], show_message: "ShowMessage") -> list[str]:
    """
    Return addresses with `https://` added where a scheme is missing.

    The name of a file in the working directory is not completed.

    Args:
        show_message: Called with a sentence for each address that was completed.
    """
    completed = []
    for text in urls:
        url = complete_url(text)
        if url != text and os.path.lexists(text):
            url = text
        if url != text:
            show_message(
                tr(
                    "{text} has no scheme, so https:// is added: {url}. For a site without "
                    "https, begin the address with http://",
                    text=text,
                    url=url,
                )
            )
        completed.append(url)
    return completed


def collect_urls(
    given: Sequence[str], data: bytes = b"", *, show_message: "ShowMessage"
) -> list[str]:
    """
    Return the addresses of arguments and of a list, each once, in their order.

    Args:
        show_message: As for `complete_urls`.

    Raises:
        SnapshotterError: An address cannot be captured; the message names its line.
    """
    found = list(map(check_url, complete_urls(given, show_message)))
    for number, text in numbered_urls(data):
        (url,) = complete_urls([text], show_message)
        try:
            found.append(check_url(url))
        except SnapshotterError as error:
            raise SnapshotterError(
                tr("line {number}: {value}", number=number, value=error.message), hint=error.hint
            ) from error
    return list(dict.fromkeys(found))


def refused_urls(urls: Sequence[str]) -> dict[int, SnapshotterError]:
    """Return why URLs cannot be captured, by the number of each."""
    refused: dict[int, SnapshotterError] = {}
    for number, url in enumerate(urls):
        try:
            check_url(url)
        except SnapshotterError as error:
            refused[number] = error
    return refused
