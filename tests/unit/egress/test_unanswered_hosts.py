"""One limit for all hosts that do not answer, on a clock that the tests set."""

from snapshotter.egress.unanswered_hosts import UnansweredHosts

A, B, C = ("a.example", 443), ("b.example", 443), ("c.example", 443)


def hosts(limit_s: float = 5.0, *, arrived_at: float = 0.0) -> UnansweredHosts:
    """Return the hosts of a page whose document has arrived."""
    unanswered = UnansweredHosts(limit_s)
    unanswered.document_arrived(arrived_at)
    return unanswered


def spent(limit_s: float = 5.0) -> UnansweredHosts:
    """Return the hosts of a page after A has spent the whole limit, at `limit_s`."""
    unanswered = hosts(limit_s)
    wait = unanswered.begin(A, 0.0)
    assert unanswered.ended(limit_s) == (wait,)
    unanswered.finish(wait, limit_s, failure="timeout")
    return unanswered


def test_waits_at_the_same_time_count_once_and_end_together() -> None:
    unanswered = hosts()
    waits = [unanswered.begin(place, at) for place, at in ((A, 0.0), (B, 1.0), (C, 2.0))]

    assert unanswered.ended(4.9) == ()
    assert set(unanswered.ended(5.0)) == set(waits)
    assert unanswered.ended(5.1) == ()  # each is named once


def test_waits_one_after_another_add_up() -> None:
    unanswered = hosts()
    first = unanswered.begin(A, 0.0)
    unanswered.finish(first, 3.0, failure="timeout")
    second = unanswered.begin(B, 10.0)

    assert unanswered.ended(11.9) == ()
    assert unanswered.ended(12.0) == (second,)


def test_waits_that_end_soon_do_not_count() -> None:
    unanswered = hosts()
    for number in range(20):
        at = number * 2.0
        unanswered.finish(unanswered.begin((f"{number}.example", 80), at), at + 1.4, failure="dns")
    wait = unanswered.begin(A, 100.0)

    assert unanswered.ended(104.9) == ()
    assert unanswered.ended(105.0) == (wait,)


def test_a_host_that_did_not_answer_is_not_contacted_again_once_the_limit_is_spent() -> None:
    unanswered = hosts()
    unanswered.finish(unanswered.begin(A, 0.0), 3.0, failure="dns-timeout")
    assert unanswered.failure(A) == ""  # there is time left for it
    wait = unanswered.begin(B, 3.0)
    unanswered.ended(5.0)
    unanswered.finish(wait, 5.0, failure="timeout")

    assert (unanswered.failure(A), unanswered.failure(B)) == ("dns-timeout", "timeout")
    assert unanswered.failure(C) == ""


def test_the_other_waits_for_a_silent_host_end_with_the_first() -> None:
    unanswered = hosts()
    waits = {unanswered.begin(A, 0.0), unanswered.begin(A, 4.9)}
    living = unanswered.begin(B, 4.9)

    assert set(unanswered.ended(5.0)) == waits
    assert unanswered.ended(6.3) == ()
    assert unanswered.ended(6.4) == (living,)


def test_a_host_that_is_new_after_the_limit_has_time_to_answer() -> None:
    unanswered = spent()
    wait = unanswered.begin(B, 20.0)

    assert unanswered.ended(21.4) == ()
    assert unanswered.ended(21.5) == (wait,)


def test_a_new_host_has_more_time_on_a_slow_network_but_never_more_than_the_limit() -> None:
    for took_s, chance_s in ((1.25, 2.5), (40.0, 5.0)):
        unanswered = UnansweredHosts(5.0)
        unanswered.connected(unanswered.begin(C, 0.0), took_s)  # the page's own document
        unanswered.document_arrived(100.0)
        dead = unanswered.begin(A, 100.0)
        assert unanswered.ended(105.0) == (dead,)
        new = unanswered.begin(B, 200.0)

        assert unanswered.ended(200.0 + chance_s - 0.1) == ()
        assert unanswered.ended(200.0 + chance_s) == (new,)


def test_a_host_that_answered_is_never_affected() -> None:
    unanswered = spent()
    unanswered.answered(A)
    unanswered.begin(A, 10.0)

    assert unanswered.failure(A) == ""
    assert unanswered.ended(1_000.0) == ()
    assert unanswered.next_look(1_000.0) is None


def test_the_document_of_the_page_has_limits_of_its_own() -> None:
    unanswered = UnansweredHosts(5.0)
    first = unanswered.begin(A, 0.0)
    assert unanswered.ended(1_000.0) == ()
    assert unanswered.next_look(1_000.0) is None
    unanswered.finish(first, 1_000.0, failure="timeout")
    unanswered.document_arrived(1_000.0)

    unanswered.expect_document(B)  # the page leads to another document
    unanswered.begin(B, 1_000.0)
    dead = unanswered.begin(C, 1_000.0)
    assert unanswered.ended(1_100.0) == (dead,)
    unanswered.finish(dead, 1_100.0, failure="timeout")
    unanswered.expect_document(C)
    assert unanswered.failure(C) == ""
    unanswered.document_arrived(1_200.0)
    assert unanswered.failure(C) == "timeout"


def test_a_wait_from_before_the_document_counts_from_its_arrival() -> None:
    unanswered = UnansweredHosts(5.0)
    wait = unanswered.begin(A, 0.0)
    unanswered.document_arrived(60.0)

    assert unanswered.ended(64.9) == ()
    assert unanswered.ended(65.0) == (wait,)


def test_whoever_looks_when_told_ends_each_wait_in_time() -> None:
    unanswered = hosts()
    unanswered.begin(A, 0.0)
    unanswered.begin(B, 4.0)
    now, looks, ended = 0.0, 0, {}
    while (at := unanswered.next_look(now)) is not None:
        now, looks = at, looks + 1
        for wait in unanswered.ended(now):
            ended[wait.place] = now
            unanswered.finish(wait, now, failure="timeout")
        assert looks < 10

    assert ended == {A: 5.0, B: 5.5}


def test_without_a_limit_nobody_looks() -> None:
    unanswered = hosts(float("inf"))
    unanswered.begin(A, 0.0)

    assert unanswered.next_look(0.0) is None
    assert unanswered.ended(1e9) == ()
