"""
Merkle trees: the hashes and proofs of RFC 6962, and nothing that is nearly one.

The tree of eight entries, its roots and its proofs are facts of the test data of
transparency-dev/merkle; the ways to spoil a proof are those that its vectors name.
"""

import base64
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.proofs import merkle
from tests.cases import in_one_test

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    bytes.fromhex(text)
    for text in (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "lqKW0iTyhcZ77pPDD4owkVfw2qNdxbh+QQt4YwoJz8c=",
        "Xwg/ChozygdqlSeYMlgNs+DvRYS9/x9UyKNg9Q3jAx4=",
        "a0eq8p7jwq+a+Im8H7klTavTEXfxYjLdaqsDXKOb9uQ=",
    ],
    (5, 8): [
        "vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms=",
        "yoVOoSjtBQtBs1/8G4e46yveRh6eO1WW7Oa51ZdaCuA=",
        "037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc=",
    ],
    (2, 3): ["+sVCA+fMaWzw38tCySodnbr3CtnmIfS9jZhmLwDjwSU="],
    (1, 5): [
        "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=",
        "Xwg/ChozygdqlSeYMlgNs+DvRYS9/x9UyKNg9Q3jAx4=",
        "vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms=",
    ],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): [
        "lqKW0iTyhcZ77pPDD4owkVfw2qNdxbh+QQt4YwoJz8c=",
        "Xwg/ChozygdqlSeYMlgNs+DvRYS9/x9UyKNg9Q3jAx4=",
        "a0eq8p7jwq+a+Im8H7klTavTEXfxYjLdaqsDXKOb9uQ=",
    ],
    (6, 8): [
        "DrxdNDf74tsVi58Sah0RjjCBgQMdCpSfje3t68VY72o=",
        "yoVOoSjtBQtBs1/8G4e46yveRh6eO1WW7Oa51ZdaCuA=",
        "037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc=",
    ],
    (2, 5): [
        "Xwg/ChozygdqlSeYMlgNs+DvRYS9/x9UyKNg9Q3jAx4=",
        "vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms=",
    ],
    (6, 7): [
        "DrxdNDf74tsVi58Sah0RjjCBgQMdCpSfje3t68VY72o=",
        "sIaT7C5yFZcTBkHoIR5+7cy0wmQTlj7ubB4u0W/7Gl8=",
        "037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc=",
    ],
}  # fmt: skip

OTHER = merkle.leaf_hash(b"a hash that stands in none of the trees")


