"""Build what derives the assessment of a bundle that has none, by the rules of today."""

from typing import BinaryIO

from snapshotter.app.archive import assessment, bundles
from snapshotter.app.policies import configured_policy
from snapshotter.app.settings import Settings
from snapshotter.app.wiring import capture as wiring
from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.model.assessment import Assessment
from snapshotter.policy import capture_decision
from snapshotter.translation import tr

_DOM = "capture/dom.html"


def reassess(settings: Settings, stream: BinaryIO) -> Assessment | None:
    """
    Return what an older bundle shows by current rules; None if it holds no document.

    Raises:
        EvidenceInvalid: The files of the bundle do not suffice.
    """
    files = assessment.BundleFiles(stream)
    if _DOM not in files.names():
        return None
    record = bundles.read_record(stream)
    try:
        url = str(record["what"]["requested_url"])
        decision = capture_decision.decide(configured_policy.judging_policy(settings, url))
        return assessment.assess(record, files, decision, wiring.assessor)
    except (KeyError, TypeError, SnapshotterError) as error:
        if isinstance(error, EvidenceInvalid):
            return None
        raise EvidenceInvalid(
            tr(
                "the availability of the page cannot be derived from the capture: {error}",
                error=error,
            )
        ) from error
