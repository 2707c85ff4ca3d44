"""
Derive the assessment of a capture from its files, before they are sealed and again from a bundle.

`with_assessment` is for a capture that has just ended, `rederive` for a stored bundle. Both use
`assess`, which reads only the capture record and the files beside it, and nothing that only the
capturing process knew. So anybody who has the bundle derives the same bytes.
"""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

from snapshotter.app.archive import bundles, network_record
from snapshotter.assess.qr import QrReadings, Shot, read_codes
from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats import typed
from snapshotter.formats.bundle import container, names
from snapshotter.formats.canonical_json import plain
from snapshotter.formats.digest import digest
from snapshotter.formats.page import assessment as assessments
from snapshotter.formats.page import layout as page_layout
from snapshotter.model.assessment import Assessment, FailedReading
from snapshotter.model.capture import (
    Artifact,
    Capture,
    ImageCounts,
    Outcome,
    Picture,
    PictureKind,
    Reason,
    Redirect,
)
from snapshotter.model.page import Page
from snapshotter.model.request import Decision, ReadingRules, VerdictRules
from snapshotter.model.rules import RuleSet
from snapshotter.model.verified_facts import VerifiedFacts
from snapshotter.policy import site_readings
from snapshotter.policy.takedown_rules import parse_rules, rules_for
from snapshotter.ports import Assessor, Clock
from snapshotter.seal import record as records
from snapshotter.seal.sealer import write_own_file
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.capture_record import MAX_BYTES as MAX_RECORD
from snapshotter.verify.capture_record import loads

AssessorOf = Callable[[Decision], Assessor]

_HTML: Final = 64 << 20  # bytes of the document that are read
_TEXT: Final = 64 << 20
_RAW: Final = 8 << 20  # of the final document as received
_RAW_BEFORE: Final = 2 << 20  # of each document before a redirect by the page
_DOCUMENTS: Final = 20
_STEP: Final = "assess"
_FAILED: Final = "assessment-failed"
_INCOMPLETE: Final = "assessment-incomplete"
_CODES: Final = "qr_codes"
_STAGES: Final = ("kind", "main_region")  # on which the kind of a page depends


class Files(Protocol):
    """The files of one capture, by their paths in a bundle."""

    def names(self) -> Iterable[str]:
        """Return all paths."""

    def open(self, path: str) -> BinaryIO | None:
        """Return a seekable stream; None if there is no such file."""


@dataclass(frozen=True, slots=True)
class SpooledFiles:
    """The files of a capture that has just ended."""

    files: Mapping[str, Path]

    def names(self) -> Iterable[str]:
        """See `Files.names`."""
        return self.files

    def open(self, path: str) -> BinaryIO | None:
        """See `Files.open`."""
        file = self.files.get(path)
        return file.open("rb") if file is not None else None


class BundleFiles:
    """
    The files of a bundle, which is not verified here.

    Args:
        stream: The bundle; must stay open while this object is used.
        verified: What its verification established. A member is then opened only if it still
            has the digest that was verified.

    Raises:
        EvidenceInvalid: It is not a bundle; from `open`, a member changed after verification.
    """

    def __init__(self, stream: BinaryIO, verified: VerifiedFacts | None = None) -> None:
        self._stream = stream
        self._members = {member.name: member for member in container.read_directory(stream)}
        self._verified = verified
        self._same: set[str] = set()

    def names(self) -> Iterable[str]:
        """See `Files.names`."""
        return self._members

    def length(self, path: str) -> int | None:
        """Return the bytes of a file; None if there is no such file."""
        member = self._members.get(path)
        return member.length if member is not None else None

    def open(self, path: str) -> BinaryIO | None:
        """See `Files.open`."""
        member = self._members.get(path)
        if member is None:
            return None
        if self._verified is not None and path not in self._same:
            known = self._verified.members.get(path)
            part = bundles.open_member(self._stream, member)
            if known is None or digest(part, limit=member.length).sha256 != known.sha256:
                raise EvidenceInvalid(tr("{path} changed after its verification", path=path))
            self._same.add(path)
        return bundles.open_member(self._stream, member)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rederived:
    """The stored assessment of a bundle, and the one derived again from its files and rules."""

    stored: bytes
    again: bytes
    assessment: Assessment  # derived again

    @property
    def is_same(self) -> bool:
        """
        Return whether both agree; a field that was added later has its default.

        A reading that the stored assessment names as failed is not compared, because another
        machine or a later version may be able to make it. Readings depend on each other. If any
        reading but the codes failed, only the verdicts are compared.
        """
        if self.stored == self.again:
            return True
        try:
            stored, again = assessments.parse(self.stored), assessments.parse(self.again)
        except EvidenceInvalid:
            return False  # the stored file is not an assessment
        unmade = {unread.reading for unread in stored.unread}
        if unmade == {_CODES}:
            then = replace(again.readings, qr_codes=stored.readings.qr_codes)
            again = replace(again, readings=then)
        elif unmade:
            content = replace(again.content, detail=stored.content.detail)
            again = replace(
                again,
                content=content if unmade.isdisjoint(_STAGES) else stored.content,
                readings=stored.readings,
                main_sha256=stored.main_sha256,
            )
        return stored == replace(again, unread=stored.unread)


