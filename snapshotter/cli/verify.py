"""`snapshotter verify`: bundles, take-down events, packs and reports in, one verdict out."""

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from snapshotter.cli.file_or_id import file_argument, open_named
from snapshotter.cli.options import root_key_option, trust_option
from snapshotter.cli.output import (
    OutputClosed,
    print_error,
    print_json,
    print_message,
    print_result,
)
from snapshotter.errors import EvidenceInvalid, EvidenceUnverifiable, SnapshotterError

if TYPE_CHECKING:
    from snapshotter.app.settings import Settings
    from snapshotter.model.finding import Code, Finding, Report, Verdict
    from snapshotter.ports import ObjectStore
    from snapshotter.verify.sidecars import Sidecars
    from snapshotter.verify.trust import Trust

_EXAMPLES = """\b
Examples:
  snapshotter verify captures/bundles/2026/11/24/*.wacz
  snapshotter verify --trust trust.json --root-key 3f1c… exhibit.wacz
  snapshotter verify --store s3://evidence/case-7 20261124t160642z-k3v4q2m7xw4c5b6d
  snapshotter verify exhibit/20260527t091000z-k3v4q2m7xw4c5b6d.json
  snapshotter verify proof-20260527t091000z-k3v4q2m7xw4c5b6d.html
  snapshotter verify --store captures campaign.json

\b
An event or a campaign report is verified with its bundles. verify looks for them among the given
files, beside the event or report, and in the store, if you name one. It derives each number of a
report again. A proof pack contains its bundles. Without a trust file, verify uses your own keys and
the configured authorities, and the output says so.

\b
An argument with a slash or a dot is a file. It is judged without any snapshotter.toml of this
folder or of those above it. An argument in the form of an id is looked up in the store; write ./ID
for a file of that name.
"""


