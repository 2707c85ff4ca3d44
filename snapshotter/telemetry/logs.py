"""
Write the log of a worker: one JSON object on each line, for operators (docs/reference/logs.md).

An address can hold a password, a session id or the name of the person who shared it, and logs are
sent to other machines and kept for long. So addresses are written without user, fragment and
parameter values in every field, and the value of a field with the name of a secret is never
written. A log line is not evidence.
"""

import logging
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from enum import IntEnum
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor
from typing_extensions import override

from snapshotter.errors import one_line
from snapshotter.formats.hosts import host_of
from snapshotter.formats.shown_address import LEFT_OUT, redact_text_for_log, redact_url_for_log
from snapshotter.model.job import AttemptEnd, CaptureJob
from snapshotter.model.notification import NotificationEvent
from snapshotter.ports import JobObserver

_LONGEST: Final = 4_000  # characters of one text
_ADDRESSES: Final = frozenset({"url", "requested_url", "final_url"})
_SECRETS: Final = frozenset(
    {
        "authorization", "cookie", "cookies", "credential", "credentials", "passphrase", "password",
        "private_key", "salt", "secret", "set-cookie", "token",
    }
)  # fmt: skip
# What a worker calls its fields, and what they are called in every line.
_NAMES: Final = {"job": "job_id", "bundle": "bundle_id"}


class LogLevel(IntEnum):
    """How much somebody wants to read."""

    DEBUG = logging.DEBUG
    INFO = logging.INFO
    WARNING = logging.WARNING
    ERROR = logging.ERROR


# The last line about an attempt whose end `job_ended` does not report.
_LAST: Final = frozenset({"job.returned", "job.superseded"})
_LEVELS: Final[Mapping[str, LogLevel]] = {
    "bundle.unstored": LogLevel.WARNING,
    "chores.failed": LogLevel.WARNING,
    "event": LogLevel.INFO,
    "health.failed": LogLevel.WARNING,
    "job.began": LogLevel.INFO,
    "job.done": LogLevel.DEBUG,  # `job.ended` says the same, and more
    "job.failed": LogLevel.DEBUG,
    "job.lost": LogLevel.WARNING,
    "job.search-failed": LogLevel.WARNING,
    "notification.failed": LogLevel.WARNING,
    "queue.unavailable": LogLevel.ERROR,
    "schedule.fired": LogLevel.DEBUG,
    "service.failed": LogLevel.WARNING,
    "store.unavailable": LogLevel.DEBUG,  # `service.failed` says the same
    "task.fenced": LogLevel.WARNING,
    "task.interrupted": LogLevel.WARNING,
    "task.lost": LogLevel.WARNING,
    "worker.bug": LogLevel.ERROR,
    "worker.dead": LogLevel.WARNING,
    "queue.moved": LogLevel.WARNING,
    "worker.fenced": LogLevel.WARNING,
    "worker.misfit": LogLevel.WARNING,
    "slot.ended": LogLevel.WARNING,
    "worker.heartbeat": LogLevel.DEBUG,
    "worker.trouble": LogLevel.WARNING,
}


def level_of(event: str) -> LogLevel:
    """Return how much an event matters."""
    return _LEVELS.get(event, LogLevel.INFO)


