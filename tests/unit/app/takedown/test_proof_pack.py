"""Packs out of a store: what is in one, what is left out, and of what none is made."""

import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from snapshotter.app.takedown import proof_pack
from snapshotter.app.takedown.pack_verification import judge_by_rules
from snapshotter.app.takedown.proof_pack import ProofCase, ProofService, WrittenPack, make
from snapshotter.app.takedown.rederivation import Rederivation
from snapshotter.app.wiring import capture as wiring
from snapshotter.capture.browser.html_to_pdf import print_pdf
from snapshotter.errors import EvidenceInvalid, ServiceUnavailable, SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.page import assessment as assessments
from snapshotter.formats.statements import pack, takedown
from snapshotter.model.assessment import Evidence, Step
from snapshotter.model.finding import Code, Verdict
from snapshotter.model.page import Box
from snapshotter.model.proof import ENDS, Role
from snapshotter.model.reading import LabelledBlock, Metadatum, Readings, Region, Source
from snapshotter.model.takedown import Takedown, TakedownKind
from snapshotter.policy import page_identity
from snapshotter.policy.capture_decision import decide
from snapshotter.policy.load import load
from snapshotter.site.state import SiteState, removed
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.verify.proof_pack import PackReport, verify_pack
from snapshotter.verify.trust import Trust, trusted_key
from tests import bundles, observed, packs
from tests.bundles import ChainAuthority, RealClock, new_signer
from tests.servers.authority import Chain
from tests.unit.verify.test_minimal_verifier import MINIMAL, PIN, VECTORS, remembering_openssl

CAPTURER, WITNESS = new_signer(), new_signer()
RULES = b'id = "wechat"\n'
SHOWN = "菜单\n这是一篇关于某事的文章，正文第一段。\n"


def png(color: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (1440, 900), color).save(out, "PNG")
    return out.getvalue()


SEEN = {
    **bundles.CONTENTS,
    "capture/page.txt": SHOWN.encode(),
    "capture/screenshot.png": png("#ffffff"),
    "capture/viewport.png": png("#ffffff"),
}
GONE = {
    **bundles.CONTENTS,
    "capture/rules-wechat.toml": RULES,
    "capture/screenshot.png": png("#eeeeee"),
    "capture/viewport.png": png("#eeeeee"),
}
NOTICE_BOX = Evidence(
    rule="wx-01",
    rules="wechat",
    step=Step.NOTICE,
    box=Box(left=400, top=300, width=400, height=60),
    picture="capture/screenshot.png",
)
CONTENT_BOX = replace(NOTICE_BOX, rule="wx-article", step=Step.CONTENT)


@dataclass(frozen=True)
class Place:
    """A store with a removal in it, each capture with a real token."""

    store: DirectoryStore
    trust: Trust
    seen: str
    gone: str
    again: str
    control: str

    @property
    def service(self) -> ProofService:
        return ProofService(
            store=self.store,
            signer=WITNESS,
            trust=self.trust,
            rules=page_identity.shipped_identity_rules(),
            clock=RealClock(),
            software="snapshotter 0.0.0-test",
            spool_dir=self.store.root.parent / "spool",
        )

    @property
    def case(self) -> ProofCase:
        captures = (
            (Role.LAST_SEEN, self.seen),
            (Role.FIRST_GONE, self.gone),
            (Role.CONFIRMATION, self.again),
            (Role.CONTROL, self.control),
        )
        return ProofCase(captures=captures)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return removal(tmp_path_factory.mktemp("proof"))


def removal(folder: Path) -> Place:
    """Fill a store below a folder: a page that was seen, gone, and gone again, and a control."""
    chain = Chain(folder / "authority", "test authority")
    chain.make()
    authority = ChainAuthority(chain)
    store = DirectoryStore(folder / "store")
    begin = RealClock().now() - timedelta(hours=2)
    ids = []
    notice = observed.gone(
        evidence=(NOTICE_BOX,), gloss=(("en", "Deleted by the publisher"),), cited_rule="《规定》"
    )
    for minutes, assessed, contents, url in (
        (0, observed.available(evidence=(CONTENT_BOX,)), SEEN, observed.ARTICLE),
        (26, notice, GONE, observed.ARTICLE),
        (40, notice, GONE, observed.ARTICLE),
        (38, observed.available(), SEEN, observed.OTHER),
    ):
        made = observed.seal(
            folder / "sealing",
            begin + timedelta(minutes=minutes),
            assessed,
            url=url,
            signer=CAPTURER,
            authorities=(authority,),
            contents=contents,
        )
        observed.put(store, made)
        ids.append(made.id)
    trust = bundles.trust_in(CAPTURER, authority)
    known = (*trust.keys, trusted_key(WITNESS.public_key, owner="the witness"))
    return Place(store, replace(trust, keys=known), *ids)


