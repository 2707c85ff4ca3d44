"""
Make a redacted copy of a bundle: some values and files are withheld, and the signature still holds.

The copy contains the signed list, the seal, the redactable record and the openings of the values
that are shown. Of the other files it contains only those that can repeat no withheld value, and
those that the user names. Specification: docs/spec/redacted-copy.md.
"""

import contextlib
import html
import io
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from snapshotter import durable
from snapshotter.app.archive.bundles import BundleMembers
from snapshotter.assess.regions import CJK
from snapshotter.capture.redaction.capturer_identity import CapturerIdentifiers, coded_spellings
from snapshotter.errors import EvidenceInvalid, PolicyRefused, SnapshotterError
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import container, manifest, names, openings, redactable
from snapshotter.formats.bundle.openings import Opening
from snapshotter.formats.digest import digest_bytes
from snapshotter.model.capturer_identity import CREDENTIAL, CapturerIdentifier
from snapshotter.model.finding import Verdict
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.trust import Trust

SUFFIX: Final = ".redacted.wacz"
_LONGEST: Final = (1 << 32) - 1
# Characters of a value that is searched for elsewhere: shorter ones are found in all. A Chinese
# character counts double, because names and titles have three or four of them.
_LEAST: Final = 6
_SEVERAL_WORDS: Final = re.compile(r"[^\W_][-_+ ][^\W_]")
_OF_THE_PAGE: Final = re.compile(r"/what/.*(?:url|title)|/from_whom/url|/content/frames/\d+/url")

