"""
Summarise captures as observations, and list the observations of a page or an account.

Observations come from the bundles through the index of the store, unverified. Whoever
signs a conclusion from them has to verify the bundles first.
"""

import contextlib
import unicodedata
from collections.abc import Callable
from dataclasses import field, replace
from datetime import datetime
from functools import partial
from typing import BinaryIO

from snapshotter.app.archive import annotations, bundle_facts
from snapshotter.app.archive.annotations import ChainEnd
from snapshotter.app.archive.bundles import BundleMembers
from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats.bundle import container, names
from snapshotter.formats.digest import digest
from snapshotter.formats.hosts import host_of
from snapshotter.formats.page import assessment as assessments
from snapshotter.formats.proofs import rfc3161
from snapshotter.formats.proofs.rfc3161 import TokenInvalid
from snapshotter.index.store_index import Index
from snapshotter.index.sync import FolderStamps, ReadJobs
from snapshotter.index.values import BundleSummary, IndexProgress, IndexRow, VerdictSource
from snapshotter.model.annotation_state import AnnotationState
from snapshotter.model.assessment import Assessment
from snapshotter.model.capture_url import complete_url
from snapshotter.model.takedown import Observation
from snapshotter.model.verified_facts import CaptureFacts
from snapshotter.policy import page_identity
from snapshotter.policy.page_identity import PageIdentityRules
from snapshotter.ports import ObjectStore
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify import capture_record
from snapshotter.verify.files import MAX_SIDECAR_BYTES

# Makes the verdict of a bundle that has none, by the rules of today; None: it holds too little.
ReassessBundle = Callable[[BinaryIO], Assessment | None]

_ACCOUNT = "account"  # as `policies/readings/` calls the name of the account among the metadata
_MAX_NAME = 200  # characters
_MOST_PROBLEMS = 10  # of annotations


def _no_progress(count: int) -> None:
    """Show nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationSource:
    """A store and its index, from which observations are read."""

    store: ObjectStore
    index: Index
    rules: PageIdentityRules
    reassess: ReassessBundle | None = None
    jobs: ReadJobs | None = None
    stamps: FolderStamps | None = None  # None: the store does not show which folders changed
    listed_stamps: FolderStamps | None = None  # what shows it after a listing of the store
    progress: IndexProgress = _no_progress
    # The end of the annotation chain that this machine saw last.
    seen_annotation: Callable[[], ChainEnd | None] = lambda: None
    # What was wrong with the annotations when they were read last: at most ten sentences.
    annotation_problems: list[str] = field(default_factory=list)

    def sync(self, *, until: datetime | None = None) -> None:
        """
        Bring the index up to date with the store.

        Args:
            until: Read the newest days only, which is quicker in a bucket with many bundles.

        Raises:
            ServiceUnavailable: The store did not answer.
        """
        read = partial(read_stored_bundle, self.store, rules=self.rules, reassess=self.reassess)
        self.index.sync(
            self.store,
            read,
            jobs=self.jobs,
            stamps=self.stamps,
            listed_stamps=self.listed_stamps,
            until=until,
            progress=self.progress,
        )

    def identity(self, url: str) -> str:
        """
        Return the identity of the page behind an address, as far as captures show it.

        Raises:
            SnapshotterError: It is no address of a page.
        """
        try:
            return self.index.resolved(page_identity.page_identity(url, self.rules).key)
        except ValueError as error:
            raise SnapshotterError(
                tr("{url} is not the address of a page", url=repr(url[:200])),
                hint=tr("give an address that begins with http:// or https://"),
            ) from error

    def named_identity(self, text: str) -> str:
        """
        Return the identity of a page that a person names by an address or by its identity.

        Raises:
            SnapshotterError: It begins as an address, and is no address of a page.
        """
        url = complete_url(text)
        return self.identity(url) if "://" in url else self.index.resolved(text)


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
    Return the observations of a store, in the order in which the captures ended.

    Args:
        identity: Only of this page, by any of its addresses.
        url: Only of the page that this address leads to, by any of its addresses.
        account: Only of pages of this account (`Observation.account`).
        since, until: Only captures that ended in this period; `until` is excluded.
        sync: Bring the index up to date with the store first.

    Raises:
        ServiceUnavailable: The store did not answer.
        SnapshotterError: `url` is no address, or the index cannot be used.
    """
    if sync:
        source.sync()
    wanted = identity or (source.identity(url) if url else "")
    rows = source.index.rows(identity=wanted, account=account, since=since, until=until)
    return tuple(row.observation for row in rows if row.observation is not None)


