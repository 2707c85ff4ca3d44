"""Options that more than one command takes."""

import click

store_option = click.option("--store", metavar="DIR|s3://…", help="The store.  [default: captures]")

lock_mode_option = click.option(
    "--lock-mode",
    type=click.Choice(["GOVERNANCE", "COMPLIANCE"]),
    help="COMPLIANCE: nobody can undo it.  [default: as the policy says, GOVERNANCE]",
)
