"""
Define the kinds of tasks: the arguments of each, its lane, and whether it makes files.

The names of the kinds and of their arguments are promises of the API.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from snapshotter.errors import EvidenceInvalid, UsageMistake
from snapshotter.formats import typed
from snapshotter.model.task import TaskLane
from snapshotter.translation import tr
from snapshotter.value_class import dataclass


class AnnotationAction(StrEnum):
    """What is recorded about captures or a case."""

    CREATE_CASE = "case.create"
    CLOSE_CASE = "case.close"
    ADD_TO_CASE = "case.add"
    REMOVE_FROM_CASE = "case.remove"
    ADD_TAG = "tag.add"
    REMOVE_TAG = "tag.remove"
    ADD_NOTE = "note.add"
    MARK = "mark"
    UNMARK = "unmark"
    REVIEW = "review"
    QUARANTINE = "quarantine"
    RELEASE = "release"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotateArguments:
    """Record something about captures or a case."""

    action: AnnotationAction
    bundle_ids: tuple[str, ...] = ()
    case: str = ""  # its name
    name: str = ""  # the tag, the mark, or the decision of a review
    text: str = ""  # the note, the reason, or the title of a case


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskKind:
    """One kind of tasks."""

    name: str
    arguments: type[Any]
    lane: TaskLane
    has_files: bool = False


_KINDS: Final = (TaskKind(name="annotate", arguments=AnnotateArguments, lane=TaskLane.QUICK),)
TASK_KINDS: Final[Mapping[str, TaskKind]] = {kind.name: kind for kind in _KINDS}
_BY_ARGUMENTS: Final = {kind.arguments: kind for kind in _KINDS}

TaskArguments = AnnotateArguments


def kind_of(arguments: TaskArguments) -> TaskKind:
    """Return the kind of tasks that has these arguments."""
    return _BY_ARGUMENTS[type(arguments)]


def parse_arguments(kind: str, arguments: Mapping[str, Any]) -> TaskArguments:
    """
    Return the arguments of a task from their JSON.

    Raises:
        UsageMistake: The kind does not exist, or the arguments have another form.
    """
    found = TASK_KINDS.get(kind)
    if found is None:
        raise UsageMistake(
            tr("there is no task of the kind {kind}", kind=kind),
            hint=tr("the kinds are: {kinds}", kinds=", ".join(TASK_KINDS)),
        )
    try:
        parsed: TaskArguments = typed.read(found.arguments, dict(arguments))
    except EvidenceInvalid as error:
        raise UsageMistake(
            tr("the arguments of the task are invalid: {error}", error=error.message)
        ) from error
    return parsed
