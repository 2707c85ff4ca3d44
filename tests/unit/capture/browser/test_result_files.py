"""Large results of the browser reach us through files, and everything else as it was sent."""

import asyncio
import base64
import json
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.async_api import CDPSession
from typing_extensions import override

from snapshotter.capture.browser import driver_script, result_files
from snapshotter.capture.browser.result_files import receive_bytes, receive_text
from snapshotter.errors import SnapshotterError

PROGRAM = Path(result_files.__file__).with_name("result_files.js")
LARGE = "iVBORw0KGgo=" * 6_000

# Stands for the driver: it sends commands, and prints each message that it receives.
DRIVER = """
const {spawn} = require('child_process');
const [python, browser, commands] = process.argv.slice(2);
const stdio = ['ignore', 'inherit', 'inherit', 'pipe', 'pipe'];
const child = spawn(python, [browser], {stdio});
const parts = [];
child.stdio[4].on('data', (data) => parts.push(data));
child.stdio[4].on('end', () => process.stdout.write(Buffer.concat(parts)));
for (const command of JSON.parse(commands)) {
  child.stdio[3].write(JSON.stringify(command));
  child.stdio[3].write('\\0');
}
child.stdio[3].end();
"""
# Stands for the browser: it reads all commands and answers them, in one piece or byte by byte.
BROWSER = """
import json, os, time
asked = b""
while data := os.read(3, 1 << 16):
    asked += data
commands = [json.loads(text) for text in asked.split(b"\\0") if text]
for answer in {answers!r}:
    data = answer.replace(b"ASKED", json.dumps(commands).encode().hex().encode())
    for at in range(0, len(data), {step}):
        os.write(4, data[at : at + {step}])
        if {step} < len(data):
            time.sleep(0.001)
"""


def passed(
    results: Path, commands: list[dict[str, Any]], *answers: bytes, step: int = 1 << 20
) -> bytes:
    """Return what the driver receives of these answers."""
    with tempfile.TemporaryDirectory() as folder:
        driver, browser = Path(folder, "driver.js"), Path(folder, "browser.py")
        driver.write_text(DRIVER)
        browser.write_text(BROWSER.format(answers=answers, step=step))
        done = subprocess.run(
            [
                driver_script.driver_directory() / "node", "--require", PROGRAM, driver,
                sys.executable, browser, json.dumps(commands),
            ],
            env={"PATH": os.environ["PATH"], "RESULTS_DIRECTORY": str(results)},
            capture_output=True,
            timeout=60,
            check=True,
        )  # fmt: skip
    assert done.stderr == b""
    return done.stdout


def asking(number: int, name: str, into: str = "intoFile") -> dict[str, Any]:
    parameters = {"format": "png", into: name}
    return {"id": number, "method": "Page.captureScreenshot", "params": parameters}


def answering(number: int, text: str, session: str = "") -> bytes:
    answer: dict[str, Any] = {"id": number, "result": {"data": text}}
    if session:
        answer["sessionId"] = session
    return json.dumps(answer, separators=(",", ":")).encode() + b"\0"


@pytest.mark.parametrize("step", [1 << 20, 7_001])
def test_a_large_result_goes_to_its_file_and_its_message_is_empty(
    tmp_path: Path, step: int
) -> None:
    before, after = b'{"method":"Page.loadEventFired"}\0', b'{"id":8,"result":{}}\0'

    got = passed(tmp_path, [asking(7, "31")], before, answering(7, LARGE, "A0"), after, step=step)

    assert got == before + answering(7, "", "A0") + after
    assert (tmp_path / "31").read_text() == LARGE
    assert stat.S_IMODE((tmp_path / "31").stat().st_mode) == 0o600


def test_the_bytes_of_base64_go_to_the_file(tmp_path: Path) -> None:
    picture = bytes(range(256)) * 300 + b"."
    text = base64.b64encode(picture).decode()

    got = passed(tmp_path, [asking(7, "31", "decodedIntoFile")], answering(7, text))

    assert got == answering(7, "")
    assert (tmp_path / "31").read_bytes() == picture


def test_what_is_not_base64_passes_as_it_is(tmp_path: Path) -> None:
    answer = answering(7, "!" + LARGE)

    assert passed(tmp_path, [asking(7, "31", "decodedIntoFile")], answer) == answer
    assert list(tmp_path.iterdir()) == []


