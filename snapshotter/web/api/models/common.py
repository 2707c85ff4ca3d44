"""Describe what several resources share: problems, verdicts, health."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Instant = Annotated[
    str,
    Field(
        json_schema_extra={"format": "date-time"},
        description="An instant in UTC, such as 2026-11-29T07:16:00Z.",
    ),
]
BUNDLE_ID = r"^[0-9]{8}t[0-9]{6}z-[a-z2-7]{16}$"
BundleId = Annotated[str, Field(pattern=BUNDLE_ID, description="The id of a bundle.")]


class Answer(BaseModel):
    """A response. It has exactly these keys."""

    model_config = ConfigDict(extra="forbid")


class Question(BaseModel):
    """The body of a request. Other keys are refused, so that a misspelt key is noticed."""

    model_config = ConfigDict(extra="forbid")


class InvalidValue(Answer):
    """A value of a request that is invalid."""

    detail: str
    place: str = Field(description="body, query, path or header")
    pointer: str = Field(description="A JSON pointer to the value (RFC 6901).")


class ProblemDetails(Answer):
    """Why a request failed (RFC 9457)."""

    type: str = Field(description="The address of the kind of problem.")
    title: str
    status: int
    detail: str = Field(description="What happened, to which object.")
    hint: str | None = Field(default=None, description="What to do next.")
    exit_code: int | None = Field(
        default=None, description="The exit code of the command that fails for the same reason."
    )
    errors: list[InvalidValue] | None = None


class ProblemExplanation(Answer):
    """A kind of problem."""

    type: str
    title: str
    status: int
    meaning: str


class ProblemList(Answer):
    """The kinds of problems."""

    problems: list[ProblemExplanation]


class Health(Answer):
    """Whether the server can work."""

    checks: dict[str, bool]
    status: Literal["ok", "unavailable"]
    version: str
    worker: bool = Field(description="Whether a worker of the queue runs.")


class Verdict(Answer):
    """What a capture shows, unverified (docs/reference/json.md)."""

    content: str
    availability: str
    cause: str | None
    undecided: str | None
    wall: str | None
    rule: str
    notice: str
    cited_rule: str
    detail: str
    takedown: bool
    accounts: list[str]
    labels: list[str]
    quoted: list[str]
    stub: str
    ambiguous: bool
