"""
What is wrong with a policy or a file of rules, and whether rules are right about pages.

`lint` finds what can not work or has no effect. `try_rules` runs each rule's own good and
bad pages on the fixture site, without a browser; `judge_page` says what the rules make of a
page of the user's own.
"""

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from snapshotter.app import machine, policy_choice
from snapshotter.app.settings import Settings
from snapshotter.assess.assessor import RuleAssessor
from snapshotter.assess.words import normalised
from snapshotter.compare import masks
from snapshotter.errors import SnapshotterError
from snapshotter.formats import charset
from snapshotter.model.assessment import ContentVerdict, TakedownVerdict
from snapshotter.model.page import Page
from snapshotter.model.rules import About, Match, RuleSet
from snapshotter.policy.addresses import is_host
from snapshotter.policy.decide import decide
from snapshotter.policy.difference import values
from snapshotter.policy.files import curves, read_limited, read_toml
from snapshotter.policy.load import Effective, effective, find, load, mistakes
from snapshotter.policy.picking import known
from snapshotter.policy.rule_tables import SCHEMA as RULES_SCHEMA
from snapshotter.policy.tables import Policy
from snapshotter.policy.takedown import load_rules, rules_for
from snapshotter.site import catalogue, shown

_PAGE_BYTES = 32 << 20  # of a page of the user's own


