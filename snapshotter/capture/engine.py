"""
Implement `ports.Capturer` with Chromium: each page is captured by a browser of its own.

For each attempt the engine starts a browser, or takes the prewarmed one. It gives the browser to a
`CaptureSession` in a thread of its own, and supervises that from the caller's thread. The capture
is made of what was finished when the session ended or was ended.

What captures a page is imported when one is captured, so that a browser starts before it is loaded.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from snapshotter.capture.browser.binary import BrowserBinary, choose_browser
from snapshotter.capture.browser.browser_processes import BrowserProcesses
from snapshotter.capture.browser.capture_network import CaptureNetwork
from snapshotter.capture.browser.early_driver import EarlyDriver
from snapshotter.capture.browser.ending import BrowserEnding
from snapshotter.capture.browser.launch import BrowserSetup
from snapshotter.capture.browser.prewarm import PrewarmedBrowser
from snapshotter.capture.browser.workspace import BrowserWorkspace
from snapshotter.capture.pictures.raster_gate import RASTER_GATE, RasterGate
from snapshotter.egress.guard import EgressGuard
from snapshotter.egress.resolver import Resolver
from snapshotter.egress.rules import EgressRules, parse_upstream
from snapshotter.errors import PolicyRefused
from snapshotter.model.capture import Capture
from snapshotter.model.capturer_identity import CapturerIdentifier
from snapshotter.model.request import CaptureRequest, Decision
from snapshotter.ports import Assessor, Clock, IdSource, PictureReader, Progress
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    from snapshotter.capture.record.recorder import Recorder
    from snapshotter.capture.session import CaptureAttempt
    from snapshotter.formats.signatures.cms import Recipient

_KILL_S = 2.0  # before the hard limit: time to kill, and to write down what there is
_KILL_SHARE = 0.15  # of a short limit
_AHEAD = "the browser was started early, while the previous page was captured"
_RETRY_SHARE = 0.5  # of the time, until which a browser of no use is replaced by another
_NEVER = float("-inf")
_THREAD_S = 1.0  # for the thread of a browser to end, when its driver has stopped
_TEE = ".egress"  # in the spool: what passed on the wire, until it is in the archive


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturerOptions:
    """How an installation captures, besides the policies: its browser, its network, its user."""

    executable: Path | None = None  # a browser to use instead of what the decision names
    allow_no_sandbox: bool = False  # start it without its sandbox where the system allows none
    upstream: str = ""  # the proxy that every connection goes through, as in `EgressRules`
    vantage: str = ""  # what the settings call that way; "": it is the usual one
    # The names, accounts and addresses of the capturing person, searched for in all captures.
    own: tuple[CapturerIdentifier, ...] = ()
    digests: Path | None = None  # where the digest of the browser stays between processes


class ChromiumCapturer:
    """
    `ports.Capturer` over Chromium.

    Args:
        version: Ours, for the record.
        resolver: Resolves names; the system's if not given.
        gate: Limits how many captures draw at once; the one of this process if not given.
        early: A driver that was started before, for the first capture into its spool.
        assessor: Makes what assesses pages under a decision, so that a page without content is
            looked at again; without it none is.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        ids: IdSource,
        version: str,
        options: CapturerOptions | None = None,
        resolver: Resolver | None = None,
        gate: RasterGate = RASTER_GATE,
        assessor: Callable[[Decision], Assessor] | None = None,
        early: EarlyDriver | None = None,
    ) -> None:
        self._clock = clock
        self._ids = ids
        self._version = version
        self._options = options = options or CapturerOptions()
        self._resolver = resolver
        self._gate = gate
        self._assessor = assessor
        self._ahead: dict[Path, PrewarmedBrowser] = {}  # by the spool that each is for
        self._endings: dict[Path, BrowserEnding] = {}  # likewise
        self._early = early
        self._own = (*options.own, *_secrets(options.upstream))

    def capture(
        self,
        request: CaptureRequest,
        decision: Decision,
        spool: Path,
        progress: Progress,
        *,
        free_later: bool = False,
        picture_reader: Callable[[], PictureReader] | None = None,
    ) -> Capture:
        """
        Render the page; see `ports.Capturer`.

        The browser has ended in any case; `free_later` is about its driver and its files. A browser
        that fails before it has requested anything is replaced, once.

        Raises:
            ServiceUnavailable: No browser could be started.
            PolicyRefused: It would have no sandbox, or no proxy though the policy requires one;
                or the capture identifies its maker (`CapturerIdentityExposed`), and the policy
                says to stop.
        """
        from snapshotter.capture.redaction import concealer
        from snapshotter.capture.session import CaptureAttempt

        concealer.check_address_is_anonymous(request.url, decision.redact, self._own)
        total = decision.limits.total_s
        began = self._clock.monotonic()
        attempt = CaptureAttempt(
            request=request,
            decision=decision,
            spool=spool,
            progress=progress,
            kill_at=began + total - min(_KILL_S, total * _KILL_SHARE),
            retry_until=began + total * _RETRY_SHARE,
            picture_reader=picture_reader,
        )
        while True:
            made = self._try(attempt, free_later=free_later)
            if isinstance(made, Capture):
                return made
            attempt = replace(attempt, failed_before=made, retry_until=_NEVER)

    def _try(self, attempt: "CaptureAttempt", *, free_later: bool) -> Capture | str:
        """Capture with one browser; return why it failed if another one may be tried."""
        # (1) A browser, which may have been started ahead.
        prewarmed = self._take(attempt.decision, attempt.spool)
        browser = prewarmed.setup
        driver_s = 0.0
        made: Capture | str = ""
        try:
            from snapshotter.capture.session import CaptureSession
            from snapshotter.capture.supervision import Supervisor

            # (2) The session captures in the browser's thread; this thread supervises it.
            session = CaptureSession(
                attempt,
                browser=browser,
                browser_remark=prewarmed.remark,
                recorder=self._recorder(attempt, browser.network),
                clock=self._clock,
                version=self._version,
                gate=self._gate,
                assessor=partial(self._assessor, attempt.decision) if self._assessor else None,
                digests=self._options.digests,
            )
            prewarmed.give(session.go)
            try:
                Supervisor(session, prewarmed, self._clock, attempt.kill_at).run()
            finally:
                # However it ended: from here on nothing leaves, and nothing is on its way.
                browser.processes.kill_browser()
                browser.network.guard.stop()
            if session.ended.is_set():
                driver_s = browser.decision.limits.close_s + _THREAD_S
            # (3) What was finished by then is the capture, while the driver stops.
            made = session.unready or session.result()
        finally:
            ending = BrowserEnding(prewarmed, limit_s=driver_s)
            if free_later and isinstance(made, Capture):
                self._endings[attempt.spool] = ending
                ending.start()
            else:
                ending.run()
        return made

    def _recorder(self, attempt: "CaptureAttempt", network: CaptureNetwork) -> "Recorder":
        from snapshotter.capture.record.recorder import Recorder, RecordingRules

        decision = attempt.decision
        return Recorder(
            spool=attempt.spool,
            clock=self._clock,
            ids=self._ids,
            network=network,
            rules=RecordingRules(
                limits=decision.limits,
                software=f"snapshotter/{self._version}",
                redact_headers=decision.redact_headers,
                redact=decision.redact,
                own=self._own,
                original=attempt.request.original,
                keep_for=_recipients(decision),
                authorities=decision.certificate_authorities,
            ),
        )

    def prepare(self, decision: Decision, spool: Path) -> None:
        """Start a browser ahead of a capture; see `ports.Capturer`."""
        self._ahead[spool] = self._prewarmed(decision, spool)

    def discard(self, spool: Path) -> None:
        """Free the browser of a spool, whether it has captured or not; see `ports.Capturer`."""
        if (ending := self._endings.pop(spool, None)) is not None:
            ending.wait()
        if (prewarmed := self._ahead.pop(spool, None)) is not None:
            prewarmed.end()

    def _take(self, decision: Decision, spool: Path) -> PrewarmedBrowser:
        """Return the browser that was started ahead for this capture, or start one."""
        prewarmed = self._ahead.pop(spool, None)
        if prewarmed is not None:
            if prewarmed.setup.decision == decision and prewarmed.is_usable:
                if prewarmed.early is None:
                    prewarmed.remark = "; ".join(filter(None, (prewarmed.remark, _AHEAD)))
                return prewarmed
            prewarmed.end()
        return self._prewarmed(decision, spool)

    def _prewarmed(self, decision: Decision, spool: Path) -> PrewarmedBrowser:
        if decision.require_proxy and not self._options.upstream:
            raise PolicyRefused(
                tr(
                    "policy {policy_name} requires a proxy, but no proxy is set",
                    policy_name=decision.policy_name,
                ),
                hint=tr("use --proxy tor or --proxy socks5://…, or set the setting proxy"),
            )
        binary, remark = choose_browser(decision.browser, self._options.executable)
        early = self._early_for(spool, binary)
        workspace = early.workspace if early is not None else BrowserWorkspace.create(spool)
        capture_network: CaptureNetwork | None = None
        try:
            if decision.certificate_authorities:
                from snapshotter.capture.browser import nss
                from snapshotter.formats.tls.certificate_authority import der

                nss.write_trust_database(
                    workspace.home,
                    [der(authority) for authority in decision.certificate_authorities],
                )
            capture_network = self._capture_network(decision, spool, workspace)
            setup = BrowserSetup(
                decision=decision,
                binary=binary,
                workspace=workspace,
                processes=BrowserProcesses(workspace),
                network=capture_network,
                allow_no_sandbox=self._options.allow_no_sandbox,
            )
            prewarmed = PrewarmedBrowser(setup, remark, early)
            prewarmed.start()
        except BaseException:  # also Ctrl-C: no other code knows these yet
            if capture_network is not None:
                capture_network.guard.stop()
                capture_network.destroy()
            if early is not None:
                early.end_process()
            workspace.remove()
            raise
        return prewarmed

    def _early_for(self, spool: Path, binary: BrowserBinary) -> EarlyDriver | None:
        """Return the early driver, once, if it is for this spool and this browser; else end it."""
        early, self._early = self._early, None
        if early is None or (early.spool == spool and early.binary == binary):
            return early
        early.end()
        return None

    def _capture_network(
        self, decision: Decision, spool: Path, workspace: BrowserWorkspace
    ) -> CaptureNetwork:
        """Return the network of a capture, whose guard keeps all traffic."""
        tee_dir = spool / _TEE
        tee_dir.mkdir()
        rules = EgressRules(
            allowed=decision.allow_networks,
            blocked=decision.block_hosts,
            upstream=self._options.upstream,
            total_bytes=decision.limits.capture_bytes,
            unanswered_s=decision.limits.unanswered_s,
        )
        return CaptureNetwork(
            guard=EgressGuard(
                rules,
                clock=self._clock,
                tee=tee_dir,
                resolver=self._resolver,
                awaits_page=True,
            ),
            path=network_path_kind(self._options.upstream),
            vantage=self._options.vantage,
            key_log=workspace.key_log,
            tee_dir=tee_dir,
        )


def _secrets(upstream: str) -> tuple[CapturerIdentifier, ...]:
    """Return the credentials of a proxy, in the spellings that are searched for."""
    proxy = parse_upstream(upstream) if upstream else None
    if proxy is None:
        return ()
    from snapshotter.capture.redaction import capturer_identity

    return tuple(capturer_identity.credential_spellings(proxy.user, proxy.password))


def _recipients(decision: Decision) -> "tuple[Recipient, ...]":
    """Return who can open the streams that are kept."""
    if not decision.keep_streams_for:
        return ()
    from snapshotter.formats.signatures.cms import Recipient

    return tuple(map(Recipient.from_pem, decision.keep_streams_for))


def network_path_kind(upstream: str) -> str:
    """Return how traffic leaves: "direct", "proxy" or "tor"."""
    return {"": "direct", "tor": "tor"}.get(upstream, "proxy")
