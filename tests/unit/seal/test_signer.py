"""Keys in a directory: made once, kept for their owner alone, never overwritten."""

import os
import re
import stat
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from snapshotter.errors import SnapshotterError
from snapshotter.formats.signatures.keys import (
    from_p1363,
    load_public_pem,
    public_pem,
    verify_signature,
)
from snapshotter.ports import Signer
from snapshotter.seal.key_files import passphrase_from_file
from snapshotter.seal.signer import FileSigner, KeyDirectory


@pytest.fixture
def keys(tmp_path: Path) -> KeyDirectory:
    return KeyDirectory(tmp_path / "config" / "keys")


def _never() -> bytes:
    raise AssertionError("asked for a passphrase that is not needed")


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_a_key_signs_is_verified_by_its_public_half(keys: KeyDirectory) -> None:
    keys.create("default")

    signer: Signer = keys.load("default", _never)

    assert verify_signature(
        load_public_pem(signer.public_key_pem), signer.sign(b"manifest"), b"manifest"
    )
    assert signer.in_software


def test_openssl_verifies_the_signature_and_reads_the_private_key(
    keys: KeyDirectory, tmp_path: Path
) -> None:
    stored = keys.create("default", b"correct horse")
    signature, message = tmp_path / "sig.der", tmp_path / "message"
    message.write_bytes(b"manifest")
    signature.write_bytes(keys.load("default", lambda: b"correct horse").sign(b"manifest"))
    words = tmp_path / "words"
    words.write_bytes(b"correct horse\n")

    verified = subprocess.run(
        f"openssl dgst -sha384 -verify {stored.public_file}".split()
        + f"-signature {signature} {message}".split(),
        capture_output=True,
        timeout=30,
        check=False,
    )
    public = subprocess.run(
        ["openssl", "pkey", "-in", str(stored.private_file), "-passin", f"file:{words}", "-pubout"],
        capture_output=True,
        timeout=30,
        check=False,
    )

    assert verified.stdout == b"Verified OK\n"
    assert public.stdout == stored.public_file.read_bytes()


def test_only_the_owner_can_read_a_private_key(keys: KeyDirectory) -> None:
    old = os.umask(0)
    try:
        stored = keys.create("default")
    finally:
        os.umask(old)

    assert stored.private_file is not None
    assert _mode(keys.path) == 0o700
    assert _mode(stored.private_file) == 0o600
    assert _mode(stored.public_file) == 0o644
    assert sorted(os.listdir(keys.path)) == ["default.pem", "default.pub.pem"]


def test_a_key_is_never_overwritten(keys: KeyDirectory) -> None:
    first = keys.create("default")

    with pytest.raises(SnapshotterError, match="are not replaced"):
        keys.create("default", b"other")

    assert keys.load("default").key_id == first.key_id
    assert sorted(os.listdir(keys.path)) == ["default.pem", "default.pub.pem"]


def test_of_many_that_make_the_same_key_one_wins_and_all_load_it(keys: KeyDirectory) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: keys.ensure("default"), range(16)))

    assert [was_made for _, was_made in made].count(True) == 1
    assert {signer.key_id for signer, _ in made} == {keys.find("default").key_id}
    assert sorted(os.listdir(keys.path)) == ["default.pem", "default.pub.pem"]


def test_of_many_that_create_the_same_name_all_but_one_are_refused(keys: KeyDirectory) -> None:
    def create(_: int) -> str:
        try:
            return keys.create("default").key_id
        except SnapshotterError:
            return ""

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(create, range(16)))

    assert [key_id for key_id in made if key_id] == [keys.load("default").key_id]


def test_a_key_that_cannot_be_made_is_not_taken_for_one_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a file where the directory should be")

    with pytest.raises(SnapshotterError, match="file exists"):
        KeyDirectory(tmp_path / "keys").ensure()


def test_a_key_is_found_by_its_name_or_its_id(keys: KeyDirectory) -> None:
    one, two = keys.create("one"), keys.create("two")

    assert keys.find("one") == one
    assert keys.find(two.key_id) == two
    assert keys.load(two.key_id).key_id == two.key_id
    assert keys.export_public(one.key_id) == one.public_file.read_bytes()
    assert [key.name for key in keys.list()] == ["one", "two"]


