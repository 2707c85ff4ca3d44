"""
Explain what a capture would be like, without making a connection.

The explanation names the policy and the rules, what is redacted, who would learn of the capture and
from which address, how long it may take, and how many visits its schedule makes. `visits_per_host`
counts the visits of a whole list of pages to each host.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from snapshotter.app.identity_file import load_identity_file
from snapshotter.app.policies.visit_plan import VisitOptions, plan_from_options
from snapshotter.app.settings import Settings
from snapshotter.app.store_location import salts_dir
from snapshotter.egress.rules import parse_upstream
from snapshotter.errors import SnapshotterError
from snapshotter.formats.hosts import host_of
from snapshotter.formats.signatures.key_reference import is_reference
from snapshotter.jobs.schedules.plan import Plan
from snapshotter.model.request import Decision, Monitoring
from snapshotter.policy import politeness_estimate, politeness_file
from snapshotter.policy.addresses import strip_parameters
from snapshotter.policy.capture_decision import PolicyOverrides, decide, monitoring
from snapshotter.policy.host_rules import Politeness
from snapshotter.policy.load import EffectivePolicy, load_effective
from snapshotter.policy.policy_selection import AUTO, Candidate, known_policies, pick
from snapshotter.policy.takedown_rules import parse_rules, rules_for
from snapshotter.store.location import DirectoryLocation, parse_store_url
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

DAYS = 3  # of the densest part of a curve, which is what a host feels
_VISIT = timedelta(seconds=4)  # one visit, where it is not the pace that counts
_MOST_VISITS = 10_000  # that are counted


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedRules:
    """One file of rules, and whether it applies to this page."""

    id: str
    version: str
    reason: str
    applies: bool
    count: int  # of rules in it


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactionSummary:
    """What never reaches a file in clear."""

    headers: tuple[str, ...]
    url_params: tuple[str, ...]  # whose values are replaced in every address
    parameters: tuple[str, ...]  # of this address, taken out before the visit
    visited: str  # the address that is asked for
    mode: str
    viewer_fields: tuple[str, ...]  # lists of what pages say of their visitor
    identity: str  # what is done where the capture shows who makes it
    own_names: int  # texts that say so, in the user's own file
    salts: str  # where what opens the commitments is kept; "" where nobody keeps it


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """A party that learns of the capture, and from which address."""

    who: str
    learns: str
    from_where: str  # "this machine", "the proxy", "a Tor exit"; "" where nothing leaves
    folder: str = ""  # of a store on this machine

    @property
    def whole_name(self) -> str:
        """The party, with the folder of a store."""
        return f"{self.who} {self.folder}" if self.folder else self.who


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitCost:
    """
    How many visits a schedule makes to a host, and how many pages a day the limits of the host
    allow.
    """

    words: str  # the plan, in words
    first_day: int
    three_days: int
    in_all: int | None  # None: without an end
    host: str  # by which visits are counted
    every_s: float  # between two visits of that host
    fits_per_day: int  # visits that its pace carries, without a budget
    budget_per_day: int | None  # what its rules allow; None: no limit

    def pages_per_day(self, visits: int | None, budget: int | None) -> int | None:
        """Return how many new pages a day a budget allows, at so many visits each."""
        return budget // visits if visits and budget is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a capture of one address would be like."""

    url: str
    effective: EffectivePolicy
    why: str
    rejected: tuple[Candidate, ...]
    rules: tuple[AppliedRules, ...]
    redaction: RedactionSummary
    observers: tuple[Disclosure, ...]
    at_most_s: float  # the capture, browser included
    tokens_s: float  # and then the timestamp authorities together
    light: bool
    cost: VisitCost | None  # None: one visit
    watch: Monitoring | None  # by what a removal counts; None: nothing is watched


@dataclass(frozen=True, slots=True, kw_only=True)
class HostVisits:
    """The visits to one host for all pages of a list."""

    host: str
    pages: int
    first_day: int
    three_days: int
    in_all: int | None
    budget_per_day: int | None
    takes: timedelta  # the first visits of all of them, at the host's pace
    policies: tuple[str, ...]

    @property
    def is_over(self) -> bool:
        """Whether the first day has more visits than the host's limits allow."""
        return self.budget_per_day is not None and self.first_day > self.budget_per_day


def explain(settings: Settings, url: str, named: str = "", *, now: datetime) -> Explanation:
    """
    Return what a capture of a page would be like.

    Args:
        named: A policy, instead of the one that the settings name or its address decides for.
        now: When its schedule would begin.

    Raises:
        SnapshotterError: A policy, a file of rules or a setting is invalid.
    """
    found = known_policies(settings.policies_dir)
    picked = pick(url, found)
    why = tr("you named this policy") if named else tr("the settings name this policy")
    named = named or settings.policy
    if named != AUTO:
        chosen = load_effective(named, settings.policies_dir)
        decided = replace(picked.winner, why="the address alone would select this policy")
        rejected = (decided, *picked.rejected)
        rejected = tuple(candidate for candidate in rejected if candidate.path != chosen.path)
    else:
        chosen = next(
            policy_file for policy_file in found if policy_file.path == picked.winner.path
        )
        why, rejected = picked.winner.why, picked.rejected
    decision = decide(chosen.policy, PolicyOverrides(allow_networks=settings.allow_networks))
    return Explanation(
        url=url,
        effective=chosen,
        why=why,
        rejected=rejected,
        rules=tuple(_rules(decision, url)),
        redaction=_redaction(settings, decision, url),
        observers=tuple(_observers(settings, chosen, decision, url)),
        at_most_s=decision.limits.total_s,
        tokens_s=settings.timestamp_timeout_s if settings.authorities else 0,
        light=decision.light,
        cost=_cost(settings, chosen, url, now),
        watch=watch if (watch := monitoring(chosen.policy)).light else None,
    )


