"""Pages and the API on a full disk."""

import errno
import os
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from tests.archived import Archive
from tests.webclient import console, console_settings


def full_file(**_: Any) -> BinaryIO:
    return Path("/dev/full").open("r+b", buffering=0)


def test_a_full_disk_is_a_sentence_and_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(tmp_path)
    capture = archive.put(0, text="the harbour")
    archive.service.stop()
    with console(console_settings(tmp_path)) as site:
        assert site.context.services.index.wait_for_update(30)
        page = f"/captures/{capture}"
        site.log_in()
        with monkeypatch.context() as patched:
            patched.setattr(tempfile, "TemporaryFile", full_file)
            answer = site.get(page)

        assert answer.status_code == 503
        assert "no space is left on a disk" in answer.text.lower()
        assert "fault" not in answer.text
        assert site.get(page).status_code == 200


@pytest.mark.parametrize(
    ("error", "status"), [(errno.ENOSPC, 503), (errno.EDQUOT, 503), (errno.EIO, 500)]
)
def test_the_api_tells_a_full_disk_from_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, status: int
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(error, os.strerror(error))

    with console(console_settings(tmp_path)) as site:
        site.log_in()
        site.client._transport.raise_server_exceptions = False  # type: ignore[attr-defined]
        monkeypatch.setattr(type(site.context.services.tasks.tasks), "newest", fail)
        answer = site.get("/api/v1/tasks")

    assert answer.status_code == status
    assert ("no space is left" in answer.text) == (status == 503)
