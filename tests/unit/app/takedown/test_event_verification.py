"""An event, verified from its bundles alone: what holds, and which end does not."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from snapshotter.app.archive.observations import ObservationSource
from snapshotter.app.takedown import bundle_finder, event_captures, event_verification
from snapshotter.app.takedown.event_verification import verify_event
from snapshotter.app.takedown.events import TakedownService, derive
from snapshotter.app.takedown.rederivation import Rederivation, mismatch
from snapshotter.app.wiring import capture as wiring
from snapshotter.assess.takedown_events import event_id
from snapshotter.errors import SnapshotterError
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import names, store_keys
from snapshotter.formats.proofs.leaf import BUNDLE, TAKEDOWN, Leaf
from snapshotter.formats.proofs.note import LogPolicy
from snapshotter.formats.signatures import signed_statement
from snapshotter.formats.statements import takedown
from snapshotter.index.open_index import open_index_file
from snapshotter.model.finding import Code, Verdict
from snapshotter.model.request import Decision
from snapshotter.model.takedown import (
    OWN_WORD,
    ConfirmRules,
    Observation,
    Takedown,
    TakedownKind,
)
from snapshotter.model.verified_facts import VerifiedFacts
from snapshotter.policy.capture_decision import decide
from snapshotter.policy.load import load
from snapshotter.seal.signer import FileSigner
from snapshotter.site.state import PageState, Showing, SiteState, removed, wall
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.verify.bundle_on_disk import verify_on_disk
from snapshotter.verify.event_without_rules import verify_event_without_rules
from snapshotter.verify.takedown import (
    EventReport,
    as_json,
    check_captures,
    lines,
    read_event_record,
)
from snapshotter.verify.trust import Trust, trusted_key
from tests import audited, bundles, fields, observed
from tests.bundles import ChainAuthority
from tests.observed import at
from tests.servers.authority import Chain
from tests.unit.policy.test_page_identity import RULES

pytestmark = pytest.mark.long

HOST = "http://mp.weixin.qq.com"
ARTICLE = f"{HOST}/s?__biz=MzkwMDAwMDAwMQ%3D%3D&mid=2650000001&idx=1&sn=x"
OTHER = f"{HOST}/s?__biz=MzkwMDAwMDAwMg%3D%3D&mid=2650000007&idx=1&sn=x"
PROFILE = f"{HOST}/mp/profile_ext?action=home&__biz="
IDENTITY = "wechat:MzkwMDAwMDAwMQ==/2650000001/1"
SIGNER, EVENTS, OTHER_KEY = (bundles.new_signer() for _ in range(3))
# The time-travel run of the fixture site: there until 40 minutes, a wall at 90, back at 200.
STATE = (
    SiteState()
    .change("wx/article", at(40), removed("wx-02"))
    .change("wx/article", at(85), wall())
    .change("wx/article", at(95), removed("wx-02"))
    .change("wx/article", at(200), PageState(showing=Showing.AVAILABLE))
)
OTHER_CAUSE = ('cause = "platform_rule"', 'cause = "complaint_many"')  # in a file of rules
VISITS = (0, 30, 60, 70, 90, 120, 180, 210)
CONTROLS = (65,)


@dataclass
class Case:
    """A folder with the bundles of the run, and the events that were concluded from them."""

    folder: Path
    trust: Trust
    now: datetime
    removed: bytes
    reinstated: bytes
    authority: ChainAuthority

    @property
    def event(self) -> Takedown:
        return takedown.parse(self.removed)[0]

    def path(self, role: str) -> Path:
        event = self.event
        bundle = {
            "last seen": event.last_seen,
            "first gone": event.first_gone,
            "confirmation 1": event.confirmations[0],
            "control": event.controls[0],
        }[role]
        return self.folder / f"{bundle.bundle_id}.wacz"

    def verify(self, data: bytes | None = None, **more: Any) -> EventReport:
        find = partial(
            bundle_finder.find_in_folders,
            [self.folder],
            [],
            more.pop("trust", self.trust),
            self.now,
        )
        by = Rederivation(
            rules=RULES, assessor_of=wiring.assessor, decide=more.pop("decide", _nobody)
        )
        return verify_event(self.removed if data is None else data, self.trust, find, by, **more)

    def signed(self, change: Callable[[Takedown], Takedown], signer: FileSigner = EVENTS) -> bytes:
        """What who has the event key can do: another event, signed, with the id that it gives."""
        event = change(self.event)
        return takedown.encode(replace(event, event_id=event_id(event)), signer)


def _nobody(url: str) -> Decision:
    """The rules of today are asked in the tests that are about them: they take a second look."""
    raise SnapshotterError("there is no such policy")


def _today(url: str) -> Decision:
    return decide(load("wechat-article"))


def _other_rules(url: str) -> Decision:
    decision = _today(url)
    texts = dict(decision.verdict.rule_texts)
    texts["wechat"] = texts["wechat"].replace(*OTHER_CAUSE)
    return replace(decision, verdict=replace(decision.verdict, rule_texts=tuple(texts.items())))


BY = Rederivation(rules=RULES, assessor_of=wiring.assessor, decide=_today)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("run")
    chain = Chain(folder, "test authority")
    chain.make()
    authority = ChainAuthority(chain)
    store = DirectoryStore(folder / "store")
    for minute, url in [
        *((visit, ARTICLE) for visit in VISITS),
        *((control, OTHER) for control in CONTROLS),
    ]:
        bundle = observed.shoot(folder / "spool", at(minute), STATE, url, signer=SIGNER)
        key = observed.put(store, bundle)
        # Captures are of a time that the authority's clock has left behind: late tokens.
        token = folder / "store" / f"{key}.late-01.tsr"
        token.write_bytes(authority.response(bundle.signature))
    now = datetime.now(at(0).tzinfo) + timedelta(minutes=1)
    trust = Trust(
        source="a test",
        keys=tuple(
            trusted_key(signer.public_key, owner="test") for signer in (SIGNER, EVENTS, OTHER_KEY)
        ),
        authorities=(authority.anchor,),
        max_lag=timedelta(days=3650),
    )
    with open_index_file(folder / "index.db") as index:
        service = TakedownService(
            source=ObservationSource(store=store, index=index, rules=RULES),
            trust=lambda: trust,
            signer=lambda: EVENTS,
            own_keys=frozenset(),
            confirm=lambda url: ConfirmRules(),
            mismatch=partial(mismatch, BY),
            now=lambda: now,
            lock_dir=folder / "lock",
        )
        (page, *_) = derive(service, (ARTICLE,))
    records = [(folder / "store" / recorded.key).read_bytes() for recorded in page.recorded]
    exhibit = folder / "exhibit"
    exhibit.mkdir()
    for path in (folder / "store" / store_keys.BUNDLES).rglob("*.wacz*"):
        shutil.copy(path, exhibit)
    return Case(folder=exhibit, trust=trust, now=now, removed=records[0], reinstated=records[1],
                authority=authority)  # fmt: skip


@pytest.fixture
def case(made: Case, tmp_path: Path) -> Case:
    """The same, to be spoiled."""
    shutil.copytree(made.folder, tmp_path / "exhibit")
    return replace(made, folder=tmp_path / "exhibit")


def _codes(found: EventReport) -> dict[str, set[Code]]:
    """Return the codes of the findings that are not PASSED, by what they are about."""
    codes: dict[str, set[Code]] = {}
    for finding in found.findings:
        if finding.verdict is not Verdict.PASSED:
            codes.setdefault(finding.check, set()).add(finding.code)
    return codes


def test_the_run_gives_the_removal_between_two_visits_with_its_notice(made: Case) -> None:
    event = made.event

    assert (event.kind, event.identity) == (TakedownKind.REMOVED, IDENTITY)
    assert (event.last_seen.at, event.first_gone.at) == (at(30), at(60))
    begin, end = event.bracket
    assert begin <= at(40) <= end
    assert end - begin <= timedelta(minutes=30, seconds=2)
    assert event.first_gone.rule == "wx-02"
    assert event.first_gone.notice == "此内容因违规无法查看"
    back = takedown.parse(made.reinstated)[0]
    assert (back.kind, back.first_gone.at, back.last_seen.at) == (
        TakedownKind.REINSTATED,
        at(180),
        at(210),
    )


def test_an_event_verifies_from_its_bundles_alone(made: Case) -> None:
    found = made.verify(decide=_today)

    assert _codes(found) == {}
    assert found.verdict is Verdict.PASSED
    assert found.notes == ()
    text = "\n".join(lines(found))
    assert "The page wechat:MzkwMDAwMDAwMQ==/2650000001/1 was taken down between" in text
    assert "confirmation 1" in text
    value = json.loads(json.dumps(as_json(found)))
    assert value["verdict"] == "passed"
    assert [part["role"] for part in value["parts"]] == [
        "last seen", "first gone", "confirmation 1", "control",
    ]  # fmt: skip


def test_a_reinstatement_verifies_and_names_the_event_before(made: Case) -> None:
    digest = takedown.parse(made.reinstated)[0].previous

    def before(sha256: str) -> tuple[Takedown, str] | None:
        return (made.event, EVENTS.key_id) if sha256 == digest else None

    found = made.verify(made.reinstated, before=before)
    assert found.verdict is Verdict.PASSED
    assert "removed. The captures of the earlier event were not checked" in "\n".join(lines(found))
    assert _codes(made.verify(made.reinstated, before=lambda sha256: None)) == {
        "previous": {Code.PREVIOUS}
    }
    for other in (
        replace(made.event, identity="//example.test/"),
        replace(made.event, kind=TakedownKind.REINSTATED),  # from which nothing comes back
    ):
        found = made.verify(
            made.reinstated, before=lambda sha256, earlier=other: (earlier, EVENTS.key_id)
        )
        assert _codes(found) == {"previous": {Code.PREVIOUS}}
        assert found.verdict is Verdict.FAILED


def test_a_chain_of_events_has_no_hole(made: Case) -> None:
    """It went twice, and came back unseen; or it went before the event that it follows on."""
    back = takedown.parse(made.reinstated)[0]
    data = made.signed(lambda event: replace(event, previous="0" * 64))

    for before in (made.event, replace(back, at=made.event.at)):
        found = made.verify(data, before=lambda sha256, earlier=before: (earlier, EVENTS.key_id))

        assert _codes(found) == {"previous": {Code.PREVIOUS}}
        assert found.verdict is Verdict.FAILED


def test_what_came_back_as_few_other_words_is_left_open_and_told(made: Case) -> None:
    """They may be a notice that no rule knows: whoever has the event's key alone can take one."""
    back = takedown.parse(made.reinstated)[0]
    few = replace(back.last_seen, ambiguous=True, main_sha256="0" * 64)
    data = takedown.encode(replace(back, last_seen=few), EVENTS)

    found = made.verify(data, before=lambda sha256: (made.event, EVENTS.key_id))

    (previous,) = (finding for finding in found.findings if finding.check == "previous")
    assert (previous.verdict, previous.code) == (Verdict.INDETERMINATE, Code.PREVIOUS)
    assert any("shows a page with few words, which may be a notice" in note for note in found.notes)


