"""
The fixture site through a real browser: every page gets its one right verdict.

What the product captures with, and nothing in its place but who knows names: the platforms'
hosts are on loopback here. The same pages are tried without a browser in
`tests/unit/assess/test_fixture_verdicts.py`; here it is scripts, redirects and layout that count.
"""

import gzip
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from snapshotter.app.archive.assessment import with_assessment
from snapshotter.app.machine import RandomIds, SystemClock
from snapshotter.app.wiring import capture as wiring
from snapshotter.capture.engine import ChromiumCapturer
from snapshotter.egress.resolver import ResolutionFailed
from snapshotter.formats.digest import digest_bytes
from snapshotter.model.assessment import Assessment, Availability, Content
from snapshotter.model.capture import Capture, Outcome
from snapshotter.model.request import CaptureRequest, Decision, RedactRules
from snapshotter.policy.capture_decision import decide
from snapshotter.policy.load import load
from snapshotter.site.catalogue import hosts
from snapshotter.site.late_content import PATCHES, TAKEN_DOWN
from snapshotter.site.pictures import SHORT_LINK
from snapshotter.site.rendered_pages import rendered_page
from snapshotter.site.server import FixtureSite
from snapshotter.site.state import BEGIN, SiteState, available, removed
from snapshotter.site.wechat import CLIENT, DEVICE, SHARER, UIN
from tests.canaries import spellings, unfolded
from tests.late import places
from tests.verdicts import differences, judged_by_all

pytestmark = pytest.mark.e2e

# A wall that goes by itself does so much earlier, on the slowest machine too; at those that
# stay nobody waits.
GRACE_S = {"wx/captcha-auto": 60.0}


class SiteResolver:
    """Knows the site's hosts, and no others."""

    async def resolve(self, host: str) -> tuple[str, ...]:
        if host not in hosts():
            raise ResolutionFailed("dns", f"{host} is none of the site's")
        return ("127.0.0.1",)


class Visitor:
    """Captures pages of the site, and assesses them as the product does."""

    def __init__(self, site: FixtureSite, folder: Path) -> None:
        self.site = site
        self._folder = folder
        self._clock = SystemClock()
        self.watch: Callable[[str, str], None] = lambda *_: None

    def __call__(
        self, path: str, *, light: bool = True, redact: RedactRules | None = None
    ) -> tuple[Capture, Assessment]:
        decision = Decision(
            policy_name="test", policy_text="", locale="zh-CN", timezone="Asia/Shanghai",
            allow_networks=("127.0.0.0/8",), light=light,
            verdict=judged_by_all(wall_grace_s=GRACE_S.get(path, 0.0)),
            redact=redact or RedactRules(),
        )  # fmt: skip
        capturer = ChromiumCapturer(
            clock=self._clock, ids=RandomIds(), version="0", resolver=SiteResolver(),
            assessor=wiring.assessor,
        )  # fmt: skip
        captured = capturer.capture(
            CaptureRequest(url=self.site.url(path)), decision, self._folder, self.watch
        )
        captured, found = with_assessment(
            captured, decision, wiring.assessor, spool=self._folder, clock=self._clock
        )
        assert found is not None, captured.warnings
        return captured, found


@pytest.fixture(scope="module")
def running() -> Iterator[FixtureSite]:
    with FixtureSite() as site:
        yield site


@pytest.fixture
def visit(running: FixtureSite, tmp_path: Path) -> Visitor:
    running.state = SiteState().change("wx/captcha-auto", BEGIN, available(after_s=0.2))
    running.forget()
    return Visitor(running, tmp_path)


# One capture each, and of pages without a script one of each site: what a browser shows of
# those is what was sent (tests/unit/site/test_fixture_site.py), and every page is judged
# without a browser as well (tests/unit/assess).
ROWS = [
    "news/2014",
    "wx/image-post", "wx/deleted-zh", "wx/violation", "wx/migrated", "wx/frozen-name", "wx/rumor",
    "wx/captcha-auto", "wx/captcha-hard", "wx/quotes-notice",
    "wb/post", "wb/repost-deleted", "wb/sorry", "wb/api-20101", "wb/api-link", "wb/visitor",
    "wb/414", "soft404", "real404", "451",
]  # fmt: skip


# What the capture says of it besides: the received article is not the page that is shown.
WARNINGS = {"wx/rumor": "raw-rendered-divergence"}


@pytest.mark.parametrize("name", ROWS)
def test_a_page_gets_its_one_right_verdict(name: str, visit: Visitor) -> None:
    captured, found = visit(name)

    assert differences(name, found) == []
    # The site has a clock of its own, and says so in each `Date`.
    wanted = {"clock-skew", WARNINGS.get(name, "clock-skew")}
    assert wanted <= {reason.code for reason in captured.warnings}


