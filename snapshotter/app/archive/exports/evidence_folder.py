"""
Write a folder with one bundle and all that a stranger needs to verify it offline, without us.

    <id>.wacz, <id>.wacz.…          the bundle and its sidecars, as stored
    trust.json, trust.json.sig      whose keys and clocks count, signed by the root key
    report.html, report.json        the report about the capture, made when the folder was made
    picture.png                     the picture of the page, out of the bundle
    for-information/*.pem           root key, signers' keys, authorities' roots: to be compared
    verify_minimal.py               a verifier in one file, which needs Python and openssl only
    README.md                       every command, with this bundle's names and times
    SHA256SUMS                      the digests of all of the above

The folder appears complete or not at all. Nothing may be trusted because it is in the folder: the
reader needs the id of the root key from another source, as the README states first.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from snapshotter import durable
from snapshotter.app.archive import bundles, capture_page
from snapshotter.app.archive.assessment import BundleFiles
from snapshotter.app.archive.capture_page import CaptureSource
from snapshotter.app.archive.reports.capture.report import make_report
from snapshotter.app.archive.verified_tokens import verified_tokens
from snapshotter.errors import SnapshotterError
from snapshotter.formats.bundle import custody_sidecars, names
from snapshotter.formats.canonical_json import instant
from snapshotter.formats.digest import digest, digest_bytes
from snapshotter.formats.printable import printable
from snapshotter.formats.signatures import keys
from snapshotter.model.annotation_state import CaptureState as CaptureAnnotations
from snapshotter.model.finding import Report
from snapshotter.ports import ReadableStore
from snapshotter.report import capture_report as reports
from snapshotter.report.local_time import LocalTime
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.bundle_on_disk import verify_on_disk
from snapshotter.verify.file_kind import NotEvidence
from snapshotter.verify.files import first_bytes
from snapshotter.verify.trust import MAX_SIGNATURE_BYTES, MAX_TRUST_BYTES, Trust, load_document

VERIFIER = "verify_minimal.py"
SUMS = "SHA256SUMS"
_INFORMATION = "for-information"
_SIDECAR = re.compile(
    r"[a-z0-9._-]+"
)  # files with other names are copied, and the README does not describe them
_NOT_IN_A_NAME = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceFolder:
    """A folder that was written."""

    folder: Path
    files: tuple[str, ...]  # relative to it, sorted; with SHA256SUMS
    root_key_id: str  # the reader has to get it from another source
    report: Report  # by our own verifier and that trust file


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    """A token over a signature, as the README explains how to check it by hand."""

    file: str  # of the bundle or beside it
    signature: str  # member that it is over
    authority: str
    root_pem: str  # file in the folder
    time: datetime  # UTC, whole seconds


def verifier_path() -> Path:
    """Return where the second verifier is: in the package, or in a checkout."""
    package = Path(__file__).resolve().parents[3]
    installed = package / "_scripts" / VERIFIER
    return installed if installed.is_file() else package.parent / "scripts" / VERIFIER


def write(
    store: ReadableStore,
    bundle_id: str,
    folder: Path,
    *,
    trust_file: Path,
    root_key_id: str,
    trust: Trust,
    now: datetime,
    annotations: CaptureAnnotations | None = None,
) -> EvidenceFolder:
    """
    Write the folder.

    Args:
        folder: Must not exist, or must be empty.
        trust_file: Its signature is beside it, as `<trust_file>.sig`.
        root_key_id: The id of the key that signed the trust file.
        trust: The content of the trust file.
        annotations: Of the capture. If they mark the capture as graphic, the folder has no picture.

    Raises:
        SnapshotterError: No such bundle, a folder that is taken, or no space.
    """
    bundles.find_bundle_key(store, bundle_id)  # before anything is written
    folder = Path(os.path.abspath(folder))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SnapshotterError(
            tr("{folder} exists already", folder=folder),
            hint=tr("name a folder that does not exist"),
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with durable.growing_folder(folder) as part:
            found = _fill(part, store, bundle_id, trust_file, root_key_id, trust, now, annotations)
    except OSError as error:
        raise SnapshotterError(f"{folder}: {error.strerror or error}") from error
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return EvidenceFolder(folder=folder, files=tuple(files), root_key_id=root_key_id, report=found)


def _fill(
    part: Path,
    store: ReadableStore,
    bundle_id: str,
    trust_file: Path,
    root_key_id: str,
    trust: Trust,
    now: datetime,
    annotations: CaptureAnnotations | None,
) -> Report:
    bundle, *sidecars = bundles.export(store, bundle_id, part)
    write_trust(part, trust_file, root_key_id, trust)
    shutil.copyfile(verifier_path(), part / VERIFIER)
    with bundle.open("rb") as stream:
        try:
            source = capture_page.verify_file(bundle_id, bundle, stream, trust, now=now)
        except NotEvidence:  # the README and the verifiers name it
            report = verify_on_disk(stream, bundle, trust, now=now)
        else:
            report = source.report
            _write_report(part, replace(source, annotations=annotations), trust)
    known = [path.name for path in sidecars if _SIDECAR.fullmatch(path.name)]
    pictures = sorted(path.name for path in part.glob("picture*"))
    text = _readme(bundle, known, pictures, root_key_id, trust, report)
    (part / "README.md").write_text(text, encoding="utf-8")
    listed = sorted(str(path.relative_to(part)) for path in part.rglob("*") if path.is_file())
    lines = []
    for name in listed:
        lines.append(f"{sha256_of(part / name)}  {name}\n")
    (part / SUMS).write_text("".join(lines), encoding="utf-8")
    return report


def _write_report(part: Path, source: CaptureSource, trust: Trust) -> None:
    """Write the report about the capture, and the picture of the page if it was verified."""
    local = LocalTime(zone=UTC)  # the zone of this machine would state where its owner is
    made = make_report(source, trust, local)
    data = reports.encode(made.report)
    page = reports.page(made.report, made.picture, local, digest=digest_bytes(data).sha256)
    (part / "report.json").write_bytes(data)
    (part / "report.html").write_bytes(page)
    shown, verified = made.report.picture, source.report.established
    if shown is None or shown.is_graphic or verified is None:
        return
    files = BundleFiles(source.stream, verified)
    paths = _pieces(source.report, shown.path)
    for number, path in enumerate(paths, start=1):
        stream = files.open(path)
        if stream is not None:
            name = "picture" if len(paths) == 1 else f"picture-{number:02}"
            with stream, (part / f"{name}{Path(path).suffix}").open("xb") as out:
                shutil.copyfileobj(stream, out)


def _pieces(report: Report, first: str) -> list[str]:
    """Return the files of the picture that begins with a file; long pages have several."""
    for picture in report.record["content"].get("pictures", ()):
        paths = [str(file["path"]) for file in picture["files"]]
        if paths[:1] == [first]:
            return paths
    return [first]


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as stream:
        return digest(stream, limit=1 << 40).sha256


def write_trust(part: Path, trust_file: Path, root_key_id: str, trust: Trust) -> None:
    """
    Write the trust file into a folder, and its keys and certificates as files for openssl.

    Raises:
        SnapshotterError: The trust file changed since it was read.
    """
    data = first_bytes(trust_file, MAX_TRUST_BYTES + 1)
    beside = trust_file.with_name(f"{trust_file.name}.sig")
    signature = first_bytes(beside, MAX_SIGNATURE_BYTES + 1)
    if hashlib.sha256(data).hexdigest() != trust.sha256:
        raise SnapshotterError(
            tr("{trust_file} changed while snapshotter read the file", trust_file=trust_file),
            hint=tr("try again"),
        )
    document = load_document(data, signature, pinned_root=root_key_id)
    (part / "trust.json").write_bytes(data)
    (part / "trust.json.sig").write_bytes(signature)
    information = part / _INFORMATION
    information.mkdir()
    (information / "root.pub.pem").write_bytes(keys.public_pem(document.root))
    for key in trust.keys:
        (part / _key_file(key.key_id)).write_bytes(keys.public_pem(key.public_key))
    for number, anchor in enumerate(trust.authorities, start=1):
        pem = anchor.root.public_bytes(Encoding.PEM)
        (part / _root_file(number, anchor.name)).write_bytes(pem)


def _key_file(key_id: str) -> str:
    return f"{_INFORMATION}/signer-{key_id[:16]}.pem"


def _root_file(number: int, name: str) -> str:
    plain = _NOT_IN_A_NAME.sub("-", name.lower()).strip("-") or "authority"
    return f"{_INFORMATION}/authority-{number:02}-{plain[:40]}.pem"


def _tokens(bundle: Path, trust: Trust) -> Iterable[_Token]:
    """Yield the tokens that an authority of the trust file gave, in the bundle and beside it."""
    for stamp in verified_tokens(bundle, trust):
        yield _Token(
            file=stamp.file,
            signature=names.signature(stamp.slot),
            authority=stamp.anchor.name,
            root_pem=_root_file(stamp.authority_number, stamp.anchor.name),
            time=stamp.token.time.replace(microsecond=0),
        )


# --- the README ------------------------------------------------------------------------------

_README = """\
# {bundle}

