"""
Make the pages of an invented newspaper's site for tests and the demo: one article from 2014, the
front page, the feed, and the notices and error pages that replace a removed article.

`/news/2014` has every property that makes such pages hard to preserve: no date in its text,
paragraphs behind a control, a category attached to a date, a comment form, and two fifths of the
page that change every day.
"""

from html import escape

from snapshotter.site import pictures
from snapshotter.site.notices import notice_page
from snapshotter.site.response import Response, Visit, document, html
from snapshotter.value_class import dataclass

NEWS = "news.example"
QUOTE = (
    "“Some people have used the new accounts to pass on rumors and to sell what may not be"
    " sold, and the public has the right to a clean channel,” the office’s statement said."
)
PUBLISHED = "2014-05-28T04:10:00+00:00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Teaser:
    """One item of the side column."""

    category: str
    ago: str
    title: str
    text: str


# "Nadia in Burnaby2 weeks ago" is what careless tools make of the first one.
TEASERS = (
    Teaser(category="Nadia in Burnaby", ago="2 weeks ago", title="The long way to the ferry",
           text="I missed the boat twice on Sunday, and it was the best thing that..."),
    Teaser(category="Lifestyle", ago="3 weeks ago", title="Twelve soups for a wet month",
           text="Matte Lindgren-Oakes swears by barley, and after a week of rain we..."),
    Teaser(category="Business", ago="3 weeks ago", title="Corner shops count their keys",
           text="Four owners on one street tell us what a second door would..."),
    Teaser(category="Sports", ago="4 weeks ago", title="Rowers win in the fog",
           text="Nobody on the bank saw the finish, and yet the cheering was..."),
    Teaser(category="Community", ago="1 month ago", title="A choir looks for basses",
           text="The hall is booked, the piano is tuned, and the lower row is..."),
    Teaser(category="Arts", ago="2 months ago", title="Paper kites at the library",
           text="Matter Lindgren-Oakes has folded one kite for every book she..."),
    Teaser(category="Food", ago="3 months ago", title="Bread that forgives",
           text="If you forget it overnight it only gets better, says the baker at..."),
    Teaser(category="Travel", ago="4 months ago", title="Two days on a slow train",
           text="The conductor knows every dog along the line by name, and they..."),
    Teaser(category="Opinion", ago="5 months ago", title="Who waters the square?",
           text="The linden trees were planted by one council and forgotten by..."),
    Teaser(category="Health", ago="5 months ago", title="Walking groups start again",
           text="Meet at the clock at nine, bring a hat, and leave the stopwatch..."),
)  # fmt: skip
_SHOWN = 10
FIRST_HIDDEN = "Readers who had followed such accounts said the change was plain to see"


def paragraphs(figure: int) -> tuple[str, ...]:
    """Return the story; its third and fourth paragraph are behind a control."""
    return (
        "BEIJING — A month-long campaign against public accounts on a popular messaging service"
        f" began on Tuesday, after at least {figure} accounts had been closed in March, several"
        " of them run by writers on politics and the law. People subscribe to such accounts"
        " without first exchanging greetings, and read them as others read a morning paper.",
        f"{QUOTE} The ministries that take part gave no list of names. The service’s owner did"
        " not answer calls, nor an emailed list of nine questions – among them, who decides and"
        " how a closed account may be opened again.",
        f"{FIRST_HIDDEN}: a list of forty articles on Monday, a grey icon on Wednesday. One"
        " subscriber had kept printed pages in a folder, and showed them with the dates"
        " written by hand in the corner.",
        "Observers linked the step to last year’s rules for microblogs, under which a false post"
        " that is forwarded 500 times or viewed 5,000 times can mean jail. “Numbers have become"
        " facts of law,” a lawyer in the capital said, “so somebody should write them down.”",
    )


