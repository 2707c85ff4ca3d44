"""
Replace secrets before they reach a disk, and keep what opens the replacement.

A secret is the value of a header whose name the policy lists, or the user
information of a URL. In its place stands `redacted:sha256:<hex>`, a salted
commitment: SHA-256 over the salt, the lowercase name, a zero byte and the
value's bytes. The salt is fresh for each distinct name and value of one
capture, so equal values show as equal inside it, no value can be guessed from
it, and two captures can not be linked by it. Salts leave as `Disclosure`s,
which are kept outside the bundle.
"""

import hashlib
import re
from collections import Counter

from snapshotter.model.capture import Disclosure, Redaction
from snapshotter.ports import IdSource

REQUEST_HEADER = "request-header"
RESPONSE_HEADER = "response-header"
URL = "url"

_PREFIX = "redacted:"
_SALT_BYTES = 32
# User information (RFC 3986, section 3.2.1) ends at the last "@" of the authority.
_USERINFO = re.compile(r"(?i)((?:[a-z][a-z0-9+.-]*:)?//)([^/?#\s\"'<>]+)@")


class Redactor:
    """
    Replaces secrets within one capture.

    Args:
        names: Lowercase names of the headers whose values are secret.
    """

    def __init__(self, *, names: frozenset[str], ids: IdSource) -> None:
        self._names = names
        self._ids = ids
        # Digests of values and never the values: nothing here can leak one.
        self._pepper = ids.random_bytes(_SALT_BYTES)
        self._salts: dict[tuple[str, bytes], tuple[str, str]] = {}  # → commitment, salt (hex)
        self._used: Counter[tuple[str, str, str]] = Counter()  # place, name, commitment

    def is_secret(self, name: str) -> bool:
        """Whether values of this header are replaced."""
        return name.lower() in self._names

    def replace(self, place: str, name: str, value: str) -> str:
        """Return what is written instead of `value`, and count it as written."""
        token = self.conceal(name, value)
        self.written(place, name, token)
        return token

    def conceal(self, name: str, value: str) -> str:
        """Return what would be written instead of `value`; call `written` when it is."""
        name, data = name.lower(), value.encode("utf-8", "surrogateescape")
        key = (name, hashlib.sha256(self._pepper + data).digest())
        if key not in self._salts:
            salt = self._ids.random_bytes(_SALT_BYTES)
            self._salts[key] = (commitment(salt, name, data), salt.hex())
        return _PREFIX + self._salts[key][0]

    def written(self, place: str, name: str, token: str) -> None:
        """Count one value that `conceal` replaced and a file now shows."""
        self._used[place, name.lower(), token.removeprefix(_PREFIX)] += 1

    def clean_url(self, url: str) -> str:
        """
        Return a URL, absolute or not, without its user information.

        It is counted as a redaction; nothing stands in its place, because a URL with
        another name in it would be another URL. URLs inside the query are left alone.
        """
        return _USERINFO.sub(self._strip, url, count=1) if _USERINFO.match(url) else url

    def clean_text(self, text: str) -> str:
        """Return text with each URL in it cleaned; for headers that hold URLs among others."""
        return _USERINFO.sub(self._strip, text) if "@" in text else text

    def _strip(self, match: re.Match[str]) -> str:
        self.replace(URL, "userinfo", match[2])
        return match[1]

    def redactions(self) -> tuple[Redaction, ...]:
        """What was replaced in files, by place and name."""
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
        """What opens each commitment, given the value. Not for the bundle."""
        salts = dict(self._salts.values())
        return tuple(
            Disclosure(commitment=value, place=place, name=name, salt=salts[value])
            for place, name, value in sorted(self._used)
        )


def commitment(salt: bytes, name: str, value: bytes) -> str:
    """Return `sha256:<hex>` over salt, name, a zero byte and value."""
    return "sha256:" + hashlib.sha256(salt + name.encode() + b"\0" + value).hexdigest()
