"""The review page: one capture at a time, decided by its id, and never one that may not be seen."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from snapshotter.app.archive.annotations import read_chain
from snapshotter.app.archive.organising import cases
from snapshotter.formats.bundle import store_keys
from snapshotter.model.annotations import AnnotationAuthor, Mark, ReviewDecision
from snapshotter.web.console.pages import review
from tests import observed
from tests.archived import Archive
from tests.taskwork import do_tasks
from tests.unit.app.archive.confined.test_previews import png
from tests.webclient import Console, console, console_settings


@dataclass(frozen=True, slots=True)
class Site:
    archive: Archive
    web: Console
    ids: tuple[str, ...]

    def shown(self, query: str = "") -> str:
        """Return the id of the capture that the page shows; "" for none."""
        text = self.text(query)
        found = re.search(r'name="id" value="([0-9a-z-]+)"', text)
        return found[1] if found else ""

    def text(self, query: str = "") -> str:
        """Return the page, as soon as the list is made for the captures of the index."""
        services = self.web.context.services
        with services.index.reading() as view:
            while services.review.entries(view) is None or not services.review.is_current(view):
                time.sleep(0.01)
        answer = self.web.get(f"/review{query}")
        assert answer.status_code == 200, answer.text
        return answer.text

    def decide(self, bundle_id: str, decision: str, reason: str = "", at: str = "0") -> str:
        answer = self.web.post(
            "/review", {"id": bundle_id, "decision": decision, "reason": reason, "at": at}
        )
        assert answer.status_code == 303, answer.text
        (task, *_) = do_tasks(self.web)
        assert task.failure is None
        return answer.headers["location"]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    archive = Archive(tmp_path)
    ids = (
        archive.put(0, text="what was there"),
        archive.put(1, observed.gone(), png=png()),
        archive.put(2, observed.gone(), url="https://news.example/<script>alert(1)</script>"),
        archive.put(3, text="another page", url="https://fine.example/"),
    )
    with console(console_settings(archive.folder, operator="A. Example")) as found:
        yield Site(archive, found.log_in(), ids)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for what a busy machine makes slowly."""
    monkeypatch.setattr(review, "_PICTURE_S", 60)


def test_captures_are_shown_one_at_a_time_and_leave_the_list_when_they_are_settled(
    site: Site,
) -> None:
    _, gone, hostile, _ = site.ids
    text = site.text()
    assert "Capture 1 of 2" in text
    assert "<script>alert" not in text
    assert site.shown() == hostile  # the newest of equal ones
    assert site.shown("?at=1") == gone
    assert site.shown("?at=9") == hostile
    assert site.shown(f"?id={gone}") == gone
    assert f"/captures/{gone}/picture/0" in site.text(f"?id={gone}")
    assert 'data-press="a"' in text
    assert "There is no picture" in text

    back = site.decide(hostile, "accepted", at="0")

    assert "back=%2Freview%3Fat%3D0" in back
    assert site.shown("?at=0") == gone
    site.decide(gone, "needs-work", "look at the comments")
    assert site.shown() == gone
    assert "look at the comments" in site.text()
    site.decide(gone, "rejected", "a wall")
    assert "No capture needs a review" in site.text()
    assert site.shown("?decided=yes") == hostile
    state = read_chain(site.archive.store).state()
    decision = state.capture(gone).review
    assert decision is not None
    assert (decision.name, decision.reason, decision.author) == ("rejected", "a wall", "A. Example")


def test_a_decision_without_its_reason_stays_on_the_page_with_what_was_written(site: Site) -> None:
    gone = site.ids[1]
    for decision, reason in (("rejected", " "), ("needs-work", ""), ("perhaps", "because <b>")):
        answer = site.web.post(
            "/review", {"id": gone, "decision": decision, "reason": reason, "at": "1"}
        )
        assert answer.status_code == 422
        assert f'value="{gone}"' in answer.text
        assert 'href="#reason"' in answer.text
        assert "<b>" not in answer.text
    assert site.web.post("/review", {"id": "../x", "decision": "accepted"}).status_code == 404


def test_a_capture_that_only_a_person_found_wanting_is_listed(site: Site) -> None:
    fine = site.ids[3]
    cases.review(
        site.archive.annotations, ReviewDecision.NEEDS_WORK, [fine], reason="the date is wrong"
    )
    assert site.web.context.services.index.wait_for_update(30)

    assert "Capture 1 of 3" in site.text()
    assert site.shown("?at=2") == fine


def test_captures_in_quarantine_are_not_shown_and_graphic_ones_when_asked(site: Site) -> None:
    _, gone, hostile, _ = site.ids
    site.archive.add_notice(hostile)
    cases.set_mark(site.archive.annotations, Mark.GRAPHIC, [gone])
    assert site.web.context.services.index.wait_for_update(30)
    assert site.web.context.services.index.wait_for_update(30)  # notices are read when asked for

    text = site.text(f"?id={hostile}")

    assert hostile not in text
    assert "Marked as graphic" in text


def test_a_capture_whose_bundle_is_gone_is_shown_without_its_picture(site: Site) -> None:
    gone = site.ids[1]
    file = site.archive.folder / "store" / store_keys.bundle_key(gone)
    assert site.shown(f"?id={gone}") == gone
    file.rename(file.with_suffix(".away"))

    text = site.text(f"?id={gone}")

    assert f'value="{gone}"' in text
    assert "There is no picture" in text


def test_new_captures_are_found(site: Site) -> None:
    assert "Capture 1 of 2" in site.text()
    newest = site.archive.put(5, observed.gone(), url="https://later.example/")
    assert site.web.context.services.index.wait_for_update(30)

    assert site.shown() == newest
    assert "Capture 1 of 3" in site.text()


def test_a_decision_about_what_somebody_else_changed_is_refused_and_shown(site: Site) -> None:
    _, gone, _, _ = site.ids
    seen = re.search(r'name="seen" value="([0-9]+)"', site.text(f"?id={gone}"))
    assert seen is not None
    decision = {"id": gone, "decision": "accepted", "at": "0", "seen": seen[1], "key": "k"}
    other = replace(site.archive.annotations, author=AnnotationAuthor(name="C. Other"))
    cases.review(other, ReviewDecision.NEEDS_WORK, [gone], reason="a wall")
    assert site.web.context.services.index.wait_for_update(30)

    refused = site.web.post("/review", decision)

    assert refused.status_code == 422
    assert "because C. Other changed the annotations of" in refused.text
    assert "Decided before: needs work" in refused.text
    assert not do_tasks(site.web)
    newer = re.search(r'name="seen" value="([0-9]+)"', refused.text)
    assert newer is not None
    assert newer[1] > seen[1]
    assert site.web.post("/review", decision | {"seen": newer[1]}).status_code == 303
    (task,) = do_tasks(site.web)
    assert task.failure is None
    # The same form once more is the same request, and not a change by somebody else.
    assert site.web.post("/review", decision | {"seen": newer[1]}).status_code == 303
