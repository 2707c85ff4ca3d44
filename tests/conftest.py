"""What every test may use: a clock, identifiers, and the rules about skipping."""

import gc
import os
import shutil
import signal
import subprocess
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import is_hypothesis_test, settings

from tests import softhsm
from tests.fakes.world import FixedClock, SeededIds
from tests.fuzzing import FACTOR, tries
from tests.tools import ROOT, tools_are_required

if TYPE_CHECKING:
    from tests.servers.seaweedfs import SeaweedFS

# The same examples on every run and machine: a red test must be red for the next person too.
# No deadline: two cores shared with browsers say nothing about our speed.
settings.register_profile(
    "snapshotter", derandomize=FACTOR == 1, deadline=None, max_examples=tries(100)
)
settings.load_profile("snapshotter")

pytest_plugins = ("tests.distribution", "tests.second_try")

# A user keeps the driver's compiled scripts from capture to capture (`keep_compiled_driver` in
# app/wiring/driver_cache.py). Each test is a new user, who would compile and write them anew: they
# share.
os.environ.setdefault("NODE_COMPILE_CACHE", str(ROOT / ".tools" / "driver"))

# A shell starts what runs in its background deaf to Ctrl-C, and tests press it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_NEEDS_SOMETHING = ("e2e", "interop", "s3")  # markers of pyproject.toml


_NAME = 60  # characters of a value that names a test


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """
    Name a test by its parameter where the value is long: a document, a key, a signature.

    Such a value may differ between two workers (a signature, the time in a gzip header),
    and xdist runs nothing where tests have different names.
    """
    is_long = isinstance(val, str | bytes) and len(val) > _NAME
    return argname if is_long else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """
    Look for no garbage while the tests are collected, and never again among what they are.

    Nine thousand tests are half a million objects that stay. Each worker collects all of them.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test of Hypothesis: `make fuzz` runs it with more inputs."""
    for item in items:
        if is_hypothesis_test(getattr(item, "function", None)):
            item.add_marker("fuzz")


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


_TOKENS = pytest.StashKey[tuple[softhsm.Token, ...]]()


@pytest.fixture(scope="session")
def tokens(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> tuple[softhsm.Token, ...]:
    """
    Two tokens in software, the first with a P-384 key named `sealing`.

    Kept when a second try tears the session down: a process knows its first tokens alone.
    """
    if _TOKENS not in pytestconfig.stash:
        made = softhsm.make(tmp_path_factory.mktemp("softhsm"), "evidence", "locking")
        made[0].add_key("sealing", id="01")
        pytestconfig.stash[_TOKENS] = made
    return pytestconfig.stash[_TOKENS]


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator["SeaweedFS"]:
    """
    A real S3 server: a bucket `plain`, with versions `versioned`, and with Object Lock `locked`.

    Who asks for it takes a prefix of their own, and is in the group `seaweedfs` of pytest-xdist:
    a fixture is a process's own, and a worker that has none of them starts no server.
    """
    from tests.servers.seaweedfs import SeaweedFS  # boto3, which few tests need

    with SeaweedFS(tmp_path_factory.mktemp("seaweedfs")) as server:
        client = server.client()
        client.create_bucket(Bucket="plain")
        client.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
        client.create_bucket(Bucket="versioned")
        client.put_bucket_versioning(
            Bucket="versioned", VersioningConfiguration={"Status": "Enabled"}
        )
        client.close()
        yield server
