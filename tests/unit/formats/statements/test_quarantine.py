"""Notices of quarantine: in doubt the quarantine goes on."""

from collections.abc import Callable

import pytest

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.statements import quarantine
from snapshotter.formats.statements.quarantine import QUARANTINE, RELEASE, QuarantineAction
from tests.annotated import ONE, TWO
from tests.bundles import flipped, new_signer
from tests.fakes.world import START

_SIGNER = new_signer()


def _notices(*actions: str) -> list[tuple[int, bytes]]:
    made: list[tuple[int, bytes]] = []
    for action in actions:
        after = quarantine.read(ONE, made, lambda key_id: True)
        new = QuarantineAction(action=action, sha256="ab" * 32, reason="why", by="A", at=START)
        data = quarantine.encode(new, bundle_id=ONE, after=after, signer=_SIGNER)
        made.append((len(made) + 1, data))
    return made


def _hidden(notices: list[tuple[int, bytes]], trusted: Callable[[str], bool]) -> bool:
    return quarantine.read(ONE, notices, trusted).is_hidden


def test_a_capture_is_hidden_until_a_trusted_key_releases_it() -> None:
    def everybody(key_id: str) -> bool:
        return True

    assert not _hidden([], everybody)
    assert _hidden(_notices(QUARANTINE), everybody)
    assert not _hidden(_notices(QUARANTINE, RELEASE), everybody)
    assert _hidden(_notices(QUARANTINE, RELEASE), lambda key_id: False)
    assert _hidden(_notices(QUARANTINE, RELEASE, QUARANTINE), everybody)


def test_a_missing_or_changed_notice_counts_as_a_quarantine() -> None:
    both = _notices(QUARANTINE, RELEASE)

    assert _hidden(both[1:], lambda key_id: True)
    assert _hidden([both[0], (2, flipped(both[1][1]))], lambda key_id: True)
    assert _hidden([(1, b"")], lambda key_id: True)


def test_a_trusted_release_ends_what_others_could_not_end() -> None:
    stranger, made = new_signer(), _notices(QUARANTINE)
    new = QuarantineAction(action=RELEASE, sha256="ab" * 32, reason="why", by="A", at=START)

    def trusted(key_id: str) -> bool:
        return key_id == _SIGNER.key_id

    for signer in (stranger, _SIGNER):
        after = quarantine.read(ONE, made, trusted)
        assert after.is_hidden
        data = quarantine.encode(new, bundle_id=ONE, after=after, signer=signer)
        made.append((len(made) + 1, data))

    assert not _hidden(made, trusted)
    assert _hidden([made[0], made[2]], trusted)  # a notice is missing


def test_a_notice_of_another_bundle_is_refused() -> None:
    ((number, data),) = _notices(QUARANTINE)

    quarantine.check(data, ONE, number)
    with pytest.raises(EvidenceInvalid, match="another bundle"):
        quarantine.check(data, TWO, number)
    with pytest.raises(EvidenceInvalid, match="does not continue"):
        quarantine.check(data, ONE, 2)


def test_a_quarantine_needs_a_reason() -> None:
    new = QuarantineAction(action=QUARANTINE, sha256="ab" * 32, reason=" ", by="", at=START)

    with pytest.raises(ValueError, match="reason"):
        quarantine.encode(
            new, bundle_id=ONE, after=quarantine.read(ONE, [], lambda key_id: True), signer=_SIGNER
        )
