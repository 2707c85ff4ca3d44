"""`snapshotter list`, `show` and `export`: what is in a store, and getting it out."""

from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from snapshotter.cli.file_or_id import file_argument, open_named
from snapshotter.cli.options import store_option
from snapshotter.cli.output import (
    format_bytes,
    format_time,
    print_json,
    print_message,
    print_result,
    verdict_lines,
    verdict_object,
)
from snapshotter.errors import SnapshotterError
from snapshotter.model.custody import DISPLAYING, EXPORTING
from snapshotter.model.finding import Verdict

if TYPE_CHECKING:
    from snapshotter.app.archive.bundles import ListedBundle
    from snapshotter.app.settings import Settings
    from snapshotter.model.assessment import Assessment, AssessmentSummary
    from snapshotter.model.takedown import Observation
    from snapshotter.ports import ObjectStore

_PASSED = Verdict.PASSED


@click.command(
    "list",
    epilog="""\b
Examples:
  snapshotter list
  snapshotter list --since 2026-11-01 --json
  snapshotter list --identity 'https://mp.weixin.qq.com/s?__biz=MzA…&mid=26…&idx=1'
""",
)
@store_option
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="At most.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="Captured on this day or later.")
@click.option(
    "--identity",
    metavar="URL|IDENTITY",
    help="The captures of one page, by whatever address, with their verdicts.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a bundle.")
@click.pass_context
def list_(
    ctx: click.Context,
    store: str | None,
    limit: int,
    since: datetime | None,
    identity: str | None,
    as_json: bool,
) -> None:
    """
    List the bundles in a store, newest first.

    What is shown is the bundles' own word; `snapshotter verify` checks it.
    """
    from snapshotter.app.archive import bundles
    from snapshotter.app.upkeep import holds
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.app.wiring import trust as wiring_trust

    settings = ctx.obj.load(store=store or "")
    if identity:
        _list_identity(settings, identity, limit, since, as_json=as_json)
        return
    opened, is_trusted = wiring_store.store(settings), wiring_trust.trusted_keys(settings)
    day: date | None = since.date() if since else None
    count = 0
    for entry in islice(bundles.list_bundles(opened, since=day), limit):
        count += 1
        held = any(map(holds.is_hold_record, entry.kinds)) and (
            holds.read(opened, entry.bundle_id, is_trusted).held
        )
        if as_json:
            print_json(_object(entry, held=held))
        else:
            print_result(_line(entry, held=held))
    if not count and not as_json:
        print_message(f"{opened.url} holds no bundles yet")


def _list_identity(
    settings: "Settings", wanted: str, limit: int, since: datetime | None, *, as_json: bool
) -> None:
    """Print the captures of one page, the newest first."""
    from snapshotter.app.archive.observations import observations
    from snapshotter.app.wiring import takedown as wiring_takedown
    from snapshotter.formats.canonical_json import plain

    begins = since.replace(tzinfo=UTC) if since else None
    with wiring_takedown.observation_source(settings) as source:
        source.sync()
        # What is no address is an identity as `--json` prints it.
        named = source.identity(wanted) if "://" in wanted else source.catalog.resolved(wanted)
        found = observations(source, identity=named, since=begins, sync=False)
    for observation in found[::-1][:limit]:
        if as_json:
            print_json(plain(observation))
        else:
            print_result(
                f"{observation.bundle_id}  {format_time(observation.at)}  "
                f"{describe_verdict(observation)}  {observation.url}"
            )
    if not found and not as_json:
        print_message(f"{source.store.url} holds no capture of {named} with a verdict")


def describe_verdict(observation: "Observation") -> str:
    """Return what a capture shows, in a few words: `unavailable (author)`."""
    words: str = observation.availability.value
    why = observation.cause or observation.undecided
    words += f" ({why.value})" if why else ""
    states = sorted({account.state for account in observation.accounts})
    return words + (f", account {', '.join(states)}" if states else "")


