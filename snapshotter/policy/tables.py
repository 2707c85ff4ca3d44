"""
Validate the tables of a policy: the type, the bounds and the default of each key.

Every key has an effect, which docs/reference/policies.md describes. Unknown keys and wrong
types are errors. A table may have a `reason`, which is for people.
"""

import re
from datetime import UTC, timedelta
from ipaddress import ip_network
from typing import Annotated, Any, Final, Literal, Self

from snapshotter.formats.table import Check, Field, Table, check_key, check_table
from snapshotter.model.request import LAZY_ATTRIBUTES, MAX_RECIPIENTS, Viewport
from snapshotter.policy.curve import Season, parse_season
from snapshotter.policy.patterns import compile_pattern
from snapshotter.policy.quiet_hours import parse_quiet
from snapshotter.policy.retention import MAX_DAYS
from snapshotter.policy.selectors import CssSelector
from snapshotter.policy.takedown_rules import shipped_rules
from snapshotter.policy.times import format_short_duration, parse_duration, parse_moment

SCHEMA: Final = "snapshotter/policy@1"

KINDS = frozenset({"shell", "chromium"})

_HOST = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]")
_SHORTEST = timedelta(seconds=60)
_MOST_VISITS = 1_000  # after a removal
_Parameter = Annotated[str, Field(pattern=r"^[A-Za-z_][\w.-]{0,60}\*?$")]  # of an address
_Word = Annotated[str, Field(min_length=1, max_length=500)]
_Selector = Annotated[str, Field(min_length=1, max_length=1000)]
_Pixels = Annotated[int, Field(ge=100, le=10_000)]
_Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]


def _is_duration(text: str) -> str:
    parse_duration(text)  # raises ValueError, which says how one is written
    return text


_Duration = Annotated[str, Check(_is_duration)]  # "8s", "10m", "1d"


def _at_most(longest: timedelta) -> Check:
    def check(text: str) -> str:
        if parse_duration(text) > longest:
            raise ValueError(f"the duration is longer than {format_short_duration(longest)}")
        return text

    return Check(check)


def _is_zone(name: str) -> str:
    if name == "UTC":  # known everywhere, and named by nearly every policy
        return name
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        if available_timezones():  # else this system has no list at all
            raise ValueError(
                "not a time zone of the IANA list; write a name like Asia/Shanghai"
            ) from error
    return name


_Zone = Annotated[str, Check(_is_zone)]


class _Table(Table):
    reason: str = ""

    def settings(self, *without: str) -> dict[str, Any]:
        """Return the values of the table by key, without its reason and the named keys."""
        return {
            info.name: getattr(self, info.name)
            for info in self.key_infos()
            if info.name != "reason" and info.name not in without
        }


def _is_host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError(
            f"{text!r} is not a host; write a host like example.org, *.example.org or 192.0.2.7"
        )
    return text


_Host = Annotated[str, Field(max_length=255), Check(_is_host)]
_Hosts = Annotated[tuple[_Host, ...], Field(default=(), max_length=1000)]


