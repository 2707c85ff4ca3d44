"""
Find the codec for the name of a character encoding, and decode the text of a document.

Only the encodings that browsers know are accepted (WHATWG Encoding), with the meaning that
browsers give to their names. Python has more codecs: some do not decode text at all, and some need
a time that grows with the square of the length. The name comes from an untrusted server.
"""

import codecs
import re

# By Python's names.
_ENCODINGS = frozenset({
    "utf-8", "utf-16-le", "utf-16-be", "gb18030", "big5hkscs", "euc_jp", "iso2022_jp", "cp932",
    "cp949", "cp866", "cp874", "koi8-r", "koi8-u", "mac-roman", "mac-cyrillic", "cp1250",
    "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "iso8859-2",
    "iso8859-3", "iso8859-4", "iso8859-5", "iso8859-6", "iso8859-7", "iso8859-8", "iso8859-10",
    "iso8859-13", "iso8859-14", "iso8859-15", "iso8859-16",
})  # fmt: skip
# What browsers read under another encoding's name: a page that calls itself gb2312 is read
# as gb18030; read as it says, half of it would be no text.
_READ_AS = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "utf-16": "utf-16-le",
}
# Labels that Python does not know.
_LABELS = {
    "csgb2312": "gb18030",
    "x-gbk": "gb18030",
    "x-x-big5": "big5hkscs",
    "x-sjis": "cp932",
    "windows-949": "cp949",
    "x-euc-jp": "euc_jp",
    "x-cp1251": "cp1251",
    "x-cp1252": "cp1252",
    "unicode-1-1-utf-8": "utf-8",
}
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_BEGINNING = 1024  # bytes in which a document says what it is
_DECLARED = (
    re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9_:.-]{1,40})["']"""),
    re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]{1,40})""", re.I),
)


def codec(label: str) -> str:
    """Return the codec for what a text calls its encoding; "" if no browser knows it."""
    label = label.strip().lower()
    try:
        name = codecs.lookup(_LABELS.get(label, label)).name
    except (LookupError, ValueError):  # no such codec, or no name at all
        return ""
    name = _READ_AS.get(name, name)
    return name if name in _ENCODINGS else ""


def decode(data: bytes, content_type: str = "") -> str:
    """
    Return a text: by its byte order mark, by its header, by what it says of itself, as UTF-8.

    What does not fit becomes U+FFFD: reading never fails.
    """
    for mark, name in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(name, "replace")
    header = content_type.lower().partition("charset=")[2].partition(";")[0].strip(" \"'")
    labels = [header]
    for pattern in _DECLARED:
        found = pattern.search(data[:_BEGINNING])
        labels.append(found[1].decode("ascii") if found else "")
    for label in labels:
        name = codec(label)
        # A document that says in single bytes that it has two a character has not.
        if name.startswith("utf-16") and b"\0" not in data[:_BEGINNING]:
            name = "utf-8"
        if name:
            return data.decode(name, "replace")
    return data.decode("utf-8", "replace")
