"""The wheel that an exported case carries: its list is right, and it verifies a bundle."""

import base64
import csv
import hashlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path

from snapshotter.app.archive.exports.verifier_wheel import make_wheel

VECTORS = Path(__file__).resolve().parents[4] / "vectors"
PROGRAM = """
import runpy, sys
sys.path.insert(0, sys.argv.pop(1))
import snapshotter
print(snapshotter.__file__, file=sys.stderr)
runpy.run_module("snapshotter.verify", run_name="__main__", alter_sys=True)
"""


def test_the_wheel_lists_its_files_and_verifies_a_bundle(tmp_path: Path) -> None:
    name, data = make_wheel()
    assert make_wheel.__wrapped__() == (name, data)
    wheel = tmp_path / name
    wheel.write_bytes(data)

    with zipfile.ZipFile(wheel) as archive:
        info = next(found[:-6] for found in archive.namelist() if found.endswith("RECORD"))
        rows = list(csv.reader(io.StringIO(archive.read(f"{info}RECORD").decode())))
        assert {row[0] for row in rows} == set(archive.namelist())
        for path, digest, length in rows[:-1]:
            found = archive.read(path)
            made = base64.urlsafe_b64encode(hashlib.sha256(found).digest()).rstrip(b"=").decode()
            assert (digest, int(length)) == (f"sha256={made}", len(found))
        assert b"snapshotter-verify = " in archive.read(f"{info}entry_points.txt")
        assert archive.read(f"{info}METADATA").startswith(b"Metadata-Version")
        assert "snapshotter/_scripts/verify_minimal.py" in archive.namelist()
        assert any(path.startswith("snapshotter/_policies/") for path in archive.namelist())

    pin = (VECTORS / "trust" / "root-key-id.txt").read_text().strip()
    ran = subprocess.run(
        [sys.executable, "-I", "-c", PROGRAM, str(wheel),
         str(VECTORS / "v1-good" / "bundle.wacz"),
         "--trust", str(VECTORS / "trust" / "trust.json"), "--root-key", pin],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout
    assert ran.stderr == f"{wheel}/snapshotter/__init__.py\n"
    assert "PASSED" in ran.stdout
