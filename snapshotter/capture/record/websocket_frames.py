"""
Write the frames of one WebSocket connection as JSON lines, in the order in which they passed.

    {"at_us":1795538389029729,"compressed":false,"final":true,"from":"client","opcode":1,"text":"hi"}

A frame is written as it was sent, without its mask. Where the sides compressed their messages (RFC
7692), the last frame of a message also has the decompressed message, because a reader could
decompress it only by beginning at the first message.
"""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from snapshotter.capture.record.scratch import StoredBody
from snapshotter.formats import canonical_json
from snapshotter.formats.http.events import Direction
from snapshotter.formats.http.websocket import (
    Frame,
    FrameReader,
    Inflater,
    Opcode,
    context_takeover,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MESSAGE = 1 << 22  # bytes of one message, as compressed and as inflated; longer ones are not shown


class WebSocketFrameWriter:
    """
    Writes the frames of both directions.

    Args:
        into: Where the lines go.
        extensions: The response's Sec-WebSocket-Extensions.
        afford: Returns whether a message of so many bytes may be shown inflated.
    """

    def __init__(
        self,
        into: StoredBody,
        extensions: bytes,
        *,
        afford: Callable[[int], bool] = lambda _: True,
    ) -> None:
        self._into = into
        takeover = dict(zip(Direction, context_takeover(extensions), strict=True))
        self._sides = {
            direction: _Side(direction, afford, context_takeover=takeover[direction])
            for direction in Direction
        }

    def feed(self, direction: Direction, at: datetime, data: bytes) -> None:
        """Read what one side sent at a time."""
        for line in self._sides[direction].feed(at, data):
            self._into.add(line)

    @property
    def left_out(self) -> int:
        """How many whole compressed messages are not shown inflated."""
        return sum(side.left_out for side in self._sides.values())

    def close(self, at: datetime) -> None:
        """Write the frames in which the connection ended, if it ended in any."""
        for side in self._sides.values():
            for line in side.close(at):
                self._into.add(line)
        self._into.close()


class _Side:
    """One direction."""

    def __init__(
        self, direction: Direction, afford: Callable[[int], bool], *, context_takeover: bool
    ) -> None:
        self._direction = direction
        self._afford = afford
        self.left_out = 0
        self._reader = FrameReader()
        self._inflater: Inflater | None = Inflater(
            context_takeover=context_takeover, limit=_MESSAGE
        )
        self._message: bytearray | None = None  # of a compressed message, until its last frame
        self._is_text = False

    def feed(self, at: datetime, data: bytes) -> list[bytes]:
        return [self._line(at, frame) for frame in self._reader.feed(data)]

    def close(self, at: datetime) -> list[bytes]:
        return [self._line(at, frame) for frame in self._reader.close()]

    def _line(self, at: datetime, frame: Frame) -> bytes:
        content: dict[str, Any] = {
            "at_us": (at - _EPOCH) // _MICROSECOND,
            "compressed": frame.rsv1,
            "final": frame.fin,
            "from": self._direction.value,
            "opcode": frame.opcode,
            **_payload_as_json(
                frame.payload, is_text=frame.opcode == Opcode.TEXT and not frame.rsv1
            ),
        }
        if frame.problem:
            content["problem"] = frame.problem
        if (message := self._inflated(frame)) is not None:
            content["message"] = _payload_as_json(message, is_text=self._is_text)
        return canonical_json.dumps(content) + b"\n"

    def _inflated(self, frame: Frame) -> bytes | None:
        """Return the compressed message that this frame ends."""
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._message = bytearray() if frame.rsv1 else None
            self._is_text = frame.opcode == Opcode.TEXT
        if self._message is None or frame.opcode >= Opcode.CLOSE or self._inflater is None:
            return None
        self._message += frame.payload
        too_long = len(self._message) > _MESSAGE
        if frame.problem or too_long:
            self._inflater = None  # what comes later refers to it
            return None
        if not frame.fin:
            return None
        message, self._message = bytes(self._message), None
        try:
            inflated = self._inflater.inflate(message)
        except ValueError:
            self._inflater = None
            return None
        if not self._afford(len(inflated)):
            self.left_out += 1
            return None
        return inflated


def _payload_as_json(data: bytes, *, is_text: bool) -> dict[str, str]:
    """Return bytes as text if they are valid text, otherwise in base64."""
    if is_text:
        try:
            return {"text": data.decode()}
        except UnicodeDecodeError:
            pass
    return {"base64": base64.b64encode(data).decode()}
