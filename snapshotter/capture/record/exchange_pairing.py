"""
Pair each request and response on the wire with what the browser reported about it.

The two accounts are made separately and paired here, by method, URL and order. Neither is changed
to fit the other: an exchange that is only on the wire is recorded, and a request that only the
browser reports is kept with its reason.
"""

import enum
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from snapshotter.formats.bundle.network import MAX_DIFFERENCES, CrossCheck, Discrepancy
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    from snapshotter.capture.record.wire_reader import WireExchange

OTHER = "Other"  # the resource type of what the browser does not tell of
WEBSOCKET = "WebSocket"

# CDP blockedReason of what never leaves the browser; the others look at an answer.
_BLOCKED_BEFORE = frozenset({"csp", "inspector", "mixed-content", "origin", "subresource-filter"})


class BodyState(enum.StrEnum):
    """What the payload of a response record is; see docs/spec/network-record.md."""

    AS_RECEIVED = "as-received"  # the octets that came, framing and codings left on
    EMPTY = "empty"  # none came


class RequestEnd(enum.StrEnum):
    """How a request ended."""

    PENDING = "pending"
    ANSWERED = "answered"
    FAILED = "failed"
    BLOCKED = "blocked"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedResponse:
    """What the browser reports about a response."""

    status: int
    status_text: str
    protocol: str  # "http/1.1", "h2" …
    headers: tuple[tuple[str, str], ...]  # secrets replaced, in no order that means anything
    transparency: str  # CDP certificateTransparencyCompliance, or ""
    is_insecure: bool = False  # over TLS that the browser would have refused


@dataclass(slots=True, kw_only=True)
class ObservedRequest:
    """A request as the browser reports it, event by event. Changed by the observer only."""

    number: int
    request_id: str
    url: str  # no user information, no fragment
    method: str
    resource_type: str  # as CDP names it
    at: datetime
    frame_id: str
    loader_id: str
    initiator: str  # CDP initiator type: parser, script, preflight, other …
    initiator_url: str = ""
    response: ObservedResponse | None = None
    end: RequestEnd = RequestEnd.PENDING
    error: str = ""
    block_reason: str = ""
    from_cache: bool = False
    internal: bool = False  # the browser answered itself (HSTS); nothing was sent
    sent: bool = False  # the browser's network stack reported headers that it sent
    body_length: int = 0  # bytes, content codings undone, as they came
    wire_length: int = 0  # bytes
    sessions: list[Any] = field(default_factory=list, repr=False)

    @property
    def is_main_request(self) -> bool:
        """Whether it requested the document of its frame."""
        return self.resource_type == "Document" and self.request_id == self.loader_id

    @property
    def claims_the_network(self) -> bool:
        """Whether the browser reports that a server answered it."""
        return self.response is not None and not self.from_cache and not self.internal


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request of the record. At least one of `wire` and `observed` is given."""

    wire: "WireExchange | None"
    observed: ObservedRequest | None
    resource_type: str
    cut: str  # why the response is not whole, a word of WARC-Truncated; "" when it is
    cause: str = ""  # why no answer came, if the guard knows
    certificate: str = ""  # what was wrong with the server's, and let pass; see `tls.problems`

    @property
    def url(self) -> str:
        """The address that was requested."""
        return self._either.url

    @property
    def method(self) -> str:
        """The request's method, in the case in which it was sent."""
        return self._either.method

    @property
    def at(self) -> datetime:
        """When it began: its head had left, or the browser reported a request that never left."""
        return self._either.at

    @property
    def has_response(self) -> bool:
        """Whether the head of a response came over the wire."""
        return self.wire is not None and self.wire.response is not None

    @property
    def status(self) -> int:
        """The status on the wire, or the one that the browser reports; 0 without a response."""
        if self.wire is not None and self.wire.response is not None:
            return self.wire.response.status
        response = self.observed.response if self.observed is not None else None
        return response.status if response is not None else 0

    @property
    def end(self) -> RequestEnd:
        """How it ended: as the browser reports, or as the wire shows where the browser does not."""
        reported = self.observed.end if self.observed is not None else RequestEnd.PENDING
        if self.wire is None or reported not in (RequestEnd.PENDING, RequestEnd.CANCELLED):
            return reported
        if self.wire.is_whole:
            return RequestEnd.ANSWERED
        if reported is RequestEnd.CANCELLED:
            return reported  # what had come whole by then was saved, or not needed any more
        if self.wire.connection.ended_by in ("", "cut", "limit"):
            return RequestEnd.PENDING
        return RequestEnd.CANCELLED if self.wire.response is not None else RequestEnd.FAILED

    @property
    def body(self) -> BodyState:
        """AS_RECEIVED if bytes of a body came over the wire, otherwise EMPTY."""
        there = self.wire is not None and self.wire.received.length
        return BodyState.AS_RECEIVED if there else BodyState.EMPTY

    @property
    def is_recorded(self) -> bool:
        """Whether the body is recorded: whole, as far as it came, or empty."""
        if self.wire is None or self.wire.response is None:
            return False
        return self.wire.is_whole or self.wire.received.length > 0

    @property
    def is_missing(self) -> bool:
        """Whether the browser had a response from the network that is not on the wire."""
        observed = self.observed
        return observed is not None and observed.claims_the_network and not self.has_response

    @property
    def _either(self) -> "WireExchange | ObservedRequest":
        found = self.wire or self.observed
        if found is None:
            raise ValueError("an exchange of nothing")
        return found