@pytest.fixture(scope="module")
def made(place: Place, tmp_path_factory: pytest.TempPathFactory) -> WrittenPack:
    return make(place.service, place.case, tmp_path_factory.mktemp("out") / "proof.html")


def test_what_was_seen_is_the_headline_and_the_beginning_of_the_main_text() -> None:
    heading = "body > main > h1"
    readings = Readings(
        main_text="Published\nThe first  paragraph of it.\nThe second one of it.\nA third.",
        metadata=(
            Metadatum(name="title", value="A page – A paper", source=Source.DOM, where="title"),
            Metadatum(name="title", value="The\nheadline", source=Source.DOM, where=heading),
        ),
        regions=(LabelledBlock(selector=heading, region=Region.HEADLINE),),
    )
    text = "News Business Lifestyle\nThe headline\nPublished"

    assert proof_pack._excerpt(text, readings).splitlines() == [
        *("The headline", "The first paragraph of it.", "The second one of it."),
    ]
    assert proof_pack._excerpt(text, Readings()).startswith("News Business Lifestyle\nThe headline")
    long, unspaced = (
        proof_pack._excerpt(text * 100, Readings()) for text in ("a paragraph ", "正文第一段")
    )
    assert (long[-11:], unspaced[-3:]) == ("a paragraph…"[-11:], "第一…"[-3:])
    assert max(len(long), len(unspaced)) <= 300


def verified(file: Path, trust: Trust, change: Callable[[bytes], bytes] = bytes) -> PackReport:
    return verify_pack(io.BytesIO(change(file.read_bytes())), trust, now=RealClock().now())


def _details(report: PackReport) -> list[str]:
    return [finding.detail for finding in report.findings]


def part_of(made: WrittenPack, role: Role) -> bytes:
    with made.file.open("rb") as stream:
        found = pack.read(stream)
        (part,) = found.manifest.of_role(role)
        return pack.read_part(stream, found, part, limit=1 << 24)


def test_a_pack_holds_the_captures_the_key_the_rules_and_what_a_person_looks_at(
    place: Place, made: WrittenPack
) -> None:
    report = verified(made.file, place.trust)

    assert report.verdict is Verdict.PASSED, [finding.detail for finding in report.findings]
    assert [(part.role.value, part.name) for part in made.manifest.parts] == [
        ("last-seen", f"{place.seen}.wacz"),
        ("first-gone", f"{place.gone}.wacz"),
        ("confirmation", f"{place.again}.wacz"),
        ("control", f"{place.control}.wacz"),
        ("key", "event-key.pem"),
        ("rules", "rules-wechat.toml"),
        ("picture", "side-by-side.png"),
        ("facts", "statement.json"),
    ]
    assert made.length == made.file.stat().st_size
    assert part_of(made, Role.RULES) == RULES
    assert part_of(made, Role.KEY) == WITNESS.public_key_pem
    picture = Image.open(io.BytesIO(part_of(made, Role.PICTURE)))
    assert picture.width > 1000
    middle = picture.width // 2
    outlined = [
        (0xB3, 0x26, 0x1E) in {color for _, color in half.getcolors(1 << 20) or ()}
        for half in (
            picture.crop((0, 0, middle, picture.height)),
            picture.crop((middle, 0, picture.width, picture.height)),
        )
    ]
    assert outlined == [False, True], "the notice is, and not what was there"
    assert made.manifest.lacks == ("pdf",)
    with place.store.open(store_keys.bundle_key(place.seen)) as stream:
        assert part_of(made, Role.LAST_SEEN) == stream.read()


def test_the_page_and_its_twin_say_what_the_captures_do(place: Place, made: WrittenPack) -> None:
    page = made.file.read_bytes()[: made.manifest.page.length].decode()
    facts: dict[str, Any] = json.loads(part_of(made, Role.FACTS))

    for words in (
        "The page was available. Later the page was not available.",
        "这是一篇关于某事的文章，正文第一段。",
        observed.NOTICE,
        "Deleted by the publisher",
        "《规定》",
        "The notice states that the author removed the page.",
        'confirmed by the timestamp authority <bdi dir="auto">test authority</bdi>',
        "No take-down event was derived from these captures",
        WITNESS.key_id,
        CAPTURER.key_id,
    ):
        assert words in page, words
    assert "菜单" not in page
    assert facts["bracket"]["length"] == "26 minutes and 2 seconds"
    assert [capture["role"] for capture in facts["captures"]] == [
        *("last-seen", "first-gone", "confirmation", "control")
    ]
    assert facts["captures"][0]["when"]["tokens"][0]["authority"] == "test authority"


