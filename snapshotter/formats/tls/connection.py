"""
Read one recorded TLS connection with the key log of the client that made it.

The connection is one of TLS 1.3 (RFC 8446), or of TLS 1.2 with the AEAD suites (RFC 5246, 5288,
7905). The input is the bytes of both directions as they were sent, in pieces of any length. The
output is the application data and the facts of the handshake. A weak choice of client and server
is not refused: the connection has already happened, and this module only reads it.

Both sides may be hostile. A part that cannot be read is described in `problem` and never raises an
exception. The memory for one connection is limited.
"""

import enum
import hashlib
from dataclasses import field

from snapshotter.formats.http.events import Direction
from snapshotter.formats.tls import handshake as messages
from snapshotter.formats.tls.finished import Transcript
from snapshotter.formats.tls.handshake import ClientHello, Handshake, ServerHello, TlsMalformed
from snapshotter.formats.tls.key_log import (
    CLIENT_EARLY,
    CLIENT_HANDSHAKE,
    CLIENT_TRAFFIC,
    MASTER_SECRET,
    SERVER_HANDSHAKE,
    SERVER_TRAFFIC,
    KeyLog,
)
from snapshotter.formats.tls.names import (
    ALERTS,
    CIPHERS,
    GROUPS,
    SIGNATURE_SCHEMES,
    TLS_1_2,
    TLS_1_3,
    VERSIONS,
    named,
)
from snapshotter.formats.tls.records import (
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    HANDSHAKE,
    HEADER,
    TLS_1_2_SUITES,
    TLS_1_3_SUITES,
    Record,
    RecordDecrypterTls12,
    RecordDecrypterTls13,
    RecordSplitter,
    Suite,
    tls12_decrypters,
)
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

# Records that came before what opens them: early data, or directions told out of order.
_MAX_HELD = 4 << 20  # bytes
_MAX_REJECTED = 16 << 20  # bytes of early data that a server would not have
_MAX_TICKETS = 64
_MAX_TOLD = 16  # alerts, notes


class _Epoch(enum.Enum):
    """What the records of one direction are sealed with."""

    PLAIN = enum.auto()
    EARLY = enum.auto()
    HANDSHAKE = enum.auto()
    APPLICATION = enum.auto()


@dataclass(slots=True)
class _Side:
    """One direction of the connection."""

    direction: Direction
    cutter: RecordSplitter = field(default_factory=RecordSplitter)
    epoch: _Epoch = _Epoch.PLAIN
    opener: RecordDecrypterTls12 | RecordDecrypterTls13 | None = None
    next_opener: RecordDecrypterTls12 | None = None  # TLS 1.2: from its ChangeCipherSpec on
    missing: str = ""  # why there is no opener although records are sealed from here on
    pending: bytearray = field(default_factory=bytearray)  # the beginning of a message
    held: list[Record] = field(default_factory=list)
    held_bytes: int = 0
    rejected: int | None = None  # bytes of early data passed over; None: none is expected
    finished: bool = False
    closed: bool = False  # close_notify
    problem: str = ""
    unread: int = 0  # bytes of records that were not opened

    def fail(self, why: str) -> None:
        self.problem = self.problem or why
        self.unread += self.held_bytes
        self.held.clear()
        self.held_bytes = 0
        self.pending.clear()


