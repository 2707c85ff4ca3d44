"""
Verify a campaign report: make each of its numbers again.

    (1) the record: its form, its signature, its key
    (2) the numbers, from the captures that the record itself names
    (3) each capture: its bundle is here, is the one that is named, and verifies by itself; what
        it showed is found out again by the rules that lie in it
    (4) the numbers, from what (3) found
    (5) the store: it has no capture of these pages in the period that the report leaves out
    (6) the signed events and gaps that the report names

Each number that does not come out is named. A bundle that is not here says nothing against
the report: what rests on it is INDETERMINATE.
"""

import contextlib
import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from snapshotter.app.archive import assessment, stored_gaps
from snapshotter.app.archive.assessment import BundleFiles
from snapshotter.app.archive.observations import (
    ObservationSource,
    is_of_its_host,
    observations,
    observe,
    stated,
)
from snapshotter.app.takedown.bundle_finder import FindBundle, VerifiedBundle
from snapshotter.app.takedown.campaign_report import (
    campaign_event_ids,
    gap_reference,
    misplaced_captures,
)
from snapshotter.app.takedown.rederivation import (
    DERIVED_BY_RULES,
    Rederivation,
    mismatch,
    with_recorded_verdict,
)
from snapshotter.assess import campaign as campaigns
from snapshotter.errors import EvidenceInvalid, ServiceUnavailable, SnapshotterError
from snapshotter.formats import typed
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.canonical_json import are_one, instant, plain
from snapshotter.formats.printable import printable
from snapshotter.formats.statements import campaign as records
from snapshotter.formats.statements import gap as gap_records
from snapshotter.formats.statements import takedown
from snapshotter.formats.statements.gap import GapRecord
from snapshotter.model.campaign import (
    OWN_WORD,
    Campaign,
    CampaignFindings,
    CampaignReport,
    GapRef,
    Number,
    TakedownRef,
    WatchedPage,
)
from snapshotter.model.finding import Code, Finding, Verdict, overall
from snapshotter.model.order import UnprovenOrder
from snapshotter.model.takedown import ConfirmRules, Observation
from snapshotter.model.verified_facts import VerifiedFacts
from snapshotter.policy import page_identity as identities
from snapshotter.ports import ObjectStore
from snapshotter.verify import capture_order as orders
from snapshotter.verify import report as reports
from snapshotter.verify.audit.sidecar_facts import key_counts
from snapshotter.verify.takedown import captures_by_role
from snapshotter.verify.trust import Trust, judge_key

_APART: Final = ("identity", "account", "proven_at")  # judged over all captures of a page
_NAMED: Final = 20  # bundles and numbers of one kind that are named one by one
_MAX_RECORD: Final = 2 << 20  # bytes of an event or a gap


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignVerification:
    """All findings about one report."""

    findings: tuple[Finding, ...]
    report: CampaignReport | None = None  # None: there is no record
    key_id: str = ""
    sha256: str = ""
    trust: str = ""
    notes: tuple[str, ...] = ()  # what else there is to say, and decides nothing
    own_word: tuple[str, ...] = OWN_WORD  # fields that are its signer's own word
    # By the id of an event, its captures whose place in the order nothing bears out.
    weak: Mapping[str, tuple[UnprovenOrder, ...]] = field(default_factory=dict)
    checked: int = 0  # bundles that were verified, and whose rules were run again

    @property
    def verdict(self) -> Verdict:
        """The worst of its findings."""
        return overall(self.findings)


