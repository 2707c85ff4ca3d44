"""
Make an article that its publisher edits, in English and in Chinese, for proofs of a change.

`EDITS` names the states. Each differs from the first state in one respect alone. The picture keeps
its address when it changes, so nothing but its pixels shows the change.
"""

import json
from collections.abc import Callable, Mapping
from html import escape
from types import MappingProxyType
from typing import Any, Final

from snapshotter.site import pictures
from snapshotter.site.response import Response, Visit, document
from snapshotter.site.state import PageState, available, removed
from snapshotter.value_class import dataclass

# What each state changes: a word of the main text, the picture, the price in text and data, the
# dates of modification, the related stories, the counter, or the whole article.
EDITS: Final[Mapping[str, PageState]] = MappingProxyType(
    {
        "word": available(edit="word"),
        "picture": available(edit="picture"),
        "price": available(edit="price"),
        "modified": available(edit="modified"),
        "related": available(sidebar=1),
        "counter": available(reads=3811),
        "replaced": removed(),
    }
)

PUBLISHED: Final = "2026-01-02T09:00:00+08:00"
MODIFIED: Final = ("2026-01-03T10:15:00+08:00", "2026-01-09T16:40:00+08:00")  # before, after
PRICES: Final = ("12.50", "14.00")  # in yuan: before, after
_IMAGES: Final = (5, 12)  # numbers of scenes: before, after


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """The article in one language. `{word}` and `{price}` stand for what an edit changes."""

    language: str
    paper: str
    title: str
    paragraphs: tuple[str, ...]
    words: tuple[str, str]  # before, after
    caption: str
    reads: str
    updated: str
    ticket: str
    related: str
    stories: tuple[str, ...]  # titles of the side column
    notice: str  # stands in the article's place; no rule of a removal knows it


ENGLISH: Final = Wording(
    language="en",
    paper="The Burrard Lantern",
    title="The night ferry gets a new timetable",
    paragraphs=(
        "From the first of February the last ferry leaves the north quay at ten past eleven. The"
        " harbour office printed the timetable on green paper and hung it in the waiting room.",
        "The office {word} that the older boats are safe in strong wind. Its engineer read two"
        " pages of measurements aloud, and answered every question of the passengers.",
        "A single ticket costs {price} yuan, and children under six travel free. Tickets are sold"
        " on board as long as the machine at the quay is being repaired.",
    ),
    words=("confirmed", "denied"),
    caption="The north quay on a clear morning",
    reads="{count} views",
    updated="Last updated: {date}",
    ticket="A single ticket for the night ferry",
    related="More stories",
    stories=(
        "Rowers win in the fog",
        "A choir looks for basses",
        "Paper kites at the library",
        "Bread that forgives",
    ),
    notice="The editors are preparing this section.",
)
CHINESE: Final = Wording(
    language="zh-CN",
    paper="河口灯报",
    title="夜班渡轮启用新时刻表",
    paragraphs=(
        "从二月一日起，末班渡轮改为晚上十一点十分从北码头开出。港务处把时刻表印在绿色的纸上，"
        "挂在候船室的墙上，旁边还留了一支铅笔，方便乘客抄写。",
        "港务处{word}旧船在大风天也能安全航行。工程师当众念了两页测量记录，"
        "并且回答了乘客提出的每一个问题，整个过程持续了将近一个小时。",
        "单程票价为{price}元，六岁以下儿童免费。码头的售票机修好之前，乘客可以上船以后再买票，"
        "船员会在每一站报出站名。",
        "住在北岸的乘客说，过去最后一班船开得太早，看完电影的人只能沿着堤坝走回家，单程要走一个半"
        "小时。现在他们可以把整场电影看完，还来得及在码头边的小店里喝一碗热汤，再慢慢上船。",
        "南岸的渔民则担心夜里的灯光会影响捕鱼。港务处答应在今后三个月里，每天记录经过的船只和灯光"
        "的亮度，并且把记录贴在候船室的墙上。任何人都可以抄写这些数字，也可以把自己的意见写在旁边"
        "的本子上。第一本已经写满了一半，其中大部分是孩子们画的船，还有两封写给船长的短信。",
    ),
    words=("证实", "否认"),
    caption="晴朗早晨的北码头",
    reads="阅读 {count}",
    updated="更新时间：{date}",
    ticket="夜班渡轮单程票",
    related="更多文章",
    stories=("雾中的划船比赛", "合唱团寻找低音", "图书馆里的纸风筝", "宽容的面包"),
    notice="编辑部正在整理本栏目。",
)


