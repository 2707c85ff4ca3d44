"""A proof pack, to be killed while it is made (tests/killing.py)."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from snapshotter.app.takedown import proof_pack
from snapshotter.model.finding import Verdict
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.verify.proof_pack import verify_pack
from tests.killing import Work
from tests.unit.app.takedown.test_proof_pack import Place, removal

_prepared: list[Place] = []


def _removed(folder: Path) -> None:
    _prepared.append(removal(folder))


def _pack(folder: Path) -> None:
    place = replace(_prepared[0], store=DirectoryStore(folder / "store"))
    proof_pack.make(place.service, place.case, folder / "proof.html")


def _is_a_pack(folder: Path) -> None:
    with (folder / "proof.html").open("rb") as stream:
        report = verify_pack(stream, _prepared[0].trust, now=datetime.now(UTC))
    assert report.verdict is not Verdict.FAILED
    found = {path.name for path in folder.iterdir()}
    assert found == {"authority", "proof.html", "sealing", "spool", "store", "tmp"}


PACK = Work(prepare=_removed, do=_pack, look=_is_a_pack, every=8)
