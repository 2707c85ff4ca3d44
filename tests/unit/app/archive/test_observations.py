"""Observations out of sealed bundles: which page it was, what it showed, when."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from snapshotter.app.archive.observations import ObservationSource, observations, unassessed_bundles
from snapshotter.errors import SnapshotterError
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import names, store_keys
from snapshotter.formats.digest import digest_bytes
from snapshotter.index.open_index import open_index_file
from snapshotter.index.store_index import Index
from snapshotter.index.values import VerdictSource
from snapshotter.model.assessment import (
    AccountState,
    Assessment,
    Availability,
    Cause,
    Content,
    WallKind,
)
from snapshotter.model.network import NetworkPath
from snapshotter.model.reading import Count, Metadatum, Readings, Source
from snapshotter.store.filesystem import DirectoryStore
from tests import bundles, observed
from tests.bundles import ChainAuthority
from tests.observed import ACCOUNT, ARTICLE, BIZ, IDENTITY, at
from tests.servers.authority import Chain
from tests.unit.policy.test_page_identity import RULES

SHORT = "https://mp.weixin.qq.com/s/AbCdEfGhIj_kLmNoPqRsTu"
SIGNER = bundles.new_signer()


class Desk:
    """A store to put captures into, and the observatory over it."""

    def __init__(self, folder: Path, index: Index) -> None:
        self.folder = folder
        self.source = ObservationSource(
            store=DirectoryStore(folder / "store"), index=index, rules=RULES
        )

    def put(self, minute: float, assessed: Assessment | None, **more: str) -> str:
        made = observed.seal(self.folder / "spool", at(minute), assessed, signer=SIGNER, **more)  # type: ignore[arg-type]
        observed.put(self.source.store, made)
        return made.id


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Desk]:
    with open_index_file(tmp_path / "index.db") as index:
        yield Desk(tmp_path, index)


def test_a_capture_in_short_says_what_its_bundle_says(service: Desk) -> None:
    count = Count(
        unit="reads", raw="10万+", lower=100_000, upper=None, exact=False, source=Source.DOM
    )
    said = replace(observed.available(), readings=Readings(counts=(count,)))
    bundle_id = service.put(0, said)

    (found,) = observations(service.source, url=ARTICLE)

    assert (found.bundle_id, found.identity, found.account) == (bundle_id, IDENTITY, ACCOUNT)
    assert (found.began_at, found.at) == (at(0) - timedelta(seconds=2), at(0))
    assert (found.content, found.availability) == (Content.CONTENT, Availability.AVAILABLE)
    assert found.counts == (count,)
    assert found.main_sha256 == said.main_sha256
    assert (found.key_id, found.vantage, found.light) == (SIGNER.key_id, "direct", False)
    assert found.proven_at is None
    with service.source.store.open(f"bundles/2026/05/27/{bundle_id}.wacz") as stream:
        assert found.sha256 == digest_bytes(stream.read()).sha256


@pytest.mark.parametrize(
    ("names", "states", "expected"),
    [
        (("\uff21 \u3000Name",), (), "A Name"),  # in one form, however it is typed
        (("One", "One"), (), "One"),
        (("One", "Two"), (), ""),
        ((), (), ""),
        (("The account is frozen",), (observed.frozen(),), ""),  # that is a state, and no name
    ],
)
def test_what_a_page_calls_its_account_is_read_where_it_says_one_thing(
    service: Desk, names: tuple[str, ...], states: tuple[AccountState, ...], expected: str
) -> None:
    said = tuple(Metadatum(name="account", value=name, source=Source.DOM) for name in names)
    shown = observed.available(accounts=states)
    service.put(0, replace(shown, readings=Readings(metadata=said)))

    (found,) = observations(service.source, url=ARTICLE)

    assert found.account_name == expected


@pytest.mark.parametrize(
    ("network", "vantage"),
    [
        (NetworkPath(path="proxy", enforced=True, how=""), "proxy"),
        (NetworkPath(path="proxy", enforced=True, how="", vantage="abroad"), "abroad"),
        (NetworkPath(path="direct", enforced=True, how=""), "direct"),
        (None, "direct"),
    ],
)
def test_a_way_that_the_settings_name_is_a_way_of_its_own(
    service: Desk, network: NetworkPath | None, vantage: str
) -> None:
    made = observed.seal(
        service.folder / "spool", at(0), observed.available(), signer=SIGNER, network=network
    )
    observed.put(service.source.store, made)

    (found,) = observations(service.source, url=ARTICLE)

    assert found.vantage == vantage


@pytest.mark.parametrize(("path", "vantage"), [("tor", "direct"), ("direct", "abroad")])
def test_a_record_that_calls_its_way_what_it_is_not_says_nothing(
    service: Desk, path: str, vantage: str
) -> None:
    """Who has the key of captures could say of a look through Tor that it was direct."""
    network = NetworkPath(path=path, enforced=True, how="", vantage=vantage)
    made = observed.seal(
        service.folder / "spool", at(0), observed.available(), signer=SIGNER, network=network
    )
    observed.put(service.source.store, made)

    assert observations(service.source, url=ARTICLE) == ()


def test_captures_come_in_their_order_and_by_every_address_of_the_page(service: Desk) -> None:
    late = service.put(30, observed.gone(Cause.PLATFORM_RULE), url=f"{ARTICLE}&scene=21#rd")
    first = service.put(0, observed.available())
    walled = service.put(15, observed.wall())
    service.put(20, observed.available(), url=observed.OTHER)

    found = observations(service.source, url=ARTICLE)

    assert [observation.bundle_id for observation in found] == [first, walled, late]
    assert [observation.availability for observation in found] == [
        Availability.AVAILABLE,
        Availability.INCONCLUSIVE,
        Availability.UNAVAILABLE,
    ]
    assert (found[1].wall, found[2].cause) == (WallKind.VERIFICATION, Cause.PLATFORM_RULE)
    assert found[2].notice == observed.NOTICE
    assert [
        observation.bundle_id
        for observation in observations(service.source, url=ARTICLE, since=at(15))
    ] == [
        walled,
        late,
    ]


def test_a_notice_behind_a_short_link_is_of_the_article_that_stood_there(service: Desk) -> None:
    shown = service.put(0, observed.available(identity=IDENTITY), url=SHORT)
    gone = service.put(30, observed.gone(), url=f"{SHORT}?scene=1")

    found = observations(service.source, url=ARTICLE)

    assert [(observation.bundle_id, observation.identity) for observation in found] == [
        (shown, IDENTITY),
        (gone, IDENTITY),
    ]
    assert [
        observation.bundle_id for observation in observations(service.source, account=ACCOUNT)
    ] == [shown, gone]
    assert service.source.identity(SHORT) == IDENTITY


@pytest.mark.parametrize(
    ("url", "final_url"),
    [
        ("https://elsewhere.test/x", "https://elsewhere.test/x"),
        (ARTICLE.replace("idx=1", "idx=3"), ARTICLE),
        (SHORT, "https://elsewhere.test/x"),
    ],
    ids=["a page elsewhere", "another article", "a link that led away"],
)
def test_a_page_is_not_believed_to_be_what_its_address_does_not_let_it_be(
    service: Desk, url: str, final_url: str
) -> None:
    service.put(0, observed.gone(), url=url, final_url=final_url)
    service.put(1, observed.available(identity=IDENTITY), url=url, final_url=final_url)

    assert observations(service.source, identity=IDENTITY) == ()


def test_an_address_that_leads_to_a_post_is_of_the_post(service: Desk) -> None:
    led = service.put(
        0,
        observed.available(),
        url="http://t.cn/R2WxAbc",
        final_url="https://weibo.com/1234567890/I7ubv9Ktj",
    )

    (found,) = observations(service.source, url="https://m.weibo.cn/status/4417843292323593")

    assert (found.bundle_id, found.account) == (led, "weibo-user:1234567890")


def test_a_bundle_without_a_verdict_is_judged_by_todays_rules_or_said_to_be_unjudged(
    service: Desk,
) -> None:
    old = service.put(0, None)
    assert observations(service.source, url=ARTICLE) == ()
    (row,) = unassessed_bundles(service.source, identity=IDENTITY)
    assert (row.bundle_id, row.verdict_source) == (old, VerdictSource.UNASSESSED)

    judging = replace(service.source, reassess=lambda stream: observed.available())
    judging.index.clear()

    (found,) = observations(judging, url=ARTICLE)
    assert found.bundle_id == old
    assert judging.index.count_by_verdict_source() == {VerdictSource.REASSESSED: 1}


def test_the_earliest_token_over_its_signature_is_its_time(service: Desk, tmp_path: Path) -> None:
    chain = Chain(tmp_path, "test authority")
    chain.make()
    authority = ChainAuthority(chain)
    made = observed.seal(tmp_path / "spool", at(0), observed.available(), signer=SIGNER)
    key = observed.put(service.source.store, made)
    (before,) = observations(service.source, url=ARTICLE)
    members = bundles.unpack(made.file.read_bytes())
    for number, message in enumerate((members[names.signature(1)], b"something else"), start=1):
        token = authority.response(message)
        (service.folder / "store" / f"{key}.late-0{number}.tsr").write_bytes(token)

    (after,) = observations(service.source, url=ARTICLE)

    assert before.proven_at is None
    assert after.proven_at is not None
    assert replace(after, proven_at=None) == before


def test_what_is_no_bundle_is_listed_and_hides_nothing(service: Desk) -> None:
    good = service.put(0, observed.available())
    bad = service.put(1, observed.available())
    path = service.folder / "store" / f"bundles/2026/05/27/{bad}.wacz"
    path.write_bytes(path.read_bytes()[:-1])

    assert [observation.bundle_id for observation in observations(service.source)] == [good]
    assert [row.bundle_id for row in unassessed_bundles(service.source)] == [bad]


def test_what_is_no_address_is_refused(service: Desk) -> None:
    with pytest.raises(SnapshotterError, match="is not the address of a page"):
        observations(service.source, url="ftp://example.test/")


def test_an_account_is_known_by_what_addresses_say(service: Desk) -> None:
    profile = f"https://mp.weixin.qq.com/mp/profile_ext?action=home&__biz={BIZ}"
    page = service.put(0, observed.available(accounts=(observed.frozen(),)), url=profile)
    post = service.put(1, observed.available(), url="https://weibo.com/u/1234567890")

    assert [
        observation.bundle_id for observation in observations(service.source, account=ACCOUNT)
    ] == [page]
    (found,) = observations(service.source, account="weibo-user:1234567890")
    assert found.bundle_id == post


@pytest.mark.parametrize("ms", [-62_135_596_800_000, 253_402_300_799_999, 2**53 - 1])
def test_a_bundle_of_no_time_is_no_capture_and_stops_no_other(service: Desk, ms: int) -> None:
    """A bundle is a stranger's word: times to which nothing can be added would end every look."""
    service.put(0, observed.available())
    bundle_id = service.put(30, observed.gone())
    path = service.folder / "store" / store_keys.bundle_key(bundle_id)
    members = bundles.unpack(path.read_bytes())
    record = json.loads(members[names.CAPTURE_RECORD])
    record["when"]["ended_at_ms"] = ms
    members[names.CAPTURE_RECORD] = canonical_json.dumps(record)
    path.write_bytes(bundles.pack(members))

    (found,) = observations(service.source, url=ARTICLE)
    (left,) = unassessed_bundles(service.source, identity=IDENTITY)

    assert found.at == at(0)
    assert left.bundle_id == bundle_id
    assert (
        "the time in the field when.ended_at_ms of the capture record is out of range"
        in left.problem
    )