def test_an_event_before_by_a_stranger_leaves_it_open(made: Case) -> None:
    """It is the record that is named, by its digest: nothing speaks against this event."""
    stranger = bundles.new_signer()

    found = made.verify(made.reinstated, before=lambda sha256: (made.event, stranger.key_id))

    assert _codes(found) == {"previous": {Code.PREVIOUS}}
    assert found.verdict is Verdict.INDETERMINATE
    assert any(
        f"is signed by the key {stranger.key_id}" in finding.detail for finding in found.findings
    )


ROLES = ("last seen", "first gone", "confirmation 1", "control")


@pytest.mark.parametrize("role", ROLES)
def test_one_altered_byte_fails_with_the_name_of_its_end(case: Case, role: str) -> None:
    path = case.path(role)
    path.write_bytes(bundles.flipped(path.read_bytes()))

    found = case.verify()

    assert found.verdict is Verdict.FAILED
    assert _codes(found) == {role: {Code.BUNDLE_OTHER}, "conclusion": {Code.CONCLUSION}}


@pytest.mark.parametrize("role", ROLES)
def test_a_bundle_that_is_not_here_leaves_it_open_with_the_name_of_its_end(
    case: Case, role: str
) -> None:
    case.path(role).unlink()

    found = case.verify()

    assert found.verdict is Verdict.INDETERMINATE
    assert _codes(found) == {role: {Code.BUNDLE_MISSING}, "conclusion": {Code.CONCLUSION}}


