"""
Sealed bundles with verdicts in them, without a browser: a page that is there, and is gone.

The captures and the verdicts are hand-made, the sealer, the keys and the store are real.
"""

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from snapshotter.app.archive import assessment
from snapshotter.app.wiring import capture as wiring
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.page import assessment as assessments
from snapshotter.model.assessment import (
    AccountState,
    Assessment,
    Availability,
    Cause,
    Content,
    ContentVerdict,
    Evidence,
    Step,
    TakedownVerdict,
    Undecided,
    WallKind,
)
from snapshotter.model.bundle import Bundle
from snapshotter.model.capture import Capture
from snapshotter.model.network import NetworkPath
from snapshotter.model.request import Decision
from snapshotter.policy.capture_decision import decide
from snapshotter.policy.load import load
from snapshotter.ports import ObjectStore, Signer, TimestampAuthority
from snapshotter.seal import sealer
from snapshotter.site import rendered_pages
from snapshotter.site.catalogue import render
from snapshotter.site.state import SiteState
from tests import bundles
from tests.fakes.world import FixedClock

T0 = datetime(2026, 5, 27, 8, 0, tzinfo=UTC)
BIZ = "MzA5MTAxMjEzMA=="
ARTICLE = f"http://mp.weixin.qq.com/s?__biz={BIZ}&mid=2653001234&idx=1&sn=a1"
IDENTITY = f"wechat:{BIZ}/2653001234/1"
ACCOUNT = f"wechat:{BIZ}"
OTHER = "http://mp.weixin.qq.com/s?__biz=MzA5MTAxMjEzMQ==&mid=2653009999&idx=1&sn=b2"  # a control
NOTICE = "该内容已被发布者删除"


def at(minutes: float) -> datetime:
    """Return the moment so long after the first."""
    return T0 + timedelta(minutes=minutes)


def available(*, identity: str = "", main: str = "words", **more: object) -> Assessment:
    """Return what is said of a page that is there."""
    return Assessment(
        content=ContentVerdict(kind=Content.CONTENT, detail="it is there"),
        takedown=replace(
            TakedownVerdict(availability=Availability.AVAILABLE, detail="it is there"),
            **more,  # type: ignore[arg-type]  # what a test wants otherwise
        ),
        identity=identity,
        main_sha256=hashlib.sha256(main.encode()).hexdigest(),
    )


def gone(cause: Cause = Cause.AUTHOR, *, rule: str = "wx-01", **more: object) -> Assessment:
    """Return what is said of a page with a notice in its place."""
    verdict = TakedownVerdict(
        availability=Availability.UNAVAILABLE,
        detail="a notice says so",
        cause=cause,
        rule=rule,
        rules="wechat",
        grade="A",
        notice=NOTICE,
    )
    return Assessment(
        content=ContentVerdict(kind=Content.NOTICE, detail="a notice"),
        takedown=replace(verdict, **more),  # type: ignore[arg-type]  # what a test wants otherwise
    )


def wall(kind: WallKind = WallKind.VERIFICATION) -> Assessment:
    """Return what is said of a page that stands behind a wall."""
    return Assessment(
        content=ContentVerdict(kind=Content.WALL, detail="a wall"),
        takedown=TakedownVerdict(
            availability=Availability.INCONCLUSIVE,
            detail="a wall",
            undecided=Undecided.WALL,
            wall=kind,
        ),
    )


def frozen(state: str = "frozen", account: str = ACCOUNT) -> AccountState:
    """Return what a page says of the account behind it."""
    return AccountState(
        state=state,
        text="该帐号已冻结",
        evidence=Evidence(rule="wx-18", rules="wechat", step=Step.NOTICE),
        account=account,
    )


