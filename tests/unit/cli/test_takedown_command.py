"""`snapshotter takedown`, as a person types it, and `verify` of an event."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from snapshotter.app.settings import load
from snapshotter.app.wiring import keys as wiring_keys
from snapshotter.seal.signer import KeyDirectory
from snapshotter.site.state import SiteState, removed
from snapshotter.site.wechat import account_story
from snapshotter.store.filesystem import DirectoryStore
from tests import bundles, observed
from tests.observed import at
from tests.servers.receiver import Receiver
from tests.unit.app.takedown.test_event_verification import ARTICLE, IDENTITY, OTHER
from tests.unit.cli.shell import Shell

STATE = SiteState().change("wx/article", at(40), removed("wx-01"))


class Bench(Shell):
    """A home with a key, a store with captures, and no trust file."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        super().__init__(capsys)
        self.folder = folder
        self.signer, _ = KeyDirectory(folder / "data" / "keys").ensure()
        self.store = DirectoryStore(folder / "captures")

    account = f"wechat:{account_story(3, 0).biz}"

    def shoot(self, minute: float, url: str = ARTICLE) -> str:
        made = observed.shoot(self.folder / "spool", at(minute), STATE, url, signer=self.signer)
        observed.put(self.store, made)
        return made.id

    @property
    def events(self) -> list[Path]:
        return sorted((self.folder / "captures" / "takedowns").rglob("*.json"))


@pytest.fixture
def bench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Bench:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("SNAPSHOTTER_LOG", "false")
    monkeypatch.chdir(tmp_path)
    return Bench(tmp_path, capsys)


