"""
Single edits of bundles, sidecars and trust files, by a seed: both verifiers have to say the same.

Nobody wrote down what each edit must give; only that no edited bundle passes by one verifier
and not by the other, with the same codes. A small slice runs always; the long run:

    SNAPSHOTTER_SEEDED_EDITS=2000 pytest tests/unit/verify/test_seeded_edits.py
"""

import json
import os
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from scripts import tamper_suite
from scripts.tamper_suite import Shop
from snapshotter.errors import EvidenceUnverifiable
from snapshotter.formats import canonical_json, keys, names
from snapshotter.verify.files import read_trust
from tests import bundles
from tests.bundles import Members, pack
from tests.unit.verify.test_minimal_verifier import MINIMAL, remembering_openssl
from tests.unit.verify.test_tamper_suite import by_the_first, by_the_second

EDITS = int(
    os.environ.get("SNAPSHOTTER_SEEDED_EDITS", "39")
)  # three of each kind; a thousand take minutes
SEED = int(os.environ.get("SNAPSHOTTER_SEED", "20261124"))
ODD: tuple[Any, ...] = (None, True, 0, -1, 1, 2**53, "", "x", "\u0000", "é", [], {}, [0], "1", " ")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop(tmp_path_factory.mktemp("edits"))


@pytest.fixture(scope="module")
def openssl() -> Iterator[Any]:
    command = remembering_openssl()
    yield command
    command.close()


def edited_bytes(data: bytes, dice: random.Random) -> bytes:
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


def edited_json(data: bytes, dice: random.Random) -> bytes:
    """Return canonical JSON with one value replaced, taken away, put twice or moved."""
    value = json.loads(data)
    place: Any = value
    while True:
        step = dice.choice(sorted(place) if isinstance(place, dict) else range(len(place)))
        if isinstance(place[step], dict | list) and place[step] and dice.random() < 0.8:
            place = place[step]
            continue
        kind = dice.randrange(5)
        if kind == 0:
            del place[step]
        elif kind == 1 and isinstance(place, list):
            place.insert(dice.randrange(len(place) + 1), place[step])
        elif kind == 1:
            place[dice.choice(["a", "zz", "note"])] = place[step]
        elif kind == 2 and isinstance(place[step], str) and place[step]:
            text = place[step]
            at = dice.randrange(len(text))
            place[step] = text[:at] + dice.choice("09aZ-. é\n") + text[at + 1 :]
        elif kind == 3 and isinstance(place[step], int):
            place[step] += dice.choice([-1, 1, 1000])
        else:
            place[step] = dice.choice(ODD)
        try:
            return canonical_json.dumps(value)
        except ValueError:
            return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


