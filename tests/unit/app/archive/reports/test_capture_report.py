"""The report about one capture: every required field, each with its source, and its sentences."""

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from snapshotter.app.archive.reports.capture.custody import custody_items
from snapshotter.app.archive.reports.capture.evidence import Evidence
from snapshotter.app.archive.reports.capture.groups import groups
from snapshotter.app.archive.reports.capture.report import MAX_TEXT, MadeReport, make_file_report
from snapshotter.app.archive.reports.capture.statements import statements
from snapshotter.formats.bundle import custody_sidecars
from snapshotter.formats.canonical_json import plain
from snapshotter.model.assessment import (
    Assessment,
    Availability,
    Cause,
    Content,
    ContentVerdict,
    TakedownVerdict,
)
from snapshotter.model.capture_report import (
    Basis,
    CaptureReport,
    Field,
    Presence,
    Table,
    Withheld,
)
from snapshotter.model.custody import CustodyEvent
from snapshotter.model.finding import Verdict
from snapshotter.model.finding import Withheld as WithheldParts
from snapshotter.report.capture_report import as_json, encode, page
from snapshotter.report.local_time import LocalTime
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.trust import Trust
from tests import bundles
from tests.bundles import ChainAuthority, RealClock
from tests.unit.report.test_capture_page import MATERIAL, PASSED

UTC_TIME = LocalTime(zone=UTC)
ASSUMED = datetime(2030, 1, 1, tzinfo=UTC)

# The fields that docs/spec/report.md promises, by group.
REQUIRED = {
    "what": "bundle_id bundle_sha256 identity requested_url final_url redirects title verdict "
    "whole court_minimum http_status",
    "when": "started_at ended_at sealed_at navigation_started_at navigation_ended_at timezone "
    "locale clock_source clock_offset_ms clock_leap http_date clock_checks tokens proven_time "
    "authorities token_delay_ms qualified",
    "who": "operator organisation worker mode network_path vantage exit_country public_address "
    "account cache",
    "how": "software build browser browser_sha256 os image_digest window scale user_agent "
    "fonts_sha256 policy policy_version policy_sha256 policy_text actions steps waits scroll_steps "
    "failed_requests light",
    "from_whom": "remote_ip remote_port protocol tls_protocol certificates connections status "
    "headers server_signature",
    "content": "artifacts images_wanted images_loaded images_failed images_placeholder "
    "text_characters language dates counts qr_codes outlinks",
    "integrity": "manifest_sha256 signatures key_statement log_index log_origin retain_until "
    "legal_hold replicas holds proof",
    "custody": "events problems",
    "limits": "record",
    "redactions": "values redact_headers redact_url_params redact_viewer_fields strip_params",
}


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory, authority: ChainAuthority) -> Any:
    signer = bundles.new_signer()
    text = "A line of the page.\n" * 2_000
    made = bundles.seal(
        tmp_path_factory.mktemp("spool"), signer=signer, clock=RealClock(), authorities=[authority],
        title="港口 <b>wall</b>",
        contents={**bundles.CONTENTS, "capture/page.txt": text.encode()},
    )  # fmt: skip
    event = CustodyEvent(
        at=RealClock().now(), event="ingestion", agent="snapshotter 0", object=made.file.name,
        outcome="success", by="the archive", event_id="ab" * 16,
    )  # fmt: skip
    members = bundles.unpack(made.file.read_bytes())
    head = custody_sidecars.head_inside(members["capture/custody.jsonl"])
    data, _ = custody_sidecars.encode([event], head)
    made.file.with_name(f"{made.file.name}.custody-0001.jsonl").write_bytes(data)
    return made.file, bundles.trust_in(signer, authority)


def report_of(
    file: Path, trust: Trust, *, local: LocalTime = UTC_TIME, now: datetime | None = None
) -> MadeReport:
    at = now or RealClock().now() + timedelta(seconds=1)
    with file.open("rb") as stream:
        return make_file_report(file.name, file, stream, trust, now=at, local=local)


def items(report: CaptureReport) -> Iterator[Field | Table]:
    for group in report.groups:
        yield from group.items


