"""Names of members: one layout for the sealer and the verifier."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.formats.bundle import names


@pytest.mark.parametrize(
    "name",
    ["datapackage.json", "capture/page.txt", "capture/README.txt", "a", "seal/sig-01.der"],
)
def test_these_are_names_of_members(name: str) -> None:
    assert names.is_member_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "../x",
        "capture/../x",
        "capture/",
        "capture//x",
        "capture/a/b",
        "./x",
        ".hidden",
        "capture/.hidden",
        "C:/x",
        "capture\\x",
        "capture/x y",
        "capture/ü",
        "capture/x\n",
        "capture/x\0",
        "Capture/x",
        "-x",
        "a/" + "b" * 199,
    ],
)
def test_these_are_not(name: str) -> None:
    assert not names.is_member_name(name)


@given(st.text(max_size=30))
def test_a_name_has_one_place_in_a_bundle_at_most(name: str) -> None:
    assert not (names.is_listed(name) and names.is_unlisted(name))
    if names.is_listed(name) or names.is_unlisted(name):
        assert names.is_member_name(name)


@pytest.mark.parametrize("name", sorted(names.REQUIRED - {names.MANIFEST_BLAKE3}))
def test_every_required_file_has_exactly_one_place(name: str) -> None:
    assert names.is_listed(name) is not names.is_unlisted(name)


@pytest.mark.parametrize(
    "name",
    ["capture/nodot", "archive/other.warc.gz", "indexes/x.cdx", "pages/x.jsonl", "seal/x.txt"],
)
def test_files_without_a_place_are_not_listed(name: str) -> None:
    assert not names.is_listed(name)
    assert not names.is_unlisted(name)


def test_slots_and_tokens_are_numbered_from_one_to_nine() -> None:
    assert names.signature(1) == "seal/sig-01.der"
    assert names.public_key(9) == "seal/sig-09.pem"
    assert names.token(2, 3) == "seal/sig-02.tsa-03.tsr"
    for slot in (0, 10):
        with pytest.raises(ValueError, match="1 to 9"):
            names.signature(slot)
    for name in (names.signature(1), names.public_key(9), names.token(2, 3)):
        assert names.is_unlisted(name)
