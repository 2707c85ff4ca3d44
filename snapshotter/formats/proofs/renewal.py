"""
Read and write renewals: the texts that a later timestamp token covers (docs/spec/renewal.md).

    snapshotter-renewal/1
    bundle 20261124t160642z-k3v4q2m7xw4c5b6d
    sha512 <of the whole .wacz>
    covers late-01.tsr sha512 <of that file>
    covers renewal-01.tsr sha512 <of that file>

The idea is that of RFC 4998: before a certificate expires, or a digest weakens, another authority's
token is made over the bundle and over the old tokens. The text above is for one bundle. One token
can also renew many bundles: it then covers a checkpoint of the log. In that case the text is the
proof that the bundle is in the log. If sidecars must be covered, the text is the one above, then an
empty line, then the proof that the digest of the text above is in the log.
"""

import hashlib
import re
from collections.abc import Mapping

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.proofs import leaf
from snapshotter.formats.proofs.leaf import Leaf
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

FORMAT = "snapshotter-renewal/1"
MAX_BYTES = 1 << 17  # of a text: a log proof has at most 72 KiB, and 300 lines have less

_BUNDLE_ID = re.compile(r"[0-9]{8}t[0-9]{6}z-[a-z2-7]{16}")
_KIND = re.compile(r"late-0[1-9]\.tsr|renewal-(?!00)[0-9]{2}\.(tsr|txt)")
_SHA512 = re.compile(r"[0-9a-f]{128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """What a renewal of one bundle is over. Raises ValueError for what cannot be one."""

    bundle_id: str
    sha512: str  # of the whole bundle, 128 lowercase hex digits
    covers: Mapping[str, str]  # kind of sidecar -> its SHA-512

    def __post_init__(self) -> None:
        if not _BUNDLE_ID.fullmatch(self.bundle_id):
            raise ValueError(f"not the id of a bundle: {self.bundle_id[:80]!r}")
        if not all(_KIND.fullmatch(kind) for kind in self.covers):
            raise ValueError("a renewal covers late tokens and earlier renewals")
        if not all(_SHA512.fullmatch(digest) for digest in (self.sha512, *self.covers.values())):
            raise ValueError("a SHA-512 is 128 lowercase hex digits")

    def encode(self) -> bytes:
        """Return the text that a token is put over."""
        lines = [FORMAT, f"bundle {self.bundle_id}", f"sha512 {self.sha512}"]
        lines += [f"covers {kind} sha512 {self.covers[kind]}" for kind in sorted(self.covers)]
        return "".join(f"{line}\n" for line in lines).encode("ascii")


def parse(data: bytes) -> Renewal:
    """
    Return what a renewal is over.

    Raises:
        EvidenceInvalid: Anything but what `Renewal.encode` writes.
    """
    try:
        if len(data) > MAX_BYTES:
            raise EvidenceInvalid(tr("a renewal is too long"))
        lines = data.decode("ascii").split("\n")
        covers = [line.split(" ") for line in lines[3:-1]]
        if len(lines) < 4 or any(len(words) != 4 for words in covers):
            raise EvidenceInvalid(tr("not a renewal"))
        found = Renewal(
            bundle_id=lines[1].removeprefix("bundle "),
            sha512=lines[2].removeprefix("sha512 "),
            covers={words[1]: words[3] for words in covers},
        )
    except ValueError as error:
        raise EvidenceInvalid(tr("not a renewal: {error}", error=error)) from error
    if found.encode() != data:
        raise EvidenceInvalid(tr("the renewal is not in the required form"))
    return found


def encode_log_renewal(text: bytes, proof: bytes) -> bytes:
    """Return a renewal through the log that covers sidecars: its text, and the leaf's proof."""
    return text + b"\n" + proof


def split(data: bytes) -> tuple[bytes, bytes | None]:
    """Return the text of a renewal, and the log proof behind it; None where there is none."""
    text, divider, proof = data.partition(b"\n\n")
    if not divider or not data.startswith(f"{FORMAT}\n".encode("ascii")):
        return data, None
    return text + b"\n", proof


def leaf_of(text: bytes, bundle_id: str) -> Leaf:
    """Return the leaf by which a text of a renewal stands in the log."""
    return Leaf(kind=leaf.RENEWAL, name=bundle_id, sha256=hashlib.sha256(text).hexdigest())


def digest(data: bytes) -> str:
    """Return the SHA-512 of a sidecar, as a renewal names it."""
    return hashlib.sha512(data).hexdigest()
