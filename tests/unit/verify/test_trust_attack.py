"""
The trust file under attack: whatever becomes of a field, nothing is believed that was not.

A seeded mutator changes fields of good trust files, one to three at a time, as somebody would
who knows the format. Three attackers: one without any root key, one with a root key of their
own, and the owner, who may sign what they like but is told by `trust diff` when it
makes more count. The second verifier has to say the same of each file.
"""

import io
import json
import random
import string
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from snapshotter.errors import EvidenceInvalid, EvidenceUnverifiable, SnapshotterError
from snapshotter.formats import canonical_json
from snapshotter.formats.signatures.keys import key_id, public_pem
from snapshotter.model.finding import Verdict
from snapshotter.seal.signer import FileSigner
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.trust import (
    COMPROMISED,
    SUPERSEDED,
    Requirements,
    TrustDocument,
    load_document,
    load_trust,
    trusted_key,
)
from snapshotter.verify.trust_changes import Effect, changes
from tests import bundles
from tests.bundles import ChainAuthority, RealClock
from tests.fuzzing import tries
from tests.unit.verify.test_minimal_verifier import MINIMAL

ROUNDS = tries(100)  # shared by the cases
SIGNER, COSIGNER, STRANGER, ROOT, OTHER_ROOT = (
    ec.derive_private_key(number, ec.SECP384R1()) for number in range(71, 76)
)
PIN = key_id(ROOT.public_key())
DAY = timedelta(days=1)
_GRAVITY = {Verdict.PASSED: 0, Verdict.INDETERMINATE: 1, Verdict.FAILED: 2}


@dataclass(frozen=True, slots=True)
class Case:
    """A trust file, a bundle, and what is said of the one by the other."""

    name: str
    document: TrustDocument
    bundle: bytes
    verdict: Verdict


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory, authority: ChainAuthority) -> list[Case]:
    folder = tmp_path_factory.mktemp("bundles")
    now = datetime.now(UTC).replace(microsecond=0)

    def sealed(name: str, **more: Any) -> bytes:
        made = bundles.seal(folder / name, signer=FileSigner(SIGNER), clock=RealClock(), **more)
        return made.file.read_bytes()

    stamped = sealed("stamped", authorities=[authority])
    bare = sealed("bare", require_timestamps=0)
    both = sealed(
        "both", authorities=[authority], cosigners=[FileSigner(COSIGNER)], require_signatures=1
    )
    key = trusted_key(SIGNER.public_key(), owner="Agency")
    other = trusted_key(COSIGNER.public_key(), owner="Court", not_after=now + 90 * DAY)
    good = TrustDocument(
        version=5,
        root=ROOT.public_key(),
        expires=now + 365 * DAY,
        keys=tuple(sorted((key, other), key=lambda key: key.key_id)),
        authorities=(authority.anchor,),
    )

    def revoked(reason: str, at: datetime) -> TrustDocument:
        return good.with_key_revoked(key.key_id, at=at, reason=reason)

    unknown = replace(good, keys=(other,))
    strict = replace(good, require=Requirements(signatures=2, timestamps=2))
    passed, unclear, failed = Verdict.PASSED, Verdict.INDETERMINATE, Verdict.FAILED
    return [
        Case("good", good, stamped, passed),
        Case("good-by-two", good, both, passed),
        Case("no-token", good, bare, unclear),
        Case("unknown", unknown, stamped, unclear),
        Case("compromised-before", revoked(COMPROMISED, now - DAY), stamped, failed),
        Case("compromised-after", revoked(COMPROMISED, now + DAY), stamped, passed),
        Case("compromised-no-token", revoked(COMPROMISED, now + DAY), bare, failed),
        Case("superseded-before", revoked(SUPERSEDED, now - DAY), stamped, unclear),
        Case("superseded-after", revoked(SUPERSEDED, now + DAY), stamped, passed),
        Case("one-of-two-compromised", revoked(COMPROMISED, now - DAY), both, passed),
        Case("two-required", strict, both, unclear),
        Case("no-authority", replace(good, authorities=()), stamped, unclear),
    ]


def _sign(data: bytes, root: ec.EllipticCurvePrivateKey = ROOT) -> bytes:
    return root.sign(data, ec.ECDSA(hashes.SHA384()))


def _verdict(data: bytes, signature: bytes, bundle: bytes) -> Verdict | None:
    """Return what a reader says; None when they refuse the trust file."""
    now = datetime.now(UTC)
    try:
        trust = load_trust(data, signature, pinned_root=PIN, now=now)
    except (EvidenceInvalid, EvidenceUnverifiable):
        return None
    return verify_bundle(io.BytesIO(bundle), trust, now=now).verdict


