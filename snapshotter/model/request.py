"""
Define a capture request, the decision about it, and the settings for monitoring a page.

The decision has every setting with which the page is captured.
"""

import re
from dataclasses import field
from datetime import timedelta

from snapshotter.model.assessment import RuleFile
from snapshotter.model.capture_url import check_url
from snapshotter.model.reading_rules import SiteReadings
from snapshotter.model.takedown import ConfirmRules
from snapshotter.value_class import dataclass

_WINDOW = re.compile(r"(\d{3,5})x(\d{3,5})(?:@([1-4]))?")
_MOST_PX = 10_000  # of a window, in either direction
MAX_RECIPIENTS = 20  # of kept streams


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureRequest:
    """A URL to preserve. One that cannot be captured is refused here, and nowhere later."""

    url: str  # http or https, no user:password part
    # The requested address, if the policy removed parameters. The bundle has only a commitment.
    original: str = field(default="", repr=False)
    stripped: tuple[str, ...] = ()  # names of those parameters

    def __post_init__(self) -> None:
        """Check the URL. Raises SnapshotterError as `check_url` does."""
        check_url(self.url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most that one capture may use. Seconds, bytes, counts, CSS pixels."""

    total_s: float = 90.0  # the hard limit on the whole capture, browser included
    launch_s: float = 30.0
    navigate_s: float = 30.0
    unanswered_s: float = 5.0  # for all hosts that do not answer together, after the document
    scroll_s: float = 15.0
    settle_s: float = 5.0
    tile_s: float = 10.0
    mhtml_s: float = 10.0
    step_s: float = 5.0  # any other call to the browser
    close_s: float = 5.0
    response_bytes: int = 64 << 20
    capture_bytes: int = 256 << 20
    requests: int = 2_000
    redirects: int = 20
    dialogs: int = 20
    popups: int = 5
    height_px: int = 100_000  # CSS pixels of the full page that are photographed
    tile_px: int = 4_000  # CSS pixels of height of one tile
    scroll_steps: int = 160
    memory_bytes: int = 1_500 << 20  # resident, the whole browser


LAZY_ATTRIBUTES = (
    *("data-src", "data-original", "data-lazy-src", "data-actualsrc", "data-url"),
    *("data-echo", "data-lazy", "data-original-src", "data-img-src"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRules:
    """How images that load late are handled."""

    honour_data_src: bool = True  # set the source of an image that its page delays
    # Attributes in which pages put that source, in the order of preference.
    lazy_attributes: tuple[str, ...] = LAZY_ATTRIBUTES
    placeholder_hashes: tuple[str, ...] = ()  # SHA-256 of pictures served in place of others
    image_s: float = 5.0  # the longest wait for one image
    wait_s: float = 15.0  # the longest wait for all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpandRules:
    """Whether controls that hide text are clicked, and which."""

    enabled: bool = False
    at_most: int = 20  # clicks
    words: tuple[str, ...] = ()  # labels or their beginnings, case-insensitive
    selectors: tuple[str, ...] = ()  # CSS


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRules:
    """Whether banners that ask for consent are dismissed, and how."""

    enabled: bool = False
    reject_selectors: tuple[str, ...] = ()
    reject_words: tuple[str, ...] = ()
    close_words: tuple[str, ...] = ()
    accept: bool = False  # if there is no way to refuse
    accept_selectors: tuple[str, ...] = ()
    accept_words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewport:
    """The size and kind of a window in which a page is shown."""

    name: str  # part of file names: "phone", "1024x768"
    width: int  # CSS pixels
    height: int  # CSS pixels
    scale: int = 1  # device pixels a CSS pixel
    mobile: bool = False  # laid out as on a phone, with touch

    @classmethod
    def named(cls, name: str) -> "Viewport":
        """
        Return the viewport of a name, "phone" or "tablet", or of a size: "1024x768", "1024x768@2".

        Raises:
            ValueError: It is neither.
        """
        if name in _DEVICES:
            return _DEVICES[name]
        if found := _WINDOW.fullmatch(name):
            width, height, scale = int(found[1]), int(found[2]), int(found[3] or 1)
            if min(width, height) >= 100 and max(width, height) <= _MOST_PX:
                word = name.replace("@", "-")
                return cls(name=word, width=width, height=height, scale=scale)
        raise ValueError(f"{name} is no viewport: phone, tablet, 1024x768, 1024x768@2")


# Sizes that are common among devices in use, with a whole number of device pixels.
_DEVICES = {
    "phone": Viewport(name="phone", width=390, height=844, scale=2, mobile=True),
    "tablet": Viewport(name="tablet", width=820, height=1180, scale=2, mobile=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """The pictures that are made in addition to those of the first view and of the whole page."""

    viewports: tuple[Viewport, ...] = ()  # further windows
    elements: tuple[str, ...] = ()  # CSS selectors; the first element of each
    pdf: bool = False
    inner_box: bool = True  # photograph the whole content of a scrolling box
    recompress: str = "off"  # compress the files again without loss: "off", "fast" or "small"
    # Device pixels of one file: what the most used image library opens without a
    # warning about decompression bombs (Pillow's MAX_IMAGE_PIXELS, 2^30 / 4 / 3).
    file_pixels: int = 89_478_485
    pdf_s: float = 20.0
    pdf_bytes: int = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRules:
    """The rules for the verdicts, and what is repeated while the page is still open."""

    rules: tuple[str, ...] = ("generic",)  # ids of rule files, in the order of matching
    rule_texts: tuple[tuple[str, str], ...] = ()  # (id, TOML), which go into the bundle
    wall_grace_s: float = 8.0  # the time in which a wall may clear by itself
    reloads: int = 1  # of a page that is blank, a shell or an error
    main_regions: tuple[str, ...] = ()  # CSS, in the order of preference; () for our own guess
    main_characters: int = 0  # a main region with fewer characters is a shell


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingRules:
    """What is read off a page, and the rules for its site (`policies/readings/`)."""

    counts: bool = True
    dates: bool = True
    qr: bool = True
    links: bool = True
    sites: tuple[SiteReadings, ...] = ()
    rules: tuple[tuple[str, str], ...] = ()  # (id, TOML) of their file, which goes into the bundle
    files: tuple[RuleFile, ...] = ()  # the same file, identified


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskRules:
    """
    What a comparison of two captures leaves out (`[compare.mask]`): clocks, counters, ads.

    A comparison counts what it leaves out. The captures themselves keep it.
    """

    selectors: tuple[
        str, ...
    ] = ()  # CSS, as formats/page/selectors.py reads it: all inside is masked
    patterns: tuple[str, ...] = ()  # regular expressions for the text of one block


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactRules:
    """
    What is never written to a file in clear, in addition to the headers that `Decision` names.
    """

    # Lowercase names of URL parameters; one that ends in "*" names all that begin so.
    url_params: tuple[str, ...] = ()
    viewer_fields: tuple[str, ...] = ()  # ids of lists of fields about a site's visitor
    viewer_names: tuple[str, ...] = ()  # the fields in these lists, lowercase
    mode: str = "commit"  # salts are kept beside the store; "drop": they are destroyed
    # What happens if a capture shows the capturing person's identifiers: "warn" (the person, not
    # in the bundle), "redact", "stop" (nothing is kept) or "ignore".
    identity: str = "warn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A number that matters, and the source that says so."""

    unit: str  # as `reading.Count` has it: "reposts", "views"
    at: int  # reached by this number and any above it
    source: str  # a law, an interpretation, a term of a contract


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitoring:
    """
    The settings of a policy for many captures of one page; `policy/capture_decision.py` makes them.
    """

    light: bool = False  # pages are watched: light checks between whole captures, and follow-ups
    confirm: ConfirmRules = field(default_factory=ConfirmRules)
    # Requested between two captures without the page, if no other watched page of its host is up.
    control_url: str = ""
    second_vantage: str = ""  # name of a `[[vantage]]` of the settings; "": none
    thresholds: tuple[Threshold, ...] = ()
    burst: timedelta = timedelta(minutes=15)  # removals of one account within this are one event
    after_gone: tuple[
        timedelta, ...
    ] = ()  # visits after a removal was confirmed, counted from then
    proof: bool = False  # write a proof pack of a removal and a reinstatement
    proof_pdf: bool = True  # with the statement as PDF, if there is memory for one more browser


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """
    How one request is to be captured: every setting, none left to a default elsewhere.

    The bundle contains the effective policy as text (`capture/policy.toml`), so that a reader sees
    what was asked of the browser.
    """

    policy_name: str
    policy_text: str  # the effective policy, TOML
    policy_why: str = ""  # why the page's address chose it; "": it was named
    browser: str = "shell"  # "shell", "chromium" or a path to a binary
    viewport_px: tuple[int, int] = (1440, 900)  # width, height, CSS pixels
    scale: int = 1  # device pixels a CSS pixel
    locale: str = "en-US"
    timezone: str = "UTC"  # IANA name
    user_agent: str = ""  # empty: the browser's own
    ignore_certificate_errors: bool = False
    webgl: bool = True  # pages may draw with the graphics interfaces WebGL and WebGPU
    # Refuse to capture if one of the browser's processes can open files of this machine.
    require_file_protection: bool = False
    scroll_step: float = 0.8  # of the viewport's height
    segments: int = 100  # stretches that are captured one by one, of a page that needs it
    quiet_s: float = 0.25  # without a request in flight until the page has settled
    media: MediaRules = field(default_factory=MediaRules)
    expand: ExpandRules = field(default_factory=ExpandRules)
    consent: ConsentRules = field(default_factory=ConsentRules)
    pictures: Pictures = field(default_factory=Pictures)
    limits: Limits = field(default_factory=Limits)
    redact_headers: frozenset[str] = frozenset(  # lowercase
        {"cookie", "set-cookie", "set-cookie2", "authorization", "proxy-authorization"}
    )
    redact: RedactRules = field(default_factory=RedactRules)
    # Public keys in PEM. The holders of their private keys can open the streams in the bundle.
    keep_streams_for: tuple[str, ...] = ()
    allow_networks: tuple[str, ...] = ()  # private networks that may be connected to, CIDR
    block_hosts: tuple[str, ...] = ()  # never connected to: "ads.example", "*.ads.example"
    # Certificates in PEM of private authorities that this capture trusts.
    certificate_authorities: tuple[str, ...] = ()
    require_proxy: bool = False  # connect only through a proxy or Tor
    strip_params: tuple[str, ...] = ()  # removed from the address before the visit
    clock_skew_s: float = 300.0  # between our clock and others' without a warning
    divergence_percent: int = (
        50  # of words of received and shown text that may differ without a warning
    )
    verdict: VerdictRules = field(default_factory=VerdictRules)
    readings: ReadingRules = field(default_factory=ReadingRules)
    mask: MaskRules = field(default_factory=MaskRules)
    light: bool = False  # light check: response, first view and verdict only
    require_court_minimum: bool = True
    require_timestamps: int = 1  # tokens that a verifier has to find, over each signature
    require_log: bool = False  # whether a verifier has to find a log proof
    require_signatures: int = 0  # valid ones that a verifier has to find; 0: of all signers
    retain_days: int = 0  # for which the stored bundle is retained; 0: none
    retain_mode: str = "GOVERNANCE"  # mode of Object Lock; or "COMPLIANCE", which nobody can undo
