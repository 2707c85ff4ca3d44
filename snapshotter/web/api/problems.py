"""Explain the kinds of problems: the addresses in `type` lead here."""

from fastapi import APIRouter

from snapshotter.translation import tr
from snapshotter.web.api.models.common import ProblemExplanation, ProblemList
from snapshotter.web.api.problem import ADDRESS, KINDS, ProblemKind, not_found

router = APIRouter(tags=["problems"])


@router.get("/problems")
def list_problems() -> ProblemList:
    """List the kinds of problems that requests are answered with."""
    return ProblemList(problems=[_explanation(kind) for kind in KINDS.values()])


@router.get("/problems/{name}")
def show_problem(name: str) -> ProblemExplanation:
    """Explain one kind of problem."""
    kind = KINDS.get(name)
    if kind is None:
        raise not_found(tr("the problem {name} does not exist", name=name))
    return _explanation(kind)


def _explanation(kind: ProblemKind) -> ProblemExplanation:
    return ProblemExplanation(
        type=f"{ADDRESS}{kind.name}", title=kind.title, status=kind.status, meaning=kind.meaning
    )