@click.command(
    epilog="""\b
Examples:
  snapshotter show 20261124t160642z-k3v4q2m7xw4c5b6d
  snapshotter show --json exhibit.wacz
"""
)
@click.argument("bundle", metavar="FILE|BUNDLE-ID")
@store_option
@click.option(
    "--json", "as_json", is_flag=True, help="Print the capture record, and what was read."
)
@click.pass_context
def show(ctx: click.Context, bundle: str, store: str | None, as_json: bool) -> None:
    """
    Show what a bundle says of itself: what, when, how, from whom, and what is missing; what the
    page shows, states and counts, its dates and its QR codes.

    Nothing is checked here; `snapshotter verify` does that.
    """
    from snapshotter.app.archive import bundles
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.cli.readings_output import describe_readings
    from snapshotter.formats.canonical_json import plain
    from snapshotter.model.assessment import AssessmentSummary

    file = file_argument(bundle, store=store)
    if file is not None:
        with open_named(file) as stream:
            record, assessment = bundles.read_record(stream), _assessment(stream)
    else:
        settings = ctx.obj.load(store=store or "")
        opened = wiring_store.store(settings)
        with opened.open(bundles.find_bundle_key(opened, bundle)) as found:
            record, assessment = bundles.read_record(found), _assessment(found)
        wiring_store.note_access(settings, opened, bundle, DISPLAYING, show_message=print_message)
    shown = AssessmentSummary.of(assessment) if assessment is not None else None
    if as_json:
        kept = {"assessment": plain(assessment), "verdict": verdict_object(shown)}
        print_json({**record, **kept})
        return
    read = describe_readings(assessment.readings) if assessment is not None else []
    for label, text in (*_summary(record, shown), *read):
        print_result(f"{label:<14} {text}")


def _assessment(stream: BinaryIO) -> "Assessment | None":
    """Return what a bundle says that it shows; None for one of a time before that was said."""
    from snapshotter.app.archive import assessment as assessing

    return assessing.read_assessment(assessing.BundleFiles(stream))


@click.command(
    epilog="""\b
Examples:
  snapshotter export 20261124t160642z-k3v4q2m7xw4c5b6d -o ./exhibit-7
  snapshotter export --unpack 20261124t160642z-k3v4q2m7xw4c5b6d -o ./exhibit-7
  snapshotter export --masked 20261124t160642z-k3v4q2m7xw4c5b6d -o ./for-the-press
  snapshotter export --evidence --trust trust.json --root-key 3f1c… \\
    20261124t160642z-k3v4q2m7xw4c5b6d -o ./exhibit-7

\b
--evidence makes a folder that needs nothing else: bundle, sidecars, trust file, keys and roots,
a verifier of one file, and a README with every command.

\b
--masked writes no bundle: copies of its pictures, with what was taken out of its text painted over
(docs/howto/stay-unnamed.md). The bundle itself stays as it was sealed.
"""
)
@click.argument("bundle_ids", nargs=-1, required=True, metavar="BUNDLE-ID…")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Directory to write into.  [default: here; with --evidence, BUNDLE-ID]",
)
@store_option
@click.option("--unpack", is_flag=True, help="Also write the files inside: pictures, text, DOM …")
@click.option(
    "--masked", is_flag=True, help="Write copies of the pictures alone, masked, for publication."
)
@click.option(
    "--evidence", is_flag=True, help="Write a new folder with all that checks the bundle."
)
@click.option(
    "--trust",
    "trust_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --evidence: the trust file to put beside it.",
)
@click.option("--root-key", metavar="KEY-ID", help="With --evidence: whose the trust file is.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a bundle.")
@click.pass_context
def export(
    ctx: click.Context,
    bundle_ids: tuple[str, ...],
    output: Path,
    store: str | None,
    unpack: bool,
    masked: bool,
    evidence: bool,
    trust_file: Path | None,
    root_key: str | None,
    as_json: bool,
) -> None:
    """
    Copy bundles and their sidecars out of the store.

    The copies are the same bytes: they verify as the originals do.
    """
    from snapshotter.app.archive import bundles
    from snapshotter.app.wiring import store as wiring_store

    if evidence and (unpack or len(bundle_ids) > 1):
        raise click.UsageError("--evidence makes one folder of one bundle, and unpacks nothing")
    if masked and (unpack or evidence):
        raise click.UsageError("--masked writes pictures alone")
    if not evidence and (trust_file or root_key):
        raise click.UsageError("--trust and --root-key go with --evidence")
    settings = ctx.obj.load(
        trust_file=str(trust_file or ""), trust_root_key=root_key or "", store=store or ""
    )
    opened = wiring_store.store(settings)
    if evidence:
        _evidence(settings, opened, bundle_ids[0], output, as_json=as_json)
        return
    if masked:
        for bundle_id in bundle_ids:
            _masked(settings, opened, bundle_id, output, as_json=as_json)
        return
    for bundle_id in bundle_ids:
        files = bundles.export(opened, bundle_id, output)
        wiring_store.note_access(settings, opened, bundle_id, EXPORTING, show_message=print_message)
        folder = bundles.unpack(files[0], output) if unpack else None
        if as_json:
            print_json(
                {
                    "bundle_id": bundle_id,
                    "files": [str(file) for file in files],
                    "unpacked": str(folder) if folder else None,
                }
            )
        else:
            for file in (*files, *([folder] if folder else [])):
                print_result(str(file))


