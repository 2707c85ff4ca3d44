"""`snapshotter proof`: of a page, of an event, of captures; and what is missing for one."""

import json
import os
import re
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from snapshotter.app import settings
from snapshotter.app.wiring import queue as wiring_jobs
from snapshotter.app.wiring import worker as wiring_worker
from snapshotter.app.wiring.notifications import notification_service
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.statements import takedown
from snapshotter.formats.statements.pack import MAGIC
from snapshotter.jobs.queue.database_queue import DatabaseQueue
from snapshotter.jobs.queue.job_table import JOB
from snapshotter.model.job import JobState
from snapshotter.site.state import available, removed, wall
from tests import observed
from tests.bundles import RealClock, new_signer
from tests.servers.relay import MailRelay
from tests.unit.cli.proving import ARTICLE, User, new_user
from tests.unit.jobs.making import job

pytestmark = pytest.mark.long

HOST = "http://mp.weixin.qq.com"
OTHER = f"{HOST}/s?__biz=MzkwMDAwMDAwMg%3D%3D&mid=2650000007&idx=1&sn=x"


@pytest.fixture
def user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> User:
    return new_user(tmp_path, monkeypatch, capsys)


@pytest.fixture
def gone(user: User) -> list[str]:
    """A removal with all that confirms it."""
    return [
        user.capture(0, available()),
        user.capture(26, removed("wx-01")),
        user.capture(38, available(), OTHER),
        user.capture(40, removed("wx-01")),
    ]


def test_a_page_that_is_gone_becomes_one_file_and_so_does_its_event(
    user: User, gone: list[str]
) -> None:
    code, out, err = user.run("proof", ARTICLE, "--without", "pdf")

    assert code == 0, err
    file = Path(out.strip())
    assert file.name.startswith("proof-")
    data = file.read_bytes()
    assert data.startswith(MAGIC)
    assert observed.NOTICE in data.decode()
    assert "INDETERMINATE" in err  # these captures have no tokens

    _, out, _ = user.run("custody", "show", gone[0], "--json")
    assert "proof pack" in out  # that it was given out
    code, out, err = user.run("verify", file)
    assert code == 11, out
    assert "the event was derived again from exactly these captures, with the same result" in out
    assert "FAIL" not in out

    event_id = file.stem.removeprefix("proof-")
    code, out, err = user.run("proof", event_id, "--without", "pdf", "--json")
    value = json.loads(out)
    assert code == 0, err
    assert value["event_id"] == event_id
    assert value["file"] == str(user.home / file.name)  # an older pack is replaced
    assert [capture["role"] for capture in value["statement"]["captures"]] == [
        *("last-seen", "first-gone", "confirmation", "control")
    ]
    assert [capture["what"]["bundle_id"] for capture in value["statement"]["captures"]] == [
        *(gone[0], gone[1], gone[3], gone[2])
    ]
    assert value["lacks"] == ["pdf"]
    assert {part["role"] for part in value["parts"]} >= {"event", "key", "facts", "picture"}
    assert value["key_id"] not in {entry["key_ids"][0] for entry in _integrity(value)}


def test_no_pack_is_made_of_a_capture_in_quarantine(user: User, gone: list[str]) -> None:
    code, out, err = user.run("proof", ARTICLE, "--without", "pdf")
    assert code == 0, err
    event_id = Path(out.strip()).stem.removeprefix("proof-")
    Path(out.strip()).unlink()
    assert user.run("quarantine", "--reason", "may show a child", gone[3])[0] == 0

    for wanted in ((ARTICLE,), (event_id,), gone):
        code, _, err = user.run("proof", *wanted, "--without", "pdf")
        assert code == 20
        assert f"{gone[3]} is in quarantine: may show a child" in err
    assert not list(user.home.glob("*.html"))


def test_a_page_without_an_event_whose_capture_is_in_quarantine_needs_a_release_and_no_audit(
    user: User, gone: list[str]
) -> None:
    assert user.run("quarantine", "--reason", "may show a child", gone[0])[0] == 0

    code, _, err = user.run("proof", ARTICLE)

    assert code == 1
    assert f"{gone[0]}: in quarantine: may show a child" in err
    assert f"snapshotter release --reason REASON {gone[0]}" in err
    assert "audit" not in err


