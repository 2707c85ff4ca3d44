"""
Select two bundles, verify them, and compare their captures, the earlier one with the later one.

Bundles of a store are copied to this machine and verified there before they are compared, because
a store may return other bytes when it is read a second time.
"""

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from snapshotter.app.archive import assessment as assessing
from snapshotter.app.archive import bundles
from snapshotter.app.archive.assessment import AssessorOf, BundleFiles
from snapshotter.app.archive.bundle_verification import verify_in_store
from snapshotter.app.archive.observations import ObservationSource, observations, stated
from snapshotter.assess import readings
from snapshotter.assess.dom import blocks_of, read_document
from snapshotter.compare import captures, masks
from snapshotter.compare.captures import ComparableCapture
from snapshotter.compare.masks import MaskPatterns
from snapshotter.compare.picture_rows import PictureSource
from snapshotter.compare.value_diff import summarise_verdict
from snapshotter.errors import EvidenceInvalid, SnapshotterError, UsageMistake
from snapshotter.formats import toml
from snapshotter.formats.page import layout
from snapshotter.model.assessment import Assessment
from snapshotter.model.capture import PictureKind
from snapshotter.model.comparison import ComparedCapture, Comparison
from snapshotter.model.finding import Report, Verdict
from snapshotter.model.request import Decision, MaskRules
from snapshotter.model.verified_facts import CaptureFacts
from snapshotter.policy import page_identity
from snapshotter.policy.page_identity import PageIdentityRules
from snapshotter.ports import ReadableStore
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify import capture_record
from snapshotter.verify.bundle_on_disk import verify_on_disk
from snapshotter.verify.report import stated_outcome
from snapshotter.verify.trust import Trust