def test_an_article_has_all_its_images_and_nothing_follows_its_code(visit: Visitor) -> None:
    """In one capture with what a page says of its visitor taken out: both cost a browser."""
    rules = decide(load("wechat-article")).redact
    shared = f"wx/article?uin={UIN}&sharer_shareid={SHARER}&scene=1"
    captured, found = visit(shared, light=False, redact=rules)

    assert differences("wx/article", found) == []
    assert (captured.images.wanted, captured.images.loaded) == (12, 12)
    assert captured.images.placeholder == 0
    assert {qr_code.text for qr_code in found.readings.qr_codes} == {SHORT_LINK}
    assert {request.host for request in visit.site.requests} == {
        "mp.weixin.qq.com",
        "mmbiz.qpic.cn",
    }
    assert any(
        UIN in request.path for request in visit.site.requests
    )  # the page was asked for as given
    nothing_is_left_of(captured, UIN, SHARER, DEVICE, CLIENT)
    removed = {entry.name for entry in captured.redactions if entry.place == "viewer-field"}
    assert removed >= {"uin", "user_uin", "devicetype", "clientversion", "isoversea", "req_id"}
    assert {entry.name for entry in captured.redactions if entry.place == "url-parameter"} == {
        "uin", "sharer_shareid",
    }  # fmt: skip
    assert captured.final_url.endswith("&scene=1")
    # What `rendered_page` has done by hand is what the page's script did.
    (dom,) = (
        artifact.file for artifact in captured.artifacts if artifact.path == "capture/dom.html"
    )
    for markup in (dom.read_text(encoding="utf-8"), rendered_page("wx/article").html):
        assert "2026-01-02 17:39</em>" in markup
        assert "visibility: hidden" not in markup


def nothing_is_left_of(captured: Capture, *secrets: str) -> None:
    """Look for secrets in every byte of a capture, and see that its digests are right."""
    kept = {artifact.path: artifact.file.read_bytes() for artifact in captured.artifacts}
    assert b"Snapshotter-Body: redacted" in gzip.decompress(kept["archive/data.warc.gz"])
    assert b"redacted:sha256:" in kept["capture/page.mhtml"].replace(b"=\r\n", b"")
    for artifact in captured.artifacts:
        assert digest_bytes(kept[artifact.path]) == artifact.digests
        for data in unfolded(kept[artifact.path]):
            for secret in secrets:
                assert not any(form in data for form in spellings(secret)), (artifact.path, secret)
    for secret in secrets:
        assert secret not in repr(captured)


def test_two_images_that_are_missing_make_a_capture_partial(visit: Visitor) -> None:
    visit.site.show("wx/article", available(images_missing=2))

    captured, found = visit("wx/article")

    assert (captured.images.wanted, captured.images.loaded) == (12, 10)
    assert found.content.kind is Content.PARTIAL
    assert found.takedown.availability is Availability.AVAILABLE


def test_content_that_comes_late_in_any_way_is_in_every_file(visit: Visitor) -> None:
    """All kinds on one page. One by one, many times and under load: `scripts/late_matrix.py`."""
    captured, _ = visit("late/all", light=False)

    kept = {artifact.path: artifact.file.read_bytes() for artifact in captured.artifacts}
    for patch in PATCHES["late/all"]:
        found = places(lambda path: kept.get(path, b""), patch)
        assert all(found.values()), (patch.word, found)
    assert captured.outcome is Outcome.COMPLETE, captured.reasons


def test_a_page_that_goes_to_a_notice_while_it_is_judged_is_captured_as_the_notice(
    visit: Visitor,
) -> None:
    def take_down(step: str, _: str) -> None:
        if step != "judge" or visit.site.state.page(TAKEN_DOWN) == removed():
            return
        visit.site.show(TAKEN_DOWN, removed())
        end = time.monotonic() + 60
        while all("/notice" not in request.path for request in visit.site.requests):
            assert time.monotonic() < end, "the page did not go on"
            time.sleep(0.02)

    visit.watch = take_down
    captured, _ = visit(TAKEN_DOWN)

    kept = {artifact.path: artifact.file.read_bytes() for artifact in captured.artifacts}
    assert b"This story was taken down" in kept["capture/page.txt"]
    assert b"A story that is there" not in kept["capture/dom.html"]
    assert captured.final_url.endswith("/late/data/notice?move-700")
    assert captured.outcome is Outcome.COMPLETE, captured.reasons
    # It was brought into view from its beginning, as any page.
    (again,) = (action.detail for action in captured.actions if action.kind == "settle-again")
    assert again == "the page navigated to another document before the page was photographed"


def test_a_place_that_changes_for_ever_is_named_and_not_gone_after(visit: Visitor) -> None:
    captured, _ = visit("late/ticker")

    (named,) = (
        reason.detail for reason in captured.warnings if reason.code == "page-keeps-changing"
    )
    assert "#late > p:nth-of-type(2)" in named
    assert captured.outcome is Outcome.COMPLETE
    assert not {"settle-again", "take-again"} & {action.kind for action in captured.actions}


# Pages that mean harm


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("hostile/metadata", "forbidden-address"),
        ("hostile/inside", "images-missing"),
        ("hostile/loop", "redirect-loop"),
        ("hostile/sibling", ""),
    ],
)
def test_a_page_that_means_harm_ends_in_a_capture_that_says_so(
    name: str, code: str, visit: Visitor
) -> None:
    captured, found = visit(name)

    assert code in [*(reason.code for reason in captured.reasons), ""]
    assert found.takedown.availability is not Availability.UNAVAILABLE
    assert {request.host for request in visit.site.requests} == {"news.example"}
