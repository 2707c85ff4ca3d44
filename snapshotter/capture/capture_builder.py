"""
Collect the steps, actions, reasons and facts of a running capture, and compose the `Capture`.

The capturing thread adds them. The supervising thread reads them at the end, and may have ended the
capturing thread at any point. So values are only replaced or appended to, and can be composed to a
valid capture at any moment.
"""

import contextlib
import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from typing import Any, TypeVar, cast

from snapshotter.capture.page import clock_checks
from snapshotter.capture.page.received_documents import count_endless_reloads
from snapshotter.capture.record.recorder import Recording
from snapshotter.capture.redaction.redactor import clean_text, clean_url
from snapshotter.capture.spool import Spool, replace_lone_surrogates
from snapshotter.formats import canonical_json
from snapshotter.model.capture import (
    Action,
    Capture,
    ClockCheck,
    CourtMinimum,
    Document,
    DomChange,
    Environment,
    FontCounts,
    FrameFacts,
    ImageCounts,
    MainResponse,
    MissingGlyphs,
    Outcome,
    PageSize,
    Picture,
    PictureKind,
    PictureTiming,
    Reason,
    Redirect,
    Scrolling,
    Settling,
    Step,
    StepState,
)
from snapshotter.model.network import NetworkPath
from snapshotter.ports import Clock, Progress

T = TypeVar("T")

CONSOLE_LINES = 1_000
_LOG_LINES = 10_000
_SAME_ACTIONS = 1_000  # of one kind that are listed one by one
_CHARACTERS = 2_000  # of one text in a log
_URLS = 500  # most that are kept of failed requests
_SETTLINGS = 100
_PICTURE_TIMINGS = 1_000  # a page may be photographed again and again
_PLACEHOLDERS = 100  # of images that a placeholder replaces
# What a reader of the page would miss, unlike a beacon or a ping.
_SHOWN = frozenset({"Document", "Stylesheet", "Script", "Image", "Media", "Font", "XHR", "Fetch"})
# No block reason behind it, but perhaps the guard's word.
_NETWORK = re.compile(r"net::ERR_(?!BLOCKED_BY)[A-Z0-9_]+(: [a-z-]+)?")
_DEFAULT = "default"  # name of the window that every capture has
# Reasons that speak of the files of one take: where it is taken again, they are found again.
_OF_FILES = frozenset(
    {
        *("missing-glyphs", "page-scrolls-inside", "page-truncated", "picture-blank"),
        "text-incomplete",
    }
)
_OF_TAKES = frozenset({PictureKind.VIEWPORT, PictureKind.PAGE})
_JSON_LINES = "application/jsonl"
_RENDERED = frozenset(
    f"capture/{name}"
    for name in ("dom.html", "page.mhtml", "page.txt", "screenshot.png", "viewport.png")
)


