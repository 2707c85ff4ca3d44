"""
Provide `snapshotter notify`: list and test channels, list, send and retry messages, and make a
secret for a webhook.
"""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from snapshotter.app.json_objects.values import instant_json
from snapshotter.cli.output import print_json, print_message, print_result
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.notify.rules import MailEntry, RuleEntry, WebhookEntry

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def notify() -> None:
    """
    Send messages about captures, audits and take-downs by webhook or mail.

    The setting notify_file names the file with the channels and rules. Workers send messages
    automatically.
    """


@notify.command(
    name="list",
    epilog="""\b
Examples:
  snapshotter notify list
  snapshotter notify list --json
""",
)
@_JSON
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """List the channels, and the rules that decide which messages are sent through each channel."""
    from snapshotter.app.wiring import notifications as wiring_notifications

    rules = wiring_notifications.rules(ctx.obj.load())
    if as_json:
        print_json(
            {
                "channels": [_channel_json(channel) for channel in rules.channels],
                "file": str(rules.source),
                "group_s": rules.group_s,
                "installation": rules.installation,
                "repeat_s": rules.repeat_s,
                "rules": [entry.as_dict() for entry in rules.rules],
            }
        )
        return
    for channel in rules.channels:
        print_result(
            tr(
                "channel  {name:<16} {type:<8} {where}  addresses: {urls}",
                name=channel.name,
                type=channel.type,
                where=_where(channel),
                urls=_urls(channel.urls),
            )
        )
    print_result()
    for number, rule in enumerate(rules.rules, start=1):
        print_result(tr("rule {number:<3} {rule}", number=number, rule=_rule(rule)))


@notify.command(
    epilog="""\b
Examples:
  snapshotter notify test desk
"""
)
@click.argument("channel", metavar="CHANNEL")
@_JSON
@click.pass_context
def test(ctx: click.Context, channel: str, as_json: bool) -> None:
    """
    Send a test message through a channel now, and show the result.

    Exit codes: 0 the message was accepted, 30 the message was not accepted.
    """
    from snapshotter.app.wiring import notifications as wiring_notifications

    with closing(wiring_notifications.notification_service(ctx.obj.load())) as service:
        delivery = service.test(channel)
    if as_json:
        print_json({"channel": channel, "delivered": delivery.delivered, "detail": delivery.detail})
    elif delivery.delivered:
        print_result(
            tr(
                "{channel} accepted the message{value}",
                channel=channel,
                value=f": {delivery.detail}" if delivery.detail else "",
            )
        )
    if not delivery.delivered:
        raise ServiceUnavailable(
            tr(
                "{channel} did not accept the message: {detail}",
                channel=channel,
                detail=delivery.detail,
            ),
            hint=tr('read "What can go wrong" in docs/howto/notifications.md'),
        )


@notify.command(
    epilog="""\b
Examples:
  snapshotter notify outbox
  snapshotter notify outbox --state owed --state given-up --json
"""
)
@click.option(
    "--state",
    "states",
    type=click.Choice(["owed", "sent", "given-up"]),
    multiple=True,
    help="Show only messages in this state; may be repeated.  [default: all]",
)
@click.option(
    "--newest",
    type=click.IntRange(1),
    metavar="N",
    default=50,
    show_default=True,
    help="Show at most this many messages.",
)
@_JSON
@click.pass_context
def outbox(ctx: click.Context, states: tuple[str, ...], newest: int, as_json: bool) -> None:
    """List all messages, newest first: messages that are owed, sent, or given up."""
    from snapshotter.app.wiring import notifications as wiring_notifications
    from snapshotter.jobs.outbox import MessageState

    with closing(wiring_notifications.outbox(ctx.obj.load())) as box:
        waiting = box.waiting_count()
        found = list(box.messages(states=frozenset(map(MessageState, states)), newest=newest))
    if as_json:
        for message in found:
            print_json(
                {
                    "attempts": message.attempts,
                    "channel": message.channel,
                    "created_at": instant_json(message.created_at),
                    "detail": message.detail,
                    "events": message.events,
                    "id": message.id,
                    "kind": message.kind.value,
                    "next_at": instant_json(message.next_at),
                    "settled_at": instant_json(message.settled_at),
                    "state": message.state.value,
                }
            )
        return
    for message in found:
        when = f"next try {instant_json(message.next_at)}" if message.next_at else ""
        details = "; ".join(text for text in (when, message.detail) if text)
        print_result(
            f"{message.id}  {message.state:<8}  {message.channel:<12}  {message.kind:<18}  "
            f"{message.events:>4} events  {message.attempts:>3} attempts  {details}".rstrip()
        )
    if waiting:
        print_message(
            tr(
                "events that wait for further events of their group, or that repeat an earlier "
                "message: {waiting}",
                waiting=waiting,
            )
        )