@click.command(epilog=_EXAMPLES)
@click.argument("bundles", nargs=-1, required=True, metavar="FILE|ID…")
@trust_option
@root_key_option
@click.option("--store", metavar="DIR|s3://…", help="Where ids are looked up.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a file.")
@click.pass_context
def verify(
    ctx: click.Context,
    bundles: tuple[str, ...],
    trust_file: Path | None,
    root_key: str | None,
    store: str | None,
    as_json: bool,
) -> int:
    """
    Verify bundles, take-down events, proof packs and campaign reports, offline.

    One line a check, then the verdict: PASSED, FAILED (it was altered, or a rule is
    broken) or INDETERMINATE (intact, but something could not be established).
    The exit code is the worst of all bundles: 0, 10 or 11. What can not be read is told of
    on stderr, and is worse than INDETERMINATE (1 or 30): nothing is known of it. A file that is
    none of these kinds, and shows no trace of one, is a usage error (2).
    """
    from snapshotter.app.wiring import trust as wiring_trust
    from snapshotter.verify import report

    def settings_and_trust(*, found: bool) -> "tuple[Settings, Trust]":
        settings = ctx.obj.load(
            found=found,
            trust_file=str(trust_file or ""),
            trust_root_key=root_key or "",
            store=store or "",
        )
        return settings, wiring_trust.trust(settings, by_bundle=True)

    # A file that is named is judged by nothing that only lies in this folder. An id may be in
    # the store of a found file, unless --store says where it is.
    own = settings_and_trust(found=False)
    of_ids = cache(lambda: own if store else settings_and_trust(found=True))
    files = {name: file_argument(name, store=store) for name in bundles}
    given = tuple(file for file in files.values() if file is not None)
    codes: list[int] = []
    printing = True
    for name in bundles:
        try:
            with ExitStack() as stack:
                settings, trust = own if files[name] is not None else of_ids()
                found = _judged(name, files[name], settings, trust, given, stack)
            codes.append(report.EXIT_CODES[found.verdict])
            if found.noted is not None:
                _note(settings, *found.noted, name)
            if printing:
                _print(name, found, as_json=as_json, apart=len(bundles) > 1)
        except OutputClosed:
            printing = False  # the exit code is still wanted
        except SnapshotterError as error:
            codes.append(error.exit_code)
            print_error(error)
        except OSError as error:
            codes.append(SnapshotterError.exit_code)
            print_error(SnapshotterError(f"{name} can not be read: {error.strerror or error}"))
    return _worst(codes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """What is to be said of one file, of whatever kind."""

    verdict: "Verdict"
    value: dict[str, Any]  # for `--json`
    lines: list[str]
    noted: "tuple[ObjectStore, Report] | None" = None  # a bundle of a store, and its report


def _judged(
    name: str,
    file: Path | None,
    settings: "Settings",
    trust: "Trust",
    given: tuple[Path, ...],
    stack: ExitStack,
) -> _Judged:
    """Judge a file by what it is, or else an event or a bundle of the store by its id."""
    from snapshotter.app.archive import file_kind
    from snapshotter.verify.exhibit_check import require_exhibit

    if file is None:
        if (event := _stored_event(name, settings)) is not None:
            with event:
                return _judged_event(event, name, None, settings, trust, given)
        return _judged_bundle(_open_stored(name, settings, stack), name, trust)
    stream = stack.enter_context(open_named(file))
    require_exhibit(stream, file)
    kind = file_kind.kind_of(stream)
    if kind is file_kind.FileKind.TAKEDOWN:
        return _judged_event(stream, name, file.parent, settings, trust, given)
    if kind is file_kind.FileKind.PACK:
        return _judged_pack(stream, name, settings, trust)
    if kind is file_kind.FileKind.CAMPAIGN:
        return _judged_campaign(stream, name, settings, trust, given)
    return _judged_bundle(_with_sidecars(stream, file), name, trust)


def _judged_bundle(given: "_Given", name: str, trust: "Trust") -> _Judged:
    from snapshotter.app import machine
    from snapshotter.model.finding import Code
    from snapshotter.verify import report
    from snapshotter.verify.bundle import verify_bundle

    found = verify_bundle(
        given.stream,
        trust,
        now=machine.SystemClock().now(),
        sidecars=given.sidecars,
    )
    if given.store is not None and found.bundle_id not in (name, ""):
        other = _another("bundle", found.bundle_id, name, Code.NAME)
        found = replace(found, findings=(*found.findings, other), established=None)
    return _Judged(
        verdict=found.verdict,
        value={"bundle": name, **report.as_json(found)},
        lines=report.lines(found),
        noted=(given.store, found) if given.store is not None else None,
    )


def _judged_pack(file: BinaryIO, name: str, settings: "Settings", trust: "Trust") -> _Judged:
    from snapshotter.app import machine
    from snapshotter.app.takedown import pack_verification
    from snapshotter.app.wiring import takedown as wiring_takedown
    from snapshotter.verify import proof_pack_report
    from snapshotter.verify.proof_pack import verify_pack

    judge = pack_verification.judge_by_rules(trust, wiring_takedown.rederivation(settings))
    found = verify_pack(file, trust, now=machine.SystemClock().now(), judge=judge)
    return _Judged(
        verdict=found.verdict,
        value={"file": name, "kind": "pack", **proof_pack_report.as_json(found)},
        lines=proof_pack_report.lines(found),
    )


def _judged_event(
    file: BinaryIO,
    name: str,
    folder: Path | None,
    settings: "Settings",
    trust: "Trust",
    given: tuple[Path, ...],
) -> _Judged:
    """Judge an event with its bundles: among what is given, beside it, or in the store."""
    from snapshotter.app.takedown import event_verification
    from snapshotter.app.wiring import takedown as wiring_takedown
    from snapshotter.formats.bundle import names
    from snapshotter.formats.statements import takedown
    from snapshotter.model.finding import Code
    from snapshotter.verify import takedown as events
    from snapshotter.verify.event_without_rules import with_log_findings
    from snapshotter.verify.sidecars import sidecars_on_disk

    folders = [folder] if folder is not None else []
    found = event_verification.verify_event(
        file.read(takedown.MAX_BYTES + 1),
        trust,
        wiring_takedown.bundle_finder(settings, trust, folders=folders, given=given),
        wiring_takedown.rederivation(settings),
        before=wiring_takedown.previous_event_finder(settings, folders),
    )
    _tell_where(settings, name, found.findings)
    if folder is None and found.event is not None and found.event.event_id != name:
        found = found.with_more((_another("event", found.event.event_id, name, Code.EVENT),), ())
    if (
        folder is not None
        and (proof := sidecars_on_disk(Path(name), names.LOG_PROOF).log_proof) is not None
    ):
        found = with_log_findings(found, proof, trust)
    return _Judged(
        verdict=found.verdict,
        value={"file": name, **events.as_json(found)},
        lines=events.lines(found),
    )


def _judged_campaign(
    file: BinaryIO, name: str, settings: "Settings", trust: "Trust", given: tuple[Path, ...]
) -> _Judged:
    """Judge a campaign report with its bundles, and by the store that they are in."""
    from snapshotter.app.takedown import campaign_verification
    from snapshotter.app.wiring import takedown as wiring_takedown
    from snapshotter.formats.statements import campaign

    with ExitStack() as stack:
        source = None
        if settings.has_store:
            source = stack.enter_context(wiring_takedown.observation_source(settings))
            print_message(f"{name} is compared with the store {source.store.url}")
        found = campaign_verification.verify_campaign(
            file.read(campaign.MAX_BYTES + 1),
            trust,
            wiring_takedown.bundle_finder(
                settings,
                trust,
                folders=[Path(name).parent],
                given=given,
            ),
            wiring_takedown.rederivation(settings),
            source=source,
            told=print_message,
        )
    _tell_where(settings, name, found.findings)
    return _Judged(
        verdict=found.verdict,
        value={"file": name, **campaign_verification.as_json(found)},
        lines=campaign_verification.lines(found),
    )


def _another(kind: str, there: str, wanted: str, code: "Code") -> "Finding":
    """Return that a store has something else under an id: who asks for one gets no other."""
    from snapshotter.model.finding import Finding

    return Finding.failed(
        "id", code, f"under the id {wanted} the store has another {kind}, {there}"
    )


def _tell_where(settings: "Settings", name: str, findings: "Sequence[Finding]") -> None:
    """Say where bundles were looked for, if some are not there and no store was named."""
    from snapshotter.model.finding import Code

    if not settings.has_store and any(finding.code is Code.BUNDLE_MISSING for finding in findings):
        print_message(
            f"no store was named: bundles of {name} were looked for only among the given files and "
            "beside it; to name a store: --store DIR"
        )


def _stored_event(event_id: str, settings: "Settings") -> BinaryIO | None:
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.formats.bundle import store_keys

    with suppress(ValueError, FileNotFoundError):
        return wiring_store.store(settings).open(store_keys.takedown_key(event_id))
    return None


def _print(name: str, found: _Judged, *, as_json: bool, apart: bool) -> None:
    if as_json:
        print_json(found.value)
        return
    if apart:
        print_result(f"{name}:")
    for line in found.lines:
        print_result(line)
    if apart:
        print_result()


def _worst(codes: Sequence[int]) -> int:
    """Return FAILED's code, or else the first error's, or else INDETERMINATE's, or else 0."""
    if EvidenceInvalid.exit_code in codes:
        return EvidenceInvalid.exit_code
    errors = [code for code in codes if code not in (0, EvidenceUnverifiable.exit_code)]
    return errors[0] if errors else max(codes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """A bundle, open, and what stands beside it."""

    stream: BinaryIO
    sidecars: "Sidecars"
    store: "ObjectStore | None" = None  # where it was found by its id


def _with_sidecars(stream: BinaryIO, file: Path) -> _Given:
    """Return a bundle that is a file, with its sidecars."""
    from snapshotter.verify.sidecars import sidecars_on_disk

    return _Given(stream=stream, sidecars=sidecars_on_disk(file))


def _open_stored(name: str, settings: "Settings", stack: ExitStack) -> _Given:
    """Open a bundle of the store by its id, with its sidecars."""
    from snapshotter.app.archive import bundles
    from snapshotter.app.wiring import store as wiring_store

    store = wiring_store.store(settings)
    key = bundles.find_bundle_key(store, name)
    return _Given(
        stream=stack.enter_context(store.open(key)),
        sidecars=bundles.read_sidecars(store, key),
        store=store,
    )


def _note(settings: "Settings", store: "ObjectStore", found: "Report", bundle_id: str) -> None:
    """Leave a fixity check in the custody chain."""
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.model.custody import FAILURE, FIXITY_CHECK, SUCCESS
    from snapshotter.model.finding import Verdict

    codes = sorted(
        {finding.code.value for finding in found.findings if finding.verdict is not Verdict.PASSED}
    )
    failed = found.verdict is Verdict.FAILED
    wiring_store.note_access(
        settings,
        store,
        bundle_id,
        FIXITY_CHECK,
        show_message=print_message,
        detail=" ".join((found.verdict.value, *codes)),
        outcome=FAILURE if failed else SUCCESS,
    )
