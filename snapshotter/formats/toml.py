"""
Parse untrusted TOML in a time that grows only with its length.

The parser of the standard library is slow for dotted keys of very many parts, so those are refused.
"""

import re
import tomllib
from typing import Any

_MOST_PARTS = 64  # of one dotted key
_TEXT = re.compile(r'"(?:\\.|[^"\\])*+"|\'[^\']*+\'')
_BETWEEN_KEYS = re.compile(r"[=,{}\[\]#]")


def loads(text: str) -> dict[str, Any]:
    """
    Return what a document says.

    Raises:
        ValueError: No TOML, numbers without an end, or a key of more parts than anybody
            writes: `a.a.a.a… = 1` takes the parser a time that grows with the square.
        RecursionError: Nested too deeply.
    """
    for line in text.splitlines():
        if line.count(".") > _MOST_PARTS and _has_long_key(line):
            raise ValueError(f"a key has more than {_MOST_PARTS} parts")
    return tomllib.loads(text)


def _has_long_key(line: str) -> bool:
    plain = _TEXT.sub("", line)
    return any(part.count(".") > _MOST_PARTS for part in _BETWEEN_KEYS.split(plain))
