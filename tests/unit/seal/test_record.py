"""The capture record: what a court reads."""

import hashlib
import json
import re
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import openings, redactable
from snapshotter.model.capture import (
    Capture,
    Certificate,
    CourtMinimum,
    CutReason,
    FailedRequest,
    ImageCounts,
    Picture,
    PictureFile,
    PictureKind,
    PictureTile,
    TlsFacts,
)
from snapshotter.seal import record
from snapshotter.verify.capture_record import loads
from tests import bundles

AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
DOCS = Path(__file__).resolve().parents[3] / "docs" / "spec" / "capture-record.md"


def _record(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    capture = replace(bundles.capture(tmp_path, at=AT), **changes)
    fields = record.content(
        capture,
        bundles.decision(),
        capture.artifacts,
        record.SealFacts(
            bundle_id=bundles.BUNDLE_ID,
            sealed_at=AT + timedelta(seconds=1),
            software=bundles.SOFTWARE,
            signers=(bundles.new_signer(),),
            authorities=("one", "two"),
            salt_key=bundles.SALT_KEY,
        ),
    )
    value: dict[str, Any] = canonical_json.loads(canonical_json.dumps(fields))
    return value


def test_the_record_is_canonical_and_names_its_format(tmp_path: Path) -> None:
    assert _record(tmp_path)["format"] == "snapshotter-capture/1"


def test_times_keep_their_milliseconds_beside_the_second(tmp_path: Path) -> None:
    when = _record(tmp_path)["when"]

    assert when["ended_at"] == "2026-01-02T03:04:05Z"
    assert when["ended_at_ms"] % 1000 == 678
    assert when["started_at_ms"] == when["ended_at_ms"] - 2000


def test_the_policy_is_named_with_the_digest_of_its_text(tmp_path: Path) -> None:
    policy = _record(tmp_path)["how"]["policy"]

    assert policy["sha256"] == hashlib.sha256(b'name = "test"\n').hexdigest()


@pytest.mark.parametrize(
    ("minimum", "line"),
    [
        ((True, True, True), "court minimum: YES (URL, HTML source, full-page capture)"),
        ((True, False, False), "court minimum: NO (HTML source, full-page capture missing)"),
    ],
)
def test_the_court_minimum_is_a_line_of_its_own(
    tmp_path: Path, minimum: tuple[bool, bool, bool], line: str
) -> None:
    url, source, picture = minimum
    value = CourtMinimum(url=url, html_source=source, full_page_capture=picture)

    assert _record(tmp_path, court_minimum=value)["court_minimum"]["line"] == line


def test_a_capture_without_an_answer_has_a_record(tmp_path: Path) -> None:
    value = _record(tmp_path, response=None, navigation_started_at=None, navigation_ended_at=None)

    assert value["from_whom"] is None
    assert value["what"]["http_status"] is None
    assert value["when"]["navigation_started_at_ms"] is None


def test_every_field_of_a_capture_is_in_the_record_but_the_salts(tmp_path: Path) -> None:
    """A field that is added to the model and forgotten here would be lost to the evidence."""
    marks = {
        "navigation_started_at",
        "navigation_ended_at",
        "response",  # as from_whom
        "outcome",
        "reasons",
        "artifacts",
        "picture_timings",  # for the person who captures; the record has the times of the steps
    }
    text = json.dumps(_record(tmp_path))

    for field in fields(Capture):
        if field.name not in marks | {"disclosures", "environment", "identifier_findings"}:
            assert f'"{field.name}"' in text or field.name == "response", field.name
    assert "disclosures" not in text


def test_every_name_in_the_record_is_documented(tmp_path: Path) -> None:
    documented = set(re.findall(r"`([a-z0-9_.]+)(?:\[\])?`", DOCS.read_text(encoding="utf-8")))
    words = {part for name in documented for part in name.split(".")}

    missing = {name for name in _names(_record(tmp_path)) if name not in words}

    assert missing == set()


def _names(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {name for item in value.values() for name in _names(item)}
    if isinstance(value, list):
        return {name for item in value for name in _names(item)}
    return set()


def test_a_page_can_not_make_a_record_that_no_verifier_reads(tmp_path: Path) -> None:
    long = "http://example.test/" + "x" * 2_000_000
    failed = tuple(
        FailedRequest(url=long, resource_type="Image", error="net::ERR_FAILED") for _ in range(500)
    )
    images = ImageCounts(wanted=100, failed=100, failed_urls=(long,) * 100)

    value = _record(tmp_path, failed_requests=failed, images=images, title=long, final_url=long)

    data = canonical_json.dumps(value)
    assert loads(data) == value
    assert value["what"]["final_url"].endswith(f"(cut; it has {len(long)} characters)")


def test_a_server_cannot_make_a_record_or_its_second_form_too_long(tmp_path: Path) -> None:
    """A head of 256 KiB has 65,000 headers, and each closed text takes 78 bytes."""
    response = bundles.capture(tmp_path, at=AT).response
    assert response is not None
    many = (("first", "1"), *(("a", "") for _ in range(65_000)))

    value = _record(tmp_path, response=replace(response, headers=many))

    assert loads(canonical_json.dumps(value)) == value
    assert value["from_whom"]["headers"][:2] == [["first", "1"], ["a", ""]]
    closed = redactable.encode(value)
    assert len(closed) < redactable.MAX_BYTES
    assert loads(closed)["from_whom"].keys() == value["from_whom"].keys()
    shown = openings.encode(value["bundle_id"], openings.of_record(value))
    assert openings.parse(shown, value["bundle_id"]) == openings.of_record(value)


def test_a_certificate_that_would_be_cut_ends_the_chain_in_the_record(tmp_path: Path) -> None:
    """Its digest would be another: every verifier would take the bundle for a false one."""
    response = bundles.capture(tmp_path, at=AT).response
    assert response is not None
    chain = tuple(
        Certificate(
            sha256="", subject="", issuer="", serial="", not_before=AT, not_after=AT, pem=pem
        )
        for pem in ("x" * 65_536, "x" * 65_537, "x")
    )
    tls = TlsFacts(
        protocol="", cipher="", key_exchange_group="", signature_algorithm="",
        certificate_transparency="", chain=chain,
    )  # fmt: skip

    value = _record(tmp_path, response=replace(response, tls=tls))

    assert [len(each["pem"]) for each in value["from_whom"]["tls"]["chain"]] == [65_536]


def test_a_picture_has_its_table_and_no_more_tiles_than_a_verifier_reads(tmp_path: Path) -> None:
    tiles = tuple(
        PictureTile(top_px=i, bottom_px=i + 1, row=i, rows=1, blank=False) for i in range(7_000)
    )
    file = PictureFile(
        path="capture/screenshot.png", top_px=0, bottom_px=7_000, width=9, height=7_000, tiles=tiles
    )
    picture = Picture(
        kind=PictureKind.PAGE, subject="", viewport="default", viewport_px=(9, 9), scale=1,
        mobile=False, left_px=0, top_px=0, width_px=9, height_px=9_000, captured_width_px=9,
        captured_height_px=7_000, heights_px=(8_000, 9_000), overlap_px=0, truncated_at=7_000,
        reason=CutReason.GREW, files=(file,),
    )  # fmt: skip

    value = _record(tmp_path, pictures=(picture, picture))

    first, second = value["content"]["pictures"]
    assert (first["kind"], first["reason"], first["truncated_at"]) == ("page", "page-grew", 7_000)
    assert first["heights_px"] == [8_000, 9_000]
    (listed,), (rest,) = first["files"], second["files"]
    assert (listed["tile_count"], len(listed["tiles"])) == (7_000, 7_000)
    assert (rest["tile_count"], len(rest["tiles"])) == (7_000, 3_000)
    assert set(_names(first)) <= set(re.findall(r"[a-z_]+", DOCS.read_text(encoding="utf-8")))
    assert loads(canonical_json.dumps(value)) == value
