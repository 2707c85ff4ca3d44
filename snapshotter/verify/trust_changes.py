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
            what=f"the root key is {new.root_key_id}, and was {old.root_key_id}",
            meaning="whoever pinned the old root key refuses this file: the new one has to be "
            "compared with its owner over another channel",
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
                f"is trusted as that of {now.owner}{_words(now)}",
                "bundles by it can be PASSED, as far as its period and revocation allow",
                Effect.WIDER,
            )
        elif was is not None and now is None:
            yield _key(
                was,
                f"of {was.owner} is no longer in the file",
                "bundles by it are INDETERMINATE (KEY_UNKNOWN)"
                + (", and no longer void" if was.revoked_reason == COMPROMISED else ""),
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
            f"is good from {instant(now.not_before)} on, and was from {instant(was.not_before)}",
            "signatures that are proven to be older are FAILED (KEY_PERIOD)",
            Effect.STRICTER if later else Effect.WIDER,
        )
    if was.not_after != now.not_after:
        end, before = _end(now.not_after), _end(was.not_after)
        earlier = (now.not_after or datetime.max.replace(tzinfo=was.not_before.tzinfo)) < (
            was.not_after or datetime.max.replace(tzinfo=was.not_before.tzinfo)
        )
        yield _key(
            now,
            f"is good until {end}, and was until {before}",
            "what no token proves to be from before the end is INDETERMINATE (KEY_PERIOD)",
            Effect.STRICTER if earlier else Effect.WIDER,
        )
    if was.owner != now.owner:
        yield _key(
            now,
            f"is called that of {now.owner}, and was that of {was.owner}",
            "no bundle is judged otherwise",
            Effect.NEUTRAL,
        )


def _revocation(was: TrustedKey, now: TrustedKey) -> Change:
    if now.revoked_at is None:
        return _key(
            now,
            "is no longer revoked",
            "a revocation was taken back, which an honest owner does not do: ask why",
            Effect.WIDER,
        )
    at = instant(now.revoked_at)
    if now.revoked_reason == COMPROMISED:
        meaning = (
            f"what no token proves to be older than {at} is void: FAILED (KEY_REVOKED), bundles "
            "without a token among it"
        )
    else:
        meaning = (
            f"what no token proves to be older than {at} is INDETERMINATE (KEY_REVOKED); older "
            "bundles stay good"
        )
    milder = was.revoked_at is not None and (
        now.revoked_at > was.revoked_at
        or (was.revoked_reason == COMPROMISED and now.revoked_reason != COMPROMISED)
    )
    return _key(
        now,
        f"is revoked as {now.revoked_reason} from {at} on"
        + (
            f", and was as {was.revoked_reason} from {instant(was.revoked_at)} on"
            if was.revoked_at
            else ""
        ),
        meaning + (". This is milder than before: ask why" if milder else ""),
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
                "its tokens prove a time; bundles that lacked one may be PASSED now",
                Effect.WIDER,
            )
        elif now is None:
            yield _authority(
                name,
                "is no longer trusted",
                "its tokens prove nothing: bundles that have no others are INDETERMINATE "
                "(TS_UNTRUSTED), and what they proved of a key's time is gone",
                Effect.STRICTER,
            )
        else:
            yield from _authority_changes(name, was, now)


def _authority_changes(name: str, was: Anchor, now: Anchor) -> Iterator[Change]:
    if was.root != now.root:
        yield _authority(
            name,
            "has another root certificate",
            "tokens have to lead to the new one"
            + ("" if was.witness != now.witness else "; it is the same key"),
            Effect.NEUTRAL if was.witness == now.witness else Effect.STRICTER,
        )
    if was.policy_oids != now.policy_oids:
        # None at all is any.
        wider = not now.policy_oids or (bool(was.policy_oids) and now.policy_oids > was.policy_oids)
        yield _authority(
            name,
            f"counts under the policies {_list(now.policy_oids)}, and did under "
            f"{_list(was.policy_oids)}",
            "tokens under others do not count (TS_POLICY)",
            Effect.WIDER if wider else Effect.STRICTER,
        )
    for serial in sorted(now.revoked_serials - was.revoked_serials):
        yield _authority(
            name,
            f"has a signer's certificate that is revoked: serial number {serial}",
            "its tokens do not count, whatever their time (TS_REVOKED)",
            Effect.STRICTER,
        )
    for serial in sorted(was.revoked_serials - now.revoked_serials):
        yield _authority(
            name,
            f"has a signer's certificate that is no longer revoked: serial number {serial}",
            "a revocation was taken back, which an honest owner does not do: ask why",
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
            f"the log is {_log_name(now)}, and was {_log_name(was)}",
            "proofs of another log say nothing any more",
            Effect.WIDER if was is None else Effect.STRICTER,
        )
    before = {witness.text for witness in was.witnesses} if was else set()
    after = {witness.text for witness in now.witnesses} if now else set()
    for text in sorted(after - before):
        yield _log_change(now, f"witness {text} is known", "its cosignatures count", Effect.WIDER)
    for text in sorted(before - after):
        yield _log_change(
            now,
            f"witness {text} is no longer known",
            "its cosignatures do not count",
            Effect.STRICTER,
        )
    quorum, other = now.quorum if now else 0, was.quorum if was else 0
    if quorum != other:
        yield _log_change(
            now,
            f"{quorum} witnesses have to have seen a checkpoint, and {other} had to",
            "a log proof with fewer is not good",
            Effect.STRICTER if quorum > other else Effect.WIDER,
        )


def _log_change(log: LogPolicy | None, what: str, meaning: str, effect: Effect) -> Change:
    return Change(subject="log", name=_log_name(log), what=what, meaning=meaning, effect=effect)


def _log_name(log: LogPolicy | None) -> str:
    return "none" if log is None else log.key.text


def _require(old: TrustDocument, new: TrustDocument) -> Iterator[Change]:
    for name, words, was, now in (
        ("signatures", "good signatures", old.require.signatures, new.require.signatures),
        ("timestamps", "good tokens", old.require.timestamps, new.require.timestamps),
        ("log", "log proofs", int(old.require.log), int(new.require.log)),
    ):
        if was != now:
            yield Change(
                subject="require",
                name=name,
                what=f"{now} {words} are required, and {was} were",
                meaning="a bundle with fewer is INDETERMINATE",
                effect=Effect.STRICTER if now > was else Effect.WIDER,
            )


def _tolerances(old: TrustDocument, new: TrustDocument) -> Iterator[Change]:
    for name, words, was, now in (
        ("max_skew_s", "two clocks may differ by", old.max_skew, new.max_skew),
        ("max_lag_s", "a token may come after sealing by", old.max_lag, new.max_lag),
    ):
        if was != now:
            yield Change(
                subject="tolerance",
                name=name,
                what=f"{words} {_seconds(now)} s, and might by {_seconds(was)} s",
                meaning="times that are further apart do not fit each other (TIME)",
                effect=Effect.STRICTER if now < was else Effect.WIDER,
            )


def _seconds(span: timedelta) -> int:
    return round(span.total_seconds())


def _expiry(old: TrustDocument, new: TrustDocument) -> Iterator[Change]:
    if old.expires != new.expires:
        yield Change(
            subject="expiry",
            name="expires",
            what=f"the file expires at {_end(new.expires)}, and did at {_end(old.expires)}",
            meaning="after that nothing is judged by it; no bundle is judged otherwise",
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
        else f"version {new.version} comes before version {old.version}",
        meaning="two different files of one version: the owner has signed both, ask which is theirs"
        if same
        else "whoever has seen the later one refuses this file",
        effect=Effect.STRICTER,
    )
