"""
It was there, it is gone: the whole way of a proof, on this machine and without a network.

A newspaper of our own is served on loopback under a reserved name (RFC 2606). What captures,
signs, concludes, packs and verifies is what does so in earnest; only the world is small: the
site, its resolver and the timestamp authority run in this process, and every key is made for
the demo. So no bundle that it leaves says anything of a host that exists.
"""

import contextlib
import errno
import json
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from snapshotter.app import machine
from snapshotter.app import settings as configuration
from snapshotter.app.pipeline import run as pipeline
from snapshotter.app.pipeline.run import CaptureDependencies, CaptureResult
from snapshotter.app.policies import choice
from snapshotter.app.settings import Settings
from snapshotter.app.takedown import proof_case
from snapshotter.app.takedown import proof_pack as proof
from snapshotter.app.takedown.pack_verification import judge_by_rules
from snapshotter.app.wiring import capture as wiring
from snapshotter.app.wiring import proof as wiring_proof
from snapshotter.app.wiring import takedown as wiring_takedown
from snapshotter.app.wiring import trust as wiring_trust
from snapshotter.egress.resolver import ResolutionFailed
from snapshotter.errors import (
    EvidenceInvalid,
    EvidenceUnverifiable,
    ServiceUnavailable,
    SnapshotterError,
)
from snapshotter.formats.canonical_json import instant
from snapshotter.formats.statements import pack
from snapshotter.model.assessment import Availability, TakedownVerdict
from snapshotter.model.finding import Finding, Verdict
from snapshotter.model.proof import Role
from snapshotter.model.request import CaptureRequest, Decision
from snapshotter.model.takedown import Takedown
from snapshotter.policy.decide import Overrides, decide
from snapshotter.policy.files import shipped_directory
from snapshotter.ports import Progress
from snapshotter.site import timestamp_authority as authorities
from snapshotter.site.news import NEWS
from snapshotter.site.server import FixtureSite
from snapshotter.site.state import SiteState, removed
from snapshotter.site.timestamp_authority import LocalAuthority
from snapshotter.verify.proof_pack import PackReport, verify_pack

STORY: Final = "/news/2014"
CONTROL: Final = "/news/item/1"
PROOF: Final = "proof.html"
_FILES: Final = ("policy.toml", "lantern.toml")
_LOOPBACK: Final = "127.0.0.0/8"
_FORGED_AT: Final = 4_000  # characters into the base64 of a capture


class SiteResolver:
    """Knows the demo's own host, and no other name."""

    async def resolve(self, host: str) -> tuple[str, ...]:
        """Return where the site is."""
        if host != NEWS:
            raise ResolutionFailed("dns", f"{host}: the demo knows no other host than its own")
        return ("127.0.0.1",)


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


