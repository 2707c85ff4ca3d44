"""
Read a capture record that a stranger may have written, without letting it take the machine.

What it will become in memory is counted in its bytes, before any of it is parsed.
"""

from typing import Any

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json

# A record names what a capture kept, and every such list has a limit: the longest ones
# are below a tenth of these.
MAX_BYTES = 8 << 20
MAX_VALUES = 200_000  # numbers, texts, lists and objects, one in another


def loads(data: bytes) -> Any:
    """
    Decode the bytes of a capture record.

    Raises:
        EvidenceInvalid: Too long, too many values, or not canonical JSON.
    """
    if len(data) > MAX_BYTES:
        raise EvidenceInvalid(f"the record is longer than {MAX_BYTES} bytes")
    return canonical_json.loads(data, max_values=MAX_VALUES)