def test_a_page_says_what_the_rules_in_a_capture_give_and_not_what_it_says_of_itself(
    tmp_path: Path,
) -> None:
    """Who has the key of captures can write any translation of a notice into one."""
    store, lie = DirectoryStore(tmp_path / "store"), "By order of a court"
    state = SiteState().change("wx/article", observed.at(40), removed("wx-01"))
    url = "http://mp.weixin.qq.com/s?__biz=MzkwMDAwMDAwMQ%3D%3D&mid=2650000001&idx=1&sn=x"
    shots = [
        observed.shoot(tmp_path / "spool", observed.at(minute), state, url, signer=CAPTURER)
        for minute in (0, 60)
    ]
    for bundle in shots:
        observed.put(store, bundle)
    path = tmp_path / "store" / store_keys.bundle_key(shots[1].id)
    members = bundles.unpack(path.read_bytes())
    said = assessments.parse(members[assessments.PATH])
    said = replace(said, takedown=replace(said.takedown, gloss=(("en", lie),)))
    changes = {assessments.PATH: assessments.encode(said)}
    path.write_bytes(bundles.pack(bundles.resealed(members, changes, CAPTURER, None)))
    service = Place(store, bundles.trust_in(CAPTURER, timestamps=0), "", "", "", "").service
    case = ProofCase(captures=tuple(zip(ENDS, (bundle.id for bundle in shots), strict=True)))

    for assessor_of, is_told in ((None, True), (wiring.assessor, False)):
        its = replace(service, assessor_of=assessor_of)
        page = make(its, case, tmp_path / "p.html", without=frozenset({"pdf"})).file.read_bytes()
        assert (lie.encode() in page) is is_told


@pytest.mark.parametrize(("number", "end"), [(0, "last seen"), (1, "first gone")])
def test_one_byte_of_either_end_fails_with_its_name(
    place: Place, made: WrittenPack, number: int, end: str
) -> None:
    with made.file.open("rb") as stream:
        found = pack.read(stream)
        at = found.offset(found.manifest.parts[number]) + 5_000

    report = verified(made.file, place.trust, lambda data: bundles.flipped(data, at))

    failed = [finding for finding in report.findings if finding.verdict is Verdict.FAILED]
    name = (place.seen, place.gone)[number]
    assert [finding.detail for finding in failed] == [f"the capture '{end}' ({name}) was altered"]
    assert failed[0].code is Code.HASH


def test_every_edit_of_the_page_fails_outside_whatever_a_browser_makes_of_it(
    place: Place, made: WrittenPack, tmp_path: Path
) -> None:
    """By both verifiers, which share no code; of a browser, tests/e2e/test_proof.py."""
    file, openssl = tmp_path / "proof.html", remembering_openssl()
    vectors = VECTORS / "trust"  # a trust file that knows nobody here
    data, signature = ((vectors / f"trust.json{suffix}").read_bytes() for suffix in ("", ".sig"))
    trust = MINIMAL.Trust(data, signature, PIN, RealClock().now(), openssl)

    def judged(edit: packs.Edit) -> tuple[Verdict, str, bool]:
        report = verified(made.file, place.trust, edit.made)
        file.write_bytes(edit.made(made.file.read_bytes()))
        result = MINIMAL.Verification(str(file), trust, RealClock().now(), openssl)
        MINIMAL.judge_pack(result)
        return report.verdict, result.verdict, result.codes == [report.findings[-1].code.value]

    found = {edit.name: judged(edit) for edit in packs.EDITS}
    honest = judged(packs.Edit("nothing", b"<", b"<"))
    openssl.close()

    assert set(found.values()) == {(Verdict.FAILED, "failed", True)}, found
    assert honest[:2] == (Verdict.PASSED, "indeterminate")  # the key is not known there