@dataclass(slots=True)
class _Captures:
    """What was found of the captures of a report."""

    again: dict[str, Observation] = field(default_factory=dict)  # by bundle id
    named: dict[str, tuple[str, str]] = field(default_factory=dict)  # asked for, stated
    without_rules: set[str] = field(default_factory=set)  # judged by the rules of today
    established: dict[str, VerifiedFacts] = field(default_factory=dict)
    told: dict[str, list[str]] = field(default_factory=dict)  # of what, by what to tell
    words: dict[str, list[str]] = field(default_factory=dict)  # bundles, by a field of theirs
    missing: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def verify_campaign(
    data: bytes,
    trust: Trust,
    find: FindBundle,
    by: Rederivation,
    *,
    source: ObservationSource | None = None,
    told: Callable[[str], None] = lambda text: None,
) -> CampaignVerification:
    """
    Return all findings about a report. Never raises for what is in it, or in its bundles.

    Args:
        place: A store to hold the report against; None: what it leaves out is not looked for.

    Raises:
        OSError, SnapshotterError: A bundle is here and can not be read.
    """
    sha256 = hashlib.sha256(data).hexdigest()
    try:  # (1)
        report, key_id = records.parse(data)
    except EvidenceInvalid as error:
        detail = f"it is no campaign report as it was signed: {error.message}"
        failed = Finding.failed("report", Code.EVENT, detail)
        return CampaignVerification(findings=(failed,), sha256=sha256, trust=trust.source)
    del data  # tens of megabytes, beside what was made of them
    campaign = report.campaign
    findings = [
        Finding.passed("report", f"a record of {len(campaign.pages)} pages, {_period(campaign)}"),
        _key(key_id, trust),
    ]
    if not campaign.verified:
        findings.append(
            Finding.indeterminate(
                "bundles", Code.BUNDLE_OPEN, "nobody verified its bundles when it was made"
            )
        )
    if campaign.until > campaign.made_at:
        detail = f"its period ends after the report was made ({instant(campaign.made_at)})"
        findings.append(Finding.failed("report", Code.NUMBER, detail))
    if late := _after_the_period(campaign):
        detail = f"it names captures that ended after its period: {_some(late)}"
        findings.append(Finding.failed("report", Code.NUMBER, detail))
    findings += _held_to(campaign)
    own = list(_differences(report.findings, _follows(campaign, report.findings)))  # (2)
    findings += own or [Finding.passed("numbers", "each follows from the captures that it names")]
    found = _captures(campaign, find, by, key_id, told)  # (3)
    has_place = source is not None and _has_any(campaign, source)
    pages = _Pages(found, by, source if has_place else None)
    for page in campaign.pages:
        found.findings += pages.findings(page)
    findings += found.findings
    again = _from_bundles(campaign, found)
    findings += _again(report, again, found)  # (4)
    order = _order(again, found, trust)
    findings += order.findings
    notes = [f"{_some(names)}: {what}" for what, names in found.told.items()]
    notes += _other_intervals(report)
    if source is not None and has_place:
        findings += _left_out(report, _Kept(source, find, by), trust)  # (5)
        in_period = tuple(_gaps_of_the_period(campaign, source.store, trust))
        findings += _references(report, source.store, trust, in_period)  # (6)
        notes += _other_gaps(campaign, in_period)
    else:
        detail = "no store that has its captures: whether there are others can not be seen"
        findings.append(Finding.indeterminate("left out", Code.BUNDLE_OPEN, detail))
    return CampaignVerification(
        findings=tuple(findings),
        report=report,
        key_id=key_id,
        sha256=sha256,
        trust=trust.source,
        notes=tuple(notes),
        own_word=(
            *OWN_WORD,
            *(f"{name} of {_some(names)}" for name, names in found.words.items()),
        ),
        weak=order.weak,
        checked=len(found.again),
    )


def _key(key_id: str, trust: Trust) -> Finding:
    key = trust.key(key_id)
    if key is None:
        detail = f"nobody whom you trust is known to have the key {key_id}"
        return Finding.indeterminate("report key", Code.KEY_UNKNOWN, detail)
    # The record carries no token: nothing proves its own time.
    verdict, code, detail = judge_key(key, None)
    return Finding(check="report key", verdict=verdict, code=code, detail=detail)


def _after_the_period(campaign: Campaign) -> list[str]:
    return [
        observation.bundle_id
        for page in campaign.pages
        for observation in (*page.captures, *page.controls)
        if observation.at > campaign.until
    ]


def _held_to(campaign: Campaign) -> Iterator[Finding]:
    """Say of how many pages a removal was held to less than is usual: its signer chose that."""
    usual = ConfirmRules()
    lax = [
        page
        for page in campaign.pages
        if page.confirm.times < usual.times
        or page.confirm.after < usual.after
        or not page.confirm.control
    ]
    if lax:
        yield Finding.passed(
            "numbers",
            f"of {len(lax)} of {len(campaign.pages)} pages a removal was held to less than is "
            f"usual: {usual.times} captures that agree, {usual.after.total_seconds():.0f} s apart, "
            "with another page of the host in between",
        )


# Steps (2) and (4).


