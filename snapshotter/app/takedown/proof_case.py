"""
Choose the captures of a proof pack, and write the pack of an event for a worker.

`find` chooses the captures by a page's address, by the id of an event, or by the ids of captures.
For an address, events are first concluded from the captures in the store; if there is none, the
error names what is missing and the command that helps. `write` makes the pack of an event without
a PDF, and `with_pdf` makes it again with one.
"""

import shlex
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from ipaddress import ip_network
from pathlib import Path

from snapshotter.app.archive import bundles
from snapshotter.app.archive.bundle_verification import unusable_reason, verify_stored_bundle
from snapshotter.app.archive.observations import observations
from snapshotter.app.policies.configured_policy import is_within
from snapshotter.app.takedown import change_events, events
from snapshotter.app.takedown.events import Derivation, TakedownService
from snapshotter.app.takedown.proof_pack import ProofCase, ProofService, WrittenPack, make
from snapshotter.assess.takedown_events import Conclusion, MissingKind, PagePresence
from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.index.stored_events import StoredEvent
from snapshotter.model import sentences
from snapshotter.model.assessment import Availability
from snapshotter.model.finding import Code
from snapshotter.model.proof import ENDS, Role
from snapshotter.model.takedown import Observation, TakedownKind
from snapshotter.ports import ShowMessage
from snapshotter.report import wording
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.audit.sidecar_facts import key_counts

ProofOf = Callable[[str], bytes]  # an event's id → the log proof of its record; b"" for none


def find(
    service: TakedownService,
    wanted: Sequence[str],
    proof_of: ProofOf,
    show_message: ShowMessage,
    *,
    allowed: Sequence[str] = (),
) -> ProofCase:
    """
    Return the captures and the event of which a pack is made.

    Args:
        wanted: An address; or the id of an event; or the ids of two captures, and of further ones
            that confirm the second: the last that shows the page and the first that does not, or
            two that show it with different texts. Then an event of the change is recorded first.
        proof_of: Finds an event's proof in the log.
        show_message: Shows messages to the person who makes the proof.
        allowed: The networks that captures may always connect to, by the settings.

    Raises:
        SnapshotterError: Nothing of that name, or no event yet: what is missing, and the
            command that helps.
        ServiceUnavailable: The store did not answer.
    """
    if len(wanted) > 1:
        service.source.sync()
        if _both_show_the_page(service, wanted[0], wanted[1]):
            made = change_events.conclude(service, wanted[0], wanted[1], wanted[2:])
            service.source.index.sync_events(service.source.store)
            (stored,) = service.source.index.events(event_id=made.event.event_id)
            return _case(stored, proof_of)
        roles = (*ENDS, *(Role.CONFIRMATION for _ in wanted[2:]))
        return ProofCase(captures=tuple(zip(roles, wanted, strict=True)))
    (one,) = wanted
    if "://" in one:
        return _case(_of_page(service, one, show_message, allowed), proof_of)
    try:
        store_keys.takedown_key(one)
    except ValueError as error:
        raise SnapshotterError(
            tr("{one} is neither an address nor the id of an event or a capture", one=one),
            hint=tr(
                "give an address, the id of an event, or the ids of two captures. List the "
                "captures:\n  snapshotter list"
            ),
        ) from error
    service.source.index.sync_events(service.source.store)
    for stored in service.source.index.events(event_id=one):
        if stored.event is not None:
            _require_believed(service, stored)
            return _case(stored, proof_of)
    raise SnapshotterError(
        tr("the store {url} has no take-down event {one}", url=service.source.store.url, one=one),
        hint=tr(
            "to make a proof pack without an event, give two ids: the id of the last capture "
            "that shows the page, then the id of the first capture that does not show the page"
        ),
    )


