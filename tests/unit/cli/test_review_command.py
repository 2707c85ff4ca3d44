"""`snapshotter review`: what needs a review, and decisions about it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from snapshotter.model.assessment import Availability, Undecided
from tests import observed
from tests.bundles import RealClock, new_signer
from tests.unit.cli.bundle_shell import BundleShell

URL = "https://news.example/fire"


@pytest.fixture
def lost(shell: BundleShell) -> tuple[str, str]:
    """The ids of a capture that shows a page, and of a later one with a notice in its place."""
    notice = observed.gone(
        availability=Availability.INCONCLUSIVE,
        undecided=Undecided.UNKNOWN_NOTICE,
        notice="This article has been removed by the author.",
    )
    notice = replace(notice, takedown=replace(notice.takedown, cause=None, rule="", grade=""))
    now, signer, made = RealClock().now(), new_signer(), []
    for hours, assessed in ((3, observed.available()), (1, notice)):
        when = now - timedelta(hours=hours)
        bundle = observed.seal(shell.folder / "spool3", when, assessed, url=URL, signer=signer)
        observed.put(shell.store, bundle)
        made.append(bundle.id)
    return made[0], made[1]


def reviewed(shell: BundleShell, *more: str) -> list[tuple[str, str | None]]:
    """Return the captures of the list, each with the newest decision."""
    assert shell.run("review", "--json", *more) == 0, shell.err
    return [
        (item["bundle_id"], item["review"] and item["review"]["decision"]) for item in shell.objects
    ]


def test_a_possible_removal_is_listed_with_the_commands_for_its_store(
    shell: BundleShell, lost: tuple[str, str]
) -> None:
    last, this = lost

    assert shell.run("review") == 0
    assert f"{this}  " in shell.out.splitlines()[0]
    assert "possible removal" in shell.out.splitlines()[0]
    assert f"\n    snapshotter diff {last} {this}\n" in shell.out
    assert "snapshotter review --accept ID\n" in shell.out

    assert shell.run("review", "--store", "captures") == 0
    assert f"\n    snapshotter diff {last} {this} --store captures\n" in shell.out
    assert "snapshotter review --accept ID --store captures\n" in shell.out
    assert shell.run("report", "day", "--since", "2020-01-01", "--store", "captures") == 0
    assert f"snapshotter diff {last} {this} --store captures\n" in shell.out
    assert f"snapshotter open {this} --store captures\n" in shell.out


def test_a_capture_in_quarantine_is_not_named_as_the_last_one(
    shell: BundleShell, lost: tuple[str, str]
) -> None:
    last, _ = lost
    assert shell.run("quarantine", "--reason", "may show a child", last) == 0, shell.err

    assert shell.run("review") == 0
    assert "the last capture that shows the page is in quarantine" in shell.out
    assert last not in shell.out
    assert shell.run("review", "--json") == 0
    assert last not in shell.out
    assert shell.objects[0]["last_seen"] is None


def test_a_decision_is_kept_and_ends_the_need_for_a_look(
    shell: BundleShell, lost: tuple[str, str]
) -> None:
    _, this = lost
    assert shell.run("review", "--needs-work", "--reason", "ask the author", this) == 0, shell.err
    assert reviewed(shell) == [(this, "needs-work")]
    assert shell.run("review") == 0
    assert "the archive: needs work: ask the author" in shell.out

    assert shell.run("review", "--accept", this) == 0
    assert shell.out == f"{this}  accepted\n"
    assert reviewed(shell) == []
    assert shell.run("review") == 0
    assert "no capture in" in shell.err
    assert reviewed(shell, "--all") == [(this, "accepted")]


def test_a_decision_names_captures_and_a_reason(shell: BundleShell) -> None:
    for wrong in (("--accept",), (shell.id,), ("--reject", shell.id)):
        assert shell.run("review", *wrong) == 2
    assert list(shell.store.list("annotations/")) == []
