"""
Conclude a change event from captures of one page and what their comparison derived.

    earlier capture ──change──► first capture that shows it ──► captures that show the same change

The comparison itself is in `compare/changes.py`. Here are the rules about the captures: they are
of one page and by one way, in their order, and a control is another page of the host that was
available in between. Nothing is read or written (docs/spec/takedown-event.md, "A change").
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from snapshotter.assess.takedown_events import capture_order_key, event_id
from snapshotter.model.assessment import Availability
from snapshotter.model.change import Change, DerivedChange, NoChange
from snapshotter.model.takedown import ConfirmRules, Observation, Takedown, TakedownKind
from snapshotter.policy.page_identity import host_and_port
from snapshotter.translation import tr

USUAL = ConfirmRules()
_NONE = ConfirmRules(times=1, after=timedelta(), control=False)


def conclude_change(
    before: Observation,
    after: Observation,
    change: Change,
    *,
    confirmation: Observation | None = None,
    control: Observation | None = None,
) -> Takedown:
    """
    Return the event of a change.

    Args:
        before: The capture that shows the page before the change.
        after: The first capture that shows the change.
        confirmation: A later capture that shows the same change.
        control: Another page of the host that was available between `after` and `confirmation`.
    """
    last = confirmation or after
    confirm = _NONE
    if confirmation is not None:
        is_apart = confirmation.at - after.at >= USUAL.after
        confirm = ConfirmRules(
            times=USUAL.times,
            after=USUAL.after if is_apart else timedelta(),
            control=control is not None,
        )
    made = Takedown(
        event_id="",
        kind=TakedownKind.CHANGED,
        at=last.at,
        identity=after.identity,
        url=after.url,
        last_seen=before,
        first_gone=after,
        confirmations=(confirmation,) if confirmation is not None else (),
        controls=(control,) if control is not None and confirmation is not None else (),
        confirm=confirm,
        change=change,
    )
    return replace(made, event_id=event_id(made))


def first_control(
    candidates: Iterable[Observation], after: Observation, last: Observation
) -> Observation | None:
    """Return the first capture of another page that can be the control; None if there is none."""
    fitting = (one for one in candidates if not control_problem(one, after, last))
    return min(fitting, key=capture_order_key, default=None)


def control_problem(control: Observation, after: Observation, last: Observation) -> str:
    """Return why a capture is no control of a change; "" if it is one."""
    if control.availability is not Availability.AVAILABLE or control.ambiguous:
        return tr("the control does not show that its page was available")
    if control.identity == after.identity or host_and_port(control.url) != host_and_port(after.url):
        return tr("the control is not another page of the host")
    if control.vantage != after.vantage:
        return tr("the control is from another vantage")
    if control.began_at < after.began_at or capture_order_key(control) > capture_order_key(last):
        return tr("the control was not captured between the change and its confirmation")
    return ""


def change_problems(
    event: Takedown,
    captures: Mapping[str, Observation],
    derived: DerivedChange | NoChange,
    confirmed: Sequence[DerivedChange | NoChange],
) -> tuple[str, ...]:
    """
    Return why an event of a change does not follow from its captures; () if it does.

    Args:
        captures: What each bundle of the event shows, derived again, by bundle id.
        derived: The change from the earlier end to the later one, derived again.
        confirmed: The change from the earlier end to each confirmation.
    """
    if isinstance(derived, NoChange):
        return (tr("the two captures prove no change: {detail}", detail=derived.detail),)
    change = event.change
    if change is None:
        return (tr("the event does not state what changed"),)
    problems: list[str] = []
    if change != derived.change:
        problems.append(
            tr("the comparison of the two captures gives another change than the event states")
        )
    before, after = (captures[end.bundle_id] for end in (event.last_seen, event.first_gone))
    confirmation = control = None
    for said, found in zip(event.confirmations, confirmed, strict=True):
        confirmation = captures[said.bundle_id]
        if confirmation.began_at < after.at:
            problems.append(tr("the confirmation is not later than the capture of the change"))
        if isinstance(found, NoChange) or not found.shows(change):
            problems.append(tr("the confirmation does not show the same change"))
    for said in event.controls:
        control = captures[said.bundle_id]
        if problem := control_problem(control, after, confirmation or after):
            problems.append(problem)
    if len(event.confirmations) > 1 or len(event.controls) > 1:
        problems.append(tr("the event names more captures than an event of a change needs"))
    concluded = conclude_change(before, after, change, confirmation=confirmation, control=control)
    fields = ("identity", "url", "at", "confirm")
    if other := [name for name in fields if getattr(concluded, name) != getattr(event, name)]:
        problems.append(
            tr(
                "fields of the event differ from those that its captures give: {other}",
                other=", ".join(other),
            )
        )
    return tuple(problems)
