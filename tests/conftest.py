"""What every test may use: a clock, identifiers, and the rules about skipping."""

import shutil
import subprocess
from collections.abc import Generator

import pytest
from hypothesis import settings

from tests import softhsm
from tests.fakes.world import FixedClock, SeededIds
from tests.tools import tools_are_required

# The same examples on every run and machine: a red test must be red for the next person too.
# No deadline: two cores shared with browsers say nothing about our speed.
settings.register_profile("snapshotter", derandomize=True, deadline=None)
settings.load_profile("snapshotter")

_NEEDS_SOMETHING = ("e2e", "interop", "s3")  # markers of pyproject.toml
_MAY_BE_UNSTEADY = ("e2e", "interop")  # a browser's, or another program's, share of two cores


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--again",
        type=int,
        default=0,
        metavar="N",
        help="run a test with a browser that fails once more; more than N such tests are a failure",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what may be run a second time (docs/adr/0051-a-second-try.md)."""
    if config.getoption("--again"):
        for item in items:
            if any(item.get_closest_marker(name) for name in _MAY_BE_UNSTEADY):
                item.add_marker(pytest.mark.flaky(reruns=1))


def _second_tries(config: pytest.Config) -> dict[str, pytest.TestReport]:
    """Return the first failure of each test that was run again, by name."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    again = reporter.stats.get("rerun", []) if reporter is not None else []
    return {report.nodeid: report for report in again}


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Many tests that pass at the second try are no accident."""
    if hasattr(session.config, "workerinput"):  # a worker of xdist: the one who hears all judges
        return
    again = session.config.getoption("--again")
    if again and len(_second_tries(session.config)) > again and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Show why a test was run again: it is not to be forgotten because it passed then."""
    if tries := _second_tries(config):
        most = config.getoption("--again")
        terminalreporter.section(f"unsteady: {len(tries)} run a second time, at most {most}")
        for name, report in tries.items():
            terminalreporter.line(name)
            terminalreporter.line(report.longreprtext)


@pytest.fixture
def clock() -> FixedClock:
    """A clock that stands at `world.START` until the test moves it."""
    return FixedClock()


@pytest.fixture
def ids() -> SeededIds:
    """Identifiers and salts that are the same on every run."""
    return SeededIds()


@pytest.fixture
def no_namespaces() -> tuple[str, ...]:
    """A command that runs another where no user namespace can be made, and changes nothing else."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("util-linux' unshare is not here")
    forbid = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    command = (unshare, "--user", "--map-root-user", "sh", "-c", forbid, "sh")
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespace can be made here")
    return command


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where tools are required, a skip for want of one is a failure with the same reason."""
    report = yield
    needs_something = any(item.get_closest_marker(name) for name in _NEEDS_SOMETHING)
    expected_to_fail = hasattr(report, "wasxfail")  # pytest reports those as skipped, too
    if report.skipped and needs_something and not expected_to_fail and tools_are_required():
        report.outcome = "failed"
        report.longrepr = f"skipped although SNAPSHOTTER_REQUIRE_TOOLS is set: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole file: a module that skips itself has no markers yet to ask for."""
    report = yield
    if report.skipped and tools_are_required():
        report.outcome = "failed"
        report.longrepr = f"skipped although SNAPSHOTTER_REQUIRE_TOOLS is set: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> tuple[softhsm.Token, ...]:
    """Two tokens in software, the first with a P-384 key named `sealing`."""
    made = softhsm.make(tmp_path_factory.mktemp("softhsm"), "evidence", "locking")
    made[0].add_key("sealing", id="01")
    return made
