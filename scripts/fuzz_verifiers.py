"""
Compare both verifiers on files that nobody wrote down: edits by a seed, most of them sealed again with the key.

    make fuzz SECONDS=600 SEED=7              edit until the time is over
    python scripts/fuzz_verifiers.py --seed 7 --only 1234      make one case again

`scripts/tamper_suite.py` says of each case what it must give. Here nobody knows it: two verifiers that share no code
have to give the same verdict, codes and renewals, and neither may break. A case is named by the seed and its
number. What the two disagree about is written to a folder, with the trust file, and can be judged again by itself:

    python scripts/verify_minimal.py --trust CASE/trust.json --root-key "$(cat CASE/root-key)" CASE/bundle.wacz
    python -m snapshotter.verify --trust CASE/trust.json --root-key "$(cat CASE/root-key)" CASE/bundle.wacz

Keys are made anew for each run, so the same case of two runs has other signatures, and nothing else.
"""

import argparse
import base64
import contextlib
import copy
import hashlib
import json
import random
import resource
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts import tamper_suite
from scripts.tamper_suite import Shop
from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import names
from snapshotter.formats.bundle.wacz import canonical_signature
from snapshotter.formats.signatures import keys
from snapshotter.formats.tls import server_signature
from snapshotter.formats.tls.handshake import HELLO_RETRY_REQUEST, TlsMalformed
from snapshotter.formats.tls.names import CIPHERS, GROUPS, SIGNATURE_SCHEMES, VERSIONS, named
from snapshotter.formats.tls.server_signature import SignedSession
from tests import bundles
from tests.bundles import Members, pack
from tests.forged import (
    Der,
    Served,
    Stamper,
    certificates,
    der,
    extensions,
    message,
    servers,
    tls_file,
    vector,
)
from tests.unit.verify.test_minimal_verifier import remembering_openssl
from tests.unit.verify.test_tamper_suite import Judgement, by_the_first, by_the_second

SEED = 20261124
MAX_MEMORY = 300 << 10  # KiB that this process may come to; both verifiers are in it
MAX_CASE_S = 60  # for one case by both
Dice = random.Random
Case = tuple[
    bytes, dict[str, bytes]
]  # the bundle, and what stands beside it, by what follows its name
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 9, 10, 64, 65, 500, 1000, 10_000, 10_001, 1_000_000, 1_000_001),
    *(2**31 - 1, 2**31, 2**53 - 1, 1 - 2**53, 65_535, 65_536, "", "x", "\0", "é", "\n", "\u2028", "\u202e"),
    *([], {}, [0], [[]], {"a": 1}, "1", " ", "x" * 500, "x" * 501, "0" * 64, "A" * 64, "a" * 63),
    *("0999-12-31T23:59:59Z", "1000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-02-29T00:00:00Z"),
    *("2026-11-24T24:00:00Z", "2026-11-24T23:59:60Z", "2026-11-24T00:00:00.0Z", "2026-11-24 00:00:00Z"),
)  # fmt: skip


# --- edits of bytes, JSON and DER --------------------------------------------------------------


def edited_bytes(data: bytes, dice: Dice) -> bytes:
    """Return `data` with one edit."""
    at = dice.randrange(len(data) + 1)
    kind = dice.randrange(6)
    if kind == 0 and at < len(data):  # a bit
        return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]
    if kind == 1 and at < len(data):  # a byte
        return data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :]
    if kind == 2:
        return data[:at]
    if kind == 3:
        return data[:at] + data[at + dice.randrange(1, 9) :]
    if kind == 4:
        return data[:at] + dice.randbytes(dice.randrange(1, 5)) + data[at:]
    other = dice.randrange(len(data) + 1)  # a piece again
    return data[:at] + data[other : other + dice.randrange(1, 65)] + data[at:]


def edited_json(data: bytes, dice: Dice) -> bytes:
    """Return canonical JSON with one value replaced, moved, taken away or put twice; sometimes with more."""
    value = json.loads(data)
    for _ in range(dice.choice([1, 1, 1, 2, 3])):
        if isinstance(value, dict | list) and value:
            _edit_value(value, dice)
    try:
        return canonical_json.dumps(value)
    except ValueError:
        return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for step in sorted(value) if isinstance(value, dict) else range(len(value)):
        yield value, step
        if isinstance(value[step], dict | list):
            yield from _places(value[step])