def test_every_required_field_is_in_the_report_with_its_source_and_basis(sealed: Any) -> None:
    found = as_json(report_of(*sealed).report)

    fields: Any = found["fields"]
    for group, keys in REQUIRED.items():
        assert set(keys.split()) - set(fields[group]) == set(), group
    for group in fields.values():
        for field in group.values():
            assert field["source"]["file"]
            assert field["term"]
            for entry in [field, *field["rows"]] if "rows" in field else [field]:
                assert entry["source"]["file"]
                assert (entry is field and "rows" in field) or entry["basis"] in list(Basis)
    assert found["verification"]["verdict"] == "passed"  # type: ignore[index, call-overload]


def test_a_pointer_leads_to_the_value_that_the_report_states(sealed: Any) -> None:
    report = report_of(*sealed).report
    record = bundles.record_of(bundles.unpack(sealed[0].read_bytes()))
    compared = 0
    for item in items(report):
        if item.source.file != "capture/capture.json":
            continue
        target: Any = record
        for name in item.source.pointer.split("/")[1:]:
            target = target.get(name) if isinstance(target, dict) else None
        if isinstance(item, Table):
            assert item.total == len(target or []), item.key
        elif item.presence is Presence.PRESENT and type(item.value) is type(target):
            compared += 1
            sentences = ("account", "cache")  # what the software of the record implies
            assert item.value == target or item.key in sentences, item.key
    assert compared > 40


def test_the_same_bundle_and_time_give_the_same_bytes(sealed: Any) -> None:
    first, second = (report_of(*sealed, now=ASSUMED) for _ in range(2))

    assert encode(first.report) == encode(second.report)
    pages = [page(made.report, made.picture, UTC_TIME, digest="ab") for made in (first, second)]
    assert pages[0] == pages[1]
    other = report_of(*sealed, now=ASSUMED + timedelta(days=1))
    assert encode(first.report) != encode(other.report)


def test_the_text_ends_at_a_word_and_states_how_long_the_whole_is(sealed: Any) -> None:
    report = report_of(*sealed).report

    assert report.text_total == 40_000
    assert MAX_TEXT - 20 < len(report.text) <= MAX_TEXT
    assert report.text.endswith(("A", "line", "of", "the", "page."))


def test_digests_and_tokens_are_verified_and_the_rest_is_the_word_of_the_author(
    sealed: Any,
) -> None:
    report = report_of(*sealed).report

    basis = {item.key: item.basis for item in items(report) if isinstance(item, Field)}
    for key in ("bundle_sha256", "manifest_sha256", "proven_time", "policy_sha256"):
        assert basis[key] is Basis.VERIFIED, key
    for key in ("title", "requested_url", "started_at", "http_status", "token_delay_ms"):
        assert basis[key] is Basis.STATED, key
    for key in ("operator", "account", "stored_at"):
        assert basis[key] is Basis.UNVERIFIED, key
    tokens, artifacts = report.find("when.tokens"), report.find("content.artifacts")
    assert isinstance(tokens, Table)
    assert isinstance(artifacts, Table)
    assert {row.basis for row in (*tokens.rows, *artifacts.rows)} == {Basis.VERIFIED}
    operator = report.find("who.operator")
    assert isinstance(operator, Field)
    assert operator.value == "the archive"
    assert operator.source.pointer == "/0/by"


def test_of_a_file_only_path_length_and_digest_are_verified(sealed: Any) -> None:
    found: Any = as_json(report_of(*sealed).report)["fields"]
    artifacts = found["content"]["artifacts"]

    assert {row["basis"] for row in artifacts["rows"]} == {"verified"}
    checked = {column["key"] for column in artifacts["columns"] if "basis" not in column}
    assert checked == {"path", "length", "sha256"}
    assert {column.get("basis", "stated") for column in artifacts["columns"]} == {"stated"}


@pytest.mark.parametrize("value", [[], {"committed": 1}, [{}], None, 7])
def test_a_file_whose_path_is_no_text_gets_a_report(value: Any) -> None:
    record = {"content": {"artifacts": [{"path": value, "step": value, "sha256": value}]}}
    evidence = Evidence(
        material=replace(MATERIAL, record=record), report=PASSED,
        trust=Trust(source="a test", keys=(), authorities=()),
    )  # fmt: skip

    made = {group.key: group for group in groups(evidence, UTC_TIME)}

    (table,) = [item for item in made["content"].items if item.key == "artifacts"]
    assert isinstance(table, Table)
    assert [row.basis for row in table.rows] == [Basis.UNVERIFIED]


