"""
The page of a proof pack: what stands in front of its parts, and the script behind them.

The page asks nobody for anything: its Content-Security-Policy names the digests of its one
style and its one script, and forbids all else. What it shows beyond its own words (the
picture, links to save the files) its script makes of parts that it has checked.
"""

import hashlib
from collections.abc import Sequence
from html.parser import HTMLParser

from markupsafe import Markup
from typing_extensions import override

from snapshotter.formats.pack import MAGIC
from snapshotter.model.proof import Part
from snapshotter.report import html, statement, words
from snapshotter.report.statement import CHALLENGES, Statement

_SCRIPT, _STYLE = "pack.js", "pack.css"


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
        style=Markup(html.source(_STYLE)),  # noqa: S704 (a file of ours)
        title=words.TITLES[said.kind],
    )
    data = text.encode("utf-8")
    if not data.startswith(MAGIC):
        raise RuntimeError("the template of the page does not begin as a pack does")
    return data


def end() -> bytes:
    """Return what stands behind the parts: the script that checks them."""
    return f"<script>{html.source(_SCRIPT)}</script>\n</body>\n</html>\n".encode()


def text_sha256(page: bytes) -> str:
    """Return the digest of the words in the `main` element, as a browser's `textContent`."""
    words_of = _Words()
    words_of.feed(page.decode("utf-8"))
    words_of.close()
    return hashlib.sha256("".join(words_of.found).encode("utf-8")).hexdigest()


def _policy() -> str:
    allowed = html.policy(html.source(_STYLE), html.source(_SCRIPT), pictures="blob:")
    return f"{allowed}; require-trusted-types-for 'script'"


class _Words(HTMLParser):
    """All text between `<main>` and `</main>`."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._inside = False

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = self._inside or tag == "main"

    @override
    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "main"

    @override
    def handle_data(self, data: str) -> None:
        if self._inside:
            self.found.append(data)
