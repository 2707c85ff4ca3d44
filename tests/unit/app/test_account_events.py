"""
An account is frozen while its articles stay, then they vanish, then it is as before.

Real bundles of the fixture site, judged by the shipped rules (feature F-23 on the way).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import pytest

from snapshotter.app import event_verification, wiring
from snapshotter.app.event_verification import Before, Rederiver, verify_event
from snapshotter.app.observations import Observatory
from snapshotter.app.takedowns import TakedownDesk, derive
from snapshotter.assess.events import bursts, event_id
from snapshotter.formats import takedown
from snapshotter.model.event import Event, EventKind
from snapshotter.model.finding import Code, Verdict
from snapshotter.model.takedown import ConfirmRules, Takedown, TakedownKind
from snapshotter.notify.message import compose
from snapshotter.policy.decide import decide
from snapshotter.policy.load import load
from snapshotter.site import wechat
from snapshotter.site.state import PageState, SiteState, removed
from snapshotter.store.catalog import Catalog
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.verify.takedown import EventReport
from snapshotter.verify.trust import Trust, own_trust
from tests import bundles, observed
from tests.observed import at
from tests.unit.policy.test_identity import RULES

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
    told: list[Event]

    @property
    def events(self) -> list[Takedown]:
        return [takedown.parse(it)[0] for it in self.records]

    def verify(self, data: bytes, before: Before | None = None) -> EventReport:
        find = partial(
            event_verification.in_store, self.store, self.trust, datetime.now(at(0).tzinfo)
        )
        by = Rederiver(
            rules=RULES,
            assessor_of=wiring.assessor,
            decide=lambda url: decide(load("wechat-article")),
        )
        return verify_event(data, self.trust, find, by, before=before)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("account")
    store = DirectoryStore(folder / "store")
    visits = [(it, PROFILE) for it in (0, 30, 45, 220)]
    visits += [
        (minute + number, it) for minute in (5, 60, 90, 105) for number, it in enumerate(ARTICLES)
    ]
    visits += [(it, OTHER) for it in (35, 96)]
    for minute, url in visits:
        observed.put(store, observed.shoot(folder / "spool", at(minute), STATE, url, signer=SIGNER))
    trust = own_trust([SIGNER.public_key, EVENTS.public_key], ())
    told: list[Event] = []
    with Catalog(folder / "catalog.db") as catalog:
        desk = TakedownDesk(
            place=Observatory(store=store, catalog=catalog, rules=RULES),
            trust=lambda: trust,
            signer=lambda: EVENTS,
            own_keys=frozenset(),
            confirm=lambda url: ConfirmRules(),
            now=lambda: at(300),
            lock_dir=folder / "lock",
            notify=told.extend,
        )
        derive(desk)
        records = [it.data for it in catalog.events()]
    return Run(store=store, trust=trust, records=records, told=told)


def test_the_account_has_an_event_of_its_own_before_any_article_has(run: Run) -> None:
    first, *articles, last = run.events

    assert (first.kind, first.state, first.at) == (TakedownKind.ACCOUNT_CHANGED, "frozen", at(45))
    assert (first.identity, first.last_seen.at, first.first_gone.at) == (ACCOUNT, at(0), at(30))
    assert {it.kind for it in articles} == {TakedownKind.REMOVED}
    assert [it.bracket[0] for it in articles] == [
        at(60 + number) - timedelta(seconds=2) for number in range(4)
    ]
    assert (last.kind, last.last_seen.at) == (TakedownKind.ACCOUNT_RESTORED, at(220))
    assert last.previous


def test_an_account_was_left_by_the_event_before_in_the_state_that_it_comes_from(run: Run) -> None:
    frozen, last = run.events[0], run.records[-1]

    for state, verdict in (("frozen", Verdict.PASSED), ("closed", Verdict.FAILED)):
        earlier = {takedown.parse(last)[0].previous: (replace(frozen, state=state), EVENTS.key_id)}
        found = run.verify(last, earlier.get)
        assert [it.verdict for it in found.findings if it.check == "previous"] == [verdict]


def test_the_articles_that_vanish_are_one_burst_and_one_item_of_one_message(run: Run) -> None:
    assert [len(it) for it in bursts(run.events)] == [1, 4, 1]

    vanished = run.told[1:5]

    assert {(it.kind, it.subject) for it in vanished} == {
        (EventKind.ACCOUNT_CHANGED, run.told[0].subject)
    }
    message = compose("m", EventKind.ACCOUNT_CHANGED, at(300), vanished, "")
    assert b'"headline":"an account has changed"' in message
    assert b'"count":4' in message
    assert ACCOUNT not in " ".join(it.summary + it.subject for it in run.told)


@pytest.mark.parametrize("number", [0, 1, 5], ids=["changed", "article", "restored"])
def test_each_event_follows_from_its_bundles(run: Run, number: int) -> None:
    found = run.verify(run.records[number])

    # No clock of others stamped these captures, and nothing else is left open.
    assert {it.code for it in found.findings} == {Code.OK, Code.BUNDLE_OPEN}
    assert found.verdict is Verdict.INDETERMINATE


def test_an_account_event_is_of_no_other_account(run: Run) -> None:
    other = "wechat:MzkxMDAwMDAwNA=="
    event = replace(run.events[0], identity=other)
    event = replace(event, event_id=event_id(event))

    found = run.verify(takedown.encode(event, EVENTS))

    assert {Code.IDENTITY, Code.CONCLUSION} <= {it.code for it in found.findings}

    # Nor where the record says of each capture that it is of that other account.
    event = replace(
        event,
        last_seen=replace(event.last_seen, account=other),
        first_gone=replace(event.first_gone, account=other),
        confirmations=tuple(replace(it, account=other) for it in event.confirmations),
    )

    found = run.verify(takedown.encode(event, EVENTS))

    assert Code.IDENTITY in {it.code for it in found.findings}


def test_two_pages_of_an_account_are_not_one_page_of_it(run: Run) -> None:
    """One that shows no state says nothing against another one that does."""
    restored = run.events[-1]
    article = next(it for it in run.events if it.kind is TakedownKind.REMOVED).last_seen
    other = replace(article, identity=restored.first_gone.identity)
    forged = replace(restored, last_seen=other, at=other.at)
    forged = replace(forged, event_id=event_id(forged))

    found = run.verify(takedown.encode(forged, EVENTS))

    failed = [it.detail for it in found.findings if it.code is Code.IDENTITY]
    assert failed == [
        f"the event is about {ACCOUNT}, and last seen is of {article.identity}",
    ]
    assert found.verdict is Verdict.FAILED