def _edit_value(value: Any, dice: Dice) -> None:
    place = value
    while True:
        step = dice.choice(sorted(place) if isinstance(place, dict) else range(len(place)))
        if not (isinstance(place[step], dict | list) and place[step] and dice.random() < 0.8):
            break
        place = place[step]
    old, kind = copy.deepcopy(place[step]), dice.randrange(8)
    if kind == 0:
        del place[step]
    elif kind == 1 and isinstance(place, list):
        again = dice.choice([1, 1, 1, 8, 64])
        place[step:step] = [copy.deepcopy(old) for _ in range(again)]
    elif kind == 1:
        place[dice.choice(["a", "zz", "note"])] = old
    elif kind == 2 and isinstance(old, str) and old:
        at = dice.randrange(len(old))
        place[step] = old[:at] + dice.choice("09aZ-. é\n") + old[at + 1 :]
    elif kind == 3 and type(old) is int:
        place[step] = old + dice.choice([-1, 1, 1000])
    elif kind == 4 and isinstance(old, str) and old[-1:] == "Z":
        place[step] = _moved(old, dice)
    elif kind == 5:  # what stands in another place
        elsewhere, other = dice.choice(list(_places(value)))
        place[step] = copy.deepcopy(elsewhere[other])
    elif kind == 6 and isinstance(place, list):
        dice.shuffle(place)
    else:
        place[step] = copy.deepcopy(dice.choice(ODD))


def _moved(text: str, dice: Dice) -> str:
    """Return an instant that is moved by as much as matters to a verifier."""
    try:
        at = canonical_json.parse_instant(text)
        by = dice.choice([1, 10, 299, 300, 301, 7199, 7200, 7201, 604_800, 604_801, 10**8])
        return canonical_json.instant(at + timedelta(seconds=dice.choice([-1, 1]) * by))
    except (EvidenceInvalid, OverflowError):
        return text


def edit_der(tree: Der, dice: Dice) -> None:
    """Change one value below `tree`, all lengths as they have to be then."""
    place = dice.choice([part for part in tree.all() if part.parts])
    parts = place.parts or []
    step, kind = dice.randrange(len(parts)), dice.randrange(6)
    if kind == 0:
        del parts[step]
    elif kind == 1:
        parts.insert(dice.randrange(len(parts) + 1), parts[step])
    elif kind == 2:
        dice.shuffle(parts)
    elif kind == 3:
        parts[step].tag = dice.choice([parts[step].tag ^ 1 << dice.randrange(8), 2, 4, 5, 12, 0x30])
    elif kind == 4 or parts[step].parts is not None:
        tag, content = dice.choice(
            [(5, b""), (1, b"\xff"), (2, b"\x01"), (0x30, b""), (12, b"\xff")]
        )
        parts.insert(step, Der(tag, None, content))
    else:
        parts[step].content = edited_bytes(parts[step].content, dice)


# --- handshakes --------------------------------------------------------------------------------


def _edited_extensions(data: bytes, dice: Dice, host: str) -> bytes:
    """Return a list of extensions with one more, less, other or twice."""
    found = extensions(data)
    name = vector(b"\0" + vector(host.encode(), 2), 2)
    special = [
        (0, name), (0, name.upper()), (0, b""), (0, b"\0\0"), (0, vector(b"\1" + vector(b"x", 2), 2)), (0, name + b"x"),
        (0, vector(b"\0" + vector(b"x", 2) + b"\0" + vector(host.encode(), 2), 2)), (0, vector(b"\0" + vector(b"203.0.113.7", 2), 2)),
        (16, vector(vector(b"h2", 1) + vector(b"h3", 1), 2)), (16, vector(vector(b"\xff\x00", 1), 2)), (16, b"\0\0"), (16, b"\0\5\2h"),
        (16, vector(vector(b"x" * 250, 1), 2)), (13, b"\0\3\4\3\5"), (13, b"\0\0"), (13, b"\0\2\4\3junk"), (41, b"\0\0"), (41, b"\0\1"), (41, b"\0\2\0\0"),
        (43, b"\3\4"), (43, b"\0\3\4"), (43, b"\3\3"), (43, b"\3"), (51, b"\0\x1d"), (51, b"\0"), (51, b""), (18, b"\0\2\0\0"), (5, b"\1\0\0\0"), (5, b"\2"),
    ]  # fmt: skip
    at, kind = dice.randrange(len(found) + 1), dice.randrange(6)
    if kind == 0 and found:
        del found[at % len(found)]
    elif kind == 1 and found:
        found.insert(at, dice.choice(found))
    elif kind == 2 and found:
        number, content = found[at % len(found)]
        found[at % len(found)] = (number, edited_bytes(content, dice))
    elif kind == 3:
        dice.shuffle(found)
    else:
        fresh = dice.choice(special)
        found = [extension for extension in found if extension[0] != fresh[0]]
        found.insert(min(at, len(found)), fresh)
    return b"".join(struct.pack(">H", number) + vector(content, 2) for number, content in found)


