"""What a capture shows is said in its bundle, and anybody comes to the same with that alone."""

import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typing_extensions import override

from snapshotter.app.archive import assessment
from snapshotter.app.archive.assessment import BundleFiles, page_of
from snapshotter.app.pipeline import run as pipeline
from snapshotter.app.pipeline.run import CaptureDependencies
from snapshotter.app.wiring import capture as wiring
from snapshotter.assess.qr import QrReadings, Shot, read_codes
from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.page import assessment as assessments
from snapshotter.formats.page import layout
from snapshotter.formats.page.layout import PageLayout
from snapshotter.model.assessment import (
    Assessment,
    Availability,
    ContentVerdict,
    FailedReading,
    TakedownVerdict,
)
from snapshotter.model.capture import Capture, Picture, PictureFile, PictureKind
from snapshotter.model.finding import Verdict
from snapshotter.model.page import Block, Box, Page
from snapshotter.model.request import CaptureRequest, Decision, ReadingRules, VerdictRules
from snapshotter.policy.site_readings import shipped_sites
from snapshotter.site.pictures import SHORT_LINK, qr_code
from tests import bundles
from tests.fakes.capturer import FakeCapturer
from tests.tools import ROOT
from tests.unit.app.archive.test_network_record import OK, URL, Recorded
from tests.unit.app.pipeline.test_run import world

NOTICE = "该内容已被发布者删除"
RULES = f"""\
schema = "snapshotter/takedown-rules@1"
id = "test"
version = "2026.11.1"
hosts = ["example.test"]
normalise = "zh-notice"
reason = "a rule that a test can change"

[[content]]
id = "t-content"
reason = "whatever else there is"
any = ["body"]
min_text = 1
last = true

[[notice]]
id = "t-01"
reason = "one sentence"
cause = "author"
grade = "A"
select = "h2"
equals = ["{NOTICE}"]
"""
ELSEWHERE = RULES.replace('"test"', '"other"').replace("example.test", "other.test")
HTML = f"<!DOCTYPE html><html><head></head><body><h2>{NOTICE}</h2></body></html>"
BOX = Box(left=0, top=0, width=9, height=9)
BLOCKS = (Block(selector="html > body > h2:nth-child(1)", tag="h2", text=NOTICE, box=BOX),)


class Broken:
    """An assessor that a page broke."""

    def __init__(self, decision: Decision) -> None:
        """Take any."""

    def judge(self, page: Page) -> tuple[ContentVerdict, TakedownVerdict]:
        raise NotImplementedError  # a sealed assessment never calls this

    def assess(self, page: Page) -> Assessment:
        raise RecursionError("maximum recursion depth exceeded")

    def prepare(self, page: Page) -> None:
        raise NotImplementedError  # nor this


def decision(rules: str = RULES) -> Decision:
    return replace(
        bundles.decision(require_timestamps=0),
        verdict=VerdictRules(
            rules=("other", "test"), rule_texts=(("other", ELSEWHERE), ("test", rules))
        ),
        readings=ReadingRules(
            sites=shipped_sites().sites,
            rules=((shipped_sites().file.id, shipped_sites().text),),
            files=(shipped_sites().file,),
        ),
    )


def here(folder: Path, assessor: assessment.AssessorOf = wiring.assessor) -> CaptureDependencies:
    made = world(folder)
    contents = {
        **bundles.CONTENTS,
        layout.PATH: layout.encode(PageLayout(blocks=BLOCKS, whole=True)),
        "capture/page.txt": f"{NOTICE}\n".encode(),
        "capture/dom.html": HTML.encode(),
    }
    return replace(made, assessor=assessor, capturer=FakeCapturer(made.clock, contents=contents))


