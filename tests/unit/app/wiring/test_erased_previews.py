"""An erasure by order removes what the console keeps of a capture on this machine."""

from pathlib import Path

from snapshotter.app.archive.confined.preview_folder import PreviewFolder
from snapshotter.app.wiring import keys, store, upkeep
from tests.webclient import console_settings

ERASED, OTHER = (f"20260527t08000{number}z-k3v4q2m7xw4c5b6d" for number in range(2))


def test_an_erasure_removes_thumbnails_and_comparisons(tmp_path: Path) -> None:
    settings = console_settings(tmp_path)
    keys.signer(settings, ask=None, show_message=lambda _: None)
    folder = PreviewFolder(store.previews_dir(settings))
    folder.put(ERASED, "webp", b"a thumbnail")
    folder.put(OTHER, "webp", b"another")
    folder.put(OTHER, f"compare-{ERASED}.json", b"{}")

    erasure = upkeep.erasure_service(settings, ask=None, show_message=lambda _: None)
    removed = {file.name for file in erasure.private(ERASED) if file.exists()}

    assert removed == {f"{ERASED}.webp", f"{OTHER}.compare-{ERASED}.json"}
