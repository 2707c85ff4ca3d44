"""What wiring decides: whose keys bundles are judged by, and which store may hold evidence."""

import importlib
import os
import pkgutil
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from snapshotter import jobs
from snapshotter.app import doctor, machine
from snapshotter.app.policies import configured_policy
from snapshotter.app.settings import Settings, load, user_file
from snapshotter.app.store_location import salts_dir
from snapshotter.app.takedown.event_list import confirm_rules
from snapshotter.app.trust import remembered_version
from snapshotter.app.wiring import campaign as wiring_campaign
from snapshotter.app.wiring import capture as wiring
from snapshotter.app.wiring import keys as wiring_keys
from snapshotter.app.wiring import store as wiring_store
from snapshotter.app.wiring import takedown as wiring_takedown
from snapshotter.app.wiring import telemetry as wiring_telemetry
from snapshotter.app.wiring import timestamp_authorities as wiring_authorities
from snapshotter.app.wiring import trust as wiring_trust
from snapshotter.app.wiring.doctor import doctor_dependencies
from snapshotter.errors import EvidenceUnverifiable, SnapshotterError
from snapshotter.formats.signatures.cms import Recipient
from snapshotter.jobs import outbox
from snapshotter.jobs.database import TABLES
from snapshotter.seal.signer import FileSigner, KeyDirectory
from snapshotter.verify.trust import TrustDocument
from tests import softhsm
from tests.servers.receiver import Receiver
from tests.tools import ROOT


@pytest.fixture
def root() -> FileSigner:
    return FileSigner(ec.generate_private_key(ec.SECP384R1()))


def _settings(folder: Path, **more: str) -> Settings:
    return load(
        overrides={"data_dir": str(folder / "data"), "store": str(folder / "captures"), **more},
        directory=folder,
        environment={},
    )


def _publish(document: TrustDocument, root: FileSigner, path: Path) -> None:
    path.write_bytes(document.encode())
    path.with_name(f"{path.name}.sig").write_bytes(root.sign(document.encode()))


def test_several_configured_keys_sign_in_their_order(tmp_path: Path) -> None:
    settings = _settings(tmp_path, cosigners="court archive")
    keys = KeyDirectory(settings.keys_dir)
    ids = [keys.create(name).key_id for name in ("default", "court", "archive")]

    first = wiring_keys.signer(settings, ask=None, show_message=lambda _: None)
    others = wiring_keys.cosigners(settings, ask=None, show_message=lambda _: None)

    assert [signer.key_id for signer in (first, *others)] == ids
    world = wiring.capture_dependencies(settings, ask=None, show_message=lambda _: None)
    assert [signer.key_id for signer in (world.signer, *world.cosigners)] == ids
    assert all(world.trust.key(key_id) is not None for key_id in ids)


@pytest.mark.parametrize("operator", ["", "archive@example.org"])
def test_custody_events_name_who_has_said_so_and_nobody_by_a_name_of_the_system(
    tmp_path: Path, operator: str
) -> None:
    settings = _settings(tmp_path, operator=operator)
    store = wiring_store.custodial_store(
        settings, wiring_store.store(settings), show_message=lambda _: None
    )

    assert store.event("capture", "x.wacz").by == operator
    assert wiring_keys.operator(settings)  # a hold and an erasure have somebody to answer for them


def test_a_process_that_asks_authorities_for_months_is_not_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring_authorities, "_EXCHANGES", 2)
    monkeypatch.setattr(wiring_authorities, "_CONNECTIONS_EACH", 1)  # a third one would be refused
    read = replace(_settings(tmp_path), allow_networks=("127.0.0.1/32",))
    threads = sum(thread.name == "egress" for thread in threading.enumerate())

    with Receiver() as receiver:
        carry = wiring_authorities.guarded_connections(read, machine.SystemClock())
        for _ in range(7):
            with httpx.Client(transport=carry(), trust_env=False) as client:
                assert client.post(receiver.url, content=b"x").status_code == 204

    assert len(receiver.posted) == 7
    assert sum(thread.name == "egress" for thread in threading.enumerate()) - threads <= 2


def test_a_cosigner_that_is_not_there_is_said_before_anything_is_captured(tmp_path: Path) -> None:
    settings = _settings(tmp_path, cosigners="court")
    KeyDirectory(settings.keys_dir).create("default")

    with pytest.raises(SnapshotterError, match="no key 'court'"):
        wiring.capture_dependencies(settings, ask=None, show_message=lambda _: None)


