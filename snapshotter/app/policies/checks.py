"""
Lint policies and files of rules, and try rules on pages.

`lint` finds what cannot work or has no effect. `try_rules` runs each rule on its own good and bad
pages of the fixture site, without a browser. `judge_page` applies the rules to a page file of the
user.
"""

import enum
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from snapshotter.app.policies import configured_policy
from snapshotter.app.settings import Settings
from snapshotter.assess.assessor import RuleAssessor
from snapshotter.assess.text_normalisation import normalise_notice_text
from snapshotter.compare import masks
from snapshotter.errors import SnapshotterError
from snapshotter.formats.http import charset
from snapshotter.model.assessment import ContentVerdict, TakedownVerdict
from snapshotter.model.page import Page
from snapshotter.model.rules import Match, RuleDescription, RuleSet
from snapshotter.policy.addresses import matches_host_pattern
from snapshotter.policy.capture_decision import decide
from snapshotter.policy.difference import values
from snapshotter.policy.files import curves, read_limited, read_toml
from snapshotter.policy.load import EffectivePolicy, find, find_mistakes, load, load_effective
from snapshotter.policy.policy_selection import known_policies
from snapshotter.policy.rule_tables import SCHEMA as RULES_SCHEMA
from snapshotter.policy.tables import Policy
from snapshotter.policy.takedown_rules import load_rules, rules_for
from snapshotter.site import catalogue, rendered_pages
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_PAGE_BYTES = 32 << 20  # of a page of the user's own


class Severity(enum.StrEnum):
    """How severe a lint message is."""

    ERROR = "error"  # it cannot work, or cannot do what it says
    WARNING = "warning"  # it works, and somebody should look
    NOTE = "note"  # it says nothing that would not hold without it


@dataclass(frozen=True, slots=True, kw_only=True)
class LintMessage:
    """One finding of `lint`."""

    gravity: Severity
    key: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTrial:
    """The result of one rule on one of its own pages."""

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
class PageJudgement:
    """The verdicts of the rules about one page."""

    content: ContentVerdict
    takedown: TakedownVerdict
    rules: tuple[str, ...]  # ids of the files that are for its host


# Lint


def lint(name_or_path: str, settings: Settings) -> tuple[LintMessage, ...]:
    """
    Return the problems of a policy or a file of rules, errors first.

    Raises:
        SnapshotterError: The file does not exist, or is not TOML.
    """
    path = find(name_or_path, settings.policies_dir)
    if read_toml(path).get("schema") == RULES_SCHEMA:
        found = list(_of_rule_file(str(path)))
    else:
        found = list(_of_policy_file(path, settings))
    return tuple(sorted(found, key=lambda remark: list(Severity).index(remark.gravity)))


def _error(key: str, message: str, hint: str = "") -> LintMessage:
    return LintMessage(gravity=Severity.ERROR, key=key, message=message, hint=hint)


def _warning(key: str, message: str, hint: str = "") -> LintMessage:
    return LintMessage(gravity=Severity.WARNING, key=key, message=message, hint=hint)


def _note(key: str, message: str, hint: str = "") -> LintMessage:
    return LintMessage(gravity=Severity.NOTE, key=key, message=message, hint=hint)


def _of_policy_file(path: Path, settings: Settings) -> Iterator[LintMessage]:
    wrong = find_mistakes(path)
    if wrong:
        yield from (_error(mistake.key, mistake.message, mistake.hint) for mistake in wrong)
        return
    try:
        policy_file = load_effective(str(path), settings.policies_dir)
        masks.read(decide(policy_file.policy).mask)
    except SnapshotterError as error:  # a parent, a file of rules, a mask that could take for ever
        yield _error("", error.message, error.hint)
        return
    if policy_file.policy.name != path.stem:
        yield _error(
            "name",
            tr(
                "the policy has the name {name}, but its file has the name {stem}",
                name=policy_file.policy.name,
                stem=path.stem,
            ),
        )
    yield from _without_effect(policy_file.policy, policy_file.own)
    yield from _repeated(policy_file)
    yield from _out_of_reach(policy_file, settings)
    yield from _without_reasons(policy_file)
    required, there = policy_file.policy.require, len(settings.authorities)
    if required.timestamps > there:
        yield _warning(
            "require.timestamps",
            tr(
                "the policy requires {timestamps} timestamps, but the number of timestamp "
                "authorities in the settings is {there}",
                timestamps=required.timestamps,
                there=there,
            ),
            "docs/howto/timestamp-authorities.md",
        )
    if required.log and not settings.log:
        yield _warning(
            "require.log",
            tr("the policy requires a log proof, but the setting log is false on this machine"),
        )
    for reference in policy_file.policy.takedown.rules:
        if reference.endswith(".toml"):
            yield from _of_rule_file(reference)


