"""
The second verifier, scripts/verify_minimal.py, and that it agrees with the first.

It was written from docs/spec alone. Where the two differ, the specification, the first or the
second is wrong: a test here that fails is a finding in one of the three.
"""

import importlib.util
import json
import os
import subprocess
import sys
import zlib
from array import array
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from snapshotter.formats.tls.handshake import Decompressor
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.files import read_trust
from tests.cases import in_one_test

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "scripts" / "verify_minimal.py"
VECTORS = ROOT / "tests" / "vectors"
ALL = sorted(path.parent.name for path in VECTORS.glob("*/bundle.wacz"))
PIN = (VECTORS / "trust" / "root-key-id.txt").read_text().strip()
_SMALL = 1 << 15  # bytes
SERIES = sorted(
    (series, path.parent.name)
    for series in ("agreement", "redactable", "redacted")
    for path in VECTORS.glob(f"{series}/*/expected.json")
)


def load() -> ModuleType:
    """Return the script as a module, under a name that nothing else has."""
    spec = importlib.util.spec_from_file_location("verify_minimal_under_test", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _remember_small_digests(module: ModuleType) -> None:
    """Compute the BLAKE3 of each small file once: the cases share most of their files."""
    compute = module._chunks
    remembered = lru_cache(maxsize=1 << 12)(compute)

    def chunks(data: bytes, first: int, root: bool) -> "list[array[int]]":
        found = (remembered if len(data) <= _SMALL else compute)(bytes(data), first, root)
        return [column[:] for column in found]

    module.__dict__["_chunks"] = chunks


MINIMAL = load()
_remember_small_digests(MINIMAL)


def remembering_openssl() -> Any:
    """An `openssl` that is asked each question once: cases repeat most of them."""
    answers: dict[tuple[object, ...], Any] = {}

    class Remembering(MINIMAL.OpenSSL):  # type: ignore[name-defined,misc]  # a module of its own
        def run(self, *arguments: str, data: bytes = b"") -> Any:
            files = [
                Path(argument).read_bytes()
                for argument in arguments
                if argument.startswith(self.folder)
            ]
            question = (arguments, tuple(files), data)
            if question not in answers:
                answers[question] = super().run(*arguments, data=data)
            return answers[question]

    return Remembering("openssl")


def _expected(name: str) -> tuple[str, list[str]]:
    found = json.loads((VECTORS / name / "expected.json").read_text())
    return found["verdict"], found["codes"]


def _trust_name(name: str) -> str:
    return str(json.loads((VECTORS / name / "expected.json").read_text())["trust"])


@in_one_test("name", ALL)
def test_it_judges_each_vector_as_the_first_verifier_does(name: str, openssl: Any) -> None:
    now = datetime.now(UTC)
    file = VECTORS / "trust" / _trust_name(name)
    signature = file.with_name(f"{file.name}.sig").read_bytes()
    trust = MINIMAL.Trust(file.read_bytes(), signature, PIN, now, openssl)

    result = MINIMAL.Verification(str(VECTORS / name / "bundle.wacz"), trust, now, openssl).run()

    assert (result.verdict, result.codes) == _expected(name), result.findings


@pytest.mark.parametrize(("of", "name"), SERIES)
def test_both_verifiers_judge_a_record_that_contradicts_itself_its_files_or_its_other_form(
    of: str, name: str, openssl: Any
) -> None:
    now, series = datetime.now(UTC), VECTORS / of
    pin = (series / "trust" / "root-key-id.txt").read_text().strip()
    file, bundle = series / "trust" / "trust.json", series / name / "bundle.wacz"
    signature = file.with_name(f"{file.name}.sig").read_bytes()
    trust = MINIMAL.Trust(file.read_bytes(), signature, pin, now, openssl)
    with bundle.open("rb") as stream:
        known = read_trust(file, pinned_root=pin, now=now)
        first = verify_bundle(stream, known, now=now, allow_redacted=True)

    second = MINIMAL.Verification(str(bundle), trust, now, openssl).run()

    expected = json.loads((series / name / "expected.json").read_text())
    codes = sorted({finding.code.value for finding in first.findings} - {"OK"})
    assert (first.verdict.value, codes) == (expected["verdict"], expected["codes"])
    assert (second.verdict, second.codes) == (expected["verdict"], expected["codes"])


@pytest.mark.parametrize("trust", ["trust.json", "allows-p256.json"])
def test_alone_optimised_and_without_an_environment_it_judges_them_the_same(trust: str) -> None:
    chosen = [name for name in ALL if _trust_name(name) == trust]

    run = _run(
        "--json",
        "--trust",
        VECTORS / "trust" / trust,
        *(VECTORS / name / "bundle.wacz" for name in chosen),
    )

    judged = {}
    for line in run.stdout.splitlines():
        found = json.loads(line)
        codes = sorted({finding["code"] for finding in found["findings"]} - {"OK"})
        judged[Path(found["bundle"]).parent.name] = (found["verdict"], codes)
    assert judged == {name: _expected(name) for name in chosen}
    assert judged
    assert run.stderr == ""
    assert run.returncode == max(
        {"passed": 0, "failed": 10, "indeterminate": 0}[_expected(name)[0]] for name in chosen
    )


def _run(*arguments: object, pin: str = PIN) -> subprocess.CompletedProcess[str]:
    """Run the script as a stranger does: isolated, optimised, with nothing but a PATH."""
    return subprocess.run(
        [sys.executable, "-I", "-O", str(SCRIPT), "--root-key", pin, *map(str, arguments)],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "code"), [("v1-good", 0), ("changed-data", 10), ("token-missing", 11)]
)
def test_the_exit_code_is_the_verdict(name: str, code: int) -> None:
    trust = VECTORS / "trust" / "trust.json"

    run = _run("--trust", trust, VECTORS / name / "bundle.wacz")

    assert run.returncode == code
    assert run.stdout.startswith(_expected(name)[0].upper())