def test_the_duty_of_a_worker_makes_the_pack_by_the_settings(user: User, gone: list[str]) -> None:
    here = settings.load(directory=user.home, environment=dict(os.environ))
    opened = wiring_jobs.database(here)
    visit = job(url=ARTICLE, origin="schedule:a", policy="monitor-takedown")
    DatabaseQueue(opened).put([visit])
    with opened.begin() as connection:
        done = {"state": JobState.DONE, "ended_at": RealClock().now(), "bundle_id": gone[3]}
        connection.execute(update(JOB).values(done))
    said: list[str] = []

    wiring_worker.monitoring_task(here, opened, show_message=said.append).work()
    opened.dispose()

    (target,) = (user.home / "data" / "proofs").iterdir()
    event_id = target.stem
    assert f"the proof pack of the event {event_id} was written to {target}" in said
    assert target.parent.stat().st_mode & 0o077 == 0
    code, out, _ = user.run("verify", target)
    assert code == 11, out  # these captures have no tokens
    assert "the event was derived again from exactly these captures, with the same result" in out
    assert not any("copied" in line for line in said)  # nobody waits for it
    _, out, _ = user.run("custody", "show", gone[0], "--json")
    assert "proof pack" in out


def test_the_first_sign_of_a_removal_is_mailed_with_the_next_command(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, gone = user.capture(0, available()), user.capture(26, removed("wx-01"))
    with MailRelay() as relay:
        (user.home / "notify.toml").write_text(
            f"""
            [[channel]]
            name = "mail"
            type = "mail"
            server = "127.0.0.1"
            port = {relay.port}
            tls = "none"
            allow_networks = ["127.0.0.1"]
            sender = "snapshotter@example.org"
            to = ["desk@example.org"]
            urls = "defanged"
            [[rule]]
            kinds = ["takedown.suspected"]
            channels = ["mail"]
            """
        )
        monkeypatch.setenv("SNAPSHOTTER_NOTIFY_FILE", str(user.home / "notify.toml"))
        here = settings.load(directory=user.home, environment=dict(os.environ))
        opened = wiring_jobs.database(here)
        DatabaseQueue(opened).put([job(url=ARTICLE, origin="schedule:a")])
        with opened.begin() as connection:
            done = {"state": JobState.DONE, "ended_at": RealClock().now(), "bundle_id": gone}
            connection.execute(update(JOB).values(done))
        said: list[str] = []
        for _ in range(2):  # a worker that follows up twice mails once
            wiring_worker.monitoring_task(here, opened, show_message=said.append).work()
            with closing(notification_service(here)) as notifications:
                notifications.round()
        opened.dispose()

    assert said == []
    (mailed,) = relay.mails
    text = mailed.message.get_content()
    assert mailed.message["Subject"] == "snapshotter: a page may have been removed"
    words = " ".join(text.split())
    assert f"picture of the page as it was (snapshotter open {seen})" in words
    assert f"snapshotter diff {seen} {gone}" in words
    assert "hxxp://mp[.]weixin[.]qq[.]com/s?" in text


def _integrity(
    value: dict[str, dict[str, list[dict[str, dict[str, list[str]]]]]],
) -> list[dict[str, list[str]]]:
    return [capture["integrity"] for capture in value["statement"]["captures"]]


def test_captures_that_somebody_chose_make_a_pack_that_says_so(user: User, gone: list[str]) -> None:
    code, out, err = user.run("proof", *gone[:2], "--without", "pdf", "--json")

    value = json.loads(out)
    assert code == 0, err
    assert (value["event_id"], value["file"]) == ("", str(user.home / f"proof-{gone[1]}.html"))
    assert "No take-down event was derived from these captures" in Path(value["file"]).read_text(
        "utf-8"
    )

    code, out, err = user.run("proof", *gone[:2], "--without", "pdf", "-o", "-")

    assert code == 0, err
    assert out.encode().startswith(MAGIC)
    assert out.endswith("</html>\n")


def test_a_trust_file_goes_with_the_pack_and_has_to_know_its_key(
    user: User, gone: list[str]
) -> None:
    _, root, _ = user.run("trust", "init", "trust.json")
    user.run("keys", "export", "default", "-o", "signer.pem")
    assert user.run("trust", "add-key", "trust.json", "signer.pem", "--owner", "us")[0] == 0
    trust = ("--trust", "trust.json", "--root-key", root.strip())

    code, out, err = user.run("proof", *gone[:2], *trust, "--without", "pdf", "--json")

    assert code == 0, err
    value = json.loads(out)
    files = {part["name"] for part in value["parts"] if part["role"] == "trust"}
    assert files == {"trust.json", "trust.json.sig"}
    assert value["statement"]["root_key_id"] == root.strip()
    assert f"the trust file does not contain the key {value['key_id']}" in err

    user.run("keys", "export", "events", "-o", "events.pem")
    assert user.run("trust", "add-key", "trust.json", "events.pem", "--owner", "us")[0] == 0
    code, _, err = user.run("proof", *gone[:2], *trust, "--without", "pdf")
    assert (code, "does not contain the key" in err) == (0, False), err


def test_an_event_of_a_stranger_is_not_proven(user: User, gone: list[str]) -> None:
    """Whoever may write into the store can put a record there."""
    _, out, _ = user.run("proof", ARTICLE, "--without", "pdf", "--json")
    event_id = json.loads(out)["event_id"]
    record = user.home / "captures" / store_keys.takedown_key(event_id)
    event, _ = takedown.parse(record.read_bytes())
    forged = replace(event, event_id=f"{event_id[:-1]}{'a' if event_id[-1] != 'a' else 'b'}")
    record.with_name(f"{forged.event_id}.json").write_bytes(takedown.encode(forged, new_signer()))

    code, out, err = user.run("proof", forged.event_id)

    assert (code, out) == (1, "")
    assert "which is not trusted" in err


def test_what_is_missing_is_said_with_the_command_that_helps(user: User) -> None:
    def asked() -> str:
        code, out, err = user.run("proof", ARTICLE)
        assert (code, out) == (1, "")
        return err

    again = f"\n  snapshotter capture '{ARTICLE}'"
    said = asked()
    assert "the store has no capture of this page" in said
    assert again in said
    user.capture(0, available())
    assert "the last conclusive capture shows that the page is available" in asked()
    user.capture(26, removed("wx-01"))
    said = asked()
    assert "no take-down of this page is confirmed: the page has not been available since " in said
    assert "one more capture with the same result" in said
    user.capture(40, removed("wx-01"))
    said = asked()
    assert "a control capture of another page of mp.weixin.qq.com that is available" in said
    assert list(user.home.glob("*.html")) == []


def test_the_next_capture_may_connect_to_the_networks_of_the_last_one(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hint() -> str:
        _, _, err = user.run("proof", ARTICLE)
        return err.splitlines()[-1].strip()

    networks = ("10.1.2.0/24", "fd00::1/128")
    user.capture(0, available(), allow_networks=networks)
    assert hint() == (
        f"snapshotter capture --allow-network 10.1.2.0/24 --allow-network fd00::1/128 '{ARTICLE}'"
    )
    monkeypatch.setenv("SNAPSHOTTER_ALLOW_NETWORKS", "10.0.0.0/8")
    assert hint() == f"snapshotter capture --allow-network fd00::1/128 '{ARTICLE}'"
    # Whoever can write to the store suggests no network.
    user.capture(10, available(), allow_networks=networks, signer=new_signer())
    assert hint() == f"snapshotter capture '{ARTICLE}'"


def test_what_was_never_seen_can_not_be_proven_any_more(user: User) -> None:
    user.capture(26, removed("wx-01"))

    code, _, err = user.run("proof", ARTICLE)

    assert code == 1
    assert (
        "the page is not available, but no capture in the store shows that it was available before"
    ) in err
    assert "A capture that is made now cannot show the earlier state of the page" in err


def test_a_wall_is_no_removal_and_is_told_as_what_it_is(user: User) -> None:
    user.capture(26, wall())

    code, _, err = user.run("proof", ARTICLE)

    assert code == 1
    assert "no capture in the store establishes whether this page is available" in err
    assert "it is not established whether the page was available: " in err


def test_a_page_that_came_back_is_proven_and_the_return_is_told(
    user: User, gone: list[str]
) -> None:
    user.capture(60, available())
    user.capture(75, available())

    code, _, err = user.run("proof", ARTICLE, "--without", "pdf")

    assert code == 0, err
    (back,) = re.findall(r"the page became available again later: see the event (\S+)", err)
    code, out, err = user.run("proof", back, "--without", "pdf")
    assert code == 0, err
    page = Path(out.strip()).read_text("utf-8")
    assert "The page was not available. Later the page was available again." in page
    assert "The page became available again between these two times" in page


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("proof", "not-an-id"), 1, "is neither an address nor the id of an event or a capture"),
        (("proof", "20260101t000000z-aaaaaaaaaaaaaaaa"), 1, "has no take-down event"),
        (
            ("proof", "https://x.test/", "--max-size", "lots"),
            2,
            "is not a valid size; an example of a valid size is 25MB",
        ),
        (("proof", "https://x.test/", "--without", "everything"), 2, "everything"),
        (
            ("proof", "https://x.test/", "-o", "-", "--json"),
            2,
            "-o - and --json do not work together, because both write to standard output",
        ),
    ],
)
def test_what_can_not_be_is_a_sentence(
    user: User, arguments: tuple[str, ...], code: int, said: str
) -> None:
    ended, out, err = user.run(*arguments)

    assert (ended, out) == (code, "")
    assert said in err
    assert "Traceback" not in err


def test_a_limit_is_kept_and_other_files_stay(user: User, gone: list[str]) -> None:
    code, _, err = user.run("proof", *gone[:2], "--max-size", "20KB", "--without", "pdf")
    assert code == 1
    assert "at most 0.0 MB are allowed" in err
    (user.home / "letter.html").write_text("<p>mine")

    code, _, err = user.run("proof", *gone[:2], "-o", "letter.html", "--without", "pdf")

    assert code == 1
    assert "exists already and is not a proof pack" in err
    assert (user.home / "letter.html").read_text() == "<p>mine"
