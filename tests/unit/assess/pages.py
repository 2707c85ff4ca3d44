"""Pages for judgement, made of what the fixture site answers: no browser, and no script ran."""

from datetime import UTC, datetime

from snapshotter.assess.assessor import RuleAssessor
from snapshotter.model.page import Page
from snapshotter.policy.takedown import load_rules, shipped_rules
from snapshotter.site import catalogue
from snapshotter.site.response import Response

AT = datetime(2026, 1, 8, 2, 0, tzinfo=UTC)


def assessor() -> RuleAssessor:
    """Return one with all rules that are shipped."""
    return RuleAssessor(load_rules(shipped_rules()))


def page(
    response: Response,
    url: str,
    *,
    requested: str = "",
    before: tuple[bytes, ...] = (),
) -> Page:
    """Return the page of an answer."""
    return Page(
        requested_url=requested or url,
        final_url=url,
        captured_at=AT,
        timezone="Asia/Shanghai",
        locale="zh-CN",
        status=response.status,
        media_type=response.header("Content-Type").partition(";")[0],
        headers={key.lower(): value for key, value in response.headers},
        html=response.text,
        raw=response.body,
        raw_before=before,
    )


def site_page(name: str) -> Page:
    """Return a page of the fixture site, at the end of its redirects and scripts."""
    settled = catalogue.settle(name)
    requested = f"http://{catalogue.host_of(name)}/{name}"
    return page(
        settled.response,
        settled.url,
        requested=requested,
        before=tuple(it.response.body for it in settled.before),
    )


def markup(html: str, url: str = "http://news.example/story", status: int = 200) -> Page:
    """Return a page of any markup."""
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
