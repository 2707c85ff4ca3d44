"""The trust file: whom a verifier believes, and when a key's signature counts."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.errors import EvidenceInvalid, EvidenceUnverifiable, SnapshotterError
from snapshotter.formats import canonical_json
from snapshotter.formats.proofs.note import COSIGNATURE_V1, ED25519, LogPolicy, VerifierKey
from snapshotter.formats.proofs.rfc3161 import Anchor
from snapshotter.formats.signatures.keys import P256_SHA256, key_id, public_pem
from snapshotter.model.finding import Code, Verdict
from snapshotter.verify import trust
from snapshotter.verify.trust import (
    COMPROMISED,
    MAX_VERSION,
    SUPERSEDED,
    Requirements,
    SeenVersion,
    TrustDocument,
    TrustedKey,
    judge_key,
    load_document,
    load_trust,
    load_unpinned_document,
    own_trust,
    trusted_key,
)
from tests.cases import in_one_test

ROOT = ec.derive_private_key(11, ec.SECP384R1())
OTHER_ROOT = ec.derive_private_key(12, ec.SECP384R1())
KEY = ec.derive_private_key(13, ec.SECP384R1()).public_key()
P256 = ec.derive_private_key(14, ec.SECP256R1()).public_key()
PIN = key_id(ROOT.public_key())
NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def _root_certificate(name: str = "Test Authority Root") -> x509.Certificate:
    key = ec.derive_private_key(99, ec.SECP384R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + 9999 * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA384())
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _witness(name: str) -> VerifierKey:
    return VerifierKey(
        name=name, kind=COSIGNATURE_V1, public_key=hashlib.sha256(name.encode()).digest()
    )


def _alias(name: str, key: bytes = _witness("w1").public_key) -> VerifierKey:
    """Return another name for the key of `w1`, or for one that is given."""
    return VerifierKey(name=name, kind=COSIGNATURE_V1, public_key=key)


WITNESSES = tuple(sorted((_witness("w1"), _witness("w2")), key=lambda key: key.text))
LOG = LogPolicy(
    key=VerifierKey(name="example.org/log", kind=ED25519, public_key=bytes(range(32))),
    witnesses=WITNESSES,
    quorum=1,
)


def _log(**changes: Any) -> dict[str, Any]:
    return {
        "quorum": 1,
        "verifier_key": LOG.key.text,
        "witnesses": [key.text for key in WITNESSES],
        **changes,
    }


ANCHOR = Anchor(
    name="Example TSA",
    root=_root_certificate(),
    policy_oids=frozenset({"1.3.6.1.4.1.99999.1", "0.4.0.2023.1.1"}),
    revoked_serials=frozenset({0xDEADBEEF, 5}),
)
DOCUMENT = (
    TrustDocument.new(ROOT.public_key(), expires=NOW + 365 * DAY)
    .with_key(trusted_key(KEY, owner="Example Agency", not_before=NOW, not_after=NOW + 30 * DAY))
    .with_key(trusted_key(P256, owner="A partner"))
    .with_key_revoked(key_id(P256), at=NOW, reason=SUPERSEDED)
    .with_authority(ANCHOR)
)
JSON = DOCUMENT.encode()


def _sign(data: bytes, root: ec.EllipticCurvePrivateKey = ROOT) -> bytes:
    return root.sign(data, ec.ECDSA(hashes.SHA384()))


SIGNATURE = _sign(JSON)


def _edited(edit: Callable[[dict[str, Any]], object]) -> bytes:
    value = json.loads(JSON)
    edit(value)
    return canonical_json.dumps(value)


# --- reading -------------------------------------------------------------------------------


def test_a_trust_file_says_again_what_went_into_it() -> None:
    loaded = load_trust(JSON, SIGNATURE, pinned_root=PIN, now=NOW)

    assert loaded.keys == DOCUMENT.keys
    assert loaded.authorities == (ANCHOR,)
    assert loaded.require == Requirements(signatures=1, timestamps=1, log=False)
    assert (loaded.max_skew, loaded.max_lag) == (timedelta(minutes=5), timedelta(days=7))
    assert (loaded.version, loaded.expires) == (5, NOW + 365 * DAY)
    assert loaded.source == f"trust file version 5, signed by root key {PIN}"
    assert (
        loaded.key(key_id(KEY))
        == DOCUMENT.keys[[k.key_id for k in DOCUMENT.keys].index(key_id(KEY))]
    )
    assert loaded.key("0" * 64) is None


def test_what_is_read_encodes_to_the_same_bytes() -> None:
    assert load_document(JSON, SIGNATURE, pinned_root=PIN) == DOCUMENT
    assert load_document(JSON, SIGNATURE, pinned_root=PIN).encode() == JSON
    assert load_unpinned_document(JSON, SIGNATURE) == DOCUMENT


def test_a_p256_key_is_good_because_a_trust_file_names_it() -> None:
    key = load_trust(JSON, SIGNATURE, pinned_root=PIN, now=NOW).key(key_id(P256))

    assert key is not None
    assert key.algorithm == P256_SHA256


def test_openssl_verifies_a_trust_file(tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_bytes(public_pem(ROOT.public_key()))
    (tmp_path / "trust.json").write_bytes(JSON)
    (tmp_path / "trust.json.sig").write_bytes(SIGNATURE)

    done = subprocess.run(
        [
            "openssl",
            "dgst",
            "-sha384",
            "-verify",
            "root.pem",
            "-signature",
            "trust.json.sig",
            "trust.json",
        ],
        cwd=tmp_path,
        capture_output=True,
        timeout=30,
        check=False,
    )

    assert done.stdout == b"Verified OK\n"


def test_a_trust_file_by_another_root_than_the_pinned_one_is_refused() -> None:
    with pytest.raises(EvidenceInvalid, match="is expected"):
        load_trust(JSON, SIGNATURE, pinned_root=key_id(OTHER_ROOT.public_key()), now=NOW)


def test_naming_the_pinned_root_is_not_enough_without_its_signature() -> None:
    for signature in (_sign(JSON, OTHER_ROOT), _sign(JSON + b" "), b"", b"\x30\x00", b"x" * 500):
        with pytest.raises(EvidenceInvalid):
            load_trust(JSON, signature, pinned_root=PIN, now=NOW)


def test_the_signature_of_another_version_is_refused() -> None:
    newer = DOCUMENT.with_expiry(None).encode()

    with pytest.raises(EvidenceInvalid, match="signature is not valid"):
        load_trust(newer, SIGNATURE, pinned_root=PIN, now=NOW)


@pytest.mark.parametrize("pin", ["", PIN.upper(), PIN[:16], PIN + " "])
def test_a_pin_that_is_no_fingerprint_is_no_pin(pin: str) -> None:
    with pytest.raises(SnapshotterError, match="not the id of a root key") as caught:
        load_trust(JSON, SIGNATURE, pinned_root=pin, now=NOW)

    assert caught.value.exit_code == 1


def test_an_expired_trust_file_says_nothing_about_the_evidence() -> None:
    last = NOW + 365 * DAY

    assert load_trust(JSON, SIGNATURE, pinned_root=PIN, now=last).expires == last
    with pytest.raises(EvidenceUnverifiable, match="expired"):
        load_trust(JSON, SIGNATURE, pinned_root=PIN, now=last + SECOND)
    assert load_document(JSON, SIGNATURE, pinned_root=PIN).expires == last


def test_a_trust_file_that_never_expires_is_good_for_ever() -> None:
    data = DOCUMENT.with_expiry(None).encode()

    loaded = load_trust(data, _sign(data), pinned_root=PIN, now=NOW + 99_999 * DAY)

    assert loaded.expires is None


def test_an_older_version_than_one_seen_before_is_refused() -> None:
    assert (
        load_trust(JSON, SIGNATURE, pinned_root=PIN, now=NOW, seen=SeenVersion(version=5)).version
        == 5
    )
    with pytest.raises(EvidenceInvalid, match="but version 6 was seen before"):
        load_trust(JSON, SIGNATURE, pinned_root=PIN, now=NOW, seen=SeenVersion(version=6))


def test_two_files_of_one_version_are_told_apart_by_who_saw_the_other() -> None:
    """The owner signed both: one of two auditors was shown something else."""
    other = replace(DOCUMENT, max_lag=DAY)
    seen = SeenVersion.of(DOCUMENT)
    assert load_trust(JSON, SIGNATURE, pinned_root=PIN, now=NOW, seen=seen).seen == seen

    with pytest.raises(EvidenceInvalid, match="another trust file of version 5 was seen"):
        load_trust(other.encode(), _sign(other.encode()), pinned_root=PIN, now=NOW, seen=seen)

    # Who kept the number alone can not tell.
    by_number = SeenVersion(version=5)
    assert load_trust(JSON, SIGNATURE, pinned_root=PIN, now=NOW, seen=by_number).version == 5


def test_the_last_version_is_good_and_none_follows_it() -> None:
    last = DOCUMENT.bumped(version=MAX_VERSION)
    assert load_document(last.encode(), _sign(last.encode()), pinned_root=PIN) == last

    edits: list[Callable[[], object]] = [
        lambda: last.bumped(),
        lambda: last.with_expiry(None),
        lambda: last.with_key(trusted_key(OTHER_ROOT.public_key(), owner="x")),
        lambda: DOCUMENT.bumped(version=MAX_VERSION + 1),
    ]
    for edit in edits:
        with pytest.raises(
            SnapshotterError, match="the version of a trust file cannot be higher than"
        ):
            edit()


def test_a_version_is_bumped_upwards_and_all_else_stays_unless_said() -> None:
    assert DOCUMENT.bumped() == replace(DOCUMENT, version=6)
    assert DOCUMENT.bumped(version=40, expires=None) == replace(DOCUMENT, version=40, expires=None)
    strict = DOCUMENT.bumped(require=Requirements(signatures=2, timestamps=2))
    assert (strict.version, strict.require.signatures) == (6, 2)
    for version in (5, 4, 0, -1):
        with pytest.raises(SnapshotterError, match="must be higher"):
            DOCUMENT.bumped(version=version)


def test_a_key_is_replaced_in_one_version() -> None:
    new = trusted_key(OTHER_ROOT.public_key(), owner="Example Agency")

    rotated = DOCUMENT.with_key_replaced(key_id(KEY), new, at=NOW)

    old = next(key for key in rotated.keys if key.key_id == key_id(KEY))
    assert rotated.version == DOCUMENT.version + 1
    assert (old.revoked_at, old.revoked_reason) == (NOW, SUPERSEDED)
    assert new in rotated.keys
    with pytest.raises(SnapshotterError, match="does not contain the key"):
        DOCUMENT.with_key_replaced("0" * 64, new, at=NOW)


def test_a_log_and_its_witnesses_are_read_as_they_were_written() -> None:
    document = DOCUMENT.with_log(replace(LOG, witnesses=WITNESSES[::-1]))
    required = document.bumped(require=Requirements(log=True))
    data = required.encode()

    loaded = load_trust(data, _sign(data), pinned_root=PIN, now=NOW)

    assert (loaded.log, loaded.require.log) == (LOG, True)
    assert json.loads(data)["log"] == _log()
    with pytest.raises(SnapshotterError, match="trust file would name no log"):
        required.with_log(None)
    with pytest.raises(SnapshotterError, match="names no log"):
        DOCUMENT.bumped(require=Requirements(log=True))


def test_a_trust_file_has_a_largest_size() -> None:
    huge = b'{"a":"' + b"x" * trust.MAX_TRUST_BYTES + b'"}'

    with pytest.raises(EvidenceInvalid, match="longer than"):
        load_document(huge, _sign(huge), pinned_root=PIN)


def test_a_trust_file_that_would_fill_the_memory_is_refused_before_it_is_parsed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many = b"[" + b",".join([b"[]"] * 200_001) + b"]"

    def parsed(*_: object, **__: object) -> None:
        raise AssertionError("it was parsed")

    with monkeypatch.context() as patch:
        patch.setattr(json, "loads", parsed)
        with pytest.raises(EvidenceInvalid, match="more than 200000 values"):
            load_document(many, _sign(many), pinned_root=PIN)


def test_the_order_is_signature_then_version_then_expiry() -> None:
    late = NOW + 9999 * DAY
    with pytest.raises(EvidenceInvalid, match="signature"):
        load_trust(JSON, b"", pinned_root=PIN, now=late, seen=SeenVersion(version=9))
    with pytest.raises(EvidenceInvalid, match="was seen before"):
        load_trust(JSON, SIGNATURE, pinned_root=PIN, now=late, seen=SeenVersion(version=9))


EDITS: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda d: d.update(extra=1), "unknown field 'extra'"),
    (lambda d: d.pop("expires"), "has no 'expires'"),
    (lambda d: d.update(format="snapshotter-trust/2"), "the format is not"),
    (lambda d: d.update(version=0), "version"),
    (lambda d: d.update(version=True), "right type"),
    (lambda d: d.update(version="5"), "right type"),
    (lambda d: d.update(expires="2026-06-01"), "is not a time of the form YYYY-MM-DDTHH:MM:SSZ"),
    (lambda d: d.update(expires=0), "is not a time of the form YYYY-MM-DDTHH:MM:SSZ"),
    (lambda d: d.update(log={}), "has no 'verifier_key'"),
    (lambda d: d.update(log=_log(origin="x")), "unknown field 'origin'"),
    (lambda d: d.update(log=_log(quorum=3)), "quorum is at most"),
    (lambda d: d.update(log=_log(quorum=-1)), "quorum is at most"),
    (lambda d: d.update(log=_log(quorum=True)), "right type"),
    (lambda d: d.update(log=_log(verifier_key=WITNESSES[0].text)), "a key for notes"),
    (lambda d: d.update(log=_log(verifier_key="example.org/log")), "not a verifier key"),
    (lambda d: d.update(log=_log(verifier_key=LOG.key.text + "=")), "not a verifier key"),
    (
        lambda d: d.update(log=_log(verifier_key=LOG.key.text.replace("log+", "lag+"))),
        "the id in the verifier key does not",
    ),
    (
        lambda d: d.update(log=_log(witnesses=[key.text for key in reversed(WITNESSES)])),
        "sorted list",
    ),
    (lambda d: d.update(log=_log(witnesses=[WITNESSES[0].text] * 2)), "sorted list"),
    (lambda d: d.update(log=_log(witnesses=[LOG.key.text])), "a key for cosignatures"),
    (
        lambda d: d.update(log=_log(witnesses=sorted([_witness("w1").text, _alias("w2").text]))),
        "must have its own key",
    ),
    (
        lambda d: d.update(log=_log(witnesses=[_alias("w", LOG.key.public_key).text])),
        "other than the key of the log",
    ),
    (
        lambda d: d.update(log=_log(witnesses=sorted(_witness(f"w{n}").text for n in range(17)))),
        "more than 16",
    ),
    (lambda d: d.update(version=1 << 31), "a number from 1 to 2147483647"),
    (lambda d: d.update(version=(1 << 53) - 1), "a number from 1 to 2147483647"),
    (lambda d: d.update(version=-1), "a number from 1"),
    (lambda d: d.update(keys={}), "right type"),
    (lambda d: d.update(keys=[1]), "not a JSON object"),
    (lambda d: d["keys"].reverse(), "sorted"),
    (lambda d: d["keys"].append(d["keys"][1]), "sorted"),
    (lambda d: d.update(keys=[d["keys"][0]] * 1001), "more than 1000"),
    (lambda d: d["keys"][0].update(use="all"), "unknown field 'use'"),
    (lambda d: d["keys"][0].update(key_id="0" * 64), "key id"),
    (lambda d: d["keys"][0].update(alg="none"), "algorithm"),
    (lambda d: d["keys"][0].update(public_key="x"), "PEM"),
    (lambda d: d["keys"][0].update(public_key=d["keys"][1]["public_key"]), "key id"),
    (lambda d: d["keys"][0].update(owner=""), "owner"),
    (lambda d: d["keys"][0].update(owner="a\u001b[2J"), "owner"),
    (lambda d: d["keys"][0].update(owner="a\u202eb"), "owner"),
    (lambda d: d["keys"][0].update(owner="a\u00a0b"), "owner"),
    (lambda d: d["keys"][0].update(owner="\ue000"), "owner"),
    (lambda d: d["keys"][0].update(owner=" a"), "owner"),
    (lambda d: d["keys"][0].update(owner="a" * 201), "owner"),
    (
        lambda d: d["keys"][0].update(not_before=None),
        "is not a time of the form YYYY-MM-DDTHH:MM:SSZ",
    ),
    (lambda d: d["keys"][0].update(not_after="1969-01-01T00:00:00Z"), "ends before it begins"),
    (lambda d: d["keys"][0].update(revoked={"at": "2026-06-01T00:00:00Z"}), "has no 'reason'"),
    (
        lambda d: d["keys"][0].update(revoked={"at": "2026-06-01T00:00:00Z", "reason": "lost"}),
        "the reason of a revocation",
    ),
    (
        lambda d: d["keys"][0].update(revoked={"at": "2026-06-01T00:00:00Z", "reason": ""}),
        "a time and a reason",
    ),
    (
        lambda d: d["keys"][0].update(
            revoked={"at": "2026-06-01T00:00:00Z", "reason": "superseded", "by": "x"}
        ),
        "unknown field 'by'",
    ),
    (lambda d: d["tsa"][0].update(url="http://x"), "unknown field 'url'"),
    (lambda d: d["tsa"][0].update(name="a\nb"), "name"),
    (lambda d: d["tsa"].append(d["tsa"][0]), "sorted"),
    (lambda d: d["tsa"].append({**d["tsa"][0], "name": "Z"}), "would count twice"),
    (
        # The root's certificate was renewed: another certificate of the same key.
        lambda d: d["tsa"].append(
            {**d["tsa"][0], "name": "Z", "root": _pem(_root_certificate("Z"))}
        ),
        "would count twice",
    ),
    (lambda d: d["tsa"][0].update(root="x"), "trust file"),
    (lambda d: d["tsa"][0].update(root=d["tsa"][0]["root"] + "\n"), "not in the required encoding"),
    (lambda d: d["tsa"][0].update(root="x" * 20_000), "longer than"),
    (lambda d: d["tsa"][0]["policy_oids"].reverse(), "sorted list"),
    (lambda d: d["tsa"][0].update(policy_oids=["1"]), "object identifier"),
    (lambda d: d["tsa"][0].update(policy_oids=["1.02"]), "object identifier"),
    (lambda d: d["tsa"][0].update(policy_oids=[1]), "sorted list"),
    (lambda d: d["tsa"][0].update(policy_oids=[f"1.{n}" for n in range(100, 160)]), "more than"),
    (lambda d: d["tsa"][0].update(revoked_serials=["05"]), "decimal"),
    (lambda d: d["tsa"][0].update(revoked_serials=["DEAD"]), "decimal"),
    (lambda d: d["tsa"][0].update(revoked_serials=["0"]), "decimal"),
    (lambda d: d["require"].update(signatures=0), "signatures"),
    (lambda d: d["require"].update(timestamps=-1), "timestamps"),
    (lambda d: d["require"].update(timestamps=11), "timestamps"),
    (lambda d: d["require"].update(log=True), "names no log"),
    (lambda d: d["require"].update(log=0), "right type"),
    (lambda d: d["require"].update(witnesses=1), "unknown field"),
    (lambda d: d.update(require=None), "not a JSON object"),
    (lambda d: d.update(max_skew_s=-1), "max_skew_s or max_lag_s is out of range"),
    (lambda d: d.update(max_lag_s=1 << 40), "max_skew_s or max_lag_s is out of range"),
    (lambda d: d.update(root_key="x"), "PEM"),
    (lambda d: d.update(root_key=public_pem(P256).decode()), "secp256r1"),
    (
        lambda d: d["keys"][0].update(
            key_id=PIN, public_key=d["root_key"], alg="ecdsa-p384-sha384", revoked=None
        ),
        "root key signs trust files|sorted",
    ),
]


@in_one_test(("edit", "message"), EDITS)
def test_a_field_that_is_not_as_specified_is_refused_even_when_signed(
    edit: Callable[[dict[str, Any]], object], message: str
) -> None:
    data = _edited(edit)

    with pytest.raises(EvidenceInvalid, match=message) as caught:
        load_trust(data, _sign(data), pinned_root=PIN, now=NOW)

    assert caught.value.message.startswith("trust file: ")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        JSON + b"\n",
        JSON.replace(b'"version":5', b'"version":5.0'),
        JSON.replace(b'"version":5', b'"version": 5'),
        JSON.replace(b'"version":5', b'"version":5,"version":5'),
        json.dumps(json.loads(JSON), indent=1).encode(),
        b"[" * 100_000,
        b'"' + b"x" * (5 << 20) + b'"',
    ],
)
def test_what_is_not_the_canonical_spelling_of_a_trust_file_is_refused(data: bytes) -> None:
    with pytest.raises(EvidenceInvalid, match="trust file: "):
        load_trust(data, _sign(data), pinned_root=PIN, now=NOW)


@given(st.data())
def test_no_byte_of_a_trust_file_or_its_signature_can_be_changed(data: st.DataObject) -> None:
    both = bytearray(JSON + SIGNATURE)
    at = data.draw(st.integers(0, len(both) - 1))
    both[at] ^= data.draw(st.integers(1, 255))

    with pytest.raises(EvidenceInvalid):
        load_trust(bytes(both[: len(JSON)]), bytes(both[len(JSON) :]), pinned_root=PIN, now=NOW)


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(
    place=st.sampled_from(
        [(name,) for name in json.loads(JSON)]
        + [("keys", 0, name) for name in json.loads(JSON)["keys"][0]]
        + [("tsa", 0, name) for name in json.loads(JSON)["tsa"][0]]
        + [("require", name) for name in json.loads(JSON)["require"]]
    ),
    value=_json,
)
def test_any_value_in_any_field_is_a_trust_file_or_our_error(
    place: tuple[Any, ...], value: object
) -> None:
    def put(document: Any) -> None:
        for step in place[:-1]:
            document = document[step]
        document[place[-1]] = value

    data = _edited(put)
    try:
        document = load_document(data, _sign(data), pinned_root=PIN)
    except EvidenceInvalid:
        return
    assert document.encode() == data


# --- judging -------------------------------------------------------------------------------


def _key(**changes: Any) -> TrustedKey:
    return replace(trusted_key(KEY, owner="Example Agency", not_before=NOW), **changes)


ENDED = _key(not_after=NOW + 10 * DAY)
RETIRED = _key(revoked_at=NOW + 10 * DAY, revoked_reason=SUPERSEDED)
STOLEN = _key(revoked_at=NOW + 10 * DAY, revoked_reason=COMPROMISED)
OPEN = _key()


@pytest.mark.parametrize(
    ("key", "proven", "verdict", "code"),
    [
        (OPEN, None, Verdict.PASSED, Code.OK),
        (OPEN, NOW, Verdict.PASSED, Code.OK),
        (OPEN, NOW + 9999 * DAY, Verdict.PASSED, Code.OK),
        (OPEN, NOW - SECOND, Verdict.FAILED, Code.KEY_PERIOD),
        (ENDED, NOW + 10 * DAY, Verdict.PASSED, Code.OK),
        (ENDED, NOW + 10 * DAY + SECOND, Verdict.INDETERMINATE, Code.KEY_PERIOD),
        (ENDED, None, Verdict.INDETERMINATE, Code.KEY_PERIOD),
        (RETIRED, NOW + 10 * DAY - SECOND, Verdict.PASSED, Code.OK),
        (RETIRED, NOW + 10 * DAY, Verdict.INDETERMINATE, Code.KEY_REVOKED),
        (RETIRED, None, Verdict.INDETERMINATE, Code.KEY_REVOKED),
        (STOLEN, NOW + 10 * DAY - SECOND, Verdict.PASSED, Code.OK),
        (STOLEN, NOW + 10 * DAY, Verdict.FAILED, Code.KEY_REVOKED),
        (STOLEN, None, Verdict.FAILED, Code.KEY_REVOKED),
        (STOLEN, NOW - SECOND, Verdict.FAILED, Code.KEY_PERIOD),
        (
            _key(not_after=NOW, revoked_at=NOW + DAY, revoked_reason=COMPROMISED),
            NOW + DAY,
            Verdict.FAILED,
            Code.KEY_REVOKED,
        ),
    ],
)
def test_a_key_is_judged_at_the_time_that_is_proven_and_not_today(
    key: TrustedKey, proven: datetime | None, verdict: Verdict, code: Code
) -> None:
    found = judge_key(key, proven)

    assert found[:2] == (verdict, code)
    assert found[2]


def test_a_period_whose_ends_are_one_instant_holds_just_that_instant() -> None:
    key = trusted_key(KEY, owner="A", not_before=NOW, not_after=NOW)
    tick = timedelta(microseconds=1)

    assert judge_key(key, NOW)[0] is Verdict.PASSED
    assert judge_key(key, NOW + tick)[:2] == (Verdict.INDETERMINATE, Code.KEY_PERIOD)
    assert judge_key(key, NOW - tick)[:2] == (Verdict.FAILED, Code.KEY_PERIOD)
    assert judge_key(key, None)[:2] == (Verdict.INDETERMINATE, Code.KEY_PERIOD)


@pytest.mark.parametrize(
    ("reason", "without"), [(SUPERSEDED, Verdict.INDETERMINATE), (COMPROMISED, Verdict.FAILED)]
)
def test_a_revocation_in_the_future_is_judged_as_if_its_time_had_come(
    reason: str, without: Verdict
) -> None:
    """What has no token can not show that it is older; what has one is."""
    key = replace(trusted_key(KEY, owner="A"), revoked_at=NOW + 9_000 * DAY, revoked_reason=reason)

    assert judge_key(key, NOW)[0] is Verdict.PASSED
    assert judge_key(key, None)[:2] == (without, Code.KEY_REVOKED)


def test_a_revocation_before_the_period_leaves_nothing_that_is_good() -> None:
    key = replace(
        trusted_key(KEY, owner="A", not_before=NOW), revoked_at=NOW - DAY, revoked_reason=SUPERSEDED
    )

    found = [judge_key(key, time)[0] for time in (None, NOW - 2 * DAY, NOW - DAY, NOW, NOW + DAY)]

    assert Verdict.PASSED not in found


def test_ones_own_keys_that_were_retired_are_known_as_that() -> None:
    at = NOW - DAY

    found = own_trust([KEY, P256], [], revoked={key_id(KEY): (at, COMPROMISED)})

    retired, other = found.key(key_id(KEY)), found.key(key_id(P256))
    assert retired is not None
    assert other is not None
    assert (retired.revoked_at, retired.revoked_reason) == (at, COMPROMISED)
    assert other.revoked_at is None


def test_ones_own_keys_are_trusted_without_a_period_and_the_report_says_whose_they_are() -> None:
    own = own_trust([KEY, KEY], [ANCHOR])

    assert own.source == "the keys of your settings, without a trust file"
    assert [key.key_id for key in own.keys] == [key_id(KEY)]
    assert own.authorities == (ANCHOR,)
    assert own.version is None
    assert judge_key(own.keys[0], None)[0] is Verdict.PASSED


# --- editing -------------------------------------------------------------------------------


def test_each_edit_is_a_new_version_and_leaves_the_old_one_alone() -> None:
    first = TrustDocument.new(ROOT.public_key())
    second = first.with_key(trusted_key(KEY, owner="x"))

    assert (first.version, first.keys) == (1, ())
    assert (second.version, len(second.keys)) == (2, 1)
    assert second.with_authority(ANCHOR).with_expiry(NOW).version == 4


def test_a_key_is_added_once_and_the_root_key_never() -> None:
    with pytest.raises(SnapshotterError, match="already"):
        DOCUMENT.with_key(trusted_key(KEY, owner="again"))
    with pytest.raises(SnapshotterError, match="cannot sign bundles"):
        DOCUMENT.with_key(trusted_key(ROOT.public_key(), owner="root"))


def test_an_authority_is_added_once_or_replaced_when_asked_to() -> None:
    other = replace(ANCHOR, policy_oids=frozenset())

    with pytest.raises(SnapshotterError, match="already"):
        DOCUMENT.with_authority(other)
    with pytest.raises(SnapshotterError, match="not in"):
        DOCUMENT.with_authority(replace(other, name="New"), replacing=True)
    assert DOCUMENT.with_authority(other, replacing=True).authorities == (other,)


def test_a_revocation_can_be_made_worse_and_never_better() -> None:
    identity = key_id(P256)  # superseded at NOW

    worse = DOCUMENT.with_key_revoked(identity, at=NOW - DAY, reason=COMPROMISED)

    with pytest.raises(SnapshotterError, match="revoked as compromised"):
        worse.with_key_revoked(identity, at=NOW - 2 * DAY, reason=SUPERSEDED)
    with pytest.raises(SnapshotterError, match="already"):
        DOCUMENT.with_key_revoked(identity, at=NOW + DAY, reason=COMPROMISED)
    with pytest.raises(SnapshotterError, match="does not contain the key"):
        DOCUMENT.with_key_revoked("0" * 64, at=NOW, reason=SUPERSEDED)


@pytest.mark.parametrize(
    "build",
    [
        lambda: TrustDocument.new(P256),
        lambda: replace(DOCUMENT, version=0),
        lambda: replace(DOCUMENT, max_skew=timedelta(seconds=-1)),
        lambda: replace(DOCUMENT, max_lag=timedelta(milliseconds=1)),
        lambda: replace(DOCUMENT, keys=DOCUMENT.keys[::-1]),
        lambda: replace(DOCUMENT, keys=(trusted_key(ROOT.public_key(), owner="x"),)),
        lambda: DOCUMENT.with_authority(replace(ANCHOR, name=" ")),
        lambda: DOCUMENT.with_authority(
            replace(ANCHOR, name="n", policy_oids=frozenset({"a.b"})),
        ),
        lambda: DOCUMENT.with_authority(
            replace(ANCHOR, name="n", revoked_serials=frozenset({-1})),
        ),
        lambda: DOCUMENT.with_authority(
            replace(ANCHOR, name="n", policy_oids=frozenset(f"1.{n}" for n in range(60))),
        ),
        lambda: replace(
            DOCUMENT,
            keys=(),
            authorities=tuple(replace(ANCHOR, name=f"{n:03}") for n in range(101)),
        ),
        lambda: Requirements(signatures=0),
    ],
)
def test_an_invalid_document_cannot_be_built(build: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        build()


def test_trust_is_read_without_browser_cloud_or_command_line() -> None:
    code = (
        f"import sys, {trust.__name__}; "
        "print([m for m in ('playwright', 'boto3', 'click', 'httpx', 'snapshotter.seal') "
        "if m in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout == "[]\n"
