"""What the index says of a bundle for lists, filters and search."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from snapshotter.app.archive import bundle_facts
from snapshotter.app.archive import bundles as bundle_list
from snapshotter.app.archive.bundles import BundleMembers
from snapshotter.app.archive.observations import ObservationSource
from snapshotter.formats.bundle import names, store_keys
from snapshotter.formats.page import layout
from snapshotter.formats.page.layout import PageLayout
from snapshotter.index.open_index import open_index_file
from snapshotter.index.values import BundleFacts, JobFacts
from snapshotter.model.page import Block
from snapshotter.model.reading import Readings
from snapshotter.policy.page_identity import shipped_identity_rules
from snapshotter.store.filesystem import DirectoryStore
from tests import bundles, observed
from tests.cases import in_one_test
from tests.observed import ARTICLE, at

BLOCKS = PageLayout(
    blocks=(
        Block(selector="html > body > p:nth-child(1)", tag="p", text="谣言", box=None),
        Block(
            selector="html > body > p:nth-child(2)", tag="p", text="未显示", box=None, hidden=True
        ),
    ),
    whole=True,
)
CONTENTS = {
    **bundles.CONTENTS,
    "capture/page.txt": "菜单\n谣言\n".encode(),
    "capture/layout.json": layout.encode(BLOCKS),
}
OTHER_ID = "20260101t000000z-k3v4q2m7xw4c5b6d"
ASSESSED = replace(observed.available(), readings=Readings(main_text="谣言"))


def test_the_index_holds_facts_passages_and_job_of_a_bundle(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    made = observed.seal(tmp_path, at(0), ASSESSED, signer=bundles.new_signer(), contents=CONTENTS)
    key = observed.put(store, made)
    event = b'{"by":"archive@example.org"}\n'
    store.put_new(
        store_keys.sidecar_key(key, bundle_facts.FIRST_CUSTODY),
        event,
        hashlib.sha256(event).hexdigest(),
    )
    job = JobFacts(worker="w-1", schedule="daily", tags=("a", "b c"))
    with open_index_file(tmp_path / "index.db") as index:
        source = ObservationSource(
            store=store,
            index=index,
            rules=shipped_identity_rules(),
            jobs=lambda bundle_ids: dict.fromkeys(bundle_ids, job),
        )
        source.sync()

        (row,) = index.database.rows(
            "SELECT outcome, policy, operator, worker, schedule, tags, sidecars, text_whole "
            "FROM bundle"
        )
        digests = index.manifest_digests([made.id, OTHER_ID])
        passages = index.database.rows(
            "SELECT region, text FROM passage WHERE bundle_id = ? ORDER BY number", (made.id,)
        )

    assert row == (
        "complete", "test", "archive@example.org", "w-1", "daily", "\na\nb c\n",
        "\ncustody-0001.jsonl\n", 1,
    )  # fmt: skip
    with made.file.open("rb") as stream:
        manifest = bundle_list.read_member(stream, names.MANIFEST_SHA256, limit=1 << 20)
    assert digests == {made.id: hashlib.sha256(manifest).hexdigest()}
    assert [found for found in passages if found[0] != "title"] == [
        ("address", ARTICLE),
        ("main", "谣言"),
        ("rest", "菜单"),
        ("hidden", "未显示"),
    ]


def test_the_passages_of_an_erased_bundle_are_removed(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    made = observed.seal(tmp_path, at(0), ASSESSED, signer=bundles.new_signer(), contents=CONTENTS)
    key = observed.put(store, made)
    with open_index_file(tmp_path / "index.db") as index:
        source = ObservationSource(store=store, index=index, rules=shipped_identity_rules())
        source.sync()
        (tmp_path / "store" / key).unlink()
        source.sync()

        assert index.database.rows("SELECT * FROM passage") == []


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"what": [], "outcome": 1, "content": {"missing_parts": "x"}, "how": {"policy": 7}},
        {"what": {"title": 1, "http_status": True}, "outcome": {"reasons": [1, {"code": 2}]}},
    ],
)
def test_fields_of_another_type_count_as_absent(record: dict[str, object]) -> None:
    facts = bundle_facts.facts_of(record, None, is_text_whole=True)

    assert replace(facts, is_missing=False) == BundleFacts()


@in_one_test(
    ("record", "is_missing"),
    [
        ({}, False),
        ({"outcome": {"state": "partial", "reasons": [{"code": "images-missing"}]}}, True),
        ({"outcome": {"state": "complete", "warnings": [{"code": "iframes"}]}}, False),
        ({"content": {"images": {"wanted": 9, "loaded": 7, "failed": 2}}}, True),
        ({"content": {"images": {"wanted": 9, "loaded": 9, "failed": 0}}}, False),
        ({"content": {"missing_parts": ["the answer of a server"]}}, True),
        ({"content": {"fonts": {"failed": 1}}}, True),
        ({"how": {"settings": {"light": True}}}, False),
    ],
)
def test_what_the_page_of_a_capture_lists_as_missing_is_found_by_has_missing(
    record: dict[str, Any], is_missing: bool
) -> None:
    facts = bundle_facts.facts_of(record, None, is_text_whole=True)

    assert facts.is_missing is is_missing


def test_a_title_is_one_line_of_limited_length() -> None:
    record = {"what": {"title": " a\n\tb" + "x" * 1_000_000}}

    facts = bundle_facts.facts_of(record, None, is_text_whole=True)

    assert facts.title.startswith("a bxxx")
    assert len(facts.title) <= 2_000


@pytest.mark.parametrize("events", [b"", b"no JSON\n", b"[1]\n", b'{"by":1}\n'])
def test_without_a_valid_first_custody_event_nobody_is_named(events: bytes) -> None:
    assert bundle_facts.operator_of(events) == ""


def test_a_layout_that_cannot_be_read_is_not_counted_as_the_whole_text(tmp_path: Path) -> None:
    made = observed.seal(
        tmp_path,
        at(0),
        ASSESSED,
        signer=bundles.new_signer(),
        contents={**CONTENTS, "capture/layout.json": b"{"},
    )

    with made.file.open("rb") as stream:
        members = BundleMembers(stream)
        _, is_whole = bundle_facts.read_passages(members, members.record(), ASSESSED)

    assert not is_whole
