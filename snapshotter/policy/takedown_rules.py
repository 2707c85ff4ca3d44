"""
Find, read and validate take-down rule files, and choose the rules for a page's hosts.

Strangers may have written the files. `rule_tables.py` defines their TOML keys.
"""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from snapshotter.errors import SnapshotterError
from snapshotter.formats import toml
from snapshotter.formats.table import TableError
from snapshotter.model.assessment import RuleFile
from snapshotter.model.rules import (
    AccountId,
    Normaliser,
    Quoted,
    RuleSet,
)
from snapshotter.policy.files import shipped_directory
from snapshotter.policy.rule_tables import (
    AccountTable,
    ContentTable,
    ErrorTable,
    FileTable,
    JsonTable,
    LabelTable,
    MessageTable,
    NoticeTable,
    PartialTable,
    PhraseTable,
    StatusTable,
    WallTable,
)
from snapshotter.translation import tr

MAX_BYTES = 1 << 20  # of a file

_MOST_PARSED = 64

T = TypeVar("T")

# By their texts: a capture reads each file several times, and a worker the same for each job.
_parsed: dict[str, RuleSet] = {}


def load_rules(ids: Sequence[str]) -> tuple[RuleSet, ...]:
    """
    Read rule files, in the order in which they are named, each once.

    Args:
        ids: Of shipped files ("wechat"), or paths that end with ".toml".

    Raises:
        SnapshotterError: One does not exist, is invalid, or has a rule that can never match; the
            message names the rule and the key.
    """
    rule_sets: dict[str, RuleSet] = {}
    for rules_id in dict.fromkeys(ids):
        path = find_rules(rules_id)
        found = parse_rules(_read(path), str(path))
        _refuse_unmatchable(found, str(path))
        if found.file.id in rule_sets and rule_sets[found.file.id].text != found.text:
            raise SnapshotterError(
                tr("{path}: another rule file has the same id, {id}", path=path, id=found.file.id)
            )
        rule_sets[found.file.id] = found
    return tuple(rule_sets.values())


def shipped_rules() -> tuple[str, ...]:
    """Return the ids of the shipped rule files; those for all hosts come last."""
    ids = sorted(path.stem for path in (shipped_directory() / "takedown").glob("*.toml"))
    return tuple(sorted(ids, key=lambda rules_id: (rules_id == "generic", rules_id == "phrases")))


def find_rules(id_or_path: str) -> Path:
    """
    Return the path of a rule file, given by its id or its path.

    Raises:
        SnapshotterError: No shipped file has that id.
    """
    if id_or_path.endswith(".toml") or os.sep in id_or_path:
        return Path(id_or_path)  # reading it says whether it is there
    if id_or_path in shipped_rules():
        return shipped_directory() / "takedown" / f"{id_or_path}.toml"
    raise SnapshotterError(
        tr("the take-down rules {id_or_path} do not exist", id_or_path=id_or_path),
        hint=tr(
            "give one of these rule files, or the path of a file: {shipped_rules}",
            shipped_rules=", ".join(shipped_rules()),
        ),
    )


