"""
Find names, addresses, accounts and credentials of the capturing person in a capture, in any
spelling.

Such a text may be in a page as it is, percent-encoded in an address, escaped in a script, as a
reference in HTML, composed or decomposed, in another case. All spellings are made beforehand and
searched for as bytes: that is fast in a text of any length, and no page can make it slow. Texts in
other encodings are converted to UTF-8 before (`capture/redaction/encodings.py`).
"""

import base64
import ipaddress
import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from urllib.parse import quote, quote_plus

from snapshotter.errors import PolicyRefused
from snapshotter.model.capturer_identity import CREDENTIAL, CapturerIdentifier, IdentifierFinding
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_ALNUM = re.compile(rb"[0-9A-Za-z_]")
# Before a name, these are no part of its word although they end in a letter or a digit.
_ESCAPE = re.compile(
    rb"(?i)(?:%(?:25){0,3}[0-9a-f]{2}|\\{1,4}[nrtbfv]|\\{1,4}u[0-9a-f]{4}|\\{1,4}x[0-9a-f]{2})\Z"
)
_LONGEST_ESCAPE = 12  # bytes that are looked at before a name
_BEFORE_V4, _BEHIND_V4 = re.compile(rb"[\d.]\Z"), re.compile(rb"\d|\.\d")
_IN_V6 = re.compile(rb"(?i)[\da-f:]")
_IN_HOST = re.compile(rb"(?i)(?://|%2f%2f|\\/\\/)[^/?#\s\"'<>\\]{0,250}\Z")
_HOST_BYTES = 260
_LEAST_PASSWORD = 8  # characters of one that is looked for without its user
_LEAST_CODED = 8  # characters of base64 that are looked for inside of longer runs as well
_LEAST_BARE = 4  # bytes of a handle that is looked for without its @; less is found in everything


