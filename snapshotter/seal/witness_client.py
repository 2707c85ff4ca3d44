"""
Ask a witness over HTTP to cosign a checkpoint: the client side of C2SP tlog-witness.

    POST <url>/add-checkpoint     old 12, a consistency proof, the checkpoint
      200 → its signature lines, of which those by its configured key count
      409 → the size it saw last: asked again once, with a proof from there

A cosignature is used only after it was verified with the configured key. The transport that
the caller gives decides how connections are made.
"""

import base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from snapshotter.errors import EvidenceInvalid, ServiceUnavailable
from snapshotter.formats.proofs import merkle, note
from snapshotter.formats.proofs.note import COSIGNATURE_V1, VerifierKey
from snapshotter.ports import Clock
from snapshotter.translation import tr

if TYPE_CHECKING:
    import httpx

_USER_AGENT: Final = "snapshotter"
_MAX_ANSWER: Final = note.MAX_BYTES  # bytes
_SIZE_TYPE: Final = "text/x.tlog.size"


class HttpWitness:
    """
    A witness behind HTTP (the port `Witness`). Any number of threads may use it.

    Args:
        key: The key of the witness; only its cosignatures are accepted.
        url: The submission prefix of the witness, http or https.
        clock: Measures the limit on the whole exchange.
        timeout_s: For the whole exchange.
        transport: Returns the transport of each exchange.
    """

    def __init__(
        self,
        key: VerifierKey,
        url: str,
        *,
        clock: Clock,
        transport: Callable[[], "httpx.BaseTransport"],
        timeout_s: float = 8.0,
    ) -> None:
        if key.kind != COSIGNATURE_V1:
            raise ValueError("a witness must have a key for cosignatures")
        if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
            raise ValueError(f"the address of {key.name} is neither http nor https")
        self._key = key
        self._url = f"{url.rstrip('/')}/add-checkpoint"
        self._clock = clock
        self._transport = transport
        self._timeout_s = timeout_s

    @property
    def name(self) -> str:
        """The name of its key."""
        return self._key.name

    @property
    def public_key(self) -> bytes:
        """32 bytes, RFC 8032."""
        return self._key.public_key

    def cosign(
        self, checkpoint: bytes, size: int, known: int, prove: Callable[[int], Sequence[bytes]]
    ) -> bytes:
        """
        See `Witness.cosign`.

        Raises:
            ServiceUnavailable: It did not answer in time, knows another history or none of
                this log, or its answer was no good.
        """
        deadline = self._clock.monotonic() + self._timeout_s
        status, media_type, body = self._post(checkpoint, known, prove(known), deadline)
        if status == 409 and media_type == _SIZE_TYPE:
            known = self._size(body)
            if known > size:
                raise self._refused(
                    tr(
                        "has already seen {known} entries of this log, which is more than "
                        "the log has",
                        known=known,
                    )
                )
            status, _, body = self._post(checkpoint, known, prove(known), deadline)
        if status != 200:
            raise self._refused(_REASONS.get(status, f"answered with HTTP status {status}"))
        return self._line(checkpoint, body)

    def _line(self, checkpoint: bytes, body: bytes) -> bytes:
        """Return the verified signature line of this witness."""
        try:
            lines = note.parse_signature_lines(body.decode())
            mine = [
                signature
                for signature in lines
                if (signature.name, signature.id) == (self._key.name, self._key.id)
            ]
            signed = note.Note(text=note.parse(checkpoint).text, signatures=tuple(mine[:1]))
            if note.find_cosignature(signed, self._key) is None:
                raise self._refused(tr("answered without a cosignature by the key of the witness"))
        except (EvidenceInvalid, UnicodeDecodeError) as error:
            raise self._refused(
                tr("answered without a valid cosignature: {error}", error=error)
            ) from error
        return mine[0].line.encode()

    def _size(self, body: bytes) -> int:
        text = body.decode("ascii", "replace").removesuffix("\n")
        if not (text.isascii() and text.isdigit()) or int(text[:17]) > merkle.MAX_SIZE:
            raise self._refused(tr("did not state the number of entries that the witness has seen"))
        return int(text[:17])

    def _post(
        self, checkpoint: bytes, old: int, proof: Sequence[bytes], deadline: float
    ) -> tuple[int, str, bytes]:
        # Here, because most commands never need it.
        from snapshotter.egress.http_library import httpx

        lines = [f"old {old}", *(base64.b64encode(digest).decode() for digest in proof), ""]
        request = "".join(f"{line}\n" for line in lines).encode() + checkpoint
        left = deadline - self._clock.monotonic()
        if left <= 0:
            raise self._refused(
                tr("did not answer within {timeout_s:g} s", timeout_s=self._timeout_s)
            )
        with (
            self._told(),
            httpx.Client(trust_env=False, transport=self._transport(), timeout=left) as client,
            client.stream(
                "POST",
                self._url,
                content=request,
                headers={
                    "Content-Type": "text/plain; charset=utf-8",
                    "Accept-Encoding": "identity",
                    "User-Agent": _USER_AGENT,
                },
            ) as answer,
        ):
            body = bytearray()
            for chunk in answer.iter_raw():
                body += chunk
                if len(body) > _MAX_ANSWER:
                    raise self._refused(
                        tr("answered with more than {max_answer} bytes", max_answer=_MAX_ANSWER)
                    )
                # httpx limits each read, not their sum.
                if self._clock.monotonic() > deadline:
                    raise self._refused(
                        tr("did not answer within {timeout_s:g} s", timeout_s=self._timeout_s)
                    )
            media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            return answer.status_code, media_type, bytes(body)

    @contextmanager
    def _told(self) -> Iterator[None]:
        from snapshotter.egress.http_library import httpx

        try:
            yield
        except httpx.TimeoutException as error:
            raise self._refused(
                tr("did not answer within {timeout_s:g} s", timeout_s=self._timeout_s)
            ) from error
        except httpx.ConnectError as error:
            raise self._refused(tr("cannot be reached: {error}", error=error)) from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise self._refused(tr("closed the connection: {error}", error=error)) from error

    def _refused(self, what: str) -> ServiceUnavailable:
        return ServiceUnavailable(
            tr("the witness {name} {what}", name=self._key.name, what=what),
            hint=tr(
                "the log continues without this witness; the next checkpoint is sent to the "
                "witness again"
            ),
        )


_REASONS: Final = {
    400: "rejected the request as malformed",
    403: "rejected the checkpoint, because the key that signed the checkpoint is unknown to the "
    "witness",
    404: "rejected the checkpoint, because the log is unknown to the witness: give the operator "
    "of the witness the verifier key of the log",
    409: "has received another checkpoint of this log in the meantime",
    422: "has seen ANOTHER HISTORY of this log; check the log with the command: snapshotter log "
    "check",
}
