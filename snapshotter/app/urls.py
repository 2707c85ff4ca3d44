"""
Which URLs are captured, and how one is shown that is not.

A URL goes into the evidence and onto the screen: one with a password in it is refused,
and is not printed whole to say so.
"""

import unicodedata
from collections.abc import Iterator
from typing import BinaryIO, Final
from urllib.parse import urlsplit

from snapshotter.errors import SnapshotterError

MAX_LIST: Final = 8 << 20  # bytes: a hundred thousand addresses
_BOM = b"\xef\xbb\xbf"
_NOT_IN_ADDRESSES = {"Cc", "Cs"}  # Unicode categories: control characters, surrogates


def check_url(url: str) -> str:
    """
    Return a URL that can be captured.

    Raises:
        SnapshotterError: Not http or https, no host, a port that is none, with a
            password in it, or with characters that no address has.
    """
    problem = _problem(url)
    if problem is not None:
        raise problem
    return url


def read_list(stream: BinaryIO) -> bytes:
    """
    Return a list of addresses, which somebody else may have made.

    Raises:
        SnapshotterError: It is longer than `MAX_LIST`.
    """
    data = stream.read(MAX_LIST + 1)
    if len(data) > MAX_LIST:
        raise SnapshotterError(
            f"the list is longer than {MAX_LIST >> 20} MiB", hint="split it into several lists"
        )
    return data


def numbered_urls(data: bytes) -> Iterator[tuple[int, str]]:
    """
    Yield the addresses of a list, one a line, and the number of the line, from 1.

    Lines without an address are passed over, and those that begin with `#`. A line that is no
    UTF-8 is yielded with half characters in it, which `check_url` refuses: it is that line's
    error, and holds up no other.
    """
    for number, line in enumerate(data.removeprefix(_BOM).splitlines(), start=1):
        url = line.decode("utf-8", "surrogateescape").strip()
        if url and not url.startswith("#"):
            yield number, url


def printable_url(url: str) -> str:
    """
    Return a URL as it may be printed, also one that was refused.

    Without control characters, and without what may be a password: of a URL that
    can not be captured, nothing before its last `@`.
    """
    return _escaped(url if _problem(url) is None else _concealed(url))


def _problem(url: str) -> SnapshotterError | None:
    told = _escaped(_concealed(url))
    if any(unicodedata.category(character) in _NOT_IN_ADDRESSES for character in url):
        return SnapshotterError(
            f"this is not a URL: '{told}' holds control characters or half a character"
        )
    # A browser takes a backslash for a slash, and so finds a password where we would not.
    as_browsers_read = url.replace("\\", "/")
    try:
        parts, other = urlsplit(url), urlsplit(as_browsers_read)
        _ = parts.port
    except ValueError as error:
        why = f": {error}" if "@" not in url else ""  # it may quote what it takes for a port
        return SnapshotterError(
            f"this is not a URL: '{told}'{why}",
            hint="give the whole address, as a browser shows it",
        )
    if "@" in parts.netloc or "@" in other.netloc:
        return SnapshotterError(
            "a URL with a user name or password would put them into the evidence",
            hint="leave out the part before the @",
        )
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        hint = "give the whole address, as a browser shows it: https://…"
        if "://" not in url and "." in url and "@" not in url:
            hint = f"did you mean https://{told}"
        if "\\" in url and other.scheme in {"http", "https"} and other.hostname:
            hint = f"did you mean {_escaped(as_browsers_read)}"
        return SnapshotterError(f"only http and https URLs are captured, not '{told}'", hint=hint)
    return None


def _concealed(url: str) -> str:
    _, at, rest = url.rpartition("@")
    return f"…@{rest}" if at else url


def _escaped(text: str) -> str:
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
