"""
Read and write `capture/assessment.json`: what a capture shows, concluded by rules.

It is the canonical JSON of `model.assessment.Assessment` (docs/spec/assessment.md). The bundle
also holds what the assessment was made from: the files of the page, and the rule files that were
used.
"""

import re
from collections.abc import Iterable
from typing import Final

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json, typed
from snapshotter.model.assessment import Assessment
from snapshotter.translation import tr

PATH: Final = "capture/assessment.json"
MAX_BYTES: Final = 8 << 20
MAX_RULES_BYTES: Final = 1 << 20  # of one file of rules

MAX_VALUES: Final = 200_000
_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_RULES: Final = re.compile(r"capture/rules-([a-z0-9][a-z0-9-]{0,39})\.toml")


def encode(assessment: Assessment) -> bytes:
    """Return the file. `unread` is in it only where something could not be read."""
    whole = canonical_json.plain(assessment)
    if not assessment.unread:
        del whole["unread"]
    return canonical_json.dumps(whole)


def parse(data: bytes) -> Assessment:
    """
    Read the file.

    Raises:
        EvidenceInvalid: It is none, or larger than one may be.
    """
    if len(data) > MAX_BYTES:
        raise EvidenceInvalid(
            tr("the assessment is longer than {max_bytes} bytes", max_bytes=MAX_BYTES)
        )
    return typed.read(Assessment, canonical_json.loads(data, max_values=MAX_VALUES))


def rules_path(rules: str) -> str:
    """Return where a bundle has a file of rules. Raises ValueError for an id that is none."""
    if _ID.fullmatch(rules) is None:
        raise ValueError(f"{rules!r} is not the id of a rule file")
    return f"capture/rules-{rules}.toml"


def rules_in(paths: Iterable[str]) -> dict[str, str]:
    """Return the ids of the files of rules among the names of a bundle, each with its path."""
    found = ((_RULES.fullmatch(path), path) for path in paths)
    return {match[1]: path for match, path in found if match is not None}
