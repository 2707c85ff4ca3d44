"""
Collect the facts of this installation that a person may see: store, keys, trust, authorities, log.

No private key is opened, and nothing secret is among the facts: of a key its public part, of a
passphrase and a proxy only whether the settings name one.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from snapshotter.app.settings import Settings
from snapshotter.app.wiring import keys as wiring_keys
from snapshotter.app.wiring import store as wiring_store
from snapshotter.app.wiring import trust as wiring_trust
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    from snapshotter.jobs.database import Database
    from snapshotter.verify.trust import Requirements, TrustedKey


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """One signing key of this user."""

    name: str
    key_id: str  # "" if its public key is not on this machine
    uses: tuple[str, ...]  # what the settings name it for; none for a key that is only kept
    is_elsewhere: bool  # a service or a token holds it
    retired_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityFacts:
    """A timestamp authority of the settings."""

    name: str
    url: str
    root: str  # the file with its root certificate


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFacts:
    """The log of the store."""

    is_kept: bool  # new bundles are logged
    name: str  # of the log, as its key states it; "" if there is none yet
    verifier_key: str
    witnesses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What this installation is made of."""

    store: str
    queue: str  # without a password
    sources: tuple[str, ...]  # the files that were read for the settings
    policy: str
    files: tuple[tuple[str, str], ...]  # what a file or folder is for, and its path; "" if not set
    secrets: tuple[tuple[str, bool], ...]  # what is secret, and whether the settings name it
    networks: tuple[str, ...]  # that are not public, and are allowed
    keys: tuple[KeyFacts, ...]
    trust_source: str
    trust_version: int | None  # None: no trust file, but this user's own keys
    trust_expires: datetime | None
    require: "Requirements"
    trusted: "tuple[TrustedKey, ...]"
    authorities: tuple[AuthorityFacts, ...]
    log: LogFacts


def installation(settings: Settings, database: "Database") -> Installation:
    """
    Return the facts.

    Args:
        database: Of the queue.

    Raises:
        SnapshotterError: The trust file or the folder of the keys cannot be read.
    """
    from snapshotter.jobs.database_url import shown_url

    trust = wiring_trust.trust(settings, public_only=True)
    policy = trust.log
    return Installation(
        store=wiring_store.store(settings).url,
        queue=shown_url(database.url),
        sources=settings.sources,
        policy=settings.policy,
        files=(
            (tr("Data of this installation"), str(settings.data_dir)),
            (tr("Keys"), str(settings.keys_dir)),
            (tr("Captures in progress"), str(settings.spool_dir)),
            (tr("Your own policies"), str(settings.policies_dir or "")),
            (tr("Limits of visits to hosts"), str(settings.politeness_file or "")),
            (tr("Rules of notifications"), str(settings.notify_file or "")),
            (tr("Identifiers of the capturing person"), str(settings.identity_file or "")),
        ),
        secrets=(
            (tr("Passphrase of the signing key"), settings.passphrase_file is not None),
            (tr("Passphrase of the log key"), settings.log_passphrase_file is not None),
            (tr("Proxy for captures"), bool(settings.proxy)),
        ),
        networks=settings.allow_networks,
        keys=_keys(settings),
        trust_source=trust.source,
        trust_version=trust.version,
        trust_expires=trust.expires,
        require=trust.require,
        trusted=trust.keys,
        authorities=tuple(
            AuthorityFacts(name=found.name, url=found.url, root=str(found.root))
            for found in settings.authorities
        ),
        log=LogFacts(
            is_kept=settings.log,
            name=policy.key.name if policy is not None else "",
            verifier_key=policy.key.text if policy is not None else "",
            witnesses=tuple(witness.url for witness in settings.witnesses),
        ),
    )


def _keys(settings: Settings) -> tuple[KeyFacts, ...]:
    uses = {
        settings.key: tr("captures"),
        settings.event_key: tr("take-down events"),
        settings.annotation_key: tr("annotations"),
        **dict.fromkeys(settings.cosigners, tr("second signatures of captures")),
    }
    found = [
        KeyFacts(
            name=key.name,
            key_id=key.key_id,
            uses=(uses[key.name],) if key.name in uses else (),
            is_elsewhere=bool(key.reference),
            retired_at=key.retired.at if key.retired is not None else None,
        )
        for key in wiring_keys.signing_keys(settings, public_only=True)
    ]
    known = {key.name for key in found}
    found += [
        KeyFacts(name=name, key_id="", uses=(use,), is_elsewhere=False, retired_at=None)
        for name, use in uses.items()
        if name not in known
    ]
    return tuple(found)
