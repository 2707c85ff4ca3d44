"""What is read of processes in the kernel's own files."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from snapshotter.capture.browser import os_processes

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@contextmanager
def waiting(*, own_group: bool) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that waits for its input to end."""
    number = 0 if own_group else None
    process = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, process_group=number)
    try:
        yield process
    finally:
        process.communicate()


def test_a_group_has_its_leader_those_that_join_it_later_and_nobody_else() -> None:
    with waiting(own_group=True) as leader, waiting(own_group=False):
        group = os_processes.ProcessGroup(leader.pid)
        assert group.members() == [leader.pid]
        with subprocess.Popen(
            ["/bin/cat"], stdin=subprocess.PIPE, process_group=leader.pid
        ) as later:
            assert sorted(group.members()) == sorted([leader.pid, later.pid])
            later.communicate()
        assert group.members() == [leader.pid]
        assert set(group.resident()) == {leader.pid}


def test_others_are_forgotten_when_their_numbers_are_free_again() -> None:
    with waiting(own_group=True) as leader:
        group = os_processes.ProcessGroup(leader.pid)
        with waiting(own_group=False) as other:
            group.members()
            assert other.pid in group._others
        group.members()
        assert other.pid not in group._others


def test_one_with_the_number_of_another_that_ended_between_two_looks_is_found() -> None:
    with waiting(own_group=True) as leader:
        group = os_processes.ProcessGroup(leader.pid)
        with subprocess.Popen(
            ["/bin/cat"], stdin=subprocess.PIPE, process_group=leader.pid
        ) as later:
            group._others.add(later.pid)  # somebody else's, at the last look
            seen = [later.pid in group.members() for _ in range(os_processes._ANEW)]
            later.communicate()

    assert (seen[0], seen[-1]) == (False, True)


def test_one_that_ended_and_was_not_reaped_has_ended_and_is_no_member() -> None:
    with waiting(own_group=True) as process:
        assert not os_processes.has_ended(process.pid)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert os_processes.has_ended(process.pid)
        assert os_processes.ProcessGroup(process.pid).members() == []
    assert os_processes.has_ended(process.pid)


def test_memory_descendants_and_command_lines_are_told() -> None:
    with waiting(own_group=False) as process:
        assert process.pid in os_processes.descendant_pids(os.getpid())
        # Until the program is there, it is a copy of this one.
        while os_processes.command_line(process.pid) != ("/bin/cat",):
            pass
        assert os_processes.command(process.pid) == "/bin/cat "
        both = os_processes.resident(process.pid), os_processes.resident(process.pid, shared=True)
        assert 0 < both[0] < both[1]
        assert os_processes.status(process.pid)["Name"] == "cat"
        assert 0 <= os_processes.cpu_seconds(process.pid) < os_processes.cpu_seconds(os.getpid())
    assert os_processes.resident(process.pid) == 0
    assert os_processes.cpu_seconds(process.pid) == 0
    assert os_processes.command(process.pid) == ""
    assert os_processes.status(process.pid) == {}
