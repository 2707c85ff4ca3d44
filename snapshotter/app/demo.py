"""
Show a take-down from the first capture to the verified proof, without a network.

A newspaper of our own is served on loopback under a reserved name (RFC 2606), so that no bundle of
a demo is about a host that exists. The site, its resolver and the timestamp authority run in this
process, and every key is made for the demo. The captures, signatures, conclusions, the proof and
its verification are made by the same code as outside the demo.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from snapshotter.app.pipeline import run as pipeline
from snapshotter.app.pipeline.run import CaptureDependencies, CaptureResult
from snapshotter.app.settings import Settings
from snapshotter.app.takedown import proof_case, proof_pack
from snapshotter.app.takedown.events import TakedownService
from snapshotter.app.takedown.pack_verification import judge_by_rules
from snapshotter.app.takedown.rederivation import Rederivation
from snapshotter.errors import (
    EvidenceInvalid,
    EvidenceUnverifiable,
    SnapshotterError,
)
from snapshotter.formats.canonical_json import instant
from snapshotter.formats.statements import pack
from snapshotter.model.assessment import Availability, TakedownVerdict
from snapshotter.model.finding import Finding, Verdict
from snapshotter.model.proof import Role
from snapshotter.model.request import CaptureRequest, Decision
from snapshotter.model.sentences import capitalized
from snapshotter.model.takedown import Takedown, widen
from snapshotter.ports import Progress
from snapshotter.site.server import FixtureSite
from snapshotter.site.state import removed
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.proof_pack import PackReport, verify_pack
from snapshotter.verify.trust import Trust

STORY: Final = "/news/2014"
CONTROL: Final = "/news/item/1"
PROOF: Final = "proof.html"
_FILES: Final = ("policy.toml", "lantern.toml")
_LOOPBACK: Final = "127.0.0.0/8"
_FORGED_AT: Final = 4_000  # characters into the base64 of a capture


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the demo, done."""

    name: str  # a word for machines, stable
    did: str  # what happened, a line
    proves: str = ""  # what that proves, a line
    facts: Mapping[str, Any] = field(default_factory=dict)  # for `--json`
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """A demo that has come to its end."""

    steps: tuple[Step, ...]
    proof: Path
    event: Takedown
    report: PackReport  # of the proof
    has_authority: bool

    @property
    def exit_code(self) -> int:
        """0 where the proof PASSED; else what `verify` would say of it."""
        if self.report.verdict is Verdict.PASSED:
            return 0
        failed = self.report.verdict is Verdict.FAILED
        return EvidenceInvalid.exit_code if failed else EvidenceUnverifiable.exit_code


