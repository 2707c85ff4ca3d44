"""`capture/assessment.json` and the names of the files of rules beside it."""

import pytest

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.page import assessment
from snapshotter.model.assessment import (
    Assessment,
    Availability,
    Cause,
    Content,
    ContentVerdict,
    Evidence,
    RuleFile,
    Step,
    TakedownVerdict,
)
from snapshotter.model.page import Box

EVIDENCE = Evidence(
    rule="wx-01",
    rules="wechat",
    step=Step.NOTICE,
    region="html > body > div:nth-child(1)",
    excerpt="该内容已被发布者删除",
    box=Box(left=1, top=2, width=3, height=4),
    picture="capture/viewport.png",
)
FOUND = Assessment(
    content=ContentVerdict(kind=Content.NOTICE, detail="a notice", evidence=(EVIDENCE,)),
    takedown=TakedownVerdict(
        availability=Availability.UNAVAILABLE,
        detail="deleted by its author",
        cause=Cause.AUTHOR,
        gloss=(("en", "This content has been deleted by the author"),),
        evidence=(EVIDENCE,),
    ),
    rule_files=(RuleFile(id="wechat", version="2026.11.1", sha256="0" * 64),),
)


def test_an_assessment_is_read_as_it_was_written() -> None:
    data = assessment.encode(FOUND)

    assert assessment.parse(data) == FOUND
    assert data.startswith(b'{"content":{"detail":"a notice"')


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b"[]",
        b"no JSON",
        assessment.encode(FOUND) + b"\n",
        assessment.encode(FOUND).replace(b'"unavailable"', b'"gone"'),
        b"[" + b"0," * 200_000 + b"0]",
    ],
)
def test_what_is_no_assessment_is_refused(data: bytes) -> None:
    with pytest.raises(EvidenceInvalid):
        assessment.parse(data)


def test_files_of_rules_are_found_by_their_names() -> None:
    path = assessment.rules_path("wechat")

    found = assessment.rules_in([path, "capture/rules-.toml", "capture/policy.toml"])

    assert found == {"wechat": "capture/rules-wechat.toml"}
    for bad in ("", "../x", "We", "a" * 41, "a/b"):
        with pytest.raises(ValueError, match="not the id of a rule file"):
            assessment.rules_path(bad)
