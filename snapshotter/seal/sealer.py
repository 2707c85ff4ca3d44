"""
Seal a capture into a bundle, a single file in the spool.

`seal` makes the capture record, the custody chain, the manifests, the signatures, the timestamp
tokens and the container, in the order of docs/spec/bundle.md, "Order of work". If an authority
fails, the capture is not lost: its bundle is sealed without this token, which is requested again
later. All files are written into the spool. A crash leaves files that the next run removes, and no
bundle: `<id>.wacz` gets its name when it is complete.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from snapshotter.errors import SnapshotterError
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import container, custody, manifest, names, redactable, wacz
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.signatures.keys import load_public_pem
from snapshotter.model.bundle import Bundle, Signed, TokenResult, TokenState
from snapshotter.model.capture import Artifact, Capture, Outcome
from snapshotter.model.custody import CustodyEvent
from snapshotter.model.digests import Digests
from snapshotter.model.request import Decision
from snapshotter.ports import Clock, Progress, Signer, TimestampAuthority
from snapshotter.seal import record
from snapshotter.seal.signer_checks import check_signers
from snapshotter.seal.timestamp import stamp_all
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_README = """\
This is the record of one web capture, sealed by {software}.

Everything in it can be checked without that software and without a network.
Unpack it into an empty directory, then:

  sha256sum --strict --quiet -c seal/manifest-sha256.txt
      every file listed there is as it was signed
  openssl dgst -sha384 -verify KEY.pem -signature seal/sig-01.der seal/manifest-sha256.txt
      the list was signed by the holder of that key
  openssl pkey -pubin -in KEY.pem -outform DER | sha256sum
      the key's id: compare it with the one its owner published
  openssl ts -verify -in seal/sig-01.tsa-01.tsr -data seal/sig-01.der \\
      -CAfile AUTHORITY-ROOT.pem -attime SECONDS
      the signature existed at the token's time (SECONDS since 1970)

Take KEY.pem and AUTHORITY-ROOT.pem from somewhere you trust, never from this
file. capture/capture.json says what was captured, how, and what it does not
prove. The pages replay in any software that reads WACZ.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealDependencies:
    """The keys, timestamp authorities and clock that seal a bundle."""

    signer: Signer
    cosigners: tuple[Signer, ...] = ()  # sign in the slots behind `signer`, with own tokens
    # At most nine; asked in parallel, each for one token a signature.
    authorities: Sequence[TimestampAuthority]
    timestamp_timeout_s: float  # for all authorities; one that is slower owes its token
    clock: Clock
    software: str
    # A token further than this from `clock` would contradict the bundle's own times and is
    # left out; None: every token is taken.
    max_skew: timedelta | None = None


@contextlib.contextmanager
def _disk_errors_translated() -> Iterator[None]:
    """Translate disk errors into SnapshotterError."""
    try:
        yield
    except OSError as error:
        raise SnapshotterError(
            tr("the bundle could not be written: {strerror}", strerror=error.strerror or error),
            hint=tr("free disk space, or set spool_dir to another directory"),
        ) from error


