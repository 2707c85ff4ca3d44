"""Renewal: a bundle's time goes on with later certificates, if they came in time."""

import dataclasses
import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typing_extensions import override

from snapshotter.app.archive import bundles as stored
from snapshotter.app.upkeep.log_entries import bundle_leaf
from snapshotter.app.upkeep.renewal import RenewalResult, Renewer
from snapshotter.errors import ServiceUnavailable
from snapshotter.formats.bundle import names, store_keys
from snapshotter.formats.proofs import renewal, tlog_proof
from snapshotter.formats.proofs.note import LogPolicy
from snapshotter.model.finding import Report, Verdict
from snapshotter.seal.signer import FileSigner
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.log import LogReader
from snapshotter.verify.renewal import FirstToken, RenewalFiles, RenewedBundle, TimeBasis, judge
from snapshotter.verify.sidecars import sidecars_on_disk
from snapshotter.verify.trust import Trust
from tests import bundles, logs
from tests.bundles import ChainAuthority, RealClock
from tests.servers.authority import Chain

SOON, FAR = timedelta(days=60), timedelta(days=3650)


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ChainAuthority]:
    """Three authorities, whose certificates end in 30, 300 and 3,650 days."""
    found = {}
    for name, days in (("short", 30), ("middle", 300), ("long", 3650)):
        chain = Chain(tmp_path_factory.mktemp(name), name, days=days)
        chain.make()
        found[name] = ChainAuthority(chain, name=name)
    return found


class Here:
    """A store with a log and one bundle, stamped by the authority whose certificates end first."""

    def __init__(
        self, folder: Path, authorities: dict[str, ChainAuthority], *, late: bool = False
    ) -> None:
        self.authorities = authorities
        self.store = DirectoryStore(folder / "store")
        self.signer: FileSigner = bundles.new_signer()
        short = authorities["short"]
        made = bundles.seal(
            folder / "spool",
            signer=self.signer,
            clock=RealClock(),
            authorities=[] if late else [short],
        )
        self.id, self.sha256 = made.id, made.digests.sha256
        self.key = store_keys.bundle_key(made.id)
        self.store.put_new(self.key, made.file, self.sha256)
        if late:
            self.beside(names.late_token(1), short.response(made.signatures[0].signature))
        self.trust: Trust = bundles.trust_in(self.signer, *authorities.values())

    def log(self) -> None:
        logs.writer(self.store).append([logs.some_leaf(1), bundle_leaf(self.id, self.sha256)])

    def beside(self, kind: str, data: bytes) -> None:
        path = self.store.path(f"{self.key}.{kind}")
        path.write_bytes(data)

    def renew(
        self,
        *by: str,
        within: timedelta = SOON,
        each: bool = False,
        dry_run: bool = False,
        writes: bool = False,
    ) -> list[RenewalResult]:
        renewer = Renewer(
            self.store,
            LogReader(self.store, LogPolicy(key=logs.LOG_KEY)),
            [self.authorities[name] for name in by],
            self.trust,
            RealClock(),
            logs.writer(self.store).append if writes else None,
        )
        return list(renewer.run(within, each=each, dry_run=dry_run))

    def verify(self, *, now: datetime | None = None) -> Report:
        return verify_bundle(
            io.BytesIO(self.store.path(self.key).read_bytes()),
            self.trust,
            now=now or datetime.now(UTC),
            sidecars=dataclasses.replace(
                stored.read_sidecars(self.store, self.key), log_proof=None, custody=()
            ),
        )

    def days_left(self) -> int:
        until = self.verify().proven_until
        assert until is not None
        return round((until - datetime.now(UTC)) / timedelta(days=1))


@pytest.fixture
def here(tmp_path: Path, authorities: dict[str, ChainAuthority]) -> Here:
    return Here(tmp_path, authorities)


def passed(report: Report) -> list[str]:
    return [finding.detail for finding in report.findings if finding.check == "renewal"]


def test_one_token_over_the_log_renews_what_is_in_it(here: Here) -> None:
    here.log()
    assert here.days_left() == 30

    (done,) = here.renew("long")
    assert (done.state, done.how) == ("renewed", "log")
    assert here.days_left() == 3650
    (files,) = stored.read_sidecars(here.store, here.key, "renewal-").renewals
    assert tlog_proof.parse(files.text).index == 1
    report = here.verify()
    assert report.verdict is Verdict.PASSED
    assert len(passed(report)) == 1
    # Also when the certificates of the first token have long ended.
    assert len(passed(here.verify(now=datetime.now(UTC) + timedelta(days=2000)))) == 1
    assert here.renew("long") == []