class WorkerLog(JobObserver):
    """
    Writes what happens in a worker, with job, attempt, host and worker in each line about a job.

    It is called with events and their fields by the worker, and hears what observers hear.
    """

    def __init__(self, stream: TextIO, level: LogLevel) -> None:
        self._log: FilteringBoundLogger = structlog.wrap_logger(
            structlog.WriteLogger(stream),
            processors=[*_SHARED, _JSON],
            wrapper_class=structlog.make_filtering_bound_logger(level),
        )
        self._known: dict[str, dict[str, Any]] = {}  # of jobs under way

    def __call__(self, event: str, **fields: Any) -> None:
        """Write an event."""
        named = {_NAMES.get(name, name): value for name, value in fields.items()}
        known = self._known.get(str(named.get("job_id", "")), {})
        # Nobody may be reading any more, the disk under a log may be full, the stream be closed.
        with suppress(OSError, ValueError):
            self._log.log(level_of(event), event, **(known | named))
        if event in _LAST:
            self._known.pop(str(named.get("job_id", "")), None)

    @override
    def job_began(self, job: CaptureJob, *, attempt: int, worker: str) -> None:
        self._known[job.id] = {
            "attempt": attempt,
            "host": host_of(job.url),
            "job_id": job.id,
            "worker": worker,
        }

    @override
    def job_ended(self, end: AttemptEnd) -> None:
        status = end.status
        known = self._known.pop(status.job.id, {})
        self(
            "job.ended",
            **{
                "attempt": status.attempts,
                "bundle_id": status.bundle_id,
                "bytes": end.length,
                "error": status.error,
                "exit_code": status.exit_code,
                "host": host_of(status.job.url),
                "http_status": status.http_status,
                "job_id": status.job.id,
                "origin": status.job.origin,
                "outcome": status.outcome,
                "stage_ms": dict(end.stage_ms),
                "state": status.state.value,
                "verdict": status.shown.words if status.shown is not None else "",
                "worker": status.worker,
                **known,  # the status of a deferred job counts no attempts
            },
        )

    @override
    def heartbeat(self, worker: str) -> None:
        self("worker.heartbeat", worker=worker)

    @override
    def service_failed(self, service: str, detail: str) -> None:
        self("service.failed", service=service, error=detail)

    @override
    def fired(self, schedule: str, *, late_s: float) -> None:
        self("schedule.fired", schedule=schedule, late_s=round(late_s, 3))

    @override
    def tell(self, event: NotificationEvent) -> None:
        self(
            "event",
            kind=event.kind.value,
            id=event.id,
            summary=event.summary,
            host=event.host,
            job_id=event.job_id,
            origin=", ".join(event.origins),
            worker=event.worker,
            detail=event.detail,
        )


@contextmanager
def log_libraries(stream: TextIO) -> Iterator[None]:
    """
    Have what libraries log written as lines of the same kind, from WARNING on.

    Theirs on lower levels hold addresses and parameters of queries, and are never written.
    """
    handler = logging.StreamHandler(stream)
    handler.setLevel(logging.WARNING)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.stdlib.add_log_level,
                *_SHARED,
                _JSON,
            ],
        )
    )
    root = logging.getLogger()
    before = list(root.handlers)
    root.handlers[:] = [handler]
    logging.captureWarnings(True)
    try:
        yield
    finally:
        root.handlers[:] = before
        logging.captureWarnings(False)


def redact_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields as they may be written, for whoever writes them as sentences."""
    return {name: _redacted(name, value) for name, value in fields.items()}


def _plain(_logger: object, _method: str, fields: EventDict) -> EventDict:
    """Leave out what is empty, and what must not be written of the rest."""
    return {
        name: _redacted(name, value)
        for name, value in fields.items()
        if value is not None and value not in ("", (), {}, [])
    }


def _redacted(name: str, value: Any) -> Any:
    if name.lower() in _SECRETS:
        return LEFT_OUT
    if isinstance(value, str):
        value = one_line(value) if name == "hint" else value
        shown = redact_url_for_log(value) if name in _ADDRESSES else redact_text_for_log(value)
        return shown if len(shown) <= _LONGEST else shown[:_LONGEST] + LEFT_OUT
    if isinstance(value, Mapping):
        return {str(key): _redacted(str(key), element) for key, element in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(name, element) for element in value]
    if isinstance(value, bool | int | float):
        return value
    return _redacted(name, f"<{len(value)} bytes>" if isinstance(value, bytes) else str(value))


def _in_order(_logger: object, _method: str, fields: EventDict) -> MutableMapping[str, Any]:
    """When, how much it matters and what come first: people read these lines as well."""
    first = {name: fields.pop(name) for name in ("at", "level", "event") if name in fields}
    return first | dict(sorted(fields.items()))


_SHARED: Final[list[Processor]] = [
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    structlog.processors.format_exc_info,
    _plain,
    _in_order,
]
# ASCII: nothing that a page wrote steers the terminal on which it is read.
_JSON: Final[Processor] = structlog.processors.JSONRenderer(ensure_ascii=True)