class Editor:
    """What can be edited in one place, everything around it made good again."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.good = shop.good_bundle
        self.whole = pack(self.good)
        self.bare = shop.members(authorities=())
        self.late = shop.stamp(self.bare[names.signature(1)])
        self.beside = next(
            case.sidecars[".custody-0001.jsonl"]
            for case in tamper_suite.custody_beside(shop)
            if case.name == "good-custody-beside"
        )
        self.renewed = next(
            case.sidecars
            for case in tamper_suite.renewals(shop)
            if case.name == "good-renewal-twice"
        )
        required = shop.insider_record(lambda record: record["requires"].update(log=True))
        self.logged = pack(required)
        leaf = shop.log.leaf(bundles.record_of(required)["bundle_id"], self.logged)
        entries = [b"another", leaf]
        seen = shop.log.checkpoint(entries, {"w.example/1": shop.log.now})
        self.proof = shop.log.proof(1, entries, seen)
        self.hardware = shop.members(shop.hardware)
        contents = {**bundles.CONTENTS, names.SERVER_SIGNATURES: shop.server_signatures()}
        self.served = shop.members(contents=contents)
        self.kinds: tuple[Callable[[random.Random], tuple[bytes, dict[str, bytes]]], ...] = (
            self.anything,
            self.forged_member,
            self.sealed_member,
            self.record,
            self.token,
            self.uncovered_token,
            self.late_token,
            self.server_signatures,
            self.custody,
            self.custody_beside,
            self.digest_file,
            self.log_proof,
            self.renewal,
        )

    def anything(self, dice: random.Random) -> tuple[bytes, dict[str, bytes]]:
        return edited_bytes(self.whole, dice), {}

    def forged_member(self, dice: random.Random) -> tuple[bytes, dict[str, bytes]]:
        name = dice.choice(sorted(self.good))
        return _packed({**self.good, name: edited_bytes(self.good[name], dice)}), {}

    def sealed_member(self, dice: random.Random) -> tuple[bytes, dict[str, bytes]]:
        name = dice.choice([it for it in sorted(self.good) if names.is_listed(it)])
        return self._sealed(self.good, name, edited_bytes(self.good[name], dice)), {}

    def record(self, dice: random.Random) -> tuple[bytes, dict[str, bytes]]:
        name = names.CAPTURE_RECORD
        return self._sealed(self.good, name, edited_json(self.good[name], dice)), {}

    def token(self, dice: random.Random) -> tuple[bytes, dict[str, bytes]]:
        name = names.token(1, 1)
        changed = {**self.good, name: edited_bytes(self.good[name], dice)}
        return _packed(bundles.derived(changed, signer=self.shop.signer)), {}

    def uncovered_token(self, dice: random.Random) -> tuple[bytes, dict[str, bytes]]:
        name = names.token(1, 1)
        changed = {**self.hardware, name: edited_bytes(self.hardware[name], dice)}
        return _packed(bundles.derived(changed)), {}

    def late_token(self, dice: random.Random) -> tuple[bytes, dict[str, bytes]]:
        return _packed(self.bare), {".late-01.tsr": edited_bytes(self.late, dice)}

    def server_signatures(self, dice: random.Random) -> tuple[bytes, dict[str, bytes]]:
        name = names.SERVER_SIGNATURES
        return self._sealed(self.served, name, edited_json(self.served[name], dice)), {}

    def custody(self, dice: random.Random) -> tuple[bytes, dict[str, bytes]]:
        lines = self.good[names.CUSTODY].splitlines(keepends=True)
        at = dice.randrange(len(lines))
        lines[at] = edited_json(lines[at], dice) + b"\n"
        return self._sealed(self.good, names.CUSTODY, b"".join(lines)), {}

    def custody_beside(self, dice: random.Random) -> tuple[bytes, dict[str, bytes]]:
        lines = self.beside.splitlines(keepends=True)
        at = dice.randrange(len(lines))
        if dice.random() < 0.3:
            return self.whole, {".custody-0001.jsonl": edited_bytes(self.beside, dice)}
        lines[at] = edited_json(lines[at], dice) + b"\n"
        return self.whole, {".custody-0001.jsonl": b"".join(lines)}

    def log_proof(self, dice: random.Random) -> tuple[bytes, dict[str, bytes]]:
        return self.logged, {".tlog-proof": edited_bytes(self.proof, dice)}

    def renewal(self, dice: random.Random) -> tuple[bytes, dict[str, bytes]]:
        suffix = dice.choice(sorted(self.renewed))
        return self.whole, {**self.renewed, suffix: edited_bytes(self.renewed[suffix], dice)}

    def digest_file(self, dice: random.Random) -> tuple[bytes, dict[str, bytes]]:
        name = dice.choice([names.DATAPACKAGE, names.DATAPACKAGE_DIGEST])
        return _packed({**self.good, name: edited_json(self.good[name], dice)}), {}

    def _sealed(self, members: Members, name: str, data: bytes) -> bytes:
        changes = {name: data}
        return _packed(bundles.resealed(members, changes, self.shop.signer, self.shop.stamp))


def _packed(members: Members) -> bytes:
    return pack(members)


def test_both_verifiers_say_the_same_of_any_single_edit(
    shop: Shop, tmp_path: Path, openssl: Any
) -> None:
    now, editor = datetime.now(UTC), Editor(shop)
    trust, pin = _trust_file(shop, tmp_path)
    apart: list[str] = []
    seen: set[str] = set()
    for number in range(EDITS):
        dice = random.Random(f"{SEED} {number}")  # noqa: S311 - repeatable, not secret
        kind = editor.kinds[number % len(editor.kinds)]
        data, sidecars = kind(dice)
        folder = tmp_path / str(number)
        folder.mkdir()
        bundle = folder / "bundle.wacz"
        bundle.write_bytes(data)
        for suffix, sidecar in sidecars.items():
            bundle.with_name(bundle.name + suffix).write_bytes(sidecar)
        first = by_the_first(bundle, trust, pin, now)
        second = by_the_second(bundle, trust, pin, now, openssl)
        if first != second or "INTERNAL" in first[1]:
            apart.append(f"{number} {kind.__name__}: first {first}, second {second}")
        else:
            seen.add(first[0])
            bundle.unlink()

    assert apart == []
    assert seen == {"passed", "failed", "indeterminate"}  # nothing was compared without effect


def test_both_verifiers_take_or_refuse_the_same_trust_files(
    shop: Shop, tmp_path: Path, openssl: Any
) -> None:
    now = datetime.now(UTC)
    file, pin = _trust_file(shop, tmp_path)
    good = file.read_bytes()
    apart = []
    for number in range(EDITS):
        dice = random.Random(f"{SEED} trust {number}")  # noqa: S311 - as above
        data = edited_json(good, dice) if number % 4 else edited_bytes(good, dice)
        signature = _signed(shop, data)
        file.write_bytes(data)
        file.with_name(f"{file.name}.sig").write_bytes(signature)
        try:
            read_trust(file, pinned_root=pin, now=now)
            first = "taken"
        except EvidenceUnverifiable as error:
            first = f"refused: {error}"
        try:
            MINIMAL.Trust(data, signature, pin, now, openssl)
            second = "taken"
        except MINIMAL.Refused as error:
            second = f"refused: {error}"
        if first[:5] != second[:5]:
            apart.append(f"{number}: first {first}, second {second}")

    assert apart == []


def _trust_file(shop: Shop, folder: Path) -> tuple[Path, str]:
    file = folder / "trust.json"
    value = json.loads(shop.trust(p256=True))
    value["log"] = shop.log.policy(1, "w.example/1")
    file.write_bytes(canonical_json.dumps(value))
    file.with_name("trust.json.sig").write_bytes(_signed(shop, file.read_bytes()))
    return file, keys.key_id(shop.root.public_key())


def _signed(shop: Shop, data: bytes) -> bytes:
    return shop.root.sign(data, ec.ECDSA(hashes.SHA384()))
