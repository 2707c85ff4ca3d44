"""
Edits of bundles, sidecars and trust files by a seed: both verifiers have to say the same.

Nobody wrote down what each edit must give; only that no edited bundle passes by one verifier
and not by the other, with the same codes, and that neither breaks. One of each kind
(scripts/fuzz_verifiers.py) runs always; the long run is `make fuzz`.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scripts import fuzz_verifiers
from scripts.fuzz_verifiers import SEED, Comparison, edited_bytes, edited_json
from snapshotter.errors import EvidenceUnverifiable
from snapshotter.verify.files import read_trust
from tests.fuzzing import tries
from tests.unit.verify.test_minimal_verifier import MINIMAL

EACH = tries(1)  # edits of each kind
TRUST_FILES = tries(40)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Comparison]:
    made = Comparison(tmp_path_factory.mktemp("edits"))
    yield made
    made.close()


@pytest.mark.fuzz
def test_both_verifiers_say_the_same_of_any_edit(both: Comparison) -> None:
    apart: list[str] = []
    seen: set[str] = set()
    for number in range(EACH * len(both.editor.kinds)):
        name, first, second, same = both.case(SEED, number)
        if not same:
            apart.append(f"{number} {name}: first {first}, second {second}")
        seen.add(first.split("'")[1])

    assert apart == []
    assert seen == {"passed", "failed", "indeterminate"}  # nothing was compared without effect


@pytest.mark.fuzz
def test_both_verifiers_take_or_refuse_the_same_trust_files(
    both: Comparison, tmp_path: Path
) -> None:
    now, file = datetime.now(UTC), tmp_path / "trust.json"
    good, _ = both.trust["log-quorum"]
    apart = []
    for number in range(TRUST_FILES):
        dice = random.Random(f"{SEED} trust {number}")  # noqa: S311 - repeatable, not secret
        data = edited_json(good, dice) if number % 4 else edited_bytes(good, dice)
        signature = both.sign_trust(data)
        file.write_bytes(data)
        file.with_name(f"{file.name}.sig").write_bytes(signature)
        try:
            read_trust(file, pinned_root=both.pin, now=now)
            first = "taken"
        except EvidenceUnverifiable as error:
            first = f"refused: {error}"
        try:
            MINIMAL.Trust(data, signature, both.pin, now, both.openssl)
            second = "taken"
        except MINIMAL.Refused as error:
            second = f"refused: {error}"
        if first[:5] != second[:5]:
            apart.append(f"{number}: first {first}, second {second}")

    assert apart == []


def test_a_run_says_how_to_make_a_disagreement_again(
    both: Comparison,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With a second verifier that is of another opinion: the files are kept, the number is told."""
    number = next(number for number in range(99) if "'failed'" in both.case(5, number)[1])
    monkeypatch.setattr(fuzz_verifiers, "Comparison", lambda folder: both)
    monkeypatch.setattr(both, "close", lambda: None)
    monkeypatch.setattr(fuzz_verifiers, "by_the_second", lambda *place: ("passed", [], 0, ""))

    code = fuzz_verifiers.main(
        ["--seed", "5", "--only", str(number), "--keep", str(tmp_path / "kept")]
    )

    said = capsys.readouterr().out
    kept = tmp_path / "kept" / f"5-{number}"
    assert code == 1
    assert f"case {number} of seed 5" in said
    assert str(kept) in said
    assert {"bundle.wacz", "trust.json", "trust.json.sig", "root-key"} <= {
        path.name for path in kept.iterdir()
    }
