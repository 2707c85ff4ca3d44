#!/usr/bin/env python3
"""
Verify a snapshotter bundle with the Python standard library and the `openssl` command, and nothing else.

    python3 -I verify_minimal.py --trust trust.json --root-key KEYID exhibit.wacz

This is a second verifier. It was written from docs/spec/ and the standards named there, and shares no code with
`snapshotter verify`, so that a mistake of one is no mistake of both; where the two said different things, the
specification's words were mended. It is one file, to be read from top to bottom: the tools (openssl, BLAKE3, JSON,
DER), the trust file, log proofs and tokens, and then `Verification`, whose steps have the numbers of
"Verification" in docs/spec/bundle.md. What servers signed in their TLS handshakes, and proof packs, follow.

Needs Python 3.9 or newer and OpenSSL 3.0 or newer. Reads nothing from the network and nothing from the
bundle's content but what is verified. The file is read once, in chunks; what is kept in memory is bounded.

It judges bundles and nothing else. Of a take-down event, a proof pack, a campaign report or a validation report it says
INDETERMINATE: whether such a file follows from its captures takes rules, and there are none here (docs/spec/verifiers.md). A proof pack of which a
byte is not as it was signed is FAILED.

Exit codes: 0 PASSED, 10 FAILED, 11 INDETERMINATE (also when the trust file can not be used), 1 a file could not be
read or there is no openssl, 2 usage, also for a file that is no exhibit at all. With several files the worst counts: 10,
then 1, then 2, then 11.
"""

import sys

# Python looks for modules in this script's folder first, unless it is called with -I. A file `hashlib.py` of an exhibit
# that lies there must not run. What is taken away is not needed: only the standard library is imported.
if __name__ == "__main__" and not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
    del sys.path[0]

import argparse
import base64
import datetime
import hashlib
import hmac
import ipaddress
import json
import os
import re
import shutil
import stat
import struct
import subprocess
import tempfile
import unicodedata
import zlib
from array import array
from collections.abc import Iterable
from typing import Any, BinaryIO, NoReturn, Optional, Union

# Contents
#
#     A. Limits
#     B. Tools: the openssl command
#     C. Tools: BLAKE3, from the paper (section 2), in pure Python
#     D. Tools: canonical JSON (RFC 8785), without floats and with integers below 2^53
#     E. Tools: DER (X.690), PEM and elliptic curves
#     F. The trust file (docs/spec/trust-file.md)
#     G. The log (docs/spec/log.md; C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof; RFC 6962)
#     H. Timestamp tokens (RFC 3161, RFC 5652, RFC 5816)
#     I. The container and the names (steps 1 and 2)
#     J. The capture record (docs/spec/capture-record.md, "What a verifier reads")
#     K. The steps, numbered as in docs/spec/bundle.md, "Verification"
#            (1) container, (2) names, (3) hashes, (4) signatures
#            (5) read_record, (6) signers, (7) timestamps, (8) time
#            (9) keys, (10) derived, (11) server_signatures, (12) custody
#            (13) log, (14) tokens_taken_out, (15) renewals, (16) agreement
#            (17) commitments
#     L. What servers signed (docs/spec/server-signature.md; RFC 8446, RFC 5246, RFC 8422, RFC 8879)
#     M. Proof packs (docs/spec/proof-pack.md)
#     N. The command

# --------------------------------------------------------------------------------------------------
# A. Limits
# Nothing that a bundle says makes us hold, or work, more than this.

MAX_FILE = (1 << 32) - 1  # bytes of a bundle
MAX_MEMBERS = 2000
MAX_NAME = 200  # bytes
MAX_MANIFEST = 4 << 20  # bytes of a list, and of the custody chain
MAX_JSON = 8 << 20  # bytes of capture.json, tls.json and datapackage.json
MAX_VALUES = 200_000  # of "," "[" and "{" outside of texts, in one JSON document
MAX_DEPTH = 64  # arrays and objects inside each other
MAX_PROOF = 64 << 10  # bytes of a signature, a key, a token
MAX_KEY = 1024  # bytes of a public key in PEM
MAX_OID = 64  # bytes of an object identifier in DER
MAX_CUSTODY = 256 << 10  # bytes of a custody sidecar
MAX_SIDECARS, MAX_CUSTODY_TOTAL = (
    20_000,
    16 << 20,
)  # custody sidecars beside one bundle, and their bytes
MAX_RENEWAL = 131_072  # bytes of a renewal's text
MAX_TRUST = 4 << 20  # bytes of trust.json
CHUNK = 1 << 20  # bytes read at once
OPENSSL_SECONDS = 30  # for one call

Instant = datetime.datetime

PASSED, INDETERMINATE, FAILED = "passed", "indeterminate", "failed"
SEVERITY = {PASSED: 0, INDETERMINATE: 1, FAILED: 2}
EXIT = {PASSED: 0, FAILED: 10, INDETERMINATE: 11}


class Refused(Exception):
    """The trust file can not be used: nothing is found out about any bundle."""


class Unreadable(Exception):
    """A file, or the openssl command, is not there or not readable."""


class Bad(Exception):
    """Something is not of its form. Who calls decides which code that is."""


class Unchecked(Bad):
    """A token whose signature is of a kind that is not known here: nothing shows that it is wrong."""


class Unknown(Exception):
    """Something that this program, or its openssl, does not know: it says neither good nor bad."""


class NoBundle(Exception):
    """A file that is none of those that are judged."""


def printable(text: str) -> str:
    """
    `text` as one line that no reader and no terminal takes for more: control and format characters, line and
    paragraph separators and halves of characters become \\u and four hexadecimal digits, or \\U and eight.
    """

    def shown(c: str) -> str:
        kind = unicodedata.category(c)
        if kind[0] != "C" and kind not in ("Zl", "Zp"):
            return c
        return ("\\u%04x" if ord(c) < 1 << 16 else "\\U%08x") % ord(c)

    return "".join(map(shown, text))


# --------------------------------------------------------------------------------------------------
# B. Tools: the openssl command


def on_path(command: str) -> Optional[str]:
    """Return the file of a command. A "." on the PATH would run what lies in an exhibit's folder: it is passed over."""
    if os.path.dirname(command):
        return shutil.which(command)
    folders = [
        folder
        for folder in os.environ.get("PATH", os.defpath).split(os.pathsep)
        if os.path.isabs(folder)
    ]
    return shutil.which(command, path=os.pathsep.join(folders)) if folders else None


class OpenSSL:
    """Calls of the `openssl` command, with a directory for what has to be a file. No settings file is read."""

    def __init__(self, command: str) -> None:
        path = on_path(command)
        if path is None:
            raise Unreadable(f"no `{command}` command is on the PATH")
        self.path = os.path.abspath(path)
        self.folder = tempfile.mkdtemp(prefix="verify-")
        self.environment = {
            "PATH": os.environ.get("PATH", ""),
            "OPENSSL_CONF": os.devnull,
            "LC_ALL": "C",
        }
        done = self.run("version")
        found = re.match(rb"OpenSSL (\d+)\.", done.stdout)
        if not found or int(found.group(1)) < 3:
            raise Unreadable(
                "OpenSSL 3.0 or newer is required, but the installed version is "
                f"{done.stdout[:60]!r}"
            )

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, *arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                [self.path, *arguments], input=data, env=self.environment, cwd=self.folder, timeout=OPENSSL_SECONDS,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
            )  # fmt: skip
        except OSError as error:
            raise Unreadable(f"openssl could not be run: {error}") from error

    def file(self, name: str, data: bytes) -> str:
        path = os.path.join(self.folder, name)
        with open(path, "wb") as stream:
            stream.write(data)
        return path

    def holds(self, spki: bytes, signature: bytes, data: bytes, digest: str, *options: str) -> bool:
        """Whether `signature` over `data` holds by the key; `digest` is sha256, sha384 or sha512."""
        done = self.run(
            "dgst", "-" + digest, "-verify", self.file("key.pem", pem(spki, "PUBLIC KEY")),
            "-signature", self.file("signature", signature), *options, data=data,
        )  # fmt: skip
        return done.returncode == 0 and done.stdout.strip() == b"Verified OK"

    def holds_raw(self, spki: bytes, signature: bytes, data: bytes) -> bool:
        """The same for kinds of keys that hash by themselves (Ed25519, ML-DSA)."""
        done = self.run(
            "pkeyutl", "-verify", "-pubin", "-inkey", self.file("key.pem", pem(spki, "PUBLIC KEY")), "-rawin",
            "-in", self.file("data", data), "-sigfile", self.file("signature", signature),
        )  # fmt: skip
        return done.returncode == 0 and b"Signature Verified Successfully" in done.stdout

    def knows_key(self, spki: bytes) -> bool:
        return self.run("pkey", "-pubin", "-inform", "DER", "-noout", data=spki).returncode == 0


# --------------------------------------------------------------------------------------------------
# C. Tools: BLAKE3, from the paper (section 2), in pure Python
#
# Python adds two numbers of a thousand digits nearly as fast as two small ones. So up to 1,024 chunks are compressed at
# once: each of the sixteen state words is one large integer with a lane of 64 bits for each chunk, whose
# upper half takes the carries and is masked away.

BLAKE3_IV = (
    0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19,
)  # fmt: skip
BLAKE3_PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8
BLAKE3_CHUNK = 1024  # bytes
BLAKE3_LANES = 1024  # chunks compressed at once


def _words(data: bytes) -> "array[int]":
    """Little-endian 32-bit words."""
    words = array("I" if array("I").itemsize == 4 else "L")
    words.frombytes(data)
    if sys.byteorder == "big":
        words.byteswap()
    return words


def _pack(words: Iterable[int]) -> int:
    """One word a lane → one integer."""
    lanes = array("Q", words)
    return (
        int.from_bytes(lanes.tobytes(), sys.byteorder)
        if sys.byteorder == "little"
        else sum(word << (64 * lane) for lane, word in enumerate(lanes))
    )


def _unpack(number: int, count: int) -> "array[int]":
    """One integer → one word a lane."""
    lanes = array("Q")
    lanes.frombytes(number.to_bytes(8 * count, "little"))
    if sys.byteorder == "big":
        lanes.byteswap()
    return lanes


def _compress(
    cv: Iterable[int], message: Iterable[int], counter: int, length: int, flags: int, count: int
) -> list[int]:
    """The compression function on `count` lanes at once. cv, message: integers; counter: one, with all lanes."""
    ones = ((1 << (64 * count)) - 1) // ((1 << 64) - 1)
    mask = 0xFFFFFFFF * ones
    v = (
        list(cv)
        + [word * ones for word in BLAKE3_IV[:4]]
        + [counter, 0, length * ones, flags * ones]
    )
    m = list(message)

    def quarter(a: int, b: int, c: int, d: int, x: int, y: int) -> None:
        v[a] = (v[a] + v[b] + x) & mask
        t = v[d] ^ v[a]
        v[d] = ((t >> 16) | (t << 16)) & mask
        v[c] = (v[c] + v[d]) & mask
        t = v[b] ^ v[c]
        v[b] = ((t >> 12) | (t << 20)) & mask
        v[a] = (v[a] + v[b] + y) & mask
        t = v[d] ^ v[a]
        v[d] = ((t >> 8) | (t << 24)) & mask
        v[c] = (v[c] + v[d]) & mask
        t = v[b] ^ v[c]
        v[b] = ((t >> 7) | (t << 25)) & mask

    for step in range(7):
        quarter(0, 4, 8, 12, m[0], m[1])
        quarter(1, 5, 9, 13, m[2], m[3])
        quarter(2, 6, 10, 14, m[4], m[5])
        quarter(3, 7, 11, 15, m[6], m[7])
        quarter(0, 5, 10, 15, m[8], m[9])
        quarter(1, 6, 11, 12, m[10], m[11])
        quarter(2, 7, 8, 13, m[12], m[13])
        quarter(3, 4, 9, 14, m[14], m[15])
        if step < 6:
            m = [m[place] for place in BLAKE3_PERMUTATION]
    return [v[word] ^ v[word + 8] for word in range(8)]


