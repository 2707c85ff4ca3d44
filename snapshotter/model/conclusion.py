"""Choose the exit code of a command that captures pages."""

from collections.abc import Sequence

from snapshotter.errors import CaptureIncomplete


def exit_code(met: bool, *, required: bool) -> int:
    """Return the exit code of a capture that was sealed and stored: 3 where it lacks something."""
    return 0 if met or not required else CaptureIncomplete.exit_code


def combined_exit_code(codes: Sequence[int]) -> int:
    """Return the exit code of several captures: the last failure, else the incomplete, else 0."""
    failures = [code for code in codes if code not in (0, CaptureIncomplete.exit_code)]
    return failures[-1] if failures else max(codes, default=0)
