"""Print the comparison of two captures, as text or JSON."""

import re
from typing import TYPE_CHECKING

from snapshotter.cli.output import print_message, print_result
from snapshotter.model.comparison import ComparisonState, Op
from snapshotter.model.page_names import value_name
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.model.comparison import BlockChange, Comparison


def print_comparison(found: "Comparison", *, main_only: bool) -> None:
    from snapshotter.report.diff import describe_verdict, summary_lines

    for name, side in (("earlier", found.before), ("later", found.after)):
        print_result(
            tr(
                "{name:<8} {bundle_id}  {captured_at:%Y-%m-%d %H:%M:%S} UTC  {verification}  "
                "{verdict}; capture: {outcome}",
                name=name,
                bundle_id=side.bundle_id,
                captured_at=side.captured_at,
                verification=side.verification.upper(),
                verdict=describe_verdict(side.standing),
                outcome=side.outcome or tr("not established"),
            )
        )
    if found.same_page is not ComparisonState.UNCHANGED:
        is_other = found.same_page is ComparisonState.CHANGED
        print_message(
            tr("these are captures of two different pages")
            if is_other
            else tr("it is not established whether both captures show the same page")
        )
    for condition in found.conditions:
        print_message(
            tr(
                "the captures were made in different ways: {name}: {before} and {after}",
                name=value_name(condition.name),
                before=" ".join(condition.before),
                after=" ".join(condition.after),
            )
        )
    for line in summary_lines(found)[: 1 if main_only else None]:
        print_result(f"{line.name}: {line.state.value}{f'  {line.detail}' if line.detail else ''}")
    for marks, which in ((found.edits.before, "earlier"), (found.edits.after, "later")):
        if marks:
            print_result(
                tr(
                    "in the {which} capture, the platform marks the page as edited: {marks}",
                    which=which,
                    marks=" ".join(marks),
                )
            )
    for masked in found.masks:
        differs = "differs" if masked.differs else tr("is the same")
        print_result(
            tr(
                "masked by {kind} {mask}: places in the earlier capture: {before}, places in the "
                "later capture: {after}; the masked content {differs}",
                kind=masked.kind,
                mask=masked.mask,
                before=masked.before,
                after=masked.after,
                differs=differs,
            )
        )
    for change in found.text.changes:
        if change.in_main or not main_only:
            print_result()
            for text in _change_lines(change):
                print_result(text)
    if not main_only:
        _print_values(found)
    for why in found.text.coarse:
        print_message(tr("the texts were compared with less detail: {why}", why=why))


def _print_values(found: "Comparison") -> None:
    for title, values in (("answer", found.answer), ("metadata", found.metadata)):
        for value in values:
            before, after = (" | ".join(them) or "nothing" for them in (value.before, value.after))
            print_result(f"{title} {value.name}: {before} → {after}")
    for count in found.counts:
        raws = (reading.raw if reading else "none" for reading in (count.before, count.after))
        print_result(
            tr(
                "count {unit}: {raws} ({value})",
                unit=count.unit,
                raws=" → ".join(raws),
                value=count.trend.value,
            )
        )
    for title, change in (("link", found.links), ("QR code", found.qr_codes)):
        for text in change.removed:
            print_result(tr("{title} removed: {text}", title=title, text=text))
        for text in change.added:
            print_result(tr("{title} added: {text}", title=title, text=text))


def _change_lines(change: "BlockChange") -> list[str]:
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
