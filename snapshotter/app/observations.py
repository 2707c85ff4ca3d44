"""
Captures of a page in short, in the order in which they were made.

What is said of them comes out of the bundles through the catalog (`store/catalog.py`), and
is the bundles' own word: `verify` is what checks it, and whoever signs something that rests
on it has to.
"""

import contextlib
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO

from snapshotter.app import bundles
from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats import assessment as assessments
from snapshotter.formats import container, names, rfc3161
from snapshotter.formats.digest import digest
from snapshotter.formats.hosts import host_of
from snapshotter.formats.rfc3161 import TokenInvalid
from snapshotter.model.assessment import Assessment
from snapshotter.model.takedown import Observation
from snapshotter.policy import identity as identities
from snapshotter.policy.identity import IdentityRules
from snapshotter.ports import ObjectStore
from snapshotter.store.catalog import Catalog, Read, Reader, Row, Standing
from snapshotter.verify.files import MAX_SIDECAR_BYTES

# Makes the verdict of a bundle that has none, by the rules of today; None: it holds too little.
Reassess = Callable[[BinaryIO], Assessment | None]

_EPOCH = datetime.fromtimestamp(0, UTC)
_ACCOUNT = "account"  # as `policies/readings/` calls the name of the account among the metadata
_MAX_NAME = 200  # characters
_TOO_LATE = datetime(9000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observatory:
    """A store and its catalog: where observations come from."""

    store: ObjectStore
    catalog: Catalog
    rules: IdentityRules
    reassess: Reassess | None = None

    def sync(
        self,
        *,
        until: datetime | None = None,
        told: Callable[[int], None] = lambda count: None,
    ) -> None:
        """
        Read what is new in the store.

        Args:
            until: Look into the newest days alone: quicker where there are many bundles.

        Raises:
            ServiceUnavailable: The store did not answer.
        """
        read = reader(self.store, self.rules, self.reassess)
        self.catalog.sync(self.store, read, until=until, told=told)

    def identity(self, url: str) -> str:
        """
        Return which page an address means, as far as captures show it.

        Raises:
            SnapshotterError: It is no address of a page.
        """
        try:
            return self.catalog.resolved(identities.identity(url, self.rules).key)
        except ValueError as error:
            raise SnapshotterError(str(error), hint="give an http or https address") from error


def observations(
    place: Observatory,
    *,
    identity: str = "",
    url: str = "",
    account: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    sync: bool = True,
) -> tuple[Observation, ...]:
    """
    Return what was captured, in the order in which the captures ended.

    Args:
        identity: Of a page; captures by other addresses of the same page are among them.
        url: An address: all captures of the page that it means, by whatever address.
        account: As `Observation.account` has it: the pages of one account.
        since, until: When the capture ended; the end is left out.
        sync: Look into the store first.

    Raises:
        ServiceUnavailable: The store did not answer.
        SnapshotterError: `url` is no address, or the catalog can not be used.
    """
    if sync:
        place.sync()
    wanted = identity or (place.identity(url) if url else "")
    rows = place.catalog.rows(identity=wanted, account=account, since=since, until=until)
    return tuple(it.observation for it in rows if it.observation is not None)


def unassessed(place: Observatory, *, identity: str = "") -> tuple[Row, ...]:
    """Return the bundles of which nothing is known; call it after `observations`."""
    return tuple(it for it in place.catalog.rows(identity=identity) if it.observation is None)


def reader(store: ObjectStore, rules: IdentityRules, reassess: Reassess | None) -> Reader:
    """Return what reads one bundle of a store for its catalog."""

    def read(key: str, tokens: tuple[str, ...]) -> Read:
        late = []
        for token in tokens:
            with contextlib.suppress(FileNotFoundError), store.open(token) as stream:
                late.append(stream.read(MAX_SIDECAR_BYTES + 1))
        try:
            with store.open(key) as stream:
                sha256 = store.head(key).sha256 or _digest(stream)
                return read_bundle(
                    stream, sha256=sha256, late_tokens=tuple(late), rules=rules, reassess=reassess
                )
        except FileNotFoundError:  # it went since it was listed: the next look forgets it
            return Read(standing=Standing.UNREADABLE, problem="it is not there any more")

    return read


def read_bundle(
    stream: BinaryIO,
    *,
    sha256: str,
    late_tokens: tuple[bytes, ...],
    rules: IdentityRules,
    reassess: Reassess | None,
) -> Read:
    """Return what the catalog holds of one bundle, by its own word; raises nothing about it."""
    try:
        record = bundles.read_record(stream)
        asked = _asked(record, rules)
    except (EvidenceInvalid, OSError) as error:
        return Read(standing=Standing.UNREADABLE, problem=str(error))
    url = _text(record, "what", "requested_url")
    standing, found = Standing.ASSESSED, None
    try:
        if assessments.PATH in bundles.member_names(stream):
            data = bundles.read_member(stream, assessments.PATH, limit=assessments.MAX_BYTES)
            found = assessments.parse(data)
        elif reassess is not None:
            standing, found = Standing.REASSESSED, reassess(stream)
        if found is None:
            problem = "it was made before verdicts were, and holds too little for one"
            return Read(standing=Standing.UNASSESSED, problem=problem, asked=asked, url=url)
        made = observe(
            record,
            found,
            sha256=sha256,
            proven_at=_proven_at(stream, late_tokens),
            rules=rules,
        )
    except (EvidenceInvalid, OSError) as error:
        return Read(standing=Standing.UNREADABLE, problem=str(error), asked=asked, url=url)
    return Read(standing=standing, observation=made, stated=stated(record, found, rules))


def observe(
    record: dict[str, Any],
    assessed: Assessment,
    *,
    sha256: str,
    proven_at: datetime | None,
    rules: IdentityRules,
) -> Observation:
    """
    Return one capture in short. Pure: the same bundle gives the same.

    Its identity is that of the address that was asked for, or the one that the page states
    where the address does not tell.

    Raises:
        EvidenceInvalid: The record is not as a capture record is.
    """
    verdict = assessed.takedown
    asked, shown = _asked(record, rules), stated(record, assessed, rules)
    ended_at, began_at = (_moment(record, name) for name in ("ended_at_ms", "started_at_ms"))
    identity = shown or asked
    return Observation(
        bundle_id=_text(record, "bundle_id"),
        sha256=sha256,
        identity=asked,
        url=_text(record, "what", "requested_url"),
        at=ended_at,
        began_at=began_at,
        content=assessed.content.kind,
        availability=verdict.availability,
        cause=verdict.cause,
        undecided=verdict.undecided,
        wall=verdict.wall,
        rule=verdict.rule,
        notice=verdict.notice,
        cited_rule=verdict.cited_rule,
        takedown=verdict.takedown,
        ambiguous=verdict.ambiguous,
        needs_control=verdict.needs_control,
        accounts=verdict.accounts,
        account=_account(record, assessed, identity, rules),
        account_name=_account_name(assessed),
        counts=assessed.readings.counts,
        main_sha256=assessed.main_sha256,
        rule_files=assessed.rule_files,
        vantage=_vantage(record),
        light=_light(record),
        key_id=_signer(record),
        proven_at=proven_at,
    )


def stated(record: dict[str, Any], assessed: Assessment, rules: IdentityRules) -> str:
    """
    Return the identity that the page has beyond that of the address asked for; "" if none.

    A page is believed about itself only where its site writes that and nobody else: an
    article behind a short link of its own site. An address that led to another is believed
    where that other one is a site's own number.
    """
    with contextlib.suppress(ValueError):
        asked = identities.identity(_text(record, "what", "requested_url"), rules)
        if asked.is_number:
            return ""
        final = identities.identity(_text(record, "what", "final_url"), rules)
        if final.is_number:
            return final.key
        if not asked.final and not final.final and assessed.identity.startswith("wechat:"):
            return assessed.identity
    return ""


def is_of_its_host(record: Mapping[str, Any]) -> bool:
    """Whether what a capture shows came from the host that was asked, or from one of its site."""
    what = record.get("what")
    if not isinstance(what, Mapping):
        return False
    asked, shown = (
        host_of(str(what.get(name, ""))).removeprefix("www.")
        for name in ("requested_url", "final_url")
    )
    return asked == shown or asked.endswith(f".{shown}") or shown.endswith(f".{asked}")


def _asked(record: dict[str, Any], rules: IdentityRules) -> str:
    try:
        return identities.identity(_text(record, "what", "requested_url"), rules).key
    except ValueError as error:
        raise EvidenceInvalid(f"it is of no page: {error}") from error


def _account(
    record: dict[str, Any], assessed: Assessment, identity: str, rules: IdentityRules
) -> str:
    for url in ("requested_url", "final_url"):
        with contextlib.suppress(ValueError, EvidenceInvalid):
            if found := identities.account(_text(record, "what", url), rules):
                return found
    if found := identities.account_of(identity):
        return found
    said = {it.account for it in assessed.takedown.accounts if it.account}
    return said.pop() if len(said) == 1 else ""


def _account_name(assessed: Assessment) -> str:
    """Return what the page calls the account behind it; "" where a state stands in its place."""
    if assessed.takedown.accounts:
        return ""
    named = {
        " ".join(unicodedata.normalize("NFKC", it.value).split())
        for it in assessed.readings.metadata
        if it.name == _ACCOUNT
    }
    return named.pop()[:_MAX_NAME] if len(named) == 1 else ""


def _vantage(record: dict[str, Any]) -> str:
    """Return the way that a capture took: as the settings call it, else what kind of way it is."""
    who = record.get("who")
    network = who.get("network") if isinstance(who, Mapping) else None
    named = network.get("vantage") if isinstance(network, Mapping) else None
    if isinstance(named, str) and named:
        return named
    return _text(record, "who", "network_path", missing="direct") or "direct"


def _signer(record: dict[str, Any]) -> str:
    signers = record.get("signers")
    first = signers[0] if isinstance(signers, list) and signers else None
    key_id = first.get("key_id") if isinstance(first, dict) else None
    if not isinstance(key_id, str):
        raise EvidenceInvalid("the capture record names no signer")
    return key_id


def _light(record: dict[str, Any]) -> bool:
    how = record.get("how")
    settings = how.get("settings") if isinstance(how, dict) else None
    return isinstance(settings, dict) and settings.get("light") is True


def _proven_at(stream: BinaryIO, late_tokens: tuple[bytes, ...]) -> datetime | None:
    """Return the time of the earliest token that is over the first signature, unverified."""
    signature = bundles.read_member(stream, names.signature(1), limit=MAX_SIDECAR_BYTES)
    inside = []
    there = bundles.member_names(stream)
    for number in range(1, names.MAX_TOKENS + 1):
        name = names.token(1, number)
        if name in there:
            inside.append(bundles.read_member(stream, name, limit=MAX_SIDECAR_BYTES))
    times = []
    for token in (*inside, *late_tokens):
        with contextlib.suppress(TokenInvalid):
            if rfc3161.is_over(token, signature):
                times.append(rfc3161.read_token(token).time)
    return min(times, default=None)


def _digest(stream: BinaryIO) -> str:
    stream.seek(0)
    return digest(stream, limit=container.MAX_BYTES).sha256


def _text(record: dict[str, Any], *path: str, missing: str | None = None) -> str:
    value: Any = record
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if value is None and missing is not None:
        return missing
    if not isinstance(value, str):
        raise EvidenceInvalid(f"the capture record has no {'.'.join(path)}")
    return value


def _moment(record: dict[str, Any], name: str) -> datetime:
    value: Any = record.get("when")
    ms = value.get(name) if isinstance(value, dict) else None
    if type(ms) is not int:
        raise EvidenceInvalid(f"the capture record has no when.{name}")
    try:
        at = _EPOCH + timedelta(milliseconds=ms)
    except OverflowError as error:
        raise EvidenceInvalid(f"when.{name} is no time") from error
    if not _EPOCH <= at < _TOO_LATE:  # to which nothing could be added
        raise EvidenceInvalid(f"when.{name} is no time of a capture")
    return at