def _without_effect(policy: Policy, own: frozenset[str]) -> Iterator[LintMessage]:
    """
    Yield the keys that have no effect because of other keys.

    A value of a parent may be switched off without a message: words count only if the file itself
    has them.
    """
    expand, consent, schedule = policy.expand, policy.consent, policy.schedule
    clicks = {"expand.words", "expand.selectors"} & own
    if not expand.enabled and clicks and (expand.words or expand.selectors):
        yield _error(
            "expand.words",
            tr("nothing is clicked, because expand.enabled is false"),
            tr("expand.enabled = true"),
        )
    if expand.enabled and not (expand.words or expand.selectors):
        yield _error(
            "expand.enabled", tr("nothing is clicked, because no words or selectors are given")
        )
    refuses = consent.reject_selectors or consent.reject_words or consent.close_words
    accepts = consent.accept_selectors or consent.accept_words
    says = any(setting.startswith("consent.") and setting != "consent.enabled" for setting in own)
    if not consent.enabled and says and (refuses or accepts or consent.accept):
        yield _error(
            "consent",
            tr("no banner is dismissed, because consent.enabled is false"),
            tr("consent.enabled = true"),
        )
    if consent.enabled and not consent.accept and accepts:
        yield _error(
            "consent.accept_words",
            tr("no banner is accepted, because consent.accept is false"),
            tr("consent.accept = true"),
        )
    if consent.enabled and not (refuses or (consent.accept and accepts)):
        yield _error(
            "consent.enabled", tr("no banner is dismissed, because no words or selectors are given")
        )
    if not policy.media.honour_data_src and "media.lazy_attributes" in own:
        yield _error(
            "media.lazy_attributes",
            tr("the key has no effect, because media.honour_data_src is false"),
            "media.honour_data_src",
        )
    if policy.light and (policy.pictures.pdf or policy.pictures.viewports):
        yield _error(
            "pictures",
            tr("a light check takes a picture of the first view only"),
            tr("light = false"),
        )
    if policy.retention.mode == "COMPLIANCE" and not policy.retention.days:
        yield _error(
            "retention.mode",
            tr("the mode has no effect, because retention.days is 0"),
            "retention.days",
        )
    if schedule.cron and schedule.seasons:
        yield _error(
            "schedule.seasons", tr("seasons have no effect on a cron expression"), "schedule.every"
        )
    if schedule.seasons and not (schedule.curve or schedule.every):
        yield _error(
            "schedule.seasons",
            tr("seasons have no effect, because the schedule has no key every and no key curve"),
            "schedule.curve",
        )
    if schedule.curve and schedule.curve not in (known_curves := curves()):
        yield _error(
            "schedule.curve",
            tr("the curve {curve} does not exist", curve=schedule.curve),
            tr(
                "known curves: {known_curves}. To use a curve of your own, add the option "
                "--curves FILE to snapshotter schedule add",
                known_curves=", ".join(sorted(known_curves)),
            ),
        )
    limits = policy.limits
    for key, seconds in (
        ("limits.navigate_s", limits.navigate_s),
        ("wait.settle_s", policy.wait.settle_s),
        ("media.wait_s", policy.media.wait_s),
    ):
        if seconds > limits.total_s:
            yield _error(
                key,
                tr(
                    "the value is larger than the limit of the whole capture, {total_s:g} s",
                    total_s=limits.total_s,
                ),
                "limits.total_s",
            )
    if policy.media.image_s > policy.media.wait_s:
        yield _error(
            "media.image_s",
            tr("the value is larger than media.wait_s, the limit for all images together"),
            "media.wait_s",
        )


def _repeated(policy_file: EffectivePolicy) -> Iterator[LintMessage]:
    """Yield the keys whose value is the same as in the parent."""
    if not policy_file.policy.parents:
        return
    parent = values(Policy.read({**policy_file.inherited, "name": "parent"}))
    ours = values(policy_file.policy)
    for key in sorted(policy_file.own):
        is_text = key.rpartition(".")[2] == "reason" or key in ("name", "schema")
        is_match = key.startswith("match.")  # which is not inherited
        if not is_text and not is_match and ours[key] == parent[key]:
            yield _note(
                key,
                tr(
                    "the parent policy {name} has the same value, so this key can be removed",
                    name=policy_file.policy.parents[0].name,
                ),
            )


