"""
Load the sidecars of a bundle, which were added beside it after it was sealed.

`load_sidecars` reads them from any source, `sidecars_on_disk` from a folder, and `sidecars_in`
takes them from files that were read already. A file that does not belong beside a bundle is not
read, and one that is too long is cut, so that no format accepts it. Nothing is judged here.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from snapshotter.formats.bundle import custody_sidecars, names
from snapshotter.formats.proofs import renewal, tlog_proof
from snapshotter.value_class import dataclass
from snapshotter.verify.files import MAX_SIDECAR_BYTES, NotAFile, first_bytes
from snapshotter.verify.renewal import RenewalFiles

_LATE_TOKENS: Final = tuple(map(names.late_token, range(1, names.MAX_LATE_TOKENS + 1)))
_RENEWALS: Final = {number: names.renewal(number) for number in range(1, names.MAX_RENEWALS + 1)}

# The most bytes of each kind of sidecar but those of the custody chain.
_LIMITS: Final = {
    names.LOG_PROOF: tlog_proof.MAX_BYTES,
    **dict.fromkeys(_LATE_TOKENS, MAX_SIDECAR_BYTES),
    **{text: renewal.MAX_BYTES for text, _ in _RENEWALS.values()},
    **{token: MAX_SIDECAR_BYTES for _, token in _RENEWALS.values()},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecars:
    """The sidecars of one bundle, unverified."""

    late_tokens: tuple[bytes, ...] = ()  # whole RFC 3161 responses
    custody: tuple[tuple[int, bytes], ...] = ()  # number and bytes of each part of the chain
    log_proof: bytes | None = None  # the C2SP tlog-proof; None where there is none
    renewals: tuple[RenewalFiles, ...] = ()


NO_SIDECARS: Final = Sidecars()


def sidecars_in(
    files: Mapping[str, bytes], custody: tuple[tuple[int, bytes], ...] = ()
) -> Sidecars:
    """
    Return the sidecars among files that were read already.

    A renewal of which one of the two files is missing is left out.

    Args:
        files: By their kind: "late-01.tsr", "tlog-proof" and so on.
        custody: Number and bytes of each custody sidecar.
    """
    return Sidecars(
        late_tokens=tuple(files[kind] for kind in _LATE_TOKENS if kind in files),
        custody=custody,
        log_proof=files.get(names.LOG_PROOF),
        renewals=tuple(
            RenewalFiles(number=number, text=files[text], token=files[token])
            for number, (text, token) in _RENEWALS.items()
            if text in files and token in files
        ),
    )


def load_sidecars(kinds: Iterable[str], read: Callable[[str, int], bytes]) -> Sidecars:
    """
    Read the sidecars of a bundle.

    Of more custody sidecars than a chain may have, not all are read
    (`custody_sidecars.read_within_limits`).

    Args:
        kinds: The kinds of the files that are beside the bundle, in any order.
        read: Returns the first bytes of the file of a kind, at most as many as the second
            argument says. Raises FileNotFoundError for a file that does not exist.
    """
    found: set[str] = set()
    numbers: list[int] = []
    for kind in kinds:  # there may be a million, and they are not held in memory
        if kind in _LIMITS:
            found.add(kind)
        elif len(numbers) <= custody_sidecars.MAX_SIDECARS:
            number = custody_sidecars.number_of(kind)
            numbers += [number] if number is not None else []
    files: dict[str, bytes] = {}
    for kind in sorted(found):
        try:
            files[kind] = read(kind, _LIMITS[kind] + 1)
        except FileNotFoundError:
            continue  # it was removed since it was listed
    custody = custody_sidecars.read_within_limits(
        numbers,
        lambda number: read(custody_sidecars.kind(number), custody_sidecars.MAX_BYTES + 1),
    )
    return sidecars_in(files, custody)


def sidecars_on_disk(bundle: Path, beginning: str = "") -> Sidecars:
    """
    Read the sidecars that are in the folder of a bundle: `<bundle>.late-01.tsr` and so on.

    What is not a regular file is left out.

    Args:
        beginning: Only sidecars whose kind begins so are read.

    Raises:
        OSError: The folder cannot be read.
        SnapshotterError: A sidecar cannot be read.
    """
    return load_sidecars(_kinds_on_disk(bundle, beginning), partial(_read_on_disk, bundle))


def _kinds_on_disk(bundle: Path, beginning: str) -> Iterator[str]:
    prefix = f"{bundle.name}."
    with os.scandir(bundle.parent) as entries:
        for entry in entries:
            if entry.name.startswith(prefix + beginning) and entry.is_file():
                yield entry.name.removeprefix(prefix)


def _read_on_disk(bundle: Path, kind: str, count: int) -> bytes:
    try:
        return first_bytes(bundle.with_name(f"{bundle.name}.{kind}"), count)
    except NotAFile as error:
        raise FileNotFoundError(f"{bundle.name}.{kind}") from error