@notify.command(
    epilog="""\b
Examples:
  snapshotter notify send
"""
)
@_JSON
@click.pass_context
def send(ctx: click.Context, as_json: bool) -> None:
    """
    Send all messages that are due now.

    Workers send messages automatically. If no worker runs, run this command from cron. The command
    sends each message now and does not wait for further events of the same group.

    Exit codes: 0 all messages that were due were accepted, 30 at least one message was not
    accepted.
    """
    from snapshotter.app.wiring import notifications as wiring_notifications

    with closing(wiring_notifications.notification_service(ctx.obj.load())) as service:
        done = service.round(hurry=True)
        service.tidy()
    if as_json:
        print_json(
            {
                "failed": done.failed,
                "given_up": done.given_up,
                "made": done.gathered,
                "problems": list(done.problems),
                "sent": done.sent,
            }
        )
    else:
        print_result(
            tr(
                "messages sent: {sent}, still owed after a failure: {failed}, given up: {given_up}",
                sent=done.sent,
                failed=done.failed,
                given_up=done.given_up,
            )
        )
    if done.failed or done.given_up:
        raise ServiceUnavailable(
            "; ".join(done.problems),
            hint=tr("show when each message is sent again:\n  snapshotter notify outbox"),
        )


@notify.command(
    epilog="""\b
Examples:
  snapshotter notify retry msg_ozqwc3lvmf2gk4tb
  snapshotter notify retry --all
"""
)
@click.argument("message_ids", metavar="[ID…]", nargs=-1)
@click.option(
    "--all", "everything", is_flag=True, help="Select all messages that are owed or given up."
)
@_JSON
@click.pass_context
def retry(
    ctx: click.Context, message_ids: tuple[str, ...], everything: bool, as_json: bool
) -> None:
    """Send messages again that were given up, and send owed messages now."""
    from snapshotter.app.wiring import notifications as wiring_notifications

    if everything == bool(message_ids):
        raise click.UsageError(tr("give the ids of messages, or --all"))
    with closing(wiring_notifications.outbox(ctx.obj.load())) as box:
        count = box.retry(message_ids)
    if count < len(message_ids):
        raise SnapshotterError(
            tr(
                "messages that cannot be sent again or do not exist: {count} of {count2}",
                count=len(message_ids) - count,
                count2=len(message_ids),
            ),
            hint=tr(
                "list the messages that can be sent again:\n  snapshotter notify outbox "
                "--state owed --state given-up"
            ),
        )
    if as_json:
        print_json({"owed": count})
        return
    print_result(
        tr(
            "messages to be sent by a worker or by the command `snapshotter notify send`: {count}",
            count=count,
        )
    )


@notify.command(
    epilog="""\b
Examples:
  snapshotter notify secret desk.secret
"""
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def secret(file: Path) -> None:
    """
    Make a file with a new secret for a webhook.

    Only you can read the file. The receiver of the webhook needs the same secret. An existing file
    is not changed.

    To replace a secret, write the new secret in a line above the old secret, give the new secret to
    the receiver, and then remove the old secret.
    """
    from snapshotter.formats.signatures.standard_webhooks import new_secret
    from snapshotter.seal.key_files import write_secret

    write_secret(file, f"{new_secret()}\n".encode())
    print_result(str(file))
    print_message(
        tr(
            "the receiver of the webhook needs the secret in this file: send the secret to the "
            "receiver through a secure channel"
        )
    )


def _where(channel: "WebhookEntry | MailEntry") -> str:
    if channel.type == "webhook":  # whoever knows the whole address can often post there
        parts = urlsplit(channel.url)
        return (
            f"{parts.scheme}://{parts.netloc}" if channel.url else f"address in {channel.url_file}"
        )
    return f"{channel.server}:{channel.port} to {', '.join(channel.to)}"


def _channel_json(channel: "WebhookEntry | MailEntry") -> dict[str, Any]:
    return {
        "name": channel.name,
        "type": channel.type,
        "urls": channel.urls,
        "where": _where(channel),
    }


def _urls(urls: str) -> str:
    return "never" if urls == "none" else "defanged"


def _rule(rule: "RuleEntry") -> str:
    parts = [", ".join(rule.kinds)]
    parts += [
        f"{word} {', '.join(values)}"
        for word, values in (
            ("of", rule.origins if rule.origins != ("*",) else ()),
            ("under", rule.policies if rule.policies != ("*",) else ()),
            ("tagged", rule.tags),
        )
        if values
    ]
    return f"{'; '.join(parts)} → {', '.join(rule.channels) or tr('no channel')}"