def test_a_trust_file_by_another_root_tells_nothing_about_a_bundle() -> None:
    trust = VECTORS / "trust" / "trust.json"

    run = _run("--trust", trust, VECTORS / "v1-good" / "bundle.wacz", pin="0" * 64)

    assert run.returncode == 11
    assert run.stdout == ""
    assert "is expected" in run.stderr


def test_a_bundle_that_is_not_there_is_an_error_and_no_verdict(tmp_path: Path) -> None:
    run = _run("--trust", VECTORS / "trust" / "trust.json", tmp_path / "none.wacz")

    assert run.returncode == 1
    assert run.stdout == ""
    assert "none.wacz" in run.stderr


def test_where_nobody_reads_the_exit_code_is_still_the_verdict() -> None:
    bundles = " ".join([str(VECTORS / "changed-data" / "bundle.wacz")] * 3)
    trust = VECTORS / "trust" / "trust.json"
    command = f"{sys.executable} -I {SCRIPT} --root-key {PIN} --trust {trust} {bundles}"

    run = subprocess.run(
        ["bash", "-c", f"{command} | true; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert run.stdout == "10\n"
    assert run.stderr == ""


def test_without_a_trust_file_there_is_nothing_to_judge_by() -> None:
    assert _run(VECTORS / "v1-good" / "bundle.wacz").returncode == 2


def test_it_imports_nothing_but_the_standard_library() -> None:
    """By name, and not by what happens to be installed here."""
    lines = SCRIPT.read_text(encoding="utf-8").splitlines()
    words = [line.split() for line in lines if line.startswith(("import ", "from "))]
    modules = {found[1].partition(".")[0] for found in words}

    assert "hashlib" in modules
    assert modules <= sys.stdlib_module_names | {"__future__"}


# --- BLAKE3 ----------------------------------------------------------------------------------

# Lengths and digests of test_vectors.json of the BLAKE3 project (input: bytes counting 0 … 250).
BLAKE3 = {
    0: "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
    1: "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
    1023: "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11",
    1024: "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
    1025: "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
    31744: "62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47",
}


@pytest.mark.parametrize("length", BLAKE3)
def test_its_blake3_gives_the_published_digests(length: int) -> None:
    digest = MINIMAL.Blake3()

    digest.update(bytes(count % 251 for count in range(length)))

    assert digest.hexdigest() == BLAKE3[length]


@pytest.mark.parametrize("length", [1 << 20, (1 << 20) + 1, (3 << 20) + 4097])
def test_its_blake3_of_a_stream_is_that_of_the_library(length: int) -> None:
    from blake3 import blake3  # the library is for comparison only

    data = bytes(count % 251 for count in range(251)) * (length // 251 + 1)
    digest = MINIMAL.Blake3()

    for start in range(0, length, 700_001):
        digest.update(data[start : min(start + 700_001, length)])

    assert digest.hexdigest() == blake3(data[:length]).hexdigest()


# --- JSON ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"\\r":1,"1":2,"\x80":3,"\u00f6":4,"\u20ac":5,"\U0001f600":6,"\ufb33":7}',  # RFC 8785
        '["\\u000f\\b\\\\\\"/"]',
        "[9007199254740991,-9007199254740991,null,true,false]",
    ],
)
def test_canonical_json_is_read(text: str) -> None:
    assert MINIMAL.canonical_json(MINIMAL.parse_json(text.encode())) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{} ",
        '{"a":1,"a":1}',
        '{"b":1,"a":1}',
        "1.0",
        "-0",
        "9007199254740992",
        "NaN",
        '"\\u00e9"',
        '"\\ud800"',
        "[" * 65 + "]" * 65,
        "[" + ",".join("0" * 200_001) + "]",
        "[" * 100_000,
        '"\x00"',
        "[0",
    ],
)
def test_what_is_not_canonical_json_is_refused(text: str) -> None:
    with pytest.raises(MINIMAL.Bad):
        MINIMAL.parse_json(text.encode())


