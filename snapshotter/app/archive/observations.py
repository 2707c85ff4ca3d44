"""
Captures of a page in short, in the order in which they were made.

What is said of them comes out of the bundles through the catalog (`store/catalog.py`), and
is the bundles' own word: `verify` is what checks it, and whoever signs something that rests
on it has to.
"""

import contextlib
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from snapshotter.app.archive import bundles
from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats.bundle import container, names
from snapshotter.formats.digest import digest
from snapshotter.formats.hosts import host_of
from snapshotter.formats.page import assessment as assessments
from snapshotter.formats.proofs import rfc3161
from snapshotter.formats.proofs.rfc3161 import TokenInvalid
from snapshotter.model.assessment import Assessment
from snapshotter.model.takedown import Observation
from snapshotter.model.verified_facts import CaptureFacts
from snapshotter.policy import page_identity as identities
from snapshotter.policy.page_identity import PageIdentityRules
from snapshotter.ports import ObjectStore
from snapshotter.store.catalog import BundleSummary, Catalog, CatalogRow, ReadBundle, VerdictSource
from snapshotter.verify import capture_record as records
from snapshotter.verify.files import MAX_SIDECAR_BYTES

# Makes the verdict of a bundle that has none, by the rules of today; None: it holds too little.
ReassessBundle = Callable[[BinaryIO], Assessment | None]

_ACCOUNT = "account"  # as `policies/readings/` calls the name of the account among the metadata
_MAX_NAME = 200  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationSource:
    """A store and its catalog: where observations come from."""

    store: ObjectStore
    catalog: Catalog
    rules: PageIdentityRules
    reassess: ReassessBundle | None = None

    def sync(
        self,
        *,
        until: datetime | None = None,
        progress: Callable[[int], None] = lambda count: None,
    ) -> None:
        """
        Read what is new in the store.

        Args:
            until: Look into the newest days alone: quicker where there are many bundles.

        Raises:
            ServiceUnavailable: The store did not answer.
        """
        read = catalog_reader(self.store, self.rules, self.reassess)
        self.catalog.sync(self.store, read, until=until, progress=progress)

    def identity(self, url: str) -> str:
        """
        Return which page an address means, as far as captures show it.

        Raises:
            SnapshotterError: It is no address of a page.
        """
        try:
            return self.catalog.resolved(identities.page_identity(url, self.rules).key)
        except ValueError as error:
            raise SnapshotterError(str(error), hint="give an http or https address") from error


