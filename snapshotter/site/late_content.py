"""
Make pages whose content comes late: by timers, sockets, workers, frames and other means.

Each kind shows one patch: a word and a colour that no other kind has. The markup contains neither:
a script builds the word, or it comes over the network. So a capture that has the word in its text
has waited for it. `PATCHES` says where else the word and the colour must be.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from snapshotter.site.pictures import png
from snapshotter.site.response import Response, Visit, data, document, html
from snapshotter.site.state import Showing
from snapshotter.value_class import dataclass

PREFIX: Final = "late/"
TAKEN_DOWN: Final = "late/taken-down"  # its content depends on the site's state alone
OTHER: Final = "127.0.0.2"  # another site on loopback, where the pages are asked for by number
_OTHER_NAME = "bit.ly"  # and where they are asked for by name; only its frame is asked for there
_DATA = "late/data/"
_WIDTH, _HEIGHT = 260, 40  # of a patch, CSS pixels
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_POLLS = 3  # the answer that brings the content
_QUESTIONS = "6"  # likewise
# A font of one glyph, made with fontTools.
_FONT = (
    "d09GRgABAAAAAAJAAAoAAAAAAnQAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAABPUy8yAAABYAAAACkAAABgRStFCGNtYXAA"
    "AAGUAAAAKQAAADQADACfZ2x5ZgAAAcgAAAAfAAAAME0WZhBoZWFkAAAA9AAAADYAAAA2L9HVNGhoZWEAAAEsAAAAHAAA"
    "ACQFegGSaG10eAAAAYwAAAAGAAAABgJYAABsb2NhAAABwAAAAAYAAAAGABgADG1heHAAAAFIAAAAFgAAACAABAAGbmFt"
    "ZQAAAegAAABJAAAAV089amZwb3N0AAACNAAAAAwAAAAgAAMAAAABAAAAAQAAcvzCyF8PPPUAAwPoAAAAAOcxyMwAAAAA"
    "5zHIzAAAAAACWAK8AAAAAwACAAAAAAAAeJxjYGRgYFb4b8HAwBTBwAAmGRlQASMAOE8CEnicY2BkYGBgYmBhANEgFhoA"
    "AAESAAsAAHicY2BmimCcwMDKwMJAGDAic+yBAEj5MPgwK4D4QPIEmnqgOACklQO7AAAAAlgAAAAAAAB4nGNgYGBiYGBg"
    "BmIRIMkIplkYFIA0CxCC+D7//0PI/1vBfAYAU34GqAAAAAAAAAwAGAAAeJxjYGQAAqYIpj0MzAwMhoKKgiD2XxcGHOIA"
    "lUQH0wB4nC2IMQrAIBAE51RIQsAmf8krrPzBFYeNlej/cwEXBmYWSLwI/8Sd7YHDKyLp8ufk3h7IPEWnVWur66CgTIzq"
    "NBbde3zNhglYAAAAeJxjYGbACwAAfQAE"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """What one kind of lateness shows, and where a capture has to have it."""

    word: str
    colour: tuple[int, int, int]
    in_dom: bool = True  # of the main frame
    by_network: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """One way to be late: what a script does with `say(name)`, `get(name)` or `put(it)`."""

    says: str
    script: str
    in_dom: bool = True
    by_network: bool = False
    head: str = ""


def _kind(says: str, script: str, *, head: str = "", **truth: bool) -> _Kind:
    return _Kind(says=says, script=script, head=head, **truth)


# Scripts have `NAME`, their own name, as a string of JavaScript.
_KINDS: Mapping[str, _Kind] = MappingProxyType({
    "timer-500": _kind("a timer of 500 ms", "setTimeout(say, 500, NAME)"),
    "timer-700": _kind("a timer of 700 ms", "setTimeout(say, 700, NAME)"),
    "timer-2500": _kind("a timer of 2.5 s", "setTimeout(say, 2500, NAME)"),
    "chain": _kind("five timers of 300 ms, each set by the one before",
        "let n = 0; const next = () => ++n < 5 ? setTimeout(next, 300) : say(NAME); next()"),
    "fetch-500": _kind("a request that begins 500 ms after load",
        "addEventListener('load', () => setTimeout(get, 500, NAME))", by_network=True),
    "fetch-slow": _kind("a request that is answered after 1.5 s", "get(NAME)", by_network=True),
    "websocket-300": _kind("a WebSocket, its first message after 300 ms", "socket(NAME)",
        by_network=True),
    "websocket-2000": _kind("a WebSocket, its first message after 2 s", "socket(NAME)",
        by_network=True),
    "websocket-asked": _kind("a WebSocket that greets, and answers what it is asked after 1.6 s",
        f"const it = new WebSocket(`ws://${{location.host}}/{_DATA}${{NAME}}`);"
        " it.onmessage = (got) => got.data === 'hello' ? it.send('more') : take(got)",
        by_network=True),
    "events-300": _kind("an event stream, its first event after 300 ms", "events(NAME)",
        by_network=True),
    "events-2000": _kind("an event stream, its first event after 2 s", "events(NAME)",
        by_network=True),
    "worker": _kind("a worker that computes for 600 ms",
        "new Worker('/late/data/worker.js').onmessage = () => say(NAME)"),
    "worker-timer": _kind("a worker that waits for 700 ms",
        "new Worker('/late/data/worker-timer.js').onmessage = () => say(NAME)"),
    "shared-worker": _kind("a shared worker that waits for 600 ms",
        "const it = new SharedWorker('/late/data/shared.js');"
        " it.port.onmessage = () => say(NAME); it.port.start()"),
    "service-worker": _kind("a service worker that says so when it is active",
        "navigator.serviceWorker.onmessage = () => say(NAME);"
        " navigator.serviceWorker.register('/late/data/service.js', {scope: '/late/'})"
        ".then(() => navigator.serviceWorker.ready).then(it => it.active.postMessage(''))"),
    "hydration": _kind("markup of the server, replaced by a script that comes after 600 ms",
        "const it = document.createElement('script'); it.src = '/late/data/hydration.js';"
        " document.body.append(it)"),
    "mutations": _kind("observers of changes, each of which makes the next one after 250 ms",
        "let n = 0; const it = document.createElement('div'); box.append(it);"
        " const grow = () => it.append(document.createElement('i')); new MutationObserver(() =>"
        " setTimeout(() => ++n < 5 ? grow() : n === 5 && say(NAME), 250))"
        ".observe(it, {childList: true}); grow()"),
    "intersection": _kind("what comes 400 ms after it is in view, 3,000 px down",
        "const far = document.createElement('div'); far.style.marginTop = '3000px';"
        " document.body.append(far); new IntersectionObserver((all, seen) =>"
        " all.some(it => it.isIntersecting) && (seen.disconnect(),"
        " setTimeout(say, 400, NAME, far))).observe(far)"),
    "idle": _kind("thirty idle callbacks, one after the other",
        "let n = 0; const next = () => ++n < 30 ? requestIdleCallback(next) : say(NAME); next()"),
    "frames": _kind("ninety animation frames, one after the other",
        "let n = 0; const next = () => ++n < 90 ? requestAnimationFrame(next) : say(NAME); next()"),
    "image": _kind("an image that is answered after 1.2 s, and decoded",
        "const it = new Image(); it.src = '/late/data/image.png';"
        " it.decode().then(() => say(NAME))"),
    "font": _kind("a font that is answered after 1 s",
        "new FontFace('late', 'url(/late/data/font.woff)').load().then(() => say(NAME))"),
    "move-700": _kind("a script that goes to a notice after 700 ms",
        "setTimeout(() => location.href = '/late/data/notice?' + NAME, 700)", by_network=True),
    "refresh": _kind("a refresh in the head, to a notice after 1 s", "", by_network=True,
        head="<meta http-equiv=refresh content='1;url=/late/data/notice?refresh'>\n"),
    "route": _kind("another view of an application, with its own address, after 600 ms",
        "setTimeout(() => { history.pushState(0, '', '?view=2'); box.textContent = '';"
        " say(NAME); }, 600)"),
    "rearming": _kind("a timer of 100 ms that sets itself anew, and shows something the 12th time",
        "let n = 0; const next = () => (++n === 12 && say(NAME), setTimeout(next, 100)); next()"),
    "interval": _kind("an interval of 150 ms that shows something the 8th time",
        "let n = 0; setInterval(() => ++n === 8 && say(NAME), 150)"),
    "interval-800": _kind("an interval of 800 ms that shows something the 3rd time",
        "let n = 0; setInterval(() => ++n === 3 && say(NAME), 800)"),
    "questions": _kind("six questions to one address, each 400 ms; the last answer is the content",
        "let n = 0; const next = () => fetch(`/late/data/${NAME}`, {method: 'POST',"
        " headers: {'X-Number': ++n}, body: `part ${n}`}).then(it => it.json())"
        ".then(it => it.word ? put(it) : next()); next()", by_network=True),
    "poll-ever": _kind("a request each 300 ms for ever, whose answers change nothing",
        "say(NAME); const next = () => fetch('/late/data/nothing')"
        ".then(() => setTimeout(next, 300)); next()"),
    "poll-third": _kind("a request each 400 ms, whose third answer brings the content",
        "let n = 0; const next = () => fetch(`/late/data/${NAME}?n=${++n}`).then(it => it.json())"
        ".then(it => it.word ? put(it) : setTimeout(next, 400)); next()", by_network=True),
    "ticker": _kind("a number that changes each 100 ms for ever",
        "say(NAME); const it = document.createElement('p'); box.append(it); let n = 0;"
        " setInterval(() => it.textContent = `${++n} readers`, 100)"),
    "frame": _kind("a frame of this site, with a timer of 700 ms", "frame(location.host)",
        in_dom=False),
    "frame-other": _kind("a frame of another site, with a timer of 700 ms",
        f"frame((location.hostname.startsWith('127.') ? '{OTHER}' : '{_OTHER_NAME}')"
        " + ':' + location.port)", in_dom=False),
    "shadow": _kind("a closed shadow tree that is filled after 700 ms",
        "const host = document.createElement('div'); box.append(host); const root ="
        " host.attachShadow({mode: 'closed'}); setTimeout(say, 700, NAME, root)", in_dom=False),
    "second-event": _kind("an event stream, its second event after `?after=` seconds",
        "events(NAME + location.search)", by_network=True),
})  # fmt: skip

# What can be together on one page: not what leaves it, takes other content away, never ends, or is
# refused by most policies.
TOGETHER: Final = tuple(
    name
    for name in _KINDS
    if name not in ("move-700", "refresh", "route", "service-worker", "ticker", "second-event")
)

_LIBRARY = """const box = document.getElementById('late');
const put = ({word, colour}, where = box) => { const it = document.createElement('p');
 it.textContent = word; it.style.cssText =
 `box-sizing:border-box;width:WIDTHpx;height:HEIGHTpx;margin:2px;background:${colour}`;
 where.append(it); };
