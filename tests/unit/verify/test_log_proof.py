"""What the log says of a bundle: shown, missing, not holding, or against it."""

import dataclasses
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from snapshotter.formats.bundle import names
from snapshotter.formats.proofs import leaf, merkle, note
from snapshotter.formats.proofs.leaf import Leaf
from snapshotter.formats.proofs.note import COSIGNATURE_V1, Checkpoint, LogPolicy, VerifierKey
from snapshotter.formats.proofs.tlog_proof import TlogProof
from snapshotter.model.finding import Report, Verdict
from snapshotter.seal.signer import FileSigner
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.sidecars import Sidecars, sidecars_on_disk
from snapshotter.verify.trust import Requirements, Trust
from tests.bundles import ChainAuthority, RealClock, new_signer, seal, trust_in
from tests.logs import LOG_KEY, LOG_SIGNER, WITNESS_KEY, WITNESS_SIGNER

POLICY = LogPolicy(key=LOG_KEY, witnesses=(WITNESS_KEY,), quorum=1)
OTHERS = tuple(Leaf(kind="other", name=str(number), sha256="00" * 32) for number in range(4))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sealed:
    """A bundle, and whom its reader trusts."""

    data: bytes
    bundle_id: str
    sha256: str
    trust: Trust
    captured_at: datetime
    token_at: datetime


def signed(leaves: tuple[Leaf, ...], *, seen_at: datetime | None) -> bytes:
    """Return the checkpoint of a log of these leaves; cosigned at a time, or by nobody."""
    checkpoint = Checkpoint(
        origin=LOG_KEY.name, size=len(leaves), root=merkle.root(entry.hash() for entry in leaves)
    )
    text = checkpoint.text
    lines = [note.signature(LOG_KEY, LOG_SIGNER.sign(text.encode()))]
    if seen_at is not None:
        seconds = int(seen_at.timestamp())
        raw = WITNESS_SIGNER.sign(note.cosigned_message(text, seconds))
        lines.append(note.signature(WITNESS_KEY, raw, seconds))
    return note.Note(text=text, signatures=tuple(lines)).encode()


def proof_of(
    bundle: Sealed, *, index: int = 4, seen_at: datetime | None = None, sha256: str = ""
) -> bytes:
    """Return the proof that the bundle is an entry of a log of five."""
    own = Leaf(kind=leaf.BUNDLE, name=bundle.bundle_id, sha256=sha256 or bundle.sha256)
    leaves = (*OTHERS[:index], own, *OTHERS[index:])

    def node(level: int, at: int) -> bytes:
        return merkle.root(entry.hash() for entry in leaves[at << level : (at + 1) << level])

    return TlogProof(
        index=index,
        hashes=merkle.inclusion_proof(index, len(leaves), node),
        checkpoint=signed(leaves, seen_at=seen_at),
    ).encode()


@pytest.fixture(scope="module")
def signer() -> FileSigner:
    return new_signer()


@pytest.fixture(scope="module")
def bundle(
    authority: ChainAuthority, signer: FileSigner, tmp_path_factory: pytest.TempPathFactory
) -> Sealed:
    return made(authority, signer, tmp_path_factory.mktemp("spool"))


def made(authority: ChainAuthority, signer: FileSigner, spool: Path, quoted: str = "") -> Sealed:
    sealed = seal(
        spool, signer=signer, clock=RealClock(), authorities=[authority], log_checkpoint=quoted
    )
    trust = dataclasses.replace(trust_in(signer, authority), log=POLICY)
    token = sealed.signatures[0].tokens[0].time
    assert token is not None
    return Sealed(
        data=sealed.file.read_bytes(),
        bundle_id=sealed.id,
        sha256=sealed.digests.sha256,
        trust=trust,
        captured_at=sealed.captured_at,
        token_at=token,
    )


