"""`policy list|show|explain|lint|test|diff`: nothing of it asks anybody for anything."""

import socket
import threading
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from snapshotter.policy.load import load, shipped_policy_names
from snapshotter.policy.tables import Policy
from snapshotter.site import catalogue
from tests.unit.cli.shell import Shell

ARTICLE = "https://mp.weixin.qq.com/s?__biz=MzA&mid=1&uin=c4n4ry"


class Home(Shell):
    """A home, in which commands are run."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("HOME", str(folder))
        monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(folder / "data"))
        monkeypatch.chdir(folder)
        self.folder = folder
        super().__init__(capsys, "policy")

    def write(self, name: str, text: str) -> str:
        """Write a file, and return its name."""
        (self.folder / name).write_text(text, encoding="utf-8")
        return name

    def save(self, page: str) -> str:
        """Save a page of the fixture site as a person would, and return its name."""
        name = f"{page.replace('/', '-')}.html"
        (self.folder / name).write_bytes(catalogue.follow_visit(page).response.body)
        return name


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Home:
    return Home(tmp_path, monkeypatch, capsys)


@pytest.fixture(autouse=True)
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail on a connection of this thread; what earlier tests have left running is its own."""
    ours = threading.get_ident()

    def watched(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            assert threading.get_ident() != ours, "a connection was made"
            return real(*arguments, **more)

        return call

    monkeypatch.setattr(socket.socket, "connect", watched(socket.socket.connect))
    monkeypatch.setattr(socket.socket, "connect_ex", watched(socket.socket.connect_ex))
    monkeypatch.setattr(socket, "getaddrinfo", watched(socket.getaddrinfo))


def test_a_connection_would_be_noticed() -> None:
    with pytest.raises(AssertionError, match="a connection was made"):
        socket.create_connection(("127.0.0.1", 9))


def test_all_policies_are_listed_with_what_they_are_for(shell: Home) -> None:
    assert shell.run("list", "--json") == 0

    assert [printed["name"] for printed in shell.objects] == list(shipped_policy_names())
    assert all(printed["reason"] and printed["path"] is None for printed in shell.objects)
    weibo = next(printed for printed in shell.objects if printed["name"] == "weibo-post")
    assert weibo["parents"] == ["social-post", "expanded", "default"]
    assert "*.weibo.com" in weibo["match"]["hosts"]


def test_ones_own_policies_are_listed_too(shell: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    own = shell.folder / "own"
    own.mkdir()
    (own / "forum.toml").write_text('name = "forum"\nreason = "threads"\n')
    monkeypatch.setenv("SNAPSHOTTER_POLICIES_DIR", str(own))

    assert shell.run("list") == 0

    (line,) = [line for line in shell.out.splitlines() if line.startswith("forum ")]
    assert line.endswith(f"threads  (your own: {own / 'forum.toml'})")


def test_a_policy_is_shown_whole_with_who_says_what(shell: Home) -> None:
    assert shell.run("show", "weibo-post") == 0

    assert Policy.read(tomllib.loads(shell.out)) == load("weibo-post")
    lines = shell.out.splitlines()
    assert 'timezone = "Asia/Shanghai"' in lines  # its own
    assert 'viewports = ["phone"]  # social-post' in lines
    assert "enabled = true  # expanded" in lines
    assert "hosts = []  # default" not in lines

    assert shell.run("show", "--json", "weibo-post") == 0
    values = shell.object["values"]
    assert values["browser.timezone"] == {"from": "weibo-post", "value": "Asia/Shanghai"}
    assert values["match.urls"] == {"from": None, "value": []}


def test_what_a_capture_would_be_like_is_told(shell: Home) -> None:
    assert shell.run("explain", "--json", ARTICLE) == 0

    found = shell.object
    assert (found["policy"], found["light"]) == ("wechat-article", False)
    assert found["why"].startswith("the policy applies to addresses ^https?://mp")
    assert {policy["name"]: policy["why"] for policy in found["others"]}[
        "weibo-post"
    ] == "the policy applies only to other pages"
    assert [rule_set["id"] for rule_set in found["rules"] if rule_set["applies"]] == [
        "wechat",
        "phrases",
        "generic",
    ]
    assert found["redaction"]["stripped"] == ["uin"]
    assert found["redaction"]["visited_url"] == "https://mp.weixin.qq.com/s?__biz=MzA&mid=1"
    assert "cookie" in found["redaction"]["headers"]
    seen = {observer["who"]: observer["from"] for observer in found["observers"]}
    assert seen["mp.weixin.qq.com"] == "this machine"
    assert seen["the resolver of this machine"] == "this machine"
    assert seen["timestamp authority DigiCert (timestamp.digicert.com)"] == "this machine"
    assert seen["the store captures"] == ""


def test_what_a_schedule_costs_is_the_sum_of_its_curve_and_of_the_hosts_rules(shell: Home) -> None:
    assert shell.run("explain", "--json", ARTICLE) == 0

    cost = shell.object["cost"]
    assert (cost["three_days"], cost["in_all"]) == (15, 49)  # 11 daily and 23 weekly ones
    assert (cost["fits_per_day"], cost["budget_per_day"]) == (14_400, 500)
    assert cost["new_pages_per_day"] == {
        "by_budget": 10, "by_pace": 293, "by_pace_three_days_only": 960,
    }  # fmt: skip

    assert shell.run("explain", ARTICLE) == 0
    assert (
        "14400 visits a day are possible: enough for 293 new pages a day, or for 960 new pages a "
        "day if only the first three days of each page are counted\n"
    ) in shell.out


def test_how_a_page_is_watched_is_told(shell: Home) -> None:
    assert shell.run("explain", "--json", "--policy", "monitor-takedown", ARTICLE) == 0
    assert shell.object["watch"] == {
        "confirm_after_s": 600, "confirm_times": 2, "control": True, "proof": True,
        "second_vantage": None, "visits_after_a_removal": 15,
    }  # fmt: skip

    assert shell.run("explain", "--policy", "monitor-takedown", ARTICLE) == 0
    assert "phrases 2026.11.1; number of rules: 8" in shell.out
    assert (
        "a removal is confirmed by 2 captures, which are 10m apart, and between these captures a "
        "control page of the host is captured; "
    ) in shell.out
    assert "; a proof pack is made for each removal" in shell.out
    assert shell.run("explain", "--policy", "high-risk-source", ARTICLE) == 0
    assert "watches  " in shell.out
    assert "proof pack" not in shell.out
    assert shell.run("explain", "--json", "--policy", "compliance-site", ARTICLE) == 0
    assert shell.object["watch"] is None


def test_behind_a_proxy_it_is_the_proxy_that_is_seen(
    shell: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAPSHOTTER_PROXY", "socks5://me:SECRET@proxy.example:1080")
    monkeypatch.setenv("SNAPSHOTTER_STORE", "s3://evidence/case")

    assert shell.run("explain", "--json", "--policy", "high-risk-source", ARTICLE) == 0

    seen = {observer["who"]: observer["from"] for observer in shell.object["observers"]}
    assert seen["mp.weixin.qq.com"] == "the configured proxy"
    assert seen["the proxy socks5-proxy proxy.example:1080"] == "this machine"
    assert "the resolver of this machine" not in seen
    assert seen["the store s3://evidence/case at Amazon S3"] == ("this machine, without the proxy")
    assert "SECRET" not in shell.out


def test_rules_of_ones_own_are_told_and_judge_a_page(
    shell: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As docs/howto/write-a-policy.md has it."""
    own = shell.folder / "policies"
    own.mkdir()
    monkeypatch.setenv("SNAPSHOTTER_POLICIES_DIR", str(own))
    rules = RULES.replace("mp.weixin.qq.com", "forum.example")
    (own / "forum-rules.toml").write_text(rules.replace('match = ["wx/deleted-zh"]', "match = []"))
    (own / "forum.toml").write_text(
        'name = "forum"\nextends = "social-post"\nreason = "threads"\n'
        "[match]\nreason = 'threads'\nurls = ['^https://forum\\.example/t/']\n"
        '[takedown]\nreason = "ours"\nrules = ["forum-rules.toml", "generic"]\n'
    )
    url = "https://forum.example/t/4711"

    assert shell.run("lint", "forum") == 0
    assert "warning" not in shell.out
    assert shell.run("explain", "--json", url) == 0
    assert shell.object["policy"] == "forum"
    assert [rule_set["id"] for rule_set in shell.object["rules"] if rule_set["applies"]] == [
        "mine",
        "generic",
    ]
    assert shell.run("test", "--json", "--url", url, shell.save("wx/deleted-zh")) == 0
    assert shell.object["takedown"]["rule"] == "mine-1"
    assert shell.object["rules"] == ["mine", "generic"]


def test_a_policy_that_needs_a_proxy_is_seen_by_nobody_without_one(shell: Home) -> None:
    assert shell.run("explain", "--policy", "high-risk-source", ARTICLE) == 0

    seen = [line for line in shell.out.splitlines() if line.startswith("seen by")]
    assert seen == [
        "seen by   nobody: the policy requires a proxy, but no proxy is configured, "
        "so the capture is refused"
    ]


def test_a_list_is_summed_up_by_host_and_what_is_too_much_is_told(shell: Home) -> None:
    urls = [f"https://mp.weixin.qq.com/s?__biz=MzA&mid={number}" for number in range(60)]
    shell.write("urls.txt", "\n".join([*urls, "https://example.org/"]))

    assert shell.run("explain", "--json", "--list", "urls.txt") == 0
    wechat, other = shell.objects
    assert (wechat["host"], wechat["pages"], wechat["policies"]) == (
        "mp.weixin.qq.com", 60, ["wechat-article"],
    )  # fmt: skip
    assert (wechat["first_day"], wechat["three_days"]) == (60 * 9, 60 * 15)
    assert wechat["is_over_budget"]
    assert wechat["first_visits_take_s"] >= 59 * 6
    assert (other["first_day"], other["is_over_budget"]) == (1, False)

    assert shell.run("explain", "--list", "urls.txt") == 0
    assert (
        "the rules for the host allow 450 visits in 24 hours, but the first day needs 540 visits. "
        "The visits above the limit would be recorded as gaps\n"
    ) in shell.err


def test_either_a_page_or_a_list_is_explained(shell: Home) -> None:
    shell.write("none.txt", "# nothing\n")

    assert shell.run("explain") == 2
    assert shell.run("explain", "--list", "none.txt", ARTICLE) == 2
    assert shell.run("explain", "--list", "none.txt") == 2
    assert shell.run("explain", "ftp://example.org/") == 1


@pytest.mark.parametrize("name", shipped_policy_names())
def test_nothing_is_wrong_with_what_is_shipped(shell: Home, name: str) -> None:
    assert shell.run("lint", name) == 0

    assert "error" not in shell.out
    assert "warning" not in shell.out


RULES = """
schema = "snapshotter/takedown-rules@1"
id = "mine"
version = "1.0"
hosts = ["mp.weixin.qq.com"]
normalise = "zh-notice"
notice_shape = [".weui-msg"]

[[notice]]
id = "mine-1"
cause = "author"
grade = "D"
select = ".weui-msg__title"
equals = ["该内容已被发布者删除"]

[notice.fixtures]
match = ["wx/deleted-zh"]
no_match = ["wx/quotes-notice"]
"""


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        (
            "[limits]\ntotals = 9\nrequests = 0\n",
            "limits.totals",
            "no key with this name exists",
        ),
        ("[limits]\ntotals = 9\nrequests = 0\n", "limits.requests", "greater than 0"),
        (
            '[expand]\nwords = ["more"]\n',
            "expand.words",
            "nothing is clicked, because expand.enabled is false",
        ),
        ("[expand]\nenabled = true\n", "expand.enabled", "no words or selectors are given"),
        (
            '[consent]\nreject_words = ["no"]\n',
            "consent",
            "no banner is dismissed, because consent.enabled is false",
        ),
        (
            '[retention]\nmode = "COMPLIANCE"\n',
            "retention.mode",
            "the mode has no effect, because retention.days is 0",
        ),
        (
            '[schedule]\ncurve = "curve-none"\n',
            "schedule.curve",
            "the curve curve-none does not exist",
        ),
        (
            "[limits]\ntotal_s = 20\n",
            "limits.navigate_s",
            "larger than the limit of the whole capture, 20 s",
        ),
        (
            '[takedown]\nsecond_vantage = "mars"\n',
            "takedown.second_vantage",
            "the settings have no [[vantage]] mars",
        ),
        ('[takedown]\nrules = ["none"]\n', "", "the take-down rules none do not exist"),
        ("[compare.mask]\npatterns = ['(a+)+x']\n", "", "(a+)+x"),
        (
            '[match]\nhosts = ["x.com"]\n[takedown]\nrules = ["wechat", "x"]\n',
            "takedown.rules",
            "the rules wechat apply only to mp.weixin.qq.com, but the policy does not match these "
            "hosts",
        ),
    ],
)
def test_what_can_not_work_is_found(shell: Home, text: str, key: str, words: str) -> None:
    shell.write("bad.toml", f'name = "bad"\nreason = "a test"\n{text}')

    assert shell.run("lint", "--json", "bad.toml") == 1

    errors = {
        printed["key"]: printed["message"]
        for printed in shell.objects
        if printed["gravity"] == "error"
    }
    assert words in errors[key]


def test_what_somebody_should_look_at_is_no_error(shell: Home) -> None:
    shell.write(
        "odd.toml",
        'name = "odd"\nextends = "default"\n[match]\nhosts = ["x.com"]\nurls = ["x.com/"]\n'
        "[wait]\nreloads = 1\n",
    )

    assert shell.run("lint", "odd.toml") == 0

    for line in (
        "warning: odd.toml: reason: the policy has no text that explains its purpose",
        "warning: odd.toml: wait.reason: the table has no text that explains its values",
        (
            "warning: odd.toml: match: the policy social-post has the same pattern "
            "x.com, so only one of the two policies is used"
        ),
        "warning: odd.toml: match.urls: the pattern x.com/ matches anywhere in an address (^https?://)",
        (
            "note: odd.toml: wait.reloads: the parent policy default has the same value, so "
            "this key can be removed"
        ),
    ):
        assert line in shell.out.splitlines()


def test_rules_that_never_match_and_pages_that_are_not_there_are_found(shell: Home) -> None:
    second = RULES[RULES.index("[[notice]]") :].replace("mine-1", "mine-2")
    shell.write("mine.toml", RULES + second.replace("wx/deleted-zh", "wx/no-such-page"))

    assert shell.run("lint", "mine.toml") == 1

    assert (
        "mine-2: the rule never matches, because earlier rules match the same words: mine-1"
        in shell.out
    )
    assert "mine-2.fixtures: the fixture site has no page wx/no-such-page" in shell.out


def test_each_shipped_rule_is_right_about_its_own_pages(shell: Home) -> None:
    assert shell.run("test") == 0

    assert "result: all correct" in shell.err
    assert shell.run("test", "--json", "--rules", "wechat") == 0
    assert {printed["rules"] for printed in shell.objects} == {"wechat"}
    assert {printed["wanted"] for printed in shell.objects} == {True, False}


def test_a_rule_that_takes_an_article_for_a_notice_fails(shell: Home) -> None:
    """The trap: an article about censorship that quotes the sentence."""
    greedy = RULES.replace("[[notice]]", "[[label]]").replace("[notice.", "[label.")
    greedy = greedy.replace('cause = "author"', 'label = "refuted"')
    greedy = greedy.replace('".weui-msg__title"', '"h1"').replace("equals =", "contains =")
    shell.write("mine.toml", greedy.replace('match = ["wx/deleted-zh"]', "match = []"))

    assert shell.run("test", "--rules", "mine.toml") == 1

    assert "mine-1 matches, but must not match the page wx/quotes-notice;" in shell.out


def test_a_rule_that_misses_its_page_fails(shell: Home) -> None:
    shell.write("mine.toml", RULES.replace("该内容已被发布者删除", "别的话"))

    assert shell.run("test", "--rules", "mine.toml") == 1

    assert "wrong: mine mine-1 does not match the page wx/deleted-zh;" in shell.out


def test_ones_own_page_gets_a_verdict(shell: Home) -> None:
    assert shell.run("test", "--url", ARTICLE, shell.save("wx/deleted-zh")) == 0
    assert shell.out.startswith("not available (removal by the author)\n")
    assert "wx-01 in " in shell.out

    assert shell.run("test", "--url", ARTICLE, shell.save("wx/quotes-notice")) == 0
    assert shell.out.startswith("available\n")


def test_a_notice_that_no_rule_knows_gets_a_rule_to_begin_with(shell: Home) -> None:
    page = shell.save("wx/future-wording")

    assert shell.run("test", "--url", ARTICLE, page) == 0
    assert shell.out.startswith("not established (notice that no take-down rule matches)\n")
    stub = shell.out[shell.out.index("# Seen on") :]
    shell.write("mine.toml", stub.replace('"not_stated"', '"author"'))

    # It is taken as it is, and knows the page from now on.
    assert shell.run("lint", "mine.toml") == 0
    assert shell.run("test", "--rules", "mine.toml", "--url", ARTICLE, page) == 0
    assert shell.out.startswith("not available (removal by the author)\n")
    assert shell.run("test", "--json", "--url", ARTICLE, page) == 0
    assert shell.object["stub"] == stub


def test_a_page_without_its_address_is_judged_by_general_rules_and_that_is_told(
    shell: Home,
) -> None:
    assert shell.run("test", shell.save("wx/deleted-zh")) == 0

    assert "judged by phrases, generic" in shell.out
    assert (
        "only the rules for all hosts were applied, because the rules of a platform need the "
        "address of the page. Give the address with --url\n"
    ) in shell.err


def test_two_policies_are_compared_key_by_key(shell: Home) -> None:
    assert shell.run("diff", "--json", "default", "wechat-article") == 0
    found = {printed["key"]: (printed["left"], printed["right"]) for printed in shell.objects}
    assert found["browser.locale"] == ("en-US", "zh-CN")
    assert "browser.kind" not in found
    assert not [line for line in found if line.endswith("reason")]

    assert shell.run("diff", "default", "default") == 0
    assert shell.out == ""
    assert "the policies default and default have the same effective values\n" in shell.err
    assert shell.run("diff", "default", "nowhere") == 1
