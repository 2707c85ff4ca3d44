"""
Small bundles without a browser, and ways to take them apart and put them together again.

`sealed` runs the real sealer with a real key over a hand-made capture. What a
forger can do without the key is `pack` and `derived`; what somebody with the
key can do, an insider, is `resealed`. `RawEntry` and `raw_zip` write zips that
our own writer would refuse, by code that shares nothing with it.
"""

import contextlib
import hashlib
import io
import json
import struct
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from typing_extensions import override

from snapshotter.errors import EvidenceInvalid, ServiceUnavailable
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import container, custody, manifest, names, redactable, wacz
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.page import assessment
from snapshotter.formats.proofs.rfc3161 import Anchor, build_request, check_response
from snapshotter.model.bundle import Bundle
from snapshotter.model.capture import (
    Action,
    Artifact,
    Capture,
    ClockCheck,
    ClockFacts,
    CourtMinimum,
    Disclosure,
    DomChange,
    Environment,
    FontCounts,
    FrameFacts,
    FrameState,
    ImageCounts,
    MainResponse,
    MissingGlyphs,
    Outcome,
    Reason,
    RequestCounts,
    SandboxFacts,
    Scrolling,
    Step,
    StepState,
)
from snapshotter.model.digests import FileDigest
from snapshotter.model.request import Decision
from snapshotter.ports import Clock, Signer, TimestampAuthority
from snapshotter.seal import sealer
from snapshotter.seal.signer import FileSigner
from snapshotter.verify.trust import Requirements, Trust, trusted_key
from tests.servers.authority import POLICY_OID, Chain

BUNDLE_ID = "20260115t123045z-abcdefghijklmnop"
SOFTWARE = "snapshotter 0.0.0-test"
URL = "http://example.test/page"
SALT_KEY = bytes(range(32))  # of every bundle of `seal`

Members = dict[str, bytes]
Stamp = Callable[[bytes], bytes]

# The smallest PNG: one grey pixel.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010800000000"
    "3a7e9b550000000a49444154789c63680000008200816b1f99d90000000049454e44ae426082"
)
CONTENTS: Mapping[str, bytes] = {
    "archive/data.warc.gz": bytes.fromhex("1f8b08000000000000ff03000000000000000000"),
    "capture/dom.html": b"<!doctype html><title>A page</title><p>Hello, \xe4\xb8\x96\xe7\x95\x8c\n",
    "capture/screenshot.png": PNG,
    "indexes/index.cdx": b"",
    "pages/pages.jsonl": b'{"format":"json-pages-1.0","id":"pages","title":"All Pages"}\n',
}


class SoftwareKeyWithoutWacz(FileSigner):
    """A key that behaves as one in hardware: it makes no WACZ signature."""

    @property
    @override
    def in_software(self) -> bool:
        return False


class ChainAuthority:
    """A timestamp authority in this process: real tokens from `openssl ts`, no HTTP."""

    def __init__(self, chain: Chain, *, name: str = "test authority", config: str = "tsa.cnf"):
        self._chain = chain
        self._config = config
        self._name = name
        self.down = False

    @property
    def name(self) -> str:
        return self._name

    @property
    def anchor(self) -> Anchor:
        root = x509.load_pem_x509_certificate(self._chain.root_pem.read_bytes())
        return Anchor(name=self._name, root=root, policy_oids=frozenset({POLICY_OID}))

    def response(self, message: bytes) -> bytes:
        """Return a response over `message`, whether anybody would take it or not."""
        return self._chain.reply(build_request(message, nonce=12345), config=self._config)

    def stamp(self, message: bytes) -> tuple[bytes, datetime]:
        if self.down:
            raise ServiceUnavailable(f"timestamp authority {self._name} is down")
        response = self.response(message)
        return response, check_response(response, message, self.anchor, nonce=12345).time


def bundle_id(at: datetime) -> str:
    """Return the id of a bundle whose capture began at that second."""
    return f"{at.astimezone(UTC):%Y%m%dt%H%M%Sz}-abcdefghijklmnop"


def new_signer() -> FileSigner:
    """Return a signer with a key of its own."""
    return FileSigner(ec.generate_private_key(ec.SECP384R1()))


