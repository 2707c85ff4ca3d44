"""What the C library keeps of the memory of a process with many threads."""

import subprocess
import sys

import pytest


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs malloc_stats of glibc")
@pytest.mark.parametrize(("shares", "arenas"), [("malloc.share_one_arena()", 1), ("", 5)])
def test_threads_share_one_arena(shares: str, arenas: int) -> None:
    script = f"""
import ctypes, threading
from snapshotter.app import malloc
{shares}
library, meeting = ctypes.CDLL(None), threading.Barrier(5)
def work():
    bytearray(100_000)
    meeting.wait()
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
meeting.wait()
library.malloc_stats()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True, timeout=60
    )

    assert done.stderr.count("Arena ") == arenas
