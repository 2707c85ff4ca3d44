"""What the tests of the splitters share: feeding in pieces, and reading events."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from snapshotter.formats.http.events import (
    Data,
    Direction,
    DirectionEnd,
    Event,
    MessageHead,
    ProtocolSwitch,
    ReadTrouble,
)

C, S = Direction.CLIENT, Direction.SERVER
Pieces = Sequence[tuple[Direction, bytes]]


class Connection(Protocol):
    """What is tested."""

    def feed(self, direction: Direction, data: bytes) -> list[Event]: ...
    def close(self, direction: Direction) -> list[Event]: ...


@dataclass(slots=True)
class Told:
    """The events of one connection, looked at from several sides."""

    events: list[Event] = field(default_factory=list)

    def head(self, stream: int, direction: Direction) -> MessageHead:
        """The final head of one direction of a stream."""
        return [
            h for h in self.heads(stream, direction) if h.status == 101 or h.status // 100 != 1
        ][-1]

    def heads(
        self, stream: int, direction: Direction, *, trailers: bool = False
    ) -> list[MessageHead]:
        return [
            event
            for event in self.events
            if isinstance(event, MessageHead)
            and (event.stream, event.direction, event.trailers) == (stream, direction, trailers)
        ]

    def body(self, stream: int, direction: Direction) -> bytes:
        return b"".join(
            event.data
            for event in self.events
            if isinstance(event, Data) and (event.stream, event.direction) == (stream, direction)
        )

    def ends(self, stream: int, direction: Direction) -> list[DirectionEnd]:
        return [
            event
            for event in self.events
            if isinstance(event, DirectionEnd)
            and (event.stream, event.direction) == (stream, direction)
        ]

    def end(self, stream: int, direction: Direction) -> DirectionEnd:
        (end,) = self.ends(stream, direction)
        return end

    @property
    def switched(self) -> list[ProtocolSwitch]:
        return [event for event in self.events if isinstance(event, ProtocolSwitch)]

    @property
    def troubles(self) -> list[ReadTrouble]:
        return [event for event in self.events if isinstance(event, ReadTrouble)]

    def sent(self, direction: Direction) -> bytes:
        """Heads and bodies of one direction, put together again."""
        return b"".join(
            event.raw if isinstance(event, MessageHead) else event.data
            for event in self.events
            if isinstance(event, MessageHead | Data) and event.direction is direction
        )


def told(connection: Connection, pieces: Pieces, *, close: bool = True) -> Told:
    """Feed the pieces, then end the server's direction and the client's."""
    events: list[Event] = []
    for direction, data in pieces:
        events += connection.feed(direction, data)
    if close:
        events += connection.close(S)
        events += connection.close(C)
    return Told(events)


def coalesced(events: Iterable[Event]) -> list[Event]:
    """Neighbouring pieces of one body become one: how they were cut is no part of the truth."""
    whole: list[Event] = []
    for event in events:
        last = whole[-1] if whole else None
        if (
            isinstance(event, Data)
            and isinstance(last, Data)
            and (event.stream, event.direction) == (last.stream, last.direction)
        ):
            whole[-1] = Data(
                stream=event.stream, direction=event.direction, data=last.data + event.data
            )
        else:
            whole.append(event)
    return whole


def cut(pieces: Pieces, sizes: Sequence[int]) -> list[tuple[Direction, bytes]]:
    """The same bytes in pieces of the given sizes, over and over."""
    cut_up = []
    turn = 0
    for direction, data in pieces:
        position = 0
        while position < len(data):
            size = sizes[turn % len(sizes)]
            turn += 1
            cut_up.append((direction, data[position : position + size]))
            position += size
    return cut_up