class CodeSearch:
    """
    A search for codes in pictures.

    Args:
        shots: Read by `run`.
        streams: Closed at the end.
    """

    def __init__(self, shots: Iterable[Shot], streams: contextlib.ExitStack) -> None:
        self._shots = shots
        self._streams = streams
        self._found: Future[QrReadings] = Future()

    def wait(self) -> None:
        """Wait until the search has ended."""
        self._found.exception()

    def result(self) -> QrReadings:
        """Wait for the codes, and return them. Raises what `read_codes` raises."""
        return self._found.result()

    def run(self) -> None:
        """Search, in any thread: mostly pictures are decoded, while Python runs other threads."""
        try:
            with self._streams:
                found = read_codes(self._shots)
        except BaseException as error:  # noqa: BLE001 - raised by `result`
            self._found.set_exception(error)
        else:
            self._found.set_result(found)


class EarlySearch(Protocol):
    """A search for codes that began while the pictures were made (`early_codes.EarlyCodes`)."""

    search: CodeSearch | None  # of the pictures that were taken last

    def are_of(self, record: Mapping[str, Any], artifacts: Sequence[Artifact]) -> bool:
        """Return whether the codes are those of the pictures of a capture."""


def with_assessment(
    capture: Capture,
    decision: Decision,
    assessor_of: AssessorOf,
    *,
    spool: Path,
    clock: Clock,
    early: EarlySearch | None = None,
) -> tuple[Capture, Assessment | None]:
    """
    Return the capture with its assessment, and the rules that gave it, among its files.

    If the assessment of a page fails, the capture has none, and a warning states it.

    Args:
        spool: The folder of the capture's files.
        early: The codes of its pictures, if their search has begun.
    """
    files = SpooledFiles({artifact.path: artifact.file for artifact in capture.artifacts})
    try:
        record = records.content(capture, decision, capture.artifacts)
        page = page_of(record, files)
        decision = _narrowed(decision, page)
        is_searched = early is not None and early.are_of(record, capture.artifacts)
        searching = early.search if early is not None and is_searched else None
        found = _assessed(page, record, files, decision, assessor_of, searching)
        decision, found = _without_silent(decision, found)
        made = [(assessments.PATH, "application/json", assessments.encode(found))]
        for rules, text in (*decision.verdict.rule_texts, *decision.readings.rules):
            path = assessments.rules_path(rules)
            made.append((path, "application/toml", text.encode()))
    except Exception as error:  # noqa: BLE001 - a page may be made to break it
        words = str(error).partition("\n")[0][:200]
        warning = Reason(code=_FAILED, detail=f"{type(error).__name__}: {words}")
        return replace(capture, warnings=(*capture.warnings, warning)), None
    if found.unread:
        words = "; ".join(f"{unread.reading} ({unread.why})" for unread in found.unread)[:1000]
        warning = Reason(code=_INCOMPLETE, detail=tr("these readings failed: {words}", words=words))
        capture = replace(capture, warnings=(*capture.warnings, warning))
    own = [
        write_own_file(spool, *file_parts, step=_STEP, made_at=clock.now()) for file_parts in made
    ]
    artifacts = tuple(sorted((*capture.artifacts, *own), key=lambda artifact: artifact.path))
    return replace(capture, artifacts=artifacts), found


