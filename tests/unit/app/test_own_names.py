"""The file in which users say who they are: read strictly, and never quoted."""

from pathlib import Path

import pytest

from snapshotter.app.own_names import load
from snapshotter.errors import SnapshotterError
from snapshotter.model.own_names import OwnName


def test_without_a_file_nobody_is_looked_for() -> None:
    assert load(None) == ()


def test_each_entry_has_a_kind_and_a_text(tmp_path: Path) -> None:
    file = tmp_path / "who.toml"
    file.write_text(
        '[[identity]]\nkind = "handle"\nvalue = "@maria_lang"\n'
        '[[identity]]\nkind = "name"\nvalue = "\u5f20\u4f1f"\n'
        '[[identity]]\nkind = "ip"\nvalue = "::1"\n'
    )

    assert load(file) == (
        OwnName(kind="handle", value="@maria_lang"),
        OwnName(kind="name", value="\u5f20\u4f1f"),
        OwnName(kind="ip", value="::1"),
    )
    assert "maria" not in repr(load(file))


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        ("handle", "mia", "too short"),
        ("name", "\u5f20", "too short"),
        ("handle", "Content", "every page"),
        ("ip", "secret.example", "no address"),
        ("name", " secret name", "white space"),
        ("nickname", "secret-nick", "kind"),
        ("other", "secret\\u0007bell", "control"),
    ],
)
def test_what_can_not_be_looked_for_is_refused_without_being_quoted(
    kind: str, value: str, why: str, tmp_path: Path
) -> None:
    file = tmp_path / "who.toml"
    file.write_text(f'[[identity]]\nkind = "{kind}"\nvalue = "{value}"\n')

    with pytest.raises(SnapshotterError, match=why) as caught:
        load(file)

    said = f"{caught.value} {caught.value.hint} {caught.value.__cause__}"
    assert "identity.0" in said
    assert "secret" not in said
