"""
Write the index of a WARC file: one line for each response, sorted (`indexes/index.cdx`).

A line has a sort key, a time of 14 digits and a JSON object. The key is the URL in the
"sort-friendly" form (SURT): the labels of the host reversed, then path and query, in lower case.
So captures of one page are next to each other, whatever the spelling of the link. Replay software
looks up records by this key, so the key is computed as pywb computes it;
docs/adr/0003-own-cdxj.md says why the code is ours. The key of a request with a method other than
GET includes the method and the body.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from email.message import Message
from urllib.parse import quote_from_bytes, unquote_plus, unquote_to_bytes, urlencode

from snapshotter.formats import canonical_json
from snapshotter.value_class import dataclass

_FILE = "data.warc.gz"
_MAX_QUERY = 4096  # characters of a request body that take part in a key
_DEFAULT_PORTS = {"http": "80", "https": "443"}
# Left alone when a URL is spelt anew; the rest, and "%" and "#", become %XX.
_UNESCAPED = "!\"$&'()*+,-./:;<=>?@[\\]^_`{|}~"
_URL = re.compile(
    r"(?is)(https?)://(?:[^/?#]*@)?(\[[^\]]*\]|[^/?#:]*)(?::(\d*))?([^?#]*)(\?[^#]*)?"
)
_WWW = re.compile(r"www\d*\.")
_SESSION_IN_PATH = re.compile(
    r"(?i)^(.*/)(?:\((?:[a-z]\([0-9a-z]{24}\))+\)|\([0-9a-z]{24}\))/([^?]+\.aspx.*)$"
)
_SESSION_IN_QUERY = tuple(
    re.compile(rf"(?is)^(.*)(?:{pattern})(?:&(.*))?$")
    for pattern in (
        "jsessionid=[0-9a-z]{32}",
        "phpsessid=[0-9a-z]{32}",
        "sid=[0-9a-z]{32}",
        "aspsessionid[a-z]{8}=[a-z]{24}",
        "cfid=[^&]+&cftoken=[^&]+",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One response record of the WARC file."""

    url: str
    at: datetime
    media_type: str
    status: int
    digest: str  # "sha256:<hex>" of the payload
    offset: int  # bytes
    length: int  # bytes, compressed
    record_id: str = (
        ""  # "urn:uuid:…" of the record, which makes the digest of the index unguessable
    )
    method: str = "GET"
    request_type: str = ""  # Content-Type of the request's body
    request_body: bytes = b""


def encode(entries: Iterable[Entry]) -> bytes:
    """Return the index file, its lines sorted by their bytes."""
    return b"".join(sorted(_line(entry) for entry in entries))


def surt(url: str) -> str:
    """Return the sort key of a URL. One that is not http or https is its own key."""
    match = _URL.match(re.sub(r"[\t\r\n]", "", url.strip()))
    if match is None:
        return url
    scheme, host, port, path, query = match[1].lower(), match[2], match[3], match[4], match[5]
    key = _host(host)
    if port and port != _DEFAULT_PORTS[scheme]:
        key += f":{int(port)}"
    return f"{key}){_path(path)}{_query(query[1:]) if query else ''}"


def with_method(url: str, method: str, media_type: str = "", body: bytes = b"") -> str:
    """Return `url` with the method and the body of the request as further query arguments."""
    if method == "GET":
        return url
    query = f"__wb_method={method}"
    if method in ("POST", "PUT") and (more := body_query(media_type, body)):
        query += f"&{more}"
    return f"{url}{'&' if '?' in url else '?'}{query}"


def body_query(media_type: str, body: bytes) -> str:
    """Return a request body as a query, by its media type; at most 4,096 characters."""
    header = Message()
    header["content-type"] = media_type
    kind = header.get_content_type() if media_type else ""
    raw = f"__wb_post_data={base64.b64encode(body).decode()}"
    if kind == "application/x-www-form-urlencoded":
        try:
            query = unquote_plus(body.decode("utf-8"))
        except UnicodeDecodeError:
            query = raw
    elif kind.startswith("multipart/"):
        boundary = header.get_param("boundary")
        parts = list(_multipart(body, str(boundary).encode())) if boundary else []
        query = urlencode(parts) if parts else raw
    elif kind == "application/json":
        query = _json_query(body) or ""
    elif kind == "text/plain":
        query = _json_query(body) or raw
    else:
        query = raw
    return query[:_MAX_QUERY]