def test_a_key_on_a_token_is_used_by_its_reference_and_then_known_by_a_name(
    tmp_path: Path, tokens: tuple[softhsm.Token, ...]
) -> None:
    reference = tokens[0].reference(object="sealing")
    settings = _settings(tmp_path, key=reference)
    said: list[str] = []

    first = wiring_keys.signer(settings, ask=None, show_message=said.append)
    again = wiring_keys.signer(settings, ask=None, show_message=said.append)

    (stored,) = KeyDirectory(settings.keys_dir).list()
    assert first.key_id == again.key_id == stored.key_id
    assert (stored.name, stored.reference) == (f"held-{first.key_id[:12]}", reference)
    assert len(said) == 1
    # So that bundles are verified without asking the token.
    assert wiring_trust.trust(settings).key(first.key_id) is not None
    (check,) = doctor._keys(settings, doctor_dependencies(settings))
    assert check.state is doctor.CheckState.OK
    assert "in a key service or on a hardware token" in check.detail


def test_the_doctor_makes_each_key_sign(tmp_path: Path) -> None:
    settings = _settings(tmp_path, cosigners="court missing")
    keys = KeyDirectory(settings.keys_dir)
    keys.create("default")
    keys.create("court", b"words")

    default, court, missing = doctor._keys(settings, doctor_dependencies(settings))

    assert (default.state, "signs" in default.detail) == (doctor.CheckState.OK, True)
    assert (court.state, "passphrase" in court.detail) == (doctor.CheckState.OK, True)
    assert (missing.state, missing.fix != "") == (doctor.CheckState.FAILURE, True)


def test_a_trust_file_older_than_one_seen_before_is_refused(
    tmp_path: Path, root: FileSigner
) -> None:
    file = tmp_path / "trust.json"
    settings = _settings(tmp_path, trust_file=str(file), trust_root_key=root.key_id)
    first = TrustDocument.new(root.public_key)
    _publish(first.with_expiry(None), root, file)
    assert wiring_trust.trust(settings).version == 2

    _publish(first, root, file)

    with pytest.raises(EvidenceUnverifiable, match="was seen before"):
        wiring_trust.trust(settings)


def test_another_trust_file_of_a_version_that_was_seen_is_refused(
    tmp_path: Path, root: FileSigner
) -> None:
    file = tmp_path / "trust.json"
    settings = _settings(tmp_path, trust_file=str(file), trust_root_key=root.key_id)
    document = TrustDocument.new(root.public_key)
    _publish(document, root, file)
    assert wiring_trust.trust(settings).version == 1
    assert wiring_trust.trust(settings).version == 1

    _publish(replace(document, max_lag=timedelta(days=1)), root, file)

    with pytest.raises(EvidenceUnverifiable, match="another trust file of version 1"):
        wiring_trust.trust(settings)


def test_what_was_seen_of_one_root_says_nothing_of_another(
    tmp_path: Path, root: FileSigner
) -> None:
    other = FileSigner(ec.generate_private_key(ec.SECP384R1()))
    for signer, version in ((root, 7), (other, 1)):
        document = replace(TrustDocument.new(signer.public_key), version=version)
        file = tmp_path / f"{version}.json"
        _publish(document, signer, file)
        settings = _settings(tmp_path, trust_file=str(file), trust_root_key=signer.key_id)
        assert wiring_trust.trust(settings).version == version


@pytest.mark.parametrize("content", ["", "x", "5 abc", "0", "-1", "5\n6\n"])
def test_a_memory_that_can_not_be_read_is_no_empty_memory(
    tmp_path: Path, root: FileSigner, content: str
) -> None:
    file = tmp_path / "trust.json"
    settings = _settings(tmp_path, trust_file=str(file), trust_root_key=root.key_id)
    _publish(TrustDocument.new(root.public_key), root, file)
    wiring_trust.trust(settings)
    (settings.data_dir / "trust" / root.key_id).write_text(content)

    with pytest.raises(SnapshotterError, match="cannot be read") as caught:
        wiring_trust.trust(settings)

    assert "delete the record" in caught.value.hint


def test_a_memory_of_the_number_alone_still_counts(tmp_path: Path, root: FileSigner) -> None:
    """As versions before this one wrote it."""
    file = tmp_path / "trust.json"
    settings = _settings(tmp_path, trust_file=str(file), trust_root_key=root.key_id)
    memory = settings.data_dir / "trust" / root.key_id
    memory.parent.mkdir(parents=True)
    memory.write_text("2")
    _publish(TrustDocument.new(root.public_key), root, file)

    with pytest.raises(EvidenceUnverifiable, match="was seen before"):
        wiring_trust.trust(settings)


