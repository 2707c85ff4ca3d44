"""
Compose a message: JSON for programs, and plain text for people from the same values.

The JSON is made once and stored, so every delivery attempt sends the same bytes
(docs/reference/notifications.md).
"""

import json
from collections.abc import Sequence
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any, Final

from snapshotter.formats.canonical_json import dumps, instant, parse_instant
from snapshotter.formats.printable import printable
from snapshotter.model.notification import NotificationEvent, NotificationKind, UndeliveredMessage
from snapshotter.model.sentences import CAUSE_NAMES, as_sentence
from snapshotter.translation import tr

# One of a kind, and several of it.
HEADLINES: Final = {
    NotificationKind.CAPTURE_DONE: (tr("a capture is done"), tr("{} captures are done")),
    NotificationKind.CAPTURE_INCOMPLETE: (
        tr("a capture lacks something that its policy requires"),
        tr("{} captures lack something that their policies require"),
    ),
    NotificationKind.CAPTURE_FAILED: ("a capture failed", "{} captures failed"),
    NotificationKind.CAPTURE_DEAD: (
        tr("a capture failed in all its attempts"),
        tr("{} captures failed in all their attempts"),
    ),
    NotificationKind.SCHEDULE_GAP: (
        tr("visits of a schedule were missed"),
        tr("visits of {} schedules were missed"),
    ),
    NotificationKind.WATCH_TROUBLE: (
        tr("a watch list has a problem"),
        tr("{} watch lists have a problem"),
    ),
    NotificationKind.HOST_THROTTLED: (
        tr("a host limits the number of visits"),
        tr("{} hosts limit the number of visits"),
    ),
    NotificationKind.TAKEDOWN_SUSPECTED: (
        tr("a page may have been removed"),
        tr("{} pages may have been removed"),
    ),
    NotificationKind.TAKEDOWN_CONFIRMED: (
        tr("a take-down was confirmed"),
        tr("{} take-downs were confirmed"),
    ),
    NotificationKind.TAKEDOWN_REINSTATED: (
        tr("the end of a take-down was confirmed"),
        tr("the ends of {} take-downs were confirmed"),
    ),
    NotificationKind.ACCOUNT_CHANGED: (
        tr("the state of an account has changed"),
        tr("the states of {} accounts have changed"),
    ),
    NotificationKind.NOTICE_UNKNOWN: (
        tr("a page shows a notice that no rule matches"),
        tr("{} pages show notices that no rule matches"),
    ),
    NotificationKind.COUNT_CROSSED: (
        tr("a count reached a threshold"),
        tr("{} counts reached a threshold"),
    ),
    NotificationKind.ACCOUNT_RENAMED: (
        tr("an account has a new name"),
        tr("{} accounts have new names"),
    ),
    NotificationKind.PAGE_CHANGED: (tr("a page has changed"), tr("{} pages have changed")),
    NotificationKind.AUDIT_FAILED: (
        tr("the verdict of an audit is FAILED"),
        tr("the verdicts of {} audits are FAILED"),
    ),
    NotificationKind.AUDIT_WITHHELD: (
        tr("a store no longer returns objects that it has returned before"),
        tr("{} stores no longer return objects that they have returned before"),
    ),
    NotificationKind.WORKER_LOST: (
        tr("a worker ended unexpectedly"),
        tr("{} workers ended unexpectedly"),
    ),
    NotificationKind.SERVICE_FAILED: (
        tr("a service failed or did not answer"),
        tr("{} services failed or did not answer"),
    ),
    NotificationKind.DISK_LOW: (tr("a disk is nearly full"), tr("{} disks are nearly full")),
    NotificationKind.REPORT_DAY: (tr("the report about a day"), tr("the reports about {} days")),
    NotificationKind.TEST: (tr("this is a test"), "{} test messages"),
}


def compose(
    message_id: str,
    kind: NotificationKind,
    at: datetime,
    events: Sequence[NotificationEvent],
    installation: str,
) -> bytes:
    """
    Return the JSON of a message.

    Args:
        events: In the order in which they happened, reduced to what may be said. Several of
            one subject become one item, the last one, with how many there were.
    """
    items: dict[str, list[NotificationEvent]] = {}
    for event in events:
        items.setdefault(event.subject, []).append(event)
    return dumps(
        {
            "data": {
                "count": len(events),
                "events": [
                    _item(group, f"{message_id}/{number}")
                    for number, group in enumerate(items.values(), start=1)
                ],
                "headline": headline(kind, len(events) if kind in _ONE_BY_ONE else len(items)),
                "installation": installation,
            },
            "id": message_id,
            "timestamp": instant(at),
            "type": kind.value,
        }
    )


# Events of several pages of one account share a subject, and each one counts.
_ONE_BY_ONE: Final = frozenset(
    {NotificationKind.TAKEDOWN_CONFIRMED, NotificationKind.TAKEDOWN_REINSTATED}
)


def headline(kind: NotificationKind, count: int) -> str:
    """Return what happened, in a few words."""
    one, many = HEADLINES[kind]
    return one if count == 1 else many.format(count)


# Their ids are made of the id of a job, or of an account: of what may name a page.
_IDS_OF_PAGES: Final = frozenset(
    {
        NotificationKind.CAPTURE_DONE,
        NotificationKind.CAPTURE_INCOMPLETE,
        NotificationKind.CAPTURE_FAILED,
        NotificationKind.CAPTURE_DEAD,
        NotificationKind.HOST_THROTTLED,
        NotificationKind.ACCOUNT_RENAMED,
    }
)