const say = (name, where) => put({word: 'arrived' + '-' + name, colour: COLOURS[name]}, where);
const get = (name) => fetch(`/late/data/${name}`).then(it => it.json()).then(it => put(it));
const take = (it) => it.data.startsWith('{') && put(JSON.parse(it.data));
const socket = (name) =>
 new WebSocket(`ws://${location.host}/late/data/${name}`).onmessage = take;
const events = (name) => new EventSource(`/late/data/${name}`).onmessage = take;
const frame = (host) => { const it = document.createElement('iframe');
 it.src = `http://${host}/late/data/${host === location.host ? 'frame' : 'frame-other'}`;
 it.width = 280; it.height = 70; box.append(it); };
"""
_WORKERS: Final = {
    "worker.js": "const end = performance.now() + 600; while (performance.now() < end); "
    "postMessage('')",
    "worker-timer.js": "setTimeout(postMessage, 700, '')",
    "shared.js": "onconnect = (it) => setTimeout(() => it.ports[0].postMessage(''), 600)",
    "service.js": "onmessage = (it) => it.source.postMessage('');"
    " onactivate = (it) => it.waitUntil(clients.claim())",
    "hydration.js": "const served = document.getElementById('served'); served.textContent = '';"
    " say('hydration', served)",
}


def patch(name: str) -> Patch:
    """Return what a kind of lateness shows."""
    kind = _KINDS[name]
    red, green, blue = hashlib.sha256(name.encode()).digest()[:3]
    return Patch(
        word=f"arrived-{name}",
        colour=(red, green, blue),
        in_dom=kind.in_dom,
        by_network=kind.by_network,
    )


PATCHES: Final[Mapping[str, tuple[Patch, ...]]] = MappingProxyType(
    {f"{PREFIX}{name}": (patch(name),) for name in _KINDS}
    | {f"{PREFIX}all": tuple(patch(name) for name in TOGETHER)}
)


def _page(*names: str) -> Callable[[Visit], Response]:
    def make(visit: Visit) -> Response:
        scripts = "".join(
            f"{{ {_KINDS[name].script.replace('NAME', repr(name))} }}\n" for name in names
        )
        return document(
            f"Late: {names[0] if len(names) == 1 else 'all'}",
            "<main>\n<h1>A page that is not finished when it has loaded</h1>\n"
            "<p>What comes late is in a box below this sentence, which was there at once.</p>\n"
            "<div id=late></div>\n<div id=served>Words of the server.</div>\n</main>\n"
            f"<script>\n{_library(*names)}{scripts}</script>\n",
            head="".join(_KINDS[name].head for name in names),
        )

    return make


def _watched(visit: Visit) -> Response:
    """Return a page that asks each 50 ms whether it is still there."""
    return document(
        "Late: taken down",
        "<main>\n<h1>A story that is there</h1>\n<p>As long as nobody takes it down.</p>\n</main>\n"
        "<script>\nconst next = () => fetch('/late/data/state').then(it => it.json()).then(it =>\n"
        " it.removed ? location.href = '/late/data/notice?move-700' : setTimeout(next, 50));"
        " next()\n</script>\n",
    )


def _library(*names: str) -> str:
    colours = ", ".join(f"'{name}': '{_css(patch(name).colour)}'" for name in names)
    library = _LIBRARY.replace("WIDTH", str(_WIDTH)).replace("HEIGHT", str(_HEIGHT))
    return library.replace("COLOURS", f"({{{colours}}})")


def _css(colour: tuple[int, int, int]) -> str:
    return "#" + bytes(colour).hex()


PAGES: Final[Mapping[str, tuple[Callable[[Visit], Response], str]]] = MappingProxyType(
    {f"{PREFIX}{name}": (_page(name), kind.says) for name, kind in _KINDS.items()}
    | {f"{PREFIX}all": (_page(*TOGETHER), "all of them that can be on one page")}
    | {TAKEN_DOWN: (_watched, "a page that goes to a notice as soon as it is removed")}
)


def answer(visit: Visit, name: str) -> Response | None:
    """Return what a page of this module asks for; None for what is none of that."""
    called = name.removeprefix(_DATA)
    if called == name:
        return None
    if called in _WORKERS:
        return Response(
            headers=(("Content-Type", "text/javascript"), ("Service-Worker-Allowed", "/late/")),
            body=_WORKERS[called].encode(),
            after_s=0.6 if called == "hydration.js" else 0.0,
        )
    if called == "image.png":
        picture = png([bytes(64)] * 16, [(40, 40, 40)])
        return Response(headers=(("Content-Type", "image/png"),), body=picture, after_s=1.2)
    if called == "font.woff":
        font = base64.b64decode(_FONT)
        return Response(headers=(("Content-Type", "font/woff"),), body=font, after_s=1.0)
    if called == "nothing":
        return data({})
    if called == "state":
        return data({"removed": visit.state.page(TAKEN_DOWN).showing is Showing.REMOVED})
    if called in ("frame", "frame-other"):
        return html(
            f"<!doctype html><title>{called}</title><body style='margin:0'><div id=late></div>"
            f"<script>{_library(called)}setTimeout(say, 700, '{called}')</script>\n"
        )
    if called == "notice":
        (asked,) = [step for step in ("move-700", "refresh") if step in visit.query] or ["move-700"]
        chosen = patch(asked)
        return document(
            "Late: a notice",
            f"<main>\n<h1>This story was taken down</h1>\n<p style='width:{_WIDTH}px;"
            f"height:{_HEIGHT}px;background:{_css(chosen.colour)}'>{chosen.word}</p>\n</main>\n",
        )
    return _late_data(visit, called) if called in _KINDS else None


def _late_data(visit: Visit, called: str) -> Response:
    chosen = patch(called)
    whole = data({"word": chosen.word, "colour": _css(chosen.colour)})
    if called.startswith("websocket-"):
        message = whole.body
        frame = bytes([0x81, len(message)]) + message  # FIN and text; shorter than 126 bytes
        key = visit.headers.get("sec-websocket-key", "").encode()
        accepts = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()  # noqa: S324  as told
        greeting: tuple[tuple[float, bytes], ...] = ()
        if called == "websocket-asked":
            greeting = ((0.0, b"\x81\x05hello"),)
        return Response(
            status=101,
            headers=(
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Accept", accepts),
            ),
            later=(*greeting, (_seconds(called), frame)),
        )
    if called.startswith("events-") or called == "second-event":
        event, after_s = b"data: " + whole.body + b"\n\n", _seconds(called)
        first: tuple[tuple[float, bytes], ...] = ()
        if called == "second-event":
            first = ((0.0, b"data: first\n\n"),)
            asked = visit.query.get("after", "")
            after_s = (
                float(asked) if asked.replace(".", "", 1).isdigit() and len(asked) < 6 else 2.0
            )
        return Response(
            headers=(("Content-Type", "text/event-stream"),), later=(*first, (after_s, event))
        )
    if called == "questions":
        is_last = visit.headers.get("x-number", _QUESTIONS) == _QUESTIONS
        body = whole.body if is_last else data({}).body
        return Response(headers=whole.headers, body=body, after_s=0.4)
    if called == "poll-third":
        count = visit.query.get("n", "")
        return whole if count.isdigit() and count.isascii() and int(count) >= _POLLS else data({})
    return Response(
        headers=whole.headers, body=whole.body, after_s=1.5 if called == "fetch-slow" else 0.0
    )


def _seconds(called: str) -> float:
    number = called.rpartition("-")[2].replace("asked", "1600")
    return int(number) / 1000 if number.isdigit() else 0.0
