"""Small proof packs without a browser, and ways to change them that their maker would not."""

import base64
import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO

from snapshotter.formats import canonical_json
from snapshotter.formats.signatures import keys, signed_statement
from snapshotter.formats.statements import pack
from snapshotter.formats.statements.pack import MAGIC, PackManifest
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


def manifest(
    files: Sequence[File] = FILES, *, page: bytes = PAGE, end: bytes = END
) -> PackManifest:
    return PackManifest(
        event_id=EVENT if any(file.role is Role.EVENT for file in files) else "",
        made_at=AT,
        software="snapshotter 0.0.0-test",
        lacks=("pdf",),
        page=pack.section_of(page),
        text_sha256=hashlib.sha256(b"It was there.").hexdigest(),
        parts=tuple(file.part for file in files),
        end=pack.section_of(end),
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
    pack.write(page, end, made, [opener(file.data) for file in files], signer, out)
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
    said = signed_statement.encode(dict(value), pack.CanonicalSigner(signer))
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


def rewritten(value: Mapping[str, Any], files: Sequence[File], signer: FileSigner) -> bytes:
    """Return the pack of a changed manifest, by its signer: each part is opened as it says."""
    blocks = []
    for part, file in zip(value["parts"], files, strict=True):
        head, _, rest = block(file).partition(b"\n")
        head = (
            f'<script type="text/plain" class="part" data-name="{part["name"]}"'
            f' data-media-type="{part["media_type"]}" data-length="{part["length"]}"'
            f' data-sha256="{part["sha256"]}">'
        ).encode()
        blocks.append(head + b"\n" + rest)
    return by_hand(value, blocks, signer=signer)


def value_of(data: bytes) -> dict[str, Any]:
    """Return what the manifest of a pack says, to be changed."""
    _, _, rest = data.partition(b'id="manifest">\n')
    found: dict[str, Any] = json.loads(rest.partition(b"\n")[0])
    assert canonical_json.dumps(found)
    return found


def twin(data: bytes) -> bytes:
    """Return a pack with the other signature of its list: (r, n - s) holds as (r, s) does."""
    _, _, rest = data.partition(b'id="manifest">\n')
    seal = json.loads(rest.split(b"\n", 2)[1])
    key = keys.load_public_pem(seal["public_key"].encode())
    raw = keys.to_p1363(base64.b64decode(seal["signature"]), key)
    order = int(f"{'f' * 48}c7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16)  # of P-384
    other = raw[:48] + (order - int.from_bytes(raw[48:], "big")).to_bytes(48, "big")
    signature = base64.b64encode(keys.from_p1363(other, key))
    return data.replace(seal["signature"].encode(), signature, 1)


# --- ways to alter a pack ---------------------------------------------------------------------


@dataclass(frozen=True)
class Edit:
    """One way to alter a pack of a removal, and what its own page makes of it."""

    name: str
    before: bytes  # stands in the pack
    after: bytes
    page: str = "bad"  # "good": a browser reads it as the same; "none": the page's script is dead

    def made(self, data: bytes) -> bytes:
        """Return the altered pack; `before` is replaced where it stands first."""
        assert self.before in data, self.name
        return data.replace(self.before, self.after, 1)


_TITLE = b"The page was available. Later the page was not available."
_TOLD = b"Is this file unchanged since it was signed?"
EDITS = (
    Edit("a word of the statement", b"was still available", b"was never available"),
    Edit("a word outside the statement", _TOLD, b"This file is as it was made."),
    Edit("what is said before the check", b"Not checked.", b"PASSED."),
    Edit("an empty paragraph filled", b'<p id="key"></p>', b'<p id="key">PASSED</p>'),
    Edit("the title", b"<title>The page was available.", b"<title>The page is available."),
    Edit("a hidden paragraph", b"</main>", b"<p hidden>PASSED</p></main>"),
    Edit("something hidden", b"<h1>", b"<h1 hidden>"),
    Edit("the words for a picture", b'alt="Both captures', b'alt="Two captures'),
    Edit("words that show on hovering", b"<h1>", b'<h1 title="PASSED">'),
    Edit("words for a screen reader", b"<h1>", b'<h1 aria-label="PASSED">'),
    Edit("the language", b'<html lang="en">', b'<html lang="de">'),
    Edit("a field with words in it", b"</main>", b'<input placeholder="PASSED"></main>'),
    Edit("a field with a value", b"</main>", b'<input value="PASSED"></main>'),
    Edit("the style", b"max-width: 62rem", b"max-width: 63rem"),
    Edit("words in the style", b"</style>", b'h1::after { content: "not" }</style>'),
    Edit("the policy", b"form-action &#39;none&#39;", b"form-action *"),
    Edit("a comment", b"<!-- snapshotter-pack/1 -->", b"<!-- snapshotter-pack/1  -->"),
    Edit("a second comment", b"<main", b"<!-- PASSED --><main"),
    Edit("a second script", b"</main>", b"</main><script>1</script>"),
    Edit("an element twice", b"<h1>", b"<h1>" + _TITLE + b"</h1><h1>"),
    Edit(
        "a second list",
        b'<script type="text/plain" id',
        b'<p id="manifest"></p><script type="text/plain" id',
    ),
    Edit(
        "an element that takes a method's place",
        b"</main>",
        b'<form name="childNodes"></form></main>',
    ),
    Edit("a shadow tree", b"<h1>", b'<h1><template shadowrootmode="open">PASSED</template>'),
    Edit(
        "a file's type", b'data-media-type="application/wacz"', b'data-media-type="application/zip"'
    ),
    Edit("words behind the end", b"</html>\n", b"</html>\nPASSED\n"),
    Edit("a comment behind the end", b"</html>\n", b"</html>\n<!-- PASSED -->"),
    Edit("white space behind the end", b"</html>\n", b"</html>\n\n"),
    Edit("a space in a file's base64", b"\nUEs", b"\nU Es"),
    Edit("an empty line in a file's base64", b"\nUEs", b"\n\nUEs"),
    Edit("white space in the list", b'{"end":', b'{ "end":'),
    Edit("white space in the list's signature", b'{"key_id":', b'{ "key_id":'),
    Edit("the script", b'"use strict";', b'"use sloppy";', "none"),
    Edit("a character spelled otherwise", b"<h1>The page", b"<h1>T&#104;e page", "good"),
    Edit("a tag spelled otherwise", b"<h1>", b"<H1 >", "good"),
    Edit("an attribute spelled otherwise", b'id="statement"', b"id='statement'", "good"),
    Edit("another line break", b"<head>\n", b"<head>\r\n", "good"),
    Edit("a mark of the encoding", MAGIC, b"\xef\xbb\xbf" + MAGIC, "good"),
    # What is shown is the heading, and not what is put before it: the page sees to that.
    Edit(
        "a closed shadow tree",
        b"<h1>",
        b'<h1><template shadowrootmode="closed">PASSED</template>',
        "good",
    ),
)