def edited_handshake(served: Served, dice: Dice) -> SignedSession:
    """Return a session in which a message says something else, signed by the server again."""
    session, sent = served.session, list(served.session.messages)
    is_13 = session.version == "TLS 1.3"
    kind, scheme = dice.randrange(8), None
    if kind == 0:
        sent[0] = _with_extensions(sent[0], _after_hello(sent[0]), dice, session.host)
    elif kind == 1:
        sent[1] = _with_extensions(sent[1], 4 + 2 + 32 + 1 + sent[1][38] + 3, dice, session.host)
    elif kind == 2 and is_13:
        sent[2] = _with_extensions(sent[2], 4, dice, session.host)
    elif kind == 3:
        at = 1 if dice.random() < 0.7 else 0  # a number, or the random value, of a hello
        place, length = 39 + sent[1][38], 2
        new = dice.choice([0x1301, 0x1302, 0x1303, 0x1304, 0x1399, 0xC02F, 0xC0AC, 0x009C, 0x0A0A])
        if at == 0 or dice.random() < 0.3:
            place, length, new = 6, 32, int.from_bytes(HELLO_RETRY_REQUEST, "big")
        sent[at] = sent[at][:place] + new.to_bytes(length, "big") + sent[at][place + length :]
    elif kind in (4, 5):
        sent[-2] = _edited_certificates(sent[-2], is_13=is_13, dice=dice)
    elif kind == 6:
        scheme = dice.choice([*SIGNATURE_SCHEMES, 0x0A0A])
    else:
        number = dice.randrange(len(sent))
        sent[number] = message(sent[number][0], edited_bytes(sent[number][4:], dice))
    if dice.random() < 0.1:
        sent.insert(dice.randrange(len(sent) + 1), dice.choice(sent))
    try:
        messages = served.signed(sent, scheme)
    except (IndexError, ValueError, struct.error):
        messages = tuple(sent)
    changed = replace(session, messages=messages)
    return _as_read(changed) if dice.random() < 0.9 else changed


def _after_hello(hello: bytes) -> int:
    """Return where the extensions of a ClientHello begin."""
    at = 4 + 2 + 32
    at += 1 + hello[at]
    at += 2 + int.from_bytes(hello[at : at + 2], "big")
    return at + 1 + hello[at]


def _with_extensions(sent: bytes, at: int, dice: Dice, host: str) -> bytes:
    try:
        changed = _edited_extensions(sent[at + 2 :], dice, host)
    except struct.error:
        changed = edited_bytes(sent[at + 2 :], dice)
    return message(sent[0], sent[4:at] + vector(changed, 2))


def _edited_certificates(sent: bytes, *, is_13: bool, dice: Dice) -> bytes:
    """Return a Certificate, or a CompressedCertificate, in which one certificate is another."""
    entries = certificates(sent, is_13=is_13)
    kind, number = dice.randrange(7), dice.randrange(len(entries))
    context = b""
    if kind == 0:
        entries.insert(number, [dice.choice([b"", b"\x30\0", entries[0][0]]), b""])
    elif kind == 1:
        entries += [entries[-1]] * dice.choice([1, 61, 62, 63])
    elif kind == 2 and is_13:
        entries[0][1] = _edited_extensions(entries[0][1], dice, "x")
    elif kind == 3:
        context = dice.choice([b"", b"x"])
        del entries[number]
    else:
        with_name = der(entries[0][0])
        _edit_certificate(with_name, dice)
        entries[0][0] = with_name.encode()
    body = b"".join(
        vector(certificate, 3) + (vector(more, 2) if is_13 else b"")
        for certificate, more in entries
    )
    body = (vector(context, 1) if is_13 else b"") + vector(body, 3)
    if not is_13 or dice.random() < 0.7:
        return message(11, body)
    packed = dice.choice(
        [zlib.compress(body), zlib.compress(body)[:-1], zlib.compress(body) + b"x", b"x"]
    )
    length = len(body) + dice.choice([0, 0, 0, 1, -1, 32 << 10])
    algorithm = dice.choice([1, 1, 1, 3, 9])
    head = algorithm.to_bytes(2, "big") + length.to_bytes(3, "big")
    return message(25, head + vector(packed, 3))


def _edit_certificate(certificate: Der, dice: Dice) -> None:
    """Change a certificate somewhere, or its names, which nobody but its issuer vouches for."""
    listed = certificate.at(0, -1, 0)
    names_ = next(
        (part for part in listed.parts or [] if part.at(0).content == b"\x55\x1d\x11"), None
    )
    kind = dice.randrange(4)
    if kind == 0 or names_ is None:
        edit_der(certificate, dice)
    elif kind == 1:
        edit_der(listed, dice)
    else:
        try:
            inside = der(names_.at(-1).content)
        except (ValueError, IndexError):
            return  # an edit before this one
        fresh = [
            Der(0x82, None, b"h0.example.test."), Der(0x82, None, b"\xff.example.test"), Der(0x82, None, b"*.example.test"), Der(0x82, None, b"*.*"),
            Der(0x87, None, b"\xcb\0\x71"), Der(0x87, None, bytes(16)), Der(0x81, None, b"a@b"), Der(0x86, None, b"x:\xff"), Der(0x88, None, b"\x2a\x03"),
            Der(0xA0, [Der(6, None, b"\x2a\x03"), Der(0xA0, [Der(12, None, b"x")])]), Der(0xA4, [Der(0x30, [])]), Der(0xA5, []), Der(0x82, None, b""),
        ]  # fmt: skip
        parts = inside.parts or []
        if kind == 2:
            parts.insert(dice.randrange(len(parts) + 1), dice.choice(fresh))
        else:
            edit_der(Der(0x30, [inside]), dice)
        names_.at(-1).content = inside.encode()


