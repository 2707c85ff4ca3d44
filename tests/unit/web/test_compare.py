"""Two captures compared: by a process without rights, once, and shown as text."""

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from snapshotter.app.archive.organising import cases
from snapshotter.app.wiring import comparison
from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.bundle import store_keys
from snapshotter.model.annotations import Mark
from snapshotter.web.console.pages import compare
from tests import observed
from tests.archived import Archive
from tests.bundles import flipped
from tests.tools import ROOT
from tests.webclient import Console, console, console_settings

UNKNOWN = "20260101t000000z-k3v4q2m7xw4c5b6d"
ids: dict[str, str] = {}
files: dict[str, Path] = {}


def png(words: str) -> bytes:
    image = Image.new("RGB", (400, 500), "white")
    ImageDraw.Draw(image).text((20, 20), words, "black", font_size=60)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    archive = Archive(tmp_path_factory.mktemp("archive"))
    ids["one"] = archive.put(0, png=png("one"), title="<b>A page</b>")
    ids["two"] = archive.put(1, png=png("two"), title="<i>Another title</i>")
    ids["graphic"] = archive.put(2, png=png("two"))
    ids["hidden"] = archive.put(3)
    ids["altered"] = archive.put(4)
    ids["alone"] = archive.put(5, url=observed.OTHER)
    ids["new"] = archive.put(6)  # compared by one test only, and there refused
    cases.set_mark(archive.annotations, Mark.GRAPHIC, [ids["graphic"]])
    archive.add_notice(ids["hidden"])
    ids["late"] = archive.put(7)
    files["late"] = archive.folder / "store" / store_keys.bundle_key(ids["late"])
    key = store_keys.bundle_key(ids["altered"])
    file = archive.folder / "store" / key
    file.chmod(0o600)
    file.write_bytes(flipped(file.read_bytes()))
    with console(console_settings(archive.folder)) as found:
        yield found.log_in()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for what a busy machine makes slowly."""
    monkeypatch.setattr(compare, "_WAIT_S", 120)
    monkeypatch.setattr(compare, "_PICTURE_S", 60)


def compared(site: Console, one: str, two: str, more: str = "") -> str:
    """Return the page when the comparison is made."""
    site.context.services.comparisons.comparison(ids[one], ids[two], timeout_s=120)
    answer = site.get(f"/compare?a={ids[one]}&b={ids[two]}{more}")
    assert answer.status_code == 200, answer.text
    return answer.text


def test_words_and_pictures_of_both_captures_are_shown(site: Console) -> None:
    text = compared(site, "one", "two")

    (answer,) = re.findall(r"Server answer.*?Changed</span>.*?</tr>", text, re.DOTALL)
    assert ">title<" in answer
    assert "<i>Another title</i>" in unescape(text)
    for name in ("one", "two"):
        assert f'href="/captures/{ids[name]}/picture/0"' in text  # of an SVG image
    assert 'type="range"' in text
    assert "regions that differ: 1" in text
    assert "<b>A page" not in text
    assert "<i>Another" not in text
    assert "<b>A page</b>" in unescape(text)


def test_a_comparison_is_kept_and_says_when_it_was_made(site: Console) -> None:
    first = site.context.services.comparisons.comparison(ids["one"], ids["two"], timeout_s=120)
    second = site.context.services.comparisons.comparison(ids["two"], ids["one"], timeout_s=0)

    assert second == first
    assert first.found.before.bundle_id == ids["one"]
    assert "Both bundles were verified" in compared(site, "one", "two")


def test_a_comparison_is_not_used_after_the_store_has_other_bytes(site: Console) -> None:
    """Somebody who can write to the store changes a bundle and leaves its length as it was."""
    assert "The bundles are being verified" not in compared(site, "one", "late")
    pair = {"a": ids["one"], "b": ids["late"]}
    answer = site.post("/compare/verify", pair)
    assert answer.headers["location"] == f"/compare?a={ids['one']}&b={ids['late']}"
    file = files["late"]
    file.chmod(0o600)
    file.write_bytes(flipped(file.read_bytes()))

    site.post("/compare/verify", pair)

    answer = site.get(f"/compare?a={ids['one']}&b={ids['late']}")
    assert answer.status_code == 409
    assert "was altered, and is not compared" in answer.text
    kept = site.context.services.comparisons.comparison
    with pytest.raises(EvidenceInvalid):
        kept(ids["one"], ids["late"], timeout_s=120)


def test_a_comparison_of_other_manifests_than_the_index_names_is_not_used(
    site: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = site.context.services.comparisons
    first = service.comparison(ids["one"], ids["two"], timeout_s=120)
    assert service.comparison(ids["one"], ids["two"], timeout_s=0) == first

    monkeypatch.setattr(service, "_manifests", lambda bundle_ids: dict.fromkeys(bundle_ids, "0"))

    with pytest.raises(EvidenceInvalid, match="altered"):
        service.comparison(ids["one"], ids["two"], timeout_s=120)


@pytest.mark.parametrize("bundle_id", ["hidden", "unknown", ""])
def test_only_captures_that_may_be_shown_are_verified(site: Console, bundle_id: str) -> None:
    other = ids.get(bundle_id, bundle_id)
    answer = site.post("/compare/verify", {"a": ids["one"], "b": other})

    assert answer.status_code == (403 if bundle_id == "hidden" else 404)


def test_the_earlier_capture_comes_first(site: Console) -> None:
    answer = site.get(f"/compare?a={ids['two']}&b={ids['one']}")

    assert answer.status_code == 303
    assert answer.headers["location"] == f"/compare?a={ids['one']}&b={ids['two']}"


def test_pictures_of_a_graphic_capture_are_shown_when_a_person_asks(site: Console) -> None:
    assert "/picture/0" not in compared(site, "two", "graphic")
    assert "marked as graphic" in compared(site, "two", "graphic")
    assert f"/captures/{ids['graphic']}/picture/0" in compared(site, "two", "graphic", "&show=1")


def test_a_person_chooses_the_other_capture(site: Console) -> None:
    for query in (f"?a={ids['one']}", f"?b={ids['one']}", f"?a={ids['one']}&b={ids['one']}"):
        text = site.get(f"/compare{query}").text
        assert f"/compare?a={ids['one']}&amp;b={ids['two']}" in text
        assert ids["hidden"] not in text
    assert "no other capture of this page" in site.get(f"/compare?a={ids['alone']}").text


def test_what_may_not_be_shown_is_not_compared(site: Console) -> None:
    for query, status in (
        ("", 400),
        (f"?a={ids['one']}&b={ids['hidden']}", 403),
        (f"?a={ids['one']}&b={UNKNOWN}", 404),
        (f"?a={ids['one']}&b=..%2f..", 404),
        (f"?a={ids['one']}&b={ids['altered']}", 409),
    ):
        assert site.get(f"/compare{query}").status_code == status, query
    assert "was altered" in site.get(f"/compare?a={ids['one']}&b={ids['altered']}").text


def test_a_comparison_that_takes_long_is_followed(
    site: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "_WAIT_S", 0)
    answer = site.get(f"/compare?a={ids['one']}&b={ids['graphic']}")

    assert answer.status_code == 200
    assert "The captures are being compared" in answer.text
    assert '<meta http-equiv="refresh"' in answer.text


def test_the_process_has_the_code_for_dates_before_it_gives_up_its_rights() -> None:
    """Dates of a page are parsed by a module that Python loads at the first use."""
    program = (
        "import sys; from snapshotter.app.wiring import comparison_main; "
        "from tests import bundles; "
        "sys.modules.pop('_strptime', None); comparison_main.load_code(bundles.decision()); "
        "print('_strptime' in sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout == "True\n"


def test_clients_that_wait_for_comparisons_leave_threads_for_pages(
    site: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared(site, "one", "two")
    monkeypatch.setattr(comparison, "_CLIENTS", 0)  # as if others were waiting
    with console(site.context.settings) as other:
        other.log_in()
        assert other.context.services.index.wait_for_update(30)
        kept = other.get(f"/api/v1/comparisons?a={ids['one']}&b={ids['two']}")
        new = other.get(f"/api/v1/comparisons?a={ids['two']}&b={ids['new']}")

    assert kept.status_code == 200
    assert new.status_code == 503
    assert "other captures are being compared" in new.json()["detail"]