def capture(
    spool: Path,
    *,
    at: datetime,
    title: str = "A page",
    contents: Mapping[str, bytes] = CONTENTS,
    disclosures: tuple[Disclosure, ...] = (),
    took: timedelta = timedelta(seconds=2),
) -> Capture:
    """Return a capture that ended at `at`, its artifacts written below `spool`."""
    artifacts: list[Artifact] = []
    for path, data in sorted(contents.items()):
        file = spool / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        artifacts.append(
            Artifact(
                path=path,
                media_type="application/octet-stream",
                file=file,
                digests=digest_bytes(data),
                step="record",
                made_at=at,
            )
        )
    return Capture(
        requested_url=URL,
        final_url=URL,
        title=title,
        outcome=Outcome.COMPLETE,
        reasons=(),
        started_at=at - took,
        ended_at=at,
        navigation_started_at=at - took,
        navigation_ended_at=at - timedelta(seconds=1),
        redirects=(),
        response=MainResponse(
            url=URL,
            status=200,
            status_text="OK",
            protocol="http/1.1",
            headers=(("content-type", "text/html"),),
            remote_ip="127.0.0.1",
            remote_port=80,
            date_header="",
            tls=None,
        ),
        court_minimum=CourtMinimum(url=True, html_source=True, full_page_capture=True),
        artifacts=tuple(artifacts),
        steps=(Step(name="navigate", state=StepState.OK, started_at=at, duration_ms=1),),
        actions=(
            Action(
                at=at,
                kind="scroll",
                detail="1 steps",
                change=DomChange(
                    nodes_before=3, nodes_after=3, text_before=9, text_after=9, mutations=0
                ),
            ),
        ),
        requests=RequestCounts(total=1, answered=1),
        failed_requests=(),
        images=ImageCounts(),
        fonts=FontCounts(),
        frames=(FrameFacts(url="http://example.test/", state=FrameState.READ),),
        missing_glyphs=(MissingGlyphs(script="Han", count=1, characters="漢"),),
        scrolling=Scrolling(
            steps=1, height=900, stopped="bottom", container="", virtualised=False, segments=0
        ),
        page_size=None,
        text_characters=len(contents.get("capture/page.txt", b"").decode()),
        document_language="",
        environment=Environment(
            os="test",
            kernel="test",
            architecture="x86_64",
            python="3.11",
            playwright="0",
            snapshotter="0",
            browser_product="none",
            browser_revision="",
            browser_sha256="",
            browser_binary="none",
            browser_arguments=(),
            user_agent="none",
            fonts_sha256="",
            fonts_count=0,
            sandbox=SandboxFacts(asked=False, enforced=False, detail="no browser"),
        ),
        clock=ClockFacts(source="system", synchronised=True, max_error_ms=5, offset_ms=0),
        redactions=(),
        warnings=(Reason(code="clock-skew", detail="far"),),
        clock_checks=(
            ClockCheck(
                source="http-date", name="Date", value="x", ours=at, skew_ms=0, within_bound=True
            ),
        ),
        disclosures=disclosures,
    )


def decision(
    *,
    require_timestamps: int = 1,
    require_signatures: int = 0,
    retain_days: int = 0,
    require_log: bool = False,
) -> Decision:
    """Return a decision with a policy text of one line."""
    return Decision(
        policy_name="test",
        policy_text='name = "test"\n',
        require_timestamps=require_timestamps,
        require_signatures=require_signatures,
        retain_days=retain_days,
        require_log=require_log,
    )


def seal(
    spool: Path,
    *,
    signer: Signer,
    clock: Clock,
    authorities: Sequence[TimestampAuthority] = (),
    title: str = "A page",
    require_timestamps: int = 1,
    contents: Mapping[str, bytes] = CONTENTS,
    cosigners: Sequence[Signer] = (),
    require_signatures: int = 0,
    retain_days: int = 0,
    require_log: bool = False,
    log_checkpoint: str = "",
) -> Bundle:
    """Seal a small capture in `spool` with the real sealer."""
    spool.mkdir(parents=True, exist_ok=True)
    made = capture(spool, at=clock.now(), title=title, contents=contents)
    return sealer.seal(
        made,
        decision(
            require_timestamps=require_timestamps,
            require_signatures=require_signatures,
            retain_days=retain_days,
            require_log=require_log,
        ),
        sealer.SealDependencies(
            signer=signer,
            cosigners=tuple(cosigners),
            authorities=authorities,
            timestamp_timeout_s=30,
            clock=clock,
            software=SOFTWARE,
        ),
        bundle_id=bundle_id(made.started_at),
        salt_key=SALT_KEY,
        spool=spool,
        progress=lambda stage, detail: None,
        log_checkpoint=log_checkpoint,
    )