def test_from_captures_to_an_event_that_verifies_elsewhere(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, gone = bench.shoot(30), bench.shoot(60)
    assert bench.run("takedown", "derive") == 0
    assert bench.out.splitlines() == [
        (
            f"{IDENTITY}  no event was concluded, but the page has not been available (author) "
            "since 2026-05-27 09:00:00 UTC"
        ),
        (
            "  needs a control capture of another page of mp.weixin.qq.com that is available, made "
            "after 2026-05-27 09:00:00 UTC and before the last capture with the same result"
        ),
        "  needs one more capture with the same result, made after 2026-05-27 09:10:00 UTC",
        "wechat:MzkwMDAwMDAwMQ==  no removal was found",
    ]
    assert bench.events == []
    bench.shoot(65, OTHER)
    confirmed = bench.shoot(70)

    assert bench.run("takedown", "derive", f"{ARTICLE}&scene=21") == 0
    (record,) = bench.events
    assert "a key for take-down events was made for you" in bench.err
    assert bench.out.splitlines()[0] == (
        f"{record.stem}  The page {IDENTITY} was taken down between 2026-05-27T08:29:58Z and "
        "2026-05-27T09:00:00Z (stated cause: removal by the author)"
    )

    assert bench.run("takedown", "list") == 0
    assert bench.out.startswith(f"{record.stem}  The page {IDENTITY} was taken down between")
    assert "not trusted" not in bench.out
    assert bench.run("takedown", "list", "--page", ARTICLE, "--since", "2026-05-28") == 0
    assert (bench.out, "contains no take-down event of this page" in bench.err) == ("", True)
    assert bench.run("takedown", "list", "--page", IDENTITY, "--json") == 0
    assert bench.object["event"]["last_seen"]["bundle_id"] == seen
    assert (bench.object["trusted"], bench.object["burst"]) == (True, None)

    assert bench.run("takedown", "show", record.stem) == 0
    shown = dict(line.split(maxsplit=1) for line in bench.out.splitlines() if line[0] == "n")
    assert shown["notice"] == "该内容已被发布者删除"
    assert (
        f"the event is not verified here. Verify the event: snapshotter verify {record.stem}"
        in bench.out
    )
    assert "not after       2026-05-27 09:00:00 UTC  (30 minutes and 2 seconds)" in bench.out
    again = "confirmation 1  2026-05-27 09:10:00 UTC  not available (removal by the author)"
    assert f"{again}  {confirmed}" in bench.out

    assert bench.run("takedown", "export", record.stem, "-o", "exhibit") == 0
    assert sorted(path.name for path in (bench.folder / "exhibit").iterdir()) == sorted(
        [
            f"{record.stem}.json",
            *(f"{name}.wacz" for name in (seen, gone, confirmed, _control(record))),
        ]
    )
    elsewhere = bench.folder / "elsewhere"
    assert bench.run("verify", "--store", elsewhere, f"exhibit/{record.stem}.json") == 11
    # Nobody's clock stamped these captures: that alone is left open.
    assert "BUNDLE_OPEN" in bench.out
    assert "ok   conclusion" in bench.out
    assert bench.run("verify", "--json", record.stem) == 11  # by its id, from the store
    assert bench.object["kind"] == "takedown"
    assert {finding["code"] for finding in bench.object["findings"]} == {"OK", "BUNDLE_OPEN"}
    judged = bench.object["findings"], bench.object["notes"]

    # Settings beside the exhibit change nothing: not the rules of today, and no bucket is asked.
    exhibit = bench.folder / "exhibit"
    (exhibit / "theirs.toml").write_text('name = "theirs"\n[takedown]\nrules = ["theirs.rules"]\n')
    (exhibit / "snapshotter.toml").write_text('store = "s3://x-y-z"\npolicy = "theirs.toml"\n')
    monkeypatch.chdir(exhibit)
    assert bench.run("verify", "--json", f"{record.stem}.json") == 11, bench.err
    assert (bench.object["findings"], bench.object["notes"]) == judged
    # By its id it is in the directory of a found file, and the policy there plays no part.
    (exhibit / "snapshotter.toml").write_text('store = "../captures"\npolicy = "theirs.toml"\n')
    assert bench.run("verify", "--json", record.stem) == 11, bench.err
    assert (bench.object["findings"], bench.object["notes"]) == judged
    monkeypatch.chdir(bench.folder)

    bundle = bench.folder / "exhibit" / f"{gone}.wacz"
    bundle.write_bytes(bundles.flipped(bundle.read_bytes()))
    assert bench.run("verify", "--store", elsewhere, f"exhibit/{record.stem}.json") == 10
    assert "FAIL first gone     BUNDLE_OTHER" in bench.out

    assert bench.run("takedown", "derive", "--json") == 0
    assert [printed["standing"] for printed in bench.objects] == ["gone", "there"]
    assert len(bench.events) == 1


def test_no_event_is_based_on_a_capture_in_quarantine_or_hides_what_it_shows(
    bench: Bench,
) -> None:
    bench.shoot(30)
    bench.shoot(35, OTHER)
    gone = bench.shoot(60)
    bench.shoot(65, OTHER)
    for minute in (70, 75, 80):
        bench.shoot(minute)
    assert bench.run("quarantine", "--reason", "may show a child", gone) == 0

    assert bench.run("takedown", "derive") == 0
    assert bench.events == []
    assert f"  {gone} is not used: in quarantine: may show a child" in bench.out.splitlines()
    assert bench.run("proof", ARTICLE) == 1
    assert f"{gone}: in quarantine: may show a child" in bench.err

    assert bench.run("release", "--reason", "a drawing", gone) == 0
    assert bench.run("takedown", "derive") == 0
    assert len(bench.events) == 1


def test_a_signed_event_stays_and_its_captures_in_quarantine_are_not_copied(
    bench: Bench,
) -> None:
    seen, gone = bench.shoot(30), bench.shoot(60)
    bench.shoot(65, OTHER)
    bench.shoot(70)
    assert bench.run("takedown", "derive") == 0
    (record,) = bench.events
    assert bench.run("quarantine", "--reason", "may show a child", seen) == 0

    assert bench.run("takedown", "show", record.stem) == 0
    assert bench.out.splitlines()[0] == f"{seen} in quarantine: may show a child"
    assert bench.run("takedown", "show", "--json", record.stem) == 0
    assert [entry["bundle_id"] for entry in bench.object["quarantined"]] == [seen]
    assert bench.run("takedown", "export", record.stem, "-o", "exhibit") == 0
    names = {path.name for path in (bench.folder / "exhibit").iterdir()}
    assert (f"{seen}.wacz" in names, f"{gone}.wacz" in names) == (False, True)
    assert "captures in quarantine that are left out: 1" in bench.err
    assert f"{seen} in quarantine: may show a child" in bench.err
    assert bench.run("takedown", "export", "--json", record.stem, "-o", "exhibit") == 0
    assert [entry["bundle_id"] for entry in bench.object["left_out"]] == [seen]
    assert bench.run("verify", record.stem) == 11  # as before: only the times are open
    assert bench.run("takedown", "derive", "--json") == 0
    assert len(bench.events) == 1


def _control(record: Path) -> str:
    event = json.loads(record.read_bytes().partition(b"\n")[0])["event"]
    return str(event["controls"][0]["bundle_id"])


def test_what_is_no_event_is_told(bench: Bench) -> None:
    assert bench.run("takedown", "derive") == 0
    assert (bench.out, "shows a removal" in bench.err) == ("", True)
    assert bench.run("takedown", "show", "20260527t091000z-k3v4q2m7xw4c5b6d") == 1
    assert "contains no take-down event with the id 20260527t091000z-k3v4q2m7xw4c5b6d" in bench.err
    stray = bench.folder / "captures" / "takedowns" / "2026" / "05" / "27" / "x.json"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"{}")
    assert bench.run("takedown", "list") == 0
    assert "takedowns/2026/05/27/x.json is not a valid take-down event" in bench.err