def _masked(
    settings: "Settings", store: "ObjectStore", bundle_id: str, output: Path, *, as_json: bool
) -> None:
    from snapshotter.app.archive import bundles, masked_pictures
    from snapshotter.app.spool import scratch_directory
    from snapshotter.app.wiring import store as wiring_store

    with scratch_directory(settings.spool_dir, "masked") as folder:
        bundle = bundles.export(store, bundle_id, folder / "copy")[0]
        wiring_store.note_access(settings, store, bundle_id, EXPORTING, show_message=print_message)
        made = masked_pictures.write(bundle, output)
    if as_json:
        print_json(
            {
                "boxes": made.boxes,
                "bundle_id": bundle_id,
                "files": [str(file) for file in made.files],
                "left_out": list(made.left_out),
            }
        )
        return
    for file in made.files:
        print_result(str(file))
    if made.left_out:
        print_message(f"not copied, for nobody knows what they show: {', '.join(made.left_out)}")
    print_message(
        "painted over is what was text on the page; look at the copies before you publish them"
    )


def _evidence(
    settings: "Settings", store: "ObjectStore", bundle_id: str, output: Path, *, as_json: bool
) -> None:
    from snapshotter.app import machine
    from snapshotter.app.archive import evidence_folder
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.app.wiring import trust as wiring_trust

    if settings.trust_file is None:
        raise SnapshotterError(
            "a folder of evidence holds a trust file, and none was named",
            hint="give --trust and --root-key (snapshotter trust init makes a trust file)",
        )
    made = evidence_folder.write(
        store,
        bundle_id,
        output if output != Path() else Path(bundle_id),
        trust_file=settings.trust_file,
        root_key_id=settings.trust_root_key,
        trust=wiring_trust.trust(settings),
        now=machine.SystemClock().now(),
    )
    wiring_store.note_access(settings, store, bundle_id, EXPORTING, show_message=print_message)
    codes = sorted(
        {finding.code.value for finding in made.report.findings if finding.verdict is not _PASSED}
    )
    if as_json:
        print_json(
            {
                "bundle_id": bundle_id,
                "codes": codes,
                "files": list(made.files),
                "folder": str(made.folder),
                "root_key": made.root_key_id,
                "verdict": made.report.verdict.value,
            }
        )
        return
    print_result(str(made.folder))
    if made.report.verdict is not _PASSED:
        print_message(f"by this trust file it is {made.report.verdict.name}: {' '.join(codes)}")
    print_message(f"hand over the root key's id by another way: {made.root_key_id}")


def _object(entry: "ListedBundle", *, held: bool) -> dict[str, Any]:
    from snapshotter.formats.canonical_json import instant

    record, erased = entry.record, entry.erased
    what = record.get("what", {})
    return {
        "bundle_id": entry.bundle_id,
        "bytes": entry.object.length,
        "captured_at": record.get("when", {}).get("started_at"),
        "erased": {"at": instant(erased.at), "by": erased.by, "order": erased.order}
        if erased
        else None,
        "final_url": what.get("final_url"),
        "held": held,
        "http_status": what.get("http_status"),
        "key": entry.object.key,
        "outcome": record.get("outcome", {}).get("state"),
        "problem": entry.problem or None,
        "requested_url": what.get("requested_url"),
        "title": what.get("title"),
        "verdict": verdict_object(entry.shown),
    }


