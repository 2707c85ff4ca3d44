"""
Describe what changed between two versions of a trust file, and what each change means for bundles.

Each change has a sentence about what differs and one about what follows from it. Its effect
states whether less counts than before (`stricter`), more (`wider`) or neither (`neutral`).
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from snapshotter.formats.canonical_json import instant
from snapshotter.formats.proofs.note import LogPolicy
from snapshotter.formats.proofs.rfc3161 import Anchor
from snapshotter.verify.trust import COMPROMISED, TrustDocument, TrustedKey


class Effect(enum.StrEnum):
    """Whether less or more counts after a change."""

    STRICTER = "stricter"  # something that counted may no longer
    WIDER = "wider"  # something counts that did not
    NEUTRAL = "neutral"  # no bundle is judged otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A difference between two versions."""

    subject: str  # key, authority, log, require, tolerance, expiry, version or root
    name: str  # which key, authority or field
    what: str  # in words
    meaning: str  # for bundles, in words
    effect: Effect


def changes(old: TrustDocument, new: TrustDocument) -> tuple[Change, ...]:
    """Return all differences, the most serious kinds first."""
    return tuple(
        change
        for part in (_root, _keys, _authorities, _log, _require, _tolerances, _expiry, _version)
        for change in part(old, new)
    )


def _root(old: TrustDocument, new: TrustDocument) -> Iterator[Change]:
    if old.root_key_id != new.root_key_id:
        yield Change(
            subject="root",
            name=new.root_key_id,
            what=f"the root key is {new.root_key_id}; it was {old.root_key_id}",
            meaning="verifiers that expect the old root key reject this file; compare the new "
            "root key with its owner over another channel",
            effect=Effect.STRICTER,
        )


def _keys(old: TrustDocument, new: TrustDocument) -> Iterator[Change]:
    before = {key.key_id: key for key in old.keys}
    after = {key.key_id: key for key in new.keys}
    for key_id in sorted(before.keys() | after.keys()):
        was, now = before.get(key_id), after.get(key_id)
        if was is None and now is not None:
            yield _key(
                now,
                f"is trusted as the key of {now.owner}{_words(now)}",
                "bundles that the key signed can be PASSED, within its period and before a "
                "revocation",
                Effect.WIDER,
            )
        elif was is not None and now is None:
            yield _key(
                was,
                f"of {was.owner} is not in the file any more",
                "bundles that the key signed are INDETERMINATE (KEY_UNKNOWN)"
                + (" and not FAILED any more" if was.revoked_reason == COMPROMISED else ""),
                Effect.WIDER if was.revoked_reason == COMPROMISED else Effect.STRICTER,
            )
        elif was is not None and now is not None:
            yield from _key_changes(was, now)


def _key_changes(was: TrustedKey, now: TrustedKey) -> Iterator[Change]:
    if (was.revoked_at, was.revoked_reason) != (now.revoked_at, now.revoked_reason):
        yield _revocation(was, now)
    if was.not_before != now.not_before:
        later = now.not_before > was.not_before
        yield _key(
            now,
            f"is valid from {instant(now.not_before)} on; it was valid from "
            f"{instant(was.not_before)} on",
            "older signatures are FAILED (KEY_PERIOD)",
            Effect.STRICTER if later else Effect.WIDER,
        )
    if was.not_after != now.not_after:
        end, before = _end(now.not_after), _end(was.not_after)
        earlier = (now.not_after or datetime.max.replace(tzinfo=was.not_before.tzinfo)) < (
            was.not_after or datetime.max.replace(tzinfo=was.not_before.tzinfo)
        )
        yield _key(
            now,
            f"is valid until {end}; it was valid until {before}",
            "signatures that no timestamp token proves to be older than the end are INDETERMINATE "
            "(KEY_PERIOD)",
            Effect.STRICTER if earlier else Effect.WIDER,
        )
    if was.owner != now.owner:
        yield _key(
            now,
            f"is named as the key of {now.owner}; it was named as the key of {was.owner}",
            "the verdict of no bundle changes",
            Effect.NEUTRAL,
        )


