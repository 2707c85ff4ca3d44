"""Keep the compiled scripts of the browser's driver between commands."""

import os
from pathlib import Path

from snapshotter import durable


def keep_compiled_driver(directory: Path) -> None:
    """
    Cache the compiled scripts of the browser's driver, which then starts in 3/4 of the time.

    Whoever can write to the cache can have code run, so only this user may, as with keys. The
    driver itself only reads it (`capture/browser/driver_script.py`). If the directory cannot be
    made, there is no cache.
    """
    try:
        durable.make_private_folder(directory)
        if directory.stat().st_uid != os.geteuid() or directory.stat().st_mode & 0o022:
            return
    except OSError:
        return
    os.environ.setdefault(  # noqa: TID251  nothing is read
        "NODE_COMPILE_CACHE", str(directory.absolute())
    )
