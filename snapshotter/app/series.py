"""
Captures one after the other in one process; one that fails holds up no other.

While the bundle of one is sealed, the browser of the next one starts. Owed timestamp
tokens are asked for meanwhile, in the background.
"""

import threading
from typing import Self

from snapshotter.app import pipeline, remarks, tokens
from snapshotter.app.ahead import Ahead
from snapshotter.app.interruption import Interruption
from snapshotter.app.pipeline import Result, World
from snapshotter.errors import SnapshotterError
from snapshotter.model.request import CaptureRequest, Decision
from snapshotter.ports import Lease, Progress, Tell


class Series:
    """The captures of one command. Use as a context manager."""

    def __init__(self, world: World, stop: Interruption) -> None:
        self.world = world
        self.stop = stop
        self._ahead = Ahead(world.capturer, world.spool_dir, world.ids)
        self._told: set[str] = set()

    def __enter__(self) -> Self:
        self._ahead.__enter__()
        return self

    def __exit__(self, *reason: object) -> None:
        self._ahead.__exit__(*reason)

    def run(
        self,
        url: str,
        decision: Decision,
        progress: Progress,
        *,
        following: bool = False,
        lease: Lease | None = None,
    ) -> Result:
        """
        Carry one request to a stored bundle, as `pipeline.run` does and raises.

        Args:
            following: Another one comes at once, under the same decision.
            lease: Hears of the bundle's id, and says whether it may be stored.
        """
        return pipeline.run(
            CaptureRequest(url=url), decision, self.world, progress, self.stop,
            ahead=self._ahead, more=following, lease=lease,
        )  # fmt: skip

    def rest(self) -> None:
        """Let go of what was made ready: the next one does not come at once."""
        self._ahead.discard()

    def warnings(self, done: Result) -> tuple[str, ...]:
        """Return what has to be said of a capture; of the browser's confinement, once for all."""
        unsafe = [it for it in remarks.safety_warnings(done) if it not in self._told]
        self._told.update(unsafe)
        return (
            *remarks.clock_warnings(done),
            *remarks.identity_warnings(done),
            *remarks.policy_warnings(done, self.world.picks),
            *unsafe,
            *remarks.log_warnings(done),
            *remarks.replay_warnings(done),
        )


def retry_in_background(world: World, tell: Tell) -> threading.Thread:
    """Ask for owed tokens while the page is rendered: it must not cost the capture any time."""

    def work() -> None:
        try:
            asked = tokens.ask_again(world.desk)
        except SnapshotterError as error:
            tell(f"owed timestamp tokens could not be asked for: {error}")
        else:
            if asked.granted:
                count = asked.granted
                tell(f"{count} timestamp tokens came late and were stored beside their bundles")
            for problem in asked.problems:
                tell(f"an owed timestamp token could not be asked for: {problem}")

    thread = threading.Thread(target=work, name="owed-tokens", daemon=True)
    thread.start()
    return thread