def _chunks(data: bytes, first: int, root: bool) -> "list[array[int]]":
    """Chaining values of the chunks of `data`, the first of which has the number `first`; eight arrays, a word each."""
    whole = len(data) // BLAKE3_CHUNK
    if whole and len(data) == whole * BLAKE3_CHUNK and root and whole == 1:
        whole = 0  # the only chunk, and therefore the root
    out = [array("Q") for _ in range(8)]
    if whole:
        words = _words(data[: whole * BLAKE3_CHUNK])
        counter = _pack(range(first, first + whole))
        ones = ((1 << (64 * whole)) - 1) // ((1 << 64) - 1)
        cv = [word * ones for word in BLAKE3_IV]
        for block in range(16):
            message = [_pack(words[16 * block + word :: 256]) for word in range(16)]
            flags = (CHUNK_START if block == 0 else 0) | (CHUNK_END if block == 15 else 0)
            cv = _compress(cv, message, counter, 64, flags, whole)
        out = [_unpack(word, whole) for word in cv]
    rest = data[whole * BLAKE3_CHUNK :]
    if rest or not data:
        cv, blocks = list(BLAKE3_IV), max(1, (len(rest) + 63) // 64)
        for block in range(blocks):
            piece = rest[64 * block : 64 * block + 64]
            flags = CHUNK_START if block == 0 else 0
            if block == blocks - 1:
                flags |= CHUNK_END | (ROOT if root and not whole else 0)
            cv = _compress(cv, _words(piece.ljust(64, b"\0")), first + whole, len(piece), flags, 1)
        for word, column in zip(cv, out):
            column.append(word)
    return out


def _tree(cvs: "list[array[int]]", root: bool) -> "list[array[int]]":
    """
    Join neighbours until one value is left. An odd one at the end waits for the next level, which gives the paper's tree:
    its left sides are the largest powers of two.
    """
    while len(cvs[0]) > 1:
        pairs = len(cvs[0]) // 2
        message = [_pack(column[0 : 2 * pairs : 2]) for column in cvs] + [
            _pack(column[1 : 2 * pairs : 2]) for column in cvs
        ]
        ones = ((1 << (64 * pairs)) - 1) // ((1 << 64) - 1)
        flags = PARENT | (ROOT if root and len(cvs[0]) == 2 else 0)
        joined = _compress([word * ones for word in BLAKE3_IV], message, 0, 64, flags, pairs)
        cvs = [_unpack(word, pairs) + column[2 * pairs :] for word, column in zip(joined, cvs)]
    return cvs


class Blake3:
    """BLAKE3 of a stream. Holds 1 MiB, and 32 bytes for each MiB before."""

    def __init__(self) -> None:
        self.rest = bytearray()
        self.subtrees = [array("Q") for _ in range(8)]

    def update(self, data: bytes) -> None:
        self.rest += data
        size = BLAKE3_CHUNK * BLAKE3_LANES
        while (
            len(self.rest) > size
        ):  # the last batch is kept: only then do we know whether it is the root
            self._add(
                _tree(
                    _chunks(bytes(self.rest[:size]), len(self.subtrees[0]) * BLAKE3_LANES, False),
                    False,
                )
            )
            del self.rest[:size]

    def _add(self, subtree: "list[array[int]]") -> None:
        for column, word in zip(self.subtrees, subtree):
            column.extend(word)

    def hexdigest(self) -> str:
        alone = not self.subtrees[0]
        last = _tree(_chunks(bytes(self.rest), len(self.subtrees[0]) * BLAKE3_LANES, alone), alone)
        if not alone:
            last = _tree([column + word for column, word in zip(self.subtrees, last)], True)
        return struct.pack("<8I", *(column[0] for column in last)).hex()


class Blake3Command:
    """The same by the `b3sum` command, for those who ask for speed."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [on_path("b3sum") or "b3sum", "--no-names"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def update(self, data: bytes) -> None:
        if self.process.stdin is not None:
            self.process.stdin.write(data)

    def hexdigest(self) -> str:
        return self.process.communicate()[0].decode("ascii").strip()


# --------------------------------------------------------------------------------------------------
# D. Tools: canonical JSON (RFC 8785), without floats and with integers below 2^53

JSON_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}
JSON_ESCAPED = re.compile(r'["\\\x00-\x1f]')
INSTANT = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z\Z")


def _json_string(text: str) -> str:
    escaped = JSON_ESCAPED.sub(lambda at: JSON_ESCAPES.get(at[0]) or f"\\u{ord(at[0]):04x}", text)
    return f'"{escaped}"'


def canonical_json(value: Any) -> str:
    """The text of `value` by RFC 8785: keys in the order of their UTF-16 code units, no white space."""
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return _json_string(value)
    if isinstance(value, list):
        return "[" + ",".join(map(canonical_json, value)) + "]"
    keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
    return (
        "{" + ",".join(_json_string(key) + ":" + canonical_json(value[key]) for key in keys) + "}"
    )


def parse_json(data: bytes, limit: int = MAX_JSON) -> Any:
    """Parse canonical JSON, or raise Bad. Values and depth are counted before anything is built."""
    if len(data) > limit:
        raise Bad("longer than %d bytes" % limit)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Bad("not UTF-8") from None
    # Without escapes, every second piece between quotation marks is outside of texts.
    bare = text.replace("\\\\", "").replace('\\"', "")
    outside = "".join(bare.split('"')[::2])
    if sum(map(outside.count, ",[{")) > MAX_VALUES:
        raise Bad(f"more than {MAX_VALUES} values")
    depth = 0
    for mark in re.findall(r"[][{}]", outside):
        depth += 1 if mark in "[{" else -1
        if depth > MAX_DEPTH:
            raise Bad(f"more than {MAX_DEPTH} levels deep")

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            raise Bad("a key occurs twice")
        return found

    def integer(digits: str) -> int:
        if len(digits) > 17 or not -(1 << 53) < int(digits) < 1 << 53:
            raise Bad("an integer is not smaller than 2^53")
        return int(digits)

    def refuse(_: str) -> NoReturn:
        raise Bad("a number is not an integer")

    try:
        value = json.loads(
            text,
            object_pairs_hook=pairs,
            parse_int=integer,
            parse_float=refuse,
            parse_constant=refuse,
        )
        again = canonical_json(value).encode("utf-8")
    except (
        ValueError,
        RecursionError,
    ) as error:  # UnicodeEncodeError (half a surrogate pair) is a ValueError
        raise Bad(f"not JSON: {error}") from None
    if again != data:
        raise Bad("the data are not in the canonical form")
    return value


def instant(text: Any) -> Instant:
    """`YYYY-MM-DDTHH:MM:SSZ` → datetime, or raise Bad."""
    found = INSTANT.match(text) if isinstance(text, str) else None
    if found is None:
        raise Bad("%.40r is not an instant" % (text,))
    return utc(*map(int, found.groups()))


def utc(
    year: int, month: int, day: int, hour: int, minute: int, second: int, *, least: int = 1000
) -> Instant:
    """Of the years 1000, or `least`, to 9999. Raises Bad."""
    try:
        if year < least:
            raise ValueError
        return datetime.datetime(
            year, month, day, hour, minute, second, tzinfo=datetime.timezone.utc
        )
    except ValueError:
        raise Bad("the time does not exist") from None


EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def seconds(when: Instant) -> int:
    """Whole seconds since 1970."""
    return (when - EPOCH) // datetime.timedelta(seconds=1)


def show_instant(when: Instant) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def check_moments(value: Any) -> None:
    """
    Every instant that is written twice, `X` and `X_ms`, is one moment. Raises Bad.

    X_ms lies from the second of X to the next one, both included: records once rounded it.
    """
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, list):
            left += item
        if not isinstance(item, dict):
            continue
        left += item.values()
        for name, ms in item.items():
            text = item.get(name[:-3], 0) if name.endswith("_ms") else 0
            if text is None and ms is not None:
                raise Bad(f"{name} is a time, but the field without _ms is not")
            if not isinstance(text, str):
                continue  # no instant: a setting, beside how long it may take
            found = INSTANT.match(text)
            if found is None:
                raise Bad(f"{name} belongs to {text:.40}, which is not a time")
            since = utc(*map(int, found.groups()), least=1) - EPOCH
            second = since.days * 86400 + since.seconds
            if type(ms) is not int or not 0 <= ms - 1000 * second <= 1000:
                raise Bad(f"{name} and {text:.40} are different times")


def fields(value: Any, wanted: Iterable[str], what: str) -> dict[str, Any]:
    """Raise Bad unless `value` is an object with exactly these fields."""
    if not isinstance(value, dict) or sorted(value) != sorted(wanted):
        raise Bad(f"{what} does not have the required fields")
    return value


def is_count(value: Any, low: int, high: int) -> bool:
    return (
        type(value) is int and low <= value <= high
    )  # True is an int in Python, and no number here


# --------------------------------------------------------------------------------------------------
# E. Tools: DER (X.690), PEM and elliptic curves


def der_read(data: bytes, at: int = 0) -> tuple[int, int, int]:
    """One value of definite, shortest length: (tag, start of content, end). Raises Bad."""
    if at + 2 > len(data):
        raise Bad("the DER data are cut off")
    tag, length, start = data[at], data[at + 1], at + 2
    if tag & 31 == 31:
        raise Bad("the DER data have a long tag")
    if length >= 128:
        count = length & 127
        if not 1 <= count <= 4 or start + count > len(data):
            raise Bad("a DER length is indefinite")
        length = int.from_bytes(data[start : start + count], "big")
        if length < 128 or length >> (8 * (count - 1)) == 0:
            raise Bad("a DER length is not in its shortest form")
        start += count
    if start + length > len(data):
        raise Bad("the DER data are cut off")
    return tag, start, start + length


def der_all(data: bytes) -> list[tuple[int, bytes, bytes]]:
    """All values in `data` as (tag, content, whole)."""
    at, found = 0, []
    while at < len(data):
        tag, start, end = der_read(data, at)
        found.append((tag, data[start:end], data[at:end]))
        at = end
    return found


def der_one(data: bytes, tag: int) -> bytes:
    """The content of the one value that `data` is."""
    found, start, end = der_read(data)
    if found != tag or end != len(data):
        raise Bad("the DER value has another type, or other bytes follow it")
    return data[start:end]


def der_integer(content: bytes) -> int:
    if not content or (
        len(content) > 1 and (content[:2] < b"\x00\x80" or content[:2] >= b"\xff\x80")
    ):
        raise Bad("a DER integer is not in its shortest form")
    return int.from_bytes(content, "big", signed=True)


def der_oid(content: bytes) -> str:
    """The dotted text of an object identifier."""
    if not 0 < len(content) <= MAX_OID or content[-1] & 128:
        raise Bad("an object identifier is cut off or too long")
    arcs, value, fresh = [], 0, True
    for octet in content:
        if fresh and octet == 128:
            raise Bad("an object identifier is not in its shortest form")
        value, fresh = value << 7 | octet & 127, not octet & 128
        if fresh:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first] + arcs[1:]))


def pem(der: bytes, label: str) -> bytes:
    text = base64.b64encode(der).decode("ascii")
    lines = "".join(text[at : at + 64] + "\n" for at in range(0, len(text), 64))
    return (f"-----BEGIN {label}-----\n{lines}-----END {label}-----\n").encode("ascii")


def from_pem(data: bytes, label: str) -> bytes:
    """The DER in `data`, which has to be the one spelling of it. Raises Bad."""
    head, tail = (f"-----{word} {label}-----\n" for word in ("BEGIN", "END"))
    try:
        text = data.decode("ascii")
        if not (text.startswith(head) and text.endswith(tail)):
            raise ValueError
        der = base64.b64decode(text[len(head) : -len(tail)].replace("\n", ""), validate=True)
    except ValueError:
        raise Bad(f"not one {label} in PEM") from None
    if pem(der, label) != data:
        raise Bad("the PEM is not in its canonical form")
    return der


class Curve:
    """A NIST curve (FIPS 186): y² = x³ − 3x + b over p, with a group of n points."""

    def __init__(self, name: str, oid: bytes, p: int, b: int, n: int, digest: str) -> None:
        self.algorithm, self.p, self.b, self.n, self.digest = name, p, b, n, digest
        self.size = (p.bit_length() + 7) // 8
        point = bytes([0x03, 2 * self.size + 2, 0, 4])
        head = bytes.fromhex("06072a8648ce3d0201") + bytes([6, len(oid)]) + oid
        head = bytes([0x30, len(head)]) + head
        self.head = bytes([0x30, len(head) + len(point) + 2 * self.size]) + head + point
        self.oid = oid


P384 = Curve(
    "ecdsa-p384-sha384", bytes.fromhex("2b81040022"), 2**384 - 2**128 - 2**96 + 2**32 - 1,
    0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
    0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973, "sha384",
)  # fmt: skip
P256 = Curve(
    "ecdsa-p256-sha256", bytes.fromhex("2a8648ce3d030107"), 2**256 - 2**224 + 2**192 + 2**96 - 1,
    0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551, "sha256",
)  # fmt: skip


P256_OID, P384_OID, P521_OID = "1.2.840.10045.3.1.7", "1.3.132.0.34", "1.3.132.0.35"
# Kinds of keys, and curves, that are not taken here and of which openssl knows a good one from a bad one.
OTHER_KINDS = {
    "1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10", "1.2.840.10040.4.1", "1.3.101.110", "1.3.101.111", "1.3.101.112",
    "1.3.101.113", "1.2.840.10045.2.1", P521_OID, "1.3.132.0.10", "1.3.132.0.33", "1.2.840.10045.3.1.1",
}  # fmt: skip


class PublicKey:
    """A key on one of the two curves, from its DER SubjectPublicKeyInfo. Raises Bad; Unknown for other kinds of keys."""

    def __init__(self, spki: bytes, openssl: OpenSSL) -> None:
        for curve in (P384, P256):
            if spki.startswith(curve.head):
                x, y = (int.from_bytes(spki[len(curve.head) :][part], "big")
                        for part in (slice(None, curve.size), slice(curve.size, None)))  # fmt: skip
                if len(spki) != len(curve.head) + 2 * curve.size or max(x, y) >= curve.p:
                    raise Bad("the public key is not a point of the curve")
                if (y * y - (x * x * x - 3 * x + curve.b)) % curve.p:
                    raise Bad("the point is not on the curve")
                self.spki, self.curve, self.id = spki, curve, hashlib.sha256(spki).hexdigest()
                return
        parts = der_all(der_one(spki, 0x30))
        if [tag for tag, _, _ in parts] != [0x30, 0x03]:
            raise Bad("the data are not a public key")
        algorithm = der_all(parts[0][1])
        if not algorithm or algorithm[0][0] != 6:
            raise Bad("the data are not a public key")
        kind = der_oid(algorithm[0][1])
        if kind == "1.2.840.10045.2.1" and len(algorithm) > 1 and algorithm[1][0] == 6:
            kind = der_oid(algorithm[1][1])  # of elliptic curves, the curve
        if kind in (P384_OID, P256_OID):
            raise Bad("the key is not in its canonical form")  # a compressed point, for one
        if kind in OTHER_KINDS and not openssl.knows_key(spki):
            raise Bad("the data are not a public key")
        raise Unknown("the kind of the key is not accepted")


def check_ecdsa_der(signature: bytes, curve: Curve) -> None:
    """Raise Bad unless `signature` is the one DER spelling of two numbers in the curve's range."""
    parts = der_all(der_one(signature, 0x30))
    if len(parts) != 2:
        raise Bad("the signature does not have two numbers")
    for tag, content, _ in parts:
        if tag != 2 or not 0 < der_integer(content) < curve.n:
            raise Bad("the numbers of the signature are not in the range of the curve")


def ecdsa_der(r: int, s: int) -> bytes:
    def integer(number: int) -> bytes:
        data = number.to_bytes(number.bit_length() // 8 + 1, "big")
        return bytes([2, len(data)]) + data

    body = integer(r) + integer(s)
    return (
        bytes([0x30, len(body)]) + body
        if len(body) < 128
        else bytes([0x30, 0x81, len(body)]) + body
    )


def x509_time(tag: int, content: bytes) -> Instant:
    """A time of a certificate's validity (RFC 5280, 4.1.2.5). Raises Bad."""
    if tag == 0x17 and len(content) == 13:  # UTCTime: two digits of the year
        content = (b"20" if content < b"50" else b"19") + content
    found = re.match(rb"([0-9]{4})" + rb"([0-9]{2})" * 5 + rb"Z\Z", content)
    if found is None or tag not in (0x17, 0x18):
        raise Bad("a time of a certificate is not valid")
    return utc(*map(int, found.groups()))


class Certificate:
    """What we read of an X.509 certificate (RFC 5280). Raises Bad."""

    def __init__(self, der: bytes) -> None:
        self.der = der
        outer = der_all(der_one(der, 0x30))
        if [tag for tag, _, _ in outer] != [0x30, 0x30, 0x03]:
            raise Bad("the data are not a certificate")
        self.signed, self.signature = outer[0][2], outer[2][1][1:]
        named_by = der_all(outer[1][1])
        if not named_by or named_by[0][0] != 6:
            raise Bad("the algorithm of a signature has no identifier")
        self.signature_name = der_oid(named_by[0][1])
        parts = der_all(outer[0][1])
        if parts and parts[0][0] == 0xA0:
            parts = parts[1:]
        if len(parts) < 6 or [tag for tag, _, _ in parts[:6]] != [2, 0x30, 0x30, 0x30, 0x30, 0x30]:
            raise Bad("the data are not a certificate")
        times = [x509_time(tag, content) for tag, content, _ in der_all(parts[3][1])]
        if len(times) != 2:
            raise Bad("the certificate has no validity period")
        self.not_after = times[1]
        self.serial, self.serial_raw = der_integer(parts[0][1]), parts[0][2]
        self.issuer, self.subject, self.spki = parts[2][2], parts[4][2], parts[5][2]
        self.extensions: dict[str, bytes] = {}
        for tag, content, _ in parts[6:]:
            if tag == 0xA3:
                for kind, extension, _ in der_all(der_one(content, 0x30)):
                    pieces = der_all(extension)
                    if kind != 0x30 or [tag for tag, _, _ in pieces] not in ([6, 4], [6, 1, 4]):
                        raise Bad("an extension of a certificate is malformed")
                    oid = der_oid(pieces[0][1])
                    if oid in self.extensions:
                        raise Bad("the certificate has an extension twice")
                    self.extensions[oid] = pieces[-1][1]
        key = der_all(der_one(self.spki, 0x30))
        if [tag for tag, _, _ in key] != [0x30, 0x03]:
            raise Bad("the certificate has no public key")
        algorithm = der_all(key[0][1])
        if not algorithm or algorithm[0][0] != 6:
            raise Bad("the public key has no algorithm")
        self.key_kind = der_oid(algorithm[0][1])
        self.key_curve = (
            der_oid(algorithm[1][1]) if len(algorithm) > 1 and algorithm[1][0] == 6 else ""
        )
        self.key_bits = key[1][1][1:]


# --------------------------------------------------------------------------------------------------
# F. The trust file (docs/spec/trust-file.md)

KEY_ID = re.compile(r"[0-9a-f]{64}\Z")
OID = re.compile(r"[0-2](\.(0|[1-9][0-9]{0,38})){1,30}\Z")
SERIAL = re.compile(r"(0|[1-9][0-9]{0,48})\Z")
MAX_SECONDS = 315_360_000  # of max_skew_s and max_lag_s: ten years
MAX_ROOT = 16 << 10  # bytes of PEM


def is_person_text(value: Any) -> bool:
    """Whether `value` is "a text for a person"."""
    if not isinstance(value, str) or not 1 <= len(value) <= 200 or value != value.strip(" "):
        return False
    bad = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp", "Zs"}
    return all(c == " " or unicodedata.category(c) not in bad for c in value)


def is_sorted(values: list[Any]) -> bool:
    """By Unicode code points, each value once."""
    return values == sorted(set(values))


class Trust:
    """A trust file, read in the order of "Reading one". Raises Refused."""

    def __init__(
        self,
        data: bytes,
        signature: bytes,
        pinned: str,
        now: Instant,
        openssl: OpenSSL,
        least_version: int = 1,
    ) -> None:
        try:
            self._read(data, signature, pinned, now, openssl, least_version)
        except (Bad, Unknown, IndexError, ValueError, subprocess.TimeoutExpired) as error:
            raise Refused(f"the trust file: {error}") from None

    def _read(
        self,
        data: bytes,
        signature: bytes,
        pinned: str,
        now: Instant,
        openssl: OpenSSL,
        least_version: int,
    ) -> None:
        # (1) size, canonical JSON, format
        value = parse_json(data, MAX_TRUST)
        if not isinstance(value, dict) or value.get("format") != "snapshotter-trust/1":
            raise Bad("the format is unknown")
        # (2) the root key is the one that was pinned
        if not isinstance(value.get("root_key"), str):
            raise Bad("the file names no root key")
        root = PublicKey(from_pem(value["root_key"].encode("utf-8"), "PUBLIC KEY"), openssl)
        if root.id != pinned:
            raise Bad(f"the root key is {root.id}, but {pinned} is expected")
        if root.curve is not P384:
            raise Bad("the root key is not on the curve P-384")
        # (3) the signature holds
        check_ecdsa_der(signature, P384)
        if not openssl.holds(root.spki, signature, data, "sha384"):
            raise Bad("the signature is not valid")
        # (4) every field
        wanted = "expires format keys log max_lag_s max_skew_s require root_key tsa version"
        fields(value, wanted.split(), "it")
        self._keys(value["keys"], root, openssl)
        self._authorities(value["tsa"], openssl)
        require = fields(value["require"], ["log", "signatures", "timestamps"], "require")
        if not is_count(require["signatures"], 1, 10) or not is_count(require["timestamps"], 0, 10):
            raise Bad("a number in require is out of range")
        self.log = None if value["log"] is None else Log(value["log"])
        self.requires_log = require["log"]
        if type(require["log"]) is not bool or (require["log"] and self.log is None):
            raise Bad("the file requires log proofs, but names no log")
        for name in ("max_skew_s", "max_lag_s"):
            if not is_count(value[name], 0, MAX_SECONDS):
                raise Bad(f"{name} is not a number of seconds")
        if not is_count(value["version"], 1, (1 << 31) - 1):
            raise Bad("version is not a number of 1 or more")
        expires = None if value["expires"] is None else instant(value["expires"])
        # (5) not older than one that was seen
        if value["version"] < least_version:
            raise Bad("version %d is older than version %d" % (value["version"], least_version))
        # (6) not expired
        if expires is not None and now > expires:
            raise Bad("the file expired at {}".format(value["expires"]))
        self.version, self.root_id = value["version"], root.id
        self.signatures, self.timestamps = require["signatures"], require["timestamps"]
        self.skew = datetime.timedelta(seconds=value["max_skew_s"])
        self.lag = datetime.timedelta(seconds=value["max_lag_s"])

    def _keys(self, keys: Any, root: PublicKey, openssl: OpenSSL) -> None:
        if not isinstance(keys, list) or len(keys) > 1000:
            raise Bad("keys is not a list of at most 1000")
        self.keys = {}
        for key in keys:
            fields(key, "alg key_id not_after not_before owner public_key revoked".split(), "a key")
            if not isinstance(key["public_key"], str):
                raise Bad("a public key is not text")
            public = PublicKey(from_pem(key["public_key"].encode("utf-8"), "PUBLIC KEY"), openssl)
            if (
                public.id != key["key_id"]
                or public.curve.algorithm != key["alg"]
                or public.id == root.id
            ):
                raise Bad(
                    "the id or the algorithm of the key %.80r is wrong, or the key is the root "
                    "key" % (key["key_id"],)
                )
            if not is_person_text(key["owner"]):
                raise Bad("the owner of a key is not one line of text")
            begin = instant(key["not_before"])
            end = None if key["not_after"] is None else instant(key["not_after"])
            revoked = None
            if key["revoked"] is not None:
                fields(key["revoked"], ["at", "reason"], "revoked")
                if key["revoked"]["reason"] not in ("superseded", "compromised"):
                    raise Bad("the reason of a revocation is unknown")
                revoked = (instant(key["revoked"]["at"]), key["revoked"]["reason"])
            if end is not None and end < begin:
                raise Bad("the period of a key ends before it begins")
            self.keys[public.id] = (begin, end, revoked)
        if not is_sorted([key["key_id"] for key in keys]):
            raise Bad("the keys are not sorted")

    def _authorities(self, authorities: Any, openssl: OpenSSL) -> None:
        if not isinstance(authorities, list) or len(authorities) > 100:
            raise Bad("tsa is not a list of at most 100")
        self.authorities = []
        roots = set()
        for authority in authorities:
            fields(authority, ["name", "policy_oids", "revoked_serials", "root"], "an authority")
            if not is_person_text(authority["name"]):
                raise Bad("the name of an authority is not one line of text")
            for name, form, most in (("policy_oids", OID, 50), ("revoked_serials", SERIAL, 10_000)):
                found = authority[name]
                if not isinstance(found, list) or len(found) > most:
                    raise Bad(f"{name} of an authority is not a list of at most {most}")
                if not all(isinstance(item, str) and form.match(item) for item in found):
                    raise Bad(f"{name} of an authority has an entry of another form")
                if not is_sorted(found):
                    raise Bad(f"{name} of an authority is not sorted")
            if not isinstance(authority["root"], str) or len(authority["root"]) > MAX_ROOT:
                raise Bad("a root certificate is not text, or is too long")
            root = authority["root"].encode("utf-8")
            certificate = Certificate(from_pem(root, "CERTIFICATE"))
            if certificate.issuer != certificate.subject:
                raise Bad("the root certificate of a timestamp authority is not self-signed")
            if openssl.run("x509", "-noout", "-pubkey", data=root).returncode:
                raise Bad("the root of an authority is not a certificate with a public key")
            roots.add(certificate.spki)
            policies, serials = set(authority["policy_oids"]), set(authority["revoked_serials"])
            self.authorities.append((authority["name"], root, policies, serials))
        if not is_sorted([authority["name"] for authority in authorities]) or len(roots) != len(
            authorities
        ):
            raise Bad("the authorities are not sorted, or an authority is named twice")

    def judge_key(self, key_id: str, proven: Optional[Instant]) -> tuple[str, str, str]:
        """The table of "Judging a key": (verdict, code, words)."""
        if key_id not in self.keys:
            return INDETERMINATE, "KEY_UNKNOWN", "the trust file does not name the key " + key_id
        begin, end, revoked = self.keys[key_id]
        if revoked and (proven is None or proven >= revoked[0]):
            words = "the key was revoked (%s) at %s, and nothing proves that the signature is older"
            verdict = FAILED if revoked[1] == "compromised" else INDETERMINATE
            return verdict, "KEY_REVOKED", words % (revoked[1], show_instant(revoked[0]))
        if proven is not None and proven < begin:
            return (
                FAILED,
                "KEY_PERIOD",
                "the signature is older than the period of the key, which began at "
                + show_instant(begin),
            )
        if end is not None and (proven is None or proven > end):
            return (
                INDETERMINATE,
                "KEY_PERIOD",
                "no token proves that the signature is older than the end of the key, at "
                + show_instant(end),
            )
        return PASSED, "OK", f"the key {key_id} is trusted, and was valid at the proven time"


# --------------------------------------------------------------------------------------------------
# G. The log (docs/spec/log.md; C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof; RFC 6962)

ED25519_HEAD = bytes.fromhex("302a300506032b6570032100")  # of a SubjectPublicKeyInfo (RFC 8410)
BY_LOG, BY_WITNESS = 1, 4  # kinds of keys
DECIMAL = re.compile(r"(0|[1-9][0-9]{0,15})\Z")
MAX_ENTRIES = (1 << 53) - 1  # of a tree
LAST_SECOND = 253_402_300_799  # the end of the year 9999, in seconds since 1970
EMPTY_ROOT = hashlib.sha256(b"").digest()
MAX_NOTE, MAX_SIGNATURES = 65_536, 64
MAX_TLOG_PROOF, MAX_PROOF_HASHES = 73_728, 63


def strict_base64(text: Any) -> bytes:
    """RFC 4648, section 4, in its one spelling. Raises Bad."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (AttributeError, ValueError):
        raise Bad("not base64") from None
    if base64.b64encode(data).decode("ascii") != text:
        raise Bad("the base64 is not in its canonical form")
    return data


class NoteKey:
    """A verifier key: `<name>+<key id>+<base64 of kind and public key>`. Raises Bad."""

    def __init__(self, text: Any, kind: int) -> None:
        parts = text.split("+", 2) if isinstance(text, str) else []
        if len(parts) != 3 or not note_name(parts[0]):
            raise Bad("the text is not a verifier key")
        self.name, self.public = parts[0], strict_base64(parts[2])
        self.id = hashlib.sha256(self.name.encode("utf-8") + b"\n" + self.public).digest()[:4]
        if parts[1] != self.id.hex() or self.public[:1] != bytes([kind]) or len(self.public) != 33:
            raise Bad("the kind or the id of a verifier key is wrong")
        self.spki = ED25519_HEAD + self.public[1:]


def note_name(name: str) -> bool:
    return (
        0 < len(name) <= 200
        and name.isprintable()
        and "+" not in name
        and not any(map(str.isspace, name))
    )


class Log:
    """Whom to believe about the log: `log` of the trust file. Raises Bad."""

    def __init__(self, value: Any) -> None:
        fields(value, ["quorum", "verifier_key", "witnesses"], "log")
        witnesses = value["witnesses"]
        if not isinstance(witnesses, list) or len(witnesses) > 16:
            raise Bad("log.witnesses is not a list of at most 16")
        self.key = NoteKey(value["verifier_key"], BY_LOG)
        self.witnesses = [NoteKey(text, BY_WITNESS) for text in witnesses]
        if not is_sorted(witnesses) or not is_count(value["quorum"], 0, len(witnesses)):
            raise Bad(
                "log.witnesses is not sorted, or log.quorum is higher than the number of witnesses"
            )
        if len({key.spki for key in [self.key, *self.witnesses]}) != 1 + len(witnesses):
            raise Bad("a key of the log is named twice")
        self.quorum = value["quorum"]


class Checkpoint:
    """A checkpoint that the log has signed, and when which witnesses cosigned it. Raises Bad."""

    def __init__(self, note: bytes, log: Log, openssl: OpenSSL) -> None:
        text, lines, origin, self.entries, self.root = self.parse(note)
        if origin != log.key.name:
            raise Bad("the checkpoint belongs to another log")
        signed = False
        for name, key_id, signature in lines:
            if (name, key_id) == (log.key.name, log.key.id):
                if len(signature) != 64 or not openssl.holds_raw(log.key.spki, signature, text):
                    raise Bad("the signature of the log is not valid")
                signed = True
        if not signed:
            raise Bad("the log has not signed the checkpoint")
        # public key in hexadecimal → the earliest and the latest time, in seconds since 1970
        self.witnesses: dict[str, tuple[int, int]] = {}
        for witness in log.witnesses:
            times = []
            for name, key_id, signature in lines:
                if (name, key_id) == (witness.name, witness.id):
                    when = int.from_bytes(signature[:8], "big")
                    cosigned = b"cosignature/v1\ntime %d\n" % when + text
                    holds = (
                        len(signature) == 72
                        and when <= LAST_SECOND
                        and openssl.holds_raw(witness.spki, signature[8:], cosigned)
                    )
                    times.append(when if holds else None)
            known = [when for when in times if when is not None]
            if known and len(known) == len(
                times
            ):  # one line that does not hold: as if it were absent
                self.witnesses[witness.spki.hex()] = (min(known), max(known))

    @classmethod
    def parse(cls, note: bytes) -> tuple[bytes, list[tuple[str, bytes, bytes]], str, int, bytes]:
        """Text, signature lines, origin, number of entries and root of a checkpoint in its form."""
        text, lines = cls._parse_note(note)
        body = text.decode("utf-8").split("\n")[:-1]
        if len(body) < 3 or "" in body or not DECIMAL.match(body[1]):
            raise Bad("the text is not a checkpoint")
        root = strict_base64(body[2])
        if len(root) != 32 or (body[1] == "0" and root != EMPTY_ROOT):
            raise Bad("the checkpoint has no root hash")
        if int(body[1]) > MAX_ENTRIES:
            raise Bad("the checkpoint names too many entries")
        return text, lines, body[0], int(body[1]), root

    @staticmethod
    def _parse_note(note: bytes) -> tuple[bytes, list[tuple[str, bytes, bytes]]]:
        end = note.rfind(b"\n\n")
        if len(note) > MAX_NOTE or end < 0 or not note.endswith(b"\n"):
            raise Bad("the text is not a signed note")
        try:
            whole = note.decode("utf-8")
        except UnicodeDecodeError:
            raise Bad("not UTF-8") from None
        if any(c < " " and c != "\n" for c in whole):
            raise Bad("the signed note contains a control character")
        found = []
        for line in note[end + 2 : -1].decode("utf-8").split("\n"):
            parts = line.split(" ")
            if len(parts) != 3 or parts[0] != "\u2014" or not note_name(parts[1]):
                raise Bad("a signature line is malformed")
            data = strict_base64(parts[2])
            if len(data) < 5:
                raise Bad("a signature line is too short")
            found.append((parts[1], data[:4], data[4:]))
        if len(found) > MAX_SIGNATURES:
            raise Bad("the signed note has more than 64 signatures")
        return note[: end + 1], found


def parse_log_proof(data: bytes) -> tuple[int, list[bytes], bytes]:
    """Index, hashes and checkpoint of a log proof in its form. Raises Bad."""
    if len(data) > MAX_TLOG_PROOF:
        raise Bad("the log proof is too long")
    head, divider, note = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise Bad("not ASCII") from None
    if not divider or lines[0] != "c2sp.org/tlog-proof@v1":
        raise Bad("the format of the log proof is unknown")
    if len(lines) > 1 and lines[1].startswith("extra "):
        strict_base64(lines[1][6:])
        del lines[1]
    if len(lines) < 2 or lines[1][:6] != "index " or not DECIMAL.match(lines[1][6:]):
        raise Bad("the log proof has no index")
    proof = [strict_base64(line) for line in lines[2:]]
    if len(proof) > MAX_PROOF_HASHES or any(len(digest) != 32 for digest in proof):
        raise Bad("the log proof has invalid hashes, or too many hashes")
    return int(lines[1][6:]), proof, note


def check_inclusion(
    index: int,
    proof: list[bytes],
    entries: int,
    root: bytes,
    bundle_id: str,
    sha256: str,
    kind: str = "bundle",
) -> None:
    """Raise Bad unless the tree has the leaf of this bundle at that index (RFC 9162, 2.1.3.2)."""
    leaf = f"snapshotter-leaf/1\n{kind} {bundle_id}\nsha256 {sha256}\n".encode("ascii")
    found = hashlib.sha256(b"\0" + leaf).digest()
    first, second = index, entries - 1
    if first > second:
        raise Bad("the index of the log proof is beyond the tree")
    for digest in proof:
        if second == 0:
            raise Bad("the log proof has too many hashes")
        if first & 1 or first == second:
            found = hashlib.sha256(b"\1" + digest + found).digest()
            while not first & 1 and first:
                first, second = first >> 1, second >> 1
        else:
            found = hashlib.sha256(b"\1" + found + digest).digest()
        first, second = first >> 1, second >> 1
    if second or found != root:
        raise Bad("the log proof does not lead to the root of the tree")


def check_log_proof(
    data: bytes, bundle_id: str, sha256: str, log: Log, openssl: OpenSSL
) -> tuple[int, Checkpoint]:
    """The index at which the log has this bundle, and the checkpoint that says so. Raises Bad."""
    index, proof, note = parse_log_proof(data)
    checkpoint = Checkpoint(note, log, openssl)
    check_inclusion(index, proof, checkpoint.entries, checkpoint.root, bundle_id, sha256)
    return index, checkpoint


# --------------------------------------------------------------------------------------------------
# H. Timestamp tokens (RFC 3161, RFC 5652, RFC 5816)

OID_SIGNED_DATA = "1.2.840.113549.1.7.2"
OID_TST_INFO = "1.2.840.113549.1.9.16.1.4"
OID_CONTENT_TYPE, OID_MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
OID_SIGNING_CERTIFICATE = {
    "1.2.840.113549.1.9.16.2.12": "sha1",
    "1.2.840.113549.1.9.16.2.47": "sha256",
}
DIGESTS = {
    "2.16.840.1.101.3.4.2.1": "sha256", "2.16.840.1.101.3.4.2.2": "sha384", "2.16.840.1.101.3.4.2.3": "sha512",
}  # fmt: skip
MAX_TOKEN_DEPTH = 32
EC_KEY, RSA_KEY = "1.2.840.10045.2.1", "1.2.840.113549.1.1.1"
# How a signature's algorithm may be named: the kind of key, and the hash unless the name leaves it open.
SIGNATURE_NAMES = {
    EC_KEY: (EC_KEY, ""), "1.2.840.10045.4.3.2": (EC_KEY, "sha256"), "1.2.840.10045.4.3.3": (EC_KEY, "sha384"),
    "1.2.840.10045.4.3.4": (EC_KEY, "sha512"), RSA_KEY: (RSA_KEY, ""), "1.2.840.113549.1.1.11": (RSA_KEY, "sha256"),
    "1.2.840.113549.1.1.12": (RSA_KEY, "sha384"), "1.2.840.113549.1.1.13": (RSA_KEY, "sha512"),
}  # fmt: skip
GENERALIZED_TIME = re.compile(
    rb"([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})(?:\.([0-9]{0,8}[1-9]))?Z\Z"
)


class Fields:
    """The values inside a DER value, taken in order; none may be left over. Raises Bad."""

    def __init__(self, content: bytes) -> None:
        self.parts = der_all(content)

    def maybe(self, tag: int) -> Optional[tuple[int, bytes, bytes]]:
        return self.parts.pop(0) if self.parts and self.parts[0][0] == tag else None

    def take(self, tag: int) -> bytes:
        """The content of the next value, which has to have this tag."""
        found = self.maybe(tag)
        if found is None:
            raise Bad("a field is missing or has another type")
        return found[1]

    def end(self) -> None:
        if self.parts:
            raise Bad("the data contain an unexpected field")


def check_der(data: bytes, depth: int = 1) -> None:
    """Every value in `data`, however deep, has the one form that DER has for it. Raises Bad."""
    for tag, content, _ in der_all(data):
        spare = content[-1] & ((1 << content[0] % 8) - 1) if tag == 3 and len(content) > 1 else 0
        if (
            depth > MAX_TOKEN_DEPTH
            or (tag == 1 and content not in (b"\0", b"\xff"))
            or (tag == 3 and (not content or content[0] > 7 or (len(content) == 1 and content[0])))
            or (tag == 5 and content)
            or spare
        ):
            raise Bad("the data are not DER: a value is not in the required form")
        if tag == 2:
            der_integer(content)
        elif tag & 0x20:
            check_der(content, depth + 1)


def algorithm(content: bytes) -> str:
    """The OID of an AlgorithmIdentifier; its parameters are absent or NULL. Raises Bad."""
    parts = Fields(content)
    oid = der_oid(parts.take(6))
    parts.maybe(5)
    parts.end()
    return oid


def digest_name(content: bytes) -> str:
    name = DIGESTS.get(algorithm(content))
    if name is None:
        raise Bad("the hash algorithm is not accepted")
    return name


def issued(issuer: Certificate, certificate: Certificate, openssl: OpenSSL) -> bool:
    """Whether `certificate` bears the name and a good signature of `issuer`, by a hash that counts."""
    if certificate.issuer != issuer.subject or certificate.der == issuer.der:
        return False
    digest = SIGNATURE_NAMES.get(certificate.signature_name, ("", ""))[1]
    return digest != "" and openssl.holds(
        issuer.spki, certificate.signature, certificate.signed, digest
    )


class Token:
    """
    An RFC 3161 response that agrees with itself, in which every byte has its place. Says nothing about who made it.

    OpenSSL passes over much of a token: unsigned attributes, lists of hashes, names of algorithms, certificates
    that nobody needed. What nobody looks at, anybody can change; so it is read here first. Raises Bad.
    """

    end: Instant  # of its signer's certificate or its root, once it was judged to be good

    def __init__(self, response: bytes, openssl: OpenSSL) -> None:
        if len(response) > MAX_PROOF:
            raise Bad(f"the token is longer than {MAX_PROOF} bytes")
        self.response = response
        check_der(response)
        # TimeStampResp ::= SEQUENCE { status PKIStatusInfo, timeStampToken ContentInfo }
        outer = Fields(der_one(response, 0x30))
        status, content_info = Fields(outer.take(0x30)), Fields(outer.take(0x30))
        outer.end()
        if der_integer(status.take(2)) != 0:
            raise Bad("the timestamp authority did not grant the request")
        words = status.maybe(0x30)  # free text, which nothing signs
        if words and (len(words[1]) > 256 or any(tag != 12 for tag, _, _ in der_all(words[1]))):
            raise Bad("the text of the status is too long")
        if words:
            b"".join(content for _, content, _ in der_all(words[1])).decode("utf-8")
        status.end()
        if der_oid(content_info.take(6)) != OID_SIGNED_DATA:
            raise Bad("the token is not signed data")
        # SignedData ::= SEQUENCE { version, digestAlgorithms, encapContentInfo, [0] certificates, signerInfos }
        signed = Fields(der_one(content_info.take(0xA0), 0x30))
        content_info.end()
        if der_integer(signed.take(2)) != 3:
            raise Bad("the version of the signed data is not 3")
        digests, encapsulated = signed.take(0x31), Fields(signed.take(0x30))
        if der_oid(encapsulated.take(6)) != OID_TST_INFO:
            raise Bad("the content is not a timestamp")
        info = der_one(encapsulated.take(0xA0), 0x04)
        encapsulated.end()
        bag = [whole for _, _, whole in der_all(signed.take(0xA0))]
        if not 1 <= len(bag) <= 8 or len(set(bag)) != len(bag):
            raise Bad(
                "the token has no certificates, too many certificates, or a certificate twice"
            )
        self.certificates = [Certificate(der) for der in bag]
        signers = signed.take(0x31)
        signed.end()  # revocation lists, which nothing signs, are refused
        self._info(info)
        self._signer(signers, digests, info, openssl)

    def _info(self, info: bytes) -> None:
        # TSTInfo ::= SEQUENCE { version, policy, messageImprint, serialNumber, genTime, accuracy, ordering, nonce, [0] tsa, [1] … }
        check_der(info)
        parts = Fields(der_one(info, 0x30))
        if der_integer(parts.take(2)) != 1:
            raise Bad("the version of the timestamp is not 1")
        self.policy = der_oid(parts.take(6))
        imprint = Fields(parts.take(0x30))
        self.imprint_digest, self.imprint = digest_name(imprint.take(0x30)), imprint.take(4)
        imprint.end()
        parts.take(2)
        found = GENERALIZED_TIME.match(parts.take(0x18))
        if not found:
            raise Bad("the time of the token is not a valid time in UTC")
        self.whole_second = utc(*map(int, found.groups()[:6]))
        fraction = (found.group(7) or b"0").ljust(6, b"0")[:6]
        self.time = self.whole_second + datetime.timedelta(microseconds=int(fraction))
        accuracy = parts.maybe(0x30)
        if accuracy:
            numbers = Fields(accuracy[1])
            for tag, least, most in ((2, 0, 1 << 31), (0x80, 1, 999), (0x81, 1, 999)):
                number = numbers.maybe(tag)
                if number and not least <= der_integer(number[1]) <= most:
                    raise Bad("the accuracy of the token is out of range")
            numbers.end()
        for tag in (1, 2, 0xA0):
            parts.maybe(tag)
        extensions = parts.maybe(0xA1)
        parts.end()
        for tag, extension, _ in der_all(extensions[1]) if extensions else []:
            found_one = Fields(extension)
            found_one.take(6)
            critical = found_one.maybe(1)
            found_one.take(4)
            found_one.end()
            if tag != 0x30 or (critical and critical[1] != b"\0"):
                raise Bad("the timestamp has an unknown critical extension")

    def _signer(self, infos_data: bytes, digests: bytes, info: bytes, openssl: OpenSSL) -> None:
        # SignerInfo ::= SEQUENCE { version, issuerAndSerialNumber, digestAlgorithm, [0] signedAttrs, signatureAlgorithm, signature }
        parts = Fields(der_one(infos_data, 0x30))
        if der_integer(parts.take(2)) != 1:
            raise Bad("the version of the signer's part is not 1")
        signer_id, digest_algorithm = parts.take(0x30), parts.maybe(0x30)
        attributes_raw = parts.maybe(0xA0)
        signature_name, signature = algorithm(parts.take(0x30)), parts.take(4)
        parts.end()  # unsigned attributes are refused
        if digest_algorithm is None or attributes_raw is None or digests != digest_algorithm[2]:
            raise Bad(
                "the token does not have one signer with signed attributes and a listed hash "
                "algorithm"
            )
        digest = digest_name(digest_algorithm[1])
        attributes: dict[str, tuple[int, bytes, bytes]] = {}
        encoded = [whole for _, _, whole in der_all(attributes_raw[1])]
        if encoded != sorted(encoded):
            raise Bad("the signed attributes are not in the order of DER")
        for tag, content, _ in der_all(attributes_raw[1]):
            pieces = Fields(content)
            oid, values = der_oid(pieces.take(6)), der_all(pieces.take(0x31))
            pieces.end()
            if tag != 0x30 or oid in attributes or len(values) != 1:
                raise Bad("an attribute occurs twice, or has two values")
            attributes[oid] = values[0]
        kind = attributes.get(OID_CONTENT_TYPE, (0, b"", b""))
        if kind[0] != 6 or der_oid(kind[1]) != OID_TST_INFO:
            raise Bad("the signature covers another kind of content")
        if attributes.get(OID_MESSAGE_DIGEST, (0, b"", b""))[:2] != (
            4,
            hashlib.new(digest, info).digest(),
        ):
            raise Bad("the signature covers other content")
        found = [
            certificate
            for certificate in self.certificates
            if certificate.issuer + certificate.serial_raw == signer_id
        ]
        if len(found) != 1:
            raise Bad("the token does not contain the certificate of the signer")
        self.signer = found[0]
        # ESSCertID (RFC 2634), ESSCertIDv2 (RFC 5035): the first certificate named has to be the signer's
        named_it = 0
        for oid, default in OID_SIGNING_CERTIFICATE.items():
            if oid in attributes:
                if attributes[oid][0] != 0x30:
                    raise Bad("the attribute that names the signer's certificate is malformed")
                outer = Fields(attributes[oid][1])
                named_all = der_all(outer.take(0x30))
                policies = outer.maybe(0x30)
                outer.end()
                listed = der_all(policies[1]) if policies else []
                if len({whole for _, _, whole in named_all}) != len(named_all):
                    raise Bad("the token names a certificate twice")
                if any(tag != 0x30 for tag, _, _ in named_all + listed):
                    raise Bad("the name of a certificate or of a policy is malformed")
                for _, policy, _ in listed:
                    parts = Fields(policy)
                    parts.take(6)
                    parts.maybe(0x30)
                    parts.end()
                for _, identifier, _ in named_all[1:]:
                    parts = Fields(identifier)
                    parts.maybe(0x30)
                    parts.take(4)
                    parts.maybe(0x30)
                    parts.end()
                first = Fields(named_all[0][1])
                other = first.maybe(0x30) if default == "sha256" else None
                name = digest_name(other[1]) if other else default
                if hashlib.new(name, self.signer.der).digest() != first.take(4):
                    raise Bad(
                        "the token was signed with another certificate than the token contains"
                    )
                first.maybe(0x30)  # issuer and serial number
                first.end()
                named_it += 1
        if not named_it:
            raise Bad("the token does not name the certificate of its signer")
        if self.signer.key_kind not in (EC_KEY, RSA_KEY):
            raise Unchecked("this program does not support the kind of key of the signature")
        kind_of_key, fixed = SIGNATURE_NAMES.get(signature_name, ("", ""))
        if kind_of_key != self.signer.key_kind or fixed not in ("", digest):
            raise Bad("the algorithm of the signature is not accepted")
        # RFC 5652, 5.4: signed as a SET, stored under another tag
        if not openssl.holds(self.signer.spki, signature, b"\x31" + attributes_raw[2][1:], digest):
            raise Bad("the signature of the certificate is not valid")

    def has_part(self, root: Certificate, openssl: OpenSSL) -> bool:
        """
        Whether every certificate in the token stands above its signer and below the root.

        One exception, because authorities send it: the root's own key, certified by an older root.
        """
        above, waiting, rooted = [self.signer], [self.signer], False
        while waiting:
            certificate = waiting.pop()
            if (certificate.subject, certificate.spki) == (root.subject, root.spki):
                rooted = rooted or certificate.der == root.der
                continue
            issuers = [
                issuer
                for issuer in [*self.certificates, root]
                if issued(issuer, certificate, openssl)
            ]
            if not issuers:
                return False
            fresh = [
                certificate
                for certificate in issuers
                if certificate.der not in {known.der for known in above}
            ]
            above += fresh
            waiting += fresh
        return rooted and {certificate.der for certificate in self.certificates} <= {
            certificate.der for certificate in above
        }

    def is_over(self, data: bytes) -> bool:
        return hashlib.new(self.imprint_digest, data).digest() == self.imprint

    def leads_to(self, root_pem: bytes, openssl: OpenSSL) -> bool:
        """Whether the chain ends in this root at the token's own time, and all that RFC 3161 asks of a signer holds."""
        done = openssl.run(
            "ts", "-verify", "-in", openssl.file("token.tsr", self.response), "-digest", self.imprint.hex(),
            "-CAfile", openssl.file("root.pem", root_pem), "-attime", str(int(self.whole_second.timestamp())),
        )  # fmt: skip
        if done.returncode != 0 or b"Verification: OK" not in done.stdout:
            return False
        return self.has_part(Certificate(from_pem(root_pem, "CERTIFICATE")), openssl)

    def judge(self, data: bytes, trust: Trust, openssl: OpenSSL) -> tuple[str, str]:
        """(code, authority): "OK" and its name, or why it does not count. Sets `end` of a good one."""
        code = "TS_UNTRUSTED"
        for name, root, policies, serials in trust.authorities:
            if self.leads_to(root, openssl):
                if str(self.signer.serial) in serials:
                    code = "TS_REVOKED"
                elif policies and self.policy not in policies:
                    code = "TS_POLICY"
                elif not self.is_over(data):
                    return "TS_IMPRINT", ""
                else:
                    root_ends = Certificate(from_pem(root, "CERTIFICATE")).not_after
                    self.end = min(self.signer.not_after, root_ends)
                    return "OK", name
        return code, ""


# --------------------------------------------------------------------------------------------------
# I. The container and the names (steps 1 and 2)

NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-zA-Z0-9][a-zA-Z0-9._-]*)?\Z")
RECORD, CUSTODY, TLS = "capture/capture.json", "capture/custody.jsonl", "capture/tls.json"
BLAKE3_LIST, SIGNED_LIST = "seal/manifest-blake3.txt", "seal/manifest-sha256.txt"
PACKAGE, PACKAGE_DIGEST = "datapackage.json", "datapackage-digest.json"
ASSESSMENT, PAGE_TEXT, POLICY = "capture/assessment.json", "capture/page.txt", "capture/policy.toml"
IMAGES, PAGES = "capture/images.jsonl", "pages/pages.jsonl"
REDACTABLE, OPENINGS = "capture/redactable.json", "redacted/openings.json"
REQUIRED = (
    "archive/data.warc.gz", RECORD, CUSTODY, "capture/policy.toml", PACKAGE_DIGEST, PACKAGE, "indexes/index.cdx",
    "pages/pages.jsonl", BLAKE3_LIST, SIGNED_LIST,
)  # fmt: skip
REQUIRED_OF_REDACTED = (BLAKE3_LIST, SIGNED_LIST, REDACTABLE, OPENINGS)
NEVER_IN_REDACTED = (RECORD, PACKAGE, PACKAGE_DIGEST)  # they repeat addresses and the title
LISTED_PLACE = re.compile(
    r"archive/data\.warc\.gz\Z|indexes/index\.cdx\Z|pages/pages\.jsonl\Z|capture/[^/]*\.[^/]*\Z"
)
PROOF_PLACE = re.compile(r"seal/sig-0[1-9](\.der|\.pem|\.tsa-0[1-9]\.tsr)\Z")
KEPT = {  # members whose content is needed, with the most bytes that they may have
    RECORD: MAX_JSON, CUSTODY: MAX_MANIFEST, TLS: MAX_JSON, BLAKE3_LIST: MAX_MANIFEST, SIGNED_LIST: MAX_MANIFEST,
    PACKAGE: MAX_JSON, PACKAGE_DIGEST: MAX_PROOF, REDACTABLE: MAX_JSON, OPENINGS: MAX_JSON,
}  # fmt: skip