class CapturerIdentityExposed(PolicyRefused):
    """The capture identifies its maker, and the policy says to stop. Another attempt would, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifierMatch:
    """An identifier of the capturing person in a text."""

    begin: int
    end: int
    name: CapturerIdentifier


class CapturerIdentifiers:
    """The identifiers of one person, prepared for searching."""

    def __init__(self, names: Sequence[CapturerIdentifier]) -> None:
        found: dict[bytes, CapturerIdentifier] = {}
        for name in names:
            for spelling in identifier_spellings(name):
                found.setdefault(spelling.lower(), name)
        # The longest first: of two that begin alike, the whole of it is the one that is meant.
        self._spellings = sorted(found.items(), key=lambda pair: (-len(pair[0]), pair[0]))

    def __bool__(self) -> bool:
        return bool(self._spellings)

    def find(self, data: bytes) -> Iterator[IdentifierMatch]:
        """Yield the matches in a UTF-8 text; they may overlap."""
        if not self._spellings:
            return
        lower = data.lower()
        yielded: set[tuple[CapturerIdentifier, int]] = (
            set()
        )  # a handle with its sign is one without it, too
        for spelling, name in self._spellings:
            at = lower.find(spelling)
            while at >= 0:
                end = at + len(spelling)
                if (name, end) not in yielded and _stands_alone(data, at, end, name.kind):
                    yielded.add((name, end))
                    yield IdentifierMatch(begin=at, end=end, name=name)
                at = lower.find(spelling, end)


def credential_spellings(user: str, password: str) -> tuple[CapturerIdentifier, ...]:
    """
    Return the texts by which the user and password of a proxy are found in what the proxy returns.

    They are searched as one text, in base64 (RFC 7617) and in hexadecimal. The password is searched
    by itself as well, unless it is a word: a proxy whose password is "password" would empty every
    log-in page. Without a password the user is the secret: services give out keys to be sent so.
    """
    if not (user or password):
        return ()
    pair, secret = f"{user}:{password}", password or user
    values = [pair, *coded_spellings(pair)]
    is_word = secret.isalpha() or secret.isdecimal()
    if len(secret) >= _LEAST_PASSWORD and not is_word:
        values += [secret, *coded_spellings(secret)]
    return tuple(
        CapturerIdentifier(kind=CREDENTIAL, value=secret) for secret in dict.fromkeys(values)
    )


def coded_spellings(text: str) -> Iterator[str]:
    """Yield a text in base64 and in hexadecimal, alone and as a part of a longer text."""
    data = text.encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(data).decode().rstrip("=")
        for shift in range(3):  # bytes before it in its group of three
            whole = (shift + len(data)) // 3 * 4  # characters of groups that end in it
            inside = encode(bytes(shift) + data)[(0, 2, 3)[shift] : whole].decode()
            if len(inside) >= _LEAST_CODED:
                yield inside
    if len(data) >= _LEAST_CODED // 2:
        yield data.hex()


def identifier_spellings(name: CapturerIdentifier) -> Iterator[bytes]:
    """Yield the forms in which a text occurs in pages, addresses and scripts, as UTF-8."""
    for text in dict.fromkeys(_forms(name)):
        raw = text.encode()
        yield raw
        coded = quote(text, safe="")
        for spelling in (coded, quote_plus(text), quote(text, safe="@:.+"), quote(coded, safe="")):
            yield spelling.encode()
        yield "".join(f"%{byte:02x}" for byte in raw).encode()
        escaped = json.dumps(text)[1:-1]  # \uXXXX, in surrogates beyond the first plane
        yield escaped.encode()
        yield escaped.replace("\\", "\\\\").encode()
        yield escaped.replace("/", "\\/").encode()  # as PHP writes it
        import html

        yield html.escape(text).encode()
        for entity in ("&#{};", "&#x{:x};"):
            yield "".join(
                entity.format(ord(character)) if _is_odd(character) else character
                for character in text
            ).encode()
            yield "".join(entity.format(ord(character)) for character in text).encode()
        if name.kind == CREDENTIAL:
            # Of both orders of bytes: what is cut off is the zero at the end.
            yield text.encode("utf-16-le").rstrip(b"\0")
        for at in ("&commat;", "&#64;", "&#x40;", "\\u0040", "\\x40"):
            yield text.replace("@", at).encode()
        if " " in text:
            for space in ("&nbsp;", "\u00a0", "&#160;", "\\u00a0"):
                yield text.replace(" ", space).encode()


def _forms(name: CapturerIdentifier) -> Iterator[str]:
    """Yield a text, and the same in other cases and compositions."""
    values = [name.value]
    bare = name.value.removeprefix("@")
    # In addresses, and in most of a page's own scripts, a handle is written without its sign.
    if name.kind == "handle" and len(bare.encode()) >= _LEAST_BARE:
        values.append(bare)
    for form in ("NFC", "NFD", "NFKC"):
        for text in (unicodedata.normalize(form, spelling) for spelling in values):
            # ASCII is looked for in any case as it is.
            yield from (text, text.lower(), text.upper(), text.title())
    if name.kind == "ip":
        address = ipaddress.ip_address(name.value)
        yield from (address.compressed, address.exploded)
        if address.version == 4:
            yield str(address).replace(".", "-")  # in names of hosts that providers make


def _is_odd(character: str) -> bool:
    return not character.isascii() or not (character.isalnum() or character in " _-.")


def _stands_alone(data: bytes, at: int, end: int, kind: str) -> bool:
    """Return whether a match is the whole text, and no part of a longer word or number."""
    if kind == CREDENTIAL and end - at >= _LEAST_CODED:
        return True
    before, behind = data[max(0, at - _LONGEST_ESCAPE) : at], data[end : end + 2]
    is_escaped = _ESCAPE.search(before) is not None
    if kind == "ip" and data[at : at + 1] not in (b"%", b"&", b"\\"):
        if b":" in data[at:end]:
            begins, ends = is_escaped or not _IN_V6.match(before[-1:]), not _IN_V6.match(behind)
        else:
            begins = is_escaped or not _BEFORE_V4.search(before)
            ends = not _BEHIND_V4.match(behind)
        return begins and ends
    if _ALNUM.match(data[at : at + 1]) and _ALNUM.match(before[-1:]) and not is_escaped:
        return False
    return not (_ALNUM.match(data[end - 1 : end]) and _ALNUM.match(behind))


def is_within_host(data: bytes, at: int) -> bool:
    """Return whether a match begins within the host of an address."""
    return _IN_HOST.search(data, max(0, at - _HOST_BYTES), at) is not None


def host_label_for_token(token: str) -> str:
    """Return the label that replaces an identifier in a host name, as long as a label may be."""
    return "redacted-" + token.rpartition(":")[2][:40]


def explain_refusal(found: Sequence[IdentifierFinding]) -> CapturerIdentityExposed:
    """Return why a capture is not kept; it names kinds and places, and never the text."""
    where: dict[str, list[str]] = {}
    for found_text in found:
        where.setdefault(found_text.kind, []).append(f"{found_text.where} ({found_text.count})")
    words = "; ".join(f"your own {kind} in {', '.join(places)}" for kind, places in where.items())
    return CapturerIdentityExposed(
        tr(
            "the capture shows the identity of the capturing person, so nothing was kept: {words}",
            words=words,
        ),
        hint=tr(
            'log out, or use another network route, or set [redact] identity = "redact" in '
            "the policy, which removes the identity from texts but not from pictures"
        ),
    )
