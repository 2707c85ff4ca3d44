"""
Derive the identity of a page, or of the account behind it, from the page's address, so that two
addresses of one page can be recognised.

An identity is compared and never visited. For a known site it is the number that the site gives
the page. For other sites it is the address in one spelling, without the parameters that only tell
who shared it. The lists of parameters and hosts are data (`policies/schedules/identity.toml`).

    mp.weixin.qq.com/s?__biz=MzA…&mid=26…&idx=1   wechat:MzA…/26…/1
    mp.weixin.qq.com/s/AbC…                       wechat-short:AbC…
    weibo.com/1234567890/I7ubv9Ktj                weibo:4417843292323593

A short WeChat link does not contain the number, so its identity is preliminary. After the page was
loaded, `wechat_identity_from_page` reads the final identity from the scripts of the page.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Annotated
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from snapshotter.errors import SnapshotterError
from snapshotter.formats import toml
from snapshotter.formats.table import Field, Table, TableError
from snapshotter.policy.files import first_validation_mistake, shipped_directory
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_BASE62 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGITS, _LETTERS = 7, 4  # a Weibo number is cut into groups from the right
_PORTS = {"http": 80, "https": 443}
_SHORT = re.compile(r"/s/([A-Za-z0-9_-]{10,64})/?")
_WEIBO_PATH = re.compile(r"/(?:status|detail|[0-9]{1,20})/([0-9A-Za-z]{1,20})/?")
_WEIBO_USER = re.compile(r"/(?:u/|profile/)?([0-9]{5,13})(?:/|$)")
_WEIBO_QUERY = re.compile(r"/(?:ajax/statuses/show|statuses/show)/?")
_MANY = 200  # parameters of an address
_REPLACED = (
    "redacted:sha256:"  # how a value begins that stands for one (docs/spec/network-record.md)
)


@dataclass(frozen=True, slots=True)
class PageIdentity:
    """The identity that all addresses of one page have in common."""

    key: str  # "wechat:…", "weibo:…", or an address
    final: bool = True  # False: the page has to be loaded before it is known

    @property
    def is_number(self) -> bool:
        """Whether it is the site's own number of the page, and not an address."""
        return self.final and not self.key.startswith("//")


class _Tracking(Table):
    reason: str = ""
    parameters: list[str] = Field(default_factory=list)
    prefixes: Annotated[list[Annotated[str, Field(min_length=2)]], Field(max_length=1000)] = Field(
        default_factory=list
    )


class _Site(Table):
    reason: str = ""
    hosts: list[str] = Field(default_factory=list)


class _File(Table):
    tracking: _Tracking = Field(default_factory=_Tracking)
    wechat: _Site = Field(default_factory=_Site)
    weibo: _Site = Field(default_factory=_Site)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageIdentityRules:
    """The lists of parameters and hosts."""

    parameters: frozenset[str]  # lower case
    prefixes: tuple[str, ...]  # lower case
    wechat: frozenset[str]  # hosts
    weibo: frozenset[str]


def parse_rules(text: str, source: str) -> PageIdentityRules:
    """
    Return the rules of a TOML file.

    Raises:
        SnapshotterError: Not TOML, or an unknown key; the message names it.
    """
    try:
        read = _File.read(toml.loads(text))
    except TableError as error:
        raise SnapshotterError(f"{source}: {first_validation_mistake(error)}") from error
    except (ValueError, RecursionError) as error:
        raise SnapshotterError(
            tr("{source} is not valid TOML: {error}", source=source, error=error)
        ) from error
    return PageIdentityRules(
        parameters=frozenset(parameter.lower() for parameter in read.tracking.parameters),
        prefixes=tuple(prefix.lower() for prefix in read.tracking.prefixes),
        wechat=frozenset(read.wechat.hosts),
        weibo=frozenset(read.weibo.hosts),
    )


def shipped_identity_rules() -> PageIdentityRules:
    """Return the shipped rules (`policies/schedules/identity.toml`)."""
    path = shipped_directory() / "schedules" / "identity.toml"
    return parse_rules(path.read_text(encoding="utf-8"), str(path))


