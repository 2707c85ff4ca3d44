"""
Make labels of new captures into tags and cases.

`--tag` and `--case` of `capture`, `batch`, `schedule` and `watch` become labels. A job carries its
labels to the worker: a tag as it is, a case as `case:NAME`. When the bundle is stored, the labels
become annotations of the capture. A label that cannot become one costs no capture: the problem is
a sentence with the command that completes the work.
"""

import shlex
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from snapshotter.app.archive.annotations import AnnotationService
from snapshotter.app.archive.organising import cases
from snapshotter.errors import SnapshotterError
from snapshotter.formats.statements import annotation
from snapshotter.model.annotation_state import AnnotationState
from snapshotter.translation import tr

CASE: Final = "case:"  # begins the label of a case


def labels(tags: Iterable[str], case_names: Iterable[str]) -> tuple[str, ...]:
    """Return the labels for tags and cases. Raises ValueError: a tag or a name is invalid."""
    checked = [cases.new_tag(tag) for tag in tags]
    named = [f"{CASE}{annotation.check_case(name)}" for name in case_names]
    return tuple(dict.fromkeys((*checked, *named)))


def require_cases(read_state: Callable[[], AnnotationState], wanted: Sequence[str]) -> None:
    """
    Return if the cases of these labels exist and are open.

    Args:
        read_state: Called only if there is such a label.

    Raises:
        SnapshotterError: One does not exist or is closed.
    """
    names = [label.removeprefix(CASE) for label in wanted if label.startswith(CASE)]
    if not names:
        return
    state = read_state()
    for name in names:
        cases.require_open_case(state, name)


def label_captures(
    open_service: Callable[[], AnnotationService],
    wanted: Sequence[str],
    bundle_ids: Sequence[str],
) -> tuple[str, ...]:
    """
    Make labels of stored captures into annotations; return a sentence for each problem.

    Args:
        open_service: Called only if there is a label and a capture.
    """
    if not wanted or not bundle_ids:
        return ()
    problems = []
    for label in dict.fromkeys(wanted):
        command = f"tag add {shlex.quote(label)}"
        try:
            if label.startswith(CASE):
                name = label.removeprefix(CASE)
                command = f"case add {name}"
                cases.add_stored_to_case(open_service(), annotation.check_case(name), bundle_ids)
            else:
                cases.tag_stored(open_service(), label, bundle_ids)
        except (SnapshotterError, ValueError) as error:
            problems.append(
                tr(
                    "the label {label} was not recorded: {error}. To record it:\n  snapshotter "
                    "{command} {bundle_ids}",
                    label=label,
                    error=error,
                    command=command,
                    bundle_ids=" ".join(bundle_ids),
                )
            )
    return tuple(problems)
