"""Which policy a page is meant for: the one that names it most closely, the same everywhere."""

from pathlib import Path

import pytest

from snapshotter.errors import SnapshotterError
from snapshotter.policy.policy_selection import known_policies, pick, pickable_policies


def _own(directory: Path, **policies: str) -> Path:
    for name, match in policies.items():
        (directory / f"{name}.toml").write_text(f'name = "{name}"\n[match]\n{match}\n')
    return directory


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://mp.weixin.qq.com/s/AbCdEf", "wechat-article"),
        ("http://mp.weixin.qq.com/s?__biz=MzA&mid=1&idx=1&sn=a", "wechat-article"),
        ("https://mp.weixin.qq.com/mp/appmsg/show?__biz=MzA", "wechat-article"),
        ("https://mp.weixin.qq.com/mp/profile_ext?action=home", "default"),
        ("https://example.org/?u=https://mp.weixin.qq.com/s/AbCdEf", "default"),
        ("https://weibo.com/1234567890/I7ubv9Ktj", "weibo-post"),
        ("https://M.Weibo.CN/status/4417843292323593", "weibo-post"),
        ("https://weibo.com.evil.example/1", "default"),
        ("https://x.com/a/status/1", "social-post"),
        ("https://www.youtube.com/watch?v=x", "social-post"),
        ("https://example.org/", "default"),
        ("http://[::1]:8080/", "default"),
        ("HTTPS://MP.Weixin.QQ.com/s/x", "wechat-article"),
        ("https://mp.weixin.qq.com.:443/s/x", "wechat-article"),
        ("https://mp.weixin.qq.com:444/s/x", "default"),
        # As a browser reads them.
        ("https://mp.weixin.qq.com\\s/x", "wechat-article"),
        ("https://m%70.weixin.qq.com/s/x", "wechat-article"),
        ("https://\uff4d\uff50.weixin\u3002qq.com/s/x", "wechat-article"),
        ("https://mp.weixin.qq.com/a/.././s/x", "wechat-article"),
        ("https://mp.weixin.qq.com//s/x", "default"),
        ("https://evil.example/?\\mp.weixin.qq.com/s/x", "default"),
        ("https://%zz/", "default"),
        ("https://evil.example/?https://mp.weixin.qq.com/s/x", "default"),
        ("https://mp.weixin.qq.com.evil.example/s/x", "default"),
    ],
)
def test_a_page_goes_to_the_shipped_policy_that_is_meant_for_it(url: str, name: str) -> None:
    assert pick(url, known_policies()).winner.name == name


def test_what_names_a_page_more_closely_wins(tmp_path: Path) -> None:
    _own(
        tmp_path,
        everything='hosts = ["*.example.org"]',
        section='hosts = ["*.news.example.org"]',
        host='hosts = ["www.news.example.org"]',
        page="urls = ['^https://www\\.news\\.example\\.org/a']",
    )
    policies = known_policies(tmp_path)

    def winner(url: str) -> str:
        return pick(url, policies).winner.name

    assert winner("https://www.news.example.org/a/1") == "page"
    assert winner("https://www.news.example.org/b") == "host"
    assert winner("https://m.news.example.org/a") == "section"
    assert winner("https://shop.example.org/") == "everything"
    assert winner("https://example.org/") == "default"


def test_losers_say_why_they_lost_and_the_closest_comes_first(tmp_path: Path) -> None:
    _own(
        tmp_path,
        host='hosts = ["x.com"]',
        wide='hosts = ["*.com"]',
        elsewhere='hosts = ["example.net"]',
    )

    found = pick("https://x.com/a", known_policies(tmp_path))

    why = {candidate.name: candidate.why for candidate in found.rejected}
    assert (found.winner.name, found.winner.why) == ("host", "the policy applies to host x.com")
    assert [candidate.name for candidate in found.rejected[:2]] == ["social-post", "wide"]
    assert why["social-post"] == (
        "the policy applies to host x.com, but the selected policy is equally specific and "
        "comes first: your own policies come before shipped policies, then the order is by "
        "name"
    )  # a shipped one
    assert why["wide"] == (
        "the policy applies to host *.com, but the selected policy is more specific"
    )
    assert why["elsewhere"] == "the policy applies only to other pages"
    assert why["legal-hold"] == "the policy is used only if its name is given"
    assert why["default"] == "the policy applies to pages to which no other policy applies"


def test_ones_own_policy_takes_the_place_of_the_shipped_one_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "default.toml").write_text('name = "default"\nextends = "default"\nlight = true\n')

    (found,) = [
        policy_file
        for policy_file in known_policies(tmp_path)
        if policy_file.policy.name == "default"
    ]

    assert found.policy.light
    assert [parent.name for parent in found.policy.parents] == ["default"]  # the shipped one
    assert pick("https://example.org/", known_policies(tmp_path)).winner.is_shipped is False


def test_files_of_rules_may_lie_beside_the_policies_that_name_them(tmp_path: Path) -> None:
    _own(tmp_path, forum='hosts = ["forum.example"]')
    (tmp_path / "forum-rules.toml").write_text('schema = "snapshotter/takedown-rules@1"\n')

    assert pick("https://forum.example/", known_policies(tmp_path)).winner.name == "forum"


def test_a_policy_that_is_not_called_like_its_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('name = "b"\n')

    with pytest.raises(SnapshotterError, match="a policy with the name b, but"):
        known_policies(tmp_path)


def test_a_directory_of_policies_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SnapshotterError, match="which is not a directory"):
        known_policies(tmp_path / "none")


def test_only_policies_that_say_for_which_pages_they_are_can_be_picked() -> None:
    names = {policy_file.policy.name for policy_file in pickable_policies(known_policies())}

    assert names == {"default", "social-post", "wechat-article", "weibo-post"}
    assert "legal-hold" not in names  # nothing that can not be undone happens by itself


@pytest.mark.parametrize(
    "line", ["urls = ['(a+)+$']", "urls = ['(']", 'hosts = ["https://x.com"]', 'hosts = ["a b"]']
)
def test_a_match_that_is_none_or_could_take_for_ever_is_refused(tmp_path: Path, line: str) -> None:
    _own(tmp_path, bad=line)

    with pytest.raises(SnapshotterError, match=r"match\.(urls|hosts)"):
        known_policies(tmp_path)
