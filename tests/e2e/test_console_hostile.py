"""
A hostile capture in a real browser: on every page of the console and in every download, it fails.

Whatever succeeds would reach the host `CANARY`, which the browser's own log of the network would
name, or would set `window.owned`, or would leave a dialog, a window or a service worker behind.
"""

import contextlib
import http.server
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import Error as PlaywrightError
from starlette.routing import Route
from typing_extensions import override

from snapshotter.web.console.pages import page_routes
from snapshotter.web.files import routes as file_routes
from tests.console import RunningConsole, problems_of, running_console, signed_in
from tests.e2e.product import Installation
from tests.hostile_bundle import AT, CANARY, CASE, FILES, MARKUP, PAYLOAD, HostileArchive
from tests.tools import any_chromium

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.xdist_group("console-hostile")]
# Pages of tasks state nothing of a page. Pictures are parts of pages.
LEFT_OUT = {
    "/audit/reports/{report_id}/signature",
    "/captures/{bundle_id}/picture/{number:int}",
    "/captures/{bundle_id}/thumbnail.webp",
    "/login",
    "/styleguide",
    "/tasks/{task_id}",
    "/tasks/{task_id}/files/{name}",
    "/tasks/{task_id}/live",
}
CONTROL = "control.invalid"  # a host that is asked for, so that the log is known to name it
_SETTLED_MS = 150  # for a script that begins with the page

_REFUSED = ("The script has an unsupported MIME type", "Refused to execute script")
# Use a file as a service worker, and as a script.
_RUN = """async (path) => [
  await navigator.serviceWorker.register(path).then(() => "registered", (error) => error.name),
  await new Promise((resolve) => {
    const script = document.createElement("script");
    script.onload = () => resolve("loaded");
    script.onerror = () => resolve("refused");
    script.src = path;
    document.head.append(script);
  }),
]"""


@dataclass(frozen=True, slots=True)
class Attacked:
    """A console that shows a hostile capture, and the browser that a person uses."""

    console: RunningConsole
    archive: HostileArchive
    job_id: str
    event_id: str
    browser: Browser
    log: Path  # of the browser's network

    def paths(self) -> list[str]:
        """All pages that can show something of a capture."""
        values = {
            "bundle_id": self.archive.bundle_id,
            "date": f"{AT:%Y-%m-%d}",
            "event_id": self.event_id,
            "job_id": self.job_id,
            "name": CASE,
            "report_id": quote(PAYLOAD, safe=""),  # no audit was made
        }
        templates = [
            route.path
            for route in page_routes()
            if isinstance(route, Route)
            and "GET" in (route.methods or ())
            and route.path not in LEFT_OUT
        ]
        return [_filled(template, values) for template in templates]


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    home = Installation(tmp_path_factory.mktemp("hostile") / "home")
    archive = HostileArchive(home.home, store=home.store, keys=home.data / "keys")
    enqueued = home.run(
        "capture", "--enqueue", "--json", "--tag", "hostile", f"http://example.test/?q={MARKUP}"
    )
    assert enqueued.code == 0, enqueued.err
    event_id = archive.add_event(home.home / "index.db")
    address = f"http://example.test/?q={quote(MARKUP, safe='')}"
    scheduled = home.run("schedule", "add", "--name", CASE, "--every", "1h", address)
    assert scheduled.code == 0, scheduled.err
    watched = home.run("watch", "add", "--kind", "feed", CASE, address)
    assert watched.code == 0, watched.err
    log = home.home / "network.json"
    with (
        running_console(home, "--no-worker") as console,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=any_chromium(),
            args=[
                "--disable-background-networking",
                f"--log-net-log={log}",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            ],
        )
        yield Attacked(console, archive, enqueued.object["job_id"], event_id, browser, log)
        with contextlib.suppress(PlaywrightError):  # the name does not exist
            browser.new_page().goto(f"http://{CONTROL}/")
        browser.close()
    # A name that a page contains is percent-encoded in the addresses of our own pages.
    asked = re.findall(r'"(?:host|url)":"([^"%]*)', log.read_text(errors="replace"))
    assert [host for host in asked if CANARY in host] == []
    assert [host for host in asked if CONTROL in host]  # the log would have named it


def test_a_hostile_capture_fails_on_every_page(attacked: Attacked) -> None:
    capture, hostile = attacked.archive.bundle_id, quote(PAYLOAD, safe="")
    paths = [
        *attacked.paths(),
        "/captures?view=gallery",
        f"/captures?q={hostile}",
        f"/captures?host={hostile}&case={hostile}&tag={hostile}",
        f"/captures/{capture}?quote=First+line",
        f"/captures/{capture}?quote={hostile}",
        f"/captures/{hostile}",
        f"/addresses?identity={hostile}",
        f"/addresses?identity={quote('http://example.test/a', safe='')}",
        f"/tasks/{hostile}?back=//{CANARY}/",
        f"/login?token={hostile}",
    ]
    shown = 0
    # Without the policy of the pages, which would stop a script that was not escaped.
    with (
        signed_in(attacked.browser, attacked.console, bypass_csp=True) as page,
        _watched(page, attacked.console),
    ):
        for path in paths:
            address = attacked.console.url(path)
            page.goto(address, wait_until="load")
            page.wait_for_timeout(_SETTLED_MS)
            shown += "window.owned" in page.content()
            assert page.evaluate("typeof window.owned") == "undefined", path
            assert page.evaluate("document.cookie") == "", path
            assert page.evaluate("frames.length") == 0, path
            assert page.url.startswith(attacked.console.origin), path
    assert shown >= 6  # its texts were there, as texts