def test_the_key_of_events_is_not_one_that_signs_captures(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAPSHOTTER_EVENT_KEY", "default")
    for minute, url in ((30, ARTICLE), (60, ARTICLE), (65, OTHER), (70, ARTICLE)):
        bench.shoot(minute, url)

    assert bench.run("takedown", "derive") == 1
    assert "signs captures, so it cannot sign take-down events" in bench.err
    assert bench.events == []


def test_a_key_of_events_that_was_made_first_is_in_no_captures_way(bench: Bench) -> None:
    for key in (bench.folder / "data" / "keys").iterdir():
        key.unlink()
    KeyDirectory(bench.folder / "data" / "keys").ensure("events")

    assert wiring_keys.signer(load(), ask=None, show_message=lambda text: None).key_id
    assert bench.run("doctor", "--json") in (0, 1)


def test_who_wants_to_know_is_told_once_of_all_at_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
    state = SiteState().change("wx/account/3/*", begin + timedelta(minutes=40), removed("wx-01"))
    articles = [f"http://mp.weixin.qq.com{account_story(3, number).address}" for number in range(3)]
    visits = [(minute, url) for minute in (30, 60, 75) for url in articles]
    for minute, url in [*visits, (65, OTHER)]:
        when = begin + timedelta(minutes=minute)
        made = observed.shoot(bench.folder / "spool", when, state, url, signer=bench.signer)
        observed.put(bench.store, made)
    with Receiver() as receiver:
        (bench.folder / "notify.toml").write_text(
            f'''
            [[channel]]
            name = "desk"
            type = "webhook"
            url = "{receiver.url}"
            secret_file = "desk.secret"
            allow_networks = ["127.0.0.1"]
            [[rule]]
            kinds = ["takedown.confirmed"]
            channels = ["desk"]
            '''
        )
        assert bench.run("notify", "secret", "desk.secret") == 0
        monkeypatch.setenv("SNAPSHOTTER_NOTIFY_FILE", str(bench.folder / "notify.toml"))

        assert bench.run("takedown", "derive") == 0, bench.err
        assert bench.run("takedown", "derive") == 0, bench.err

        (posted,) = receiver.posted
    message = json.loads(posted.body)
    assert (message["type"], message["data"]["count"]) == ("takedown.confirmed", 3)
    assert len(message["data"]["events"]) == 1  # one account: one item
    assert "mp.weixin" not in posted.body.decode()
    assert bench.run("takedown", "list") == 0
    assert bench.out.splitlines()[0] == f"{bench.account}: 3 events"
