"""CBOR as we write it, against a library that is not ours."""

from typing import Any

import cbor2
import pytest

from snapshotter.formats import cbor
from tests.cases import in_one_test

EDGES = sorted(
    {number + step for number in (0, 24, 1 << 8, 1 << 16, 1 << 32) for step in (-1, 0, 1)}
    | {(1 << 64) - 1, -(1 << 64)}
)


@in_one_test(
    "value",
    [
        None,
        *EDGES,
        *(b"x" * length for length in (0, 23, 24, 255, 256, 65536)),
        *("ä" * length for length in (0, 11, 12, 128)),
        *(list(range(length)) for length in (0, 23, 24, 300)),
        [1, [b"", ["", None]], {}],
        {395: 1, 4: b"key", 1: -8, 15: {2: "subject", 1: "issuer"}},
        {-1: [b"proof"]},
        dict.fromkeys(range(300), 0),
    ],
)
def test_a_value_has_the_bytes_that_a_library_writes(value: Any) -> None:
    assert cbor.encode(value) == cbor2.dumps(value, canonical=True)


def test_keys_of_a_map_are_sorted_by_their_bytes() -> None:
    """RFC 8949, 4.2.1 differs from the older rule, which sorts by length first."""
    assert cbor.encode({-1: 0, 100: 0, 10: 0}).hex() == "a30a001864002000"


@in_one_test("value", [1 << 64, -(1 << 64) - 1])
def test_an_integer_of_more_than_64_bits_is_refused(value: int) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        cbor.encode(value)


@in_one_test("value", [True, 1.5, {1}, [object()]])
def test_another_type_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="cannot be written"):
        cbor.encode(value)