# --- the log ---------------------------------------------------------------------------------

# The example of docs/spec/log.md.
LOG = {
    "quorum": 1,
    "verifier_key": "log.example/evidence+9fe9e0e3+AR+zcIbxd6QgJtjJ3hvDwOU8+DUF6vzqMe7ATK1Ttn5O",
    "witnesses": ["witness.example/w1+f8481057+BIZEdBIpojNIjDGUupDzMEwKPXYATX3QRiBS/nNXyvXn"],
}
BUNDLE_ID = "20261124t160642z-k3v4q2m7xw4c5b6d"
BUNDLE_SHA256 = "1e6ed65d77d6364eeaed5a745ba5c4985ae2b700dd85d7cf7f027bdf294a33fc"


def _proof_of_the_specification() -> bytes:
    text = (ROOT / "docs" / "spec" / "log.md").read_text(encoding="utf-8")
    start = text.index("c2sp.org/tlog-proof@v1\n")
    return text[start : text.index("```", start)].encode()


def _checked(proof: bytes, openssl: Any, **log: object) -> tuple[int, Any]:
    found: tuple[int, Any] = MINIMAL.check_log_proof(
        proof, BUNDLE_ID, BUNDLE_SHA256, MINIMAL.Log({**LOG, **log}), openssl
    )
    return found


def test_the_log_proof_of_the_specification_verifies(openssl: Any) -> None:
    index, checkpoint = _checked(_proof_of_the_specification(), openssl)

    assert (index, checkpoint.entries) == (1, 3)
    assert list(checkpoint.witnesses.values()) == [(1795622802, 1795622802)]


