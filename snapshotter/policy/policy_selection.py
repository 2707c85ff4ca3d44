"""
Choose the policy for a page by its address, and explain the choice for `policy explain`.

Only policies with a `[match]` table can be chosen; the default policy applies to all other pages.
The policy with the most specific match is chosen. A pattern of addresses is more specific than a
host, one host is more specific than all hosts under a name (`*.example.org`), and a longer pattern
or name is more specific than a shorter one. Between equal matches, the user's own policy comes
before a shipped one, and then the order of names decides, so the choice is the same on every
machine.
"""

import contextlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from snapshotter.errors import SnapshotterError
from snapshotter.formats.hosts import host_of
from snapshotter.policy import files
from snapshotter.policy.addresses import matches_host_pattern
from snapshotter.policy.files import read_toml, shipped_directory
from snapshotter.policy.load import EffectivePolicy, load_effective
from snapshotter.policy.patterns import compile_pattern
from snapshotter.policy.rule_tables import SCHEMA as RULES
from snapshotter.policy.tables import Match
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

AUTO = files.AUTO
DEFAULT = "default"
_BY_NAME = "by name only"

_Rank = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One policy, and how closely it names an address."""

    name: str
    path: Path
    is_shipped: bool
    by: str  # the pattern or host that names the page; "" if none does
    why: str  # a sentence: why it won, or lost
    rank: _Rank = (0, 0)  # higher is closer


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """The policy that was chosen for one address, and those that were not."""

    winner: Candidate
    rejected: tuple[Candidate, ...]  # the closest first


class PickablePolicy(Protocol):
    """What `pick` needs of a policy."""

    @property
    def name(self) -> str:
        """The name of the policy."""

    @property
    def path(self) -> Path:
        """Its file."""

    @property
    def match(self) -> Match:
        """The pages that it is meant for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchOfPolicy:
    """The part of a policy that `pick` needs."""

    name: str
    path: Path
    match: Match


def policy_matches(directory: Path | None = None) -> tuple[PickablePolicy, ...]:
    """
    Return what `pick` needs of the policies that `known_policies` returns.

    Of a shipped policy only the table `[match]` is read, which no policy inherits.

    Raises:
        SnapshotterError: One of the directory cannot be read.
    """
    return tuple(
        _match_of(stem, path) if path.parent == shipped_directory() else _effective(stem, path)
        for stem, path in sorted(_policy_paths(directory).items())
    )


def _match_of(stem: str, path: Path) -> MatchOfPolicy:
    return MatchOfPolicy(name=stem, path=path, match=Match.read(read_toml(path).get("match", {})))


def known_policies(directory: Path | None = None) -> tuple[EffectivePolicy, ...]:
    """
    Return the shipped policies and those of a directory, by name; the latter replace the former.

    Raises:
        SnapshotterError: One of them cannot be read.
    """
    return tuple(_effective(stem, path) for stem, path in sorted(_policy_paths(directory).items()))


def _policy_paths(directory: Path | None) -> dict[str, Path]:
    found = {path.stem: path for path in sorted(shipped_directory().glob("*.toml"))}
    if directory is not None and not directory.is_dir():
        raise SnapshotterError(
            tr("policies_dir is {directory}, which is not a directory", directory=directory),
            hint=tr("create the directory, or correct the setting policies_dir"),
        )
    if directory is not None:
        own = sorted(path for path in directory.glob("*.toml") if not _has_rules(path))
        found |= {path.stem: path for path in own}
    return found


def _effective(stem: str, path: Path) -> EffectivePolicy:
    policy_file = load_effective(str(path))
    if policy_file.policy.name != stem:
        raise SnapshotterError(
            tr(
                "the file {path} contains a policy with the name {name}, but the file has another "
                "name",
                path=path,
                name=policy_file.policy.name,
            ),
            hint=tr("give the policy the name of its file: {stem}", stem=stem),
        )
    return policy_file


def _has_rules(path: Path) -> bool:
    """Return whether a file in the directory of policies is a rule file."""
    return read_toml(path).get("schema") == RULES