class Member:
    """A file in the bundle: its name, length and CRC-32, its digests, and its content where that is needed."""

    def __init__(self, name: str, crc: int, length: int, offset: int) -> None:
        self.name, self.crc, self.length, self.offset = name, crc, length, offset
        self.kept = KEPT.get(name, MAX_PROOF if PROOF_PLACE.match(name) else None)
        if name == ASSESSMENT and length <= MAX_JSON:  # a longer one is not read
            self.kept = MAX_JSON
        self.characters, self.head = 0, b""  # of the page's text; of a picture
        self.lines, self.end = 0, b""  # of the list of images; of the list of pages, also its end
        self.sha256 = self.blake3 = ""
        self.content = b""

    # The canonical headers of APPNOTE 6.3, sections 4.3.7 and 4.3.12: version 20, Unix (3), no flags, STORE,
    # 1980-01-01 00:00 (date 33), no extra field, no comment, mode 0100644.

    def local_header(self) -> bytes:
        name = self.name.encode("ascii")
        return (
            struct.pack(
                "<4s5H3L2H",
                b"PK\3\4",
                20,
                0,
                0,
                0,
                33,
                self.crc,
                self.length,
                self.length,
                len(name),
                0,
            )
            + name
        )

    def central_header(self) -> bytes:
        name = self.name.encode("ascii")
        return struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 3 << 8 | 20, 20, 0, 0, 0, 33, self.crc, self.length, self.length,
            len(name), 0, 0, 0, 0, 0o100644 << 16, self.offset,
        ) + name  # fmt: skip


def read_directory(stream: BinaryIO, size: int) -> tuple[list[Member], bytes]:
    """The members as the central directory names them. Raises Bad, whose first argument is NAME or CONTAINER."""
    if not 22 <= size <= MAX_FILE:
        raise Bad("CONTAINER", "a bundle has at least 22 bytes and less than 4 GiB")
    stream.seek(size - 22)
    end = stream.read(22)
    if len(end) != 22 or end[:4] != b"PK\5\6":
        raise Bad("CONTAINER", "the file does not end with the end record of a zip")
    count, length, start = struct.unpack("<10xH2L2x", end)
    if count > MAX_MEMBERS or start + length + 22 != size or length > MAX_MEMBERS * (46 + MAX_NAME):
        raise Bad("CONTAINER", "the end record does not fit the file")
    if end != struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, length, start, 0):
        raise Bad("CONTAINER", "the end record is not canonical")
    stream.seek(start)
    directory = stream.read(length)
    at, members = 0, []
    while at < len(directory):
        head = directory[at : at + 46]
        if len(head) < 46 or head[:4] != b"PK\1\2":
            raise Bad("CONTAINER", "the central directory is not canonical")
        crc, member_length, name_length, offset = struct.unpack("<16x2L4xH12xL", head)
        name = directory[at + 46 : at + 46 + name_length]
        if len(name) < name_length or not name.isascii():
            raise Bad("NAME", "a name is cut off, or not ASCII")
        members.append(Member(name.decode("ascii"), crc, member_length, offset))
        at += 46 + name_length
    rebuilt = b"".join(member.central_header() for member in members)
    if rebuilt != directory or len(members) != count:
        raise Bad("CONTAINER", "the central directory is not canonical")
    names = [member.name for member in members]
    for text in names:
        if len(text) > MAX_NAME or not NAME.match(text):
            raise Bad("NAME", f"a bundle cannot have a file named {text!r:.80}")
    if len({text.lower() for text in names}) != len(names):
        raise Bad("NAME", "two names are the same, or differ only in case")
    if names != sorted(names):
        raise Bad("NAME", "the files are not in the order of their names")
    at = 0
    for member in members:
        if member.offset != at:
            raise Bad("CONTAINER", "a file does not begin directly after the file before it")
        if member.kept is not None and member.length > member.kept:
            raise Bad("CONTAINER", "%s is longer than %d bytes" % (member.name, member.kept))
        at += len(member.local_header()) + member.length
    if at != start:
        raise Bad("CONTAINER", "there are bytes between the files and the central directory")
    return members, directory + end


