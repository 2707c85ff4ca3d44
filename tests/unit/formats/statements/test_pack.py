"""Proof packs: one encoding, no free byte, and a name for whatever was altered."""

import base64
import hashlib
import io
import json
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats.signatures import keys, signed_statement
from snapshotter.formats.statements import pack
from snapshotter.formats.statements.pack import PackInvalid
from snapshotter.model.finding import Code
from snapshotter.model.proof import Part, Role
from tests import packs
from tests.fuzzing import tries
from tests.packs import END, EVENT, FILES, GONE, PAGE, SEEN, SIGNER, File, written

GOOD = written()


def faults(data: bytes) -> list[str]:
    """Return what a reader names as altered; an error of the manifest counts as one."""
    stream = io.BytesIO(data)
    try:
        found = pack.read(stream)
    except PackInvalid as error:
        return [str(error)]
    return [altered.what for altered in pack.find_alterations(stream, found)]


def _seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 (places to change, the same on every run)


def refused(data: bytes) -> PackInvalid:
    with pytest.raises(PackInvalid) as caught:
        pack.read(io.BytesIO(data))
    return caught.value


def test_what_was_written_is_read_and_every_part_comes_out_as_it_went_in() -> None:
    stream = io.BytesIO(GOOD)
    found = pack.read(stream)

    assert found.manifest == packs.manifest()
    assert (found.key_id, found.length) == (SIGNER.key_id, len(GOOD))
    assert list(pack.find_alterations(stream, found)) == []
    for file, part in zip(FILES, found.manifest.parts, strict=True):
        assert pack.read_part(stream, found, part, limit=1000) == file.data


def test_a_block_is_what_other_tools_write() -> None:
    """By code that shares nothing with the writer, and with the lines of `base64`."""
    again = packs.by_hand(packs.value_of(GOOD), [packs.block(file) for file in FILES])

    head, _, tail = GOOD.partition(b'"signature":"')
    assert again.startswith(head)
    assert again.endswith(tail[tail.index(b'"') :])


@given(st.binary(max_size=400), st.integers(0, 500), st.integers(0, 500))
def test_a_part_is_read_from_anywhere_as_a_file_is(data: bytes, at: int, count: int) -> None:
    files = (*FILES[:4], File("rules-x.toml", Role.RULES, data))
    stream = io.BytesIO(written(files))
    found = pack.read(stream)

    opened = pack.open_part(stream, found, found.manifest.parts[4])
    opened.seek(at)
    assert opened.read(count) == data[at:][:count]
    assert opened.tell() == at + len(data[at:][:count])


def test_a_part_of_many_blocks_is_read_as_it_was_written() -> None:
    data = _seeded(7).randbytes(3 * 57 * 8192 + 100)
    files = (File(f"{SEEN}.wacz", Role.LAST_SEEN, data), *FILES[1:])
    stream = io.BytesIO(written(files))
    found = pack.read(stream)

    assert list(pack.find_alterations(stream, found)) == []
    with pack.open_part(stream, found, found.manifest.parts[0]) as opened:
        assert opened.read() == data
        assert (opened.seek(-5, io.SEEK_END), opened.read(10)) == (len(data) - 5, data[-5:])
        with pytest.raises(ValueError, match="before the start"):
            opened.seek(-1)


def test_no_byte_of_a_pack_is_free() -> None:
    """A thousand bytes of a small pack changed, each in a way that differs from the next."""
    assert faults(GOOD) == []
    for at in sorted(_seeded(5).sample(range(len(GOOD)), 1_000)):
        changed = bytearray(GOOD)
        changed[at] ^= (1, 0x20, 0x80)[at % 3]
        assert faults(bytes(changed)), f"byte {at}"


@settings(max_examples=tries(60))
@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=3))
def test_what_is_put_in_or_taken_out_is_found(at: int, data: bytes) -> None:
    assert faults(GOOD[:at] + data + GOOD[at:])
    assert faults(GOOD[:at] + GOOD[at + len(data) :])


@pytest.mark.parametrize(
    ("file", "named"),
    [
        (FILES[0], f"the capture 'last seen' ({SEEN})"),
        (FILES[1], f"{SEEN}.wacz.late-01.tsr, beside the capture 'last seen' ({SEEN})"),
        (FILES[2], f"the capture 'first gone' ({GONE})"),
        (FILES[3], f"the event's record ({EVENT}.json)"),
    ],
)
def test_one_byte_of_a_part_is_named_by_the_part(file: File, named: str) -> None:
    """Anywhere in its block: in what opens it, in its lines, in what closes it."""
    lines = packs.block(file)
    begin = GOOD.index(lines)
    for offset in _seeded(11).sample(range(len(lines)), 40):
        changed = bytearray(GOOD)
        changed[begin + offset] ^= 1
        assert faults(bytes(changed)) == [named], f"byte {offset} of the block"


