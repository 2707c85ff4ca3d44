"""Captures in the console: found, filtered, looked at on a phone, selected and compared."""

import io
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, expect

from snapshotter.app.archive.organising import cases
from snapshotter.model.annotations import Mark
from tests import observed
from tests.archived import Archive
from tests.console import (
    RunningConsole,
    problems,
    problems_of,
    quiet_browser,
    running_console,
    signed_in,
)
from tests.e2e.product import Installation

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.xdist_group("console-captures")]

PAGE = "https://news.example/harbour"
HOSTILE = "<script>window.taken = 1</script><img src=x onerror='window.taken = 1'>"
ids: dict[str, str] = {}


def png(words: str, colour: str) -> bytes:
    image = Image.new("RGB", (800, 1_200), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 800, 80), fill=colour)
    draw.text((40, 160), words, "black", font_size=40)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    installation = Installation(tmp_path_factory.mktemp("console") / "home")
    archive = Archive(tmp_path_factory.mktemp("archive"), installation.store)
    ids["one"] = archive.put(
        0, url=PAGE, title="Harbour stays open", text="有人传播谣言", png=png("open", "navy")
    )
    ids["two"] = archive.put(
        60, url=PAGE, title="Harbour is closed", text="closed", png=png("closed", "navy")
    )
    ids["gone"] = archive.put(90, observed.gone(), url=PAGE)
    ids["hostile"] = archive.put(
        120, url=f"https://news.example/{HOSTILE}", title=HOSTILE, png=png("hostile", "green")
    )
    ids["graphic"] = archive.put(150, title="A graphic page", png=png("graphic", "red"))
    cases.set_mark(archive.annotations, Mark.GRAPHIC, [ids["graphic"]])
    with running_console(installation) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with quiet_browser() as started:
        yield started


@pytest.mark.parametrize("has_scripts", [True, False])
def test_a_word_is_found_and_filters_are_kept(
    browser: Browser, console: RunningConsole, has_scripts: bool
) -> None:
    with signed_in(browser, console, java_script_enabled=has_scripts) as page:
        page.get_by_label("Search the captures").fill("谣言")
        page.get_by_role("button", name="Search", exact=True).click()
        expect(page.locator("tbody tr")).to_have_count(1)
        expect(page.locator(".excerpt mark")).to_have_text("谣言")
        expect(page.locator("tbody")).to_contain_text("Harbour stays open")

        page.get_by_label("Words and filters").fill("")
        page.locator("summary", has_text="Filters").click()
        page.locator("#verdict").select_option("unavailable")
        page.locator("form.filters").get_by_role("button", name="Search").click()
        expect(page.locator("tbody tr")).to_have_count(1)
        expect(page.locator("tbody")).to_contain_text("Not available (removal by the author)")
        page.get_by_role("link", name="Gallery").click()
        expect(page.locator(".card")).to_have_count(1)
        page.get_by_role("link", name="Remove all filters").click()
        expect(page.locator(".card")).to_have_count(5)


def test_nothing_is_searched_while_an_input_method_composes(
    browser: Browser, console: RunningConsole
) -> None:
    with signed_in(browser, console) as page:
        page.goto(console.url("/captures"))
        box = page.get_by_label("Words and filters")
        box.focus()
        session = page.context.new_cdp_session(page)
        session.send(
            "Input.imeSetComposition", {"text": "yao", "selectionStart": 3, "selectionEnd": 3}
        )
        expect(box).to_have_value("yao")
        session.send("Input.insertText", {"text": "谣言"})
        expect(box).to_have_value("谣言")

        assert page.url == console.url("/captures")
        box.press("Enter")
        expect(page.locator("tbody tr")).to_have_count(1)


def test_an_invalid_query_leads_to_its_field(browser: Browser, console: RunningConsole) -> None:
    with signed_in(browser, console) as page:
        page.goto(console.url("/captures?q=%22a"))
        page.get_by_role("link", name="the quotation mark is not closed").click()
        expect(page.get_by_label("Words and filters")).to_be_focused()


