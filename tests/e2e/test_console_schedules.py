"""Schedules, watch lists, policies and audits in a browser, with and without scripts."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Browser
from sqlalchemy import Connection

from snapshotter.app.policies.visit_plan import VisitOptions, plan_from_options
from snapshotter.app.wiring.queue import declare_tables
from snapshotter.jobs.database import database_now
from snapshotter.jobs.open_database import open_database
from snapshotter.jobs.schedules.schedules import Schedules
from tests.console import RunningConsole, problems_of, quiet_browser, running_console, signed_in
from tests.e2e.product import Installation

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.xdist_group("console-schedules")]
PAGE = "http://127.0.0.1:9/"  # nobody answers there


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An installation whose worker did not run for five hours: visits were missed."""
    made = Installation(tmp_path_factory.mktemp("schedules") / "home")
    queue = f"sqlite:///{made.home / 'queue.db'}"
    made.configure(queue=queue, operator="A. Example", log=False)

    def hours_ago(connection: Connection) -> datetime:
        # The minute makes the sixth visit due in any case, whatever is rounded to seconds.
        return database_now(connection) - timedelta(hours=5, minutes=1)

    declare_tables()
    database = open_database(queue)
    plan = plan_from_options(VisitOptions(every="1h", jitter="0"))
    Schedules(database, now=hours_ago).add("late", plan, [PAGE])
    database.dispose()
    assert made.run("schedule", "run", "--once").code == 0
    return made


@pytest.fixture(scope="module")
def console(installation: Installation) -> Iterator[RunningConsole]:
    with running_console(installation, "--no-worker") as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with quiet_browser() as started:
        yield started


@pytest.mark.parametrize("scripts", [True, False], ids=["with-scripts", "without-scripts"])
def test_a_schedule_is_added_paused_with_a_reason_and_resumed(
    browser: Browser, console: RunningConsole, scripts: bool
) -> None:
    name = "with-scripts" if scripts else "without-scripts"
    with signed_in(browser, console, java_script_enabled=scripts) as page:
        page.get_by_role("link", name="Schedules", exact=True).first.click()
        page.get_by_label("Addresses").fill(PAGE)
        tops = (
            page.locator("form#add > .row")
            .locator("label")
            .evaluate_all("labels => labels.map(label => label.getBoundingClientRect().top)")
        )
        assert len(tops) == 3
        assert len(set(tops)) == 1  # with a hint and without
        page.get_by_label("How often").select_option("Every 6 hours")
        page.get_by_label("Name").fill("Not A Name")
        page.get_by_role("button", name="Add schedule").click()
        page.get_by_role("link", name="'Not A Name' is not a valid name").click()
        page.get_by_label("Name").fill(name)
        page.get_by_role("button", name="Add schedule").click()

        page.get_by_role("heading", name=f"Schedule {name}").wait_for()
        assert page.inner_text("header .lead") == "Every 6 hours"
        page.get_by_text("No worker is running").wait_for()
        page.get_by_label("Reason").fill("the site is being moved")
        page.get_by_role("button", name="Pause").click()
        page.get_by_role("button", name="Resume").wait_for()
        assert "the site is being moved" in page.inner_text("dl.facts")
        page.get_by_role("button", name="Resume").click()
        page.get_by_role("button", name="Pause").wait_for()


def test_a_missed_visit_is_shown_with_its_signed_record(
    browser: Browser, console: RunningConsole
) -> None:
    with signed_in(browser, console) as page:
        page.goto(console.url("/schedules"))
        table = page.get_by_role("table", name="Missed visits")
        assert "No worker was running." in table.inner_text()
        table.get_by_role("link", name="late").click()
        page.get_by_role("heading", name="Schedule late").wait_for()
        history = page.get_by_role("table", name="Visits and gaps").inner_text()
        assert "5 visits. No worker was running." in history
        assert "Signed record 20" in history


def test_a_policy_is_explained_and_an_audit_is_requested(
    browser: Browser, console: RunningConsole
) -> None:
    with signed_in(browser, console, java_script_enabled=False) as page:
        page.goto(console.url("/policies"))
        page.get_by_label("Address").fill("mp.weixin.qq.com/s/AbCdEfGhIjKlMnOp")
        page.get_by_role("button", name="Explain").click()
        page.get_by_role("heading", name="Policy wechat-article").wait_for()
        page.get_by_role("link", name="Audit", exact=True).click()
        page.get_by_label("Some bundles, selected at random").check()
        page.get_by_label("Number of bundles").fill("3")
        page.get_by_role("button", name="Run audit").click()
        assert "/tasks/task-" in page.url
        page.goto(console.url("/audit"))
        assert "3 bundles, selected at random" in page.inner_text("main")


def test_the_pages_are_accessible_in_both_themes_and_on_a_phone(
    browser: Browser, console: RunningConsole
) -> None:
    paths = [
        "/schedules", "/schedules/late", "/schedules/late/remove", "/watches", "/policies",
        "/policies/default", "/policies/explain?url=https://example.org", "/audit",
    ]  # fmt: skip

    assert problems_of(browser, console, paths) == []
