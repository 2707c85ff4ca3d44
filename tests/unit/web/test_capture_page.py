"""The page of a capture: hostile texts stay texts, and a verification is never newer than it is."""

import io
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NoReturn

import pytest
from PIL import Image
from typing_extensions import override

from snapshotter.app.archive.confined.confined_verification import ConfinedVerifier
from snapshotter.app.archive.confined.preview_process import PreviewProcesses
from snapshotter.app.archive.screens.capture_views import OLD_AFTER
from snapshotter.app.tasks import requests
from snapshotter.errors import ServiceUnavailable
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.statements import quarantine
from snapshotter.formats.statements.quarantine import QUARANTINE, QuarantineAction
from snapshotter.web.console.pages import capture as capture_page
from snapshotter.web.console.pages.capture import marked_lines
from tests.cases import in_one_test
from tests.hostile_bundle import AT, CANARY, CASE, HostileArchive
from tests.webclient import Console, MovableClock, console, console_settings


class Page(HTMLParser):
    """What a browser makes of a page: its elements, their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(text)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    @override
    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def attributes(self, *names: str) -> list[str]:
        return [found[name] for _, found in self.elements for name in names if name in found]


@dataclass(frozen=True, slots=True)
class Site:
    console: Console
    archive: HostileArchive
    clock: MovableClock

    @property
    def path(self) -> str:
        return f"/captures/{self.archive.bundle_id}"

    @property
    def file(self) -> Path:
        return self.archive.store.root / self.archive.key

    def page(self, query: str = "") -> Page:
        answer = self.console.get(self.path + query)
        assert answer.status_code == 200, answer.text
        return Page(answer.text)

    def events(self) -> list[str]:
        files = sorted(self.archive.store.root.rglob("*.custody-*.jsonl"))
        return [line for file in files for line in file.read_text().splitlines()]


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def site(tmp_path: Path, clock: MovableClock) -> Iterator[Site]:
    archive = HostileArchive(tmp_path)
    with console(console_settings(tmp_path), clock=clock) as found:
        yield Site(found.log_in(), archive, clock)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a process that a busy machine starts slowly."""
    monkeypatch.setattr(capture_page, "_WAIT_S", 60)


def test_nothing_of_a_capture_becomes_a_part_of_the_page(site: Site) -> None:
    page = site.page("?quote=First+line")

    names = {tag for tag, _ in page.elements}
    assert names.isdisjoint({"iframe", "object", "embed", "base", "style"})
    scripts = [found for tag, found in page.elements if tag == "script"]
    assert [found["src"].startswith("/static/") for found in scripts] == [True]
    assert not [name for _, found in page.elements for name in found if name.startswith("on")]
    assert not page.attributes("style", "srcdoc", "ping", "srcset")
    for target in page.attributes("href", "src", "action", "formaction", "data-live"):
        assert target.startswith(("/", "#")), target
        assert not target.startswith("//"), target
    assert not [found for tag, found in page.elements if tag == "meta" and "http-equiv" in found]
    assert "window.owned=1" in page.text  # as a text
    assert CANARY in page.text
    assert "49" not in page.text.partition("{{ 7*7 }}")[2][:9]
    assert not {"\u202e", "\u2066", "\x1b", "\x07"} & set(page.text)


def test_without_an_open_case_the_page_leads_to_the_form_for_a_case(site: Site) -> None:
    page = site.page()

    assert "No other case is open." in page.text  # the only case has the capture
    side = site.console.get(site.path).text.partition("No other case is open.")[2]
    assert side.partition("</p>")[0].strip() == '<a href="/cases">Create a case</a>'


def test_the_page_states_what_was_verified_and_when(site: Site) -> None:
    page = site.page()

    assert "The capture is partial" in page.text
    assert "No check failed. The checks state what is not established." in page.text
    assert "First line" in page.text
    assert f"{site.path}/bundle" in page.attributes("href")
    assert f"{site.path}/files/capture/page.html" in page.attributes("href")
    now = site.clock.now()
    (stated,) = {text for text in page.attributes("datetime") if text[:10] == f"{now:%Y-%m-%d}"}
    assert abs(now.timestamp() - _seconds(stated)) < 60


