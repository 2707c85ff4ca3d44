"""
Print the progress and the results of `snapshotter capture` and `snapshotter check`, as text or
JSON.
"""

import shlex
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snapshotter.app.json_objects.values import verdict_json
from snapshotter.cli.output import (
    BackgroundSteps,
    Steps,
    format_bytes,
    page_facts,
    print_group,
    print_hint,
    print_json,
    print_message,
    print_next,
    print_result,
    program_name,
)
from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.pipeline.run import CaptureResult
    from snapshotter.app.pipeline.stage_timing import Timings
    from snapshotter.app.upkeep.log_entries import LogResult
    from snapshotter.model.capture import Capture, Reason
    from snapshotter.model.replay import Replay
    from snapshotter.policy.policy_selection import Candidate
    from snapshotter.ports import Progress

_ALLOW = tr("; if the network is yours, use --allow-network ")  # sealed, so never translated
_MISSED = 5  # requests that are named; --json has more


class CaptureOutput:
    """
    Show a run of captures on a terminal or as JSON: the observer of `capture_each`.

    Args:
        urls: All URLs of the command.
        store: As the settings name it.
        light: The captures are light checks, which are shown in few words.
        timings: Also show how long each step and each picture took.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        store: str,
        as_json: bool,
        quiet: bool,
        light: bool = False,
        timings: bool = False,
    ) -> None:
        self.as_json = as_json
        self.light = light
        self._urls = urls
        self._store = store
        self._quiet = quiet
        self._timings = timings
        self.stored: list[str] = []  # the ids of the bundles of this run

    def policy(self, number: int, picked: "Candidate | None") -> None:
        """Show the policy that the address of a page decides for; None: it does not decide."""
        from snapshotter.model.capture_url import printable_url

        if picked is not None and not self._quiet:
            url = printable_url(self._urls[number])
            print_message(
                tr("{url}: policy {name}, because {why}", url=url, name=picked.name, why=picked.why)
            )

    def started(self, number: int) -> None:
        """Show that a URL is next."""
        if len(self._urls) > 1:
            self.waiting(
                tr(
                    "{number} of {count}: {urls}",
                    number=number + 1,
                    count=len(self._urls),
                    urls=self._urls[number],
                )
            )

    def waiting(self, sentence: str) -> None:
        """Show what the next visit waits for."""
        if not self._quiet:
            print_message(sentence)

    def steps(self) -> "AbstractContextManager[Progress]":
        """Return the display of the steps of a capture."""
        return Steps(quiet=self._quiet)

    def completing(self, number: int) -> "Progress":
        """
        Return the display of the steps that complete a bundle beside the next capture.

        A terminal shows the next capture only. Elsewhere each line begins with the number.
        """
        return BackgroundSteps(
            tr("{number} of {count}", number=number + 1, count=len(self._urls)), quiet=self._quiet
        )

    def captured(self, number: int, result: "CaptureResult", warnings: Sequence[str]) -> None:
        """Show the result of a capture."""
        self.stored.append(result.bundle.id)
        for warning in warnings:
            print_message(warning)
        if self.as_json:
            decision = result.decision
            policy = {"policy": decision.policy_name, "policy_why": decision.policy_why}
            timings = {"timings": _timings_json(result.timings) if self._timings else None}
            print_json(_result_json(result) | policy | timings)
        elif self.light:
            _print_check(result)
        else:
            _print_result(
                result,
                store=self._store,
                last=number == len(self._urls) - 1,
                timings=self._timings,
            )
        _print_allow_network(result.capture)

    def failed(self, number: int, error: SnapshotterError) -> None:
        """Show why there is no bundle of a URL."""
        print_failure(self._urls[number], error, as_json=self.as_json)

    def interrupted(self, left: int) -> None:
        """Show that the run ends early."""
        print_message(
            tr("the command was interrupted. URLs that were not captured: {left}", left=left)
            if left
            else tr("the command was interrupted")
        )


def print_failure(url: str, error: SnapshotterError, *, as_json: bool) -> None:
    """Print why there is no bundle of a URL."""
    from snapshotter.model.capture_url import printable_url

    print_message(f"{printable_url(url)}: {error}")
    print_hint(error.hint)
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


def _result_json(done: "CaptureResult") -> dict[str, Any]:
    """Return the object that `--json` prints (docs/reference/json.md)."""
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
        "headline": _headline(done),
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
        "log": _log_json(done.logged) if done.logged else None,
        "replay": _replay_json(done.replay) if done.replay else None,
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
        "verdict": verdict_json(done.shown),
        "warnings": [
            {"code": reason.code, "detail": reason.detail} for reason in captured.warnings
        ],
        "verification": done.report.verdict.value,
    }


def _headline(done: "CaptureResult") -> str:
    """Return the result as sentences: the page, the capture, the proof."""
    from snapshotter.model.sentences import CaptureState, PageState, ProofState, headline

    response = done.capture.response
    return headline(
        page=PageState.of(done.assessment, response.status if response else None),
        capture=CaptureState.of(done.capture, light=done.decision.light),
        proof=ProofState.of(done.report),
    )


def _replay_json(replay: "Replay") -> dict[str, Any]:
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


def _replay_rows(replay: "Replay") -> list[tuple[str, str]]:
    from snapshotter.model.replay import ReplayVerdict

    words = {
        ReplayVerdict.REPLAYS: "in pywb, every compared picture is equal to the picture of the "
        "capture",
        ReplayVerdict.DIFFERS: "in pywb, a picture is different from the picture of the capture",
        ReplayVerdict.UNCHECKED: "the replay could not be checked",
    }[replay.verdict]
    rows = [("replay", f"{words}{f': {replay.detail}' if replay.detail else ''}")]
    for difference in replay.pictures:
        size = f"{difference.captured_px[0]} x {difference.captured_px[1]} pixels"
        if difference.replayed_px is None:
            size += "; the replay does not have this picture"
        elif difference.replayed_px != difference.captured_px:
            size += f", in the replay {difference.replayed_px[0]} x {difference.replayed_px[1]}"
        name = difference.path.rpartition("/")[2]
        rows.append(
            (
                "",
                tr(
                    "{name}: {percent:.4f} % of pixels differ ({size})",
                    name=name,
                    percent=difference.percent,
                    size=size,
                ),
            )
        )
    if replay.missed_count:
        rows.append(
            (
                "",
                tr(
                    "requests of the replay that have no answer in the bundle: {missed_count}",
                    missed_count=replay.missed_count,
                ),
            )
        )
    for missed in replay.missed[:_MISSED]:
        rows.append(("", f"{missed.method or '?'} {missed.url}: {missed.why}"))
    if replay.missed_count > _MISSED:
        rows.append(("", f"further requests: {replay.missed_count - _MISSED}"))
    return rows


def _log_json(logged: "LogResult") -> dict[str, Any]:
    return {
        "detail": logged.detail,
        "index": logged.index,
        "size": logged.size,
        "state": "owed" if logged.index is None else "logged",
        "witnesses": list(logged.witnesses),
    }


def _print_result(done: "CaptureResult", *, store: str, last: bool, timings: bool) -> None:
    print_result(_headline(done))
    print_result()
    _print_groups(done)
    if timings:
        _print_timings(done.timings)
    print_result()
    print_result(tr("cite: {citation}", citation=citation(done)))
    if not last:
        print_result()
    if last:
        where = "" if store == "captures" else f" --store {shlex.quote(store)}"
        of_bundle = (
            f"{where} {done.bundle.id}"
            if "://" in done.location
            else f" {shlex.quote(_from_here(done.location))}"
        )
        print_next(
            tr("look at the capture, or verify the bundle"),
            f"{program_name()} open{where} {done.bundle.id}",
            f"{program_name()} verify{of_bundle}",
        )


def _print_groups(done: "CaptureResult") -> None:
    """Print the facts about the page, the capture and the proof, and the files."""
    from snapshotter.model.sentences import ProofState, page_words, proof_words

    print_group(f"page: {page_words(done.shown, done.capture.outcome)}", _page_rows(done))
    print_group(f"capture: {done.capture.outcome.value}", _capture_rows(done))
    print_group(f"proof: {proof_words(ProofState.of(done.report))}", _proof_rows(done))
    took = done.stage_ms["total"] / 1000
    digests = done.bundle.digests
    files = [
        ("bundle", _from_here(done.location)),
        (
            "size",
            tr(
                "{bytes}, captured and sealed in {took:.1f} s",
                bytes=format_bytes(digests.length),
                took=took,
            ),
        ),
        ("SHA-256", digests.sha256),
    ]
    print_group("files", files)


def _print_timings(timings: "Timings") -> None:
    """Print when each step and each picture began, how long it took, and what ran beside it."""
    rows = [("", f"{'begin':>9} {'duration':>10}")]
    for span in timings.spans:
        remarks = []
        if span.detail:
            remarks.append(span.detail.removeprefix("capture/"))
        if span.part_of:
            remarks.append(tr("part of {step}", step=span.part_of))
        if span.overlaps:
            remarks.append(tr("at the same time: {steps}", steps=", ".join(span.overlaps)))
        times = f"{span.begin_ms / 1000:7.3f} s {span.duration_ms / 1000:8.3f} s"
        rows.append((span.name, f"{times}  {'; '.join(remarks)}"))
    rows.append((tr("outside steps"), f"{'':9} {timings.outside_ms / 1000:8.3f} s"))
    print_group(tr("timings: {seconds:.3f} s", seconds=timings.elapsed_ms / 1000), rows)


def _timings_json(timings: "Timings") -> dict[str, Any]:
    return {
        "elapsed_ms": timings.elapsed_ms,
        "outside_ms": timings.outside_ms,
        "spans": [
            {
                "begin_ms": span.begin_ms,
                "detail": span.detail,
                "duration_ms": span.duration_ms,
                "name": span.name,
                "overlaps": list(span.overlaps),
                "part_of": span.part_of or None,
            }
            for span in timings.spans
        ],
    }


def _page_rows(done: "CaptureResult") -> list[tuple[str, str]]:
    from snapshotter.model.sentences import format_http_status

    captured, response = done.capture, done.capture.response
    rows = [("address", captured.final_url)]
    if captured.title:
        rows.append(("title", captured.title))
    rows.append(("status", format_http_status(response.status) if response else "no answer"))
    return rows + page_facts(done.shown, stub=False)


def _capture_rows(done: "CaptureResult") -> list[tuple[str, str]]:
    from snapshotter.model.sentences import court_minimum_words, qualify_court_minimum

    captured, images, counts = done.capture, done.capture.images, done.capture.requests
    rows = [("reason", f"{reason.code}: {describe_reason(reason)}") for reason in captured.reasons]
    rows += [("warning", f"{warning.code}: {warning.detail}") for warning in captured.warnings]
    if captured.page_size:
        size = captured.page_size
        rows.append(("full page", f"{size.width} x {size.captured_height} CSS pixels"))
    lost = counts.failed + counts.blocked
    unanswered = tr(", failed or blocked: {lost}", lost=lost) if lost else ""
    rows.append(("images", f"{images.loaded} of {images.wanted} loaded"))
    rows.append(("requests", f"{counts.answered} of {counts.total} answered{unanswered}"))
    minimum = captured.court_minimum
    words = court_minimum_words(minimum.met, minimum.missing, light=done.decision.light)
    rows.append(("court minimum", qualify_court_minimum(words, minimum.met, done.shown)))
    return rows


def _proof_rows(done: "CaptureResult") -> list[tuple[str, str]]:
    from snapshotter.app.pipeline.capture_warnings import log_state, timestamp_state

    rows = [("time", timestamp_state(done))]
    if done.logged is not None:
        rows.append(("log", log_state(done)))
    rows += [("signed by", f"key {signed.key_id}") for signed in done.bundle.signatures]
    if done.replay:
        rows += _replay_rows(done.replay)
    rows.append(("judged with", done.report.trust))
    return rows


def describe_reason(reason: "Reason") -> str:
    """Return the detail of a reason, with the fault that it names."""
    from snapshotter.formats.printable import printable

    return (
        f"{reason.fault}: {printable(reason.detail)}" if reason.fault else printable(reason.detail)
    )


def _print_allow_network(captured: "Capture") -> None:
    """Print the command that captures a page of a network that is not public."""
    for reason in captured.reasons:
        option = reason.detail.partition(_ALLOW)[2]
        if reason.code == "forbidden-address" and option:
            url = shlex.quote(captured.requested_url)
            command = tr(
                "{program_name} capture --allow-network {option} {url}",
                program_name=program_name(),
                option=option,
                url=url,
            )
            print_message(
                tr("try: if the network is yours, allow the address:\n  {command}", command=command)
            )


def _print_check(done: "CaptureResult") -> None:
    """Print the result of a light check, with fewer facts than that of a capture."""
    from snapshotter.model.sentences import ProofState, page_words, proof_words

    print_result(_headline(done))
    print_result()
    print_group(f"page: {page_words(done.shown, done.capture.outcome)}", _page_rows(done))
    print_group(f"capture: {done.capture.outcome.value}", _check_rows(done))
    print_group(f"proof: {proof_words(ProofState.of(done.report))}", _proof_rows(done)[:1])
    print_group("files", [("bundle", _from_here(done.location))])
    print_result()


def _check_rows(done: "CaptureResult") -> list[tuple[str, str]]:
    captured = done.capture
    rows = [("reason", f"{reason.code}: {describe_reason(reason)}") for reason in captured.reasons]
    rows += [("warning", f"{warning.code}: {warning.detail}") for warning in captured.warnings]
    rows.append(("contents", tr("first view, document, text and network record")))
    return rows


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
    return tr(
        "{title}{final_url}, captured {started_at:%Y-%m-%d %H:%M:%S} UTC, snapshotter "
        "bundle {id}, SHA-256 {sha256}",
        title=title,
        final_url=printable(captured.final_url),
        started_at=captured.started_at,
        id=bundle.id,
        sha256=bundle.digests.sha256,
    )
