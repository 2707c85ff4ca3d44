"""The history of a page: captures, gaps and events as words, shapes and links."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import quote

import pytest

from snapshotter.app.archive.observations import observations
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.statements import takedown
from snapshotter.model.takedown import ConfirmRules, Takedown, TakedownKind
from tests import observed
from tests.archived import SIGNER, Archive
from tests.observed import ARTICLE, IDENTITY
from tests.webclient import Console, console, console_settings

HOSTILE = "https://news.example/<script>alert(1)</script>"
ids: dict[str, str] = {}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    archive = Archive(tmp_path_factory.mktemp("archive"))
    ids["seen"] = archive.put(0, title="<b>A page</b>")
    ids["gone"] = archive.put(60, observed.gone())
    ids["hostile"] = archive.put(5, url=HOSTILE)
    with archive.view() as view:
        seen, gone = observations(view.source, url=ARTICLE, sync=False)
    event = Takedown(
        event_id=f"{gone.at:%Y%m%dt%H%M%Sz}-k3v4q2m7xw4c5b6d",
        kind=TakedownKind.REMOVED,
        at=gone.at,
        identity=IDENTITY,
        url=ARTICLE,
        last_seen=seen,
        first_gone=gone,
        confirm=ConfirmRules(times=1, control=False),
    )
    ids["event"] = event.event_id
    archive.write(store_keys.takedown_key(event.event_id), takedown.encode(event, SIGNER))
    archive.service.stop()
    with console(console_settings(archive.folder)) as found:
        yield found.log_in()


def test_the_history_shows_verdicts_as_words_and_shapes(site: Console) -> None:
    text = site.get(f"/addresses?identity={quote(ARTICLE)}").text

    line = re.findall(r'<li class="(good|bad|event)">.*?<span aria-hidden="true">(.)</span>', text)
    assert line == [("good", "●"), ("bad", "■"), ("event", "★")]
    assert "Not available (removal by the author)" in text
    assert f'<a href="/takedowns/{ids["event"]}">The page was available. Later' in unescape(text)
    assert f'href="/compare?a={ids["seen"]}&amp;b={ids["gone"]}"' in text
    assert re.search(rf'name="a" value="{ids["seen"]}"[^>]* checked>', text)
    assert re.search(rf'name="b" value="{ids["gone"]}"[^>]* checked>', text)


def test_texts_of_strangers_are_text(site: Console) -> None:
    assert "<b>A page" not in site.get(f"/addresses?identity={quote(IDENTITY)}").text
    text = site.get(f"/addresses?identity={quote(HOSTILE, safe='')}").text
    assert "<script>alert" not in text
    assert "<script>alert(1)</script>" in unescape(text)


def test_the_list_of_captures_leads_to_the_history(site: Console) -> None:
    text = site.get("/captures").text
    links = re.findall(r'href="(/addresses\?identity=[^"]+)"', text)

    assert len(links) == 3
    for link in links:
        assert site.get(unescape(link)).status_code == 200


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("", 400, "names no page"),
        ("?identity=https%3A%2F%2F%5B", 400, "not the address of a page"),
        ("?identity=https%3A%2F%2Fnowhere.example", 404, "no capture of this page"),
        ("?identity=%27%22%3Cscript%3E", 404, "no capture of this page"),
    ],
)
def test_a_page_that_was_not_captured_is_named(
    site: Console, query: str, status: int, words: str
) -> None:
    answer = site.get(f"/addresses{query}")

    assert answer.status_code == status
    assert words in answer.text
    assert "<script>" not in answer.text


def test_gaps_of_the_schedule_that_captures_the_page_are_shown(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.put(0)
    archive.add_gap(60, "hourly")
    archive.add_gap(200, "daily")
    with console(console_settings(tmp_path)) as site:
        with site.context.services.index.reading() as view:
            # As if the queue of this machine had the job.
            view.source.index.database.execute("UPDATE bundle SET schedule = 'hourly'")
        text = site.log_in().get(f"/addresses?identity={quote(ARTICLE)}").text

    assert (
        "Visits of the schedule hourly that were not made: 2. Reason: no worker was running."
        in text
    )
    assert "daily" not in text
