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
    # The number of the last record about the capture or the case that the person has seen. A later
    # record makes the task fail: somebody else changed what the person decided about.
    seen_record: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyArguments:
    """Verify a capture or a take-down event of the store."""

    object_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcludeArguments:
    """Conclude take-downs from captures."""

    urls: tuple[str, ...] = ()  # of pages; empty: all pages that a capture shows as removed


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofArguments:
    """Make a proof pack of an event, of the latest take-down of a page, or of two captures."""

    event_id: str = ""
    url: str = ""
    bundle_ids: tuple[str, ...] = ()  # the last that shows the page, then the first without it
    without: tuple[str, ...] = ()  # parts that are left out: confirmations, controls, pdf, vantages


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportArguments:
    """Make reports about captures."""

    bundle_ids: tuple[str, ...]
    case: str = ""  # whose exhibit numbers the reports state
    formats: tuple[str, ...] = ()  # html, json, pdf; empty: all
    paper: str = "A4"  # or Letter
    zone: str = ""  # of local times; "": that of the machine


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReportArguments:
    """Make the report about all exhibits of a case."""

    case: str
    included: tuple[str, ...] = ()  # what people wrote: of `case_export_plan.GROUPS`
    searches: tuple[str, ...] = ()  # words whose hits the report shows
    formats: tuple[str, ...] = ()
    paper: str = "A4"
    zone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseExportArguments:
    """Hand over a case as one archive."""

    case: str
    included: tuple[str, ...] = ()  # as of `CaseReportArguments`
    pdf: bool = False
    load_files: bool = False
    case_report: bool = True
    part_bytes: int = 0  # the most bytes of one part; 0: one archive
    paper: str = "A4"
    zone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustFileArguments:
    """Make the trust file of this installation, or bring it up to date."""

    owner: str  # of the keys, as readers of archives see it


class ExportForm(StrEnum):
    """What an export of captures consists of."""

    BUNDLES = "bundles"  # with their sidecars
    EVIDENCE = "evidence"  # a folder for each capture, to verify the capture offline
    MASKED = "masked"  # pictures in which the redacted text is covered
    REDACTED = "redacted"  # copies without some values


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportArguments:
    """Export captures as one ZIP archive."""

    bundle_ids: tuple[str, ...]
    form: ExportForm = ExportForm.BUNDLES
    fields: tuple[str, ...] = ()  # of redacted copies: which values are withheld
    keep: tuple[str, ...] = ()  # of redacted copies: files of the page that they contain


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditArguments:
    """Audit the store."""

    sample: int = 0  # how many bundles are read; 0: all
    since: str = ""  # YYYY-MM-DD: only bundles of this day and later, UTC
    restart: bool = False  # do not continue an interrupted audit


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskKind:
    """One kind of tasks."""

    name: str
    arguments: type[Any]
    lane: TaskLane
    has_files: bool = False


TaskArguments = (
    AnnotateArguments
    | VerifyArguments
    | ConcludeArguments
    | ProofArguments
    | ReportArguments
    | CaseReportArguments
    | CaseExportArguments
    | ExportArguments
    | AuditArguments
    | TrustFileArguments
)
_QUICK, _LONG = TaskLane.QUICK, TaskLane.LONG
_KINDS: Final = (
    TaskKind(name="annotate", arguments=AnnotateArguments, lane=_QUICK),
    TaskKind(name="verify", arguments=VerifyArguments, lane=_QUICK),
    TaskKind(name="conclude", arguments=ConcludeArguments, lane=_LONG),
    TaskKind(name="proof", arguments=ProofArguments, lane=_LONG, has_files=True),
    TaskKind(name="report", arguments=ReportArguments, lane=_LONG, has_files=True),
    TaskKind(name="case-report", arguments=CaseReportArguments, lane=_LONG, has_files=True),
    TaskKind(name="case-export", arguments=CaseExportArguments, lane=_LONG, has_files=True),
    TaskKind(name="export", arguments=ExportArguments, lane=_LONG, has_files=True),
    TaskKind(name="audit", arguments=AuditArguments, lane=_LONG),
    TaskKind(name="trust-file", arguments=TrustFileArguments, lane=_QUICK, has_files=True),
)
TASK_KINDS: Final[Mapping[str, TaskKind]] = {kind.name: kind for kind in _KINDS}
_BY_ARGUMENTS: Final = {kind.arguments: kind for kind in _KINDS}


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