def rederive(files: Files, assessor_of: AssessorOf) -> Rederived:
    """
    Derive the assessment of a bundle again, by the rules that it contains.

    Raises:
        EvidenceInvalid: It has no assessment, or a file that is needed cannot be read.
    """
    stored = _read(files, assessments.PATH, assessments.MAX_BYTES)
    if stored is None:
        raise EvidenceInvalid(tr("the bundle has no {path}", path=assessments.PATH))
    record = _stored_record(files)
    again = assess(record, files, decision_of(record, files), assessor_of)
    return Rederived(stored=stored, again=assessments.encode(again), assessment=again)


def read_assessment(files: Files) -> Assessment | None:
    """
    Return the stored assessment of a bundle; None for a bundle from before assessments.

    Raises:
        EvidenceInvalid: It cannot be read.
    """
    stored = _read(files, assessments.PATH, assessments.MAX_BYTES)
    return assessments.parse(stored) if stored is not None else None


def assess(
    record: Mapping[str, Any], files: Files, decision: Decision, assessor_of: AssessorOf
) -> Assessment:
    """
    Return what the capture of a record shows, by the rules of a policy decision.

    Raises:
        EvidenceInvalid: The record or a file is not valid.
    """
    return _assessed(page_of(record, files), record, files, decision, assessor_of)


def _narrowed(decision: Decision, page: Page) -> Decision:
    """Return the decision with only the rule files that may apply to the page."""
    # Who only reads an assessment, such as `show`, does not wait for all that makes one.
    from snapshotter.assess.assessor import hosts_of

    texts = decision.verdict.rule_texts
    used = {
        rule_set.file.id
        for rule_set in rules_for([_rules(*text) for text in texts], hosts_of(page))
    }
    kept = tuple(text for text in texts if text[0] in used)
    return replace(decision, verdict=replace(decision.verdict, rule_texts=kept))


def _without_silent(decision: Decision, found: Assessment) -> tuple[Decision, Assessment]:
    """
    Return both without the phrase files that did not match.

    Such a file is long, applies to all hosts, and has no effect without a match. The assessment
    is the same when it is derived again without the file.
    """
    texts = decision.verdict.rule_texts
    silent = {
        rule_set.file.id
        for rule_set in (_rules(*text) for text in texts)
        if rule_set.phrases
        and len(rule_set.phrases) == len(rule_set.abouts)
        and rule_set.file.id != found.takedown.rules
    }
    kept = tuple(text for text in texts if text[0] not in silent)
    if not kept:
        return decision, found
    files = tuple(rule_file for rule_file in found.rule_files if rule_file.id not in silent)
    verdict = replace(decision.verdict, rule_texts=kept)
    return replace(decision, verdict=verdict), replace(found, rule_files=files)


@lru_cache(maxsize=64)
def _rules(rules: str, text: str) -> RuleSet:
    return parse_rules(text, f"rules {rules}")


def _assessed(
    page: Page,
    record: Mapping[str, Any],
    files: Files,
    decision: Decision,
    assessor_of: AssessorOf,
    searching: CodeSearch | None = None,
) -> Assessment:
    if not decision.readings.qr:
        return assessor_of(decision).assess(page)
    if searching is None:
        streams = contextlib.ExitStack()
        searching = CodeSearch(opened(shot_places(record), files, streams), streams)
        threading.Thread(target=searching.run, name="codes", daemon=True).start()
    try:
        found = assessor_of(decision).assess(page)
    finally:
        searching.wait()  # until then it reads the files, which the caller may close
    try:
        codes = searching.result()
    except EvidenceInvalid:
        raise  # a picture changed after its verification
    except Exception as error:  # noqa: BLE001 - recorded: it costs the codes alone
        codes = QrReadings(left_out=type(error).__name__)
    unread = found.unread
    if codes.left_out:
        unread = (*unread, FailedReading(reading=_CODES, why=codes.left_out))
    readings = replace(found.readings, qr_codes=codes.codes)
    return replace(found, readings=readings, unread=unread)