def story(visit: Visit) -> Response:
    """Return the page of the story."""
    page = visit.page
    if page.showing != "available":
        return gone(visit)
    first, second, third, fourth = (
        escape(paragraph, quote=False) for paragraph in paragraphs(page.figure)
    )
    origin = visit.origin(NEWS)
    return document(
        "Accounts closed as campaign begins – The Burrard Lantern",
        f'{_HEADER}<div class="page">\n<main>\n<article class="post">\n'
        '<h1 class="entry-title">Accounts closed as campaign begins</h1>\n'
        '<div class="post-meta"><div class="label">Published</div>\n'
        f'<div class="label">on</div>\n<time class="entry-date" datetime="{PUBLISHED}"></time>'
        "</div>\n"
        '<figure class="post-image"><img src="/news/images/1.png" alt="lantern" width="640"'
        ' height="360">\n<figcaption>lantern</figcaption></figure>\n'
        f'<div class="entry-content">\n<p>{first}</p>\n<p>{second}</p>\n'
        f'<div class="rest" id="rest" hidden>\n<p>{third}</p>\n<p>{fourth}</p>\n</div>\n'
        '<button class="continue" type="button" id="continue">Continue Reading</button>\n'
        '<p class="qr"><img src="/news/images/qr.png" alt="Scan to read on your phone"'
        ' width="198" height="198"></p>\n</div>\n</article>\n'
        '<section class="comments" id="comments">\n'
        '<button type="button" class="open-comments">Click to comment</button>\n'
        '<div id="respond" class="comment-respond"><h3>Leave a Reply</h3>\n'
        '<form class="comment-form" action="/news/comment" method="post">'
        "<p>Your email address will not be published. Required fields are marked *</p>\n"
        '<p><label>Comment * <textarea name="comment" rows="4"></textarea></label></p>\n'
        '<p><label>Name * <input name="author"></label></p>\n'
        '<p><label>Email * <input name="email"></label></p>\n'
        '<p><button type="submit">Post Comment</button></p></form></div>\n</section>\n'
        f"</main>\n{_sidebar(page.sidebar)}</div>\n{_FOOTER}"
        "<script>document.getElementById('continue').addEventListener('click', function () {"
        " document.getElementById('rest').hidden = false; this.remove(); });</script>\n",
        head=f'<link rel="canonical" href="http:{origin}/news/2014">\n'
        '<meta property="og:site_name" content="The Burrard Lantern">\n'
        f'<link rel="alternate" type="application/rss+xml" href="http:{origin}/news/feed.xml">\n'
        f"{_STYLE}",
    )


_STYLE = """<style>
body { margin: 0; font: 17px/1.5 Georgia, serif; color: #222; }
header, footer { padding: 16px 24px; background: #f3f0ea; }
header { display: flex; gap: 32px; } header nav a { margin-right: 24px; } a { color: #24507a; }
.site { font-weight: bold; }
.page { display: flex; gap: 32px; max-width: 1160px; margin: 0 auto; padding: 24px; }
main { flex: 1 1 640px; min-width: 0; } aside { flex: 0 0 320px; font-size: 14px; }
img { max-width: 100%; height: auto; } figcaption { font-size: 13px; color: #666; }
.meta { display: flex; } .teaser { border-bottom: 1px solid #ddd; padding: 8px 0; }
.teaser h4, .teaser p { margin: 2px 0; }
</style>
"""
_HEADER = """<header><a class="site" href="/news/">The Burrard Lantern</a>
<nav aria-label="Sections"><a href="/news/">News</a><a href="/news/">Business</a>
<a href="/news/">Lifestyle</a><a href="/news/">Sports</a></nav></header>
"""
_FOOTER = """<footer><p>The Burrard Lantern, a paper that was never printed.</p></footer>
"""


def _sidebar(edition: int) -> str:
    """Return the side column of one day: other teasers in another order."""
    items = [TEASERS[(number + edition * 3) % len(TEASERS)] for number in range(_SHOWN)]
    return (
        '<aside class="sidebar"><h2>More stories</h2>\n'
        + "".join(
            f'<div class="teaser"><h4><a href="/news/item/{number + 1}">{teaser.title}</a></h4>\n'
            f'<div class="meta"><a class="category" href="/news/">{teaser.category}</a>'
            f'<span class="ago">{teaser.ago}</span></div>\n<p>{teaser.text}</p></div>\n'
            for number, teaser in enumerate(items)
        )
        + "</aside>\n"
    )


def item(visit: Visit, number: int) -> Response:
    """Return a short story of the feed."""
    if visit.page.showing != "available":
        return gone(visit)
    teaser = TEASERS[number % len(TEASERS)]
    published = visit.state.at.strftime("%Y-%m-%dT%H:%M:%SZ")
    text = (
        f"This is story number {number} of the lantern’s own feed, and it is about {teaser.title}."
        " It was written for nobody in particular, on a bench by the water, with a pencil that"
        " had been sharpened twice. Whoever reads it to the end will find that the end is here,"
        " and that the beginning was a good deal longer than it had to be for such a matter."
    )
    return document(
        f"{teaser.title} – The Burrard Lantern",
        f'{_HEADER}<div class="page"><main><article class="post"><h1>{teaser.title}</h1>\n'
        f'<div class="entry-content"><p>{text}</p></div></article></main>\n'
        f"{_sidebar(visit.page.sidebar)}</div>\n{_FOOTER}",
        head=f'<meta property="og:updated_time" content="{published}">\n{_STYLE}',
    )


