"""`snapshotter report case`: what the report about a case states, names first, and leaves out."""

import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from snapshotter.formats.bundle import store_keys
from snapshotter.formats.statements import gap
from snapshotter.model.gap import Gap, GapEvent, GapReason, Missed
from snapshotter.model.job import CaptureJob, JobState, JobStatus
from snapshotter.seal.signer import KeyDirectory
from tests import bundles, observed
from tests.bundles import RealClock
from tests.fakes.world import FixedClock
from tests.observed import at
from tests.unit.app.takedown.test_event_verification import ARTICLE, OTHER
from tests.unit.cli.bundle_shell import BundleShell
from tests.unit.cli.test_takedown_command import STATE

HOSTILE = "</td><script>alert(1)</script>\u202egpj.exe"
NO_PDF = "--format", "html", "--format", "json"
SECRET = "pseudonymous-source"


@pytest.fixture
def home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> BundleShell:
    shell = BundleShell(tmp_path, monkeypatch, capsys)
    assert shell.run("case", "create", "harbour", "--title", "The fire of Doe") == 0, shell.err
    assert shell.run("case", "add", "harbour", shell.id) == 0, shell.err
    return shell


def add(home: BundleShell, name: str, *, hours: float, title: str = "A page") -> str:
    """Store another capture of the same page, and return its id."""
    clock = FixedClock(RealClock().now() - timedelta(hours=hours))
    made = bundles.seal(
        home.folder / name, signer=bundles.new_signer(), clock=clock, title=title
    )  # fmt: skip
    assert home.run("store", "add", str(made.file)) == 0, home.err
    return made.id


def report(home: BundleShell, *arguments: str, code: int = 11) -> dict[str, Any]:
    assert home.run("report", "case", "harbour", *NO_PDF, *arguments) == code, home.err
    found: dict[str, Any] = json.loads(Path("case-report-harbour.json").read_bytes())
    return found


def page() -> str:
    return Path("case-report-harbour.html").read_text()


def rows(found: dict[str, Any], section: str, table: str) -> list[dict[str, Any]]:
    return [row["values"] for row in found["sections"][section][table]["rows"]]


def test_each_exhibit_has_its_digest_and_each_value_a_source(home: BundleShell) -> None:
    other = add(home, "other", hours=1)

    found = report(home)

    (exhibit,) = found["exhibits"]
    fields = exhibit["fields"]
    assert (exhibit["exhibit"], exhibit["bundle_id"]) == (1, home.id)
    digest = hashlib.sha256(home.bytes).hexdigest()
    assert fields["what.bundle_sha256"]["value"] == digest
    assert "".join(f"<span>{digest[at : at + 4]}</span>" for at in range(0, 64, 4)) in page()
    items = [*found["numbers"].values(), *fields.values()]
    items += [item for section in found["sections"].values() for item in section.values()]
    items += [row for item in items for row in item.get("rows", ())]
    assert items
    assert [item for item in items if not item["source"]["file"]] == []
    assert [row["bundle_id"] for row in rows(found, "timeline", "captures")] == [other, home.id]
    assert rows(found, "timeline", "captures")[0]["exhibit"] == "no exhibit"
    assert found["numbers"]["other_captures"]["value"] == 1
    assert "verifying: 1 of 1" in home.err
    twin = hashlib.sha256(Path("case-report-harbour.json").read_bytes()).hexdigest()
    assert f"<span>{twin[:4]}</span><span>{twin[4:8]}</span>" in page()


def test_an_exhibit_that_failed_is_named_before_everything_else(home: BundleShell) -> None:
    file = Path(home.store.url, home.key)
    good = add(home, "good", hours=1)
    assert home.run("case", "add", "harbour", good) == 0, home.err
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.chmod(0o600)
    file.write_bytes(data)

    found = report(home, code=10)

    assert found["alarms"][0].startswith("Exhibit 1 FAILED: The proof is not intact")
    assert home.out.startswith("Exhibit 1 FAILED")
    assert [exhibit["verdict"] for exhibit in found["exhibits"]] == ["failed", "indeterminate"]
    assert page().index("Exhibit 1 FAILED") < page().index('id="numbers"')
    failed = found["exhibits"][0]
    assert failed["picture"] is None
    assert {
        field["basis"] for key, field in failed["fields"].items() if key.startswith("when")
    } == {"unverified"}


