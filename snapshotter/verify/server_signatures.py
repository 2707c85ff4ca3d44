"""
Check the signatures of servers in the recorded TLS handshakes (`capture/tls.json`).

Only the signatures are checked, not the chains of the certificates, because it is not known here
which roots were trusted at that time. A bundle without the file fails if its capture record lists
the file. Otherwise there is no finding: the program that made the bundle did not record the file
yet, or the page had no TLS.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.bundle import names
from snapshotter.formats.tls import server_signature
from snapshotter.formats.tls.handshake import Decompressor
from snapshotter.formats.tls.server_signature import ServerSignatures
from snapshotter.model.finding import Code, Finding, Verdict
from snapshotter.translation import tr

_CHECK = "server-signature"
_MAX_REPORTED = 20  # sessions that are reported one by one


def judge(record: Mapping[str, Any], data: bytes | None) -> Iterator[Finding]:
    """
    Yield the findings about a bundle's `capture/tls.json`.

    Args:
        record: The capture record, whose list of artifacts is read.
        data: The file as it was digested; None if the bundle has none.
    """
    if data is None:
        if names.SERVER_SIGNATURES in _announced(record):
            yield _failed(
                tr(
                    "the capture record lists the file of the server signatures, but "
                    "the bundle does not contain this file"
                )
            )
        return
    try:
        kept = server_signature.parse(data)
    except EvidenceInvalid as error:
        yield _failed(str(error))
        return
    reported, unreported = 0, 0
    decompress = Decompressor()
    worst = Verdict.INDETERMINATE  # of the sessions that are not reported one by one
    for session in kept.sessions:
        verdict, problem = server_signature.judge(session, decompress)
        if verdict is Verdict.PASSED:
            continue
        if reported < _MAX_REPORTED:
            reported += 1
            where = f"connection {session.connection} to {session.host}"
            yield _finding(verdict, f"{where}: {problem}")
        else:
            unreported += 1
            worst = Verdict.FAILED if verdict is Verdict.FAILED else worst
    if unreported:
        yield _finding(
            worst,
            tr(
                "further signatures that are invalid or could not be checked: {unreported}. "
                "Total number of connections: {count}",
                unreported=unreported,
                count=len(kept.sessions),
            ),
        )
    if kept.sessions and not reported:
        yield Finding.passed(_CHECK, _in_words(kept))


def _in_words(kept: ServerSignatures) -> str:
    named = [session for session in kept.sessions if session.names_host]
    others = {(session.host, session.port) for session in kept.sessions if not session.names_host}
    words = []
    if named:
        origins = {(session.host, session.port) for session in named}
        words.append(
            tr(
                "origins whose server signed the TLS handshakes: {count}, recorded handshakes: "
                "{count2}. This check does not verify the certificates up to a root certificate",
                count=len(origins),
                count2=len(named),
            )
        )
    if others:
        words.append(
            tr(
                "origins without a proof, because the certificate is for another host: {count}",
                count=len(others),
            )
        )
    if kept.unsigned:
        words.append(
            tr("connections without a signature of the server: {count}", count=len(kept.unsigned))
        )
    return "; ".join(words)


def _announced(record: Mapping[str, Any]) -> set[str]:
    """Return the paths of the artifacts in the record, whose form no other check has validated."""
    content = record.get("content")
    artifacts = content.get("artifacts") if isinstance(content, dict) else None
    if not isinstance(artifacts, list):
        return set()
    paths = [artifact.get("path") for artifact in artifacts if isinstance(artifact, dict)]
    return {path for path in paths if isinstance(path, str)}


def _failed(why: str) -> Finding:
    return _finding(Verdict.FAILED, why)


def _finding(verdict: Verdict, why: str) -> Finding:
    return Finding(
        check=_CHECK,
        verdict=verdict,
        code=Code.SERVER_SIG,
        detail=f"{names.SERVER_SIGNATURES}: {why}",
    )
