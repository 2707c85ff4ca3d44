"""
Record annotations for the console: cases, tags, notes, reviews, marks and quarantine.

The author of each record is the person who requested the task. An interrupted attempt may have
stored records: it noted the number of the last record before its own, so that the next attempt
finds them and stores none twice.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from snapshotter.app.archive import annotations
from snapshotter.app.archive.annotations import AnnotationService
from snapshotter.app.archive.organising import cases
from snapshotter.app.archive.organising.cases import AnnotationChange
from snapshotter.app.tasks.context import TaskContext
from snapshotter.app.tasks.kinds import AnnotateArguments, AnnotationAction
from snapshotter.app.upkeep import quarantine
from snapshotter.app.upkeep.quarantine import QuarantineService
from snapshotter.errors import UsageMistake
from snapshotter.model.annotation_state import AnnotationState
from snapshotter.model.annotations import Mark, ReviewDecision
from snapshotter.model.task import TaskResult
from snapshotter.translation import tr
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotateServices:
    """What annotating needs; each is built when it is needed first."""

    annotations: Callable[[], AnnotationService]
    quarantine: Callable[[], QuarantineService]


def annotate(
    services: AnnotateServices, arguments: AnnotateArguments, task: TaskContext
) -> TaskResult:
    """
    Record what the arguments request.

    Two people who look at the same state cannot overwrite each other's decision unseen: the writer
    compares, in the moment in which it takes the next number of the chain.

    Raises:
        UsageMistake: An argument is invalid.
        SnapshotterError: As the use cases of `app.archive.cases` and `app.upkeep.quarantine` raise.
    """
    opened = services.annotations()
    first = int(task.resume) if task.resume else None
    if first is None:
        task.note(str(annotations.last_number(opened)))
    service = replace(
        opened,
        author=task.person.author,
        resumed_from=first,
        require=partial(_require_unchanged, arguments),
    )
    try:
        if arguments.action in (AnnotationAction.QUARANTINE, AnnotationAction.RELEASE):
            return _change_quarantine(
                replace(services.quarantine(), annotations=service, by=task.person.name),
                arguments,
                task,
            )
        change = _recorded(service, arguments)
    except ValueError as error:
        raise UsageMistake(str(error)) from error
    return task.result(
        {
            "action": arguments.action.value,
            "bundle_ids": list(arguments.bundle_ids),
            "case": arguments.case or None,
            "records": [record.number for record in change.records],
            "unchanged": list(change.unchanged),
        }
    )


def _require_unchanged(arguments: AnnotateArguments, state: AnnotationState) -> None:
    """Raise SnapshotterError if somebody changed what the person decided about."""
    if arguments.seen_record is None:
        return
    if arguments.case:
        cases.require_unchanged(state, arguments.seen_record, case=arguments.case)
    for bundle_id in () if arguments.case else arguments.bundle_ids:
        cases.require_unchanged(state, arguments.seen_record, bundle_id=bundle_id)


def _recorded(service: AnnotationService, arguments: AnnotateArguments) -> AnnotationChange:
    bundle_ids, case, text = arguments.bundle_ids, arguments.case, arguments.text
    match arguments.action:
        case AnnotationAction.CREATE_CASE:
            return _case_with_captures(service, arguments)
        case AnnotationAction.CLOSE_CASE:
            return cases.close_case(service, case, reason=text)
        case AnnotationAction.ADD_TO_CASE:
            return cases.add_to_case(service, case, _some(bundle_ids), reason=text)
        case AnnotationAction.REMOVE_FROM_CASE:
            return cases.remove_from_case(service, case, _some(bundle_ids), reason=text)
        case AnnotationAction.ADD_TAG:
            return cases.add_tag(service, arguments.name, _some(bundle_ids))
        case AnnotationAction.REMOVE_TAG:
            return cases.remove_tag(service, arguments.name, _some(bundle_ids))
        case AnnotationAction.ADD_NOTE:
            if not case:
                _some(bundle_ids)
            return cases.add_note(service, text, bundle_ids=bundle_ids, case=case)
        case AnnotationAction.MARK | AnnotationAction.UNMARK:
            on = arguments.action is AnnotationAction.MARK
            mark = Mark(arguments.name)
            return cases.set_mark(service, mark, _some(bundle_ids), on=on, reason=text)
        case AnnotationAction.REVIEW:
            decision = ReviewDecision(arguments.name)
            return cases.review(service, decision, _some(bundle_ids), reason=text)
    raise AssertionError(f"{arguments.action} is done by _change_quarantine")


def _case_with_captures(
    service: AnnotationService, arguments: AnnotateArguments
) -> AnnotationChange:
    """Create a case, and add captures to it if some are given."""
    created = cases.create_case(service, arguments.case, title=arguments.text)
    if not arguments.bundle_ids:
        return AnnotationChange(records=(created,))
    added = cases.add_to_case(service, arguments.case, arguments.bundle_ids)
    return AnnotationChange(records=(created, *added.records), unchanged=added.unchanged)


def _some(bundle_ids: tuple[str, ...]) -> tuple[str, ...]:
    """Return the ids. Raises ValueError: there is none."""
    if not bundle_ids:
        raise ValueError(tr("no capture is selected"))
    return bundle_ids


def _change_quarantine(
    service: QuarantineService, arguments: AnnotateArguments, task: TaskContext
) -> TaskResult:
    begins = arguments.action is AnnotationAction.QUARANTINE
    change = quarantine.put_into_quarantine if begins else quarantine.release
    changes = [
        change(service, bundle_id, reason=arguments.text)
        for bundle_id in _some(arguments.bundle_ids)
    ]
    return task.result(
        {
            "action": arguments.action.value,
            "bundle_ids": list(arguments.bundle_ids),
            "logged": all(done.logged for done in changes),
            "unchanged": [done.bundle_id for done in changes if not done.changed],
        }
    )
