"""A campaign of 45 accounts of which 41 are removed: the report says 41, and it is made again."""

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from snapshotter.app.archive import assessment
from snapshotter.app.archive.bundles import read_record
from snapshotter.app.archive.observations import ObservationSource, ReassessBundle
from snapshotter.app.monitoring import gap_records as gaps
from snapshotter.app.monitoring.gap_records import GapService
from snapshotter.app.takedown import campaign_report
from snapshotter.app.takedown import events as takedowns
from snapshotter.app.takedown.bundle_finder import FindBundle, VerifiedBundle, find_in_store
from snapshotter.app.takedown.campaign_report import CampaignService, Scope
from snapshotter.app.takedown.campaign_verification import (
    CampaignVerification,
    as_json,
    lines,
    verify_campaign,
)
from snapshotter.app.takedown.events import TakedownService
from snapshotter.app.takedown.rederivation import Rederivation, mismatch
from snapshotter.app.wiring import capture as wiring
from snapshotter.assess.campaign import bracket_by_start, compute_findings
from snapshotter.errors import SnapshotterError
from snapshotter.formats.bundle import names, store_keys
from snapshotter.formats.canonical_json import plain
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.page import assessment as assessments
from snapshotter.formats.proofs.leaf import BUNDLE, Leaf
from snapshotter.formats.proofs.note import LogPolicy
from snapshotter.formats.statements import campaign as records
from snapshotter.formats.statements import gap as gap_records
from snapshotter.index.open_index import open_index_file
from snapshotter.model.assessment import Assessment, Cause
from snapshotter.model.bundle import Bundle
from snapshotter.model.campaign import (
    OWN_WORD,
    Campaign,
    CampaignFindings,
    CampaignReport,
    ExcludedCapture,
    Fate,
    GapRef,
    TakedownRef,
    WatchedPage,
)
from snapshotter.model.finding import Code, Verdict
from snapshotter.model.gap import Gap, GapEvent, GapReason, Missed
from snapshotter.model.request import Decision, Monitoring
from snapshotter.model.takedown import ConfirmRules, Observation
from snapshotter.model.verified_facts import VerifiedFacts
from snapshotter.site.rendered_pages import rendered_page
from snapshotter.site.state import BEGIN, SiteState, campaign
from snapshotter.site.wechat import account_story
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.verify.file_kind import FileKind, kind_of
from snapshotter.verify.trust import Trust, trusted_key
from tests import audited, bundles, fields, observed, site_bundles
from tests.bundles import ChainAuthority
from tests.fakes.world import SeededIds
from tests.servers.authority import Chain
from tests.unit.policy.test_page_identity import RULES

pytestmark = [
    pytest.mark.long,
    pytest.mark.xdist_group("campaigns"),
]  # the captures of 45 accounts are made once

SIGNER, EVENTS = bundles.new_signer(), bundles.new_signer()
NOW = BEGIN + timedelta(days=30)
DECISION = site_bundles.decision()
TRUST = replace(
    bundles.trust_in(SIGNER, timestamps=0),
    keys=(trusted_key(SIGNER.public_key, owner="a"), trusted_key(EVENTS.public_key, owner="b")),
)


@dataclass(frozen=True)
class Case:
    """A store with the captures of a campaign."""

    store: DirectoryStore
    index: Path
    urls: tuple[str, ...]
    trust: Trust = TRUST
    now: datetime = NOW
    reassess: ReassessBundle | None = None
    mismatch: Callable[[Observation, VerifiedFacts, BinaryIO], str] = lambda said, facts, stream: ""


def address(number: int) -> str:
    """Return the address of the one article of an account."""
    return f"http://mp.weixin.qq.com{account_story(number, 0).address}"


def case(folder: Path, accounts: int, removed: int) -> Case:
    """Capture each account while it is there, and twice after the first so many are gone."""
    store = DirectoryStore(folder / "store")
    before = SiteState()
    after = campaign(before, removed, BEGIN)
    looks = ((before, 0), (after, 60), (after, 90))
    for hour, (state, minutes) in enumerate(looks):
        for number in range(accounts if hour < 2 else removed):
            when = BEGIN + timedelta(minutes=minutes, seconds=3 * number)
            its = replace(
                rendered_page(f"wx/account/{number}/0", state),
                requested_url=address(number),
                final_url=address(number),
            )
            made = site_bundles.seal(folder / "spool", its, when, signer=SIGNER, by=DECISION)
            observed.put(store, made)
    return Case(
        store=store,
        index=folder / "index.db",
        urls=tuple(address(number) for number in range(accounts)),
    )


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return case(tmp_path_factory.mktemp("large"), 45, 41)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return case(tmp_path_factory.mktemp("small"), 4, 2)


