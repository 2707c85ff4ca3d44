"""Copies of bundles in which values and files are withheld, judged by both verifiers."""

import base64
import contextlib
import io
import itertools
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from snapshotter.app.archive.exports import redacted_copy
from snapshotter.errors import EvidenceInvalid, PolicyRefused, SnapshotterError
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import names, openings, redactable
from snapshotter.model.capture import Certificate, Document, TlsFacts
from snapshotter.model.finding import Report, Verdict
from snapshotter.seal import sealer
from snapshotter.verify import report as reports
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.files import read_trust
from tests import bundles
from tests.bundles import Members, flipped, pack, unpack
from tests.unit.verify.test_minimal_verifier import MINIMAL, VECTORS

SERIES = VECTORS / "redactable"
PIN = (SERIES / "trust" / "root-key-id.txt").read_text().strip()
WHOLE = (SERIES / "record-version-2" / "bundle.wacz").read_bytes()
OLD = VECTORS / "v1-good" / "bundle.wacz"


@pytest.fixture(scope="module")
def openssl() -> Any:
    return MINIMAL.OpenSSL("openssl")


def copied(folder: Path, *fields: str, keep: tuple[str, ...] = ()) -> bytes:
    made = redacted_copy.write(io.BytesIO(WHOLE), folder, fields=fields, keep=keep)
    return made.file.read_bytes()


def by_the_first(data: bytes) -> Report:
    now = datetime.now(UTC)
    trust = read_trust(SERIES / "trust" / "trust.json", pinned_root=PIN, now=now)
    return verify_bundle(io.BytesIO(data), trust, now=now, allow_redacted=True)


def by_both(data: bytes, tmp_path: Path, openssl: Any) -> tuple[str, list[str]]:
    """Return verdict and codes, which both verifiers have to agree on."""
    now = datetime.now(UTC)
    file = SERIES / "trust" / "trust.json"
    signature = file.with_name(f"{file.name}.sig").read_bytes()
    trust = MINIMAL.Trust(file.read_bytes(), signature, PIN, now, openssl)
    copy = tmp_path / "copy.redacted.wacz"
    copy.write_bytes(data)

    second = MINIMAL.Verification(str(copy), trust, now, openssl).run()
    first = by_the_first(data)

    judged = (first.verdict.value, sorted({x.code.value for x in first.findings} - {"OK"}))
    assert judged == (second.verdict, second.codes), (first.findings, second.findings)
    if first.withheld is not None:
        assert list(first.withheld.fields) == second.closed
        assert list(first.withheld.files) == sorted(second.withheld)
    return judged


def with_openings(members: Members, edit: Callable[[Any], object]) -> bytes:
    value = json.loads(members[names.OPENINGS])
    edit(value)
    return pack({**members, names.OPENINGS: canonical_json.dumps(value)})


def test_a_copy_without_addresses_and_title_passes_and_states_what_it_withholds(
    tmp_path: Path, openssl: Any
) -> None:
    data = copied(tmp_path, "addresses", "title", keep=("capture/screenshot.png",))

    assert by_both(data, tmp_path, openssl) == ("passed", [])
    report = by_the_first(data)
    assert report.withheld is not None
    assert "/what/requested_url" in report.withheld.fields
    assert "archive/data.warc.gz" in report.withheld.files
    assert "capture/screenshot.png" not in report.withheld.files
    assert report.established is None
    assert "redacted copy" in reports.headline(report)
    assert reports.as_json(report)["withheld"]["files"] == list(report.withheld.files)
    for text in (b"example.test", b"A page", b"Hello"):
        assert text not in data, text
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        signed = archive.read(names.MANIFEST_SHA256)
    assert signed == unpack(WHOLE)[names.MANIFEST_SHA256]