# The names of pictures in a comparison, by their kinds in a record.
PICTURES: Mapping[PictureKind, str] = {
    PictureKind.VIEWPORT: "first view",
    PictureKind.PAGE: "whole page",
}
_POLICY = "capture/policy.toml"
_MAX_POLICY = 1 << 20
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleCheck:
    """What the verification of a bundle gave, as far as a comparison needs it."""

    sha256: str  # of the whole bundle
    verdict: str  # of `Verdict`
    codes: tuple[str, ...]  # of what did not pass
    proven_time: datetime | None
    established: CaptureFacts | None  # None: the verification established no facts


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedBundle:
    """A bundle on this machine, and the result of its verification."""

    name: str  # as it was given
    stream: BinaryIO
    report: Report

    @property
    def check(self) -> BundleCheck:
        """The result of the verification, in short."""
        return BundleCheck(
            sha256=self.report.sha256,
            verdict=self.report.verdict.value,
            codes=tuple(self.report.codes(Verdict.FAILED, Verdict.INDETERMINATE)),
            proven_time=self.report.proven_time,
            established=self.report.established,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedBundle:
    """A bundle on this machine that another process has verified."""

    name: str  # as it was given
    stream: BinaryIO
    check: BundleCheck


ComparableBundle = NamedBundle | CheckedBundle


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonInput:
    """A capture, and the rules by which it was read."""

    captured: ComparableCapture
    decision: Decision


def select_bundles(
    names: Sequence[str], source: Callable[[], ObservationSource]
) -> tuple[str, str]:
    """
    Return the two bundles that were asked for: files, or ids.

    Args:
        names: One address (the last two captures of it), or two of: a file, an id, an address
            (the last capture), an address and a time (`URL@2026-11-27T10:00:00Z`: the last
            capture until then).
        source: Opens the store; called only if captures have to be looked up.

    Raises:
        SnapshotterError: There are none, or fewer than two.
    """
    if len(names) == 1:
        url, until = _asked(names[0])
        if not url:
            raise UsageMistake(
                tr("a comparison needs two bundles, but only one bundle is named"),
                hint=tr(
                    "name two bundles, or name one address to compare the last two captures of "
                    "this address"
                ),
            )
        found = _captures(source(), url, until)
        if len(found) < 2:
            raise SnapshotterError(
                tr("the store has only one capture of {url}", url=url)
                if found
                else tr("the store has no captures of {url}", url=url),
                hint=tr("list the captures:\n  snapshotter list"),
            )
        return found[-2], found[-1]
    first, second = (_one(name, source) for name in names)
    return first, second


def open_file_bundle(stream: BinaryIO, file: Path, trust: Trust, now: datetime) -> NamedBundle:
    """Return a bundle that is a file, verified with its sidecars."""
    report = verify_on_disk(stream, file, trust, now=now)
    return NamedBundle(name=str(file), stream=stream, report=report)


@contextmanager
def open_stored_bundle(
    name: str, store: ReadableStore, trust: Trust, now: datetime
) -> Iterator[NamedBundle]:
    """
    Copy a bundle out of a store, verify it, and remove the copy at the end of the `with` block.

    Args:
        name: The id of the bundle.

    Raises:
        SnapshotterError: The store does not have it, or it cannot be read.
    """
    key = bundles.find_bundle_key(store, name)
    with tempfile.TemporaryFile(prefix="snapshotter-diff-") as copy:
        bundles.copy_bundle(store, key, copy)
        report = verify_in_store(copy, store, key, trust, now=now)
        yield NamedBundle(name=name, stream=copy, report=report)


def captured(
    given: ComparableBundle,
    assessor_of: AssessorOf,
    rules: PageIdentityRules,
    today: Decision,
    *,
    assessed: Assessment | None = None,
) -> ComparisonInput:
    """
    Return the capture in a bundle, as the comparison needs it.

    Args:
        today: Assesses a capture that was made before assessments were.
        assessed: Its assessment, derived again; None: the one in the bundle is used.

    Raises:
        EvidenceInvalid: It cannot be read.
    """
    files = BundleFiles(given.stream)
    record = bundles.read_record(given.stream)
    try:
        decision = assessing.decision_of(record, files)
    except EvidenceInvalid:
        decision = today
    page = assessing.page_of(record, files)
    if assessed is None:
        assessed = assessing.read_assessment(files) or assessor_of(decision).assess(page)
    return ComparisonInput(
        captured=ComparableCapture(
            side=_side(given, record, assessed, rules),
            page=page,
            assessment=assessed,
            shots=_shots(record, files),
            conditions=_conditions(record),
            whole=_is_whole(files),
        ),
        decision=decision,
    )


def compare(
    before: ComparisonInput,
    after: ComparisonInput,
    masked: MaskRules,
    *,
    pictures: bool = True,
    left_out: MaskPatterns = (),
    whole_article: bool = True,
) -> Comparison:
    """
    Return what differs between two captures.

    The parts of the page are read again in both captures, by the rules of the later one: two
    versions of the rules would give different labels to the same page.

    Args:
        pictures: Compare them as well.
        left_out: Further patterns that are masked.
        whole_article: Standfirst and notes of the article count as main text. False: only the
            main region, as older signed comparisons have it.

    Raises:
        SnapshotterError: A mask that cannot be used.
    """
    chosen_masks = masks.read(masked).with_patterns(left_out)
    laid_out = bool(before.captured.page.blocks and after.captured.page.blocks)
    one, other = (
        _alike(
            material.captured,
            after.decision,
            laid_out=laid_out,
            pictures=pictures,
            whole_article=whole_article,
        )
        for material in (before, after)
    )
    return captures.compare(one, other, chosen_masks)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedPair:
    """Two captures that were compared in the order of time."""

    comparison: Comparison
    shots: tuple[Mapping[str, PictureSource], Mapping[str, PictureSource]]
    is_swapped: bool  # the first of the two bundles has the later capture


def compare_bundles(
    pair: tuple[ComparableBundle, ComparableBundle],
    mask_rules: MaskRules | None,
    assessor_of: AssessorOf,
    rules: PageIdentityRules,
    today: Decision,
    *,
    pictures: bool = True,
) -> ComparedPair:
    """
    Compare the captures in two bundles, the earlier one with the later one.

    Args:
        mask_rules: What to mask; None: what the policies in the bundles mask.
        today: Assesses a capture that was made before assessments were.
        pictures: Compare the pictures too.

    Raises:
        SnapshotterError: A bundle cannot be read, or a mask cannot be used.
    """
    masked = combined_masks(pair) if mask_rules is None else mask_rules
    before, after = (captured(bundle, assessor_of, rules, today) for bundle in pair)
    is_swapped = before.captured.side.captured_at > after.captured.side.captured_at
    if is_swapped:
        before, after = after, before
    return ComparedPair(
        comparison=compare(before, after, masked, pictures=pictures),
        shots=(before.captured.shots, after.captured.shots),
        is_swapped=is_swapped,
    )


def _alike(
    of: ComparableCapture,
    decision: Decision,
    *,
    laid_out: bool,
    pictures: bool,
    whole_article: bool,
) -> ComparableCapture:
    """Return a capture whose regions were read by the given rules, with comparable blocks."""
    page = of.page
    if not laid_out:  # without one layout, the blocks of both are read from the markup
        document = read_document(page.html)
        page = replace(page, blocks=blocks_of(document) if document is not None else ())
    read = readings.article_of if whole_article else readings.regions_of
    regions = read(page, decision.readings, main_regions=decision.verdict.main_regions)
    assessment = of.assessment
    if assessment is not None:
        assessment = replace(
            assessment,
            readings=replace(
                assessment.readings,
                regions=regions.labelled,
                main_text=regions.main_text,
                main_selector=regions.main_selector,
                links=regions.links,
            ),
        )
    return replace(of, page=page, assessment=assessment, shots=of.shots if pictures else {})


def combined_masks(given: Iterable[ComparableBundle]) -> MaskRules:
    """Return all masks of the policies in the bundles of captures."""
    selectors: dict[str, None] = {}
    patterns: dict[str, None] = {}
    for bundle in given:
        files = BundleFiles(bundle.stream)
        stream = files.open(_POLICY)
        if stream is None:
            continue
        with stream:
            text = stream.read(_MAX_POLICY).decode("utf-8", "replace")
        try:
            table = toml.loads(text).get("compare", {}).get("mask", {})
            selectors |= dict.fromkeys(map(str, table.get("selectors", ())))
            patterns |= dict.fromkeys(map(str, table.get("patterns", ())))
        except (ValueError, AttributeError, TypeError, RecursionError) as error:
            raise EvidenceInvalid(
                tr("the policy in {name} cannot be read: {error}", name=bundle.name, error=error)
            ) from error
    return MaskRules(selectors=tuple(selectors), patterns=tuple(patterns))


def _one(name: str, source: Callable[[], ObservationSource]) -> str:
    url, until = _asked(name)
    if not url:
        return name
    found = _captures(source(), url, until)
    if not found:
        when = f" until {until:%Y-%m-%d %H:%M:%S} UTC" if until else ""
        raise SnapshotterError(
            tr("the store has no capture of {url}{when}", url=url, when=when),
            hint=tr("list the captures:\n  snapshotter list"),
        )
    return found[-1]


def _asked(name: str) -> tuple[str, datetime | None]:
    """Return the address and the time of an argument; "" if it is no address."""
    if not re.match(r"https?://", name, re.IGNORECASE):
        return "", None
    url, _, time = name.rpartition("@")
    found = _TIME.fullmatch(time)
    if not url or found is None:  # an address may have an @ of its own
        return name, None
    day, clock, zone = found.groups()
    try:
        at = datetime.fromisoformat(
            f"{day}T{clock or '00:00'}{(zone or 'Z').replace('Z', '+00:00')}"
        )
    except ValueError as error:
        raise SnapshotterError(
            tr("{time} is not a valid time", time=time),
            hint=tr(
                "write the time after the address, as in https://example.org/@2026-11-27T10:00:00Z"
            ),
        ) from error
    # A day includes its last second, and a second includes all of its fractions.
    return url, at.astimezone(UTC) + (timedelta(seconds=1) if clock else timedelta(days=1))


def _captures(source: ObservationSource, url: str, until: datetime | None) -> list[str]:
    return [observation.bundle_id for observation in observations(source, url=url, until=until)]


def _side(
    given: ComparableBundle,
    record: Mapping[str, Any],
    assessed: Assessment | None,
    rules: PageIdentityRules,
) -> ComparedCapture:
    check = given.check
    try:
        # A bundle that FAILED is compared as well, by what its record states.
        facts = check.established or capture_record.capture_facts(record, sha256=check.sha256)
        what = record["what"]
        return ComparedCapture(
            bundle_id=facts.bundle_id,
            sha256=check.sha256,
            verification=check.verdict,
            codes=check.codes,
            requested_url=facts.requested_url,
            final_url=facts.final_url,
            captured_at=facts.ended_at,
            proven_at=check.proven_time,
            identity=_identity(facts, assessed, rules),
            http_status=what["http_status"],
            title=str(what["title"]),
            standing=summarise_verdict(assessed),
            outcome=stated_outcome(record)[0],
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise EvidenceInvalid(
            tr("the capture record of {name} is invalid", name=given.name)
        ) from error


def _identity(facts: CaptureFacts, assessed: Assessment | None, rules: PageIdentityRules) -> str:
    said = stated(facts, assessed, rules) if assessed is not None else ""
    try:
        return said or page_identity.page_identity(facts.requested_url, rules).key
    except ValueError:
        return ""


def _is_whole(files: BundleFiles) -> bool:
    """Return whether the layout has all blocks; True also for a bundle without a layout."""
    stream = files.open(layout.PATH)
    if stream is None:
        return True
    with stream:
        return layout.parse(stream.read(layout.MAX_BYTES + 1)).whole


def pictures_in(given: ComparableBundle) -> Mapping[str, PictureSource]:
    """
    Return the pictures of a capture by their names in a comparison. The bundle must stay open.

    Raises:
        EvidenceInvalid: The record does not describe them.
    """
    return _shots(bundles.read_record(given.stream), BundleFiles(given.stream))


def _shots(record: Mapping[str, Any], files: BundleFiles) -> dict[str, PictureSource]:
    try:
        return _pictured(record["content"]["pictures"], files)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EvidenceInvalid(
            tr("the description of the pictures in the capture record is invalid")
        ) from error


def _pictured(
    pictures: Iterable[Mapping[str, Any]], files: BundleFiles
) -> dict[str, PictureSource]:
    found: dict[str, PictureSource] = {}
    paths_in_bundle = set(files.names())
    for picture in pictures:
        words = PICTURES.get(picture["kind"])
        if words is None or picture["viewport"] != "default" or picture["subject"]:
            continue
        paths = [str(file["path"]) for file in picture["files"]]
        if paths and all(path in paths_in_bundle for path in paths):
            found[words] = PictureSource(
                files=tuple(partial(_member, files, path) for path in paths),
                scale=max(1, int(picture["scale"])),
            )
    return found


def _member(files: BundleFiles, path: str) -> BinaryIO:
    stream = files.open(path)
    if stream is None:
        raise EvidenceInvalid(tr("the bundle has no {path}", path=path))
    return stream


def _conditions(record: Mapping[str, Any]) -> dict[str, str]:
    """Return the conditions of a capture that can be the reason for a difference."""
    try:
        how = record["how"]
        settings, environment = how["settings"], how["environment"]
        who = record.get("who")
        width, height = settings["viewport_px"]
        return {
            "window": f"{width}x{height}@{settings['scale']}",
            "locale": str(settings["locale"]),
            "timezone": str(settings["timezone"]),
            "policy": f"{how['policy']['name']} {how['policy']['sha256'][:12]}",
            "browser": str(environment["browser_product"]),
            "user_agent": str(environment["user_agent"]),
            "fonts": str(environment["fonts_sha256"])[:12],
            "network_path": str(who.get("network_path") or "") if isinstance(who, dict) else "",
        }
    except (KeyError, TypeError, ValueError) as error:
        raise EvidenceInvalid(tr("the capture record is invalid")) from error
