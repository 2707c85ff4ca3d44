"""
A second try for tests with a browser or another program (docs/adr/0051-a-second-try.md).

It begins from nothing: whatever the first try set up, of every scope, is torn down before
it. A capture that a whole module looks at, and that failed, would fail the second try too.
"""

from collections import defaultdict

import pytest
from _pytest.runner import runtestprotocol

_MARKS = ("e2e", "interop")  # a browser's, or another program's, share of two cores
_FIRST = "first try"  # the outcome of what failed then; pytest's own are passed, failed, skipped
_tried = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--again",
        type=int,
        default=0,
        metavar="N",
        help="run a test with a browser that fails once more; more than N such tests are a failure",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a test that may fail once; on its second try it is any other test, for pytest too."""
    may_fail = item.config.getoption("--again") and any(map(item.get_closest_marker, _MARKS))
    if not may_fail or item.stash.get(_tried, False):
        return None
    item.stash[_tried] = True

    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, log=False, nextitem=nextitem)
    failed = _bad(reports)
    if failed:
        failed += _bad([_from_nothing(item)])
        for report in failed:
            report.outcome = _FIRST  # type: ignore[assignment]  # no failure of the run
    for report in failed or reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    if failed:
        item.ihook.pytest_runtest_protocol(item=item, nextitem=nextitem)
    return True


def _bad(reports: list[pytest.TestReport]) -> list[pytest.TestReport]:
    return [report for report in reports if report.failed]


def _from_nothing(item: pytest.Item) -> pytest.TestReport:
    """Tear down all that is set up, the session's servers too, and say how that went."""
    state = item.session._setupstate
    ends = (KeyboardInterrupt, pytest.exit.Exception)
    call = pytest.CallInfo.from_call(lambda: state.teardown_exact(None), "teardown", reraise=ends)
    return pytest.TestReport.from_item_and_call(item, call)


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    return (_FIRST, "R", "FAILED AT THE FIRST TRY") if report.outcome == _FIRST else None


def _first_tries(config: pytest.Config) -> dict[str, list[pytest.TestReport]]:
    """Return what failed at the first try of each test that was run again, by its name."""
    found = defaultdict(list)
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    for report in reporter.stats.get(_FIRST, []) if reporter is not None else []:
        found[report.nodeid].append(report)
    return found


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Many tests that pass at the second try are no accident."""
    if hasattr(session.config, "workerinput"):  # a worker of xdist: the one who hears all judges
        return
    again = session.config.getoption("--again")
    if again and len(_first_tries(session.config)) > again and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Show why a test was run again: it is not to be forgotten because it passed then."""
    if tries := _first_tries(config):
        most = config.getoption("--again")
        terminalreporter.section(f"unsteady: {len(tries)} run a second time, at most {most}")
        for name, reports in tries.items():
            terminalreporter.line(name)
            for report in reports:
                terminalreporter.line(report.longreprtext)
                for heading, text in report.sections:
                    terminalreporter.line(f"{heading}:\n{text}")
