"""The page of the settings shows what this installation is made of, and no secret."""

from pathlib import Path

from snapshotter.app.wiring import keys as wiring_keys
from tests.webclient import console, console_settings


def test_facts_are_shown_and_secrets_are_not(tmp_path: Path) -> None:
    passphrase = tmp_path / "secret-passphrase-file"
    passphrase.write_text("correct horse\n")
    settings = console_settings(
        tmp_path,
        operator="A. Example",
        role="researcher",
        proxy="http://user:proxy-password@127.0.0.1:9",
        passphrase_file=str(passphrase),
        allow_networks=["10.0.0.0/8"],
    )
    stored = wiring_keys.key_directory(settings).create("default", None)

    with console(settings) as site:
        text = site.log_in().get("/settings").text

    groups = [stored.key_id[at : at + 4] for at in range(0, 64, 4)]
    assert "".join(f"<span>{group}</span>" for group in groups) in text
    assert "A. Example" in text
    assert "10.0.0.0/8" in text
    assert "No timestamp authority is set" in text
    for secret in ("proxy-password", "correct horse", "secret-passphrase-file", "user:"):
        assert secret not in text, secret
    assert "set, not shown" in text


def test_a_new_installation_is_shown_without_keys(tmp_path: Path) -> None:
    with console(console_settings(tmp_path)) as site:
        answer = site.log_in().get("/settings")

    assert answer.status_code == 200
    assert "No key is trusted yet" in answer.text
    assert not (tmp_path / "keys").exists()
