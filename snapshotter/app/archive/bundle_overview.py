"""
Read the overview of one bundle: its record, its assessment, and the facts around its proof.

The overview is what the bundle and its sidecars state. Nothing is verified.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from snapshotter.app.archive import bundles
from snapshotter.app.archive.quarantined import read_quarantine
from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.bundle import container, names
from snapshotter.value_class import dataclass
from snapshotter.verify.files import MAX_SIDECAR_BYTES
from snapshotter.verify.sidecars import Sidecars, sidecars_on_disk

if TYPE_CHECKING:
    from snapshotter.app.archive.quarantined import IsTrusted
    from snapshotter.model.assessment import Assessment
    from snapshotter.ports import ReadableStore

_LATE = "late-"  # begins the kinds of the sidecars that are late tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleOverview:
    """What a bundle and its sidecars state."""

    record: dict[str, Any]  # a stranger may have written it
    assessment: "Assessment | None"  # None: the bundle is from before assessments existed
    length: int  # bytes of the bundle
    files: int  # in the bundle
    token_times: tuple[datetime, ...]  # of the timestamp tokens over the first signature, sorted
    is_logged: bool  # a proof of a log is beside the bundle
    quarantine: str = ""  # why the capture is in quarantine; "" if it is not


def file_overview(file: Path, stream: BinaryIO) -> BundleOverview:
    """
    Return the overview of a bundle that is a file, with the sidecars in its folder.

    Raises:
        EvidenceInvalid: The file is not a bundle, or has no readable record.
    """
    return _overview(stream, lambda kinds: sidecars_on_disk(file, kinds))


def stored_overview(
    store: "ReadableStore", bundle_id: str, is_trusted: "IsTrusted"
) -> BundleOverview:
    """
    Return the overview of a bundle of a store.

    Args:
        is_trusted: Whether a key of this id may end a quarantine.

    Raises:
        EvidenceInvalid: It has no readable record.
        SnapshotterError: The store does not have the bundle.
    """
    key = bundles.find_bundle_key(store, bundle_id)
    with store.open(key) as stream:
        found = _overview(stream, lambda kinds: bundles.read_sidecars(store, key, kinds))
    quarantine = read_quarantine(store, bundle_id, is_trusted)
    if not quarantine.is_hidden:
        return found
    active = quarantine.active
    return replace(
        found, quarantine=active.reason if active is not None else quarantine.problems[0]
    )


def _overview(stream: BinaryIO, sidecars: Callable[[str], Sidecars]) -> BundleOverview:
    from snapshotter.app.archive import assessment as assessing

    record = bundles.read_record(stream)
    assessed = assessing.read_assessment(assessing.BundleFiles(stream))
    return BundleOverview(
        record=record,
        assessment=assessed,
        length=stream.seek(0, os.SEEK_END),
        files=len(container.read_directory(stream)),
        token_times=tuple(sorted(_token_times(stream, sidecars(_LATE).late_tokens))),
        is_logged=sidecars(names.LOG_PROOF).log_proof is not None,
    )


def _token_times(stream: BinaryIO, late_tokens: tuple[bytes, ...]) -> Iterator[datetime]:
    """Yield the times of the tokens that are over the first signature."""
    there = bundles.read_member_names(stream)
    tokens = list(late_tokens)
    for number in range(1, names.MAX_TOKENS + 1):
        if (name := names.token(1, number)) in there:
            with suppress(EvidenceInvalid):  # too long to be a token
                tokens.append(bundles.read_member(stream, name, limit=MAX_SIDECAR_BYTES))
    if not tokens or names.signature(1) not in there:
        return
    from snapshotter.formats.proofs import rfc3161

    signature = bundles.read_member(stream, names.signature(1), limit=MAX_SIDECAR_BYTES)
    for token in tokens:
        with suppress(rfc3161.TokenInvalid):  # `verify` names it
            if rfc3161.is_token_over(token, signature):
                yield rfc3161.read_token(token).time
