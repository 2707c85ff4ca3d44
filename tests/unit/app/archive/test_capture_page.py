"""What the page about a capture is made of, beyond the bundle itself."""

import io
from dataclasses import replace
from datetime import UTC

from snapshotter.app.archive.capture_page import CaptureSource, read_material
from snapshotter.verify.sidecars import NO_SIDECARS
from tests.unit.assess.test_possible_removals import few, seen
from tests.unit.report.test_capture_page import AT, PASSED


def test_a_capture_that_may_show_a_removal_names_the_last_one_that_shows_the_page() -> None:
    before, this = seen(10), few(20)
    source = CaptureSource(
        name="x", store="captures", stream=io.BytesIO(b"no bundle"), sidecars=NO_SIDECARS,
        report=replace(PASSED, bundle_id=this.bundle_id), captures=[before, this],
        now=AT.astimezone(UTC),
    )  # fmt: skip

    material = read_material(source)

    assert material.lost_since == before
    assert material.record == {}
    assert any(text.startswith("capture record: ") for text in material.unread)
    shown = read_material(replace(source, captures=[before]))
    assert shown.lost_since is None
