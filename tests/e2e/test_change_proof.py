"""It said this, it says that: each edit of an article, captured, proven, verified and opened."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from snapshotter.formats.statements import pack
from snapshotter.model.proof import Role
from snapshotter.site.edited_articles import CHINESE, EDITS, ENGLISH, PRICES
from snapshotter.site.server import FixtureSite
from snapshotter.site.state import available
from tests.e2e.product import Done, Installation, trusting
from tests.e2e.reader import SHEET, Reader, readers_browser
from tests.servers.authority import TestAuthority
from tests.tools import ROOT

# They share eight captures and five packs, which take most of their time.
pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.xdist_group("change-proof")]

ARTICLES = {"en": "edited/article", "zh": "edited/article-zh"}
# Each edit in one language, and what the event of it states.
PROVEN = {
    ("en", "word"): ["words"],
    ("en", "picture"): ["picture"],
    ("zh", "price"): ["words", "price"],
    ("zh", "modified"): ["words", "date"],  # the page shows this date too
    ("zh", "replaced"): ["words", "price", "date"],
}
# A trust file of somebody else: the second verifier has to be given one.
VECTORS = ROOT / "tests" / "vectors" / "trust"
TRUST = (
    *("--trust", VECTORS / "trust.json"),
    *("--root-key", (VECTORS / "root-key-id.txt").read_text().strip()),
)
REFUSED = "no change is proven: no change in the main text; what differs is outside it: "


@dataclass(frozen=True)
class Proven:
    """The captures of the states of both articles, and the packs that were made of them."""

    installation: Installation
    ids: dict[tuple[str, str], str]
    packs: dict[tuple[str, str], Path]

    def prove(self, language: str, edit: str, *options: str) -> Done:
        ends = self.ids[language, ""], self.ids[language, edit]
        return self.installation.run("proof", *ends, *options)


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory, authority: TestAuthority) -> Proven:
    installation = Installation(tmp_path_factory.mktemp("change-proof"))
    installation.configure(trusting(authority))
    ids: dict[tuple[str, str], str] = {}
    with FixtureSite() as site:
        urls = {language: site.url(name, "127.0.0.1") for language, name in ARTICLES.items()}
        for edits in (
            {"en": "", "zh": ""},
            {"en": "related", "zh": "price"},
            {"en": "picture", "zh": "modified"},
            {"en": "word", "zh": "replaced"},
        ):
            for language, edit in edits.items():
                site.show(ARTICLES[language], EDITS[edit] if edit else available())
            printed = installation.capture(*(urls[language] for language in edits)).objects
            for language, one in zip(edits, printed, strict=True):
                ids[language, edits[language]] = Path(one["bundle"]["path"]).stem
    packs = {}
    for language, edit in PROVEN:
        file = installation.home / f"{language}-{edit}.html"
        without = () if edit == "price" else ("--without", "pdf")
        done = installation.run(
            "proof", ids[language, ""], ids[language, edit], *without, "-o", file
        )
        assert done.code == 0, done.err
        packs[language, edit] = file
    return Proven(installation, ids, packs)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with readers_browser() as started:
        yield started


def record_of(file: Path) -> dict[str, Any]:
    """Return the event in a pack."""
    with file.open("rb") as stream:
        found = pack.read(stream)
        (part,) = found.manifest.of_role(Role.EVENT)
        data = pack.read_part(stream, found, part, limit=1 << 20)
    event: dict[str, Any] = json.loads(data.partition(b"\n")[0])["event"]
    return event


def changed(event: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Return what the items of a change have of one capture alone."""
    return [
        (item["subject"], [piece["text"] for piece in item["pieces"] if piece["op"] != "same"])
        for item in event["change"]["items"]
    ]


@pytest.mark.parametrize(("language", "edit"), PROVEN)
def test_each_edit_is_proven_and_verified_by_both_verifiers(
    proven: Proven, language: str, edit: str
) -> None:
    file = proven.packs[language, edit]
    event = record_of(file)

    assert (event["kind"], event["change"]["subjects"]) == ("changed", PROVEN[language, edit])
    assert event["change"]["unexplained"] == 0
    verified = proven.installation.run("verify", "--json", file)
    assert (verified.code, verified.object["verdict"]) == (0, "passed"), verified.out
    second = subprocess.run(
        [sys.executable, ROOT / "scripts" / "verify_minimal.py", *TRUST, file],
        capture_output=True,
        text=True,
        check=False,
    )
    # Intact: it derives no conclusion, and knows no key of this installation.
    assert second.returncode == 11, second.stdout
    findings = [line.split()[:3] for line in second.stdout.splitlines()[1:]]
    assert [finding[:2] for finding in findings] == [
        ["ok", "manifest"], ["ok", "parts"], ["?", "key"], ["?", "conclusion"],
    ]  # fmt: skip
    assert [finding[2] for finding in findings[2:]] == ["KEY_UNKNOWN", "CONCLUSION"]


def test_the_words_of_the_events_are_those_of_the_edits(proven: Proven) -> None:
    word, price, gone = (
        changed(record_of(proven.packs[name]))
        for name in (("en", "word"), ("zh", "price"), ("zh", "replaced"))
    )

    assert word == [("words", list(ENGLISH.words))]
    assert price == [
        ("words", list(PRICES)),
        ("price", [f"{price}元" for price in PRICES]),
        ("price", [f"{price} CNY" for price in PRICES]),
    ]
    assert ("words", [CHINESE.notice]) in gone
    assert ("words", [CHINESE.title]) in gone


def test_what_changed_beside_the_article_is_refused_with_the_documented_sentence(
    proven: Proven,
) -> None:
    done = proven.prove("en", "related")

    assert (done.code, done.out) == (1, "")
    assert f"{REFUSED}text outside the main text" in done.err
    ends = f"{proven.ids['en', '']} {proven.ids['en', 'related']}"
    assert f"snapshotter diff {ends}" in done.err
    documented = (ROOT / "docs" / "howto" / "make-a-proof.md").read_text()
    assert "no change in the main text" in documented


@pytest.mark.parametrize(("language", "edit"), PROVEN)
def test_a_browser_without_a_network_shows_what_changed(
    proven: Proven, browser: Browser, language: str, edit: str
) -> None:
    with Reader(browser, proven.packs[language, edit]) as reader:
        assert reader.state == "good", reader.errors
        assert [url for url in reader.asked if not url.startswith(("file:", "blob:"))] == []
        assert reader.errors == []
        if (language, edit) == ("en", "word"):
            shown = [reader.page.locator(name).all_inner_texts() for name in ("del", "ins")]
            assert shown == [[ENGLISH.words[0]], [ENGLISH.words[1]]]
        box = reader.page.locator("#picture").bounding_box()
        assert box is not None
        assert box["height"] > 100


def test_the_sheet_of_a_chinese_page_has_text_that_can_be_selected(proven: Proven) -> None:
    with proven.packs["zh", "price"].open("rb") as stream:
        found = pack.read(stream)
        (part,) = found.manifest.of_role(Role.PDF)
        pdf = pack.read_part(stream, found, part, limit=1 << 24)

    assert len(SHEET.findall(pdf)) <= 4
    assert b"/ToUnicode" in pdf