@_disk_errors_translated()
def seal(
    capture: Capture,
    decision: Decision,
    dependencies: SealDependencies,
    *,
    bundle_id: str,
    salt_key: bytes,
    spool: Path,
    progress: Progress,
    hurry: Callable[[], bool] | None = None,
    log_checkpoint: str = "",
) -> Bundle:
    """
    Return the sealed bundle, one file in `spool`.

    Args:
        salt_key: 32 random bytes, from which the salts of the redactable record follow.
        spool: The directory with the capture's artifacts; the bundle is written beside them
            as `<id>.wacz`.
        hurry: Called while tokens are awaited; once it returns True, the rest is owed.
        log_checkpoint: The newest one when the capture began, the whole note.

    Raises:
        SnapshotterError: No space, a bundle over 4 GiB, a file that changed on disk, or
            signers that `check_signers` refuses.
    """
    clock, software = dependencies.clock, dependencies.software
    signer, authorities = dependencies.signer, dependencies.authorities
    signers = (signer, *dependencies.cosigners)
    check_signers(signers, decision, authorities=len(authorities))
    progress("seal", "")
    # (1) What the capture room wrote is hashed already; two small files are ours.
    artifacts = sorted(
        (
            *capture.artifacts,
            write_own_file(
                spool,
                "capture/policy.toml",
                "application/toml",
                decision.policy_text.encode(),
                step="seal",
                made_at=capture.ended_at,
            ),
            write_own_file(
                spool,
                "capture/README.txt",
                "text/plain",
                _README.format(software=software).encode(),
                step="seal",
                made_at=capture.ended_at,
            ),
        ),
        key=lambda artifact: artifact.path,
    )
    sealed_at = clock.now()
    fields = record.content(
        capture,
        decision,
        artifacts,
        record.SealFacts(
            bundle_id=bundle_id,
            sealed_at=sealed_at,
            software=software,
            signers=signers,
            authorities=tuple(authority.name for authority in authorities),
            log_checkpoint=log_checkpoint,
            salt_key=salt_key,
        ),
    )
    closed = write_own_file(
        spool,
        redactable.PATH,
        "application/json",
        redactable.encode(fields),
        step="seal",
        made_at=capture.ended_at,
    )
    artifacts = sorted((*artifacts, closed), key=lambda artifact: artifact.path)
    record_bytes = canonical_json.dumps(record.with_artifact(fields, closed))
    listed = {artifact.path: artifact.digests for artifact in artifacts}
    files: dict[str, Callable[[], BinaryIO]] = {
        artifact.path: _opener(artifact.file) for artifact in artifacts
    }

    def add(name: str, data: bytes) -> Digests:
        path = spool / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        files[name] = _opener(path)
        return digest_bytes(data)

    listed[names.CAPTURE_RECORD] = add(names.CAPTURE_RECORD, record_bytes)
    events = _events(
        capture,
        software=software,
        sealed_at=sealed_at,
        files=len(listed),
        custody_salt=redactable.derive_salt(salt_key, names.CUSTODY).hex(),
    )
    listed[names.CUSTODY] = add(names.CUSTODY, custody.encode(events))

    # (2) The manifests, and the signatures over the second.
    blake3_manifest = manifest.encode({path: digests.blake3 for path, digests in listed.items()})
    listed[names.MANIFEST_BLAKE3] = add(names.MANIFEST_BLAKE3, blake3_manifest)
    sha256_manifest = manifest.encode({path: digests.sha256 for path, digests in listed.items()})
    signatures = [signer.sign(sha256_manifest) for signer in signers]
    members = dict(listed)
    members[names.MANIFEST_SHA256] = add(names.MANIFEST_SHA256, sha256_manifest)
    for slot, (signing_key, signature) in enumerate(zip(signers, signatures, strict=True), start=1):
        members[names.signature(slot)] = add(names.signature(slot), signature)
        members[names.public_key(slot)] = add(names.public_key(slot), signing_key.public_key_pem)

    # (3) Other parties' clocks.
    progress("timestamp", ", ".join(authority.name for authority in authorities))
    stamped = _stamped(
        authorities, signatures, timeout_s=dependencies.timestamp_timeout_s, hurry=hurry
    )
    if dependencies.max_skew is not None:
        now, max_skew = clock.now(), dependencies.max_skew
        stamped = [
            tuple(_fitting(token, sealed_at, now, max_skew) for token in tokens)
            for tokens in stamped
        ]
    for slot, tokens in enumerate(stamped, start=1):
        granted = [token for token in tokens if token.state is TokenState.GRANTED]
        for number, token in enumerate(granted, start=1):
            members[names.token(slot, number)] = add(names.token(slot, number), token.response)

    # (4) What is derived from all that, and the container.
    progress("seal", "container")
    datapackage = wacz.datapackage(canonical_json.loads(record_bytes), members)
    members[names.DATAPACKAGE] = add(names.DATAPACKAGE, datapackage)
    digest_file = _digest_file(
        members[names.DATAPACKAGE], signer=signer, sealed_at=sealed_at, software=software
    )
    members[names.DATAPACKAGE_DIGEST] = add(names.DATAPACKAGE_DIGEST, digest_file)
    target = spool / f"{bundle_id}.wacz"
    growing = target.with_name(f"{target.name}.part")
    with growing.open("wb") as out:
        digests = container.write(
            ((name, members[name], opener) for name, opener in files.items()), out
        )
    growing.replace(target)
    return Bundle(
        id=bundle_id,
        file=target,
        digests=digests,
        key_id=signer.key_id,
        captured_at=capture.started_at,
        sealed_at=sealed_at,
        signature=signatures[0],
        tokens=stamped[0],
        cosigned=tuple(
            Signed(key_id=signing_key.key_id, signature=signature, tokens=tokens)
            for signing_key, signature, tokens in list(
                zip(signers, signatures, stamped, strict=True)
            )[1:]
        ),
        part_bytes=tuple((name, members[name].length) for name in sorted(members)),
    )


