"""What a verdict about a page of the fixture site has to say."""

from snapshotter.model.assessment import Assessment
from snapshotter.model.request import VerdictRules
from snapshotter.policy.takedown_rules import find_rules, shipped_rules
from snapshotter.site.catalogue import PAGES


def judged_by_all(*, wall_grace_s: float = 8.0, reloads: int = 0) -> VerdictRules:
    """Return what judges pages by every shipped file of rules."""
    rules = shipped_rules()
    return VerdictRules(
        rules=rules,
        rule_texts=tuple(
            (rules_id, find_rules(rules_id).read_text(encoding="utf-8")) for rules_id in rules
        ),
        wall_grace_s=wall_grace_s,
        reloads=reloads,
    )


def differences(name: str, found: Assessment) -> list[str]:
    """Return in which respects a verdict is not the one right one; none: it is."""
    page = PAGES[name]
    right, took = page.expected, found.takedown
    assert right is not None, f"{name} has no one right verdict"
    pairs = [
        ("content", right.content, found.content.kind),
        ("availability", right.availability, took.availability),
        ("cause", right.cause, took.cause),
        ("undecided", right.undecided, took.undecided),
        ("wall", right.wall, took.wall),
        ("takedown", right.takedown, took.takedown),
        ("cited_rule", right.cited_rule, took.cited_rule),
        (
            "account",
            {right.account} - {""},
            {account.state for account in took.accounts} & {right.account},
        ),
        ("quoted", right.quoted, bool(took.quoted)),
    ]
    rules = {took.rule} | {evidence.rule for evidence in took.evidence}
    rules |= {account.evidence.rule for account in took.accounts}
    if page.rule and page.rule not in rules:
        pairs.append(("rule", page.rule, took.rule))
    return [f"{name}: {a} is right, and {b} was said" for name, a, b in pairs if a != b]
