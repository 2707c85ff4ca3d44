"""Describe policies, and what they mean for an address."""

from typing import Annotated, Any

from pydantic import Field

from snapshotter.web.api.models.common import Answer

PolicyName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]


class Match(Answer):
    """Which addresses select a policy."""

    hosts: list[str]
    urls: list[str]


class PolicyEntry(Answer):
    """A policy in a list: the object of `policy list --json`, without a path."""

    match: Match
    name: str
    parents: list[str]
    reason: str
    shipped: bool = Field(description="Whether the policy comes with snapshotter.")


class PolicyList(Answer):
    """The shipped policies, and those of this installation."""

    policies: list[PolicyEntry]


class Parent(Answer):
    """A policy that another one is based on."""

    name: str
    sha256: str


class PolicyValue(Answer):
    """The value of a key, and the policy that sets it."""

    from_: str | None = Field(alias="from", description="Null: the value is a default.")
    value: Any


class Policy(Answer):
    """A policy with every key: the object of `policy show --json`, without a path."""

    name: str
    parents: list[Parent]
    shipped: bool = Field(description="Whether the policy comes with snapshotter.")
    values: dict[str, PolicyValue]


class Observer(Answer):
    """Who learns what from a capture."""

    from_: str = Field(alias="from")
    learns: str
    who: str


class Candidate(Answer):
    """A policy that does not apply, and why."""

    name: str
    why: str


class Redaction(Answer):
    """What is redacted."""

    headers: list[str]
    identity: str
    mode: str
    own_names: int
    salts_kept: bool = Field(description="Whether withheld values can be shown later.")
    stripped: list[str]
    url_params: list[str]
    viewer_fields: list[str]
    visited_url: str


class Rules(Answer):
    """A set of take-down rules."""

    applies: bool
    id: str
    rules: int
    version: str


class NewPages(Answer):
    """How many new pages a day a host permits."""

    by_budget: int | None
    by_pace: int | None
    by_pace_three_days_only: int | None


class Cost(Answer):
    """What a page costs its host."""

    budget_per_day: int | None
    first_day: int
    fits_per_day: int
    host: str
    in_all: int | None
    new_pages_per_day: NewPages
    plan: str
    three_days: int


class Follow(Answer):
    """How a watched page is followed."""

    confirm_after_s: int
    confirm_times: int
    control: bool
    proof: bool
    second_vantage: str | None
    visits_after_a_removal: int


class Explanation(Answer):
    """How a page would be captured: the object of `policy explain --json`."""

    at_most_s: float
    cost: Cost | None
    light: bool
    observers: list[Observer]
    others: list[Candidate]
    policy: str
    redaction: Redaction
    rules: list[Rules]
    timestamps_at_most_s: float
    url: str
    watch: Follow | None
    why: str