def test_what_people_wrote_is_only_there_if_it_is_named(home: BundleShell) -> None:
    assert home.run("note", "add", home.id, f"told by {SECRET}") == 0, home.err
    assert home.run("tag", "add", "mole", home.id) == 0, home.err

    found = report(home, "--search", SECRET, "--search", "mole")

    for text in (json.dumps(found), page()):
        assert "told by" not in text
        assert "The fire of Doe" not in text
    assert [found["sections"]["searches"][f"search_{n}"]["rows"] for n in (1, 2)] == [[], []]
    left = found["sections"]["left_out"]
    assert {key: left[key]["value"] for key in ("notes", "reviews", "tags", "title")} == {
        "notes": 1, "reviews": 0, "tags": 1, "title": 1,
    }  # fmt: skip

    found = report(home, "--search", SECRET, "--with", "notes, title,tags")

    assert found["title"] == "The fire of Doe"
    assert rows(found, "writings", "notes")[0]["text"] == f"told by {SECRET}"
    assert rows(found, "writings", "tags")[0]["tags"] == ["mole"]
    (hit,) = rows(found, "searches", "search_1")
    assert (hit["exhibit"], hit["region"]) == ("Exhibit 1", "note")
    assert f"[{SECRET}]" in hit["excerpt"]
    assert "notes" not in found["sections"]["left_out"]
    assert home.run("report", "case", "harbour", "--with", "minutes") == 2
    assert "valid: notes, reviews, tags, title" in home.err


