"""Pages that are made to break whoever judges them get a verdict, in bounded work."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapshotter.assess import assessor as module
from snapshotter.assess.page_view import PageView
from snapshotter.model.assessment import Availability, Content, Undecided
from snapshotter.model.page import Page
from tests.fuzzing import tries
from tests.unit.assess.pages import assessor, markup, site_page

ASSESSOR = assessor()
URLS = ("http://mp.weixin.qq.com/s/x", "https://weibo.com/1/x", "http://news.example/")
TITLE = '<div class="weui-msg"><h2 class="weui-msg__title">{}</h2></div>'
PAGES = {
    "deep": '<div class="weui-msg">' * 5_000 + "x",
    "wide": TITLE.format("x") * 1_500,
    "long": TITLE.format("删" * 200_000),
    "ligatures": TITLE.format("\ufdfa" * 399),
    "nul": TITLE.format("该内容已被\0发布者删除"),
    "surrogate": TITLE.format("该内容已被\ud800删除"),
    "attributes": f"<div {' '.join(f'a{n}=1' for n in range(20_000))}>x</div>",
    "classes": f'<p class="{" ".join(f"c{n}" for n in range(20_000))}">x</p>',
    "brackets": "<script>var $render_data = " + "[" * 50_000 + "</script>x",
    "digits": "<script>var $render_data = " + "9" * 50_000 + "</script>x",
    "names": TITLE.format("该公众号已迁移") + f"<script>{'transferTargetLink=x' * 20_000}</script>",
    "selectors": ('<div class="weui-msg"><p class="tips">' * 100 + "接相关投诉") * 20,
    "angles": "<" * 50_000,
    "comment": "<!--" * 20_000,
    "tables": "<table>" * 2_000 + "x",
}  # fmt: skip


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_that_is_made_to_be_hard_gets_a_verdict(name: str, url: str) -> None:
    content, verdict = ASSESSOR.judge(markup(PAGES[name], url))

    assert "could not be judged" not in content.detail
    assert all(len(evidence.excerpt) <= 300 for evidence in (*content.evidence, *verdict.evidence))


def test_a_mark_of_direction_does_not_hide_a_notice() -> None:
    _, verdict = ASSESSOR.judge(markup(TITLE.format("\u202e该内容已被\u200b发布者删除"), URLS[0]))

    assert verdict.rule == "wx-01"


@pytest.mark.parametrize("url", ["", "http://[", "about:blank", "http://\ud800/", "x" * 100_000])
def test_an_address_that_is_none_gets_a_verdict(url: str) -> None:
    content, _ = ASSESSOR.judge(markup("<p>It rains.</p>", url))

    assert content.kind is Content.CONTENT


@pytest.mark.parametrize(
    "raw", [b"\xff\xfe\x00", b"\x00" * 1000, b"{" * 100_000, b'{"a":' * 5000, b"\x1b$B", b"{}"]
)
def test_an_answer_that_is_no_text_gets_a_verdict(raw: bytes) -> None:
    there = dataclasses.replace(
        markup("<pre>x</pre>", URLS[1]),
        raw=raw,
        raw_before=(raw, raw),
        media_type="application/json",
        headers={"content-type": "application/json; charset=utf-7", "link": "<" * 50_000},
    )

    _, verdict = ASSESSOR.judge(there)

    assert verdict.undecided is Undecided.UNKNOWN


@settings(max_examples=tries(60), deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["<div class=weui-msg>", "<h2 class=weui-msg__title>", "<div id=js_article>", "</div>",
             "</h2>", "<p>", "该内容已被发布者删除", "<script>", "</script>", "<img src=x>", "<a",
             "<!--", "-->", "<svg>", "<title>", "\0", "&#0;", "<body hidden>", "</html>", "'\""]
        ),
        max_size=25,
    ),
    st.sampled_from(URLS),
)  # fmt: skip
def test_any_soup_gets_the_same_verdict_each_time(parts: list[str], url: str) -> None:
    there = markup("".join(parts), url)

    content, verdict = ASSESSOR.judge(there)

    assert (content, verdict) == ASSESSOR.judge(there)
    assert "could not be judged" not in content.detail


def test_what_breaks_a_judge_is_a_verdict_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> PageView:
        raise RecursionError("too deep")

    monkeypatch.setattr(module, "PageView", broken)

    content, verdict = ASSESSOR.judge(site_page("wx/article"))

    assert content.kind is Content.ERROR
    assert verdict.availability is Availability.INCONCLUSIVE
    assert "RecursionError: too deep" in verdict.detail


def test_what_can_not_be_read_is_said_and_leaves_the_verdict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object, **__: object) -> Page:
        raise ValueError("no")

    monkeypatch.setattr(module, "read_page", broken)

    found = ASSESSOR.assess(site_page("wx/article"))

    assert found.content.kind is Content.CONTENT
    assert "it could not be read: ValueError" in found.content.detail
