"""
Define the values of one capture: its artifacts, the facts about it, and its outcome.

`seal/record.py` writes these values into `capture/capture.json` under their own names, so the
names can be read in court. Instants are aware and in UTC; durations are whole milliseconds, with
`_ms` in the name; no value is a float, because canonical JSON (RFC 8785) in a bundle has none.
"""

import enum
from collections.abc import Iterable
from dataclasses import field
from datetime import datetime
from pathlib import Path

from snapshotter.model.capturer_identity import ExposedBox, IdentifierFinding
from snapshotter.model.digests import Digests
from snapshotter.model.network import NetworkPath
from snapshotter.value_class import dataclass


class Outcome(enum.StrEnum):
    """How complete a capture is. It does not tell what the page shows."""

    COMPLETE = "complete"  # every step did what it is for
    PARTIAL = "partial"  # the page was captured, something is missing; reasons say what
    FAILED = "failed"  # no page was rendered; reasons say why


class StepState(enum.StrEnum):
    """How one step of a capture ended."""

    OK = "ok"
    PARTIAL = "partial"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a capture is incomplete: a stable code, and a sentence."""

    code: str  # kebab-case, documented in docs/reference/outcomes.md
    detail: str  # for a person
    fault: str = ""  # of the code "tls": which fault it is, a stable word


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a capture, with its own time limit."""

    name: str  # launch navigate scroll settle viewport screenshot mhtml dom text close record
    state: StepState
    started_at: datetime
    duration_ms: int
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureTiming:
    """When one picture was taken: for people who look for lost time, not evidence."""

    name: str  # the path of its file; "first-look": an early picture that is usually not kept
    step: str  # the step that took it, or "" if none did
    began_at: datetime
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DomChange:
    """The main frame's document before and after an action on the page."""

    nodes_before: int  # elements
    nodes_after: int
    text_before: int  # characters of all text in the document, shown or not
    text_after: int
    mutations: int  # nodes put in or taken out and texts changed, by whomever, meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """An action on the page that may have changed it."""

    at: datetime
    kind: str  # scroll, dismiss-dialog, close-popup … (docs/reference/outcomes.md)
    detail: str = ""
    change: DomChange | None = None  # None: the document was not measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One file of a capture: written to the spool, and hashed while it was written."""

    path: str  # in the bundle: "capture/dom.html"
    media_type: str  # RFC 6838, lowercase
    file: Path  # in the spool
    digests: Digests
    step: str  # the step that made it
    made_at: datetime
    note: str = ""  # what a reader has to know: "tile 2 of 3, CSS pixels 4000 to 8000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """One hop on the way from the requested URL to the final one."""

    # "http" (a 3xx answer), "client" (meta refresh or script) or "reload": we asked once more
    kind: str
    from_url: str
    to_url: str
    status: int | None  # HTTP status of the answer that sent us on; None for others than "http"
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document that the page's window showed before the final one."""

    url: str
    status: int
    media_type: str  # as the server named it, lowercase; "" when it named none
    connection: str  # where the network record has it: "3/0", as Snapshotter-Connection
    # Per cent of the different words of its text that the text shown in the end lacks, and the
    # other way round; None where they were not compared.
    not_shown_percent: int | None
    not_received_percent: int | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCounts:
    """The number of requests that the browser made, by how they ended."""

    total: int = 0
    answered: int = 0  # a response with its whole body
    http_errors: int = 0  # of the answered: status 400 and above
    failed: int = 0  # DNS, refused, reset, TLS …
    blocked: int = 0  # by the browser (mixed content, CSP, CORS …)
    cancelled: int = 0  # by the page or by us
    pending: int = 0  # unanswered when the capture ended
    bodies_missing: int = 0  # answered, and the whole body is not in the record
    bytes_received: int = 0  # on the wire, TLS and all overhead included


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRequest:
    """A request without a response: what was requested, and the browser's error."""

    url: str
    resource_type: str  # Document Stylesheet Image Font Script …, as CDP names them
    # What the browser said, and what our own way out knows: "net::ERR_EMPTY_RESPONSE: dns"
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCounts:
    """Images that the page requested, after scrolling."""

    wanted: int = 0
    loaded: int = 0
    failed: int = 0
    pending: int = 0  # neither loaded nor failed when settling ended
    placeholder: int = 0  # the page holds the image back, and shows another or none
    failed_urls: tuple[str, ...] = ()  # at most 100
    placeholder_urls: tuple[str, ...] = ()  # of what is held back, at most 100

    @property
    def in_sight(self) -> "ImageCounts":
        """
        The images that were loaded or failed. Of a page that was not scrolled no others are known.
        """
        return ImageCounts(
            wanted=self.loaded + self.failed,
            loaded=self.loaded,
            failed=self.failed,
            failed_urls=self.failed_urls,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FontCounts:
    """Font faces that the page loads, in all frames. Unused ones are not counted."""

    loaded: int = 0
    failed: int = 0
    pending: int = 0
    failed_faces: tuple[str, ...] = ()  # "family weight style", at most 100


class FrameState(enum.StrEnum):
    """How much of a frame was captured."""

    READ = "read"
    EMPTY = "empty"  # it answered, and there is nothing in it
    UNREACHABLE = "unreachable"  # the browser shows an error in its place
    SILENT = "silent"  # it did not answer


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameFacts:
    """One frame of the page; the main frame too."""

    url: str
    state: FrameState


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingGlyphs:
    """Characters of one script for which this machine has no font."""

    script: str  # Unicode script property, long name: "Han"; or Emoji, Symbols, Other
    count: int  # distinct characters
    characters: str  # at most 20 of them


class SettleEnd(enum.StrEnum):
    """Why waiting for a page to settle ended."""

    NOTHING_PENDING = "nothing-pending"  # the browser shows that the page has announced nothing
    OBSERVED = "observed"  # the browser cannot show it; the page did not change for a second
    CAP = "cap"  # the time for it was used up
    WENT_ON = "went-on"  # the page went to another document
    STOPPED = "scripts-stopped"  # the page's scripts do not run any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """Work of one kind that a page had announced and not done yet."""

    kind: str  # docs/spec/capture-record.md
    count: int
    longest_ms: int  # the longest of their delays; 0 where there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """One wait for the page to settle, and how it ended."""

    at: datetime
    duration_ms: int
    how: SettleEnd
    unchanged_ms: int  # at its end, since the last change of document, layout or network
    waited_for: tuple[str, ...]  # kinds
    left: tuple[Pending, ...]  # what was still announced at its end


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrolling:
    """How far down the page was scrolled."""

    steps: int
    height: int  # CSS pixels of what was scrolled, at the end
    stopped: str  # "bottom", or what ended it before: steps, time, height, blocked
    container: str  # a way to the element that scrolls in the document's place, or ""
    virtualised: bool  # the page takes away what is out of view
    segments: int  # stretches that were read and photographed one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """One certificate of a chain: its digest (DER) and the facts that a reader needs."""

    sha256: str  # of the DER bytes
    subject: str  # RFC 4514
    issuer: str
    serial: str  # decimal
    not_before: datetime
    not_after: datetime
    pem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFacts:
    """TLS of the main connection, as its handshake shows it."""

    protocol: str  # "TLS 1.3"
    cipher: str  # this and the next ones: IANA's names
    key_exchange_group: str
    signature_algorithm: str  # of the server's handshake signature; "" in a resumed session
    certificate_transparency: str  # as the browser says: "compliant", "not-compliant", "unknown"
    chain: tuple[Certificate, ...]  # leaf first; of a resumed session, the one it goes on from


@dataclass(frozen=True, slots=True, kw_only=True)
class MainResponse:
    """The response to the main document's request, after redirects."""

    url: str
    status: int
    status_text: str
    protocol: str  # "http/1.1", "h2"
    headers: tuple[tuple[str, str], ...]  # in the order received, secrets replaced
    remote_ip: str  # as connected to; "" behind a proxy that resolves names itself
    remote_port: int
    date_header: str  # HTTP Date as received, or ""
    tls: TlsFacts | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """A value that was replaced before it was written to a file."""

    place: str  # "request-header" or "response-header"
    name: str  # lowercase header name
    count: int  # how many values of this name were replaced
    commitments: tuple[str, ...]  # "sha256:<hex>", distinct, sorted


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """
    The salt that opens one commitment. It never contains the value itself.

    Kept outside the bundle, readable by its owner alone. The commitment is
    SHA-256 over the salt, the name, a zero byte and the value's bytes.
    """

    commitment: str  # "sha256:<hex>"
    place: str
    name: str
    salt: str  # 32 hex digits or more


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFacts:
    """What processes of one kind could reach during the capture, as the kernel reports it."""

    type: str  # Chromium's word: "browser", "gpu-process", "renderer"; "driver" is Playwright's
    count: int
    seccomp: bool | None  # a filter of system calls that ours does not have; None: unknown
    no_new_privs: bool
    namespaces: tuple[str, ...]  # those of its own: "user", "mnt", "net", "pid"
    user: str  # "own" (no account's), "ours" (the same as the capturing process) or "root"
    # How files are kept from it: "empty" (its root directory is), "mount" (only a list exists),
    # "landlock" (only a list can be opened), "uid" (what another user may open), "none", "unknown"
    files: str


def files_open_to(
    processes: Iterable[ProcessFacts], *, of_everybody: bool = False
) -> tuple[str, ...]:
    """
    Return the types of processes that can open the files of the machine, as far as known.

    Args:
        of_everybody: Count also a process that may open the files that every user of the machine
            may read. The bundles of a store in a directory are such files.
    """
    is_open = ("none", "unknown", "uid") if of_everybody else ("none", "unknown")
    kinds = (process.type for process in processes if process.files in is_open)
    return tuple(dict.fromkeys(kinds))


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxFacts:
    """Whether the page was rendered inside Chromium's sandbox, as the kernel reports it."""

    asked: bool  # we started Chromium with its sandbox
    enforced: bool  # a renderer process ran under seccomp in its own user namespace
    detail: str  # how, or why not
    processes: tuple[ProcessFacts, ...] = ()  # nothing: not looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The software and settings that rendered the page. No user name, host name or local path."""

    os: str  # "Debian GNU/Linux 13 (trixie)"
    kernel: str
    architecture: str
    python: str
    playwright: str
    snapshotter: str
    browser_product: str  # "HeadlessChrome/156.0.8078.79", as the browser says
    browser_revision: str
    browser_sha256: str  # of the binary
    browser_binary: str  # file name alone: "chromium-headless-shell"
    browser_arguments: tuple[str, ...]  # paths of this machine replaced by words: "<profile>"
    user_agent: str
    fonts_sha256: str  # over the sorted list of installed font faces
    fonts_count: int
    sandbox: SandboxFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockFacts:
    """How far the machine's clock could be trusted during the capture."""

    source: str  # "adjtimex" or "system"
    synchronised: bool | None  # None: the system does not say
    max_error_ms: int | None
    offset_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockCheck:
    """The time by another party's clock, against the machine's clock. Not a proof."""

    source: str  # "http-date", or "page": a time of its server that the page holds
    name: str  # "Date", or what the page calls it
    value: str  # as it was found
    ours: datetime  # the moment of the navigation that is nearest to it, by our clock
    skew_ms: int  # theirs less ours
    within_bound: bool  # of the policy


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSize:
    """The size of the page and of the photographed part, in CSS pixels."""

    width: int
    height: int
    captured_height: int
    tiles: int
    truncated: bool
    truncated_at: int | None = None  # height at which a limit cut it


class PictureKind(enum.StrEnum):
    """The kind of a picture."""

    VIEWPORT = "viewport"  # what a person sees first
    PAGE = "page"  # the whole page
    INNER_BOX = "inner-box"  # all of a box that scrolls in the page's place
    ELEMENT = "element"
    PDF = "pdf"  # the page as it would be printed


class CutReason(enum.StrEnum):
    """Why a picture does not show all of its subject."""

    HEIGHT = "height-limit"
    WIDTH = "width-limit"
    FILES = "files-limit"
    GREW = "page-grew"  # it went on growing while it was photographed
    BROKEN_OFF = "broken-off"  # an error or the end of the time; a `Reason` says which


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureTile:
    """One screenshot, and its place in its file."""

    top_px: int  # CSS pixels, in the measure of its file
    bottom_px: int  # not included
    row: int  # device pixels from the file's top
    rows: int  # device pixels
    blank: bool  # it has one colour, although the page has text or images there


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFile:
    """One file of a picture."""

    path: str  # in the bundle
    top_px: int  # first CSS pixel of height that it shows
    bottom_px: int  # behind the last
    width: int  # device pixels; 0 for a PDF
    height: int  # device pixels; 0 for a PDF
    tiles: tuple[PictureTile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """
    A picture of one subject, and how much of it is shown.

    Lengths are CSS pixels from the page's upper left corner, or within an inner box from
    its own top. Tiles join edge to edge, and so do files unless `overlap_px` says otherwise.
    """

    kind: PictureKind
    subject: str  # selector of an element, name of an inner box, else ""
    viewport: str  # "default", or the name of another
    viewport_px: tuple[int, int]  # width, height of the window it was taken in
    scale: int  # device pixels a CSS pixel
    mobile: bool
    left_px: int
    top_px: int
    width_px: int
    height_px: int  # of all that there was to show, when it was last measured
    captured_width_px: int
    captured_height_px: int
    heights_px: tuple[int, ...]  # as measured in turn: more than one when it changed meanwhile
    overlap_px: int  # height that a file repeats of the one before
    truncated_at: int | None  # height at which it was cut
    reason: CutReason | None
    files: tuple[PictureFile, ...]

    @property
    def whole(self) -> bool:
        return self.reason is None


@dataclass(frozen=True, slots=True, kw_only=True)
class CourtMinimum:
    """
    The Berkeley Protocol's minimum for evidence in court (¶155).

    It consists of the URL, the HTML source and a full-page capture. The page's source counts as
    present if the main response's body is in the network record.
    """

    url: bool
    html_source: bool
    full_page_capture: bool

    @property
    def met(self) -> bool:
        """Whether all required parts exist."""
        return self.url and self.html_source and self.full_page_capture

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of the required parts that do not exist."""
        named = (
            ("URL", self.url),
            ("HTML source", self.html_source),
            ("full-page capture", self.full_page_capture),
        )
        return tuple(name for name, there in named if not there)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """Everything that one capture produced."""

    requested_url: str
    final_url: str  # the last document that was reached; the requested one when none was
    title: str
    outcome: Outcome
    reasons: tuple[Reason, ...]
    started_at: datetime
    ended_at: datetime
    navigation_started_at: datetime | None
    navigation_ended_at: datetime | None
    redirects: tuple[Redirect, ...]
    response: MainResponse | None  # None when no answer came
    court_minimum: CourtMinimum
    artifacts: tuple[Artifact, ...]  # capture/, archive/, indexes/ and pages/, sorted by path
    steps: tuple[Step, ...]
    actions: tuple[Action, ...]
    requests: RequestCounts
    failed_requests: tuple[FailedRequest, ...]  # at most 500
    images: ImageCounts
    fonts: FontCounts
    frames: tuple[FrameFacts, ...]  # at most 200
    missing_glyphs: tuple[MissingGlyphs, ...]
    scrolling: Scrolling | None  # None: the page was not scrolled
    page_size: PageSize | None
    text_characters: int
    document_language: str  # <html lang>, or ""
    environment: Environment
    clock: ClockFacts
    redactions: tuple[Redaction, ...]
    disclosures: tuple[Disclosure, ...] = field(repr=False)  # never written into the bundle
    warnings: tuple[Reason, ...] = ()  # what a reader has to know, and that takes nothing away
    clock_checks: tuple[ClockCheck, ...] = ()
    pictures: tuple[Picture, ...] = ()
    documents: tuple[Document, ...] = ()  # that were shown in turn, the final one last
    missing_parts: tuple[str, ...] = ()  # what a reader would look for and not find, in words
    network: NetworkPath | None = None  # None: it is not known, for no browser started
    shown_in_pictures: tuple[
        ExposedBox, ...
    ] = ()  # what was replaced in texts, and not in pictures
    settlings: tuple[Settling, ...] = ()  # in turn, at most 100
    identifier_findings: tuple[IdentifierFinding, ...] = field(
        default=(), repr=False
    )  # never written into the bundle
    picture_timings: tuple[PictureTiming, ...] = field(
        default=(), repr=False
    )  # in turn, at most 1,000; never written into the bundle
