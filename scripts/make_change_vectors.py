"""
Write the test vectors of change events anew (tests/vectors/change).

    .venv/bin/python scripts/make_change_vectors.py

One set of captures, and records about them: one that follows from the captures, and one for each
way to state something else. What is committed shows that a later version still derives what this
version derived: never write it again for a change of the derivation, which needs a new `method`.
Keys are made here and thrown away.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.make_vectors import FAILED, INDETERMINATE, PASSED, Workshop
from snapshotter.app.archive.assessment import BundleFiles, rederive
from snapshotter.app.archive.comparison import NamedBundle
from snapshotter.app.archive.observations import observe
from snapshotter.app.takedown.change_derivation import ShownCapture, compare_ends
from snapshotter.app.takedown.rederivation import Rederivation
from snapshotter.app.wiring import capture as wiring
from snapshotter.assess.change_events import conclude_change
from snapshotter.assess.takedown_events import event_id
from snapshotter.formats.signatures import keys, signed_statement
from snapshotter.formats.statements import takedown
from snapshotter.model.change import Change, DerivedChange
from snapshotter.model.comparison import Op
from snapshotter.model.takedown import Takedown
from snapshotter.policy import page_identity
from snapshotter.policy.capture_decision import decide
from snapshotter.policy.load import load
from snapshotter.seal.signer import FileSigner
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.trust import own_trust
from tests.changed import HOST, URL, ShownPage, shoot

BY = Rederivation(
    rules=page_identity.shipped_identity_rules(),
    assessor_of=wiring.assessor,
    decide=lambda url: decide(load("news-article")),
)

TARGET = Path(__file__).resolve().parents[1] / "tests" / "vectors" / "change"
BEFORE = ShownPage(
    shown_price="€4.50", price="4.50", picture=b"a red hall", modified="2026-05-20T10:00:00Z"
)
AFTER = replace(
    BEFORE,
    words="The market hall will be closed for repairs until summer.",
    title="Harbour views",
    shown_price="€6.00",
    price="6.00",
    picture=b"a blue hall",
    side="Most read today: a lost dog.",
    reads="9,871 views",
)
WEATHER = f"{HOST}/weather"
# Minutes before now, page and address of each capture.
VISITS = {
    "before": (150, BEFORE, URL),
    "after": (90, AFTER, URL),
    "control": (85, ShownPage(words="Rain is expected on the coast all week."), WEATHER),
    "confirmation": (75, AFTER, URL),
}


@dataclass(frozen=True)
class RecordVector:
    """A record, and what a verifier has to say about it."""

    data: bytes
    verdict: str
    codes: tuple[str, ...] = ()


def main() -> None:
    """Write the vectors in place of those that are there."""
    with tempfile.TemporaryDirectory() as work:
        shop = Workshop(Path(work))
        shutil.rmtree(TARGET, ignore_errors=True)
        (TARGET / "bundles").mkdir(parents=True)
        now = datetime.now(UTC).replace(microsecond=0)
        with ExitStack() as stack:
            captures: dict[str, ShownCapture] = {}
            for name, (minutes, page, url) in VISITS.items():
                bundle = shoot(
                    Path(work) / "spool",
                    now - timedelta(minutes=minutes),
                    page,
                    signer=shop.signer,
                    authorities=(shop.authority,),
                    url=url,
                )
                path = TARGET / "bundles" / f"{bundle.id}.wacz"
                shutil.copy(bundle.file, path)
                captures[name] = shown(stack.enter_context(path.open("rb")), shop)
            event = concluded(captures)
            made = records(event, captures, shop)
        data = shop.trust(p256=False)
        trust = TARGET / "trust"
        trust.mkdir()
        (trust / "trust.json").write_bytes(data)
        (trust / "trust.json.sig").write_bytes(shop.root.sign(data, ec.ECDSA(hashes.SHA384())))
        (trust / "root-key-id.txt").write_text(keys.key_id(shop.root.public_key()) + "\n")
    for name, vector in made.items():
        (TARGET / f"{name}.json").write_bytes(vector.data)
    expected = {
        name: {"codes": sorted(vector.codes), "verdict": vector.verdict}
        for name, vector in made.items()
    }
    (TARGET / "expected.json").write_text(json.dumps(expected, indent=2) + "\n")


def shown(stream: BinaryIO, shop: Workshop) -> ShownCapture:
    """Return a capture as its verification and its rules have it."""
    trust = own_trust([shop.signer.public_key], [shop.authority.anchor])
    report = verify_bundle(stream, trust, now=datetime.now(UTC) + timedelta(minutes=1))
    facts = report.established
    if facts is None:
        raise ValueError(report.findings)
    made = rederive(BundleFiles(stream, facts), wiring.assessor).assessment
    return ShownCapture(
        given=NamedBundle(name=facts.bundle_id, stream=stream, report=report),
        observation=observe(facts, made, proven_at=report.proven_time, rules=BY.rules),
        assessment=made,
    )


def concluded(captures: Mapping[str, ShownCapture]) -> Takedown:
    """Return the event that follows from the captures."""
    before, after = captures["before"], captures["after"]
    found = compare_ends(before, after, BY.assessor_of, BY.rules).derived
    if not isinstance(found, DerivedChange):
        raise TypeError(found.detail)
    return conclude_change(
        before.observation,
        after.observation,
        found.change,
        confirmation=captures["confirmation"].observation,
        control=captures["control"].observation,
    )


def records(
    event: Takedown, captures: Mapping[str, ShownCapture], shop: Workshop
) -> dict[str, RecordVector]:
    """Return the records by their names. Those named `insider-…` are by a key that is trusted."""
    change = event.change
    if change is None:
        raise ValueError("the event states no change")
    elsewhere = captures["control"].observation

    def signed(signer: FileSigner = shop.other, **changes: Any) -> bytes:
        other = replace(event, **changes)
        return takedown.encode(replace(other, event_id=event_id(other)), signer)

    def by_hand(edit: Callable[[dict[str, Any]], object]) -> bytes:
        """Return a record that no writer of ours would write."""
        value: dict[str, Any] = {
            "event": takedown.as_recorded(event),
            "format": takedown.FORMAT,
        }
        edit(value["event"])
        return signed_statement.encode(value, shop.other)

    def swap(value: dict[str, Any]) -> None:
        value["last_seen"], value["first_gone"] = value["first_gone"], value["last_seen"]

    honest = signed()
    forged = honest.replace(b'"summer"', b'"autumn"')
    if forged == honest:
        raise ValueError("the forged record is the honest one")
    follows_not = ("CONCLUSION",)
    return {
        "honest": RecordVector(honest, PASSED),
        "forged-words": RecordVector(forged, FAILED, ("EVENT",)),
        "insider-other-words": RecordVector(
            signed(change=other_words(change)), FAILED, follows_not
        ),
        "insider-change-left-out": RecordVector(
            signed(change=without_last(change)), FAILED, follows_not
        ),
        "insider-confirmation-left-out": RecordVector(
            signed(confirmations=(), controls=(), at=event.first_gone.at), FAILED, follows_not
        ),
        "insider-capture-of-another-address": RecordVector(
            signed(first_gone=elsewhere, controls=()), FAILED, ("CONCLUSION", "IDENTITY")
        ),
        "insider-order-swapped": RecordVector(by_hand(swap), FAILED, ("EVENT",)),
        "insider-unknown-kind": RecordVector(
            by_hand(lambda value: value.update(kind="translated")), INDETERMINATE, ("CONCLUSION",)
        ),
        "insider-later-method": RecordVector(
            signed(change=replace(change, method=change.method + 1)), INDETERMINATE, follows_not
        ),
        "by-the-key-of-the-captures": RecordVector(signed(shop.signer), FAILED, ("EVENT_KEY",)),
        "by-an-unknown-key": RecordVector(signed(shop.stranger), INDETERMINATE, ("KEY_UNKNOWN",)),
    }


def other_words(change: Change) -> Change:
    """Return the change with another word in the place of the one that the page shows."""
    first, *rest = change.items
    pieces = tuple(
        replace(piece, text="autumn") if piece.op is Op.ADDED else piece for piece in first.pieces
    )
    return replace(change, items=(replace(first, pieces=pieces), *rest))


def without_last(change: Change) -> Change:
    """Return the change without its last item, as if the page had changed in fewer places."""
    items = change.items[:-1]
    named = {item.subject for item in items}
    subjects = tuple(subject for subject in change.subjects if subject in named)
    return replace(change, items=items, count=len(items), subjects=subjects)


if __name__ == "__main__":
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    main()