def observations(
    source: ObservationSource,
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
        source.sync()
    wanted = identity or (source.identity(url) if url else "")
    rows = source.catalog.rows(identity=wanted, account=account, since=since, until=until)
    return tuple(row.observation for row in rows if row.observation is not None)


def unassessed_bundles(source: ObservationSource, *, identity: str = "") -> tuple[CatalogRow, ...]:
    """Return the bundles of which nothing is known; call it after `observations`."""
    return tuple(row for row in source.catalog.rows(identity=identity) if row.observation is None)


def catalog_reader(
    store: ObjectStore, rules: PageIdentityRules, reassess: ReassessBundle | None
) -> ReadBundle:
    """Return what reads one bundle of a store for its catalog."""

    def read(key: str, tokens: tuple[str, ...]) -> BundleSummary:
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
            return BundleSummary(
                verdict_source=VerdictSource.UNREADABLE, problem="it is not there any more"
            )

    return read


def read_bundle(
    stream: BinaryIO,
    *,
    sha256: str,
    late_tokens: tuple[bytes, ...],
    rules: PageIdentityRules,
    reassess: ReassessBundle | None,
) -> BundleSummary:
    """Return what the catalog holds of one bundle, by its own word; raises nothing about it."""
    try:
        record = bundles.read_record(stream)
        asked = _asked(records.text(record, "what", "requested_url"), rules)
    except (EvidenceInvalid, OSError) as error:
        return BundleSummary(verdict_source=VerdictSource.UNREADABLE, problem=str(error))
    url = records.text(record, "what", "requested_url")
    verdict_source, found = VerdictSource.ASSESSED, None
    try:
        if assessments.PATH in bundles.read_member_names(stream):
            data = bundles.read_member(stream, assessments.PATH, limit=assessments.MAX_BYTES)
            found = assessments.parse(data)
        elif reassess is not None:
            verdict_source, found = VerdictSource.REASSESSED, reassess(stream)
        if found is None:
            problem = "it was made before verdicts were, and holds too little for one"
            return BundleSummary(
                verdict_source=VerdictSource.UNASSESSED, problem=problem, asked=asked, url=url
            )
        facts = records.capture_facts(record, sha256=sha256)
        proven_at = _proven_at(stream, late_tokens)
        made = observe(facts, found, proven_at=proven_at, rules=rules)
    except (EvidenceInvalid, OSError) as error:
        return BundleSummary(
            verdict_source=VerdictSource.UNREADABLE, problem=str(error), asked=asked, url=url
        )
    return BundleSummary(
        verdict_source=verdict_source, observation=made, stated=stated(facts, found, rules)
    )


def observe(
    facts: CaptureFacts,
    assessed: Assessment,
    *,
    proven_at: datetime | None,
    rules: PageIdentityRules,
) -> Observation:
    """
    Return one capture in short. Pure: the same bundle gives the same.

    Its identity is that of the address that was asked for, or the one that the page states
    where the address does not tell.

    Args:
        facts: The `Established` of a verified bundle, wherever something is concluded or signed.
            A catalog gives what the record says.

    Raises:
        EvidenceInvalid: It is of no page.
    """
    verdict = assessed.takedown
    asked, shown = _asked(facts.requested_url, rules), stated(facts, assessed, rules)
    identity = shown or asked
    return Observation(
        bundle_id=facts.bundle_id,
        sha256=facts.sha256,
        identity=asked,
        url=facts.requested_url,
        at=facts.ended_at,
        began_at=facts.started_at,
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
        account=_account(facts, assessed, identity, rules),
        account_name=_account_name(assessed),
        counts=assessed.readings.counts,
        main_sha256=assessed.main_sha256,
        rule_files=assessed.rule_files,
        vantage=facts.vantage,
        light=facts.light,
        key_id=facts.key_id,
        proven_at=proven_at,
    )


def stated(facts: CaptureFacts, assessed: Assessment, rules: PageIdentityRules) -> str:
    """
    Return the identity that the page has beyond that of the address asked for; "" if none.

    A page is believed about itself only where its site writes that and nobody else: an
    article behind a short link of its own site. An address that led to another is believed
    where that other one is a site's own number.
    """
    with contextlib.suppress(ValueError):
        asked = identities.page_identity(facts.requested_url, rules)
        if asked.is_number:
            return ""
        final = identities.page_identity(facts.final_url, rules)
        if final.is_number:
            return final.key
        if not asked.final and not final.final and assessed.identity.startswith("wechat:"):
            return assessed.identity
    return ""


def is_of_its_host(facts: CaptureFacts | None) -> bool:
    """Whether what a capture shows came from the host that was asked, or from one of its site."""
    if facts is None:
        return False
    asked, shown = (
        host_of(url).removeprefix("www.") for url in (facts.requested_url, facts.final_url)
    )
    return asked == shown or asked.endswith(f".{shown}") or shown.endswith(f".{asked}")


def _asked(url: str, rules: PageIdentityRules) -> str:
    try:
        return identities.page_identity(url, rules).key
    except ValueError as error:
        raise EvidenceInvalid(f"it is of no page: {error}") from error


def _account(
    facts: CaptureFacts, assessed: Assessment, identity: str, rules: PageIdentityRules
) -> str:
    for url in (facts.requested_url, facts.final_url):
        with contextlib.suppress(ValueError):
            if found := identities.account_identity(url, rules):
                return found
    if found := identities.account_of_identity(identity):
        return found
    said = {account.account for account in assessed.takedown.accounts if account.account}
    return said.pop() if len(said) == 1 else ""


def _account_name(assessed: Assessment) -> str:
    """Return what the page calls the account behind it; "" where a state stands in its place."""
    if assessed.takedown.accounts:
        return ""
    named = {
        " ".join(unicodedata.normalize("NFKC", metadatum.value).split())
        for metadatum in assessed.readings.metadata
        if metadatum.name == _ACCOUNT
    }
    return named.pop()[:_MAX_NAME] if len(named) == 1 else ""


def _proven_at(stream: BinaryIO, late_tokens: tuple[bytes, ...]) -> datetime | None:
    """Return the time of the earliest token that is over the first signature, unverified."""
    signature = bundles.read_member(stream, names.signature(1), limit=MAX_SIDECAR_BYTES)
    inside = []
    there = bundles.read_member_names(stream)
    for number in range(1, names.MAX_TOKENS + 1):
        name = names.token(1, number)
        if name in there:
            inside.append(bundles.read_member(stream, name, limit=MAX_SIDECAR_BYTES))
    times = []
    for token in (*inside, *late_tokens):
        with contextlib.suppress(TokenInvalid):
            if rfc3161.is_token_over(token, signature):
                times.append(rfc3161.read_token(token).time)
    return min(times, default=None)


def _digest(stream: BinaryIO) -> str:
    stream.seek(0)
    return digest(stream, limit=container.MAX_BYTES).sha256