def visits_per_host(
    settings: Settings, urls: Sequence[str], named: str = "", *, now: datetime
) -> tuple[HostVisits, ...]:
    """
    Return the visits of a list of pages to each host, the host with the most visits first.

    Args:
        named: A policy for all pages, instead of what the settings or their addresses decide for.
        now: When their schedules would begin.

    Raises:
        SnapshotterError: A policy cannot be read, or a page has no host.
    """
    found = known_policies(settings.policies_dir)
    rules = politeness_file.load(settings.politeness_file)
    named = named or settings.policy
    policy_file = load_effective(named, settings.policies_dir) if named != AUTO else None
    counted: dict[Path, _Counted] = {}
    pages: dict[str, Counter[Path]] = {}
    names: dict[Path, str] = {}
    for url in urls:
        path = policy_file.path if policy_file else pick(url, found).winner.path
        if path not in counted:
            each = policy_file or next(
                policy_file for policy_file in found if policy_file.path == path
            )
            counted[path], names[path] = _counted(settings, each, url, now), each.policy.name
        pages.setdefault(rules.key(url), Counter())[path] += 1
    sums = [_sum(key, of, counted, names, rules, now) for key, of in pages.items()]
    return tuple(sorted(sums, key=lambda host: (-host.first_day, host.host)))


# Rules and redaction


def _rules(decision: Decision, url: str) -> Iterator[AppliedRules]:
    rule_sets = tuple(parse_rules(text, id_) for id_, text in decision.verdict.rule_texts)
    applying = rules_for(rule_sets, (host_of(url),))
    for rule_set in rule_sets:
        yield AppliedRules(
            id=rule_set.file.id,
            version=rule_set.file.version,
            reason=rule_set.reason,
            applies=rule_set in applying,
            count=len(rule_set.abouts),
        )


def _redaction(settings: Settings, decision: Decision, url: str) -> RedactionSummary:
    visited, gone = strip_parameters(url, decision.strip_params)
    drops = decision.redact.mode == "drop"
    return RedactionSummary(
        headers=tuple(sorted(decision.redact_headers)),
        url_params=decision.redact.url_params,
        parameters=gone,
        visited=visited,
        mode=decision.redact.mode,
        viewer_fields=decision.redact.viewer_fields,
        identity=decision.redact.identity,
        own_names=len(load_identity_file(settings.identity_file)),
        salts="" if drops else str(salts_dir(settings)),
    )


# Who sees whom


def _observers(
    settings: Settings, chosen: EffectivePolicy, decision: Decision, url: str
) -> Iterator[Disclosure]:
    route = _route(settings)
    us = {"direct": "this machine", "proxy": "the configured proxy", "tor": "an exit relay of Tor"}[
        route
    ]
    if decision.require_proxy and not settings.proxy:
        yield Disclosure(
            who="nobody",
            learns=tr(
                "the policy requires a proxy, but no proxy is configured, so the capture is refused"
            ),
            from_where="",
        )
        return
    host = urlsplit(url).hostname or ""
    yield Disclosure(who=host, learns=tr("the visit and its time"), from_where=us)
    others = tr("every other host that the page loads files from or redirects to")
    if decision.block_hosts:
        others += f"; hosts that the policy blocks: {len(decision.block_hosts)}"
    yield Disclosure(who=others, learns=tr("the files that the page loads"), from_where=us)
    yield from _route_observers(settings, route)
    for authority in settings.authorities:
        yield Disclosure(
            who=f"timestamp authority {authority.name} ({urlsplit(authority.url).hostname})",
            learns=tr("a digest, and the time of the request"),
            from_where=us,
        )
    yield _store_observer(settings)
    for witness in settings.witnesses if settings.log else ():
        yield Disclosure(
            who=f"log witness {urlsplit(witness.url).hostname}",
            learns=tr("the size of the log and a digest"),
            from_where=us,
        )
    for reference in filter(is_reference, (settings.key, *settings.cosigners)):
        if reference.startswith("kms:"):
            yield Disclosure(
                who=tr("the key service"),
                learns=tr("a digest, and the time of the request"),
                from_where="this machine",
            )
    if second := chosen.policy.takedown.second_vantage:
        there = any(vantage.name == second for vantage in settings.vantages)
        yield Disclosure(
            who=tr("{host}, a second time, from the vantage {second}", host=host, second=second),
            learns=tr("the visit and its time")
            if there
            else f"nothing, because no [[vantage]] {second} is configured",
            from_where=tr("the proxy of the vantage") if there else "",
        )
    if settings.notify_file is not None:
        yield Disclosure(
            who=tr("the recipients in {name}", name=settings.notify_file.name),
            learns=tr(
                "the event that happened. Addresses of pages are sent only if the file "
                "allows addresses"
            ),
            from_where=us,
        )


