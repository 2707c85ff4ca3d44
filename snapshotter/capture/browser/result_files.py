"""
Receive large results of the browser through files, past the messages of Playwright's driver.

The driver parses each message of the browser and writes it again, and Playwright parses it once
more. A picture of 4 MB has a message of 5.3 MB. `result_files.js` runs in the driver and writes the
text of such a result to a file, whose name is chosen here. Playwright still sends the command and
receives its answer, without the text.

The directory is the driver's alone: the file view of the browser does not contain it.
"""

import asyncio
import itertools
import json
import os
from pathlib import Path
from typing import Any

from playwright.async_api import CDPSession

from snapshotter.errors import SnapshotterError
from snapshotter.regular_file import open_regular
from snapshotter.translation import tr

_INTO_FILE = "intoFile"  # the parameter that `result_files.js` removes
_numbers = itertools.count(1)  # of the files, in this process


async def receive_data(
    session: CDPSession, directory: Path, method: str, parameters: dict[str, Any]
) -> str:
    """
    Send a command, and return the text `data` of its result.

    Args:
        directory: Where the driver of this session writes; see `BrowserWorkspace.results`.
        parameters: At least one.

    Raises:
        playwright.async_api.Error: The browser refused the command, or is gone.
        SnapshotterError: The file of the result is missing or damaged.
    """
    name = str(next(_numbers))
    answer = await session.send(method, {**parameters, _INTO_FILE: name})
    text = str(answer.pop("data"))
    return text or await asyncio.to_thread(_take, directory, name)


def _take(directory: Path, name: str) -> str:
    """Return the text in a file of the driver, and remove the file."""
    try:
        inside = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            with open(open_regular(name, inside=inside, follow=False), "rb") as file:
                escaped = file.read()
            os.unlink(name, dir_fd=inside)
        finally:
            os.close(inside)
        if b"\\" not in escaped:
            return escaped.decode("ascii")
        return str(json.loads(b'"%b"' % escaped))
    except (OSError, ValueError) as error:
        raise SnapshotterError(
            tr("the result that the browser returned cannot be read: {error}", error=str(error))
        ) from error