def page_identity(url: str, rules: PageIdentityRules) -> PageIdentity:
    """
    Return the identity of the page at an address.

    Raises:
        ValueError: Not an http or https address with a host.
    """
    parts = urlsplit(url)
    host = _host(parts.hostname or "")
    scheme = parts.scheme.lower()
    if scheme not in _PORTS or not host:
        raise ValueError(f"{url[:200]!r} is not the address of a page")
    port = parts.port  # raises ValueError for what is no port
    pairs = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=_MANY)
    if host in rules.wechat:
        found = _wechat(parts.path, dict(reversed(pairs)))
        if found is not None:
            return found
    if host in rules.weibo:
        found = _weibo(parts.path, dict(reversed(pairs)))
        if found is not None:
            return found
    where = f"[{host}]" if ":" in host else host
    if port is not None and port != _PORTS[scheme]:
        where += f":{port}"
    query = _query(parts.query, rules)
    # "#!" and "#/" are addresses of pages that scripts make; any other mark is a place in one.
    mark = f"#{parts.fragment}" if parts.fragment.startswith(("!", "/")) else ""
    # http and https of one page are one page.
    return PageIdentity(f"//{where}{_path(parts.path)}{f'?{query}' if query else ''}{mark}")


def account_identity(url: str, rules: PageIdentityRules) -> str:
    """
    Return the identity of the account behind a page, if the address contains it; else "".

        mp.weixin.qq.com/…?__biz=MzA…       wechat:MzA…
        weibo.com/1234567890/I7ubv9Ktj      weibo-user:1234567890

    Raises:
        ValueError: Not an address.
    """
    parts = urlsplit(url)
    host = _host(parts.hostname or "")
    if host in rules.wechat:
        pairs = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=_MANY)
        found = wechat_identity(dict(reversed(pairs)).get("__biz", ""), "1", "1")
        return account_of_identity(found.key) if found else ""
    if host in rules.weibo and (user := _WEIBO_USER.match(parts.path)):
        return f"weibo-user:{int(user[1])}"
    return ""


def account_of_identity(key: str) -> str:
    """Return the identity of the account, if the identity of its page contains it; else ""."""
    return key.rsplit("/", 2)[0] if key.startswith("wechat:") else ""