def test_a_value_that_is_not_withheld_is_shown_and_checked(tmp_path: Path, openssl: Any) -> None:
    data = copied(tmp_path, "machine")

    assert by_both(data, tmp_path, openssl) == ("passed", [])
    report = by_the_first(data)
    assert report.requested_url == bundles.URL
    assert report.withheld is not None
    assert "/how/environment/kernel" in report.withheld.fields


def test_a_value_can_be_disclosed_later_and_a_forged_one_cannot(
    tmp_path: Path, openssl: Any
) -> None:
    members = unpack(copied(tmp_path, "title"))
    record = bundles.record_of(unpack(WHOLE))
    (title,) = (x for x in openings.of_record(record) if x.pointer == "/what/title")
    shown = openings.parse(members[names.OPENINGS], record["bundle_id"])

    def disclosed(opening: openings.Opening) -> bytes:
        text = openings.encode(record["bundle_id"], (*shown, opening))
        return pack({**members, names.OPENINGS: text})

    assert by_both(disclosed(title), tmp_path, openssl) == ("passed", [])
    assert by_the_first(disclosed(title)).record["what"]["title"] == "A page"
    for forged in (replace(title, value="Another"), replace(title, salt="0" * 64)):
        assert by_both(disclosed(forged), tmp_path, openssl) == ("failed", ["COMMITMENT"])


def test_a_short_value_cannot_be_found_by_trying(tmp_path: Path) -> None:
    """Its commitment is of no guess without the salt, though the value has two digits."""
    closed = json.loads(unpack(copied(tmp_path, "title"))[names.REDACTABLE_RECORD])
    commitment = closed["from_whom"]["headers"][0][1]["committed"]
    record = bundles.record_of(unpack(WHOLE))
    (header,) = (x for x in openings.of_record(record) if x.pointer == "/from_whom/headers/0/1")
    guesses = ["".join(pair) for pair in itertools.product("0123456789", repeat=2)]

    for salt in (b"", bytes(16), bytes(32)):
        made = {
            redactable.commit(salt, header.pointer, guess) for guess in (*guesses, header.value)
        }
        assert commitment not in made
    assert commitment == redactable.commit(bytes.fromhex(header.salt), header.pointer, header.value)


ENTRY = {"pointer": "/what/nothing", "salt": "0" * 64, "value": "x"}


@pytest.mark.parametrize(
    "edit",
    [
        lambda value: value["openings"][0].update(value="another"),
        lambda value: value["openings"][0].update(salt="0" * 32),
        lambda value: value["openings"][0].update(salt=value["openings"][0]["salt"].upper()),
        lambda value: value["openings"][0].update(note=""),
        lambda value: value["openings"][0].update(value=7),
        lambda value: value["openings"].reverse(),
        lambda value: value["openings"].insert(0, value["openings"][0]),
        lambda value: value["openings"].append(ENTRY | {"pointer": "/who/x"}),
        lambda value: value["openings"].append(ENTRY | {"pointer": "/who/mode"}),
        lambda value: value["openings"].append(7),
        lambda value: value.update(openings={}),
        lambda value: value.update(bundle_id="20260115t123045z-abcdefghijklmnoq"),
        lambda value: value.update(format="snapshotter-openings/2"),
        lambda value: value.pop("format"),
    ],
)
def test_an_invalid_opening_is_a_failed_commitment(
    edit: Callable[[Any], object], tmp_path: Path, openssl: Any
) -> None:
    data = with_openings(unpack(copied(tmp_path, "title")), edit)

    assert by_both(data, tmp_path, openssl) == ("failed", ["COMMITMENT"])


def test_openings_in_another_encoding_are_refused(tmp_path: Path, openssl: Any) -> None:
    members = unpack(copied(tmp_path, "title"))

    for text in (b"", b"[]", members[names.OPENINGS] + b"\n"):
        data = pack({**members, names.OPENINGS: text})
        assert by_both(data, tmp_path, openssl) == ("failed", ["COMMITMENT"])