def decision_of(record: Mapping[str, Any], files: Files) -> Decision:
    """
    Return as much of a capture's decision as its assessment depends on, with the rules as text.

    Raises:
        EvidenceInvalid: The record does not say it, or a file of rules is not there.
    """
    try:
        settings = record["how"]["settings"]
        rules, readings = settings["verdict"], typed.read(ReadingRules, settings["readings"])
        verdict = VerdictRules(
            rules=_texts(rules["rules"]),
            main_regions=_texts(rules["main_regions"]),
            main_characters=int(rules["main_characters"]),
        )
        name = str(record["how"]["policy"]["name"])
        locale, timezone = str(settings["locale"]), str(settings["timezone"])
    except (KeyError, TypeError, ValueError) as error:
        raise EvidenceInvalid(
            tr("the capture record does not state by which rules the capture was assessed")
        ) from error
    texts: dict[str, str] = {}
    for rules_path, path in sorted(assessments.rules_in(files.names()).items()):
        data = _read(files, path, assessments.MAX_RULES_BYTES)
        texts[rules_path] = (data or b"").decode("utf-8", "replace")
    try:
        known = [
            site_readings.parse(texts[rules_id], rules_id)
            for rules_id in texts
            if rules_id not in verdict.rules
        ]
    except SnapshotterError as error:
        raise EvidenceInvalid(
            tr("a file of rules in the bundle is invalid: {value}", value=error.message)
        ) from error
    return Decision(
        policy_name=name,
        policy_text="",
        locale=locale,
        timezone=timezone,
        verdict=replace(
            verdict,
            rule_texts=tuple(
                (rules_id, texts[rules_id]) for rules_id in verdict.rules if rules_id in texts
            ),
        ),
        readings=replace(
            readings,
            sites=tuple(site for site_file in known for site in site_file.sites),
            rules=tuple((site_file.file.id, site_file.text) for site_file in known),
            files=tuple(site_file.file for site_file in known),
        ),
    )


def page_of(record: Mapping[str, Any], files: Files) -> Page:
    """
    Return what a capture shows, as its record and its files say.

    Raises:
        EvidenceInvalid: The record or a file is not what it has to be.
    """
    try:
        return _page_of(record, files)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise EvidenceInvalid(
            tr("the capture record is invalid: {error!r:.200}", error=error)
        ) from error


def _page_of(record: Mapping[str, Any], files: Files) -> Page:
    what, when, content = record["what"], record["when"], record["content"]
    headers = _joined_headers(record["from_whom"])
    redirects = tuple(typed.read(Redirect, redirect) for redirect in what["redirects"])
    raw, raw_before = _received(record, files)
    layout = _read(files, page_layout.PATH, page_layout.MAX_BYTES)
    return Page(
        requested_url=str(what["requested_url"]),
        final_url=str(what["final_url"]),
        captured_at=_moment(when["navigation_ended_at_ms"] or when["started_at_ms"]),
        timezone=str(when["timezone"]),
        locale=str(record["how"]["settings"]["locale"]),
        status=what["http_status"],
        media_type=headers.get("content-type", "").partition(";")[0].strip().lower(),
        headers=headers,
        redirects=redirects,
        html=_text(files, "capture/dom.html", _HTML),
        raw=raw,
        raw_before=raw_before,
        text=_text(files, "capture/page.txt", _TEXT),
        blocks=page_layout.parse(layout).blocks if layout is not None else (),
        images=_images(content["images"], is_light=record["how"]["settings"].get("light") is True),
        failure=_failure(record["outcome"]),
        pictures=_pictures(content["pictures"]),
    )


def _images(counts: Any, *, is_light: bool) -> ImageCounts:
    """Return the counts of images; a light check asks for none that is out of sight."""
    images = typed.read(ImageCounts, counts)
    return images.in_sight if is_light else images


def _failure(outcome: Mapping[str, Any]) -> str:
    """Return why there is no page; "" when there is one, however incomplete."""
    if outcome["state"] != Outcome.FAILED:
        return ""
    return str(next((reason["code"] for reason in outcome["reasons"]), "nothing-rendered"))


