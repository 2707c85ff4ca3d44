"""Check and record the values of `--tag` and `--case` of the commands that capture."""

import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.archive.annotations import AnnotationService
    from snapshotter.app.settings import Settings


def checked_labels(
    settings: "Settings", tags: Sequence[str], cases: Sequence[str]
) -> tuple[str, ...]:
    """
    Return the labels of captures; nothing is read if there are none.

    Raises:
        UsageError: A tag or the name of a case is invalid.
        SnapshotterError: A case does not exist or is closed.
    """
    if not tags and not cases:
        return ()
    from snapshotter.app.archive.organising import capture_labels
    from snapshotter.app.wiring import annotations as wiring
    from snapshotter.cli.output import print_message

    try:
        found = capture_labels.labels(tags, cases)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if cases:
        capture_labels.require_cases(
            lambda: wiring.read_state(settings, show_message=print_message), found
        )
    return found


class LabelRecorder:
    """
    Records the labels of the captures of one command.

    Args:
        labels: Of each capture; none is permitted.
    """

    def __init__(self, settings: "Settings", labels: Sequence[str]) -> None:
        self._settings = settings
        self._labels = labels
        self._open_service: Callable[[], AnnotationService] | None = None

    def begin(self) -> None:
        """
        Open the annotation key, or make it, so that the notice about a new key is printed first.

        An error is not raised here: `record` opens the key again, and prints the error.
        """
        if not self._labels:
            return
        self._open_service = _opener(self._settings)
        with contextlib.suppress(SnapshotterError):
            self._open_service().signer()

    def record(self, bundle_ids: Sequence[str]) -> None:
        """Record the labels of stored captures; print what could not be recorded."""
        if self._labels and bundle_ids:
            _record(self._open_service or _opener(self._settings), self._labels, bundle_ids)


def label_recorder(settings: "Settings") -> Callable[[str, Sequence[str]], bool]:
    """
    Return a function that records a label of stored captures, and returns whether it could.

    The annotation key is opened once, when it is needed.
    """
    opened: list[Callable[[], AnnotationService]] = []

    def record(label: str, bundle_ids: Sequence[str]) -> bool:
        if not opened:
            opened.append(_opener(settings))
        return _record(opened[0], (label,), bundle_ids)

    return record


def _opener(settings: "Settings") -> "Callable[[], AnnotationService]":
    from snapshotter.app.wiring import annotations as wiring
    from snapshotter.cli.key_options import ask_passphrase
    from snapshotter.cli.output import print_message

    return wiring.opener(settings, ask=ask_passphrase, show_message=print_message)


def _record(
    open_service: "Callable[[], AnnotationService]",
    labels: Sequence[str],
    bundle_ids: Sequence[str],
) -> bool:
    from snapshotter.app.archive.organising import capture_labels
    from snapshotter.cli.output import print_message

    problems = capture_labels.label_captures(open_service, labels, bundle_ids)
    for problem in problems:
        print_message(problem)
    if not problems:
        print_message(
            tr(
                "tags and cases recorded: {labels}; captures: {count}",
                labels=", ".join(labels),
                count=len(bundle_ids),
            )
        )
    return not problems