class CaptureBuilder:
    """The steps, actions, reasons and facts of one capture, in order."""

    def __init__(self, *, requested_url: str, clock: Clock, progress: Progress) -> None:
        self._clock = clock
        self._progress = progress
        self._steps: list[Step] = []
        self._running: dict[str, tuple[datetime, float]] = {}  # by name; the newest last
        self._picture_timings: list[PictureTiming] = []
        self._actions: list[Action] = []
        self._kinds: Counter[str] = Counter()  # of actions
        self._reasons: list[Reason] = []
        self._console: list[dict[str, Any]] = []
        self._log: list[dict[str, Any]] = []
        self._dropped = 0
        self._started_at = clock.now()
        self.requested_url = requested_url
        self._final_url = requested_url
        self.navigation_started_at: datetime | None = None
        self.navigation_ended_at: datetime | None = None
        self.title = ""
        self.language = ""  # <html lang>
        self.text = ""  # of the page, as written
        self.missing: tuple[str, ...] = ()  # parts that could not be had, in words
        self.images = ImageCounts()
        self.image_lines = b""  # of `capture/images.jsonl`
        self.fonts = FontCounts()
        self.frames: tuple[FrameFacts, ...] = ()
        self.missing_glyphs: tuple[MissingGlyphs, ...] = ()
        self.scrolling: Scrolling | None = None
        self.settlings: tuple[Settling, ...] = ()
        self.page_size: PageSize | None = None
        self.page_times: tuple[tuple[str, str, datetime], ...] = ()  # name, text, instant
        self._warnings: list[Reason] = []
        self._clock_checks: tuple[ClockCheck, ...] = ()
        self.has_no_content = False  # the answer forbids a body: 204, 205
        self.is_light = False  # a check between captures
        self.is_answered = False  # an answer came that is no page, and is evidence as it is
        self.network: NetworkPath | None = None
        self.pictures: tuple[Picture, ...] = ()
        self.documents: tuple[Document, ...] = ()  # that were shown in turn

    @property
    def final_url(self) -> str:
        """The last document that was reached, without user information."""
        return self._final_url

    @final_url.setter
    def final_url(self, url: str) -> None:
        if url.startswith(("http://", "https://")):  # all else came from no server
            self._final_url = clean_url(url)

    def begin_step(self, name: str) -> None:
        """Begin a step; others may be running."""
        self._running[name] = (self._clock.now(), self._clock.monotonic())
        self.log("step-begins", name)
        self._progress(name, "")

    def end_step(self, state: StepState, detail: str = "", name: str = "") -> None:
        """End a running step, the newest if it is not named. Does nothing if none runs."""
        name = name or next(reversed(self._running), "")
        if name not in self._running:
            return
        started_at, started = self._running.pop(name)
        duration = round((self._clock.monotonic() - started) * 1000)
        self._steps.append(
            Step(
                name=name,
                state=state,
                started_at=started_at,
                duration_ms=max(0, duration),
                detail=_cut(detail),
            )
        )
        self.log("step-ends", f"{name}: {state.value}" + (f": {detail}" if detail else ""))

    def end_all_steps(self, state: StepState, detail: str) -> None:
        """End all running steps with one state."""
        for name in tuple(self._running):
            self.end_step(state, detail, name)

    @contextlib.contextmanager
    def taking_picture(self, name: str, step: str) -> Iterator[None]:
        """
        Measure how long a picture takes, whether it succeeds or not.

        Args:
            name, step: As in `PictureTiming`.
        """
        began_at, began = self._clock.now(), self._clock.monotonic()
        try:
            yield
        finally:
            if len(self._picture_timings) < _PICTURE_TIMINGS:
                duration = round((self._clock.monotonic() - began) * 1000)
                self._picture_timings.append(
                    PictureTiming(name=name, step=step, began_at=began_at, duration_ms=duration)
                )

    def say(self, name: str, progress: str) -> None:
        """Report the progress of a running step."""
        if name in self._running:
            self._progress(name, progress)

    def note(self, kind: str, detail: str, change: DomChange | None = None) -> None:
        """Record an action on the page, and how it changed the document."""
        self._kinds[kind] += 1
        if self._kinds[kind] > _SAME_ACTIONS:
            return  # they are counted; a page must not fill the record, or push out what counts
        self._actions.append(
            Action(at=self._clock.now(), kind=kind, detail=_cut(detail), change=change)
        )
        self.log("action", f"{kind}: {detail}" if detail else kind)

    @property
    def actions(self) -> tuple[Action, ...]:
        """The actions on the page; very many of one kind end with a count of the rest."""
        now = self._clock.now()
        rest = [
            Action(
                at=now,
                kind=kind,
                detail=f"more actions of this kind: {count - _SAME_ACTIONS}",
                change=None,
            )
            for kind, count in self._kinds.items()
            if count > _SAME_ACTIONS
        ]
        return (*self._actions, *rest)

    def add_reason(self, code: str, detail: str) -> None:
        """Record why the capture is not complete; the first detail of a code stays."""
        if all(reason.code != code for reason in self._reasons):
            self._reasons.append(Reason(code=code, detail=_cut(detail)))
            self.log("reason", f"{code}: {detail}")

    def warn(self, code: str, detail: str) -> None:
        """Record what a reader has to know, though nothing is missing; the first detail stays."""
        if all(warning.code != code for warning in self._warnings):
            self._warnings.append(Reason(code=code, detail=_cut(detail)))
            self.log("warning", f"{code}: {detail}")

    def check_clocks(self, response: MainResponse | None, bound_s: float) -> None:
        """Compare our clock with the times that server and page stated."""
        self._clock_checks = clock_checks.check_clock(
            response,
            self.page_times,
            began=self.navigation_started_at,
            ended=self.navigation_ended_at,
            bound_s=bound_s,
        )
        for check in self._clock_checks:
            if not check.within_bound:
                ours = canonical_json.instant(check.ours)
                self.warn(
                    "clock-skew",
                    f"the time {check.name} of the "
                    f"{'server' if check.source == 'http-date' else 'page'} was {check.value}, "
                    f"but the clock of this machine showed {ours}",
                )

    def keep(self, picture: Picture) -> None:
        """Record a picture, or replace the record of one that has grown."""
        made = (picture.kind, picture.viewport, picture.subject)
        others = [
            picture
            for picture in self.pictures
            if (picture.kind, picture.viewport, picture.subject) != made
        ]
        self.pictures = (*others, picture)

    def discard_take(self, steps: Collection[str]) -> None:
        """Discard the steps, reasons and pictures of a take that does not count."""
        self._steps = [step for step in self._steps if step.name not in steps]
        for name in steps:
            self._running.pop(name, None)
        self._reasons = [reason for reason in self._reasons if reason.code not in _OF_FILES]
        self.pictures = tuple(
            picture
            for picture in self.pictures
            if picture.subject or picture.viewport != _DEFAULT or picture.kind not in _OF_TAKES
        )
        self.page_size = None
        self.text, self.missing, self.missing_glyphs, self.page_times = "", (), (), ()

    def discard_for_retake(self, subject: str, path: str, spool: Spool) -> None:
        """
        Discard the reasons and pictures of a take, before everything is taken again.

        The first view of the first take stays, under this path and with this subject.
        """
        self._reasons = [reason for reason in self._reasons if reason.code not in _OF_FILES]
        for picture in self.pictures:
            if (
                picture.kind is not PictureKind.VIEWPORT
                or picture.subject
                or picture.viewport != _DEFAULT
            ):
                continue
            if all(made.subject != subject for made in self.pictures) and spool.keep_aside(
                picture.files[0].path, path, "the first picture, before the page changed"
            ):
                files = (replace(picture.files[0], path=path),)
                self.keep(replace(picture, subject=subject, files=files))

    def console(self, kind: str, text: str, url: str) -> None:
        """Record a line that the page wrote to its console."""
        if len(self._console) < CONSOLE_LINES:
            line = {"kind": kind, "text": _cut(text), "url": clean_url(url)[:_CHARACTERS]}
            self._console.append({**self._now(), **line})
        else:
            self._dropped += 1

    def log(self, event: str, detail: str) -> None:
        """Add a line to `capture/log.jsonl`."""
        if len(self._log) < _LOG_LINES:
            self._log.append({**self._now(), "event": event, "detail": _cut(detail)})

    def compose(
        self,
        recording: Recording,
        environment: Environment,
        spool: Spool,
        authorities: Sequence[str] = (),
        *,
        salt: bytes,
    ) -> Capture:
        """
        Write the logs and compose the capture.

        Args:
            salt: Random, so that the digest of a withheld log confirms no guess of an address.
            authorities: Certificates of authorities that this capture trusts, in PEM.
        """
        from snapshotter.capture.record import tls_facts
        from snapshotter.formats.tls import certificate_authority

        if self._dropped:
            self.log("console-dropped", f"lines after the first {CONSOLE_LINES} were not kept")
        rendered = any(artifact.path in _RENDERED for artifact in spool.artifacts)
        if recording.certificate_errors:
            self.warn(
                "certificate-ignored",
                "the policy allowed certificates that the browser refuses: "
                + "; ".join(recording.certificate_errors),
            )
        if authorities:
            names = "; ".join(
                f"{certificate['subject']} (SHA-256 {certificate['sha256']})"
                for certificate in map(certificate_authority.facts, authorities)
            )
            hosts = (
                ", ".join(recording.private_hosts)
                or "unknown, because no server certificate could be read"
            )
            self.warn(
                "private-authority",
                f"private certificate authorities that the capturing person trusts: {names}; "
                f"servers whose certificates need one of these authorities: {hosts}",
            )
        shown = rendered or self.is_answered
        body = recording.main_body
        is_empty = body is not None and body.length == 0 and not self.has_no_content
        if is_empty and shown and not recording.main_body_cut:
            self.add_reason("empty-response", "the server answered with an empty document")
        if not recording.main_body_recorded and shown and not self.has_no_content:
            self.add_reason("source-missing", "the body of the page's document was not recorded")
        if recording.main_body_recorded and recording.main_body_cut and shown:
            self.add_reason(
                "source-cut", "the page's document was cut off; the part that arrived was recorded"
            )
        if rendered:
            self._add_reasons_for_missing_resources(recording)
        if not rendered and not self.is_answered and not self._reasons:
            self.add_reason("nothing-rendered", "no part of the page could be kept")
        outcome = Outcome.COMPLETE
        if self._reasons:
            outcome = Outcome.PARTIAL if rendered or self.is_answered else Outcome.FAILED
        self.log("outcome", outcome.value)
        self._log.append({**self._now(), "event": "salt", "detail": salt.hex()})
        for name, lines in (("console", self._console), ("log", self._log)):
            data = b"".join(canonical_json.dumps(_whole(line)) + b"\n" for line in lines)
            if data:  # validators of the container take an empty list of lines for a broken one
                spool.write(f"capture/{name}.jsonl", _JSON_LINES, data, step="record")
        if self.image_lines:
            spool.write(
                "capture/images.jsonl", _JSON_LINES, self.image_lines, step="settle",
                note="the result of each image that the page requested",
            )  # fmt: skip
        size = self.page_size
        artifacts = (*spool.artifacts, *recording.artifacts)
        capture = Capture(
            requested_url=self.requested_url,
            final_url=self.final_url,
            title=self.title,
            outcome=outcome,
            reasons=tuple(
                replace(
                    reason,
                    fault=tls_facts.certificate_fault(
                        reason.detail, recording.certificate_problems
                    ),
                )
                if reason.code == "tls"
                else reason
                for reason in self._reasons
            ),
            started_at=self._started_at,
            ended_at=self._clock.now(),
            navigation_started_at=self.navigation_started_at,
            navigation_ended_at=self.navigation_ended_at,
            redirects=recording.redirects,
            documents=self.documents,
            response=recording.response,
            court_minimum=CourtMinimum(
                url=True,
                html_source=recording.main_body_recorded
                and not recording.main_body_cut
                and not is_empty,
                full_page_capture=size is not None
                and not size.truncated
                and any(artifact.step == "screenshot" for artifact in spool.artifacts),
            ),
            artifacts=tuple(sorted(artifacts, key=lambda artifact: artifact.path)),
            steps=tuple(sorted(self._steps, key=lambda step: step.started_at)),
            actions=self.actions,
            requests=recording.counts,
            failed_requests=recording.failed[:_URLS],
            images=self.images,
            fonts=self.fonts,
            frames=self.frames,
            missing_glyphs=self.missing_glyphs,
            scrolling=self.scrolling,
            settlings=self.settlings[:_SETTLINGS],
            page_size=size,
            text_characters=len(self.text),
            document_language=self.language,
            environment=environment,
            clock=self._clock.facts(),
            redactions=recording.redactions,
            disclosures=recording.disclosures,
            warnings=tuple(self._warnings),
            clock_checks=self._clock_checks,
            pictures=self.pictures,
            missing_parts=(*self.missing, *recording.missing_parts),
            network=self.network,
            picture_timings=tuple(self._picture_timings),
        )
        # Here, because it is all of them: a string that is forgotten would cost the bundle.
        return _whole(capture)

    def check_reloads(self, redirects: Iterable[Redirect], *, announced: bool) -> None:
        """
        Add a reason if the page reloads itself without end: its last document is kept.

        Args:
            announced: The page was about to go to another document, or to itself.
        """
        if any(reason.code == "redirect-loop" for reason in self._reasons):
            return
        to_itself = (
            f"snapshotter stopped the navigation to {clean_url(self.final_url.partition('#')[0])}"[
                :500
            ]
        )
        held = any(
            action.kind == "hold-page" and action.detail == to_itself for action in self._actions
        )
        began = self.navigation_started_at or self._started_at
        count = count_endless_reloads(redirects, began=began, goes_on=held or announced)
        if count:
            words = f"the page reloaded itself {count} times"
            self.add_reason("reload-loop", words)

    def settled(self, settling: Settling) -> None:
        """Record how one wait for the page ended."""
        self.settlings = (*self.settlings, settling)
        self.log("settled", settling.how.value)

    def mark_placeholders(
        self, urls: Collection[str], recorded: Callable[[str], str] = str
    ) -> None:
        """
        Record that the images from these addresses are placeholders, and so are missing.

        Args:
            recorded: Returns an address as it is recorded.
        """
        lines: list[bytes] = []
        found: list[str] = []
        for line in self.image_lines.splitlines(keepends=True):
            image = json.loads(line)
            if (
                image.get("state") == "loaded"
                and recorded(image["current"].partition("#")[0]) in urls
            ):
                found.append(image["current"])
                line = canonical_json.dumps(image | {"state": "placeholder"}) + b"\n"
            lines.append(line)
        if found:
            self.image_lines = b"".join(lines)
            self.images = replace(
                self.images,
                loaded=self.images.loaded - len(found),
                placeholder=self.images.placeholder + len(found),
                placeholder_urls=(*self.images.placeholder_urls, *found)[:_PLACEHOLDERS],
            )

    def _add_reasons_for_missing_resources(self, recording: Recording) -> None:
        """Add reasons for pictures and style sheets that did not come."""
        lost = self.images.failed
        if not self.is_light:  # which asks for none that is out of sight
            lost += self.images.pending + self.images.placeholder
        if lost:
            self.add_reason("images-missing", f"{lost} of {self.images.wanted} images did not load")
        if self.fonts.failed:
            names = ", ".join(self.fonts.failed_faces[:5])
            self.add_reason(
                "fonts-missing", f"font faces that did not load: {self.fonts.failed} ({names})"
            )
        # What the page's own rules refused is the page as it is; what the network lost is not.
        lost_types = Counter(
            failed.resource_type
            for failed in recording.failed
            if failed.resource_type in _SHOWN and _NETWORK.fullmatch(failed.error)
        )
        if lost_types:
            counted = ", ".join(f"{kind} ({count})" for kind, count in sorted(lost_types.items()))
            self.add_reason("resources-missing", f"requests without an answer: {counted}")

    def _now(self) -> dict[str, Any]:
        at = self._clock.now()
        return {"at": canonical_json.instant(at), "at_ms": canonical_json.milliseconds(at)}


def _cut(text: str) -> str:
    """Remove user information, and then cut the text: the "@" that shows it may be cut off."""
    return clean_text(text)[:_CHARACTERS]


def _whole(value: T) -> T:
    """Return a value of the model, or a line of a log, without lone surrogates in its texts."""
    made: Any = value
    if type(made) is str:  # an enumeration's member is one too, and stays what it is
        made = replace_lone_surrogates(made)
    elif isinstance(value, tuple):
        made = tuple(_whole(item) for item in value)
    elif isinstance(value, dict):
        made = {key: _whole(item) for key, item in value.items()}
    elif is_dataclass(value) and not isinstance(value, type):
        made = replace(
            value,
            **{
                field.name: _whole(getattr(value, field.name))
                for field in fields(value)
                if field.init
            },
        )
    return cast("T", made)
