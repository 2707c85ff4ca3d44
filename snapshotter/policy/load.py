"""
Load a policy from its TOML file, with the policies that it extends, or find the mistakes in a file.

A policy may extend another, which it gives by name or by file. Their tables are merged key by key,
and a list replaces the other's list. The result is complete in itself, and contains the names and
digests of all its parents. Name, reason and `[match]` are not inherited.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

from snapshotter.errors import SnapshotterError
from snapshotter.formats.table import Mistake, Table, TableError
from snapshotter.policy.files import (
    parse_toml,
    read_limited,
    read_toml,
    shipped_directory,
)
from snapshotter.policy.tables import Match, Policy
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

MOST_PARENTS = 8

_OWN = frozenset({"name", "reason", "match", "schema", "parents"})  # never inherited


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectivePolicy:
    """A policy with everything it inherits, and where each of its values was written."""

    policy: Policy
    path: Path
    # "limits.total_s" → the name of the policy that says it; what is absent is a default.
    origins: Mapping[str, str] = field(default_factory=dict)
    own: frozenset[str] = frozenset()  # keys that the file itself holds
    inherited: Mapping[str, Any] = field(default_factory=dict)  # what its parents say, merged

    @property
    def name(self) -> str:
        """The name of the policy."""
        return self.policy.name

    @property
    def match(self) -> Match:
        """The pages that the policy is meant for."""
        return self.policy.match

    @property
    def is_shipped(self) -> bool:
        """Whether the policy comes with the program."""
        return self.path.parent == shipped_directory()


def shipped_policy_names() -> tuple[str, ...]:
    """Return the names of the policies that come with the program, sorted."""
    return tuple(sorted(path.stem for path in shipped_directory().glob("*.toml")))


def find(name_or_path: str, directory: Path | None = None) -> Path:
    """
    Return the file of a policy, given by its name or its path.

    Args:
        directory: The user's own policies, which take precedence over the shipped ones.

    Raises:
        SnapshotterError: No policy has that name.
    """
    path = Path(name_or_path)
    if path.suffix == ".toml" or os.sep in name_or_path:
        return path  # reading it says whether it is there
    for place in filter(None, (directory, shipped_directory())):
        found = place / f"{name_or_path}.toml"
        if found.is_file():
            return found
    known = shipped_policy_names()
    import difflib

    near = difflib.get_close_matches(name_or_path, known, n=1)
    raise SnapshotterError(
        tr("the policy {name_or_path} does not exist", name_or_path=name_or_path),
        hint=tr("did you mean {near}?", near=near[0])
        if near
        else tr(
            "give one of these policies, or the path of a file: {known}", known=", ".join(known)
        ),
    )


def load(name_or_path: str, directory: Path | None = None) -> Policy:
    """
    Load a policy, with all that it extends.

    Args:
        directory: As for `find`.

    Raises:
        SnapshotterError: The file does not exist or is not TOML, a key or value is invalid, or the
            chain of parents is too long or leads back to itself.
    """
    return load_effective(name_or_path, directory).policy


def load_effective(name_or_path: str, directory: Path | None = None) -> EffectivePolicy:
    """
    Load a policy, with the name of the policy that each of its values comes from.

    Args:
        directory: As for `find`.

    Raises:
        SnapshotterError: As for `load`.
    """
    path = find(name_or_path, directory)
    chain = tuple(_chain(path, directory))
    merged: dict[str, Any] = {}
    before: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for link in reversed(chain):
        if link is not chain[0]:
            inherited: Mapping[str, Any] = {
                key: setting for key, setting in link.raw.items() if key not in _OWN
            }
        else:
            inherited = link.raw
        before, merged = merged, _merged(merged, inherited)
        origins |= dict.fromkeys(_keys(inherited), link.name)
    if len(chain) > 1:
        merged["parents"] = [{"name": link.name, "sha256": link.sha256} for link in chain[1:]]
    return EffectivePolicy(
        policy=_validated(merged, path),
        path=path,
        origins=origins,
        own=frozenset(_keys(chain[0].raw)),
        inherited=before,
    )


@dataclass(frozen=True, slots=True)
class PolicyMistake:
    """One mistake in a policy file."""

    key: str
    message: str
    hint: str = ""


def find_mistakes(path: Path) -> tuple[PolicyMistake, ...]:
    """
    Return all mistakes in one file, its parents left out.

    Raises:
        SnapshotterError: The file does not exist, or is not TOML.
    """
    raw = read_toml(path)
    raw.pop("extends", None)
    try:
        Policy.read(raw)
    except TableError as error:
        return tuple(map(_mistake, error.mistakes))
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Link:
    """One file of a chain of parents."""

    name: str
    raw: Mapping[str, Any]  # without `extends`
    parent: str  # what it extends: a name or a path; "" if nothing
    sha256: str  # of the file


@lru_cache(maxsize=64)  # most policies extend the same one
def _link(path: Path, data: bytes) -> _Link:
    """Return the file of a policy, validated by itself."""
    raw = parse_toml(data, path)
    parent = raw.pop("extends", "")
    if not isinstance(parent, str):
        raise SnapshotterError(
            tr("policy {path}: the value of `extends` must be a string", path=path)
        )
    return _Link(
        name=_validated(raw, path).name,
        raw=raw,
        parent=parent,
        sha256=hashlib.sha256(data).hexdigest(),
    )


def _chain(path: Path, directory: Path | None) -> Iterator[_Link]:
    """
    Yield a policy and its parents, nearest first.

    A parent's name is looked up among the user's own policies and the shipped ones. The user's own
    "default" may extend the shipped one.
    """
    visited: dict[Path, str] = {}
    while True:
        link = _link(path, read_limited(path))
        parent, name = link.parent, link.name
        visited[path.resolve()] = name
        yield replace(link, raw=_with_rules_beside(link.raw, path))
        if not parent:
            return
        if parent.endswith(".toml") or os.sep in parent:
            following = path.parent / parent  # as a reader of the file would look for it
        else:
            own = find(parent, directory)
            following = find(parent) if own.resolve() == path.resolve() else own
        if following.resolve() in visited:
            names = (*visited.values(), visited[following.resolve()])
            raise SnapshotterError(
                tr(
                    "policy {path}: `extends` leads back to a policy that is already in the "
                    "chain: {names}",
                    path=path,
                    names=" → ".join(names),
                ),
                hint=tr("remove `extends` from one of these policies"),
            )
        if len(visited) > MOST_PARENTS:
            raise SnapshotterError(
                tr(
                    "policy {path}: the policy has more than {most_parents} parents: {values}",
                    path=path,
                    most_parents=MOST_PARENTS,
                    values=" → ".join(visited.values()),
                ),
                hint=tr("combine these policies into fewer files"),
            )
        path = following


def _with_rules_beside(raw: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """Return the keys with paths of rule files made absolute, from the policy's folder."""
    takedown = raw.get("takedown", {})
    if "rules" not in takedown:
        return raw
    rules = [
        str((path.parent / rules_path).absolute()) if rules_path.endswith(".toml") else rules_path
        for rules_path in takedown["rules"]
    ]
    return {**raw, "takedown": takedown | {"rules": rules}}


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(base)
    for key, value in over.items():
        before = found.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            found[key] = _merged(before, value)
        else:
            found[key] = value
    return found


