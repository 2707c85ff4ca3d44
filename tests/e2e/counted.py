"""
Run one command of the product, and count what it sends, writes and requests.

    python -m tests.e2e.counted FILE capture --json URL

The counts are written to FILE, as JSON:

- `driver_messages`: messages to Playwright's driver; `protocol_messages`: those of them that are
  commands of the DevTools protocol, which the driver passes on to the browser.
- `driver_bytes`: bytes of all messages from the driver.
- `result_bytes`: bytes of results that came in files instead (`result_files.py`).
- `fsyncs`: files and folders that were made durable.
- `bucket_requests`: HTTP requests to a bucket.
- `code_searches`: how often the pictures of the page were searched for QR codes.
- `decoded_for_codes`: how many of their files were decoded for that.
- `browser_reads`: how often this process opened the program of the browser.
- `sent …`: commands of the DevTools protocol by method.

A connection to the browser that does not go through Playwright's driver has to be counted here,
too.
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.httpsession
import playwright._impl.transport as driver

from snapshotter.app.archive import assessment
from snapshotter.assess import qr
from snapshotter.capture.browser import result_files
from snapshotter.capture.browser.binary import find_browser
from snapshotter.cli.main import main


def _count_into(counts: Counter[str]) -> None:
    """Have what this process does counted from now on."""
    serialize, deserialize = (
        driver.Transport.serialize_message,
        driver.Transport.deserialize_message,
    )

    def to_driver(transport: Any, message: dict[str, Any]) -> bytes:
        counts["driver_messages"] += 1
        if message.get("method") == "send":
            counts["protocol_messages"] += 1
            counts[f"sent {message['params']['method']}"] += 1
        return serialize(transport, message)

    def from_driver(transport: Any, data: bytes) -> dict[str, Any]:
        counts["driver_bytes"] += len(data)
        return deserialize(transport, data)

    driver.Transport.serialize_message = to_driver  # type: ignore[method-assign,assignment]
    driver.Transport.deserialize_message = from_driver  # type: ignore[method-assign,assignment]
    take = result_files._take

    def from_file(directory: Path, name: str) -> bytes:
        data = take(directory, name)
        counts["result_bytes"] += len(data)
        return data

    result_files._take = from_file
    for module, name, what in (
        (os, "fsync", "fsyncs"),
        (os, "fdatasync", "fsyncs"),
        (botocore.httpsession.URLLib3Session, "send", "bucket_requests"),
        (assessment, "read_codes", "code_searches"),
        (qr, "_search_file", "decoded_for_codes"),
    ):
        setattr(module, name, _counted(getattr(module, name), counts, what))
    browser = find_browser("shell")

    def opened(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and browser is not None and arguments[0] == str(browser.path):
            counts["browser_reads"] += 1

    sys.addaudithook(opened)


def _counted(function: Callable[..., Any], counts: Counter[str], what: str) -> Callable[..., Any]:
    def counted(*arguments: Any, **named: Any) -> Any:
        counts[what] += 1
        return function(*arguments, **named)

    return counted


if __name__ == "__main__":
    counted: Counter[str] = Counter()
    _count_into(counted)
    code = main(sys.argv[2:])
    Path(sys.argv[1]).write_text(json.dumps(counted))
    sys.exit(code)
