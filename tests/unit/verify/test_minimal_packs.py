"""
The second verifier compares proof packs: byte for byte, and against the first.

It knows no rules, so an intact pack is INDETERMINATE; one that is not as it was signed is
FAILED, with the code that the first verifier has for it.
"""

import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from snapshotter.formats.statements import pack
from snapshotter.formats.statements.pack import PackInvalid
from tests import packs
from tests.cases import in_one_test
from tests.packs import END, FILES, PAGE, File
from tests.unit.verify.test_minimal_verifier import MINIMAL, PIN, VECTORS

GOOD = packs.written()
MANIFEST = b'<script type="text/plain" id="manifest">\n'


def by_the_first(data: bytes) -> tuple[str, int]:
    """Return the code of what is wrong with a pack, and how many places are named."""
    stream = io.BytesIO(data)
    try:
        found = pack.read(stream)
    except PackInvalid as error:
        return error.code.value, 1
    altered = list(pack.find_alterations(stream, found))
    return ("HASH", len(altered)) if altered else ("OK", 0)


def by_the_second(data: bytes, openssl: Any) -> tuple[str, int]:
    stream = io.BytesIO(data)
    try:
        said, value, _, at = MINIMAL.read_pack(stream, openssl)
    except MINIMAL.Bad as bad:
        return bad.args[0], 1
    altered = list(MINIMAL.altered_in_pack(stream, said, value, at))
    return ("HASH", len(altered)) if altered else ("OK", 0)


def changed_at(at: int, number: int) -> bytes:
    changed = bytearray(GOOD)
    changed[at] ^= (1, 0x20, 0x80)[number % 3]
    return bytes(changed)


def test_no_byte_of_a_pack_is_free_to_either_verifier(openssl: Any) -> None:
    """A hundred places changed, and as many with something put in or taken out."""
    dice = random.Random(41)  # noqa: S311 (places to change, the same on every run)
    assert by_the_second(GOOD, openssl) == by_the_first(GOOD) == ("OK", 0)
    for number, at in enumerate(sorted(dice.sample(range(len(GOOD)), 100))):
        for data in (
            changed_at(at, number),
            GOOD[:at] + dice.randbytes(dice.randint(1, 3)) + GOOD[at:],
            GOOD[:at] + GOOD[at + dice.randint(1, 3) :],
        ):
            found = by_the_second(data, openssl)

            assert found == by_the_first(data), f"byte {at}"
            assert found[1], f"byte {at}"


def _with(**changes: Any) -> Callable[[], bytes]:
    """Return a pack that somebody with a key signed who keeps to none of the rules."""
    value = packs.value_of(GOOD)
    return lambda: packs.by_hand({**value, **changes}, [packs.block(file) for file in FILES])


