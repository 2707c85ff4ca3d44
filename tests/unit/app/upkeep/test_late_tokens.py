"""Owed tokens: none is forgotten, none is stored twice, and one bad entry holds up no other."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from snapshotter.app.pipeline.capture_warnings import timestamp_state
from snapshotter.app.pipeline.run import CaptureDependencies, CaptureResult, run
from snapshotter.app.pipeline.safekeeping import add_bundle
from snapshotter.app.upkeep import owed_tokens
from snapshotter.app.upkeep.late_tokens import TokenService, remember_missing, request_owed_tokens
from snapshotter.errors import PolicyRefused, ServiceUnavailable
from snapshotter.model.finding import Verdict
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.sidecars import sidecars_on_disk
from snapshotter.verify.trust import own_trust
from tests import bundles
from tests.bundles import ChainAuthority, RealClock
from tests.fakes.capturer import FakeCapturer
from tests.servers.authority import Chain
from tests.unit.app.pipeline.test_run import REQUEST, world


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    made = Chain(tmp_path_factory.mktemp("authority"), "test authority")
    made.make()
    return made


@pytest.fixture
def authority(chain: Chain) -> ChainAuthority:
    return ChainAuthority(chain)


def _owed(here: CaptureDependencies, authority: ChainAuthority) -> CaptureResult:
    """Make a bundle that waits for this authority, which answers from then on."""
    authority.down = True
    made = run(REQUEST, bundles.decision(), here, lambda *_: None)
    authority.down = False
    return made


def _sidecars(here: CaptureDependencies) -> list[Path]:
    return sorted(Path(here.store.url).rglob("*.late-*.tsr"))


def test_who_is_not_configured_at_the_moment_still_owes(
    tmp_path: Path, authority: ChainAuthority
) -> None:
    here = world(tmp_path, authority)
    made = _owed(here, authority)
    stranger = replace(here.service, authorities=(), anchors=())

    asked = request_owed_tokens(stranger)

    assert asked.not_configured == ((made.bundle.id, authority.name),)
    (entry,) = owed_tokens.list_reminders(here.pending_dir)
    assert entry.authorities == (authority.name,)
    remember_missing(stranger, [made.bundle.id])
    assert [token.authorities for token in owed_tokens.list_reminders(here.pending_dir)] == [
        (authority.name,)
    ]
    assert request_owed_tokens(here.service).granted == 1
    assert list(owed_tokens.list_reminders(here.pending_dir)) == []


def test_a_bundle_with_nine_bad_sidecars_holds_up_no_other(
    tmp_path: Path, authority: ChainAuthority
) -> None:
    here = world(tmp_path, authority)
    full, other = _owed(here, authority), _owed(here, authority)
    for number in range(1, 10):
        Path(f"{full.location}.late-0{number}.tsr").write_bytes(b"junk")

    asked = request_owed_tokens(here.service)

    assert asked.granted == 1
    assert Path(f"{other.location}.late-01.tsr").is_file()
    (problem,) = asked.problems
    assert full.bundle.id in problem.message
    assert [token.bundle_id for token in owed_tokens.list_reminders(here.pending_dir)] == [
        full.bundle.id
    ]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"bundle_id": 1}', '{"authorities": "A"}', "[" * 100_000]
)
def test_a_reminder_that_can_not_be_read_holds_up_no_other(
    tmp_path: Path, authority: ChainAuthority, text: str
) -> None:
    here = world(tmp_path, authority)
    _owed(here, authority)
    (here.pending_dir / "0.json").write_text(text)

    asked = request_owed_tokens(here.service)

    assert asked.granted == 1
    (problem,) = asked.problems
    assert "0.json" in problem.message


def test_a_reminder_with_a_key_that_is_none_holds_up_no_other(
    tmp_path: Path, authority: ChainAuthority
) -> None:
    here = world(tmp_path, authority)
    _owed(here, authority)
    (real,) = owed_tokens.list_reminders(here.pending_dir)
    bad = replace(real, bundle_id="0", key="../../etc/passwd")
    owed_tokens.save_reminder(here.pending_dir, bad)

    asked = request_owed_tokens(here.service)

    assert asked.granted == 1
    assert len(asked.problems) == 1


class _Slow:
    """An authority that answers when it is told to, and counts who asked."""

    def __init__(self, inner: ChainAuthority, before: Callable[[], object]) -> None:
        self._inner = inner
        self._before = before
        self.asked = 0

    @property
    def name(self) -> str:
        return self._inner.name

    def stamp(self, message: bytes) -> tuple[bytes, datetime]:
        self.asked += 1
        self._before()
        return self._inner.stamp(message)


def test_of_two_that_ask_at_once_one_stores_its_token(
    tmp_path: Path, authority: ChainAuthority
) -> None:
    here = world(tmp_path, authority)
    _owed(here, authority)
    reached, go_on = threading.Event(), threading.Event()

    def before() -> None:
        reached.set()
        go_on.wait(20)

    slow = _Slow(authority, before)
    first = threading.Thread(
        target=request_owed_tokens, args=(replace(here.service, authorities=(slow,)),)
    )
    first.start()
    assert reached.wait(20)

    assert request_owed_tokens(here.service).granted == 0  # in passing: somebody else is at it
    with pytest.raises(ServiceUnavailable, match="another process"):
        request_owed_tokens(here.service, wait_s=0.2)
    go_on.set()
    first.join(20)

    assert len(_sidecars(here)) == 1
    assert request_owed_tokens(here.service, wait_s=20).granted == 0
    assert list(owed_tokens.list_reminders(here.pending_dir)) == []


def test_a_token_that_stands_beside_the_bundle_already_is_not_asked_for(
    tmp_path: Path, authority: ChainAuthority
) -> None:
    """A process that dies between the sidecar and the reminder leaves both."""
    here = world(tmp_path, authority)
    made = _owed(here, authority)
    (entry,) = owed_tokens.list_reminders(here.pending_dir)
    assert request_owed_tokens(here.service).granted == 1
    owed_tokens.save_reminder(here.pending_dir, entry)
    counting = _Slow(authority, lambda: None)
    told: list[tuple[str, str, datetime | None]] = []

    asked = request_owed_tokens(
        replace(here.service, authorities=(counting,)), lambda *message: told.append(message)
    )

    assert (asked.granted, counting.asked) == (0, 0)
    assert told[0][:2] == (made.bundle.id, authority.name)
    assert told[0][2] is not None
    assert len(_sidecars(here)) == 1
    assert list(owed_tokens.list_reminders(here.pending_dir)) == []


def test_a_late_token_that_contradicts_the_bundle_is_not_put_beside_it(
    tmp_path: Path, authority: ChainAuthority
) -> None:
    """Sealed under a clock that was ahead: a token of before that time would spoil the bundle."""
    clock = RealClock(timedelta(seconds=400))
    here = replace(world(tmp_path, authority), clock=clock, capturer=FakeCapturer(clock))
    made = run(REQUEST, bundles.decision(), here, lambda *_: None)
    remember_missing(here.service, [made.bundle.id])

    asked = request_owed_tokens(here.service)

    (problem,) = asked.problems
    assert "The token is not kept" in problem.message
    assert _sidecars(here) == []
    assert request_owed_tokens(replace(here.service, max_skew=timedelta(seconds=500))).granted == 1


def test_a_round_ends_when_its_time_is_over_and_the_next_one_goes_on(
    tmp_path: Path, authority: ChainAuthority
) -> None:
    """A worker's slot that asks for all that hours without an authority left captures nothing."""
    here = world(tmp_path, authority)
    for _ in range(3):
        _owed(here, authority)

    rounds = [request_owed_tokens(here.service, longest_s=0).granted for _ in range(2)]

    assert [*rounds, request_owed_tokens(here.service).granted] == [1, 1, 1]


