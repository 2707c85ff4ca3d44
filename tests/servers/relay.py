"""A mail relay on loopback: aiosmtpd, somebody else's server, in a thread of its own."""

import asyncio
import ssl
import threading
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from types import TracebackType
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailed:
    """One message as it came."""

    sender: str
    to: tuple[str, ...]
    data: bytes
    greeted_as: str  # what the client called itself
    encrypted: bool
    user: str

    @property
    def message(self) -> EmailMessage:
        found = message_from_bytes(self.data, policy=default)
        assert isinstance(found, EmailMessage)
        return found


@dataclass
class MailRelay:
    """
    Takes mail from whoever is allowed.

    Args:
        tls: Offers STARTTLS with this; at once where `implicit`.
        users: Names and passwords; none: nobody has to say who he is.
        answers: To DATA, one after another; then 250.
        refuses: Receivers that are not known here.
    """

    tls: ssl.SSLContext | None = None
    implicit: bool = False
    users: dict[str, str] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)
    mails: list[Mailed] = field(default_factory=list)
    port: int = 0

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,))
        self._thread.start()
        started.wait(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuses:
            return "550 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.answers:
            return self.answers.pop(0)
        content = envelope.content
        assert isinstance(content, bytes)
        self.mails.append(
            Mailed(
                sender=envelope.mail_from or "",
                to=tuple(envelope.rcpt_tos),
                data=content,
                greeted_as=session.host_name or "",
                encrypted=self.implicit or bool(session.ssl),
                user=_user(session.auth_data),
            )
        )
        return "250 taken"

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        known = isinstance(data, LoginPassword) and (
            self.users.get(data.login.decode()) == data.password.decode()
        )
        return AuthResult(success=known, handled=False, auth_data=data)

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)

        def serve() -> SMTP:
            return SMTP(
                self,
                hostname="relay.test",
                loop=self._loop,
                tls_context=None if self.implicit else self.tls,
                require_starttls=self.tls is not None and not self.implicit,
                # It warns of passwords without STARTTLS, and does not know that TLS was before it.
                auth_required=bool(self.users) and not self.implicit,
                auth_require_tls=not self.implicit,
                authenticator=self._authenticate,
            )

        server = self._loop.run_until_complete(
            self._loop.create_server(serve, "127.0.0.1", 0, ssl=self.tls if self.implicit else None)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._loop.call_soon(started.set)
        self._loop.run_forever()
        server.close()
        others = asyncio.all_tasks(self._loop)
        for task in others:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*others, return_exceptions=True))
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()


def _user(login: Any) -> str:
    return login.login.decode() if isinstance(login, LoginPassword) else ""