def test_what_stands_beside_a_bundle_comes_with_it_and_who_looked_at_it_does_not(
    place: Place, tmp_path: Path
) -> None:
    store = DirectoryStore(tmp_path / "store")
    for bundle_id in (place.seen, place.gone):
        key = store_keys.bundle_key(bundle_id)
        target = tmp_path / "store" / key
        target.parent.mkdir(parents=True, exist_ok=True)
        with place.store.open(key) as stream:
            target.write_bytes(stream.read())
    bundle = tmp_path / "store" / store_keys.bundle_key(place.seen)
    beside = bundle.with_name(f"{bundle.name}.late-01.tsr")
    beside.write_bytes(bundles.unpack(bundle.read_bytes())["seal/sig-01.tsa-01.tsr"])
    custody = beside.with_name(f"{place.seen}.wacz.custody-0001.jsonl")
    custody.write_bytes(b'{"by":"Heron"}\n')
    case = ProofCase(captures=place.case.captures[:2])

    found = make(replace(place.service, store=store), case, tmp_path / "p.html")

    names = [part.name for part in found.manifest.parts[:3]]
    assert names == [f"{place.seen}.wacz", f"{place.seen}.wacz.late-01.tsr", f"{place.gone}.wacz"]
    assert [exhibit.operator for exhibit in found.statement.exhibits] == ["Heron", ""]


def test_an_event_is_in_its_pack_with_its_record(
    place: Place, made: WrittenPack, tmp_path: Path
) -> None:
    seen, gone, again, control = (exhibit.observation for exhibit in made.statement.exhibits)
    event = Takedown(
        event_id="20261127t120000z-cccccccccccccccc",
        kind=TakedownKind.REMOVED,
        at=again.at,
        identity=seen.identity,
        url=seen.url,
        last_seen=seen,
        first_gone=gone,
        confirmations=(again,),
        controls=(control,),
    )
    record = takedown.encode(event, WITNESS)

    found = make(place.service, ProofCase.of(event, record, b"a proof\n"), tmp_path / "p.html")

    assert found.manifest.event_id == event.event_id
    assert part_of(found, Role.EVENT) == record
    assert part_of(found, Role.EVENT_PROOF) == b"a proof\n"
    page = found.file.read_bytes()[: found.manifest.page.length].decode()
    assert "No take-down event was derived from these captures" not in page
    assert found.report.event is not None
    open_ = {
        finding.code
        for finding in found.report.event.findings
        if finding.verdict is not Verdict.PASSED
    }
    assert open_ == {Code.VERDICT, Code.CONCLUSION}  # this desk has no rules
    rests = "the captures in the pack are the captures that the event names"
    assert rests in _details(found.report)
    small = make(
        place.service,
        ProofCase.of(event, record),
        tmp_path / "small.html",
        without=frozenset({"confirmations"}),
    )
    assert small.report.verdict is Verdict.INDETERMINATE
    assert small.report.event is not None
    (absent,) = (
        finding for finding in small.report.event.findings if finding.code is Code.BUNDLE_MISSING
    )
    assert (absent.check, place.again in absent.detail) == ("confirmation 1", True)
    # These captures are made by hand: by the rules in them nothing follows, and no pack is kept.
    by = Rederivation(
        rules=place.service.rules,
        assessor_of=wiring.assessor,
        decide=lambda url: decide(load("default")),
    )
    judging = replace(place.service, judge=judge_by_rules(place.trust, by))
    with pytest.raises(
        EvidenceInvalid, match=("was deleted, because its verification failed: the event states")
    ):
        make(judging, ProofCase.of(event, record), tmp_path / "none.html")
    assert not (tmp_path / "none.html").exists()
    other = replace(event, first_gone=replace(gone, sha256="0" * 64))
    with pytest.raises(
        EvidenceInvalid, match="in the store differs from the digest that the event states"
    ):
        make(place.service, ProofCase.of(other, record), tmp_path / "q.html")


def test_what_is_left_out_is_named_and_counted(
    place: Place, made: WrittenPack, tmp_path: Path
) -> None:
    small = make(
        place.service,
        place.case,
        tmp_path / "p.html",
        without=frozenset({"confirmations", "controls"}),
    )
    page = small.file.read_bytes()[: small.manifest.page.length].decode()

    assert [part.role for part in small.manifest.captures] == ["last-seen", "first-gone"]
    assert small.manifest.lacks == ("confirmations", "controls", "pdf")
    assert f"{place.again}</code>, not in this file" in page
    assert small.length < made.length


@pytest.mark.parametrize("below", [2_000, 200_000])
def test_a_pack_that_is_too_large_is_not_left_there(
    place: Place, made: WrittenPack, tmp_path: Path, below: int
) -> None:
    """Whether that shows before anything is drawn, or only when all of it is written."""
    target = tmp_path / "p.html"
    target.write_text("what was there before")

    with pytest.raises(SnapshotterError, match=r"at most 0\.[0-9] MB are allowed") as caught:
        make(place.service, place.case, target, max_bytes=made.length - below)

    assert (
        caught.value.hint == "make a smaller pack with --without confirmations --without controls"
    )
    assert target.read_text() == "what was there before"
    assert os.listdir(tmp_path) == ["p.html"]


