"""What we do to a page so that it shows all it has: a page for each, with a truth to count."""

import hashlib
import json
import re
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

from snapshotter.capture.behaviours.reveal import PageReveal
from snapshotter.capture.browser.workspace import BrowserWorkspace
from snapshotter.model.capture import Capture, FrameState, Outcome, SettleEnd
from snapshotter.model.request import Limits, MediaRules, Pictures
from snapshotter.policy.capture_decision import decide
from snapshotter.policy.load import load
from tests.e2e.capturing import Engine, codes, kinds, read
from tests.servers.behaviour_pages import NOTICE, Site

pytestmark = pytest.mark.e2e

EXPANDED = decide(load("expanded")).expand


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as site:
        yield site


@pytest.fixture
def capture(tmp_path: Path) -> Engine:
    return Engine(tmp_path)


def lines(capture: Capture, path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in read(capture, path).splitlines()]


def picture(capture: Capture, path: str) -> Image.Image:
    found = next(artifact for artifact in capture.artifacts if artifact.path == path)
    with Image.open(found.file) as opened:
        return opened.convert("RGB")


def test_a_page_that_replaces_every_global_is_captured_as_if_it_had_not(
    site: Site, capture: Engine
) -> None:
    captured = capture(site.url("/hostile"))

    assert read(captured, "capture/console.jsonl").count("hostile to the end") == 2
    assert (captured.outcome, captured.reasons) == (Outcome.COMPLETE, ())
    assert (captured.title, captured.document_language) == ("the truth", "fr")
    assert (captured.images.wanted, captured.images.loaded) == (5, 5)
    assert captured.scrolling is not None
    assert captured.scrolling.stopped == "bottom"
    assert captured.scrolling.height > 5000
    text = read(captured, "capture/page.txt")
    for words in ("inside a form", "first paragraph", "last paragraph", "closed shadow"):
        assert words in text
    assert "--- frame: " + site.url("/hostile-frame", origin=2) + " ---\n\nin the frame" in text
    assert "a lie" not in text
    html = read(captured, "capture/dom.html")
    assert html.startswith("<!DOCTYPE html>")
    assert "<title>the truth</title>" in html


def test_images_that_a_page_holds_back_are_set_and_counted(site: Site, capture: Engine) -> None:
    captured = capture(site.url("/wx/article"))

    assert (captured.images.wanted, captured.images.loaded, captured.images.placeholder) == (
        12,
        12,
        0,
    )
    assert captured.outcome is Outcome.COMPLETE
    (action,) = [action for action in captured.actions if action.kind == "set-data-src"]
    assert action.detail.startswith("12 images: ")
    assert site.url("/image/wx-11.png") in action.detail
    images = lines(captured, "capture/images.jsonl")
    assert [image["state"] for image in images] == ["loaded"] * 12
    assert images[3]["current"] == images[3]["wanted"] == site.url("/image/wx-3.png")
    assert images[3]["alt"] == "figure 3"


def test_two_broken_images_of_twelve_make_a_partial_capture(site: Site, capture: Engine) -> None:
    captured = capture(site.url("/wx/article-broken"))

    assert (captured.images.wanted, captured.images.loaded, captured.images.failed) == (12, 10, 2)
    assert captured.images.failed_urls == (site.url("/image/wx-0.gif"), site.url("/image/wx-1.gif"))
    assert (captured.outcome, codes(captured)) == (Outcome.PARTIAL, ["images-missing"])


def test_a_policy_may_leave_held_back_images_as_they_are(site: Site, capture: Engine) -> None:
    captured = capture(site.url("/wx/article"), media=MediaRules(honour_data_src=False))

    assert (captured.images.wanted, captured.images.loaded, captured.images.placeholder) == (
        12,
        0,
        12,
    )
    assert captured.images.placeholder_urls[0] == site.url("/image/wx-0.png")
    assert codes(captured) == ["images-missing"]
    assert "set-data-src" not in kinds(captured)
    assert "/image/wx-0.png" not in site.paths()