def trust_in(signer: FileSigner, *authorities: ChainAuthority, timestamps: int = 1) -> Trust:
    """Return the trust of somebody who knows this key and these authorities."""
    return Trust(
        source="a test",
        keys=(trusted_key(signer.public_key, owner="test"),),
        authorities=tuple(authority.anchor for authority in authorities),
        require=Requirements(timestamps=timestamps),
    )


# --- taking apart and putting together ------------------------------------------------------


def unpack(data: bytes) -> Members:
    """Return the members of a canonical container."""
    stream = io.BytesIO(data)
    return container.read(stream, lambda member: True).kept


def file_digest(data: bytes) -> FileDigest:
    """What a file of these bytes is stored, logged and named by."""
    return FileDigest(length=len(data), sha256=hashlib.sha256(data).hexdigest())


def pack(members: Mapping[str, bytes]) -> bytes:
    """Return the canonical container of `members`."""
    out = io.BytesIO()
    container.write(
        ((name, digest_bytes(data), _opener(data)) for name, data in members.items()), out
    )
    return out.getvalue()


def derived(members: Mapping[str, bytes], *, signer: FileSigner | None = None) -> Members:
    """
    Return `members` with the derived files made again.

    Args:
        signer: Makes a new WACZ signature; None: the old one stays, as for a forger.
    """
    result = dict(members)
    record = json.loads(result[names.CAPTURE_RECORD])
    digests = {
        name: digest_bytes(data)
        for name, data in result.items()
        if name not in {names.DATAPACKAGE, names.DATAPACKAGE_DIGEST}
    }
    result[names.DATAPACKAGE] = wacz.datapackage(record, digests)
    new = digest_bytes(result[names.DATAPACKAGE])
    digest_file = json.loads(result[names.DATAPACKAGE_DIGEST])
    digest_file["hash"] = wacz.hash_text(new)
    if signer is not None and record["signers"][0]["wacz_auth"]:
        result[names.DATAPACKAGE_DIGEST] = wacz.digest_file(
            new,
            created=record["sealed_at"],
            software=record["software"],
            public_key=signer.public_key,
            signature=wacz.canonical_signature(
                signer.public_key, signer.sign_wacz_hash(wacz.hash_text(new).encode())
            ),
        )
        return result
    if "signedData" in digest_file:
        digest_file["signedData"]["hash"] = wacz.hash_text(new)
    result[names.DATAPACKAGE_DIGEST] = canonical_json.dumps(digest_file)
    return result


def with_manifests(members: Mapping[str, bytes], *, blake3: bool = True) -> Members:
    """Return `members` with the manifests made again, and the seal as it was."""
    result = dict(members)
    listed = {name: digest_bytes(data) for name, data in members.items() if names.is_listed(name)}
    if blake3:
        result[names.MANIFEST_BLAKE3] = manifest.encode(
            {name: digests.blake3 for name, digests in listed.items()}
        )
    listed[names.MANIFEST_BLAKE3] = digest_bytes(result[names.MANIFEST_BLAKE3])
    result[names.MANIFEST_SHA256] = manifest.encode(
        {name: digests.sha256 for name, digests in listed.items()}
    )
    return result


def signed(members: Mapping[str, bytes], signer: FileSigner, stamp: Stamp | None) -> Members:
    """Return `members` with signature, token and derived files of an insider."""
    result = {name: data for name, data in members.items() if not name.endswith(".tsr")}
    result[names.signature(1)] = signer.sign(result[names.MANIFEST_SHA256])
    if stamp is not None:
        result[names.token(1, 1)] = stamp(result[names.signature(1)])
    try:
        return derived(result, signer=signer)
    except (ValueError, LookupError, TypeError, RecursionError, EvidenceInvalid):
        return result  # the record can not be read: nothing follows from it