def _differences(said: CampaignFindings, made: CampaignFindings) -> Iterator[Finding]:
    """Yield each number of a report that is another one when it is made again."""
    first, second = _by_name(said.numbers), _by_name(made.numbers)
    for name in dict.fromkeys((*first, *second)):
        one, other = first.get(name), second.get(name)
        if one == other:
            continue
        if one is not None and other is not None and one.value == other.value:
            detail = f"{name} is {one.value}, and rests on other captures than the report says"
        else:
            detail = (
                f"{name}: the report says {one.value if one else 'nothing'}, and it is "
                f"{other.value if other else 0}"
            )
        yield Finding.failed("numbers", Code.NUMBER, detail)
    for row, again in zip(said.rows, made.rows, strict=False):
        if row != again:
            names = ", ".join(_fields_that_differ(row, again))
            yield Finding.failed("pages", Code.NUMBER, f"{row.url or row.identity}: {names}")
    for name in ("accounts", "survivors", "survival", "median_life", "median_removed_after"):
        if getattr(said, name) != getattr(made, name):
            words = name.replace("_", " ")
            yield Finding.failed(
                "numbers", Code.NUMBER, f"{words}: it is another when it is made again"
            )
    if said.crossings != made.crossings:
        yield Finding.failed("numbers", Code.NUMBER, "crossings: they are others when made again")


def _follows(campaign: Campaign, said: CampaignFindings) -> CampaignFindings:
    """Return what follows from a campaign, with the intervals of older reports if it has those."""
    made = campaigns.compute_findings(campaign)
    if made != said:
        older = campaigns.compute_findings(campaign, bracket=campaigns.bracket_by_start)
        if older == said:
            return older
    return made


def _other_intervals(report: CampaignReport) -> Iterator[str]:
    """Say where a report dates a removal by the capture that began first, as older ones do."""
    events = {event.event_id: event for event in campaigns.concluded_events(report.campaign)}
    for row in report.findings.rows:
        for removal in row.removals:
            event = events.get(removal.event_id)
            if event is not None and (removal.began, removal.ended) != event.bracket:
                begin, end = map(instant, event.bracket)
                yield (
                    f"event {removal.event_id}: its two captures overlap in time, and the "
                    "report dates "
                    f"it by an older rule; it happened between {begin} and {end}"
                )


def _fields_that_differ(one: Any, other: Any) -> list[str]:
    first, second = typed.write(one), typed.write(other)
    return sorted(
        field_name
        for field_name in {*first, *second}
        if first.get(field_name) != second.get(field_name)
    )


def _by_name(numbers: Iterable[Number]) -> Mapping[str, Number]:
    return {number.name: number for number in numbers}


def _from_bundles(campaign: Campaign, found: _Captures) -> Campaign:
    """Return the campaign with what the bundles show, as far as they are here."""
    pages = []
    for page in campaign.pages:
        captures, controls = (
            tuple(
                found.again[observation.bundle_id]
                for observation in them
                if observation.bundle_id in found.again
            )
            for them in (page.captures, page.controls)
        )
        pages.append(replace(page, captures=captures, controls=controls))
    return replace(campaign, pages=tuple(pages))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """What is proven of the order of captures, event by event."""

    findings: tuple[Finding, ...]
    weak: Mapping[str, tuple[UnprovenOrder, ...]]


def _order(again: Campaign, found: _Captures, trust: Trust) -> _Order:
    """Compare the order of the captures of each event with what is proven of their times."""
    findings: list[Finding] = []
    weak: dict[str, tuple[UnprovenOrder, ...]] = {}
    for event in campaigns.concluded_events(again):
        placed = [
            orders.CaptureInRole(role=part.role, found=established)
            for part in captures_by_role(event)
            if (established := found.established.get(part.observation.bundle_id)) is not None
        ]
        judged = orders.judge(placed, max_skew=trust.max_skew)
        findings += [
            replace(finding, detail=f"event {event.event_id}: {finding.detail}")
            for finding in judged.findings
        ]
        if judged.weak:
            weak[event.event_id] = judged.weak
    return _Order(findings=tuple(findings), weak=weak)


def _again(report: CampaignReport, again: Campaign, found: _Captures) -> Iterator[Finding]:
    """Make the numbers again of what the bundles show."""
    made = _follows(again, report.findings)
    different = list(_differences(report.findings, made))
    if not different:
        detail = "each number was made again from the bundles, by the rules that lie in them"
        yield Finding.passed("bundles", detail)
        return
    for finding in different:
        if found.missing:  # what is withheld says nothing: neither for a number nor against it
            words = f"{finding.detail}, without the {len(found.missing)} bundles that are not here"
            yield Finding.indeterminate("again", Code.NUMBER, words)
        else:
            yield Finding.failed(
                "again", Code.NUMBER, f"{finding.detail}, by what the bundles show"
            )


