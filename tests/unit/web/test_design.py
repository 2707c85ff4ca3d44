"""The components of the pages: each exists once, is shown once, and obeys the policy of pages."""

import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest
from jinja2 import PackageLoader

from snapshotter.web.console import static_files
from snapshotter.web.console.navigation import NAVIGATION
from tests.webclient import Console, console, console_settings

_CONSOLE = resources.files("snapshotter.web.console")


def _template(name: str) -> str:
    return (_CONSOLE / "templates" / name).read_text("utf-8")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Console]:
    with console(console_settings(tmp_path), development=True) as found:
        yield found.log_in()


def test_the_styleguide_shows_every_component(site: Console) -> None:
    answer = site.get("/styleguide")
    components = re.findall(
        r"\{% (?:macro|set) ([a-z]\w*)(?:\(| = (?:report|pictures)\.)",
        _template("components.html.j2"),
    )
    shown = set(re.findall(r"\bui\.(\w+)\(", _template("styleguide.html.j2")))
    within = set(re.findall(r"\{\{[-\s]*(\w+)\(", _template("components.html.j2")))

    assert answer.status_code == 200, answer.text
    assert len(components) > 25
    assert len(components) == len(set(components))
    assert set(components) - shown - within == {"instant"}


def test_the_styleguide_exists_for_developers_only(tmp_path: Path) -> None:
    with console(console_settings(tmp_path)) as found:
        assert found.log_in().get("/styleguide").status_code == 404


def test_a_page_has_no_style_and_no_script_of_its_own(site: Console) -> None:
    for path in ("/", "/styleguide", "/no-such-page"):
        text = site.get(path).text

        assert "<style" not in text
        assert not re.search(r"<script(?![^>]* src=)", text)
        assert not re.search(r"<[^>]*\s(?:style|on[a-z]+)=", text), path
        assert text.count("<h1") <= (2 if path == "/styleguide" else 1)


def test_a_page_that_does_not_exist_leads_on(site: Console) -> None:
    main = site.get("/no-such-page").text.partition("<main")[2].partition("</main>")[0]

    assert re.findall(r'href="(/[^"]*)"', main) == ["/", "/captures"]


def test_the_script_writes_text_and_never_markup() -> None:
    script = static_files._files()["console.js"].decode()

    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|Function\("
    )
    assert not re.search(forbidden, script)
    assert "srcdoc" not in script


def test_the_style_sheet_loads_nothing() -> None:
    style = static_files._files()["console.css"].decode()

    assert "url(" not in style
    assert "@import" not in style
    assert "--accent:" in style  # the one of the reports comes first


def test_each_page_of_the_navigation_has_a_key_of_its_own() -> None:
    keys = [section.key for section in NAVIGATION]

    assert len(set(keys)) == len(keys)
    assert all(re.fullmatch("[a-z]", key) for key in keys)


def test_a_text_of_a_stranger_is_escaped_wherever_a_component_shows_it(site: Console) -> None:
    """The example has an override of the direction, which must not turn the text around it."""
    text = site.get("/styleguide").text

    assert "\u202e" not in text
    assert "\\u202e" in text


def test_a_server_keeps_its_templates_when_others_are_installed(
    site: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object, environment: object, template: str) -> None:
        raise AssertionError(f"{template} is read after the start")

    monkeypatch.setattr(PackageLoader, "get_source", refuse)

    for path in ("/", "/captures", "/queue", "/settings", "/no-such-page"):
        assert site.get(path).status_code in (200, 404), path
