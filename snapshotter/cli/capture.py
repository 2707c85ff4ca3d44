"""`snapshotter capture`: URLs in, sealed and stored bundles out."""

import contextlib
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snapshotter.cli.capture_options import CaptureOptions, capture_options
from snapshotter.cli.enqueue import EnqueueOptions, enqueue_options, enqueue_urls
from snapshotter.cli.output import (
    Steps,
    format_bytes,
    print_json,
    print_message,
    print_result,
    program_name,
    verdict_lines,
    verdict_object,
)
from snapshotter.errors import SnapshotterError, bug
from snapshotter.model.job import NORMAL

if TYPE_CHECKING:
    from snapshotter.app.interruption import Interruption
    from snapshotter.app.pipeline.host_pacing import RateLimiter
    from snapshotter.app.pipeline.run import CaptureDependencies, CaptureResult
    from snapshotter.app.pipeline.series import CaptureSeries
    from snapshotter.app.settings import Settings
    from snapshotter.app.upkeep.log_entries import LogResult
    from snapshotter.model.capture import Capture, Reason
    from snapshotter.model.replay import Replay
    from snapshotter.model.request import Decision

_ALLOW = "; if the network is yours: --allow-network "
_MISSED = 5  # requests that are named; --json has more
_INTERRUPTED = 130  # exit code, as docs/reference/exit-codes.md promises it

_EXAMPLES = """\b
Examples:
  snapshotter capture https://example.org
  snapshotter capture --store s3://evidence/case-7 https://example.org
  snapshotter capture --viewport phone --element '#article' https://example.org
  snapshotter capture --json - < urls.txt
  snapshotter capture --browser chromium --policy ./slow.toml https://example.org
  snapshotter capture --policy default https://mp.weixin.qq.com/s/AbCdEfGhIjKlMnOp
  snapshotter capture --enqueue --wait --priority 10 https://example.org
"""


