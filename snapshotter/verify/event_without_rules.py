"""
Verify a take-down event without rules, as the stand-alone verifier does.

The record, its key, its place in the log and each capture are judged. To find whether the captures
show what the event states, and whether the event follows from them, the rules in the bundles and
the program that runs them are needed (`app/takedown/event_verification.py`): here these two checks
are INDETERMINATE.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.bundle.store_keys import SUFFIX
from snapshotter.formats.proofs import leaf, tlog_proof
from snapshotter.formats.proofs.leaf import Leaf
from snapshotter.model.finding import Finding, Report
from snapshotter.translation import tr
from snapshotter.verify.bundle_on_disk import verify_on_disk
from snapshotter.verify.files import NotAFile, open_file
from snapshotter.verify.report_excerpt import report_excerpt
from snapshotter.verify.takedown import (
    EventReport,
    find_and_check_captures,
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
    Return what can be established about an event without rules; it is never PASSED as a whole.

    Args:
        data: The record.
        folders: The folders of its bundles, which are named `<id>.wacz`, with their sidecars.
        log_proof: The C2SP tlog-proof of its leaf, if one exists.

    Raises:
        OSError, SnapshotterError: A bundle exists and cannot be read.
    """
    found = read_event_record(data, trust)
    if found.event is None:
        return found
    found = find_and_check_captures(
        found, lambda bundle_id: _verify_in_folders(bundle_id, folders, trust, now), trust
    )
    return with_log_findings(found, log_proof, trust).with_more(not_derived_findings(), ())


def with_log_findings(found: EventReport, proof: bytes | None, trust: Trust) -> EventReport:
    """
    Return the report with what the log shows about the record.

    Anybody may have put the proof there, and no event needs one, so a proof that does not hold
    gives a note and no finding.

    Args:
        proof: The C2SP tlog-proof beside the record; None where there is none.
    """
    if found.event is None:
        return found
    if proof is None:
        name = found.event.event_id
        command = tr(
            "snapshotter log prove --kind takedown {name} -o {name}.json.tlog-proof", name=name
        )
        return found.with_more(
            (),
            (
                tr(
                    "no log proof was found beside the event. This command writes the log proof: "
                    "{command}",
                    command=command,
                ),
            ),
        )
    if trust.log is None:
        return found.with_more(
            (), (tr("a log proof was found beside the event, but you trust no log"),)
        )
    entry = Leaf(kind=leaf.TAKEDOWN, name=found.event.event_id, sha256=found.sha256)
    policy = trust.log.of_log(tlog_proof.checkpoint_in(proof))
    try:
        read, signed = tlog_proof.check(proof, entry.encode(), policy.key, policy.witnesses)
    except EvidenceInvalid as error:
        return found.with_more(
            (), (tr("the log proof beside the event is not valid: {error}", error=error),)
        )
    if not policy.is_met_by(signed):
        seen = tr(
            "witnesses that have seen the event in the log: {count}, required: {quorum}",
            count=len(signed.cosignatures),
            quorum=policy.quorum,
        )
        return found.with_more((), (seen,))
    finding = Finding.passed(
        "log",
        tr(
            "the log {name} contains the event: entry with the index {index}, entries in the log: "
            "{size}",
            index=read.index,
            size=signed.size,
            name=policy.key.name,
        ),
    )
    return found.with_more((finding,), ())


def _verify_in_folders(
    bundle_id: str, folders: Sequence[Path], trust: Trust, now: datetime
) -> Report | None:
    for folder in folders:
        path = folder / f"{bundle_id}{SUFFIX}"
        try:
            stream = open_file(path)
        except (FileNotFoundError, NotAFile):
            continue
        with stream:
            return report_excerpt(verify_on_disk(stream, path, trust, now=now))
    return None