def hashes(texts: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(base64.b64decode(text) for text in texts)


def nodes(leaves: Sequence[bytes]) -> merkle.NodeReader:
    """Return a reader that works every subtree out from the leaves."""

    def node(level: int, index: int) -> bytes:
        count = 1 << level
        return merkle.root(
            merkle.leaf_hash(leaf) for leaf in leaves[index * count : (index + 1) * count]
        )

    return node


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_the_test_data(size: int) -> None:
    assert merkle.root(merkle.leaf_hash(leaf) for leaf in LEAVES[:size]) == ROOTS[size]
    assert merkle.frontier(size, nodes(LEAVES)).root == ROOTS[size]


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_an_inclusion_proof_is_that_of_the_test_data(index: int, size: int) -> None:
    expected = hashes(INCLUSION[index, size])

    assert merkle.inclusion_proof(index, size, nodes(LEAVES)) == expected
    merkle.check_inclusion(merkle.leaf_hash(LEAVES[index]), index, size, expected, ROOTS[size])


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_a_consistency_proof_is_that_of_the_test_data(old: int, new: int) -> None:
    expected = hashes(CONSISTENCY[old, new])

    assert merkle.consistency_proof(old, new, nodes(LEAVES)) == expected
    merkle.check_consistency(old, new, expected, ROOTS[old], ROOTS[new])


Proof = tuple[bytes, ...]
SPOILED_PROOFS: dict[str, Callable[[Proof, bytes], Proof]] = {
    "preceding garbage": lambda proof, root: (b"", *proof),
    "trailing garbage": lambda proof, root: (*proof, b""),
    "preceding root": lambda proof, root: (root, *proof),
    "trailing root": lambda proof, root: (*proof, root),
    "an inserted component": lambda proof, root: (*proof[:1], OTHER, *proof[1:]),
    "a removed component": lambda proof, root: proof[1:],
    "truncated": lambda proof, root: proof[:-1],
    "empty": lambda proof, root: (),
    "a modified bit at the beginning": lambda proof, root: (_flipped(proof[0]), *proof[1:]),
    "a modified bit at the end": lambda proof, root: (*proof[:-1], _flipped(proof[-1])),
    "doubled": lambda proof, root: (*proof, *proof),
    "a short hash": lambda proof, root: (proof[0][:-1], *proof[1:]),
    "a long hash": lambda proof, root: (proof[0] + b"\0", *proof[1:]),
}


def _flipped(value: bytes) -> bytes:
    return bytes([value[0] ^ 0x10]) + value[1:]


@in_one_test("spoil", SPOILED_PROOFS.values(), ids=SPOILED_PROOFS)
@in_one_test(("index", "size"), [case for case in INCLUSION if case[1] > 1])
def test_no_other_inclusion_proof_holds(
    index: int, size: int, spoil: Callable[[Proof, bytes], Proof]
) -> None:
    proof = spoil(hashes(INCLUSION[index, size]), ROOTS[size])

    with pytest.raises(EvidenceInvalid):
        merkle.check_inclusion(merkle.leaf_hash(LEAVES[index]), index, size, proof, ROOTS[size])


@in_one_test("spoil", SPOILED_PROOFS.values(), ids=SPOILED_PROOFS)
@in_one_test(("old", "new"), [case for case in CONSISTENCY if case[0] < case[1]])
def test_no_other_consistency_proof_holds(
    old: int, new: int, spoil: Callable[[Proof, bytes], Proof]
) -> None:
    proof = spoil(hashes(CONSISTENCY[old, new]), ROOTS[new])

    with pytest.raises(EvidenceInvalid):
        merkle.check_consistency(old, new, proof, ROOTS[old], ROOTS[new])


@pytest.mark.parametrize(("index", "size"), [case for case in INCLUSION if case[1] > 1])
def test_an_inclusion_proof_holds_for_one_place_in_one_tree(index: int, size: int) -> None:
    proof = hashes(INCLUSION[index, size])
    leaf = merkle.leaf_hash(LEAVES[index])

    for other in (index - 1, index + 1, index ^ 2, -1, size):
        with pytest.raises(EvidenceInvalid):
            merkle.check_inclusion(leaf, other, size, proof, ROOTS[size])
    for count in (size // 2, size * 2, 0):
        with pytest.raises(EvidenceInvalid):
            merkle.check_inclusion(leaf, index, count, proof, ROOTS[size])
    for wrong_leaf, wrong_root in ((OTHER, ROOTS[size]), (leaf, OTHER), (leaf, b""), (b"", leaf)):
        with pytest.raises(EvidenceInvalid):
            merkle.check_inclusion(wrong_leaf, index, size, proof, wrong_root)


@pytest.mark.parametrize(("old", "new"), [case for case in CONSISTENCY if case[0] < case[1]])
def test_a_consistency_proof_holds_between_two_trees(old: int, new: int) -> None:
    proof = hashes(CONSISTENCY[old, new])

    for first, second in (
        (old - 1, new),
        (old + 1, new),
        (old ^ 2, new),
        (old, new * 2),
        (new, old),
    ):
        with pytest.raises(EvidenceInvalid):
            merkle.check_consistency(first, second, proof, ROOTS[old], ROOTS[new])
    for first_root, second_root in (
        (ROOTS[new], ROOTS[old]), (OTHER, ROOTS[new]), (ROOTS[old], OTHER), (b"", ROOTS[new]),
    ):  # fmt: skip
        with pytest.raises(EvidenceInvalid):
            merkle.check_consistency(old, new, proof, first_root, second_root)


@pytest.mark.parametrize(
    ("old", "new", "proof", "old_root", "new_root"),
    [
        (1, 0, (), ROOTS[1], ROOTS[0]),
        (0, 1, (OTHER,), ROOTS[0], ROOTS[1]),
        (0, 1, (), OTHER, ROOTS[1]),  # the empty tree has one root
        (0, 0, (), OTHER, OTHER),
        (0, 0, (ROOTS[0],), ROOTS[0], ROOTS[0]),
        (1, 1, (OTHER,), ROOTS[1], ROOTS[1]),
        (1, 1, (), ROOTS[1], OTHER),
    ],
)
def test_what_needs_no_proof_has_none(
    old: int, new: int, proof: Proof, old_root: bytes, new_root: bytes
) -> None:
    with pytest.raises(EvidenceInvalid):
        merkle.check_consistency(old, new, proof, old_root, new_root)


def test_every_tree_extends_the_empty_one() -> None:
    merkle.check_consistency(0, 5, (), merkle.EMPTY_ROOT, ROOTS[5])
    assert merkle.consistency_proof(0, 5, nodes(LEAVES)) == ()


@given(st.integers(1, 70), st.data())
def test_every_entry_and_every_older_tree_can_be_proven(size: int, data: st.DataObject) -> None:
    entries = [b"%d" % number for number in range(size)]
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
    tree_root = merkle.root(map(merkle.leaf_hash, entries))

    proof = merkle.inclusion_proof(index, size, nodes(entries))
    merkle.check_inclusion(merkle.leaf_hash(entries[index]), index, size, proof, tree_root)
    merkle.check_consistency(
        old,
        size,
        merkle.consistency_proof(old, size, nodes(entries)),
        merkle.root(map(merkle.leaf_hash, entries[:old])),
        tree_root,
    )


def test_a_tree_grows_from_its_right_edge() -> None:
    entries = [b"%d" % number for number in range(40)]
    tree = merkle.frontier(13, nodes(entries))
    for entry in entries[13:]:
        tree.append(merkle.leaf_hash(entry))

    assert tree.size == 40
    assert tree.root == merkle.root(map(merkle.leaf_hash, entries))


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 3), (3, 3)])
def test_no_proof_is_made_for_what_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="has no entry"):
        merkle.inclusion_proof(index, size, nodes(LEAVES))


def test_no_proof_is_made_from_the_larger_tree_to_the_smaller() -> None:
    with pytest.raises(ValueError, match="does not extend"):
        merkle.consistency_proof(5, 4, nodes(LEAVES))


def test_a_frontier_has_a_hash_for_each_bit_of_its_size() -> None:
    with pytest.raises(ValueError, match="one whole subtree"):
        merkle.Frontier(3, [OTHER])