# Step (3).


def _captures(
    campaign: Campaign, find: FindBundle, by: Rederivation, key_id: str, told: Callable[[str], None]
) -> _Captures:
    found = _Captures()
    states: dict[str, Verdict] = {}
    every: dict[str, Observation] = {}
    for page in campaign.pages:
        for observation in (*page.captures, *page.controls):
            if every.setdefault(observation.bundle_id, observation).sha256 != observation.sha256:
                detail = f"{observation.bundle_id} is named with two digests"
                found.findings.append(Finding.failed("bundles", Code.BUNDLE_OTHER, detail))
    for number, capture in enumerate(every.values(), 1):
        with find(capture.bundle_id) as here:
            _look(capture, here, by, key_id, found, states)
        if number % 100 == 0:
            told(f"checked {number} of {len(every)} bundles")
    if found.missing:
        detail = f"not here: {_some(found.missing)}; nothing is said against them"
        found.findings.append(Finding.indeterminate("bundles", Code.BUNDLE_MISSING, detail))
    unsure = [
        bundle_id for bundle_id, verdict in states.items() if verdict is Verdict.INDETERMINATE
    ]
    if unsure:
        found.findings.append(
            Finding.indeterminate(
                "bundles",
                Code.BUNDLE_OPEN,
                f"{len(unsure)} of {len(every)} are intact, and INDETERMINATE by themselves, "
                f"among them {unsure[0]}",
            )
        )
    found.findings += _proven(every.values(), found)
    return found


