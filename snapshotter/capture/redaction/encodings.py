"""
Convert the text in a body to UTF-8 and back, so that values can be searched and replaced in it.

A body may be in UTF-16 or in a national encoding. It may be a form of several parts (RFC 7578),
each in an encoding of its own, and it may contain base64 of another text. Changed text is written
back in its original encoding. Where a text cannot be decoded the functions return None, and it is
counted as not searched.
"""

import binascii
import codecs
import re
from collections.abc import Callable

Rewrite = Callable[[bytes], bytes]  # of a text in UTF-8

_CHARSET = re.compile(r"""(?i)charset\s*=\s*["']?([a-z0-9._:-]{1,40})""")
_META = re.compile(rb"""(?i)(?:charset|encoding)\s{0,5}=\s{0,5}["']?([a-z0-9._:-]{1,40})""")
_BEGINNING = 1024  # bytes of a document in which it names its encoding
_MARKS = (  # the longer ones first: UTF-32's little end begins as UTF-16's does
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_WIDE = re.compile(r"utf-(?:16|32)(?:-[lb]e)?")
_AS_IT_IS = frozenset({"utf-8", "ascii"})
# A run of base64 with an own meaning, and no word, path or number: so many characters of it.
_RUN = re.compile(
    rb"(?:[A-Za-z0-9+/]{60,76}\r?\n){1,100000}[A-Za-z0-9+/]{0,76}={0,2}"
    rb"|[A-Za-z0-9+/_-]{24,}(?:={0,2}|(?:%3[Dd]){0,2})"
)
_HEAD_OF_RUN = 48  # characters that say whether a text is in it
_MOST_RUNS = 5_000  # with a text in them, of one body
_TEXT = re.compile(rb"[\t\r\n\x20-\x7e\x80-\xff]*")
_PADDING = re.compile(rb"(?:=|%3[Dd])*\Z")


def detect_encoding(content_type: str, data: bytes) -> str:
    """Return the Python name of a text's encoding; "utf-8" if nothing names another."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name
    found = _CHARSET.search(content_type)
    named = found[1] if found else ""
    if not named and (declared := _META.search(data[:_BEGINNING])) is not None:
        named = declared[1].decode("ascii")
    try:
        name = codecs.lookup(named).name if named else "utf-8"
    except LookupError:
        return "utf-8"
    # In a document that ASCII names UTF-16 there is none (HTML, 13.2.3.3).
    if is_wide(name):
        return name if found else "utf-8"
    # The document that a browser wrote for us is UTF-8, whatever its page declares; and no
    # text of another encoding that has more than ASCII in it is good UTF-8 by chance.
    return "utf-8" if _is_utf_8(data) else name


def _is_utf_8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def is_wide(encoding: str) -> bool:
    """
    Return whether a character takes two or four bytes, so that names cannot be searched as bytes.
    """
    return _WIDE.fullmatch(encoding) is not None


def rewrite_text(data: bytes, encoding: str, rewrite: Rewrite) -> bytes | None:
    """Return a text of this encoding rewritten; the same bytes if nothing changes."""
    if encoding in _AS_IT_IS:
        return rewrite(data)
    mark = next(
        (
            mark_bytes
            for mark_bytes, name in _MARKS
            if name == encoding and data.startswith(mark_bytes)
        ),
        b"",
    )
    try:
        # Bytes that are none of a national encoding go through as they are.
        errors = "strict" if is_wide(encoding) else "surrogateescape"
        plain = data[len(mark) :].decode(encoding, errors).encode("utf-8", "surrogatepass")
        shown = rewrite(plain)
        if shown == plain:
            return data
        return mark + shown.decode("utf-8", "surrogatepass").encode(encoding, errors)
    except (UnicodeError, LookupError, TypeError):  # TypeError: a codec that is none of text
        return None


def rewrite_base64(data: bytes, rewrite: Rewrite) -> bytes:
    """Return a text with the base64 texts in it rewritten."""
    pieces: list[bytes] = []
    done = runs = 0
    for run in _RUN.finditer(data):
        if runs >= _MOST_RUNS:
            break
        inner = decode_base64_text(run[0])
        if inner is None:
            continue
        runs += 1
        shown = rewrite(inner)
        if shown != inner:
            pieces += [data[done : run.start()], _encode_base64_like(run[0], shown)]
            done = run.end()
    return b"".join((*pieces, data[done:])) if pieces else data


def decode_base64_text(run: bytes) -> bytes | None:
    """Return the text in a run of base64; None if it is no text."""
    plain = re.sub(rb"\s|%3[Dd]|=", b"", run).translate(bytes.maketrans(b"-_", b"+/"))
    head = _unpadded(plain[:_HEAD_OF_RUN])
    if head is None or not _TEXT.fullmatch(head):
        return None
    inner = _unpadded(plain)
    if inner is None or not _TEXT.fullmatch(inner):
        return None
    try:
        inner.decode()
    except UnicodeDecodeError:
        return None
    return inner


def _unpadded(plain: bytes) -> bytes | None:
    try:
        return binascii.a2b_base64(plain + b"=" * (-len(plain) % 4))
    except binascii.Error:
        return None


def _encode_base64_like(run: bytes, inner: bytes) -> bytes:
    """Return a text in base64, in the alphabet and line lengths of `run`."""
    if b"\n" in run:
        width, end = len(run.split(b"\n")[0].rstrip(b"\r")), b"\r\n" if b"\r\n" in run else b"\n"
        coded = binascii.b2a_base64(inner, newline=False)
        return end.join(coded[at : at + width] for at in range(0, len(coded), width))
    coded = binascii.b2a_base64(inner, newline=False)
    if b"-" in run or b"_" in run:
        coded = coded.translate(bytes.maketrans(b"+/", b"-_"))
    padding = _PADDING.search(run)
    if padding is None or not padding[0]:
        return coded.rstrip(b"=") if len(run) % 4 else coded
    return coded.replace(b"=", b"%3D") if b"%" in padding[0] else coded


def encode_quoted_printable(text: bytes) -> bytes:
    """Return a text in quoted-printable (RFC 2045, 6.7)."""
    coded = binascii.b2a_qp(text.replace(b"\r\n", b"\n"), istext=True)
    return coded.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") + b"\r\n"


def encode_base64_lines(data: bytes) -> bytes:
    """Return base64 in the lines of MIME (RFC 2045, 6.8)."""
    coded = binascii.b2a_base64(data, newline=False)
    return b"".join(coded[at : at + 76] + b"\r\n" for at in range(0, len(coded), 76))


def decode_quoted_printable(body: bytes) -> bytes:
    """Return the decoded bytes of quoted-printable."""
    import quopri

    return quopri.decodestring(body)
