"""Pages that were possibly removed: which captures are compared, and which evidence is missing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from snapshotter.app.takedown.suspected_pages import SuspectedPage, SuspectedPages, suspected_page
from snapshotter.assess.possible_removals import Suspicion
from snapshotter.model.assessment import (
    Assessment,
    Availability,
    Content,
    ContentVerdict,
    TakedownVerdict,
    Undecided,
)
from tests.archived import Archive

OTHER = "http://mp.weixin.qq.com/s?__biz=MzA5MTAxMjEzMQ==&mid=2653009999&idx=1&sn=b2"


def unknown_notice() -> Assessment:
    """Return what is said of a page with a notice that no rule knows."""
    return Assessment(
        content=ContentVerdict(kind=Content.NOTICE, detail="a notice"),
        takedown=TakedownVerdict(
            availability=Availability.INCONCLUSIVE,
            detail="a notice",
            undecided=Undecided.UNKNOWN_NOTICE,
            notice="此栏目正在整理",
        ),
    )


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    found = Archive(tmp_path)
    yield found
    found.service.stop()


def page_of(archive: Archive, bundle_id: str) -> SuspectedPage:
    with archive.view() as view:
        found = suspected_page(view, bundle_id, lambda key_id: True)
    assert found is not None
    return found


def names(page: SuspectedPage) -> list[str]:
    """Return what is missing, in one word each."""
    return [words.split()[1].rstrip(":.") for words in page.missing]


def test_the_last_capture_with_the_page_and_the_first_without_it_are_named(
    archive: Archive,
) -> None:
    archive.put(0)
    seen = archive.put(5)
    gone = archive.put(10, unknown_notice())
    later = archive.put(12, unknown_notice())

    for bundle_id in (gone, later):
        page = page_of(archive, bundle_id)
        assert page.last_seen is not None
        assert (page.last_seen.bundle_id, page.first_without.bundle_id) == (seen, gone)
        assert [capture.bundle_id for capture in page.later] == [later]
        assert page.suspicion is Suspicion.UNKNOWN_NOTICE
    with archive.view() as view:
        assert suspected_page(view, seen, lambda key_id: True) is None


def test_missing_evidence_is_named_until_the_captures_have_it(archive: Archive) -> None:
    archive.put(0)
    gone = archive.put(10, unknown_notice())
    assert names(page_of(archive, gone)) == ["timestamp", "confirmation", "control"]

    early = archive.put(12, unknown_notice())
    page = page_of(archive, gone)
    assert page.confirmation is not None
    assert page.confirmation.bundle_id == early
    assert names(page) == ["timestamp", "confirmation", "control"]  # it is too early

    control = archive.put(15, url=OTHER)
    confirmation = archive.put(25, unknown_notice())
    page = page_of(archive, gone)
    assert page.confirmation is not None
    assert page.control is not None
    assert (page.confirmation.bundle_id, page.control.bundle_id) == (confirmation, control)
    assert names(page) == ["timestamp"]


def test_a_control_that_was_made_after_the_confirmation_does_not_count(archive: Archive) -> None:
    archive.put(0)
    gone = archive.put(10, unknown_notice())
    archive.put(25, unknown_notice())
    archive.put(30, url=OTHER)

    page = page_of(archive, gone)

    assert page.control is None
    assert names(page) == ["timestamp", "control"]


def test_a_page_that_is_shown_again_says_so_and_a_later_doubt_begins_anew(
    archive: Archive,
) -> None:
    archive.put(0)
    gone = archive.put(10, unknown_notice())
    again = archive.put(20)
    page = page_of(archive, gone)
    assert page.shown_again is not None
    assert page.shown_again.bundle_id == again

    second = archive.put(30, unknown_notice())

    page = page_of(archive, second)
    assert page.last_seen is not None
    assert (page.last_seen.bundle_id, page.first_without.bundle_id) == (again, second)
    assert page.later == ()


def test_captures_in_quarantine_are_not_named(archive: Archive) -> None:
    seen = archive.put(0)
    gone = archive.put(10, unknown_notice())
    control, confirmation = archive.put(15, url=OTHER), archive.put(25, unknown_notice())
    pages = SuspectedPages(archive.service)
    with archive.view() as view:
        (listed,) = pages.latest(view, [gone], lambda key_id: True) or ()
    assert {capture.bundle_id for capture in listed.captures} == {
        seen, gone, control, confirmation,
    }  # fmt: skip

    for bundle_id in (seen, control, confirmation):
        archive.add_notice(bundle_id)
    found, page = known_after_a_notice(archive, pages, gone)

    assert page is not None
    for each in (page, *found):
        assert [capture.bundle_id for capture in each.captures] == [gone]
    assert "quarantine" in page.missing[0]
    archive.add_notice(gone)
    assert known_after_a_notice(archive, pages, gone) == ((), None)


def known_after_a_notice(
    archive: Archive, pages: SuspectedPages, bundle_id: str
) -> tuple[tuple[SuspectedPage, ...], SuspectedPage | None]:
    """Return the list and the page of a capture when the index has read the notices."""
    archive.service.update()  # a notice is read at the second update
    with archive.view() as view:
        found = pages.latest(view, [bundle_id], lambda key_id: True) or ()
        return found, suspected_page(view, bundle_id, lambda key_id: True)