def run(
    own: Settings,
    folder: Path,
    progress: Progress,
    told: Callable[[Step], None],
    show_message: Callable[[str], None],
) -> DemoResult:
    """
    Go the whole way, one step after the other.

    Args:
        own: This user's settings, of which the browser alone is taken.
        folder: Where everything is made; absolute, and empty or not there.
        told: Gets each step when it is done.
        tell: Gets a sentence for what could not be had.

    Raises:
        ServiceUnavailable: There is no browser, or no loopback device.
        SnapshotterError: A step did not come out as it does.
    """
    began = time.monotonic()
    steps: list[Step] = []

    def done(name: str, did: str, proves: str = "", **facts: Any) -> None:
        seconds = round(time.monotonic() - began, 1)
        steps.append(Step(name=name, did=did, proves=proves, facts=facts, seconds=seconds))
        told(steps[-1])

    with demo_environment(own, folder, progress, show_message) as dependencies:
        url = dependencies.site.url(STORY)
        done(
            "site",
            f"served by this program: {url}",
            "no other machine is asked for anything",
            url=url,
        )

        before = dependencies.capture(STORY)
        _require(before, Availability.AVAILABLE)
        done(
            "there",
            f"captured, signed{', timestamped' if dependencies.has_authority else ''} and logged: "
            f"“{before.capture.title.partition(' – ')[0]}”",
            "who has the bundle can check that it has not changed since, and since when",
            bundle_id=before.sealed.bundle_id,
        )

        dependencies.site.show(STORY.strip("/"), removed("review"))
        done("removed", "the story answers 200 OK, with one sentence in its place",
             "a status code says nothing: the words do")  # fmt: skip

        gone = dependencies.capture(STORY)
        verdict = _require(gone, Availability.UNAVAILABLE)
        done(
            "gone",
            verdict.notice.strip(),
            f"the paper's own words: {verdict.cause}, citing {verdict.cited_rule}; no motive is "
            "guessed",
            bundle_id=gone.sealed.bundle_id,
            cause=verdict.cause,
            cited_rule=verdict.cited_rule,
            notice=verdict.notice,
            rule=verdict.rule,
        )

        control = dependencies.capture(CONTROL)
        _require(control, Availability.AVAILABLE)
        done("control", "another story of the same paper is there",
             "the host is up, and answers us: it is this page that is gone",
             bundle_id=control.sealed.bundle_id)  # fmt: skip

        dependencies.wait(gone)
        again = dependencies.capture(STORY)
        _require(again, Availability.UNAVAILABLE)
        apart = again.capture.ended_at - gone.capture.ended_at
        done("again", f"the same sentence, {apart.total_seconds():.0f} s later",
             "two looks agree; in earnest they are ten minutes apart",
             bundle_id=again.sealed.bundle_id)  # fmt: skip

        event, made = dependencies.prove(url, folder / PROOF)
        first, last = event.bracket
        done(
            "event",
            f"removed between {first:%H:%M:%S} and {last:%H:%M:%S} UTC",
            "an interval, never an instant; signed by a key that makes no captures",
            event_id=event.event_id,
            bracket=[instant(first), instant(last)],
        )
        done(
            "proof",
            f"{PROOF}, {proof.format_megabytes(made.length)}: both ends, the event, a page, a PDF",
            "one file, which checks itself in any browser, without a network",
            file=str(made.file),
            length=made.length,
        )

        report = dependencies.verify(made.file)
        checks = _findings(report)
        passed = sum(finding.verdict is Verdict.PASSED for finding in checks)
        done(
            "verify",
            f"{report.verdict.name}: {passed} of {len(checks)} checks of that file passed",
            "by the verifier, which trusts neither the paper nor us"
            if dependencies.has_authority
            else "no openssl is here to be a timestamp authority: only this machine's own clock "
            "says when, and that is not PASSED",
            verdict=report.verdict.value,
        )

        forged, why = dependencies.verify_forged(made.file)
        done("forgery", f"{forged.verdict.name} with one character changed: {why}",
             "what was altered has a name", verdict=forged.verdict.value)  # fmt: skip
        return DemoResult(
            steps=tuple(steps),
            proof=made.file,
            event=event,
            report=report,
            has_authority=dependencies.has_authority,
        )


def demo_settings(own: Settings, folder: Path, authority: LocalAuthority | None) -> Settings:
    """
    Return settings under which everything lies below a folder, and nothing is this user's.

    Of the user's own settings the browser alone is taken: it is a fact about the machine.
    """
    values: dict[str, Any] = {
        "store": str(folder / "captures"),
        "policy": str(folder / "policy.toml"),
        "data_dir": str(folder / "data"),
        "keys_dir": str(folder / "keys"),
        "spool_dir": str(folder / "spool"),
        "allow_networks": [_LOOPBACK],
        "allow_no_sandbox": own.allow_no_sandbox,
        "record_access": False,
        "authority": [],
    }
    if own.browser_path is not None:
        values["browser_path"] = str(own.browser_path)
    if authority is not None:
        entry = {"name": authorities.NAME, "url": authority.url, "root": str(authority.root)}
        values["authority"] = [entry]
    return configuration.settings_from_values(values)


@dataclass(slots=True)
class DemoEnvironment:
    """The small world of a demo, while it runs."""

    site: FixtureSite
    settings: Settings
    dependencies: CaptureDependencies
    decision: Decision
    has_authority: bool
    progress: Progress

    def capture(self, path: str) -> CaptureResult:
        """Capture a page of the site, and keep the bundle in the demo's store."""
        request = CaptureRequest(url=self.site.url(path))
        return pipeline.run(request, self.decision, self.dependencies, self.progress)

    def wait(self, first: CaptureResult) -> None:
        """Wait until a capture can confirm this one, by the demo's policy."""
        after = wiring_takedown.confirm_rules(self.settings, self.site.url(STORY)).after
        left = first.capture.ended_at + after - machine.SystemClock().now()
        time.sleep(max(left, timedelta()).total_seconds())

    def prove(self, url: str, target: Path) -> tuple[Takedown, proof.WrittenPack]:
        """Conclude the take-down of a page, sign and log it, and write the proof."""
        self.progress("conclude", "")
        with wiring_takedown.takedown_service(
            self.settings, ask=None, show_message=_silent
        ) as service:
            case = proof_case.find(
                service, [url], wiring_proof.event_log_proof(self.settings), _silent
            )
        if case.event is None:
            raise SnapshotterError("no take-down was concluded", hint="report this as a bug")
        self.progress("pack", "")
        desk_of_proofs = wiring_proof.proof_service(self.settings, ask=None, show_message=_silent)
        return case.event, proof.make(desk_of_proofs, case, target)

    def verify(self, file: Path) -> PackReport:
        """Verify a proof by the keys of the demo, as anybody would who was given them."""
        with file.open("rb") as stream:
            trust = wiring_trust.trust(self.settings)
            judge = judge_by_rules(trust, wiring_takedown.rederivation(self.settings))
            return verify_pack(stream, trust, now=machine.SystemClock().now(), judge=judge)

    def verify_forged(self, file: Path) -> tuple[PackReport, str]:
        """Verify a copy in which one byte of the older capture is another; return why it fails."""
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
        # Without the long id of the capture: a line is to be read at a glance.
        detail = failed[0].detail if failed else "nothing was found"
        return report, detail.replace(f" ({end.name.removesuffix('.wacz')})", "")