# --- the mutator ---------------------------------------------------------------------------------


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for name in value:
            yield from _places(value[name], (*path, name))
    elif isinstance(value, list):
        for index in range(len(value)):
            yield from _places(value[index], (*path, index))


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def _mutated(rng: random.Random, value: dict[str, Any]) -> dict[str, Any]:
    """Return the file with one field changed, removed, added, copied or exchanged."""
    edited: dict[str, Any] = json.loads(json.dumps(value))
    if rng.random() < 0.4:
        _sensible(rng, edited)
        return edited
    path = rng.choice([place for place in _places(edited) if place])
    parent, last, old = _at(edited, path[:-1]), path[-1], _at(edited, path)
    how = rng.randrange(6)
    if how == 0 and isinstance(parent, list):
        parent.pop(last)
    elif how == 1 and isinstance(parent, list):
        parent.insert(rng.randrange(len(parent) + 1), json.loads(json.dumps(old)))
    elif how == 2 and isinstance(parent, dict):
        del parent[last]
    elif how == 3 and isinstance(parent, dict):
        parent["".join(rng.choices(string.ascii_lowercase, k=3))] = old
    elif how == 4:
        # A value from somewhere else in the file: of the right type more often than chance.
        donor = rng.choice([place for place in _places(edited) if place])
        parent[last] = json.loads(json.dumps(_at(edited, donor)))
    else:
        parent[last] = _other(rng, old)
    return edited


