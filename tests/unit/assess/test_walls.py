"""General rules name the kind of a wall, spare what resembles one, and keep old verdicts."""

import dataclasses
from pathlib import Path

import pytest

from snapshotter.assess.assessor import RuleAssessor
from snapshotter.errors import SnapshotterError
from snapshotter.model.assessment import Content, Undecided, WallKind
from snapshotter.model.page import Page
from snapshotter.policy.takedown_rules import parse_rules
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
        ("most_page_text = 1", "the rule has no condition"),
    ],
)
def test_a_slip_in_a_condition_is_named(lines: str, says: str) -> None:
    with pytest.raises(SnapshotterError, match=says):
        parse_rules(f'{HEAD}[[wall]]\nid = "w"\nkind = "login"\n{lines}\n', "slip.toml")


@pytest.mark.parametrize(
    ("title", "body", "kind"),
    [
        (
            "Accounts",
            "<h1>Sign in</h1><form><input type=email name=id><button>Next</button></form>",
            WallKind.LOGIN,
        ),
        (
            "Hafenkonto",
            "<h1>Bei Hafen anmelden</h1><form><input type=email><button>Weiter</button></form>",
            WallKind.LOGIN,
        ),
        (
            "Stone Bridge",
            "<h1>Log in to see this post</h1><button>Continue with Google</button>",
            WallKind.LOGIN,
        ),
        (
            "Порт",
            "<h1>Войдите в аккаунт</h1><form><input type=tel><button>Продолжить</button></form>",
            WallKind.LOGIN,
        ),
        (
            "提示信息",
            "<p>抱歉，您尚未登录，没有权限访问该版块</p><a href=/login>登录</a>",
            WallKind.LOGIN,
        ),
        (
            "الميناء",
            "<p>يجب تسجيل الدخول لمشاهدة هذا المحتوى</p><a href=/login>دخول</a>",
            WallKind.LOGIN,
        ),
        (
            "Making sure you're not a bot!",
            f"<h1>Making sure you're not a bot!</h1>{SENTENCE * 8}",
            WallKind.CHALLENGE,
        ),
        ("Hafenbote", "<h1>Sind Sie ein Roboter?</h1><input type=checkbox>", WallKind.CHALLENGE),
        (
            "Too many requests",
            "<h1>Too many requests</h1><p>Wait a few minutes.</p>",
            WallKind.RATE_LIMITED,
        ),
        ("港", "<h1>アクセスが集中しています</h1>", WallKind.RATE_LIMITED),
    ],
)
def test_a_wall_with_status_200_and_no_password_field_is_known(
    title: str, body: str, kind: WallKind
) -> None:
    content, verdict = ASSESSOR.judge(markup(f"<title>{title}</title><body>{body}</body>"))

    assert (content.kind, verdict.wall) == (Content.WALL, kind)


@pytest.mark.parametrize(
    ("title", "body"),
    [
        ("Access Denied", "<h1>Access Denied</h1><p>You have no permission. Reference #18</p>"),
        ("Harbour", "<h1>JavaScript is not available.</h1><p>Please enable it.</p>"),
        ("Порт", "<h1>Произошла ошибка</h1>"),
        ("الميناء", "<h1>حدث خطأ ما</h1>"),
        ("Welcome to nginx!", f"<h1>Welcome to nginx!</h1>{SENTENCE}"),
    ],
)
def test_an_error_with_status_200_is_no_content(title: str, body: str) -> None:
    html = f"<title>{title}</title><body>{body}</body>"

    content, verdict = ASSESSOR.judge(markup(html))
    _, missing = ASSESSOR.judge(markup(html, status=404))

    assert (content.kind, verdict.undecided) == (Content.ERROR, Undecided.ERROR)
    assert missing.rule == "gen-404"  # what the status says is not lost


@pytest.mark.parametrize(
    "body",
    [
        "<h1>Low tide</h1><p>The boats lie still.</p><p>You must be logged in to post a comment."
        "</p><a href=/wp-login.php>Log in</a>",
        "<h1>渡轮又晚了</h1><p>没有人知道为什么。</p><p>您需要登录后才可以回帖</p>"
        "<a href=/login>登录</a>",
        "<h1>Отлив</h1><p>Лодки лежат.</p><p>Войдите, чтобы оставить комментарий</p><a href=/login>"
        "Войти</a>",
        "<h1>Anmelden zur Rundfahrt</h1><form><input type=email><button>Weiter</button></form>",
        "<main><h1>Low tide</h1><img src=p.jpg><h2>Log in to follow harbour</h2><button>Log in"
        "</button></main>",
        "<h1>Forbidden</h1><p>A film in black and white, 85 minutes.</p>",
        "<h1>An error occurred to me</h1><p>While I was counting the boats.</p>",
        "<h1>Harbour Gin</h1><p class=price>34.90</p><p>You must be 18 or over to buy this.</p>"
        "<button>Continue</button>",
    ],
)
def test_what_only_asks_its_readers_to_log_in_is_content(body: str) -> None:
    content, verdict = ASSESSOR.judge(markup(f"<title>Stone Bridge</title><body>{body}</body>"))

    assert (content.kind, verdict.rule) == (Content.CONTENT, "gen-short")