def _out_of_reach(policy_file: EffectivePolicy, settings: Settings) -> Iterator[LintMessage]:
    """Yield what can never apply: a match that another policy has, rules for other hosts."""
    match, takedown = policy_file.policy.match, policy_file.policy.takedown
    for other in known_policies(settings.policies_dir):
        if (
            other.path.resolve() == policy_file.path.resolve()
            or other.policy.name == policy_file.policy.name
        ):
            continue
        for pattern in {*match.hosts, *match.urls} & {
            *other.policy.match.hosts, *other.policy.match.urls,
        }:  # fmt: skip
            yield _warning(
                "match",
                tr(
                    "the policy {name} has the same pattern {pattern}, so only one of the "
                    "two policies is used",
                    name=other.policy.name,
                    pattern=pattern,
                ),
            )
    for pattern in match.urls:
        if not pattern.startswith("^"):
            yield _warning(
                "match.urls",
                tr("the pattern {pattern} matches anywhere in an address", pattern=pattern),
                "^https?://",
            )
    if takedown.second_vantage and all(
        vantage.name != takedown.second_vantage for vantage in settings.vantages
    ):
        yield _error(
            "takedown.second_vantage",
            tr(
                "the settings have no [[vantage]] {second_vantage}",
                second_vantage=takedown.second_vantage,
            ),
            "docs/reference/configuration.md",
        )
    if "takedown.rules" in policy_file.own and match.hosts and not match.urls:
        rule_sets = load_rules(takedown.rules)
        plain = [host.removeprefix("*.") for host in match.hosts]
        reached = rules_for(rule_sets, [*plain, *(f"www.{host}" for host in plain)])
        for rule_set in rule_sets:
            if rule_set not in reached and not any(
                matches_host_pattern(h, match.hosts) for h in rule_set.hosts
            ):
                yield _error(
                    "takedown.rules",
                    tr(
                        "the rules {id} apply only to {hosts}, but the policy does not match "
                        "these hosts",
                        id=rule_set.file.id,
                        hosts=", ".join(rule_set.hosts[:3]),
                    ),
                )


def _without_reasons(policy_file: EffectivePolicy) -> Iterator[LintMessage]:
    if not policy_file.policy.reason:
        yield _warning("reason", tr("the policy has no text that explains its purpose"))
    tables = {key.rpartition(".")[0] for key in policy_file.own if "." in key}
    for table in sorted(tables):
        if (
            f"{table}.reason" not in policy_file.own
            and f"{table.partition('.')[0]}.reason" not in policy_file.own
        ):
            yield _warning(
                tr("{table}.reason", table=table),
                tr("the table has no text that explains its values"),
            )


def rule_descriptions(rules: RuleSet) -> tuple[tuple[RuleDescription, Match | None], ...]:
    """Return the description of every rule of a file, with its match if it has exactly one."""
    return (
        *((rule.about, None) for rule in rules.contents),
        *((rule.about, rule.match) for rule in rules.walls),
        *((rule.about, rule.match) for rule in rules.notices),
        *((rule.about, rule.match) for rule in rules.jsons),
        *((rule.about, rule.match) for rule in rules.statuses),
        *((rule.about, rule.match) for rule in rules.errors),
        *((rule.about, rule.match) for rule in rules.labels),
        *((rule.about, rule.match) for rule in rules.accounts),
        *((rule.about, rule.match) for rule in rules.partials),
        *((rule.about, None) for rule in rules.messages),
    )


def _of_rule_file(path: str) -> Iterator[LintMessage]:
    try:
        (rules,) = load_rules((path,))
    except SnapshotterError as error:
        yield _error("", error.message, error.hint)
        return
    for about, _ in rule_descriptions(rules):
        pages = (*about.match_pages, *about.no_match_pages)
        for page in pages:
            if page not in catalogue.PAGES:
                yield _error(
                    tr("{id}.fixtures", id=about.id),
                    tr("the fixture site has no page {page}", page=page),
                )
    untried = [
        about.id
        for about, _ in rule_descriptions(rules)
        if not (about.match_pages or about.no_match_pages)
    ]
    if untried:
        yield _note(
            "fixtures",
            tr(
                "rules that name no page of the fixture site, so that the command snapshotter "
                "policy test cannot check these rules: {untried}",
                untried=", ".join(untried),
            ),
        )
    yield from _dead(rules)


