"""What a page shows, by its status and its text alone: for as long as there are no rules."""

import hashlib

from snapshotter.model.assessment import (
    Assessment,
    Availability,
    Cause,
    Content,
    ContentVerdict,
    Evidence,
    Step,
    TakedownVerdict,
    Undecided,
)
from snapshotter.model.page import Page

_CAUSES = {404: Cause.NOT_STATED, 410: Cause.NOT_STATED, 451: Cause.LEGAL}


class PlainAssessor:
    """`ports.Assessor` without rules."""

    def judge(self, page: Page) -> tuple[ContentVerdict, TakedownVerdict]:
        content = _content(page)
        if content.kind is Content.NOTICE:
            return content, TakedownVerdict(
                availability=Availability.UNAVAILABLE,
                detail=content.detail,
                cause=_CAUSES.get(page.status or 0, Cause.NOT_STATED),
                rule=content.evidence[0].rule,
                evidence=content.evidence,
            )
        if content.kind is Content.CONTENT:
            return content, TakedownVerdict(
                availability=Availability.AVAILABLE, detail=content.detail
            )
        undecided = Undecided.ERROR if content.kind is Content.ERROR else Undecided.UNKNOWN
        return content, TakedownVerdict(
            availability=Availability.INCONCLUSIVE, detail=content.detail, undecided=undecided
        )

    def assess(self, page: Page) -> Assessment:
        content, takedown = self.judge(page)
        text = " ".join(page.text.split())
        return Assessment(
            content=content,
            takedown=takedown,
            main_sha256=hashlib.sha256(text.encode()).hexdigest() if text else "",
        )


def _content(page: Page) -> ContentVerdict:
    if page.failure:
        return ContentVerdict(kind=Content.ERROR, detail=f"no page came: {page.failure}")
    if page.status in _CAUSES:
        rule = f"content.http-{page.status}"
        evidence = Evidence(rule=rule, step=Step.STATUS, excerpt=str(page.status))
        detail = f"the server answered {page.status}"
        return ContentVerdict(kind=Content.NOTICE, detail=detail, evidence=(evidence,))
    if page.status is None or page.status >= 400:
        return ContentVerdict(kind=Content.ERROR, detail=f"the server answered {page.status}")
    if not page.text.strip() and not page.images.loaded:
        return ContentVerdict(kind=Content.BLANK, detail="the page shows nothing")
    return ContentVerdict(kind=Content.CONTENT, detail="the page shows something")
