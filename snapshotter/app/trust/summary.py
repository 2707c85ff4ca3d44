"""Describe a trust file as the JSON object that commands print, and as lines for a person."""

import json
from collections.abc import Iterator
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from snapshotter.formats.canonical_json import instant
from snapshotter.translation import tr
from snapshotter.verify.trust import FROM_THE_START, TrustDocument, TrustedKey


def trust_json(document: TrustDocument) -> dict[str, Any]:
    """Return the content of a trust file, with the id of its root key."""
    content: dict[str, Any] = json.loads(document.encode())
    return {**content, "root_key_id": document.root_key_id}


def trust_lines(document: TrustDocument, *, pinned: bool) -> Iterator[str]:
    """
    Yield the content of a trust file, line by line.

    Args:
        pinned: The reader named the root key, and its signature is good.
    """
    state = (
        tr("pinned, and the signature of the trust file is valid")
        if pinned
        else ("not pinned: anybody could have made this file")
    )
    require = document.require
    yield f"version   {document.version}"
    yield f"root key  {document.root_key_id} ({state})"
    yield f"expires   {instant(document.expires) if document.expires else 'never'}"
    proof = ", a log proof" if require.log else ""
    yield tr(
        "requires  signatures: {signatures}; timestamps: {timestamps}{proof}",
        signatures=require.signatures,
        timestamps=require.timestamps,
        proof=proof,
    )
    yield tr(
        "allows    {max_skew:.0f} s of difference between clocks, {max_lag:.0f} s from "
        "sealing to the timestamp token",
        max_skew=document.max_skew.total_seconds(),
        max_lag=document.max_lag.total_seconds(),
    )
    for key in document.keys:
        yield f"key       {key.key_id}"
        yield f"          {key.owner}, {key.algorithm}, {_period(key)}"
        if key.revoked_at is not None:
            yield tr(
                "          REVOKED from {instant} on: {revoked_reason}",
                instant=instant(key.revoked_at),
                revoked_reason=key.revoked_reason,
            )
    for anchor in document.authorities:
        yield f"tsa       {anchor.name}: {anchor.root.subject.rfc4514_string()}"
        yield f"          root SHA-256 {fingerprint(anchor.root)}"
        yield f"          policies {', '.join(sorted(anchor.policy_oids)) or 'any'}"
        if anchor.revoked_serials:
            serials = ", ".join(sorted(str(serial) for serial in anchor.revoked_serials))
            yield tr("          revoked serial numbers {serials}", serials=serials)
    if document.log is not None:
        yield f"log       {document.log.key.text}"
        for witness in document.log.witnesses:
            yield f"          witness {witness.text}"
        if document.log.witnesses:
            yield f"number of witnesses that must cosign a checkpoint: {document.log.quorum}"


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of a certificate in hexadecimal, as its authority publishes it."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def _period(key: TrustedKey) -> str:
    begin = "the start" if key.not_before == FROM_THE_START else instant(key.not_before)
    return f"from {begin}" + (f" to {instant(key.not_after)}" if key.not_after else " on")