def test_page_and_end_are_named_as_well() -> None:
    assert faults(GOOD.replace(b"It is gone.", b"It is here.")) == ["the page of the pack"]
    assert faults(GOOD.replace(b"check()", b"cheat()")) == ["the end of the page"]
    assert faults(GOOD + b"\n") == ["the end of the page"]
    assert faults(GOOD[:-1]) == ["the end of the page"]


def test_both_ends_altered_are_both_named() -> None:
    changed = bytearray(GOOD)
    for file in (FILES[0], FILES[2]):
        changed[GOOD.index(packs.block(file)) + len(packs.block(file)) - 12] ^= 1

    assert len(faults(bytes(changed))) == 2


def test_base64_has_one_spelling() -> None:
    """`UEsg` and `UEsh`-like twins of the last letter before `=` say the same bytes."""
    files = (File(f"{SEEN}.wacz", Role.LAST_SEEN, b"x"), *FILES[2:])
    data = written(files)

    assert b"\neA==\n" in data
    assert base64.b64decode(b"eB==") == b"x"
    assert faults(data.replace(b"\neA==\n", b"\neB==\n")) == [f"the capture 'last seen' ({SEEN})"]


def test_the_twin_of_the_signature_is_refused() -> None:
    """(r, n - s) holds as (r, s) does, and anybody can compute it."""
    changed = packs.twin(GOOD)
    _, _, rest = changed.partition(b'id="manifest">\n')
    first, second, _ = rest.split(b"\n", 2)
    seal = json.loads(second)
    key = keys.load_public_pem(seal["public_key"].encode())
    assert keys.verify_signature(key, base64.b64decode(seal["signature"]), first + b"\n")

    assert refused(changed).code is Code.SIG


def test_a_forger_with_a_key_of_his_own_keeps_to_the_form_or_is_refused() -> None:
    value = packs.value_of(GOOD)
    blocks = [packs.block(file) for file in FILES]

    def with_parts(parts: list[dict[str, object]]) -> PackInvalid:
        return refused(packs.by_hand({**value, "parts": parts}, blocks))

    parts = value["parts"]
    assert "same name" in str(with_parts([*parts, parts[0]]))
    assert "same name" in str(with_parts([*parts, {**parts[4], "name": "RULES-wechat.toml"}]))
    assert "cannot have the name" in str(with_parts([*parts[:4], {**parts[4], "name": "../x"}]))
    assert "cannot have the name" in str(
        with_parts([*parts[:4], {**parts[4], "media_type": "text/B"}])
    )
    assert "is not in the pack" in str(
        with_parts([parts[0], parts[2], {**parts[1], "of": "x.wacz"}])
    )
    assert "must name its capture" in str(with_parts([parts[0], parts[2], {**parts[1], "of": ""}]))
    assert "one capture 'first-gone'" in str(with_parts(parts[:2]))
    assert "one part 'event'" in str(with_parts([*parts, {**parts[3], "name": "b.json"}]))
    assert "is not a valid Role" in str(with_parts([*parts[:4], {**parts[4], "role": "virus"}]))
    assert "length" in str(with_parts([*parts[:4], {**parts[4], "length": -1}]))
    assert "digest" in str(with_parts([*parts[:4], {**parts[4], "sha256": "00"}]))
    assert "more than 200 parts" in str(with_parts([parts[4]] * 201))
    assert "more bytes than a proof pack can have" in str(
        with_parts([*parts[:4], {**parts[4], "length": 1 << 40}])
    )
    assert refused(packs.by_hand({**value, "lacks": ["b", "a"]}, blocks)).code is Code.MANIFEST
    assert refused(packs.by_hand({**value, "lacks": [1]}, blocks)).code is Code.MANIFEST
    assert refused(packs.by_hand({**value, "event_id": "x"}, blocks)).code is Code.MANIFEST
    assert refused(packs.by_hand({**value, "text_sha256": ""}, blocks)).code is Code.MANIFEST
    assert refused(packs.by_hand({**value, "software": "<b>"}, blocks)).code is Code.MANIFEST
    assert refused(packs.by_hand({**value, "format": "x/1"}, blocks)).code is Code.SIG
    bare = {name: field_value for name, field_value in parts[4].items() if name != "of"}
    assert "not in the required form" in str(with_parts([*parts[:4], bare]))
    page = {**value["page"], "length": pack.MAX_PAGE + 1}
    assert "at most" in str(refused(packs.by_hand({**value, "page": page}, blocks)))


def test_a_part_of_a_gigabyte_that_is_not_there_is_only_a_number() -> None:
    """What is named is computed with, and never made room for: the file has to have it."""
    value = packs.value_of(GOOD)
    value["parts"][4] = {**value["parts"][4], "length": 3 << 29}
    stream = io.BytesIO(packs.by_hand(value, [packs.block(file) for file in FILES]))

    found = pack.read(stream)

    assert found.length > 2 << 30
    assert [altered.what for altered in pack.find_alterations(stream, found)] == [
        "the file of rules (rules-wechat.toml)"
    ]


def test_a_hundred_thousand_blocks_that_nobody_signed_are_one_finding() -> None:
    blocks = packs.block(FILES[4]) * 100_000

    assert faults(GOOD.removesuffix(END) + blocks + END) == ["the end of the page"]