def test_the_gallery_on_a_phone_is_one_column_of_pictures(
    browser: Browser, console: RunningConsole
) -> None:
    with signed_in(browser, console, width=360) as page:
        page.goto(console.url("/captures?view=gallery"))
        cards = page.locator(".card")
        expect(cards).to_have_count(5)
        lefts = {box["x"] for card in cards.all() if (box := card.bounding_box())}
        assert len(lefts) == 1
        picture = page.locator(f"img[src='/captures/{ids['one']}/thumbnail.webp']")
        picture.scroll_into_view_if_needed()
        page.wait_for_function(
            "(it) => it.complete && it.naturalWidth === 320", arg=picture.element_handle()
        )
        # A graphic picture is blurred until somebody asks for it.
        clear = page.locator(f"img[src='/captures/{ids['graphic']}/thumbnail.webp?clear=1']")
        expect(clear).to_be_hidden()
        page.locator("summary", has_text="Marked as graphic").click()
        expect(clear).to_be_visible()


def test_texts_of_strangers_do_nothing(browser: Browser, console: RunningConsole) -> None:
    paths = (
        "/captures",
        "/captures?view=gallery",
        f"/addresses?identity={quote(f'https://news.example/{HOSTILE}', safe='')}",
        f"/compare?a={ids['two']}&b={ids['hostile']}",
    )
    with signed_in(browser, console) as page:
        for path in paths:
            page.goto(console.url(path))
            expect(page.locator("main")).to_contain_text(HOSTILE[:20], timeout=60_000)
            assert page.evaluate("window.taken") is None
            assert page.locator("img[src=x], main script").count() == 0


@pytest.mark.parametrize("has_scripts", [True, False])
def test_two_captures_of_a_page_are_compared(
    browser: Browser, console: RunningConsole, has_scripts: bool
) -> None:
    with signed_in(browser, console, java_script_enabled=has_scripts) as page:
        page.goto(console.url("/captures?q=closed"))
        page.get_by_role("link", name="History").click()
        expect(page.locator(".line > li")).to_have_count(3)
        page.locator(f"input[name=a][value='{ids['one']}']").check()
        page.locator(f"input[name=b][value='{ids['two']}']").check()
        page.get_by_role("button", name="Compare", exact=True).click()

        # The page loads itself again until the comparison and the pictures are made.
        expect(page.locator("svg.shot").first).to_be_visible(timeout=60_000)
        expect(page.locator("main")).to_contain_text("Harbour is closed")
        expect(page.locator("main")).to_contain_text("regions that differ: 1")
        page.get_by_label("One over the other").check()
        slider = page.get_by_label("Edge between the earlier (left) and the later (right) picture")
        expect(slider).to_be_visible()
        if has_scripts:
            edge = page.locator("rect.edge")
            before = edge.get_attribute("x")
            slider.fill("90")
            assert edge.get_attribute("x") != before
        assert problems(page) == [] if has_scripts else True


def test_the_pages_have_no_faults_of_access(browser: Browser, console: RunningConsole) -> None:
    with signed_in(browser, console) as page:  # made before, so that all looks see the result
        page.goto(console.url(f"/compare?a={ids['one']}&b={ids['two']}"))
        expect(page.locator("svg.shot").first).to_be_visible(timeout=60_000)
    paths = (
        "/captures",
        "/captures?view=gallery",
        "/captures?q=%22a&since=x",
        "/captures?q=nowhere",
        f"/addresses?identity={quote(PAGE, safe='')}",
        f"/compare?a={ids['one']}&b={ids['two']}",
        f"/compare?a={ids['one']}",
    )
    assert problems_of(browser, console, paths) == []


def test_captures_are_selected_with_the_keyboard(browser: Browser, console: RunningConsole) -> None:
    with signed_in(browser, console) as page:
        page.keyboard.press("g")
        page.keyboard.press("c")
        page.wait_for_url(console.url("/captures"))
        page.get_by_label("Select Harbour stays open").focus()
        page.keyboard.press("Space")
        expect(page.locator("[data-selected]")).to_have_text("1 selected")
        page.locator("summary", has_text="Tag").focus()
        page.keyboard.press("Enter")
        page.get_by_label("Tag", exact=True).last.fill("harbour")
        page.get_by_role("button", name="Add tag").press("Enter")

        expect(page.locator("tbody")).to_contain_text("#harbour", timeout=60_000)
