"""`snapshotter policy`: what policies there are, what they do, and whether they are right."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snapshotter.cli.output import result, result_json, say
from snapshotter.errors import SnapshotterError
from snapshotter.formats.printable import cut

if TYPE_CHECKING:
    from snapshotter.app.policy_checks import Judgement, Remark, Trial
    from snapshotter.policy.load import Effective

_FAILED = 1  # exit code: a rule is wrong about a page, or a file has an error

_EXCERPT = 120  # characters of a page's words that are printed

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_named = click.option(
    "--policy",
    default="",
    metavar="NAME|FILE",
    help="Use this policy.  [default: the one a capture would follow]",
)


@click.group()
def policy() -> None:
    """Look at policies: how pages are captured, judged and visited."""


@policy.command(
    "list", epilog="\b\nExamples:\n  snapshotter policy list\n  snapshotter policy list --json"
)
@_json
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """List the policies that are shipped, and your own (setting policies_dir)."""
    from snapshotter.policy.files import shipped_directory
    from snapshotter.policy.picking import known

    found = known(ctx.obj.load().policies_dir)
    width = max(len(it.policy.name) for it in found)
    for it in found:
        own = it.path.parent != shipped_directory()
        match = it.policy.match
        parents = [one.name for one in it.policy.parents]
        if as_json:
            result_json(
                {
                    "match": {"hosts": list(match.hosts), "urls": list(match.urls)},
                    "name": it.policy.name,
                    "parents": parents,
                    "path": str(it.path) if own else None,
                    "reason": it.policy.reason,
                }
            )
            continue
        more = f"  (yours: {it.path})" if own else ""
        result(f"{it.policy.name:<{width}}  {it.policy.reason}{more}")


@policy.command(
    epilog="""\b
Examples:
  snapshotter policy show wechat-article
  snapshotter policy show --json ./our-forum.toml
"""
)
@click.argument("name", metavar="NAME|FILE")
@_json
@click.pass_context
def show(ctx: click.Context, name: str, as_json: bool) -> None:
    """
    Show a policy as it holds, every key of it, and who says each value.

    The text is TOML: it can be kept as a policy of its own.
    """
    from snapshotter.policy.load import effective

    found = effective(name, ctx.obj.load().policies_dir)
    if as_json:
        result_json(_shown(found))
        return
    for line in _toml_with_origins(found):
        result(line)


def _shown(found: "Effective") -> dict[str, Any]:
    from snapshotter.policy.difference import values

    return {
        "name": found.policy.name,
        "parents": [{"name": it.name, "sha256": it.sha256} for it in found.policy.parents],
        "path": str(found.path),
        "values": {
            key: {"from": found.origins.get(key), "value": value}
            for key, value in values(found.policy).items()
        },
    }


def _toml_with_origins(found: "Effective") -> Sequence[str]:
    from snapshotter.policy.toml import as_toml

    lines, table = [], ""
    for line in as_toml(found.policy).splitlines():
        if line.startswith("["):
            table = line[1:-1] + "."
        key, is_value, _ = line.partition(" = ")
        if not is_value or key in ("parents", "schema"):
            lines.append(line)
            continue
        origin = found.origins.get(f"{table}{key}")
        told = "" if origin in (None, found.policy.name) else f"  # {origin}"
        lines.append(line + ("  # a default" if origin is None else told))
    return lines


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
    help="File of URLs, one a line: what all of them ask of each host; - for standard input.",
)
@_json
@click.pass_context
def explain(ctx: click.Context, url: str | None, policy: str, file: Any, as_json: bool) -> None:
    """
    Say what a capture would be like, before a visit is spent. Nothing is asked of anybody.

    Which policy and which rules, and why; what is taken out; who would see whose address; how
    long it takes, and what its schedule costs the host.
    """
    from snapshotter.app import explaining
    from snapshotter.app.addresses import check_url, read_list
    from snapshotter.app.scheduling import addresses
    from snapshotter.cli import explain_words

    if (url is None) is (file is None):
        raise click.UsageError("name a URL, or a file of them with --list")
    settings = ctx.obj.load()
    if url is not None:
        found = explaining.explain(settings, check_url(url), policy)
        if as_json:
            result_json(explain_words.as_json(found))
        else:
            explain_words.tell(found)
        return
    urls = addresses((), read_list(file))
    if not urls:
        raise click.UsageError("the list names no URL")
    sums = explaining.sum_up(settings, urls, policy)
    if as_json:
        for it in sums:
            result_json(explain_words.sum_as_json(it))
        return
    explain_words.tell_sums(sums)


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
    Find what is wrong with policies or files of rules.

    Unknown keys, keys without effect, rules that never match, pages that are not there.
    Exit code 1 where something is an error; notes and warnings are none.
    """
    from snapshotter.app.policy_checks import Gravity
    from snapshotter.app.policy_checks import lint as look

    settings = ctx.obj.load()
    is_bad = False
    for name in files:
        remarks = look(name, settings)
        is_bad = is_bad or any(it.gravity is Gravity.ERROR for it in remarks)
        for it in remarks:
            _remark(name, it, as_json)
        if not remarks and not as_json:
            say(f"{name}: nothing to say")
    return _FAILED if is_bad else 0


