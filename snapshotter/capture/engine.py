"""
One capture: a browser of its own, one page, and everything that can be had from it.

The work is done by coroutines in a thread of its own (`session.py`). The
caller's thread supervises: it knows the processes by number, watches their
memory, and when the time for the whole capture is used up it kills them,
whether or not anything inside still answers. What was finished by then is the
capture.
"""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from snapshotter.capture.browser import nss
from snapshotter.capture.browser.binary import choose_browser
from snapshotter.capture.browser.browser_processes import BrowserProcesses
from snapshotter.capture.browser.capture_network import CaptureNetwork
from snapshotter.capture.browser.launch import BrowserSetup
from snapshotter.capture.browser.prewarm import PrewarmedBrowser
from snapshotter.capture.browser.workspace import BrowserWorkspace
from snapshotter.capture.pictures.raster_gate import RASTER_GATE, RasterGate
from snapshotter.capture.record.recorder import Recorder
from snapshotter.capture.redaction import capturer_identity, concealer
from snapshotter.capture.session import CaptureSession
from snapshotter.egress.guard import EgressGuard
from snapshotter.egress.resolver import Resolver
from snapshotter.egress.rules import EgressRules, parse_upstream
from snapshotter.errors import PolicyRefused
from snapshotter.formats.signatures.cms import Recipient
from snapshotter.formats.tls.certificate_authority import der
from snapshotter.model.capture import Capture
from snapshotter.model.capturer_identity import CapturerIdentifier
from snapshotter.model.request import CaptureRequest, Decision
from snapshotter.ports import Assessor, Clock, IdSource, Progress

_WATCH_S = 0.1  # between two looks at the processes' memory, each of which costs 2 ms
_LOW_SHARE = 0.4  # of the memory: a document that still comes is stopped then
_SHORT_SHARE = 0.7  # of the memory: scripts are stopped, to photograph what they have made
_DISK_S = 1.0  # between two looks at what the browser has written
_DISK_SHARE = (
    2  # of the bytes of a capture: its cache holds them, and pages have stores of their own
)
_PROFILE_BYTES = 64 << 20  # of a browser that has nothing to keep, several times over
_KILLED_S = 0.8  # at most, for a renderer's memory to be given back
_KILL_S = 2.0  # before the hard limit: time to kill, and to write down what there is
_KILL_SHARE = 0.15  # of a short limit
_JOIN_S = 1.0  # for a thread whose browser is dead to notice
_JOIN_SHARE = 0.05  # of a short limit
_AHEAD = "started ahead, while the capture before was sealed"
_AGAIN_SHARE = 0.5  # of the time, until which a browser of no use is replaced by another
_NEVER = float("-inf")
_TEE = ".egress"  # in the spool: what passed on the wire, until it is in the archive


