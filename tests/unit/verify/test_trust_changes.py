"""What changed between two trust files: every field, and which way it goes."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from snapshotter.formats.signatures.keys import key_id
from snapshotter.verify.trust import (
    COMPROMISED,
    SUPERSEDED,
    Requirements,
    TrustDocument,
    trusted_key,
)
from snapshotter.verify.trust_changes import Effect, changes
from tests.unit.verify.test_trust import (
    ANCHOR,
    DAY,
    DOCUMENT,
    KEY,
    LOG,
    NOW,
    OTHER_ROOT,
    P256,
    WITNESSES,
    _root_certificate,
)

NEW = trusted_key(OTHER_ROOT.public_key(), owner="New")
LOGGED = DOCUMENT.with_log(LOG)
STRICTER, WIDER, NEUTRAL = Effect.STRICTER, Effect.WIDER, Effect.NEUTRAL


def _key(document: TrustDocument, of: Any, **fields: Any) -> TrustDocument:
    keys = tuple(
        replace(key, **fields) if key.key_id == key_id(of) else key for key in document.keys
    )
    return replace(document, keys=keys)


def _tsa(**fields: Any) -> TrustDocument:
    return replace(DOCUMENT, authorities=(replace(ANCHOR, **fields),))


CASES: list[tuple[TrustDocument, TrustDocument, str, Effect, str]] = [
    (DOCUMENT, DOCUMENT.with_key(NEW), "key", WIDER, "is trusted as the key of New"),
    (DOCUMENT.with_key(NEW), DOCUMENT, "key", STRICTER, "no longer in the file"),
    (
        DOCUMENT,
        DOCUMENT.with_key_revoked(key_id(KEY), at=NOW, reason=COMPROMISED),
        "key",
        STRICTER,
        "revoked as compromised",
    ),
    (
        DOCUMENT,
        DOCUMENT.with_key_revoked(key_id(KEY), at=NOW, reason=SUPERSEDED),
        "key",
        STRICTER,
        "revoked as superseded",
    ),
    (
        DOCUMENT,
        DOCUMENT.with_key_revoked(key_id(P256), at=NOW - DAY, reason=COMPROMISED),
        "key",
        STRICTER,
        "it was revoked as superseded",
    ),
    (
        DOCUMENT,
        _key(DOCUMENT, P256, revoked_at=NOW + DAY),
        "key",
        WIDER,
        "revoked as superseded from 2026-06-02",
    ),
    (
        DOCUMENT,
        _key(DOCUMENT, P256, revoked_at=None, revoked_reason=""),
        "key",
        WIDER,
        "is no longer revoked",
    ),
    (
        DOCUMENT.with_key_revoked(key_id(KEY), at=NOW, reason=COMPROMISED),
        replace(DOCUMENT, keys=tuple(key for key in DOCUMENT.keys if key.key_id != key_id(KEY))),
        "key",
        WIDER,
        "no longer in the file",
    ),
    (DOCUMENT, _key(DOCUMENT, KEY, not_before=NOW + DAY), "key", STRICTER, "is valid from"),
    (DOCUMENT, _key(DOCUMENT, KEY, not_before=NOW - DAY), "key", WIDER, "is valid from"),
    (DOCUMENT, _key(DOCUMENT, KEY, not_after=None), "key", WIDER, "until no end"),
    (DOCUMENT, _key(DOCUMENT, KEY, not_after=NOW), "key", STRICTER, "is valid until"),
    (DOCUMENT, _key(DOCUMENT, KEY, owner="B"), "key", NEUTRAL, "is named as the key of B"),
    (DOCUMENT, replace(DOCUMENT, authorities=()), "authority", STRICTER, "no longer trusted"),
    (replace(DOCUMENT, authorities=()), DOCUMENT, "authority", WIDER, "is trusted"),
    (DOCUMENT, _tsa(root=_root_certificate("B")), "authority", NEUTRAL, "another root"),
    (DOCUMENT, _tsa(policy_oids=frozenset()), "authority", WIDER, "any"),
    (
        DOCUMENT,
        _tsa(policy_oids=frozenset({"0.4.0.2023.1.1"})),
        "authority",
        STRICTER,
        "is accepted under the policies",
    ),
    (_tsa(policy_oids=frozenset()), DOCUMENT, "authority", STRICTER, "it was accepted under any"),
    (
        DOCUMENT,
        _tsa(revoked_serials=ANCHOR.revoked_serials | {9}),
        "authority",
        STRICTER,
        "serial number 9",
    ),
    (DOCUMENT, _tsa(revoked_serials=frozenset({5})), "authority", WIDER, "no longer revoked"),
    (
        LOGGED,
        replace(LOGGED, log=replace(LOG, witnesses=WITNESSES[:1])),
        "log",
        STRICTER,
        "no longer lists the witness",
    ),
    (
        replace(LOGGED, log=replace(LOG, witnesses=WITNESSES[:1])),
        LOGGED,
        "log",
        WIDER,
        "now lists the witness",
    ),
    (LOGGED, replace(LOGGED, log=replace(LOG, quorum=2)), "log", STRICTER, "a checkpoint is 2"),
    (
        DOCUMENT,
        replace(DOCUMENT, require=Requirements(signatures=2)),
        "require",
        STRICTER,
        "the number of required valid signatures is 2; it was 1",
    ),
    (
        DOCUMENT,
        replace(DOCUMENT, require=Requirements(timestamps=0)),
        "require",
        WIDER,
        "valid tokens is 0",
    ),
    (LOGGED, replace(LOGGED, require=Requirements(log=True)), "require", STRICTER, "log proofs"),
    (DOCUMENT, replace(DOCUMENT, max_skew=timedelta(0)), "tolerance", STRICTER, "is 0 s"),
    (DOCUMENT, replace(DOCUMENT, max_lag=9 * DAY), "tolerance", WIDER, "777600 s"),
    (DOCUMENT, replace(DOCUMENT, expires=None), "expiry", NEUTRAL, "no end"),
    (
        DOCUMENT,
        replace(DOCUMENT, version=4),
        "version",
        STRICTER,
        "version 4 is older than version 5",
    ),
]


@pytest.mark.parametrize(("old", "new", "subject", "effect", "words"), CASES)
def test_a_change_is_told_with_what_follows(
    old: TrustDocument, new: TrustDocument, subject: str, effect: Effect, words: str
) -> None:
    later = new if subject == "version" else replace(new, version=old.version + 1)

    (change,) = changes(old, later)

    assert (change.subject, change.effect) == (subject, effect)
    assert words in change.what
    assert change.meaning


def test_the_same_file_is_no_change_and_a_second_of_that_version_is_one() -> None:
    assert changes(DOCUMENT, DOCUMENT) == ()
    assert changes(DOCUMENT, replace(DOCUMENT, version=6)) == ()

    found = changes(DOCUMENT, replace(DOCUMENT, max_lag=DAY))

    assert [change.subject for change in found] == ["tolerance", "version"]
    assert "has signed two different files" in found[1].meaning


def test_another_root_comes_first() -> None:
    found = changes(DOCUMENT, replace(DOCUMENT, root=OTHER_ROOT.public_key(), expires=None))

    assert [change.subject for change in found] == ["root", "expiry", "version"]


def test_a_new_log_is_told_with_its_witnesses_and_quorum() -> None:
    found = changes(DOCUMENT, LOGGED)

    assert [change.subject for change in found] == ["log"] * 4
    assert found[0].what.startswith(f"the log is {LOG.key.text}; it was none")
