"""What a command says before it does anything: its help, and what it can not understand."""

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from typing_extensions import override

from snapshotter import __main__
from snapshotter.cli.main import COMMANDS
from tests.cases import in_one_test
from tests.unit.cli.shell import Shell

GROUPS = {
    "keys": ("init", "list", "show", "export"),
    "trust": ("init", "add-key", "add-tsa", "show"),
    "store": ("check", "add"),
}


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return Shell(capsys)


@in_one_test(
    "command",
    [*COMMANDS, *(f"{name} {subcommand}" for name, them in GROUPS.items() for subcommand in them)],
)
def test_every_command_explains_itself(shell: Shell, command: str) -> None:
    assert shell.run(*command.split(), "--help") == 0

    assert shell.err == ""
    assert shell.out.startswith(f"Usage: snapshotter {command} ")
    assert "\b" not in shell.out  # click's mark for a paragraph that is not rewrapped
    # With an example of itself; a group has its commands instead.
    examples = re.split(r"\n +Examples?:\n", shell.out)[1:]
    assert examples or re.search(r"\n *Commands:\n", shell.out), shell.out
    for example in examples:
        assert re.search(rf"snapshotter {command}( |\n)", example)


@pytest.mark.parametrize(
    "arguments",
    [
        ("capture",),
        ("capture", "--no-such-option", "http://127.0.0.1/"),
        ("capture", "--lock-days", "0", "http://127.0.0.1/"),
        ("capture", "--passphrase-file", "missing", "http://127.0.0.1/"),
        ("capture", "--viewport", "x", "http://127.0.0.1/"),
        ("capture", "--allow-network", "x", "http://127.0.0.1/"),
        ("verify",),
        ("no-such-command",),
    ],
    ids=" ".join,
)
def test_what_can_not_be_understood_ends_in_2_with_nothing_on_stdout(
    shell: Shell, arguments: tuple[str, ...]
) -> None:
    assert (shell.run(*arguments), shell.out) == (2, "")
    assert "Usage:" in shell.err or "Error:" in shell.err


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("http//example.org", "if you mean http://example.org, give this address"),
        ("http://exa mple.org/a", "if you mean http://example.org/a, give this address"),
        ("ftp://example.org/", ""),
        ("file:///etc/passwd", ""),
        ("javascript:alert(1)", ""),
        ("http://", ""),
        (
            "http://user:secret@example.org/",
            ("remove the user name and the password from the URL: the part before the @"),
        ),
        ("http://[::1", ""),
        ("http://127.0.0.1:99999/", ""),
    ],
)
def test_an_address_that_can_not_be_captured_is_refused_in_one_sentence(
    shell: Shell, tmp_path: Path, url: str, hint: str
) -> None:
    assert (shell.run("capture", url), shell.out) == (1, "")

    assert shell.err.startswith("snapshotter: ")
    assert hint in shell.err
    assert "secret" not in shell.err
    assert list(tmp_path.iterdir()) == []  # no store, no key


def test_a_policy_with_an_unknown_key_is_refused_with_its_name(
    shell: Shell, tmp_path: Path
) -> None:
    policy = tmp_path / "typo.toml"
    policy.write_text('name = "typo"\n[limits]\ntotal_seconds = 3\n')

    assert (shell.run("capture", "--policy", policy, "http://127.0.0.1/"), shell.out) == (1, "")
    assert "total_seconds" in shell.err


def test_ctrl_c_while_the_program_is_still_being_loaded_is_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Loading(ModuleType):
        @override
        def __getattr__(self, name: str) -> None:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "snapshotter.cli.main", Loading("snapshotter.cli.main"))

    with pytest.raises(SystemExit) as left:
        __main__.entry()

    assert left.value.code == 130
    assert capsys.readouterr().err == "snapshotter: interrupted\n"


def test_a_place_that_can_not_be_written_to_is_named_with_what_to_do(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(tmp_path / "file" / "data"))

    named = f"{tmp_path / 'file' / 'data'}"
    for command, begin in (
        (("queue", "list"), f"snapshotter: {named}: "),
        (("counts", "https://example.org"), f"snapshotter: the directory {named}/index "),
    ):
        assert shell.run(*command) == 1
        said, hint = shell.err.splitlines()
        assert said.startswith(begin)
        assert "data_dir" in hint


def test_ctrl_c_ends_the_waiting_for_threads_and_not_what_is_done_at_the_end() -> None:
    code = """
import atexit, sys, threading
from snapshotter.__main__ import entry

def wait():  # as Python 3.11 and 3.12 do; later versions show the interruption themselves
    raise KeyboardInterrupt

atexit.register(lambda: print("at the end"))
threading._shutdown = wait
sys.argv = ["snapshotter", "no-such-command"]
entry()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.stdout.splitlines() == ["at the end"]
    assert done.returncode == 2


def test_a_process_ends_what_has_to_end_and_leaves_the_rest_to_the_system() -> None:
    """With the modules of a capture, the interpreter would take 0.2 s to free the rest."""
    code = """
import atexit, sys, threading, time

class Held:
    def __del__(self):
        print("taken apart", flush=True)

held = Held()
atexit.register(lambda: print("at the end"))
threading.Thread(target=lambda: (time.sleep(0.3), print("thread"))).start()
threading.Thread(target=lambda: time.sleep(600), daemon=True).start()
sys.argv = ["snapshotter", "no-such-command"]
from snapshotter.__main__ import entry
entry()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.stdout.splitlines() == ["thread", "at the end"]
    assert "no-such-command" in done.stderr
    assert done.returncode == 2


def test_an_address_without_a_scheme_is_completed_and_the_person_is_told(shell: Shell) -> None:
    assert shell.run("policy", "explain", "example.org/a", "--json") == 0
    assert "example.org/a has no scheme, so https:// is added: https://example.org/a" in shell.err
    Path("page.html").write_bytes(b"")
    assert shell.run("policy", "explain", "page.html") == 1
    assert "https:// is added" not in shell.err


def test_the_choices_of_a_missing_argument_are_listed_in_plain_characters(shell: Shell) -> None:
    assert shell.run("completion") == 2
    assert [line.strip(" ,") for line in shell.err.splitlines()[-3:]] == ["bash", "zsh", "fish"]


def test_a_mistyped_command_gets_the_nearest_commands(shell: Shell) -> None:
    for typed, near in {"captur": "capture", "verfy": "verify", "LIST": "list"}.items():
        assert shell.run(typed) == 2
        assert f"the command {typed} does not exist. Did you mean {near}?" in shell.err
    assert shell.run("xyzzy") == 2
    assert "snapshotter --help" in shell.err