This folder contains a capture of {url}. The capture began at {started_at}, by the clock of the
capturing machine.

This folder has everything that is needed to check the capture, offline and without the software
that made it. You also need `openssl` 3, `sha256sum`, `unzip` and Python 3.9 or newer. Run the
commands in this folder. Run Python with `-I`, as shown here: without `-I`, Python also runs
programs from the current folder.

| file | content |
| --- | --- |
| `{bundle}` | the evidence: one signed file |
{sidecars}{report}| `trust.json`, `trust.json.sig` | the trust file, which lists the trusted \
keys and timestamp authorities, and its signature |
| `{information}/` | keys and certificates of the trust file. **For information only: compare them \
with the keys and certificates that their owners publish** |
| `{verifier}` | a verifier in one file. Read it before you rely on it |
| `{sums}` | digests of all these files |

## 1. What you need from another source

The maker of this folder could have forged all its files, the trust file included. Only one value
protects you from this: the fingerprint of the root key. Its owner must give it to you in **another
way** (in a letter, on a web site, by phone). The fingerprint must be

    {root_key_id}

and this command must print the same fingerprint (the first line prevents `openssl` from reading
its own settings):

```sh
export OPENSSL_CONF=/dev/null
openssl pkey -pubin -in {information}/root.pub.pem -outform DER | sha256sum
```

