"""
Provide `snapshotter doctor`: check that this machine can capture pages, by tests of the browser,
the network, the clock, the keys, the store, the log, the timestamp authorities and the disk.
"""

import click

from snapshotter.cli.output import print_json, print_message, print_result
from snapshotter.translation import tr


@click.command(
    epilog="""\b
Examples:
  snapshotter doctor
  snapshotter doctor --store s3://evidence --offline
"""
)
@click.option("--store", metavar="DIR|s3://…", help="Store to check.  [default: captures]")
@click.option("--offline", is_flag=True, help="Do not send requests to timestamp authorities.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each check.")
@click.pass_context
def doctor(ctx: click.Context, store: str | None, offline: bool, as_json: bool) -> int:
    """
    Check whether this machine can make captures.

    The command starts the browser, makes a test signature, writes test objects to the store, and
    requests timestamp tokens. The command prints one line for each check. Below each failure and
    warning, the command prints how you can correct the problem.

    Exit codes: 0 no check failed. 1 a check failed. Warnings do not change the exit code.
    """
    from snapshotter.app.doctor import CheckState, run_checks
    from snapshotter.app.wiring.doctor import doctor_dependencies
    from snapshotter.formats.printable import printable

    settings = ctx.obj.load(store=store or "")
    marks = {CheckState.OK: "ok  ", CheckState.WARNING: "warn", CheckState.FAILURE: "FAIL"}
    states = []
    for check in run_checks(settings, doctor_dependencies(settings), offline=offline):
        states.append(check.state)
        if as_json:
            print_json(
                {
                    "check": check.name,
                    "detail": check.detail,
                    "fix": check.fix or None,
                    "state": check.state.value,
                }
            )
            continue
        print_result(f"{marks[check.state]} {check.name:<10} {printable(check.detail)}")
        if check.fix and check.state is not CheckState.OK:
            sentence, *commands = map(printable, check.fix.split("\n"))
            print_result(tr("                fix: {sentence}", sentence=sentence))
            for command in commands:
                print_result(f"                {command}")
    if not as_json:
        for source in settings.sources:
            print_message(tr("the settings were read from {source}", source=source))
    return 1 if CheckState.FAILURE in states else 0
