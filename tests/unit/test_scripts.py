"""Every script prints a help with an example, and refuses an option that it does not know."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

NOT_RUN = {
    "common.sh": "other scripts source it",
    "floor.py": "other scripts import it",
}
PYTHON = sorted(path for path in (ROOT / "scripts").glob("*.py") if path.name not in NOT_RUN)
SHELL = sorted(path for path in (ROOT / "scripts").glob("*.sh") if path.name not in NOT_RUN)
SHELL.append(ROOT / "deploy" / "compose" / "secrets.sh")


def test_the_scripts_are_found() -> None:
    assert len(PYTHON) >= 20
    assert len(SHELL) >= 7


@pytest.fixture(autouse=True)
def nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each script in an empty folder, which stays empty, and keep this process as it was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delenv("PYTHONPATH", raising=False)


def run(script: Path, option: str, capsys: pytest.CaptureFixture[str]) -> tuple[object, str, str]:
    """
    Return the exit code, the output and the errors of `script option`.

    A Python script runs in this process: what it imports is imported once for all of them.
    """
    if script.suffix == ".sh":
        ran = subprocess.run(
            ["bash", str(script), option], capture_output=True, text=True, check=False, timeout=30
        )
        return ran.returncode, ran.stdout, ran.stderr
    sys.argv = [str(script), option]
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script), run_name="__main__")
    printed = capsys.readouterr()
    return ended.value.code, printed.out, printed.err


@pytest.mark.parametrize("script", [*PYTHON, *SHELL], ids=lambda script: script.name)
def test_a_script_prints_its_help_and_refuses_unknown_options(
    script: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", sys.argv)

    code, out, err = run(script, "--help", capsys)

    assert (code, err) == (0, "")
    examples = [line for line in out.splitlines() if line.startswith("    ")]
    assert any(script.name in line or script.stem in line for line in examples), out

    code, out, err = run(script, "--no-such-option", capsys)

    assert (code, out) == (2, "")
    assert "usage:" in err
    assert os.listdir(tmp_path) == []
