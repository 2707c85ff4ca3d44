"""`snapshotter diff`: two captures of a page, and what changed between them."""

import re
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snapshotter.cli.file_or_id import file_argument, open_named
from snapshotter.cli.options import root_key_option, store_option, trust_option
from snapshotter.cli.output import print_json, print_message, print_result, write_file
from snapshotter.errors import EvidenceInvalid
from snapshotter.model.comparison import ComparisonState, Op

if TYPE_CHECKING:
    from snapshotter.app.archive.comparison import NamedBundle
    from snapshotter.app.settings import Settings
    from snapshotter.compare.image_diff import PictureSource
    from snapshotter.model.comparison import BlockChange, Comparison

DIFFER = 4  # exit code of --exit-code

_EXAMPLES = """\b
Examples:
  snapshotter diff https://news.example/story
  snapshotter diff https://news.example/story@2026-11-20 https://news.example/story
  snapshotter diff before.wacz 20261124t160642z-k3v4q2m7xw4c5b6d --html diff.html
  snapshotter diff --json --main-only URL | jq .text.main

\b
Both bundles are verified first, and the output says what that gave. A bundle that was altered
is not compared, unless --altered says so. The exit code is 0 whether they differ or not;
with --exit-code it is 4 where they do (with --main-only: where their main regions do), or
where that could not be established.
"""


@click.command(epilog=_EXAMPLES)
@click.argument("captures", nargs=-1, required=True, metavar="FILE|BUNDLE-ID|URL[@TIME]…")
@click.option(
    "--html",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write a page to look at: pictures over and beside each other, text with what changed.",
)
@click.option("--main-only", is_flag=True, help="Show what changed in the main region alone.")
@click.option(
    "--policy",
    metavar="NAME|FILE",
    help="Mask what this policy masks.  [default: what those of the captures do]",
)
@click.option("--no-pictures", is_flag=True, help="Compare no pictures: quicker.")
@click.option("--altered", is_flag=True, help="Compare also a bundle that does not verify.")
@click.option("--exit-code", is_flag=True, help="Exit with 4 where they differ.")
@store_option
@trust_option
@root_key_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def diff(
    ctx: click.Context,
    captures: tuple[str, ...],
    page: Path | None,
    main_only: bool,
    policy: str | None,
    no_pictures: bool,
    altered: bool,
    exit_code: bool,
    store: str | None,
    trust_file: Path | None,
    root_key: str | None,
    as_json: bool,
) -> int:
    """
    Compare two captures of a page: text, pictures, counts, metadata, links and verdict.

    Of an address alone its last two captures are compared. The main region is told apart from
    what stands around it: "main: unchanged" is a result. Nothing is fetched.
    """
    from snapshotter.app import machine
    from snapshotter.app.archive import comparison
    from snapshotter.app.policies import choice
    from snapshotter.app.wiring import capture as wiring
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.app.wiring import takedown as wiring_takedown
    from snapshotter.app.wiring import trust as wiring_trust
    from snapshotter.policy import load as policies
    from snapshotter.policy import page_identity
    from snapshotter.policy.decide import decide

    if len(captures) > 2:
        raise click.UsageError("two captures are compared, or the last two of one address")

    def settings_of(*, found: bool) -> "Settings":
        settings: Settings = ctx.obj.load(
            found=found,
            trust_file=str(trust_file or ""),
            trust_root_key=root_key or "",
            store=store or "",
        )
        return settings

    settings = settings_of(found=False)  # a file is judged by nothing that only lies here
    stored = cache(lambda: settings if store else settings_of(found=True))
    files = {name: file_argument(name, store=store) for name in captures}
    now = machine.SystemClock().now()
    with ExitStack() as stack:
        names = comparison.select_bundles(
            captures, lambda: stack.enter_context(wiring_takedown.observation_source(stored()))
        )
        given = []
        for name in names:
            if (file := files.get(name)) is not None:
                stream = stack.enter_context(open_named(file))
                trust = wiring_trust.trust(settings, by_bundle=True)
                opened = comparison.open_file_bundle(stream, file, trust, now)
            else:
                there = wiring_store.store(stored())
                trust = wiring_trust.trust(stored(), by_bundle=True)
                opened = stack.enter_context(comparison.open_stored_bundle(name, there, trust, now))
            _tell(opened, altered=altered)
            given.append(opened)
        rules = (
            decide(policies.load(policy, settings.policies_dir)).mask
            if policy
            else comparison.combined_masks(given)
        )
        today = decide(choice.judging_policy(settings))
        identity_rules = page_identity.shipped_identity_rules()
        before, after = (
            comparison.captured(opened, wiring.assessor, identity_rules, today) for opened in given
        )
        if before.captured.side.captured_at > after.captured.side.captured_at:
            print_message(f"{names[0]} is the later one: compared in the order of time")
            before, after = after, before
        found = comparison.compare(before, after, rules, pictures=not no_pictures)
        shots = before.captured.shots, after.captured.shots
        if page is not None:
            _write(page, found, shots)
    if as_json:
        print_json(_json(found, main_only=main_only))
    else:
        _print(found, main_only=main_only)
    return DIFFER if exit_code and _differs(found, main_only=main_only) else 0


