"""`snapshotter capture`: URLs in, sealed and stored bundles out."""

import contextlib
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from snapshotter.cli.options import lock_mode_option
from snapshotter.cli.output import Steps, bytes_in_words, program, result, result_json, say
from snapshotter.errors import CaptureIncomplete, SnapshotterError

if TYPE_CHECKING:
    from snapshotter.app.ahead import Ahead
    from snapshotter.app.interruption import Interruption
    from snapshotter.app.log import Logged
    from snapshotter.app.pipeline import Result, World
    from snapshotter.model.replay import Replay
    from snapshotter.model.request import Decision

_BOM = b"\xef\xbb\xbf"
_MISSED = 5  # requests that are named; --json has more
_INTERRUPTED = 130  # exit code, as docs/reference/exit-codes.md promises it

_EXAMPLES = """\b
Examples:
  snapshotter capture https://example.org
  snapshotter capture --store s3://evidence/case-7 https://example.org
  snapshotter capture --viewport phone --element '#article' https://example.org
  snapshotter capture --json - < urls.txt
  snapshotter capture --browser chromium --policy ./slow.toml https://example.org
"""


@click.command(epilog=_EXAMPLES)
@click.argument("urls", nargs=-1, required=True, metavar="URL…")
@click.option("--store", metavar="DIR|s3://…", help="Where bundles go.  [default: captures]")
@click.option("--policy", metavar="NAME|FILE", help="How to capture.  [default: default]")
@click.option("--browser", metavar="KIND|PATH", help="shell, chromium, or a browser's binary.")
@click.option("--key", metavar="NAME|kms:…|pkcs11:…", help="Signing key.  [default: default]")
@click.option(
    "--cosigner",
    "cosigners",
    multiple=True,
    metavar="NAME|kms:…|pkcs11:…",
    help="Another key that signs too; may be repeated.",
)
@click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File whose first line opens the key.",
)
@click.option(
    "--lock-days",
    type=click.IntRange(1, 36_500),
    help="Keep the bundle for so many days at least (S3 Object Lock).",
)
@lock_mode_option
@click.option(
    "--ignore-certificate-errors",
    is_flag=True,
    help="Go on where a certificate is bad, and record that.",
)
@click.option(
    "--allow-network",
    "allow_networks",
    multiple=True,
    metavar="CIDR",
    help="Let pages ask this network although it is not public; may be repeated.",
)
@click.option(
    "--proxy",
    metavar="URL|tor",
    help="Send everything through http://…, socks5://… or tor.  [default: the setting]",
)
@click.option(
    "--viewport",
    "viewports",
    multiple=True,
    metavar="NAME|WxH",
    help="Photograph it in another window too: phone, tablet, 1024x768, 1024x768@2.",
)
@click.option(
    "--element",
    "elements",
    multiple=True,
    metavar="SELECTOR",
    help="Photograph an element too, by its CSS selector.",
)
@click.option("--pdf", is_flag=True, help="Print the page to a PDF too.")
@click.option(
    "--keep-streams-for",
    "keep_streams_for",
    type=click.Path(path_type=Path, dir_okay=False),
    multiple=True,
    metavar="FILE",
    help="Keep the raw streams and TLS keys, encrypted for this public key; may be repeated.",
)
@click.option(
    "--check-replay",
    is_flag=True,
    help="Replay each stored bundle in pywb and compare the pictures.",
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
    cosigners: tuple[str, ...],
    passphrase_file: Path | None,
    lock_days: int | None,
    lock_mode: Literal["GOVERNANCE", "COMPLIANCE"] | None,
    ignore_certificate_errors: bool,
    allow_networks: tuple[str, ...],
    proxy: str | None,
    viewports: tuple[str, ...],
    elements: tuple[str, ...],
    pdf: bool,
    keep_streams_for: tuple[Path, ...],
    check_replay: bool,
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
    from snapshotter.app.interruption import Interruption
    from snapshotter.policy import load as policies

    if proxy and "@" in proxy:
        raise click.UsageError(
            "a password in an option is seen by others on this machine: set proxy in a file"
        )
    settings = ctx.obj.load(
        proxy=proxy or "",
        store=store or "",
        policy=policy or "",
        key=key or "",
        cosigners=" ".join(cosigners),
        passphrase_file=str(passphrase_file or ""),
    )
    wanted = _all(urls)
    if not wanted:
        raise click.UsageError("standard input named no URL")
    refused = _refused(wanted)
    if refused and len(wanted) == 1 and not as_json:
        raise refused[0]
    decision = policies.decide(
        wiring.policy(settings),
        browser=browser or "",
        lock_days=lock_days,
        lock_mode=lock_mode or "",
        ignore_certificate_errors=ignore_certificate_errors,
        allow_networks=(*settings.allow_networks, *allow_networks),
        viewports=viewports,
        elements=elements,
        pdf=pdf,
        keep_streams_for=tuple(map(policies.public_key, keep_streams_for)),
    )
    if len(refused) == len(wanted):  # nothing to build a world for
        for number, error in refused.items():
            _failed(wanted[number], error, as_json)
        return SnapshotterError.exit_code
    stop = Interruption()
    with _heeded_by(stop):
        world = wiring.world(
            settings,
            ask=ask_passphrase,
            tell=say,
            locked=decision.retain_days > 0,
            check_replay=check_replay,
        )
        for kept in pipeline.rescue(world):
            say(f"an earlier capture was sealed and not stored, for its run was ended: {kept}")
            say(f"try: snapshotter store add {kept}")
        owed = _retry_in_background(world)
        batch = _Batch(world, decision, stop, as_json=as_json, quiet=quiet, store=settings.store)
        code = batch.run(wanted, refused)
        if code != _INTERRUPTED:
            # Bounded: what is owed stays owed, and nobody waits for an authority that hangs.
            owed.join(settings.timestamp_timeout_s)
    return code


class _Batch:
    """The URLs of one command, one after the other; one that fails holds up no other."""

    def __init__(
        self,
        world: "World",
        decision: "Decision",
        stop: "Interruption",
        *,
        as_json: bool,
        quiet: bool,
        store: str,
    ) -> None:
        self._world = world
        self._decision = decision
        self._stop = stop
        self._as_json = as_json
        self._quiet = quiet
        self._store = store
        self._warned: set[str] = set()

    def run(self, wanted: list[str], refused: dict[int, SnapshotterError]) -> int:
        """Capture all that was not refused; return the exit code."""
        from snapshotter.app.ahead import Ahead

        with Ahead(self._world.capturer, self._world.spool_dir, self._world.ids) as ahead:
            return self._each(wanted, refused, ahead)

    def _each(self, wanted: list[str], refused: dict[int, SnapshotterError], ahead: "Ahead") -> int:
        code = 0
        for number, url in enumerate(wanted):
            if number in refused:
                error: SnapshotterError | None = refused[number]
            else:
                error, incomplete = self._one(number, url, wanted, ahead)
                code = code or incomplete
            if error is not None:
                _failed(url, error, self._as_json)
                code = error.exit_code
            self._stop.release()
            if self._stop.wanted:
                left = len(wanted) - number - 1
                say(f"interrupted{f'; {left} URLs were not begun' if left else ''}")
                return _INTERRUPTED
        return code

    def _one(
        self, number: int, url: str, wanted: list[str], ahead: "Ahead"
    ) -> tuple[SnapshotterError | None, int]:
        """Capture one URL; return why it failed, or the exit code."""
        from snapshotter.app import pipeline
        from snapshotter.model.request import CaptureRequest

        alone = len(wanted) == 1 and not self._as_json
        if len(wanted) > 1 and not self._quiet:
            say(f"{number + 1} of {len(wanted)}: {url}")
        try:
            with Steps(quiet=self._quiet) as steps:
                request = CaptureRequest(url=url)
                done = pipeline.run(
                    request, self._decision, self._world, steps, self._stop,
                    ahead=ahead, more=number < len(wanted) - 1,
                )  # fmt: skip
            self._tell(done, last=number == len(wanted) - 1)
        except SnapshotterError as error:
            if alone and not self._stop.wanted:
                raise
            return error, 0
        except KeyboardInterrupt as error:
            for note in getattr(error, "__notes__", ()):
                say(note)
            raise
        except (BrokenPipeError, ModuleNotFoundError):
            raise  # nothing that is about this URL
        except Exception as error:  # a bug met by one URL is told, and holds up no other
            if alone:
                raise
            return _bug(error), 0
        met = done.capture.court_minimum.met or not self._decision.require_court_minimum
        return None, 0 if met else CaptureIncomplete.exit_code

    def _tell(self, done: "Result", *, last: bool) -> None:
        for warning in _warnings(done, self._unsafe(done)):
            say(warning)
        if self._as_json:
            result_json(_object(done))
        else:
            _print(done, settings_store=self._store, last=last)

    def _unsafe(self, done: "Result") -> tuple[str, ...]:
        """Return what has to be said of the browser's confinement, each thing once a command."""
        from snapshotter.app import pipeline

        new = [it for it in pipeline.safety_warnings(done) if it not in self._warned]
        self._warned.update(new)
        return tuple(new)


def _warnings(done: "Result", unsafe: tuple[str, ...]) -> tuple[str, ...]:
    from snapshotter.app import pipeline

    return (
        *pipeline.clock_warnings(done),
        *unsafe,
        *pipeline.log_warnings(done),
        *pipeline.replay_warnings(done),
    )


def _all(urls: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for url in urls:
        if url == "-":
            # Bytes: a line that is no text is that line's error, and holds up no other.
            data = sys.stdin.buffer.read().removeprefix(_BOM)
            lines = (line.decode("utf-8", "surrogateescape").strip() for line in data.splitlines())
            found += [line for line in lines if line and not line.startswith("#")]
        else:
            found.append(url)
    return found


def _refused(wanted: list[str]) -> dict[int, SnapshotterError]:
    """Return what can not be captured, by its place."""
    from snapshotter.app.addresses import check_url

    refused: dict[int, SnapshotterError] = {}
    for number, url in enumerate(wanted):
        try:
            check_url(url)
        except SnapshotterError as error:
            refused[number] = error
    return refused


def _bug(error: Exception) -> SnapshotterError:
    """Return what nobody expected as a sentence, with what a report of it needs."""
    lines: list[str] = traceback.format_exception_only(error)
    said = lines[-1].strip()
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    text = f"{said}{where}".encode("utf-8", "backslashreplace").decode()
    return SnapshotterError(text, hint="this is a bug, please report it")


@contextlib.contextmanager
def _heeded_by(stop: "Interruption") -> Iterator[None]:
    """Let `stop` take SIGINT and SIGTERM, unless whoever started us had one ignored."""
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ask_passphrase() -> bytes:
    """Ask the person at the terminal for the passphrase of the signing key."""
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
    from snapshotter.app.addresses import shown

    say(f"{shown(url)}: {error}")
    if error.hint:
        say(f"try: {error.hint}")
    if as_json:
        result_json(
            {
                "bundle_id": None,
                "error": error.message,
                "exit_code": error.exit_code,
                "hint": error.hint,
                "requested_url": shown(url),
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
        "log": _log_object(done.logged) if done.logged else None,
        "replay": _replay_object(done.replay) if done.replay else None,
        "requested_url": captured.requested_url,
        "sealed_at": instant(done.bundle.sealed_at),
        "stage_ms": dict(done.stage_ms),
        "timestamps": [
            {
                "authority": token.authority,
                "key_id": signed.key_id,
                "state": token.state.value,
                "time": instant(token.time) if token.time else None,
            }
            for signed in done.bundle.signatures
            for token in signed.tokens
        ],
        "title": captured.title,
        "warnings": [{"code": it.code, "detail": it.detail} for it in captured.warnings],
        "verification": done.report.verdict.value,
    }


def _replay_object(replay: "Replay") -> dict[str, Any]:
    return {
        "detail": replay.detail,
        "missed": [{"method": it.method, "url": it.url, "why": it.why} for it in replay.missed],
        "missed_count": replay.missed_count,
        "pictures": [
            {
                "captured_px": list(it.captured_px),
                "differing_percent": it.percent,
                "differing_pixels": it.differing,
                "path": it.path,
                "pixels": it.pixels,
                "replayed_px": list(it.replayed_px) if it.replayed_px else None,
            }
            for it in replay.pictures
        ],
        "verdict": replay.verdict.value,
    }


def _print_replay(replay: "Replay") -> None:
    from snapshotter.model.replay import ReplayVerdict

    words = {
        ReplayVerdict.REPLAYS: "replays as it was captured, in pywb",
        ReplayVerdict.DIFFERS: "differs from what was captured, in pywb",
        ReplayVerdict.UNCHECKED: "could not be checked",
    }[replay.verdict]
    result(f"  replay         {words}{f': {replay.detail}' if replay.detail else ''}")
    for it in replay.pictures:
        size = f"{it.captured_px[0]} x {it.captured_px[1]} pixels"
        if it.replayed_px is None:
            size += ", no such picture in the replay"
        elif it.replayed_px != it.captured_px:
            size += f", in the replay {it.replayed_px[0]} x {it.replayed_px[1]}"
        name = it.path.rpartition("/")[2]
        result(f"                 {name}: {it.percent:.4f} % of pixels differ ({size})")
    if replay.missed_count:
        result(f"                 {replay.missed_count} requests of the replay were not answered:")
    for missed in replay.missed[:_MISSED]:
        result(f"                   {missed.method or '?'} {missed.url}: {missed.why}")
    if replay.missed_count > _MISSED:
        result(f"                   and {replay.missed_count - _MISSED} more")


def _log_object(logged: "Logged") -> dict[str, Any]:
    return {
        "detail": logged.detail,
        "index": logged.index,
        "size": logged.size,
        "state": "owed" if logged.index is None else "logged",
        "witnesses": list(logged.witnesses),
    }


def _print(done: "Result", *, settings_store: str, last: bool) -> None:
    from snapshotter.app.pipeline import log_state, timestamp_state
    from snapshotter.model.finding import Verdict
    from snapshotter.seal.record import court_minimum_line
    from snapshotter.verify.report import printable

    captured, bundle = done.capture, done.bundle
    result(f"{captured.outcome.value}: {printable(captured.title or captured.final_url)}")
    for reason in captured.reasons:
        result(f"  {reason.code}: {printable(reason.detail)}")
    for warning in captured.warnings:
        result(f"  warning: {warning.code}: {printable(warning.detail)}")
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
    if done.logged is not None:
        result(f"  log            {log_state(done)}")
    verified = {
        Verdict.PASSED: "PASSED",
        Verdict.INDETERMINATE: "intact; INDETERMINATE until the time is proven",
        Verdict.FAILED: "FAILED",
    }[done.report.verdict]
    result(f"  verified       {verified}")
    if done.replay:
        _print_replay(done.replay)
    for number, signed in enumerate(bundle.signatures):
        result(f"  {'' if number else 'signed by':<14} key {signed.key_id}")
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
