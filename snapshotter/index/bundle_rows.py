"""Convert what a bundle states to a row of the table `bundle`, and back."""

import hashlib
import json
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, Final

from snapshotter.formats import canonical_json, typed
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.canonical_json import plain
from snapshotter.index.values import BundleSummary, JobFacts
from snapshotter.model.takedown import Observation
from snapshotter.policy.page_identity import host_and_port
from snapshotter.value_class import dataclass

COLUMNS: Final = (
    "key", "listed", "verdict_source", "problem", "bundle_id", "sha256", "asked", "stated",
    "account", "url", "host", "began_ms", "at_ms", "proven_ms", "content", "availability",
    "ambiguous", "cause", "undecided", "states", "rule", "counts", "main_sha256", "vantage",
    "light", "key_id", "observation", "length", "sidecars", "title", "final_url", "http_status",
    "outcome", "reasons", "missing", "language", "policy", "operator", "worker", "schedule",
    "tags", "shown", "text_whole", "final_host", "is_missing", "manifest_sha256",
)  # fmt: skip
# Characters of a text that an index has: PostgreSQL limits a row of an index to 2,704 bytes.
INDEXED: Final = 500
# Most bytes of texts that are columns of one index (`tables.py`). No real value is longer.
_MOST_BYTES: Final = {
    "host": 600, "final_host": 600, "policy": 400, "language": 200, "outcome": 40,
}  # fmt: skip
_UNOBSERVED: Final = dict.fromkeys(
    ("sha256", "stated", "account", "content", "availability", "cause", "undecided", "states",
     "rule", "counts", "main_sha256", "vantage", "key_id", "observation"), ""
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedObject:
    """A bundle as its store lists it."""

    key: str
    length: int  # bytes
    sidecars: tuple[str, ...] = ()  # keys of the sidecars that the index needs, in order

    @property
    def mark(self) -> str:
        """A text that differs if the row of this bundle has to be made again."""
        return f"{self.length} {' '.join(self.kinds)}"

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of the sidecars."""
        return tuple(sidecar.removeprefix(f"{self.key}.") for sidecar in self.sidecars)


def storable(text: str) -> str:
    """Return a text without what a database refuses: half of a surrogate pair, and U+0000."""
    if text.isascii() and "\0" not in text:
        return text
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\0", "\N{REPLACEMENT CHARACTER}")


def indexed_key(text: str) -> str:
    """Return a text of at most 564 characters that is equal for equal texts only."""
    if len(text) <= INDEXED:
        return text
    # Longer than every text that is not cut, so that no other text can be equal to it.
    return text[:INDEXED] + hashlib.sha256(text.encode()).hexdigest()


def same_text(column: str, texts: Collection[str]) -> tuple[str, list[str]]:
    """
    Return the condition that a column is exactly one of these texts, and its values.

    Args:
        column: With an index of its beginning (`tables.py`), which the condition uses.
    """
    if not texts:
        return "FALSE", []
    wanted = list(map(storable, texts))
    marks = ", ".join("?" * len(wanted))
    condition, values = f"{beginning(column)} IN ({marks})", [text[:INDEXED] for text in wanted]
    # Nothing else has the beginning that is a whole text, if that text is short.
    if all(len(text) < INDEXED for text in wanted):
        return condition, values
    return f"({condition} AND {column} IN ({marks}))", values + wanted


def below_text(column: str, text: str) -> tuple[str, list[str]]:
    """Return the condition that a column begins with a text and a slash, and its values."""
    # "0" is the character behind "/".
    first, end = (f"{storable(text)}{character}" for character in "/0")
    condition = f"{beginning(column)} >= ? AND {beginning(column)} <= ?"
    return (
        f"({condition} AND {column} >= ? AND {column} < ?)",
        [first[:INDEXED], end[:INDEXED], first, end],
    )


def beginning(column: str) -> str:
    """Return the expression that the index of a long text has."""
    return f"substr({column}, 1, {INDEXED})"


def ms(at: datetime) -> int:
    """Return a moment in milliseconds since 1970."""
    return round(at.timestamp() * 1000)


def joined(texts: Iterable[str]) -> str:
    """Return texts as one value that `LIKE '%\\n…\\n%'` searches; "" for none."""
    lines = "\n".join(text.replace("\n", " ") for text in texts)
    return f"\n{lines}\n" if lines else ""


def split(value: str) -> tuple[str, ...]:
    """Return the texts of a value of `joined`."""
    return tuple(value[1:-1].split("\n")) if value else ()


def to_row(listed: ListedObject, found: BundleSummary, job: JobFacts) -> tuple[Any, ...]:
    """Return the values of `COLUMNS` of one bundle."""
    bundle_id = store_keys.parse_bundle_key(listed.key).bundle_id
    facts, seen = found.facts, found.observation
    row: dict[str, Any] = {
        "key": listed.key,
        "listed": listed.mark,
        "verdict_source": found.verdict_source.value,
        "problem": found.problem,
        "bundle_id": bundle_id,
        "length": listed.length,
        "sidecars": joined(listed.kinds),
        "title": facts.title,
        "final_url": facts.final_url,
        "http_status": facts.http_status,
        "outcome": facts.outcome,
        "reasons": joined(facts.reasons),
        "missing": joined(facts.missing),
        "language": facts.language,
        "policy": facts.policy,
        "operator": facts.operator,
        "worker": job.worker,
        "schedule": job.schedule,
        "tags": joined(job.tags),
        "shown": _json(facts.shown) if facts.shown is not None else "",
        "text_whole": int(facts.is_text_whole),
        "final_host": host_and_port(facts.final_url),
        "is_missing": int(facts.is_missing),
        "manifest_sha256": found.manifest_sha256,
    }
    row |= _observed(found, bundle_id) if seen is None else _observation_values(seen, found.stated)
    texts = {name: storable(value) for name, value in row.items() if isinstance(value, str)}
    for name, most in _MOST_BYTES.items():
        texts[name] = texts[name].encode()[:most].decode(errors="ignore")
    row |= texts
    return tuple(row[name] for name in COLUMNS)


def _observed(found: BundleSummary, bundle_id: str) -> dict[str, Any]:
    # The time in its id puts it in its place among the others.
    began_ms = ms(store_keys.bundle_time(bundle_id))
    return {
        **_UNOBSERVED,
        "asked": found.asked,
        "url": found.url,
        "host": host_and_port(found.url) if found.url else "",
        "began_ms": began_ms,
        "at_ms": began_ms,
        "proven_ms": None,
        "ambiguous": 0,
        "light": 0,
    }


def _observation_values(seen: Observation, stated: str) -> dict[str, Any]:
    return {
        "sha256": seen.sha256,
        "asked": seen.identity,
        "stated": stated if stated != seen.identity else "",
        "account": seen.account,
        "url": seen.url,
        "host": host_and_port(seen.url),
        "began_ms": ms(seen.began_at),
        "at_ms": ms(seen.at),
        "proven_ms": ms(seen.proven_at) if seen.proven_at else None,
        "content": seen.content.value,
        "availability": seen.availability.value,
        "ambiguous": int(seen.ambiguous),
        "cause": seen.cause.value if seen.cause else "",
        "undecided": seen.undecided.value if seen.undecided else "",
        "states": " ".join(sorted({account.state for account in seen.accounts})),
        "rule": seen.rule,
        "counts": _json(seen.counts),
        "main_sha256": seen.main_sha256,
        "vantage": seen.vantage,
        "light": int(seen.light),
        "key_id": seen.key_id,
        "observation": _json(seen),
    }


def read_observation(value: str) -> Observation | None:
    """Return the observation in the column `observation`."""
    return typed.read(Observation, json.loads(value)) if value else None


def _json(value: object) -> str:
    return canonical_json.dumps(plain(value)).decode()