def test_the_browser_never_gets_the_parameter(tmp_path: Path) -> None:
    plain = {"id": 8, "method": "Runtime.evaluate", "params": {"expression": ',"intoFile":"9"'}}

    got = passed(tmp_path, [asking(7, "31"), plain], b'"ASKED"\0')

    sent = json.loads(bytes.fromhex(json.loads(got[:-1])))
    assert sent == [{**asking(7, "31"), "params": {"format": "png"}}, plain]


@pytest.mark.parametrize(
    "answer",
    [
        answering(7, "iVBORw0KGgo="),  # short
        answering(8, LARGE),  # of another command
        b'{"id":7,"error":{"message":"Unable to capture screenshot"}}\0',
        b'{"id":7,"result":{"data":"' + LARGE.encode() + b'","eof":true}}\0',  # not as expected
    ],
)
def test_another_answer_passes_as_it_is(tmp_path: Path, answer: bytes) -> None:
    assert passed(tmp_path, [asking(7, "31")], answer) == answer
    assert list(tmp_path.iterdir()) == []


def test_a_result_that_cannot_be_written_passes_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "31").symlink_to(tmp_path / "elsewhere")

    assert passed(tmp_path, [asking(7, "31")], answering(7, LARGE)) == answering(7, LARGE)
    assert not (tmp_path / "elsewhere").exists()


class Session:
    """Stands for a session whose driver writes results to files."""

    def __init__(self, results: Path, written: bytes | None, text: str = "") -> None:
        self.results = results
        self.written = written
        self.text = text

    async def send(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        assert (method, parameters["format"]) == ("Page.captureSnapshot", "mhtml")
        if self.written is not None:
            (self.results / parameters["intoFile"]).write_bytes(self.written)
        return {"data": self.text}

    def receive(self) -> str:
        asked = receive_text(
            cast("CDPSession", self), self.results, "Page.captureSnapshot", {"format": "mhtml"}
        )
        return asyncio.run(asked)


def test_the_text_of_a_file_is_returned_and_the_file_is_removed(tmp_path: Path) -> None:
    assert Session(tmp_path, b"aVZC").receive() == "aVZC"
    assert Session(tmp_path, rb"From: \"a\"\r\n\u9577").receive() == 'From: "a"\r\n長'
    assert list(tmp_path.iterdir()) == []


def test_the_bytes_of_a_file_or_of_a_message_are_returned(tmp_path: Path) -> None:
    class Pictures(Session):
        @override
        async def send(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
            if self.written is not None:
                (self.results / parameters["decodedIntoFile"]).write_bytes(self.written)
            return {"data": self.text}

        def picture(self) -> bytes:
            return asyncio.run(
                receive_bytes(cast("CDPSession", self), self.results, "x", {"format": "png"})
            )

    assert Pictures(tmp_path, b"\x89PNG").picture() == b"\x89PNG"
    assert Pictures(tmp_path, None, "iVBORw==").picture() == b"\x89PNG"
    assert list(tmp_path.iterdir()) == []


def test_the_text_of_a_message_is_returned(tmp_path: Path) -> None:
    assert Session(tmp_path, None, "short").receive() == "short"


@pytest.mark.parametrize("written", [None, b'one\\n","other":"two', b"\xff"])
def test_a_missing_or_damaged_file_is_an_error_of_ours(
    tmp_path: Path, written: bytes | None
) -> None:
    with pytest.raises(SnapshotterError, match="cannot be read"):
        Session(tmp_path, written).receive()


def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of ours")

    class Linked(Session):
        @override
        async def send(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
            (self.results / parameters["intoFile"]).symlink_to(secret)
            return {"data": ""}

    with pytest.raises(SnapshotterError, match="symbolic link"):
        Linked(tmp_path, None).receive()


def test_a_result_that_is_larger_than_any_message_is_not_read(tmp_path: Path) -> None:
    class Large(Session):
        @override
        async def send(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
            with (self.results / parameters["intoFile"]).open("wb") as file:
                file.truncate((1 << 29) + 1)  # without blocks on the disk
            return {"data": ""}

    with pytest.raises(SnapshotterError, match="more than 536,870,912 bytes"):
        Large(tmp_path, None).receive()
    assert list(tmp_path.iterdir()) == []
