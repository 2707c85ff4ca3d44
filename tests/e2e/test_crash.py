"""
Ends that nobody chose: kill -9 at each kind of step, Ctrl-C, and pages that never end.

The moments are not times: the product stops by itself when it says that a step begins
(halting/sitecustomize.py), and what is to happen to it happens there.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from snapshotter.egress import namespace
from tests.e2e.product import LIMIT_S, Done, Installation, kill, processes_of, record_of, trusting
from tests.servers.authority import TestAuthority
from tests.servers.site import Site

pytestmark = pytest.mark.e2e

# One of each kind: a browser that begins, loads and ends. One that works, and what is sealed and
# not stored: `test_the_next_run_sweeps_away_what_killed_ones_left`.
# What a kill between two of them leaves on the disk: tests/killing.py.
STEPS = ("starting the browser", "loading the page", "closing the browser")
GONE_S = 60.0  # at most; a fork that has not become its program yet takes a while


def elsewhere(user: Installation) -> list[Path]:
    """Return the directories that captures at work have outside of the spool."""
    return [link.readlink() for link in user.spool.glob("*/*/elsewhere")]


def gone_within(installation: Installation, pid: int, before: dict[int, str]) -> dict[int, str]:
    """Wait until all have ended, those of before and new ones; return which still live."""
    deadline = time.monotonic() + GONE_S
    while True:
        now = processes_of(installation, pid)
        left = now | {pid: words for pid, words in before.items() if Path(f"/proc/{pid}").exists()}
        left = {pid: words for pid, words in left.items() if not _is_dead(pid)}
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.02)


def _is_dead(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"


def said(process: "subprocess.Popen[str]", words: str) -> bool:
    """Read what the product says until it says this; False when it ends before."""
    assert process.stderr is not None
    return any(line.rstrip("\n").endswith(words) for line in process.stderr)


@contextlib.contextmanager
def running(
    installation: Installation, *arguments: str | Path, halt_at: str = ""
) -> Iterator["subprocess.Popen[str]"]:
    """Run a command that ends with the block, whatever happens in it."""
    process = installation.start(*arguments, halt_at=halt_at)
    try:
        yield process
    finally:
        left = processes_of(installation, process.pid)
        process.kill()
        kill(list(left))
        process.communicate(timeout=30)


@pytest.fixture
def user(tmp_path: Path) -> Installation:
    """A user without authorities, and without a past: what a kill left spoils no other test."""
    return Installation(tmp_path / "unlucky")


def resume(process: "subprocess.Popen[str]", *signals: signal.Signals) -> None:
    """
    Let a command that halts go on; these signals reach it first.

    It says the step before it stops: to let it go on earlier would leave it stopped for ever.
    """
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    for number in (*signals, signal.SIGCONT):
        process.send_signal(number)


@pytest.mark.parametrize("step", ["", *STEPS])
def test_a_kill_leaves_no_bundle_or_a_whole_one_and_no_browser(
    user: Installation, fixture_site: Site, step: str
) -> None:
    with running(user, "capture", fixture_site.url("/"), halt_at=step) as process:
        if step:
            assert said(process, step)
        alive = processes_of(user, process.pid)
        process.kill()
        process.wait(LIMIT_S)
        left = gone_within(user, process.pid, alive)
        assert not left, left

    if step == "loading the page":  # what shows that the search for browsers finds one
        assert is_browser_among(alive), alive
    assert user.bundles() == []  # of what was not stored the store knows nothing


def is_browser_among(processes: dict[int, str]) -> bool:
    return any("chrom" in words for words in processes.values())


def test_a_kill_leaves_no_browser_that_was_started_ahead(
    user: Installation, fixture_site: Site
) -> None:
    with running(user, "capture", fixture_site.url("/"), fixture_site.url("/plain")) as process:
        assert said(process, "sealing")
        while not is_browser_among(alive := processes_of(user, process.pid)):
            time.sleep(0.02)
        process.kill()
        process.wait(LIMIT_S)
        left = gone_within(user, process.pid, alive)
        assert not left, left


@pytest.mark.long
def test_the_next_run_sweeps_away_what_killed_ones_left(
    user: Installation, fixture_site: Site
) -> None:
    for step in ("storing", "photographing the whole page"):
        with running(user, "capture", fixture_site.url("/"), halt_at=step) as process:
            assert said(process, step)
            alive = processes_of(user, process.pid)
            if step == "storing":
                assert user.bundles() == []  # of what was not stored the store knows nothing
            process.kill()
            process.wait(LIMIT_S)
            left = gone_within(user, process.pid, alive)
            assert not left, left
    outside = elsewhere(user)
    assert [path for path in outside if path.exists()]

    user.capture(fixture_site.url("/plain"))

    assert list(user.spool.iterdir()) == []
    assert not [path for path in outside if path.exists()]
    assert list(user.temporary.iterdir()) == []
    incoming = user.store / ".incoming"
    assert not incoming.exists() or list(incoming.iterdir()) == []
    assert all(user.run("verify", bundle).code == 11 for bundle in user.bundles())


def test_several_captures_that_end_badly_at_once_leave_no_process_no_namespace_and_no_directory(
    tmp_path: Path, fixture_site: Site
) -> None:
    users = [Installation(tmp_path / f"home-{n}") for n in range(3)]
    url = fixture_site.url("/slow-image")
    with contextlib.ExitStack() as stack:
        captures = [stack.enter_context(running(user, "capture", url)) for user in users]
        alive: list[dict[int, str]] = []
        for user, capture in zip(users, captures, strict=True):
            assert said(capture, "loading the page")
            alive.append(processes_of(user, capture.pid))
        networks = {network(pid) for processes in alive for pid in processes} - {
            network(os.getpid()),
            "",
        }
        if not namespace.find_obstacle(namespace.USER_AND_NET):
            assert len(networks) >= 3
        outside = [path for user in users for path in elsewhere(user)]
        (note,) = users[2].spool.glob("*/*/pids")

        ended = time.clock_gettime(time.CLOCK_BOOTTIME)
        captures[0].kill()
        captures[1].terminate()
        os.kill(int(note.read_text().split()[0]), signal.SIGKILL)
        captures[0].wait(LIMIT_S)
        for capture in captures[1:]:
            capture.communicate(timeout=LIMIT_S)
        left = [
            gone_within(user, capture.pid, before)
            for user, capture, before in zip(users, captures, alive, strict=True)
        ]

    assert [capture.returncode for capture in captures] == [-signal.SIGKILL, 130, 3]
    assert left == [{}, {}, {}]
    # The kernel gives the number of a namespace that is gone to the next one, which another
    # test's browser may have by now: only who was there before the end can hold one of ours.
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    assert [pid for pid in pids if network(pid) in networks and started(pid) < ended] == []
    users[0].capture(fixture_site.url("/plain"))  # what was killed could not sweep for itself
    for user in users:
        assert list(user.spool.iterdir()) == []
        assert list(user.temporary.iterdir()) == []
    assert not [path for path in outside if path.exists()]


def network(pid: int) -> str:
    """Return the name of a process's network namespace; "" when it has gone."""
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return ""