def read_members(
    stream: BinaryIO, members: list[Member], tail: bytes, use_b3sum: bool
) -> tuple[str, str]:
    """
    Read the whole file once from its beginning, compare every header, digest every member.

    Returns the file's SHA-256 and SHA-512.
    """
    whole, again = hashlib.sha256(), hashlib.sha512()

    def take(count: int) -> bytes:
        data = stream.read(count)
        whole.update(data)
        again.update(data)
        return data

    stream.seek(0)
    for member in members:
        header = member.local_header()
        if take(len(header)) != header:
            raise Bad("CONTAINER", f"the header of {member.name} is not canonical")
        sha256, crc, left, content = hashlib.sha256(), 0, member.length, []
        blake3 = Blake3Command() if use_b3sum and member.length > CHUNK else Blake3()
        while left:
            data = take(min(left, CHUNK))
            if not data:
                raise Bad("CONTAINER", "the file became shorter while it was read")
            left -= len(data)
            sha256.update(data)
            blake3.update(data)
            crc = zlib.crc32(data, crc)
            if member.name == PAGE_TEXT:  # all bytes of UTF-8 but those that continue a character
                member.characters += len(data.translate(None, bytes(range(0x80, 0xC0))))
            if member.name in (IMAGES, PAGES):
                member.lines += data.count(b"\n")
            if member.name == PAGES:  # a title and an address that no record cuts are shorter
                member.end = (member.end + data)[-(1 << 20) :]
            if member.name.endswith(".png") and len(member.head) < 33:
                member.head += data[: 33 - len(member.head)]
            if member.kept is not None:
                content.append(data)
        member.sha256, member.blake3, member.content = (
            sha256.hexdigest(),
            blake3.hexdigest(),
            b"".join(content),
        )
        if crc != member.crc:
            raise Bad("CONTAINER", f"the checksum of {member.name} is wrong")
    if take(len(tail)) != tail or take(1):
        raise Bad("CONTAINER", "the file changed while it was read")
    return whole.hexdigest(), again.hexdigest()


def png_size(head: bytes) -> Optional[tuple[int, int]]:
    """Width and height by the first 33 bytes of a PNG image (W3C PNG, 5.2 and 11.2.1); None for no such image."""
    if len(head) < 33 or head[:8] != b"\x89PNG\r\n\x1a\n" or head[12:16] != b"IHDR":
        return None
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


MANIFEST_LINE = re.compile(r"([0-9a-f]{64})  ([!-~]+)\Z")


def parse_manifest(data: bytes) -> dict[str, str]:
    """A manifest as {path: digest}, or Bad: it has one form."""
    try:
        lines = data.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise Bad("not ASCII") from None
    if lines.pop() != "" or not lines:
        raise Bad("the list is empty, or has no newline at its end")
    digests: dict[str, str] = {}
    for line in lines:
        found = MANIFEST_LINE.match(line)
        if found is None or not NAME.match(found.group(2)):
            raise Bad("a line of the list is malformed")
        digests[found.group(2)] = found.group(1)
    if list(digests) != sorted(digests) or len(digests) != len(lines):
        raise Bad("the paths of the list are not sorted, or a path occurs twice")
    return digests


# --------------------------------------------------------------------------------------------------
# J. The capture record (docs/spec/capture-record.md, "What a verifier reads")

RENEWAL_LINE = re.compile(
    r"covers (late-0[1-9]\.tsr|renewal-(?:0[1-9]|[1-9][0-9])\.(?:txt|tsr)) sha512 ([0-9a-f]{128})\Z"
)
BUNDLE_ID = re.compile(
    r"([0-9]{4})([0-9]{2})([0-9]{2})t([0-9]{2})([0-9]{2})([0-9]{2})z-[a-z2-7]{16}\Z"
)
SLOT = "sig-%02d"


class Record:
    """What a verifier reads of capture.json. Raises Bad."""

    def __init__(self, value: Any, version: int = 1) -> None:
        if not isinstance(value, dict) or value.get("format") != f"snapshotter-capture/{version}":
            raise Bad("the format is unknown")
        self.value = value
        self.bundle_id = self._text(value, "bundle_id")
        found = BUNDLE_ID.match(self.bundle_id)
        if found is None:
            raise Bad("bundle_id is not valid")
        self.id_time = utc(*map(int, found.groups()))
        authorities = value.get("authorities")
        if not isinstance(authorities, list) or not all(
            isinstance(authority, str) for authority in authorities
        ):
            raise Bad("authorities is not a list of texts")
        self.authorities: list[str] = authorities
        self.software = self._text(value, "software")
        self.sealed_text = self._text(value, "sealed_at")
        self.sealed_at = instant(self.sealed_text)
        what, when, requires = (self._object(value, name) for name in ("what", "when", "requires"))
        self.requested_url = self._text(what, "requested_url")
        self.final_url = self._text(what, "final_url")
        self.title = self._text(what, "title")
        self.started_text = self._text(when, "started_at")
        self.started_at = instant(self.started_text)
        self.ended_at = instant(self._text(when, "ended_at"))
        self.signatures, self.timestamps = requires.get("signatures"), requires.get("timestamps")
        self.log, self.log_checkpoint = requires.get("log"), value.get("log_checkpoint")
        if not is_count(self.signatures, 0, 1 << 53) or not is_count(self.timestamps, 0, 1 << 53):
            raise Bad("requires does not have the required numbers")
        if type(self.log) is not bool:
            raise Bad("requires.log is neither true nor false")
        signers = value.get("signers")
        if not isinstance(signers, list) or not 1 <= len(signers) <= 9:
            raise Bad("signers is not a list of one to nine")
        self.signers: list[dict[str, Any]] = signers
        for number, signer in enumerate(signers, 1):
            if not isinstance(signer, dict) or signer.get("slot") != SLOT % number:
                raise Bad("the signers' slots are not sig-01, sig-02 …")
            if (
                not KEY_ID.match(self._text(signer, "key_id"))
                or type(signer.get("wacz_auth")) is not bool
            ):
                raise Bad("a signer has no valid key_id or wacz_auth")
            self._text(signer, "algorithm")
        if len({signer["key_id"] for signer in self.signers}) != len(self.signers):
            raise Bad("a key is named twice")

    @staticmethod
    def _text(value: dict[str, Any], name: str) -> str:
        found = value.get(name)
        if not isinstance(found, str):
            raise Bad(f"{name} is missing or is not text")
        return found

    @staticmethod
    def _object(value: dict[str, Any], name: str) -> dict[str, Any]:
        found = value.get(name)
        if not isinstance(found, dict):
            raise Bad(f"{name} is missing")
        return found

    def outcome(self) -> tuple[Optional[str], list[dict[str, str]]]:
        """Whether the capture is complete, partial or failed, and why: the bundle's own word, which changes no verdict."""
        said = self.value.get("outcome")
        if not isinstance(said, dict) or said.get("state") not in ("complete", "partial", "failed"):
            return None, []
        given = said.get("reasons")
        reasons = [
            {
                "code": reason["code"],
                "detail": "(withheld)" if is_closed(reason["detail"]) else reason["detail"],
            }
            for reason in (given if isinstance(given, list) else [])
            if isinstance(reason, dict)
            and isinstance(reason.get("code"), str)
            and (isinstance(reason.get("detail"), str) or is_closed(reason.get("detail")))
        ]
        return said["state"], reasons

    def artifacts(self) -> list[dict[str, Any]]:
        listed = self.at("content.artifacts")
        return (
            [artifact for artifact in listed if isinstance(artifact, dict)]
            if isinstance(listed, list)
            else []
        )

    def announces(self, path: str) -> bool:
        return any(artifact.get("path") == path for artifact in self.artifacts())

    def at(self, path: str) -> Any:
        """A value of the record; None below what is null, and `...` where there is no such field."""
        value: Any = self.value
        for name in path.split("."):
            if value is None:
                return None
            if not isinstance(value, dict) or name not in value:
                return ...
            value = value[name]
        return ... if is_closed(value) else value  # what is withheld states nothing


# The redactable record (docs/spec/redactable-record.md) and redacted copies (docs/spec/redacted-copy.md)

FIELD_GROUPS = ("what", "when", "who", "from_whom", "content", "how", "outcome")
FIELD_NAME = re.compile(r"([a-z][a-z0-9_]{0,63}|0|[1-9][0-9]{0,5}|\*)\Z")
MAX_FIELDS = 200


def salt_of(salt_key: bytes, name: str) -> bytes:
    return hmac.new(salt_key, b"snapshotter-salt/1\n" + name.encode(), "sha256").digest()


def commitment(salt: bytes, pointer: str, value: Any) -> str:
    whole = b"snapshotter-commitment/1\n"
    for part in (salt, pointer.encode(), canonical_json(value).encode()):
        whole += struct.pack(">Q", len(part)) + part
    return hashlib.sha256(whole).hexdigest()


def may_be_closed(field: Any) -> bool:
    """Whether a text or a number at this place of a record may be replaced by a commitment."""
    if not isinstance(field, str) or not field.startswith("/"):
        return False
    names = field[1:].split("/")
    if not 2 <= len(names) <= 8 or names[0] not in FIELD_GROUPS:
        return False
    if "committed" in names or not all(FIELD_NAME.match(name) for name in names):
        return False
    if names[0] == "when":
        return names[1] == "clock_checks" and len(names) > 2
    if names[:2] == ["content", "pictures"] and (len(names) < 4 or names[3] == "files"):
        return False
    compared = (["content", "artifacts"], ["outcome", "state"])
    return names[:2] not in compared and names[:3] != ["how", "policy", "sha256"]


def is_closed(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and list(value) == ["committed"]
        and isinstance(value["committed"], str)
    )


def can_be_closed(value: Any) -> bool:
    return isinstance(value, str) or type(value) is int  # true and false are no numbers


def looks_closed(value: Any) -> bool:
    """Whether an object with the one key of a commitment is anywhere in a value."""
    if isinstance(value, dict):
        return list(value) == ["committed"] or any(map(looks_closed, value.values()))
    return isinstance(value, list) and any(map(looks_closed, value))


def without_closed(value: Any) -> Any:
    """A record without the values that it withholds."""
    if isinstance(value, dict):
        return {name: without_closed(item) for name, item in value.items() if not is_closed(item)}
    if isinstance(value, list):
        return [without_closed(item) for item in value if not is_closed(item)]
    return value


def places(value: Any, where: str = "") -> Iterable[tuple[str, Any]]:
    """Every text, number and commitment in a record, with its JSON pointer."""
    if isinstance(value, (dict, list)) and not is_closed(value):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for name, item in items:
            escaped = str(name).replace("~", "~0").replace("/", "~1")  # RFC 6901
            yield from places(item, f"{where}/{escaped}")
    else:
        yield where, value


def named_places(value: Any, patterns: list[list[str]], where: str = "") -> Iterable[str]:
    """The JSON pointers that patterns name and at which a text, a number or a commitment stands."""
    if can_be_closed(value) or is_closed(value):
        if [] in patterns:
            yield where
        return
    longer = [pattern for pattern in patterns if pattern]
    items: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        items = [(name, item) for name, item in value.items() if name != "*"]
    elif isinstance(value, list):
        items = [(str(number), item) for number, item in enumerate(value)]
    for name, item in items:
        below = [pattern[1:] for pattern in longer if pattern[0] == name]
        if isinstance(value, list):
            below = below or [pattern[1:] for pattern in longer if pattern[0] == "*"]
        if below:
            yield from named_places(item, below, f"{where}/{name}")


def with_openings(closed: dict[str, Any], data: bytes) -> tuple[dict[str, Any], list[str]]:
    """The record of a redacted copy with the values that it shows, and where the others are. Raises Bad."""
    announced = closed.get("redactable")
    if not isinstance(announced, dict) or list(announced) != ["fields"]:
        raise Bad("redactable does not have exactly fields")
    check_fields(announced["fields"])
    patterns = [field[1:].split("/") for field in announced["fields"]]
    commitments = {where: value for where, value in places(closed) if is_closed(value)}
    if sorted(commitments) != sorted(named_places(closed, patterns)):
        raise Bad("commitments and the fields that may be closed are not the same")
    if not all(KEY_ID.match(value["committed"]) for value in commitments.values()):
        raise Bad("a commitment is not 64 hexadecimal digits")
    said = fields(parse_json(data), ("bundle_id", "format", "openings"), "the file of openings")
    if said["format"] != "snapshotter-openings/1" or said["bundle_id"] != closed.get("bundle_id"):
        raise Bad("the openings are those of another bundle, or in another format")
    if not isinstance(said["openings"], list):
        raise Bad("openings is not a list")
    shown: dict[str, Any] = {}
    before = ""
    for opening in said["openings"]:
        fields(opening, ("pointer", "salt", "value"), "an opening")
        pointer, salt, value = opening["pointer"], opening["salt"], opening["value"]
        if not (isinstance(pointer, str) and isinstance(salt, str) and can_be_closed(value)):
            raise Bad("an opening does not have two texts and a text or a number")
        if not KEY_ID.match(salt):
            raise Bad("a salt is not 64 hexadecimal digits")
        if pointer <= before:
            raise Bad("openings are not in order, or one occurs twice")
        if pointer not in commitments:
            raise Bad(f"no commitment is at {pointer:.200}")
        if commitment(bytes.fromhex(salt), pointer, value) != commitments[pointer]["committed"]:
            raise Bad(f"the value shown at {pointer:.200} does not match its commitment")
        shown[pointer] = value
        before = pointer

    def opened(value: Any, where: str) -> Any:
        if is_closed(value):
            return shown.get(where, value)
        if isinstance(value, dict):
            return {name: opened(item, f"{where}/{name}") for name, item in value.items()}
        if isinstance(value, list):
            return [opened(item, f"{where}/{number}") for number, item in enumerate(value)]
        return value

    return opened(closed, ""), sorted(set(commitments) - set(shown))


def blank(value: Any) -> Any:
    """A record with an empty text in place of each commitment."""
    if is_closed(value):
        return ""
    if isinstance(value, dict):
        return {name: blank(item) for name, item in value.items()}
    return list(map(blank, value)) if isinstance(value, list) else value


def check_fields(fields_named: Any) -> None:
    """Raise Bad unless it is a list of fields that may be closed."""
    if not isinstance(fields_named, list) or len(fields_named) > MAX_FIELDS:
        raise Bad("redactable.fields is not a list, or is too long")
    if not all(map(may_be_closed, fields_named)):
        raise Bad("redactable.fields names a field that must not be closed")
    if sorted(set(fields_named)) != fields_named:
        raise Bad("redactable.fields is not in order, or names a field twice")


def closed_record(record: dict[str, Any]) -> bytes:
    """The bytes of the redactable record that follows from a capture record. Raises Bad."""
    announced = record["redactable"]
    if not isinstance(announced, dict) or sorted(announced) != ["fields", "salt_key"]:
        raise Bad("redactable does not have exactly fields and salt_key")
    fields_named, text = announced["fields"], announced["salt_key"]
    if not isinstance(text, str) or not KEY_ID.match(text):
        raise Bad("redactable.salt_key is not 64 hexadecimal digits")
    check_fields(fields_named)
    if looks_closed(record):
        raise Bad("the capture record has an object whose only key is committed")
    salt_key, patterns = bytes.fromhex(text), [field[1:].split("/") for field in fields_named]

    def closed(value: Any, path: list[str], wanted: list[list[str]]) -> Any:
        depth = len(path)
        if can_be_closed(value) and any(len(pattern) == depth for pattern in wanted):
            pointer = "/" + "/".join(path)
            return {"committed": commitment(salt_of(salt_key, pointer), pointer, value)}
        wanted = [pattern for pattern in wanted if len(pattern) > depth]
        if not wanted or not isinstance(value, (dict, list)):
            return value
        if isinstance(value, dict):
            result = dict(value)
            for name in {pattern[depth] for pattern in wanted} & set(value) - {"*"}:
                below = [pattern for pattern in wanted if pattern[depth] == name]
                result[name] = closed(value[name], [*path, name], below)
            return result
        entries = []
        for number, item in enumerate(value):
            # A number before a star: only one of the two counts.
            below = [pattern for pattern in wanted if pattern[depth] == str(number)]
            below = below or [pattern for pattern in wanted if pattern[depth] == "*"]
            entries.append(closed(item, [*path, str(number)], below))
        return entries

    result = closed(record, [], patterns)
    content = result.get("content")
    if isinstance(content, dict) and isinstance(content.get("artifacts"), list):
        result["content"] = dict(content)
        result["content"]["artifacts"] = [
            artifact
            for artifact in content["artifacts"]
            if not isinstance(artifact, dict) or artifact.get("path") != REDACTABLE
        ]
    result["format"], result["redactable"] = "snapshotter-capture/2", {"fields": fields_named}
    return canonical_json(result).encode()


# --------------------------------------------------------------------------------------------------
# K. The steps, numbered as in docs/spec/bundle.md, "Verification"