def test_a_cosignature_that_does_not_hold_is_as_if_it_were_not_there(openssl: Any) -> None:
    proof = _proof_of_the_specification().replace(b"+EgQVwAAAABrBweS6", b"+EgQVwAAAABrBweT6")

    _, checkpoint = _checked(proof, openssl)

    assert checkpoint.witnesses == {}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"index 1\n", b"index 0\n"),
        (b"index 1\n", b"index 01\n"),
        (b"index 1\n", b"index 3\n"),
        (b"tlog-proof@v1", b"tlog-proof@v2"),
        (b"bbSZS01z", b"bbSZS01y"),
        (b"RLrye29XKrPvdoXbE4Qwnh1ffd7KDFrQl+HLSpXxN5o=\n", b""),
        (
            b"RLrye29XKrPvdoXbE4Qwnh1ffd7KDFrQl+HLSpXxN5o=\n",
            2 * b"RLrye29XKrPvdoXbE4Qwnh1ffd7KDFrQl+HLSpXxN5o=\n",
        ),
        (b"\n3\n", b"\n4\n"),
        (b"log.example/evidence\n3", b"log.example/other\n3"),
        (b"n+ng47P02IZR", b"n+ng47P02IZS"),
        (b"\n\nlog.example", b"\nlog.example"),
        (b"s3uZ/vhZ2m9soZ", b"s3uZ/vhZ2m9soY"),
    ],
)
def test_a_log_proof_that_was_changed_does_not_verify(old: bytes, new: bytes, openssl: Any) -> None:
    proof = _proof_of_the_specification()
    assert old in proof

    with pytest.raises(MINIMAL.Bad):
        _checked(proof.replace(old, new, 1), openssl)


def test_the_proof_of_another_bundle_does_not_verify(openssl: Any) -> None:
    with pytest.raises(MINIMAL.Bad, match="root"):
        MINIMAL.check_log_proof(
            _proof_of_the_specification(), BUNDLE_ID, "0" * 64, MINIMAL.Log(LOG), openssl
        )


def test_a_directory_or_a_pipe_beside_a_bundle_is_junk_and_no_obstacle(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.wacz"
    bundle.write_bytes((VECTORS / "v1-good" / "bundle.wacz").read_bytes())
    (tmp_path / "bundle.wacz.late-01.tsr").mkdir()
    os.mkfifo(tmp_path / "bundle.wacz.late-02.tsr")
    os.mkfifo(tmp_path / "bundle.wacz.custody-0001.jsonl")

    assert _run("--trust", VECTORS / "trust" / "trust.json", bundle).returncode == 0


# --- tokens of real authorities --------------------------------------------------------------

DATA = ROOT / "tests" / "unit" / "formats" / "proofs" / "data"


def test_a_token_of_digicert_leads_to_the_root_that_we_ship(openssl: Any) -> None:
    root = (ROOT / "policies" / "authorities" / "digicert.pem").read_bytes()

    token = MINIMAL.Token((DATA / "digicert-2025.tsr").read_bytes(), openssl)

    assert token.time.year == 2025
    assert token.leads_to(root, openssl)


def test_a_token_of_identrust_is_over_its_bytes(openssl: Any) -> None:
    token = MINIMAL.Token((DATA / "identrust-2025-over-hello.tsr").read_bytes(), openssl)

    assert token.time.year == 2025
    assert token.is_over(b"hello")


def test_an_edited_token_of_a_real_authority_is_none(openssl: Any) -> None:
    data = bytearray((DATA / "digicert-2025.tsr").read_bytes())
    data[-20] ^= 1

    with pytest.raises(MINIMAL.Bad, match="signature"):
        MINIMAL.Token(bytes(data), openssl)


def test_both_verifiers_decompress_the_same_certificates_of_one_file() -> None:
    """850 of them took 19 seconds: of one file 4 MiB are decompressed, as the messages announce."""
    bodies = []
    for number in range(130):
        inner = number.to_bytes(1 << 15, "big")
        packed = zlib.compress(inner)
        bodies.append(
            b"\0\1" + len(inner).to_bytes(3, "big") + len(packed).to_bytes(3, "big") + packed
        )
    first, second = Decompressor(), MINIMAL.CertificateLists()

    def by_the_first(body: bytes) -> bool:
        return first(b"\x19" + len(body).to_bytes(3, "big") + body)[1] is not None

    def by_the_second(body: bytes) -> bool:
        try:
            return bool(second.opened(body))
        except MINIMAL.Unknown:
            return False

    for read in (by_the_first, by_the_second):
        assert [read(body) for body in bodies] == [True] * 128 + [False] * 2
        assert read(bodies[0])