def test_a_changed_added_or_removed_part_of_a_copy_is_found(tmp_path: Path, openssl: Any) -> None:
    members = unpack(copied(tmp_path, "title", keep=("capture/screenshot.png",)))
    whole, record = unpack(WHOLE), names.REDACTABLE_RECORD
    less = {name: data for name, data in members.items() if name != names.MANIFEST_BLAKE3}

    for changed, codes in (
        ({**members, record: flipped(members[record])}, ["BLAKE3", "HASH"]),
        ({**members, "capture/screenshot.png": bundles.PNG + b"x"}, ["BLAKE3", "HASH"]),
        ({**members, "capture/new.txt": b"x"}, ["UNLISTED"]),
        ({**members, "redacted/more.json": b"x"}, ["UNLISTED"]),
        ({**members, names.CAPTURE_RECORD: whole[names.CAPTURE_RECORD]}, ["UNLISTED"]),
        ({**members, names.DATAPACKAGE: whole[names.DATAPACKAGE]}, ["UNLISTED"]),
        ({**whole, names.OPENINGS: members[names.OPENINGS]}, ["UNLISTED"]),
        (less, ["MISSING"]),
        ({name: data for name, data in members.items() if name != record}, ["MISSING"]),
        (
            {name: data for name, data in members.items() if name != names.OPENINGS},
            ["MISSING"],
        ),
        ({**members, names.signature(1): flipped(members[names.signature(1)])}, ["SIG"]),
    ):
        assert by_both(pack(changed), tmp_path, openssl) == ("failed", codes)


def test_a_token_that_was_removed_from_a_copy_leaves_its_time_open(
    tmp_path: Path, openssl: Any
) -> None:
    members = unpack(copied(tmp_path, "title"))
    less = {name: data for name, data in members.items() if not name.endswith(".tsr")}

    verdict, codes = by_both(pack(less), tmp_path, openssl)

    assert (verdict, codes) == ("indeterminate", ["TIME", "TS_MISSING"])


def test_a_copy_is_no_bundle_where_a_whole_one_belongs(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    trust = read_trust(SERIES / "trust" / "trust.json", pinned_root=PIN, now=now)

    report = verify_bundle(io.BytesIO(copied(tmp_path, "title")), trust, now=now)

    assert report.verdict is Verdict.FAILED


def test_a_record_of_version_1_cannot_be_redacted(tmp_path: Path) -> None:
    with OLD.open("rb") as stream, pytest.raises(PolicyRefused, match="version 1"):
        redacted_copy.write(stream, tmp_path, fields=["title"])


def test_an_unknown_field_and_a_file_that_repeats_a_value_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SnapshotterError, match="no value"):
        copied(tmp_path, "/what/nothing")
    with pytest.raises(SnapshotterError, match="no file"):
        copied(tmp_path, "title", keep=("capture/nothing.png",))
    with pytest.raises(PolicyRefused, match="cannot be kept"):
        copied(tmp_path, "title", keep=("archive/data.warc.gz",))
    with pytest.raises(PolicyRefused, match="contains a value"):
        copied(tmp_path, "title", keep=("capture/dom.html",))
    assert not list(tmp_path.iterdir())


def test_openings_of_a_record_of_version_1_do_not_exist() -> None:
    record = bundles.record_of(unpack(OLD.read_bytes()))

    with pytest.raises(EvidenceInvalid):
        openings.of_record(record)