def test_many_bundles_take_one_token(
    tmp_path: Path, authorities: dict[str, ChainAuthority]
) -> None:
    class Counting(ChainAuthority):
        asked = 0

        @override
        def stamp(self, message: bytes) -> tuple[bytes, datetime]:
            Counting.asked += 1
            return super().stamp(message)

    here = Here(tmp_path, authorities)
    long = authorities["long"]
    counting = Counting(long._chain, name="long")
    made = bundles.seal(
        tmp_path / "other",
        signer=here.signer,
        clock=_Earlier(),
        authorities=[authorities["short"]],
    )
    here.store.put_new(store_keys.bundle_key(made.id), made.file, made.digests.sha256)
    logs.writer(here.store).append(
        [bundle_leaf(here.id, here.sha256), bundle_leaf(made.id, made.digests.sha256)]
    )
    here.authorities = {**authorities, "long": counting}

    assert [renewing.how for renewing in here.renew("long")] == ["log", "log"]
    assert Counting.asked == 1


class _Earlier(RealClock):
    @override
    def now(self) -> datetime:
        return super().now() - timedelta(minutes=1)


@pytest.mark.parametrize("each", [False, True])
def test_what_is_not_in_the_log_gets_a_token_of_its_own(here: Here, each: bool) -> None:
    if each:
        here.log()

    (done,) = here.renew("long", each=each)
    assert (done.state, done.how) == ("renewed", "bundle")
    assert here.days_left() == 3650
    (files,) = stored.read_sidecars(here.store, here.key, "renewal-").renewals
    assert renewal.parse(files.text).bundle_id == here.id


def test_a_late_token_is_covered_by_its_digest(
    tmp_path: Path, authorities: dict[str, ChainAuthority]
) -> None:
    here = Here(tmp_path, authorities, late=True)
    here.log()

    (done,) = here.renew("long")
    assert done.how == "bundle"
    (files,) = stored.read_sidecars(here.store, here.key, "renewal-").renewals
    assert list(renewal.parse(files.text).covers) == ["late-01.tsr"]
    assert here.days_left() == 3650


def test_a_log_does_not_cover_a_late_token(
    tmp_path: Path, authorities: dict[str, ChainAuthority]
) -> None:
    here = Here(tmp_path, authorities, late=True)
    here.log()
    reader = LogReader(here.store, LogPolicy(key=logs.LOG_KEY))
    signed = reader.checkpoint()
    entry = reader.find("bundle", here.id, signed)
    assert entry is not None
    here.beside("renewal-01.txt", reader.prove(entry, signed))
    here.beside("renewal-01.tsr", authorities["long"].stamp(signed.note.encode())[0])

    assert here.days_left() == 30
    (found,) = here.verify().renewals
    assert "does not cover" in found.problem


def test_a_renewal_is_renewed(here: Here) -> None:
    here.log()
    (first,) = here.renew("middle")
    assert (first.how, here.days_left()) == ("log", 300)

    (second,) = here.renew("long", within=timedelta(days=365))
    assert (second.how, here.days_left()) == ("bundle", 3650)
    covers = renewal.parse(
        stored.read_sidecars(here.store, here.key, "renewal-").renewals[1].text
    ).covers
    assert list(covers) == ["renewal-01.tsr", "renewal-01.txt"]
    # In 200 days the first token's certificates have ended: the second rests on the renewal.
    later = here.verify(now=datetime.now(UTC) + timedelta(days=200))
    assert len(passed(later)) == 2


