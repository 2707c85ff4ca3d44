"""The way of one capture: nothing is lost, nothing is stored that does not hold."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from typing_extensions import override

from snapshotter.app.machine import RandomIds
from snapshotter.app.pipeline import capture_warnings, safekeeping
from snapshotter.app.pipeline.anchored_clock import AnchoredClock
from snapshotter.app.pipeline.prewarm import Prewarmer
from snapshotter.app.pipeline.run import CaptureDependencies, run
from snapshotter.app.upkeep import owed_tokens
from snapshotter.app.upkeep.late_tokens import TokenService, request_owed_tokens
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats.bundle.receipts import store_id
from snapshotter.formats.proofs.rfc3161 import Anchor
from snapshotter.model.bundle import Retention, StoredObject, TokenState
from snapshotter.model.capture import Capture, Disclosure
from snapshotter.model.custody import INGESTION, SIGNATURE
from snapshotter.model.finding import Verdict
from snapshotter.model.request import CaptureRequest, Decision
from snapshotter.ports import Clock, Content, PictureReader, Progress
from snapshotter.seal.signer import FileSigner
from snapshotter.seal.timestamp import HttpTimestampAuthority
from snapshotter.store import custodial_store
from snapshotter.store.custodial_store import CustodialStore
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.store.receipt_files import ReceiptFiles
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.sidecars import sidecars_on_disk
from snapshotter.verify.trust import own_trust
from tests import bundles
from tests.bundles import ChainAuthority, RealClock, unpack
from tests.fakes.capturer import FakeCapturer
from tests.servers.authority import TestAuthority

ROOT = Path(__file__).resolve().parents[4]
REQUEST = CaptureRequest(url=bundles.URL)
SALT = Disclosure(
    commitment="sha256:" + "0" * 64, place="request-header", name="cookie", salt="5a17" * 8
)


def world(
    folder: Path, *authorities: ChainAuthority, signer: FileSigner | None = None
) -> CaptureDependencies:
    """A real world but for the browser."""
    key = signer or bundles.new_signer()
    store = DirectoryStore(folder / "store")
    return CaptureDependencies(
        clock=RealClock(),
        ids=RandomIds(),
        capturer=FakeCapturer(RealClock()),
        signer=key,
        authorities=authorities,
        timestamp_timeout_s=30,
        store=store,
        service=TokenService(
            authorities=authorities,
            anchors=tuple(authority.anchor for authority in authorities),
            store=store,
            pending_dir=folder / "pending",
        ),
        trust=own_trust([key.public_key], [authority.anchor for authority in authorities]),
        spool_dir=folder / "spool",
        pending_dir=folder / "pending",
        salts_dir=folder / "store.private",
        rejected_dir=folder / "rejected",
        unstored_dir=folder / "unstored",
        software=bundles.SOFTWARE,
    )


def _quiet(stage: str, detail: str) -> None:
    """Nobody watches."""


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_capture_becomes_a_stored_bundle_that_passes(
    tmp_path: Path, authority: ChainAuthority
) -> None:
    here = world(tmp_path, authority)

    result = run(REQUEST, bundles.decision(), here, _quiet)

    data = Path(result.location).read_bytes()
    assert result.report.verdict is Verdict.PASSED
    assert bundles.file_digest(data) == result.bundle.digests
    assert list(here.spool_dir.iterdir()) == []
    assert not here.pending_dir.exists()
    assert result.stage_ms["total"] >= result.stage_ms["seal"]
    # On a busy machine, the cleanup that goes on beside them ends between the two.
    spans = [span.name for span in result.timings.spans if span.name != "cleanup"]
    assert spans[-2:] == ["verify", "store"]
    assert capture_warnings.timestamp_state(result).startswith("test authority 2")


def test_a_browser_that_can_not_be_freed_is_reported_and_its_bundle_is_kept(
    tmp_path: Path,
) -> None:
    class Stuck(FakeCapturer):
        @override
        def discard(self, spool: Path) -> None:
            super().discard(spool)
            if len(self.discarded) == 1:
                raise OSError("a process that nobody may end")

    capturer = Stuck(RealClock())
    here = replace(world(tmp_path), capturer=capturer)

    with pytest.raises(SnapshotterError, match="nobody may end") as caught:
        run(REQUEST, bundles.decision(), here, _quiet)

    (kept,) = here.unstored_dir.glob("*.wacz")
    assert str(kept) in caught.value.hint
    assert not list((tmp_path / "store").rglob("*.wacz"))
    assert list(here.spool_dir.iterdir()) == []


def test_the_next_browser_starts_when_the_page_is_recorded_and_not_earlier(
    tmp_path: Path,
) -> None:
    class Watching(FakeCapturer):
        @override
        def capture(self, *arguments: Any, **more: Any) -> Capture:
            request, decision, spool, progress = arguments

            def report(stage: str, detail: str) -> None:
                progress(stage, detail)
                began.append((stage, prewarmer._beginning is not None))

            return super().capture(request, decision, spool, report, **more)

    began: list[tuple[str, bool]] = []
    here = replace(world(tmp_path), capturer=Watching(RealClock()))
    with Prewarmer(here.capturer, here.spool_dir, here.ids) as prewarmer:
        run(REQUEST, bundles.decision(), here, _quiet, prewarmer=prewarmer, more=True)
        run(REQUEST, bundles.decision(), here, _quiet, prewarmer=prewarmer)

    assert began == [("navigate", False), ("record", True), ("navigate", False), ("record", False)]


def test_where_custody_is_kept_the_bundle_comes_with_what_happened_since_its_seal(
    tmp_path: Path, authority: ChainAuthority
) -> None:
    here = world(tmp_path, authority)
    kept = CustodialStore(
        here.store,
        receipts_name=store_id("a store"),
        receipts=ReceiptFiles(tmp_path / "receipts"),
        clock=RealClock(),
        ids=RandomIds(),
        software="a test",
        by="",
        show_message=pytest.fail,
    )

    result = run(REQUEST, bundles.decision(), replace(here, store=kept, custody=kept), _quiet)

    beside = [
        link
        for link in custodial_store.read_chain(here.store, result.bundle.id).events
        if link.number
    ]
    assert [(link.event.event, link.number) for link in beside] == [
        (SIGNATURE, 1),  # of the bundle
        (SIGNATURE, 1),  # of the authority, over it
        (INGESTION, 1),
    ]


def test_a_store_that_refuses_leaves_the_sealed_bundle_and_says_where(tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(b"not a directory")
    here = world(tmp_path)

    with pytest.raises(SnapshotterError) as caught:
        run(REQUEST, bundles.decision(), here, _quiet)

    (kept,) = here.unstored_dir.iterdir()
    assert str(kept) in caught.value.hint
    assert unpack(kept.read_bytes())
    assert list(here.spool_dir.iterdir()) == []


def test_a_bundle_that_our_own_verifier_refuses_is_kept_and_not_stored(tmp_path: Path) -> None:
    class Broken(FileSigner):
        @override
        def sign(self, message: bytes) -> bytes:
            return super().sign(message + b"x")

    here = world(tmp_path, signer=Broken(bundles.new_signer()._private_key))

    with pytest.raises(SnapshotterError, match="the verification of the new bundle failed"):
        run(REQUEST, bundles.decision(), here, _quiet)

    assert len(list(here.rejected_dir.iterdir())) == 1
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("directory", ["salts_dir", "pending_dir", "unstored_dir"])
def test_what_can_not_be_written_is_known_before_a_browser_is_launched(
    tmp_path: Path, directory: str
) -> None:
    def launched(spool: Path) -> None:
        raise AssertionError("a browser was launched")

    here = replace(world(tmp_path), capturer=FakeCapturer(RealClock(), hook=launched))
    getattr(here, directory).write_bytes(b"not a directory")

    with pytest.raises(SnapshotterError, match="cannot be written to"):
        run(REQUEST, bundles.decision(), here, _quiet)


@pytest.mark.parametrize("directory", ["salts_dir", "pending_dir"])
def test_a_file_beside_the_bundle_that_can_not_be_written_costs_no_bundle(
    tmp_path: Path, authority: ChainAuthority, directory: str
) -> None:
    here = world(tmp_path, authority)
    spoil = getattr(here, directory)
    here = replace(
        here,
        capturer=FakeCapturer(
            RealClock(), disclosures=(SALT,), hook=lambda _: (spoil.write_bytes(b""), None)[1]
        ),
    )
    authority.down = True
    try:
        with pytest.raises(SnapshotterError) as caught:
            run(REQUEST, bundles.decision(), here, _quiet)
    finally:
        authority.down = False

    (kept,) = here.unstored_dir.glob("*.wacz")
    assert f"store add {kept}\n  snapshotter timestamp" in caught.value.hint
    assert unpack(kept.read_bytes())
    salts_in = here.unstored_dir if directory == "salts_dir" else here.salts_dir
    (salts,) = salts_in.glob("*.salts.jsonl")
    assert SALT.salt.encode() in salts.read_bytes()
    assert list(here.spool_dir.iterdir()) == []


class _FailingStore(DirectoryStore):
    """Raises what it was given."""

    error: BaseException

    @override
    def put_new(
        self, key: str, source: Content, sha256: str, *, retention: Retention | None = None
    ) -> StoredObject:
        raise self.error


def _failing(folder: Path, error: BaseException) -> CaptureDependencies:
    store = _FailingStore(folder / "store")
    store.error = error
    return replace(world(folder), store=store)


@pytest.mark.parametrize(
    "error",
    [FileExistsError("other bytes"), FileNotFoundError("gone"), KeyError("a bug"), MemoryError()],
)
def test_no_failure_of_a_store_costs_the_bundle(tmp_path: Path, error: Exception) -> None:
    here = _failing(tmp_path, error)

    with pytest.raises(SnapshotterError, match="could not be stored") as caught:
        run(REQUEST, bundles.decision(), here, _quiet)

    (kept,) = here.unstored_dir.iterdir()
    assert str(kept) in caught.value.hint


def test_ctrl_c_while_storing_costs_no_bundle_and_says_where_it_is(tmp_path: Path) -> None:
    here = _failing(tmp_path, KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt) as caught:
        run(REQUEST, bundles.decision(), here, _quiet)

    (kept,) = here.unstored_dir.iterdir()
    assert str(kept) in caught.value.__notes__[0]


def test_a_bundle_that_can_not_be_moved_stays_in_the_spool_until_it_can(tmp_path: Path) -> None:
    here = _failing(tmp_path, FileNotFoundError("gone"))

    def spoil(spool: Path) -> None:
        here.unstored_dir.write_bytes(b"not a directory")

    spoiled = replace(here, capturer=FakeCapturer(RealClock(), hook=spoil))
    with pytest.raises(SnapshotterError) as caught:
        run(REQUEST, bundles.decision(), spoiled, _quiet)

    (left,) = here.spool_dir.glob("*/files/*.wacz")
    assert f"is still at {left}" in caught.value.hint
    assert safekeeping.rescue_spooled(here) == (left,)
    here.unstored_dir.unlink()
    (kept,) = safekeeping.rescue_spooled(here)
    assert kept.parent == here.unstored_dir
    assert unpack(kept.read_bytes())
    assert safekeeping.rescue_spooled(here) == ()
    assert list(here.spool_dir.iterdir()) == []


def test_a_browser_that_can_not_be_had_leaves_nothing(tmp_path: Path) -> None:
    def unavailable(spool: Path) -> None:
        raise ServiceUnavailable("no browser")

    here = replace(world(tmp_path), capturer=FakeCapturer(RealClock(), hook=unavailable))

    with pytest.raises(ServiceUnavailable):
        run(REQUEST, bundles.decision(), here, _quiet)

    assert _files(tmp_path) == []


def test_salts_are_private_and_outside_the_store(tmp_path: Path) -> None:
    here = replace(world(tmp_path), capturer=FakeCapturer(RealClock(), disclosures=(SALT,)))

    result = run(REQUEST, bundles.decision(), here, _quiet)

    (salts,) = here.salts_dir.iterdir()
    assert salts.stat().st_mode & 0o777 == 0o600
    assert SALT.salt.encode() in salts.read_bytes()
    assert (tmp_path / "store") not in salts.parents
    assert SALT.salt.encode() not in Path(result.location).read_bytes()


def test_what_the_policy_takes_out_of_an_address_is_never_asked_for(tmp_path: Path) -> None:
    visited: list[CaptureRequest] = []

    class Noting(FakeCapturer):
        @override
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
            visited.append(request)
            return super().capture(request, decision, spool, progress)

    here = replace(world(tmp_path), capturer=Noting(RealClock()))
    asked = CaptureRequest(url=f"{bundles.URL}?srcid=1&page=2")

    run(asked, replace(bundles.decision(), strip_params=("srcid",)), here, _quiet)

    assert [(request.url, request.original) for request in visited] == [
        (f"{bundles.URL}?page=2", asked.url)
    ]


def test_an_authority_that_is_down_owes_a_token_and_pays_it_later(tmp_path: Path) -> None:
    with TestAuthority(tmp_path / "tsa") as server:
        root = x509.load_pem_x509_certificate(server.root_pem)
        anchor = Anchor(name="A", root=root, policy_oids=frozenset({server.policy_oid}))

        def at(kind: str) -> HttpTimestampAuthority:
            return HttpTimestampAuthority(
                "A", server.url(kind), anchor, clock=RealClock(), ids=RandomIds(), timeout_s=20
            )

        signer = bundles.new_signer()
        trust = own_trust([signer.public_key], [anchor])
        base = replace(world(tmp_path, signer=signer), trust=trust)
        down = replace(base, authorities=(at("500"),))

        result = run(REQUEST, bundles.decision(), down, _quiet)
        assert result.report.verdict is Verdict.INDETERMINATE
        assert "not confirmed yet" in capture_warnings.timestamp_state(result)
        (owed,) = owed_tokens.list_reminders(base.pending_dir)
        assert owed.authorities == ("A",)

        told: list[tuple[str, str, datetime | None]] = []
        service = replace(base.service, authorities=down.authorities, anchors=(anchor,))
        assert request_owed_tokens(service, lambda *message: told.append(message)).granted == 0
        assert told == [(result.bundle.id, "A", None)]
        assert len(list(owed_tokens.list_reminders(base.pending_dir))) == 1

        assert request_owed_tokens(replace(service, authorities=(at("good"),))).granted == 1

    file = Path(result.location)
    with file.open("rb") as stream:
        report = verify_bundle(
            stream, trust, now=datetime.now(UTC), sidecars=sidecars_on_disk(file, "late-")
        )
    assert report.verdict is Verdict.PASSED
    assert list(owed_tokens.list_reminders(base.pending_dir)) == []
    assert bundles.file_digest(file.read_bytes()) == result.bundle.digests


def test_no_token_is_put_beside_a_bundle_that_never_came(
    tmp_path: Path, authority: ChainAuthority
) -> None:
    """The reminder is written first: a crash right after it leaves one without a bundle."""
    here = world(tmp_path, authority)
    entry = owed_tokens.PendingToken(
        bundle_id=bundles.BUNDLE_ID,
        store=here.store.url,
        key=f"bundles/2026/01/15/{bundles.BUNDLE_ID}.wacz",
        signature=b"s",
        authorities=(authority.name,),
    )
    owed_tokens.save_reminder(here.pending_dir, entry)

    assert request_owed_tokens(here.service).granted == 0
    assert not (tmp_path / "store").exists()


def test_reminders_of_another_store_are_left_alone(tmp_path: Path) -> None:
    here = world(tmp_path)
    entry = owed_tokens.PendingToken(
        bundle_id="x", store="s3://elsewhere", key="k", signature=b"s", authorities=("A",)
    )
    owed_tokens.save_reminder(here.pending_dir, entry)

    assert request_owed_tokens(here.service).granted == 0
    assert list(owed_tokens.list_reminders(here.pending_dir)) == [entry]


# --- clocks ----------------------------------------------------------------------------------


class _SetClock(RealClock):
    """A clock that somebody sets while time goes on."""

    def set_by(self, by: timedelta) -> None:
        self._offset += by

    @override
    def monotonic(self) -> float:
        return time.monotonic()


@pytest.mark.parametrize("by", [timedelta(days=400), timedelta(seconds=400)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_clock_that_contradicts_an_authority_costs_its_token_and_no_bundle(
    tmp_path: Path, authority: ChainAuthority, by: timedelta, sign: int
) -> None:
    clock = _SetClock(by * sign)
    here = replace(world(tmp_path, authority), clock=clock, capturer=FakeCapturer(clock))

    result = run(REQUEST, bundles.decision(), here, _quiet)

    assert result.report.verdict is Verdict.INDETERMINATE
    (token,) = result.bundle.tokens
    assert (token.state, token.time, token.response) == (TokenState.REFUSED, None, b"")
    assert f"differ by {by.total_seconds():.0f} s" in token.detail
    (warning,) = capture_warnings.clock_warnings(result)
    assert "Set the clock" in warning
    assert ("ahead" if sign > 0 else "behind") in warning
    assert list(owed_tokens.list_reminders(here.pending_dir)) == []  # nobody asks again and again
    assert capture_warnings.timestamp_state(result) == (
        "not confirmed: the clock of this machine differs too much from the time of the timestamp "
        "authorities"
    )
    assert Path(result.location).is_file()
    assert list(here.rejected_dir.glob("*")) == []


def test_a_clock_within_the_skew_costs_nothing(tmp_path: Path, authority: ChainAuthority) -> None:
    clock = _SetClock(timedelta(seconds=250))
    here = replace(world(tmp_path, authority), clock=clock, capturer=FakeCapturer(clock))

    result = run(REQUEST, bundles.decision(), here, _quiet)

    assert result.report.verdict is Verdict.PASSED
    assert capture_warnings.clock_warnings(result) == ()


@pytest.mark.parametrize("seconds", [-3600, -60, -3, 60, 3600])
@pytest.mark.parametrize("shared", [True, False], ids=["shared clock", "clock of its own"])
def test_a_clock_that_is_set_during_a_capture_costs_nothing(
    tmp_path: Path, authority: ChainAuthority, seconds: int, shared: bool
) -> None:
    """Whether the capturer has the pipeline's clock or, like the first one, its own."""
    machine = _SetClock()
    clock: Clock = AnchoredClock(machine) if shared else machine

    class Setting(FakeCapturer):
        @override
        def capture(self, *arguments: Any, **more: Any) -> Capture:
            began = clock.now()
            machine.set_by(timedelta(seconds=seconds))
            made = super().capture(*arguments)
            return replace(
                made, started_at=began, navigation_started_at=began, navigation_ended_at=began
            )

    here = replace(world(tmp_path, authority), clock=clock, capturer=Setting(clock))

    result = run(REQUEST, bundles.decision(), here, _quiet)

    assert result.report.verdict is Verdict.PASSED
    assert result.capture.started_at <= result.capture.ended_at <= result.bundle.sealed_at