def test_more_parts_than_a_pack_has_is_a_sentence(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack, "MAX_PARTS", 6)

    with pytest.raises(SnapshotterError, match="would have 8 parts, but at most 6 are possible"):
        make(place.service, place.case, tmp_path / "p.html")
    assert os.listdir(tmp_path) == []


def test_without_a_browser_the_pack_has_no_pdf_and_says_so(place: Place, tmp_path: Path) -> None:
    said: list[str] = []

    def printer(html: str, beside: Path, at: datetime) -> bytes:
        return print_pdf(
            html, beside, at=at, clock=RealClock(), executable=tmp_path / "no" / "chromium"
        )

    case = ProofCase(captures=place.case.captures[:2])
    made = make(
        replace(place.service, printer=printer, show_message=said.append), case, tmp_path / "p.html"
    )

    assert made.manifest.lacks == ("pdf",)
    assert "the proof pack has no PDF: the browser " in said[-1]
    assert b"Left out of this file: pdf." in made.file.read_bytes()


def test_a_printer_gives_a_pdf_and_one_that_fails_is_told_of(place: Place, tmp_path: Path) -> None:
    said: list[str] = []
    sheets: list[str] = []

    def printed(sheet: str, beside: Path, at: object) -> bytes:
        sheets.append(sheet)
        return b"%PDF-1.4"

    def down(sheet: str, beside: Path, at: object) -> bytes:
        raise ServiceUnavailable("no Chromium was found")

    good = make(replace(place.service, printer=printed), place.case, tmp_path / "a.html")
    bad = make(
        replace(place.service, printer=down, show_message=said.append),
        place.case,
        tmp_path / "b.html",
    )

    assert part_of(good, Role.PDF) == b"%PDF-1.4"
    assert "data:image/png;base64," in sheets[0]
    listed = [part for part in good.manifest.parts if part.role not in (Role.PDF, Role.FACTS)]
    assert [part.name for part in listed if f"<code>{part.sha256}</code>" not in sheets[0]] == []
    assert (good.manifest.lacks, bad.manifest.lacks) == ((), ("pdf",))
    assert said == [
        "captures copied and verified: 4",
        "the proof pack has no PDF: no Chromium was found",
    ]


def test_no_proof_is_made_of_what_is_none(place: Place, tmp_path: Path) -> None:
    def refusal(
        *captures: tuple[Role, str], service: ProofService = place.service
    ) -> SnapshotterError:
        with pytest.raises(SnapshotterError) as caught:
            make(service, ProofCase(captures=captures), tmp_path / "p.html")
        assert os.listdir(tmp_path) == []
        return caught.value

    seen, gone = (Role.LAST_SEEN, place.seen), (Role.FIRST_GONE, place.gone)
    backwards = refusal((Role.LAST_SEEN, place.gone), (Role.FIRST_GONE, place.seen))
    assert "does not show that the page was available" in str(backwards)
    other = refusal((Role.LAST_SEEN, place.control), gone)
    assert "captures of two different pages" in str(other)
    missing = refusal(seen, (Role.FIRST_GONE, "20260101t000000z-aaaaaaaaaaaaaaaa"))
    assert "has no bundle" in str(missing)
    compromised = tuple(
        replace(key, revoked_at=RealClock().now() - timedelta(days=9), revoked_reason="compromised")
        for key in place.trust.keys
    )
    stolen = refusal(
        seen, gone, service=replace(place.service, trust=replace(place.trust, keys=compromised))
    )
    assert isinstance(stolen, EvidenceInvalid)
    assert stolen.hint.startswith("show what is wrong with the capture:\n  snapshotter verify ")


def test_a_capture_without_a_verdict_is_asked_for_again(place: Place, tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    old = observed.seal(
        tmp_path / "spool", RealClock().now() - timedelta(hours=1), None, signer=CAPTURER
    )
    observed.put(store, old)
    case = ProofCase(captures=((Role.LAST_SEEN, old.id), (Role.FIRST_GONE, old.id)))

    with pytest.raises(SnapshotterError, match="does not establish whether the page was available"):
        make(replace(place.service, store=store), case, tmp_path / "p.html")


def test_a_folder_that_is_not_there_is_a_sentence(place: Place, tmp_path: Path) -> None:
    with pytest.raises(SnapshotterError, match="No such file"):
        make(place.service, place.case, tmp_path / "none" / "p.html")
    assert proof_pack.format_megabytes(25_000_000) == "25.0 MB"