def _stamped(
    authorities: Sequence[TimestampAuthority],
    signatures: Sequence[bytes],
    *,
    timeout_s: float,
    hurry: Callable[[], bool] | None,
) -> list[tuple[TokenResult, ...]]:
    """Request the tokens over all signatures, within one shared time limit."""
    with ThreadPoolExecutor(len(signatures), thread_name_prefix="stamp") as pool:
        asked = [
            pool.submit(stamp_all, authorities, signature, timeout_s=timeout_s, hurry=hurry)
            for signature in signatures
        ]
        return [future.result() for future in asked]


def owed_authorities(tokens: Sequence[TokenResult]) -> tuple[str, ...]:
    """Return the names of the authorities that still owe a token."""
    return tuple(
        token.authority
        for token in tokens
        if token.state is not TokenState.GRANTED and token.clock_ahead is None
    )


def _fitting(
    token: TokenResult, sealed_at: datetime, now: datetime, max_skew: timedelta
) -> TokenResult:
    """Mark a token as refused if it contradicts the bundle's own times (bundle.md, Time)."""
    if token.time is None:
        return token
    if sealed_at > token.time + max_skew:
        ahead = sealed_at - token.time
    elif token.time > now + max_skew:
        ahead = now - token.time
    else:
        return token
    seconds = round(ahead.total_seconds())
    return replace(
        token,
        state=TokenState.REFUSED,
        time=None,
        response=b"",
        clock_ahead=ahead,
        detail=(
            "the clock of the timestamp authority and the clock of this machine differ by "
            f"{abs(seconds)} s: the clock of this machine is "
            f"{'ahead' if seconds > 0 else 'behind'}"
        ),
    )


def _opener(path: Path) -> Callable[[], BinaryIO]:
    return lambda: path.open("rb")


def write_own_file(
    spool: Path, path: str, media_type: str, data: bytes, *, step: str, made_at: datetime
) -> Artifact:
    """Write a file into the spool; `path` is its path in the bundle."""
    file = spool / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return Artifact(
        path=path,
        media_type=media_type,
        file=file,
        digests=digest_bytes(data),
        step=step,
        made_at=made_at,
    )


def _events(
    capture: Capture, *, software: str, sealed_at: datetime, files: int, custody_salt: str
) -> list[CustodyEvent]:
    outcomes = {
        Outcome.COMPLETE: "success",
        Outcome.PARTIAL: "partial",
        Outcome.FAILED: "failure",
    }
    events = [
        CustodyEvent(
            at=capture.ended_at,
            event="capture",
            agent=software,
            object=capture.requested_url,
            outcome=outcomes[capture.outcome],
            detail="; ".join(reason.code for reason in capture.reasons),
        )
    ]
    if capture.redactions:
        events.append(
            CustodyEvent(
                at=capture.ended_at,
                event="redaction",
                agent=software,
                object="archive/data.warc.gz",
                outcome="success",
                detail=", ".join(sorted({item.name for item in capture.redactions})),
            )
        )
    # The salt keeps the digest of the chain from confirming a guess of the requested address.
    events.append(
        CustodyEvent(
            at=sealed_at,
            event="creation",
            agent=software,
            object=names.REDACTABLE_RECORD,
            outcome="success",
            detail=f"salt: {custody_salt}",
        )
    )
    events.append(
        CustodyEvent(
            at=sealed_at,
            event=tr("message digest calculation"),
            agent=software,
            object=names.MANIFEST_SHA256,
            outcome="success",
            detail=tr("SHA-256 and BLAKE3 of {files} files", files=files),
        )
    )
    return events


def _digest_file(
    datapackage: Digests, *, signer: Signer, sealed_at: datetime, software: str
) -> bytes:
    created = canonical_json.instant(sealed_at)
    if not signer.in_software:
        return wacz.digest_file(datapackage, created=created, software=software)
    public_key = load_public_pem(signer.public_key_pem)
    signature = signer.sign_wacz_hash(wacz.hash_text(datapackage).encode("ascii"))
    return wacz.digest_file(
        datapackage,
        created=created,
        software=software,
        public_key=public_key,
        signature=wacz.canonical_signature(public_key, signature),
    )