def test_nothing_of_an_altered_bundle_is_verified(sealed: Any, tmp_path: Path) -> None:
    members = bundles.unpack(sealed[0].read_bytes())
    altered = tmp_path / "altered.wacz"
    altered.write_bytes(bundles.pack({**members, "capture/dom.html": b"<p>Another"}))

    made = report_of(altered, sealed[1])

    assert made.report.verdict is Verdict.FAILED
    (signed,) = (said for said in made.report.statements if said.key == "signed")
    assert signed.text.endswith("It is not established whether this key signed the bundle.")
    signatures = made.report.find("integrity.signatures")
    assert isinstance(signatures, Table)
    assert signatures.rows[0].values[-1] is None
    assert made.report.sentences[0].startswith("The proof is not intact")
    own = ("bundle_sha256", "bundle_bytes", "key_statement", "trust_sha256", "proof")
    for item in items(made.report):
        rows = [row.basis for row in item.rows] if isinstance(item, Table) else [item.basis]
        assert item.key in own or set(rows) <= {Basis.UNVERIFIED}, item.key
    text = page(made.report, made.picture, UTC_TIME, digest="ab").decode()
    assert "Do not rely on the bundle" in text
    assert text.index("Do not rely on the bundle") < text.index("captured the page")


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/New_York"])
def test_an_index_of_any_form_gets_a_report(sealed: Any, tmp_path: Path, zone: str) -> None:
    """No check reads the index: its numbers, texts and times are whatever a stranger wrote."""
    file, trust = sealed
    entry = {"url": "http://a.test/", "status": "200", "mime": "text/html", "length": "10"}
    lines = [
        f"test,a)/ {at} {json.dumps({**entry, **changes})}\n"
        for at, changes in (
            ("20260101000000", {"url": "http://a.test/\ud800", "mime": "\udc00"}),
            ("20260101000000", {"length": "9" * 400}),
            ("20260101000000", {"length": float("inf")}),
            ("20260101000000", {"status": "9" * 300}),
            ("00010101000000", {}),
            ("99991231235959", {}),
        )
    ]
    members = {**bundles.unpack(file.read_bytes()), "indexes/index.cdx": "".join(lines).encode()}
    altered = tmp_path / "altered.wacz"
    altered.write_bytes(bundles.pack(members))
    local = LocalTime(zone=ZoneInfo(zone))

    made = report_of(altered, trust, local=local)

    found: Any = as_json(made.report)["fields"]
    rows = [row["values"] for row in found["from_whom"]["requests"]["rows"]]
    assert [row["at"][:4] for row in rows] == ["0001", "2026", "9999"]
    assert rows[1]["url"] == "http://a.test/\\ud800"
    assert encode(made.report)
    assert b'datetime="9999-12-31T23:59:59Z"' in page(
        made.report, made.picture, local, digest="0" * 64
    )


def test_long_rows_are_left_out_and_counted() -> None:
    """A browser would not finish to print 300 addresses of 100,000 characters."""
    record = {"from_whom": {"headers": [["Link", "x" * 400_000]] * 5}}
    of = Evidence(
        material=replace(MATERIAL, record=record), report=PASSED,
        trust=Trust(source="a test", keys=(), authorities=()),
    )  # fmt: skip

    made = {group.key: group for group in groups(of, UTC_TIME)}

    (table,) = [item for item in made["from_whom"].items if item.key == "headers"]
    assert isinstance(table, Table)
    assert (len(table.rows), table.total) == (2, 5)


def test_a_token_of_an_unknown_authority_is_not_verified(sealed: Any) -> None:
    trust = replace(sealed[1], authorities=())

    report = report_of(sealed[0], trust).report

    tokens = report.find("when.tokens")
    assert isinstance(tokens, Table)
    assert [row.basis for row in tokens.rows] == [Basis.UNVERIFIED]
    assert any("No trusted timestamp authority" in said.text for said in report.statements)


# --- the sentences follow from values ----------------------------------------------------------

RECORD: dict[str, Any] = {
    "outcome": {"state": "complete", "reasons": []},
    "signers": [{"slot": "sig-01", "key_id": "ab" * 32, "algorithm": "ecdsa-p384-sha384"}],
    "software": "snapshotter 1",
    "what": {
        "final_url": "https://news.test/a",
        "http_status": 200,
        "requested_url": "https://news.test/a",
        "title": "A story",
    },
    "when": {"started_at": "2026-11-29T23:16:05Z", "ended_at": "2026-11-29T23:16:09Z"},
}


