"""The page of a campaign report: closed, and honest about what nobody saw."""

import base64
import hashlib
import re
from dataclasses import replace
from datetime import timedelta
from html import unescape

import pytest

from snapshotter.assess.campaign import compute_findings, events_with_unproven_order
from snapshotter.model.campaign import OWN_WORD, Campaign, CampaignReport, Span
from snapshotter.report import campaign as pages
from tests.unit.assess.test_campaign import GONE, T0, THERE, page

HOSTILE = '</td><script>alert(1)</script>"\u202e'


def made(title: str = "") -> CampaignReport:
    campaign = Campaign(
        report_id="20260701t000000z-abcdefghijklmnop",
        made_at=T0 + timedelta(hours=50),
        title=title,
        scope="a list of 2",
        since=T0,
        until=T0 + timedelta(hours=50),
        pages=(
            page("a", (0, THERE), (4, THERE), (5, GONE), (6, GONE)),
            page(f"b{HOSTILE}", (0, THERE), (9, THERE)),
        ),
    )
    return CampaignReport(campaign=campaign, findings=compute_findings(campaign))


def test_the_page_runs_nothing_and_loads_nothing() -> None:
    text = pages.page(made(HOSTILE)).decode()

    style = re.search("<style>(.*?)</style>", text, re.S)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in unescape(text)
    assert "script-src" not in text
    assert "<script" not in text
    assert "\u202e" not in text
    assert not re.search(r"\s(?:src|href|style|on\w+)=(?!\"#)", text)


def test_the_curve_is_a_band_and_each_step_of_it_stands_in_a_table() -> None:
    report = made()

    text = pages.page(report).decode()

    assert text.count('<rect class="band"') >= 2
    at_least, at_most = (
        re.findall(rf'data-label="Still available, at {bound}"><div>(\d+)</div>', text)
        for bound in ("least", "most")
    )
    assert ("2", "2") in list(zip(at_least, at_most, strict=True))
    for removal in report.findings.rows[0].removals:
        assert removal.event_id in text
        assert all(bundle in text for bundle in removal.bundles)


def test_the_page_says_of_which_events_no_token_bears_out_the_order() -> None:
    report = made()
    (removal,) = report.findings.rows[0].removals

    assert events_with_unproven_order(report.campaign) == (
        removal.event_id,
    )  # no capture has a token
    assert "No timestamp token or log confirms that" not in pages.page(report).decode()
    assert (
        "No timestamp token or log confirms that"
        in pages.page(report, weak=[removal.event_id]).decode()
    )


@pytest.mark.parametrize(
    ("minutes", "is_weak"), [((0, 1, 2, 3), False), ((0, 9, 2, 10), True), ((0, 1, 2, None), True)]
)
def test_an_order_is_borne_out_by_tokens_that_came_in_it(
    minutes: tuple[int | None, ...], is_weak: bool
) -> None:
    watched = page("a", (0, THERE), (4, THERE), (5, GONE), (6, GONE))
    captures = tuple(
        replace(observation, proven_at=None if at is None else T0 + timedelta(hours=10, minutes=at))
        for observation, at in zip(watched.captures, minutes, strict=True)
    )
    its = replace(made().campaign, pages=(replace(watched, captures=captures),))

    assert bool(events_with_unproven_order(its)) is is_weak


def test_the_page_says_what_is_the_word_of_whoever_made_it() -> None:
    text = pages.page(made()).decode()

    (told,) = re.findall(r"no capture confirms them: ([^.]*)\.", text)
    assert told.split(", ") == [name.replace("_", " ") for name in OWN_WORD]


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (None, "not known"),
        (Span(at_least_ms=60_000, at_most_ms=3_600_000), "between 1 min 0 s and 1 h 0 min"),
        (Span(at_least_ms=999, at_most_ms=4_001), "between 0 s and 5 s"),
        (Span(at_least_ms=3_659_999, at_most_ms=3_660_001), "between 1 h 0 min and 1 h 2 min"),
        (
            Span(at_least_ms=90_000_000, at_most_ms=None),
            "at least 1 d 1 h. More than half of the pages may still be available",
        ),
    ],
)
def test_a_length_that_is_not_known_exactly_is_told_as_that(
    span: Span | None, expected: str
) -> None:
    assert pages.format_span(span) == expected
