"""`snapshotter queue tables` and `migrate`: releases that share a queue."""

from typing import TYPE_CHECKING, Any

import click

from snapshotter.cli.output import result, result_json

if TYPE_CHECKING:
    from snapshotter.jobs.migration import Tables


@click.command(
    epilog="""\b
Examples:
  snapshotter queue tables
  snapshotter queue tables --json
"""
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@click.pass_context
def tables(ctx: click.Context, as_json: bool) -> None:
    """Show which releases can work on the queue, and which do. Nothing is changed."""
    from snapshotter.app import wiring_jobs
    from snapshotter.jobs import migration

    wiring_jobs.declare_tables()
    _print(migration.look(ctx.obj.queue), as_json)


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
    help="Bring the tables to this number.  [default: that of this release]",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@click.pass_context
def migrate(ctx: click.Context, number: int | None, as_json: bool) -> None:
    """
    Upgrade the tables of the queue, or bring them back for an earlier release.

    Every command upgrades them by itself. They are brought back only while no worker works; any
    later command of this release would upgrade them again.
    """
    from snapshotter.app import wiring_jobs
    from snapshotter.jobs import migration
    from snapshotter.jobs.database import TABLES_VERSION

    settings = ctx.obj
    wiring_jobs.declare_tables()
    if number is None or number == TABLES_VERSION:
        with wiring_jobs.opened(settings):
            pass
    else:
        migration.bring_back(settings.queue, number)
    _print(migration.look(settings.queue), as_json)


def _print(found: "Tables", as_json: bool) -> None:
    import snapshotter
    from snapshotter.jobs.database import TABLES_VERSION

    if as_json:
        workers: list[dict[str, Any]] = [
            {"tables": it.tables, "version": it.version, "worker": it.id} for it in found.workers
        ]
        result_json({"needs": TABLES_VERSION, "tables": found.number, "workers": workers})
        return
    result(f"the queue has tables of number {found.number or 'none'}")
    result(f"  snapshotter {snapshotter.__version__}, this one, needs {TABLES_VERSION}")
    for it in found.workers:
        result(f"  worker {it.id} (snapshotter {it.version}) works with {it.tables}")
