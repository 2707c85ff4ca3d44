"""
An account is frozen while its articles stay, then they vanish, then it is as before.

Real bundles of the fixture site, judged by the shipped rules (feature F-23 on the way).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import pytest

from snapshotter.app.archive.observations import ObservationSource
from snapshotter.app.takedown import bundle_finder
from snapshotter.app.takedown.event_verification import verify_event
from snapshotter.app.takedown.events import TakedownService, derive
from snapshotter.app.takedown.previous_event import PreviousEvent
from snapshotter.app.takedown.rederivation import Rederivation
from snapshotter.app.wiring import capture as wiring
from snapshotter.assess.takedown_events import event_id, group_bursts
from snapshotter.formats.statements import takedown
from snapshotter.index.open_index import open_index_file
from snapshotter.model.finding import Code, Verdict
from snapshotter.model.notification import NotificationEvent, NotificationKind
from snapshotter.model.takedown import ConfirmRules, Takedown, TakedownKind
from snapshotter.notify.message import compose
from snapshotter.policy.capture_decision import decide
from snapshotter.policy.load import load
from snapshotter.site import wechat
from snapshotter.site.state import PageState, SiteState, removed
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.verify.takedown import EventReport
from snapshotter.verify.trust import Trust, own_trust
from tests import bundles, observed
from tests.observed import at
from tests.unit.policy.test_page_identity import RULES

HOST = "http://mp.weixin.qq.com"
BIZ = wechat.account_story(3, 0).biz
ACCOUNT = f"wechat:{BIZ}"
PROFILE = f"{HOST}/mp/profile_ext?action=home&__biz={BIZ}"
ARTICLES = tuple(f"{HOST}{wechat.account_story(3, number).address}" for number in range(4))
OTHER = f"{HOST}{wechat.account_story(4, 0).address}"
STATE = (
    SiteState()
    .change("wx/account/3", at(20), PageState(account="该帐号已冻结"))
    .change("wx/account/3/*", at(80), removed("wx-05"))
    .change("wx/account/3", at(200), PageState())
)
SIGNER, EVENTS = bundles.new_signer(), bundles.new_signer()


@dataclass
class Run:
    """A store after the run, its events in their order, and what was told of them."""

    store: DirectoryStore
    trust: Trust
    records: list[bytes]
    told: list[NotificationEvent]

    @property
    def events(self) -> list[Takedown]:
        return [takedown.parse(record)[0] for record in self.records]

    def verify(self, data: bytes, before: PreviousEvent | None = None) -> EventReport:
        find = partial(
            bundle_finder.find_in_store, self.store, self.trust, datetime.now(at(0).tzinfo)
        )
        by = Rederivation(
            rules=RULES,
            assessor_of=wiring.assessor,
            decide=lambda url: decide(load("wechat-article")),
        )
        return verify_event(data, self.trust, find, by, before=before)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("account")
    store = DirectoryStore(folder / "store")
    visits = [(minute, PROFILE) for minute in (0, 30, 45, 220)]
    visits += [
        (minute + number, article)
        for minute in (5, 60, 90, 105)
        for number, article in enumerate(ARTICLES)
    ]
    visits += [(minute, OTHER) for minute in (35, 96)]
    for minute, url in visits:
        observed.put(store, observed.shoot(folder / "spool", at(minute), STATE, url, signer=SIGNER))
    trust = own_trust([SIGNER.public_key, EVENTS.public_key], ())
    told: list[NotificationEvent] = []
    with open_index_file(folder / "index.db") as index:
        service = TakedownService(
            source=ObservationSource(store=store, index=index, rules=RULES),
            trust=lambda: trust,
            signer=lambda: EVENTS,
            own_keys=frozenset(),
            confirm=lambda url: ConfirmRules(),
            now=lambda: at(300),
            lock_dir=folder / "lock",
            notify=told.extend,
        )
        derive(service)
        records = [kept_event.data for kept_event in index.events()]
    return Run(store=store, trust=trust, records=records, told=told)


def test_the_account_has_an_event_of_its_own_before_any_article_has(run: Run) -> None:
    first, *articles, last = run.events

    assert (first.kind, first.state, first.at) == (TakedownKind.ACCOUNT_CHANGED, "frozen", at(45))
    assert (first.identity, first.last_seen.at, first.first_gone.at) == (ACCOUNT, at(0), at(30))
    assert {event.kind for event in articles} == {TakedownKind.REMOVED}
    assert [event.bracket[0] for event in articles] == [
        at(60 + number) - timedelta(seconds=2) for number in range(4)
    ]
    assert (last.kind, last.last_seen.at) == (TakedownKind.ACCOUNT_RESTORED, at(220))
    assert last.previous


def test_an_account_was_left_by_the_event_before_in_the_state_that_it_comes_from(run: Run) -> None:
    frozen, last = run.events[0], run.records[-1]

    for state, verdict in (("frozen", Verdict.PASSED), ("closed", Verdict.FAILED)):
        earlier = {takedown.parse(last)[0].previous: (replace(frozen, state=state), EVENTS.key_id)}
        found = run.verify(last, earlier.get)
        assert [finding.verdict for finding in found.findings if finding.check == "previous"] == [
            verdict
        ]


def test_the_articles_that_vanish_are_one_burst_and_one_item_of_one_message(run: Run) -> None:
    assert [len(burst) for burst in group_bursts(run.events)] == [1, 4, 1]

    vanished = run.told[1:5]

    assert {(event.kind, event.subject) for event in vanished} == {
        (NotificationKind.ACCOUNT_CHANGED, run.told[0].subject)
    }
    message = compose("m", NotificationKind.ACCOUNT_CHANGED, at(300), vanished, "")
    assert b'"headline":"the state of an account has changed"' in message
    assert b'"count":4' in message
    assert ACCOUNT not in " ".join(event.summary + event.subject for event in run.told)


@pytest.mark.parametrize("number", [0, 1, 5], ids=["changed", "article", "restored"])
def test_each_event_follows_from_its_bundles(run: Run, number: int) -> None:
    found = run.verify(run.records[number])

    # No clock of others stamped these captures, and nothing else is left open.
    assert {finding.code for finding in found.findings} == {Code.OK, Code.BUNDLE_OPEN}
    assert found.verdict is Verdict.INDETERMINATE


def test_an_account_event_is_of_no_other_account(run: Run) -> None:
    other = "wechat:MzkxMDAwMDAwNA=="
    event = replace(run.events[0], identity=other)
    event = replace(event, event_id=event_id(event))

    found = run.verify(takedown.encode(event, EVENTS))

    assert {Code.IDENTITY, Code.CONCLUSION} <= {finding.code for finding in found.findings}

    # Nor where the record says of each capture that it is of that other account.
    event = replace(
        event,
        last_seen=replace(event.last_seen, account=other),
        first_gone=replace(event.first_gone, account=other),
        confirmations=tuple(
            replace(observation, account=other) for observation in event.confirmations
        ),
    )

    found = run.verify(takedown.encode(event, EVENTS))

    assert Code.IDENTITY in {finding.code for finding in found.findings}


def test_two_pages_of_an_account_are_not_one_page_of_it(run: Run) -> None:
    """One that shows no state says nothing against another one that does."""
    restored = run.events[-1]
    article = next(event for event in run.events if event.kind is TakedownKind.REMOVED).last_seen
    other = replace(article, identity=restored.first_gone.identity)
    forged = replace(restored, last_seen=other, at=other.at)
    forged = replace(forged, event_id=event_id(forged))

    found = run.verify(takedown.encode(forged, EVENTS))

    failed = [finding.detail for finding in found.findings if finding.code is Code.IDENTITY]
    assert failed == [
        f"the event is about {ACCOUNT}, but the event records the page {other.identity} for the "
        f'capture "last seen", which is a capture of the page {article.identity}',
    ]
    assert found.verdict is Verdict.FAILED
