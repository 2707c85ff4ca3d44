"""
Provide `snapshotter policy`: list, show, explain, check and compare policies, and try take-down
rules on pages.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snapshotter.app.json_objects.policies import (
    explanation_json,
    host_visits_json,
    policy_entry_json,
    policy_json,
)
from snapshotter.cli.options import complete_policy
from snapshotter.cli.output import print_json, print_message, print_result
from snapshotter.cli.policy_output import (
    policy_lines,
    print_judgement,
    print_lint_message,
    print_trials,
)
from snapshotter.translation import tr

if TYPE_CHECKING:
    pass

_FAILED = 1  # exit code: a rule is wrong about a page, or a file has an error


_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_named = click.option(
    "--policy",
    shell_complete=complete_policy,
    default="",
    metavar="NAME|FILE",
    help="Use this policy.  [default: the policy that a capture would use]",
)


@click.group()
def policy() -> None:
    """Show, check and compare policies.

    A policy defines how pages are captured and visited, and how verdicts about pages are made.
    """


@policy.command(
    "list", epilog="\b\nExamples:\n  snapshotter policy list\n  snapshotter policy list --json"
)
@_json
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """List the shipped policies, and your own policies (setting policies_dir)."""
    from snapshotter.policy.policy_selection import known_policies

    found = known_policies(ctx.obj.load().policies_dir)
    width = max(len(policy_file.policy.name) for policy_file in found)
    for policy_file in found:
        if as_json:
            print_json(policy_entry_json(policy_file))
            continue
        own = not policy_file.is_shipped
        more = f"  (your own: {policy_file.path})" if own else ""
        print_result(f"{policy_file.policy.name:<{width}}  {policy_file.policy.reason}{more}")


@policy.command(
    epilog="""\b
Examples:
  snapshotter policy show wechat-article
  snapshotter policy show --json ./our-forum.toml
"""
)
@click.argument("name", shell_complete=complete_policy, metavar="NAME|FILE")
@_json
@click.pass_context
def show(ctx: click.Context, name: str, as_json: bool) -> None:
    """
    Show a policy with every key, its value, and the origin of the value.

    The output is TOML and can be saved as a policy of your own.
    """
    from snapshotter.policy.load import load_effective

    found = load_effective(name, ctx.obj.load().policies_dir)
    if as_json:
        print_json(policy_json(found))
        return
    for line in policy_lines(found):
        print_result(line)


@policy.command(
    epilog="""\b
Examples:
  snapshotter policy explain https://mp.weixin.qq.com/s/AbCdEfGhIjKlMnOp
  snapshotter policy explain --policy high-risk-source https://example.org
  snapshotter policy explain --list urls.txt
"""
)
@click.argument("url", required=False, metavar="[URL]")
@_named
@click.option(
    "--list",
    "file",
    type=click.File("rb"),
    help="File of URLs, one on each line; - for standard input. The output shows the number of "
    "visits to each host.",
)
@_json
@click.pass_context
def explain(ctx: click.Context, url: str | None, policy: str, file: Any, as_json: bool) -> None:
    """
    Show how a page would be captured. No request is sent.

    The output shows which policy and rules apply, and why. It shows what is redacted, which
    parties see which address, and how long the capture takes. It also shows how many visits a
    schedule makes to the host.
    """
    from snapshotter.app.machine import SystemClock
    from snapshotter.app.policies import capture_preview
    from snapshotter.app.url_lists import collect_urls, complete_urls, read_list
    from snapshotter.cli import policy_explain_output
    from snapshotter.model.capture_url import check_url

    if (url is None) is (file is None):
        raise click.UsageError(tr("give one URL, or a file of URLs with --list"))
    settings, now = ctx.obj.load(), SystemClock().now()
    if url is not None:
        (url,) = complete_urls([url], print_message)
        found = capture_preview.explain(settings, check_url(url), policy, now=now)
        if as_json:
            print_json(explanation_json(found))
        else:
            policy_explain_output.print_explanation(found)
        return
    urls = collect_urls((), read_list(file), show_message=print_message)
    if not urls:
        raise click.UsageError(tr("the list contains no URL"))
    sums = capture_preview.visits_per_host(settings, urls, policy, now=now)
    if as_json:
        for host in sums:
            print_json(host_visits_json(host))
        return
    policy_explain_output.print_host_visits(sums)


@policy.command(
    epilog="""\b
Examples:
  snapshotter policy lint ./our-forum.toml
  snapshotter policy lint ./our-forum-rules.toml
