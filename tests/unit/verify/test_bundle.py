"""The verifier: every known way to spoil a bundle is found, and named for what it is."""

import base64
import io
import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from typing_extensions import override

from snapshotter.errors import EvidenceInvalid, ServiceUnavailable
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import custody, names, wacz
from snapshotter.formats.bundle.container import Member
from snapshotter.formats.proofs.rfc3161 import Anchor, Token, check_by_any
from snapshotter.model.finding import Code, Report, Verdict
from snapshotter.seal.signer import FileSigner
from snapshotter.verify import bundle as verifier
from snapshotter.verify import capture_record
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.files import read_trust
from snapshotter.verify.sidecars import Sidecars, sidecars_on_disk
from snapshotter.verify.trust import Requirements, Trust
from tests import bundles
from tests.bundles import ChainAuthority, Members, RealClock, flipped, pack, unpack
from tests.cases import in_one_test
from tests.fuzzing import FACTOR

pytestmark = pytest.mark.long

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
ALL = sorted(path.parent.name for path in VECTORS.glob("*/bundle.wacz"))
PIN = (VECTORS / "trust" / "root-key-id.txt").read_text().strip()
CHUNKS = 8


def _now() -> datetime:
    return datetime.now(UTC)


def _verify(data: bytes, trust: Trust, **more: Any) -> Report:
    return verify_bundle(io.BytesIO(data), trust, now=_now(), **more)


def _codes(report: Report) -> set[str]:
    return {finding.code.value for finding in report.findings} - {"OK"}


def _judged(name: str) -> tuple[str, list[str]]:
    folder = VECTORS / name
    expected = json.loads((folder / "expected.json").read_text())
    now = _now()
    trust = read_trust(VECTORS / "trust" / expected["trust"], pinned_root=PIN, now=now)
    file = folder / "bundle.wacz"
    with file.open("rb") as stream:
        report = verify_bundle(stream, trust, now=now, sidecars=sidecars_on_disk(file, "late-"))
    return report.verdict.value, sorted(_codes(report))


# Never of a bundle by itself.
EVENT_CODES = frozenset(
    {
        Code.EVENT, Code.EVENT_KEY, Code.BUNDLE, Code.BUNDLE_MISSING, Code.BUNDLE_OTHER,
        Code.BUNDLE_OPEN, Code.VERDICT, Code.IDENTITY, Code.CONCLUSION, Code.PREVIOUS,
        Code.NUMBER, Code.LEFT_OUT,
    }
)  # fmt: skip


# --- vectors ---------------------------------------------------------------------------------


@in_one_test("name", ALL)
def test_each_vector_is_judged_as_it_says(name: str) -> None:
    expected = json.loads((VECTORS / name / "expected.json").read_text())

    assert _judged(name) == (expected["verdict"], expected["codes"])


def test_there_is_a_vector_for_every_reason_code_that_a_bundle_can_earn() -> None:
    """LOG is for a proof that is wrong, which no version reads yet; INTERNAL is for our bugs."""
    later = [f"redactable/{path.parent.name}" for path in VECTORS.glob("redactable/*/bundle.wacz")]
    seen = {code for name in (*ALL, *later) for code in _expected(name)["codes"]}

    assert seen == {code.value for code in set(Code) - EVENT_CODES} - {"OK", "LOG", "INTERNAL"}


def test_only_good_vectors_pass_and_there_are_many_that_do_not() -> None:
    passing = {name for name in ALL if _expected(name)["verdict"] == "passed"}

    assert passing == {
        "key-superseded-later",
        "no-wacz-signature",
        "p256-allowed",
        "server-signature",
        "token-late",
        "v1-good",
    }
    assert len(ALL) > 100