def read_annotations(source: ObservationSource) -> AnnotationState:
    """
    Return the annotations of a store; read and check only objects that the index does not have.

    The source gets the first ten problems of the records.

    Raises:
        ServiceUnavailable: The store did not answer.
        SnapshotterError: The store or the index cannot be used.
    """
    chain = annotations.read_indexed_chain(source.store, source.index)
    state = chain.state()
    problems = annotations.chain_problems(chain, state, seen=source.seen_annotation())
    source.annotation_problems[:] = problems[:_MOST_PROBLEMS]
    return state


def unassessed_bundles(source: ObservationSource, *, identity: str = "") -> tuple[IndexRow, ...]:
    """Return the bundles without an observation; to be called after `observations`."""
    return tuple(row for row in source.index.rows(identity=identity) if row.observation is None)


def read_stored_bundle(
    store: ObjectStore,
    key: str,
    sidecars: tuple[str, ...],
    *,
    rules: PageIdentityRules,
    reassess: ReassessBundle | None,
) -> BundleSummary:
    """
    Return the index's summary of a bundle in a store, unverified.

    Args:
        sidecars: Keys of the sidecars of the bundle that the summary needs.

    Raises:
        ServiceUnavailable: The store did not answer.
    """
    late, first_event = list[bytes](), b""
    for sidecar in sidecars:
        kind = sidecar.removeprefix(f"{key}.")
        with contextlib.suppress(FileNotFoundError):
            if kind.startswith("late-"):
                late.append(_read_sidecar(store, sidecar))
            elif kind == bundle_facts.FIRST_CUSTODY:
                first_event = _read_sidecar(store, sidecar)
    try:
        with store.open(key) as stream:
            sha256 = store.head(key).sha256 or _digest(stream)
            found = read_bundle(
                stream, sha256=sha256, late_tokens=tuple(late), rules=rules, reassess=reassess
            )
    except FileNotFoundError:  # removed since it was listed: the next sync removes its row
        return BundleSummary(
            verdict_source=VerdictSource.UNREADABLE,
            problem=tr("the bundle is no longer in the store"),
        )
    operator = bundle_facts.operator_of(first_event)
    return replace(found, facts=replace(found.facts, operator=operator))


def read_bundle(
    stream: BinaryIO,
    *,
    sha256: str,
    late_tokens: tuple[bytes, ...],
    rules: PageIdentityRules,
    reassess: ReassessBundle | None,
) -> BundleSummary:
    """Return the index's summary of a bundle, unverified. Never raises for its content."""
    try:
        members = BundleMembers(stream)
        record = members.record()
        url = capture_record.text(record, "what", "requested_url")
        asked = _asked(url, rules)
    except (EvidenceInvalid, OSError) as error:
        return BundleSummary(verdict_source=VerdictSource.UNREADABLE, problem=str(error))
    verdict_source, found, problem = VerdictSource.ASSESSED, None, ""
    made, stated_identity = None, ""
    try:
        if assessments.PATH in members.names:
            found = assessments.parse(members.read(assessments.PATH, limit=assessments.MAX_BYTES))
        elif reassess is not None:
            verdict_source, found = VerdictSource.REASSESSED, reassess(stream)
        if found is None:
            verdict_source = VerdictSource.UNASSESSED
            problem = tr(
                "the bundle was made by an early version without verdicts, and has too "
                "little data for a verdict"
            )
        else:
            facts = capture_record.capture_facts(record, sha256=sha256)
            proven_at = _proven_at(members, late_tokens)
            made = observe(facts, found, proven_at=proven_at, rules=rules)
            stated_identity = stated(facts, found, rules)
    except (EvidenceInvalid, OSError) as error:
        verdict_source, problem, found = VerdictSource.UNREADABLE, str(error), None
    passages, is_whole = bundle_facts.read_passages(members, record, found)
    return BundleSummary(
        verdict_source=verdict_source,
        problem=problem,
        observation=made,
        stated=stated_identity,
        asked=asked,
        url=url,
        facts=bundle_facts.facts_of(record, found, is_text_whole=is_whole),
        passages=passages,
        manifest_sha256=members.manifest_sha256(),
    )


