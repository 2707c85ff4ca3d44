"""Begin, continue or preview a batch, from its table, its journal and its options."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from pathlib import Path

from snapshotter.app.batch.columns import PRESETS, URL_COLUMNS, columns_of
from snapshotter.app.batch.journal import Journal, removed_rows
from snapshotter.app.batch.output import Output, journal_path, next_free_path
from snapshotter.app.batch.plan import BatchPlan, plan_rows
from snapshotter.app.batch.state import BatchState
from snapshotter.errors import SnapshotterError
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.lists import tables
from snapshotter.policy.page_identity import PageIdentityRules
from snapshotter.ports import Clock, IdSource, ShowMessage
from snapshotter.translation import tr
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRequest:
    """A table, and the options of its batch."""

    data: bytes
    name: str = ""  # of its file; "": it came without one
    out: Path | None = None  # where the table goes; None: beside the file
    kind: str = ""
    encoding: str = ""
    divider: str = ""
    preset: str = ""
    named: Mapping[str, str] = field(default_factory=dict)  # columns by field
    capture_duplicates: bool = False
    retry_failed: bool = False
    restart: bool = False


def preview_batch(
    wanted: BatchRequest,
    check_policy: Callable[[str], None],
    rules: PageIdentityRules,
    *,
    dry_run: bool = False,
) -> tuple[BatchPlan, Journal | None]:
    """
    Return the plan of a table and what is known of its rows. Nothing is written.

    Args:
        dry_run: The path of the written table may be unknown.

    Raises:
        SnapshotterError: The table or the journal cannot be read, or there is no path to write to.
    """
    table, journal = _read(wanted), None
    out = _out(wanted, table) if wanted.out or wanted.name or not dry_run else None
    if out is not None and not wanted.restart:
        with contextlib.suppress(FileNotFoundError):
            journal = Journal.look(journal_path(out))
    return _plan(wanted, check_policy, rules, journal, table), journal


@contextlib.contextmanager
def open_batch(
    wanted: BatchRequest,
    check_policy: Callable[[str], None],
    rules: PageIdentityRules,
    *,
    store: str,
    clock: Clock,
    ids: IdSource,
    show_message: ShowMessage,
) -> Iterator[BatchState]:
    """
    Yield the state of a batch that begins or continues.

    Args:
        store: The store of its bundles, as a person writes it.
        show_message: Shows what a person has to know about the batch.

    Raises:
        SnapshotterError: The table cannot be read, or the written table cannot be saved.
    """
    table = _read(wanted)
    out = _out(wanted, table)
    if wanted.restart and (out.exists() or journal_path(out).exists()):
        if wanted.out is not None:
            raise SnapshotterError(
                tr(
                    "{out} exists already, and a batch does not overwrite existing results", out=out
                ),
                hint=tr("name another file with --out"),
            )
        out = next_free_path(out)
        show_message(
            tr(
                "the batch starts again with a new results table. To continue this batch "
                "later, give --out {out}",
                out=out,
            )
        )
    with _journal(out, store, clock, ids) as journal:
        made = _plan(wanted, check_policy, rules, journal, table)
        _tell_changes(made, journal, wanted, show_message)
        output = Output(out, journal, clock)
        if (aside := output.keep_edits()) is not None:
            show_message(
                tr(
                    "{out} was edited after the batch wrote the file. The edited file is kept as "
                    "{aside}",
                    out=out,
                    aside=aside,
                )
            )
        journal.record_run(
            table=wanted.name or "-",
            table_sha256=digest_bytes(wanted.data).sha256,
            rows=len(made.entries),
            at=clock.now(),
        )
        book = BatchState(made, journal, output, clock)
        book.write()
        yield book


def _journal(out: Path, store: str, clock: Clock, ids: IdSource) -> Journal:
    path = journal_path(out)
    try:
        found = Journal.open(path)
    except FileNotFoundError:
        if out.exists():
            raise SnapshotterError(
                tr(
                    "{out} exists already, but the journal of a batch for this file does not exist",
                    out=out,
                ),
                hint=tr("name another file with --out, or move this file"),
            ) from None
        return _begun(path, store, clock, ids)
    if found.store != store:
        with found:
            raise SnapshotterError(
                tr(
                    "this batch stores its bundles in {store}, not in {store2}",
                    store=found.store,
                    store2=store,
                ),
                hint=tr(
                    "give --store {store}, or --restart to begin another batch", store=found.store
                ),
            )
    return found


def _begun(path: Path, store: str, clock: Clock, ids: IdSource) -> Journal:
    try:
        return Journal.begin(path, batch=ids.random_bytes(8).hex(), store=store, at=clock.now())
    except FileExistsError:  # another process was quicker: then it has it, or just had
        return Journal.open(path)
    except SnapshotterError as error:
        raise SnapshotterError(
            error.message, hint=tr("name a file with --out in a folder that you may write to")
        ) from error


def _read(wanted: BatchRequest) -> tables.Table:
    preset = PRESETS.get(wanted.preset, {})
    url = wanted.named.get("url") or preset.get("url")
    names = (url,) if url else URL_COLUMNS
    return tables.read(
        wanted.data,
        name=wanted.name,
        kind=wanted.kind,
        encoding=wanted.encoding,
        divider=wanted.divider,
        url_columns=names,
    )


def _out(wanted: BatchRequest, table: tables.Table) -> Path:
    if wanted.out is not None:
        out = wanted.out
    elif wanted.name:
        file = Path(wanted.name)
        out = file.with_name(f"{file.stem}.done{tables.file_extension(table.format)}")
    else:
        raise SnapshotterError(
            tr(
                "the table is read from standard input, so the name of the results table is "
                "not known"
            ),
            hint=tr("name the results table with --out FILE"),
        )
    if wanted.name and out.exists() and out.samefile(wanted.name):
        raise SnapshotterError(
            tr("{out} is the table itself, and a batch does not overwrite its table", out=out),
            hint=tr("name another file with --out"),
        )
    return out


def _plan(
    wanted: BatchRequest,
    check_policy: Callable[[str], None],
    rules: PageIdentityRules,
    journal: Journal | None,
    found: tables.Table,
) -> BatchPlan:
    if not found.rows:
        raise SnapshotterError(
            tr("the table has no rows: {name}", name=wanted.name or "standard input")
        )
    columns = columns_of(found.columns, preset=wanted.preset, named=wanted.named)
    return plan_rows(
        found,
        columns,
        check_policy=check_policy,
        rules=None if wanted.capture_duplicates else rules,
        retry_failed=wanted.retry_failed,
        known=journal.captured if journal is not None else lambda _: False,
    )


def _tell_changes(
    made: BatchPlan, journal: Journal, wanted: BatchRequest, show_message: ShowMessage
) -> None:
    for note in made.notes:
        show_message(note)
    if not journal.rows or digest_bytes(wanted.data).sha256 == journal.table_sha256:
        return
    keys = {entry.key for entry in made.entries if entry.key}
    new = sum(entry.needs_capture and entry.key not in journal.rows for entry in made.entries)
    left = removed_rows(journal, keys)
    show_message(
        tr(
            "the table has changed since the last run. Rows that are not captured yet: {new}",
            new=new,
        )
    )
    for row in left:
        where = f"; bundle: {row.result.bundle_id}" if row.result and row.result.bundle_id else ""
        show_message(
            tr(
                "a row that was captured is no longer in the table, or was changed: {url}{where}",
                url=row.url,
                where=where,
            )
        )
