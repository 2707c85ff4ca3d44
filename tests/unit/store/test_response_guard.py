"""The guard of a store: how many calls wait for a store that does not answer."""

import threading
from pathlib import Path

import pytest

from snapshotter.errors import SnapshotterError
from snapshotter.store.response_guard import ResponseGuard, StoreSilent
from snapshotter.store.s3 import S3Store
from snapshotter.store.s3_bucket import S3Bucket, S3Credentials
from tests.servers.bucket import NAME, Bucket, status


class Seconds:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def guard(seconds: Seconds) -> ResponseGuard:
    return ResponseGuard(seconds, most=4, slow_s=3, pause_s=5)


def test_a_store_that_answers_is_called_without_an_end(
    guard: ResponseGuard, seconds: Seconds
) -> None:
    for _ in range(100):
        tokens = [guard.begin() for _ in range(4)]
        seconds.now += 2.5
        for token in tokens:
            guard.end(token, answered=True)


def test_one_slow_call_beside_quick_ones_refuses_nothing(
    guard: ResponseGuard, seconds: Seconds
) -> None:
    slow = guard.begin()
    for _ in range(20):
        with guard.call():
            seconds.now += 1
    guard.end(slow, answered=True)


def test_calls_are_refused_while_one_waits_and_none_is_answered(
    guard: ResponseGuard, seconds: Seconds
) -> None:
    waiting = guard.begin()
    seconds.now += 3

    with pytest.raises(StoreSilent):
        guard.begin()
    guard.end(waiting, answered=True)
    with guard.call():
        pass


def test_after_a_slow_failure_one_call_at_a_time_tries_the_store_again(
    guard: ResponseGuard, seconds: Seconds
) -> None:
    first = guard.begin()
    seconds.now += 10
    guard.end(first, answered=False)

    seconds.now += 4
    with pytest.raises(StoreSilent):
        guard.begin()
    seconds.now += 1
    attempt = guard.begin()
    with pytest.raises(StoreSilent):
        guard.begin()
    guard.end(attempt, answered=False)  # also a quick failure: the store is not back
    with pytest.raises(StoreSilent):
        guard.begin()
    seconds.now += 5
    guard.end(guard.begin(), answered=True)
    tokens = [guard.begin() for _ in range(4)]
    assert len(tokens) == 4


def test_a_quick_failure_refuses_nothing(guard: ResponseGuard, seconds: Seconds) -> None:
    def failing_call() -> None:
        with guard.call():
            raise ConnectionResetError

    for _ in range(10):
        with pytest.raises(ConnectionResetError):
            failing_call()
        seconds.now += 0.1
    with guard.call():
        pass


def test_no_more_calls_than_permitted_are_under_way(seconds: Seconds) -> None:
    guard = ResponseGuard(seconds, most=2)
    tokens, begun = [guard.begin(), guard.begin()], threading.Event()

    def another() -> None:
        with guard.call():
            begun.set()

    thread = threading.Thread(target=another)
    thread.start()
    assert not begun.wait(0.05)
    guard.end(tokens.pop(), answered=True)
    assert begun.wait(30)
    thread.join()


@pytest.mark.parametrize("is_failing", [False, True])
def test_a_call_whose_end_is_not_reported_refuses_calls_for_a_limited_time(
    guard: ResponseGuard, seconds: Seconds, *, is_failing: bool
) -> None:
    if is_failing:
        failed = guard.begin()
        seconds.now += 3
        guard.end(failed, answered=False)
        seconds.now += 5
    lost = guard.begin()
    seconds.now += 59
    with pytest.raises(StoreSilent):
        guard.begin()

    seconds.now += 1
    with guard.call():
        pass
    guard.end(lost, answered=False)  # late, and then it is no news
    tokens = [guard.begin() for _ in range(4)]
    assert len(tokens) == 4


def test_an_odd_answer_is_the_end_of_its_call(seconds: Seconds, tmp_path: Path) -> None:
    guard = ResponseGuard(seconds)
    listing = (
        b"<ListBucketResult><IsTruncated>false</IsTruncated><EncodingType>url</EncodingType>"
        b"<Contents><Size>1</Size></Contents></ListBucketResult>"  # an object without a key
    )
    with Bucket(tmp_path) as bucket:
        bucket.faults["?odd/"] = status(200, body=listing)
        store = S3Store(
            S3Bucket(
                NAME,
                endpoint_url=bucket.endpoint_url,
                region="us-east-1",
                credentials=S3Credentials(access_key_id="nobody", secret_access_key="nothing"),
                attempts=1,
                guard=guard,
            )
        )
        with pytest.raises(SnapshotterError):
            list(store.list("odd/"))
        seconds.now += 3
        with guard.call():
            pass
