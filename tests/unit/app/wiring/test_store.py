"""The configured store: how long its calls may take."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from snapshotter.app.private_files import write_private
from snapshotter.app.wiring import store as wiring_store
from snapshotter.jobs.workers.context import WorkerSettings
from snapshotter.store.s3 import S3Store
from tests.webclient import console_settings


def test_a_call_for_evidence_fails_before_its_capture_process_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    endpoint = "http://127.0.0.1:9"
    settings = console_settings(tmp_path, store="s3://evidence", s3_endpoint=endpoint)
    probed = hashlib.sha256(f"{endpoint} s3://evidence".encode()).hexdigest()
    write_private(settings.data_dir / "probes" / probed, b"")

    found = wiring_store.store_for_evidence(settings, locked=False, show_message=lambda _: None)

    assert isinstance(found, S3Store)
    config: Any = found._client.meta.config  # its stubs name none of these
    longest_s = config.connect_timeout + config.read_timeout
    assert config.retries["total_max_attempts"] * longest_s < WorkerSettings().store_s
