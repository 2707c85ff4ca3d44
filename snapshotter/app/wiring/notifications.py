"""
Build the notification service: its rules and channels from `notify.toml`, and its outbox.

The outbox is in the queue's database. `notify_once` sends one notification from a command, and
`channel_problems` finds the channels whose secrets cannot be read.
"""

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from snapshotter.app import machine
from snapshotter.app.policies import configured_policy
from snapshotter.app.settings import Settings
from snapshotter.errors import SnapshotterError
from snapshotter.ports import Channel, ShowMessage
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.monitoring.notification_delivery import NotificationService
    from snapshotter.jobs.outbox import Outbox
    from snapshotter.model.notification import NotificationEvent
    from snapshotter.notify.rules import MailEntry, NotifyRules, WebhookEntry

_SECRET_BYTES = 4096
_NOBODY_HINT = (
    "set notify_file in your own settings to the path of a file notify.toml "
    "(docs/howto/notifications.md)"
)


def rules(settings: Settings) -> "NotifyRules":
    """
    Return the notification rules. Raises SnapshotterError: there is no file, or it is invalid.
    """
    from snapshotter.notify.rules import load

    if settings.notify_file is None:
        raise SnapshotterError(tr("no channel for messages is configured"), hint=_NOBODY_HINT)
    return load(settings.notify_file)


def outbox(settings: Settings) -> "Outbox":
    """Return the outbox of unsent messages in the queue's database. Raises ServiceUnavailable."""
    from snapshotter.jobs.open_database import open_database
    from snapshotter.jobs.outbox import Outbox  # before the database: it declares tables

    return Outbox(open_database(settings.queue))


def notification_service(settings: Settings) -> "NotificationService":
    """
    Return the service that accepts events and sends messages.

    Raises:
        SnapshotterError: No `notify_file` is configured, or it is invalid.
        ServiceUnavailable: The queue's database does not answer.
    """
    from snapshotter.app.monitoring.notification_delivery import NotificationService

    read = rules(settings)
    return NotificationService(
        read,
        outbox(settings),
        {
            channel.name: _channel(channel, read.source.parent, settings)
            for channel in read.channels
        },
        clock=machine.SystemClock(),
        ids=machine.RandomIds(),
        policies=partial(configured_policy.policy_names, settings),
    )


def notify_once(
    settings: Settings, event: "NotificationEvent", *, show_message: ShowMessage
) -> None:
    """
    Send a notification now, from a command that ends; an unsent message stays in the outbox.

    Args:
        show_message: Shows why a message was not sent. The command goes on in any case.
    """
    if settings.notify_file is None:
        return
    try:
        with closing(notification_service(settings)) as service:
            service.notify(event)
            for problem in service.round(hurry=True).problems:
                show_message(
                    tr(
                        "WARNING: a message was not sent to all recipients: {problem}. List the "
                        "messages that are still to be sent:\n  snapshotter notify outbox",
                        problem=problem,
                    )
                )
    except SnapshotterError as error:
        show_message(tr("WARNING: the message was not sent: {value}", value=error.message))
    except ModuleNotFoundError as error:  # the command itself needs none of these
        show_message(
            tr(
                "WARNING: the message was not sent, because {name} is not installed",
                name=error.name,
            )
        )


def channel_problems(settings: Settings) -> Iterator[tuple[str, SnapshotterError]]:
    """
    Yield the channels whose secrets cannot be read; no connection is made.

    Raises:
        SnapshotterError: The file is invalid.
    """
    from snapshotter.formats.signatures.standard_webhooks import parse_secrets
    from snapshotter.notify.rules import WebhookEntry
    from snapshotter.seal.key_files import passphrase_from_file

    read = rules(settings)
    beside = read.source.parent
    for entry in read.channels:
        try:
            if isinstance(entry, WebhookEntry):
                _url(entry, beside)
                parse_secrets(_secrets(_beside(beside, entry.secret_file)))
            elif entry.password_file:
                passphrase_from_file(_beside(beside, entry.password_file))
        except SnapshotterError as error:
            yield entry.name, error


def _channel(entry: "WebhookEntry | MailEntry", beside: Path, settings: Settings) -> Channel:
    from snapshotter.notify.egress import GuardedConnections
    from snapshotter.notify.mail import SmtpMail
    from snapshotter.notify.rules import WebhookEntry
    from snapshotter.notify.webhook import HttpWebhook
    from snapshotter.seal.key_files import passphrase_from_file

    clock = machine.SystemClock()
    connections = GuardedConnections(
        clock=clock,
        timeout_s=entry.timeout_s,
        allowed=(*settings.allow_networks, *entry.allow_networks),
        upstream=settings.proxy,
        ca_file=_beside(beside, entry.ca_file) if entry.ca_file else None,
    )
    if isinstance(entry, WebhookEntry):
        return HttpWebhook(
            entry.name,
            url=partial(_url, entry, beside),
            secrets=partial(_secrets, _beside(beside, entry.secret_file)),
            connections=connections,
            clock=clock,
        )
    password = None
    if entry.password_file:
        password = partial(passphrase_from_file, _beside(beside, entry.password_file))
    return SmtpMail(entry, password=password, connections=connections)


def _beside(directory: Path, path: str) -> Path:
    """Return the path that a file names, relative to the folder of that file."""
    return directory / Path(path).expanduser()


def _url(entry: "WebhookEntry", beside: Path) -> str:
    from snapshotter.seal.key_files import passphrase_from_file

    if entry.url:
        return entry.url
    path = _beside(beside, entry.url_file)
    try:
        return entry.checked(passphrase_from_file(path).decode("ascii", "replace").strip())
    except ValueError as error:
        raise SnapshotterError(
            tr(
                "{path} does not contain a valid address of a webhook: {error}",
                path=path,
                error=error,
            )
        ) from error


def _secrets(path: Path) -> str:
    from snapshotter.seal.key_files import read_secret

    return read_secret(path, _SECRET_BYTES, what="a secret").decode("ascii", "replace")
