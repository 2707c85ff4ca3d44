"""Settings: where each comes from, and which wins."""

import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from snapshotter.app import settings
from snapshotter.errors import SnapshotterError


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _load(directory: Path, **more: object) -> settings.Settings:
    return settings.load(directory=directory, **{"environment": {}, **more})  # type: ignore[arg-type]


def _write(directory: Path, text: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "snapshotter.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_later_sources_win(tmp_path: Path) -> None:
    here = tmp_path / "project" / "deep"
    here.mkdir(parents=True)
    _write(
        tmp_path / "config" / "snapshotter", 'key = "user"\npolicy = "user"\ns3_region = "user"\n'
    )
    _write(tmp_path / "project", 'key = "project"\npolicy = "project"\n')

    found = _load(
        here, environment={"SNAPSHOTTER_KEY": "variable"}, overrides={"key": "option", "policy": ""}
    )

    assert (found.key, found.policy, found.s3_region) == ("option", "project", "user")
    assert _load(here, environment={"SNAPSHOTTER_KEY": "variable"}).key == "variable"
    assert len(found.sources) == 3


def test_without_any_source_there_are_defaults(tmp_path: Path) -> None:
    found = _load(tmp_path)

    assert (found.store, found.policy, found.key) == ("captures", "auto", "default")
    assert found.keys_dir == found.data_dir / "keys"
    assert found.spool_dir.name == "spool"
    assert found.sources == ()


def test_a_path_in_a_file_is_relative_to_that_file(tmp_path: Path) -> None:
    path = _write(
        tmp_path / "project",
        'store = "evidence"\nspool_dir = "tmp"\nnotify_file = "told/notify.toml"\n'
        'policy = "own.toml"\n'
        '[[authority]]\nname = "A"\nurl = "http://a/"\nroot = "roots/a.pem"\n',
    )

    found = _load(tmp_path, environment={"SNAPSHOTTER_CONFIG": str(path)})

    assert found.store == str(tmp_path / "project" / "evidence")
    assert found.spool_dir == tmp_path / "project" / "tmp"
    assert found.authorities[0].root == tmp_path / "project" / "roots" / "a.pem"
    assert found.notify_file == tmp_path / "project" / "told" / "notify.toml"
    assert found.policy == str(tmp_path / "project" / "own.toml")


def test_a_store_in_a_bucket_is_no_path(tmp_path: Path) -> None:
    _write(tmp_path, 'store = "s3://bucket/prefix"\n')

    assert _load(tmp_path).store == "s3://bucket/prefix"


def test_an_empty_path_is_the_default_and_not_the_files_own_folder(tmp_path: Path) -> None:
    path = _write(tmp_path, 'spool_dir = ""\nkeys_dir = ""\ntrust_file = ""\n')

    found = _load(tmp_path, environment={"SNAPSHOTTER_CONFIG": str(path)})

    assert found.spool_dir != tmp_path
    assert found.keys_dir == found.data_dir / "keys"
    assert found.trust_file is None


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("colour = 1\n", "colour"),
        ("store = 1\n", "store"),
        ("timestamp_timeout_s = 0\n", "timestamp_timeout_s"),
        ('[[authority]]\nname = "A"\nurl = "ftp://a/"\nroot = "a.pem"\n', "url"),
        ("= nothing\n", "cannot be read"),
    ],
)
def test_what_a_file_gets_wrong_is_named(tmp_path: Path, text: str, word: str) -> None:
    path = _write(tmp_path, text)

    with pytest.raises(SnapshotterError) as caught:
        _load(tmp_path)

    assert word in caught.value.message
    assert str(path) in caught.value.message


def test_a_user_without_a_home_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)

    with pytest.raises(SnapshotterError, match="no home directory"):
        _load(tmp_path)


def test_a_misspelt_variable_is_an_error_and_not_ignored(tmp_path: Path) -> None:
    with pytest.raises(SnapshotterError, match="SNAPSHOTTER_STROE"):
        _load(tmp_path, environment={"SNAPSHOTTER_STROE": "x"})