## 2. Check that no file was damaged

```sh
sha256sum --strict --quiet -c {sums}
```

## 3. Check everything with one command

```sh
python3 -I {verifier} --trust trust.json \\
  --root-key {root_key_id} \\
  {bundle}
```

The result is PASSED (exit code 0), FAILED (exit code 10: the evidence was altered, or does not
conform to a rule) or INDETERMINATE (exit code 11: no check failed, but something could not be
established). The command also prints the reasons.

## 4. Check the same without the verifier

The root key signed this trust file:

```sh
openssl dgst -sha384 -verify {information}/root.pub.pem -signature trust.json.sig trust.json
```

These commands copy the proofs into a new folder, under the names in the commands. The commands
unpack no other file: `unzip -p` passes each file to the next command. The third command prints
nothing if no name occurs twice. The last command prints `files as signed` if the digest of every
file is the listed digest:

```sh
mkdir by-hand
for name in {proofs}; do unzip -p {bundle} "seal/$name" > "by-hand/$name"; done
unzip -Z1 {bundle} | LC_ALL=C sort | uniq -d
cut -c67- by-hand/manifest-sha256.txt | while read -r name; do
  echo "$(unzip -p {bundle} "$name" | sha256sum | cut -c-64)  $name"
done | cmp - by-hand/manifest-sha256.txt && echo files as signed
```