def test_a_verification_is_kept_with_its_time_until_it_is_old_or_the_bundle_differs(
    site: Site,
) -> None:
    first = _verified(site)
    site.clock.offset = OLD_AFTER - timedelta(seconds=30)
    assert _verified(site) == first

    site.clock.offset = OLD_AFTER + timedelta(seconds=30)
    second = _verified(site)
    assert second > first
    site.clock.offset += timedelta(minutes=1)
    data = site.file.read_bytes()
    site.file.chmod(0o600)
    site.file.write_bytes(data + b"\0")
    altered = site.page()
    assert "Do not rely on this capture" in altered.text
    assert "Not established" in altered.text


def test_verify_now_verifies_again_and_custody_states_it(site: Site) -> None:
    first = _verified(site)
    site.clock.offset = timedelta(minutes=2)

    answer = site.console.post(f"{site.path}/verify")

    assert (answer.status_code, answer.headers["location"]) == (303, f"{site.path}#checks")
    assert 120 <= _verified(site) - first < 180
    assert [event for event in site.events() if '"fixity check"' in event]
    data = bytearray(site.file.read_bytes())
    data[len(data) // 2] ^= 1  # of the same length: nothing but a verification finds it
    site.file.chmod(0o600)
    site.file.write_bytes(data)
    site.console.post(f"{site.path}/verify")
    assert "Do not rely on this capture" in site.page().text


def test_a_long_verification_is_waited_for_on_a_page_that_loads_itself_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = threading.Event()
    verify = ConfinedVerifier.verify

    def slow(*arguments: Any, **options: Any) -> Any:
        may_end.wait(30)
        return verify(*arguments, **options)

    monkeypatch.setattr(ConfinedVerifier, "verify", slow)
    monkeypatch.setattr(capture_page, "_WAIT_S", 0.01)
    waiting = site.page()
    may_end.set()
    monkeypatch.setattr(capture_page, "_WAIT_S", 30)

    assert "The capture is being verified" in waiting.text
    refreshes = [found for tag, found in waiting.elements if tag == "meta" and "content" in found]
    assert {"http-equiv": "refresh", "content": "3"} in refreshes
    assert "No check failed" in site.page().text


def test_who_verifies_now_sees_the_new_result_or_waits_for_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "No check failed" in site.page().text
    may_end = threading.Event()
    verify = ConfinedVerifier.verify

    def slow(*arguments: Any, **options: Any) -> Any:
        may_end.wait(30)
        return verify(*arguments, **options)

    monkeypatch.setattr(ConfinedVerifier, "verify", slow)
    monkeypatch.setattr(capture_page, "_WAIT_S", 0.01)
    assert site.console.post(f"{site.path}/verify").status_code == 303
    assert "The capture is being verified" in site.page().text
    may_end.set()
    monkeypatch.setattr(capture_page, "_WAIT_S", 30)
    assert "No check failed" in site.page().text


def test_a_verification_that_was_ended_is_a_sentence_and_no_result(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = (sys.executable, "-I", "-c", "raise SystemExit(4)")
    views = site.console.context.services.capture_views
    processes = PreviewProcesses()
    monkeypatch.setattr(views, "_verifier", ConfinedVerifier(processes, command=program))

    answer = site.console.get(site.path)
    processes.stop()

    assert answer.status_code == 409
    assert "it needed more memory than 2 GB" in answer.text
    assert f"snapshotter verify {site.archive.bundle_id}" in answer.text
    assert "assed" not in answer.text.partition("<main")[2]  # no state of a proof


def test_a_verification_that_failed_to_run_is_tried_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(type(site.console.context.services.store), "open", _unavailable)
        assert site.console.get(site.path).status_code == 503

    assert "No check failed" in site.page().text


def test_custody_states_a_look_once_for_each_session(site: Site) -> None:
    for _ in range(3):
        site.page()
    assert len([event for event in site.events() if '"displaying"' in event]) == 1

    site.console.log_in()
    site.page()
    assert len([event for event in site.events() if '"displaying"' in event]) == 2


def test_a_graphic_capture_shows_its_picture_on_request_only(tmp_path: Path) -> None:
    archive = HostileArchive(tmp_path, graphic=True)
    with console(console_settings(tmp_path)) as found:
        text = found.log_in().get(f"/captures/{archive.bundle_id}").text
    before, _, after = text.partition('<figure class="viewer">')

    assert after
    assert before.rstrip().endswith(
        "<details><summary>This capture is marked as graphic. Show the picture</summary>"
    )


def test_a_picture_of_another_bundle_is_not_shown_as_the_verified_one(
    site: Site, tmp_path: Path
) -> None:
    """A store may show one bundle while the preview is made, and another one later."""
    own = site.file.read_bytes()
    other = HostileArchive(tmp_path / "other", png=_png("red"))
    assert other.bundle_id == site.archive.bundle_id
    site.file.chmod(0o600)

    def shown(bundle: bytes) -> bytes:
        site.file.write_bytes(bundle)
        site.console.post(f"{site.path}/verify")
        assert f"{site.path}/picture/0" in site.page().attributes("src")
        return site.console.get(f"{site.path}/picture/0").content

    first = shown(own)
    second = shown((other.store.root / other.key).read_bytes())

    assert first != second
    assert shown(own) == first


def test_a_capture_in_quarantine_is_not_shown(site: Site) -> None:
    action = QuarantineAction(action=QUARANTINE, sha256="ab" * 32, reason="a child", by="A", at=AT)
    after = quarantine.read(site.archive.bundle_id, [], lambda _: True)
    data = quarantine.encode(
        action, bundle_id=site.archive.bundle_id, after=after, signer=site.archive.signer
    )
    site.page()  # a verification that was made before shows nothing either
    key = f"{site.archive.key}.{quarantine.kind(1)}"
    site.archive.store.put_new(key, data, digest_bytes(data).sha256)

    for answer in (
        site.console.get(site.path),
        site.console.post(f"{site.path}/verify"),
        site.console.post(f"{site.path}/record/tag", {"tag": "x"}),
    ):
        assert answer.status_code == 403
        assert "is in quarantine: a child" in answer.text
        assert "First line" not in answer.text


def test_what_does_not_exist_is_said(site: Site) -> None:
    other = "/captures/20260101t000000z-aaaaaaaaaaaaaaaa"

    assert site.console.get(other).status_code == 404
    assert "has no bundle 20260101t000000z-aaaaaaaaaaaaaaaa" in site.console.get(other).text
    assert site.console.get("/captures/..%2f..").status_code == 404
    assert site.console.post(f"{other}/verify").status_code == 404
    assert site.console.post(f"{site.path}/record/erase", {"erase": "x"}).status_code == 404
    assert site.console.get(f"{site.path}/verify").status_code == 405


def test_a_quotation_is_marked_in_the_text(site: Site) -> None:
    page = site.page("?quote=first%20line")
    assert ("mark", {}) in page.elements
    assert "Places: 1" in page.text
    assert "does not contain these words" in site.page("?quote=other").text
    assert "no letter and no digit" in site.page("?quote=%22").text


@in_one_test(
    ("action", "fields", "kind", "arguments"),
    [
        ("tag", {"tag": " media "}, "annotate", {"action": "tag.add", "name": "media"}),
        ("untag", {"tag": "hostile"}, "annotate", {"action": "tag.remove", "name": "hostile"}),
        ("note", {"note": "a\r\nb"}, "annotate", {"action": "note.add", "text": "a\nb"}),
        (
            "remove",
            {"case": CASE, "reason": "r"},
            "annotate",
            {"action": "case.remove", "case": CASE, "text": "r"},
        ),
        (
            "review",
            {"decision": "rejected", "reason": "r"},
            "annotate",
            {"action": "review", "name": "rejected", "text": "r"},
        ),
        ("mark", {}, "annotate", {"action": "mark", "name": "graphic"}),
        ("unmark", {}, "annotate", {"action": "unmark", "name": "graphic"}),
        ("quarantine", {"why": "r"}, "annotate", {"action": "quarantine", "text": "r"}),
        ("export", {"form": "evidence"}, "export", {"form": "evidence"}),
        ("export", {"form": "report"}, "report", {"paper": "A4"}),
    ],
)
def test_what_a_person_records_or_wants_is_a_task(
    site: Site, action: str, fields: dict[str, str], kind: str, arguments: dict[str, str]
) -> None:
    key = f"{action}-{sorted(fields.values())}"
    answer = site.console.post(f"{site.path}/record/{action}", {**fields, "key": key})

    assert answer.status_code == 303, answer.text
    assert answer.headers["location"].startswith("/tasks/task-")
    task_id = answer.headers["location"].removeprefix("/tasks/").partition("?")[0]
    task = requests.find(site.console.context.services.tasks, task_id)
    assert task.kind == kind
    found = {name: value for name, value in (task.arguments or {}).items() if value}
    assert found == {**arguments, "bundle_ids": [site.archive.bundle_id]}


@in_one_test(
    ("action", "fields", "field"),
    [
        ("tag", {"tag": ""}, "tag"),
        ("tag", {"tag": "x" * 65}, "tag"),
        ("note", {"note": " "}, "note"),
        ("note", {"note": "x" * 10_001}, "note"),
        ("case", {"case": "no-such-case"}, "case"),
        ("remove", {"case": CASE}, "remove-reason"),
        ("review", {"decision": "rejected"}, "reason"),
        ("review", {}, "reason"),
        ("quarantine", {"why": ""}, "why"),
        ("export", {"form": "none"}, "form"),
    ],
)
def test_an_invalid_form_is_shown_again_with_its_error(
    site: Site, action: str, fields: dict[str, str], field: str
) -> None:
    answer = site.console.post(f"{site.path}/record/{action}", fields)

    assert answer.status_code == 400
    page = Page(answer.text)
    assert f"#{field}" in page.attributes("href")
    assert field in page.attributes("id")
    assert "First line" in page.text
    assert not requests.newest(site.console.context.services.tasks, limit=1)


@in_one_test(
    ("text", "places", "lines"),
    [
        ("a b c", [(2, 3)], [[("a ", False), ("b", True), (" c", False)]]),
        ("a\n\nb\n", [], [[("a", False)], [("b", False)]]),
        ("one two", [(0, 7)], [[("one two", True)]]),
        # A quotation goes on in the next line.
        ("ab\ncd", [(1, 4)], [[("a", False), ("b", True)], [("c", True), ("d", False)]]),
        ("a\r\nb", [(0, 1), (3, 4)], [[("a", True)], [("b", True)]]),
    ],
)
def test_places_are_marked_in_lines(
    text: str, places: list[tuple[int, int]], lines: list[list[tuple[str, bool]]]
) -> None:
    assert list(marked_lines(text, places)) == lines


def _png(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(out, "PNG")
    return out.getvalue()


def _unavailable(*_: object) -> NoReturn:
    raise ServiceUnavailable("the store does not answer")


def _verified(site: Site) -> float:
    """When the page states that the capture was verified."""
    text = site.console.get(site.path).text.partition(">Verified <time datetime=")[2]
    return _seconds(text[1:21])


def _seconds(stated: str) -> float:
    return datetime.fromisoformat(stated).timestamp()


def test_a_decision_about_annotations_that_somebody_changed_is_refused(site: Site) -> None:
    fields = {"decision": "accepted", "seen": "0"}

    answer = site.console.post(f"{site.path}/record/review", fields)

    assert answer.status_code == 400
    assert "changed the annotations of" in Page(answer.text).text
    note = site.console.post(f"{site.path}/record/note", {"note": "a note", "seen": "0"})
    assert note.status_code == 303  # nothing is overwritten by a note
