"""
`capture/assessment.json`: what a capture shows, as the rules say it (docs/spec/assessment.md).

Canonical JSON of `model.assessment.Assessment`. It stands in the bundle beside what it was
made of: the page's files, and the files of rules as they were used.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json, typed
from snapshotter.model.assessment import Assessment

FORMAT: Final = "snapshotter-assessment/1"
PATH: Final = "capture/assessment.json"
MAX_BYTES: Final = 8 << 20
MAX_RULES_BYTES: Final = 1 << 20  # of one file of rules

_VALUES: Final = 400_000
_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_RULES: Final = re.compile(r"capture/rules-([a-z0-9][a-z0-9-]{0,39})\.toml")


def encode(assessment: Assessment) -> bytes:
    """Return the file."""
    return canonical_json.dumps({"assessment": canonical_json.plain(assessment), "format": FORMAT})


def parse(data: bytes) -> Assessment:
    """
    Read the file.

    Raises:
        EvidenceInvalid: It is none, or larger than one may be.
    """
    if len(data) > MAX_BYTES:
        raise EvidenceInvalid(f"the assessment is longer than {MAX_BYTES} bytes")
    value: Any = canonical_json.loads(data, max_values=_VALUES)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise EvidenceInvalid(f"not an assessment of the form {FORMAT}")
    if set(value) != {"assessment", "format"}:
        raise EvidenceInvalid("the assessment has not the fields that it has to have")
    return typed.read(Assessment, value["assessment"])


def rules_path(rules: str) -> str:
    """Return where a bundle has a file of rules. Raises ValueError for an id that is none."""
    if _ID.fullmatch(rules) is None:
        raise ValueError(f"{rules!r} is no id of a file of rules")
    return f"capture/rules-{rules}.toml"


def rules_in(paths: Iterable[str]) -> dict[str, str]:
    """Return the ids of the files of rules among the names of a bundle, each with its path."""
    found = ((_RULES.fullmatch(path), path) for path in paths)
    return {match[1]: path for match, path in found if match is not None}