"""
)
@click.argument("files", nargs=-1, required=True, metavar="FILE|NAME…")
@_json
@click.pass_context
def lint(ctx: click.Context, files: tuple[str, ...], as_json: bool) -> int:
    """
    Find mistakes in policies and in files of rules.

    The command finds unknown keys, keys that have no effect, rules that never match, and names of
    test pages that do not exist.

    Exit codes: 0 no error was found (notes and warnings do not change the exit code), 1 at least
    one error was found.
    """
    from snapshotter.app.policies.checks import Severity
    from snapshotter.app.policies.checks import lint as look

    settings = ctx.obj.load()
    is_bad = False
    for name in files:
        remarks = look(name, settings)
        is_bad = is_bad or any(remark.gravity is Severity.ERROR for remark in remarks)
        for remark in remarks:
            print_lint_message(name, remark, as_json)
        if not remarks and not as_json:
            print_message(tr("{name}: no mistake was found", name=name))
    return _FAILED if is_bad else 0


@policy.command(
    epilog="""\b
Examples:
  snapshotter policy test
  snapshotter policy test --rules ./our-forum-rules.toml
  snapshotter policy test --url https://mp.weixin.qq.com/s/AbCd saved-page.html
"""
)
@click.argument(
    "page", required=False, type=click.Path(path_type=Path, dir_okay=False), metavar="[PAGE.html]"
)
@click.option(
    "--url",
    default="",
    help="Address of the saved page. Rules of a platform apply only to the hosts of the platform.",
)
@_named
@click.option(
    "--rules",
    multiple=True,
    metavar="ID|FILE",
    help="File of rules; may be repeated.  [default: the shipped rules, or the rules of the "
    "policy]",
)
@_json
@click.pass_context
def test(
    ctx: click.Context,
    page: Path | None,
    url: str,
    policy: str,
    rules: tuple[str, ...],
    as_json: bool,
) -> int:
    """
    Try rules on saved pages, without a network.

    Without a page, each rule is tried on its test pages in the fixture site: pages that must match
    and pages that must not match. With a page, the command prints the verdict about the page. If no
    rule matches the notice of the page, the command also prints a draft of a rule.

    Exit codes: 0 all rules match as expected, 1 at least one rule does not.
    """
    from snapshotter.app.machine import SystemClock
    from snapshotter.app.policies import checks
    from snapshotter.model.capture_url import check_url
    from snapshotter.policy.takedown_rules import shipped_rules

    settings = ctx.obj.load()
    if page is not None:
        found = checks.judge_page(
            page, check_url(url) if url else "", settings, policy, rules,
            now=SystemClock().now(),
        )  # fmt: skip
        print_judgement(found, as_json)
        if not url:
            print_message(
                tr(
                    "only the rules for all hosts were applied, because the rules of a platform "
                    "need the address of the page. Give the address with --url"
                )
            )
        return 0
    if url or policy:
        raise click.UsageError(tr("--url and --policy work only together with a page"))
    own = [rules_id for rules_id in rules if rules_id not in shipped_rules()]
    trials = checks.try_rules((*own, *shipped_rules()))
    asked = checks.rule_file_ids(rules)
    chosen = [trial for trial in trials if not rules or trial.rules in asked]
    print_trials(chosen, as_json)
    return 0 if all(trial.is_right for trial in chosen) else _FAILED


@policy.command(
    epilog="""\b
Examples:
  snapshotter policy diff default wechat-article
  snapshotter policy diff --json news-article ./ours.toml
"""
)
@click.argument("left", shell_complete=complete_policy, metavar="NAME|FILE")
@click.argument("right", shell_complete=complete_policy, metavar="NAME|FILE")
@_json
@click.pass_context
def diff(ctx: click.Context, left: str, right: str, as_json: bool) -> None:
    """Compare the effective values of two policies, key by key.

    The reasons in the policies are not compared.
    """
    from snapshotter.policy.difference import differences
    from snapshotter.policy.load import load
    from snapshotter.policy.policy_toml import value_toml

    directory = ctx.obj.load().policies_dir
    found = differences(load(left, directory), load(right, directory))
    for difference in found:
        if as_json:
            print_json({"key": difference.key, "left": difference.left, "right": difference.right})
            continue
        print_result(difference.key)
        print_result(f"  - {value_toml(difference.left)}")
        print_result(f"  + {value_toml(difference.right)}")
    if not found and not as_json:
        print_message(
            tr(
                "the policies {left} and {right} have the same effective values",
                left=left,
                right=right,
            )
        )
