"""What is said of a page that led to an address for which another policy is meant."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from snapshotter.app.pipeline.capture_warnings import policy_warnings
from snapshotter.app.pipeline.run import CaptureResult
from snapshotter.errors import SnapshotterError
from snapshotter.policy.policy_selection import Candidate, known_policies, pick

ARTICLE = "https://mp.weixin.qq.com/s/AbC"


def picked(url: str) -> Candidate:
    return pick(url, known_policies()).winner


def done(
    asked: str, reached: str, *, policy: str = "default", why: str = "it is so"
) -> CaptureResult:
    found: Any = SimpleNamespace(
        capture=SimpleNamespace(requested_url=asked, final_url=reached),
        decision=SimpleNamespace(policy_name=policy, policy_why=why),
    )
    return cast(CaptureResult, found)


def test_a_short_link_to_a_page_with_a_policy_of_its_own_is_told_with_the_command() -> None:
    (warning,) = policy_warnings(done("https://t.cn/A6?x=1&y=2", ARTICLE), picked)

    assert f"the address led to {ARTICLE}, to which the policy wechat-article applies" in warning
    assert "the capture used the policy default" in warning
    assert warning.endswith(
        "\n  snapshotter capture --policy wechat-article 'https://t.cn/A6?x=1&y=2'"
    )


@pytest.mark.parametrize(
    "result",
    [
        done("https://t.cn/A6", ARTICLE, why=""),  # a policy was named
        done("https://t.cn/A6", ARTICLE, policy="wechat-article"),
        done(ARTICLE, ARTICLE, policy="wechat-article"),
        done(ARTICLE, "https://example.org/", policy="wechat-article"),  # it asks for more
        done("https://t.cn/A6", "https://example.org/"),
    ],
)
def test_nothing_is_said_where_the_policy_is_the_one_that_is_meant(result: CaptureResult) -> None:
    assert policy_warnings(result, picked) == ()


def test_policies_that_can_not_be_read_any_more_cost_no_capture() -> None:
    def broken(_url: str) -> Candidate:
        raise SnapshotterError("policies_dir is not a directory")

    assert policy_warnings(done("https://t.cn/A6", ARTICLE), broken) == ()
    assert policy_warnings(done("https://t.cn/A6", ARTICLE), None) == ()