{by_hand}
Do not use files of the bundle that `by-hand/manifest-sha256.txt` does not list. These
commands do not check whether a key was revoked, or whether the times are consistent with each
other. The command of section 3 checks both.
"""

_REPORT = """\
| `report.html`, `report.json` | a report about the capture, for people and for machines. The \
report explains the evidence and is no evidence |
"""
_PICTURE = "| `{name}` | a picture of the page, copied out of the bundle |\n"
_SIGNER = """\
The key of {owner} signed the list of files. The second command prints the fingerprint of this key:

```sh
openssl dgst {digest} -verify {key} -signature by-hand/{slot}.der by-hand/manifest-sha256.txt
openssl pkey -pubin -in {key} -outform DER | sha256sum
```
"""

_STAMP = """\
{authority} signed that {signature} existed at {time:%Y-%m-%d %H:%M:%S} UTC:

```sh
openssl ts -verify -in {file} -data by-hand/{signature} \\
  -CAfile {root} -attime {seconds}
```
"""

_NO_SIGNER = "The trust file does not contain any of the keys that signed this bundle.\n"
_NO_STAMP = """\
The bundle has no timestamp token of a timestamp authority that the trust file lists. The time of
the capture comes only from the clock of the capturing machine.
"""
_NOT_READ = """\
The verifier could not read the capture record of this bundle. The command of section 3 prints why.
"""


def _sidecar_rows(bundle: str, sidecars: Iterable[str]) -> Iterator[str]:
    """Yield the rows about sidecars; the chain of custody has one row, however long it is."""
    chain = {}
    for name in sidecars:
        number = custody_sidecars.number_of(name.removeprefix(f"{bundle}."))
        if number is None:
            yield f"| `{name}` | a sidecar of the bundle, added after sealing |\n"
        else:
            chain[number] = name
    if chain:
        first, last = chain[min(chain)], chain[max(chain)]
        files = f"`{first}`" if first == last else f"`{first}` to `{last}`"
        yield (
            f"| {files} | the chain of custody after sealing: who did what with the bundle. "
            f"Number of files: {len(chain)} |\n"
        )


def _readme(
    bundle: Path,
    sidecars: Iterable[str],
    pictures: Iterable[str],
    root_key_id: str,
    trust: Trust,
    report: Report,
) -> str:
    """Return the README; it uses what a bundle states about itself only if its signature holds."""
    by_hand: list[str] = []
    proofs = [names.MANIFEST_SHA256]
    if report.record:
        for number, signer in enumerate(report.record["signers"], start=1):
            key = trust.key(signer["key_id"])
            if key is not None:
                proofs.append(names.signature(number))
                by_hand.append(
                    _SIGNER.format(
                        owner=key.owner,
                        digest="-sha384" if key.algorithm == keys.P384_SHA384 else "-sha256",
                        key=_key_file(key.key_id),
                        slot=f"sig-{number:02}",
                    )
                )
        by_hand = by_hand or [_NO_SIGNER]
        tokens = list(_tokens(bundle, trust))
        for token in tokens:
            proofs += [name for name in (token.signature, token.file) if "/" in name]
            by_hand.append(
                _STAMP.format(
                    authority=token.authority,
                    signature=_file_name(token.signature),
                    time=token.time,
                    file=f"by-hand/{_file_name(token.file)}" if "/" in token.file else token.file,
                    root=token.root_pem,
                    seconds=int(token.time.timestamp()),
                )
            )
        by_hand += [] if tokens else [_NO_STAMP]
    return _README.format(
        bundle=bundle.name,
        url=printable(report.requested_url) or "a page",
        started_at=instant(report.captured_at) if report.captured_at else "an unknown time",
        sidecars="".join(_sidecar_rows(bundle.name, sidecars)),
        report=_REPORT + "".join(_PICTURE.format(name=name) for name in pictures)
        if (bundle.parent / "report.html").exists()
        else "",
        information=_INFORMATION,
        verifier=VERIFIER,
        sums=SUMS,
        root_key_id=root_key_id,
        proofs=" ".join(map(_file_name, dict.fromkeys(proofs))),
        by_hand="\n".join(by_hand or [_NOT_READ]),
    )


def _file_name(member: str) -> str:
    """Return the name of a file of the seal without its folder."""
    return member.removeprefix("seal/")
