"""
Send messages as mail (RFC 5321) through a relay, over STARTTLS (RFC 3207) or TLS (RFC 8314).

With TLS, the relay's certificate must be valid for its name. If STARTTLS is required and the relay
does not offer it, nothing is sent: somebody may be intercepting the connection. Mail without TLS
must be set explicitly, and is only possible without a password, to networks that the channel's
`allow_networks` names.
"""

import smtplib
import socket
import ssl
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Final

from snapshotter.egress.guard import EgressGuard
from snapshotter.errors import SnapshotterError
from snapshotter.formats.printable import printable
from snapshotter.model.notification import DeliveryResult, UndeliveredMessage
from snapshotter.notify import message as messages
from snapshotter.notify.egress import GuardedConnections
from snapshotter.notify.rules import MailEntry
from snapshotter.translation import tr

# What we call ourselves to a relay: the name of this machine is nobody's business, and
# looking it up would ask a resolver.
_OURSELVES: Final = "[127.0.0.1]"
_FOR_GOOD: Final = range(500, 600)  # RFC 5321 section 4.2.1


class SmtpMail:
    """
    A mail relay with the people who are told (the port `Channel`).

    Args:
        password: Returns the password as its file has it now; None where there is none.
            Raises SnapshotterError.
    """

    def __init__(
        self,
        entry: MailEntry,
        *,
        password: Callable[[], bytes] | None,
        connections: GuardedConnections,
    ) -> None:
        self._entry = entry
        self._password = password
        self._connections = connections

    @property
    def name(self) -> str:
        """The name from the configuration."""
        return self._entry.name

    def deliver(self, message: UndeliveredMessage) -> DeliveryResult:
        """See `Channel.deliver`. Taken over is what the relay took for one receiver at least."""
        entry = self._entry
        mail = messages.compose_mail(message, sender=entry.sender, to=entry.to)
        try:
            context = self._connections.tls()
            password = self._password().decode() if self._password is not None else ""
        except UnicodeDecodeError:
            return DeliveryResult(delivered=False, detail=tr("the password is not in UTF-8"))
        except SnapshotterError as error:
            return DeliveryResult(delivered=False, detail=error.message)
        try:
            with (
                self._connections.open() as guard,
                closing(_Relay(guard, entry, context, self._connections.timeout_s)) as relay,
            ):
                if entry.tls == "starttls":
                    relay.starttls(context=context)
                if entry.user:
                    relay.login(entry.user, password)
                refused = relay.send_message(mail, from_addr=entry.sender, to_addrs=entry.to)
                # It is taken over: how the relay says goodbye changes nothing of that.
                with suppress(smtplib.SMTPException, OSError):
                    relay.quit()
        except smtplib.SMTPAuthenticationError as error:  # the channel's fault, not the message's
            return _failed(
                tr(
                    "the mail relay does not accept the user or the password: {smtp_code}",
                    smtp_code=error.smtp_code,
                )
            )
        except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            said = f"{error.smtp_code} {_words(error.smtp_error)}"
            return _failed(
                tr("the mail relay does not accept the message: {said}", said=said),
                refused=error.smtp_code in _FOR_GOOD,
            )
        except smtplib.SMTPRecipientsRefused as error:
            codes = {code for code, _ in error.recipients.values()}
            return _failed(
                tr(
                    "the mail relay accepts none of the recipients: {recipients}",
                    recipients=_recipients(error.recipients),
                ),
                refused=all(code in _FOR_GOOD for code in codes),
            )
        except smtplib.SMTPException as error:
            return _failed(tr("the mail relay failed: {error}", error=error))
        except OSError as error:  # the guard's reasons, TLS, and what the system says
            return _failed(tr("the mail relay cannot be reached: {error}", error=error))
        # To try again would send it twice to the others.
        return DeliveryResult(
            delivered=True,
            detail=tr(
                "the mail relay does not accept these recipients: {recipients}",
                recipients=_recipients(refused),
            )
            if refused
            else "",
        )


class _Relay(smtplib.SMTP):
    """smtplib over a connection that the guard made."""

    def __init__(
        self, guard: EgressGuard, entry: MailEntry, context: ssl.SSLContext, timeout_s: float
    ) -> None:
        self._guard = guard
        self._context = context if entry.tls == "implicit" else None
        super().__init__(entry.server, entry.port, local_hostname=_OURSELVES, timeout=timeout_s)

    # As smtplib.SMTP_SSL overrides it; typeshed does not have it.
    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock = self._guard.dial(host, port, timeout)
        if self._context is None:
            return sock
        return self._context.wrap_socket(sock, server_hostname=host)


def _failed(detail: str, *, refused: bool = False) -> DeliveryResult:
    return DeliveryResult(delivered=False, detail=printable(detail)[:500], refused=refused)


def _words(said: bytes | str) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said


def _recipients(refused: dict[str, tuple[int, bytes]]) -> str:
    return ", ".join(f"{to} ({code} {_words(said)})" for to, (code, said) in refused.items())
