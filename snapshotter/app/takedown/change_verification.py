"""Derive an event of a change again: compare its captures, and compare that with the event."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from snapshotter.app.archive.comparison import NamedBundle
from snapshotter.app.takedown.bundle_finder import VerifiedBundle
from snapshotter.app.takedown.change_derivation import (
    ComparedEnds,
    ShownCapture,
    compare_ends,
    no_verdict,
    signed_texts,
)
from snapshotter.app.takedown.event_captures import CaptureCheck
from snapshotter.app.takedown.rederivation import Rederivation
from snapshotter.assess.change_events import change_problems
from snapshotter.compare.stated_words import are_in_captures
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.model import change_sentences
from snapshotter.model.change import (
    MAIN_REGION,
    METHOD,
    Change,
    ChangeSubject,
    DerivedChange,
    NoChange,
    NoChangeReason,
)
from snapshotter.model.finding import Code, Finding
from snapshotter.model.takedown import ConfirmRules, Takedown, TakedownKind
from snapshotter.translation import tr
from snapshotter.verify.takedown import EventCapture

_CHECK = "conclusion"
_GUESS = "guess"
_VERSION = re.compile(r"[0-9][0-9a-z.+-]{0,39}")
_NO_MAIN_TEXT = frozenset({ChangeSubject.TITLE, ChangeSubject.DATE})
# Why nothing is derived, as far as the choice of the main text can be the reason.
_BY_MAIN_TEXT = frozenset(
    {
        NoChangeReason.SAME_MAIN_TEXT, NoChangeReason.NO_MAIN_TEXT, NoChangeReason.PICTURES,
        NoChangeReason.NOT_SEEN, NoChangeReason.UNEXPLAINED,
    }
)  # fmt: skip


def captures_to_compare(event: Takedown) -> frozenset[str]:
    """Return the ids of the bundles that have to be open together to derive an event again."""
    if event.kind is not TakedownKind.CHANGED:
        return frozenset()
    compared = (event.last_seen, event.first_gone, *event.confirmations[:1])
    return frozenset(observation.bundle_id for observation in compared)


def shown_capture(
    bundle_id: str, here: VerifiedBundle, check: CaptureCheck
) -> dict[str, ShownCapture]:
    """Return a capture for a comparison, by its id; {} if its verdict is not derived again."""
    if check.again is None or check.assessment is None or check.by_today:
        return {}
    given = NamedBundle(name=bundle_id, stream=here.stream, report=here.report)
    return {
        bundle_id: ShownCapture(given=given, observation=check.again, assessment=check.assessment)
    }


def change_findings(
    event: Takedown,
    parts: Sequence[EventCapture],
    checks: Mapping[str, CaptureCheck],
    shown: Mapping[str, ShownCapture],
    by: Rederivation,
) -> Iterator[Finding]:
    """
    Yield what the second comparison of the captures of a change found.

    Args:
        shown: The captures to compare, open.
    """
    made = {
        part.observation.bundle_id: replace(
            again, identity=part.observation.identity, account=part.observation.account
        )
        for part in parts
        if (again := checks[part.observation.bundle_id].again) is not None
    }
    if len(made) < len(checks):
        yield _open(
            tr(
                "some captures of the event were not found or cannot be used, so the event "
                "cannot be derived again"
            )
        )
        return
    change = event.change
    if change is None:
        return  # a record of a change states it: `EVENT`
    named = (event.last_seen, event.first_gone, *event.confirmations[:1])
    captures = [shown.get(one.bundle_id) for one in named]
    try:
        if change.method > METHOD or (change.method > MAIN_REGION and not change.main_by):
            yield _by_signed_texts(
                change,
                captures,
                tr("the change was derived by a method that this version does not know"),
            )
            return
        earlier, *later = (one.bundle_id for one in named)
        found = [_compared(shown, earlier, one, by, change.method) for one in later]
        derived, *confirmed = (compared.derived for compared in found)
        guessed_by = next((one.guessed_by for one in found if one.guessed_by), "")
    except ServiceUnavailable:
        raise
    except SnapshotterError as error:  # of a file in a bundle: the report states it
        yield _open(tr("the captures cannot be compared: {value}", value=error.message))
        return
    unclear = [found for found in (derived, *confirmed) if isinstance(found, NoChange)]
    if any(found.is_open for found in unclear):
        details = "; ".join(found.detail for found in unclear)
        yield _open(tr("the change cannot be derived again: {details}", details=details))
        return
    confirmed += [no_verdict()] * (len(event.confirmations) - len(confirmed))
    other_version = ""
    if _is_other_guess(change, derived, guessed_by) and isinstance(derived, DerivedChange):
        by_stated = replace(derived.change, guessed_by=change.guessed_by)
        if by_stated == change:  # both versions guess the same main text
            derived = replace(derived, change=by_stated)
            other_version = tr(
                ". The event states that {stated} guessed the main text; {here} gives the same "
                "change",
                stated=change.guessed_by,
                here=guessed_by,
            )
    problems = change_problems(event, made, derived, confirmed)
    if problems and _is_other_guess(change, derived, guessed_by):
        # By the stated guess, the change would have to follow. All else is decided by this one.
        problems = change_problems(
            event,
            made,
            _by_stated_guess(change, derived),
            [_by_stated_guess(change, one) for one in confirmed],
        )
        if not problems:
            yield _by_signed_texts(change, captures, _other_guess(change.guessed_by, guessed_by))
            return
    for problem in problems:
        yield Finding.failed(
            _CHECK,
            Code.CONCLUSION,
            tr("the event does not follow from its captures: {problem}", problem=problem),
        )
    if not problems and change.missing:
        yield _open(
            tr(
                "the captures were compared again, and exactly the change that the event states "
                "follows from them. But {partial}",
                partial=change_sentences.partial(change.missing),
            )
        )
    elif not problems:
        selector = derived.named_main if isinstance(derived, DerivedChange) else ""
        yield Finding.passed(
            _CHECK,
            tr(
                "the captures were compared again, and exactly the change that the event states "
                "follows from them{named}{other_version}",
                named=change_sentences.named_main(selector),
                other_version=other_version,
            ),
        )


def unconfirmed_note(event: Takedown) -> str:
    """Return what an event of a change lacks of the usual confirmation."""
    usual = ConfirmRules()
    lacks = []
    if event.confirm.times < usual.times:
        lacks.append(tr("no later capture shows the same change"))
    elif event.confirm.after < usual.after:
        lacks.append(tr("the captures that show the change are less than 10 minutes apart"))
    if not event.confirm.control:
        lacks.append(tr("no capture of another page of the host was made in between"))
    return tr("the change is less confirmed than usual: {lacks}", lacks="; ".join(lacks))


def _is_other_guess(change: Change, derived: DerivedChange | NoChange, guessed_by: str) -> bool:
    """
    Return whether another version of the software that guesses the main text can be the reason.

    Args:
        derived: What the comparison gives here.
        guessed_by: The software that guessed the main text here; "" if none did, and then the
            signed bundles alone decide.
    """
    name, _, version = change.guessed_by.partition(" ")
    return (
        bool(guessed_by)
        and name == guessed_by.partition(" ")[0]
        and _VERSION.fullmatch(version) is not None
        and change.guessed_by != guessed_by
        and _GUESS in change.main_by
        and (
            _is_same_elsewhere(change, derived.change)
            if isinstance(derived, DerivedChange)
            else _can_have_other_text(change, derived) and not change.missing
        )
    )


def _by_stated_guess(change: Change, found: DerivedChange | NoChange) -> DerivedChange | NoChange:
    """Return the stated change, unless no other main text gives it; then what was derived."""
    apart = {item.sha256 for item in change.items if item.subject in _NO_MAIN_TEXT}
    if isinstance(found, DerivedChange):
        is_possible = apart <= found.digests
    else:
        is_possible = _can_have_other_text(change, found)
    if not is_possible:
        return found
    digests = frozenset(item.sha256 for item in change.items)
    return DerivedChange(change=change, digests=digests, places=())


def _can_have_other_text(change: Change, found: NoChange) -> bool:
    """Return whether two captures without a change can have this one, by another main text."""
    return found.reason in _BY_MAIN_TEXT and not any(
        item.subject in _NO_MAIN_TEXT for item in change.items
    )


def _is_same_elsewhere(change: Change, derived: Change) -> bool:
    """Return whether two changes agree in all that does not depend on the main text."""
    apart = [
        {item.sha256 for item in one.items if item.subject in _NO_MAIN_TEXT}
        for one in (change, derived)
    ]
    fields = ("dates", "missing", "masked", "masks_differ", "removal")
    return apart[0] == apart[1] and all(
        getattr(change, name) == getattr(derived, name) for name in fields
    )


def _other_guess(stated: str, here: str) -> str:
    return tr(
        "the event states that {stated} guessed the main text of the captures. Here {here} "
        "guessed it, and the comparison gives another change. Verify the event with {stated}",
        stated=stated,
        here=here,
    )


def _by_signed_texts(change: Change, captures: Sequence[ShownCapture | None], why: str) -> Finding:
    """
    Return INDETERMINATE for a change that is in the texts of its captures, FAILED for others.

    Args:
        captures: The earlier end, and each capture that shows the change; None if it is missing.
    """
    before, *later = (signed_texts(one) if one is not None else None for one in captures)
    if before is None or None in later:
        return _open(why)
    if all(after is not None and are_in_captures(change, before, after) for after in later):
        return _open(
            tr(
                "{why}. The words that the event states are in the captures as the event states",
                why=why,
            )
        )
    return Finding.failed(
        _CHECK,
        Code.CONCLUSION,
        tr(
            "{why}. But the captures do not contain what the event states, whatever their main "
            "text is",
            why=why,
        ),
    )


def _compared(
    shown: Mapping[str, ShownCapture], earlier: str, later: str, by: Rederivation, method: int
) -> ComparedEnds:
    if earlier not in shown or later not in shown:
        return ComparedEnds(derived=no_verdict())
    return compare_ends(
        shown[earlier], shown[later], by.assessor_of, by.rules, method, kept=by.comparisons
    )


def _open(detail: str) -> Finding:
    return Finding.indeterminate(_CHECK, Code.CONCLUSION, detail)
