"""
Read `notify.toml`, which defines channels and rules, and choose by its rules the channels that get
an event. `reduce_event` removes what a channel's messages must not contain, such as addresses.

An unknown key is an error. The file makes the software connect to servers, and names files with
secrets. So the software never searches for it: a setting of the user names it (docs/adr/0058).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import time
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from snapshotter.errors import SnapshotterError
from snapshotter.formats.shown_address import (
    defang_text_for_message,
    defang_url_for_message,
    remove_addresses,
    remove_page_from_name,
)
from snapshotter.formats.table import Field, Table, TableError, check_key, check_table
from snapshotter.model.notification import (
    MAX_TEXT,
    NotificationEvent,
    NotificationKind,
    NotificationScope,
    QueuedNotification,
)
from snapshotter.policy.files import first_validation_mistake, network, read_toml
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

NONE, DEFANGED = "none", "defanged"
_MAX_DAYS_S = 30 * 24 * 3600
_MONITOR = "monitor:"  # before the origin of a job that follows another one up
_Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
_Pattern = Annotated[str, Field(min_length=1, max_length=200)]
_Patterns = Annotated[tuple[_Pattern, ...], Field(max_length=100)]
_Seconds = Annotated[int, Field(ge=0, le=_MAX_DAYS_S)]
_Address = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9.-]{1,190}$")
]


class _Table(Table, from_text=True):
    reason: str = ""


class _Channel(_Table):
    name: _Name
    urls: Literal["none", "defanged"] = "none"
    timeout_s: float = Field(default=20, gt=0, le=60)
    allow_networks: tuple[str, ...] = Field(default=(), max_length=100)
    ca_file: str = ""  # PEM, instead of the system's; relative to the file

    @check_key("allow_networks")
    @classmethod
    def _are_networks(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(network(text) for text in values)
        except SnapshotterError as error:
            raise ValueError(error.message) from error


class WebhookEntry(_Channel):
    """A `[[channel]]` that posts JSON."""

    type: Literal["webhook"]
    url: str = ""
    url_file: str = ""  # its first line, for an address that is a secret itself
    secret_file: str  # `whsec_…`, one a line; relative to the file

    @check_table
    def _is_safe(self) -> Self:
        if bool(self.url) == bool(self.url_file):
            raise ValueError("give either url or url_file")
        if self.url:
            self.checked(self.url)
        return self

    def checked(self, url: str) -> str:
        """Return an address that may be posted to. Raises ValueError, which quotes nothing."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
            raise ValueError("url: must be an https address with a host and without a password")
        _ = parts.port  # raises ValueError for one that is none
        if parts.scheme == "http" and not self.allow_networks:
            raise ValueError(
                "url: http is allowed only to networks of your own, which allow_networks must name"
            )
        return url


class MailEntry(_Channel):
    """A `[[channel]]` that sends mail through a relay."""

    type: Literal["mail"]
    server: str = Field(pattern=r"^[A-Za-z0-9._:-]{1,253}$")
    port: int = Field(default=587, ge=1, le=65_535)
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    user: str = ""
    password_file: str = ""  # its first line; relative to the file
    sender: _Address
    to: tuple[_Address, ...] = Field(min_length=1, max_length=50)

    @check_table
    def _is_safe(self) -> Self:
        if bool(self.user) != bool(self.password_file):
            raise ValueError("user and password_file must be given together")
        if self.tls == "none" and (self.user or not self.allow_networks):
            raise ValueError(
                "tls: none is allowed only without a password and to networks of your "
                "own, which allow_networks must name"
            )
        return self


ChannelEntry = Annotated[WebhookEntry | MailEntry, Field(discriminator="type")]