def test_the_verdicts_are_the_same_when_python_optimises() -> None:
    program = (
        "import json, sys; from tests.unit.verify.test_bundle import ALL, _judged; "
        "print(json.dumps([sys.flags.optimize, {name: _judged(name) for name in ALL}]))"
    )
    root = VECTORS.parents[1]

    run = subprocess.run(
        [sys.executable, "-O", "-c", program],
        cwd=root,
        capture_output=True,
        timeout=120,
        check=True,
    )

    optimised, verdicts = json.loads(run.stdout)
    assert optimised == 1
    assert verdicts == {
        name: [_expected(name)["verdict"], _expected(name)["codes"]] for name in ALL
    }
    assert verdicts


def _expected(name: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((VECTORS / name / "expected.json").read_text())
    return result


# --- every byte ------------------------------------------------------------------------------

CONTENTS = {
    "archive/data.warc.gz": b"w",
    "capture/dom.html": b"<p>x",
    "indexes/index.cdx": b"",
    "pages/pages.jsonl": b"",
}


def _sealed(folder: Path, authority: ChainAuthority, *, wacz_auth: bool) -> tuple[bytes, Trust]:
    key = ec.generate_private_key(ec.SECP384R1())
    kind = FileSigner if wacz_auth else bundles.SoftwareKeyWithoutWacz
    signer = kind(key)
    made = bundles.seal(
        folder, signer=signer, clock=RealClock(), authorities=[authority], contents=CONTENTS
    )
    data = made.file.read_bytes()
    trust = bundles.trust_in(signer, authority)
    assert _verify(data, trust).verdict is Verdict.PASSED
    return data, trust


@pytest.fixture(scope="module", params=[True, False], ids=["software-key", "hardware-key"])
def small(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    authority: ChainAuthority,
) -> tuple[bytes, Trust]:
    return _sealed(tmp_path_factory.mktemp("small"), authority, wacz_auth=request.param)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_byte_of_a_bundle_can_change(small: tuple[bytes, Trust], chunk: int) -> None:
    data, trust = small

    for offset in range(chunk, len(data), CHUNKS):
        value = 1 << offset // CHUNKS % 8
        report = _verify(flipped(data, offset, value), trust)
        assert report.verdict is Verdict.FAILED, (offset, value)


@lru_cache(maxsize=64)
def _good_token(
    response: bytes, message: bytes, anchors: tuple[Anchor, ...]
) -> tuple[Anchor, Token]:
    return check_by_any(response, message, anchors)  # what is raised is not remembered


@pytest.fixture
def with_good_tokens_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check a good token once: the same bytes, over the same bytes, for the same authorities."""
    monkeypatch.setattr(verifier, "check_by_any", _good_token)


@pytest.mark.fuzz
@pytest.mark.usefixtures("with_good_tokens_remembered")
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_byte_of_the_seal_can_change_when_a_forger_makes_again_what_can_be_made_again(
    small: tuple[bytes, Trust], chunk: int
) -> None:
    """
    Checksums, offsets and the datapackage are good: only what proves itself is left.

    One byte in three is tried, and each in `make fuzz`. Of a bundle without the WACZ signature
    one byte in eight is tried, but for the file that lacks it: the others are as in the bundle
    with one.
    """
    data, trust = small
    members = unpack(data)
    is_signed_for_wacz = b"signedData" in members[names.DATAPACKAGE_DIGEST]
    tried = 0

    for name in sorted(member for member in members if not names.is_listed(member)):
        every = is_signed_for_wacz or name == names.DATAPACKAGE_DIGEST
        stride = (3 if FACTOR == 1 else 1) if every else 8
        for offset in range(chunk * stride, len(members[name]), CHUNKS * stride):
            value = 1 << offset // (CHUNKS * stride) % 8
            forged = {**members, name: flipped(members[name], offset, value)}
            if name not in {names.DATAPACKAGE, names.DATAPACKAGE_DIGEST}:
                forged = bundles.derived(forged)
            tried += 1
            assert _verify(pack(forged), trust).verdict is not Verdict.PASSED, (name, offset)

    assert tried > (170 if is_signed_for_wacz else 50)


@pytest.mark.parametrize("name", sorted([*CONTENTS, names.CAPTURE_RECORD, names.CUSTODY]))
def test_no_listed_file_can_change_when_a_forger_makes_again_what_can_be_made_again(
    small: tuple[bytes, Trust], name: str
) -> None:
    data, trust = small
    members = unpack(data)
    forged = {**members, name: members[name] + b" "}
    if name != names.CAPTURE_RECORD:
        forged = bundles.derived(forged)

    report = _verify(pack(forged), trust)

    assert report.verdict is Verdict.FAILED
    assert _codes(report) == {"HASH", "BLAKE3"}


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_beginning_of_a_bundle_is_a_bundle(small: tuple[bytes, Trust], chunk: int) -> None:
    data, trust = small

    for length in range(chunk, len(data), CHUNKS):
        assert _verify(data[:length], trust).verdict is Verdict.FAILED, length


# --- what a verifier is told -----------------------------------------------------------------


@pytest.fixture(scope="module")
def good(
    tmp_path_factory: pytest.TempPathFactory, authority: ChainAuthority
) -> tuple[Members, Trust]:
    data, trust = _sealed(tmp_path_factory.mktemp("good"), authority, wacz_auth=True)
    return unpack(data), trust


def test_without_any_trust_a_good_bundle_is_intact_and_no_more(good: tuple[Members, Trust]) -> None:
    report = _verify(pack(good[0]), Trust(source="nobody", keys=(), authorities=()))

    assert report.verdict is Verdict.INDETERMINATE
    assert _codes(report) == {"KEY_UNKNOWN", "TS_UNTRUSTED", "TIME"}
    assert report.proven_time is None


def test_a_trust_file_can_require_more_than_the_bundle_does(good: tuple[Members, Trust]) -> None:
    members, trust = good
    stricter = replace(trust, require=Requirements(signatures=2, timestamps=2))

    report = _verify(pack(members), stricter)

    assert report.verdict is Verdict.INDETERMINATE
    assert _codes(report) == {"TS_MISSING", "QUORUM"}


def test_a_token_from_the_future_is_not_believed(good: tuple[Members, Trust]) -> None:
    members, trust = good
    earlier = _now() - timedelta(hours=1)

    report = verify_bundle(io.BytesIO(pack(members)), trust, now=earlier)

    assert report.verdict is Verdict.FAILED
    assert _codes(report) == {"TIME"}


def test_a_bundle_sealed_in_the_future_fails_without_a_token_too(
    tmp_path: Path,
) -> None:
    signer = bundles.new_signer()
    made = bundles.seal(
        tmp_path, signer=signer, clock=RealClock(timedelta(hours=1)), require_timestamps=0
    )

    report = _verify(made.file.read_bytes(), bundles.trust_in(signer, timestamps=0))

    assert report.verdict is Verdict.FAILED
    assert _codes(report) == {"TIME"}


def test_a_check_that_breaks_is_not_a_check_that_passed(
    good: tuple[Members, Trust], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(data: bytes) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(custody, "parse", broken)

    report = _verify(pack(good[0]), good[1])

    assert report.verdict is Verdict.FAILED
    assert _codes(report) == {"INTERNAL"}


@pytest.mark.parametrize(
    "error", [OSError("input/output error"), ServiceUnavailable("the store stopped answering")]
)
def test_a_file_that_can_not_be_read_is_no_verdict(
    good: tuple[Members, Trust], error: Exception
) -> None:
    """A bad disk or a store that is down says nothing against the evidence."""

    class Broken(io.BytesIO):
        reads = 0

        @override
        def read(self, size: int | None = -1, /) -> bytes:
            self.reads += 1
            if self.reads > 5:
                raise error
            return super().read(size)

    with pytest.raises(type(error)):
        verify_bundle(Broken(pack(good[0])), good[1], now=_now())


def test_a_record_that_nobody_signed_is_not_parsed(
    good: tuple[Members, Trust], monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[bytes] = []
    monkeypatch.setattr(capture_record, "loads", parsed.append)
    forged = bundles.with_manifests({**good[0], names.CAPTURE_RECORD: b"[[],[],[]]"})

    report = _verify(pack(forged), good[1])

    assert _codes(report) == {"SIG"}
    assert parsed == []


@pytest.mark.parametrize(
    "data",
    [
        b"[" + b",".join([b"[]"] * 200_000) + b"]",
        b"{" + b",".join(b'"%07x":0' % number for number in range(200_001)) + b"}",
        b"[" + b",".join([b'""'] * 500_000) + b"]",
        b'"' + b"x" * (8 << 20) + b'"',
    ],
    ids=["lists", "keys", "texts", "long"],
)
def test_a_record_that_would_fill_the_memory_is_refused_before_it_is_parsed(
    data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[bytes] = []
    monkeypatch.setattr(json, "loads", parsed.append)

    with pytest.raises(EvidenceInvalid, match=r"(more|longer) than"):
        capture_record.loads(data)

    assert parsed == []


def test_what_stands_in_the_texts_of_a_record_is_not_counted() -> None:
    text = "a,b[c{" * 100_000 + '"\\' * 1000

    assert capture_record.loads(canonical_json.dumps({"title": text})) == {"title": text}


def test_a_file_that_changes_while_it_is_read_is_noticed(good: tuple[Members, Trust]) -> None:
    """The directory is read first; the second reading finds another file."""
    data = pack(good[0])

    class Changing(io.BytesIO):
        rewinds = 0

        @override
        def seek(self, offset: int, whence: int = 0, /) -> int:
            if (offset, whence) == (0, 0):
                self.rewinds += 1
                if self.rewinds == 1:
                    self.getbuffer()[-1:] = b"\x01"
            return super().seek(offset, whence)

    report = verify_bundle(Changing(data), good[1], now=_now())

    assert report.verdict is Verdict.FAILED
    assert _codes(report) == {"CONTAINER"}


def test_what_is_held_in_memory_is_limited_by_name_and_length() -> None:
    kept = {
        name: verifier._limit(Member(name=name, length=1, crc32=0, offset=0))
        for name in ("capture/capture.json", "seal/sig-01.der", "seal/other.bin", "capture/x.bin")
    }

    assert kept["capture/capture.json"] == 8 << 20
    assert kept["seal/sig-01.der"] == 1 << 16
    assert kept["seal/other.bin"] is None
    assert kept["capture/x.bin"] is None


def test_the_twin_of_a_wacz_signature_does_not_pass(good: tuple[Members, Trust]) -> None:
    """ECDSA: with (r, s) the pair (r, n - s) holds as well; nothing else covers these bytes."""
    members, trust = good
    order = wacz._ORDERS["secp384r1"]
    value = json.loads(members[names.DATAPACKAGE_DIGEST])
    raw = base64.b64decode(value["signedData"]["signature"])
    twin = raw[:48] + (order - int.from_bytes(raw[48:], "big")).to_bytes(48, "big")
    value["signedData"]["signature"] = base64.b64encode(twin).decode()
    forged = {**members, names.DATAPACKAGE_DIGEST: canonical_json.dumps(value)}

    report = _verify(pack(forged), trust)

    assert report.verdict is Verdict.FAILED
    assert _codes(report) == {"WACZ_SIG"}


# --- what stands beside a bundle -------------------------------------------------------------


@pytest.mark.parametrize("junk", [b"", b"junk", b"<html>not a token</html>", b"\x30" * 70_000])
def test_junk_beside_a_good_bundle_says_nothing_against_it(junk: bytes) -> None:
    trust = read_trust(VECTORS / "trust" / "trust.json", pinned_root=PIN, now=_now())

    with (VECTORS / "v1-good" / "bundle.wacz").open("rb") as stream:
        report = verify_bundle(stream, trust, now=_now(), sidecars=Sidecars(late_tokens=(junk,)))

    assert report.verdict is Verdict.PASSED