def test_a_pack_in_a_pack_is_a_part_of_no_role() -> None:
    """Nothing in a pack is opened as a pack: its name is only a name."""
    files = (*FILES[:4], File("inner.html", Role.RULES, GOOD))
    stream = io.BytesIO(written(files))

    assert faults(stream.getvalue()) == []
    assert pack.read(stream).manifest.captures == packs.manifest().captures


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<",
        PAGE,
        PAGE + END,
        PAGE + b'<script type="text/plain" id="manifest">\n',
        PAGE + b'<script type="text/plain" id="manifest">\n{}\n',
        PAGE + b'<script type="text/plain" id="manifest">\n{}\n{}\n' + END,
        b"x" * (pack.MAX_PAGE + 100) + GOOD[len(PAGE) :],
    ],
)
def test_what_has_no_manifest_is_no_pack(data: bytes) -> None:
    assert refused(data).code is Code.CONTAINER


@given(st.binary(max_size=200))
def test_whatever_comes_is_read_or_refused(data: bytes) -> None:
    for stream in (io.BytesIO(data), io.BytesIO(PAGE + data), io.BytesIO(GOOD[:600] + data)):
        with pytest.raises(EvidenceInvalid):
            pack.read(stream)


def test_a_file_that_changes_on_disk_is_not_packed() -> None:
    made = packs.manifest()
    openers = [packs.opener(file.data) for file in FILES]
    for data in (FILES[0].data[:-1], FILES[0].data + b"x", b"y" + FILES[0].data[1:]):
        with pytest.raises(SnapshotterError, match="changed while"):
            pack.write(PAGE, END, made, [packs.opener(data), *openers[1:]], SIGNER, io.BytesIO())


def test_what_does_not_fit_is_refused_before_it_is_written() -> None:
    made = packs.manifest()
    out = io.BytesIO()

    def attempt(**changes: object) -> None:
        pack.write(PAGE, END, replace(made, **changes), [], SIGNER, out)  # type: ignore[arg-type]

    huge = tuple(
        Part(
            name=f"rules-{number}-{'x' * 180}.toml",
            role=Role.RULES,
            media_type="text/plain",
            length=0,
            sha256="0" * 64,
        )
        for number in range(190)
    )
    with pytest.raises(SnapshotterError, match="longer than"):
        attempt(parts=(*made.parts, *huge))
    with pytest.raises(SnapshotterError, match="can have at most"):
        attempt(parts=(*made.parts[:4], replace(made.parts[4], length=pack.MAX_BYTES)))
    with pytest.raises(ValueError, match="no '<'"):
        attempt(software="<")
    with pytest.raises(ValueError, match="is not the page of"):
        attempt(page=pack.section_of(b"x"))
    for page in (b"<p>\n", pack.MAGIC + b"x", PAGE + b'<script type="text/plain" id="manifest">\n'):
        with pytest.raises(ValueError, match="the page of a proof pack"):
            pack.write(page, END, packs.manifest(page=page), [], SIGNER, out)
    assert out.getvalue() == b""


def test_a_part_that_is_too_long_for_memory_is_not_read_whole() -> None:
    stream = io.BytesIO(GOOD)
    found = pack.read(stream)

    with pytest.raises(PackInvalid, match="longer than 10"):
        pack.read_part(stream, found, found.manifest.parts[0], limit=10)


def test_a_part_that_changes_after_it_was_checked_is_not_read_as_another() -> None:
    stream = io.BytesIO(GOOD)
    found = pack.read(stream)
    opened = pack.open_part(stream, found, found.manifest.parts[0])
    stream.seek(found.offset(found.manifest.parts[0]))
    stream.write(b"!")

    with pytest.raises(OSError, match="changed"):
        opened.read(1)


def test_a_manifest_that_changes_after_it_was_read_is_named() -> None:
    stream = io.BytesIO(GOOD)
    found = pack.read(stream)
    stream.seek(GOOD.index(b'"software"'))
    stream.write(b"!")

    assert [altered.what for altered in pack.find_alterations(stream, found)] == ["the manifest"]


def test_no_manifest_is_made_of_what_none_holds() -> None:
    made = packs.manifest()
    with pytest.raises(ValueError, match="more than 200 parts"):
        replace(made, parts=made.parts * 50)
    with pytest.raises(ValueError, match=r"a capture must be a \.wacz file"):
        replace(made, parts=(replace(made.parts[0], name=SEEN), *made.parts[2:]))


def test_a_file_is_taken_for_a_pack_by_how_it_begins() -> None:
    assert pack.looks_like_pack(GOOD)
    assert pack.looks_like_pack(b"X" + GOOD[1:])
    assert not pack.looks_like_pack(b"PK\3\4")
    assert not pack.looks_like_pack(b'{"format":"snapshotter-takedown/1"')
    assert hashlib.sha256(PAGE).hexdigest() == packs.manifest().page.sha256
    assert len(pack.read(io.BytesIO(GOOD)).statement) < signed_statement.MAX_BYTES
