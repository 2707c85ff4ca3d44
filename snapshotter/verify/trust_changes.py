"""
Describe what changed between two versions of a trust file, and what each change means for bundles.

Each change has a sentence about what differs and one about what follows from it. Its effect
states whether less counts than before (`stricter`), more (`wider`) or neither (`neutral`).
"""

import enum
from collections.abc import Iterator
from datetime import datetime, timedelta

from snapshotter.formats.canonical_json import instant
from snapshotter.formats.proofs.note import LogPolicy
from snapshotter.formats.proofs.rfc3161 import Anchor
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
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
            what=tr(
                "the root key is {root_key_id}; it was {root_key_id2}",
                root_key_id=new.root_key_id,
                root_key_id2=old.root_key_id,
            ),
            meaning=tr(
                "verifiers that expect the old root key reject this file; ask the owner of the "
                "trust file over another channel, for example by telephone, for the id of the "
                "new root key"
            ),
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
                tr("is trusted as the key of {owner}{words}", owner=now.owner, words=_words(now)),
                tr(
                    "bundles that the key signed within its validity period and before a "
                    "revocation can have the verdict PASSED"
                ),
                Effect.WIDER,
            )
        elif was is not None and now is None:
            yield _key(
                was,
                tr("of {owner} is no longer in the file", owner=was.owner),
                tr("bundles that the key signed are INDETERMINATE (KEY_UNKNOWN)")
                + (tr(" and no longer FAILED") if was.revoked_reason == COMPROMISED else ""),
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
            tr(
                "is valid from {instant} on; it was valid from {instant2} on",
                instant=instant(now.not_before),
                instant2=instant(was.not_before),
            ),
            tr(
                "signatures with a proven time before the beginning of the validity are FAILED "
                "(KEY_PERIOD)"
            ),
            Effect.STRICTER if later else Effect.WIDER,
        )
    if was.not_after != now.not_after:
        end, before = _end(now.not_after), _end(was.not_after)
        earlier = (now.not_after or datetime.max.replace(tzinfo=was.not_before.tzinfo)) < (
            was.not_after or datetime.max.replace(tzinfo=was.not_before.tzinfo)
        )
        yield _key(
            now,
            tr("is valid until {end}; it was valid until {before}", end=end, before=before),
            tr(
                "signatures that no timestamp token proves to be older than the end are "
                "INDETERMINATE (KEY_PERIOD)"
            ),
            Effect.STRICTER if earlier else Effect.WIDER,
        )
    if was.owner != now.owner:
        yield _key(
            now,
            tr(
                "is named as the key of {owner}; it was named as the key of {owner2}",
                owner=now.owner,
                owner2=was.owner,
            ),
            tr("the verdict of no bundle changes"),
            Effect.NEUTRAL,
        )


def _revocation(was: TrustedKey, now: TrustedKey) -> Change:
    if now.revoked_at is None:
        return _key(
            now,
            tr("is no longer revoked"),
            tr("a revocation was withdrawn, which is unusual; ask the owner for the reason"),
            Effect.WIDER,
        )
    at = instant(now.revoked_at)
    if now.revoked_reason == COMPROMISED:
        meaning = tr(
            "signatures that no timestamp token proves to be older than {at} are FAILED "
            "(KEY_REVOKED), including the signatures of bundles without a timestamp token",
            at=at,
        )
    else:
        meaning = tr(
            "signatures that no timestamp token proves to be older than {at} are "
            "INDETERMINATE (KEY_REVOKED); older signatures stay valid",
            at=at,
        )
    milder = was.revoked_at is not None and (
        now.revoked_at > was.revoked_at
        or (was.revoked_reason == COMPROMISED and now.revoked_reason != COMPROMISED)
    )
    return _key(
        now,
        tr("is revoked as {revoked_reason} from {at} on", revoked_reason=now.revoked_reason, at=at)
        + (
            tr(
                "; it was revoked as {revoked_reason} from {instant} on",
                revoked_reason=was.revoked_reason,
                instant=instant(was.revoked_at),
            )
            if was.revoked_at
            else ""
        ),
        meaning
        + (tr(". This is less strict than before; ask the owner for the reason") if milder else ""),
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
    return tr(
        ", revoked as {revoked_reason} from {instant} on",
        revoked_reason=key.revoked_reason,
        instant=instant(key.revoked_at),
    )


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
                tr(
                    "the tokens of this timestamp authority prove a time; bundles that lacked a "
                    "valid token can now have the verdict PASSED"
                ),
                Effect.WIDER,
            )
        elif now is None:
            yield _authority(
                name,
                tr("is no longer trusted"),
                tr(
                    "the tokens of this timestamp authority no longer prove the time of a "
                    "signature; bundles without other tokens are INDETERMINATE (TS_UNTRUSTED)"
                ),
                Effect.STRICTER,
            )
        else:
            yield from _authority_changes(name, was, now)