def _tell(given: "NamedBundle", *, altered: bool) -> None:
    """Say what the verification of a bundle gave; stop at one that was altered."""
    from snapshotter.model.finding import Verdict

    report = given.report
    codes = report.codes(Verdict.FAILED, Verdict.INDETERMINATE)
    said = " ".join((report.verdict.name, *codes))
    print_message(f"verified {given.name}: {said}")
    if report.verdict is Verdict.FAILED and not altered:
        raise EvidenceInvalid(
            f"{given.name} does not verify: what it shows need not be what was captured",
            hint="snapshotter verify says what does not hold; --altered compares it all the same",
        )


def _write(
    page: Path, found: "Comparison", shots: "tuple[Mapping[str, PictureSource], ...]"
) -> None:
    from snapshotter.report import diff as pages
    from snapshotter.report.picture_copies import make_picture_copy

    copies = {}
    for picture in found.pictures:
        one, other = (of.get(picture.picture) for of in shots)
        copies[picture.picture] = (
            make_picture_copy(one.files, one.scale) if one else None,
            make_picture_copy(other.files, other.scale) if other else None,
        )
    write_file(page, pages.page(found, copies))
    print_message(f"wrote {page}")


def _differs(found: "Comparison", *, main_only: bool) -> bool:
    from snapshotter.report.diff import summary_lines

    lines = summary_lines(found)
    return any(
        line.state is not ComparisonState.UNCHANGED for line in (lines[:1] if main_only else lines)
    )


def _json(found: "Comparison", *, main_only: bool) -> dict[str, Any]:
    from snapshotter.formats.canonical_json import plain

    value: dict[str, Any] = plain(found)
    value["differs"] = _differs(found, main_only=main_only)
    if main_only:
        changes = zip(value["text"]["changes"], found.text.changes, strict=True)
        value["text"]["changes"] = [shown for shown, change in changes if change.in_main]
    return value


def _print(found: "Comparison", *, main_only: bool) -> None:
    from snapshotter.report.diff import describe_verdict, summary_lines

    for name, side in (("earlier", found.before), ("later", found.after)):
        print_result(
            f"{name:<8} {side.bundle_id}  {side.captured_at:%Y-%m-%d %H:%M:%S} UTC  "
            f"{side.verification.upper()}  {describe_verdict(side.standing)}"
        )
    if found.same_page is not ComparisonState.UNCHANGED:
        is_other = found.same_page is ComparisonState.CHANGED
        print_message(
            "these are captures of two pages" if is_other else "nothing says that it is one page"
        )
    for condition in found.conditions:
        print_message(
            f"not made in the same way: {condition.name}: {' '.join(condition.before)} and "
            f"{' '.join(condition.after)}"
        )
    for line in summary_lines(found)[: 1 if main_only else None]:
        print_result(f"{line.name}: {line.state.value}{f'  {line.detail}' if line.detail else ''}")
    for marks, which in ((found.edits.before, "earlier"), (found.edits.after, "later")):
        if marks:
            print_result(f"the platform's mark of an edit, {which}: {' '.join(marks)}")
    for masked in found.masks:
        differs = "differs" if masked.differs else "is the same"
        print_result(
            f"masked by {masked.kind} {masked.mask}: {masked.before} and {masked.after} places; "
            f"what it covers {differs}"
        )
    for change in found.text.changes:
        if change.in_main or not main_only:
            print_result()
            for text in _lines(change):
                print_result(text)
    if not main_only:
        _print_values(found)
    for why in found.text.coarse:
        print_message(f"compared more coarsely: {why}")


def _print_values(found: "Comparison") -> None:
    for title, values in (("answer", found.answer), ("metadata", found.metadata)):
        for value in values:
            before, after = (" | ".join(them) or "nothing" for them in (value.before, value.after))
            print_result(f"{title} {value.name}: {before} → {after}")
    for count in found.counts:
        raws = (reading.raw if reading else "none" for reading in (count.before, count.after))
        print_result(f"count {count.unit}: {' → '.join(raws)} ({count.trend.value})")
    for title, change in (("link", found.links), ("QR code", found.qr_codes)):
        for text in change.removed:
            print_result(f"{title} removed: {text}")
        for text in change.added:
            print_result(f"{title} added: {text}")


def _lines(change: "BlockChange") -> list[str]:
    """Return a block as `wdiff` writes it: `[-removed-]`, `{+added+}`."""
    at = change.after or change.before
    region = at.region.value if at is not None and at.region else "?"
    hidden = ", hidden" if at is not None and at.hidden else ""
    marks = {Op.REMOVED: "[-{}-]", Op.ADDED: "{{+{}+}}", Op.MASKED: "[*{}*]"}
    parts = []
    for number, piece in enumerate(change.pieces):
        text = re.sub(r"\s+", " ", piece.text) if piece.op is Op.SAME else piece.text
        if piece.op is Op.SAME and len(text) > 2 * _CONTEXT and len(change.pieces) > 1:
            head = "" if number == 0 else text[:_CONTEXT]
            tail = "" if number == len(change.pieces) - 1 else text[-_CONTEXT:]
            text = f"{head}…{tail}"
        parts.append(marks.get(piece.op, "{}").format(text))
    where = f"  {at.selector}" if at is not None and at.selector else ""
    return [f"{change.kind.value}, {region}{hidden}{where}", f"  {''.join(parts)}"]


_CONTEXT = 60  # characters of what is the same, on either side of what is not
