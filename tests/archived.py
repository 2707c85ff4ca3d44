"""A store of sealed captures with an index that a server keeps up to date, without a browser."""

import contextlib
import struct
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from snapshotter.app.archive.lookup.index_service import ArchiveView, IndexService
from snapshotter.app.archive.observations import ObservationSource
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.page import assessment as assessments
from snapshotter.formats.statements import gap as gaps
from snapshotter.formats.statements import quarantine
from snapshotter.formats.statements.quarantine import QUARANTINE, RELEASE, QuarantineAction
from snapshotter.index.open_index import open_index_file
from snapshotter.index.values import JobFacts
from snapshotter.model.assessment import Assessment
from snapshotter.model.capture import Picture, PictureFile, PictureKind
from snapshotter.model.gap import Gap, GapEvent, GapReason, Missed
from snapshotter.model.reading import Readings
from snapshotter.policy.page_identity import shipped_identity_rules
from snapshotter.store.filesystem import DirectoryStore
from tests import annotated, bundles, observed
from tests.fakes.world import FixedClock

SIGNER = bundles.new_signer()


class Archive:
    """
    A store, what is put into it, and the service that a server reads it with.

    Args:
        store: The folder of the store; by default in `folder`.
    """

    def __init__(self, folder: Path, store: Path | None = None) -> None:
        self.folder = folder
        self.store = DirectoryStore(store or folder / "store")
        self.clock = FixedClock(observed.at(10_000))
        self.annotations = annotated.service_on(self.store, signer=SIGNER)
        self.opened = 0  # sources that were opened
        self._jobs: dict[str, JobFacts] = {}
        self.service = IndexService(
            self.source, clock=self.clock, is_trusted=lambda: lambda key_id: True
        )

    @contextlib.contextmanager
    def source(self) -> Iterator[ObservationSource]:
        """Open the store with its index."""
        self.opened += 1
        with open_index_file(self.folder / "index.db", any_thread=True) as index:
            yield ObservationSource(
                store=self.store, index=index, rules=shipped_identity_rules(), jobs=self._jobs_of
            )

    @contextlib.contextmanager
    def view(self) -> Iterator[ArchiveView]:
        """Bring the index up to date, and read it as a page of the server does."""
        self.service.update()
        with self.service.reading() as view:
            yield view

    def put(
        self,
        minute: float,
        assessed: Assessment | None = None,
        *,
        text: str = "",
        job: JobFacts | None = None,
        url: str = observed.ARTICLE,
        png: bytes = b"",
        title: str = "A page",
    ) -> str:
        """
        Store a capture that ended so many minutes after the first; return its id.

        Args:
            png: The picture of the whole page.
        """
        shown = assessed or observed.available()
        if text:
            shown = replace(shown, readings=Readings(main_text=text))
        contents = dict(bundles.CONTENTS)
        spool = Path(tempfile.mkdtemp(dir=self.folder))
        if png:
            contents["capture/screenshot.png"] = png
        contents[assessments.PATH] = assessments.encode(shown)
        capture = bundles.capture(spool, at=observed.at(minute), title=title, contents=contents)
        capture = replace(
            capture,
            requested_url=url,
            final_url=url,
            pictures=_pictures(png) if png else (),
        )
        made = observed.sealed(
            capture,
            bundles.decision(require_timestamps=0),
            spool,
            SIGNER,
            (),
            FixedClock(observed.at(minute)),
        )
        observed.put(self.store, made)
        if job is not None:
            self._jobs[made.id] = job
        return made.id

    def add_notice(self, bundle_id: str, *, is_release: bool = False) -> None:
        """Put a capture into quarantine by a notice beside it, or release it."""
        key = store_keys.bundle_key(bundle_id)
        there = [
            (number, self._read(f"{key}.{quarantine.kind(number)}"))
            for number in range(1, 10)
            if self._exists(f"{key}.{quarantine.kind(number)}")
        ]
        new = QuarantineAction(
            action=RELEASE if is_release else QUARANTINE,
            sha256="ab" * 32,
            reason="a reason",
            by="A. Example",
            at=datetime(2026, 11, 30, tzinfo=UTC),
        )
        after = quarantine.read(bundle_id, there, lambda key_id: True)
        data = quarantine.encode(new, bundle_id=bundle_id, after=after, signer=SIGNER)
        self.write(f"{key}.{quarantine.kind(after.sequence + 1)}", data)

    def add_gap(self, minute: float, schedule: str, *, minutes: float = 30) -> str:
        """Store the signed record of two visits that a schedule did not make; return its id."""
        since, until = observed.at(minute), observed.at(minute + minutes)
        gap = Gap(
            gap_id=f"{until:%Y%m%dt%H%M%Sz}-k3v4q2m7xw4c5b6d",
            at=until,
            schedule=schedule,
            event=GapEvent.MISSED,
            reason=GapReason.NO_WORKER,
            since=since,
            until=until,
            missed=(Missed(slots=(since, until), urls=(observed.ARTICLE,)),),
        )
        opened = gaps.disclosures(gap, [b"s" * gaps.SALT_BYTES])
        self.write(store_keys.gap_key(gap.gap_id), gaps.encode(gap, opened, SIGNER))
        return gap.gap_id

    def write(self, key: str, data: bytes) -> None:
        """Put an object into the store."""
        self.store.put_new(key, data, digest_bytes(data).sha256)

    def _exists(self, key: str) -> bool:
        return any(found.key == key for found in self.store.list(key.rpartition("/")[0] + "/"))

    def _read(self, key: str) -> bytes:
        with self.store.open(key) as stream:
            return stream.read()

    def _jobs_of(self, ids: Sequence[str]) -> Mapping[str, JobFacts]:
        return {one: self._jobs[one] for one in ids if one in self._jobs}


def _pictures(png: bytes) -> tuple[Picture, ...]:
    """Return what a record says of the picture of a whole page."""
    width, height = struct.unpack(">II", png[16:24])
    file = PictureFile(
        path="capture/screenshot.png",
        top_px=0,
        bottom_px=height,
        width=width,
        height=height,
        tiles=(),
    )
    return (
        Picture(
            kind=PictureKind.PAGE,
            subject="",
            viewport="default",
            viewport_px=(width, 800),
            scale=1,
            mobile=False,
            left_px=0,
            top_px=0,
            width_px=width,
            height_px=height,
            captured_width_px=width,
            captured_height_px=height,
            heights_px=(height,),
            overlap_px=0,
            truncated_at=None,
            reason=None,
            files=(file,),
        ),
    )
