"""Several keys over one bundle: who counts, what is enough, and what nothing covers."""

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from snapshotter.errors import PolicyRefused, SnapshotterError
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import names
from snapshotter.formats.signatures.keys import key_id
from snapshotter.model.finding import Finding, Report, Verdict
from snapshotter.seal.signer import FileSigner
from snapshotter.verify import bundle as verifier
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.sidecars import Sidecars
from snapshotter.verify.trust import (
    COMPROMISED,
    SUPERSEDED,
    Requirements,
    Trust,
    TrustedKey,
    trusted_key,
)
from tests import bundles
from tests.bundles import ChainAuthority, Members, RealClock, SoftwareKeyWithoutWacz, pack, unpack
from tests.servers.authority import Chain

FIRST, SECOND, STRANGER = (
    FileSigner(ec.derive_private_key(number, ec.SECP384R1())) for number in (51, 52, 53)
)
HARDWARE = SoftwareKeyWithoutWacz(ec.derive_private_key(54, ec.SECP384R1()))
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> tuple[ChainAuthority, ChainAuthority]:
    chains = [Chain(tmp_path_factory.mktemp(name), name) for name in ("one", "two")]
    for chain in chains:
        chain.make()
    one, two = (
        ChainAuthority(chain, name=name) for chain, name in zip(chains, ("one", "two"), strict=True)
    )
    return one, two


@pytest.fixture(scope="module")
def both(
    tmp_path_factory: pytest.TempPathFactory, authorities: tuple[ChainAuthority, ChainAuthority]
) -> Members:
    """Signed by two keys, each with a token of its own."""
    return _sealed(tmp_path_factory.mktemp("both"), FIRST, [SECOND], [authorities[0]])


def _sealed(
    folder: Path,
    signer: FileSigner,
    cosigners: list[FileSigner],
    authorities: list[ChainAuthority],
    **more: Any,
) -> Members:
    made = bundles.seal(
        folder,
        signer=signer,
        cosigners=cosigners,
        clock=RealClock(),
        authorities=authorities,
        **more,
    )
    return unpack(made.file.read_bytes())


def _key(signer: FileSigner, **changes: Any) -> TrustedKey:
    return replace(trusted_key(signer.public_key, owner="test"), **changes)


def _trust(*keys: TrustedKey, of: list[ChainAuthority], signatures: int = 1) -> Trust:
    return Trust(
        source="a test",
        keys=keys,
        authorities=tuple(authority.anchor for authority in of),
        require=Requirements(signatures=signatures),
    )


def _verify(members: Members, trust: Trust, *late: bytes) -> Report:
    return verify_bundle(
        io.BytesIO(pack(members)),
        trust,
        now=datetime.now(UTC),
        sidecars=Sidecars(late_tokens=tuple(late)),
    )


def _answer(report: Report) -> tuple[str, set[str]]:
    return report.verdict.value, {finding.code.value for finding in report.findings} - {"OK"}


# --- sealing -----------------------------------------------------------------------------------


def test_each_signer_signs_the_same_list_and_has_a_token_of_its_own(both: Members) -> None:
    record = bundles.record_of(both)

    assert [signer["key_id"] for signer in record["signers"]] == [FIRST.key_id, SECOND.key_id]
    assert [signer["wacz_auth"] for signer in record["signers"]] == [True, False]
    assert record["requires"] == {"log": False, "signatures": 2, "timestamps": 1}
    assert {name for name in both if name.startswith("seal/sig-")} == {
        "seal/sig-01.der",
        "seal/sig-01.pem",
        "seal/sig-01.tsa-01.tsr",
        "seal/sig-02.der",
        "seal/sig-02.pem",
        "seal/sig-02.tsa-01.tsr",
    }


def test_a_bundle_by_two_keys_passes_for_who_trusts_both(
    both: Members, authorities: tuple[ChainAuthority, ChainAuthority]
) -> None:
    trust = _trust(_key(FIRST), _key(SECOND), of=[authorities[0]], signatures=2)

    assert _answer(_verify(both, trust)) == ("passed", set())