class ChromiumCapturer:
    """
    `ports.Capturer` over Chromium.

    Args:
        version: Ours, for the record.
        executable: A browser to use instead of what the decision names.
        upstream: The proxy that every connection goes through, as in `EgressRules`.
        allow_no_sandbox: Start the browser without its sandbox where that can not be had.
        resolver: Finds the addresses of names; the system's if not given.
        gate: What captures that run at once share, so that no more of them paint than there
            are cores; the one of this process if not given.
        own: What says who captures, and is looked for in all that is captured.
        vantage: What the way through `upstream` is called; "": it is the usual one.
        assessor: Makes what judges pages under a decision, so that one that came to nothing is
            looked at again; without it none is.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        ids: IdSource,
        version: str,
        executable: Path | None = None,
        upstream: str = "",
        allow_no_sandbox: bool = False,
        resolver: Resolver | None = None,
        gate: RasterGate = RASTER_GATE,
        assessor: Callable[[Decision], Assessor] | None = None,
        own: Sequence[CapturerIdentifier] = (),
        vantage: str = "",
    ) -> None:
        self._clock = clock
        self._ids = ids
        self._version = version
        self._executable = executable
        self._upstream = upstream
        self._allow_no_sandbox = allow_no_sandbox
        self._resolver = resolver
        self._ahead: dict[Path, PrewarmedBrowser] = {}  # by the spool that each is for
        self._gate = gate
        self._assessor = assessor
        proxy = parse_upstream(upstream) if upstream else None
        secrets = (
            capturer_identity.credential_spellings(proxy.user, proxy.password)
            if proxy is not None
            else ()
        )
        self._own = (*own, *secrets)
        self._vantage = vantage

    def capture(
        self, request: CaptureRequest, decision: Decision, spool: Path, progress: Progress
    ) -> Capture:
        """
        Render the page; see `ports.Capturer`.

        A browser that is of no use before anything was asked for is replaced, once.

        Raises:
            ServiceUnavailable: No browser could be started.
            PolicyRefused: It would have no sandbox, or leave without the proxy that it has to take;
                or the capture says who makes it (`OwnNameShown`), and the policy says to stop.
        """
        concealer.check_address_is_anonymous(request.url, decision.redact, self._own)
        total = decision.limits.total_s
        began = self._clock.monotonic()
        kill_at = began + total - min(_KILL_S, total * _KILL_SHARE)
        again_until = began + total * _AGAIN_SHARE
        before = ""
        while True:
            made = self._attempt(
                request, decision, spool, progress,
                kill_at=kill_at, before=before, again_until=again_until,
            )  # fmt: skip
            if isinstance(made, Capture):
                return made
            before, again_until = made, _NEVER

    def _attempt(
        self,
        request: CaptureRequest,
        decision: Decision,
        spool: Path,
        progress: Progress,
        *,
        kill_at: float,
        before: str,
        again_until: float,
    ) -> Capture | str:
        """Capture with one browser; return why it was of no use if another one may be tried."""
        prewarmed = self._take(decision, spool)
        try:
            session = CaptureSession(
                request=request,
                decision=decision,
                spool_root=spool,
                progress=progress,
                clock=self._clock,
                version=self._version,
                browser=prewarmed.setup,
                browser_remark=prewarmed.remark,
                recorder=Recorder(
                    spool=spool,
                    clock=self._clock,
                    ids=self._ids,
                    limits=decision.limits,
                    redact_headers=decision.redact_headers,
                    software=f"snapshotter/{self._version}",
                    way=prewarmed.setup.network,
                    keep_for=tuple(map(Recipient.from_pem, decision.keep_streams_for)),
                    original=request.original,
                    discloses=decision.redact.mode != "drop",
                    redact=decision.redact,
                    own=self._own,
                    authorities=decision.certificate_authorities,
                ),
                gate=self._gate,
                assessor=partial(self._assessor, decision) if self._assessor is not None else None,
                kill_at=kill_at,
                before=before,
                again_until=again_until,
            )
            prewarmed.give(session.go)
            try:
                self._supervise(session, prewarmed, decision, kill_at)
            finally:
                # However it ended: from here on nothing leaves, and nothing is on its way.
                prewarmed.setup.processes.kill()
                prewarmed.setup.network.guard.stop()
            return session.unready or session.result()
        finally:
            prewarmed.end()

    def prepare(self, decision: Decision, spool: Path) -> None:
        """Start a browser ahead of a capture; see `ports.Capturer`."""
        self._ahead[spool] = self._prewarmed(decision, spool)

    def discard(self, spool: Path) -> None:
        """End a browser that was started ahead and is not needed; see `ports.Capturer`."""
        if (prewarmed := self._ahead.pop(spool, None)) is not None:
            prewarmed.end()

    def _take(self, decision: Decision, spool: Path) -> PrewarmedBrowser:
        """Return the browser that was started ahead for this, or start one."""
        prewarmed = self._ahead.pop(spool, None)
        if prewarmed is not None:
            if prewarmed.setup.decision == decision and prewarmed.is_usable:
                prewarmed.remark = "; ".join(filter(None, (prewarmed.remark, _AHEAD)))
                return prewarmed
            prewarmed.end()
        return self._prewarmed(decision, spool)

    def _prewarmed(self, decision: Decision, spool: Path) -> PrewarmedBrowser:
        if decision.require_proxy and not self._upstream:
            raise PolicyRefused(
                f"policy {decision.policy_name} captures through a proxy or not at all, and none "
                "is set",
                hint="--proxy tor, --proxy socks5://…, or the setting proxy",
            )
        binary, remark = choose_browser(decision.browser, self._executable)
        workspace = BrowserWorkspace.create(spool)
        capture_network: CaptureNetwork | None = None
        try:
            if decision.certificate_authorities:
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
                allow_no_sandbox=self._allow_no_sandbox,
            )
            prewarmed = PrewarmedBrowser(setup, remark)
            prewarmed.start()
        except BaseException:  # also Ctrl-C: nobody else knows these yet
            if capture_network is not None:
                capture_network.guard.stop()
                capture_network.destroy()
            workspace.remove()
            raise
        return prewarmed

    def _capture_network(
        self, decision: Decision, spool: Path, workspace: BrowserWorkspace
    ) -> CaptureNetwork:
        """Return the one way out of a capture. What passes on it is written down."""
        tee_dir = spool / _TEE
        tee_dir.mkdir()
        rules = EgressRules(
            allowed=decision.allow_networks,
            blocked=decision.block_hosts,
            upstream=self._upstream,
            total_bytes=decision.limits.capture_bytes,
        )
        return CaptureNetwork(
            guard=EgressGuard(
                rules,
                clock=self._clock,
                tee=tee_dir,
                resolver=self._resolver,
                awaits_page=True,
            ),
            path=network_path_kind(self._upstream),
            vantage=self._vantage,
            key_log=workspace.key_log,
            tee_dir=tee_dir,
        )

    def _supervise(
        self,
        session: CaptureSession,
        prewarmed: PrewarmedBrowser,
        decision: Decision,
        kill_at: float,
    ) -> None:
        """Return when the session has ended or was ended."""
        thread, processes = prewarmed.thread, prewarmed.setup.processes
        disk_bytes = _DISK_SHARE * decision.limits.capture_bytes + _PROFILE_BYTES
        disk_at = 0.0  # of the last look at it
        try:
            while thread.is_alive():
                left = kill_at - self._clock.monotonic()
                if left <= 0:
                    session.killed("capture-timeout", _overrun(decision))
                    break
                thread.join(min(_WATCH_S, left))
                if processes.is_driver_gone:
                    session.note_driver_gone()
                resident = processes.resident_bytes()
                if resident > decision.limits.memory_bytes * _LOW_SHARE:
                    session.memory_is_low()
                if resident > decision.limits.memory_bytes * _SHORT_SHARE:
                    session.request_script_stop(f"the browser took {resident >> 20} MiB")
                if resident > decision.limits.memory_bytes:
                    self._too_much_memory(session, processes, decision, thread)
                if self._clock.monotonic() - disk_at < _DISK_S:
                    continue
                disk_at = self._clock.monotonic()
                written = prewarmed.setup.workspace.written_bytes(2 * disk_bytes)
                if written > disk_bytes:
                    session.request_script_stop(f"the page wrote {written >> 20} MiB to disk")
                if written > 2 * disk_bytes:  # workers go on
                    session.killed("disk-limit", f"the page wrote {written >> 20} MiB to disk")
                    processes.kill()
        except BaseException:  # Ctrl-C: nothing of ours may go on
            session.killed("interrupted", "interrupted")
            processes.kill()
            thread.join(_JOIN_S)
            raise
        if thread.is_alive():
            processes.kill()
            thread.join(min(_JOIN_S, decision.limits.total_s * _JOIN_SHARE))

    def _too_much_memory(
        self,
        session: CaptureSession,
        processes: BrowserProcesses,
        decision: Decision,
        thread: threading.Thread,
    ) -> None:
        """
        Kill the largest renderer; where that does not help, the browser.

        It may be the page's, or that of a frame of another site, and then the page lives on.
        """
        detail = f"the browser took more than {decision.limits.memory_bytes >> 20} MiB"
        session.note_memory_exhausted(detail)
        processes.kill_largest_renderer()
        end = self._clock.monotonic() + _KILLED_S
        while thread.is_alive() and self._clock.monotonic() < end:
            if processes.resident_bytes() <= decision.limits.memory_bytes:
                return
            thread.join(_WATCH_S / 2)
        if processes.resident_bytes() > decision.limits.memory_bytes:
            session.killed("memory-limit", detail)
            processes.kill()


def network_path_kind(upstream: str) -> str:
    """Return the word for the way that traffic takes: "direct", "proxy" or "tor"."""
    return {"": "direct", "tor": "tor"}.get(upstream, "proxy")


def _overrun(decision: Decision) -> str:
    return f"the capture did not end within {decision.limits.total_s:g} s"
