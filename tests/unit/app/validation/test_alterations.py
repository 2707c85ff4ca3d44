"""Each alteration of the table is refused by our verifier with the codes of the table."""

from datetime import UTC, datetime
from pathlib import Path

from snapshotter.app.machine import SystemClock
from snapshotter.app.validation.alterations import ALTERATIONS, Source
from snapshotter.model.finding import Report, Verdict
from snapshotter.verify.bundle_on_disk import verify_on_disk
from snapshotter.verify.trust import Trust
from tests import bundles
from tests.bundles import ChainAuthority

CONTENTS = {**bundles.CONTENTS, "capture/page.txt": b"Hello\n"}


def test_each_alteration_is_refused_with_its_codes(
    tmp_path: Path, authority: ChainAuthority
) -> None:
    signer = bundles.new_signer()
    data = [
        bundles.seal(
            tmp_path / title,
            signer=signer,
            clock=SystemClock(),
            authorities=[authority],
            title=title,
            contents=CONTENTS,
        ).file.read_bytes()
        for title in ("one", "other")
    ]
    source = Source(data=data[0], other=data[1], signer=signer, stranger=bundles.new_signer())
    trust = bundles.trust_in(signer, authority)
    assert _verified(tmp_path, data[0], trust).verdict is Verdict.PASSED

    for alteration in ALTERATIONS:
        found = _verified(tmp_path, alteration.make(source), trust)
        codes = tuple(found.codes(Verdict.FAILED, Verdict.INDETERMINATE))
        assert (found.verdict, codes) == (alteration.verdict, alteration.codes), alteration.name


def _verified(tmp_path: Path, data: bytes, trust: Trust) -> Report:
    file = tmp_path / "copy.wacz"
    file.write_bytes(data)
    with file.open("rb") as stream:
        return verify_on_disk(stream, file, trust, now=datetime.now(UTC))