def _both_show_the_page(service: TakedownService, earlier: str, later: str) -> bool:
    """Return whether two captures may prove a change: neither shows a removal, by the index."""
    rows = [service.source.index.row(bundle_id) for bundle_id in (earlier, later)]
    seen = [row.observation for row in rows if row is not None and row.observation is not None]
    return len(seen) == 2 and all(
        observation.availability is not Availability.UNAVAILABLE for observation in seen
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PackOfEvent:
    """A pack and its event."""

    case: ProofCase
    made: WrittenPack


def write(
    service: TakedownService, packs: ProofService, event_id: str, target: Path, proof_of: ProofOf
) -> PackOfEvent:
    """
    Write the pack of an event without being asked, and without the PDF, which `with_pdf` adds.

    Raises:
        SnapshotterError: As `find` and `proof_pack.make` do, or the folder cannot be made.
    """
    case = find(service, (event_id,), proof_of, packs.show_message)
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SnapshotterError(f"{target.parent}: {error.strerror or error}") from error
    return PackOfEvent(case=case, made=make(packs, case, target, without=frozenset({"pdf"})))


def with_pdf(packs: ProofService, written: PackOfEvent) -> str:
    """
    Make a pack again with a PDF of its statement; return why it has none, "" if it has.

    The first pack stays until the second is complete. If the browser fails or the worker ends, the
    first one remains, and no further attempt is made.
    """
    printer = packs.printer
    if printer is None:
        return "no browser was found"

    def printed(html: str, beside: Path, at: datetime) -> bytes:
        try:
            return printer(html, beside, at)
        except SnapshotterError as error:  # otherwise `make` would write a pack without a PDF
            raise _NotPrintedError(error.message) from error

    try:
        make(replace(packs, printer=printed), written.case, written.made.file)
    except _NotPrintedError as error:
        return str(error)
    return ""


class _NotPrintedError(Exception):
    """The PDF could not be made; the text is the reason."""


def _case(stored: StoredEvent, proof_of: ProofOf) -> ProofCase:
    if stored.event is None:
        raise ValueError("no event was read")
    return ProofCase.of(stored.event, stored.data, proof_of(stored.event.event_id))


def _of_page(
    service: TakedownService, url: str, show_message: ShowMessage, allowed: Sequence[str]
) -> StoredEvent:
    """Return the latest removal of a page, after concluding what follows from its captures."""
    derived = events.derive(service, [url])
    identity = service.source.identity(url)
    believed = [
        kept_event
        for kept_event in service.source.index.events(identity=identity)
        if kept_event.event is not None
        and kept_event.event.kind is not TakedownKind.CHANGED
        and _is_believed(service, kept_event)
    ]
    removals = [
        kept_event
        for kept_event in believed
        if kept_event.event is not None and kept_event.event.kind is TakedownKind.REMOVED
    ]
    if not removals:
        (derivation,) = (page for page in derived if page.subject == identity)
        captures = observations(service.source, identity=identity, sync=False)
        options = "".join(
            f"--allow-network {shlex.quote(network)} "
            for network in (_opened_networks(service, captures[-1], allowed) if captures else ())
        )
        command = f"snapshotter capture {options}{shlex.quote(url)}"
        hidden = service.hidden(passed.observation.bundle_id for passed in derivation.passed)
        raise _nothing_yet(command, derivation, captures, hidden)
    found, last = removals[-1], believed[-1]
    if last is not found and last.event is not None:
        show_message(
            tr(
                "the page became available again later: see the event {event_id}",
                event_id=last.event.event_id,
            )
        )
    return found


def _is_believed(service: TakedownService, stored: StoredEvent) -> bool:
    if stored.key_id in service.own_keys or key_counts(service.trust(), stored.key_id):
        return True
    return stored.key_id == service.signer().key_id  # which may have been made just now


def _require_believed(service: TakedownService, stored: StoredEvent) -> None:
    if not _is_believed(service, stored):
        raise SnapshotterError(
            tr(
                "{key} is signed by the key {key_id}, which is not trusted",
                key=stored.key,
                key_id=stored.key_id,
            ),
            hint=tr(
                "check which users have write access to this store. If you trust the key, "
                "add the key to the trust file"
            ),
        )


# --- what is missing ------------------------------------------------------------------------


def _opened_networks(
    service: TakedownService, last: Observation, allowed: Sequence[str]
) -> tuple[str, ...]:
    """
    Return the networks that the last capture could connect to and a new one could not.

    Only a verified bundle of a trusted key counts: whoever can write to the store must not
    suggest a network that a person then opens.
    """
    report = verify_stored_bundle(
        service.source.store, last.bundle_id, service.trust(), now=service.now()
    )
    if (
        report is None
        or unusable_reason(report, last.sha256)
        or any(finding.code is Code.KEY_UNKNOWN for finding in report.findings)
    ):
        return ()
    try:
        with service.source.store.open(store_keys.bundle_key(last.bundle_id)) as stream:
            opened = bundles.read_record(stream)["how"]["settings"]["allow_networks"]
        known = [ip_network(network) for network in allowed]
        return tuple(
            network
            for network in opened
            if not any(is_within(ip_network(network), wider) for wider in known)
        )
    except (EvidenceInvalid, KeyError, TypeError, ValueError):
        return ()  # a record of another version; the command is then printed without the option


def _nothing_yet(
    command: str,
    derived: Derivation,
    captures: Sequence[Observation],
    hidden: Collection[str],
) -> SnapshotterError:
    """
    Return the sentence on why there is no event, and the command that helps.

    Args:
        command: Captures the page again.
        hidden: The ids of captures in quarantine among those that were left out.
    """
    known = derived.conclusion
    if derived.passed:
        why = "; ".join(
            f"{passed.observation.bundle_id}: {passed.why}" for passed in derived.passed
        )
        hint = tr("audit the store:\n  snapshotter audit")
        if all(passed.observation.bundle_id in hidden for passed in derived.passed):
            hint = tr(
                "if you may end the quarantine, release the captures first:\n  snapshotter release "
                "--reason REASON {bundle_ids}",
                bundle_ids=" ".join(hidden),
            )
        return SnapshotterError(
            tr("no take-down of this page is confirmed: {why}", why=why), hint=hint
        )
    match known.standing:
        case PagePresence.DOUBTED:
            return SnapshotterError(
                tr("no take-down of this page is confirmed: {doubt}", doubt=_doubt(known)),
                hint=_help(known, command),
            )
        case PagePresence.THERE:
            return SnapshotterError(
                tr("the last conclusive capture shows that the page is available"),
                hint=tr(
                    "to prove that the page was changed, give the ids of two captures:\n"
                    "  snapshotter proof EARLIER LATER\n"
                    "to prove a removal, capture the page again:\n  {command}",
                    command=command,
                ),
            )
        case PagePresence.UNSEEN if known.missing:
            return SnapshotterError(
                tr(
                    "the page is not available, but no capture in the store shows that it "
                    "was available before"
                ),
                hint=tr(
                    "look for a capture that another person made before the removal. A capture "
                    "that is made now cannot show the earlier state of the page"
                ),
            )
        case PagePresence.UNSEEN if captures:
            return SnapshotterError(
                tr(
                    "no capture in the store establishes whether this page is available. The last "
                    "capture was made at {second}: {observation}",
                    second=wording.format_second(captures[-1].at),
                    observation=sentences.describe_observation(captures[-1]),
                ),
                hint=tr("capture the page again:\n  {command}", command=command),
            )
        case PagePresence.UNSEEN:
            return SnapshotterError(
                tr("the store has no capture of this page"),
                hint=tr("capture the page:\n  {command}", command=command),
            )
        case _:
            return SnapshotterError(
                tr(
                    "the page is not available, but the recorded event is not a removal of the page"
                ),
                hint=tr("make the proof pack of that event:\n  snapshotter proof EVENT-ID"),
            )


def _doubt(known: Conclusion) -> str:
    since = known.first_gone
    gone = (
        tr(
            "the page has not been available since {second}. To confirm a take-down, more "
            "captures are needed: ",
            second=wording.format_second(since.at),
        )
        if since
        else tr("to confirm a take-down, more captures are needed: ")
    )
    return gone + ", and ".join(map(events.describe_missing, known.missing))


def _help(known: Conclusion, command: str) -> str:
    if known.missing and known.missing[0].lack is MissingKind.CONTROL:
        return tr(
            "capture another available page of the host. Then capture this page "
            "again:\n  {command}",
            command=command,
        )
    return tr("capture the page again:\n  {command}", command=command)