# More than a notice says: the front page is what a monitor asks for to see that a host is well.
_ABOUT = (
    "The Burrard Lantern is written by eleven people in two rooms above a ferry office. It was "
    "begun in 1998 as a sheet of two pages for the harbour, and has been read online alone since "
    "2011. We write about the city, about its courts and about those who left another country to "
    "speak freely here. Readers pay for it: no party, no company and no government does. What we "
    "got wrong is corrected at the top of the story, with the day, and nothing is taken away in "
    "silence. Write to the desk when you know more than we do."
)


def front(visit: Visit) -> Response:
    """Return the list of stories."""
    links = "".join(
        f'<li><a href="/news/item/{number}">{TEASERS[number % len(TEASERS)].title}</a></li>\n'
        for number in range(visit.page.items, 0, -1)
    )
    return document(
        "The Burrard Lantern",
        f'{_HEADER}<main><h1>Latest</h1>\n<ul class="latest">\n{links}'
        f'<li><a href="/news/2014">Accounts closed as campaign begins</a></li></ul>\n'
        f"<h2>About us</h2>\n<p>{_ABOUT}</p></main>\n"
        f"{_FOOTER}",
        head=_STYLE,
    )


def feed(visit: Visit) -> Response:
    """Return the feed; it has as many items as its state says, the newest first."""
    origin = f"http:{visit.origin(NEWS)}"
    items = "".join(
        f"<item><title>{TEASERS[number % len(TEASERS)].title}</title>"
        f"<link>{origin}/news/item/{number}</link>"
        f'<guid isPermaLink="false">lantern-{number}</guid></item>\n'
        for number in range(visit.page.items, 0, -1)
    )
    text = (
        '<?xml version="1.0" encoding="utf-8"?>\n<rss version="2.0"><channel>\n'
        f"<title>The Burrard Lantern</title><link>{origin}/news/</link>"
        f"<description>News of a town</description>\n{items}</channel></rss>\n"
    )
    return Response(
        headers=(("Content-Type", "application/rss+xml; charset=utf-8"),), body=text.encode()
    )


def image(visit: Visit) -> Response:
    """Return a picture of the paper."""
    name = visit.path.rpartition("/")[2].removesuffix(".png")
    body = pictures.qr_code() if name == "qr" else pictures.scene(int(name or 0))
    return Response(headers=(("Content-Type", "image/png"),), body=body)


ORDER = "Public Channels Order 2014"  # no such order was ever made
GONE = {
    "review": f"This article was removed after a review under the “{ORDER}”.",
    "notice": "This article has been removed by the publisher.",
    "soft404": "Page not found",
    "404": "Not Found",
    "410": "Gone",
    "451": "Unavailable For Legal Reasons",
}


def gone(visit: Visit) -> Response:
    """Return what stands in a story's place: a status, or a notice with 200."""
    page = visit.page
    if page.showing == "wall":
        return html(
            "<!doctype html><title>Too many requests</title><h1>Too many requests</h1>"
            "<p>Please come back in a minute.</p>\n",
            ("Retry-After", "60"),
            status=429,
        )
    variant = page.variant or "notice"
    status = int(variant) if variant.isdigit() else 200
    if variant == "451":
        return legal(visit, 451)
    if variant == "review":
        return document(
            "The Burrard Lantern",
            f'{_HEADER}<div class="page"><main class="notice"><h1>{GONE[variant]}</h1>\n'
            "<p>The publisher was told which passage was objected to.</p></main></div>\n"
            f"{_FOOTER}",
            head=_STYLE,
        )
    found = notice_page(NEWS, GONE[variant], "If you followed a link, it may be out of date.")
    return Response(status=status, headers=found.headers, body=found.body)


def legal(visit: Visit, status: int) -> Response:
    """Return the answer of a host that was told to (RFC 7725)."""
    headers = (
        (("Link", f'<http:{visit.origin("court.example")}/orders/17>; rel="blocked-by"'),)
        if status == 451
        else ()
    )
    return html(
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">'
        "<title>Unavailable For Legal Reasons</title></head>\n<body>\n"
        "<h1>451 Unavailable For Legal Reasons</h1>\n"
        "<p>This page can not be shown because of an order of the court of Burrard of"
        " 7 January 2026.</p>\n</body>\n</html>\n",
        *headers,
        status=status,
    )


def built(title: str, sentences: tuple[str, ...], visit: Visit) -> Response:
    """Return a real article with any title and sentences."""
    words = "".join(f"<p>{escape(sentence, quote=False)}</p>\n" for sentence in sentences)
    return document(
        title,
        f'{_HEADER}<div class="page"><main><article class="post"><h1>{escape(title, quote=False)}'
        f'</h1>\n<div class="entry-content">\n{words}</div></article></main>\n'
        f"{_sidebar(0)}</div>\n{_FOOTER}",
        head=_STYLE,
    )