def _as_read(session: SignedSession) -> SignedSession:
    """
    Return the session with what the first verifier reads in its messages, as far as it does.

    What it can not read must not hide that the other one can: the chain then is what was sent.
    """
    try:
        said = server_signature._read(session.messages)
        leaf = server_signature._leaf(said)
        return replace(
            session,
            version=named(VERSIONS, said.answer.version),
            cipher=named(CIPHERS, said.answer.cipher),
            group=named(GROUPS, said.group),
            alpn=said.alpn,
            signature_scheme=named(SIGNATURE_SCHEMES, said.scheme),
            chain=said.certificates.chain,
            timestamps=server_signature._timestamps(said, session.ocsp),
            names_host=server_signature._names_host(leaf, session.host),
        )
    except (
        TlsMalformed,
        server_signature._CheckFailed,
        server_signature._CheckNotPossible,
        ValueError,
    ):
        shown = next(
            (message for message in reversed(session.messages) if message[:1] == b"\x0b"), b""
        )
        try:
            entries = certificates(shown, is_13=session.version == "TLS 1.3")
        except IndexError:
            return session
        return replace(
            session, chain=tuple(certificate for certificate, _ in entries), timestamps=()
        )


# --- the log -----------------------------------------------------------------------------------


@dataclass(slots=True)
class Note:
    """A checkpoint of the shop's log, in pieces that can be changed before they are signed."""

    shop: Shop
    lines: list[str]  # origin, size, root, more
    seen: list[tuple[str, int]]  # witness, time
    stray: list[str] = field(default_factory=list)  # further lines behind the log's

    def encode(self) -> str:
        """Return the note, signed by the log and the witnesses."""
        log, text = self.shop.log, "".join(f"{line}\n" for line in self.lines)
        lines = [log.line(log.ORIGIN, log.key_id, log.key.sign(text.encode()))]
        for name, at in self.seen:
            _, key_id = tamper_suite._note_key(name, log.BY_WITNESS, log.witnesses[name])
            over = f"cosignature/v1\ntime {at}\n{text}".encode()
            signature = struct.pack(">Q", at) + log.witnesses[name].sign(over)
            lines.append(log.line(name, key_id, signature))
        return text + "\n" + "".join([*lines, *self.stray])


def edited_note(shop: Shop, entries: list[bytes], dice: Dice) -> str:
    """Return a checkpoint of these entries with something odd in it, signed by whoever signs such."""
    log, witnesses = shop.log, sorted(shop.log.witnesses)
    root = base64.b64encode(log.root(entries)).decode()
    now = log.now
    times: tuple[int, ...] = (
        *(0, 1, now - 3600, now - 301, now - 300, now, now + 300, now + 301, now + 3600),
        *(253_402_300_799, 253_402_300_800, 2**53, 2**63, 2**64 - 1),
    )
    note = Note(shop, [log.ORIGIN, str(len(entries)), root], [(witnesses[0], now)])
    for _ in range(dice.choice([1, 1, 2])):
        kind = dice.randrange(6)
        if kind == 0:
            sizes = (
                "0",
                "1",
                "3",
                "4",
                "5",
                "01",
                "",
                " 1",
                "-1",
                "+1",
                "1e3",
                str(2**53 - 1),
                str(2**53),
                "9" * 16,
                "9" * 17,
                "9" * 19,
                "9" * 40,
            )
            note.lines[1] = dice.choice(sizes)
        elif kind == 1:
            hashes_ = (bytes(32), hashlib.sha256(b"").digest(), bytes(31), bytes(33))
            spelled = [base64.b64encode(digest).decode() for digest in hashes_]
            note.lines[2] = dice.choice([*spelled, root.rstrip("="), root + " ", "", "é"])
        elif kind == 2:
            note.lines.append(
                dice.choice(["more", "", "é", " ", "\t", "\x7f", "\x85", "\u2028", "— x AAAA"])
            )
        elif kind == 3:
            note.lines[0] = dice.choice(
                ["log.example/other", "", log.ORIGIN + " ", log.ORIGIN + "\u2028"]
            )
        elif kind == 4:
            note.seen = [
                (dice.choice(witnesses), dice.choice(times)) for _ in range(dice.randrange(5))
            ]
        else:
            other = log.line(
                dice.choice(["x", "x y", "x+y", "", "\u2028", "x\u00a0", "x" * 200, "x" * 201]),
                b"1234",
                bytes(dice.choice([0, 1, 64])),
            )
            bad = log.line(log.ORIGIN, log.key_id, bytes(dice.choice([0, 63, 64, 65])))
            lame = log.line(
                witnesses[0],
                tamper_suite._note_key(witnesses[0], 4, log.witnesses[witnesses[0]])[1],
                bytes(dice.choice([1, 7, 8, 71, 72, 73])),
            )
            note.stray += [
                dice.choice([other, other, bad, lame, "— x\n", "\n", "x\n"])
            ] * dice.choice([1, 1, 62, 63, 64])
    return note.encode()


