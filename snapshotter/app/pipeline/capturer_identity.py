"""
What says who captures, as the user wrote it down: `identity_file` of the settings.

The file is the user's own, lies outside of every store, and no word of it is ever printed, logged
or sealed. See docs/howto/stay-unnamed.md.
"""

import ipaddress
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from snapshotter.capture.redaction.capturer_identity import CapturerIdentifiers, explain_refusal
from snapshotter.errors import SnapshotterError
from snapshotter.formats.page import assessment as assessments
from snapshotter.model.capture import Capture
from snapshotter.model.capturer_identity import CapturerIdentifier, IdentifierFinding
from snapshotter.model.request import Decision
from snapshotter.policy.files import first_validation_mistake, read_toml

_MOST = 200
_LEAST, _LEAST_OTHER = 4, 2  # characters: of ASCII, and of scripts in which a name is two signs
# What pages, protocols and our own records are made of: taken out everywhere, it would break them.
_COMMON = re.compile(
    r"(?i)body|capture|charset|chunked|content|data|date|document|error|false|file|head|header"
    r"|host|html|http|https|image|javascript|json|layout|length|link|local|location|main"
    r"|meta|method|name|none|null|page|path|redacted|response|script|server|sha256|status"
    r"|string|style|text|time|title|true|type|undefined|user|value|version|window"
)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    kind: Literal["name", "handle", "email", "ip", "account", "other"]
    value: str = Field(max_length=200, repr=False)

    @model_validator(mode="after")
    def _can_be_looked_for(self) -> Self:
        value = self.value
        if value != value.strip() or any(character < " " for character in value):
            raise ValueError("white space at an end, or a control character")
        if self.kind == "ip":
            try:
                ipaddress.ip_address(value)
            except ValueError:
                raise ValueError("no address of the network") from None
            return self
        if len(value) < (_LEAST if value.isascii() else _LEAST_OTHER):
            raise ValueError("too short: it would be found in everything")
        if _COMMON.fullmatch(value):
            raise ValueError("a word that every page is made of")
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    identity: tuple[_Entry, ...] = Field(default=(), max_length=_MOST, strict=False)


def load(path: Path | None) -> tuple[CapturerIdentifier, ...]:
    """
    Return what says who captures; nothing where no file is named.

    Raises:
        SnapshotterError: The file can not be read, or an entry can not be looked for. What is
            wrong is said by the number of the entry, and never by its text.
    """
    if path is None:
        return ()
    try:
        entries = _File.model_validate(read_toml(path)).identity
    except ValidationError as error:
        raise SnapshotterError(
            f"{path}: {first_validation_mistake(error)}",
            hint="docs/howto/stay-unnamed.md says what the file holds",
        ) from None
    return tuple(CapturerIdentifier(kind=entry.kind, value=entry.value) for entry in entries)


def with_identifiers_in_pictures(
    capture: Capture, decision: Decision, own: tuple[CapturerIdentifier, ...]
) -> Capture:
    """
    Return the capture with own texts that are read off its pictures alone: codes hold some.

    All other texts were looked through when the page was captured; what was taken out there is
    not in the verdict. That is made again from the pictures by whoever verifies: it stays as it is.

    Raises:
        OwnNameShown: There is one, and the policy says to stop.
    """
    if decision.redact.identity == "ignore" or not own:
        return capture
    names = CapturerIdentifiers(own)
    hits = Counter(
        (hit.name.kind, artifact.path)
        for artifact in capture.artifacts
        if artifact.path == assessments.PATH
        for hit in names.find(artifact.file.read_bytes())
    )
    found = tuple(
        IdentifierFinding(kind=kind, where=where, count=count)
        for (kind, where), count in sorted(hits.items())
    )
    if found and decision.redact.identity == "stop":
        raise explain_refusal(found)
    return replace(capture, identifier_findings=(*capture.identifier_findings, *found))