def test_the_page_of_a_capture_can_be_read_by_everybody(attacked: Attacked) -> None:
    path = f"/captures/{attacked.archive.bundle_id}"

    assert problems_of(attacked.browser, attacked.console, [f"{path}?quote=First+line"]) == []


def test_a_hostile_file_is_saved_and_not_shown(attacked: Attacked) -> None:
    capture = f"/captures/{attacked.archive.bundle_id}"
    values = {"bundle_id": attacked.archive.bundle_id, "kind": "custody-0001.jsonl"}
    paths = [f"{capture}/files/{name}" for name in FILES]
    paths += [
        _filled(route.path, values) for route in file_routes if "{path:path}" not in route.path
    ]
    # Even if the pages of the console had no policy of their own.
    with (
        signed_in(attacked.browser, attacked.console, bypass_csp=True, allowed=_REFUSED) as page,
        _watched(page, attacked.console),
    ):
        page.goto(attacked.console.url(capture))
        for path in paths:
            with page.expect_download() as download, contextlib.suppress(PlaywrightError):
                page.goto(attacked.console.url(path))  # raises: the download ends the navigation
            assert attacked.archive.bundle_id in download.value.suggested_filename
            assert page.url == attacked.console.url(capture), path
            assert page.evaluate(_RUN, path) == ["SecurityError", "refused"], path
        assert page.evaluate("typeof window.owned") == "undefined"
        page.locator("summary", has_text="Files of the bundle").click()
        with page.expect_download() as download:
            page.get_by_role("link", name="capture/page.html").click()
        assert download.value.suggested_filename.endswith("-page.html")


def test_a_page_of_another_port_reads_and_changes_nothing(attacked: Attacked) -> None:
    console, capture = attacked.console, attacked.archive.bundle_id
    with (
        signed_in(attacked.browser, console) as page,
        _site(_attack(console.origin, capture)) as origin,
    ):
        other = page.context.new_page()
        other.goto(origin)
        other.wait_for_function("window.done === true")
        assert other.evaluate("window.found") == {
            "cookie": "",
            "fetch": "refused",
            "frame": "closed",
            "image": "refused",
            "read": "refused",
            "script": "refused",
        }
        other.click("button")  # the form leads away
        other.wait_for_url(console.url("/logout/everywhere"))
        assert "does not belong to the console" in other.content()
        other.close()
        page.goto(console.url("/"))
        assert page.get_by_role("navigation", name="Pages").is_visible()  # still logged in


def _filled(template: str, values: Mapping[str, str]) -> str:
    """Return a path; a parameter that the test does not know is a hostile text."""
    for name, value in values.items():
        template = template.replace(f"{{{name}}}", value)
    return re.sub(r"\{[^}]*\}", quote(PAYLOAD, safe=""), template)


@contextlib.contextmanager
def _watched(page: Page, console: RunningConsole) -> Iterator[None]:
    """Fail if a page asks another server, or leaves a dialog, a window or a service worker."""
    happened: list[str] = []
    context = page.context
    context.on("request", lambda request: happened.append(request.url))
    context.on("dialog", lambda dialog: happened.append(f"dialog {dialog.message}"))
    context.on("page", lambda opened: happened.append(f"window {opened.url}"))
    yield
    assert [text for text in happened if not text.startswith(f"{console.origin}/")] == []
    registered = "navigator.serviceWorker.getRegistrations().then((found) => found.length)"
    assert page.evaluate(registered) == 0


def _attack(origin: str, bundle_id: str) -> str:
    """Return a page of another site that tries to use the session of the person."""
    page = f"{origin}/captures/{bundle_id}"
    return f"""<!doctype html><meta charset=utf-8><title>Attack</title>
<form method=post action="{origin}/logout/everywhere"><button>Win</button></form>
<script>
const found = {{}};
const loads = (tag, address) => new Promise((resolve) => {{
  const it = document.createElement(tag);
  it.onload = () => resolve("loaded");
  it.onerror = () => resolve("refused");
  it.src = address;
  document.body.append(it);
}});
addEventListener("load", async () => {{
  found.cookie = document.cookie;
  found.image = await loads("img", "{page}/thumbnail.webp");
  found.script = await loads("script", "{page}");
  const frame = document.createElement("iframe");
  frame.src = "{page}";
  await new Promise((resolve) => {{ frame.onload = resolve; document.body.append(frame); }});
  // What the browser shows in place of a refused frame has no element of the console.
  const inside = frame.contentWindow;
  try {{ found.frame = inside.length === 0 && !frame.contentDocument ? "closed" : "open"; }}
  catch (error) {{ found.frame = error.name; }}
  const post = {{ method: "POST", credentials: "include", mode: "no-cors" }};
  const read = {{ credentials: "include" }};
  found.fetch = await fetch("{page}/verify", post).then(() => "sent", () => "refused");
  found.read = await fetch("{page}", read).then(() => "read", () => "refused");
  window.found = found;
  window.done = true;
}});
</script>"""


@contextlib.contextmanager
def _site(page: str) -> Iterator[str]:
    """Serve one page at another port of this machine."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(page.encode())

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