def _objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list, of one that may have become anything."""
    return (
        [element for element in value if isinstance(element, dict)]
        if isinstance(value, list)
        else []
    )


def _sensible(rng: random.Random, value: dict[str, Any]) -> None:
    """Change what makes sense: dates, reasons, numbers, who is there."""
    day = rng.choice(["1990", "2020", "2026", "2030", "2999"]) + "-01-01T00:00:00Z"
    keys = _objects(value.get("keys"))
    key = rng.choice(keys or [{}])
    tsa = rng.choice(_objects(value.get("tsa")) or [{}])
    require = value.get("require")
    how = rng.randrange(10)
    if how == 0:
        key["revoked"] = None
    elif how == 1:
        key["revoked"] = {"at": day, "reason": rng.choice([SUPERSEDED, COMPROMISED])}
    elif how == 2:
        key["not_before"] = day
    elif how == 3:
        key["not_after"] = rng.choice([day, None])
    elif how == 4 and isinstance(require, dict):
        require[rng.choice(["signatures", "timestamps"])] = rng.randrange(4)
    elif how == 5:
        value[rng.choice(["max_skew_s", "max_lag_s"])] = rng.choice([0, 1, 60, 10**6])
    elif how == 6:
        tsa["policy_oids"] = rng.choice([[], ["1.2.3"]])
    elif how == 7:
        value["expires"] = rng.choice([day, None])
    elif how == 8:
        value["keys"] = [other for other in keys if other is not key]
    else:
        # Somebody's key, known or not, as good for ever.
        public = rng.choice([SIGNER, STRANGER]).public_key()
        added = {
            "alg": "ecdsa-p384-sha384",
            "key_id": key_id(public),
            "not_after": None,
            "not_before": "1970-01-01T00:00:00Z",
            "owner": "x",
            "public_key": public_pem(public).decode(),
            "revoked": None,
        }
        others = [other for other in keys if other.get("key_id") != added["key_id"]]
        value["keys"] = sorted([*others, added], key=lambda key: str(key.get("key_id")))


def _other(rng: random.Random, old: Any) -> Any:
    if isinstance(old, bool):
        return not old
    if isinstance(old, int):
        return rng.choice([0, 1, -1, old + 1, old - 1, 1 << 31, (1 << 53) - 1, old * 2, str(old)])
    if isinstance(old, str):
        if old.endswith("Z") and len(old) == 20:
            year = rng.choice(["1970", "2020", "2026", "2027", "2999", "0999"])
            return rng.choice([year + old[4:], old[:-1], old.replace("Z", "+00:00"), None])
        at = rng.randrange(len(old)) if old else 0
        return rng.choice(
            [
                old[:at] + rng.choice(string.printable) + old[at + 1 :],
                old[:at] + old[at + 1 :],
                old + " ",
                old.upper(),
                "",
                None,
                "superseded" if old == "compromised" else "compromised",
                public_pem(STRANGER.public_key()).decode(),
            ]
        )
    if old is None:
        return rng.choice(["2026-01-01T00:00:00Z", "2099-01-01T00:00:00Z", 0, {}, False])
    return rng.choice([[], {}, None, 0, "", True])


def _mutations(case: Case, seed: str, count: int) -> Iterator[bytes]:
    rng = random.Random(f"{case.name}/{seed}")  # noqa: S311  the same edits on every run
    value = json.loads(case.document.encode())
    for _ in range(count):
        edited = value
        for _ in range(rng.choice([1, 1, 2, 3])):
            edited = _mutated(rng, edited)
        try:
            data = canonical_json.dumps(edited)
        except ValueError:
            data = json.dumps(edited).encode()
        if data != case.document.encode():
            yield data


# --- the attackers -------------------------------------------------------------------------------


def test_each_case_is_judged_as_it_says(cases: list[Case]) -> None:
    for case in cases:
        data = case.document.encode()
        assert _verdict(data, _sign(data), case.bundle) is case.verdict, case.name


@pytest.mark.fuzz
def test_without_the_root_key_no_field_can_be_changed(cases: list[Case]) -> None:
    tried = 0
    for case in cases:
        signature = _sign(case.document.encode())
        for data in _mutations(case, "unsigned", ROUNDS // 10):
            tried += 1
            for forged in (signature, _sign(data, OTHER_ROOT), _sign(data, STRANGER), b""):
                with pytest.raises(EvidenceInvalid):
                    load_document(data, forged, pinned_root=PIN)
    assert tried > ROUNDS // 2


@pytest.mark.fuzz
def test_whatever_the_owner_signs_is_refused_or_read_as_it_stands(cases: list[Case]) -> None:
    """No mutation makes a verdict better unless `trust diff` says that more counts."""
    refused = read = better = 0
    for case in cases:
        for data in _mutations(case, "owner", ROUNDS // 10):
            signature = _sign(data)
            try:
                document = load_document(data, signature, pinned_root=PIN)
            except SnapshotterError:
                refused += 1
                assert _verdict(data, signature, case.bundle) is None
                continue
            read += 1
            assert document.encode() == data
            found = _verdict(data, signature, case.bundle)
            if found is None or _GRAVITY[found] >= _GRAVITY[case.verdict]:
                continue
            better += 1
            effects = {change.effect for change in changes(case.document, document)}
            assert Effect.WIDER in effects, (case.name, data)
    assert min(refused, read) > 20
    assert better > 0  # else this would show nothing


_STRICTER = (
    lambda d: d["require"].update(signatures=min(10, d["require"]["signatures"] + 1)),
    lambda d: d["require"].update(timestamps=min(10, d["require"]["timestamps"] + 1)),
    lambda d: d.update(max_skew_s=0),
    lambda d: d.update(max_lag_s=0),
    lambda d: d.update(tsa=[]),
    lambda d: [authority.update(policy_oids=["1.2.3"]) for authority in d["tsa"]],
    lambda d: [key.update(not_before="2999-01-01T00:00:00Z", not_after=None) for key in d["keys"]],
    lambda d: [key.update(not_after=key["not_before"]) for key in d["keys"]],
    lambda d: [
        key.update(revoked={"at": "1990-01-01T00:00:00Z", "reason": "compromised"})
        for key in d["keys"]
    ],
    lambda d: d.update(keys=[key for key in d["keys"] if key["revoked"] is not None]),
)


@pytest.mark.parametrize("edit", range(len(_STRICTER)))
def test_what_only_takes_away_never_makes_a_verdict_better(cases: list[Case], edit: int) -> None:
    for case in cases:
        value = json.loads(case.document.encode())
        _STRICTER[edit](value)
        data = canonical_json.dumps(value)

        found = _verdict(data, _sign(data), case.bundle)

        assert found is not None
        # An authority that is not believed takes its time away too, and with it what was void
        # for being too early: never to PASSED.
        assert found is not Verdict.PASSED or case.verdict is Verdict.PASSED, case.name
        if edit not in {4, 5}:
            assert _GRAVITY[found] >= _GRAVITY[case.verdict], case.name


@pytest.mark.fuzz
def test_both_verifiers_read_the_same_files_and_judge_the_same_by_them(
    cases: list[Case], tmp_path: Path
) -> None:
    openssl = MINIMAL.OpenSSL("openssl")
    now = datetime.now(UTC)
    agreed = 0
    try:
        for case in cases:
            file = tmp_path / f"{case.name}.wacz"
            file.write_bytes(case.bundle)
            files = [case.document.encode(), *_mutations(case, "both", ROUNDS // 50)]
            for data in files:
                signature = _sign(data)
                ours = _verdict(data, signature, case.bundle)
                try:
                    trust = MINIMAL.Trust(data, signature, PIN, now, openssl)
                except MINIMAL.Refused:
                    theirs = None
                else:
                    theirs = MINIMAL.Verification(str(file), trust, now, openssl).run().verdict
                assert theirs == (None if ours is None else ours.value), (case.name, data)
                agreed += 1
    finally:
        openssl.close()
    assert agreed > ROUNDS // 5


# --- judged at the proven time -------------------------------------------------------------------


@pytest.mark.parametrize("years", [1, 20, 60])
def test_what_was_good_at_the_proven_time_is_good_when_every_certificate_has_ended(
    cases: list[Case], authority: ChainAuthority, years: int
) -> None:
    """The verifier's clock is years on: the authority's certificates ended long ago."""
    later = datetime.now(UTC) + years * 365 * DAY
    if years > 20:
        assert authority.anchor.root.not_valid_after_utc < later
    for case in cases:
        document = replace(case.document, expires=None)
        data = document.encode()
        trust = load_trust(data, _sign(data), pinned_root=PIN, now=later)

        report = verify_bundle(io.BytesIO(case.bundle), trust, now=later)

        assert report.verdict is case.verdict, case.name