class Gravity(enum.StrEnum):
    """How bad something is."""

    ERROR = "error"  # it can not work, or can not do what it says
    WARNING = "warning"  # it works, and somebody should look
    NOTE = "note"  # it says nothing that would not hold without it


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One thing that `lint` has to say."""

    gravity: Gravity
    key: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One rule on one of its own pages."""

    rules: str
    rule: str
    page: str
    wanted: bool  # it has to match
    matched: bool
    verdict: str  # what the page was judged to be, in words

    @property
    def is_right(self) -> bool:
        """Whether the rule did what its file says."""
        return self.matched is self.wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the rules make of one page."""

    content: ContentVerdict
    takedown: TakedownVerdict
    rules: tuple[str, ...]  # ids of the files that are for its host


# Lint


def lint(name_or_path: str, settings: Settings) -> tuple[Remark, ...]:
    """
    Return what is wrong with a policy or a file of rules, errors first.

    Raises:
        SnapshotterError: There is none, or it is not TOML.
    """
    path = find(name_or_path, settings.policies_dir)
    if read_toml(path).get("schema") == RULES_SCHEMA:
        found = list(_of_rule_file(str(path)))
    else:
        found = list(_of_policy_file(path, settings))
    return tuple(sorted(found, key=lambda it: list(Gravity).index(it.gravity)))


def _error(key: str, message: str, hint: str = "") -> Remark:
    return Remark(gravity=Gravity.ERROR, key=key, message=message, hint=hint)


def _warning(key: str, message: str, hint: str = "") -> Remark:
    return Remark(gravity=Gravity.WARNING, key=key, message=message, hint=hint)


def _note(key: str, message: str, hint: str = "") -> Remark:
    return Remark(gravity=Gravity.NOTE, key=key, message=message, hint=hint)


def _of_policy_file(path: Path, settings: Settings) -> Iterator[Remark]:
    wrong = mistakes(path)
    if wrong:
        yield from (_error(it.key, it.message, it.hint) for it in wrong)
        return
    try:
        one = effective(str(path), settings.policies_dir)
        masks.read(decide(one.policy).mask)
    except SnapshotterError as error:  # a parent, a file of rules, a mask that could take for ever
        yield _error("", error.message, error.hint)
        return
    if one.policy.name != path.stem:
        yield _error("name", f"it is called {one.policy.name}, and its file {path.stem}")
    yield from _without_effect(one.policy, one.own)
    yield from _repeated(one)
    yield from _out_of_reach(one, settings)
    yield from _without_reasons(one)
    required, there = one.policy.require, len(settings.authorities)
    if required.timestamps > there:
        yield _warning(
            "require.timestamps",
            f"{required.timestamps} are required, and {there} authorities are configured here",
            "docs/howto/timestamp-authorities.md",
        )
    if required.log and not settings.log:
        yield _warning("require.log", "it is required, and the setting log is false here")
    for reference in one.policy.takedown.rules:
        if reference.endswith(".toml"):
            yield from _of_rule_file(reference)


def _without_effect(policy: Policy, own: frozenset[str]) -> Iterator[Remark]:
    """
    Yield keys that do nothing beside what the others say.

    What a parent says may be switched off: words count where the file itself has them.
    """
    expand, consent, schedule = policy.expand, policy.consent, policy.schedule
    clicks = {"expand.words", "expand.selectors"} & own
    if not expand.enabled and clicks and (expand.words or expand.selectors):
        yield _error("expand.words", "nothing is clicked", "expand.enabled = true")
    if expand.enabled and not (expand.words or expand.selectors):
        yield _error("expand.enabled", "neither words nor selectors say what is clicked")
    refuses = consent.reject_selectors or consent.reject_words or consent.close_words
    accepts = consent.accept_selectors or consent.accept_words
    says = any(it.startswith("consent.") and it != "consent.enabled" for it in own)
    if not consent.enabled and says and (refuses or accepts or consent.accept):
        yield _error("consent", "no banner is dismissed", "consent.enabled = true")
    if consent.enabled and not consent.accept and accepts:
        yield _error("consent.accept_words", "nothing is accepted", "consent.accept = true")
    if consent.enabled and not (refuses or (consent.accept and accepts)):
        yield _error("consent.enabled", "no words or selectors say how a banner is dismissed")
    if not policy.media.honour_data_src and "media.lazy_attributes" in own:
        yield _error("media.lazy_attributes", "no image gets its source", "media.honour_data_src")
    if policy.light and (policy.pictures.pdf or policy.pictures.viewports):
        yield _error("pictures", "a light check makes the first view alone", "light = false")
    if policy.retention.mode == "COMPLIANCE" and not policy.retention.days:
        yield _error("retention.mode", "nothing is kept for any day", "retention.days")
    if schedule.cron and schedule.seasons:
        yield _error("schedule.seasons", "a time of day has no seasons", "schedule.every")
    if schedule.seasons and not (schedule.curve or schedule.every):
        yield _error("schedule.seasons", "nothing is visited again", "schedule.curve")
    if schedule.curve and schedule.curve not in (known_curves := curves()):
        yield _error(
            "schedule.curve",
            f"there is no curve {schedule.curve}",
            f"one of {', '.join(sorted(known_curves))}; your own with schedule add --curves",
        )
    limits = policy.limits
    for key, seconds in (
        ("limits.navigate_s", limits.navigate_s),
        ("wait.settle_s", policy.wait.settle_s),
        ("media.wait_s", policy.media.wait_s),
    ):
        if seconds > limits.total_s:
            yield _error(
                key, f"the whole capture ends after {limits.total_s:g} s", "limits.total_s"
            )
    if policy.media.image_s > policy.media.wait_s:
        yield _error("media.image_s", "all images together are waited for less", "media.wait_s")


def _repeated(one: Effective) -> Iterator[Remark]:
    """Yield what a file says although its parent says the same."""
    if not one.policy.parents:
        return
    parent = values(Policy.model_validate({**one.inherited, "name": "parent"}))
    ours = values(one.policy)
    for key in sorted(one.own):
        is_text = key.rpartition(".")[2] == "reason" or key in ("name", "schema")
        is_match = key.startswith("match.")  # which is not inherited
        if not is_text and not is_match and ours[key] == parent[key]:
            yield _note(key, f"{one.policy.parents[0].name} says the same: it can be left out")


def _out_of_reach(one: Effective, settings: Settings) -> Iterator[Remark]:
    """Yield what can never be reached: a match that another one has, rules of other hosts."""
    match, takedown = one.policy.match, one.policy.takedown
    for other in known(settings.policies_dir):
        if other.path.resolve() == one.path.resolve() or other.policy.name == one.policy.name:
            continue
        for pattern in {*match.hosts, *match.urls} & {
            *other.policy.match.hosts, *other.policy.match.urls,
        }:  # fmt: skip
            yield _warning("match", f"{other.policy.name} names {pattern} too: one of them wins")
    for pattern in match.urls:
        if not pattern.startswith("^"):
            yield _warning(
                "match.urls", f"{pattern} may stand anywhere in an address", "^https?://"
            )
    if takedown.second_vantage and all(
        it.name != takedown.second_vantage for it in settings.vantages
    ):
        yield _error(
            "takedown.second_vantage",
            f"there is no [[vantage]] {takedown.second_vantage} in the settings",
            "docs/reference/configuration.md",
        )
    if "takedown.rules" in one.own and match.hosts and not match.urls:
        sets = load_rules(takedown.rules)
        plain = [it.removeprefix("*.") for it in match.hosts]
        reached = rules_for(sets, [*plain, *(f"www.{it}" for it in plain)])
        for it in sets:
            if it not in reached and not any(is_host(h, match.hosts) for h in it.hosts):
                yield _error(
                    "takedown.rules", f"{it.file.id} is for {', '.join(it.hosts[:3])} alone"
                )


def _without_reasons(one: Effective) -> Iterator[Remark]:
    if not one.policy.reason:
        yield _warning("reason", "it does not say what it is for")
    tables = {key.rpartition(".")[0] for key in one.own if "." in key}
    for table in sorted(tables):
        if f"{table}.reason" not in one.own and f"{table.partition('.')[0]}.reason" not in one.own:
            yield _warning(f"{table}.reason", "it does not say why")


def abouts(rules: RuleSet) -> tuple[tuple[About, Match | None], ...]:
    """Return what every rule of a file says of itself, and what it matches where that is one."""
    return (
        *((it.about, None) for it in rules.contents),
        *((it.about, it.match) for it in rules.walls),
        *((it.about, it.match) for it in rules.notices),
        *((it.about, it.match) for it in rules.jsons),
        *((it.about, it.match) for it in rules.statuses),
        *((it.about, it.match) for it in rules.errors),
        *((it.about, it.match) for it in rules.labels),
        *((it.about, it.match) for it in rules.accounts),
        *((it.about, it.match) for it in rules.partials),
        *((it.about, None) for it in rules.messages),
    )


def _of_rule_file(path: str) -> Iterator[Remark]:
    try:
        (rules,) = load_rules((path,))
    except SnapshotterError as error:
        yield _error("", error.message, error.hint)
        return
    for about, _ in abouts(rules):
        pages = (*about.match_pages, *about.no_match_pages)
        for page in pages:
            if page not in catalogue.PAGES:
                yield _error(f"{about.id}.fixtures", f"the fixture site has no page {page}")
    untried = [it.id for it, _ in abouts(rules) if not (it.match_pages or it.no_match_pages)]
    if untried:
        yield _note(
            "fixtures",
            f"no pages that policy test could try, of {', '.join(untried)}",
        )
    yield from _dead(rules)


def _dead(rules: RuleSet) -> Iterator[Remark]:
    """Yield rules of which earlier ones of their kind have every word in every place."""
    for kind in (rules.walls, rules.notices, rules.labels, rules.accounts):
        first: dict[tuple[str, str], str] = {}
        for rule in kind:
            match = rule.match
            words = [normalised(it, rules.normalise) for it in match.equals]
            pairs = [(place.strip(), it) for place in match.select.split(",") for it in words]
            others = (match.url, match.starts, match.matches, match.contains, match.script)
            is_more = any(others) or match.json or match.status or match.redirected
            if pairs and not is_more and all(it in first for it in pairs):
                before = ", ".join(sorted({first[it] for it in pairs}))
                yield _error(
                    rule.about.id, f"it never matches: {before} has its words, and is first"
                )
            if not (match.status or match.redirected):
                for it in pairs:
                    first.setdefault(it, rule.about.id)


# Rules on pages


def try_rules(references: Sequence[str]) -> tuple[Trial, ...]:
    """
    Return what each rule makes of its own pages of the fixture site.

    A rule is tried together with all the others, as it is used: that another one takes its
    page before it is a fault like any other.

    Args:
        references: Ids of files of rules, or paths.

    Raises:
        SnapshotterError: One is not there, or names a page that the site does not have.
    """
    sets = load_rules(references)
    assessor = RuleAssessor(sets)
    seen: dict[str, tuple[set[tuple[str, str]], str]] = {}
    found: list[Trial] = []
    for rules in sets:
        for about, _ in abouts(rules):
            for pages, wanted in ((about.match_pages, True), (about.no_match_pages, False)):
                for page in pages:
                    if page not in seen:
                        seen[page] = _seen(assessor, page, about.id)
                    matched, words = seen[page]
                    found.append(
                        Trial(
                            rules=rules.file.id,
                            rule=about.id,
                            page=page,
                            wanted=wanted,
                            matched=(rules.file.id, about.id) in matched,
                            verdict=words,
                        )
                    )
    return tuple(found)


def _seen(assessor: RuleAssessor, page: str, rule: str) -> tuple[set[tuple[str, str]], str]:
    if page not in catalogue.PAGES:
        raise SnapshotterError(
            f"rule {rule} names {page}, and the fixture site has no such page",
            hint="snapshotter policy lint FILE names all of them",
        )
    content, takedown = assessor.judge(shown.shown(page))
    evidence = (
        *content.evidence,
        *takedown.evidence,
        *(it.evidence for it in takedown.labels),
        *(it.evidence for it in takedown.accounts),
    )
    return {(it.rules, it.rule) for it in evidence}, in_words(content, takedown)


def judge_page(
    file: Path, url: str, settings: Settings, named: str = "", rules: Sequence[str] = ()
) -> Judgement:
    """
    Return what the rules make of a page that somebody saved.

    Args:
        url: Where it was; without it only the rules for all hosts apply.
        named: A policy, instead of the one that the address decides for.
        rules: Files of rules, before those of the policy.

    Raises:
        SnapshotterError: The page or a file of rules can not be read.
    """
    address = url or "http://page.invalid/"
    policy = (
        load(named, settings.policies_dir)
        if named
        else policy_choice.configured(replace(settings, policy="auto"), address)
    )
    verdict = decide(policy).verdict
    sets = (*load_rules(rules), *load_rules(policy.takedown.rules))
    sets = tuple({it.file.id: it for it in reversed(sets)}.values())[::-1]
    data = read_limited(file, _PAGE_BYTES)
    page = Page(
        requested_url=address,
        final_url=address,
        captured_at=machine.SystemClock().now(),
        timezone=policy.browser.timezone,
        locale=policy.browser.locale,
        status=200,
        media_type="text/html",
        html=charset.decode(data),
        raw=data,
    )
    content, takedown = RuleAssessor(sets, verdict).judge(page)
    applying = rules_for(sets, [(urlsplit(address).hostname or "").lower()])
    return Judgement(content=content, takedown=takedown, rules=tuple(it.file.id for it in applying))


def in_words(content: ContentVerdict, takedown: TakedownVerdict) -> str:
    """Return a verdict in a few words: "notice, unavailable (author)"."""
    detail = takedown.cause or takedown.undecided
    return f"{content.kind}, {takedown.availability}" + (f" ({detail})" if detail else "")


def ids_of(references: Sequence[str]) -> frozenset[str]:
    """Return what files of rules call themselves. Raises SnapshotterError."""
    return frozenset(it.file.id for it in load_rules(references))
