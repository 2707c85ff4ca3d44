"""
Provide what the commands that report about captures share: options, verification, and writing.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from snapshotter.cli.file_or_id import open_named
from snapshotter.cli.object_id import FILE_OR_BUNDLE
from snapshotter.cli.output import print_message, write_file
from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.archive.reports.capture.report import MadeReport
    from snapshotter.app.settings import Settings
    from snapshotter.app.wiring.documents import StoredReport
    from snapshotter.report.local_time import LocalTime

FORMATS: Final = ("html", "json", "pdf")
output_option = click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    metavar="DIR",
    help="Write the files to this folder. Without this option: to the working directory.",
)
format_option = click.option(
    "--format",
    "formats",
    type=click.Choice(FORMATS),
    multiple=True,
    help="Write only this file. May be given several times. Without this option: all files.",
)
paper_option = click.option(
    "--paper",
    type=click.Choice(("A4", "Letter"), case_sensitive=False),
    default="A4",
    show_default=True,
    help="Paper of the PDF.",
)
zone_option = click.option(
    "--zone",
    metavar="ZONE",
    help="Show local times of this time zone, for example Europe/Berlin. Without this option: of "
    "this machine. UTC is always beside.",
)
time_option = click.option(
    "--at",
    metavar="TIME",
    help="Verify as of this time, UTC, to make an earlier document again. "
    "The software does not check this time.",
)


def file_report(
    settings: "Settings",
    name: str,
    file: Path,
    *,
    now: datetime,
    local: "LocalTime",
    allow_redacted: bool = False,
) -> "MadeReport":
    """
    Verify a bundle that is a file, and return its report.

    Args:
        allow_redacted: Whether the file may be a redacted copy; else such a copy FAILED.
    """
    from snapshotter.app.archive.reports.capture.report import make_file_report
    from snapshotter.app.wiring import trust as wiring_trust

    with open_named(file) as stream:
        return make_file_report(
            name,
            file,
            stream,
            wiring_trust.trust(settings, by_bundle=True),
            now=now,
            local=local,
            allow_redacted=allow_redacted,
        )


def stored_report(
    settings: "Settings", name: str, *, now: datetime, local: "LocalTime", case: str = ""
) -> "StoredReport":
    """Verify a bundle that is named by its id, and return its report, as `documents` does."""
    from snapshotter.app.wiring import documents
    from snapshotter.app.wiring import store as wiring_store

    opened = wiring_store.store(settings)
    (bundle_id,) = FILE_OR_BUNDLE.resolve(opened, [name])
    return documents.stored_report(
        settings, opened, bundle_id, now=now, local=local, case=case, show_message=print_message
    )


def write_document(
    settings: "Settings",
    path: Path,
    formats: Sequence[str],
    *,
    data: bytes,
    page: bytes,
    paper: str,
    at: datetime,
) -> dict[str, str]:
    """
    Write a document as files, and return their paths by format.

    If a file cannot be written, the message names the files that were written before.

    Args:
        path: Without an ending.
        formats: Of `FORMATS`; none for all.
        data, page: The document as JSON and HTML. The browser that captures prints the HTML.
        at: The time in the PDF.
    """
    from snapshotter.app.wiring import documents

    written: dict[str, str] = {}
    try:
        for kind, content in documents.document_files(
            settings, formats, data=data, page=page, paper=paper, at=at
        ):
            file = path.with_name(f"{path.name}.{kind}")
            file.parent.mkdir(parents=True, exist_ok=True)
            write_file(file, content)
            written[kind] = str(file)
    except SnapshotterError:
        for name in written.values():
            print_message(tr("this file was written: {name}", name=name))
        raise
    return written


def verification_time(text: str | None, now: datetime) -> datetime:
    """Return the time of the verification, which `--at` may name."""
    if text is None:
        return now
    try:
        at = datetime.fromisoformat(text)
        at = at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        at = None
    if at is None or at > now:
        raise click.BadParameter(
            tr("{text!r} is not a time in the past; valid: 2026-11-30T09:12:44Z", text=text),
            param_hint="--at",
        )
    return at


def zone_named(name: str | None) -> tzinfo | None:
    """Return the time zone that `--zone` names; None without a name."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise click.BadParameter(
            tr("{name!r} is not a time zone; valid: Europe/Berlin", name=name), param_hint="--zone"
        ) from error
