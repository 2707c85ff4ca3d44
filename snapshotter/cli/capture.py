"""`snapshotter capture`: URLs in, sealed and stored bundles out."""

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snapshotter.cli.output import Steps, bytes_in_words, program, result, result_json, say
from snapshotter.errors import CaptureIncomplete, SnapshotterError

if TYPE_CHECKING:
    from snapshotter.app.pipeline import Result, World

_EXAMPLES = """\b
Examples:
  snapshotter capture https://example.org
  snapshotter capture --store s3://evidence/case-7 https://example.org
  snapshotter capture --json - < urls.txt
  snapshotter capture --browser chromium --policy ./slow.toml https://example.org
"""


@click.command(epilog=_EXAMPLES)
@click.argument("urls", nargs=-1, required=True, metavar="URL…")
@click.option("--store", metavar="DIR|s3://…", help="Where bundles go.  [default: captures]")
@click.option("--policy", metavar="NAME|FILE", help="How to capture.  [default: default]")
@click.option("--browser", metavar="KIND|PATH", help="shell, chromium, or a browser's binary.")
@click.option("--key", metavar="NAME", help="Signing key.  [default: default]")
@click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File whose first line opens the key.",
)
@click.option(
    "--lock-days",
    type=click.IntRange(1, 36_500),
    help="Lock the bundle for so many days (S3 Object Lock).",
)
@click.option(
    "--ignore-certificate-errors",
    is_flag=True,
    help="Go on where a certificate is bad, and record that.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a URL.")
