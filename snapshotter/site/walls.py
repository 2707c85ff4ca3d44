"""
Make log-in, consent and other walls, and content pages that resemble a wall.

A general rule must recognise each `wall/…` page, and must not match any `beside/…` page. The pages
are on hosts without a rule file. The texts are our own.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from snapshotter.model.assessment import WallKind
from snapshotter.site.news import NEWS
from snapshotter.site.response import Response, Visit, document, html, redirect

Make = Callable[[Visit], Response]

_SENTENCE = "The ferry leaves at ten past six, and there is no later one before Monday. "
_STORY = f"<p>{_SENTENCE * 5}</p>\n" * 3
_LOGIN = (
    '<form method="post" action="/login"><label>Name <input name="user"></label>\n'
    '<label>Password <input type="password" name="password"></label><button>{}</button></form>\n'
)
_LINKS = '<footer><a href="/about">About</a> <a href="/terms">Terms</a></footer>\n'


def _page(title: str, body: str, *, head: str = "", lang: str = "en", status: int = 200) -> Make:
    return lambda visit: document(title, body, head=head, lang=lang, status=status)


def _to(path: str) -> Make:
    return lambda visit: redirect(visit.address(NEWS, path, {}))


def _login(title: str, heading: str, button: str, lang: str = "en") -> Make:
    forgotten = '<p><a href="/forgotten">Forgotten?</a></p>\n'
    return _page(
        title, f"<h1>{heading}</h1>\n{_LOGIN.format(button)}{forgotten}{_LINKS}", lang=lang
    )


def _challenge_by_header(visit: Visit) -> Response:
    body = "<!doctype html><title>news.example</title><p>This takes a few seconds.</p>\n"
    return html(body, ("cf-mitigated", "challenge"), status=403)


_NOT_FREE = (
    '<script type="application/ld+json">{"@context": "https://schema.org", '
    '"@type": "NewsArticle", "headline": "The ferry", "isAccessibleForFree": "False"}</script>\n'
)
_PAYWALL = (
    '<div class="paywall-banner"><h2>Subscribe to continue reading</h2>\n'
    '<a href="/subscribe">Subscribe</a> <a href="/login">Log in</a></div>\n'
)
_CONSENT = (
    "<h1>Before you continue</h1>\n<p>We use cookies and data to keep our services running, to"
    " measure how readers use them and to show advertisements.</p>\n"
    "<button>Reject all</button><button>Accept all</button>\n"
)
_AGE = (
    "<h1>Confirm your age</h1>\n<p>What follows is for adults.</p>\n"
    "<button>I am 18 or older</button><a href='/'>Leave</a>\n"
)

# Name, kind, what the page is, and how it is made.
_WALLS: Final[tuple[tuple[str, WallKind, str, Make], ...]] = (
    ("wall/login", WallKind.LOGIN, "a log-in page with status 200",
     _login("Log in", "Log in", "Log in")),
    ("wall/login-zh", WallKind.LOGIN, "a log-in page, in Chinese",
     _login("石桥论坛 - 登录", "欢迎回来", "登录", "zh-CN")),
    ("wall/login-ar", WallKind.LOGIN, "a log-in page, in Arabic",
     _login("تسجيل الدخول", "مرحبا", "دخول", "ar")),
    ("wall/login-untitled", WallKind.LOGIN, "a form for a password, and a title that says nothing",
     _page("Stone Bridge", f"<h1>Stone Bridge</h1>\n{_LOGIN.format('Log in')}{_LINKS}")),
    ("wall/login-redirect", WallKind.LOGIN, "sent to a log-in page", _to("/login")),
    ("wall/challenge", WallKind.CHALLENGE, "a bot challenge, known by its form",
     _page("Stone Bridge", '<form id="challenge-form"></form><p>One moment.</p>\n', status=403)),
    ("wall/challenge-header", WallKind.CHALLENGE, "a bot challenge, known by its header",
     _challenge_by_header),
    ("wall/challenge-words", WallKind.CHALLENGE, "a bot challenge, known by its title",
     _page("Human verification", "<p>Hold the button until the bar is full.</p>\n")),
    ("wall/captcha-frame", WallKind.CHALLENGE, "a bot challenge is all that is there",
     _page("news.example", '<p>Show that you are human.</p><div class="h-captcha"></div>\n')),
    ("wall/consent", WallKind.CONSENT, "a question about cookies in the page's place",
     _page("Before you continue", _CONSENT)),
    ("wall/consent-redirect", WallKind.CONSENT, "sent to a question about cookies",
     _to("/consent")),
    ("wall/paywall", WallKind.PAYWALL, "the beginning of an article that is not free",
     _page("The ferry", f"<article><h1>The ferry</h1><p>{_SENTENCE}</p></article>\n{_PAYWALL}",
           head=_NOT_FREE)),
    ("wall/paywall-words", WallKind.PAYWALL, "the same, without data that say so",
     _page("The ferry", f"<article><h1>The ferry</h1><p>{_SENTENCE}</p></article>\n"
           '<h2>This article is for subscribers only</h2><a href="/subscribe">Subscribe</a>\n')),
    ("wall/age", WallKind.AGE, "a question for the reader's age in the page's place",
     _page("Stone Bridge", _AGE)),
    ("wall/age-redirect", WallKind.AGE, "sent to a question for the reader's age",
     _to("/age-gate")),
)  # fmt: skip

# Name, what the page is, and how it is made.
_BESIDE: Final[tuple[tuple[str, str, Make], ...]] = (
    ("beside/login-in-header", "a story with a log-in form in its header",
     _page("The ferry", f"<header>{_LOGIN.format('Log in')}</header>\n<h1>The ferry</h1>{_STORY}")),
    ("beside/forum-login-box", "a short list of threads beside a box to log in",
     _page("Stone Bridge forum", "<h1>Stone Bridge forum</h1>\n<ul>"
           '<li><a href="/t/1">When does the ferry leave on Sundays?</a> 4 replies</li>'
           '<li><a href="/t/2">Who found a red bicycle at the lower gate?</a> 12 replies</li>'
           '<li><a href="/t/3">A choir looks for basses, rehearsals on Tuesdays</a> 1 reply</li>'
           f"</ul>\n<h2>Log in</h2>{_LOGIN.format('Log in')}")),
    ("beside/article-on-login", "a story about log-in pages, with a form to log in",
     _page("Log in safely: what to look for", f"<h1>Log in safely</h1>{_STORY}"
           f"<aside>{_LOGIN.format('Log in')}</aside>")),
    ("beside/captcha-in-form", "a form to write to somebody, which a test protects",
     _page("Write to us", '<h1>Write to us</h1><form><input type="text" name="name">'
           '<textarea name="words"></textarea><div class="h-captcha"></div>'
           "<button>Send</button></form><p>We answer within a week.</p>\n")),
    ("beside/article-on-robots", "a story about bot challenges",
     _page("Are you a robot?", f"<h1>Are you a robot?</h1>{_STORY}")),
    ("beside/article-on-consent", "a story under a banner about cookies",
     _page("Before you continue", f"<h1>Before you continue</h1>{_STORY * 3}"
           "<div><button>Accept all</button></div>")),
    ("beside/metered-article", "most of an article that is not free",
     _page("The ferry", f"<article><h1>The ferry</h1>{_STORY * 2}</article>\n{_PAYWALL}",
           head=_NOT_FREE)),
    ("beside/article-on-paywalls", "a story that quotes a paywall",
     _page("Who pays?", f"<h1>Who pays?</h1>{_STORY * 2}<p>Subscribe to continue reading, says"
           ' every second newspaper.</p><a href="/subscribe">Subscribe</a>\n')),
    ("beside/article-on-age", "a story about the age of readers",
     _page("Age verification", f"<h1>Age verification</h1>{_STORY}<a href='/'>Yes</a>\n")),
)  # fmt: skip

KINDS: Mapping[str, WallKind] = MappingProxyType({name: kind for name, kind, _, _ in _WALLS})
PAGES: Mapping[str, tuple[Make, str]] = MappingProxyType(
    {
        **{name: (make, says) for name, _, says, make in _WALLS},
        **{name: (make, says) for name, says, make in _BESIDE},
    }
)
# Where the redirects among them lead.
TARGETS: Mapping[str, Make] = MappingProxyType(
    {
        "login": _login("Log in", "Log in", "Log in"),
        "consent": _page("Cookies", _CONSENT),
        "age-gate": _page("Welcome", _AGE),
    }
)