class Verification:
    """One bundle against one trust file. `findings` has (check, verdict, code, detail); an empty list shows nothing."""

    record: Record  # since step 5
    keys_beside: dict[str, PublicKey]  # since step 4: of each slot whose signature holds
    named: dict[str, PublicKey]  # since step 6: those of them that the record names
    tokens: dict[str, dict[str, Instant]]  # since step 7: slot → authority → time of its good token
    tokens_inside: dict[str, list[Instant]]  # of them, those that no sidecar brought
    # Those over sig-01, since step 7: authority, name of the file (of a sidecar, its kind), token.
    first: list[tuple[str, str, Token]]
    # Since step 15: until when the proven time can be believed.
    proven_until: Optional[Instant] = None
    is_logged = False  # since step 13: a log proof is good

    def __init__(
        self, path: str, trust: Trust, now: Instant, openssl: OpenSSL, use_b3sum: bool = False
    ) -> None:
        self.path, self.trust, self.now = path, trust, now
        self.openssl, self.use_b3sum = openssl, use_b3sum
        self.findings: list[tuple[str, str, str, str]] = []
        self.members: dict[str, Member] = {}
        self.proven_time: Optional[Instant] = None
        self.bundle_id = self.captured_at = self.requested_url = self.sha256 = self.sha512 = ""
        self.length = 0
        self.withheld: dict[
            str, Member
        ] = {}  # files that a redacted copy lacks, as the lists state them
        self.closed: list[str] = []  # where it withholds values

    @property
    def is_redacted(self) -> bool:
        """Whether it is a redacted copy: docs/spec/redacted-copy.md."""
        return OPENINGS in self.members

    @property
    def covers_tokens(self) -> bool:
        """Whether a WACZ signature covers the tokens. A redacted copy has none."""
        return not self.is_redacted and bool(self.record.signers[0]["wacz_auth"])

    def find(self, check: str, verdict: str, code: str, detail: str) -> None:
        self.findings.append((check, verdict, code, detail))

    def bad(self, check: str, code: str, detail: str) -> None:
        self.find(check, FAILED, code, detail)

    def good(self, check: str, detail: str, before: int) -> None:
        """Say that a check found nothing: only if it added no finding since there were `before`."""
        if len(self.findings) == before:
            self.find(check, PASSED, "OK", detail)

    @property
    def verdict(self) -> str:
        verdicts = [verdict for _, verdict, _, _ in self.findings]
        return max(verdicts, key=lambda verdict: SEVERITY[verdict], default=INDETERMINATE)

    @property
    def codes(self) -> list[str]:
        return sorted({code for _, _, code, _ in self.findings if code != "OK"})

    def run(self) -> "Verification":
        steps = (
            self.container, self.names, self.hashes, self.signatures, self.read_record, self.signers, self.timestamps,
            self.time, self.keys, self.derived, self.server_signatures, self.custody, self.log, self.tokens_taken_out,
            self.renewals, self.agreement, self.commitments,
        )  # fmt: skip
        for number, step in enumerate(steps, 1):
            try:
                step()
            except Unreadable:
                raise
            except Exception as error:  # noqa: BLE001 - a check that breaks must never look like one that passed
                name = step.__name__.replace("_", "-")
                self.bad(name, "INTERNAL", f"{type(error).__name__}: {error!s:.200}")
                break
            if number <= 5 and self.verdict != PASSED:
                break  # what follows would judge bytes that nobody vouches for
            if number == 6 and len(self.named) < len(self.record.signers):
                break  # and here, of some signatures and not of others
        return self

    # (1) container
    def container(self) -> None:
        try:
            with open_regular(self.path) as stream:
                self.length = stream.seek(0, os.SEEK_END)
                try:
                    members, tail = read_directory(stream, self.length)
                    self.sha256, self.sha512 = read_members(stream, members, tail, self.use_b3sum)
                except Bad as bad:
                    self.bad("container", bad.args[0], bad.args[1])
                    return
        except OSError as error:
            raise Unreadable(f"{self.path}: {error.strerror or error}") from error
        self.members = {member.name: member for member in members}
        self.find(
            "container",
            PASSED,
            "OK",
            "the file has the required structure; files in the bundle: %d" % len(members),
        )

    # (2) names
    def names(self) -> None:
        before = len(self.findings)
        for name in REQUIRED_OF_REDACTED if self.is_redacted else REQUIRED:
            if name not in self.members:
                self.bad("names", "MISSING", f"the file {name} is missing")
        for name in self.members:
            if self.is_redacted and name in NEVER_IN_REDACTED:
                self.bad("names", "UNLISTED", f"no redacted copy has the file {name}")
            elif (
                name not in (REQUIRED_OF_REDACTED if self.is_redacted else REQUIRED)
                and not LISTED_PLACE.match(name)
                and not PROOF_PLACE.match(name)
            ):
                self.bad("names", "UNLISTED", f"the file {name} does not belong in a bundle")
        self.good("names", "all required files exist, and every file belongs in a bundle", before)

    # (3) hashes
    def hashes(self) -> None:
        before, lists = len(self.findings), {}
        for name in (SIGNED_LIST, BLAKE3_LIST):
            try:
                lists[name] = parse_manifest(self.members[name].content)
            except Bad as bad:
                self.bad("hashes", "MANIFEST", f"{name}: {bad}")
        if len(lists) < 2:
            return
        signed, second = lists[SIGNED_LIST], lists[BLAKE3_LIST]
        if RECORD not in signed or BLAKE3_LIST not in signed:
            self.bad(
                "hashes",
                "MANIFEST",
                "the signed list of files does not have the form of a manifest",
            )
        for name in REQUIRED if self.is_redacted else ():
            if LISTED_PLACE.match(name) and name not in signed:
                self.bad("hashes", "MISSING", f"the signed list does not name {name}")
        for name, digest in signed.items():
            member = self.members.get(name)
            if member is None and self.is_redacted and LISTED_PLACE.match(name):
                lacking = self.withheld[name] = Member(name, 0, 0, 0)
                lacking.sha256, lacking.blake3 = digest, second.get(name, "")
            elif member is None:
                self.bad(
                    "hashes",
                    "MISSING",
                    f"the signed list names {name}, but the file does not exist",
                )
            elif name != BLAKE3_LIST and not LISTED_PLACE.match(name):
                self.bad(
                    "hashes",
                    "MANIFEST",
                    f"the signed list names {name}, which must not be in the list",
                )
            elif member.sha256 != digest:
                self.bad("hashes", "HASH", f"the file {name} was changed after sealing (SHA-256)")
        for name, member in self.members.items():
            if (LISTED_PLACE.match(name) or name == BLAKE3_LIST) and name not in signed:
                self.bad("hashes", "UNLISTED", f"the signed list does not name the file {name}")
            if name in signed and name in second and member.blake3 != second[name]:
                self.bad("hashes", "BLAKE3", f"the file {name} was changed after sealing (BLAKE3)")
        if set(second) != set(signed) - {BLAKE3_LIST}:
            self.bad(
                "hashes",
                "BLAKE3",
                "the SHA-256 list and the BLAKE3 list do not name the same files",
            )
        self.good(
            "hashes",
            "all files match their SHA-256 and BLAKE3 digests; files: %d. The two lists do not name "
            "themselves, signatures, timestamp tokens and the WACZ description" % len(second),
            before,
        )

    # (4) signatures
    def signatures(self) -> None:
        before = len(self.findings)
        self.keys_beside = {}
        signed_list = self.members[SIGNED_LIST].content
        slots = sorted(
            {
                name[5:11]
                for name in self.members
                if PROOF_PLACE.match(name) and name[-4:] in (".der", ".pem")
            }
        )
        for slot in sorted({*slots, "sig-01"}):
            signature, key = (self.members.get(f"seal/{slot}{kind}") for kind in (".der", ".pem"))
            if signature is None or key is None:
                if slot == "sig-01":
                    self.bad(
                        "signature", "SIG_MISSING", f"{slot} has no signature or no public key"
                    )
                continue  # of others, step 6 knows whether the record names them
            try:
                if len(key.content) > MAX_KEY:
                    raise Bad("longer than %d bytes" % MAX_KEY)
                public = PublicKey(from_pem(key.content, "PUBLIC KEY"), self.openssl)
            except Unknown as unknown:
                self.bad("signature", "ALG", f"{slot}: {unknown}")
                continue
            except Bad as bad:
                self.bad("signature", "KEY_MALFORMED", f"{slot}: {bad}")
                continue
            try:
                check_ecdsa_der(signature.content, public.curve)
                if not self.openssl.holds(
                    public.spki, signature.content, signed_list, public.curve.digest
                ):
                    raise Bad("the signature is not valid for the signed list")
            except Bad as bad:
                self.bad("signature", "SIG", f"{slot}: {bad}")
                continue
            self.keys_beside[slot] = public
        self.good(
            "signature", "valid signatures of the signed list: %d" % len(self.keys_beside), before
        )

    # (5) read_record
    def read_record(self) -> None:
        source = REDACTABLE if self.is_redacted else RECORD
        try:
            value = parse_json(self.members[source].content)
        except Bad as bad:
            self.bad("record", "JSON", f"{source}: {bad}")
            return
        code = "FORMAT"
        try:
            if self.is_redacted:
                if not isinstance(value, dict) or value.get("format") != "snapshotter-capture/2":
                    raise Bad("the format is unknown")
                code = "COMMITMENT"
                value, self.closed = with_openings(value, self.members[OPENINGS].content)
                code = "FORMAT"
                record = Record(blank(value), 2)
                record.value = value
                record.requested_url, record.final_url, record.title = (
                    text if isinstance(text := value["what"][name], str) else ""
                    for name in ("requested_url", "final_url", "title")
                )
            else:
                record = Record(value)
            self.record = record
            check_moments(without_closed(value) if self.is_redacted else value)
        except Bad as bad:
            self.bad("record", code, f"{source}: {bad}")
            return
        self.bundle_id, self.captured_at = record.bundle_id, record.started_text
        self.requested_url = record.requested_url
        self.find("record", PASSED, "OK", f"a capture of {record.requested_url:.200}")

    # (6) signers
    def signers(self) -> None:
        before = len(self.findings)
        self.named = {}
        for signer in self.record.signers:
            slot, public = signer["slot"], self.keys_beside.get(signer["slot"])
            if public is None:
                words = f"the record names the signer {slot}, but the signature does not exist"
                self.bad("signature", "SIG_MISSING", words)
            elif public.id != signer["key_id"]:
                words = f"the public key of {slot} is not the key that the record names"
                self.bad("signature", "KEY_MISMATCH", words)
            elif public.curve.algorithm != signer["algorithm"]:
                words = f"{slot}: the algorithm in the record is not the algorithm of the key"
                self.bad("signature", "ALG", words)
            else:
                self.named[slot] = public
        slots = [signer["slot"] for signer in self.record.signers]
        for name in self.members:
            if PROOF_PLACE.match(name) and name[5:11] not in slots:
                self.bad(
                    "signature",
                    "UNLISTED",
                    f"the file {name} belongs to no signer that the record names",
                )
        for slot in slots:
            numbers = [name for name in self.members if name.startswith(f"seal/{slot}.tsa-")]
            if numbers != [f"seal/{slot}.tsa-{n:02}.tsr" for n in range(1, len(numbers) + 1)]:
                self.bad("signature", "UNLISTED", f"the numbers of {slot}'s tokens have a gap")
        self.good("signature", "every signer that the record names has signed", before)

    # (7) timestamps
    def timestamps(self) -> None:
        """Sets `tokens`. Each signature needs as many as are required."""
        needed = max(self.record.timestamps, self.trust.timestamps)
        covered = self.covers_tokens  # the WACZ signature covers those inside
        self.tokens, self.tokens_inside, before = {}, {}, len(self.findings)
        self.first = []
        late = self.late_tokens()
        for slot in self.named:
            good = self.tokens.setdefault(slot, {})
            doubts = self.slot_tokens(slot, late.get(slot, []), good)
            enough = len(good) >= needed  # two tokens of one authority are one
            for is_inside, code, words in doubts:
                # One that is not needed may be anything, unless nothing but itself covers it.
                if not enough or (is_inside and not covered):
                    self.find("timestamp", INDETERMINATE, code, words)
            if not enough and not doubts:
                words = (
                    f"{slot}: timestamp authorities with a valid token: {len(good)}, required: "
                    f"{needed}"
                )
                self.find("timestamp", INDETERMINATE, "TS_MISSING", words)
        counted = {authority for good in self.tokens.values() for authority in good}
        self.good(
            "timestamp",
            f"valid tokens by {', '.join(sorted(counted)) or 'no timestamp authority'}",
            before,
        )

    def slot_tokens(
        self, slot: str, beside: list[tuple[str, bytes]], good: dict[str, Instant]
    ) -> list[tuple[bool, str, str]]:
        """Put good tokens over a signature into `good`; return those that may not count: (inside, code, words)."""
        signature, doubts = self.members[f"seal/{slot}.der"].content, []
        inside = [
            (name, member.content)
            for name, member in self.members.items()
            if name.startswith(f"seal/{slot}.tsa-")
        ]
        for name, response in inside + beside:
            is_inside, why = (
                name in self.members,
                "the token is not from a timestamp authority that you trust",
            )
            try:
                token = Token(response, self.openssl)
            except Unchecked as bad:
                code, why = "TS_UNTRUSTED", str(bad)
            except (Bad, IndexError, UnicodeDecodeError) as bad:
                code, why = "TS_MALFORMED", str(bad)
            else:
                code, authority = token.judge(signature, self.trust, self.openssl)
                if code == "OK":
                    good[authority] = min(token.time, good.get(authority, token.time))
                    if slot == "sig-01":
                        self.first.append((authority, name if is_inside else name[-11:], token))
                    if is_inside:
                        self.tokens_inside.setdefault(slot, []).append(token.time)
                    continue
                if code == "TS_IMPRINT":
                    why = "the token confirms other bytes"
            if is_inside and code in ("TS_MALFORMED", "TS_IMPRINT"):
                self.bad("timestamp", code, f"{name}: {why}")
            else:
                doubts.append((is_inside, code, f"{name}: {why}"))
        return doubts

    def late_tokens(self) -> dict[str, list[tuple[str, bytes]]]:
        """Name and bytes of the late tokens of each slot: of the signature that each is over, or of the first."""
        found: dict[str, list[tuple[str, bytes]]] = {}
        for number in range(1, 10):
            path = f"{self.path}.late-{number:02}.tsr"
            data = self.sidecar(path, MAX_PROOF)
            if data is None:
                continue
            over = "sig-01"
            try:
                token = Token(data, self.openssl)
                for slot in self.named:
                    if token.is_over(self.members[f"seal/{slot}.der"].content):
                        over = slot
            except (Bad, IndexError, UnicodeDecodeError):
                pass  # said where tokens are judged
            found.setdefault(over, []).append((os.path.basename(path), data))
        return found

    def sidecar(self, path: str, limit: int) -> Optional[bytes]:
        """A file beside the bundle, one byte more than `limit` at most; None when there is none."""
        try:
            with open_regular(path) as stream:
                return stream.read(limit + 1)
        except FileNotFoundError:
            return None
        except Unreadable:
            return None  # a directory, a pipe: as if it were not there
        except OSError as error:
            raise Unreadable(f"{path}: {error.strerror or error}") from error

    # (8) time
    def time(self) -> None:
        record, before, skew, lag = self.record, len(self.findings), self.trust.skew, self.trust.lag

        def doubt(words: str) -> None:
            self.find("time", INDETERMINATE, "TIME", words)

        if not record.started_at <= record.ended_at <= record.sealed_at:
            self.bad(
                "time",
                "TIME",
                "the times in the record are not in order: started_at, ended_at, sealed_at",
            )
        times = sorted(time for good in self.tokens.values() for time in good.values())
        for token_time in times:
            if token_time > self.now + skew:
                self.bad(
                    "time",
                    "TIME",
                    f"a timestamp token has a time in the future: {show_instant(token_time)}",
                )
            if token_time < record.sealed_at - skew:
                self.bad("time", "TIME", f"the record states {record.sealed_text} as the time of the seal, but a token is older: {show_instant(token_time)}")  # fmt: skip
        if record.sealed_at - record.started_at > datetime.timedelta(hours=2):
            doubt("the bundle was sealed more than two hours after the capture began")
        if abs(record.id_time - record.started_at) > skew:
            doubt("the time in bundle_id is not the time at which the capture began")
        for name in ("when.navigation_started_at", "when.navigation_ended_at"):
            text = record.at(name)
            try:
                is_inside = record.started_at <= instant(text) <= record.ended_at
            except Bad:
                is_inside = text in (None, ...)
            if not is_inside:
                doubt(f"{name} is not between the beginning and the end of the capture")
        if times:
            self.proven_time = times[0]
            if times[0] - record.sealed_at > lag:
                doubt(
                    f"the bundle existed by {show_instant(times[0])}; only the bundle itself "
                    "states that it was sealed much earlier"
                )
        elif record.sealed_at > self.now + skew:
            self.bad("time", "TIME", f"the time of the seal is in the future: {record.sealed_text}")
        else:
            doubt("the bundle has no valid timestamp token: only the bundle itself states its time")
        self.good(
            "time",
            "the times of the capture, of the seal and of the timestamp tokens are in this order",
            before,
        )

    # (9) keys
    def keys(self) -> None:
        before, good, others = len(self.findings), 0, []
        for slot, public in self.named.items():
            times = self.tokens.get(slot, {}).values()
            verdict, code, words = self.trust.judge_key(public.id, min(times, default=None))
            if verdict == PASSED:
                good += 1
            else:
                others.append((verdict, code, f"{slot}: {words}"))
        needed = max(self.record.signatures, self.trust.signatures)
        if good < needed:
            for verdict, code, words in others:
                self.find("key", verdict, code, words)
            if not others:
                words = f"valid signatures: {good}, required: {needed}"
                self.find("key", INDETERMINATE, "QUORUM", words)
        self.good("key", f"trusted keys that were valid at the proven time: {good}", before)

    # (10) derived
    def derived(self) -> None:
        if self.is_redacted:
            return  # no redacted copy has what is derived
        before, record = len(self.findings), self.record
        package = {
            "profile": "data-package", "wacz_version": "1.1.1", "software": record.software,
            "created": record.sealed_text, "modified": record.sealed_text, "title": record.title or record.final_url,
            "description": f"Capture {record.bundle_id} of {record.requested_url}",
            "mainPageUrl": record.final_url, "mainPageDate": record.started_text,
            "resources": [
                {"name": name.rpartition("/")[2].lower(), "path": name, "bytes": member.length,
                 "hash": "sha256:" + member.sha256}
                for name, member in self.members.items() if name not in (PACKAGE, PACKAGE_DIGEST)
            ],
        }  # fmt: skip
        data = canonical_json(package).encode("utf-8")
        if self.members[PACKAGE].content != data:
            self.bad("derived", "DERIVED", "datapackage.json does not follow from the other files")
            return
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        announced, raw = record.signers[0]["wacz_auth"], b""
        try:
            found = parse_json(self.members[PACKAGE_DIGEST].content)
            if not isinstance(found, dict):
                raise Bad("the JSON is not an object")
            signed = found.get("signedData")
            if "signedData" in found:
                wanted = ["created", "hash", "publicKey", "signature", "software"]
                raw = strict_base64(fields(signed, wanted, "signedData")["signature"])
        except Bad as bad:
            self.bad("derived", "DERIVED", f"datapackage-digest.json: {bad}")
            return
        if (signed is not None) != announced:
            words = (
                "missing"
                if announced
                else "a WACZ signature exists, but the record does not announce one"
            )
            self.bad("derived", "WACZ_SIG", f"the WACZ signature is {words}")
            return
        expected: dict[str, Any] = {"hash": digest, "path": PACKAGE}
        public = self.named.get("sig-01")
        if public is None:
            return  # step 6 has said why; nothing can be compared without the key
        if announced:
            expected["signedData"] = {
                "created": record.sealed_text, "hash": digest, "software": record.software,
                "publicKey": base64.b64encode(public.spki).decode("ascii"),
                "signature": base64.b64encode(raw).decode("ascii"),
            }  # fmt: skip
        if self.members[PACKAGE_DIGEST].content != canonical_json(expected).encode("utf-8"):
            words = "datapackage-digest.json does not follow from the other files"
            self.bad("derived", "DERIVED", words)
        elif announced:
            self.wacz_signature(public, raw, digest)
        self.good("derived", "datapackage.json and its digest follow from the other files", before)

    def wacz_signature(self, public: PublicKey, raw: bytes, digest: str) -> None:
        size, order = public.curve.size, public.curve.n
        r, s = int.from_bytes(raw[:size], "big"), int.from_bytes(raw[size:], "big")
        if len(raw) != 2 * size or not 0 < r < order or not 0 < s <= order // 2:
            self.bad("derived", "WACZ_SIG", "the WACZ signature is not in its canonical form")
        elif not self.openssl.holds(public.spki, ecdsa_der(r, s), digest.encode("ascii"), "sha256"):
            self.bad("derived", "WACZ_SIG", "the WACZ signature is not valid")

    # (11) server_signatures
    def server_signatures(self) -> None:
        member = self.members.get(TLS)
        if TLS in self.withheld:
            return
        if member is None:
            if self.record.announces(TLS):
                self.bad(
                    "server-signature",
                    "SERVER_SIG",
                    "the record announces capture/tls.json, but the file does not exist",
                )
            return
        before = len(self.findings)
        for artifact in self.record.artifacts():
            if artifact.get("path") == TLS and not self.is_artifact(artifact, member):
                self.bad(
                    "server-signature",
                    "SERVER_SIG",
                    "capture/tls.json is not the file that the record announces",
                )
        try:
            sessions = parse_tls_file(member.content)
        except (Bad, IndexError) as bad:
            self.bad("server-signature", "SERVER_SIG", f"capture/tls.json: {bad}")
            return
        lists = CertificateLists()
        for session in sessions:
            words = "connection {}".format(session["connection"])
            try:
                check_session(session, self.openssl, lists)
            except (Bad, IndexError, struct.error) as bad:
                self.bad("server-signature", "SERVER_SIG", f"{words}: {bad}")
            except Unknown as unknown:
                self.find("server-signature", INDETERMINATE, "SERVER_SIG", f"{words}: {unknown}")
        if sessions:
            self.good(
                "server-signature",
                "connections whose server signed the handshake: %d" % len(sessions),
                before,
            )

    # (12) custody
    def custody(self) -> None:
        if CUSTODY in self.withheld:
            return
        before, data = len(self.findings), self.members[CUSTODY].content
        try:
            if self.custody_chain(data) > self.record.sealed_at:
                raise Bad("the custody chain in the bundle does not end at the seal")
        except Bad as bad:
            self.bad("custody", "CUSTODY", f"custody.jsonl: {bad}")
            return
        try:
            if self.is_redacted:
                raise Unknown  # the chain beside the bundle is of the whole bundle
            self.custody_beside(data.split(b"\n")[-2], len(data.split(b"\n")) - 1)
        except Unknown:
            pass
        except Bad as bad:  # nothing beside a bundle is said against it
            self.find("custody", INDETERMINATE, "CUSTODY", f"beside the bundle: {bad}")
        self.good(
            "custody", "the custody chain is unbroken, up to the seal and after the seal", before
        )

    def custody_beside(self, last: bytes, sequence: int) -> None:
        """Follow the chain in the sidecars (docs/spec/custody.md). Raises Bad for the first thing that is wrong."""
        folder, name = os.path.split(self.path)
        form = re.compile(re.escape(name) + r"\.custody-([0-9]{4}|[1-9][0-9]{4,})\.jsonl\Z")
        try:
            with os.scandir(folder or ".") as entries:
                found = [
                    (form.match(entry.name), entry) for entry in entries if form.match(entry.name)
                ]
            # What is no file, a pipe or a folder, is no sidecar.
            sizes = {int(name.group(1)): entry.stat().st_size for name, entry in found
                     if name and 4 <= len(name.group(1)) <= 9 and entry.is_file()}  # fmt: skip
        except OSError as error:
            raise Unreadable(f"{folder}: {error.strerror or error}") from error
        sizes.pop(0, None)
        if len(sizes) > MAX_SIDECARS:
            raise Bad(f"the bundle has more than {MAX_SIDECARS} custody sidecars")
        numbers = sorted(size for size in sizes if 0 < size <= len(sizes) + 10_000)
        if sum(min(sizes[number], MAX_CUSTODY + 1) for number in numbers) > MAX_CUSTODY_TOTAL:
            raise Bad(f"the custody sidecars have more than {MAX_CUSTODY_TOTAL} bytes")
        seen: set[str] = set()
        for place, number in enumerate(numbers, 1):
            if number != place:
                raise Bad(f"the custody sidecar {place} is missing")
            data = self.sidecar(f"{self.path}.custody-{number:04}.jsonl", MAX_CUSTODY)
            lines = (data or b"").split(b"\n")
            if data is None or len(data) > MAX_CUSTODY or lines.pop() != b"" or not lines:
                raise Bad(f"the custody sidecar {number} does not consist of lines, or is too long")
            for line in lines:
                sequence += 1
                event = custody_event(line)
                if event["previous"] != hashlib.sha256(last).hexdigest():
                    raise Bad(
                        f"an event of the custody sidecar {number} does not follow the event before"
                    )
                if event["sequence"] != sequence or event["event_id"] in seen:
                    raise Bad(
                        f"an event of the custody sidecar {number} occurs twice or has a wrong "
                        "number"
                    )
                receipt = event["receipt"] or {"key": ""}
                own = f"/{receipt['key']}".endswith(f"/{self.bundle_id}.wacz")
                if own and receipt["sha256"] != self.sha256:
                    raise Bad(f"the custody sidecar {number} has a receipt for another file")
                seen.add(event["event_id"])
                last = line

    @staticmethod
    def custody_chain(data: bytes) -> Instant:
        lines = data.split(b"\n")
        if lines.pop() != b"" or not lines:
            raise Bad("the list is empty, or has no newline at its end")
        previous, last = "0" * 64, datetime.datetime.min.replace(tzinfo=datetime.timezone.utc)
        for number, line in enumerate(lines, 1):
            event = fields(
                parse_json(line),
                "at agent detail event object outcome previous sequence".split(),
                "an event",
            )
            if not all(
                isinstance(event[name], str)
                for name in ("agent", "detail", "event", "object", "outcome")
            ):
                raise Bad("custody event %d has a field that is not text" % number)
            if (
                type(event["sequence"]) is not int
                or event["sequence"] != number
                or event["previous"] != previous
            ):
                raise Bad("custody event %d does not follow the event before" % number)
            at = instant(event["at"])
            if at < last:
                raise Bad(
                    "the time of custody event %d is earlier than the time of the event before"
                    % number
                )
            previous, last = hashlib.sha256(line).hexdigest(), at
        return last

    # (13) log: docs/spec/log.md, "Judging a bundle by it"
    def log(self) -> None:
        log, record = self.trust.log, self.record
        required = record.log or self.trust.requires_log
        if log is None:
            if required:
                words = "a log proof is required, but the trust file names no log"
                self.find("log", INDETERMINATE, "LOG_MISSING", words)
            return
        quoted = None
        if isinstance(record.log_checkpoint, str):
            try:
                quoted = Checkpoint(record.log_checkpoint.encode("utf-8"), log, self.openssl)
            except Bad:
                quoted = None  # of another log, or none: it says nothing
        if quoted and quoted.witnesses:
            latest = max(last for _, last in quoted.witnesses.values())
            if latest - seconds(record.started_at) > self.trust.skew.total_seconds():
                words = (
                    "the record quotes a log checkpoint that did not exist at the stated "
                    "beginning of the capture"
                )
                self.bad("time", "TIME", words)
        data = self.sidecar(f"{self.path}.tlog-proof", MAX_TLOG_PROOF)
        if data is None or self.is_redacted:  # a proof is of the whole bundle
            if required:
                self.find(
                    "log",
                    INDETERMINATE,
                    "LOG_MISSING",
                    "a log proof is required, but no log proof is beside the bundle",
                )
            return
        try:
            index, checkpoint = check_log_proof(
                data, record.bundle_id, self.sha256, log, self.openssl
            )
        except Bad as bad:
            if required:
                self.find("log", INDETERMINATE, "LOG", f"the log proof is not valid: {bad}")
            return
        if quoted and index < quoted.entries:
            words = (
                f"entry {index} of the log quotes a checkpoint of {quoted.entries} entries: the "
                "log has two histories"
            )
            self.bad("log", "LOG", words)
            return
        inside = [
            time for slot, good in self.tokens_inside.items() for time in good if slot in self.named
        ]
        for seen, _ in checkpoint.witnesses.values():
            earliest = EPOCH + datetime.timedelta(seconds=seen)
            if any(time - earliest > self.trust.skew for time in inside):
                words = "a witness saw the bundle in the log before a timestamp token in the bundle was made"
                self.find("time", INDETERMINATE, "TIME", words)
                break
        if len(checkpoint.witnesses) >= log.quorum:
            words = (
                f"the bundle is entry {index} of {checkpoint.entries} in the log; witnesses that "
                f"have seen the entry: {len(checkpoint.witnesses)}"
            )
            self.is_logged = True
            self.find("log", PASSED, "OK", words)
        elif required:
            words = (
                f"witnesses that have seen the entry in the log: {len(checkpoint.witnesses)}, "
                f"required: {log.quorum}"
            )
            self.find("log", INDETERMINATE, "LOG_MISSING", words)

    # (14) tokens_taken_out
    def tokens_taken_out(self) -> None:
        """Where neither the WACZ signature nor the log covers the tokens, one may have been taken out."""
        if self.covers_tokens or self.is_logged:
            return
        asked = len(set(self.record.authorities))
        for slot in self.named:
            there = len(self.tokens.get(slot, {}))
            if there < asked:
                words = f"{slot}: authorities that were asked: {asked}, valid tokens: {there}; it is not established whether a token never arrived or was removed"
                self.find("timestamp", INDETERMINATE, "TS_MISSING", words)

    # (15) renewals: docs/spec/renewal.md
    def renewals(self) -> None:
        """Later tokens that carry the time on. What does not count says nothing, and none changes a verdict."""
        ends = [end for end in (self.first_end(self.first),) if end is not None]
        counted: dict[str, tuple[bytes, bytes, Instant]] = {}
        for number in () if self.is_redacted else range(1, 100):
            kind = f"renewal-{number:02}"
            text = self.sidecar(f"{self.path}.{kind}.txt", MAX_RENEWAL)
            response = self.sidecar(f"{self.path}.{kind}.tsr", MAX_PROOF)
            if text is None or response is None:
                continue
            try:
                covers, signed = self.renewal_text(text)
                token = Token(response, self.openssl)
                code, authority = token.judge(signed, self.trust, self.openssl)
            except (Bad, IndexError, UnicodeDecodeError):
                continue
            if code != "OK" or token.time > self.now + self.trust.skew:
                continue
            end = self.covered_until(covers, counted, token)
            if end is not None and token.time <= end:
                counted[kind] = (text, response, token.end)
                ends.append(token.end)
                words = (
                    f"renewal {number}: {authority} renewed the proof of time at "
                    f"{show_instant(token.time)}"
                )
                self.find("renewal", PASSED, "OK", words)
        self.proven_until = max(ends, default=None)

    # (16) agreement: docs/spec/capture-record.md, "What is stated twice"
    def agreement(self) -> None:
        """The record states nothing otherwise than itself, or than the files are."""
        before = len(self.findings)
        self.artifacts()
        self.facts()
        self.pictures()
        self.rule_files()
        self.custody_events()
        self.certificates()
        self.counts()
        self.page_line()
        self.good(
            "agreement",
            "the capture record is consistent with itself and with the files of the bundle",
            before,
        )

    def differ(self, words: str) -> None:
        self.bad("agreement", "FORMAT", words)

    @staticmethod
    def is_artifact(stated: dict[str, Any], member: Member) -> bool:
        digests = (stated.get("length"), stated.get("sha256"), stated.get("blake3"))
        return digests == (member.length, member.sha256, member.blake3) and is_count(
            digests[0], 0, 1 << 53
        )

    def artifacts(self) -> None:
        listed, seen = self.record.at("content.artifacts"), set()
        if not isinstance(listed, list):
            self.differ("content.artifacts is not a list")
            return
        present = {**self.members, **self.withheld}
        files = {name for name in present if LISTED_PLACE.match(name)} - {RECORD, CUSTODY}
        if self.is_redacted:
            files.discard(REDACTABLE)  # the redactable record does not list itself
        for artifact in listed:
            path = artifact.get("path") if isinstance(artifact, dict) else None
            if not isinstance(path, str):
                self.differ("content.artifacts has an entry that names no file")
            elif path in seen:
                self.bad("agreement", "UNLISTED", f"content.artifacts names {path:.200} twice")
            elif path == TLS and path not in self.withheld:
                seen.add(path)  # step 11 has judged it
            elif path not in files:
                seen.add(path)
                self.bad("agreement", "MISSING", f"the artifact {path:.200} is missing")
            else:
                seen.add(path)
                member, length = present[path], artifact.get("length")
                if path in self.withheld and is_count(length, 0, 1 << 53):
                    member.length = length  # the lists state no length
                if artifact.get("sha256") != member.sha256 or type(length) is not int:
                    self.bad(
                        "agreement",
                        "HASH",
                        f"the digest of {path} differs from the digest in the record",
                    )
                elif length != member.length:
                    self.bad(
                        "agreement",
                        "HASH",
                        f"the length of {path} differs from the length in the record",
                    )
                if artifact.get("blake3") != member.blake3:
                    self.bad(
                        "agreement",
                        "BLAKE3",
                        f"the BLAKE3 digest of {path} differs from the digest in the record",
                    )
        for path in files - seen:
            self.bad("agreement", "UNLISTED", f"the record does not name {path}")
        stated = self.record.at("how.policy.sha256")
        if stated is not ... and stated != present[POLICY].sha256:
            self.bad(
                "agreement", "HASH", f"the digest of {POLICY} differs from the digest in the record"
            )

    def facts(self) -> None:
        at = self.record.at

        def same(one: Any, other: Any) -> bool:
            return ... in (one, other) or (type(one) is type(other) and one == other)

        for first, second in (
            ("who.network_path", "who.network.path"), ("what.http_status", "from_whom.status"),
            ("when.http_date", "from_whom.date_header"), ("when.timezone", "how.settings.timezone"),
        ):  # fmt: skip
            one, other = at(first), at(second)
            is_no_answer = first == "when.http_date" and one == "" and other is None
            if not is_no_answer and not same(one, other):
                self.differ(f"{first} and {second} differ")
        met, line = at("court_minimum.met"), at("court_minimum.line")
        parts = [
            at("court_minimum." + name) for name in ("url", "html_source", "full_page_capture")
        ]
        if ... not in [met, *parts]:
            if any(type(part) is not bool for part in [met, *parts]) or met != all(parts):
                self.differ("court_minimum.met does not follow from its parts")
            against = "court minimum: YES" if met is False else "court minimum: NO ("
            if isinstance(line, str) and line.startswith(against):
                self.differ("court_minimum.line contradicts court_minimum.met")
        state, reasons = at("outcome.state"), at("outcome.reasons")
        if ... not in (state, reasons):
            if not isinstance(reasons, list) or state not in ("complete", "partial", "failed"):
                self.differ("outcome has no valid state, or no list of reasons")
            elif (state == "complete") == bool(reasons):
                self.differ(
                    "a complete capture has reasons, or a capture that is not complete has no "
                    "reasons"
                )
        characters = at("content.text_characters")
        if characters is ... or PAGE_TEXT not in self.members or self.is_replaced():
            return
        if not same(characters, self.members[PAGE_TEXT].characters):
            self.differ("content.text_characters is not the number of characters of the text")

    def pictures(self) -> None:
        pictures, left = self.record.at("content.pictures"), 10_000
        if pictures is ...:
            return
        for picture in pictures if isinstance(pictures, list) else [None]:
            files = picture.get("files") if isinstance(picture, dict) else None
            for file in files if isinstance(files, list) else [None]:
                path = file.get("path") if isinstance(file, dict) else None
                if not isinstance(file, dict) or not isinstance(path, str):
                    self.differ("content.pictures has an entry that names no file")
                    continue
                member = self.members.get(path, self.withheld.get(path))
                size = (file.get("width"), file.get("height"))
                if member is None:
                    self.bad("agreement", "MISSING", f"the picture {path:.200} is missing")
                elif (
                    path.endswith(".png")
                    and path not in self.withheld
                    and (
                        not all(type(side) is int for side in size) or size != png_size(member.head)
                    )
                ):
                    self.differ(f"the size of {path} differs from the size in the record")
                tiles, count = file.get("tiles"), file.get("tile_count")
                if (
                    not isinstance(tiles, list)
                    or type(count) is not int
                    or len(tiles) != min(count, left)
                ):
                    self.differ(
                        f"the number of tiles of {path:.200} differs from the number in the record"
                    )
                else:
                    left -= len(tiles)

    def rule_files(self) -> None:
        member = self.members.get(ASSESSMENT)
        try:
            value = parse_json(member.content) if member and member.kept else None
        except Bad:
            return  # who makes the assessment again finds that out
        listed = value.get("rule_files") if isinstance(value, dict) else None
        for rule_file in listed if isinstance(listed, list) else []:
            if not isinstance(rule_file, dict) or not isinstance(rule_file.get("id"), str):
                continue
            name = "capture/rules-{}.toml".format(rule_file["id"])
            rules = self.members.get(name, self.withheld.get(name))
            if rules is not None and rule_file.get("sha256") != rules.sha256:
                self.bad(
                    "agreement",
                    "HASH",
                    f"the digest of {rules.name} differs from the digest in the assessment",
                )

    def is_replaced(self) -> bool:
        """Whether something was replaced in texts after the record's own were taken, or in the record."""
        redactions, places = (
            self.record.at("redactions"),
            ("url-parameter", "viewer-field", "own-name"),
        )
        return isinstance(redactions, list) and any(
            isinstance(redaction, dict) and redaction.get("place") in places
            for redaction in redactions
        )

    def custody_events(self) -> None:
        record, at = self.record, self.record.at
        if CUSTODY in self.withheld:
            return
        content = self.members[CUSTODY].content
        try:
            self.custody_chain(content)
        except Bad:
            return  # step 12 said so
        events = [parse_json(line) for line in content[:-1].split(b"\n")]

        def texts(path: str, name: str) -> Optional[list[str]]:
            values = at(path)
            found = (
                [fields.get(name) if isinstance(fields, dict) else None for fields in values]
                if isinstance(values, list)
                else [None]
            )
            return (
                [text for text in found if isinstance(text, str)]
                if all(isinstance(text, str) for text in found)
                else None
            )

        own = {"at": at("when.ended_at"), "agent": record.software}
        captured = dict(own)
        is_shown = at("what.requested_url") is not ...
        if is_shown and len(record.requested_url) <= 65_536:  # the record cuts a longer text
            captured["object"] = record.requested_url
        outcomes = {"complete": "success", "partial": "partial", "failed": "failure"}
        state, codes, replaced = (
            at("outcome.state"),
            texts("outcome.reasons", "code"),
            texts("redactions", "name"),
        )
        if isinstance(state, str) and state in outcomes:
            captured["outcome"] = outcomes[state]
        if codes is not None and len("; ".join(codes)) <= 65_536:
            captured["detail"] = "; ".join(codes)
        artifacts = at("content.artifacts")
        present = {**self.members, **self.withheld}
        files = {sum(1 for name in present if LISTED_PLACE.match(name)) - 1}
        if isinstance(artifacts, list):  # another number of them is told by itself
            files.add(len(artifacts) + 1)
        digested = {
            "at": record.sealed_text,
            "agent": record.software,
            "object": SIGNED_LIST,
            "outcome": "success",
        }
        wanted = [("capture", 1, captured), ("message digest calculation", 1, digested)]
        if replaced is not None:
            redacted = dict(own)
            if all(len(text) <= 65_536 for text in replaced):
                redacted["detail"] = ", ".join(sorted(set(replaced)))
            wanted.append(("redaction", 1 if replaced else 0, redacted))
        if "redactable" in record.value:
            created = {
                "at": record.sealed_text,
                "agent": record.software,
                "object": REDACTABLE,
                "outcome": "success",
            }
            salt_key = at("redactable.salt_key")
            if isinstance(salt_key, str) and KEY_ID.match(salt_key):  # else step 17 reports it
                created["detail"] = "salt: " + salt_of(bytes.fromhex(salt_key), CUSTODY).hex()
            wanted.append(("creation", 1, created))
        for name, count, stated in wanted:
            of_it = [event for event in events if event["event"] == name]
            if len(of_it) != count:
                self.bad(
                    "agreement",
                    "CUSTODY",
                    f"custody events of the type {name}: {len(of_it)}, expected: {count}",
                )
            elif any(
                version[key] != value for version in of_it for key, value in stated.items()
            ) or (
                stated is digested
                and of_it[0]["detail"]
                not in ["SHA-256 and BLAKE3 of %d files" % number for number in files]
            ):
                self.bad(
                    "agreement",
                    "CUSTODY",
                    f"the custody event {name} contradicts the record",
                )

    # (17) commitments: docs/spec/redactable-record.md
    def commitments(self) -> None:
        """The redactable record is the capture record with commitments in place of its texts."""
        if self.is_redacted:
            words = (
                "this is a redacted copy. Every value that it shows matches its commitment. "
                f"Withheld values: {len(self.closed)}, withheld files: {', '.join(sorted(self.withheld))}"
            )
            self.find("commitments", PASSED, "OK", words)
            return
        record, member, before = self.record.value, self.members.get(REDACTABLE), len(self.findings)
        if "redactable" not in record and member is None:
            return  # a record of version 1
        if "redactable" not in record or member is None:
            words = f"only one of {REDACTABLE} and its announcement in the record exists"
            self.bad("commitments", "COMMITMENT", words)
            return
        try:
            follows = closed_record(record) == member.content
        except Bad as bad:
            self.bad("commitments", "COMMITMENT", str(bad))
            return
        if not follows:
            words = f"{REDACTABLE} does not follow from the capture record"
            self.bad("commitments", "COMMITMENT", words)
        self.good("commitments", f"{REDACTABLE} follows from the capture record", before)

    def certificates(self) -> None:
        chain = self.record.at("from_whom.tls.chain")
        if chain in (..., None) or self.is_replaced():
            return
        for certificate in chain if isinstance(chain, list) else [None]:
            stated, text = (
                (certificate.get("sha256"), certificate.get("pem"))
                if isinstance(certificate, dict)
                else (None, None)
            )
            if is_closed(stated) or is_closed(text):
                continue
            try:
                if not isinstance(text, str):
                    raise Bad("a certificate has no PEM")
                der = from_pem(text.encode("utf-8"), "CERTIFICATE")
            except Bad:
                stated, der = None, b""
            if stated != hashlib.sha256(der).hexdigest():
                self.differ("the digest of a server certificate is not the digest in the record")

    def counts(self) -> None:
        at = self.record.at

        def numbers(path: str, names: str) -> Optional[list[int]]:
            """Counts of the record: none where one of them is not there. Raises Bad for what is no count."""
            found = [at(f"{path}.{name}") for name in names.split()]
            if ... in found:
                return None
            if not all(is_count(number, 0, 1 << 53) for number in found):
                raise Bad("a value is not a count")
            return found

        try:
            images = numbers("content.images", "wanted loaded failed pending placeholder")
            if images is not None:
                lines = self.members[IMAGES].lines if IMAGES in self.members else images[0]
                if images[0] != sum(images[1:]) or (images[0] <= 5_000 and images[0] != lines):
                    raise Bad("the number of images differs from the counts")
        except Bad as bad:
            self.differ(f"content.images: {bad}")
        try:
            requests = numbers(
                "content.requests", "total answered failed blocked cancelled pending"
            )
            if requests is not None:
                if requests[0] != sum(requests[1:]):
                    raise Bad("the total is not the sum of the other counts")
                listed = at("content.failed_requests")
                if listed is not ... and (
                    not isinstance(listed, list)
                    or len(listed) != min(requests[2] + requests[3], 500)
                ):
                    raise Bad(
                        "content.failed_requests does not list as many requests as are counted"
                    )
        except Bad as bad:
            self.differ(f"content.requests: {bad}")
        redactions = at("redactions")
        for redaction in redactions if isinstance(redactions, list) else []:
            count, commitments = (
                (redaction.get("count"), redaction.get("commitments"))
                if isinstance(redaction, dict)
                else (0, 0)
            )
            if (
                not isinstance(commitments, list)
                or type(count) is not int
                or count < len(commitments)
            ):
                self.differ("redactions counts fewer values than commitments")

    def page_line(self) -> None:
        """The line from which a replay begins: RFC 8785 puts title, ts and url at its end."""
        record, member = self.record, self.members.get(PAGES)
        if (
            member is None
            or ... in (record.at("what.title"), record.at("what.final_url"))
            or not member.end
            or (member.lines == 1 and member.end.endswith(b"\n"))
            or self.is_replaced()
            or max(len(record.title), len(record.final_url)) > 65_536
        ):
            return
        title, end = (text.encode("utf-8") for text in (
            ',"title":' + canonical_json(record.title), ',"url":' + canonical_json(record.final_url) + "}\n",
        ))  # fmt: skip
        before = member.end[: -len(end)]
        if (
            member.lines != 2
            or not member.end.endswith(end)
            or before[-28:-21] != b',"ts":"'
            or not before[:-28].endswith(title)
        ):
            self.differ("the title or the address in the list of pages differs from the record")

    def renewal_text(self, text: bytes) -> tuple[dict[str, str], bytes]:
        """What a renewal covers besides the bundle (kind of sidecar → SHA-512), and what its token is over. Raises Bad."""
        if not text.startswith(b"snapshotter-renewal/1\n"):
            index, proof, note = parse_log_proof(text)
            _, _, _, entries, root = Checkpoint.parse(note)
            check_inclusion(index, proof, entries, root, self.bundle_id, self.sha256)
            return {}, note
        if len(text) > MAX_RENEWAL:
            raise Bad("the renewal is too long")
        text, divider, logged = text.partition(b"\n\n")
        text += b"\n" if divider else b""
        _, *lines = text.decode("ascii", "replace").split("\n")
        if len(lines) < 3 or lines.pop() != "" or lines[0] != f"bundle {self.bundle_id}":
            raise Bad("the renewal belongs to another bundle, or is malformed")
        if lines[1] != f"sha512 {self.sha512}":
            raise Bad("the renewal belongs to another file")
        found = [RENEWAL_LINE.match(line) for line in lines[2:]]
        covers = {match.group(1): match.group(2) for match in found if match}
        if len(covers) != len(found) or list(covers) != sorted(covers):
            raise Bad("the list of covered tokens is malformed")
        if not divider:
            return covers, text
        index, proof, note = parse_log_proof(logged)
        _, _, _, entries, root = Checkpoint.parse(note)
        own = hashlib.sha256(text).hexdigest()
        check_inclusion(index, proof, entries, root, self.bundle_id, own, "renewal")
        return covers, note

    def first_end(self, tokens: list[tuple[str, str, Token]]) -> Optional[Instant]:
        """When fewer than the required number of authorities are left; None when fewer are there at all."""
        needed = max(self.record.timestamps, self.trust.timestamps, 1)
        latest: dict[str, Instant] = {}
        for authority, _, token in tokens:
            latest[authority] = max(token.end, latest.get(authority, token.end))
        return sorted(latest.values(), reverse=True)[needed - 1] if len(latest) >= needed else None

    def covered_until(
        self,
        covers: dict[str, str],
        counted: dict[str, tuple[bytes, bytes, Instant]],
        token: Token,
    ) -> Optional[Instant]:
        """The latest end of what a renewal covers; None when it covers nothing that carries the time."""

        def named(data: bytes) -> bool:
            return hashlib.sha512(data).hexdigest() in covers.values()

        first = [
            signed
            for signed in self.first
            if signed[1] in self.members or named(signed[2].response)
        ]
        ends = []
        end = self.first_end(first)
        if (
            end is not None
            and token.time >= max(signed[2].time for signed in first) - self.trust.skew
        ):
            ends.append(end)
        for text, response, its_end in counted.values():
            if named(text) and named(response):
                ends.append(its_end)
        return max(ends, default=None)


