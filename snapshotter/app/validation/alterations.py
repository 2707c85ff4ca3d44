"""
Make altered copies of a bundle, each in one known way, with the result that verifiers must give.

These are few of the alterations of the tamper suite (`scripts/tamper_suite.py`), made of real
captures. An alteration either changes bytes without a key, or signs again with a key that is not
the key of the bundle. One is made by somebody who has the key: the token then refuses the copy.
"""

import io
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import container, manifest, names
from snapshotter.formats.digest import digest_bytes
from snapshotter.model.finding import Code, Verdict
from snapshotter.ports import Signer
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_DOM: Final = "capture/dom.html"
_TEXT: Final = "capture/page.txt"
_CUT: Final = 1_000  # bytes that a shortened copy lacks
_SIGNATURE, _KEY, _TOKEN = names.signature(1), names.public_key(1), names.token(1, 1)
Members = dict[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The bundle that is altered, another bundle of the same key, and two keys."""

    data: bytes
    other: bytes
    signer: Signer  # of both bundles
    stranger: Signer  # of no bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class Alteration:
    """One way to alter a bundle, and what every verifier must find."""

    name: str
    about: str  # a sentence
    make: Callable[[Source], bytes]
    codes: tuple[Code, ...]
    verdict: Verdict = Verdict.FAILED


def unpack(data: bytes) -> Members:
    """Return the files of a bundle. Raises ContainerInvalid."""
    return container.read(io.BytesIO(data), lambda member: True).kept


def pack(members: Mapping[str, bytes]) -> bytes:
    """Return a container with these files, in canonical form."""
    out = io.BytesIO()
    files = [
        (name, digest_bytes(data), lambda data=data: io.BytesIO(data))
        for name, data in members.items()
    ]
    container.write(files, out)
    return out.getvalue()


def _with_lists(members: Members) -> Members:
    """Return the files with both lists of digests made again; the signature stays."""
    listed = {name: digest_bytes(data) for name, data in members.items() if names.is_listed(name)}
    blake3 = manifest.encode({name: digests.blake3 for name, digests in listed.items()})
    listed[names.MANIFEST_BLAKE3] = digest_bytes(blake3)
    sha256 = manifest.encode({name: digests.sha256 for name, digests in listed.items()})
    return members | {names.MANIFEST_BLAKE3: blake3, names.MANIFEST_SHA256: sha256}


def _one_byte(source: Source) -> bytes:
    """Change one byte of a picture in place, as a faulty disk would."""
    members = {member.name: member for member in container.read_directory(io.BytesIO(source.data))}
    picture = members["capture/screenshot.png"]
    at = picture.data_offset + picture.length // 2
    return source.data[:at] + bytes([source.data[at] ^ 1]) + source.data[at + 1 :]


def _edited(members: Members) -> Members:
    return members | {_DOM: members[_DOM] + b"<!-- edited -->"}


def _renamed(members: Members) -> Members:
    kept = {name: data for name, data in members.items() if name != _TEXT}
    return kept | {"capture/page-2.txt": members[_TEXT]}


def _later(members: Members) -> Members:
    """Move the end of the capture in the record by one second."""
    record = json.loads(members[names.CAPTURE_RECORD])
    when = record["when"]
    ended = canonical_json.parse_instant(when["ended_at"]) + timedelta(seconds=1)
    when["ended_at"], when["ended_at_ms"] = (
        canonical_json.instant(ended),
        when["ended_at_ms"] + 1_000,
    )
    return members | {names.CAPTURE_RECORD: canonical_json.dumps(record)}


def _edit(change: Callable[[Members], Members]) -> Callable[[Source], bytes]:
    return lambda source: pack(change(unpack(source.data)))


def _taken_over(name: str) -> Callable[[Source], bytes]:
    """Take a file of the other bundle in the place of the same file."""
    return lambda source: pack(unpack(source.data) | {name: unpack(source.other)[name]})


def _forged(source: Source) -> bytes:
    """Edit the page, and sign with another key, whose public key is in the copy."""
    members = _with_lists(_edited(unpack(source.data)))
    signature = source.stranger.sign(members[names.MANIFEST_SHA256])
    return pack(members | {_SIGNATURE: signature, _KEY: source.stranger.public_key_pem})


def _sealed_again(source: Source) -> bytes:
    """Change the time in the record, and sign with the right key; the old token stays."""
    members = _with_lists(_later(unpack(source.data)))
    return pack(members | {_SIGNATURE: source.signer.sign(members[names.MANIFEST_SHA256])})


# Which codes follow is in "Verification" of docs/spec/bundle.md. The copies keep
# `datapackage.json`, which names the digests of the signature and of the tokens too (DERIVED).
ALTERATIONS: Final = (
    Alteration(
        name="altered/one-byte",
        about=tr("One byte of a picture was changed in the file."),
        make=_one_byte,
        codes=(Code.CONTAINER,),
    ),
    Alteration(
        name="altered/page-edited",
        about=tr("The markup of the page was edited, and the container was made again."),
        make=_edit(_edited),
        codes=(Code.BLAKE3, Code.HASH),
    ),
    Alteration(
        name="altered/page-edited-and-listed",
        about=tr("The markup of the page was edited, and the lists of digests were made again."),
        make=_edit(lambda members: _with_lists(_edited(members))),
        codes=(Code.SIG,),
    ),
    Alteration(
        name="altered/file-removed",
        about=tr("The text of the page was removed."),
        make=_edit(lambda members: {n: data for n, data in members.items() if n != _TEXT}),
        codes=(Code.MISSING,),
    ),
    Alteration(
        name="altered/file-added",
        about=tr("A file was added."),
        make=_edit(lambda members: members | {"capture/added.txt": b"added"}),
        codes=(Code.UNLISTED,),
    ),
    Alteration(
        name="altered/file-renamed",
        about=tr("The text of the page got another name."),
        make=_edit(_renamed),
        codes=(Code.MISSING, Code.UNLISTED),
    ),
    Alteration(
        name="altered/record-time",
        about=tr("The time in the record was changed, and the lists of digests were made again."),
        make=_edit(lambda members: _with_lists(_later(members))),
        codes=(Code.SIG,),
    ),
    Alteration(
        name="altered/signed-by-another-key",
        about=tr("The page was edited, and another key signed the copy."),
        make=_forged,
        codes=(Code.KEY_MISMATCH,),
    ),
    Alteration(
        name="altered/signature-of-another-bundle",
        about=tr("The signature of another bundle was put in."),
        make=_taken_over(_SIGNATURE),
        codes=(Code.SIG,),
    ),
    Alteration(
        name="altered/token-of-another-bundle",
        about=tr("The timestamp token of another bundle was put in."),
        make=_taken_over(_TOKEN),
        codes=(Code.DERIVED, Code.TIME, Code.TS_IMPRINT, Code.TS_MISSING),
    ),
    Alteration(
        name="altered/token-removed",
        about=tr("The timestamp token was removed."),
        make=_edit(lambda members: {n: data for n, data in members.items() if n != _TOKEN}),
        codes=(Code.DERIVED, Code.TIME, Code.TS_MISSING),
    ),
    Alteration(
        name="altered/sealed-again",
        about=tr("The time in the record was changed and signed again with the same key."),
        make=_sealed_again,
        # The redactable record and the custody chain still have the former time.
        codes=(
            Code.COMMITMENT,
            Code.CUSTODY,
            Code.DERIVED,
            Code.TIME,
            Code.TS_IMPRINT,
            Code.TS_MISSING,
        ),
    ),
    Alteration(
        name="altered/shortened",
        about=tr("The end of the file is missing."),
        make=lambda source: source.data[:-_CUT],
        codes=(Code.CONTAINER,),
    ),
    Alteration(
        name="altered/appended",
        about=tr("Bytes were added after the end of the file."),
        make=lambda source: source.data + b"appended",
        codes=(Code.CONTAINER,),
    ),
)