@pytest.fixture(scope="module")
def stamped(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The same, proven by tokens that came late: the authority's clock has left them behind."""
    folder = tmp_path_factory.mktemp("stamped")
    chain = Chain(folder, "test authority")
    chain.make()
    authority = ChainAuthority(chain)
    its = case(folder, 2, 1)
    for path in (folder / "store" / store_keys.BUNDLES).rglob("*.wacz"):
        signature = bundles.unpack(path.read_bytes())[names.signature(1)]
        path.with_name(f"{path.name}.late-01.tsr").write_bytes(authority.response(signature))
    trust = replace(
        bundles.trust_in(SIGNER, authority),
        keys=TRUST.keys,
        max_lag=timedelta(days=3650),
    )
    return replace(its, trust=trust, now=datetime.now(UTC) + timedelta(minutes=1))


@contextmanager
def service(of: Case) -> Iterator[CampaignService]:
    with open_index_file(of.index) as index:
        yield CampaignService(
            source=ObservationSource(
                store=of.store, index=index, rules=RULES, reassess=of.reassess
            ),
            trust=of.trust,
            monitoring=lambda url: Monitoring(confirm=ConfirmRules()),
            own_keys=frozenset(),
            now=lambda: of.now,
            new_id=lambda at: f"{at:%Y%m%dt%H%M%Sz}-abcdefghijklmnop",
            mismatch=of.mismatch,
        )


def made(of: Case, urls: tuple[str, ...] = (), **more: object) -> CampaignReport:
    scope = Scope(urls=urls or of.urls, words="a list", **more)  # type: ignore[arg-type]
    with service(of) as its:
        return campaign_report.make(its, scope)


def checked(
    of: Case,
    report: CampaignReport,
    *,
    without: str = "",
    signer: object = EVENTS,
    decide: Callable[[str], Decision] = lambda url: DECISION,
    find: FindBundle | None = None,
) -> CampaignVerification:
    @contextmanager
    def lend(bundle_id: str) -> Iterator[VerifiedBundle | None]:
        if bundle_id == without:
            yield None
            return
        with find_in_store(of.store, of.trust, of.now, bundle_id) as found:
            yield found

    by = Rederivation(rules=RULES, assessor_of=wiring.assessor, decide=decide)
    with service(of) as its:
        data = records.encode(report, signer)  # type: ignore[arg-type]  # one of ours
        assert kind_of(io.BytesIO(data), Path("report.json")) is FileKind.CAMPAIGN
        return verify_campaign(data, of.trust, find or lend, by, source=its.source)


def numbers(of: CampaignReport) -> dict[str, int]:
    return {number.name: number.value for number in of.findings.numbers}


def failed(found: CampaignVerification) -> list[str]:
    return [finding.detail for finding in found.findings if finding.verdict is Verdict.FAILED]


def with_number(of: CampaignReport, name: str, value: int) -> CampaignReport:
    its = tuple(
        replace(number, value=value) if number.name == name else number
        for number in of.findings.numbers
    )
    return replace(of, findings=replace(of.findings, numbers=its))


def test_of_45_accounts_41_are_removed_and_each_number_is_made_again(large: Case) -> None:
    report = made(large)

    said = numbers(report)
    assert (said["watched"], said["removed"], said["fate.gone"], said["fate.available"]) == (
        45, 41, 41, 4,
    )  # fmt: skip
    assert said["captures"] == 45 * 2 + 41
    removed = next(number for number in report.findings.numbers if number.name == "removed")
    assert (len(removed.pages), len(removed.events)) == (41, 41)
    assert len(removed.bundles) >= 3 * 41
    begins, ends = zip(
        *(
            (removal.began, removal.ended)
            for row in report.findings.rows
            for removal in row.removals
        ),
        strict=True,
    )
    assert min(begins) >= BEGIN - timedelta(seconds=5)
    assert max(ends) <= BEGIN + timedelta(minutes=64)

    found = checked(large, report)

    assert failed(found) == []
    assert found.checked == 45 * 2 + 41
    # Of bundles without a token nobody proves the time; each number is made again all the same.
    assert [finding.detail for finding in found.findings if finding.verdict is Verdict.PASSED][
        -2:
    ] == [
        "each number was computed again from the bundles, with the rules in the bundles",
        "the store has no other captures of these pages before the end of the period",
    ]


def test_a_report_whose_bundles_are_proven_passes(stamped: Case) -> None:
    found = checked(stamped, made(stamped))

    assert [
        (finding.code, finding.detail)
        for finding in found.findings
        if finding.verdict is not Verdict.PASSED
    ] == []
    assert found.verdict is Verdict.PASSED


def test_a_report_says_of_which_events_nothing_bears_out_the_order(small: Case) -> None:
    report = made(small)
    events = {removal.event_id for row in report.findings.rows for removal in row.removals}

    found = checked(small, report)

    assert events <= set(found.weak)
    assert ("last seen", "") in {(weak.role, weak.against) for weak in found.weak[min(events)]}
    told = (
        f"note event {min(events)}: only the clock of the capturing machine supports the place of "
        "the capture 'last seen' in the order: no proof shows by what time the capture existed"
    )
    assert any(line.startswith(told) for line in lines(found))
    assert set(as_json(found)["weak"]) == set(found.weak)


def test_a_number_that_was_altered_is_named(small: Case) -> None:
    found = checked(small, with_number(made(small), "removed", 3))

    assert found.verdict is Verdict.FAILED
    assert "removed: the report states 3, but the computed value is 2" in failed(found)


def test_without_any_bundle_a_number_that_was_altered_is_named_all_the_same(large: Case) -> None:
    report = with_number(made(large), "removed", 40)

    @contextmanager
    def none(bundle_id: str) -> Iterator[None]:
        yield None

    by = Rederivation(rules=RULES, assessor_of=wiring.assessor, decide=lambda url: DECISION)
    found = verify_campaign(records.encode(report, EVENTS), TRUST, none, by)

    assert failed(found) == ["removed: the report states 40, but the computed value is 41"]


def test_a_bundle_that_is_not_here_leaves_open_what_rests_on_it(small: Case) -> None:
    report = made(small)
    gone = report.campaign.pages[0].captures[-1].bundle_id

    found = checked(small, report, without=gone)

    assert found.verdict is Verdict.INDETERMINATE
    said = [
        finding.detail for finding in found.findings if finding.verdict is Verdict.INDETERMINATE
    ]
    assert (
        f"bundles that were not found: {gone}. A missing bundle does not show that the report is "
        "wrong"
    ) in said
    assert (
        "removed: the report states 2, but the computed value is 1. Bundles that were not found, "
        "and were not counted: 1"
    ) in said


def test_a_capture_that_the_report_leaves_out_is_found_in_the_store(small: Case) -> None:
    report = made(small)
    page = report.campaign.pages[0]
    shorter = replace(page, captures=page.captures[:-1])
    its = replace(report.campaign, pages=(shorter, *report.campaign.pages[1:]))
    cut = CampaignReport(campaign=its, findings=compute_findings(its))

    found = checked(small, cut)

    assert found.verdict is Verdict.FAILED
    assert any(page.captures[-1].bundle_id in detail for detail in failed(found))
    assert (
        "removed: the report states 1, but the computed value is 2. The value was computed "
        "with these captures"
    ) in failed(found)


def _changed(report: CampaignReport, number: int, **changes: object) -> CampaignReport:
    """What who has the key of reports can do: another report, with the numbers that follow."""
    pages = list(report.campaign.pages)
    pages[number] = replace(pages[number], **changes)  # type: ignore[arg-type]
    its = replace(report.campaign, pages=tuple(pages))
    return CampaignReport(campaign=its, findings=compute_findings(its))


def test_a_good_capture_that_is_called_a_bad_one_is_found_in_the_store(small: Case) -> None:
    report = made(small)
    last = report.campaign.pages[0].captures[-1]
    cut = _changed(report, 0, captures=report.campaign.pages[0].captures[:-1])
    why = ExcludedCapture(
        bundle_id=last.bundle_id, why="the verdict about the bundle is FAILED: HASH"
    )
    cut = replace(cut, campaign=replace(cut.campaign, left_out=(why,)))

    found = checked(small, cut)

    assert (
        "removed: the report states 1, but the computed value is 2. The value was computed "
        "with these captures"
    ) in failed(found)


def test_a_control_that_the_report_leaves_out_is_found_in_the_store(small: Case) -> None:
    cut = _changed(made(small), 0, controls=())
    assert numbers(cut)["removed"] == 1

    assert (
        "removed: the report states 1, but the computed value is 2. The value was computed "
        "with these captures"
    ) in failed(checked(small, cut))


def test_a_page_or_a_capture_that_is_counted_twice_is_refused(small: Case) -> None:
    """One removal under two addresses would be two."""
    report = made(small)
    page = report.campaign.pages[0]
    for again in (page, replace(page, identity="//mp.weixin.qq.com/s/short", url="http://x.test/")):
        its = replace(report.campaign, pages=(*report.campaign.pages, again))
        twice = CampaignReport(campaign=its, findings=compute_findings(its))
        assert numbers(twice)["removed"] == 3

        with pytest.raises(ValueError, match="is counted twice"):
            records.encode(twice, EVENTS)


def test_removals_that_were_held_to_less_than_is_usual_are_told(small: Case) -> None:
    lax = ConfirmRules(times=1, after=timedelta(), control=False)

    found = checked(small, _changed(made(small), 0, confirm=lax))

    said = [finding.detail for finding in found.findings]
    assert any(
        detail.startswith("for 1 of 4 pages, a removal needed less confirmation than usual")
        for detail in said
    )
    with pytest.raises(ValueError, match="at least one capture"):
        records.encode(_changed(made(small), 0, confirm=ConfirmRules(times=0)), EVENTS)


def _put(its: Case, number: int, state: SiteState, minutes: float, **more: Any) -> Bundle:
    """Store one more capture of the page of an account; return it."""
    url = its.urls[number]
    page = replace(rendered_page(f"wx/account/{number}/0", state), requested_url=url)
    page = replace(page, final_url=more.pop("final_url", url))
    when = BEGIN + timedelta(minutes=minutes)
    spool = its.index.with_name("spool")
    bundle = site_bundles.seal(spool, page, when, signer=SIGNER, by=DECISION, **more)
    observed.put(its.store, bundle)
    return bundle


def test_a_page_that_led_to_another_host_is_no_control_of_a_report(tmp_path: Path) -> None:
    its = case(tmp_path, 2, 0)
    gone = campaign(SiteState(), 1, BEGIN)
    _put(its, 0, gone, 65)
    away = _put(its, 1, gone, 70, final_url="http://elsewhere.test/")
    _put(its, 0, gone, 90)

    report = made(its, its.urls[:1])

    assert report.campaign.left_out == (
        ExcludedCapture(
            bundle_id=away.id,
            why="the capture was made as a control, but was redirected to another host",
        ),
    )
    assert (numbers(report)["removed"], numbers(report)["fate.unconfirmed"]) == (0, 1)
    assert failed(checked(its, report)) == []

    with service(its) as source:  # as older reports had it
        control = source.source.index.row(away.id)
    assert control is not None
    assert control.observation is not None
    older = _changed(report, 0, controls=(control.observation,))
    older = replace(older, campaign=replace(older.campaign, left_out=()))
    found = checked(its, older)

    assert numbers(older)["removed"] == 1
    assert failed(found) == []
    assert (
        f"{away.id}: this control capture was redirected to another host. New reports "
        "do not count such captures" in (found.notes)
    )


def test_a_capture_that_is_proven_to_be_misplaced_plays_no_part_in_a_report(tmp_path: Path) -> None:
    its = case(tmp_path, 2, 0)
    gone = campaign(SiteState(), 1, BEGIN)
    first = _put(its, 0, gone, 75)
    log = audited.log_key()
    entry = Leaf(kind=BUNDLE, name=first.id, sha256=first.digests.sha256).encode()
    checkpoint = audited.checkpoint([entry], log)
    proof = tmp_path / "store" / f"{store_keys.bundle_key(first.id)}.tlog-proof"
    proof.write_bytes(audited.proof([entry], 0, checkpoint))
    late = _put(its, 0, SiteState(), 61, log_checkpoint=checkpoint.decode())
    _put(its, 1, gone, 80)
    _put(its, 0, gone, 90)
    its = replace(its, trust=replace(its.trust, log=LogPolicy(key=log.public)))
    why = (
        "the capture 'last seen' was made after the capture 'first gone', not before: the capture "
        "'first gone' was in the log before the capture 'last seen' began"
    )

    report = made(its)

    assert report.campaign.left_out == (ExcludedCapture(bundle_id=late.id, why=why),)
    (removal,) = report.findings.rows[0].removals
    assert removal.began == BEGIN + timedelta(minutes=60, seconds=-2)
    assert failed(checked(its, report)) == []

    silent = replace(report, campaign=replace(report.campaign, left_out=()))
    assert any(late.id in detail for detail in failed(checked(its, silent)))


def test_a_capture_that_says_what_its_rules_do_not_plays_no_part_in_a_report(
    tmp_path: Path,
) -> None:
    """Who has the key of captures could make every report over a store one that FAILED."""
    its = case(tmp_path, 2, 1)
    lying = made(its).campaign.pages[0].captures[-1]
    path = tmp_path / "store" / store_keys.bundle_key(lying.bundle_id)
    members = bundles.unpack(path.read_bytes())
    said = assessments.parse(members[assessments.PATH])
    said = replace(said, takedown=replace(said.takedown, cause=Cause.AUTHOR))
    changes = {assessments.PATH: assessments.encode(said)}
    path.write_bytes(bundles.pack(bundles.resealed(members, changes, SIGNER, None)))
    by = Rederivation(rules=RULES, assessor_of=wiring.assessor, decide=lambda url: DECISION)
    its = replace(its, index=tmp_path / "another.db", mismatch=partial(mismatch, by))

    report = made(its)

    why = "the rules in the bundle give another result. Fields that differ: cause"
    assert report.campaign.left_out == (ExcludedCapture(bundle_id=lying.bundle_id, why=why),)
    assert failed(checked(its, report)) == []
    silent = replace(report, campaign=replace(report.campaign, left_out=()))
    assert any(lying.bundle_id in detail for detail in failed(checked(its, silent)))


def test_a_report_is_of_no_captures_from_after_its_period(small: Case) -> None:
    report = made(small)
    last = max(observation.at for page in report.campaign.pages for observation in page.captures)
    until = last - timedelta(minutes=10)
    campaign = replace(report.campaign, until=until, made_at=until)

    found = checked(small, CampaignReport(campaign=campaign, findings=compute_findings(campaign)))

    assert any(
        detail.startswith("the report names captures that ended after its period")
        for detail in failed(found)
    )


def test_an_older_report_over_captures_at_once_keeps_its_verdict_and_is_told(
    tmp_path: Path,
) -> None:
    """It dates a removal by the capture that began first, though the page was there later."""
    its = case(tmp_path, 2, 0)
    gone = campaign(SiteState(), 1, BEGIN)
    _put(its, 0, gone, 1, took=timedelta(seconds=100))  # begins before the one that shows it
    _put(its, 1, gone, 20)
    _put(its, 0, gone, 30)

    report = made(its)
    (removal,) = report.findings.rows[0].removals
    assert removal.began == BEGIN - timedelta(seconds=2)
    assert (failed(checked(its, report)), checked(its, report).notes) == ([], ())

    older = compute_findings(report.campaign, bracket=bracket_by_start)
    found = checked(its, replace(report, findings=older))

    assert older.rows[0].removals[0].ended == BEGIN
    assert failed(found) == []
    assert found.notes == (
        f"the two captures of the event {removal.event_id} overlap in time, and the report states "
        "the time of the event by an older rule. By the current rule, the event happened between "
        "2026-01-08T01:51:36Z and 2026-01-08T01:52:38Z",
    )


def test_a_gap_is_what_its_record_says(tmp_path: Path) -> None:
    its = case(tmp_path, 1, 0)
    since, url = BEGIN + timedelta(minutes=20), its.urls[0]
    gap = Gap(
        gap_id=f"{since:%Y%m%dt%H%M%Sz}-abcdefghijklmnop",
        schedule="watch",
        event=GapEvent.MISSED,
        reason=GapReason.NO_WORKER,
        at=since + timedelta(minutes=20),
        since=since,
        until=since + timedelta(minutes=10),
        missed=(Missed(slots=(since, since + timedelta(minutes=10)), urls=(url,)),),
    )
    opened = gap_records.disclosures(gap, [bytes(gap_records.SALT_BYTES)])
    data = gap_records.encode(gap, opened, EVENTS)
    key = store_keys.gap_key(gap.gap_id)
    path = tmp_path / "store" / key
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    report = made(its)
    (told,) = report.campaign.gaps
    smaller = replace(report.campaign, gaps=(replace(told, visits=told.visits - 1),))

    good = checked(its, report)
    found = checked(its, CampaignReport(campaign=smaller, findings=compute_findings(smaller)))

    assert failed(good) == []
    assert failed(found) == [f"the report differs from the record of the gap {key}"]


def test_what_a_capture_shows_is_found_out_by_the_rules_in_its_bundle(small: Case) -> None:
    report = made(small)
    page = report.campaign.pages[0]
    other = replace(page.captures[-1], cause=Cause.AUTHOR)
    lied = replace(page, captures=(*page.captures[:-1], other))
    its = replace(report.campaign, pages=(lied, *report.campaign.pages[1:]))

    found = checked(small, CampaignReport(campaign=its, findings=compute_findings(its)))

    assert (
        f"{other.bundle_id}: the report differs from the bundle in these fields: cause"
        in failed(found)
    )


def test_a_bundle_that_was_altered_plays_no_part_and_is_named(
    tmp_path: Path,
) -> None:
    its = case(tmp_path, 2, 1)
    whole = made(its)
    assert numbers(whole)["removed"] == 1
    key = store_keys.bundle_key(whole.campaign.pages[0].captures[1].bundle_id)
    with its.store.open(key) as stream:
        members = bundles.unpack(stream.read())
    text = bundles.flipped(members["capture/page.txt"])
    altered = tmp_path / "altered.wacz"
    altered.write_bytes(bundles.pack({**members, "capture/page.txt": text}))
    its.store.set_aside(key)  # as somebody can who may write there
    its.store.put_new(key, altered, digest_bytes(altered.read_bytes()).sha256)

    found = checked(its, whole)
    report = made(replace(its, index=tmp_path / "new.db"))

    assert found.verdict is Verdict.FAILED
    assert [left_out.why.split(":")[0] for left_out in report.campaign.left_out] == [
        "the verdict about the bundle is FAILED"
    ]
    assert numbers(report)["removed"] == 0
    assert numbers(report)["fate.unconfirmed"] == 1


def test_gaps_and_events_that_lie_signed_in_the_store_are_named_and_checked(
    tmp_path: Path,
) -> None:
    its = case(tmp_path, 2, 1)
    gap_ids = [f"20260108t02000{number}z-k3v4q2m7xw4c5b6d" for number in range(2)]
    for gap_id in gap_ids:
        gaps.record(
            GapService(
                store=its.store, signer=SIGNER, ids=SeededIds(), salts_dir=tmp_path / "salts",
                log=None,
            ),
            [_gap(gap_id)],
        )  # fmt: skip
    with service(its) as by:
        derived = takedowns.derive(
            TakedownService(
                source=by.source, trust=lambda: TRUST, signer=lambda: EVENTS,
                own_keys=frozenset(), confirm=lambda url: ConfirmRules(), now=lambda: NOW,
                lock_dir=tmp_path / "lock",
            )
        )  # fmt: skip
    events = {recorded.event.event_id for page in derived for recorded in page.recorded}

    report = made(its)

    assert {event.event_id for event in report.campaign.recorded} == events
    assert len(events) == 2  # of the article, and of the account
    assert (numbers(report)["gaps"], numbers(report)["gaps.visits"]) == (2, 4)
    assert failed(checked(its, report)) == []
    known = replace(TRUST, keys=tuple(key for key in TRUST.keys if key.key_id != EVENTS.key_id))
    stranger = [
        finding.detail for finding in checked(replace(its, trust=known), report).findings
        if finding.check == "records" and finding.code is Code.KEY_UNKNOWN
    ]  # fmt: skip
    assert len(stranger) == 2
    other = replace(report.campaign.recorded[0], event_id=f"{gap_ids[0][:-1]}e")
    more = replace(report.campaign, recorded=(other,))
    assert failed(checked(its, CampaignReport(campaign=more, findings=compute_findings(more)))) == [
        f"the event {other.event_id} does not follow from the captures of the report"
    ]
    none = replace(report.campaign, gaps=())
    found = checked(its, CampaignReport(campaign=none, findings=compute_findings(none)))
    assert found.notes == (
        "schedules that have signed gaps in the period, but no gap in the report: case-7",
    )
    campaign_ = replace(report.campaign, gaps=report.campaign.gaps[:1])
    fewer = CampaignReport(campaign=campaign_, findings=compute_findings(campaign_))
    assert failed(checked(its, fewer)) == [
        f"the gap {gap_ids[1]} of the schedule case-7 is in the period, but the report does not "
        "list this gap"
    ]
    its.store.set_aside(store_keys.gap_key(gap_ids[0]))
    found = checked(its, report)
    assert failed(found) == []
    assert f"the gap {store_keys.gap_key(gap_ids[0])} is not in the store" in [
        finding.detail for finding in found.findings
    ]


def _gap(gap_id: str) -> Gap:
    return Gap(
        gap_id=gap_id,
        at=BEGIN + timedelta(minutes=50),
        schedule="case-7",
        event=GapEvent.MISSED,
        reason=GapReason.NO_WORKER,
        since=BEGIN + timedelta(minutes=10),
        until=BEGIN + timedelta(minutes=40),
        missed=(
            Missed(
                slots=(BEGIN + timedelta(minutes=10), BEGIN + timedelta(minutes=40)),
                urls=(address(0),),
            ),
        ),
    )


def test_a_report_about_another_page_fails(small: Case) -> None:
    report = made(small)
    url = "http://mp.weixin.qq.com/s?__biz=MzkwMDAwMDAwMg%3D%3D&mid=2650000007&idx=1"

    found = checked(small, _changed(report, 0, url=url))

    identity = report.campaign.pages[0].identity
    assert failed(found) == [
        f"the page identity of the address {url} is wechat:MzkwMDAwMDAwMg==/2650000007/1, not "
        f"{identity}"
    ]


@pytest.mark.parametrize("role", ["captures", "controls"])
@pytest.mark.parametrize("name", ["identity", "account"])
def test_a_capture_of_a_report_is_of_the_page_and_the_account_that_it_shows(
    small: Case, role: str, name: str
) -> None:
    report = made(small)
    first, *others = getattr(report.campaign.pages[0], role)
    other = replace(first, **{name: "wechat:MzkwMDAwMDAwMg==/2650000007/1"})

    found = checked(small, _changed(report, 0, **{role: (other, *others)}))

    told = {
        "identity": f"{first.bundle_id} is a capture of ",
        "account": f"the report states the account {other.account} for {first.bundle_id}. "
        "Accounts that the bundles show: ",
    }
    assert any(detail.startswith(told[name]) for detail in failed(found))


def test_an_earlier_proof_than_the_tokens_give_leaves_a_report_open(stamped: Case) -> None:
    report = made(stamped)
    first, *others = report.campaign.pages[0].captures
    moments = {"earlier": BEGIN, "later": stamped.now, "none": None}
    its = {
        key: checked(stamped, _changed(report, 0, captures=(replace(first, proven_at=at), *others)))
        for key, at in moments.items()
    }

    assert {key: found.verdict for key, found in its.items()} == {
        "earlier": Verdict.INDETERMINATE, "later": Verdict.PASSED, "none": Verdict.PASSED
    }  # fmt: skip
    said = (
        f"{first.bundle_id}: the report states no proven time, or a later time than the "
        "available timestamp tokens prove"
    )
    assert its["later"].notes == its["none"].notes == (said,)
    assert its["earlier"].notes == ()


def test_a_report_over_bundles_without_verdicts_is_left_open_by_other_rules(
    tmp_path: Path,
) -> None:
    """They hold no rules: those of today may read them in another way, and say nothing of then."""
    source = replace(case(tmp_path, 2, 1), reassess=_by_today)
    for path in (tmp_path / "store" / store_keys.BUNDLES).rglob("*.wacz"):
        members = bundles.unpack(path.read_bytes())
        del members["capture/assessment.json"]
        path.write_bytes(bundles.pack(bundles.resealed(members, {}, SIGNER, None)))
    generic = replace(DECISION.verdict, rules=("generic",), rule_texts=())
    report = made(source)
    assert numbers(report)["removed"] == 1

    same = checked(source, report)
    other = checked(source, report, decide=lambda url: replace(DECISION, verdict=generic))

    assert failed(same) == failed(other) == []
    codes = {finding.code for finding in other.findings} - {
        finding.code for finding in same.findings
    }
    assert codes == {Code.VERDICT}
    assert any(
        "the bundle contains no verdict, so the current rules judged the capture" in note
        for note in same.notes
    )


def _by_today(stream: BinaryIO) -> Assessment:
    files = assessment.BundleFiles(stream)
    return assessment.assess(read_record(stream), files, DECISION, wiring.assessor)


def test_each_field_of_a_report_has_a_decision() -> None:
    its = {
        kind: fields.decisions("campaign-report.md", f"Fields of {title}")
        for kind, title in (
            (Campaign, "a campaign"), (WatchedPage, "a page"), (CampaignFindings, "the findings")
        )
    }  # fmt: skip

    assert {kind: set(words) for kind, words in its.items()} == {
        kind: fields.names(kind) for kind in its
    }
    words = {
        name
        for words_of_page in its.values()
        for name, word in words_of_page.items()
        if word == "signer's word"
    }
    assert words == set(OWN_WORD)
    title = "Fields of a gap, an event or what is left out"
    parts = fields.decisions("campaign-report.md", title)
    assert set(parts) == {
        name for kind in (GapRef, TakedownRef, ExcludedCapture) for name in fields.names(kind)
    }


def test_no_field_of_a_report_can_be_changed_unnoticed(stamped: Case, once: FindBundle) -> None:
    """Whoever holds the key signs it again, with the findings that follow."""
    report = made(stamped, title="a case")
    good = checked(stamped, report)
    tried, passed = set(), set()
    for source, campaign_ in fields.changed(Campaign, plain(report.campaign), only=_one_of_each):
        tried.add(source)
        its = CampaignReport(campaign=campaign_, findings=compute_findings(campaign_))
        try:
            found = checked(stamped, its, find=once)
        except ValueError:
            continue  # no report at all
        if found.verdict is not Verdict.PASSED:
            continue
        passed.add(source)
        names = [step for step in source if isinstance(step, str)]
        word = next((name for name in names if name in found.own_word), "")
        assert word or set(found.notes) - set(good.notes), source
        assert not word or word in lines(found)[-1], source

    assert len(tried) > 60


def _one_of_each(source: fields.Place) -> bool:
    """Of the captures, one that says that the page is gone, and one control: they are all alike."""
    return source[0] != "pages" or (
        source[1] == 0 and (source[2], *source[3:4]) not in (("captures", 0), ("captures", 2))
    )


@pytest.fixture
def once(stamped: Case, monkeypatch: pytest.MonkeyPatch) -> Iterator[FindBundle]:
    """Verify and judge each bundle once: they do not change, and the record does."""
    lent: dict[str, VerifiedBundle | None] = {}
    rederive = assessment.rederive
    judged: dict[int, Any] = {}

    def rederive_once(files: Any, assessor_of: Any) -> Any:
        if id(files._stream) not in judged:
            judged[id(files._stream)] = rederive(files, assessor_of)
        return judged[id(files._stream)]

    monkeypatch.setattr(assessment, "rederive", rederive_once)
    with ExitStack() as kept:

        @contextmanager
        def find(bundle_id: str) -> Iterator[VerifiedBundle | None]:
            if bundle_id not in lent:
                opened = find_in_store(stamped.store, stamped.trust, stamped.now, bundle_id)
                lent[bundle_id] = kept.enter_context(opened)
            yield lent[bundle_id]

        yield find


def test_the_key_of_a_report_has_signed_none_of_its_captures(small: Case) -> None:
    found = checked(small, made(small), signer=SIGNER)

    assert found.verdict is Verdict.FAILED
    assert any("also signed the capture" in detail for detail in failed(found))


def test_a_page_that_was_never_captured_is_watched_all_the_same(small: Case) -> None:
    report = made(small, urls=(*small.urls, address(99)))

    assert numbers(report)["watched"] == 5
    assert report.findings.rows[-1].fate is Fate.UNCAPTURED


def test_only_removals_of_the_period_are_removals_in_it(small: Case) -> None:
    report = made(small, since=BEGIN + timedelta(days=1), until=BEGIN + timedelta(days=2))

    assert numbers(report)["removed"] == 0
    assert numbers(report)["fate.gone-before"] == 2
    with pytest.raises(SnapshotterError, match="the end of the period is not after its beginning"):
        made(small, since=BEGIN + timedelta(days=2), until=BEGIN + timedelta(days=1))


def test_a_report_comes_back_as_it_went_and_no_other_way(small: Case) -> None:
    report = made(small)
    data = records.encode(report, EVENTS)

    assert records.parse(data) == (report, EVENTS.key_id)
    found = verify_campaign(
        data.replace(b'"value":2', b'"value":3', 1),
        TRUST,
        lambda bundle_id: find_in_store(small.store, TRUST, NOW, bundle_id),
        Rederivation(rules=RULES, assessor_of=wiring.assessor, decide=lambda url: DECISION),
    )
    assert found.verdict is Verdict.FAILED
    assert "the signature is not valid" in failed(found)[0]
