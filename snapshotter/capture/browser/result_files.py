"""
Receive large results of the browser through files, past the messages of Playwright's driver.

The driver parses each message of the browser and writes it again, and Playwright parses it once
more. A picture of 4 MB has a message of 5.3 MB. `result_files.js` runs in the driver and writes the
text of such a result to a file, whose name is chosen here. Playwright still sends the command and
receives its answer, without the text.

The directory is the driver's alone: the file view of the browser does not contain it.
"""

import asyncio
import base64
import binascii
import itertools
import json
import os
from pathlib import Path
from typing import Any

from playwright.async_api import CDPSession

from snapshotter.errors import SnapshotterError
from snapshotter.regular_file import open_regular
from snapshotter.translation import tr

# The parameters that `result_files.js` removes.
_INTO_FILE, _DECODED_INTO_FILE = "intoFile", "decodedIntoFile"
# Most bytes of a result. The driver can read no longer message, so a file may not have more either.
_MOST = 1 << 29
_numbers = itertools.count(1)  # of the files, in this process


async def receive_text(
    session: CDPSession, directory: Path, method: str, parameters: dict[str, Any]
) -> str:
    """
    Send a command, and return the text `data` of its result.

    Args:
        directory: Where the driver of this session writes; see `BrowserWorkspace.results`.
        parameters: At least one.

    Raises:
        playwright.async_api.Error: The browser refused the command, or is gone.
        SnapshotterError: The file of the result is missing, damaged or too large.
    """
    name = str(next(_numbers))
    answer = await session.send(method, {**parameters, _INTO_FILE: name})
    text = str(answer.pop("data"))
    return text or await asyncio.to_thread(lambda: _unescaped(_take(directory, name)))


async def receive_bytes(
    session: CDPSession, directory: Path, method: str, parameters: dict[str, Any]
) -> bytes:
    """
    Send a command, and return the bytes that the text `data` of its result stands for in base64.

    Args:
        directory: As for `receive_text`.
        parameters: At least one.

    Raises:
        playwright.async_api.Error: As for `receive_text`.
        SnapshotterError: As for `receive_text`, or the text is not base64.
    """
    name = str(next(_numbers))
    answer = await session.send(method, {**parameters, _DECODED_INTO_FILE: name})
    if text := str(answer.pop("data")):
        return await asyncio.to_thread(decode_base64, text)
    return await asyncio.to_thread(_take, directory, name)


def decode_base64(text: str) -> bytes:
    """
    Return the bytes of a picture or a part of a PDF, which the protocol encodes in base64.

    Raises:
        SnapshotterError: It is not base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise SnapshotterError(
            tr("the picture that the browser returned is not valid base64")
        ) from error


def _take(directory: Path, name: str) -> bytes:
    """Return the content of a file of the driver, and remove the file."""
    try:
        inside = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            with open(open_regular(name, inside=inside, follow=False), "rb") as file:
                size = os.fstat(file.fileno()).st_size
                data = file.read(size) if size <= _MOST else None
            os.unlink(name, dir_fd=inside)
        finally:
            os.close(inside)
    except OSError as error:
        raise _unreadable(error) from error
    if data is None:
        raise SnapshotterError(
            tr("the result that the browser returned has more than {most:,} bytes", most=_MOST)
        )
    return data


def _unescaped(data: bytes) -> str:
    """Return the text of which the file has the form in JSON, without quotes around it."""
    try:
        return str(json.loads(b'"%b"' % data))
    except ValueError as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> SnapshotterError:
    return SnapshotterError(
        tr("the result that the browser returned cannot be read: {error}", error=str(error))
    )