def started(pid: int) -> float:
    """Return when a process was started, in seconds after boot; infinity when it has gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return float("inf")
    return int(stat.rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("whose", ["driver", "browser"])
def test_a_capture_whose_driver_or_browser_is_killed_ends_and_leaves_no_process(
    user: Installation, fixture_site: Site, whose: str
) -> None:
    with running(user, "capture", "--json", fixture_site.url("/slow-image")) as process:
        assert said(process, "loading the page")
        alive = processes_of(user, process.pid)
        (note,) = user.spool.glob("*/*/pids")
        browser, driver = map(int, note.read_text().split())
        assert {browser, driver} <= set(alive)
        os.kill(driver if whose == "driver" else browser, signal.SIGKILL)
        out, err = process.communicate(timeout=LIMIT_S)
        left = gone_within(user, process.pid, alive)

    assert not left
    assert process.returncode == 3, err
    assert "never retrieved" not in err
    done = json.loads(out)
    assert done["outcome"] in {"partial", "failed"}
    assert done["reasons"][0]["code"] in {"browser-lost", "page-closed", "renderer-crashed"}


def test_a_driver_that_dies_while_the_page_is_waited_for_is_missed_at_once(
    user: Installation, fixture_site: Site
) -> None:
    fixture_site.requests.clear()
    with running(user, "capture", "--json", fixture_site.url("/slow-image")) as process:
        while "/slow-image" not in fixture_site.paths():
            time.sleep(0.02)
        time.sleep(0.6)  # the document is there, and its load event is waited for
        (note,) = user.spool.glob("*/*/pids")
        os.kill(int(note.read_text().split()[1]), signal.SIGKILL)
        out, _ = process.communicate(timeout=LIMIT_S)

    assert json.loads(out)["reasons"][0]["code"] == "browser-lost"


@pytest.mark.parametrize(
    ("step", "number"),
    [
        ("starting the browser", signal.SIGINT),
        ("loading the page", signal.SIGINT),
        ("photographing the whole page", signal.SIGTERM),
    ],
)
def test_ctrl_c_or_sigterm_before_the_seal_ends_in_130_and_leaves_no_litter(
    tmp_path: Path, fixture_site: Site, step: str, number: signal.Signals
) -> None:
    user = Installation(tmp_path / "home")
    with running(user, "capture", fixture_site.url("/"), halt_at=step) as process:
        assert said(process, step)
        alive = processes_of(user, process.pid)
        outside = elsewhere(user)
        resume(process, number)
        out, err = process.communicate(timeout=LIMIT_S)
        assert not gone_within(user, process.pid, alive)

    assert process.returncode == 130
    assert out == ""
    assert "snapshotter: interrupted\n" in err
    assert "Traceback" not in err
    assert "never retrieved" not in err
    assert "is closed" not in err
    assert user.bundles() == []
    assert list(user.spool.iterdir()) == []
    assert not [path for path in outside if path.exists()]
    assert list(user.temporary.iterdir()) == []


def test_a_signal_after_the_capture_stores_the_bundle_owes_the_token_and_ends_in_130(
    tmp_path: Path, fixture_site: Site, authority: TestAuthority
) -> None:
    user = Installation(tmp_path / "home")
    user.configure(trusting(authority, "slow"), timestamp_timeout_s=60)
    urls = [fixture_site.url("/plain"), fixture_site.url("/")]
    with running(user, "capture", *urls) as process:
        assert said(process, "requesting timestamps")
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)  # some parents end their children as well
        out, err = process.communicate(timeout=LIMIT_S)

    assert process.returncode == 130
    assert "Traceback" not in err
    assert "the command was interrupted. URLs that were not captured: 1" in err
    (bundle,) = user.bundles()
    assert bundle.name in out
    assert user.run("verify", bundle).code == 11
    assert [path.stem for path in (user.data / "pending").glob("*.json")] == [bundle.stem]
    assert list(user.spool.iterdir()) == []


@pytest.mark.parametrize("page", ["/spin", "/never", "/alerts"])
def test_a_page_that_never_ends_is_sealed_within_the_limit(
    user: Installation, fixture_site: Site, page: str
) -> None:
    """A script, a server, a person who is asked; more ways not to end: `test_capture_page.py`."""

    def capture_within(total_s: float) -> Done:
        # Without the limit on all of it a page would have longer than a command of a test.
        policy = user.policy(total_s=total_s, launch_s=total_s, navigate_s=600)
        return user.run("capture", "--json", "--policy", policy, fixture_site.url(page))

    done = capture_within(10)
    for longer_s in (40, 90):  # on a busy machine a browser alone takes longer to start
        done = capture_within(longer_s) if done.code == 30 else done

    assert done.code in {0, 3}, done.err
    assert done.object["outcome"] in {"partial", "failed"}
    assert done.object["reasons"]
    bundle = done.object["bundle"]["path"]
    assert record_of(bundle)["outcome"]["state"] == done.object["outcome"]
    assert user.run("verify", bundle).code == 11
