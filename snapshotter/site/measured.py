"""
Make pages whose size and missing parts are known exactly, for `snapshotter validate`.

No height depends on a font: each band has a fixed height and hides what would not fit.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from snapshotter.site.response import Response, Visit, document

BANDS: Final = 5
BAND_PX: Final = 1_200  # height of a band, CSS pixels
DEPTH_PX: Final = BANDS * BAND_PX
LAST_WORDS: Final = "These words are at the end of the page, 4800 pixels from its top."
_SENTENCE = "The ferry leaves at ten past six, and there is no later one before Monday. "
_STYLE = (
    "<style>html, body, article { margin: 0; } article > p { display: block; overflow: hidden;"
    f" box-sizing: border-box; margin: 0; padding: 40px; height: {BAND_PX}px; }}"
    " p:nth-of-type(odd) { background: #dfe8f5; }</style>\n"
)


def _deep(_visit: Visit) -> Response:
    bands = [*(f"Band {number + 1}. {_SENTENCE * 3}" for number in range(BANDS - 1)), LAST_WORDS]
    body = "".join(f"<p>{text}</p>\n" for text in bands)
    title = "A page of known height"
    return document(title, f'<article class="post">\n{body}</article>\n', head=_STYLE)


def _missing(_visit: Visit) -> Response:
    return document(
        "A page with a missing picture",
        '<article class="post">\n<h1>A page with a missing picture</h1>\n'
        f"<p>{_SENTENCE * 4}</p>\n"
        '<img src="/news/images/1.png" width="640" height="360" alt="a landscape">\n'
        '<img src="/measured/none.png" width="640" height="360" alt="">\n</article>\n',
    )


PAGES: Final[Mapping[str, tuple[Callable[[Visit], Response], str]]] = MappingProxyType(
    {
        "measured/deep": (_deep, f"a page that is exactly {DEPTH_PX} pixels high"),
        "measured/missing": (_missing, "a story with a picture that the server does not have"),
    }
)