class RuleEntry(_Table):
    """A `[[rule]]`: the first one that fits an event decides."""

    kinds: _Patterns = ("*",)
    origins: _Patterns = ("*",)
    policies: _Patterns = ("*",)
    tags: _Patterns = ()  # one of them is enough; empty for any event
    channels: tuple[_Name, ...]  # empty: nobody is told
    urls: Literal["none"] | None = None  # less than the channel would be told
    group_s: _Seconds | None = None
    repeat_s: _Seconds | None = None

    @check_key("kinds")
    @classmethod
    def _are_kinds(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            if not any(fnmatchcase(kind, pattern) for kind in NotificationKind):
                raise ValueError(
                    f"{pattern} is not a kind of event. The kinds are: "
                    f"{', '.join(NotificationKind)}"
                )
        return patterns

    def matches(self, kind: NotificationKind, about: NotificationScope) -> bool | None:
        """Return whether the rule is about an event; None where that is not known."""
        if not _any(self.kinds, kind):
            return False
        answers = (
            _of_one(self.origins, None if about.origin is None else _followed(about.origin)),
            _of_one(self.policies, None if about.policy is None else (about.policy,)),
            True if not self.tags else _of_one(self.tags, about.tags),
        )
        return False if False in answers else None if None in answers else True


class _File(_Table):
    installation: str = Field(default="", max_length=100, pattern=r"^[ -~]*$")
    group_s: _Seconds = 300
    repeat_s: _Seconds = 3600
    report_day_at: str = Field(default="", pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9])?$")
    channel: tuple[ChannelEntry, ...] = Field(min_length=1, max_length=50)
    rule: tuple[RuleEntry, ...] | None = Field(default=None, max_length=200)

    @check_table
    def _fits_together(self) -> Self:
        names = [channel.name for channel in self.channel]
        if len(set(names)) != len(names):
            raise ValueError("two channels have the same name")
        for entry in self.rule or ():
            for name in entry.channels:
                if name not in names:
                    raise ValueError(f"a rule names the channel {name}, which does not exist")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyRules:
    """The file, whole."""

    source: Path
    installation: str  # who is telling; "": nobody says so
    channels: tuple[WebhookEntry | MailEntry, ...]
    rules: tuple[RuleEntry, ...]
    group_s: int
    repeat_s: int
    report_day_at: time | None = None  # local time at which workers send the report about a day

    def channel(self, name: str) -> WebhookEntry | MailEntry:
        """Return a channel. Raises SnapshotterError: there is none of that name."""
        for channel in self.channels:
            if channel.name == name:
                return channel
        raise SnapshotterError(
            tr("{source} has no channel {name}", source=self.source, name=name),
            hint=tr(
                "the channels are: {name}",
                name=", ".join(channel.name for channel in self.channels),
            ),
        )

    def waiting(self, event: NotificationEvent) -> tuple[QueuedNotification, ...]:
        """
        Return what each channel is to be told of an event.

        The first rule that fits decides. Where that may be one of several, the event is told as
        the strictest of them demands (docs/reference/notifications.md).
        """
        # The path of a policy's file may say more than its name.
        event = replace(event, about=tuple(map(_without_path, event.about)))
        found = self._candidates(event)
        rule = _strictest(found.rules)
        if rule is None:
            return ()
        hides = found.open or any(entry.urls == NONE or not entry.channels for entry in found.rules)
        return tuple(
            QueuedNotification(
                event=reduce_event(event, NONE if hides else self.channel(name).urls),
                channel=name,
                group_s=self._group_s(event.kind) if rule.group_s is None else rule.group_s,
                repeat_s=self.repeat_s if rule.repeat_s is None else rule.repeat_s,
            )
            for name in dict.fromkeys(rule.channels)
        )

    def _group_s(self, kind: NotificationKind) -> int:
        """Return how long an event waits for others, if its rule does not say."""
        return 0 if kind in _NOT_GROUPED else self.group_s

    def _candidates(self, event: NotificationEvent) -> "_Candidates":
        """Return the rules of which one decides: for each capture that the event is about."""
        found: list[RuleEntry] = []
        is_open = any(subject.policy is None for subject in event.about)
        for about in event.about or (_NO_PAGE,):
            for rule in self.rules:
                matches = rule.matches(event.kind, about)
                if matches is False:
                    continue
                is_open |= matches is None
                if rule not in found:
                    found.append(rule)
                if matches:
                    break
        return _Candidates(rules=tuple(found), open=is_open)


