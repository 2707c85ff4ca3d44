"""General rules name the kind of a wall, spare what resembles one, and keep old verdicts."""

import dataclasses
from pathlib import Path

import pytest

from snapshotter.assess.assessor import RuleAssessor
from snapshotter.errors import SnapshotterError
from snapshotter.model.assessment import Content, Undecided, WallKind
from snapshotter.model.page import Page
from snapshotter.policy.takedown import parse_rules
from snapshotter.site import walls
from tests.unit.assess.pages import assessor, markup, site_page

ASSESSOR = assessor()
OLD_RULES = Path(__file__).with_name("old_rules") / "generic-2026.11.1.toml"
FORM = '<form><input name="user"><input type="password"><button>{}</button></form>'
SENTENCE = "<p>The ferry leaves at ten past six, and there is no later one before Monday.</p>"
HEAD = 'schema = "snapshotter/takedown-rules@1"\nid = "t"\nversion = "1.0"\nhosts = ["*"]\n'


def sent_to(url: str) -> Page:
    return dataclasses.replace(
        markup(f"<title>Stone Bridge</title>{SENTENCE * 9}", url),
        requested_url="http://news.example/story",
    )


def answered(*headers: tuple[str, str], status: int = 200) -> Page:
    return dataclasses.replace(
        markup(f"<title>Stone Bridge</title>{SENTENCE}", status=status), headers=dict(headers)
    )


@pytest.mark.parametrize(
    "title",
    [
        "Log in", "Login - Stone Bridge", "Sign in to your account", "Stone Bridge · Sign in",
        "Facebook – log in or sign up", "石桥论坛-登录", "用户登录", "會員登入",
        "ログイン | 石橋", "로그인",
        "Вход - Каменный мост", "Anmelden – Steinbrücke", "Connexion", "Iniciar sesión | Puente",
        "Entrar", "Accedi", "تسجيل الدخول", "Zaloguj się", "Giriş yap", "Đăng nhập",
    ],
)  # fmt: skip
def test_a_log_in_page_is_a_wall_in_many_languages(title: str) -> None:
    page = markup(f"<title>{title}</title><body><h1>Stone Bridge</h1>{SENTENCE * 2}{FORM}</body>")

    content, verdict = ASSESSOR.judge(page)

    assert (content.kind, verdict.wall) == (Content.WALL, WallKind.LOGIN)
    assert verdict.undecided is Undecided.WALL
    assert verdict.evidence[0].region.endswith("input:nth-child(2)")


@pytest.mark.parametrize(
    "html",
    [
        f"<title>Loginov's boats</title>{SENTENCE * 20}{FORM.format('Log in')}",
        f"<title>Log in safely</title>{SENTENCE * 6}{FORM.format('Log in')}",
        f"<title>Log in</title>{SENTENCE}<div hidden>{FORM.format('Log in')}</div>",
        f"<title>Log in</title>{SENTENCE}",
        f"<title>Join us</title>{FORM.format('Create account')}{SENTENCE}",
    ],
    ids=["a name", "an article", "a hidden form", "no form", "another form"],
)
def test_what_resembles_a_log_in_page_is_content(html: str) -> None:
    assert ASSESSOR.judge(markup(html))[0].kind is Content.CONTENT


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://accounts.google.com/v3/signin/identifier?continue=x", "login"),
        ("https://forum.example/i/flow/login?redirect=x", "login"),
        ("https://www.linkedin.com/authwall?trk=x", "login"),
        ("https://passport.weibo.cn/signin/login", "login"),
        ("https://news.example/connexion?next=/story", "login"),
        ("https://login.microsoftonline.com/common/oauth2/authorize", "login"),
        ("https://consent.youtube.com/m?continue=x", "consent"),
        ("https://consent.google.com/ml?continue=x", "consent"),
        ("https://guce.yahoo.com/consent?x", "consent"),
        ("https://myprivacy.dpgmedia.nl/consent?x", "consent"),
        ("https://store.example/agecheck/app/1", "age"),
        ("https://forum.example/over18?dest=x", "age"),
        ("https://www.google.com/sorry/index?continue=x", "challenge"),
        ("https://geo.captcha-delivery.com/captcha/?x", "challenge"),
    ],
)
def test_an_address_to_which_readers_are_sent_is_a_wall_of_its_kind(url: str, kind: str) -> None:
    content, verdict = ASSESSOR.judge(sent_to(url))

    assert (content.kind, verdict.wall) == (Content.WALL, WallKind(kind))


