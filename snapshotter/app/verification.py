"""
Verify one exhibit of any kind: a bundle, a take-down event, a proof pack, or a campaign or
validation report.

`verify_file` verifies a file by its kind, and `verify_stored` an event or a bundle of the store
by its id. What only some kinds need is imported and built when it is needed, so that a bundle
is verified without the rules that judge pages.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from snapshotter.formats.bundle import names, store_keys
from snapshotter.model.finding import Code, Finding, Report, Verdict
from snapshotter.ports import ObjectStore, ShowMessage
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify import report
from snapshotter.verify.bundle_on_disk import verify_on_disk
from snapshotter.verify.file_kind import FileKind, kind_of
from snapshotter.verify.sidecars import sidecars_on_disk
from snapshotter.verify.trust import Trust

if TYPE_CHECKING:
    from snapshotter.app.archive.observations import ObservationSource
    from snapshotter.app.takedown.bundle_finder import FindBundle
    from snapshotter.app.takedown.previous_event import PreviousEvent
    from snapshotter.app.takedown.rederivation import Rederivation


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationService:
    """What the verification of exhibits needs; most of it is built by a call."""

    trust: Trust
    now: Callable[[], datetime]
    has_store: bool
    store: Callable[[], ObjectStore]  # raises SnapshotterError where none is configured
    rederivation: Callable[[], "Rederivation"]
    bundle_finder: Callable[[Sequence[Path]], "FindBundle"]  # looks into these folders, too
    previous_event_finder: Callable[[Sequence[Path]], "PreviousEvent"]
    observation_source: Callable[[], AbstractContextManager["ObservationSource"]]
    show_message: ShowMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was found about one exhibit, of whatever kind."""

    verdict: Verdict
    json: dict[str, Any]  # the object that `verify --json` prints
    lines: list[str]  # the report for a person
    stored: tuple[ObjectStore, Report] | None = None  # of a bundle of the store


def verify_file(
    service: VerificationService, name: str, file: Path, stream: BinaryIO
) -> Verification:
    """
    Verify a file by its kind.

    Args:
        name: The file as it was named.
        stream: The file, seekable; left open.

    Raises:
        NotEvidence: It is no exhibit.
        OSError, SnapshotterError: It, or what is verified with it, cannot be read.
    """
    kind = kind_of(stream, file)
    if kind is FileKind.TAKEDOWN:
        return _verify_event(service, name, stream, file)
    if kind is FileKind.PACK:
        return _verify_pack(service, name, stream)
    if kind is FileKind.CAMPAIGN:
        return _verify_campaign(service, name, stream, file.parent)
    if kind is FileKind.VALIDATION:
        return _verify_validation(service, name, stream)
    report = verify_on_disk(stream, file, service.trust, now=service.now(), allow_redacted=True)
    return _of_bundle(name, report)


def verify_stored(service: VerificationService, object_id: str) -> Verification:
    """
    Verify an event or a bundle of the store.

    Raises:
        OSError, SnapshotterError: The store has nothing of this id, or it cannot be read.
    """
    from snapshotter.app.archive import bundles
    from snapshotter.app.archive.bundle_verification import verify_in_store

    store = service.store()
    if (event := _open_event(store, object_id)) is not None:
        with event:
            return _verify_event(service, object_id, event, None)
    key = bundles.find_bundle_key(store, object_id)
    with store.open(key) as stream:
        found = verify_in_store(
            stream, store, key, service.trust, now=service.now(), read_assessment=True
        )
    if found.bundle_id not in (object_id, ""):
        other = _other_under_id("bundle", found.bundle_id, object_id, Code.NAME)
        found = replace(found, findings=(*found.findings, other), established=None)
    return replace(_of_bundle(object_id, found), stored=(store, found))


def _open_event(store: ObjectStore, event_id: str) -> BinaryIO | None:
    with suppress(ValueError, FileNotFoundError):
        return store.open(store_keys.takedown_key(event_id))
    return None


def _of_bundle(name: str, found: Report) -> Verification:
    return Verification(
        verdict=found.verdict,
        json={"bundle": name, **report.as_json(found)},
        lines=report.lines(found),
    )