def resealed(
    members: Mapping[str, bytes],
    changes: Mapping[str, bytes],
    signer: FileSigner,
    stamp: Stamp | None,
) -> Members:
    """
    Return `members` with `changes`, sealed by somebody who has the key.

    The record names the files as they are then, and the custody chain says what the record says,
    unless they are among the changes.
    """
    result = {**members, **changes}
    if names.CAPTURE_RECORD not in changes:
        result = naming_its_files(result)
    if names.REDACTABLE_RECORD not in changes:
        result = with_redactable_record(result)
    if names.CUSTODY not in changes:
        result = with_its_events(result)
    return signed(with_manifests(result), signer, stamp)


def naming_its_files(members: Mapping[str, bytes]) -> Members:
    """Return `members` with a record, and a verdict, that state the digests of the files."""
    if (assessed := members.get(assessment.PATH)) is not None:
        with contextlib.suppress(ValueError, TypeError, KeyError):  # no JSON, or none of ours
            value = json.loads(assessed)
            for rule_file in value["rule_files"]:
                if (rules := members.get(assessment.rules_path(rule_file["id"]))) is not None:
                    rule_file["sha256"] = digest_bytes(rules).sha256
            members = {**members, assessment.PATH: canonical_json.dumps(value)}
    record = record_of(members)
    known = {artifact["path"]: artifact for artifact in record["content"]["artifacts"]}
    usual = next(iter(known.values()))
    apart = (names.CAPTURE_RECORD, names.CUSTODY, names.REDACTABLE_RECORD)
    closed = [known[path] for path in (names.REDACTABLE_RECORD,) if path in known]
    record["content"]["artifacts"] = [
        known.get(path, usual)
        | {
            "path": path,
            "length": digests.length,
            "sha256": digests.sha256,
            "blake3": digests.blake3,
        }
        for path, data in sorted(members.items())
        if names.is_listed(path) and path not in apart
        for digests in (digest_bytes(data),)
    ] + closed
    record["how"]["policy"]["sha256"] = digest_bytes(members["capture/policy.toml"]).sha256
    if (text := members.get("capture/page.txt")) is not None:
        record["content"]["text_characters"] = len(text.decode())
    return {**members, names.CAPTURE_RECORD: canonical_json.dumps(record)}


def with_redactable_record(members: Mapping[str, bytes]) -> Members:
    """Return `members` with the redactable record that follows from the record, if one does."""
    data = members[names.CAPTURE_RECORD]
    try:
        record = json.loads(data)
        if canonical_json.dumps(record) != data:
            return dict(members)  # its bytes are what the test is about
        closed = redactable.encode(record)
    except (ValueError, AttributeError, RecursionError, EvidenceInvalid):
        return dict(members)
    digests = digest_bytes(closed)
    stated = {"length": digests.length, "sha256": digests.sha256, "blake3": digests.blake3}
    with contextlib.suppress(TypeError, LookupError):  # it lists no files
        for artifact in record["content"]["artifacts"]:
            if isinstance(artifact, dict) and artifact.get("path") == names.REDACTABLE_RECORD:
                artifact.update(stated)
    return {
        **members,
        names.REDACTABLE_RECORD: closed,
        names.CAPTURE_RECORD: canonical_json.dumps(record),
    }


def with_its_events(members: Mapping[str, bytes]) -> Members:
    """Return `members` with a custody chain that agrees with the record, if one can."""
    with contextlib.suppress(ValueError, TypeError, LookupError, AttributeError, EvidenceInvalid):
        record = record_of(members)
        reasons, redactions = record["outcome"]["reasons"], record["redactions"]
        outcomes = {"complete": "success", "partial": "partial", "failed": "failure"}
        at = {
            name: canonical_json.parse_clock(text)
            for name, text in (
                ("ended", record["when"]["ended_at"]),
                ("sealed", record["sealed_at"]),
            )
        }
        artifacts = record["content"]["artifacts"]
        if at["ended"] > at["sealed"] or not isinstance(artifacts, list):
            return dict(members)
        capture, *between, sealed = custody.parse(members[names.CUSTODY])
        capture = replace(
            capture,
            at=at["ended"],
            agent=record["software"],
            object=record["what"]["requested_url"],
            outcome=outcomes[record["outcome"]["state"]],
            detail="; ".join(reason["code"] for reason in reasons),
        )
        replaced = replace(
            capture,
            event="redaction",
            object="archive/data.warc.gz",
            outcome="success",
            detail=", ".join(sorted({redaction["name"] for redaction in redactions})),
        )
        files = len(artifacts) + 1
        sealed = replace(
            sealed,
            at=at["sealed"],
            agent=record["software"],
            detail=f"SHA-256 and BLAKE3 of {files} files",
        )
        created = [
            replace(event, at=at["sealed"], agent=record["software"])
            for event in between
            if event.event == "creation"
        ]
        events = (capture, *([replaced] if redactions else []), *created, sealed)
        return {**members, names.CUSTODY: custody.encode(events)}
    return dict(members)


