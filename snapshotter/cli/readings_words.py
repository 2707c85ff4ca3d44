"""What a page shows and what was read off it, in words."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from snapshotter.cli.output import time_in_words
from snapshotter.formats.printable import cut

if TYPE_CHECKING:
    from snapshotter.model.reading import Count, DateReading, Readings

_MOST = 20  # of one kind; all of them are in capture/assessment.json
_MAIN = 200  # characters of the main text


def readings_in_words(readings: "Readings") -> list[tuple[str, str]]:
    """Return label and text of each thing that was read, as `show` prints them."""
    codes = (f"{it.text}  (in {it.picture}; not followed)" for it in readings.qr_codes)
    return [
        *_some("stated", _metadata(readings)),
        *_some("count", (count_in_words(it) for it in readings.counts)),
        *_some("date", map(_date, readings.dates)),
        *_some("QR code", codes),
        *_main(readings),
    ]


def count_in_words(it: "Count") -> str:
    """Return a count for a person: `likes 61,000 to 61,999 ("6.1万", dom, truncated)`."""
    return f"{it.unit} {bounds_in_words(it)}"


def bounds_in_words(it: "Count") -> str:
    """Return what is certain of a count, and how it is written."""
    if it.exact:
        words = f"{it.lower:,}"
    elif it.upper is None:
        words = f"{it.lower:,} or more"
    else:
        words = f"{it.lower:,} to {it.upper:,}"
    how = f", {it.rounding}" if it.rounding else ""
    said = f'{words} ("{it.raw}", {it.source.value}{how})'
    return said + (f', BUT THE PAGE SHOWS "{it.mismatch}"' if it.mismatch else "")


def _some(label: str, lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines):
        if number == _MOST:
            left = 1 + sum(1 for _ in lines)
            yield label, f"and {left} more: capture/assessment.json has them"
            return
        yield label, line


def _metadata(readings: "Readings") -> Iterator[str]:
    """Yield each value once, with all the places that state it."""
    values: dict[tuple[str, str], list[str]] = {}
    for it in readings.metadata:
        sources = values.setdefault((it.name, it.value), [])
        if it.source.value not in sources:
            sources.append(it.source.value)
    for (name, value), sources in values.items():
        conflict = "; THE PAGE DOES NOT AGREE WITH ITSELF" if name in readings.conflicts else ""
        yield f"{name}: {value}  ({', '.join(sources)}{conflict})"


def _date(it: "DateReading") -> str:
    kind = f"{it.kind}: " if it.kind else ""
    zone = f", by {it.timezone}" if it.timezone else ""
    return (
        f'{kind}"{it.raw}" is {time_in_words(it.first)} to {time_in_words(it.end)}'
        f"  ({it.source.value}, {it.rule}{zone})"
    )


def _main(readings: "Readings") -> Iterator[tuple[str, str]]:
    if not readings.main_selector:
        return
    text = " ".join(readings.main_text.split())
    begin = cut(text, _MAIN)
    yield "main text", f"{len(readings.main_text)} characters, by {readings.main_by}: {begin}"
    if readings.hidden_text:
        yield "", f"and {len(readings.hidden_text)} characters that no reader sees"
    if readings.links:
        yield "", f"and {len(readings.links)} links"