def judged(bundle: Sealed, proof: bytes | None, *, required: bool = False, **trust: Any) -> Report:
    believed = dataclasses.replace(
        bundle.trust, require=Requirements(timestamps=1, log=required), **trust
    )
    return verify_bundle(
        io.BytesIO(bundle.data), believed, now=datetime.now(UTC), sidecars=Sidecars(log_proof=proof)
    )


def said(report: Report) -> list[tuple[str, str, str]]:
    """Return what is not fine, and what the log shows."""
    return [
        (finding.check, finding.verdict.value, finding.code.value)
        for finding in report.findings
        if finding.check == "log" or finding.verdict is not Verdict.PASSED
    ]


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize("index", [0, 2, 4])
def test_a_proof_that_holds_is_shown(bundle: Sealed, index: int, required: bool) -> None:
    report = judged(
        bundle, proof_of(bundle, index=index, seen_at=bundle.token_at), required=required
    )

    assert said(report) == [("log", "passed", "OK")]
    assert report.verdict is Verdict.PASSED
    (found,) = (finding for finding in report.findings if finding.check == "log")
    assert found.detail == (
        f"the log log.example/tests contains the bundle: entry with the index {index}, entries in "
        "the log: 5, seen by witness.example/w1"
    )


@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("none", "LOG_MISSING"),
        ("junk", "LOG"),
        ("of other bytes", "LOG"),
        ("of another log", "LOG"),
        ("seen by nobody", "LOG_MISSING"),
    ],
)
def test_what_shows_nothing_counts_only_where_a_proof_is_required(
    bundle: Sealed, what: str, code: str
) -> None:
    seen_at = bundle.token_at
    proof = {
        "none": None,
        "junk": b"anything",
        "of other bytes": proof_of(bundle, seen_at=seen_at, sha256="ab" * 32),
        "of another log": proof_of(bundle, seen_at=seen_at).replace(b"log.example", b"lug.example"),
        "seen by nobody": proof_of(bundle),
    }[what]

    assert said(judged(bundle, proof)) == []
    assert said(judged(bundle, proof, required=True)) == [("log", "indeterminate", code)]


@pytest.mark.parametrize("required", [False, True])
def test_without_a_trusted_log_nothing_is_believed(bundle: Sealed, required: bool) -> None:
    proof = proof_of(bundle, seen_at=bundle.token_at)

    expected = [("log", "indeterminate", "LOG_MISSING")] if required else []
    assert said(judged(bundle, proof, required=required, log=None)) == expected


def test_the_logs_own_word_suffices_where_no_witness_is_asked_for(bundle: Sealed) -> None:
    report = judged(bundle, proof_of(bundle), required=True, log=LogPolicy(key=LOG_KEY))

    assert said(report) == [("log", "passed", "OK")]


def test_one_witness_under_two_names_is_one(bundle: Sealed) -> None:
    with pytest.raises(ValueError, match="must have its own key"):
        LogPolicy(
            key=LOG_KEY,
            witnesses=(
                WITNESS_KEY,
                VerifierKey(name="x", kind=COSIGNATURE_V1, public_key=WITNESS_KEY.public_key),
            ),
            quorum=2,
        )


def test_a_record_may_require_a_proof_that_nobody_can_take_away(
    authority: ChainAuthority, signer: FileSigner, tmp_path: Path
) -> None:
    sealed = seal(
        tmp_path, signer=signer, clock=RealClock(), authorities=[authority], require_log=True
    )
    report = verify_bundle(
        io.BytesIO(sealed.file.read_bytes()), trust_in(signer, authority), now=datetime.now(UTC)
    )

    assert said(report) == [("log", "indeterminate", "LOG_MISSING")]


