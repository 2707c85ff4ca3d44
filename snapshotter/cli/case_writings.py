"""Provide `--with`: which of what people wrote about a case a document contains."""

import click

from snapshotter.translation import tr

with_option = click.option(
    "--with",
    "included",
    default="",
    metavar="GROUPS",
    help="Include what people wrote: notes, reviews, tags or title, separated by commas.",
)


def written_groups(included: str) -> list[str]:
    """Return the groups that `--with` names. Raises BadParameter: one is unknown."""
    from snapshotter.app.archive.organising.case_export_plan import GROUPS

    groups = [group.strip() for group in included.split(",") if group.strip()]
    for group in groups:
        if group not in GROUPS:
            raise click.BadParameter(
                tr("{group!r} is unknown; valid: {groups}", group=group, groups=", ".join(GROUPS)),
                param_hint="--with",
            )
    return groups
