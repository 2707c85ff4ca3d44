"""What is killed by tests/killing.py: small works on real stores, each as a command does it."""

import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from snapshotter import durable
from snapshotter.app.spool import scratch_directory
from snapshotter.app.trust import files
from snapshotter.app.upkeep import erasure, holds
from snapshotter.app.upkeep.object_copy import list_bundle_objects
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.statements import tombstone
from snapshotter.model.bundle import Retention
from snapshotter.store import custodial_store
from snapshotter.verify.trust import TrustDocument
from tests import bundles
from tests.killing import Work
from tests.unit.app.upkeep.copies import Shelf, sealed

SIGNER = bundles.new_signer()
OLD, NEW = b"what was there\n", b"what takes its place\n"


def nothing(folder: Path) -> None:
    """Prepare nothing."""


# --- files -----------------------------------------------------------------------------------


def _old_file(folder: Path) -> None:
    (folder / "name").write_bytes(OLD)


def _is_new(folder: Path) -> None:
    assert (folder / "name").read_bytes() == NEW


def _write_new(folder: Path) -> None:
    try:
        durable.write(folder / "name", NEW, mode=0o600, over=False)
    except FileExistsError:
        _is_new(folder)  # whole, when the kill came after it


def _write_folder(folder: Path) -> None:
    if (folder / "evidence").exists():
        return
    with durable.growing_folder(folder / "evidence") as growing:
        (growing / "one").write_bytes(NEW)
        (growing / "two").write_bytes(NEW)


def _is_whole(folder: Path) -> None:
    assert sorted(path.name for path in (folder / "evidence").iterdir()) == ["one", "two"]


def _spool(folder: Path) -> None:
    with scratch_directory(folder / "spool", "test") as directory, contextlib.suppress(OSError):
        (directory / "copy").write_bytes(OLD)
        for number, root in enumerate((directory.parent, directory)):
            _browser_in(root / ".browser", folder / "tmp" / f"snapshotter-{number:016x}")


def _browser_in(root: Path, outside: Path) -> None:
    """Make the directories of a browser, as capture/browser/workspace.py does."""
    root.mkdir()
    (root / "elsewhere").symlink_to(outside)
    outside.mkdir()
    (outside / "socket").write_bytes(OLD)


FILE = Work(
    prepare=_old_file,
    do=lambda folder: durable.write(folder / "name", NEW, mode=0o600),
    look=_is_new,
    raises=OSError,
)
NEW_FILE = Work(prepare=nothing, do=_write_new, look=_is_new, raises=OSError)
FOLDER = Work(prepare=nothing, do=_write_folder, look=_is_whole, raises=OSError)
SPOOL = Work(prepare=nothing, do=_spool, look=nothing)


# --- stores ----------------------------------------------------------------------------------


def shelf(folder: Path, name: str = "one") -> Shelf:
    """Return a store of this machine, which may have been prepared."""
    return Shelf(folder=folder, name=name, signer=SIGNER)


def the_id(folder: Path) -> str:
    """Return the id of the one bundle that was prepared."""
    (file,) = folder.glob("spool-0/*.wacz")
    return file.stem


def _sealed(folder: Path) -> None:
    sealed(folder, SIGNER)


def _stored(folder: Path, *, until: datetime | None = None) -> None:
    (made,) = sealed(folder, SIGNER)
    shelf(folder).add(made, Retention(until=until) if until else None)


def _kept(folder: Path) -> None:
    _stored(folder, until=datetime.now(UTC) + timedelta(days=1))


def _held(folder: Path) -> None:
    _kept(folder)
    _place(folder)


def _store(folder: Path) -> None:
    bundle = the_id(folder)
    file = folder / "spool-0" / f"{bundle}.wacz"
    here = shelf(folder)
    here.store.complete(bundle)
    sha256 = bundles.digest_of(file)
    here.store.put_new(store_keys.bundle_key(bundle), file, sha256)


def _place(folder: Path) -> None:
    holds.place(shelf(folder).hold_desk, the_id(folder), name="a", matter="m", reason="r")


def _lift(folder: Path) -> None:
    holds.lift(shelf(folder).hold_desk, the_id(folder), name="a", reason="r")


def _erase(folder: Path) -> None:
    erasure.erase(shelf(folder).erasure_desk(), the_id(folder), reason="a minor", order="1/26")


def _replicate(folder: Path) -> None:
    shelf(folder).replicate_to(shelf(folder, "two"))


def _replicated(folder: Path) -> None:
    _stored(folder)
    _replicate(folder)
    (shelf(folder).directory.root / store_keys.bundle_key(the_id(folder))).unlink()


def _repair(folder: Path) -> None:
    shelf(folder).repair_from(shelf(folder, "two"))


def _next_write(here: Shelf) -> None:
    """What is on its way into a store is swept by the next write into that store."""
    here.put("another", NEW)


def _is_there(folder: Path, name: str = "one") -> None:
    _next_write(shelf(folder, name))
    bundle, here = the_id(folder), shelf(folder, name)
    stored = here.read(store_keys.bundle_key(bundle))
    assert stored == (folder / "spool-0" / f"{bundle}.wacz").read_bytes()
    chain = custodial_store.read_chain(here.plain, bundle)
    assert chain.problems == ()
    assert [link for link in chain.events if link.number]


def _is_held(folder: Path) -> None:
    _is_there(folder)
    here = shelf(folder)
    assert holds.read(here.plain, the_id(folder), here.is_trusted).held
    assert here.plain.lock_state(store_keys.bundle_key(the_id(folder))).legal_hold


def _is_free(folder: Path) -> None:
    _is_there(folder)
    here = shelf(folder)
    assert not holds.read(here.plain, the_id(folder), here.is_trusted).held
    state = here.plain.lock_state(store_keys.bundle_key(the_id(folder)))
    assert not state.legal_hold
    assert state.retention  # a hold is no retention


def _is_erased(folder: Path) -> None:
    _next_write(shelf(folder))
    (group,) = list_bundle_objects(shelf(folder).plain)
    assert "" not in group.objects
    assert tombstone.KIND in group.objects
    assert custodial_store.read_chain(shelf(folder).plain, group.bundle_id).problems == ()


def _is_twice(folder: Path) -> None:
    _is_there(folder, "one")
    _is_there(folder, "two")


STORE = Work(prepare=_sealed, do=_store, look=_is_there, every=3)
PLACE = Work(prepare=_kept, do=_place, look=_is_held, every=9)
LIFT = Work(prepare=_held, do=_lift, look=_is_free, every=13)
ERASE = Work(prepare=_stored, do=_erase, look=_is_erased, every=4)
REPLICATE = Work(prepare=_stored, do=_replicate, look=_is_twice, every=5)
REPAIR = Work(prepare=_replicated, do=_repair, look=_is_twice, every=3)


# --- trust files -----------------------------------------------------------------------------


def _trusted(folder: Path) -> None:
    files.save(folder / "trust.json", TrustDocument.new(SIGNER.public_key), SIGNER)


def _change(folder: Path) -> None:
    file = folder / "trust.json"
    there = files.read(file, SIGNER)
    files.save(file, replace(there, version=there.version + 1), SIGNER)


def _is_trusted(folder: Path) -> None:
    assert files.read(folder / "trust.json", SIGNER).version in (2, 3)
    assert sorted(path.name for path in folder.glob("*trust*")) == ["trust.json", "trust.json.sig"]


TRUST = Work(prepare=_trusted, do=_change, look=_is_trusted)