def seal(
    folder: Path,
    when: datetime,
    assessed: Assessment | None,
    *,
    url: str = ARTICLE,
    final_url: str = "",
    signer: Signer,
    authorities: tuple[TimestampAuthority, ...] = (),
    contents: Mapping[str, bytes] = bundles.CONTENTS,
    network: NetworkPath | None = None,
    log_checkpoint: str = "",
) -> Bundle:
    """Return a sealed bundle of a capture that ended then and shows that."""
    folder.mkdir(parents=True, exist_ok=True)
    spool = Path(tempfile.mkdtemp(dir=folder))
    told = {} if assessed is None else {assessments.PATH: assessments.encode(assessed)}
    made = bundles.capture(spool, at=when, contents={**contents, **told})
    made = replace(made, requested_url=url, final_url=final_url or url, network=network)
    decision = bundles.decision(require_timestamps=len(authorities))
    clock = FixedClock(when)
    return sealed(made, decision, spool, signer, authorities, clock, log_checkpoint)


def put(store: ObjectStore, made: Bundle) -> str:
    """Store a bundle; return its key."""
    key = store_keys.bundle_key(made.id)
    store.put_new(key, made.file, made.digests.sha256)
    return key


def shoot(
    folder: Path,
    when: datetime,
    state: SiteState,
    url: str,
    *,
    signer: Signer,
    authorities: tuple[TimestampAuthority, ...] = (),
    rules: Mapping[str, str] | None = None,
    light: bool = False,
    allow_networks: tuple[str, ...] = (),
) -> Bundle:
    """
    Return a sealed bundle of a page of the fixture site as it stands then, judged by our rules.

    Args:
        rules: Files of rules, by id, in the place of those that are shipped.
    """
    now = state.until(when)
    parts = urlsplit(url)
    answer = render(f"{parts.path}?{parts.query}", now, authority=parts.netloc)
    page = rendered_pages.page_from_response(answer, url, state=now)
    folder.mkdir(parents=True, exist_ok=True)
    spool = Path(tempfile.mkdtemp(dir=folder))
    contents = {"capture/dom.html": page.html.encode(), "capture/page.txt": page.text.encode()}
    made = bundles.capture(spool, at=when, contents={**bundles.CONTENTS, **contents})
    assert made.response is not None
    response = replace(made.response, url=url, status=answer.status, headers=answer.headers)
    made = replace(
        made, requested_url=url, final_url=url, response=response, images=page.images, title=""
    )
    decision = decide(load("wechat-article"))
    texts = tuple(dict(decision.verdict.rule_texts, **(rules or {})).items())
    decision = replace(
        decision,
        verdict=replace(decision.verdict, rule_texts=texts),
        require_timestamps=len(authorities),
        require_log=False,
        light=light,
        allow_networks=allow_networks,
    )
    clock = FixedClock(when)
    made, found = assessment.with_assessment(
        made, decision, wiring.assessor, spool=spool, clock=clock
    )
    assert found is not None, made.warnings
    return sealed(made, decision, spool, signer, authorities, clock)


def sealed(
    made: Capture,
    decision: Decision,
    spool: Path,
    signer: Signer,
    authorities: tuple[TimestampAuthority, ...],
    clock: FixedClock,
    log_checkpoint: str = "",
) -> Bundle:
    """Return a capture as a sealed bundle, whose id is made of its address and its time."""
    told = f"{made.requested_url} {clock.now().isoformat()}"
    name = hashlib.sha256(told.encode()).hexdigest()[:16]
    letters = name.translate(str.maketrans("0189", "ghij"))
    return sealer.seal(
        made,
        decision,
        sealer.SealDependencies(
            signer=signer,
            cosigners=(),
            authorities=authorities,
            timestamp_timeout_s=30,
            clock=clock,
            software=bundles.SOFTWARE,
        ),
        bundle_id=f"{made.started_at:%Y%m%dt%H%M%Sz}-{letters}",
        salt_key=bundles.SALT_KEY,
        spool=spool,
        progress=lambda stage, detail: None,
        log_checkpoint=log_checkpoint,
    )