def _line(entry: "ListedBundle", *, held: bool) -> str:
    if entry.erased:
        return (
            f"{entry.bundle_id}  erased by order of {entry.erased.at:%Y-%m-%d}  "
            f"{entry.erased.order}"
        )
    if entry.problem:
        return f"{entry.bundle_id}  unreadable  {entry.problem}"
    record = entry.record
    what = record["what"]
    status, title = what["http_status"] or "---", what["title"]
    shown = f"  {entry.shown.words}" if entry.shown is not None else ""
    return (
        f"{entry.bundle_id}  {record['when']['started_at']}  {record['outcome']['state']:<8}  "
        f"{status}{shown}  {what['requested_url']}{f'  {title}' if title else ''}"
        f"{'  held' if held else ''}"
    )


def _replaced(source: str, name: str, count: int) -> tuple[str, str]:
    """Return label and text of values that a commitment stands in place of."""
    if source == "viewer-field":
        return "removed", f"viewer field removed: {name} ({count} times)"
    return "replaced", f"{count} {name} values ({source})"


def _summary(record: dict[str, Any], shown: "AssessmentSummary | None") -> list[tuple[str, str]]:
    """Return the record's main facts as label and text."""
    from snapshotter.model.capture import Outcome
    from snapshotter.model.conclusion import headline, qualify_court_minimum

    try:
        what, when, how, content = (record[key] for key in ("what", "when", "how", "content"))
        whom, environment = record["from_whom"], how["environment"]
        clock = when["clock"]
        minimum, outcome = record["court_minimum"], Outcome(record["outcome"]["state"])
        is_light = how.get("settings", {}).get("light") is True
        lines = [
            ("in short", headline(outcome, shown, light=is_light)),
            ("bundle", record["bundle_id"]),
            ("title", what["title"]),
            ("requested", what["requested_url"]),
            *(
                ("redirect", f"{hop['status'] or hop['kind']} {hop['to_url']}")
                for hop in what["redirects"]
            ),
            ("final", what["final_url"]),
            ("HTTP status", str(what["http_status"] or "none")),
            *verdict_lines(shown),
            ("outcome", record["outcome"]["state"]),
            *(
                ("", f"{reason['code']}: {reason['detail']}")
                for reason in record["outcome"]["reasons"]
            ),
            *(
                ("", f"warning: {warning['code']}: {warning['detail']}")
                for warning in record["outcome"].get("warnings", ())
            ),
            ("", qualify_court_minimum(minimum["line"], minimum["met"] is True, shown)),
            ("captured", f"{when['started_at']} to {when['ended_at']}"),
            (
                "clock",
                f"{clock['source']}, synchronised: {clock['synchronised']}, "
                f"error at most {clock['max_error_ms']} ms; server's Date: "
                f"{when['http_date'] or 'none'}",
            ),
            ("sealed", record["sealed_at"]),
            ("signed by", ", ".join(signer["key_id"] for signer in record["signers"])),
            ("software", record["software"]),
            ("browser", environment["browser_product"]),
            ("sandbox", environment["sandbox"]["detail"]),
            ("policy", how["policy"]["name"]),
        ]
        if whom:
            lines.append(("server", f"{whom['remote_ip']} port {whom['remote_port']}"))
            if whom["tls"]:
                chain = whom["tls"]["chain"]
                leaf = f", {chain[0]['subject']} by {chain[0]['issuer']}" if chain else ""
                lines.append(("TLS", f"{whom['tls']['protocol']} {whom['tls']['cipher']}{leaf}"))
        images, requests = content["images"], content["requests"]
        lines += [
            ("images", f"{images['loaded']} of {images['wanted']} loaded"),
            ("requests", f"{requests['answered']} of {requests['total']} answered"),
            *(
                ("no answer", f"{failed['error']} {failed['url']}")
                for failed in content["failed_requests"][:20]
            ),
            *(("missing", part) for part in content["missing_parts"]),
            *(
                _replaced(item["place"], item["name"], item["count"])
                for item in record["redactions"]
            ),
            *(
                ("file", f"{item['path']} {format_bytes(item['length'])} {item['note']}".rstrip())
                for item in content["artifacts"]
            ),
        ]
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        # Nothing says that a record is as it has to be: a stranger may have written it.
        why = (
            f"has no {error}" if isinstance(error, KeyError) else f"is not as it has to be: {error}"
        )
        raise SnapshotterError(
            f"the capture record {why}",
            hint="snapshotter show --json prints it as it is; snapshotter verify judges it",
        ) from error
    return [(label, str(text)) for label, text in lines]