def test_a_pin_is_checked_before_it_names_a_file(tmp_path: Path) -> None:
    settings = _settings(tmp_path, trust_file="x", trust_root_key="../../etc/passwd")

    with pytest.raises(SnapshotterError, match="is not the id of a root key"):
        wiring_trust.trust(settings)


def test_a_trust_file_without_a_pinned_root_is_refused(tmp_path: Path, root: FileSigner) -> None:
    file = tmp_path / "trust.json"
    _publish(TrustDocument.new(root.public_key), root, file)

    with pytest.raises(
        SnapshotterError, match="cannot be checked without the key id of its root key"
    ):
        wiring_trust.trust(_settings(tmp_path, trust_file=str(file)))


def test_without_a_trust_file_bundles_are_judged_by_own_keys_and_never_by_a_root_key(
    tmp_path: Path,
) -> None:
    settings = _settings(tmp_path, cosigners="court")
    directory = KeyDirectory(settings.keys_dir)
    own, cosigner = directory.create("default"), directory.create("court")
    root, later = directory.create("root"), directory.create("root-2028")
    for key in (later, cosigner):
        assert key.public_key is not None
        document = TrustDocument.new(key.public_key)
        remembered_version.remember(document, directory=settings.data_dir / "trust")

    trust = wiring_trust.trust(settings)
    is_trusted = wiring_trust.trusted_keys(settings)

    # The settings name the key "court" for signing bundles.
    for key_id in (own.key_id, cosigner.key_id):
        assert trust.key(key_id) is not None
        assert is_trusted(key_id)
    for key_id in (root.key_id, later.key_id):
        assert trust.key(key_id) is None
        assert not is_trusted(key_id)


def test_the_doctor_names_the_settings_file_that_switches_timestamps_off(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("authority = []\n")
    settings = load(directory=tmp_path, environment={"SNAPSHOTTER_CONFIG": str(file)})

    (check,) = doctor._authorities(doctor_dependencies(settings), offline=True)

    assert check.state is doctor.CheckState.WARNING
    assert 'has the line "authority = []", delete this line' in check.fix
    assert f"{user_file()}, or the file that SNAPSHOTTER_CONFIG names" in check.fix


def test_the_first_capture_makes_one_key_and_says_to_back_it_up(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    said: list[str] = []

    first = wiring_keys.signer(settings, ask=None, show_message=said.append)
    again = wiring_keys.signer(settings, ask=None, show_message=said.append)

    assert first.key_id == again.key_id
    assert len(said) == 1
    assert "Back up this file" in said[0]


def test_a_directory_says_that_it_notes_retention_and_enforces_none(tmp_path: Path) -> None:
    said: list[str] = []

    wiring_store.store_for_evidence(_settings(tmp_path), locked=False, show_message=said.append)
    assert said == []
    wiring_store.store_for_evidence(_settings(tmp_path), locked=True, show_message=said.append)

    assert len(said) == 1
    assert "anybody who can write to the directory can delete the bundles" in said[0]


def test_a_policy_that_only_lies_here_locks_nothing_for_good(tmp_path: Path) -> None:
    policy = tmp_path / "p.toml"
    policy.write_text('name = "x"\n[retention]\ndays = 3\nmode = "COMPLIANCE"\n')
    settings = replace(_settings(tmp_path), policy=str(policy))

    assert configured_policy.configured_policy(settings).retention.days == 3
    with pytest.raises(SnapshotterError, match="nobody can remove the lock"):
        configured_policy.configured_policy(
            settings.with_policy(str(policy), found_in="theirs.toml")
        )


@pytest.mark.parametrize("store", ["s3://", "ftp://somewhere/x", "s3://UPPER/x"])
def test_a_store_that_is_none_ends_as_a_sentence(tmp_path: Path, store: str) -> None:
    with pytest.raises(SnapshotterError):
        wiring_store.store(_settings(tmp_path, store=store))


def test_salts_stand_next_to_a_directory_store_and_never_inside(tmp_path: Path) -> None:
    settings = _settings(tmp_path)

    place = salts_dir(settings)

    assert place.parent == tmp_path
    assert not place.is_relative_to(settings.store)


def test_a_policy_that_was_only_found_opens_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "theirs.toml").write_text('name = "theirs"\n[network]\nallow = ["0.0.0.0/0"]\n')
    (tmp_path / "snapshotter.toml").write_text(f'policy = "{tmp_path}/theirs.toml"\n')

    with pytest.raises(
        SnapshotterError, match="allows pages to connect to networks that are refused"
    ):
        configured_policy.configured_policy(load(directory=tmp_path, environment={}))

    given = load(
        directory=tmp_path, environment={}, overrides={"policy": f"{tmp_path}/theirs.toml"}
    )
    assert configured_policy.configured_policy(given).network.allow == ("0.0.0.0/0",)


def test_a_policy_that_was_only_found_keeps_streams_for_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    pem = Recipient(ec.generate_private_key(ec.SECP256R1()).public_key()).pem
    theirs = tmp_path / "theirs.toml"
    theirs.write_text(f'name = "theirs"\n[streams]\nkeep_for = ["""{pem}"""]\n')
    (tmp_path / "snapshotter.toml").write_text(f'policy = "{theirs}"\n')

    with pytest.raises(SnapshotterError, match="for the owner of a key") as caught:
        configured_policy.configured_policy(load(directory=tmp_path, environment={}))
    assert f"--policy {theirs}" in caught.value.hint

    given = load(directory=tmp_path, environment={}, overrides={"policy": str(theirs)})
    assert configured_policy.configured_policy(given).streams.keep_for == (pem,)


def test_verdicts_and_conclusions_are_made_by_no_policy_that_was_only_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "theirs.toml").write_text(
        'name = "theirs"\n[takedown.confirm]\ntimes = 2\nafter = "0s"\ncontrol = false\n'
    )
    (tmp_path / "snapshotter.toml").write_text('policy = "theirs.toml"\n')
    found = load(directory=tmp_path, environment={})
    own = load(directory=tmp_path, environment={}, found=False)
    url = "https://example.org/"

    assert configured_policy.configured_policy(found).name == "theirs"
    assert configured_policy.judging_policy(found).name == "default"
    assert wiring_takedown.rederivation(found).decide(url).policy_name == "default"
    assert confirm_rules(found, url) == confirm_rules(own, url)
    said: list[str] = []
    with (
        wiring_takedown.takedown_service(found, ask=None, show_message=said.append),
        wiring_campaign.campaign_service(found, show_message=said.append) as campaigns,
    ):
        assert campaigns.monitoring(url).confirm == confirm_rules(own, url)
    assert len(said) == 2
    for line in said:
        assert "is not used for verdicts and take-down events" in line
        assert f"SNAPSHOTTER_CONFIG={tmp_path}/snapshotter.toml" in line