def test_numbers_come_from_variables_too(tmp_path: Path) -> None:
    found = _load(tmp_path, environment={"SNAPSHOTTER_TIMESTAMP_TIMEOUT_S": "3"})

    assert found.timestamp_timeout_s == 3
    with pytest.raises(SnapshotterError, match="timestamp_timeout_s"):
        _load(tmp_path, environment={"SNAPSHOTTER_TIMESTAMP_TIMEOUT_S": "soon"})


def test_the_shipped_authorities_have_their_roots(tmp_path: Path) -> None:
    found = _load(tmp_path).authorities

    assert found
    assert all(authority.root.is_file() for authority in found)


def test_an_authorities_file_that_can_not_be_read_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SnapshotterError, match="authorities"):
        _load(tmp_path, environment={"SNAPSHOTTER_AUTHORITIES_FILE": str(tmp_path / "none.toml")})


# --- a file that is found, and not named ------------------------------------------------------

_DECIDES = [
    'keys_dir = "keys"',
    'data_dir = "data"',
    'browser_path = "b.sh"',
    'trust_file = "trust.json"',
    f'trust_root_key = "{"0" * 64}"',
    's3_endpoint = "http://elsewhere.example"',
    'passphrase_file = "p"',
    "allow_no_sandbox = true",
    'allow_networks = ["10.0.0.0/8"]',
    'proxy = "tor"',
    'cosigners = ["court"]',
    'key = "kms:alias/evidence"',
    'key = "pkcs11:object=k?module-path=/tmp/evil.so"',
    'politeness_file = "at-full-speed.toml"',
    "authority = []",
    '[[authority]]\nname = "DigiCert"\nurl = "http://a/"\nroot = "forged.pem"',
]


@pytest.mark.parametrize("line", _DECIDES)
def test_a_file_that_only_lies_here_decides_neither_whom_to_believe_nor_what_to_run(
    tmp_path: Path, line: str
) -> None:
    path = _write(tmp_path / "exhibit", f"{line}\n")

    with pytest.raises(
        SnapshotterError,
        match=(
            r"which this file may not set\. snapshotter found the file in the working directory or "
            "a folder above, so the file may come from another person"
        ),
    ) as caught:
        _load(tmp_path / "exhibit")

    assert str(path) in caught.value.hint


@pytest.mark.parametrize("line", _DECIDES)
def test_the_same_file_counts_when_it_is_named(tmp_path: Path, line: str) -> None:
    path = _write(tmp_path / "mine", f"{line}\n")

    found = _load(tmp_path / "mine", environment={"SNAPSHOTTER_CONFIG": str(path)})

    assert found.sources == (str(path),)


def test_a_file_that_is_named_and_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SnapshotterError, match="cannot be read"):
        _load(tmp_path, environment={"SNAPSHOTTER_CONFIG": str(tmp_path / "none.toml")})


def test_the_address_of_an_authority_carries_no_password(tmp_path: Path) -> None:
    path = _write(
        tmp_path, '[[authority]]\nname = "A"\nurl = "http://u:SECRET@a/"\nroot = "a.pem"\n'
    )

    with pytest.raises(SnapshotterError) as caught:
        _load(tmp_path, environment={"SNAPSHOTTER_CONFIG": str(path)})

    assert "SECRET" not in caught.value.message + caught.value.hint


# --- the network --------------------------------------------------------------------------


def test_networks_are_a_list_in_a_file_and_divided_by_commas_in_a_variable(tmp_path: Path) -> None:
    path = _write(tmp_path / "mine", 'allow_networks = ["127.0.0.1", "FD00::/8"]\n')

    by_file = _load(tmp_path, environment={"SNAPSHOTTER_CONFIG": str(path)})
    by_variable = _load(
        tmp_path / "elsewhere",
        environment={"SNAPSHOTTER_ALLOW_NETWORKS": "127.0.0.1, 10.0.0.0/8,"},
    )

    assert by_file.allow_networks == ("127.0.0.1/32", "fd00::/8")
    assert by_variable.allow_networks == ("127.0.0.1/32", "10.0.0.0/8")


