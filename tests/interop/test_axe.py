"""axe-core finds nothing on our pages: with light and dark colours, on a desk and on a phone."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from playwright.sync_api import Browser

from snapshotter.report import campaign
from tests.tools import npm_file
from tests.unit.report import (
    test_campaign,
    test_capture_page,
    test_capture_report,
    test_case_report,
    test_change_statement,
    test_declaration,
    test_diff,
    test_validation,
)

pytestmark = [pytest.mark.interop, pytest.mark.long]

_PAGES: Mapping[str, Callable[[], str]] = {
    "campaign": lambda: campaign.page(test_campaign.made()).decode(),
    "capture": test_capture_page.made,
    "capture report": test_capture_report.made,
    "case report": test_case_report.made,
    "proof of a change": test_change_statement.made,
    "declaration": test_declaration.made,
    "diff": lambda: test_diff.made(test_diff.compared(test_diff.ARTICLE[:1])),
    "validation": test_validation.made,
}
_RUN = """() => axe.run(document, {resultTypes: ["violations"]}).then((found) =>
  found.violations.map((it) => `${it.id}: ${it.nodes.map((node) => node.html).join(" | ")}`))"""


@pytest.mark.parametrize("name", _PAGES)
def test_axe_finds_nothing(browser: Browser, name: str) -> None:
    axe = npm_file("axe-core/axe.min.js").read_text()
    looks: tuple[Any, ...] = (("light", 1280), ("dark", 1280), ("light", 360))
    tab = browser.new_page()
    tab.set_content(_PAGES[name]())
    tab.evaluate(axe)  # by the debugger, which the policy of the page does not bind
    for scheme, width in looks:
        tab.emulate_media(color_scheme=scheme)
        tab.set_viewport_size({"width": width, "height": 900})

        assert tab.evaluate(_RUN) == [], f"{scheme}, {width}"
    tab.close()