def test_without_reminders_nothing_is_made(tmp_path: Path) -> None:
    here = world(tmp_path)
    service: TokenService = here.service

    assert request_owed_tokens(service).granted == 0
    assert not here.pending_dir.exists()


def _signed_by_two(folder: Path, authority: ChainAuthority) -> CaptureDependencies:
    here = world(folder, authority)
    cosigner = bundles.new_signer()
    trust = own_trust([here.signer.public_key, cosigner.public_key], [authority.anchor])
    return replace(here, cosigners=(cosigner,), trust=trust)


def _verdict(here: CaptureDependencies, made: CaptureResult) -> Verdict:
    file = Path(made.location)
    with file.open("rb") as stream:
        late = sidecars_on_disk(file, "late-")
        return verify_bundle(stream, here.trust, now=here.clock.now(), sidecars=late).verdict


def test_each_of_several_signatures_is_remembered_and_gets_its_own_token(
    tmp_path: Path, authority: ChainAuthority
) -> None:
    here = _signed_by_two(tmp_path, authority)
    made = _owed(here, authority)
    first, second = made.bundle.signatures

    entries = list(owed_tokens.list_reminders(here.pending_dir))
    assert [(token.slot, token.signature) for token in entries] == [
        (1, first.signature),
        (2, second.signature),
    ]
    assert _verdict(here, made) is Verdict.INDETERMINATE
    assert "not confirmed yet" in timestamp_state(made)

    assert request_owed_tokens(here.service).granted == 2

    assert list(owed_tokens.list_reminders(here.pending_dir)) == []
    assert len(_sidecars(here)) == 2
    assert _verdict(here, made) is Verdict.PASSED


def test_one_signature_s_token_settles_nothing_for_the_other(
    tmp_path: Path, authority: ChainAuthority
) -> None:
    here = _signed_by_two(tmp_path, authority)
    made = _owed(here, authority)
    Path(f"{made.location}.late-01.tsr").write_bytes(
        authority.response(made.bundle.signatures[1].signature)
    )
    for slot in (1, 2):
        owed_tokens.forget(here.pending_dir, made.bundle.id, slot)

    remember_missing(here.service, [made.bundle.id])

    (entry,) = owed_tokens.list_reminders(here.pending_dir)
    assert (entry.slot, entry.signature) == (1, made.bundle.signature)
    assert request_owed_tokens(here.service).granted == 1
    assert _verdict(here, made) is Verdict.PASSED


def test_late_tokens_of_every_signature_come_along_into_another_store(
    tmp_path: Path, authority: ChainAuthority
) -> None:
    here = _signed_by_two(tmp_path / "a", authority)
    made = _owed(here, authority)
    request_owed_tokens(here.service)
    other = DirectoryStore(tmp_path / "b")

    added = add_bundle(Path(made.location), other, here.trust, now=here.clock.now())

    assert added.passed_over == ()
    assert len(list((tmp_path / "b").rglob("*.late-*.tsr"))) == 2


def test_a_policy_that_requires_more_signers_than_there_are_captures_nothing(
    tmp_path: Path, authority: ChainAuthority
) -> None:
    here = world(tmp_path, authority)

    with pytest.raises(PolicyRefused, match="required signatures: 2"):
        run(REQUEST, bundles.decision(require_signatures=2), here, lambda *_: None)

    assert not (tmp_path / "store").exists() or not list((tmp_path / "store").rglob("*.wacz"))
