"""
Derive from two verified bundles what changed on their page, by the rules in the bundles.

Whoever makes an event of a change and whoever verifies it call the same function.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from snapshotter.app.archive import assessment as assessing
from snapshotter.app.archive import bundles, comparison, network_record
from snapshotter.app.archive.assessment import AssessorOf, BundleFiles
from snapshotter.app.archive.comparison import ComparisonInput, NamedBundle
from snapshotter.app.takedown.kept_comparisons import KeptComparisons
from snapshotter.assess import readings
from snapshotter.assess.dom import read_document
from snapshotter.assess.main_images import main_images
from snapshotter.assess.possible_removals import suspicion_of
from snapshotter.assess.prices import read_prices
from snapshotter.compare import changes, masks
from snapshotter.compare.changes import ComparedPage, PageSetting
from snapshotter.compare.picture_rows import PictureSource
from snapshotter.compare.stated_words import SignedTexts
from snapshotter.formats import canonical_json
from snapshotter.formats.canonical_json import plain
from snapshotter.model.assessment import Assessment, Availability
from snapshotter.model.capture import PictureKind
from snapshotter.model.change import (
    MAIN_REGION,
    METHOD,
    DerivedChange,
    NoChange,
    NoChangeReason,
    ReadDate,
)
from snapshotter.model.comparison import Comparison
from snapshotter.model.request import Decision
from snapshotter.model.takedown import Observation
from snapshotter.policy.page_identity import PageIdentityRules
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.report import stated_outcome

_ABSOLUTE = "absolute"  # a date that does not depend on the time of the capture
_KINDS = frozenset({"published", "modified"})
_MAX_INDEX = 64 << 20  # bytes of the index of a network record
_MAX_IMAGE = 16 << 20  # bytes of one picture file
_MAX_IMAGES = 512 << 20  # bytes that are read and decoded of all picture files


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCapture:
    """A verified bundle, open, and what it shows when its verdict is derived again."""

    given: NamedBundle
    observation: Observation
    assessment: Assessment
    stated: str = ""  # the identity that the page states, if its address does not determine it


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedEnds:
    """What the comparison of two captures derived, and the comparison."""

    derived: DerivedChange | NoChange
    comparison: Comparison | None = None  # None: they cannot be compared
    shots: tuple[PictureSource, ...] = ()  # of the whole page, of both captures, if both have it
    guessed_by: str = ""  # the software that guessed the main text of a capture; "" if none did


def compare_ends(
    before: ShownCapture,
    after: ShownCapture,
    assessor_of: AssessorOf,
    rules: PageIdentityRules,
    method: int = METHOD,
    *,
    kept: KeptComparisons[ComparedEnds] | None = None,
) -> ComparedEnds:
    """
    Return what changed from one capture to the other.

    Args:
        method: The version of the derivation, 1 to METHOD.
        kept: Results that are used again; None: the captures are compared in any case.

    Raises:
        SnapshotterError: A bundle cannot be read, or a mask of its policy cannot be used.
    """
    if kept is None:
        return _compare(before, after, assessor_of, rules, method)
    key = (before.given.report.sha256, after.given.report.sha256, method)
    found = kept.get(key)
    if found is not None:  # its pictures are of streams that may be closed
        return replace(found, shots=_whole_pages(before, after))
    found = _compare(before, after, assessor_of, rules, method)
    kept.keep(key, replace(found, shots=()))
    return found


def _compare(
    before: ShownCapture,
    after: ShownCapture,
    assessor_of: AssessorOf,
    rules: PageIdentityRules,
    method: int,
) -> ComparedEnds:
    one, other = (_input(shown, assessor_of, rules) for shown in (before, after))
    if one is None or other is None:
        return ComparedEnds(derived=no_verdict())
    masked = comparison.combined_masks((before.given, after.given))
    chosen = masks.read(masked)
    whole_article = method > MAIN_REGION
    found = comparison.compare(
        one, other, masked, left_out=(changes.REDACTED,), whole_article=whole_article
    )
    pages = (
        _page(before, one, other.decision, None, whole_article=whole_article),
        _page(after, other, other.decision, before.observation, whole_article=whole_article),
    )
    derived = changes.derive(
        *pages,
        found,
        chosen.with_patterns((changes.REDACTED,)),
        method=method,
    )
    return ComparedEnds(
        derived=derived,
        comparison=found,
        shots=_whole_pages(before, after),
        guessed_by=next((page.guessed_by for page in pages if page.guessed_by), ""),
    )


def _whole_pages(before: ShownCapture, after: ShownCapture) -> tuple[PictureSource, ...]:
    """Return the pictures of the whole page of both captures; () if one of them has none."""
    name = comparison.PICTURES[PictureKind.PAGE]
    shots = [comparison.pictures_in(shown.given).get(name) for shown in (before, after)]
    return tuple(shot for shot in shots if shot is not None) if all(shots) else ()


def signed_texts(shown: ShownCapture) -> SignedTexts:
    """
    Return what a capture contains, without any choice of a main text.

    Raises:
        SnapshotterError: The bundle cannot be read.
    """
    files = BundleFiles(shown.given.stream, shown.given.report.established)
    index = files.open(network_record.INDEX)
    text = ""
    if index is not None:
        with index:
            text = index.read(_MAX_INDEX).decode("utf-8", "replace")
    page = assessing.page_of(bundles.read_record(shown.given.stream), files)
    return SignedTexts(page=page, picture_index=text)


def no_verdict() -> NoChange:
    """Return that a capture has no verdict that can be derived again."""
    return changes.no_change(NoChangeReason.NO_VERDICT, is_open=True)


def _input(
    shown: ShownCapture, assessor_of: AssessorOf, rules: PageIdentityRules
) -> ComparisonInput | None:
    files = BundleFiles(shown.given.stream, shown.given.report.established)
    record = bundles.read_record(shown.given.stream)
    if assessing.read_assessment(files) is None:
        return None
    decision = assessing.decision_of(record, files)
    return comparison.captured(shown.given, assessor_of, rules, decision, assessed=shown.assessment)


def _page(
    shown: ShownCapture,
    given: ComparisonInput,
    decision: Decision,
    last: Observation | None,
    *,
    whole_article: bool,
) -> ComparedPage:
    """
    Return what a comparison does not have of a capture.

    Args:
        decision: Of the later capture, whose rules find the main text of both.
        last: The earlier capture; None for the earlier capture itself.
        whole_article: Whether pictures of the article around the main region count.
    """
    page = given.captured.page
    document = read_document(page.html)
    read = readings.article_of if whole_article else readings.regions_of
    regions = read(
        page,
        decision.readings,
        main_regions=decision.verdict.main_regions,
        document=document,
    )
    named = decision.verdict.main_regions
    own = (
        readings.regions_of(page, decision.readings, document=document).main_selector
        if named
        else regions.main_selector
    )
    certain = (
        last
        if last is not None and last.availability is Availability.AVAILABLE and not last.ambiguous
        else None
    )
    suspicion = suspicion_of(shown.observation, certain)
    made = shown.assessment.readings
    files = BundleFiles(shown.given.stream, shown.given.report.established)
    record = bundles.read_record(shown.given.stream)
    return ComparedPage(
        observation=shown.observation,
        settings=tuple(_settings(record)),
        named_main="" if _is_inside(regions.main_selector, own) else regions.main_selector,
        outcome=given.captured.side.outcome,
        missing=tuple(code for code, _ in stated_outcome(shown.given.report.record)[1]),
        whole=given.captured.whole,
        main_by=regions.main_by,
        guessed_by=regions.guessed_by,
        removal=suspicion.value if suspicion is not None else "",
        counts=made.counts,
        prices=read_prices(document, regions),
        dates=tuple(
            ReadDate(kind=date.kind, raw=date.raw, first=date.first, end=date.end)
            for date in made.dates
            if date.kind in _KINDS and date.rule == _ABSOLUTE
        ),
        images=_image_digests(
            files, main_images(document, regions, page.final_url or page.requested_url)
        ),
    )


def _is_inside(selector: str, other: str) -> bool:
    """Return whether a selector names the element of another one, if there is one, or one in it."""
    return not other or selector == other or selector.startswith(f"{other} > ")


def _settings(record: Mapping[str, Any]) -> Iterator[PageSetting]:
    """Yield the settings of a capture that can change what a page shows, as its record has them."""
    how = record["how"]
    settings = how["settings"]
    for name in ("expand", "consent"):
        clicks = [
            str(action["detail"]) for action in how.get("actions") or () if action["kind"] == name
        ]
        yield PageSetting(
            name=name,
            value=_text(settings.get(name)),
            effect="\n".join(clicks),
            shown=str(len(clicks)),
        )
    blocked = str(((record.get("content") or {}).get("requests") or {}).get("blocked") or 0)
    yield PageSetting(
        name="block_hosts",
        value=_text(settings.get("block_hosts")),
        effect=blocked,
        shown=blocked,
    )
    user_agent = settings.get("user_agent") or ""
    yield PageSetting(
        name="user_agent",
        value=user_agent,
        effect=user_agent,
        shown=user_agent or tr("not set"),
    )


def _text(value: object) -> str:
    return canonical_json.dumps(plain(value)).decode()


def _image_digests(files: BundleFiles, images: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """Return the SHA-256 of each picture file in the network record; "" if it has none."""
    warc, index = (files.open(path) for path in (network_record.WARC, network_record.INDEX))
    if warc is None or index is None:
        return ("",) * len(images)
    asked = [[address.partition("#")[0] for address in addresses] for addresses in images]
    with warc, index:
        digests = network_record.digest_bodies(
            warc,
            index,
            [address for addresses in asked for address in addresses],
            most=_MAX_IMAGE,
            total=_MAX_IMAGES,
        )
    return tuple(
        next((digests[address] for address in addresses if address in digests), "")
        for addresses in asked
    )