@pytest.mark.parametrize("how", ["log", "late token", "own"])
def test_a_second_renewal_goes_through_the_log(
    tmp_path: Path, authorities: dict[str, ChainAuthority], how: str
) -> None:
    here = Here(tmp_path, authorities, late=how == "late token")
    here.log()
    here.renew("middle", each=how == "own", writes=how != "own")
    size = logs.published(here.store).size

    (second,) = here.renew("long", within=timedelta(days=365), writes=True)

    assert (second.how, here.days_left()) == ("log", 3650)
    assert logs.published(here.store).size == size + 1  # what is renewed is in it
    text, proof = renewal.split(
        stored.read_sidecars(here.store, here.key, "renewal-").renewals[1].text
    )
    assert proof is not None
    covers = ["renewal-01.tsr", "renewal-01.txt"]
    assert list(renewal.parse(text).covers) == [*(["late-01.tsr"] if late(how) else []), *covers]
    # Long after the first token's certificates have ended, and those of the first renewal.
    later = here.verify(now=datetime.now(UTC) + timedelta(days=2000))
    assert len(passed(later)) == 2
    # And so on: the third covers the second.
    assert here.renew("long", writes=True) == []


def late(how: str) -> bool:
    return how == "late token"


def test_many_second_renewals_take_one_token(
    tmp_path: Path, authorities: dict[str, ChainAuthority]
) -> None:
    class Counting(ChainAuthority):
        asked = 0

        @override
        def stamp(self, message: bytes) -> tuple[bytes, datetime]:
            Counting.asked += 1
            return super().stamp(message)

    here = Here(tmp_path, authorities)
    counting = Counting(authorities["long"]._chain, name="long")
    made = bundles.seal(
        tmp_path / "other",
        signer=here.signer,
        clock=_Earlier(),
        authorities=[authorities["short"]],
    )
    here.store.put_new(store_keys.bundle_key(made.id), made.file, made.digests.sha256)
    logs.writer(here.store).append(
        [bundle_leaf(here.id, here.sha256), bundle_leaf(made.id, made.digests.sha256)]
    )
    here.renew("middle")
    here.authorities = {**authorities, "long": counting}

    done = here.renew("long", within=timedelta(days=365), writes=True)

    assert [renewing.how for renewing in done] == ["log", "log"]
    assert Counting.asked == 1


def test_nothing_is_asked_in_a_dry_run(here: Here) -> None:
    (due,) = here.renew(dry_run=True)

    assert due.state == "due"
    assert stored.read_sidecars(here.store, here.key, "renewal-").renewals == ()


def test_an_authority_whose_certificates_end_no_later_renews_nothing(here: Here) -> None:
    with pytest.raises(
        ServiceUnavailable,
        match=(
            "the certificates of short do not expire later than the certificates of the existing "
            "tokens"
        ),
    ):
        here.renew("short")
    with pytest.raises(ServiceUnavailable, match="none is configured"):
        here.renew()
    assert stored.read_sidecars(here.store, here.key, "renewal-").renewals == ()
    assert here.renew("short", "long")[0].state == "renewed"


def test_what_has_no_proven_time_can_not_be_renewed(
    tmp_path: Path, authorities: dict[str, ChainAuthority]
) -> None:
    here = Here(tmp_path, authorities)
    here.trust = dataclasses.replace(here.trust, authorities=())

    (found,) = here.renew("long")
    assert found.state == "unproven"


def test_what_was_altered_is_not_renewed(here: Here) -> None:
    path = here.store.path(here.key)
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(bundles.flipped(data))

    (found,) = here.renew("long")
    assert found.state == "failed"


def test_a_text_without_its_token_keeps_its_number(here: Here) -> None:
    here.beside("renewal-01.txt", b"a writer died here")

    assert here.renew("long")[0].state == "renewed"
    assert [
        files.number for files in stored.read_sidecars(here.store, here.key, "renewal-").renewals
    ] == [2]
    assert here.days_left() == 3650


@pytest.mark.parametrize("what", ["text", "token", "another bundle's", "junk"])
def test_a_renewal_that_does_not_hold_says_nothing(
    here: Here, what: str, tmp_path: Path, authorities: dict[str, ChainAuthority]
) -> None:
    here.log()
    here.renew("long")
    (files,) = stored.read_sidecars(here.store, here.key, "renewal-").renewals
    text, token = (
        here.store.path(f"{here.key}.renewal-01.txt"),
        here.store.path(f"{here.key}.renewal-01.tsr"),
    )
    for path in (text, token):
        path.unlink()
    if what == "another bundle's":
        other = renewal.Renewal(bundle_id=here.id, sha512="ab" * 64, covers={}).encode()
        text.write_bytes(other)
        token.write_bytes(authorities["long"].stamp(other)[0])
    else:
        text.write_bytes(
            files.text.replace(b"index 1", b"index 0") if what == "text" else files.text
        )
        token.write_bytes({"token": files.token[:-1], "junk": b"junk"}.get(what, files.token))

    report = here.verify()
    assert (report.verdict, passed(report)) == (Verdict.PASSED, [])
    assert report.renewals[0].problem
    assert here.days_left() == 30