@pytest.mark.parametrize(
    ("signers", "authorities", "required", "error"),
    [
        ([FIRST, FIRST], 1, 0, SnapshotterError),
        ([FIRST, SECOND, FIRST], 1, 0, SnapshotterError),
        ([bundles.new_signer() for _ in range(10)], 0, 0, SnapshotterError),
        ([FIRST, SECOND], 5, 0, SnapshotterError),
        ([FIRST], 1, 2, PolicyRefused),
    ],
    ids=["twice", "twice-apart", "ten", "ten-tokens", "fewer-than-the-policy"],
)
def test_signers_that_no_bundle_can_have_are_refused_before_anything_is_written(
    tmp_path: Path,
    signers: list[FileSigner],
    authorities: int,
    required: int,
    error: type[SnapshotterError],
) -> None:
    from snapshotter.seal.signer_checks import check_signers

    decision = bundles.decision(require_signatures=required)

    with pytest.raises(error):
        check_signers(signers, decision, authorities=authorities)


def test_one_signer_may_have_nine_authorities() -> None:
    from snapshotter.seal.signer_checks import check_signers

    check_signers([FIRST], bundles.decision(), authorities=9)


# --- a quorum ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def one_of_two(
    tmp_path_factory: pytest.TempPathFactory, authorities: tuple[ChainAuthority, ChainAuthority]
) -> Members:
    """Two keys signed, and the record asks for one good signature."""
    return _sealed(
        tmp_path_factory.mktemp("quorum"),
        FIRST,
        [SECOND],
        [authorities[0]],
        require_signatures=1,
    )


_SPOILED: dict[str, tuple[dict[str, Any] | None, str, str]] = {
    "unknown": (None, "indeterminate", "KEY_UNKNOWN"),
    "superseded": (
        {"revoked_at": datetime.now(UTC) - DAY, "revoked_reason": SUPERSEDED},
        "indeterminate",
        "KEY_REVOKED",
    ),
    "compromised": (
        {"revoked_at": datetime.now(UTC) - DAY, "revoked_reason": COMPROMISED},
        "failed",
        "KEY_REVOKED",
    ),
    "too-early": ({"not_before": datetime.now(UTC) + DAY}, "failed", "KEY_PERIOD"),
    "too-late": ({"not_after": datetime.now(UTC) - DAY}, "indeterminate", "KEY_PERIOD"),
}


@pytest.mark.parametrize("name", sorted(_SPOILED))
@pytest.mark.parametrize("spoiled", [FIRST, SECOND], ids=["first", "second"])
def test_a_key_that_does_not_count_is_passed_over_where_the_others_are_enough(
    one_of_two: Members,
    both: Members,
    authorities: tuple[ChainAuthority, ChainAuthority],
    name: str,
    spoiled: FileSigner,
) -> None:
    changes, verdict, code = _SPOILED[name]
    other = SECOND if spoiled is FIRST else FIRST
    known = [_key(other)] + ([] if changes is None else [_key(spoiled, **changes)])
    trust = _trust(*known, of=[authorities[0]])

    assert _answer(_verify(one_of_two, trust)) == ("passed", set())
    # Where the record wants both, or the trust file does, it decides.
    assert _answer(_verify(both, trust)) == (verdict, {code})
    wants_both = replace(trust, require=Requirements(signatures=2))
    assert _answer(_verify(one_of_two, wants_both)) == (verdict, {code})


def test_a_quorum_of_more_than_signed_is_not_met(
    both: Members, authorities: tuple[ChainAuthority, ChainAuthority]
) -> None:
    trust = _trust(_key(FIRST), _key(SECOND), of=[authorities[0]], signatures=3)

    assert _answer(_verify(both, trust)) == ("indeterminate", {"QUORUM"})


def test_twins_of_one_key_are_no_quorum(
    both: Members, authorities: tuple[ChainAuthority, ChainAuthority]
) -> None:
    """The record names each key once; a second slot of the first key is no second signature."""
    record = bundles.record_of(both)
    record["signers"][1] |= {"key_id": FIRST.key_id}
    twins = bundles.with_manifests({**both, names.CAPTURE_RECORD: canonical_json.dumps(record)})
    for slot in (1, 2):
        twins[names.signature(slot)] = FIRST.sign(twins[names.MANIFEST_SHA256])
        twins[names.public_key(slot)] = FIRST.public_key_pem
        twins[names.token(slot, 1)] = authorities[0].response(twins[names.signature(slot)])
    trust = _trust(_key(FIRST), of=[authorities[0]], signatures=2)

    assert _answer(_verify(bundles.derived(twins, signer=FIRST), trust)) == (
        "failed",
        {"FORMAT"},
    )


