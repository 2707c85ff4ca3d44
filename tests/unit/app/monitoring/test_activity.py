"""What people see of a running capture: five steps, and the words of the stage."""

from snapshotter.app.monitoring.activity import STEPS, stage_words, step_of_stage
from snapshotter.model.sentences import STEP_NAMES

_STEP = {
    "": 0, "prepare": 0, "launch": 0, "navigate": 1, "settle": 1, "scroll": 1, "screenshot": 2,
    "viewport-phone": 2, "pdf": 2, "record": 2, "close": 2, "assess": 3, "compress": 3, "seal": 4,
    "timestamp": 4, "store": 4, "await-store": 4, "append": 4, "replay": 4,
}  # fmt: skip


def test_each_stage_is_of_one_step() -> None:
    assert {stage: step_of_stage(stage) for stage in _STEP} == _STEP
    assert len(STEPS) == 5


def test_each_stage_has_words() -> None:
    for stage in (*_STEP, *STEP_NAMES):
        assert stage_words(stage) != stage, stage
    assert stage_words("a stage of a later release") == "a stage of a later release"