@pytest.mark.parametrize(
    "url",
    [
        "http://news.example/login-tips", "http://news.example/2026/age-of-steam",
        "http://news.example/consents/1", "http://news.example/blog/how-to-sign-in",
    ],
)  # fmt: skip
def test_an_address_that_only_begins_like_that_of_a_wall_is_none(url: str) -> None:
    assert ASSESSOR.judge(sent_to(url))[0].kind is Content.CONTENT


@pytest.mark.parametrize(
    ("header", "status", "is_wall"),
    [
        (("cf-mitigated", "challenge"), 403, True),
        (("cf-mitigated", "Challenge "), 503, True),
        (("x-vercel-mitigated", "challenge"), 429, True),
        (("x-amzn-waf-action", "captcha"), 405, True),
        (("x-amzn-waf-action", "challenge"), 202, True),
        (("x-datadome", "protected"), 403, True),
        (("x-datadome", "protected"), 200, False),
        (("cf-mitigated", "block"), 200, False),
        (("cf-ray", "1"), 200, False),
    ],
)
def test_a_header_that_marks_a_challenge_is_a_wall(
    header: tuple[str, str], status: int, is_wall: bool
) -> None:
    content, verdict = ASSESSOR.judge(answered(header, status=status))

    assert (verdict.wall is WallKind.CHALLENGE) is is_wall
    assert (content.kind is Content.WALL) is is_wall
    if is_wall:
        assert verdict.evidence[0].region == f"header {header[0]}"


def test_a_researcher_who_keeps_log_in_pages_calls_their_form_content() -> None:
    own = f'{HEAD}[[content]]\nid = "form"\nany = ["form"]\nmin_text = 1\n'.replace(
        "*", "own.example"
    )
    rules = parse_rules(own, "own")
    page = markup(f"<title>Log in</title>{FORM.format('Log in')}", "http://own.example/bank")

    mine = RuleAssessor((rules, *ASSESSOR.rules)).judge(page)[0].kind

    assert (ASSESSOR.judge(page)[0].kind, mine) == (Content.WALL, Content.CONTENT)


@pytest.mark.parametrize("name", walls.PAGES)
def test_an_old_file_of_rules_judges_as_it_did(name: str) -> None:
    """A bundle holds the rules of its day, so what is new must be asked for by a new key."""
    old = RuleAssessor((parse_rules(OLD_RULES.read_text(encoding="utf-8"), "old"),))
    known = {"wall/login-redirect": "gen-w4", "wall/challenge": "gen-w1"}

    content, verdict = old.judge(site_page(name))

    if name in known:
        assert (verdict.rule, verdict.wall in (WallKind.LOGIN, WallKind.VERIFICATION)) == (
            known[name], True,
        )  # fmt: skip
    elif name == "wall/challenge-header":
        assert (content.kind, verdict.rule) == (Content.ERROR, "")
    else:
        assert (content.kind, verdict.rule) in (
            (Content.CONTENT, "gen-short"), (Content.CONTENT, "gen-content"),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ('header = [{ name = "CF-Ray" }]', "name"),
        ('select = "p"\nalso = [{ select = "p:hover" }]', "select"),
        ('select = "p"\nalso = [{ starts = ["x"] }]', "select"),
        ('select = "p"\nmost_page_text = -1', "most_page_text"),
        ("most_page_text = 1", "matches nothing"),
    ],
)
def test_a_slip_in_a_condition_is_named(lines: str, says: str) -> None:
    with pytest.raises(SnapshotterError, match=says):
        parse_rules(f'{HEAD}[[wall]]\nid = "w"\nkind = "login"\n{lines}\n', "slip.toml")