def _item(group: Sequence[NotificationEvent], place: str) -> dict[str, Any]:
    last = group[-1]
    # The id of the job in it was shortened, or there is none.
    tells = last.kind in _IDS_OF_PAGES and not (last.job_id and last.job_id in last.id)
    may_tell = bool(last.url or last.host)
    item: dict[str, Any] = {
        "at": instant(last.at),
        "count": len(group),
        "first_at": instant(group[0].at),
        "id": last.id if may_tell or not tells else place,
        "summary": printable(last.summary),
    }
    texts = {
        "bundle_id": last.bundle_id,
        "detail": last.detail,
        "host": last.host,
        "job_id": last.job_id,
        "origin": ", ".join(last.origins),
        "policy": ", ".join(last.policies),
        "url": last.url,
        "worker": last.worker,
    }
    item |= {key: printable(text) for key, text in texts.items() if text}
    lists = {"reasons": last.reasons, "tags": last.tags}
    return item | {
        key: [printable(text) for text in texts] for key, texts in lists.items() if texts
    }


def compose_mail(message: UndeliveredMessage, *, sender: str, to: Sequence[str]) -> EmailMessage:
    """Return a message as mail: plain text, the same at each attempt."""
    value = json.loads(message.body)
    data = value["data"]
    told = EmailMessage(policy=SMTP)
    where = f" at {data['installation']}" if data["installation"] else ""
    told["Subject"] = f"snapshotter{where}: {data['headline']}"
    told["From"] = Address(addr_spec=sender)
    told["To"] = tuple(Address(addr_spec=recipient) for recipient in to)
    told["Date"] = format_datetime(parse_instant(value["timestamp"]))
    told["Message-ID"] = f"<{message.id}@{sender.rpartition('@')[2]}>"
    told["Auto-Submitted"] = "auto-generated"  # RFC 3834: nothing answers it
    told["X-Snapshotter-Event"] = message.kind.value
    # Seven bits: not every relay takes eight, and a broken line is a broken message.
    told.set_content("\n".join(_lines(message, data)) + "\n", cte="quoted-printable")
    return told


_WORDS: Final = (
    ("job_id", "job"), ("bundle_id", "bundle"), ("origin", "requested by"), ("policy", "policy"),
    ("worker", "worker"), ("host", "host"), ("url", "address"), ("detail", "detail"),
)  # fmt: skip


# Their ids end with the id of a take-down event, of which a proof pack can be made.
_HAVE_PACKS: Final = frozenset(
    {NotificationKind.TAKEDOWN_CONFIRMED, NotificationKind.TAKEDOWN_REINSTATED}
)


def _lines(message: UndeliveredMessage, data: dict[str, Any]) -> list[str]:
    found = [as_sentence(data["headline"]), ""]
    for number, event in enumerate(data["events"], start=1):
        times = (
            tr(
                "number of events since {event2}: {event}; time of the last event: ",
                event=event["count"],
                event2=event["first_at"],
            )
            if event["count"] > 1
            else ""
        )
        found.append(f"{number:>3}. {times}{event['at']}: {event['summary']}")
        found += [f"     {words:<12} {event[key]}" for key, words in _WORDS if event.get(key)]
        if "reasons" in event:
            found.append(f"     {'reasons':<12} {', '.join(map(_reason, event['reasons']))}")
        if "tags" in event:
            found.append(f"     {'tags':<12} {', '.join(event['tags'])}")
        found += [f"     {label:<12} {text}" for label, text in _next(message.kind, event)]
    named = any(event.get("url") or event.get("host") for event in data["events"])
    how = (
        tr(
            "Addresses are written as hxxps://example[.]org, so that programs do not turn the "
            "addresses into links."
        )
        if named
        else tr(
            "This message does not contain addresses. The commands above show the page. To get "
            'addresses in messages, set urls = "defanged" for this channel in notify.toml.'
        )
    )
    found += [
        "",
        "-- ",
        f"Message {message.id}. {how}",
        "This message is not evidence. The records of what happened are in the store, in its log "
        "and in the queue.",
    ]
    return found


def _next(kind: NotificationKind, event: dict[str, Any]) -> list[tuple[str, str]]:
    """Return where a proof pack is, and the commands that show what happened."""
    rows = []
    event_id = event["id"].rpartition("/")[2]
    has_pack = kind in _HAVE_PACKS and event["id"].startswith(f"{kind.value}/")
    if has_pack:
        rows.append(
            (
                "proof pack",
                tr(
                    "proofs/{event_id}.html in the data_dir of the worker, if the policy "
                    "requires a proof pack",
                    event_id=event_id,
                ),
            )
        )
    commands = [f"snapshotter show {event['bundle_id']}"] if event.get("bundle_id") else []
    if has_pack:
        commands += [f"snapshotter takedown show {event_id}", f"snapshotter proof {event_id}"]
    return rows + [("next" if not number else "", text) for number, text in enumerate(commands)]


def _reason(code: str) -> str:
    """Return a reason; a stated cause of a removal with its name for people."""
    names = {cause.value: name for cause, name in CAUSE_NAMES.items()}
    return f"{code} ({names[code]})" if code in names else code
