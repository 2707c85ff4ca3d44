"""A real browser photographs local pages: all of each, once, and with a word on what is missing."""

import http.server
import io
import random
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from typing_extensions import override

from snapshotter.app.machine import RandomIds, SystemClock
from snapshotter.capture.engine import ChromiumCapturer
from snapshotter.capture.pictures.raster_gate import RASTER_GATE, RasterGate
from snapshotter.model.capture import (
    Capture,
    CutReason,
    Outcome,
    Picture,
    PictureKind,
    StepState,
)
from snapshotter.model.request import CaptureRequest, Decision, Limits, Pictures, Viewport
from tests.e2e.capturing import codes, kinds
from tests.servers.site import png

pytestmark = pytest.mark.e2e

# Nothing here is about these limits: a call that a busy machine answers late is no failure.
ROOMY = Limits(
    total_s=240,
    launch_s=60,
    navigate_s=60,
    scroll_s=60,
    scroll_steps=2_000,
    tile_s=40,
    mhtml_s=40,
    step_s=30,
)
RED, GREEN, BLUE, PINK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 0, 255)


class Pages:
    """Serves what a test gives it."""

    def __init__(self) -> None:
        self.answers: dict[str, str | bytes | Callable[[], str]] = {}
        self.asked: list[str] = []
        pages = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                pages.asked.append(self.path)
                answer = pages.answers.get(self.path.partition("?")[0])
                body = answer() if callable(answer) else answer
                data = body.encode() if isinstance(body, str) else body or b""
                kind = "image/png" if data.startswith(b"\x89PNG") else "text/html; charset=utf-8"
                self.send_response(404 if answer is None else 200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.send_header("Cache-Control", "max-age=600")
                self.end_headers()
                self.wfile.write(data)

            @override
            def log_message(self, *_: object) -> None:
                return

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}{path}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def pages() -> Iterator[Pages]:
    made = Pages()
    yield made
    made.close()


class Engine:
    """Captures the page at `/` of the test's own pages."""

    def __init__(self, root: Path, pages: Pages) -> None:
        self._root = root
        self._pages = pages
        self._count = 0
        self.gate = RASTER_GATE
        self.watch: Callable[[str, str], None] = lambda *_: None

    def __call__(
        self,
        html: str,
        limits: Limits = ROOMY,
        pictures: Pictures | None = None,
        *,
        viewport: tuple[int, int] = (1440, 900),
        scale: int = 1,
        quiet_s: float = 0.25,
    ) -> Capture:
        self._count += 1
        self._pages.answers.setdefault("/", html)
        spool = self._root / f"spool-{self._count}"
        spool.mkdir()
        capturer = ChromiumCapturer(
            clock=SystemClock(),
            ids=RandomIds(),
            version="0",
            gate=self.gate,
        )
        decision = Decision(
            policy_name="test",
            policy_text="",
            viewport_px=viewport,
            scale=scale,
            quiet_s=quiet_s,
            limits=limits,
            pictures=pictures or Pictures(),
            allow_networks=("127.0.0.0/8",),
        )
        return capturer.capture(
            CaptureRequest(url=self._pages.url()),
            decision,
            spool,
            lambda *arguments: self.watch(*arguments),
        )


@pytest.fixture
def capture(tmp_path: Path, pages: Pages) -> Engine:
    return Engine(tmp_path, pages)


def bands(count: int, blue: int = 77) -> str:
    """Bands of 100 px, each of its own colour."""
    return "".join(
        f'<div style="height:100px;background:rgb({i % 256},{i // 256},{blue})"></div>'
        for i in range(count)
    )


def page(body: str, style: str = "", head: str = "") -> str:
    return f"<!doctype html><title>t</title>{head}<style>body{{margin:0}}{style}</style>{body}"


def picture(capture: Capture, kind: PictureKind, viewport: str = "default") -> Picture:
    (found,) = (
        picture
        for picture in capture.pictures
        if picture.kind is kind and picture.viewport == viewport
    )
    return found


def image(capture: Capture, path: str) -> Image.Image:
    (found,) = (artifact for artifact in capture.artifacts if artifact.path == path)
    with Image.open(found.file) as opened:
        return opened.convert("RGB")


def colours(shown: Image.Image) -> set[object]:
    return {colour for _, colour in shown.getcolors(shown.width * shown.height) or ()}


