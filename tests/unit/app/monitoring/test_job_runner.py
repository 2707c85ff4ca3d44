"""What a slot does with a job: the real key, store and log, and a page that is not asked for."""

import json
import re
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from typing_extensions import override

from snapshotter.app import machine, settings
from snapshotter.app.archive.organising import cases
from snapshotter.app.monitoring.job_runner import CaptureJobRunner
from snapshotter.app.settings import Settings
from snapshotter.app.wiring import index as wiring_index
from snapshotter.app.wiring import trust as wiring_trust
from snapshotter.app.wiring.worker import open_job_runner
from snapshotter.errors import PolicyRefused, ServiceUnavailable, SnapshotterError, StoreFull
from snapshotter.jobs.workers.job_runner import BundleConflict, PermanentFailure
from snapshotter.model.finding import Verdict
from snapshotter.model.job import CaptureJob, SealedResult, StoredResult
from snapshotter.ports import JobSuperseded
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.log import LogReader
from tests import annotated
from tests.servers.authority import start_authority
from tests.unit.jobs.making import job

WHY = "given up after 3 attempts. The last error: the process that captured it ended: SIGSEGV"


@dataclass
class Lease:
    """A `ports.Lease` that says what a test says."""

    allowed: bool = True
    patience: int = 0  # how often the store is waited for
    said: list[str] = field(default_factory=list)
    sealed: SealedResult | None = None

    def began(self, bundle_id: str) -> None:
        self.said.append("began")

    def visited(self) -> None:
        self.said.append("visited")

    def may_store(self, sealed: SealedResult) -> None:
        self.said.append("may-store")
        self.sealed = sealed
        if not self.allowed:
            raise JobSuperseded("another one has it")

    def wait(self, error: ServiceUnavailable | StoreFull) -> None:
        self.said.append("wait")
        self.patience -= 1
        if self.patience < 0:
            raise error

    def stored(self) -> None:
        self.said.append("stored")


def no_progress(_stage: str, _detail: str) -> None:
    return


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    file = tmp_path / "snapshotter.toml"
    file.write_text('data_dir = "data"\nspool_dir = "spool"\nstore = "store"\nauthority = []\n')
    return settings.load(directory=tmp_path, environment={"SNAPSHOTTER_CONFIG": str(file)})


@pytest.fixture
def workshop(here: Settings) -> CaptureJobRunner:
    return open_job_runner(here, lambda _: None)


def given_up(
    workshop: CaptureJobRunner, lease: Lease, its_job: CaptureJob | None = None
) -> StoredResult:
    return workshop.record_failure(its_job or job(), WHY, lease)


def entries(here: Settings) -> list[str]:
    """The names of all bundles in the log, in order."""
    reader = LogReader(DirectoryStore(Path(here.store)), None)
    size = reader.checkpoint().size
    found = [entry.leaf for entry in reader.entries(0, size) if entry.leaf is not None]
    return [leaf.name for leaf in found if leaf.kind == "bundle"]


def test_a_page_that_is_given_up_has_a_sealed_stored_and_logged_record(
    here: Settings, workshop: CaptureJobRunner
) -> None:
    lease = Lease()

    made = given_up(workshop, lease)

    assert lease.said == ["began", "visited", "may-store", "stored"]
    assert made.sealed == lease.sealed
    assert (made.sealed.outcome, made.sealed.exit_code) == ("failed", 3)
    with zipfile.ZipFile(made.location) as bundle:
        record = json.loads(bundle.read("capture/capture.json"))
    assert record["outcome"]["reasons"] == [{"code": "given-up", "detail": WHY}]
    assert record["what"]["requested_url"] == "http://example.test/"
    with Path(made.location).open("rb") as stream:
        report = verify_bundle(stream, wiring_trust.trust(here), now=machine.SystemClock().now())
    assert report.verdict is not Verdict.FAILED
    assert entries(here) == [made.sealed.bundle_id]