@pytest.mark.parametrize("role", ROLES)
def test_a_bundle_whose_time_nobody_confirms_leaves_it_open(case: Case, role: str) -> None:
    for token in case.folder.glob(f"{case.path(role).name}.late-*"):
        token.unlink()

    found = case.verify()

    assert _codes(found) == {role: {Code.BUNDLE_OPEN}}


def _named(case: Case, role: str) -> bytes:
    """What who has the event key can do: an event that names what lies there now."""
    path = case.path(role)
    sha256 = bundles.digest_of(path)

    def to(part: Any) -> Any:
        return replace(part, sha256=sha256) if part.bundle_id == path.stem else part

    return case.signed(
        lambda event: replace(
            event,
            last_seen=to(event.last_seen),
            first_gone=to(event.first_gone),
            confirmations=tuple(map(to, event.confirmations)),
            controls=tuple(map(to, event.controls)),
        )
    )


@pytest.mark.parametrize("role", ROLES)
def test_a_bundle_that_fails_by_itself_fails_the_event_that_names_it(case: Case, role: str) -> None:
    path = case.path(role)
    members = bundles.unpack(path.read_bytes())
    path.write_bytes(bundles.pack({**members, "capture/dom.html": b"<p>another page"}))

    found = case.verify(_named(case, role))

    assert _codes(found) == {role: {Code.BUNDLE}, "conclusion": {Code.CONCLUSION}}
    assert found.verdict is Verdict.FAILED


def _exchanged(case: Case, role: str, changes: dict[str, bytes]) -> bytes:
    """What who has both keys can do: another bundle, sealed again, and the event to it."""
    path = case.path(role)
    members = bundles.unpack(path.read_bytes())
    path.write_bytes(bundles.pack(bundles.resealed(members, changes, SIGNER, None)))
    return _named(case, role)


@pytest.mark.parametrize("role", ROLES)
def test_a_verdict_that_the_rules_do_not_give_fails_with_the_name_of_its_end(
    case: Case, role: str
) -> None:
    other = "first gone" if role in ("last seen", "control") else "last seen"
    document = bundles.unpack(case.path(other).read_bytes())
    pages = {name: document[name] for name in ("capture/dom.html", "capture/page.txt")}

    found = case.verify(_exchanged(case, role, pages))

    codes = _codes(found)
    assert Code.VERDICT in codes[role]
    assert codes["conclusion"] == {Code.CONCLUSION}
    assert found.verdict is Verdict.FAILED


