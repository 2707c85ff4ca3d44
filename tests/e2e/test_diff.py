"""Two captures of one story through a real browser: the sidebar is another, and one figure."""

import json
from dataclasses import dataclass, replace
from typing import Any

import pytest

from snapshotter.app.machine import RandomIds
from snapshotter.app.pipeline import run
from snapshotter.app.wiring import capture as wiring
from snapshotter.capture.engine import ChromiumCapturer
from snapshotter.cli.main import main
from snapshotter.model.request import CaptureRequest
from snapshotter.site.server import FixtureSite
from snapshotter.site.state import available
from tests import site_bundles
from tests.e2e.test_site import SiteResolver
from tests.unit.app.pipeline.test_run import world

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("diff")]  # one pair for all of it

STORY = "news/2014"


@dataclass(frozen=True)
class Compared:
    """What `diff` says of the two."""

    found: dict[str, Any]
    page: str


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    folder = tmp_path_factory.mktemp("diff")
    made = world(folder)
    capturer = ChromiumCapturer(
        clock=made.clock, ids=RandomIds(), version="0", resolver=SiteResolver(),
        assessor=wiring.assessor,
    )  # fmt: skip
    decision = replace(site_bundles.decision(), allow_networks=("127.0.0.0/8",))
    made = replace(made, capturer=capturer, assessor=wiring.assessor)
    places = []
    with FixtureSite() as site:
        for state in (available(), available(sidebar=1, figure=41)):
            site.show(STORY, state)
            request = CaptureRequest(url=site.url(STORY))
            places.append(run.run(request, decision, made, lambda *_: None).location)
    page, found = folder / "diff.html", folder / "diff.json"
    with pytest.MonkeyPatch.context() as patch, found.open("w") as out:
        patch.setenv("SNAPSHOTTER_DATA_DIR", str(folder / "data"))
        patch.setattr("sys.stdout", out)
        assert main(["diff", "--json", "--html", str(page), *places]) == 0
    return Compared(found=json.loads(found.read_text()), page=page.read_text())


def test_of_the_main_region_exactly_the_figure_changed(compared: Compared) -> None:
    text = compared.found["text"]
    main_region = [change for change in text["changes"] if change["after"]["region"] == "main"]

    assert (text["main"], text["elsewhere"]) == ("changed", "changed")
    (change,) = main_region
    assert [
        (piece["op"], piece["text"]) for piece in change["pieces"] if piece["op"] != "same"
    ] == [
        ("removed", "40"),
        ("added", "41"),
    ]


def test_the_figure_is_seen_in_both_pictures_over_its_paragraph(compared: Compared) -> None:
    (change,) = [
        change
        for change in compared.found["text"]["changes"]
        if change["after"]["region"] == "main"
    ]
    pictures = {picture["picture"]: picture for picture in compared.found["pictures"]}

    assert set(pictures) == {"first view", "whole page"}
    for picture in pictures.values():
        assert picture["main"] == "changed"
        over = [region for region in picture["regions"] if "main" in region["regions"]]
        assert change["after"]["selector"] in over[0]["selectors"]
        assert over[0]["after"]["width"] < 40  # the figure, and not its line


def test_the_page_shows_all_four_pictures(compared: Compared) -> None:
    assert compared.page.count('<image href="data:image/webp;base64,') >= 4
    assert compared.found["before"]["bundle_id"] in compared.page
