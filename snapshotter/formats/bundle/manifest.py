"""
Read and write the manifests of a bundle, which `sha256sum -c` and `b3sum --check` can read.

    <64 hex digits>  <path>

There is one line for each file: lowercase hex digits, two spaces and the path, in ASCII, ended by
LF. The lines are sorted by path, and each path occurs once. One table has one encoding, and
`parse` refuses any other (docs/spec/bundle.md, "Manifests").
"""

from collections.abc import Mapping

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.bundle.names import is_member_name
from snapshotter.model.digests import is_digest
from snapshotter.translation import tr

MAX_BYTES = 4 << 20


def encode(digests: Mapping[str, str]) -> bytes:
    """
    Return the manifest of `{path: hex digest}`.

    Raises:
        ValueError: A path or a digest that no bundle can hold, or an empty table.
    """
    if not digests:
        raise ValueError("a manifest must have at least one file")
    for path, hexdigest in digests.items():
        if not is_member_name(path) or not is_digest(hexdigest):
            raise ValueError(f"a manifest cannot contain {path!r} {hexdigest!r}")
    lines = (f"{hexdigest}  {path}\n" for path, hexdigest in sorted(digests.items()))
    return "".join(lines).encode("ascii")


def parse(data: bytes) -> dict[str, str]:
    """
    Return `{path: hex digest}`.

    Raises:
        EvidenceInvalid: Anything but what `encode` writes.
    """
    if len(data) > MAX_BYTES:
        raise EvidenceInvalid(
            tr("the manifest is longer than {max_bytes} bytes", max_bytes=MAX_BYTES)
        )
    result: dict[str, str] = {}
    try:
        for line in data.decode("ascii").splitlines():
            hexdigest, separator, path = line.partition("  ")
            if not separator or path in result:
                raise EvidenceInvalid(
                    tr("the manifest has an invalid line: {line!r}", line=line[:100])
                )
            result[path] = hexdigest
        again = encode(result)
    except ValueError as error:
        raise EvidenceInvalid(tr("the manifest is invalid: {error}", error=error)) from error
    if again != data:
        raise EvidenceInvalid(tr("the manifest is not in canonical form"))
    return result
