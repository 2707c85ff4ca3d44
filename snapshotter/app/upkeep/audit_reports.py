"""List the reports of audits that a store has, and open them to be copied."""

import json
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Final

from snapshotter.app.archive.exports.downloads import Download, ObjectMissing
from snapshotter.formats.bundle import store_keys
from snapshotter.model.finding import Verdict
from snapshotter.ports import ReadableStore
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_LIMIT: Final = 4 << 20  # bytes of a report
_SUFFIX: Final = ".json"
_SIGNATURE: Final = ".sig"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReport:
    """A report of an audit as it states itself. Its signature is not checked."""

    report_id: str
    at: datetime  # UTC, when the audit ended
    verdict: Verdict | None  # None: the report cannot be read
    bundles: int  # that were read; 0 if the report cannot be read


def stored_reports(store: ReadableStore, *, newest: int) -> tuple[StoredReport, ...]:
    """
    Return the newest reports of a store, the newest first.

    Raises:
        ServiceUnavailable: The store does not answer.
    """
    return tuple(_report(store, report_id) for report_id in islice(_ids(store), newest))


def open_report(store: ReadableStore, report_id: str, *, signature: bool = False) -> Download:
    """
    Open a report, or its signature, to be copied.

    Raises:
        ObjectMissing: The store has no such report.
        ServiceUnavailable: The store does not answer.
    """
    try:
        key = store_keys.report_key(report_id) + (_SIGNATURE if signature else "")
        length = store.head(key).length
        stream = store.open(key)
    except (ValueError, FileNotFoundError) as error:
        raise ObjectMissing(
            tr("the store has no audit report {report_id}", report_id=report_id[:100])
        ) from error
    return Download(name=key.rpartition("/")[2], length=length, stream=stream, source=stream)


def _ids(store: ReadableStore) -> Iterator[str]:
    for found in store.list(f"{store_keys.AUDITS}/", reverse=True):
        name = found.key.rpartition("/")[2]
        if name.endswith(_SUFFIX) and store_keys.is_id(name.removesuffix(_SUFFIX)):
            yield name.removesuffix(_SUFFIX)


def _report(store: ReadableStore, report_id: str) -> StoredReport:
    at = store_keys.bundle_time(report_id)
    try:
        with store.open(store_keys.report_key(report_id)) as stream:
            found = json.loads(stream.read(_LIMIT))
        return StoredReport(
            report_id=report_id,
            at=at,
            verdict=Verdict(found["verdict"]),
            bundles=int(found["scope"]["read"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError, FileNotFoundError):
        # Whoever may write to the store can write anything there: the list says "not readable".
        return StoredReport(report_id=report_id, at=at, verdict=None, bundles=0)