def load_rule_texts(ids: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """
    Return the ids and texts of rule files, as `load_rules` reads them.

    A shipped file is not parsed: its name is its id, and whoever judges a page parses it then.

    Raises:
        SnapshotterError: As for `load_rules`.
    """
    if set(ids) <= set(shipped_rules()):
        return tuple((rules_id, _read(find_rules(rules_id))) for rules_id in dict.fromkeys(ids))
    return tuple((rules.file.id, rules.text) for rules in load_rules(ids))


def parse_rules(text: str, source: str) -> RuleSet:
    """
    Return the rules of a file.

    Args:
        text: Of the whole file.
        source: Its name, for messages.

    Raises:
        SnapshotterError: Not TOML, or an invalid key or value; the message names the file,
            the id of the rule, and the key.
    """
    known = _parsed.get(text)
    if known is not None:
        return known
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > MAX_BYTES:
        raise SnapshotterError(
            tr("{source} is longer than {max_bytes} bytes", source=source, max_bytes=MAX_BYTES)
        )
    try:
        table = toml.loads(text)
    except RecursionError as error:
        raise SnapshotterError(
            tr("the tables or lists in {source} are nested too deeply", source=source)
        ) from error
    except ValueError as error:  # no TOML, endless numbers
        raise SnapshotterError(
            tr("{source} is not valid TOML: {error}", source=source, error=error)
        ) from error
    try:
        read = FileTable.read(table)
        made = _rule_set(read, text, hashlib.sha256(data).hexdigest())
    except TableError as error:
        message = error.mistakes[0].message
        where = _where(table, error.mistakes[0].where)
        raise SnapshotterError(
            f"{source}: {where}: {message}" if where else f"{source}: {message}",
            hint=tr("see docs/reference/takedown-rules.md, which describes the format"),
        ) from error
    if len(_parsed) >= _MOST_PARSED:
        _parsed.clear()
    return _parsed.setdefault(text, made)


def rules_for(rule_sets: Sequence[RuleSet], hosts: Sequence[str]) -> tuple[RuleSet, ...]:
    """
    Return the rules for a page on one of these hosts, in their order, those for all hosts last.

    Args:
        hosts: Lowercase, without ports: of the requested and of the final address.
    """
    chosen = [
        rule_set
        for rule_set in rule_sets
        if any(_is_of(host, pattern) for host in hosts for pattern in rule_set.hosts)
    ]
    return tuple(sorted(chosen, key=lambda rule_set: rule_set.everywhere))


def _refuse_unmatchable(rules: RuleSet, source: str) -> None:
    """
    Refuse conditions that the steps for notices and data never test.

    `parse_rules` accepts such rules: an older bundle may contain them, and its verdict is derived
    again from the same text, in which they never match (docs/spec/assessment.md).
    """
    for kind, found in (("notice", rules.notices), ("json", rules.jsons)):
        for rule in found:
            words = ""
            if rule.match.header:
                words = tr(
                    "header: a [[{kind}]] rule never tests headers: use a [[status]] rule, with "
                    "`status` and `header`",
                    kind=kind,
                )
            elif not any((rule.match.url, rule.match.select, rule.match.script, rule.match.json)):
                words = tr(
                    "status: a [[notice]] rule with only `status` never matches: use a [[status]] "
                    "rule"
                )
            if words:
                raise SnapshotterError(
                    f"{source}: {rule.about.id}: {words}",
                    hint=tr("see docs/reference/takedown-rules.md, which describes the format"),
                )


def _is_of(host: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return host.endswith(pattern[1:])
    return pattern in ("*", host)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        return data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SnapshotterError(
            tr("{path} cannot be read: {error}", path=path, error=error)
        ) from error


def _where(table: Mapping[str, Any], loc: tuple[int | str, ...]) -> str:
    """Return the rule and the key: `wx-02: select`."""
    parts = list(loc)
    rule = ""
    if len(parts) >= 2 and isinstance(parts[1], int):
        kind, number = str(parts[0]), parts[1]
        found = table.get(kind)
        table_of_rule = found[number] if isinstance(found, list) else None
        if isinstance(table_of_rule, dict):
            given = table_of_rule.get("id")
            rule = given if isinstance(given, str) and given else f"[[{kind}]] number {number + 1}"
            parts = parts[2:]
    key = ".".join(str(part) for part in parts)
    return ": ".join(part for part in (rule, key) if part)


def _rule_set(read: FileTable, text: str, sha256: str) -> RuleSet:
    account = read.account_id
    return RuleSet(
        file=RuleFile(id=read.id, version=read.version, sha256=sha256),
        text=text,
        hosts=read.hosts,
        normalise=Normaliser(read.normalise),
        reason=read.reason,
        notice_shape=read.notice_shape,
        authored=read.authored,
        json_scripts=read.json_scripts,
        contents=_values(read.content, ContentTable.value),
        walls=_values(read.wall, WallTable.value),
        notices=_values(read.notice, NoticeTable.value),
        jsons=_values(read.json_, JsonTable.value),
        statuses=_values(read.status, StatusTable.value),
        errors=_values(read.error, ErrorTable.value),
        labels=_values(read.label, LabelTable.value),
        accounts=_values(read.account, AccountTable.value),
        partials=_values(read.partial, PartialTable.value),
        messages=_values(read.message, MessageTable.value),
        phrases=_values(read.phrase, PhraseTable.value),
        quoted=Quoted(select=read.quoted.select, json=read.quoted.data),
        account_id=None
        if account is None
        else AccountId(
            prefix=account.prefix,
            query=account.query or "",
            script=account.script or "",
            json=account.data or "",
            url=account.url or "",
        ),
    )


def _values(read: Sequence[Any], value: Callable[[Any], T]) -> tuple[T, ...]:
    return tuple(value(element) for element in read)
