"""`snapshotter diff`: which captures are compared, what is said of them, and how it ends."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from snapshotter.cli.main import main
from snapshotter.site.rendered_pages import rendered_page
from snapshotter.site.state import BEGIN, PageState, SiteState, available, removed
from snapshotter.store.filesystem import DirectoryStore
from tests import bundles, observed, site_bundles

pytestmark = pytest.mark.xdist_group("diff-command")  # its captures are made once

STORY, ARTICLE = "news/2014", "wx/article"
T0 = datetime(2026, 5, 27, 8, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Made:
    """A store with captures of two pages, and what the commands need to know of it."""

    store: Path
    ids: tuple[str, ...]  # of the story: as it was, another sidebar, one figure changed
    article: tuple[str, ...]  # as it was, its mark of an edit, gone
    url: str


def state(name: str, page: PageState) -> SiteState:
    return SiteState().change(name, BEGIN, page)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("diff")
    store, signer = DirectoryStore(folder / "store"), bundles.new_signer()
    story = (available(), available(sidebar=1), available(sidebar=1, figure=41))
    article = (available(), available(modified=True), removed())
    ids: list[str] = []
    for name, states in ((STORY, story), (ARTICLE, article)):
        for number, its in enumerate(states):
            sealed = site_bundles.seal(
                folder / "spool",
                rendered_page(name, state(name, its)),
                T0 + timedelta(hours=number),
                signer=signer,
            )
            observed.put(store, sealed)
            ids.append(sealed.id)
    return Made(
        store=folder / "store",
        ids=tuple(ids[:3]),
        article=tuple(ids[3:]),
        url=rendered_page(STORY).requested_url,
    )


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(tmp_path / "data"))


def run(made: Made, *arguments: str) -> int:
    return main(["diff", "--store", str(made.store), *arguments])


def asked(made: Made, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert run(made, "--json", *arguments) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_change_of_the_sidebar_alone_leaves_main_unchanged_in_words_and_in_looks(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(made, *made.ids[:2]) == 0

    out = capsys.readouterr().out
    assert "\nmain text: unchanged\n" in out
    assert "\nother text: changed" in out
    assert "none of these regions is in the main region" in out


def test_an_id_is_compared_as_the_store_has_it_and_a_file_of_that_name_is_written_as_a_path(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = made.ids[:2]
    (tmp_path / first).write_bytes(b"no bundle")

    assert run(made, "--no-pictures", first, second) == 0
    assert main(["diff", first, second]) == 2
    assert (
        f"{first} has the form of an id, and a file in this folder has the same name. To use the "
        f"file, write ./{first}. To use the object in the store, write --store DIR {first}\n"
    ) in capsys.readouterr().err
    assert run(made, f"./{first}", second) == 10


def test_one_changed_figure_is_exactly_that_word(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(made, *made.ids[1:]) == 0

    out = capsys.readouterr().out
    assert "main text: changed" in out
    assert "other text: unchanged" in out
    assert "at least [-40-]{+41+} accounts" in out
    assert out.count("[-") == out.count("{+") == 1


def test_two_that_are_given_the_other_way_round_are_compared_in_the_order_of_time(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(made, "--no-pictures", made.ids[2], made.ids[1]) == 0

    said = capsys.readouterr()
    assert "at least [-40-]{+41+} accounts" in said.out
    assert f"{made.ids[2]} is the later capture" in said.err


def test_of_an_address_alone_the_last_two_captures_are_compared(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    found = asked(made, capsys, "--no-pictures", made.url)

    assert [found[side]["bundle_id"] for side in ("before", "after")] == [*made.ids[1:]]
    assert found["differs"] is True


def test_an_address_and_a_time_name_the_last_capture_until_then(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    at = f"{made.url}@2026-05-27T08:30:00Z", f"{made.url}@2026-05-27"

    found = asked(made, capsys, "--no-pictures", *at)

    assert [found[side]["bundle_id"] for side in ("before", "after")] == [made.ids[0], made.ids[2]]


def test_what_is_not_there_is_said_with_what_to_do(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(made, made.url, f"{made.url}@2026-05-01") == 1
    assert f"the store has no capture of {made.url} until 2026-05-02" in capsys.readouterr().err
    assert run(made, made.ids[0]) == 2
    assert "a comparison needs two bundles, but only one bundle is named" in capsys.readouterr().err
    assert run(made, *made.ids) == 2


def test_the_exit_code_is_of_the_verdict_only_where_that_is_asked_for(made: Made) -> None:
    sidebar, figure = made.ids[:2], made.ids[1:]

    assert run(made, "--exit-code", "--no-pictures", *figure) == 4
    assert run(made, "--exit-code", "--no-pictures", "--main-only", *figure) == 4
    assert run(made, "--exit-code", "--no-pictures", "--main-only", *sidebar) == 0


def test_a_take_down_is_a_change_of_the_verdict_with_the_notice(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    found = asked(made, capsys, "--no-pictures", made.article[0], made.article[2])

    assert found["standing"] == "changed"
    after = found["after"]["standing"]
    assert (after["availability"], after["content"]) == ("unavailable", "notice")
    assert after["notice"]


def test_the_platforms_mark_of_an_edit_is_recorded_and_the_text_is_the_same(
    made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    found = asked(made, capsys, "--no-pictures", *made.article[:2])

    assert found["edits"]["before"] == []
    assert found["edits"]["after"] == ["标题已修改"]
    assert found["text"]["changes"] == []
    assert found["text"]["main"] == "unchanged"


def test_both_bundles_are_verified_first_and_one_that_was_altered_is_not_compared(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    day = made.store / "bundles" / "2026" / "05" / "27"
    members = bundles.unpack((day / f"{made.ids[0]}.wacz").read_bytes())
    text = members["capture/page.txt"]
    altered = tmp_path / "altered.wacz"
    altered.write_bytes(bundles.pack({**members, "capture/page.txt": bundles.flipped(text)}))

    assert run(made, "--no-pictures", str(altered), made.ids[1]) == 10
    said = capsys.readouterr().err
    assert f"verified {altered}: FAILED" in said
    assert run(made, "--no-pictures", "--altered", str(altered), made.ids[1]) == 0
    assert "FAILED" in capsys.readouterr().out


def test_masks_of_a_policy_are_applied_and_counted(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "masked.toml"
    policy.write_text(
        'name = "masked"\nextends = "default"\n'
        "[compare.mask]\nselectors = ['aside']\npatterns = ['at least \\d+']\n"
    )

    found = asked(made, capsys, "--policy", str(policy), made.ids[0], made.ids[2])

    assert found["text"]["changes"] == []
    masks = found["masks"]
    assert [(mask["kind"], mask["differs"]) for mask in masks] == [
        ("selector", True),
        ("pattern", True),
    ]
    (picture,) = found["pictures"]
    assert picture["state"] == "unchanged"
    assert picture["masked"] > 0


def test_the_masks_of_the_captures_own_policies_are_applied_where_no_other_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "masked.toml"
    policy.write_text('name = "masked"\nextends = "default"\n[compare.mask]\nselectors = [".ad"]\n')
    by = site_bundles.decision(str(policy))
    files = []
    for number, its in enumerate((available(), available(figure=41))):
        sealed = site_bundles.seal(
            tmp_path / "spool",
            rendered_page(STORY, state(STORY, its)),
            T0 + timedelta(hours=number),
            signer=bundles.new_signer(),
            by=by,
        )
        files.append(str(sealed.file))

    assert main(["diff", "--json", "--no-pictures", *files]) == 0

    masks = json.loads(capsys.readouterr().out)["masks"]
    assert [(mask["kind"], mask["mask"]) for mask in masks] == [("selector", ".ad")]


def test_a_page_to_look_at_is_written_whole(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "diff.html"

    assert run(made, "--html", str(page), *made.ids[:2]) == 0

    text = page.read_text()
    assert text.startswith("<!DOCTYPE html>")
    assert text.count("data:image/webp;base64,") == 2
    assert [path.name for path in tmp_path.glob("*diff*")] == ["diff.html"]
    assert run(made, "--html", str(tmp_path / "no" / "diff.html"), *made.ids[:2]) == 1
    assert "cannot be written" in capsys.readouterr().err