def test_the_labels_of_a_job_become_tags_and_cases_of_its_capture(
    here: Settings, workshop: CaptureJobRunner
) -> None:
    labelled = replace(job(), tags=("media", "case:harbour"))
    store = DirectoryStore(Path(here.store))

    first = given_up(workshop, Lease(), labelled)
    (note,) = [note for note in first.notes if "harbour" in note]
    assert f"snapshotter case add harbour {first.sealed.bundle_id}" in note

    cases.create_case(annotated.service_on(store), "harbour")
    second = given_up(workshop, Lease(), labelled)
    control = replace(labelled, id="monitor-20261124t160640z-k3v4q2m7xw4c5b6d-control-1")
    third = given_up(workshop, Lease(), control)

    # The worker may have ended before it recorded the labels: whoever finds the bundle does.
    assert workshop.find(labelled, first.sealed) is not None
    assert workshop.find(labelled, second.sealed) is not None

    state = cases.read_state(store)
    assert state.cases["harbour"].captures == {
        second.sealed.bundle_id: 1, first.sealed.bundle_id: 2,
    }  # fmt: skip
    assert list(state.capture(first.sealed.bundle_id).tags) == ["media"]
    assert third.sealed.bundle_id not in state.captures
    assert not [note for note in (*second.notes, *third.notes) if "label" in note]


def test_the_record_of_a_job_says_why_its_policy_was_followed(here: Settings) -> None:
    page = "https://mp.weixin.qq.com/s/AbCdEfGhIjKlMnOp"
    found = []
    for policy in ("", "default"):
        made = given_up(
            open_job_runner(here, lambda _: None), Lease(), job(url=page, policy=policy)
        )
        with zipfile.ZipFile(made.location) as bundle:
            followed = json.loads(bundle.read("capture/capture.json"))["how"]["policy"]
        found.append((followed["name"], followed["why"][:31]))

    assert found == [("wechat-article", "the policy applies to addresses"), ("default", "")]


def test_what_must_not_be_stored_is_kept_beside_the_store(
    here: Settings, workshop: CaptureJobRunner
) -> None:
    lease = Lease(allowed=False)

    with pytest.raises(JobSuperseded) as caught:
        given_up(workshop, lease)

    assert lease.sealed is not None
    kept = here.data_dir / "unstored" / f"{lease.sealed.bundle_id}.wacz"
    assert kept.is_file()
    assert str(kept) in caught.value.hint
    assert not list(Path(here.store).glob("bundles/**/*.wacz"))
    assert workshop.find(job(), lease.sealed) is None


class Sulking(DirectoryStore):
    """A store that takes bundles and does not say so, or has no room, some times."""

    silent = 0
    full = 0

    @override
    def put_new(self, key: str, *arguments: object, **more: object) -> object:  # type: ignore[override]
        if key.endswith(".wacz") and self.full:
            self.full -= 1
            raise StoreFull("no space is left")
        stored = super().put_new(key, *arguments, **more)  # type: ignore[arg-type]
        if key.endswith(".wacz") and self.silent:
            self.silent -= 1
            raise ServiceUnavailable("the answer was lost")
        return stored


@pytest.fixture
def sulking(monkeypatch: pytest.MonkeyPatch) -> type[Sulking]:
    monkeypatch.setattr("snapshotter.store.filesystem.DirectoryStore", Sulking)
    return Sulking


@pytest.mark.parametrize("state", ["silent", "full"])
def test_a_store_is_waited_for_with_the_sealed_bundle_in_hand(
    here: Settings,
    workshop: CaptureJobRunner,
    sulking: type[Sulking],
    monkeypatch: pytest.MonkeyPatch,
    state: str,
) -> None:
    monkeypatch.setattr(sulking, state, 1)
    lease = Lease(patience=5)

    made = given_up(workshop, lease)

    assert lease.said == ["began", "visited", "may-store", "wait", "may-store", "stored"]
    assert entries(here) == [made.sealed.bundle_id]


def test_a_bundle_whose_answer_was_lost_is_found_and_logged_once(
    here: Settings,
    workshop: CaptureJobRunner,
    sulking: type[Sulking],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sulking, "silent", 1)
    lease = Lease(patience=0)
    with pytest.raises(ServiceUnavailable):
        given_up(workshop, lease)
    assert lease.sealed is not None

    first, second = workshop.find(job(), lease.sealed), workshop.find(job(), lease.sealed)

    assert first is not None
    assert second is not None
    assert first.sealed == lease.sealed
    assert Path(first.location).is_file()
    assert entries(here) == [lease.sealed.bundle_id]


