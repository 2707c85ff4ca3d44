"""
List what a capture lacks, as its record states it: for the page of the capture, reports and search.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from snapshotter.model import sentences
from snapshotter.model.sentences import CaptureState
from snapshotter.report.record_values import number_at, objects_at, text_at, value_at, values_at
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

MAX_ROWS: Final = 100  # of a table, but that of requests
_IMAGES_MISSING: Final = "images-missing"  # a reason of an outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingPart:
    """Something that the capture lacks."""

    words: str
    detail: str = ""
    code: str = ""
    examples: tuple[str, ...] = ()  # addresses
    is_warning: bool = False  # nothing is missing, but a reader has to know it


def missing_parts(record: Mapping[str, Any], capture: CaptureState) -> Iterator[MissingPart]:
    """Yield what a capture lacks, and what a reader has to know, as its record states."""
    lost = _lost_images(record)
    for kind in ("reasons", "warnings"):
        for reason in objects_at(record, f"outcome.{kind}"):
            code, detail = text_at(reason, "code"), text_at(reason, "detail")
            clause = sentences.reason_clause(code, text_at(reason, "fault"))
            has_words = clause != code  # else those of the record
            yield MissingPart(
                words=sentences.as_sentence(clause if has_words else detail) or code,
                detail=detail if has_words else "",
                code=code,
                examples=lost.examples if lost is not None and code == _IMAGES_MISSING else (),
                is_warning=kind == "warnings",
            )
    for text in values_at(record, "content.missing_parts"):
        if isinstance(text, str):
            yield MissingPart(words=sentences.as_sentence(text.rstrip(".")))
    if lost is not None and _IMAGES_MISSING not in capture.reasons:
        yield lost
    if fonts := number_at(record, "content.fonts.failed"):
        yield MissingPart(words=tr("Fonts that were not loaded: {fonts}.", fonts=fonts))
    for frame in objects_at(record, "content.frames"):
        if text_at(frame, "state") in ("unreachable", "silent"):
            yield MissingPart(
                words=tr("A frame of the page was not read."), examples=(text_at(frame, "url"),)
            )
    for glyphs in objects_at(record, "content.missing_glyphs"):
        yield MissingPart(
            words=tr(
                "Characters that no installed font has: {count}, script {script}.",
                count=number_at(glyphs, "count") or 0,
                script=text_at(glyphs, "script"),
            ),
            detail=text_at(glyphs, "characters"),
        )
    size = value_at(record, "content.page_size")
    if isinstance(size, Mapping) and size.get("truncated") is True:
        captured, height = (number_at(size, key) or 0 for key in ("captured_height", "height"))
        words = tr(
            "The picture does not show the whole page: {captured} of {height} CSS pixels.",
            captured=captured,
            height=height,
        )
        if captured == height:
            words = tr(
                "The picture does not show the whole width of the page: {width} CSS pixels.",
                width=number_at(size, "width") or 0,
            )
        yield MissingPart(words=words)
    if capture.light:
        yield MissingPart(words=tr("A light check has no picture of the whole page."))


def _lost_images(record: Mapping[str, Any]) -> MissingPart | None:
    count = sum(
        number_at(record, f"content.images.{state}") or 0 for state in ("failed", "pending")
    )
    if not count:
        return None
    urls = (url for url in values_at(record, "content.images.failed_urls") if isinstance(url, str))
    return MissingPart(
        words=tr("Images that were not loaded: {count}.", count=count),
        examples=tuple(islice(urls, MAX_ROWS)),
    )