# --- all kinds ---------------------------------------------------------------------------------


class Editor:
    """What can be edited in one place, everything around it made good again."""

    def __init__(self, shop: Shop, folder: Path) -> None:
        self.shop, self.stamp = shop, Stamper(shop.authority)
        self.served = servers(folder / "servers")
        self.good = shop.good_bundle
        self.whole = pack(self.good)
        self.bundle_id = bundles.record_of(self.good)["bundle_id"]
        self.bare = shop.members(authorities=())
        self.late = shop.stamp(self.bare[names.signature(1)])
        beside = {case.name: case.sidecars for case in tamper_suite.custody_beside(shop)}
        self.beside = beside["good-custody-beside"][".custody-0001.jsonl"]
        renewed = {case.name: case.sidecars for case in tamper_suite.renewals(shop)}
        self.renewed = [renewed["good-renewal-twice"], renewed["good-renewal-log-twice"]]
        self.entries = [
            shop.log.leaf(f"20260101t00000{n}z-abcdefghijklmnop", b"%d" % n) for n in range(3)
        ]
        required = shop.insider_record(lambda record: record["requires"].update(log=True))
        self.logged = pack(required)
        self.logged_leaf = shop.log.leaf(bundles.record_of(required)["bundle_id"], self.logged)
        self.hardware = shop.members(shop.hardware)
        contents = {**bundles.CONTENTS, names.SERVER_SIGNATURES: shop.server_signatures()}
        self.with_servers = shop.members(contents=contents)
        self.kinds: tuple[Callable[[Dice], Case], ...] = (
            self.anything, self.forged_member, self.sealed_member, self.members, self.record, self.quote, self.token, self.signed_token,
            self.uncovered_token, self.late_token, self.server_signatures, self.handshake, self.custody, self.linked_custody,
            self.custody_beside, self.linked_custody_beside, self.digest_file, self.signed_package, self.log_proof, self.log_note, self.renewal,
            self.stamped_renewal, self.mixed,
        )  # fmt: skip

    def anything(self, dice: Dice) -> Case:
        return edited_bytes(self.whole, dice), {}

    def forged_member(self, dice: Dice) -> Case:
        name = dice.choice(sorted(self.good))
        return _packed({**self.good, name: edited_bytes(self.good[name], dice)}), {}

    def sealed_member(self, dice: Dice) -> Case:
        name = dice.choice([path for path in sorted(self.good) if names.is_listed(path)])
        return self._sealed(self.good, {name: edited_bytes(self.good[name], dice)}), {}

    def members(self, dice: Dice) -> Case:
        """Members that are there too much, or not, or under another name."""
        changed = dict(self.good)
        fresh = (
            "capture/x", "capture/x.y", "capture/X.y", "capture/a..b", "capture/.x", "x", "seal/x", "seal/sig-02.der", "seal/sig-01.tsa-03.tsr",
            "seal/sig-10.der", "capture/" + "a" * 188 + ".txt", "capture/" + "a" * 189 + ".txt", "capture/tls.json", "archive/data.warc", "zz.json",
        )  # fmt: skip
        for _ in range(dice.choice([1, 2])):
            if dice.random() < 0.3:
                changed.pop(dice.choice(sorted(changed)))
            else:
                changed[dice.choice(fresh)] = dice.choice([b"", b"x", *self.good.values()])
        if names.MANIFEST_SHA256 not in changed or names.MANIFEST_BLAKE3 not in changed:
            return _packed(changed), {}
        sealed = dice.random() < 0.7
        return (self._sealed(changed, {}) if sealed else _packed(changed)), {}

    def record(self, dice: Dice) -> Case:
        return self._record(edited_json(self.good[names.CAPTURE_RECORD], dice)), {}

    def quote(self, dice: Dice) -> Case:
        """A record that quotes an odd checkpoint, in a bundle that is in the log."""
        record = bundles.record_of(self.good)
        quoted = edited_note(self.shop, self.entries[: dice.randrange(1, 4)], dice)
        record["log_checkpoint"] = quoted if dice.random() < 0.8 else _edited_text(quoted, dice)
        data = self._record(canonical_json.dumps(record))
        entries = [*self.entries, self.shop.log.leaf(self.bundle_id, data)]
        seen = self.shop.log.checkpoint(entries, {"w.example/1": self.shop.log.now})
        return data, {".tlog-proof": self.shop.log.proof(3, entries, seen)}

    def token(self, dice: Dice) -> Case:
        name = names.token(1, 1)
        changed = {**self.good, name: self._edited_token(self.good[name], dice)}
        return _packed(bundles.derived(changed, signer=self.shop.signer)), {}

    def signed_token(self, dice: Dice) -> Case:
        """A token that its authority would not make, signed by it."""
        one, attributes = dice.random() < 0.5, dice.random() < 0.3
        years = dice.choice([0, 0, 0, -20, 20, 7900])
        at = datetime.now(UTC).replace(year=2026 + min(years, 7973))

        def info(tree: Der) -> None:
            if one:
                edit_der(Der(0x30, [tree]), dice)
            elif dice.random() < 0.5:
                digits = dice.choice(
                    [b".5Z", b".50Z", b".0Z", b".123456789Z", b".1234567890Z", b"z", b"+0000"]
                )
                tree.at(4).content = tree.at(4).content[:-1] + digits

        def more(tree: Der) -> None:
            if attributes:
                edit_der(Der(0x30, [tree]), dice)

        def stamp(message: bytes) -> bytes:
            try:
                return self.stamp(message, info, more, at if dice.random() < 0.3 else None)
            except (IndexError, ValueError):
                return self.late

        return _packed(bundles.resealed(self.good, {}, self.shop.signer, stamp)), {}

    def uncovered_token(self, dice: Dice) -> Case:
        name = names.token(1, 1)
        changed = {**self.hardware, name: self._edited_token(self.hardware[name], dice)}
        return _packed(bundles.derived(changed)), {}

    def late_token(self, dice: Dice) -> Case:
        return _packed(self.bare), {".late-01.tsr": self._edited_token(self.late, dice)}

    def server_signatures(self, dice: Dice) -> Case:
        name = names.SERVER_SIGNATURES
        changes = {name: edited_json(self.with_servers[name], dice)}
        return self._sealed(self.with_servers, changes), {}

    def handshake(self, dice: Dice) -> Case:
        served = dice.choice(self.served)
        host = served.session.host
        if dice.random() < 0.25:
            other = dice.choice(
                ["", host.upper(), host + ".", "[::1]", "203.0.113.7", "a." + host, "é", "x"]
            )
            session = replace(served.session, host=other, names_host=dice.random() < 0.5)
        else:
            session = edited_handshake(served, dice)
        data = tls_file(session)
        return self._sealed(self.with_servers, {names.SERVER_SIGNATURES: data}), {}

    def custody(self, dice: Dice) -> Case:
        lines = self.good[names.CUSTODY].splitlines(keepends=True)
        at = dice.randrange(len(lines))
        lines[at] = edited_json(lines[at], dice) + b"\n"
        return self._sealed(self.good, {names.CUSTODY: b"".join(lines)}), {}

    def linked_custody(self, dice: Dice) -> Case:
        lines = _linked(self.good[names.CUSTODY], "0" * 64, dice)
        return self._sealed(self.good, {names.CUSTODY: lines}), {}

    def custody_beside(self, dice: Dice) -> Case:
        lines = self.beside.splitlines(keepends=True)
        at = dice.randrange(len(lines))
        if dice.random() < 0.3:
            return self.whole, {".custody-0001.jsonl": edited_bytes(self.beside, dice)}
        lines[at] = edited_json(lines[at], dice) + b"\n"
        return self.whole, {".custody-0001.jsonl": b"".join(lines)}

    def linked_custody_beside(self, dice: Dice) -> Case:
        inside = self.good[names.CUSTODY].splitlines()[-1]
        data = _linked(self.beside, hashlib.sha256(inside).hexdigest(), dice)
        number = dice.choice(
            [
                "0001",
                "0001",
                "0001",
                "0000",
                "0002",
                "10001",
                "10002",
                "999999999",
                "1000000000",
                "00001",
            ]
        )
        return self.whole, {".custody-0001.jsonl": data, f".custody-{number}.jsonl": data}

    def log_proof(self, dice: Dice) -> Case:
        entries = [*self.entries, self.logged_leaf]
        seen = self.shop.log.checkpoint(entries, {"w.example/1": self.shop.log.now})
        return self.logged, {
            ".tlog-proof": edited_bytes(self.shop.log.proof(3, entries, seen), dice)
        }

    def log_note(self, dice: Dice) -> Case:
        """A proof whose checkpoint, index or hashes are odd, signed by the log."""
        entries = [*self.entries, self.logged_leaf]
        note = edited_note(self.shop, entries, dice)
        extra = dice.choice(
            ["", "", "", "extra aGk=\n", "extra \n", "extra x\n", "extra aGk=\nextra aGk=\n"]
        )
        proof = self.shop.log.proof(3, entries, note, extra=extra)
        if dice.random() < 0.3:
            index = dice.choice(
                [b"2", b"03", b"", b"-1", b"9" * 16, b"9" * 17, str(2**53).encode()]
            )
            proof = proof.replace(b"index 3\n", b"index " + index + b"\n")
        return self.logged, {".tlog-proof": proof}

    def renewal(self, dice: Dice) -> Case:
        renewed = dice.choice(self.renewed)
        suffix = dice.choice(sorted(renewed))
        edit = self._edited_token if suffix.endswith(".tsr") else edited_bytes
        return self.whole, {**renewed, suffix: edit(renewed[suffix], dice)}

    def stamped_renewal(self, dice: Dice) -> Case:
        """A text that is changed, and a token over what it says then."""
        kinds = [
            "late-01.tsr",
            "late-09.tsr",
            "late-10.tsr",
            "renewal-01.txt",
            "renewal-01.tsr",
            "renewal-99.tsr",
            "x",
        ]
        first = self.renewed[0]
        digests = [hashlib.sha512(data).hexdigest() for data in (*first.values(), self.late, b"x")]
        head = f"snapshotter-renewal/1\nbundle {self.bundle_id}\nsha512 {hashlib.sha512(self.whole).hexdigest()}\n"
        lines = [
            f"covers {dice.choice(kinds)} sha512 {dice.choice(digests)}\n"
            for _ in range(dice.randrange(4))
        ]
        lines = sorted(lines) if dice.random() < 0.8 else lines
        text = (head + "".join(lines)).encode()
        text = edited_bytes(text, dice) if dice.random() < 0.3 else text
        message = text
        if dice.random() < 0.5:
            head_ = f"snapshotter-leaf/1\nrenewal {self.bundle_id}\nsha256 {hashlib.sha256(text).hexdigest()}\n"
            entries = [*self.entries, head_.encode()]
            note = edited_note(self.shop, entries, dice)
            text += b"\n" + self.shop.log.proof(3, entries, note)
            message = note.encode()
        token = self.stamp(
            message, at=datetime.now(UTC) + timedelta(seconds=dice.choice([0, 0, -400, 400, 10**8]))
        )
        number = dice.choice(["01", "02", "02", "99"])
        return self.whole, {
            **first,
            f".renewal-{number}.txt": text,
            f".renewal-{number}.tsr": token,
        }

    def digest_file(self, dice: Dice) -> Case:
        name = dice.choice([names.DATAPACKAGE, names.DATAPACKAGE_DIGEST])
        return _packed({**self.good, name: edited_json(self.good[name], dice)}), {}

    def signed_package(self, dice: Dice) -> Case:
        """Derived files that say something else, signed by whoever signs such."""
        changed = dict(self.good)
        changed[names.DATAPACKAGE] = edited_json(self.good[names.DATAPACKAGE], dice)
        digest = "sha256:" + hashlib.sha256(changed[names.DATAPACKAGE]).hexdigest()
        value = json.loads(self.good[names.DATAPACKAGE_DIGEST])
        signature = self.shop.signer.sign_wacz_hash(digest.encode())
        if dice.random() < 0.7:
            signature = canonical_signature(self.shop.signer.public_key, signature)
        value["hash"] = value["signedData"]["hash"] = digest
        value["signedData"]["signature"] = base64.b64encode(signature).decode()
        changed[names.DATAPACKAGE_DIGEST] = canonical_json.dumps(value)
        if dice.random() < 0.3:
            changed[names.DATAPACKAGE] = self.good[names.DATAPACKAGE]
        return _packed(changed), {}

    def mixed(self, dice: Dice) -> Case:
        """A bundle of one kind, with what stands beside one of another."""
        data, sidecars = dice.choice(self.kinds[:-1])(dice)
        _, more = dice.choice(self.kinds[:-1])(dice)
        return data, {**more, **sidecars}

    def _edited_token(self, token: bytes, dice: Dice) -> bytes:
        if dice.random() < 0.5:
            return edited_bytes(token, dice)
        tree = der(token)
        edit_der(Der(0x30, [tree]), dice)
        return tree.encode()

    def _record(self, data: bytes) -> bytes:
        return self._sealed(self.good, {names.CAPTURE_RECORD: data})

    def _sealed(self, members: Members, changes: Members) -> bytes:
        try:
            sealed = bundles.resealed(members, changes, self.shop.signer, self.stamp)
        except LookupError:  # a file that the record names is gone: it goes on naming it
            whole = bundles.with_manifests({**members, **changes})
            sealed = bundles.signed(whole, self.shop.signer, self.stamp)
        return _packed(sealed)


