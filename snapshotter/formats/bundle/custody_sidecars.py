"""
Read, write and check the custody events after the seal: sidecars that continue the chain.

    <id>.wacz.custody-0001.jsonl     one immutable object for each append
    <id>.wacz.custody-0002.jsonl     …

The chain begins inside the bundle. A sidecar has one or more lines of canonical JSON. Each line is
an event with its position in the chain: `sequence`, and `previous`, the SHA-256 of the line before
it without its newline. The line before the first line of a sidecar is the last line of the sidecar
with the previous number. Before number 1 it is the last line of `capture/custody.jsonl`.

A writer takes the next free name. Of two writers, the second one appends after the first one, so
no event is lost. A sidecar that cannot be read still counts as one link: the next sidecar holds
the digest of its last line, and the check reports it (docs/spec/custody.md).
"""

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import custody
from snapshotter.formats.bundle.receipts import event_as_json, event_from_json
from snapshotter.model.custody import CustodyEvent
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

MAX_BYTES = 1 << 18  # of one sidecar
# Of all sidecars of one bundle: an event a day for 50 years, many times over. A chain beyond
# either limit is not read.
MAX_SIDECARS = 20_000
MAX_TOTAL = 16 << 20  # bytes
START = "0" * 64  # before the first event of all
_STRAY = 10_000  # numbers that may be missing before one is no number of this chain
_MAX_SEQUENCE = 10**9  # a planted number must not lead to one that JSON cannot hold
_NAME = re.compile(r"custody-([0-9]{4,9})\.jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainHead:
    """Where a chain stands: what the next event has to name."""

    previous: str = START  # SHA-256 of the last line, hex
    sequence: int = 0  # of the last event
    number: int = 0  # of the last sidecar; 0 where there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainedEvent:
    """One event of a chain."""

    event: CustodyEvent
    sequence: int
    head: str  # SHA-256 of its line: the chain's head when it was the last
    number: int  # of its sidecar; 0 inside the bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """All events of a bundle, as far as they can be read, and what does not hold."""

    events: tuple[ChainedEvent, ...]
    problems: tuple[str, ...]
    head: ChainHead


def kind(number: int) -> str:
    """
    Return what follows a bundle's name and a dot in the name of a sidecar.

    Raises:
        ValueError: No number from 1 to 999,999,999.
    """
    if not 1 <= number < 10**9:
        raise ValueError("the number of a custody sidecar must be from 1 to 999,999,999")
    return f"custody-{number:04}.jsonl"


def number_of(kind: str) -> int | None:
    """Return the number of a sidecar of this kind; None for anything else."""
    match = _NAME.fullmatch(kind)
    if match is None:
        return None
    number = int(match[1])
    return number if number and match[0] == f"custody-{number:04}.jsonl" else None


def read_within_limits(
    numbers: Iterable[int], read: Callable[[int], bytes]
) -> tuple[tuple[int, bytes], ...]:
    """
    Return number and bytes of the sidecars of a chain, in order; stop reading beyond the limits.

    What is returned of a chain beyond the limits is beyond them as well, so that `check` sees it.

    Args:
        numbers: Of all sidecars that there are, in any order; not all are taken.
        read: Returns the bytes of a sidecar, at most `MAX_BYTES` + 1 of them. Raises
            FileNotFoundError for one that is gone, or is no file.
    """
    first = list(islice(numbers, MAX_SIDECARS + 1))
    if len(first) > MAX_SIDECARS:
        return tuple((number, b"") for number in sorted(first))
    last = last_number(first)
    found: list[tuple[int, bytes]] = []
    total = 0
    for number in sorted(first):
        if number > last or total > MAX_TOTAL:
            break
        with contextlib.suppress(FileNotFoundError):
            found.append((number, read(number)))
            total += len(found[-1][1])
    return tuple(found)


def encode(events: Iterable[CustodyEvent], after: ChainHead) -> tuple[bytes, ChainHead]:
    """Return a sidecar that goes on after `after`, and the head of the chain with it."""
    lines: list[bytes] = []
    previous, sequence = after.previous, after.sequence
    for event in events:
        sequence += 1
        line = canonical_json.dumps(
            {**event_as_json(event), "previous": previous, "sequence": sequence}
        )
        previous = hashlib.sha256(line).hexdigest()
        lines.append(line + b"\n")
    if not lines:
        raise ValueError("a custody sidecar must have at least one event")
    return b"".join(lines), ChainHead(previous=previous, sequence=sequence, number=after.number + 1)


def head_inside(data: bytes) -> ChainHead:
    """
    Return where the chain inside a bundle (`capture/custody.jsonl`) ends.

    Raises:
        EvidenceInvalid: It does not hold.
    """
    events = custody.parse(data)
    return ChainHead(previous=_last(data), sequence=len(events))


def is_readable(data: bytes) -> bool:
    """Whether a sidecar is lines of events, whatever they link to."""
    try:
        return all(map(_parse_line, _lines(data)))
    except EvidenceInvalid:
        return False


def first_previous(data: bytes) -> str:
    """
    Return what the first line of a sidecar names as the line before it.

    Raises:
        EvidenceInvalid: It is not lines of events.
    """
    return _parse_line(_lines(data)[0])[2]


def last_number(numbers: Iterable[int]) -> int:
    """
    Return the number of the last sidecar of a chain; 0 for none.

    One that somebody planted far behind all others is left out: whoever appends would
    run out of numbers.
    """
    found = sorted(numbers)
    plausible = [number for number in found if number <= len(found) + _STRAY]
    return plausible[-1] if plausible else 0


def head_after(data: bytes, number: int, before: ChainHead | None = None) -> ChainHead:
    """
    Return where the chain stands after a sidecar, whatever is in it.

    Args:
        before: Where it stood before, for the count where the sidecar is junk.
    """
    sequence = before.sequence if before else 0
    with contextlib.suppress(EvidenceInvalid):  # junk is a link, and has no count
        sequence = max(_parse_line(line)[1] for line in _lines(data))
    return ChainHead(previous=_last(data), sequence=sequence, number=number)


def check(inside: bytes | None, sidecars: Sequence[tuple[int, bytes]]) -> Chain:
    """
    Read a whole chain, and say what does not hold in it.

    Args:
        inside: `capture/custody.jsonl`; None where the bundle is gone: then nothing is
            said of what the first sidecar names.
        sidecars: Number and bytes of each, in any order.
    """
    events: list[ChainedEvent] = []
    problems: list[str] = []
    head: ChainHead | None = None
    if inside is not None:
        try:
            found = custody.parse(inside)
        except EvidenceInvalid as error:
            problems.append(f"the custody chain in the bundle is invalid: {error}")
        else:
            head = ChainHead()
            for event, line in zip(found, inside[:-1].split(b"\n"), strict=True):
                digest = hashlib.sha256(line).hexdigest()
                head = ChainHead(previous=digest, sequence=head.sequence + 1)
                events.append(
                    ChainedEvent(event=event, sequence=head.sequence, head=digest, number=0)
                )
    if len(sidecars) > MAX_SIDECARS or sum(len(data) for _, data in sidecars) > MAX_TOTAL:
        problems.append(
            f"the bundle has more than {MAX_SIDECARS} custody sidecars, or custody sidecars with "
            f"more than {MAX_TOTAL} bytes in all; no custody sidecar was read"
        )
        return Chain(events=tuple(events), problems=tuple(problems), head=head or ChainHead())
    expected = 1
    known = {link.event.event_id for link in events if link.event.event_id}
    for number, data in sorted(sidecars):
        if number != expected:
            last = kind(number - 1)
            gap = last if number == expected + 1 else f"{kind(expected)} to {last}"
            problems.append(f"custody sidecars are missing: {gap}")
            head = None  # what this one has to name is gone
        head = _check_one(number, data, head, events, known, problems)
        expected = number + 1
    return Chain(events=tuple(events), problems=tuple(problems), head=head or ChainHead())


def _check_one(
    number: int,
    data: bytes,
    before: ChainHead | None,
    events: list[ChainedEvent],
    known: set[str],
    problems: list[str],
) -> ChainHead:
    name = kind(number)
    try:
        lines = _lines(data)
        parsed = [_parse_line(line) for line in lines]
    except EvidenceInvalid as error:
        problems.append(f"{name}: {error}")
        return head_after(data, number, before)
    head = before
    for line, (event, sequence, previous) in zip(lines, parsed, strict=True):
        if head is not None and previous != head.previous:
            problems.append(
                f"{name}: event {sequence} does not contain the hash of the previous event"
            )
        elif head is not None and sequence != head.sequence + 1:
            problems.append(
                f"{name}: event {sequence} has the wrong sequence number, because the previous "
                f"event has the number {head.sequence}"
            )
        if event.event_id in known:
            problems.append(f"{name}: event {sequence} is in the chain twice")
        known.add(event.event_id)
        digest = hashlib.sha256(line).hexdigest()
        events.append(ChainedEvent(event=event, sequence=sequence, head=digest, number=number))
        head = ChainHead(previous=digest, sequence=sequence, number=number)
    return head or ChainHead()


def _lines(data: bytes) -> list[bytes]:
    if len(data) > MAX_BYTES:
        raise EvidenceInvalid(
            tr("the sidecar is longer than {max_bytes} bytes", max_bytes=MAX_BYTES)
        )
    if not data.endswith(b"\n"):
        raise EvidenceInvalid(tr("the sidecar does not end with a newline"))
    return data[:-1].split(b"\n")


def _parse_line(line: bytes) -> tuple[CustodyEvent, int, str]:
    value = canonical_json.loads(line)
    if not isinstance(value, dict):
        raise EvidenceInvalid(tr("a line is not a custody event"))
    sequence, previous = value.pop("sequence", None), value.pop("previous", None)
    if (
        type(sequence) is not int
        or not 1 <= sequence < _MAX_SEQUENCE
        or not isinstance(previous, str)
    ):
        raise EvidenceInvalid(
            tr("an event does not state its sequence number or the hash of the previous event")
        )
    return event_from_json(value), sequence, previous


def _last(data: bytes) -> str:
    """Return the SHA-256 of the last line, without its newline, whatever it is."""
    return hashlib.sha256(data.removesuffix(b"\n").rpartition(b"\n")[2]).hexdigest()
