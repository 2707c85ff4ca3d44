"""A page of many hosts that do not answer: what a browser asks of them is given up once."""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typing_extensions import override

from snapshotter.app.machine import RandomIds, SystemClock
from snapshotter.capture.engine import ChromiumCapturer
from snapshotter.model.capture import Outcome
from snapshotter.model.request import CaptureRequest, Decision, Limits
from tests.e2e.capturing import codes, read
from tests.servers.silent import SilentNames, silent_port

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="127.0.0.2 is Linux'"),
]

# Names without an answer, and hosts whose address drops what knocks.
NAMES = [f"{number}.silent.example" for number in range(11)]
KNOCKED = [f"{number}.knocked.example" for number in range(11)]
# When all of them have failed, the page requests each once more.
PAGE = """<!doctype html><title>Hosts</title><script>
let left = {count};
addEventListener("error", async () => {{
  if (--left) return;
  for (const url of {again}) await fetch(url, {{mode: "no-cors"}}).catch(() => 0);
}}, true);
</script><h1>A page of many hosts</h1><p>It has a few words.
<img width=9 height=9 src="/slow.png">{images}{scripts}"""
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c63f8cfc0f01f00050001ff56c72f0d0000000049454e44ae426082"
)


class _Site(ThreadingHTTPServer):
    """Serves the page at once, and what is slow when every silent name was given up."""

    daemon_threads = True

    def __init__(self, names: SilentNames, dead: int) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.names = names
        hosts = [f"http://{host}" for host in (*NAMES, *(f"{host}:{dead}" for host in KNOCKED))]
        images, scripts = hosts[::2], hosts[1::2]
        self.page = PAGE.format(
            count=len(hosts),
            images="".join(f'<img width=9 height=9 src="{host}/a.png">' for host in images),
            scripts="".join(f'<script async src="{host}/a.js"></script>' for host in scripts),
            again=json.dumps([f"{host}/again" for host in hosts]),
        )


class _Answer(BaseHTTPRequestHandler):
    server: _Site

    def do_GET(self) -> None:
        kind, body = "text/html", self.server.page.encode()
        if self.path != "/":
            kind, body = "image/png", PNG
            end = threading.Event()
            while len(self.server.names.dropped) < len(NAMES):
                end.wait(0.01)
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def serving(names: SilentNames, dead: int) -> Iterator[str]:
    with _Site(names, dead) as site:
        threading.Thread(target=site.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{site.server_port}/"
        site.shutdown()


def test_hosts_that_do_not_answer_are_given_up_once_and_slow_ones_are_waited_for(
    tmp_path: Path,
) -> None:
    names = SilentNames("127.0.0.2")
    spool = tmp_path / "spool"
    spool.mkdir()
    capturer = ChromiumCapturer(clock=SystemClock(), ids=RandomIds(), version="0", resolver=names)
    with silent_port("127.0.0.2") as dead, serving(names, dead) as url:
        decision = Decision(
            policy_name="test",
            policy_text="",
            limits=Limits(unanswered_s=1),
            allow_networks=("127.0.0.0/8",),
        )
        captured = capturer.capture(CaptureRequest(url=url), decision, spool, lambda *_: None)

    hosts = {*(f"{host}:80" for host in NAMES), *(f"{host}:{dead}" for host in KNOCKED)}
    network = json.loads(read(captured, "capture/network.json"))
    by_host: dict[str, list[dict[str, str]]] = {}
    for connection in network["connections"]:
        by_host.setdefault(f"{connection['host']}:{connection['port']}", []).append(connection)
    given_up = " ".join(
        action.detail for action in captured.actions if action.kind == "give-up-hosts"
    )

    assert captured.outcome is Outcome.PARTIAL
    assert codes(captured) == ["images-missing", "resources-missing"]
    # Each dead host was waited for once, is named, and each further request failed at once.
    assert set(by_host) == {*hosts, url.removeprefix("http://").strip("/")}
    assert sorted(names.asked) == sorted([*NAMES, *KNOCKED])
    assert {host for host in hosts if host in given_up} == hosts
    for host in hosts:
        word = "dns-timeout" if ".silent." in host else "timeout"
        first, *further = by_host[host]
        assert [connection["error"] for connection in by_host[host]] == [word] * len(by_host[host])
        assert first["detail"].startswith("the wait was ended")
        assert further
        for connection in further:
            assert connection["detail"].startswith("the host was not contacted again")
    errors = {failed.error.rpartition(": ")[2] for failed in captured.failed_requests}
    assert errors == {"dns", "timeout"}
    # The slow image of a living host is there.
    assert not any("/slow.png" in failed.url for failed in captured.failed_requests)
    assert captured.images.wanted - captured.images.loaded == len([*NAMES, *KNOCKED][::2])
