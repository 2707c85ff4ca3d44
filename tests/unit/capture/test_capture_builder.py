"""What a page makes us do over and over does not fill its record."""

from snapshotter.capture.capture_builder import CaptureBuilder
from snapshotter.formats import canonical_json
from snapshotter.model.capture import ImageCounts, StepState
from tests.fakes.world import FixedClock


def test_what_is_done_a_thousand_times_is_told_and_the_rest_is_counted(clock: FixedClock) -> None:
    builder = CaptureBuilder(
        requested_url="https://example.org/", clock=clock, progress=lambda *_: None
    )
    builder.note("scroll", "once")
    for n in range(1_500):
        builder.note("hold-page", f"not to https://example.org/{n}")

    told = builder.actions

    assert [action.detail for action in told if action.kind == "scroll"] == ["once"]
    held = [action.detail for action in told if action.kind == "hold-page"]
    assert len(held) == 1_001
    assert (held[0], held[-1]) == ("not to https://example.org/0", "more actions of this kind: 500")


def test_a_picture_that_stands_for_another_one_is_no_image_that_loaded(clock: FixedClock) -> None:
    builder = CaptureBuilder(
        requested_url="https://example.org/", clock=clock, progress=lambda *_: None
    )
    told: list[dict[str, object]] = [
        {"current": "https://img.example/a#x", "state": "loaded", "wanted": ""},
        {"current": "https://img.example/b", "state": "loaded", "wanted": ""},
        {"current": "https://img.example/a", "state": "failed", "wanted": ""},
        {"more": True},
    ]
    builder.image_lines = b"".join(canonical_json.dumps(line) + b"\n" for line in told)
    builder.images = ImageCounts(wanted=3, loaded=2, failed=1)

    builder.mark_placeholders({"https://img.example/a", "https://img.example/other"})

    lines = [canonical_json.loads(line) for line in builder.image_lines.splitlines()]
    assert lines == [told[0] | {"state": "placeholder"}, *told[1:]]
    assert (builder.images.loaded, builder.images.placeholder, builder.images.failed) == (1, 1, 1)
    assert builder.images.placeholder_urls == ("https://img.example/a#x",)


def test_how_a_step_goes_is_told_under_its_own_name_also_where_others_run_beside_it(
    clock: FixedClock,
) -> None:
    told: list[tuple[str, str]] = []
    builder = CaptureBuilder(
        requested_url="https://example.org/",
        clock=clock,
        progress=lambda *message: told.append(message),
    )
    for name in ("screenshot", "dom"):
        builder.begin_step(name)

    builder.say("screenshot", "tile 1, 0 of 900 px")
    builder.end_step(StepState.OK, name="screenshot")
    builder.say("screenshot", "of a step that has ended, nobody is told")

    assert told == [("screenshot", ""), ("dom", ""), ("screenshot", "tile 1, 0 of 900 px")]