@click.option("--quiet", is_flag=True, help="No progress.")
@click.pass_context
def capture(
    ctx: click.Context,
    urls: tuple[str, ...],
    store: str | None,
    policy: str | None,
    browser: str | None,
    key: str | None,
    passphrase_file: Path | None,
    lock_days: int | None,
    ignore_certificate_errors: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """
    Capture web pages into sealed bundles.

    Each URL becomes one bundle: screenshots, MHTML, DOM, text and network record,
    signed, timestamped and stored. `-` reads URLs from standard input, one a line.
    A page that does not answer is evidence too: it is sealed with what was seen.
    """
    from snapshotter.app import pipeline, wiring
    from snapshotter.model.request import CaptureRequest
    from snapshotter.policy import load as policies

    settings = ctx.obj.load(
        store=store or "",
        policy=policy or "",
        key=key or "",
        passphrase_file=str(passphrase_file or ""),
    )
    wanted = [pipeline.check_url(url) for url in _all(urls)]
    if not wanted:
        raise click.UsageError("standard input named no URL")
    decision = policies.decide(
        policies.load(settings.policy),
        browser=browser or "",
        lock_days=lock_days,
        ignore_certificate_errors=ignore_certificate_errors,
    )
    world = wiring.world(settings, ask=_ask, tell=say, locked=decision.retain_days > 0)
    for kept in pipeline.rescue(world):
        say(f"an earlier capture was sealed and not stored, for its run was ended: {kept}")
        say(f"try: snapshotter store add {kept}")
    owed = _retry_in_background(world)
    code = 0
    for number, url in enumerate(wanted):
        if len(wanted) > 1 and not quiet:
            say(f"{number + 1} of {len(wanted)}: {url}")
        try:
            with Steps(quiet=quiet) as steps:
                done = pipeline.run(CaptureRequest(url=url), decision, world, steps)
        except SnapshotterError as error:
            if len(wanted) == 1 and not as_json:
                raise
            _failed(url, error, as_json)
            code = error.exit_code
            continue
        for warning in pipeline.clock_warnings(done):
            say(warning)
        if as_json:
            result_json(_object(done))
        else:
            _print(done, settings_store=settings.store, last=number == len(wanted) - 1)
        if decision.require_court_minimum and not done.capture.court_minimum.met:
            code = code or CaptureIncomplete.exit_code
    # Bounded: what is owed stays owed, and nobody waits for an authority that hangs.
    owed.join(settings.timestamp_timeout_s)
    return code


def _all(urls: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for url in urls:
        if url == "-":
            lines = (line.strip() for line in sys.stdin)
            found += [line for line in lines if line and not line.startswith("#")]
        else:
            found.append(url)
    return found


def _ask() -> bytes:
    if not sys.stdin.isatty():
        raise SnapshotterError(
            "the signing key needs a passphrase, and there is nobody to ask",
            hint="--passphrase-file FILE",
        )
    answer: str = click.prompt("passphrase of the signing key", hide_input=True, err=True)
    return answer.encode()


def _retry_in_background(world: "World") -> threading.Thread:
    """Ask for owed tokens while the page is rendered: it must not cost the capture any time."""
    from snapshotter.app import tokens

    def work() -> None:
        try:
            asked = tokens.ask_again(world.desk)
        except SnapshotterError as error:
            say(f"owed timestamp tokens could not be asked for: {error}")
        else:
            if asked.granted:
                count = asked.granted
                say(f"{count} timestamp tokens came late and were stored beside their bundles")
            for problem in asked.problems:
                say(f"an owed timestamp token could not be asked for: {problem}")

    thread = threading.Thread(target=work, name="owed-tokens", daemon=True)
    thread.start()
    return thread


def _failed(url: str, error: SnapshotterError, as_json: bool) -> None:
    say(f"{url}: {error}")
    if error.hint:
        say(f"try: {error.hint}")
    if as_json:
        result_json(
            {
                "bundle_id": None,
                "error": error.message,
                "exit_code": error.exit_code,
                "hint": error.hint,
                "requested_url": url,
            }
        )


def _object(done: "Result") -> dict[str, Any]:
    """Return the object that `--json` prints, as docs/reference/json.md promises it."""
    from snapshotter.formats.canonical_json import instant

    captured = done.capture
    return {
        "bundle": {
            "bytes": done.bundle.digests.length,
            "path": done.location,
            "sha256": done.bundle.digests.sha256,
        },
        "bundle_id": done.bundle.id,
        "captured_at": instant(captured.started_at),
        "court_minimum": captured.court_minimum.met,
        "final_url": captured.final_url,
        "http_status": captured.response.status if captured.response else None,
        "outcome": captured.outcome.value,
        "part_bytes": dict(done.bundle.part_bytes),
        "reasons": [{"code": it.code, "detail": it.detail} for it in captured.reasons],
        "requested_url": captured.requested_url,
        "sealed_at": instant(done.bundle.sealed_at),
        "stage_ms": dict(done.stage_ms),
        "timestamps": [
            {
                "authority": token.authority,
                "state": token.state.value,
                "time": instant(token.time) if token.time else None,
            }
            for token in done.bundle.tokens
        ],
        "title": captured.title,
        "verification": done.report.verdict.value,
    }


def _print(done: "Result", *, settings_store: str, last: bool) -> None:
    from snapshotter.app.pipeline import timestamp_state
    from snapshotter.model.finding import Verdict
    from snapshotter.seal.record import court_minimum_line
    from snapshotter.verify.report import printable

    captured, bundle = done.capture, done.bundle
    result(f"{captured.outcome.value}: {printable(captured.title or captured.final_url)}")
    for reason in captured.reasons:
        result(f"  {reason.code}: {printable(reason.detail)}")
    status = captured.response.status if captured.response else "none"
    images = captured.images
    result(f"  page           {printable(captured.final_url)} (HTTP status {status})")
    if captured.page_size:
        size = captured.page_size
        result(f"  full page      {size.width} x {size.captured_height} CSS pixels")
    result(f"  images         {images.loaded} of {images.wanted} loaded")
    counts = captured.requests
    lost = counts.failed + counts.blocked
    more = f", {lost} without an answer" if lost else ""
    result(f"  requests       {counts.answered} of {counts.total} answered{more}")
    result(f"  {court_minimum_line(captured)}")
    result(f"  time proof     {timestamp_state(done)}")
    verified = {
        Verdict.PASSED: "PASSED",
        Verdict.INDETERMINATE: "intact; INDETERMINATE until the time is proven",
        Verdict.FAILED: "FAILED",
    }[done.report.verdict]
    result(f"  verified       {verified}")
    result(f"  signed by      key {bundle.key_id}")
    took = done.stage_ms["total"] / 1000
    result(f"  bundle         {_from_here(done.location)}")
    size_words = bytes_in_words(bundle.digests.length)
    result(f"                 {size_words}, sha256 {bundle.digests.sha256}, {took:.1f} s")
    result()
    result(f"cite: {citation(done)}")
    if last:
        where = "" if settings_store == "captures" else f" --store {settings_store}"
        if "://" in done.location:
            result(f"next: {program()} verify{where} {bundle.id}")
        else:
            result(f"next: {program()} verify {_from_here(done.location)}")


def _from_here(location: str) -> str:
    """Return a location as a person at this directory would type it."""
    if "://" in location:
        return location
    try:
        return str(Path(location).relative_to(Path.cwd()))
    except ValueError:
        return location


def citation(done: "Result") -> str:
    """Return the capture as one line that can be quoted."""
    from snapshotter.verify.report import printable

    captured, bundle = done.capture, done.bundle
    title = f'"{printable(captured.title)}", ' if captured.title else ""
    return (
        f"{title}{printable(captured.final_url)}, captured "
        f"{captured.started_at:%Y-%m-%d %H:%M:%S} UTC, snapshotter bundle {bundle.id}, "
        f"SHA-256 {bundle.digests.sha256}"
    )
