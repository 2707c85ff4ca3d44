"""
Give the three answers about a capture a label for pages: words first, then a shape and a tone.

The words are those of `model/sentences.py`. No state is shown by its colour alone.
"""

from snapshotter.model import sentences
from snapshotter.model.assessment import AssessmentSummary, Availability, Content
from snapshotter.model.capture import Outcome
from snapshotter.model.finding import Verdict
from snapshotter.model.job import JobState, JobStatus
from snapshotter.model.sentences import ProofState, capitalized
from snapshotter.translation import tr
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StateLabel:
    """A state as pages show it."""

    words: str
    shape: str  # one character
    tone: str  # a class of base.css: good, bad, warn or open


OPEN = StateLabel(words=tr("Not established"), shape="○", tone="open")
POSSIBLE_REMOVAL = StateLabel(words=tr("Possible removal"), shape="▲", tone="warn")
_LACKS_A_PART = StateLabel(
    words=tr("Stored, without a part that the policy requires"), shape="◐", tone="warn"
)
_JOBS = {
    JobState.WAITING: (tr("waiting"), "○", "open"),
    JobState.DEFERRED: (tr("waiting for its host"), "◌", "open"),
    JobState.RUNNING: (tr("running"), "▸", "open"),
    JobState.DONE: (tr("done"), "●", "good"),
    JobState.INCOMPLETE: (tr("stored, partial or failed"), "◐", "warn"),
    JobState.FAILED: (tr("failed, nothing stored"), "✕", "bad"),
    JobState.DEAD: (tr("given up"), "✕", "bad"),
    JobState.CANCELLED: (tr("cancelled"), "–", "open"),
}
_CAPTURE = {
    Outcome.COMPLETE: ("complete", "●", "good"),
    Outcome.PARTIAL: ("partial", "◐", "warn"),
    Outcome.FAILED: ("failed", "✕", "bad"),
}
_VERDICTS = {
    Verdict.PASSED: (tr("passed"), "✓", "good"),
    Verdict.FAILED: (tr("failed"), "✕", "bad"),
    Verdict.INDETERMINATE: (tr("not established"), "○", "open"),
}


def page_label(shown: AssessmentSummary | None, outcome: Outcome | None) -> StateLabel:
    """Return the answer to "Is the page there?"."""
    words = capitalized(sentences.page_words(shown, outcome))
    if outcome is Outcome.FAILED and (shown is None or shown.content is Content.ERROR):
        return StateLabel(words=words, shape="✕", tone="bad")
    state = sentences.page_state(shown)
    if state == sentences.PAGE_STATES[Availability.AVAILABLE]:
        return StateLabel(words=words, shape="●", tone="good")
    if state == sentences.PAGE_STATES[Availability.UNAVAILABLE]:
        return StateLabel(words=words, shape="■", tone="bad")
    is_wall = shown is not None and shown.wall is not None
    return StateLabel(
        words=words, shape="◆" if is_wall else "○", tone="warn" if is_wall else "open"
    )


def capture_label(outcome: Outcome | None) -> StateLabel:
    """Return the answer to "Is the capture whole?"."""
    if outcome is None:
        return OPEN
    words, shape, tone = _CAPTURE[outcome]
    return StateLabel(words=capitalized(words), shape=shape, tone=tone)


def proof_label(proof: ProofState) -> StateLabel:
    """Return the answer to "Is the proof intact?"."""
    _, shape, tone = _VERDICTS[proof.verdict]
    words = sentences.proof_words(proof).partition("(")[2].rstrip(")")
    return StateLabel(words=capitalized(words), shape=shape, tone=tone)


def verdict_label(verdict: Verdict) -> StateLabel:
    """Return the result of one check."""
    words, shape, tone = _VERDICTS[verdict]
    return StateLabel(words=capitalized(words), shape=shape, tone=tone)


def job_result_label(status: JobStatus) -> StateLabel:
    """
    Return the state of a job of the queue, for lists of jobs.

    A capture that is partial or failed has the words that lists of captures have for it.
    """
    outcome = Outcome(status.outcome) if status.outcome in set(Outcome) else None
    if status.bundle_id and status.state.over and outcome in (Outcome.PARTIAL, Outcome.FAILED):
        return capture_label(outcome)
    if status.state is JobState.INCOMPLETE:
        return _LACKS_A_PART
    return job_label(status.state)


def job_label(state: JobState) -> StateLabel:
    """Return the state of jobs of the queue."""
    words, shape, tone = _JOBS[state]
    return StateLabel(words=capitalized(words), shape=shape, tone=tone)