def _proven(every: Iterable[Observation], found: _Captures) -> Iterator[Finding]:
    """Compare the proven time that a report names for each capture with the tokens here."""
    earlier: list[str] = []
    other: list[str] = []
    for observation in every:
        here = found.established.get(observation.bundle_id)
        proven = here.proven_time if here is not None else None
        if proven is None or (
            observation.proven_at is not None and are_one(observation.proven_at, proven)
        ):
            continue
        (earlier if observation.proven_at and observation.proven_at < proven else other).append(
            observation.bundle_id
        )
    if earlier:
        # As of an event: its signer may have trusted an authority more.
        detail = f"{_some(earlier)}: the report states an earlier proven time than the tokens here"
        yield Finding.indeterminate("bundles", Code.TIME, detail)
    if other:
        found.told["the report states a later proven time than the tokens here, or states none"] = (
            other
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def _look(
    said: Observation,
    here: VerifiedBundle | None,
    by: Rederivation,
    key_id: str,
    found: _Captures,
    states: dict[str, Verdict],
) -> None:
    """Verify the bundle of a capture, and find out again what it showed."""
    name = said.bundle_id
    if here is None:
        found.missing.append(name)
        return
    report = here.report
    states[name] = report.verdict
    if report.sha256 != said.sha256:
        detail = f"{name} is not the bundle that the report names"
        found.findings.append(Finding.failed("bundles", Code.BUNDLE_OTHER, detail))
        return
    if report.verdict is Verdict.FAILED:
        detail = f"{name} FAILED: {' '.join(report.codes(Verdict.FAILED))}"
        found.findings.append(Finding.failed("bundles", Code.BUNDLE, detail))
        return
    if key_id in _signers(report.record):
        detail = f"the key that signed the report has signed the capture {name}"
        found.findings.append(Finding.failed("report key", Code.EVENT_KEY, detail))
    try:
        facts = report.established
        if facts is None:
            raise EvidenceInvalid("its record is not a valid capture record")
        record, files = report.record, BundleFiles(here.stream, facts)
        if assessment.read_assessment(files) is None:
            found.without_rules.add(name)
            url = str(record["what"]["requested_url"])
            made = assessment.assess(record, files, by.decide(url), by.assessor_of)
        else:
            made = assessment.rederive(files, by.assessor_of).assessment
        again = observe(facts, made, proven_at=said.proven_at, rules=by.rules)
        found.named[name] = (again.identity, stated(facts, made, by.rules))
    except ServiceUnavailable:
        raise
    except (SnapshotterError, KeyError, TypeError) as error:
        detail = f"what {name} shows can not be found out again: {error}"
        found.findings.append(Finding.indeterminate("bundles", Code.VERDICT, detail))
        return
    found.established[name] = replace(facts, members={})
    by_today = name in found.without_rules
    found.again[name] = with_recorded_verdict(said, again) if by_today else again
    if again.account_name and not said.account_name:  # older reports do not have it
        what = "the report does not state the name of the account that the page shows"
        found.told.setdefault(what, []).append(name)
        again = replace(again, account_name="")
    first, second = typed.write(said), typed.write(again)
    other = sorted(
        field_name
        for field_name in {*first, *second} - {*_APART, "proven_at_ms"}
        if first.get(field_name) != second.get(field_name)
    )
    if by_today:
        what = "it holds no verdict: it was judged by the rules of today"
        found.told.setdefault(what, []).append(name)
        if "rule_files" in other:
            other.remove("rule_files")
            found.words.setdefault("rule_files", []).append(name)
    if other and by_today and set(other) <= set(DERIVED_BY_RULES):
        fields = ", ".join(other)
        words = f"{name}: the rules of today do not confirm what the report states of it: {fields}"
        found.findings.append(Finding.indeterminate("bundles", Code.VERDICT, words))
    elif other:
        detail = f"{name}: the report says of it what its bundle does not: {', '.join(other)}"
        found.findings.append(Finding.failed("bundles", Code.VERDICT, detail))


def _signers(record: Mapping[str, Any]) -> set[str]:
    return {str(signer.get("key_id")) for signer in record.get("signers", ())}


class _Pages:
    """Which pages captures are of, and whose, as all captures of a report show it together."""

    def __init__(
        self, found: _Captures, by: Rederivation, source: ObservationSource | None
    ) -> None:
        self._found = found
        self._rules = by.rules
        self._place = source  # whose catalog knows captures that the report does not name
        self._led: dict[str, set[str]] = {}
        self._known: dict[str, set[str]] = {}
        for asked, shown in found.named.values():
            self._led.setdefault(asked, set()).update({shown} - {""})

    def findings(self, page: WatchedPage) -> Iterator[Finding]:
        """Judge the page itself, its captures and its controls."""
        yield from self._address(page)
        asked_for = {
            self._found.named[capture.bundle_id][0]
            for capture in page.captures
            if capture.bundle_id in self._found.named
        }
        for asked in sorted(asked_for):
            if page.identity not in (asked, *self._identities(asked)):
                detail = f"a capture of {asked} is counted for {page.url}"
                yield Finding.failed("pages", Code.IDENTITY, detail)
        for control in page.controls:
            asked = self._found.named.get(control.bundle_id, ("", ""))[0]
            if asked and (asked == page.identity or asked in asked_for):
                detail = f"a control of {page.url} is of the page itself"
                yield Finding.failed("pages", Code.IDENTITY, detail)
        for capture in (*page.captures, *page.controls):
            if capture.bundle_id in self._found.again:
                yield from self._identity(capture)
        known = {self._account(capture) for capture in page.captures} - {""}
        for capture in page.captures:
            yield from self._account_of(capture, known)
        for control in page.controls:
            yield from self._account_of(control, {self._account(control)} - {""})
            facts = self._found.established.get(control.bundle_id)
            if facts is not None and not is_of_its_host(facts):
                what = "this control led to another host; new reports do not count such controls"
                self._found.told.setdefault(what, []).append(control.bundle_id)

    def _address(self, page: WatchedPage) -> Iterator[Finding]:
        """Compare the address of a page with its identity."""
        try:
            asked = identities.page_identity(page.url, self._rules)
        except ValueError as error:
            yield Finding.failed("pages", Code.IDENTITY, f"the address of {page.identity}: {error}")
            return
        if page.identity in (asked.key, *self._identities(asked.key)):
            if page.captures and page.url not in {observation.url for observation in page.captures}:
                what = "no capture requested this address of the page"
                self._found.told.setdefault(what, []).append(page.url)
            return
        detail = f"{page.url} is the address of {asked.key}, not of {page.identity}"
        if asked.is_number or page.identity.startswith("//"):  # it leads to no other page
            yield Finding.failed("pages", Code.IDENTITY, detail)
        else:
            yield Finding.indeterminate(
                "pages", Code.IDENTITY, f"{detail}, as far as its captures show"
            )

    def _identities(self, asked: str) -> set[str]:
        """Return the page that an address turned out to be, by these captures and by the store."""
        if asked not in self._known:
            led = self._led.get(asked, set())
            known = {next(iter(led)) if len(led) == 1 else asked}
            stored = {self._place.catalog.resolved(asked)} if self._place is not None else set()
            self._known[asked] = known | stored
        return self._known[asked]

    def _identity(self, observation: Observation) -> Iterator[Finding]:
        asked = self._found.named[observation.bundle_id][0]
        if observation.identity in (asked, *self._identities(asked)):
            return
        detail = f"{observation.bundle_id} is of {asked}, not of {observation.identity}"
        if asked.startswith("wechat-short:"):  # only a page tells where that leads
            yield Finding.indeterminate(
                "pages", Code.IDENTITY, f"{detail}, as far as its captures show"
            )
        else:
            yield Finding.failed("pages", Code.IDENTITY, detail)

    def _account(self, observation: Observation) -> str:
        made = self._found.again.get(observation.bundle_id)
        if made is None:
            return ""
        asked = self._found.named[observation.bundle_id][0]
        led = sorted(filter(None, map(identities.account_of_identity, self._identities(asked))))
        return made.account or (led[0] if led else "")

    def _account_of(self, observation: Observation, known: set[str]) -> Iterator[Finding]:
        if observation.bundle_id not in self._found.again:
            return
        names = ", ".join(sorted(known))
        if not observation.account and known:
            what = f"the report names no account for it; its captures name {names}"
            self._found.told.setdefault(what, []).append(observation.bundle_id)
        elif observation.account and not known:
            self._found.words.setdefault("account", []).append(observation.bundle_id)
        elif observation.account and observation.account not in known:
            detail = (
                f"{observation.bundle_id} is of the account {observation.account}; its "
                f"captures name {names}"
            )
            if observation.bundle_id in self._found.without_rules:
                yield Finding.indeterminate(
                    "pages", Code.IDENTITY, f"{detail}, by the rules of today"
                )
            else:
                yield Finding.failed("pages", Code.IDENTITY, detail)


# Steps (5) and (6).


def _has_any(campaign: Campaign, source: ObservationSource) -> bool:
    """Whether a store has a capture of the report: another store says nothing about it."""
    source.sync()
    return any(
        source.catalog.row(observation.bundle_id) is not None
        for page in campaign.pages
        for observation in page.captures
    )


def _left_out(report: CampaignReport, store: "_Kept", trust: Trust) -> Iterator[Finding]:
    """Look in the store for captures that the report does not have."""
    campaign = report.campaign
    passed_over = {
        left_out.bundle_id for left_out in campaign.left_out if not store.holds(left_out.bundle_id)
    }
    passed_over |= _misplaced(campaign, store, passed_over, trust)
    whole, there = _with_more(campaign, store, passed_over)
    if not there:
        yield Finding.passed("left out", "the store has no other capture of these pages until then")
        return
    named = ", ".join(there[:_NAMED])
    yield Finding.failed(
        "left out",
        Code.LEFT_OUT,
        f"the store has captures that the report does not: {named}"
        f"{' …' if len(there) > _NAMED else ''} (left out, or put there later)",
    )
    made = campaigns.compute_findings(whole)
    for finding in _differences(report.findings, made):
        yield replace(finding, check="left out", detail=f"{finding.detail} with them")


class _Kept:
    """The captures of a store, each verified once."""

    def __init__(self, source: ObservationSource, find: FindBundle, by: Rederivation) -> None:
        self.source = source
        self.established: dict[str, VerifiedFacts] = {}
        self._find = find
        self._by = by
        self._holds: dict[str, bool] = {}

    def holds(self, bundle_id: str) -> bool:
        """Whether a bundle is here, does not FAIL, and shows by its own rules what it says."""
        if bundle_id not in self._holds:
            row = self.source.catalog.row(bundle_id)
            with self._find(bundle_id) as here:
                facts = here.report.established if here is not None else None
                self._holds[bundle_id] = (
                    here is not None and here.report.verdict is not Verdict.FAILED
                )
                if facts is not None:
                    self.established[bundle_id] = replace(facts, members={})
                said = row.observation if row is not None else None
                if here is not None and facts is not None and said is not None:
                    self._holds[bundle_id] &= not mismatch(self._by, said, facts, here.stream)
        return self._holds[bundle_id]

    def is_control(self, bundle_id: str) -> bool:
        """Whether it holds, and did not lead to another host."""
        return self.holds(bundle_id) and (
            bundle_id not in self.established or is_of_its_host(self.established[bundle_id])
        )


def _misplaced(
    campaign: Campaign, store: _Kept, passed_over: Collection[str], trust: Trust
) -> set[str]:
    """Return what a report leaves out because it is proven to be in the wrong place of an event."""
    said = {left_out.bundle_id for left_out in campaign.left_out} - set(passed_over)
    found: set[str] = set()
    while said - found:
        whole, _ = _with_more(campaign, store, {*passed_over, *found})
        for page in whole.pages:
            for observation in (*page.captures, *page.controls):
                store.holds(observation.bundle_id)
        more = said.intersection(
            misplaced_captures(whole, store.established, max_skew=trust.max_skew)
        ).difference(found)
        if not more:
            break
        found |= more
    return found


def _with_more(
    campaign: Campaign, store: _Kept, without: Collection[str]
) -> tuple[Campaign, list[str]]:
    """Return a campaign with the captures that the store has beside its own, and their ids."""
    there: list[str] = []
    pages = []
    for page in campaign.pages:
        known = {observation.bundle_id for observation in page.captures}
        more = [
            observation
            for observation in observations(
                store.source, identity=page.identity, until=campaign.until, sync=False
            )
            if observation.bundle_id not in known and observation.bundle_id not in without
        ]
        there += [observation.bundle_id for observation in more]
        captures = tuple(
            sorted(
                (*page.captures, *more),
                key=lambda observation: (observation.at, observation.bundle_id),
            )
        )
        page = replace(page, captures=captures)
        controls = tuple(_controls(page, campaign, store, without))
        there += [observation.bundle_id for observation in controls]
        pages.append(replace(page, controls=(*page.controls, *controls)))
    return replace(campaign, pages=tuple(pages)), list(dict.fromkeys(there))


def _controls(
    page: WatchedPage, campaign: Campaign, store: _Kept, without: Collection[str]
) -> Iterator[Observation]:
    """
    Yield controls that the report does not have.

    Without one a removal is not confirmed: so to leave it out makes the numbers smaller.
    """
    known = {observation.bundle_id for observation in page.controls}
    bad = [name for name in without if name not in known]
    for observation in page.captures:
        if observation.cause is None and not observation.accounts:
            continue
        found = store.source.catalog.control(observation, page.identity, without=bad)
        while not (found is None or found.bundle_id in known or store.is_control(found.bundle_id)):
            bad.append(found.bundle_id)
            found = store.source.catalog.control(observation, page.identity, without=bad)
        if found is not None and found.at < campaign.until and found.bundle_id not in known:
            known.add(found.bundle_id)
            yield found


def _references(
    report: CampaignReport, store: ObjectStore, trust: Trust, in_period: Sequence[GapRecord]
) -> Iterator[Finding]:
    """
    Check the records of events and gaps that a report names.

    Args:
        in_period: The gaps of the store that fall into its period.
    """
    campaign = report.campaign
    named = {gap.gap_id for gap in campaign.gaps}
    schedules = {gap.schedule for gap in campaign.gaps}
    for record in in_period:
        # Of other schedules it may be that nobody asked for them.
        if record.gap_id not in named and record.schedule in schedules:
            detail = f"the gap {record.gap_id} of {record.schedule} falls into the period as well"
            yield Finding.failed("records", Code.LEFT_OUT, detail)
    for gap in campaign.gaps:
        if gap.since >= campaign.until or (gap.until or campaign.made_at) <= campaign.since:
            detail = f"the gap {gap.gap_id} does not fall into the period"
            yield Finding.failed("records", Code.NUMBER, detail)
    wanted: list[tuple[str, str, str, Callable[[bytes], str | None]]] = [
        *(
            (
                "event",
                store_keys.takedown_key(event.event_id),
                event.sha256,
                partial(_event_key, event),
            )
            for event in campaign.recorded
        ),
        *(
            ("gap", store_keys.gap_key(gap.gap_id), gap.sha256, partial(_gap_key, gap))
            for gap in campaign.gaps
        ),
    ]
    its_events = set(campaign_event_ids(report.findings))
    for ref in campaign.recorded:
        if ref.event_id not in its_events:
            detail = f"the event {ref.event_id} does not follow from the captures of the report"
            yield Finding.failed("records", Code.NUMBER, detail)
    good = 0
    for what, key, sha256, key_of in wanted:
        data = b""
        with contextlib.suppress(FileNotFoundError), store.open(key) as stream:
            data = stream.read(_MAX_RECORD)
        if not data:
            yield Finding.indeterminate(
                "records", Code.BUNDLE_MISSING, f"the {what} {key} is not in the store"
            )
        elif hashlib.sha256(data).hexdigest() != sha256:
            yield Finding.failed(
                "records", Code.BUNDLE_OTHER, f"the {what} {key} is another record"
            )
        elif (key_id := key_of(data)) is None:
            detail = f"the report says of the {what} {key} what its record does not"
            yield Finding.failed("records", Code.NUMBER, detail)
        elif not key_counts(trust, key_id):
            detail = f"the {what} {key} is signed by the key {key_id}, which is not trusted"
            yield Finding.indeterminate("records", Code.KEY_UNKNOWN, detail)
        else:
            good += 1
    if good and good == len(wanted):
        yield Finding.passed("records", f"{good} signed events and gaps are those that it names")


def _other_gaps(campaign: Campaign, in_period: Sequence[GapRecord]) -> Iterator[str]:
    """Tell of gaps of schedules of which a report names none: whoever made it chose those."""
    named = {gap.schedule for gap in campaign.gaps}
    others = sorted({record.schedule for record in in_period} - named)
    if others:
        yield (
            "the period has signed gaps of schedules for which the report names no gap: "
            + ", ".join(others)
        )


def _gaps_of_the_period(
    campaign: Campaign, store: ObjectStore, trust: Trust
) -> Iterator[GapRecord]:
    for kept in stored_gaps.stored_gaps(store):
        record = kept.record
        if record is None or record.at > campaign.made_at:
            continue
        if not key_counts(trust, record.key_id):
            continue  # whoever may write to the store could put it there
        if record.since < campaign.until and (record.until or record.at) > campaign.since:
            yield record


def _event_key(said: TakedownRef, data: bytes) -> str | None:
    """Return who signed the record of an event; None where it is that of another."""
    try:
        event, key_id = takedown.parse(data)
    except EvidenceInvalid:
        return None
    return key_id if event.event_id == said.event_id else None


def _gap_key(said: GapRef, data: bytes) -> str | None:
    """Return who signed the record of a gap; None where that says something else."""
    try:
        record = gap_records.parse(data, said.gap_id)
    except EvidenceInvalid:
        return None
    return record.key_id if gap_reference(record, said.sha256) == said else None


def _period(campaign: Campaign) -> str:
    return f"{instant(campaign.since)} to {instant(campaign.until)}"


def lines(found: CampaignVerification) -> list[str]:
    """Return the findings for a person: one line a check, then what follows from them."""
    result = [
        reports.finding_line(replace(finding, check=f"{finding.check:<10}"))
        for finding in found.findings
    ]
    result += [f"note {printable(line)}" for line in (*found.notes, *_weak_lines(found))]
    if found.report is not None:
        named = printable(", ".join(found.own_word))
        result.append(
            f"note only the signer states these fields, and nothing here confirms them: {named}"
        )
    result += ["", f"{found.verdict.name}: {_summary(found)}"]
    result.append(f"judged against {printable(found.trust)}")
    return result


def _weak_lines(found: CampaignVerification) -> Iterator[str]:
    """Say of which events the order of the captures is not borne out, and of the first ones why."""
    for event_id, weak in list(found.weak.items())[:_NAMED]:
        yield f"event {event_id}: {weak[0].detail}"
    if len(found.weak) > _NAMED:
        yield f"the same is true of {len(found.weak) - _NAMED} more events; --json lists them"


def as_json(found: CampaignVerification) -> dict[str, Any]:
    """Return the findings as the object that `verify --json` prints (docs/reference/json.md)."""
    report = found.report
    return {
        "checked": found.checked,
        "findings": [reports.finding_json(finding) for finding in found.findings],
        "key_id": found.key_id,
        "kind": "campaign",
        "made_at": instant(report.campaign.made_at) if report else None,
        "notes": list(found.notes),
        "numbers": {number.name: number.value for number in report.findings.numbers}
        if report
        else {},
        "own_word": list(found.own_word),
        "report_id": report.campaign.report_id if report else "",
        "sha256": found.sha256,
        "trust": found.trust,
        "verdict": found.verdict.value,
        "weak": {event_id: plain(them) for event_id, them in found.weak.items()},
    }


def _summary(found: CampaignVerification) -> str:
    report = found.report
    if found.verdict is Verdict.FAILED or report is None:
        return "do not rely on this report; the lines marked FAIL say what does not hold."
    numbers = {number.name: number.value for number in report.findings.numbers}
    words = f"{numbers.get('removed', 0)} of {numbers.get('watched', 0)} pages removed"
    if found.verdict is Verdict.INDETERMINATE:
        return (
            f"{words}; nothing is wrong with the report, and not everything about it could be "
            "established: the lines marked ? say what is missing."
        )
    return f"{words}, made again from {found.checked} bundles; each number is what they show."