def _pictures(pictures: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the files of the first view and of the whole page, as they were in the end."""
    wanted = (PictureKind.VIEWPORT, PictureKind.PAGE)
    return tuple(
        str(file["path"])
        for kind in wanted
        for picture in pictures
        if picture["kind"] == kind and picture["viewport"] == "default" and not picture["subject"]
        for file in picture["files"]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotPlace:
    """One file of a picture, and its place on the page; see `Shot`."""

    path: str
    left_px: int
    top_px: int
    scale: int


def shot_places(record: Mapping[str, Any]) -> list[ShotPlace]:
    """Return the files of the whole page's picture; of the first view's where there is no such."""
    try:
        made = [
            picture
            for picture in record["content"]["pictures"]
            if picture["viewport"] == "default" and not picture["subject"]
        ]
        wanted = [picture for picture in made if picture["kind"] == PictureKind.PAGE] or [
            picture for picture in made if picture["kind"] == PictureKind.VIEWPORT
        ]
        return [
            ShotPlace(
                path=str(file["path"]),
                left_px=int(picture["left_px"]),
                top_px=int(file["top_px"]),
                scale=int(picture["scale"]),
            )
            for picture in wanted
            for file in picture["files"]
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EvidenceInvalid(
            tr("the capture record is invalid: {error!r:.200}", error=error)
        ) from error


def sha256_of(artifacts: Sequence[Artifact], shots: Sequence[ShotPlace]) -> list[str]:
    """Return the digest of the file of each shot; "" for a file that does not exist."""
    digests = {artifact.path: artifact.digests.sha256 for artifact in artifacts}
    return [digests.get(shot.path, "") for shot in shots]


def record_of(pictures: Sequence[Picture]) -> Mapping[str, Any]:
    """Return as much of a record as `shot_places` reads."""
    return {"content": {"pictures": [plain(picture) for picture in pictures]}}


def opened(
    shots: Sequence[ShotPlace], files: Files, streams: contextlib.ExitStack
) -> Iterator[Shot]:
    """Open the files of shots, which `streams` closes; a file that does not exist is left out."""
    for shot in shots:
        stream = files.open(shot.path)
        if stream is not None:
            yield Shot(
                path=shot.path,
                stream=streams.enter_context(stream),
                left_px=shot.left_px,
                top_px=shot.top_px,
                scale=shot.scale,
            )


def _joined_headers(response: Mapping[str, Any] | None) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in response["headers"] if response is not None else ():
        name = str(name).lower()
        joined[name] = f"{joined[name]}, {value}" if name in joined else str(value)
    return joined


def _received(record: Mapping[str, Any], files: Files) -> tuple[bytes, tuple[bytes, ...]]:
    """Return the final document as it was received, and those that the page went on from."""
    response, what = record["from_whom"], record["what"]
    if response is None:
        return b"", ()
    asked_again = [
        redirect["at_ms"] for redirect in what["redirects"] if redirect["kind"] == "reload"
    ]
    since = max(asked_again, default=0)
    documents = [document for document in what["documents"] if document["at_ms"] >= since]
    final = {"url": response["url"], "connection": ""}
    if documents and documents[-1]["url"] == response["url"]:
        final = documents.pop()
    with contextlib.ExitStack() as stack:
        network = [files.open(path) for path in (network_record.WARC, network_record.INDEX)]
        warc, index = (
            stack.enter_context(stream) if stream is not None else None for stream in network
        )
        if warc is None or index is None:
            return b"", ()

        def body(of: Mapping[str, Any], most: int) -> bytes:
            index.seek(0)
            url, connection = str(of["url"]), str(of["connection"])
            return network_record.read_body(warc, index, url=url, connection=connection, most=most)

        before = tuple(body(document, _RAW_BEFORE) for document in documents[:_DOCUMENTS])
        return body(final, _RAW), before


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(text, str) for text in values):
        raise EvidenceInvalid(
            tr(
                "a value in the capture record is not a list of texts, although "
                "a list of texts is required"
            )
        )
    return tuple(values)


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=ms)


def _text(files: Files, path: str, most: int) -> str:
    """Return the beginning of a file as text, so that a page of any length can be assessed."""
    stream = files.open(path)
    if stream is None:
        return ""
    with stream:
        return stream.read(most).decode("utf-8", "replace")


def _read(files: Files, path: str, most: int) -> bytes | None:
    """Return a file; None if it does not exist. Raises EvidenceInvalid for a longer one."""
    stream = files.open(path)
    if stream is None:
        return None
    with stream:
        data = stream.read(most + 1)
    if len(data) > most:
        raise EvidenceInvalid(tr("{path} is longer than {most} bytes", path=path, most=most))
    return data


def _stored_record(files: Files) -> Mapping[str, Any]:
    data = _read(files, names.CAPTURE_RECORD, MAX_RECORD)
    record = loads(data or b"")
    if not isinstance(record, dict):
        raise EvidenceInvalid(tr("the capture record is not a JSON object"))
    return record