def test_a_bundle_that_quotes_a_checkpoint_stands_behind_it(
    authority: ChainAuthority, signer: FileSigner, tmp_path: Path
) -> None:
    quoted = signed(OTHERS, seen_at=datetime.now(UTC) - timedelta(minutes=1)).decode()
    bundle = made(authority, signer, tmp_path, quoted)

    after = judged(bundle, proof_of(bundle, index=4, seen_at=bundle.token_at))
    assert said(after) == [("log", "passed", "OK")]
    # The log has signed a tree of four without it, and one that has it among the first four.
    before = judged(bundle, proof_of(bundle, index=3, seen_at=bundle.token_at))
    assert said(before) == [("log", "failed", "LOG")]


def test_what_is_established_is_bounded_by_the_checkpoint_that_is_quoted_and_by_the_log(
    authority: ChainAuthority, signer: FileSigner, tmp_path: Path
) -> None:
    seen_at = (datetime.now(UTC) - timedelta(minutes=1)).replace(microsecond=0)
    bundle = made(authority, signer, tmp_path, signed(OTHERS, seen_at=seen_at).decode())

    report = judged(bundle, proof_of(bundle, index=4, seen_at=bundle.token_at))

    found = report.established
    assert found is not None
    assert found.quoted is not None
    assert (found.quoted.size, found.not_before) == (4, seen_at)
    assert found.logged_by == bundle.token_at.replace(microsecond=0)
    assert found.proven_time == report.proven_time
    assert found.good_signers == found.signers == (signer.key_id,)
    assert found.ended_at - found.started_at == timedelta(seconds=2)
    assert found.ended_at.microsecond % 1000 == 0
    assert found.members[names.CAPTURE_RECORD].length > 0
    assert judged(bundle, None, log=None).established.quoted is None  # type: ignore[union-attr]  # it holds
    failed = judged(bundle, proof_of(bundle, index=3, seen_at=bundle.token_at))
    assert failed.established is None


@pytest.mark.parametrize("proven", [False, True])
def test_a_capture_that_quotes_what_did_not_exist_yet_is_not_believed(
    authority: ChainAuthority, signer: FileSigner, tmp_path: Path, proven: bool
) -> None:
    quoted = signed(OTHERS, seen_at=datetime.now(UTC) + timedelta(minutes=10)).decode()
    bundle = made(authority, signer, tmp_path, quoted)
    proof = proof_of(bundle, seen_at=bundle.token_at) if proven else None

    assert ("time", "failed", "TIME") in said(judged(bundle, proof))


@pytest.mark.parametrize(
    "quoted",
    [
        "no note at all",
        signed(OTHERS, seen_at=None).decode().replace("log.example", "lug.example"),
        signed(OTHERS, seen_at=None).decode().replace("\n4\n", "\n9\n"),
    ],
)
def test_a_quotation_of_no_trusted_log_says_nothing(
    authority: ChainAuthority, signer: FileSigner, tmp_path: Path, quoted: str
) -> None:
    bundle = made(authority, signer, tmp_path, quoted)

    report = judged(bundle, proof_of(bundle, index=0, seen_at=bundle.token_at))
    assert said(report) == [("log", "passed", "OK")]


@pytest.mark.parametrize(("minutes", "is_doubtful"), [(-6, True), (-4, False), (60, False)])
def test_a_witness_can_not_have_seen_a_file_before_a_token_that_is_in_it(
    bundle: Sealed, minutes: int, is_doubtful: bool
) -> None:
    proof = proof_of(bundle, seen_at=bundle.token_at + timedelta(minutes=minutes))

    expected = [("time", "indeterminate", "TIME")] if is_doubtful else []
    assert said(judged(bundle, proof)) == [*expected, ("log", "passed", "OK")]


def test_a_proof_is_found_beside_its_bundle(tmp_path: Path) -> None:
    file = tmp_path / "x.wacz"
    assert sidecars_on_disk(file).log_proof is None
    (tmp_path / "x.wacz.tlog-proof").write_bytes(b"proof")
    assert sidecars_on_disk(file).log_proof == b"proof"
    assert sidecars_on_disk(tmp_path / ("x" * 250)).log_proof is None
