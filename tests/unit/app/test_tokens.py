"""Owed tokens: none is forgotten, none is stored twice, and one bad entry holds up no other."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from snapshotter.app import pending
from snapshotter.app.keeping import add
from snapshotter.app.pipeline import Result, World, run
from snapshotter.app.remarks import timestamp_state
from snapshotter.app.tokens import TokenDesk, ask_again, remember_missing
from snapshotter.errors import PolicyRefused, ServiceUnavailable
from snapshotter.model.finding import Verdict
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.files import late_tokens_beside
from snapshotter.verify.trust import own_trust
from tests import bundles
from tests.bundles import ChainAuthority, RealClock
from tests.fakes.capturer import FakeCapturer
from tests.servers.authority import Chain
from tests.unit.app.test_pipeline import REQUEST, world


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    made = Chain(tmp_path_factory.mktemp("authority"), "test authority")
    made.make()
    return made


@pytest.fixture
def authority(chain: Chain) -> ChainAuthority:
    return ChainAuthority(chain)


def _owed(here: World, authority: ChainAuthority) -> Result:
    """Make a bundle that waits for this authority, which answers from then on."""
    authority.down = True
    made = run(REQUEST, bundles.decision(), here, lambda *_: None)
    authority.down = False
    return made


def _sidecars(here: World) -> list[Path]:
    return sorted(Path(here.store.url).rglob("*.late-*.tsr"))


def test_who_is_not_configured_at_the_moment_still_owes(
    tmp_path: Path, authority: ChainAuthority
) -> None:
    here = world(tmp_path, authority)
    made = _owed(here, authority)
    stranger = replace(here.desk, authorities=(), anchors=())

    asked = ask_again(stranger)

    assert asked.elsewhere == ((made.bundle.id, authority.name),)
    (entry,) = pending.remembered(here.pending_dir)
    assert entry.authorities == (authority.name,)
    remember_missing(stranger, [made.bundle.id])
    assert [it.authorities for it in pending.remembered(here.pending_dir)] == [(authority.name,)]
    assert ask_again(here.desk).granted == 1
    assert list(pending.remembered(here.pending_dir)) == []


def test_a_bundle_with_nine_bad_sidecars_holds_up_no_other(
    tmp_path: Path, authority: ChainAuthority
) -> None:
    here = world(tmp_path, authority)
    full, other = _owed(here, authority), _owed(here, authority)
    for number in range(1, 10):
        Path(f"{full.location}.late-0{number}.tsr").write_bytes(b"junk")

    asked = ask_again(here.desk)

    assert asked.granted == 1
    assert Path(f"{other.location}.late-01.tsr").is_file()
    (problem,) = asked.problems
    assert full.bundle.id in problem.message
    assert [it.bundle_id for it in pending.remembered(here.pending_dir)] == [full.bundle.id]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"bundle_id": 1}', '{"authorities": "A"}', "[" * 100_000]
)
def test_a_reminder_that_can_not_be_read_holds_up_no_other(
    tmp_path: Path, authority: ChainAuthority, text: str
) -> None:
    here = world(tmp_path, authority)
    _owed(here, authority)
    (here.pending_dir / "0.json").write_text(text)

    asked = ask_again(here.desk)

    assert asked.granted == 1
    (problem,) = asked.problems
    assert "0.json" in problem.message


def test_a_reminder_with_a_key_that_is_none_holds_up_no_other(
    tmp_path: Path, authority: ChainAuthority
) -> None:
    here = world(tmp_path, authority)
    _owed(here, authority)
    (real,) = pending.remembered(here.pending_dir)
    bad = replace(real, bundle_id="0", key="../../etc/passwd")
    pending.remember(here.pending_dir, bad)

    asked = ask_again(here.desk)

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
    first = threading.Thread(target=ask_again, args=(replace(here.desk, authorities=(slow,)),))
    first.start()
    assert reached.wait(20)

    assert ask_again(here.desk).granted == 0  # in passing: somebody else is at it
    with pytest.raises(ServiceUnavailable, match="another process"):
        ask_again(here.desk, wait_s=0.2)
    go_on.set()
    first.join(20)

    assert len(_sidecars(here)) == 1
    assert ask_again(here.desk, wait_s=20).granted == 0
    assert list(pending.remembered(here.pending_dir)) == []


def test_a_token_that_stands_beside_the_bundle_already_is_not_asked_for(
    tmp_path: Path, authority: ChainAuthority
) -> None:
    """A process that dies between the sidecar and the reminder leaves both."""
    here = world(tmp_path, authority)
    made = _owed(here, authority)
    (entry,) = pending.remembered(here.pending_dir)
    assert ask_again(here.desk).granted == 1
    pending.remember(here.pending_dir, entry)
    counting = _Slow(authority, lambda: None)
    told: list[tuple[str, str, datetime | None]] = []

    asked = ask_again(replace(here.desk, authorities=(counting,)), lambda *it: told.append(it))

    assert (asked.granted, counting.asked) == (0, 0)
    assert told[0][:2] == (made.bundle.id, authority.name)
    assert told[0][2] is not None
    assert len(_sidecars(here)) == 1
    assert list(pending.remembered(here.pending_dir)) == []


def test_a_late_token_that_contradicts_the_bundle_is_not_put_beside_it(
    tmp_path: Path, authority: ChainAuthority
) -> None:
    """Sealed under a clock that was ahead: a token of before that time would spoil the bundle."""
    clock = RealClock(timedelta(seconds=400))
    here = replace(world(tmp_path, authority), clock=clock, capturer=FakeCapturer(clock))
    made = run(REQUEST, bundles.decision(), here, lambda *_: None)
    remember_missing(here.desk, [made.bundle.id])

    asked = ask_again(here.desk)

    (problem,) = asked.problems
    assert "the token is not kept" in problem.message
    assert _sidecars(here) == []
    assert ask_again(replace(here.desk, max_skew=timedelta(seconds=500))).granted == 1


def test_a_round_ends_when_its_time_is_over_and_the_next_one_goes_on(
    tmp_path: Path, authority: ChainAuthority
) -> None:
    """A worker's slot that asks for all that hours without an authority left captures nothing."""
    here = world(tmp_path, authority)
    for _ in range(3):
        _owed(here, authority)

    rounds = [ask_again(here.desk, longest_s=0).granted for _ in range(2)]

    assert [*rounds, ask_again(here.desk).granted] == [1, 1, 1]