def test_what_a_policy_says_of_images_and_hosts_holds(site: Site, capture: Engine) -> None:
    captured = capture(
        site.url("/wx/article"),
        media=MediaRules(lazy_attributes=("data-other",)),  # the page writes `data-src`
    )

    assert (captured.images.wanted, "set-data-src" in kinds(captured)) == (0, False)
    with urllib.request.urlopen(site.url("/image/wx-3.png")) as answer:  # noqa: S310 - our own site
        digest = hashlib.sha256(answer.read()).hexdigest()
    held = capture(site.url("/wx/article"), media=MediaRules(placeholder_hashes=(digest,)))
    states = Counter(image["state"] for image in lines(held, "capture/images.jsonl"))
    assert held.images.placeholder == states["placeholder"] > 0
    assert held.images.loaded + held.images.placeholder == 12
    assert site.url("/image/wx-3.png") in held.images.placeholder_urls
    assert codes(held) == ["images-missing"]
    blocked = capture(site.url("/wx/article", origin=2), block_hosts=("127.0.0.2",))
    assert codes(blocked)[:1] == ["blocked"]
    assert "the policy blocks the host " in blocked.reasons[0].detail


def test_every_kind_of_late_image_comes(site: Site, capture: Engine) -> None:
    captured = capture(site.url("/every-lazy"))

    asked = site.paths()
    for name in (
        "native", "observed", "picture", "set-1", "original", "original-2", "original-3", "class",
        "data-bg", "poster",
    ):  # fmt: skip
        assert f"/image/{name}.png" in asked, name
    assert "/inner?lazy" in asked
    assert "/image/nobody-sees.png" not in asked
    # Seven images, two posters of which one is broken, one image in the frame.
    assert (captured.images.wanted, captured.images.loaded) == (10, 9)
    assert captured.images.failed_urls == (site.url("/image/poster.gif"),)
    html = read(captured, "capture/dom.html")
    assert 'loading="lazy" src="/image/native.png"' in html


def test_pictures_that_styles_ask_for_and_that_did_not_come_are_named(
    site: Site, capture: Engine
) -> None:
    captured = capture(site.url("/styles"))

    gone = [site.url(f"/image/gone-{name}.gif") for name in ("(4)", "1", "2", "3", "5")]
    assert {"/image/nobody-sees.gif"}.isdisjoint(site.paths())
    assert "/image/beacon.gif" in site.paths()
    assert sorted(captured.images.failed_urls) == gone
    assert (captured.images.wanted, captured.images.failed) == (5, 5)
    told = [
        line for line in lines(captured, "capture/images.jsonl") if line["kind"] == "background"
    ]
    assert {(line["current"], line["state"]) for line in told} == {(url, "failed") for url in gone}
    assert {line["frame"] for line in told if "gone-5" in line["current"]} == {
        site.url("/styles-frame")
    }
    assert codes(captured) == ["images-missing"]


def test_an_element_that_scrolls_in_the_documents_place_is_scrolled(
    site: Site, capture: Engine
) -> None:
    captured = capture(site.url("/inner-scroller"), pictures=Pictures(inner_box=False))

    assert captured.scrolling is not None
    assert captured.scrolling.container == "#pane"
    assert (captured.scrolling.stopped, captured.scrolling.height > 6000) == ("bottom", True)
    assert "/image/at-the-end.png" in site.paths()
    # The whole picture shows its beginning only; the stretches show it all.
    text = "\n".join(line["text"] for line in lines(captured, "capture/segments.jsonl"))
    assert [f"row {i}" in text for i in range(20)] == [True] * 20
    assert codes(captured) == ["page-scrolls-inside"]


@pytest.mark.parametrize("path", ["/virtual", "/virtual-recycled"])
def test_a_page_that_takes_its_rows_away_is_read_stretch_by_stretch(
    site: Site, capture: Engine, path: str
) -> None:
    captured = capture(site.url(path))

    assert captured.scrolling is not None
    assert captured.scrolling.virtualised
    stretches = lines(captured, "capture/segments.jsonl")
    assert captured.scrolling.segments == len(stretches)
    rows = [row for stretch in stretches for row in stretch["text"].split("\n") if "number" in row]
    assert sorted(set(rows), key=lambda row: int(row.split()[-1])) == [
        f"row number {i}" for i in range(500)
    ]
    assert len(rows) == 500  # none twice
    assert [stretch["picture"] for stretch in stretches] == [
        artifact.path
        for artifact in captured.artifacts
        if artifact.path.startswith("capture/segment-")
    ]
    assert (captured.outcome, codes(captured)) == (Outcome.PARTIAL, ["page-virtualised"])