def run(environment: "DemoEnvironment", step_done: Callable[[Step], None]) -> DemoResult:
    """
    Run all steps of the demo, one after the other.

    Args:
        step_done: Gets each step when it is done.

    Raises:
        ServiceUnavailable: No browser can be started.
        SnapshotterError: A step had another result than it always has.
    """
    steps: list[Step] = []

    def done(name: str, did: str, proves: str = "", **facts: Any) -> None:
        seconds = round(time.monotonic() - environment.began_s, 1)
        steps.append(Step(name=name, did=did, proves=proves, facts=facts, seconds=seconds))
        step_done(steps[-1])

    url = environment.site.url(STORY)
    done(
        "site",
        tr("The address of the story is {url}.", url=url),
        tr("No other machine is contacted."),
        url=url,
    )

    before = environment.capture(STORY)
    _require(before, Availability.AVAILABLE)
    done(
        "there",
        tr(
            "The story “{title}” is captured, signed{value}, and added to the log.",
            title=before.capture.title.partition(" – ")[0],
            value=", timestamped" if environment.has_authority else "",
        ),
        tr(
            "Anybody with the bundle can check the time of the capture, and that the bundle has "
            "not changed."
        )
        if environment.has_authority
        else tr("Anybody with the bundle can check that the bundle has not changed."),
        bundle_id=before.sealed.bundle_id,
    )

    environment.site.show(STORY.strip("/"), removed("review"))
    done(
        "removed",
        tr("The server answers 200 OK, and a notice of one sentence replaces the story."),
        tr("The text of the page shows the removal. The status code does not show the removal."),
    )

    gone = environment.capture(STORY)
    verdict = _require(gone, Availability.UNAVAILABLE)
    done(
        "gone",
        tr("The page shows this notice: {notice}", notice=verdict.notice.strip()),
        tr(
            "The notice cites “{cited_rule}”. Only the cause that the notice states is recorded. "
            "No motive is inferred.",
            cited_rule=verdict.cited_rule,
        ),
        bundle_id=gone.sealed.bundle_id,
        cause=verdict.cause,
        cited_rule=verdict.cited_rule,
        notice=verdict.notice,
        rule=verdict.rule,
    )

    control = environment.capture(CONTROL)
    _require(control, Availability.AVAILABLE)
    done(
        "control",
        tr("Another story of the same site is captured and is available."),
        tr("The other story is available, so the site works and only the first story was removed."),
        bundle_id=control.sealed.bundle_id,
    )

    environment.wait(gone)
    again = environment.capture(STORY)
    _require(again, Availability.UNAVAILABLE)
    apart = again.capture.ended_at - gone.capture.ended_at
    done(
        "again",
        tr("The page shows the same notice {apart:.0f} s later.", apart=apart.total_seconds()),
        tr(
            "Two captures show that the story was removed. For real pages, the default time "
            "between these two captures is ten minutes."
        ),
        bundle_id=again.sealed.bundle_id,
    )

    event, made = environment.prove(url, environment.folder / PROOF)
    first, last = widen(event.bracket)
    done(
        "event",
        tr(
            "The page was removed between {first:%H:%M:%S} and {last:%H:%M:%S} UTC.",
            first=first,
            last=last,
        ),
        tr("The event states this interval. The key that signs the event never signs captures."),
        event_id=event.event_id,
        bracket=[instant(first), instant(last)],
    )
    done(
        "proof",
        tr(
            "{proof} ({megabytes}) contains the four captures, the event, a statement and a PDF.",
            proof=PROOF,
            megabytes=proof_pack.format_megabytes(made.length),
        ),
        tr("Any browser can verify this file, without a network."),
        file=str(made.file),
        length=made.length,
    )

    report = environment.verify(made.file)
    checks = _findings(report)
    passed = sum(finding.verdict is Verdict.PASSED for finding in checks)
    done(
        "verify",
        tr(
            "The verdict is {name}: {passed} of {count} checks passed.",
            name=report.verdict.name,
            passed=passed,
            count=len(checks),
        ),
        tr("The verifier derives the verdicts again from the sealed files.")
        if environment.has_authority
        else tr(
            "The verdict is not PASSED, because the program openssl was not found, which the "
            "timestamp authority of the demo needs. Only the clock of this machine states the "
            "time."
        ),
        verdict=report.verdict.value,
    )

    forged, why = environment.verify_forged(made.file)
    done(
        "forgery",
        tr(
            "The verdict is {name}: one character was changed. {why}.",
            name=forged.verdict.name,
            why=capitalized(why),
        ),
        tr("The verifier shows which part was altered."),
        verdict=forged.verdict.value,
    )
    return DemoResult(
        steps=tuple(steps),
        proof=made.file,
        event=event,
        report=report,
        has_authority=environment.has_authority,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoEnvironment:
    """The site and the adapters of one demo, while it runs."""

    folder: Path  # of everything that the demo makes
    settings: Settings
    site: FixtureSite
    capture_dependencies: CaptureDependencies
    takedown_service: Callable[[], AbstractContextManager[TakedownService]]
    log_proof: Callable[[str], bytes]  # of an event, by its id
    proof_service: Callable[[], proof_pack.ProofService]
    trust: Callable[[], Trust]
    rederivation: Rederivation
    decision: Decision
    confirm_after: timedelta  # the least time between the captures that confirm a removal
    has_authority: bool
    progress: Progress
    began_s: float  # monotonic

    def capture(self, path: str) -> CaptureResult:
        """Capture a page of the site, and keep the bundle in the demo's store."""
        request = CaptureRequest(url=self.site.url(path))
        return pipeline.run(request, self.decision, self.capture_dependencies, self.progress)

    def wait(self, first: CaptureResult) -> None:
        """Wait until a capture can confirm this one, by the demo's policy."""
        left = first.capture.ended_at + self.confirm_after - self._now()
        time.sleep(max(left, timedelta()).total_seconds())

    def prove(self, url: str, target: Path) -> tuple[Takedown, proof_pack.WrittenPack]:
        """Conclude the take-down of a page, sign and log the event, and write the proof."""
        self.progress("conclude", "")
        with self.takedown_service() as service:
            case = proof_case.find(service, [url], self.log_proof, _ignore)
        if case.event is None:
            raise SnapshotterError(
                tr("the demo concluded no take-down event"),
                hint=tr("report this bug in snapshotter"),
            )
        self.progress("pack", "")
        return case.event, proof_pack.make(self.proof_service(), case, target)

    def verify(self, file: Path) -> PackReport:
        """Verify a proof with the trusted keys of the demo, as its recipient would."""
        with file.open("rb") as stream:
            trust = self.trust()
            judge = judge_by_rules(trust, self.rederivation)
            return verify_pack(stream, trust, now=self._now(), judge=judge)

    def verify_forged(self, file: Path) -> tuple[PackReport, str]:
        """Verify a copy with one byte of the older capture changed; return why it fails."""
        data = bytearray(file.read_bytes())
        with file.open("rb") as stream:
            found = pack.read(stream)
        (end,) = found.manifest.of_role(Role.LAST_SEEN)
        at = found.offset(end) + _FORGED_AT
        data[at] = ord("A") if data[at] != ord("A") else ord("B")
        copy = file.with_name(f"forged-{file.name}")
        copy.write_bytes(data)
        report = self.verify(copy)
        failed = [finding for finding in report.findings if finding.verdict is Verdict.FAILED]
        # Without the long id of the capture, so that the line stays short.
        detail = failed[0].detail if failed else tr("no alteration was found")
        return report, detail.replace(f" ({end.name.removesuffix('.wacz')})", "")

    def _now(self) -> datetime:
        return self.capture_dependencies.clock.now()


def _ignore(_text: str) -> None:
    """Ignore messages about keys and the store, which are the demo's own."""


def _require(result: CaptureResult, wanted: Availability) -> TakedownVerdict:
    """Return the verdict of a capture. Raises SnapshotterError: it is another than expected."""
    found = result.assessment.takedown if result.assessment is not None else None
    if found is None or found.availability is not wanted:
        said = "nothing" if found is None else f"{found.availability}: {found.detail}"
        why = ", ".join(f"{reason.code}: {reason.detail}" for reason in result.capture.reasons)
        raise SnapshotterError(
            tr(
                "the demo failed: the page must be {wanted}, but the result of the capture is: "
                "{said}{value}",
                wanted=wanted,
                said=said,
                value=f" ({why})" if why else "",
            ),
            hint=tr("check what a capture needs:\n  snapshotter doctor"),
        )
    return found


def _findings(report: PackReport) -> tuple[Finding, ...]:
    return (
        *report.findings,
        *(finding for capture in report.captures for finding in capture.report.findings),
        *(report.event.findings if report.event is not None else ()),
    )
