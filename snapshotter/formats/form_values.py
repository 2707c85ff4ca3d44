"""
`capture/form-values.jsonl`: what the form controls of a page held when its text was read.

One line of canonical JSON for each control that held something (docs/spec/capture-record.md).
A document has only the values that it came with: what was typed, chosen or restored since is
in no markup and no text.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from snapshotter.formats import canonical_json

PATH: Final = "capture/form-values.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class FormValue:
    """One form control and what it held."""

    frame: str  # address of its frame
    path: str  # a way to the element
    type: str  # of an input as the browser says it, or "textarea", "select", "contenteditable"
    name: str  # the attribute, or ""
    value: str | None  # None: withheld, or a box to be ticked
    checked: bool | None  # None: no box to be ticked
    changed: bool  # the document says otherwise
    shown: bool  # the control is laid out and visible
    withheld: bool  # a password, or named like one


def encode(values: Iterable[FormValue]) -> bytes:
    """Return the file: one line each."""
    return b"".join(canonical_json.dumps(canonical_json.plain(it)) + b"\n" for it in values)
