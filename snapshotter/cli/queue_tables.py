"""
Provide `snapshotter queue tables` and `queue migrate`: show the version number of the queue's
database tables, and migrate the tables to another version, which another release can use.
"""

from typing import TYPE_CHECKING, Any

import click

from snapshotter.cli.output import print_json, print_result
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.jobs.migration import TablesStatus


@click.command(
    epilog="""\b
Examples:
  snapshotter queue tables
  snapshotter queue tables --json
"""
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def tables(ctx: click.Context, as_json: bool) -> None:
    """Show the version of the tables of the queue, and the version that each worker needs.

    Nothing is changed.
    """
    from snapshotter.app.wiring import queue as wiring_queue
    from snapshotter.jobs import migration

    wiring_queue.declare_tables()
    _print(migration.tables_status(ctx.obj.queue), as_json)


@click.command(
    epilog="""\b
Examples:
  snapshotter queue migrate
  snapshotter queue migrate --to 2
"""
)
@click.option(
    "--to",
    "number",
    type=click.IntRange(1),
    metavar="N",
    help="Version number for the tables.  [default: the number of this release]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def migrate(ctx: click.Context, number: int | None, as_json: bool) -> None:
    """
    Upgrade the tables of the queue, or change them back for an earlier release.

    Every command upgrades the tables automatically. The tables can be changed back only while no
    worker runs. The next command of this release upgrades the tables again.

    Exit codes: 0 done, 30 a worker is running.
    """
    from snapshotter.app.wiring import queue as wiring_queue
    from snapshotter.jobs import migration
    from snapshotter.jobs.database import TABLES_VERSION

    settings = ctx.obj
    wiring_queue.declare_tables()
    if number is None or number == TABLES_VERSION:
        with wiring_queue.queue_database(settings):
            pass
    else:
        migration.downgrade(settings.queue, number)
    _print(migration.tables_status(settings.queue), as_json)


def _print(found: "TablesStatus", as_json: bool) -> None:
    import snapshotter
    from snapshotter.jobs.database import TABLES_VERSION

    if as_json:
        workers: list[dict[str, Any]] = [
            {"tables": worker.tables, "version": worker.version, "worker": worker.id}
            for worker in found.workers
        ]
        print_json({"needs": TABLES_VERSION, "tables": found.number, "workers": workers})
        return
    number = tr("the queue has no tables yet") if found.number is None else ""
    print_result(
        number or tr("the tables of the queue have version number {number}", number=found.number)
    )
    print_result(
        tr(
            "  this release (snapshotter {version}) needs version number {tables_version}",
            version=snapshotter.__version__,
            tables_version=TABLES_VERSION,
        )
    )
    for worker in found.workers:
        print_result(
            tr(
                "  worker {id} (snapshotter {version}) needs version number {tables}",
                id=worker.id,
                version=worker.version,
                tables=worker.tables,
            )
        )