TABLE: dict[str, tuple[Callable[[Takedown], Takedown], dict[str, set[Code]]]] = {
    "another cause": (
        lambda event: replace(event, first_gone=replace(event.first_gone, cause=None)),
        {"first gone": {Code.VERDICT}},
    ),
    "another notice": (
        lambda event: replace(event, first_gone=replace(event.first_gone, notice="so they say")),
        {"first gone": {Code.VERDICT}},
    ),
    "an earlier time": (
        lambda event: replace(
            event, last_seen=replace(event.last_seen, at=at(31), began_at=at(31))
        ),
        {"last seen": {Code.VERDICT}},
    ),
    "another page": (
        lambda event: replace(event, identity="wechat:MzkwMDAwMDAwMg==/2650000007/1"),
        {"identity": {Code.IDENTITY}, "conclusion": {Code.CONCLUSION}},
    ),
    "a control that is the page": (
        lambda event: replace(event, controls=(event.confirmations[0],)),
        {"identity": {Code.IDENTITY}, "conclusion": {Code.CONCLUSION}},
    ),
    "no control": (lambda event: replace(event, controls=()), {"conclusion": {Code.CONCLUSION}}),
    "no confirmation": (
        lambda event: replace(event, confirmations=()),
        {"conclusion": {Code.CONCLUSION}},
    ),
    "more asked for than there is": (
        lambda event: replace(event, confirm=ConfirmRules(times=3)),
        {"conclusion": {Code.CONCLUSION}},
    ),
    "longer asked for than it took": (
        lambda event: replace(event, confirm=ConfirmRules(after=timedelta(hours=1))),
        {"conclusion": {Code.CONCLUSION}},
    ),
    "longer asked for than time lasts": (
        lambda event: replace(event, confirm=ConfirmRules(after=timedelta(milliseconds=2**53 - 1))),
        {"conclusion": {Code.CONCLUSION}},
    ),
    "another page at one end": (
        lambda event: replace(event, first_gone=event.controls[0], controls=(event.first_gone,)),
        {"identity": {Code.IDENTITY}, "conclusion": {Code.CONCLUSION}},
    ),
    "another kind": (
        lambda event: replace(event, kind=TakedownKind.ACCOUNT_CHANGED, state="frozen"),
        {"identity": {Code.IDENTITY}, "conclusion": {Code.CONCLUSION}},
    ),
    "another time": (lambda event: replace(event, at=at(75)), {"conclusion": {Code.CONCLUSION}}),
    "another address": (
        lambda event: replace(event, url=OTHER),
        {"conclusion": {Code.CONCLUSION}},
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_an_event_that_says_more_than_its_captures_fails(made: Case, name: str) -> None:
    change, expected = TABLE[name]

    found = made.verify(made.signed(change))

    codes = _codes(found)
    assert found.verdict is Verdict.FAILED
    assert {check: codes.get(check) for check in expected} == expected


def test_an_id_that_its_captures_do_not_give_fails(made: Case) -> None:
    event = replace(made.event, event_id=f"{made.event.event_id[:-16]}{'a' * 16}")

    found = made.verify(takedown.encode(event, EVENTS))

    assert _codes(found) == {"conclusion": {Code.CONCLUSION}}


def test_an_id_is_found_wrong_without_the_bundles_too(case: Case) -> None:
    event = replace(case.event, event_id=f"{case.event.event_id[:-16]}{'a' * 16}")
    case.path("control").unlink()

    found = case.verify(takedown.encode(event, EVENTS))

    assert found.verdict is Verdict.FAILED


def test_another_bundle_in_the_place_of_one_is_told_once_however_well_it_is_sealed(
    case: Case,
) -> None:
    _exchanged(case, "first gone", {})

    found = case.verify()

    assert _codes(found) == {
        "first gone": {Code.BUNDLE_OTHER},
        "conclusion": {Code.CONCLUSION},
    }


def test_a_record_that_was_altered_is_no_event(made: Case) -> None:
    for data in (bundles.flipped(made.removed), b"{}", made.removed[:-1]):
        found = made.verify(data)
        assert (_codes(found), found.verdict) == ({"event": {Code.EVENT}}, Verdict.FAILED)
    assert (
        "The proof is not intact: the file is not a take-down event" in lines(made.verify(b"{}"))[0]
    )


def test_the_key_of_an_event_is_known_good_and_not_that_of_its_captures(made: Case) -> None:
    stranger = made.signed(lambda event: event, signer=bundles.new_signer())
    assert _codes(made.verify(stranger)) == {"event key": {Code.KEY_UNKNOWN}}
    both = made.signed(lambda event: event, signer=SIGNER)
    found = made.verify(both)
    assert _codes(found) == {"event key": {Code.EVENT_KEY}}
    assert found.verdict is Verdict.FAILED
    assert made.verify(made.signed(lambda event: event, signer=OTHER_KEY)).verdict is Verdict.PASSED


def test_what_the_rules_of_today_say_differently_is_told_and_decides_nothing(made: Case) -> None:
    found = made.verify(decide=_other_rules)

    assert found.verdict is Verdict.PASSED
    other = [note for note in found.notes if "the current rules give another verdict: " in note]
    assert [line.partition(":")[0] for line in other] == ["first gone", "confirmation 1"]


def test_a_control_that_led_to_another_host_is_none(case: Case) -> None:
    members = bundles.unpack(case.path("control").read_bytes())
    record = json.loads(members[names.CAPTURE_RECORD])
    record["what"]["final_url"] = "https://parking.example/lander"

    found = case.verify(
        _exchanged(case, "control", {names.CAPTURE_RECORD: canonical_json.dumps(record)})
    )

    said = [finding.detail for finding in found.findings if finding.code is Code.IDENTITY]
    assert said == [
        f'the event is about {IDENTITY}, but the capture "control" was redirected to another host'
    ]


def test_what_is_said_of_a_bundle_is_held_against_its_record_and_its_own_rules(case: Case) -> None:
    gone = case.event.first_gone
    path = case.path("first gone")

    def established() -> VerifiedFacts:
        with path.open("rb") as stream:
            found = verify_on_disk(stream, path, case.trust, now=case.now).established
        assert found is not None
        return found

    def said_of_it(said: Observation, facts: VerifiedFacts) -> str:
        with path.open("rb") as stream:
            return mismatch(BY, said, facts, stream)

    facts = established()
    assert said_of_it(gone, facts) == ""
    assert said_of_it(replace(gone, cause=None, notice="so they say"), facts) == (
        "the rules in the bundle give another result. Fields that differ: cause, notice"
    )
    _exchanged(case, "first gone", {"capture/rules-wechat.toml": b"nonsense ["})
    assert said_of_it(gone, facts).endswith(" changed after its verification")
    # Of a time before verdicts: it holds no rules, and its record says when it was.
    members = bundles.unpack(path.read_bytes())
    del members["capture/assessment.json"]
    path.write_bytes(bundles.pack(bundles.resealed(members, {}, SIGNER, None)))
    facts = established()
    gone = replace(gone, sha256=facts.sha256)
    assert said_of_it(gone, facts) == ""
    assert said_of_it(replace(gone, at=gone.at - timedelta(days=365), light=True), facts) == (
        "the capture record belongs to another capture. Fields that differ: at, light"
    )


def test_rules_that_are_none_of_those_of_today_are_named(made: Case) -> None:
    """Whoever has the key that captures can put rules into a bundle that say anything."""
    found = made.verify(decide=_other_rules)  # another text under the same id and version
    generic = replace(_today("").verdict, rules=("generic",), rule_texts=())
    unknown = made.verify(decide=lambda url: replace(_today(url), verdict=generic))

    for notes in (found.notes, unknown.notes):
        named = [
            note
            for note in notes
            if ("by rules that are not among the current rules: wechat") in note
        ]
        assert [line.partition(":")[0] for line in named] == list(ROLES)


def test_an_event_that_was_held_to_less_than_is_usual_says_so(made: Case) -> None:
    """Whoever signs an event chooses by what it is concluded."""
    lax = ConfirmRules(times=1, after=timedelta(), control=False)
    event = replace(made.event, confirm=lax, confirmations=(), controls=(), at=at(60))

    data = takedown.encode(replace(event, event_id=event_id(event)), EVENTS)
    found = made.verify(data, decide=_today)

    assert found.verdict is Verdict.PASSED
    assert found.notes == (
        (
            "the event needed less confirmation than usual. The usual rule requires 2 captures "
            "that agree, at least 10 min apart, and between them a capture of another page of "
            "the host. For this event: one capture of the removed page was enough; captures "
            "that agree had to be at least 0 s apart; no capture of another page of the host "
            "was needed"
        ),
    )
    assert "The event states nothing about other captures." in lines(found)[0]


def test_an_earlier_proof_than_one_trusts_is_a_claim_and_no_forgery(made: Case) -> None:
    """An authority that is revoked later takes its tokens with it, and not the event."""
    earlier = made.signed(
        lambda event: replace(event, last_seen=replace(event.last_seen, proven_at=at(0)))
    )

    found = made.verify(earlier)

    assert _codes(found) == {"last seen": {Code.TIME}}
    assert found.verdict is Verdict.INDETERMINATE
    assert any(
        "but the tokens that you trust prove the time" in finding.detail
        for finding in found.findings
    )


def test_what_came_back_names_the_event_by_which_it_was_gone(made: Case) -> None:
    back = replace(takedown.parse(made.reinstated)[0], previous="")

    found = made.verify(takedown.encode(back, EVENTS))

    assert _codes(found) == {"previous": {Code.PREVIOUS}}
    assert found.verdict is Verdict.FAILED


def test_rules_of_today_that_can_not_be_asked_are_told(made: Case) -> None:
    found = made.verify(decide=_nobody)

    assert found.verdict is Verdict.PASSED
    assert set(found.notes) == {f"{role}: the current rules could not be applied" for role in ROLES}


def test_a_bundle_of_a_time_before_verdicts_is_judged_by_the_rules_of_today(case: Case) -> None:
    path = case.path("first gone")
    members = bundles.unpack(path.read_bytes())
    del members["capture/assessment.json"]
    path.write_bytes(bundles.pack(bundles.resealed(members, {}, SIGNER, None)))

    data = _named(case, "first gone")
    found = case.verify(data, decide=_today)

    assert (
        "first gone: the bundle contains no verdict, so the current rules judged the capture"
    ) in found.notes
    assert _codes(found) == {"first gone": {Code.BUNDLE_OPEN}}  # its token went with its seal

    # Those of today may be others than those by which it was judged: nothing is said against it.
    found = case.verify(data, decide=_other_rules)
    assert _codes(found) == {
        "first gone": {Code.BUNDLE_OPEN, Code.VERDICT}, "conclusion": {Code.CONCLUSION}
    }  # fmt: skip
    assert found.verdict is Verdict.INDETERMINATE

    def signed(change: Callable[[Takedown], Takedown]) -> bytes:
        event = change(takedown.parse(data)[0])
        return takedown.encode(replace(event, event_id=event_id(event)), EVENTS)

    # What the rules read off a page is open as well. What they do not decide is not.
    words = signed(
        lambda event: replace(event, first_gone=replace(event.first_gone, notice="so they say"))
    )
    assert _codes(case.verify(words, decide=_today)) == {
        "first gone": {Code.BUNDLE_OPEN, Code.VERDICT}
    }
    assert case.verify(words, decide=_today).verdict is Verdict.INDETERMINATE
    alone = signed(lambda event: replace(event, controls=()))
    assert case.verify(alone, decide=_other_rules).verdict is Verdict.FAILED


def test_one_verdict_is_made_by_the_rules_in_the_bundle(case: Case) -> None:
    path = case.path("first gone")
    members = bundles.unpack(path.read_bytes())
    rules = members["capture/rules-wechat.toml"].decode()
    other = rules.replace(*OTHER_CAUSE).encode()

    found = case.verify(_exchanged(case, "first gone", {"capture/rules-wechat.toml": other}))

    assert Code.VERDICT in _codes(found)["first gone"]


def test_a_bundle_of_another_format_and_no_rules_leave_the_verdict_open(case: Case) -> None:
    data = _exchanged(case, "first gone", {"capture/rules-wechat.toml": b"nonsense ["})

    codes = _codes(case.verify(data))

    assert codes["first gone"] == {Code.BUNDLE_OPEN, Code.VERDICT}  # its token went with its seal


def test_bundles_are_found_among_what_is_given_and_in_a_store(made: Case, tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    for path in made.folder.glob("*.wacz*"):
        name, _, kind = path.name.partition(".wacz")
        target = tmp_path / "store" / f"{store_keys.bundle_key(name)}{kind}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    given = list(made.folder.glob("*.wacz"))
    by = Rederivation(rules=RULES, assessor_of=wiring.assessor, decide=_today)

    @contextmanager
    def nowhere(bundle_id: str) -> Iterator[None]:
        yield None

    for find in (
        partial(bundle_finder.find_in_store, store, made.trust, made.now),
        partial(bundle_finder.find_in_folders, [], given, made.trust, made.now),
        partial(
            bundle_finder.find_first,
            (nowhere, partial(bundle_finder.find_in_store, store, made.trust, made.now)),
        ),
    ):
        assert verify_event(made.removed, made.trust, find, by).verdict is Verdict.PASSED


def test_what_a_statement_of_ours_is_not_is_no_event(made: Case) -> None:
    gap = signed_statement.encode({"format": "snapshotter-gap/1", "event": {}}, EVENTS)

    assert _codes(made.verify(gap)) == {"event": {Code.EVENT}}


# --- without the rules -----------------------------------------------------------------------

ALONE = {"verdicts": {Code.VERDICT}, "conclusion": {Code.CONCLUSION}}


def _alone(case: Case, data: bytes | None = None, **more: Any) -> EventReport:
    return verify_event_without_rules(
        case.removed if data is None else data,
        more.pop("trust", case.trust),
        now=case.now,
        folders=[case.folder],
        **more,
    )


def test_without_rules_all_but_the_conclusion_is_judged(made: Case) -> None:
    found = _alone(made)

    assert _codes(found) == ALONE
    assert found.verdict is Verdict.INDETERMINATE
    assert {finding.check for finding in found.findings if finding.verdict is Verdict.PASSED} == {
        "event", "event key", "last seen", "first gone", "confirmation 1", "control"
    }  # fmt: skip
    assert "snapshotter log prove --kind takedown" in found.notes[0]
    assert "verify the event with the command snapshotter verify of the full package" in "\n".join(
        lines(found)
    )


def test_without_rules_what_was_spoiled_is_found(case: Case) -> None:
    flipped = _alone(case, bundles.flipped(case.removed))
    assert _codes(flipped) == {"event": {Code.EVENT}}
    assert flipped.verdict is Verdict.FAILED

    shutil.copy(case.path("control"), case.path("first gone"))
    case.path("confirmation 1").unlink()
    case.path("confirmation 1").mkdir()  # what is no file is no bundle
    found = _alone(case)
    assert found.verdict is Verdict.FAILED
    assert _codes(found) == {
        **ALONE, "first gone": {Code.BUNDLE_OTHER}, "confirmation 1": {Code.BUNDLE_MISSING}
    }  # fmt: skip


def test_without_rules_a_key_that_signed_captures_signs_no_event(case: Case) -> None:
    found = _alone(case, takedown.encode(case.event, SIGNER))

    assert found.verdict is Verdict.FAILED
    assert _codes(found)["event key"] == {Code.EVENT_KEY}


def test_the_place_of_an_event_in_the_log_is_checked(case: Case) -> None:
    log, witness = audited.log_key(), audited.witness_key()
    policy = LogPolicy(key=log.public, witnesses=(witness.public,), quorum=1)
    trust = replace(case.trust, log=policy)
    digest = hashlib.sha256(case.removed).hexdigest()
    own = Leaf(kind=TAKEDOWN, name=case.event.event_id, sha256=digest).encode()
    bundle = Leaf(kind=BUNDLE, name=case.event.event_id, sha256=digest).encode()
    seen, unseen = (
        audited.checkpoint([bundle, own], log, cosigners) for cosigners in ((witness,), ())
    )

    def told(index: int, signed: bytes, by: Trust = trust) -> str:
        proof = audited.proof([bundle, own], index, signed)
        found = _alone(case, trust=by, log_proof=proof)
        assert _codes(found) == ALONE  # no event needs a proof, and anybody can put one there
        passed = [finding.detail for finding in found.findings if finding.check == "log"]
        return "; ".join((*passed, *found.notes))

    assert told(1, seen) == (
        f"the log {log.name} contains the event: entry with the index 1, entries in the log: 2"
    )
    assert "is not valid" in told(0, seen)  # a bundle of that name is another thing
    assert told(1, unseen) == "witnesses that have seen the event in the log: 0, required: 1"
    assert "you trust no log" in told(1, seen, case.trust)


# --- the order of its captures -----------------------------------------------------------------


def test_an_owed_token_that_came_late_is_told_and_never_fails_an_event(case: Case) -> None:
    """It says by when a bundle existed, and not since when (docs/adr/0009)."""
    path = case.path("last seen")
    signature = bundles.unpack(path.read_bytes())[names.signature(1)]
    path.with_name(f"{path.name}.late-01.tsr").write_bytes(case.authority.response(signature))
    owed = replace(case.event, last_seen=replace(case.event.last_seen, proven_at=None))
    data = takedown.encode(owed, EVENTS)

    for found, open_codes in ((case.verify(data), {}), (_alone(case, data), ALONE)):
        assert _codes(found) == open_codes
        assert ("last seen", "first gone") in {(weak.role, weak.against) for weak in found.weak}
        text = "\n".join(lines(found))
        assert (
            "note only the clock of the capturing machine supports that the capture 'last seen' "
            "was made before the capture 'first gone'"
        ) in text
        assert as_json(found)["weak"][0]["detail"] == found.weak[0].detail


def test_an_end_that_no_token_proves_is_told(case: Case) -> None:
    for token in case.folder.glob(f"{case.path('last seen').name}.late-*"):
        token.unlink()

    found = case.verify()

    assert _codes(found) == {"last seen": {Code.BUNDLE_OPEN}}
    assert ("last seen", "") in {(weak.role, weak.against) for weak in found.weak}


def test_a_capture_that_quotes_a_log_with_the_later_one_in_it_fails_the_event(case: Case) -> None:
    """Of a holder of both keys: the page is captured anew, and said to be from before."""
    log = audited.log_key()
    gone = case.event.first_gone
    entry = Leaf(kind=BUNDLE, name=gone.bundle_id, sha256=gone.sha256).encode()
    checkpoint = audited.checkpoint([entry], log)
    path = case.path("first gone")
    proof = audited.proof([entry], 0, checkpoint)
    path.with_name(f"{path.name}.tlog-proof").write_bytes(proof)
    record = json.loads(bundles.unpack(case.path("last seen").read_bytes())[names.CAPTURE_RECORD])
    quoting = canonical_json.dumps({**record, "log_checkpoint": checkpoint.decode()})
    data = _exchanged(case, "last seen", {names.CAPTURE_RECORD: quoting})
    trust = replace(case.trust, log=LogPolicy(key=log.public))

    for found in (
        replace(case, trust=trust).verify(data),
        _alone(replace(case, trust=trust), data),
    ):
        said = [finding.detail for finding in found.findings if finding.check == "order"]
        assert said == [
            "the capture 'last seen' was made after the capture 'first gone', not before: the "
            "capture 'first gone' was in the log before the capture 'last seen' began"
        ]
        assert found.verdict is Verdict.FAILED


# --- whose word each field is ------------------------------------------------------------------


def _account(account: str) -> Callable[[Takedown], Takedown]:
    return lambda event: replace(event, last_seen=replace(event.last_seen, account=account))


def test_the_account_of_a_capture_is_one_that_its_page_names(made: Case) -> None:
    found = made.verify(made.signed(_account("wechat:SomebodyElse==")))

    assert _codes(found) == {"identity": {Code.IDENTITY}}
    assert found.verdict is Verdict.FAILED


def test_the_identity_of_a_control_is_that_of_its_address(made: Case) -> None:
    def other(event: Takedown) -> Takedown:
        return replace(event, controls=(replace(event.controls[0], identity="//other.test/"),))

    assert _codes(made.verify(made.signed(other))) == {"identity": {Code.IDENTITY}}


def test_a_capture_that_shows_no_address_of_an_event_has_no_place_in_it(made: Case) -> None:
    """Its id is made without what shows where an address leads: anything could stand there."""
    control = made.event.controls[0]
    alone = replace(made.event, identified_by=(control,), controls=())

    found = made.verify(takedown.encode(replace(alone, event_id=event_id(alone)), EVENTS))

    said = [finding.detail for finding in found.findings if finding.code is Code.IDENTITY]
    assert said == [
        f'the event is about {IDENTITY}, but the capture "address" is a capture of a page of '
        "which the event has no other capture"
    ]


def test_a_later_proof_than_there_is_now_is_told_and_decides_nothing(made: Case) -> None:
    """A token may come after the event, and one of an earlier time may be found."""
    for claim in (None, made.now):
        later = replace(made.event, last_seen=replace(made.event.last_seen, proven_at=claim))

        found = made.verify(takedown.encode(later, EVENTS), decide=_today)

        assert found.verdict is Verdict.PASSED
        assert [note.partition(":")[0] for note in found.notes] == ["last seen"]


@pytest.mark.parametrize(("microseconds", "is_open"), [(456, False), (999, False), (1000, True)])
def test_the_microseconds_of_a_token_are_no_other_time(
    made: Case, microseconds: int, is_open: bool
) -> None:
    """A record keeps the milliseconds, and authorities may give more."""
    exact = timedelta(microseconds=microseconds)
    parts = []
    for part in made.verify().parts:
        report = part.report
        assert report is not None
        assert report.proven_time is not None
        later = replace(report, proven_time=report.proven_time + exact)
        parts.append(replace(part, report=later))

    found = check_captures(read_event_record(made.removed, made.trust), parts, made.trust)

    assert _codes(found) == ({role: {Code.TIME} for role in ROLES} if is_open else {})


def test_each_field_of_an_event_has_a_decision() -> None:
    event = fields.decisions("takedown-event.md", "Fields of an event")
    capture = fields.decisions("takedown-event.md", "Fields of a capture")

    assert set(event) == fields.names(Takedown)
    assert set(capture) == fields.names(Observation)
    words = {name for name, word in event.items() if word == "signer's word"}
    assert words == set(OWN_WORD)


def test_no_field_of_an_event_can_be_changed_unnoticed(
    made: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever holds the key of events signs it again, with the id that follows."""
    _look_once(made, monkeypatch)
    value = canonical_json.plain(made.event)
    good = made.verify(decide=_today)
    own_word = fields.decisions("takedown-event.md", "Fields of an event")
    tried, passed = set(), set()

    for source, event in fields.changed(Takedown, value):
        tried.add(source)
        its = event if source == ("event_id",) else replace(event, event_id=event_id(event))
        try:
            data = takedown.encode(its, EVENTS)
        except ValueError:
            continue  # no event at all
        found = made.verify(data, decide=_today, before=lambda sha256: None)
        if found.verdict is not Verdict.PASSED:
            continue
        passed.add(source)
        name = str(source[0])
        is_word = own_word[name] == "signer's word" and name in found.own_word
        assert is_word or set(found.notes) - set(good.notes), source
        assert not is_word or name in lines(found)[-1], source

    assert len(tried) > 150
    assert {source[0] for source in passed if len(source) == 2} <= {
        "confirm",
        "last_seen",
        "first_gone",
    }


def _look_once(made: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verify and judge each bundle once: they do not change, and the record does."""
    look, known = event_captures.check_capture, {}

    def once(said: Observation, here: Any, by: Rederivation) -> Any:
        key = (said.bundle_id, said.sha256)
        if key not in known:
            known[key] = look(said, here, by)
        return known[key]

    monkeypatch.setattr(event_verification, "check_capture", once)
    find, lent = bundle_finder.find_in_folders, {}

    @contextmanager
    def lend(folders: Any, given: Any, trust: Trust, now: datetime, bundle_id: str) -> Any:
        if bundle_id not in lent:
            with find(folders, given, trust, now, bundle_id) as here:
                lent[bundle_id] = here
                yield here
                return
        yield lent[bundle_id]

    monkeypatch.setattr(bundle_finder, "find_in_folders", lend)
