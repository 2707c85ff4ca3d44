"""The script that becomes the browser."""

import os
import subprocess
from pathlib import Path

from snapshotter.capture.browser import launch


def test_the_browser_works_in_no_folder_that_somebody_else_fills(tmp_path: Path) -> None:
    note, script = tmp_path / "pids", tmp_path / "browser"
    script.write_text(launch.start_script(("/bin/pwd", "-P"), note))
    script.chmod(0o700)

    ran = subprocess.run([script], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert ran.stdout == "/\n"
    assert note.read_text().split()[1] == str(os.getpid())