def test_the_host_and_the_parameters_of_a_withheld_address_are_searched_for_too(
    tmp_path: Path,
) -> None:
    """A rule file that names the host is withheld; a kept text that has a parameter is refused."""
    contents = {
        **bundles.CONTENTS,
        "capture/rules-lantern.toml": b'hosts = ["example.test"]\n',
        "capture/rules-other.toml": b'hosts = ["other.test"]\n',
        "capture/shared.txt": b"shared by QmFyYmFyYQ today\n",
    }
    made = bundles.capture(tmp_path / "spool", at=bundles.RealClock().now(), contents=contents)
    address = f"{bundles.URL}?from=QmFyYmFyYQ&x=1"
    bundle = sealer.seal(
        replace(made, requested_url=address, final_url=address),
        bundles.decision(),
        sealer.SealDependencies(
            signer=bundles.new_signer(), authorities=(), timestamp_timeout_s=1,
            clock=bundles.RealClock(), software=bundles.SOFTWARE,
        ),
        bundle_id=bundles.BUNDLE_ID, salt_key=bundles.SALT_KEY, spool=tmp_path / "spool",
        progress=lambda stage, detail: None,
    )  # fmt: skip

    with bundle.file.open("rb") as stream:
        copy = redacted_copy.write(stream, tmp_path / "out", fields=["addresses"])
        with pytest.raises(PolicyRefused, match="contains a value"):
            redacted_copy.write(
                stream, tmp_path / "kept", fields=["addresses"], keep=["capture/shared.txt"]
            )

    assert "capture/rules-lantern.toml" in copy.files
    assert "capture/rules-other.toml" not in copy.files
    data = copy.file.read_bytes()
    assert b"QmFyYmFyYQ" not in data
    assert b"example.test" not in data


SPELLINGS: dict[str, str | bytes] = {
    "plain": "Zürich Müller-7",
    "percent": "Z%C3%BCrich%20M%C3%BCller-7",
    "form": "Z%c3%bcrich+M%c3%bcller-7",
    "entities": "Z&#252;rich M&uuml;ller-7",
    "script": "Z\\u00fcrich M\\u00fcller-7",
    "word": "uid_Zürich Müller-7x",
    "base64": base64.b64encode(b"user=" + "Zürich Müller-7".encode()).decode(),
    "utf-16": "Zürich Müller-7".encode("utf-16-le"),
    "pdf-title": f"<</Title <FEFF{'Zürich Müller-7'.encode('utf-16-be').hex().upper()}>>>",
    "pdf-escapes": "/Title (A \\(small\\) page)",
    "path": '<a href="/people/jane/roe?page=2">',
    "part": "posts of jane-1975",
    "fragment": "token=fragment-value",
    "slug": '<a href="jane-resigns.html?page=2">',
    "slug-alone": "posts about jane-resigns",
    "chinese": "posts of 王小明 alone",
    "punycode": "xn--mnchen-3ya.test",
    "unicode-host": "münchen.test",
}


def test_a_kept_file_with_any_spelling_of_a_withheld_address_is_refused(tmp_path: Path) -> None:
    contents = {**bundles.CONTENTS, "capture/other.txt": b"people, pages and a Zuerich wall\n"}
    for name, text in SPELLINGS.items():
        data = text if isinstance(text, bytes) else text.encode()
        contents[f"capture/{name}.txt"] = b"before " + data + b" after\n"
    made = bundles.capture(tmp_path / "spool", at=bundles.RealClock().now(), contents=contents)
    host = "http://xn--mnchen-3ya.test"
    asked = f"{host}/people/jane/roe?u=Z%C3%BCrich%20M%C3%BCller-7&t=A+(small)+page"
    final = f"{host}/u/jane-1975/jane-resigns.html#token=fragment-value&by=王小明"
    bundle = sealer.seal(
        replace(made, requested_url=asked, final_url=final),
        bundles.decision(),
        sealer.SealDependencies(
            signer=bundles.new_signer(), authorities=(), timestamp_timeout_s=1,
            clock=bundles.RealClock(), software=bundles.SOFTWARE,
        ),
        bundle_id=bundles.BUNDLE_ID, salt_key=bundles.SALT_KEY, spool=tmp_path / "spool",
        progress=lambda stage, detail: None,
    )  # fmt: skip

    kept = []
    with bundle.file.open("rb") as stream:
        for name in (*SPELLINGS, "other"):
            with contextlib.suppress(PolicyRefused):
                redacted_copy.write(
                    stream, tmp_path / name, fields=["addresses"], keep=[f"capture/{name}.txt"]
                )
                kept.append(name)

    assert kept == ["other"]