# --------------------------------------------------------------------------------------------------
# L. What servers signed (docs/spec/server-signature.md; RFC 8446, RFC 5246, RFC 8422, RFC 8879)

TLS_VERSIONS = {0x0304: "TLS 1.3", 0x0303: "TLS 1.2"}
TLS13_CIPHERS = {
    0x1301: ("TLS_AES_128_GCM_SHA256", "sha256"), 0x1302: ("TLS_AES_256_GCM_SHA384", "sha384"),
    0x1303: ("TLS_CHACHA20_POLY1305_SHA256", "sha256"), 0x1304: ("TLS_AES_128_CCM_SHA256", "sha256"),
    0x1305: ("TLS_AES_128_CCM_8_SHA256", "sha256"),
}  # fmt: skip
TLS12_CIPHERS = {  # those with ECDHE and a signature
    0xC009: "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", 0xC00A: "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    0xC013: "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", 0xC014: "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    0xC023: "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", 0xC024: "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384",
    0xC027: "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", 0xC028: "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
    0xC02B: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", 0xC02C: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    0xC02F: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", 0xC030: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    0xCCA8: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", 0xCCA9: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
}  # fmt: skip
TLS_GROUPS = {
    23: "secp256r1", 24: "secp384r1", 25: "secp521r1", 29: "x25519", 30: "x448", 256: "ffdhe2048", 257: "ffdhe3072",
    258: "ffdhe4096", 512: "MLKEM512", 513: "MLKEM768", 514: "MLKEM1024",
    4587: "SecP256r1MLKEM768", 4588: "X25519MLKEM768", 4589: "SecP384r1MLKEM1024", 25497: "X25519Kyber768Draft00",
}  # fmt: skip
# number: (name, hash, kind of key, curve that TLS 1.3 asks for, TLS versions)
TLS_SCHEMES = {
    0x0403: ("ecdsa_secp256r1_sha256", "sha256", "ecdsa", P256_OID, "both"),
    0x0503: ("ecdsa_secp384r1_sha384", "sha384", "ecdsa", P384_OID, "both"),
    0x0603: ("ecdsa_secp521r1_sha512", "sha512", "ecdsa", P521_OID, "both"),
    0x0804: ("rsa_pss_rsae_sha256", "sha256", "pss", "", "both"),
    0x0805: ("rsa_pss_rsae_sha384", "sha384", "pss", "", "both"),
    0x0806: ("rsa_pss_rsae_sha512", "sha512", "pss", "", "both"),
    0x0401: ("rsa_pkcs1_sha256", "sha256", "pkcs1", "", "TLS 1.2"),
    0x0501: ("rsa_pkcs1_sha384", "sha384", "pkcs1", "", "TLS 1.2"),
    0x0601: ("rsa_pkcs1_sha512", "sha512", "pkcs1", "", "TLS 1.2"),
    0x0807: ("ed25519", "", "1.3.101.112", "", "both"),
    0x0904: ("mldsa44", "", "2.16.840.1.101.3.4.3.17", "", "TLS 1.3"),
    0x0905: ("mldsa65", "", "2.16.840.1.101.3.4.3.18", "", "TLS 1.3"),
    0x0906: ("mldsa87", "", "2.16.840.1.101.3.4.3.19", "", "TLS 1.3"),
}  # fmt: skip
HELLO_RETRY = hashlib.sha256(b"HelloRetryRequest").digest()  # RFC 8446, 4.1.3
SESSION_FIELDS = (
    "address alpn chain cipher connection group host messages names_host ocsp port resumed signature_scheme "
    "timestamps version"
).split()
MAX_CERTIFICATE_LIST = 32 << 10  # bytes of a decompressed one
MAX_CERTIFICATE_LISTS = 4 << 20  # of all in one file, as they announce
MAX_TLS_SESSIONS, MAX_CONNECTIONS = (
    1000,
    10_000,
)  # in one file; resumed from one session, and unsigned
MAX_CONNECTION = 1_000_000  # the number of one
MAX_TLS_TEXT = 500  # characters
MAX_TLS_MESSAGE, MAX_STAPLE = 128 << 10, 64 << 10  # bytes