def test_another_file_under_the_bundles_id_is_not_its_bundle(
    here: Settings, workshop: CaptureJobRunner
) -> None:
    made = given_up(workshop, Lease())
    Path(made.location).chmod(0o600)
    Path(made.location).write_bytes(b"something else")

    with pytest.raises(BundleConflict, match="another file under the id"):
        workshop.find(job(), made.sealed)


@pytest.mark.parametrize(
    "hopeless",
    [
        job(policy="none-such"),
        job(url="ftp://example.test/"),
        job(url="http://me:pw@example.test/"),
    ],
)
def test_what_no_further_try_would_mend_is_said_to_be_so(
    workshop: CaptureJobRunner, hopeless: CaptureJob
) -> None:
    with pytest.raises(PermanentFailure):
        given_up(workshop, Lease(), hopeless)


_OPENS = '[network]\nallow = ["10.1.0.0/16"]\n'
_LOCKS = '[retention]\ndays = 3650\nmode = "COMPLIANCE"\n'


def _named(directory: Path, tables: str) -> str:
    file = directory / "named.toml"
    file.write_text(f'name = "named"\n{tables}')
    return str(file)


@pytest.mark.parametrize("tables", [_OPENS, _LOCKS])
def test_a_job_opens_nothing_that_whoever_runs_the_worker_has_not(
    here: Settings, tmp_path: Path, tables: str
) -> None:
    """Jobs come out of a database: who can write to it must not reach our networks by a worker."""
    lease = Lease()

    with pytest.raises(PolicyRefused, match="only a job, a table or a watch list names"):
        given_up(open_job_runner(here, lambda _: None), lease, job(policy=_named(tmp_path, tables)))

    assert lease.said == []


def test_a_job_may_ask_for_networks_that_the_worker_has_open(
    here: Settings, tmp_path: Path
) -> None:
    policy = _named(tmp_path, _OPENS)
    own = (replace(here, allow_networks=("10.0.0.0/8",)), replace(here, policy=policy))

    for settings_ in own:
        made = given_up(open_job_runner(settings_, lambda _: None), Lease(), job(policy=policy))
        assert made.sealed.outcome == "failed"


def test_a_worker_whose_own_policy_can_not_be_read_ends_no_job(here: Settings) -> None:
    workshop = open_job_runner(replace(here, policy="none-such"), lambda _: None)

    with pytest.raises(SnapshotterError):
        workshop.open()
    with pytest.raises(ServiceUnavailable):
        given_up(workshop, Lease())


def test_a_full_disk_is_told_before_a_page_is_asked_for(
    workshop: CaptureJobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 10 << 20

    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage)
    lease = Lease()

    with pytest.raises(ServiceUnavailable, match="has 10 MB of free space"):
        workshop.capture(job(), lease, more=False, progress=no_progress)

    assert lease.said == []


