"""
Check that a URL can be captured, complete one without a scheme, and make any URL safe to print.

An address goes into the evidence and onto the screen. One with a user name or password in it
is refused, and the message about it does not repeat them.
"""

import re
import unicodedata
from ipaddress import ip_address
from urllib.parse import urlsplit

from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr

# As a person types an address without its scheme: host, perhaps port, perhaps the rest.
_WITHOUT_SCHEME = re.compile(r"([^\s/?#@:\\]+)(:[0-9]{1,5})?([/?#].*)?")
# "http//host", "http:/host", "http:host", "htpp://host": nearly an address.
_MISTYPED = re.compile(r"([A-Za-z]{2,8})(?:[:;]/{0,3}|//+)([^/:;@\s].*)")
_NOT_IN_HOSTS = frozenset('<>"{}|^`%*')  # as the URL standard has it, with a few more
_LONGEST_LABEL, _LONGEST_HOST = 63, 253  # characters, RFC 1035
_NOT_IN_ADDRESSES = {"Cc", "Cs"}  # Unicode categories: control characters, surrogates


def check_url(url: str) -> str:
    """
    Return a URL unchanged if it can be captured.

    Raises:
        SnapshotterError: It is not http or https, or has no valid host, an invalid port, a user
            name or password, control characters or surrogates.
    """
    problem = _problem(url)
    if problem is not None:
        raise problem
    return url


def complete_url(text: str) -> str:
    """Return an address with `https://` added if it has no scheme; any other text unchanged."""
    found = _WITHOUT_SCHEME.fullmatch(text)
    if found is None or not _is_host_name(found[1]):
        return text
    completed = f"https://{text}"
    return completed if _problem(completed) is None else text


def _is_host_name(text: str) -> bool:
    """Return whether a text is likely the name of a host: a domain, localhost or IPv4."""
    if text == "localhost":
        return True
    try:
        ip_address(text)
    except ValueError:
        head, dot, last = text.rpartition(".")
        return bool(head and dot) and len(last) > 1 and any(map(str.isalpha, last))
    return True


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
        hint = tr("give the whole address, as a browser shows it: https://…")
        if meant := _meant(url):
            hint = _if_meant(meant)
        if "\\" in url and other.scheme in {"http", "https"} and other.hostname:
            hint = _if_meant(as_browsers_read)
        return SnapshotterError(
            tr("only http and https URLs are captured, not '{shown}'", shown=shown), hint=hint
        )
    if not _is_valid_host(parts.hostname):
        repaired = re.sub(r"\s+", "", url)
        is_better = repaired != url and _problem(repaired) is None
        return SnapshotterError(
            tr("the host of '{shown}' is not valid", shown=shown),
            hint=_if_meant(repaired)
            if is_better
            else tr("give the whole address, as a browser shows it: https://…"),
        )
    return None


def _if_meant(url: str) -> str:
    return tr("if you mean {url}, give this address", url=_escaped(url))


def _meant(url: str) -> str:
    """Return the address that a person probably meant; "" if nothing is near."""
    if "@" in url:
        return ""  # it may be a password
    if (completed := complete_url(url)) != url:
        return completed
    found = _MISTYPED.fullmatch(url)
    if found is None:
        return ""
    from difflib import get_close_matches  # only for a text that is refused

    near = get_close_matches(found[1].lower(), ("https", "http"), n=1, cutoff=0.7)
    meant = f"{near[0]}://{found[2]}" if near else ""
    return meant if meant and _problem(meant) is None else ""


def _is_valid_host(host: str) -> bool:
    if any(character.isspace() or character in _NOT_IN_HOSTS for character in host):
        return False
    if ":" in host:
        return True  # IPv6, which `urlsplit` has checked
    labels = host.removesuffix(".").split(".")
    return len(host) <= _LONGEST_HOST and all(0 < len(label) <= _LONGEST_LABEL for label in labels)


def _concealed(url: str) -> str:
    _, at, rest = url.rpartition("@")
    return f"…@{rest}" if at else url


def _escaped(text: str) -> str:
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
