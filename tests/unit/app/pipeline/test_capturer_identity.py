"""The file in which users say who they are: read strictly, and never quoted."""

from dataclasses import replace
from pathlib import Path

import pytest

from snapshotter.app.identity_file import load_identity_file
from snapshotter.app.pipeline.capturer_identity import with_identifiers_in_pictures
from snapshotter.capture.redaction.capturer_identity import CapturerIdentityExposed
from snapshotter.errors import SnapshotterError
from snapshotter.formats.page import assessment
from snapshotter.model.capture import Capture
from snapshotter.model.capturer_identity import CapturerIdentifier, IdentifierFinding
from snapshotter.model.page import Box
from snapshotter.model.reading import QrCode, Readings
from snapshotter.model.request import Decision, RedactRules
from tests import bundles, observed


def test_without_a_file_nobody_is_looked_for() -> None:
    assert load_identity_file(None) == ()


def test_each_entry_has_a_kind_and_a_text(tmp_path: Path) -> None:
    file = tmp_path / "who.toml"
    file.write_text(
        '[[identity]]\nkind = "handle"\nvalue = "@maria_lang"\n'
        '[[identity]]\nkind = "name"\nvalue = "\u5f20\u4f1f"\n'
        '[[identity]]\nkind = "ip"\nvalue = "::1"\n'
    )

    assert load_identity_file(file) == (
        CapturerIdentifier(kind="handle", value="@maria_lang"),
        CapturerIdentifier(kind="name", value="\u5f20\u4f1f"),
        CapturerIdentifier(kind="ip", value="::1"),
    )
    assert "maria" not in repr(load_identity_file(file))


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        ("handle", "mia", "too short"),
        ("name", "\u5f20", "too short"),
        ("handle", "Content", "every page"),
        ("ip", "secret.example", "not an IP address"),
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
        load_identity_file(file)

    said = f"{caught.value} {caught.value.hint} {caught.value.__cause__}"
    assert "identity.0" in said
    assert "secret" not in said


HANDLE = CapturerIdentifier(kind="handle", value="@maria_lang")


def with_a_code(folder: Path, text: str) -> Capture:
    """A capture whose picture holds a code, as its assessment says."""
    code = QrCode(
        text=text,
        box=Box(left=1, top=2, width=3, height=4),
        picture="capture/screenshot.png",
        image_sha256="0" * 64,
    )
    said = replace(observed.available(), readings=Readings(qr_codes=(code,)))
    contents = {**bundles.CONTENTS, assessment.PATH: assessment.encode(said)}
    return bundles.capture(folder, at=observed.at(0), contents=contents)


def by(action: str) -> Decision:
    return replace(bundles.decision(), redact=RedactRules(identity=action))


@pytest.mark.parametrize("action", ["warn", "redact"])
def test_a_code_in_a_picture_that_says_who_captures_is_told_and_stays(
    action: str, tmp_path: Path
) -> None:
    made = with_a_code(tmp_path, "https://h.example/?by=%40Maria_Lang")
    (said,) = (artifact for artifact in made.artifacts if artifact.path == assessment.PATH)
    before = said.file.read_bytes()

    done = with_identifiers_in_pictures(made, by(action), (HANDLE,))

    assert done.identifier_findings == (
        IdentifierFinding(kind="handle", where=assessment.PATH, count=1),
    )
    assert said.file.read_bytes() == before  # whoever verifies makes it again


def test_a_code_that_says_who_captures_stops_what_is_to_be_stopped(tmp_path: Path) -> None:
    made = with_a_code(tmp_path, "by @maria_lang")

    with pytest.raises(CapturerIdentityExposed, match=assessment.PATH):
        with_identifiers_in_pictures(made, by("stop"), (HANDLE,))


@pytest.mark.parametrize(
    ("action", "text", "own"),
    [
        ("stop", "somebody", (HANDLE,)),
        ("ignore", "@maria_lang", (HANDLE,)),
        ("stop", "@maria_lang", ()),
    ],
)
def test_where_nothing_is_looked_for_or_found_nothing_is_said(
    action: str, text: str, own: tuple[CapturerIdentifier, ...], tmp_path: Path
) -> None:
    made = with_a_code(tmp_path, text)

    assert with_identifiers_in_pictures(made, by(action), own).identifier_findings == ()