def test_a_browser_that_this_machine_can_not_have_safely_ends_no_job(
    workshop: CaptureJobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PolicyRefused("it would have no sandbox")

    monkeypatch.setattr("snapshotter.capture.engine.ChromiumCapturer.capture", refuse)

    with pytest.raises(ServiceUnavailable, match="no sandbox"):
        workshop.capture(job(), Lease(), more=False, progress=no_progress)


def test_a_key_that_can_not_be_opened_is_told_before_a_job_is_taken(here: Settings) -> None:
    with pytest.raises(SnapshotterError, match="no-such"):
        open_job_runner(replace(here, key="no-such"), lambda _: None).open()


def test_a_sealed_bundle_that_a_crash_left_is_found_and_named_once(
    here: Settings, workshop: CaptureJobRunner
) -> None:
    made = given_up(workshop, Lease())
    left = here.spool_dir / "left" / "files"
    left.mkdir(parents=True)
    (left.parent / "in-use.lock").touch()
    bundle = Path(made.location).rename(left / Path(made.location).name)

    (kept,) = workshop.chores()

    assert kept.bundle_id == bundle.stem
    assert str(here.data_dir / "unstored" / bundle.name) in kept.message
    assert workshop.chores() == ()


def test_a_worker_asks_a_spaced_authority_again_when_it_may_be_asked(tmp_path: Path) -> None:
    with start_authority(tmp_path) as authority:
        file = tmp_path / "snapshotter.toml"
        file.write_text(
            'data_dir = "data"\nspool_dir = "spool"\nstore = "store"\n'
            'allow_networks = ["127.0.0.0/8"]\n'
            f'[[authority]]\nname = "spaced"\nurl = "{authority.url()}"\n'
            f'root = "{authority.good.root_pem}"\npolicy_oids = []\nspacing_s = 3600\n'
        )
        here = settings.load(directory=tmp_path, environment={"SNAPSHOTTER_CONFIG": str(file)})
        workshop = open_job_runner(here, lambda _: None)
        first, second = (given_up(workshop, Lease(), job(name)) for name in ("one", "two"))
        workshop.chores()
        too_soon = list(Path(here.store).rglob("*.tsr"))
        (here.data_dir / "authorities" / "spaced.next").write_text("0\n")  # an hour has passed

        workshop.chores()

    (late,) = Path(here.store).rglob("*.tsr")
    assert not first.missed
    assert second.missed == (("authority", "no timestamp token from spaced"),)
    assert too_soon == []
    assert late.name.startswith(second.sealed.bundle_id)


def is_light(made: StoredResult) -> bool:
    with zipfile.ZipFile(made.location) as bundle:
        record = json.loads(bundle.read("capture/capture.json"))
    light: bool = record["how"]["settings"]["light"]
    return light


def test_visits_of_a_watched_page_are_light_once_it_was_captured_whole(
    here: Settings, workshop: CaptureJobRunner
) -> None:
    visit = replace(job(), origin="schedule:watch", policy="monitor-takedown")

    first = given_up(workshop, Lease(), visit)
    with wiring_index.observation_source(here) as place:
        place.sync()
    second = given_up(workshop, Lease(), visit)

    assert (is_light(first), is_light(second)) == (False, True)
    assert second.sealed.exit_code == 0  # it has no whole picture, and needs none
    # What follows up and has to be whole is, and so is what no schedule asked for.
    for its_job in (replace(visit, origin="monitor:schedule:watch"), replace(visit, origin="cli")):
        assert not is_light(given_up(workshop, Lease(), its_job))
    assert is_light(given_up(workshop, Lease(), replace(job(), light=True)))


def test_a_way_to_a_page_that_the_settings_do_not_have_ends_the_job(
    workshop: CaptureJobRunner,
) -> None:
    with pytest.raises(
        PermanentFailure,
        match=re.escape("the settings of this worker have no [[vantage]] abroad with a proxy"),
    ):
        workshop.capture(
            replace(job(), vantage="abroad"), Lease(), more=False, progress=no_progress
        )


def test_a_job_that_would_say_who_captures_is_ended_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "who.toml").write_text('[[identity]]\nkind = "handle"\nvalue = "@maria_lang"\n')
    (tmp_path / "stop.toml").write_text('name = "stop"\n[redact]\nidentity = "stop"\n')
    file = tmp_path / "snapshotter.toml"
    file.write_text(
        'data_dir = "data"\nspool_dir = "spool"\nstore = "store"\nauthority = []\n'
        'identity_file = "who.toml"\npolicy = "stop.toml"\n'
    )
    here = settings.load(directory=tmp_path, environment={"SNAPSHOTTER_CONFIG": str(file)})
    workshop = open_job_runner(here, lambda _: None)
    url = "https://example.org/of/%40Maria_Lang"

    with pytest.raises(
        PolicyRefused, match="shows the identity of the capturing person"
    ):  # of the job, and not this machine's
        workshop.capture(replace(job(), url=url), Lease(), more=False, progress=no_progress)
    with pytest.raises(PolicyRefused, match="shows the identity of the capturing person"):
        given_up(workshop, Lease(), replace(job(), url=url))

    assert list((tmp_path / "spool").glob("*")) == []
    assert list((tmp_path / "store").rglob("*.wacz")) == []