def run(folder: Path, assessor: assessment.AssessorOf = wiring.assessor) -> pipeline.CaptureResult:
    return pipeline.run(
        CaptureRequest(url=bundles.URL), decision(), here(folder, assessor), lambda *_: None
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> pipeline.CaptureResult:
    """One capture of a page with a notice, sealed and stored."""
    return run(tmp_path_factory.mktemp("assessed"))


def test_a_bundle_says_what_its_page_shows_and_both_verifiers_pass_it(
    done: pipeline.CaptureResult, tmp_path: Path
) -> None:
    members = bundles.unpack(Path(done.location).read_bytes())

    assert done.assessment is not None
    assert done.assessment.takedown.availability is Availability.UNAVAILABLE
    assert assessments.parse(members[assessments.PATH]) == done.assessment
    assert done.assessment.takedown.rule == "t-01"
    assert members["capture/rules-test.toml"] == RULES.encode()
    assert "capture/rules-other.toml" not in members  # of other hosts
    assert done.report.verdict is not Verdict.FAILED
    settings = canonical_json.loads(members["capture/capture.json"])["how"]["settings"]
    assert settings["verdict"] == {
        "main_characters": 0, "main_regions": [], "reloads": 1, "rules": ["other", "test"],
        "wall_grace_ms": 8000,
    }  # fmt: skip
    assert settings["readings"] == {"counts": True, "dates": True, "links": True, "qr": True}
    assert settings["light"] is False
    stranger = ROOT / "tests" / "vectors" / "trust"  # who does not know the key
    by_hand = subprocess.run(
        [
            *(sys.executable, ROOT / "scripts" / "verify_minimal.py", done.location),
            *("--trust", stranger / "trust.json"),
            *("--root-key", (stranger / "root-key-id.txt").read_text().strip()),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (by_hand.returncode, by_hand.stderr) == (11, "")
    assert "  BAD" not in by_hand.stdout
    assert "KEY_UNKNOWN" in by_hand.stdout


def test_the_bundle_alone_gives_the_same_assessment_to_the_byte(
    done: pipeline.CaptureResult,
) -> None:
    with Path(done.location).open("rb") as stream:
        again = assessment.rederive(BundleFiles(stream), wiring.assessor)

    assert again.stored == again.again
    assert again.assessment == done.assessment


def test_a_bundle_from_before_a_field_was_there_gives_the_same_assessment(
    done: pipeline.CaptureResult,
) -> None:
    members = bundles.unpack(Path(done.location).read_bytes())
    said = json.loads(members[assessments.PATH])
    del said["takedown"]["convention"]
    members[assessments.PATH] = canonical_json.dumps(said)
    again = assessment.rederive(Unpacked(members), wiring.assessor)

    assert again.stored != again.again
    assert again.is_same
    said["takedown"]["detail"] = "something else"
    members[assessments.PATH] = canonical_json.dumps(said)
    assert not assessment.rederive(Unpacked(members), wiring.assessor).is_same
    members[assessments.PATH] = b"junk"
    assert not assessment.rederive(Unpacked(members), wiring.assessor).is_same


def test_other_rules_in_the_bundle_give_another_assessment(done: pipeline.CaptureResult) -> None:
    members = bundles.unpack(Path(done.location).read_bytes())
    members["capture/rules-test.toml"] = RULES.replace(NOTICE, "另一句话").encode()

    again = assessment.rederive(Unpacked(members), wiring.assessor)

    assert not again.is_same
    assert again.assessment.takedown.availability is Availability.AVAILABLE


def test_another_text_on_the_page_gives_another_assessment(done: pipeline.CaptureResult) -> None:
    members = bundles.unpack(Path(done.location).read_bytes())
    blocks = (replace(BLOCKS[0], text="一篇文章"),)
    members["capture/dom.html"] = HTML.replace(NOTICE, "一篇文章").encode()
    members[layout.PATH] = layout.encode(PageLayout(blocks=blocks, whole=True))

    assert not assessment.rederive(Unpacked(members), wiring.assessor).is_same


def test_a_page_that_breaks_its_assessor_costs_the_capture_nothing_but_that(
    tmp_path: Path,
) -> None:
    done = run(tmp_path, Broken)

    members = bundles.unpack(Path(done.location).read_bytes())
    assert done.assessment is None
    assert assessments.PATH not in members
    warnings = json.loads(members["capture/capture.json"])["outcome"]["warnings"]
    assert {"code": "assessment-failed",
            "detail": "RecursionError: maximum recursion depth exceeded"} in warnings  # fmt: skip
    with Path(done.location).open("rb") as stream, pytest.raises(EvidenceInvalid, match="no capt"):
        assessment.rederive(BundleFiles(stream), wiring.assessor)


class Unpacked:
    """Files of a bundle that somebody may have changed."""

    def __init__(self, members: Mapping[str, bytes]) -> None:
        self._members = members

    def names(self) -> list[str]:
        return list(self._members)

    def open(self, path: str) -> io.BytesIO | None:
        return io.BytesIO(self._members[path]) if path in self._members else None


def recorded(**changes: object) -> tuple[dict[str, object], Unpacked]:
    """Return a record of a page that went on twice, the second time because we asked again."""
    network = Recorded()
    for number, words in enumerate((b"empty", b"article", b"notice")):
        network.add(OK % b"", words, connection=f"{number}/0")
    documents = [
        {"at_ms": 1_000 + number, "connection": f"{number}/0", "status": 200, "url": URL}
        for number in range(3)
    ]
    hop = {"at": "1970-01-01T00:00:01Z", "from_url": URL, "to_url": URL, "status": None}
    record: dict[str, object] = {
        "content": {"images": {}, "pictures": []},
        "from_whom": {
            "headers": [["X-A", "1"], ["Content-Type", "Text/HTML; charset=utf-8"], ["x-a", "2"]],
            "status": 200,
            "url": URL,
        },
        "how": {"settings": {"locale": "zh-CN"}},
        "outcome": {"reasons": [], "state": "complete"},
        "what": {
            "documents": documents,
            "final_url": URL,
            "http_status": 200,
            "redirects": [
                {**hop, "at_ms": 1_001, "kind": "reload"},
                {**hop, "at_ms": 1_002, "kind": "client"},
            ],
            "requested_url": URL,
        },
        "when": {"navigation_ended_at_ms": None, "started_at_ms": 1_005, "timezone": "UTC"},
        **changes,
    }
    files = Unpacked(
        {"archive/data.warc.gz": network.warc.getvalue(), "indexes/index.cdx": network.index}
    )
    return record, files


def test_a_page_is_the_document_received_last_and_those_it_went_on_from_by_itself() -> None:
    page = page_of(*recorded())

    assert (page.raw, page.raw_before) == (b"notice", (b"article",))
    assert page.media_type == "text/html"
    assert page.headers["x-a"] == "1, 2"
    assert [redirect.kind for redirect in page.redirects] == ["reload", "client"]
    assert page.captured_at.timestamp() == pytest.approx(1.005)
    assert (page.failure, page.html, page.text, page.blocks) == ("", "", "", ())


def test_a_page_that_did_not_come_says_why() -> None:
    reasons = [{"code": "dns", "detail": "no such name"}]

    page = page_of(*recorded(from_whom=None, outcome={"reasons": reasons, "state": "failed"}))

    assert (page.failure, page.raw, page.raw_before, page.headers) == ("dns", b"", (), {})


@pytest.mark.parametrize("name", ["what", "when", "content", "outcome", "how"])
@pytest.mark.parametrize("value", [None, {}, [], "text", 7])
def test_a_record_that_a_stranger_wrote_is_refused_with_a_word(name: str, value: object) -> None:
    record, files = recorded(**{name: value})

    with pytest.raises(EvidenceInvalid):
        page_of(record, files)


def pictured(**page: object) -> tuple[dict[str, object], Unpacked]:
    """Return a record of a page that is photographed in two files, the second with a code."""

    def drawn(height: int, top: int | None) -> bytes:
        image = Image.new("RGB", (600, height), "white")
        if top is not None:
            image.paste(Image.open(io.BytesIO(qr_code())).convert("RGB"), (30, top))
        stream = io.BytesIO()
        image.save(stream, "PNG")
        return stream.getvalue()

    pictures = [
        {
            "files": [{"path": path, "top_px": top} for path, top in files],
            "kind": kind, "left_px": 0, "scale": 1, "subject": "", "viewport": "default", **page,
        }
        for kind, files in (
            ("viewport", [("capture/viewport.png", 0)]),
            ("page", [("capture/screenshot.png", 0), ("capture/screenshot-2.png", 400)]),
        )
    ]  # fmt: skip
    record, _ = recorded(content={"images": {}, "pictures": pictures})
    files = {
        "capture/viewport.png": drawn(300, 20),
        "capture/screenshot.png": drawn(400, None),
        "capture/screenshot-2.png": drawn(400, 100),
    }
    return record, Unpacked(files)


def test_codes_are_read_from_the_whole_pages_picture_where_they_stand_on_the_page() -> None:
    record, files = pictured()

    (code,) = assessment.assess(record, files, decision(), wiring.assessor).readings.qr_codes

    assert (code.text, code.picture) == (SHORT_LINK, "capture/screenshot-2.png")
    assert code.box.top == pytest.approx(524, abs=8)


SCREENSHOT = "capture/screenshot.png"


def whole_page(*, top_px: int = 0) -> Picture:
    """Return the picture of a whole page of 600 x 400 CSS pixels, in one file."""
    file = PictureFile(
        path=SCREENSHOT, top_px=top_px, bottom_px=400, width=600, height=400, tiles=()
    )
    return Picture(
        kind=PictureKind.PAGE, subject="", viewport="default", viewport_px=(600, 300), scale=1,
        mobile=False, left_px=0, top_px=0, width_px=600, height_px=400, captured_width_px=600,
        captured_height_px=400, heights_px=(400,), overlap_px=0, truncated_at=None, reason=None,
        files=(file,),
    )  # fmt: skip


def drawn(left: int) -> bytes:
    """Return a picture of such a page with a code."""
    image = Image.new("RGB", (600, 400), "white")
    image.paste(Image.open(io.BytesIO(qr_code())).convert("RGB"), (left, 50))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


class Photographing(FakeCapturer):
    """
    A capturer whose page shows a code.

    Args:
        early: The pictures that are reported early, with their files: one of the same path is
            written in the place of the one before.
        final: The picture of the capture, and its file.
    """

    def __init__(
        self, early: Sequence[tuple[Picture, bytes]], final: tuple[Picture, bytes]
    ) -> None:
        self._early, self._final = early, final
        super().__init__(bundles.RealClock(), contents={**bundles.CONTENTS, SCREENSHOT: final[1]})

    @override
    def capture(self, *arguments: Any, picture_reader: Any = None, **more: Any) -> Capture:
        made = super().capture(*arguments, **more)
        shot = next(artifact for artifact in made.artifacts if artifact.path == SCREENSHOT)
        others = [artifact for artifact in made.artifacts if artifact.path != SCREENSHOT]
        early = shot.file.with_name("early.png")
        for picture, data in self._early:
            early.unlink(missing_ok=True)
            early.write_bytes(data)
            digests = digest_bytes(data)
            picture_reader().taken(
                (picture,), (*others, replace(shot, file=early, digests=digests))
            )
        early.unlink()
        return replace(made, pictures=(self._final[0],))


@pytest.mark.parametrize(
    ("early", "searches"),
    [
        ([(whole_page(), drawn(30))], 1),
        ([(whole_page(), drawn(30))] * 2, 1),  # they are reported again when the page has ended
        ([(whole_page(), drawn(200)), (whole_page(), drawn(30))], 2),
        ([(whole_page(), drawn(200))], 2),  # the page was photographed again
        ([(whole_page(top_px=10), drawn(30))], 2),
        ([(replace(whole_page(), subject="before-change"), drawn(30))], 2),
    ],
    ids=["same", "twice", "taken again", "other file", "other place", "other picture"],
)
def test_codes_that_were_searched_early_count_only_for_the_same_pictures(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    early: Sequence[tuple[Picture, bytes]],
    searches: int,
) -> None:
    searched: list[None] = []

    def counting(shots: Iterable[Shot]) -> QrReadings:
        searched.append(None)
        return read_codes(shots)

    monkeypatch.setattr("snapshotter.app.archive.assessment.read_codes", counting)
    dependencies = replace(here(tmp_path), capturer=Photographing(early, (whole_page(), drawn(30))))
    done = pipeline.run(CaptureRequest(url=bundles.URL), decision(), dependencies, lambda *_: None)

    assert done.assessment is not None
    (code,) = done.assessment.readings.qr_codes
    assert (code.text, code.picture) == (SHORT_LINK, SCREENSHOT)
    assert code.image_sha256 == hashlib.sha256(drawn(30)).hexdigest()
    assert len(searched) == searches
    with Path(done.location).open("rb") as stream:
        again = assessment.rederive(BundleFiles(stream), wiring.assessor)
    assert again.stored == again.again


def test_no_codes_are_searched_early_where_the_policy_asks_for_none(tmp_path: Path) -> None:
    class Asked(FakeCapturer):
        @override
        def capture(self, *arguments: Any, picture_reader: Any = None, **more: Any) -> Capture:
            asked.append(picture_reader)
            return super().capture(*arguments, **more)

    asked: list[object] = []
    dependencies = replace(here(tmp_path), capturer=Asked(bundles.RealClock()))
    without = replace(decision(), readings=replace(decision().readings, qr=False))
    pipeline.run(CaptureRequest(url=bundles.URL), without, dependencies, lambda *_: None)

    assert asked == [None]


@pytest.mark.parametrize(
    ("reading", "broken"),
    [
        ("qr_codes", "snapshotter.app.archive.assessment.read_codes"),
        ("counts", "snapshotter.assess.readings.read_counts"),
        ("dates", "snapshotter.assess.readings.read_dates"),
        ("metadata", "snapshotter.assess.readings.read_metadata"),
        ("regions", "snapshotter.assess.readings.read_regions"),
        ("kind", "snapshotter.assess.assessor.content_kind"),
    ],
)
def test_a_page_that_breaks_one_reading_costs_neither_the_verdict_nor_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reading: str, broken: str
) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise RecursionError("maximum recursion depth exceeded")

    whole = run(tmp_path / "whole")
    with monkeypatch.context() as patched:
        patched.setattr(broken, breaks)
        done = run(tmp_path / "broken")

    assert done.assessment is not None
    assert whole.assessment is not None
    assert done.assessment.takedown.availability is whole.assessment.takedown.availability
    assert done.assessment.unread == (FailedReading(reading=reading, why="RecursionError"),)
    members = bundles.unpack(Path(done.location).read_bytes())
    assert assessments.parse(members[assessments.PATH]) == done.assessment
    warnings = json.loads(members["capture/capture.json"])["outcome"]["warnings"]
    detail = f"these readings failed: {reading} (RecursionError)"
    assert {"code": "assessment-incomplete", "detail": detail} in warnings
    # Who can make the reading comes to the same in all else.
    again = assessment.rederive(Unpacked(members), wiring.assessor)
    assert again.is_same
    said = json.loads(members[assessments.PATH])
    said["takedown"]["notice"] = "something else"
    members[assessments.PATH] = canonical_json.dumps(said)
    assert not assessment.rederive(Unpacked(members), wiring.assessor).is_same


def test_an_assessment_of_which_all_was_read_has_no_new_key(done: pipeline.CaptureResult) -> None:
    """Versions from before the key read the file as they did."""
    members = bundles.unpack(Path(done.location).read_bytes())

    assert "unread" not in json.loads(members[assessments.PATH])


def test_no_code_is_read_where_the_policy_does_not_ask_for_it() -> None:
    quiet = replace(decision(), readings=ReadingRules(qr=False))

    assert assessment.assess(*pictured(), quiet, wiring.assessor).readings.qr_codes == ()


@pytest.mark.parametrize("page", [{"scale": "x"}, {"left_px": None}, {"files": 7}, {"files": [7]}])
def test_a_picture_of_a_record_that_a_stranger_wrote_is_refused_with_a_word(
    page: dict[str, object],
) -> None:
    with pytest.raises(EvidenceInvalid):
        assessment.assess(*pictured(**page), decision(), wiring.assessor)
