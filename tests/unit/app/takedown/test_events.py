"""Events on their way into a store and its log, also after a crash between two steps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import pytest

from snapshotter.app import store_records
from snapshotter.app.archive.observations import ObservationSource
from snapshotter.app.takedown import events as takedowns
from snapshotter.app.takedown.events import Derivation, TakedownService, derive, describe_missing
from snapshotter.app.upkeep.log_entries import StoreLog
from snapshotter.app.upkeep.log_sync import sync_log
from snapshotter.assess.takedown_events import (
    MissingEvidence,
    MissingKind,
    PagePresence,
    captures_of_event,
)
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import names, store_keys
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.proofs.leaf import BUNDLE, TAKEDOWN, Leaf
from snapshotter.formats.proofs.note import LogPolicy
from snapshotter.formats.statements import takedown
from snapshotter.index.open_index import open_index_file
from snapshotter.index.store_index import Index
from snapshotter.model.assessment import Assessment, Cause
from snapshotter.model.network import NetworkPath
from snapshotter.model.notification import NotificationEvent, NotificationKind, NotificationScope
from snapshotter.model.takedown import ConfirmRules, Observation, Takedown, TakedownKind
from snapshotter.model.verified_facts import VerifiedFacts
from snapshotter.ports import ObjectStore
from snapshotter.seal.signer import FileSigner
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.verify.trust import own_trust
from tests import audited, bundles, exhibits, logs, observed
from tests.fakes.world import FixedClock
from tests.observed import ACCOUNT, ARTICLE, IDENTITY, OTHER, at
from tests.unit.policy.test_page_identity import RULES

SHORT = "https://mp.weixin.qq.com/s/AbCdEfGhIj_kLmNoPqRsTu"
SIGNER, EVENTS = bundles.new_signer(), bundles.new_signer()


@dataclass
class Bench:
    """A store with a log, captures to put into it, and what was told."""

    folder: Path
    index: Index
    told: list[NotificationEvent] = field(default_factory=list)
    now: datetime = field(default_factory=lambda: at(24 * 60))
    signer: FileSigner = EVENTS
    logging: bool = True
    trusted_log: LogPolicy | None = None

    def __post_init__(self) -> None:
        self.store = DirectoryStore(self.folder / "store")
        self.writer = logs.writer(self.store)
        self.writer.create()

    @property
    def service(self) -> TakedownService:
        keys = [SIGNER.public_key, EVENTS.public_key]
        return TakedownService(
            source=ObservationSource(store=self.store, index=self.index, rules=RULES),
            trust=lambda: replace(own_trust(keys, ()), log=self.trusted_log),
            signer=lambda: self.signer,
            own_keys=frozenset(),
            confirm=lambda url: ConfirmRules(),
            now=lambda: self.now,
            lock_dir=self.folder / "lock",
            log=self.log,
            notify=self.told.extend,
        )

    def log(self, leaves: Sequence[Leaf], again: bool) -> object:
        if not self.logging:
            raise ServiceUnavailable("the log is elsewhere")
        return self.writer.append(leaves, seen=0 if again else None)

    def put(self, minute: float, assessed: Assessment, **more: object) -> Path:
        signer = more.pop("signer", SIGNER)
        made = observed.seal(
            self.folder / "spool",
            at(minute),
            assessed,
            signer=signer,  # type: ignore[arg-type]  # what a test wants
            **more,  # type: ignore[arg-type]  # what a test wants
        )
        return self.folder / "store" / observed.put(self.store, made)

    def removal(self) -> list[Path]:
        """Put what makes a removal: seen, gone, a control, gone again."""
        return [
            self.put(30, observed.available()),
            self.put(60, observed.gone()),
            self.put(65, observed.available(), url=OTHER),
            self.put(70, observed.gone()),
        ]

    def derive(self, *urls: str) -> dict[str, Derivation]:
        return {derived.subject: derived for derived in derive(self.service, urls)}

    @property
    def stored(self) -> list[Takedown]:
        found = []
        for stored_object in self.store.list("takedowns/"):
            with self.store.open(stored_object.key) as stream:
                event, key_id = takedown.parse(stream.read())
            assert key_id == EVENTS.key_id
            assert stored_object.key == store_keys.takedown_key(event.event_id)
            found.append(event)
        return found

    @property
    def logged(self) -> list[Leaf]:
        return [leaf for leaf in logs.read_whole(self.store) if leaf.kind == TAKEDOWN]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with open_index_file(tmp_path / "index.db") as index:
        yield Bench(tmp_path, index)


def test_a_removal_is_signed_stored_logged_and_told_once(bench: Bench) -> None:
    bench.removal()

    found = bench.derive()

    (event,) = bench.stored
    assert (event.kind, event.identity, event.url) == (TakedownKind.REMOVED, IDENTITY, ARTICLE)
    assert event.bracket == (at(30) - timedelta(seconds=2), at(60))
    assert [observation.at for observation in (*event.confirmations, *event.controls)] == [
        at(70),
        at(65),
    ]
    (recorded,) = found[IDENTITY].recorded
    assert (recorded.is_new, recorded.event) == (True, event)
    assert bench.logged == [Leaf(kind=TAKEDOWN, name=event.event_id, sha256=recorded.sha256)]
    (told,) = bench.told
    assert (told.kind, told.at) == (NotificationKind.TAKEDOWN_CONFIRMED, at(70))
    assert ARTICLE not in told.summary
    assert (told.url, told.detail) == (ARTICLE, observed.NOTICE)
    # The policy is that of the captures: nobody knows here for which jobs they were made.
    assert told.about == (NotificationScope(policy="test", origin=None, tags=None),)

    again = bench.derive()

    assert again[IDENTITY].recorded == ()
    assert again[IDENTITY].conclusion.standing is PagePresence.GONE
    assert (len(bench.stored), len(bench.logged), len(bench.told)) == (1, 1, 1)


def test_what_people_are_told_of_a_removal_has_the_policy_of_each_capture_and_its_job(
    bench: Bench,
) -> None:
    bench.removal()
    job = NotificationScope(policy="high-risk-source", origin="schedule:sources", tags=("at-risk",))

    def jobs(bundle_ids: Sequence[str]) -> dict[str, NotificationScope]:
        return dict.fromkeys(bundle_ids[:1], job)

    derive(replace(bench.service, jobs=jobs))

    (told,) = bench.told
    assert told.about == (
        replace(job, policy="test"),
        job,
        NotificationScope(policy="test", origin=None, tags=None),
    )


def test_what_is_missing_is_the_answer_where_nothing_is_concluded(bench: Bench) -> None:
    for path in bench.removal()[2:]:
        path.unlink()

    found = bench.derive(ARTICLE)

    assert bench.stored == []
    assert {missing.lack for missing in found[IDENTITY].conclusion.missing} == {
        MissingKind.AGREEING,
        MissingKind.CONTROL,
    }


def test_each_event_names_the_record_of_the_one_before(bench: Bench) -> None:
    bench.removal()
    bench.derive()
    bench.put(90, observed.available())
    bench.derive()
    bench.put(120, observed.gone(Cause.PLATFORM_RULE))
    bench.put(125, observed.available(), url=OTHER)
    bench.put(131, observed.gone(Cause.PLATFORM_RULE))
    bench.derive()

    events = bench.stored
    assert [event.kind.value for event in events] == ["removed", "reinstated", "removed"]
    digests = [leaf.sha256 for leaf in bench.logged]
    assert [event.previous for event in events] == ["", *digests[:2]]
    assert [event.kind for event in bench.told] == [
        NotificationKind.TAKEDOWN_CONFIRMED,
        NotificationKind.TAKEDOWN_REINSTATED,
        NotificationKind.TAKEDOWN_CONFIRMED,
    ]


def test_at_once_or_one_by_one_the_events_are_the_same(bench: Bench, tmp_path: Path) -> None:
    bench.removal()
    bench.derive()
    bench.put(90, observed.available())
    bench.derive()
    with open_index_file(tmp_path / "other" / "index.db") as index:
        other = Bench(tmp_path / "other", index)
        other.removal()
        other.put(90, observed.available())
        other.derive()

        # Bundles differ, for each signature does: so the captures are compared by their times.
        assert [
            [observation.at for observation in captures_of_event(event)] for event in other.stored
        ] == [
            [observation.at for observation in captures_of_event(event)] for event in bench.stored
        ]
        assert [event.previous for event in other.stored] == ["", other.logged[0].sha256]


@pytest.mark.parametrize("lost", [False, True], ids=["index kept", "index lost"])
def test_a_crash_between_store_and_log_is_made_good_by_the_next(bench: Bench, lost: bool) -> None:
    bench.removal()
    bench.logging = False
    with pytest.raises(ServiceUnavailable):
        bench.derive()
    assert (len(bench.stored), bench.logged, bench.told) == (1, [], [])
    if lost:
        bench.index.clear()
    bench.logging = True

    bench.derive()
    bench.index.clear()
    bench.derive()

    (event,) = bench.stored
    assert [leaf.name for leaf in bench.logged] == [event.event_id]
    assert {told_event.id for told_event in bench.told} == {f"takedown.confirmed/{event.event_id}"}


def test_of_two_who_conclude_the_same_the_first_record_counts(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.removal()
    put = store_records.put

    with open_index_file(tmp_path / "second.db") as index:
        second = replace(bench.service, source=replace(bench.service.source, index=index))
        second = replace(second, lock_dir=tmp_path / "lock 2")  # on another machine

        def overtaken(store: ObjectStore, key: str, data: bytes) -> bool:
            monkeypatch.setattr(store_records, "put", put)
            derive(second)
            return put(store, key, data)

        monkeypatch.setattr(store_records, "put", overtaken)
        found = bench.derive()

    (recorded,) = found[IDENTITY].recorded
    assert not recorded.is_new
    with bench.store.open(recorded.key) as stream:
        assert recorded.sha256 == digest_bytes(stream.read()).sha256
    assert len(bench.stored) == len(bench.logged) == 1
    assert {event.id for event in bench.told} == {f"takedown.confirmed/{recorded.event.event_id}"}


def test_two_on_one_machine_wait_for_each_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.removal()
    monkeypatch.setattr(takedowns, "_WAIT_S", 0)

    def work() -> None:
        with pytest.raises(ServiceUnavailable, match="another process"):
            derive(replace(bench.service, log=None))

    def log(leaves: Sequence[Leaf], again: bool) -> None:
        work()  # while the first holds the lock

    derive(replace(bench.service, log=log))

    assert len(bench.stored) == 1


def _flip(path: Path) -> None:
    path.write_bytes(bundles.flipped(path.read_bytes()))


def test_a_bundle_that_was_bad_when_it_was_catalogued_plays_no_part_either(bench: Bench) -> None:
    path = bench.removal()[1]
    members = bundles.unpack(path.read_bytes())
    # Not what is catalogued of it, and not as it was sealed.
    path.write_bytes(bundles.pack({**members, "capture/dom.html": b"<p>another page"}))

    found = bench.derive()

    assert bench.stored == []
    (passed,) = found[IDENTITY].passed
    assert passed.why == "the verdict about the bundle is FAILED: BLAKE3 HASH"


def _reseal(path: Path) -> None:
    """What somebody with a key of their own makes of it: another page, well sealed."""
    members = bundles.unpack(path.read_bytes())
    changed = {"capture/dom.html": b"<p>another page"}
    path.write_bytes(bundles.pack(bundles.resealed(members, changed, SIGNER, None)))


@pytest.mark.parametrize("number", range(4), ids=["seen", "gone", "control", "gone again"])
def test_no_event_rests_on_a_bundle_that_does_not_verify(bench: Bench, number: int) -> None:
    path = bench.removal()[number]
    bench.service.source.sync()
    _flip(path)

    found = bench.derive(ARTICLE)

    assert bench.stored == []
    (passed,) = found[IDENTITY].passed
    assert passed.observation.bundle_id == path.stem
    assert passed.why


def test_a_bundle_that_was_exchanged_since_it_was_catalogued_plays_no_part(bench: Bench) -> None:
    path = bench.removal()[1]
    bench.service.source.sync()
    size = path.stat().st_size
    _reseal(path)
    bench.index.database.execute(
        "UPDATE bundle SET listed = replace(listed, ?, ?)", (str(size), str(path.stat().st_size))
    )

    found = bench.derive(ARTICLE)

    assert bench.stored == []
    assert [passed.why for passed in found[IDENTITY].passed] == [
        "the digest of the bundle differs from the digest in the index"
    ]


def test_no_event_rests_on_a_bundle_by_a_stranger(bench: Bench) -> None:
    """Whoever may write to the store could have the event key sign what they made up."""
    bench.put(30, observed.available())
    stranger = bundles.new_signer()
    bench.put(60, observed.gone(), signer=stranger)
    bench.put(65, observed.available(), url=OTHER)
    bench.put(70, observed.gone())

    found = bench.derive()

    assert bench.stored == []
    assert [passed.why for passed in found[IDENTITY].passed] == [
        f"the bundle is signed by the key {stranger.key_id}, which is not trusted"
    ]


def test_no_event_rests_on_a_capture_that_is_proven_to_be_from_after_the_removal(
    bench: Bench,
) -> None:
    """Made of a copy of the page when that was gone, and said to be from before."""
    log = audited.log_key()
    gone = bench.put(60, observed.gone())
    entry = Leaf(kind=BUNDLE, name=gone.stem, sha256=bundles.digest_of(gone)).encode()
    checkpoint = audited.checkpoint([entry], log)
    proof = audited.proof([entry], 0, checkpoint)
    gone.with_name(f"{gone.name}.tlog-proof").write_bytes(proof)
    bench.put(30, observed.available(), log_checkpoint=checkpoint.decode())
    bench.put(65, observed.available(), url=OTHER)
    bench.put(70, observed.gone())
    bench.trusted_log = LogPolicy(key=log.public)

    found = bench.derive()

    assert bench.stored == []
    assert [passed.why for passed in found[IDENTITY].passed] == [
        "the capture 'last seen' was made after the capture 'first gone', not before: the capture "
        "'first gone' was in the log before the capture 'last seen' began"
    ]


def test_no_event_rests_on_a_bundle_that_shows_something_else(bench: Bench) -> None:
    """Who has the key that captures can seal a verdict that no rule gives."""
    gone = bench.removal()[1]

    def mismatch(said: Observation, facts: VerifiedFacts, stream: BinaryIO) -> str:
        assert facts.bundle_id == said.bundle_id
        assert bundles.unpack(stream.read())
        return "it shows something else" if said.bundle_id == gone.stem else ""

    (found, *_) = derive(replace(bench.service, mismatch=mismatch), (ARTICLE,))

    assert bench.stored == []
    assert [(passed.observation.bundle_id, passed.why) for passed in found.passed] == [
        (gone.stem, "it shows something else")
    ]


def test_no_event_is_of_a_time_that_no_token_bounds(bench: Bench) -> None:
    """Milliseconds of years ago beside the second of today: the token is over the second."""
    for path in bench.removal()[1:]:
        members = bundles.unpack(path.read_bytes())
        record = bundles.record_of(members)
        for name in ("started_at_ms", "ended_at_ms"):
            record["when"][name] -= 5 * 365 * 24 * 3600 * 1000
        changes = {names.CAPTURE_RECORD: canonical_json.dumps(record)}
        path.write_bytes(bundles.pack(bundles.resealed(members, changes, SIGNER, None)))
    bench.put(-5 * 365 * 24 * 60, observed.available())

    found = bench.derive(ARTICLE)

    assert bench.stored == []
    assert {passed.why for passed in found[IDENTITY].passed} == {
        "the verdict about the bundle is FAILED: FORMAT"
    }


def test_a_page_that_leads_to_another_host_is_no_control(bench: Bench) -> None:
    """A site that has moved shows its pages elsewhere: that host says nothing of this one."""
    bench.put(30, observed.available())
    bench.put(60, observed.gone())
    bench.put(65, observed.available(), url=OTHER, final_url="https://parking.example/lander")
    bench.put(70, observed.gone())

    found = bench.derive()[IDENTITY]

    assert bench.stored == []
    assert [passed.why for passed in found.passed] == [
        "the capture was made as a control, but was redirected to another host"
    ]
    assert [missing.lack for missing in found.conclusion.missing] == [MissingKind.CONTROL]

    bench.put(80, observed.available(), url=OTHER, final_url="https://www.mp.weixin.qq.com/x")
    bench.put(90, observed.gone())
    bench.derive()

    (event,) = bench.stored
    assert [observation.at for observation in event.controls] == [at(80)]


def by(path: str, vantage: str = "") -> NetworkPath:
    return NetworkPath(path=path, enforced=True, how="a namespace", vantage=vantage)


def test_of_two_proxies_one_that_shows_the_page_keeps_it_from_being_removed(bench: Bench) -> None:
    """A page that its host hides from one country is gone by one way, and there by the other."""
    here, abroad = by("proxy"), by("proxy", "abroad")
    bench.put(30, observed.available(), network=here)
    bench.put(60, observed.gone(), network=here)
    bench.put(61, observed.available(), url=OTHER, network=here)
    bench.put(62, observed.available(), network=abroad)
    bench.put(75, observed.gone(), network=here)

    found = bench.derive()[IDENTITY]

    assert bench.stored == []
    assert found.conclusion.standing is PagePresence.DOUBTED
    (missing,) = (lack for lack in found.conclusion.missing if lack.lack is MissingKind.VANTAGE)
    assert missing.seen is not None
    assert (missing.seen.vantage, missing.seen.at) == ("abroad", at(62))

    bench.put(80, observed.gone(), network=abroad)
    bench.put(81, observed.available(), url=OTHER, network=here)
    bench.put(95, observed.gone(), network=here)
    bench.derive()

    (event,) = bench.stored
    assert [(observation.vantage, observation.at) for observation in event.vantages] == [
        ("abroad", at(62)),
        ("abroad", at(80)),
    ]
    assert {
        observation.vantage for observation in (event.last_seen, event.first_gone, *event.controls)
    } == {"proxy"}


def test_a_page_of_few_words_is_no_control_and_a_later_one_that_is_certain_is(
    bench: Bench,
) -> None:
    """A host in trouble says a few words in the place of every page, with status 200."""
    few = observed.available()
    few = replace(few, takedown=replace(few.takedown, ambiguous=True, rule="gen-short"))
    bench.put(30, observed.available())
    bench.put(60, observed.gone())
    bench.put(65, few, url=OTHER)
    bench.put(70, observed.gone())

    found = bench.derive()[IDENTITY]

    assert bench.stored == []
    assert [missing.lack for missing in found.conclusion.missing] == [MissingKind.CONTROL]

    bench.put(80, observed.available(), url=OTHER)
    bench.put(90, observed.gone())
    bench.derive()

    (event,) = bench.stored
    assert [observation.at for observation in event.controls] == [at(80)]


def test_one_bad_bundle_does_not_keep_others_from_making_the_event(bench: Bench) -> None:
    removal = bench.removal()
    bench.put(66, observed.available(), url=OTHER)
    bench.put(80, observed.gone())
    bench.service.source.sync()
    _flip(removal[2])
    _flip(removal[3])

    found = bench.derive()

    (event,) = bench.stored
    assert [observation.at for observation in (*event.confirmations, *event.controls)] == [
        at(80),
        at(66),
    ]
    assert len(found[IDENTITY].passed) == 2


def test_the_key_that_signs_events_has_signed_none_of_their_captures(bench: Bench) -> None:
    bench.removal()[3].unlink()
    bench.put(70, observed.gone(), signer=EVENTS)

    found = bench.derive()

    assert bench.stored == []
    assert [passed.why for passed in found[IDENTITY].passed] == [
        "the key that signs events also signed this bundle"
    ]


def test_an_event_by_a_stranger_is_passed_over_and_what_lies_in_its_place_is_told(
    bench: Bench,
) -> None:
    bench.removal()
    stranger = bundles.new_signer()
    bench.signer = stranger
    (made,) = bench.derive()[IDENTITY].recorded
    bench.signer = EVENTS
    path = bench.folder / "store" / made.key
    bench.told.clear()

    with pytest.raises(SnapshotterError, match="is signed by the key"):
        bench.derive()
    assert bench.told == []

    path.unlink()
    bench.derive()
    assert len(bench.stored) == 1


def test_a_notice_behind_a_short_link_names_the_capture_that_shows_where_it_led(
    bench: Bench,
) -> None:
    bench.put(10, observed.available(identity=IDENTITY), url=SHORT)
    bench.put(30, observed.available())  # by the long address, which says it itself
    bench.put(60, observed.gone(), url=SHORT)
    bench.put(65, observed.available(), url=OTHER.replace("http://", "https://"))
    bench.put(70, observed.gone(), url=SHORT)

    bench.derive()

    (event,) = bench.stored
    assert (event.identity, event.url) == (IDENTITY, SHORT)
    assert [observation.at for observation in event.identified_by] == [at(10)]
    assert {observation.account for observation in (event.first_gone, *event.confirmations)} == {
        ACCOUNT
    }


def _article(number: int) -> str:
    return ARTICLE.replace("2653001234", f"26530012{number:02}")


def test_an_account_that_goes_with_its_articles_is_one_subject(bench: Bench) -> None:
    for number in range(3):
        bench.put(number / 60, observed.available(), url=_article(number))
        bench.put(30 + number / 60, observed.gone(Cause.ACCOUNT_BLOCKED), url=_article(number))
        bench.put(45 + number / 60, observed.gone(Cause.ACCOUNT_BLOCKED), url=_article(number))
    bench.put(35, observed.available(), url=OTHER)

    found = bench.derive()

    kinds = sorted(event.kind.value for event in bench.stored)
    assert kinds == ["account-changed", "removed", "removed", "removed"]
    account = next(event for event in bench.stored if event.kind is TakedownKind.ACCOUNT_CHANGED)
    assert (account.identity, account.state) == (ACCOUNT, "blocked")
    first = min(event.event_id for event in bench.stored if event.kind is TakedownKind.REMOVED)
    assert account.articles == (first,)
    assert {(event.kind, event.subject) for event in bench.told} == {
        (NotificationKind.ACCOUNT_CHANGED, bench.told[0].subject)
    }
    assert found[ACCOUNT].conclusion.standing is PagePresence.GONE


def test_what_is_not_in_the_log_a_sweep_of_it_logs_if_its_key_counts(
    bench: Bench, tmp_path: Path
) -> None:
    bench.removal()
    derive(replace(bench.service, log=None))
    (event,) = bench.stored
    book = StoreLog(bench.store, lambda: bench.writer, tmp_path / "unlogged")

    def sweep(*keys: FileSigner) -> list[tuple[bool, str]]:
        trust = own_trust([signer.public_key for signer in keys], ())
        swept = sync_log(book, trust, clock=FixedClock(bench.now))
        return [(bundle.added, bundle.detail) for bundle in swept if bundle.kind == TAKEDOWN]

    assert sweep(SIGNER) == [(False, "the record is signed by a key that is not trusted")]
    assert sweep(SIGNER, EVENTS) == [(True, "")]
    assert sweep(SIGNER, EVENTS) == []
    assert [leaf.name for leaf in bench.logged] == [event.event_id]


def test_an_event_is_copied_with_its_bundles_and_those_before_it_and_over_nothing(
    bench: Bench, tmp_path: Path
) -> None:
    bench.removal()
    bench.derive()
    bench.put(90, observed.available())
    bench.derive()
    last = bench.index.events()[-1]

    made = takedowns.export_event(bench.service.source, last, tmp_path / "exhibit")
    files = made.files

    assert [file.stem for file in files[:2]] == [event.event_id for event in bench.stored[::-1]]
    assert len(files) == 4
    assert takedowns.export_event(bench.service.source, last, tmp_path / "exhibit") == made
    files[0].write_bytes(b"{}")
    with pytest.raises(SnapshotterError, match="its content is different"):
        takedowns.export_event(bench.service.source, last, tmp_path / "exhibit")


def test_whoever_could_not_be_told_is_told_by_the_next_call(bench: Bench) -> None:
    bench.removal()
    said: list[str] = []

    def refuse(events: Sequence[NotificationEvent]) -> None:
        raise ServiceUnavailable("the outbox does not answer")

    (page, _) = derive(replace(bench.service, notify=refuse, show_message=said.append))

    assert len(page.recorded) == len(bench.logged) == 1
    assert said == [
        "WARNING: the notifications about new events are not sent yet: the outbox does not answer"
    ]

    bench.derive()

    assert [event.kind for event in bench.told] == [NotificationKind.TAKEDOWN_CONFIRMED]
    assert len(bench.logged) == 1


def test_a_page_whose_account_one_address_names_is_of_that_account(bench: Bench) -> None:
    post, mobile = "https://weibo.com/1234567890/I7ubv9Ktj", "https://m.weibo.cn/status/I7ubv9Ktj"
    bench.put(0, observed.available(), url=post)
    bench.put(30, observed.available(), url=mobile)
    bench.put(60, observed.gone(), url=mobile)
    bench.put(65, observed.available(), url="https://m.weibo.cn/status/I7ubv9Ktk")
    bench.put(70, observed.gone(), url=mobile)

    found = bench.derive(mobile)

    assert set(found) == {"weibo:4417843292323593", "weibo-user:1234567890"}
    (event,) = bench.stored
    assert event.first_gone.account == "weibo-user:1234567890"


def test_an_event_of_an_account_holds_a_capture_that_names_it(bench: Bench) -> None:
    mobile = "https://m.weibo.cn/status/I7ubv9Ktj"
    named = bench.put(0, observed.available(), url="https://weibo.com/1234567890/I7ubv9Ktj")
    bench.put(30, observed.available(), url=mobile)
    for minute in (60, 75):
        bench.put(minute, observed.gone(Cause.ACCOUNT_BLOCKED), url=mobile)
    bench.put(65, observed.available(), url="https://m.weibo.cn/status/I7ubv9Ktk")

    bench.derive(mobile)

    events = {event.kind: event for event in bench.stored}
    assert set(events) == {TakedownKind.REMOVED, TakedownKind.ACCOUNT_CHANGED}
    (found,) = events[TakedownKind.ACCOUNT_CHANGED].identified_by
    assert found.bundle_id == named.stem
    assert events[TakedownKind.REMOVED].identified_by == ()


def test_what_was_concluded_long_ago_is_recorded_and_no_news(bench: Bench) -> None:
    bench.removal()
    bench.now = at(70) + timedelta(days=8)

    bench.derive()

    assert (len(bench.stored), len(bench.logged), bench.told) == (1, 1, [])


def test_nothing_is_opened_or_made_where_nothing_was_taken_down(bench: Bench) -> None:
    def refuse() -> FileSigner:
        raise AssertionError("a key was opened")

    bench.put(0, observed.available())
    service = replace(bench.service, signer=refuse)

    assert derive(service) == ()
    assert derive(service, (ARTICLE,))[0].conclusion.standing is PagePresence.THERE


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        (
            MissingEvidence(lack=MissingKind.SEEN),
            "an earlier capture from this vantage that shows the page",
        ),
        (
            MissingEvidence(lack=MissingKind.AGREEING, count=1, after=at(40)),
            "one more capture with the same result, made after 2026-05-27 08:40:00 UTC",
        ),
        (
            MissingEvidence(lack=MissingKind.AGREEING, count=2, after=at(40)),
            "2 more captures with the same result, of which the last is made after 2026-05-27 "
            "08:40:00 UTC",
        ),
        (
            MissingEvidence(lack=MissingKind.AGREEING, count=2),
            "2 more captures with the same result",
        ),
        (
            MissingEvidence(lack=MissingKind.TIME, after=at(40)),
            (
                "one more capture with the same result after 2026-05-27 08:40:00 UTC: the captures "
                "with this result are too close together in time"
            ),
        ),
        (
            MissingEvidence(lack=MissingKind.CONTROL, host="x.test", after=at(0)),
            (
                "a control capture of another page of x.test that is available, made after "
                "2026-05-27 08:00:00 UTC and before the last capture with the same result"
            ),
        ),
        (
            MissingEvidence(
                lack=MissingKind.VANTAGE,
                seen=replace(exhibits.observation(), vantage="tor", bundle_id="b-1"),
            ),
            (
                "a capture with the same result from the vantage tor, where the page was available "
                "at 2026-11-27 14:05:15 UTC (b-1): a difference between two vantages is not a "
                "removal"
            ),
        ),
    ],
)
def test_what_is_missing_stands_behind_it_needs(missing: MissingEvidence, told: str) -> None:
    assert describe_missing(missing) == told


def test_every_lack_has_its_words() -> None:
    assert all(describe_missing(MissingEvidence(lack=lack, count=1)) for lack in MissingKind)
