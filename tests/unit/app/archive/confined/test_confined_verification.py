"""Bundles are verified in a process without rights, with the result of a verification here."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from snapshotter.app.archive.capture_page import read_material, verified_copy
from snapshotter.app.archive.confined import confined_verification, verification_main
from snapshotter.app.archive.confined.confined_verification import ConfinedVerifier
from snapshotter.app.archive.confined.preview_process import PreviewProcesses
from snapshotter.errors import SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.model.finding import Finding, Verdict
from snapshotter.report.capture_page import CaptureMaterial
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.verify.trust import Trust, load_trust
from tests.tools import ROOT

VECTORS = ROOT / "tests" / "vectors"
RELEASE = VECTORS / "release-2026-11"
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
ID = "20260527t080000z-k3v4q2m7xw4c5b6d"
_SHORT_S = 60.0


def release_trust() -> Trust:
    return load_trust(
        (RELEASE / "trust.json").read_bytes(),
        (RELEASE / "trust.json.sig").read_bytes(),
        pinned_root=(RELEASE / "root-key.txt").read_text().strip(),
        now=NOW,
    )


@pytest.fixture(scope="module")
def processes() -> Iterator[PreviewProcesses]:
    made = PreviewProcesses()
    yield made
    made.stop()


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    """A store with one bundle, whose bytes a test writes."""
    return DirectoryStore(tmp_path / "store")


def put(store: DirectoryStore, vector: str) -> None:
    file = store.root / store_keys.bundle_key(ID)
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(VECTORS / vector / "bundle.wacz", file)


def here(bundle_id: str, store: DirectoryStore, trust: Trust) -> CaptureMaterial:
    """Return what a verification in this process gives, without what nobody shows."""
    with verified_copy(
        bundle_id, store, trust, now=NOW, annotations=None, others_of=lambda _: ((), ())
    ) as source:
        found = read_material(source, draws=False)
    return replace(found, report=replace(found.report, assessed=None, custody=b""))


def described(found: CaptureMaterial) -> dict[str, Any]:
    """Return all values, also those that are not compared."""
    members = found.report.established.members if found.report.established is not None else None
    return {
        "material": found,
        "members": members,
        "record": found.report.record,
        "established": found.report.established,
    }


def test_the_result_is_that_of_a_verification_in_this_process(
    processes: PreviewProcesses, store: DirectoryStore
) -> None:
    verifier = ConfinedVerifier(processes)
    release, trust = DirectoryStore(RELEASE / "store"), release_trust()
    (first, *_) = sorted((RELEASE / "store").glob("bundles/*/*/*/*.wacz"))
    passed = verifier.verify(first.stem, release, trust, now=NOW)

    assert described(passed) == described(here(first.stem, release, trust))
    assert passed.report.verdict is Verdict.PASSED
    assert passed.text
    assert passed.report.established is not None
    for vector in (
        "flipped-in-data",
        "insider-record-deep",
        "insider-record-not-utf-8",
        "appended",
    ):
        put(store, vector)
        found = verifier.verify(ID, store, trust, now=NOW)

        assert described(found) == described(here(ID, store, trust)), vector
        assert found.report.verdict is Verdict.FAILED


def test_what_is_no_bundle_is_a_result_too(
    processes: PreviewProcesses, store: DirectoryStore
) -> None:
    put(store, "appended")
    (store.root / store_keys.bundle_key(ID)).write_bytes(b"no zip file")

    found = ConfinedVerifier(processes).verify(ID, store, release_trust(), now=NOW)

    assert found.report.verdict is Verdict.FAILED


# Verifies vectors after the code is loaded, and prints which modules were loaded later.
_MODULES = """
import json, pathlib, sys
from datetime import UTC, datetime
from snapshotter.app.archive.confined import verification_main as it
from snapshotter.verify.bundle_on_disk import sidecars_on_disk
from snapshotter.verify.trust import Trust
it.load_code()
loaded = set(sys.modules)
trust = Trust(source="", keys=(), authorities=())
for name in sys.argv[1:]:
    file = pathlib.Path(name)
    with file.open("rb") as stream:
        source = it.verify_copy(
            file.stem, "", stream, sidecars_on_disk(file), trust, now=datetime.now(UTC)
        )
        json.dumps(it.encode(it.read_material(source, draws=False)))