def _remark(name: str, it: "Remark", as_json: bool) -> None:
    if as_json:
        result_json(
            {
                "file": name,
                "gravity": it.gravity.value,
                "hint": it.hint,
                "key": it.key,
                "message": it.message,
            }
        )
        return
    where = f"{name}: {it.key}" if it.key else name
    result(f"{it.gravity}: {where}: {it.message}{f' ({it.hint})' if it.hint else ''}")


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
@click.option("--url", default="", help="Where the page was: rules are for hosts.")
@_named
@click.option(
    "--rules",
    multiple=True,
    metavar="ID|FILE",
    help="Files of rules; may be repeated.  [default: those shipped, or the policy's]",
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
    Try rules on pages, without a network.

    Without a page each rule is tried on its own good and bad pages of the fixture site: exit
    code 1 where one is wrong. With one: the verdict, and for a notice that no rule knows a
    rule to begin with.
    """
    from snapshotter.app import policy_checks
    from snapshotter.app.addresses import check_url
    from snapshotter.policy.takedown import shipped_rules

    settings = ctx.obj.load()
    if page is not None:
        found = policy_checks.judge_page(
            page, check_url(url) if url else "", settings, policy, rules
        )
        _judged(found, as_json)
        if not url:
            say("without --url only the rules for all hosts were asked: a platform's have a host")
        return 0
    if url or policy:
        raise click.UsageError("--url and --policy go with a page")
    own = [it for it in rules if it not in shipped_rules()]
    trials = policy_checks.try_rules((*own, *shipped_rules()))
    asked = policy_checks.ids_of(rules)
    return _tried([it for it in trials if not rules or it.rules in asked], as_json)


def _judged(found: "Judgement", as_json: bool) -> None:
    from snapshotter.app.policy_checks import in_words
    from snapshotter.formats.canonical_json import plain

    content, takedown = found.content, found.takedown
    if as_json:
        result_json(
            {
                "content": plain(content),
                "rules": list(found.rules),
                "stub": takedown.stub or None,
                "takedown": plain(takedown),
            }
        )
        return
    result(in_words(content, takedown))
    result(f"  {content.detail}")
    if takedown.detail != content.detail:
        result(f"  {takedown.detail}")
    for it in dict.fromkeys((*content.evidence, *takedown.evidence)):
        where = f" in {it.region}" if it.region else ""
        words = " ".join(it.excerpt.split())
        result(f"  {it.rule}{where}: {cut(words, _EXCERPT)}")
    result(f"  judged by {', '.join(found.rules) or 'no rules'}")
    if takedown.stub:
        result()
        for line in takedown.stub.splitlines():
            result(line)


def _tried(trials: "Sequence[Trial]", as_json: bool) -> int:
    wrong = [it for it in trials if not it.is_right]
    for it in trials if as_json else wrong:
        if as_json:
            result_json(
                {
                    "is_right": it.is_right,
                    "matched": it.matched,
                    "page": it.page,
                    "rule": it.rule,
                    "rules": it.rules,
                    "verdict": it.verdict,
                    "wanted": it.wanted,
                }
            )
            continue
        what = "does not match" if it.wanted else "matches, and must not"
        result(f"wrong: {it.rules} {it.rule} {what}: {it.page}, which is {it.verdict}")
    if not trials:
        raise SnapshotterError(
            "no rule has a page to be tried on",
            hint='[notice.fixtures] match = ["wx/deleted-zh"] names some',
        )
    rules = len({(it.rules, it.rule) for it in trials})
    good = sum(it.wanted for it in trials)
    say(
        f"{rules} rules on {good} pages that they have to know and {len(trials) - good} that they "
        f"must not: {f'{len(wrong)} wrong' if wrong else 'all right'}"
    )
    return _FAILED if wrong else 0


@policy.command(
    epilog="""\b
Examples:
  snapshotter policy diff default wechat-article
  snapshotter policy diff --json news-article ./ours.toml
"""
)
@click.argument("left", metavar="NAME|FILE")
@click.argument("right", metavar="NAME|FILE")
@_json
@click.pass_context
def diff(ctx: click.Context, left: str, right: str, as_json: bool) -> None:
    """Compare what two policies say, key by key, as they hold. Reasons are left out."""
    from snapshotter.policy.difference import differences
    from snapshotter.policy.load import load
    from snapshotter.policy.toml import value_toml

    directory = ctx.obj.load().policies_dir
    found = differences(load(left, directory), load(right, directory))
    for it in found:
        if as_json:
            result_json({"key": it.key, "left": it.left, "right": it.right})
            continue
        result(it.key)
        result(f"  - {value_toml(it.left)}")
        result(f"  + {value_toml(it.right)}")
    if not found and not as_json:
        say(f"{left} and {right} capture alike")