@pytest.mark.parametrize("text", ["10.0.0.1/8", "everything", "1.2.3.4/99"])
def test_what_is_no_network_is_said(tmp_path: Path, text: str) -> None:
    with pytest.raises(SnapshotterError, match="allow_networks"):
        _load(tmp_path, environment={"SNAPSHOTTER_ALLOW_NETWORKS": text})


@pytest.mark.parametrize(
    "text", ["ftp://SECRET@a:1", "http://u:SECRET@a", "http://u:SECRET@a:99999", "SECRET"]
)
def test_a_proxy_that_is_none_is_refused_without_its_password(tmp_path: Path, text: str) -> None:
    with pytest.raises(SnapshotterError, match="proxy") as caught:
        _load(tmp_path, environment={"SNAPSHOTTER_PROXY": text})

    assert "SECRET" not in caught.value.message + caught.value.hint
    assert "SECRET" not in repr(
        _load(tmp_path, environment={"SNAPSHOTTER_PROXY": "http://u:SECRET@a:1"})
    )


def test_what_a_found_file_says_is_known_and_left_out_of_ones_own_settings(
    tmp_path: Path,
) -> None:
    path = _write(tmp_path / "exhibit", 'policy = "theirs.toml"\nstore = "s3://theirs"\n')
    here = tmp_path / "exhibit"
    _write(tmp_path / "config" / "snapshotter", 'policy = "mine"\n')

    found = _load(here)
    assert {
        name: (found_value.file, found_value.instead) for name, found_value in found.found.items()
    } == {
        "policy": (str(path), "mine"),
        "store": (str(path), "captures"),
    }
    assert (found.policy, found.store) == (str(here / "theirs.toml"), "s3://theirs")
    assert (found.own.policy, found.own.store, found.own.found) == ("mine", "captures", {})
    assert set(_load(here, overrides={"policy": "mine"}).found) == {"store"}
    assert set(_load(here, environment={"SNAPSHOTTER_POLICY": "mine"}).found) == {"store"}
    assert not _load(here, environment={"SNAPSHOTTER_CONFIG": str(path)}).found
    assert not _load(tmp_path).found


@pytest.mark.parametrize("text", ['policy = "theirs"\n', 'trust_file = "t.json"\n', "no TOML"])
def test_a_found_file_is_not_read_where_none_may_decide(tmp_path: Path, text: str) -> None:
    _write(tmp_path, text)

    found = _load(tmp_path, found=False)

    assert (found.policy, found.sources, found.found) == ("auto", (), {})


def test_the_users_own_file_counts_in_full_where_one_works_beside_it(tmp_path: Path) -> None:
    own = _write(tmp_path / "config" / "snapshotter", 'store = "s3://mine"\nproxy = "tor"\n')

    found = _load(own.parent)

    assert (found.store, found.proxy, found.found) == ("s3://mine", "tor", {})
    assert found.sources == (str(own),)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("CONFIG", "s.toml"),
        ("TRUST_FILE", "trust.json"),
        ("POLICY", "own.toml"),
        ("KEYS_DIR", "./k"),
        ("QUEUE", "q.db"),
    ],
)
def test_a_relative_path_in_a_variable_names_a_file_of_each_folder_and_is_an_error(
    tmp_path: Path, name: str, text: str
) -> None:
    with pytest.raises(
        SnapshotterError, match="which leads to a different file in each folder"
    ) as caught:
        _load(tmp_path, environment={f"SNAPSHOTTER_{name}": text})

    assert f"SNAPSHOTTER_{name}={Path.cwd()}/" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "setting"),
    [("CONFIG", "sources"), ("TRUST_FILE", "trust_file"), ("POLICY", "policy"), ("STORE", "store")],
)
def test_a_tilde_that_no_shell_expanded_is_the_home_directory_and_no_folder_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, setting: str
) -> None:
    home, here = tmp_path / "home", tmp_path / "exhibit"
    (here / "~").mkdir(parents=True)
    (here / "~" / "mine.toml").write_text('store = "theirs"\n')
    home.mkdir()
    (home / "mine.toml").write_text("")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)

    found = _load(here, environment={f"SNAPSHOTTER_{name}": "~/mine.toml"})

    assert str(home / "mine.toml") in str(getattr(found, setting))
    assert _load(here, overrides={"store": "~/kept"}).store == str(home / "kept")