@click.command(epilog=_EXAMPLES)
@click.argument("urls", nargs=-1, required=True, metavar="URL…")
@capture_options
@enqueue_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a URL.")
@click.option("--quiet", is_flag=True, help="No progress.")
@click.pass_context
def capture(
    ctx: click.Context,
    urls: tuple[str, ...],
    options: CaptureOptions,
    enqueue: bool,
    wait: bool,
    priority: int,
    tags: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> int:
    """
    Capture web pages into sealed bundles.

    Each URL becomes one bundle: screenshots, MHTML, DOM, text and network record,
    signed, timestamped and stored. `-` reads URLs from standard input, one a line.
    A page that does not answer is evidence too: it is sealed with what was seen.
    """
    settings = options.settings(ctx)
    wanted, refused = parse_urls(urls, as_json=as_json)
    if enqueue:
        for number, error in refused.items():
            _failed(wanted[number], error, as_json)
        handover = EnqueueOptions(
            wait=wait, priority=priority, tags=tags, as_json=as_json, quiet=quiet
        )
        return enqueue_urls(ctx, settings, wanted, refused, options.policy, handover)
    if wait or tags or priority != NORMAL:
        raise click.UsageError("--wait, --tag and --priority go with --enqueue")
    return capture_urls(wanted, refused, options, settings, as_json=as_json, quiet=quiet)


def parse_urls(
    urls: tuple[str, ...], *, as_json: bool
) -> tuple[list[str], dict[int, SnapshotterError]]:
    """Return the URLs that were asked for, and what can not be captured, by its place."""
    wanted = _all(urls)
    if not wanted:
        raise click.UsageError("standard input named no URL")
    refused = _refused(wanted)
    if refused and len(wanted) == 1 and not as_json:
        raise refused[0]
    return wanted, refused


def capture_urls(
    wanted: list[str],
    refused: dict[int, SnapshotterError],
    options: CaptureOptions,
    settings: "Settings",
    *,
    as_json: bool,
    quiet: bool,
    light: bool = False,
) -> int:
    """
    Capture URLs in this process, one after the other; return the exit code.

    Args:
        light: Make light checks, and say in few words what came of them.
    """
    from snapshotter.app.interruption import Interruption
    from snapshotter.app.pipeline import safekeeping
    from snapshotter.app.pipeline.series import retry_in_background
    from snapshotter.app.wiring import capture as wiring
    from snapshotter.app.wiring import queue as wiring_jobs

    decisions = _decisions(wanted, refused, options, settings, light=light, quiet=quiet)
    if len(refused) == len(wanted):  # nothing to build a world for
        for number, error in refused.items():
            _failed(wanted[number], error, as_json)
        return SnapshotterError.exit_code
    stop = Interruption()
    with stop.handle_signals():
        dependencies = wiring.capture_dependencies(
            settings,
            ask=ask_passphrase,
            show_message=print_message,
            locked=any(decision.retain_days > 0 for decision in decisions.values()),
            check_replay=options.check_replay,
        )
        for kept in safekeeping.rescue_spooled(dependencies):
            print_message(
                f"an earlier capture was sealed and not stored, for its run was ended: {kept}"
            )
            print_message(f"try: snapshotter store add {kept}")
        owed = retry_in_background(dependencies, print_message)
        batch = _Batch(
            dependencies, decisions, stop, wiring_jobs.rate_limiter(settings, dependencies.clock),
            as_json=as_json, quiet=quiet, store=settings.store, light=light,
        )  # fmt: skip
        code = batch.run(wanted, refused)
        if code != _INTERRUPTED:
            # Bounded: what is owed stays owed, and nobody waits for an authority that hangs.
            owed.join(settings.timestamp_timeout_s)
    return code


class _Batch:
    """The URLs of one command, one after the other; one that fails holds up no other."""

    def __init__(
        self,
        dependencies: "CaptureDependencies",
        decisions: Mapping[int, "Decision"],
        stop: "Interruption",
        pace: "RateLimiter",
        *,
        as_json: bool,
        quiet: bool,
        store: str,
        light: bool,
    ) -> None:
        self._dependencies = dependencies
        self._decisions = decisions  # by the place of each URL that was not refused
        self._stop = stop
        self._pace = pace
        self._as_json = as_json
        self._quiet = quiet
        self._store = store
        self._light = light

    def run(self, wanted: list[str], refused: dict[int, SnapshotterError]) -> int:
        """Capture all that was not refused; return the exit code."""
        from snapshotter.app.pipeline.series import CaptureSeries

        with CaptureSeries(self._dependencies, self._stop) as series:
            return self._each(wanted, refused, series)

    def _each(
        self, wanted: list[str], refused: dict[int, SnapshotterError], series: "CaptureSeries"
    ) -> int:
        code = 0
        for number, url in enumerate(wanted):
            if number in refused:
                error: SnapshotterError | None = refused[number]
            else:
                error, incomplete = self._one(number, url, wanted, series)
                code = code or incomplete
            if error is not None:
                _failed(url, error, self._as_json)
                code = error.exit_code
            self._stop.release()
            if self._stop.wanted:
                left = len(wanted) - number - 1
                print_message(f"interrupted{f'; {left} URLs were not begun' if left else ''}")
                return _INTERRUPTED
        return code

    def _one(
        self, number: int, url: str, wanted: list[str], series: "CaptureSeries"
    ) -> tuple[SnapshotterError | None, int]:
        """Capture one URL; return why it failed, or the exit code."""
        alone = len(wanted) == 1 and not self._as_json
        decision = self._decisions[number]
        if len(wanted) > 1 and not self._quiet:
            print_message(f"{number + 1} of {len(wanted)}: {url}")
        try:
            # A browser is made ready for the next one where it is captured in the same way.
            following = self._decisions.get(number + 1) is decision
            with self._polite(url, wanted) as visit, Steps(quiet=self._quiet) as steps:
                done = series.run(url, decision, steps, following=following)
                visit.append(done)
            for warning in series.warnings(done):
                print_message(warning)
            self._tell(done, decision, last=number == len(wanted) - 1)
            _say_what_to_try(done.capture)
        except SnapshotterError as error:
            if alone and not self._stop.wanted:
                raise
            return error, 0
        except KeyboardInterrupt as error:
            for note in getattr(error, "__notes__", ()):
                print_message(note)
            raise
        except (BrokenPipeError, ModuleNotFoundError):
            raise  # nothing that is about this URL
        except Exception as error:  # a bug met by one URL is told, and holds up no other
            if alone:
                raise
            return bug(error), 0
        from snapshotter.model.conclusion import exit_code

        met = done.capture.court_minimum.met
        return None, exit_code(met, required=decision.require_court_minimum)

    @contextlib.contextmanager
    def _polite(self, url: str, wanted: list[str]) -> Iterator[list["CaptureResult"]]:
        """Wait until the host may be asked, and take what came of it; one URL never waits."""
        from snapshotter.policy.host_answers import response_of

        done: list[CaptureResult] = []
        visit = self._pace.wait(url, self._say_wait) if len(wanted) > 1 else None
        try:
            yield done
        finally:
            if visit is not None:
                self._pace.done(visit, response_of(done[0].capture) if done else None)

    def _say_wait(self, words: str) -> None:
        if not self._quiet:
            print_message(words)

    def _tell(self, done: "CaptureResult", decision: "Decision", *, last: bool) -> None:
        if self._as_json:
            policy = {"policy": decision.policy_name, "policy_why": decision.policy_why}
            print_json(_object(done) | policy)
        elif self._light:
            _print_check(done)
        else:
            _print(done, settings_store=self._store, last=last)


def _all(urls: tuple[str, ...]) -> list[str]:
    from snapshotter.app.url_lists import numbered_urls, read_list

    found: list[str] = []
    for url in urls:
        if url == "-":
            found += [page for _, page in numbered_urls(read_list(sys.stdin.buffer))]
        else:
            found.append(url)
    return found


def _refused(wanted: list[str]) -> dict[int, SnapshotterError]:
    """Return what can not be captured, by its place."""
    from snapshotter.model.capture_url import check_url

    refused: dict[int, SnapshotterError] = {}
    for number, url in enumerate(wanted):
        try:
            check_url(url)
        except SnapshotterError as error:
            refused[number] = error
    return refused


def _decisions(
    wanted: list[str],
    refused: dict[int, SnapshotterError],
    options: CaptureOptions,
    settings: "Settings",
    *,
    light: bool,
    quiet: bool,
) -> dict[int, "Decision"]:
    """Return how each URL is captured, by its place; where addresses decide, say which policy."""
    from snapshotter.app.policies import choice
    from snapshotter.model.capture_url import printable_url
    from snapshotter.policy.picking import AUTO, known_policies, pick

    places = [number for number in range(len(wanted)) if number not in refused]
    if settings.policy != AUTO:
        return dict.fromkeys(
            places, options.decide(choice.configured_policy(settings), settings, light=light)
        )
    policies = known_policies(settings.policies_dir)
    made: dict[tuple[str, str], Decision] = {}
    found: dict[int, Decision] = {}
    for number in places:
        picked = pick(wanted[number], policies).winner
        key = (picked.name, picked.why)
        if key not in made:
            policy = choice.configured_policy(replace(settings, policy=picked.name))
            decision = options.decide(policy, settings, light=light)
            made[key] = replace(decision, policy_why=picked.why)
        if not quiet:
            print_message(
                f"{printable_url(wanted[number])}: policy {picked.name}, because {picked.why}"
            )
        found[number] = made[key]
    return found


def ask_passphrase() -> bytes:
    """Ask the person at the terminal for the passphrase of the signing key."""
    if not sys.stdin.isatty():
        raise SnapshotterError(
            "the signing key needs a passphrase, and there is nobody to ask",
            hint="--passphrase-file FILE",
        )
    answer: str = click.prompt("passphrase of the signing key", hide_input=True, err=True)
    return answer.encode()


def _failed(url: str, error: SnapshotterError, as_json: bool) -> None:
    from snapshotter.model.capture_url import printable_url

    print_message(f"{printable_url(url)}: {error}")
    if error.hint:
        print_message(f"try: {error.hint}")
    if as_json:
        print_json(
            {
                "bundle_id": None,
                "error": error.message,
                "exit_code": error.exit_code,
                "hint": error.hint,
                "requested_url": printable_url(url),
            }
        )


def _object(done: "CaptureResult") -> dict[str, Any]:
    """Return the object that `--json` prints, as docs/reference/json.md promises it."""
    from snapshotter.formats.canonical_json import instant
    from snapshotter.model.conclusion import headline

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
        "headline": headline(captured.outcome, done.shown, light=done.decision.light),
        "http_status": captured.response.status if captured.response else None,
        "outcome": captured.outcome.value,
        "own_names": [
            {"count": found_text.count, "kind": found_text.kind, "where": found_text.where}
            for found_text in captured.identifier_findings
        ],
        "part_bytes": dict(done.bundle.part_bytes),
        "reasons": [
            {"code": reason.code, "detail": reason.detail, "fault": reason.fault or None}
            for reason in captured.reasons
        ],
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
        "verdict": verdict_object(done.shown),
        "warnings": [
            {"code": reason.code, "detail": reason.detail} for reason in captured.warnings
        ],
        "verification": done.report.verdict.value,
    }