def _verify_pack(service: VerificationService, name: str, stream: BinaryIO) -> Verification:
    from snapshotter.app.takedown.pack_verification import judge_by_rules
    from snapshotter.verify import proof_pack_report
    from snapshotter.verify.proof_pack import verify_pack

    judge = judge_by_rules(service.trust, service.rederivation())
    found = verify_pack(stream, service.trust, now=service.now(), judge=judge)
    return Verification(
        verdict=found.verdict,
        json={"file": name, "kind": "pack", **proof_pack_report.as_json(found)},
        lines=proof_pack_report.lines(found),
    )


def _verify_event(
    service: VerificationService, name: str, stream: BinaryIO, file: Path | None
) -> Verification:
    """
    Verify an event with its bundles: those that were named, those beside it, those in the store.

    Args:
        name: The file as it was named, or the id of the event in the store.
        file: The file; None for an event in the store.
    """
    from snapshotter.app.takedown.event_verification import verify_event
    from snapshotter.formats.statements import takedown as takedown_format
    from snapshotter.verify import takedown
    from snapshotter.verify.event_without_rules import with_log_findings

    folders = [file.parent] if file is not None else []
    found = verify_event(
        stream.read(takedown_format.MAX_BYTES + 1),
        service.trust,
        service.bundle_finder(folders),
        service.rederivation(),
        before=service.previous_event_finder(folders),
    )
    _show_where(service, name, found.findings)
    if file is None and found.event is not None and found.event.event_id != name:
        other = _other_under_id("event", found.event.event_id, name, Code.EVENT)
        found = found.with_more((other,), ())
    if file is not None:
        log_proof = sidecars_on_disk(file, names.LOG_PROOF).log_proof
        if log_proof is not None:
            found = with_log_findings(found, log_proof, service.trust)
    return Verification(
        verdict=found.verdict,
        json={"file": name, **takedown.as_json(found)},
        lines=takedown.lines(found),
    )


def _verify_campaign(
    service: VerificationService, name: str, stream: BinaryIO, folder: Path
) -> Verification:
    """Verify a campaign report with its bundles, and against the store if one is configured."""
    from snapshotter.app.takedown import campaign_verification
    from snapshotter.formats.statements import campaign

    with ExitStack() as stack:
        source = None
        if service.has_store:
            source = stack.enter_context(service.observation_source())
            service.show_message(
                tr("{name} is compared with the store {url}", name=name, url=source.store.url)
            )
        found = campaign_verification.verify_campaign(
            stream.read(campaign.MAX_BYTES + 1),
            service.trust,
            service.bundle_finder([folder]),
            service.rederivation(),
            source=source,
            show_message=service.show_message,
        )
    _show_where(service, name, found.findings)
    return Verification(
        verdict=found.verdict,
        json={"file": name, **campaign_verification.as_json(found)},
        lines=campaign_verification.lines(found),
    )


def _verify_validation(service: VerificationService, name: str, stream: BinaryIO) -> Verification:
    from snapshotter.formats.statements import validation as statements
    from snapshotter.verify import validation

    found = validation.verify_validation(stream.read(statements.MAX_BYTES + 1), service.trust)
    return Verification(
        verdict=found.verdict,
        json={"file": name, **validation.as_json(found)},
        lines=validation.lines(found),
    )


def _other_under_id(kind: str, found_id: str, wanted_id: str, code: Code) -> Finding:
    """Return the finding that the store has another object under an id than that of this id."""
    return Finding.failed(
        "id",
        code,
        tr(
            "the store has another {kind}, {found_id}, under the id {wanted_id}",
            wanted_id=wanted_id,
            kind=kind,
            found_id=found_id,
        ),
    )


def _show_where(service: VerificationService, name: str, findings: Sequence[Finding]) -> None:
    """Show where bundles were looked for, if some are missing and no store was named."""
    if not service.has_store and any(finding.code is Code.BUNDLE_MISSING for finding in findings):
        service.show_message(
            tr(
                "no store was named, so the bundles of {name} were searched for only among the "
                "given files and in the folder of {name}. To search a store also, add --store "
                "DIR",
                name=name,
            )
        )
