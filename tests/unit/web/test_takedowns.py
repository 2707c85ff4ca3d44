"""Take-downs on pages: what is missing, what is concluded, and the proof pack of an event."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import pytest

from snapshotter.app.archive.organising import cases
from snapshotter.formats.bundle import store_keys
from snapshotter.model.annotations import Mark
from snapshotter.model.task import TaskState
from snapshotter.report.statement import OWN_WORDS
from snapshotter.seal.signer import KeyDirectory
from snapshotter.site.state import SiteState, removed
from snapshotter.store.filesystem import DirectoryStore
from tests import observed
from tests.archived import Archive
from tests.observed import at
from tests.taskwork import do_tasks
from tests.unit.app.takedown.test_event_verification import ARTICLE, OTHER
from tests.unit.app.takedown.test_suspected_pages import unknown_notice
from tests.webclient import Console, console, console_settings

STATE = SiteState().change("wx/article", at(40), removed("wx-01"))


@dataclass(slots=True)
class Site:
    """A console whose own key signs captures of a page that is removed after 40 minutes."""

    folder: Path
    web: Console

    def shoot(self, minute: float, url: str = ARTICLE) -> str:
        signer, _ = KeyDirectory(self.folder / "keys").ensure()
        made = observed.shoot(self.folder / "spool", at(minute), STATE, url, signer=signer)
        observed.put(DirectoryStore(self.folder / "store"), made)
        assert self.web.context.services.index.wait_for_update(30)
        return made.id

    def text(self, path: str = "/takedowns") -> str:
        """Return a page, as soon as the outlook is made for the captures of the index."""
        services = self.web.context.services
        is_trusted = services.is_trusted()
        with services.index.reading() as view:
            while not services.outlook.is_current(view, is_trusted):
                services.outlook.latest(view, is_trusted)
        answer = self.web.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    def conclude(self, **data: str) -> str:
        """Conclude, and return the path of the newest event; "" if there is none."""
        assert self.web.post("/takedowns/conclude", data).status_code == 303
        (task, *_) = do_tasks(self.web)
        assert task.state is TaskState.DONE, task.failure
        found = re.search(r'href="(/takedowns/[0-9a-z-]{33})"', self.text())
        return found[1] if found else ""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with console(console_settings(tmp_path)) as found:
        yield Site(tmp_path, found.log_in())


def test_what_is_missing_is_named_until_the_take_down_can_be_concluded(site: Site) -> None:
    assert "No page is waiting for a conclusion" in site.text()
    seen, gone = site.shoot(30), site.shoot(60)
    text = site.text()
    assert f"/captures/{seen}" in text
    assert f"/captures/{gone}" in text
    assert "One more capture with the same result" in text
    assert "A control capture of another page of mp.weixin.qq.com" in text
    assert site.conclude() == ""
    site.shoot(65, OTHER)
    last = site.shoot(70)
    text = site.text()
    assert "The take-down can be concluded" in text
    assert f"/captures/{seen}" in text
    assert f"/captures/{gone}" in text
    assert f"/captures/{last}" not in text

    event = site.conclude(url=ARTICLE)

    assert event
    assert "No page is waiting for a conclusion" in site.text()


def test_an_event_shows_its_interval_captures_and_what_would_make_it_stronger(site: Site) -> None:
    ids = [site.shoot(30), site.shoot(60), site.shoot(65, OTHER), site.shoot(70)]
    event = site.conclude()

    text = site.text(event)

    assert [f'href="/captures/{bundle_id}"' in text for bundle_id in ids] == [True] * 4
    assert f"/compare?a={ids[0]}&amp;b={ids[1]}" in text
    assert "Last capture with the page" in text
    assert re.search(r"27 May 2026, 08:\d\d:\d\d", text)
    assert all(words in text for words in OWN_WORDS.values())
    (history,) = re.findall(r'href="(/addresses\?identity=[^"]+)">All captures', text)
    assert site.web.get(history).status_code == 200
    assert "A timestamp token for each capture" in text
    assert "from another vantage" in text
    assert "not trusted" not in text
    assert "Make proof pack" in text
    for path in ("/takedowns/20260527t091000z-aaaaaaaaaaaaaaaa", "/takedowns/x"):
        assert site.web.get(path).status_code == 404
        assert site.web.post(f"{path}/proof").status_code == 404


def test_an_event_shows_the_notice_and_marks_its_translation(site: Site) -> None:
    _, first, _, _ = (site.shoot(30), site.shoot(60), site.shoot(65, OTHER), site.shoot(70))
    event = site.conclude()

    text = site.text(event)

    notice = re.search(r'(?s)<h2 id="notice">.*?</section>', text)
    assert notice is not None
    quoted = re.search(r"(?s)<blockquote[^>]*>(.*?)</blockquote>", notice[0])
    assert quoted is not None
    assert observed.NOTICE in quoted[1]
    translation = re.search(r'(?s)Translation into English.*?<q lang="en">(.*?)</q>', notice[0])
    assert translation is not None
    assert "deleted" in translation[1]
    assert observed.NOTICE not in translation[1]
    assert "clear=1" not in text

    # Without its bundle, the words of the signed event are left.
    file = site.folder / "store" / store_keys.bundle_key(first)
    file.rename(file.with_suffix(".away"))
    text = site.text(event)
    assert observed.NOTICE in text
    assert "Translation into" not in text


def test_the_pictures_of_an_event_are_blurred_if_they_are_graphic(site: Site) -> None:
    ids = [site.shoot(30), site.shoot(60), site.shoot(65, OTHER), site.shoot(70)]
    event = site.conclude()
    assert site.web.post(f"/captures/{ids[0]}/record/mark").status_code == 303
    (task, *_) = do_tasks(site.web)
    assert task.state is TaskState.DONE, task.failure
    assert site.web.context.services.index.wait_for_update(30)

    text = site.text(event)

    assert re.findall(r'thumbnail blurred" src="/captures/([^/]+)/', text) == [ids[0]]


def test_the_proof_pack_of_an_event_is_made_and_downloaded_from_its_page(site: Site) -> None:
    for minute, url in ((30, ARTICLE), (60, ARTICLE), (65, OTHER), (70, ARTICLE)):
        site.shoot(minute, url)
    event = site.conclude()

    assert site.web.post(f"{event}/proof", {"without": "pdf"}).status_code == 303
    (task, *_) = do_tasks(site.web)

    assert task.state is TaskState.DONE, task.failure
    found = re.search(r'href="(/tasks/[^"]+/files/proof-[^"]+\.html)"', site.text(event))
    assert found is not None
    pack = site.web.get(found[1])
    assert pack.content.startswith(b"<!")
    assert pack.headers["content-disposition"].startswith("attachment")
    answer = site.web.post(f"{event}/verify")
    (verified, *_) = do_tasks(site.web)
    result = site.web.get(answer.headers["location"])  # it stays there: the result is on this page
    assert result.status_code == 200
    assert "Not established" in result.text
    assert f'href="{event}">Show the event' in result.text
    assert verified.result is not None
    assert verified.result.value["verdict"] in ("passed", "indeterminate")  # no tokens here


def test_an_event_by_a_foreign_key_is_shown_with_a_warning(site: Site, tmp_path: Path) -> None:
    for minute, url in ((30, ARTICLE), (60, ARTICLE), (65, OTHER), (70, ARTICLE)):
        site.shoot(minute, url)
    event = site.conclude()
    for key in (tmp_path / "keys").iterdir():
        if not key.name.startswith("default"):
            key.unlink()

    assert "The key of this event is not trusted" in site.text(event)
    assert "not trusted on this machine" in site.text()


def test_a_possible_removal_leads_to_the_comparison_the_missing_evidence_and_the_proof(
    tmp_path: Path,
) -> None:
    archive = Archive(tmp_path)
    url = "https://news.example/<script>alert(1)</script>"
    seen = archive.put(0, url=url, text="what was there")
    gone = archive.put(10, unknown_notice(), url=url)
    path = f"/takedowns/possible/{gone}"
    compare = f"/compare?a={seen}&amp;b={gone}"
    with console(console_settings(tmp_path)) as web:
        site = Site(tmp_path, web.log_in())
        services = web.context.services
        with services.index.reading() as view:
            while services.review.entries(view) is None:
                pass
        for text in (site.text(), site.text(path)):
            assert f'href="{compare}"' in text
            assert "A confirmation: a later capture" in text
            assert "A control: a capture of another page of news.example" in text
            assert "Prove the change" in text
            assert "<script>alert" not in text
        assert f'href="{path}"' in site.text()
        assert path in web.get(f"/review?id={gone}").text
        for other in (seen, "20260527t091000z-aaaaaaaaaaaaaaaa", "x", "%2e%2e"):
            assert web.get(f"/takedowns/possible/{other}").status_code == 404

        form = {"a": seen, "b": gone, "from": "possible"}
        answer = web.post("/takedowns/change", form)
        assert "back=%2Ftakedowns%2Fpossible%2F" in answer.headers["location"]
        (task, *_) = do_tasks(web)

        # These captures name no rules, so the task fails; its state and its reason are shown.
        assert task.failure is not None
        compared = compare.replace("&amp;", "&")
        while "are being compared" in web.get(compared).text:
            time.sleep(0.1)
        for text in (site.text(path), site.text(compared)):
            assert f'href="/tasks/{task.id}"' in text
            assert task.failure.error[1:] in unescape(text)
        assert f'href="/tasks/{task.id}"' in site.text()

        assert "blurred" not in site.text(path)
        cases.set_mark(archive.annotations, Mark.GRAPHIC, [gone])
        assert services.index.wait_for_update(30)
        assert re.findall(r'blurred" src="/captures/([^/]+)/', site.text(path)) == [gone]
        archive.add_notice(seen)
        for _ in range(2):  # a notice is read at the second update
            site.text(path)
            assert services.index.wait_for_update(30)
        for text in (site.text(), site.text(path)):
            assert seen not in text
            assert "in quarantine" in text
        archive.add_notice(gone)
        for _ in range(2):
            web.get(path)
            assert services.index.wait_for_update(30)
        assert web.get(path).status_code == 403
        assert gone not in site.text()


def test_a_change_is_proven_only_of_two_captures(site: Site) -> None:
    first = site.shoot(30)
    for data in ({}, {"a": first, "b": first}, {"a": first, "b": "../x"}):
        assert site.web.post("/takedowns/change", data).status_code == 400
    second = site.shoot(35)

    assert site.web.post("/takedowns/change", {"a": first, "b": second}).status_code == 303
    (task, *_) = do_tasks(site.web)

    assert task.failure is not None  # the same text twice
    assert "chang" in task.failure.error
