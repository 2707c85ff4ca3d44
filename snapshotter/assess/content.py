"""
Decide the content verdict of a page: content, notice, wall, shell, blank, error or partial.

The content verdict follows from the take-down verdict, so that the two never contradict each other:
an available page is `content` or `partial`, and an unavailable one is `notice`. An inconclusive
page is `wall`, `notice` or `error` if the take-down verdict names one of these. A page that no rule
matches is `blank` if it shows nothing; otherwise it is `shell` if the host has rules, and `content`
if it has none. The verdict is computed while the browser is still open, because an empty page can
then be loaded once more.
"""

from snapshotter.assess.availability import TakedownJudgement
from snapshotter.assess.page_view import PageView
from snapshotter.model.assessment import (
    MAX_EXCERPT,
    Availability,
    Content,
    ContentVerdict,
    Evidence,
    Step,
    Undecided,
)


def content_kind(
    view: PageView, judged: TakedownJudgement, *, has_rules: bool = True
) -> ContentVerdict:
    """
    Return what kind of page was captured.

    Args:
        has_rules: Whether there are rules for the page's host. Without rules, what is shown counts
            as content.
    """
    verdict = judged.verdict
    if verdict.availability is Availability.AVAILABLE:
        return _content(view, judged)
    if verdict.availability is Availability.UNAVAILABLE:
        # What was received and is not shown is part of what the page is.
        more = "; what was received holds content" if judged.content else ""
        return ContentVerdict(
            kind=Content.NOTICE,
            detail=f"a notice: {verdict.detail}{more}",
            evidence=(*verdict.evidence, *judged.content),
        )
    kinds = {
        Undecided.WALL: Content.WALL,
        Undecided.UNKNOWN_NOTICE: Content.NOTICE,
        Undecided.ERROR: Content.ERROR,
    }
    if verdict.undecided in kinds:
        return ContentVerdict(
            kind=kinds[verdict.undecided], detail=verdict.detail, evidence=verdict.evidence
        )
    return _empty(view, has_rules=has_rules)


def _content(view: PageView, judged: TakedownJudgement) -> ContentVerdict:
    missing = _missing_images(view)
    if not judged.partial and not missing:
        return ContentVerdict(
            kind=Content.CONTENT, detail="the content is there", evidence=judged.content
        )
    said = "the page itself holds some of it back" if judged.partial else ""
    shown = (*judged.content, *judged.partial)
    if missing:
        images = view.page.images
        lost = f"{missing} of {images.wanted} images did not come"
        said = f"{said}; {lost}" if said else lost
        shown = (*shown, Evidence(rule="content.images", step=Step.CONTENT, excerpt=lost))
    return ContentVerdict(kind=Content.PARTIAL, detail=said, evidence=shown)


def _missing_images(view: PageView) -> int:
    images = view.page.images
    return images.failed + images.placeholder + images.pending


def _empty(view: PageView, *, has_rules: bool) -> ContentVerdict:
    """Return the kind of a page that no rule matches: some of it is there, or nothing at all."""
    root = view.document.root if view.document is not None else None
    # What the browser showed counts where the document could not be read to its end.
    seen = sum(1 for character in view.page.text if not character.isspace())
    characters = max(seen, 0 if root is None else view.count(root))
    if not characters and not (root is not None and view.pictures(root, 1)):
        detail = "nothing is shown" if root is not None else "there is no document"
        return ContentVerdict(
            kind=Content.BLANK,
            detail=detail,
            evidence=(Evidence(rule="content.blank", step=Step.NOTHING, excerpt=detail),),
        )
    if not has_rules:
        detail = "something is shown, and there are no rules for this host to judge it by"
        return ContentVerdict(kind=Content.CONTENT, detail=detail)
    detail = f"{characters} characters around a main text that is not there"
    if view.redirected_to_front_page:
        detail = "the front page of its host came in its place"
    return ContentVerdict(
        kind=Content.SHELL,
        detail=detail,
        evidence=(
            Evidence(
                rule="content.shell",
                step=Step.NOTHING,
                region="" if root is None else view.selector(root),
                excerpt=(view.page.text if root is None else view.text(root)).strip()[:MAX_EXCERPT],
            ),
        ),
    )
