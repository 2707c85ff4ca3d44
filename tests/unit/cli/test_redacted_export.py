"""`export --redact`: a copy that withholds values, and what `verify` states about it."""

from pathlib import Path

import pytest

from snapshotter.formats.bundle import names, store_keys
from tests.bundles import ChainAuthority, pack, unpack
from tests.unit.cli.bundle_shell import BundleShell
from tests.unit.verify.test_minimal_verifier import VECTORS


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> BundleShell:
    return BundleShell(tmp_path, monkeypatch, capsys)


def test_a_copy_is_made_and_its_verdict_names_what_is_withheld(shell: BundleShell) -> None:
    kept = "capture/screenshot.png"

    made = shell.run(
        "export", "--json", "--redact", "title, addresses", "--keep", kept, shell.id, "-o", "out"
    )

    assert made == 0
    file = Path(f"out/{shell.id}.redacted.wacz")
    withheld = shell.object["withheld"]
    assert shell.object["files"] == [str(file)]
    assert kept not in withheld["files"]
    assert "/what/title" in withheld["fields"]
    assert shell.run("verify", "--json", str(file)) == 11  # no timestamp and no known key
    assert shell.object["withheld"] == withheld
    assert shell.object["verdict"] == "indeterminate"
    shell.run("verify", str(file))
    assert "The file is a redacted copy of the bundle" in shell.out
    assert "/what/title" in shell.out
    assert "example.test" not in shell.out
    assert "A page" not in shell.out


def test_a_forged_copy_is_failed(shell: BundleShell) -> None:
    assert shell.run("export", "--redact", "machine", shell.id, "-o", "out") == 0
    file = Path(f"out/{shell.id}.redacted.wacz")
    members = unpack(file.read_bytes())
    shown = members[names.OPENINGS]
    forged = shown.replace(b'"value":"A page"', b'"value":"B page"')
    assert forged != shown

    file.write_bytes(pack({**members, names.OPENINGS: forged}))

    assert shell.run("verify", "--json", str(file)) == 10
    assert [x["code"] for x in shell.object["findings"] if x["verdict"] == "failed"] == [
        "COMMITMENT"
    ]


def test_a_withheld_value_is_disclosed_later_in_another_copy(shell: BundleShell) -> None:
    assert shell.run("export", "--redact", "title,machine", shell.id, "-o", "out") == 0
    copy, other = f"out/{shell.id}.redacted.wacz", "new/disclosed.wacz"

    assert shell.run("disclose", "--json", copy, "/what/title", "-o", other) == 0

    assert shell.object["shown"] == ["/what/title"]
    assert shell.run("verify", "--json", other) == 11
    assert "/what/title" not in shell.object["withheld"]["fields"]
    assert "/how/environment/kernel" in shell.object["withheld"]["fields"]
    shell.run("verify", other)
    assert "A page" in shell.out
    assert shell.run("disclose", other, "/what/title", "-o", "x.wacz") == 1
    assert "withholds no value" in shell.err
    Path("file").touch()
    assert shell.run("disclose", copy, "/what/title", "-o", "file/x.wacz") == 1
    assert "file/x.wacz cannot be written" in shell.err
    assert shell.run("disclose", str(shell.file), "/what/title", "-o", "x.wacz") == 10
    assert not Path("x.wacz").exists()


def test_both_copies_keep_the_timestamp_token_that_came_after_the_seal(
    shell: BundleShell, authority: ChainAuthority
) -> None:
    signature = unpack(shell.bytes)[names.signature(1)]
    token = authority.response(signature)
    kind = names.late_token(1)
    (shell.store.root / store_keys.sidecar_key(shell.key, kind)).write_bytes(token)

    assert shell.run("export", "--redact", "title", shell.id, "-o", "out") == 0
    copy, other = f"out/{shell.id}.redacted.wacz", "new/disclosed.wacz"
    assert shell.run("disclose", copy, "/what/title", "-o", other) == 0

    assert Path(f"{copy}.{kind}").read_bytes() == token
    assert Path(f"{other}.{kind}").read_bytes() == token


def test_what_cannot_be_redacted_is_refused_with_a_reason(shell: BundleShell) -> None:
    old = VECTORS / "v1-good" / "bundle.wacz"
    assert shell.run("store", "add", str(old)) == 0, shell.err
    assert shell.run("list", "--json") == 0
    (other,) = (found["bundle_id"] for found in shell.objects if found["bundle_id"] != shell.id)

    assert shell.run("export", "--redact", "title", other, "-o", "out") == 20
    assert "is of version 1" in shell.err
    assert shell.run("export", "--redact", "nothing", shell.id, "-o", "out") == 1
    assert "name one or more of addresses" in shell.err
    for options in (
        ("--keep", "capture/dom.html"),
        ("--redact", "title", "--unpack"),
        ("--redact", "title", "--masked"),
    ):
        assert shell.run("export", *options, shell.id, "-o", "out") == 2
    assert not Path("out").exists()
