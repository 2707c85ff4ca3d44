"""Build what knows captures of a page, and what concludes take-downs from them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from snapshotter.app import wiring, wiring_jobs
from snapshotter.app.observations import Observatory
from snapshotter.app.settings import Settings
from snapshotter.store.catalog import Catalog


def catalog_path(settings: Settings) -> Path:
    """Return where the catalog of the configured store is."""
    return settings.data_dir / "catalog" / f"{wiring.store_name(settings)}.db"


@contextmanager
def observatory(settings: Settings) -> Iterator[Observatory]:
    """
    Lend the configured store with its catalog.

    Raises:
        SnapshotterError: The settings make no sense, or the catalog can not be written.
    """
    with Catalog(catalog_path(settings)) as catalog:
        yield Observatory(
            store=wiring.store(settings),
            catalog=catalog,
            rules=wiring_jobs.identity_rules(),
        )