_DETAILS: Final = (
    "/content/failed_requests/*/error", "/content/missing_parts/*",
    "/content/pictures/*/subject", "/content/scrolling/container",
    "/how/actions/*/detail", "/how/policy/why", "/how/steps/*/detail", "/outcome/reasons/*/detail",
    "/outcome/warnings/*/detail", "/when/clock_checks/*/name", "/when/clock_checks/*/skew_ms",
    "/when/clock_checks/*/value",
)  # fmt: skip
# A certificate names the host, and can be looked up by its period; so can an address.
_SERVER: Final = (
    "/from_whom/headers/*/0", "/from_whom/headers/*/1", "/from_whom/remote_ip",
    "/from_whom/remote_port", "/from_whom/status_text", "/from_whom/tls/chain/*/issuer",
    "/from_whom/tls/chain/*/not_after", "/from_whom/tls/chain/*/not_after_ms",
    "/from_whom/tls/chain/*/not_before", "/from_whom/tls/chain/*/not_before_ms",
    "/from_whom/tls/chain/*/pem", "/from_whom/tls/chain/*/serial",
    "/from_whom/tls/chain/*/sha256", "/from_whom/tls/chain/*/subject", *_DETAILS,
)  # fmt: skip
# What a user names, and the fields of the record that it closes. Details can quote all others.
GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "addresses": (
        "/content/failed_requests/*/url", "/content/frames/*/url", "/content/images/failed_urls/*",
        "/content/images/placeholder_urls/*", "/from_whom/url",
        "/how/settings/allow_networks/*", "/how/settings/block_hosts/*",
        "/what/documents/*/url", "/what/final_url", "/what/redirects/*/from_url",
        "/what/redirects/*/to_url", "/what/requested_url", *_SERVER,
    ),
    "details": _DETAILS,
    "headers": ("/from_whom/headers/*/1", "/from_whom/status_text", *_DETAILS),
    "machine": (
        "/how/environment/architecture",
        "/how/environment/browser_arguments/*", "/how/environment/browser_binary",
        "/how/environment/fonts_sha256", "/how/environment/kernel",
        "/how/environment/os", "/how/environment/python", "/how/environment/user_agent",
        "/how/settings/user_agent",
    ),
    "network": ("/who/network/how", "/who/network/vantage", *_DETAILS),
    "server": _SERVER,
    "title": (
        "/content/document_language", "/content/fonts/failed_faces/*",
        "/content/missing_glyphs/*/characters", "/what/title", *_DETAILS,
    ),
}  # fmt: skip
_ADDRESSES: Final = "addresses"
# Files that snapshotter itself wrote, from the policy and not from the page.
_OURS: Final = re.compile(r"capture/(README\.txt|policy\.toml|rules-[^/]*\.toml|redactable\.json)")
# Files that repeat the record, or that cannot be searched for a value.
_NEVER_KEPT: Final = re.compile(
    r"archive/.*|indexes/.*|pages/.*"
    r"|capture/(capture\.json|custody\.jsonl|network\.json|tls\.json|.*\.(mhtml|p7m))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactedCopy:
    """A redacted copy that was written, and what it withholds."""

    file: Path
    fields: tuple[str, ...]  # pointers of the withheld values
    files: tuple[str, ...]  # of the signed list


def write(
    stream: BinaryIO,
    folder: Path,
    *,
    fields: Sequence[str],
    keep: Collection[str] = (),
    late_tokens: Iterable[bytes] = (),
) -> RedactedCopy:
    """
    Write a redacted copy of the bundle in `stream`, and its late tokens, into a folder.

    Args:
        stream: A bundle whose verdict is not FAILED.
        fields: Names of `GROUPS`, or JSON pointers of single values.
        keep: Paths of files that the copy contains although they show content of the page.

    Raises:
        SnapshotterError: A field or a file does not exist, or the copy cannot be written.
        PolicyRefused: The record is of version 1, or a kept file contains a withheld value.
    """
    members = BundleMembers(stream)
    record = members.record()
    if redactable.ANNOUNCED not in record or names.REDACTABLE_RECORD not in members.names:
        raise PolicyRefused(
            tr(
                "the bundle cannot be redacted, because its capture record is of version 1 and "
                "contains no commitments"
            ),
            hint=tr(
                "capture the page again. Or hand over the whole bundle, or pictures that "
                "--masked makes"
            ),
        )
    every = openings.of_record(record)
    closed = _closed(every, fields)
    shown = tuple(opening for opening in every if opening.pointer not in closed)
    kept = _kept(members, closed, keep, hosts=_ADDRESSES in fields)
    data = {
        name: members.read(name, limit=_LONGEST)
        for name in members.names
        if names.is_unlisted(name) or name in kept or name == names.MANIFEST_BLAKE3
    }
    for name in names.NEVER_IN_REDACTED:
        data.pop(name, None)
    data[names.OPENINGS] = openings.encode(record["bundle_id"], shown)
    file = folder / f"{record['bundle_id']}{SUFFIX}"
    _write(file, _packed(data))
    _write_tokens(file, late_tokens)
    return RedactedCopy(
        file=file,
        fields=tuple(sorted(closed)),
        files=tuple(
            sorted(name for name in members.names if names.is_listed(name) and name not in kept)
        ),
    )


def read_bundle_id(copy: BinaryIO) -> str:
    """Return the id of the bundle of a redacted copy. Raises EvidenceInvalid for another file."""
    members = BundleMembers(copy)
    if names.OPENINGS not in members.names:
        raise EvidenceInvalid(tr("the file is not a redacted copy of a bundle"))
    record = canonical_json.loads(members.read(redactable.PATH, limit=redactable.MAX_BYTES))
    bundle_id = record.get("bundle_id") if isinstance(record, dict) else None
    if not isinstance(bundle_id, str):
        raise EvidenceInvalid(tr("the file is not a redacted copy of a bundle"))
    return bundle_id


def disclose(
    copy: BinaryIO,
    bundle: BinaryIO,
    target: Path,
    *,
    fields: Sequence[str],
    trust: Trust,
    now: datetime,
    late_tokens: Iterable[bytes] = (),
) -> tuple[str, ...]:
    """
    Write a redacted copy again, with some of its withheld values shown; return their pointers.

    The new copy is verified before it has its name.

    Args:
        copy: The redacted copy.
        bundle: The whole bundle of which it is a copy.
        fields: Names of `GROUPS`, or JSON pointers of single values.
        trust: Judges the new copy.
        late_tokens: Of the bundle; written beside the new copy.

    Raises:
        EvidenceInvalid: The copy or the bundle cannot be read, they have different signed lists,
            or the new copy would be FAILED.
        SnapshotterError: The copy withholds no such value, or the new copy cannot be written.
    """
    members, whole = BundleMembers(copy), BundleMembers(bundle)
    bundle_id = read_bundle_id(copy)
    if any(
        members.read(name, limit=limit) != whole.read(name, limit=limit)
        for name, limit in (
            (names.MANIFEST_SHA256, manifest.MAX_BYTES),
            (names.REDACTABLE_RECORD, redactable.MAX_BYTES),
        )
    ):
        raise EvidenceInvalid(tr("the file is not a copy of the bundle in the store"))
    shown = openings.parse(members.read(names.OPENINGS, limit=openings.MAX_BYTES), bundle_id)
    known = {opening.pointer for opening in shown}
    hidden = [found for found in openings.of_record(whole.record()) if found.pointer not in known]
    added: dict[str, Opening] = {}
    for field in fields:
        patterns = GROUPS.get(field, (field,))
        if field in GROUPS and field != "details":  # which can quote what stays withheld
            patterns = tuple(pattern for pattern in patterns if pattern not in _DETAILS)
        found = [opening for opening in hidden if _is_of(opening, patterns)]
        if not found:
            raise SnapshotterError(
                tr("the copy withholds no value at {field!r}", field=field),
                hint=tr(
                    "list what the copy withholds:\n  snapshotter verify {copy}",
                    copy=getattr(copy, "name", "COPY"),
                ),
            )
        added.update((opening.pointer, opening) for opening in found)
    data = {name: members.read(name, limit=_LONGEST) for name in members.names}
    data[names.OPENINGS] = openings.encode(bundle_id, (*shown, *added.values()))
    new = _packed(data)
    report = verify_bundle(io.BytesIO(new), trust, now=now, allow_redacted=True)
    if report.verdict is Verdict.FAILED:
        raise EvidenceInvalid(
            tr(
                "no copy was written, because its verification would be FAILED: {codes}",
                codes=" ".join(report.codes(Verdict.FAILED)),
            ),
            hint=tr(
                "show all checks:\n  snapshotter verify {copy}",
                copy=getattr(copy, "name", "COPY"),
            ),
        )
    _write(target, new)
    _write_tokens(target, late_tokens)
    return tuple(sorted(added))


def _packed(data: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    container.write(
        ((name, digest_bytes(content), _opener(content)) for name, content in data.items()), out
    )
    return out.getvalue()


def _write(target: Path, data: bytes) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        durable.write(target, data)
    except OSError as error:
        raise SnapshotterError(
            tr("{target} cannot be written: {error}", target=target, error=error.strerror or error)
        ) from error


def _write_tokens(file: Path, late_tokens: Iterable[bytes]) -> None:
    """Write the late tokens of a bundle beside a copy of it."""
    for number, token in enumerate(late_tokens, start=1):
        _write(file.with_name(f"{file.name}.{names.late_token(number)}"), token)


def _is_of(opening: Opening, patterns: Iterable[str]) -> bool:
    return any(_matches(opening.pointer, pattern) for pattern in patterns)


def _closed(every: Sequence[Opening], fields: Sequence[str]) -> dict[str, str]:
    """
    Return pointers and values that are withheld: those that are named, and all that contain one,
    or a parameter of one. If all addresses are named, also all that contain a host.
    """
    closed: dict[str, str] = {}
    for field in fields:
        patterns = GROUPS.get(field, (field,))
        found = [opening for opening in every if _is_of(opening, patterns)]
        if not found and field not in GROUPS:
            raise SnapshotterError(
                tr("the record has no value at {field!r} that can be withheld", field=field),
                hint=tr(
                    "name one or more of {groups}, or a JSON pointer such as /what/title",
                    groups=", ".join(sorted(GROUPS)),
                ),
            )
        closed.update((opening.pointer, opening.value) for opening in found)
    named = tuple(value for value in closed.values() if _is_long(value))
    secrets = _secrets(closed.values(), hosts=_ADDRESSES in fields)
    for opening in every:
        if opening.pointer not in closed and (
            any(value in opening.value for value in named)
            or any(True for _ in secrets.find(opening.value.encode()))
        ):
            closed[opening.pointer] = opening.value
    return closed


def _secrets(
    values: Iterable[str], *, hosts: bool, domains: bool = True, paths: bool = False
) -> CapturerIdentifiers:
    """
    Return what is searched for in a file: values, and what the addresses among them consist of.

    Args:
        hosts: Whether the hosts of addresses are searched for, and not only their parameters.
        domains: Whether also what the names of these hosts end with.
        paths: Whether also the paths of addresses, as in links of the same site, the parts of a
            path that name one page, and all values and parameters within words and in base64.
    """
    texts: set[str] = set()
    names_of: set[str] = set()  # which are searched for however short they are
    for value in values:
        texts.add(value)
        with contextlib.suppress(ValueError):  # not an address
            address = urlsplit(value)
            texts.update(
                text for part in (address.query, address.fragment) for _, text in parse_qsl(part)
            )
            if address.scheme in ("http", "https") and address.hostname:
                if hosts:
                    names_of.update(_names_of(address.hostname) if domains else [address.hostname])
                if paths:
                    texts.update(_parts_of(address.path))
    long = {text for text in texts if _is_long(text)}
    # A credential is searched for within longer words and in UTF-16, too.
    found = {(CREDENTIAL if paths else "name", text) for text in long}
    if paths:
        found.update(
            (CREDENTIAL, coded)
            for text in long
            for coded in (*coded_spellings(text), *_in_pdf(text))
        )
    found.update(("name", text) for text in names_of)
    return CapturerIdentifiers(
        [CapturerIdentifier(kind=kind, value=text) for kind, text in sorted(found)]
    )


def _in_pdf(text: str) -> Iterator[str]:
    """Yield how a PDF stores a text as its title, which its pages do not show."""
    yield text.encode("utf-16-be", "surrogatepass").hex()
    yield re.sub(r"([\\()])", r"\\\1", text)


def _is_long(text: str) -> bool:
    return len(text) + len(CJK.findall(text)) >= _LEAST


def _parts_of(path: str) -> Iterator[str]:
    """
    Yield a path, and its parts that name one page: a word such as "article" is in all pages.

    These are parts with a digit, and the end of the path if it is of several words, also without
    its suffix: a link from the same folder has only this part.
    """
    for spelling in (path, unquote(path)):
        yield spelling
        parts = [part for part in spelling.split("/") if part]
        yield from (part for part in parts if any(map(str.isdigit, part)))
        name = (parts or [""])[-1].rpartition(".")[0] or (parts or [""])[-1]
        if _SEVERAL_WORDS.search(name) or not name.isascii():
            yield name


def _names_of(host: str) -> Iterator[str]:
    """Yield a host and what its name ends with: rules and policies name a host by that, too."""
    yield host
    with contextlib.suppress(UnicodeError):  # no name that a person reads in another script
        yield host.encode().decode("idna")
    labels = host.split(".")
    if not labels[-1].isdigit() and ":" not in host:  # no IP address
        yield from (".".join(labels[at:]) for at in range(1, len(labels) - 1))


def _matches(pointer: str, pattern: str) -> bool:
    """Return whether a pointer is of a pattern, in which `*` is an entry of a list."""
    names_of, wanted = pointer.split("/"), pattern.split("/")
    return len(names_of) == len(wanted) and all(
        one == other or (other == "*" and one.isdigit())
        for one, other in zip(names_of, wanted, strict=True)
    )


def _kept(
    members: BundleMembers, closed: dict[str, str], keep: Collection[str], *, hosts: bool
) -> set[str]:
    """Return the files of the signed list that the copy contains; `hosts` as in `_secrets`."""
    secrets = _secrets(closed.values(), hosts=True, paths=True)

    def is_found_in(name: str) -> bool:
        data = members.read(name, limit=_LONGEST)
        return any(True for text in _decoded(data) for _ in secrets.find(text))

    ours = {name for name in members.names if names.is_listed(name) and _OURS.fullmatch(name)}
    kept = {name for name in ours if not is_found_in(name)} | {names.REDACTABLE_RECORD}
    if "/what/requested_url" not in closed:
        kept.add(names.CUSTODY)
    page = _secrets(
        (value for pointer, value in closed.items() if _OF_THE_PAGE.fullmatch(pointer)),
        hosts=hosts,
        domains=False,  # the domain of the log or of an authority can be the same
    )
    data = members.read(names.REDACTABLE_RECORD, limit=redactable.MAX_BYTES)
    if any(True for _ in page.find(data)):
        raise PolicyRefused(
            tr(
                "an address or the title also occurs in a field of the record that cannot be "
                "withheld, such as the settings of the policy"
            )
        )
    for name in keep:
        if name not in members.names or not names.is_listed(name):
            raise SnapshotterError(tr("the bundle has no file {name} to keep", name=name))
        if _NEVER_KEPT.fullmatch(name) and name not in kept:
            raise PolicyRefused(
                tr("the file {name} can repeat withheld values, and cannot be kept", name=name)
            )
        if is_found_in(name):
            raise PolicyRefused(
                tr("the file {name} contains a value that is withheld", name=name),
                hint=tr("leave out --keep for this file"),
            )
        kept.add(name)
    return kept


def _decoded(data: bytes) -> Iterator[bytes]:
    """Yield a file as it is, and a text also without references of HTML and URL escapes."""
    yield data
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return  # a picture or a PDF, which is long and has neither
    plain = html.unescape(text)
    for spelling in dict.fromkeys((plain, unquote(plain))):
        if spelling != text:
            yield spelling.encode("utf-8", "replace")


def _opener(data: bytes) -> Any:
    return lambda: io.BytesIO(data)