@pytest.mark.parametrize(
    ("edit", "codes"),
    [
        (lambda m: m | {names.public_key(1): STRANGER.public_key_pem}, {"SIG"}),
        (
            lambda m: (
                m
                | {
                    names.public_key(1): STRANGER.public_key_pem,
                    names.signature(1): STRANGER.sign(m[names.MANIFEST_SHA256]),
                }
            ),
            {"KEY_MISMATCH"},
        ),
        (
            lambda m: (
                m
                | {
                    names.public_key(2): STRANGER.public_key_pem,
                    names.signature(2): STRANGER.sign(m[names.MANIFEST_SHA256]),
                }
            ),
            {"KEY_MISMATCH"},
        ),
        (
            lambda m: (
                m
                | {
                    names.public_key(1): SECOND.public_key_pem,
                    names.signature(1): m[names.signature(2)],
                    names.public_key(2): FIRST.public_key_pem,
                    names.signature(2): m[names.signature(1)],
                }
            ),
            {"KEY_MISMATCH"},
        ),
        (lambda m: _without(m, "seal/sig-02."), {"SIG_MISSING"}),
        (lambda m: _without(m, "seal/sig-01."), {"SIG_MISSING"}),
    ],
    ids=["other-key", "other-signer", "other-cosigner", "exchanged", "no-second", "no-first"],
)
def test_the_signatures_are_those_that_the_record_names_and_nothing_is_judged_after_that(
    both: Members,
    authorities: tuple[ChainAuthority, ChainAuthority],
    edit: Callable[[Members], Members],
    codes: set[str],
) -> None:
    trust = _trust(_key(FIRST), _key(SECOND), _key(STRANGER), of=[authorities[0]])

    report = _verify(bundles.derived(edit(both)), trust)

    assert _answer(report) == ("failed", codes)
    assert {finding.check for finding in report.findings} <= {
        "container", "names", "hashes", "signature", "record",
    }  # fmt: skip


def _without(members: Members, beginning: str) -> Members:
    return {name: data for name, data in members.items() if not name.startswith(beginning)}


# --- tokens ------------------------------------------------------------------------------------


def test_a_token_over_one_signature_says_nothing_about_the_other(
    both: Members, authorities: tuple[ChainAuthority, ChainAuthority]
) -> None:
    trust = _trust(_key(FIRST), _key(SECOND), of=[authorities[0]])
    exchanged = {
        **both,
        names.token(1, 1): both[names.token(2, 1)],
        names.token(2, 1): both[names.token(1, 1)],
    }

    answer = _answer(_verify(bundles.derived(exchanged, signer=FIRST), trust))

    assert answer[0] == "failed"
    assert "TS_IMPRINT" in answer[1]


def test_a_late_token_is_that_of_the_signature_that_it_is_over(
    tmp_path: Path, authorities: tuple[ChainAuthority, ChainAuthority]
) -> None:
    bare = _sealed(tmp_path, FIRST, [SECOND], [])
    trust = _trust(_key(FIRST), _key(SECOND), of=[authorities[0]])
    first, second = (authorities[0].response(bare[names.signature(number)]) for number in (1, 2))

    assert _answer(_verify(bare, trust, first)) == ("indeterminate", {"TS_MISSING"})
    assert _answer(_verify(bare, trust, second)) == ("indeterminate", {"TS_MISSING"})
    assert _answer(_verify(bare, trust, second, first)) == ("passed", set())
    junk = authorities[0].response(b"other bytes")
    assert _answer(_verify(bare, trust, junk, second, first)) == ("passed", set())


def test_two_tokens_of_one_authority_are_one_witness(
    tmp_path: Path, authorities: tuple[ChainAuthority, ChainAuthority]
) -> None:
    members = _sealed(tmp_path, FIRST, [], [authorities[0]], require_timestamps=2)
    trust = _trust(_key(FIRST), of=[authorities[0]])
    again = authorities[0].response(members[names.signature(1)])
    other = authorities[1].response(members[names.signature(1)])

    assert _answer(_verify(members, trust, again)) == ("indeterminate", {"TS_MISSING"})
    both = replace(trust, authorities=(*trust.authorities, authorities[1].anchor))
    assert _answer(_verify(members, both, other)) == ("passed", set())