def column(capture: Capture, found: Picture, x: int = 300) -> list[tuple[int, ...]]:
    """One column of pixels of all files of a picture, joined edge to edge."""
    pixels: list[tuple[int, ...]] = []
    for file in found.files:
        part = image(capture, file.path)
        assert part.size == (file.width, file.height)
        strip = part.crop((x, 0, x + 1, part.height))
        data = strip.tobytes()
        pixels += [tuple(data[i : i + 3]) for i in range(0, len(data), 3)]
    return pixels


def shown(pixels: list[tuple[int, ...]], scale: int = 1) -> list[tuple[int, ...]]:
    """The pixel in the middle of each band of 100 CSS pixels."""
    return pixels[50 * scale :: 100 * scale]


def expected(count: int, blue: int = 77) -> list[tuple[int, int, int]]:
    return [(i % 256, i // 256, blue) for i in range(count)]


def check_table(found: Picture) -> None:
    """Files and tiles join edge to edge, in CSS pixels as in rows, and cover what is told."""
    at = found.top_px
    for file in found.files:
        assert file.top_px == at
        row = 0
        for tile in file.tiles:
            assert (tile.top_px, tile.row) == (at, row)
            assert tile.rows == (tile.bottom_px - tile.top_px) * found.scale
            assert not tile.blank
            at, row = tile.bottom_px, row + tile.rows
        assert (file.bottom_px, file.height) == (at, row)
        assert file.width == found.captured_width_px * found.scale
    assert at - found.top_px == found.captured_height_px


@pytest.mark.long
def test_every_band_of_a_page_of_100_000_px_is_there(capture: Engine) -> None:
    captured = capture(page(bands(1000)))

    whole = picture(captured, PictureKind.PAGE)
    assert (captured.outcome, whole.reason, whole.truncated_at) == (Outcome.COMPLETE, None, None)
    assert (whole.height_px, whole.captured_height_px, whole.heights_px) == (
        100_000, 100_000, (100_000,),
    )  # fmt: skip
    check_table(whole)
    assert [file.path for file in whole.files] == [
        "capture/screenshot.png", "capture/screenshot-02.png",
    ]  # fmt: skip
    assert all(file.width * file.height <= 89_478_485 for file in whole.files)  # Pillow's limit
    (second,) = (
        artifact for artifact in captured.artifacts if artifact.path == "capture/screenshot-02.png"
    )
    assert second.note == "CSS pixels 60000 to 100000 from the top of 100000"
    assert shown(column(captured, whole)) == expected(1000)
    assert captured.court_minimum.met


def test_a_page_of_110_000_px_is_complete_in_numbered_files_when_the_limit_is_raised(
    capture: Engine,
) -> None:
    limits = replace(ROOMY, height_px=1_000_000)

    captured = capture(
        page(bands(1100)), limits, Pictures(file_pixels=8_000_000), viewport=(400, 900)
    )

    whole = picture(captured, PictureKind.PAGE)
    assert captured.outcome is Outcome.COMPLETE
    assert whole.captured_height_px == 110_000
    check_table(whole)
    assert [file.path for file in whole.files] == [
        "capture/screenshot.png", *(f"capture/screenshot-{n:02}.png" for n in range(2, 7)),
    ]  # fmt: skip
    assert shown(column(captured, whole)) == expected(1100)


def test_a_page_taller_than_the_limit_says_at_which_height_it_was_cut(capture: Engine) -> None:
    captured = capture(page(bands(120)), replace(ROOMY, height_px=10_050))

    whole = picture(captured, PictureKind.PAGE)
    assert (whole.reason, whole.truncated_at) == (CutReason.HEIGHT, 10_050)
    assert (whole.height_px, whole.captured_height_px) == (12_000, 10_050)
    check_table(whole)
    assert captured.page_size is not None
    assert (captured.page_size.truncated, captured.page_size.truncated_at) == (True, 10_050)
    assert (captured.outcome, "page-truncated" in codes(captured)) == (Outcome.PARTIAL, True)
    assert captured.court_minimum.missing == ("full-page capture",)


def test_what_was_photographed_before_the_time_was_used_up_is_kept_and_told(
    capture: Engine, pages: Pages
) -> None:
    """The page's script stops answering once the second tile is asked for."""
    hang = "<script>setInterval(async () => { if ((await (await fetch('/hang', {cache: 'no-store'"
    hang += "})).text()) === 'yes') for (;;); }, 150)</script>"
    pages.answers["/hang"] = "no"
    hangs = threading.Event()

    def hang_now() -> str:
        hangs.set()
        return "yes"

    def watch(step: str, words: str) -> None:
        if step == "screenshot" and words.startswith("tile 3"):
            pages.answers["/hang"] = hang_now
            assert hangs.wait(30)  # it is told before there is one more tile

    capture.watch = watch
    captured = capture(page(bands(400) + hang), replace(ROOMY, tile_s=2), quiet_s=0)

    whole = picture(captured, PictureKind.PAGE)
    assert whole.reason is CutReason.BROKEN_OFF
    assert whole.truncated_at == whole.captured_height_px
    assert 8_000 <= whole.captured_height_px < 40_000
    check_table(whole)
    assert shown(column(captured, whole)) == expected(whole.captured_height_px // 100)
    assert captured.outcome is Outcome.PARTIAL


def test_a_short_page_that_changes_while_it_is_photographed_has_all_files_of_its_last_state(
    capture: Engine, pages: Pages
) -> None:
    pages.answers["/changed"] = "no"
    has_changed = threading.Event()

    def told() -> str:
        has_changed.set()
        return ""

    pages.answers["/told"] = told
    script = """<script>
      const ask = async () => {
        const answer = await fetch('/changed', {cache: 'no-store'});
        if (await answer.text() !== 'yes') return setTimeout(ask, 120);
        document.getElementById('late').textContent = 'it has changed';
        document.getElementById('moves').remove();
        fetch('/told');
      };
      setTimeout(ask, 120);
    </script>"""

    def watch(step: str, words: str) -> None:
        if step == "screenshot" and words.startswith("tile 1"):
            pages.answers["/changed"] = "yes"
            assert has_changed.wait(30)

    capture.watch = watch
    # Nothing is photographed before it stands still, the first time.
    moves = (
        "<style>@keyframes m { to { opacity: .5 } } #moves { animation: m 1s infinite }</style>"
        "<p id=moves style='position:absolute;top:0;right:0'>moves</p><p id=late></p>"
    )
    captured = capture(page(moves + bands(10) + script), quiet_s=0)

    assert captured.outcome is Outcome.COMPLETE
    assert [step.name for step in captured.steps].count("screenshot") == 2
    made = {artifact.path: artifact.file for artifact in captured.artifacts}
    assert {f"capture/{name}" for name in (
        "viewport.png", "screenshot.png", "page.mhtml", "dom.html", "page.txt", "before-change.png",
    )} <= set(made)  # fmt: skip
    assert "it has changed" in made["capture/page.txt"].read_text()
    assert "it has changed" in made["capture/dom.html"].read_text()


@pytest.mark.long
@pytest.mark.parametrize("endless", [False, True])
def test_a_page_that_grows_while_it_is_photographed_is_photographed_again(
    capture: Engine, pages: Pages, tmp_path: Path, endless: bool
) -> None:
    pages.answers["/grown"] = "no"
    has_grown = threading.Event()

    def grew() -> str:
        has_grown.set()
        return ""

    pages.answers["/grew"] = grew
    often = "setInterval(more, 50)" if endless else ""
    script = f"""<script>
      const more = () => {{
        for (let i = 0; i < {1 if endless else 20}; i++) {{
          const band = document.createElement('div');
          band.style = 'height:100px;background:rgb(9,200,9)';
          document.body.append(band);
        }}
        document.getElementById('late').textContent = 'it has grown';
        document.getElementById('late').style.background = 'rgb(9,200,9)';
      }};
      const ask = async () => {{  // one question at a time: two answers would let it grow twice
        const answer = await fetch('/grown', {{cache: 'no-store'}});
        if (await answer.text() !== 'yes') return setTimeout(ask, 120);
        more();
        {often};
        fetch('/grew');
      }};
      setTimeout(ask, 120);
    </script>"""

    def watch(step: str, words: str) -> None:
        if step == "screenshot" and words.startswith("tile 2"):
            pages.answers["/grown"] = "yes"
            assert has_grown.wait(30)  # the next tile waits for the page, however busy it is

    capture.watch = watch
    limits = replace(ROOMY, height_px=1_000_000)
    late = "<p id=late style='position:absolute;top:0;right:0;margin:0'></p>"
    captured = capture(page(late + bands(200) + script), limits, viewport=(720, 900), quiet_s=0)

    whole = picture(captured, PictureKind.PAGE)
    check_table(whole)
    assert shown(column(captured, whole))[:200] == expected(200)
    first, *again = (step for step in captured.steps if step.name == "screenshot")
    assert "heights that were measured one after another: 20000, " in first.detail
    # It was taken once more, and all its files show the same state of the page.
    assert len(again) == kinds(captured).count("take-again") > 0
    kept = {artifact.path: artifact for artifact in captured.artifacts}
    assert len(kept) == len(captured.artifacts)
    assert not list(tmp_path.rglob(".aside"))
    for path in ("capture/page.txt", "capture/dom.html", "capture/page.mhtml"):
        assert b"it has grown" in kept[path].file.read_bytes()
    assert (9, 200, 9) in colours(image(captured, "capture/viewport.png"))
    # What a reader saw before is kept, once, under a name of its own.
    before, after = (
        picture for picture in captured.pictures if picture.kind is PictureKind.VIEWPORT
    )
    assert (before.subject, after.subject) == ("before-change", "")
    assert "the first picture, before the page changed" in kept[before.files[0].path].note
    assert (9, 200, 9) not in colours(image(captured, before.files[0].path))
    told = [warning.code for warning in captured.warnings]
    if endless:
        assert len(again) == 2
        # The bands are new each time; the words are put in anew where they were.
        assert told == ["changed-after-pictures", "page-keeps-changing"]
        assert len(whole.heights_px) > 1
        # On a busy machine, the last bands can be photographed between two ticks of the page.
        assert whole.reason in (CutReason.GREW, None)
        if whole.reason is CutReason.GREW:
            assert whole.truncated_at == whole.captured_height_px < whole.height_px
            assert "page-truncated" in codes(captured)
            assert again[-1].state is StepState.PARTIAL
        else:
            assert whole.captured_height_px == whole.height_px
    else:
        assert (captured.outcome, len(again), told) == (Outcome.COMPLETE, 1, [])
        assert whole.heights_px == (22_000,)
        assert shown(column(captured, whole))[200:] == [(9, 200, 9)] * 20


def test_fixed_and_sticky_elements_appear_once_in_the_whole(capture: Engine) -> None:
    style = """
      .head{position:fixed;top:0;left:0;right:0;height:40px;background:#f00}
      .foot{position:fixed;bottom:0;left:0;right:0;height:30px;background:#0f0}
      .bar{position:sticky;top:0;height:20px;background:#00f}
      table{width:100%;border-spacing:0} td,th{padding:0;height:100px}
      thead th{position:sticky;top:0;height:25px;background:#f0f}"""
    rows = "".join(
        f'<tr><td style="background:rgb({i % 256},{i // 256},99)"></td></tr>' for i in range(60)
    )
    captured = capture(
        page(
            '<div class=head></div><div class=foot></div><div style="height:50px"></div>'
            f"<div class=bar></div>{bands(61)}<table><thead><tr><th></th></tr></thead>"
            f"<tbody>{rows}</tbody></table>",
            style,
        )
    )

    whole = picture(captured, PictureKind.PAGE)
    pixels = column(captured, whole)
    assert len(whole.files[0].tiles) == 4
    where = {
        colour: [y for y, pixel in enumerate(pixels) if pixel == colour]
        for colour in (RED, GREEN, BLUE, PINK)
    }
    assert where[RED] == list(range(40))
    assert where[GREEN] == list(range(870, 900))
    assert where[BLUE] == list(range(50, 70))
    assert where[PINK] == list(range(6170, 6195))
    assert pixels[6195 + 50 :: 100] == expected(60, 99)


@pytest.mark.parametrize("scale", [2, 4])
def test_a_dense_screen_gives_all_its_pixels_in_the_whole_and_in_an_element(
    capture: Engine, scale: int
) -> None:
    captured = capture(
        page(bands(90) + '<p id=it style="margin:0;width:77px;height:33px;background:#f00"></p>'),
        pictures=Pictures(elements=("#it",)),
        viewport=(250, 400),
        scale=scale,
    )

    whole = picture(captured, PictureKind.PAGE)
    assert (whole.scale, whole.captured_height_px) == (scale, 9_033)
    check_table(whole)
    assert shown(column(captured, whole), scale)[:90] == expected(90)
    first = picture(captured, PictureKind.VIEWPORT)
    assert image(captured, "capture/viewport.png").size == (250 * scale, 400 * scale)
    assert (first.files[0].width, first.files[0].height) == (250 * scale, 400 * scale)
    element = image(captured, "capture/element-01.png")
    assert element.size == (77 * scale, 33 * scale)
    assert element.getcolors() == [(77 * 33 * scale**2, RED)]


def test_a_phone_is_shown_the_page_as_it_is_there_and_what_it_alone_loads(
    capture: Engine, pages: Pages
) -> None:
    pages.answers["/small.png"] = png(100, 100, GREEN)
    style = """
      .phone{display:none} .bar{position:fixed;top:0;left:0;right:0;height:10px;background:#f00}
      @media (max-width:500px) and (pointer:coarse) {
        .phone{display:block} .desk{display:none} }
      .mouse{position:absolute;right:0;top:500px;width:100px;height:20px}
      @media (hover:hover) and (pointer:fine) {.mouse{background:#f0f}}"""
    body = (
        f"<div class=bar></div><div class=mouse></div><div class=desk>{bands(20)}</div>"
        f"<div class=phone>{bands(130, 5)}"
        '<img loading=lazy src="/small.png" style="display:block" width=390 height=100></div>'
    )
    meta = '<meta name=viewport content="width=device-width,initial-scale=1">'
    pictures = Pictures(viewports=(Viewport.named("phone"), Viewport.named("600x500@2")))

    captured = capture(page(body, style, meta), pictures=pictures)

    assert (captured.outcome, codes(captured)) == (Outcome.COMPLETE, [])
    service = picture(captured, PictureKind.PAGE)
    assert (service.files[0].path, service.height_px, service.mobile) == (
        "capture/screenshot.png", 2_000, False,
    )  # fmt: skip
    assert shown(column(captured, service)) == expected(20)
    phone = picture(captured, PictureKind.PAGE, "phone")
    assert (phone.viewport_px, phone.scale, phone.mobile) == ((390, 844), 2, True)
    assert phone.files[0].path == "capture/screenshot-phone.png"
    assert phone.height_px == 13_100
    check_table(phone)
    pixels = column(captured, phone)
    assert shown(pixels, 2) == [*expected(130, 5), GREEN]
    assert [y for y, pixel in enumerate(pixels) if pixel == RED] == list(range(20))
    assert "/small.png" in pages.asked
    assert image(captured, "capture/viewport-phone.png").size == (780, 1688)
    other = picture(captured, PictureKind.PAGE, "600x500-2")
    assert (other.mobile, other.height_px) == (False, 2_000)
    assert image(captured, "capture/screenshot-600x500-2.png").size == (1200, 4000)
    assert image(captured, "capture/screenshot-600x500-2.png").getpixel((1100, 1010)) == PINK
    assert image(captured, "capture/screenshot.png").getpixel((1400, 510)) == PINK
    # In and back out, each time.
    assert kinds(captured).count("set-viewport") == 4
    assert captured.page_size is not None
    assert captured.page_size.width == 1440


def test_a_page_made_for_no_phone_is_laid_out_wide_and_seen_small_on_one(capture: Engine) -> None:
    captured = capture(page(bands(30)), pictures=Pictures(viewports=(Viewport.named("phone"),)))

    phone = picture(captured, PictureKind.PAGE, "phone")
    assert (phone.width_px, phone.files[0].width) == (980, 1960)
    assert shown(column(captured, phone), 2) == expected(30)
    assert image(captured, "capture/viewport-phone.png").size == (780, 1688)


BOX = """html,body{height:100%;overflow:hidden} .bar{height:60px;background:#f00}
  .app{height:100vh;display:flex;flex-direction:column} .box{flex:1;overflow:auto;min-height:0}
  .stuck{position:sticky;top:0;height:0} .stuck i{display:block;height:20px;background:#00f}"""


def test_what_scrolls_in_a_box_of_its_own_is_shown_whole(capture: Engine, pages: Pages) -> None:
    pages.answers["/late.png"] = png(10, 10, PINK)
    late = '<img loading=lazy src="/late.png" style="display:block" width=999 height=100>'
    captured = capture(
        page(
            "<div class=app><div class=bar></div><main id=it class=box>"
            "<div class=stuck><i></i></div>"
            f"{bands(130)}{late}</main></div>",
            BOX,
        )
    )

    assert (captured.outcome, codes(captured)) == (Outcome.COMPLETE, [])
    seen = picture(captured, PictureKind.PAGE)
    assert seen.height_px == 900
    whole = picture(captured, PictureKind.INNER_BOX)
    assert (whole.subject, whole.reason) == ("#it", None)
    assert (whole.height_px, whole.captured_height_px) == (13_100, 13_100)
    assert [file.path for file in whole.files] == ["capture/screenshot-expanded.png"]
    assert (whole.viewport_px, whole.overlap_px) == ((1440, 13_160), 0)
    pixels = column(captured, whole)
    assert [y for y, pixel in enumerate(pixels) if pixel == RED] == list(range(60))
    assert [y for y, pixel in enumerate(pixels) if pixel == BLUE] == list(range(60, 80))
    assert shown(pixels[60:]) == [*expected(130), PINK]
    assert kinds(captured).count("set-viewport") == 2
    assert captured.court_minimum.met


def test_a_box_whose_height_is_its_own_is_photographed_at_each_of_its_positions(
    capture: Engine,
) -> None:
    style = "html,body{overflow:hidden} .box{height:800px;overflow-y:scroll}"
    captured = capture(page(f"<div class=box>{bands(30)}</div>", style))

    whole = picture(captured, PictureKind.INNER_BOX)
    assert (whole.reason, whole.overlap_px) == (None, 100)
    assert [(file.top_px, file.bottom_px) for file in whole.files] == [
        (0, 800), (700, 1500), (1400, 2200), (2100, 2900), (2200, 3000),
    ]  # fmt: skip
    seen: dict[int, tuple[int, ...]] = {}
    for file in whole.files:
        part = image(captured, file.path)
        seen |= {file.top_px // 100 + i: part.getpixel((300, 100 * i + 50)) for i in range(8)}  # type: ignore[misc]
    assert [seen[i] for i in range(30)] == expected(30)
    assert captured.outcome is Outcome.COMPLETE


def test_a_box_that_the_policy_leaves_alone_is_told(capture: Engine) -> None:
    html = page(f"<div class=app><main id=it class=box>{bands(130)}</main></div>", BOX)

    captured = capture(html, pictures=Pictures(inner_box=False))

    assert (captured.outcome, codes(captured)) == (Outcome.PARTIAL, ["page-scrolls-inside"])
    assert not [picture for picture in captured.pictures if picture.kind is PictureKind.INNER_BOX]
    assert captured.court_minimum.missing == ("full-page capture",)


def test_elements_are_found_in_the_page_and_in_open_and_closed_shadow_trees(
    capture: Engine,
) -> None:
    script = """<script>
      for (const [id, mode, colour] of [['a', 'open', '#0f0'], ['b', 'closed', '#00f']]) {
        const root = document.getElementById(id).attachShadow({mode});
        root.innerHTML = `<p class=in-${mode} style="margin:0;height:50px;background:${colour}">`;
      }
      // Nothing of this is believed.
      Document.prototype.querySelector = () => null;
      Element.prototype.getBoundingClientRect = () => ({});
    </script>"""
    body = (
        f'<div id=tall style="width:200px">{bands(90)}</div><div id=a></div><div id=b></div>'
        '<p class=hidden style="display:none">x</p>' + script
    )
    selectors = ("#tall", ".in-open", ".in-closed", ".none", ".hidden", "p[")

    captured = capture(page(body), pictures=Pictures(elements=selectors))

    made = {
        picture.subject: picture
        for picture in captured.pictures
        if picture.kind is PictureKind.ELEMENT
    }
    assert set(made) == {"#tall", ".in-open", ".in-closed"}
    tall = made["#tall"]
    assert (tall.left_px, tall.top_px, tall.width_px, tall.height_px) == (0, 0, 200, 9000)
    assert [file.path for file in tall.files] == ["capture/element-01.png"]
    assert len(tall.files[0].tiles) == 3
    check_table(tall)
    assert shown(column(captured, tall, 100)) == expected(90)
    assert image(captured, "capture/element-02.png").getcolors() == [(1440 * 50, GREEN)]
    assert image(captured, "capture/element-03.png").getcolors() == [(1440 * 50, BLUE)]
    assert made[".in-closed"].top_px == 9050
    (reason,) = captured.reasons
    assert reason.code == "element-missing"
    for words in (
        ".none: no element of the page matches",
        ".hidden: matching elements exist, but none has an area in the layout of the page",
        "p[ is not a selector that the browser supports",
    ):  # fmt: skip
        assert words in reason.detail


def test_a_page_is_printed_when_asked_and_a_pdf_over_its_limit_is_left_out(
    capture: Engine,
) -> None:
    html = page("<h1>printed</h1>" + bands(20))

    captured = capture(html, pictures=Pictures(pdf=True))
    none = capture(html, pictures=Pictures(pdf=True, pdf_bytes=300))

    (pdf,) = (artifact for artifact in captured.artifacts if artifact.path == "capture/page.pdf")
    assert pdf.media_type == "application/pdf"
    assert pdf.file.read_bytes().startswith(b"%PDF-")
    assert b"%%EOF" in pdf.file.read_bytes()[-10:]
    assert picture(captured, PictureKind.PDF).files[0].path == "capture/page.pdf"
    assert captured.outcome is Outcome.COMPLETE
    assert codes(none) == ["pdf-failed"]
    assert not [artifact for artifact in none.artifacts if artifact.path.endswith(".pdf")]


def test_a_part_that_shows_nothing_where_the_page_has_text_is_noticed(capture: Engine) -> None:
    """What a lost tile would look like: here a sheet lies over the text."""
    text = "".join(f"<p>line {i} of the text</p>" for i in range(250))
    sheet = (
        '<div style="position:absolute;left:0;right:0;top:3900px;height:4400px;background:#fff">'
    )

    captured = capture(page(text + bands(20) + sheet + "</div>"), replace(ROOMY, tile_px=2_000))

    whole = picture(captured, PictureKind.PAGE)
    blank = [(t.top_px, t.bottom_px) for f in whole.files for t in f.tiles if t.blank]
    assert blank == [(4000, 5000), (5000, 6000), (6000, 7000), (7000, 8000)]
    assert codes(captured) == ["picture-blank"]
    assert "CSS pixels 4000 to 5000 have only one colour" in captured.reasons[0].detail
    assert column(captured, whole)[-2000 + 50 :: 100] == expected(20)


def test_the_page_is_not_resized_to_be_photographed(capture: Engine) -> None:
    """The protocol's own way does it for each shot, to 1 x 1 px at times, and pages notice."""
    script = """<p id=p>resized:<script>
      let sizes = [];
      const told = () => { sizes.push([innerWidth, innerHeight, devicePixelRatio].join('x'));
        p.textContent = 'resized: ' + sizes.join(' '); };
      addEventListener('resize', told); new ResizeObserver(told).observe(document.body);
    </script>"""

    captured = capture(page(script + bands(130)), scale=2, viewport=(800, 600))

    (text,) = (artifact for artifact in captured.artifacts if artifact.path == "capture/page.txt")
    # The observer tells its first size; nothing follows.
    assert text.file.read_text() == "resized: 800x600x2\n"
    assert len(picture(captured, PictureKind.PAGE).files[0].tiles) == 7


def test_an_empty_part_is_no_fault_and_what_the_browser_leaves_out_of_view_is_shown(
    capture: Engine,
) -> None:
    skipped = "content-visibility:auto;contain-intrinsic-size:10px 40px"
    body = (
        f'<div style="height:9000px">top</div><section style="{skipped}">{bands(3)}'
        f'<p style="{skipped}">a leaf</section>'
    )

    captured = capture(page(body))

    assert (captured.outcome, codes(captured)) == (Outcome.COMPLETE, [])
    assert "show-skipped" in kinds(captured)
    assert column(captured, picture(captured, PictureKind.PAGE))[9050:9300:100] == expected(3)
    files = {artifact.path: artifact.file for artifact in captured.artifacts}
    text, dom = (
        files[f"capture/{name}"].read_text(encoding="utf-8") for name in ("page.txt", "dom.html")
    )
    assert "a leaf" in text
    assert f'<p style="{skipped}">' in dom


def test_12_600_images_stay_within_the_limits(capture: Engine, pages: Pages) -> None:
    pages.answers["/dot.png"] = png(8, 8, GREEN)
    dots = '<img src="/dot.png" width=40 height=40>' * 12_600

    captured = capture(page(f"<div style='line-height:0'>{dots}</div>"), Limits(scroll_steps=2000))

    whole = picture(captured, PictureKind.PAGE)
    assert "capture-timeout" not in codes(captured)
    assert (whole.height_px, whole.captured_height_px) == (14_000, 14_000)
    assert set(column(captured, whole)) == {GREEN}


def test_our_own_memory_holds_tiles_and_not_the_page(pages: Pages, tmp_path: Path) -> None:
    """Noise, which compresses to nothing less: 8.6 MB a tile, and two or four of them."""
    noise = random.Random(1)  # noqa: S311 - pixels, no secrets
    rows = [noise.randbytes(720 * 3) for _ in range(500)]
    tile = io.BytesIO()
    Image.frombytes("RGB", (720, 500), b"".join(rows)).save(tile, "PNG")
    pages.answers["/noise.png"] = tile.getvalue()

    def photograph(height: int) -> tuple[Capture, int]:
        (root := tmp_path / str(height)).mkdir()
        pages.answers["/"] = page(f'<div style="height:{height}px;background:url(/noise.png)">')
        tracemalloc.start()
        capture = Engine(root, pages)("", viewport=(720, 900))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return capture, peak

    _, few = photograph(8_000)
    capture, many = photograph(16_000)

    assert picture(capture, PictureKind.PAGE).captured_height_px == 16_000
    (found,) = (
        artifact for artifact in capture.artifacts if artifact.path == "capture/screenshot.png"
    )
    assert found.digests.length > 32_000_000
    assert many < few * 1.4
    assert many < 100_000_000
    assert image(capture, "capture/screenshot.png").crop((0, 15_500, 720, 16_000)).tobytes() == (
        b"".join(rows)
    )


def test_two_captures_of_an_unchanged_page_have_the_same_pixels_document_and_text(
    capture: Engine, pages: Pages
) -> None:
    pages.answers["/dot.png"] = png(8, 8, GREEN)
    text = "".join(f"<p>第 {i} 行 of the text, with 🦊</p>" for i in range(110))
    html = page(f"<h1>still</h1>{text}<img loading=lazy src='/dot.png'>{bands(30)}")
    pictures = Pictures(viewports=(Viewport.named("phone"),), elements=("h1",))

    first, second = (capture(html, pictures=pictures) for _ in range(2))

    assert first.pictures == second.pictures
    digests = [
        {
            artifact.path: artifact.digests.sha256
            for artifact in capture.artifacts
            if artifact.path in STABLE
        }
        for capture in (first, second)
    ]
    assert set(digests[0]) == STABLE
    assert digests[0] == digests[1]


STABLE = {
    *("capture/dom.html", "capture/page.txt", "capture/viewport.png", "capture/screenshot.png"),
    *("capture/viewport-phone.png", "capture/screenshot-phone.png", "capture/element-01.png"),
}


def test_captures_that_run_at_once_photograph_one_after_the_other(
    capture: Engine, pages: Pages, tmp_path: Path
) -> None:
    class Watched(RasterGate):
        inside = most = passed = 0

        @override
        async def _enter(self) -> None:
            await super()._enter()
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.passed += 1

        @override
        def _leave(self) -> None:
            self.inside -= 1
            super()._leave()

    gate = Watched(1)
    engines = [capture, Engine(tmp_path / "second", pages)]
    (tmp_path / "second").mkdir()
    done: list[Capture] = []

    def one(engine: Engine) -> None:
        engine.gate = gate
        done.append(engine(page(bands(200)), viewport=(500, 900)))

    threads = [threading.Thread(target=one, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [capture.outcome for capture in done] == [Outcome.COMPLETE] * 2
    assert (gate.most, gate.inside) == (1, 0)
    assert gate.passed >= 12
