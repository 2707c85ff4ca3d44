"""Verify the event in a proof pack by the rules that the captures in the pack contain."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from snapshotter.app.takedown.bundle_finder import VerifiedBundle
from snapshotter.app.takedown.event_verification import verify_event
from snapshotter.app.takedown.rederivation import Rederivation
from snapshotter.verify.proof_pack import JudgeEvent, LendCapture
from snapshotter.verify.takedown import EventReport
from snapshotter.verify.trust import Trust


def judge_by_rules(trust: Trust, by: Rederivation) -> JudgeEvent:
    """Return a function that derives the event of a pack again from the captures in the pack."""

    def judge(data: bytes, packed: Mapping[str, LendCapture]) -> EventReport:
        @contextmanager
        def find(bundle_id: str) -> Iterator[VerifiedBundle | None]:
            lend = packed.get(bundle_id)
            if lend is None:
                yield None
                return
            with lend() as (report, stream):
                yield VerifiedBundle(report=report, stream=stream)

        return verify_event(data, trust, find, by)

    return judge
