"""The example of docs/spec/log.md is one: a verifier written from that page can be tried on it."""

import re
from pathlib import Path

import pytest

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.proofs import leaf, note, tlog_proof

SPEC = Path(__file__).parents[4] / "docs" / "spec" / "log.md"
BLOCKS = re.findall(r"^```[a-z]*\n(.*?)^```$", SPEC.read_text(), re.DOTALL | re.MULTILINE)
LOG_KEY, WITNESS_KEY = (
    note.parse_verifier_key(line)
    for block in BLOCKS
    if "+" in block.partition("\n")[0]
    for line in block.splitlines()
)
LEAVES = [block.encode() for block in BLOCKS if re.match(r"snapshotter-leaf/1\n[a-z]+ \w", block)]
(PROOF,) = (block.encode() for block in BLOCKS if block.startswith("c2sp.org/tlog-proof@v1\n"))


def test_the_leaves_of_the_example_are_leaves() -> None:
    assert [leaf.parse(leaf_bytes).kind for leaf_bytes in LEAVES] == ["trust", "bundle", "custody"]
    assert leaf.parse(LEAVES[1]).hash().hex() in SPEC.read_text()


def test_the_proof_of_the_example_shows_its_second_entry() -> None:
    proof, signed = tlog_proof.check(PROOF, LEAVES[1], LOG_KEY, [WITNESS_KEY])

    assert (proof.index, signed.size) == (1, 3)
    assert [f"{cosignature.time:%Y-%m-%dT%H:%M:%SZ}" for cosignature in signed.cosignatures] == [
        "2026-11-25T16:06:42Z"
    ]


@pytest.mark.parametrize("other", [0, 2])
def test_it_shows_no_other_entry(other: int) -> None:
    with pytest.raises(EvidenceInvalid):
        tlog_proof.check(PROOF, LEAVES[other], LOG_KEY)
