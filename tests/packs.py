"""Small proof packs without a browser, and ways to change them that their maker would not."""

import base64
import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO

from snapshotter.formats import canonical_json, pack, statement
from snapshotter.formats.pack import MAGIC, Manifest
from snapshotter.model.proof import Part, Role
from snapshotter.seal.signer import FileSigner
from tests.bundles import new_signer

AT = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
SEEN = "20261127t100000z-aaaaaaaaaaaaaaaa"
GONE = "20261127t110000z-bbbbbbbbbbbbbbbb"
EVENT = "20261127t113000z-cccccccccccccccc"
PAGE = MAGIC + "<html lang=en><main>It was there. It is gone. 此内容</main>\n".encode()
END = b"<script>check()</script>\n</html>\n"
SIGNER = new_signer()


@dataclass(frozen=True)
class File:
    """One part, with its bytes."""

    name: str
    role: Role
    data: bytes
    of: str = ""
    media_type: str = "application/octet-stream"

    @property
    def part(self) -> Part:
        return Part(
            name=self.name,
            role=self.role,
            of=self.of,
            media_type=self.media_type,
            length=len(self.data),
            sha256=hashlib.sha256(self.data).hexdigest(),
        )


FILES = (
    File(f"{SEEN}.wacz", Role.LAST_SEEN, b"PK seen " + bytes(range(256)) * 3),
    File(f"{SEEN}.wacz.late-01.tsr", Role.BESIDE, b"a token", of=f"{SEEN}.wacz"),
    File(f"{GONE}.wacz", Role.FIRST_GONE, b"PK gone"),
    File(f"{EVENT}.json", Role.EVENT, b"{}\n{}\n"),
    File("rules-wechat.toml", Role.RULES, b""),
)


def manifest(files: Sequence[File] = FILES, *, page: bytes = PAGE, end: bytes = END) -> Manifest:
    return Manifest(
        event_id=EVENT if any(it.role is Role.EVENT for it in files) else "",
        made_at=AT,
        software="snapshotter 0.0.0-test",
        lacks=("pdf",),
        page=pack.piece(page),
        text_sha256=hashlib.sha256(b"It was there.").hexdigest(),
        parts=tuple(it.part for it in files),
        end=pack.piece(end),
    )


def written(
    files: Sequence[File] = FILES,
    *,
    page: bytes = PAGE,
    end: bytes = END,
    signer: FileSigner = SIGNER,
) -> bytes:
    """Return a pack of these files."""
    out = io.BytesIO()
    made = manifest(files, page=page, end=end)
    pack.write(page, end, made, [opener(it.data) for it in files], signer, out)
    return out.getvalue()


def opener(data: bytes) -> Callable[[], BinaryIO]:
    return lambda: io.BytesIO(data)


def by_hand(
    value: Mapping[str, Any],
    blocks: Sequence[bytes],
    *,
    page: bytes = PAGE,
    end: bytes = END,
    signer: FileSigner = SIGNER,
) -> bytes:
    """Return what somebody with a key writes who keeps to none of the rules."""
    said = statement.encode(dict(value), pack.OneSpelling(signer))
    return (
        page
        + b'<script type="text/plain" id="manifest">\n'
        + said
        + b"</script>\n"
        + b"".join(blocks)
        + end
    )


def block(file: File) -> bytes:
    """Return the block of a part, by code that shares nothing with the writer."""
    part = file.part
    text = base64.b64encode(file.data).decode()
    lines = "".join(f"{text[at : at + 76]}\n" for at in range(0, len(text), 76))
    return (
        f'<script type="text/plain" class="part" data-name="{part.name}"'
        f' data-media-type="{part.media_type}" data-length="{part.length}"'
        f' data-sha256="{part.sha256}">\n{lines}</script>\n'
    ).encode()


def value_of(data: bytes) -> dict[str, Any]:
    """Return what the manifest of a pack says, to be changed."""
    _, _, rest = data.partition(b'id="manifest">\n')
    found: dict[str, Any] = json.loads(rest.partition(b"\n")[0])
    assert canonical_json.dumps(found)
    return found
