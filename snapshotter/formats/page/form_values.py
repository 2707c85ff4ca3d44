"""
Write `capture/form-values.jsonl`: the values of form controls at the time when the text was read.

There is one line of canonical JSON for each control with a value (docs/spec/capture-record.md).
The markup has only the original values; a value that was typed, chosen or restored later is
neither in the markup nor in the text.
"""

from collections.abc import Iterable
from typing import Final

from snapshotter.formats import canonical_json
from snapshotter.value_class import dataclass

PATH: Final = "capture/form-values.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class FormValue:
    """One form control and what it held."""

    frame: str  # address of its frame
    path: str  # a selector of the element
    type: str  # the browser's type of an input, or "textarea", "select", "contenteditable"
    name: str  # the attribute, or ""
    value: str | None  # None: withheld, a check box or a radio button
    checked: bool | None  # None: neither a check box nor a radio button
    changed: bool  # the value differs from the one in the document
    shown: bool  # the control is laid out and visible
    withheld: bool  # a password, or named like one


def encode(values: Iterable[FormValue], *, salt: bytes) -> bytes:
    """
    Return the file: one line each.

    Args:
        salt: Random, so that the digest of a withheld file confirms no guess of an address or of
            a value. It is in the first line.
    """
    lines = [canonical_json.plain(form_value) for form_value in values]
    return b"".join(
        canonical_json.dumps({**line, "salt": salt.hex()} if number == 0 else line) + b"\n"
        for number, line in enumerate(lines)
    )