def _line(entry: Entry) -> bytes:
    facts: dict[str, canonical_json.JsonValue] = {
        "url": entry.url,
        "mime": entry.media_type,
        "status": str(entry.status),
        "digest": entry.digest,
        "length": str(entry.length),
        "offset": str(entry.offset),
        "filename": _FILE,
    }
    if entry.record_id:
        facts["recordId"] = entry.record_id
    if entry.method != "GET":
        facts["method"] = entry.method
        if entry.method in ("POST", "PUT"):
            facts["requestBody"] = body_query(entry.request_type, entry.request_body)
    key = surt(with_method(entry.url, entry.method, entry.request_type, entry.request_body))
    stamp = entry.at.astimezone(UTC).strftime("%Y%m%d%H%M%S")
    return f"{key} {stamp} ".encode() + canonical_json.dumps(facts) + b"\n"


def _host(host: str) -> str:
    if host.startswith("["):
        return host[1:-1].lower()  # IPv6 loses its brackets here, by convention
    host = unquote_to_bytes(host).decode("utf-8", "replace").lower().strip(".")
    host = re.sub(r"\.{2,}", ".", host)
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            host = quote_from_bytes(host.encode(), safe="")
    return ",".join(reversed(_WWW.sub("", host, count=1).split("."))) if host else ""


def _path(path: str) -> str:
    kept: list[str] = []
    spelt = _respell(path)
    for segment in spelt.split("/"):
        if segment == "..":
            if kept:
                kept.pop()
        elif segment not in ("", "."):
            kept.append(segment)
    result = "/" + "/".join(kept)
    if match := _SESSION_IN_PATH.match(result.lower()):
        result = match[1] + match[2]
    return result.lower()


def _query(query: str) -> str:
    query = _respell(query)
    for pattern in _SESSION_IN_QUERY:
        if match := pattern.match(query):
            query = match[1] + (match[2] or "")
    if not query:
        return ""
    # Compared as (name, value): "a" stands before "a=", and "a=1" before "a-b=0".
    arguments = sorted(tuple(argument.split("=", 1)) for argument in query.lower().split("&"))
    return "?" + "&".join("=".join(argument) for argument in arguments)


def _respell(text: str) -> str:
    """Return text with one spelling of each octet: unescaped to the end, then escaped."""
    data = text.encode("utf-8", "surrogateescape")
    while (plain := unquote_to_bytes(data)) != data:
        data = plain
    return quote_from_bytes(data, safe=_UNESCAPED)


def _json_query(body: bytes) -> str | None:
    """Return the leaves of JSON, or of JSON lines, as a query; None for anything else."""
    try:
        values = [json.loads(body)]
    except (ValueError, RecursionError):
        try:
            values = [json.loads(line) for line in body.split(b"\n") if line]
        except (ValueError, RecursionError):
            return None
    seen: dict[str, int] = {}
    pairs = []
    for value in values:
        for name, leaf in _leaves(value, ""):
            seen[name] = seen.get(name, 0) + 1
            pairs.append((name if seen[name] == 1 else f"{name}.{seen[name]}_", leaf))
    return urlencode(pairs)


def _leaves(value: object, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, name)
    elif name:
        yield name, str(value)


def _multipart(body: bytes, boundary: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each part of multipart/form-data (RFC 7578)."""
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:]:
        if part.startswith(b"--"):
            return
        head, found, content = part.partition(b"\r\n\r\n")
        header = Message()
        for line in head.decode("utf-8", "replace").split("\r\n"):
            name, _, value = line.partition(":")
            if name.lower().strip() == "content-disposition":
                header["content-disposition"] = value.strip()
        name_of_part = header.get_param("name", header="content-disposition")
        if found and isinstance(name_of_part, str):
            yield name_of_part, content
