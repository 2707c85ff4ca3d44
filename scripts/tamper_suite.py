"""
The tamper suite: hundreds of ways to spoil a bundle, a sidecar or a trust file, made on the spot.

    make vectors-check                       make all of it, and hold both verifiers against it
    python scripts/tamper_suite.py FOLDER    write it, to look at

`tests/vectors` has a committed bundle for each kind of fault, so that a later version can not move
what an older one said. This suite goes on where those end, and is never committed: keys and tokens
are made here, and what a case must give is said here, in its code. Cases named `insider-…` are by
somebody who has the signing key; those named `good-…` must pass.

A case of a bundle is judged at `now` plus its `later`, by the trust file that it names. A case of a
trust file must be refused before any bundle is looked at, or be taken.
"""

import argparse
import base64
import hashlib
import json
import re
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.make_vectors import DAY, FAILED, INDETERMINATE, PASSED, Record, Workshop
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import names, wacz
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.signatures import keys
from snapshotter.formats.tls.names import CIPHERS, GROUPS
from snapshotter.seal.signer import FileSigner
from tests import bundles
from tests.bundles import ChainAuthority, Members, flipped, pack
from tests.forged import Der, Served, Stamper, der, extensions, message, servers, tls_file, vector

PAGE = "capture/dom.html"
SIG, PEM, TOKEN = names.signature(1), names.public_key(1), names.token(1, 1)
N384 = int(
    "ffffffffffffffffffffffffffffffffffffffffffffffff"
    "c7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    16,
)
Edit = Callable[[Record], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One bundle with what stands beside it, and what every verifier has to say."""

    name: str
    why: str
    data: bytes
    verdict: str
    codes: tuple[str, ...] = ()
    sidecars: Mapping[str, bytes] = field(default_factory=dict)  # by what follows the bundle's name
    trust: str = "trust"
    later: timedelta = timedelta(0)  # the verifier's clock, against now
    renewals: int = 0  # how many beside it have to count


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustCase:
    """One trust file with its signature, judged against the pin of the suite's root."""

    name: str
    why: str
    data: bytes
    signature: bytes
    taken: bool = False
    pin: str = ""  # empty: the root's
    later: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Everything, with the trust files that cases name."""

    pin: str
    trust: Mapping[str, tuple[bytes, bytes]]  # name → file, signature
    cases: tuple[Case, ...]
    trust_cases: tuple[TrustCase, ...]
    now: datetime

    def write(self, case: Case, folder: Path) -> Path:
        """Write a case's bundle and sidecars below `folder`; return the bundle's path."""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "bundle.wacz"
        file.write_bytes(case.data)
        for suffix, data in case.sidecars.items():
            file.with_name(file.name + suffix).write_bytes(data)
        return file


def make(work: Path) -> Suite:
    """Make the whole suite, with what it needs below `work`."""
    shop = Shop(work)
    maker = _Trust(shop)
    cases = tuple(
        case
        for kind in (
            _controls, _zip_fields, _zip_whole, _names, _missing, _signed_list, _blake3_list,
            _signatures, _public_keys, _json, _record_fields, _instants, _two_moments, _agreement, _times, _tokens, _late_tokens,
            _datapackage, _digest_file, _custody, _redactable_record, custody_beside, _server_signatures, _trust_windows, _cosigners,
            _taken_out, _log_proofs, renewals, _limits, _forged_tokens, _forged_handshakes,
        )
        for case in kind(shop)
    )  # fmt: skip
    if len({case.name for case in cases}) != len(cases):
        raise ValueError("two cases have one name")
    return Suite(
        pin=keys.key_id(shop.root.public_key()),
        trust={name: maker.signed(edit) for name, edit in maker.variants().items()},
        cases=cases,
        trust_cases=tuple(maker.cases()),
        now=datetime.now(UTC),
    )


# --- small helpers ---------------------------------------------------------------------------


class Shop(Workshop):
    """A workshop that keeps a log."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.log = _Log()


def _failed(name: str, data: bytes | Members, why: str, *codes: str, **more: Any) -> Case:
    whole = data if isinstance(data, bytes) else pack(data)
    return Case(name=name, why=why, data=whole, verdict=FAILED, codes=codes, **more)


def _unclear(name: str, data: Members, why: str, *codes: str, **more: Any) -> Case:
    return Case(name=name, why=why, data=pack(data), verdict=INDETERMINATE, codes=codes, **more)


def _good(name: str, data: Members, why: str, **more: Any) -> Case:
    return Case(name=f"good-{name}", why=why, data=pack(data), verdict=PASSED, **more)


def _without(members: Members, *gone: str) -> Members:
    return {name: data for name, data in members.items() if name not in gone}


def _replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    if old not in data:
        raise ValueError(f"{old!r} is not there")
    return data.replace(old, new, 1)


def _sets(**fields: Any) -> Edit:
    return lambda record: record.update(fields)


def _at(path: str, value: Any) -> Edit:
    """An edit that puts `value` at a dotted path; `...` takes the field away."""

    def edit(record: Record) -> None:
        *way, last = path.split(".")
        place: Any = record
        for step in way:
            place = place[int(step)] if step.isdigit() else place[step]
        if value is ...:
            del place[last]
        else:
            place[int(last) if last.isdigit() else last] = value

    return edit


# --- what must pass --------------------------------------------------------------------------


def _controls(shop: Shop) -> Iterator[Case]:
    good = shop.good_bundle
    yield _good("plain", good, "nothing is wrong with it")
    yield _good(
        "years-later",
        good,
        "the key's period, the authority's certificate: all ended since, all good at the proven time",
        trust="key-ended",
        later=16 * 365 * DAY,
    )
    yield _good(
        "key-retired-since",
        good,
        "its key was retired after the proven time",
        trust="superseded-later",
        later=365 * DAY,
    )
    yield _good(
        "key-compromised-since",
        good,
        "its key was stolen after the proven time",
        trust="compromised-later",
        later=365 * DAY,
    )
    yield _good(
        "redirected",
        shop.insider_record(_at("what.final_url", "https://example.test/elsewhere?a=1&b=%22")),
        "it ended at another address than was asked for",
    )
    yield _good("no-title", shop.insider_record(_at("what.title", "")), "the page has no title")
    yield _good(
        "odd-title",
        shop.insider_record(_at("what.title", 'a "quote", \\ \x7f\u2028 漢字 \U0001f600 \x01\n')),
        "a title of characters that JSON writers differ about",
    )
    yield _good(
        "key-order",
        shop.insider_record(_sets(**{"\U0001f600": 1, "\ufb33": 2, "~": 3})),
        "keys that UTF-16 and Unicode order differently; fields that nobody reads",
    )
    yield _good(
        "sixty-four-levels",
        shop.insider_record(_sets(extra=json.loads("[" * 63 + "]" * 63))),
        "lists one in another, as deep as they may be",
    )
    yield _good(
        "largest-integer",
        shop.insider_record(_sets(extra=[9007199254740991, -9007199254740991, 0])),
        "the largest integers that there may be",
    )
    yield _good(
        "two-hours",
        shop.insider_record(_began(shop, timedelta(hours=2))),
        "sealed two hours after the capture began, to the second",
    )
    yield _good(
        "many-files",
        shop.members(
            contents={**bundles.CONTENTS, **{f"capture/f{n:04}.txt": b"" for n in range(300)}}
        ),
        "three hundred empty files",
    )
    yield _good(
        "long-name",
        shop.members(contents={**bundles.CONTENTS, "capture/" + "a" * 188 + ".txt": b"x"}),
        "a name of 200 bytes",
    )
    yield _good(
        "two-authorities",
        shop.members(timestamps=1, authorities=(shop.authority, shop.unknown_authority)),
        "one token that is trusted and one that is not, both under the WACZ signature",
    )


def _moment(name: str, at: datetime) -> Edit:
    """An edit that puts an instant of the capture, in both of its spellings."""

    def edit(record: Record) -> None:
        record["when"][name] = canonical_json.instant(at)
        record["when"][f"{name}_ms"] = canonical_json.milliseconds(at)

    return edit


def _began(shop: Shop, before: timedelta, *, named: timedelta | None = None) -> Edit:
    """The capture began so long before the seal; its id is of then, or of `named` before."""
    sealed = canonical_json.parse_instant(bundles.record_of(shop.good_bundle)["sealed_at"])

    def edit(record: Record) -> None:
        record["bundle_id"] = bundles.bundle_id(sealed - (before if named is None else named))
        _moment("started_at", sealed - before)(record)

    return edit


# --- the container ---------------------------------------------------------------------------


def _zip_fields(shop: Shop) -> Iterator[Case]:
    """Every field of every header, one changed at a time."""
    whole = pack(shop.good_bundle)
    start = struct.unpack("<L", whole[-6:-2])[0]
    for at, field_name in (
        (4, "disk"), (6, "directory-disk"), (8, "entries-here"), (10, "entries"), (12, "directory-length"),
        (16, "directory-offset"), (20, "comment-length"),
    ):  # fmt: skip
        spoiled = flipped(whole, len(whole) - 22 + at)
        yield _failed(f"end-{field_name}", spoiled, f"end record: {field_name}", "CONTAINER")
    for at, field_name in (
        (0, "signature"), (4, "version-made"), (5, "made-by"), (6, "version-needed"), (8, "flags"), (10, "method"),
        (12, "time"), (14, "date"), (16, "crc"), (20, "compressed"), (24, "length"), (30, "extra-length"),
        (32, "comment-length"), (34, "disk"), (36, "internal"), (38, "external"), (41, "mode"), (42, "offset"),
    ):  # fmt: skip
        spoiled = flipped(whole, start + at)
        yield _failed(f"central-{field_name}", spoiled, f"directory: {field_name}", "CONTAINER")
    for at, field_name in (
        (0, "signature"), (4, "version"), (6, "flags"), (8, "method"), (10, "time"), (12, "date"), (14, "crc"),
        (18, "compressed"), (22, "length"), (26, "name-length"), (28, "extra-length"), (30, "name"),
    ):  # fmt: skip
        yield _failed(
            f"local-{field_name}", flipped(whole, at), f"a file's header: {field_name}", "CONTAINER"
        )


def _zip_whole(shop: Shop) -> Iterator[Case]:
    good = shop.good_bundle
    whole, entries = pack(good), bundles.raw_entries(good)
    start = struct.unpack("<L", whole[-6:-2])[0]
    for part in (1, 2, 3):
        cut = whole[: len(whole) * part // 4]
        yield _failed(f"cut-at-{part}-quarters", cut, "the rest is missing", "CONTAINER")
    for name, data, why in (
        ("twenty-one-bytes", whole[-21:], "less than an end record"),
        ("zeros", bytes(22), "twenty-two zero bytes"),
        ("end-record-alone", whole[-22:], "an end record of files that are not there"),
        ("script-in-front", b"#!/bin/sh\nexit\n" + whole, "a script before the first file"),
        ("zeros-behind", whole + bytes(512), "zero bytes behind the end record"),
        ("newline-behind", whole + b"\n", "a newline behind the end record"),
        ("first-file-gone", whole[30:], "the first header is gone"),
        ("directory-twice", whole[:start] + whole[start:-22] * 2 + whole[-22:], "the directory twice"),
        ("twice-over", whole[:-22] + whole, "the whole again, with its own end record"),
        ("data-descriptor", bundles.raw_zip(bundles.changed(entries, PAGE, flags=8)), "flag 3: lengths follow"),
        ("encrypted", bundles.raw_zip(bundles.changed(entries, PAGE, flags=1)), "flag 0: encrypted"),
        ("executable", bundles.raw_zip(bundles.changed(entries, PAGE, attributes=0o100755 << 16)), "mode 0755"),
        ("dos-attributes", bundles.raw_zip(bundles.changed(entries, PAGE, attributes=(0o100644 << 16) | 32)), "the archive bit"),
        ("zip64-extra", bundles.raw_zip(bundles.changed(entries, PAGE, extra=b"\1\0\x10\0" + bytes(16))), "a zip64 field"),
        ("unicode-path", bundles.raw_zip(bundles.changed(entries, PAGE, extra=b"\x75\x70\5\0\1" + bytes(4))), "a second name in an extra field"),
        ("too-many", bundles.raw_zip([bundles.RawEntry(name=b"capture/f%05d.txt" % n, data=b"") for n in range(2001)]), "2,001 files"),
        ("record-too-long", bundles.raw_zip(bundles.changed(entries, names.CAPTURE_RECORD, data=bytes((8 << 20) + 1))), "a record of over 8 MiB"),
        ("list-too-long", bundles.raw_zip(bundles.changed(entries, names.MANIFEST_SHA256, data=bytes((4 << 20) + 1))), "a list of over 4 MiB"),
    ):  # fmt: skip
        yield _failed(f"zip-{name}", data, why, "CONTAINER")
    empty = bundles.raw_zip([])
    yield _failed("zip-of-nothing", empty, "a canonical zip without a file", "MISSING")
    swapped = bytearray(whole)
    first, second = start, start + 46 + len(entries[0].name)
    swapped[first + 42 : first + 46], swapped[second + 42 : second + 46] = (
        swapped[second + 42 : second + 46],
        swapped[first + 42 : first + 46],
    )
    yield _failed(
        "zip-offsets-swapped", bytes(swapped), "two files point at each other", "CONTAINER"
    )
    swapped[second + 42 : second + 46] = swapped[first + 42 : first + 46]
    yield _failed("zip-offset-shared", bytes(swapped), "two files at one place", "CONTAINER")


def _names(shop: Shop) -> Iterator[Case]:
    entries = bundles.raw_entries(shop.good_bundle)

    def added(name: bytes) -> bytes:
        more = [*entries, bundles.RawEntry(name=name, data=b"x")]
        return bundles.raw_zip(sorted(more, key=lambda entry: entry.name))

    for label, name in (
        ("hidden", b".htaccess"), ("hidden-below", b"capture/.hidden.txt"), ("upper-folder", b"Capture/x.txt"),
        ("double-slash", b"capture//x.txt"), ("dot", b"capture/./x.txt"), ("dot-dot", b"capture/.."),
        ("nul", b"capture/x\0.txt"), ("newline", b"capture/x\n.txt"), ("space", b"capture/a b.txt"),
        ("trailing-space", b"capture/x.txt "), ("colon", b"c:x.txt"), ("dash", b"-rf.txt"),
        ("percent", b"capture/%2e%2e.txt"), ("too-long", b"capture/" + b"a" * 189 + b".txt"), ("none", b""),
        ("right-to-left", "capture/\u202etxt.exe".encode()), ("latin-1", b"capture/\xfc.txt"),
        ("case-twin", b"capture/README.TXT"), ("same-name", PAGE.encode()),
    ):  # fmt: skip
        yield _failed(f"name-{label}", added(name), f"a file named {name!r}", "NAME")
    for label, name in (
        ("root", b"readme.txt"), ("no-dot", b"capture/nodot"), ("second-index", b"indexes/more.cdx"),
        ("second-pages", b"pages/extra.jsonl"), ("second-archive", b"archive/more.warc.gz"),
        ("slot-zero", b"seal/sig-00.der"), ("slot-ten", b"seal/sig-10.der"), ("token-ten", b"seal/sig-01.tsa-10.tsr"),
        ("other-list", b"seal/manifest-sha512.txt"), ("other-folder", b"evil/x.txt"), ("below-seal", b"seal/readme.txt"),
        ("certificate", b"seal/sig-01.crt"), ("package-copy", b"datapackage.json.bak"),
    ):  # fmt: skip
        yield _failed(f"place-{label}", added(name), f"a file named {name!r}", "UNLISTED")


def _missing(shop: Shop) -> Iterator[Case]:
    good = shop.good_bundle
    for name in (
        "archive/data.warc.gz", names.CAPTURE_RECORD, names.CUSTODY, "capture/policy.toml", names.DATAPACKAGE,
        names.DATAPACKAGE_DIGEST, "indexes/index.cdx", "pages/pages.jsonl", names.MANIFEST_BLAKE3, names.MANIFEST_SHA256,
    ):  # fmt: skip
        label = name.replace("/", "-").replace(".", "-")
        yield _failed(f"missing-{label}", _without(good, name), f"{name} is gone", "MISSING")
    for name in ("capture/README.txt", "capture/screenshot.png", PAGE):
        label = name.rpartition("/")[2].replace(".", "-").lower()
        yield _failed(
            f"listed-and-missing-{label}", _without(good, name), f"{name} is gone", "MISSING"
        )


# --- the two lists ---------------------------------------------------------------------------


def _relisted(shop: Shop, **lists: bytes) -> Members:
    """The good bundle with other lists, signed again by the key's owner."""
    members = dict(shop.good_bundle)
    if "blake3" in lists:
        members[names.MANIFEST_BLAKE3] = lists["blake3"]
        members = bundles.with_manifests(members, blake3=False)
    if "sha256" in lists:
        members[names.MANIFEST_SHA256] = lists["sha256"]
    return bundles.signed(members, shop.signer, shop.stamp)


def _sorted(lines: Iterable[bytes]) -> bytes:
    """A list of these lines, by path."""

    by_path = {line[66:]: line for line in lines}
    return b"".join(by_path[path] for path in sorted(by_path))


def _forms(text: bytes) -> Iterator[tuple[str, bytes]]:
    """A list in forms that it may not have."""
    lines = text.splitlines(keepends=True)
    yield "tab", text.replace(b"  ", b"\t", 1)
    yield "one-space", text.replace(b"  ", b" ", 1)
    yield "three-spaces", text.replace(b"  ", b"   ", 1)
    yield "byte-order-mark", b"\xef\xbb\xbf" + text
    yield "carriage-return", text.replace(b"\n", b"\r\n", 1)
    yield "trailing-space", text.replace(b"\n", b" \n", 1)
    yield "short-digest", text[1:]
    yield "not-hexadecimal", b"g" + text[1:]
    yield "comment", b"# a list\n" + text
    yield "escaped", b"\\" + text
    yield "empty-line", lines[0] + b"\n" + b"".join(lines[1:])
    yield "not-ascii", text.replace(b"capture/", "cäpture/".encode(), 1)
    yield "path-above", _sorted([*lines, b"0" * 64 + b"  ../x\n"])
    yield "absolute-path", _sorted([*lines, b"0" * 64 + b"  /x\n"])
    yield "nothing-but-a-newline", b"\n"


def _signed_list(shop: Shop) -> Iterator[Case]:
    text = shop.good_bundle[names.MANIFEST_SHA256]
    lines = text.splitlines(keepends=True)
    for label, data in _forms(text):
        yield _failed(
            f"insider-list-{label}",
            _relisted(shop, sha256=data),
            f"signed list: {label}",
            "MANIFEST",
        )

    def lacking(name: str) -> bytes:
        return b"".join(line for line in lines if not line.endswith(f"  {name}\n".encode()))

    for label, name, *codes in (
        ("record", names.CAPTURE_RECORD, "BLAKE3"), ("blake3", names.MANIFEST_BLAKE3),
    ):  # fmt: skip
        yield _failed(
            f"insider-list-without-{label}",
            _relisted(shop, sha256=lacking(name)),
            f"a signed list that does not name {name}",
            "MANIFEST",
            "UNLISTED",
            *codes,
        )
    for name in (SIG, names.DATAPACKAGE, names.MANIFEST_SHA256):
        line = f"{digest_bytes(shop.good_bundle[name]).sha256}  {name}\n".encode()
        more = _sorted([*lines, line])
        label = name.rpartition("/")[2].replace(".", "-")
        yield _failed(
            f"insider-list-names-{label}",
            _relisted(shop, sha256=more),
            f"it names {name}",
            "MANIFEST",
            "BLAKE3",
        )
    yield _failed(
        "insider-list-lacks-a-file",
        _relisted(shop, sha256=lacking(PAGE)),
        "a file that the signed list does not name, and the other does",
        "UNLISTED",
        "BLAKE3",
    )
    for label, data in (("page", b"other"), ("length", bundles.CONTENTS[PAGE] + b" ")):
        spoiled = {**shop.good_bundle, PAGE: data}
        yield _failed(
            f"changed-{label}",
            bundles.derived(spoiled),
            "a page changed after it was listed",
            "HASH",
            "BLAKE3",
        )


def _blake3_list(shop: Shop) -> Iterator[Case]:
    text = shop.good_bundle[names.MANIFEST_BLAKE3]
    lines = text.splitlines(keepends=True)
    for label, data in _forms(text):
        yield _failed(
            f"insider-blake3-{label}",
            _relisted(shop, blake3=data),
            f"BLAKE3 list: {label}",
            "MANIFEST",
        )
    more = _sorted([*lines, b"0" * 64 + b"  capture/zzz.txt\n"])
    for label, data, why in (
        ("lacks-a-file", b"".join(lines[1:]), "it does not name a file that the other does"),
        ("names-more", more, "it names a file that is not there"),
        ("other-digest", flipped(text, 0, 1), "the digest of another file"),
        ("digests-swapped", lines[1][:64] + lines[0][64:] + lines[0][:64] + lines[1][64:] + b"".join(lines[2:]), "two digests swapped"),
    ):  # fmt: skip
        yield _failed(f"insider-blake3-{label}", _relisted(shop, blake3=data), why, "BLAKE3")


# --- signatures and keys ---------------------------------------------------------------------


def _signatures(shop: Shop) -> Iterator[Case]:
    good = shop.good_bundle
    listed = good[names.MANIFEST_SHA256]
    p256 = ec.generate_private_key(ec.SECP256R1())
    for label, data, why in (
        ("zeros", bytes(102), "zero bytes"),
        ("empty", b"", "nothing"),
        ("r-is-zero", encode_dss_signature(0, 1), "r = 0, s = 1"),
        ("ones", encode_dss_signature(1, 1), "r = s = 1"),
        ("s-is-n", encode_dss_signature(1, N384), "s = n"),
        ("negative", b"\x30\x06\x02\x01\xff\x02\x01\x01", "r = -1"),
        ("tail", good[SIG] + b"\0", "a byte behind it"),
        ("three-numbers", b"\x30\x09\x02\x01\x01\x02\x01\x01\x02\x01\x01", "three numbers"),
        ("long-integer", b"\x30\x07\x02\x02\x00\x01\x02\x01\x01", "a padded number"),
        ("p1363", keys.to_p1363(good[SIG], shop.signer.public_key), "r and s one behind the other"),
        ("text", base64.b64encode(good[SIG]), "base64"),
        ("p256", p256.sign(listed, ec.ECDSA(hashes.SHA256())), "by a key on P-256"),
        ("flipped-r", flipped(good[SIG], 10), "a bit of r"),
        ("flipped-s", flipped(good[SIG], len(good[SIG]) - 3), "a bit of s"),
        ("of-blake3-list", shop.signer.sign(good[names.MANIFEST_BLAKE3]), "by the key, over the other list"),
        ("of-record", shop.signer.sign(good[names.CAPTURE_RECORD]), "by the key, over the record"),
        ("of-digest", shop.signer.sign(digest_bytes(listed).sha256.encode()), "by the key, over the list's digest"),
        ("by-a-stranger", shop.stranger.sign(listed), "by another key"),
    ):  # fmt: skip
        yield _failed(
            f"signature-{label}",
            bundles.derived({**good, SIG: data}),
            f"the signature is {why}",
            "SIG",
        )
    yield _failed(
        "signature-alone",
        bundles.derived(_without(good, PEM)),
        "its public key is gone",
        "SIG_MISSING",
    )
    yield _failed(
        "signature-key-alone",
        bundles.derived(_without(good, SIG)),
        "the key is there, the signature gone",
        "SIG_MISSING",
    )
    second = shop.other
    pair = {names.signature(2): second.sign(listed), names.public_key(2): second.public_key_pem}
    yield _failed(
        "signature-by-a-guest",
        bundles.derived({**good, **pair}, signer=shop.signer),
        "a second signature that holds, by nobody that the record names",
        "UNLISTED",
    )
    yield _failed(
        "signature-of-a-guest-broken",
        bundles.derived({**good, **pair, names.signature(2): flipped(pair[names.signature(2)])}),
        "a second signature that does not hold",
        "SIG",
    )
    yield _failed(
        "key-of-a-guest",
        bundles.derived({**good, names.public_key(2): second.public_key_pem}, signer=shop.signer),
        "a second public key without a signature",
        "UNLISTED",
    )
    yield _failed(
        "token-of-a-guest",
        bundles.derived({**good, names.token(2, 1): good[TOKEN]}, signer=shop.signer),
        "a token for a slot that the record does not name",
        "UNLISTED",
    )
    guests = {
        names.signature(2): good[SIG], names.public_key(2): good[PEM], names.token(2, 1): good[TOKEN]
    }  # fmt: skip
    yield _failed(
        "signature-twice",
        bundles.derived({**good, **guests}, signer=shop.signer),
        "the first signature again, as a second",
        "UNLISTED",
    )


def _public_keys(shop: Shop) -> Iterator[Case]:
    good = shop.good_bundle
    pem = good[PEM]
    public = shop.signer.public_key
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def wrapped(data: bytes) -> bytes:
        text = base64.b64encode(data).decode()
        lines = [text[at : at + 64] for at in range(0, len(text), 64)]
        return "\n".join(
            ["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----\n"]
        ).encode()

    compressed = public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    head = der[: -len(public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)) - 2]
    short = (
        head[:1] + bytes([head[1] - 48]) + head[2:] + bytes([len(compressed) + 1, 0]) + compressed
    )
    private = ec.generate_private_key(ec.SECP384R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    root = shop.authority.anchor.root.public_bytes(Encoding.PEM)
    for label, data, why in (
        ("empty", b"", "nothing"),
        ("der", der, "DER"),
        ("crlf", pem.replace(b"\n", b"\r\n"), "lines that end in CR LF"),
        ("no-final-newline", pem[:-1], "no newline at the end"),
        ("text-before", b"the key:\n" + pem, "words before it"),
        ("two-keys", pem + shop.other.public_key_pem, "two keys"),
        ("one-line", pem.replace(b"\n", b"").replace(b"-----M", b"-----\nM"), "one long line"),
        ("private", private, "a private key"),
        ("certificate", root, "a certificate"),
        ("compressed-point", wrapped(short), "a compressed point"),
        ("off-the-curve", wrapped(flipped(der, len(der) - 1)), "a point that is not on the curve"),
        ("tail", wrapped(der + b"\0"), "a byte behind the key"),
        ("at-infinity", wrapped(der[:-96] + bytes(96)), "the point 0, 0"),
        ("too-large", wrapped(der[:-96] + b"\xff" * 96), "coordinates beyond the field"),
    ):  # fmt: skip
        yield _failed(
            f"key-{label}",
            bundles.derived({**good, PEM: data}),
            f"the key is {why}",
            "KEY_MALFORMED",
        )
    unknown = wrapped(der.replace(bytes.fromhex("06052b81040022"), bytes.fromhex("06052b81040122")))
    yield _failed(
        "key-curve-unknown",
        bundles.derived({**good, PEM: unknown}),
        "a key on a curve that nobody knows",
        "ALG",
    )
    unknown = wrapped(
        der.replace(bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06072a8648ce3d0211"))
    )
    yield _failed(
        "key-kind-unknown",
        bundles.derived({**good, PEM: unknown}),
        "a key of a kind that nobody knows",
        "ALG",
    )
    for label, key in (
        ("p521", ec.generate_private_key(ec.SECP521R1()).public_key()),
        ("secp256k1", ec.generate_private_key(ec.SECP256K1()).public_key()),
        ("ed25519", ed25519.Ed25519PrivateKey.generate().public_key()),
    ):
        data = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        yield _failed(
            f"key-{label}", bundles.derived({**good, PEM: data}), f"a key of kind {label}", "ALG"
        )
    for label, key_id in (("other", shop.other.key_id), ("nobody", "0" * 64)):
        yield _failed(
            f"insider-key-id-{label}",
            shop.insider_record(_at("signers.0.key_id", key_id)),
            "the record names another key",
            "KEY_MISMATCH",
        )


# --- the record ------------------------------------------------------------------------------


def _json(shop: Shop) -> Iterator[Case]:
    record = shop.good_bundle[names.CAPTURE_RECORD]

    def extra(text: str) -> bytes:
        return record[:-1] + b',"zz":' + text.encode("utf-8", "surrogatepass") + b"}"

    for label, data in (
        ("byte-order-mark", b"\xef\xbb\xbf" + record),
        ("newline-behind", record + b"\n"),
        ("space-before", b" " + record),
        ("nul-behind", record + b"\0"),
        ("unsorted", record[:-1] + b',"a":1}'),
        ("escaped-slash", _replaced(record, b"http://", b"http:\\/\\/")),
        ("escaped-letter", _replaced(record, b'"A page"', b'"\\u0041 page"')),
        ("escaped-accent", extra('"\\u00e9"')),
        ("upper-case-escape", extra('"\\u000B"')),
        ("long-escape", extra('"\\u000a"')),
        ("exponent", extra("1e3")),
        ("fraction-zero", extra("1.0")),
        ("minus-zero", extra("-0")),
        ("plus", extra("+1")),
        ("leading-zero", extra("01")),
        ("not-a-number", extra("NaN")),
        ("infinity", extra("-Infinity")),
        ("two-to-53", extra("9007199254740992")),
        ("minus-two-to-53", extra("-9007199254740992")),
        ("hundred-digits", extra("1" * 100)),
        ("trailing-comma", record[:-1] + b",}"),
        ("single-quotes", extra("'a'")),
        ("python-constant", extra("True")),
        ("half-a-pair", extra('"\\ud800"')),
        ("half-a-pair-raw", extra('"\ud800"')),
        ("overlong", extra('"').replace(b'"zz":"', b'"zz":"\xc0\xaf"')),
        ("control-character", extra('"\x01"')),
        ("nested-twice", extra('{"a":1,"a":1}')),
        ("unsorted-utf-16", extra('{"\ufb33":1,"\U0001f600":2}')),
        ("two-values", record + record),
        ("cut", record[:-1]),
        ("many-values", extra("[" + ",".join("0" * 200_001) + "]")),
        ("deep", extra("[" * 600 + "]" * 600)),
        ("deeper-by-one", extra("[" * 64 + "]" * 64)),
    ):  # fmt: skip
        yield _failed(
            f"insider-json-{label}",
            shop.insider({names.CAPTURE_RECORD: data}),
            f"the record: {label}",
            "JSON",
        )
    for label, data in (
        ("array", b"[]"),
        ("string", b'"x"'),
        ("null", b"null"),
        ("nothing-in-it", b"{}"),
    ):
        yield _failed(
            f"insider-json-{label}",
            shop.insider({names.CAPTURE_RECORD: data}),
            f"the record: {label}",
            "FORMAT",
        )


_READ = (
    "bundle_id", "format", "requires", "requires.log", "requires.signatures", "requires.timestamps", "sealed_at",
    "signers", "signers.0.algorithm", "signers.0.key_id", "signers.0.slot", "signers.0.wacz_auth", "software", "what",
    "what.final_url", "what.requested_url", "what.title", "when", "when.ended_at", "when.started_at",
)  # fmt: skip


def _record_fields(shop: Shop) -> Iterator[Case]:
    for path in _READ:
        label = path.replace(".", "-").replace("_", "-")
        yield _failed(
            f"insider-lacks-{label}",
            shop.insider_record(_at(path, ...)),
            f"the record lacks {path}",
            "FORMAT",
        )
    signer = bundles.record_of(shop.good_bundle)["signers"][0]
    for label, edit in (
        *((f"number-{path.replace('.', '-').replace('_', '-')}", _at(path, 7)) for path in _READ
          if path not in ("requires.signatures", "requires.timestamps")),
        ("id-upper-case", _at("bundle_id", "20261124T214301Z-abcdefghijklmnop")),
        ("id-newline", _at("bundle_id", "20261124t214301z-abcdefghijklmnop\n")),
        ("id-digit-one", _at("bundle_id", "20261124t214301z-abcdefghijklmno1")),
        ("id-second-sixty", _at("bundle_id", "20261124t214360z-abcdefghijklmnop")),
        ("id-no-leap-day", _at("bundle_id", "20270229t214301z-abcdefghijklmnop")),
        ("key-id-upper-case", _at("signers.0.key_id", signer["key_id"].upper())),
        ("key-id-short", _at("signers.0.key_id", signer["key_id"][:63])),
        ("slot-one", _at("signers.0.slot", "sig-1")),
        ("slot-two", _at("signers.0.slot", "sig-02")),
        ("timestamps-negative", _at("requires.timestamps", -1)),
        ("signatures-negative", _at("requires.signatures", -1)),
        ("timestamps-text", _at("requires.timestamps", "1")),
        ("log-number", _at("requires.log", 0)),
        ("wacz-auth-null", _at("signers.0.wacz_auth", None)),
        ("signers-object", _at("signers", {})),
        ("signers-ten", _at("signers", [{**signer, "slot": f"sig-{n:02}", "key_id": f"{n:064x}"} for n in range(1, 11)])),
        ("title-null", _at("what.title", None)),
        ("format-two", _at("format", "snapshotter-capture/2")),
    ):  # fmt: skip
        yield _failed(
            f"insider-field-{label}", shop.insider_record(edit), f"the record: {label}", "FORMAT"
        )
    for label, algorithm in (("unknown", "rsa-pss"), ("p256", keys.P256_SHA256), ("empty", "")):
        yield _failed(
            f"insider-algorithm-{label}",
            shop.insider_record(_at("signers.0.algorithm", algorithm)),
            "the record names another algorithm than the key's",
            "ALG",
        )


def _instants(shop: Shop) -> Iterator[Case]:
    for label, text in (
        ("twenty-four", "2026-11-24T24:00:00Z"), ("leap-second", "2026-11-24T23:59:60Z"),
        ("february-thirty", "2026-02-30T00:00:00Z"), ("year-zero", "0000-01-01T00:00:00Z"),
        ("month-zero", "2026-00-10T00:00:00Z"), ("lower-case", "2026-11-24t21:43:03z"),
        ("fraction", "2026-11-24T21:43:03.5Z"), ("space", "2026-11-24 21:43:03Z"), ("offset", "2026-11-24T21:43:03+00:00"),
        ("no-zone", "2026-11-24T21:43:03"), ("newline", "2026-11-24T21:43:03Z\n"), ("date", "2026-11-24"),
        ("arabic-digits", "\u0662\u0660\u0662\u0666-11-24T21:43:03Z"), ("five-digits", "12026-11-24T21:43:03Z"),
    ):  # fmt: skip
        for path in ("sealed_at", "when.started_at", "when.ended_at"):
            if label in ("twenty-four", "fraction") or path == "sealed_at":
                name = f"insider-instant-{label}-{path.rpartition('.')[2].replace('_', '-')}"
                yield _failed(
                    name, shop.insider_record(_at(path, text)), f"{path} is {text!r}", "FORMAT"
                )


def _two_moments(shop: Shop) -> Iterator[Case]:
    """One instant in two spellings: `X`, and `X_ms` from its second to the next, both included."""
    record = bundles.record_of(shop.good_bundle)
    years = 5 * 365 * 24 * 3600 * 1000
    for path in (
        "when.started_at", "when.ended_at", "when.navigation_started_at", "when.navigation_ended_at",
        "content.artifacts.0.made_at", "how.steps.0.started_at", "how.actions.0.at", "when.clock_checks.0.ours",
    ):  # fmt: skip
        label = re.sub(r"[._]", "-", path)
        place: Any = record
        for step in path.split("."):
            place = place[int(step)] if isinstance(place, list) else place[step]
        second = canonical_json.milliseconds(canonical_json.parse_instant(place))
        for name, ms in (
            ("of-another-year", second - years), ("before-its-second", second - 1), ("behind-its-second", second + 1001),
            ("text", str(second)), ("true", True), ("null", None),
        ):  # fmt: skip
            if label == "when-ended-at" or name == "of-another-year":
                why = f"{path} is {place}, and {path}_ms {ms!r}"
                edited = shop.insider_record(_at(f"{path}_ms", ms))
                yield _failed(f"insider-two-moments-{label}-{name}", edited, why, "FORMAT")
        if label == "when-ended-at":
            for name, ms in (("first", second), ("last", second + 1000)):
                edited = shop.insider_record(_at(f"{path}_ms", ms))
                yield _good(f"{name}-millisecond", edited, f"{path} is {place}, and {path}_ms {ms}")
    for name, value, is_good in (
        ("null", {"at": None, "at_ms": 1}, False), ("nulls", {"at": None, "at_ms": None}, True),
        ("no-instant", {"at": "soon", "at_ms": 1}, False), ("one-digit", {"at": "2026-1-02T03:04:05Z", "at_ms": 1767323045000}, False),
        ("year-one", {"at": "0001-01-01T00:00:00Z", "at_ms": -62135596800000}, True),
        ("last-year", {"at": "9999-12-31T23:59:59Z", "at_ms": 253402300799999}, True),
        ("setting", {"pdf": False, "pdf_ms": 60_000}, True), ("deep", [[[{"x": [{"at": "2026-01-02T03:04:05Z", "at_ms": 0}]}]]], False),
        ("alone", {"at_ms": "soon", "_ms": 1, "": "x"}, False), ("only-ms", {"at_ms": "soon"}, True),
    ):  # fmt: skip
        edited = shop.insider_record(_sets(extra=value))
        if is_good:
            yield _good(f"moments-{name}", edited, f"a field that nobody reads is {value}")
        else:
            yield _failed(f"insider-moments-{name}", edited, f"a field is {value}", "FORMAT")


def _agreement(shop: Shop) -> Iterator[Case]:
    """What the record states of a file is so, and no fact in it is two things."""
    picture, text, assessed = (
        "capture/screenshot.png",
        "capture/page.txt",
        "capture/assessment.json",
    )
    rules = b'id = "x"\n'
    verdict = canonical_json.dumps(
        {"rule_files": [{"id": "x", "sha256": digest_bytes(rules).sha256, "version": "1"}]}
    )
    words = "a \u6f22 \U0001f600\n"
    good = shop.members(
        contents={
            **bundles.CONTENTS, text: words.encode(), assessed: verdict, "capture/rules-x.toml": rules,
            names.SERVER_SIGNATURES: shop.server_signatures(),
        }
    )  # fmt: skip
    record = bundles.record_of(good)
    artifacts = record["content"]["artifacts"]
    place = {artifact["path"]: number for number, artifact in enumerate(artifacts)}
    other = shop.members(title="Another page", contents={**bundles.CONTENTS, PAGE: b"<p>Another"})

    def insider(edit: Edit, **more: bytes) -> Members:
        changed = bundles.record_of(good)
        edit(changed)
        changes = {names.CAPTURE_RECORD: canonical_json.dumps(changed), **more}
        return bundles.resealed(good, changes, shop.signer, shop.stamp)

    def swapped(path: str, data: bytes) -> Members:
        return insider(lambda record: None, **{path: data})

    yield _good("agreement", insider(lambda record: None), "everything that is stated twice agrees")
    for label, path, data in (
        ("warc", "archive/data.warc.gz", good["archive/data.warc.gz"] + b"x"), ("picture", picture, flipped(bundles.PNG, 60)),
        ("page", PAGE, other[PAGE]), ("readme", "capture/README.txt", b"another\n"), ("index", "indexes/index.cdx", b"x\n"),
    ):  # fmt: skip
        why = f"{path} of another capture, and the record names the digests of this one's"
        yield _failed(f"insider-swapped-{label}", swapped(path, data), why, "HASH", "BLAKE3")
    yield _failed(
        "insider-swapped-policy",
        swapped("capture/policy.toml", b'name = "lax"\n'),
        "another policy than the record names twice",
        "HASH", "BLAKE3",
    )  # fmt: skip
    page, tls = place[PAGE], place[names.SERVER_SIGNATURES]
    entry = artifacts[page]
    for label, edit, codes in (
        ("sha256", _at(f"content.artifacts.{page}.sha256", "0" * 64), ("HASH",)),
        ("sha256-upper-case", _at(f"content.artifacts.{page}.sha256", entry["sha256"].upper()), ("HASH",)),
        ("sha256-gone", _at(f"content.artifacts.{page}.sha256", ...), ("HASH",)),
        ("blake3", _at(f"content.artifacts.{page}.blake3", "0" * 64), ("BLAKE3",)),
        ("blake3-null", _at(f"content.artifacts.{page}.blake3", None), ("BLAKE3",)),
        ("length", _at(f"content.artifacts.{page}.length", entry["length"] + 1), ("HASH",)),
        ("length-text", _at(f"content.artifacts.{page}.length", str(entry["length"])), ("HASH",)),
        ("path", _at(f"content.artifacts.{page}.path", "capture/other.html"), ("MISSING", "UNLISTED")),
        ("path-null", _at(f"content.artifacts.{page}.path", None), ("FORMAT", "UNLISTED")),
        ("path-of-the-record", _at(f"content.artifacts.{page}.path", names.CAPTURE_RECORD), ("MISSING", "UNLISTED")),
        ("path-of-a-seal", _at(f"content.artifacts.{page}.path", SIG), ("MISSING", "UNLISTED")),
        ("gone", lambda record: record["content"]["artifacts"].pop(page), ("UNLISTED",)),
        ("twice", lambda record: record["content"]["artifacts"].append(entry), ("UNLISTED",)),
        ("text", lambda record: record["content"]["artifacts"].append("x"), ("FORMAT",)),
        ("none", _at("content.artifacts", ...), ("FORMAT",)), ("null", _at("content.artifacts", None), ("FORMAT",)),
        ("object", _at("content.artifacts", {}), ("FORMAT",)), ("content-null", _at("content", None), ("FORMAT",)),
        ("tls", _at(f"content.artifacts.{tls}.sha256", "0" * 64), ("SERVER_SIG",)),
        ("tls-gone", lambda record: record["content"]["artifacts"].pop(tls), ("UNLISTED",)),
        ("tls-twice", lambda record: record["content"]["artifacts"].append(artifacts[tls]), ("UNLISTED",)),
        ("policy", _at("how.policy.sha256", "0" * 64), ("HASH",)), ("policy-null", _at("how.policy", None), ("HASH",)),
        ("characters", _at("content.text_characters", len(words) + 1), ("FORMAT",)),
        ("characters-bytes", _at("content.text_characters", len(words.encode())), ("FORMAT",)),
        ("characters-true", _at("content.text_characters", True), ("FORMAT",)),
        ("path-of-the-network", _at("who.network_path", "tor"), ("FORMAT",)),
        ("network", _at("who.network", {"path": "tor"}), ("FORMAT",)),
        ("status", _at("what.http_status", 404), ("FORMAT",)), ("status-null", _at("what.http_status", None), ("FORMAT",)),
        ("answer-null", _at("from_whom", None), ("FORMAT",)), ("http-date", _at("when.http_date", "Tue"), ("FORMAT",)),
        ("timezone", _at("when.timezone", "Asia/Shanghai"), ("FORMAT",)),
        ("minimum", _at("court_minimum.met", False), ("FORMAT",)), ("minimum-part", _at("court_minimum.url", False), ("FORMAT",)),
        ("minimum-number", _at("court_minimum.met", 1), ("FORMAT",)),
        ("minimum-line", _at("court_minimum.line", "court minimum: NO (URL missing)"), ("FORMAT",)),
        ("outcome", _at("outcome.state", "partial"), ("FORMAT",)), ("outcome-unknown", _at("outcome.state", "fine"), ("FORMAT",)),
        ("reasons", _at("outcome.reasons", [{"code": "x", "detail": "y"}]), ("FORMAT",)),
        ("reasons-null", _at("outcome.reasons", None), ("FORMAT",)),
    ):  # fmt: skip
        yield _failed(f"insider-disagrees-{label}", insider(edit), f"the record: {label}", *codes)
    for label, edit in (
        ("no-answer", _sets(from_whom=None, what={**record["what"], "http_status": None})),
        ("fields-of-later", lambda record: [record.pop(name) for name in ("court_minimum", "outcome", "who", "how")]),
        ("text-replaced", lambda record: [
            record["content"].update(text_characters=7),
            record.update(redactions=[{"commitments": [], "count": 1, "name": "uin", "place": "url-parameter"}]),
        ]),
    ):  # fmt: skip
        yield _good(f"agreement-{label}", insider(edit), f"honest: {label}")
    yield from _counted(shop)
    file = {
        "bottom_px": 1,
        "height": 1,
        "path": picture,
        "tile_count": 1,
        "tiles": [{}],
        "top_px": 0,
        "width": 1,
    }
    pictures = [{"files": [file]}]
    yield _good("pictures", insider(_at("content.pictures", pictures)), "a picture of one pixel")
    many = [
        {
            "files": [
                {**file, "tile_count": n, "tiles": [0] * min(n, left)}
                for n, left in ((9_999, 10_000), (3, 1), (2, 0))
            ]
        }
    ]
    yield _good(
        "pictures-tiles",
        insider(_at("content.pictures", many)),
        "10,004 tiles, of which 10,000 are listed",
    )
    for label, value, code in (
        ("width", {**file, "width": 2}, "FORMAT"), ("height", {**file, "height": 0}, "FORMAT"), ("true", {**file, "width": True}, "FORMAT"),
        ("missing", {**file, "path": "capture/viewport.png"}, "MISSING"), ("tiles", {**file, "tile_count": 2}, "FORMAT"),
        ("no-tiles", {**file, "tiles": None}, "FORMAT"), ("negative", {**file, "tile_count": -1, "tiles": []}, "FORMAT"),
        ("path", {**file, "path": 7}, "FORMAT"), ("text", "x", "FORMAT"),
    ):  # fmt: skip
        edited = insider(_at("content.pictures", [{"files": [value]}]))
        yield _failed(f"insider-picture-{label}", edited, f"content.pictures: {label}", code)
    odd: dict[str, Any] = {"null": None, "object": {}, "no-files": [{}], "texts": ["x"]}
    for label, none_of_it in odd.items():
        edited = insider(_at("content.pictures", none_of_it))
        yield _failed(f"insider-pictures-{label}", edited, f"content.pictures: {label}", "FORMAT")
    for label, data, is_good in (
        ("digest", verdict.replace(digest_bytes(rules).sha256.encode(), b"0" * 64), False),
        ("null", b'{"rule_files":[{"id":"x","sha256":null,"version":"1"}]}', False),
        ("other-rules", b'{"rule_files":[{"id":"y","sha256":"","version":"1"}]}', True), ("none", b"not json", True),
        ("odd", b'{"rule_files":[7,{"id":7},{"id":"../x"}]}', True),
    ):  # fmt: skip
        changed = bundles.record_of(good)
        digests = digest_bytes(data)
        changed["content"]["artifacts"][place[assessed]].update(
            blake3=digests.blake3, length=digests.length, sha256=digests.sha256
        )
        changes = {assessed: data, names.CAPTURE_RECORD: canonical_json.dumps(changed)}
        made = bundles.resealed(good, changes, shop.signer, shop.stamp)
        if is_good:
            yield _good(f"rule-files-{label}", made, "an assessment that says nothing of a file")
        else:
            yield _failed(
                f"insider-rule-files-{label}", made, "not the rules that lie in it", "HASH"
            )


def _counted(shop: Shop) -> Iterator[Case]:
    """What the custody chain, the list of pages and the lists of the record state once more."""
    lines = b'{"more":true}\n' * 3
    listed = b'{"format":"json-pages-1.0","id":"pages","title":"All Pages"}\n'
    page = {
        "id": "1",
        "text": 'a "title":',
        "title": "A page",
        "ts": "2026-11-24T16:37:26Z",
        "url": bundles.URL,
    }

    def pages(**fields: Any) -> bytes:
        return listed + canonical_json.dumps({**page, **fields}) + b"\n"

    good = shop.members(
        contents={**bundles.CONTENTS, "capture/images.jsonl": lines, "pages/pages.jsonl": pages()}
    )
    root = shop.authority.anchor.root
    pem = root.public_bytes(Encoding.PEM).decode()
    certificate = {"pem": pem, "sha256": root.fingerprint(hashes.SHA256()).hex()}
    images = {"failed": 1, "loaded": 2, "pending": 0, "placeholder": 0, "wanted": 3}
    requests = {"answered": 3, "blocked": 1, "cancelled": 1, "failed": 1, "pending": 0, "total": 6}
    redaction = {
        "commitments": ["sha256:" + "0" * 64],
        "count": 2,
        "name": "cookie",
        "place": "request-header",
    }

    def whole(record: Record) -> None:
        record["content"].update(
            images=dict(images), requests=dict(requests), failed_requests=[{"url": "x"}] * 2
        )
        record["from_whom"]["tls"] = {"chain": [dict(certificate)]}
        record["redactions"] = [dict(redaction), {**redaction, "name": "authorization"}]
        record["outcome"].update(
            state="partial", reasons=[{"code": "a", "detail": ""}, {"code": "b", "detail": ""}]
        )

    def insider(edit: Edit, **changes: bytes) -> Members:
        record = bundles.record_of(good)
        if "pages/pages.jsonl" in changes or "capture/images.jsonl" in changes:
            digests = {name: digest_bytes(data) for name, data in changes.items()}
            for artifact in record["content"]["artifacts"]:
                if (made := digests.get(artifact["path"])) is not None:
                    artifact.update(blake3=made.blake3, length=made.length, sha256=made.sha256)
        whole(record)
        edit(record)
        changes[names.CAPTURE_RECORD] = canonical_json.dumps(record)
        return bundles.resealed(good, changes, shop.signer, shop.stamp)

    honest = insider(lambda record: None)
    yield _good("counted", honest, "events, counts, certificates and pages agree with the record")
    events = [json.loads(line) for line in honest[names.CUSTODY].splitlines()]
    for number, label, fields in (
        (0, "capture-at", {"at": "2026-01-01T00:00:00Z"}), (0, "capture-agent", {"agent": "another"}),
        (0, "capture-object", {"object": "https://example.net/"}), (0, "capture-outcome", {"outcome": "success"}),
        (0, "capture-reasons", {"detail": "a"}), (0, "capture-gone", {"event": "creation"}),
        (1, "redaction-names", {"detail": "cookie"}), (1, "redaction-gone", {"event": "modification"}),
        (1, "capture-twice", {"event": "capture"}), (1, "redaction-agent", {"agent": "another"}),
        (2, "digests-at", {"at": events[1]["at"] if events[1]["at"] != events[2]["at"] else "2026-01-01T00:00:00Z"}),
        (2, "digests-count", {"detail": "SHA-256 and BLAKE3 of 99 files"}), (2, "digests-object", {"object": "seal/manifest-blake3.txt"}),
        (2, "digests-outcome", {"outcome": "failure"}), (2, "digests-gone", {"event": "fixity check"}),
    ):  # fmt: skip
        changed = [dict(event) for event in events]
        changed[number].update(fields)
        data, previous = b"", "0" * 64
        for event in changed:
            line = canonical_json.dumps({**event, "previous": previous})
            previous = digest_bytes(line).sha256
            data += line + b"\n"
        edited = insider(lambda record: None, **{names.CUSTODY: data})
        yield _failed(f"insider-event-{label}", edited, f"the custody chain: {label}", "CUSTODY")
    for label, edit in (
        ("images-sum", _at("content.images.wanted", 4)), ("images-lines", _at("content.images", {**images, "loaded": 1, "wanted": 2})),
        ("images-true", _at("content.images.failed", True)), ("images-null", _at("content.images", None)),
        ("requests-sum", _at("content.requests.total", 7)), ("requests-negative", _at("content.requests", {**requests, "blocked": -1, "total": 4})),
        ("failed-requests", _at("content.failed_requests", [])), ("failed-requests-null", _at("content.failed_requests", None)),
        ("redactions-count", _at("redactions.0.count", 0)), ("redactions-true", _at("redactions.0.count", True)),
        ("redactions-commitments", _at("redactions.0.commitments", None)),
        ("certificate", _at("from_whom.tls.chain.0.sha256", "0" * 64)), ("certificate-pem", _at("from_whom.tls.chain.0.pem", pem + "\n")),
        ("certificate-none", _at("from_whom.tls.chain.0.pem", None)), ("certificate-of-nothing", _at("from_whom.tls.chain.0", {"pem": "\u2028", "sha256": None})), ("chain-object", _at("from_whom.tls.chain", {})),
        ("page-title", _at("what.title", "Another page")), ("page-address", _at("what.final_url", "http://example.net/")),
    ):  # fmt: skip
        yield _failed(f"insider-counted-{label}", insider(edit), f"the record: {label}", "FORMAT")
    for label, data in (
        ("title", pages(title="Another")), ("url", pages(url="http://example.net/")), ("field-behind", pages(zz=1)),
        ("no-title", listed + b'{"id":"1","ts":"2026-11-24T16:37:26Z","url":"http://example.test/page"}\n'),
        ("two", pages() + pages().partition(b"\n")[2]), ("no-end", pages()[:-1]),
        ("long", pages(title="Another", text="x" * (2 << 20))),
    ):  # fmt: skip
        edited = insider(lambda record: None, **{"pages/pages.jsonl": data})
        yield _failed(f"insider-pages-{label}", edited, f"the list of pages: {label}", "FORMAT")
    for label, changes in (
        ("pages-none", {"pages/pages.jsonl": listed}),
        ("pages-empty", {"pages/pages.jsonl": b""}),
        ("pages-long", {"pages/pages.jsonl": pages(text="x" * (2 << 20))}),
    ):
        yield _good(label, insider(lambda record: None, **changes), f"honest: {label}")
    for label, edit in (
        ("many-images", _at("content.images", {**images, "loaded": 5_000, "wanted": 5_001})),
        ("many-failed", lambda record: record["content"].update(
            requests={**requests, "failed": 501, "total": 506}, failed_requests=[0] * 500
        )),
        ("replaced", lambda record: [
            record["redactions"].append({**redaction, "name": "name", "place": "own-name"}),
            record["what"].update(title="[redacted]"), record["from_whom"]["tls"]["chain"][0].update(pem="[redacted]"),
        ]),
        ("place-list", _at("redactions.0.place", ["own-name"])),
        ("cut-title", _at("what.title", "x" * 65_537)),
    ):  # fmt: skip
        yield _good(f"counted-{label}", insider(edit), f"honest: {label}")


# --- times -----------------------------------------------------------------------------------


def _times(shop: Shop) -> Iterator[Case]:
    good = shop.good_bundle
    sealed = canonical_json.parse_instant(bundles.record_of(good)["sealed_at"])
    second = timedelta(seconds=1)

    def moved(name: str, by: timedelta) -> Members:
        return shop.insider_record(_moment(name, sealed + by))

    yield _failed(
        "insider-ended-before-it-began",
        moved("ended_at", -timedelta(minutes=4)),
        "ended before it began",
        "TIME",
    )
    yield _failed(
        "insider-ended-after-the-seal",
        moved("ended_at", second),
        "ended after it was sealed, and the custody chain has the second before",
        "CUSTODY",
        "TIME",
    )
    yield _unclear(
        "insider-two-hours-and-a-second",
        shop.insider_record(_began(shop, timedelta(hours=2, seconds=1))),
        "sealed a second more than two hours after it began",
        "TIME",
    )
    day = timedelta(days=1)
    for name in ("navigation_started_at", "navigation_ended_at"):
        for label, at in (("before", sealed - day), ("after", sealed + day)):
            edited, words = shop.insider_record(_moment(name, at)), f"{name}: a day {label}"
            yield _unclear(f"insider-{name.replace('_', '-')}-{label}", edited, words, "TIME")
        nulls = {name: None, f"{name}_ms": None}
        edited = shop.insider_record(lambda record, nulls=nulls: record["when"].update(nulls))  # type: ignore[misc]
        yield _good(f"no-{name.replace('_', '-')}", edited, "the page was never reached")
    text = shop.insider_record(
        _sets(when={**bundles.record_of(good)["when"], "navigation_ended_at": 7})
    )
    yield _unclear("insider-navigation-ended-at-number", text, "a number, and no instant", "TIME")
    yield _good(
        "id-at-the-skew",
        shop.insider_record(_began(shop, timedelta(minutes=10), named=timedelta(minutes=5))),
        "the id is of five minutes after the capture began",
    )
    yield _unclear(
        "insider-id-beyond-the-skew",
        shop.insider_record(
            _began(shop, timedelta(minutes=10), named=timedelta(minutes=4, seconds=59))
        ),
        "the id is of five minutes and a second after the capture began",
        "TIME",
    )
    yield _failed(
        "token-of-the-future",
        good,
        "the verifier's clock is an hour behind",
        "TIME",
        later=-timedelta(hours=1),
    )
    bare = shop.members(authorities=())
    yield _failed(
        "sealed-in-the-future", bare, "no token, and the verifier's clock is an hour behind", "TIME", "TS_MISSING",
        later=-timedelta(hours=1),
    )  # fmt: skip
    yield _unclear(
        "no-token-required-and-none-there",
        shop.members(authorities=(), timestamps=0),
        "nobody asks for a token, and nothing but the maker's clock stands behind it",
        "TIME",
        trust="no-tokens",
    )
    yield _unclear(
        "later-than-the-lag", shop.members(offset=-timedelta(minutes=3)), "the token came after a lag of a minute", "TIME",
        trust="short-lag",
    )  # fmt: skip
    yield _good(
        "within-a-short-lag", good, "the token came within a lag of a minute", trust="short-lag"
    )
    yield _failed(
        "beyond-a-short-skew", shop.members(offset=timedelta(minutes=2)), "sealed two minutes after its token; a skew of ten seconds",
        "TIME", trust="short-skew",
    )  # fmt: skip


# --- tokens ----------------------------------------------------------------------------------


def _tokens(shop: Shop) -> Iterator[Case]:
    good = shop.good_bundle
    token = good[TOKEN]
    covered = {"signer": shop.signer}

    def with_token(data: bytes) -> Members:
        return bundles.derived({**good, TOKEN: data}, **covered)

    length = struct.unpack(">H", token[2:4])[0]
    body = token[9:]  # behind SEQUENCE { SEQUENCE { INTEGER 0 } }

    def response(status: bytes, content: bytes) -> bytes:
        inner = status + content
        return b"\x30\x82" + struct.pack(">H", len(inner)) + inner

    if response(token[4:9], body) != token or len(token) != length + 4:
        raise ValueError("a response is not of the form that these cases take apart")
    found = re.search(rb"\x18[\x0f-\x13]20[0-9]{12}", token)  # the GeneralizedTime of TSTInfo
    if found is None:
        raise ValueError("a token has no time")
    info = found.start()
    for label, data, why in (
        ("bare", body, "the token without its response"),
        ("status-rejected", response(bytes.fromhex("3003020102"), body), "a refusal with a token in it"),
        ("status-mods", response(bytes.fromhex("3003020101"), body), "granted with modifications"),
        ("status-alone", bytes.fromhex("30053003020100"), "granted, and no token"),
        ("time-edited", flipped(token, info + 4), "another year"),
        ("policy-edited", token.replace(bytes.fromhex("06042a030401"), bytes.fromhex("06042a030402"), 1), "another policy"),
        ("signature-edited", flipped(token, len(token) - 2), "another signature"),
        ("certificate-edited", flipped(token, token.index(b"vectors good leaf")), "another name of its signer"),
        ("twice", token + token, "two responses"),
        ("long-length", b"\x30\x83\0" + token[2:], "a length that could be shorter"),
        ("indefinite", b"\x30\x80" + token[4:] + b"\0\0", "an indefinite length"),
        ("base64", base64.b64encode(token), "base64"),
        ("request", bytes.fromhex("303102010130"), "the beginning of a request"),
        ("zeros", bytes(1000), "zero bytes"),
        ("cut", token[:-1], "its last byte is missing"),
        ("signature-of-seal", good[SIG], "the seal's signature"),
    ):  # fmt: skip
        yield _failed(
            f"token-{label}",
            with_token(data),
            f"instead of a token: {why}",
            "TS_MALFORMED",
            "TS_MISSING",
            "TIME",
        )
    for label, data in (
        ("list", good[names.MANIFEST_SHA256]),
        ("other-signature", shop.members(title="Another")[SIG]),
        ("digest", digest_bytes(good[SIG]).sha256.encode()),
    ):
        yield _failed(
            f"token-over-{label}",
            with_token(shop.stamp(data)),
            f"a good token over the {label}",
            "TS_IMPRINT",
            "TS_MISSING",
            "TIME",
        )
    yield _unclear(
        "token-two-required-one-unknown",
        shop.members(timestamps=2, authorities=(shop.authority, shop.unknown_authority)),
        "two are required; one is by nobody in the trust file",
        "TS_UNTRUSTED",
    )
    yield _unclear(
        "token-two-required-by-trust",
        good,
        "the trust file requires two, and there is one",
        "TS_MISSING",
        trust="two-tokens",
    )
    hardware = shop.members(shop.hardware)
    for label, data, *codes in (
        ("wrong-policy", shop.other_policy.response(hardware[SIG]), "TS_POLICY"),
        ("revoked", shop.revoked_authority.response(hardware[SIG]), "TS_REVOKED"),
    ):
        yield _unclear(
            f"token-uncovered-{label}",
            bundles.derived({**hardware, names.token(1, 2): data}),
            "a second token that does not count, where no WACZ signature covers the tokens",
            *codes,
        )
    yield _failed(
        "token-uncovered-malformed",
        bundles.derived({**hardware, names.token(1, 2): b"x"}),
        "a second token that is none",
        "TS_MALFORMED",
    )
    yield _good(
        "token-uncovered-second",
        bundles.derived({**hardware, names.token(1, 2): shop.stamp(hardware[SIG])}),
        "a second good token, where no WACZ signature covers the tokens",
    )


def _late_tokens(shop: Shop) -> Iterator[Case]:
    good, bare = shop.good_bundle, shop.members(authorities=())
    late = shop.stamp(bare[SIG])
    for label, data in (
        ("junk", b"junk"), ("empty", b""), ("other", shop.stamp(b"other")), ("unknown", shop.unknown_authority.response(good[SIG])),
        ("too-long", bytes((64 << 10) + 1)), ("tail", late + b"\0"),
    ):  # fmt: skip
        yield _good(
            f"late-{label}-and-not-needed",
            good,
            f"beside a good bundle: {label}",
            sidecars={".late-01.tsr": data},
        )
    for label, data, *codes in (
        ("junk", b"junk", "TS_MALFORMED"), ("empty", b"", "TS_MALFORMED"), ("too-long", bytes((64 << 10) + 1), "TS_MALFORMED"),
        ("unknown", shop.unknown_authority.response(bare[SIG]), "TS_UNTRUSTED"),
        ("wrong-policy", shop.other_policy.response(bare[SIG]), "TS_POLICY"),
        ("revoked", shop.revoked_authority.response(bare[SIG]), "TS_REVOKED"), ("edited", flipped(late), "TS_MALFORMED"),
    ):  # fmt: skip
        yield _unclear(
            f"late-{label}-and-needed", bare, f"beside a bundle without a token: {label}", *codes, "TIME",
            sidecars={".late-01.tsr": data},
        )  # fmt: skip
    yield _good("late-ninth", bare, "a late token, as the ninth", sidecars={".late-09.tsr": late})
    yield _good(
        "late-after-junk",
        bare,
        "junk, and then a good token",
        sidecars={".late-01.tsr": b"junk", ".late-02.tsr": late},
    )
    yield _unclear(
        "late-tenth",
        bare,
        "a tenth is not looked at",
        "TS_MISSING",
        "TIME",
        sidecars={".late-10.tsr": late},
    )
    early = shop.members(authorities=(), offset=timedelta(minutes=30))
    yield _failed(
        "late-and-too-early", early, "a late token from before the seal", "TIME",
        sidecars={".late-01.tsr": shop.stamp(early[SIG])},
    )  # fmt: skip
    old = shop.members(authorities=(), offset=-9 * DAY)
    yield _unclear(
        "late-beyond-the-lag", old, "a late token nine days after the seal", "TIME",
        sidecars={".late-01.tsr": shop.stamp(old[SIG])},
    )  # fmt: skip


# --- derived files ---------------------------------------------------------------------------


def _datapackage(shop: Shop) -> Iterator[Case]:
    good = shop.good_bundle

    def swapped(package: Record) -> None:
        first, second, *rest = package["resources"]
        package["resources"] = [second, first, *rest]

    edits: tuple[tuple[str, Edit], ...] = (
        *((f"{name}-edited", _at(name, "x")) for name in
          ("created", "description", "mainPageDate", "mainPageUrl", "modified", "profile", "software", "title", "wacz_version")),
        *((f"{name}-gone", _at(name, ...)) for name in ("title", "mainPageUrl", "resources", "created")),
        ("field-more", _sets(licenses=[])),
        ("resources-swapped", swapped),
        ("resource-less", lambda package: package["resources"].pop()),
        ("resource-more", lambda package: package["resources"].append(package["resources"][0])),
        ("resource-hash", _at("resources.0.hash", "sha256:" + "0" * 64)),
        ("resource-bytes", _at("resources.0.bytes", 21)),
        ("resource-name", _at("resources.0.name", "x")),
        ("resource-path", _at("resources.0.path", "archive/x.warc.gz")),
        ("resource-field", _at("resources.0.title", "x")),
        ("image", _sets(image="capture/screenshot.png")),
    )  # fmt: skip
    for label, edit in edits:
        package = json.loads(good[names.DATAPACKAGE])
        edit(package)
        data = canonical_json.dumps(package)
        text = wacz.hash_text(digest_bytes(data))
        signature = wacz.canonical_signature(
            shop.signer.public_key, shop.signer.sign_wacz_hash(text.encode())
        )
        digest_file = wacz.digest_file(
            digest_bytes(data), created=bundles.record_of(good)["sealed_at"], software=bundles.SOFTWARE,
            public_key=shop.signer.public_key, signature=signature,
        )  # fmt: skip
        members = {**good, names.DATAPACKAGE: data, names.DATAPACKAGE_DIGEST: digest_file}
        yield _failed(
            f"insider-package-{label.lower()}", members, f"datapackage.json: {label}", "DERIVED"
        )
    for label, data in (
        ("pretty", json.dumps(json.loads(good[names.DATAPACKAGE]), indent=2).encode()),
        ("newline", good[names.DATAPACKAGE] + b"\n"), ("empty", b""), ("not-json", b"{"),
    ):  # fmt: skip
        yield _failed(
            f"package-{label}",
            {**good, names.DATAPACKAGE: data},
            f"datapackage.json: {label}",
            "DERIVED",
        )


def _digest_file(shop: Shop) -> Iterator[Case]:
    good = shop.good_bundle
    text = good[names.DATAPACKAGE_DIGEST]

    def edited(edit: Edit) -> Members:
        value = json.loads(text)
        edit(value)
        return {**good, names.DATAPACKAGE_DIGEST: canonical_json.dumps(value)}

    signature = json.loads(text)["signedData"]["signature"]
    raw = base64.b64decode(signature)
    other = shop.other.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for label, edit in (
        ("hash", _at("hash", "sha256:" + "0" * 64)), ("hash-gone", _at("hash", ...)), ("path", _at("path", "x.json")),
        ("path-gone", _at("path", ...)), ("field-more", _sets(domain="example.org")),
        ("signed-created", _at("signedData.created", "2026-01-01T00:00:00Z")),
        ("signed-hash", _at("signedData.hash", "sha256:" + "0" * 64)), ("signed-software", _at("signedData.software", "x")),
        ("signature-spaced", _at("signedData.signature", signature[:64] + "\n" + signature[64:])),
        ("signature-url-safe", _at("signedData.signature", "-" + signature[1:])),
        ("signature-padded", _at("signedData.signature", signature + "====")), ("signature-null", _at("signedData.signature", None)),
        ("signed-null", _at("signedData", None)), ("signed-list", _at("signedData", [])),
        ("signed-field-more", _at("signedData.domain", "example.org")), ("signed-created-gone", _at("signedData.created", ...)),
        ("signed-key", _at("signedData.publicKey", base64.b64encode(other).decode())),
    ):  # fmt: skip
        yield _failed(
            f"digest-{label}", edited(edit), f"datapackage-digest.json: {label}", "DERIVED"
        )
    for label, value in (
        ("empty", ""), ("long", base64.b64encode(raw + b"\0").decode()),
        ("swapped", base64.b64encode(raw[48:] + raw[:48]).decode()), ("r-zero", base64.b64encode(bytes(48) + raw[48:]).decode()),
        ("s-zero", base64.b64encode(raw[:48] + bytes(48)).decode()), ("ones", base64.b64encode(b"\xff" * 96).decode()),
        ("of-list", base64.b64encode(keys.to_p1363(good[SIG], shop.signer.public_key)).decode()),
    ):  # fmt: skip
        yield _failed(
            f"wacz-signature-{label}",
            edited(_at("signedData.signature", value)),
            f"the WACZ signature: {label}",
            "WACZ_SIG",
        )
    for label, data in (
        ("pretty", json.dumps(json.loads(text), indent=1).encode()),
        ("empty", b""),
        ("array", b"[]"),
        ("null", b"null"),
    ):
        yield _failed(
            f"digest-{label}",
            {**good, names.DATAPACKAGE_DIGEST: data},
            f"datapackage-digest.json: {label}",
            "DERIVED",
        )
    hardware = shop.members(shop.hardware)
    value = json.loads(hardware[names.DATAPACKAGE_DIGEST])
    value["signedData"] = json.loads(text)["signedData"]
    yield _failed(
        "wacz-signature-unannounced",
        {**hardware, names.DATAPACKAGE_DIGEST: canonical_json.dumps(value)},
        "a WACZ signature where the record says that there is none",
        "WACZ_SIG",
    )


# --- custody, server signatures --------------------------------------------------------------


def _custody(shop: Shop) -> Iterator[Case]:
    text = shop.good_bundle[names.CUSTODY]
    first, created, second = (json.loads(line) for line in text.splitlines())

    def chain(*events: Record, relink: bool = True) -> bytes:
        lines: list[bytes] = []
        for event in events:
            if relink and lines:
                event = {**event, "previous": digest_bytes(lines[-1]).sha256}
            lines.append(canonical_json.dumps(event))
        return b"".join(line + b"\n" for line in lines)

    if chain(first, created, second) != text:
        raise ValueError("the chain is not of the form that these cases take apart")
    early = "2026-01-01T00:00:00Z"
    for label, data in (
        ("from-zero", chain({**first, "sequence": 0}, {**created, "sequence": 1}, {**second, "sequence": 2})),
        ("gap", chain(first, created, {**second, "sequence": 4})),
        ("sequence-text", chain({**first, "sequence": "1"}, created, second)),
        ("sequence-true", chain({**first, "sequence": True}, created, second)),
        ("other-beginning", chain({**first, "previous": "1" * 64}, created, second)),
        ("upper-case-link", chain(first, created, {**second, "previous": digest_bytes(text.splitlines()[1]).sha256.upper()}, relink=False)),
        ("back-in-time", chain(first, created, {**second, "at": early})),
        ("field-more", chain({**first, "note": ""}, created, second)),
        ("field-less", chain({k: v for k, v in first.items() if k != "detail"}, created, second)),
        ("number", chain({**first, "agent": 1}, created, second)),
        ("no-instant", chain({**first, "at": "today"}, created, second)),
        ("blank-line", text.replace(b"\n", b"\n\n", 1)),
        ("crlf", text.replace(b"\n", b"\r\n")),
        ("not-canonical", text.replace(b'":', b'": ', 1)),
        ("array", b"[]\n"),
        ("not-utf-8", b'"\xff"\n'),
        ("swapped", b"".join(text.splitlines(keepends=True)[::-1])),
        ("twice", text + text),
    ):  # fmt: skip
        yield _failed(
            f"insider-chain-{label}",
            shop.insider({names.CUSTODY: data}),
            f"custody chain: {label}",
            "CUSTODY",
        )


def _redactable_record(shop: Shop) -> Iterator[Case]:
    """Cases of the record of version 2: docs/spec/redactable-record.md."""
    good, path = shop.good_bundle, names.REDACTABLE_RECORD
    closed = json.loads(good[path])
    zeros = {"committed": "0" * 64}

    def sealed(data: bytes) -> Members:
        """Seal other bytes as the redactable record; the record and the lists name them."""
        return bundles.resealed(
            good, {path: data, **_naming(good, {path: data})}, shop.signer, shop.stamp
        )

    for label, edit in (
        ("commitment", _at("what.title", zeros)),
        ("commitment-of-another-value", lambda value: value["what"].update(title=value["what"]["final_url"])),
        ("commitment-upper-case", _at("what.title.committed", closed["what"]["title"]["committed"].upper())),
        ("commitment-and-more", _at("what.title.salt", "0" * 64)),
        ("value-open", _at("what.title", "A page")), ("value-gone", _at("what.title", ...)), ("value-null", _at("what.title", None)),
        ("status-closed", _at("what.http_status", zeros)), ("other-status", _at("what.http_status", 404)),
        ("header-name", _at("from_whom.headers.0.0", "x-other")), ("header-gone", _at("from_whom.headers", [])),
        ("other-time", _at("sealed_at", "2026-01-01T00:00:00Z")), ("other-format", _sets(format="snapshotter-capture/1")),
        ("format-three", _sets(format="snapshotter-capture/3")), ("fields-less", lambda value: value["redactable"]["fields"].pop()),
        ("salt-key-in-it", _at("redactable.salt_key", bundles.SALT_KEY.hex())),
        ("names-itself", lambda value: value["content"]["artifacts"].append({"path": path})),
    ):  # fmt: skip
        value = json.loads(good[path])
        edit(value)
        yield _failed(
            f"insider-redactable-{label}",
            sealed(canonical_json.dumps(value)),
            f"the redactable record: {label}",
            "COMMITMENT",
        )
    for label, data in (
        ("empty", b""), ("no-json", b"{"), ("spaces", b" " + good[path]), ("newline", good[path] + b"\n"),
        ("record-itself", good[names.CAPTURE_RECORD]),
    ):  # fmt: skip
        yield _failed(f"insider-redactable-{label}", sealed(data), label, "COMMITMENT")
    fields = closed["redactable"]["fields"]
    for label, edit in (
        ("key-short", _at("redactable.salt_key", "00" * 16)), ("key-long", _at("redactable.salt_key", "00" * 33)),
        ("key-upper-case", _at("redactable.salt_key", "AB" * 32)), ("key-none", _at("redactable.salt_key", ...)),
        ("key-number", _at("redactable.salt_key", 7)), ("key-empty", _at("redactable.salt_key", "")),
        ("key-newline", _at("redactable.salt_key", "00" * 32 + "\n")),
        ("announced-null", _sets(redactable=None)), ("announced-list", _sets(redactable=[])), ("field-more", _at("redactable.note", "x")),
        ("fields-none", _at("redactable.fields", ...)), ("fields-object", _at("redactable.fields", {})),
        ("fields-turned", _at("redactable.fields", fields[::-1])), ("fields-twice", _at("redactable.fields", [fields[0], *fields])),
        ("fields-number", _at("redactable.fields", [7])), ("fields-many", _at("redactable.fields", [f"/what/x{n:03}" for n in range(201)])),
        *(
            (f"closes-{place}", _at("redactable.fields", [closing]))
            for place, closing in (
                ("format", "/format"), ("signers", "/signers/0/key_id"), ("requires", "/requires/log"), ("sealed-at", "/sealed_at"),
                ("start", "/when/started_at"), ("zone", "/when/timezone"), ("state", "/outcome/state"), ("digest", "/content/artifacts/0/sha256"),
                ("path", "/content/artifacts/*/path"), ("pictures", "/content/pictures"), ("picture", "/content/pictures/*/files/*/path"), ("picture-files", "/content/pictures/0/files"), ("pictures-all", "/content/pictures/*"),
                ("policy", "/how/policy/sha256"), ("group", "/what"), ("root", "/"), ("nothing", ""), ("no-slash", "what/title"),
                ("end-slash", "/what/title/"), ("two-slashes", "/what//title"), ("escape", "/what/a~1b"), ("upper-case", "/what/Title"),
                ("zeros", "/from_whom/headers/00/1"), ("nine", "/how" + "/a" * 8), ("newline", "/what/title\n"), ("stars", "/what/**"),
                ("its-mark", "/what/title/committed"), ("below-its-mark", "/what/committed/title"),
            )
        ),
    ):  # fmt: skip
        # The redactable record stays that of the record before, for none follows from this one.
        yield _failed(
            f"insider-redactable-{label}",
            shop.insider_record(edit),
            f"the announcement of the redactable record: {label}",
            "COMMITMENT",
        )
    for label, edit in (
        ("of-a-field", _at("from_whom.status_text", zeros)), ("with-a-slash", lambda record: record.update({"what/title": zeros})),
        ("in-a-list", _at("who.accounts", [zeros])), ("of-a-number", _at("who.account", {"committed": 7})),
    ):  # fmt: skip
        # The redactable record follows, but a copy could show a value that the record does not have.
        record, closing = bundles.record_of(good), json.loads(good[path])
        edit(record)
        edit(closing)
        data = canonical_json.dumps(closing)
        members = {**good, names.CAPTURE_RECORD: canonical_json.dumps(record)}
        yield _failed(
            f"insider-states-commitment-{label}",
            bundles.resealed(
                members, {path: data, **_naming(members, {path: data})}, shop.signer, shop.stamp
            ),
            f"the record itself states a commitment, {label}",
            "COMMITMENT",
        )
    yield _failed(
        "insider-redactable-not-announced",
        shop.insider_record(_at("redactable", ...)),
        "the record announces no redactable record",
        "COMMITMENT",
    )
    yield _failed(
        "insider-redactable-gone",
        bundles.signed(
            bundles.with_manifests(_without({**good, **_naming(good, {}, without=path)}, path)),
            shop.signer,
            shop.stamp,
        ),
        "the redactable record is gone",
        "COMMITMENT",
        "CUSTODY",
    )
    yield _failed(
        "redactable-flipped", {**good, path: flipped(good[path])}, "one byte", "BLAKE3", "HASH"
    )
    for label, edit in (
        ("fields-none", _at("redactable.fields", [])), ("field-of-nothing", _at("redactable.fields", ["/what/nothing/*/here"])),
        ("one-header", _at("redactable.fields", ["/from_whom/headers/0/1"])),
        ("star-and-number", _at("redactable.fields", ["/from_whom/headers/*/1", "/from_whom/headers/0/0"])),
        ("text-and-below", _at("redactable.fields", ["/what/title", "/what/title/below"])),
        ("numbers", _at("redactable.fields", ["/content/images/wanted", "/what/http_status"])),
        ("subject-of-a-picture", _at("redactable.fields", ["/content/pictures/*/subject", "/content/pictures/0/file"])), ("mark-among-others", _at("who.account", {"committed": "0" * 64, "more": 1})),
        ("true-null-and-objects", lambda record: (record["who"].update(account=[True, None, {}, [], 0, -1, ""]), record["redactable"].update(fields=["/who/account/*"]))),
        ("new-field", lambda record: (record["who"].update(account="name"), record["redactable"].update(fields=["/who/account"]))),
        ("odd-names", lambda record: record["who"].update({"*": "star", "": "none", "漢": ["字"], "0": "zero"})),
        ("odd-texts", _at("what.title", '"\\ \x7f\u2028 漢字 \U0001f600 \x01\n')),
    ):  # fmt: skip
        yield _good(f"redactable-{label}", shop.insider_record(edit), f"redactable record: {label}")
    creation = b'"event":"creation"'
    for label, old, new in (
        ("salt", b'"detail":"salt: ', b'"detail":"salt:  '), ("object", b"capture/redactable.json", b"capture/capture.json"),
        ("name", creation, b'"event":"creations"'),
    ):  # fmt: skip
        lines = good[names.CUSTODY].splitlines()
        lines[1] = _replaced(lines[1], old, new)
        last = {**json.loads(lines[2]), "previous": digest_bytes(lines[1]).sha256}
        yield _failed(
            f"insider-chain-creation-{label}",
            shop.insider(
                {names.CUSTODY: b"\n".join((*lines[:2], canonical_json.dumps(last))) + b"\n"}
            ),
            f"the event that names the redactable record: {label}",
            "CUSTODY",
        )


def _naming(members: Members, changes: Members, *, without: str = "") -> Members:
    """Return a record that states the digests of changed files, and names one file less."""
    record = bundles.record_of(members)
    listed = record["content"]["artifacts"]
    record["content"]["artifacts"] = [entry for entry in listed if entry["path"] != without]
    for entry in listed:
        if (data := changes.get(entry["path"])) is not None:
            digests = digest_bytes(data)
            entry |= {
                "length": digests.length,
                "sha256": digests.sha256,
                "blake3": digests.blake3,
            }
    return {names.CAPTURE_RECORD: canonical_json.dumps(record)}


def _server_signatures(shop: Shop) -> Iterator[Case]:
    data = shop.server_signatures()
    path = names.SERVER_SIGNATURES
    good = shop.members(contents={**bundles.CONTENTS, path: data})
    yield _good("servers", good, "two servers' signatures")

    def insider(changed: bytes) -> Members:
        return bundles.resealed(good, {path: changed}, shop.signer, shop.stamp)

    def edited(edit: Edit) -> Members:
        value = json.loads(data)
        edit(value)
        return insider(canonical_json.dumps(value))

    def swapped_signatures(value: Record) -> None:
        one, two = value["sessions"]
        one["messages"][-1], two["messages"][-1] = two["messages"][-1], one["messages"][-1]

    def swapped_chains(value: Record) -> None:
        one, two = value["sessions"]
        one["chain"], two["chain"] = two["chain"], one["chain"]

    edits: tuple[tuple[str, Edit], ...] = (
        ("version", _at("sessions.0.version", "TLS 1.2")), ("version-old", _at("sessions.1.version", "TLS 1.1")),
        ("cipher", _at("sessions.0.cipher", "TLS_AES_128_CCM_SHA256")), ("cipher-1.2", _at("sessions.1.cipher", "TLS_RSA_WITH_NULL_MD5")),
        ("group", _at("sessions.0.group", "x448")), ("group-1.2", _at("sessions.1.group", "secp521r1")),
        ("alpn", _at("sessions.0.alpn", "h3")), ("scheme", _at("sessions.0.signature_scheme", "ed25519")),
        ("host-other", _at("sessions.0.host", "c.example.test")), ("host-upper-case", _at("sessions.0.host", "A.EXAMPLE.TEST")),
        ("host-dot", _at("sessions.0.host", "a.example.test.")), ("host-address", _at("sessions.0.host", "203.0.113.7")),
        ("names-host", _at("sessions.0.names_host", False)), ("ocsp-1.3", _at("sessions.0.ocsp", "AAAA")),
        ("timestamps", _at("sessions.0.timestamps", [{"at_ms": 1, "log_id": "0" * 64, "source": "certificate"}])),
        ("chain-less", lambda value: value["sessions"][0]["chain"].pop()),
        ("chain-turned", lambda value: value["sessions"][0]["chain"].reverse()),
        ("chain-none", _at("sessions.0.chain", [])), ("chains-swapped", swapped_chains),
        ("signatures-swapped", swapped_signatures),
        ("message-less", lambda value: value["sessions"][0]["messages"].pop()),
        ("message-twice", lambda value: value["sessions"][0]["messages"].insert(0, value["sessions"][0]["messages"][0])),
        ("messages-turned", lambda value: value["sessions"][0]["messages"].reverse()), ("messages-none", _at("sessions.0.messages", [])),
        ("message-cut", _at("sessions.0.messages.1", "AgAE")), ("message-spelling", _at("sessions.0.messages.2", "CAAAAA==\n")),
        ("message-number", _at("sessions.0.messages.2", 7)),
        ("field-more", _at("sessions.0.note", "x")), ("field-less", _at("sessions.0.port", ...)),
        ("port-text", _at("sessions.0.port", "443")), ("connection-text", _at("sessions.0.connection", "1")),
        ("resumed-by", _at("sessions.0.resumed", [{"by": "magic", "connection": 2}])),
        ("sessions-object", _at("sessions", {})), ("unsigned-gone", _at("unsigned", ...)),
        ("unsigned-form", _at("unsigned", [{"host": "x"}])), ("format-two", _at("format", "snapshotter-tls/2")),
        ("top-more", _sets(note="x")),
    )  # fmt: skip
    for label, edit in edits:
        yield _failed(
            f"insider-tls-{label}", edited(edit), f"capture/tls.json: {label}", "SERVER_SIG"
        )
    for label, changed in (
        ("pretty", json.dumps(json.loads(data), indent=1).encode()),
        ("empty", b""),
        ("not-json", b"{"),
    ):
        yield _failed(
            f"insider-tls-{label}", insider(changed), f"capture/tls.json: {label}", "SERVER_SIG"
        )


def _limits(shop: Shop) -> Iterator[Case]:
    """Both sides of the limits that a reader of a specification can not guess (docs/spec/limits.md)."""
    yield from _limits_of_tls(shop)
    yield from _limits_of_the_log(shop)
    for label, length, code in (("kind", 500, "ALG"), ("length", 900, "KEY_MALFORMED")):
        key = _pem(_der(0x30, _der(0x30, bytes.fromhex("06042a03047f")) + _der(3, bytes(length))))
        yield _failed(
            f"limit-key-{label}",
            {**shop.good_bundle, PEM: key},
            "a key of a kind that nobody knows, within and beyond what a key may have",
            code,
        )
    for label, edit in (
        ("started", _at("when.started_at", "0999-12-31T23:59:59Z")), ("ended", _at("when.ended_at", "0999-12-31T23:59:59Z")),
        ("sealed", _at("sealed_at", "0999-12-31T23:59:59Z")), ("id", _sets(bundle_id="09991231t235959z-abcdefghijklmnop")),
    ):  # fmt: skip
        members = shop.insider_record(edit)
        yield _failed(f"insider-limit-year-{label}", members, "a year before 1000", "FORMAT")
    oldest = shop.insider_record(
        lambda record: [
            record.update(bundle_id="10000101t000000z-abcdefghijklmnop"),
            _moment("started_at", datetime(1000, 1, 1, tzinfo=UTC))(record),
        ]
    )
    words = "the first second that there is, long before its seal"
    yield _unclear("insider-limit-year-1000", oldest, words, "TIME")
    chain = _replaced(shop.good_bundle[names.CUSTODY], b'"at":"2', b'"at":"0')
    yield _failed(
        "insider-limit-year-custody",
        shop.insider({names.CUSTODY: chain.splitlines(keepends=True)[0]}),
        "a custody event of a year before 1000",
        "CUSTODY",
    )
    spoilt = {
        **shop.good_bundle,
        TOKEN: flipped(shop.good_bundle[TOKEN], len(shop.good_bundle[TOKEN]) - 20),
    }
    yield _failed(
        "insider-token-spoilt-nobody-trusted",
        bundles.derived(spoilt, signer=shop.signer),
        "a token that does not agree with itself, and no authority is trusted",
        "TS_MALFORMED", "TS_MISSING", "TIME",
        trust="nobody",
    )  # fmt: skip


def _forged_tokens(shop: Shop) -> Iterator[Case]:
    """Tokens that an authority would have to make on purpose, signed by it."""
    stamp = Stamper(shop.authority)

    def sealed(edit: Callable[[Der], object], attributes: Callable[[Der], object]) -> Members:
        def stamped(message: bytes) -> bytes:
            return stamp(message, edit, attributes)

        return bundles.resealed(shop.good_bundle, {}, shop.signer, stamped)

    def same(tree: Der) -> None:
        """Change nothing."""

    def ends_in(fraction: bytes) -> Callable[[Der], object]:
        def edit(info: Der) -> None:
            info.at(4).content = info.at(4).content[:-1] + fraction

        return edit

    def accuracy(*parts: Der) -> Callable[[Der], object]:
        def edit(info: Der) -> None:
            info.at(5).parts = list(parts)

        return edit

    def extension(*parts: Der) -> Callable[[Der], object]:
        def edit(info: Der) -> None:
            (info.parts or []).append(Der(0xA1, [Der(0x30, list(parts))]))

        return edit

    def old(info: Der) -> None:
        info.at(4).content = b"0999" + info.at(4).content[4:]

    def turned(attributes: Der) -> None:
        (attributes.parts or []).reverse()

    def certificate(edit: Callable[[Der], object]) -> Callable[[Der], object]:
        def attributes(tree: Der) -> None:
            edit(
                next(part for part in tree.parts or [] if part.at(0).content.endswith(b"\x2f")).at(
                    1, 0
                )
            )
            (tree.parts or []).sort(key=Der.encode)

        return attributes

    def as_octets(named: Der) -> None:
        named.tag, named.parts, named.content = 4, None, named.encode()[2:]

    oid, octets = Der(6, None, b"\x2a\x03"), Der(4, None, b"x")
    number = Der(2, None, b"\1")
    for label, info, attributes in (
        ("as-it-is", same, same), ("fraction", ends_in(b".000000001Z"), same), ("accuracy-none", accuracy(), same),
        ("accuracy-within", accuracy(Der(2, None, b"\0"), Der(0x80, None, b"\1"), Der(0x81, None, b"\3\xe7")), same),
        ("certificate-policy", same, certificate(lambda named: named.parts.append(Der(0x30, [Der(0x30, [oid])])))),  # type: ignore[union-attr]
    ):  # fmt: skip
        yield _good(f"token-{label}", sealed(info, attributes), f"a token's {label}")
    for label, info, attributes in (
        ("fraction-zero", ends_in(b".0Z"), same), ("fraction-zero-at-its-end", ends_in(b".50Z"), same),
        ("fraction-of-ten-digits", ends_in(b".0000000001Z"), same), ("year", old, same),
        ("accuracy-of-zero", accuracy(Der(0x80, None, b"\0")), same), ("accuracy-longer", accuracy(Der(0x80, None, b"\0\1")), same), ("accuracy-of-a-second", accuracy(Der(0x81, None, b"\3\xe8")), same),
        ("extension-without-a-name", extension(octets), same), ("extension-of-a-number", extension(oid, number), same),
        ("extension-critical", extension(oid, Der(1, None, b"\xff"), octets), same), ("attributes-turned", same, turned),
        ("certificate-twice", same, certificate(lambda named: named.at(0).parts.append(named.at(0, 0)))),  # type: ignore[union-attr]
        ("certificate-as-octets", same, certificate(as_octets)),
        ("certificate-policy-none", same, certificate(lambda named: named.parts.append(Der(0x30, [Der(0x30, [number])])))),  # type: ignore[union-attr]
        ("certificate-id-none", same, certificate(lambda named: named.at(0).parts.append(Der(0x30, [number])))),  # type: ignore[union-attr]
    ):  # fmt: skip
        yield _failed(
            f"insider-token-{label}", sealed(info, attributes), f"a token's {label}",
            "TIME", "TS_MALFORMED", "TS_MISSING",
        )  # fmt: skip

    yield _unclear(
        "token-by-a-kind-of-key-that-is-not-known",
        bundles.resealed(
            shop.good_bundle, {}, shop.signer, lambda message: _by_ed25519(stamp(message))
        ),
        "an honest token by a stranger whose key is on Ed25519",
        "TIME",
        "TS_UNTRUSTED",
    )


def _by_ed25519(response: bytes) -> bytes:
    """Return the token signed by a stranger's key of a kind that no verifier here knows."""
    issuer, key = ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a stranger")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(issuer, hashes.SHA384())
        .public_bytes(Encoding.DER)
    )
    tree, leaf = der(response), der(certificate)
    signed = tree.at(1, 1, 0)
    signed.at(3).parts = [leaf]
    info = signed.at(-1, 0)
    info.at(1).parts = [leaf.at(0, 3), leaf.at(0, 1)]
    attributes = info.at(3).parts or []
    names_it = next(part for part in attributes if part.at(0).content.endswith(b"\x2f"))
    digest = Der(4, None, hashlib.sha256(certificate).digest())
    names_it.at(1, 0, 0).parts = [Der(0x30, [digest])]
    attributes.sort(key=Der.encode)
    info.at(4).parts = [Der(6, None, bytes.fromhex("2b6570"))]
    info.at(5).content = key.sign(b"\x31" + info.at(3).encode()[1:])
    return tree.encode()


def _forged_handshakes(shop: Shop) -> Iterator[Case]:
    """Handshakes that a server would have to make on purpose, signed by it."""
    path = names.SERVER_SIGNATURES
    good = shop.members(contents={**bundles.CONTENTS, path: shop.server_signatures()})
    one, rsa, other, plain = servers(shop._folder / "forged")
    host, address = one.session.host, "203.0.113.7"

    def members(
        served: Served, sent: list[bytes], scheme: int | None = None, **claims: Any
    ) -> Members:
        session = replace(served.session, messages=served.signed(sent, scheme), **claims)
        data = tls_file(session)
        return bundles.resealed(good, {path: data}, shop.signer, shop.stamp)

    def with_message(number: int, data: bytes, served: Served = one, **claims: Any) -> Members:
        sent = list(served.session.messages)
        sent[number] = data
        return members(served, sent, **claims)

    def hello(kind: int, content: bytes, **claims: Any) -> Members:
        """An extension of the ClientHello (0, 13 …), or of the ServerHello (43), is another."""
        number = 1 if kind == 43 else 0
        old = one.session.messages[number]
        at = 4 + 34 + 1 + old[38]
        at += 3 if number else 2 + int.from_bytes(old[at : at + 2], "big")
        at += 0 if number else 1 + old[at]
        kept = [
            (extension, data) for extension, data in extensions(old[at + 2 :]) if extension != kind
        ]
        body = b"".join(
            struct.pack(">H", extension) + vector(data, 2)
            for extension, data in [*kept, (kind, content)]
        )
        return with_message(number, message(old[0], old[4:at] + vector(body, 2)), **claims)

    def alpn(*protocols: bytes) -> bytes:
        listed = vector(b"".join(vector(protocol, 1) for protocol in protocols), 2)
        return message(8, vector(struct.pack(">H", 16) + vector(listed, 2), 2))

    def certified(served: Served, *chain: bytes) -> tuple[bytes, ...]:
        """The messages with another chain, and the chain."""
        is_13 = served.session.version == "TLS 1.3"
        body = b"".join(
            vector(certificate, 3) + (b"\0\0" if is_13 else b"") for certificate in chain
        )
        return (message(11, (b"\0" if is_13 else b"") + vector(body, 3)), *chain)

    def chained(served: Served, *chain: bytes) -> Members:
        changed, *whole = certified(served, *chain)
        return with_message(-2, changed, served, chain=tuple(whole))

    def leaf(edit: Callable[[Der], object], served: Served = one) -> Members:
        tree = der(served.session.chain[0])
        edit(tree)
        return chained(served, tree.encode(), *served.session.chain[1:])

    def extension(oid: bytes, edit: Callable[[Der], object]) -> Callable[[Der], object]:
        def changed(certificate: Der) -> None:
            listed = certificate.at(0, -1, 0).parts or []
            edit(next(part for part in listed if part.at(0).content == oid).at(-1))

        return changed

    def named(*values: Der) -> Callable[[Der], object]:
        def changed(content: Der) -> None:
            content.content = Der(0x30, list(values)).encode()

        return extension(b"\x55\x1d\x11", changed)

    def twice(certificate: Der) -> None:
        listed = certificate.at(0, -1, 0).parts or []
        listed.append(listed[0])

    def junk(content: Der) -> None:
        content.content = b"junk"

    def swapped(served: Served, old: str, new: str) -> Members:
        changed = served.session.chain[0].replace(bytes.fromhex(old), bytes.fromhex(new))
        return chained(served, changed, *served.session.chain[1:])

    def packed(algorithm: int, cut: int = 0, length: int = 0) -> Members:
        body = one.session.messages[-2][4:]
        data = zlib.compress(body)[: None if not cut else -cut]
        head = algorithm.to_bytes(2, "big") + (len(body) + length).to_bytes(3, "big")
        return with_message(-2, message(25, head + vector(data, 3)))

    def server_name(*hosts: bytes) -> bytes:
        return vector(b"".join(b"\0" + vector(host, 2) for host in hosts), 2)

    own, dns = host.encode(), Der(0x82, None, host.encode())
    suite = one.session.messages[1]
    at = 39 + rsa.session.messages[1][38]
    rsa_hello = rsa.session.messages[1]
    for label, data in (
        ("as-it-is", members(one, list(one.session.messages))), ("name-upper-case", hello(0, server_name(own.upper()))),
        ("name-then-another", hello(0, server_name(own, b"x"))), ("protocol-not-ascii", with_message(2, alpn(b"\xff"), alpn="\\xff")),
        ("protocols-two", with_message(2, alpn(b"h3", b"h2"), alpn="h3")), ("compressed", packed(1)),
        ("name-with-dot", leaf(named(Der(0x82, None, own + b".")))), ("other-extension-of-junk", leaf(extension(b"\x55\x1d\x13", junk))),
        ("addresses", leaf(named(Der(0x87, None, bytes(16)), dns))), ("no-name", hello(0, b"", host=address)),
    ):  # fmt: skip
        yield _good(f"handshake-{label}", data, f"a handshake: {label}")
    for label, data in (
        ("name-then-ours", hello(0, server_name(b"x", own))), ("name-not-ascii", hello(0, server_name(own + b"\xff"))),
        ("address-asked-for", hello(0, server_name(address.encode()), host=address)), ("schemes-odd", hello(13, b"\0\3\4\3\5")),
        ("version-of-three-bytes", hello(43, b"\0\3\4")), ("suite-of-no-version", with_message(1, suite[:39 + suite[38]] + b"\x13\x06" + suite[41 + suite[38]:], cipher="0x1306")),
        ("suite-without-signature", with_message(1, rsa_hello[:at] + b"\0\x9c" + rsa_hello[at + 2 :], rsa, cipher="TLS_RSA_WITH_AES_128_GCM_SHA256")),
        ("compressed-cut", packed(1, cut=1)), ("compressed-otherwise-too-long", packed(9, length=32 << 10)), ("compressed-length", packed(1, length=1)), ("extension-twice", leaf(twice)),
        ("names-not-ascii", leaf(named(dns, Der(0x86, None, b"x:\xff")))), ("names-address-of-three", leaf(named(dns, Der(0x87, None, b"abc")))),
        ("names-of-no-kind", leaf(named(dns, Der(0xA5, [])))), ("certificate-empty-behind", chained(one, one.session.chain[0], b"")),
        ("certificates-too-many", chained(one, *[one.session.chain[0]] * 65)), ("key-of-another-kind", swapped(other, "06032b6570", "06032b657f")),
        ("curve-of-another-scheme", swapped(one, "06082a8648ce3d030107", "06082a8648ce3d03017f")),
        ("scheme-not-accepted", members(one, list(one.session.messages), 0x0203, signature_scheme="ecdsa_sha1")),
    ):  # fmt: skip
        yield _failed(f"insider-handshake-{label}", data, f"a handshake: {label}", "SERVER_SIG")
    for label, data in (
        ("compressed-otherwise", packed(9)), ("curve-not-known", swapped(plain, "06082a8648ce3d030107", "06082a8648ce3d03017f")),
    ):  # fmt: skip
        yield _unclear(f"insider-handshake-{label}", data, f"a handshake: {label}", "SERVER_SIG")


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def _pem(der: bytes) -> bytes:
    text = base64.b64encode(der).decode()
    lines = "".join(f"{text[at : at + 64]}\n" for at in range(0, len(text), 64))
    return f"-----BEGIN PUBLIC KEY-----\n{lines}-----END PUBLIC KEY-----\n".encode()


def _limits_of_tls(shop: Shop) -> Iterator[Case]:
    data, path = shop.server_signatures(), names.SERVER_SIGNATURES
    good = shop.members(contents={**bundles.CONTENTS, path: data})

    def edited(edit: Edit) -> Members:
        value = json.loads(data)
        edit(value)
        changes = {path: canonical_json.dumps(value)}
        return bundles.resealed(good, changes, shop.signer, shop.stamp)

    def unsigned(count: int = 1, **more: Any) -> Edit:
        one = {"address": "", "connection": 9, "host": "c.example.test", "port": 443, "reason": "-"}
        return _sets(unsigned=[{**one, **more}] * count)

    def resumed(count: int, connection: int = 9) -> Edit:
        return _at("sessions.0.resumed", [{"by": "host", "connection": connection}] * count)

    def staple(length: int) -> Edit:
        return _at("sessions.1.ocsp", base64.b64encode(bytes(length)).decode())

    for label, within, beyond in (
        ("connection", _at("sessions.0.connection", 1_000_000), _at("sessions.0.connection", 1_000_001)),
        ("connection-unsigned", unsigned(connection=1_000_000), unsigned(connection=1_000_001)),
        ("connection-resumed", resumed(1, 1_000_000), resumed(1, 1_000_001)),
        ("address", _at("sessions.0.address", "x" * 500), _at("sessions.0.address", "x" * 501)),
        ("address-unsigned", unsigned(address="x" * 500), unsigned(address="x" * 501)),
        ("host-unsigned", unsigned(host="x" * 500), unsigned(host="x" * 501)),
        ("reason", unsigned(reason="x" * 500), unsigned(reason="x" * 501)),
        ("reason-wide", unsigned(reason="\U0001f600" * 500), unsigned(reason="\U0001f600" * 501)),
        ("resumed", resumed(10_000), resumed(10_001)), ("unsigned", unsigned(10_000), unsigned(10_001)),
        ("port", unsigned(port=65_535), unsigned(port=65_536)), ("staple", staple(65_536), staple(65_537)),
        ("by-number", _at("sessions.0.cipher", _by_number(data, 0, "cipher")), _at("sessions.0.cipher", "0x1304")),
        ("by-number-group", _at("sessions.1.group", _by_number(data, 1, "group")), _at("sessions.1.group", "0x0000")),
        ("by-number-version", _at("sessions.1.version", "0x0303"), _at("sessions.1.version", "0x303")),
    ):  # fmt: skip
        yield _good(f"limit-tls-{label}", edited(within), f"capture/tls.json: {label}")
        yield _failed(
            f"insider-limit-tls-{label}", edited(beyond), f"{label}: beyond it", "SERVER_SIG"
        )


def _by_number(data: bytes, session: int, field: str) -> str:
    """A field of a session as the number that its name is of."""
    name = json.loads(data)["sessions"][session][field]
    return next(f"0x{number:04x}" for number, known in (GROUPS | CIPHERS).items() if known == name)


def _limits_of_the_log(shop: Shop) -> Iterator[Case]:
    log, one = shop.log, "w.example/1"
    others = [log.leaf(f"20260101t00000{n}z-abcdefghijklmnop", b"%d" % n) for n in range(3)]
    last, before = 253_402_300_799, log.now - 3600  # the last second of the year 9999

    def quoting(label: str, quote: str, *codes: str, verdict: str = FAILED) -> Case:
        name = f"good-limit-quote-{label}" if verdict == PASSED else f"insider-limit-quote-{label}"
        members = shop.insider_record(_sets(log_checkpoint=quote))
        leaf = log.leaf(bundles.record_of(members)["bundle_id"], pack(members))
        proof = log.proof(3, [*others, leaf], log.checkpoint([*others, leaf], {one: log.now + 5}))
        return Case(
            name=name, why=f"the record quotes a checkpoint: {label}", data=pack(members), verdict=verdict, codes=codes,
            trust="log-required", sidecars={".tlog-proof": proof},
        )  # fmt: skip

    yield quoting("last-second", log.checkpoint(others, {one: last}), "TIME")
    for label, at in (("beyond-all-years", last + 1), ("largest-time", 2**64 - 1)):
        yield quoting(label, log.checkpoint(others, {one: at}), verdict=PASSED)
    future = log.now + 3600
    twice = log.checkpoint(others, {one: before}, again={one: future})
    yield quoting("witness-twice", twice, "TIME")
    yield quoting("largest-tree", log.checkpoint(others, {}, size=2**53 - 1), "LOG")
    yield quoting("too-large-tree", log.checkpoint(others, {}, size=2**53), verdict=PASSED)
    empty = hashlib.sha256(b"").digest()
    yield quoting("empty-tree", log.checkpoint([], {one: future}, size=0, root=empty), "TIME")
    other = log.checkpoint([], {one: future}, size=0, root=bytes(32))
    yield quoting("empty-tree-other-root", other, verdict=PASSED)

    good = shop.good_bundle
    entries = [log.leaf(bundles.record_of(good)["bundle_id"], pack(good))]
    for label, note_, codes in (
        ("last-second", log.checkpoint(entries, {one: last}), ()),
        ("beyond-all-years", log.checkpoint(entries, {one: last + 1}), ("LOG_MISSING",)),
        ("witness-twice", log.checkpoint(entries, {one: log.now}, again={one: before}), ("TIME",)),
        ("too-large-tree", log.checkpoint(entries, {one: log.now}, size=2**53), ("LOG",)),
    ):  # fmt: skip
        proof = log.proof(0, entries, note_)
        case = _unclear if codes else _good
        name = f"limit-log-{label}"
        sidecars = {".tlog-proof": proof}
        yield case(name, good, f"a log proof: {label}", *codes, trust="log-required", sidecars=sidecars)  # fmt: skip


def custody_beside(shop: Shop) -> Iterator[Case]:
    """The chain that goes on beside the bundle (docs/spec/custody.md)."""
    good = shop.good_bundle
    whole = digest_bytes(pack(good)).sha256
    inside = good[names.CUSTODY].splitlines()
    bundle_id = bundles.record_of(good)["bundle_id"]
    at = canonical_json.instant(datetime.now(UTC))
    receipt = {
        "at": at, "key": f"bundles/2026/11/24/{bundle_id}.wacz", "legal_hold": False, "length": len(pack(good)),
        "lock_mode": "", "retain_until": None, "sha256": whole, "store": "0" * 32, "version": "",
    }  # fmt: skip
    plain = {
        "agent": "snapshotter 0.0.0-test", "at": at, "by": "test", "detail": "", "event": "ingestion",
        "object": f"{bundle_id}.wacz", "outcome": "success", "receipt": receipt,
    }  # fmt: skip

    def lines(*edits: Record, after: bytes = inside[-1], count: int = len(inside)) -> bytes:
        out = b""
        for number, change in enumerate(edits, start=1):
            event = {
                **plain, "event_id": f"{count + number:032x}", "previous": digest_bytes(after).sha256,
                "sequence": count + number, **change,
            }  # fmt: skip
            after = canonical_json.dumps({k: v for k, v in event.items() if v is not ...})
            out += after + b"\n"
        return out

    one = lines({}, {"event": "fixity check", "receipt": None})
    two = lines(
        {"event": "exporting", "receipt": None}, after=one.splitlines()[-1], count=len(inside) + 2
    )
    first, second = ".custody-0001.jsonl", ".custody-0002.jsonl"
    yield _good("custody-beside", good, "two events after the seal", sidecars={first: one})
    yield _good("custody-beside-twice", good, "two sidecars", sidecars={first: one, second: two})
    yield _good(
        "custody-beside-other-name",
        good,
        "a name that is none of the chain's",
        sidecars={first: one, ".custody-00002.jsonl": b"x"},
    )
    yield _good(
        "custody-beside-far-away",
        good,
        "a number far beyond all others",
        sidecars={first: one, ".custody-99999.jsonl": b"x"},
    )
    other = digest_bytes(b"other").sha256
    for label, data in (
        ("other-link", lines({"previous": other})), ("gap-in-count", lines({"sequence": len(inside) + 2})),
        ("event-twice", lines({}, {"event_id": f"{len(inside) + 1:032x}"})), ("field-more", lines({"note": ""})),
        ("field-less", lines({"by": ...})), ("no-newline", one[:-1]), ("blank-line", one + b"\n"), ("empty", b""),
        ("too-long", one + bytes(256 << 10)), ("crlf", one.replace(b"\n", b"\r\n")),
        ("not-canonical", one.replace(b'":', b'": ', 1)), ("number", lines({"detail": 1})), ("short-id", lines({"event_id": "ab"})),
        ("other-file", lines({"receipt": {**receipt, "sha256": other}})), ("no-instant", lines({"at": "today"})),
        ("receipt-less", lines({"receipt": {k: v for k, v in receipt.items() if k != "store"}})), ("junk", b"junk\n"),
        ("receipt-text", lines({"receipt": "x"})), ("receipt-half-a-lock", lines({"receipt": {**receipt, "lock_mode": "COMPLIANCE"}})),
        ("receipt-length", lines({"receipt": {**receipt, "length": -1}})), ("swapped", b"".join(one.splitlines(keepends=True)[::-1])),
    ):  # fmt: skip
        yield _unclear(
            f"custody-beside-{label}",
            good,
            f"the chain beside the bundle: {label}",
            "CUSTODY",
            sidecars={first: data},
        )
    yield _unclear(
        "custody-beside-second-alone",
        good,
        "the first is missing",
        "CUSTODY",
        sidecars={second: two},
    )
    yield _unclear(
        "custody-beside-first-again",
        good,
        "the second is the first",
        "CUSTODY",
        sidecars={first: one, second: one},
    )
    yield _unclear(
        "custody-beside-second-cut",
        good,
        "the second has no end",
        "CUSTODY",
        sidecars={first: one, second: two[:-1]},
    )
    # A chain that would hold, but for its length: 65 sidecars of nearly 256 KiB.
    long: dict[str, bytes] = {}
    after, count = inside[-1], len(inside)
    for number in range(1, 66):
        long[f".custody-{number:04}.jsonl"] = lines(
            {"detail": "x" * 260_000, "receipt": None}, after=after, count=count
        )
        after, count = long[f".custody-{number:04}.jsonl"][:-1], count + 1
    yield _unclear(
        "custody-beside-too-much",
        good,
        "more than 16 MiB of sidecars",
        "CUSTODY",
        sidecars=long,
    )


# --- several signers, and what nothing covers --------------------------------------------------


def _cosigners(shop: Shop) -> Iterator[Case]:
    def sealed(
        *signers: FileSigner, needed: int = 0, authorities: tuple[ChainAuthority, ...] | None = None
    ) -> Members:
        first, *others = signers
        return shop.members(first, cosigners=others, signatures=needed, authorities=authorities)

    both = sealed(shop.signer, shop.other)
    sig, pem, token = names.signature(2), names.public_key(2), names.token(2, 1)

    def insider(changes: Members, *gone: str) -> Members:
        return bundles.derived({**_without(both, *gone), **changes}, signer=shop.signer)

    yield _good("two-signers", both, "two known keys")
    yield _good(
        "two-signers-required",
        both,
        "two known keys, and the trust file requires two",
        trust="two-signatures",
    )
    yield _good(
        "quorum-unknown",
        sealed(shop.signer, shop.stranger, needed=1),
        "one is known, and one is enough",
    )
    yield _good(
        "quorum-unknown-first",
        sealed(shop.stranger, shop.signer, needed=1),
        "the second is known, and one is enough",
    )
    yield _good(
        "quorum-compromised",
        sealed(shop.signer, shop.compromised, needed=1),
        "one is good, and one is enough",
    )
    yield _good(
        "quorum-of-three",
        sealed(shop.signer, shop.stranger, shop.other, needed=2),
        "two of three are good, and two are enough",
    )
    yield _unclear(
        "quorum-all-unknown",
        sealed(shop.signer, shop.stranger),
        "both have to be known",
        "KEY_UNKNOWN",
    )
    yield _failed(
        "quorum-all-compromised",
        sealed(shop.signer, shop.compromised),
        "both have to be good",
        "KEY_REVOKED",
    )
    yield _unclear(
        "quorum-all-superseded",
        sealed(shop.signer, shop.superseded),
        "both have to be good",
        "KEY_REVOKED",
    )
    yield _unclear(
        "quorum-by-trust",
        sealed(shop.signer, shop.stranger, needed=1),
        "the trust file requires two",
        "KEY_UNKNOWN",
        trust="two-signatures",
    )
    yield _unclear(
        "quorum-of-three-required",
        insider_requires(shop, both, 3),
        "three are required, two have signed",
        "QUORUM",
    )
    yield _failed(
        "second-flipped",
        insider({sig: flipped(both[sig], 20)}),
        "the second signature is spoilt",
        "SIG",
    )
    yield _failed(
        "second-gone", insider({}, sig, pem, token), "the second signature is gone", "SIG_MISSING"
    )
    yield _failed(
        "second-signature-gone",
        insider({}, sig),
        "the second signature is gone, its key is there",
        "SIG_MISSING",
    )
    yield _failed(
        "second-key-gone",
        insider({}, pem),
        "the second key is gone, its signature is there",
        "SIG_MISSING",
    )
    yield _failed(
        "second-key-other",
        insider({pem: shop.stranger.public_key_pem}),
        "the second key is another",
        "SIG",
    )
    yield _failed(
        "second-by-another",
        insider(
            {
                sig: shop.stranger.sign(both[names.MANIFEST_SHA256]),
                pem: shop.stranger.public_key_pem,
            }
        ),
        "the second signature is by another key than the record names",
        "KEY_MISMATCH",
    )
    yield _failed(
        "signers-swapped",
        insider(
            {
                SIG: both[sig],
                PEM: both[pem],
                TOKEN: both[token],
                sig: both[SIG],
                pem: both[PEM],
                token: both[TOKEN],
            }
        ),
        "the two signatures in each other's place",
        "KEY_MISMATCH",
    )
    yield _failed(
        "second-token-of-first",
        insider({token: both[TOKEN]}),
        "the second's token is over the first",
        "TS_IMPRINT",
        "TS_MISSING",
    )
    yield _unclear(
        "second-token-gone", insider({}, token), "the second signature has no token", "TS_MISSING"
    )
    bare = sealed(shop.signer, shop.other, authorities=())
    first, second = shop.stamp(bare[SIG]), shop.stamp(bare[sig])
    yield _good(
        "late-for-each",
        bare,
        "a late token over each signature",
        sidecars={".late-01.tsr": second, ".late-02.tsr": first},
    )
    yield _unclear(
        "late-for-one",
        bare,
        "a late token over the second alone",
        "TS_MISSING",
        sidecars={".late-01.tsr": second},
    )


def insider_requires(shop: Shop, members: Members, count: int) -> Members:
    """Both signers sign a record that requires more of them than there are."""
    record = bundles.record_of(members)
    record["requires"]["signatures"] = count
    changed = {**members, names.CAPTURE_RECORD: canonical_json.dumps(record)}
    made = bundles.with_manifests(bundles.with_redactable_record(changed))
    for slot, signer in ((1, shop.signer), (2, shop.other)):
        made[names.signature(slot)] = signer.sign(made[names.MANIFEST_SHA256])
        made[names.token(slot, 1)] = shop.stamp(made[names.signature(slot)])
    return bundles.derived(made, signer=shop.signer)


def _taken_out(shop: Shop) -> Iterator[Case]:
    good = shop.good_bundle
    second = names.token(1, 2)
    yield _failed(
        "token-gap", bundles.derived({**_without(good, TOKEN), second: good[TOKEN]}, signer=shop.signer),
        "a token that is numbered from two on", "UNLISTED",
    )  # fmt: skip
    third = {names.token(1, 3): good[TOKEN]}
    yield _failed(
        "token-gap-behind",
        bundles.derived({**good, **third}, signer=shop.signer),
        "a gap before the third",
        "UNLISTED",
    )
    asked = shop.members(shop.hardware, authorities=(shop.authority, shop.unknown_authority))
    yield _unclear(
        "uncovered-and-untrusted",
        asked,
        "two were asked; one is not trusted, and nothing covers it",
        "TS_UNTRUSTED",
        "TS_MISSING",
    )
    yield _unclear(
        "uncovered-and-taken-out",
        bundles.derived(_without(asked, second)),
        "two were asked, and one token was taken out",
        "TS_MISSING",
    )
    silent = ChainAuthority(shop.authority._chain, name="a silent authority")
    silent.down = True
    yield _unclear(
        "uncovered-and-silent",
        _silent(shop),
        "two were asked, one did not answer, and nothing tells that from a token taken out",
        "TS_MISSING",
    )
    yield _good(
        "covered-and-silent",
        shop.members(authorities=(shop.authority, silent)),
        "two were asked, one did not answer, and the WACZ signature shows that none was taken out",
    )


# --- the log ---------------------------------------------------------------------------------


def _note_key(name: str, kind: int, key: ed25519.Ed25519PrivateKey) -> tuple[str, bytes]:
    """A verifier key as text, and its id (docs/spec/log.md, "Signed notes")."""
    public = bytes([kind]) + key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    key_id = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
    return f"{name}+{key_id.hex()}+{base64.b64encode(public).decode()}", key_id


class _Log:
    """A log of one bundle among others, built from the specification and not by our own code."""

    ORIGIN = "log.example/tampered"
    BY_LOG, BY_WITNESS = 1, 4

    def __init__(self) -> None:
        self.key = ed25519.Ed25519PrivateKey.generate()
        self.text, self.key_id = _note_key(self.ORIGIN, self.BY_LOG, self.key)
        self.witnesses = {
            name: ed25519.Ed25519PrivateKey.generate() for name in ("w.example/1", "w.example/2")
        }
        self.now = int(datetime.now(UTC).timestamp())

    def policy(self, quorum: int, *names_: str) -> Record:
        keys_ = [_note_key(name, self.BY_WITNESS, self.witnesses[name])[0] for name in names_]
        return {"quorum": quorum, "verifier_key": self.text, "witnesses": sorted(keys_)}

    @staticmethod
    def leaf(bundle_id: str, data: bytes) -> bytes:
        digest = hashlib.sha256(data).hexdigest()
        return f"snapshotter-leaf/1\nbundle {bundle_id}\nsha256 {digest}\n".encode()

    def root(self, entries: list[bytes]) -> bytes:
        if len(entries) == 1:
            return hashlib.sha256(b"\0" + entries[0]).digest()
        cut = 1 << (len(entries) - 1).bit_length() - 1
        return hashlib.sha256(b"\1" + self.root(entries[:cut]) + self.root(entries[cut:])).digest()

    def path(self, index: int, entries: list[bytes]) -> list[bytes]:
        if len(entries) == 1:
            return []
        cut = 1 << (len(entries) - 1).bit_length() - 1
        if index < cut:
            return [*self.path(index, entries[:cut]), self.root(entries[cut:])]
        return [*self.path(index - cut, entries[cut:]), self.root(entries[:cut])]

    def checkpoint(
        self, entries: list[bytes], seen: Mapping[str, int], *, origin: str = ORIGIN, more: str = "",
        size: int | None = None, root: bytes | None = None, again: Mapping[str, int] | None = None,
    ) -> str:  # fmt: skip
        """A checkpoint, with the cosignatures of witnesses at these times, and more of them again."""
        root = self.root(entries) if root is None else root
        size = len(entries) if size is None else size
        text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n{more}"
        lines = [self.line(origin, self.key_id, self.key.sign(text.encode()))]
        for name, at in (*seen.items(), *(again or {}).items()):
            _, key_id = _note_key(name, self.BY_WITNESS, self.witnesses[name])
            signed = f"cosignature/v1\ntime {at}\n{text}".encode()
            signature = struct.pack(">Q", at) + self.witnesses[name].sign(signed)
            lines.append(self.line(name, key_id, signature))
        return text + "\n" + "".join(lines)

    @staticmethod
    def line(name: str, key_id: bytes, signature: bytes) -> str:
        return f"\u2014 {name} {base64.b64encode(key_id + signature).decode()}\n"

    def proof(self, index: int, entries: list[bytes], checkpoint: str, *, extra: str = "") -> bytes:
        hashes_ = "".join(
            base64.b64encode(digest).decode() + "\n" for digest in self.path(index, entries)
        )
        head = f"c2sp.org/tlog-proof@v1\n{extra}index {index}\n{hashes_}\n"
        return (head + checkpoint).encode()


def _log_proofs(shop: Shop) -> Iterator[Case]:
    log, good = shop.log, shop.good_bundle
    suffix, one, two = ".tlog-proof", "w.example/1", "w.example/2"
    whole = pack(good)
    bundle_id = bundles.record_of(good)["bundle_id"]
    others = [log.leaf(f"20260101t00000{n}z-abcdefghijklmnop", b"%d" % n) for n in range(6)]
    entries = [*others[:3], log.leaf(bundle_id, whole), *others[3:]]
    index, seen = 3, {one: log.now}
    proof = log.proof(index, entries, log.checkpoint(entries, seen))

    def beside(data: bytes) -> dict[str, bytes]:
        return {suffix: data}

    for label, data in (
        ("plain", proof), ("extra", log.proof(index, entries, log.checkpoint(entries, seen), extra="extra aGk=\n")),
        ("two-witnesses", log.proof(index, entries, log.checkpoint(entries, {**seen, two: log.now}))),
        ("lines-in-checkpoint", log.proof(index, entries, log.checkpoint(entries, seen, more="more\n"))),
        ("alone", log.proof(0, entries[3:4], log.checkpoint(entries[3:4], seen))),
        ("last", log.proof(4, [*others[:4], entries[3]], log.checkpoint([*others[:4], entries[3]], seen))),
    ):  # fmt: skip
        yield _good(
            f"log-{label}",
            good,
            f"in the log: {label}",
            trust="log-required",
            sidecars=beside(data),
        )
    yield _good("log-not-required", good, "no proof, and none is required", trust="log-optional")
    yield _good(
        "log-junk-not-required",
        good,
        "junk, and none is required",
        trust="log-optional",
        sidecars=beside(b"junk"),
    )
    yield _unclear("log-none", good, "no proof", "LOG_MISSING", trust="log-required")
    yield _unclear(
        "log-nobody-trusted",
        shop.insider_record(_at("requires.log", True)),
        "no log is trusted",
        "LOG_MISSING",
        sidecars=beside(proof),
    )
    yield _unclear(
        "log-required-by-record", shop.insider_record(_at("requires.log", True)), "the record requires one", "LOG_MISSING",
        trust="log-optional",
    )  # fmt: skip
    other = log.proof(0, entries, log.checkpoint(entries, seen))
    forked = [*entries[:-1], others[0]]
    stranger = _Log()
    for label, data in (
        ("of-another-bundle", other), ("empty", b""), ("junk", b"junk"), ("other-index", proof.replace(b"index 3\n", b"index 2\n")),
        ("index-zeros", proof.replace(b"index 3\n", b"index 03\n")), ("index-beyond", proof.replace(b"index 3\n", b"index 9\n")),
        ("index-gone", proof.replace(b"index 3\n", b"")), ("format-two", proof.replace(b"@v1", b"@v2")),
        ("hash-less", proof.replace(proof.splitlines(keepends=True)[2], b"", 1)),
        ("hash-more", proof.replace(b"\n\n", b"\n" + proof.splitlines(keepends=True)[2] + b"\n", 1)),
        ("hash-flipped", flipped(proof, len(b"c2sp.org/tlog-proof@v1\nindex 3\n") + 5)),
        ("hash-spelling", proof.replace(b"=\n", b"\n", 1)), ("crlf", proof.replace(b"\n", b"\r\n")),
        ("cut", proof[:-1]), ("tail", proof + b"x"), ("extra-after-index", proof.replace(b"index 3\n", b"index 3\nextra aGk=\n")),
        ("too-long", proof + bytes(73_728)), ("size-edited", proof.replace(b"\n7\n", b"\n8\n", 1)),
        ("unsigned", proof[: proof.index("\u2014".encode())]), ("fork", log.proof(index, entries, log.checkpoint(forked, seen))),
        ("other-log", stranger.proof(index, entries, stranger.checkpoint(entries, {}))),
        ("other-origin", log.proof(index, entries, log.checkpoint(entries, seen, origin="log.example/other"))),
        ("signed-twice-once-badly", proof + log.line(log.ORIGIN, log.key_id, bytes(64)).encode()),
        ("control-character", proof.replace(b"log.example", b"log\x01example")),
    ):  # fmt: skip
        yield _unclear(
            f"log-proof-{label}",
            good,
            f"the log proof: {label}",
            "LOG",
            trust="log-required",
            sidecars=beside(data),
        )
        yield _good(
            f"log-proof-{label}-not-required",
            good,
            f"the same, not required: {label}",
            trust="log-optional",
            sidecars=beside(data),
        )
    nobody = log.proof(index, entries, log.checkpoint(entries, {}))
    cosigned = log.checkpoint(entries, seen).splitlines(keepends=True)[-1].encode()
    spoilt = log.line(
        one, _note_key(one, log.BY_WITNESS, log.witnesses[one])[1], bytes(72)
    ).encode()
    for label, data, trust in (
        ("nobody", nobody, "log-required"), ("spoilt", nobody + spoilt, "log-required"), ("spoilt-beside-good", proof + spoilt, "log-required"),
        ("unknown", log.proof(index, entries, log.checkpoint(entries, {two: log.now})), "log-required"),
        ("one-of-two", proof, "log-quorum"), ("one-twice", proof + cosigned, "log-quorum"),
    ):  # fmt: skip
        yield _unclear(
            f"log-witness-{label}",
            good,
            f"witnesses: {label}",
            "LOG_MISSING",
            trust=trust,
            sidecars=beside(data),
        )
    early = log.proof(index, entries, log.checkpoint(entries, {one: log.now - 3600}))
    yield _unclear(
        "log-seen-before-its-token",
        good,
        "seen before its token was made",
        "TIME",
        trust="log-required",
        sidecars=beside(early),
    )
    yield from _quoted(shop, others)
    asked = _silent(shop)
    inside = log.leaf(bundles.record_of(asked)["bundle_id"], pack(asked))
    covered = log.proof(0, [inside], log.checkpoint([inside], seen))
    yield _good(
        "log-covers-tokens",
        asked,
        "an authority was silent, and the log covers the tokens",
        trust="log-optional",
        sidecars=beside(covered),
    )


def _quoted(shop: Shop, others: list[bytes]) -> Iterator[Case]:
    """What the record quotes of the log."""
    log, suffix, one = shop.log, ".tlog-proof", "w.example/1"
    before = log.now - 3600
    for label, quote, where, verdict, codes in (
        ("earlier", log.checkpoint(others[:3], {one: before}), 3, PASSED, ()),
        ("itself", log.checkpoint(others[:4], {one: before}), 3, FAILED, ("LOG",)),
        ("later", log.checkpoint(others, {}), 3, FAILED, ("LOG",)),
        ("of-the-future", log.checkpoint(others[:3], {one: log.now + 3600}), 3, FAILED, ("TIME",)),
        ("without-witness", log.checkpoint(others[:3], {}), 3, PASSED, ()),
        ("of-another", _Log().checkpoint(others, {}), 3, PASSED, ()),
        ("junk", "junk", 3, PASSED, ()), ("number", 7, 3, PASSED, ()),
    ):  # fmt: skip
        members = shop.insider_record(_sets(log_checkpoint=quote))
        entries = [
            *others[:where],
            log.leaf(bundles.record_of(members)["bundle_id"], pack(members)),
            *others[where:],
        ]
        proof = log.proof(where, entries, log.checkpoint(entries, {one: log.now + 5}))
        name = f"good-log-quote-{label}" if verdict == PASSED else f"insider-log-quote-{label}"
        yield Case(
            name=name, why=f"the record quotes a checkpoint: {label}", data=pack(members), verdict=verdict, codes=codes,
            trust="log-required", sidecars={suffix: proof},
        )  # fmt: skip


def renewals(shop: Shop) -> Iterator[Case]:
    """Later tokens beside a bundle (docs/spec/renewal.md). None of them changes a verdict."""
    good, log = shop.good_bundle, shop.log
    whole, bundle_id = pack(good), bundles.record_of(good)["bundle_id"]

    def sha512(data: bytes) -> str:
        return hashlib.sha512(data).hexdigest()

    def text(data: bytes, *covers: tuple[str, bytes], of: str = "") -> bytes:
        lines = [f"covers {kind} sha512 {sha512(content)}\n" for kind, content in covers]
        head = f"snapshotter-renewal/1\nbundle {of or bundle_id}\nsha512 {sha512(data)}\n"
        return (head + "".join(lines)).encode()

    def log_leaf(kind: str, name: str, data: bytes) -> bytes:
        digest = hashlib.sha256(data).hexdigest()
        return f"snapshotter-leaf/1\n{kind} {name}\nsha256 {digest}\n".encode()

    def files(number: int, data: bytes, token: bytes) -> dict[str, bytes]:
        return {f".renewal-{number:02}.txt": data, f".renewal-{number:02}.tsr": token}

    own = text(whole)
    one = files(1, own, shop.stamp(own))
    links = [(f"renewal-01.{kind}", one[f".renewal-01.{kind}"]) for kind in ("tsr", "txt")]
    second = text(whole, *links)
    entries = [log.leaf("20260101t000000z-abcdefghijklmnop", b"x"), log.leaf(bundle_id, whole)]
    checkpoint = log.checkpoint(entries, {})
    proof = log.proof(1, entries, checkpoint)
    stamped = shop.stamp(checkpoint.encode())
    # Through the log, with what stands beside: the digest of the text is in it.
    entry = log_leaf("renewal", bundle_id, second)
    later = log.checkpoint([*entries, entry], {})
    logged = second + b"\n" + log.proof(2, [*entries, entry], later)
    again = shop.stamp(later.encode())
    strange = [*entries, log_leaf("renewal", "20260101t000000z-abcdefghijklmnop", second)]
    other = [*entries, log_leaf("bundle", bundle_id, second)]

    def logged_as(leaves: list[bytes]) -> dict[str, bytes]:
        signed = log.checkpoint(leaves, {})
        return files(2, second + b"\n" + log.proof(2, leaves, signed), shop.stamp(signed.encode()))

    for label, sidecars, count in (
        ("log-twice", {**one, **files(2, logged, again)}, 2),
        ("log-twice-alone", files(2, logged, again), 1),
        ("log-twice-first-edited", {**one, ".renewal-01.txt": own + b"\n", **files(2, logged, again)}, 1),
        ("log-twice-token-over-text", {**one, **files(2, logged, shop.stamp(logged))}, 1),
        ("log-twice-token-over-head", {**one, **files(2, logged, shop.stamp(second))}, 1),
        ("log-twice-other-text", {**one, **files(2, logged.replace(second, text(whole, links[0])), again)}, 1),
        ("log-twice-other-leaf", {**one, **logged_as(strange)}, 1), ("log-twice-other-kind", {**one, **logged_as(other)}, 1),
        ("log-twice-as-it-is", {**one, **logged_as([*entries, entry])}, 2),
        ("log-twice-of-bundle", {**one, **files(2, second + b"\n" + log.proof(1, [*entries, entry], later), again)}, 1),
        ("log-twice-no-proof", {**one, **files(2, second + b"\n", shop.stamp(second + b"\n"))}, 1),
        ("log-twice-too-long", {**one, **files(2, logged + b"x" * 131_072, again)}, 1),
        ("plain", one, 1), ("twice", {**one, **files(2, second, shop.stamp(second))}, 2),
        ("beside-each-other", {**one, **files(2, own, shop.stamp(own))}, 2), ("number-99", files(99, own, shop.stamp(own)), 1),
        ("through-the-log", files(1, proof, stamped), 1), ("log-and-then-own", {**files(1, proof, stamped), **files(2, own, shop.stamp(own))}, 2),
        ("number-100", {".renewal-100.txt": own, ".renewal-100.tsr": one[".renewal-01.tsr"]}, 0),
        ("number-zero", files(0, own, shop.stamp(own)), 0),
        ("text-alone", {".renewal-01.txt": own}, 0), ("token-alone", {".renewal-01.tsr": shop.stamp(own)}, 0),
        ("token-over-bundle", files(1, own, shop.stamp(whole)), 0), ("token-over-proof", files(1, proof, shop.stamp(proof)), 0),
        ("token-unknown", files(1, own, shop.unknown_authority.response(own)), 0),
        ("token-policy", files(1, own, shop.other_policy.response(own)), 0),
        ("token-revoked", files(1, own, shop.revoked_authority.response(own)), 0),
        ("token-edited", files(1, own, flipped(shop.stamp(own))), 0), ("token-empty", files(1, own, b""), 0),
        ("log-fork", files(1, log.proof(0, entries, checkpoint), stamped), 0),
    ):  # fmt: skip
        yield _good(
            f"renewal-{label}", good, f"a renewal: {label}", sidecars=sidecars, renewals=count
        )
    line = f"covers late-01.tsr sha512 {sha512(b'x')}\n".encode()
    for label, data, count in (
        ("other-id", text(whole, of="20260101t000000z-abcdefghijklmnop"), 0), ("other-file", text(b"x"), 0),
        ("upper-case", own[:-130] + own[-130:].upper(), 0), ("no-newline", own[:-1], 0), ("blank-line", own + b"\n", 0),
        ("crlf", own.replace(b"\n", b"\r\n"), 0), ("junk", b"junk", 0), ("empty", b"\n", 0), ("format-two", own.replace(b"/1", b"/2"), 0),
        ("covers-what-is-not-there", own + line, 1), ("covers-twice", own + line + line, 0),
        ("covers-unsorted", own + line.replace(b"01", b"02", 1) + line, 0), ("covers-odd", own + line.replace(b"late-01.tsr", b"tlog-proof"), 0),
        ("covers-late-ten", own + line.replace(b"late-01", b"late-10"), 0), ("covers-short", own + line[:-2] + b"\n", 0),
        ("too-long", own + b"x" * 131_072, 0), ("second-first", text(whole, *links[::-1]), 0),
    ):  # fmt: skip
        yield _good(
            f"renewal-text-{label}",
            good,
            f"a renewal's text: {label}",
            sidecars=files(1, data, shop.stamp(data)),
            renewals=count,
        )
    bare = shop.members(authorities=())
    late, bare_whole = shop.stamp(bare[SIG]), pack(bare)
    bare_id = bundles.record_of(bare)["bundle_id"]
    for label, data, count in (
        ("named", text(bare_whole, ("late-01.tsr", late), of=bare_id), 1), ("not-named", text(bare_whole, of=bare_id), 0),
        ("named-otherwise", text(bare_whole, ("late-01.tsr", b"other"), of=bare_id), 0),
        ("named-as-another", text(bare_whole, ("late-02.tsr", late), of=bare_id), 1),
    ):  # fmt: skip
        beside = {".late-01.tsr": late, **files(1, data, shop.stamp(data))}
        yield _good(
            f"renewal-late-{label}",
            bare,
            f"a late token, in a renewal: {label}",
            sidecars=beside,
            renewals=count,
        )
    two = shop.members(timestamps=1)
    yield _unclear(
        "renewal-of-too-few", two, "two tokens are required, and a renewal is over one", "TS_MISSING", trust="two-tokens",
        sidecars=files(1, text(pack(two), of=bundles.record_of(two)["bundle_id"]), shop.stamp(text(pack(two), of=bundles.record_of(two)["bundle_id"]))),
    )  # fmt: skip


def _silent(shop: Shop) -> Members:
    """A bundle of a key in hardware, for which one of two authorities did not answer."""
    silent = ChainAuthority(shop.authority._chain, name="a silent authority")
    silent.down = True
    return shop.members(shop.hardware, authorities=(shop.authority, silent))


# --- keys against trust files ----------------------------------------------------------------


def _trust_windows(shop: Shop) -> Iterator[Case]:
    good, bare = shop.good_bundle, shop.members(authorities=())
    yield _failed(
        "trust-compromised",
        good,
        "its key was stolen before",
        "KEY_REVOKED",
        trust="compromised-before",
    )
    yield _unclear(
        "trust-superseded",
        good,
        "its key was retired before",
        "KEY_REVOKED",
        trust="superseded-before",
    )
    yield _failed(
        "trust-compromised-no-token", bare, "stolen later, and no token proves that this is older", "KEY_REVOKED", "TS_MISSING", "TIME",
        trust="compromised-later",
    )  # fmt: skip
    yield _unclear(
        "trust-superseded-no-token", bare, "retired later, and no token proves that this is older", "KEY_REVOKED", "TS_MISSING", "TIME",
        trust="superseded-later",
    )  # fmt: skip
    yield _unclear(
        "trust-ended-no-token",
        bare,
        "the key's period has an end, and no token",
        "KEY_PERIOD",
        "TS_MISSING",
        "TIME",
        trust="key-ended",
    )
    yield _failed(
        "trust-not-begun", good, "before the key's period", "KEY_PERIOD", trust="key-not-begun"
    )
    yield _unclear("trust-over", good, "after the key's period", "KEY_PERIOD", trust="key-over")
    yield _unclear(
        "trust-without-key", good, "the key is not in the trust file", "KEY_UNKNOWN", trust="no-key"
    )
    yield _unclear(
        "trust-without-authority",
        good,
        "the authority is not in the trust file",
        "TS_UNTRUSTED",
        "TIME",
        trust="no-authority",
    )
    yield _unclear(
        "trust-other-policy",
        good,
        "the trust file allows another policy",
        "TS_POLICY",
        "TIME",
        trust="other-policy",
    )
    yield _good("any-policy", good, "the trust file allows any policy", trust="any-policy")
    yield _unclear(
        "trust-serial-revoked",
        good,
        "the authority's certificate is revoked",
        "TS_REVOKED",
        "TIME",
        trust="serial-revoked",
    )
    yield _unclear(
        "trust-two-signatures",
        good,
        "the trust file requires two signatures",
        "QUORUM",
        trust="two-signatures",
    )


class _Trust:
    """Trust files: those by which cases are judged, and those that must be refused."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._base = shop.trust(p256=False)
        self._now = datetime.now(UTC).replace(microsecond=0)

    def signed(self, edit: Edit) -> tuple[bytes, bytes]:
        value = json.loads(self._base)
        edit(value)
        data = canonical_json.dumps(value)
        return data, self.sign(data)

    def sign(self, data: bytes) -> bytes:
        return self._shop.root.sign(data, ec.ECDSA(hashes.SHA384()))

    def _key(self, **fields: Any) -> Edit:
        """Fields of the good signer's key."""

        def edit(value: Record) -> None:
            for key in value["keys"]:
                if key["key_id"] == self._shop.signer.key_id:
                    key.update(fields)

        return edit

    def _revoked(self, at: timedelta, reason: str) -> Edit:
        return self._key(revoked={"at": canonical_json.instant(self._now + at), "reason": reason})

    def _authority(self, **fields: Any) -> Edit:
        def edit(value: Record) -> None:
            for authority in value["tsa"]:
                if authority["name"] == "test authority":
                    authority.update(fields)

        return edit

    def variants(self) -> dict[str, Edit]:
        """The trust files that cases name."""
        signer = self._shop.signer.key_id

        def instant(by: timedelta) -> str:
            return canonical_json.instant(self._now + by)

        def without_key(value: Record) -> None:
            value["keys"] = [key for key in value["keys"] if key["key_id"] != signer]

        def without_authority(value: Record) -> None:
            value["tsa"] = [
                authority for authority in value["tsa"] if authority["name"] != "test authority"
            ]

        chain = self._shop.authority._chain
        log = self._shop.log

        def required(policy: Record) -> Edit:
            def edit(value: Record) -> None:
                value["log"], value["require"]["log"] = policy, True

            return edit

        leaf = x509.load_pem_x509_certificate(chain.leaf_pem.read_bytes())
        return {
            "trust": lambda value: None,
            "key-ended": self._key(not_after=instant(DAY)),
            "superseded-later": self._revoked(DAY, "superseded"),
            "compromised-later": self._revoked(DAY, "compromised"),
            "superseded-before": self._revoked(-DAY, "superseded"),
            "compromised-before": self._revoked(-DAY, "compromised"),
            "key-not-begun": self._key(not_before=instant(DAY)),
            "key-over": self._key(not_after=instant(-DAY)),
            "no-key": without_key,
            "no-authority": without_authority,
            "nobody": _sets(tsa=[]),
            "any-policy": self._authority(policy_oids=[]),
            "other-policy": self._authority(policy_oids=["1.2.3.4.9"]),
            "serial-revoked": self._authority(revoked_serials=[str(leaf.serial_number)]),
            "no-tokens": _at("require.timestamps", 0),
            "two-tokens": _at("require.timestamps", 2),
            "two-signatures": _at("require.signatures", 2),
            "log-optional": _sets(log=log.policy(1, "w.example/1")),
            "log-quorum": required(log.policy(2, "w.example/1", "w.example/2")),
            "log-required": required(log.policy(1, "w.example/1")),
            "short-lag": _sets(max_lag_s=60),
            "short-skew": _sets(max_skew_s=10),
        }

    def cases(self) -> Iterator[TrustCase]:
        """Trust files that must be refused, and a few that must be taken."""
        good, signature = self.signed(lambda value: None)

        def case(name: str, edit: Edit, **more: Any) -> TrustCase:
            data, its_signature = self.signed(edit)
            return TrustCase(name=name, why=name, data=data, signature=its_signature, **more)

        def raw(name: str, data: bytes, **more: Any) -> TrustCase:
            return TrustCase(name=name, why=name, data=data, signature=self.sign(data), **more)

        later = canonical_json.instant(self._now + DAY)
        key = json.loads(good)["keys"][0]
        yield TrustCase(
            name="good", why="nothing is wrong", data=good, signature=signature, taken=True
        )
        yield case("good-expires-later", _sets(expires=later), taken=True)
        yield case("good-version-nine", _sets(version=9), taken=True)
        yield case("expired", _sets(expires=later), later=2 * DAY)
        yield TrustCase(
            name="other-pin",
            why="another root is pinned",
            data=good,
            signature=signature,
            pin="0" * 64,
        )
        other = ec.generate_private_key(ec.SECP384R1())
        r_s = encode_dss_signature(1, 1)
        for name, its_signature in (
            ("signature-flipped", flipped(signature)), ("signature-empty", b""), ("signature-tail", signature + b"\0"),
            ("signature-ones", r_s), ("signature-of-another", other.sign(good, ec.ECDSA(hashes.SHA384()))),
            ("signature-by-sha256", self._shop.root.sign(good, ec.ECDSA(hashes.SHA256()))),
            ("signature-base64", base64.b64encode(signature)),
        ):  # fmt: skip
            yield TrustCase(name=name, why=name, data=good, signature=its_signature)
        yield TrustCase(
            name="edited",
            why="a byte changed",
            data=good.replace(b'"version":1', b'"version":2'),
            signature=signature,
        )
        for name, data in (
            ("newline", good + b"\n"), ("pretty", json.dumps(json.loads(good), indent=1).encode()), ("empty", b""),
            ("byte-order-mark", b"\xef\xbb\xbf" + good), ("array", b"[]"), ("key-twice", good[:-1] + b',"version":1}'),
            ("float", good.replace(b'"version":1', b'"version":1.5')), ("cut", good[:-1]), ("deep", b"[" * 5000 + b"]" * 5000),
        ):  # fmt: skip
            yield raw(name, data)
        yield case("format-two", _sets(format="snapshotter-trust/9"))
        for name in json.loads(good):
            yield case(f"lacks-{name}", _at(name, ...))
        for name in key:
            yield case(f"key-lacks-{name}", _at(f"keys.0.{name}", ...))
        for name in ("name", "policy_oids", "revoked_serials", "root"):
            yield case(f"authority-lacks-{name}", _at(f"tsa.0.{name}", ...))
        for name in ("log", "signatures", "timestamps"):
            yield case(f"require-lacks-{name}", _at(f"require.{name}", ...))
        root = self._shop.root.public_key()
        root_entry = {
            **key,
            "key_id": keys.key_id(root),
            "public_key": keys.public_pem(root).decode(),
            "revoked": None,
        }
        tsa = json.loads(good)["tsa"]
        two = self._shop.log.policy(2, "w.example/1", "w.example/2")
        yield case("good-log", _sets(log=two), taken=True)
        yield case("good-empty", _sets(keys=[], tsa=[]), taken=True)
        for name, edit in (
            ("field-more", _sets(note="x")), ("key-field-more", _at("keys.0.note", "x")), ("authority-field-more", _at("tsa.0.note", "x")),
            ("require-field-more", _at("require.note", 1)), ("keys-turned", lambda value: value["keys"].reverse()),
            ("key-in-it-twice", lambda value: value["keys"].insert(0, value["keys"][0])),
            ("authorities-turned", lambda value: value["tsa"].reverse()),
            ("authority-twice", _sets(tsa=[tsa[0], tsa[0]])), ("keys-object", _sets(keys={})), ("tsa-null", _sets(tsa=None)),
            ("root-among-keys", lambda value: value.update(keys=sorted([*value["keys"], root_entry], key=lambda key: key["key_id"]))),
            ("key-id-of-another", _at("keys.0.key_id", "0" * 64)), ("key-alg", _at("keys.0.alg", keys.P256_SHA256)),
            ("key-alg-unknown", _at("keys.0.alg", "rsa")), ("key-spelling", _at("keys.0.public_key", key["public_key"] + "\n")),
            ("key-none", _at("keys.0.public_key", "")), ("key-instant", _at("keys.0.not_before", "2026-11-24")),
            ("key-end-instant", _at("keys.0.not_after", 7)), ("owner-empty", _at("keys.0.owner", "")),
            ("owner-lines", _at("keys.0.owner", "a\nb")), ("owner-long", _at("keys.0.owner", "a" * 201)),
            ("owner-number", _at("keys.0.owner", 1)), ("revoked-reason", _at("keys.0.revoked", {"at": later, "reason": "lost"})),
            ("revoked-instant", _at("keys.0.revoked", {"at": "now", "reason": "superseded"})),
            ("revoked-field-more", _at("keys.0.revoked", {"at": later, "reason": "superseded", "x": 1})),
            ("revoked-true", _at("keys.0.revoked", True)),
            ("policy-order", _at("tsa.0.policy_oids", ["1.2.4", "1.2.3"])), ("policy-twice", _at("tsa.0.policy_oids", ["1.2.3", "1.2.3"])),
            ("policy-none", _at("tsa.0.policy_oids", ["x"])), ("policy-zeros", _at("tsa.0.policy_oids", ["1.02.3"])),
            ("serial-order", _at("tsa.0.revoked_serials", ["3", "20"])), ("serial-hex", _at("tsa.0.revoked_serials", ["0xff"])),
            ("serial-zeros", _at("tsa.0.revoked_serials", ["007"])), ("serial-number", _at("tsa.0.revoked_serials", [7])),
            ("root-of-authority-none", _at("tsa.0.root", "")), ("root-of-authority-spelling", _at("tsa.0.root", tsa[0]["root"] + "\n")),
            ("root-not-self-signed", _at("tsa.0.root", self._leaf())), ("authority-name-empty", _at("tsa.0.name", "")),
            ("signatures-none", _at("require.signatures", 0)), ("signatures-many", _at("require.signatures", 11)),
            ("timestamps-many", _at("require.timestamps", 11)), ("timestamps-negative", _at("require.timestamps", -1)),
            ("signatures-true", _at("require.signatures", True)), ("log-without-log", _at("require.log", True)),
            ("log-number", _at("require.log", 0)), ("log-text", _sets(log="x")), ("version-none", _sets(version=0)),
            ("version-negative", _sets(version=-1)), ("version-text", _sets(version="1")), ("version-true", _sets(version=True)),
            ("skew-negative", _sets(max_skew_s=-1)), ("lag-text", _sets(max_lag_s="7")), ("expires-text", _sets(expires="never")),
            ("expires-number", _sets(expires=0)), ("root-key-other", _sets(root_key=self._shop.other.public_key_pem.decode())),
            ("root-key-none", _sets(root_key=None)),
            ("log-turned", _sets(log={**two, "witnesses": two["witnesses"][::-1]})), ("log-quorum-many", _sets(log={**two, "quorum": 3})),
            ("log-quorum-negative", _sets(log={**two, "quorum": -1})), ("log-field-more", _sets(log={**two, "x": 1})),
            ("log-witness-twice", _sets(log={**two, "witnesses": [two["witnesses"][0]] * 2})),
            ("log-key-of-a-witness", _sets(log={**two, "verifier_key": two["witnesses"][0]})),
            ("log-witness-of-a-log", _sets(log={**two, "witnesses": [two["verifier_key"]], "quorum": 0})),
            ("log-key-id", _sets(log={**two, "verifier_key": two["verifier_key"].replace("+", "+0", 1)})),
            ("log-empty", _sets(log={})), ("log-witnesses-null", _sets(log={**two, "witnesses": None})),
            ("expires-nine", _sets(expires="0999-01-01T00:00:00Z")), ("owner-spaces", _at("keys.0.owner", " a")),
            ("owner-hidden", _at("keys.0.owner", "a\u200bb")), ("period-turned", _at("keys.0.not_after", "1969-01-01T00:00:00Z")),
            ("version-large", _sets(version=1 << 31)), ("skew-large", _sets(max_skew_s=315_360_001)),
            ("root-twice", lambda value: value["tsa"].append({**value["tsa"][-1], "name": "z"})),
            ("policy-many", _at("tsa.0.policy_oids", sorted(f"1.2.{n}" for n in range(51)))),
            ("policy-one-arc", _at("tsa.0.policy_oids", ["1"])), ("serial-long", _at("tsa.0.revoked_serials", ["1" * 50])),
        ):  # fmt: skip
            yield case(name, edit)

    def _leaf(self) -> str:
        chain = self._shop.authority._chain
        return str(chain.leaf_pem.read_text())


def main() -> int:
    """Write the suite below the folder that is named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder to write the cases to")
    target = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as work:
        suite = make(Path(work))
    for case in suite.cases:
        folder = target / case.name
        suite.write(case, folder)
        expected = {
            "codes": sorted(case.codes),
            "later_s": int(case.later.total_seconds()),
            "trust": f"{case.trust}.json",
            "verdict": case.verdict,
        }
        (folder / "expected.json").write_text(json.dumps(expected, indent=2) + "\n")
        (folder / "README").write_text(f"{case.why}\n", encoding="utf-8")
    for name, (data, signature) in suite.trust.items():
        (target / "trust").mkdir(exist_ok=True)
        (target / "trust" / f"{name}.json").write_bytes(data)
        (target / "trust" / f"{name}.json.sig").write_bytes(signature)
    (target / "trust" / "root-key-id.txt").write_text(suite.pin + "\n")
    print(f"{len(suite.cases)} cases of bundles written to {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