PARTS = packs.value_of(GOOD)["parts"]
_LAST, _FOUR = PARTS[4], PARTS[:4]
ODD: dict[str, tuple[str, Callable[[], bytes]]] = {
    "a part twice": ("MANIFEST", _with(parts=[*PARTS, PARTS[0]])),
    "names that differ in case alone": (
        "MANIFEST",
        _with(parts=[*PARTS, {**_LAST, "name": "RULES-wechat.toml"}]),
    ),
    "a name that leads out": ("MANIFEST", _with(parts=[*_FOUR, {**_LAST, "name": "../x"}])),
    "a type of no form": ("MANIFEST", _with(parts=[*_FOUR, {**_LAST, "media_type": "text/B"}])),
    "beside nothing": ("MANIFEST", _with(parts=[PARTS[0], PARTS[2], {**PARTS[1], "of": "x.wacz"}])),
    "beside what is not said": (
        "MANIFEST",
        _with(parts=[PARTS[0], PARTS[2], {**PARTS[1], "of": ""}]),
    ),
    "one end": ("MANIFEST", _with(parts=PARTS[:2])),
    "an event twice": ("MANIFEST", _with(parts=[*PARTS, {**PARTS[3], "name": "b.json"}])),
    "a role of no kind": ("MANIFEST", _with(parts=[*_FOUR, {**_LAST, "role": "virus"}])),
    "a capture of no name": ("MANIFEST", _with(parts=[{**PARTS[0], "name": "x.wacz"}, *PARTS[2:]])),
    "a capture of no kind": ("MANIFEST", _with(parts=[{**PARTS[0], "name": "x.zip"}, *PARTS[2:]])),
    "less than nothing": ("MANIFEST", _with(parts=[*_FOUR, {**_LAST, "length": -1}])),
    "no digest": ("MANIFEST", _with(parts=[*_FOUR, {**_LAST, "sha256": "00"}])),
    "too many parts": ("MANIFEST", _with(parts=[_LAST] * 201)),
    "more than a pack holds": ("MANIFEST", _with(parts=[*_FOUR, {**_LAST, "length": 1 << 40}])),
    "a field that is left out": (
        "MANIFEST",
        _with(parts=[*_FOUR, {name: value for name, value in _LAST.items() if name != "of"}]),
    ),
    "words out of order": ("MANIFEST", _with(lacks=["b", "a"])),
    "no words": ("MANIFEST", _with(lacks=[1])),
    "no event of that name": ("MANIFEST", _with(event_id="x")),
    "no digest of the page": ("MANIFEST", _with(text_sha256="")),
    "no time": ("MANIFEST", _with(made_at="2026-13-01T00:00:00Z")),
    "markup in the list": ("MANIFEST", _with(software="<b>")),
    "a page that is too long": (
        "MANIFEST",
        _with(page={"length": pack.MAX_PAGE + 1, "sha256": "0" * 64}),
    ),
    "an end of nothing": ("MANIFEST", _with(end={"length": 0, "sha256": "0" * 64})),
    "another format": ("SIG", _with(format="x/1")),
    "a field of another type": ("SIG", _with(lacks="pdf")),
    "a field more": ("SIG", _with(more=1)),
    "a part of a gigabyte that is not there": (
        "HASH",
        _with(parts=[*_FOUR, {**_LAST, "length": 3 << 29}]),
    ),
    "the twin of the signature": ("SIG", lambda: packs.twin(GOOD)),
    "nothing": ("CONTAINER", lambda: b""),
    "no list": ("CONTAINER", lambda: PAGE + END),
    "half a list": ("CONTAINER", lambda: PAGE + MANIFEST + b"{}\n"),
    "a list that does not end": ("CONTAINER", lambda: PAGE + MANIFEST + b"{}\n{}\n" + END),
    "a list behind all that a page may have": (
        "CONTAINER",
        lambda: b"x" * (pack.MAX_PAGE + 100) + GOOD[len(PAGE) :],
    ),
    "blocks that nobody signed": (
        "HASH",
        lambda: GOOD.removesuffix(END) + packs.block(FILES[4]) * 1_000 + END,
    ),
    "another page": ("HASH", lambda: GOOD.replace(b"It is gone", b"It is here")),
}


@in_one_test("name", ODD)
def test_both_verifiers_refuse_the_same_lists_with_the_same_code(name: str, openssl: Any) -> None:
    code, make = ODD[name]
    data = make()

    assert by_the_second(data, openssl) == by_the_first(data)
    assert by_the_first(data)[0] == code


def test_a_part_of_many_blocks_and_an_empty_one_are_as_they_were_signed(openssl: Any) -> None:
    data = bytes(range(256)) * 4_000
    files = (File(FILES[0].name, FILES[0].role, data), *FILES[1:])

    assert by_the_second(packs.written(files), openssl) == ("OK", 0)


def test_the_command_fails_an_altered_pack_and_says_nothing_of_an_intact_one(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    trust = str(VECTORS / "trust" / "trust.json")

    def judged(data: bytes) -> tuple[int, str]:
        file = tmp_path / "proof.html"
        file.write_bytes(data)
        code: int = MINIMAL.main(["--trust", trust, "--root-key", PIN, str(file)])
        return code, capsysbinary.readouterr().out.decode()

    intact, said = judged(GOOD)
    assert (
        intact,
        "no byte of the page and of its parts was changed since the pack was signed; parts: 5"
        in said,
    ) == (*(11, True),)
    assert "CONCLUSION" in said
    assert "KEY_UNKNOWN" in said
    altered, said = judged(GOOD.replace(b"It is gone.", b"It is here."))
    assert (altered, "the page in front was altered" in said, "CONCLUSION" in said) == (
        *(10, True, False),
    )
