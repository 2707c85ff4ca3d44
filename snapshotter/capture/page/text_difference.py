"""
Measure how far the text of a document as received differs from the text that was shown.

A page may replace its text by script, or send its reader on to another one. Both texts are kept;
where they differ by more than the policy's share, the capture has a warning. The measure is rough
on purpose: it counts which words of one text are missing from the other. Chinese, Japanese and
Korean have no spaces, so two characters in a row count as a word there.
"""

import re
import unicodedata

from snapshotter.formats.http.charset import codec
from snapshotter.value_class import dataclass

BYTES = 2 << 20  # of the document that are looked at
_CHARACTERS = 2_000_000  # of the text that was shown
WORDS = 30  # fewer are too few to compare
# Elements whose content is no text of the page, and in which no other tag begins.
_RAW = ("script", "style", "noscript", "template", "textarea", "title")
_TAG = re.compile(r"[a-zA-Z][a-zA-Z0-9]*")
_IDEOGRAPHIC = (
    "\u1100-\u11ff\u2e80-\u2fdf\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff"
    "\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
_RUN = re.compile(f"[{_IDEOGRAPHIC}]+|[^\\W_{_IDEOGRAPHIC}]+")
_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]{1,40})""", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDifference:
    """Per cent of the distinct words of each side that the other one lacks."""

    not_shown: int  # of the document's
    not_received: int  # of the text that was shown
    received_words: int  # different ones


def measure_text_difference(
    document: bytes, shown: str, *, charset: str = ""
) -> TextDifference | None:
    """
    Return how far apart a document and its shown text are; None for too little text.

    Args:
        document: HTML as it was received, content codings undone.
        charset: As the server named it; otherwise the document's own declaration counts.
    """
    received = distinct_words(extract_html_text(_decoded(document[:BYTES], charset)))
    seen = distinct_words(shown[:_CHARACTERS])
    if max(len(received), len(seen)) < WORDS:
        return None
    return TextDifference(
        not_shown=100 * len(received - seen) // max(1, len(received)),
        not_received=100 * len(seen - received) // max(1, len(seen)),
        received_words=len(received),
    )


def distinct_words(text: str) -> frozenset[str]:
    """Return the distinct words of a text, in a form that can be compared."""
    found: set[str] = set()
    for run in _RUN.findall(unicodedata.normalize("NFKC", text).lower()):
        if ord(run[0]) >= 0x1100 and re.match(f"[{_IDEOGRAPHIC}]", run):
            found.update(run[i : i + 2] for i in range(max(1, len(run) - 1)))
        else:
            found.add(run)
    return frozenset(found)


def extract_html_text(document: str) -> str:
    """Return the text of an HTML document, in time that is linear in its length."""
    lower, parts, at = document.lower(), [], 0
    unclosed: set[str] = set()  # elements that never end: looked for once
    while True:
        start = document.find("<", at)
        if start < 0:
            parts.append(document[at:])
            break
        parts.append(document[at:start])
        if document.startswith("<!--", start):
            end = document.find("-->", start + 4)
            if end < 0:
                break
            at = end + 3
            continue
        end = document.find(">", start)
        if end < 0:
            break
        at = end + 1
        match = _TAG.match(document, start + 1)
        name = match[0].lower() if match else ""
        # Words of two blocks are two words; those of "<b>wo</b>rds" are one.
        if name not in ("a", "b", "em", "font", "i", "span", "strong", "u") and not (
            document.startswith("</", start)
        ):
            parts.append("\n")
        if name in _RAW and name not in unclosed:
            close = lower.find(f"</{name}", at)
            if close < 0:
                unclosed.add(name)
            else:
                at = close
    import html

    return html.unescape("".join(parts))


def _decoded(document: bytes, charset: str) -> str:
    named = _CHARSET.search(document[:4096])
    for label in (charset, named[1].decode("ascii") if named else ""):
        if encoding := codec(label):
            return document.decode(encoding, "replace")
    return document.decode("utf-8", "replace")
