"""The leaves of our log: one spelling, kinds that stay open, and no address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.proofs import leaf, merkle
from snapshotter.formats.proofs.leaf import Leaf

ID = "20261124t160642z-k3v4q2m7xw4c5b6d"
SHA256 = "ab" * 32


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (leaf.BUNDLE, ID), (leaf.CUSTODY, ID), (leaf.TOMBSTONE, ID), (leaf.TRUST, "12"),
        (leaf.REPORT, "audit-20261124t160642z.1"), ("gap-record", "x_1"),
    ],
)  # fmt: skip
def test_a_leaf_is_three_lines(kind: str, name: str) -> None:
    made = Leaf(kind=kind, name=name, sha256=SHA256)

    assert made.encode() == f"snapshotter-leaf/1\n{kind} {name}\nsha256 {SHA256}\n".encode()
    assert leaf.parse(made.encode()) == made
    assert made.hash() == merkle.leaf_hash(made.encode())


def test_a_kind_that_is_not_known_is_read() -> None:
    read = leaf.parse(f"snapshotter-leaf/1\nrecipe cake\nsha256 {SHA256}\n".encode())

    assert (read.kind, read.name) == ("recipe", "cake")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        f"snapshotter-leaf/2\nbundle {ID}\nsha256 {SHA256}\n",
        f"snapshotter-leaf/1\nbundle {ID}\nsha256 {SHA256}",
        f"snapshotter-leaf/1\nbundle {ID}\nsha256 {SHA256}\n\n",
        f"snapshotter-leaf/1\r\nbundle {ID}\r\nsha256 {SHA256}\r\n",
        f"snapshotter-leaf/1\nbundle  {ID}\nsha256 {SHA256}\n",
        f"snapshotter-leaf/1\nbundle {ID} \nsha256 {SHA256}\n",
        f"snapshotter-leaf/1\nbundle {ID}\nsha256 {SHA256.upper()}\n",
        f"snapshotter-leaf/1\nbundle {ID}\nsha256 {SHA256[:-1]}\n",
        f"snapshotter-leaf/1\nbundle {ID}\nsha512 {SHA256}\n",
        f"snapshotter-leaf/1\nbundle ..\nsha256 {SHA256}\n",
        f"snapshotter-leaf/1\nbundle another\nsha256 {SHA256}\n",
        f"snapshotter-leaf/1\ntrust 0\nsha256 {SHA256}\n",
        f"snapshotter-leaf/1\ntrust 01\nsha256 {SHA256}\n",
        f"snapshotter-leaf/1\nBundle {ID}\nsha256 {SHA256}\n",
        f"snapshotter-leaf/1\nrecipe k\u00e4se\nsha256 {SHA256}\n",
        f"snapshotter-leaf/1\nrecipe {'x' * 201}\nsha256 {SHA256}\n",
        f"snapshotter-leaf/1\nrecipe a/b\nsha256 {SHA256}\n",
        f"snapshotter-leaf/1\n{'k' * 33} a\nsha256 {SHA256}\n",
    ],
)
def test_any_other_spelling_is_refused(data: str | bytes) -> None:
    with pytest.raises(EvidenceInvalid):
        leaf.parse(data if isinstance(data, bytes) else data.encode())


@given(st.binary(max_size=200))
def test_any_bytes_are_a_leaf_or_our_error(data: bytes) -> None:
    with pytest.raises(EvidenceInvalid):
        leaf.parse(data)
