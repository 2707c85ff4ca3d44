"""
Check that a URL can be captured, and return any URL in a form that is safe to print.

An address goes into the evidence and onto the screen. One with a user name or password in it
is refused, and the message about it does not repeat them.
"""

import unicodedata
from urllib.parse import urlsplit

from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr

_NOT_IN_ADDRESSES = {"Cc", "Cs"}  # Unicode categories: control characters, surrogates


def check_url(url: str) -> str:
    """
    Return a URL unchanged if it can be captured.

    Raises:
        SnapshotterError: It is not http or https, or has no host, an invalid port, a user
            name or password, control characters or surrogates.
    """
    problem = _problem(url)
    if problem is not None:
        raise problem
    return url


def printable_url(url: str) -> str:
    """
    Return a URL as it may be printed, also if it cannot be captured.

    Control characters are escaped. Of a URL that cannot be captured, everything before its
    last `@` is left out, since it may be a password.
    """
    return _escaped(url if _problem(url) is None else _concealed(url))


def _problem(url: str) -> SnapshotterError | None:
    shown = _escaped(_concealed(url))
    if any(unicodedata.category(character) in _NOT_IN_ADDRESSES for character in url):
        return SnapshotterError(
            tr(
                "the text is not a URL: '{shown}' contains control characters or an incomplete "
                "character",
                shown=shown,
            )
        )
    # A browser takes a backslash for a slash, and so finds a password where we would not.
    as_browsers_read = url.replace("\\", "/")
    try:
        parts, other = urlsplit(url), urlsplit(as_browsers_read)
        _ = parts.port
    except ValueError as error:
        why = f": {error}" if "@" not in url else ""  # it may quote what it takes for a port
        return SnapshotterError(
            tr("the text is not a URL: '{shown}'{why}", shown=shown, why=why),
            hint=tr("give the whole address, as a browser shows it"),
        )
    if "@" in parts.netloc or "@" in other.netloc:
        return SnapshotterError(
            tr("the URL has a user name or a password, which would become part of the evidence"),
            hint=tr("remove the user name and the password from the URL: the part before the @"),
        )
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        hint = "give the whole address, as a browser shows it: https://…"
        if "://" not in url and "." in url and "@" not in url:
            hint = f"did you mean https://{shown}"
        if "\\" in url and other.scheme in {"http", "https"} and other.hostname:
            hint = f"did you mean {_escaped(as_browsers_read)}"
        return SnapshotterError(
            tr("only http and https URLs are captured, not '{shown}'", shown=shown), hint=hint
        )
    return None


def _concealed(url: str) -> str:
    _, at, rest = url.rpartition("@")
    return f"…@{rest}" if at else url


def _escaped(text: str) -> str:
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
