"""
Describe for a person what was read from a page: metadata, counts, dates, QR codes, the main text
and the number of links.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from snapshotter.cli.output import format_time
from snapshotter.formats.printable import cut
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.model.reading import Count, DateReading, Readings

_MOST = 20  # of one kind; all of them are in capture/assessment.json
_MAIN = 200  # characters of the main text
_SOURCES = {
    "dom": tr("text of the page"),
    "json": tr("data in the page"),
    "json-ld": tr("structured data in the page"),
    "meta": tr("meta element"),
    "time": tr("time element"),
    "script": tr("script of the page"),
}
_DATE_RULES = {
    "absolute": tr("absolute date"),
    "day-word": tr('a word such as "yesterday"'),
    "relative-either": tr("relative time"),
    "relative-rounded": tr("relative time, rounded"),
    "relative-truncated": tr("relative time, rounded down"),
}
_MAIN_BY = {
    "policy": tr("found by the selectors of the policy"),
    "structure": tr("found by the structure of the page"),
    "guess": tr("found by estimation"),
}


def describe_readings(readings: "Readings") -> list[tuple[str, str]]:
    """Return label and text of each thing that was read, as `show` prints them."""
    codes = (
        tr(
            "{text}  (QR code in {picture}; addresses in QR codes are not opened)",
            text=qr_code.text,
            picture=qr_code.picture,
        )
        for qr_code in readings.qr_codes
    )
    return [
        *_some("stated", _metadata(readings)),
        *_some("count", (describe_count(count) for count in readings.counts)),
        *_some("date", map(_date, readings.dates)),
        *_some("QR code", codes),
        *_main(readings),
    ]


def describe_count(count: "Count") -> str:
    """Return a count for a person: `likes 61,000 to 61,999 ("6.1万", dom, truncated)`."""
    return f"{count.unit} {describe_bounds(count)}"


def describe_bounds(count: "Count") -> str:
    """Return the bounds of a count, and the text on the page."""
    if count.exact:
        words = f"{count.lower:,}"
    elif count.upper is None:
        words = f"{count.lower:,} or more"
    else:
        words = f"{count.lower:,} to {count.upper:,}"
    how = f", {count.rounding}" if count.rounding else ""
    said = f'{words} ("{count.raw}", {_SOURCES[count.source.value]}{how})'
    return said + (
        tr(', WARNING: the visible text of the page shows "{mismatch}"', mismatch=count.mismatch)
        if count.mismatch
        else ""
    )


def _some(label: str, lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines):
        if number == _MOST:
            left = 1 + sum(1 for _ in lines)
            yield (
                label,
                tr(
                    "further entries: {left} (all entries are in capture/assessment.json)",
                    left=left,
                ),
            )
            return
        yield label, line


def _metadata(readings: "Readings") -> Iterator[str]:
    """Yield each value once, with all the places that state it."""
    values: dict[tuple[str, str], list[str]] = {}
    for metadatum in readings.metadata:
        sources = values.setdefault((metadatum.name, metadatum.value), [])
        if metadatum.source.value not in sources:
            sources.append(metadatum.source.value)
    for (name, value), sources in values.items():
        conflict = (
            tr("; WARNING: the page contains different values of {name}", name=name)
            if name in readings.conflicts
            else ""
        )
        yield f"{name}: {value}  ({', '.join(_SOURCES[source] for source in sources)}{conflict})"


def _date(reading: "DateReading") -> str:
    kind = f"{reading.kind}: " if reading.kind else ""
    zone = tr(", in the time zone {zone}", zone=reading.timezone) if reading.timezone else ""
    return (
        f'{kind}"{reading.raw}" is {format_time(reading.first)} to {format_time(reading.end)}'
        f"  ({_SOURCES[reading.source.value]}, "
        f"{_DATE_RULES.get(reading.rule, reading.rule)}{zone})"
    )


def _main(readings: "Readings") -> Iterator[tuple[str, str]]:
    if not readings.main_selector:
        return
    text = " ".join(readings.main_text.split())
    begin = cut(text, _MAIN)
    how = _MAIN_BY.get(readings.main_by, readings.main_by)
    yield "main text", f"{len(readings.main_text)} characters, {how}: {begin}"
    if readings.hidden_text:
        yield (
            "",
            tr(
                "text that the page hides from readers: {count} characters",
                count=len(readings.hidden_text),
            ),
        )
    if readings.links:
        yield "", tr("links in the main text: {count}", count=len(readings.links))
