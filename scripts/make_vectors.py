"""
Write the test vectors anew: one bundle for each way to spoil one (tests/vectors).

    make vectors                                         all series
    .venv/bin/python scripts/make_vectors.py agreement   one series alone

Each folder holds `bundle.wacz`, perhaps a sidecar, what a verifier must say
(`expected.json`) and why (`README`). `trust/` holds the trust file that all of
them are judged by. Keys are made here and thrown away, and tokens carry the real
time, so that every run writes other bytes: what is committed is the truth.

Most vectors are what a forger can do without the key, who makes all again that
can be made again. Those named `insider-…` are by somebody who has the key.
"""

import argparse
import base64
import io
import json
import shutil
import ssl
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import custody as custody_chain
from snapshotter.formats.bundle import names, openings, wacz
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.signatures import keys
from snapshotter.formats.tls import server_signature
from snapshotter.formats.tls.server_signature import SignedSession
from snapshotter.seal.signer import FileSigner
from snapshotter.verify.trust import (
    COMPROMISED,
    FROM_THE_START,
    SUPERSEDED,
    TrustDocument,
    trusted_key,
)
from tests import bundles, tls
from tests.bundles import ChainAuthority, Members, RealClock, flipped, pack
from tests.servers.authority import Chain

TARGET = Path(__file__).resolve().parents[1] / "tests" / "vectors"
DAY = timedelta(days=1)
PASSED, FAILED, INDETERMINATE = "passed", "failed", "indeterminate"

Record = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """One folder."""

    name: str
    why: str
    data: bytes
    verdict: str
    codes: tuple[str, ...] = ()
    sidecar: bytes = b""  # a late token
    trust: str = "trust"  # or "allows-p256"