def _replay_object(replay: "Replay") -> dict[str, Any]:
    return {
        "detail": replay.detail,
        "missed": [
            {"method": request.method, "url": request.url, "why": request.why}
            for request in replay.missed
        ],
        "missed_count": replay.missed_count,
        "pictures": [
            {
                "captured_px": list(difference.captured_px),
                "differing_percent": difference.percent,
                "differing_pixels": difference.differing,
                "path": difference.path,
                "pixels": difference.pixels,
                "replayed_px": list(difference.replayed_px) if difference.replayed_px else None,
            }
            for difference in replay.pictures
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
    print_result(f"  replay         {words}{f': {replay.detail}' if replay.detail else ''}")
    for difference in replay.pictures:
        size = f"{difference.captured_px[0]} x {difference.captured_px[1]} pixels"
        if difference.replayed_px is None:
            size += ", no such picture in the replay"
        elif difference.replayed_px != difference.captured_px:
            size += f", in the replay {difference.replayed_px[0]} x {difference.replayed_px[1]}"
        name = difference.path.rpartition("/")[2]
        print_result(
            f"                 {name}: {difference.percent:.4f} % of pixels differ ({size})"
        )
    if replay.missed_count:
        print_result(
            f"                 {replay.missed_count} requests of the replay were not answered:"
        )
    for missed in replay.missed[:_MISSED]:
        print_result(f"                   {missed.method or '?'} {missed.url}: {missed.why}")
    if replay.missed_count > _MISSED:
        print_result(f"                   and {replay.missed_count - _MISSED} more")


def _log_object(logged: "LogResult") -> dict[str, Any]:
    return {
        "detail": logged.detail,
        "index": logged.index,
        "size": logged.size,
        "state": "owed" if logged.index is None else "logged",
        "witnesses": list(logged.witnesses),
    }


def _print(done: "CaptureResult", *, settings_store: str, last: bool) -> None:
    from snapshotter.app.pipeline.capture_warnings import log_state, timestamp_state
    from snapshotter.formats.printable import printable
    from snapshotter.model.conclusion import headline, qualify_court_minimum
    from snapshotter.model.finding import Verdict
    from snapshotter.seal.record import court_minimum_line

    captured, bundle = done.capture, done.bundle
    print_result(headline(captured.outcome, done.shown, light=done.decision.light))
    for reason in captured.reasons:
        print_result(f"  {reason.code}: {describe_reason(reason)}")
    for warning in captured.warnings:
        print_result(f"  warning: {warning.code}: {printable(warning.detail)}")
    if captured.title:
        print_result(f"  title          {printable(captured.title)}")
    status = captured.response.status if captured.response else "none"
    images = captured.images
    print_result(f"  page           {printable(captured.final_url)} (HTTP status {status})")
    for label, text in verdict_lines(done.shown):
        print_result(f"  {label:<14} {text}")
    if captured.page_size:
        size = captured.page_size
        print_result(f"  full page      {size.width} x {size.captured_height} CSS pixels")
    print_result(f"  images         {images.loaded} of {images.wanted} loaded")
    counts = captured.requests
    lost = counts.failed + counts.blocked
    more = f", {lost} without an answer" if lost else ""
    print_result(f"  requests       {counts.answered} of {counts.total} answered{more}")
    line = court_minimum_line(captured, done.decision)
    print_result(f"  {qualify_court_minimum(line, captured.court_minimum.met, done.shown)}")
    print_result(f"  time proof     {timestamp_state(done)}")
    if done.logged is not None:
        print_result(f"  log            {log_state(done)}")
    verified = {
        Verdict.PASSED: "PASSED",
        Verdict.INDETERMINATE: "intact; INDETERMINATE until the time is proven",
        Verdict.FAILED: "FAILED",
    }[done.report.verdict]
    print_result(f"  verified       {verified}")
    if done.replay:
        _print_replay(done.replay)
    for number, signed in enumerate(bundle.signatures):
        print_result(f"  {'' if number else 'signed by':<14} key {signed.key_id}")
    took = done.stage_ms["total"] / 1000
    print_result(f"  bundle         {_from_here(done.location)}")
    size_words = format_bytes(bundle.digests.length)
    print_result(f"                 {size_words}, sha256 {bundle.digests.sha256}, {took:.1f} s")
    print_result()
    print_result(f"cite: {citation(done)}")
    if last:
        where = "" if settings_store == "captures" else f" --store {settings_store}"
        if "://" in done.location:
            print_result(f"next: {program_name()} verify{where} {bundle.id}")
        else:
            print_result(f"next: {program_name()} verify {_from_here(done.location)}")


def describe_reason(reason: "Reason") -> str:
    """Return the detail of a reason, with the fault that it names."""
    from snapshotter.formats.printable import printable

    return (
        f"{reason.fault}: {printable(reason.detail)}" if reason.fault else printable(reason.detail)
    )


def _say_what_to_try(captured: "Capture") -> None:
    """Print the command that captures a page of a network that is not public."""
    for reason in captured.reasons:
        option = reason.detail.partition(_ALLOW)[2]
        if reason.code == "forbidden-address" and option:
            url = shlex.quote(captured.requested_url)
            print_message(f"try: {program_name()} capture --allow-network {option} {url}")


def _print_check(done: "CaptureResult") -> None:
    """Print what a light check found: the verdict first, for that is what it is for."""
    from snapshotter.app.pipeline.capture_warnings import timestamp_state
    from snapshotter.formats.printable import printable

    captured = done.capture
    words = done.shown.words if done.shown is not None else "no verdict"
    print_result(f"{words}: {printable(captured.requested_url)}")
    for reason in captured.reasons:
        print_result(f"  {reason.code}: {describe_reason(reason)}")
    for warning in captured.warnings:
        print_result(f"  warning: {warning.code}: {printable(warning.detail)}")
    for label, text in verdict_lines(done.shown)[1:]:
        print_result(f"  {label:<14} {text}")
    status = captured.response.status if captured.response else "none"
    print_result(f"  page           {printable(captured.final_url)} (HTTP status {status})")
    print_result(f"  time proof     {timestamp_state(done)}")
    print_result(f"  bundle         {_from_here(done.location)} (light: first view, text, network)")


def _from_here(location: str) -> str:
    """Return a location as a person at this directory would type it."""
    if "://" in location:
        return location
    try:
        return str(Path(location).relative_to(Path.cwd()))
    except ValueError:
        return location


def citation(done: "CaptureResult") -> str:
    """Return the capture as one line that can be quoted."""
    from snapshotter.formats.printable import printable

    captured, bundle = done.capture, done.bundle
    title = f'"{printable(captured.title)}", ' if captured.title else ""
    return (
        f"{title}{printable(captured.final_url)}, captured "
        f"{captured.started_at:%Y-%m-%d %H:%M:%S} UTC, snapshotter bundle {bundle.id}, "
        f"SHA-256 {bundle.digests.sha256}"
    )
