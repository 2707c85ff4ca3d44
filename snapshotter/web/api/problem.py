"""
Describe failed requests as problem details (RFC 9457).

Each kind of problem has a stable address, `/api/v1/problems/NAME`, which is also the value of
`type`. Two members extend the standard ones: `hint` states what to do next, and `exit_code` is the
exit code of the command that fails for the same reason (docs/reference/exit-codes.md).

This module knows no web framework, so that pages and middleware answer API clients alike.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from snapshotter.app.archive.exports.downloads import ObjectMissing
from snapshotter.errors import (
    EvidenceInvalid,
    PolicyRefused,
    RequestKeyReused,
    ServiceUnavailable,
    SnapshotterError,
    UsageMistake,
)
from snapshotter.index.query import InvalidQuery
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

MEDIA_TYPE: Final = "application/problem+json"
ADDRESS: Final = "/api/v1/problems/"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemKind:
    """One kind of problem."""

    name: str  # the last part of its address
    status: int  # of the HTTP response
    title: str
    meaning: str  # a sentence for the documentation


KINDS: Final[Mapping[str, ProblemKind]] = {
    kind.name: kind
    for kind in (
        ProblemKind(
            name="malformed-request",
            status=400,
            title=tr("The request cannot be read"),
            meaning=tr("The request breaks a rule of HTTP or of this server."),
        ),
        ProblemKind(
            name="not-logged-in",
            status=401,
            title=tr("You are not logged in"),
            meaning=tr("The request has no session, or the session has ended."),
        ),
        ProblemKind(
            name="tokens-not-supported",
            status=401,
            title=tr("Tokens are not supported"),
            meaning=tr(
                "The request has the header Authorization, which this release does not accept."
            ),
        ),
        ProblemKind(
            name="forbidden",
            status=403,
            title=tr("The request is not permitted"),
            meaning=tr("A policy, or the protection against other sites, refuses the request."),
        ),
        ProblemKind(
            name="not-found",
            status=404,
            title=tr("The object does not exist"),
            meaning=tr("The object or the address does not exist."),
        ),
        ProblemKind(
            name="method-not-allowed",
            status=405,
            title=tr("The address does not accept this kind of request"),
            meaning=tr("The address exists, but not for this method."),
        ),
        ProblemKind(
            name="request-timeout",
            status=408,
            title=tr("The request took too long"),
            meaning=tr("The client did not send the whole request in time."),
        ),
        ProblemKind(
            name="conflict",
            status=409,
            title=tr("The request could not be completed"),
            meaning=tr("The state of the object does not permit the request."),
        ),
        ProblemKind(
            name="evidence-invalid",
            status=409,
            title=tr("The evidence is not intact"),
            meaning=tr("A check was made, and the evidence failed the check."),
        ),
        ProblemKind(
            name="precondition-failed",
            status=412,
            title=tr("The object has changed"),
            meaning=tr("The object does not have the ETag that If-Match names."),
        ),
        ProblemKind(
            name="too-large",
            status=413,
            title=tr("The request is too long"),
            meaning=tr("The body of the request is longer than the server accepts."),
        ),
        ProblemKind(
            name="invalid-request",
            status=422,
            title=tr("The request is invalid"),
            meaning=tr("A value of the request is invalid; `errors` names each value."),
        ),
        ProblemKind(
            name="idempotency-key-reused",
            status=422,
            title=tr("The idempotency key was used for another request"),
            meaning=tr("The header Idempotency-Key names a request with another body."),
        ),
        ProblemKind(
            name="precondition-required",
            status=428,
            title=tr("The request must name the state that it changes"),
            meaning=tr("The request needs the header If-Match with the ETag of the object."),
        ),
        ProblemKind(
            name="headers-too-large",
            status=431,
            title=tr("The headers are too long"),
            meaning=tr("The headers of the request are longer than the server accepts."),
        ),
        ProblemKind(
            name="fault",
            status=500,
            title=tr("The server has a fault"),
            meaning=tr("The request could not be answered because of a fault of snapshotter."),
        ),
        ProblemKind(
            name="unavailable",
            status=503,
            title=tr("A service does not answer"),
            meaning=tr("The store or the database does not answer. The request can be repeated."),
        ),
    )
}


class Problem(Exception):
    """
    A request that fails.

    Args:
        name: Of the kind, a key of `KINDS`.
        detail: What happened, to which object.
        hint: What to do next; "" for nothing.
        errors: The values that are invalid.
    """

    def __init__(
        self,
        name: str,
        detail: str,
        *,
        hint: str = "",
        exit_code: int | None = None,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = KINDS[name]
        self.detail = detail
        self.hint = hint
        self.exit_code = exit_code
        self.errors = errors
        self.headers = dict(headers or {})

    def encoded(self) -> bytes:
        """Return the body of the response."""
        return encode_problem(
            self.kind.status,
            self.detail,
            hint=self.hint,
            name=self.kind.name,
            exit_code=self.exit_code,
            errors=self.errors,
        )


def not_found(what: str, hint: str = "") -> Problem:
    """Return the problem of an object that does not exist; `what` is the sentence about it."""
    return Problem("not-found", what, hint=hint)


def problem_of(error: SnapshotterError) -> Problem:
    """Return the problem for an expected error."""
    match error:
        case PolicyRefused():
            name = "forbidden"
        case ServiceUnavailable():
            name = "unavailable"
        case UsageMistake() | InvalidQuery():
            name = "invalid-request"
        case ObjectMissing():
            name = "not-found"
        case RequestKeyReused():
            name = "idempotency-key-reused"
        case EvidenceInvalid():
            name = "evidence-invalid"
        case _:
            name = "conflict"
    return Problem(name, error.message, hint=error.hint, exit_code=error.exit_code)


def encode_problem(
    status: int,
    detail: str,
    *,
    hint: str = "",
    name: str = "",
    exit_code: int | None = None,
    errors: Sequence[Mapping[str, str]] = (),
) -> bytes:
    """
    Return problem details as JSON.

    Args:
        name: Of the kind; "" for the first kind with this status.
        errors: Left out if it is empty.
    """
    kind = KINDS.get(name) or next(
        (known for known in KINDS.values() if known.status == status), None
    )
    body: dict[str, Any] = {
        "type": f"{ADDRESS}{kind.name}" if kind is not None else "about:blank",
        "title": kind.title if kind is not None else "",
        "status": status,
        "detail": detail,
    }
    if hint:
        body["hint"] = hint
    if exit_code is not None:
        body["exit_code"] = exit_code
    if errors:
        body["errors"] = list(errors)
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "backslashreplace")
