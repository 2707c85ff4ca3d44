"""
Post messages to a webhook, signed as the Standard Webhooks specification describes.

Any 2xx response accepts a message. After 408, 425, 429 or 5xx the message is sent again later, at
the time that the receiver requests (an hour later at most). Any other response rejects it. If
there is no response, the message is sent again later. A redirect is not followed, because a signed
message must go only to the configured address.
"""

from collections.abc import Callable
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

from snapshotter.errors import SnapshotterError
from snapshotter.formats.signatures import standard_webhooks
from snapshotter.model.notification import DeliveryResult, UndeliveredMessage
from snapshotter.notify.egress import GuardedConnections
from snapshotter.ports import Clock
from snapshotter.translation import tr

_USER_AGENT: Final = "snapshotter"
_MAX_ANSWER: Final = 64 << 10  # bytes read of an answer, for the connection's sake
_BUSY: Final = frozenset({408, 425, 429})
_LONGEST_WAIT_S: Final = 3600.0  # that a receiver may ask for


class HttpWebhook:
    """
    A webhook (the port `Channel`).

    Args:
        url: Returns where to, checked; it may be a secret. Raises SnapshotterError.
        secrets: Returns the file with the secrets as it is now, at each message: it can be
            exchanged while we run. Raises SnapshotterError.
    """

    def __init__(
        self,
        name: str,
        *,
        url: Callable[[], str],
        secrets: Callable[[], str],
        connections: GuardedConnections,
        clock: Clock,
    ) -> None:
        self._name = name
        self._url = url
        self._secrets = secrets
        self._connections = connections
        self._clock = clock

    @property
    def name(self) -> str:
        """The name from the configuration."""
        return self._name

    def deliver(self, message: UndeliveredMessage) -> DeliveryResult:
        """See `Channel.deliver`."""
        # Here, because most commands never need it.
        from snapshotter.egress.http_library import httpx
        from snapshotter.egress.transport import transport

        try:
            url = self._url()
            keys = standard_webhooks.parse_secrets(self._secrets())
            context = self._connections.tls()
        except SnapshotterError as error:
            return DeliveryResult(delivered=False, detail=error.message)
        headers = {
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": _USER_AGENT,
            **standard_webhooks.sign(keys, message.id, self._clock.now(), message.body),
        }
        try:
            with (
                self._connections.open() as guard,
                httpx.Client(
                    trust_env=False,
                    transport=transport(guard, ssl_context=context),
                    timeout=self._connections.timeout_s,
                ) as client,
                client.stream("POST", url, content=message.body, headers=headers) as answer,
            ):
                length = 0
                for chunk in answer.iter_raw():
                    length += len(chunk)
                    if length > _MAX_ANSWER:
                        break
                asked = answer.headers.get("Retry-After", "")
                return self._outcome(answer.status_code, asked)
        except httpx.TimeoutException:
            late = tr(
                "the receiver did not answer within {timeout_s:g} s",
                timeout_s=self._connections.timeout_s,
            )
            return DeliveryResult(delivered=False, detail=late)
        except httpx.ConnectError as error:
            return DeliveryResult(
                delivered=False, detail=tr("the receiver cannot be reached: {error}", error=error)
            )
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            return DeliveryResult(
                delivered=False,
                detail=tr("the connection to the receiver was interrupted: {error}", error=error),
            )

    def _outcome(self, status: int, retry_after: str) -> DeliveryResult:
        if 200 <= status < 300:
            return DeliveryResult(delivered=True)
        busy = status in _BUSY or status >= 500
        return DeliveryResult(
            delivered=False,
            detail=tr("the receiver answered with HTTP status {status}", status=status),
            refused=not busy,
            retry_after_s=_asked_s(retry_after, self._clock.now()) if busy else None,
        )


def _asked_s(text: str, now: datetime) -> float | None:
    """Return the seconds of a Retry-After (RFC 9110 section 10.2.3), at most an hour."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _LONGEST_WAIT_S)
    try:
        seconds = (parsedate_to_datetime(text) - now).total_seconds()
    except (ValueError, TypeError, OverflowError):  # TypeError: a time without a zone
        return None
    return min(max(seconds, 0.0), _LONGEST_WAIT_S)
