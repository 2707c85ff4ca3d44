"""`snapshotter keys`: what it prints where, and what it never prints."""

import hashlib
import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from snapshotter.cli.keys import keys
from snapshotter.errors import SnapshotterError
from snapshotter.formats.signatures.keys import load_public_pem
from snapshotter.seal.signer import KeyDirectory
from tests import softhsm


@pytest.fixture
def directory(tmp_path: Path) -> KeyDirectory:
    return KeyDirectory(tmp_path / "keys")


def _run(directory: KeyDirectory, *arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(
        keys,
        arguments,
        obj=SimpleNamespace(keys_dir=directory.path),
        input=typed,
        # As the front door says; click remembers the first that it is told.
        help_option_names=["-h", "--help"],
    )


def _passphrase_file(tmp_path: Path, words: str = "correct horse") -> Path:
    file = tmp_path / "words"
    file.write_text(f"{words}\n")
    file.chmod(0o600)
    return file


def test_init_makes_a_key_prints_its_id_and_says_to_back_it_up(directory: KeyDirectory) -> None:
    done = _run(directory, "init")

    assert done.exit_code == 0
    assert done.stdout == f"{directory.find('default').key_id}\n"
    assert "Back up this file" in done.stderr
    assert "no passphrase" in done.stderr


def test_init_refuses_to_overwrite_a_key(directory: KeyDirectory) -> None:
    before = directory.create("default").key_id

    done = _run(directory, "init")

    assert isinstance(done.exception, SnapshotterError)
    assert "are not replaced" in str(done.exception)
    assert directory.find("default").key_id == before


def test_no_passphrase_is_asked_for_under_a_name_that_is_taken(directory: KeyDirectory) -> None:
    directory.create("default")

    done = _run(directory, "init", "--ask-passphrase", typed="correct horse\ncorrect horse\n")

    assert isinstance(done.exception, SnapshotterError)
    assert "are not replaced" in str(done.exception)
    assert done.exception.hint is not None
    assert done.exception.hint.endswith("\n  snapshotter keys init --name NAME")
    assert "new passphrase" not in done.output


def test_a_passphrase_comes_from_a_file(directory: KeyDirectory, tmp_path: Path) -> None:
    done = _run(directory, "init", "--passphrase-file", str(_passphrase_file(tmp_path)))

    assert done.exit_code == 0
    assert directory.load("default", lambda: b"correct horse").key_id == done.stdout.strip()
    assert "no passphrase" not in done.stderr


def test_a_passphrase_is_asked_for_twice_and_not_echoed(directory: KeyDirectory) -> None:
    done = _run(directory, "init", "--ask-passphrase", typed="correct horse\ncorrect horse\n")

    assert done.exit_code == 0
    assert directory.load("default", lambda: b"correct horse").key_id == done.stdout.strip()
    assert "correct horse" not in done.output


def test_a_passphrase_comes_from_one_place(directory: KeyDirectory, tmp_path: Path) -> None:
    words = str(_passphrase_file(tmp_path))

    done = _run(directory, "init", "--ask-passphrase", "--passphrase-file", words)

    assert done.exit_code == 2
    assert directory.list() == ()


def test_no_option_takes_a_passphrase_itself() -> None:
    for command in keys.commands.values():
        names = {option for parameter in command.params for option in parameter.opts}
        assert "--passphrase" not in names


def test_list_and_show_say_what_is_where(directory: KeyDirectory) -> None:
    key = directory.create("one")
    two = directory.create("two", b"words")
    assert key.private_file is not None
    key.private_file.unlink()

    listed = _run(directory, "list")
    shown = _run(directory, "show", two.key_id)

    assert listed.stdout.splitlines() == [
        f"one  {key.key_id}  offline",
        f"two  {two.key_id}  on this machine, with a passphrase",
    ]
    assert two.key_id in shown.stdout
    assert str(two.private_file) in shown.stdout


def test_the_json_of_list_and_show_is_one_object(directory: KeyDirectory) -> None:
    stored = directory.create("default")
    expected = {
        "name": "default",
        "key_id": stored.key_id,
        "algorithm": "ecdsa-p384-sha384",
        "encrypted": False,
        "held_by": None,
        "retired": None,
        "private_key_file": str(stored.private_file),
        "public_key_file": str(stored.public_file),
    }

    assert json.loads(_run(directory, "list", "--json").stdout) == {"keys": [expected]}
    assert json.loads(_run(directory, "show", "default", "--json").stdout) == expected


def test_the_json_of_init_is_that_of_show(directory: KeyDirectory) -> None:
    made = _run(directory, "init", "--json").stdout

    assert made == _run(directory, "show", "default", "--json").stdout


def test_an_empty_list_says_how_to_make_a_key(directory: KeyDirectory) -> None:
    done = _run(directory, "list")

    assert (done.exit_code, done.stdout) == (0, "")
    assert "snapshotter keys init" in done.stderr


def test_an_encrypted_key_without_its_public_file_is_listed_without_an_id(
    directory: KeyDirectory,
) -> None:
    directory.create("default", b"words").public_file.unlink()

    assert "id unknown without the passphrase" in _run(directory, "list").stdout
    assert "the file does not exist" in _run(directory, "show", "default").stdout
    assert json.loads(_run(directory, "show", "default", "--json").stdout)["key_id"] is None


def test_export_prints_the_public_key_alone_on_stdout(directory: KeyDirectory) -> None:
    stored = directory.create("default")

    done = _run(directory, "export", "default")

    assert done.stdout_bytes == stored.public_file.read_bytes()
    assert stored.key_id in done.stderr
    assert "PRIVATE" not in done.output


def test_the_command_that_export_names_computes_the_key_id(
    directory: KeyDirectory, tmp_path: Path
) -> None:
    directory.create("default")
    file = tmp_path / "agency.pub.pem"

    done = _run(directory, "export", "default", "-o", str(file))
    command = done.stderr.split("from the file:\n")[1].strip()
    der = subprocess.run(
        command.split(" | ")[0].split(), capture_output=True, timeout=30, check=True
    ).stdout

    assert command.endswith("| sha256sum")
    assert done.stdout.strip() == hashlib.sha256(der).hexdigest()


def test_export_does_not_overwrite_another_file(directory: KeyDirectory, tmp_path: Path) -> None:
    directory.create("default")
    file = tmp_path / "out.pem"
    file.write_text("something else")

    done = _run(directory, "export", "default", "-o", str(file))

    assert isinstance(done.exception, SnapshotterError)
    assert file.read_text() == "something else"


def test_export_may_be_repeated(directory: KeyDirectory, tmp_path: Path) -> None:
    directory.create("default")
    file = str(tmp_path / "out.pem")

    assert _run(directory, "export", "default", "-o", file).exit_code == 0
    assert _run(directory, "export", "default", "-o", file).exit_code == 0


def test_export_into_a_folder_that_is_not_there_is_a_sentence(
    directory: KeyDirectory, tmp_path: Path
) -> None:
    directory.create("default")

    done = _run(directory, "export", "default", "-o", str(tmp_path / "none" / "out.pem"))

    assert isinstance(done.exception, SnapshotterError)


@pytest.mark.parametrize("name", ["init", "list", "show", "export"])
def test_every_help_has_examples(name: str) -> None:
    done = CliRunner().invoke(keys, [name, "--help"])

    assert "Examples:" in done.output
    assert f"snapshotter keys {name}" in done.output


def test_a_key_on_a_token_is_added_listed_and_shown(
    directory: KeyDirectory, tokens: tuple[softhsm.Token, ...]
) -> None:
    reference = tokens[0].reference(object="sealing")

    added = _run(directory, "add", "--name", "court", reference)

    key_id = directory.find("court").key_id
    assert added.stdout == f"{key_id}\n"
    assert 'key = "court"' in added.stderr
    assert f"court  {key_id}  stored in {reference}" in _run(directory, "list").stdout
    shown = json.loads(_run(directory, "show", "court", "--json").stdout)
    assert (shown["held_by"], shown["private_key_file"]) == (reference, None)
    exported = _run(directory, "export", "court").stdout.encode()
    assert load_public_pem(exported) == directory.find("court").public_key


def test_a_key_that_does_not_sign_is_not_added(
    directory: KeyDirectory, tokens: tuple[softhsm.Token, ...]
) -> None:
    done = _run(directory, "add", tokens[0].reference(object="nothing"))

    assert isinstance(done.exception, SnapshotterError)
    assert directory.list() == ()


def test_a_pin_is_neither_taken_from_a_line_nor_asked_of_nobody(
    directory: KeyDirectory, tokens: tuple[softhsm.Token, ...]
) -> None:
    reference = tokens[0].reference("pin-value=secret", object="sealing")

    done = _run(directory, "add", reference)
    assert isinstance(done.exception, SnapshotterError)
    assert "secret" not in done.output + str(done.exception) + done.exception.hint

    done = _run(directory, "add", reference.split("&", maxsplit=1)[0])
    assert isinstance(done.exception, SnapshotterError)
    assert done.exception.message == (
        "the hardware token needs a PIN, and snapshotter has no terminal to ask for the PIN"
    )
