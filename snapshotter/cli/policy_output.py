"""Print policies, the mistakes in them, and the results of trying their rules on pages."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from snapshotter.cli.output import print_json, print_message, print_result
from snapshotter.errors import SnapshotterError, one_line
from snapshotter.formats.printable import cut
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.policies.checks import LintMessage, PageJudgement, RuleTrial
    from snapshotter.policy.load import EffectivePolicy


_EXCERPT = 120  # characters of a page's words that are printed


def policy_lines(found: "EffectivePolicy") -> Sequence[str]:
    from snapshotter.policy.policy_toml import as_toml

    lines, table = [], ""
    for line in as_toml(found.policy).splitlines():
        if line.startswith("["):
            table = line[1:-1] + "."
        key, is_value, _ = line.partition(" = ")
        if not is_value or key in ("parents", "schema"):
            lines.append(line)
            continue
        origin = found.origins.get(f"{table}{key}")
        comment = "" if origin in (None, found.policy.name) else f"  # {origin}"
        lines.append(line + ("  # default" if origin is None else comment))
    return lines


def print_lint_message(name: str, remark: "LintMessage", as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "file": name,
                "gravity": remark.gravity.value,
                "hint": remark.hint,
                "key": remark.key,
                "message": remark.message,
            }
        )
        return
    where = f"{name}: {remark.key}" if remark.key else name
    hint = f" ({one_line(remark.hint)})" if remark.hint else ""
    print_result(f"{remark.gravity}: {where}: {remark.message}{hint}")


def print_judgement(found: "PageJudgement", as_json: bool) -> None:
    from snapshotter.formats.canonical_json import plain
    from snapshotter.model.assessment import Assessment, AssessmentSummary
    from snapshotter.model.sentences import describe_detail, page_words

    content, takedown = found.content, found.takedown
    if as_json:
        print_json(
            {
                "content": plain(content),
                "rules": list(found.rules),
                "stub": takedown.stub or None,
                "takedown": plain(takedown),
            }
        )
        return
    shown = AssessmentSummary.of(Assessment(content=content, takedown=takedown))
    print_result(page_words(shown))
    print_result(f"  {describe_detail(content.detail)}")
    if takedown.detail != content.detail:
        print_result(f"  {describe_detail(takedown.detail)}")
    for evidence in dict.fromkeys((*content.evidence, *takedown.evidence)):
        where = f" in {evidence.region}" if evidence.region else ""
        words = " ".join(evidence.excerpt.split())
        print_result(f"  {evidence.rule}{where}: {cut(words, _EXCERPT)}")
    print_result(tr("  judged by {rules}", rules=", ".join(found.rules) or tr("no rules")))
    if takedown.stub:
        print_result()
        for line in takedown.stub.splitlines():
            print_result(line)


def print_trials(trials: "Sequence[RuleTrial]", as_json: bool) -> None:
    wrong = [trial for trial in trials if not trial.is_right]
    for trial in trials if as_json else wrong:
        if as_json:
            print_json(
                {
                    "is_right": trial.is_right,
                    "matched": trial.matched,
                    "page": trial.page,
                    "rule": trial.rule,
                    "rules": trial.rules,
                    "verdict": trial.verdict,
                    "wanted": trial.wanted,
                }
            )
            continue
        what = tr("does not match") if trial.wanted else tr("matches, but must not match")
        print_result(
            tr(
                "wrong: {rules} {rule} {what} the page {page}; the verdict about the page is "
                "{verdict}",
                rules=trial.rules,
                rule=trial.rule,
                what=what,
                page=trial.page,
                verdict=trial.verdict,
            )
        )
    if not trials:
        raise SnapshotterError(
            tr("no rule has a test page"),
            hint=tr(
                "add test pages to the rules, for example: [notice.fixtures] match = "
                '["wx/deleted-zh"]'
            ),
        )
    rules = len({(trial.rules, trial.rule) for trial in trials})
    good = sum(trial.wanted for trial in trials)
    print_message(
        tr(
            "rules: {rules}; pages that must match: {good}; pages that must not match: "
            "{count}; result: {value}",
            rules=rules,
            good=good,
            count=len(trials) - good,
            value=f"{len(wrong)} wrong" if wrong else tr("all correct"),
        )
    )