@pytest.mark.parametrize("name", ["nobody", "../default", "f" * 64, ""])
def test_a_key_that_is_not_there_is_said_to_be_missing(keys: KeyDirectory, name: str) -> None:
    keys.create("default")

    with pytest.raises(SnapshotterError, match="no key"):
        keys.load(name)


def test_a_directory_that_is_not_there_has_no_keys(keys: KeyDirectory) -> None:
    assert keys.list() == ()
    with pytest.raises(SnapshotterError, match="no key 'default'"):
        keys.load("default")


@pytest.mark.parametrize("name", ["", "Default", "a/b", "..", ".a", "-a", "a.pub", "a" * 64, "a\n"])
def test_a_name_that_is_no_plain_word_is_refused(keys: KeyDirectory, name: str) -> None:
    with pytest.raises(SnapshotterError, match="not a valid name for a key"):
        keys.create(name)

    assert not keys.path.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_private_key_open_to_others_is_refused_with_the_command_that_mends_it(
    keys: KeyDirectory, mode: int
) -> None:
    stored = keys.create("default")
    assert stored.private_file is not None
    stored.private_file.chmod(mode)

    with pytest.raises(SnapshotterError, match=f"mode 0{mode:o}") as caught:
        keys.load("default")

    assert caught.value.hint == (
        f"restrict the file to its owner:\n  chmod 600 {stored.private_file}"
    )


def test_a_key_directory_that_others_may_write_is_refused(keys: KeyDirectory) -> None:
    keys.create("default")
    keys.path.chmod(0o770)

    for attempt in (lambda: keys.load("default"), lambda: keys.create("other")):
        with pytest.raises(SnapshotterError, match="other users can write") as caught:
            attempt()
        assert caught.value.hint == (
            f"restrict the directory to its owner:\n  chmod 700 {keys.path}"
        )


def test_a_passphrase_opens_its_key_and_no_other_does(keys: KeyDirectory) -> None:
    stored = keys.create("default", b"correct horse")

    assert stored.encrypted
    assert keys.load("default", lambda: b"correct horse").key_id == stored.key_id
    with pytest.raises(SnapshotterError, match="passphrase of the key 'default' is wrong"):
        keys.load("default", lambda: b"battery staple")
    with pytest.raises(SnapshotterError, match="is wrong"):
        keys.load("default", lambda: b"")
    with pytest.raises(SnapshotterError, match="no passphrase was given"):
        keys.load("default")


@pytest.mark.parametrize("passphrase", [b"", b"x" * 1025])
def test_an_empty_or_endless_passphrase_is_refused(keys: KeyDirectory, passphrase: bytes) -> None:
    with pytest.raises(SnapshotterError, match="1 to 1024 bytes"):
        keys.create("default", passphrase)


def test_a_crash_before_the_public_file_is_mended_by_the_next_load(keys: KeyDirectory) -> None:
    for passphrase in (None, b"words"):
        name = "plain" if passphrase is None else "locked"
        stored = keys.create(name, passphrase)
        pem = stored.public_file.read_bytes()
        stored.public_file.unlink()

        assert keys.find(name).key_id == ("" if passphrase else stored.key_id)
        keys.load(name, lambda: b"words")

        assert stored.public_file.read_bytes() == pem


def test_an_encrypted_key_without_its_public_file_has_nothing_to_export(keys: KeyDirectory) -> None:
    keys.create("default", b"words").public_file.unlink()

    with pytest.raises(SnapshotterError, match="missing"):
        keys.export_public("default")


def test_a_key_whose_private_half_is_offline_still_has_its_name_and_public_half(
    keys: KeyDirectory,
) -> None:
    stored = keys.create("root")
    assert stored.private_file is not None
    stored.private_file.unlink()

    assert keys.find("root").private_file is None
    assert keys.export_public("root") == stored.public_file.read_bytes()
    with pytest.raises(SnapshotterError, match="is not in"):
        keys.load("root")
    with pytest.raises(SnapshotterError, match="already"):
        keys.create("root")


