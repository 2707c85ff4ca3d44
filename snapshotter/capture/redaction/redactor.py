"""
Replace secrets before they reach a bundle, and keep the salts with which the replacements can be
checked.

A secret is the value of a header whose name the policy lists, or the user information of a URL. In
its place stands `redacted:sha256:<hex>`, a salted commitment: SHA-256 over the salt, the lowercase
name, a zero byte and the value's bytes. The salt is fresh for each distinct name and value of one
capture. So equal values are equal inside the capture, no value can be guessed from its commitment,
and two captures cannot be linked by it. `Redactor.disclosures` returns the salts, which are kept
outside the bundle.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator

from snapshotter.capture.spool import encode_utf8, replace_lone_surrogates
from snapshotter.model.capture import Disclosure, Redaction
from snapshotter.ports import IdSource

REQUEST_HEADER = "request-header"
RESPONSE_HEADER = "response-header"
URL = "url"
REQUESTED_URL = "requested-url"  # the given address, where the policy had another one visited

_PREFIX = "redacted:"
_SALT_BYTES = 32
# User information (RFC 3986, section 3.2.1) as browsers find it (WHATWG URL): a backslash is
# a slash, slashes of the web's schemes may be too few or too many, tabs and line breaks are
# nothing, and the text before the last "@" of the authority is user information.
_WEB = r"(?i:https?|wss?|ftp):"
_BEGINNING = re.compile(
    rf"([\x00-\x20]*(?:{_WEB}[/\\]*|(?:[A-Za-z][A-Za-z0-9+.-]*:)?[/\\]{{2,}}))([^/\\?#]+)@"
)
_NOT_THERE = str.maketrans("", "", "\t\r\n")
# What may be an authority, and all the slashes before it.
_RUN = re.compile(r"(?<![/\\])([/\\]*)([^/\\?#\s]+)")
_WEB_SCHEME = re.compile(rf"\b{_WEB}")
_WEB_SCHEME_BEFORE = re.compile(rf"\b{_WEB}\Z")
_LONGEST_SCHEME = 6  # characters of "https:"
_IN_PATH = re.compile(r"[\w.%~@&+$!*)-]")  # before two slashes: they are inside of a URL's path

_URL_NAMES = frozenset({"location", "content-location", "referer", "sourcemap", "x-sourcemap"})
_REFRESH = re.compile(r"""([\s\d.]*[;,]?\s*(?:(?i:url)\s*=)?\s*['"]?)(.*)""", re.DOTALL)
_LINK = re.compile(r"<([^>]*)|[^<]+")  # a target, or the text between two

_MHTML_BOUNDARY = re.compile(r'boundary="([^"\r\n]+)"')
_MHTML_LOCATION = re.compile(r"(?im)^([a-z-]*location:[ \t]*)([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)")

_Found = Callable[[str], object]  # takes each user information that was taken out


def _ignore(_: str) -> None:
    """Count nothing."""


def clean_url(url: str, found: _Found = _ignore) -> str:
    """
    Return a URL, absolute or not, without its user information.

    Nothing replaces it, because a URL with another name in it would be another URL. URLs inside of
    the path and the query are not changed.
    """
    if "@" not in url:
        return url
    if (match := _BEGINNING.match(url.translate(_NOT_THERE))) is None:
        return url
    found(match[2])
    return match[1] + match.string[match.end() :]


def clean_text(text: str, found: _Found = _ignore) -> str:
    """
    Return a text with each URL in it cleaned; white space ends a URL.

    The time is linear in the length of the text, whatever a page writes into it.
    """

    def cleaned(match: re.Match[str]) -> str:
        slashes, run = match.groups()
        at, start = run.rfind("@"), 0
        if at < 1:
            return match[0]
        before = text[max(0, match.start() - _LONGEST_SCHEME - 1) : match.start()]
        in_path = len(slashes) < 2 or _IN_PATH.match(before[-1:])
        if in_path and not (slashes and _WEB_SCHEME_BEFORE.search(before)):
            # The scheme may be in here, with no slash behind it.
            scheme = _WEB_SCHEME.search(run, 0, at)
            if scheme is None or scheme.end() == at:
                return match[0]
            start = scheme.end()
        found(run[start:at])
        return slashes + run[:start] + run[at + 1 :]

    return _RUN.sub(cleaned, text) if "@" in text else text


def clean_mhtml(text: str) -> str:
    """
    Return a page's MHTML (RFC 2557) with the locations in the heads of its parts cleaned.

    Bodies are the page's content, and stay as they are.
    """
    found = _MHTML_BOUNDARY.search(text.partition("\r\n\r\n")[0])
    boundary = f"--{found[1]}" if found is not None else ""
    head = re.compile(rf"(?:{re.escape(boundary)}\r?\n)?(?:[^\r\n]+\r?\n)+")
    pieces, done = [], 0
    for begin in _part_starts(text, boundary):
        if (match := head.match(text, begin)) is not None and begin >= done:
            cleaned = _MHTML_LOCATION.sub(lambda found: found[1] + clean_url(found[2]), match[0])
            pieces += [text[done:begin], cleaned]
            done = match.end()
    return "".join((*pieces, text[done:]))


def _part_starts(text: str, boundary: str) -> Iterator[int]:
    """Yield where heads begin. A pattern would be slow on bodies of megabytes."""
    yield 0
    at = 0
    while boundary and (at := text.find(f"\n{boundary}", at) + 1):
        if text.startswith(("\n", "\r\n"), at + len(boundary)):
            yield at


class Redactor:
    """
    Replaces secrets within one capture.

    Args:
        names: Lowercase names of the headers whose values are secret.
        discloses: Whether the salts are handed out. Without them the commitments stay valid, and
            nobody can ever show their values.
    """

    def __init__(self, *, names: frozenset[str], ids: IdSource, discloses: bool = True) -> None:
        self._names = names
        self._discloses = discloses
        self._ids = ids
        # Digests of values and never the values: nothing here can leak one.
        self._pepper = ids.random_bytes(_SALT_BYTES)
        self._salts: dict[tuple[str, bytes], tuple[str, str]] = {}  # → commitment, salt (hex)
        self._used: Counter[tuple[str, str, str]] = Counter()  # place, name, commitment

    def is_secret(self, name: str) -> bool:
        """Return whether values of this header are replaced."""
        return name.strip().lower() in self._names

    def replace(self, place: str, name: str, value: str | bytes) -> str:
        """Return the replacement of `value`, and count it as written."""
        token = self.conceal(name, value)
        self.written(place, name, token)
        return token

    def conceal(self, name: str, value: str | bytes) -> str:
        """
        Return the replacement of `value`; call `written` when it is written.

        Args:
            value: Octets as they were on the wire, or a browser's string.
        """
        name, data = name.strip().lower(), value if isinstance(value, bytes) else encode_utf8(value)
        key = (name, hashlib.sha256(self._pepper + data).digest())
        if key not in self._salts:
            salt = self._ids.random_bytes(_SALT_BYTES)
            self._salts[key] = (commitment(salt, name, data), salt.hex())
        return _PREFIX + self._salts[key][0]

    def written(self, place: str, name: str, token: str) -> None:
        """Count a value that `conceal` replaced and a file now shows."""
        self._used[place, name.strip().lower(), token.removeprefix(_PREFIX)] += 1

    def clean_url(self, url: str) -> str:
        """Clean a URL, and count what was removed."""
        return clean_url(replace_lone_surrogates(url), self._count)

    def clean_text(self, text: str) -> str:
        """Clean each URL in a text, and count what was removed."""
        return clean_text(replace_lone_surrogates(text), self._count)

    def clean_header(self, name: str, value: str) -> str:
        """Clean the URLs in a header that is not secret, and count what was removed."""
        name = name.strip().lower()
        if name in _URL_NAMES:
            return self.clean_url(value)
        if name == "refresh" and (parts := _REFRESH.fullmatch(value)) is not None:
            return parts[1] + self.clean_url(parts[2])
        if name == "link":
            return _LINK.sub(self._clean_part_of_link, value)
        return self.clean_text(value)

    def _clean_part_of_link(self, part: re.Match[str]) -> str:
        return self.clean_text(part[0]) if part[1] is None else "<" + self.clean_url(part[1])

    def _count(self, userinfo: str) -> None:
        self.replace(URL, "userinfo", userinfo)

    def redactions(self) -> tuple[Redaction, ...]:
        """Return what was replaced in files, by place and name."""
        counts: Counter[tuple[str, str]] = Counter()
        commitments: dict[tuple[str, str], set[str]] = {}
        for (place, name, value), count in self._used.items():
            counts[place, name] += count
            commitments.setdefault((place, name), set()).add(value)
        return tuple(
            Redaction(
                place=place,
                name=name,
                count=counts[place, name],
                commitments=tuple(sorted(commitments[place, name])),
            )
            for place, name in sorted(counts)
        )

    def disclosures(self) -> tuple[Disclosure, ...]:
        """Return what opens each commitment, given the value. Not for the bundle."""
        if not self._discloses:
            return ()
        salts = dict(self._salts.values())
        return tuple(
            Disclosure(commitment=value, place=place, name=name, salt=salts[value])
            for place, name, value in sorted(self._used)
        )


def commitment(salt: bytes, name: str, value: bytes) -> str:
    """Return `sha256:<hex>` over salt, name, a zero byte and value."""
    return "sha256:" + hashlib.sha256(salt + encode_utf8(name) + b"\0" + value).hexdigest()