def test_stretches_have_a_limit_of_their_own(site: Site, capture: Engine) -> None:
    captured = capture(site.url("/virtual"), segments=3)

    assert len(lines(captured, "capture/segments.jsonl")) == 3
    (reason,) = captured.reasons
    assert reason.detail.endswith(
        "parts of the page that were read: 3; the limit of parts was reached"
    )


def test_a_page_that_scrolls_itself_back_is_not_scrolled_for_ever(
    site: Site, capture: Engine
) -> None:
    captured = capture(site.url("/scroll-lock"))

    assert captured.scrolling is not None
    assert captured.scrolling.stopped == "blocked"
    assert captured.scrolling.steps < 10
    assert codes(captured) == ["scroll-limited"]


def test_a_page_that_grows_after_it_was_scrolled_is_scrolled_on(
    site: Site, capture: Engine
) -> None:
    captured = capture(site.url("/late-growth"))

    assert captured.scrolling is not None
    assert captured.scrolling.height > 8000
    assert (captured.images.wanted, captured.images.loaded) == (1, 1)
    assert "late 39" in read(captured, "capture/page.txt")


def test_a_page_that_polls_is_photographed_while_it_is_observed(
    site: Site, capture: Engine
) -> None:
    captured = capture(site.url("/polls"))

    assert (captured.outcome, captured.reasons) == (Outcome.COMPLETE, ())
    assert captured.settlings[-1].how is SettleEnd.OBSERVED
    assert captured.settlings[-1].unchanged_ms >= 1000
    (settle,) = (step for step in captured.steps if step.name == "settle")
    (picture,) = (step for step in captured.steps if step.name == "screenshot")
    assert picture.started_at < settle.started_at + timedelta(milliseconds=settle.duration_ms)
    assert "take-again" not in kinds(captured)


def test_a_page_of_which_more_is_painted_for_pictures_is_not_photographed_while_it_settles(
    site: Site, capture: Engine
) -> None:
    captured = capture(site.url("/polls-tall"))

    assert (captured.outcome, captured.reasons) == (Outcome.COMPLETE, ())
    last = captured.settlings[-1]
    assert last.how is SettleEnd.OBSERVED
    steps = Counter(step.name for step in captured.steps)
    assert {steps[name] for name in ("viewport", "screenshot", "mhtml", "dom", "text")} == {1}
    (picture,) = (step for step in captured.steps if step.name == "viewport")
    settled_at = last.at + timedelta(milliseconds=last.duration_ms)
    assert picture.started_at > settled_at - timedelta(milliseconds=2)  # times are rounded


@pytest.mark.parametrize("page", ["/moves-by-script", "/moves-in-canvas"])
def test_what_a_script_paints_unseen_is_photographed_when_the_page_has_settled(
    page: str, site: Site, capture: Engine
) -> None:
    captured = capture(site.url(page))

    assert (captured.outcome, captured.reasons) == (Outcome.COMPLETE, ())
    (settle,) = (step for step in captured.steps if step.name == "settle")
    (view,) = (step for step in captured.steps if step.name == "viewport")
    settled_at = settle.started_at + timedelta(milliseconds=settle.duration_ms)
    assert view.started_at > settled_at - timedelta(milliseconds=2)  # times are rounded


def test_what_changes_while_a_page_is_observed_is_in_all_its_files(
    site: Site, capture: Engine
) -> None:
    captured = capture(site.url("/polls-and-changes"))

    assert (captured.outcome, captured.reasons) == (Outcome.COMPLETE, ())
    assert not [warning for warning in captured.warnings if warning.code != "clock-skew"]
    for path in ("capture/page.txt", "capture/dom.html", "capture/page.mhtml"):
        assert "late" in read(captured, path)
    steps = Counter(step.name for step in captured.steps)
    assert {steps[name] for name in ("viewport", "screenshot", "mhtml", "dom", "text")} == {1}
    assert [picture.subject for picture in captured.pictures] == ["", ""]
    assert captured.settlings[-1].unchanged_ms >= 1000


def test_what_scrolls_while_a_page_is_observed_is_in_its_pictures(
    site: Site, capture: Engine
) -> None:
    captured = capture(site.url("/polls-and-scrolls"))

    assert (captured.outcome, captured.reasons) == (Outcome.COMPLETE, ())
    for name in ("viewport", "screenshot"):
        assert picture(captured, f"capture/{name}.png").getpixel((50, 100)) == (0, 255, 0)


