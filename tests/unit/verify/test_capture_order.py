"""The order of captures: what contradicts it, and what only does not bear it out."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from snapshotter.model.finding import Code, Verdict
from snapshotter.model.verified_facts import QuotedCheckpoint, VerifiedFacts
from snapshotter.verify.capture_order import CaptureInRole, OrderFindings, judge

T0 = datetime(2026, 5, 27, 8, 0, tzinfo=UTC)
SKEW = timedelta(minutes=5)
REMOVED = {"last seen": 0, "first gone": 30, "confirmation 1": 45, "control": 40}  # minutes
BACK = {"first gone": 0, "last seen": 30}


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def capture(role: str, minute: float, **more: object) -> CaptureInRole:
    """A capture with a token of a minute after it, which nothing else is proven of."""
    made = VerifiedFacts(
        bundle_id=f"20260527t080000z-{role.replace(' ', 'a'):a<16.16}",
        sha256="0" * 64,
        requested_url="http://a.test/",
        final_url="http://a.test/",
        started_at=at(minute) - timedelta(seconds=2),
        ended_at=at(minute),
        vantage="direct",
        light=False,
        key_id="0" * 64,
        sealed_at=at(minute),
        outcome="complete",
        http_status=200,
        signers=(),
        good_signers=(),
        proven_time=at(minute + 1),
        accuracy=timedelta(),
        logged_by=None,
        log_index=None,
        log_origin="log.test",
        quoted=None,
    )
    return CaptureInRole(role=role, found=replace(made, **more))  # type: ignore[arg-type]


def order(minutes: dict[str, int], **changes: Mapping[str, object]) -> OrderFindings:
    """Return what is proven of captures, some of which were changed."""
    by_role = {role.replace("_", " "): change for role, change in changes.items()}
    captures = [capture(role, minute, **by_role.get(role, {})) for role, minute in minutes.items()]
    return judge(captures, max_skew=SKEW)


def quoted(size: int, seen: float | None = None) -> QuotedCheckpoint:
    witnessed = at(seen) if seen is not None else None
    return QuotedCheckpoint(origin="log.test", size=size, root="0" * 64, witnessed_at=witnessed)


@pytest.mark.parametrize("minutes", [REMOVED, BACK])
def test_tokens_in_their_order_leave_nothing_to_say(minutes: dict[str, int]) -> None:
    assert order(minutes) == OrderFindings()


@pytest.mark.parametrize(
    ("minutes", "role", "against"),
    [
        (REMOVED, "last seen", ["first gone", "confirmation 1", "control"]),
        (REMOVED, "first gone", ["confirmation 1", "control"]),
        (REMOVED, "control", ["confirmation 1"]),
        (BACK, "first gone", ["last seen"]),
    ],
)
def test_a_token_that_came_late_is_told_and_never_failed(
    minutes: dict[str, int], role: str, against: list[str]
) -> None:
    """However late: it says by when a bundle existed, and not since when."""
    for late in (47, 60 * 24 * 365 * 20):
        found = order(minutes, **{role.replace(" ", "_"): {"proven_time": at(late)}})

        assert found.findings == ()
        assert [(weak.role, weak.against) for weak in found.weak] == [
            (role, other) for other in against
        ]
        assert (
            f"only the clock of the capturing machine supports that the capture '{role}' was made "
            f"before the capture '{against[0]}'"
        ) in found.weak[0].detail


def test_the_order_that_only_a_late_token_contradicts_is_told_with_both_times() -> None:
    found = order(
        {"last seen": 0, "first gone": 10},
        last_seen={"proven_time": at(20)},
        first_gone={"proven_time": at(11)},
    )

    assert [weak.detail for weak in found.weak] == [
        "only the clock of the capturing machine supports that the capture 'last seen' was made "
        "before the capture 'first gone': the proven time of the capture 'last seen' is "
        "2026-05-27T08:20:00Z, and the proven time of the capture 'first gone' is earlier: "
        "2026-05-27T08:11:00Z"
    ]


def test_a_capture_that_nothing_proves_is_told_once() -> None:
    found = order(REMOVED, last_seen={"proven_time": None})

    assert found.findings == ()
    assert [(weak.role, weak.against) for weak in found.weak] == [("last seen", "")]
    # That a witness saw it in the log is as good as a token.
    assert order(REMOVED, last_seen={"proven_time": None, "logged_by": at(2)}) == OrderFindings()


@pytest.mark.parametrize(
    ("later", "role"),
    [("first gone", "last_seen"), ("confirmation 1", "first_gone"), ("confirmation 1", "control")],
)
@pytest.mark.parametrize("by", ["proven_time", "logged_by"])
def test_a_checkpoint_from_after_the_later_capture_fails(later: str, role: str, by: str) -> None:
    limit = SKEW.total_seconds() / 60
    for seen, is_failed in ((46 + limit, False), (46 + limit + 1, True)):
        captures: dict[str, Mapping[str, object]] = {
            role: {"quoted": quoted(1, seen), "proven_time": at(99)},
            later.replace(" ", "_"): {"proven_time": None, by: at(46)},
        }
        found = order(REMOVED, **captures)

        its = [
            finding
            for finding in found.findings
            if f"was made after the capture '{later}', not before" in finding.detail
        ]
        assert bool(its) is is_failed
        assert all(
            (finding.verdict, finding.code) == (Verdict.FAILED, Code.TIME) for finding in its
        )


def test_what_an_authority_says_of_its_clock_is_allowed_for() -> None:
    seen = {"quoted": quoted(1, 38)}

    assert order({"last seen": 0, "first gone": 30}, last_seen=seen).findings != ()
    gone = {"accuracy": timedelta(minutes=3)}
    assert order({"last seen": 0, "first gone": 30}, last_seen=seen, first_gone=gone).findings == ()


def test_a_log_that_had_the_later_capture_before_the_earlier_one_began_fails() -> None:
    """No clock is in this, so what the two records say must differ by more than clocks do."""
    for apart, is_failed in ((4, False), (6, True)):
        found = order(
            {"last seen": 0, "first gone": apart},
            last_seen={"quoted": quoted(8)},
            first_gone={"log_index": 7},
        )
        assert bool(found.findings) is is_failed
        assert [weak.role for weak in found.weak] == ([] if is_failed else ["last seen"])
    same = order(REMOVED, last_seen={"quoted": quoted(7)}, first_gone={"log_index": 7})
    assert same == OrderFindings()
    another = {"log_index": 7, "log_origin": "another.test"}
    assert order(REMOVED, last_seen={"quoted": quoted(8)}, first_gone=another) == OrderFindings()


def test_of_a_page_that_came_back_the_order_is_the_other_way_round() -> None:
    found = order(BACK, first_gone={"quoted": quoted(9)}, last_seen={"log_index": 3})

    assert [finding.detail for finding in found.findings] == [
        "the capture 'first gone' was made after the capture 'last seen', not before: the capture "
        "'last seen' was in the log before the capture 'first gone' began"
    ]
