"""The console with its queue and index on PostgreSQL and its store in a bucket."""

import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from snapshotter.app.archive.observations import observations
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.statements import takedown
from snapshotter.model.takedown import ConfirmRules, Takedown, TakedownKind
from tests import observed
from tests.archived import SIGNER, Archive
from tests.servers.postgresql import PostgreSQL
from tests.servers.seaweedfs import ACCESS_KEY, SECRET_KEY, SeaweedFS
from tests.webclient import Console, console, console_settings

pytestmark = [pytest.mark.s3, pytest.mark.xdist_group("postgresql")]

EVENT_ID = f"{observed.at(1):%Y%m%dt%H%M%Sz}-k3v4q2m7xw4c5b6d"
EVENT = f"/takedowns/{EVENT_ID}"
DAY = f"/day/{observed.at(0):%Y-%m-%d}"
HISTORY = f"/addresses?identity={quote(observed.IDENTITY)}"
PAGES = (
    "/captures", "/captures?q=谣言&view=gallery", HISTORY, DAY, "/review", "/takedowns", EVENT,
    "/cases", "/schedules", "/watches", "/queue", "/audit", "/settings", "/",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Served:
    """A console with three captures and an event in its bucket."""

    web: Console
    database: str  # its address
    ids: tuple[str, ...]

    def page(self, path: str, expected: str) -> str:
        """Return a page that is made in the background, as soon as it has a text."""
        end = time.monotonic() + 30
        while expected not in (text := self.web.get(path).text):
            assert time.monotonic() < end, text
            time.sleep(0.05)
        return text

    def restart_connections(self) -> None:
        """Do what a restart of the server does to all connections to this database."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


@pytest.fixture
def served(
    postgresql: PostgreSQL,
    seaweedfs: SeaweedFS,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Served]:
    archive = Archive(tmp_path)
    ids = (
        archive.put(0, text="他们说这是谣言"),
        archive.put(1, observed.gone()),
        archive.put(2, text="something else", url="https://fine.example/"),
    )
    with archive.view() as view:
        before, after = observations(view.source, url=observed.ARTICLE, sync=False)
    archive.service.stop()
    event = Takedown(
        event_id=EVENT_ID,
        kind=TakedownKind.REMOVED,
        at=after.at,
        identity=observed.IDENTITY,
        url=observed.ARTICLE,
        last_seen=before,
        first_gone=after,
        confirm=ConfirmRules(times=1, control=False),
    )
    archive.write(store_keys.takedown_key(EVENT_ID), takedown.encode(event, SIGNER))
    prefix, client = f"c/{secrets.token_hex(8)}", seaweedfs.client()
    for path in filter(Path.is_file, archive.store.root.rglob("*")):
        key = path.relative_to(archive.store.root).as_posix()
        client.put_object(Bucket="plain", Key=f"{prefix}/{key}", Body=path.read_bytes())
    client.close()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    database = postgresql.another(f"console_{secrets.token_hex(4)}")
    settings = console_settings(
        tmp_path,
        store=f"s3://plain/{prefix}",
        s3_endpoint=seaweedfs.endpoint_url,
        s3_region="us-east-1",
        queue=database,
    )
    with console(settings) as web:
        assert web.context.services.index.wait_for_update(30)
        yield Served(web.log_in(), database, ids)


def test_pages_show_what_is_in_the_bucket_and_recover_when_the_database_restarts(
    served: Served,
) -> None:
    seen, gone, fine = served.ids
    web = served.web
    links = re.compile(r'href="/captures/(\d{8}t\d{6}z-[a-z0-9]{16})"')

    assert set(links.findall(web.get("/captures").text)) == {seen, gone, fine}
    assert set(links.findall(web.get("/captures?q=谣言&view=gallery").text)) == {seen}
    assert set(links.findall(web.get("/captures?q=verdict:unavailable").text)) == {gone}
    assert {seen, gone} <= set(links.findall(web.get(HISTORY).text))
    assert f'href="{EVENT}"' in web.get(HISTORY).text
    assert f'href="{EVENT}"' in web.get("/takedowns").text
    assert f'name="id" value="{gone}"' in served.page("/review", 'name="id"')
    assert "Captures: 3." in served.page(DAY, "Captures: 3.")
    assert [web.get(page).status_code for page in PAGES] == [200] * len(PAGES)

    served.restart_connections()  # no page notices: each connection is tried before it is used
    assert [web.get(page).status_code for page in PAGES] == [200] * len(PAGES)