def test_people_have_numbers_roles_or_pseudonyms(
    home: BundleShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAPSHOTTER_OPERATOR", "Jane Doe")
    monkeypatch.setenv("SNAPSHOTTER_ROLE", "investigator")
    by_jane = add(home, "by-jane", hours=1)
    assert home.run("case", "add", "harbour", by_jane) == 0, home.err
    monkeypatch.setenv("SNAPSHOTTER_PSEUDONYM", "heron")
    by_heron = add(home, "by-heron", hours=2)
    assert home.run("case", "add", "harbour", by_heron) == 0, home.err

    found = report(home)

    stored = [exhibit["fields"]["who.operator"]["value"] for exhibit in found["exhibits"]]
    assert stored == ["Person 1", "Person 2, investigator", "heron (pseudonym), investigator"]
    by = {row["exhibit"]: row["by"] for row in rows(found, "custody", "events") if row["by"]}
    assert by == dict(zip(("Exhibit 1", "Exhibit 2", "Exhibit 3"), stored, strict=True))
    for text in (json.dumps(found), page()):
        assert "Jane" not in text
        assert "the archive" not in text


def test_quarantined_and_removed_exhibits_are_counted_and_not_shown(home: BundleShell) -> None:
    secret = add(home, "secret", hours=1, title="A minor's name")
    gone = add(home, "gone", hours=2)
    hidden = add(home, "hidden", hours=3)
    assert home.run("case", "add", "harbour", secret, gone) == 0, home.err
    assert home.run("case", "remove", "harbour", gone, "--reason", "no fire") == 0, home.err
    for name in (secret, hidden):
        assert home.run("quarantine", "--reason", "names a minor", name) == 0, home.err

    found = report(home)

    assert [exhibit["exhibit"] for exhibit in found["exhibits"]] == [1]
    left = rows(found, "left_out", "quarantined")
    assert [(row["exhibit"], row["bundle_id"]) for row in left] == [
        ("Exhibit 2", secret), ("no exhibit", hidden),
    ]  # fmt: skip
    assert all("names a minor" in row["reason"] for row in left)
    removed = found["sections"]["left_out"]["removed"]
    assert (removed["value"], removed["note"]) == (1, "Exhibit numbers: 3")
    assert [row["bundle_id"] for row in rows(found, "timeline", "captures")] == [gone, home.id]
    assert "minor&#39;s name" not in page()


def test_a_hostile_title_stays_text(home: BundleShell) -> None:
    assert home.run("case", "add", "harbour", add(home, "bad", hours=1, title=HOSTILE)) == 0

    found = report(home, "--search", "<b>gpj</b>")

    assert found["exhibits"][1]["fields"]["what.title"]["value"] == HOSTILE
    assert "<script" not in page()
    assert "<b>" not in page()
    assert "\u202e" not in page()
    assert "script-src" not in page()


def test_an_exhibit_that_was_erased_is_named_as_not_verified(home: BundleShell) -> None:
    assert home.run("erase", "--order", "O-1", "--reason", "court", "--yes", home.id) == 0

    found = report(home)

    assert found["alarms"] == [
        "Exhibit 1 was not verified: the capture was erased by the order O-1."
    ]
    assert (found["exhibits"][0]["verdict"], found["numbers"]["not_verified"]["value"]) == (None, 1)
    assert "Not verified" in page()


def test_the_same_case_time_and_zone_give_the_same_bytes(
    home: BundleShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAPSHOTTER_RECORD_ACCESS", "false")  # its event would be in the next one
    # The bundle was sealed today, so by this time its seal is in the future.
    given = "--zone", "Asia/Shanghai", "--at", "2026-01-01T00:00:00Z"

    first = report(home, *given, code=10), page()

    assert (report(home, *given, code=10), page()) == first
    assert first[0]["zone"] == "UTC+08:00"


def test_the_custody_chain_names_the_digest_of_the_report(
    home: BundleShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAPSHOTTER_RECORD_ACCESS", "true")

    assert home.run("report", "case", "harbour", "--format", "json", "--json") == 11, home.err

    assert home.object["verdict"] == "indeterminate"
    digest = home.object["report_sha256"]
    assert home.run("custody", "show", "--json", home.id) == 0
    assert f"case report, SHA-256 of its JSON file {digest}" in home.out


def test_many_events_of_one_type_are_one_row_with_their_number(
    home: BundleShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAPSHOTTER_RECORD_ACCESS", "true")
    for number in range(60):  # more than the rows of an exhibit
        assert home.run("export", home.id, "-o", f"out/{number}") == 0, home.err
    assert home.run("custody", "show", "--json", home.id) == 0
    times = [event["at"] for event in home.object["events"] if event["event"] == "exporting"]

    found = rows(report(home), "custody", "events")

    (row,) = [row for row in found if row["event"] == "exporting"]
    assert (row["count"], row["at"], row["last_at"]) == (60, times[0], times[-1])
    assert all(row["last_at"] is None for row in found if row["count"] == 1)


def test_removals_and_gaps_say_what_is_signed(
    home: BundleShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    signer, _ = KeyDirectory(home.folder / "data" / "keys").ensure()
    monkeypatch.setenv("SNAPSHOTTER_LOG", "false")
    shots = []
    for minute, url in ((30, ARTICLE), (60, ARTICLE), (65, OTHER), (70, ARTICLE)):
        made = observed.shoot(home.folder / "s", at(minute), STATE, url, signer=signer)
        observed.put(home.store, made)
        shots.append(made.id)
    assert home.run("takedown", "derive") == 0, home.err
    assert home.run("case", "add", "harbour", shots[0]) == 0, home.err
    missed = Gap(
        gap_id="20260527t084000z-k3v4q2m7xw4c5b6d", at=at(40), schedule="hourly",
        event=GapEvent.MISSED, reason=GapReason.NO_WORKER, since=at(36), until=at(36),
        missed=(Missed(slots=(at(36),), urls=(ARTICLE,)),),
    )  # fmt: skip
    opened = gap.disclosures(missed, [bytes(32)])
    data = gap.encode(missed, opened, signer)
    home.store.put_new(store_keys.gap_key(missed.gap_id), data, hashlib.sha256(data).hexdigest())
    job = CaptureJob(id="j1", url=ARTICLE, enqueued_at=at(29), origin="schedule:hourly")
    status = JobStatus(job=job, state=JobState.DONE, bundle_id=shots[0])
    monkeypatch.setattr(
        "snapshotter.app.wiring.index.jobs_of_bundles", lambda settings, ids: _facts(status)
    )

    found = report(home)

    (event,) = rows(found, "removals", "removals")
    assert event["kind"] == "■ Signed take-down event"
    assert (event["from"], event["to"]) == ("2026-05-27T08:29:58Z", "2026-05-27T09:00:00Z")
    assert (event["before"], event["after"]) == ("Exhibit 2", shots[1])
    assert "taken down between" in event["statement"]
    assert "trusted on this machine" in event["signed_by"]
    (row,) = rows(found, "gaps", "gaps")
    assert (row["schedule"], row["visits"], row["reason"]) == ("hourly", 1, "no-worker")
    assert found["sections"]["gaps"]["gaps"]["rows"][0]["basis"] == "stated"
    assert found["numbers"]["unavailable"]["value"] == 2


def _facts(status: JobStatus) -> dict[str, Any]:
    from snapshotter.index.values import JobFacts

    return {status.bundle_id: JobFacts(schedule=status.job.origin.removeprefix("schedule:"))}


def test_what_has_no_report(home: BundleShell) -> None:
    assert home.run("report", "case", "other") == 1
    assert home.run("report", "case", "harbour", "--search", " ") == 2
    assert home.run("report", "case", "harbour", "--search", '"open') == 2
    assert home.run("report", "case", "harbour", "--zone", "Nowhere") == 2
    assert list(Path().glob("case-report*")) == []