def test_an_authority_under_two_names_is_one_witness(
    tmp_path: Path, authorities: tuple[ChainAuthority, ChainAuthority]
) -> None:
    """By its root's key: a list that names one root twice makes no second witness of it."""
    members = _sealed(tmp_path, FIRST, [], [authorities[0]], require_timestamps=2)
    anchor = authorities[0].anchor
    names_ = (
        replace(anchor, name="A", policy_oids=frozenset({"1.2.3"})),
        replace(anchor, name="B"),
    )
    trust = replace(_trust(_key(FIRST), of=[]), authorities=names_)
    again = authorities[0].response(members[names.signature(1)])

    assert _answer(_verify(members, trust, again)) == ("indeterminate", {"TS_MISSING"})


def test_tokens_are_numbered_without_a_gap(
    tmp_path: Path, authorities: tuple[ChainAuthority, ChainAuthority]
) -> None:
    members = _sealed(tmp_path, HARDWARE, [], [authorities[0]])
    trust = _trust(_key(HARDWARE), of=[authorities[0]])
    assert _answer(_verify(members, trust)) == ("passed", set())
    moved = dict(members)
    moved[names.token(1, 2)] = moved.pop(names.token(1, 1))

    assert _answer(_verify(bundles.derived(moved), trust)) == ("failed", {"UNLISTED"})


# --- what nothing covers when the key made no WACZ signature --------------------------------------


@pytest.fixture(scope="module")
def by_hardware(
    tmp_path_factory: pytest.TempPathFactory, authorities: tuple[ChainAuthority, ChainAuthority]
) -> Members:
    """No WACZ signature; two authorities were asked, one token is required."""
    return _sealed(tmp_path_factory.mktemp("hardware"), HARDWARE, [], list(authorities))


def test_a_surplus_token_that_is_taken_out_is_missed_also_with_a_hardware_key(
    by_hardware: Members, authorities: tuple[ChainAuthority, ChainAuthority]
) -> None:
    trust = _trust(_key(HARDWARE), of=list(authorities))
    assert _answer(_verify(by_hardware, trust)) == ("passed", set())
    cut = bundles.derived(_without(by_hardware, names.token(1, 2)))

    assert _answer(_verify(cut, trust)) == ("indeterminate", {"TS_MISSING"})
    # It never came, or was taken out: a late one heals the former and so both.
    late = authorities[1].response(cut[names.signature(1)])
    assert _answer(_verify(cut, trust, late)) == ("passed", set())


def test_a_log_proof_over_the_whole_file_heals_a_token_that_never_came(
    by_hardware: Members,
    authorities: tuple[ChainAuthority, ChainAuthority],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trust = _trust(_key(HARDWARE), of=list(authorities))
    cut = pack(bundles.derived(_without(by_hardware, names.token(1, 2))))

    def logged(state: Any, stream: Any) -> list[Finding]:
        return [Finding.passed("log", "it is in the log")]

    steps = tuple(logged if step is verifier._log else step for step in verifier._STEPS)
    monkeypatch.setattr(verifier, "_STEPS", steps)
    report = verify_bundle(io.BytesIO(cut), trust, now=datetime.now(UTC))

    assert report.verdict is Verdict.PASSED


def test_a_software_key_vouches_for_its_tokens_and_needs_no_more_than_required(
    tmp_path: Path, authorities: tuple[ChainAuthority, ChainAuthority]
) -> None:
    silent = ChainAuthority(authorities[1]._chain, name="two")
    silent.down = True
    members = _sealed(tmp_path, FIRST, [HARDWARE], [authorities[0], silent])
    trust = _trust(_key(FIRST), _key(HARDWARE), of=list(authorities))

    assert len(bundles.record_of(members)["authorities"]) == 2
    assert _answer(_verify(members, trust)) == ("passed", set())


def test_a_key_is_judged_at_the_time_of_its_own_tokens(
    tmp_path: Path, authorities: tuple[ChainAuthority, ChainAuthority]
) -> None:
    """The second key has no token: that of the first proves nothing for it."""
    members = _sealed(tmp_path, FIRST, [SECOND], [authorities[0]], require_timestamps=0)
    cut = bundles.derived(_without(members, names.token(2, 1)), signer=FIRST)
    retired = _key(SECOND, revoked_at=datetime.now(UTC) + DAY, revoked_reason=SUPERSEDED)
    trust = Trust(
        source="a test",
        keys=(_key(FIRST), retired),
        authorities=(authorities[0].anchor,),
        require=Requirements(timestamps=0),
    )

    assert _answer(_verify(members, trust)) == ("passed", set())
    assert _answer(_verify(cut, trust)) == ("indeterminate", {"KEY_REVOKED"})
    assert key_id(SECOND.public_key) == SECOND.key_id
