"""
Read a capture record that a stranger may have written, without letting it take the machine.

Canonical JSON of a few megabytes can be a gigabyte of Python objects: `[[],[],…]`
has a list for every three bytes. So what it will become is counted in the bytes,
before any of it is parsed.
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
    # Without escapes, every second piece between quotation marks is outside of texts. What is
    # no JSON may be miscounted, but only behind the place where a parser stops.
    bare = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    if bare.count(b'"') > 4 * MAX_VALUES:  # each value a text under a key
        raise EvidenceInvalid(f"the record holds more than {MAX_VALUES} values")
    outside = b"".join(bare.split(b'"')[::2])
    if sum(outside.count(mark) for mark in (b",", b"[", b"{")) > MAX_VALUES:
        raise EvidenceInvalid(f"the record holds more than {MAX_VALUES} values")
    return canonical_json.loads(data)
