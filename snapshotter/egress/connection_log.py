"""Hold the log entry of one connection, which the guard's thread writes and any thread may read."""

from dataclasses import field
from datetime import datetime

from snapshotter.egress.connection_slots import ConnectionSlot
from snapshotter.model.network import Connection
from snapshotter.value_class import dataclass


@dataclass(slots=True, kw_only=True, eq=False)
class ConnectionEntry:
    """One connection from the request to its end. `ended_at` is set last."""

    number: int
    purpose: str
    kind: str
    host: str
    port: int
    via: str
    asked_at: datetime
    answers: tuple[str, ...] = ()
    address: str = ""
    server_name: str = ""
    connected_at: datetime | None = None
    ended_at: datetime | None = None
    bytes_sent: int = 0
    bytes_received: int = 0
    refusal: str = ""
    error: str = ""
    ended_by: str = ""
    detail: str = ""
    slot: ConnectionSlot | None = field(default=None, repr=False)

    @property
    def place(self) -> tuple[str, int]:
        """The host, lowercase and without brackets, and the port."""
        return self.host.lower().strip("[]"), self.port

    def as_connection(self) -> Connection:
        """Return the connection in its present state."""
        ended_at = self.ended_at  # first: whoever reads an end reads the whole of it
        over = ended_at is not None
        return Connection(
            number=self.number,
            purpose=self.purpose,
            kind=self.kind,
            host=self.host,
            port=self.port,
            answers=self.answers,
            address=self.address,
            via=self.via,
            server_name=self.server_name,
            asked_at=self.asked_at,
            connected_at=self.connected_at,
            ended_at=ended_at,
            bytes_sent=self.bytes_sent,
            bytes_received=self.bytes_received,
            refusal=self.refusal if over else "",
            error=self.error if over else "",
            ended_by=self.ended_by if over else "",
            detail=self.detail if over else "",
        )