def _keys(raw: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for key, value in raw.items():
        if isinstance(value, dict):
            yield from _keys(value, f"{before}{key}.")
        else:
            yield f"{before}{key}"


def _validated(raw: Mapping[str, Any], path: Path) -> Policy:
    try:
        return Policy.read(raw)
    except TableError as error:
        first = _mistake(error.mistakes[0])
        raise SnapshotterError(
            tr("policy {path}: {key}: {value}", path=path, key=first.key, value=first.message),
            hint=first.hint,
        ) from error


def _mistake(mistake: Mistake) -> PolicyMistake:
    where = [str(part) for part in mistake.where]
    hint = _nearest(where) if mistake.unknown_key else ""
    return PolicyMistake(".".join(where), mistake.message, hint)


def _nearest(where: list[str]) -> str:
    """Return a hint for an unknown key: the most similar key, in the same table or elsewhere."""
    known = sorted({*all_keys(), "extends"})
    name, table = where[-1], ".".join(where[:-1])
    here = [
        setting.removeprefix(f"{table}.")
        for setting in known
        if not table or setting.startswith(f"{table}.")
    ]
    tops = {setting.partition(".")[0] for setting in here}
    import difflib

    if near := difflib.get_close_matches(name, sorted(tops), n=1):
        return tr(
            "use the key {value}, if you meant this key", value=".".join((*where[:-1], near[0]))
        )
    elsewhere = [setting for setting in known if setting.rpartition(".")[2] == name]
    if elsewhere:
        return tr("use the key {elsewhere}, if you meant this key", elsewhere=elsewhere[0])
    return tr("see docs/reference/policies.md, which lists every key")


def all_keys(model: type[Table] = Policy, before: str = "") -> Iterator[str]:
    """Yield every key that a policy can have: "limits.total_s"."""
    for info in model.key_infos():
        path = f"{before}{info.given}"
        inner = info.annotation
        if isinstance(inner, type) and issubclass(inner, Table):
            yield from all_keys(inner, f"{path}.")
        else:
            yield path
            for item in get_args(inner):
                if isinstance(item, type) and issubclass(item, Table):
                    yield from all_keys(item, f"{path}.")