def test_without_reminders_nothing_is_made(tmp_path: Path) -> None:
    here = world(tmp_path)
    desk: TokenDesk = here.desk

    assert ask_again(desk).granted == 0
    assert not here.pending_dir.exists()


def _signed_by_two(folder: Path, authority: ChainAuthority) -> World:
    here = world(folder, authority)
    cosigner = bundles.new_signer()
    trust = own_trust([here.signer.public_key, cosigner.public_key], [authority.anchor])
    return replace(here, cosigners=(cosigner,), trust=trust)


def _verdict(here: World, made: Result) -> Verdict:
    file = Path(made.location)
    with file.open("rb") as stream:
        late = late_tokens_beside(file)
        return verify_bundle(stream, here.trust, now=here.clock.now(), late_tokens=late).verdict


def test_each_of_several_signatures_is_remembered_and_gets_its_own_token(
    tmp_path: Path, authority: ChainAuthority
) -> None:
    here = _signed_by_two(tmp_path, authority)
    made = _owed(here, authority)
    first, second = made.bundle.signatures

    entries = list(pending.remembered(here.pending_dir))
    assert [(it.slot, it.signature) for it in entries] == [
        (1, first.signature),
        (2, second.signature),
    ]
    assert _verdict(here, made) is Verdict.INDETERMINATE
    assert "pending" in timestamp_state(made)

    assert ask_again(here.desk).granted == 2

    assert list(pending.remembered(here.pending_dir)) == []
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
        pending.forget(here.pending_dir, made.bundle.id, slot)

    remember_missing(here.desk, [made.bundle.id])

    (entry,) = pending.remembered(here.pending_dir)
    assert (entry.slot, entry.signature) == (1, made.bundle.signature)
    assert ask_again(here.desk).granted == 1
    assert _verdict(here, made) is Verdict.PASSED


def test_late_tokens_of_every_signature_come_along_into_another_store(
    tmp_path: Path, authority: ChainAuthority
) -> None:
    here = _signed_by_two(tmp_path / "a", authority)
    made = _owed(here, authority)
    ask_again(here.desk)
    other = DirectoryStore(tmp_path / "b")

    added = add(Path(made.location), other, here.trust, now=here.clock.now())

    assert added.passed_over == ()
    assert len(list((tmp_path / "b").rglob("*.late-*.tsr"))) == 2


def test_a_policy_that_requires_more_signers_than_there_are_captures_nothing(
    tmp_path: Path, authority: ChainAuthority
) -> None:
    here = world(tmp_path, authority)

    with pytest.raises(PolicyRefused, match="requires 2 signatures"):
        run(REQUEST, bundles.decision(require_signatures=2), here, lambda *_: None)

    assert not (tmp_path / "store").exists() or not list((tmp_path / "store").rglob("*.wacz"))
