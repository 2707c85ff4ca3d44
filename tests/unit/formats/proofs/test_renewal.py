"""The text of a renewal: one spelling, and nothing that covers what proves no time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.proofs import renewal
from snapshotter.formats.proofs.renewal import Renewal

ID = "20261124t160642z-k3v4q2m7xw4c5b6d"
TEXT = Renewal(
    bundle_id=ID,
    sha512="ab" * 64,
    covers={"renewal-01.tsr": "02" * 64, "late-01.tsr": "01" * 64},
)


def test_a_renewal_is_read_as_it_was_written() -> None:
    assert TEXT.encode().decode().splitlines() == [
        "snapshotter-renewal/1",
        f"bundle {ID}",
        f"sha512 {'ab' * 64}",
        f"covers late-01.tsr sha512 {'01' * 64}",
        f"covers renewal-01.tsr sha512 {'02' * 64}",
    ]
    assert renewal.parse(TEXT.encode()) == TEXT


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("renewal/1", "renewal/2"),
        (f"bundle {ID}", "bundle other"),
        ("sha512 ab", "sha512 AB"),
        ("covers late-01", "covers  late-01"),
        ("late-01.tsr", "custody-01.json"),
        ("covers late-01.tsr", "covers tlog-proof"),
        ("\n", "\r\n"),
        ("covers late-01.tsr", "covers renewal-02.txt"),  # out of order
    ],
)
def test_any_other_spelling_is_refused(old: str, new: str) -> None:
    spoiled = TEXT.encode().decode().replace(old, new)
    assert spoiled.encode() != TEXT.encode()

    with pytest.raises(EvidenceInvalid):
        renewal.parse(spoiled.encode())


@pytest.mark.parametrize("data", [b"", TEXT.encode()[:-1], TEXT.encode() + b"\n", b"x" * 200_000])
def test_what_is_no_renewal_is_refused(data: bytes) -> None:
    with pytest.raises(EvidenceInvalid):
        renewal.parse(data)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_renewal_or_our_error(data: bytes) -> None:
    with pytest.raises(EvidenceInvalid):
        renewal.parse(data)