class TlsConnection:
    """
    A push parser for one connection.

    Args:
        keys: The client's key log, complete: it is read while the handshake is.
    """

    def __init__(self, keys: KeyLog) -> None:
        self._keys = keys
        self._client = _Side(Direction.CLIENT)
        self._server = _Side(Direction.SERVER)
        self._hello: ClientHello | None = None
        self._answer: ServerHello | None = None
        self._retried = False
        self._awaits_server = False  # the client has said hello, and waits
        self._early: str | None = None  # None: offered, and not answered yet
        self._suite: Suite | None = None
        self._group = 0
        self._alpn = ""
        self._certificates = messages.CertificateList()
        self._compression = ""
        self._scheme = 0
        self._resumed = False
        self._ocsp = b""
        self._asked = False
        self._tickets: list[str] = []
        self._signed: list[bytes] = []
        self._has_signed = False
        self._transcript = Transcript()
        self._alerts: list[tuple[Direction, str]] = []
        self._notes: list[str] = []

    def feed(self, direction: Direction, data: bytes) -> list[tuple[Direction, bytes]]:
        """
        Take the next bytes of one direction; return the application data that they complete.

        Pieces go in as they were on the wire. A direction that comes before what opens
        it is held, within a limit, and comes out when the other one has caught up.
        """
        side = self._side(direction)
        out: list[tuple[Direction, bytes]] = []
        if side.problem or side.closed:
            side.unread += len(data)
            return out
        left = side.cutter.rest + len(data)
        try:
            for record in side.cutter.feed(data):
                left -= HEADER + len(record.fragment)
                self._take(side, record, out)
        except TlsMalformed as error:
            side.unread += left
            self._fail(side, str(error))
        return out

    def close(self, direction: Direction) -> None:
        """Note that a direction has ended; what is left over of it is a problem."""
        side = self._side(direction)
        if side.problem:
            return
        if side.held:
            self._fail(
                side,
                "the data ended before the other side sent the messages that are needed to "
                "decrypt the data",
            )
        elif side.cutter.rest:
            rest = side.cutter.rest
            side.unread += rest
            side.problem = (
                "the data ended in the middle of a TLS record; bytes of the incomplete record: "
                f"{rest}"
            )
        elif side.pending:
            side.problem = "the data ended in the middle of a handshake message"
        self._note_rejected(side.rejected or 0)

    @property
    def handshake(self) -> Handshake | None:
        """What the handshake said so far; None before the client's hello was read."""
        if self._hello is None:
            return None
        answer = self._answer
        return Handshake(
            version="" if answer is None else named(VERSIONS, answer.version),
            cipher="" if answer is None else named(CIPHERS, answer.cipher),
            group=named(GROUPS, self._group) if self._group else "",
            sni=self._hello.server_name,
            alpn=self._alpn,
            chain=self._certificates.chain,
            signature_scheme=named(SIGNATURE_SCHEMES, self._scheme) if self._scheme else "",
            resumed=self._resumed,
            hello_retry=self._retried,
            early_data=self._early or "",
            certificate_compression=self._compression,
            client_certificate_asked=self._asked,
            sct_list=self._certificates.sct_list or (answer.sct_list if answer else b""),
            ocsp=self._certificates.ocsp or self._ocsp,
            ticket=self._ticket() if self._resumed else "",
            tickets=tuple(self._tickets),
            complete=self._client.finished and self._server.finished,
            client_finished=self._transcript.state(Direction.CLIENT),
            server_finished=self._transcript.state(Direction.SERVER),
            messages=tuple(self._signed) if self._has_signed else (),
        )

    @property
    def alpn(self) -> str:
        """The protocol that was agreed on, or ""."""
        return self._alpn

    @property
    def problem(self) -> str:
        """Why this connection, or a part of it, could not be read; "" when all of it was."""
        return "; ".join(
            f"{side.direction.value}: {side.problem}"
            for side in (self._client, self._server)
            if side.problem
        )

    def problem_of(self, direction: Direction) -> str:
        """Why one direction could not be read to its end; "" when it was."""
        return self._side(direction).problem

    def unread(self, direction: Direction) -> int:
        """About how many bytes on the wire were not opened; rejected early data apart."""
        return self._side(direction).unread

    def closed_cleanly(self, direction: Direction) -> bool:
        """Whether the side said that it was done (close_notify): nothing was cut off behind."""
        return self._side(direction).closed

    @property
    def alerts(self) -> tuple[tuple[Direction, str], ...]:
        """The alerts other than close_notify, by IANA's names; the first few."""
        return tuple(self._alerts)

    @property
    def notes(self) -> tuple[str, ...]:
        """What happened and was passed over, in words; the first few."""
        return tuple(self._notes)

    # --- records ---------------------------------------------------------------------------

    def _side(self, direction: Direction) -> _Side:
        return self._client if direction is Direction.CLIENT else self._server

    def _take(self, side: _Side, record: Record, out: list[tuple[Direction, bytes]]) -> None:
        if side.problem or side.closed:
            side.unread += len(record.fragment)
        elif side.held or not self._ready(side):
            self._hold(side, record)
        else:
            self._read(side, record, out)
        if self._client.held or self._server.held:
            self._release(out)

    def _ready(self, side: _Side) -> bool:
        """Whether all is known that the next record of this side may need."""
        if side is self._server:
            return self._hello is not None
        if self._awaits_server:
            return False
        return not (self._is_13 and self._early is None)

    def _hold(self, side: _Side, record: Record) -> None:
        side.held_bytes += len(record.fragment)
        side.held.append(Record(record.kind, record.header, bytes(record.fragment)))
        if side.held_bytes + 64 * len(side.held) > _MAX_HELD:
            self._fail(
                side,
                f"more than {_MAX_HELD} bytes came before the messages that are needed to decrypt "
                "these bytes",
            )

    def _release(self, out: list[tuple[Direction, bytes]]) -> None:
        """Read held records, as many as can be: each may open the way for the other side's."""
        moved = True
        while moved:
            moved = False
            for side in (self._client, self._server):
                ready = 0
                while ready < len(side.held) and self._ready(side):
                    record = side.held[ready]
                    ready += 1
                    side.held_bytes -= len(record.fragment)
                    self._read(side, record, out)
                if ready:
                    moved = True
                    del side.held[:ready]

    def _read(self, side: _Side, record: Record, out: list[tuple[Direction, bytes]]) -> None:
        try:
            self._record(side, record, out)
        except TlsMalformed as error:
            side.unread += len(record.fragment)
            self._fail(side, str(error))

    def _record(self, side: _Side, record: Record, out: list[tuple[Direction, bytes]]) -> None:
        if record.kind == CHANGE_CIPHER_SPEC:
            self._change_cipher_spec(side)
            return
        kind, content = record.kind, b""
        if kind == ALERT and self._is_13 and len(record.fragment) == 2:
            content = bytes(record.fragment)  # from a client that could not go on, and had no keys
        elif side.missing:
            raise TlsMalformed(side.missing)
        elif side.opener is None:
            if kind == APPLICATION_DATA:
                self._early_data_before_a_retry(side, record)
                return
            content = bytes(record.fragment)
        elif self._is_13 and kind != APPLICATION_DATA:
            raise TlsMalformed(
                "a TLS record is not encrypted at a point where all records must be encrypted"
            )
        elif side.rejected is None:
            kind, content = side.opener.open(record)
        else:
            opened = self._behind_rejected(side, side.opener, record)
            if opened is None:
                return
            kind, content = opened
        if kind == APPLICATION_DATA:
            if side.epoch not in (_Epoch.APPLICATION, _Epoch.EARLY):
                raise TlsMalformed("application data came before the end of the handshake")
            if content:
                out.append((side.direction, content))
        elif kind == HANDSHAKE:
            self._messages(side, content)
        elif kind == ALERT:
            self._alert(side, content)
        else:
            self._note(tr("a TLS record of content type {kind} was skipped", kind=kind))

    def _change_cipher_spec(self, side: _Side) -> None:
        """In TLS 1.2 the key changes; in TLS 1.3 it is a courtesy to middleboxes (D.4)."""
        if self._is_13 or self._answer is None or side.epoch is not _Epoch.PLAIN:
            return
        if side.pending:
            raise TlsMalformed("the key changes in the middle of a handshake message")
        if side is self._server and not self._certificates.chain:
            self._resumed = True
        self._open_12(side)

    def _early_data_before_a_retry(self, side: _Side, record: Record) -> None:
        """Pass over what a client sent ahead to a server that asked for another hello (4.2.10)."""
        if side is not self._client or not self._retried or self._answer is not None:
            raise TlsMalformed("application data came before the handshake established a key")
        self._pass_over(side, record)

    def _behind_rejected(
        self, side: _Side, opener: RecordDecrypterTls12 | RecordDecrypterTls13, record: Record
    ) -> tuple[int, bytes] | None:
        """Return the first record behind rejected early data, which does not open (4.2.10)."""
        try:
            opened = opener.open(record)
        except TlsMalformed:
            self._pass_over(side, record)
            return None
        self._note_rejected(side.rejected or 0)
        side.rejected = None
        return opened

    def _note_rejected(self, count: int) -> None:
        if count:
            self._note(
                tr(
                    "the server rejected {count} bytes of early data, which were not read",
                    count=count,
                )
            )

    def _pass_over(self, side: _Side, record: Record) -> None:
        side.rejected = (side.rejected or 0) + len(record.fragment)
        if side.rejected > _MAX_REJECTED:
            raise TlsMalformed("no record after the rejected early data can be decrypted")

    def _alert(self, side: _Side, content: bytes) -> None:
        if len(content) != 2:
            raise TlsMalformed("an alert is not two bytes long")
        name = named(ALERTS, content[1])
        if name == "close_notify":
            side.closed = True
        elif len(self._alerts) < _MAX_TOLD:
            self._alerts.append((side.direction, name))

    def _note(self, what: str) -> None:
        if what not in self._notes and len(self._notes) < _MAX_TOLD:
            self._notes.append(what)

    def _fail(self, side: _Side, why: str) -> None:
        side.fail(why)
        if side is self._server and self._early is None:
            # Whether the early data was taken will not be known: look for what is behind it.
            self._early_answered(accepted=False)
            self._early = "unknown"

    # --- messages --------------------------------------------------------------------------

    def _messages(self, side: _Side, content: bytes) -> None:
        if not content:
            raise TlsMalformed("a handshake record is empty")
        side.pending += content
        while len(side.pending) >= 4:
            end = 4 + int.from_bytes(side.pending[1:4], "big")
            if end > messages.MAX_MESSAGE:
                raise TlsMalformed(
                    f"a handshake message is longer than {messages.MAX_MESSAGE} bytes"
                )
            if len(side.pending) < end:
                return
            message = bytes(side.pending[:end])
            del side.pending[:end]
            opener = side.opener
            if message[0] != messages.HELLO_REQUEST:
                self._transcript.add(side.direction, message)
            if side is self._client:
                self._from_client(side, message)
            else:
                self._from_server(side, message)
            if message[0] == messages.FINISHED:
                self._check_finished()
            if side.problem:
                return
            if side.opener is not opener and side.pending:
                raise TlsMalformed("a handshake message spans a change of keys")

    def _from_client(self, side: _Side, message: bytes) -> None:
        kind = message[0]
        if kind == messages.CLIENT_HELLO:
            if side.epoch is not _Epoch.PLAIN or (self._hello is not None and not self._retried):
                raise TlsMalformed("the client sent a second ClientHello, which is not supported")
            again = self._hello
            self._hello = messages.client_hello(message)
            if again is not None and self._hello.random != again.random:
                raise TlsMalformed(
                    "the second ClientHello has another random value than the first ClientHello"
                )
            if again is None:
                self._early = None if self._hello.early_data else ""
            self._awaits_server = True
            self._keep(message)
        elif kind == messages.FINISHED:
            side.finished = True
            if side.epoch is _Epoch.HANDSHAKE:
                self._open_13(side, _Epoch.APPLICATION, CLIENT_TRAFFIC)
        elif kind == messages.END_OF_EARLY_DATA and side.epoch is _Epoch.EARLY:
            self._open_13(side, _Epoch.HANDSHAKE, CLIENT_HANDSHAKE)
        elif kind == messages.KEY_UPDATE:
            self._key_update(side)
        # All else is the client's own: its certificate, its share, its settings (ALPS).

    def _from_server(self, side: _Side, message: bytes) -> None:
        kind = message[0]
        version = self._answer.version if self._answer is not None else 0
        if kind == messages.SERVER_HELLO:
            self._server_hello(message)
        elif kind == messages.ENCRYPTED_EXTENSIONS:
            self._alpn, accepted = messages.encrypted_extensions(message)
            self._keep(message)
            if self._early is None:
                self._early_answered(accepted=accepted)
        elif kind == messages.CERTIFICATE_REQUEST:
            self._asked = True
            if side.finished:
                self._note(tr("the server asked for a client certificate after the handshake"))
            elif self._is_13:
                self._keep(message)
        elif kind == messages.CERTIFICATE:
            self._certificates = messages.certificate(message, version=version)
            self._keep(message)
        elif kind == messages.COMPRESSED_CERTIFICATE:
            self._compression, inner = messages.decompressed(message)
            if inner is not None:
                self._certificates = messages.certificate(inner, version=version)
            self._keep(message)
        elif kind == messages.CERTIFICATE_STATUS:
            self._ocsp = messages.certificate_status(message)
        elif kind == messages.SERVER_KEY_EXCHANGE:
            self._server_key_exchange(message)
        elif kind == messages.CERTIFICATE_VERIFY:
            self._scheme, _ = messages.certificate_verify(message)
            self._keep(message)
            self._has_signed = True
        elif kind == messages.FINISHED:
            side.finished = True
            if side.epoch is _Epoch.HANDSHAKE:
                self._open_13(side, _Epoch.APPLICATION, SERVER_TRAFFIC)
        elif kind == messages.NEW_SESSION_TICKET:
            self._remember(messages.new_session_ticket(message, version=version))
        elif kind == messages.KEY_UPDATE:
            self._key_update(side)

    def _check_finished(self) -> None:
        if self._answer is None:
            return
        if self._is_13 and self._suite is not None:
            secrets = {
                Direction.CLIENT: self._secret(CLIENT_HANDSHAKE),
                Direction.SERVER: self._secret(SERVER_HANDSHAKE),
            }
            self._transcript.check_13(secrets, self._suite)
        elif suite := TLS_1_2_SUITES.get(self._answer.cipher):
            self._transcript.check_12(self._secret(MASTER_SECRET), suite)

    def _keep(self, message: bytes) -> None:
        if not self._has_signed:
            self._signed.append(message)
            if len(self._signed) > 8:  # as many as there are in the longest handshake
                raise TlsMalformed("the handshake has too many messages")

    def _server_hello(self, message: bytes) -> None:
        if self._answer is not None or self._hello is None:
            raise TlsMalformed("the server sent a second ServerHello, which is not supported")
        answer = messages.server_hello(message)
        self._keep(message)
        self._awaits_server = False
        if answer.is_retry:
            if self._retried:
                raise TlsMalformed("the server requested a third ClientHello")
            self._retried = True
            return
        self._answer, self._group, self._alpn = answer, answer.group, answer.alpn
        if answer.version == TLS_1_3:
            self._begin_13(answer)
        elif answer.version == TLS_1_2:
            self._begin_12(answer)
        else:
            self._fail_both(f"{named(VERSIONS, answer.version)} is not supported")

    def _begin_13(self, answer: ServerHello) -> None:
        self._resumed = answer.identity is not None
        self._suite = TLS_1_3_SUITES.get(answer.cipher)
        if self._suite is None:
            self._fail_both(f"the cipher suite {named(CIPHERS, answer.cipher)} is not supported")
            return
        self._open_13(self._server, _Epoch.HANDSHAKE, SERVER_HANDSHAKE)
        if self._early is not None:  # no early data: "", or rejected with the retry
            self._open_13(self._client, _Epoch.HANDSHAKE, CLIENT_HANDSHAKE)
        elif self._retried:
            self._early_answered(accepted=False)

    def _early_answered(self, *, accepted: bool) -> None:
        """The client's records are early data up to EndOfEarlyData, or were passed over."""
        self._early = "accepted" if accepted else "rejected"
        client = self._client
        if client.problem or self._suite is None:
            return
        if accepted and self._secret(CLIENT_EARLY) is not None:
            self._open_13(client, _Epoch.EARLY, CLIENT_EARLY)
            return
        if accepted:
            self._note(
                tr(
                    "the key log does not contain the key {client_early}, so the early data were "
                    "not read",
                    client_early=CLIENT_EARLY,
                )
            )
        client.rejected = client.rejected or 0
        self._open_13(client, _Epoch.HANDSHAKE, CLIENT_HANDSHAKE)

    def _begin_12(self, answer: ServerHello) -> None:
        if self._early is None:
            self._early = "rejected"  # it was for TLS 1.3
        if answer.session_id:
            self._remember(answer.session_id)
        suite, master = TLS_1_2_SUITES.get(answer.cipher), self._secret(MASTER_SECRET)
        if suite is None or master is None or self._hello is None:
            return  # the handshake is in the clear all the same; its end says what is missing
        self._client.next_opener, self._server.next_opener = tls12_decrypters(
            master, self._hello.random, answer.random, suite
        )

    def _server_key_exchange(self, message: bytes) -> None:
        if self._answer is None or "_ECDHE_" not in named(CIPHERS, self._answer.cipher):
            self._note(
                tr("the server's key exchange does not use an elliptic curve and was not read")
            )
            return
        exchange = messages.server_key_exchange(message)
        self._group, self._scheme = exchange.group, exchange.scheme
        self._keep(message)
        self._has_signed = True

    # --- keys ------------------------------------------------------------------------------

    @property
    def _is_13(self) -> bool:
        return self._answer is not None and self._answer.version == TLS_1_3

    def _secret(self, label: str) -> bytes | None:
        return None if self._hello is None else self._keys.secret(self._hello.random, label)

    def _open_13(self, side: _Side, epoch: _Epoch, label: str) -> None:
        """Open what follows under a secret of the key log; that it has none matters if it does."""
        secret = self._secret(label)
        side.epoch, side.opener, side.missing = epoch, None, ""
        if secret is None or self._suite is None:
            side.missing = self._no_secret(label)
        else:
            side.opener = RecordDecrypterTls13(secret, self._suite)

    def _open_12(self, side: _Side) -> None:
        side.epoch, side.opener = _Epoch.APPLICATION, side.next_opener
        if side.opener is not None or self._answer is None:
            return
        if self._answer.cipher in TLS_1_2_SUITES:
            side.missing = self._no_secret(MASTER_SECRET)
        else:
            name = named(CIPHERS, self._answer.cipher)
            side.missing = f"the cipher suite {name} is not supported"

    def _no_secret(self, label: str) -> str:
        if self._hello is None or not self._keys.knows(self._hello.random):
            return "the key log does not contain the keys of this connection"
        return f"the key log does not contain the key {label} of this connection"

    def _key_update(self, side: _Side) -> None:
        if side.epoch is not _Epoch.APPLICATION or not isinstance(
            side.opener, RecordDecrypterTls13
        ):
            raise TlsMalformed("a KeyUpdate message came at a point where KeyUpdate is not allowed")
        side.opener = side.opener.updated()

    def _fail_both(self, why: str) -> None:
        self._fail(self._server, why)
        self._fail(self._client, why)

    def _ticket(self) -> str:
        """SHA-256 of what the client resumed with, which the server accepted."""
        hello, answer = self._hello, self._answer
        if hello is None or answer is None:
            return ""
        if answer.identity is None:
            ticket = hello.ticket or hello.session_id
        elif answer.identity < len(hello.identities):
            ticket = hello.identities[answer.identity]
        else:
            ticket = b""
        return hashlib.sha256(ticket).hexdigest() if ticket else ""

    def _remember(self, ticket: bytes) -> None:
        if len(self._tickets) < _MAX_TICKETS:
            self._tickets.append(hashlib.sha256(ticket).hexdigest())


def looks_like_tls(first_bytes: bytes) -> bool:
    """Whether a client that begins so speaks TLS: a record with a ClientHello."""
    begins = first_bytes[:6]
    if not begins or begins[0] != HANDSHAKE or begins[1:2] not in (b"", b"\x03"):
        return False
    return len(begins) < 6 or begins[5] == messages.CLIENT_HELLO
