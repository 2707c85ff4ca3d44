"""
Verify a take-down event without the rules: with the verifier alone.

What needs no rules is judged: the record and its key, each capture by its digest and by
itself, and the place of the record in the log. That the captures show what the event says,
and that it follows from them, takes the rules that lie in the bundles and what runs them;
here that is INDETERMINATE, and is told.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.bundle.store_keys import SUFFIX
from snapshotter.formats.proofs import leaf, tlog_proof
from snapshotter.formats.proofs.leaf import Leaf
from snapshotter.model.finding import Finding, Report
from snapshotter.verify.bundle_on_disk import verify_on_disk
from snapshotter.verify.files import NotAFile, open_file
from snapshotter.verify.report_excerpt import report_excerpt
from snapshotter.verify.takedown import (
    EventReport,
    check_captures,
    not_derived_findings,
    read_event_record,
)
from snapshotter.verify.trust import Trust


def verify_event_without_rules(
    data: bytes,
    trust: Trust,
    *,
    now: datetime,
    folders: Sequence[Path],
    log_proof: bytes | None = None,
) -> EventReport:
    """
    Return what can be said of an event without rules; never PASSED as a whole.

    Args:
        data: The record.
        folders: Where its bundles may lie, each as `<id>.wacz`, sidecars beside them.
        log_proof: The C2SP tlog-proof of its leaf, if there is one.

    Raises:
        OSError, SnapshotterError: A bundle that is there can not be read.
    """
    found = read_event_record(data, trust)
    if found.event is None:
        return found
    reports: dict[str, Report | None] = {}
    for part in found.parts:
        bundle_id = part.observation.bundle_id
        if bundle_id not in reports:
            reports[bundle_id] = _bundle(bundle_id, folders, trust, now)
    found = check_captures(
        found,
        [replace(part, report=reports[part.observation.bundle_id]) for part in found.parts],
        trust,
    )
    return with_log_findings(found, log_proof, trust).with_more(not_derived_findings(), ())


def with_log_findings(found: EventReport, proof: bytes | None, trust: Trust) -> EventReport:
    """
    Return the report with what the log says of the record.

    A proof stands where anybody may put anything, and no event needs one: what does not hold
    is a note.

    Args:
        proof: The C2SP tlog-proof beside the record; None where there is none.
    """
    if found.event is None:
        return found
    if proof is None:
        name = found.event.event_id
        how = f"snapshotter log prove --kind takedown {name} -o {name}.json.tlog-proof"
        return found.with_more((), (f"no log proof is beside it ({how})",))
    if trust.log is None:
        return found.with_more((), ("a log proof is beside it, and no log is trusted",))
    entry = Leaf(kind=leaf.TAKEDOWN, name=found.event.event_id, sha256=found.sha256)
    policy = trust.log.of_log(tlog_proof.checkpoint_in(proof))
    try:
        read, signed = tlog_proof.check(proof, entry.encode(), policy.key, policy.witnesses)
    except EvidenceInvalid as error:
        return found.with_more((), (f"the log proof beside it does not hold: {error}",))
    if not policy.is_met_by(signed):
        seen = f"{len(signed.cosignatures)} of {policy.quorum} required witnesses have seen it"
        return found.with_more((), (f"{seen} in the log",))
    finding = Finding.passed(
        "log", f"entry {read.index} of {signed.size} in the log {policy.key.name}"
    )
    return found.with_more((finding,), ())


def _bundle(bundle_id: str, folders: Sequence[Path], trust: Trust, now: datetime) -> Report | None:
    for folder in folders:
        path = folder / f"{bundle_id}{SUFFIX}"
        try:
            stream = open_file(path)
        except (FileNotFoundError, NotAFile):
            continue
        with stream:
            return report_excerpt(verify_on_disk(stream, path, trust, now=now))
    return None
