"""Both verifiers and the specification number the same steps; the second lists its contents."""

import inspect
import re
from pathlib import Path

from snapshotter.verify import bundle
from tests.unit.verify.test_minimal_verifier import MINIMAL

ROOT = Path(__file__).resolve().parents[3]
SECOND = (ROOT / "scripts" / "verify_minimal.py").read_text()


def _numbered(source: str) -> list[tuple[int, str]]:
    """The headings of steps: `# (1) container`, at any depth."""
    found = re.findall(r"^ *# \((\d+)\) (\w+)(?=[:\n])", source, re.MULTILINE)
    return [(int(number), name) for number, name in found]


def test_both_verifiers_number_the_same_steps() -> None:
    steps = [(number, step.__name__[1:]) for number, step in enumerate(bundle._STEPS, start=1)]
    order = re.findall(r"self\.(\w+)", inspect.getsource(MINIMAL.Verification.run))

    assert _numbered(inspect.getsource(bundle)) == steps
    assert _numbered(SECOND) == steps
    assert order[: len(steps)] == [name for _, name in steps]


def test_the_specification_has_as_many_steps() -> None:
    text = (ROOT / "docs" / "spec" / "bundle.md").read_text().partition("## Verification")[2]
    rows = re.findall(r"^(\d+)\. `", text.partition("### ")[0], re.MULTILINE)

    assert [int(row) for row in rows] == list(range(1, len(bundle._STEPS) + 1))


def test_the_contents_of_the_second_verifier_name_its_sections_and_steps() -> None:
    contents = SECOND.partition("# Contents\n")[2].partition("\n\n")[0]
    sections = re.findall(r"^# -{98}\n# ([A-Z]\. .*)$", SECOND, re.MULTILINE)

    assert re.findall(r"^# {5}(\S.*)$", contents, re.MULTILINE) == sections
    assert re.findall(r"\((\d+)\) (\w+)", contents) == [
        (str(number), name) for number, name in _numbered(SECOND)
    ]