print(sorted(set(sys.modules) - loaded))
"""


def test_all_code_is_loaded_before_the_process_gives_up_its_rights() -> None:
    bundles = [
        *sorted((RELEASE / "store").glob("bundles/*/*/*/*.wacz")),
        *sorted(VECTORS.glob("*/bundle.wacz")),
    ]
    assert len(bundles) > 50

    done = subprocess.run(
        [*running(_MODULES), *map(str, bundles)], capture_output=True, check=True, text=True
    )

    assert done.stdout.strip() == "[]"


def running(program: str) -> tuple[str, ...]:
    return sys.executable, "-I", "-c", program


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import time; time.sleep(600)", "was ended, because it took too long or failed"),
        ("raise SystemExit(1)", "was ended, because it took too long or failed"),
        (
            "import sys; from snapshotter.app.archive.confined import verification_main as it;"
            "it.MEMORY = 1 << 20; sys.exit(it.main())",
            "needed more memory than 2 GB",
        ),
        (
            "import sys; from snapshotter.app.archive.confined import verification_main as it;"
            "it.load_code = lambda: None; sys.exit(it.main())",
            "did not end as expected",
        ),
        ("print('no json')", "did not end as expected"),
        ("print('[' * 100_000)", "did not end as expected"),
        ("print('{}')", "did not end as expected"),
        ('print(\'{"problem": "<b>"}\')', "cannot be verified: <b>"),
    ],
)
def test_a_verification_that_gives_no_result_is_stated_in_a_sentence(
    processes: PreviewProcesses, store: DirectoryStore, program: str, words: str
) -> None:
    put(store, "flipped-in-signature")
    timeout_s = 1.0 if "sleep" in program else _SHORT_S
    verifier = ConfinedVerifier(processes, command=running(program), timeout_s=timeout_s)

    with pytest.raises(SnapshotterError, match=words) as caught:
        verifier.verify(ID, store, release_trust(), now=NOW)

    assert ID in caught.value.message
    if "ended" in words:
        assert f"snapshotter verify {ID}" in caught.value.hint


def test_an_answer_about_another_bundle_is_refused() -> None:
    (first, *_) = sorted((RELEASE / "store").glob("bundles/*/*/*/*.wacz"))
    material = replace(
        here(first.stem, DirectoryStore(RELEASE / "store"), release_trust()), name=ID
    )
    answer = verification_main.encode(material)
    known = material.report.sha256
    passed = replace(material.report, findings=(Finding.passed("x", "y"),), sha256="")
    forged = verification_main.encode(replace(material, report=passed))

    def decoded(answer: dict[str, Any], bundle_id: str = ID, sha256: str = known) -> None:
        confined_verification.decode(json.dumps(answer).encode(), bundle_id, sha256, NOW)

    decoded(answer)
    others = (
        (answer, ID, "0" * 64),
        (answer, "20260101t000000z-k3v4q2m7xw4c5b6d", known),
        (forged, ID, known),
        ({**answer, "record": []}, ID, known),
        ({**answer, "material": {}}, ID, known),
        ({name: answer[name] for name in ("material", "record")}, ID, known),
    )
    for other in others:
        with pytest.raises(SnapshotterError):
            decoded(*other)


def test_a_process_cannot_change_the_copy_that_was_handed_in(processes: PreviewProcesses) -> None:
    program = (
        "import mmap, os, sys\n"
        "number = int(sys.argv[1])\n"
        "os.lseek(number, 5, os.SEEK_SET)\n"
        "try:\n"
        "    mmap.mmap(number, 0, prot=mmap.PROT_READ | mmap.PROT_WRITE)[0:5] = b'other'\n"
        "except PermissionError:\n"
        "    print('refused')\n"
    )
    with tempfile.TemporaryFile() as copy:
        copy.write(b"as it was handed in")
        copy.seek(0)
        output = processes.run(
            (sys.executable, "-I", "-c", program), [copy], timeout_s=_SHORT_S, most=100
        )

        assert output == b"refused\n"
        assert copy.read() == b"as it was handed in"


class Noted:
    """A verification process that appends its number to a file when it starts."""

    def __init__(self, folder: Path) -> None:
        self._note = folder / "pid"
        self._note.touch()
        self.command = running(
            f"import os; open({str(self._note)!r}, 'a').write(f'{{os.getpid()}}\\n');"
            "import sys; from snapshotter.app.archive.confined import verification_main as it;"
            "sys.exit(it.main())"
        )

    def second(self) -> int:
        """Return the number of the process that started second."""
        end = time.monotonic() + _SHORT_S
        while len(numbers := self._note.read_text().splitlines()) < 2:
            assert time.monotonic() < end
            time.sleep(0.01)
        return int(numbers[1])


def test_a_waiting_process_that_somebody_ended_is_replaced(
    processes: PreviewProcesses, store: DirectoryStore, tmp_path: Path
) -> None:
    put(store, "flipped-in-signature")
    noted = Noted(tmp_path)
    verifier = ConfinedVerifier(processes, command=noted.command)
    verifier.verify(ID, store, release_trust(), now=NOW)
    waiting = noted.second()

    os.kill(waiting, signal.SIGKILL)
    os.waitid(os.P_PID, waiting, os.WEXITED | os.WNOWAIT)
    found = verifier.verify(ID, store, release_trust(), now=NOW)

    assert found.report.verdict is Verdict.FAILED


def test_no_process_stays_when_the_server_ends(store: DirectoryStore, tmp_path: Path) -> None:
    put(store, "flipped-in-signature")
    processes = PreviewProcesses()
    noted = Noted(tmp_path)
    ConfinedVerifier(processes, command=noted.command).verify(ID, store, release_trust(), now=NOW)
    waiting = noted.second()

    processes.stop()

    with pytest.raises(ProcessLookupError):
        os.kill(waiting, 0)
    with pytest.raises(SnapshotterError):
        ConfinedVerifier(processes).verify(ID, store, release_trust(), now=NOW)
