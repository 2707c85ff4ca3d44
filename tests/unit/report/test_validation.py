"""The page of a validation report: closed, and with a number of checks beside each error count."""

import re
from dataclasses import replace
from datetime import UTC
from html import unescape

from snapshotter.model.validation import CheckGroup
from snapshotter.report import validation as pages
from snapshotter.report.local_time import LocalTime
from tests.unit.validation_reports import case, check, report

HOSTILE = "</td><script>alert(1)</script>\u202e"


def made() -> str:
    cases = (
        case(check(), check(None), check(HOSTILE)),
        replace(case(check(), name="page/two"), problem=HOSTILE),
        case(
            check("HASH", group=CheckGroup.ALTERED, verifier="first"),
            check(None, group=CheckGroup.ALTERED, verifier="second"),
            name="altered/one",
        ),
    )
    page = pages.page(
        replace(report(*cases), notes=("A note.",), known_limits=("A known limit.",)),
        LocalTime(zone=UTC),
        key_id="ab" * 32,
        sha256="cd" * 32,
        name="validation-20261130t091244z-k3v4q2.json",
    )
    return page.decode()


def test_the_page_runs_nothing_that_the_report_contains() -> None:
    text = made()

    assert "<script>" not in text
    assert "default-src 'none'; style-src 'sha256-" in unescape(text)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\u202e" in text


def test_an_altered_copy_is_one_row_with_what_each_verifier_found() -> None:
    text = re.sub(r"</?span[^>]*>", "", made())

    assert "Altered copies: 1" in text
    assert "HASH (first)<br>nothing (second)" in text


def test_counts_name_the_number_of_checks_and_what_was_not_checked() -> None:
    text = made()

    assert "<strong>1 of 3 wrong, not made: 1</strong>" in text
    assert "The self-test is FAILED: 2 of 4 checks are wrong" in text
    assert "Pages of the Internet." in text
    assert "A known limit." in text
    assert "The signature does not show who made the report." in text
