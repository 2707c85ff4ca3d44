"""
Read the log's newest checkpoint, which a capture quotes, and log the bundle after it is stored.

`write_reminder` is called before the bundle is stored, so that a crash does not leave it unlogged.
"""

import contextlib
import threading
from dataclasses import replace
from typing import Final

from snapshotter.app.interruption import Protection
from snapshotter.app.upkeep.log_entries import LogResult, StoreLog
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.model.bundle import Bundle
from snapshotter.ports import Progress
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

QUOTE_S: Final = 30.0  # for which a job waits for the log of a store that does not answer


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedCheckpoint:
    """The newest checkpoint of the log when a capture begins; the capture record quotes it."""

    text: str = ""  # the whole signed note; "" if there is none
    size: int = 0
    problem: str = ""  # why the log cannot be used
    remedy: str = ""  # what to do about that; "" where the next capture may succeed without it


def quoted_checkpoint(log: StoreLog | None, *, longest_s: float | None = None) -> QuotedCheckpoint:
    """
    Return the checkpoint that a capture quotes; an unreadable log does not stop the capture.

    Args:
        longest_s: Seconds after which the capture begins without a checkpoint. A store that accepts
            connections and does not answer takes minutes to fail, and the page can vanish
            meanwhile. None: wait, because a person may be asked for the passphrase of the log's
            key.
    """
    if log is None:
        return QuotedCheckpoint()
    if longest_s is None:
        return _newest_checkpoint(log)
    found: list[QuotedCheckpoint] = []
    # It is abandoned after the time, and ends by itself.
    reading = threading.Thread(
        target=lambda: found.append(_newest_checkpoint(log)), name="checkpoint", daemon=True
    )
    reading.start()
    reading.join(longest_s)
    if found:
        return found[0]
    return QuotedCheckpoint(
        problem=tr(
            "the log of {url} was not read within {longest_s:g} s",
            url=log.store.url,
            longest_s=longest_s,
        )
    )


def _newest_checkpoint(log: StoreLog) -> QuotedCheckpoint:
    try:
        newest = log.newest()
    except SnapshotterError as error:
        return QuotedCheckpoint(problem=error.message, remedy=_remedy(error))
    except Exception as error:  # noqa: BLE001  a bug in the log must not stop a capture
        return QuotedCheckpoint(problem=f"{type(error).__name__}: {error}")
    if newest is None:
        return QuotedCheckpoint()
    return QuotedCheckpoint(text=newest.note.encode().decode(), size=newest.size)


def begin_log(log: StoreLog | None) -> None:
    """
    Open the log, or make it, before the first of several pages is announced.

    The notice about a new log is printed then. An error is not raised here: each capture opens
    the log again, and reports the error with its result.
    """
    if log is not None:
        with contextlib.suppress(Exception):
            _ = log.writer


def _remedy(error: SnapshotterError) -> str:
    """Return what to do about an error; "" where the next capture may succeed without it."""
    return "" if isinstance(error, ServiceUnavailable) else error.hint


def write_reminder(bundle: Bundle, log: StoreLog | None, quoted: QuotedCheckpoint) -> str:
    """
    Write a reminder of a bundle before it is stored, in case a crash leaves it unlogged.

    Returns:
        Why the reminder could not be written; "" if it was. The bundle is stored in either
        case: `log sync` finds it without a reminder.
    """
    if log is not None:
        try:
            log.remember(bundle.id, bundle.digests.sha256, quoted.size)
        except SnapshotterError as error:
            return error.message
    return ""


def log_bundle(
    bundle: Bundle,
    log: StoreLog | None,
    quoted: QuotedCheckpoint,
    progress: Progress,
    stop: Protection,
    *,
    unrecorded_reason: str = "",
) -> LogResult | None:
    """
    Log the stored bundle and write its proof; a failure is part of the result.

    The bundle is stored by now, so a signal ends the logging at once.

    Args:
        unrecorded_reason: What `write_reminder` returned.
    """
    if log is None:
        return None
    done = _logged(bundle, log, quoted, progress, stop)
    return replace(done, unrecorded_reason=unrecorded_reason)


def _logged(
    bundle: Bundle,
    log: StoreLog,
    quoted: QuotedCheckpoint,
    progress: Progress,
    stop: Protection,
) -> LogResult:
    if quoted.problem or stop.wanted:
        problem = quoted.problem or "interrupted"
        return LogResult(index=None, detail=problem, remedy=quoted.remedy)
    progress("append", "")
    try:
        stop.release()
        return log.log(bundle.id, bundle.digests.sha256, quoted.size)
    except SnapshotterError as error:
        return LogResult(index=None, detail=error.message, remedy=_remedy(error))
    except Exception as error:  # noqa: BLE001  a bug in the log must not hide that the bundle is stored
        return LogResult(index=None, detail=f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        stop.wanted = True
        return LogResult(index=None, detail="interrupted")
    finally:
        stop.hold()