class Reader:
    """Reads numbers and vectors of the TLS presentation language. Raises Bad where they do not fit."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise Bad("a handshake message is cut off")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        return self.take(self.number(size))

    def end(self) -> None:
        if self.at != len(self.data):
            raise Bad("a handshake message has surplus bytes")

    def more(self) -> bool:
        return self.at < len(self.data)


def tls_extensions(data: bytes) -> dict[int, bytes]:
    reader, found = Reader(data), {}
    while reader.more():
        kind = reader.number(2)
        if kind in found:
            raise Bad("an extension occurs twice")
        found[kind] = reader.vector(2)
    return found


def parse_tls_file(data: bytes) -> list[dict[str, Any]]:
    """capture/tls.json as its list of sessions, each of its form. Raises Bad."""
    value = parse_json(data)
    fields(value, ["format", "sessions", "unsigned"], "it")
    sessions, unsigned = value["sessions"], value["unsigned"]
    if (
        value["format"] != "snapshotter-tls/1"
        or not isinstance(sessions, list)
        or not isinstance(unsigned, list)
    ):
        raise Bad("the format of the log proof is unknown")
    if len(sessions) > MAX_TLS_SESSIONS or len(unsigned) > MAX_CONNECTIONS:
        raise Bad("the file has too many sessions or too many unsigned connections")
    for entry in unsigned:
        fields(entry, ["address", "connection", "host", "port", "reason"], "an unsigned connection")
        _connection(entry)
        _tls_texts(entry, "reason")
    for session in sessions:
        fields(session, SESSION_FIELDS, "a session")
        _connection(session)
        _tls_texts(session, "alpn", "cipher", "group", "signature_scheme", "version")
        if not session["host"] or session["host"] != re.sub(
            r"\.\Z", "", session["host"].strip("[]").lower()
        ):
            raise Bad("a host is not in its canonical form")
        if type(session["names_host"]) is not bool:
            raise Bad("names_host is neither true nor false")
        for name, most in (
            ("messages", 8),
            ("chain", 64),
            ("timestamps", 32),
            ("resumed", MAX_CONNECTIONS),
        ):
            if not isinstance(session[name], list) or len(session[name]) > most:
                raise Bad("%s is not a list of at most %d" % (name, most))
        if any(len(strict_base64(text)) > MAX_TLS_MESSAGE for text in session["messages"]):
            raise Bad("a message is too long")
        if len(strict_base64(session["ocsp"])) > MAX_STAPLE:
            raise Bad("ocsp is too long")
        for text in session["chain"]:
            if not isinstance(text, str):
                raise Bad("a certificate is not text")
            if len(from_pem(text.encode("utf-8"), "CERTIFICATE")) > MAX_TLS_MESSAGE:
                raise Bad("a certificate is too long")
        for item in session["resumed"]:
            fields(item, ["by", "connection"], "a resumed connection")
            if item["by"] not in ("ticket", "host"):
                raise Bad("a resumed connection is malformed")
            if not is_count(item["connection"], 0, MAX_CONNECTION):
                raise Bad("the number of a resumed connection is not valid")
        for item in session["timestamps"]:
            fields(item, ["at_ms", "log_id", "source"], "a certificate timestamp")
            _tls_texts(item, "log_id", "source")
            if not is_count(item["at_ms"], 0, (1 << 53) - 1):
                raise Bad("the time of a certificate timestamp is not valid")
    return sessions


def _texts(value: dict[str, Any], *names: str) -> None:
    for name in names:
        if not isinstance(value[name], str):
            raise Bad(f"{name} is not text")


def _tls_texts(value: dict[str, Any], *names: str) -> None:
    _texts(value, *names)
    if any(len(value[name]) > MAX_TLS_TEXT for name in names):
        raise Bad("a text has more than 500 characters")


def _connection(value: dict[str, Any]) -> None:
    _tls_texts(value, "address", "host")
    if not is_count(value["connection"], 0, MAX_CONNECTION) or not is_count(
        value["port"], 0, 65535
    ):
        raise Bad("the number or the port of a connection is not valid")


def named(table: dict[int, str], number: int, stated: str) -> bool:
    """Whether `stated` is the name of `number`, or the number in hexadecimal."""
    return stated in (table.get(number), f"0x{number:04x}")


class CertificateLists:
    """The compressed certificate lists of one file: each is decompressed once, and not more than so many bytes."""

    def __init__(self) -> None:
        self.known: dict[bytes, bytes] = {}
        self.left = MAX_CERTIFICATE_LISTS

    def opened(self, body: bytes) -> bytes:
        if body not in self.known:
            reader = Reader(body)
            algorithm, length = reader.number(2), reader.number(3)
            packed = reader.vector(3)
            reader.end()
            if length > MAX_CERTIFICATE_LIST:
                raise Bad("a certificate list is longer than 32 KiB")
            self.left -= length
            if self.left < 0:
                raise Unknown("the file has too many compressed certificates")
            self.known[body] = decompress(algorithm, packed, length)
        return self.known[body]


def check_session(session: dict[str, Any], openssl: OpenSSL, lists: CertificateLists) -> None:
    """The six points of "Check". Raises Bad for what does not hold, Unknown for what we do not know."""
    # (1) the messages are those, all of them, in that order, each as long as it says
    raw = [strict_base64(text) for text in session["messages"]]
    for message in raw:
        if len(message) < 4 or int.from_bytes(message[1:4], "big") != len(message) - 4:
            raise Bad("a message does not have the stated length")
    kinds, bodies = [message[0] for message in raw], [message[4:] for message in raw]
    if kinds[:2] != [1, 2]:
        raise Bad("the handshake does not begin with the hello messages")
    hello, answer, at = tls_client_hello(bodies[0]), tls_server_hello(bodies[1]), 2
    retried = answer.random == HELLO_RETRY
    if retried:
        first, retry, at = hello, answer, 4
        if kinds[2:4] != [1, 2]:
            raise Bad("the second hello messages are missing")
        hello, answer = tls_client_hello(bodies[2]), tls_server_hello(bodies[3])
        if (first.random, first.name) != (
            hello.random,
            hello.name,
        ) or retry.cipher != answer.cipher:
            raise Bad("the second hello messages do not match the first hello messages")
        if answer.random == HELLO_RETRY:
            raise Bad("the server requested a third ClientHello")
    tls13 = answer.version == 0x0304
    ciphers = {number: name for number, (name, _) in TLS13_CIPHERS.items()}
    ciphers = ciphers if tls13 else TLS12_CIPHERS
    if answer.cipher not in ciphers:
        raise Bad("the cipher suite has no signature in this version of TLS")
    if tls13:
        expected = [8] + ([13] if kinds[at + 1 : at + 2] == [13] else [])
        certificate_at = at + len(expected)
        expected += [25 if kinds[certificate_at : certificate_at + 1] == [25] else 11, 15]
        if kinds[at:] != expected:
            raise Bad("the messages are not those of a TLS 1.3 handshake")
        encrypted = Reader(bodies[at])
        alpn = tls_protocol(tls_extensions(encrypted.vector(2)).get(16))
        encrypted.end()
        certificates, stapled = tls13_certificates(
            kinds[certificate_at], bodies[certificate_at], lists
        )
        verify = Reader(bodies[-1])
        group, scheme, signature = answer.group, verify.number(2), verify.vector(2)
        verify.end()
        signed = tls13_signed(raw, answer.cipher, retried)
    elif answer.version == 0x0303 and not retried:
        if kinds != [1, 2, 11, 12]:
            raise Bad("the messages are not those of a TLS 1.2 handshake")
        alpn, certificates, stapled = answer.alpn, tls12_certificates(bodies[2]), {}
        exchange = Reader(bodies[3])
        if exchange.number(1) != 3:
            raise Bad("the key share is not on a named curve")
        group = exchange.number(2)
        exchange.vector(1)
        share = bodies[3][: exchange.at]
        scheme, signature = exchange.number(2), exchange.vector(2)
        exchange.end()
        signed = hello.random + answer.random + share
        stapled = {kind: data for kind, data in answer.extensions.items() if kind == 18}
    else:
        raise Bad("this program does not support the version of TLS")
    if not certificates or not all(certificates) or len(certificates) > 64:
        raise Bad("the message has no certificates, too many certificates, or an empty certificate")
    leaf = Certificate(certificates[0])
    # (2) version, cipher, group, alpn, signature_scheme, chain and timestamps follow from them
    schemes = {number: row[0] for number, row in TLS_SCHEMES.items()}
    for field, table, number in (
        ("version", TLS_VERSIONS, answer.version),
        ("cipher", ciphers, answer.cipher),
        ("group", TLS_GROUPS, group),
        ("signature_scheme", schemes, scheme),
    ):
        if not named(table, number, session[field]):
            raise Bad(f"{field} does not follow from the messages")
    if alpn != session["alpn"]:
        raise Bad("alpn does not follow from the messages")
    if [pem(der, "CERTIFICATE").decode("ascii") for der in certificates] != session["chain"]:
        raise Bad("chain does not follow from the messages")
    if tls13 and session["ocsp"]:
        raise Bad("ocsp must be empty, because TLS 1.3 has the OCSP answer in its messages")
    if session["ocsp"]:
        stapled[5] = strict_base64(session["ocsp"])
    check_timestamps(session["timestamps"], leaf, stapled)
    # (3) the client offered the signature scheme, and it goes with the key
    row = TLS_SCHEMES.get(scheme)
    if row is None or scheme not in hello.schemes or row[4] not in ("both", session_version(tls13)):
        raise Bad("the signature scheme is not accepted, or the client did not offer it")
    _, digest, kind, curve, _ = row
    is_rsa = leaf.key_kind == RSA_KEY
    fitting = {"ecdsa": leaf.key_kind == EC_KEY, "pss": is_rsa, "pkcs1": is_rsa}
    if not fitting.get(kind, leaf.key_kind == kind) or (
        kind == "ecdsa" and tls13 and leaf.key_curve != curve
    ):
        raise Bad("the key cannot make a signature of this scheme")
    if is_rsa:
        modulus = der_integer(der_all(der_one(leaf.key_bits, 0x30))[0][1])
        if not 1024 <= modulus.bit_length() <= 16384:
            raise Bad("the size of the RSA key is not accepted")
    # (4) the signature holds by the key of the first certificate
    if not openssl.knows_key(leaf.spki):
        if is_rsa or kind == "1.3.101.112" or leaf.key_curve in (P256_OID, P384_OID, P521_OID):
            raise Bad("the key of the certificate is not a valid key")
        raise Unknown("the installed openssl does not support the key of the certificate")
    if kind in ("ecdsa", "pkcs1"):
        holds = openssl.holds(leaf.spki, signature, signed, digest)
    elif kind == "pss":
        options = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]
        holds = openssl.holds(leaf.spki, signature, signed, digest, *options)
    else:
        holds = openssl.holds_raw(leaf.spki, signature, signed)
    if not holds:
        raise Bad("the signature of the server is not valid")
    # (5) the server name in the ClientHello is the host, and there is none for an address
    host = session["host"]
    address = _address(host)
    if hello.name != ("" if address is not None else host):
        raise Bad("the client requested another host")
    # (6) a subject alternative name is the host
    if any_name_is(leaf, host, address) is not session["names_host"]:
        raise Bad("the certificate is for another host, or names_host is wrong")


def session_version(tls13: bool) -> str:
    return "TLS 1.3" if tls13 else "TLS 1.2"


def _address(host: str) -> Union[ipaddress.IPv4Address, ipaddress.IPv6Address, None]:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


class ClientHello:
    """What is read of a ClientHello (RFC 8446, 4.1.2). Raises Bad."""

    def __init__(self, random: bytes, extensions: dict[int, bytes]) -> None:
        self.random = random
        self.name = tls_server_name(extensions.get(0, b""))
        tls_protocol(extensions.get(16))
        self.schemes = set(
            tls_numbers(Reader(extensions[13]).vector(2)) if 13 in extensions else []
        )
        tickets = Reader(Reader(extensions[41]).vector(2)) if 41 in extensions else Reader(b"")
        while tickets.more():
            tickets.vector(2)
            tickets.take(4)


class ServerHello:
    """What is read of a ServerHello, or of a HelloRetryRequest (RFC 8446, 4.1.3). Raises Bad."""

    def __init__(
        self, legacy: int, random: bytes, cipher: int, extensions: dict[int, bytes]
    ) -> None:
        self.random, self.cipher, self.extensions = random, cipher, extensions
        for kind in (41, 43):
            if len(extensions.get(kind, b"12")) != 2:
                raise Bad("an extension does not have the required length")
        self.version = int.from_bytes(extensions[43], "big") if 43 in extensions else legacy
        self.alpn = tls_protocol(extensions.get(16))
        has_share = self.version == 0x0304 and 51 in extensions
        self.group = Reader(extensions[51]).number(2) if has_share else 0


def tls_numbers(data: bytes) -> list[int]:
    if len(data) % 2:
        raise Bad("a list of numbers has an incomplete number")
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


def tls_protocol(data: Optional[bytes]) -> str:
    """The first protocol of a list (RFC 7301); "" without one."""
    reader, found = Reader(Reader(data).vector(2) if data is not None else b""), []
    while reader.more():
        found.append(reader.vector(1).decode("ascii", "backslashreplace"))
    return found[0] if found else ""


def tls_server_name(data: bytes) -> str:
    """The first host name (RFC 6066, 3), in lower case; "" without one."""
    reader = Reader(Reader(data).vector(2) if data else b"")
    while reader.more():
        kind, name = reader.number(1), reader.vector(2)
        if kind == 0:
            if len(name) > 255 or not name.isascii():
                raise Bad("a server name is too long, or not ASCII")
            return name.decode("ascii").lower()
    return ""


def tls_client_hello(body: bytes) -> ClientHello:
    reader = Reader(body)
    reader.take(2)
    random = reader.take(32)
    reader.vector(1)
    tls_numbers(reader.vector(2))
    reader.vector(1)
    extensions = tls_extensions(reader.vector(2)) if reader.more() else {}
    reader.end()
    return ClientHello(random, extensions)


def tls_server_hello(body: bytes) -> ServerHello:
    reader = Reader(body)
    legacy, random = reader.number(2), reader.take(32)
    reader.vector(1)
    cipher, _ = reader.number(2), reader.take(1)
    extensions = tls_extensions(reader.vector(2)) if reader.more() else {}
    reader.end()
    return ServerHello(legacy, random, cipher, extensions)


def tls13_certificates(
    kind: int, body: bytes, lists: CertificateLists
) -> tuple[list[bytes], dict[int, bytes]]:
    """The DER of each certificate, and the extensions of the first."""
    if kind == 25:
        body = lists.opened(body)
    reader = Reader(body)
    reader.vector(1)
    entries = Reader(reader.vector(3))
    reader.end()
    found, first = [], None
    while entries.more():
        found.append(entries.vector(3))
        extensions = tls_extensions(entries.vector(2))
        first = extensions if first is None else first
    stapled = {kind: data for kind, data in (first or {}).items() if kind == 18}
    if first is not None and 5 in first:
        status = Reader(first[5])
        if status.number(1) != 1:
            raise Bad("the certificate status is not an OCSP answer")
        stapled[5] = status.vector(3)
        status.end()
    return found, stapled


def decompress(algorithm: int, packed: bytes, length: int) -> bytes:
    if algorithm == 1:  # zlib
        engine = zlib.decompressobj()
        try:
            data = engine.decompress(packed, MAX_CERTIFICATE_LIST + 1)
        except zlib.error:
            raise Bad("a compressed certificate is not zlib data") from None
        if not engine.eof or engine.unused_data:
            raise Bad("a compressed certificate is cut off, or is followed by other bytes")
    elif algorithm == 2:  # Brotli, which the standard library can not read
        command = on_path("brotli")
        if command is None:
            raise Unknown(
                "the certificate is compressed by Brotli, but no `brotli` command is on the PATH"
            )
        data = run_brotli(command, packed)
    else:
        raise Unknown("the compression method of the certificate is unknown")
    if len(data) != length:
        raise Bad("a compressed certificate does not have the stated length")
    return data


def run_brotli(command: str, packed: bytes) -> bytes:
    """What `brotli` makes of it, as far as a certificate list may go. Raises Bad."""
    with tempfile.TemporaryFile() as source:
        source.write(packed)
        source.seek(0)
        with subprocess.Popen(
            [command, "-dc"], stdin=source, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as run:
            data = run.stdout.read(MAX_CERTIFICATE_LIST + 1) if run.stdout else b""
            if len(data) > MAX_CERTIFICATE_LIST:
                run.kill()
    if run.returncode or len(data) > MAX_CERTIFICATE_LIST:
        raise Bad("a compressed certificate is not Brotli data, or is longer than 32 KiB")
    return data


def tls12_certificates(body: bytes) -> list[bytes]:
    reader = Reader(body)
    entries, found = Reader(reader.vector(3)), []
    reader.end()
    while entries.more():
        found.append(entries.vector(3))
    return found


def tls13_signed(raw: list[bytes], cipher: int, retried: bool) -> bytes:
    """What CertificateVerify is over (RFC 8446, 4.4.3)."""
    name = TLS13_CIPHERS[cipher][1]
    messages = raw[:-1]
    if retried:  # RFC 8446, 4.4.1
        digest = hashlib.new(name, messages[0]).digest()
        messages[0] = b"\xfe\0\0" + bytes([len(digest)]) + digest
    transcript = hashlib.new(name, b"".join(messages)).digest()
    return b" " * 64 + b"TLS 1.3, server CertificateVerify\0" + transcript


def any_name_is(
    certificate: Certificate,
    host: str,
    address: Union[ipaddress.IPv4Address, ipaddress.IPv6Address, None],
) -> bool:
    """Whether a subject alternative name is the host (RFC 6125, 6.4; RFC 5280, 4.2.1.6)."""
    extension = certificate.extensions.get("2.5.29.17")
    names = der_all(der_one(extension, 0x30)) if extension else []
    for tag, content, _ in names:
        if tag not in (0xA0, 0x81, 0x82, 0xA4, 0x86, 0x87, 0x88):
            raise Bad("this program does not support the kind of a name")
        if tag in (0x81, 0x82, 0x86) and not content.isascii():
            raise Bad("a name is not ASCII")
        if tag == 0x87 and len(content) not in (4, 16):
            raise Bad("an IP address has an invalid length")
    for tag, content, _ in names:
        if tag == 0x87 and address is not None and content == address.packed:
            return True
        if tag == 0x82 and address is None:
            name = content.decode("ascii").lower()
            if not name.startswith("*.") and name.rstrip(".") == host:
                return True
            first, _, rest = host.partition(".")
            if first and name.startswith("*.") and name[2:] == rest and "." in rest:
                return True
    return False


def check_timestamps(
    stated: list[dict[str, Any]], leaf: Certificate, stapled: dict[int, bytes]
) -> None:
    """The certificate timestamps (RFC 6962, 3.3) are those of the certificate, the handshake and the OCSP answer."""
    found = []
    embedded = leaf.extensions.get("1.3.6.1.4.1.11129.2.4.2")
    if embedded is not None:
        found += _sct_list(embedded, "certificate", True)
    if 18 in stapled:
        found += _sct_list(stapled[18], "handshake", False)
    if 5 in stapled:
        found += _sct_list(_ocsp_extension(stapled[5]), "ocsp", True)
    if [
        (timestamp["at_ms"], timestamp["log_id"], timestamp["source"]) for timestamp in stated
    ] != found[:32]:
        raise Bad("timestamps does not follow from the messages")


def _sct_list(data: bytes, source: str, wrapped: bool) -> list[tuple[int, str, str]]:
    """What can be read of a list, up to the first entry that can not: it is kept, not verified."""
    found: list[tuple[int, str, str]] = []
    try:
        reader = Reader(Reader(der_one(data, 0x04) if wrapped else data).vector(2))
        while reader.more():
            sct_reader = Reader(reader.vector(2))
            if sct_reader.number(1) != 0:
                break
            log_id, at_ms = sct_reader.take(32).hex(), sct_reader.number(8)
            if at_ms < 1 << 53:
                found.append((at_ms, log_id, source))
    except Bad:
        pass
    return found


def _ocsp_extension(stapled: bytes) -> bytes:
    """The timestamp list in a stapled OCSP answer (RFC 6960), or nothing."""
    try:
        answer = der_all(der_one(stapled, 0x30))
        basic = der_all(der_one(der_all(der_one(answer[1][1], 0x30))[1][2], 0x04))[0]
        data = der_all(der_all(basic[1])[0][1])
        responses = [content for tag, content, _ in data if tag == 0x30][-1]
        for _, single, _ in der_all(responses):
            for tag, content, _ in der_all(single):
                if tag == 0xA1:
                    for _, extension, _ in der_all(der_one(content, 0x30)):
                        pieces = der_all(extension)
                        if der_oid(pieces[0][1]) == "1.3.6.1.4.1.11129.2.4.5":
                            return pieces[-1][1]
    except (Bad, IndexError):
        return b""
    return b""


# --------------------------------------------------------------------------------------------------
# M. Proof packs (docs/spec/proof-pack.md)
# Whether every byte of the file is as it was signed. What follows from the captures in it takes rules, and is not
# judged here.

PACK = "a proof pack"
VALIDATION = "a validation report"
PACK_MAGIC = b"<!DOCTYPE html>\n<!-- snapshotter-pack/1 -->\n"
PACK_OPEN, PACK_CLOSE = b'<script type="text/plain" id="manifest">\n', b"</script>\n"
MAX_PACK, MAX_PACK_PARTS, MAX_PACK_LIST = 4 << 30, 200, 1 << 16  # bytes, parts, bytes
MAX_PACK_PAGE, MAX_PACK_END = 4 << 20, 1 << 20  # bytes
PACK_LINES = 1 << 13  # of base64 that are read at once: 57 bytes each
PACK_CAPTURES = ("last-seen", "first-gone", "confirmation", "control", "vantage", "identity")
PACK_ONCE = ("event", "event-proof", "key", "facts", "picture", "pdf")
PACK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}\Z")
MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]{1,80}\Z")


def judge_pack(result: Verification) -> None:
    """Steps 1 to 3 of "Verification" in docs/spec/proof-pack.md."""
    try:
        with open_regular(result.path) as stream:
            result.length = stream.seek(0, os.SEEK_END)
            try:
                said, value, key_id, at = read_pack(stream, result.openssl)
            except Bad as bad:
                result.bad("manifest", bad.args[0], bad.args[1])
                return
            result.find(
                "manifest",
                PASSED,
                "OK",
                "the form of the pack is valid, and its signature is valid",
            )
            altered = list(altered_in_pack(stream, said, value, at))
    except OSError as error:
        raise Unreadable(f"{result.path}: {error.strerror or error}") from error
    for what in altered:
        result.bad("parts", "HASH", f"{what} was altered")
    if altered:
        return
    words = "no byte of the page and of its parts was changed since the pack was signed; parts: %d"
    result.find("parts", PASSED, "OK", words % len(value["parts"]))
    result.find("key", *result.trust.judge_key(key_id, None))


def read_pack(stream: BinaryIO, openssl: OpenSSL) -> tuple[bytes, dict[str, Any], str, int]:
    """The list's two lines, what it says, who signed it, and where it was found. Raises Bad (code, words)."""
    stream.seek(0)
    head = stream.read(MAX_PACK_PAGE + len(PACK_OPEN) + MAX_PACK_LIST + len(PACK_CLOSE))
    at = head.find(PACK_OPEN)
    if not 0 <= at <= MAX_PACK_PAGE:
        raise Bad("CONTAINER", "the file does not have the manifest of a proof pack at its place")
    rest = head[at + len(PACK_OPEN) :]
    lines = rest.split(b"\n", 2)
    if len(lines) < 3 or not lines[2].startswith(PACK_CLOSE):
        raise Bad("CONTAINER", "the manifest does not have two lines, or has no end")
    said = lines[0] + b"\n" + lines[1] + b"\n"
    if b"<" in said:
        raise Bad(
            "MANIFEST", "the manifest contains the character <, which a manifest cannot contain"
        )
    try:
        if len(said) > MAX_PACK_LIST:
            raise Bad("the manifest is too long")
        value, key_id = signed_pack_list(lines[0], lines[1], openssl)
    except (Bad, Unknown, IndexError) as error:
        raise Bad("SIG", f"the manifest was altered: {error}") from None
    try:
        check_pack_list(value)
    except Bad as bad:
        raise Bad("MANIFEST", f"the manifest is not valid: {bad}") from None
    if pack_length(said, value) > MAX_PACK:
        raise Bad("MANIFEST", "the manifest names more bytes than a pack can have")
    return said, value, key_id, at


