"""
Parse the name of a store, which is a directory or an S3 bucket with a prefix.

Invalid names of buckets and prefixes are refused; nothing is opened.
"""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from snapshotter.formats.bundle.store_keys import check_key
from snapshotter.value_class import dataclass

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryLocation:
    """A store in a directory; the path is as the user wrote it."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Location:
    """A store in a bucket: `s3://bucket/prefix`."""

    bucket: str
    prefix: str = ""  # no "/" at either end


def parse_store_url(text: str) -> DirectoryLocation | S3Location:
    """
    Return the store that the text of `--store` names.

    `s3://bucket`, `s3://bucket/prefix`, `file:///path`, or a path.

    Raises:
        ValueError: Empty, another scheme, or not a bucket's name; the message says which.
    """
    if not text or "\0" in text:
        raise ValueError("a store must be a directory or s3://bucket/prefix")
    match = _SCHEME.match(text)
    if match is None:
        if re.match(r"(s3|file):", text, re.IGNORECASE):  # a typo must not make a directory "s3:"
            raise ValueError(
                f"write {text.split(':')[0].lower()}:// with two slashes, not {text!r}"
            )
        return DirectoryLocation(path=Path(text))
    scheme = match[1].lower()
    if scheme == "file":
        parts = urlsplit(text)
        if parts.netloc not in ("", "localhost") or not parts.path:
            raise ValueError(f"a file URL must have a path and no host: {text!r}")
        return DirectoryLocation(path=Path(unquote(parts.path)))
    if scheme != "s3":
        raise ValueError(f"a store must be a directory or s3://bucket/prefix, not {scheme}://")
    bucket, _, prefix = text[match.end() :].partition("/")
    return s3_location(bucket, prefix)


def s3_location(bucket: str, prefix: str = "") -> S3Location:
    """
    Return a valid bucket and prefix.

    Raises:
        ValueError: Not a bucket's name (3 to 63 of `[a-z0-9.-]`), or not a prefix.
    """
    if "@" in bucket:
        # Not repeated in the message: it may be a secret.
        raise ValueError("the URL of a store must not contain credentials")
    if not _BUCKET.fullmatch(bucket) or ".." in bucket:
        raise ValueError(f"{bucket!r} is not the name of a bucket")
    prefix = prefix.strip("/")
    if prefix:
        check_key(prefix)
    return S3Location(bucket=bucket, prefix=prefix)