# --- kill -9 ---------------------------------------------------------------------------------

POINTS = (
    *("capture", "navigate", "seal", "sign", "derive", "timestamp", "verify", "store"),
    "stored",
)


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class _DyingSigner(FileSigner):
    """Dies when asked for one of its two signatures."""

    at = ""

    @override
    def sign(self, message: bytes) -> bytes:
        if self.at == "sign":
            _die()
        return super().sign(message)

    @override
    def sign_wacz_hash(self, hash_text: bytes) -> bytes:
        if self.at == "derive":
            _die()
        return super().sign_wacz_hash(hash_text)


class _DyingStore(DirectoryStore):
    """Dies right after a write that lasted."""

    @override
    def put_new(
        self, key: str, source: Content, sha256: str, *, retention: Retention | None = None
    ) -> StoredObject:
        super().put_new(key, source, sha256, retention=retention)
        _die()
        raise AssertionError("dead processes do not raise")


def die_in_a_capture(folder: Path, point: str) -> None:
    """Run one capture that is killed at `point`; called in a process of its own."""
    signer = _DyingSigner(bundles.new_signer()._private_key)
    signer.at = point
    hook: Callable[[Path], None] | None = _die if point == "capture" else None
    here = replace(
        world(folder, signer=signer),
        capturer=FakeCapturer(RealClock(), disclosures=(SALT,), hook=hook),
    )
    if point == "stored":
        here = replace(here, store=_DyingStore(folder / "store"))

    def progress(stage: str, detail: str) -> None:
        moment = "verify" if (stage, detail) == ("store", "verify") else stage
        if moment == point:
            _die()

    run(REQUEST, bundles.decision(), here, progress)