def cross_check(found: Iterable[Exchange], observed: Iterable[ObservedRequest]) -> CrossCheck:
    """
    Count the requests that the browser reported and those on the wire, and name each difference.

    Args:
        found: As `pair_exchanges` returns them.
        observed: All requests that the browser reported.
    """
    exchanges, told = tuple(found), tuple(observed)
    differences = [
        discrepancy for discrepancy in map(_discrepancy, exchanges) if discrepancy is not None
    ]
    return CrossCheck(
        told=sum(not request.from_cache and not request.internal for request in told),
        carried=sum(exchange.wire is not None for exchange in exchanges),
        paired=sum(
            exchange.wire is not None and exchange.observed is not None for exchange in exchanges
        ),
        from_cache=sum(request.from_cache for request in told),
        internal=sum(request.internal and not request.from_cache for request in told),
        differences=tuple(differences[:MAX_DIFFERENCES]),
        difference_count=len(differences),
    )


def _discrepancy(exchange: Exchange) -> Discrepancy | None:
    """Return how the two accounts of one request differ; None if they do not."""
    wire, observed = exchange.wire, exchange.observed
    told_status = (
        observed.response.status if observed is not None and observed.response is not None else 0
    )
    carried_status = wire.response.status if wire is not None and wire.response is not None else 0
    if observed is None:
        kind = "not-told"
    elif observed.from_cache or observed.internal:
        return None
    elif not carried_status and (
        told_status or (observed.sent and wire is None and not exchange.cause)
    ):
        kind = "not-carried"
    elif carried_status and not told_status:
        kind = "answer-not-told"
    elif told_status != carried_status:
        kind = "status"
    else:
        return None
    return Discrepancy(
        kind=kind,
        method=exchange.method,
        url=exchange.url,
        connection=f"{wire.connection.number}/{wire.stream}" if wire is not None else "",
        told_status=told_status,
        carried_status=carried_status,
    )


def pair_exchanges(
    wire: "Iterable[WireExchange]", observed: Iterable[ObservedRequest], *, cause: str = ""
) -> tuple[Exchange, ...]:
    """
    Return every exchange of either account once, by the time at which it began.

    Args:
        observed: In the order of the reports. Requests that the cache answered are left out.
        cause: Why loading was stopped, as a word of WARC-Truncated; "" if it was not.
    """
    by_key: dict[tuple[str, str], list[WireExchange]] = defaultdict(list)
    for exchange in sorted(wire, key=lambda exchange: exchange.at):
        # Over HTTP/2 a WebSocket is requested by CONNECT (RFC 8441), otherwise by GET.
        kind = WEBSOCKET if exchange.is_websocket else exchange.method
        by_key[kind, exchange.url].append(exchange)
    observed_by_key: dict[tuple[str, str], list[ObservedRequest]] = defaultdict(list)
    for request in observed:
        if not request.from_cache and not request.internal:
            kind = WEBSOCKET if request.resource_type == WEBSOCKET else request.method
            observed_by_key[kind, request.url].append(request)
    found: list[Exchange] = []
    for key in {**by_key, **observed_by_key}:
        found += _pair_equal_requests(by_key.get(key, []), observed_by_key.get(key, []), cause)
    found += [
        Exchange(wire=None, observed=request, resource_type=request.resource_type, cut="")
        for request in observed
        if request.internal and not request.from_cache
    ]
    return tuple(sorted(found, key=lambda exchange: exchange.at))


def _pair_equal_requests(
    wire: "list[WireExchange]", observed: list[ObservedRequest], cause: str
) -> Iterable[Exchange]:
    """
    Pair requests of one method and URL.

    They are paired in order, except that statuses have to agree: the network stack repeats a
    request by itself (after a 401 whose password it has, after a reset) and reports it once.
    """
    left = list(wire)
    partner: dict[int, WireExchange] = {}
    # Those first that surely were sent: of two alike, one may have been blocked before.
    for may in (_was_sent, _may_have_been_sent):
        for request in observed:
            if request.number in partner or not left or not may(request):
                continue
            status = request.response.status if request.response is not None else None
            same = (w for w in left if w.response is not None and w.response.status == status)
            chosen = next(same, left[0])
            left = [exchange for exchange in left if exchange is not chosen]
            partner[request.number] = chosen
    resource_type = observed[0].resource_type if observed else OTHER
    for request in observed:
        carried = partner.get(request.number)
        yield Exchange(
            wire=carried,
            observed=request,
            resource_type=request.resource_type,
            cut=_cut(carried, request, cause) if carried is not None else "",
        )
    for carried in left:
        yield Exchange(
            wire=carried, observed=None, resource_type=resource_type, cut=_cut(carried, None, cause)
        )


def _was_sent(request: ObservedRequest) -> bool:
    return request.sent or request.response is not None


def _may_have_been_sent(request: ObservedRequest) -> bool:
    return not (request.end is RequestEnd.BLOCKED and request.block_reason in _BLOCKED_BEFORE)


def _cut(wire: "WireExchange", observed: ObservedRequest | None, cause: str) -> str:
    """Return why a response is not whole, as a word of WARC-Truncated; "" if it is whole."""
    if wire.is_whole or wire.response is None:
        return ""
    if wire.troubles:
        return "unspecified"
    if wire.connection.ended_by == "limit":
        return "length"
    if observed is None:
        is_pending = is_ours = wire.connection.ended_by in ("", "cut")
    else:
        is_pending = observed.end is RequestEnd.PENDING
        is_ours = is_pending or observed.end is RequestEnd.CANCELLED
    if is_ours and cause:
        return cause
    return "time" if is_pending else "disconnect"
