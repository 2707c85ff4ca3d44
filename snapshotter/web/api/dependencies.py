"""Give endpoints what they need: the context, who acts, and the limits of lists."""

from contextlib import AbstractContextManager
from typing import Annotated, Final

from fastapi import Depends, Query, Request

from snapshotter.app.archive.lookup.index_service import ArchiveView
from snapshotter.model.annotation_state import AnnotationState
from snapshotter.model.person import Person
from snapshotter.web.context import WebContext, context_of

MOST: Final = 200  # objects of one answer


def _person(request: Request) -> Person:
    """Return who acts: the middleware of sessions has found the person."""
    person = getattr(request.state, "person", None)
    if not isinstance(person, Person):
        raise TypeError("the request has no person, and should not have come so far")
    return person


Context = Annotated[WebContext, Depends(context_of)]
Actor = Annotated[Person, Depends(_person)]
Limit = Annotated[int, Query(ge=1, le=MOST, description="Return at most this many objects.")]


def reading_archive(context: WebContext) -> AbstractContextManager[ArchiveView]:
    """
    Yield the store as of the last update of its index, for one request.

    Raises:
        ServiceUnavailable: The first update is not complete, or the database does not answer.
    """
    return context.services.index.reading()


def read_annotations(context: WebContext) -> AnnotationState:
    """Return the annotations as of the last update. Raises as `reading_archive`."""
    with reading_archive(context) as view:
        return view.state.annotations