class Workshop:
    """Keys, authorities and good bundles from which vectors are made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self.root = ec.generate_private_key(ec.SECP384R1())
        self.signer = bundles.new_signer()
        self.other = bundles.new_signer()  # known as well
        self.stranger = bundles.new_signer()  # unknown
        self.compromised = bundles.new_signer()
        self.superseded = bundles.new_signer()
        self.retired_later = bundles.new_signer()
        self.not_yet = bundles.new_signer()
        self.no_longer = bundles.new_signer()
        self.hardware = bundles.SoftwareKeyWithoutWacz(ec.generate_private_key(ec.SECP384R1()))
        self.p256 = ec.generate_private_key(ec.SECP256R1())
        good, unknown = self._chain("good"), self._chain("unknown")
        self.authority = ChainAuthority(good)
        self.other_policy = ChainAuthority(good, config="other-policy.cnf")
        self.unknown_authority = ChainAuthority(unknown, name="unknown authority")
        revoked = self._chain("revoked")
        self.revoked_authority = ChainAuthority(revoked, name="revoked authority")
        self.revoked_leaf = x509.load_pem_x509_certificate(revoked.leaf_pem.read_bytes())
        self.good_bundle = self.members()

    def _chain(self, name: str) -> Chain:
        chain = Chain(self._folder / name, f"vectors {name}")
        chain.make()
        return chain

    def members(
        self,
        signer: FileSigner | None = None,
        *,
        offset: timedelta = timedelta(0),
        authorities: tuple[ChainAuthority, ...] | None = None,
        title: str = "A page",
        timestamps: int = 1,
        contents: Mapping[str, bytes] = bundles.CONTENTS,
        cosigners: Sequence[FileSigner] = (),
        signatures: int = 0,
    ) -> Members:
        self._count += 1
        bundle = bundles.seal(
            self._folder / f"spool-{self._count}",
            signer=signer or self.signer,
            clock=RealClock(offset),
            authorities=(self.authority,) if authorities is None else authorities,
            title=title,
            require_timestamps=timestamps,
            contents=contents,
            cosigners=cosigners,
            require_signatures=signatures,
        )
        return bundles.unpack(bundle.file.read_bytes())

    def stamp(self, signature: bytes) -> bytes:
        return self.authority.response(signature)

    def insider(self, changes: Members) -> Members:
        """The good bundle with other contents, sealed with the key."""
        return bundles.resealed(self.good_bundle, changes, self.signer, self.stamp)

    def insider_record(self, edit: Callable[[Record], object]) -> Members:
        record = bundles.record_of(self.good_bundle)
        edit(record)
        return self.insider({names.CAPTURE_RECORD: canonical_json.dumps(record)})

    def server_signatures(self) -> bytes:
        """Two origins: one over TLS 1.3, resumed once, and one over TLS 1.2."""
        authority = tls.Authority(self._folder / "web")
        seen: list[server_signature.TlsRecording] = []
        for host, version, kind in (
            ("a.example.test", ssl.TLSVersion.TLSv1_3, "p256"),
            ("b.example.test", ssl.TLSVersion.TLSv1_2, "rsa"),
        ):
            file = authority.server(kind, names=(host,))
            server = tls.server_context(file, version=version, ciphers="AESGCM")
            client = tls.client_context(authority.root_pem, self._folder / f"{host}.keys")
            first = tls.recorded(server, client, host=host)
            again = tls.recorded(server, client, host=host, session=first.session)
            seen += [
                server_signature.TlsRecording(
                    connection=len(seen) + number,
                    host=host,
                    port=443,
                    address="203.0.113.7",
                    handshake=recording.read()[0].handshake,
                )
                for number, recording in enumerate((first, again), start=1)
            ]
        return server_signature.encode(server_signature.gather(seen))

    def trust(self, *, p256: bool) -> bytes:
        now = datetime.now(UTC).replace(microsecond=0)
        simple = [self.signer, self.other, self.compromised, self.superseded, self.retired_later]
        simple.append(self.hardware)
        known = [trusted_key(signer.public_key, owner="test vectors") for signer in simple]
        for number, at, reason in (
            (2, now - DAY, COMPROMISED),
            (3, now - DAY, SUPERSEDED),
            (4, now + DAY, SUPERSEDED),
        ):
            known[number] = replace(known[number], revoked_at=at, revoked_reason=reason)
        known.append(
            trusted_key(self.not_yet.public_key, owner="test vectors", not_before=now + DAY)
        )
        known.append(
            trusted_key(
                self.no_longer.public_key,
                owner="test vectors",
                not_before=FROM_THE_START,
                not_after=now - DAY,
            )
        )
        if p256:
            known.append(trusted_key(self.p256.public_key(), owner="test vectors"))
        serials = frozenset({self.revoked_leaf.serial_number})
        return TrustDocument(
            version=1,
            root=self.root.public_key(),
            keys=tuple(sorted(known, key=lambda key: key.key_id)),
            authorities=(
                replace(self.revoked_authority.anchor, revoked_serials=serials),
                self.authority.anchor,
            ),
        ).encode()


def vectors(shop: Workshop) -> Iterator[Vector]:
    """Yield every vector."""
    good = shop.good_bundle
    yield Vector(name="v1-good", why="nothing is wrong with it", data=pack(good), verdict=PASSED)
    yield from _container(good)
    yield from _members(shop)
    yield from _manifests(shop)
    yield from _signatures(shop)
    yield from _keys(shop)
    yield from _tokens(shop)
    yield from _derived(shop)
    yield from _records(shop)
    yield from _server_signatures(shop)


def _failed(name: str, data: bytes | Members, why: str, *codes: str) -> Vector:
    whole = data if isinstance(data, bytes) else pack(data)
    return Vector(name=name, why=why, data=whole, verdict=FAILED, codes=codes)


def _unclear(name: str, data: Members, why: str, *codes: str, sidecar: bytes = b"") -> Vector:
    return Vector(
        name=name, why=why, data=pack(data), verdict=INDETERMINATE, codes=codes, sidecar=sidecar
    )


def _container(good: Members) -> Iterator[Vector]:
    whole = pack(good)
    for name, member in (
        ("data", "archive/data.warc.gz"),
        ("manifest", names.MANIFEST_SHA256),
        ("signature", names.signature(1)),
        ("token", names.token(1, 1)),
        ("datapackage", names.DATAPACKAGE),
        ("digest", names.DATAPACKAGE_DIGEST),
    ):
        at = whole.index(good[member]) + len(good[member]) // 2
        yield _failed(
            f"flipped-in-{name}", flipped(whole, at), f"one bit flipped in {member}", "CONTAINER"
        )
    entries = bundles.raw_entries(good)
    first = entries[0].name.decode()
    for name, data, why, code in (
        ("prepended", b"x" + whole, "a byte before the first member", "CONTAINER"),
        ("appended", whole + b"x", "a byte behind the end record", "CONTAINER"),
        ("truncated", whole[:-1], "the last byte is missing", "CONTAINER"),
        ("empty-file", b"", "no bytes at all", "CONTAINER"),
        (
            "shifted",
            bundles.raw_zip(entries, prefix=b"MZ"),
            "bytes before the first member, all offsets right",
            "CONTAINER",
        ),
        ("zip-comment", bundles.raw_zip(entries, comment=b"hi"), "a zip comment", "CONTAINER"),
        (
            "extra-field",
            bundles.raw_zip(bundles.changed(entries, first, extra=b"\xfe\xca\0\0")),
            "an extra field in a local header",
            "CONTAINER",
        ),
        (
            "central-extra-field",
            bundles.raw_zip(bundles.changed(entries, first, central_extra=b"\xfe\xca\0\0")),
            "an extra field in the directory",
            "CONTAINER",
        ),
        (
            "member-comment",
            bundles.raw_zip(bundles.changed(entries, first, comment=b"hi")),
            "a comment on a member",
            "CONTAINER",
        ),
        (
            "flags",
            bundles.raw_zip(bundles.changed(entries, first, flags=0x800)),
            "a flag that a bundle does not set",
            "CONTAINER",
        ),
        (
            "member-time",
            bundles.raw_zip(bundles.changed(entries, first, time=1)),
            "a member's time is not that of a bundle",
            "CONTAINER",
        ),
        (
            "member-mode",
            bundles.raw_zip(bundles.changed(entries, first, attributes=0o120777 << 16)),
            "a member is a symbolic link",
            "CONTAINER",
        ),
        (
            "hidden-member",
            bundles.raw_zip(
                entries, hidden=[bundles.RawEntry(name=b"capture/hidden.txt", data=b"x")]
            ),
            "a member that the directory does not name",
            "CONTAINER",
        ),
        (
            "hidden-bytes",
            bundles.raw_zip(entries, between=b"x"),
            "a byte between the last member and the directory",
            "CONTAINER",
        ),
        ("second-end-record", whole + whole[-22:], "a second end record", "CONTAINER"),
        ("second-bundle", whole + whole, "a whole bundle behind another one", "CONTAINER"),
        ("unsorted", bundles.raw_zip(entries[::-1]), "members in another order", "NAME"),
        ("duplicated", bundles.raw_zip([entries[0], *entries]), "a member twice", "NAME"),
    ):
        yield _failed(name, data, why, code)
    for name, method in (("store", zipfile.ZIP_STORED), ("deflate", zipfile.ZIP_DEFLATED)):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as archive:
            for member, data in sorted(good.items()):
                archive.writestr(zipfile.ZipInfo(member), data, compress_type=method)
        yield _failed(
            f"rezipped-{name}", out.getvalue(), f"zipped again by Python ({name})", "CONTAINER"
        )
    for name, bad in (
        ("absolute-name", b"/etc/passwd"),
        ("parent-name", b"../evil"),
        ("backslash-name", b"capture\\x.txt"),
        ("deep-name", b"capture/a/b.txt"),
        ("directory-entry", b"capture/"),
        ("not-ascii-name", "capture/ü.txt".encode()),
        ("long-name", b"capture/" + b"a" * 300 + b".txt"),
        ("case-twin", b"capture/DOM.html"),
    ):
        spoiled = sorted(
            [*entries, bundles.RawEntry(name=bad, data=b"x")], key=lambda entry: entry.name
        )
        yield _failed(name, bundles.raw_zip(spoiled), f"a member named {bad[:40]!r}", "NAME")


def _members(shop: Workshop) -> Iterator[Vector]:
    good = shop.good_bundle
    page = "capture/dom.html"

    def rest(without: str) -> Members:
        return {name: data for name, data in good.items() if name != without}

    yield _failed(
        "changed-data",
        bundles.derived({**good, page: b"forged"}),
        "a page that was changed, with a good checksum and a new datapackage",
        "HASH",
        "BLAKE3",
    )
    yield _failed(
        "added-file",
        bundles.derived({**good, "capture/extra.txt": b"x"}),
        "a file that nobody signed",
        "UNLISTED",
    )
    yield _failed("removed-file", bundles.derived(rest(page)), "a file is gone", "MISSING")
    yield _failed(
        "removed-required-file",
        bundles.derived(rest("archive/data.warc.gz")),
        "the network record is gone",
        "MISSING",
    )
    yield _failed(
        "renamed-file",
        bundles.derived({**rest(page), "capture/page.html": good[page]}),
        "a file has another name",
        "MISSING",
        "UNLISTED",
    )
    yield _failed(
        "file-without-a-place",
        bundles.derived({**good, "archive/more.warc.gz": b"x"}),
        "a file where a bundle has none",
        "UNLISTED",
    )
    yield _failed(
        "oversize-member",
        {**good, names.signature(1): bytes((64 << 10) + 1)},
        "a signature longer than any",
        "CONTAINER",
    )
    yield _failed(
        "second-signature",
        bundles.derived({**good, names.signature(2): good[names.signature(1)]}),
        "a signature by nobody that the record names",
        "UNLISTED",
        "WACZ_SIG",
    )
    yield _failed(
        "insider-artifact-blake3",
        _blake3_disagrees(shop),
        "the BLAKE3 manifest names another file than the SHA-256 manifest",
        "BLAKE3",
    )


def _blake3_disagrees(shop: Workshop) -> Members:
    other = bundles.with_manifests({**shop.good_bundle, "capture/dom.html": b"other"})
    mixed = {**shop.good_bundle, names.MANIFEST_BLAKE3: other[names.MANIFEST_BLAKE3]}
    return bundles.signed(bundles.with_manifests(mixed, blake3=False), shop.signer, shop.stamp)


def _manifests(shop: Workshop) -> Iterator[Vector]:
    good = shop.good_bundle
    lines = good[names.MANIFEST_SHA256].splitlines(keepends=True)
    page = "capture/dom.html"
    for name, data, why, *codes in (
        ("resorted", b"".join(lines[::-1]), "lines in another order", "MANIFEST"),
        ("crlf", b"".join(lines).replace(b"\n", b"\r\n"), "CR LF", "MANIFEST"),
        (
            "upper-case",
            b"".join(line[:64].upper() + line[64:] for line in lines),
            "hex in upper case",
            "MANIFEST",
        ),
        ("extra-line", b"".join([*lines, b"\n"]), "an empty line at the end", "MANIFEST"),
        ("no-final-newline", b"".join(lines)[:-1], "no newline at the end", "MANIFEST"),
        ("binary-mark", b"".join(lines).replace(b"  ", b" *", 1), "sha256sum's *", "MANIFEST"),
        ("twice", b"".join([lines[0], *lines]), "a line twice", "MANIFEST"),
        ("empty", b"", "an empty list", "MANIFEST"),
        (
            "line-removed",
            b"".join(line for line in lines if page.encode() not in line),
            "a line is gone",
            "UNLISTED",
            "BLAKE3",
        ),
        (
            "line-added",
            bundles.with_manifests({**good, "capture/zzz.txt": b"x"})[names.MANIFEST_SHA256],
            "a line for a file that is not there",
            "MISSING",
            "BLAKE3",
            "HASH",
        ),
    ):
        yield _failed(
            f"manifest-{name}",
            bundles.derived({**good, names.MANIFEST_SHA256: data}),
            f"the signed list: {why}",
            *codes,
        )
    yield _failed(
        "manifest-made-again",
        bundles.derived(bundles.with_manifests({**good, page: b"forged"})),
        "a changed page and new manifests under the old signature",
        "SIG",
    )
    other = shop.members(title="Another page")
    yield _failed(
        "manifest-of-another-bundle",
        bundles.derived({**good, names.MANIFEST_SHA256: other[names.MANIFEST_SHA256]}),
        "the signed list of another bundle by the same key",
        "HASH",
    )


def _signatures(shop: Workshop) -> Iterator[Vector]:
    good = shop.good_bundle
    sig, pem = names.signature(1), names.public_key(1)
    other = shop.members(title="Another page")
    yield _failed(
        "signature-of-another-bundle",
        bundles.derived({**good, sig: other[sig]}),
        "a signature by the right key over another list",
        "SIG",
    )
    key = shop.signer.public_key
    r, s = (int.from_bytes(part, "big") for part in _halves(keys.to_p1363(good[sig], key)))
    twin = keys.from_p1363(r.to_bytes(48, "big") + (_N384 - s).to_bytes(48, "big"), key)
    yield _failed(
        "signature-twin",
        bundles.derived({**good, sig: twin}),
        "the signature's twin (r, n-s), which holds; its token is over the other one",
        "TS_IMPRINT",
        "TS_MISSING",
        "TIME",
        "WACZ_SIG",
    )
    long_form = b"\x30\x81" + good[sig][1:]
    yield _failed(
        "signature-not-der",
        bundles.derived({**good, sig: long_form}),
        "the signature in BER",
        "SIG",
    )
    without = {name: data for name, data in good.items() if name not in (sig, pem)}
    yield _failed(
        "signature-removed",
        bundles.derived(without),
        "no signature and no key",
        "SIG_MISSING",
    )
    yield _failed(
        "key-of-another-signer",
        bundles.derived({**good, pem: shop.other.public_key_pem}),
        "a public key that the signature is not by",
        "SIG",
    )
    yield _failed(
        "signed-by-another-key",
        bundles.signed({**good, pem: shop.other.public_key_pem}, shop.other, shop.stamp),
        "signed again, stamped again, by a known key that the record does not name",
        "KEY_MISMATCH",
    )
    yield _failed(
        "key-malformed",
        bundles.derived({**good, pem: good[pem] + b"\n"}),
        "a second spelling of the public key",
        "KEY_MALFORMED",
    )
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    yield _failed(
        "key-rsa",
        bundles.derived(
            {**good, pem: rsa_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)}
        ),
        "a public key of a kind that is not accepted",
        "ALG",
    )

    def lie(record: Record) -> None:
        record["signers"][0]["algorithm"] = keys.P256_SHA256

    yield _failed(
        "insider-algorithm-lie",
        shop.insider_record(lie),
        "the record names another algorithm than the key's",
        "ALG",
    )
    p256 = _p256(shop)
    yield _unclear(
        "p256-not-allowed",
        p256,
        "a good P-256 signature; the trust file does not name the key",
        "KEY_UNKNOWN",
    )
    yield Vector(
        name="p256-allowed",
        why="the same, and the trust file names the key",
        data=pack(p256),
        verdict=PASSED,
        trust="allows-p256",
    )


_N384 = int(
    "ffffffffffffffffffffffffffffffffffffffffffffffff"
    "c7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    16,
)


def _halves(data: bytes) -> tuple[bytes, bytes]:
    return data[: len(data) // 2], data[len(data) // 2 :]


def _p256(shop: Workshop) -> Members:
    record = bundles.record_of(shop.good_bundle)
    public = shop.p256.public_key()
    record["signers"][0] |= {
        "algorithm": keys.P256_SHA256,
        "key_id": keys.key_id(public),
        "wacz_auth": False,
    }
    changed = {**shop.good_bundle, names.CAPTURE_RECORD: canonical_json.dumps(record)}
    members = bundles.with_manifests(bundles.with_redactable_record(changed))
    members[names.public_key(1)] = keys.public_pem(public)
    members[names.signature(1)] = shop.p256.sign(
        members[names.MANIFEST_SHA256], ec.ECDSA(hashes.SHA256())
    )
    members[names.token(1, 1)] = shop.stamp(members[names.signature(1)])
    members[names.DATAPACKAGE_DIGEST] = canonical_json.dumps(
        {"hash": "", "path": names.DATAPACKAGE}
    )
    return bundles.derived(members)


def _keys(shop: Workshop) -> Iterator[Vector]:
    yield _unclear(
        "key-unknown",
        shop.members(shop.stranger),
        "a good bundle by a key that the trust file does not name",
        "KEY_UNKNOWN",
    )
    yield _failed(
        "key-compromised",
        shop.members(shop.compromised),
        "signed after the key was compromised",
        "KEY_REVOKED",
    )
    yield _failed(
        "key-compromised-no-token",
        shop.members(shop.compromised, authorities=()),
        "the key was compromised, and nothing proves that this is older",
        "KEY_REVOKED",
        "TS_MISSING",
        "TIME",
    )
    yield _unclear(
        "key-superseded",
        shop.members(shop.superseded),
        "signed after the key was retired",
        "KEY_REVOKED",
    )
    yield Vector(
        name="key-superseded-later",
        why="proven to exist before the key was retired",
        data=pack(shop.members(shop.retired_later)),
        verdict=PASSED,
    )
    yield _failed(
        "key-before-its-period",
        shop.members(shop.not_yet),
        "signed before the key's period began",
        "KEY_PERIOD",
    )
    yield _unclear(
        "key-after-its-period",
        shop.members(shop.no_longer),
        "proven to exist only after the key's period had ended",
        "KEY_PERIOD",
    )


def _tokens(shop: Workshop) -> Iterator[Vector]:
    good = shop.good_bundle
    name = names.token(1, 1)
    bare = shop.members(authorities=())

    def with_token(token: bytes) -> Members:
        return bundles.derived({**good, name: token}, signer=shop.signer)

    yield _failed(
        "token-over-other-bytes",
        with_token(shop.stamp(b"other bytes")),
        "a good token over other bytes",
        "TS_IMPRINT",
        "TS_MISSING",
        "TIME",
    )
    yield _failed(
        "token-swapped-by-a-forger",
        bundles.derived({**good, name: shop.stamp(good[names.signature(1)])}),
        "another good token over the same signature: the WACZ signature covers the first",
        "WACZ_SIG",
    )
    for label, data in (
        ("garbage", b"\x00" * 100),
        ("html", b"<!doctype html><title>Sign in</title>"),
        ("empty", b""),
        ("flipped", flipped(good[name])),
        ("with-a-tail", good[name] + b"\x00"),
    ):
        yield _failed(
            f"token-{label}",
            with_token(data),
            f"instead of a token: {label}",
            "TS_MALFORMED",
            "TS_MISSING",
            "TIME",
        )
    yield _unclear(
        "token-missing", bare, "sealed without a token, and one is required", "TS_MISSING", "TIME"
    )
    yield Vector(
        name="token-late",
        why="sealed without a token; one came later, as a sidecar",
        data=pack(bare),
        sidecar=shop.stamp(bare[names.signature(1)]),
        verdict=PASSED,
    )
    late = Vector(
        name="token-late-over-other-bytes",
        why="the sidecar's token is over another bundle's signature",
        data=pack(bare),
        sidecar=shop.stamp(good[names.signature(1)]),
        verdict=INDETERMINATE,  # beside a bundle anybody may put anything
        codes=("TS_IMPRINT", "TIME"),
    )
    yield late
    stripped = {member: data for member, data in good.items() if member != name}
    yield _failed(
        "token-stripped",
        bundles.derived(stripped),
        "the token was taken out and the datapackage made again",
        "TS_MISSING",
        "TIME",
        "WACZ_SIG",
    )
    yield _unclear(
        "token-announced-and-missing",
        shop.members(timestamps=2),
        "the record requires two tokens, and there is one",
        "TS_MISSING",
    )
    yield _unclear(
        "token-twice-by-one-authority",
        shop.members(timestamps=2, authorities=(shop.authority, shop.authority)),
        "two tokens are required, and both are by one authority",
        "TS_MISSING",
    )
    for label, authority, code in (
        ("unknown-authority", shop.unknown_authority, "TS_UNTRUSTED"),
        ("wrong-policy", shop.other_policy, "TS_POLICY"),
        ("revoked-authority", shop.revoked_authority, "TS_REVOKED"),
    ):
        token = authority.response(good[names.signature(1)])
        yield _unclear(f"token-{label}", with_token(token), f"a token: {label}", code, "TIME")
    hardware = shop.members(shop.hardware)
    yield Vector(
        name="no-wacz-signature",
        why="a key in hardware makes no WACZ signature, and the record says so",
        data=pack(hardware),
        verdict=PASSED,
    )
    smuggled = shop.unknown_authority.response(b"anything")
    yield _unclear(
        "token-smuggled",
        bundles.derived({**hardware, names.token(1, 2): smuggled}),
        "a second token by nobody, where no WACZ signature covers the tokens",
        "TS_UNTRUSTED",
    )
    yield _unclear(
        "token-long-after-sealing",
        shop.members(offset=-10 * DAY),
        "the token is ten days younger than the seal",
        "TIME",
    )
    yield _failed(
        "token-before-sealing",
        shop.members(offset=timedelta(minutes=30)),
        "sealed, it says, half an hour after its token",
        "TIME",
    )


def _derived(shop: Workshop) -> Iterator[Vector]:
    good = shop.good_bundle

    def digest_file(edit: Callable[[Record], None]) -> Members:
        value = json.loads(good[names.DATAPACKAGE_DIGEST])
        edit(value)
        return {**good, names.DATAPACKAGE_DIGEST: canonical_json.dumps(value)}

    package = json.loads(good[names.DATAPACKAGE])
    package["title"] = "Another title"
    edited = canonical_json.dumps(package)
    yield _failed(
        "datapackage-title",
        {**good, names.DATAPACKAGE: edited},
        "another title in datapackage.json",
        "DERIVED",
    )
    text = wacz.hash_text(digest_bytes(edited))
    yield _failed(
        "insider-datapackage-title",
        {
            **good,
            names.DATAPACKAGE: edited,
            names.DATAPACKAGE_DIGEST: wacz.digest_file(
                digest_bytes(edited),
                created=bundles.record_of(good)["sealed_at"],
                software=bundles.SOFTWARE,
                public_key=shop.signer.public_key,
                signature=shop.signer.sign_wacz_hash(text.encode()),
            ),
        },
        "another title in datapackage.json, under a good WACZ signature",
        "DERIVED",
    )
    yield _failed(
        "wacz-signature-removed",
        digest_file(lambda value: value.pop("signedData")),
        "the WACZ signature is gone",
        "WACZ_SIG",
    )
    signed = json.loads(good[names.DATAPACKAGE_DIGEST])["signedData"]

    def signature(data: bytes) -> Members:
        return digest_file(
            lambda value: value["signedData"].update(signature=base64.b64encode(data).decode())
        )

    raw = base64.b64decode(signed["signature"])
    r, s = _halves(raw)
    twin = r + (_N384 - int.from_bytes(s, "big")).to_bytes(48, "big")
    forged = shop.stranger.sign_wacz_hash(signed["hash"].encode())
    for label, data in (
        ("forged", forged),
        ("twin", twin),
        ("short", raw[:-1]),
        ("zero", bytes(96)),
    ):
        yield _failed(
            f"wacz-signature-{label}", signature(data), f"the WACZ signature: {label}", "WACZ_SIG"
        )
    yield _failed(
        "wacz-software",
        digest_file(lambda value: value["signedData"].update(software="forged")),
        "another name of the software in datapackage-digest.json",
        "DERIVED",
    )
    yield _failed(
        "wacz-not-json",
        {**good, names.DATAPACKAGE_DIGEST: good[names.DATAPACKAGE_DIGEST] + b"\n"},
        "datapackage-digest.json is not canonical",
        "DERIVED",
    )


def _records(shop: Workshop) -> Iterator[Vector]:
    record = shop.good_bundle[names.CAPTURE_RECORD]
    for label, data in (
        ("not-canonical", record.replace(b'":', b'": ', 1)),
        ("float", record.replace(b'"text_characters":0', b'"text_characters":0.5')),
        ("duplicate-key", record[:-1] + b',"who":{}}'),
        (
            "large-number",
            record.replace(b'"text_characters":0', b'"text_characters":9007199254740992'),
        ),
        ("not-utf-8", record[:-1] + b'"\xff"}'),
        ("empty", b""),
        ("deep", b"[" * 5000 + b"]" * 5000),
    ):
        if data == record:
            raise ValueError(f"{label} is no change")
        yield _failed(
            f"insider-record-{label}",
            shop.insider({names.CAPTURE_RECORD: data}),
            f"capture.json: {label}",
            "JSON",
        )

    def sets(**fields: Any) -> Callable[[Record], None]:
        return lambda record: record.update(fields)

    def when(**fields: Any) -> Callable[[Record], None]:
        return lambda record: record["when"].update(fields)

    good = bundles.record_of(shop.good_bundle)
    signer = good["signers"][0]
    for name, edit in (
        ("format", sets(format="snapshotter-capture/2")),
        ("no-signers", sets(signers=[])),
        ("key-twice", sets(signers=[signer, {**signer, "slot": "sig-02"}])),
        ("wrong-slot", sets(signers=[{**signer, "slot": "sig-02"}])),
        ("bundle-id", sets(bundle_id="../../evil")),
        ("bundle-id-of-no-day", sets(bundle_id="20261332t000000z-abcdefghijklmnop")),
        ("true-is-no-number", sets(requires={"log": False, "signatures": True, "timestamps": 1})),
        ("local-time", sets(sealed_at=good["sealed_at"].replace("Z", "+00:00"))),
    ):
        yield _failed(
            f"insider-record-{name}", shop.insider_record(edit), f"capture.json: {name}", "FORMAT"
        )
    # These four move an instant and leave its milliseconds where they were.
    yield _failed(
        "insider-times-out-of-order",
        shop.insider_record(when(started_at="2200-01-01T00:00:00Z")),
        "captured after it was sealed, and its milliseconds say another time",
        "FORMAT",
    )
    sealed = canonical_json.parse_instant(good["sealed_at"])

    def began(at: datetime, *, named: datetime, with_ms: bool = True) -> Callable[[Record], None]:
        def edit(record: Record) -> None:
            record["bundle_id"] = bundles.bundle_id(named)
            moments = {"started_at": at, "ended_at": at + timedelta(seconds=5)}
            if with_ms:
                moments |= {f"navigation_{name}": at for name in moments}
            for name, moment in moments.items():
                record["when"][name] = canonical_json.instant(moment)
                if with_ms:
                    record["when"][f"{name}_ms"] = canonical_json.milliseconds(moment)

        return edit

    long_ago, year_2200 = datetime(1999, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
    three_hours, an_hour = sealed - timedelta(hours=3), sealed - timedelta(hours=1)
    for name, at, why in (
        ("insider-backdated", long_ago, "it says that it was captured in 1999"),
        ("insider-capture-of-three-hours", three_hours, "captured three hours before its seal"),
        ("insider-capture-of-an-hour", an_hour, "captured an hour before its seal"),
    ):
        yield _failed(
            name,
            shop.insider_record(began(at, named=at, with_ms=False)),
            f"{why}, and its milliseconds say another time",
            "FORMAT",
        )
    yield _failed(
        "insider-times-out-of-order-throughout",
        shop.insider_record(
            when(
                started_at=canonical_json.instant(year_2200),
                started_at_ms=canonical_json.milliseconds(year_2200),
            )
        ),
        "captured after it was sealed",
        "TIME",
    )
    yield _unclear(
        "insider-backdated-throughout",
        shop.insider_record(began(long_ago, named=long_ago)),
        "sealed now, and captured, it says, in 1999",
        "TIME",
    )
    yield _unclear(
        "insider-capture-of-three-hours-throughout",
        shop.insider_record(began(three_hours, named=three_hours)),
        "captured three hours before it was sealed; none takes more than two",
        "TIME",
    )
    yield _unclear(
        "insider-id-of-another-time",
        shop.insider_record(sets(bundle_id=bundles.bundle_id(sealed - timedelta(minutes=10)))),
        "the id is of ten minutes before the capture",
        "TIME",
    )
    yield Vector(
        name="insider-capture-of-an-hour-throughout",
        why="the longest capture that a policy allows: nothing is wrong with it",
        data=pack(shop.insider_record(began(an_hour, named=an_hour))),
        verdict=PASSED,
    )
    yield _unclear(
        "insider-two-signatures-required",
        shop.insider_record(sets(requires={"log": False, "signatures": 2, "timestamps": 1})),
        "the record requires two signatures, and there is one",
        "QUORUM",
    )
    yield _unclear(
        "insider-log-required",
        shop.insider_record(sets(requires={"log": True, "signatures": 1, "timestamps": 1})),
        "the record requires a log proof",
        "LOG_MISSING",
    )
    yield _failed(
        "insider-second-signer-missing",
        shop.insider_record(
            sets(
                signers=[
                    signer,
                    {**signer, "key_id": shop.other.key_id, "slot": "sig-02"},
                ]
            )
        ),
        "the record names two signers, and one has signed",
        "SIG_MISSING",
    )
    custody = shop.good_bundle[names.CUSTODY]
    lines = custody.splitlines(keepends=True)
    last = custody_chain.parse(custody)[-1]
    late = replace(last, at=last.at + timedelta(seconds=1))
    for name, data in (
        ("after-the-seal", custody_chain.encode([late])),
        ("link-broken", custody.replace(b'"outcome":"success"', b'"outcome":"failure"', 1)),
        ("event-removed", lines[1]),
        ("event-edited", custody.replace(b"a", b"b", 1)),
        ("no-newline", custody[:-1]),
        ("empty", b""),
    ):
        yield _failed(
            f"insider-custody-{name}",
            shop.insider({names.CUSTODY: data}),
            f"the custody chain: {name}",
            "CUSTODY",
        )


def _server_signatures(shop: Workshop) -> Iterator[Vector]:
    data = shop.server_signatures()
    path = names.SERVER_SIGNATURES
    good = shop.members(contents={**bundles.CONTENTS, path: data})
    yield Vector(
        name="server-signature",
        why="what the servers signed in their handshakes holds",
        data=pack(good),
        verdict=PASSED,
    )

    def insider(changes: Members, without: str = "") -> Members:
        members = {name: content for name, content in good.items() if name != without}
        if without:  # the record goes on to name it
            changes = {**changes, names.CAPTURE_RECORD: good[names.CAPTURE_RECORD]}
        return bundles.resealed(members, changes, shop.signer, shop.stamp)

    def edited(edit: Callable[[SignedSession], SignedSession]) -> Members:
        kept = server_signature.parse(data)
        first, *rest = kept.sessions
        changed = replace(kept, sessions=(edit(first), *rest))
        return insider({path: server_signature.encode(changed)})

    def handshake(session: SignedSession) -> SignedSession:
        spoiled = flipped(session.messages[0], 20)  # of the ClientHello's random value
        return replace(session, messages=(spoiled, *session.messages[1:]))

    def signature(session: SignedSession) -> SignedSession:
        return replace(session, messages=(*session.messages[:-1], flipped(session.messages[-1])))

    def chain(session: SignedSession) -> SignedSession:
        return replace(session, chain=(flipped(session.chain[0]), *session.chain[1:]))

    def host(session: SignedSession) -> SignedSession:
        return replace(session, host="c.example.test")

    edits: tuple[tuple[str, str, Callable[[SignedSession], SignedSession]], ...] = (
        ("handshake", "one bit of a handshake message was changed", handshake),
        ("signature", "one bit of the server's signature was changed", signature),
        ("chain", "one bit of the certificate chain was changed", chain),
        ("host", "the host is not the one that was asked for", host),
    )
    for name, why, edit in edits:
        yield _failed(f"insider-server-signature-{name}", edited(edit), why, "SERVER_SIG")
    yield _failed(
        "insider-server-signature-form",
        insider({path: data.replace(b"snapshotter-tls/1", b"snapshotter-tls/2")}),
        f"{path} is of no form that is known",
        "SERVER_SIG",
    )
    yield _failed(
        "insider-server-signature-missing",
        insider({}, without=path),
        f"the record announces {path}, and it is not there",
        "SERVER_SIG",
    )


def agreement(shop: Workshop) -> Iterator[Vector]:
    """Yield the vectors of records that contradict themselves, or the files that they name."""
    text, verdict = "capture/page.txt", "capture/assessment.json"
    rules = b'id = "x"\n'
    good = shop.members(
        contents={
            **bundles.CONTENTS,
            text: "a \u6f22\n".encode(),
            "capture/rules-x.toml": rules,
            verdict: canonical_json.dumps(
                {"rule_files": [{"id": "x", "sha256": digest_bytes(rules).sha256}]}
            ),
        }
    )
    record = bundles.record_of(good)
    when, artifacts = record["when"], record["content"]["artifacts"]
    second = canonical_json.milliseconds(canonical_json.parse_instant(when["ended_at"]))

    def insider(**fields: Any) -> Members:
        changed = {names.CAPTURE_RECORD: canonical_json.dumps(record | fields)}
        return bundles.resealed(good, changed, shop.signer, shop.stamp)

    def with_file(path: str, data: bytes) -> Members:
        changes = {names.CAPTURE_RECORD: good[names.CAPTURE_RECORD], path: data}
        return bundles.resealed(good, changes, shop.signer, shop.stamp)

    for name, ms in (("first", second), ("last", second + 1000)):
        yield Vector(
            name=f"{name}-millisecond",
            why=f"the {name} millisecond that ended_at may have: nothing is wrong with it",
            data=pack(insider(when=when | {"ended_at_ms": ms})),
            verdict=PASSED,
        )
    years, day = 5 * 365 * 24 * 3600 * 1000, 24 * 3600 * 1000
    content, ended = record["content"], canonical_json.parse_instant(when["ended_at"])
    yield _failed(
        "insider-milliseconds-of-years-ago",
        insider(when=when | {"ended_at_ms": second - years}),
        "ended_at_ms is five years before ended_at",
        "FORMAT",
    )
    yield _failed(
        "insider-millisecond-too-late",
        insider(when=when | {"ended_at_ms": second + 1001}),
        "ended_at_ms is in the second behind that of ended_at",
        "FORMAT",
    )
    for name, path, data in (
        ("warc", "archive/data.warc.gz", b"another capture"),
        ("picture", "capture/screenshot.png", flipped(bundles.PNG)),
    ):
        yield _failed(
            f"insider-{name}-of-another-capture",
            with_file(path, data),
            f"{path} of another capture; the record names the digests of this one's",
            "BLAKE3",
            "HASH",
        )
    yield _failed(
        "insider-artifact-not-named",
        insider(content=content | {"artifacts": artifacts[1:]}),
        "the record does not name one of the files",
        "UNLISTED",
    )
    yield _failed(
        "insider-text-characters",
        insider(content=content | {"text_characters": 5}),
        "the record counts other characters than the text has",
        "FORMAT",
    )
    yield _failed(
        "insider-two-statuses",
        insider(what=record["what"] | {"http_status": 404}),
        "the status of the answer is 200, and the record says 404 as well",
        "FORMAT",
    )
    yesterday = {
        "navigation_ended_at": canonical_json.instant(ended - DAY),
        "navigation_ended_at_ms": second - day,
    }
    yield _unclear(
        "insider-navigation-of-yesterday",
        insider(when=when | yesterday),
        "the navigation ended a day before the capture began",
        "TIME",
    )


def _announcing(value: Record, record: Record) -> None:
    record["redactable"] = value


def redactable(shop: Workshop) -> Iterator[Vector]:
    """The redactable record: docs/spec/redactable-record.md."""
    good = shop.good_bundle
    closed = json.loads(good[names.REDACTABLE_RECORD])
    yield Vector(
        name="record-version-2",
        why="a record with its redactable form: nothing is wrong with it",
        data=pack(good),
        verdict=PASSED,
    )

    def sealed(value: Record) -> Members:
        """The good bundle with another redactable record, which the record names."""
        data = canonical_json.dumps(value)
        record, digests = bundles.record_of(good), digest_bytes(data)
        for artifact in record["content"]["artifacts"]:
            if artifact["path"] == names.REDACTABLE_RECORD:
                artifact |= {
                    "length": digests.length,
                    "sha256": digests.sha256,
                    "blake3": digests.blake3,
                }
        changes = {
            names.REDACTABLE_RECORD: data,
            names.CAPTURE_RECORD: canonical_json.dumps(record),
        }
        return bundles.resealed(good, changes, shop.signer, shop.stamp)

    other = closed["what"] | {"title": closed["what"]["final_url"]}
    yield _failed(
        "insider-commitment-of-another-value",
        sealed(closed | {"what": other}),
        "the commitment of the title is that of the address",
        "COMMITMENT",
    )
    yield _failed(
        "insider-value-without-commitment",
        sealed(closed | {"what": closed["what"] | {"title": "A page"}}),
        "the title stands in the redactable record as it is",
        "COMMITMENT",
    )
    yield _failed(
        "insider-other-status",
        sealed(closed | {"what": closed["what"] | {"http_status": 404}}),
        "the redactable record states another status than the record",
        "COMMITMENT",
    )
    announced = bundles.record_of(good)["redactable"]
    for name, why, value in (
        ("short-key", "the key of the salts has 16 bytes", announced | {"salt_key": "0" * 32}),
        (
            "closes-a-proof",
            "the record lets the digests of files be closed",
            announced | {"fields": ["/content/artifacts/*/sha256"]},
        ),
    ):
        yield _failed(
            f"insider-{name}",
            shop.insider_record(partial(_announcing, value)),
            why,
            "COMMITMENT",
        )
    yield _failed(
        "insider-not-announced",
        shop.insider_record(lambda record: record.pop("redactable")),
        "the record does not announce its redactable form",
        "COMMITMENT",
    )


def redacted(shop: Workshop) -> Iterator[Vector]:
    """Redacted copies: docs/spec/redacted-copy.md."""
    whole = shop.good_bundle
    closed = json.loads(whole[names.REDACTABLE_RECORD])

    def copy_of(members: Members) -> Members:
        """A copy without title and addresses; what a record does not open is left as it is."""
        record = bundles.record_of(members)
        shown = [
            opening
            for opening in openings.of_record(record)
            if opening.pointer.startswith("/how/environment/")
        ]
        withheld = (*names.NEVER_IN_REDACTED, names.CUSTODY, *bundles.CONTENTS)
        return {
            **{name: data for name, data in members.items() if name not in withheld},
            names.OPENINGS: openings.encode(record["bundle_id"], shown),
        }

    def insider(value: Record) -> Members:
        """A copy of a bundle that the key sealed with another redactable record."""
        changes = {
            names.CAPTURE_RECORD: whole[names.CAPTURE_RECORD],
            names.REDACTABLE_RECORD: canonical_json.dumps(value),
        }
        return copy_of(bundles.resealed(whole, changes, shop.signer, shop.stamp))

    def with_openings(edit: Callable[[list[Record]], object]) -> Members:
        value = json.loads(good[names.OPENINGS])
        edit(value["openings"])
        return {**good, names.OPENINGS: canonical_json.dumps(value)}

    good = copy_of(whole)
    yield Vector(
        name="redacted-copy",
        why="a copy without title and addresses: nothing is wrong with it",
        data=pack(good),
        verdict=PASSED,
    )
    for name, why, edit in (
        ("value", "an opening shows another value", lambda shown: shown[0].update(value="x")),
        ("salt", "an opening has another salt", lambda shown: shown[0].update(salt="0" * 64)),
        ("short-salt", "a salt has 16 bytes", lambda shown: shown[0].update(salt="0" * 32)),
        ("twice", "an opening occurs twice", lambda shown: shown.insert(0, shown[0])),
        (
            "pointer",
            "an opening is of no commitment",
            lambda shown: shown.append({"pointer": "/who/mode", "salt": "0" * 64, "value": "x"}),
        ),
    ):
        yield _failed(f"redacted-opening-{name}", with_openings(edit), why, "COMMITMENT")
    other = openings.encode("20260115t123045z-abcdefghijklmnoq", ())
    yield _failed(
        "redacted-openings-of-another-bundle",
        {**good, names.OPENINGS: other},
        "the openings name another bundle",
        "COMMITMENT",
    )
    what = closed["what"]
    yield _failed(
        "insider-redacted-commitment-elsewhere",
        insider(closed | {"what": what | {"http_status": what["title"]}}),
        "a commitment stands in place of the status, which no field names",
        "COMMITMENT",
    )
    yield _failed(
        "insider-redacted-text",
        insider(closed | {"what": what | {"title": "A page"}}),
        "a text stands where a commitment must",
        "COMMITMENT",
    )
    yield _failed(
        "insider-redacted-closes-a-proof",
        insider(closed | {"sealed_at": what["title"]}),
        "a commitment stands in place of the time of the seal",
        "COMMITMENT",
    )
    yield _failed(
        "redacted-with-its-record",
        {**good, names.CAPTURE_RECORD: whole[names.CAPTURE_RECORD]},
        "the copy contains the record that it withholds",
        "UNLISTED",
    )
    yield _failed(
        "redacted-flipped",
        {**good, "capture/policy.toml": flipped(good["capture/policy.toml"])},
        "a file of the copy was changed",
        "BLAKE3",
        "HASH",
    )
    yield _unclear(
        "redacted-token-removed",
        {name: data for name, data in good.items() if not name.endswith(".tsr")},
        "the token was removed, which nothing in a copy covers",
        "TIME",
        "TS_MISSING",
    )


def write(target: Path, make: Callable[[Workshop], Iterator[Vector]]) -> int:
    """Write vectors below `target` in place of those that are there; return how many."""
    with tempfile.TemporaryDirectory() as work:
        shop = Workshop(Path(work))
        made = list(make(shop))
        if len({vector.name for vector in made}) != len(made):
            raise ValueError("two vectors have one name")
        for folder in target.iterdir() if target.is_dir() else ():
            # Folders of other series and of releases contain no bundle of their own: they stay.
            if (folder / "bundle.wacz").is_file() or folder.name == "trust":
                shutil.rmtree(folder)
        trust = target / "trust"
        trust.mkdir(parents=True)
        for name, p256 in (("trust", False), ("allows-p256", True)):
            data = shop.trust(p256=p256)
            (trust / f"{name}.json").write_bytes(data)
            (trust / f"{name}.json.sig").write_bytes(
                shop.root.sign(data, ec.ECDSA(hashes.SHA384()))
            )
        (trust / "root-key-id.txt").write_text(keys.key_id(shop.root.public_key()) + "\n")
        (trust / "authority-root.pem").write_bytes(
            shop.authority.anchor.root.public_bytes(Encoding.PEM)
        )
        (trust / "signer.pem").write_bytes(shop.signer.public_key_pem)
    for vector in made:
        folder = target / vector.name
        folder.mkdir()
        (folder / "bundle.wacz").write_bytes(vector.data)
        if vector.sidecar:
            (folder / "bundle.wacz.late-01.tsr").write_bytes(vector.sidecar)
        (folder / "README").write_text(f"{vector.why}\n", encoding="utf-8")
        expected = {
            "codes": sorted(vector.codes),
            "trust": f"{vector.trust}.json",
            "verdict": vector.verdict,
        }
        (folder / "expected.json").write_text(json.dumps(expected, indent=2) + "\n")
    return len(made)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "series",
        nargs="?",
        choices=["agreement", "redactable", "redacted"],
        help="write one series alone",
    )
    only = parser.parse_args().series
    # Later series have keys of their own: what is committed stays.
    count = 0
    if only is None:
        count += write(TARGET, vectors)
    later = (("agreement", agreement), ("redactable", redactable), ("redacted", redacted))
    for name, series in later:
        if only in (None, name):
            count += write(TARGET / name, series)
    print(f"{count} vectors written to {TARGET}")
