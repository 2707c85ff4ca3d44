"""
Read the politeness rules for hosts from a TOML file, merged over the shipped ones.

The keys are in docs/reference/politeness.md.
"""

from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from snapshotter.errors import SnapshotterError
from snapshotter.formats.table import Field, Table, TableError, check_key
from snapshotter.policy.files import first_validation_mistake, read_toml, shipped_directory
from snapshotter.policy.host_rules import (
    MOST_AT_ONCE,
    MOST_PER_DAY,
    Backoff,
    HostRules,
    Override,
    Politeness,
    counted_host,
)
from snapshotter.policy.quiet_hours import parse_quiet
from snapshotter.policy.times import parse_duration
from snapshotter.translation import tr

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo


class _Limit(Table):
    reason: str = ""
    at_once: Annotated[int, Field(ge=1, le=MOST_AT_ONCE)] | None = None


_Pair = tuple[str, str]


class _Table(Table):
    reason: str = ""
    at_once: Annotated[int, Field(ge=1, le=MOST_AT_ONCE)] | None = None
    every: str | None = None
    jitter: Annotated[float, Field(ge=0, le=0.9)] | None = None
    per_day: Annotated[int, Field(ge=0, le=MOST_PER_DAY)] | None = None
    urgent: Annotated[int, Field(ge=0, le=MOST_PER_DAY)] | None = None
    quiet: Annotated[tuple[str, ...], Field(max_length=20)] | None = None
    zone: str | None = None
    throttled_statuses: (
        Annotated[tuple[Annotated[int, Field(ge=400, le=599)], ...], Field(max_length=50)] | None
    ) = None
    throttled: _Pair | None = None
    unwell: _Pair | None = None
    unreachable: _Pair | None = None
    retry_after_at_most: str | None = None
    revisits: Annotated[int, Field(ge=0, le=20)] | None = None
    revisit_after: str | None = None


class _Host(_Table):
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    hosts: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=255)], ...],
        Field(min_length=1, max_length=10_000),
    ]
    together: bool = False


class _File(Table):
    all: _Limit = Field(default_factory=_Limit)
    worker: _Limit = Field(default_factory=_Limit)
    default: _Table = Field(default_factory=_Table)
    host: Annotated[tuple[_Host, ...], Field(max_length=1_000)] = ()

    @check_key("host")
    @classmethod
    def _have_names_of_their_own(cls, hosts: tuple[_Host, ...]) -> tuple[_Host, ...]:
        names = [host.name for host in hosts]
        if len(set(names)) < len(names):
            raise ValueError("two tables have the same name")
        return hosts


def shipped_file() -> Path:
    """Return the path of the shipped rules, which apply if no file is named."""
    return shipped_directory() / "politeness" / "default.toml"


def load(path: Path | None = None) -> Politeness:
    """
    Read the rules of a file, merged over the shipped ones.

    Keys that the file leaves out keep the shipped value. Its `[[host]]` tables come before the
    shipped ones, and replace those of the same name.

    Raises:
        SnapshotterError: The file does not exist or is not TOML, or a key or value is invalid.
    """
    shipped = _read(shipped_file())
    if path is None:
        return _resolved(str(shipped_file()), shipped, shipped)
    return _resolved(str(path), _read(path), shipped)


def _read(path: Path) -> _File:
    try:
        return _File.read(read_toml(path))
    except TableError as error:
        raise SnapshotterError(
            tr(
                "{path}: politeness: {first_validation_mistake}",
                path=path,
                first_validation_mistake=first_validation_mistake(error),
            )
        ) from error


def _resolved(source: str, file: _File, shipped: _File) -> Politeness:
    base = _values(shipped.default)
    default = base | _values(file.default)
    own = {host.name for host in file.host}
    tables = [*file.host, *(host for host in shipped.host if host.name not in own)]
    try:
        return Politeness(
            source=source,
            all_at_once=file.all.at_once or shipped.all.at_once or 1,
            worker_at_once=file.worker.at_once or shipped.worker.at_once or 1,
            default=_rules("default", default),
            overrides=tuple(_override(host, default | _values(host)) for host in tables),
        )
    except ValueError as error:
        raise SnapshotterError(
            tr("{source}: politeness: {error}", source=source, error=error)
        ) from error


def _values(table: _Table) -> dict[str, Any]:
    without = {"reason", "name", "hosts", "together"}
    return {
        name: value
        for name, value in table.as_dict().items()
        if value is not None and name not in without
    }


def _override(table: _Host, values: Mapping[str, Any]) -> Override:
    names: set[str] = set()
    below: list[str] = []
    networks: list[Any] = []
    for pattern in table.hosts:
        text = pattern.lower().rstrip(".")
        if "/" in text:
            networks.append(ip_network(text))  # ValueError says what is wrong with it
        elif text.startswith("*.") and "*" not in text[2:]:
            below.append(text[1:])
        elif "*" in text or ":" in text:
            raise ValueError(
                f"{table.name}: {pattern!r} is not a host; write a host like weibo.com, "
                "*.weibo.com or 127.0.0.0/8"
            )
        else:
            names.add(counted_host(f"http://{text}/"))
    rules = _rules(table.name, values, together=table.together)
    return Override(rules, frozenset(names), tuple(below), tuple(networks))


def _rules(name: str, values: Mapping[str, Any], *, together: bool = False) -> HostRules:
    try:
        return HostRules(
            name=name,
            at_once=values["at_once"],
            every=parse_duration(values["every"]),
            jitter=values["jitter"],
            per_day=values["per_day"],
            urgent=min(values["urgent"], max(values["per_day"] - 1, 0)),
            quiet=tuple(parse_quiet(hours) for hours in values["quiet"]),
            zone=_zone(values["zone"]),
            throttled_statuses=frozenset(values["throttled_statuses"]),
            throttled=_range(values["throttled"]),
            unwell=_range(values["unwell"]),
            unreachable=_range(values["unreachable"]),
            retry_after_at_most=parse_duration(values["retry_after_at_most"]),
            revisits=values["revisits"],
            revisit_after=parse_duration(values["revisit_after"]),
            together=together,
        )
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _range(pair: tuple[str, str]) -> Backoff:
    return Backoff(floor=parse_duration(pair[0]), cap=parse_duration(pair[1]))


def _zone(name: str) -> "ZoneInfo":
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"{name!r} is not a time zone of the IANA list; write a name like Asia/Shanghai"
        ) from None
