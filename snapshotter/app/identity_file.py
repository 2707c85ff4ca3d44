"""
Read the identity file: the names, accounts and addresses of the capturing person.

The setting `identity_file` names it. It belongs to the user and lies outside of every store.
Its texts are only searched for. They are never printed or logged, and never copied from the file
into a bundle. See docs/howto/stay-unnamed.md.
"""

import ipaddress
import re
from pathlib import Path
from typing import Literal, Self

from snapshotter.errors import SnapshotterError
from snapshotter.formats.table import Field, Table, TableError, check_table
from snapshotter.model.capturer_identity import CapturerIdentifier
from snapshotter.policy.files import first_validation_mistake, read_toml
from snapshotter.translation import tr

_MAX_ENTRIES = 200
_MIN_ASCII, _MIN_OTHER = 4, 2  # characters; in some scripts a name has two
# Words that pages, protocols and our own records consist of: redacting them would break these.
_COMMON_WORDS = re.compile(
    r"(?i)body|capture|charset|chunked|content|data|date|document|error|false|file|head|header"
    r"|host|html|http|https|image|javascript|json|layout|length|link|local|location|main"
    r"|meta|method|name|none|null|page|path|redacted|response|script|server|sha256|status"
    r"|string|style|text|time|title|true|type|undefined|user|value|version|window"
)


class _Entry(Table):
    kind: Literal["name", "handle", "email", "ip", "account", "other"]
    value: str = Field(max_length=200, repr=False)

    @check_table
    def _check_is_searchable(self) -> Self:
        value = self.value
        if value != value.strip() or any(character < " " for character in value):
            raise ValueError(
                "the value begins or ends with white space, or contains a control character"
            )
        if self.kind == "ip":
            try:
                ipaddress.ip_address(value)
            except ValueError:
                raise ValueError("the value is not an IP address") from None
            return self
        if len(value) < (_MIN_ASCII if value.isascii() else _MIN_OTHER):
            raise ValueError("the value is too short: it would be found on every page")
        if _COMMON_WORDS.fullmatch(value):
            raise ValueError("the value is a common word: it would be found on every page")
        return self


class _File(Table):
    identity: tuple[_Entry, ...] = Field(default=(), max_length=_MAX_ENTRIES)


def load_identity_file(path: Path | None) -> tuple[CapturerIdentifier, ...]:
    """
    Return the identifiers of the capturing person; none if no file is configured.

    Raises:
        SnapshotterError: The file cannot be read, or an entry cannot be searched for. The
            message gives the number of the entry, never its text.
    """
    if path is None:
        return ()
    try:
        entries = _File.read(read_toml(path)).identity
    except TableError as error:
        raise SnapshotterError(
            f"{path}: {first_validation_mistake(error)}",
            hint=tr("docs/howto/stay-unnamed.md explains what the file contains"),
        ) from None
    return tuple(CapturerIdentifier(kind=entry.kind, value=entry.value) for entry in entries)
