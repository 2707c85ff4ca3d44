"""
A verification says whether the capture is complete, as the bundle's own word.

An unaltered bundle of a partial capture is PASSED. Who reads only the verdict must not take it for
a whole page: 0 of 15 images may have come.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from snapshotter.cli.main import main as full
from snapshotter.model.assessment import Availability, Content
from snapshotter.model.capture import Outcome, Reason
from snapshotter.model.finding import Code, Finding, Report, Verdict
from snapshotter.model.takedown import Observation
from snapshotter.seal import sealer
from snapshotter.verify import report, takedown
from snapshotter.verify.__main__ import main as alone
from snapshotter.verify.trust import Requirements, TrustDocument, trusted_key
from tests import bundles
from tests.bundles import ChainAuthority, RealClock
from tests.unit.verify.test_minimal_verifier import MINIMAL

REASON = Reason(code="images-missing", detail="15 of 15 images did not come \x1b[31m")
PROGRAMS: dict[str, Callable[[list[str]], int]] = {
    "full": lambda arguments: full(["verify", *arguments]),
    "alone": alone,
    "minimal": MINIMAL.main,
}
ROOT = bundles.new_signer()
SIGNER = bundles.new_signer()


def sealed(
    folder: Path, authority: ChainAuthority, outcome: Outcome, reasons: tuple[Reason, ...]
) -> list[str]:
    """Seal a bundle of such a capture; return the arguments of a verification that passes."""
    clock = RealClock()
    made = replace(
        bundles.capture(folder / "spool", at=clock.now()), outcome=outcome, reasons=reasons
    )
    bundle = sealer.seal(
        made,
        bundles.decision(),
        sealer.SealDependencies(
            signer=SIGNER,
            authorities=(authority,),
            clock=clock,
            timestamp_timeout_s=30,
            software=bundles.SOFTWARE,
        ),
        bundle_id=bundles.bundle_id(made.started_at),
        salt_key=bundles.SALT_KEY,
        spool=folder / "spool",
        progress=lambda stage, detail: None,
    )
    path = folder / "exhibit.wacz"
    path.write_bytes(bundle.file.read_bytes())
    document = (
        TrustDocument.new(ROOT.public_key, expires=None, require=Requirements())
        .with_key(trusted_key(SIGNER.public_key, owner="test"))
        .with_authority(authority.anchor)
    )
    trust = folder / "trust.json"
    trust.write_bytes(document.encode())
    (folder / "trust.json.sig").write_bytes(ROOT.sign(document.encode()))
    return [str(path), "--trust", str(trust), "--root-key", ROOT.key_id]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_passing_bundle_of_a_partial_capture_is_told_to_be_partial_with_its_reasons(
    tmp_path: Path,
    authority: ChainAuthority,
    capfdbinary: pytest.CaptureFixture[bytes],
    program: str,
) -> None:
    arguments = sealed(tmp_path, authority, Outcome.PARTIAL, (REASON,))

    assert PROGRAMS[program](arguments) == 0
    text = capfdbinary.readouterr().out.decode()
    assert PROGRAMS[program]([*arguments, "--json"]) == 0
    value = json.loads(capfdbinary.readouterr().out)

    assert "PASSED" in text
    assert "\ncapture: partial\n" in text
    assert "images-missing: 15 of 15 images did not come \\u001b[31m\n" in text
    assert (value["verdict"], value["outcome"]) == ("passed", "partial")
    assert value["outcome_reasons"] == [{"code": REASON.code, "detail": REASON.detail}]


@pytest.mark.parametrize("program", PROGRAMS)
def test_of_a_complete_capture_that_is_said_as_well(
    tmp_path: Path,
    authority: ChainAuthority,
    capfdbinary: pytest.CaptureFixture[bytes],
    program: str,
) -> None:
    arguments = sealed(tmp_path, authority, Outcome.COMPLETE, ())

    assert PROGRAMS[program](arguments) == 0

    assert "\ncapture: complete\n" in capfdbinary.readouterr().out.decode()


ODD: list[Any] = [None, [], {}, {"state": "fine"}, {"state": ["partial"]}, {"state": 7}]


@pytest.mark.parametrize("outcome", ODD)
def test_a_record_that_states_no_known_outcome_is_told_to_state_none(outcome: Any) -> None:
    found = _report({"outcome": outcome, "bundle_id": "x"})

    assert report.as_json(found)["outcome"] is None
    shown = report.lines(found)
    assert "capture: not established" in shown
    assert shown[0].startswith("It is not established whether the capture is complete: the record")


def test_reasons_of_another_form_are_left_out_and_many_are_counted() -> None:
    reasons = [{"code": "a", "detail": "b" * 5_000}] * 60
    outcome = {
        "state": "failed",
        "reasons": [7, {"code": "a"}, {"code": 1, "detail": ""}, *reasons],
    }

    lines = report.lines(_report({"outcome": outcome}))

    begin = lines.index("capture: failed")
    assert lines[begin + 1 : begin + 51] == [f"  reason         a: {'b' * 500}"] * 50
    assert lines[begin + 51] == "                 further reasons: 10"
    shown = report.lines(_report({"outcome": {"state": "partial", "reasons": "none"}}))
    assert "capture: partial" in shown
    assert shown[0] == "The capture is partial. The proof is intact."


def _report(record: dict[str, Any]) -> Report:
    passed = Finding(check="time", verdict=Verdict.PASSED, code=Code.OK, detail="")
    return Report(findings=(passed,), record=record)


def test_an_event_over_a_partial_capture_says_so_in_a_note() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    observation = Observation(
        bundle_id="20260102t030405z-abcdefghijklmnop", sha256="", identity="//a/", url="http://a/",
        at=at, began_at=at, content=Content.CONTENT, availability=Availability.AVAILABLE,
    )  # fmt: skip

    def lines(state: str) -> str:
        reasons = [{"code": "images-missing", "detail": "15 of 15"}]
        found = _report({"outcome": {"state": state, "reasons": reasons}})
        part = takedown.EventCapture(role="last-seen", observation=observation, report=found)
        return "\n".join(takedown.lines(takedown.EventReport(findings=(), parts=(part,))))

    assert (
        "note last-seen 20260102t030405z-abcdefghijklmnop: capture: partial, according to the "
        "record of the bundle; images-missing: 15 of 15"
    ) in lines("partial")
    assert "capture: complete" not in lines("complete")
