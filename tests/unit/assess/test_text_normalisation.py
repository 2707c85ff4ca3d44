"""Notices are compared in one form, and kept as they stood."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.assess.text_normalisation import normalise_notice_text
from snapshotter.model.rules import Normaliser

ZH, PLAIN = Normaliser.ZH_NOTICE, Normaliser.NOTICE
INVISIBLE = st.text(" \t\n\u3000\u00a0\u200b\u200c\u200d\u2060\ufeff\u202e\u00ad", max_size=3)
LETTERS = st.text("该内容已被发布者删除帐账号，。,:!abcXYZ１２", min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("此帐号已被屏蔽, 内容无法查看", "此账号已被屏蔽，内容无法查看"),
        ("此内容被投诉且经审核涉嫌侵权，无法查看。", "此内容被投诉且经审核涉嫌侵权,无法查看"),
        ("该内容已被发布者删除", "\n  该内容\u200b已被发布者 删除\n"),
        ("微博不存在或暂无查看权限!", "微博不存在或暂无查看权限！"),
        ("(20003)", "（２０００３）"),
    ],
)
def test_forms_of_one_chinese_notice_are_one(one: str, other: str) -> None:
    assert normalise_notice_text(one, ZH) == normalise_notice_text(other, ZH)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("This content isn't available", "This content isn’t available."),
        ("This Post was deleted", "  this post  was\ndeleted "),
    ],
)
def test_forms_of_one_western_notice_are_one(one: str, other: str) -> None:
    assert normalise_notice_text(one, PLAIN) == normalise_notice_text(other, PLAIN)


@pytest.mark.parametrize(
    ("one", "other", "how"),
    [
        ("抱歉，此微博已被删除", "抱歉，此微博已被作者删除", ZH),
        ("删除。。", "删除", ZH),
        ("删除。已", "删除已", ZH),
        ("This post", "This posts", PLAIN),
    ],
)
def test_different_notices_stay_different(one: str, other: str, how: Normaliser) -> None:
    assert normalise_notice_text(one, how) != normalise_notice_text(other, how)


@given(LETTERS, st.lists(INVISIBLE, max_size=40))
def test_what_nobody_sees_does_not_tell_chinese_notices_apart(text: str, gaps: list[str]) -> None:
    pairs = zip(text, [*gaps, *[""] * len(text)], strict=False)
    spread = "".join(f"{gap}{letter}" for letter, gap in pairs)

    assert normalise_notice_text(spread, ZH) == normalise_notice_text(text, ZH)


@given(LETTERS)
def test_both_signs_for_account_and_both_commas_are_one(text: str) -> None:
    other = text.replace("帐", "账").replace("，", ",")

    assert normalise_notice_text(other, ZH) == normalise_notice_text(text, ZH)


@given(LETTERS)
def test_one_full_stop_at_the_end_does_not_count_and_a_second_one_does(text: str) -> None:
    bare = text.rstrip("。") or "字"

    assert normalise_notice_text(f"{bare}。", ZH) == normalise_notice_text(bare, ZH)
    assert normalise_notice_text(f"{bare}。。", ZH) != normalise_notice_text(bare, ZH)


@given(st.text(max_size=60), st.sampled_from(list(Normaliser)))
def test_what_is_compared_has_no_invisible_characters(text: str, how: Normaliser) -> None:
    found = normalise_notice_text(text, how)

    assert "\u200b" not in found
    assert found == found.strip()
    if how is ZH:
        assert not any(character.isspace() for character in found)
