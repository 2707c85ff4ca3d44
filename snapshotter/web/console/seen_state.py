"""
Keep two people, or two tabs, from overwriting each other's decision unseen.

A page has the number of the last record about its capture or case in the field `seen` of its forms.
A later record refuses the decision: here if the index has it, else in the task.
"""

from dataclasses import replace

from snapshotter.app.archive.organising import cases
from snapshotter.app.tasks.kinds import AnnotateArguments
from snapshotter.model.annotation_state import AnnotationState
from snapshotter.web.console.forms import Form


def for_seen_state(
    arguments: AnnotateArguments, form: Form, state: AnnotationState
) -> AnnotateArguments:
    """
    Return arguments about one capture or case, for the state that the page of the form showed.

    Raises:
        SnapshotterError: Somebody changed the state after the page was loaded.
    """
    text = form.text("seen")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        return arguments
    seen = int(text)
    bundle_id = "" if arguments.case else arguments.bundle_ids[0]
    cases.require_unchanged(state, seen, bundle_id=bundle_id, case=arguments.case)
    return replace(arguments, seen_record=seen)
