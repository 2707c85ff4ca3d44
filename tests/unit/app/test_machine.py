"""Facts about this machine and this process."""

import subprocess
import sys
import time

import pytest


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc of Linux")
def test_a_process_knows_when_it_began() -> None:
    asks = "from snapshotter.app import machine; print(machine.process_began())"

    before = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", asks], capture_output=True, check=True, text=True, timeout=60
    )
    after = time.monotonic()

    tick = 0.01  # the kernel's unit
    assert before - 2 * tick <= float(done.stdout) <= after
