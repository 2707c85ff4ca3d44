"""
Read a policy: a TOML file, strict, in which every key has an effect.

Unknown keys and wrong types are errors with the name of the key. A table may
carry a `reason`, which is for people.
"""

import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from snapshotter.errors import SnapshotterError
from snapshotter.formats.cms import MAX_RECIPIENTS, Recipient
from snapshotter.model.request import (
    ConsentRules,
    Decision,
    ExpandRules,
    Limits,
    MediaRules,
    Pictures,
    Viewport,
)
from snapshotter.policy.curve import Curve, parse_curves
from snapshotter.policy.retention import MAX_DAYS

_MAX_BYTES = 1 << 20


_KINDS = frozenset({"shell", "chromium"})
_Word = Annotated[str, Field(min_length=1, max_length=500, strict=True)]
_Selector = Annotated[str, Field(min_length=1, max_length=1000)]
_Pixels = Annotated[int, Field(ge=100, le=10_000, strict=True)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    reason: str = ""


class Browser(_Table):
    """What the page meets."""

    # Never a path: a policy is data that people pass around, and must not start a program.
    kind: Literal["shell", "chromium"] = "shell"
    viewport_px: tuple[_Pixels, _Pixels] = Field(default=(1440, 900), strict=False)
    scale: int = Field(default=1, ge=1, le=4)
    locale: str = Field(default="en-US", pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")
    timezone: str = "UTC"
    user_agent: str = Field(default="", pattern=r"^[ -~]*$", max_length=1000)  # a header's value
    ignore_certificate_errors: bool = False

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            if name != "UTC" and available_timezones():  # else this system has no list at all
                raise ValueError("not a time zone of the IANA list: Asia/Shanghai") from error
        return name


class Scroll(_Table):
    """How far down the page, in what steps."""

    step_percent: int = Field(default=80, ge=10, le=100)
    steps: int = Field(default=160, ge=0, le=2000)
    segments: int = Field(default=100, ge=0, le=1000)


class Wait(_Table):
    """When the page counts as settled."""

    quiet_ms: int = Field(default=250, ge=0, le=10_000)
    settle_s: float = Field(default=5, gt=0, le=120, strict=False)


class Media(_Table):
    """Images that come late, or are held back."""

    honour_data_src: bool = True
    image_s: float = Field(default=5, gt=0, le=120, strict=False)
    wait_s: float = Field(default=15, gt=0, le=600, strict=False)


_Words = Annotated[tuple[_Word, ...], Field(default=(), max_length=200, strict=False)]


class Expand(_Table):
    """Controls that hide text."""

    enabled: bool = False
    at_most: int = Field(default=20, ge=1, le=500)
    words: _Words = ()
    selectors: _Words = ()


class Consent(_Table):
    """Banners that ask for consent."""

    enabled: bool = False
    reject_selectors: _Words = ()
    reject_words: _Words = ()
    close_words: _Words = ()
    accept: bool = False
    accept_selectors: _Words = ()
    accept_words: _Words = ()


class Warn(_Table):
    """From what on the record warns."""

    clock_skew_s: float = Field(default=300, ge=1, le=86_400, strict=False)
    divergence_percent: int = Field(default=50, ge=0, le=100)


class PicturesTable(_Table):
    """Which pictures are made beside those of the first view and of the whole page."""

    viewports: tuple[str, ...] = Field(default=(), strict=False, max_length=4)
    elements: tuple[_Selector, ...] = Field(default=(), strict=False, max_length=20)
    pdf: bool = False
    inner_box: bool = True
    file_pixels: int = Field(default=89_478_485, ge=1_000_000, le=1_000_000_000)
    pdf_s: float = Field(default=20, gt=0, le=600, strict=False)
    pdf_bytes: int = Field(default=64 << 20, gt=0, le=1 << 30)

    @field_validator("viewports")
    @classmethod
    def _are_windows(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            Viewport.named(name)
        return tuple(dict.fromkeys(names))


class LimitsTable(_Table):
    """The most that one capture may take."""

    total_s: float = Field(default=90, gt=0, le=3600, strict=False)
    launch_s: float = Field(default=15, gt=0, le=600, strict=False)
    navigate_s: float = Field(default=30, gt=0, le=600, strict=False)
    scroll_s: float = Field(default=15, gt=0, le=600, strict=False)
    tile_s: float = Field(default=10, gt=0, le=600, strict=False)
    mhtml_s: float = Field(default=10, gt=0, le=600, strict=False)
    step_s: float = Field(default=5, gt=0, le=600, strict=False)
    close_s: float = Field(default=5, gt=0, le=600, strict=False)
    response_bytes: int = Field(default=64 << 20, gt=0, le=1 << 30)
    capture_bytes: int = Field(default=256 << 20, gt=0, le=3 << 30)
    memory_bytes: int = Field(default=1_500 << 20, ge=256 << 20)
    requests: int = Field(default=2_000, gt=0, le=100_000)
    redirects: int = Field(default=20, ge=0, le=20)  # 20 is the browser's own limit
    dialogs: int = Field(default=20, ge=0, le=1000)
    popups: int = Field(default=5, ge=0, le=100)
    height_px: int = Field(default=100_000, ge=100, le=1_000_000)
    tile_px: int = Field(default=4_000, ge=100, le=16_000)


class Network(_Table):
    """Which networks may be asked although they are not public."""

    allow: tuple[str, ...] = Field(default=(), max_length=100, strict=False)

    @field_validator("allow")
    @classmethod
    def _are_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(ip_network(it)) for it in networks)


class Redact(_Table):
    """What never reaches a file in clear."""

    headers: tuple[str, ...] = Field(
        default=("authorization", "cookie", "proxy-authorization", "set-cookie"), strict=False
    )


class Streams(_Table):
    """Whether what passed is kept with the keys that open it, and for whom."""

    keep_for: tuple[str, ...] = Field(default=(), max_length=MAX_RECIPIENTS, strict=False)

    @field_validator("keep_for")
    @classmethod
    def _are_public_keys(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(Recipient.from_pem(pem).pem for pem in keys))


class Require(_Table):
    """What a capture and its verification have to have."""

    court_minimum: bool = True
    timestamps: int = Field(default=1, ge=0, le=9)
    signatures: int = Field(default=0, ge=0, le=9)
    log: bool = False


class RetentionTable(_Table):
    """How long a stored bundle has to stay, and how firmly."""

    days: int = Field(default=0, ge=0, le=MAX_DAYS)
    mode: Literal["GOVERNANCE", "COMPLIANCE"] = "GOVERNANCE"


class ScheduleTable(_Table):
    """When a page is visited again by `schedule add --policy`, where its options do not say."""

    curve: str = Field(default="", pattern=r"^([a-z0-9][a-z0-9-]{0,63})?$")
    jitter_percent: int = Field(default=15, ge=0, le=45)


class Policy(BaseModel):
    """One policy, whole."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    reason: str = ""
    browser: Browser = Browser()
    scroll: Scroll = Scroll()
    wait: Wait = Wait()
    media: Media = Media()
    expand: Expand = Expand()
    consent: Consent = Consent()
    warn: Warn = Warn()
    pictures: PicturesTable = PicturesTable()
    limits: LimitsTable = LimitsTable()
    network: Network = Network()
    redact: Redact = Redact()
    streams: Streams = Streams()
    require: Require = Require()
    retention: RetentionTable = RetentionTable()
    schedule: ScheduleTable = ScheduleTable()


# These are secrets by the standards that define them; no policy can ask for them in clear.
_ALWAYS_REDACTED = frozenset(
    {"authorization", "cookie", "proxy-authorization", "set-cookie", "set-cookie2"}
)


def shipped_directory() -> Path:
    """Return where the shipped policies and authorities are: in the package, or in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_policies"
    return installed if installed.is_dir() else package.parent / "policies"


def curves(path: Path | None = None) -> Mapping[str, Curve]:
    """
    Return the curves of a file; the shipped ones if none is named.

    Raises:
        SnapshotterError: It can not be read, or is no file of curves; it says which.
    """
    found = path or shipped_directory() / "schedules" / "curves.toml"
    try:
        return parse_curves(found.read_text(encoding="utf-8"), str(found))
    except (OSError, UnicodeDecodeError) as error:
        raise SnapshotterError(f"{found} can not be read: {error}") from error


def find(name_or_path: str) -> Path:
    """
    Return the file of a policy that was named, or pointed at.

    Raises:
        SnapshotterError: None of that name is shipped.
    """
    path = Path(name_or_path)
    if path.suffix == ".toml" or os.sep in name_or_path:
        return path  # reading it says whether it is there
    shipped = shipped_directory() / f"{name_or_path}.toml"
    if shipped.is_file():
        return shipped
    known = ", ".join(sorted(it.stem for it in shipped_directory().glob("*.toml")))
    raise SnapshotterError(
        f"there is no policy called {name_or_path}", hint=f"one of {known}, or the path of a file"
    )


def load(name_or_path: str) -> Policy:
    """
    Read a policy.

    Raises:
        SnapshotterError: Not there, not TOML, or a key or value that has no meaning.
    """
    path = find(name_or_path)
    try:
        return Policy.model_validate(read_toml(path))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SnapshotterError(f"policy {path}: {where}: {first['msg']}") from error


def read_toml(path: Path) -> dict[str, Any]:
    """
    Read a TOML file of at most a megabyte.

    Raises:
        SnapshotterError: Not there, not to be read, too long, or not TOML.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise SnapshotterError(f"{path} is longer than {_MAX_BYTES} bytes")
        return tomllib.loads(data.decode("utf-8"))
    except RecursionError as error:
        raise SnapshotterError(f"{path} is nested too deeply") from error
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, not TOML, endless numbers
        raise SnapshotterError(f"{path} can not be read: {error}") from error


def decide(
    policy: Policy,
    *,
    browser: str = "",
    lock_days: int | None = None,
    lock_mode: Literal["GOVERNANCE", "COMPLIANCE", ""] = "",
    ignore_certificate_errors: bool = False,
    allow_networks: Sequence[str] = (),
    viewports: tuple[str, ...] = (),
    elements: tuple[str, ...] = (),
    pdf: bool = False,
    keep_streams_for: Sequence[str] = (),
) -> Decision:
    """
    Return every setting of one capture, and the effective policy as text.

    Args:
        browser: Instead of the policy's: "shell", "chromium" or the path of a binary.
        lock_days: Instead of the policy's `retention.days`.
        lock_mode: Instead of the policy's `retention.mode`.
        ignore_certificate_errors: Go on where a certificate is bad, and record it.
        allow_networks: In addition to the policy's: networks (CIDR) or single addresses.
        viewports: Names or sizes of windows, beside the policy's.
        elements: CSS selectors, beside the policy's.
        pdf: Print the page too.
        keep_streams_for: Public keys in PEM, beside the policy's.

    Raises:
        SnapshotterError: `browser` is neither a kind nor a path, or a network, a
            viewport or a public key is none.
        ValueError: `lock_days` is not a number of days that a policy could have.
    """
    if browser and browser not in _KINDS and os.sep not in browser:
        raise SnapshotterError(
            f"{browser} is no kind of browser", hint="shell, chromium, or the path of a binary"
        )
    table: dict[str, object] = {}
    if browser in _KINDS:
        table["kind"] = browser
    if ignore_certificate_errors:
        table["ignore_certificate_errors"] = True
    changes: dict[str, object] = {"browser": policy.browser.model_copy(update=table)}
    if lock_days is not None or lock_mode:
        changes["retention"] = RetentionTable(
            reason=policy.retention.reason,
            days=policy.retention.days if lock_days is None else lock_days,
            mode=lock_mode or policy.retention.mode,
        )
    if allow_networks:
        allowed = dict.fromkeys((*policy.network.allow, *map(network, allow_networks)))
        changes["network"] = Network(reason=policy.network.reason, allow=tuple(allowed))
    if viewports or elements or pdf:
        changes["pictures"] = _more_pictures(policy.pictures, viewports, elements, pdf)
    if keep_streams_for:
        changes["streams"] = _more_recipients(policy.streams, keep_streams_for)
    effective = policy.model_copy(update=changes)
    limits = effective.limits.model_dump(exclude={"reason"})
    return Decision(
        policy_name=effective.name,
        policy_text=as_toml(effective),
        browser=browser or effective.browser.kind,
        viewport_px=effective.browser.viewport_px,
        scale=effective.browser.scale,
        locale=effective.browser.locale,
        timezone=effective.browser.timezone,
        user_agent=effective.browser.user_agent,
        ignore_certificate_errors=effective.browser.ignore_certificate_errors,
        scroll_step=effective.scroll.step_percent / 100,
        segments=effective.scroll.segments,
        quiet_s=effective.wait.quiet_ms / 1000,
        media=MediaRules(**effective.media.model_dump(exclude={"reason"})),
        expand=ExpandRules(**effective.expand.model_dump(exclude={"reason"})),
        consent=ConsentRules(**effective.consent.model_dump(exclude={"reason"})),
        pictures=Pictures(
            **effective.pictures.model_dump(exclude={"reason", "viewports"}),
            viewports=tuple(Viewport.named(name) for name in effective.pictures.viewports),
        ),
        limits=Limits(
            **limits, settle_s=effective.wait.settle_s, scroll_steps=effective.scroll.steps
        ),
        redact_headers=redacted_headers(effective.redact.headers),
        keep_streams_for=effective.streams.keep_for,
        allow_networks=effective.network.allow,
        clock_skew_s=effective.warn.clock_skew_s,
        divergence_percent=effective.warn.divergence_percent,
        require_court_minimum=effective.require.court_minimum,
        require_timestamps=effective.require.timestamps,
        require_signatures=effective.require.signatures,
        require_log=effective.require.log,
        retain_days=effective.retention.days,
        retain_mode=effective.retention.mode,
    )


def public_key(path: Path) -> str:
    """
    Return the text of a public key's file.

    Raises:
        SnapshotterError: It can not be read.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(_MAX_BYTES).decode("ascii", "replace")
    except OSError as error:
        raise SnapshotterError(f"{path} can not be read: {error.strerror}") from error


def redacted_headers(names: Iterable[str]) -> frozenset[str]:
    """Return the headers whose values are replaced, lowercase: those named, and the standards'."""
    return frozenset(name.lower() for name in names) | _ALWAYS_REDACTED


def network(text: str) -> str:
    """
    Return a network as it is always written.

    Raises:
        SnapshotterError: It is none.
    """
    try:
        return str(ip_network(text.strip()))
    except ValueError as error:
        raise SnapshotterError(
            f"not a network: {error}", hint="10.0.0.0/8, 127.0.0.1 or fd00::/8"
        ) from error


def _more_pictures(
    table: PicturesTable, viewports: tuple[str, ...], elements: tuple[str, ...], pdf: bool
) -> PicturesTable:
    values = table.model_dump()
    values["viewports"] = (*table.viewports, *viewports)
    values["elements"] = tuple(dict.fromkeys((*table.elements, *elements)))
    values["pdf"] = table.pdf or pdf
    try:
        return PicturesTable.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SnapshotterError(
            f"pictures.{where}: {first['msg']}", hint="docs/howto/pictures.md"
        ) from error


def _more_recipients(table: Streams, keys: Sequence[str]) -> Streams:
    try:
        return Streams(reason=table.reason, keep_for=(*table.keep_for, *keys))
    except ValidationError as error:
        raise SnapshotterError(
            f"streams.keep_for: {error.errors(include_url=False)[0]['msg']}",
            hint="docs/howto/keep-streams.md says how to make a key",
        ) from error


def as_toml(policy: Policy) -> str:
    """Return the policy with every key spelled out, so that a reader needs no defaults."""
    values = policy.model_dump()
    lines = [
        f"{key} = {_value(value)}" for key, value in values.items() if not isinstance(value, dict)
    ]
    for table, content in values.items():
        if isinstance(content, dict):
            lines += ["", f"[{table}]"]
            lines += [f"{key} = {_value(value)}" for key, value in content.items()]
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(_character(c) for c in escaped) + '"'
    raise TypeError(f"{type(value).__name__} has no place in a policy")


def _character(character: str) -> str:
    if character == "\n":
        return "\\n"
    return character if character.isprintable() else f"\\U{ord(character):08X}"
