"""Cases on pages: created, filled, annotated, previewed, handed over, closed; and selections."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import httpx2
import pytest

from snapshotter.app.archive.annotations import read_chain
from snapshotter.app.archive.organising import cases
from snapshotter.model.annotation_state import AnnotationState
from snapshotter.model.task import TaskState
from snapshotter.seal.signer import KeyDirectory
from tests import observed
from tests.archived import Archive
from tests.taskwork import do_tasks
from tests.webclient import FORM, Console, console, console_settings

SCRIPT = "<script>alert(1)</script>"


@dataclass(frozen=True, slots=True)
class Site:
    """A console with three captures and the case harbour, in which the first two are."""

    archive: Archive
    web: Console
    ids: tuple[str, ...]

    @property
    def state(self) -> AnnotationState:
        return read_chain(self.archive.store).state()

    def does(self, path: str, data: dict[str, str]) -> httpx2.Response:
        """Send a form, do what it requests, and return the page that follows the form."""
        answer = self.web.post(path, data)
        assert answer.status_code == 303, answer.text
        done = do_tasks(self.web)
        assert done[0].failure is None
        return answer

    def page(self, path: str) -> str:
        answer = self.web.get(path)
        assert answer.status_code == 200, answer.text
        assert SCRIPT not in answer.text
        return answer.text


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    archive = Archive(tmp_path)
    ids = (
        archive.put(0, text="a rumor"),
        archive.put(1, observed.gone()),
        archive.put(2, url=f"https://news.example/{SCRIPT}"),
    )
    cases.create_case(archive.annotations, "harbour", title=f"{SCRIPT} title")
    cases.add_to_case(archive.annotations, "harbour", ids[:2])
    cases.add_note(archive.annotations, f"{SCRIPT} note", bundle_ids=ids[:1])
    with console(console_settings(archive.folder, operator="A. Example")) as found:
        yield Site(archive, found.log_in(), ids)


def test_a_case_is_created_with_a_title_and_named_once(site: Site) -> None:
    answer = site.does("/cases", {"name": "quay", "title": "The quay", "key": "k1"})
    assert answer.headers["location"].startswith("/tasks/")  # no worker runs here
    assert site.state.cases["quay"].title == "The quay"
    assert site.state.cases["quay"].author == "A. Example"
    again = site.web.post("/cases", {"name": "quay", "title": "The quay", "key": "k1"})
    first, second = (found.headers["location"].partition("?")[0] for found in (answer, again))
    assert first == second  # a form that is sent twice is one task

    page = site.page("/cases")
    assert 'href="/cases/quay"' in page
    for name, words in (
        ("quay", "exists already"),
        ("Quay!", "must have 1 to 64 characters"),
        ("", "must have 1 to 64 characters"),
    ):
        refused = site.web.post("/cases", {"name": name, "title": SCRIPT})
        assert refused.status_code == 422
        assert words in refused.text
        assert 'href="#name"' in refused.text  # the summary leads to the field
        assert SCRIPT not in refused.text


def test_a_case_shows_its_exhibits_notes_and_times(site: Site) -> None:
    page = site.page("/cases/harbour")

    links = re.findall(r'href="/captures/([0-9a-z-]{33})"', page)
    assert links[:2] == list(site.ids[:2])
    assert "&lt;script&gt;" in page
    assert "Exhibit 1" in page
    assert 'action="/captures/selected"' in page
    assert "not current" not in page
    missing = site.web.get("/cases/nowhere")
    assert missing.status_code == 404
    assert "nowhere" in missing.text


def test_captures_are_added_by_id_by_its_end_and_by_their_address_here(site: Site) -> None:
    third = site.ids[2]
    site.does("/cases/harbour/add", {"ids": f"http://127.0.0.1:8765/captures/{third}?x=1"})
    assert site.state.cases["harbour"].captures[third] == 3

    site.does(
        "/captures/selected",
        {"action": "remove", "id": third, "case": "harbour", "reason": "the wrong page",
         "back": "/cases/harbour"},
    )  # fmt: skip
    page = site.page("/cases/harbour")
    assert third not in page
    assert "removed from the case: 3" in page
    site.does("/cases/harbour/add", {"ids": third[-16:], "add-reason": "found again"})
    assert site.state.cases["harbour"].captures[third] == 3
    for ids, words in ((" ", "at least one capture"), ("zzzz", "no capture has the id zzzz")):
        refused = site.web.post("/cases/harbour/add", {"ids": ids})
        assert refused.status_code == 422
        assert words in refused.text


def test_an_archive_is_previewed_with_what_is_withheld(site: Site) -> None:
    page = site.page("/cases/harbour/export?with=tags&with=nonsense&pdf=yes&no-case-report=yes")

    assert "Title of the case: 1" in page
    assert "Notes: 1" in page
    assert "also as PDF" in page
    assert "report about the case" not in page
    assert 'name="with" value="tags"' in page
    assert "nonsense" not in page
    assert "First, make a trust file" in page
    assert "Make archive" not in page
    site.web.post("/cases/harbour/export", {"with": "tags", "paper": "Letter"})
    (task, *_) = do_tasks(site.web)
    assert task.arguments["included"] == ["tags"]
    assert task.arguments["paper"] == "Letter"
    assert task.failure is not None
    assert "needs a trust file" in task.failure.error


def test_the_trust_file_of_an_archive_is_made_where_the_archive_is(site: Site) -> None:
    keys = KeyDirectory(site.web.context.settings.keys_dir)
    keys.create("default")
    preview = "/cases/harbour/export?with=tags&paper=Letter"
    back = re.search(r'name="back" value="([^"]+)"', site.page(preview))
    assert back is not None
    assert unescape(back[1]) == preview

    refused = site.web.post("/settings/trust-file", {"owner": " ", "back": preview})
    assert refused.status_code == 422
    assert 'href="#owner"' in refused.text
    form = {"owner": "Example Archive", "back": preview, "key": "k"}
    answer = site.does("/settings/trust-file", form)

    root_key = keys.find("console-root").key_id
    assert "back=%2Fcases%2Fharbour%2Fexport" in answer.headers["location"]
    for path in (preview, "/settings", answer.headers["location"].partition("?")[0]):
        assert root_key in site.page(path)
    assert "Make archive" in site.page(preview)
    site.does("/cases/harbour/export", {"no-case-report": "yes"})
    (task, *_) = do_tasks(site.web)
    assert task.result is not None
    assert [file.name for file in task.result.files] == ["harbour.zip"]
    assert root_key in site.page(f"/tasks/{task.id}")


def test_a_case_report_is_a_file_of_its_task(site: Site) -> None:
    refused = site.web.post("/cases/harbour/report", {"searches": 'host: "'})
    assert refused.status_code == 422

    # The PDF needs a browser: a browser test makes it.
    answer = site.web.post("/cases/harbour/report", {"searches": "rumor"})
    assert answer.status_code == 303
    (task, *_) = site.web.context.services.tasks.tasks.newest(1)
    assert (task.kind, task.arguments["searches"]) == ("case-report", ["rumor"])


def test_a_note_is_added_and_a_case_is_closed_with_a_reason(site: Site) -> None:
    refused = site.web.post("/cases/harbour/note", {"note": " "})
    assert refused.status_code == 422
    site.does("/cases/harbour/note", {"note": f"{SCRIPT} about the case"})
    assert "about the case" in site.page("/cases/harbour")
    refused = site.web.post("/cases/harbour/close", {"close-reason": ""})
    assert refused.status_code == 422

    stale = site.web.post("/cases/harbour/close", {"close-reason": "settled", "seen": "1"})
    assert stale.status_code == 422
    assert "changed the case harbour" in stale.text
    site.does("/cases/harbour/close", {"close-reason": "settled"})

    page = site.page("/cases/harbour")
    assert "The case is closed" in page
    assert "Add captures" not in page
    answer = site.web.post("/cases/harbour/add", {"ids": site.ids[2]})
    assert answer.status_code == 409
    assert "was closed" in answer.text


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"action": "tag", "tag": "x"}, "no capture is selected"),
        ({"action": "tag", "tag": "x", "id": "../x"}, "no id of a capture"),
        ({"action": "dance", "id": "ID"}, "names no action"),
        ({"action": "tag", "tag": "case:7", "id": "ID"}, "filter of the search"),
        ({"action": "case", "case": "nowhere", "id": "ID"}, "does not exist"),
        ({"action": "remove", "case": "harbour", "id": "ID"}, "give a reason"),
        ({"action": "review", "decision": "rejected", "id": "ID"}, "give a reason"),
        ({"action": "review", "decision": "x", "id": "ID"}, "choose a decision"),
        ({"action": "export", "form": "x", "id": "ID"}, "x"),
    ],
)
def test_a_selection_that_is_invalid_is_refused_in_a_sentence(
    site: Site, data: dict[str, str], words: str
) -> None:
    given = {name: value.replace("ID", site.ids[0]) for name, value in data.items()}

    answer = site.web.post("/captures/selected", given)

    assert answer.status_code == 400
    assert words.lower() in answer.text.lower()
    assert not site.web.context.services.tasks.tasks.newest(9)


def test_selected_captures_are_tagged_filed_reviewed_marked_and_exported(site: Site) -> None:
    two = list(site.ids[1:])

    def send(**data: str) -> None:
        answer = site.web.client.post(
            "/captures/selected", data={"id": two, "back": "/captures", **data}, headers=FORM
        )
        assert answer.status_code == 303, answer.text
        (task, *_) = do_tasks(site.web)
        assert task.state is TaskState.DONE, task.failure

    send(action="tag", tag=" média ")
    send(action="case", case="harbour")
    send(action="review", decision="needs-work", reason="look again")
    send(action="mark")
    send(action="export", form="bundles")
    captures = [site.state.capture(bundle_id) for bundle_id in two]
    assert [list(capture.tags) for capture in captures] == [["média"], ["média"]]
    assert [capture.cases for capture in captures] == [{"harbour": 2}, {"harbour": 3}]
    assert {capture.review.name for capture in captures if capture.review} == {"needs-work"}
    assert all("graphic" in capture.marks for capture in captures)
    send(action="untag", tag="média")
    assert not site.state.capture(two[0]).tags
    evil = site.web.post(
        "/captures/selected",
        {"action": "tag", "tag": "x", "id": two[0], "back": "//evil.example/"},
    )
    assert "evil" not in evil.headers["location"]
