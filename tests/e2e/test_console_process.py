"""The console as a process: its links, its worker, two of them with one queue, and their ends."""

import html
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import HTTPCookieProcessor, build_opener, urlopen

import pytest

from tests.e2e.product import LIMIT_S, Installation
from tests.e2e.test_crash import running
from tests.servers.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.long]
LOGGED_IN = ">Log out<"  # what a page shows to a person who is logged in


def _link(server: "subprocess.Popen[str]") -> str:
    """Read the next link that a server prints."""
    assert server.stdout is not None
    line = server.stdout.readline().strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/login\?token=[\w-]{43}", line), line
    return line


def _home_with(link: str) -> str:
    """Log in with a link, and return the home page."""
    browser = build_opener(HTTPCookieProcessor())
    with browser.open(link, timeout=30) as answer:
        assert answer.status == 200
    with browser.open(link.partition("login")[0], timeout=30) as answer:
        return str(answer.read().decode())


def test_pages_say_why_no_worker_runs_and_what_to_do(tmp_path: Path) -> None:
    user = Installation(tmp_path)
    user.configure(key="absent")
    with running(user, "serve", "--port", "0", "--no-open") as server:
        link = _link(server)
        browser = build_opener(HTTPCookieProcessor())
        browser.open(link, timeout=30).close()

        def page(path: str) -> str:
            with browser.open(link.partition("/login")[0] + path, timeout=30) as answer:
                return html.unescape(answer.read().decode())

        def says(user: Installation) -> list[str]:
            return ["why"] if "contains no key 'absent'" in page("/") else []

        _wait_for(user, says, "why")
        for path in ("/", "/queue"):
            text = page(path)
            assert "No worker is running" in text
            assert "contains no key 'absent'" in text
            assert "<code>snapshotter keys init</code>" in text

        # The next attempt succeeds, and follows soon.
        assert user.run("keys", "init", "--name", "absent").code == 0
        _wait_for(user, lambda user: sorted(_workers(user))[-1:], "working")
        assert "No worker is running" not in page("/") + page("/queue")


def _workers(installation: Installation) -> list[str]:
    return [worker["state"] for worker in installation.run("worker", "list", "--json").objects]


def _jobs(installation: Installation) -> list[str]:
    return [job["state"] for job in installation.run("queue", "list", "--json").objects]


def _wait_for(
    installation: Installation, look: Callable[[Installation], list[str]], *states: str
) -> None:
    end = time.monotonic() + LIMIT_S
    while (found := look(installation)) != list(states):
        assert time.monotonic() < end, found
        time.sleep(0.05)


def test_two_consoles_share_a_queue_and_the_second_runs_a_worker_when_the_first_is_killed(
    installation: Installation, fixture_site: Site
) -> None:
    with running(installation, "serve", "--port", "0", "--no-open") as first:
        link = _link(first)
        port = re.findall(r":(\d+)/", link)[0]
        assert LOGGED_IN in _home_with(link)
        with pytest.raises(HTTPError, match="401"):
            urlopen(link, timeout=30)  # noqa: S310  our own
        _wait_for(installation, _workers, "working")

        # The same command again does not start a second console. It prints a link.
        again = installation.run("serve", "--port", port, "--no-open")
        assert again.code == 0, again.err
        assert f"(process {first.pid})" in again.err
        assert LOGGED_IN in _home_with(again.out.strip())
        other_store = installation.run("serve", "--port", port, "--store", "elsewhere")
        assert other_store.code == 1
        assert "a console of another store" in other_store.err

        second = installation.start("serve", "--port", "0", "--no-open")
        assert LOGGED_IN in _home_with(_link(second))
        second.send_signal(signal.SIGUSR1)
        assert LOGGED_IN in _home_with(_link(second))
        assert _workers(installation) == ["working"]

        # A capture that is under way when the console is killed is completed.
        enqueued = installation.run("capture", "--enqueue", "--json", fixture_site.url("/"))
        assert enqueued.code == 0, enqueued.err
        _wait_for(installation, _jobs, "running")
        first.kill()
        _wait_for(installation, _jobs, "done")
        assert len(installation.bundles()) == 1

        # The other console then runs a worker. It ends before `running` does, which kills
        # everything that uses this home.
        _wait_for(installation, lambda user: sorted(_workers(user)), "ended", "working")
        second.terminate()
        out, err = second.communicate(timeout=60)
        assert second.returncode == 0, err
        assert out == ""
        assert "a worker of this queue runs already" in err
        assert "the other worker has ended, so a worker is started" in err
        assert "Traceback" not in err