def signed_pack_list(first: bytes, second: bytes, openssl: OpenSSL) -> tuple[dict[str, Any], str]:
    """What the first line says and which key signed it (docs/spec/holds.md, "Signed statements"). Raises Bad, Unknown."""
    value = fields(parse_json(first), "end event_id format lacks made_at page parts software text_sha256".split(), "the list")  # fmt: skip
    if value["format"] != "snapshotter-pack/1":
        raise Bad("the format is unknown")
    texts, objects, lists = ("event_id", "made_at", "software", "text_sha256"), ("end", "page"), ("lacks", "parts")  # fmt: skip
    for names, kind in ((texts, str), (objects, dict), (lists, list)):
        if any(type(value[name]) is not kind for name in names):
            raise Bad("a field has another type")
    seal = fields(parse_json(second), ("key_id", "public_key", "signature"), "the signature")
    _texts(seal, "key_id", "public_key", "signature")
    key = PublicKey(from_pem(seal["public_key"].encode("utf-8"), "PUBLIC KEY"), openssl)
    if key.id != seal["key_id"]:
        raise Bad("the key is not the key that the manifest names")
    signature = strict_base64(seal["signature"])
    check_ecdsa_der(signature, key.curve)
    _, s = (der_integer(content) for _, content, _ in der_all(der_one(signature, 0x30)))
    if s > key.curve.n // 2:
        raise Bad("the signature is not in the required form")
    if not openssl.holds(key.spki, signature, first + b"\n", key.curve.digest):
        raise Bad("the signature is not valid")
    return value, key.id


def check_pack_list(value: dict[str, Any]) -> None:
    """Raise Bad unless a list has the form of "Fields of the manifest"."""
    if value["event_id"]:
        check_pack_id(value["event_id"])
    instant(value["made_at"])
    for name, most in (("page", MAX_PACK_PAGE), ("end", MAX_PACK_END)):
        piece = fields(value[name], ("length", "sha256"), name)
        if not is_count(piece["length"], 1, most):
            raise Bad(f"the length of {name} is not valid")
    words, parts = value["lacks"], value["parts"]
    if not all(isinstance(word, str) and PACK_NAME.match(word) for word in words) or sorted(set(words)) != words:  # fmt: skip
        raise Bad("lacks is not a sorted list of words")
    if len(parts) > MAX_PACK_PARTS:
        raise Bad(f"the manifest has more than {MAX_PACK_PARTS} parts")
    for part in parts:
        fields(part, "length media_type name of role sha256".split(), "a part")
        _texts(part, "media_type", "name", "of", "role")
        if not PACK_NAME.match(part["name"]) or not MEDIA_TYPE.match(part["media_type"]):
            raise Bad("the name or the type of a part is not valid")
        if not is_count(part["length"], 0, MAX_PACK):
            raise Bad("the length of a part is not valid")
    for digest in [value["text_sha256"], *(part["sha256"] for part in (value["page"], value["end"], *parts))]:  # fmt: skip
        if not isinstance(digest, str) or not KEY_ID.match(digest):
            raise Bad("a digest is not valid")
    if len({part["name"].lower() for part in parts}) != len(parts):
        raise Bad("two parts have the same name, or names that differ only in case")
    check_pack_roles(parts)


def check_pack_roles(parts: list[dict[str, Any]]) -> None:
    names = [part["name"] for part in parts if part["role"] in PACK_CAPTURES]
    for name in names:
        if not name.endswith(".wacz"):
            raise Bad("the name of a capture does not end with .wacz")
        check_pack_id(name[: -len(".wacz")])
    roles = [part["role"] for part in parts]
    for part in parts:
        beside, of = part["role"] == "beside", part["of"]
        if part["role"] not in (*PACK_CAPTURES, *PACK_ONCE, "beside", "trust", "rules"):
            raise Bad("the role of a part is unknown")
        if beside != bool(of) or (beside and (of not in names or not part["name"].startswith(f"{of}."))):  # fmt: skip
            raise Bad("a part belongs to no capture of the pack")
    if any(roles.count(role) != 1 for role in PACK_CAPTURES[:2]):
        raise Bad("the pack does not have exactly one first and one last capture")
    if any(roles.count(role) > 1 for role in PACK_ONCE):
        raise Bad("a part that can occur only once occurs twice")


def check_pack_id(text: str) -> None:
    found = BUNDLE_ID.match(text)
    if not found:
        raise Bad("an id is not valid")
    utc(*map(int, found.groups()[:6]))


def pack_part_opens(part: dict[str, Any]) -> bytes:
    return (
        (
            '<script type="text/plain" class="part" data-name="{name}" data-media-type="{media_type}" '
            'data-length="{length}" data-sha256="{sha256}">\n'
        )
        .format(**part)
        .encode("ascii")
    )


def base64_length(length: int) -> int:
    """Of so many bytes in lines of 76 characters, each with its newline."""
    lines, rest = divmod(length, 57)
    return lines * 77 + ((rest + 2) // 3 * 4 + 1 if rest else 0)


def pack_length(said: bytes, value: dict[str, Any]) -> int:
    parts = sum(len(pack_part_opens(part)) + base64_length(part["length"]) + len(PACK_CLOSE) for part in value["parts"])  # fmt: skip
    around = len(PACK_OPEN) + len(said) + len(PACK_CLOSE)
    return int(value["page"]["length"]) + around + parts + int(value["end"]["length"])


def altered_in_pack(stream: BinaryIO, said: bytes, value: dict[str, Any], at: int) -> Iterable[str]:
    """Yield what is not as the list has it; where something is missing or too much, the first of it alone."""
    found = differences_in_pack(stream, said, value, at)
    shifted = stream.seek(0, os.SEEK_END) != pack_length(said, value) or at != value["page"]["length"]  # fmt: skip
    for what in found:
        yield what
        if shifted:
            return


def differences_in_pack(
    stream: BinaryIO, said: bytes, value: dict[str, Any], at: int
) -> Iterable[str]:
    stream.seek(0)
    page = stream.read(at)
    signed = (at, hashlib.sha256(page).hexdigest()) == (value["page"]["length"], value["page"]["sha256"])  # fmt: skip
    if not signed or not page.startswith(PACK_MAGIC):
        yield "the page in front"
    between = PACK_OPEN + said + PACK_CLOSE
    if stream.read(len(between)) != between:
        yield "the list"
    for part in value["parts"]:
        if not is_pack_part(stream, part):
            yield "the part {name} ({role})".format(**part)
    end = stream.read(value["end"]["length"] + 1)
    if (len(end), hashlib.sha256(end).hexdigest()) != (value["end"]["length"], value["end"]["sha256"]):  # fmt: skip
        yield "the end of the page, with its script,"


def is_pack_part(stream: BinaryIO, part: dict[str, Any]) -> bool:
    """Read the block of a part; whether it is the one spelling of the bytes that the list names."""
    opens = pack_part_opens(part)
    good, digest, left = stream.read(len(opens)) == opens, hashlib.sha256(), part["length"]
    while left:
        count = min(left, 57 * PACK_LINES)
        text = stream.read(base64_length(count))
        try:
            data = base64.b64decode(text.replace(b"\n", b""), validate=True)
        except ValueError:
            data = b""
        again = b"".join(base64.b64encode(data[offset : offset + 57]) + b"\n" for offset in range(0, len(data), 57))  # fmt: skip
        good = good and len(data) == count and again == text
        digest.update(data)
        left -= count
    closes = stream.read(len(PACK_CLOSE)) == PACK_CLOSE
    return bool(good and closes and digest.hexdigest() == part["sha256"])


# --------------------------------------------------------------------------------------------------
# N. The command


def custody_event(line: bytes) -> dict[str, Any]:
    """A line of a custody sidecar. Raises Bad."""
    texts = "agent at by detail event event_id object outcome previous".split()
    event = fields(parse_json(line), [*texts, "receipt", "sequence"], "an event")
    if not all(isinstance(event[name], str) for name in texts):
        raise Bad("a custody event has a field that is not text")
    if not re.match(r"[0-9a-f]{32}\Z", event["event_id"]) or not is_count(
        event["sequence"], 1, 10**9 - 1
    ):
        raise Bad("a custody event has no valid id or number")
    instant(event["at"])
    receipt = event["receipt"]
    if receipt is not None:
        wanted = "at key legal_hold length lock_mode retain_until sha256 store version".split()
        fields(receipt, wanted, "a receipt")
        _texts(receipt, "key", "lock_mode", "sha256", "store", "version")
        until, is_locked = (
            receipt["retain_until"],
            receipt["lock_mode"] in ("GOVERNANCE", "COMPLIANCE"),
        )
        if (until is not None) != is_locked or (receipt["lock_mode"] and not is_locked):
            raise Bad("the lock of a receipt is incomplete")
        for at in [receipt["at"], until] if is_locked else [receipt["at"]]:
            instant(at)
        if (
            not KEY_ID.match(receipt["sha256"])
            or not re.match(r"[0-9a-f]{32}\Z", receipt["store"])
            or not is_count(receipt["length"], 0, 1 << 53)
            or type(receipt["legal_hold"]) is not bool
        ):
            raise Bad("a field of a receipt is malformed")
    return event


def open_regular(path: str) -> BinaryIO:
    """Open a file for reading; never wait for a pipe or a device."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Unreadable(f"{path} is not a regular file")
    return open(handle, "rb")


# A file is judged that is named like an exhibit, or that has one trace of an exhibit anywhere in its bytes.
EXHIBIT_NAME = re.compile(r"\.wacz|[0-9]{8}t[0-9]{6}z-[a-z2-7]{16}|^proof-", re.IGNORECASE)
TRACE = re.compile(
    rb"PK(?:\x01\x02|\x03\x04|\x05\x06|\x06\x06|\x06\x07|\x07\x08)|UEsDB|archive/data\.warc\.gz|capture/capture\.json"
    rb"|datapackage-digest\.json|seal/manifest-|seal/sig-0|snapshotter-(?:campaign|pack|takedown|validation)/"
    rb'|"first_gone"|"last_seen"|\{"event":\{'
)


# What stands beside a bundle or an event, by its name and its first bytes.
SIDECARS = (
    (r"\.tlog-proof$", rb"c2sp\.org/tlog-proof@v1\n"),
    (r"\.(late|renewal)-[0-9]{2}\.tsr$", rb"\x30[\x81-\x83]"),
    (r"\.renewal-[0-9]{2}\.txt$", rb"snapshotter-renewal/1\n"),
    (r"\.custody-[0-9]{4,}\.jsonl$", rb'\{"agent":"'),
)
# What our own commands write about evidence, by its name and its first bytes.
ABOUT = r"(?:^|-)(?:report|declaration|exhibit)\b.*"
DOCUMENTS = (
    (ABOUT + r"\.html$", rb"<!DOCTYPE html>\n<html "),
    (ABOUT + r"\.pdf$", rb"%PDF-"),
    (ABOUT + r"\.json$", rb'\{"(?:alarms|blanks|bundle_id)":'),
    (r"\.har$", rb'\{\s*"log"'),
    (r"\.(?:scitt|receipt)$", rb"\xd2\x84"),
)
# Pictures in a document have the bytes of a mark by chance: a name of a bundle's file follows a real mark.
ARCHIVE_TRACE = re.compile(
    rb"PK(?:\x01\x02|\x03\x04)[\s\S]{0,42}(?:archive/|capture/|datapackage|indexes/|pages/|seal/)"
    rb'|snapshotter-(?:campaign|pack|takedown|validation)/|"first_gone"|"last_seen"|\{"event":\{'
)
DOCUMENT_TRACE = re.compile(rb"(?<=[^A-Za-z0-9+/])UEsDB|" + ARCHIVE_TRACE.pattern)
MAX_ARCHIVE_LIST = 16 << 20  # bytes of the list of files of an archive
CONTAINER_TRACE = re.compile(rb"PK(?:\x01\x02|\x03\x04|\x05\x06|\x06\x06|\x06\x07|\x07\x08)|UEsDB")
OTHER_RECORD = re.compile(rb'"format":"snapshotter-(audit|gap|hold|quarantine|tombstone|trust)/')


def is_exhibit(path: str) -> bool:
    """Whether a file is to be judged: whoever damages an exhibit must not take FAILED away from it."""
    if any(EXHIBIT_NAME.search(os.path.basename(name)) for name in (path, os.path.realpath(path))):
        return True
    return has_trace(path)


def is_sidecar(path: str, head: bytes) -> bool:
    """Whether a file is only one that stands beside others: a container in it would make it an exhibit."""
    return any(
        re.search(name, path) and re.match(begin, head) for name, begin in SIDECARS
    ) and not has_trace(path, CONTAINER_TRACE)


def is_document(path: str, head: bytes) -> bool:
    """Whether a file is only a document about evidence: with an exhibit in it, it would be judged."""
    name = os.path.basename(path)
    return any(
        re.search(pattern, name) and re.match(begin, head) for pattern, begin in DOCUMENTS
    ) and not has_trace(path, ARCHIVE_TRACE if name.endswith(".har") else DOCUMENT_TRACE)


def holds_bundles(path: str) -> bool:
    """Whether a ZIP archive lists files named .wacz, and no file of the seal of a bundle."""
    with open_regular(path) as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - 98))  # the end record, and the two of 64-bit sizes
        end = stream.read(98)
        at = end.rfind(b"PK\x05\x06")
        length = int.from_bytes(end[at + 12 : at + 16], "little") if at >= 0 else -1
        if not 0 <= length <= MAX_ARCHIVE_LIST:
            return False
        stream.seek(max(0, size - len(end) - length))
        listed = stream.read(length + len(end))
    names = []
    for entry in re.finditer(rb"PK\x01\x02", listed):
        start, characters = entry.start() + 46, entry.start() + 28
        characters = int.from_bytes(listed[characters : characters + 2], "little")
        names.append(listed[start : start + characters])
    return any(name.endswith(b".wacz") for name in names) and not any(
        name.startswith(b"seal/") for name in names
    )


def has_trace(path: str, trace: "re.Pattern[bytes]" = TRACE) -> bool:
    with open_regular(path) as stream:
        if stream.seek(0, os.SEEK_END) > MAX_FILE:
            return True
        stream.seek(0)
        before = b""
        for chunk in iter(lambda: stream.read(CHUNK), b""):
            seen = before + chunk
            if trace.search(seen) or trace.search(seen.replace(b"\0", b"")):  # also in UTF-16
                return True
            before = seen[-128:]
    return False


def load_trust(arguments: argparse.Namespace, now: Instant, openssl: OpenSSL) -> Trust:
    data, signature = (read_file(arguments.trust + end, MAX_TRUST) for end in ("", ".sig"))
    return Trust(data, signature, arguments.root_key.lower(), now, openssl, arguments.least_version)


def read_file(path: str, limit: int) -> bytes:
    try:
        with open_regular(path) as stream:
            return stream.read(limit + 1)
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror or error}") from error


def as_json(result: Verification) -> str:
    outcome, reasons = result.record.outcome() if hasattr(result, "record") else (None, [])
    return json.dumps({
        "outcome": outcome, "outcome_reasons": reasons,
        "withheld": {"fields": result.closed, "files": sorted(result.withheld)} if result.is_redacted else None,
        "bundle": result.path, "verdict": result.verdict, "bundle_id": result.bundle_id,
        "findings": [dict(zip(("check", "verdict", "code", "detail"), finding)) for finding in result.findings],
        "proven_time": None if result.proven_time is None else show_instant(result.proven_time),
        "proven_until": None if result.proven_until is None else show_instant(result.proven_until),
        "captured_at": result.captured_at, "requested_url": result.requested_url,
        "sha256": result.sha256, "length": result.length,
        "trust": "trust file version %d, root key %s" % (result.trust.version, result.trust.root_id),
    }, sort_keys=True)  # fmt: skip


def as_text(result: Verification) -> str:
    marks = {PASSED: "ok", INDETERMINATE: "?", FAILED: "BAD"}
    lines = [f"{result.verdict.upper()}  {printable(result.path)}"]
    for check, verdict, code, detail in result.findings:
        words = printable(detail)
        lines.append(
            "  %-4s %-17s %-13s %s" % (marks[verdict], check, "" if code == "OK" else code, words)
        )
    if result.proven_time is not None:
        lines.append(
            f"  existed by {show_instant(result.proven_time)}, by a timestamp authority's clock"
        )
    if hasattr(result, "record") and result.verdict != FAILED:
        outcome, reasons = result.record.outcome()
        words = f"capture: {outcome}" if outcome else "capture: not established"
        lines.append(words)
        lines += [
            f"  reason: {printable(reason['code'][:500])}: {printable(reason['detail'][:500])}"
            for reason in reasons[:50]
        ]
        if len(reasons) > 50:
            lines.append(f"  further reasons: {len(reasons) - 50}")
    return "\n".join(lines)


def tell(text: str) -> None:
    """Print to whoever reads; where nobody does, the exit code is wanted all the same."""
    try:
        data = (text + "\n").encode(sys.stdout.encoding or "utf-8", "backslashreplace")
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(words: object) -> None:
    sys.stderr.write(f"verify_minimal: {printable(str(words))}\n")


class Parser(argparse.ArgumentParser):
    """What is said of the arguments may quote the name of a file."""

    def error(self, message: str) -> NoReturn:  # type: ignore[explicit-override]  # needs Python 3.12
        self.print_usage(sys.stderr)
        complain(message)
        sys.exit(2)


def needs_rules(path: str) -> str:
    """What a file is that only rules can judge; "" for a bundle. Raises NoBundle for all else."""
    try:
        with open_regular(path) as stream:
            head, size = stream.read(4096), stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - 22))
            end = stream.read(4)
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror or error}") from error
    if path.endswith(".json") and head.startswith(b"{") and OTHER_RECORD.search(head) and not has_trace(path):  # fmt: skip
        raise NoBundle(f"{path} is not a bundle but a record of a store or a trust file, which this program cannot judge. Give the .wacz file of a bundle")  # fmt: skip
    if is_sidecar(path, head):
        raise NoBundle(f"{path} is not a bundle but a sidecar of a bundle or an event, which this program cannot judge alone. Give the .wacz file of the bundle")  # fmt: skip
    if is_document(path, head):
        raise NoBundle(f"{path} is not a bundle but a document about evidence, which this program cannot judge. Give the .wacz file of each bundle that the document is about")  # fmt: skip
    if path.lower().endswith(".zip") and holds_bundles(path):
        raise NoBundle(f"{path} is not a bundle but an archive that contains bundles, which this program cannot judge. Unpack the archive, and give each .wacz file")  # fmt: skip
    names = [os.path.basename(name).lower() for name in (path, os.path.realpath(path))]
    if head.startswith(b"PK\3\4") or end == b"PK\5\6" or any(".wacz" in name for name in names):
        return ""
    if b"snapshotter-pack/" in head[:256]:
        return PACK
    if head.startswith(b'{"event":{') or b'"format":"snapshotter-takedown/' in head:
        return "a take-down event"
    if head.startswith(b'{"format":"snapshotter-campaign/'):
        return "a campaign report"
    if head.startswith(b'{"format":"snapshotter-validation/'):
        return VALIDATION
    if is_exhibit(path):
        return ""
    raise NoBundle(
        f"{path} is not a bundle, so this program cannot judge it. Give the .wacz file of a bundle"
    )


def without_rules(result: Verification, what: str) -> Verification:
    """Of a file that only rules can judge nothing is said, and never that it passed."""
    if what == PACK:
        judge_pack(result)
        if result.verdict == FAILED:
            return result
    words = (
        f"the file is {what}, which this program cannot judge, because it has no take-down "
        "rules; `snapshotter verify` of the whole package has the rules"
    )
    if what == VALIDATION:
        words = (
            f"the file is {what}, which this program cannot judge; `snapshotter verify` verifies it"
        )
    result.find("conclusion", INDETERMINATE, "CONCLUSION", words)
    return result


def main(argv: Optional[list[str]] = None) -> int:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="+", metavar="BUNDLE", help="a .wacz file")
    parser.add_argument(
        "--trust",
        required=True,
        metavar="FILE",
        help="the trust file; its signature FILE.sig must be in the same folder",
    )
    parser.add_argument("--root-key", required=True, metavar="KEYID", help="id of the trust file's root key: 64 hex digits, from a "
                        "channel that you trust")  # fmt: skip
    parser.add_argument(
        "--least-version",
        type=int,
        default=1,
        metavar="N",
        help="oldest version of the trust file that is accepted",
    )
    parser.add_argument(
        "--now",
        metavar="INSTANT",
        help="verify as of this time (2026-11-24T16:37:26Z) instead of the present time",
    )
    parser.add_argument(
        "--openssl", default="openssl", metavar="COMMAND", help="the openssl command"
    )
    parser.add_argument(
        "--b3sum",
        action="store_true",
        help="compute the BLAKE3 of large files with the b3sum command",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object for each bundle")
    arguments = parser.parse_args(argv)
    if not KEY_ID.match(arguments.root_key.lower()):
        parser.error("the id of a root key must have 64 hex digits")
    try:
        now = (
            instant(arguments.now)
            if arguments.now
            else datetime.datetime.now(datetime.timezone.utc)
        )
    except Bad as bad:
        parser.error(f"--now: {bad}")
    if arguments.b3sum and on_path("b3sum") is None:
        parser.error("no b3sum command is on the PATH")
    openssl = None
    exits = set()
    try:
        openssl = OpenSSL(arguments.openssl)
        trust = load_trust(arguments, now, openssl)
        for path in arguments.bundles:
            try:
                what = needs_rules(path)
                result = Verification(path, trust, now, openssl, arguments.b3sum)
                result = without_rules(result, what) if what else result.run()
            except (Unreadable, NoBundle) as error:
                complain(error)
                exits.add(1 if isinstance(error, Unreadable) else 2)
                continue
            exits.add(EXIT[result.verdict])
            tell(as_json(result) if arguments.json else as_text(result))
    except Refused as refused:
        complain(f"{refused}; no bundle was verified")
        return 11
    except Unreadable as error:
        complain(error)
        return 1
    finally:
        if openssl is not None:
            openssl.close()
    return next(code for code in (10, 1, 2, 11, 0) if code in exits)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