def test_two_halves_of_different_keys_are_noticed(keys: KeyDirectory) -> None:
    one, two = keys.create("one"), keys.create("two")
    one.public_file.write_bytes(two.public_file.read_bytes())

    with pytest.raises(SnapshotterError, match="do not belong to the same key"):
        keys.load("one")


def test_a_damaged_public_file_is_said_to_be_damaged(keys: KeyDirectory) -> None:
    stored = keys.create("default")
    stored.public_file.write_bytes(b"nothing")

    with pytest.raises(SnapshotterError, match=re.escape(str(stored.public_file))) as caught:
        keys.list()

    assert caught.value.exit_code == 1


def _traditional(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def _pkcs8(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: b"", "not a private key"),
        (
            lambda: b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "not a private",
        ),
        (lambda: _traditional(ec.generate_private_key(ec.SECP384R1())), "not a private key"),
        (lambda: _pkcs8(ec.generate_private_key(ec.SECP256R1())), "P-384"),
        (lambda: _pkcs8(ed25519.Ed25519PrivateKey.generate()), "P-384"),
        (lambda: b"x" * 5000, "longer than"),
    ],
)
def test_a_file_that_is_no_signing_key_is_refused(
    keys: KeyDirectory, make: Callable[[], bytes], message: str
) -> None:
    stored = keys.create("default")
    assert stored.private_file is not None
    stored.private_file.write_bytes(make())

    with pytest.raises(SnapshotterError, match=message):
        keys.load("default")


def test_files_that_are_not_keys_are_passed_over(keys: KeyDirectory) -> None:
    keys.create("default")
    (keys.path / "authority.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\n")
    (keys.path / ".new-0001").write_bytes(b"left by a crash")
    (keys.path / "README.txt").write_bytes(b"")

    assert [key.name for key in keys.list()] == ["default"]


def test_a_signer_on_another_curve_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="P-384"):
        FileSigner(ec.generate_private_key(ec.SECP256R1()))


def test_the_wacz_signature_is_what_webcrypto_checks() -> None:
    private = ec.generate_private_key(ec.SECP384R1())
    signer = FileSigner(private)
    text = b"sha256:" + b"0a" * 32

    signature = signer.sign_wacz_hash(text)

    der = from_p1363(signature, signer.public_key)
    private.public_key().verify(der, text, ec.ECDSA(hashes.SHA256()))
    assert len(signature) == 96
    assert public_pem(signer.public_key) == signer.public_key_pem


@pytest.mark.parametrize("text", [b"", b"sha256:", b"a" * 71, b"sha256:" + b"A" * 64])
def test_with_sha256_nothing_but_a_datapackage_hash_is_signed(text: bytes) -> None:
    with pytest.raises(ValueError, match="nothing else"):
        FileSigner(ec.generate_private_key(ec.SECP384R1())).sign_wacz_hash(text)


@pytest.mark.parametrize("content", [b"words", b"words\n", b"words\r\n", b"words\nsecond line\n"])
def test_a_passphrase_file_gives_its_first_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "words"
    file.write_bytes(content)
    file.chmod(0o600)

    assert passphrase_from_file(file) == b"words"


def test_spaces_belong_to_a_passphrase(tmp_path: Path) -> None:
    file = tmp_path / "words"
    file.write_bytes(b" two words \n")
    file.chmod(0o600)

    assert passphrase_from_file(file) == b" two words "


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620])
def test_a_passphrase_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "words"
    file.write_bytes(b"words\n")
    file.chmod(mode)

    with pytest.raises(SnapshotterError, match="other users can open") as caught:
        passphrase_from_file(file)

    assert caught.value.hint == f"restrict the file to its owner:\n  chmod 600 {file}"


@pytest.mark.parametrize("content", [b"", b"\nwords\n", b"x" * 1025, b"x" * 2000])
def test_a_passphrase_file_without_a_passphrase_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "words"
    file.write_bytes(content)
    file.chmod(0o600)

    with pytest.raises(SnapshotterError, match="bytes"):
        passphrase_from_file(file)


def test_a_passphrase_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SnapshotterError, match="no such file"):
        passphrase_from_file(tmp_path / "words")