def said(
    record: dict[str, Any] = RECORD,
    *,
    assessment: Assessment | None = None,
    assessment_file: Any = None,
    **report: Any,
) -> dict[str, tuple[str, Any]]:
    of = Evidence(
        material=replace(MATERIAL, record=record, assessment=assessment),
        report=replace(PASSED, **report),
        trust=Trust(source="a test", keys=(), authorities=()),
        assessment=assessment_file,
    )
    found = statements(of, groups(of, UTC_TIME), UTC_TIME).statements
    return {
        statement.key: (statement.text, statement.shown.value if statement.shown else None)
        for statement in found
    }


@pytest.mark.parametrize(
    ("path", "value", "key", "expected"),
    [
        ("when.started_at", "2026-11-30T01:00:00Z", "captured", "On 30 Nov 2026, 01:00:00 UTC, "),
        ("software", "snapshotter 2", "captured", "snapshotter 2 captured"),
        ("outcome.state", "failed", "captured", "tried to capture the page at"),
        ("what.requested_url", "https://news.test/b", "captured", "https://news.test/b"),
        ("what.final_url", "https://news.test/c", "redirected", "https://news.test/c"),
        ("what.title", "Another", "title", "Another"),
        ("outcome.state", "partial", "whole", "The capture is partial."),
        ("signers.0.key_id", "cd" * 32, "signed", "the key cdcdcdcdcdcdcdcd…"),
    ],
)
def test_a_sentence_follows_from_the_value_that_it_names(
    path: str, value: str, key: str, expected: str
) -> None:
    changed = copy.deepcopy(RECORD)
    at: Any = changed
    *above, last = path.split(".")
    for name in above:
        at = at[int(name)] if isinstance(at, list) else at[name]
    at[last] = value

    before, after = said().get(key), said(changed)[key]

    assert before != after
    assert expected in f"{after[0]} {after[1]}"


def test_the_sentence_about_the_time_follows_from_the_verified_tokens() -> None:
    later = PASSED.proven_time + timedelta(days=1) if PASSED.proven_time else None

    assert "30 Nov 2026, 23:16:05 UTC" in said(proven_time=later)["time"][0]
    assert "29 Nov 2026, 23:16:05 UTC" in said()["time"][0]
    assert "Two, Three" in said(authorities=("Two", "Three"))["time"][0]
    assert "No trusted" in said(proven_time=None, authorities=())["time"][0]


def test_the_sentences_about_the_page_follow_from_the_assessment() -> None:
    def of_page(content: Content, availability: Availability, **more: Any) -> dict[str, Any]:
        found = Assessment(
            content=ContentVerdict(kind=content, detail=""),
            takedown=TakedownVerdict(availability=availability, detail="", **more),
        )
        return said(assessment=found, assessment_file=plain(found))

    shown = of_page(Content.CONTENT, Availability.AVAILABLE)
    gone = of_page(
        Content.NOTICE, Availability.UNAVAILABLE, cause=Cause.AUTHOR, notice="deleted <b>"
    )

    assert shown["page"][0] == "The page was available."
    assert "notice" not in shown
    assert gone["page"][0].startswith("The page was not available: ")
    assert gone["notice"] == ("The page showed this notice:", "deleted <b>")


def test_the_sentence_about_the_log_follows_from_the_verified_proof(sealed: Any) -> None:
    made = report_of(*sealed).report
    assert any(
        "No valid proof shows that the bundle is in a log" in s.text for s in made.statements
    )
    with sealed[0].open("rb") as stream:
        report = verify_bundle(stream, sealed[1], now=RealClock().now() + timedelta(seconds=1))
    assert report.established is not None

    def log(**facts: Any) -> str:
        known = replace(report.established, **facts)  # type: ignore[type-var]
        return said(established=known)["log"][0]

    unseen = log(log_index=5, log_origin="log.test")
    assert (
        unseen
        == "The log log.test contains the bundle as entry 5. No trusted witness saw the entry."
    )
    seen = log(log_index=6, log_origin="log.test", logged_by=ASSUMED)
    assert "entry 6. A trusted witness saw the entry by 1 Jan 2030, 00:00:00 UTC." in seen


def test_the_sentence_about_the_operator_follows_from_the_custody_chain(sealed: Any) -> None:
    made = report_of(*sealed).report
    (named,) = [statement for statement in made.statements if statement.key == "operator"]

    assert named.shown is not None
    assert (named.shown.value, named.basis) == ("the archive", Basis.UNVERIFIED)
    assert said()["operator"][0].startswith("Neither the record nor the custody chain names")


