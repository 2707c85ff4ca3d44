"""What is printed: whatever a stranger named it, it can not steer the terminal."""

import contextlib
import json
import os
import pty
import subprocess
import sys

import pytest

from snapshotter.cli.main import main
from snapshotter.cli.output import (
    Steps,
    print_error,
    print_json,
    print_message,
    print_result,
    verdict_lines,
)
from snapshotter.errors import SnapshotterError
from snapshotter.model.assessment import Assessment, AssessmentSummary
from tests.tools import ROOT
from tests.unit.assess.pages import assessor, site_page

BAD = "a\x1b[31mred\x9b2J\u202e\ud800\U000e0001\rb"
SAFE = "a\\u001b[31mred\\u009b2J\\u202e\\ud800\\U000e0001\\u000db"


def test_a_result_is_one_line_whatever_it_quotes(capsys: pytest.CaptureFixture[str]) -> None:
    print_result(f"{BAD}\nsnapshotter: PASSED 世界")

    assert capsys.readouterr().out == f"{SAFE}\\u000asnapshotter: PASSED 世界\n"


def test_what_is_said_can_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_message(f"it is {BAD}")

    assert capsys.readouterr().err == f"snapshotter: it is {SAFE}\n"


def test_a_quoted_line_end_begins_no_line_that_looks_like_ours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_message(
        "two lines\n  of ours, and of a file named x\nsnapshotter: PASSED\u2028snapshotter: PASSED"
    )

    assert capsys.readouterr().err == (
        "snapshotter: two lines\n  of ours, and of a file named x\n"
        "  snapshotter: PASSED\\u2028snapshotter: PASSED\n"
    )


def test_an_error_and_its_hint_can_not_steer_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_error(SnapshotterError(BAD, hint=BAD))

    assert capsys.readouterr().err == f"snapshotter: {SAFE}\nsnapshotter: try: {SAFE}\n"


def test_a_command_in_a_hint_stands_alone_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(
        SnapshotterError("no such host", hint="list the hosts:\n  snapshotter queue hosts list")
    )

    assert capsys.readouterr().err.splitlines() == [
        "snapshotter: no such host",
        "snapshotter: try: list the hosts:",
        "  snapshotter queue hosts list",
    ]


def test_json_is_the_same_value_and_safe(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"title": BAD})

    line = capsys.readouterr().out
    assert json.loads(line) == {"title": BAD}
    assert all(character.isprintable() for character in line.removesuffix("\n"))


@pytest.mark.parametrize(
    "arguments",
    [["store", "add", "e\x1b[31mRED.wacz"], ["--e\x1b[31m"], ["verify", "e\x1b[31mRED.wacz"]],
    ids=["file", "option", "bundle"],
)
def test_a_name_in_a_message_of_the_front_door_is_safe(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) in (1, 2)

    err = capsys.readouterr().err
    assert "[31m" in err
    assert "\x1b" not in err


@pytest.mark.parametrize(
    ("stage", "said"),
    [("pdf", "printing to PDF"), ("viewport-phone", "photographing the page in the window phone")],
)
def test_a_step_is_said_in_words(stage: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with Steps() as steps:
        steps(stage, "")

    assert capsys.readouterr().err == f"snapshotter: {said}\n"


def test_steps_that_run_beside_each_other_are_said_once_a_capture(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Steps() as steps:
        for _ in range(2):
            steps("pdf", "")
            steps("viewport-phone", "")
            steps("pdf", "tile 1")
            steps("viewport-phone", "tile 1")

    said = ["printing to PDF", "photographing the page in the window phone"]
    assert capsys.readouterr().err.splitlines() == [f"snapshotter: {line}" for line in 2 * said]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("wx/frozen-name", [("account", "frozen, as the page states")]),
        ("wb/repost-deleted", [("quoted item", "not available, according to the rule wb-01")]),
        ("wx/future-wording", [("new rule", "this rule would match the notice:")]),
        ("wx/deleted-zh", []),
    ],
)
def test_what_a_page_says_beside_its_verdict_is_told(
    name: str, told: list[tuple[str, str]]
) -> None:
    content, verdict = assessor().judge(site_page(name))

    lines = verdict_lines(AssessmentSummary.of(Assessment(content=content, takedown=verdict)))

    assert [
        line for line in lines if line[0] in {"account", "label", "quoted item", "new rule"}
    ] == told
    assert (("", 'cause = "not_stated"') in lines) is (name == "wx/future-wording")


_ON_A_TERMINAL = """
import threading
from snapshotter.cli.output import Steps, print_message, print_result
with Steps() as steps:
    steps("load", "")
    print_message("a key was made")
    other = threading.Thread(target=print_result, args=("the result of another page",))
    other.start()
    other.join()
    steps("store", "")
print_result("the result")
"""


def test_in_a_terminal_nothing_is_printed_into_the_line_of_the_current_step() -> None:
    """The program runs in a pseudo-terminal, because the line exists only there."""
    ours, theirs = pty.openpty()
    subprocess.run(
        [sys.executable, "-c", _ON_A_TERMINAL], cwd=ROOT, stdin=theirs, stdout=theirs,
        stderr=theirs, check=True, timeout=60, env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # a terminal whose other end is closed
        while part := os.read(ours, 65_536):
            shown += part
    os.close(ours)

    for text in (b"snapshotter: a key was made", b"the result of another page", b"the result\r"):
        before = shown[: shown.rindex(text)]
        erased = before.rstrip(b"\x1b[?25lh\r")
        assert before.endswith((b"\r\n", b"\x1b[2K")) or erased.endswith(b"\x1b[2K"), before[-40:]
    assert shown.rstrip().endswith(b"the result")
