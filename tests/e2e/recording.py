"""A page under a `Recorder` in a browser of its own, and what the record then holds."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright
from warcio.archiveiterator import ArchiveIterator

from snapshotter.app.machine import RandomIds, SystemClock
from snapshotter.capture.browser.binary import find_browser
from snapshotter.capture.browser.capture_network import CaptureNetwork
from snapshotter.capture.record.recorder import Recorder, Recording, RecordingRules
from snapshotter.egress.guard import EgressGuard
from snapshotter.egress.rules import EgressRules
from snapshotter.model.request import Decision, Limits

SECRET = "c4n4ry-7f3a-s3cret"


@dataclass(frozen=True, slots=True)
class Item:
    """One WARC record as warcio reads it."""

    kind: str
    fields: dict[str, str]
    status_line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    block: bytes  # head and body
    digest_is_right: bool | None


def items(recording: Recording) -> list[Item]:
    found = []
    with recording.artifacts[0].file.open("rb") as stream:
        blocks = [
            record.raw_stream.read() for record in ArchiveIterator(stream, no_record_parse=True)
        ]
        stream.seek(0)
        for record, block in zip(ArchiveIterator(stream, check_digests=True), blocks, strict=True):
            http = record.http_headers
            body = record.raw_stream.read()
            found.append(
                Item(
                    kind=record.rec_type,
                    fields=dict(record.rec_headers.headers),
                    status_line=f"{http.protocol} {http.statusline}" if http else "",
                    headers=tuple(http.headers) if http else (),
                    body=body,
                    block=block,
                    digest_is_right=record.digest_checker.passed,
                )
            )
    return found


def response(recording: Recording, tail: str, method: str = "GET") -> Item:
    """The first response whose URL ends so, to a request of this method."""
    them = items(recording)
    return next(
        i
        for i in them
        if i.kind == "response"
        and i.fields["WARC-Target-URI"].endswith(tail)
        and _method(them, i) == method
    )


def _method(them: list[Item], answer: Item) -> str:
    (request,) = [
        i for i in them if i.fields.get("WARC-Concurrent-To") == answer.fields["WARC-Record-ID"]
    ]
    return verb(request)


def record(
    tmp_path: Path,
    url: str,
    *,
    limits: Limits | None = None,
    act: Callable[[Page, Recorder], Awaitable[object]] | None = None,
    insecure: bool = False,
    basic_auth: bool = False,
    now: bool = False,
    spki: str = "",
) -> Recording:
    """
    Open one page under a recorder, behind a guard that lets it reach loopback, and finish.

    Args:
        spki: Of a certificate that is trusted, as `Torture.spki`.
    """
    shell = find_browser("shell")
    if shell is None:
        pytest.skip("no chromium-headless-shell: make setup")
    limits = limits or Limits()
    tee = tmp_path / ".egress"
    tee.mkdir()
    rules = EgressRules(
        allowed=("127.0.0.0/8", "::1/128"), upstream="", total_bytes=limits.capture_bytes
    )
    guard = EgressGuard(rules, clock=SystemClock(), tee=tee)
    way = CaptureNetwork(guard=guard, path="direct", key_log=tmp_path / "keys.log", tee_dir=tee)

    async def run() -> Recording:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=str(shell.path),
                args=[
                    "--site-per-process",
                    f"--proxy-server=http://127.0.0.1:{guard.listen_on_loopback()}",
                    "--proxy-bypass-list=<-loopback>",
                    f"--ssl-key-log-file={way.key_log}",
                    f"--ignore-certificate-errors-spki-list={spki}",
                ],
                artifacts_dir=tmp_path / "artifacts",
            )
            context = await browser.new_context(
                ignore_https_errors=insecure,
                http_credentials={"username": "me", "password": SECRET} if basic_auth else None,
            )
            page = await context.new_page()
            recorder = Recorder(
                spool=tmp_path,
                clock=SystemClock(),
                ids=RandomIds(),
                network=way,
                rules=RecordingRules(
                    limits=limits,
                    software="snapshotter/test",
                    redact_headers=Decision(policy_name="", policy_text="").redact_headers,
                ),
            )
            await recorder.attach(context, await context.new_cdp_session(page))
            await (act or opening(url))(page, recorder)
            if now:
                return recorder.finish_now(final_url=page.url, title="")
            recording = await recorder.finish(
                final_url=page.url, title=await page.title(), text="text"
            )
            await browser.close()
            return recording

    guard.start()
    try:
        return asyncio.run(asyncio.wait_for(run(), 60))
    finally:
        guard.stop()
        assert not tee.exists()
        assert not (tmp_path / "keys.log").exists()


def opening(url: str) -> Callable[[Page, Recorder], Awaitable[object]]:
    async def act(page: Page, recorder: Recorder) -> None:
        try:
            await page.goto(url, timeout=10_000)
        except Exception as error:  # noqa: BLE001 - the recording says what happened
            assert "net::" in str(error)  # noqa: PT017
            return
        await page.evaluate("window.done")
        for _ in range(100):
            if recorder.observer.in_flight == 0:
                break
            await asyncio.sleep(0.05)

    return act


def verb(item: Item) -> str:
    """Return the method of a request."""
    return item.block.partition(b" ")[0].decode()