def record_of(members: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the capture record, to be changed."""
    record: dict[str, Any] = json.loads(members[names.CAPTURE_RECORD])
    return record


def digest_of(file: Path) -> str:
    """Return the SHA-256 of a file."""
    return digest_bytes(file.read_bytes()).sha256


def flipped(data: bytes, offset: int | None = None, value: int = 1) -> bytes:
    """Return `data` with one byte changed; the middle one unless told."""
    at = len(data) // 2 if offset is None else offset
    return data[:at] + bytes([data[at] ^ value]) + data[at + 1 :]


def _opener(data: bytes) -> Callable[[], io.BytesIO]:
    return lambda: io.BytesIO(data)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawEntry:
    """One member of a zip as anybody may write it; the defaults are a bundle's."""

    name: bytes
    data: bytes
    flags: int = 0
    time: int = 0
    extra: bytes = b""
    central_extra: bytes = b""
    comment: bytes = b""
    attributes: int = 0o100644 << 16


def raw_zip(
    entries: Sequence[RawEntry],
    *,
    prefix: bytes = b"",
    between: bytes = b"",
    comment: bytes = b"",
    hidden: Sequence[RawEntry] = (),
) -> bytes:
    """
    Return a zip written by hand; its offsets count from the start of the file.

    Args:
        prefix: Bytes before the first member.
        between: Bytes between the last member and the directory.
        hidden: Members after the others that the directory does not name.
    """
    body, directory = bytearray(prefix), bytearray()
    for entry in (*entries, *hidden):
        offset, size = len(body), len(entry.data)
        common = struct.pack(
            *("<HHHHIIIH", entry.flags, 0, entry.time, 33, zlib.crc32(entry.data), size, size),
            len(entry.name),
        )
        body += b"PK\3\4" + struct.pack("<H", 20) + common + struct.pack("<H", len(entry.extra))
        body += entry.name + entry.extra + entry.data
        if entry in hidden:
            continue
        directory += b"PK\1\2" + struct.pack("<HH", 3 << 8 | 20, 20) + common
        directory += struct.pack(
            *("<HHHHII", len(entry.central_extra), len(entry.comment), 0, 0, entry.attributes),
            offset,
        )
        directory += entry.name + entry.central_extra + entry.comment
    body += between
    end = struct.pack(
        *("<HHHHIIH", 0, 0, len(entries), len(entries), len(directory), len(body), len(comment)),
    )
    return bytes(body + directory + b"PK\5\6" + end + comment)


def raw_entries(members: Mapping[str, bytes]) -> list[RawEntry]:
    """Return entries that `raw_zip` writes as the canonical container."""
    return [RawEntry(name=name.encode(), data=data) for name, data in sorted(members.items())]


def changed(entries: Sequence[RawEntry], name: str, **fields: Any) -> list[RawEntry]:
    """Return `entries` with one of them changed."""
    found = [entry.name == name.encode() for entry in entries]
    if sum(found) != 1:
        raise ValueError(f"there is not one entry {name}")
    return [
        replace(entry, **fields) if hit else entry
        for entry, hit in zip(entries, found, strict=True)
    ]


class RealClock:
    """This machine's clock, moved by `offset`. Tokens carry the real time, so bundles must, too."""

    def __init__(self, offset: timedelta = timedelta(0)) -> None:
        self._offset = offset

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def monotonic(self) -> float:
        return time.monotonic()

    def facts(self) -> ClockFacts:
        return ClockFacts(source="system", synchronised=None, max_error_ms=None, offset_ms=None)


def p256_signature(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """Return a P-256 signature, as a trust file may allow it."""
    return key.sign(message, ec.ECDSA(hashes.SHA256()))