# The confirmation of a removal takes ten minutes or more; its first sign waits for nobody. The
# report about a day is one event.
_NOT_GROUPED = frozenset({NotificationKind.TAKEDOWN_SUSPECTED, NotificationKind.REPORT_DAY})
# What rules match of an event that is about no page.
_NO_PAGE = NotificationScope(policy="", origin="", tags=())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidates:
    """The rules of which one decides about an event."""

    rules: tuple[RuleEntry, ...]
    open: bool  # something that rules match is not known


def _strictest(rules: Sequence[RuleEntry]) -> RuleEntry | None:
    """
    Return the rule that discloses least and tells somebody; None where none tells anybody.

    A rule that tells nobody silences what it fits. That it may fit is no reason to lose an event.
    """
    telling = [entry for entry in rules if entry.channels]
    return min(telling, key=lambda entry: (entry.urls != NONE, len(entry.channels)), default=None)


# What a file without rules means: whatever may need somebody.
_TROUBLE = tuple(
    kind.value
    for kind in NotificationKind
    if kind not in {NotificationKind.CAPTURE_DONE, NotificationKind.TEST}
)


def load(path: Path) -> NotifyRules:
    """
    Read a `notify.toml`.

    Raises:
        SnapshotterError: Not there, not TOML, or a key or value that has no meaning.
    """
    try:
        file = _File.read(read_toml(path))
    except TableError as error:
        raise SnapshotterError(f"{path}: {first_validation_mistake(error)}") from error
    rules = file.rule
    if rules is None:
        everybody = tuple(channel.name for channel in file.channel)
        rules = (RuleEntry(kinds=_TROUBLE, channels=everybody),)
    return NotifyRules(
        source=path,
        installation=file.installation,
        channels=file.channel,
        rules=rules,
        group_s=file.group_s,
        repeat_s=file.repeat_s,
        report_day_at=time.fromisoformat(file.report_day_at) if file.report_day_at else None,
    )


def reduce_event(event: NotificationEvent, urls: str) -> NotificationEvent:
    """
    Return as much of an event as may be said.

    Args:
        urls: "none": nothing that names a page. "defanged": its address, and sentences
            about it, in a spelling that no program makes a link of.
    """
    if urls == DEFANGED:
        return replace(
            event,
            summary=defang_text_for_message(event.summary)[:MAX_TEXT],
            url=defang_url_for_message(event.url) if event.url else "",
            host=defang_text_for_message(event.host)[:MAX_TEXT],
            detail=defang_text_for_message(event.detail)[:MAX_TEXT],
        )
    return replace(
        event,
        summary=remove_addresses(event.summary, host=event.host),
        about=tuple(_without_addresses(subject, event.host) for subject in event.about),
        job_id=remove_page_from_name(event.job_id),
        url="",
        host="",
        detail="",
    )


def _without_addresses(about: NotificationScope, host: str) -> NotificationScope:
    """Return what an event is about without addresses; without a host no tag can be judged."""
    tags = () if not host else about.tags or ()
    return replace(
        about,
        origin=None
        if about.origin is None
        else remove_page_from_name(remove_addresses(about.origin, host=host)),
        tags=tuple(remove_addresses(tag, host=host) for tag in tags),
    )


def _without_path(about: NotificationScope) -> NotificationScope:
    return about if about.policy is None else replace(about, policy=Path(about.policy).stem)


def _followed(origin: str) -> tuple[str, ...]:
    """Return an origin, and the one that a follow-up of the monitor goes back to."""
    return (origin, origin.removeprefix(_MONITOR))


def _of_one(patterns: tuple[str, ...], texts: Sequence[str] | None) -> bool | None:
    """Return whether a pattern fits one of several texts; None where the texts are not known."""
    if "*" in patterns:
        return True
    if texts is None:
        return None
    return any(_any(patterns, text) for text in texts)


def _any(patterns: tuple[str, ...], text: str) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)
