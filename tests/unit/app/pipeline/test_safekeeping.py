"""A bundle that could not be stored is kept, and the error names its place."""

from snapshotter.app.pipeline.safekeeping import _join_hints

KEPT = "the sealed bundle is kept. Store the bundle:\n  snapshotter store add kept.wacz"


def test_the_commands_of_joined_hints_stand_last() -> None:
    assert _join_hints("test the endpoint:\n  snapshotter store check", KEPT) == (
        "test the endpoint. The sealed bundle is kept. Store the bundle:\n"
        "  snapshotter store check\n"
        "  snapshotter store add kept.wacz"
    )
    assert _join_hints("free space on this disk", KEPT) == (
        "free space on this disk. The sealed bundle is kept. Store the bundle:\n  snapshotter "
        "store add kept.wacz"
    )
