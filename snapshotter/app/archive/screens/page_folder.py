"""
Keep the pages about captures that were made for a browser on this machine.

The pages show captured content. Only their owner may read the folder, old pages are removed, and
an erasure by order removes the pages of its bundle. Every page can be made again.
"""

from pathlib import Path
from typing import Final

from snapshotter import durable
from snapshotter.errors import SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.translation import tr

MAX_PAGES: Final = 200
MAX_BYTES: Final = 500 << 20


class PageFolder:
    """
    The pages on this machine: at most `MAX_PAGES` pages and `MAX_BYTES` bytes.

    Args:
        data_dir: The folder of the settings, in which the pages have a folder of their own.
    """

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "pages"

    def put(self, bundle_id: str, sha256: str, page: bytes) -> Path:
        """
        Write a page, and remove the oldest pages; return its file.

        Args:
            bundle_id: "" if the bundle does not state a valid id.
            sha256: Of the bundle. An altered copy of a bundle has a page of its own.

        Raises:
            SnapshotterError: The folder cannot be written.
        """
        file = self._folder / f"{bundle_id or 'file'}-{sha256[:16]}.html"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._folder.chmod(0o700)
            durable.write(file, page, mode=0o600)
            self._remove_old(file)
        except OSError as error:
            raise SnapshotterError(
                tr(
                    "the page cannot be written to {folder}: {strerror}",
                    folder=self._folder,
                    strerror=error.strerror or error,
                ),
                hint=tr("write the page to another file with the option -o FILE"),
            ) from error
        return file

    def files(self, bundle_id: str) -> list[Path]:
        """Return the pages of a bundle. Raises ValueError: not the id of a bundle."""
        if not store_keys.is_id(bundle_id):
            raise ValueError("a page is found by the id of its bundle")
        return list(self._folder.glob(f"{bundle_id}-*.html"))

    def _remove_old(self, newest: Path) -> None:
        others = ((file.stat(), file) for file in self._folder.glob("*.html") if file != newest)
        left = MAX_BYTES - newest.stat().st_size
        oldest_last = sorted(others, key=lambda item: item[0].st_mtime_ns, reverse=True)
        for number, (stat, file) in enumerate(oldest_last, start=1):
            left -= stat.st_size
            if number >= MAX_PAGES or left < 0:
                file.unlink(missing_ok=True)
