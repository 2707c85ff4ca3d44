"""Pages for judgement, made of what the fixture site answers or of any markup: no browser."""

from datetime import UTC, datetime

from snapshotter.assess.assessor import RuleAssessor
from snapshotter.model.page import Page
from snapshotter.policy.takedown_rules import load_rules, shipped_rules
from snapshotter.site.rendered_pages import page_from_response, rendered_page
from snapshotter.site.response import Response

AT = datetime(2026, 1, 8, 2, 0, tzinfo=UTC)


def assessor() -> RuleAssessor:
    """Return one with all rules that are shipped."""
    return RuleAssessor(load_rules(shipped_rules()))


def page(response: Response, url: str) -> Page:
    """Return the page of an answer."""
    return page_from_response(response, url)


def site_page(name: str) -> Page:
    """Return a page of the fixture site, at the end of its redirects and scripts."""
    return rendered_page(name)


def markup(html: str, url: str = "http://news.example/story", status: int = 200) -> Page:
    """Return a page of any markup, which no browser laid out."""
    return Page(
        requested_url=url,
        final_url=url,
        captured_at=AT,
        timezone="UTC",
        locale="en-US",
        status=status,
        media_type="text/html",
        html=html,
    )
