"""What a file is, by its content."""

import io

from snapshotter.app.archive.file_kind import FileKind, kind_of
from snapshotter.formats.statements import takedown


def test_what_lies_in_a_bundle_does_not_make_it_another_kind_of_file() -> None:
    """A page can have itself kept in the first bytes of a bundle."""
    words = f'{{"format":"{takedown.FORMAT}"}}'.encode()

    assert kind_of(io.BytesIO(b"PK\x03\x04" + bytes(26) + words)) is FileKind.BUNDLE
    assert kind_of(io.BytesIO(words)) is FileKind.TAKEDOWN
    assert kind_of(io.BytesIO(b"<!DOCTYPE html>\n")) is FileKind.PACK
