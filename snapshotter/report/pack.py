"""
Write the page of a proof pack: the HTML before the pack's parts, and the script after them.

The page loads nothing from elsewhere: its Content-Security-Policy allows only its one style and its
one script, by their digests, and pictures that the script makes from the parts of the file. The
script checks these parts, and only then shows the picture and the links that save files.
`shown_sha256` computes the digest of what a browser shows, which the script compares.
"""

import hashlib
import json
from collections.abc import Sequence
from html.parser import HTMLParser

from markupsafe import Markup
from typing_extensions import override

from snapshotter.formats.statements.pack import MAGIC, frame
from snapshotter.model import sentences
from snapshotter.model.proof import Part
from snapshotter.report import html, statement
from snapshotter.report.statement import CHALLENGES, Statement
from snapshotter.translation import tr

_SCRIPT = "pack.js"


def page(said: Statement, parts: Sequence[tuple[Part, str]]) -> bytes:
    """
    Return the page.

    Args:
        parts: What will stand behind it, in order, each with its description for people.
    """
    text = statement.render(
        "pack.html.j2",
        body=statement.html(said),
        challenges=CHALLENGES,
        details=statement.details(said),
        parts=parts,
        policy=_policy(),
        said=said,
        style=Markup(statement.style()),  # noqa: S704 (a file of ours)
        title=sentences.TITLES[said.kind],
    )
    data = text.encode("utf-8")
    if not data.startswith(MAGIC):
        raise RuntimeError("the template of the page does not begin as a pack does")
    return data


def end() -> bytes:
    """Return what stands behind the parts: the script that checks them."""
    return f"<script>{html.source(_SCRIPT)}</script>\n</body>\n</html>\n".encode()


def shown_sha256(page: bytes, parts: Sequence[Part], end: bytes) -> str:
    """
    Return the digest of everything that a browser makes of the page and of its script.

    The page's own script computes the same from the document that it stands in: `listed` in
    pack.js. Both follow docs/spec/proof-pack.md, "What the page compares".
    """
    reader = _Document()
    reader.feed(frame(page, parts, end).decode("utf-8"))
    reader.close()
    encoded = json.dumps(reader.found, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(encoded.encode("utf-8")).hexdigest()


def _policy() -> str:
    allowed = html.policy(statement.style(), html.source(_SCRIPT), pictures="blob:")
    return tr("{allowed}; require-trusted-types-for 'script'", allowed=allowed)


class _Document(HTMLParser):
    """
    The nodes of a page in their order, as a browser has them: `found` is a list of lists of text.

    Good for our own pages alone, in which each element that has an end tag is closed by it.
    """

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[list[str]] = []
        self._open: list[str] = []
        self._is_data = False  # inside the list or a part: compared by other means

    @override
    def handle_decl(self, decl: str) -> None:
        self.found.append(["doctype", decl.partition(" ")[2]])

    @override
    def handle_comment(self, data: str) -> None:
        self.found.append(["comment", data])

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(["element", tag, *(text or "" for pair in attrs for text in pair)])
        if tag in _EMPTY:
            self.found.append(["end"])
        else:
            self._open.append(tag)
            self._is_data = tag == "script" and ("type", "text/plain") in attrs

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag in ("body", "html"):
            return  # HTML: what comes behind them is put into the body all the same
        opened = self._open.pop()
        if opened != tag:
            raise RuntimeError(f"the template of the page does not close its <{opened}>")
        self._is_data = False
        self.found.append(["end"])

    @override
    def handle_data(self, data: str) -> None:
        if self._is_data or (self._open[-1:] in ([], ["html"]) and not data.strip(_SPACE)):
            return
        if self.found[-1][0] == "text":
            self.found[-1][1] += data
        else:
            self.found.append(["text", data])

    @override
    def close(self) -> None:
        super().close()
        self.found += [["end"] for _ in self._open]


_EMPTY = frozenset({"br", "img", "meta"})  # of our templates' elements, those without an end tag
_SPACE = "\t\n\f\r "  # HTML's white space: between the parts of a document it makes no node