def test_a_copy_without_addresses_shows_neither_certificate_nor_a_part_of_the_host(
    tmp_path: Path,
) -> None:
    """`x.test` is short, and rules name the end of a host's name; base64 hides it from a search."""
    contents = {
        **bundles.CONTENTS,
        "capture/rules-short.toml": b'hosts = ["x.test"]\n',
        "capture/rules-other.toml": b'hosts = ["y.test"]\n',
    }
    made = bundles.capture(tmp_path / "spool", at=bundles.RealClock().now(), contents=contents)
    at = made.started_at
    chain = Certificate(
        sha256="5" * 64, subject="CN=www.x.test", issuer="CN=An authority", serial="77",
        not_before=at, not_after=at, pem="d3d3LngudGVzdA==",
    )  # fmt: skip
    assert made.response is not None
    tls = TlsFacts(
        protocol="TLS 1.3", cipher="x", key_exchange_group="x", signature_algorithm="x",
        certificate_transparency="unknown", chain=(chain,),
    )  # fmt: skip
    address = "https://www.x.test/"
    bundle = sealer.seal(
        replace(
            made,
            requested_url=address,
            final_url=address,
            frames=(),
            response=replace(made.response, url=address, tls=tls),
        ),
        replace(bundles.decision(), block_hosts=("cdn.www.x.test",)),
        sealer.SealDependencies(
            signer=bundles.new_signer(), authorities=(), timestamp_timeout_s=1,
            clock=bundles.RealClock(), software=bundles.SOFTWARE,
        ),
        bundle_id=bundles.BUNDLE_ID, salt_key=bundles.SALT_KEY, spool=tmp_path / "spool",
        log_checkpoint="log.x.test\n1\n", progress=lambda stage, detail: None,
    )  # fmt: skip

    with bundle.file.open("rb") as stream:
        copy = redacted_copy.write(stream, tmp_path / "out", fields=["addresses"])

    members = unpack(copy.file.read_bytes())
    period = str(canonical_json.milliseconds(at)).encode()
    shown = members[names.OPENINGS] + members[names.REDACTABLE_RECORD]
    for text in (b"www.x.test", b"5" * 64, b"CN=", b'"77"', b"d3d3", b'not_before_ms":' + period):
        assert text not in shown, text
    assert "capture/rules-short.toml" in copy.files
    assert "capture/rules-other.toml" not in copy.files
    assert "/what/title" not in copy.fields


def test_the_media_type_of_the_page_is_no_text_of_it_and_can_be_withheld(tmp_path: Path) -> None:
    """All lists of files have the same media types."""
    made = bundles.capture(tmp_path / "spool", at=bundles.RealClock().now())
    document = Document(
        url="", status=200, media_type="application/toml", connection="1/0", at=made.started_at,
        not_shown_percent=None, not_received_percent=None,
    )  # fmt: skip
    bundle = sealer.seal(
        replace(made, documents=(document,)),
        bundles.decision(),
        sealer.SealDependencies(
            signer=bundles.new_signer(), authorities=(), timestamp_timeout_s=1,
            clock=bundles.RealClock(), software=bundles.SOFTWARE,
        ),
        bundle_id=bundles.BUNDLE_ID, salt_key=bundles.SALT_KEY, spool=tmp_path / "spool",
        progress=lambda stage, detail: None,
    )  # fmt: skip
    pointer = "/what/documents/0/media_type"

    with bundle.file.open("rb") as stream:
        copy = redacted_copy.write(stream, tmp_path / "out", fields=[pointer])

    assert copy.fields == (pointer,)


