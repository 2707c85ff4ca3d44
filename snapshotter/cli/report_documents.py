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
from snapshotter.model.custody import EXPORTING
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    from snapshotter.app.archive.capture_report import MadeReport
    from snapshotter.app.settings import Settings
    from snapshotter.ports import ObjectStore
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


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReport:
    """The report about a stored bundle."""

    made: "MadeReport"
    bundle_id: str
    store: "ObjectStore"

    def note(self, settings: "Settings", detail: str) -> None:
        """Record in the custody chain of the bundle that a document was made, if settings ask."""
        from snapshotter.app.wiring import store as wiring_store

        wiring_store.note_access(
            settings,
            self.store,
            self.bundle_id,
            EXPORTING,
            show_message=print_message,
            detail=detail,
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
    from snapshotter.app.archive.capture_report import make_file_report
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
) -> StoredReport:
    """
    Verify a stored bundle, and return its report.

    Args:
        case: The report states the number of the capture in this case; "": in none.

    Raises:
        PolicyRefused: The capture is in quarantine.
    """
    from snapshotter.app.archive import quarantined
    from snapshotter.app.archive.capture_report import make_stored_report
    from snapshotter.app.wiring import annotations as wiring_annotations
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.app.wiring import trust as wiring_trust

    opened = wiring_store.store(settings)
    (bundle_id,) = FILE_OR_BUNDLE.resolve(opened, [name])
    quarantined.require_visible(opened, bundle_id, wiring_trust.trusted_keys(settings))
    annotations = wiring_annotations.read_state(settings, show_message=print_message)
    made = make_stored_report(
        bundle_id,
        opened,
        wiring_trust.trust(settings, by_bundle=True),
        now=now,
        local=local,
        annotations=annotations.capture(bundle_id),
        case=case,
    )
    return StoredReport(made=made, bundle_id=bundle_id, store=opened)


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
    written: dict[str, str] = {}
    try:
        for kind in FORMATS:  # the PDF last: it needs a browser, which may fail
            if kind in (formats or FORMATS):
                content = {"json": data, "html": page}.get(kind) or printed(
                    settings, page, paper=paper, at=at
                )
                file = path.with_name(f"{path.name}.{kind}")
                file.parent.mkdir(parents=True, exist_ok=True)
                write_file(file, content)
                written[kind] = str(file)
    except SnapshotterError:
        for name in written.values():
            print_message(tr("this file was written: {name}", name=name))
        raise
    return written


def printed(settings: "Settings", page: bytes, *, paper: str, at: datetime) -> bytes:
    """Return a page as PDF, which the browser that captures prints."""
    from snapshotter.app.spool import scratch_directory
    from snapshotter.app.wiring.printing import printer

    with scratch_directory(settings.spool_dir, "report") as scratch:
        return printer(settings, paper=paper)(page.decode(), scratch / "page", at)


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