def _authority_changes(name: str, was: Anchor, now: Anchor) -> Iterator[Change]:
    if was.root != now.root:
        yield _authority(
            name,
            tr("has another root certificate"),
            tr("the certificates of tokens must lead to the new root certificate")
            + ("" if was.witness != now.witness else tr("; the key is the same")),
            Effect.NEUTRAL if was.witness == now.witness else Effect.STRICTER,
        )
    if was.policy_oids != now.policy_oids:
        # None at all is any.
        wider = not now.policy_oids or (bool(was.policy_oids) and now.policy_oids > was.policy_oids)
        yield _authority(
            name,
            tr(
                "is accepted under the policies {list}; it was accepted under {list2}",
                list=_list(now.policy_oids),
                list2=_list(was.policy_oids),
            ),
            tr("tokens under other policies prove no time (TS_POLICY)"),
            Effect.WIDER if wider else Effect.STRICTER,
        )
    for serial in sorted(now.revoked_serials - was.revoked_serials):
        yield _authority(
            name,
            tr("has a revoked certificate: serial number {serial}", serial=serial),
            tr(
                "tokens that were signed with this certificate prove no time, also if the tokens "
                "are older than the revocation (TS_REVOKED)"
            ),
            Effect.STRICTER,
        )
    for serial in sorted(was.revoked_serials - now.revoked_serials):
        yield _authority(
            name,
            tr(
                "has a certificate that is no longer revoked: serial number {serial}",
                serial=serial,
            ),
            tr("a revocation was withdrawn, which is unusual; ask the owner for the reason"),
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
            tr(
                "the log is {log_name}; it was {log_name2}",
                log_name=_log_name(now),
                log_name2=_log_name(was),
            ),
            tr("log proofs from another log no longer count"),
            Effect.WIDER if was is None else Effect.STRICTER,
        )
    before = {witness.text for witness in was.witnesses} if was else set()
    after = {witness.text for witness in now.witnesses} if now else set()
    for text in sorted(after - before):
        yield _log_change(
            now,
            tr("the trust file now lists the witness {text}", text=text),
            tr("cosignatures of this witness count"),
            Effect.WIDER,
        )
    for text in sorted(before - after):
        yield _log_change(
            now,
            tr("the trust file no longer lists the witness {text}", text=text),
            tr("cosignatures of this witness do not count"),
            Effect.STRICTER,
        )
    quorum, other = now.quorum if now else 0, was.quorum if was else 0
    if quorum != other:
        yield _log_change(
            now,
            tr(
                "the number of witnesses that must have seen a checkpoint is {quorum}; it "
                "was {other}",
                quorum=quorum,
                other=other,
            ),
            tr("a log proof with fewer witnesses is not valid"),
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
                what=tr(
                    "the number of required {words} is {now}; it was {was}",
                    words=words,
                    now=now,
                    was=was,
                ),
                meaning=tr("a bundle with a lower number has the verdict INDETERMINATE"),
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
                what=tr(
                    "{words} is {seconds} s; it was {seconds2} s",
                    words=words,
                    seconds=_seconds(now),
                    seconds2=_seconds(was),
                ),
                meaning=tr("times with a larger difference contradict each other (TIME)"),
                effect=Effect.STRICTER if now < was else Effect.WIDER,
            )


def _seconds(span: timedelta) -> int:
    return round(span.total_seconds())


def _expiry(old: TrustDocument, new: TrustDocument) -> Iterator[Change]:
    if old.expires != new.expires:
        yield Change(
            subject="expiry",
            name="expires",
            what=tr(
                "the end of validity of the file is {end}; it was {end2}",
                end=_end(new.expires),
                end2=_end(old.expires),
            ),
            meaning=tr(
                "verifiers do not use the trust file after its validity has ended; the "
                "verdict of no bundle changes"
            ),
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
        what=tr("both files have the version {version}", version=new.version)
        if same
        else tr(
            "version {version} is older than version {version2}",
            version=new.version,
            version2=old.version,
        ),
        meaning=tr(
            "the owner has signed two different files of one version; ask the owner which "
            "file is right"
        )
        if same
        else tr("verifiers that have seen the newer version reject this file"),
        effect=Effect.STRICTER,
    )