def host_and_port(url: str) -> str:
    """Return host and port of an address in lower case; "" for an address without a host."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""


def weibo_number(short: str) -> int:
    """
    Return the number of a Weibo post from its short form: `I7ubv9Ktj` is 4417843292323593.

    Raises:
        ValueError: Not a short form: other letters, or a group that does not give seven digits.
    """
    if not re.fullmatch(r"[0-9A-Za-z]{1,20}", short):
        raise ValueError(f"{short[:40]!r} is not the short form of a post's id")
    groups = []
    for end in range(len(short), 0, -_LETTERS):
        value = 0
        for letter in short[max(0, end - _LETTERS) : end]:
            value = value * 62 + _BASE62.index(letter)
        if value >= 10**_DIGITS:
            raise ValueError(f"{short!r} is not the short form of a post's id")
        groups.append(f"{value:0{_DIGITS}}")
    return int("".join(reversed(groups)))


def _wechat(path: str, query: Mapping[str, str]) -> PageIdentity | None:
    if short := _SHORT.fullmatch(path):
        return PageIdentity(f"wechat-short:{short[1]}", final=False)
    if path.rstrip("/") not in ("/s", "/mp/appmsg/show"):
        return None
    biz = query.get("__biz", "")
    message = query.get("mid") or query.get("appmsgid", "")
    index = query.get("idx") or query.get("itemidx", "") or "1"
    return wechat_identity(biz, message, index)


def wechat_identity(biz: str, mid: str, idx: str) -> PageIdentity | None:
    """Return the identity of a WeChat article from its numbers; None if they are invalid."""
    biz = biz.replace(" ", "+")  # a "+" of base64 that an address did not escape
    try:
        account = base64.b64decode(biz, validate=True)
    except (binascii.Error, ValueError):
        return None
    if not account or not re.fullmatch(r"[0-9]{1,20}", mid) or not re.fullmatch(r"[0-9]{1,3}", idx):
        return None
    return PageIdentity(f"wechat:{biz}/{int(mid)}/{int(idx)}")


_NUMBER = re.compile(
    r"""(?:\bvar\s{1,9}|\bwindow\.)(biz|mid|idx)\s{0,9}=\s{0,9}"""
    r"""((?:["'][^"'\n]{0,64}["'][\s|]{0,9}){1,5});"""
)
_LONGEST_SCRIPT = 20_000  # characters that are looked at
_QUOTED = re.compile(r"""["']([^"'\n]{0,64})["']""")


def wechat_identity_from_page(document: str) -> PageIdentity | None:
    """
    Return the identity that a WeChat article's own page states; a short link leads to such a page.

    Only scripts are read: the site writes them, and authors do not. If two of them differ, neither
    is believed.

    Args:
        document: The page's HTML, as a browser writes it.
    """
    values: dict[str, set[str]] = {}
    for script in _scripts(document):
        for found in _NUMBER.finditer(script):
            # `"" || "" || "2653001234"`: the first that is not empty, as a script has it.
            if stated := next(filter(None, _QUOTED.findall(found[2])), ""):
                values.setdefault(found[1], set()).add(stated)
    if any(len(values.get(name, ())) != 1 for name in ("biz", "mid", "idx")):
        return None
    return wechat_identity(values["biz"].pop(), values["mid"].pop(), values["idx"].pop())


def _scripts(document: str) -> Iterator[str]:
    """Yield the beginnings of the scripts of a document."""
    begins = document.find("<script")
    while begins >= 0:
        ends = document.find("</script", begins)
        if ends < 0:
            return
        yield document[begins : min(ends, begins + _LONGEST_SCRIPT)]
        begins = document.find("<script", ends)


def _weibo(path: str, query: Mapping[str, str]) -> PageIdentity | None:
    if found := _WEIBO_PATH.fullmatch(path):
        post = found[1]
    elif _WEIBO_QUERY.fullmatch(path):
        post = query.get("id", "")
    else:
        return None
    try:
        number = int(post) if re.fullmatch(r"[0-9]{14,20}", post) else weibo_number(post)
    except ValueError:
        return None
    # A user's number in the post's place, or a word of six letters, is no post.
    return PageIdentity(f"weibo:{number}") if number >= 10**13 else None


def _query(query: str, rules: PageIdentityRules) -> str:
    """Return the parameters that distinguish pages, in their order."""
    parameters = []
    for part in query.split("&"):
        name, _, value = part.partition("=")
        name = unquote(name).lower()
        if name in rules.parameters or name.startswith(rules.prefixes):
            continue
        # What a policy had replaced is another text in each capture of the same page.
        if part and not unquote(value).startswith(_REPLACED):
            parameters.append(_escaped(part))
    return "&".join(parameters)


def _path(path: str) -> str:
    """Return a path in one spelling: dots resolved, escapes only where they are needed."""
    parts: list[str] = []
    for part in (path or "/").split("/")[1:]:
        if part in (".", ".."):
            if part == ".." and parts:
                parts.pop()
            continue
        parts.append(part)
    if path.endswith(("/.", "/..")):
        parts.append("")
    return _escaped("/" + "/".join(parts))


_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")


def _escaped(text: str) -> str:
    """Return a text with unreserved characters plain, all else as it stood (RFC 3986, 6.2.2)."""

    def plain(found: "re.Match[str]") -> str:
        letter = chr(int(found[0][1:], 16))
        safe = letter.isascii() and (letter.isalnum() or letter in "-._~")
        return letter if safe else found[0].upper()

    return quote(_ESCAPE.sub(plain, text), safe="%/:@!$&'()*+,;=?-._~[]")


def _host(host: str) -> str:
    host = host.rstrip(".").lower()
    try:
        return host.encode("idna").decode("ascii") if not host.isascii() else host
    except UnicodeError:
        return ""