def test_a_long_custody_chain_shows_how_it_begins_and_its_newest_events() -> None:
    event = CustodyEvent(
        at=ASSUMED, event="exporting", agent="snapshotter 0", object="x", outcome="success",
        by="", event_id="ab" * 16,
    )  # fmt: skip
    chain = tuple(
        custody_sidecars.ChainedEvent(event=event, sequence=number, head="", number=number)
        for number in range(1, 401)
    )

    trust = Trust(source="a test", keys=(), authorities=())

    of = Evidence(material=MATERIAL, report=PASSED, trust=trust, chain=chain)
    table = next(custody_items(of))

    assert isinstance(table, Table)
    assert [row.values[0] for row in table.rows] == [*range(1, 51), *range(151, 401)]
    assert table.total == 400


def test_each_sentence_names_fields_and_is_as_certain_as_the_weakest_of_them(sealed: Any) -> None:
    report = report_of(*sealed).report
    order = list(Basis)
    for statement in report.statements:
        assert statement.fields, statement.key
        bases = []
        for path in statement.fields:
            item = report.find(path)
            bases += [row.basis for row in item.rows] if isinstance(item, Table) else [item.basis]
        assert order.index(statement.basis) == max(map(order.index, bases)), statement.key


def test_local_time_stands_before_utc(sealed: Any) -> None:
    there = LocalTime(zone=timezone(timedelta(hours=8)))

    report = report_of(*sealed, local=there).report

    captured = next(said.text for said in report.statements if said.key == "captured")
    assert " UTC), " in captured
    assert report.zone == "UTC+08:00"


# --- what a stranger wrote ---------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, 5, True, [], {}, "x", [[]], [5], {"what": 5}])
def test_a_record_of_any_form_gets_a_report(value: Any) -> None:
    record = dict.fromkeys(
        ("what", "when", "who", "how", "from_whom", "content", "outcome", "redactions", "signers"),
        value,
    )
    of = Evidence(
        material=replace(MATERIAL, record=record), report=PASSED,
        trust=Trust(source="a test", keys=(), authorities=()), network=value, assessment=value,
    )  # fmt: skip

    made = groups(of, UTC_TIME)

    assert len(made) == len(REQUIRED)
    assert statements(of, made, UTC_TIME).statements


def test_a_value_to_which_the_record_has_only_a_commitment_is_withheld() -> None:
    record = copy.deepcopy(RECORD)
    record["what"] |= {name: {"committed": "ab" * 32} for name in ("title", "requested_url")}
    record["from_whom"] = {"headers": [["Server", {"committed": "cd" * 32}]]}
    record["format"] = "snapshotter-capture/2"
    of = Evidence(
        material=replace(MATERIAL, record=record), report=PASSED,
        trust=Trust(source="a test", keys=(), authorities=()),
    )  # fmt: skip

    made = groups(of, UTC_TIME)

    found = {item.key: item for group in made for item in group.items}
    title, headers = found["title"], found["headers"]
    assert isinstance(title, Field)
    assert isinstance(headers, Table)
    assert (title.presence, title.value) == (Presence.WITHHELD, Withheld(committed="ab" * 32))
    assert title.source.file == "capture/redactable.json"
    assert headers.rows[0].values == ("Server", Withheld(committed="cd" * 32))
    captured = next(said for said in statements(of, made, UTC_TIME).statements)
    assert captured.text.endswith("captured the page at this address:")
    assert captured.shown is not None
    assert captured.shown.presence is Presence.WITHHELD


def test_a_digest_whose_file_a_redacted_copy_lacks_is_only_stated() -> None:
    """The copy has the digest in its signed list. Nobody computed it from the file."""
    for files, basis in (((), Basis.VERIFIED), (("capture/policy.toml",), Basis.STATED)):
        withheld = WithheldParts(fields=(), files=files, manifest_sha256="ab" * 32)
        of = Evidence(
            material=replace(MATERIAL, record={"how": {"policy": {"sha256": "cd" * 32}}}),
            report=replace(PASSED, established=None, withheld=withheld),
            trust=Trust(source="a test", keys=(), authorities=()),
        )  # fmt: skip

        found = {item.key: item for group in groups(of, UTC_TIME) for item in group.items}

        policy = found["policy_sha256"]
        assert isinstance(policy, Field)
        assert (policy.basis, policy.presence) == (basis, Presence.PRESENT), files