def _packed(members: Members) -> bytes:
    """Return the container of members, also of such as no bundle has."""
    try:
        return pack(members)
    except ValueError:
        return bundles.raw_zip(bundles.raw_entries(members))


def _edited_text(text: str, dice: Dice) -> str:
    return edited_bytes(text.encode(), dice).decode("utf-8", "replace")


def _linked(data: bytes, previous: str, dice: Dice) -> bytes:
    """Return a chain in which one event is changed, and all behind it names what is there then."""
    lines, out = data.splitlines(), b""
    at = dice.randrange(len(lines))
    for number, line in enumerate(lines):
        changed = edited_json(line, dice) if number == at else line
        value = json.loads(changed)
        if isinstance(value, dict) and dice.random() < 0.95:
            value["previous"] = previous
            with contextlib.suppress(ValueError):  # not to be written in its one form: as it is
                changed = canonical_json.dumps(value)
        previous = hashlib.sha256(changed).hexdigest()
        out += changed + b"\n"
    return out


# --- a run -------------------------------------------------------------------------------------


class Comparison:
    """Both verifiers, with the trust files of the tamper suite."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shop = Shop(folder / "shop")
        self.editor = Editor(self.shop, folder)
        self.openssl = remembering_openssl()
        maker = tamper_suite._Trust(self.shop)
        self.sign_trust = maker.sign
        self.trust = {name: maker.signed(edit) for name, edit in maker.variants().items()}
        self.pin = keys.key_id(self.shop.root.public_key())
        self.now = datetime.now(UTC)
        for name, (data, signature) in self.trust.items():
            (folder / f"{name}.json").write_bytes(data)
            (folder / f"{name}.json.sig").write_bytes(signature)

    def close(self) -> None:
        """Remove what the second verifier asks openssl with."""
        self.openssl.close()

    def case(self, seed: int, number: int) -> tuple[str, str, str, bool]:
        """Return the name of a case, what each verifier says of it, and whether that is the same and no crash."""
        dice = Dice(f"{seed} {number}")
        kind = self.editor.kinds[number % len(self.editor.kinds)]
        trust = dice.choice(["log-optional", "log-optional", "log-required", *sorted(self.trust)])
        # What is sealed again is sealed by the clock of now.
        now = datetime.now(UTC) + timedelta(
            seconds=dice.choice([0, 0, 0, 0, -400, 400, 10**7, 10**9])
        )
        data, sidecars = kind(dice)
        place = self.folder / "case"
        place.mkdir(exist_ok=True)
        for old in place.iterdir():
            old.unlink()
        bundle = place / "bundle.wacz"
        bundle.write_bytes(data)
        for suffix, sidecar in sidecars.items():
            bundle.with_name(bundle.name + suffix).write_bytes(sidecar)
        file = self.folder / f"{trust}.json"
        first = _said(lambda: by_the_first(bundle, file, self.pin, now))
        second = _said(lambda: by_the_second(bundle, file, self.pin, now, self.openssl))
        same = first == second and "INTERNAL" not in first[1] and first[0] != "broke"
        return f"{kind.__name__}, {trust}", str(first), str(second), same

    def keep(self, into: Path, trust: str) -> Path:
        """Copy the case that was judged last to where it can be looked at."""
        into.mkdir(parents=True, exist_ok=True)
        for file in (self.folder / "case").iterdir():
            (into / file.name).write_bytes(file.read_bytes())
        data, signature = self.trust[trust]
        (into / "trust.json").write_bytes(data)
        (into / "trust.json.sig").write_bytes(signature)
        (into / "root-key").write_text(self.pin + "\n")
        return into


def _said(judge: Callable[[], Judgement]) -> Judgement:
    try:
        return judge()
    except Exception as error:  # noqa: BLE001 - a verifier that breaks is what is looked for
        return "broke", [f"{type(error).__name__}: {error}"], 0, ""


def main(argv: list[str] | None = None) -> int:
    """Run until the time is over; return 1 if the two disagreed about anything."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="time to run")
    parser.add_argument("--seed", type=int, default=SEED, help="seed of the edits")
    parser.add_argument(
        "--start", type=int, default=0, metavar="N", help="number of the first case"
    )
    parser.add_argument("--only", type=int, metavar="N", help="the number of one case")
    parser.add_argument("--kind", help="only cases of this kind: handshake, log_note …")
    parser.add_argument(
        "--keep",
        type=Path,
        default=Path("fuzz"),
        metavar="DIR",
        help="where to write disagreements",
    )
    arguments = parser.parse_args(argv)
    until, bad, done, verdicts = time.monotonic() + arguments.seconds, 0, 0, {"": 0}
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        both = Comparison(Path(folder))
        number = arguments.start if arguments.only is None else arguments.only
        while time.monotonic() < until:
            kinds = both.editor.kinds
            if not arguments.kind or kinds[number % len(kinds)].__name__ == arguments.kind:
                begin = time.monotonic()
                try:
                    name, first, second, same = both.case(arguments.seed, number)
                except (ValueError, LookupError, struct.error) as error:
                    # An edit that broke what makes files, and no verifier: those are caught apart.
                    print(f"case {number} of seed {arguments.seed} could not be made: {error}")
                    number += 1
                    continue
                slow = time.monotonic() - begin > MAX_CASE_S
                done += 1
                verdict = first.split("'")[1]
                verdicts[verdict] = verdicts.get(verdict, 0) + 1
                if not same or slow or arguments.only is not None:
                    kept = both.keep(
                        arguments.keep / f"{arguments.seed}-{number}", name.split(", ")[1]
                    )
                    print(
                        f"case {number} of seed {arguments.seed} ({name}){' is slow' if slow else ''}: {kept}"
                    )
                    print(f"  first  {first}\n  second {second}", flush=True)
                    bad += not same or slow
            if arguments.only is not None:
                break
            number += 1
        both.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counts = ", ".join(
        f"{count} {verdict}" for verdict, count in sorted(verdicts.items()) if verdict
    )
    print(
        f"{done} cases of seed {arguments.seed} ({counts}), up to number {number}; {bad} disagreements; {peak} KiB at most"
    )
    if peak > MAX_MEMORY:
        print(f"more memory than {MAX_MEMORY} KiB", file=sys.stderr)
    return 1 if bad or peak > MAX_MEMORY else 0


if __name__ == "__main__":
    sys.exit(main())