def article(visit: Visit, wording: Wording) -> Response:
    """Return the article in the state that its page has, or what stands in its place."""
    page = visit.page
    if page.showing == "removed":
        return _framed(wording, page, f'<main class="section"><p>{wording.notice}</p></main>\n')
    price, modified = PRICES[page.edit == "price"], MODIFIED[page.edit == "modified"]
    text = "".join(
        f"<p>{paragraph.format(word=wording.words[page.edit == 'word'], price=price)}</p>\n"
        for paragraph in wording.paragraphs
    )
    markup = (
        f'<main>\n<article class="post">\n<h1 class="entry-title">{wording.title}</h1>\n'
        f'<div class="updated">{wording.updated.format(date=modified[:16].replace("T", " "))}'
        "</div>\n"
        f'<figure><img src="{visit.path}.png" alt="" width="640" height="240">\n'
        f"<figcaption>{wording.caption}</figcaption></figure>\n"
        f'<div class="entry-content">\n{text}</div>\n'
        f'<div class="views">{wording.reads.format(count=page.reads)}</div>\n</article>\n</main>\n'
    )
    data = json.dumps(_data(wording, price, modified), ensure_ascii=False)
    head = (
        f'<meta property="article:published_time" content="{PUBLISHED}">\n'
        f'<meta property="article:modified_time" content="{modified}">\n'
        f'<script type="application/ld+json">{data}</script>\n'
    )
    return _framed(wording, page, markup, head)


def picture(visit: Visit) -> Response:
    """Return the article's picture: another one under the same address after its edit."""
    body = pictures.scene(_IMAGES[visit.page.edit == "picture"], 640, 240)
    return Response(headers=(("Content-Type", "image/png"),), body=body)


def _data(wording: Wording, price: str, modified: str) -> dict[str, Any]:
    """Return what the page states in structured data (schema.org) about article and ticket."""
    return {
        "@context": "https://schema.org",
        "@graph": [
            {
                "@type": "NewsArticle",
                "headline": wording.title,
                "datePublished": PUBLISHED,
                "dateModified": modified,
            },
            {
                "@type": "Product",
                "name": wording.ticket,
                "offers": {"@type": "Offer", "price": price, "priceCurrency": "CNY"},
            },
        ],
    }


def _framed(wording: Wording, page: PageState, markup: str, head: str = "") -> Response:
    """Return a page of the paper: a header, this, and the side column of one edition."""
    first = page.sidebar % len(wording.stories)
    stories = "".join(
        f'<li><a href="/news/item/{wording.stories.index(story) + 1}">{story}</a></li>\n'
        for story in (*wording.stories[first:], *wording.stories[:first])[:3]
    )
    paper = escape(wording.paper, quote=False)
    return document(
        f"{wording.title} – {paper}",
        f'<header><a href="/news/">{paper}</a></header>\n<div class="page">\n{markup}'
        f'<aside class="related"><h2>{wording.related}</h2>\n<ul>\n{stories}</ul></aside>\n'
        "</div>\n",
        head=f"{head}{_STYLE}",
        lang=wording.language,
    )


_STYLE = """<style>
body { margin: 0; font: 17px/1.5 Georgia, serif; color: #222; }
header { padding: 16px 24px; background: #f3f0ea; }
.page { display: flex; gap: 32px; max-width: 1000px; padding: 24px; }
main { flex: 1 1 640px; min-width: 0; } aside { flex: 0 0 240px; font-size: 14px; }
figure { margin: 16px 0; } figcaption, .updated, .views { font-size: 13px; color: #666; }
</style>
"""

PAGES: Final[Mapping[str, tuple[Callable[[Visit], Response], str]]] = MappingProxyType(
    {
        "edited/article": (
            lambda visit: article(visit, ENGLISH),
            "an article that its publisher edits",
        ),
        "edited/article-zh": (
            lambda visit: article(visit, CHINESE),
            "an article that its publisher edits, in Chinese",
        ),
    }
)
