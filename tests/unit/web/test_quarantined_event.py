"""The page of a change does not repeat the words of a capture that is in quarantine."""

from dataclasses import replace
from pathlib import Path

from snapshotter.formats.bundle import store_keys
from snapshotter.formats.statements import takedown
from tests.archived import SIGNER, Archive
from tests.unit.report.test_change_statement import change, statement_of
from tests.webclient import console, console_settings

WORDS = "What changed"  # the heading of the words


def test_the_words_of_a_change_are_hidden_with_its_captures(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    before, after = archive.put(0), archive.put(10)
    event = statement_of(change()).event
    assert event is not None
    event = replace(
        event,
        event_id=after,
        last_seen=replace(event.last_seen, bundle_id=before),
        first_gone=replace(event.first_gone, bundle_id=after),
    )
    archive.write(store_keys.takedown_key(after), takedown.encode(event, SIGNER))
    with console(console_settings(tmp_path)) as web:
        web.log_in()
        shown = web.get(f"/takedowns/{after}")
        archive.add_notice(before)
        for _ in range(2):  # a notice is read at the second update
            web.get(f"/takedowns/{after}")
            assert web.context.services.index.wait_for_update(30)
        hidden = web.get(f"/takedowns/{after}")

    assert shown.status_code == hidden.status_code == 200
    assert WORDS in shown.text
    assert WORDS not in hidden.text
    assert "A capture of this event is in quarantine" in hidden.text