def _dead(rules: RuleSet) -> Iterator[LintMessage]:
    """
    Yield rules that never match, because earlier rules of their kind have all their words and
    places.
    """
    for kind in (rules.walls, rules.notices, rules.labels, rules.accounts):
        first: dict[tuple[str, str], str] = {}
        for rule in kind:
            match = rule.match
            words = [normalise_notice_text(text, rules.normalise) for text in match.equals]
            pairs = [
                (selector.strip(), word) for selector in match.select.split(",") for word in words
            ]
            others = (match.url, match.starts, match.matches, match.contains, match.script)
            is_more = any(others) or match.json or match.status or match.redirected
            if pairs and not is_more and all(pair in first for pair in pairs):
                before = ", ".join(sorted({first[pair] for pair in pairs}))
                yield _error(
                    rule.about.id,
                    tr(
                        "the rule never matches, because earlier rules match the same words: "
                        "{before}",
                        before=before,
                    ),
                )
            if not (match.status or match.redirected):
                for pair in pairs:
                    first.setdefault(pair, rule.about.id)


# Rules on pages


def try_rules(references: Sequence[str]) -> tuple[RuleTrial, ...]:
    """
    Return the result of each rule on its own pages of the fixture site.

    A rule is tried together with all others, as it is used: if another rule takes its page, that is
    an error.

    Args:
        references: Ids or paths of files of rules.

    Raises:
        SnapshotterError: A file does not exist, or names a page that the site does not have.
    """
    rule_sets = load_rules(references)
    assessor = RuleAssessor(rule_sets)
    seen: dict[str, tuple[set[tuple[str, str]], str]] = {}
    found: list[RuleTrial] = []
    for rules in rule_sets:
        for about, _ in rule_descriptions(rules):
            for pages, wanted in ((about.match_pages, True), (about.no_match_pages, False)):
                for page in pages:
                    if page not in seen:
                        seen[page] = _seen(assessor, page, about.id)
                    matched, verdict = seen[page]
                    found.append(
                        RuleTrial(
                            rules=rules.file.id,
                            rule=about.id,
                            page=page,
                            wanted=wanted,
                            matched=(rules.file.id, about.id) in matched,
                            verdict=verdict,
                        )
                    )
    return tuple(found)


def _seen(assessor: RuleAssessor, page: str, rule: str) -> tuple[set[tuple[str, str]], str]:
    if page not in catalogue.PAGES:
        raise SnapshotterError(
            tr(
                "the rule {rule} names the page {page}, but the fixture site has no such page",
                rule=rule,
                page=page,
            ),
            hint=tr(
                "show all pages that the rules name and that the fixture site does not have:"
                "\n  snapshotter policy lint FILE"
            ),
        )
    content, takedown = assessor.judge(rendered_pages.rendered_page(page))
    evidence = (
        *content.evidence,
        *takedown.evidence,
        *(label.evidence for label in takedown.labels),
        *(account.evidence for account in takedown.accounts),
    )
    return {(piece.rules, piece.rule) for piece in evidence}, describe_verdicts(content, takedown)


def judge_page(
    file: Path,
    url: str,
    settings: Settings,
    named: str = "",
    rules: Sequence[str] = (),
    *,
    now: datetime,
) -> PageJudgement:
    """
    Return the verdicts of the rules about a saved page.

    Args:
        url: The address of the page; "" if only the rules for all hosts apply.
        named: A policy, instead of the one that the address decides for.
        rules: Files of rules, applied before those of the policy.
        now: The assumed time of the capture.

    Raises:
        SnapshotterError: The page or a file of rules cannot be read.
    """
    address = url or "http://page.invalid/"
    policy = (
        load(named, settings.policies_dir)
        if named
        else configured_policy.configured_policy(replace(settings, policy="auto"), address)
    )
    verdict = decide(policy).verdict
    rule_sets = (*load_rules(rules), *load_rules(policy.takedown.rules))
    rule_sets = tuple({rule_set.file.id: rule_set for rule_set in reversed(rule_sets)}.values())[
        ::-1
    ]
    data = read_limited(file, _PAGE_BYTES)
    page = Page(
        requested_url=address,
        final_url=address,
        captured_at=now,
        timezone=policy.browser.timezone,
        locale=policy.browser.locale,
        status=200,
        media_type="text/html",
        html=charset.decode(data),
        raw=data,
    )
    content, takedown = RuleAssessor(rule_sets, verdict).judge(page)
    applying = rules_for(rule_sets, [(urlsplit(address).hostname or "").lower()])
    return PageJudgement(
        content=content, takedown=takedown, rules=tuple(rule_set.file.id for rule_set in applying)
    )


def describe_verdicts(content: ContentVerdict, takedown: TakedownVerdict) -> str:
    """Return both verdicts as a short text: "notice, unavailable (author)"."""
    detail = takedown.cause or takedown.undecided
    return f"{content.kind}, {takedown.availability}" + (f" ({detail})" if detail else "")


def rule_file_ids(references: Sequence[str]) -> frozenset[str]:
    """Return the ids that files of rules give themselves. Raises SnapshotterError."""
    return frozenset(rule_set.file.id for rule_set in load_rules(references))
