"""Keys and store names."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.formats.bundle import store_keys
from snapshotter.formats.bundle.store_keys import (
    BundleKey,
    bundle_key,
    bundle_time,
    check_key,
    is_key,
    parse_bundle_key,
    sidecar_key,
)
from snapshotter.store.location import DirectoryLocation, S3Location, parse_store_url

ID = "20261124t160642z-k3v4q2m7xw4c5b6d"
KEY = f"bundles/2026/11/24/{ID}.wacz"

ids = st.builds(
    lambda at, tail: f"{at:%Y%m%dt%H%M%Sz}-{tail}",
    st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31)),  # noqa: DTZ001  # digits only
    st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=16, max_size=16),
)


def test_a_bundle_lives_in_the_folder_of_its_day() -> None:
    assert bundle_key(ID) == KEY
    assert sidecar_key(KEY, "late-01.tsr") == f"{KEY}.late-01.tsr"
    assert bundle_time(ID) == datetime(2026, 11, 24, 16, 6, 42, tzinfo=UTC)


@given(ids, st.sampled_from(["", "late-01.tsr", "tlog-proof", "custody.jsonl"]))
def test_a_key_says_what_it_names(bundle_id: str, kind: str) -> None:
    key = bundle_key(bundle_id)
    key = sidecar_key(key, kind) if kind else key

    assert is_key(key)
    assert parse_bundle_key(key) == BundleKey(bundle_id=bundle_id, kind=kind)


@given(ids, ids)
def test_keys_sort_as_ids_do(one: str, other: str) -> None:
    assert (one < other) == (bundle_key(one) < bundle_key(other))


@pytest.mark.parametrize(
    "bundle_id",
    [
        "", ID.upper(), ID[:-1], ID + "a", ID[:-1] + "1", "20261324" + ID[8:], "20260230" + ID[8:],
        ID.replace("t16", "t24"), ID + "\n", "٢" + ID[1:],
    ],
)  # fmt: skip
def test_what_is_no_bundle_id_is_refused(bundle_id: str) -> None:
    with pytest.raises(ValueError, match=r"not a bundle id|does not match|day is out|unconverted"):
        bundle_key(bundle_id)


@pytest.mark.parametrize(
    "key",
    [
        "", ID, KEY[:-1], KEY + ".", KEY + "x", KEY + ".A", KEY + "..tsr", KEY + ".late/x",
        KEY.replace("/24/", "/25/"), "/" + KEY, "x/" + KEY, KEY + "\n", KEY.replace("bundles", "b"),
    ],
)  # fmt: skip
def test_what_is_no_bundles_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=r"is not (a|the) "):
        parse_bundle_key(key)


@pytest.mark.parametrize("kind", ["", ".", "A", "late 1", "a..b", "a.", "../x", "-a", "a\n"])
def test_what_is_no_kind_of_sidecar_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="not a kind"):
        sidecar_key(KEY, kind)


def test_a_sidecar_has_no_sidecar() -> None:
    with pytest.raises(ValueError, match="a sidecar cannot have sidecars"):
        sidecar_key(f"{KEY}.tlog-proof", "late-01.tsr")


@given(st.text())
def test_no_key_leaves_its_store(text: str) -> None:
    if is_key(text):
        assert text.isascii()
        assert not {"", ".", ".."} & set(text.split("/"))
    else:
        with pytest.raises(ValueError, match="is not a valid key"):
            check_key(text)


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("captures", DirectoryLocation(path=Path("captures"))),
        ("/a/b c", DirectoryLocation(path=Path("/a/b c"))),
        ("file:///a/b%20c", DirectoryLocation(path=Path("/a/b c"))),
        ("file://localhost/a", DirectoryLocation(path=Path("/a"))),
        ("s3://evidence", S3Location(bucket="evidence")),
        ("s3://evidence/", S3Location(bucket="evidence")),
        ("S3://evi.dence/a/b/", S3Location(bucket="evi.dence", prefix="a/b")),
    ],
)
def test_a_store_is_a_directory_or_a_bucket(
    text: str, location: DirectoryLocation | S3Location
) -> None:
    assert parse_store_url(text) == location


@pytest.mark.parametrize(
    "text",
    [
        "", "a\0b", "s3:/evidence", "s3:evidence", "s3://", "s3:///a", "s3://UP", "s3://ab",
        "s3://a..b", "s3://evidence/a//b", "s3://evidence/..", "gs://evidence", "https://a/b",
        "file://host/a", "file:a", "s3://key:secret@evidence/a",
    ],
)  # fmt: skip
def test_what_is_no_store_is_refused_without_repeating_a_secret(text: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011  # one sentence for each, in words
        parse_store_url(text)
    assert "secret" not in str(raised.value)


BUNDLE = "20261124t160642z-k3v4q2m7xw4c5b6d"


def test_custody_that_is_carried_is_found_by_its_bundle() -> None:
    key = store_keys.carried_key(BUNDLE, "0" * 32, "custody-0007.jsonl")

    assert key == f"custody/2026/11/24/{BUNDLE}.{'0' * 32}.custody-0007.jsonl"
    assert key.startswith(store_keys.carried_prefix(BUNDLE))
    assert store_keys.parse_carried_key(key) == (BUNDLE, "0" * 32, "custody-0007.jsonl")
    assert store_keys.parse_report_key(store_keys.report_key(BUNDLE)) == BUNDLE


@pytest.mark.parametrize(
    "key",
    [
        "", "custody/", f"custody/2026/11/24/{BUNDLE}", f"custody/2026/11/24/{BUNDLE}.junk",
        f"custody/2026/11/25/{BUNDLE}.{'0' * 32}.custody-0007.jsonl",
        f"custody/2026/11/24/{BUNDLE}.{'0' * 31}.custody-0007.jsonl",
        f"custody/2026/11/24/{BUNDLE}.{'0' * 32}.Custody", "audits/x.json",
        f"audits/2026/11/25/{BUNDLE}.json", f"audits/2026/11/24/{BUNDLE}.json.sig",
    ],
)  # fmt: skip
def test_what_is_no_key_of_custody_or_of_a_report_is_refused(key: str) -> None:
    for parse in (store_keys.parse_carried_key, store_keys.parse_report_key):
        with pytest.raises(ValueError, match="not"):
            parse(key)