def observe(
    facts: CaptureFacts,
    assessed: Assessment,
    *,
    proven_at: datetime | None,
    rules: PageIdentityRules,
) -> Observation:
    """
    Return a capture as an observation.

    Its identity is that of the requested address, or the one that the page states if the address
    does not determine it.

    Args:
        facts: The verified facts of a bundle, wherever something is concluded or signed. The
            index passes unverified facts.

    Raises:
        EvidenceInvalid: The capture is not of a page.
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
    Return the identity that a page states in addition to that of the requested address, or "".

    What a page states about itself counts only if its site alone writes it, as for an article
    behind a short link of its own site. An address to which the requested one led counts if it
    contains the site's own number of the page.
    """
    with contextlib.suppress(ValueError):
        asked = page_identity.page_identity(facts.requested_url, rules)
        if asked.is_number:
            return ""
        final = page_identity.page_identity(facts.final_url, rules)
        if final.is_number:
            return final.key
        if not asked.final and not final.final and assessed.identity.startswith("wechat:"):
            return assessed.identity
    return ""


def is_of_its_host(facts: CaptureFacts | None) -> bool:
    """Return whether a page came from the requested host, its parent domain or a subdomain."""
    if facts is None:
        return False
    asked, shown = (
        host_of(url).removeprefix("www.") for url in (facts.requested_url, facts.final_url)
    )
    return asked == shown or asked.endswith(f".{shown}") or shown.endswith(f".{asked}")


def _asked(url: str, rules: PageIdentityRules) -> str:
    try:
        return page_identity.page_identity(url, rules).key
    except ValueError as error:
        raise EvidenceInvalid(
            tr("no page identity can be derived from the captured address: {error}", error=error)
        ) from error


def _account(
    facts: CaptureFacts, assessed: Assessment, identity: str, rules: PageIdentityRules
) -> str:
    for url in (facts.requested_url, facts.final_url):
        with contextlib.suppress(ValueError):
            if found := page_identity.account_identity(url, rules):
                return found
    if found := page_identity.account_of_identity(identity):
        return found
    said = {account.account for account in assessed.takedown.accounts if account.account}
    return said.pop() if len(said) == 1 else ""


def _account_name(assessed: Assessment) -> str:
    """Return the name of the account on the page; "" if the page shows an account state instead."""
    if assessed.takedown.accounts:
        return ""
    named = {
        " ".join(unicodedata.normalize("NFKC", metadatum.value).split())
        for metadatum in assessed.readings.metadata
        if metadatum.name == _ACCOUNT
    }
    return named.pop()[:_MAX_NAME] if len(named) == 1 else ""


def _proven_at(members: BundleMembers, late_tokens: tuple[bytes, ...]) -> datetime | None:
    """Return the time of the earliest token that is over the first signature, unverified."""
    signature = members.read(names.signature(1), limit=MAX_SIDECAR_BYTES)
    inside = [
        members.read(name, limit=MAX_SIDECAR_BYTES)
        for name in (names.token(1, number) for number in range(1, names.MAX_TOKENS + 1))
        if name in members.names
    ]
    times = []
    for token in (*inside, *late_tokens):
        with contextlib.suppress(TokenInvalid):
            if rfc3161.is_token_over(token, signature):
                times.append(rfc3161.read_token(token).time)
    return min(times, default=None)


def _read_sidecar(store: ObjectStore, key: str) -> bytes:
    with store.open(key) as stream:
        return stream.read(MAX_SIDECAR_BYTES + 1)


def _digest(stream: BinaryIO) -> str:
    stream.seek(0)
    return digest(stream, limit=container.MAX_BYTES).sha256
