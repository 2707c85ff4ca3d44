"""A batch as its users meet it: a real browser, a kill in the middle, and the rest afterwards."""

import csv

import pytest

from tests.e2e.product import Installation
from tests.e2e.test_crash import running, said
from tests.servers.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.long]


def test_a_batch_that_is_killed_goes_on_and_captures_each_row_once(
    installation: Installation, fixture_site: Site
) -> None:
    paths = ("/plain", "/inner", "/nowhere")
    table = installation.home / "urls.csv"
    table.write_text("url,note\n" + "".join(f"{fixture_site.url(path)},{path}\n" for path in paths))
    before = table.read_bytes()
    with running(installation, "batch", "urls.csv") as process:
        assert said(process, f"2 of 3: {fixture_site.url('/inner')}")
        process.kill()
        process.wait(10)
    assert len(installation.bundles()) < 3, "it was over: this test would see nothing"

    done = installation.run("batch", "urls.csv")

    assert done.code == 0, done.err
    assert done.out.splitlines()[0] == "3 rows: 3 done"
    with (installation.home / "urls.done.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["note"] for row in rows] == list(paths)
    assert [row["title"] for row in rows] == ["plain", "inner", ""]
    assert [row["bundle_id"] for row in rows] == [bundle.stem for bundle in installation.bundles()]
    assert installation.run("verify", *(row["location"] for row in rows)).code == 0
    assert table.read_bytes() == before