def test_a_queue_is_no_other_file_in_each_folder(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    named = tmp_path / "own" / "mine.toml"
    named.write_text('queue = "sqlite:///q.db"\n')

    found = _load(tmp_path, environment={"SNAPSHOTTER_CONFIG": str(named)})

    assert found.queue == f"sqlite:///{tmp_path}/own/q.db"
    for kept in ("sqlite:////var/q.db", "postgresql://db/q?password_file=/run/p"):
        assert _load(tmp_path, environment={"SNAPSHOTTER_QUEUE": kept}).queue == kept
    with pytest.raises(
        SnapshotterError, match="which leads to a different file in each folder"
    ) as caught:
        _load(tmp_path, environment={"SNAPSHOTTER_QUEUE": "sqlite:///q.db"})
    assert f"SNAPSHOTTER_QUEUE=sqlite:///{Path.cwd()}/q.db" in caught.value.hint


def test_a_policy_that_a_file_names_by_its_path_lies_beside_that_file(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    named = tmp_path / "own" / "mine.toml"
    named.write_text('policy = "policies/careful"\n')

    found = _load(tmp_path, environment={"SNAPSHOTTER_CONFIG": str(named)})

    assert found.policy == str(tmp_path / "own" / "policies" / "careful")


def test_a_store_or_the_name_of_a_policy_in_a_variable_is_no_path(tmp_path: Path) -> None:
    variables = {
        "SNAPSHOTTER_STORE": "kept",
        "SNAPSHOTTER_POLICY": "forum",
        "SNAPSHOTTER_CONFIG": "",
    }

    found = _load(tmp_path, environment=variables)

    assert (found.store, found.policy) == ("kept", "forum")


def test_a_policy_that_is_chosen_takes_the_place_of_one_that_was_found(tmp_path: Path) -> None:
    _write(tmp_path, 'policy = "theirs"\n')
    found = _load(tmp_path)

    assert (found.with_policy("mine").policy, found.with_policy("mine").found) == ("mine", {})
    of_a_table = found.with_policy("listed", found_in="a table")
    assert (of_a_table.policy, of_a_table.own.policy) == ("listed", "auto")


def test_other_ways_to_a_page_have_names_and_no_password_in_sight(tmp_path: Path) -> None:
    path = _write(
        tmp_path,
        '[[vantage]]\nname = "abroad"\nproxy = "socks5://me:SECRET@proxy.example:1080"\n'
        '[[vantage]]\nname = "onion"\nproxy = "tor"\n',
    )

    found = _load(tmp_path, environment={"SNAPSHOTTER_CONFIG": str(path)})

    assert [vantage.name for vantage in found.vantages] == ["abroad", "onion"]
    assert found.vantages[0].proxy == "socks5://me:SECRET@proxy.example:1080"
    assert "SECRET" not in repr(found)


@pytest.mark.parametrize(
    "text",
    [
        '[[vantage]]\nname = "a"\nproxy = "ftp://me:SECRET@p:1"\n',
        '[[vantage]]\nname = "a"\nproxy = ""\n',
        '[[vantage]]\nname = "a"\nproxy = "tor"\n' * 2,
        '[[vantage]]\nname = "a b"\nproxy = "tor"\n',
    ],
)
def test_a_way_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = _write(tmp_path, text)

    with pytest.raises(SnapshotterError, match="vantage") as caught:
        _load(tmp_path, environment={"SNAPSHOTTER_CONFIG": str(path)})
    assert "SECRET" not in str(caught.value)


def test_settings_are_read_without_what_a_policy_is_read_with() -> None:
    """Every command reads them, and the tables of a policy take longer to load than most do."""
    code = (
        "import sys, snapshotter.app.settings, snapshotter.notify.rules\n"
        "print([it for it in sys.modules if it.startswith('snapshotter.policy.')])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert "snapshotter.policy.files" in done.stdout
    assert "snapshotter.policy.tables" not in done.stdout
