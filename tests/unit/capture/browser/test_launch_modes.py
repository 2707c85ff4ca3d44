"""What a system forbids."""

import sys

import pytest

from snapshotter.capture.browser.launch_modes import SystemRestrictions
from snapshotter.egress import namespace


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="namespaces are of Linux")
def test_a_machine_that_was_too_busy_to_try_is_not_told_that_it_forbids_a_sandbox(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(namespace, "_tried", {})
    monkeypatch.setattr(namespace, "_PROBE_S", 0.0)

    found = SystemRestrictions.find()

    assert (found.network, found.user) == ("", "")
    assert next(found.ways()) == next(SystemRestrictions("", "").ways())  # the safest


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="namespaces are of Linux")
def test_nothing_is_tried_to_learn_whether_something_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(namespace, "_tried", {})

    assert SystemRestrictions.known() is None
    assert namespace._tried == {}

    found = SystemRestrictions.find()

    assert SystemRestrictions.known() == found
