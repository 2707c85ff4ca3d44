"""A light check: whether a page is still there, kept as evidence, without what takes long."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.product import Installation
from tests.servers.site import Site

pytestmark = pytest.mark.e2e


def member(bundle: str, path: str) -> Any:
    with zipfile.ZipFile(bundle) as there:
        return json.loads(there.read(path))


def test_a_check_says_whether_pages_are_there_and_keeps_a_bundle_of_little(
    installation: Installation, fixture_site: Site
) -> None:
    there, gone = fixture_site.url("/"), fixture_site.url("/404")
    before = len(fixture_site.requests)

    done = installation.run("check", "--json", there, gone)

    assert done.code == 0, done.err
    first, second = done.objects
    assert (first["verdict"]["content"], first["verdict"]["availability"]) == (
        "content", "available",
    )  # fmt: skip
    assert (second["verdict"]["content"], second["verdict"]["availability"]) == (
        "notice", "unavailable",
    )  # fmt: skip
    assert second["verdict"]["rule"] == "gen-404"
    bundle = first["bundle"]["path"]
    record = member(bundle, "capture/capture.json")
    assert record["how"]["settings"]["light"] is True
    assert record["outcome"]["reasons"] == []
    assert record["court_minimum"]["line"].startswith("court minimum: not asked for")
    assert [step["name"] for step in record["how"]["steps"]] == [
        "launch", "navigate", "settle", "judge", "viewport", "dom", "text", "record", "close",
    ]  # fmt: skip
    paths = {Path(artifact["path"]).name for artifact in record["content"]["artifacts"]}
    assert paths >= {
        "data.warc.gz", "viewport.png", "dom.html", "page.txt", "layout.json", "assessment.json",
    }  # fmt: skip
    assert not paths & {"screenshot.png", "page.mhtml"}
    # Images that only scrolling would bring were not asked for.
    asked = [request.path for request in fixture_site.requests[before:]]
    assert "/" in asked
    assert "/image/scrolled.png" not in asked
    verified = installation.run("verify", "--json", bundle)
    assert (verified.code, verified.object["verdict"]) == (0, "passed")


def test_a_person_reads_the_verdict_first(installation: Installation, fixture_site: Site) -> None:
    gone = fixture_site.url("/404")

    done = installation.run("check", gone)
    listed = installation.run("list")

    assert done.code == 0, done.err
    assert done.out.startswith("The page was not available: ")
    assert "  contents       first view, document, text and network record\n" in done.out
    assert "not available (cause not stated)" in listed.out
