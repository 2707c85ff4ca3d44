"""
Provide `snapshotter capture`: capture URLs into sealed and stored bundles, in this process or, with
`--enqueue`, through the queue.
"""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from snapshotter.cli.capture_options import capture_options, load_settings
from snapshotter.cli.capture_output import CaptureOutput, print_failure
from snapshotter.cli.enqueue import EnqueueOptions, enqueue_options, enqueue_urls
from snapshotter.cli.key_options import ask_passphrase
from snapshotter.cli.options import label_options
from snapshotter.cli.output import keep_working, print_message
from snapshotter.errors import INTERRUPTED_EXIT_CODE, SnapshotterError
from snapshotter.model.job import NORMAL
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.policies.capture_options import CaptureOptions
    from snapshotter.app.settings import Settings
    from snapshotter.app.wiring.early_start import EarlyStart
    from snapshotter.model.request import Decision

_EXAMPLES = """\b
Examples:
  snapshotter capture https://example.org
  snapshotter capture --store s3://evidence/case-7 https://example.org
  snapshotter capture --case harbour --tag media https://example.org
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
@label_options
@click.option(
    "--timings",
    is_flag=True,
    help="Also print how long each step and each picture took.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each URL.")
@click.option("--quiet", is_flag=True, help="Print no progress.")
@click.pass_context
def capture(
    ctx: click.Context,
    urls: tuple[str, ...],
    options: "CaptureOptions",
    enqueue: bool,
    wait: bool,
    priority: int,
    tags: tuple[str, ...],
    cases: tuple[str, ...],
    timings: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """
    Capture web pages into sealed bundles.

    Each URL becomes one bundle with screenshots, MHTML, DOM, text and the network record. The
    bundle is signed, timestamped and stored. `-` reads URLs from standard input, one on each line.
    If a URL has no scheme, https:// is added.

    The first line of each result answers three questions: Is the page there? Is the capture whole?
    Is the proof intact? If a page does not answer, the record of the attempt is sealed as evidence.

    Exit codes: 0 the bundle is stored. 1 the URL cannot be captured, for example because its host
    is invalid. 2 an option is invalid, or no URL is given. 3 the bundle is stored, but the capture
    does not meet the court minimum (URL, HTML source and full-page picture), which the policy
    requires. 20 the policy refuses the capture. 30 a service is unavailable. After a failure, the
    other URLs are still captured.
    """
    settings = load_settings(ctx, options)
    wanted, refused = parse_urls(urls, as_json=as_json)
    labels: tuple[str, ...] = ()
    if tags or cases:
        from snapshotter.cli.labels import checked_labels

        labels = checked_labels(settings, tags, cases)
    if enqueue:
        if timings:
            raise click.UsageError(
                tr(
                    "--timings does not work together with --enqueue: a worker makes the captures, "
                    "and the metrics of the worker contain the durations"
                )
            )
        keep_working()
        for number, error in refused.items():
            print_failure(wanted[number], error, as_json=as_json)
        handover = EnqueueOptions(
            wait=wait, priority=priority, labels=labels, as_json=as_json, quiet=quiet
        )
        return enqueue_urls(ctx, settings, wanted, refused, options.policy, handover)
    if wait or priority != NORMAL:
        raise click.UsageError(tr("--wait and --priority work only together with --enqueue"))
    output = CaptureOutput(
        wanted, store=settings.store, as_json=as_json, quiet=quiet, timings=timings
    )
    if not labels:
        return capture_urls(wanted, refused, options, settings, output)
    from snapshotter.cli.labels import LabelRecorder

    recorder = LabelRecorder(settings, labels)
    try:
        return capture_urls(wanted, refused, options, settings, output, begin=recorder.begin)
    finally:  # also after Ctrl-C: what is stored is labelled
        recorder.record(output.stored)


def parse_urls(
    urls: tuple[str, ...], *, as_json: bool
) -> tuple[list[str], dict[int, SnapshotterError]]:
    """Return the URLs of the arguments, and those that cannot be captured by their number."""
    from snapshotter.app.url_lists import complete_urls, refused_urls

    wanted = complete_urls(_read_urls(urls), print_message)
    if not wanted:
        raise click.UsageError(tr("standard input contains no URL"))
    refused = refused_urls(wanted)
    if refused and len(wanted) == 1 and not as_json:
        raise refused[0]
    return wanted, refused


def capture_urls(
    wanted: list[str],
    refused: dict[int, SnapshotterError],
    options: "CaptureOptions",
    settings: "Settings",
    output: CaptureOutput,
    *,
    begin: Callable[[], None] | None = None,
) -> int:
    """
    Capture URLs in this process, one after the other; return the exit code.

    Args:
        begin: Called after the keys are opened and before the first page is visited.
    """
    from snapshotter.app.wiring.early_start import early_start

    keep_working()
    if len(refused) == len(wanted):
        return _capture_urls(wanted, refused, options, settings, output, None, begin)
    if options.check_replay:  # a command that is refused starts and writes nothing
        from snapshotter.app.pipeline.replay_check import find_pywb

        find_pywb(settings.pywb_dir)
    # First of all, because it takes longest: the rest is loaded and read meanwhile.
    with early_start(settings, options.browser or "") as early:
        return _capture_urls(wanted, refused, options, settings, output, early, begin)


def _capture_urls(
    wanted: list[str],
    refused: dict[int, SnapshotterError],
    options: "CaptureOptions",
    settings: "Settings",
    output: CaptureOutput,
    early: "EarlyStart | None",
    begin: Callable[[], None] | None,
) -> int:
    from snapshotter.app.policies.decisions import PolicyDecisions

    decide = PolicyDecisions(settings, options, light=output.light)
    decisions: dict[int, Decision] = {}
    if not decide.by_address:
        decide.check("")  # an error of the policy comes before the errors of URLs
    for number, url in enumerate(wanted):
        if number not in refused:
            decisions[number] = decide("", url)
            output.policy(number, decide.picked.get(url))
    if not decisions:
        for number, error in refused.items():
            output.failed(number, error)
        return SnapshotterError.exit_code
    from snapshotter.app import machine
    from snapshotter.app.interruption import Interruption
    from snapshotter.app.pipeline.anchored_clock import AnchoredClock
    from snapshotter.app.pipeline.prewarm import Prewarmer
    from snapshotter.app.wiring.capturer import capturer

    clock, ids, stop = AnchoredClock(machine.SystemClock()), machine.RandomIds(), Interruption()
    with stop.handle_signals():
        browser = capturer(settings, clock, early=early.driver if early is not None else None)
        with Prewarmer(browser, settings.spool_dir, ids) as prewarmer:
            if early is not None and (held := early.take()) is not None:
                prewarmer.begin(next(iter(decisions.values())), held)
            # Only now, while driver and browser start.
            from snapshotter.app.pipeline import safekeeping
            from snapshotter.app.pipeline.series import CaptureSeries, retry_in_background
            from snapshotter.app.pipeline.url_run import capture_each
            from snapshotter.app.wiring import capture as wiring

            dependencies = wiring.capture_dependencies(
                settings,
                ask=ask_passphrase,
                show_message=print_message,
                locked=decide.locked,
                check_replay=options.check_replay,
                clock=clock,
                browser=browser,
            )
            for file in safekeeping.rescue_spooled(dependencies):
                print_message(
                    tr(
                        "the bundle of an interrupted capture is sealed, but is not in the store: "
                        "{file}",
                        file=file,
                    )
                )
                print_message(
                    tr(
                        "try: add the bundle to the store:\n  snapshotter store add {file}",
                        file=file,
                    )
                )
            owed = retry_in_background(dependencies, print_message)
            if begin is not None:
                begin()
            if len(wanted) > 1:
                from snapshotter.app.pipeline.log_bundle import begin_log

                begin_log(dependencies.logbook)
            pace = None
            if len(wanted) > 1 or settings.politeness_file is not None:  # which may be invalid
                from snapshotter.app.wiring import queue as wiring_queue

                pace = wiring_queue.rate_limiter(settings, clock)
            try:
                with CaptureSeries(
                    dependencies, stop, machine.process_began(), prewarmer
                ) as series:
                    code = capture_each(
                        wanted, decisions, refused, series, pace, output,
                        raise_errors=len(wanted) == 1 and not output.as_json,
                    )  # fmt: skip
            except KeyboardInterrupt as error:
                for note in getattr(error, "__notes__", ()):
                    print_message(note)
                raise
            if code != INTERRUPTED_EXIT_CODE:
                # The wait is bounded: an authority may hang, and a token that is owed stays owed.
                owed.join(settings.timestamp_timeout_s)
    return code


def _read_urls(urls: tuple[str, ...]) -> list[str]:
    from snapshotter.app.url_lists import numbered_urls, read_list

    found: list[str] = []
    for url in urls:
        if url == "-":
            found += [page for _, page in numbered_urls(read_list(sys.stdin.buffer))]
        else:
            found.append(url)
    return found