def test_to_disclose_the_title_shows_no_detail_that_could_quote_an_address(
    tmp_path: Path,
) -> None:
    copy = io.BytesIO(copied(tmp_path, "addresses", "title"))

    shown = disclosed(copy, tmp_path / "new.wacz")

    assert shown == ("/what/title",)


def disclosed(copy: io.BytesIO, target: Path, whole: bytes = WHOLE) -> tuple[str, ...]:
    now = datetime.now(UTC)
    trust = read_trust(SERIES / "trust" / "trust.json", pinned_root=PIN, now=now)
    return redacted_copy.disclose(
        copy, io.BytesIO(whole), target, fields=["title"], trust=trust, now=now
    )


def test_a_damaged_copy_is_not_written_again(tmp_path: Path) -> None:
    """Its list, record and openings are whole, so only a verification finds the changed file."""
    members = unpack(copied(tmp_path, "addresses", "title"))
    target = tmp_path / "new.wacz"

    with pytest.raises(EvidenceInvalid, match=r"FAILED: .*HASH"):
        disclosed(io.BytesIO(changed(members, "capture/README.txt")), target)

    assert not target.exists()


def changed(members: Members, name: str) -> bytes:
    return pack({**members, name: flipped(members[name])})


def test_a_redactable_record_is_read_up_to_the_limit_of_its_format(tmp_path: Path) -> None:
    """It is longer than a list of files may be, and is refused only for its digest."""
    record = json.loads(unpack(WHOLE)[names.REDACTABLE_RECORD])
    long = canonical_json.dumps({**record, "more": "x" * (5 << 20)})
    copy = pack({**unpack(copied(tmp_path, "title")), names.REDACTABLE_RECORD: long})
    whole = pack({**unpack(WHOLE), names.REDACTABLE_RECORD: long})

    with pytest.raises(EvidenceInvalid, match="FAILED"):
        disclosed(io.BytesIO(copy), tmp_path / "new.wacz", whole)


def test_both_verifiers_refuse_a_commitment_beside_the_one_that_a_field_names() -> None:
    """Its name gives the same path, and its opening another title."""
    forged = redactable.commit(bytes(32), "/what/title", "Forged")
    closed = json.loads(unpack(WHOLE)[names.REDACTABLE_RECORD])
    closed["what/title"] = {"committed": forged}
    opening = openings.Opening(pointer="/what/title", salt="00" * 32, value="Forged")
    data = openings.encode(closed["bundle_id"], (opening,))

    with pytest.raises(EvidenceInvalid, match="allows none"):
        openings.apply(closed, openings.parse(data, closed["bundle_id"]))
    with pytest.raises(MINIMAL.Bad, match="not the same"):
        MINIMAL.with_openings(closed, data)


def test_both_verifiers_open_a_number_and_do_not_take_its_digits_for_it() -> None:
    salt, pointer = "11" * 32, "/from_whom/remote_port"
    closed = openings.blank(json.loads(unpack(WHOLE)[names.REDACTABLE_RECORD]))
    closed["redactable"]["fields"] = [pointer]
    made = redactable.commit(bytes.fromhex(salt), pointer, 8080)
    closed["from_whom"]["remote_port"] = {"committed": made}
    number = openings.Opening(pointer=pointer, salt=salt, value="8080", is_number=True)

    data = openings.encode(closed["bundle_id"], (number,))
    assert openings.parse(data, closed["bundle_id"]) == (number,)
    for opened in (openings.apply(closed, (number,)), MINIMAL.with_openings(closed, data)[0]):
        assert opened["from_whom"]["remote_port"] == 8080

    digits = replace(number, is_number=False)
    with pytest.raises(EvidenceInvalid, match="does not match"):
        openings.apply(closed, (digits,))
    with pytest.raises(MINIMAL.Bad, match="does not match"):
        MINIMAL.with_openings(closed, openings.encode(closed["bundle_id"], (digits,)))
