"""Prepare what the statement of a proof pack shows of a change: words before and after, dates."""

from collections.abc import Callable
from typing import Any, Final

from markupsafe import Markup, escape

from snapshotter.formats.printable import cut
from snapshotter.model import change_sentences, page_names
from snapshotter.model.change import ChangedItem, ChangeSubject
from snapshotter.model.comparison import Op
from snapshotter.model.takedown import Takedown
from snapshotter.report import html as documents

MAX_SHOWN: Final = 20  # items
_MAX_PIECE = 600  # characters
_NOTHING = Markup('<span class="quiet">nothing</span>')


def context(event: Takedown | None, foreign: Callable[[str], Markup]) -> dict[str, Any]:
    """
    Return the values of the template.

    Args:
        foreign: Makes text of a captured page safe to show.
    """
    change = event.change if event is not None else None
    if change is None:
        raise ValueError("the statement of a change needs its event")
    return {
        "dates": [
            Markup("{}{}{}").format(sentence.before, foreign(sentence.raw), sentence.behind)
            for sentence in change_sentences.date_sentences(change)
        ],
        "is_stale": change_sentences.is_stale(change),
        "items": [_item(item) for item in change.items[:MAX_SHOWN]],
        "partial": change_sentences.partial(change.missing),
        "unexplained": change_sentences.unexplained(change.unexplained),
        "subjects": change_sentences.subjects(change.subjects),
    }


def _item(item: ChangedItem) -> dict[str, Any]:
    label = documents.escape_misleading(change_sentences.item_label(item))
    said = {
        "label": label,
        "technical": documents.escape_misleading(page_names.technical_place(item.where)),
        "unseen": item.seen is False,
    }
    if item.subject is ChangeSubject.PICTURE:
        shown = [
            Markup("file with the SHA-256 <code>{}</code>").format(
                documents.escape_misleading(piece.text)
            )
            if piece is not None
            else _NOTHING
            for op in (Op.REMOVED, Op.ADDED)
            for piece in (next((one for one in item.pieces if one.op is op), None),)
        ]
        return {**said, "before": shown[0], "after": shown[1]}
    return {
        **said,
        "before": _side(item, Op.REMOVED, Op.ADDED, "del"),
        "after": _side(item, Op.ADDED, Op.REMOVED, "ins"),
    }


def _side(item: ChangedItem, own: Op, other: Op, element: str) -> Markup:
    """Return the text of one capture, with the words that only this capture has in an element."""
    found = Markup("")
    for piece in item.pieces:
        if piece.op is other:
            continue
        text = Markup("<br>").join(
            escape(documents.escape_misleading(line))
            for line in cut(piece.text, _MAX_PIECE).split("\n")
        )
        if piece.op is own:
            text = Markup(f"<{element}>{{}}</{element}>").format(text)  # noqa: S704 (a name of ours)
        found += text
    if not found.striptags().strip():
        return _NOTHING
    return Markup('<bdi dir="auto">{}</bdi>').format(found)