def _revocation(was: TrustedKey, now: TrustedKey) -> Change:
    if now.revoked_at is None:
        return _key(
            now,
            "is not revoked any more",
            "a revocation was withdrawn, which is unusual; ask the owner for the reason",
            Effect.WIDER,
        )
    at = instant(now.revoked_at)
    if now.revoked_reason == COMPROMISED:
        meaning = (
            f"signatures that no timestamp token proves to be older than {at} are FAILED "
            "(KEY_REVOKED), also those of bundles without a token"
        )
    else:
        meaning = (
            f"signatures that no timestamp token proves to be older than {at} are INDETERMINATE "
            "(KEY_REVOKED); older signatures stay valid"
        )
    milder = was.revoked_at is not None and (
        now.revoked_at > was.revoked_at
        or (was.revoked_reason == COMPROMISED and now.revoked_reason != COMPROMISED)
    )
    return _key(
        now,
        f"is revoked as {now.revoked_reason} from {at} on"
        + (
            f"; it was revoked as {was.revoked_reason} from {instant(was.revoked_at)} on"
            if was.revoked_at
            else ""
        ),
        meaning
        + (". This is less strict than before; ask the owner for the reason" if milder else ""),
        Effect.WIDER if milder else Effect.STRICTER,
    )


def _key(key: TrustedKey, what: str, meaning: str, effect: Effect) -> Change:
    return Change(
        subject="key",
        name=key.key_id,
        what=f"key {key.key_id} {what}",
        meaning=meaning,
        effect=effect,
    )


def _words(key: TrustedKey) -> str:
    if key.revoked_at is None:
        return ""
    return f", revoked as {key.revoked_reason} from {instant(key.revoked_at)} on"


def _end(at: datetime | None) -> str:
    return "no end" if at is None else instant(at)


def _authorities(old: TrustDocument, new: TrustDocument) -> Iterator[Change]:
    before = {anchor.name: anchor for anchor in old.authorities}
    after = {anchor.name: anchor for anchor in new.authorities}
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        if was is None:
            yield _authority(
                name,
                "is trusted",
                "its tokens prove a time; bundles that lacked a token can be PASSED now",
                Effect.WIDER,
            )
        elif now is None:
            yield _authority(
                name,
                "is not trusted any more",
                "its tokens prove no time any more; bundles without other tokens are INDETERMINATE "
                "(TS_UNTRUSTED), and the tokens do not prove the time of a signature any more",
                Effect.STRICTER,
            )
        else:
            yield from _authority_changes(name, was, now)


def _authority_changes(name: str, was: Anchor, now: Anchor) -> Iterator[Change]:
    if was.root != now.root:
        yield _authority(
            name,
            "has another root certificate",
            "the certificates of tokens must lead to the new root certificate"
            + ("" if was.witness != now.witness else "; the key is the same"),
            Effect.NEUTRAL if was.witness == now.witness else Effect.STRICTER,
        )
    if was.policy_oids != now.policy_oids:
        # None at all is any.
        wider = not now.policy_oids or (bool(was.policy_oids) and now.policy_oids > was.policy_oids)
        yield _authority(
            name,
            f"is accepted under the policies {_list(now.policy_oids)}; it was accepted under "
            f"{_list(was.policy_oids)}",
            "tokens under other policies do not count (TS_POLICY)",
            Effect.WIDER if wider else Effect.STRICTER,
        )
    for serial in sorted(now.revoked_serials - was.revoked_serials):
        yield _authority(
            name,
            f"has a revoked certificate: serial number {serial}",
            "tokens of this certificate do not count, whatever their time is (TS_REVOKED)",
            Effect.STRICTER,
        )
    for serial in sorted(was.revoked_serials - now.revoked_serials):
        yield _authority(
            name,
            f"has a certificate that is not revoked any more: serial number {serial}",
            "a revocation was withdrawn, which is unusual; ask the owner for the reason",
            Effect.WIDER,
        )


