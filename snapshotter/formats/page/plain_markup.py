"""
Rewrite HTML so that libxml2 reads it in a time that grows only with its length.

libxml2 compares each attribute of a tag with all attributes before it: one tag of four megabytes
keeps it busy for minutes. So it is given rewritten markup: the same elements in the same order,
each with a limited number of attributes. The HTML is read in one pass, by the tokenizer of the
HTML standard (section 13.2.5), as far as links and texts need it.
"""

import re

_MOST_ATTRIBUTES = 64  # of one tag
_MOST_NAME = 64  # characters of the name of an element or of an attribute
_RAW = frozenset({"script", "style", "iframe", "noembed", "noframes", "xmp", "plaintext"})
_TEXT_ONLY = frozenset({"title", "textarea"})
_MARK = re.compile(r"<(?=[!?/A-Za-z])")
_COMMENT_END = re.compile(r"--!?>|\Z")
_TAG_NAME = re.compile(r"[A-Za-z][^\s/>]*")
_SPACE = re.compile(r"[\s/]*")
_ATTRIBUTE = re.compile(
    r"""([^\s/>][^\s/>=]*)(?:\s*=\s*(?:"([^"]*)(?:"|\Z)|'([^']*)(?:'|\Z)|([^\s>]*)))?"""
)
_GOOD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_:.-]*")


def plain_markup(text: str, scripts: list[str] | None = None, *, most: int = 0) -> str:
    """
    Return a page without scripts, style sheets and comments, and with few attributes a tag.

    The elements `script` and `style` stay, and are empty: what stands beside them keeps its number.

    Args:
        scripts: Takes what stood in each `script`, in their order.
        most: Start tags that are read; what stands behind them is left out. 0: all.
    """
    out: list[str] = []
    at = tags = 0
    while (mark := _MARK.search(text, at)) is not None:
        out.append(_escaped(text[at : mark.start()]))
        at = mark.start()
        if text.startswith("<!--", at):
            end = _COMMENT_END.search(text, at + 4)
            at = end.end() if end else len(text)
        elif text[at + 1] in "!?":
            at = _behind(text, ">", at)
        elif text[at + 1] == "/":
            if name := _TAG_NAME.match(text, at + 2):
                out.append(_end(name[0]))
            at = _behind(text, ">", at)
        else:
            tags += 1
            if tags == most:
                return "".join(out)
            name_of, tag, at = _start(text, at + 1)
            out.append(tag)
            if name_of in _RAW or name_of in _TEXT_ONLY:
                end_at, behind = _end_of(text, name_of, at)
                if name_of in _TEXT_ONLY:
                    out.append(_escaped(text[at:end_at]))
                elif name_of == "script" and scripts is not None:
                    scripts.append(text[at:end_at])
                out.append(_end(name_of))
                at = behind
    out.append(_escaped(text[at:]))
    return "".join(out)


def _start(text: str, at: int) -> tuple[str, str, int]:
    """Return the name of the element that begins here, its tag as we write it, and what follows."""
    found = _TAG_NAME.match(text, at)
    if found is None:
        raise RuntimeError("no tag begins here")
    name, at = found[0].lower(), found.end()
    if text.startswith(">", at):  # most tags have no attributes
        return name, f"<{name}>" if _is_name(name) else "", at + 1
    kept: dict[str, str] = {}
    while True:
        space = _SPACE.match(text, at)
        at = space.end() if space else at
        attribute = _ATTRIBUTE.match(text, at)
        if attribute is None:  # ">", or the end
            break
        at = attribute.end()
        key = attribute[1].lower()
        if len(kept) < _MOST_ATTRIBUTES and len(key) <= _MOST_NAME and _GOOD_NAME.fullmatch(key):
            kept.setdefault(key, attribute[2] or attribute[3] or attribute[4] or "")
    words = "".join(f' {key}="{value.replace(chr(34), "&quot;")}"' for key, value in kept.items())
    whole = f"<{name}{words}>" if _is_name(name) else ""
    return name, whole, min(at + 1, len(text))


def _end(name: str) -> str:
    return f"</{name.lower()}>" if _is_name(name) else ""


def _is_name(name: str) -> bool:
    return len(name) <= _MOST_NAME and _GOOD_NAME.fullmatch(name) is not None


def _end_of(text: str, name: str, at: int) -> tuple[int, int]:
    """Return where the text of an element ends that holds nothing but text, and what follows."""
    found = re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE).search(text, at)
    if found is None:
        return len(text), len(text)
    return found.start(), _behind(text, ">", found.end())


def _behind(text: str, mark: str, at: int) -> int:
    found = text.find(mark, at)
    return len(text) if found < 0 else found + 1


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;")
