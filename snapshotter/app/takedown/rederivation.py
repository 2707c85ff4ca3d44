"""Derive again, by the rules in a bundle, what it shows, and compare that with an observation."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, BinaryIO, Final

from snapshotter.app.archive import assessment
from snapshotter.app.archive.assessment import AssessorOf, BundleFiles
from snapshotter.app.archive.observations import observe
from snapshotter.app.takedown.kept_comparisons import KeptComparisons
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats.canonical_json import plain
from snapshotter.model.request import Decision
from snapshotter.model.takedown import Observation
from snapshotter.model.verified_facts import VerifiedFacts
from snapshotter.policy.page_identity import PageIdentityRules
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

# The fields of an observation that are its verdict.
DECISIVE_FIELDS: Final = (
    "content", "availability", "cause", "undecided", "wall", "rule", "takedown", "ambiguous",
    "needs_control",
)  # fmt: skip

# Identity and account are judged over all captures together, and the time by the tokens.
_JUDGED_APART: Final = frozenset({"identity", "account", "proven_at", "proven_at_ms"})

# The fields that rules read from a page.
READ_FIELDS: Final = frozenset(
    {"rule_files", "counts", "main_sha256", "notice", "cited_rule", "accounts", "account_name"}
)

# All fields that depend on rules. For a bundle that contains no rules, the rules of its time may
# have given other values than the current ones.
DERIVED_BY_RULES: Final = (*DECISIVE_FIELDS, *sorted(READ_FIELDS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rederivation:
    """What is needed to derive a verdict again."""

    rules: PageIdentityRules
    assessor_of: AssessorOf
    decide: Callable[[str], Decision]  # by the current policy, for an address
    comparisons: KeptComparisons[Any] | None = None  # that are used again; None: none is kept


def mismatch(by: Rederivation, said: Observation, facts: VerifiedFacts, stream: BinaryIO) -> str:
    """
    Return why a bundle does not show what an observation states; "" if it does.

    The rules in the bundle decide. A bundle from before verdicts were made contains none, and only
    the facts of its record are compared.

    Args:
        said: The observation.
        facts: What the verification of the bundle established.
        stream: The bundle that was verified.

    Raises:
        ServiceUnavailable: The program that runs the rules did not answer.
    """
    other = [name for name, value in _stated_by(facts).items() if getattr(said, name) != value]
    if other:
        return tr(
            "the capture record belongs to another capture. Fields that differ: {other}",
            other=", ".join(other),
        )
    try:
        files = BundleFiles(stream, facts)
        if assessment.read_assessment(files) is None:
            return ""
        made = assessment.rederive(files, by.assessor_of).assessment
        again = observe(facts, made, proven_at=said.proven_at, rules=by.rules)
    except ServiceUnavailable:
        raise
    except SnapshotterError as error:
        return tr("the verdict cannot be derived again: {value}", value=error.message)
    other = differing_fields(said, again)
    return (
        tr(
            "the rules in the bundle give another result. Fields that differ: {other}",
            other=", ".join(other),
        )
        if other
        else ""
    )


def _stated_by(facts: VerifiedFacts) -> dict[str, object]:
    """Return the fields of an observation that the capture record states without any rules."""
    return {
        "bundle_id": facts.bundle_id,
        "sha256": facts.sha256,
        "url": facts.requested_url,
        "at": facts.ended_at,
        "began_at": facts.started_at,
        "vantage": facts.vantage,
        "light": facts.light,
        "key_id": facts.key_id,
    }


def differing_fields(said: Observation, made: Observation) -> list[str]:
    """Return the fields in which two observations differ, without those that are judged apart."""
    if not said.account_name:  # older records do not state it
        made = replace(made, account_name="")
    one, other = plain(said), plain(made)
    return sorted(
        name for name in one if name not in _JUDGED_APART and one[name] != other.get(name)
    )


def with_recorded_verdict(said: Observation, made: Observation) -> Observation:
    """Return an observation with the rule-dependent fields of another one, the recorded one."""
    return replace(made, **{name: getattr(said, name) for name in DERIVED_BY_RULES})