def test_files_that_are_taken_early_are_those_of_the_usual_order(
    site: Site, capture: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a page with a sticky header, a font, a popup, a popover and a consent banner."""
    consent = decide(load("consent-refused")).consent
    early = capture(site.url("/sticky"), consent=consent)
    monkeypatch.setattr(PageReveal, "_may_take_early", False)
    usual = capture(site.url("/sticky"), consent=consent)

    begun: list[bool] = []
    for captured in (early, usual):
        (settle,) = (step for step in captured.steps if step.name == "settle")
        (view,) = (step for step in captured.steps if step.name == "viewport")
        begun.append(
            view.started_at < settle.started_at + timedelta(milliseconds=settle.duration_ms)
        )
        assert codes(captured) == []
        assert {"consent", "close-popup"} <= set(kinds(captured))
    assert begun == [True, False]
    for name in ("dom.html", "page.txt", "layout.json", "page.mhtml"):
        texts = [read(captured, f"capture/{name}") for captured in (early, usual)]
        own = r"Boundary--\w+|Date: .*|(?:css|frame)-[\w-]+@|=\n"  # of each MHTML file
        texts = [re.sub(own, "", text) for text in texts]
        assert texts[0] == texts[1], name
    for name in ("viewport", "screenshot"):
        pictures = [picture(captured, f"capture/{name}.png") for captured in (early, usual)]
        assert pictures[0].size == pictures[1].size
        assert ImageChops.difference(*pictures).getbbox() is None, name


@pytest.mark.parametrize("where", ["shadow", "svg", "marquee"])
def test_what_only_the_stopped_clock_holds_still_is_the_same_in_both_pictures(
    where: str, site: Site, capture: Engine
) -> None:
    captured = capture(site.url(f"/moves-in-{where}"))

    assert (captured.outcome, captured.reasons) == (Outcome.COMPLETE, ())
    view, whole = (picture(captured, f"capture/{name}.png") for name in ("viewport", "screenshot"))
    assert whole.height > view.height
    assert ImageChops.difference(view, whole.crop((0, 0, *view.size))).getbbox() is None


def test_frames_that_are_loaded_early_are_in_the_files_as_the_page_has_them(
    site: Site, capture: Engine
) -> None:
    captured = capture(site.url("/lazy-frame"))

    assert "/inner?lazy" in site.paths()
    for path in ("capture/dom.html", "capture/page.mhtml"):
        assert "eager" not in read(captured, path)


def test_a_font_that_does_not_come_is_named(site: Site, capture: Engine) -> None:
    captured = capture(site.url("/fonts"))

    assert (captured.fonts.failed, captured.fonts.pending) == (1, 0)
    assert captured.fonts.failed_faces == ("Gone normal normal",)
    assert "fonts-missing" in codes(captured)


def test_one_image_that_never_comes_is_waited_for_no_longer_than_its_own_cap(
    site: Site, capture: Engine
) -> None:
    captured = capture(
        site.url("/images-one-never"),
        limits=Limits(settle_s=1),
        media=MediaRules(image_s=2, wait_s=60),
    )

    assert (captured.images.wanted, captured.images.loaded, captured.images.pending) == (3, 2, 1)
    (step,) = [step for step in captured.steps if step.name == "settle"]
    assert step.duration_ms < 20_000
    assert codes(captured) == ["not-settled", "images-missing"]


def test_an_image_that_cannot_be_decoded_has_failed(site: Site, capture: Engine) -> None:
    captured = capture(site.url("/images-undecodable"))

    assert (captured.images.wanted, captured.images.loaded, captured.images.failed) == (2, 1, 1)
    assert captured.images.failed_urls == (site.url("/undecodable"),)


def test_an_image_that_is_asked_for_again_while_it_is_decoded_has_not_failed(
    site: Site, capture: Engine
) -> None:
    captured = capture(site.url("/images-again"))

    assert "load-lazy-images" in kinds(captured)  # upon which the page does it
    assert (captured.images.wanted, captured.images.loaded, captured.images.failed) == (2, 2, 0)


def test_a_background_that_came_when_it_was_asked_for_again_is_not_missing(
    site: Site, capture: Engine
) -> None:
    captured = capture(site.url("/background-second-time"))

    assert site.paths().count("/second-time.png") == 2
    assert captured.images.failed_urls == ()


def test_a_page_that_holds_itself_for_a_moment_is_scrolled_to_its_end(
    site: Site, capture: Engine
) -> None:
    captured = capture(site.url("/scroll-held"))

    assert captured.scrolling is not None
    assert (captured.scrolling.stopped, captured.scrolling.height) == ("bottom", 5000)


def test_every_frame_is_told_with_what_could_be_had_of_it_in_the_order_of_the_document(
    site: Site, capture: Engine
) -> None:
    captured = capture(site.url("/frames"))

    states = [(frame.url, frame.state) for frame in captured.frames]
    assert states[0] == (site.url("/frames"), FrameState.READ)
    assert states[1:5] == [
        ("about:blank", FrameState.EMPTY),
        (site.url("/inner?a", origin=2), FrameState.READ),
        (site.url("/inner?b"), FrameState.READ),
        (site.url("/inner?c", origin=2), FrameState.READ),
    ]
    assert states[5][1] is FrameState.UNREACHABLE
    text = read(captured, "capture/page.txt")
    order = [text.index(f"/inner?{name} ---") for name in "abc"]
    assert order == sorted(order)


def test_controls_that_hide_text_are_clicked_by_policy_and_each_click_is_told(
    site: Site, capture: Engine
) -> None:
    captured = capture(site.url("/news/2014"), expand=EXPANDED)

    text = read(captured, "capture/page.txt")
    for words in (
        "third paragraph",
        "余下的全文",
        "came by mouse",
        "a comment inside",
        "all of it",
    ):
        assert words in text, words
    assert captured.title == "expanded"  # and not what the menu, outside of the main part, makes it
    clicks = [action for action in captured.actions if action.kind == "expand"]
    assert sorted(action.detail.split('"')[1] for action in clicks) == [
        "Click to comment", "Continue Reading", "Expand", "Read more ▾", "Show all", "展开全文",
    ]  # fmt: skip
    by_label = {action.detail.split('"')[1]: action for action in clicks}
    assert by_label["Continue Reading"].detail.endswith("#more (found by words; clicked by script)")
    assert by_label["Read more ▾"].detail.endswith("clicked by mouse)")
    grown = by_label["展开全文"].change
    assert grown is not None
    assert grown.text_after - grown.text_before == len("余下的全文")
    # The page before is kept too; nothing that was clicked led away.
    before = read(captured, "capture/before-expand.txt")
    assert "second paragraph" in before
    assert "third paragraph" not in before
    assert "capture/before-expand.png" in [artifact.path for artifact in captured.artifacts]
    assert "/plain" not in site.paths()
    assert "/plain?left" not in site.paths()
    assert "/image/below.png" in site.paths()
    assert (captured.outcome, captured.reasons) == (Outcome.COMPLETE, ())


def test_without_a_policy_that_says_so_nothing_is_clicked(site: Site, capture: Engine) -> None:
    captured = capture(site.url("/news/2014"))

    assert "third paragraph" not in read(captured, "capture/page.txt")
    assert "third paragraph" in read(captured, "capture/page-hidden.txt")
    assert "expand" not in kinds(captured)


def test_no_more_is_clicked_than_the_policy_allows(site: Site, capture: Engine) -> None:
    captured = capture(site.url("/many-more"), expand=replace(EXPANDED, at_most=5))

    assert kinds(captured).count("expand") == 5
    assert read(captured, "capture/page.txt").count("shown") == 5
    assert codes(captured) == ["expand-limited"]


@pytest.mark.parametrize("path", ["/consent", "/consent-in-a-frame"])
def test_a_consent_banner_is_refused_by_policy_and_both_states_are_kept(
    site: Site, capture: Engine, path: str
) -> None:
    captured = capture(site.url(path), consent=decide(load("consent-refused")).consent)

    assert "clicked no" in read(captured, "capture/page.txt")
    (action,) = [action for action in captured.actions if action.kind == "consent"]
    assert action.detail.startswith('"Reject all" #no (found by words')
    assert "capture/before-consent.png" in [artifact.path for artifact in captured.artifacts]


def test_the_banner_is_left_alone_by_default(site: Site, capture: Engine) -> None:
    captured = capture(site.url("/consent"))

    assert "We use cookies" in read(captured, "capture/page.txt")
    assert "consent" not in kinds(captured)


def test_a_page_that_shows_other_text_than_it_sent_and_clocks_far_from_ours_are_warned_of(
    site: Site, capture: Engine
) -> None:
    captured = capture(site.url("/wx/rumor"))

    assert [reason.code for reason in captured.warnings] == [
        "clock-skew",
        "raw-rendered-divergence",
    ]
    assert " % of the words of the received document were not shown" in captured.warnings[1].detail
    said = {
        (clock_check.source, clock_check.name, clock_check.value)
        for clock_check in captured.clock_checks
    }
    assert said == {
        ("http-date", "Date", "Thu, 01 Jan 2026 00:00:00 GMT"),
        ("page", "svr_time", "1500000000"),
    }
    assert captured.outcome is Outcome.COMPLETE


@pytest.mark.parametrize("way", ["refresh", "script"])
def test_an_article_that_sends_its_reader_on_to_a_notice_is_warned_of(
    site: Site, capture: Engine, way: str
) -> None:
    captured = capture(site.url(f"/moved/by-{way}"))

    assert NOTICE in read(captured, "capture/page.txt")
    (warning,) = [
        reason for reason in captured.warnings if reason.code == "raw-rendered-divergence"
    ]
    assert warning.detail.startswith(f"the page left the document {site.url(f'/moved/by-{way}')}; ")
    article, notice = captured.documents
    assert (article.url, article.status) == (site.url(f"/moved/by-{way}"), 200)
    assert article.not_shown_percent is not None
    assert article.not_shown_percent > 90
    assert (notice.url, notice.not_shown_percent) == (site.url("/moved/notice"), None)  # few words
    assert article.at <= notice.at
    assert article.connection != notice.connection


def test_an_article_that_a_script_replaces_is_warned_of_though_it_came_compressed(
    site: Site, capture: Engine
) -> None:
    captured = capture(site.url("/moved/replaced"))

    (warning,) = [
        reason for reason in captured.warnings if reason.code == "raw-rendered-divergence"
    ]
    assert " % of the words of the received document were not shown" in warning.detail
    (document,) = captured.documents
    assert document.not_shown_percent is not None
    assert document.not_shown_percent > 90


def test_a_step_on_the_way_to_an_article_is_not_warned_of(site: Site, capture: Engine) -> None:
    captured = capture(site.url("/moved/step"))

    assert "raw-rendered-divergence" not in [reason.code for reason in captured.warnings]
    step, article = captured.documents
    assert step.url == site.url("/moved/step")
    assert (article.not_shown_percent, article.not_received_percent) == (0, 0)
    assert not list(captured.artifacts[0].file.parents[1].glob(".main-body*"))


def test_a_page_that_shows_what_it_sent_is_not_warned_of(site: Site, capture: Engine) -> None:
    captured = capture(site.url("/hidden-text"))

    assert "raw-rendered-divergence" not in [reason.code for reason in captured.warnings]


def test_text_keeps_blocks_and_characters_and_what_is_hidden_stands_apart(
    site: Site, capture: Engine
) -> None:
    captured = capture(site.url("/hidden-text"))

    text = read(captured, "capture/page.txt")
    assert "Maria in Vancouver\n\n2 weeks ago\n\nMatter Laurel-Zalko\n\nMatte “quoted” – —" in text
    assert "ﬁrst ① ｗｉｄｅ" in text
    assert "東京は日本の首都です" in text
    assert "contents words" in text
    for words in ("not rendered", "inside details", "invisible words", "script words"):
        assert words not in text
    assert read(captured, "capture/page-hidden.txt") == (
        "--- not-rendered: #gone ---\nnot rendered bold\nsecond line\n\n"
        "--- invisible: html:nth-of-type(1) > body:nth-of-type(1) > p:nth-of-type(8) ---\n"
        "invisible words\n\n"
        "--- transparent: html:nth-of-type(1) > body:nth-of-type(1) > p:nth-of-type(9) ---\n"
        "transparent words\n\n"
        "--- clipped: html:nth-of-type(1) > body:nth-of-type(1) > span:nth-of-type(1) ---\n"
        "for screen readers\n\n"
        "--- tiny: html:nth-of-type(1) > body:nth-of-type(1) > p:nth-of-type(10) ---\n"
        "tiny words\n\n"
        "--- closed-details: html:nth-of-type(1) > body:nth-of-type(1) > details:nth-of-type(1)"
        " ---\ninside details\n"
    )
    normalised = read(captured, "capture/page-normalised.txt").splitlines()
    assert normalised[:2] == ["Maria in Vancouver", "2 weeks ago"]
    assert "first 1 wide" in normalised
    assert "東京は日本の首都です" in normalised
    assert "softhyphen" in normalised


def test_a_script_that_no_font_can_draw_is_named(
    site: Site, capture: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    latin = "".join(
        f"<dir>/usr/share/fonts/truetype/{folder}</dir>" for folder in ("dejavu", "liberation")
    )
    whole = vars(BrowserWorkspace)["environment"].__get__

    def few_fonts(place: BrowserWorkspace) -> dict[str, str]:
        fonts = place.home / "fonts.conf"  # the browser sees no file of this test's folder
        fonts.write_text(
            f"<fontconfig>{latin}<cachedir>{place.home}/fontcache</cachedir></fontconfig>"
        )
        return {**whole(place), "FONTCONFIG_FILE": str(fonts)}

    monkeypatch.setattr(BrowserWorkspace, "environment", property(few_fonts))

    captured = capture(site.url("/glyphs"))

    counts = [(glyphs.script, glyphs.count) for glyphs in captured.missing_glyphs]
    assert counts == [("Han", 4), ("Hiragana", 4), ("Private_Use", 1)]
    assert "Private_Use" not in captured.reasons[0].detail
    assert captured.missing_glyphs[0].characters == "漢字新聞"
    assert (captured.outcome, codes(captured)) == (Outcome.PARTIAL, ["missing-glyphs"])


def test_characters_that_a_font_has_are_not_missed(site: Site, capture: Engine) -> None:
    captured = capture(site.url("/glyphs"))

    assert [glyphs.script for glyphs in captured.missing_glyphs] == [
        "Private_Use"
    ]  # which no font can have
    assert captured.outcome is Outcome.COMPLETE


def test_what_scrolling_did_to_the_document_is_recorded(site: Site, capture: Engine) -> None:
    captured = capture(site.url("/growing"), limits=Limits(scroll_steps=5))

    (action,) = [action for action in captured.actions if action.kind == "scroll"]
    assert action.change is not None
    assert action.change.nodes_after > action.change.nodes_before > 20
    assert action.change.text_after > action.change.text_before
    assert action.change.mutations > 0


def test_two_captures_of_a_page_that_stands_still_have_the_same_text_and_document(
    site: Site, capture: Engine
) -> None:
    first, second = capture(site.url("/every-lazy")), capture(site.url("/every-lazy"))

    for path in ("capture/page.txt", "capture/dom.html", "capture/images.jsonl"):
        assert read(first, path) == read(second, path)


def test_what_is_in_the_picture_and_in_no_text_is_named(site: Site, capture: Engine) -> None:
    captured = capture(url := site.url("/named"))

    assert codes(captured) == ["missing-glyphs"]
    glyphs = {found.script: found.characters for found in captured.missing_glyphs}
    assert glyphs == {"Other": "\u0378\u0379", "Latin": "\U0001df25", "Private_Use": "\ue900"}
    warnings = {warning.code for warning in captured.warnings}
    assert warnings >= {"private-glyphs", "service-worker-blocked"}
    assert "at the bottom" in read(
        captured, "capture/page.txt"
    )  # of a closed tree, 600 levels down
    hidden = read(captured, "capture/page-hidden.txt")
    assert ("out of sight" in hidden, "as it came" in hidden) == (True, False)
    held = lines(captured, "capture/form-values.jsonl")
    assert {field["frame"] for field in held} == {url}
    assert ["salt" in field for field in held] == [True] + [False] * 9
    assert [(field["name"], field["value"], field["changed"]) for field in held] == [
        ("q", "typed words", True),
        ("city", "Paris", False),
        ("p", None, False),
        ("pwd", None, False),
        ("area", "typed below", True),
        ("", "out of sight", False),
        ("s", "two", True),
        ("c", None, True),
        ("", "written", False),
        ("inner", "deep", False),
    ]
    assert [field["name"] for field in held if field["withheld"]] == ["p", "pwd"]
    assert [field["shown"] for field in held].count(False) == 1


def test_a_document_of_xml_is_read_whole_and_its_glyphs_are_tried(
    site: Site, capture: Engine
) -> None:
    captured = capture(site.url("/named.xml"))

    assert codes(captured) == ["missing-glyphs"]
    assert [found.characters for found in captured.missing_glyphs] == ["\u0378"]