def _authority(name: str, what: str, meaning: str, effect: Effect) -> Change:
    return Change(
        subject="authority",
        name=name,
        what=f"timestamp authority {name} {what}",
        meaning=meaning,
        effect=effect,
    )


def _list(oids: frozenset[str]) -> str:
    return ", ".join(sorted(oids)) or "any"


def _log(old: TrustDocument, new: TrustDocument) -> Iterator[Change]:
    was, now = old.log, new.log
    if was == now:
        return
    if was is None or now is None or was.key != now.key:
        yield _log_change(
            now,
            f"the log is {_log_name(now)}; it was {_log_name(was)}",
            "proofs of another log do not count any more",
            Effect.WIDER if was is None else Effect.STRICTER,
        )
    before = {witness.text for witness in was.witnesses} if was else set()
    after = {witness.text for witness in now.witnesses} if now else set()
    for text in sorted(after - before):
        yield _log_change(now, f"witness {text} is known", "its cosignatures count", Effect.WIDER)
    for text in sorted(before - after):
        yield _log_change(
            now,
            f"witness {text} is not known any more",
            "its cosignatures do not count",
            Effect.STRICTER,
        )
    quorum, other = now.quorum if now else 0, was.quorum if was else 0
    if quorum != other:
        yield _log_change(
            now,
            f"the number of witnesses that must have seen a checkpoint is {quorum}; it was {other}",
            "a log proof with fewer witnesses is not valid",
            Effect.STRICTER if quorum > other else Effect.WIDER,
        )


def _log_change(log: LogPolicy | None, what: str, meaning: str, effect: Effect) -> Change:
    return Change(subject="log", name=_log_name(log), what=what, meaning=meaning, effect=effect)


def _log_name(log: LogPolicy | None) -> str:
    return "none" if log is None else log.key.text


def _require(old: TrustDocument, new: TrustDocument) -> Iterator[Change]:
    for name, words, was, now in (
        ("signatures", "valid signatures", old.require.signatures, new.require.signatures),
        ("timestamps", "valid tokens", old.require.timestamps, new.require.timestamps),
        ("log", "log proofs", int(old.require.log), int(new.require.log)),
    ):
        if was != now:
            yield Change(
                subject="require",
                name=name,
                what=f"the number of required {words} is {now}; it was {was}",
                meaning="a bundle with fewer of them is INDETERMINATE",
                effect=Effect.STRICTER if now > was else Effect.WIDER,
            )


def _tolerances(old: TrustDocument, new: TrustDocument) -> Iterator[Change]:
    for name, words, was, now in (
        ("max_skew_s", "the allowed difference between two clocks", old.max_skew, new.max_skew),
        ("max_lag_s", "the allowed time between the seal and a token", old.max_lag, new.max_lag),
    ):
        if was != now:
            yield Change(
                subject="tolerance",
                name=name,
                what=f"{words} is {_seconds(now)} s; it was {_seconds(was)} s",
                meaning="times with a larger difference contradict each other (TIME)",
                effect=Effect.STRICTER if now < was else Effect.WIDER,
            )


def _seconds(span: timedelta) -> int:
    return round(span.total_seconds())


def _expiry(old: TrustDocument, new: TrustDocument) -> Iterator[Change]:
    if old.expires != new.expires:
        yield Change(
            subject="expiry",
            name="expires",
            what=f"the end of validity of the file is {_end(new.expires)}; it was "
            f"{_end(old.expires)}",
            meaning="after the end the file is not used; the verdict of no bundle changes",
            effect=Effect.NEUTRAL,
        )


def _version(old: TrustDocument, new: TrustDocument) -> Iterator[Change]:
    if new.version > old.version:
        return
    same = new.version == old.version
    if same and old.encode() == new.encode():
        return
    yield Change(
        subject="version",
        name=str(new.version),
        what=f"both files are version {new.version}"
        if same
        else f"version {new.version} is older than version {old.version}",
        meaning="the owner has signed two different files of one version; ask the owner which file "
        "is right"
        if same
        else "verifiers that have seen the newer version reject this file",
        effect=Effect.STRICTER,
    )
