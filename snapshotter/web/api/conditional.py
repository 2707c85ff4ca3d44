"""
Declare idempotency keys, and check the conditions of requests by entity tags (RFC 9110, section
13).

A request that changes an object names the state that it was made for: the ETag of the object, in
If-Match. Two people who look at the same object cannot overwrite each other's change unseen.
"""

import hashlib
import json
import re
from typing import Annotated, Any, Final

from fastapi import Header, Response

from snapshotter.translation import tr
from snapshotter.web.api.problem import Problem

IfMatch = Annotated[
    str | None,
    Header(
        max_length=1000,
        description="The ETag of the object as the client read it. An asterisk stands for any "
        "state. The request fails if the object has another state.",
    ),
]
IfNoneMatch = Annotated[
    str | None,
    Header(max_length=1000, description="An ETag that the client has. The answer to it is 304."),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="A text that the client chooses for this request. A request that is repeated "
        "with the same key has the same answer, and makes no second object.",
    ),
]
_TAG: Final = re.compile(r'(W/)?"[\x21\x23-\x7e\x80-\xff]*"')


class NotModified(Exception):
    """The client has the object in its current state."""

    def __init__(self, etag: str) -> None:
        super().__init__(etag)
        self.etag = etag


def etag_of(value: Any) -> str:
    """Return the ETag of a JSON object, with its quotation marks."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def answer_etag(response: Response, value: Any, if_none_match: str | None = None) -> None:
    """
    Give a response the ETag of an object.

    Args:
        value: The object as JSON.
        if_none_match: This header of the request.

    Raises:
        NotModified: The client has this state already.
    """
    etag = etag_of(value)
    response.headers["etag"] = etag
    if if_none_match is not None and _matches(if_none_match, etag, weakly=True):
        raise NotModified(etag)


def require_match(if_match: str | None, value: Any, what: str) -> None:
    """
    Return if the request names the current state of the object.

    Args:
        if_match: This header of the request.
        value: The object as it is now, as JSON.
        what: The object, for messages: "the schedule case-7".

    Raises:
        Problem: The request names no state, or another one.
    """
    if if_match is None:
        raise Problem(
            "precondition-required",
            tr("the request does not state which state of {what} it changes", what=what),
            hint=tr("read the object, and send its ETag in the header If-Match"),
        )
    if not _matches(if_match, etag_of(value), weakly=False):
        raise Problem(
            "precondition-failed",
            tr("{what} has changed since the client read it", what=what),
            hint=tr("read the object again, and repeat the request with its new ETag"),
        )


def names_any(if_match: str | None) -> bool:
    """Whether a request is made for any state of the object."""
    return if_match is not None and if_match.strip() == "*"


def _matches(given: str, etag: str, *, weakly: bool) -> bool:
    if names_any(given):
        return True
    tags = [match[0] for match in _TAG.finditer(given)]
    return etag in ([tag.removeprefix("W/") for tag in tags] if weakly else tags)
