"""It was there, it is gone: two real captures, their pack, and what a browser makes of it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from snapshotter.app.archive.observations import ObservationSource
from snapshotter.app.machine import RandomIds
from snapshotter.app.pipeline.run import CaptureDependencies, run
from snapshotter.app.takedown.events import TakedownService, derive
from snapshotter.app.takedown.pack_verification import judge_by_rules
from snapshotter.app.takedown.proof_pack import ProofCase, ProofService, WrittenPack, make
from snapshotter.app.takedown.rederivation import Rederivation
from snapshotter.app.upkeep.late_tokens import TokenService
from snapshotter.app.wiring import capture as wiring
from snapshotter.capture.browser.html_to_pdf import print_pdf
from snapshotter.capture.engine import CapturerOptions, ChromiumCapturer
from snapshotter.formats.statements import pack
from snapshotter.index.open_index import open_index_file
from snapshotter.model.assessment import Cause
from snapshotter.model.finding import Verdict
from snapshotter.model.proof import Role
from snapshotter.model.request import CaptureRequest, Decision
from snapshotter.model.takedown import ConfirmRules
from snapshotter.policy import page_identity
from snapshotter.site.server import FixtureSite
from snapshotter.site.state import removed
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.verify import proof_pack_report
from snapshotter.verify.proof_pack import verify_pack
from snapshotter.verify.trust import Trust, own_trust, trusted_key
from tests import bundles, packs
from tests.bundles import ChainAuthority, RealClock, new_signer
from tests.e2e.reader import LIMIT_MS, SHEET, Reader, readers_browser
from tests.servers.authority import Chain
from tests.verdicts import judged_by_all

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("proof")]  # they share two captures

CAPTURER, WITNESS = new_signer(), new_signer()

DECISION = Decision(
    policy_name="test",
    policy_text='name = "test"\n',
    allow_networks=("127.0.0.0/8",),
    timezone="Asia/Shanghai",
    locale="zh-CN",
    verdict=judged_by_all(),
)


class Loopback:
    """Every name is a name of the fixture site."""

    async def resolve(self, host: str) -> tuple[str, ...]:
        return ("127.0.0.1",)


def concluded(store: DirectoryStore, trust: Trust, folder: Path) -> ProofCase:
    """Conclude the removal from the captures in the store; one is enough here to confirm it."""
    with open_index_file(folder / "index.db") as index:
        service = TakedownService(
            source=ObservationSource(
                store=store, index=index, rules=page_identity.shipped_identity_rules()
            ),
            trust=lambda: trust,
            signer=lambda: WITNESS,
            own_keys=frozenset({WITNESS.key_id}),
            confirm=lambda url: ConfirmRules(times=1, after=timedelta(0), control=False),
            now=RealClock().now,
            lock_dir=folder / "locks",
        )
        derive(service)
        (kept,) = index.events()
        assert kept.event is not None, kept.problem
        return ProofCase.of(kept.event, kept.data)


def rederiver() -> Rederivation:
    return Rederivation(
        rules=page_identity.shipped_identity_rules(),
        assessor_of=wiring.assessor,
        decide=lambda url: DECISION,
    )


@dataclass(frozen=True)
class Proof:
    """A pack of an article that was taken down between two captures."""

    made: WrittenPack
    trust: Trust
    seen: str
    gone: str


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Proof:
    folder = tmp_path_factory.mktemp("proof")
    chain = Chain(tmp_path_factory.mktemp("authority"), "test authority")
    chain.make()
    authority = ChainAuthority(chain)
    clock, store = RealClock(), DirectoryStore(folder / "store")
    service = TokenService(
        authorities=(authority,), anchors=(authority.anchor,), store=store,
        pending_dir=folder / "pending",
    )  # fmt: skip
    capturer = ChromiumCapturer(
        clock=clock,
        ids=RandomIds(),
        version="0",
        resolver=Loopback(),
        options=CapturerOptions(allow_no_sandbox=True),
        assessor=wiring.assessor,
    )
    world = CaptureDependencies(
        clock=clock, ids=RandomIds(), capturer=capturer, signer=CAPTURER, assessor=wiring.assessor,
        authorities=(authority,), timestamp_timeout_s=60, store=store, service=service,
        trust=own_trust([CAPTURER.public_key], [authority.anchor]), spool_dir=folder / "spool",
        pending_dir=folder / "pending", salts_dir=folder / "salts",
        rejected_dir=folder / "rejected", unstored_dir=folder / "unstored",
        software=bundles.SOFTWARE,
    )  # fmt: skip
    ids = []
    with FixtureSite() as site:
        for state in (None, removed("wx-01")):
            if state is not None:
                site.show("wx/article", state)
            request = CaptureRequest(url=site.url("/wx/article"))
            result = run(request, DECISION, world, lambda stage, detail: None)
            ids.append(result.bundle.id)
    trust = replace(
        own_trust([CAPTURER.public_key], [authority.anchor]),
        keys=tuple(trusted_key(signer.public_key, owner="us") for signer in (CAPTURER, WITNESS)),
    )
    case = concluded(store, trust, folder)
    made = make(
        ProofService(
            store=store,
            signer=WITNESS,
            trust=trust,
            rules=page_identity.shipped_identity_rules(),
            clock=clock,
            software=bundles.SOFTWARE,
            spool_dir=folder / "spool",
            printer=lambda html, beside, at: print_pdf(
                html, beside, at=at, clock=clock, allow_no_sandbox=True
            ),
            judge=judge_by_rules(trust, rederiver()),
        ),
        case,
        folder / "proof.html",
    )
    return Proof(made, trust, *ids)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with readers_browser() as started:
        yield started


def test_the_pack_holds_by_the_rules_of_the_platform(proof: Proof) -> None:
    gone = proof.made.statement.gone.observation

    assert (gone.rule, gone.cause) == ("wx-01", Cause.AUTHOR)
    assert proof.made.report.verdict is Verdict.PASSED, proof.made.report.findings
    assert proof.made.manifest.lacks == ()
    assert proof.made.statement.event is not None


def test_the_event_is_derived_again_from_the_pack_alone(proof: Proof) -> None:
    """By the rules that lie in the captures: each verdict, and the event that follows."""
    judge = judge_by_rules(proof.trust, rederiver())
    with proof.made.file.open("rb") as stream:
        report = verify_pack(stream, proof.trust, now=RealClock().now(), judge=judge)

    assert report.verdict is Verdict.PASSED, proof_pack_report.lines(report)
    said = "\n".join(proof_pack_report.lines(report))
    assert "not available (removal by the author) by the rules in the bundle (rule wx-01)" in said
    assert "the event was derived again from exactly these captures, with the same result" in said


def test_a_browser_without_a_network_shows_every_hash_green(
    proof: Proof, browser: Browser, tmp_path: Path
) -> None:
    with Reader(browser, proof.made.file) as reader:
        count = len(proof.made.manifest.parts)

        assert reader.verdict.startswith(f"✓ All {count} files"), reader.errors
        assert "match the signed list exactly" in reader.verdict
        assert reader.states == ["✓ unchanged"] * count
        assert WITNESS.key_id in reader.page.locator("#key").inner_text()
        assert [url for url in reader.asked if not url.startswith(("file:", "blob:"))] == []
        assert reader.errors == []
        # The picture is one of the parts, shown only after it was checked.
        assert (reader.page.locator("#picture").get_attribute("src") or "").startswith("blob:")
        box = reader.page.locator("#picture").bounding_box()
        assert box is not None
        assert box["height"] > 100
        assert len(SHEET.findall(reader.page.pdf(prefer_css_page_size=True))) == 1
        with reader.page.expect_download(timeout=LIMIT_MS) as download:
            reader.page.get_by_role("link", name=f"{proof.seen}.wacz").click()
        download.value.save_as(tmp_path / "saved.wacz")
        with proof.made.file.open("rb") as stream:
            found = pack.read(stream)
            part = found.manifest.parts[0]
            original = pack.read_part(stream, found, part, limit=part.length)
        assert (tmp_path / "saved.wacz").read_bytes() == original


def test_our_own_digest_and_the_browsers_agree(proof: Proof, browser: Browser) -> None:
    without = "Object.defineProperty(window.crypto, 'subtle', {value: undefined})"
    with Reader(browser, proof.made.file, script=without) as reader:
        assert "could not check the signature of the list" in reader.verdict
        assert reader.verdict.startswith("✓ All")
        assert reader.states == ["✓ unchanged"] * len(proof.made.manifest.parts)


@pytest.mark.parametrize("end", [0, 1])
def test_one_altered_byte_is_red_with_the_name_of_its_end(
    proof: Proof, browser: Browser, tmp_path: Path, end: int
) -> None:
    data = bytearray(proof.made.file.read_bytes())
    with proof.made.file.open("rb") as stream:
        found = pack.read(stream)
        at = found.offset(found.manifest.parts[end]) + 77 * 100
    data[at] = ord("A") if data[at] != ord("A") else ord("B")
    (tmp_path / "altered.html").write_bytes(data)
    name = ("last seen", "first gone")[end]
    bundle_id = (proof.seen, proof.gone)[end]

    with Reader(browser, tmp_path / "altered.html") as reader:
        assert reader.verdict == (
            f"✗ ALTERED: the capture '{name}' ({bundle_id}). Do not rely on this file."
        )
        others = len(proof.made.manifest.parts) - 1
        assert sorted(reader.states) == ["✓ unchanged"] * others + ["✗ ALTERED"]


def test_an_altered_word_or_list_is_red_as_well(
    proof: Proof, browser: Browser, tmp_path: Path
) -> None:
    data = proof.made.file.read_bytes()
    for before, after, named in (
        (
            b"The notice states that the author",
            b"The notice states that the police",
            "the text that you read in this file",
        ),
        (b'"lacks":[]', b'"lacks":["pdf"]', "the signed list"),
    ):
        assert before in data
        (tmp_path / "altered.html").write_bytes(data.replace(before, after, 1))
        with Reader(browser, tmp_path / "altered.html") as reader:
            assert reader.verdict.startswith("✗ ALTERED: "), reader.verdict
            assert named in reader.verdict


def test_the_page_is_red_for_each_edit_that_a_reader_can_see(
    proof: Proof, browser: Browser, tmp_path: Path
) -> None:
    """And it says what it does not compare: spellings that a browser reads as the same."""
    data, found = proof.made.file.read_bytes(), {}
    file = tmp_path / "altered.html"
    with Reader(browser, proof.made.file) as reader:  # one page for all: each load is whole
        file.write_bytes(packs.twin(data))
        reader.open(file)
        assert reader.verdict == "✗ ALTERED: the signed list. Do not rely on this file."
        for edit in packs.EDITS:
            file.write_bytes(edit.made(data))
            reader.open(file, settles=edit.page != "none")
            found[edit.name] = reader.state
            if edit.page == "good":
                assert (
                    "Not compared: details of the HTML code that change nothing" in reader.compared
                )
                assert reader.page.locator("h1").is_visible()

    assert found == {edit.name: edit.page for edit in packs.EDITS}


def test_the_statement_on_paper_is_one_sheet_of_text_and_one_of_digests(proof: Proof) -> None:
    with proof.made.file.open("rb") as stream:
        found = pack.read(stream)
        (part,) = found.manifest.of_role(Role.PDF)
        pdf = pack.read_part(stream, found, part, limit=1 << 24)

    assert len(SHEET.findall(pdf)) == 2
    assert b"/ToUnicode" in pdf  # what is drawn can be selected as text
    assert f"(D:{proof.made.manifest.made_at:%Y%m%d}".encode() in pdf


def test_the_picture_is_printed_whole(proof: Proof, browser: Browser) -> None:
    with Reader(browser, proof.made.file) as reader:
        reader.page.emulate_media(media="print")
        picture = reader.page.locator("#picture")
        size = picture.evaluate("it => [it.naturalWidth, it.naturalHeight]")
        box = picture.bounding_box()

        assert box is not None
        assert box["width"] / box["height"] == pytest.approx(size[0] / size[1], rel=0.01)
        assert picture.evaluate("it => getComputedStyle(it.parentElement).breakInside") == "avoid"