def die_at_each_point(folder: Path) -> None:
    """Do that at each point, in a folder of its name; called in a process of its own."""
    ended = {}
    for point in POINTS:
        (folder / point).mkdir()
        pid = os.fork()
        if pid == 0:
            try:
                die_in_a_capture(folder / point, point)
            finally:
                os._exit(1)  # it lived
        ended[point] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print(json.dumps(ended))  # noqa: T201 - it is for the process that started this one


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """
    Captures killed at each point: a folder with one of each name, and how each ended.

    In a process of its own, which forks for each: what is killed is a real process, and
    nothing of it is cleaned up.
    """
    folder = tmp_path_factory.mktemp("killed")
    program = (
        f"from pathlib import Path; from {__name__} import die_at_each_point; "
        f"die_at_each_point(Path({str(folder)!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=240,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


@pytest.mark.xdist_group("killed-captures")  # one worker, one process that dies at each point
@pytest.mark.parametrize("point", POINTS)
def test_kill_9_leaves_no_bundle_or_a_whole_one_and_the_next_run_sweeps(
    killed: tuple[Path, dict[str, int]], point: str
) -> None:
    folder, ended = killed
    tmp_path = folder / point
    assert ended[point] == -signal.SIGKILL
    left = _files(tmp_path / "store") if (tmp_path / "store").exists() else []
    assert len(left) == (1 if point == "stored" else 0)
    for name in left:
        assert unpack((tmp_path / "store" / name).read_bytes())
        assert len(list((tmp_path / "store.private").iterdir())) == 1
    assert len(list((tmp_path / "spool").iterdir())) == 1

    here = world(tmp_path)
    rescued = safekeeping.rescue_spooled(here)
    assert len(rescued) == (1 if point in {"verify", "store"} else 0)
    for bundle in rescued:
        assert unpack(bundle.read_bytes())
        assert len(list(here.salts_dir.iterdir())) == 1
    result = run(REQUEST, bundles.decision(), here, _quiet)

    assert list((tmp_path / "spool").iterdir()) == []
    assert Path(result.location).is_file()
    assert len(_files(tmp_path / "store")) == len(left) + 1