def _route(settings: Settings) -> str:
    if not settings.proxy:
        return "direct"
    return "tor" if parse_upstream(settings.proxy).kind == "tor" else "proxy"


def _route_observers(settings: Settings, route: str) -> Iterator[Disclosure]:
    if route == "direct":
        yield Disclosure(
            who=tr("the resolver of this machine"),
            learns=tr("the name of each visited host"),
            from_where="this machine",
        )
        return
    upstream = parse_upstream(settings.proxy)
    learns = (
        tr("that Tor is used")
        if route == "tor"
        else tr("each visited host, the times, and the amount of data")
    )
    yield Disclosure(
        who=tr("the first relay of Tor") if route == "tor" else f"the proxy {upstream}",
        learns=learns,
        from_where="this machine",
    )


def _store_observer(settings: Settings) -> Disclosure:
    try:
        where = parse_store_url(settings.store)
    except ValueError as error:
        raise SnapshotterError(
            tr("{store!r} is not a store: {error}", store=settings.store, error=error)
        ) from error
    if isinstance(where, DirectoryLocation):
        return Disclosure(
            who="the store",
            learns=tr("the bundle, which stays on this machine"),
            from_where="",
            folder=str(where.path),
        )
    endpoint = urlsplit(settings.s3_endpoint).hostname or "Amazon S3"
    return Disclosure(
        who=tr("the store {store} at {endpoint}", store=settings.store, endpoint=endpoint),
        learns=tr("the bundle, and the time at which the bundle is stored"),
        from_where=tr("this machine, without the proxy") if settings.proxy else "this machine",
    )


# Time and cost


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """How often one page is visited."""

    plan: Plan | None  # None: once
    first_day: int
    three_days: int
    in_all: int | None


def _counted(settings: Settings, chosen: EffectivePolicy, url: str, now: datetime) -> _Counted:
    table = chosen.policy.schedule
    if not (table.curve or table.every or table.cron):
        return _Counted(plan=None, first_day=1, three_days=1, in_all=1)
    plan = plan_from_options(
        VisitOptions(policy=str(chosen.path), policies_dir=settings.policies_dir, urls=(url,))
    )
    since = (max(plan.start, now) if plan.start else now).replace(microsecond=0)
    return _Counted(
        plan=plan,
        first_day=_until(plan, since, since + timedelta(days=1)),
        three_days=_until(plan, since, since + timedelta(days=DAYS, seconds=1)),
        in_all=_in_all(plan, since),
    )


def _until(plan: Plan, since: datetime, end: datetime) -> int:
    """Return how many visits are due before `end`."""
    steady = replace(plan, jitter=0)
    count, slot = 0, steady.first(since, "")
    while slot is not None and slot.nominal < end and count < _MOST_VISITS:
        count += 1
        slot = steady.after(slot.nominal, since, "")
    return count


def _in_all(plan: Plan, since: datetime) -> int | None:
    if plan.end is not None:
        return _until(plan, since, plan.end)
    if plan.curve is None:
        return None
    return _until(plan, since, since + timedelta(days=3700))


def _cost(settings: Settings, chosen: EffectivePolicy, url: str, now: datetime) -> VisitCost | None:
    counted = _counted(settings, chosen, url, now)
    if counted.plan is None:
        return None
    polite = politeness_file.load(settings.politeness_file)
    key = polite.key(url)
    rules = polite.rules(key)
    return VisitCost(
        words=counted.plan.summary,
        first_day=counted.first_day,
        three_days=counted.three_days,
        in_all=counted.in_all,
        host=key,
        every_s=rules.every.total_seconds(),
        fits_per_day=politeness_estimate.per_day(replace(rules, per_day=0, urgent=0), _VISIT),
        budget_per_day=rules.per_day or None,
    )


def _sum(
    key: str,
    of: Mapping[Path, int],
    counted: Mapping[Path, _Counted],
    names: Mapping[Path, str],
    rules: Politeness,
    now: datetime,
) -> HostVisits:
    pages = sum(of.values())
    ends = [counted[path].in_all for path in of]
    host = rules.rules(key)
    takes = politeness_estimate.estimate(
        rules, {key: pages}, now=now, visit=_VISIT, at_once=1
    ).takes
    return HostVisits(
        host=key,
        pages=pages,
        first_day=sum(counted[path].first_day * count for path, count in of.items()),
        three_days=sum(counted[path].three_days * count for path, count in of.items()),
        in_all=None
        if None in ends
        else sum((counted[path].in_all or 0) * count for path, count in of.items()),
        budget_per_day=host.budget(urgent=False),
        takes=takes,
        policies=tuple(sorted({names[path] for path in of})),
    )
