"""Statements without captures: what a page of a pack is made of, hostile where a page could be."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from snapshotter.model.assessment import (
    Assessment,
    Availability,
    Cause,
    Content,
    ContentVerdict,
    RuleFile,
    TakedownVerdict,
)
from snapshotter.model.finding import Verdict
from snapshotter.model.proof import Role
from snapshotter.model.takedown import Observation, Takedown, TakedownKind
from snapshotter.report.statement import CaptureToken, Exhibit, Statement

AT = datetime(2026, 11, 27, 14, 5, 12, tzinfo=UTC)
NOTICE = "该内容已被发布者删除"
GLOSS = "This content has been deleted by the publisher"
CITED = "《互联网用户公众账号信息服务管理规定》"
SEEN = "20261127t140512z-aaaaaaaaaaaaaaaa"
GONE = "20261127t143140z-bbbbbbbbbbbbbbbb"
EVENT = "20261127t145000z-cccccccccccccccc"


def record(*, title: str = "一篇文章", timezone: str = "Asia/Shanghai") -> dict[str, Any]:
    """Return a capture record in which each field is to be seen again."""
    return {
        "content": {
            "artifacts": [{"length": 9, "path": "capture/dom.html", "sha256": "d1", "step": "dom"}],
            "images": {"loaded": 3, "wanted": 4},
            "missing_parts": ["one image"],
            "requests": {"blocked": 2},
            "text_characters": 4711,
        },
        "court_minimum": {"line": "court minimum: YES"},
        "from_whom": {
            "protocol": "h2",
            "remote_ip": "203.0.113.7",
            "tls": {"chain": [{"sha256": "ce57"}], "protocol": "TLS 1.3"},
        },
        "how": {
            "environment": {"browser_product": "Chrome/156", "user_agent": "Agent/1"},
            "policy": {"name": "wechat-article", "sha256": "9011c7"},
            "settings": {"locale": "zh-CN", "scale": 1, "viewport_px": [1440, 900]},
        },
        "limits": ["It does not say who wrote it."],
        "outcome": {"state": "complete"},
        "redactions": [{"count": 1, "name": "cookie", "place": "headers"}],
        "signers": [{"key_id": "5161"}],
        "software": "snapshotter 0",
        "what": {"final_url": "http://x.test/", "http_status": 200, "title": title},
        "when": {"http_date": "Fri, 27 Nov 2026 14:05:12 GMT", "timezone": timezone},
        "who": {"mode": "local", "network": {"enforced": True}, "network_path": "direct"},
    }


def observation(**changes: Any) -> Observation:
    """Return a capture that shows the page."""
    made = Observation(
        bundle_id=SEEN,
        sha256="5" * 64,
        identity="wechat:a/1/1",
        url="http://mp.weixin.qq.com/s?a=1",
        at=AT + timedelta(seconds=3),
        began_at=AT,
        content=Content.CONTENT,
        availability=Availability.AVAILABLE,
        key_id="c" * 64,
    )
    return replace(made, **changes)


def gone(**changes: Any) -> Observation:
    """Return a capture that does not."""
    return observation(
        **{
            "bundle_id": GONE,
            "at": AT + timedelta(minutes=26, seconds=31),
            "began_at": AT + timedelta(minutes=26, seconds=28),
            "content": Content.NOTICE,
            "availability": Availability.UNAVAILABLE,
            "cause": Cause.AUTHOR,
            "rule": "wx-01",
            "notice": NOTICE,
            "cited_rule": CITED,
            "rule_files": (RuleFile(id="wechat", version="2026.11.1", sha256="7" * 64),),
            **changes,
        }
    )


def assessment(observation: Observation) -> Assessment:
    return Assessment(
        content=ContentVerdict(kind=observation.content, detail=""),
        takedown=TakedownVerdict(
            availability=observation.availability,
            detail="",
            cause=observation.cause,
            rule=observation.rule,
            rules="wechat",
            grade="A",
            notice=observation.notice,
            notice_detail="由用户投诉",
            gloss=(("en", GLOSS),),
        ),
    )


def exhibit(role: Role, observation: Observation, **changes: Any) -> Exhibit:
    made = Exhibit(
        role=role,
        observation=observation,
        record=record(),
        assessment=assessment(observation),
        stamps=(CaptureToken(authority="Authority A", at=observation.at + timedelta(seconds=4)),),
        verdict=Verdict.PASSED,
        logged=True,
        excerpt="正文第一段",
    )
    return replace(made, **changes)


def statement(**changes: Any) -> Statement:
    """Return the statement of a removal with a confirmation and a control."""
    seen, first = observation(), gone()
    again = gone(bundle_id="20261127t145000z-dddddddddddddddd", at=AT + timedelta(minutes=45))
    control = observation(
        bundle_id="20261127t144000z-eeeeeeeeeeeeeeee", url="http://mp.weixin.qq.com/s?b=2"
    )
    made = Statement(
        exhibits=(
            exhibit(Role.LAST_SEEN, seen),
            exhibit(Role.FIRST_GONE, first),
            exhibit(Role.CONFIRMATION, again),
            exhibit(Role.CONTROL, control),
        ),
        event=Takedown(
            event_id=EVENT,
            kind=TakedownKind.REMOVED,
            at=AT + timedelta(minutes=45),
            identity=seen.identity,
            url=seen.url,
            last_seen=seen,
            first_gone=first,
            confirmations=(again,),
            controls=(control,),
        ),
        kind=TakedownKind.REMOVED,
        made_at=AT + timedelta(hours=1),
        software="snapshotter 0.0.0-test",
        key_id="e" * 64,
        root_key_id="f" * 64,
    )
    return replace(made, **changes)