class Match(_Table):
    """The pages that the policy is meant for; `--policy auto` chooses it by them."""

    hosts: _Hosts = ()
    urls: tuple[Annotated[str, Field(max_length=1000)], ...] = Field(default=(), max_length=200)

    @check_key("urls")
    @classmethod
    def _are_patterns(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            compile_pattern(pattern)  # raises ValueError, which says why
        return patterns


class Browser(_Table):
    """The browser, its window and what it tells the page."""

    # Never a path: a policy is data that people share, and must not start a program.
    kind: Literal["shell", "chromium"] = "shell"
    viewport_px: tuple[_Pixels, _Pixels] = Field(default=(1440, 900))
    scale: int = Field(default=1, ge=1, le=4)
    locale: str = Field(default="en-US", pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")
    timezone: _Zone = "UTC"
    user_agent: str = Field(default="", pattern=r"^[ -~]*$", max_length=1000)  # a header's value
    ignore_certificate_errors: bool = False
    webgl: bool = True


class Sandbox(_Table):
    """What happens if the browser's processes can open files of the machine."""

    files: Literal["warn", "refuse"] = "warn"


class Scroll(_Table):
    """How far the page is scrolled, and in what steps."""

    step_percent: int = Field(default=80, ge=10, le=100)
    steps: int = Field(default=160, ge=0, le=2000)
    segments: int = Field(default=100, ge=0, le=1000)


class Wait(_Table):
    """When the page counts as settled."""

    quiet_ms: int = Field(default=250, ge=0, le=10_000)
    settle_s: float = Field(default=5, gt=0, le=120)
    wall_grace: Annotated[_Duration, _at_most(timedelta(minutes=2))] = "8s"
    reloads: int = Field(default=1, ge=0, le=5)


class Media(_Table):
    """How images that load late are handled."""

    honour_data_src: bool = True
    lazy_attributes: tuple[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")], ...] = Field(
        default=LAZY_ATTRIBUTES, max_length=50
    )
    placeholder_hashes: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")], ...] = Field(
        default=(), max_length=200
    )
    image_s: float = Field(default=5, gt=0, le=120)
    wait_s: float = Field(default=15, gt=0, le=600)


_Words = Annotated[tuple[_Word, ...], Field(default=(), max_length=200)]


class Expand(_Table):
    """Whether controls that hide text are clicked, and which."""

    enabled: bool = False
    at_most: int = Field(default=20, ge=1, le=500)
    words: _Words = ()
    selectors: _Words = ()


class Consent(_Table):
    """Whether banners that ask for consent are dismissed, and how."""

    enabled: bool = False
    reject_selectors: _Words = ()
    reject_words: _Words = ()
    close_words: _Words = ()
    accept: bool = False
    accept_selectors: _Words = ()
    accept_words: _Words = ()


_OurSelectors = Annotated[tuple[CssSelector, ...], Field(default=(), max_length=100)]


class MainRegion(_Table):
    """Which part of a page is its content, and how much text it needs."""

    selectors: _OurSelectors = ()
    min_characters: int = Field(default=0, ge=0, le=100_000)


class Extract(_Table):
    """What is read off a page."""

    counts: bool = True
    dates: bool = True
    qr: bool = True
    links: bool = True


class Confirm(_Table):
    """How many captures, how far apart, confirm a removal."""

    times: int = Field(default=2, ge=2, le=9)
    after: Annotated[_Duration, _at_most(timedelta(days=30))] = "10m"
    control: bool = True


class TakedownTable(_Table):
    """The rules by which a page is judged, and what confirms a removal."""

    # Each file is for its own hosts: all of them together do no harm.
    rules: tuple[_Word, ...] = Field(default_factory=shipped_rules, max_length=50)
    control_url: str = Field(default="", pattern=r"^(https?://[^\s@]+)?$", max_length=2000)
    second_vantage: str = Field(default="", pattern=r"^([a-z0-9][a-z0-9-]{0,63})?$")
    confirm: Confirm = Field(default_factory=Confirm)


class ThresholdTable(_Table):
    """A count that matters, and the source that says so."""

    unit: Literal["reposts", "comments", "likes", "reads", "views", "followers"]
    at: int = Field(ge=1, le=10**15)
    source: str = Field(min_length=1, max_length=500)


class MaskTable(_Table):
    """What a comparison of two captures leaves out."""

    selectors: _OurSelectors = ()
    patterns: tuple[Annotated[str, Field(max_length=1000)], ...] = Field(default=(), max_length=200)

    @check_key("patterns")
    @classmethod
    def _compile(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        return _patterns(patterns)


class Compare(_Table):
    """How two captures of one page are compared."""

    mask: MaskTable = Field(default_factory=MaskTable)


class Warn(_Table):
    """The bounds from which the record contains a warning."""

    clock_skew_s: float = Field(default=300, ge=1, le=86_400)
    divergence_percent: int = Field(default=50, ge=0, le=100)


class PicturesTable(_Table):
    """The pictures that are made in addition to those of the first view and of the whole page."""

    viewports: tuple[str, ...] = Field(default=(), max_length=4)
    elements: tuple[_Selector, ...] = Field(default=(), max_length=20)
    pdf: bool = False
    inner_box: bool = True
    recompress: Literal["off", "fast", "small"] = "off"
    file_pixels: int = Field(default=89_478_485, ge=1_000_000, le=1_000_000_000)
    pdf_s: float = Field(default=20, gt=0, le=600)
    pdf_bytes: int = Field(default=64 << 20, gt=0, le=1 << 30)

    @check_key("viewports")
    @classmethod
    def _are_windows(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            Viewport.named(name)
        return tuple(dict.fromkeys(names))


class LimitsTable(_Table):
    """The most that one capture may use."""

    total_s: float = Field(default=90, gt=0, le=3600)
    launch_s: float = Field(default=30, gt=0, le=600)
    navigate_s: float = Field(default=30, gt=0, le=600)
    unanswered_s: float = Field(default=5, gt=0, le=600)
    scroll_s: float = Field(default=15, gt=0, le=600)
    tile_s: float = Field(default=10, gt=0, le=600)
    mhtml_s: float = Field(default=10, gt=0, le=600)
    step_s: float = Field(default=5, gt=0, le=600)
    close_s: float = Field(default=5, gt=0, le=600)
    response_bytes: int = Field(default=64 << 20, gt=0, le=1 << 30)
    capture_bytes: int = Field(default=256 << 20, gt=0, le=3 << 30)
    memory_bytes: int = Field(default=1_500 << 20, ge=256 << 20)
    requests: int = Field(default=2_000, gt=0, le=100_000)
    redirects: int = Field(default=20, ge=0, le=20)  # 20 is the browser's own limit
    dialogs: int = Field(default=20, ge=0, le=1000)
    popups: int = Field(default=5, ge=0, le=100)
    height_px: int = Field(default=100_000, ge=100, le=1_000_000)
    tile_px: int = Field(default=4_000, ge=100, le=16_000)


def _authority(text: str) -> str:
    """Return the certificate of an authority as PEM. Raises ValueError if it is not one."""
    from snapshotter.formats.tls import certificate_authority

    return certificate_authority.normalise_pem(text)


_Authority = Annotated[str, Check(_authority)]


class Network(_Table):
    """The networks and hosts that a capture may reach, and whether it needs a proxy."""

    allow: tuple[str, ...] = Field(default=(), max_length=100)
    block_hosts: _Hosts = ()
    require_proxy: bool = False
    certificate_authorities: tuple[_Authority, ...] = Field(default=(), max_length=20)

    @check_key("allow")
    @classmethod
    def _are_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(ip_network(network)) for network in networks)


class Redact(_Table):
    """What is never written to a file in clear, and whether its owner can open it later."""

    mode: Literal["commit", "drop"] = "commit"
    headers: tuple[str, ...] = Field(
        default=("authorization", "cookie", "proxy-authorization", "set-cookie")
    )
    url_params: tuple[_Parameter, ...] = Field(default=(), max_length=200)
    viewer_fields: tuple[_Word, ...] = Field(default=(), max_length=20)
    identity: Literal["warn", "redact", "stop", "ignore"] = "warn"


class RequestTable(_Table):
    """The parameters that are removed from an address before it is requested."""

    strip_params: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(
        default=(), max_length=200
    )

    @check_key("strip_params")
    @classmethod
    def _are_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if "*" in names:
            raise ValueError(
                '"*" would remove every parameter, so addresses of different pages would be equal'
            )
        return names


class Streams(_Table):
    """The recipients for whom network streams and their keys are kept, encrypted."""

    keep_for: tuple[str, ...] = Field(default=(), max_length=MAX_RECIPIENTS)

    @check_key("keep_for")
    @classmethod
    def _are_public_keys(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        if not keys:
            return keys
        from snapshotter.formats.signatures.cms import Recipient

        return tuple(dict.fromkeys(Recipient.from_pem(pem).pem for pem in keys))


class Require(_Table):
    """What a capture and its verification need."""

    court_minimum: bool = True
    timestamps: int = Field(default=1, ge=0, le=9)
    signatures: int = Field(default=0, ge=0, le=9)
    log: bool = False


class RetentionTable(_Table):
    """How long a stored bundle is retained, and in which mode."""

    days: int = Field(default=0, ge=0, le=MAX_DAYS)
    mode: Literal["GOVERNANCE", "COMPLIANCE"] = "GOVERNANCE"


class Every(_Table):
    """Visits at one interval, until a time."""

    every: _Duration
    until: _Duration


def _is_quiet(text: str) -> str:
    parse_quiet(text)  # raises ValueError, which says how they are written
    return text


class SeasonTable(_Table):
    """Days of each year on which visits come closer together."""

    begins: str = Field(alias="from")
    ends: str = Field(alias="to")
    factor: float = Field(ge=0.05, le=1)

    @check_table
    def _are_days(self) -> Self:
        self.season()
        return self

    def season(self) -> Season:
        """Return the season as a value of `policy/curve.py`."""
        return parse_season(self.begins, self.ends, self.factor)


class ScheduleTable(_Table):
    """When `schedule add --policy` visits a page again, unless its options override it."""

    curve: str = Field(default="", pattern=r"^([a-z0-9][a-z0-9-]{0,63})?$")
    every: str = ""
    cron: str = Field(default="", max_length=200)
    zone: _Zone = "UTC"
    start: str = ""
    end: str = ""
    jitter_percent: int = Field(default=15, ge=0, le=45)
    seasons: tuple[SeasonTable, ...] = Field(default=(), max_length=20)
    quiet_hours: tuple[Annotated[str, Check(_is_quiet)], ...] = Field(default=(), max_length=20)

    @check_key("every")
    @classmethod
    def _is_a_pace(cls, text: str) -> str:
        if text and parse_duration(text) < _SHORTEST:
            raise ValueError("an interval between visits must be 60 s or longer")
        return text

    @check_key("start", "end")
    @classmethod
    def _is_a_moment(cls, text: str) -> str:
        if text:
            parse_moment(text, UTC, is_end=False)
        return text

    @check_table
    def _says_one_thing(self) -> Self:
        if (bool(self.curve), bool(self.every), bool(self.cron)).count(True) > 1:
            raise ValueError("give at most one of curve, every and cron")
        return self


class MonitorTable(_Table):
    """How a page is watched until it is removed, and after that."""

    light: bool = False
    proof: bool = False
    proof_pdf: bool = True
    burst: Annotated[_Duration, _at_most(timedelta(days=1))] = "15m"
    after_gone: tuple[Every, ...] = Field(
        default_factory=lambda: (Every(every="1d", until="7d"), Every(every="7d", until="63d")),
        max_length=10,
    )

    @check_key("after_gone")
    @classmethod
    def _ascend(cls, paces: tuple[Every, ...]) -> tuple[Every, ...]:
        offsets(paces)
        return paces


def _is_free(name: str) -> str:
    if name == "auto":
        raise ValueError(
            '"auto" cannot be the name of a policy, because "auto" chooses a policy by the address'
        )
    return name


class Parent(Table):
    """A policy that this one extends."""

    name: _Name
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Policy(Table):
    """One whole policy. It refers to no other policy."""

    schema_: Literal["snapshotter/policy@1"] = Field(default=SCHEMA, alias="schema")
    name: Annotated[_Name, Check(_is_free)]
    reason: str = ""
    light: bool = False
    # What it was made from, nearest first: written when `extends` is resolved.
    parents: tuple[Parent, ...] = Field(default=(), max_length=8)
    match: Match = Field(default_factory=Match)
    browser: Browser = Field(default_factory=Browser)
    sandbox: Sandbox = Field(default_factory=Sandbox)
    scroll: Scroll = Field(default_factory=Scroll)
    wait: Wait = Field(default_factory=Wait)
    media: Media = Field(default_factory=Media)
    expand: Expand = Field(default_factory=Expand)
    consent: Consent = Field(default_factory=Consent)
    main_region: MainRegion = Field(default_factory=MainRegion)
    extract: Extract = Field(default_factory=Extract)
    takedown: TakedownTable = Field(default_factory=TakedownTable)
    thresholds: tuple[ThresholdTable, ...] = Field(default=(), max_length=50)
    compare: Compare = Field(default_factory=Compare)
    warn: Warn = Field(default_factory=Warn)
    pictures: PicturesTable = Field(default_factory=PicturesTable)
    limits: LimitsTable = Field(default_factory=LimitsTable)
    network: Network = Field(default_factory=Network)
    request: RequestTable = Field(default_factory=RequestTable)
    redact: Redact = Field(default_factory=Redact)
    streams: Streams = Field(default_factory=Streams)
    require: Require = Field(default_factory=Require)
    retention: RetentionTable = Field(default_factory=RetentionTable)
    schedule: ScheduleTable = Field(default_factory=ScheduleTable)
    monitor: MonitorTable = Field(default_factory=MonitorTable)


def _patterns(patterns: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
    return patterns


def offsets(paces: tuple[Every, ...]) -> tuple[timedelta, ...]:
    """
    Return the times of visits at these intervals, one after the other.

    Raises:
        ValueError: An interval of less than a minute, one that ends before it begins, or too
            many visits.
    """
    found: list[timedelta] = []
    last = timedelta(0)
    for pace in paces:
        every, until = parse_duration(pace.every), parse_duration(pace.until)
        if every < _SHORTEST:
            raise ValueError("an interval between visits must be 60 s or longer")
        if until < last + every:
            raise ValueError(
                f"no visit is due: the interval {pace.every} is longer than the time until "
                f"{pace.until}"
            )
        if len(found) + (until - last) // every > _MOST_VISITS:
            raise ValueError(f"the schedule has more than {_MOST_VISITS} visits")
        while last + every <= until:
            last += every
            found.append(last)
    return tuple(found)