def test_without_a_named_policy_the_address_decides(tmp_path: Path) -> None:
    settings = _settings(tmp_path)

    assert (
        configured_policy.configured_policy(settings, "https://m.weibo.cn/status/1").name
        == "weibo-post"
    )
    assert configured_policy.configured_policy(settings, "https://example.org/").name == "default"
    assert configured_policy.configured_policy(settings).name == "default"
    named = replace(settings, policy="legal-hold")
    post = "https://m.weibo.cn/status/1"
    assert configured_policy.configured_policy(named, post).name == "legal-hold"
    whys = [configured_policy.policy_reason(of, "", post) for of in (settings, named)]
    assert whys == ["the policy applies to host *.weibo.cn", ""]
    assert configured_policy.policy_reason(settings, "default", post) == ""
    assert (
        configured_policy.policy_for(named, "auto", "https://mp.weixin.qq.com/s/a").name
        == "wechat-article"
    )
    assert (
        configured_policy.policy_for(settings, "", "https://x.com/a/status/1").name == "social-post"
    )


def test_ones_own_policies_are_found_by_name_and_picked(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "forum.toml").write_text('name = "forum"\n[match]\nhosts = ["forum.example"]\n')
    settings = replace(_settings(tmp_path), policies_dir=own)

    assert configured_policy.configured_policy(replace(settings, policy="forum")).match.hosts == (
        "forum.example",
    )
    auto = replace(settings, policy="auto")
    assert configured_policy.configured_policy(auto, "https://forum.example/t/1").name == "forum"
    assert configured_policy.policy_for(auto, "forum").name == "forum"


def test_a_job_can_not_name_a_way_around_the_proxy_that_its_worker_needs(tmp_path: Path) -> None:
    settings = replace(_settings(tmp_path), policy="high-risk-source")

    assert configured_policy.policy_for(settings, "expanded").network.require_proxy
    assert not configured_policy.policy_for(_settings(tmp_path), "expanded").network.require_proxy


