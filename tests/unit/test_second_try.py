"""What `--again` promises (docs/adr/0051-a-second-try.md), tried on pytest itself."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import pathlib
import pytest

@pytest.mark.{mark}
@pytest.mark.parametrize("number", range({count}))
def test_that_passes_at_the_second_try(number, request):
    tried = pathlib.Path(__file__).with_name(f"tried-{{number}}")
    if not tried.exists():
        tried.touch()
        raise RuntimeError("why the first try failed")
"""


@pytest.mark.parametrize(
    ("mark", "count", "options", "code"),
    [
        ("e2e", 2, ("--again", "2"), 0),
        ("e2e", 3, ("--again", "2"), 1),  # too many for an accident
        ("e2e", 1, (), 1),
        ("s3", 1, ("--again", "2"), 1),  # none of those that may be tried again
    ],
)
def test_some_tests_have_a_second_try_and_the_first_is_told(
    tmp_path: Path, mark: str, count: int, options: tuple[str, ...], code: int
) -> None:
    (tmp_path / "test_given.py").write_text(TESTS.format(mark=mark, count=count))
    command = (sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:xdist")
    config = ("-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path))
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", *config, *options, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout
    assert "why the first try failed" in done.stdout
    assert ("unsteady:" in done.stdout) == (mark == "e2e" and bool(options))
