"""Provide `snapshotter queue hosts`: show the limits and waits of hosts, and end a wait."""

from typing import TYPE_CHECKING, Any

import click

from snapshotter.app.json_objects.values import instant_json
from snapshotter.cli.output import format_time, print_json, print_message, print_result
from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.jobs.queue.hosts import HostStatus
    from snapshotter.policy.host_rules import Politeness


@click.command(
    epilog="""\b
Examples:
  snapshotter queue hosts
  snapshotter queue hosts --json example.org
  snapshotter queue hosts --reset example.org
"""
)
@click.argument("names", nargs=-1, metavar="[HOST…]")
@click.option("--held", is_flag=True, help="Show only hosts that cannot be visited now.")
@click.option(
    "--reset",
    "resets",
    multiple=True,
    metavar="HOST",
    help="End the waiting time that follows throttling, server errors or missing answers of this "
    "host, so that the host can be visited now; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each host.")
@click.pass_context
def hosts(
    ctx: click.Context,
    names: tuple[str, ...],
    held: bool,
    resets: tuple[str, ...],
    as_json: bool,
) -> None:
    """
    Show the hosts, their limits, and the time until which visits to a host are suspended. The list
    contains the hosts that have jobs or were visited recently. Limits and budgets come from the
    politeness file. --reset does not change the number of visits that count against the budget.
    """
    from snapshotter.app.wiring import queue as wiring_queue
    from snapshotter.jobs.queue.hosts import clear_back_off, host_statuses

    rules = wiring_queue.politeness(ctx.obj)
    with wiring_queue.queue_database(ctx.obj) as database:
        for name in resets:
            if not clear_back_off(database, _key(rules, name)):
                raise SnapshotterError(
                    tr("the queue has no entry for the host {name}", name=name),
                    hint=tr("list the hosts:\n  snapshotter queue hosts"),
                )
            print_message(
                tr(
                    "the host {name} can be visited again; its budget and its quiet hours still "
                    "apply",
                    name=name,
                )
            )
        views = host_statuses(database, rules)
    wanted = {_key(rules, name) for name in names or resets}
    shown = [
        host
        for host in views
        if (host.key in wanted or not wanted) and (host.wait is not None or not held)
    ]
    for view in shown:
        if as_json:
            print_json(_object(view))
        else:
            print_result(_line(view))
    if not shown and not as_json:
        print_message(tr("no host that matches the options has jobs or was visited recently"))


def _key(rules: "Politeness", name: str) -> str:
    from snapshotter.policy.host_rules import GROUP

    if name.startswith(GROUP):
        return name
    try:
        return rules.key(f"http://[{name}]/" if name.count(":") > 1 else f"http://{name}/")
    except ValueError as error:
        raise click.UsageError(tr("{name!r} is not a valid name of a host", name=name)) from error


def _line(view: "HostStatus") -> str:
    from snapshotter.policy.politeness import describe_wait

    budget = f" of {view.rules.per_day}" if view.rules.per_day else ""
    parts = [
        tr(
            "{key:<30} running visits: {under_way} of {at_once}, visits in 24 hours: "
            "{visits}{budget}",
            key=view.key,
            under_way=view.under_way,
            at_once=view.rules.at_once,
            visits=view.visits,
            budget=budget,
        )
    ]
    if view.waiting:
        parts.append(f"{view.waiting} waiting")
    if view.wait is not None:
        until = view.wait.until
        when = f"not before {format_time(until)}: " if until else ""
        parts.append(f"{when}{describe_wait(view.wait, view.rules)}")
    return ", ".join(parts)


def _object(view: "HostStatus") -> dict[str, Any]:
    until = view.wait.until if view.wait else None
    return {
        "at_once": view.rules.at_once,
        "complaints": view.state.strikes,
        "free_at": instant_json(until),
        "host": view.key,
        "per_day": view.rules.per_day or None,
        "rules": view.rules.name,
        "under_way": view.under_way,
        "visits": view.visits,
        "waiting": view.waiting,
        "why": view.wait.cause.value if view.wait else None,
    }