def test_the_drivers_compiled_scripts_are_kept_where_nobody_else_can_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE_COMPILE_CACHE", "")
    monkeypatch.delenv("NODE_COMPILE_CACHE")
    settings = _settings(tmp_path)
    place = settings.data_dir / "driver"
    place.mkdir(parents=True)
    place.chmod(0o777)

    wiring.capturer(settings, machine.SystemClock())
    assert "NODE_COMPILE_CACHE" not in os.environ

    place.rmdir()
    wiring.capturer(settings, machine.SystemClock())
    assert os.environ["NODE_COMPILE_CACHE"] == str(place)
    assert place.stat().st_mode & 0o777 == 0o700

    monkeypatch.setenv("NODE_COMPILE_CACHE", "/elsewhere")
    wiring.capturer(settings, machine.SystemClock())
    assert os.environ["NODE_COMPILE_CACHE"] == "/elsewhere"


_NAMES = """
import sys
from pathlib import Path
from sqlalchemy import inspect
from snapshotter.app import settings
from snapshotter.app.wiring import queue

read = settings.load(overrides={"queue": sys.argv[2]}, directory=Path(sys.argv[1]), environment={})
print(*sorted(inspect(queue.database(read)).get_table_names()))
"""


def test_whoever_opens_the_queue_first_makes_every_table_of_it(tmp_path: Path) -> None:
    """In a process of its own: here other tests have imported every module that has tables."""
    for module in pkgutil.walk_packages(jobs.__path__, "snapshotter.jobs."):
        importlib.import_module(module.name)

    made = subprocess.run(
        [sys.executable, "-c", _NAMES, str(tmp_path), f"sqlite:///{tmp_path / 'queue.db'}"],
        cwd=ROOT, env={**os.environ, "HOME": str(tmp_path)}, capture_output=True, text=True,
        check=True, timeout=120,
    )  # fmt: skip

    owed = {outbox._EVENTS.name, outbox._MESSAGES.name}  # made by whoever tells people first
    assert set(made.stdout.split()) >= set(TABLES.tables) - owed
    assert len(TABLES.tables) > 10, "no module declares tables: this test would see nothing"


def test_rules_about_notifications_know_a_policy_by_its_file_and_by_its_own_name(
    tmp_path: Path,
) -> None:
    settings = _settings(tmp_path)
    own = tmp_path / "case-7.toml"
    own.write_text('name = "high-risk-source"\n')

    assert configured_policy.policy_names(settings, "", "https://example.org/") == ("default",)
    assert configured_policy.policy_names(settings, "expanded") == ("expanded",)
    assert configured_policy.policy_names(settings, str(own)) == ("case-7", "high-risk-source")
    assert configured_policy.policy_names(settings, "/elsewhere/careful.toml") == ("careful",)
    # The address decides. Where it is not given, nobody knows the policy.
    assert configured_policy.policy_names(settings, "auto", "https://mp.weixin.qq.com/s/x") == (
        "wechat-article",
    )
    assert configured_policy.policy_names(settings, "auto") == ()
    assert configured_policy.policy_names(settings, "") == ()


def test_a_worker_waits_for_a_database_that_does_not_answer_before_anything_else(
    tmp_path: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    queue = f"postgresql://somebody:s3cret@127.0.0.1:{port}/queue"
    settings = load(directory=tmp_path, environment={"SNAPSHOTTER_QUEUE": queue})
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        raise InterruptedError  # as Ctrl-C ends what waits

    watched = wiring_telemetry.worker_telemetry(
        settings, log_format="text", log_level="info", listen="", listen_anywhere=False,
        print_event=lambda _event, **_fields: None, print_text=say, start_s=60,
    )  # fmt: skip
    with pytest.raises(InterruptedError), watched:
        pytest.fail("it worked")

    assert "cannot be opened" in said[0]
    assert said[0].endswith("; this worker repeats the attempt for 60 s")
    assert "s3cret" not in said[0]


def test_a_trust_file_may_be_made_before_the_first_capture(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    keys = KeyDirectory(settings.keys_dir)
    keys.create("root")
    other = keys.create("safe")  # --root-key-name safe
    versions = wiring_keys.trust_versions_dir(settings)
    versions.mkdir(parents=True)
    (versions / other.key_id).write_text(f"1 {'0' * 64}\n")
    said: list[str] = []

    (check,) = doctor._keys(settings, doctor_dependencies(settings))
    signer = wiring_keys.signer(settings, ask=None, show_message=said.append)

    assert check.detail == "no signing key exists yet: the first capture makes a signing key"
    assert signer.key_id == keys.find("default").key_id
    assert len(said) == 1


def test_no_key_is_made_beside_a_key_that_the_settings_do_not_name(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    KeyDirectory(settings.keys_dir).create("court")

    with pytest.raises(SnapshotterError, match="contains no key 'default'"):
        wiring_keys.signer(settings, ask=None, show_message=lambda _: None)
