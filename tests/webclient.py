"""A client of the console in the same process, logged in as a browser would be."""

import contextlib
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import httpx2
from starlette.testclient import TestClient
from typing_extensions import override

from snapshotter.app.machine import SystemClock
from snapshotter.app.settings import Settings, settings_from_values
from snapshotter.app.wiring.web import web_services
from snapshotter.web.application import create_app
from snapshotter.web.context import ServeRules, WebContext
from snapshotter.web.server import make_context

HOST = "127.0.0.1:8765"
ORIGIN = f"http://{HOST}"
# What Chromium sends with a form of the console: no Origin, because pages send no referrer.
FORM = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


class MovableClock(SystemClock):
    """The clock of the system, with an offset that a test sets."""

    def __init__(self) -> None:
        self.offset = timedelta(0)

    @override
    def now(self) -> datetime:
        return super().now() + self.offset


def console_settings(folder: Path, **values: object) -> Settings:
    """Settings with all files below a folder."""
    return settings_from_values(
        {
            "store": str(folder / "store"),
            "data_dir": str(folder / "data"),
            "keys_dir": str(folder / "keys"),
            "spool_dir": str(folder / "spool"),
            "authority": [],
            "log": False,
            **values,
        }
    )


@contextlib.contextmanager
def console(
    settings: Settings, *, clock: MovableClock | None = None, development: bool = False
) -> Iterator["Console"]:
    """Yield a running console. Nobody is logged in yet."""
    rules = ServeRules(origin=ORIGIN, hosts=frozenset({HOST}), development=development)
    with web_services(settings, show_message=lambda _: None, clock=clock) as services:
        context = make_context(settings, services, rules)
        with TestClient(create_app(context), base_url=ORIGIN, follow_redirects=False) as client:
            yield Console(client, context)


class Console:
    """A running console and a browser."""

    def __init__(self, client: TestClient, context: WebContext) -> None:
        self.client = client
        self.context = context

    def log_in(self) -> "Console":
        """Open a log-in link."""
        token = self.context.sessions.make_link_token()
        answer = self.client.get("/login", params={"token": token})
        assert answer.status_code == 200, answer.text
        return self

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx2.Response:
        """Load a page."""
        return self.client.get(path, headers=headers)

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """Send JSON to the API, as a program does."""
        return self.client.request(
            method, f"/api/v1{path}", json=body, headers={"origin": ORIGIN, **(headers or {})}
        )

    def post(
        self, path: str, data: Mapping[str, str] | None = None, headers: Mapping[str, str] = FORM
    ) -> httpx2.Response:
        """Send a form as a page of the console does."""
        return self.client.post(path, data=data, headers=headers)