def pick(url: str, policies: Iterable[PickablePolicy]) -> Pick:
    """
    Choose the policy for a page.

    Args:
        policies: One of them is called "default", for pages that no other one names.
    """
    candidates = [_candidate(url, policy_file) for policy_file in policies]
    named = sorted((candidate for candidate in candidates if candidate.by), key=_order)
    winner = (
        named[0]
        if named
        else next(candidate for candidate in candidates if candidate.name == DEFAULT)
    )
    rejected = sorted(
        (candidate for candidate in candidates if candidate is not winner), key=_order
    )
    return Pick(
        winner=_describe_reason(
            winner,
            tr("the policy applies to {by}", by=winner.by)
            if winner.by
            else "no other policy applies to the page",
        ),
        rejected=tuple(
            _describe_reason(candidate, _why_not(candidate, winner)) for candidate in rejected
        ),
    )


def pickable_policies(policies: Iterable[EffectivePolicy]) -> Sequence[EffectivePolicy]:
    """Return the policies that an address can choose."""
    return [
        policy_file
        for policy_file in policies
        if policy_file.policy.match.urls
        or policy_file.policy.match.hosts
        or policy_file.policy.name == DEFAULT
    ]


def describe_picks(picked: Iterable[Candidate]) -> str:
    """Describe choices for many pages: "social-post: 3 (the policy applies to host x.com)"."""
    counted = Counter((candidate.name, candidate.why) for candidate in picked)
    ordered = sorted(counted, key=lambda pair: (-counted[pair], pair))
    return "; ".join(
        tr("{name}: {count} ({why})", name=name, count=counted[name, why], why=why)
        for name, why in ordered
    )


def _order(candidate: Candidate) -> tuple[int, int, bool, str]:
    return (-candidate.rank[0], -candidate.rank[1], candidate.is_shipped, candidate.name)


def _candidate(url: str, policy_file: PickablePolicy) -> Candidate:
    match, written, visited = policy_file.match, _as_written(url), _as_visited(url)
    host = host_of(visited)
    by, rank = "", (0, 0)
    for pattern in match.urls:
        found = compile_pattern(pattern)
        if found.search(written) or found.search(visited):
            by, rank = max((by, rank), (f"addresses {pattern}", (3, len(pattern))), key=_closeness)
    for pattern in match.hosts:
        if matches_host_pattern(host, (pattern,)):
            closer = 1 if pattern.startswith("*.") else 2
            by, rank = max((by, rank), (f"host {pattern}", (closer, len(pattern))), key=_closeness)
    return Candidate(
        name=policy_file.name,
        path=policy_file.path,
        is_shipped=policy_file.path.parent == shipped_directory(),
        by=by,
        why="" if match.urls or match.hosts else _BY_NAME,
        rank=rank,
    )


def _as_visited(url: str) -> str:
    """Return an address as a browser spells it: host in ASCII, path without dots."""
    before, sign, query = url.partition("?")
    parts = urlsplit(before.replace("\\", "/") + sign + query)
    host = unquote(host_of(parts.geturl()))
    with contextlib.suppress(UnicodeError):  # no name that is; it is a host all the same
        host = host.encode("idna").decode("ascii")
    port = parts.netloc.rpartition("@")[2].rpartition("]")[2].partition(":")[2]
    host = f"[{host}]" if ":" in host else host
    path = parts.path
    if not path.startswith("//"):
        path = urlsplit(urljoin("http://host/", path)).path
    return _as_written(
        urlunsplit(parts._replace(netloc=f"{host}:{port}" if port else host, path=path))
    )


def _as_written(url: str) -> str:
    """Return an address as patterns spell it: scheme and host lowercase, no default port."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2].lower()
    host = host.removesuffix({"http": ":80", "https": ":443"}.get(parts.scheme, ":"))
    name, colon, port = host.partition(":")
    if not host.startswith("["):
        host = f"{name.rstrip('.')}{colon}{port}"
    return urlunsplit(parts._replace(netloc=host))


def _closeness(found: tuple[str, _Rank]) -> _Rank:
    return found[1]


def _why_not(loser: Candidate, winner: Candidate) -> str:
    if not loser.by:
        if loser.name == DEFAULT:
            return tr("the policy applies to pages to which no other policy applies")
        if loser.why == _BY_NAME:
            return tr("the policy is used only if its name is given")
        return tr("the policy applies only to other pages")
    if loser.rank < winner.rank:
        return tr(
            "the policy applies to {by}, but the selected policy is more specific", by=loser.by
        )
    return tr(
        "the policy applies to {by}, but the selected policy is equally specific and "
        "comes first: your own policies come before shipped policies, then the order is "
        "by name",
        by=loser.by,
    )


def _describe_reason(candidate: Candidate, why: str) -> Candidate:
    return replace(candidate, why=why)
