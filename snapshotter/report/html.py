"""
Render HTML files that work alone: one file, no network, no content that a page could inject.

The Content-Security-Policy allows only the file's one style and one script, by their digests, and
pictures that are inside the file. Text from captured pages is isolated and escaped.
"""

import base64
import hashlib
import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from snapshotter.formats.printable import cut_middle
from snapshotter.translation import tr

_WHOLE_TEXT = 65_536  # characters of a shortened text that the page has one click away
_PLAIN = re.compile(r"[A-Za-z0-9 .,:·…-]")
_POINTER_PARTS = re.compile(r"[^/#_]*[/#_]+|[^/#_]+")  # a line may end after each of them
_BUNDLE_ID = re.compile(r"([0-9]{8}t[0-9]{6}z-[a-z2-7]{16})")
_HARMLESS = re.compile(r"[\n\t -~]*")
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def render(
    template: str, style: str | Sequence[str], script: str, *, end: str = "", **values: Any
) -> bytes:
    """
    Return a page.

    Args:
        template: Of `report/templates`; it puts `style`, `script` and `policy` into its head.
        style, script: Names of files beside it; "": no script. Several styles become one.
        end: The end of the style, as `print_margins` makes it.
    """
    names = (style,) if isinstance(style, str) else style
    its_style = joined(names) + end
    its_script = source(script) if script else ""
    text = (
        _environment()
        .get_template(template)
        .render(
            policy=policy(its_style, its_script),
            script=Markup(its_script),  # noqa: S704  a file of ours
            style=Markup(its_style),  # noqa: S704  a file of ours
            **values,
        )
    )
    return text.encode("utf-8", "replace")


def print_margins(head: str, foot: str) -> str:
    """
    Return the style that prints a running head and foot, from the second sheet on the head.

    Each character that CSS could read as more than text is escaped, so a stranger's text may stand
    in them.
    """
    head, foot = (_css_text(escape_misleading(text)) for text in (head, foot))
    font = "font: 9pt system-ui, sans-serif; color: #555b65;"
    return (
        f'@page {{ @top-left {{ content: "{head}"; {font} }}'
        f' @bottom-left {{ content: "{foot}"; {font} }} }}\n'
        "@page :first { @top-left { content: none; } }\n"
    )


def _css_text(text: str) -> str:
    """Return a text as it may stand between the quotation marks of a CSS string."""
    return "".join(
        character if _PLAIN.fullmatch(character) else f"\\{ord(character):x} " for character in text
    )


def policy(style: str, script: str, *, pictures: str = "data:") -> str:
    """
    Return the Content-Security-Policy (CSP 3) of a page with this one style and one script.

    Args:
        pictures: Where they come from: `data:`, or `blob:` where the script makes them.
    """
    scripts = tr("script-src 'sha256-{digest}'; ", digest=_digest(script)) if script else ""
    return tr(
        "default-src 'none'; {scripts}style-src 'sha256-{digest}'; img-src {pictures}; "
        "base-uri 'none'; form-action 'none'",
        scripts=scripts,
        digest=_digest(style),
        pictures=pictures,
    )


def joined(names: Sequence[str]) -> str:
    """Return files of the templates as one."""
    return "".join(map(source, names))


def source(name: str) -> str:
    """Return a file of the templates as it is."""
    environment = _environment()
    if environment.loader is None:
        raise RuntimeError("the templates have no loader")
    return environment.loader.get_source(environment, name)[0]


def _verbatim(text: str) -> Markup:
    """Return a text of a stranger's as markup that shows each character."""
    return escape(escape_misleading(text))


def escape_misleading(text: str) -> str:
    """
    Return a text of a stranger's as it may be shown: what could turn or hide it, as an escape.

    Joiners stay: scripts and emoji need them, and each text stands in an element of its own.
    """
    if _HARMLESS.fullmatch(text):  # most addresses, of which a report can have many long ones
        return text
    return "".join(_escaped(character) if _misleads(character) else character for character in text)


def _misleads(character: str) -> bool:
    if character in "\n\t" or " " <= character <= "~":
        return False
    return character in _BIDI or unicodedata.category(character) in ("Cc", "Cs", "Co", "Zl", "Zp")


def _escaped(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def isolate_foreign_text(text: str) -> Markup:
    """Return a text of a stranger's, isolated: its direction is its own."""
    return Markup('<bdi dir="auto">{}</bdi>').format(escape_misleading(text))


def group_digits(number: int) -> str:
    """Return a number with thin spaces between its thousands."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def environment(**filters: Callable[..., object]) -> Environment:
    """Return what renders our templates, with filters of one's own."""
    found = _environment().overlay()
    found.filters = {**found.filters, **filters}
    return found


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


@cache
def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("snapshotter.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters["foreign"] = isolate_foreign_text
    found.filters["fours"] = lambda text: [text[at : at + 4] for at in range(0, len(text), 4)]
    found.filters["middle"] = cut_middle
    found.filters["number"] = group_digits
    found.globals["whole_text"] = _WHOLE_TEXT
    found.filters["verbatim"] = _verbatim
    found.filters["pointer"] = lambda text: Markup("<wbr>").join(
        map(_verbatim, _POINTER_PARTS.findall(text))
    )
    found.filters["whole_ids"] = lambda text: Markup("").join(
        Markup('<span class="id">{}</span>').format(part) if at % 2 else _verbatim(part)
        for at, part in enumerate(_BUNDLE_ID.split(text))
    )
    return found