# --- the order ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own(authorities: dict[str, ChainAuthority]) -> RenewalFiles:
    text = renewal.Renewal(
        bundle_id=bundles.BUNDLE_ID, sha512="cd" * 64, covers={"late-01.tsr": renewal.digest(b"x")}
    ).encode()
    return RenewalFiles(number=1, text=text, token=authorities["middle"].stamp(text)[0])


def judged(
    files: Sequence[RenewalFiles],
    authorities: dict[str, ChainAuthority],
    *,
    until: timedelta = SOON,
    since: timedelta = timedelta(days=-1),
    late: Sequence[bytes] = (b"x",),
    now: timedelta = timedelta(),
    required: int = 1,
) -> list[str]:
    at = datetime.now(UTC)
    found = judge(
        RenewedBundle(bundle_id=bundles.BUNDLE_ID, sha256="00" * 32, sha512=lambda: "cd" * 64),
        TimeBasis(
            required=required,
            tokens=tuple(
                FirstToken(
                    witness=data, time=at + since, until=at + until, sha512=renewal.digest(data)
                )
                for data in late
            ),
        ),
        files,
        [authority.anchor for authority in authorities.values()],
        now=at + now,
        max_skew=timedelta(minutes=5),
    )
    return [renewed.problem for renewed in found]


def test_a_renewal_that_came_in_time_counts(
    own: RenewalFiles, authorities: dict[str, ChainAuthority]
) -> None:
    assert judged([own], authorities) == [""]


def test_a_token_that_somebody_adds_later_takes_nothing_from_a_renewal(
    own: RenewalFiles, authorities: dict[str, ChainAuthority]
) -> None:
    assert judged([own], authorities, late=(b"x", b"added later")) == [""]


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (
            {"until": timedelta(minutes=-10)},
            "the renewal was made too late: the certificates of the tokens that the renewal covers "
            "expired at",
        ),
        (
            {"since": timedelta(minutes=10)},
            "the renewal is older than the timestamp tokens that the renewal covers",
        ),
        ({"now": timedelta(minutes=-10)}, "the time of the renewal is in the future"),
        ({"late": (b"y",)}, "does not cover"),
        ({"late": (b"x", b"y"), "required": 2}, "does not cover"),
    ],
)
def test_a_renewal_out_of_order_does_not_count(
    own: RenewalFiles, authorities: dict[str, ChainAuthority], more: dict[str, object], word: str
) -> None:
    (problem,) = judged([own], authorities, **more)  # type: ignore[arg-type]
    assert word in problem


def test_a_renewal_of_a_renewal_has_to_cover_both_its_files(
    own: RenewalFiles, authorities: dict[str, ChainAuthority]
) -> None:
    def second(covers: dict[str, str]) -> RenewalFiles:
        text = renewal.Renewal(
            bundle_id=bundles.BUNDLE_ID, sha512="cd" * 64, covers=covers
        ).encode()
        return RenewalFiles(number=2, text=text, token=authorities["long"].stamp(text)[0])

    both = {
        "renewal-01.txt": renewal.digest(own.text),
        "renewal-01.tsr": renewal.digest(own.token),
    }
    assert judged([own, second(both)], authorities) == ["", ""]
    half = {"renewal-01.tsr": renewal.digest(own.token)}
    assert "does not cover" in judged([own, second(half)], authorities)[1]
    # A renewal that does not count itself holds up nothing.
    assert "does not cover" in judged([second(both)], authorities)[0]


def test_renewals_are_found_beside_a_file(tmp_path: Path) -> None:
    file = tmp_path / "x.wacz"
    (tmp_path / "x.wacz.renewal-02.txt").write_bytes(b"text")
    assert sidecars_on_disk(file).renewals == ()
    (tmp_path / "x.wacz.renewal-02.tsr").write_bytes(b"token")
    assert sidecars_on_disk(file).renewals == (
        RenewalFiles(number=2, text=b"text", token=b"token"),
    )