@contextlib.contextmanager
def demo_environment(
    own: Settings, folder: Path, progress: Progress, show_message: Callable[[str], None]
) -> Iterator[DemoEnvironment]:
    """
    Lend the demo's world: a site, an authority, keys and a store, all below a folder.

    Raises:
        ServiceUnavailable: Loopback is down and can not be brought up, or there is no browser.
    """
    _require_loopback()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in _FILES:
        shutil.copyfile(shipped_directory() / "demo" / name, folder / name)
    with contextlib.ExitStack() as open_:
        authority: LocalAuthority | None = None
        if authorities.is_possible():
            try:
                authority = open_.enter_context(LocalAuthority(folder / "authority"))
            except ServiceUnavailable as error:
                show_message(str(error))
        settings = demo_settings(own, folder, authority)
        _write_settings(settings, folder / "snapshotter.toml")
        site = open_.enter_context(FixtureSite(SiteState(at=machine.SystemClock().now())))
        dependencies = wiring.capture_dependencies(
            settings, ask=None, show_message=lambda words: None
        )
        capturer = wiring.capturer(settings, dependencies.clock, resolver=SiteResolver())
        decision = decide(
            choice.configured_policy(settings), Overrides(allow_networks=settings.allow_networks)
        )
        if authority is None:
            decision = replace(decision, require_timestamps=0)
        yield DemoEnvironment(
            site=site,
            settings=settings,
            dependencies=replace(dependencies, capturer=capturer),
            decision=decision,
            has_authority=authority is not None,
            progress=progress,
        )


def _silent(text: str) -> None:
    """Take what a person is told of their own keys and store: these are the demo's."""


def _require(result: CaptureResult, wanted: Availability) -> TakedownVerdict:
    """Return the verdict of a capture, which has to be this one."""
    found = result.assessment.takedown if result.assessment is not None else None
    if found is None or found.availability is not wanted:
        said = "nothing" if found is None else f"{found.availability}: {found.detail}"
        why = ", ".join(f"{reason.code}: {reason.detail}" for reason in result.capture.reasons)
        raise SnapshotterError(
            f"the capture says {said}, and the page is {wanted}{f' ({why})' if why else ''}",
            hint="snapshotter doctor checks what a capture needs",
        )
    return found


def _findings(report: PackReport) -> tuple[Finding, ...]:
    return (
        *report.findings,
        *(finding for capture in report.captures for finding in capture.report.findings),
    )


def _write_settings(settings: Settings, file: Path) -> None:
    """Write down what somebody needs who looks at what a demo has left: relative to the file."""
    lines = [
        "# SNAPSHOTTER_CONFIG=$PWD/snapshotter.toml snapshotter verify proof.html",
        'store = "captures"',
        'policy = "policy.toml"',
        'data_dir = "data"',
        'keys_dir = "keys"',
        'spool_dir = "spool"',
        f"allow_networks = {json.dumps(list(settings.allow_networks))}",
    ]
    if not settings.authorities:
        lines.append("authority = []")
    for authority in settings.authorities:
        root = authority.root.relative_to(file.parent).as_posix()
        lines += [
            "[[authority]]",
            f"name = {json.dumps(authority.name)}",
            f"url = {json.dumps(authority.url)}",
        ]
        lines.append(f"root = {json.dumps(root)}")
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _require_loopback() -> None:
    """Bring loopback up where it is down and ours to bring up: `unshare --net` has it down."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        address = server.getsockname()
        for attempt in (1, 2):
            try:
                socket.create_connection(address, timeout=5).close()
            except OSError as error:
                if error.errno != errno.ENETUNREACH or attempt == 2:
                    raise ServiceUnavailable(
                        f"nothing can be reached on 127.0.0.1: {error}",
                        hint="bring the loopback device up: ip link set lo up",
                    ) from error
            else:
                return
            with contextlib.suppress(OSError):
                from snapshotter.egress.enter import raise_loopback

                raise_loopback()
