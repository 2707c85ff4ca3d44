"""
Cut the text of a capture into passages: parts that are short enough to be shown as a hit.

Passages end at line breaks of the page. A line that is longer than a passage is cut within, and
the next passage then repeats its end, so that no short quotation is divided.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from snapshotter.formats.page.plain_text import normalise_text
from snapshotter.index.values import Passage, PassageRegion

MAX_CHARACTERS = 2_000  # of a passage
MAX_TOTAL = 2_000_000  # characters of all passages of one capture
# The id of a passage has the place of its region in `PassageRegion` as remainder, so that a search
# in one region reads no passages of others.
ID_STEP: Final = 8
_OVERLAP = 100  # characters that two parts of one line share


def cut(
    *, title: str, addresses: Iterable[str], main: str, whole: str, hidden: str
) -> tuple[tuple[Passage, ...], bool]:
    """
    Return the passages of a capture, and whether they contain all of its text.

    Args:
        main: The main text of the page.
        whole: All text that the page shows; what is not in `main` becomes the rest.
        hidden: Text of the document that the page did not show.
    """
    known = set(normalise_text(main).splitlines())
    texts = (
        (PassageRegion.TITLE, (title,)),
        (PassageRegion.ADDRESS, dict.fromkeys(addresses)),
        (PassageRegion.MAIN, main.splitlines()),
        (PassageRegion.REST, _new_lines(whole, known)),
        (PassageRegion.HIDDEN, _new_lines(hidden, known)),
    )
    passages, left = list[Passage](), MAX_TOTAL
    for region, lines in texts:
        for text in _joined(lines):
            left -= len(text)
            if left < 0:
                return tuple(passages), False
            passages.append(Passage(region=region, text=text))
    return tuple(passages), True


def id_remainder(region: str) -> int:
    """Return the remainder of the ids of passages of a region, divided by `ID_STEP`."""
    return list(PassageRegion).index(PassageRegion(region))


def _new_lines(text: str, known: set[str]) -> Iterator[str]:
    """Yield the lines of a text that are not known yet; each is known from then on."""
    for line in text.splitlines():
        normalised = normalise_text(line).rstrip("\n")
        if normalised and normalised not in known:
            known.add(normalised)
            yield line


def _joined(lines: Iterable[str]) -> Iterator[str]:
    """Yield texts of at most `MAX_CHARACTERS`, of whole lines where that is possible."""
    held, length = list[str](), 0
    for line in lines:
        for part in _parts(line.strip()):
            if held and length + len(part) > MAX_CHARACTERS:
                yield "\n".join(held)
                held, length = [], 0
            held.append(part)
            length += len(part) + 1
    if held:
        yield "\n".join(held)


def _parts(line: str) -> Iterator[str]:
    begin = 0
    while begin < len(line):
        yield line[begin : begin + MAX_CHARACTERS]
        if begin + MAX_CHARACTERS >= len(line):
            return
        begin += MAX_CHARACTERS - _OVERLAP
